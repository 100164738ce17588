/* OVERVIEWS=FORCE_USE_EXISTING: the overviews of the source are copied, each in a pass of its own, and their masks.
 *
 * A level is a raster like any other: a copy of its own is described for it, which shares spool, account and budget with
 * the one it belongs to. As with the mask, what it opens is let go between planning and copying. */
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "gdal_adaptor.h"
#include "stats.h"

/* --- which levels ------------------------------------------------------------------------------ */

static bool is_like_first(GDALDatasetH dataset, int band, int level, stf_error *err) {
    GDALRasterBandH first = GDALGetOverview(GDALGetRasterBand(dataset, 1), level);
    GDALRasterBandH other = GDALGetOverview(GDALGetRasterBand(dataset, band), level);
    if (!first || !other)
        return stf_fail(err, CPLE_NotSupported, "Overview %d of band %d of the source is missing", level + 1, band);
    return (GDALGetRasterBandXSize(first) == GDALGetRasterBandXSize(other) &&
            GDALGetRasterBandYSize(first) == GDALGetRasterBandYSize(other)) ||
           stf_fail(err, CPLE_NotSupported, "Overview %d of the source has not the same size in all bands", level + 1);
}

static bool is_masked(GDALRasterBandH band) {
    return GDALGetMaskFlags(band) == GMF_PER_DATASET;
}

/* gdaladdo keeps the order in which levels were asked for; a COG has the largest first. COPY_SRC_OVERVIEWS keeps it, too. */
static void sort_levels(stf_copy *c) {
    for (uint32_t i = 1; i < c->level_count; i++)
        for (uint32_t j = i; j > 0 && c->levels[j].width_px > c->levels[j - 1].width_px; j--) {
            stf_level level = c->levels[j];
            int number = c->source_levels[j];
            c->levels[j] = c->levels[j - 1];
            c->source_levels[j] = c->source_levels[j - 1];
            c->levels[j - 1] = level;
            c->source_levels[j - 1] = number;
        }
}

bool stf_copy_find_existing_levels(stf_copy *c, stf_error *err) {
    GDALRasterBandH band = GDALGetRasterBand(c->dataset, 1);
    int count = GDALGetOverviewCount(band), wanted = c->options.cog.overview_count;
    if (wanted >= 0 && wanted < count)
        count = wanted;
    if (count > STF_MAX_LEVELS)
        return stf_fail(err, CPLE_NotSupported, "The source has %d overviews: set OVERVIEW_COUNT to %d at most", count,
                        STF_MAX_LEVELS);
    for (int level = 0; level < count; level++) {
        for (int other = 1; other <= GDALGetRasterCount(c->dataset); other++)
            if (!is_like_first(c->dataset, other, level, err))
                return false;
        GDALRasterBandH overview = GDALGetOverview(band, level);
        c->levels[level].width_px = (uint32_t)GDALGetRasterBandXSize(overview);
        c->levels[level].height_px = (uint32_t)GDALGetRasterBandYSize(overview);
        c->source_levels[level] = level;
    }
    c->level_count = (uint32_t)count;
    if (!c->options.copies_overviews)
        sort_levels(c);
    c->levels_masked = count > 0 && is_masked(GDALGetOverview(band, 0));
    bool masked = stf_copy_has_mask(c);
    if (count > 0 && !c->levels_masked && masked)
        CPLError(
            CE_Warning, CPLE_AppDefined,
            "Source dataset has a mask band on full resolution, overviews on the regular bands, but lacks overviews "
            "on the mask band.");
    c->levels_masked = c->levels_masked && masked;
    return true;
}

/* --- one level --------------------------------------------------------------------------------- */

static void close_level(stf_copy *level) {
    stf_source_destroy(level->source);
    stf_copy_close_mask(level);
    stf_tag_list_free(&level->result.codec_tags);
    VSIFree(level->planes);
    if (level->dataset)
        GDALClose(level->dataset);
}

static bool describe_mask(stf_copy *c, stf_copy *level, uint32_t number, stf_error *err) {
    if (!c->levels_masked)
        return true;
    level->mask.of_dataset = true;
    level->mask.bands = 1;
    stf_copy_describe_mask(level, STF_MASK_INSIDE);
    level->mask.image = c->mask.image + number;
    return stf_copy_open_mask(level, 0, err);
}

