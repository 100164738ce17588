#include <string.h>

#include "cpl_conv.h"
#include "pipeline_internal.h"

static uint64_t lent_bytes(const stf_pipeline *p) {
    return p->job->overviews ? p->job->overviews->lent_bytes : 0;
}

static stf_encoder *make_encoder(const stf_tile_format *format, uint64_t lent, stf_error *err) {
    return lent > 0 ? stf_encoder_create_borrowing(format, err) : stf_encoder_create(format, err);
}

/* Before each tile: the window is not in use while a worker encodes, be it a tile of the raster or of a level. */
static bool lend(stf_pipeline *p, uint32_t number, stf_encoder *encoder, uint64_t lent, stf_error *err) {
    size_t bytes = 0;
    if (lent == 0)
        return true;
    void *window = stf_overview_lend(p->overview, number, &bytes, err);
    stf_encoder_lend(encoder, window, bytes);
    return window != NULL;
}

static bool ready_encoder(stf_pipeline *p, uint32_t number, stf_error *err) {
    if (p->encoders[number])
        return true;
    if (!stf_budget_charge(p->job->budget, p->job->demand->encoder_bytes, "an encoder", err))
        return false;
    p->encoders[number] = make_encoder(p->job->format, lent_bytes(p), err);
    if (!p->encoders[number])
        stf_budget_release(p->job->budget, p->job->demand->encoder_bytes);
    return p->encoders[number] != NULL;
}

/* --- tiles of overviews ------------------------------------------------------------------------ */

static bool encodes_levels_apart(const stf_pipeline *p) {
    return p->job->overviews && p->job->overviews->format;
}

static const stf_tile_format *level_format(const stf_pipeline *p) {
    return encodes_levels_apart(p) ? p->job->overviews->format : p->job->format;
}

/* The encoder of this worker for them; NULL: none can be made. */
static stf_encoder *level_encoder(stf_pipeline *p, uint32_t number, stf_error *err) {
    if (!encodes_levels_apart(p))
        return ready_encoder(p, number, err) ? p->encoders[number] : NULL;
    uint64_t bytes = p->job->overviews->encoder_bytes;
    if (p->level_encoders[number])
        return p->level_encoders[number];
    if (!stf_budget_charge(p->job->budget, bytes, "an encoder of overviews", err))
        return NULL;
    p->level_encoders[number] = make_encoder(level_format(p), p->job->overviews->level_lent_bytes, err);
    if (!p->level_encoders[number])
        stf_budget_release(p->job->budget, bytes);
    return p->level_encoders[number];
}

static bool find_level_constant(stf_pipeline *p, const stf_uniform *value, const void **data, size_t *bytes) {
    stf_pipeline_lock(p);
    *data = stf_uniform_store_find(p->level_uniforms, value, level_format(p)->height_px, bytes);
    stf_pipeline_unlock(p);
    return *data != NULL;
}

static void fill_tile(const stf_tile_format *format, unsigned char *pixels, const stf_uniform *value) {
    size_t count = (size_t)format->width_px * format->height_px;
    for (size_t i = 0; i < count; i++)
        memcpy(pixels + i * value->pixel_bytes, value->pixel, value->pixel_bytes);
}

/* Makes the pixels of a tile ready; true where there is nothing to encode. *constant: they all are *value. */
static bool level_is_done_already(stf_pipeline *p, const stf_overview_tile_info *info, void *pixels, stf_uniform *value,
                                  bool *constant, const void **data, size_t *bytes) {
    const stf_tile_format *format = level_format(p);
    const stf_sparse *sparse = &p->job->sparse;
    size_t samples = p->job->geometry->planes[info->plane].bands, sample_bytes = p->job->geometry->sample_bytes;
    *data = NULL;
    *bytes = 0;
    if (*constant) {
        if (stf_sparse_omits_uniform(sparse, value, &info->valid, format->width_px, sample_bytes) ||
            find_level_constant(p, value, data, bytes))
            return true;
        fill_tile(format, pixels, value);
        return false;
    }
    if (stf_sparse_omits(sparse, pixels, &info->valid, format->width_px, samples))
        return true;
    stf_assembly_pad(pixels, samples * sample_bytes, format->width_px, format->height_px, &info->valid);
    *constant =
        stf_uniform_of_pixels(pixels, samples * sample_bytes, (size_t)format->width_px * format->height_px, value);
    return *constant && find_level_constant(p, value, data, bytes);
}

