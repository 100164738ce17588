/* LAYOUT=COG: overviews that are computed while the raster is copied, those of its mask included.
 *
 * Overviews of the bands are made with the mask of the pixels they are made from, as GDAL makes them: the mask, which was
 * copied before, is read back from the spool tile by tile. */
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "messages.h"

/* --- what overviews of a mask are made of ------------------------------------------------------- */

/* GDAL makes a level of a mask from the level before as it is computed, with all values between none and all, and weighs
 * the bands' pixels with them; in the file there is one bit left of it. A tile of such values is kept in the spool as well. */
static uint32_t values_image(const stf_copy *c, uint32_t level) {
    return stf_copy_images(c) + level - 1;
}

static bool is_all_or_nothing(const unsigned char *pixels, size_t row_bytes, const stf_window *valid) {
    for (uint32_t y = 0; y < valid->height; y++)
        for (uint32_t x = 0; x < valid->width; x++)
            if ((unsigned char)(pixels[y * row_bytes + x] + 1u) > 1)
                return false;
    return true;
}

static size_t deflated_bound_bytes(size_t bytes) {
    return bytes + bytes / 64 + 256;
}

static bool keep_values(void *context, const stf_overview_tile_info *info, const void *pixels, const stf_uniform *value,
                        stf_error *err) {
    const stf_copy *c = context;
    const stf_window *valid = &info->valid;
    size_t row_bytes = c->mask.overviews.format.width_px, bytes = (size_t)valid->width * valid->height, deflated = 0;
    if (stf_resample_is_of_bits(c->mask.overviews.resample))
        return true;
    if (value ? is_all_or_nothing(value->pixel, 1, &(stf_window){0, 0, 1, 1})
              : is_all_or_nothing(pixels, row_bytes, valid))
        return true;
    unsigned char *rows = VSIMalloc(bytes), *room = VSIMalloc(deflated_bound_bytes(bytes));
    bool done = rows && room;
    for (uint32_t y = 0; done && y < valid->height; y++)
        if (value)
            memset(rows + (size_t)y * valid->width, value->pixel[0], valid->width);
        else
            memcpy(rows + (size_t)y * valid->width, (const unsigned char *)pixels + y * row_bytes, valid->width);
    if (!done || !CPLZLibDeflate(rows, bytes, 1, room, deflated_bound_bytes(bytes), &deflated))
        done = stf_fail(err, CPLE_OutOfMemory, "No memory for a tile of the mask's overviews");
    done = done && stf_spool_append(c->spool, values_image(c, info->level), info->tile, room, deflated, err);
    VSIFree(room);
    VSIFree(rows);
    return done;
}

/* --- the mask, read back ----------------------------------------------------------------------- */

