/* What an encoder needs, by codec: the bound of a compressed tile, and memory measured on the process. */
#include "encoder.h"

#include "geometry.h"
#include "tiff.h"

static uint64_t tile_bytes_of(const stf_tile_format *format) {
    uint64_t bytes =
        stf_mul(stf_mul(format->width_px, format->height_px), stf_mul(format->samples, format->sample_bits));
    return bytes == UINT64_MAX ? bytes : bytes / 8;
}

size_t stf_encoder_tile_bytes(const stf_tile_format *format) {
    uint64_t bytes = tile_bytes_of(format);
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
        return stf_add(padded > n ? padded - n : 0, (format->codec.jpeg_quality > 90 ? padded / 2 : 0) + 4096);
    }
    case COMPRESSION_WEBP: /* codes of its own tables, for tiles of noise */
        return n / 4 + 8192;
    case COMPRESSION_LERC: /* falls back to raw values; a mask of one bit a pixel */
        return n / 8 + 1024;
    default: /* DEFLATE, ZSTD, LZMA: stored blocks */
        return n / 256 + 1024;
    }
}

size_t stf_encoder_bound_bytes(const stf_tile_format *format) {
    uint64_t tile_bytes = tile_bytes_of(format);
    uint64_t bytes = stf_add(tile_bytes, growth_bytes(format, tile_bytes));
    return bytes > SIZE_MAX / 2 ? SIZE_MAX : (size_t)bytes;
}
