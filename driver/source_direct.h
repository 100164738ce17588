/* Blocks of a plain GeoTIFF read by their places in the file and decoded by ourselves, for BLOCKS sources.
 *
 *   file --pread--> compressed block --codec--> samples --predictor undone, bytes turned, bands told apart--> unit
 *
 * One descriptor and one table of places serve all readers; a reader has a buffer for the largest compressed block, what its
 * codec works in, and one decoded block where bands lie together in it. Nothing of GDAL's is used while reading.
 *
 * Which pixels a dataset shows is GDAL's to say. So what is read directly is only what needs no word from it: the directory is
 * plain (tiff_index.h), the codec is one of ours, and all that GDAL tells of the dataset agrees with it, down to
 * where blocks lie. */
#ifndef STF_SOURCE_DIRECT_H
#define STF_SOURCE_DIRECT_H

#include "gdal.h"
#include "platform.h"
#include "status.h"
#include "tiff_index.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The file that a dataset of GTiff has open, read-only, and where its blocks lie, whatever their codec: all that GDAL tells of
 * the dataset agrees with it. found: the file that it is known to have open. NULL: it cannot be read so, and why
 * says what is in the way. Closed, and the index freed, by the caller. Calling thread. */
stf_platform_file *stf_direct_open_file(GDALDatasetH dataset, const stf_platform_open *found, stf_tiff_index *index,
                                        const char **why);

typedef struct stf_direct stf_direct;

/* dataset: of GTiff, read-only. found: the file that it is known to have open. NULL: it cannot be, and why says what is in
 * the way. Calling thread. */
stf_direct *stf_direct_open(GDALDatasetH dataset, const stf_platform_open *found, const char **why);
void stf_direct_close(stf_direct *direct); /* NULL is legal */

const stf_tiff_index *stf_direct_index(const stf_direct *direct);
bool stf_direct_is_compressed(const stf_direct *direct);
uint64_t stf_direct_kept_bytes(const stf_direct *direct);   /* whatever the readers are */
uint64_t stf_direct_reader_bytes(const stf_direct *direct); /* of each of them */

/* Calling thread, while none reads. */
bool stf_direct_open_readers(stf_direct *direct, uint32_t readers, stf_error *err);

/* Reads the block that holds a band (from 0), with all bands that lie in it: band after band, band_bytes apart, rows as wide as
 * the block. to: room for whole blocks. Each reader is used by one thread at a time. A block that is missing, lies beyond
 * the end of the file, or does not decode to a block's samples is a failure. */
bool stf_direct_read(stf_direct *direct, uint32_t reader, uint32_t band, uint32_t column, uint32_t row,
                     unsigned char *to, size_t band_bytes, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
