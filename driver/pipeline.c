#include "pipeline_internal.h"

#include "cpl_conv.h"
#include "cpl_string.h"
#include "platform.h"

typedef struct worker {
    stf_pipeline *pipeline;
    uint32_t number;
    bool reads, fills, encodes, commits;
    char **config; /* the caller's thread-local configuration options */
    CPLJoinableThread *thread;
    uint64_t idle_since; /* so many steps were done when it found nothing to do */
} worker;

void stf_pipeline_lock(stf_pipeline *p) {
    CPLAcquireMutex(p->mutex, 1000.0);
}

void stf_pipeline_unlock(stf_pipeline *p) {
    CPLReleaseMutex(p->mutex);
}

void stf_pipeline_fail(stf_pipeline *p, const stf_error *err) {
    if (!p->failed)
        p->error = *err;
    if (!p->failed && p->overview)
        stf_overview_cancel(p->overview, err);
    p->failed = true;
    CPLCondBroadcast(p->changed);
}

static bool finished(const stf_pipeline *p) {
    return p->failed || p->next_commit == p->tile_count;
}

/* --- read -------------------------------------------------------------------------------------- */

/* The reader that the worker may use now; as many as there are: none. Where reading allocates, a worker has a reader of its
 * own or none: a decoder's buffers then come and go on one thread, and no allocator keeps a second set of them for another. */
static uint32_t free_reader(const stf_pipeline *p, uint32_t worker_number) {
    uint32_t readers = p->job->plan->readers, reader = 0;
    if (!p->job->demand->readers_roam)
        return worker_number < readers ? worker_number : readers;
    while (reader < readers && p->readers[reader].busy)
        reader++;
    return reader;
}

static bool can_read(const stf_pipeline *p) {
    return !p->walk_done && p->next_read - p->next_fill < p->job->plan->unit_buffers &&
           stf_pool_free_items(p->buffers) > 0;
}

static bool charge_reader(stf_pipeline *p, uint32_t reader, stf_error *err) {
    if (!p->readers[reader].charged &&
        !stf_budget_charge(p->job->budget, p->job->demand->reader_bytes, "a reader", err))
        return false;
    p->readers[reader].charged = true;
    return true;
}

static bool begin_read(stf_pipeline *p, stf_unit_slot **slot, uint32_t reader, stf_error *err) {
    stf_unit unit;
    if (!stf_walk_next(&p->walk, &unit)) {
        p->walk_done = true;
        *slot = NULL;
        return true;
    }
    *slot = &p->units[unit.number % p->job->plan->unit_buffers];
    (*slot)->unit = unit;
    (*slot)->ready = false;
    p->next_read = unit.number + 1;
    return charge_reader(p, reader, err) && stf_pool_take(p->buffers, &(*slot)->buffer, err);
}

static bool step_read(stf_pipeline *p, uint32_t worker_number) {
    stf_error err = {0};
    stf_unit_slot *slot;
    uint32_t reader = free_reader(p, worker_number);
    if (reader >= p->job->plan->readers || !can_read(p))
        return false;
    bool done = begin_read(p, &slot, reader, &err);
    if (done && !slot)
        return true;
    if (done) {
        p->readers[reader].busy = true;
        stf_pipeline_unlock(p);
        stf_messages_begin(&p->messages);
        done = p->job->source.read(p->job->source.context, reader, &slot->unit, stf_pool_item(p->buffers, slot->buffer),
                                   &slot->pixels, &err);
        stf_messages_end();
        stf_pipeline_lock(p);
        p->readers[reader].busy = false;
        slot->ready = true;
    }
    if (!done)
        stf_pipeline_fail(p, &err);
    CPLCondBroadcast(p->changed);
    return true;
}

/* --- fill -------------------------------------------------------------------------------------- */

