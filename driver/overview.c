#include "overview.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "overview_internal.h"
#include "platform.h"

size_t stf_overview_pixel_bytes(const stf_overview_shape *shape, uint32_t plane) {
    return (size_t)shape->planes[plane].bands * shape->sample_bytes;
}

static uint64_t widest_pixel(const stf_overview_shape *shape) {
    uint64_t most = 0;
    for (uint32_t plane = 0; plane < shape->plane_count; plane++)
        most = stf_overview_pixel_bytes(shape, plane) > most ? stf_overview_pixel_bytes(shape, plane) : most;
    return most;
}

/* --- what it takes ----------------------------------------------------------------------------- */

typedef struct worker_sizes {
    uint64_t window, result, bytes_px, tile; /* bytes; bytes_px: of the mask, and of what stands in for it */
    uint64_t inside;                         /* what GDAL takes, and leaves idle in the heap of the worker's thread */
    uint64_t lists;                          /* of completed tiles */
} worker_sizes;

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Tiles that one window can complete: as many as it touches. */
static uint32_t list_room(const stf_overview_shape *shape, uint32_t level, const stf_overview_axis *x,
                          const stf_overview_axis *y) {
    const stf_overview_level *of = &shape->levels[level];
    return (stf_overview_axis_longest_window(x) / of->tile_width_px + 2) *
           (stf_overview_axis_longest_window(y) / of->tile_height_px + 2);
}

static uint64_t list_bytes(const stf_overview_shape *shape, uint32_t level, const stf_overview_axis *x,
                           const stf_overview_axis *y) {
    return stf_mul(list_room(shape, level, x, y), sizeof(stf_overview_complete));
}

static worker_sizes sizes_of(const stf_overview_shape *shape, const stf_resample *resample, uint32_t spilled_levels,
                             uint64_t slot_bytes) {
    worker_sizes sizes = {0, 0, 0, 0, 0, 0};
    for (uint32_t level = 1; level < shape->level_count; level++) {
        stf_overview_axis x = stf_overview_axis_x(shape, level), y = stf_overview_axis_y(shape, level);
        uint32_t width = stf_overview_axis_longest_source(&x), target = stf_overview_axis_longest_window(&x);
        uint64_t window = stf_mul(width + 1u, stf_overview_axis_longest_source(&y));
        sizes.bytes_px = larger(sizes.bytes_px, window);
        sizes.result = larger(sizes.result, stf_mul(target, stf_overview_axis_longest_window(&y)));
        sizes.lists = stf_add(sizes.lists, list_bytes(shape, level, &x, &y));
        sizes.inside = larger(sizes.inside, stf_resample_cost_bytes(resample, width, target, y.ratio));
    }
    sizes.window = stf_mul(sizes.bytes_px, widest_pixel(shape));
    sizes.result = stf_mul(sizes.result, widest_pixel(shape));
    sizes.bytes_px = stf_mul(sizes.bytes_px, stf_resample_bytes_beside(resample));
    sizes.tile = spilled_levels > 0 ? slot_bytes : 0;
    return sizes;
}

/* Each part begins on a line of the processor's cache. */
static uint64_t rounded(uint64_t bytes) {
    return stf_add(bytes, 63) / 64 * 64;
}

static uint64_t own_bytes(const worker_sizes *sizes) {
    uint64_t bytes = stf_add(stf_add(rounded(sizes->window), rounded(sizes->result)),
                             stf_add(rounded(sizes->bytes_px), rounded(sizes->tile)));
    return stf_add(bytes, rounded(sizes->lists));
}

uint64_t stf_overview_worker_bytes(const stf_overview_shape *shape, const stf_resample *resample,
                                   uint32_t spilled_levels, uint64_t slot_bytes) {
    worker_sizes sizes = sizes_of(shape, resample, spilled_levels, slot_bytes);
    return stf_add(own_bytes(&sizes), sizes.inside);
}

uint64_t stf_overview_window_bytes(const stf_overview_shape *shape, const stf_resample *resample) {
    return sizes_of(shape, resample, 0, 0).window;
}

static uint64_t most_regions(const stf_overview_places *places) {
    uint64_t regions = 0;
    for (uint32_t level = 1; level <= places->spilled_levels; level++)
        regions = stf_add(regions, places->tiles[level]);
    return regions;
}

