/* In the spill a tile lies as the pieces in which it came, one behind the other, each in one go. They are found again by
 * arithmetic: the pieces of a row of windows lie side by side, and the rows one below the other. */
#include <string.h>

#include "cpl_vsi.h"
#include "overview_internal.h"

static bool is_constant(uint32_t place) {
    return place >= STF_OVERVIEW_CONSTANT;
}

static size_t level_row_bytes(const stf_overview *overview, const stf_overview_link *link, uint32_t plane) {
    return overview->shape->levels[link->level].tile_width_px * stf_overview_pixel_bytes(overview->shape, plane);
}

bool stf_overview_tiles_create(stf_overview *overview, stf_overview_link *link, stf_error *err) {
    const stf_overview_places *places = overview->job->places;
    uint64_t tiles = stf_overview_tiles(overview->shape, link->level), open = places->tiles[link->level];
    if (tiles < SIZE_MAX / sizeof *link->tiles)
        link->tiles = VSICalloc((size_t)tiles, sizeof *link->tiles);
    if (!link->tiles)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the state of " CPL_FRMT_GUIB " overview tiles",
                        (GUIntBig)tiles);
    if (link->level <= places->spilled_levels) {
        link->regions_free = open;
        return true;
    }
    link->slots =
        stf_pool_create(overview->job->budget, overview->job->slot_bytes, (uint32_t)open, "overview tiles", err);
    return link->slots != NULL;
}

void stf_overview_tiles_destroy(stf_overview_link *link) {
    stf_pool_destroy(link->slots);
    VSIFree(link->tiles);
}

/* --- homes ------------------------------------------------------------------------------------- */

static bool has_place(const void *context) {
    const stf_overview_link *link = context;
    return (link->slots ? stf_pool_free_items(link->slots) : link->regions_free) > 0;
}

/* Waits until a slot (or region) of the level is free. */
static bool take_place(stf_overview *overview, stf_overview_link *link, uint32_t *place, stf_error *err) {
    CPLAcquireMutex(overview->mutex, 1000.0);
    bool done = stf_overview_wait(overview, has_place, link, err);
    if (done && link->slots)
        done = stf_pool_take(link->slots, place, err);
    else if (done) {
        *place = (uint32_t)stf_spill_take(overview->spill);
        link->regions_free--;
    }
    CPLReleaseMutex(overview->mutex);
    return done;
}

void stf_overview_let_go(stf_overview *overview, stf_overview_link *link, uint32_t place) {
    if (is_constant(place))
        return;
    CPLAcquireMutex(overview->mutex, 1000.0);
    if (link->slots)
        stf_pool_give(link->slots, place);
    else {
        stf_spill_give(overview->spill, place);
        link->regions_free++;
    }
    stf_overview_changed(overview);
    CPLReleaseMutex(overview->mutex);
}

/* The number of a value that tiles of one value have; false: there are too many. */
static bool find_value(stf_overview *overview, const stf_uniform *value, uint32_t *number) {
    uint32_t i = 0;
    CPLAcquireMutex(overview->mutex, 1000.0);
    while (i < overview->value_count && (overview->values[i].pixel_bytes != value->pixel_bytes ||
                                         memcmp(overview->values[i].pixel, value->pixel, value->pixel_bytes) != 0))
        i++;
    bool found = i < STF_OVERVIEW_VALUES;
    if (i == overview->value_count && found)
        overview->values[overview->value_count++] = *value;
    CPLReleaseMutex(overview->mutex);
    *number = i;
    return found;
}

/* --- pieces ------------------------------------------------------------------------------------ */

static void fill_rows(unsigned char *to, size_t row_bytes, const stf_window *window, const stf_uniform *value) {
    for (uint32_t row = 0; row < window->height; row++)
        for (uint32_t x = 0; x < window->width; x++)
            memcpy(to + row * row_bytes + x * value->pixel_bytes, value->pixel, value->pixel_bytes);
}

/* Where a piece of a tile lies in its region. */
static size_t piece_offset(const stf_window *tile, const stf_window *piece, size_t pixel_bytes) {
    return ((size_t)(piece->y - tile->y) * tile->width + (size_t)(piece->x - tile->x) * piece->height) * pixel_bytes;
}

/* A piece in one go: what comes from a wider window row by row, through no buffer of our own. */
static bool write_piece(stf_overview *overview, uint32_t place, const stf_window *tile, const stf_window *piece,
                        size_t pixel_bytes, const unsigned char *from, size_t from_row, stf_error *err) {
    size_t offset = piece_offset(tile, piece, pixel_bytes), row_bytes = piece->width * pixel_bytes;
    if (from_row == row_bytes)
        return stf_spill_write(overview->spill, place, offset, from, row_bytes * piece->height, err);
    for (uint32_t row = 0; row < piece->height; row++)
        if (!stf_spill_write(overview->spill, place, offset + row * row_bytes, from + row * from_row, row_bytes, err))
            return false;
    return true;
}

