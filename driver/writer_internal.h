/* What the files of the writer share.
 *
 *   writer.c         making, finishing, and taking down
 *   writer_plan.c    what it takes of the cap
 *   writer_loan.c    what it lends of the cap to views
 *   writer_mask.c    the mask, a writer within the writer: its account, its file, but tiles of its own
 *   writer_cog.c     LAYOUT=COG: from a plain file to one
 *   writer_window.c  windows of the caller's to and from tiles
 *   writer_tiles.c   the states of tiles: slots, spill, eviction
 *   writer_pixels.c  which samples of a tile were written, and those that were not
 *   writer_encode.c  from a complete tile to its bytes, by workers; and back
 *   writer_shape.c   the dataset that is told the raster's properties */
#ifndef STF_WRITER_INTERNAL_H
#define STF_WRITER_INTERNAL_H

#include "copy.h"
#include "cpl_multiproc.h"
#include "lender.h"
#include "messages.h"
#include "spill.h"
#include "writer.h"

typedef enum { STF_TILE_NEVER, STF_TILE_OPEN, STF_TILE_SPILLED, STF_TILE_QUEUED, STF_TILE_WRITTEN } stf_tile_state;

typedef struct stf_writer_tile {
    uint64_t missing; /* samples that were never written; of an open or spilled tile */
    uint32_t place;   /* slot, or region of the spill */
    uint32_t rows;    /* spilled: rows from here on are not in the region yet */
    uint8_t state;
    bool changed; /* open: differs from what the file has */
    bool in_file; /* an earlier version of it was written */
} stf_writer_tile;

typedef struct stf_writer_slot {
    uint64_t tile;
    uint64_t touched; /* the clock when it was last used */
    bool open;        /* its tile is open here; false: free, or queued */
} stf_writer_slot;

/* A tile on its way to the file, in the order of completion. */
typedef enum { STF_WRITER_JOB_WAITS, STF_WRITER_JOB_ENCODING, STF_WRITER_JOB_ENCODED } stf_writer_job_state;
typedef struct stf_writer_job {
    stf_writer_job_state state;
    uint64_t tile;
    uint32_t slot, rows;
    const void *encoded; /* in the slot, or kept as a constant's; NULL: the tile is left out */
    size_t encoded_bytes;
    bool constant;
    stf_uniform value;
} stf_writer_job;

typedef struct stf_writer_worker {
    struct stf_writer *writer;
    CPLJoinableThread *thread;
    stf_encoder *encoder; /* made when it is first needed */
} stf_writer_worker;

#define STF_WRITER_SPILLS 8

struct stf_writer {
    stf_copy copy; /* target, type, raster, options, tags, planes, tiles' format; the rest is a copy's alone */
    char *target;
    GDALDatasetH shape;
    char *shape_folder, *shape_name; /* the file's own name in a folder of its own: messages tell it */
    GDALDatasetH finished;           /* GTiff's dataset of the finished file */
    bool done;                       /* finished, or failed for good */
    bool failed;
    stf_error error;         /* the first one */
    struct stf_writer *mask; /* NULL: there is none */
    bool is_mask;            /* file and account are the other one's, but for a file beside */
    uint32_t image;          /* of the file */
    char *cog_target;        /* LAYOUT=COG: what the target is turned into at the end; or NULL */
    bool reserved;           /* an empty file stands under the name until there is a whole one */
    char **cog_options;
    stf_budget *budget;
    uint64_t cap_bytes, floor_bytes, peak_before_bytes; /* that was before the cap was raised */
    uint64_t lent_bytes;                                /* to views; in the account */
    stf_lender *lender;                                 /* of a mask: the other one's */
    char **figures;
    stf_lease *lease; /* STREAMTIFF_LEASE=YES */

    /* tiles */
    uint64_t tile_count;
    stf_writer_tile *tiles;
    size_t slot_bytes, mask_offset, mask_row_bytes,
        mask_band_bytes; /* of a slot: pixels, then the masks of its samples */
    uint64_t slot_count;
    stf_pool *pool;
    stf_writer_slot *slots;
    uint64_t clock, open_tiles; /* open or spilled */
    size_t record_bytes;        /* of a row in the spill: its pixels, then its masks */
    uint64_t regions_each;      /* of one spill */
    stf_spill *spills[STF_WRITER_SPILLS];
    uint64_t spill_cost_bytes; /* of one */
    unsigned char *record;
    unsigned char missing[16]; /* what a sample that was never written is */
    bool nodata_changed;
    uint64_t decode_bytes, reencoded;

    /* encoding */
    CPLMutex *mutex;
    CPLCond *changed;
    uint32_t thread_count; /* of workers; 0: the caller encodes */
    stf_writer_worker *workers;
    uint64_t encoder_bytes;
    uint64_t job_room, next_commit, next_start, next_queued; /* numbers of jobs; job n lies at n % job_room */
    stf_writer_job *jobs;
    stf_uniform_store *uniforms;
    stf_messages messages;
    bool quit;
    bool worker_failed; /* under the lock */
    stf_error worker_error;
};

/* Keeps the first failure, and raises this one: CE_Failure. */
CPLErr stf_writer_raise(stf_writer *w, const stf_error *err);

