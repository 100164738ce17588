/* Blocks of one value have the same compressed bytes wherever they lie: what the last one came to need not be decoded again. */
#ifndef STF_BLOCK_REPEAT_H
#define STF_BLOCK_REPEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uniform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One value compresses well: 1 MiB of it to 1 to 5 KB with DEFLATE, 50 bytes with ZSTD, 2 KB with LZW. Larger blocks are not
 * looked at. */
#define STF_BLOCK_REPEAT_BYTES 8192

/* A decoded block: band after band, band_bytes apart, rows one behind the other. */
typedef struct stf_block_pixels {
    unsigned char *pixels;
    size_t band_bytes, sample_bytes;
    uint32_t bands, rows, row_px;
} stf_block_pixels;

/* All zero: nothing yet. Of one reader. */
typedef struct stf_block_repeat {
    size_t compressed_bytes;
    uint32_t rows; /* that were decoded of it */
    unsigned char pixel[STF_UNIFORM_MAX_BYTES];
    unsigned char compressed[STF_BLOCK_REPEAT_BYTES];
} stf_block_repeat;

/* Fills the block where it is the last one again; false: it has to be decoded. */
bool stf_block_repeat_fill(const stf_block_repeat *repeat, const void *compressed, size_t compressed_bytes,
                           const stf_block_pixels *block);
/* Looks at a block that was decoded, and keeps it where each of its bands is of one value. */
void stf_block_repeat_keep(stf_block_repeat *repeat, const void *compressed, size_t compressed_bytes,
                           const stf_block_pixels *block);

#ifdef __cplusplus
}
#endif
#endif
