/* Decoded units of a source, for a reader that asks for windows: mostly, but not only, from top to bottom.
 *
 *     source --decode--> memory (slots) --when crowded--> spill (regions)
 *                          |                                 |  a few rows at a time (pieces)
 *                          +-----------> the reader <--------+
 *
 * A unit is decoded once as long as the reader goes down, by whole rows of the raster or by windows over two rows of units at
 * most: what it may still need and memory cannot hold is written to the spill, once, and read back in pieces. What lies above
 * the reader's window is dropped. Beside the reader workers decode what it has asked for and not come to yet, and the units
 * below. A reader that jumps about gets what it asks for, too, but nothing is decoded ahead or spilled for it, and units may be
 * decoded again.
 *
 * It cannot come to a standstill: the reader holds on to one unit at a time, and waits only while a worker decodes or
 * spills; both end. Workers leave one slot to the reader. When the reader finds no slot, any unit that is neither
 * being decoded nor being written leaves.
 *
 * One thread at a time reads; sizes are changed, and the cache is destroyed, between reads. */
#ifndef STF_UNIT_CACHE_H
#define STF_UNIT_CACHE_H

#include "budget.h"
#include "pipeline.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What it caches. Everything must outlive the cache. */
typedef struct stf_unit_cache_job {
    const stf_group *groups;
    uint32_t group_count;
    uint32_t width_px;
    uint32_t sample_bytes;
    uint64_t unit_bytes, reader_bytes; /* as in stf_demand */
    uint64_t kept_bytes;               /* what the source holds, whatever the readers are */
    bool parallel_read;                /* else only the calling thread decodes */
    uint32_t threads;                  /* the most that may decode, the calling one included; >= 1 */
    stf_unit_source source;            /* units have the number: group by group, row by row */
    /* Calling thread, before that many readers are used; NULL: nothing to do. */
    bool (*open_readers)(void *context, uint32_t readers, stf_error *err);
    const char *target; /* the spill goes beside it; NULL: where temporary files go */
    stf_budget *budget; /* charged for all that the cache holds */
} stf_unit_cache_job;

/* What a cache is given of the memory. */
typedef struct stf_unit_cache_size {
    uint32_t slots;      /* units in memory, those being decoded included; >= readers */
    uint32_t readers;    /* >= 1 */
    uint32_t piece_rows; /* of a spilled unit that are read back together; 0: only those asked for */
} stf_unit_cache_size;

/* --- sizes: pure ------------------------------------------------------------------------------- */

/* Units side by side of the first so many groups: one row of them is what a sweep by rows needs at once. */
uint64_t stf_unit_cache_row_units(const stf_unit_cache_job *job, uint32_t groups);
/* The least: one unit, one reader, the spill. */
uint64_t stf_unit_cache_floor_bytes(const stf_unit_cache_job *job);
/* So many rows of units in memory, and two readers; with 1 or more a sweep by rows spills nothing. */
uint64_t stf_unit_cache_wanted_bytes(const stf_unit_cache_job *job, uint64_t row_units, uint32_t rows);
uint64_t stf_unit_cache_need_bytes(const stf_unit_cache_job *job, const stf_unit_cache_size *size);
/* The best size within cap_bytes; for a cap below the floor: the floor's. */
stf_unit_cache_size stf_unit_cache_size_for(const stf_unit_cache_job *job, uint64_t cap_bytes);
/* Bytes a sweep by rows spills with so much memory: an estimate, to weigh sizes by. */
uint64_t stf_unit_cache_spill_estimate(const stf_unit_cache_job *job, uint64_t row_units, uint64_t cap_bytes);

uint32_t stf_unit_cache_most_slots(const stf_unit_cache_job *job);
uint64_t stf_unit_cache_regions(const stf_unit_cache_job *job);
uint64_t stf_unit_cache_bounce_bytes(const stf_unit_cache_job *job);
uint64_t stf_unit_cache_piece_row_bytes(const stf_unit_cache_job *job); /* of one piece */
uint64_t stf_unit_cache_pieces(const stf_unit_cache_job *job);

/* --- the cache --------------------------------------------------------------------------------- */

typedef struct stf_unit_cache stf_unit_cache;

typedef struct stf_unit_cache_figures {
    uint64_t units_read; /* decodes, failed ones not counted */
    uint64_t spill_bytes, spill_read_bytes;
    uint32_t groups_seen; /* how many groups were asked for so far */
} stf_unit_cache_figures;

/* Charges the fixed part to the budget. NULL on failure. */
stf_unit_cache *stf_unit_cache_create(const stf_unit_cache_job *job, const stf_unit_cache_size *size, stf_error *err);
void stf_unit_cache_destroy(stf_unit_cache *cache); /* waits for the workers; NULL is legal */
/* Gives up what is over the new size, spilling what may still be needed. */
bool stf_unit_cache_resize(stf_unit_cache *cache, const stf_unit_cache_size *size, stf_error *err);

/* Hands out pixels: part (in the raster's pixels) of the band at index in the request's list. Outside of all locks, on the
 * reading thread. False: the request ends there. */
typedef bool (*stf_unit_deliver)(void *context, uint32_t index, const stf_window *part, const unsigned char *pixels,
                                 size_t row_bytes, stf_error *err);

/* Delivers all of window in these bands (counted from 0). Raises, as warnings, what workers were told meanwhile. */
bool stf_unit_cache_read(stf_unit_cache *cache, const stf_window *window, const uint32_t *bands, uint32_t band_count,
                         stf_unit_deliver deliver, void *context, stf_error *err);

stf_unit_cache_figures stf_unit_cache_tell(stf_unit_cache *cache);

#ifdef __cplusplus
}
#endif
#endif
