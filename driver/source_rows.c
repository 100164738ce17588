/* ROWS: an opaque dataset, pulled strictly top to bottom.
 *
 * gdaldem's dataset computes a row from a window of three rows of its DEM that only moves forward
 * cheaply (and, asked for the last row out of turn, gives wrong rows afterwards); so each row is
 * asked for once, in order. The first two rows are read while the source is described, to see what
 * they pull in underneath, and kept (the very first may be all nodata, and read nothing). Its color-relief gives blocks
 * of 3 or 4 bands instead: band after band of one block, so that what lies underneath is read once. Bands of another
 * type than the output's are converted block by block. */
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "messages.h"
#include "source.h"
#include "underlay_walk.h"
#include "upstream.h"

typedef struct rows_state {
    uint32_t block_width_px, block_rows, blocks_per_unit;
    size_t block_bytes;     /* one band of one block, in the output's type */
    unsigned char *foreign; /* one block of a band of another type, on its way; NULL: there is no such band */
    uint32_t kept_rows;     /* first rows read while describing, all bands of each ... */
    unsigned char *kept;    /* ... until they are used */
    stf_underlay *underlay;
    stf_under_walk *walk;
} rows_state;

/* One block of one band, converted where the band is not of the output's type. */
static bool read_band(stf_source *source, GDALRasterBandH band, int column, int row, unsigned char *to) {
    rows_state *state = source->state;
    GDALDataType type = GDALGetRasterDataType(band);
    bool foreign = type != source->request.type;
    if (GDALReadBlock(band, column, row, foreign ? state->foreign : to) != CE_None)
        return false;
    if (foreign)
        GDALCopyWords64(state->foreign, type, GDALGetDataTypeSizeBytes(type), to, source->request.type,
                        GDALGetDataTypeSizeBytes(source->request.type),
                        (GPtrDiff_t)state->block_width_px * (GPtrDiff_t)state->block_rows);
    return true;
}

static bool read_block(stf_source *source, uint32_t column, uint32_t row, unsigned char *to, size_t band_bytes,
                       stf_error *err) {
    const stf_group *group = &source->info.groups[0];
    rows_state *state = source->state;
    for (uint32_t b = 0; b < group->bands; b++) {
        unsigned char *at = to + b * band_bytes;
        if (row < state->kept_rows) {
            memcpy(at, state->kept + ((size_t)row * group->bands + b) * state->block_bytes, state->block_bytes);
            continue;
        }
        if (!read_band(source, GDALGetRasterBand(source->dataset, (int)b + 1), (int)column, (int)row, at)) {
            char context[128];
            snprintf(context, sizeof context, "Reading block %u, %u of band %u of the source", column, row, b + 1);
            return stf_fail_with_last(err, context);
        }
    }
    return true;
}

static bool read_rows(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                      stf_error *err) {
    rows_state *state = source->state;
    uint32_t first = unit->row * state->blocks_per_unit;
    uint32_t last = (unit->window.y + unit->window.height - 1) / state->block_rows;
    (void)reader;
    pixels->pixels = buffer;
    pixels->row_bytes = state->block_bytes / state->block_rows;
    pixels->band_bytes = state->block_bytes * state->blocks_per_unit;
    for (uint32_t row = first; row <= last; row++)
        if (!read_block(source, unit->column, row, (unsigned char *)buffer + (row - first) * state->block_bytes,
                        pixels->band_bytes, err))
            return false;
    if (last + 1 >= state->kept_rows) {
        VSIFree(state->kept);
        state->kept = NULL;
        state->kept_rows = 0;
    }
    return true;
}

static bool read_first_rows(stf_source *source, uint32_t rows, unsigned char *to, stf_error *err) {
    rows_state *state = source->state;
    size_t row_bytes = state->block_bytes * source->info.groups[0].bands;
    for (uint32_t row = 0; row < rows; row++)
        if (!read_block(source, 0, row, to + row * row_bytes, state->block_bytes, err))
            return false;
    return true;
}

