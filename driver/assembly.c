#include "assembly.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"

/* A tile's place is a slot, a region (where the plan spills it), CONSTANT + the number of a value, or
 * KNOWN: a constant whose value stf_constants_of_tile tells. */
#define MAX_VALUES 64u
#define CONSTANT (UINT32_MAX - MAX_VALUES)
#define KNOWN UINT32_MAX

typedef struct tile_state {
    uint32_t remaining; /* units still to be filled in; 0: not open */
    uint32_t place;
} tile_state;

struct stf_assembly {
    const stf_geometry *geometry;
    const stf_plan *plan;
    stf_pool *slots;
    stf_spill *spill;
    tile_state *tiles;
    uint32_t tile_width_px, tile_height_px;
    uint32_t value_count;
    unsigned char values[MAX_VALUES][STF_MAX_SAMPLE_BYTES];
};

uint64_t stf_assembly_cost_bytes(const stf_geometry *geometry) {
    return stf_add(stf_mul(stf_geometry_tiles(geometry), sizeof(tile_state)), sizeof(stf_assembly));
}

stf_assembly *stf_assembly_create(const stf_geometry *geometry, const stf_plan *plan, stf_pool *slots, stf_spill *spill,
                                  stf_error *err) {
    stf_assembly *assembly = VSICalloc(1, sizeof *assembly);
    uint64_t tiles = stf_geometry_tiles(geometry);
    if (assembly && tiles <= SIZE_MAX / sizeof(tile_state))
        assembly->tiles = VSICalloc((size_t)tiles, sizeof(tile_state));
    if (!assembly || !assembly->tiles) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for the state of " CPL_FRMT_GUIB " tiles", (GUIntBig)tiles);
        VSIFree(assembly);
        return NULL;
    }
    assembly->geometry = geometry;
    assembly->plan = plan;
    assembly->slots = slots;
    assembly->spill = spill;
    assembly->tile_width_px = (uint32_t)geometry->tile_x.step_px;
    assembly->tile_height_px = (uint32_t)geometry->tile_y.step_px;
    return assembly;
}

void stf_assembly_destroy(stf_assembly *assembly) {
    if (!assembly)
        return;
    VSIFree(assembly->tiles);
    VSIFree(assembly);
}

/* --- homes ------------------------------------------------------------------------------------- */

static bool is_spilled(const stf_assembly *assembly, uint64_t tile) {
    if (assembly->plan->spill_all)
        return true;
    if (!assembly->spill)
        return false;
    uint32_t column =
        (uint32_t)(tile % stf_geometry_tiles_per_plane(assembly->geometry) % assembly->geometry->tile_x.cells);
    return stf_geometry_is_seam_column(assembly->geometry, assembly->plan->stripe_columns, column);
}

static bool is_constant(const tile_state *state) {
    return state->place >= CONSTANT;
}

static uint32_t find_value(const stf_assembly *assembly, const unsigned char *value) {
    uint32_t i = 0;
    while (i < assembly->value_count && memcmp(assembly->values[i], value, assembly->geometry->sample_bytes) != 0)
        i++;
    return i; /* MAX_VALUES: not there, and no room for it */
}

/* True where the tile can be, or stay, a constant with these pixels filled in. */
static bool stays_constant(const stf_assembly *assembly, uint64_t tile, const stf_unit_pixels *pixels) {
    const tile_state *state = &assembly->tiles[tile];
    if (state->remaining > 0 && state->place == KNOWN)
        return true;
    if (!pixels->constant)
        return false;
    if (is_spilled(assembly, tile)) {
        unsigned char value[STF_MAX_SAMPLE_BYTES];
        return state->remaining == 0 &&
               stf_constants_of_tile(&assembly->plan->constants, assembly->geometry, tile, value);
    }
    uint32_t number = find_value(assembly, pixels->value);
    if (state->remaining == 0)
        return number < MAX_VALUES;
    return is_constant(state) && state->place == CONSTANT + number;
}

static bool needs_home(const stf_assembly *assembly, uint64_t tile, const stf_unit_pixels *pixels) {
    const tile_state *state = &assembly->tiles[tile];
    return (state->remaining == 0 || is_constant(state)) && !stays_constant(assembly, tile, pixels);
}

bool stf_assembly_has_room(stf_assembly *assembly, uint64_t tile, const stf_unit_pixels *pixels) {
    if (!needs_home(assembly, tile, pixels))
        return true;
    if (is_spilled(assembly, tile))
        return stf_spill_free_regions(assembly->spill) > 0;
    return stf_pool_free_items(assembly->slots) > assembly->plan->reserved_slots;
}

/* --- moving samples ---------------------------------------------------------------------------- */

