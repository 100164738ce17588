/* ROWS of an opaque dataset whose bands have blocks of different sizes.
 *
 *     band 1:  +----+----+----+      band 2:  +--------------+
 *              |    |    |    |               +--------------+
 *              +----+----+----+               +--------------+
 *
 * One block row of each band is kept, as it came; the rows of all bands are taken from there, top to bottom, and
 * converted on the way. So every block is pulled once, and no band runs ahead of the others by more than its blocks do. */
#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "messages.h"
#include "source.h"
#include "underlay_walk.h"
#include "upstream.h"

typedef struct band_rows {
    GDALRasterBandH band;
    GDALDataType type;
    uint32_t block_width_px, block_rows, columns;
    size_t block_bytes;
    uint32_t next_row;     /* the block row after the one that is kept; 0: none is */
    unsigned char *blocks; /* side by side, in the band's type */
} band_rows;

typedef struct scanlines_state {
    uint32_t bands;
    band_rows *of_band;
} scanlines_state;

static bool pull_block_row(band_rows *rows, uint32_t row, stf_error *err) {
    for (uint32_t column = 0; column < rows->columns; column++)
        if (GDALReadBlock(rows->band, (int)column, (int)row, rows->blocks + column * rows->block_bytes) != CE_None) {
            char context[128];
            snprintf(context, sizeof context, "Reading block %u, %u of band %d of the source", column, row,
                     GDALGetBandNumber(rows->band));
            return stf_fail_with_last(err, context);
        }
    rows->next_row = row + 1;
    return true;
}

/* One row of one band, from the blocks it lies across. */
static void take_row(const band_rows *rows, uint32_t y, uint32_t width_px, GDALDataType to_type, unsigned char *to) {
    int from_bytes = GDALGetDataTypeSizeBytes(rows->type), to_bytes = GDALGetDataTypeSizeBytes(to_type);
    size_t row_offset = (size_t)(y % rows->block_rows) * rows->block_width_px * (size_t)from_bytes;
    for (uint32_t column = 0; column < rows->columns; column++) {
        uint32_t x = column * rows->block_width_px;
        uint32_t length_px = width_px - x < rows->block_width_px ? width_px - x : rows->block_width_px;
        GDALCopyWords64(rows->blocks + column * rows->block_bytes + row_offset, rows->type, from_bytes,
                        to + (size_t)x * (size_t)to_bytes, to_type, to_bytes, (GPtrDiff_t)length_px);
    }
}

static bool read_scanlines(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                           stf_unit_pixels *pixels, stf_error *err) {
    scanlines_state *state = source->state;
    GDALDataType type = source->request.type;
    (void)reader;
    pixels->pixels = buffer;
    pixels->row_bytes = (size_t)unit->window.width * (size_t)GDALGetDataTypeSizeBytes(type);
    pixels->band_bytes = pixels->row_bytes * unit->window.height;
    for (uint32_t row = 0; row < unit->window.height; row++)
        for (uint32_t b = 0; b < state->bands; b++) {
            band_rows *rows = &state->of_band[b];
            uint32_t y = unit->window.y + row, block_row = y / rows->block_rows;
            if (rows->next_row != block_row + 1 && !pull_block_row(rows, block_row, err))
                return false;
            take_row(rows, y, unit->window.width, type,
                     (unsigned char *)buffer + b * pixels->band_bytes + row * pixels->row_bytes);
        }
    return true;
}

static void close_scanlines(stf_source *source) {
    scanlines_state *state = source->state;
    for (uint32_t b = 0; state->of_band && b < state->bands; b++)
        VSIFree(state->of_band[b].blocks);
    VSIFree(state->of_band);
    VSIFree(state);
}

static bool describe_band(stf_source *source, band_rows *rows, int number, stf_error *err) {
    int width, height;
    rows->band = GDALGetRasterBand(source->dataset, number);
    rows->type = GDALGetRasterDataType(rows->band);
    GDALGetBlockSize(rows->band, &width, &height);
    rows->block_width_px = (uint32_t)width;
    rows->block_rows = (uint32_t)height;
    rows->columns = ((uint32_t)GDALGetRasterXSize(source->dataset) - 1) / rows->block_width_px + 1;
    uint64_t block_bytes =
        stf_mul(stf_mul((uint64_t)width, (uint64_t)height), (uint64_t)GDALGetDataTypeSizeBytes(rows->type));
    uint64_t row_bytes = stf_mul(block_bytes, rows->columns);
    rows->block_bytes = (size_t)block_bytes;
    rows->blocks = row_bytes < SIZE_MAX ? VSIMalloc((size_t)row_bytes) : NULL;
    if (!rows->blocks)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for a row of %d x %d blocks of the source", width, height);
    source->info.reader_bytes = stf_add(source->info.reader_bytes, row_bytes);
    source->info.source_blocks +=
        (uint64_t)rows->columns * (((uint32_t)GDALGetRasterYSize(source->dataset) - 1) / rows->block_rows + 1);
    return true;
}

