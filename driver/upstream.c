#include "upstream.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "gdal_adaptor.h"
#include "own_datasets.h"
#include "platform.h"

#define CANDIDATES 16

struct stf_upstream_probe {
    GDALDatasetH opaque;
    stf_lease *lease;
    int64_t used_before_bytes;
    int count;
    GDALDatasetH candidates[CANDIDATES];
};

static bool has_same_grid(GDALDatasetH a, GDALDatasetH b) {
    double ga[6] = {0}, gb[6] = {0};
    return GDALGetRasterXSize(a) == GDALGetRasterXSize(b) && GDALGetRasterYSize(a) == GDALGetRasterYSize(b) &&
           GDALGetRasterCount(a) > 0 && GDALGetGeoTransform(a, ga) == GDALGetGeoTransform(b, gb) &&
           memcmp(ga, gb, sizeof ga) == 0;
}

static bool is_vrt(GDALDatasetH dataset) {
    GDALDriverH driver = GDALGetDatasetDriver(dataset);
    return driver && EQUAL(GDALGetDriverShortName(driver), "VRT");
}

static bool is_in_cache(GDALDatasetH dataset) {
    for (int band = 1; band <= GDALGetRasterCount(dataset); band++)
        if (stf_gdal_block_is_cached(GDALGetRasterBand(dataset, band), 0, 0))
            return true;
    return false;
}

/* GDAL's list has the datasets of all threads, which may close them while they are looked at here. Where other threads copy or
 * read through us there is no search: what the cache grows by tells the span as well, if not whose it is. */
static int find_candidates(GDALDatasetH opaque, GDALDatasetH *candidates) {
    GDALDatasetH *all = NULL;
    int count = 0, found = 0;
    if (!stf_lease_is_alone())
        return 0;
    stf_own_datasets_lock();
    if (!stf_own_datasets_any_of_another_thread())
        GDALGetOpenDatasets(&all, &count);
    for (int i = 0; i < count && found < CANDIDATES; i++)
        if (all[i] != opaque && has_same_grid(all[i], opaque))
            candidates[found++] = all[i];
    stf_own_datasets_unlock();
    return found;
}

static void drop_those_closed_meanwhile(stf_upstream_probe *probe) {
    GDALDatasetH now[CANDIDATES];
    int there = find_candidates(probe->opaque, now), kept = 0;
    for (int i = 0; i < probe->count; i++)
        for (int j = 0; j < there; j++)
            if (probe->candidates[i] == now[j]) {
                probe->candidates[kept++] = now[j];
                break;
            }
    probe->count = kept;
}

stf_upstream_probe *stf_upstream_begin(GDALDatasetH opaque, stf_lease *lease) {
    stf_upstream_probe *probe = VSICalloc(1, sizeof *probe);
    if (!probe)
        return NULL;
    probe->opaque = opaque;
    probe->count = find_candidates(opaque, probe->candidates);
    for (int i = 0; i < probe->count; i++)
        if (GDALGetAccess(probe->candidates[i]) == GA_ReadOnly && !is_vrt(probe->candidates[i]))
            for (int band = 1; band <= GDALGetRasterCount(probe->candidates[i]); band++)
                GDALFlushRasterCache(GDALGetRasterBand(probe->candidates[i], band));
    /* Whatever the first row brings in is what every later row needs, so the cap can be no smaller: the
     * cache may take it now, or the probe would see only the blocks that survived. */
    probe->lease = lease;
    stf_lease_resize(lease, stf_platform_usable_memory() / 4);
    probe->used_before_bytes = GDALGetCacheUsed64();
    return probe;
}

/* What the first rows of gdaldem's dataset bring into the cache: one row more of the DEM. */
static uint64_t first_rows_bytes(const stf_underlay *underlay, GDALDatasetH dataset, uint32_t rows) {
    bool done;
    uint32_t height = (uint32_t)GDALGetRasterYSize(dataset);
    stf_window window = {0, 0, (uint32_t)GDALGetRasterXSize(dataset), rows + 1 < height ? rows + 1 : height};
    stf_reuse *reuse = stf_reuse_create(underlay->blocks, 1);
    if (!reuse)
        return 0;
    done = stf_underlay_touch(underlay, &window, reuse);
    stf_reuse_end_step(reuse);
    uint64_t bytes = done ? stf_reuse_all_bytes(reuse) : 0;
    stf_reuse_destroy(reuse);
    return bytes;
}

/* gdaldem reads one band of it. */
static bool try_file(GDALDatasetH candidate, stf_upstream *found) {
    if (is_vrt(candidate) || !is_in_cache(candidate))
        return false;
    found->underlay = stf_underlay_read(candidate, 1, 1);
    found->confirmed = found->underlay != NULL;
    return found->confirmed;
}

/* The first VRT of that grid is taken, unless a later one's figure is the one that was seen. */
static bool try_vrt(GDALDatasetH candidate, uint32_t rows, stf_upstream *found) {
    stf_underlay *underlay = is_vrt(candidate) ? stf_underlay_read(candidate, 1, 1) : NULL;
    if (!underlay)
        return false;
    bool same = found->grown_bytes > 0 && first_rows_bytes(underlay, candidate, rows) == found->grown_bytes;
    if (same || !found->underlay) {
        stf_underlay_free(found->underlay);
        found->underlay = underlay;
        found->confirmed = same;
    } else {
        stf_underlay_free(underlay);
    }
    return same;
}

stf_upstream stf_upstream_end(stf_upstream_probe *probe, uint32_t rows) {
    stf_upstream found = {0};
    int64_t grown = GDALGetCacheUsed64() - probe->used_before_bytes;
    found.grown_bytes = grown > 0 ? (uint64_t)grown : 0;
    bool sure = false;
    drop_those_closed_meanwhile(probe);
    for (int i = 0; i < probe->count && !sure; i++)
        sure = try_file(probe->candidates[i], &found);
    for (int i = 0; i < probe->count && !sure; i++)
        sure = try_vrt(probe->candidates[i], rows, &found);
    VSIFree(probe);
    return found;
}
