#include "pipeline.h"

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"
#include "messages.h"

/* A unit between its read and the moment its last pixel has been filled in. */
typedef struct unit_slot {
    stf_unit unit;
    stf_unit_pixels pixels;
    uint32_t buffer;
    bool ready;
} unit_slot;

/* A complete tile on its way to the file. */
typedef enum { JOB_WAITS, JOB_ENCODING, JOB_ENCODED } job_state;
typedef struct tile_job {
    job_state state;
    uint64_t tile;
    uint32_t slot;       /* STF_NO_SLOT: still in the spill, or a constant; or no longer needed */
    const void *encoded; /* in the slot, or kept as what a constant comes to */
    size_t encoded_bytes;
    uint32_t rows; /* encoded ones */
    bool constant; /* value is known, and worth keeping */
    stf_uniform value;
} tile_job;

typedef struct pipeline {
    const stf_pipeline_job *job;
    CPLMutex *mutex; /* over everything below */
    CPLCond *changed;
    stf_pool *slots, *buffers;
    stf_spill *spill;
    stf_assembly *assembly;
    stf_messages messages;
    stf_error error;
    bool failed;

    stf_walk walk;
    bool walk_done;
    uint64_t next_read, next_fill; /* numbers of units */
    uint64_t unit_count;
    unit_slot *units;     /* ring, by number modulo unit_buffers */
    bool *reader_charged; /* for each reader: it has read, and is in the account */
    bool filling;
    bool touch_begun; /* the unit next_fill is partly filled in; touch says how far */
    stf_touch touch;
    uint64_t touch_tile; /* the next tile to fill, where touch_begun */

    uint64_t next_complete, next_start, next_commit; /* tiles in the order of completion */
    uint64_t tile_count;
    tile_job *jobs; /* ring, by that order */
    uint64_t job_room;
    stf_uniform_store *uniforms;
    stf_encoder **encoders; /* one for each worker, made when first used */
    double told;            /* the progress last reported */
} pipeline;

typedef struct worker {
    pipeline *pipeline;
    uint32_t number;
    bool reads, fills, encodes, commits;
    char **config; /* the caller's thread-local configuration options */
    CPLJoinableThread *thread;
} worker;

static void lock(pipeline *p) {
    CPLAcquireMutex(p->mutex, 1000.0);
}

static void unlock(pipeline *p) {
    CPLReleaseMutex(p->mutex);
}

/* Under the lock: keeps the first error and wakes everybody. */
static void fail(pipeline *p, const stf_error *err) {
    if (!p->failed)
        p->error = *err;
    p->failed = true;
    CPLCondBroadcast(p->changed);
}

static bool finished(const pipeline *p) {
    return p->failed || p->next_commit == p->tile_count;
}

/* --- read -------------------------------------------------------------------------------------- */

/* A worker has a reader of its own or none: a decoder's buffers then come and go on one thread, and no allocator keeps
 * a second set of them for another. */
static bool can_read(const pipeline *p, uint32_t reader) {
    return reader < p->job->plan->readers && !p->walk_done &&
           p->next_read - p->next_fill < p->job->plan->unit_buffers && stf_pool_free_items(p->buffers) > 0;
}

static bool charge_reader(pipeline *p, uint32_t reader, stf_error *err) {
    if (!p->reader_charged[reader] && !stf_budget_charge(p->job->budget, p->job->demand->reader_bytes, "a reader", err))
        return false;
    p->reader_charged[reader] = true;
    return true;
}

