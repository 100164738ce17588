#include "underlay.h"

#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"

#define NEARLY 1e-6 /* of a pixel: what rounding may make of a border that lies on a block's */
/* A warped block that has left the cache is made again, with all that it reads: never planned for. */
#define WARPED_AGAIN 1000u

void stf_underlay_free(stf_underlay *underlay) {
    if (!underlay)
        return;
    for (uint32_t i = 0; i < underlay->grid_count; i++) {
        CPLFree(underlay->grids[i].path);
        VSIFree(underlay->grids[i].windows);
    }
    for (uint32_t i = 0; i < underlay->list_count; i++)
        CPLFree(underlay->lists[i].items);
    CPLFree(underlay->grids);
    CPLFree(underlay->lists);
    VSIFree(underlay);
}

uint64_t stf_underlay_cost_bytes(const stf_underlay *underlay) {
    uint64_t bytes = sizeof *underlay + (uint64_t)underlay->grid_room * sizeof *underlay->grids +
                     (uint64_t)underlay->list_room * sizeof *underlay->lists;
    for (uint32_t i = 0; i < underlay->list_count; i++)
        bytes += (uint64_t)underlay->lists[i].room * sizeof *underlay->lists[i].items;
    for (uint32_t i = 0; i < underlay->grid_count; i++) {
        const stf_under_grid *grid = &underlay->grids[i];
        bytes += strlen(grid->path) + 1;
        bytes += grid->windows ? (uint64_t)grid->columns * grid->rows * sizeof *grid->windows : 0;
    }
    return bytes;
}

/* First and last cell of one direction; false: the window does not meet the layer. */
static bool axis_cells(const stf_under_axis *axis, double begin, double end, uint32_t size_px, uint32_t block_px,
                       uint32_t *first, uint32_t *last) {
    begin = fmax(begin - axis->outer, axis->begin);
    end = fmin(end + axis->outer, axis->end);
    if (end - begin < NEARLY)
        return false;
    double low = fmax(floor(begin * axis->scale + axis->offset - axis->inner + NEARLY), 0);
    double high = fmin(ceil(end * axis->scale + axis->offset + axis->inner - NEARLY), size_px) - 1;
    if (low > high)
        return false;
    *first = (uint32_t)low / block_px;
    *last = (uint32_t)high / block_px;
    return true;
}

bool stf_under_layer_cells(const stf_underlay *underlay, const stf_under_layer *layer, const stf_window *window,
                           stf_under_cells *cells) {
    const stf_under_grid *grid = &underlay->grids[layer->grid];
    return axis_cells(&layer->y, window->y, (double)window->y + window->height, grid->height_px, grid->block_height_px,
                      &cells->top, &cells->bottom) &&
           axis_cells(&layer->x, window->x, (double)window->x + window->width, grid->width_px, grid->block_width_px,
                      &cells->left, &cells->right);
}

static bool touch_list(const stf_underlay *underlay, uint32_t list, const stf_window *window, stf_reuse *reuse);

static bool touch_block(const stf_underlay *underlay, const stf_under_grid *grid, uint32_t place, stf_reuse *reuse) {
    bool first, warped = grid->list != STF_UNDER_FILE;
    if (!stf_reuse_touch(reuse, grid->first_block + place, grid->block_bytes, warped ? 0 : grid->decodes,
                         warped ? WARPED_AGAIN : grid->decodes, &first))
        return false;
    if (!warped || !first || grid->windows[place].width == 0)
        return true;
    return touch_list(underlay, grid->list, &grid->windows[place], reuse);
}

static bool touch_list(const stf_underlay *underlay, uint32_t list, const stf_window *window, stf_reuse *reuse) {
    const stf_under_list *layers = &underlay->lists[list];
    for (uint32_t i = 0; i < layers->count; i++) {
        const stf_under_grid *grid = &underlay->grids[layers->items[i].grid];
        stf_under_cells cells;
        if (!stf_under_layer_cells(underlay, &layers->items[i], window, &cells))
            continue;
        for (uint32_t row = cells.top; row <= cells.bottom; row++)
            for (uint32_t column = cells.left; column <= cells.right; column++)
                if (!touch_block(underlay, grid, row * grid->columns + column, reuse))
                    return false;
    }
    return true;
}

bool stf_underlay_touch(const stf_underlay *underlay, const stf_window *window, stf_reuse *reuse) {
    return touch_list(underlay, 0, window, reuse);
}

uint64_t stf_underlay_scratch_bytes(const stf_underlay *underlay, uint64_t window_px) {
    double most = 0;
    for (uint32_t i = 0; i < underlay->list_count; i++)
        for (uint32_t l = 0; l < underlay->lists[i].count; l++) {
            const stf_under_layer *layer = &underlay->lists[i].items[l];
            most = fmax(most, fmin(layer->scratch_per_px * (double)window_px, layer->scratch_most));
        }
    return (uint64_t)most;
}

const stf_under_layer *stf_underlay_lead(const stf_underlay *underlay) {
    const stf_under_list *layers = &underlay->lists[0];
    const stf_under_layer *lead = &layers->items[0];
    for (uint32_t i = 1; i < layers->count; i++) {
        const stf_under_layer *layer = &layers->items[i];
        if ((layer->x.end - layer->x.begin) * (layer->y.end - layer->y.begin) >
            (lead->x.end - lead->x.begin) * (lead->y.end - lead->y.begin))
            lead = layer;
    }
    return lead;
}
