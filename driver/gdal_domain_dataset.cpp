// A GTiff dataset with one metadata domain more. No logic: what is decided here is only which call of
// which object answers.

#include "gdal_adaptor.h"
#include "gdal_names.h"
#include "gdal_proxy.h"

namespace {

class DomainDataset final : private StfOwnDataset, public GDALProxyDataset {
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
    Own(this);
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

} // namespace

GDALDatasetH stf_gdal_with_domain(GDALDatasetH inner, const char *domain, CSLConstList metadata) {
    return GDALDataset::ToHandle(new DomainDataset(GDALDataset::FromHandle(inner), domain, metadata));
}
