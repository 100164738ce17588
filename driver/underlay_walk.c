#include "underlay_walk.h"

#include <stdlib.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"

typedef struct answer {
    uint32_t stripe_columns, count;
    stf_lease_point points[STF_LEASE_POINTS];
} answer;

struct stf_under_walk {
    const stf_underlay *underlay;
    bool by_rows;
    uint32_t width_px, height_px; /* by rows */
    answer *answers;              /* given so far */
    uint32_t answer_count, answer_room;
    uint64_t distinct; /* decodes if every block is decoded once; 0: not yet known */
};

static stf_under_walk *create(const stf_underlay *underlay) {
    stf_under_walk *walk = VSICalloc(1, sizeof *walk);
    if (walk)
        walk->underlay = underlay;
    return walk;
}

stf_under_walk *stf_under_walk_units(const stf_underlay *underlay) {
    return create(underlay);
}

stf_under_walk *stf_under_walk_rows(const stf_underlay *underlay, uint32_t width_px, uint32_t height_px) {
    stf_under_walk *walk = create(underlay);
    if (!walk)
        return NULL;
    walk->by_rows = true;
    walk->width_px = width_px;
    walk->height_px = height_px;
    return walk;
}

void stf_under_walk_destroy(stf_under_walk *walk) {
    if (!walk)
        return;
    VSIFree(walk->answers);
    VSIFree(walk);
}

/* --- the two orders ---------------------------------------------------------------------------- */

/* What is read for one direction of a unit: of a shifted axis (geometry.h) the cell of the axis that is not. */
static void unshift(const stf_axis *axis, uint32_t *begin, uint32_t *length) {
    uint64_t end = (uint64_t)*begin + *length + axis->shift_px;
    *begin += *begin > 0 ? axis->shift_px : 0;
    *length = (uint32_t)(end < axis->size_px ? end : axis->size_px) - *begin;
}

static bool go_by_units(const stf_under_walk *walk, const stf_geometry *geometry, uint32_t stripe_columns,
                        stf_reuse *reuse) {
    stf_walk units;
    stf_unit unit;
    uint32_t stripe = 0;
    for (stf_walk_begin(&units, geometry, stripe_columns); stf_walk_next(&units, &unit);) {
        if (unit.stripe != stripe)
            stf_reuse_forget(reuse);
        stripe = unit.stripe;
        unshift(&geometry->groups[unit.group].x, &unit.window.x, &unit.window.width);
        unshift(&geometry->groups[unit.group].y, &unit.window.y, &unit.window.height);
        if (!stf_underlay_touch(walk->underlay, &unit.window, reuse))
            return false;
        stf_reuse_end_step(reuse);
    }
    return true;
}

/* Cells of each layer under a row, to see whether it differs from the row before. */
static bool row_changes(const stf_underlay *underlay, const stf_window *row, stf_under_cells *cells) {
    const stf_under_list *layers = &underlay->lists[0];
    bool changes = false;
    for (uint32_t i = 0; i < layers->count; i++) {
        stf_under_cells now = {1, 1, 0, 0};
        if (!stf_under_layer_cells(underlay, &layers->items[i], row, &now))
            now.left = now.top = now.right = now.bottom = UINT32_MAX;
        changes = changes || memcmp(&now, &cells[i], sizeof now) != 0;
        cells[i] = now;
    }
    return changes;
}

/* Rows that touch what the two rows before them touched change nothing, and are passed over. */
static bool go_by_rows(const stf_under_walk *walk, stf_reuse *reuse) {
    stf_under_cells *cells = VSICalloc(walk->underlay->lists[0].count, sizeof *cells);
    stf_window row = {0, 0, walk->width_px, walk->height_px < 2 ? walk->height_px : 2};
    bool done = cells && stf_underlay_touch(walk->underlay, &row, reuse);
    if (done)
        stf_reuse_end_step(reuse);
    uint32_t alike = 0;
    for (row.y = 1, row.height = 1; done && row.y < walk->height_px; row.y++) {
        alike = row_changes(walk->underlay, &row, cells) ? 0 : alike + 1;
        if (alike > 1 || row.y == 1)
            continue;
        done = stf_underlay_touch(walk->underlay, &row, reuse);
        stf_reuse_end_step(reuse);
    }
    if (done && walk->height_px > 2) {
        row.y = walk->height_px - 2;
        row.height = 2;
        done = stf_underlay_touch(walk->underlay, &row, reuse);
        stf_reuse_end_step(reuse);
    }
    VSIFree(cells);
    return done;
}

/* NULL: no memory. */
static stf_reuse *go(const stf_under_walk *walk, const stf_geometry *geometry, uint32_t stripe_columns) {
    uint64_t steps = walk->by_rows ? (uint64_t)walk->height_px + 2 : stf_geometry_units(geometry);
    stf_reuse *reuse = steps < UINT32_MAX ? stf_reuse_create(walk->underlay->blocks, (uint32_t)steps) : NULL;
    if (reuse && !(walk->by_rows ? go_by_rows(walk, reuse) : go_by_units(walk, geometry, stripe_columns, reuse))) {
        stf_reuse_destroy(reuse);
        return NULL;
    }
    return reuse;
}

/* --- what the plan asks ------------------------------------------------------------------------ */

