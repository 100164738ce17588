/* What an encoder needs, by codec: the bound of a compressed tile, and memory while it works.
 *
 * The figures of memory were measured: peak RSS of a fresh process while one handle encoded noise,
 * terrain and constants in turn, in tiles of 64 to 2048 pixels (libtiff 4.5.0, libdeflate 1.14, zstd
 * 1.5.4, liblzma 5.4, libjpeg-turbo 2.1, libwebp 1.2, LERC 4). They bound what was measured from above,
 * for the common codecs by at most 15 % where the tile does not compress. */
#include "encoder_cost.h"

#include "encoder_direct.h"
#include "geometry.h"
#include "predictor.h"
#include "samples.h"
#include "tiff.h"

enum { RAW_SLACK_BYTES = 1024 /* libtiff's codecs flush some bytes before their buffer is full */ };

static uint64_t row_samples(const stf_tile_format *format) {
    return (uint64_t)format->width_px * format->samples; /* below 2^48 */
}

uint64_t stf_encoder_packed_bytes(const stf_tile_format *format, uint32_t rows) {
    return stf_mul(rows, stf_samples_row_bytes(row_samples(format), format->sample_bits));
}

/* As it is encoded: what libtiff and its codecs see. */
static uint64_t tile_bytes_of(const stf_tile_format *format) {
    return stf_encoder_packed_bytes(format, format->height_px);
}

size_t stf_encoder_tile_bytes(const stf_tile_format *format) {
    uint16_t bits = format->memory_bits ? format->memory_bits : format->sample_bits;
    uint64_t bytes = stf_mul(format->height_px, stf_samples_row_bytes(row_samples(format), bits));
    return bytes > SIZE_MAX / 2 ? 0 : (size_t)bytes;
}

/* What a codec can add to n bytes, in its worst case. */
static uint64_t growth_bytes(const stf_tile_format *format, uint64_t n) {
    switch (format->codec.compression) {
    case COMPRESSION_NONE:
        return 0;
    case COMPRESSION_LZW: /* codes of at most 12 bits for one byte each, and a clear code now and then */
        return n / 2 + n / 1024 + 64;
    case COMPRESSION_PACKBITS: /* a literal and two runs of two: 6 bytes for 5; then a byte a row */
        return n / 4 + 2 * (uint64_t)format->height_px + 64;
    case COMPRESSION_JPEG: {
        /* Blocks are padded to 16 pixels. The DCT keeps energy, so a coefficient's entropy is at most
         * that of a Gaussian of deviation 128: 9.05 bits, and a Huffman code is at most one bit longer.
         * From quality 90 down the quantisation takes off more than that. */
        uint64_t padded =
            stf_mul(stf_mul(((uint64_t)format->width_px + 15) / 16 * 16, ((uint64_t)format->height_px + 15) / 16 * 16),
                    format->samples);
        uint64_t more = format->sample_bits > 8 ? padded : format->codec.jpeg_quality > 90 ? padded / 2 : 0;
        return stf_add(padded > n ? padded - n : 0, more + 4096);
    }
    case COMPRESSION_CCITTRLE: /* of one pixel at most 7 bits (a change three columns off), a line's end besides */
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
        return stf_add(stf_mul(6, n), stf_add(stf_mul(8, format->height_px), 64));
    case COMPRESSION_WEBP: /* codes of its own tables, for tiles of noise */
        return n / 4 + 8192;
    case COMPRESSION_LERC: /* falls back to raw values; a mask of a bit a pixel, the range of each sample */
        return n / 8 + 1024 + format->samples * (uint64_t)format->sample_bits / 4;
    default: /* DEFLATE, ZSTD, LZMA: stored blocks */
        return n / 256 + 1024;
    }
}

size_t stf_encoder_bound_bytes(const stf_tile_format *format) {
    const stf_direct_codec *direct = stf_encoder_direct(format);
    uint64_t tile_bytes = tile_bytes_of(format), memory_bytes = stf_encoder_tile_bytes(format);
    uint64_t bytes = direct ? direct->stored_bytes(tile_bytes) : stf_add(tile_bytes, growth_bytes(format, tile_bytes));
    if (bytes < memory_bytes)
        bytes = memory_bytes;
    return bytes > SIZE_MAX / 2 ? SIZE_MAX : (size_t)bytes;
}

