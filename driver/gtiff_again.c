#include "gtiff_again.h"

#include <string.h>

#include "cpl_error.h"
#include "gdal_adaptor.h"
#include "gtiff_cost.h"

bool stf_gtiff_blocks_are_separate(GDALDatasetH dataset) {
    GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
    int width, height;
    GDALGetBlockSize(band, &width, &height);
    if (height > 1 || GDALGetRasterYSize(dataset) == 1)
        return true;
    uint64_t first = stf_gtiff_block_item(band, "BLOCK_OFFSET", 0, 0),
             second = stf_gtiff_block_item(band, "BLOCK_OFFSET", 0, 1);
    return first != 0 && second != 0 && first != second;
}

/* True where some blocks, from the first to the last, lie at the same places of the file: it may have been written anew
 * under an open dataset, which still goes by the places it knows. */
static bool have_same_places(GDALRasterBandH a, GDALRasterBandH b) {
    const uint64_t looks = 16;
    int width, height;
    GDALGetBlockSize(a, &width, &height);
    uint64_t columns = ((uint64_t)GDALGetRasterBandXSize(a) - 1) / (uint64_t)width + 1;
    uint64_t rows = ((uint64_t)GDALGetRasterBandYSize(a) - 1) / (uint64_t)height + 1, last = columns * rows - 1;
    for (uint64_t look = 0; look < looks; look++) {
        uint64_t block = last / (looks - 1) * look + last % (looks - 1) * look / (looks - 1);
        uint32_t x = (uint32_t)(block % columns), y = (uint32_t)(block / columns);
        if (stf_gtiff_block_item(a, "BLOCK_OFFSET", x, y) != stf_gtiff_block_item(b, "BLOCK_OFFSET", x, y) ||
            stf_gtiff_block_item(a, "BLOCK_SIZE", x, y) != stf_gtiff_block_item(b, "BLOCK_SIZE", x, y))
            return false;
    }
    return true;
}

static bool is_same_raster(GDALDatasetH a, GDALDatasetH b) {
    double ga[6] = {0}, gb[6] = {0};
    if (GDALGetRasterXSize(a) != GDALGetRasterXSize(b) || GDALGetRasterYSize(a) != GDALGetRasterYSize(b) ||
        GDALGetRasterCount(a) != GDALGetRasterCount(b) || GDALGetGeoTransform(a, ga) != GDALGetGeoTransform(b, gb) ||
        memcmp(ga, gb, sizeof ga) != 0)
        return false;
    for (int i = 1; i <= GDALGetRasterCount(a); i++) {
        GDALRasterBandH band_a = GDALGetRasterBand(a, i), band_b = GDALGetRasterBand(b, i);
        int wa, ha, wb, hb;
        GDALGetBlockSize(band_a, &wa, &ha);
        GDALGetBlockSize(band_b, &wb, &hb);
        if (GDALGetRasterDataType(band_a) != GDALGetRasterDataType(band_b) || wa != wb || ha != hb ||
            !have_same_places(band_a, band_b))
            return false;
    }
    return true;
}

GDALDatasetH stf_gtiff_open_again(GDALDatasetH dataset, const stf_platform_open *known) {
    const char *const drivers[] = {"GTiff", NULL};
    const char *path = GDALGetDescription(dataset);
    stf_platform_open now;
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH again = GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, drivers,
                                    (const char *const *)stf_gdal_open_options(dataset), NULL);
    CPLPopErrorHandler();
    CPLErrorReset();
    if (again && stf_platform_open_files(path, &now) && now.device == known->device && now.inode == known->inode &&
        is_same_raster(dataset, again))
        return again;
    GDALClose(again);
    return NULL;
}
