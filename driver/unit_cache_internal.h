/* Shared by the unit_cache_*.c files and by nobody else. */
#ifndef STF_UNIT_CACHE_INTERNAL_H
#define STF_UNIT_CACHE_INTERNAL_H

#include "cpl_multiproc.h"
#include "messages.h"
#include "read_pattern.h"
#include "spill.h"
#include "unit_cache.h"
#include "unit_table.h"

#define STF_CACHE_READERS 4u

/* A place in the order of units: group by group, row by row. */
typedef struct stf_unit_place {
    uint32_t group, row, column;
} stf_unit_place;

/* What the reader asks for now; read by workers. */
typedef struct stf_unit_request {
    bool active;
    stf_window window;
    bool whole_width;
    stf_unit_place at;   /* where the reader is */
    stf_unit_place scan; /* workers have seen to everything before */
    bool scanned;        /* ... and to all of it */
} stf_unit_request;

/* What is decoded ahead in one group: the row of units below the request. */
typedef struct stf_unit_ahead {
    bool wanted;                        /* the request has bands of the group */
    bool seen;                          /* some request had */
    uint32_t row, first_column, column; /* workers have seen to the columns before */
} stf_unit_ahead;

/* A few rows of one band of a spilled unit. */
typedef struct stf_unit_piece {
    uint64_t key; /* of the unit, plus one; 0: empty */
    uint32_t first_row, rows;
} stf_unit_piece;

typedef struct stf_unit_worker {
    struct stf_unit_cache *cache;
    uint32_t reader;
    char **config; /* the reading thread's configuration options */
    CPLJoinableThread *thread;
} stf_unit_worker;

struct stf_unit_cache {
    stf_unit_cache_job job;
    stf_unit_cache_size size;
    uint64_t *first_key;   /* of each group */
    uint64_t *first_piece; /* of each group */
    uint64_t fixed_charge_bytes;

    CPLMutex *mutex; /* over all that follows, but for bounce and pieces, which are the reading thread's own */
    CPLCond *changed;
    stf_unit_table *table;
    uint32_t slots_used; /* entries with memory */
    uint32_t slots_made; /* mappings, free ones included */
    uint32_t free_count;
    void **free_memory;
    stf_spill *spill; /* made when first needed */
    uint64_t clock;
    stf_read_pattern pattern;
    stf_unit_request request;
    stf_unit_ahead *ahead; /* for each group */
    bool reader_charged[STF_CACHE_READERS];
    stf_unit_worker workers[STF_CACHE_READERS];
    uint32_t workers_started;
    bool quit;
    bool stalled; /* a worker failed: nothing is decoded ahead any more, and the reader will meet the error itself */
    uint64_t units_read;
    stf_messages messages;

    unsigned char *bounce;
    stf_unit_piece *pieces;
    unsigned char *piece_pixels;
    uint64_t pieces_charge_bytes;
    uint64_t spill_read_bytes;
};

void stf_unit_cache_lock(stf_unit_cache *cache);
void stf_unit_cache_unlock(stf_unit_cache *cache);

/* --- unit_cache_memory.c: all under the lock, some let go of it meanwhile ------------------------- */

/* Slots that units may stay in: the others are for those being decoded. */
uint32_t stf_unit_cache_resident_slots(const stf_unit_cache *cache);
/* Drops a unit that lies above all that is asked for; false: there is none. */
bool stf_unit_cache_drop_dead(stf_unit_cache *cache);
/* Makes a slot free, or waits for a worker to finish, whichever can be done. Reading thread. */
bool stf_unit_cache_make_room(stf_unit_cache *cache, stf_error *err);
/* After the reader used a unit: what is over the resident slots leaves. Reading thread. */
bool stf_unit_cache_settle(stf_unit_cache *cache, stf_error *err);
/* Moves a unit in memory to the spill, which is there; the lock is let go of meanwhile. */
bool stf_unit_cache_spill_unit(stf_unit_cache *cache, uint32_t number, stf_error *err);
/* Takes memory for a new entry of this unit and decodes it; the lock is let go of meanwhile. There is a free slot. *number: the
 * entry, READY. */
bool stf_unit_cache_decode(stf_unit_cache *cache, uint32_t reader, const stf_unit *unit, uint32_t *number,
                           stf_error *err);
void stf_unit_cache_release_memory(stf_unit_cache *cache); /* mappings that no entry uses */
void stf_unit_cache_drop_all(stf_unit_cache *cache);       /* when no worker runs */

/* --- unit_cache_ahead.c ------------------------------------------------------------------------ */

stf_unit stf_unit_cache_unit_at(const stf_unit_cache *cache, const stf_unit_place *place);
stf_unit_place stf_unit_cache_first_place(const stf_unit_cache *cache, uint32_t group);
/* The next place of the request in bands that are wanted; false: there is none. */
bool stf_unit_cache_next_place(const stf_unit_cache *cache, stf_unit_place *place);
void stf_unit_cache_begin_request(stf_unit_cache *cache, const stf_window *window); /* ahead[].wanted is set */
/* Starts what workers the size allows and are not there yet. Reading thread, under the lock. */
bool stf_unit_cache_start_workers(stf_unit_cache *cache, stf_error *err);
void stf_unit_cache_stop_workers(stf_unit_cache *cache); /* not under the lock */

#endif