/* True where the unit that is next has been read and its next tile can take its pixels. */
static bool fill_is_ready(stf_pipeline *p) {
    stf_unit_slot *slot = &p->units[p->next_fill % p->job->plan->unit_buffers];
    if (p->next_fill == p->next_read || !slot->ready)
        return false;
    if (!p->touch_begun) {
        stf_touch_begin(&p->touch, p->job->geometry, &slot->unit);
        p->touch_begun = stf_touch_next(&p->touch, &p->touch_tile);
    }
    return p->next_complete - p->next_commit < p->job_room &&
           stf_assembly_has_room(p->assembly, p->touch_tile, &slot->pixels);
}

/* One more unit is in the tile; a complete one joins the queue. */
static void tile_was_filled(stf_pipeline *p, uint64_t tile) {
    if (!stf_assembly_filled(p->assembly, tile))
        return;
    stf_tile_job *job = &p->jobs[p->next_complete % p->job_room];
    job->state = JOB_WAITS;
    job->tile = tile;
    job->slot = stf_assembly_slot(p->assembly, tile);
    job->constant = false;
    p->next_complete++;
    CPLCondBroadcast(p->changed);
}

static void unit_was_filled(stf_pipeline *p, stf_unit_slot *slot) {
    slot->ready = false;
    stf_pool_give(p->buffers, slot->buffer);
    p->next_fill++;
    CPLCondBroadcast(p->changed);
}

static bool fill_one_tile(stf_pipeline *p, stf_error *err) {
    stf_unit_slot *slot = &p->units[p->next_fill % p->job->plan->unit_buffers];
    uint64_t tile = p->touch_tile;
    if (!stf_assembly_open(p->assembly, tile, &slot->pixels, err))
        return false;
    stf_pipeline_unlock(p);
    bool done = stf_assembly_fill(p->assembly, tile, &slot->unit, &slot->pixels, err);
    stf_pipeline_lock(p);
    if (!done)
        return false;
    tile_was_filled(p, tile);
    p->touch_begun = stf_touch_next(&p->touch, &p->touch_tile);
    if (!p->touch_begun)
        unit_was_filled(p, slot);
    return true;
}

static bool step_fill(stf_pipeline *p) {
    if (p->filling || !fill_is_ready(p))
        return false;
    stf_error err = {0};
    bool done = true;
    p->filling = true;
    while (done && !p->failed && fill_is_ready(p))
        done = fill_one_tile(p, &err);
    p->filling = false;
    if (!done)
        stf_pipeline_fail(p, &err);
    return true;
}

/* --- commit ------------------------------------------------------------------------------------ */

void stf_pipeline_commit(stf_pipeline *p, stf_tile_job *job) {
    const stf_tile_sink *sink = &p->job->sink;
    stf_error err = {0};
    stf_pipeline_unlock(p);
    if (sink->any_order)
        stf_messages_begin(&p->messages);
    bool done = sink->commit(sink->context, job->tile, job->encoded, job->encoded_bytes, &err);
    if (sink->any_order)
        stf_messages_end();
    stf_pipeline_lock(p);
    if (!done)
        stf_pipeline_fail(p, &err);
    if (job->slot != STF_NO_SLOT)
        stf_pool_give(p->slots, job->slot);
    job->state = JOB_COMMITTED;
    while (p->next_commit < p->next_start && p->jobs[p->next_commit % p->job_room].state == JOB_COMMITTED)
        p->next_commit++;
    CPLCondBroadcast(p->changed);
}

static bool step_commit(stf_pipeline *p) {
    stf_tile_job *job = &p->jobs[p->next_commit % p->job_room];
    if (p->next_commit == p->next_start || job->state != JOB_ENCODED || p->job->sink.any_order)
        return false;
    stf_pipeline_commit(p, job);
    return true;
}

/* --- progress, on the calling thread ----------------------------------------------------------- */

