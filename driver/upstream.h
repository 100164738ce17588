/* What an opaque dataset reads underneath, and how much of GDAL's cache that takes.
 *
 * gdaldem's dataset keeps its DEM to itself, but the DEM is among GDAL's open datasets, with the same size
 * and geotransform. It is confirmed by what the first rows of the opaque dataset bring into the cache: blocks of the very
 * dataset, or (of a VRT, which opens its files by handles of its own) as many bytes as its underlay tells. How a reader
 * that goes top to bottom uses the cache is then walked through (underlay_walk.h). */
#ifndef STF_UPSTREAM_H
#define STF_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "gdal.h"
#include "lease.h"
#include "underlay.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_upstream {
    stf_underlay *underlay; /* the caller's; NULL: nothing was found that tells */
    uint64_t grown_bytes;   /* of GDAL's cache, by the first rows; what is left to go by where nothing was found */
    bool confirmed;         /* seen in the cache; else a guess by the grid alone */
} stf_upstream;

typedef struct stf_upstream_probe stf_upstream_probe;

/* Before the first rows of opaque are read: finds the datasets that may be it, makes room in GDAL's
 * cache (by the copy's own lease, which the probe must not outlive) and empties the caches of those that
 * are read-only. NULL only without memory. */
stf_upstream_probe *stf_upstream_begin(GDALDatasetH opaque, stf_lease *lease);
/* After so many rows of it were read. The lease is left as it is, for the caller to cut down. Frees the probe. */
stf_upstream stf_upstream_end(stf_upstream_probe *probe, uint32_t rows);

#ifdef __cplusplus
}
#endif
#endif
