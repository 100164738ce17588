#include "create_copy.h"

#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "gdal_adaptor.h"
#include "platform.h"
#include "samples.h"
#include "stats.h"
#include "target.h"
#include "tiff.h"

#define TAG_ROOM_BYTES 65536 /* of tags, beside the tables of tiles */

/* --- copying ----------------------------------------------------------------------------------- */

/* The largest that so many tiles of an image and their tables can be. */
static uint64_t worst_bytes(const stf_demand *demand, uint64_t tiles) {
    return stf_add(stf_add(stf_mul(demand->slot_bytes, tiles), stf_tiff_file_table_bytes(tiles)), TAG_ROOM_BYTES);
}

static bool decide_bigtiff(const stf_copy *c, bool *big, stf_error *err) {
    uint64_t worst = worst_bytes(&c->demand, stf_geometry_tiles(&c->geometry));
    if (c->mask.home == STF_MASK_INSIDE)
        worst = stf_add(worst, worst_bytes(&c->mask.demand, stf_copy_mask_tiles(c)));
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

/* The last hundredth is kept for the directory and the rename: whoever cancels at any figure finds no file. */
#define DONE_BY_PIXELS 0.99

/* A mask counts as one more band, as GTiff has it. */
static bool copy_pixels(stf_copy *c, stf_error *err) {
    double bands = c->raster.bands, step = DONE_BY_PIXELS / (bands + c->mask.bands);
    c->budget = stf_budget_create(c->plan.cap_bytes);
    if (!c->budget)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the account");
    return stf_copy_bands(c, 0, step * bands, err) && stf_copy_mask(c, step * bands, DONE_BY_PIXELS, err);
}

/* --- the directory ----------------------------------------------------------------------------- */

/* The mask's file first: a raster that stands without its mask is half of one. */
static bool finish_mask_beside(stf_copy *c, stf_error *err) {
    const stf_image_tags image = {c->mask.format.tiled, &c->mask.tags};
    stf_tiff_file *file = c->mask.file;
    c->mask.file = NULL;
    return !file || stf_tiff_file_finish(file, &image, err);
}

static bool finish_both(stf_copy *c, stf_error *err) {
    const stf_image_tags images[] = {{c->options.tiled, &c->georef.tags}, {c->mask.format.tiled, &c->mask.tags}};
    stf_tiff_file *file = c->file;
    if (!finish_mask_beside(c, err))
        return false;
    c->file = NULL;
    if (!stf_tiff_file_finish(file, images, err))
        return false;
    if (!stf_target_is_file(c->target) || stf_georef_write_sidecar(&c->georef, c->target, err))
        return true;
    VSIUnlink(c->target); /* a raster without what its sidecar tells is half of one */
    return false;
}

static bool finish_file(stf_copy *c, stf_error *err) {
    bool masked = c->mask.home != STF_MASK_NONE, beside = c->mask.home == STF_MASK_BESIDE;
    if ((!c->directory_first && !stf_copy_set_structure(c, err)) || (masked && !stf_copy_set_mask_structure(c, err)))
        return false;
    if (!c->progress(1.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    if (finish_both(c, err))
        return true;
    if (beside)
        VSIUnlink(c->mask.path);
    return false;
}

static bool create_files(stf_copy *c, bool big, stf_error *err) {
    c->file = stf_tiff_file_create(c->target, big, stf_geometry_tiles(&c->geometry), err);
    if (c->file && c->options.swapped)
        stf_tiff_file_swap(c->file);
    if (!c->file || c->mask.home == STF_MASK_NONE)
        return c->file != NULL;
    uint64_t tiles = stf_copy_mask_tiles(c);
    if (c->mask.home == STF_MASK_INSIDE)
        return stf_tiff_file_add_image(c->file, tiles, err);
    c->mask.file =
        stf_tiff_file_create(c->mask.path, stf_tiff_file_needs_big(worst_bytes(&c->mask.demand, tiles)), tiles, err);
    return c->mask.file != NULL;
}

/* Where GTiff streams: if that was asked for, or the target is a pipe and nothing stands against it. */
static bool is_to_stream(const stf_copy *c) {
    return c->options.streamable || (c->options.codec.compression == COMPRESSION_NONE && !c->options.sparse_ok &&
                                     c->mask.home == STF_MASK_NONE && !stf_target_can_have_sidecar(c->target));
}

static bool put_directory_first(stf_copy *c, stf_error *err) {
    const stf_tile_format *format = &c->format;
    const stf_image_tags image = {c->options.tiled, &c->georef.tags};
    uint64_t row_bytes = stf_samples_row_bytes((uint64_t)format->width_px * format->samples, format->sample_bits);
    stf_tile_sizes sizes = {stf_mul(row_bytes, format->height_px), 0, stf_geometry_tiles_per_plane(&c->geometry)};
    uint32_t last_rows = format->tiled ? 0 : c->raster.height_px % format->height_px;
    sizes.last_bytes = last_rows > 0 ? stf_mul(row_bytes, last_rows) : sizes.bytes;
    c->directory_first = true;
    return stf_copy_set_structure(c, err) && stf_tiff_file_put_directory_first(c->file, &image, &sizes, err);
}

static void warn_of_clipped(const stf_copy *c) {
    if (c->result.clipped && c->format.sample_format == SAMPLEFORMAT_IEEEFP)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "%s: One or more pixels beyond the range of %u-bit floats became infinite.", c->target,
                 c->format.sample_bits);
    else if (c->result.clipped)
        CPLError(CE_Warning, CPLE_AppDefined, "%s: One or more pixels clipped to fit %u bit domain.", c->target,
                 c->format.sample_bits);
}

static bool write_file(stf_copy *c, stf_error *err) {
    bool big;
    if (!c->progress(0.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    return decide_bigtiff(c, &big, err) && create_files(c, big, err) &&
           (!is_to_stream(c) || put_directory_first(c, err)) && copy_pixels(c, err) && finish_file(c, err);
}

/* --- from beginning to end --------------------------------------------------------------------- */

static void release(stf_copy *c) {
    stf_tiff_file_abort(c->file);
    stf_spool_destroy(c->spool);
    stf_source_destroy(c->source);
    stf_passthrough_close(c->passthrough);
    stf_copy_free_mask(c);
    GDALClose(c->masked);
    GDALClose(c->warped);
    VSIFree(c->tiling);
    CPLFree(c->tiling_name);
    stf_derive_destroy(c->derive);
    stf_derive_command_free(&c->derive_command);
    stf_lease_end(c->lease);
    stf_account_end(c->account);
    stf_tag_list_free(&c->result.codec_tags);
    stf_tag_list_free(&c->result.level_codec_tags);
    stf_copy_free_overviews(&c->overviews);
    stf_band_statistics_destroy(c->statistics);
    stf_georef_free(&c->georef);
    stf_options_free(&c->options);
    stf_discard_free(&c->discard);
    stf_budget_destroy(c->budget);
    VSIFree(c->planes);
    stf_platform_trim_heap(); /* what libtiff and GDAL used on our behalf */
}

/* The result as GTiff shows it, with our figures beside it. */
static GDALDatasetH reopen(const stf_copy *c, CSLConstList figures) {
    const char *const drivers[] = {"GTiff", NULL};
    if (!stf_target_is_file(c->target)) {
        GDALDatasetH shape = stf_gdal_unreadable(c->dataset, c->target);
        return shape ? stf_gdal_with_domain(shape, "STREAMING", figures) : NULL;
    }
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH inner = NULL;
    if (!c->options.is_cog) /* a change would break its layout */
        inner = GDALOpenEx(c->target, GDAL_OF_RASTER | GDAL_OF_UPDATE | GDAL_OF_INTERNAL, drivers, NULL, NULL);
    if (!inner)
        inner = GDALOpenEx(c->target, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, drivers, NULL, NULL);
    CPLPopErrorHandler();
    CPLErrorReset();
    if (!inner)
        inner = stf_gdal_unreadable(c->dataset, c->target);
    return inner ? stf_gdal_with_domain(inner, "STREAMING", figures) : NULL;
}

/* Pixels are left out by what other bands are. */
static bool needs_all_bands(GDALDatasetH dataset) {
    int flags = GDALGetRasterCount(dataset) > 1 ? GDALGetMaskFlags(GDALGetRasterBand(dataset, 1)) : GMF_ALL_VALID;
    return (flags & GMF_ALPHA) != 0 || (flags & (GMF_NODATA | GMF_PER_DATASET)) == (GMF_NODATA | GMF_PER_DATASET);
}

/* GDAL adds the source's INTERLEAVE of its own accord, which is of no concern to what is derived from one band of it, nor to a
 * COG whose overviews look at all bands of a pixel. Tiles are those of the tiling scheme, where there is one. */
static char **options_of_result(const stf_copy *c, CSLConstList options) {
    char **list = CSLDuplicate((char **)(uintptr_t)options);
    if (c->tiling && !CSLFetchNameValue(options, "BLOCKSIZE"))
        list = CSLSetNameValue(list, "BLOCKSIZE", CPLSPrintf("%d", c->tiling->levels[0].tile_width_px));
    bool is_cog = EQUAL(CSLFetchNameValueDef(options, "LAYOUT", ""), "COG");
    bool is_added = CSLFetchNameValue(options, "@INTERLEAVE_ADDED_AUTOMATICALLY") != NULL;
    return is_added && (c->derive || (is_cog && needs_all_bands(c->dataset)))
               ? CSLSetNameValue(list, "INTERLEAVE", NULL)
               : list;
}

static bool run(stf_copy *c, CSLConstList options, stf_error *err) {
    if (!stf_copy_derive(c, options, err) || !stf_copy_wrap_source(c, options, err))
        return false;
    stf_copy_describe_raster(c);
    char **list = options_of_result(c, options);
    bool done = stf_options_parse((CSLConstList)list, &c->raster, &c->options, err);
    CSLDestroy(list);
    done = done && stf_copy_make_plan(c, err);
    stf_platform_trim_heap(); /* what GDAL made the template with: zstd of its COG driver alone takes 17 MB */
    done = done && (c->options.is_cog ? stf_copy_write_cog(c, err) : write_file(c, err));
    if (done)
        warn_of_clipped(c);
    return done;
}

/* Planning was before the account, and is over when that begins. */
static uint64_t peak_bytes(const stf_copy *c) {
    uint64_t planning = c->demand.planning_bytes, copying = stf_budget_peak_bytes(c->budget);
    if (planning < c->mask.demand.planning_bytes)
        planning = c->mask.demand.planning_bytes;
    return copying > planning ? copying : planning;
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
                           &c.told,
                           peak_bytes(&c),
                           c.decodes,
                           c.encodes,
                           c.result.spill_bytes + c.mask.spill_bytes + c.spilled_by_levels,
                           c.view_spill_bytes,
                           c.spool_bytes,
                           c.passthrough ? stf_passthrough_count(c.passthrough) : 0,
                           !c.derive                          ? NULL
                           : stf_derive_runs_kernel(c.derive) ? "FAST"
                                                              : "GDAL"};
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
