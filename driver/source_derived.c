/* What an operator makes of another source, window by window, each block of that one decoded once.
 *
 * A block yields the pixels of the result that lie one halo inside of it, once the last 2 * halo rows above it and
 * the last 2 * halo columns to its left are there. So the units of a derived source are those of the inner one
 * moved up and left by the halo (at the raster's edges they reach the edge), and nothing but those rows and
 * columns is kept between units: 2 * halo rows of the raster's width, and columns of its height.
 *
 *       kept rows  . . . . . . . . . .
 *       kept    . +-------------------+
 *       columns . |  block            |        the unit: [x0 - h, x1 - h) x [y0 - h, y1 - h)
 *               . |                   |        of the block [x0, x1) x [y0, y1)
 *               . +-------------------+
 *
 * Rows are kept for each unit column (the corner above the kept columns is in them), columns for each
 * unit row. Both neighbours come before a unit in the visiting order. A reader that is ahead of another waits for it: lower
 * numbers never wait for higher ones, and what is waited for is only that the block was decoded, not what is made of it.
 *
 * A unit's buffer holds the block, the composed window, and the result, each over what is used up of the one before. */
#include "source.h"

#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_vsi.h"
#include "messages.h"

#define ALIGN_BYTES 64
#define RUN_BYTES ((uint64_t)512 << 10) /* of the result in one run of the operator: large enough to be worth a run */
#define RUN_ROWS_AT_LEAST 16

typedef struct derived_state {
    const stf_operator *op;
    uint32_t inner_group, group_band; /* where the band is */
    stf_axis inner_x, inner_y;
    uint32_t margin_px; /* 2 * halo */
    uint32_t run_rows;
    unsigned char *rows, *columns; /* what is kept */
    CPLMutex *mutex;               /* over what follows */
    CPLCond *changed;
    uint32_t *rows_done; /* for each unit column: how many of its units have been composed */
    bool failed;
    stf_error error;
} derived_state;

/* --- where things are -------------------------------------------------------------------------- */

/* One direction of a unit: cells of the inner source, their pixels, and where the margin before them begins. */
typedef struct span {
    uint32_t first_cell, last_cell;
    uint32_t margin, begin, end;
} span;

static span span_of(const stf_axis *inner, const stf_axis *derived, uint32_t cell, uint32_t margin_px) {
    span s;
    s.first_cell = cell > 0 ? cell + derived->joined_cells : 0;
    s.last_cell = cell + derived->joined_cells;
    s.begin = stf_axis_start(inner, s.first_cell);
    s.end = stf_axis_start(inner, s.last_cell + 1);
    s.margin = s.begin > margin_px ? s.begin - margin_px : 0;
    return s;
}

/* Byte offsets in a unit's buffer, which begins with the result. */
typedef struct layout {
    span x, y;
    size_t source_row_bytes, result_row_bytes;
    size_t composed; /* first pixel of the composed window */
    size_t block;    /* what the inner source delivers */
} layout;