static bool encode_level(void *context, uint32_t worker, const stf_overview_tile_info *info, void *pixels,
                         const stf_uniform *known, const void **data, size_t *bytes, stf_error *err) {
    stf_pipeline *p = context;
    bool constant = known != NULL;
    stf_uniform value;
    if (constant)
        value = *known;
    const stf_pipeline_overviews *overviews = p->job->overviews;
    if (overviews->see && !overviews->see(overviews->see_context, info, pixels, known, err))
        return false;
    if (level_is_done_already(p, info, pixels, &value, &constant, data, bytes))
        return true;
    stf_encoder *encoder = level_encoder(p, worker, err);
    uint32_t rows = level_format(p)->height_px;
    uint64_t lent = encodes_levels_apart(p) ? overviews->level_lent_bytes : lent_bytes(p);
    if (!encoder || !lend(p, worker, encoder, lent, err) ||
        !stf_encoder_encode(encoder, pixels, (size_t)p->job->demand->overview_slot_bytes, rows, bytes, err))
        return false;
    *data = pixels;
    stf_pipeline_lock(p);
    p->encodes++;
    if (constant)
        stf_uniform_store_keep(p->level_uniforms, &value, rows, pixels, *bytes);
    stf_pipeline_unlock(p);
    return true;
}

/* What a complete tile of the raster makes possible. value: all its pixels have it; NULL: they are in its slot. */
static bool add_to_overviews(stf_pipeline *p, uint32_t number, const stf_tile_job *job, const stf_uniform *value,
                             stf_error *err) {
    const stf_plane *plane = &p->job->geometry->planes[stf_geometry_tile_plane(p->job->geometry, job->tile)];
    const stf_tile_format *format = p->job->format;
    const void *pixels = value ? NULL : stf_pool_item(p->slots, job->slot);
    stf_uniform found;
    if (!p->overview)
        return true;
    if (pixels && stf_uniform_of_pixels(pixels, (size_t)plane->bands * p->job->geometry->sample_bytes,
                                        (size_t)format->width_px * format->height_px, &found)) {
        pixels = NULL;
        value = &found;
    }
    return stf_overview_add(p->overview, number, job->sequence, job->tile, pixels, value, err);
}

/* --- tiles of the raster ----------------------------------------------------------------------- */

/* value: see add_to_overviews. */
static bool add_to_statistics(stf_pipeline *p, const stf_tile_job *job, const stf_uniform *value, stf_error *err) {
    const void *pixels = value ? NULL : stf_pool_item(p->slots, job->slot);
    return !p->job->statistics ||
           stf_band_statistics_add(p->job->statistics, job->tile, pixels, p->job->format->width_px, value, err);
}

/* Under the lock: what a constant comes to, where that is known already. */
static bool find_constant(stf_pipeline *p, stf_tile_job *job) {
    job->encoded = stf_uniform_store_find(p->uniforms, &job->value, job->rows, &job->encoded_bytes);
    return job->encoded != NULL;
}

static void leave_out(stf_tile_job *job) {
    job->encoded = NULL;
    job->encoded_bytes = 0;
}

static void discard_bits(const stf_pipeline *p, const stf_tile_job *job, void *samples, size_t count) {
    const stf_plane *plane = &p->job->geometry->planes[stf_geometry_tile_plane(p->job->geometry, job->tile)];
    if (p->job->discard)
        stf_discard_apply(p->job->discard, plane->first_band, plane->bands, samples, count);
}

/* The tile is one of the source's, as it is; what is not there is made like any other. */
static bool is_passed(const stf_pipeline *p, const stf_tile_job *job) {
    return p->job->passthrough && stf_passthrough_has(p->job->passthrough, job->tile);
}