static void tell_progress(stf_pipeline *p, bool idle) {
    double now =
        0.5 * (double)p->next_fill / (double)p->unit_count + 0.5 * (double)p->next_commit / (double)p->tile_count;
    if (!p->job->progress || (now - p->told < 0.001 && !idle))
        return;
    p->told = now;
    stf_pipeline_unlock(p);
    stf_messages_raise(&p->messages);
    bool go_on = p->job->progress(now, "", p->job->progress_data) != 0;
    stf_pipeline_lock(p);
    stf_error err = {0};
    if (!go_on) {
        stf_fail(&err, CPLE_UserInterrupt, "User terminated CreateCopy()");
        stf_pipeline_fail(p, &err);
    }
}

/* --- threads ----------------------------------------------------------------------------------- */

/* Filling comes first, for it frees a buffer; then reading, for without it there is soon nothing to encode. */
static bool step(worker *w) {
    stf_pipeline *p = w->pipeline;
    return (w->commits && step_commit(p)) || (w->fills && step_fill(p)) || (w->reads && step_read(p, w->number)) ||
           (w->encodes && stf_pipeline_step_encode(p, w->number));
}

/* Where no thread finds anything to do, and none is at work, nothing will ever change. Broadcasts wake those that slept
 * through the last step. True: nothing was done. */
static bool found_nothing(worker *w) {
    stf_pipeline *p = w->pipeline;
    if (step(w)) {
        p->steps++;
        p->idle = 0;
        return false;
    }
    if (w->idle_since == p->steps)
        return true;
    w->idle_since = p->steps;
    p->idle++;
    if (p->idle == p->threads && !finished(p)) {
        stf_error err = {0};
        stf_fail(&err, CPLE_AppDefined,
                 "Internal error: the copy came to a standstill after " CPL_FRMT_GUIB " of " CPL_FRMT_GUIB " tiles",
                 (GUIntBig)p->next_commit, (GUIntBig)p->tile_count);
        stf_pipeline_fail(p, &err);
    }
    return true;
}

static void run_worker(void *data) {
    worker *w = data;
    stf_pipeline *p = w->pipeline;
    CPLSetThreadLocalConfigOptions((const char *const *)w->config);
    stf_pipeline_lock(p);
    while (!finished(p))
        if (found_nothing(w) && !finished(p))
            CPLCondWait(p->changed, p->mutex);
    stf_pipeline_unlock(p);
    CPLSetThreadLocalConfigOptions(NULL);
}

static void run_caller(worker *w) {
    stf_pipeline *p = w->pipeline;
    stf_pipeline_lock(p);
    while (!finished(p)) {
        bool idle = false;
        if (found_nothing(w) && !finished(p))
            idle = CPLCondTimedWait(p->changed, p->mutex, 0.1) == COND_TIMED_WAIT_TIME_OUT;
        if (idle && p->idle > 0)
            CPLCondBroadcast(p->changed);
        tell_progress(p, idle);
    }
    if (!p->failed && p->told < 1) /* others may have committed the last tiles */
        tell_progress(p, true);
    CPLCondBroadcast(p->changed);
    stf_pipeline_unlock(p);
}

static void run(stf_pipeline *p, worker *workers, uint32_t count) {
    const stf_pipeline_job *job = p->job;
    bool alone = count == 0, parallel = job->demand->parallel_read;
    char **config = CPLGetThreadLocalConfigOptions();
    uint32_t started = 0;
    p->threads = count + 1;
    for (; started < count; started++) {
        worker w = {p, started, parallel, true, true, false, config, NULL, UINT64_MAX};
        workers[started] = w;
        workers[started].thread = CPLCreateJoinableThread(run_worker, &workers[started]);
        if (!workers[started].thread)
            break;
    }
    if (started < count) {
        stf_error err = {0};
        stf_fail(&err, CPLE_OutOfMemory, "Cannot start %u threads: lower NUM_THREADS", count);
        stf_pipeline_lock(p);
        stf_pipeline_fail(p, &err);
        stf_pipeline_unlock(p);
    }
    worker caller = {p, 0, alone || !parallel, alone || !parallel, alone, true, NULL, NULL, UINT64_MAX};
    run_caller(&caller);
    for (uint32_t i = 0; i < started; i++)
        CPLJoinThread(workers[i].thread);
    CSLDestroy(config);
}

