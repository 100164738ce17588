/* The dataset's mask, in a pass of its own behind that of the bands: as one more image of the file, or as a file beside it.
 * Masks of single bands lie in a file beside that has a band for each of the raster's, one pass for each: those of
 * bands without a mask are 0.
 *
 * The mask has a block grid of its own in the source, and a tile grid of its own in the output, so it has a demand and a
 * plan of its own, too. Only one of the passes runs at a time: the greatest of their peaks is the copy's. What one pass
 * holds while the others run (tables of places) is in the demand of all. */
#include <stdio.h>
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "stats.h"
#include "target.h"
#include "tiff.h"

#define TIFFTAG_GDAL_METADATA 42112
#define DEFAULT_STRIP_BYTES 8192

/* --- where it goes, and its tiles -------------------------------------------------------------- */

/* As GTiff: masks made of nodata or alpha are told by these already. */
bool stf_copy_has_mask(const stf_copy *c) {
    if (c->derive || GDALGetRasterCount(c->dataset) == 0)
        return false;
    int flags = GDALGetMaskFlags(GDALGetRasterBand(c->dataset, 1));
    return (flags & GMF_PER_DATASET) != 0 && (flags & (GMF_ALL_VALID | GMF_ALPHA | GMF_NODATA)) == 0;
}

static uint32_t count_masks_of_bands(const stf_copy *c) {
    uint32_t found = 0;
    for (uint32_t band = 1; !c->derive && band <= c->raster.bands; band++)
        found += stf_source_has_mask_of_band(c->dataset, band) ? 1 : 0;
    return found;
}

/* GTiff and COG raise a failure for each, and write none; of a strict copy GTiff leaves no file then. */
static bool tell_of_masks_left_out(const stf_copy *c, uint32_t found, stf_error *err) {
    const char *text =
        stf_copy_has_mask(c)
            ? "the file beside has room for that of the dataset alone"
            : "they can only lie beside the file, and masks are to lie in it (GDAL_TIFF_INTERNAL_MASK, LAYOUT=COG)";
    if (c->strict && !c->options.is_cog && !(stf_copy_has_mask(c) && c->options.internal_mask))
        return stf_fail(err, CPLE_NotSupported, "%u band(s) have a mask of their own, which cannot be written: %s",
                        found, text);
    CPLError(CE_Warning, CPLE_NotSupported, "%u band(s) have a mask of their own, which is not written: %s", found,
             text);
    return true;
}

static void describe_grid(stf_copy *c) {
    stf_mask *mask = &c->mask;
    bool inside = mask->home == STF_MASK_INSIDE;
    stf_tile_format *format = &mask->format;
    format->tiled = c->options.tiled;
    format->width_px = c->options.block_width_px;
    format->height_px = c->options.block_height_px;
    /* Beside the file: blocks of the raster where they can be tiles, whatever they are there; else strips of 8 KB. */
    if (!inside && (format->width_px % 16 != 0 || format->height_px % 16 != 0)) {
        uint32_t rows = c->raster.width_px < DEFAULT_STRIP_BYTES ? DEFAULT_STRIP_BYTES / c->raster.width_px : 1;
        format->tiled = false;
        format->width_px = c->raster.width_px;
        format->height_px = rows < c->raster.height_px ? rows : c->raster.height_px;
    } else if (!inside)
        format->tiled = true;
    format->samples = 1;
    format->sample_bits = inside ? 1 : 8;
    format->memory_bits = 8;
    format->sample_format = SAMPLEFORMAT_UINT;
    format->photometric = inside ? PHOTOMETRIC_MASK : PHOTOMETRIC_MINISBLACK;
    format->codec.compression = COMPRESSION_ADOBE_DEFLATE;
    format->codec.predictor = PREDICTOR_NONE;
    format->codec.deflate_level = -1;
    mask->plane.bands = 1;
    mask->geometry.width_px = c->raster.width_px;
    mask->geometry.height_px = c->raster.height_px;
    mask->geometry.sample_bytes = 1;
    mask->geometry.planes = &mask->plane;
    mask->geometry.plane_count = 1;
    mask->geometry.tile_x = stf_axis_make(c->raster.width_px, 0, format->width_px);
    mask->geometry.tile_y = stf_axis_make(c->raster.height_px, 0, format->height_px);
}