static bool write_value(stf_overview *overview, uint32_t place, const stf_window *tile, const stf_window *piece,
                        const stf_uniform *value, stf_error *err) {
    unsigned char run[4096];
    size_t px = value->pixel_bytes, room = sizeof run / px, left = (size_t)piece->width * piece->height;
    size_t offset = piece_offset(tile, piece, px);
    for (size_t i = 0; i < room; i++)
        memcpy(run + i * px, value->pixel, px);
    while (left > 0) {
        size_t count = left < room ? left : room;
        if (!stf_spill_write(overview->spill, place, offset, run, count * px, err))
            return false;
        offset += count * px;
        left -= count;
    }
    return true;
}

/* All pieces of a tile that come before its being complete: in the order of the windows. */
typedef struct pieces {
    const stf_overview_link *link;
    stf_window tile;
    uint32_t column, row, first_column;
} pieces;

static uint32_t first_window(const stf_overview_axis *axis, uint32_t begin_px) {
    uint32_t tile = 0;
    if (begin_px > 0) { /* windows lie a little before their tiles' share */
        double guess = begin_px * axis->ratio / axis->tile_px;
        tile = guess >= axis->tiles ? axis->tiles - 1 : (uint32_t)guess;
    }
    while (tile > 0 && stf_overview_axis_begin(axis, tile) > begin_px)
        tile--;
    while (stf_overview_axis_begin(axis, tile + 1) <= begin_px)
        tile++;
    return tile;
}

static bool cut_to(const stf_overview_axis *axis, uint32_t window, uint32_t begin, uint32_t length, uint32_t *first,
                   uint32_t *count) {
    uint32_t from = stf_overview_axis_begin(axis, window), to = stf_overview_axis_begin(axis, window + 1);
    if (from >= begin + length)
        return false;
    *first = from > begin ? from : begin;
    *count = (to < begin + length ? to : begin + length) - *first;
    return true;
}

static void begin_pieces(pieces *p, const stf_overview_link *link, const stf_window *tile) {
    p->link = link;
    p->tile = *tile;
    p->first_column = p->column = first_window(&link->x, tile->x);
    p->row = first_window(&link->y, tile->y);
}

static bool next_piece(pieces *p, stf_window *piece) {
    const stf_overview_link *link = p->link;
    for (;;) {
        if (p->row >= link->y.tiles || !cut_to(&link->y, p->row, p->tile.y, p->tile.height, &piece->y, &piece->height))
            return false;
        if (p->column < link->x.tiles &&
            cut_to(&link->x, p->column, p->tile.x, p->tile.width, &piece->x, &piece->width)) {
            p->column++;
            if (piece->width > 0 && piece->height > 0)
                return true;
            continue;
        }
        p->column = p->first_column;
        p->row++;
    }
}

/* The piece's bit in the state of its tile; 0: there is none for it. */
static uint32_t bit_of(const stf_overview_link *link, const stf_window *tile, const stf_window *piece) {
    pieces p;
    stf_window other;
    uint32_t bit = 1;
    for (begin_pieces(&p, link, tile); bit > 0 && next_piece(&p, &other); bit <<= 1)
        if (other.x == piece->x && other.y == piece->y)
            return bit;
    return 0;
}

/* --- putting in -------------------------------------------------------------------------------- */

typedef struct arrival {
    const stf_window *window;
    const unsigned char *pixels;
    const stf_uniform *value;
    size_t pixel_bytes;
} arrival;

/* Brings what a constant has been so far into its new home: all that is valid of a slot, the pieces that came of a region. */
static bool fill_home(stf_overview *overview, const stf_overview_link *link, uint32_t plane, const stf_window *tile,
                      uint32_t place, const stf_overview_tile_state *state, stf_error *err) {
    const stf_uniform *value = &overview->values[state->place - STF_OVERVIEW_CONSTANT];
    if (link->slots) {
        fill_rows(stf_pool_item(link->slots, place), level_row_bytes(overview, link, plane), tile, value);
        return true;
    }
    pieces p;
    stf_window piece;
    uint32_t bit = 1;
    for (begin_pieces(&p, link, tile); bit > 0 && next_piece(&p, &piece); bit <<= 1)
        if ((state->constant & bit) != 0 && !write_value(overview, place, tile, &piece, value, err))
            return false;
    return true;
}

static bool move_in(stf_overview *overview, stf_overview_link *link, uint32_t plane, const stf_window *tile,
                    const stf_window *piece, uint32_t place, const arrival *a, stf_error *err) {
    size_t px = a->pixel_bytes, to_row = level_row_bytes(overview, link, plane), from_row = a->window->width * px;
    const unsigned char *from = NULL;
    if (a->pixels)
        from = a->pixels + (piece->y - a->window->y) * from_row + (piece->x - a->window->x) * px;
    if (!link->slots)
        return from ? write_piece(overview, place, tile, piece, px, from, from_row, err)
                    : write_value(overview, place, tile, piece, a->value, err);
    unsigned char *to = stf_pool_item(link->slots, place);
    to += (piece->y - tile->y) * to_row + (piece->x - tile->x) * px;
    if (!from)
        fill_rows(to, to_row, piece, a->value);
    for (uint32_t row = 0; from && row < piece->height; row++)
        memcpy(to + row * to_row, from + row * from_row, piece->width * px);
    return true;
}

