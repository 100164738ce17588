/* Tiles go into the spool while they are copied; the file is made of it in one go, at the end.
 *
 * The mask comes first: overviews of the bands are made with that of their pixels, which is read back from the spool. */
#include "copy.h"

#include <string.h>

#include "cog_file.h"
#include "cpl_conv.h"
#include "scratch.h"
#include "target.h"
#include "tiff.h"

#define TAG_ROOM_BYTES 65536 /* of tags in one directory, beside the tables of tiles */

/* Progress: the tiles of the file are written, and the file is closed and renamed. Copying compressed bytes costs a
 * small part of making them. */
#define DONE_BY_PIXELS 0.94
#define DONE_BY_TILES 0.99

/* --- levels and images ------------------------------------------------------------------------- */

static uint64_t tiles_across(uint32_t size_px, uint32_t tile_px) {
    return ((uint64_t)size_px + tile_px - 1) / tile_px;
}

uint32_t stf_copy_images(const stf_copy *c) {
    uint32_t images = 1 + c->level_count;
    if (c->mask.home == STF_MASK_NONE)
        return images;
    return c->levels_masked ? 2 * images : images + 1;
}

/* Behind the images of the file: masks of levels as the overviews of the bands see them. */
static uint32_t spooled_images(const stf_copy *c) {
    bool computed = c->levels_masked && !c->levels_exist && c->mask.home != STF_MASK_NONE;
    return stf_copy_images(c) + (computed ? c->level_count : 0);
}

uint64_t stf_copy_image_tiles(const stf_copy *c, uint32_t image) {
    bool mask = image > c->level_count;
    uint32_t level = mask ? image - c->level_count - 1 : image;
    if (level > c->level_count)
        level -= c->level_count;
    if (level == 0)
        return stf_geometry_tiles(mask ? &c->mask.geometry : &c->geometry);
    const stf_level *size = &c->levels[level - 1];
    const stf_tile_format *format = &c->overview_format;
    uint64_t across = tiles_across(size->width_px, format->width_px);
    uint64_t tiles = stf_mul(across, tiles_across(size->height_px, format->height_px));
    return mask ? tiles : stf_mul(tiles, c->geometry.plane_count);
}

static uint16_t short_of(const stf_tag_list *tags, uint16_t tag, uint16_t otherwise) {
    const stf_tag *found = stf_tag_list_find(tags, tag);
    return found && found->type == TIFF_SHORT && found->count >= 1 ? *(const uint16_t *)found->values : otherwise;
}

static void describe_overview_tiles(stf_copy *c) {
    stf_tile_format *format = &c->overview_format;
    *format = c->format;
    format->codec = c->options.cog.overview_codec;
    format->tiled = true;
    format->width_px = format->height_px = c->options.cog.overview_block_px;
    if (format->samples > 1 || c->raster.bands == 1)
        format->photometric = short_of(&c->georef.overview_tags, TIFFTAG_PHOTOMETRIC, format->photometric);
}

static void compute_levels(stf_copy *c) {
    double ratios[STF_MAX_LEVELS];
    uint32_t ratio_count = c->tiling ? stf_tiling_ratios(c->tiling, c->zoom_level, ratios, STF_MAX_LEVELS) : 0;
    if (c->tiling && ratio_count == 0)
        ratios[ratio_count++] = 2; /* sides of levels of a scheme are rounded, at its top as well */
    c->level_count = stf_levels(c->raster.width_px, c->raster.height_px, c->options.block_width_px,
                                c->options.cog.overview_count, ratios, ratio_count, c->levels);
    c->levels_masked = stf_copy_has_mask(c);
}

/* Tables of the spool, and of the image with the most tiles when the file is written. */
static uint64_t places_bytes(const stf_copy *c) {
    uint64_t all = 0, most = 0;
    for (uint32_t image = 0; image < spooled_images(c); image++) {
        uint64_t tiles = stf_copy_image_tiles(c, image);
        all = stf_add(all, tiles);
        most = tiles > most ? tiles : most;
    }
    return stf_add(stf_spool_table_bytes(all), stf_cog_table_bytes(most));
}

