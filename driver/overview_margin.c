#include <string.h>

#include "cpl_vsi.h"
#include "overview_internal.h"

/* --- room -------------------------------------------------------------------------------------- */

typedef struct margin_sizes {
    uint64_t rows_px, columns_px; /* of one tile's last rows and last columns */
    uint64_t rows, columns;       /* how many of them there are */
} margin_sizes;

static margin_sizes sizes_of(const stf_overview_shape *shape, const stf_overview_axis *x, const stf_overview_axis *y) {
    margin_sizes sizes;
    uint32_t right = stf_overview_axis_most_kept(x), below = stf_overview_axis_most_kept(y);
    sizes.rows_px = stf_mul((uint64_t)x->tile_px + right, below);
    sizes.columns_px = stf_mul(y->tile_px, right);
    sizes.rows = stf_mul(shape->plane_count, x->tiles);
    sizes.columns = stf_mul(shape->plane_count, y->tiles);
    return sizes;
}

static uint64_t widest_pixel(const stf_overview_shape *shape) {
    size_t most = 0;
    for (uint32_t plane = 0; plane < shape->plane_count; plane++) {
        size_t bytes = stf_overview_pixel_bytes(shape, plane);
        most = bytes > most ? bytes : most;
    }
    return most;
}

uint64_t stf_overview_margin_bytes(const stf_overview_shape *shape, uint32_t level, bool with_mask) {
    stf_overview_axis x = stf_overview_axis_x(shape, level), y = stf_overview_axis_y(shape, level);
    margin_sizes sizes = sizes_of(shape, &x, &y);
    uint64_t px = stf_add(stf_mul(sizes.rows_px, sizes.rows), stf_mul(sizes.columns_px, sizes.columns));
    return stf_add(stf_mul(px, widest_pixel(shape) + with_mask), stf_mul(sizes.rows, sizeof(uint32_t)));
}

static unsigned char *allocate(uint64_t px, uint64_t count, uint64_t pixel_bytes, bool *fits) {
    uint64_t bytes = stf_mul(stf_mul(px, count), pixel_bytes);
    unsigned char *room = bytes < SIZE_MAX / 2 ? VSIMalloc((size_t)bytes + 1) : NULL;
    *fits = *fits && room;
    return room;
}

bool stf_overview_margins_create(stf_overview *overview, stf_overview_link *link, bool with_mask, stf_error *err) {
    margin_sizes sizes = sizes_of(overview->shape, &link->x, &link->y);
    bool fits = true;
    link->margin_px[0] = stf_overview_axis_most_kept(&link->x);
    link->margin_px[1] = stf_overview_axis_most_kept(&link->y);
    link->last_rows = allocate(sizes.rows_px, sizes.rows, overview->pixel_bytes, &fits);
    link->last_columns = allocate(sizes.columns_px, sizes.columns, overview->pixel_bytes, &fits);
    if (with_mask) {
        link->mask_rows = allocate(sizes.rows_px, sizes.rows, 1, &fits);
        link->mask_columns = allocate(sizes.columns_px, sizes.columns, 1, &fits);
    }
    link->rows_done = VSICalloc((size_t)sizes.rows, sizeof *link->rows_done);
    return (fits && link->rows_done) || stf_fail(err, CPLE_OutOfMemory, "No memory for the margins of overview tiles");
}

void stf_overview_margins_destroy(stf_overview_link *link) {
    VSIFree(link->last_rows);
    VSIFree(link->last_columns);
    VSIFree(link->mask_rows);
    VSIFree(link->mask_columns);
    VSIFree(link->rows_done);
}

/* --- composing --------------------------------------------------------------------------------- */

/* Where a tile and its margins lie in the window: pixels of the window, from its top left one. */
typedef struct layout {
    uint32_t width, height, left, above; /* left, above: what comes from the neighbours */
    uint32_t right, below;               /* what is left to the next ones */
} layout;

/* Pixels, or the mask. */
typedef struct margin_layer {
    size_t pixel_bytes, row_bytes;
    unsigned char *window, *rows, *columns; /* rows, columns: of these tiles' neighbours */
} margin_layer;

static layout layout_of(const stf_overview_link *link, const stf_overview_source *source, stf_window *window) {
    layout l;
    window->x = stf_overview_axis_kept(&link->x, source->column);
    window->y = stf_overview_axis_kept(&link->y, source->row);
    uint32_t right = stf_overview_axis_tile(&link->x, source->column + 1);
    uint32_t bottom = stf_overview_axis_tile(&link->y, source->row + 1);
    l.width = window->width = right - window->x;
    l.height = window->height = bottom - window->y;
    l.left = stf_overview_axis_tile(&link->x, source->column) - window->x;
    l.above = stf_overview_axis_tile(&link->y, source->row) - window->y;
    l.right = source->column + 1 < link->columns ? right - stf_overview_axis_kept(&link->x, source->column + 1) : 0;
    l.below = source->row + 1 < link->rows ? bottom - stf_overview_axis_kept(&link->y, source->row + 1) : 0;
    return l;
}

static unsigned char *rows_of(const stf_overview_link *link, unsigned char *all, const stf_overview_source *source,
                              size_t pixel_bytes) {
    size_t each = ((size_t)link->x.tile_px + link->margin_px[0]) * link->margin_px[1] * pixel_bytes;
    return all + ((size_t)source->plane * link->columns + source->column) * each;
}

static unsigned char *columns_of(const stf_overview_link *link, unsigned char *all, const stf_overview_source *source,
                                 size_t pixel_bytes) {
    size_t each = (size_t)link->y.tile_px * link->margin_px[0] * pixel_bytes;
    return all + ((size_t)source->plane * link->rows + source->row) * each;
}

