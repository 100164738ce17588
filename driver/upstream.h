/* What an opaque dataset reads underneath, and how much of GDAL's cache that takes.
 *
 * gdaldem's dataset keeps its DEM to itself, but the DEM is among GDAL's open datasets, with the same size
 * and geotransform. It is confirmed by its blocks turning up in the cache when the first rows of the
 * opaque dataset are read. A reader that goes top to bottom needs one block row of it at a time: a window of
 * three rows moves on by one, and keeps the two others itself. */
#ifndef STF_UPSTREAM_H
#define STF_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "gdal.h"
#include "lease.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_upstream {
    uint64_t span_bytes;   /* of GDAL's cache: one block row of what is read underneath; 0: nothing was found */
    uint64_t reader_bytes; /* what its own handle takes to decode a block */
    uint64_t blocks;       /* distinct blocks of it; 0: not known */
    bool confirmed;        /* seen in the cache; else what the cache grew by, or a guess from a VRT */
} stf_upstream;

typedef struct stf_upstream_probe stf_upstream_probe;

/* Before the first rows of opaque are read: finds the datasets that may be it, makes room in GDAL's
 * cache (by the copy's own lease, which the probe must not outlive) and empties the caches of those that
 * are read-only. NULL only without memory. */
stf_upstream_probe *stf_upstream_begin(GDALDatasetH opaque, stf_lease *lease);
/* After they were read; the lease is cut down to the span. Frees the probe. */
stf_upstream stf_upstream_end(stf_upstream_probe *probe);

#ifdef __cplusplus
}
#endif
#endif
