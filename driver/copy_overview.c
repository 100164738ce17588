/* LAYOUT=COG: overviews that are computed while the raster is copied, those of its mask included.
 *
 * Overviews of the bands are made with the mask of the pixels they are made from, as GDAL makes them: the mask, which was
 * copied before, is read back from the spool tile by tile. */
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "messages.h"

/* --- the mask, read back ----------------------------------------------------------------------- */

static size_t packed_row_bytes(const stf_tile_format *format) {
    return ((size_t)format->width_px + 7) / 8;
}

/* What reading one tile takes: as it lies in the spool, and inflated. */
static uint64_t reading_bytes(const stf_tile_format *format) {
    uint64_t packed = stf_mul(packed_row_bytes(format), format->height_px);
    return stf_add(packed, stf_encoder_bound_bytes(format));
}

static void unpack(const unsigned char *bits, size_t row_bytes, const stf_window *valid, unsigned char *to,
                   size_t to_row_bytes) {
    for (uint32_t y = 0; y < valid->height; y++)
        for (uint32_t x = 0; x < valid->width; x++)
            to[y * to_row_bytes + x] = (bits[y * row_bytes + x / 8] >> (7 - x % 8) & 1) != 0 ? 255 : 0;
}

static bool inflate_tile(const stf_copy *c, uint32_t image, uint64_t tile, const stf_tile_format *format, void *room,
                         unsigned char *bits, size_t bits_bytes, stf_error *err) {
    uint32_t bytes = stf_spool_tile_bytes(c->spool, image, tile);
    size_t inflated = 0;
    if (bytes > stf_encoder_bound_bytes(format))
        return stf_fail(err, CPLE_AppDefined, "A tile of the mask in the spool has %u bytes, too many", bytes);
    if (!stf_spool_read(c->spool, image, tile, room, err))
        return false;
    if (!CPLZLibInflate(room, bytes, bits, bits_bytes, &inflated) || inflated != bits_bytes)
        return stf_fail(err, CPLE_AppDefined, "A tile of the mask cannot be read back from the spool");
    return true;
}

static bool read_mask(void *context, uint32_t level, uint64_t tile, unsigned char *to, size_t row_bytes,
                      stf_error *err) {
    const stf_copy *c = context;
    const stf_overview_shape *shape = &c->mask.overviews.shape;
    const stf_tile_format *format = level > 0 ? &c->mask.overviews.format : &c->mask.format;
    uint32_t columns = stf_overview_columns(shape, level), image = c->mask.image + level;
    stf_window valid = stf_overview_tile_window(shape, level, (uint32_t)(tile % columns), (uint32_t)(tile / columns));
    size_t bits_bytes = packed_row_bytes(format) * format->height_px;
    if (stf_spool_tile_bytes(c->spool, image, tile) == 0) { /* left out: nothing is covered */
        for (uint32_t y = 0; y < valid.height; y++)
            memset(to + y * row_bytes, 0, valid.width);
        return true;
    }
    unsigned char *bits = VSIMalloc(bits_bytes);
    void *room = VSIMalloc(stf_encoder_bound_bytes(format));
    bool done = bits && room;
    if (!done)
        stf_fail(err, CPLE_OutOfMemory, "No memory for a tile of the mask");
    done = done && inflate_tile(c, image, tile, format, room, bits, bits_bytes, err);
    if (done)
        unpack(bits, packed_row_bytes(format), &valid, to, row_bytes);
    VSIFree(room);
    VSIFree(bits);
    return done;
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

static bool describe(stf_copy *c, stf_copy_overviews *overviews, const stf_geometry *geometry,
                     const stf_tile_format *format, const stf_resample_request *request, uint32_t first_image,
                     stf_error *err) {
    overviews->apart = memcmp(&overviews->format, format, sizeof *format) != 0;
    overviews->resample = stf_resample_create(request, err);
    if (!overviews->resample || !try_format(overviews, err))
        return false;
    stf_overview_begin(&overviews->shape, geometry, overviews->format.width_px,
                       stf_resample_radius(overviews->resample));
    for (uint32_t i = 0; i < c->level_count; i++)
        if (!stf_overview_add_level(&overviews->shape, c->levels[i].width_px, c->levels[i].height_px))
            return stf_fail(err, CPLE_NotSupported, "%u overviews are too many: set OVERVIEW_COUNT", c->level_count);
    overviews->job.resample = overviews->resample;
    overviews->job.format = overviews->apart ? &overviews->format : NULL;
    overviews->job.encoder_bytes = overviews->apart ? stf_encoder_cost_bytes(&overviews->format) : 0;
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
    demand->overview_slot_bytes = slot;
    demand->overview_encoder_bytes = stf_add(each, overviews->job.encoder_bytes);
    demand->overview_spilling_bytes = spilling - each;
    if (with_mask)
        demand->table_bytes =
            stf_add(demand->table_bytes, stf_mul(reading_bytes(&c->mask.overviews.format), demand->threads));
    demand->table_bytes = stf_add(demand->table_bytes, stf_overview_table_bytes(shape, with_mask));
}

void stf_copy_free_overviews(stf_copy_overviews *overviews) {
    stf_resample_destroy(overviews->resample);
    overviews->resample = NULL;
}
