/* Where the blocks of a TIFF file lie: its first directory, read by ourselves, so that blocks can be read without libtiff.
 *
 * Only plain directories are understood; anything unusual is left to GDAL, which knows better. Nothing in a file makes us
 * take more memory than the file has bytes: no value is believed before it is held against the file's size and against
 * what the raster's shape asks for. One directory is read, so that none can lead back to itself. */
#ifndef STF_TIFF_INDEX_H
#define STF_TIFF_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "platform.h"
#include "tiff_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_tiff_index {
    bool swapped; /* samples and tags are not in this host's byte order */
    bool tiled;
    bool planes_apart; /* each band has blocks of its own */
    uint32_t width_px, height_px;
    uint32_t block_width_px, block_rows; /* a strip is as wide as the raster, and never taller */
    uint32_t columns, rows;              /* of blocks */
    uint16_t bands, sample_bits, sample_format, compression, predictor, photometric;
    uint64_t blocks; /* of all bands */
    uint64_t file_bytes;
    uint64_t *offsets; /* of each block, band by band where they are apart, row by row */
    uint32_t *counts;  /* compressed bytes; UINT32_MAX: more than that */
} stf_tiff_index;

/* False: why tells what it is that is not understood, or cannot be read; then there is nothing to free. */
bool stf_tiff_index_read(stf_platform_file *file, stf_tiff_index *index, const char **why);
void stf_tiff_index_free(stf_tiff_index *index);

/* Those of the wanted tags that the first directory has, as they are, in the host's byte order; each is of 64 KiB at most. The
 * list is the caller's to free, and empty where this fails. */
bool stf_tiff_index_read_tags(stf_platform_file *file, const uint16_t *wanted, size_t count, stf_tag_list *tags,
                              const char **why);

/* Memory of the tables: 12 bytes a block. */
uint64_t stf_tiff_index_cost_bytes(const stf_tiff_index *index);

/* The number of a block; band (from 0) counts where the bands lie apart. */
uint64_t stf_tiff_index_block(const stf_tiff_index *index, uint32_t band, uint32_t column, uint32_t row);
/* Bytes of one decoded block, full height. UINT64_MAX: more than can be told. */
uint64_t stf_tiff_index_block_bytes(const stf_tiff_index *index);
/* Rows that block row `row` has in the file: a tile has all of them, the last strip only those of the raster. */
uint32_t stf_tiff_index_rows_of(const stf_tiff_index *index, uint32_t row);
bool stf_tiff_index_is_missing(const stf_tiff_index *index, uint64_t block);
/* True where the block lies within the file, and is no larger than any codec can make of it. */
bool stf_tiff_index_is_sound(const stf_tiff_index *index, uint64_t block);
/* Of all sound blocks, the compressed bytes of the largest. */
uint64_t stf_tiff_index_largest_bytes(const stf_tiff_index *index);

#ifdef __cplusplus
}
#endif
#endif
