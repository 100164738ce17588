// A band with a mask and a nodata value, which a band of GDAL's MEM driver cannot have both. No logic.

#include "gdal_adaptor.h"
#include "gdal_priv.h"

#include <new>

namespace {

class MaskedBand final : public GDALRasterBand {
  public:
    MaskedBand(GDALRasterBand *pixels, GDALRasterBand *mask) : m_pixels(pixels), m_mask(mask) {
        nRasterXSize = pixels->GetXSize();
        nRasterYSize = pixels->GetYSize();
        eDataType = pixels->GetRasterDataType();
        pixels->GetBlockSize(&nBlockXSize, &nBlockYSize);
    }

    const char *GetMetadataItem(const char *name, const char *domain) override {
        return m_pixels->GetMetadataItem(name, domain);
    }
    double GetNoDataValue(int *success) override { return m_pixels->GetNoDataValue(success); }
    int64_t GetNoDataValueAsInt64(int *success) override { return m_pixels->GetNoDataValueAsInt64(success); }
    uint64_t GetNoDataValueAsUInt64(int *success) override { return m_pixels->GetNoDataValueAsUInt64(success); }
    GDALRasterBand *GetMaskBand() override { return m_mask; }
    int GetMaskFlags() override { return GMF_PER_DATASET; }

  protected:
    CPLErr IReadBlock(int x, int y, void *data) override { return m_pixels->ReadBlock(x, y, data); }

    // What is resampled goes by way of this band's mask.
    CPLErr IRasterIO(GDALRWFlag direction, int x, int y, int width, int height, void *buffer, int buffer_width,
                     int buffer_height, GDALDataType type, GSpacing pixel_space, GSpacing line_space,
                     GDALRasterIOExtraArg *extra) override {
        if (width == buffer_width && height == buffer_height)
            return m_pixels->RasterIO(direction, x, y, width, height, buffer, buffer_width, buffer_height, type,
                                      pixel_space, line_space, extra);
        return GDALRasterBand::IRasterIO(direction, x, y, width, height, buffer, buffer_width, buffer_height, type,
                                         pixel_space, line_space, extra);
    }

  private:
    GDALRasterBand *m_pixels, *m_mask; // not owned

    CPL_DISALLOW_COPY_ASSIGN(MaskedBand)
};

} // namespace

GDALRasterBandH stf_gdal_masked_band(GDALRasterBandH pixels, GDALRasterBandH mask) {
    return GDALRasterBand::ToHandle(
        new (std::nothrow) MaskedBand(GDALRasterBand::FromHandle(pixels), GDALRasterBand::FromHandle(mask)));
}

void stf_gdal_masked_band_free(GDALRasterBandH band) {
    delete GDALRasterBand::FromHandle(band);
}