size_t stf_encoder_raw_bytes(const stf_tile_format *format) {
    if (format->codec.compression == COMPRESSION_LERC) /* it hands over buffers of its own */
        return RAW_SLACK_BYTES;
    const stf_direct_codec *direct = stf_encoder_direct(format);
    uint64_t tile_bytes = tile_bytes_of(format);
    uint64_t bound = direct ? direct->output_bytes(tile_bytes) : stf_add(tile_bytes, growth_bytes(format, tile_bytes));
    return bound > SIZE_MAX / 2 ? SIZE_MAX : (size_t)bound + RAW_SLACK_BYTES;
}

uint64_t stf_encoder_lent_bytes(const stf_tile_format *format) {
    const stf_direct_codec *direct = stf_encoder_direct(format);
    return direct ? direct->stored_bytes(tile_bytes_of(format)) : 0;
}

uint64_t stf_encoder_saved_bytes(const stf_tile_format *format) {
    return stf_encoder_direct(format) ? stf_encoder_raw_bytes(format) : 0;
}

/* --- memory ------------------------------------------------------------------------------------ */

#define KIB UINT64_C(1024)

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* libdeflate: hash chains up to level 8 (libtiff asks it for one level more from 6 on), then a parser that
 * keeps all matches of a block; it touches that memory as far as there is input. */
static uint64_t deflate_state_bytes(int level, uint64_t tile_bytes) {
    if (level == 1)
        return 400 * KIB;
    if (level <= 8)
        return 900 * KIB;
    return 704 * KIB + least(8448 * KIB, stf_mul(33, tile_bytes));
}

/* libtiff streams into zstd without telling it the size: tables by level alone, and the window as far
 * as a tile fills it. Measured, in KiB, and the base-2 logarithm of the window. */
static const struct {
    uint32_t tables_kib;
    uint32_t window_log;
} zstd_levels[] = {{214, 19},   {214, 19},   {454, 20},    {994, 21},    {2274, 21},  {3318, 21},
                   {3318, 21},  {6406, 21},  {6430, 21},   {12534, 22},  {24862, 22}, {24902, 22},
                   {49438, 22}, {33102, 22}, {49486, 22},  {65870, 22},  {32978, 22}, {49390, 23},
                   {49910, 23}, {82678, 23}, {164598, 25}, {328410, 26}, {664418, 27}};

static uint64_t zstd_tables_bytes(int level) {
    size_t top = sizeof(zstd_levels) / sizeof(zstd_levels[0]) - 1;
    size_t index = level <= 0 ? 9 : (size_t)level > top ? top : (size_t)level; /* libtiff's default is 9 */
    return zstd_levels[index].tables_kib * KIB * 51 / 50;
}

static uint64_t zstd_state_bytes(int level, uint64_t tile_bytes) {
    size_t top = sizeof(zstd_levels) / sizeof(zstd_levels[0]) - 1;
    size_t index = level <= 0 ? 9 : (size_t)level > top ? top : (size_t)level;
    uint64_t window_bytes = UINT64_C(1) << zstd_levels[index].window_log;
    return zstd_tables_bytes(level) + least(tile_bytes, window_bytes + 128 * KIB) + 320 * KIB;
}

/* A hash table by preset, 4 (up to preset 3) or 8 bytes of links for each byte of input, and the input. */
static uint64_t lzma_state_bytes(int preset, uint64_t tile_bytes) {
    static const uint32_t hash_kib[] = {242, 2034, 4086, 8186, 8266, 16454, 16454, 32838, 65606, 65606};
    static const uint32_t dictionary_kib[] = {256, 1024, 2048, 4096, 4096, 8192, 8192, 16384, 32768, 65536};
    int index = preset < 0 ? 6 : preset > 9 ? 9 : preset;
    uint64_t dictionary = dictionary_kib[index] * KIB;
    uint64_t links = (index <= 3 ? 4 : 8) * least(tile_bytes, dictionary);
    return hash_kib[index] * KIB + links + least(tile_bytes, dictionary / 2 * 3 + 768 * KIB) + 640 * KIB;
}

