#include "geometry.h"

#include <math.h>

uint64_t stf_mul(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0)
        return 0;
    return a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

uint64_t stf_add(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* --- one direction ----------------------------------------------------------------------------- */

static double cell_start(const stf_axis *axis, uint32_t cell) {
    return floor(axis->origin_px + ((double)cell + axis->joined_cells) * axis->step_px) - axis->shift_px;
}

stf_axis stf_axis_make(uint32_t size_px, double origin_px, double step_px) {
    stf_axis axis = {size_px, origin_px, step_px, 1, 0, 0};
    if (!(step_px > 0) || step_px > UINT32_MAX)
        step_px = (double)size_px;
    if (step_px < 1)
        step_px *= ceil(1 / step_px);
    axis.step_px = step_px;
    axis.origin_px = origin_px - ceil(origin_px / step_px) * step_px;
    if (!(axis.origin_px <= 0) || axis.origin_px <= -step_px)
        axis.origin_px = 0;
    axis.cells = (uint32_t)ceil(((double)size_px - axis.origin_px) / step_px);
    /* Rounding may leave the last cell empty, or the first one where floor() brought its end to 0. */
    while (axis.cells > 1 && cell_start(&axis, axis.cells - 1) >= size_px)
        axis.cells--;
    if (axis.cells > 1 && cell_start(&axis, 1) < 1) {
        axis.origin_px += step_px;
        axis.cells--;
    }
    if (axis.cells < 1)
        axis.cells = 1;
    return axis;
}

stf_axis stf_axis_shifted(const stf_axis *axis, uint32_t shift_px) {
    stf_axis shifted = *axis;
    shifted.shift_px = shift_px;
    while (shifted.cells > 1 && cell_start(&shifted, 1) < 1) {
        shifted.joined_cells++;
        shifted.cells--;
    }
    return shifted;
}

void stf_axis_join_last(stf_axis *axis) {
    if (axis->cells > 1)
        axis->cells--;
}

uint32_t stf_axis_start(const stf_axis *axis, uint32_t cell) {
    if (cell == 0)
        return 0;
    if (cell >= axis->cells)
        return axis->size_px;
    return (uint32_t)cell_start(axis, cell);
}

uint32_t stf_axis_length(const stf_axis *axis, uint32_t cell) {
    return stf_axis_start(axis, cell + 1) - stf_axis_start(axis, cell);
}

uint32_t stf_axis_cell(const stf_axis *axis, uint32_t px) {
    double guess = floor(((double)px + axis->shift_px - axis->origin_px) / axis->step_px) - axis->joined_cells;
    uint32_t cell = guess < 0 ? 0 : guess >= axis->cells ? axis->cells - 1 : (uint32_t)guess;
    while (cell > 0 && stf_axis_start(axis, cell) > px)
        cell--;
    while (cell + 1 < axis->cells && stf_axis_start(axis, cell + 1) <= px)
        cell++;
    return cell;
}

uint32_t stf_axis_longest(const stf_axis *axis) {
    /* floor() makes cells of a step that is not whole one pixel longer at most. The first cell may be cut, and is
     * longer than the step only where it swallowed another one; the last one is where the axis is shifted. */
    double longest = ceil(axis->step_px);
    if (stf_axis_length(axis, 0) > longest)
        longest = stf_axis_length(axis, 0);
    if (stf_axis_length(axis, axis->cells - 1) > longest)
        longest = stf_axis_length(axis, axis->cells - 1);
    if (longest > axis->size_px)
        longest = axis->size_px;
    return (uint32_t)longest;
}

/* --- tiles ------------------------------------------------------------------------------------- */

uint64_t stf_geometry_tiles_per_plane(const stf_geometry *geometry) {
    return (uint64_t)geometry->tile_x.cells * geometry->tile_y.cells;
}

uint64_t stf_geometry_tiles(const stf_geometry *geometry) {
    return stf_mul(stf_geometry_tiles_per_plane(geometry), geometry->plane_count);
}

uint64_t stf_geometry_units(const stf_geometry *geometry) {
    uint64_t units = 0;
    for (uint32_t g = 0; g < geometry->group_count; g++)
        units = stf_add(units, (uint64_t)geometry->groups[g].x.cells * geometry->groups[g].y.cells);
    return units;
}

stf_window stf_geometry_tile_window(const stf_geometry *geometry, uint64_t tile) {
    uint64_t place = tile % stf_geometry_tiles_per_plane(geometry);
    uint32_t column = (uint32_t)(place % geometry->tile_x.cells);
    uint32_t row = (uint32_t)(place / geometry->tile_x.cells);
    stf_window window = {stf_axis_start(&geometry->tile_x, column), stf_axis_start(&geometry->tile_y, row),
                         stf_axis_length(&geometry->tile_x, column), stf_axis_length(&geometry->tile_y, row)};
    return window;
}

uint32_t stf_geometry_tile_plane(const stf_geometry *geometry, uint64_t tile) {
    return (uint32_t)(tile / stf_geometry_tiles_per_plane(geometry));
}

static bool shares_bands(const stf_group *group, const stf_plane *plane) {
    return group->first_band < plane->first_band + plane->bands && plane->first_band < group->first_band + group->bands;
}

static uint32_t cells_over(const stf_axis *axis, uint32_t begin_px, uint32_t length_px) {
    return stf_axis_cell(axis, begin_px + length_px - 1) - stf_axis_cell(axis, begin_px) + 1;
}

uint64_t stf_geometry_tile_units(const stf_geometry *geometry, uint64_t tile) {
    const stf_plane *plane = &geometry->planes[stf_geometry_tile_plane(geometry, tile)];
    stf_window window = stf_geometry_tile_window(geometry, tile);
    uint64_t units = 0;
    for (uint32_t g = 0; g < geometry->group_count; g++)
        if (shares_bands(&geometry->groups[g], plane))
            units += (uint64_t)cells_over(&geometry->groups[g].x, window.x, window.width) *
                     cells_over(&geometry->groups[g].y, window.y, window.height);
    return units;
}

static void set_unit(stf_unit *unit, const stf_geometry *geometry, uint32_t group, uint32_t column, uint32_t row) {
    const stf_group *of = &geometry->groups[group];
    unit->group = group;
    unit->column = column;
    unit->row = row;
    unit->window.x = stf_axis_start(&of->x, column);
    unit->window.y = stf_axis_start(&of->y, row);
    unit->window.width = stf_axis_length(&of->x, column);
    unit->window.height = stf_axis_length(&of->y, row);
}

bool stf_geometry_visit_units_of_tile(const stf_geometry *geometry, uint64_t tile,
                                      bool (*visit)(void *context, const stf_unit *unit), void *context) {
    const stf_plane *plane = &geometry->planes[stf_geometry_tile_plane(geometry, tile)];
    stf_window window = stf_geometry_tile_window(geometry, tile);
    for (uint32_t g = 0; g < geometry->group_count; g++) {
        const stf_group *group = &geometry->groups[g];
        if (!shares_bands(group, plane))
            continue;
        uint32_t left = stf_axis_cell(&group->x, window.x), columns = cells_over(&group->x, window.x, window.width);
        uint32_t top = stf_axis_cell(&group->y, window.y), rows = cells_over(&group->y, window.y, window.height);
        for (uint32_t row = top; row < top + rows; row++)
            for (uint32_t column = left; column < left + columns; column++) {
                stf_unit unit = {0};
                set_unit(&unit, geometry, g, column, row);
                if (!visit(context, &unit))
                    return false;
            }
    }
    return true;
}

/* --- visiting ---------------------------------------------------------------------------------- */

uint32_t stf_geometry_stripes(const stf_geometry *geometry, uint32_t stripe_columns) {
    uint32_t columns = geometry->groups[0].x.cells;
    return (columns - 1) / stripe_columns + 1;
}

static uint32_t stripe_start_px(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t stripe) {
    uint64_t column = (uint64_t)stripe * stripe_columns;
    const stf_axis *axis = &geometry->groups[0].x;
    return stf_axis_start(axis, column > axis->cells ? axis->cells : (uint32_t)column);
}

static void enter_stripe(stf_walk *walk, uint32_t stripe) {
    walk->stripe = stripe;
    walk->stripe_start_px = stripe_start_px(walk->geometry, walk->stripe_columns, stripe);
    walk->stripe_end_px = stripe_start_px(walk->geometry, walk->stripe_columns, stripe + 1);
    walk->tile_row = 0;
    walk->tile_column = stf_axis_cell(&walk->geometry->tile_x, walk->stripe_start_px);
    walk->tile_open = false;
}

void stf_walk_begin_stripe(stf_walk *walk, const stf_geometry *geometry, uint32_t stripe_columns, uint32_t stripe) {
    walk->geometry = geometry;
    walk->stripe_columns = stripe_columns;
    walk->stripes = stripe + 1;
    walk->number = 0;
    walk->done = false;
    enter_stripe(walk, stripe);
}

void stf_walk_begin(stf_walk *walk, const stf_geometry *geometry, uint32_t stripe_columns) {
    stf_walk_begin_stripe(walk, geometry, stripe_columns, 0);
    walk->stripes = stf_geometry_stripes(geometry, stripe_columns);
}

/* First cell that begins at or after px. */
static uint32_t cell_from(const stf_axis *axis, uint32_t px) {
    if (px >= axis->size_px)
        return axis->cells;
    uint32_t cell = stf_axis_cell(axis, px);
    return stf_axis_start(axis, cell) < px ? cell + 1 : cell;
}

static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Sets the ranges of units of walk->group whose top left pixel lies in the walk's tile (and stripe). */
static void enter_group(stf_walk *walk) {
    const stf_geometry *geometry = walk->geometry;
    const stf_group *group = &geometry->groups[walk->group];
    uint32_t left = max_u32(stf_axis_start(&geometry->tile_x, walk->tile_column), walk->stripe_start_px);
    uint32_t right = min_u32(stf_axis_start(&geometry->tile_x, walk->tile_column + 1), walk->stripe_end_px);
    walk->column_begin = cell_from(&group->x, left);
    walk->column_end = cell_from(&group->x, right);
    walk->column = walk->column_begin;
    walk->row = cell_from(&group->y, stf_axis_start(&geometry->tile_y, walk->tile_row));
    walk->row_end = cell_from(&group->y, stf_axis_start(&geometry->tile_y, walk->tile_row + 1));
    if (walk->column_begin >= walk->column_end)
        walk->row = walk->row_end;
}

/* Moves on to the next tile of the walk; false: there is none. */
static bool next_tile(stf_walk *walk) {
    const stf_geometry *geometry = walk->geometry;
    walk->tile_column++;
    if (walk->tile_column < geometry->tile_x.cells &&
        stf_axis_start(&geometry->tile_x, walk->tile_column) < walk->stripe_end_px)
        return true;
    walk->tile_column = stf_axis_cell(&geometry->tile_x, walk->stripe_start_px);
    walk->tile_row++;
    if (walk->tile_row < geometry->tile_y.cells)
        return true;
    if (walk->stripe + 1 >= walk->stripes)
        return false;
    enter_stripe(walk, walk->stripe + 1);
    return true;
}

bool stf_walk_next(stf_walk *walk, stf_unit *unit) {
    while (!walk->done) {
        if (!walk->tile_open) {
            walk->tile_open = true;
            walk->group = 0;
            enter_group(walk);
        }
        if (walk->row < walk->row_end) {
            unit->number = walk->number++;
            unit->stripe = walk->stripe;
            set_unit(unit, walk->geometry, walk->group, walk->column, walk->row);
            if (++walk->column == walk->column_end) {
                walk->column = walk->column_begin;
                walk->row++;
            }
            return true;
        }
        if (++walk->group < walk->geometry->group_count) {
            enter_group(walk);
            continue;
        }
        walk->tile_open = false;
        walk->done = !next_tile(walk);
    }
    return false;
}

void stf_touch_begin(stf_touch *touch, const stf_geometry *geometry, const stf_unit *unit) {
    const stf_group *group = &geometry->groups[unit->group];
    touch->geometry = geometry;
    touch->column_begin = stf_axis_cell(&geometry->tile_x, unit->window.x);
    touch->column_end = stf_axis_cell(&geometry->tile_x, unit->window.x + unit->window.width - 1) + 1;
    touch->row = stf_axis_cell(&geometry->tile_y, unit->window.y);
    touch->row_end = stf_axis_cell(&geometry->tile_y, unit->window.y + unit->window.height - 1) + 1;
    uint32_t begin = 0;
    while (begin < geometry->plane_count && !shares_bands(group, &geometry->planes[begin]))
        begin++;
    uint32_t end = begin;
    while (end < geometry->plane_count && shares_bands(group, &geometry->planes[end]))
        end++;
    touch->plane_begin = begin;
    touch->plane_end = end;
    touch->plane = begin;
    touch->column = touch->column_begin;
}

bool stf_touch_next(stf_touch *touch, uint64_t *tile) {
    if (touch->row >= touch->row_end || touch->plane_begin >= touch->plane_end)
        return false;
    *tile = touch->plane * stf_geometry_tiles_per_plane(touch->geometry) +
            (uint64_t)touch->row * touch->geometry->tile_x.cells + touch->column;
    if (++touch->plane == touch->plane_end) {
        touch->plane = touch->plane_begin;
        if (++touch->column == touch->column_end) {
            touch->column = touch->column_begin;
            touch->row++;
        }
    }
    return true;
}

/* --- what is open at once ---------------------------------------------------------------------- */

bool stf_geometry_is_seam_column(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t tile_column) {
    /* A unit belongs to the stripe its first column lies in, so its last columns may reach into a tile that
     * the next stripe begins with: ask for the units, not for the pixels. */
    uint32_t begin = stf_axis_start(&geometry->tile_x, tile_column);
    uint32_t end = stf_axis_start(&geometry->tile_x, tile_column + 1) - 1;
    uint32_t first_px = begin, last_px = 0;
    for (uint32_t g = 0; g < geometry->group_count; g++) {
        const stf_axis *axis = &geometry->groups[g].x;
        first_px = min_u32(first_px, stf_axis_start(axis, stf_axis_cell(axis, begin)));
        last_px = max_u32(last_px, stf_axis_start(axis, stf_axis_cell(axis, end)));
    }
    const stf_axis *lead = &geometry->groups[0].x;
    return stf_axis_cell(lead, first_px) / stripe_columns != stf_axis_cell(lead, last_px) / stripe_columns;
}

stf_open_tiles stf_geometry_open_tiles(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t only_stripe,
                                       uint32_t *remaining) {
    stf_open_tiles most = {0, 0};
    uint64_t open = 0;
    stf_walk walk;
    stf_unit unit;
    bool seams = stf_geometry_stripes(geometry, stripe_columns) > 1;
    if (only_stripe == UINT32_MAX)
        stf_walk_begin(&walk, geometry, stripe_columns);
    else
        stf_walk_begin_stripe(&walk, geometry, stripe_columns, only_stripe);
    while (stf_walk_next(&walk, &unit)) {
        stf_touch touch;
        uint64_t tile, touched = 0;
        stf_touch_begin(&touch, geometry, &unit);
        while (stf_touch_next(&touch, &tile)) {
            touched++;
            uint32_t column = (uint32_t)(tile % stf_geometry_tiles_per_plane(geometry) % geometry->tile_x.cells);
            if (seams && stf_geometry_is_seam_column(geometry, stripe_columns, column))
                continue;
            if (remaining[tile] == 0) {
                remaining[tile] = (uint32_t)stf_geometry_tile_units(geometry, tile);
                open++;
            }
            if (open > most.open)
                most.open = open;
            if (--remaining[tile] == 0)
                open--;
        }
        if (touched > most.touched)
            most.touched = touched;
    }
    return most;
}

void stf_geometry_visit_completed(const stf_geometry *geometry, uint32_t stripe_columns, uint32_t *remaining,
                                  void (*visit)(void *context, uint64_t tile), void *context) {
    stf_walk walk;
    stf_unit unit;
    for (stf_walk_begin(&walk, geometry, stripe_columns); stf_walk_next(&walk, &unit);) {
        stf_touch touch;
        uint64_t tile;
        for (stf_touch_begin(&touch, geometry, &unit); stf_touch_next(&touch, &tile);) {
            if (remaining[tile] == 0)
                remaining[tile] = (uint32_t)stf_geometry_tile_units(geometry, tile);
            if (--remaining[tile] == 0)
                visit(context, tile);
        }
    }
}

uint64_t stf_geometry_seam_pixels(const stf_geometry *geometry, uint32_t stripe_columns) {
    uint64_t pixels = 0;
    if (stf_geometry_stripes(geometry, stripe_columns) == 1)
        return 0;
    for (uint32_t column = 0; column < geometry->tile_x.cells; column++)
        if (stf_geometry_is_seam_column(geometry, stripe_columns, column))
            pixels += (uint64_t)stf_axis_length(&geometry->tile_x, column) * geometry->height_px;
    return pixels;
}
