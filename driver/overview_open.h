/* How many tiles of each level are open at once while the raster's tiles become complete in a given order: pure
 * arithmetic, so that the plan knows it beforehand.
 *
 * An open tile has some of its pixels. One that is complete counts until the window that it makes possible is put into the
 * next level: then it is encoded, and the tiles that this window completed have their turn. */
#ifndef STF_OVERVIEW_OPEN_H
#define STF_OVERVIEW_OPEN_H

#include "overview_grid.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the open tiles of each level are, and how many may be: all of the first levels in the spill, or none. */
typedef struct stf_overview_places {
    uint32_t spilled_levels; /* levels 1 .. this one lie in the spill */
    uint64_t tiles[STF_OVERVIEW_LEVELS];
} stf_overview_places;

typedef struct stf_overview_open {
    const stf_overview_shape *shape;
    uint32_t
        *filled_px; /* one counter for each tile of all levels but the raster; all zero at the beginning and the end */
    stf_overview_axis x[STF_OVERVIEW_LEVELS], y[STF_OVERVIEW_LEVELS];
    uint64_t first_tile[STF_OVERVIEW_LEVELS];
    uint64_t open[STF_OVERVIEW_LEVELS], most[STF_OVERVIEW_LEVELS];
} stf_overview_open;

void stf_overview_open_begin(stf_overview_open *open, const stf_overview_shape *shape, uint32_t *filled_px);
/* The next tile of the raster is complete. In an order in which a tile comes after those to its left and above. */
void stf_overview_open_add(stf_overview_open *open, uint32_t plane, uint32_t column, uint32_t row);

/* Tiles of a level that a window of it touches: columns and rows, ends exclusive. */
typedef struct stf_overview_range {
    uint32_t column, column_end, row, row_end;
} stf_overview_range;
stf_overview_range stf_overview_touched(const stf_overview_shape *shape, uint32_t level, const stf_window *window);
/* What tile and window share, in pixels of the level. */
stf_window stf_overview_shared(const stf_overview_shape *shape, uint32_t level, uint32_t column, uint32_t row,
                               const stf_window *window);

#ifdef __cplusplus
}
#endif
#endif
