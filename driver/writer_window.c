/* Windows of the caller's, cut where tiles meet. Samples are converted on the way as GDAL converts them. */
#include <string.h>

#include "writer_internal.h"

/* The part of a window that lies in one tile, and of its bands those that the tile has. */
typedef struct piece {
    const stf_writer_window *window;
    uint64_t tile;
    uint32_t x, y, width, height; /* in the tile */
    uint32_t window_x, window_y;  /* where it begins in the window */
    uint32_t first_band, bands;   /* of the tile's plane, from 0 */
} piece;

typedef bool (*piece_visitor)(stf_writer *w, const piece *p, stf_error *err);

static bool has_band(const piece *p, int index) {
    uint32_t band = (uint32_t)p->window->bands[index] - 1;
    return band >= p->first_band && band < p->first_band + p->bands;
}

static uint32_t sample_of(const piece *p, int index) {
    return (uint32_t)p->window->bands[index] - 1 - p->first_band;
}

static unsigned char *window_row(const piece *p, int index, uint32_t row) {
    const stf_writer_window *window = p->window;
    return (unsigned char *)window->data + (int64_t)(p->window_y + row) * window->line_bytes +
           (int64_t)p->window_x * window->pixel_bytes + (int64_t)index * window->band_bytes;
}

static bool visit_piece(stf_writer *w, const stf_writer_window *window, uint64_t tile, piece_visitor visit,
                        stf_error *err) {
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, tile);
    const stf_plane *plane = &w->copy.planes[stf_geometry_tile_plane(&w->copy.geometry, tile)];
    uint32_t x = (uint32_t)window->x, y = (uint32_t)window->y;
    uint32_t end_x = x + (uint32_t)window->width, end_y = y + (uint32_t)window->height;
    piece p = {.window = window, .tile = tile, .first_band = plane->first_band, .bands = plane->bands};
    uint32_t left = x > valid.x ? x : valid.x, top = y > valid.y ? y : valid.y;
    uint32_t right = end_x < valid.x + valid.width ? end_x : valid.x + valid.width;
    uint32_t bottom = end_y < valid.y + valid.height ? end_y : valid.y + valid.height;
    p.x = left - valid.x;
    p.y = top - valid.y;
    p.width = right - left;
    p.height = bottom - top;
    p.window_x = left - x;
    p.window_y = top - y;
    for (int i = 0; i < window->band_count; i++)
        if (has_band(&p, i))
            return visit(w, &p, err);
    return true;
}

/* Tile by tile, at each place plane by plane: rows and windows that come in order find their tiles in order, too. */
static bool visit_pieces(stf_writer *w, const stf_writer_window *window, piece_visitor visit, stf_error *err) {
    const stf_geometry *geometry = &w->copy.geometry;
    uint64_t each = stf_geometry_tiles_per_plane(geometry);
    uint32_t first_column = stf_axis_cell(&geometry->tile_x, (uint32_t)window->x);
    uint32_t last_column = stf_axis_cell(&geometry->tile_x, (uint32_t)(window->x + window->width - 1));
    uint32_t first_row = stf_axis_cell(&geometry->tile_y, (uint32_t)window->y);
    uint32_t last_row = stf_axis_cell(&geometry->tile_y, (uint32_t)(window->y + window->height - 1));
    for (uint32_t row = first_row; row <= last_row; row++)
        for (uint32_t column = first_column; column <= last_column; column++)
            for (uint32_t plane = 0; plane < geometry->plane_count; plane++)
                if (!visit_piece(w, window, plane * each + (uint64_t)row * geometry->tile_x.cells + column, visit, err))
                    return false;
    return true;
}

/* --- writing ----------------------------------------------------------------------------------- */

static bool is_whole(const stf_writer *w, const piece *p) {
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, p->tile);
    bool covered = p->width == valid.width && p->height == valid.height;
    for (uint32_t sample = 0; covered && sample < p->bands; sample++) {
        covered = false;
        for (int i = 0; !covered && i < p->window->band_count; i++)
            covered = has_band(p, i) && sample_of(p, i) == sample;
    }
    return covered;
}

static void take_row(const stf_writer *w, const piece *p, int index, uint32_t row, unsigned char *pixels) {
    GDALCopyWords64(window_row(p, index, row), p->window->type, (int)p->window->pixel_bytes,
                    pixels + p->x * stf_writer_pixel_bytes(w) + sample_of(p, index) * w->copy.raster.sample_bytes,
                    w->copy.type, (int)stf_writer_pixel_bytes(w), p->width);
}

static void write_open(stf_writer *w, const piece *p) {
    stf_writer_tile *t = &w->tiles[p->tile];
    size_t row_bytes = w->copy.format.width_px * stf_writer_pixel_bytes(w);
    for (int i = 0; i < p->window->band_count; i++) {
        if (!has_band(p, i))
            continue;
        unsigned char *mask = stf_writer_masks(w, t->place) + sample_of(p, i) * w->mask_band_bytes;
        for (uint32_t row = 0; row < p->height; row++) {
            take_row(w, p, i, row, stf_writer_pixels(w, t->place) + (p->y + row) * row_bytes);
            if (t->missing > 0)
                t->missing -= stf_writer_mark(w, mask + (p->y + row) * w->mask_row_bytes, p->x, p->width);
        }
    }
}

