/* Which samples of a tile were written is kept exactly, a bit for each: whatever order windows come in, a tile is
 * encoded when its last sample arrives, and what never comes is nodata. */
#include <string.h>

#include "writer_internal.h"

static uint64_t count_bits(unsigned value) {
    uint64_t bits = 0;
    for (; value; value &= value - 1)
        bits++;
    return bits;
}

static uint64_t mark_byte(unsigned char *byte, unsigned bits) {
    unsigned added = bits & ~(unsigned)*byte;
    if (added == 0)
        return 0;
    *byte = (unsigned char)(*byte | bits);
    return added == 255 ? 8 : count_bits(added);
}

uint64_t stf_writer_mark(const stf_writer *w, unsigned char *mask, uint32_t x, uint32_t width) {
    (void)w;
    uint64_t added = 0;
    uint32_t end = x + width;
    while (x < end && x % 8 != 0) {
        added += mark_byte(mask + x / 8, 1u << x % 8);
        x++;
    }
    for (; end - x >= 8; x += 8)
        added += mark_byte(mask + x / 8, 255);
    if (x < end)
        added += mark_byte(mask + x / 8, (1u << (end - x)) - 1);
    return added;
}

void stf_writer_fill(const stf_writer *w, unsigned char *samples, uint32_t count, size_t step_bytes) {
    size_t bytes = w->copy.raster.sample_bytes;
    for (uint32_t i = 0; i < count; i++)
        memcpy(samples + i * step_bytes, w->missing, bytes);
}

void stf_writer_fill_missing(const stf_writer *w, const unsigned char *mask, unsigned char *pixels, uint32_t x,
                             uint32_t width, size_t pixel_bytes) {
    for (uint32_t i = 0; i < width; i++)
        if (!(mask[(x + i) / 8] >> (x + i) % 8 & 1))
            memcpy(pixels + i * pixel_bytes, w->missing, w->copy.raster.sample_bytes);
}

size_t stf_writer_pixel_bytes(const stf_writer *w) {
    return (size_t)w->copy.format.samples * w->copy.raster.sample_bytes;
}

unsigned char *stf_writer_pixels(const stf_writer *w, uint32_t slot) {
    return stf_pool_item(w->pool, slot);
}

unsigned char *stf_writer_masks(const stf_writer *w, uint32_t slot) {
    return stf_writer_pixels(w, slot) + w->mask_offset;
}

uint32_t stf_writer_tile_rows(const stf_writer *w, const stf_window *valid) {
    return w->copy.format.tiled ? w->copy.format.height_px : valid->height;
}

void stf_writer_complete(stf_writer *w, uint64_t tile) {
    stf_writer_tile *t = &w->tiles[tile];
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, tile);
    size_t pixel_bytes = stf_writer_pixel_bytes(w), row_bytes = w->copy.format.width_px * pixel_bytes;
    for (uint16_t s = 0; t->missing > 0 && s < w->copy.format.samples; s++)
        for (uint32_t row = 0; row < valid.height; row++)
            stf_writer_fill_missing(w, stf_writer_masks(w, t->place) + s * w->mask_band_bytes + row * w->mask_row_bytes,
                                    stf_writer_pixels(w, t->place) + row * row_bytes + s * w->copy.raster.sample_bytes,
                                    0, valid.width, pixel_bytes);
    t->missing = 0;
}

/* --- nodata ------------------------------------------------------------------------------------ */

/* As GTiff writes it into the tag; "": there is none. */
static void nodata_text(GDALRasterBandH band, GDALDataType type, char *text, size_t room) {
    int has = FALSE;
    text[0] = 0;
    if (type == GDT_Int64) {
        long long value = (long long)GDALGetRasterNoDataValueAsInt64(band, &has);
        if (has)
            CPLsnprintf(text, room, "%lld", value);
    } else if (type == GDT_UInt64) {
        unsigned long long value = (unsigned long long)GDALGetRasterNoDataValueAsUInt64(band, &has);
        if (has)
            CPLsnprintf(text, room, "%llu", value);
    } else {
        double value = GDALGetRasterNoDataValue(band, &has);
        if (has && CPLIsNan(value))
            CPLsnprintf(text, room, "nan");
        else if (has)
            CPLsnprintf(text, room, "%.18g", value);
    }
}

static void missing_sample(stf_writer *w, GDALRasterBandH band) {
    int has = FALSE;
    GDALDataType type = w->copy.type;
    memset(w->missing, 0, sizeof w->missing);
    if (type == GDT_Int64) {
        int64_t value = GDALGetRasterNoDataValueAsInt64(band, &has);
        if (has)
            memcpy(w->missing, &value, sizeof value);
    } else if (type == GDT_UInt64) {
        uint64_t value = GDALGetRasterNoDataValueAsUInt64(band, &has);
        if (has)
            memcpy(w->missing, &value, sizeof value);
    } else {
        double value = GDALGetRasterNoDataValue(band, &has);
        if (has)
            GDALCopyWords(&value, GDT_Float64, 0, w->missing, type, 0, 1);
    }
}

bool stf_writer_read_nodata(stf_writer *w, stf_error *err) {
    char text[64];
    stf_copy *c = &w->copy;
    GDALRasterBandH band = GDALGetRasterBand(w->shape, 1);
    bool wide_integer = c->raster.sample_bytes == 8 && c->raster.kind != STF_FLOAT;
    missing_sample(w, band);
    nodata_text(band, c->type, text, sizeof text);
    stf_sparse_init(&c->sparse, c->options.sparse_ok, c->type, text[0] ? text : NULL, c->format.sample_bits,
                    c->format.sample_format);
    stf_discard_free(&c->discard);
    w->nodata_changed = false;
    return stf_discard_init(&c->discard, c->options.discard_lsb, &c->format, c->raster.bands,
                            text[0] && !wide_integer ? &c->sparse.nodata : NULL, err);
}