bool stf_copy_find_levels(stf_copy *c, stf_error *err) {
    stf_overviews overviews = c->options.cog.overviews;
    c->levels_exist = overviews == STF_OVERVIEWS_EXISTING;
    if (c->levels_exist)
        return stf_copy_find_existing_levels(c, err);
    if (overviews == STF_OVERVIEWS_COMPUTED)
        compute_levels(c);
    return true;
}

void stf_copy_describe_levels(stf_copy *c) {
    describe_overview_tiles(c);
    c->mask.image = c->level_count + 1;
    c->places_bytes = places_bytes(c);
}

/* --- the spool --------------------------------------------------------------------------------- */

/* Of the raster and its levels, as far as it is known: where tiles are not compressed, and all of them are there. */
static uint64_t expected_bytes(const stf_copy *c) {
    uint64_t bytes = 0;
    for (uint32_t image = 0; image <= c->level_count && !c->options.sparse_ok; image++) {
        const stf_tile_format *format = image == 0 ? &c->format : &c->overview_format;
        uint64_t tile = stf_encoder_tile_bytes(format) / format->memory_bits * format->sample_bits;
        if (format->codec.compression == COMPRESSION_NONE)
            bytes = stf_add(bytes, stf_mul(tile, stf_copy_image_tiles(c, image)));
    }
    return bytes;
}

static bool fits_format(const stf_copy *c, stf_error *err) {
    return c->options.bigtiff != STF_BIGTIFF_NO || !stf_tiff_file_needs_big(expected_bytes(c)) ||
           stf_fail(err, CPLE_NotSupported,
                    "%s would take " CPL_FRMT_GUIB " bytes at least, more than the 4 GB of a classic TIFF: use "
                    "BIGTIFF=YES or IF_SAFER",
                    c->target, (GUIntBig)expected_bytes(c));
}

static bool create_spool(stf_copy *c, stf_error *err) {
    uint64_t tiles[3 * (STF_MAX_LEVELS + 1)];
    uint32_t images = spooled_images(c), copies = 2;
    if (STARTS_WITH(c->target, "/vsi") || stf_scratch_is_device(c->target))
        copies = 1; /* the spool alone: the file goes elsewhere */
    for (uint32_t i = 0; i < images; i++)
        tiles[i] = stf_copy_image_tiles(c, i);
    c->spool = stf_spool_create(c->target, tiles, images, expected_bytes(c), copies, err);
    return c->spool != NULL;
}

/* --- directories ------------------------------------------------------------------------------- */

/* All that is needed to write the file; freed as a whole. */
typedef struct cog_parts {
    stf_cog cog;
    stf_cog_image images[2 * (STF_MAX_LEVELS + 1)];
    stf_cog_part parts[2 * (STF_MAX_LEVELS + 1)];
    stf_tag_list tags[2 * (STF_MAX_LEVELS + 1)]; /* of overviews and masks */
} cog_parts;

static bool set_size(stf_tag_list *tags, const stf_level *size, const stf_tile_format *format, stf_error *err) {
    return stf_copy_set_length(tags, TIFFTAG_IMAGEWIDTH, size->width_px, err) &&
           stf_copy_set_length(tags, TIFFTAG_IMAGELENGTH, size->height_px, err) &&
           (format->tiled ? stf_copy_set_length(tags, TIFFTAG_TILEWIDTH, format->width_px, err) &&
                                stf_copy_set_length(tags, TIFFTAG_TILELENGTH, format->height_px, err)
                          : stf_copy_set_length(tags, TIFFTAG_ROWSPERSTRIP, format->height_px, err));
}

static const stf_tile_format *format_of(const stf_copy *c, uint32_t image) {
    return image == 0 ? &c->format : image == c->level_count + 1 ? &c->mask.format : &c->overview_format;
}

/* Rows of samples are padded to whole bytes. */
static uint64_t tile_bytes(const stf_tile_format *format, uint32_t samples, uint32_t bits) {
    return stf_mul(format->height_px, (stf_mul(format->width_px, (uint64_t)samples * bits) + 7) / 8);
}