static bool write_spilled(stf_writer *w, const piece *p, stf_error *err) {
    stf_writer_tile *t = &w->tiles[p->tile];
    unsigned char *masks = w->record + w->copy.format.width_px * stf_writer_pixel_bytes(w);
    for (uint32_t row = 0; row < p->height; row++) {
        if (!stf_writer_load_record(w, t, p->y + row, p->x, p->width, err))
            return false;
        for (int i = 0; i < p->window->band_count; i++)
            if (has_band(p, i)) {
                take_row(w, p, i, row, w->record);
                t->missing -= stf_writer_mark(w, masks + sample_of(p, i) * w->mask_row_bytes, p->x, p->width);
            }
        if (!stf_writer_store_record(w, t, p->y + row, p->x, p->width, err))
            return false;
    }
    return true;
}

static bool write_piece(stf_writer *w, const piece *p, stf_error *err) {
    if (!stf_writer_open_tile(w, p->tile, is_whole(w, p), err))
        return false;
    if (w->tiles[p->tile].state == STF_TILE_OPEN)
        write_open(w, p);
    else if (!write_spilled(w, p, err))
        return false;
    return stf_writer_tile_was_written(w, p->tile, err);
}

/* --- reading ----------------------------------------------------------------------------------- */

static void give_row(const stf_writer *w, const piece *p, int index, uint32_t row, const unsigned char *pixels) {
    GDALCopyWords64(pixels + p->x * stf_writer_pixel_bytes(w) + sample_of(p, index) * w->copy.raster.sample_bytes,
                    w->copy.type, (int)stf_writer_pixel_bytes(w), window_row(p, index, row), p->window->type,
                    (int)p->window->pixel_bytes, p->width);
}

/* Single pixels that are missing in a row that has others. */
static void give_missing(const stf_writer *w, const piece *p, int index, uint32_t row, const unsigned char *mask) {
    unsigned char *to = window_row(p, index, row);
    for (uint32_t i = 0; i < p->width; i++)
        if (!mask || !(mask[(p->x + i) / 8] >> (p->x + i) % 8 & 1))
            GDALCopyWords64(w->missing, w->copy.type, 0, to + (int64_t)i * p->window->pixel_bytes, p->window->type, 0,
                            1);
}

static bool read_row(stf_writer *w, const piece *p, uint32_t row, stf_error *err) {
    const stf_writer_tile *t = &w->tiles[p->tile];
    size_t row_bytes = w->copy.format.width_px * stf_writer_pixel_bytes(w);
    const unsigned char *pixels = w->record, *masks = w->record + row_bytes;
    size_t mask_step = w->mask_row_bytes;
    if (t->state == STF_TILE_OPEN) {
        pixels = stf_writer_pixels(w, t->place) + (p->y + row) * row_bytes;
        masks = stf_writer_masks(w, t->place) + (p->y + row) * w->mask_row_bytes;
        mask_step = w->mask_band_bytes;
    } else if (t->state == STF_TILE_SPILLED && !stf_writer_load_record(w, t, p->y + row, p->x, p->width, err))
        return false;
    for (int i = 0; i < p->window->band_count; i++)
        if (has_band(p, i)) {
            if (t->state != STF_TILE_NEVER)
                give_row(w, p, i, row, pixels);
            if (t->state == STF_TILE_NEVER)
                GDALCopyWords64(w->missing, w->copy.type, 0, window_row(p, i, row), p->window->type,
                                (int)p->window->pixel_bytes, p->width);
            else if (t->missing > 0)
                give_missing(w, p, i, row, masks + sample_of(p, i) * mask_step);
        }
    return true;
}

static bool read_piece(stf_writer *w, const piece *p, stf_error *err) {
    bool done = stf_writer_show_tile(w, p->tile, err);
    for (uint32_t row = 0; done && row < p->height; row++)
        done = read_row(w, p, row, err);
    return done;
}

/* --- the border -------------------------------------------------------------------------------- */

static CPLErr run_alone(stf_writer *w, const stf_writer_window *window, piece_visitor visit) {
    stf_error err = {0};
    if (w->failed)
        CPLError(CE_Failure, w->error.number, "%s", w->error.text);
    if (w->failed || w->done)
        return CE_Failure;
    if (w->nodata_changed && !(stf_writer_drain(w, &err) && stf_writer_read_nodata(w, &err)))
        return stf_writer_raise(w, &err);
    return visit_pieces(w, window, visit, &err) ? CE_None : stf_writer_raise(w, &err);
}

static CPLErr run(stf_writer *w, const stf_writer_window *window, piece_visitor visit) {
    stf_lender_enter(w->lender);
    CPLErr result = run_alone(w, window, visit);
    stf_lender_leave(w->lender);
    return result;
}

CPLErr stf_writer_write(stf_writer *w, const stf_writer_window *window) {
    return run(w, window, write_piece);
}

CPLErr stf_writer_read(stf_writer *w, const stf_writer_window *window) {
    return run(w, window, read_piece);
}