bool stf_copy_choose_mask(stf_copy *c, stf_error *err) {
    stf_mask *mask = &c->mask;
    bool of_dataset = stf_copy_has_mask(c);
    uint32_t of_bands = count_masks_of_bands(c);
    if (of_bands > 0 && (of_dataset || c->options.internal_only) && !tell_of_masks_left_out(c, of_bands, err))
        return false;
    if (!of_dataset && (of_bands == 0 || c->options.internal_only))
        return true;
    mask->home = of_dataset && c->options.internal_mask && !c->options.streamable ? STF_MASK_INSIDE : STF_MASK_BESIDE;
    if (mask->home == STF_MASK_BESIDE && !stf_target_can_have_sidecar(c->target)) {
        mask->home = STF_MASK_NONE;
        CPLError(CE_Warning, CPLE_AppDefined, "The mask is not written: there is no file that it could lie beside%s",
                 of_dataset && !c->options.streamable ? ". Set GDAL_TIFF_INTERNAL_MASK=YES" : "");
        return true;
    }
    mask->of_dataset = of_dataset;
    mask->bands = of_dataset ? 1 : c->raster.bands;
    if (mask->home == STF_MASK_BESIDE)
        mask->path = CPLStrdup(CPLSPrintf("%s.msk", c->target));
    stf_copy_describe_mask(c, mask->home);
    return true;
}

void stf_copy_describe_mask(stf_copy *c, stf_mask_home home) {
    stf_mask *mask = &c->mask;
    mask->home = home;
    mask->image = home == STF_MASK_INSIDE ? 1 : 0;
    describe_grid(c);
    /* The file beside is an ordinary one, and has all its tiles. */
    stf_sparse_init(&mask->sparse, c->options.sparse_ok && mask->home == STF_MASK_INSIDE, GDT_Byte, NULL,
                    mask->format.sample_bits, SAMPLEFORMAT_UINT);
}

uint64_t stf_copy_mask_tiles(const stf_copy *c) {
    return c->mask.home == STF_MASK_NONE ? 0 : stf_mul(stf_geometry_tiles(&c->mask.geometry), c->mask.bands);
}

uint64_t stf_copy_places_bytes(const stf_copy *c) {
    if (c->options.is_cog)
        return c->places_bytes;
    return stf_add(stf_tiff_file_table_bytes(stf_geometry_tiles(&c->geometry)),
                   stf_tiff_file_table_bytes(stf_copy_mask_tiles(c)));
}

/* --- planning ---------------------------------------------------------------------------------- */

static bool describe_demand(stf_copy *c, stf_error *err) {
    stf_mask *mask = &c->mask;
    const stf_source_info *info = &mask->source->info;
    /* The mask of a COG is copied first, beside what the source of the bands keeps; tables of tiles that are copied as they are stay. */
    bool beside = c->options.is_cog || c->passthrough;
    uint64_t places = stf_add(stf_copy_places_bytes(c), beside ? c->told.kept_bytes : 0);
    mask->geometry.groups = info->groups;
    mask->geometry.group_count = info->group_count;
    if (!stf_copy_fill_demand(c, info, &mask->format, &mask->geometry, &mask->demand, err))
        return false;
    places = stf_add(places, mask->beside_bytes);
    /* A thread's heap keeps what it took: no more threads than will take it up again. */
    if (c->options.is_cog && c->plan.encoders > 0 && c->plan.encoders < mask->demand.threads)
        mask->demand.threads = c->plan.encoders;
    mask->demand.cap_bytes = c->plan.cap_bytes;
    mask->demand.planning_bytes = stf_add(mask->demand.planning_bytes, c->demand.planning_bytes); /* beside it */
    mask->demand.table_bytes = stf_add(mask->demand.table_bytes, places);
    stf_copy_add_overviews(c, &mask->overviews, &mask->demand);
    return true;
}

