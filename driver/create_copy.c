#include "create_copy.h"

#include <string.h>

#include "cpl_conv.h"
#include "encoder.h"
#include "gdal_adaptor.h"
#include "georef.h"
#include "lease.h"
#include "options.h"
#include "pipeline.h"
#include "platform.h"
#include "source.h"
#include "stats.h"
#include "tiff.h"
#include "tiff_file.h"

#define STAND_IN_PX 16
#define TAG_ROOM_BYTES 65536 /* of tags, beside the tables of tiles */

/* One copy, with all that it holds. */
typedef struct copy {
    const char *target;
    GDALDatasetH dataset;
    bool strict;
    GDALProgressFunc progress;
    void *progress_data;
    GDALDataType type;
    stf_raster raster;
    stf_options options;
    stf_georef georef;
    stf_source *source;
    stf_plane *planes;
    stf_geometry geometry;
    stf_tile_format format;
    stf_demand demand;
    stf_plan plan;
    stf_budget *budget;
    uint64_t charged_bytes; /* tables and lease, charged here and not by the pipeline */
    stf_lease *lease;
    stf_tiff_file *file;
    stf_pipeline_result result;
} copy;

/* --- the raster to be written ------------------------------------------------------------------ */

static stf_sample_kind kind_of(GDALDataType type) {
    if (GDALDataTypeIsComplex(type))
        return type == GDT_CInt16 || type == GDT_CInt32 ? STF_COMPLEX_INT : STF_COMPLEX_FLOAT;
    if (GDALDataTypeIsFloating(type))
        return STF_FLOAT;
    return GDALDataTypeIsSigned(type) ? STF_INT : STF_UINT;
}

static uint16_t sample_format_of(stf_sample_kind kind) {
    switch (kind) {
    case STF_UINT:
        return SAMPLEFORMAT_UINT;
    case STF_INT:
        return SAMPLEFORMAT_INT;
    case STF_FLOAT:
        return SAMPLEFORMAT_IEEEFP;
    case STF_COMPLEX_INT:
        return SAMPLEFORMAT_COMPLEXINT;
    case STF_COMPLEX_FLOAT:
        break;
    }
    return SAMPLEFORMAT_COMPLEXIEEEFP;
}

/* As GTiff: one type for all bands; where they differ, the first band's, or an error if strict. */
static bool choose_type(copy *c, stf_error *err) {
    int bands = GDALGetRasterCount(c->dataset);
    c->type = bands > 0 ? GDALGetRasterDataType(GDALGetRasterBand(c->dataset, 1)) : GDT_Byte;
    for (int band = 2; band <= bands; band++) {
        GDALDataType other = GDALGetRasterDataType(GDALGetRasterBand(c->dataset, band));
        if (other == c->type)
            continue;
        if (c->strict)
            return stf_fail(err, CPLE_AppDefined,
                            "Unable to export a GeoTIFF file with different data types per different bands. "
                            "All bands should have the same types in TIFF.");
        CPLError(CE_Warning, CPLE_AppDefined,
                 "Unable to export a GeoTIFF file with different data types per different bands. Band %d is converted.",
                 band);
    }
    return true;
}

