/* A tile on its way: packed, predicted and turned round where it lies, encoded into the output buffer, and copied back.
 *
 *      caller's data, predicted in place --> codec --> output buffer
 *            ^                                              |
 *            +------------- copied once it is done ---------+
 *
 * The codec is a direct one where there is one (encoder_direct.h), else libtiff's (encoder_libtiff.c).
 *
 * The predictor is applied here and not by libtiff, which would do it on another copy of the tile: the handle is
 * told of none, and the bytes are the same. */
#include "encoder.h"

#include <string.h>

#include "cpl_vsi.h"
#include "encoder_cost.h"
#include "encoder_direct.h"
#include "encoder_internal.h"
#include "platform.h"
#include "predictor.h"
#include "samples.h"
#include "tiff.h"

/* --- create ------------------------------------------------------------------------------------ */

static bool check_size(stf_encoder *encoder, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    uint32_t limit_px = format->codec.compression == COMPRESSION_WEBP   ? 16383
                        : format->codec.compression == COMPRESSION_JPEG ? 65535
                                                                        : UINT32_MAX;
    if (format->width_px > limit_px || format->height_px > limit_px)
        return stf_encoder_refuse(
            encoder, "The codec takes no tile or strip that wide or high: a smaller BLOCKXSIZE or BLOCKYSIZE", err);
    size_t tile_bytes = stf_encoder_tile_bytes(format);
    if (tile_bytes == 0 || tile_bytes > INT32_MAX)
        return stf_encoder_refuse(
            encoder, "A tile or strip must be smaller than 2 GiB: a smaller BLOCKXSIZE or BLOCKYSIZE", err);
    return true;
}

/* What libtiff needs for a trial is a kilobyte more than the pixel, where a borrowing encoder has nothing. */
static bool try_in_small(stf_encoder *encoder, stf_error *err) {
    stf_tile_format pixel = encoder->format;
    pixel.width_px = pixel.height_px = 1;
    encoder->raw_bytes = stf_encoder_raw_bytes(&pixel);
    encoder->raw = VSIMalloc(encoder->raw_bytes);
    bool done =
        encoder->raw ? stf_encoder_try(encoder, err) : stf_fail(err, CPLE_OutOfMemory, "Out of memory for a pixel");
    VSIFree(encoder->raw);
    encoder->raw = NULL;
    return done;
}

/* Pages of its own, for the same reason. */
static bool allocate_output(stf_encoder *encoder, stf_error *err) {
    encoder->raw_bytes = stf_encoder_raw_bytes(&encoder->format);
    encoder->raw = encoder->raw_bytes < SIZE_MAX ? stf_platform_pages_alloc(encoder->raw_bytes) : NULL;
    return encoder->raw || stf_fail(err, CPLE_OutOfMemory, "Out of memory for an output buffer of %llu bytes",
                                    (unsigned long long)encoder->raw_bytes);
}

static bool prepare(stf_encoder *encoder, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    if (!TIFFIsCODECConfigured(format->codec.compression))
        return stf_encoder_refuse(encoder, "The libtiff of this system lacks the codec", err);
    /* With libtiff's own predictor, which may refuse these samples. */
    if (encoder->borrows ? !try_in_small(encoder, err)
                         : !allocate_output(encoder, err) || !stf_encoder_try(encoder, err))
        return false;
    size_t row_bytes = (size_t)stf_encoder_packed_bytes(format, 1);
    encoder->predicts = stf_predictor_knows(format->codec.predictor, format->sample_bits);
    encoder->row = encoder->predicts ? VSIMalloc(row_bytes) : NULL;
    if (encoder->predicts && !encoder->row)
        return stf_fail(err, CPLE_OutOfMemory, "Out of memory for a row of %llu bytes", (unsigned long long)row_bytes);
    encoder->direct = stf_encoder_direct(format);
    return encoder->direct || stf_encoder_open_strip(encoder, format->width_px, format->height_px, err);
}

static stf_encoder *create(const stf_tile_format *format, bool borrows, stf_error *err) {
    stf_encoder *encoder = VSICalloc(1, sizeof(*encoder));
    if (!encoder) {
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for an encoder");
        return NULL;
    }
    encoder->format = *format;
    encoder->borrows = borrows;
    encoder->packs = format->memory_bits > format->sample_bits;
    if (check_size(encoder, err) && (format->codec.compression == COMPRESSION_NONE || prepare(encoder, err)))
        return encoder;
    stf_encoder_destroy(encoder);
    return NULL;
}

stf_encoder *stf_encoder_create(const stf_tile_format *format, stf_error *err) {
    return create(format, false, err);
}

stf_encoder *stf_encoder_create_borrowing(const stf_tile_format *format, stf_error *err) {
    return create(format, true, err);
}

void stf_encoder_lend(stf_encoder *encoder, void *buffer, size_t bytes) {
    encoder->raw = buffer;
    encoder->raw_bytes = bytes;
}

