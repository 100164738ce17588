#include "upstream.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "gdal_adaptor.h"
#include "geometry.h"
#include "gtiff_cost.h"
#include "platform.h"
#include "source.h"

#define CANDIDATES 16

struct stf_upstream_probe {
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

/* One block row of one band. */
static uint64_t band_row_bytes(GDALRasterBandH band, uint64_t *blocks) {
    int width, height;
    GDALGetBlockSize(band, &width, &height);
    uint64_t columns = ((uint64_t)GDALGetRasterBandXSize(band) - 1) / (uint64_t)width + 1;
    uint64_t rows = ((uint64_t)GDALGetRasterBandYSize(band) - 1) / (uint64_t)height + 1;
    uint64_t bytes =
        (uint64_t)width * (uint64_t)height * (uint64_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(band));
    *blocks = columns * rows;
    /* The first row of the next block row pushes out the blocks of this one, which nobody asks for again. A window of three
     * rows that begins anew lies across several blocks of a row or two. */
    uint64_t kept = height < 3 ? 4 * columns : columns;
    return kept * stf_source_cached_block_bytes(bytes);
}

/* Pixel-interleaved files bring all bands of a block into the cache, whichever is asked for. */
static void measure(GDALDatasetH dataset, stf_upstream *found) {
    const char *interleave = GDALGetMetadataItem(dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    uint32_t bands = interleave && EQUAL(interleave, "PIXEL") ? (uint32_t)GDALGetRasterCount(dataset) : 1;
    found->span_bytes = band_row_bytes(GDALGetRasterBand(dataset, 1), &found->blocks) * bands;
    found->reader_bytes = stf_gtiff_reader_bytes(dataset, 0, bands);
}

static bool is_in_cache(GDALDatasetH dataset) {
    for (int band = 1; band <= GDALGetRasterCount(dataset); band++)
        if (stf_gdal_block_is_cached(GDALGetRasterBand(dataset, band), 0, 0))
            return true;
    return false;
}

static void add_candidates(stf_upstream_probe *probe, GDALDatasetH opaque) {
    GDALDatasetH *all = NULL;
    int count = 0;
    GDALGetOpenDatasets(&all, &count);
    for (int i = 0; i < count && probe->count < CANDIDATES; i++)
        if (all[i] != opaque && has_same_grid(all[i], opaque))
            probe->candidates[probe->count++] = all[i];
}

stf_upstream_probe *stf_upstream_begin(GDALDatasetH opaque, stf_lease *lease) {
    stf_upstream_probe *probe = VSICalloc(1, sizeof *probe);
    if (!probe)
        return NULL;
    add_candidates(probe, opaque);
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

stf_upstream stf_upstream_end(stf_upstream_probe *probe) {
    stf_upstream found = {0};
    int64_t grown = GDALGetCacheUsed64() - probe->used_before_bytes;
    for (int i = 0; i < probe->count && !found.confirmed; i++)
        if (!is_vrt(probe->candidates[i]) && is_in_cache(probe->candidates[i])) {
            measure(probe->candidates[i], &found);
            found.confirmed = true;
        }
    for (int i = 0; i < probe->count && !found.confirmed && found.span_bytes == 0; i++)
        if (is_vrt(probe->candidates[i]))
            found.span_bytes = stf_source_vrt_span_bytes(probe->candidates[i]);
    if (found.span_bytes == 0 && grown > 0)
        found.span_bytes = (uint64_t)grown + (uint64_t)grown / 8;
    /* Room beside the span: until the plan sets the lease, the blocks of the output's template pass through the cache,
     * and would push out those that the next rows need. */
    stf_lease_resize(probe->lease, stf_add(found.span_bytes, STF_PLANNING_LEASE_BYTES));
    VSIFree(probe);
    return found;
}
