/* WINDOWS: a VRT, read with RasterIO along the block grid of what lies underneath.
 *
 * Windows are cut along the blocks of the largest layer, mapped to the VRT's pixels and moved up (and left) by
 * the halo of its resampling: the source pixels of a window then end where a block ends, and do not begin one more.
 *
 *     source blocks   ----k-1----|-----k-----|----k+1----
 *     a window               [ - - window - -]             its source pixels, halo included
 *
 * With no halo, and one layer in step with the VRT, no two windows share a block, and the cache holds those of one
 * window. Else the order of windows is walked through beforehand, block by block (underlay_walk.h), and the plan
 * chooses stripes and lease by what it finds. The blocks of a warped VRT are the windows themselves: one run of the warper
 * makes one. A VRT that shows one whole raster unchanged is unwrapped: the raster is read as BLOCKS. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "messages.h"
#include "plain_vrt.h"
#include "platform.h"
#include "source.h"
#include "underlay.h"
#include "underlay_walk.h"

#define UNIT_PX_AT_LEAST 32.0      /* of the VRT ... */
#define UNIT_SOURCE_PX_MOST 1024.0 /* ... made up of blocks that are no wider together than this */
#define UNIT_BYTES_CUT ((uint64_t)8 << 20)
#define PIECE_BYTES ((uint64_t)2 << 20)

typedef struct windows_state {
    stf_underlay *underlay;
    stf_under_walk *walk;
} windows_state;

static bool read_window(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                        stf_unit_pixels *pixels, stf_error *err) {
    const stf_window *window = &unit->window;
    int pixel_bytes = GDALGetDataTypeSizeBytes(source->request.type), only = (int)source->request.only_band;
    (void)reader;
    pixels->pixels = buffer;
    pixels->row_bytes = (size_t)window->width * (size_t)pixel_bytes;
    pixels->band_bytes = pixels->row_bytes * window->height;
    if (source->request.mask) {
        if (GDALRasterIOEx(stf_source_mask_band(source), GF_Read, (int)window->x, (int)window->y, (int)window->width,
                           (int)window->height, buffer, (int)window->width, (int)window->height, source->request.type,
                           pixel_bytes, (GSpacing)pixels->row_bytes, NULL) == CE_None)
            return true;
    } else if (GDALDatasetRasterIOEx(source->dataset, GF_Read, (int)window->x, (int)window->y, (int)window->width,
                                     (int)window->height, buffer, (int)window->width, (int)window->height,
                                     source->request.type, only > 0 ? 1 : GDALGetRasterCount(source->dataset),
                                     only > 0 ? &only : NULL, pixel_bytes, (GSpacing)pixels->row_bytes,
                                     (GSpacing)pixels->band_bytes, NULL) == CE_None)
        return true;
    char context[128];
    snprintf(context, sizeof context, "Reading %u x %u pixels at %u, %u of the VRT", window->width, window->height,
             window->x, window->y);
    return stf_fail_with_last(err, context);
}

/* The warper's buffers differ in size from block to block, and blocks that stay in GDAL's cache come to lie between them:
 * the allocator would keep the holes, a fifth of the lease and more. */
static bool read_warped(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                        stf_unit_pixels *pixels, stf_error *err) {
    bool done = read_window(source, reader, unit, buffer, pixels, err);
    stf_platform_trim_heap();
    return done;
}

static bool is_warped(const stf_underlay *underlay) {
    for (uint32_t i = 0; i < underlay->grid_count; i++)
        if (underlay->grids[i].list != STF_UNDER_FILE)
            return true;
    return false;
}

/* --- windows ----------------------------------------------------------------------------------- */

