#include "writer_internal.h"

#include <string.h>

#include "cpl_conv.h"
#include "platform.h"
#include "target.h"

#define TAG_ROOM_BYTES 65536

CPLErr stf_writer_raise(stf_writer *w, const stf_error *err) {
    if (!w->failed) {
        w->failed = true;
        w->error = *err;
    }
    CPLError(CE_Failure, err->number ? err->number : CPLE_AppDefined, "%s", err->text);
    return CE_Failure;
}

/* --- beginning --------------------------------------------------------------------------------- */

static void describe_raster(stf_writer *w, int width, int height, int bands, GDALDataType type) {
    stf_copy *c = &w->copy;
    c->target = w->target;
    c->type = type;
    c->raster.width_px = (uint32_t)width;
    c->raster.height_px = (uint32_t)height;
    c->raster.bands = (uint32_t)bands;
    c->raster.sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(type);
    c->raster.kind = stf_copy_kind_of(type);
}

static bool refuse_what_only_copies_have(CSLConstList options, stf_error *err) {
    static const char *const names[] = {"DERIVE", "COPY_SRC_OVERVIEWS"};
    if (CPLFetchBool(options, "STREAMABLE_OUTPUT", false))
        return stf_fail(
            err, CPLE_NotSupported,
            "STREAMABLE_OUTPUT=YES is an option of CreateCopy(): here tags can be set until the file is closed");
    const char *passes = CSLFetchNameValueDef(options, "PASSTHROUGH", "AUTO");
    if (!EQUAL(passes, "AUTO") && CPLTestBool(passes))
        return stf_fail(err, CPLE_NotSupported, "PASSTHROUGH=%s needs a source: it is for CreateCopy()", passes);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (CSLFetchNameValue(options, names[i]) && !EQUAL(CSLFetchNameValue(options, names[i]), "NO"))
            return stf_fail(err, CPLE_NotSupported, "%s needs a source: it is an option of CreateCopy()", names[i]);
    return true;
}

static bool open_file(stf_writer *w, stf_error *err) {
    const stf_options *options = &w->copy.options;
    uint64_t worst = stf_add(stf_add(stf_mul(w->mask_offset, w->tile_count), stf_tiff_file_table_bytes(w->tile_count)),
                             TAG_ROOM_BYTES);
    bool needed = stf_tiff_file_needs_big(worst);
    bool big = options->bigtiff == STF_BIGTIFF_YES || (options->bigtiff == STF_BIGTIFF_IF_NEEDED && needed) ||
               (options->bigtiff == STF_BIGTIFF_IF_SAFER && worst > 2000000000u);
    if (!big && needed && options->codec.compression == 1)
        return stf_fail(err, CPLE_NotSupported,
                        "A %u x %u raster of %u bands takes " CPL_FRMT_GUIB
                        " bytes, more than the 4 GB of a classic TIFF: use BIGTIFF=YES or IF_SAFER",
                        w->copy.raster.width_px, w->copy.raster.height_px, w->copy.raster.bands, (GUIntBig)worst);
    w->copy.file = stf_tiff_file_create(w->target, big, w->tile_count, err);
    if (w->copy.file && options->swapped)
        stf_tiff_file_swap(w->copy.file);
    return w->copy.file != NULL;
}

/* What is said of the raster, and how its tiles are encoded. */
static bool describe(stf_writer *w, CSLConstList options, stf_error *err) {
    stf_copy *c = &w->copy;
    stf_options_free(&c->options);
    if (!stf_options_parse(options, &c->raster, &c->options, err) ||
        !stf_writer_make_shape(w, (int)c->raster.bands, err))
        return false;
    stf_copy_describe_tiles(c);
    stf_encoder *trial = stf_encoder_create(&c->format, err);
    stf_encoder_destroy(trial);
    return trial && stf_copy_describe_planes(c, err);
}

static bool begin(stf_writer *w, CSLConstList user_options, stf_error *err) {
    char **options = CSLDuplicate((char **)(uintptr_t)user_options);
    bool done = refuse_what_only_copies_have(user_options, err) &&
                stf_options_parse(user_options, &w->copy.raster, &w->copy.options, err) &&
                (!w->copy.options.is_cog || stf_writer_begin_cog(w, &options, err)) &&
                describe(w, (CSLConstList)options, err);
    CSLDestroy(options);
    return done && stf_writer_describe_slots(w, err) && stf_writer_read_nodata(w, err) && stf_writer_plan(w, err) &&
           stf_writer_take_memory(w, err) && stf_writer_start_workers(w, err) && open_file(w, err) &&
           stf_writer_offer_loans(w, err);
}