uint64_t stf_overview_table_bytes(const stf_overview_shape *shape, bool with_mask) {
    uint64_t tiles = stf_overview_all_tiles(shape);
    uint64_t bytes = stf_add(sizeof(stf_overview), stf_mul(tiles, sizeof(stf_overview_tile_state)));
    for (uint32_t level = 1; level < shape->level_count; level++)
        bytes = stf_add(bytes, stf_overview_margin_bytes(shape, level, with_mask));
    return stf_add(bytes, stf_spill_cost_bytes(tiles));
}

/* --- making and freeing ------------------------------------------------------------------------ */

static bool create_link(stf_overview *overview, uint32_t level, stf_error *err) {
    stf_overview_link *link = &overview->links[level];
    link->level = level;
    link->parent = overview->shape->levels[level].parent;
    link->x = stf_overview_axis_x(overview->shape, level);
    link->y = stf_overview_axis_y(overview->shape, level);
    link->columns = link->x.tiles;
    link->rows = link->y.tiles;
    return stf_overview_margins_create(overview, link, stf_resample_needs_mask(overview->job->resample), err) &&
           stf_overview_tiles_create(overview, link, err);
}

static bool set_up(stf_overview *overview, stf_error *err) {
    const stf_overview_job *job = overview->job;
    uint64_t regions = most_regions(job->places);
    overview->mutex = CPLCreateMutex();
    if (overview->mutex)
        CPLReleaseMutex(overview->mutex);
    overview->changed = CPLCreateCond();
    overview->workers = VSICalloc(job->workers, sizeof *overview->workers);
    if (!overview->mutex || !overview->changed || !overview->workers)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the overviews");
    for (uint32_t level = 1; level < overview->shape->level_count; level++)
        if (!create_link(overview, level, err))
            return false;
    if (regions > 0)
        overview->spill = stf_spill_create(job->target, job->slot_bytes, regions, err);
    return regions == 0 || overview->spill;
}

stf_overview *stf_overview_create(const stf_overview_job *job, stf_error *err) {
    stf_overview *overview = VSICalloc(1, sizeof *overview);
    if (!overview) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for the overviews");
        return NULL;
    }
    overview->job = job;
    overview->shape = job->shape;
    overview->pixel_bytes = (size_t)widest_pixel(job->shape);
    if (set_up(overview, err))
        return overview;
    stf_overview_destroy(overview);
    return NULL;
}

static void destroy_workers(stf_overview *overview) {
    const stf_overview_job *job = overview->job;
    worker_sizes sizes = sizes_of(overview->shape, job->resample, job->places->spilled_levels, job->slot_bytes);
    for (uint32_t i = 0; overview->workers && i < job->workers; i++) {
        stf_overview_worker *worker = &overview->workers[i];
        stf_platform_pages_free(worker->pages, (size_t)own_bytes(&sizes));
        if (worker->charged)
            stf_budget_release(job->budget, stf_add(own_bytes(&sizes), sizes.inside));
    }
    VSIFree(overview->workers);
}

void stf_overview_destroy(stf_overview *overview) {
    if (!overview)
        return;
    for (uint32_t level = 1; level < overview->shape->level_count; level++) {
        stf_overview_margins_destroy(&overview->links[level]);
        stf_overview_tiles_destroy(&overview->links[level]);
    }
    destroy_workers(overview);
    stf_spill_destroy(overview->spill);
    if (overview->changed)
        CPLDestroyCond(overview->changed);
    if (overview->mutex)
        CPLDestroyMutex(overview->mutex);
    VSIFree(overview);
}

