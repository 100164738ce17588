// Datasets without pixels: one that has all that a source says of itself, and one for a target that
// cannot be read back. No logic.

#include "gdal_adaptor.h"
#include "gdal_names.h"

#include <cstring>
#include <memory>

namespace {

// Not a proxy: what is not forwarded here by name never reaches the source. No driver, so that GTiff
// takes none of its shortcuts (copying the compressed tiles of a JPEG).
class StandInDataset final : public GDALDataset {
  public:
    StandInDataset(GDALDataset *source, int width, int height, int flags);

    char **GetMetadataDomainList() override { return m_source->GetMetadataDomainList(); }
    StringList GetMetadata(const char *domain) override { return m_source->GetMetadata(domain); }
    // GDAL takes over the source's INTERLEAVE without being asked.
    const char *GetMetadataItem(const char *name, const char *domain) override {
        if (m_together && domain != nullptr && EQUAL(domain, "IMAGE_STRUCTURE") && EQUAL(name, "INTERLEAVE"))
            return "PIXEL";
        return m_source->GetMetadataItem(name, domain);
    }
    const OGRSpatialReference *GetSpatialRef() const override { return m_source->GetSpatialRef(); }
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 12, 0)
    CPLErr GetGeoTransform(GDALGeoTransform &transform) const override {
        return m_source->GetGeoTransform(transform);
    }
#else
    CPLErr GetGeoTransform(double *transform) override {
        return m_source->GetGeoTransform(transform);
    }
#endif
    int GetGCPCount() override {
        return m_source->GetGCPCount();
    }
    const OGRSpatialReference *GetGCPSpatialRef() const override {
        return m_source->GetGCPSpatialRef();
    }
    const GDAL_GCP *GetGCPs() override {
        return m_source->GetGCPs();
    }
    char **GetFileList() override {
        return nullptr;
    }

  private:
    GDALDataset *m_source; // not owned
    std::unique_ptr<GDALDataset> m_mask, m_overview_mask;
    bool m_together;

    CPL_DISALLOW_COPY_ASSIGN(StandInDataset)
};

class ZeroBand final : public GDALRasterBand {
  public:
    explicit ZeroBand(int width) {
        eDataType = GDT_Byte;
        nBlockXSize = width;
        nBlockYSize = 1;
    }

  protected:
    CPLErr IReadBlock(int, int, void *data) override {
        memset(data, 0, static_cast<size_t>(nBlockXSize));
        return CE_None;
    }
};

class ZeroDataset final : public GDALDataset {
  public:
    ZeroDataset(int width, int height) {
        nRasterXSize = width;
        nRasterYSize = height;
        SetBand(1, new ZeroBand(width));
    }
};

// Of an overview there is nothing to show but its size, its mask, and how it was made.
class OverviewBand final : public GDALRasterBand {
  public:
    OverviewBand(GDALRasterBand *source, int width, int height, GDALRasterBand *mask)
        : m_source(source->GetOverviewCount() > 0 ? source->GetOverview(0) : nullptr), m_mask(mask) {
        nRasterXSize = width;
        nRasterYSize = height;
        eDataType = source->GetRasterDataType();
        nBlockXSize = width;
        nBlockYSize = 1;
    }
    const char *GetMetadataItem(const char *name, const char *domain) override {
        return m_source ? m_source->GetMetadataItem(name, domain) : nullptr;
    }
    int GetMaskFlags() override { return m_mask ? GMF_PER_DATASET : GMF_ALL_VALID; }
    GDALRasterBand *GetMaskBand() override { return m_mask ? m_mask : GDALRasterBand::GetMaskBand(); }

  protected:
    CPLErr IReadBlock(int, int, void *data) override {
        memset(data, 0, static_cast<size_t>(nBlockXSize) * static_cast<size_t>(GDALGetDataTypeSizeBytes(eDataType)));
        return CE_None;
    }

  private:
    GDALRasterBand *m_source; // not owned; or null
    GDALRasterBand *m_mask;   // the dataset's; or null

    CPL_DISALLOW_COPY_ASSIGN(OverviewBand)
};

// Masks: GDALRasterBand makes those of nodata values and alpha bands from what is forwarded, and knows
// of no other than the one that is asked for.
class StandInBand final : public GDALRasterBand {
  public:
    StandInBand(GDALRasterBand *source, int width, GDALRasterBand *mask, GDALRasterBand *overview)
        : m_source(source), m_mask(mask), m_overview(overview) {
        eDataType = source->GetRasterDataType();
        nBlockXSize = width;
        nBlockYSize = 1;
    }