/* The fewest decodes first; a lease that is no less than the one before is no choice. */
static uint32_t points_of(const stf_reuse *reuse, uint64_t distinct, stf_lease_point *points) {
    static const uint32_t percents[STF_LEASE_POINTS] = {0, 2, 4, STF_UNDER_AGAIN_PERCENT};
    uint64_t least = stf_reuse_least_decodes(reuse);
    uint32_t count = 0;
    if (least > distinct + distinct * STF_UNDER_AGAIN_PERCENT / 100)
        return 0;
    for (uint32_t i = 0; i < STF_LEASE_POINTS; i++) {
        uint64_t most = distinct + distinct * percents[i] / 100;
        uint64_t bytes = stf_reuse_cache_bytes(reuse, most > least ? most : least);
        if (count > 0 && bytes >= points[count - 1].lease_bytes)
            continue;
        points[count].lease_bytes = bytes;
        points[count++].decodes = stf_reuse_decodes(reuse, bytes);
    }
    return count;
}

static int by_file(const void *a, const void *b) {
    const stf_under_grid *const *first = a, *const *second = b;
    int order = strcmp((*first)->path, (*second)->path);
    return order != 0 ? order : (*first)->level < (*second)->level ? -1 : (*first)->level > (*second)->level;
}

/* Decodes beyond the first of each block of one file, whose grids lie one after the other. */
static uint64_t repeated_of_file(const stf_reuse *reuse, const stf_under_grid *const *grids, uint32_t count) {
    uint64_t repeated = 0, places = (uint64_t)grids[0]->columns * grids[0]->rows;
    for (uint64_t place = 0; place < places; place++) {
        bool seen = false;
        for (uint32_t i = 0; i < count; i++) {
            if ((uint64_t)grids[i]->columns * grids[i]->rows != places ||
                !stf_reuse_was_touched(reuse, grids[i]->first_block + (uint32_t)place))
                continue;
            repeated += seen ? grids[i]->decodes : 0;
            seen = true;
        }
    }
    return repeated;
}

static uint64_t repeated_decodes(const stf_underlay *underlay, const stf_reuse *reuse) {
    uint64_t repeated = 0;
    uint32_t files = 0;
    const stf_under_grid **grids = VSIMalloc2(underlay->grid_count, sizeof *grids);
    for (uint32_t i = 0; grids && i < underlay->grid_count; i++)
        if (underlay->grids[i].list == STF_UNDER_FILE)
            grids[files++] = &underlay->grids[i];
    if (files > 1)
        qsort(grids, files, sizeof *grids, by_file);
    for (uint32_t i = 0, end; i < files; i = end) {
        for (end = i + 1; end < files && by_file(&grids[i], &grids[end]) == 0;)
            end++;
        if (end - i > 1)
            repeated += repeated_of_file(reuse, grids + i, end - i);
    }
    VSIFree(grids);
    return repeated;
}

bool stf_under_walk_sum(stf_under_walk *walk, const stf_geometry *geometry, stf_under_sum *sum) {
    stf_reuse *reuse = go(walk, geometry, geometry ? geometry->groups[0].x.cells : 1);
    if (!reuse)
        return false;
    sum->decodes = stf_reuse_distinct(reuse);
    sum->unit_bytes = stf_reuse_step_bytes(reuse);
    sum->shared = stf_reuse_is_shared(reuse);
    sum->repeated = repeated_decodes(walk->underlay, reuse);
    sum->planning_bytes = stf_add(stf_underlay_cost_bytes(walk->underlay), stf_reuse_cost_bytes(reuse));
    walk->distinct = sum->decodes;
    stf_reuse_destroy(reuse);
    return true;
}

static bool keep_answer(stf_under_walk *walk, const answer *given) {
    if (walk->answer_count == walk->answer_room) {
        uint32_t room = walk->answer_room ? 2 * walk->answer_room : 16;
        answer *answers = VSIRealloc(walk->answers, room * sizeof *answers);
        if (!answers)
            return false;
        walk->answers = answers;
        walk->answer_room = room;
    }
    walk->answers[walk->answer_count++] = *given;
    return true;
}

uint32_t stf_under_walk_points(void *context, const stf_geometry *geometry, uint32_t stripe_columns,
                               stf_lease_point points[STF_LEASE_POINTS]) {
    stf_under_walk *walk = context;
    answer now = {walk->by_rows ? 1 : stripe_columns, 0, {{0, 0}}};
    for (uint32_t i = 0; i < walk->answer_count; i++)
        if (walk->answers[i].stripe_columns == now.stripe_columns) {
            memcpy(points, walk->answers[i].points, sizeof now.points);
            return walk->answers[i].count;
        }
    stf_under_sum sum;
    if (walk->distinct == 0)
        stf_under_walk_sum(walk, geometry, &sum);
    stf_reuse *reuse = go(walk, geometry, stripe_columns);
    if (!reuse) { /* without memory to think nothing can be promised but one lease that holds all */
        points[0].lease_bytes = UINT64_MAX;
        points[0].decodes = walk->distinct;
        return 1;
    }
    now.count = points_of(reuse, walk->distinct, now.points);
    stf_reuse_destroy(reuse);
    memcpy(points, now.points, sizeof now.points);
    keep_answer(walk, &now);
    return now.count;
}