static bool is_of_bands(const stf_copy *c) {
    return c->mask.bands > 0 && !c->mask.of_dataset;
}

bool stf_copy_open_mask(stf_copy *c, uint32_t band, stf_error *err) {
    stf_mask *mask = &c->mask;
    stf_source_request request = {0};
    request.type = GDT_Byte;
    request.tile_height_px = mask->format.height_px;
    request.lease = c->lease;
    request.cap_bytes = c->options.cap_bytes;
    request.mask = true;
    request.mask_band = is_of_bands(c) ? band + 1 : 0;
    mask->source = stf_source_create(c->dataset, &request, err);
    return mask->source && describe_demand(c, err) && stf_plan_make(&mask->demand, &mask->plan, err);
}

void stf_copy_close_mask(stf_copy *c) {
    stf_source_destroy(c->mask.source);
    c->mask.source = NULL;
    c->mask.spill_bytes += c->mask.result.spill_bytes;
    stf_tag_list_free(&c->mask.result.codec_tags);
    stf_tag_list_free(&c->mask.result.level_codec_tags);
    memset(&c->mask.result, 0, sizeof c->mask.result);
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* The source of the mask is let go until its turn comes: what it opens would lie beside what the bands need. */
static bool sum_up(stf_copy *c, stf_plan *sum, uint64_t *source_blocks, uint64_t *repeated_blocks, stf_error *err) {
    stf_mask *mask = &c->mask;
    for (uint32_t band = 0; band < mask->bands; band++) {
        if (!stf_copy_open_mask(c, band, err))
            return false;
        c->plan.floor_bytes = larger(c->plan.floor_bytes, mask->plan.floor_bytes);
        c->plan.cap_bytes = larger(c->plan.cap_bytes, mask->plan.cap_bytes);
        sum->predicted_peak_bytes = larger(sum->predicted_peak_bytes, mask->plan.predicted_peak_bytes);
        sum->decodes += mask->plan.decodes;
        sum->spill_bytes += mask->plan.spill_bytes;
        *source_blocks += mask->source->info.source_blocks;
        *repeated_blocks += mask->source->info.repeated_blocks;
        stf_stats_debug_plan(&mask->plan, &mask->source->info);
        stf_copy_close_mask(c);
    }
    return true;
}

bool stf_copy_plan_mask(stf_copy *c, stf_error *err) {
    stf_plan *plan = &c->plan, sum;
    uint64_t cap_bytes, source_blocks, repeated_blocks;
    do { /* again where a band's floor raised the cap that those before it were planned with */
        cap_bytes = plan->cap_bytes;
        source_blocks = repeated_blocks = 0;
        memset(&sum, 0, sizeof sum);
        if (!sum_up(c, &sum, &source_blocks, &repeated_blocks, err))
            return false;
    } while (plan->cap_bytes != cap_bytes);
    plan->predicted_peak_bytes = larger(plan->predicted_peak_bytes, sum.predicted_peak_bytes);
    plan->decodes += sum.decodes;
    plan->spill_bytes += sum.spill_bytes;
    c->mask.decodes = sum.decodes;
    c->told.source_blocks += source_blocks;
    c->told.repeated_blocks += repeated_blocks;
    return true;
}

/* --- the directory ----------------------------------------------------------------------------- */

/* GDAL 3.6 sorts the texts: 1, 10, 11, 12, 2, 3, ...; later versions do not. */
static uint32_t next_of_items(uint32_t number, uint32_t most) {
    if (GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0))
        return number + 1;
    if (number <= most / 10)
        return number * 10;
    while (number % 10 == 9 || number == most)
        number /= 10;
    return number + 1;
}

