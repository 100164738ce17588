/* What lies underneath a VRT, as the "xml:VRT" metadata tells: for each source its block grid mapped to
 * the VRT's pixels, the halo its resampling needs, and what one of its blocks takes in GDAL's cache. */
#ifndef STF_VRT_LAYERS_H
#define STF_VRT_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_vrt_layer {
    char *path;                                             /* of the source, resolved */
    double x, y, width, height;                             /* where it lies in the VRT, in VRT pixels */
    double source_x, source_y, source_width, source_height; /* the part of the source that is shown */
    double step_x, step_y;                                  /* a source block, in VRT pixels */
    double origin_x, origin_y;                              /* where the source's first block begins, in VRT pixels */
    double halo_x, halo_y; /* VRT pixels around a window that its source window reaches beyond it */
    uint32_t source_width_px, source_height_px, block_width_px, block_height_px;
    uint64_t block_bytes; /* in the cache, of all bands that one decode brings in */
    uint32_t bands;       /* bands of the VRT that show it */
    bool simple;          /* SimpleSource with a band of the same number: pixels pass unchanged */
} stf_vrt_layer;

typedef struct stf_vrt_layers {
    stf_vrt_layer *items;
    uint32_t count;
    uint64_t reader_bytes; /* memory of the datasets that the VRT opens underneath */
} stf_vrt_layers;

/* False where the VRT does not tell enough (derived or warped bands, sources that cannot be opened):
 * nothing is to be freed then. Calling thread. */
bool stf_vrt_layers_read(GDALDatasetH vrt, stf_vrt_layers *layers);
void stf_vrt_layers_free(stf_vrt_layers *layers);

/* The most that rows_px rows of the VRT at any place, and the rows before them, hold in GDAL's cache. */
uint64_t stf_vrt_layers_span_bytes(const stf_vrt_layers *layers, uint32_t height_px, double rows_px);

#ifdef __cplusplus
}
#endif
#endif