static bool ready_worker(stf_overview *overview, uint32_t number, stf_error *err) {
    const stf_overview_job *job = overview->job;
    stf_overview_worker *worker = &overview->workers[number];
    if (worker->pages)
        return true;
    worker_sizes sizes = sizes_of(overview->shape, job->resample, job->places->spilled_levels, job->slot_bytes);
    if (!worker->charged &&
        !stf_budget_charge(job->budget, stf_add(own_bytes(&sizes), sizes.inside), "the making of overviews", err))
        return false;
    worker->charged = true;
    worker->pages = own_bytes(&sizes) < SIZE_MAX / 2 ? stf_platform_pages_alloc((size_t)own_bytes(&sizes)) : NULL;
    if (!worker->pages)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the making of overviews");
    worker->window = worker->pages;
    worker->window_bytes = (size_t)sizes.window;
    worker->result = worker->window + rounded(sizes.window);
    unsigned char *beside = worker->result + rounded(sizes.result);
    bool needs_mask = stf_resample_needs_mask(job->resample);
    bool needs_spare = stf_resample_bytes_beside(job->resample) > (needs_mask ? 1 : 0);
    worker->mask = needs_mask ? beside : NULL;
    worker->spare = !needs_spare ? NULL : needs_mask ? beside + sizes.bytes_px / 2 : beside;
    worker->tile = beside + rounded(sizes.bytes_px);
    stf_overview_complete *list = (stf_overview_complete *)(void *)(worker->tile + rounded(sizes.tile));
    for (uint32_t level = 1; level < overview->shape->level_count; level++) {
        const stf_overview_link *link = &overview->links[level];
        worker->completed[level].room = list_room(overview->shape, level, &link->x, &link->y);
        worker->completed[level].tiles = list;
        list += worker->completed[level].room;
    }
    return true;
}

void *stf_overview_lend(stf_overview *overview, uint32_t worker, size_t *bytes, stf_error *err) {
    if (!ready_worker(overview, worker, err))
        return NULL;
    *bytes = overview->workers[worker].window_bytes;
    return overview->workers[worker].window;
}

/* --- waiting ----------------------------------------------------------------------------------- */

bool stf_overview_is_cancelled(stf_overview *overview, stf_error *err) {
    if (overview->failed && err && !err->number)
        *err = overview->error;
    return overview->failed;
}

void stf_overview_changed(stf_overview *overview) {
    overview->changes++;
    overview->idle = 0;
    CPLCondBroadcast(overview->changed);
}

static void fail(stf_overview *overview, const stf_error *err) {
    if (!overview->failed)
        overview->error = *err;
    overview->failed = true;
    stf_overview_changed(overview);
}

void stf_overview_cancel(stf_overview *overview, const stf_error *err) {
    CPLAcquireMutex(overview->mutex, 1000.0);
    fail(overview, err);
    CPLReleaseMutex(overview->mutex);
}

static void check_standstill(stf_overview *overview) {
    stf_error err = {0};
    if (overview->failed || overview->inside == 0 || overview->idle < overview->inside ||
        overview->begun < overview->end_sequence)
        return;
    stf_fail(&err, CPLE_AppDefined, "Internal error: the making of overviews came to a standstill with %u workers",
             overview->inside);
    fail(overview, &err);
}

bool stf_overview_wait(stf_overview *overview, bool (*ready)(const void *context), const void *context,
                       stf_error *err) {
    uint64_t seen = overview->changes - 1;
    while (!overview->failed && !ready(context)) {
        if (seen != overview->changes) {
            seen = overview->changes;
            overview->idle++;
            check_standstill(overview);
        } else
            CPLCondWait(overview->changed, overview->mutex);
    }
    return !stf_overview_is_cancelled(overview, err);
}

static void enter(stf_overview *overview, uint64_t sequence) {
    CPLAcquireMutex(overview->mutex, 1000.0);
    overview->inside++;
    overview->begun++;
    if (sequence >= overview->end_sequence)
        overview->end_sequence = sequence + 1;
    CPLReleaseMutex(overview->mutex);
}

static void leave(stf_overview *overview) {
    CPLAcquireMutex(overview->mutex, 1000.0);
    overview->inside--;
    check_standstill(overview);
    CPLReleaseMutex(overview->mutex);
}

/* What one worker waits for. */
typedef struct awaited {
    const stf_overview_link *link;
    const stf_overview_source *source;
} awaited;

static bool neighbours_are_composed(const void *context) {
    const awaited *of = context;
    const stf_overview_source *source = of->source;
    const uint32_t *done = &of->link->rows_done[(size_t)source->plane * of->link->columns + source->column];
    return done[0] >= source->row && (source->column == 0 || done[-1] > source->row);
}

