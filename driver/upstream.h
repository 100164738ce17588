/* What an opaque dataset reads underneath, and how much of GDAL's cache that takes.
 *
 * gdaldem's dataset keeps its DEM to itself, but the DEM is among GDAL's open datasets, with the same size
 * and geotransform. It is confirmed by what the first rows of the opaque dataset bring into the cache: blocks of the very
 * dataset, or (of a VRT, which opens its files by handles of its own) as many bytes as its underlay tells. How a reader
 * that goes top to bottom uses the cache is then walked through (underlay_walk.h).
 *
 * The list of open datasets is the whole process's, and GDAL has no way to look at one of them that another thread may close
 * at that moment: the list is copied under GDAL's lock, but the lock is let go of before anything in it can be looked at (and the copy lies in an
 * array that the next caller moves); references are counted in plain integers, so that taking one races with who gives his
 * back, and GDALDumpOpenDatasets() does just that to all datasets. So this is for programs that do not close datasets in
 * one thread while another one copies from gdaldem's, or that read through us alone (own_datasets.h): where another thread
 * copies or reads through us, nothing is looked at. What can be done against the rest is done: of every dataset only the size is
 * asked, more of those of the same size alone; and after the first rows were read those that have left the list meanwhile are
 * not touched again. */
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

/* Before the first rows of opaque are read, which outlives the probe: finds the datasets that may be it, makes room in GDAL's
 * cache (by the copy's own lease, which the probe must not outlive) and empties the caches of those that
 * are read-only. NULL only without memory. */
stf_upstream_probe *stf_upstream_begin(GDALDatasetH opaque, stf_lease *lease);
/* After so many rows of it were read. The lease is left as it is, for the caller to cut down. Frees the probe. */
stf_upstream stf_upstream_end(stf_upstream_probe *probe, uint32_t rows);

#ifdef __cplusplus
}
#endif
#endif
