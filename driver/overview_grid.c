#include "overview_grid.h"

#include <math.h>

#define VECTOR_PX 8

/* --- levels ------------------------------------------------------------------------------------ */

void stf_overview_begin(stf_overview_shape *shape, const stf_geometry *geometry, uint32_t tile_px, uint32_t radius_px) {
    stf_overview_level *raster = &shape->levels[0];
    raster->width_px = geometry->width_px;
    raster->height_px = geometry->height_px;
    raster->tile_width_px = (uint32_t)geometry->tile_x.step_px;
    raster->tile_height_px = (uint32_t)geometry->tile_y.step_px;
    raster->parent = 0;
    shape->level_count = 1;
    shape->parents = STF_PARENTS_WIDER;
    shape->tile_px = tile_px;
    shape->radius_px = radius_px;
    shape->planes = geometry->planes;
    shape->plane_count = geometry->plane_count;
    shape->sample_bytes = geometry->sample_bytes;
}

bool stf_overview_add_level(stf_overview_shape *shape, uint32_t width_px, uint32_t height_px) {
    if (shape->level_count == STF_OVERVIEW_LEVELS)
        return false;
    stf_overview_level *level = &shape->levels[shape->level_count];
    uint32_t before = shape->level_count - 1;
    level->width_px = width_px;
    level->height_px = height_px;
    level->tile_width_px = level->tile_height_px = shape->tile_px;
    bool of_before = shape->parents == STF_PARENTS_BEFORE ||
                     (shape->parents == STF_PARENTS_WIDER && shape->levels[before].width_px > width_px);
    level->parent = of_before ? before : 0;
    shape->level_count++;
    return true;
}

/* --- one direction ----------------------------------------------------------------------------- */

/* What GDAL's RasterIO reads for pixels a..b of the level, wherever it is asked for them in pieces, lies within
 * floor(a * ratio) - reach .. ceil(b * ratio) + reach + 1 of the parent. One pixel more on either side is for rounding. */
stf_overview_axis stf_overview_axis_make(uint32_t parent_px, uint32_t level_px, uint32_t tile_px, uint32_t radius_px,
                                         uint32_t step_px) {
    stf_overview_axis axis;
    axis.parent_px = parent_px;
    axis.level_px = level_px;
    axis.tile_px = tile_px;
    axis.step_px = step_px;
    axis.tiles = (parent_px - 1) / tile_px + 1;
    axis.ratio = (double)parent_px / level_px;
    uint64_t reach = (uint64_t)radius_px * (uint64_t)fmax(1, floor(0.5 + axis.ratio));
    axis.reach_px = reach > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)reach;
    return axis;
}

stf_overview_axis stf_overview_axis_x(const stf_overview_shape *shape, uint32_t level) {
    const stf_overview_level *of = &shape->levels[level];
    return stf_overview_axis_make(shape->levels[of->parent].width_px, of->width_px,
                                  shape->levels[of->parent].tile_width_px, shape->radius_px, VECTOR_PX);
}

stf_overview_axis stf_overview_axis_y(const stf_overview_shape *shape, uint32_t level) {
    const stf_overview_level *of = &shape->levels[level];
    return stf_overview_axis_make(shape->levels[of->parent].height_px, of->height_px,
                                  shape->levels[of->parent].tile_height_px, shape->radius_px, 1);
}

uint32_t stf_overview_axis_tile(const stf_overview_axis *axis, uint32_t tile) {
    uint64_t begin = (uint64_t)tile * axis->tile_px;
    return begin < axis->parent_px ? (uint32_t)begin : axis->parent_px;
}

/* The end of what pixels before this one need. */
static double needed_end(const stf_overview_axis *axis, uint32_t pixel) {
    return ceil(pixel * axis->ratio) + axis->reach_px + 2;
}

