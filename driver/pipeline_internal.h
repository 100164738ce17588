/* What the files of the pipeline share.
 *
 *   pipeline.c          reading, filling, committing; threads
 *   pipeline_encode.c   from a complete tile to its bytes, and those of the overview tiles that it makes possible */
#ifndef STF_PIPELINE_INTERNAL_H
#define STF_PIPELINE_INTERNAL_H

#include "cpl_multiproc.h"
#include "messages.h"
#include "pipeline.h"

/* A unit between its read and the moment its last pixel has been filled in. */
typedef struct stf_unit_slot {
    stf_unit unit;
    stf_unit_pixels pixels;
    uint32_t buffer;
    bool ready;
} stf_unit_slot;

typedef struct stf_reader_state {
    bool charged; /* it has read, and is in the account */
    bool busy;
} stf_reader_state;

/* A complete tile on its way to the file. */
typedef enum { JOB_WAITS, JOB_ENCODING, JOB_ENCODED, JOB_COMMITTED } stf_job_state;
typedef struct stf_tile_job {
    stf_job_state state;
    uint64_t tile;
    uint64_t sequence;   /* in the order of completion */
    uint32_t slot;       /* STF_NO_SLOT: still in the spill, or a constant; or no longer needed */
    const void *encoded; /* in the slot, or kept as what a constant comes to */
    size_t encoded_bytes;
    uint32_t rows; /* encoded ones */
    bool constant; /* value is known, and worth keeping */
    stf_uniform value;
} stf_tile_job;

typedef struct stf_pipeline {
    const stf_pipeline_job *job;
    CPLMutex *mutex; /* over everything below */
    CPLCond *changed;
    stf_pool *slots, *buffers;
    stf_spill *spill;
    stf_assembly *assembly;
    stf_messages messages;
    stf_error error;
    bool failed;

    stf_walk walk;
    bool walk_done;
    uint64_t next_read, next_fill; /* numbers of units */
    uint64_t unit_count;
    stf_unit_slot *units; /* ring, by number modulo unit_buffers */
    stf_reader_state *readers;
    bool filling;
    bool touch_begun; /* the unit next_fill is partly filled in; touch says how far */
    stf_touch touch;
    uint64_t touch_tile; /* the next tile to fill, where touch_begun */

    uint64_t next_complete, next_start, next_commit; /* tiles in the order of completion */
    uint64_t tile_count;
    stf_tile_job *jobs; /* ring, by that order */
    uint64_t job_room;
    stf_uniform_store *uniforms;
    stf_encoder **encoders;       /* one for each worker, made when first used */
    stf_encoder **level_encoders; /* where tiles of overviews are encoded otherwise */
    stf_uniform_store *level_uniforms;
    stf_overview *overview; /* NULL: no overviews */
    stf_overview_job overview_job;
    uint64_t encodes; /* tiles that were encoded, not those that were left out or came to bytes that were kept */
    double told;      /* the progress last reported */
    uint64_t steps;   /* that were done */
    uint32_t threads; /* at work, the caller's included */
    uint32_t idle;    /* threads that found nothing to do since the last step was done */
} stf_pipeline;

/* The lock covers all of it, but where a comment says otherwise. */
void stf_pipeline_lock(stf_pipeline *p);
void stf_pipeline_unlock(stf_pipeline *p);
/* Under the lock: keeps the first error and wakes everybody. */
void stf_pipeline_fail(stf_pipeline *p, const stf_error *err);

/* Under the lock, which it leaves meanwhile: hands an encoded tile to the sink. */
void stf_pipeline_commit(stf_pipeline *p, stf_tile_job *job);
/* Under the lock: takes up the next complete tile, if there is one that can be. */
bool stf_pipeline_step_encode(stf_pipeline *p, uint32_t number);
/* Makes and frees what encoding needs. */
bool stf_pipeline_encode_set_up(stf_pipeline *p, stf_error *err);
void stf_pipeline_encode_take_down(stf_pipeline *p);
/* After the last tile: the codec's tags, and whether samples were clipped. */
bool stf_pipeline_encode_finish(stf_pipeline *p, stf_pipeline_result *result, stf_error *err);

#endif