/* Coefficients of the whole tile, two bytes each (its Huffman codes are made to measure); chroma is halved
 * both ways in YCbCr. Some rows of samples besides. */
static uint64_t jpeg_state_bytes(const stf_tile_format *format, uint64_t tile_bytes) {
    uint64_t coefficients = stf_mul(format->photometric == PHOTOMETRIC_YCBCR ? 1 : 2, tile_bytes);
    return stf_add(coefficients, 32 * (uint64_t)format->width_px * format->samples + 160 * KIB);
}

static uint64_t webp_state_bytes(const stf_tile_format *format) {
    uint64_t pixels = (uint64_t)format->width_px * format->height_px;
    if (format->codec.webp_lossless)
        return least(stf_add(stf_mul(310, pixels), 512 * KIB), stf_add(stf_mul(38, pixels), 19000 * KIB));
    bool alpha = format->samples == 4; /* compressed apart, without loss */
    return stf_add(stf_mul(alpha ? 46 : 20, pixels), alpha ? 1408 * KIB : 384 * KIB);
}

/* libtiff's copy of the tile and LERC's result, which also take the second stage's; a mask. */
static uint64_t lerc_state_bytes(const stf_tile_format *format, uint64_t tile_bytes) {
    const stf_codec *codec = &format->codec;
    uint64_t mask = (uint64_t)format->width_px * format->height_px;
    uint64_t bytes = stf_add(stf_mul(2, stf_encoder_bound_bytes(format)), stf_add(mask, 256 * KIB));
    if (codec->lerc_second_stage == LERC_ADD_COMPRESSION_DEFLATE)
        return stf_add(bytes, deflate_state_bytes(codec->deflate_level, tile_bytes));
    if (codec->lerc_second_stage == LERC_ADD_COMPRESSION_ZSTD) /* knows the size: tables no larger than for that */
        return stf_add(bytes,
                       least(zstd_tables_bytes(codec->zstd_level), stf_add(stf_mul(40, tile_bytes), 1024 * KIB)));
    return bytes;
}

static uint64_t state_bytes(const stf_tile_format *format, uint64_t tile_bytes) {
    switch (format->codec.compression) {
    case COMPRESSION_ADOBE_DEFLATE:
        return deflate_state_bytes(format->codec.deflate_level, tile_bytes);
    case COMPRESSION_ZSTD:
        return zstd_state_bytes(format->codec.zstd_level, tile_bytes);
    case COMPRESSION_LZMA:
        return lzma_state_bytes(format->codec.lzma_preset, tile_bytes);
    case COMPRESSION_JPEG:
        return jpeg_state_bytes(format, tile_bytes);
    case COMPRESSION_WEBP:
        return webp_state_bytes(format);
    case COMPRESSION_LERC:
        return lerc_state_bytes(format, tile_bytes);
    default: /* LZW's hash table; PackBits needs next to nothing */
        return 320 * KIB;
    }
}

uint64_t stf_encoder_cost_bytes(const stf_tile_format *format) {
    if (format->codec.compression == COMPRESSION_NONE)
        return 0;
    const stf_direct_codec *direct = stf_encoder_direct(format);
    uint64_t tile_bytes = tile_bytes_of(format);
    uint64_t raw = stf_encoder_raw_bytes(format);
    uint64_t predicted = 0;
    if (stf_predictor_knows(format->codec.predictor, format->sample_bits))
        predicted = format->height_px ? tile_bytes / format->height_px : 0; /* a row of ours */
    else if (format->codec.predictor > PREDICTOR_NONE)
        predicted = tile_bytes; /* libtiff's copy */
    uint64_t state = direct ? direct->state_bytes(&format->codec, tile_bytes) : state_bytes(format, tile_bytes);
    return stf_add(stf_add(raw, predicted), state);
}