uint32_t stf_overview_axis_begin(const stf_overview_axis *axis, uint32_t tile) {
    if (tile >= axis->tiles)
        return axis->level_px;
    if (tile == 0)
        return 0;
    double end = stf_overview_axis_tile(axis, tile); /* of the tiles before */
    double guess = floor((end - axis->reach_px - 2) / axis->ratio);
    uint32_t begin = guess < 0 ? 0 : guess >= axis->level_px ? axis->level_px : (uint32_t)guess;
    while (begin > 0 && needed_end(axis, begin) > end)
        begin--;
    while (begin < axis->level_px && needed_end(axis, begin + 1) <= end)
        begin++;
    return begin / axis->step_px * axis->step_px;
}

uint32_t stf_overview_axis_kept(const stf_overview_axis *axis, uint32_t tile) {
    double needed = floor(stf_overview_axis_begin(axis, tile) * axis->ratio) - axis->reach_px - 1;
    uint32_t first = needed < 0 ? 0 : (uint32_t)needed, begin = stf_overview_axis_tile(axis, tile);
    return first < begin ? first : begin;
}

uint32_t stf_overview_axis_most_kept(const stf_overview_axis *axis) {
    uint32_t most = 0;
    for (uint32_t tile = 1; tile < axis->tiles; tile++) {
        uint32_t kept = stf_overview_axis_tile(axis, tile) - stf_overview_axis_kept(axis, tile);
        most = kept > most ? kept : most;
    }
    return most;
}

uint32_t stf_overview_axis_longest_source(const stf_overview_axis *axis) {
    uint32_t most = 0;
    for (uint32_t tile = 0; tile < axis->tiles; tile++) {
        uint32_t length = stf_overview_axis_tile(axis, tile + 1) - stf_overview_axis_kept(axis, tile);
        most = length > most ? length : most;
    }
    return most;
}

uint32_t stf_overview_axis_longest_window(const stf_overview_axis *axis) {
    uint32_t most = 0;
    for (uint32_t tile = 0; tile < axis->tiles; tile++) {
        uint32_t length = stf_overview_axis_begin(axis, tile + 1) - stf_overview_axis_begin(axis, tile);
        most = length > most ? length : most;
    }
    return most;
}

/* --- tiles ------------------------------------------------------------------------------------- */

uint32_t stf_overview_columns(const stf_overview_shape *shape, uint32_t level) {
    return (shape->levels[level].width_px - 1) / shape->levels[level].tile_width_px + 1;
}

uint32_t stf_overview_rows(const stf_overview_shape *shape, uint32_t level) {
    return (shape->levels[level].height_px - 1) / shape->levels[level].tile_height_px + 1;
}

uint64_t stf_overview_tiles(const stf_overview_shape *shape, uint32_t level) {
    uint64_t plane = (uint64_t)stf_overview_columns(shape, level) * stf_overview_rows(shape, level);
    return stf_mul(plane, shape->plane_count);
}

uint64_t stf_overview_first_tile(const stf_overview_shape *shape, uint32_t level) {
    uint64_t first = 0;
    for (uint32_t before = 1; before < level; before++)
        first = stf_add(first, stf_overview_tiles(shape, before));
    return first;
}

uint64_t stf_overview_all_tiles(const stf_overview_shape *shape) {
    return stf_overview_first_tile(shape, shape->level_count);
}

uint64_t stf_overview_tile(const stf_overview_shape *shape, uint32_t level, uint32_t plane, uint32_t column,
                           uint32_t row) {
    return ((uint64_t)plane * stf_overview_rows(shape, level) + row) * stf_overview_columns(shape, level) + column;
}

static uint32_t cut(uint64_t px, uint32_t size_px) {
    return px < size_px ? (uint32_t)px : size_px;
}

stf_window stf_overview_tile_window(const stf_overview_shape *shape, uint32_t level, uint32_t column, uint32_t row) {
    const stf_overview_level *of = &shape->levels[level];
    stf_window window;
    window.x = cut((uint64_t)column * of->tile_width_px, of->width_px);
    window.y = cut((uint64_t)row * of->tile_height_px, of->height_px);
    window.width = cut((uint64_t)window.x + of->tile_width_px, of->width_px) - window.x;
    window.height = cut((uint64_t)window.y + of->tile_height_px, of->height_px) - window.y;
    return window;
}
