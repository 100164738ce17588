/* A mask as a source of one band: its natural blocks, read by the dataset's own handle, on the calling thread.
 *
 * It is a band beside the others, with blocks of its own: reading it decodes none of theirs. The mask of a VRT is read
 * as WINDOWS where that can be planned (source_windows.c). */
#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "coverage.h"
#include "messages.h"
#include "source.h"

#define HANDLE_BYTES                                                                                                   \
    ((uint64_t)384 << 10) /* of a file of its own beside the dataset's: directory, tables of the codec */

typedef struct mask_state {
    GDALRasterBandH band;
    bool read_block; /* GDALReadBlock, not RasterIO */
    bool has_gaps;   /* blocks are missing: each is asked for before it is read */
    uint32_t block_width_px, block_rows;
} mask_state;

GDALRasterBandH stf_source_mask_band(const stf_source *source) {
    uint32_t band = source->request.mask_band;
    return GDALGetMaskBand(GDALGetRasterBand(source->dataset, band > 0 ? (int)band : 1));
}

bool stf_source_has_mask_of_band(GDALDatasetH dataset, uint32_t band) {
    const int others = GMF_PER_DATASET | GMF_ALL_VALID | GMF_ALPHA | GMF_NODATA;
    return (GDALGetMaskFlags(GDALGetRasterBand(dataset, (int)band)) & others) == 0;
}

static stf_window block_window(const stf_source *source, const mask_state *state, uint32_t column, uint32_t row) {
    const stf_group *group = source->info.groups;
    uint32_t y = row * state->block_rows, left = group->y.size_px - y;
    stf_window window = {stf_axis_start(&group->x, column), y, stf_axis_length(&group->x, column),
                         left < state->block_rows ? left : state->block_rows};
    return window;
}

static bool is_gap(const stf_source *source, const mask_state *state, uint32_t column, uint32_t row) {
    stf_window window = block_window(source, state, column, row);
    return state->has_gaps && stf_coverage_is_empty(state->band, &window);
}

static bool read_rows(const mask_state *state, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels) {
    const stf_window *window = &unit->window;
    pixels->row_bytes = window->width;
    return GDALRasterIO(state->band, GF_Read, (int)window->x, (int)window->y, (int)window->width, (int)window->height,
                        buffer, (int)window->width, (int)window->height, GDT_Byte, 0, 0) == CE_None;
}

static bool read_blocks(const mask_state *state, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels) {
    uint32_t first = unit->window.y / state->block_rows;
    uint32_t last = (unit->window.y + unit->window.height - 1) / state->block_rows;
    pixels->row_bytes = state->block_width_px;
    for (uint32_t row = first; row <= last; row++)
        if (GDALReadBlock(state->band, (int)unit->column, (int)row,
                          (unsigned char *)buffer +
                              (size_t)(row - first) * state->block_rows * state->block_width_px) != CE_None)
            return false;
    return true;
}

static bool read_unit(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                      stf_error *err) {
    const mask_state *state = source->state;
    uint32_t last = (unit->window.y + unit->window.height - 1) / state->block_rows, blocks = 0;
    (void)reader;
    for (uint32_t row = unit->window.y / state->block_rows; row <= last; row++)
        blocks += is_gap(source, state, unit->column, row) ? 0 : 1;
    stf_source_count_blocks(source, blocks);
    pixels->pixels = buffer;
    pixels->constant = blocks == 0; /* of value 0: what is missing in a mask is not valid */
    if (pixels->constant || (state->read_block ? read_blocks : read_rows)(state, unit, buffer, pixels))
        return true;
    char context[128];
    snprintf(context, sizeof context, "Reading %u x %u pixels at %u, %u of the mask of the source", unit->window.width,
             unit->window.height, unit->window.x, unit->window.y);
    return stf_fail_with_last(err, context);
}

