#include "overview_open.h"

#include <string.h>

stf_overview_range stf_overview_touched(const stf_overview_shape *shape, uint32_t level, const stf_window *window) {
    const stf_overview_level *of = &shape->levels[level];
    stf_overview_range range = {0, 0, 0, 0};
    if (window->width == 0 || window->height == 0)
        return range;
    range.column = window->x / of->tile_width_px;
    range.column_end = (window->x + window->width - 1) / of->tile_width_px + 1;
    range.row = window->y / of->tile_height_px;
    range.row_end = (window->y + window->height - 1) / of->tile_height_px + 1;
    return range;
}

stf_window stf_overview_shared(const stf_overview_shape *shape, uint32_t level, uint32_t column, uint32_t row,
                               const stf_window *window) {
    stf_window tile = stf_overview_tile_window(shape, level, column, row), shared;
    uint32_t right = tile.x + tile.width, bottom = tile.y + tile.height;
    shared.x = tile.x > window->x ? tile.x : window->x;
    shared.y = tile.y > window->y ? tile.y : window->y;
    right = right < window->x + window->width ? right : window->x + window->width;
    bottom = bottom < window->y + window->height ? bottom : window->y + window->height;
    shared.width = right - shared.x;
    shared.height = bottom - shared.y;
    return shared;
}

void stf_overview_open_begin(stf_overview_open *open, const stf_overview_shape *shape, uint32_t *filled_px) {
    memset(open, 0, sizeof *open);
    open->shape = shape;
    open->filled_px = filled_px;
    for (uint32_t level = 1; level < shape->level_count; level++) {
        open->x[level] = stf_overview_axis_x(shape, level);
        open->y[level] = stf_overview_axis_y(shape, level);
        open->first_tile[level] = stf_overview_first_tile(shape, level);
    }
}

static void add_to_level(stf_overview_open *open, uint32_t level, uint32_t plane, uint32_t column, uint32_t row);

/* The levels made from the one that the tile belongs to. */
static void add_to_children(stf_overview_open *open, uint32_t parent, uint32_t plane, uint32_t column, uint32_t row) {
    for (uint32_t level = parent + 1; level < open->shape->level_count; level++)
        if (open->shape->levels[level].parent == parent)
            add_to_level(open, level, plane, column, row);
}

static void fill(stf_overview_open *open, uint32_t level, uint32_t plane, uint32_t column, uint32_t row,
                 const stf_window *window) {
    stf_window shared = stf_overview_shared(open->shape, level, column, row, window);
    uint32_t *filled =
        &open->filled_px[open->first_tile[level] + stf_overview_tile(open->shape, level, plane, column, row)];
    if (*filled == 0 && ++open->open[level] > open->most[level])
        open->most[level] = open->open[level];
    *filled += shared.width * shared.height;
}

static stf_window window_of(const stf_overview_open *open, uint32_t level, uint32_t column, uint32_t row) {
    stf_window window;
    window.x = stf_overview_axis_begin(&open->x[level], column);
    window.y = stf_overview_axis_begin(&open->y[level], row);
    window.width = stf_overview_axis_begin(&open->x[level], column + 1) - window.x;
    window.height = stf_overview_axis_begin(&open->y[level], row + 1) - window.y;
    return window;
}

/* All of the window is filled in first; then the tiles that it completed are taken up, one after the other. */
static void add_to_level(stf_overview_open *open, uint32_t level, uint32_t plane, uint32_t column, uint32_t row) {
    stf_window window = window_of(open, level, column, row);
    stf_overview_range range = stf_overview_touched(open->shape, level, &window);
    for (uint32_t r = range.row; r < range.row_end; r++)
        for (uint32_t c = range.column; c < range.column_end; c++)
            fill(open, level, plane, c, r, &window);
    for (uint32_t r = range.row; r < range.row_end; r++)
        for (uint32_t c = range.column; c < range.column_end; c++) {
            stf_window tile = stf_overview_tile_window(open->shape, level, c, r);
            uint32_t *filled =
                &open->filled_px[open->first_tile[level] + stf_overview_tile(open->shape, level, plane, c, r)];
            if (*filled < tile.width * tile.height)
                continue;
            *filled = 0;
            add_to_children(open, level, plane, c, r);
            open->open[level]--;
        }
}

void stf_overview_open_add(stf_overview_open *open, uint32_t plane, uint32_t column, uint32_t row) {
    add_to_children(open, 0, plane, column, row);
}
