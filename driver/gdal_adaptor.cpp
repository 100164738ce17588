// What no C function of GDAL gives. No logic.

#include "gdal_adaptor.h"
#include "gdal_priv.h"
#include "tiff.h"

CSLConstList stf_gdal_open_options(GDALDatasetH dataset) {
    return GDALDataset::FromHandle(dataset)->GetOpenOptions();
}

int stf_gdal_block_is_cached(GDALRasterBandH band, int x, int y) {
    GDALRasterBlock *block = GDALRasterBand::FromHandle(band)->TryGetLockedBlockRef(x, y);
    if (block != nullptr)
        block->DropLock();
    return block != nullptr;
}

int stf_gdal_has_only_nodata(const void *pixels, double nodata, size_t width, size_t height, size_t row_px,
                             size_t samples, int bits, int format) {
    return GDALBufferHasOnlyNoData(pixels, nodata, width, height, row_px, samples, bits,
                                   format == SAMPLEFORMAT_INT      ? GSF_SIGNED_INT
                                   : format == SAMPLEFORMAT_IEEEFP ? GSF_FLOATING_POINT
                                                                   : GSF_UNSIGNED_INT);
}