static size_t aligned(size_t bytes) {
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

/* The window begins late enough for the result to grow over rows that are used up, and for those alone; and the block
 * late enough for its rows to be moved to their places in the window from the first one on. */
static layout layout_of(const stf_source *source, const stf_unit *unit) {
    const derived_state *state = source->state;
    const stf_operator *op = state->op;
    const stf_group *group = &source->info.groups[0];
    layout l;
    l.x = span_of(&state->inner_x, &group->x, unit->column, state->margin_px);
    l.y = span_of(&state->inner_y, &group->y, unit->row, state->margin_px);
    size_t width = l.x.end - l.x.margin, own_width = l.x.end - l.x.begin, own_rows = l.y.end - l.y.begin;
    l.source_row_bytes = (width + 2 * op->pad_px) * op->source_bytes;
    l.result_row_bytes = (size_t)unit->window.width * op->bands * op->sample_bytes;
    size_t ahead_rows = op->halo_px > unit->window.y - l.y.margin ? op->halo_px - (unit->window.y - l.y.margin) : 0;
    size_t ahead = (ahead_rows > 0 ? ahead_rows : 1) * l.source_row_bytes;
    if (l.result_row_bytes > l.source_row_bytes)
        ahead += unit->window.height * (l.result_row_bytes - l.source_row_bytes);
    size_t rows_at = aligned(ahead);
    l.composed = rows_at + (size_t)op->pad_px * op->source_bytes;
    size_t end = rows_at + (l.y.end - l.y.margin) * l.source_row_bytes;
    size_t own =
        l.composed + (l.y.begin - l.y.margin) * l.source_row_bytes + (l.x.begin - l.x.margin) * op->source_bytes;
    bool one_block = l.x.first_cell == l.x.last_cell && l.y.first_cell == l.y.last_cell;
    l.block = aligned(one_block ? own + own_rows * (l.source_row_bytes - own_width * op->source_bytes) : end);
    return l;
}

static uint64_t longest_span(const stf_axis *inner, const stf_axis *derived, uint32_t margin_px) {
    uint64_t longest = 0;
    for (uint32_t cell = 0; cell < derived->cells; cell++) {
        span s = span_of(inner, derived, cell, margin_px);
        if (s.end - s.margin > longest)
            longest = s.end - s.margin;
    }
    return longest;
}

/* The largest that layout_of comes to, each of its parts at its largest. */
static uint64_t unit_bytes(const stf_source *source) {
    const derived_state *state = source->state;
    const stf_operator *op = state->op;
    const stf_group *group = &source->info.groups[0];
    uint64_t width = longest_span(&state->inner_x, &group->x, state->margin_px);
    uint64_t rows = longest_span(&state->inner_y, &group->y, state->margin_px);
    uint64_t pads_bytes = (uint64_t)(2 * op->pad_px + state->margin_px) * op->source_bytes;
    uint64_t source_row = stf_mul(width + 2 * op->pad_px, op->source_bytes);
    uint64_t source_px = op->source_bytes, result_px = (uint64_t)op->bands * op->sample_bytes;
    uint64_t ahead = stf_mul(op->halo_px > 0 ? op->halo_px : 1, source_row);
    if (result_px > source_px)
        ahead = stf_add(
            ahead, stf_mul(stf_mul(stf_axis_longest(&group->y), stf_axis_longest(&group->x)), result_px - source_px));
    uint64_t end = stf_add(stf_add(ahead, ALIGN_BYTES), stf_mul(rows, source_row));
    bool one_block = group->x.joined_cells == 0 && group->y.joined_cells == 0;
    uint64_t block = !one_block ? end
                                : stf_add(stf_add(ahead, stf_mul(state->margin_px, source_row)),
                                          stf_add(stf_mul(stf_axis_longest(&state->inner_y), pads_bytes), pads_bytes));
    uint64_t with_block = stf_add(stf_add(block, 2 * ALIGN_BYTES), source->inner->info.unit_bytes);
    return with_block > end ? with_block : end;
}

/* --- what is kept ------------------------------------------------------------------------------ */

/* Kept rows of one unit column lie one after the other, as wide as its window. */
static unsigned char *kept_rows(const derived_state *state, const layout *l, uint32_t column) {
    size_t before_px = column > 0 ? l->x.begin + (size_t)state->margin_px * column : 0;
    return state->rows + before_px * state->margin_px * state->op->source_bytes;
}

static unsigned char *kept_columns(const derived_state *state, const layout *l) {
    return state->columns + (size_t)l->y.begin * state->margin_px * state->op->source_bytes;
}

static uint64_t kept_rows_bytes(const derived_state *state, uint32_t unit_columns) {
    uint64_t px = stf_add(state->inner_x.size_px, stf_mul(state->margin_px, unit_columns));
    return stf_mul(stf_mul(px, state->margin_px), state->op->source_bytes);
}

static uint64_t kept_columns_bytes(const derived_state *state) {
    return stf_mul(stf_mul(state->inner_y.size_px, state->margin_px), state->op->source_bytes);
}

static void move_rows(unsigned char *to, size_t to_row, const unsigned char *from, size_t from_row, size_t row_bytes,
                      size_t rows) {
    for (size_t row = 0; row < rows; row++)
        memmove(to + row * to_row, from + row * from_row, row_bytes);
}

/* Takes what the neighbours left, and leaves the same for the next ones in its place. */
static void exchange_margins(const derived_state *state, const layout *l, const stf_unit *unit, unsigned char *buffer) {
    size_t px = state->op->source_bytes, row = l->source_row_bytes;
    size_t width = l->x.end - l->x.margin, left = l->x.begin - l->x.margin;
    size_t above = l->y.begin - l->y.margin, own_rows = l->y.end - l->y.begin;
    unsigned char *window = buffer + l->composed, *rows = kept_rows(state, l, unit->column);
    unsigned char *columns = kept_columns(state, l);
    move_rows(window, row, rows, width * px, width * px, above);
    move_rows(window + above * row, row, columns, left * px, left * px, own_rows);
    size_t right = l->x.end < state->margin_px ? l->x.end : state->margin_px;
    size_t below = l->y.end < state->margin_px ? l->y.end : state->margin_px;
    move_rows(columns, right * px, window + above * row + (width - right) * px, row, right * px, own_rows);
    move_rows(rows, width * px, window + (above + own_rows - below) * row, row, width * px, below);
}

static void fail_all(derived_state *state, const stf_error *err) {
    CPLAcquireMutex(state->mutex, 1000.0);
    if (!state->failed)
        state->error = *err;
    state->failed = true;
    CPLCondBroadcast(state->changed);
    CPLReleaseMutex(state->mutex);
}

/* Until the units to the left and above have been composed. */
static bool wait_for_neighbours(derived_state *state, const stf_unit *unit, stf_error *err) {
    CPLAcquireMutex(state->mutex, 1000.0);
    while (!state->failed && (state->rows_done[unit->column] < unit->row ||
                              (unit->column > 0 && state->rows_done[unit->column - 1] <= unit->row)))
        CPLCondWait(state->changed, state->mutex);
    bool go_on = !state->failed;
    if (!go_on)
        *err = state->error;
    CPLReleaseMutex(state->mutex);
    return go_on;
}

static void tell_neighbours(derived_state *state, const stf_unit *unit) {
    CPLAcquireMutex(state->mutex, 1000.0);
    state->rows_done[unit->column] = unit->row + 1;
    CPLCondBroadcast(state->changed);
    CPLReleaseMutex(state->mutex);
}

/* --- reading ----------------------------------------------------------------------------------- */

static void place_block(const derived_state *state, const layout *l, const stf_unit *inner,
                        const stf_unit_pixels *pixels, unsigned char *buffer) {
    size_t px = state->op->source_bytes;
    unsigned char *to = buffer + l->composed + (inner->window.y - l->y.margin) * l->source_row_bytes +
                        (inner->window.x - l->x.margin) * px;
    if (!pixels->constant) {
        move_rows(to, l->source_row_bytes, pixels->pixels + state->group_band * pixels->band_bytes, pixels->row_bytes,
                  inner->window.width * px, inner->window.height);
        return;
    }
    for (uint32_t row = 0; row < inner->window.height; row++)
        for (uint32_t x = 0; x < inner->window.width; x++)
            memcpy(to + row * l->source_row_bytes + x * px, pixels->value, px);
}

static bool read_inner(stf_source *source, uint32_t reader, const stf_unit *unit, const layout *l,
                       unsigned char *buffer, stf_error *err) {
    const derived_state *state = source->state;
    stf_unit inner = *unit;
    inner.group = state->inner_group;
    for (inner.row = l->y.first_cell; inner.row <= l->y.last_cell; inner.row++)
        for (inner.column = l->x.first_cell; inner.column <= l->x.last_cell; inner.column++) {
            stf_unit_pixels pixels;
            inner.window.x = stf_axis_start(&state->inner_x, inner.column);
            inner.window.y = stf_axis_start(&state->inner_y, inner.row);
            inner.window.width = stf_axis_length(&state->inner_x, inner.column);
            inner.window.height = stf_axis_length(&state->inner_y, inner.row);
            if (!stf_source_read_unit(source->inner, reader, &inner, buffer + l->block, &pixels, err))
                return false;
            place_block(state, l, &inner, &pixels, buffer);
        }
    return true;
}

static bool compute(const derived_state *state, const stf_unit *unit, const layout *l, unsigned char *buffer,
                    stf_error *err) {
    const stf_operator *op = state->op;
    stf_operand operand = {buffer + l->composed,
                           l->source_row_bytes,
                           {l->x.margin, l->y.margin, l->x.end - l->x.margin, l->y.end - l->y.margin}};
    for (uint32_t done = 0; done < unit->window.height; done += state->run_rows) {
        uint32_t rows = unit->window.height - done < state->run_rows ? unit->window.height - done : state->run_rows;
        stf_operator_result result = {buffer + done * l->result_row_bytes,
                                      l->result_row_bytes,
                                      (size_t)unit->window.width * op->sample_bytes,
                                      {unit->window.x, unit->window.y + done, unit->window.width, rows}};
        if (!op->run(op->context, &operand, &result, err))
            return false;
    }
    return true;
}

static bool compose(stf_source *source, uint32_t reader, const stf_unit *unit, const layout *l, unsigned char *buffer,
                    stf_error *err) {
    derived_state *state = source->state;
    if (!read_inner(source, reader, unit, l, buffer, err))
        return false;
    if (state->margin_px == 0)
        return true;
    if (!wait_for_neighbours(state, unit, err))
        return false;
    exchange_margins(state, l, unit, buffer);
    tell_neighbours(state, unit);
    return true;
}

static bool read_derived(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                         stf_unit_pixels *pixels, stf_error *err) {
    derived_state *state = source->state;
    layout l = layout_of(source, unit);
    if (!compose(source, reader, unit, &l, buffer, err) || !compute(state, unit, &l, buffer, err)) {
        fail_all(state, err);
        return false;
    }
    pixels->pixels = buffer;
    pixels->row_bytes = l.result_row_bytes;
    pixels->band_bytes = (size_t)unit->window.width * state->op->sample_bytes;
    return true;
}

/* --- opening and closing ----------------------------------------------------------------------- */

static bool open_readers(stf_source *source, uint32_t readers, stf_error *err) {
    derived_state *state = source->state;
    uint32_t columns = source->info.groups[0].x.cells;
    source->info.shared.points = NULL; /* the inner source's, and gone with its open_readers */
    state->mutex = CPLCreateMutex();
    if (state->mutex)
        CPLReleaseMutex(state->mutex);
    state->changed = CPLCreateCond();
    state->rows_done = VSICalloc(columns, sizeof *state->rows_done);
    /* One byte more: without a margin there is nothing to be kept. */
    state->rows = VSIMalloc((size_t)kept_rows_bytes(state, columns) + 1);
    state->columns = VSIMalloc((size_t)kept_columns_bytes(state) + 1);
    if (!state->mutex || !state->changed || !state->rows_done || !state->rows || !state->columns)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for what is kept between windows");
    return !source->inner->open_readers || source->inner->open_readers(source->inner, readers, err);
}

static void close_derived(stf_source *source) {
    derived_state *state = source->state;
    VSIFree(state->rows);
    VSIFree(state->columns);
    VSIFree(state->rows_done);
    if (state->changed)
        CPLDestroyCond(state->changed);
    if (state->mutex)
        CPLDestroyMutex(state->mutex);
    VSIFree(state);
}

static uint32_t run_rows_of(const stf_operator *op, const stf_group *group) {
    uint64_t row_bytes = (uint64_t)stf_axis_longest(&group->x) * op->bands * op->sample_bytes;
    uint64_t rows = RUN_BYTES / row_bytes;
    uint32_t most = stf_axis_longest(&group->y);
    if (rows < RUN_ROWS_AT_LEAST)
        rows = RUN_ROWS_AT_LEAST;
    if (op->most_rows > 0 && rows > op->most_rows)
        rows = op->most_rows;
    return rows < most ? (uint32_t)rows : most;
}

/* Of those of the inner source the ones that are of this band. */
static uint64_t blocks_of_band(const stf_source *source) {
    const derived_state *state = source->state;
    const stf_source_info *inner = &source->inner->info;
    return inner->group_blocks ? inner->group_blocks(source->inner, state->inner_group)
                               : inner->source_blocks / inner->group_count;
}

static void describe(stf_source *source, uint32_t passes) {
    derived_state *state = source->state;
    const stf_source_info *inner = &source->inner->info;
    stf_source_info *info = &source->info;
    stf_group *group = info->groups;
    uint32_t halo = state->op->halo_px;
    /* One by one: what the inner source says of its pixels does not hold for those of the result. */
    info->kind = inner->kind;
    info->group_count = 1;
    info->parallel_read = inner->parallel_read;
    info->readers_roam = inner->readers_roam && state->op->allocates_little;
    info->decodes_are_counted = inner->decodes_are_counted;
    info->decoded_directly = inner->decoded_directly;
    info->reader_lease_bytes = inner->reader_lease_bytes;
    info->lease_bytes = inner->lease_bytes;
    info->shared = inner->shared;
    group->first_band = 0;
    group->bands = state->op->bands;
    group->x = stf_axis_shifted(&state->inner_x, halo);
    group->y = stf_axis_shifted(&state->inner_y, halo);
    state->run_rows = run_rows_of(state->op, group);
    info->unit_bytes = unit_bytes(source);
    uint64_t run = state->op->run_bytes(
        state->op->context, (uint32_t)longest_span(&state->inner_x, &group->x, state->margin_px), state->run_rows);
    info->reader_bytes = stf_add(inner->reader_bytes, run);
    info->source_blocks = blocks_of_band(source);
    info->repeated_blocks = inner->repeated_blocks;
    info->planning_bytes = inner->planning_bytes;
    info->decodes_before = stf_add(inner->decodes_before, stf_mul(passes, info->source_blocks));
    info->kept_bytes = stf_add(stf_add(inner->kept_bytes, state->op->table_bytes),
                               stf_add(stf_add(kept_rows_bytes(state, group->x.cells), kept_columns_bytes(state)),
                                       stf_mul(group->x.cells, sizeof *state->rows_done)));
    snprintf(info->summary, sizeof info->summary, "%.100s, derived, halo %u pixel(s)%s", inner->summary, halo & 0xff,
             passes > 0                  ? ", statistics"
             : inner->decodes_before > 0 ? ", rows looked at before"
                                         : "");
}

static bool find_band(stf_source *source, uint32_t band, stf_error *err) {
    derived_state *state = source->state;
    const stf_source_info *inner = &source->inner->info;
    for (uint32_t g = 0; g < inner->group_count; g++) {
        const stf_group *group = &inner->groups[g];
        if (band < group->first_band || band >= group->first_band + group->bands)
            continue;
        state->inner_group = g;
        state->group_band = band - group->first_band;
        state->inner_x = group->x;
        state->inner_y = group->y;
        return true;
    }
    return stf_fail(err, CPLE_AppDefined, "The source has no band %u", band + 1);
}

stf_source *stf_source_derive(stf_source *inner, uint32_t band, const stf_operator *op, uint32_t passes,
                              stf_error *err) {
    stf_source *source = VSICalloc(1, sizeof *source);
    derived_state *state = VSICalloc(1, sizeof *state);
    stf_group *groups = VSICalloc(1, sizeof *groups);
    if (!source || !state || !groups) {
        VSIFree(source);
        VSIFree(state);
        VSIFree(groups);
        stf_source_destroy(inner);
        stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the source");
        return NULL;
    }
    source->inner = inner;
    source->dataset = inner->dataset;
    source->request = inner->request;
    source->state = state;
    source->info.groups = groups;
    source->open_readers = open_readers;
    source->read = read_derived;
    source->close = close_derived;
    state->op = op;
    state->margin_px = 2 * op->halo_px;
    if (find_band(source, band, err)) {
        describe(source, passes);
        return source;
    }
    stf_source_destroy(source);
    return NULL;
}