static void move_rows(unsigned char *to, size_t to_row, const unsigned char *from, size_t from_row, size_t row_bytes,
                      uint32_t rows) {
    for (uint32_t row = 0; row < rows; row++)
        memcpy(to + row * to_row, from + row * from_row, row_bytes);
}

static void take_margins(const layout *l, const margin_layer *layer) {
    size_t px = layer->pixel_bytes;
    move_rows(layer->window, layer->row_bytes, layer->rows, l->width * px, l->width * px, l->above);
    move_rows(layer->window + l->above * layer->row_bytes, layer->row_bytes, layer->columns, l->left * px, l->left * px,
              l->height - l->above);
}

static void leave_margins(const layout *l, const margin_layer *layer) {
    size_t px = layer->pixel_bytes;
    const unsigned char *own = layer->window + l->above * layer->row_bytes;
    move_rows(layer->columns, l->right * px, own + (l->width - l->right) * px, layer->row_bytes, l->right * px,
              l->height - l->above);
    move_rows(layer->rows, l->width * px, layer->window + (l->height - l->below) * layer->row_bytes, layer->row_bytes,
              l->width * px, l->below);
}

/* --- tiles of one value ------------------------------------------------------------------------ */

static bool has_only(const unsigned char *pixels, size_t count, const unsigned char *value, size_t pixel_bytes) {
    return count == 0 || (memcmp(pixels, value, pixel_bytes) == 0 &&
                          memcmp(pixels, pixels + pixel_bytes, (count - 1) * pixel_bytes) == 0);
}

static void fill(unsigned char *pixels, size_t count, const unsigned char *value, size_t pixel_bytes) {
    if (pixel_bytes == 1) {
        memset(pixels, *value, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(pixels + i * pixel_bytes, value, pixel_bytes);
}

static bool margins_have_only(const layout *l, const margin_layer *layer, const unsigned char *value) {
    size_t own_rows = l->height - l->above;
    return has_only(layer->rows, (size_t)l->width * l->above, value, layer->pixel_bytes) &&
           has_only(layer->columns, l->left * own_rows, value, layer->pixel_bytes);
}

static void leave_value(const layout *l, const margin_layer *layer, const unsigned char *value) {
    fill(layer->columns, (size_t)l->right * (l->height - l->above), value, layer->pixel_bytes);
    fill(layer->rows, (size_t)l->width * l->below, value, layer->pixel_bytes);
}

static void fill_own(const layout *l, const margin_layer *layer, const unsigned char *value) {
    for (uint32_t row = l->above; row < l->height; row++)
        fill(layer->window + row * layer->row_bytes + l->left * layer->pixel_bytes, l->width - l->left, value,
             layer->pixel_bytes);
}

void stf_overview_fill(const stf_overview_operand *operand, stf_overview_worker *worker) {
    for (uint32_t row = 0; row < operand->window.height; row++)
        fill(worker->window + row * operand->row_bytes, operand->window.width, operand->value.pixel,
             operand->pixel_bytes);
}

/* --- both layers ------------------------------------------------------------------------------- */

static void compose_pixels(const stf_overview_link *link, stf_overview_worker *worker, const layout *l,
                           const stf_overview_source *source, stf_overview_operand *operand) {
    size_t px = operand->pixel_bytes;
    margin_layer layer = {px, operand->row_bytes, worker->window, rows_of(link, link->last_rows, source, px),
                          columns_of(link, link->last_columns, source, px)};
    operand->is_uniform = source->value && margins_have_only(l, &layer, source->value->pixel);
    if (operand->is_uniform) {
        operand->value = *source->value;
        leave_value(l, &layer, source->value->pixel);
        return;
    }
    take_margins(l, &layer);
    if (source->value)
        fill_own(l, &layer, source->value->pixel);
    else
        move_rows(layer.window + l->above * layer.row_bytes + l->left * px, layer.row_bytes, source->pixels,
                  link->x.tile_px * px, (l->width - l->left) * px, l->height - l->above);
    leave_margins(l, &layer);
}

static bool compose_mask(const stf_overview *overview, const stf_overview_link *link, stf_overview_worker *worker,
                         const layout *l, const stf_overview_source *source, stf_overview_operand *operand,
                         stf_error *err) {
    margin_layer layer = {1, operand->mask_row_bytes, worker->mask, rows_of(link, link->mask_rows, source, 1),
                          columns_of(link, link->mask_columns, source, 1)};
    uint64_t tile = (uint64_t)source->row * link->columns + source->column; /* a mask has one plane */
    take_margins(l, &layer);
    if (!overview->job->mask.read(overview->job->mask.context, source->level, tile,
                                  worker->mask + l->above * layer.row_bytes + l->left, layer.row_bytes, err))
        return false;
    leave_margins(l, &layer);
    operand->mask_value = worker->mask[0];
    operand->mask_is_uniform = true;
    for (uint32_t row = 0; row < l->height && operand->mask_is_uniform; row++)
        operand->mask_is_uniform = has_only(worker->mask + row * layer.row_bytes, l->width, &operand->mask_value, 1);
    return true;
}

bool stf_overview_compose(stf_overview *overview, stf_overview_link *link, stf_overview_worker *worker,
                          const stf_overview_source *source, stf_overview_operand *operand, stf_error *err) {
    layout l = layout_of(link, source, &operand->window);
    operand->pixel_bytes = stf_overview_pixel_bytes(overview->shape, source->plane);
    operand->row_bytes = (l.width + 1u) * operand->pixel_bytes;
    operand->mask_row_bytes = l.width + 1u;
    operand->has_mask = link->mask_rows != NULL;
    compose_pixels(link, worker, &l, source, operand);
    return !operand->has_mask || compose_mask(overview, link, worker, &l, source, operand, err);
}
