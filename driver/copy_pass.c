#include "copy.h"

/* One run through the pipeline: the bands, or a band of the mask. */
typedef struct copy_pass {
    stf_copy *copy;
    stf_source *source;
    const stf_geometry *geometry;
    const stf_demand *demand;
    const stf_plan *plan;
    const stf_tile_format *format;
    const stf_sparse *sparse;
    stf_tiff_file *file;         /* NULL: into the spool */
    uint32_t image;              /* of the file or the spool */
    uint64_t first_tile;         /* of the image */
    double done_before, done_by; /* progress */
    uint64_t planned_decodes;    /* where the source does not count */
    stf_pipeline_result *result;
    const stf_discard *discard; /* the bands'; a mask loses nothing */
    const stf_copy_overviews *overviews;
    stf_band_statistics *statistics; /* NULL: none are gathered */
    stf_passthrough *passthrough;    /* NULL: tiles are encoded */
} copy_pass;

static bool commit_tile(void *context, uint64_t tile, const void *data, size_t bytes, stf_error *err) {
    const copy_pass *pass = context;
    if (!pass->file)
        return stf_spool_append(pass->copy->spool, pass->image, pass->first_tile + tile, data, bytes, err);
    return stf_tiff_file_append(pass->file, pass->image, pass->first_tile + tile, data, bytes, err);
}

static int CPL_STDCALL tell_progress(double done, const char *message, void *data) {
    const copy_pass *pass = data;
    double all = pass->done_before + done * (pass->done_by - pass->done_before);
    return pass->copy->progress(all, message, pass->copy->progress_data);
}

static bool charge(stf_copy *c, uint64_t bytes, const char *what, stf_error *err) {
    if (!stf_budget_charge(c->budget, bytes, what, err))
        return false;
    c->charged_bytes += bytes;
    return true;
}

/* Views that the bands are read from count what they decode. */
static uint64_t count_decodes(const copy_pass *pass) {
    const stf_copy *c = pass->copy;
    if (!pass->source->info.decodes_are_counted)
        return pass->planned_decodes;
    return pass->source == c->source && stf_account_has_views(c->account) ? stf_account_decodes(c->account)
                                                                          : stf_source_blocks_decoded(pass->source);
}

static bool run_pass(stf_copy *c, copy_pass *pass, stf_error *err) {
    stf_pipeline_job job = {0};
    if (!charge(c, pass->demand->table_bytes, "tables", err) ||
        !charge(c, pass->plan->lease_bytes, "GDAL's block cache", err))
        return false;
    stf_lease_resize(c->lease, pass->plan->lease_bytes);
    if (pass->source->open_readers && !pass->source->open_readers(pass->source, pass->plan->readers, err))
        return false;
    job.geometry = pass->geometry;
    job.demand = pass->demand;
    job.plan = pass->plan;
    job.format = pass->format;
    job.sparse = *pass->sparse;
    job.discard = pass->discard;
    job.target = c->target;
    job.budget = c->budget;
    job.source.context = pass->source;
    job.source.read = stf_source_read_unit;
    job.sink.context = pass;
    job.sink.commit = commit_tile;
    job.sink.any_order = !pass->file;
    job.progress = tell_progress;
    job.progress_data = pass;
    job.statistics = pass->statistics;
    job.passthrough = pass->passthrough;
    job.overviews = pass->overviews->resample ? &pass->overviews->job : NULL;
    if (!stf_pipeline_run(&job, pass->result, err))
        return false;
    stf_budget_release(c->budget, c->charged_bytes);
    c->charged_bytes = 0;
    c->decodes += count_decodes(pass);
    c->encodes += pass->result->encodes;
    return true;
}

bool stf_copy_bands(stf_copy *c, double done_before, double done_by, stf_error *err) {
    if (stf_copy_only_passes(c))
        return stf_copy_pass_tiles(c, done_before, done_by, err);
    uint64_t planned_decodes = c->plan.decodes - c->mask.decodes - c->decodes_of_levels;
    copy_pass pass = {.copy = c,
                      .source = c->source,
                      .geometry = &c->geometry,
                      .demand = &c->demand,
                      .plan = &c->plan,
                      .format = &c->format,
                      .sparse = &c->sparse,
                      .file = c->file,
                      .image = c->image,
                      .done_before = done_before,
                      .done_by = done_by,
                      .planned_decodes = planned_decodes,
                      .result = &c->result,
                      .discard = &c->discard,
                      .overviews = &c->overviews,
                      .statistics = c->statistics,
                      .passthrough = c->passthrough};
    bool done = run_pass(c, &pass, err);
    c->view_spill_bytes = stf_account_spilled_bytes(c->account);
    stf_source_destroy(c->source); /* its readers must not lie beside those of the mask */
    c->source = NULL;
    return done;
}

static bool copy_mask_band(stf_copy *c, uint32_t band, double done_before, double done_by, stf_error *err) {
    stf_mask *mask = &c->mask;
    if (!stf_copy_open_mask(c, band, err))
        return false;
    bool inside = mask->home == STF_MASK_INSIDE;
    copy_pass pass = {c,
                      mask->source,
                      &mask->geometry,
                      &mask->demand,
                      &mask->plan,
                      &mask->format,
                      &mask->sparse,
                      inside ? c->file : mask->file,
                      mask->image,
                      band * stf_geometry_tiles(&mask->geometry),
                      done_before,
                      done_by,
                      mask->plan.decodes,
                      &mask->result,
                      NULL,
                      &mask->overviews,
                      NULL,
                      NULL};
    bool done = run_pass(c, &pass, err);
    stf_copy_close_mask(c);
    return done;
}

bool stf_copy_mask(stf_copy *c, double done_before, double done_by, stf_error *err) {
    double step = c->mask.bands > 0 ? (done_by - done_before) / c->mask.bands : 0;
    bool done = true;
    for (uint32_t band = 0; done && band < c->mask.bands; band++)
        done = copy_mask_band(c, band, done_before + step * band, done_before + step * (band + 1), err);
    return done;
}