/* Reads the first rows and learns from them what lies underneath. */
static bool probe(stf_source *source, uint32_t rows, stf_upstream *upstream, stf_error *err) {
    rows_state *state = source->state;
    unsigned char *kept = VSIMalloc3(state->block_bytes, source->info.groups[0].bands, rows);
    stf_upstream_probe *probe = kept ? stf_upstream_begin(source->dataset, source->request.lease) : NULL;
    if (!probe) {
        VSIFree(kept);
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the first rows of the source");
    }
    stf_messages messages = {0};
    bool done = stf_messages_init(&messages);
    if (done) {
        stf_account *account = stf_account_current();
        stf_messages_begin(&messages);
        if (account)
            stf_account_begin_probe(account, source->request.cap_bytes / 2, source->request.lease);
        done = read_first_rows(source, rows, kept, err);
        if (account)
            stf_account_end_probe(account);
        stf_messages_end();
        stf_messages_raise(&messages);
    }
    stf_messages_free(&messages);
    *upstream = stf_upstream_end(probe, rows);
    state->underlay = upstream->underlay;
    if (!done) {
        VSIFree(kept);
        return false;
    }
    state->kept = kept;
    state->kept_rows = rows;
    return true;
}

static void close_rows(stf_source *source) {
    rows_state *state = source->state;
    stf_under_walk_destroy(state->walk);
    stf_underlay_free(state->underlay);
    VSIFree(state->kept);
    VSIFree(state->foreign);
    VSIFree(state);
}

/* The room that blocks of other types are read into. */
static bool make_foreign(stf_source *source, stf_error *err) {
    rows_state *state = source->state;
    int widest_bytes = 0;
    for (int band = 1; band <= GDALGetRasterCount(source->dataset); band++) {
        GDALDataType type = GDALGetRasterDataType(GDALGetRasterBand(source->dataset, band));
        if (type != source->request.type && GDALGetDataTypeSizeBytes(type) > widest_bytes)
            widest_bytes = GDALGetDataTypeSizeBytes(type);
    }
    if (widest_bytes == 0)
        return true;
    state->foreign = VSIMalloc3((size_t)widest_bytes, state->block_width_px, state->block_rows);
    source->info.reader_bytes = (uint64_t)widest_bytes * state->block_width_px * state->block_rows;
    return state->foreign || stf_fail(err, CPLE_OutOfMemory, "No memory for a block of %u x %u pixels",
                                      state->block_width_px, state->block_rows);
}

/* What the plan was made of is of no use any more. */
static bool open_rows(stf_source *source, uint32_t readers, stf_error *err) {
    rows_state *state = source->state;
    (void)readers;
    (void)err;
    source->info.shared.points = NULL;
    stf_under_walk_destroy(state->walk);
    stf_underlay_free(state->underlay);
    state->walk = NULL;
    state->underlay = NULL;
    return true;
}

/* Lease and decodes of what is read underneath, as far as it is known; room in the cache for it until the plan is made. */
static bool describe_upstream(stf_source *source, const stf_upstream *upstream, stf_error *err) {
    rows_state *state = source->state;
    stf_source_info *info = &source->info;
    stf_under_sum sum = {0};
    stf_lease_point points[STF_LEASE_POINTS] = {{0, 0}};
    if (!upstream->underlay) {
        info->lease_bytes = upstream->grown_bytes + upstream->grown_bytes / 8;
        stf_lease_resize(source->request.lease, stf_add(info->lease_bytes, STF_PLANNING_LEASE_BYTES));
        return true;
    }
    state->walk = stf_under_walk_rows(state->underlay, (uint32_t)GDALGetRasterXSize(source->dataset),
                                      (uint32_t)GDALGetRasterYSize(source->dataset));
    if (!state->walk || !stf_under_walk_sum(state->walk, NULL, &sum))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the walk over the source's blocks");
    info->source_blocks = sum.decodes;
    info->repeated_blocks = sum.repeated;
    info->planning_bytes = sum.planning_bytes;
    info->reader_bytes = stf_add(info->reader_bytes, state->underlay->reader_bytes);
    info->reader_bytes =
        stf_add(info->reader_bytes, stf_underlay_scratch_bytes(state->underlay, info->groups->x.size_px));
    info->shared.context = state->walk;
    info->shared.points = stf_under_walk_points;
    /* The template of the output goes through the cache, too, and must not push out what the next rows need. */
    stf_under_walk_points(state->walk, NULL, 1, points);
    stf_lease_resize(source->request.lease, stf_add(points[0].lease_bytes, STF_PLANNING_LEASE_BYTES));
    return true;
}

