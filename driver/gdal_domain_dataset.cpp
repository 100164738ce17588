// A GTiff dataset with one metadata domain more. No logic: what is decided here is only which call of
// which object answers.

#include "gdal_adaptor.h"
#include "gdal_forwarding.h"

namespace {

class DomainDataset final : public StfForwardingDataset {
  public:
    DomainDataset(GDALDataset *inner, const char *domain, CSLConstList metadata);
    ~DomainDataset() override { CloseInner(); }

    char **GetMetadataDomainList() override;
    StringList GetMetadata(const char *domain) override;
    const char *GetMetadataItem(const char *name, const char *domain) override;
    CPLErr SetMetadata(StringList metadata, const char *domain) override;
    CPLErr SetMetadataItem(const char *name, const char *value, const char *domain) override;

  private:
    bool IsOurs(const char *domain) const { return domain != nullptr && EQUAL(domain, m_domain); }

    CPLString m_domain;
    CPLStringList m_metadata;

    CPL_DISALLOW_COPY_ASSIGN(DomainDataset)
};

class DomainBand final : public StfForwardingBand {
  public:
    explicit DomainBand(GDALRasterBand *inner) : StfForwardingBand(inner) {}
};

DomainDataset::DomainDataset(GDALDataset *inner, const char *domain, CSLConstList metadata)
    : StfForwardingDataset(inner), m_domain(domain), m_metadata(CSLDuplicate(const_cast<char **>(metadata))) {
    eAccess = inner->GetAccess();
    SetDescription(inner->GetDescription());
    for (int i = 1; i <= inner->GetRasterCount(); i++)
        SetBand(i, new DomainBand(inner->GetRasterBand(i)));
}

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