/* --- what it takes */

#define STF_WRITER_LEAST_SLOTS 3 /* one that is filled, one that is encoded, one that a tile comes back to */
/* Sizes of slots, records and tables, from the format of tiles and their grid. */
bool stf_writer_describe_slots(stf_writer *w, stf_error *err);
/* Cap, threads and slots. */
bool stf_writer_plan(stf_writer *w, stf_error *err);
bool stf_writer_take_memory(stf_writer *w, stf_error *err);
void stf_writer_give_memory(stf_writer *w);
/* Everything but slots and encoders; so many slots. */
uint64_t stf_writer_fixed_bytes(const stf_writer *w);
uint64_t stf_writer_slots_bytes(const stf_writer *w, uint64_t slots);

/* A cap that does not hold so much is raised, with a warning, or an error where it is strict. what: a noun. */
bool stf_writer_raise_cap(stf_writer *w, uint64_t least_bytes, const char *what, stf_error *err);
bool stf_writer_offer_loans(stf_writer *w, stf_error *err);

/* --- mask and COG */

bool stf_writer_finish_mask(stf_writer *w, stf_error *err); /* its tiles and tags, and the file beside */
void stf_writer_destroy_mask(stf_writer *w);
/* Where the options say LAYOUT=COG: another target, and options for it. *options: to be destroyed. */
bool stf_writer_begin_cog(stf_writer *w, char ***options, stf_error *err);
bool stf_writer_make_cog(stf_writer *w, stf_error *err);

/* --- pixels */

/* Marks samples of a rectangle of an open tile as written; gives how many were not. */
uint64_t stf_writer_mark(const stf_writer *w, unsigned char *mask, uint32_t x, uint32_t width);
/* Puts the missing sample where a row's mask says that none was written. pixels: of the first of the samples. */
void stf_writer_fill_missing(const stf_writer *w, const unsigned char *mask, unsigned char *pixels, uint32_t x,
                             uint32_t width, size_t pixel_bytes);
void stf_writer_fill(const stf_writer *w, unsigned char *samples, uint32_t count, size_t step_bytes);
/* Makes an open tile complete. */
void stf_writer_complete(stf_writer *w, uint64_t tile);
size_t stf_writer_pixel_bytes(const stf_writer *w);
unsigned char *stf_writer_pixels(const stf_writer *w, uint32_t slot);
unsigned char *stf_writer_masks(const stf_writer *w,
                                uint32_t slot); /* of the first sample; others follow, mask_band_bytes each */
/* Reads the shape's nodata value. */
bool stf_writer_read_nodata(stf_writer *w, stf_error *err);

/* --- tiles */

/* Makes a tile ready to be written to: open, or spilled. whole: all that it has is overwritten. */
bool stf_writer_open_tile(stf_writer *w, uint64_t tile, bool whole, stf_error *err);
/* Makes it ready to be read: open, spilled or never written. */
bool stf_writer_show_tile(stf_writer *w, uint64_t tile, stf_error *err);
/* After a write: a complete tile goes to the file. */
bool stf_writer_tile_was_written(stf_writer *w, uint64_t tile, stf_error *err);
/* All tiles to the file; those that were never written, too, unless it is sparse. */
bool stf_writer_finish_tiles(stf_writer *w, stf_error *err);
/* A row of a spilled tile in w->record, its masks and at least these pixels of it; empty where none was written. */
bool stf_writer_load_record(stf_writer *w, const stf_writer_tile *tile, uint32_t row, uint32_t x, uint32_t width,
                            stf_error *err);
bool stf_writer_store_record(stf_writer *w, stf_writer_tile *tile, uint32_t row, uint32_t x, uint32_t width,
                             stf_error *err);
uint64_t stf_writer_spilled_bytes(const stf_writer *w);
/* All tiles leave their slots, of which there are fewer then. */
bool stf_writer_shrink(stf_writer *w, uint64_t slot_count, stf_error *err);

/* --- encoding */

bool stf_writer_start_workers(stf_writer *w, stf_error *err);
void stf_writer_stop_workers(stf_writer *w);
/* A slot whose tile is complete. It is free once the tile is committed. */
bool stf_writer_queue(stf_writer *w, uint64_t tile, uint32_t slot, stf_error *err);
/* Commits what is encoded; waits for the oldest job if wait. False in *any: there is none. */
bool stf_writer_commit_next(stf_writer *w, bool wait, bool *any, stf_error *err);
bool stf_writer_drain(stf_writer *w, stf_error *err);
bool stf_writer_keep_codec_tags(stf_writer *w, stf_error *err);
bool stf_writer_clipped(const stf_writer *w);
/* The pixels of a written tile into a slot. */
bool stf_writer_decode(stf_writer *w, uint64_t tile, uint32_t slot, stf_error *err);
uint32_t stf_writer_tile_rows(const stf_writer *w, const stf_window *valid);

/* --- the shape */

bool stf_writer_make_shape(stf_writer *w, int bands, stf_error *err);
/* Closes it, and takes its tags and side files. */
bool stf_writer_take_shape(stf_writer *w, stf_error *err);
void stf_writer_drop_shape(stf_writer *w);

#endif
