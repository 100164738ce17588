/* Codecs that are called themselves, without libtiff around them: DEFLATE by libdeflate and ZSTD by libzstd.
 *
 * A direct codec takes a tile that is predicted already and gives its compressed form in one call, into one
 * buffer: no input buffer, no stream. What it gives is what any reader of TIFF expects. No result is larger
 * than the tile stored as it is in that format, since it is stored then. */
#ifndef STF_ENCODER_DIRECT_H
#define STF_ENCODER_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_direct_codec {
    /* Bytes of n bytes that are stored as they are: the largest result. UINT64_MAX on overflow. */
    uint64_t (*stored_bytes)(uint64_t n);
    /* Bytes of the output buffer for n bytes of input: what the library asks for. UINT64_MAX on overflow. */
    uint64_t (*output_bytes)(uint64_t n);
    /* Memory of the codec's state for tiles of n bytes, from above. */
    uint64_t (*state_bytes)(const stf_codec *codec, uint64_t n);
    /* For tiles of at most n bytes. NULL: out of memory. */
    void *(*create)(const stf_codec *codec, uint64_t n);
    void (*destroy)(void *state); /* NULL is legal */
    /* rows of row_bytes at data -> output, of output_bytes; returns how many bytes, at most the stored ones. 0: out of
     * memory. */
    size_t (*encode)(void *state, const void *data, size_t rows, size_t row_bytes, void *output, size_t output_bytes);
} stf_direct_codec;

/* The one for tiles of this format; NULL: libtiff's. */
const stf_direct_codec *stf_encoder_direct(const stf_tile_format *format);

#ifdef STREAMTIFF_HAVE_DEFLATE
extern const stf_direct_codec stf_direct_deflate;
#endif
#ifdef STREAMTIFF_HAVE_ZSTD
extern const stf_direct_codec stf_direct_zstd;
#endif

#ifdef __cplusplus
}
#endif
#endif