static bool pull_first_rows(scanlines_state *state, stf_error *err) {
    for (uint32_t b = 0; b < state->bands; b++)
        if (!pull_block_row(&state->of_band[b], 0, err))
            return false;
    return true;
}

/* Of the cache, for what lies underneath one row and the next. */
static uint64_t block_row_bytes(stf_source *source, const stf_underlay *underlay) {
    stf_lease_point points[STF_LEASE_POINTS] = {{0, 0}};
    stf_under_walk *walk = stf_under_walk_rows(underlay, (uint32_t)GDALGetRasterXSize(source->dataset),
                                               (uint32_t)GDALGetRasterYSize(source->dataset));
    if (walk)
        stf_under_walk_points(walk, NULL, 1, points);
    stf_under_walk_destroy(walk);
    return points[0].lease_bytes;
}

/* Pulls the first block rows, and learns from them what lies underneath: all that came into the cache may be asked for
 * again by the next band, and one block row more where a window reaches up from the next row. */
static bool probe(stf_source *source, stf_error *err) {
    stf_messages messages = {0};
    stf_upstream_probe *probe =
        stf_messages_init(&messages) ? stf_upstream_begin(source->dataset, source->request.lease) : NULL;
    if (!probe) {
        stf_messages_free(&messages);
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the first rows of the source");
    }
    int64_t used = GDALGetCacheUsed64();
    stf_messages_begin(&messages);
    bool done = pull_first_rows(source->state, err);
    stf_messages_end();
    stf_messages_raise(&messages);
    stf_messages_free(&messages);
    int64_t grown = GDALGetCacheUsed64() - used;
    stf_upstream upstream = stf_upstream_end(probe, 1);
    uint64_t span = grown > 0 ? (uint64_t)grown : 0;
    if (upstream.underlay) {
        span = stf_add(span, block_row_bytes(source, upstream.underlay));
        source->info.reader_bytes = stf_add(source->info.reader_bytes, upstream.underlay->reader_bytes);
    }
    stf_underlay_free(upstream.underlay);
    source->info.lease_bytes = span;
    stf_lease_resize(source->request.lease, stf_add(span, STF_PLANNING_LEASE_BYTES));
    return done;
}

bool stf_source_init_scanlines(stf_source *source, stf_error *err) {
    uint32_t width = (uint32_t)GDALGetRasterXSize(source->dataset),
             height = (uint32_t)GDALGetRasterYSize(source->dataset);
    stf_source_info *info = &source->info;
    scanlines_state *state = VSICalloc(1, sizeof *state);
    source->state = state;
    if (state) {
        source->close = close_scanlines;
        state->bands = (uint32_t)GDALGetRasterCount(source->dataset);
        state->of_band = VSICalloc(state->bands, sizeof *state->of_band);
    }
    info->groups = VSICalloc(1, sizeof *info->groups);
    if (!state || !state->of_band || !info->groups)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the source");
    for (uint32_t b = 0; b < state->bands; b++)
        if (!describe_band(source, &state->of_band[b], (int)b + 1, err))
            return false;
    uint64_t row_bytes =
        stf_mul(stf_mul(width, (uint64_t)GDALGetDataTypeSizeBytes(source->request.type)), state->bands);
    uint32_t rows_per_unit = stf_source_blocks_per_unit(source, 1, row_bytes);
    info->kind = STF_SOURCE_ROWS;
    info->group_count = 1;
    info->groups[0].bands = state->bands;
    info->groups[0].x = stf_axis_make(width, 0, width);
    info->groups[0].y = stf_axis_make(height, 0, rows_per_unit);
    info->unit_bytes = stf_mul(row_bytes, rows_per_unit);
    snprintf(info->summary, sizeof info->summary, "bands of an opaque dataset with blocks of different sizes");
    source->read = read_scanlines;
    return probe(source, err);
}