/* One direction of the windows: blocks of the lead layer, in pixels of the VRT. */
static stf_axis window_axis(const stf_under_axis *lead, uint32_t size_px, uint32_t block_px, bool warped) {
    double step = block_px / lead->scale, begin = -lead->offset / lead->scale;
    double halo_px = lead->outer + lead->inner / lead->scale, blocks = 1;
    if (!warped && step < UNIT_PX_AT_LEAST) {
        blocks = fmin(ceil(UNIT_PX_AT_LEAST / step), fmax(floor(UNIT_SOURCE_PX_MOST / block_px), 1));
        /* Enough to make whole pixels, whatever they come to. */
        blocks = fmax(blocks, ceil(1 / step));
    }
    /* Nearest (whose halo is negative) shows the pixel in the middle: what lies half in a block belongs to it. */
    begin += halo_px < 0 ? 0.5 : -ceil(halo_px);
    stf_axis axis = stf_axis_make(size_px, begin, step * blocks);
    /* What the halo leaves over at the end would be one more column, or row, over blocks that were there before. */
    if (halo_px > 0 && axis.cells > 1 && stf_axis_length(&axis, axis.cells - 1) <= 2 * ceil(halo_px))
        stf_axis_join_last(&axis);
    return axis;
}

static uint64_t unit_bytes(const stf_group *group, uint64_t sample_bytes) {
    uint64_t px = stf_mul(stf_axis_longest(&group->x), stf_axis_longest(&group->y));
    return stf_mul(px, sample_bytes * group->bands);
}

/* A strip of many rows is needed as a whole by each row of tiles, but its pixels can be passed on in pieces. */
static void cut_strips(stf_group *group, uint64_t sample_bytes, uint32_t tile_height_px) {
    uint64_t bytes = unit_bytes(group, sample_bytes);
    if (bytes <= UNIT_BYTES_CUT || group->y.step_px < 0.9 * tile_height_px)
        return;
    double pieces = ceil((double)bytes / (double)PIECE_BYTES);
    double down = fmax(floor(group->y.step_px / tile_height_px), 1), across = fmax(ceil(pieces / down), 1);
    if (group->y.step_px / down >= 1)
        group->y = stf_axis_make(group->y.size_px, group->y.origin_px, group->y.step_px / down);
    if (group->x.step_px / across >= UNIT_PX_AT_LEAST)
        group->x = stf_axis_make(group->x.size_px, group->x.origin_px, group->x.step_px / across);
}

static void cut_windows(stf_source *source, const stf_underlay *underlay) {
    stf_group *group = source->info.groups;
    const stf_under_layer *lead = stf_underlay_lead(underlay);
    const stf_under_grid *grid = &underlay->grids[lead->grid];
    bool warped = grid->list != STF_UNDER_FILE;
    uint64_t sample_bytes = (uint64_t)GDALGetDataTypeSizeBytes(source->request.type);
    uint32_t only = source->request.only_band;
    group->first_band = only > 0 ? only - 1 : 0;
    group->bands = source->request.mask || only > 0 ? 1 : (uint32_t)GDALGetRasterCount(source->dataset);
    group->x = window_axis(&lead->x, (uint32_t)GDALGetRasterXSize(source->dataset), grid->block_width_px, warped);
    group->y = window_axis(&lead->y, (uint32_t)GDALGetRasterYSize(source->dataset), grid->block_height_px, warped);
    if (!warped)
        cut_strips(group, sample_bytes, source->request.tile_height_px);
    source->info.unit_bytes = unit_bytes(group, sample_bytes);
    snprintf(source->info.summary, sizeof source->info.summary, "VRT over %u raster(s), the largest %s %u x %u blocks",
             underlay->grid_count, warped ? "warped in" : "in", grid->block_width_px, grid->block_height_px);
}

/* --- lease ------------------------------------------------------------------------------------- */