/* --- setting up and taking down ---------------------------------------------------------------- */

static bool set_up(stf_pipeline *p, stf_error *err) {
    const stf_pipeline_job *job = p->job;
    const stf_plan *plan = job->plan;
    p->tile_count = stf_geometry_tiles(job->geometry);
    p->unit_count = stf_geometry_units(job->geometry);
    p->job_room = plan->slots + (plan->regions < 4096 ? plan->regions : 4096) + 64;
    stf_walk_begin(&p->walk, job->geometry, plan->stripe_columns);
    p->mutex = CPLCreateMutex();
    if (p->mutex)
        CPLReleaseMutex(p->mutex);
    p->changed = CPLCreateCond();
    p->jobs = VSICalloc((size_t)p->job_room, sizeof *p->jobs);
    p->units = VSICalloc(plan->unit_buffers, sizeof *p->units);
    p->readers = VSICalloc(plan->readers, sizeof *p->readers);
    if (!p->mutex || !p->changed || !p->jobs || !p->units || !p->readers || !stf_messages_init(&p->messages))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the queues of the copy");
    p->slots = stf_pool_create(job->budget, (size_t)job->demand->slot_bytes, plan->slots, "output tiles", err);
    p->buffers =
        stf_pool_create(job->budget, (size_t)job->demand->unit_bytes, plan->unit_buffers, "source blocks", err);
    if (!p->slots || !p->buffers || !stf_pool_reserve(p->slots, plan->reserved_slots, err))
        return false;
    if (plan->regions > 0)
        p->spill = stf_spill_create(job->target, stf_encoder_tile_bytes(job->format), plan->regions, err);
    if (plan->regions > 0 && !p->spill)
        return false;
    p->assembly = stf_assembly_create(job->geometry, plan, p->slots, p->spill, err);
    return p->assembly && stf_pipeline_encode_set_up(p, err);
}

static void take_down(stf_pipeline *p) {
    stf_pipeline_encode_take_down(p);
    for (uint32_t i = 0; p->readers && i < p->job->plan->readers; i++)
        if (p->readers[i].charged)
            stf_budget_release(p->job->budget, p->job->demand->reader_bytes);
    stf_assembly_destroy(p->assembly);
    stf_spill_destroy(p->spill);
    stf_pool_destroy(p->buffers);
    stf_pool_destroy(p->slots);
    stf_messages_free(&p->messages);
    VSIFree(p->readers);
    VSIFree(p->units);
    VSIFree(p->jobs);
    if (p->changed)
        CPLDestroyCond(p->changed);
    if (p->mutex)
        CPLDestroyMutex(p->mutex);
    stf_platform_trim_heap(); /* what the threads of a pass leave idle would come on top of the next one's */
}

uint64_t stf_pipeline_table_bytes(const stf_geometry *geometry) {
    uint64_t tables = stf_add(stf_assembly_cost_bytes(geometry), stf_spill_cost_bytes(stf_geometry_tiles(geometry)));
    return stf_add(tables, stf_uniform_store_cost_bytes());
}

bool stf_pipeline_run(const stf_pipeline_job *job, stf_pipeline_result *result, stf_error *err) {
    stf_pipeline p = {0};
    uint32_t count = job->demand->threads == 1 ? 0 : job->plan->encoders;
    worker *workers = VSICalloc(count + 1, sizeof *workers);
    p.job = job;
    bool done = workers && set_up(&p, err);
    if (!workers)
        stf_fail(err, CPLE_OutOfMemory, "No memory for %u threads", count);
    if (done) {
        run(&p, workers, count);
        stf_messages_raise(&p.messages);
        if (p.spill)
            result->spill_bytes = stf_spill_bytes_written(p.spill);
        done = !p.failed && stf_pipeline_encode_finish(&p, result, err);
        if (p.failed)
            *err = p.error;
    }
    take_down(&p);
    VSIFree(workers);
    return done;
}
