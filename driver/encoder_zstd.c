/* ZSTD by libzstd, a whole tile in one call.
 *
 * libtiff streams into zstd without telling it how much comes: zstd then takes the parameters of its level for
 * large inputs, and tables for them. We tell it the size, so that the tables are cut down to the tile, but keep the
 * parameters of the level: those that zstd has for small inputs are made for another balance, and give up to 5 %
 * more bytes in tiles of 256 x 256 samples.
 *
 * Where it searches rows of a hash table (levels 5 to 12) a table of a quarter of the size gives at most 0.4 % more
 * bytes, takes two thirds of the time, for it stays in the processor's cache, and 3.6 MB instead of 12.8 for a tile of
 * 1 MB at level 9. */
#ifdef STREAMTIFF_HAVE_ZSTD

#define ZSTD_STATIC_LINKING_ONLY /* the parameters of a level, and what they take */

#include <string.h>

#include "encoder_direct.h"
#include "geometry.h"
#include "zstd.h"
#include "zstd_errors.h"

enum {
    DEFAULT_LEVEL = 9,            /* libtiff's */
    FRAME_HEAD_BYTES = 4 + 1 + 8, /* magic number, what follows, the size */
    BLOCK_HEAD_BYTES = 3,
    STORED_BYTES = 1 << 17 /* the largest block */
};

static int level_of(const stf_codec *codec) {
    return codec->zstd_level <= 0 ? DEFAULT_LEVEL : codec->zstd_level;
}

static uint64_t stored_bytes(uint64_t n) {
    uint64_t blocks = n / STORED_BYTES + (n % STORED_BYTES != 0 || n == 0);
    return stf_add(n, blocks * BLOCK_HEAD_BYTES + FRAME_HEAD_BYTES);
}

/* ZSTD_compressBound from above: as much as zstd wants so as not to check each step. */
static uint64_t output_bytes(uint64_t n) {
    return stf_add(n, n / 256 + 64);
}

enum { ROWS_WINDOW_LOG = 17 /* of smaller tiles each place counts */ };

static ZSTD_compressionParameters parameters_of(const stf_codec *codec, uint64_t n) {
    ZSTD_compressionParameters p = ZSTD_getCParams(level_of(codec), 0, 0); /* 0: any size */
    p = ZSTD_adjustCParams(p, n, 0);
    if (p.strategy >= ZSTD_greedy && p.strategy <= ZSTD_lazy2 && p.windowLog >= ROWS_WINDOW_LOG) {
        p.hashLog -= 2;
        p.chainLog -= 2;
    }
    return p;
}

static uint64_t state_bytes(const stf_codec *codec, uint64_t n) {
    size_t bytes = ZSTD_estimateCCtxSize_usingCParams(parameters_of(codec, n));
    return ZSTD_isError(bytes) ? UINT64_MAX : stf_add(bytes, 16384);
}

static void *create(const stf_codec *codec, uint64_t n) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_compressionParameters p = parameters_of(codec, n);
    const struct {
        ZSTD_cParameter name;
        int value;
    } settings[] = {
        {ZSTD_c_compressionLevel, level_of(codec)}, {ZSTD_c_windowLog, (int)p.windowLog},
        {ZSTD_c_chainLog, (int)p.chainLog},         {ZSTD_c_hashLog, (int)p.hashLog},
        {ZSTD_c_searchLog, (int)p.searchLog},       {ZSTD_c_minMatch, (int)p.minMatch},
        {ZSTD_c_targetLength, (int)p.targetLength}, {ZSTD_c_strategy, (int)p.strategy},
    };
    bool done = context != NULL;
    for (size_t i = 0; done && i < sizeof settings / sizeof *settings; i++)
        done = !ZSTD_isError(ZSTD_CCtx_setParameter(context, settings[i].name, settings[i].value));
    if (done)
        return context;
    ZSTD_freeCCtx(context);
    return NULL;
}

static void destroy(void *state) {
    ZSTD_freeCCtx(state);
}

static unsigned char *put(unsigned char *to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++)
        *to++ = (unsigned char)(value >> 8 * i);
    return to;
}

/* A frame of raw blocks, one segment whose size is told in 8 bytes (RFC 8878, section 3.1). */
static size_t store(const unsigned char *data, size_t bytes, unsigned char *begin) {
    unsigned char *to = put(begin, ZSTD_MAGICNUMBER, 4);
    to = put(to, 0xE0, 1);
    to = put(to, bytes, 8);
    do {
        size_t block = bytes < STORED_BYTES ? bytes : STORED_BYTES;
        to = put(to, (uint64_t)block << 3 | (bytes == block), BLOCK_HEAD_BYTES);
        memcpy(to, data, block);
        to += block;
        data += block;
        bytes -= block;
    } while (bytes > 0);
    return (size_t)(to - begin);
}

static size_t encode(void *state, const void *data, size_t rows, size_t row_bytes, void *output, size_t room_bytes) {
    size_t bytes = rows * row_bytes;
    size_t encoded = ZSTD_compress2(state, output, room_bytes, data, bytes);
    if (ZSTD_isError(encoded) && ZSTD_getErrorCode(encoded) == ZSTD_error_memory_allocation)
        return 0;
    return !ZSTD_isError(encoded) && encoded <= stored_bytes(bytes) ? encoded : store(data, bytes, output);
}

const stf_direct_codec stf_direct_zstd = {stored_bytes, output_bytes, state_bytes, create, destroy, encode};

#endif