/* Programs look for the file that they have made: QGIS asks whether it may be written to before it has overviews built. */
static bool reserve_name(stf_writer *w, stf_error *err) {
    return stf_target_reserve(w->cog_target ? w->cog_target : w->target, &w->reserved, err);
}

static void give_name_back(const stf_writer *w) {
    if (w->reserved)
        stf_target_give_back(w->cog_target ? w->cog_target : w->target);
}

static void release(stf_writer *w) {
    stf_lender_close(w->lender);
    w->lender = NULL;
    stf_writer_destroy_mask(w);
    stf_writer_stop_workers(w);
    stf_tiff_file_abort(w->copy.file);
    w->copy.file = NULL;
    stf_writer_give_memory(w);
    stf_lease_end(w->lease);
    w->lease = NULL;
    stf_platform_trim_heap();
}

static void destroy(stf_writer *w) {
    release(w);
    give_name_back(w);
    stf_writer_drop_shape(w);
    stf_tag_list_free(&w->copy.result.codec_tags);
    stf_georef_free(&w->copy.georef);
    stf_options_free(&w->copy.options);
    stf_discard_free(&w->copy.discard);
    stf_budget_destroy(w->budget);
    VSIFree(w->copy.planes);
    CSLDestroy(w->figures);
    CSLDestroy(w->cog_options);
    CPLFree(w->cog_target);
    CPLFree(w->copy.mask.path);
    stf_tag_list_free(&w->copy.mask.tags);
    CPLFree(w->target);
    VSIFree(w);
}

stf_writer *stf_writer_create(const char *target, int width, int height, int bands, GDALDataType type,
                              CSLConstList options) {
    stf_error err = {0};
    stf_writer *w = VSICalloc(1, sizeof *w);
    if (!w) {
        CPLError(CE_Failure, CPLE_OutOfMemory, "No memory for a dataset");
        return NULL;
    }
    w->target = CPLStrdup(target);
    describe_raster(w, width, height, bands, type);
    if (begin(w, options, &err) && reserve_name(w, &err)) {
        if (CPLTestBool(CPLGetConfigOption("STREAMTIFF_LEASE", "NO")))
            w->lease = stf_lease_begin(w->cap_bytes);
        return w;
    }
    stf_writer_raise(w, &err);
    destroy(w);
    return NULL;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void warn_of_clipped(const stf_writer *w) {
    if (stf_writer_clipped(w) && w->copy.raster.kind == STF_FLOAT)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "%s: One or more pixels beyond the range of %u-bit floats became infinite.", w->target,
                 w->copy.format.sample_bits);
    else if (stf_writer_clipped(w))
        CPLError(CE_Warning, CPLE_AppDefined, "%s: One or more pixels clipped to fit %u bit domain.", w->target,
                 w->copy.format.sample_bits);
}

static bool write_file(stf_writer *w, stf_error *err) {
    stf_copy *c = &w->copy;
    if (w->failed) {
        *err = w->error;
        return false;
    }
    if (w->nodata_changed && !(stf_writer_drain(w, err) && stf_writer_read_nodata(w, err)))
        return false;
    if (!stf_writer_finish_tiles(w, err) || !stf_writer_keep_codec_tags(w, err) || !stf_writer_take_shape(w, err) ||
        !stf_copy_set_structure(c, err) || !stf_writer_finish_mask(w, err))
        return false;
    const stf_image_tags images[] = {{c->options.tiled, &c->georef.tags}, {c->mask.format.tiled, &c->mask.tags}};
    stf_tiff_file *file = c->file;
    c->file = NULL;
    bool done = stf_tiff_file_finish(file, images, err);
    if (done && (!stf_target_is_file(w->target) || stf_georef_write_sidecar(&c->georef, w->target, err)))
        return true;
    if (done)
        VSIUnlink(w->target); /* a raster without what its sidecar tells is half of one */
    if (c->mask.path)
        VSIUnlink(c->mask.path);
    return false;
}