static bool begin_read(pipeline *p, unit_slot **slot, uint32_t reader, stf_error *err) {
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

static bool step_read(pipeline *p, uint32_t reader) {
    stf_error err = {0};
    unit_slot *slot;
    if (!can_read(p, reader))
        return false;
    bool done = begin_read(p, &slot, reader, &err);
    if (done && !slot)
        return true;
    if (done) {
        unlock(p);
        stf_messages_begin(&p->messages);
        done = p->job->source.read(p->job->source.context, reader, &slot->unit, stf_pool_item(p->buffers, slot->buffer),
                                   &slot->pixels, &err);
        stf_messages_end();
        lock(p);
        slot->ready = true;
    }
    if (!done)
        fail(p, &err);
    CPLCondBroadcast(p->changed);
    return true;
}

/* --- fill -------------------------------------------------------------------------------------- */

/* True where the unit that is next has been read and its next tile can take its pixels. */
static bool fill_is_ready(pipeline *p) {
    unit_slot *slot = &p->units[p->next_fill % p->job->plan->unit_buffers];
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
static void tile_was_filled(pipeline *p, uint64_t tile) {
    if (!stf_assembly_filled(p->assembly, tile))
        return;
    tile_job *job = &p->jobs[p->next_complete % p->job_room];
    job->state = JOB_WAITS;
    job->tile = tile;
    job->slot = stf_assembly_slot(p->assembly, tile);
    job->constant = false;
    p->next_complete++;
    CPLCondBroadcast(p->changed);
}

static void unit_was_filled(pipeline *p, unit_slot *slot) {
    slot->ready = false;
    stf_pool_give(p->buffers, slot->buffer);
    p->next_fill++;
    CPLCondBroadcast(p->changed);
}

static bool fill_one_tile(pipeline *p, stf_error *err) {
    unit_slot *slot = &p->units[p->next_fill % p->job->plan->unit_buffers];
    uint64_t tile = p->touch_tile;
    if (!stf_assembly_open(p->assembly, tile, &slot->pixels, err))
        return false;
    unlock(p);
    bool done = stf_assembly_fill(p->assembly, tile, &slot->unit, &slot->pixels, err);
    lock(p);
    if (!done)
        return false;
    tile_was_filled(p, tile);
    p->touch_begun = stf_touch_next(&p->touch, &p->touch_tile);
    if (!p->touch_begun)
        unit_was_filled(p, slot);
    return true;
}

static bool step_fill(pipeline *p) {
    if (p->filling || !fill_is_ready(p))
        return false;
    stf_error err = {0};
    bool done = true;
    p->filling = true;
    while (done && !p->failed && fill_is_ready(p))
        done = fill_one_tile(p, &err);
    p->filling = false;
    if (!done)
        fail(p, &err);
    return true;
}

/* --- encode ------------------------------------------------------------------------------------ */

static bool ready_encoder(pipeline *p, uint32_t number, stf_error *err) {
    if (p->encoders[number])
        return true;
    if (!stf_budget_charge(p->job->budget, p->job->demand->encoder_bytes, "an encoder", err))
        return false;
    p->encoders[number] = stf_encoder_create(p->job->format, err);
    if (!p->encoders[number])
        stf_budget_release(p->job->budget, p->job->demand->encoder_bytes);
    return p->encoders[number] != NULL;
}

/* Under the lock: what a constant comes to, where that is known already. */
static bool find_constant(pipeline *p, tile_job *job) {
    job->encoded = stf_uniform_store_find(p->uniforms, &job->value, job->rows, &job->encoded_bytes);
    return job->encoded != NULL;
}

static void leave_out(tile_job *job) {
    job->encoded = NULL;
    job->encoded_bytes = 0;
}

static void discard_bits(const pipeline *p, const tile_job *job, void *samples, size_t count) {
    const stf_plane *plane = &p->job->geometry->planes[stf_geometry_tile_plane(p->job->geometry, job->tile)];
    if (p->job->discard)
        stf_discard_apply(p->job->discard, plane->first_band, plane->bands, samples, count);
}

/* Under the lock: a tile that came as one value may need neither slot nor encoder. */
static bool needs_no_slot(pipeline *p, tile_job *job) {
    const stf_tile_format *format = p->job->format;
    if (job->slot != STF_NO_SLOT || !stf_assembly_uniform(p->assembly, job->tile, &job->value))
        return false;
    stf_window valid = stf_geometry_tile_window(p->job->geometry, job->tile);
    job->rows = format->tiled ? format->height_px : valid.height;
    if (!stf_sparse_omits_uniform(&p->job->sparse, &job->value, &valid, format->width_px,
                                  p->job->geometry->sample_bytes)) {
        discard_bits(p, job, job->value.pixel, job->value.pixel_bytes / p->job->geometry->sample_bytes);
        return find_constant(p, job);
    }
    leave_out(job);
    return true;
}

/* Makes a tile that lies in its slot ready to be encoded: true where there is nothing to encode. */
static bool is_done_already(pipeline *p, tile_job *job) {
    const stf_geometry *geometry = p->job->geometry;
    void *pixels = stf_pool_item(p->slots, job->slot);
    stf_window valid = stf_geometry_tile_window(geometry, job->tile);
    size_t row_px = p->job->format->width_px;
    size_t samples = geometry->planes[stf_geometry_tile_plane(geometry, job->tile)].bands;
    if (stf_sparse_omits(&p->job->sparse, pixels, &valid, row_px, samples)) {
        leave_out(job);
        return true;
    }
    discard_bits(p, job, pixels, row_px * job->rows * samples);
    job->constant = stf_uniform_of_pixels(pixels, samples * geometry->sample_bytes, row_px * job->rows, &job->value);
    if (!job->constant)
        return false;
    lock(p);
    bool found = find_constant(p, job);
    unlock(p);
    return found;
}

static bool encode_pixels(pipeline *p, uint32_t number, tile_job *job, stf_error *err) {
    void *pixels = stf_pool_item(p->slots, job->slot);
    job->encoded = pixels;
    return ready_encoder(p, number, err) &&
           stf_encoder_encode(p->encoders[number], pixels, (size_t)p->job->demand->slot_bytes, job->rows,
                              &job->encoded_bytes, err);
}

static bool encode(pipeline *p, uint32_t number, tile_job *job, stf_error *err) {
    stf_messages_begin(&p->messages);
    bool done = stf_assembly_finish(p->assembly, job->tile, job->slot, p->job->format->tiled, &job->rows, err) &&
                (is_done_already(p, job) || encode_pixels(p, number, job, err));
    stf_messages_end();
    return done;
}

/* Under the lock. What lies in a slot is kept if it is a constant's; a slot without tile is free at once. */
static void tile_was_encoded(pipeline *p, tile_job *job) {
    bool in_slot = job->encoded == stf_pool_item(p->slots, job->slot);
    if (in_slot && job->constant)
        stf_uniform_store_keep(p->uniforms, &job->value, job->rows, job->encoded, job->encoded_bytes);
    if (!in_slot) {
        stf_pool_give(p->slots, job->slot);
        job->slot = STF_NO_SLOT;
    }
}

/* Complete tiles are begun strictly in order: a tile that has to wait for a slot is never overtaken by one that
 * would take it, so the oldest always gets through. */
static bool step_encode(pipeline *p, uint32_t number) {
    tile_job *job = &p->jobs[p->next_start % p->job_room];
    if (p->next_start == p->next_complete)
        return false;
    bool no_slot = needs_no_slot(p, job);
    if (!no_slot && job->slot == STF_NO_SLOT && stf_pool_free_items(p->slots) == 0)
        return false;
    stf_error err = {0};
    bool done = no_slot || job->slot != STF_NO_SLOT || stf_pool_take(p->slots, &job->slot, &err);
    p->next_start++;
    job->state = JOB_ENCODING;
    if (done && !no_slot) {
        unlock(p);
        done = encode(p, number, job, &err);
        lock(p);
        if (done)
            tile_was_encoded(p, job);
    }
    stf_assembly_leave(p->assembly, job->tile);
    job->state = JOB_ENCODED;
    if (!done)
        fail(p, &err);
    CPLCondBroadcast(p->changed);
    return true;
}

/* --- commit ------------------------------------------------------------------------------------ */

static bool step_commit(pipeline *p) {
    tile_job *job = &p->jobs[p->next_commit % p->job_room];
    if (p->next_commit == p->next_start || job->state != JOB_ENCODED)
        return false;
    stf_error err = {0};
    unlock(p);
    bool done = p->job->sink.commit(p->job->sink.context, job->tile, job->encoded, job->encoded_bytes, &err);
    lock(p);
    if (!done)
        fail(p, &err);
    if (job->slot != STF_NO_SLOT)
        stf_pool_give(p->slots, job->slot);
    p->next_commit++;
    CPLCondBroadcast(p->changed);
    return true;
}

/* --- progress, on the calling thread ----------------------------------------------------------- */

static void tell_progress(pipeline *p, bool idle) {
    double now =
        0.5 * (double)p->next_fill / (double)p->unit_count + 0.5 * (double)p->next_commit / (double)p->tile_count;
    if (!p->job->progress || (now - p->told < 0.001 && !idle))
        return;
    p->told = now;
    unlock(p);
    stf_messages_raise(&p->messages);
    bool go_on = p->job->progress(now, "", p->job->progress_data) != 0;
    lock(p);
    stf_error err = {0};
    if (!go_on) {
        stf_fail(&err, CPLE_UserInterrupt, "User terminated CreateCopy()");
        fail(p, &err);
    }
}

/* --- threads ----------------------------------------------------------------------------------- */

/* Filling comes first, for it frees a buffer; then reading, for without it there is soon nothing to encode. */
static bool step(worker *w) {
    pipeline *p = w->pipeline;
    return (w->commits && step_commit(p)) || (w->fills && step_fill(p)) || (w->reads && step_read(p, w->number)) ||
           (w->encodes && step_encode(p, w->number));
}

static void run_worker(void *data) {
    worker *w = data;
    pipeline *p = w->pipeline;
    CPLSetThreadLocalConfigOptions((const char *const *)w->config);
    lock(p);
    while (!finished(p))
        if (!step(w))
            CPLCondWait(p->changed, p->mutex);
    unlock(p);
    CPLSetThreadLocalConfigOptions(NULL);
}

static void run_caller(worker *w) {
    pipeline *p = w->pipeline;
    lock(p);
    while (!finished(p)) {
        bool idle = false;
        if (!step(w))
            idle = CPLCondTimedWait(p->changed, p->mutex, 0.1) == COND_TIMED_WAIT_TIME_OUT;
        tell_progress(p, idle);
    }
    CPLCondBroadcast(p->changed);
    unlock(p);
}

static void run(pipeline *p, worker *workers, uint32_t count) {
    const stf_pipeline_job *job = p->job;
    bool alone = count == 0, parallel = job->demand->parallel_read;
    char **config = CPLGetThreadLocalConfigOptions();
    uint32_t started = 0;
    for (; started < count; started++) {
        worker w = {p, started, parallel, true, true, false, config, NULL};
        workers[started] = w;
        workers[started].thread = CPLCreateJoinableThread(run_worker, &workers[started]);
        if (!workers[started].thread)
            break;
    }
    if (started < count) {
        stf_error err = {0};
        stf_fail(&err, CPLE_OutOfMemory, "Cannot start %u threads: lower NUM_THREADS", count);
        lock(p);
        fail(p, &err);
        unlock(p);
    }
    worker caller = {p, 0, alone || !parallel, alone || !parallel, alone, true, NULL, NULL};
    run_caller(&caller);
    for (uint32_t i = 0; i < started; i++)
        CPLJoinThread(workers[i].thread);
    CSLDestroy(config);
}

/* --- setting up and taking down ---------------------------------------------------------------- */

static bool set_up(pipeline *p, stf_error *err) {
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
    p->reader_charged = VSICalloc(plan->readers, sizeof *p->reader_charged);
    p->encoders = VSICalloc(plan->encoders, sizeof(stf_encoder *));
    p->uniforms = stf_uniform_store_create();
    if (!p->uniforms || !p->mutex || !p->changed || !p->jobs || !p->units || !p->reader_charged || !p->encoders ||
        !stf_messages_init(&p->messages))
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
    return p->assembly != NULL;
}

/* Any encoder will do, all of them add the same tags. A file without tiles has them, too. */
static bool keep_codec_tags(pipeline *p, stf_tag_list *tags, stf_error *err) {
    stf_codec_tag found[8];
    uint32_t used = 0;
    while (used < p->job->plan->encoders && !p->encoders[used])
        used++;
    if (used == p->job->plan->encoders)
        used = 0;
    if (!ready_encoder(p, used, err))
        return false;
    size_t count = stf_encoder_tags(p->encoders[used], found, sizeof found / sizeof *found);
    for (size_t i = 0; i < count; i++)
        if (!stf_tag_list_set(tags, found[i].tag, found[i].type, found[i].count, found[i].values, err))
            return false;
    return true;
}

static void take_down(pipeline *p) {
    for (uint32_t i = 0; p->encoders && i < p->job->plan->encoders; i++)
        if (p->encoders[i]) {
            stf_encoder_destroy(p->encoders[i]);
            stf_budget_release(p->job->budget, p->job->demand->encoder_bytes);
        }
    for (uint32_t i = 0; p->reader_charged && i < p->job->plan->readers; i++)
        if (p->reader_charged[i])
            stf_budget_release(p->job->budget, p->job->demand->reader_bytes);
    stf_assembly_destroy(p->assembly);
    stf_spill_destroy(p->spill);
    stf_pool_destroy(p->buffers);
    stf_pool_destroy(p->slots);
    stf_messages_free(&p->messages);
    stf_uniform_store_destroy(p->uniforms);
    VSIFree(p->encoders);
    VSIFree(p->reader_charged);
    VSIFree(p->units);
    VSIFree(p->jobs);
    if (p->changed)
        CPLDestroyCond(p->changed);
    if (p->mutex)
        CPLDestroyMutex(p->mutex);
}

uint64_t stf_pipeline_table_bytes(const stf_geometry *geometry) {
    uint64_t tables = stf_add(stf_assembly_cost_bytes(geometry), stf_spill_cost_bytes(stf_geometry_tiles(geometry)));
    return stf_add(tables, stf_uniform_store_cost_bytes());
}

bool stf_pipeline_run(const stf_pipeline_job *job, stf_pipeline_result *result, stf_error *err) {
    pipeline p = {0};
    uint32_t count = job->demand->threads == 1 ? 0 : job->plan->encoders;
    worker *workers = VSICalloc(count + 1, sizeof *workers);
    p.job = job;
    bool done = workers && set_up(&p, err);
    if (!workers)
        stf_fail(err, CPLE_OutOfMemory, "No memory for %u threads", count);
    if (done) {
        run(&p, workers, count);
        stf_messages_raise(&p.messages);
        done = !p.failed && keep_codec_tags(&p, &result->codec_tags, err);
        if (p.failed)
            *err = p.error;
        for (uint32_t i = 0; i < job->plan->encoders; i++)
            result->clipped = result->clipped || (p.encoders[i] && stf_encoder_clipped(p.encoders[i]));
        if (p.spill)
            result->spill_bytes = stf_spill_bytes_written(p.spill);
    }
    take_down(&p);
    VSIFree(workers);
    return done;
}
