// Registers the driver and adapts GDAL's classes for the C core. No logic: what is decided here is
// only which call of which object answers.

#include "create_copy.h"
#include "gdal_adaptor.h"
#include "options.h"

#include <cstring>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "gdal_priv.h"
#include "gdal_proxy.h"

namespace {

constexpr const char *DRIVER_NAME = "StreamTIFF";

// GDAL 3.13 made lists const that were not.
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
using StringList = CSLConstList;
#else
using StringList = char **;
#endif

/************************************************************************/
/* A GTiff dataset with one metadata domain more                        */
/************************************************************************/

class DomainDataset final : public GDALProxyDataset {
  public:
    DomainDataset(GDALDataset *inner, const char *domain, CSLConstList metadata);
    ~DomainDataset() override { CloseInner(); }

    GDALDataset *Inner() const { return m_inner; }

#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
    CPLErr Close(GDALProgressFunc, void *) override {
        return CloseBoth();
    }
#elif GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    CPLErr Close() override {
        return CloseBoth();
    }
#endif

    char **GetMetadataDomainList() override;
    StringList GetMetadata(const char *domain) override;
    const char *GetMetadataItem(const char *name, const char *domain) override;
    CPLErr SetMetadata(StringList metadata, const char *domain) override;
    CPLErr SetMetadataItem(const char *name, const char *value, const char *domain) override;

    // What GDALProxyDataset forgets to forward.
    void ClearStatistics() override {
        if (m_inner != nullptr)
            m_inner->ClearStatistics();
    }
    bool GetRawBinaryLayout(RawBinaryLayout &layout) override {
        return m_inner != nullptr && m_inner->GetRawBinaryLayout(layout);
    }

  protected:
    GDALDataset *RefUnderlyingDataset() const override {
        return m_inner;
    }

  private:
    bool IsOurs(const char *domain) const {
        return domain != nullptr && EQUAL(domain, m_domain);
    }
    CPLErr CloseInner();
    CPLErr CloseBoth();

    GDALDataset *m_inner; // owned; null once it is closed
    CPLString m_domain;
    CPLStringList m_metadata;

    CPL_DISALLOW_COPY_ASSIGN(DomainDataset)
};

class DomainBand final : public GDALProxyRasterBand {
  public:
    explicit DomainBand(GDALRasterBand *inner) {
        eDataType = inner->GetRasterDataType();
        inner->GetBlockSize(&nBlockXSize, &nBlockYSize);
    }

    // What GDALProxyRasterBand forgets to forward.
    const char *GetDescription() const override {
        const GDALRasterBand *inner = Inner();
        return inner != nullptr ? inner->GetDescription() : "";
    }
    void SetDescription(const char *text) override {
        if (GDALRasterBand *inner = Inner())
            inner->SetDescription(text);
    }
    int64_t GetNoDataValueAsInt64(int *success) override {
        return Inner() != nullptr ? Inner()->GetNoDataValueAsInt64(success)
                                  : GDALRasterBand::GetNoDataValueAsInt64(success);
    }
    uint64_t GetNoDataValueAsUInt64(int *success) override {
        return Inner() != nullptr ? Inner()->GetNoDataValueAsUInt64(success)
                                  : GDALRasterBand::GetNoDataValueAsUInt64(success);
    }
    CPLErr SetNoDataValueAsInt64(int64_t value) override {
        return Inner() != nullptr ? Inner()->SetNoDataValueAsInt64(value) : CE_Failure;
    }
    CPLErr SetNoDataValueAsUInt64(uint64_t value) override {
        return Inner() != nullptr ? Inner()->SetNoDataValueAsUInt64(value) : CE_Failure;
    }

  protected:
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    GDALRasterBand *RefUnderlyingRasterBand(bool) const override {
        return Inner();
    }
#else
    GDALRasterBand *RefUnderlyingRasterBand() const override {
        return Inner();
    }
#endif
    int IGetDataCoverageStatus(int x, int y, int width, int height, int stop_mask, double *percent) override {
        return Inner() != nullptr ? Inner()->GetDataCoverageStatus(x, y, width, height, stop_mask, percent)
                                  : GDALRasterBand::IGetDataCoverageStatus(x, y, width, height, stop_mask, percent);
    }

