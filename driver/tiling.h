/* Tiling schemes (OGC two-dimensional tile matrix sets), as the COG driver of the linked GDAL knows them, and where the
 * raster lies in one: the zoom level of its resolution, and the whole tiles that it touches there. */
#ifndef STF_TILING_H
#define STF_TILING_H

#include <stdint.h>

#include "options.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_MAX_ZOOM_LEVELS 64

typedef struct stf_zoom_level {
    double resolution;
    double left, top; /* in the order of the axes that the scheme has */
    int tile_width_px, tile_height_px;
    int columns, rows;
    int variable_width; /* its rows have tiles of their own width: no raster */
} stf_zoom_level;

typedef struct stf_tiling {
    char crs[4096], bounds_crs[4096];
    double bounds[4]; /* left, bottom, right, top; in the order of the axes, too */
    stf_zoom_level levels[STF_MAX_ZOOM_LEVELS];
    int level_count;
} stf_tiling;

/* By name, as a JSON text, or by the name or address of a file with one. Calling thread. */
bool stf_tiling_find(const char *text, stf_tiling *tiling, stf_error *err);

/* Where a raster lies that was reprojected to the scheme's CRS. */
typedef struct stf_tiling_fit {
    double min_x, min_y, max_x, max_y, resolution; /* in: the raster's; out: whole tiles */
    int zoom;                                      /* in: -1, or the one to be; out */
    int aligned_levels;                            /* in: wanted; out: had */
    bool clamped;                                  /* out: the raster lies partly outside */
} stf_tiling_fit;

/* block_px: 0, that of the scheme. swapped: the CRS has its north axis first. */
bool stf_tiling_place(const stf_tiling *tiling, int block_px, bool swapped, stf_zoom_strategy strategy,
                      stf_tiling_fit *fit, stf_error *err);

/* Ratios of each overview to the one before, from this zoom level on. Gives how many there are. */
uint32_t stf_tiling_ratios(const stf_tiling *tiling, int zoom, double *ratios, uint32_t room);

#ifdef __cplusplus
}
#endif
#endif
