/* DEFLATE by libdeflate, in zlib's wrapper.
 *
 * The levels are GTiff's: libtiff asks libdeflate for one level more from 6 to 9, and so do we, but for floats with
 * predictor 3 whose bytes are noisy. There the next level looks longer for matches that are not there: it takes 1.6 to
 * 2 times as long for 0.1 to 0.45 % of the size. Whether they are noisy is told by the entropy of the predicted bytes,
 * of each tile for itself, whoever encodes it. If then the tile comes out much smaller than that entropy, it is full
 * of matches after all, and done again. */
#ifdef STREAMTIFF_HAVE_DEFLATE

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder_direct.h"
#include "geometry.h"
#include "libdeflate.h"
#include "tiff.h"

enum {
    DEFAULT_LEVEL = 6,
    STORED_BYTES = 65535, /* the largest stored block */
    BLOCK_HEAD_BYTES = 5,
    WRAPPER_BYTES = 2 + 4 /* head and Adler-32 */
};

/* Of noisy tiles: bits of entropy in a byte, at least; how far the result may fall below it; bytes of a tile, at least
 * (in smaller ones the difference is larger). */
static const double NOISY_BITS = 4.75, MATCHED = 0.6;
enum { NOISY_TILE_BYTES = 128 * 1024, SAMPLED_ROWS = 8 /* one of so many is looked at */ };

typedef struct deflate_state {
    struct libdeflate_compressor *compressor; /* NULL: none yet */
    int level;                                /* libdeflate's */
    int full_level, noisy_level;              /* the level for all tiles, and for noisy ones */
    bool floats;                              /* predicted ones */
} deflate_state;

static int level_of(const stf_codec *codec) {
    int level = codec->deflate_level < 0 ? DEFAULT_LEVEL : codec->deflate_level;
    return level >= 6 && level <= 9 ? level + 1 : level;
}

static uint64_t stored_bytes(uint64_t n) {
    uint64_t blocks = n / STORED_BYTES + (n % STORED_BYTES != 0 || n == 0);
    return stf_add(n, blocks * BLOCK_HEAD_BYTES + WRAPPER_BYTES);
}

/* libdeflate's blocks are of 5000 bytes at least, and 5 bytes larger than their input at most. */
static uint64_t output_bytes(uint64_t n) {
    return stf_add(n, n / 900 + 64);
}

/* Up to level 9 hash chains, then a parser that keeps all matches of a block; it touches that memory as far as there
 * is input. Measured (libdeflate 1.14 and 1.23). */
static uint64_t state_bytes(const stf_codec *codec, uint64_t n) {
    int level = level_of(codec);
    uint64_t touched = stf_mul(33, n), most = UINT64_C(8448) << 10;
    if (level == 1)
        return UINT64_C(224) << 10;
    if (level <= 9)
        return UINT64_C(672) << 10;
    return (UINT64_C(704) << 10) + (touched < most ? touched : most);
}

static bool set_level(deflate_state *state, int level) {
    if (state->compressor && state->level == level)
        return true;
    libdeflate_free_compressor(state->compressor);
    state->compressor = libdeflate_alloc_compressor(level);
    state->level = level;
    return state->compressor != NULL;
}

static void *create(const stf_codec *codec, uint64_t n) {
    (void)n;
    deflate_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    int level = level_of(codec);
    state->full_level = level;
    state->noisy_level = level >= 7 && level <= 9 ? level - 1 : level;
    state->floats = codec->predictor == PREDICTOR_FLOATINGPOINT;
    if (set_level(state, state->floats ? state->noisy_level : level))
        return state;
    free(state);
    return NULL;
}

static void destroy(void *state) {
    deflate_state *own = state;
    if (own)
        libdeflate_free_compressor(own->compressor);
    free(own);
}

/* Level 0 of zlib: no Huffman code, no matches. */
static size_t store(const unsigned char *data, size_t bytes, unsigned char *to) {
    unsigned char *begin = to;
    uint32_t check = libdeflate_adler32(1, data, bytes);
    *to++ = 0x78; /* a window of 32 KiB */
    *to++ = 0x01; /* ... no dictionary, the fastest level */
    do {
        size_t block = bytes < STORED_BYTES ? bytes : STORED_BYTES;
        *to++ = bytes <= STORED_BYTES; /* the last one */
        *to++ = (unsigned char)block;
        *to++ = (unsigned char)(block >> 8);
        *to++ = (unsigned char)~block;
        *to++ = (unsigned char)(~block >> 8);
        memcpy(to, data, block);
        to += block;
        data += block;
        bytes -= block;
    } while (bytes > 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (unsigned char)(check >> shift);
    return (size_t)(to - begin);
}

/* Entropy of a byte, in bits, from some of the rows. */
static double entropy_of(const unsigned char *data, size_t rows, size_t row_bytes) {
    uint32_t counts[4][256] = {{0}}; /* four, so that equal neighbours do not wait for each other */
    size_t total = 0;
    double bits = 0;
    for (size_t row = 0; row < rows; row += SAMPLED_ROWS) {
        const unsigned char *at = data + row * row_bytes;
        for (size_t i = 0; i + 4 <= row_bytes; i += 4)
            for (size_t k = 0; k < 4; k++)
                counts[k][at[i + k]]++;
        total += row_bytes / 4 * 4;
    }
    for (size_t i = 0; i < 256; i++) {
        double count = (double)counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
        if (count > 0)
            bits -= count * log2(count / (double)total);
    }
    return total > 0 ? bits / (double)total : 0;
}

static size_t encode_at(deflate_state *state, int level, const void *data, size_t bytes, void *output,
                        size_t room_bytes) {
    if (!set_level(state, level))
        return 0;
    size_t encoded = libdeflate_zlib_compress(state->compressor, data, bytes, output, room_bytes);
    return encoded > 0 && encoded <= stored_bytes(bytes) ? encoded : store(data, bytes, output);
}

static size_t encode(void *state, const void *data, size_t rows, size_t row_bytes, void *output, size_t room_bytes) {
    deflate_state *own = state;
    size_t bytes = rows * row_bytes;
    if (own->floats && own->noisy_level != own->full_level && bytes >= NOISY_TILE_BYTES) {
        double bits = entropy_of(data, rows, row_bytes);
        if (bits >= NOISY_BITS) {
            size_t encoded = encode_at(own, own->noisy_level, data, bytes, output, room_bytes);
            if (encoded == 0 || (double)encoded * 8 >= MATCHED * bits * (double)bytes)
                return encoded;
        }
    }
    return encode_at(own, own->full_level, data, bytes, output, room_bytes);
}

const stf_direct_codec stf_direct_deflate = {stored_bytes, output_bytes, state_bytes, create, destroy, encode};

#endif