static bool wait_for_neighbours(stf_overview *overview, const stf_overview_link *link,
                                const stf_overview_source *source, stf_error *err) {
    const awaited of = {link, source};
    CPLAcquireMutex(overview->mutex, 1000.0);
    bool go_on = stf_overview_wait(overview, neighbours_are_composed, &of, err);
    CPLReleaseMutex(overview->mutex);
    return go_on;
}

static void tell_neighbours(stf_overview *overview, stf_overview_link *link, const stf_overview_source *source) {
    CPLAcquireMutex(overview->mutex, 1000.0);
    link->rows_done[(size_t)source->plane * link->columns + source->column] = source->row + 1;
    stf_overview_changed(overview);
    CPLReleaseMutex(overview->mutex);
}

static bool is_its_turn(const void *context) {
    const awaited *of = context;
    return of->link->turn == of->source->sequence;
}

static bool wait_for_turn(stf_overview *overview, const stf_overview_link *link, const stf_overview_source *source,
                          stf_error *err) {
    const awaited of = {link, source};
    CPLAcquireMutex(overview->mutex, 1000.0);
    bool go_on = stf_overview_wait(overview, is_its_turn, &of, err);
    CPLReleaseMutex(overview->mutex);
    return go_on;
}

static void end_turn(stf_overview *overview, stf_overview_link *link) {
    CPLAcquireMutex(overview->mutex, 1000.0);
    link->turn++;
    stf_overview_changed(overview);
    CPLReleaseMutex(overview->mutex);
}

/* --- from a tile to the level below ------------------------------------------------------------ */

static stf_window window_of(const stf_overview_link *link, const stf_overview_source *source) {
    stf_window window;
    window.x = stf_overview_axis_begin(&link->x, source->column);
    window.y = stf_overview_axis_begin(&link->y, source->row);
    window.width = stf_overview_axis_begin(&link->x, source->column + 1) - window.x;
    window.height = stf_overview_axis_begin(&link->y, source->row + 1) - window.y;
    return window;
}

static bool is_known(const stf_overview *overview, const stf_overview_source *source, stf_overview_operand *operand) {
    if (!operand->is_uniform || (operand->has_mask && !operand->mask_is_uniform))
        return false;
    return stf_resample_of_uniform(overview->job->resample, overview->shape->planes[source->plane].first_band,
                                   operand->has_mask && operand->mask_value == 0, &operand->value);
}

static bool resample(stf_overview *overview, const stf_overview_link *link, stf_overview_worker *worker,
                     const stf_overview_source *source, const stf_overview_operand *operand, const stf_window *window,
                     stf_error *err) {
    const stf_plane *plane = &overview->shape->planes[source->plane];
    stf_resample_window w;
    w.of_raster = link->parent == 0;
    w.parent_width_px = link->x.parent_px;
    w.parent_height_px = link->y.parent_px;
    w.level_width_px = link->x.level_px;
    w.level_height_px = link->y.level_px;
    w.first_band = plane->first_band;
    w.bands = plane->bands;
    w.source = operand->window;
    w.pixels = worker->window;
    w.row_bytes = operand->row_bytes;
    w.mask = worker->mask;
    w.mask_row_bytes = operand->mask_row_bytes;
    w.target = *window;
    w.result = worker->result;
    w.result_row_bytes = window->width * operand->pixel_bytes;
    w.spare = worker->spare;
    return stf_resample_run(overview->job->resample, &w, err);
}

/* Computes what the tile makes possible; *known: it is one value, left in the operand. */
static bool compute(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker,
                    const stf_overview_source *source, const stf_window *window, stf_overview_operand *operand,
                    bool *known, stf_error *err) {
    if (!wait_for_neighbours(overview, link, source, err) ||
        !stf_overview_compose(overview, link, worker, source, operand, err))
        return false;
    tell_neighbours(overview, link, source);
    *known = false;
    if (window->width == 0 || window->height == 0)
        return true;
    if (operand->is_uniform) {
        stf_uniform kept = operand->value;
        *known = is_known(overview, source, operand);
        if (*known)
            return true;
        operand->value = kept;
        stf_overview_fill(operand, worker);
    }
    return resample(overview, link, worker, source, operand, window, err);
}