/* Takes the template's tags of an image that is not the raster itself. */
static bool describe_image(const stf_copy *c, uint32_t image, stf_tag_list *tags, stf_error *err) {
    const stf_georef *georef = &c->georef;
    bool mask = image > c->level_count;
    uint32_t level = mask ? image - c->level_count - 1 : image;
    const stf_level whole = {c->raster.width_px, c->raster.height_px};
    const stf_tag_list *from = !mask   ? &georef->overview_tags
                               : level ? &georef->overview_mask_tags
                                       : &georef->mask_tags;
    const stf_codec *codec = &c->overview_format.codec;
    if (from->count == 0)
        return stf_fail(err, CPLE_AppDefined, "GDAL's COG driver wrote no %s, and so there are no tags for it",
                        mask ? "mask" : "overview");
    bool done = stf_tag_list_copy(tags, from, err) &&
                set_size(tags, level ? &c->levels[level - 1] : &whole, format_of(c, image), err);
    if (done && !mask)
        done = stf_tag_list_set_short(tags, TIFFTAG_COMPRESSION, codec->compression, err) &&
               (!codec->has_predictor || stf_tag_list_set_short(tags, TIFFTAG_PREDICTOR, codec->predictor, err));
    return done;
}

static bool add_image(const stf_copy *c, cog_parts *parts, uint32_t image, stf_error *err) {
    uint32_t place = parts->cog.image_count++;
    stf_cog_image *entry = &parts->images[place];
    bool mask = image > c->level_count, raster = image == 0;
    const stf_tile_format *format = format_of(c, image);
    entry->tags = raster ? &c->georef.tags : &parts->tags[place];
    entry->tiled = format->tiled;
    entry->spooled = image;
    entry->tiles = stf_copy_image_tiles(c, image);
    entry->tile_bytes = mask ? tile_bytes(format, 1, 1) : tile_bytes(format, format->samples, format->sample_bits);
    return raster || describe_image(c, image, &parts->tags[place], err);
}

/* In the order of directories: the raster, its mask, the levels, their masks. */
static bool add_images(const stf_copy *c, cog_parts *parts, stf_error *err) {
    uint32_t levels = c->level_count;
    bool masked = c->mask.home != STF_MASK_NONE;
    bool done = add_image(c, parts, 0, err) && (!masked || add_image(c, parts, levels + 1, err));
    for (uint32_t i = 1; done && i <= levels; i++)
        done = add_image(c, parts, i, err);
    for (uint32_t i = 1; done && c->levels_masked && i <= levels; i++)
        done = add_image(c, parts, levels + 1 + i, err);
    return done;
}

static void add_part(cog_parts *parts, uint32_t image, uint32_t mask, uint32_t planes) {
    stf_cog_part part = {image, mask, planes};
    parts->parts[parts->cog.part_count++] = part;
}

/* In the order of the file: the smallest level first. Planes one behind the other are followed by the mask. */
static void add_parts(const stf_copy *c, cog_parts *parts) {
    uint32_t levels = c->level_count, planes = c->geometry.plane_count;
    bool masked = c->mask.home != STF_MASK_NONE, apart = planes > 1 && !c->options.cog.tile_interleave;
    for (uint32_t level = levels + 1; level-- > 0;) {
        uint32_t image = level == 0 ? 0 : level + (masked ? 1 : 0);
        uint32_t mask = level == 0 && masked            ? 1
                        : level > 0 && c->levels_masked ? levels + 1 + level
                                                        : STF_COG_NO_IMAGE;
        add_part(parts, image, apart ? STF_COG_NO_IMAGE : mask, apart ? 1 : planes);
        if (apart && mask != STF_COG_NO_IMAGE)
            add_part(parts, mask, STF_COG_NO_IMAGE, 1);
    }
}

static void free_parts(cog_parts *parts) {
    for (uint32_t i = 0; i < parts->cog.image_count; i++)
        stf_tag_list_free(&parts->tags[i]);
    VSIFree(parts);
}

