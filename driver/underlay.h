/* What lies underneath a dataset: the files that its pixels come from, each with its block grid and where it shows.
 *
 * A VRT is flattened: VRTs of VRTs are followed down to the files. What is left are *layers*, one above the other:
 * a grid of blocks, the part of the raster where it shows, and how a pixel of the raster maps to the grid. A read of a
 * window touches, layer by layer, the blocks under
 *
 *     window -> widened by the halo of what lies between -> cut to where the layer shows
 *            -> mapped to the grid's pixels -> widened by the layer's own halo (its resampling or filter)
 *
 * A warped VRT is a grid, too, for its blocks are kept in GDAL's cache; each of them touches, when it is made, a window
 * of the list of layers underneath it. Blocks of all grids are numbered in one row, so that a walk over windows
 * becomes a walk over numbers (reuse.h). */
#ifndef STF_UNDERLAY_H
#define STF_UNDERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "cpl_minixml.h"
#include "gdal.h"
#include "geometry.h"
#include "reuse.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_UNDER_FILE UINT32_MAX /* as a grid's list: nothing lies underneath */

/* One direction of a layer. "Top" pixels are those of the raster that the list is about. */
typedef struct stf_under_axis {
    double begin, end;    /* where it shows, in top pixels */
    double scale, offset; /* pixel of the grid = top pixel * scale + offset */
    double outer;         /* top pixels that a window is widened by before it is cut to begin..end */
    double inner;         /* pixels of the grid that it is widened by afterwards */
} stf_under_axis;

typedef struct stf_under_layer {
    uint32_t grid;
    stf_under_axis x, y;
    uint32_t bands;        /* bands of the top that show it */
    bool simple;           /* a SimpleSource at the first level, band for band: pixels pass unchanged */
    double scratch_per_px; /* bytes of working buffers for a pixel of the top ... */
    double scratch_most;   /* ... and the most that they come to */
} stf_under_layer;

typedef struct stf_under_list {
    stf_under_layer *items;
    uint32_t count, room;
} stf_under_list;

typedef struct stf_under_grid {
    char *path;
    uint32_t source, level; /* which of the datasets met while reading, and which overview of it; for comparing */
    uint32_t width_px, height_px, block_width_px, block_height_px, columns, rows;
    uint32_t first_block;   /* number of its first block among those of all grids */
    uint32_t bands_at_once; /* that one decode brings in */
    uint32_t decodes;       /* of one place of the grid: one for each band that is stored by itself */
    uint64_t band_bytes;    /* of one block in GDAL's cache, of one band ... */
    uint64_t block_bytes;   /* ... and of all that a touch brings in */
    uint64_t reader_bytes;  /* of a file's handle; of a warped VRT: of the warper's buffers */
    uint32_t list;          /* what a warped VRT shows; STF_UNDER_FILE */
    stf_window *windows;    /* of that list, for each block of a warped VRT; width 0: it touches nothing */
} stf_under_grid;

typedef struct stf_underlay {
    stf_under_grid *grids;
    uint32_t grid_count, grid_room;
    stf_under_list *lists; /* the first is about the dataset itself */
    uint32_t list_count, list_room;
    uint32_t blocks;       /* of all grids together */
    uint64_t reader_bytes; /* of all handles that are open at once underneath, and of the warpers' buffers */
} stf_underlay;

/* Of so many bands from first_band (counted from 1) on. NULL where the dataset does not tell (pansharpened, processed; a source that cannot be opened; no
 * memory). Any other dataset than a VRT is one layer. Calling thread: opens files, uses PROJ; raises nothing. */
stf_underlay *stf_underlay_read(GDALDatasetH dataset, uint32_t first_band, uint32_t bands);
/* Of the mask of a VRT: of the dataset's (0), or of the own one of a band (from 1). */
stf_underlay *stf_underlay_read_mask(GDALDatasetH vrt, uint32_t band);
void stf_underlay_free(stf_underlay *underlay);                 /* NULL is legal */
uint64_t stf_underlay_cost_bytes(const stf_underlay *underlay); /* memory that it takes itself */

/* Blocks of the layer's grid that a window of its top touches, in grid cells; false: none. */
typedef struct stf_under_cells {
    uint32_t left, top, right, bottom; /* the last ones belong to it */
} stf_under_cells;
bool stf_under_layer_cells(const stf_underlay *underlay, const stf_under_layer *layer, const stf_window *window,
                           stf_under_cells *cells);

/* Touches all blocks that a read of this window (of the dataset itself) decodes or takes from the cache. False: no memory. */
bool stf_underlay_touch(const stf_underlay *underlay, const stf_window *window, stf_reuse *reuse);

/* Working buffers of GDAL for reading a window of so many pixels: resampling, filters, scaling. */
uint64_t stf_underlay_scratch_bytes(const stf_underlay *underlay, uint64_t window_px);

/* The layer whose blocks windows are cut along: the largest. */
const stf_under_layer *stf_underlay_lead(const stf_underlay *underlay);

/* --- between the parts of the reader ----------------------------------------------------------- */

/* Fills in windows and reader_bytes of a warped VRT's grid. tree: its <GDALWarpOptions>, with the source's path resolved.
 * False: it cannot be transformed, or there is no memory. */
bool stf_under_warp_windows(stf_under_grid *grid, const CPLXMLNode *tree);

#ifdef __cplusplus
}
#endif
#endif
