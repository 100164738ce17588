/* The pyramid, made in the same pass: a complete tile of the raster yields a window of the level below, which may complete
 * tiles of that level, which yield windows of the next ...
 *
 *     tile is complete -> composed with the last columns and rows of its neighbours, leaves its own to the next ones
 *                      -> resampled (no lock)
 *                      -> put into the open tiles of the level, in the order in which the tiles were begun
 *                      -> those that are complete now: the same; then they are encoded and handed to the sink
 *
 * Any number of workers do this at once, each with a tile of the raster. A level's open tiles lie in memory or, where
 * the plan says so, in a spill, as the pieces in which they came. A tile that is one value so far has no home at all.
 *
 * Nobody waits for what comes later: a tile waits for those to its left and above to be composed, for its turn to be put
 * into the level, and for a slot of the level's pool, which has as many as are open at once in the order of the turns. */
#ifndef STF_OVERVIEW_H
#define STF_OVERVIEW_H

#include "budget.h"
#include "overview_open.h"
#include "resample.h"
#include "uniform.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_overview stf_overview;

/* A complete tile of a level. */
typedef struct stf_overview_tile_info {
    uint32_t level, plane;
    uint64_t tile;    /* its number within the level */
    stf_window valid; /* the part of the level that it holds */
} stf_overview_tile_info;

/* Encodes a tile whose samples lie pixel by pixel in rows of the level's tile width; what is not valid is not filled
 * in. value: all its pixels have it, and pixels is only room (else NULL). capacity: the job's slot_bytes. *data may point
 * into pixels or elsewhere; bytes 0: the tile is left out. Never two calls at once for one worker. */
typedef struct stf_overview_encoder {
    void *context;
    bool (*encode)(void *context, uint32_t worker, const stf_overview_tile_info *info, void *pixels,
                   const stf_uniform *value, const void **data, size_t *bytes, stf_error *err);
} stf_overview_encoder;

/* Takes the tiles of all levels, each once, on any thread. image: the level, counted on from that of the raster. */
typedef struct stf_level_sink {
    void *context;
    bool (*commit)(void *context, uint32_t image, uint64_t tile, const void *data, size_t bytes, stf_error *err);
} stf_level_sink;

/* The dataset's mask, where resampling needs it: the valid part of a tile of a level (0: the raster), a byte for each pixel,
 * not 0 where it counts. Any thread. */
typedef struct stf_overview_mask {
    void *context;
    bool (*read)(void *context, uint32_t level, uint64_t tile, unsigned char *to, size_t row_bytes, stf_error *err);
} stf_overview_mask;

typedef struct stf_overview_job {
    const stf_overview_shape *shape;
    const stf_overview_places *places;
    const stf_resample *resample;
    uint32_t workers;
    size_t slot_bytes;    /* of one tile of a level: its pixels, later its compressed bytes */
    const char *target;   /* the spill goes beside it */
    stf_budget *budget;   /* charged for workers and open tiles; tables are the caller's */
    uint32_t first_image; /* the number of the raster for the sink */
    stf_overview_encoder encoder;
    stf_level_sink sink;
    stf_overview_mask mask;
} stf_overview_job;

/* Of what a worker takes, the part that it can lend while it makes no overviews: see stf_overview_lend. */
uint64_t stf_overview_window_bytes(const stf_overview_shape *shape, const stf_resample *resample);
/* What each worker takes, and the tables: margins, states of tiles. For the account. UINT64_MAX on overflow. */
uint64_t stf_overview_worker_bytes(const stf_overview_shape *shape, const stf_resample *resample,
                                   uint32_t spilled_levels, uint64_t slot_bytes);
uint64_t stf_overview_table_bytes(const stf_overview_shape *shape, bool with_mask);

/* job and all it points at must outlive it. Calling thread. */
stf_overview *stf_overview_create(const stf_overview_job *job, stf_error *err);
void stf_overview_destroy(stf_overview *overview); /* NULL is legal */
/* The worker's window, which is free until it next calls stf_overview_add, and while its encoder is called from there.
 * NULL: no memory. */
void *stf_overview_lend(stf_overview *overview, uint32_t worker, size_t *bytes, stf_error *err);

/* A tile of the raster is complete, the sequence-th (0, 1, 2, ...), in an order in which it comes after those to its left
 * and above. Any thread; never two calls at once for one worker. Returns when all that follows from it has been handed on.
 * pixels: in rows of the tile's width, or NULL: all have the value. Begun tiles must all be brought, or the pyramid cancelled. */
bool stf_overview_add(stf_overview *overview, uint32_t worker, uint64_t sequence, uint64_t tile, const void *pixels,
                      const stf_uniform *value, stf_error *err);
/* Whoever waits inside returns false, with this error. Any thread. */
void stf_overview_cancel(stf_overview *overview, const stf_error *err);

uint64_t stf_overview_spilled_bytes(const stf_overview *overview);

#ifdef __cplusplus
}
#endif
#endif