void stf_encoder_destroy(stf_encoder *encoder) {
    if (!encoder)
        return;
    stf_encoder_close(encoder);
    if (encoder->direct)
        encoder->direct->destroy(encoder->state);
    if (!encoder->borrows)
        stf_platform_pages_free(encoder->raw, encoder->raw_bytes);
    VSIFree(encoder->row);
    VSIFree(encoder->jpeg_tables);
    VSIFree(encoder);
}

/* --- use --------------------------------------------------------------------------------------- */

static void pack(stf_encoder *encoder, void *data, uint32_t rows) {
    const stf_tile_format *format = &encoder->format;
    if (encoder->packs && stf_samples_pack(data, rows, (size_t)format->width_px * format->samples, format->memory_bits,
                                           format->sample_bits, format->sample_format == SAMPLEFORMAT_IEEEFP))
        encoder->clipped = encoder->clipped || format->sample_bits > 1 ||
                           format->samples > 1; /* one bit alone: 0 or not, says GTiff */
}

static void swap(const stf_tile_format *format, void *data, uint32_t rows) {
    stf_samples_swap(data, (size_t)rows * format->width_px * format->samples, format->sample_bits,
                     format->sample_format == SAMPLEFORMAT_COMPLEXINT ||
                         format->sample_format == SAMPLEFORMAT_COMPLEXIEEEFP);
}

/* Differences are turned round as whole samples, be they complex; bytes sorted by significance have no order. */
static void predict(stf_encoder *encoder, void *data, uint32_t rows) {
    const stf_tile_format *format = &encoder->format;
    stf_predictor_apply(format->codec.predictor, data, rows, (size_t)format->width_px * format->samples,
                        format->samples, format->sample_bits, encoder->row);
    if (format->swapped && format->codec.predictor == PREDICTOR_HORIZONTAL)
        stf_samples_swap(data, (size_t)rows * format->width_px * format->samples, format->sample_bits, false);
}

bool stf_encoder_clipped(const stf_encoder *encoder) {
    return encoder->clipped;
}

/* -> caught, caught_bytes. */
static bool encode_by_libtiff(stf_encoder *encoder, void *data, uint32_t rows, stf_error *err) {
    /* A handle that failed once is not trusted again; a strip of another height needs its own. */
    if ((!encoder->tiff || encoder->rows != rows) &&
        !stf_encoder_open_strip(encoder, encoder->format.width_px, rows, err))
        return false;
    if (encoder->predicts)
        predict(encoder, data, rows);
    if (stf_encoder_write_strip(encoder, data, (size_t)stf_encoder_packed_bytes(&encoder->format, rows), err))
        return true;
    stf_encoder_close(encoder);
    return false;
}

/* Made when first used: an encoder that is only tried leaves no hole of its size in the heap. */
static bool ready_state(stf_encoder *encoder, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    uint64_t tile_bytes = stf_encoder_packed_bytes(format, format->height_px);
    if (!encoder->state)
        encoder->state = encoder->direct->create(&format->codec, tile_bytes);
    return encoder->state || stf_fail(err, CPLE_OutOfMemory, "Out of memory for the codec's state of %llu bytes",
                                      (unsigned long long)encoder->direct->state_bytes(&format->codec, tile_bytes));
}

static bool encode_directly(stf_encoder *encoder, void *data, uint32_t rows, stf_error *err) {
    size_t row_bytes = (size_t)stf_encoder_packed_bytes(&encoder->format, 1);
    if (!ready_state(encoder, err))
        return false;
    if (encoder->predicts)
        predict(encoder, data, rows);
    else if (encoder->format.swapped)
        swap(&encoder->format, data, rows);
    encoder->caught = encoder->raw;
    encoder->caught_bytes =
        encoder->direct->encode(encoder->state, data, rows, row_bytes, encoder->raw, encoder->raw_bytes);
    return encoder->caught_bytes > 0 || stf_fail(err, CPLE_OutOfMemory, "Out of memory for a codec");
}

bool stf_encoder_encode(stf_encoder *encoder, void *data, size_t capacity_bytes, uint32_t rows, size_t *encoded_bytes,
                        stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    if (rows == 0 || rows > format->height_px)
        return stf_fail(err, CPLE_AppDefined, "%u rows for a tile of %u", rows, format->height_px);
    size_t memory_bytes = stf_encoder_tile_bytes(format) / format->height_px * rows;
    if (capacity_bytes < memory_bytes)
        return stf_fail(err, CPLE_AppDefined, "%llu bytes of room for a tile of %llu",
                        (unsigned long long)capacity_bytes, (unsigned long long)memory_bytes);
    pack(encoder, data, rows);
    size_t bytes = (size_t)stf_encoder_packed_bytes(format, rows);
    if (format->codec.compression == COMPRESSION_NONE) {
        if (format->swapped)
            swap(format, data, rows);
        *encoded_bytes = bytes;
        return true;
    }
    if (!(encoder->direct ? encode_directly : encode_by_libtiff)(encoder, data, rows, err))
        return false;
    if (encoder->caught_bytes > capacity_bytes)
        return stf_encoder_refuse(encoder, "A compressed tile is larger than its buffer", err);
    memcpy(data, encoder->caught, encoder->caught_bytes);
    *encoded_bytes = encoder->caught_bytes;
    return true;
}
