/* What the files of the pyramid share.
 *
 *   overview.c         the order of it all: turns, workers, what follows from a complete tile
 *   overview_margin.c  what tiles leave to their neighbours, and the window composed of it
 *   overview_tiles.c   the open tiles of the levels */
#ifndef STF_OVERVIEW_INTERNAL_H
#define STF_OVERVIEW_INTERNAL_H

#include "cpl_multiproc.h"
#include "overview.h"
#include "overview_open.h"
#include "spill.h"

#define STF_OVERVIEW_VALUES 64u
#define STF_OVERVIEW_CONSTANT (UINT32_MAX - STF_OVERVIEW_VALUES) /* + the number of the value */

/* Where the pixels of an open tile are. */
typedef struct stf_overview_tile_state {
    uint32_t filled_px; /* 0: nothing came yet */
    uint32_t place;     /* a slot, a region, or a constant */
    uint32_t constant;  /* in the spill: a bit for each piece that came while the tile was one value */
} stf_overview_tile_state;

/* One level, and what leads to it from its parent. */
typedef struct stf_overview_link {
    uint32_t level, parent;
    stf_overview_axis x, y;
    uint32_t columns, rows; /* tiles of the parent */
    uint32_t margin_px[2];  /* the most that a tile leaves to the right, and below */
    /* Margins of the parent: for each plane and column the last rows, for each plane and row the last columns; of the
     * mask the same, a byte for each pixel. */
    unsigned char *last_rows, *last_columns, *mask_rows, *mask_columns;
    uint32_t *rows_done; /* for each plane and column: how many tiles are composed */
    uint64_t turn;       /* tiles of the parent that were put into the level */
    uint64_t completed;  /* tiles of the level: each gets the number of its turn in the next one */
    stf_overview_tile_state *tiles;
    stf_pool *slots; /* NULL: in the spill */
    uint64_t regions_free;
} stf_overview_link;

typedef struct stf_overview_complete {
    uint32_t column, row, place;
    uint64_t sequence;
    const stf_uniform *value; /* place is only room in the level's slots, or none; NULL: pixels */
} stf_overview_complete;

/* What one window completed, row by row. */
typedef struct stf_overview_completed {
    uint32_t count, room;
    stf_overview_complete *tiles;
} stf_overview_completed;

typedef struct stf_overview_worker {
    bool charged;
    unsigned char *pages; /* all of the following */
    unsigned char *window, *result, *mask, *spare, *tile;
    size_t window_bytes;
    stf_overview_completed completed[STF_OVERVIEW_LEVELS]; /* by level */
} stf_overview_worker;

struct stf_overview {
    const stf_overview_job *job;
    const stf_overview_shape *shape;
    CPLMutex *mutex; /* over all that changes, but what the turn covers */
    CPLCond *changed;
    uint64_t changes;      /* of what anybody may wait for */
    uint32_t inside, idle; /* workers that bring a tile; ... of these, that wait for another change than the last */
    uint64_t begun, end_sequence; /* tiles brought so far; and one more than the greatest of their numbers */
    bool failed;
    stf_error error;
    size_t pixel_bytes;                           /* of the plane with the most bands */
    stf_overview_link links[STF_OVERVIEW_LEVELS]; /* by level; the first is not used */
    stf_overview_worker *workers;
    stf_spill *spill;
    uint32_t value_count;
    stf_uniform values[STF_OVERVIEW_VALUES];
};

/* A complete tile with its pixels at hand, or one value. */
typedef struct stf_overview_source {
    uint32_t level, plane, column, row;
    uint64_t sequence; /* among the tiles of its level */
    const unsigned char *pixels;
    const stf_uniform *value; /* NULL: pixels */
} stf_overview_source;

/* What a window is computed from. */
typedef struct stf_overview_operand {
    stf_window window; /* in the parent */
    size_t pixel_bytes, row_bytes, mask_row_bytes;
    bool is_uniform; /* value, and nothing is in the worker's window */
    stf_uniform value;
    bool has_mask, mask_is_uniform; /* of one byte */
    unsigned char mask_value;
} stf_overview_operand;

size_t stf_overview_pixel_bytes(const stf_overview_shape *shape, uint32_t plane);
bool stf_overview_is_cancelled(stf_overview *overview, stf_error *err); /* under the mutex */
/* Under the mutex: something changed that somebody may wait for. */
void stf_overview_changed(stf_overview *overview);
/* Under the mutex: waits until it is ready; false: cancelled. All that is waited for comes of tiles that were begun
 * before: where all of them were brought, and all workers wait, nobody ever goes on, and the pyramid fails. */
bool stf_overview_wait(stf_overview *overview, bool (*ready)(const void *context), const void *context, stf_error *err);

/* --- margins */
uint64_t stf_overview_margin_bytes(const stf_overview_shape *shape, uint32_t level, bool with_mask);
bool stf_overview_margins_create(stf_overview *overview, stf_overview_link *link, bool with_mask, stf_error *err);
void stf_overview_margins_destroy(stf_overview_link *link);
/* Takes what the neighbours left, leaves the same for the next ones. They must be there. */
bool stf_overview_compose(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker,
                          const stf_overview_source *source, stf_overview_operand *operand, stf_error *err);

/* Puts the value of a uniform operand into the worker's window. */
void stf_overview_fill(const stf_overview_operand *operand, stf_overview_worker *worker);

/* --- open tiles */
bool stf_overview_tiles_create(stf_overview *overview, stf_overview_link *link, stf_error *err);
void stf_overview_tiles_destroy(stf_overview_link *link);
/* In the turn of the link: puts a window into the tiles that it touches. */
bool stf_overview_put(stf_overview *overview, stf_overview_link *link, uint32_t plane, const stf_window *window,
                      const unsigned char *pixels, const stf_uniform *value, stf_overview_completed *completed,
                      stf_error *err);
/* The pixels of a complete tile: in its slot, or brought from the spill into the worker's tile. */
bool stf_overview_fetch(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker, uint32_t plane,
                        const stf_overview_complete *complete, unsigned char **pixels, stf_error *err);
void stf_overview_let_go(stf_overview *overview, stf_overview_link *link, uint32_t place);

#endif
