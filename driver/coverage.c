#include "coverage.h"

#include <string.h>

#include "cpl_error.h"
#include "gtiff_cost.h"

#define SAMPLE_MAX_BYTES 16

bool stf_coverage_is_told(GDALDatasetH dataset) {
    return stf_gtiff_is(dataset) && GDALGetAccess(dataset) == GA_ReadOnly;
}

bool stf_coverage_is_empty(GDALRasterBandH band, const stf_window *window) {
    /* A table of blocks that cannot be read looks like one without blocks, but for the error. */
    CPLPushErrorHandler(CPLQuietErrorHandler);
    CPLErrorReset();
    int status = GDALGetDataCoverageStatus(band, (int)window->x, (int)window->y, (int)window->width,
                                           (int)window->height, GDAL_DATA_COVERAGE_STATUS_DATA, NULL);
    bool asked = CPLGetLastErrorType() < CE_Failure;
    CPLErrorReset();
    CPLPopErrorHandler();
    return asked && status == GDAL_DATA_COVERAGE_STATUS_EMPTY;
}

static bool read_sample(GDALRasterBandH band, const stf_window *window, GDALDataType type, void *sample) {
    CPLPushErrorHandler(CPLQuietErrorHandler);
    CPLErr result = GDALRasterIO(band, GF_Read, (int)window->x, (int)window->y, 1, 1, sample, 1, 1, type, 0, 0);
    CPLErrorReset();
    CPLPopErrorHandler();
    GDALFlushRasterCache(band); /* of the block that GDAL filled for this one pixel */
    return result == CE_None;
}

bool stf_coverage_value(GDALDatasetH dataset, uint32_t first_band, uint32_t bands, const stf_window *empty,
                        GDALDataType type, void *sample) {
    size_t sample_bytes = (size_t)GDALGetDataTypeSizeBytes(type);
    for (uint32_t b = 0; b < bands; b++) {
        unsigned char other[SAMPLE_MAX_BYTES] = {0};
        GDALRasterBandH band = GDALGetRasterBand(dataset, (int)(first_band + b) + 1);
        if (sample_bytes > sizeof other || !read_sample(band, empty, type, other))
            return false;
        if (b == 0)
            memcpy(sample, other, sample_bytes);
        else if (memcmp(sample, other, sample_bytes) != 0)
            return false;
    }
    return true;
}