/* A view that joined the copy's account answers for all that lies underneath. */
static bool describe_view(stf_source *source) {
    const stf_account *account = stf_account_current();
    stf_source_info *info = &source->info;
    if (!stf_account_has_views(account))
        return false;
    stf_account_demand demand;
    stf_account_tell(account, &demand);
    info->lease_bytes = demand.lease_bytes;
    info->decodes_are_counted = demand.counts && demand.blocks > 0;
    if (demand.blocks > 0)
        info->source_blocks = demand.blocks;
    stf_lease_resize(source->request.lease, stf_add(info->lease_bytes, STF_PLANNING_LEASE_BYTES));
    snprintf(info->summary, sizeof info->summary, "rows of an opaque dataset, of a view");
    return true;
}

static bool describe(stf_source *source, stf_error *err) {
    rows_state *state = source->state;
    stf_source_info *info = &source->info;
    stf_group *group = info->groups;
    uint32_t width = (uint32_t)GDALGetRasterXSize(source->dataset),
             height = (uint32_t)GDALGetRasterYSize(source->dataset);
    int block_width, block_height;
    GDALGetBlockSize(GDALGetRasterBand(source->dataset, 1), &block_width, &block_height);
    group->first_band = 0;
    group->bands = (uint32_t)GDALGetRasterCount(source->dataset);
    state->block_width_px = (uint32_t)block_width;
    state->block_rows = (uint32_t)block_height;
    state->block_bytes =
        (size_t)block_width * (size_t)block_height * (size_t)GDALGetDataTypeSizeBytes(source->request.type);
    state->blocks_per_unit =
        stf_source_blocks_per_unit(source, state->block_rows, stf_mul(state->block_bytes, group->bands));
    group->x = stf_axis_make(width, 0, block_width);
    group->y = stf_axis_make(height, 0, (double)block_height * state->blocks_per_unit);
    info->unit_bytes = stf_mul(stf_mul(state->block_bytes, group->bands), state->blocks_per_unit);
    info->source_blocks = (uint64_t)group->x.cells * ((height - 1) / state->block_rows + 1);
    if (!make_foreign(source, err))
        return false;
    bool rows = block_height == 1 && block_width >= GDALGetRasterXSize(source->dataset);
    if (rows) {
        stf_upstream upstream;
        uint32_t first_rows = height < 2 ? 1 : 2;
        if (!probe(source, first_rows, &upstream, err))
            return false;
        info->reader_bytes =
            stf_add(info->reader_bytes, stf_mul(state->block_bytes, (uint64_t)group->bands * first_rows));
        if (describe_view(source))
            return true;
        if (!describe_upstream(source, &upstream, err))
            return false;
        snprintf(info->summary, sizeof info->summary, "rows of an opaque dataset, %s",
                 upstream.confirmed  ? "its own source found"
                 : upstream.underlay ? "its own source guessed"
                                     : "nothing found underneath");
        return true;
    }
    /* The same blocks underneath, of whatever type: the widest one is assumed. */
    info->lease_bytes =
        stf_source_cached_block_bytes(stf_mul(stf_mul((uint64_t)block_width, (uint64_t)block_height), 8));
    snprintf(info->summary, sizeof info->summary, "%d x %d blocks of an opaque dataset", block_width, block_height);
    return true;
}

bool stf_source_init_rows(stf_source *source, stf_error *err) {
    source->state = VSICalloc(1, sizeof(rows_state));
    if (source->state)
        source->close = close_rows;
    source->info.groups = VSICalloc(1, sizeof *source->info.groups);
    if (!source->state || !source->info.groups)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the source");
    source->info.kind = STF_SOURCE_ROWS;
    source->info.group_count = 1;
    source->read = read_rows;
    source->open_readers = open_rows;
    return describe(source, err);
}