/* The step from a sample to the next of the same band is a whole number of samples on either side. */
static void move_samples(unsigned char *to, size_t to_step, const unsigned char *from, size_t from_step, size_t count,
                         size_t sample_bytes) {
    if (to_step == sample_bytes && from_step == sample_bytes) {
        memcpy(to, from, count * sample_bytes);
        return;
    }
#define MOVE_EACH(BYTES)                                                                                               \
    case BYTES:                                                                                                        \
        for (size_t i = 0; i < count; i++)                                                                             \
            memcpy(to + i * to_step, from + i * from_step, BYTES);                                                     \
        break
    switch (sample_bytes) {
        MOVE_EACH(1);
        MOVE_EACH(2);
        MOVE_EACH(4);
        MOVE_EACH(8);
        MOVE_EACH(16);
    default:
        break;
    }
#undef MOVE_EACH
}

typedef struct tile_layout {
    const stf_plane *plane;
    stf_window window;
    size_t sample_bytes, pixel_bytes, row_bytes; /* in a slot */
    size_t region_row_bytes, region_band_bytes;  /* in the spill */
} tile_layout;

static tile_layout layout_of(const stf_assembly *assembly, uint64_t tile) {
    tile_layout layout;
    layout.plane = &assembly->geometry->planes[stf_geometry_tile_plane(assembly->geometry, tile)];
    layout.window = stf_geometry_tile_window(assembly->geometry, tile);
    layout.sample_bytes = assembly->geometry->sample_bytes;
    layout.pixel_bytes = layout.sample_bytes * layout.plane->bands;
    layout.row_bytes = layout.pixel_bytes * assembly->tile_width_px;
    layout.region_row_bytes = layout.sample_bytes * layout.window.width; /* the spill holds no padding */
    layout.region_band_bytes = layout.region_row_bytes * layout.window.height;
    return layout;
}

/* The one sample value of a tile whose place says that it is a constant. */
static void constant_value(const stf_assembly *assembly, uint64_t tile, uint32_t place, unsigned char *value) {
    if (place == KNOWN)
        stf_constants_of_tile(&assembly->plan->constants, assembly->geometry, tile, value);
    else
        memcpy(value, assembly->values[place - CONSTANT], STF_MAX_SAMPLE_BYTES);
}

static void fill_constant(const stf_assembly *assembly, uint64_t tile, uint32_t place, uint32_t slot) {
    tile_layout layout = layout_of(assembly, tile);
    unsigned char value[STF_MAX_SAMPLE_BYTES];
    constant_value(assembly, tile, place, value);
    unsigned char *pixels = stf_pool_item(assembly->slots, slot);
    size_t bytes = layout.row_bytes * assembly->tile_height_px;
    for (size_t i = 0; i < bytes; i += layout.sample_bytes)
        memcpy(pixels + i, value, layout.sample_bytes);
}

/* Gives the tile a slot or a region, with the constant it has been so far in it. */
static bool give_home(stf_assembly *assembly, uint64_t tile, stf_error *err) {
    tile_state *state = &assembly->tiles[tile];
    if (is_spilled(assembly, tile)) {
        state->place = (uint32_t)stf_spill_take(assembly->spill);
        return true;
    }
    uint32_t slot;
    if (!stf_pool_take(assembly->slots, &slot, err))
        return false;
    if (state->remaining > 0)
        fill_constant(assembly, tile, state->place, slot);
    state->place = slot;
    return true;
}

bool stf_assembly_open(stf_assembly *assembly, uint64_t tile, const stf_unit_pixels *pixels, stf_error *err) {
    tile_state *state = &assembly->tiles[tile];
    if (needs_home(assembly, tile, pixels)) {
        if (!give_home(assembly, tile, err))
            return false;
    } else if (state->remaining == 0 && is_spilled(assembly, tile)) {
        state->place = KNOWN;
    } else if (state->remaining > 0 && state->place == KNOWN && !pixels->constant) {
        return stf_fail(err, CPLE_AppDefined, "The source has pixels where it told of none: it has changed meanwhile");
    } else if (state->remaining == 0) {
        uint32_t number = find_value(assembly, pixels->value);
        if (number == assembly->value_count)
            memcpy(assembly->values[assembly->value_count++], pixels->value, STF_MAX_SAMPLE_BYTES);
        state->place = CONSTANT + number;
    }
    if (state->remaining == 0)
        state->remaining = (uint32_t)stf_geometry_tile_units(assembly->geometry, tile);
    return true;
}

/* --- filling in -------------------------------------------------------------------------------- */

static stf_window shared_window(const stf_window *a, const stf_window *b) {
    uint32_t left = a->x > b->x ? a->x : b->x, top = a->y > b->y ? a->y : b->y;
    uint32_t right = a->x + a->width < b->x + b->width ? a->x + a->width : b->x + b->width;
    uint32_t bottom = a->y + a->height < b->y + b->height ? a->y + a->height : b->y + b->height;
    stf_window shared = {left, top, right - left, bottom - top};
    return shared;
}