  private:
    // By way of the dataset, so that nothing is left to be seen once it is closed.
    GDALRasterBand *Inner() const {
        GDALDataset *inner = static_cast<DomainDataset *>(poDS)->Inner();
        return inner != nullptr ? inner->GetRasterBand(nBand) : nullptr;
    }

    CPL_DISALLOW_COPY_ASSIGN(DomainBand)
};

DomainDataset::DomainDataset(GDALDataset *inner, const char *domain, CSLConstList metadata)
    : m_inner(inner), m_domain(domain), m_metadata(CSLDuplicate(const_cast<char **>(metadata))) {
    nRasterXSize = inner->GetRasterXSize();
    nRasterYSize = inner->GetRasterYSize();
    eAccess = inner->GetAccess();
    SetDescription(inner->GetDescription());
    for (int i = 1; i <= inner->GetRasterCount(); i++)
        SetBand(i, new DomainBand(inner->GetRasterBand(i)));
}

CPLErr DomainDataset::CloseInner() {
    GDALDataset *inner = m_inner;
    m_inner = nullptr;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    return GDALClose(GDALDataset::ToHandle(inner));
#else
    GDALClose(GDALDataset::ToHandle(inner));
    return CE_None;
#endif
}

#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
CPLErr DomainDataset::CloseBoth() {
    const CPLErr inner_result = CloseInner();
    const CPLErr own_result = GDALDataset::Close();
    return inner_result != CE_None ? inner_result : own_result;
}
#endif

char **DomainDataset::GetMetadataDomainList() {
    return CSLAddString(GDALProxyDataset::GetMetadataDomainList(), m_domain);
}

StringList DomainDataset::GetMetadata(const char *domain) {
    return IsOurs(domain) ? m_metadata.List() : GDALProxyDataset::GetMetadata(domain);
}

const char *DomainDataset::GetMetadataItem(const char *name, const char *domain) {
    return IsOurs(domain) ? m_metadata.FetchNameValue(name) : GDALProxyDataset::GetMetadataItem(name, domain);
}

CPLErr DomainDataset::SetMetadata(StringList metadata, const char *domain) {
    if (!IsOurs(domain))
        return GDALProxyDataset::SetMetadata(metadata, domain);
    CPLError(CE_Failure, CPLE_NotSupported, "Metadata domain %s is read-only.", m_domain.c_str());
    return CE_Failure;
}

CPLErr DomainDataset::SetMetadataItem(const char *name, const char *value, const char *domain) {
    if (!IsOurs(domain))
        return GDALProxyDataset::SetMetadataItem(name, value, domain);
    CPLError(CE_Failure, CPLE_NotSupported, "Metadata domain %s is read-only.", m_domain.c_str());
    return CE_Failure;
}

/************************************************************************/
/* A few zero pixels that have all that a source says of itself          */
/************************************************************************/

// Not a proxy: what is not forwarded here by name never reaches the source. No driver, so that GTiff
// takes none of its shortcuts (copying the compressed tiles of a JPEG).
class StandInDataset final : public GDALDataset {
  public:
    StandInDataset(GDALDataset *source, int width, int height);

    char **GetMetadataDomainList() override { return m_source->GetMetadataDomainList(); }
    StringList GetMetadata(const char *domain) override { return m_source->GetMetadata(domain); }
    const char *GetMetadataItem(const char *name, const char *domain) override {
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

    CPL_DISALLOW_COPY_ASSIGN(StandInDataset)
};

// Masks: GDALRasterBand makes those of nodata values and alpha bands from what is forwarded, and knows
// of no other.
class StandInBand final : public GDALRasterBand {
  public:
    StandInBand(GDALRasterBand *source, int width) : m_source(source) {
        eDataType = source->GetRasterDataType();
        nBlockXSize = width;
        nBlockYSize = 1;
    }

    const char *GetDescription() const override { return m_source->GetDescription(); }
    char **GetMetadataDomainList() override { return m_source->GetMetadataDomainList(); }
    StringList GetMetadata(const char *domain) override { return m_source->GetMetadata(domain); }
    const char *GetMetadataItem(const char *name, const char *domain) override;
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
    GDALRasterBand *m_source; // not owned

