/* BLOCKS: natural blocks of a plain dataset.
 *
 * GDALReadBlock() goes past GDAL's cache straight into our buffer. It is used where it decodes a block once
 * and no more: bands that are stored one by one, and GTiff's pixel-interleaved tiles (which keep the last
 * decoded tile, and leave the tile's other bands in GDAL's cache: that is what the reader's lease is
 * for). Everything else is read with RasterIO, block by block, through the cache.
 *
 * A GTiff file opened read-only is read by several readers; it must turn out to be the same file, not one that got its
 * name meanwhile, and the same raster, down to where blocks lie in the file. Where its layout is plain, blocks are read and
 * decoded without GDAL (source_direct.h); else it is opened once more for each reader. Any other dataset is read by its own
 * handle, on the calling thread. */
#include "source.h"

#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "coverage.h"
#include "gtiff_again.h"
#include "gtiff_cost.h"
#include "messages.h"
#include "platform.h"
#include "source_direct.h"

#define LARGE_BLOCK_BYTES ((size_t)8 << 20)

typedef struct blocks_group {
    uint32_t block_width_px, block_rows;            /* one block */
    uint32_t blocks_per_unit;                       /* one above the other */
    uint64_t blocks;                                /* that are there */
    size_t block_bytes;                             /* one band of one block, in the output's type */
    unsigned char *gaps;                            /* a bit for each block: it is missing; NULL: none is */
    unsigned char gap_sample[STF_MAX_SAMPLE_BYTES]; /* what their pixels are */
} blocks_group;

typedef struct blocks_state {
    bool read_block;    /* GDALReadBlock, not RasterIO */
    stf_direct *direct; /* blocks are read without GDAL; NULL: they are not */
    bool reopen;        /* readers have handles of their own */
    stf_platform_open file;
    uint32_t readers;
    GDALDatasetH *handles;
    blocks_group *groups;
} blocks_state;

/* --- what the dataset is like ------------------------------------------------------------------ */

static bool bands_are_of_type(GDALDatasetH dataset, GDALDataType type) {
    for (int band = 1; band <= GDALGetRasterCount(dataset); band++)
        if (GDALGetRasterDataType(GDALGetRasterBand(dataset, band)) != type)
            return false;
    return true;
}