typedef struct band_move {
    const unsigned char *from; /* first shared pixel; NULL: a constant */
    size_t from_row_bytes, from_step;
    uint32_t plane_band; /* the band's number within the plane */
    stf_window shared;
} band_move;

static void move_to_slot(const stf_assembly *assembly, uint64_t tile, const tile_layout *layout,
                         const band_move *move) {
    unsigned char *to = stf_pool_item(assembly->slots, assembly->tiles[tile].place);
    to += (move->shared.y - layout->window.y) * layout->row_bytes;
    to += (move->shared.x - layout->window.x) * layout->pixel_bytes + move->plane_band * layout->sample_bytes;
    for (uint32_t row = 0; row < move->shared.height; row++)
        move_samples(to + row * layout->row_bytes, layout->pixel_bytes, move->from + row * move->from_row_bytes,
                     move->from_step, move->shared.width, layout->sample_bytes);
}

static bool move_to_spill(const stf_assembly *assembly, uint64_t tile, const tile_layout *layout, const band_move *move,
                          stf_error *err) {
    size_t offset = move->plane_band * layout->region_band_bytes;
    offset += (move->shared.y - layout->window.y) * layout->region_row_bytes;
    offset += (move->shared.x - layout->window.x) * layout->sample_bytes;
    for (uint32_t row = 0; row < move->shared.height; row++)
        if (!stf_spill_write(assembly->spill, assembly->tiles[tile].place, offset + row * layout->region_row_bytes,
                             move->from + row * move->from_row_bytes, move->shared.width * layout->sample_bytes, err))
            return false;
    return true;
}

/* A constant unit in a tile that is none: its value, row by row from a short buffer. */
static bool move_constant(const stf_assembly *assembly, uint64_t tile, const tile_layout *layout, const band_move *move,
                          const unsigned char *value, stf_error *err) {
    unsigned char run[1024];
    uint32_t run_px = (uint32_t)(sizeof run / layout->sample_bytes);
    for (uint32_t i = 0; i < run_px; i++)
        memcpy(run + i * layout->sample_bytes, value, layout->sample_bytes);
    for (uint32_t done = 0; done < move->shared.width; done += run_px) {
        band_move piece = *move;
        piece.from = run;
        piece.from_row_bytes = 0;
        piece.shared.x += done;
        piece.shared.width = move->shared.width - done < run_px ? move->shared.width - done : run_px;
        if (!is_spilled(assembly, tile))
            move_to_slot(assembly, tile, layout, &piece);
        else if (!move_to_spill(assembly, tile, layout, &piece, err))
            return false;
    }
    return true;
}

bool stf_assembly_fill(stf_assembly *assembly, uint64_t tile, const stf_unit *unit, const stf_unit_pixels *pixels,
                       stf_error *err) {
    if (is_constant(&assembly->tiles[tile]))
        return true;
    const stf_group *group = &assembly->geometry->groups[unit->group];
    tile_layout layout = layout_of(assembly, tile);
    bool spilled = is_spilled(assembly, tile);
    band_move move;
    move.shared = shared_window(&unit->window, &layout.window);
    move.from_step = layout.sample_bytes;
    move.from_row_bytes = pixels->row_bytes;
    for (uint32_t b = 0; b < layout.plane->bands; b++) {
        uint32_t band = layout.plane->first_band + b;
        if (band < group->first_band || band >= group->first_band + group->bands)
            continue;
        move.plane_band = b;
        if (pixels->constant) {
            if (!move_constant(assembly, tile, &layout, &move, pixels->value, err))
                return false;
            continue;
        }
        move.from = pixels->pixels + (band - group->first_band) * pixels->band_bytes +
                    (move.shared.y - unit->window.y) * pixels->row_bytes +
                    (move.shared.x - unit->window.x) * layout.sample_bytes;
        if (!spilled)
            move_to_slot(assembly, tile, &layout, &move);
        else if (!move_to_spill(assembly, tile, &layout, &move, err))
            return false;
    }
    return true;
}

bool stf_assembly_is_last(const stf_assembly *assembly, uint64_t tile) {
    return assembly->tiles[tile].remaining == 1;
}

bool stf_assembly_filled(stf_assembly *assembly, uint64_t tile) {
    return --assembly->tiles[tile].remaining == 0;
}

/* --- complete tiles ---------------------------------------------------------------------------- */

uint32_t stf_assembly_slot(const stf_assembly *assembly, uint64_t tile) {
    const tile_state *state = &assembly->tiles[tile];
    return is_constant(state) || is_spilled(assembly, tile) ? STF_NO_SLOT : state->place;
}