    const char *GetDescription() const override { return m_source->GetDescription(); }
    char **GetMetadataDomainList() override { return m_source->GetMetadataDomainList(); }
    StringList GetMetadata(const char *domain) override {
        return ShowsItems(domain) ? m_items.List() : m_source->GetMetadata(domain);
    }
    const char *GetMetadataItem(const char *name, const char *domain) override;
    void SetItems(CSLConstList items) {
        m_items.Assign(CSLDuplicate(const_cast<char **>(items)), TRUE);
        m_has_items = true;
    }
    double GetNoDataValue(int *success) override { return m_source->GetNoDataValue(success); }
    int64_t GetNoDataValueAsInt64(int *success) override { return m_source->GetNoDataValueAsInt64(success); }
    uint64_t GetNoDataValueAsUInt64(int *success) override { return m_source->GetNoDataValueAsUInt64(success); }
    double GetOffset(int *success) override { return m_source->GetOffset(success); }
    double GetScale(int *success) override { return m_source->GetScale(success); }
    const char *GetUnitType() override { return m_source->GetUnitType(); }
    GDALColorInterp GetColorInterpretation() override { return m_source->GetColorInterpretation(); }
    GDALColorTable *GetColorTable() override { return m_source->GetColorTable(); }
    char **GetCategoryNames() override { return m_source->GetCategoryNames(); }
    GDALRasterAttributeTable *GetDefaultRAT() override { return m_source->GetDefaultRAT(); }
    int GetMaskFlags() override { return m_mask ? GMF_PER_DATASET : GDALRasterBand::GetMaskFlags(); }
    GDALRasterBand *GetMaskBand() override { return m_mask ? m_mask : GDALRasterBand::GetMaskBand(); }
    int GetOverviewCount() override { return m_overview ? 1 : 0; }
    GDALRasterBand *GetOverview(int) override { return m_overview.get(); }

    // Nothing is to be computed from pixels that are not the source's.
    CPLErr ComputeStatistics(int, double *, double *, double *, double *, GDALProgressFunc, void *) override {
        return CE_Failure;
    }
    CPLErr GetHistogram(double, double, int, GUIntBig *, int, int, GDALProgressFunc, void *) override {
        return CE_Failure;
    }

  protected:
    CPLErr IReadBlock(int, int, void *data) override {
        memset(data, 0, static_cast<size_t>(nBlockXSize) * static_cast<size_t>(GDALGetDataTypeSizeBytes(eDataType)));
        return CE_None;
    }

  private:
    bool ShowsItems(const char *domain) const { return m_has_items && (domain == nullptr || *domain == '\0'); }

    GDALRasterBand *m_source; // not owned
    GDALRasterBand *m_mask;   // the dataset's; or null
    std::unique_ptr<GDALRasterBand> m_overview;
    CPLStringList m_items; // instead of the source's
    bool m_has_items = false;

    CPL_DISALLOW_COPY_ASSIGN(StandInBand)
};

StandInDataset::StandInDataset(GDALDataset *source, int width, int height, int flags)
    : m_source(source), m_together((flags & STF_STAND_IN_TOGETHER) != 0) {
    nRasterXSize = width;
    nRasterYSize = height;
    const int half_width = (width + 1) / 2, half_height = (height + 1) / 2;
    if (flags & STF_STAND_IN_MASKED)
        m_mask = std::make_unique<ZeroDataset>(width, height);
    if (flags & STF_STAND_IN_OVERVIEW_MASKED)
        m_overview_mask = std::make_unique<ZeroDataset>(half_width, half_height);
    GDALRasterBand *mask = m_mask ? m_mask->GetRasterBand(1) : nullptr;
    GDALRasterBand *overview_mask = m_overview_mask ? m_overview_mask->GetRasterBand(1) : nullptr;
    for (int i = 1; i <= source->GetRasterCount(); i++) {
        GDALRasterBand *band = source->GetRasterBand(i);
        OverviewBand *overview =
            flags & STF_STAND_IN_OVERVIEW ? new OverviewBand(band, half_width, half_height, overview_mask) : nullptr;
        SetBand(i, new StandInBand(band, width, mask, overview));
    }
}

// The list is asked for PIXELTYPE instead of the item, because GDAL warns who asks for that.
const char *StandInBand::GetMetadataItem(const char *name, const char *domain) {
    if (domain != nullptr && EQUAL(domain, "IMAGE_STRUCTURE") && EQUAL(name, "PIXELTYPE"))
        return CSLFetchNameValue(m_source->GetMetadata(domain), name);
    return ShowsItems(domain) ? m_items.FetchNameValue(name) : m_source->GetMetadataItem(name, domain);
}