static void count_blocks(stf_source *source, mask_state *state) {
    const stf_group *group = source->info.groups;
    uint32_t rows = (group->y.size_px - 1) / state->block_rows + 1;
    uint64_t gaps = 0;
    state->has_gaps = stf_coverage_is_told(source->dataset);
    for (uint32_t row = 0; state->has_gaps && row < rows; row++)
        for (uint32_t column = 0; column < group->x.cells; column++)
            gaps += is_gap(source, state, column, row) ? 1 : 0;
    state->has_gaps = gaps > 0;
    source->info.may_be_constant = gaps > 0;
    source->info.source_blocks = (uint64_t)group->x.cells * rows - gaps;
}

static void close_mask(stf_source *source) {
    VSIFree(source->state);
}

bool stf_source_init_mask(stf_source *source, stf_error *err) {
    stf_source_info *info = &source->info;
    mask_state *state = VSICalloc(1, sizeof *state);
    info->groups = VSICalloc(1, sizeof *info->groups);
    source->state = state;
    source->close = state ? close_mask : NULL;
    if (!state || !info->groups)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the mask");
    int width, height;
    GDALDriverH driver = GDALGetDatasetDriver(source->dataset);
    state->band = stf_source_mask_band(source);
    GDALGetBlockSize(state->band, &width, &height);
    state->block_width_px = (uint32_t)width;
    state->block_rows = (uint32_t)height;
    state->read_block = driver && !EQUAL(GDALGetDriverShortName(driver), "VRT") &&
                        GDALGetAccess(source->dataset) == GA_ReadOnly && GDALGetRasterDataType(state->band) == GDT_Byte;
    uint64_t block_bytes = stf_mul(state->block_width_px, state->block_rows);
    uint32_t blocks_per_unit = stf_source_blocks_per_unit(source, state->block_rows, block_bytes);
    info->groups->bands = 1;
    info->groups->x = stf_axis_make((uint32_t)GDALGetRasterXSize(source->dataset), 0, width);
    info->groups->y = stf_axis_make((uint32_t)GDALGetRasterYSize(source->dataset), 0, (double)height * blocks_per_unit);
    info->kind = STF_SOURCE_BLOCKS;
    info->group_count = 1;
    info->decodes_are_counted = true;
    info->unit_bytes = stf_mul(block_bytes, blocks_per_unit);
    count_blocks(source, state);
    /* A compressed block that libtiff's buffer moves with, and the block it is decoded to. */
    info->reader_bytes = stf_add(HANDLE_BYTES, stf_add(stf_mul(3, block_bytes), stf_mul(16, info->source_blocks)));
    if (!state->read_block)
        info->reader_lease_bytes = stf_mul(stf_source_cached_block_bytes(block_bytes), blocks_per_unit);
    source->read = read_unit;
    snprintf(info->summary, sizeof info->summary, "mask in blocks of %d x %d", width, height);
    return true;
}

/* --- a mask that is not there ------------------------------------------------------------------ */

static bool is_zero(void *context, const stf_unit *unit, unsigned char *value) {
    (void)context;
    (void)unit;
    *value = 0;
    return true;
}

static bool read_zero(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                      stf_error *err) {
    (void)source;
    (void)reader;
    (void)unit;
    (void)err;
    pixels->pixels = buffer;
    pixels->constant = true; /* of value 0 */
    return true;
}

bool stf_source_init_no_mask(stf_source *source, stf_error *err) {
    stf_source_info *info = &source->info;
    info->groups = VSICalloc(1, sizeof *info->groups);
    if (!info->groups)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the mask");
    info->groups->bands = 1;
    info->groups->x =
        stf_axis_make((uint32_t)GDALGetRasterXSize(source->dataset), 0, (uint32_t)GDALGetRasterXSize(source->dataset));
    info->groups->y =
        stf_axis_make((uint32_t)GDALGetRasterYSize(source->dataset), 0, (double)source->request.tile_height_px);
    info->kind = STF_SOURCE_BLOCKS;
    info->group_count = 1;
    info->decodes_are_counted = true;
    info->unit_bytes = 1;
    info->constants.of_unit = is_zero;
    source->read = read_zero;
    snprintf(info->summary, sizeof info->summary, "no mask");
    return true;
}