static void describe_raster(copy *c) {
    const char *interleave = GDALGetMetadataItem(c->dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    c->raster.width_px = (uint32_t)GDALGetRasterXSize(c->dataset);
    c->raster.height_px = (uint32_t)GDALGetRasterYSize(c->dataset);
    c->raster.bands = (uint32_t)GDALGetRasterCount(c->dataset);
    c->raster.sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(c->type);
    c->raster.kind = kind_of(c->type);
    c->raster.source_interleave_band = interleave && EQUAL(interleave, "BAND");
}

/* --- planning ---------------------------------------------------------------------------------- */

static bool harvest(copy *c, stf_error *err) {
    GDALDatasetH stand_in = stf_gdal_stand_in(c->dataset, STAND_IN_PX, STAND_IN_PX);
    if (!stand_in)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the template of the output");
    bool done = stf_georef_harvest(stand_in, c->strict, (CSLConstList)c->options.gtiff_options, &c->georef, err);
    GDALClose(stand_in);
    return done;
}

static uint16_t harvested_short(const copy *c, uint16_t tag, uint16_t otherwise) {
    const stf_tag *found = stf_tag_list_find(&c->georef.tags, tag);
    return found && found->type == TIFF_SHORT && found->count >= 1 ? *(const uint16_t *)found->values : otherwise;
}

static void describe_tiles(copy *c) {
    stf_tile_format *format = &c->format;
    bool together = c->options.pixel_interleave;
    format->codec = c->options.codec;
    format->tiled = c->options.tiled;
    format->width_px = c->options.block_width_px;
    format->height_px = c->options.block_height_px;
    format->samples = (uint16_t)(together ? c->raster.bands : 1);
    format->sample_bits = (uint16_t)(8 * c->raster.sample_bytes);
    format->sample_format = sample_format_of(c->raster.kind);
    format->photometric = harvested_short(c, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    const stf_tag *extra = stf_tag_list_find(&c->georef.tags, TIFFTAG_EXTRASAMPLES);
    if (together && extra && extra->type == TIFF_SHORT) {
        format->extra_samples = (uint16_t)extra->count;
        for (uint64_t i = 0; i < extra->count && i < 8; i++)
            format->extra_sample_types[i] = ((const uint16_t *)extra->values)[i];
    } else if (!together) {
        format->photometric = PHOTOMETRIC_MINISBLACK; /* a plane of its own is encoded as a grey image */
    }
}

static bool describe_planes(copy *c, stf_error *err) {
    uint32_t planes = c->options.pixel_interleave ? 1 : c->raster.bands;
    uint32_t each = c->options.pixel_interleave ? c->raster.bands : 1;
    c->planes = VSICalloc(planes, sizeof *c->planes);
    if (!c->planes)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of %u planes", planes);
    for (uint32_t i = 0; i < planes; i++) {
        c->planes[i].first_band = i * each;
        c->planes[i].bands = each;
    }
    c->geometry.width_px = c->raster.width_px;
    c->geometry.height_px = c->raster.height_px;
    c->geometry.sample_bytes = c->raster.sample_bytes;
    c->geometry.groups = c->source->info.groups;
    c->geometry.group_count = c->source->info.group_count;
    c->geometry.planes = c->planes;
    c->geometry.plane_count = planes;
    c->geometry.tile_x = stf_axis_make(c->raster.width_px, 0, c->options.block_width_px);
    c->geometry.tile_y = stf_axis_make(c->raster.height_px, 0, c->options.block_height_px);
    return true;
}

static bool describe_demand(copy *c, stf_error *err) {
    const stf_source_info *info = &c->source->info;
    stf_demand *demand = &c->demand;
    uint64_t tiles = stf_geometry_tiles(&c->geometry);
    demand->geometry = &c->geometry;
    demand->cap_bytes = c->options.cap_bytes;
    demand->threads = c->options.threads;
    demand->parallel_read = info->parallel_read;
    demand->unit_bytes = info->unit_bytes;
    demand->reader_bytes = info->reader_bytes;
    demand->reader_lease_bytes = info->reader_lease_bytes;
    demand->slot_bytes = stf_encoder_bound_bytes(&c->format);
    demand->encoder_bytes = stf_encoder_cost_bytes(&c->format);
    demand->table_bytes = stf_add(stf_add(stf_tiff_file_table_bytes(tiles), stf_assembly_cost_bytes(&c->geometry)),
                                  stf_spill_cost_bytes(tiles));
    demand->lease_bytes = info->lease_bytes;
    demand->lease_column_bytes = info->lease_column_bytes;
    demand->lease_extra_columns = info->lease_extra_columns;
    demand->min_stripe_columns = info->min_stripe_columns;
    demand->source_blocks = info->source_blocks;
    demand->seam_decodes = info->seam_decodes;
    if (demand->slot_bytes == 0 || demand->slot_bytes > INT64_MAX || demand->unit_bytes > INT64_MAX)
        return stf_fail(err, CPLE_NotSupported,
                        "A block of %u x %u pixels of %u bands is too large: lower BLOCKXSIZE or BLOCKYSIZE",
                        c->format.width_px, c->format.height_px, c->raster.bands);
    return true;
}

/* What would lower a floor, whichever part of it is the largest. */
static const char *floor_advice(const copy *c) {
    uint64_t tile = stf_add(c->demand.slot_bytes, c->demand.encoder_bytes);
    uint64_t source = stf_add(stf_add(c->demand.unit_bytes, c->demand.reader_bytes), c->plan.lease_bytes);
    if (source >= tile)
        return "the source's blocks are what takes it";
    if (c->options.pixel_interleave && c->raster.bands > 4)
        return "INTERLEAVE=BAND would lower it";
    if (c->options.codec.compression == COMPRESSION_ZSTD && c->demand.encoder_bytes > 5 * c->demand.slot_bytes)
        return "a lower ZSTD_LEVEL would lower it";
    return c->options.tiled ? "a smaller BLOCKXSIZE and BLOCKYSIZE would lower it"
                            : "TILED=YES or a smaller BLOCKYSIZE would lower it";
}

static bool agree_on_cap(const copy *c, stf_error *err) {
    const stf_plan *plan = &c->plan;
    if (plan->requested_cap_bytes >= plan->floor_bytes || (!c->options.cap_named && !c->options.cap_strict))
        return true;
    double asked = (double)plan->requested_cap_bytes / 1048576.0, needed = (double)plan->floor_bytes / 1048576.0;
    if (c->options.cap_strict)
        return stf_fail(err, CPLE_AppDefined,
                        "MEMORY_CAP is " CPL_FRMT_GUIB " bytes (%.1f MB), but this copy needs " CPL_FRMT_GUIB
                        " bytes (%.1f MB): raise MEMORY_CAP; %s",
                        (GUIntBig)plan->requested_cap_bytes, asked, (GUIntBig)plan->floor_bytes, needed,
                        floor_advice(c));
    CPLError(CE_Warning, CPLE_AppDefined,
             "MEMORY_CAP is raised from " CPL_FRMT_GUIB " bytes (%.1f MB) to " CPL_FRMT_GUIB
             " bytes (%.1f MB), the least that copies without decoding over and over; %s. MEMORY_CAP_STRICT=YES would "
             "fail instead",
             (GUIntBig)plan->requested_cap_bytes, asked, (GUIntBig)plan->floor_bytes, needed, floor_advice(c));
    return true;
}

static bool make_plan(copy *c, stf_error *err) {
    /* What describing the source leaves in GDAL's cache belongs to the copy: the lease begins before. */
    c->lease = stf_lease_begin(STF_PLANNING_LEASE_BYTES);
    stf_source_request request = {c->type, c->options.block_height_px, c->lease};
    c->source = stf_source_create(c->dataset, &request, err);
    if (!c->source || !describe_planes(c, err) || !harvest(c, err))
        return false;
    describe_tiles(c);
    stf_encoder *trial =
        stf_encoder_create(&c->format, err); /* a format the codec refuses fails before the first byte */
    if (!trial)
        return false;
    stf_encoder_destroy(trial);
    if (!describe_demand(c, err) || !stf_plan_make(&c->demand, &c->plan, err))
        return false;
    stf_stats_debug_plan(&c->plan, &c->source->info);
    return agree_on_cap(c, err);
}

/* --- copying ----------------------------------------------------------------------------------- */

static bool decide_bigtiff(const copy *c, bool *big, stf_error *err) {
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
    return stf_tiff_file_append(context, tile, data, bytes, err);
}

/* The last hundredth is kept for the directory and the rename: whoever cancels at any figure finds no file. */
static int CPL_STDCALL tell_most(double done, const char *message, void *data) {
    copy *c = data;
    return c->progress(0.99 * done, message, c->progress_data);
}

static bool charge(copy *c, uint64_t bytes, const char *what, stf_error *err) {
    if (!stf_budget_charge(c->budget, bytes, what, err))
        return false;
    c->charged_bytes += bytes;
    return true;
}

static bool copy_pixels(copy *c, stf_error *err) {
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

static bool set_shorts(stf_tag_list *tags, uint16_t tag, uint16_t value, uint32_t count, stf_error *err) {
    uint16_t *values = VSIMalloc2(count, sizeof *values);
    if (!values)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for a tag of %u values", count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = value;
    bool done = stf_tag_list_set(tags, tag, TIFF_SHORT, count, values, err);
    VSIFree(values);
    return done;
}

static bool set_structure(copy *c, stf_error *err) {
    stf_tag_list *tags = &c->georef.tags;
    const stf_options *options = &c->options;
    bool done = stf_tag_list_set_long(tags, TIFFTAG_IMAGEWIDTH, c->raster.width_px, err) &&
                stf_tag_list_set_long(tags, TIFFTAG_IMAGELENGTH, c->raster.height_px, err) &&
                set_shorts(tags, TIFFTAG_BITSPERSAMPLE, c->format.sample_bits, c->raster.bands, err) &&
                set_shorts(tags, TIFFTAG_SAMPLEFORMAT, c->format.sample_format, c->raster.bands, err) &&
                stf_tag_list_set_short(tags, TIFFTAG_COMPRESSION, options->codec.compression, err) &&
                stf_tag_list_set_short(tags, TIFFTAG_SAMPLESPERPIXEL, (uint16_t)c->raster.bands, err) &&
                stf_tag_list_set_short(tags, TIFFTAG_PLANARCONFIG,
                                       options->pixel_interleave ? PLANARCONFIG_CONTIG : PLANARCONFIG_SEPARATE, err);
    if (options->codec.predictor > 1)
        done = done && stf_tag_list_set_short(tags, TIFFTAG_PREDICTOR, options->codec.predictor, err);
    if (options->tiled)
        done = done && stf_tag_list_set_long(tags, TIFFTAG_TILEWIDTH, options->block_width_px, err) &&
               stf_tag_list_set_long(tags, TIFFTAG_TILELENGTH, options->block_height_px, err);
    else
        done = done && stf_tag_list_set_long(tags, TIFFTAG_ROWSPERSTRIP, options->block_height_px, err);
    for (size_t i = 0; done && i < c->result.codec_tags.count; i++) {
        const stf_tag *tag = &c->result.codec_tags.items[i];
        done = stf_tag_list_set(tags, tag->tag, tag->type, tag->count, tag->values, err);
    }
    return done;
}

static bool finish_file(copy *c, stf_error *err) {
    if (!set_structure(c, err))
        return false;
    if (!c->progress(1.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    stf_tiff_file *file = c->file;
    c->file = NULL;
    if (!stf_tiff_file_finish(file, c->options.tiled, &c->georef.tags, err))
        return false;
    if (!stf_tiff_file_is_file(c->target) || stf_georef_write_sidecar(&c->georef, c->target, err))
        return true;
    VSIUnlink(c->target); /* a raster without what its sidecar tells is half of one */
    return false;
}

static bool write_file(copy *c, stf_error *err) {
    bool big;
    if (!c->progress(0.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    if (!decide_bigtiff(c, &big, err))
        return false;
    c->file = stf_tiff_file_create(c->target, big, stf_geometry_tiles(&c->geometry), err);
    return c->file && copy_pixels(c, err) && finish_file(c, err);
}

/* --- from beginning to end --------------------------------------------------------------------- */

static void release(copy *c) {
    stf_tiff_file_abort(c->file);
    stf_source_destroy(c->source);
    stf_lease_end(c->lease);
    stf_tag_list_free(&c->result.codec_tags);
    stf_georef_free(&c->georef);
    stf_options_free(&c->options);
    stf_budget_destroy(c->budget);
    VSIFree(c->planes);
    stf_platform_trim_heap(); /* what libtiff and GDAL used on our behalf */
}

/* The result as GTiff shows it, with our figures beside it. */
static GDALDatasetH reopen(const copy *c, CSLConstList figures) {
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

static bool run(copy *c, CSLConstList options, stf_error *err) {
    if (!choose_type(c, err))
        return false;
    describe_raster(c);
    return stf_options_parse(options, &c->raster, &c->options, err) && make_plan(c, err) && write_file(c, err);
}

GDALDatasetH stf_create_copy(const char *target, GDALDatasetH source, int strict, CSLConstList options,
                             GDALProgressFunc progress, void *progress_data) {
    stf_error err = {0};
    copy c = {0};
    GDALDatasetH result = NULL;
    c.target = target;
    c.dataset = source;
    c.strict = strict != 0;
    c.progress = progress ? progress : GDALDummyProgress;
    c.progress_data = progress_data;
    bool done = run(&c, options, &err);
    if (done) {
        stf_stats stats = {&c.plan,
                           &c.source->info,
                           stf_budget_peak_bytes(c.budget),
                           c.source->info.decodes_are_counted ? stf_source_blocks_decoded(c.source) : c.plan.decodes,
                           c.result.spill_bytes,
                           0};
        char **figures = stf_stats_metadata(&stats);
        stf_lease_end(c.lease); /* before the result is opened: its reads are the caller's */
        c.lease = NULL;
        result = reopen(&c, figures);
        CSLDestroy(figures);
    }
    release(&c);
    if (!done)
        CPLError(CE_Failure, err.number ? err.number : CPLE_AppDefined, "%s", err.text);
    return result;
}