/* Bands that one block of the file holds together are read together. */
static bool is_pixel_interleaved(GDALDatasetH dataset) {
    const char *interleave = GDALGetMetadataItem(dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    return GDALGetRasterCount(dataset) > 1 && stf_source_bands_share_blocks(dataset) &&
           (!interleave || !EQUAL(interleave, "BAND"));
}

/* --- blocks that are missing ------------------------------------------------------------------- */

static stf_window block_window(const stf_source *source, const stf_group *group, const blocks_group *shape,
                               uint32_t column, uint32_t block_row) {
    uint32_t height = (uint32_t)GDALGetRasterYSize(source->dataset), y = block_row * shape->block_rows;
    stf_window window = {stf_axis_start(&group->x, column), y, stf_axis_length(&group->x, column),
                         height - y < shape->block_rows ? height - y : shape->block_rows};
    return window;
}

static bool is_gap(const stf_group *group, const blocks_group *shape, uint32_t column, uint32_t block_row) {
    uint64_t block = (uint64_t)block_row * group->x.cells + column;
    return shape->gaps && (shape->gaps[block / 8] >> block % 8 & 1) != 0;
}

static bool keep_gap(blocks_group *shape, uint64_t block, uint64_t blocks) {
    if (!shape->gaps)
        shape->gaps = VSICalloc(1, (size_t)(blocks / 8 + 1));
    if (shape->gaps)
        shape->gaps[block / 8] = (unsigned char)(shape->gaps[block / 8] | 1 << block % 8);
    return shape->gaps != NULL;
}

/* GDAL knows holes of the file under uncompressed blocks, too; of all others the table of places tells as well. */
static bool is_missing(const stf_source *source, const stf_group *group, uint32_t column, uint32_t block_row,
                       const stf_window *window) {
    const blocks_state *state = source->state;
    const stf_tiff_index *index = state->direct ? stf_direct_index(state->direct) : NULL;
    if (index && stf_direct_is_compressed(state->direct))
        return stf_tiff_index_is_missing(index, stf_tiff_index_block(index, group->first_band, column, block_row));
    return stf_coverage_is_empty(GDALGetRasterBand(source->dataset, (int)group->first_band + 1), window);
}

/* Bands that lie in one block are missing together. False: no memory. */
static bool find_gaps(stf_source *source, const stf_group *group, blocks_group *shape, uint32_t rows) {
    uint64_t gaps = 0, blocks = (uint64_t)group->x.cells * rows;
    stf_window gap = {0, 0, 0, 0};
    for (uint64_t block = 0; block < blocks; block++) {
        uint32_t column = (uint32_t)(block % group->x.cells), row = (uint32_t)(block / group->x.cells);
        stf_window window = block_window(source, group, shape, column, row);
        if (!is_missing(source, group, column, row, &window))
            continue;
        if (!keep_gap(shape, block, blocks))
            return false;
        gap = window;
        gaps++;
    }
    if (gaps > 0 && !stf_coverage_value(source->dataset, group->first_band, group->bands, &gap, source->request.type,
                                        shape->gap_sample)) {
        VSIFree(shape->gaps);
        shape->gaps = NULL;
        gaps = 0;
    }
    shape->blocks = blocks - gaps;
    return true;
}

static bool describe_gaps(stf_source *source, const stf_group *group, blocks_group *shape, stf_error *err) {
    uint32_t rows = (uint32_t)(GDALGetRasterYSize(source->dataset) - 1) / shape->block_rows + 1;
    shape->blocks = (uint64_t)group->x.cells * rows;
    if (stf_coverage_is_told(source->dataset) && !find_gaps(source, group, shape, rows))
        return stf_fail(err, CPLE_OutOfMemory, "No memory to tell which blocks of the source are missing");
    source->info.source_blocks += shape->blocks;
    if (shape->gaps)
        source->info.kept_bytes += (uint64_t)group->x.cells * rows / 8 + 1;
    return true;
}

static uint64_t group_blocks(const stf_source *source, uint32_t group) {
    const blocks_state *state = source->state;
    return state->groups[group].blocks;
}

static uint32_t first_block_row(const blocks_group *shape, const stf_unit *unit) {
    return unit->row * shape->blocks_per_unit;
}

static uint32_t last_block_row(const blocks_group *shape, const stf_unit *unit) {
    return (unit->window.y + unit->window.height - 1) / shape->block_rows;
}

static uint32_t blocks_of_unit(const stf_source *source, const stf_unit *unit) {
    const blocks_state *state = source->state;
    const blocks_group *shape = &state->groups[unit->group];
    uint32_t blocks = 0;
    for (uint32_t row = first_block_row(shape, unit); row <= last_block_row(shape, unit); row++)
        blocks += is_gap(&source->info.groups[unit->group], shape, unit->column, row) ? 0 : 1;
    return blocks;
}

static bool is_gap_unit(void *context, const stf_unit *unit, unsigned char *value) {
    const stf_source *source = context;
    const blocks_state *state = source->state;
    if (!state->groups[unit->group].gaps || blocks_of_unit(source, unit) > 0)
        return false;
    memcpy(value, state->groups[unit->group].gap_sample, STF_MAX_SAMPLE_BYTES);
    return true;
}

/* Counts the blocks of a unit that are there. A unit without any is one value, and need not be read. */
static bool has_blocks(stf_source *source, const stf_unit *unit, stf_unit_pixels *pixels) {
    stf_source_count_blocks(source, blocks_of_unit(source, unit));
    pixels->constant = is_gap_unit(source, unit, pixels->value);
    return !pixels->constant;
}

/* --- describing -------------------------------------------------------------------------------- */

static bool describe_group(stf_source *source, blocks_state *state, uint32_t number, uint32_t first_band,
                           uint32_t bands, stf_error *err) {
    GDALRasterBandH band = GDALGetRasterBand(source->dataset, (int)first_band + 1);
    uint32_t width = (uint32_t)GDALGetRasterXSize(source->dataset),
             height = (uint32_t)GDALGetRasterYSize(source->dataset);
    stf_group *group = &source->info.groups[number];
    blocks_group *shape = &state->groups[number];
    int block_width, block_height;
    GDALGetBlockSize(band, &block_width, &block_height);
    shape->block_width_px = (uint32_t)block_width;
    shape->block_rows = (uint32_t)block_height;
    shape->block_bytes =
        (size_t)block_width * (size_t)block_height * (size_t)GDALGetDataTypeSizeBytes(source->request.type);
    shape->blocks_per_unit = stf_source_blocks_per_unit(source, shape->block_rows, stf_mul(shape->block_bytes, bands));
    group->first_band = first_band;
    group->bands = bands;
    group->x = stf_axis_make(width, 0, block_width);
    group->y = stf_axis_make(height, 0, (double)block_height * shape->blocks_per_unit);
    return describe_gaps(source, group, shape, err);
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void describe_costs(stf_source *source, const blocks_state *state, uint32_t number) {
    stf_source_info *info = &source->info;
    const stf_group *group = &info->groups[number];
    const blocks_group *shape = &state->groups[number];
    uint64_t unit = stf_mul(stf_mul(shape->block_bytes, group->bands), shape->blocks_per_unit);
    info->unit_bytes = larger(info->unit_bytes, unit);
    if (state->direct) {
        info->reader_bytes = stf_direct_reader_bytes(state->direct);
        return;
    }
    uint64_t reader = stf_gtiff_reader_bytes(source->dataset, group->first_band, group->bands);
    info->reader_bytes = larger(info->reader_bytes, reader);
    bool through_cache = !state->read_block || group->bands > 1;
    if (through_cache) {
        uint64_t cached = stf_mul(stf_source_cached_block_bytes(shape->block_bytes), group->bands);
        info->reader_lease_bytes = larger(info->reader_lease_bytes, cached);
    }
}

/* Whose descriptor is whose cannot be asked. If the dataset had an older file of that name open, there would be a descriptor
 * on another file; of another size, it would be another raster. */
static bool find_file(stf_source *source, blocks_state *state) {
    GDALDatasetH dataset = source->dataset;
    return state->read_block && stf_gtiff_is(dataset) && GDALGetAccess(dataset) == GA_ReadOnly &&
           stf_platform_open_files(GDALGetDescription(dataset), &state->file) && state->file.same > 0 &&
           state->file.alike == 0;
}

static void try_direct(stf_source *source, blocks_state *state) {
    const char *why = "DIRECT_DECODE=NO";
    if (!source->request.decode_by_gdal)
        state->direct = stf_direct_open(source->dataset, &state->file, &why);
    if (!state->direct)
        CPLDebug("StreamTIFF", "%s is decoded by GDAL: %s", GDALGetDescription(source->dataset), why);
}

/* Blocks that are missing and told of as one value are never read; any other is left to GDAL. */
static bool has_other_gaps(const stf_source *source, const blocks_state *state) {
    const stf_tiff_index *index = stf_direct_index(state->direct);
    for (uint32_t g = 0; g < source->info.group_count; g++) {
        const stf_group *group = &source->info.groups[g];
        for (uint32_t row = 0; row < index->rows; row++)
            for (uint32_t column = 0; column < index->columns; column++)
                if (stf_tiff_index_is_missing(index, stf_tiff_index_block(index, group->first_band, column, row)) &&
                    !is_gap(group, &state->groups[g], column, row))
                    return true;
    }
    return false;
}

/* The first reader's handle is opened while the source is described: that it can be is part of the description. */
static bool try_reopen(stf_source *source, blocks_state *state) {
    if (!stf_gtiff_blocks_are_separate(source->dataset))
        return false;
    GDALDatasetH again = stf_gtiff_open_again(source->dataset, &state->file);
    if (!again)
        return false;
    state->handles = VSICalloc(1, sizeof(GDALDatasetH));
    if (!state->handles) {
        GDALClose(again);
        return false;
    }
    state->handles[0] = again;
    state->readers = 1;
    return true;
}

/* --- reading ----------------------------------------------------------------------------------- */

static bool open_readers(stf_source *source, uint32_t readers, stf_error *err) {
    blocks_state *state = source->state;
    if (state->direct)
        return stf_direct_open_readers(state->direct, readers, err);
    if (!state->reopen || readers <= state->readers)
        return true;
    GDALDatasetH *handles = VSIRealloc(state->handles, readers * sizeof *handles);
    if (!handles)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for %u readers", readers);
    state->handles = handles;
    while (state->readers < readers) {
        handles[state->readers] = stf_gtiff_open_again(source->dataset, &state->file);
        if (!handles[state->readers])
            return stf_fail(err, CPLE_OpenFailed, "%s cannot be opened a second time, or has changed meanwhile",
                            GDALGetDescription(source->dataset));
        state->readers++;
    }
    return true;
}

/* The bands of a group are all that one read brings in. */
static void drop_cached(const stf_source *source, GDALDatasetH dataset, const stf_group *group) {
    if (source->request.leave_no_blocks && source->info.reader_lease_bytes > 0)
        for (uint32_t b = 0; b < group->bands; b++)
            GDALFlushRasterCache(GDALGetRasterBand(dataset, (int)(group->first_band + b) + 1));
}

/* All bands of one block below each other: band after band, each blocks_per_unit blocks high. */
static bool read_one_block(stf_source *source, GDALDatasetH dataset, const stf_unit *unit, uint32_t block_row,
                           unsigned char *to, size_t band_bytes, stf_error *err) {
    const blocks_state *state = source->state;
    const stf_group *group = &source->info.groups[unit->group];
    for (uint32_t b = 0; b < group->bands; b++) {
        GDALRasterBandH band = GDALGetRasterBand(dataset, (int)(group->first_band + b) + 1);
        if (GDALReadBlock(band, (int)unit->column, (int)block_row, to + b * band_bytes) != CE_None) {
            char context[128];
            snprintf(context, sizeof context, "Reading block %u, %u of band %u of the source", unit->column, block_row,
                     group->first_band + b + 1);
            return stf_fail_with_last(err, context);
        }
    }
    drop_cached(source, dataset, group);
    if (state->groups[unit->group].block_bytes >= LARGE_BLOCK_BYTES)
        stf_platform_trim_heap(); /* what the decoder's buffers left behind when they moved */
    return true;
}

/* A block of a unit that is missing, though others of it are not, is filled with what its pixels are. */
static bool read_directly(stf_source *source, uint32_t reader, const stf_unit *unit, uint32_t block_row,
                          unsigned char *to, size_t band_bytes, stf_error *err) {
    const blocks_state *state = source->state;
    const stf_group *group = &source->info.groups[unit->group];
    const blocks_group *shape = &state->groups[unit->group];
    if (!is_gap(group, shape, unit->column, block_row))
        return stf_direct_read(state->direct, reader, group->first_band, unit->column, block_row, to, band_bytes, err);
    size_t sample_bytes = (size_t)GDALGetDataTypeSizeBytes(source->request.type);
    for (uint32_t b = 0; b < group->bands; b++)
        for (size_t at = 0; at < shape->block_bytes; at += sample_bytes)
            memcpy(to + b * band_bytes + at, shape->gap_sample, sample_bytes);
    return true;
}

static bool read_blocks(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                        stf_unit_pixels *pixels, stf_error *err) {
    blocks_state *state = source->state;
    const blocks_group *shape = &state->groups[unit->group];
    GDALDatasetH dataset = state->reopen ? state->handles[reader] : source->dataset;
    if (!has_blocks(source, unit, pixels))
        return true;
    pixels->pixels = buffer;
    pixels->row_bytes = shape->block_bytes / shape->block_rows;
    pixels->band_bytes = shape->block_bytes * shape->blocks_per_unit;
    uint32_t first = first_block_row(shape, unit);
    for (uint32_t row = first; row <= last_block_row(shape, unit); row++) {
        unsigned char *to = (unsigned char *)buffer + (row - first) * shape->block_bytes;
        if (state->direct ? !read_directly(source, reader, unit, row, to, pixels->band_bytes, err)
                          : !read_one_block(source, dataset, unit, row, to, pixels->band_bytes, err))
            return false;
    }
    return true;
}

static bool read_with_rasterio(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                               stf_unit_pixels *pixels, stf_error *err) {
    const stf_group *group = &source->info.groups[unit->group];
    const stf_window *window = &unit->window;
    int pixel_bytes = GDALGetDataTypeSizeBytes(source->request.type);
    (void)reader;
    if (!has_blocks(source, unit, pixels))
        return true;
    pixels->pixels = buffer;
    pixels->row_bytes = (size_t)window->width * (size_t)pixel_bytes;
    pixels->band_bytes = pixels->row_bytes * window->height;
    for (uint32_t b = 0; b < group->bands; b++) {
        GDALRasterBandH band = GDALGetRasterBand(source->dataset, (int)(group->first_band + b) + 1);
        if (GDALRasterIOEx(band, GF_Read, (int)window->x, (int)window->y, (int)window->width, (int)window->height,
                           (unsigned char *)buffer + b * pixels->band_bytes, (int)window->width, (int)window->height,
                           source->request.type, pixel_bytes, (GSpacing)pixels->row_bytes, NULL) != CE_None) {
            char context[160];
            snprintf(context, sizeof context, "Reading %u x %u pixels at %u, %u of band %u of the source",
                     window->width, window->height, window->x, window->y, group->first_band + b + 1);
            return stf_fail_with_last(err, context);
        }
    }
    drop_cached(source, source->dataset, group);
    return true;
}

static void close_blocks(stf_source *source) {
    blocks_state *state = source->state;
    stf_direct_close(state->direct);
    for (uint32_t i = 0; i < state->readers; i++)
        GDALClose(state->handles[i]);
    VSIFree(state->handles);
    for (uint32_t g = 0; state->groups && g < source->info.group_count; g++)
        VSIFree(state->groups[g].gaps);
    VSIFree(state->groups);
    VSIFree(state);
}

bool stf_source_init_blocks(stf_source *source, stf_error *err) {
    GDALDatasetH dataset = source->dataset;
    uint32_t bands = (uint32_t)GDALGetRasterCount(dataset);
    bool together = is_pixel_interleaved(dataset);
    uint32_t groups = together ? 1 : bands;
    blocks_state *state = VSICalloc(1, sizeof *state);
    source->state = state;
    source->close = close_blocks;
    if (state)
        state->groups = VSICalloc(groups, sizeof *state->groups);
    source->info.groups = VSICalloc(groups, sizeof *source->info.groups);
    if (!state || !state->groups || !source->info.groups) {
        if (!state)
            source->close = NULL;
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of %u bands", bands);
    }
    source->info.kind = STF_SOURCE_BLOCKS;
    source->info.group_count = groups;
    source->info.decodes_are_counted = true;
    bool is_vrt = EQUAL(GDALGetDriverShortName(GDALGetDatasetDriver(dataset)), "VRT");
    state->read_block = GDALGetAccess(dataset) == GA_ReadOnly && bands_are_of_type(dataset, source->request.type) &&
                        !is_vrt && (!together || stf_gtiff_is(dataset));
    bool known_file = find_file(source, state);
    if (known_file)
        try_direct(source, state);
    for (uint32_t g = 0; g < groups; g++)
        if (!describe_group(source, state, g, together ? 0 : g, together ? bands : 1, err))
            return false;
    source->info.constants.of_unit = source->info.kept_bytes > 0 ? is_gap_unit : NULL;
    if (state->direct && has_other_gaps(source, state)) {
        stf_direct_close(state->direct);
        state->direct = NULL;
    }
    state->reopen = known_file && !state->direct && try_reopen(source, state);
    source->info.parallel_read = state->direct || state->reopen;
    source->info.readers_roam = state->direct != NULL;
    source->info.decoded_directly = state->direct != NULL;
    if (state->direct)
        source->info.kept_bytes += stf_direct_kept_bytes(state->direct);
    for (uint32_t g = 0; g < groups; g++)
        describe_costs(source, state, g);
    source->info.constants.context = source;
    source->info.group_blocks = group_blocks;
    source->open_readers = open_readers;
    source->read = state->read_block ? read_blocks : read_with_rasterio;
    snprintf(source->info.summary, sizeof source->info.summary, "%u x %u blocks of %s, %s",
             state->groups[0].block_width_px, state->groups[0].block_rows,
             GDALGetDriverShortName(GDALGetDatasetDriver(dataset)),
             state->direct       ? "read in parallel, without GDAL"
             : state->reopen     ? "read in parallel"
             : state->read_block ? "read by one handle"
                                 : "read through GDAL's cache");
    return true;
}
