// A dataset of ours around another one, its inner dataset, and its bands: what views and results of copies share. C++ only.
#ifndef STF_GDAL_FORWARDING_H
#define STF_GDAL_FORWARDING_H

#include "gdal_names.h"
#include "gdal_proxy.h"

// Who derives from it makes the bands in its constructor, and calls CloseInner() in its destructor.
class StfForwardingDataset : private StfOwnDataset, public GDALProxyDataset {
  public:
    GDALDataset *Inner() const { return m_inner; } // owned; null once it is closed

#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
    CPLErr Close(GDALProgressFunc, void *) override {
        return CloseBoth();
    }
#elif GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    CPLErr Close() override {
        return CloseBoth();
    }
#endif

    // What GDALProxyDataset forgets to forward.
    void ClearStatistics() override {
        if (m_inner != nullptr)
            m_inner->ClearStatistics();
    }
    bool GetRawBinaryLayout(RawBinaryLayout &layout) override {
        return m_inner != nullptr && m_inner->GetRawBinaryLayout(layout);
    }

  protected:
    explicit StfForwardingDataset(GDALDataset *inner) : m_inner(inner) {
        Own(this);
        nRasterXSize = inner->GetRasterXSize();
        nRasterYSize = inner->GetRasterYSize();
    }

    GDALDataset *RefUnderlyingDataset() const override {
        return m_inner;
    }
    // What reads inner ends here: the last call before inner is closed.
    virtual void LetGoOfInner() {}

    CPLErr CloseInner() {
        LetGoOfInner();
        GDALDataset *inner = m_inner;
        m_inner = nullptr;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
        return GDALClose(GDALDataset::ToHandle(inner));
#else
        GDALClose(GDALDataset::ToHandle(inner));
        return CE_None;
#endif
    }

  private:
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    CPLErr CloseBoth() {
        const CPLErr inner_result = CloseInner();
        const CPLErr own_result = GDALDataset::Close();
        return inner_result != CE_None ? inner_result : own_result;
    }
#endif

    GDALDataset *m_inner;

    CPL_DISALLOW_COPY_ASSIGN(StfForwardingDataset)
};

class StfForwardingBand : public GDALProxyRasterBand {
  public:
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
    explicit StfForwardingBand(GDALRasterBand *inner) {
        eDataType = inner->GetRasterDataType();
        inner->GetBlockSize(&nBlockXSize, &nBlockYSize);
    }

    // By way of the dataset, so that nothing is left to be seen once it is closed.
    GDALRasterBand *Inner() const {
        GDALDataset *inner = static_cast<StfForwardingDataset *>(poDS)->Inner();
        return inner != nullptr ? inner->GetRasterBand(nBand) : nullptr;
    }
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
    CPL_DISALLOW_COPY_ASSIGN(StfForwardingBand)
};

#endif
