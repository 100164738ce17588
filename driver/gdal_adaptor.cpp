// What no C function of GDAL gives. No logic.

#include "gdal_adaptor.h"
#include "gdal_priv.h"

CSLConstList stf_gdal_open_options(GDALDatasetH dataset) {
    return GDALDataset::FromHandle(dataset)->GetOpenOptions();
}

int stf_gdal_block_is_cached(GDALRasterBandH band, int x, int y) {
    GDALRasterBlock *block = GDALRasterBand::FromHandle(band)->TryGetLockedBlockRef(x, y);
    if (block != nullptr)
        block->DropLock();
    return block != nullptr;
}
