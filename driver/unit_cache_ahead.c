/* What is decoded beside the reader: first what it has asked for and not come to, then the units below. */
#include "cpl_conv.h"
#include "cpl_string.h"
#include "unit_cache_internal.h"

/* --- places ------------------------------------------------------------------------------------ */

static uint32_t last_of(const stf_axis *axis, uint32_t start_px, uint32_t length_px) {
    return stf_axis_cell(axis, start_px + length_px - 1);
}

stf_unit stf_unit_cache_unit_at(const stf_unit_cache *cache, const stf_unit_place *place) {
    const stf_group *group = &cache->job.groups[place->group];
    stf_unit unit = {0};
    unit.number = cache->first_key[place->group] + (uint64_t)place->row * group->x.cells + place->column;
    unit.group = place->group;
    unit.row = place->row;
    unit.column = place->column;
    unit.window.x = stf_axis_start(&group->x, place->column);
    unit.window.y = stf_axis_start(&group->y, place->row);
    unit.window.width = stf_axis_length(&group->x, place->column);
    unit.window.height = stf_axis_length(&group->y, place->row);
    return unit;
}

stf_unit_place stf_unit_cache_first_place(const stf_unit_cache *cache, uint32_t group) {
    const stf_window *window = &cache->request.window;
    stf_unit_place place = {group, stf_axis_cell(&cache->job.groups[group].y, window->y),
                            stf_axis_cell(&cache->job.groups[group].x, window->x)};
    return place;
}

bool stf_unit_cache_next_place(const stf_unit_cache *cache, stf_unit_place *place) {
    const stf_window *window = &cache->request.window;
    const stf_group *group = &cache->job.groups[place->group];
    if (place->column < last_of(&group->x, window->x, window->width)) {
        place->column++;
        return true;
    }
    if (place->row < last_of(&group->y, window->y, window->height)) {
        place->row++;
        place->column = stf_axis_cell(&group->x, window->x);
        return true;
    }
    for (uint32_t g = place->group + 1; g < cache->job.group_count; g++)
        if (cache->ahead[g].wanted) {
            *place = stf_unit_cache_first_place(cache, g);
            return true;
        }
    return false;
}

static bool is_before(const stf_unit_place *a, const stf_unit_place *b) {
    if (a->group != b->group)
        return a->group < b->group;
    return a->row != b->row ? a->row < b->row : a->column < b->column;
}

static bool is_held(const stf_unit_cache *cache, const stf_unit_place *place) {
    uint64_t key =
        cache->first_key[place->group] + (uint64_t)place->row * cache->job.groups[place->group].x.cells + place->column;
    return stf_unit_table_find(cache->table, key) != STF_NO_UNIT;
}

/* --- what comes next --------------------------------------------------------------------------- */

/* Of the request, what the reader has not come to. */
static bool next_of_request(stf_unit_cache *cache, stf_unit *unit) {
    stf_unit_request *request = &cache->request;
    if (!request->active || request->scanned)
        return false;
    if (is_before(&request->scan, &request->at))
        request->scan = request->at;
    do
        if (!is_held(cache, &request->scan) && is_before(&request->at, &request->scan)) {
            *unit = stf_unit_cache_unit_at(cache, &request->scan);
            return true;
        }
    while (stf_unit_cache_next_place(cache, &request->scan));
    request->scanned = true;
    return false;
}

static bool next_below(stf_unit_cache *cache, stf_unit *unit) {
    if (!stf_read_pattern_goes_on(&cache->pattern))
        return false;
    for (uint32_t g = 0; g < cache->job.group_count; g++) {
        stf_unit_ahead *ahead = &cache->ahead[g];
        const stf_axis *x = &cache->job.groups[g].x;
        if (!ahead->seen || ahead->row >= cache->job.groups[g].y.cells)
            continue;
        uint32_t last = stf_axis_cell(x, cache->pattern.right_px - 1);
        for (; ahead->column <= last; ahead->column++) {
            stf_unit_place place = {g, ahead->row, ahead->column};
            if (is_held(cache, &place))
                continue;
            *unit = stf_unit_cache_unit_at(cache, &place);
            return true;
        }
    }
    return false;
}

/* --- a new request ----------------------------------------------------------------------------- */

/* The row of units below the one that the request begins in; below all of it where it is taller than a unit. True: another
 * row than before. */