/* Under the lock: a tile that came as one value may need neither slot nor encoder. */
static bool needs_no_slot(stf_pipeline *p, stf_tile_job *job) {
    const stf_tile_format *format = p->job->format;
    if (job->slot != STF_NO_SLOT || is_passed(p, job) || !stf_assembly_uniform(p->assembly, job->tile, &job->value))
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

static size_t samples_of(const stf_pipeline *p, const stf_tile_job *job) {
    return p->job->geometry->planes[stf_geometry_tile_plane(p->job->geometry, job->tile)].bands;
}

static bool is_left_out(const stf_pipeline *p, stf_tile_job *job) {
    stf_window valid = stf_geometry_tile_window(p->job->geometry, job->tile);
    if (!stf_sparse_omits(&p->job->sparse, stf_pool_item(p->slots, job->slot), &valid, p->job->format->width_px,
                          samples_of(p, job)))
        return false;
    leave_out(job);
    return true;
}

/* Makes a tile that lies in its slot ready to be encoded: true where there is nothing to encode. */
static bool is_known_constant(stf_pipeline *p, stf_tile_job *job) {
    const stf_geometry *geometry = p->job->geometry;
    void *pixels = stf_pool_item(p->slots, job->slot);
    size_t row_px = p->job->format->width_px, samples = samples_of(p, job);
    discard_bits(p, job, pixels, row_px * job->rows * samples);
    job->constant = stf_uniform_of_pixels(pixels, samples * geometry->sample_bytes, row_px * job->rows, &job->value);
    if (!job->constant)
        return false;
    stf_pipeline_lock(p);
    bool found = find_constant(p, job);
    stf_pipeline_unlock(p);
    return found;
}

static bool encode_pixels(stf_pipeline *p, uint32_t number, stf_tile_job *job, stf_error *err) {
    void *pixels = stf_pool_item(p->slots, job->slot);
    job->encoded = pixels;
    return ready_encoder(p, number, err) && lend(p, number, p->encoders[number], lent_bytes(p), err) &&
           stf_encoder_encode(p->encoders[number], pixels, (size_t)p->job->demand->slot_bytes, job->rows,
                              &job->encoded_bytes, err);
}

static bool pass(stf_pipeline *p, stf_tile_job *job, stf_error *err) {
    void *room = stf_pool_item(p->slots, job->slot);
    job->encoded = room;
    return stf_passthrough_read(p->job->passthrough, job->tile, room, (size_t)p->job->demand->slot_bytes,
                                &job->encoded_bytes, err);
}

static bool make_bytes(stf_pipeline *p, uint32_t number, stf_tile_job *job, stf_error *err) {
    if (is_left_out(p, job))
        return true;
    return is_passed(p, job) ? pass(p, job, err) : is_known_constant(p, job) || encode_pixels(p, number, job, err);
}

/* Without the lock. value: see add_to_overviews. These come first: the tile is encoded in its place, and what DISCARD_LSB
 * takes from it is in neither. */
static bool encode(stf_pipeline *p, uint32_t number, stf_tile_job *job, bool no_slot, const stf_uniform *value,
                   stf_error *err) {
    stf_messages_begin(&p->messages);
    bool done =
        (no_slot || stf_assembly_finish(p->assembly, job->tile, job->slot, p->job->format->tiled, &job->rows, err)) &&
        add_to_statistics(p, job, value, err) && add_to_overviews(p, number, job, value, err) &&
        (no_slot || make_bytes(p, number, job, err));
    stf_messages_end();
    return done;
}

/* Under the lock. What lies in a slot is kept if it is a constant's; a slot without tile is free at once. */
static void tile_was_encoded(stf_pipeline *p, stf_tile_job *job) {
    bool in_slot = job->encoded == stf_pool_item(p->slots, job->slot);
    p->encodes += in_slot && !is_passed(p, job) ? 1 : 0;
    if (in_slot && job->constant)
        stf_uniform_store_keep(p->uniforms, &job->value, job->rows, job->encoded, job->encoded_bytes);
    if (!in_slot) {
        stf_pool_give(p->slots, job->slot);
        job->slot = STF_NO_SLOT;
    }
}

/* Complete tiles are begun strictly in order: a tile that has to wait for a slot is never overtaken by one that
 * would take it, so the oldest always gets through. */
bool stf_pipeline_step_encode(stf_pipeline *p, uint32_t number) {
    stf_tile_job *job = &p->jobs[p->next_start % p->job_room];
    stf_uniform value;
    if (p->next_start == p->next_complete)
        return false;
    bool one_value = job->slot == STF_NO_SLOT && stf_assembly_uniform(p->assembly, job->tile, &value);
    bool no_slot = needs_no_slot(p, job);
    if (!no_slot && job->slot == STF_NO_SLOT && stf_pool_free_items(p->slots) == 0)
        return false;
    stf_error err = {0};
    bool done = no_slot || job->slot != STF_NO_SLOT || stf_pool_take(p->slots, &job->slot, &err);
    job->sequence = p->next_start++;
    job->state = JOB_ENCODING;
    if (done && (!no_slot || p->overview || p->job->statistics)) {
        stf_pipeline_unlock(p);
        done = encode(p, number, job, no_slot, one_value ? &value : NULL, &err);
        stf_pipeline_lock(p);
        if (done && !no_slot)
            tile_was_encoded(p, job);
    }
    stf_assembly_leave(p->assembly, job->tile);
    job->state = JOB_ENCODED;
    if (!done)
        stf_pipeline_fail(p, &err);
    else if (p->job->sink.any_order)
        stf_pipeline_commit(p, job);
    CPLCondBroadcast(p->changed);
    return true;
}

/* --- setting up and taking down ---------------------------------------------------------------- */

static bool set_up_overviews(stf_pipeline *p, stf_error *err) {
    const stf_pipeline_overviews *overviews = p->job->overviews;
    stf_overview_job *job = &p->overview_job;
    job->shape = p->job->demand->overview;
    job->places = &p->job->plan->overview;
    job->resample = overviews->resample;
    job->workers = p->job->plan->encoders;
    job->slot_bytes = (size_t)p->job->demand->overview_slot_bytes;
    job->target = p->job->target;
    job->budget = p->job->budget;
    job->first_image = overviews->first_image;
    job->encoder.context = p;
    job->encoder.encode = encode_level;
    job->sink = overviews->sink;
    job->mask = overviews->mask;
    p->overview = stf_overview_create(job, err);
    return p->overview != NULL;
}

bool stf_pipeline_encode_set_up(stf_pipeline *p, stf_error *err) {
    uint32_t count = p->job->plan->encoders;
    bool apart = encodes_levels_apart(p);
    p->encoders = VSICalloc(count, sizeof(stf_encoder *));
    p->uniforms = stf_uniform_store_create();
    p->level_uniforms = apart ? stf_uniform_store_create() : p->uniforms;
    if (apart)
        p->level_encoders = VSICalloc(count, sizeof(stf_encoder *));
    if (!p->encoders || !p->uniforms || !p->level_uniforms || (apart && !p->level_encoders))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for %u encoders", count);
    return !p->job->overviews || set_up_overviews(p, err);
}

static void destroy_encoders(stf_pipeline *p, stf_encoder **encoders, uint64_t each_bytes) {
    for (uint32_t i = 0; encoders && i < p->job->plan->encoders; i++)
        if (encoders[i]) {
            stf_encoder_destroy(encoders[i]);
            stf_budget_release(p->job->budget, each_bytes);
        }
    VSIFree(encoders);
}

void stf_pipeline_encode_take_down(stf_pipeline *p) {
    stf_overview_destroy(p->overview);
    destroy_encoders(p, p->encoders, p->job->demand->encoder_bytes);
    if (p->level_uniforms != p->uniforms)
        stf_uniform_store_destroy(p->level_uniforms);
    destroy_encoders(p, p->level_encoders, p->level_encoders ? p->job->overviews->encoder_bytes : 0);
    stf_uniform_store_destroy(p->uniforms);
}

static bool keep_tags_of(stf_encoder *encoder, stf_tag_list *tags, stf_error *err) {
    stf_codec_tag found[8];
    size_t count = stf_encoder_tags(encoder, found, sizeof found / sizeof *found);
    for (size_t i = 0; i < count; i++)
        if (!stf_tag_list_set(tags, found[i].tag, found[i].type, found[i].count, found[i].values, err))
            return false;
    return true;
}

/* Any encoder will do, all of them add the same tags. A file without tiles has them, too. */
static bool keep_codec_tags(stf_pipeline *p, stf_tag_list *tags, stf_error *err) {
    uint32_t used = 0;
    while (used < p->job->plan->encoders && !p->encoders[used])
        used++;
    if (used == p->job->plan->encoders)
        used = 0;
    return ready_encoder(p, used, err) && keep_tags_of(p->encoders[used], tags, err);
}

static bool keep_level_tags(stf_pipeline *p, stf_tag_list *tags, stf_error *err) {
    uint32_t used = 0;
    if (!encodes_levels_apart(p))
        return !p->job->overviews || keep_codec_tags(p, tags, err);
    while (used < p->job->plan->encoders && !p->level_encoders[used])
        used++;
    stf_encoder *encoder = level_encoder(p, used == p->job->plan->encoders ? 0 : used, err);
    return encoder && keep_tags_of(encoder, tags, err);
}

bool stf_pipeline_encode_finish(stf_pipeline *p, stf_pipeline_result *result, stf_error *err) {
    for (uint32_t i = 0; i < p->job->plan->encoders; i++) {
        result->clipped = result->clipped || (p->encoders[i] && stf_encoder_clipped(p->encoders[i]));
        result->clipped =
            result->clipped || (p->level_encoders && p->level_encoders[i] && stf_encoder_clipped(p->level_encoders[i]));
    }
    result->encodes = p->encodes;
    if (p->overview)
        result->spill_bytes += stf_overview_spilled_bytes(p->overview);
    return keep_codec_tags(p, &result->codec_tags, err) && keep_level_tags(p, &result->level_codec_tags, err);
}
