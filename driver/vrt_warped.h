/* What a warped VRT holds of its source in GDAL's cache while it is read block by block.
 *
 * The warper reads, for each block of the VRT, the source window that the block maps to, widened by its
 * resampling kernel. Here the corners, edge middles and centre of each block are taken through the same
 * transformer; the source blocks under their bounding box, widened, are what the block touches. */
#ifndef STF_VRT_WARPED_H
#define STF_VRT_WARPED_H

#include <stdbool.h>
#include <stdint.h>

#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_vrt_warped {
    uint64_t span_bytes;    /* the most that two rows of units one above the other touch, over the whole width */
    uint64_t block_bytes;   /* one source block in the cache, of all bands that one decode brings in */
    uint64_t source_blocks; /* distinct blocks touched */
    uint64_t reader_bytes;  /* of the source's handle, and of the warper's buffers for one unit */
} stf_vrt_warped;

/* unit_rows: height of a unit in VRT pixels. False where the dataset is no warped VRT of one source that
 * can be opened by its name and transformed. Calling thread: uses PROJ. */
bool stf_vrt_warped_read(GDALDatasetH vrt, uint32_t unit_columns, uint32_t unit_rows, stf_vrt_warped *warped);

#ifdef __cplusplus
}
#endif
#endif
