#include "block_decoder.h"

#include <string.h>

#include "cpl_vsi.h"
#include "lzw.h"
#include "tiff.h"

#if defined(STREAMTIFF_HAVE_DEFLATE)
#include <libdeflate.h>
#endif
#if defined(STREAMTIFF_HAVE_ZSTD)
#include <zstd.h>
#endif

/* A decompressor of libdeflate: its tables, which it does not tell the size of. */
#define DEFLATE_BYTES ((uint64_t)16 << 10)

#define LZW_BYTES (STF_LZW_CODES * sizeof(stf_lzw_string))

struct stf_block_decoder {
    uint16_t compression;
    void *library; /* its state; LZW: strings */
};

static bool is_deflate(uint16_t compression) {
    return compression == COMPRESSION_ADOBE_DEFLATE || compression == COMPRESSION_DEFLATE;
}

bool stf_block_decoder_knows(uint16_t compression) {
#if defined(STREAMTIFF_HAVE_DEFLATE)
    if (is_deflate(compression))
        return true;
#endif
#if defined(STREAMTIFF_HAVE_ZSTD)
    if (compression == COMPRESSION_ZSTD)
        return true;
#endif
    return compression == COMPRESSION_NONE || compression == COMPRESSION_LZW;
}

/* --- the libraries ----------------------------------------------------------------------------- */

#if defined(STREAMTIFF_HAVE_DEFLATE)

/* What follows the stream is passed over, as libtiff does. */
static const char *run_deflate(void *library, const void *from, size_t bytes, void *to, size_t least_bytes,
                               size_t room_bytes) {
    size_t got = 0;
    switch (libdeflate_zlib_decompress(library, from, bytes, to, room_bytes, &got)) {
    case LIBDEFLATE_SUCCESS:
        return got >= least_bytes ? NULL : "it decodes to less than a block";
    case LIBDEFLATE_INSUFFICIENT_SPACE:
        return "it decodes to more than a block";
    default:
        return "its DEFLATE stream is broken, or cut short";
    }
}

static void *make_deflate(void) {
    return libdeflate_alloc_decompressor();
}

static void free_deflate(void *library) {
    if (library)
        libdeflate_free_decompressor(library);
}

#else

static const char *run_deflate(void *library, const void *from, size_t bytes, void *to, size_t least_bytes,
                               size_t room_bytes) {
    (void)library, (void)from, (void)bytes, (void)to, (void)least_bytes, (void)room_bytes;
    return "there is no library for it";
}

static void *make_deflate(void) {
    return NULL;
}

static void free_deflate(void *library) {
    (void)library;
}

#endif

#if defined(STREAMTIFF_HAVE_ZSTD)

/* One frame, into all the room that it can need: the library then has no window of its own, whatever the frame asks for. */
static const char *run_zstd(void *library, const void *from, size_t bytes, void *to, size_t least_bytes,
                            size_t room_bytes) {
    size_t frame_bytes = ZSTD_findFrameCompressedSize(from, bytes);
    if (ZSTD_isError(frame_bytes))
        return "its ZSTD frame is broken, or cut short";
    size_t got = ZSTD_decompressDCtx(library, to, room_bytes, from, frame_bytes);
    if (ZSTD_isError(got))
        return "its ZSTD frame is broken, or decodes to more than a block";
    return got >= least_bytes ? NULL : "it decodes to less than a block";
}

static void *make_zstd(void) {
    return ZSTD_createDCtx();
}

static void free_zstd(void *library) {
    ZSTD_freeDCtx(library);
}

static uint64_t zstd_bytes(const void *library) {
    return ZSTD_sizeof_DCtx(library);
}

#else

static const char *run_zstd(void *library, const void *from, size_t bytes, void *to, size_t least_bytes,
                            size_t room_bytes) {
    return run_deflate(library, from, bytes, to, least_bytes, room_bytes);
}

static void *make_zstd(void) {
    return NULL;
}

static void free_zstd(void *library) {
    (void)library;
}

static uint64_t zstd_bytes(const void *library) {
    (void)library;
    return 0;
}

#endif

/* --- what the others see ----------------------------------------------------------------------- */

stf_block_decoder *stf_block_decoder_create(uint16_t compression) {
    stf_block_decoder *decoder = stf_block_decoder_knows(compression) ? VSICalloc(1, sizeof *decoder) : NULL;
    if (!decoder)
        return NULL;
    decoder->compression = compression;
    if (compression == COMPRESSION_NONE)
        return decoder;
    decoder->library = compression == COMPRESSION_ZSTD  ? make_zstd()
                       : compression == COMPRESSION_LZW ? VSIMalloc(LZW_BYTES)
                                                        : make_deflate();
    if (decoder->library)
        return decoder;
    VSIFree(decoder);
    return NULL;
}

void stf_block_decoder_destroy(stf_block_decoder *decoder) {
    if (!decoder)
        return;
    if (decoder->compression == COMPRESSION_ZSTD)
        free_zstd(decoder->library);
    else if (is_deflate(decoder->compression))
        free_deflate(decoder->library);
    else
        VSIFree(decoder->library);
    VSIFree(decoder);
}

uint64_t stf_block_decoder_bytes(const stf_block_decoder *decoder) {
    uint64_t library = is_deflate(decoder->compression)           ? DEFLATE_BYTES
                       : decoder->compression == COMPRESSION_ZSTD ? zstd_bytes(decoder->library)
                       : decoder->compression == COMPRESSION_LZW  ? LZW_BYTES
                                                                  : 0;
    return sizeof *decoder + library;
}

const char *stf_block_decoder_run(stf_block_decoder *decoder, const void *from, size_t bytes, void *to,
                                  size_t least_bytes, size_t room_bytes) {
    if (is_deflate(decoder->compression))
        return run_deflate(decoder->library, from, bytes, to, least_bytes, room_bytes);
    if (decoder->compression == COMPRESSION_LZW)
        return stf_lzw_decode(from, bytes, to, least_bytes, room_bytes, decoder->library);
    if (decoder->compression == COMPRESSION_ZSTD)
        return run_zstd(decoder->library, from, bytes, to, least_bytes, room_bytes);
    if (bytes < least_bytes)
        return "it has fewer bytes than a block";
    if (from != to)
        memcpy(to, from, least_bytes);
    return NULL;
}