bool stf_assembly_uniform(const stf_assembly *assembly, uint64_t tile, stf_uniform *value) {
    const tile_state *state = &assembly->tiles[tile];
    const stf_plane *plane = &assembly->geometry->planes[stf_geometry_tile_plane(assembly->geometry, tile)];
    unsigned char sample[STF_MAX_SAMPLE_BYTES];
    if (!is_constant(state))
        return false;
    constant_value(assembly, tile, state->place, sample);
    return stf_uniform_of_sample(sample, assembly->geometry->sample_bytes, plane->bands, value);
}

/* One band that is a tile of its own lies in the slot as it does in the region, but for the padding of its rows. */
static bool read_back_plane(const stf_assembly *assembly, const tile_layout *layout, uint64_t region, unsigned char *to,
                            stf_error *err) {
    if (!stf_spill_read(assembly->spill, region, 0, to, layout->region_band_bytes, err))
        return false;
    if (layout->region_row_bytes < layout->row_bytes)
        for (size_t row = layout->window.height; row-- > 1;)
            memmove(to + row * layout->row_bytes, to + row * layout->region_row_bytes, layout->region_row_bytes);
    return true;
}

static bool read_back(const stf_assembly *assembly, uint64_t tile, const tile_layout *layout, uint32_t slot,
                      stf_error *err) {
    unsigned char *to = stf_pool_item(assembly->slots, slot);
    uint64_t region = assembly->tiles[tile].place;
    if (layout->plane->bands == 1)
        return read_back_plane(assembly, layout, region, to, err);
    unsigned char run[16384];
    size_t row_bytes = layout->region_row_bytes;
    size_t piece_bytes = row_bytes < sizeof run ? row_bytes : sizeof run / layout->sample_bytes * layout->sample_bytes;
    uint32_t rows_at_once = (uint32_t)(sizeof run / row_bytes) + (row_bytes > sizeof run);
    for (uint32_t b = 0; b < layout->plane->bands; b++)
        for (uint32_t row = 0; row < layout->window.height; row += rows_at_once) {
            uint32_t rows = layout->window.height - row < rows_at_once ? layout->window.height - row : rows_at_once;
            for (size_t done = 0; done < row_bytes; done += piece_bytes) { /* several rows, or a piece of one */
                size_t piece = row_bytes - done < piece_bytes ? row_bytes - done : piece_bytes;
                size_t offset = b * layout->region_band_bytes + row * row_bytes + done;
                if (!stf_spill_read(assembly->spill, region, offset, run, rows * piece, err))
                    return false;
                for (uint32_t r = 0; r < rows; r++)
                    move_samples(to + (row + r) * layout->row_bytes +
                                     done / layout->sample_bytes * layout->pixel_bytes + b * layout->sample_bytes,
                                 layout->pixel_bytes, run + r * piece, layout->sample_bytes,
                                 piece / layout->sample_bytes, layout->sample_bytes);
            }
        }
    return true;
}

void stf_assembly_pad(void *pixels, size_t pixel_bytes, uint32_t width_px, uint32_t rows, const stf_window *valid) {
    unsigned char *first = pixels;
    size_t row_bytes = width_px * pixel_bytes;
    if (valid->width < width_px)
        for (uint32_t row = 0; row < valid->height; row++) {
            unsigned char *edge = first + row * row_bytes + valid->width * pixel_bytes;
            for (uint32_t x = valid->width; x < width_px; x++, edge += pixel_bytes)
                memcpy(edge, edge - pixel_bytes, pixel_bytes);
        }
    for (uint32_t row = valid->height; row < rows; row++)
        memcpy(first + row * row_bytes, first + (valid->height - 1) * row_bytes, row_bytes);
}

bool stf_assembly_finish(stf_assembly *assembly, uint64_t tile, uint32_t slot, bool pad_rows, uint32_t *rows,
                         stf_error *err) {
    const tile_state *state = &assembly->tiles[tile];
    tile_layout layout = layout_of(assembly, tile);
    *rows = pad_rows ? assembly->tile_height_px : layout.window.height;
    if (is_constant(state)) {
        fill_constant(assembly, tile, state->place, slot);
        return true;
    }
    if (is_spilled(assembly, tile) && !read_back(assembly, tile, &layout, slot, err))
        return false;
    stf_assembly_pad(stf_pool_item(assembly->slots, slot), layout.pixel_bytes, assembly->tile_width_px, *rows,
                     &layout.window);
    return true;
}

void stf_assembly_leave(stf_assembly *assembly, uint64_t tile) {
    const tile_state *state = &assembly->tiles[tile];
    if (!is_constant(state) && is_spilled(assembly, tile))
        stf_spill_give(assembly->spill, state->place);
}
