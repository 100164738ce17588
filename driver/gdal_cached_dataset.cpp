// The dataset and bands of a view (cached_dataset.h). No logic: what is decided here is only which call of
// which object answers.

#include "gdal_adaptor.h"
#include "gdal_forwarding.h"

#include "cached_dataset.h"

#include <climits>

namespace {

class CachedDataset final : public StfForwardingDataset {
  public:
    CachedDataset(GDALDataset *inner, stf_view *view);
    ~CachedDataset() override { CloseInner(); }

    stf_view *View() const { return m_view; }

#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
    GDALDriver *GetDriver() const override {
        return poDriver;
    }
#else
    GDALDriver *GetDriver() override {
        return poDriver;
    }
#endif
    char **GetMetadataDomainList() override;
    StringList GetMetadata(const char *domain) override;
    const char *GetMetadataItem(const char *name, const char *domain) override;

  protected:
    CPLErr IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                     int buffer_height, GDALDataType type, int band_count, int *bands, GSpacing pixel_space,
                     GSpacing line_space, GSpacing band_space, GDALRasterIOExtraArg *extra) override;
    // The view's threads read what inner shows.
    void LetGoOfInner() override {
        stf_view_destroy(m_view);
        m_view = nullptr;
    }

  private:
    static bool IsOurs(const char *domain) {
        return domain != nullptr && EQUAL(domain, "STREAMING");
    }

    stf_view *m_view; // owned; null once it is closed

    CPL_DISALLOW_COPY_ASSIGN(CachedDataset)
};

class CachedBand final : public StfForwardingBand {
  public:
    explicit CachedBand(GDALRasterBand *inner) : StfForwardingBand(inner) {}

    // Masks that are made from pixels are made from ours; others are the file's.
    GDALRasterBand *GetMaskBand() override {
        return (GetMaskFlags() & ~GMF_PER_DATASET) == 0 ? GDALProxyRasterBand::GetMaskBand()
                                                        : GDALRasterBand::GetMaskBand();
    }
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    // Blocks in GDAL's cache are ours, not the file's.
    GDALRasterBlock *GetLockedBlockRef(int x, int y, int just_initialize) override {
        return GDALRasterBand::GetLockedBlockRef(x, y, just_initialize);
    }
    GDALRasterBlock *TryGetLockedBlockRef(int x, int y) override {
        return GDALRasterBand::TryGetLockedBlockRef(x, y);
    }
    CPLErr FlushBlock(int x, int y, int write_dirty) override {
        return GDALRasterBand::FlushBlock(x, y, write_dirty);
    }
#endif
    CPLErr FlushCache(bool at_closing) override {
        return GDALRasterBand::FlushCache(at_closing);
    }

  protected:
    CPLErr IReadBlock(int x, int y, void *data) override;
    CPLErr IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                     int buffer_height, GDALDataType type, GSpacing pixel_space, GSpacing line_space,
                     GDALRasterIOExtraArg *extra) override;

  private:
    stf_view *View() const {
        return static_cast<CachedDataset *>(poDS)->View();
    }
};

/************************************************************************/
/* Reading                                                              */
/************************************************************************/

// Pixels as they are; everything else is GDAL's way over the dataset that is shown.
bool Serves(stf_view *view, GDALRWFlag flag, const stf_view_read &read, int buffer_width, int buffer_height) {
    return view != nullptr && flag == GF_Read && read.width == buffer_width && read.height == buffer_height &&
           read.pixel_bytes >= INT_MIN && read.pixel_bytes <= INT_MAX &&
           stf_view_serves(view, read.bands, read.band_count);
}

stf_view_read ReadOf(int x, int y, int width, int height, void *data, GDALDataType type, GSpacing pixel_space,
                     GSpacing line_space, const GDALRasterIOExtraArg *extra) {
    stf_view_read read{};
    read.x = x;
    read.y = y;
    read.width = width;
    read.height = height;
    read.data = data;
    read.type = type;
    read.pixel_bytes = pixel_space;
    read.line_bytes = line_space;
    read.progress = extra != nullptr ? extra->pfnProgress : nullptr;
    read.progress_data = extra != nullptr ? extra->pProgressData : nullptr;
    return read;
}

