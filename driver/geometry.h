/* Grids, windows and the order in which a copy visits them: pure arithmetic, no GDAL.
 *
 * The raster is cut twice. The source delivers *units*: rectangles that one read decodes (a block, a
 * few block rows, a window of a VRT). The output is made of *tiles*. A unit and a tile share pixels
 * where they overlap, nothing else: both grids lie on the same raster, but their steps and origins
 * may have nothing in common.
 *
 *      units 600 high      tiles 512 high
 *      +-----------+  0    +-----------+
 *      |           |       |           |
 *      |           | 512   +-----------+
 *      +-----------+ 600   |           |
 *      |           |       |           |
 *
 * Visiting order: stripe by stripe (a stripe is a run of unit columns); in it the tiles row by row;
 * at each tile the units whose top left pixel lies in it. So a unit is visited once, and a tile has
 * all its pixels as soon as the last of its units was visited, never later than the order allows. */
#ifndef STF_GEOMETRY_H
#define STF_GEOMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One direction of a grid: cell i begins at floor(origin + i * step), cut to 0..size. origin <= 0 and
 * step >= 1, so no cell is empty. A step that is not whole comes from a resampled source.
 *
 * A shifted axis has the borders of another one, but shift_px nearer to 0: cell i begins where cell i + joined
 * of that one does, less the shift. Of the first cells those that the shift leaves nothing of are joined with the next. */
typedef struct stf_axis {
    uint32_t size_px;
    double origin_px;
    double step_px;
    uint32_t cells;
    uint32_t joined_cells, shift_px; /* 0: not shifted */
} stf_axis;

/* size_px >= 1; a step below 1 is multiplied up to whole cells; an origin is shifted into (-step, 0]. */
stf_axis stf_axis_make(uint32_t size_px, double origin_px, double step_px);
/* The shifted axis of one that is not: what can be computed of a cell of it with shift_px pixels to spare on either
 * side, where the cells before it are known. */
stf_axis stf_axis_shifted(const stf_axis *axis, uint32_t shift_px);
/* The last cell joins the one before, which then is longer than the step. Only where there are two. */
void stf_axis_join_last(stf_axis *axis);
uint32_t stf_axis_start(const stf_axis *axis, uint32_t cell); /* first pixel; cell == cells: size_px */
uint32_t stf_axis_length(const stf_axis *axis, uint32_t cell);
uint32_t stf_axis_cell(const stf_axis *axis, uint32_t px); /* the cell that holds pixel px < size_px */
uint32_t stf_axis_longest(const stf_axis *axis);           /* pixels of the longest cell */

/* Bands of the source that one read delivers together, and their grid of units. */
typedef struct stf_group {
    uint32_t first_band, bands; /* counted from 0 */
    stf_axis x, y;
} stf_group;

/* One plane of the output: bands whose samples lie together in a tile. Pixel interleave: one plane of
 * all bands; band interleave: one plane for each. All planes of one image share the tile grid. */
typedef struct stf_plane {
    uint32_t first_band, bands;
} stf_plane;

typedef struct stf_geometry {
    uint32_t width_px, height_px;
    uint32_t sample_bytes;
    const stf_group *groups;
    uint32_t group_count;
    const stf_plane *planes;
    uint32_t plane_count;
    stf_axis tile_x, tile_y;
} stf_geometry;

typedef struct stf_window {
    uint32_t x, y, width, height; /* pixels */
} stf_window;

/* One unit of one group, in its place in the visiting order. */
typedef struct stf_unit {
    uint64_t number; /* 0, 1, 2, ... in visiting order */
    uint32_t group, column, row, stripe;
    stf_window window;
} stf_unit;

/* Tiles are numbered as TIFF numbers them: plane by plane, row by row. */
uint64_t stf_geometry_tiles_per_plane(const stf_geometry *geometry);
uint64_t stf_geometry_tiles(const stf_geometry *geometry); /* UINT64_MAX on overflow */
uint64_t stf_geometry_units(const stf_geometry *geometry); /* UINT64_MAX on overflow */
/* The valid part of a tile (edge tiles are cut). */
stf_window stf_geometry_tile_window(const stf_geometry *geometry, uint64_t tile);
uint32_t stf_geometry_tile_plane(const stf_geometry *geometry, uint64_t tile);
/* How many units give pixels to this tile, over all groups. */
uint64_t stf_geometry_tile_units(const stf_geometry *geometry, uint64_t tile);
/* Visits these units in no special order (number and stripe are not set) as long as visit says true; false: it did not. */
bool stf_geometry_visit_units_of_tile(const stf_geometry *geometry, uint64_t tile,
                                      bool (*visit)(void *context, const stf_unit *unit), void *context);

/* a * b and a + b that stay at UINT64_MAX once they overflowed: the one place for checked products. */
uint64_t stf_mul(uint64_t a, uint64_t b);
uint64_t stf_add(uint64_t a, uint64_t b);

/* --- visiting ---------------------------------------------------------------------------------- */

/* Stripes are cut at unit columns of group 0: each holds this many, the last one what remains. */
uint32_t stf_geometry_stripes(const stf_geometry *geometry, uint32_t stripe_columns);

/* Walks over all units in visiting order. Fields are the walk's own. */
typedef struct stf_walk {
    const stf_geometry *geometry;
    uint32_t stripe_columns, stripes;
    uint32_t stripe, stripe_start_px, stripe_end_px;
    uint32_t tile_row, tile_column;
    uint32_t group, row, column, row_end, column_begin, column_end;
    uint64_t number;
    bool tile_open, done;
} stf_walk;

void stf_walk_begin(stf_walk *walk, const stf_geometry *geometry, uint32_t stripe_columns);
/* A walk over one stripe alone. */
void stf_walk_begin_stripe(stf_walk *walk, const stf_geometry *geometry, uint32_t stripe_columns, uint32_t stripe);
bool stf_walk_next(stf_walk *walk, stf_unit *unit); /* false: there are no more */

/* The tiles that one unit touches, in the order in which they are filled: row by row, in a row left
 * to right, at each place plane by plane. */
typedef struct stf_touch {
    const stf_geometry *geometry;
    uint32_t column_begin, column_end, row_end, plane_begin, plane_end;
    uint32_t column, row, plane;
} stf_touch;

void stf_touch_begin(stf_touch *touch, const stf_geometry *geometry, const stf_unit *unit);
bool stf_touch_next(stf_touch *touch, uint64_t *tile);

/* True where a tile's columns belong to more than one stripe: the tile waits from one stripe to the next. */
bool stf_geometry_is_seam_column(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t tile_column);

/* The most tiles that are open (begun and not complete, the one being filled included) at any moment
 * of the walk, leaving seam tiles aside; and the most that one unit touches. remaining: room for one
 * counter for each tile, all zero (left all zero). only_stripe: UINT32_MAX for all of them. */
typedef struct stf_open_tiles {
    uint64_t open, touched;
} stf_open_tiles;
stf_open_tiles stf_geometry_open_tiles(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t only_stripe,
                                       uint32_t *remaining);

/* Calls visit for every tile in the order in which the walk completes them. remaining: as above. */
void stf_geometry_visit_completed(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t *remaining,
                                  void (*visit)(void *context, uint64_t tile), void *context);

/* Pixels of all seam tiles of one plane. */
uint64_t stf_geometry_seam_pixels(const stf_geometry *geometry, uint32_t stripe_columns);

#ifdef __cplusplus
}
#endif
#endif
