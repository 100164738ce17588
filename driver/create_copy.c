#include "create_copy.h"

#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "gdal_adaptor.h"
#include "platform.h"
#include "stats.h"
#include "tiff.h"

#define TAG_ROOM_BYTES 65536 /* of tags, beside the tables of tiles */

/* --- copying ----------------------------------------------------------------------------------- */

static bool decide_bigtiff(const stf_copy *c, bool *big, stf_error *err) {
    uint64_t tiles = stf_geometry_tiles(&c->geometry);
    uint64_t worst =
        stf_add(stf_add(stf_mul(c->demand.slot_bytes, tiles), stf_tiff_file_table_bytes(tiles)), TAG_ROOM_BYTES);
    bool needed = stf_tiff_file_needs_big(worst);
    *big = c->options.bigtiff == STF_BIGTIFF_YES || (c->options.bigtiff == STF_BIGTIFF_IF_NEEDED && needed) ||
           (c->options.bigtiff == STF_BIGTIFF_IF_SAFER && worst > 2000000000u);
    if (!*big && needed && c->options.codec.compression == COMPRESSION_NONE)
        return stf_fail(err, CPLE_NotSupported,
                        "A %u x %u raster of %u bands takes " CPL_FRMT_GUIB
                        " bytes, more than the 4 GB of a classic TIFF: use BIGTIFF=YES or IF_SAFER",
                        c->raster.width_px, c->raster.height_px, c->raster.bands, (GUIntBig)worst);
    return true;
}

static bool commit_tile(void *context, uint64_t tile, const void *data, size_t bytes, stf_error *err) {
    return stf_tiff_file_append(context, 0, tile, data, bytes, err);
}

/* The last hundredth is kept for the directory and the rename: whoever cancels at any figure finds no file. */
static int CPL_STDCALL tell_most(double done, const char *message, void *data) {
    stf_copy *c = data;
    return c->progress(0.99 * done, message, c->progress_data);
}

static bool charge(stf_copy *c, uint64_t bytes, const char *what, stf_error *err) {
    if (!stf_budget_charge(c->budget, bytes, what, err))
        return false;
    c->charged_bytes += bytes;
    return true;
}

static bool copy_pixels(stf_copy *c, stf_error *err) {
    stf_pipeline_job job = {0};
    c->budget = stf_budget_create(c->plan.cap_bytes);
    if (!c->budget)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the account");
    if (!charge(c, c->demand.table_bytes, "tables", err) || !charge(c, c->plan.lease_bytes, "GDAL's block cache", err))
        return false;
    stf_lease_resize(c->lease, c->plan.lease_bytes);
    if (c->source->open_readers && !c->source->open_readers(c->source, c->plan.readers, err))
        return false;
    job.geometry = &c->geometry;
    job.demand = &c->demand;
    job.plan = &c->plan;
    job.format = &c->format;
    job.sparse = c->sparse;
    job.target = c->target;
    job.budget = c->budget;
    job.source.context = c->source;
    job.source.read = stf_source_read_unit;
    job.sink.context = c->file;
    job.sink.commit = commit_tile;
    job.progress = tell_most;
    job.progress_data = c;
    return stf_pipeline_run(&job, &c->result, err);
}

/* --- the directory ----------------------------------------------------------------------------- */