/* Once: afterwards nothing is held but the finished dataset. */
static CPLErr finish(stf_writer *w) {
    stf_error err = {0};
    if (w->done)
        return w->failed ? CE_Failure : CE_None;
    stf_lender_enter(w->lender);
    w->done = true;
    bool done = write_file(w, &err);
    stf_lender_leave(w->lender);
    if (done)
        warn_of_clipped(w);
    stf_writer_figures(w);
    CPLErr result = done ? CE_None : stf_writer_raise(w, &err);
    release(w);
    return result;
}

CPLErr stf_writer_finish(stf_writer *w) {
    const char *const drivers[] = {"GTiff", NULL};
    if (w->finished)
        return CE_None;
    if (w->cog_target) {
        CPLError(CE_Failure, CPLE_NotSupported,
                 "Of a file with LAYOUT=COG overviews are computed when it is closed: the creation options OVERVIEWS, "
                 "OVERVIEW_COUNT and OVERVIEW_RESAMPLING tell which");
        return CE_Failure;
    }
    if (finish(w) != CE_None)
        return CE_Failure;
    w->finished = GDALOpenEx(w->target, GDAL_OF_RASTER | GDAL_OF_UPDATE | GDAL_OF_INTERNAL | GDAL_OF_VERBOSE_ERROR,
                             drivers, NULL, NULL);
    return w->finished ? CE_None : CE_Failure;
}

CPLErr stf_writer_close(stf_writer *w) {
    if (!w)
        return CE_None;
    stf_error err = {0};
    CPLErr result = finish(w);
    if (result == CE_None && w->cog_target && !stf_writer_make_cog(w, &err))
        result = stf_writer_raise(w, &err);
    if (w->finished) {
        CPLErrorReset();
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
        result = GDALClose(w->finished);
#else
        GDALClose(w->finished);
        result = CPLGetLastErrorType() >= CE_Failure ? CE_Failure : CE_None;
#endif
    }
    destroy(w);
    return result;
}

void stf_writer_abandon(stf_writer *w) {
    if (!w)
        return;
    if (w->finished)
        GDALClose(w->finished);
    if (w->finished)
        VSIUnlink(w->target);
    destroy(w);
}

/* --- questions --------------------------------------------------------------------------------- */

GDALDatasetH stf_writer_shape(const stf_writer *w) {
    return w->finished ? w->finished : w->shape;
}

bool stf_writer_is_finished(const stf_writer *w) {
    return w->finished != NULL;
}

void stf_writer_block_size(const stf_writer *w, int *width, int *height) {
    *width = (int)w->copy.format.width_px;
    *height = (int)w->copy.format.height_px;
}

void stf_writer_nodata_changed(stf_writer *w) {
    w->nodata_changed = true;
}

CPLErr stf_writer_flush(stf_writer *w) {
    stf_error err = {0};
    if (w->done)
        return w->failed ? CE_Failure : CE_None;
    stf_lender_enter(w->lender);
    bool done = stf_writer_drain(w, &err) && (!w->mask || stf_writer_drain(w->mask, &err));
    CPLErr result = done ? CE_None : stf_writer_raise(w, &err);
    stf_lender_leave(w->lender);
    return result;
}

CSLConstList stf_writer_figures(stf_writer *w) {
    if (w->done && w->figures)
        return (CSLConstList)w->figures;
    stf_lender_enter(w->lender);
    uint64_t peak = stf_budget_peak_bytes(w->budget);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"CAP_BYTES", w->cap_bytes},       {"REQUESTED_CAP_BYTES", w->copy.options.cap_bytes},
        {"FLOOR_BYTES", w->floor_bytes},   {"PEAK_BYTES", peak > w->peak_before_bytes ? peak : w->peak_before_bytes},
        {"LENT_BYTES", w->lent_bytes},     {"SPILL_BYTES", stf_writer_spilled_bytes(w)},
        {"REENCODED_TILES", w->reencoded}, {"THREADS", w->thread_count ? w->thread_count : 1}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        w->figures =
            CSLSetNameValue(w->figures, figures[i].name, CPLSPrintf(CPL_FRMT_GUIB, (GUIntBig)figures[i].value));
    stf_lender_leave(w->lender);
    return (CSLConstList)w->figures;
}