static size_t packed_row_bytes(const stf_tile_format *format) {
    return ((size_t)format->width_px + 7) / 8;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* What keeping or reading one tile takes: as it lies in the spool, and inflated. */
static uint64_t reading_bytes(const stf_tile_format *format) {
    size_t bytes = (size_t)format->width_px * format->height_px;
    return stf_add(bytes, larger(deflated_bound_bytes(bytes), stf_encoder_bound_bytes(format)));
}

static void unpack(const unsigned char *bits, size_t row_bytes, const stf_window *valid, unsigned char covered,
                   unsigned char *to, size_t to_row_bytes) {
    for (uint32_t y = 0; y < valid->height; y++)
        for (uint32_t x = 0; x < valid->width; x++)
            to[y * to_row_bytes + x] = (bits[y * row_bytes + x / 8] >> (7 - x % 8) & 1) != 0 ? covered : 0;
}

/* A tile of the spool, inflated: NULL on failure, else the caller's. */
static unsigned char *inflate_tile(const stf_copy *c, uint32_t image, uint64_t tile, size_t bytes, stf_error *err) {
    uint32_t deflated = stf_spool_tile_bytes(c->spool, image, tile);
    size_t inflated = 0;
    unsigned char *room = VSIMalloc(deflated), *to = VSIMalloc(bytes);
    bool done = room && to;
    if (!done)
        stf_fail(err, CPLE_OutOfMemory, "No memory for a tile of the mask");
    done = done && stf_spool_read(c->spool, image, tile, room, err);
    if (done && (!CPLZLibInflate(room, deflated, to, bytes, &inflated) || inflated != bytes))
        done = stf_fail(err, CPLE_AppDefined, "A tile of the mask cannot be read back from the spool");
    VSIFree(room);
    if (done)
        return to;
    VSIFree(to);
    return NULL;
}

static bool read_values(const stf_copy *c, uint32_t level, uint64_t tile, const stf_window *valid, unsigned char *to,
                        size_t row_bytes, stf_error *err) {
    size_t bytes = (size_t)valid->width * valid->height;
    unsigned char *values = inflate_tile(c, values_image(c, level), tile, bytes, err);
    for (uint32_t y = 0; values && y < valid->height; y++)
        memcpy(to + y * row_bytes, values + (size_t)y * valid->width, valid->width);
    VSIFree(values);
    return values != NULL;
}

static bool read_bits(const stf_copy *c, uint32_t level, uint64_t tile, const stf_window *valid, unsigned char *to,
                      size_t row_bytes, stf_error *err) {
    const stf_tile_format *format = level > 0 ? &c->mask.overviews.format : &c->mask.format;
    size_t packed = packed_row_bytes(format);
    if (stf_spool_tile_bytes(c->spool, c->mask.image + level, tile) == 0) { /* left out: nothing is covered */
        for (uint32_t y = 0; y < valid->height; y++)
            memset(to + y * row_bytes, 0, valid->width);
        return true;
    }
    unsigned char *bits = inflate_tile(c, c->mask.image + level, tile, packed * format->height_px, err);
    bool is_one = level > 0 && stf_resample_is_of_bits(c->mask.overviews.resample);
    if (bits)
        unpack(bits, packed, valid, is_one ? 1 : 255, to, row_bytes);
    VSIFree(bits);
    return bits != NULL;
}

bool stf_copy_read_mask(const stf_copy *c, uint64_t tile, unsigned char *to, size_t row_bytes, stf_error *err) {
    stf_window valid = stf_geometry_tile_window(&c->mask.geometry, tile);
    return read_bits(c, 0, tile, &valid, to, row_bytes, err);
}

uint64_t stf_copy_read_mask_bytes(const stf_copy *c) {
    return reading_bytes(&c->mask.format);
}

static bool read_mask(void *context, uint32_t level, uint64_t tile, unsigned char *to, size_t row_bytes,
                      stf_error *err) {
    const stf_copy *c = context;
    const stf_overview_shape *shape = &c->mask.overviews.shape;
    if (level == 0)
        return stf_copy_read_mask(c, tile, to, row_bytes, err);
    uint32_t columns = stf_overview_columns(shape, level);
    stf_window valid = stf_overview_tile_window(shape, level, (uint32_t)(tile % columns), (uint32_t)(tile / columns));
    if (stf_spool_tile_bytes(c->spool, values_image(c, level), tile) > 0)
        return read_values(c, level, tile, &valid, to, row_bytes, err);
    return read_bits(c, level, tile, &valid, to, row_bytes, err);
}

/* --- describing -------------------------------------------------------------------------------- */

static bool commit_level(void *context, uint32_t image, uint64_t tile, const void *data, size_t bytes, stf_error *err) {
    const stf_copy *c = context;
    return stf_spool_append(c->spool, image, tile, data, bytes, err);
}

/* A format that the codec refuses fails before the first byte. */
static bool try_format(const stf_copy_overviews *overviews, stf_error *err) {
    stf_encoder *trial = overviews->apart ? stf_encoder_create(&overviews->format, err) : NULL;
    stf_encoder_destroy(trial);
    return trial || !overviews->apart;
}

static stf_overview_parents parents_of(const stf_copy *c, const stf_resample *resample) {
    const stf_level *least = &c->levels[c->level_count - 1];
    int width, height;
    GDALGetBlockSize(GDALGetRasterBand(c->dataset, 1), &width, &height);
    return stf_resample_parents(resample, (uint32_t)height, c->raster.width_px, least->width_px, c->raster.height_px,
                                least->height_px);
}

/* What an encoder takes less where a worker's window is large enough for what it gives. */
static uint64_t lent_bytes(const stf_copy_overviews *overviews, const stf_tile_format *format) {
    uint64_t needed = stf_encoder_lent_bytes(format);
    bool lends = needed > 0 && stf_overview_window_bytes(&overviews->shape, overviews->resample) >= needed;
    return lends ? stf_encoder_saved_bytes(format) : 0;
}

static bool describe(stf_copy *c, stf_copy_overviews *overviews, const stf_geometry *geometry,
                     const stf_tile_format *format, const stf_resample_request *request, uint32_t first_image,
                     stf_error *err) {
    overviews->apart = memcmp(&overviews->format, format, sizeof *format) != 0;
    overviews->resample = stf_resample_create(request, err);
    if (!overviews->resample || !try_format(overviews, err))
        return false;
    stf_overview_begin(&overviews->shape, geometry, overviews->format.width_px,
                       stf_resample_radius(overviews->resample));
    if (geometry->plane_count > 1 && stf_resample_needs_all_bands(overviews->resample))
        return stf_fail(
            err, CPLE_NotSupported,
            "OVERVIEW_RESAMPLING=%s leaves pixels out by what other bands are (alpha, NODATA_VALUES), which is "
            "only supported with INTERLEAVE=PIXEL. NEAREST does not",
            stf_resample_method(overviews->resample));
    overviews->shape.parents = parents_of(c, overviews->resample);
    for (uint32_t i = 0; i < c->level_count; i++)
        if (!stf_overview_add_level(&overviews->shape, c->levels[i].width_px, c->levels[i].height_px))
            return stf_fail(err, CPLE_NotSupported, "%u overviews are too many: set OVERVIEW_COUNT", c->level_count);
    overviews->job.resample = overviews->resample;
    overviews->job.format = overviews->apart ? &overviews->format : NULL;
    overviews->job.encoder_bytes = overviews->apart ? stf_encoder_cost_bytes(&overviews->format) : 0;
    overviews->job.lent_bytes = lent_bytes(overviews, format);
    overviews->job.level_lent_bytes = overviews->apart ? lent_bytes(overviews, &overviews->format) : 0;
    overviews->job.encoder_bytes -= overviews->job.level_lent_bytes;
    overviews->job.first_image = first_image;
    overviews->job.sink.context = c;
    overviews->job.sink.commit = commit_level;
    overviews->job.mask.context = c;
    overviews->job.mask.read = read_mask;
    return true;
}

bool stf_copy_describe_overviews(stf_copy *c, stf_error *err) {
    stf_resample_request request = {c->options.cog.overview_resampling, c->dataset, c->type, false, false};
    if (c->level_count == 0 || c->levels_exist)
        return true;
    c->overviews.format = c->overview_format;
    request.with_mask = c->mask.home == STF_MASK_INSIDE;
    if (!describe(c, &c->overviews, &c->geometry, &c->format, &request, 0, err))
        return false;
    if (c->mask.home != STF_MASK_INSIDE)
        return true;
    c->mask.overviews.format = c->mask.format;
    c->mask.overviews.format.width_px = c->overview_format.width_px;
    c->mask.overviews.format.height_px = c->overview_format.height_px;
    request.type = GDT_Byte;
    request.of_mask = true;
    request.with_mask = false;
    c->mask.overviews.job.see = keep_values;
    c->mask.overviews.job.see_context = c;
    return describe(c, &c->mask.overviews, &c->mask.geometry, &c->mask.format, &request, c->mask.image, err);
}

void stf_copy_add_overviews(const stf_copy *c, const stf_copy_overviews *overviews, stf_demand *demand) {
    const stf_overview_shape *shape = &overviews->shape;
    const stf_resample *resample = overviews->resample;
    if (!resample)
        return;
    bool with_mask = stf_resample_needs_mask(resample);
    uint64_t slot = stf_encoder_bound_bytes(&overviews->format);
    uint64_t each = stf_overview_worker_bytes(shape, resample, 0, slot);
    uint64_t spilling = stf_overview_worker_bytes(shape, resample, 1, slot);
    demand->overview = shape;
    demand->encoder_bytes -= overviews->job.lent_bytes;
    demand->overview_slot_bytes = slot;
    demand->overview_encoder_bytes = stf_add(each, overviews->job.encoder_bytes);
    demand->overview_spilling_bytes = spilling - each;
    if (with_mask || overviews == &c->mask.overviews)
        demand->overview_encoder_bytes =
            stf_add(demand->overview_encoder_bytes, reading_bytes(&c->mask.overviews.format));
    demand->table_bytes = stf_add(demand->table_bytes, stf_overview_table_bytes(shape, with_mask));
}

void stf_copy_free_overviews(stf_copy_overviews *overviews) {
    stf_resample_destroy(overviews->resample);
    overviews->resample = NULL;
}