static bool finish_file(stf_copy *c, stf_error *err) {
    if (!stf_copy_set_structure(c, err))
        return false;
    if (!c->progress(1.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    stf_tiff_file *file = c->file;
    c->file = NULL;
    const stf_image_tags image = {c->options.tiled, &c->georef.tags};
    if (!stf_tiff_file_finish(file, &image, err))
        return false;
    if (!stf_tiff_file_is_file(c->target) || stf_georef_write_sidecar(&c->georef, c->target, err))
        return true;
    VSIUnlink(c->target); /* a raster without what its sidecar tells is half of one */
    return false;
}

static bool write_file(stf_copy *c, stf_error *err) {
    bool big;
    if (!c->progress(0.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    if (!decide_bigtiff(c, &big, err))
        return false;
    c->file = stf_tiff_file_create(c->target, big, stf_geometry_tiles(&c->geometry), err);
    if (c->file && c->options.swapped)
        stf_tiff_file_swap(c->file);
    if (!c->file || !copy_pixels(c, err) || !finish_file(c, err))
        return false;
    if (c->result.clipped && c->format.sample_format == SAMPLEFORMAT_IEEEFP)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "%s: One or more pixels beyond the range of %u-bit floats became infinite.", c->target,
                 c->format.sample_bits);
    else if (c->result.clipped)
        CPLError(CE_Warning, CPLE_AppDefined, "%s: One or more pixels clipped to fit %u bit domain.", c->target,
                 c->format.sample_bits);
    return true;
}

/* --- from beginning to end --------------------------------------------------------------------- */

static void release(stf_copy *c) {
    stf_tiff_file_abort(c->file);
    stf_source_destroy(c->source);
    stf_derive_destroy(c->derive);
    stf_derive_command_free(&c->derive_command);
    stf_lease_end(c->lease);
    stf_account_end(c->account);
    stf_tag_list_free(&c->result.codec_tags);
    stf_georef_free(&c->georef);
    stf_options_free(&c->options);
    stf_budget_destroy(c->budget);
    VSIFree(c->planes);
    stf_platform_trim_heap(); /* what libtiff and GDAL used on our behalf */
}

/* The result as GTiff shows it, with our figures beside it. */
static GDALDatasetH reopen(const stf_copy *c, CSLConstList figures) {
    const char *const drivers[] = {"GTiff", NULL};
    if (!stf_tiff_file_is_file(c->target)) {
        GDALDatasetH shape = stf_gdal_unreadable(c->dataset, c->target);
        return shape ? stf_gdal_with_domain(shape, "STREAMING", figures) : NULL;
    }
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH inner = GDALOpenEx(c->target, GDAL_OF_RASTER | GDAL_OF_UPDATE | GDAL_OF_INTERNAL, drivers, NULL, NULL);
    if (!inner)
        inner = GDALOpenEx(c->target, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, drivers, NULL, NULL);
    CPLPopErrorHandler();
    CPLErrorReset();
    if (!inner)
        inner = stf_gdal_unreadable(c->dataset, c->target);
    return inner ? stf_gdal_with_domain(inner, "STREAMING", figures) : NULL;
}

/* GDAL adds the source's INTERLEAVE of its own accord, which is of no concern to what is derived from one band of it. */
static char **options_of_result(const stf_copy *c, CSLConstList options) {
    char **list = CSLDuplicate((char **)(uintptr_t)options);
    return c->derive && CSLFetchNameValue(options, "@INTERLEAVE_ADDED_AUTOMATICALLY")
               ? CSLSetNameValue(list, "INTERLEAVE", NULL)
               : list;
}

static bool run(stf_copy *c, CSLConstList options, stf_error *err) {
    if (!stf_copy_derive(c, options, err))
        return false;
    stf_copy_describe_raster(c);
    char **list = options_of_result(c, options);
    bool done = stf_options_parse((CSLConstList)list, &c->raster, &c->options, err);
    CSLDestroy(list);
    return done && stf_copy_make_plan(c, err) && write_file(c, err);
}

/* What a view has decoded for us, it has counted. */
static uint64_t count_decodes(const stf_copy *c) {
    if (!c->source->info.decodes_are_counted)
        return c->plan.decodes;
    return stf_account_has_views(c->account) ? stf_account_decodes(c->account) : stf_source_blocks_decoded(c->source);
}

GDALDatasetH stf_create_copy(const char *target, GDALDatasetH source, int strict, CSLConstList options,
                             GDALProgressFunc progress, void *progress_data) {
    stf_error err = {0};
    stf_copy c = {0};
    GDALDatasetH result = NULL;
    c.target = target;
    c.dataset = source;
    c.strict = strict != 0;
    c.progress = progress ? progress : GDALDummyProgress;
    c.progress_data = progress_data;
    c.account = stf_account_begin(target);
    bool done = run(&c, options, &err);
    if (done) {
        stf_stats stats = {&c.plan,
                           &c.source->info,
                           stf_budget_peak_bytes(c.budget),
                           count_decodes(&c),
                           c.result.spill_bytes,
                           stf_account_spilled_bytes(c.account),
                           0};
        char **figures = stf_stats_metadata(&stats);
        stf_lease_end(c.lease); /* before the result is opened: its reads are the caller's */
        c.lease = NULL;
        stf_account_end(c.account);
        c.account = NULL;
        result = reopen(&c, figures);
        CSLDestroy(figures);
    }
    release(&c);
    if (!done)
        CPLError(CE_Failure, err.number ? err.number : CPLE_AppDefined, "%s", err.text);
    return result;
}
