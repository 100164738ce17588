#include "block_repeat.h"

#include <string.h>

/* By doubling: what is filled already is copied behind itself. */
static void fill_band(unsigned char *pixels, size_t bytes, const unsigned char *sample, size_t sample_bytes) {
    size_t done = sample_bytes;
    memcpy(pixels, sample, sample_bytes);
    while (done < bytes) {
        size_t more = bytes - done < done ? bytes - done : done;
        memcpy(pixels + done, pixels, more);
        done += more;
    }
}

bool stf_block_repeat_fill(const stf_block_repeat *repeat, const void *compressed, size_t compressed_bytes,
                           const stf_block_pixels *block) {
    if (compressed_bytes == 0 || compressed_bytes != repeat->compressed_bytes || block->rows != repeat->rows ||
        memcmp(compressed, repeat->compressed, compressed_bytes) != 0)
        return false;
    for (uint32_t band = 0; band < block->bands; band++)
        fill_band(block->pixels + band * block->band_bytes, block->sample_bytes * block->row_px * block->rows,
                  repeat->pixel + band * block->sample_bytes, block->sample_bytes);
    return true;
}

void stf_block_repeat_keep(stf_block_repeat *repeat, const void *compressed, size_t compressed_bytes,
                           const stf_block_pixels *block) {
    size_t count = (size_t)block->row_px * block->rows;
    stf_uniform value;
    if (compressed_bytes > STF_BLOCK_REPEAT_BYTES || block->bands > STF_UNIFORM_MAX_BYTES / block->sample_bytes)
        return;
    repeat->compressed_bytes = 0;
    for (uint32_t band = 0; band < block->bands; band++) {
        if (!stf_uniform_of_pixels(block->pixels + band * block->band_bytes, block->sample_bytes, count, &value))
            return;
        memcpy(repeat->pixel + band * block->sample_bytes, value.pixel, block->sample_bytes);
    }
    memcpy(repeat->compressed, compressed, compressed_bytes);
    repeat->compressed_bytes = compressed_bytes;
    repeat->rows = block->rows;
}