    CPL_DISALLOW_COPY_ASSIGN(StandInBand)
};

StandInDataset::StandInDataset(GDALDataset *source, int width, int height) : m_source(source) {
    nRasterXSize = width;
    nRasterYSize = height;
    for (int i = 1; i <= source->GetRasterCount(); i++)
        SetBand(i, new StandInBand(source->GetRasterBand(i), width));
}

// NBITS is hidden: the template must have samples of whole bytes, as the tiles have. The list is asked
// instead of the item, because GDAL warns who asks for PIXELTYPE.
const char *StandInBand::GetMetadataItem(const char *name, const char *domain) {
    if (domain == nullptr || !EQUAL(domain, "IMAGE_STRUCTURE"))
        return m_source->GetMetadataItem(name, domain);
    return EQUAL(name, "NBITS") ? nullptr : CSLFetchNameValue(m_source->GetMetadata(domain), name);
}

/************************************************************************/
/* A dataset for a target that cannot be read back                      */
/************************************************************************/

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
        poDriver = GetGDALDriverManager()->GetDriverByName(DRIVER_NAME);
        SetDescription(description);
        for (int i = 1; i <= shape->GetRasterCount(); i++)
            SetBand(i, new UnreadableBand(shape->GetRasterBand(i), nRasterXSize));
    }
    char **GetFileList() override { return nullptr; }
};

/************************************************************************/
/* The driver                                                           */
/************************************************************************/

GDALDataset *CreateCopy(const char *target, GDALDataset *source, int strict, StringList options,
                        GDALProgressFunc progress, void *progress_data) {
    return GDALDataset::FromHandle(
        stf_create_copy(target, GDALDataset::ToHandle(source), strict, options, progress, progress_data));
}

} // namespace

GDALDatasetH stf_gdal_with_domain(GDALDatasetH inner, const char *domain, CSLConstList metadata) {
    return GDALDataset::ToHandle(new DomainDataset(GDALDataset::FromHandle(inner), domain, metadata));
}

GDALDatasetH stf_gdal_stand_in(GDALDatasetH source, int width, int height) {
    return GDALDataset::ToHandle(new StandInDataset(GDALDataset::FromHandle(source), width, height));
}

GDALDatasetH stf_gdal_unreadable(GDALDatasetH shape, const char *description) {
    return GDALDataset::ToHandle(new UnreadableDataset(GDALDataset::FromHandle(shape), description));
}

CSLConstList stf_gdal_open_options(GDALDatasetH dataset) {
    return GDALDataset::FromHandle(dataset)->GetOpenOptions();
}

int stf_gdal_block_is_cached(GDALRasterBandH band, int x, int y) {
    GDALRasterBlock *block = GDALRasterBand::FromHandle(band)->TryGetLockedBlockRef(x, y);
    if (block != nullptr)
        block->DropLock();
    return block != nullptr;
}

// CPL_DLL is empty outside of GDAL's own build, and everything else is compiled hidden.
#if defined(_WIN32)
#define STF_EXPORT __declspec(dllexport)
#else
#define STF_EXPORT __attribute__((visibility("default")))
#endif

extern "C" STF_EXPORT void GDALRegister_StreamTIFF(void);

// No Open and no file extension: an unlisted plugin stands before GTiff and would take its files.
// No Create: programs hand over a dataset to pull from only where there is none.
void GDALRegister_StreamTIFF(void) {
    if (!GDAL_CHECK_VERSION(DRIVER_NAME) || GDALGetDriverByName(DRIVER_NAME) != nullptr)
        return;
    GDALDriver *driver = new GDALDriver();
    driver->SetDescription(DRIVER_NAME);
    driver->SetMetadataItem(GDAL_DCAP_RASTER, "YES");
    driver->SetMetadataItem(GDAL_DCAP_VIRTUALIO, "YES");
    driver->SetMetadataItem(GDAL_DMD_LONGNAME, "GeoTIFF streamed under a memory cap");
    driver->SetMetadataItem(GDAL_DMD_HELPTOPIC, "drivers/raster/streamtiff.html");
    driver->SetMetadataItem(GDAL_DMD_CREATIONDATATYPES, "Byte "
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
                                                        "Int8 "
#endif
                                                        "UInt16 Int16 UInt32 Int32 UInt64 Int64 Float32 Float64 "
                                                        "CInt16 CInt32 CFloat32 CFloat64");
    char *option_list = stf_options_list_xml();
    driver->SetMetadataItem(GDAL_DMD_CREATIONOPTIONLIST, option_list);
    CPLFree(option_list);
    driver->pfnCreateCopy = CreateCopy;
    GetGDALDriverManager()->RegisterDriver(driver);
}