static bool aim_below(stf_unit_cache *cache, uint32_t g) {
    const stf_window *window = &cache->request.window;
    const stf_axis *y = &cache->job.groups[g].y;
    stf_unit_ahead *ahead = &cache->ahead[g];
    uint32_t row =
        (window->height > stf_axis_longest(y) ? last_of(y, window->y, window->height) : stf_axis_cell(y, window->y)) +
        1;
    uint32_t column = stf_axis_cell(&cache->job.groups[g].x, cache->pattern.left_px);
    if (ahead->seen && row == ahead->row && column >= ahead->first_column)
        return false;
    ahead->seen = true;
    ahead->row = row;
    ahead->first_column = ahead->column = column;
    return true;
}

void stf_unit_cache_begin_request(stf_unit_cache *cache, const stf_window *window) {
    stf_unit_request *request = &cache->request;
    bool wake = false;
    stf_read_pattern_note(&cache->pattern, window);
    request->window = *window;
    request->whole_width = window->x == 0 && window->width == cache->job.width_px;
    request->active = true;
    request->scanned = false;
    request->at.group = 0;
    while (!cache->ahead[request->at.group].wanted)
        request->at.group++;
    request->at = stf_unit_cache_first_place(cache, request->at.group);
    request->scan = request->at;
    for (uint32_t g = 0; g < cache->job.group_count; g++)
        if (cache->ahead[g].wanted && aim_below(cache, g))
            wake = true;
    /* Rows of one and the same row of units are asked for over and over: workers need not look each time. */
    if (wake)
        CPLCondBroadcast(cache->changed);
}

/* --- workers ----------------------------------------------------------------------------------- */

static bool has_slot(stf_unit_cache *cache, uint32_t limit) {
    while (cache->slots_used >= limit)
        if (!stf_unit_cache_drop_dead(cache))
            return false;
    return true;
}

/* One slot is always left to the reader. What lies below goes on to the spill, or has a slot to stay in. */
static bool choose(stf_unit_cache *cache, stf_unit *unit, bool *below) {
    if (cache->stalled || cache->size.slots < 2)
        return false;
    *below = false;
    if (next_of_request(cache, unit))
        return has_slot(cache, cache->size.slots - 1);
    *below = true;
    if (!next_below(cache, unit))
        return false;
    return has_slot(cache, cache->spill ? cache->size.slots - 1 : stf_unit_cache_resident_slots(cache));
}

static void work(stf_unit_cache *cache, uint32_t reader, const stf_unit *unit, bool below) {
    stf_error err = {0};
    uint32_t number;
    bool done = stf_unit_cache_decode(cache, reader, unit, &number, &err);
    if (done && below && cache->spill && cache->slots_used > stf_unit_cache_resident_slots(cache)) {
        stf_unit_entry *entry = stf_unit_table_at(cache->table, number);
        if (entry->state == STF_UNIT_READY && !entry->pinned)
            done = stf_unit_cache_spill_unit(cache, number, &err);
    }
    if (!done)
        cache->stalled = true;
    CPLCondBroadcast(cache->changed);
}

static void run(void *data) {
    stf_unit_worker *worker = data;
    stf_unit_cache *cache = worker->cache;
    CPLSetThreadLocalConfigOptions((const char *const *)worker->config);
    stf_unit_cache_lock(cache);
    while (!cache->quit) {
        stf_unit unit;
        bool below;
        if (worker->reader < cache->size.readers && choose(cache, &unit, &below))
            work(cache, worker->reader, &unit, below);
        else
            CPLCondWait(cache->changed, cache->mutex);
    }
    stf_unit_cache_unlock(cache);
    CPLSetThreadLocalConfigOptions(NULL);
}

bool stf_unit_cache_start_workers(stf_unit_cache *cache, stf_error *err) {
    uint32_t wanted = cache->size.readers - 1;
    if (cache->workers_started >= wanted)
        return true;
    if (cache->job.open_readers && !cache->job.open_readers(cache->job.source.context, wanted + 1, err))
        return false;
    while (cache->workers_started < wanted) {
        stf_unit_worker *worker = &cache->workers[cache->workers_started];
        worker->cache = cache;
        worker->reader = cache->workers_started + 1;
        worker->config = CPLGetThreadLocalConfigOptions();
        worker->thread = CPLCreateJoinableThread(run, worker);
        if (!worker->thread) { /* fewer will do */
            CSLDestroy(worker->config);
            worker->config = NULL;
            cache->size.readers = cache->workers_started + 1;
            break;
        }
        cache->workers_started++;
    }
    return true;
}

void stf_unit_cache_stop_workers(stf_unit_cache *cache) {
    stf_unit_cache_lock(cache);
    cache->quit = true;
    CPLCondBroadcast(cache->changed);
    stf_unit_cache_unlock(cache);
    for (uint32_t i = 0; i < cache->workers_started; i++) {
        CPLJoinThread(cache->workers[i].thread);
        CSLDestroy(cache->workers[i].config);
    }
    cache->workers_started = 0;
}