/* Which bands have a mask, and whether it is that of all: GDAL finds it so in a file beside. Items are in the order that GTiff has them in. */
static bool set_flags(stf_copy *c, stf_error *err) {
    const char *item = "  <Item name=\"INTERNAL_MASK_FLAGS_%u\">%d</Item>\n";
    const bool of_bands = is_of_bands(c);
    size_t room = 64 + (size_t)c->raster.bands * 64, used = 0;
    char *text = VSIMalloc(room);
    if (!text)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the flags of %u bands", c->raster.bands);
    used += (size_t)snprintf(text, room, "<GDALMetadata>\n");
    for (uint32_t i = 0, band = 1; i < c->raster.bands; i++, band = next_of_items(band, c->raster.bands))
        if (!of_bands || stf_source_has_mask_of_band(c->dataset, band))
            used += (size_t)snprintf(text + used, room - used, item, band, of_bands ? 0 : GMF_PER_DATASET);
    used += (size_t)snprintf(text + used, room - used, "</GDALMetadata>\n");
    bool done = stf_tag_list_set(&c->mask.tags, TIFFTAG_GDAL_METADATA, TIFF_ASCII, used + 1, text, err);
    VSIFree(text);
    return done;
}

/* Three or four bands of bytes are colours to GTiff, and the fourth alpha; more are what they are. */
static bool set_samples(stf_copy *c, stf_error *err) {
    const stf_tile_format *format = &c->mask.format;
    stf_tag_list *tags = &c->mask.tags;
    const uint32_t bands = c->mask.bands;
    const bool rgb = bands == 3 || bands == 4;
    const uint32_t extra = rgb ? bands - 3 : bands - 1;
    return stf_copy_set_shorts(tags, TIFFTAG_BITSPERSAMPLE, format->sample_bits, bands, err) &&
           stf_copy_set_shorts(tags, TIFFTAG_SAMPLEFORMAT, format->sample_format, bands, err) &&
           stf_tag_list_set_short(tags, TIFFTAG_SAMPLESPERPIXEL, (uint16_t)bands, err) &&
           stf_tag_list_set_short(tags, TIFFTAG_PHOTOMETRIC, rgb ? PHOTOMETRIC_RGB : format->photometric, err) &&
           (extra == 0 || stf_copy_set_shorts(tags, TIFFTAG_EXTRASAMPLES,
                                              rgb ? EXTRASAMPLE_UNASSALPHA : EXTRASAMPLE_UNSPECIFIED, extra, err));
}

bool stf_copy_set_mask_structure(stf_copy *c, stf_error *err) {
    const stf_tile_format *format = &c->mask.format;
    stf_tag_list *tags = &c->mask.tags;
    bool inside = c->mask.home == STF_MASK_INSIDE;
    if (inside ? !stf_tag_list_set_long(tags, TIFFTAG_SUBFILETYPE, FILETYPE_MASK, err) : !set_flags(c, err))
        return false;
    bool done =
        stf_copy_set_length(tags, TIFFTAG_IMAGEWIDTH, c->raster.width_px, err) &&
        stf_copy_set_length(tags, TIFFTAG_IMAGELENGTH, c->raster.height_px, err) && set_samples(c, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_COMPRESSION, format->codec.compression, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_PREDICTOR, format->codec.predictor, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_PLANARCONFIG, inside ? PLANARCONFIG_CONTIG : PLANARCONFIG_SEPARATE, err);
    if (!format->tiled)
        return done && stf_copy_set_length(tags, TIFFTAG_ROWSPERSTRIP, format->height_px, err);
    return done && stf_copy_set_length(tags, TIFFTAG_TILEWIDTH, format->width_px, err) &&
           stf_copy_set_length(tags, TIFFTAG_TILELENGTH, format->height_px, err);
}

void stf_copy_free_mask(stf_copy *c) {
    stf_copy_close_mask(c);
    stf_copy_free_overviews(&c->mask.overviews);
    stf_tiff_file_abort(c->mask.file);
    stf_tag_list_free(&c->mask.tags);
    CPLFree(c->mask.path);
}
