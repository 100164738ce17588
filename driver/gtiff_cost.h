/* What it costs to have GDAL's GTiff driver decode a block: memory outside the buffer it decodes into. */
#ifndef STF_GTIFF_COST_H
#define STF_GTIFF_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of stf_gtiff_reader_bytes, what the first handle of a process takes and what each further one adds to it: dataset and
 * directory, but no codec tables of its own. */
#define STF_GTIFF_HANDLE_BYTES ((uint64_t)384 << 10)
#define STF_GTIFF_FURTHER_HANDLE_BYTES ((uint64_t)64 << 10)

bool stf_gtiff_is(GDALDatasetH dataset);

/* A number GTiff tells of one block of a band ("BLOCK_OFFSET", "BLOCK_SIZE": bytes); 0: the block is missing, or it does not tell. */
uint64_t stf_gtiff_block_item(GDALRasterBandH band, const char *item, uint32_t x, uint32_t y);

/* Memory of one dataset handle that decodes blocks of these bands (counted from 0): directory, the
 * largest compressed block, the codec's copies, and for bands stored together the tile before they
 * are told apart. For any other driver only the part that every handle takes. */
uint64_t stf_gtiff_reader_bytes(GDALDatasetH dataset, uint32_t first_band, uint32_t bands);

#ifdef __cplusplus
}
#endif
#endif
