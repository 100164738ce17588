/* The figures of one copy, as the STREAMING metadata domain and the debug output show them. */
#ifndef STF_STATS_H
#define STF_STATS_H

#include "cpl_string.h"
#include "plan.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_stats {
    const stf_plan *plan;
    const stf_source_info *source;
    uint64_t peak_bytes, block_decodes, tile_encodes;
    uint64_t spill_bytes, view_spill_bytes; /* of the copy, and of the views it read through */
    uint64_t spool_bytes;
    uint64_t passed_tiles; /* copied as they are */
    const char *kernel;    /* DERIVE: FAST or GDAL; NULL: none */
} stf_stats;

/* CAP_BYTES, REQUESTED_CAP_BYTES, FLOOR_BYTES, PEAK_BYTES, PREDICTED_PEAK_BYTES, SOURCE_KIND, DECODER, SWEEP, STRIPES, SOURCE_BLOCKS,
 * REPEATED_BLOCKS, BLOCK_DECODES, PREDICTED_DECODES, DECODES_BEFORE, DECODES_MEASURED, SPILL_BYTES, PREDICTED_SPILL_BYTES, VIEW_SPILL_BYTES, SPOOL_BYTES, PASSTHROUGH, THREADS, TILE_ENCODES, and with DERIVE: KERNEL.
 * DECODER: who decodes the blocks of the source: DIRECT, the driver by itself, or GDAL; NONE: nobody.
 * PASSTHROUGH: tiles that were copied as they are. SOURCE_BLOCKS are those that are to be decoded: none where tiles are copied
 * as they are, and nothing else (overviews, statistics) is made of them.
 * DECODES_BEFORE are those among BLOCK_DECODES that came before the copy itself (DERIVE: what no window shows).
 * TILE_ENCODES: tiles of all images that were encoded. A tile of one value is encoded once, and its bytes are copied for the
 * others of that value (where threads have the first two at once, twice).
 * SPILL_BYTES is all of it: what the plan foresaw, less the overview tiles that turned out to be of one value, and
 * VIEW_SPILL_BYTES. That is not foreseen: a block that a view decoded
 * ahead is written away where its memory is wanted before the reader comes to it, and which of the two comes first is up to
 * the threads. It is never more than each decoded block once.
 * Free with CSLDestroy. */
char **stf_stats_metadata(const stf_stats *stats);

/* The plan, in a few lines of CPLDebug("StreamTIFF"). */
void stf_stats_debug_plan(const stf_plan *plan, const stf_source_info *source);

#ifdef __cplusplus
}
#endif
#endif
