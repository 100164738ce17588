#include "source.h"

#include <string.h>

#include "cpl_atomic_ops.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal_adaptor.h"

const char *stf_source_kind_name(stf_source_kind kind) {
    static const char *const names[] = {"BLOCKS", "WINDOWS", "ROWS"};
    return names[kind];
}

static bool has_driver(GDALDatasetH dataset, const char *name) {
    GDALDriverH driver = GDALGetDatasetDriver(dataset);
    return driver && (!name || EQUAL(GDALGetDriverShortName(driver), name));
}

bool stf_source_bands_share_blocks(GDALDatasetH dataset) {
    int width, height;
    GDALGetBlockSize(GDALGetRasterBand(dataset, 1), &width, &height);
    for (int band = 2; band <= GDALGetRasterCount(dataset); band++) {
        int w, h;
        GDALGetBlockSize(GDALGetRasterBand(dataset, band), &w, &h);
        if (w != width || h != height)
            return false;
    }
    return true;
}

/* A view of a dataset has nothing to add for who reads each block once: what it shows is read. */
static void look_through_view(stf_source *source) {
    GDALDatasetH viewed = stf_gdal_viewed(source->dataset);
    if (viewed)
        source->dataset = viewed;
}

static bool init(stf_source *source, stf_error *err) {
    look_through_view(source);
    if (source->request.mask_band > 0 && !stf_source_has_mask_of_band(source->dataset, source->request.mask_band))
        return stf_source_init_no_mask(source, err);
    if (!has_driver(source->dataset, NULL) && !source->request.mask)
        return stf_source_bands_share_blocks(source->dataset) ? stf_source_init_rows(source, err)
                                                              : stf_source_init_scanlines(source, err);
    if (has_driver(source->dataset, "VRT")) {
        bool fits = false;
        if (!stf_source_init_windows(source, &fits, err))
            return false;
        if (fits)
            return true;
        look_through_view(source); /* a plain VRT of a view */
    }
    return source->request.mask ? stf_source_init_mask(source, err) : stf_source_init_blocks(source, err);
}

stf_source *stf_source_create(GDALDatasetH dataset, const stf_source_request *request, stf_error *err) {
    stf_source *source = VSICalloc(1, sizeof *source);
    if (!source) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the source");
        return NULL;
    }
    source->dataset = dataset;
    source->request = *request;
    if (!init(source, err)) {
        stf_source_destroy(source);
        return NULL;
    }
    return source;
}

void stf_source_destroy(stf_source *source) {
    if (!source)
        return;
    if (source->close)
        source->close(source);
    stf_source_destroy(source->inner);
    GDALClose(source->unwrapped);
    VSIFree(source->info.groups);
    VSIFree(source);
}

bool stf_source_read_unit(void *context, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                          stf_error *err) {
    stf_source *source = context;
    memset(pixels, 0, sizeof *pixels);
    return source->read(source, reader, unit, buffer, pixels, err);
}

/* CPL's atomics are int: the count is kept in two halves of 30 bits, the high one moved on by whoever
 * brings the low one over. Read only when nobody counts any more. */
#define HALF (1 << 30)

void stf_source_count_blocks(stf_source *source, uint32_t blocks) {
    int low = CPLAtomicAdd(&source->blocks_decoded_low, (int)blocks);
    if (low >= HALF && low - (int)blocks < HALF) {
        CPLAtomicAdd(&source->blocks_decoded_low, -HALF);
        CPLAtomicAdd(&source->blocks_decoded_high, 1);
    }
}

void stf_source_count_before(stf_source *source, uint64_t blocks) {
    source->info.decodes_before = stf_add(source->info.decodes_before, blocks);
    source->blocks_decoded_low = source->blocks_decoded_high = 0;
}

uint64_t stf_source_blocks_decoded(const stf_source *source) {
    if (source->inner)
        return source->info.decodes_before + stf_source_blocks_decoded(source->inner);
    return (uint64_t)source->blocks_decoded_high * HALF + (uint64_t)source->blocks_decoded_low;
}

uint64_t stf_source_cached_block_bytes(uint64_t block_bytes) {
    return stf_add(stf_add(block_bytes, 63) / 64 * 64, 160);
}

uint32_t stf_source_blocks_per_unit(const stf_source *source, uint32_t block_rows, uint64_t block_bytes) {
    const uint64_t most_bytes = (uint64_t)1 << 20;
    const uint32_t tile_rows = source->request.tile_height_px;
    uint32_t blocks = 1;
    /* Doubling keeps the height in step with the usual tile heights, so that units do not lie across tiles. */
    for (uint32_t rows = 2 * block_rows; rows <= 32 && blocks * 2 * block_bytes <= most_bytes; rows *= 2) {
        if (tile_rows % rows != 0 && rows % tile_rows != 0)
            break;
        blocks *= 2;
    }
    return blocks;
}