/* number: from 1 on, as in the spool. Closed by the caller, be it opened or not. */
static bool open_level(stf_copy *c, uint32_t number, stf_copy *level, stf_error *err) {
    *level = *c;
    level->image = number;
    level->source = NULL;
    level->planes = NULL;
    level->passthrough = NULL;
    level->raster.width_px = c->levels[number - 1].width_px;
    level->raster.height_px = c->levels[number - 1].height_px;
    level->options.tiled = true;
    level->options.codec = c->options.cog.overview_codec;
    level->options.block_width_px = level->options.block_height_px = c->options.cog.overview_block_px;
    level->options.cap_bytes = c->plan.cap_bytes;
    level->format = c->overview_format;
    memset(&level->demand, 0, sizeof level->demand);
    memset(&level->geometry, 0, sizeof level->geometry);
    memset(&level->mask, 0, sizeof level->mask);
    memset(&level->result, 0, sizeof level->result);
    level->decodes = level->decodes_of_levels = 0;
    level->dataset = stf_gdal_level(c->dataset, c->source_levels[number - 1]);
    if (!level->dataset)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for overview %u of the source", number);
    if (!stf_copy_describe_pass(level, err))
        return false;
    /* The file's decoder cannot be asked for what it takes: a compressed block, and two that it is decoded to. */
    level->demand.reader_bytes = stf_add(level->demand.reader_bytes, stf_mul(3, level->demand.unit_bytes));
    level->demand.table_bytes =
        stf_add(level->demand.table_bytes, c->told.kept_bytes); /* the raster's source lies beside */
    return stf_plan_make(&level->demand, &level->plan, err) && describe_mask(c, level, number, err);
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void join_plan(stf_copy *c, const stf_plan *plan, uint64_t source_blocks) {
    c->plan.floor_bytes = larger(c->plan.floor_bytes, plan->floor_bytes);
    c->plan.cap_bytes = larger(c->plan.cap_bytes, plan->cap_bytes);
    c->plan.predicted_peak_bytes = larger(c->plan.predicted_peak_bytes, plan->predicted_peak_bytes);
    c->plan.decodes += plan->decodes;
    c->plan.spill_bytes += plan->spill_bytes;
    c->told.source_blocks += source_blocks;
    c->decodes_of_levels += plan->decodes;
}

bool stf_copy_plan_levels(stf_copy *c, stf_error *err) {
    bool done = true;
    for (uint32_t i = 1; done && c->levels_exist && i <= c->level_count; i++) {
        stf_copy level;
        done = open_level(c, i, &level, err);
        if (done) {
            stf_stats_debug_plan(&level.plan, &level.source->info);
            join_plan(c, &level.plan, level.source->info.source_blocks);
            if (c->levels_masked)
                join_plan(c, &level.mask.plan, level.mask.source->info.source_blocks);
        }
        close_level(&level);
    }
    return done;
}

static bool copy_level(stf_copy *c, stf_copy *level, double done_before, double done_by, stf_error *err) {
    stf_copy_close_mask(level); /* it is opened when its turn comes */
    double share = c->levels_masked ? (done_by - done_before) / (c->raster.bands + 1.0) : 0;
    bool done = stf_copy_mask(level, done_before, done_before + share, err) &&
                stf_copy_bands(level, done_before + share, done_by, err);
    c->decodes += level->decodes;
    c->encodes += level->encodes;
    c->spilled_by_levels += level->result.spill_bytes + level->mask.spill_bytes;
    c->result.clipped = c->result.clipped || level->result.clipped;
    return done;
}

bool stf_copy_levels(stf_copy *c, double done_before, double done_by, stf_error *err) {
    double all = 0, copied = 0;
    bool done = true;
    for (uint32_t i = 0; c->levels_exist && i < c->level_count; i++)
        all += (double)c->levels[i].width_px * c->levels[i].height_px;
    for (uint32_t i = 1; done && c->levels_exist && i <= c->level_count; i++) {
        stf_copy level;
        double before = done_before + (done_by - done_before) * copied / all;
        copied += (double)c->levels[i - 1].width_px * c->levels[i - 1].height_px;
        done = open_level(c, i, &level, err) &&
               copy_level(c, &level, before, done_before + (done_by - done_before) * copied / all, err);
        close_level(&level);
    }
    return done;
}
