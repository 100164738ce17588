/* Tile -> compressed bytes, one encoder per worker: DEFLATE and ZSTD by libdeflate and libzstd where the build
 * has them, all else by libtiff's codecs.
 *
 * For the latter an encoder holds an in-memory TIFF of one tile (or strip) and writes that tile over and over; what
 * libtiff would append to the file is caught and handed back. All encoders of one format give the
 * same bytes for the same pixels. */
#ifndef STF_ENCODER_H
#define STF_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the pixels of every tile of one plane lie and are to be encoded. */
typedef struct stf_tile_format {
    stf_codec codec;
    bool tiled; /* false: strips; the last one may be shorter */
    uint32_t width_px, height_px;
    uint16_t samples;               /* samples of a pixel within the tile: bands when pixel-interleaved, else 1 */
    uint16_t sample_bits;           /* BitsPerSample: 1..128 */
    uint16_t memory_bits;           /* of a sample as it is handed over, where these are more; 0: as sample_bits */
    bool swapped;                   /* the file has the byte order that is not the host's */
    uint16_t sample_format;         /* SAMPLEFORMAT_* of tiff.h */
    uint16_t photometric;           /* PHOTOMETRIC_* */
    uint16_t extra_samples;         /* how many of the samples are extra samples */
    uint16_t extra_sample_types[8]; /* their kinds (EXTRASAMPLE_*), the first eight; the others are unspecified */
} stf_tile_format;

typedef struct stf_encoder stf_encoder;

/* Bytes of one tile's pixels in memory: width x height x samples x memory bytes. 0 on overflow of size_t/2. */
size_t stf_encoder_tile_bytes(const stf_tile_format *format);
/* An upper bound of what any tile of this format compresses to, and at least stf_encoder_tile_bytes. */
size_t stf_encoder_bound_bytes(const stf_tile_format *format);
/* Memory that one encoder takes while it works, beside the caller's tile: libtiff's copies, the output
 * buffer, and the codec's state at this level; 0 for COMPRESS=NONE. Samples are packed, predicted and
 * turned round in the caller's tile. From a table measured on the process, for the worst pixels: a tile that does not compress. UINT64_MAX on overflow. */
uint64_t stf_encoder_cost_bytes(const stf_tile_format *format);

/* May fail: the codec is not configured, or refuses the format (a predictor with these bits...).
 * Opening one is also the check that a format can be written at all. */
stf_encoder *stf_encoder_create(const stf_tile_format *format, stf_error *err);
/* The same, but the output buffer is lent before each tile. Only for formats that have stf_encoder_lent_bytes. */
stf_encoder *stf_encoder_create_borrowing(const stf_tile_format *format, stf_error *err);
/* The least that can be lent to an encoder of this format; 0: it needs a buffer of its own, or none. */
uint64_t stf_encoder_lent_bytes(const stf_tile_format *format);
/* What a borrowing encoder takes less than stf_encoder_cost_bytes. */
uint64_t stf_encoder_saved_bytes(const stf_tile_format *format);
/* The buffer may be used otherwise as soon as the tile is encoded. */
void stf_encoder_lend(stf_encoder *encoder, void *buffer, size_t bytes);
/* NULL is legal. */
void stf_encoder_destroy(stf_encoder *encoder);

/* Encodes rows x width pixels (rows == height_px unless it is a short last strip) lying at data, and
 * leaves the compressed bytes at data, whose capacity is capacity_bytes >= stf_encoder_bound_bytes.
 * With COMPRESS=NONE nothing is copied. One thread at a time per encoder. */
bool stf_encoder_encode(stf_encoder *encoder, void *data, size_t capacity_bytes, uint32_t rows, size_t *encoded_bytes,
                        stf_error *err);

/* Tags that the codec adds to the directory, known as soon as the encoder is there: JPEGTables (347),
 * LercParameters (50674), and for JPEG with YCbCr 530 and 532. values stays the encoder's, valid until
 * it is destroyed. Returns how many it filled (at most room; never more than 4). */
typedef struct stf_codec_tag {
    uint16_t tag;
    uint16_t type; /* TIFF_SHORT, TIFF_LONG, TIFF_UNDEFINED, ... */
    uint64_t count;
    const void *values; /* host byte order */
} stf_codec_tag;
size_t stf_encoder_tags(stf_encoder *encoder, stf_codec_tag *tags, size_t room);

/* True where in any tile so far a sample did not fit into its bits, and was clipped. */
bool stf_encoder_clipped(const stf_encoder *encoder);

#ifdef __cplusplus
}
#endif
#endif