class UnreadableBand final : public GDALRasterBand {
  public:
    UnreadableBand(GDALRasterBand *shape, int width) {
        eDataType = shape->GetRasterDataType();
        nBlockXSize = width;
        nBlockYSize = 1;
    }

  protected:
    CPLErr IReadBlock(int, int, void *) override {
        CPLError(CE_Failure, CPLE_NotSupported, "%s cannot be read back.", poDS->GetDescription());
        return CE_Failure;
    }
};

class UnreadableDataset final : public GDALDataset {
  public:
    UnreadableDataset(GDALDataset *shape, const char *description) {
        nRasterXSize = shape->GetRasterXSize();
        nRasterYSize = shape->GetRasterYSize();
        poDriver = GetGDALDriverManager()->GetDriverByName(STF_DRIVER_NAME);
        SetDescription(description);
        for (int i = 1; i <= shape->GetRasterCount(); i++)
            SetBand(i, new UnreadableBand(shape->GetRasterBand(i), nRasterXSize));
    }
    char **GetFileList() override { return nullptr; }
};

// One overview level of all bands as a raster of its own; read from the source's bands, blocks and all.
class LevelBand final : public GDALRasterBand {
  public:
    explicit LevelBand(GDALRasterBand *overview) : m_overview(overview) {
        eDataType = overview->GetRasterDataType();
        overview->GetBlockSize(&nBlockXSize, &nBlockYSize);
    }

    const char *GetMetadataItem(const char *name, const char *domain) override {
        return m_overview->GetMetadataItem(name, domain);
    }
    double GetNoDataValue(int *success) override { return m_overview->GetNoDataValue(success); }
    int64_t GetNoDataValueAsInt64(int *success) override { return m_overview->GetNoDataValueAsInt64(success); }
    uint64_t GetNoDataValueAsUInt64(int *success) override { return m_overview->GetNoDataValueAsUInt64(success); }
    int GetMaskFlags() override { return m_overview->GetMaskFlags(); }
    GDALRasterBand *GetMaskBand() override { return m_overview->GetMaskBand(); }

  protected:
    CPLErr IReadBlock(int x, int y, void *data) override { return m_overview->ReadBlock(x, y, data); }
    CPLErr IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                     int buffer_height, GDALDataType type, GSpacing pixel_space, GSpacing line_space,
                     GDALRasterIOExtraArg *extra) override {
        return m_overview->RasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type, pixel_space,
                                    line_space, extra);
    }

  private:
    GDALRasterBand *m_overview; // not owned

    CPL_DISALLOW_COPY_ASSIGN(LevelBand)
};

class LevelDataset final : public GDALDataset {
  public:
    LevelDataset(GDALDataset *source, int level) : m_source(source) {
        nRasterXSize = source->GetRasterBand(1)->GetOverview(level)->GetXSize();
        nRasterYSize = source->GetRasterBand(1)->GetOverview(level)->GetYSize();
        poDriver = GetGDALDriverManager()->GetDriverByName(STF_DRIVER_NAME);
        for (int i = 1; i <= source->GetRasterCount(); i++)
            SetBand(i, new LevelBand(source->GetRasterBand(i)->GetOverview(level)));
    }

    const char *GetMetadataItem(const char *name, const char *domain) override {
        return domain != nullptr && EQUAL(domain, "IMAGE_STRUCTURE") ? m_source->GetMetadataItem(name, domain)
                                                                     : nullptr;
    }
    char **GetFileList() override { return nullptr; }

  private:
    GDALDataset *m_source; // not owned

    CPL_DISALLOW_COPY_ASSIGN(LevelDataset)
};

} // namespace

GDALDatasetH stf_gdal_stand_in(GDALDatasetH source, int width, int height, int flags) {
    return GDALDataset::ToHandle(new StandInDataset(GDALDataset::FromHandle(source), width, height, flags));
}

void stf_gdal_stand_in_set_items(GDALDatasetH stand_in, int band, CSLConstList items) {
    static_cast<StandInBand *>(GDALDataset::FromHandle(stand_in)->GetRasterBand(band))->SetItems(items);
}

GDALDatasetH stf_gdal_unreadable(GDALDatasetH shape, const char *description) {
    return GDALDataset::ToHandle(new UnreadableDataset(GDALDataset::FromHandle(shape), description));
}

GDALDatasetH stf_gdal_level(GDALDatasetH source, int level) {
    return GDALDataset::ToHandle(new LevelDataset(GDALDataset::FromHandle(source), level));
}
