#include "copy.h"

#include <string.h>

#include "cpl_conv.h"
#include "gdal_adaptor.h"
#include "stats.h"
#include "tiff.h"

#define STAND_IN_PX 16
#define TIFFTAG_GDAL_NODATA 42113

stf_sample_kind stf_copy_kind_of(GDALDataType type) {
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

bool stf_copy_derive(stf_copy *c, CSLConstList options, stf_error *err) {
    const char *command = CSLFetchNameValue(options, "DERIVE");
    const char *kernel = CSLFetchNameValueDef(options, "DERIVE_KERNEL", "");
    if (!command)
        return true;
    if (!stf_derive_command_parse(command, &c->derive_command, err))
        return false;
    c->lease = stf_lease_begin(STF_PLANNING_LEASE_BYTES);
    c->derive = stf_derive_create(&c->derive_command, !EQUAL(kernel, "GDAL"), c->dataset, err);
    if (!c->derive)
        return false;
    if (EQUAL(kernel, "FAST") && !stf_derive_runs_kernel(c->derive))
        CPLError(CE_Warning, CPLE_AppDefined,
                 "DERIVE_KERNEL=FAST: there is no kernel but GDAL's for %s with GDAL %s; that is used",
                 c->derive_command.mode_name, GDALVersionInfo("RELEASE_NAME"));
    c->dataset = stf_derive_shape(c->derive);
    return true;
}

static uint32_t source_bits(GDALRasterBandH band) {
    const char *text = GDALGetMetadataItem(band, "NBITS", "IMAGE_STRUCTURE");
    int bits = text ? atoi(text) : 0;
    return bits > 0 ? (uint32_t)bits : 0;
}

/* As GTiff: one type for all bands, the first one's; where they differ, GTiff itself warns or refuses (the template). */
void stf_copy_describe_raster(stf_copy *c) {
    const char *interleave = GDALGetMetadataItem(c->dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    c->type = GDALGetRasterCount(c->dataset) > 0 ? GDALGetRasterDataType(GDALGetRasterBand(c->dataset, 1)) : GDT_Byte;
    c->raster.width_px = (uint32_t)GDALGetRasterXSize(c->dataset);
    c->raster.height_px = (uint32_t)GDALGetRasterYSize(c->dataset);
    c->raster.bands = (uint32_t)GDALGetRasterCount(c->dataset);
    c->raster.sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(c->type);
    c->raster.kind = stf_copy_kind_of(c->type);
    if (c->raster.bands > 0)
        c->raster.source_bits = source_bits(GDALGetRasterBand(c->dataset, 1));
    c->raster.source_interleave_band = interleave && EQUAL(interleave, "BAND");
}

/* --- planning ---------------------------------------------------------------------------------- */

static int stand_in_flags(const stf_copy *c) {
    int flags = c->options.is_cog && !c->options.copies_overviews ? STF_STAND_IN_TOGETHER : 0;
    if (c->options.is_cog && stf_copy_has_mask(c))
        flags |= STF_STAND_IN_MASKED;
    if (c->levels_exist && c->level_count > 0)
        flags |= STF_STAND_IN_OVERVIEW | (c->levels_masked ? STF_STAND_IN_OVERVIEW_MASKED : 0);
    return flags;
}

bool stf_copy_harvest(stf_copy *c, stf_error *err) {
    CSLConstList options = (CSLConstList)c->options.gtiff_options;
    GDALDatasetH stand_in = stf_gdal_stand_in(c->dataset, STAND_IN_PX, STAND_IN_PX, stand_in_flags(c));
    if (!stand_in)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the template of the output");
    stf_copy_show_statistics(c, stand_in);
    stf_template_overview overview = c->level_count == 0 ? STF_TEMPLATE_OVERVIEW_NONE
                                     : c->levels_exist   ? STF_TEMPLATE_OVERVIEW_COPIED
                                                         : STF_TEMPLATE_OVERVIEW_COMPUTED;
    bool done;
    if (c->options.copies_overviews)
        done = stf_georef_harvest_with_overviews(stand_in, c->target, c->strict, options, &c->georef, err);
    else if (c->options.is_cog)
        done = stf_georef_harvest_cog(stand_in, c->target, options, overview, &c->georef, err);
    else
        done = stf_georef_harvest(stand_in, c->target, c->strict, options, &c->georef, err);
    GDALClose(stand_in);
    return done;
}

static uint16_t harvested_short(const stf_copy *c, uint16_t tag, uint16_t otherwise) {
    const stf_tag *found = stf_tag_list_find(&c->georef.tags, tag);
    return found && found->type == TIFF_SHORT && found->count >= 1 ? *(const uint16_t *)found->values : otherwise;
}

void stf_copy_describe_tiles(stf_copy *c) {
    stf_tile_format *format = &c->format;
    bool together = c->options.pixel_interleave;
    format->codec = c->options.codec;
    format->tiled = c->options.tiled;
    format->width_px = c->options.block_width_px;
    format->height_px = c->options.block_height_px;
    format->samples = (uint16_t)(together ? c->raster.bands : 1);
    format->swapped = c->options.swapped;
    format->memory_bits = (uint16_t)(8 * c->raster.sample_bytes);
    format->sample_bits = (uint16_t)c->options.sample_bits;
    format->sample_format = harvested_short(c, TIFFTAG_SAMPLEFORMAT, sample_format_of(c->raster.kind));
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

/* The harvested tags are those of the file: what a reader takes for a missing tile. */
static bool describe_what_is_left_out(stf_copy *c, stf_error *err) {
    const stf_tag *nodata = stf_tag_list_find(&c->georef.tags, TIFFTAG_GDAL_NODATA);
    bool known = nodata && nodata->type == TIFF_ASCII && ((const char *)nodata->values)[nodata->count - 1] == 0;
    bool wide_integer = c->raster.sample_bytes == 8 && c->raster.kind != STF_FLOAT; /* GTiff forgets its nodata here */
    stf_sparse_init(&c->sparse, c->options.sparse_ok, c->type, known ? nodata->values : NULL, c->format.sample_bits,
                    c->format.sample_format);
    return stf_discard_init(&c->discard, c->options.discard_lsb, &c->format, c->raster.bands,
                            known && !wide_integer ? &c->sparse.nodata : NULL, err);
}

bool stf_copy_describe_planes(stf_copy *c, stf_error *err) {
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
    c->geometry.planes = c->planes;
    c->geometry.plane_count = planes;
    c->geometry.tile_x = stf_axis_make(c->raster.width_px, 0, c->options.block_width_px);
    c->geometry.tile_y = stf_axis_make(c->raster.height_px, 0, c->options.block_height_px);
    return true;
}

static void describe_groups(stf_copy *c) {
    c->geometry.groups = c->source->info.groups;
    c->geometry.group_count = c->source->info.group_count;
}

bool stf_copy_fill_demand(const stf_copy *c, const stf_source_info *info, const stf_tile_format *format,
                          const stf_geometry *geometry, stf_demand *demand, stf_error *err) {
    memset(demand, 0, sizeof *demand);
    demand->geometry = geometry;
    demand->threads = c->options.threads;
    demand->parallel_read = info->parallel_read;
    demand->readers_roam = info->readers_roam;
    demand->may_be_constant = info->may_be_constant || info->constants.of_unit != NULL;
    demand->constants = info->constants;
    demand->unit_bytes = info->unit_bytes;
    demand->reader_bytes = info->reader_bytes;
    demand->reader_lease_bytes = info->reader_lease_bytes;
    demand->slot_bytes = stf_encoder_bound_bytes(format);
    demand->encoder_bytes = stf_encoder_cost_bytes(format);
    demand->table_bytes = stf_add(stf_pipeline_table_bytes(geometry), info->kept_bytes);
    demand->lease_bytes = info->lease_bytes;
    demand->source_blocks = info->source_blocks;
    demand->shared = info->shared;
    demand->decodes_before = info->decodes_before;
    demand->planning_bytes = info->planning_bytes;
    if (demand->slot_bytes == 0 || demand->slot_bytes > INT64_MAX || demand->unit_bytes > INT64_MAX)
        return stf_fail(err, CPLE_NotSupported,
                        "A block of %u x %u pixels of %u bands is too large: lower BLOCKXSIZE or BLOCKYSIZE",
                        format->width_px, format->height_px, format->samples);
    return true;
}

static bool describe_demand(stf_copy *c, stf_error *err) {
    if (!stf_copy_fill_demand(c, &c->source->info, &c->format, &c->geometry, &c->demand, err))
        return false;
    c->demand.cap_bytes = c->options.cap_bytes;
    c->demand.table_bytes = stf_add(c->demand.table_bytes, stf_copy_places_bytes(c));
    c->demand.table_bytes = stf_add(c->demand.table_bytes, stf_copy_statistics_bytes(c));
    if (c->passthrough) {
        uint64_t largest = stf_passthrough_largest_bytes(c->passthrough);
        c->demand.table_bytes = stf_add(c->demand.table_bytes, stf_passthrough_kept_bytes(c->passthrough));
        c->demand.slot_bytes = c->demand.slot_bytes > largest ? c->demand.slot_bytes : largest;
    }
    stf_copy_add_overviews(c, &c->overviews, &c->demand);
    return true;
}

/* What would lower a floor, whichever part of it is the largest. */
static const char *floor_advice(const stf_copy *c) {
    if (!c->source)
        return "the tables of its tiles are what takes it, or the largest of them";
    uint64_t tile = stf_add(c->demand.slot_bytes, c->demand.encoder_bytes);
    uint64_t source = stf_add(stf_add(c->demand.unit_bytes, c->demand.reader_bytes), c->plan.lease_bytes);
    if (c->source->info.kind == STF_SOURCE_ROWS)
        return "its source can only be read row by row, over the whole width. The DEM of gdaldem by the name "
               "STREAMTIFF:NAME, or gdal_translate of the DEM with the creation option DERIVE, takes less";
    if (source >= tile)
        return "the source's blocks are what takes it";
    if (c->options.pixel_interleave && c->raster.bands > 4)
        return "INTERLEAVE=BAND would lower it";
    if (c->options.codec.compression == COMPRESSION_ZSTD && c->demand.encoder_bytes > 5 * c->demand.slot_bytes)
        return "a lower ZSTD_LEVEL would lower it";
    if (c->options.is_cog)
        return "a smaller BLOCKSIZE would lower it";
    return c->options.tiled ? "a smaller BLOCKXSIZE and BLOCKYSIZE would lower it"
                            : "TILED=YES or a smaller BLOCKYSIZE would lower it";
}

static bool agree_on_cap(const stf_copy *c, stf_error *err) {
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

static stf_source *create_source(stf_copy *c, stf_error *err) {
    stf_source_request request = {0};
    request.type = c->type;
    request.tile_height_px = c->options.block_height_px;
    request.lease = c->lease;
    request.cap_bytes = c->options.cap_bytes;
    request.decode_by_gdal = c->options.decode_by_gdal;
    if (!c->derive)
        return stf_source_create(c->dataset, &request, err);
    GDALDatasetH dataset = stf_derive_source(c->derive);
    int band = c->derive_command.band;
    request.type = GDALGetRasterDataType(GDALGetRasterBand(dataset, band));
    request.only_band = (uint32_t)band;
    stf_source *inner = stf_source_create(dataset, &request, err);
    if (inner && stf_derive_look_at_rows(c->derive, inner, err))
        return stf_source_derive(inner, (uint32_t)band - 1, stf_derive_operator(c->derive),
                                 stf_derive_passes(c->derive), err);
    stf_source_destroy(inner);
    return NULL;
}

static bool open_source(stf_copy *c, stf_error *err) {
    c->source = create_source(c, err);
    if (c->source)
        describe_groups(c);
    return c->source != NULL;
}

bool stf_copy_describe_pass(stf_copy *c, stf_error *err) {
    if (!open_source(c, err))
        return false;
    return stf_copy_describe_planes(c, err) && describe_demand(c, err);
}

/* GTiff's own refusals come first; a format that the codec refuses fails before the first byte, too. */
static bool describe_output(stf_copy *c, stf_error *err) {
    if ((c->options.is_cog && !stf_copy_find_levels(c, err)) || !stf_copy_harvest(c, err))
        return false;
    stf_copy_describe_tiles(c);
    if (!stf_copy_describe_planes(c, err) || !stf_copy_choose_passthrough(c, err) ||
        (!stf_copy_only_passes(c) && !open_source(c, err)) || !describe_what_is_left_out(c, err))
        return false;
    stf_encoder *trial = stf_encoder_create(&c->format, err);
    if (!trial)
        return false;
    stf_encoder_destroy(trial);
    stf_georef_raise_messages(&c->georef);
    if (!stf_copy_choose_mask(c, err))
        return false;
    if (!c->options.is_cog)
        return true;
    if (c->mask.home == STF_MASK_BESIDE)
        return stf_fail(err, CPLE_NotSupported,
                        "COPY_SRC_OVERVIEWS=YES is not supported with a mask beside the file: set "
                        "GDAL_TIFF_INTERNAL_MASK=YES");
    stf_copy_describe_levels(c);
    return stf_copy_check_statistics(c, err) && stf_copy_describe_overviews(c, err);
}

/* All are copied under the cap that the most demanding of them raises it to, and so they are planned under it. */
static bool plan_mask_and_levels(stf_copy *c, stf_error *err) {
    const stf_plan of_raster = c->plan;
    uint64_t blocks = c->told.source_blocks, repeated = c->told.repeated_blocks, cap_bytes = of_raster.cap_bytes;
    while (stf_copy_plan_mask(c, err) && stf_copy_plan_levels(c, err)) {
        if (c->plan.cap_bytes == cap_bytes)
            return true;
        uint64_t floor_bytes = c->plan.floor_bytes;
        cap_bytes = c->plan.cap_bytes;
        c->plan = of_raster;
        c->plan.floor_bytes = floor_bytes;
        c->plan.cap_bytes = cap_bytes;
        c->told.source_blocks = blocks;
        c->told.repeated_blocks = repeated;
        c->decodes_of_levels = 0;
    }
    return false;
}

bool stf_copy_make_plan(stf_copy *c, stf_error *err) {
    /* What describing the source leaves in GDAL's cache belongs to the copy: the lease begins before. */
    if (!c->lease)
        c->lease = stf_lease_begin(STF_PLANNING_LEASE_BYTES);
    if (!describe_output(c, err))
        return false;
    if (stf_copy_only_passes(c))
        return stf_copy_plan_passthrough(c, err) && stf_copy_plan_mask(c, err) && agree_on_cap(c, err);
    if (!describe_demand(c, err))
        return false;
    uint64_t own_bytes = c->demand.table_bytes;
    if (!stf_copy_plan_with_views(c, err))
        return false;
    stf_stats_debug_plan(&c->plan, &c->source->info);
    c->told = c->source->info;
    if (c->passthrough) {
        CPLDebug("StreamTIFF", "passthrough: tiles are copied as they are, and decoded for their overviews");
        c->told.kept_bytes = stf_add(c->told.kept_bytes, stf_passthrough_kept_bytes(c->passthrough));
    }
    c->mask.beside_bytes = c->demand.table_bytes - own_bytes;
    return plan_mask_and_levels(c, err) && agree_on_cap(c, err);
}