static bool descend(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker,
                    const stf_overview_source *source, stf_error *err) {
    stf_overview_operand operand;
    stf_overview_completed *completed = &worker->completed[link->level];
    stf_window window = window_of(link, source);
    bool known = false;
    completed->count = 0;
    if (!compute(overview, link, worker, source, &window, &operand, &known, err) ||
        !wait_for_turn(overview, link, source, err) ||
        !stf_overview_put(overview, link, source->plane, &window, known ? NULL : worker->result,
                          known ? &operand.value : NULL, completed, err))
        return false;
    end_turn(overview, link);
    return true;
}

/* --- what follows ------------------------------------------------------------------------------ */

static bool encode(stf_overview *overview, stf_overview_link *link, uint32_t worker, uint32_t plane,
                   const stf_overview_complete *complete, unsigned char *pixels, stf_error *err) {
    const stf_overview_job *job = overview->job;
    stf_overview_tile_info info;
    const void *data = NULL;
    size_t bytes = 0;
    info.level = link->level;
    info.plane = plane;
    info.tile = stf_overview_tile(overview->shape, link->level, plane, complete->column, complete->row);
    info.valid = stf_overview_tile_window(overview->shape, link->level, complete->column, complete->row);
    return job->encoder.encode(job->encoder.context, worker, &info, pixels, complete->value, &data, &bytes, err) &&
           job->sink.commit(job->sink.context, job->first_image + link->level, info.tile, data, bytes, err);
}

/* A level has one child at most. The tile is encoded, and its place free, before those that it completed have their turn. */
static bool take_up(stf_overview *overview, stf_overview_link *link, uint32_t number, uint32_t plane,
                    const stf_overview_complete *complete, stf_error *err) {
    stf_overview_worker *worker = &overview->workers[number];
    unsigned char *pixels;
    if (!stf_overview_fetch(overview, link, worker, plane, complete, &pixels, err))
        return false;
    stf_overview_source source = {link->level,        plane,  complete->column, complete->row,
                                  complete->sequence, pixels, complete->value};
    uint32_t child = link->level + 1;
    bool has_child = child < overview->shape->level_count && overview->shape->levels[child].parent == link->level;
    if (has_child && !descend(overview, &overview->links[child], worker, &source, err))
        return false;
    if (!encode(overview, link, number, plane, complete, pixels, err))
        return false;
    stf_overview_let_go(overview, link, complete->place);
    for (uint32_t i = 0; has_child && i < worker->completed[child].count; i++)
        if (!take_up(overview, &overview->links[child], number, plane, &worker->completed[child].tiles[i], err))
            return false;
    return true;
}

static bool add_to_children(stf_overview *overview, uint32_t number, const stf_overview_source *source,
                            stf_error *err) {
    for (uint32_t level = 1; level < overview->shape->level_count; level++) {
        if (overview->shape->levels[level].parent != 0)
            continue;
        stf_overview_link *link = &overview->links[level];
        stf_overview_worker *worker = &overview->workers[number];
        if (!descend(overview, link, worker, source, err))
            return false;
        for (uint32_t i = 0; i < worker->completed[level].count; i++)
            if (!take_up(overview, link, number, source->plane, &worker->completed[level].tiles[i], err))
                return false;
    }
    return true;
}

bool stf_overview_add(stf_overview *overview, uint32_t worker, uint64_t sequence, uint64_t tile, const void *pixels,
                      const stf_uniform *value, stf_error *err) {
    uint32_t columns = stf_overview_columns(overview->shape, 0), rows = stf_overview_rows(overview->shape, 0);
    uint64_t plane_tiles = (uint64_t)columns * rows, place = tile % plane_tiles;
    stf_overview_source source = {
        0,      (uint32_t)(tile / plane_tiles), (uint32_t)(place % columns), (uint32_t)(place / columns), sequence,
        pixels, pixels ? NULL : value};
    stf_error failure = {0};
    if (overview->shape->level_count == 1)
        return true;
    enter(overview, sequence);
    bool done = ready_worker(overview, worker, &failure) && add_to_children(overview, worker, &source, &failure);
    if (!done)
        stf_overview_cancel(overview, &failure);
    leave(overview);
    if (done)
        return true;
    if (err && !err->number)
        *err = failure;
    return false;
}

uint64_t stf_overview_spilled_bytes(const stf_overview *overview) {
    return overview->spill ? stf_spill_bytes_written(overview->spill) : 0;
}