CPLErr CachedDataset::IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                                int buffer_height, GDALDataType type, int band_count, int *bands, GSpacing pixel_space,
                                GSpacing line_space, GSpacing band_space, GDALRasterIOExtraArg *extra) {
    stf_view_read read = ReadOf(x, y, width, height, data, type, pixel_space, line_space, extra);
    read.bands = bands;
    read.band_count = band_count;
    read.band_bytes = band_space;
    if (Serves(m_view, flag, read, buffer_width, buffer_height))
        return stf_view_read_pixels(m_view, &read);
    return GDALProxyDataset::IRasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type, band_count,
                                       bands, pixel_space, line_space, band_space, extra);
}

CPLErr CachedBand::IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                             int buffer_height, GDALDataType type, GSpacing pixel_space, GSpacing line_space,
                             GDALRasterIOExtraArg *extra) {
    stf_view_read read = ReadOf(x, y, width, height, data, type, pixel_space, line_space, extra);
    read.bands = &nBand;
    read.band_count = 1;
    if (Serves(View(), flag, read, buffer_width, buffer_height))
        return stf_view_read_pixels(View(), &read);
    return GDALProxyRasterBand::IRasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type,
                                          pixel_space, line_space, extra);
}

CPLErr CachedBand::IReadBlock(int x, int y, void *data) {
    stf_view *view = View();
    if (view != nullptr && stf_view_serves(view, &nBand, 1))
        return stf_view_read_block(view, nBand, x, y, data);
    return GDALProxyRasterBand::IReadBlock(x, y, data);
}

/************************************************************************/
/* The dataset                                                          */
/************************************************************************/

CachedDataset::CachedDataset(GDALDataset *inner, stf_view *view) : StfForwardingDataset(inner), m_view(view) {
    for (int i = 1; i <= inner->GetRasterCount(); i++)
        SetBand(i, new CachedBand(inner->GetRasterBand(i)));
}

char **CachedDataset::GetMetadataDomainList() {
    char **domains = GDALProxyDataset::GetMetadataDomainList();
    return m_view != nullptr && stf_view_metadata(m_view) != nullptr ? CSLAddString(domains, "STREAMING") : domains;
}

StringList CachedDataset::GetMetadata(const char *domain) {
    return IsOurs(domain) && m_view != nullptr ? stf_view_metadata(m_view) : GDALProxyDataset::GetMetadata(domain);
}

const char *CachedDataset::GetMetadataItem(const char *name, const char *domain) {
    return IsOurs(domain) && m_view != nullptr ? CSLFetchNameValue(stf_view_metadata(m_view), name)
                                               : GDALProxyDataset::GetMetadataItem(name, domain);
}

/************************************************************************/
/* Opening                                                              */
/************************************************************************/

stf_view_question QuestionOf(const GDALOpenInfo *info) {
    return {info->pszFilename, info->nOpenFlags, info->eAccess == GA_Update, info->bStatOK && !info->bIsDirectory,
            info->papszOpenOptions};
}

} // namespace

int StreamTIFFIdentify(GDALOpenInfo *info) {
    const stf_view_question question = QuestionOf(info);
    return stf_view_identify(&question);
}

GDALDataset *StreamTIFFOpen(GDALOpenInfo *info) {
    const stf_view_question question = QuestionOf(info);
    GDALDatasetH inner = stf_view_open_inner(&question);
    if (inner == nullptr)
        return nullptr;
    stf_view *view = stf_view_create(inner, question.open_options);
    if (view == nullptr) {
        GDALClose(inner);
        return nullptr;
    }
    return new CachedDataset(GDALDataset::FromHandle(inner), view);
}

GDALDatasetH stf_gdal_viewed(GDALDatasetH dataset) {
    const CachedDataset *view = dynamic_cast<const CachedDataset *>(GDALDataset::FromHandle(dataset));
    return view != nullptr ? GDALDataset::ToHandle(view->Inner()) : nullptr;
}