/* A tile of one value has no home as long as it is one. */
static bool put_piece(stf_overview *overview, stf_overview_link *link, uint32_t plane, const stf_window *tile,
                      const stf_window *piece, stf_overview_tile_state *state, const arrival *a, stf_error *err) {
    uint32_t number, place;
    bool fresh = state->filled_px == 0, was_constant = !fresh && is_constant(state->place);
    uint32_t bit = a->value && !link->slots && (fresh || was_constant) ? bit_of(link, tile, piece) : 0;
    if (a->value && (link->slots || bit > 0) && (fresh || was_constant) && find_value(overview, a->value, &number) &&
        (fresh || state->place == STF_OVERVIEW_CONSTANT + number)) {
        state->place = STF_OVERVIEW_CONSTANT + number;
        state->constant |= bit;
        return true;
    }
    if (fresh || was_constant) {
        if (!take_place(overview, link, &place, err))
            return false;
        if (was_constant && !fill_home(overview, link, plane, tile, place, state, err))
            return false;
        state->place = place;
    }
    return move_in(overview, link, plane, tile, piece, state->place, a, err);
}

static bool put_into(stf_overview *overview, stf_overview_link *link, uint32_t plane, uint32_t column, uint32_t row,
                     const arrival *a, stf_overview_completed *completed, stf_error *err) {
    stf_window tile = stf_overview_tile_window(overview->shape, link->level, column, row);
    stf_window piece = stf_overview_shared(overview->shape, link->level, column, row, a->window);
    stf_overview_tile_state *state = &link->tiles[stf_overview_tile(overview->shape, link->level, plane, column, row)];
    if (!put_piece(overview, link, plane, &tile, &piece, state, a, err))
        return false;
    state->filled_px += piece.width * piece.height;
    if (state->filled_px < tile.width * tile.height)
        return true;
    if (completed->count == completed->room)
        return stf_fail(err, CPLE_AppDefined, "A window completes too many overview tiles");
    stf_overview_complete *complete = &completed->tiles[completed->count++];
    complete->column = column;
    complete->row = row;
    complete->value = is_constant(state->place) ? &overview->values[state->place - STF_OVERVIEW_CONSTANT] : NULL;
    complete->place = state->place;
    complete->sequence = link->completed++;
    if (!complete->value || !link->slots)
        return true;
    return take_place(overview, link, &complete->place, err); /* room to encode it in */
}

bool stf_overview_put(stf_overview *overview, stf_overview_link *link, uint32_t plane, const stf_window *window,
                      const unsigned char *pixels, const stf_uniform *value, stf_overview_completed *completed,
                      stf_error *err) {
    arrival a = {window, pixels, value, stf_overview_pixel_bytes(overview->shape, plane)};
    stf_overview_range range = stf_overview_touched(overview->shape, link->level, window);
    for (uint32_t row = range.row; row < range.row_end; row++)
        for (uint32_t column = range.column; column < range.column_end; column++)
            if (!put_into(overview, link, plane, column, row, &a, completed, err))
                return false;
    return true;
}

/* --- complete tiles ---------------------------------------------------------------------------- */

/* The worker's result is free meanwhile, and any piece fits into it. */
static bool read_back(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker, uint32_t plane,
                      const stf_overview_complete *complete, stf_error *err) {
    stf_window tile = stf_overview_tile_window(overview->shape, link->level, complete->column, complete->row), piece;
    size_t px = stf_overview_pixel_bytes(overview->shape, plane), to_row = level_row_bytes(overview, link, plane);
    pieces p;
    for (begin_pieces(&p, link, &tile); next_piece(&p, &piece);) {
        size_t row_bytes = piece.width * px;
        unsigned char *to = worker->tile + (piece.y - tile.y) * to_row + (piece.x - tile.x) * px;
        if (!stf_spill_read(overview->spill, complete->place, piece_offset(&tile, &piece, px), worker->result,
                            row_bytes * piece.height, err))
            return false;
        for (uint32_t r = 0; r < piece.height; r++)
            memcpy(to + r * to_row, worker->result + r * row_bytes, row_bytes);
    }
    return true;
}

bool stf_overview_fetch(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker, uint32_t plane,
                        const stf_overview_complete *complete, unsigned char **pixels, stf_error *err) {
    *pixels = link->slots ? stf_pool_item(link->slots, complete->place) : worker->tile;
    return link->slots || complete->value || read_back(overview, link, worker, plane, complete, err);
}
