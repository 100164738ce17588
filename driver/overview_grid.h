/* The levels of a pyramid, and which pixels of a level can be computed once a tile of the level above is complete: pure
 * arithmetic, no GDAL.
 *
 * Every level but the raster itself (level 0) is computed from a level above it, its parent. A pixel needs the pixels
 * around its place in the parent, as far as the kernel reaches. The windows below are a fixed partition of the level,
 * shifted up and left: the window of a parent's tile holds those pixels whose whole support lies in that tile and those to
 * its left and above, and did not before. So it takes the tile, and the few last columns and rows of those neighbours.
 *
 *      parent    |   tile 0   |   tile 1   |  tile 2 |
 *      support     <-------->      <-------->
 *      level      |   0   |     1     |      2       |     windows; the last one takes the rest
 *
 * The partition depends on the sizes of raster and tile alone, and so do the pixels of every level. */
#ifndef STF_OVERVIEW_GRID_H
#define STF_OVERVIEW_GRID_H

#include "geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_OVERVIEW_LEVELS 33 /* the raster included: sizes halve */

typedef struct stf_overview_level {
    uint32_t width_px, height_px;
    uint32_t tile_width_px, tile_height_px;
    uint32_t parent;
} stf_overview_level;

/* Which level each one is made from. */
typedef enum stf_overview_parents {
    STF_PARENTS_WIDER,  /* the one before; where that is no wider (one pixel), the raster */
    STF_PARENTS_BEFORE, /* the one before */
    STF_PARENTS_RASTER, /* the raster */
} stf_overview_parents;

/* All levels of one raster. */
typedef struct stf_overview_shape {
    stf_overview_level levels[STF_OVERVIEW_LEVELS]; /* 0: the raster */
    uint32_t level_count;                           /* the raster included: 1 where there is no overview */
    stf_overview_parents parents;                   /* WIDER, unless it is set before levels are added */
    uint32_t tile_px;                               /* of every level but the raster */
    uint32_t radius_px; /* of the kernel, at a ratio of 1; 0: a pixel needs no more than its own share of the parent */
    const stf_plane *planes;
    uint32_t plane_count;
    uint32_t sample_bytes;
} stf_overview_shape;

/* The raster alone, with the tiles of its geometry; on every further level they are squares of tile_px. Planes and size
 * of a sample are the geometry's, too. */
void stf_overview_begin(stf_overview_shape *shape, const stf_geometry *geometry, uint32_t tile_px, uint32_t radius_px);
/* One more level of this size. False: there are too many. */
bool stf_overview_add_level(stf_overview_shape *shape, uint32_t width_px, uint32_t height_px);

/* One direction of a level and its parent. */
typedef struct stf_overview_axis {
    uint32_t parent_px, level_px, tile_px;
    uint32_t tiles;    /* of the parent */
    uint32_t step_px;  /* windows begin at multiples of it */
    uint32_t reach_px; /* pixels of the parent that a pixel's support may reach beyond its own share, on either side */
    double ratio;      /* parent_px / level_px */
} stf_overview_axis;

stf_overview_axis stf_overview_axis_make(uint32_t parent_px, uint32_t level_px, uint32_t tile_px, uint32_t radius_px,
                                         uint32_t step_px);
/* Of a row GDAL's vector code takes up to 8 pixels at a time, from the first one on, and leaves the last ones to other
 * code, which rounds differently: so windows begin at multiples of 8. */
stf_overview_axis stf_overview_axis_x(const stf_overview_shape *shape, uint32_t level);
stf_overview_axis stf_overview_axis_y(const stf_overview_shape *shape, uint32_t level);
/* First pixel of the window of the parent's tile; tile == tiles: level_px. A window may be empty. */
uint32_t stf_overview_axis_begin(const stf_overview_axis *axis, uint32_t tile);
/* First pixel of the parent that this window, or a later one, needs: at or before the tile's first. */
uint32_t stf_overview_axis_kept(const stf_overview_axis *axis, uint32_t tile);
/* Of the parent: where the tile begins and, with tile + 1, ends. */
uint32_t stf_overview_axis_tile(const stf_overview_axis *axis, uint32_t tile);
/* The most over all tiles: pixels that a tile leaves to the next one, pixels of the parent that a window is computed
 * from, pixels of a window. */
uint32_t stf_overview_axis_most_kept(const stf_overview_axis *axis);
uint32_t stf_overview_axis_longest_source(const stf_overview_axis *axis);
uint32_t stf_overview_axis_longest_window(const stf_overview_axis *axis);

/* Tiles of a level; of all levels but the raster: UINT64_MAX on overflow. */
uint32_t stf_overview_columns(const stf_overview_shape *shape, uint32_t level);
uint32_t stf_overview_rows(const stf_overview_shape *shape, uint32_t level);
uint64_t stf_overview_tiles(const stf_overview_shape *shape, uint32_t level); /* all planes */
uint64_t stf_overview_all_tiles(const stf_overview_shape *shape);
/* Where the tiles of a level begin among those of all levels but the raster. */
uint64_t stf_overview_first_tile(const stf_overview_shape *shape, uint32_t level);
/* A tile of a level by plane, row and column, and the part of it that lies in the level. */
uint64_t stf_overview_tile(const stf_overview_shape *shape, uint32_t level, uint32_t plane, uint32_t column,
                           uint32_t row);
stf_window stf_overview_tile_window(const stf_overview_shape *shape, uint32_t level, uint32_t column, uint32_t row);

#ifdef __cplusplus
}
#endif
#endif