static cog_parts *describe_file(stf_copy *c, stf_error *err) {
    cog_parts *parts = VSICalloc(1, sizeof *parts);
    if (!parts) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for the directories of %s", c->target);
        return NULL;
    }
    parts->cog.ghost = c->georef.ghost;
    parts->cog.ghost_bytes = c->georef.ghost_bytes;
    parts->cog.images = parts->images;
    parts->cog.parts = parts->parts;
    parts->cog.spool = c->spool;
    if (add_images(c, parts, err)) {
        add_parts(c, parts);
        return parts;
    }
    free_parts(parts);
    return NULL;
}

/* --- writing ----------------------------------------------------------------------------------- */

/* All sizes are known now. IF_SAFER takes GTiff's measure, that of the pixels without compression. */
static bool decide_bigtiff(const stf_copy *c, const stf_cog *cog, bool *big, stf_error *err) {
    bool needed = stf_cog_file_bytes(cog, false) == UINT64_MAX;
    double pixels_bytes = (double)c->raster.width_px * c->raster.height_px * c->raster.bands * c->raster.sample_bytes;
    *big = c->options.bigtiff == STF_BIGTIFF_YES || (c->options.bigtiff != STF_BIGTIFF_NO && needed) ||
           (c->options.bigtiff == STF_BIGTIFF_IF_SAFER && pixels_bytes > 2e9);
    return *big || !needed ||
           stf_fail(err, CPLE_FileIO, "%s would grow beyond 4 GiB, the limit of a classic TIFF: set BIGTIFF=YES",
                    c->target);
}

static int CPL_STDCALL tell_progress(double done, const char *message, void *data) {
    const stf_copy *c = data;
    return c->progress(DONE_BY_PIXELS + done * (DONE_BY_TILES - DONE_BY_PIXELS), message, c->progress_data);
}

static bool write_tiles(stf_copy *c, stf_target *target, stf_error *err) {
    bool big;
    cog_parts *parts = describe_file(c, err);
    bool done = parts && decide_bigtiff(c, &parts->cog, &big, err) &&
                stf_cog_write(&parts->cog, big, target, tell_progress, c, err);
    if (parts)
        free_parts(parts);
    return done;
}

static bool finish(stf_copy *c, stf_target *target, stf_error *err) {
    if (!c->progress(1.0, "", c->progress_data)) {
        stf_target_abort(target);
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    }
    if (!stf_target_finish(target, err))
        return false;
    if (!stf_target_is_file(c->target) || stf_georef_write_sidecar(&c->georef, c->target, err))
        return true;
    VSIUnlink(c->target); /* a raster without what its sidecar tells is half of one */
    return false;
}

static bool copy_pixels(stf_copy *c, stf_error *err) {
    double pixels = (double)c->raster.width_px * c->raster.height_px, of_levels = 0;
    for (uint32_t i = 0; c->levels_exist && i < c->level_count; i++)
        of_levels += (double)c->levels[i].width_px * c->levels[i].height_px;
    double done_by_levels = DONE_BY_PIXELS * of_levels / (pixels + of_levels);
    double of_mask = c->mask.home == STF_MASK_NONE ? 0 : (DONE_BY_PIXELS - done_by_levels) / (c->raster.bands + 1.0);
    c->budget = stf_budget_create(c->plan.cap_bytes);
    if (!c->budget)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the account");
    return stf_copy_levels(c, 0, done_by_levels, err) &&
           stf_copy_mask(c, done_by_levels, done_by_levels + of_mask, err) && stf_copy_begin_statistics(c, err) &&
           stf_copy_bands(c, done_by_levels + of_mask, DONE_BY_PIXELS, err) && stf_copy_end_statistics(c, err);
}

bool stf_copy_write_cog(stf_copy *c, stf_error *err) {
    if (!c->progress(0.0, "", c->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    stf_target *target = fits_format(c, err) ? stf_target_create(c->target, false, err) : NULL;
    if (target && create_spool(c, err) && copy_pixels(c, err) && stf_copy_set_structure(c, err) &&
        stf_copy_tell_tiling(c, err) && stf_budget_charge(c->budget, stf_copy_places_bytes(c), "tables", err) &&
        write_tiles(c, target, err)) {
        c->spool_bytes = stf_spool_bytes(c->spool);
        stf_spool_destroy(c->spool);
        c->spool = NULL;
        return finish(c, target, err);
    }
    stf_target_abort(target);
    return false;
}