static bool describe(stf_source *source, windows_state *state) {
    stf_source_info *info = &source->info;
    stf_geometry geometry = {0};
    stf_under_sum sum;
    cut_windows(source, state->underlay);
    stf_plane all = {info->groups->first_band, info->groups->bands};
    uint64_t window_px = (uint64_t)stf_axis_longest(&info->groups->x) * stf_axis_longest(&info->groups->y);
    info->reader_bytes = stf_add(state->underlay->reader_bytes,
                                 stf_mul(stf_underlay_scratch_bytes(state->underlay, window_px), info->groups->bands));
    /* The tiles are not known yet: for what one unit touches, and whether it shares it, any will do. */
    geometry.width_px = info->groups->x.size_px;
    geometry.height_px = info->groups->y.size_px;
    geometry.groups = info->groups;
    geometry.group_count = 1;
    geometry.planes = &all;
    geometry.plane_count = 1;
    geometry.tile_x = stf_axis_make(geometry.width_px, 0, geometry.width_px);
    geometry.tile_y = stf_axis_make(geometry.height_px, 0, geometry.height_px);
    if (!stf_under_walk_sum(state->walk, &geometry, &sum))
        return false;
    info->source_blocks = sum.decodes;
    info->repeated_blocks = sum.repeated;
    info->planning_bytes = sum.planning_bytes;
    if (sum.shared) {
        info->shared.context = state->walk;
        info->shared.points = stf_under_walk_points;
    } else {
        info->lease_bytes = sum.unit_bytes;
    }
    return true;
}

/* --- a plain VRT ------------------------------------------------------------------------------- */

/* One whole raster, shown unchanged. */
static bool shows_all(GDALDatasetH vrt, const stf_underlay *underlay) {
    uint32_t x, y;
    if (!stf_plain_vrt_shows(vrt, underlay, &x, &y))
        return false;
    const stf_under_grid *grid = &underlay->grids[underlay->lists[0].items[0].grid];
    return x == 0 && y == 0 && (uint32_t)GDALGetRasterXSize(vrt) == grid->width_px &&
           (uint32_t)GDALGetRasterYSize(vrt) == grid->height_px;
}

/* --- the source -------------------------------------------------------------------------------- */

/* What the plan was made of is of no use any more. */
static bool open_readers(stf_source *source, uint32_t readers, stf_error *err) {
    windows_state *state = source->state;
    (void)readers;
    (void)err;
    source->info.shared.points = NULL;
    stf_under_walk_destroy(state->walk);
    stf_underlay_free(state->underlay);
    memset(state, 0, sizeof *state);
    return true;
}

static void close_windows(stf_source *source) {
    windows_state *state = source->state;
    stf_under_walk_destroy(state->walk);
    stf_underlay_free(state->underlay);
    VSIFree(state);
    source->state = NULL;
}

/* Takes the underlay over, whatever happens. */
static bool init_windows(stf_source *source, stf_underlay *underlay, bool *fits, stf_error *err) {
    windows_state *state = VSICalloc(1, sizeof *state);
    if (!state) {
        stf_underlay_free(underlay);
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the source");
    }
    source->state = state;
    source->close = close_windows;
    state->underlay = underlay;
    state->walk = stf_under_walk_units(underlay);
    source->info.groups = VSICalloc(1, sizeof *source->info.groups);
    if (!state->walk || !source->info.groups || !describe(source, state))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the walk over the source's blocks");
    source->info.kind = STF_SOURCE_WINDOWS;
    source->info.group_count = 1;
    source->read = is_warped(underlay) ? read_warped : read_window;
    source->open_readers = open_readers;
    *fits = true;
    return true;
}

bool stf_source_init_windows(stf_source *source, bool *fits, stf_error *err) {
    *fits = false;
    bool mask = source->request.mask;
    uint32_t bands = (uint32_t)GDALGetRasterCount(source->dataset);
    stf_underlay *underlay = mask ? stf_underlay_read_mask(source->dataset, source->request.mask_band)
                                  : stf_underlay_read(source->dataset, 1, bands);
    if (!underlay)
        return true;
    if (!mask && shows_all(source->dataset, underlay)) {
        source->unwrapped = stf_plain_vrt_open(source->dataset, underlay);
        if (source->unwrapped) {
            source->dataset = source->unwrapped;
            stf_underlay_free(underlay);
            return true;
        }
    }
    if (mask || bands == 1)
        source->request.only_band = 0;
    if (source->request.only_band > 0) {
        stf_underlay_free(underlay);
        underlay = stf_underlay_read(source->dataset, source->request.only_band, 1);
        if (!underlay)
            return true;
    }
    return init_windows(source, underlay, fits, err);
}
