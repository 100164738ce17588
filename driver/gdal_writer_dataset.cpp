// The dataset that Create() makes: windows go to the writer, and what is said of the raster to its shape (writer.h). No
// logic: what is decided here is only which call of which object answers.

#include "gdal_names.h"
#include "gdal_writer.h"
#include "writer.h"

#include <climits>
#include <cstring>
#include <memory>

namespace {

class WriterDataset final : private StfOwnDataset, public GDALDataset {
  public:
    WriterDataset(stf_writer *writer, int width, int height, int bands, GDALDataType type);
    ~WriterDataset() override { CloseWriter(); }

    stf_writer *Writer() const { return m_writer; } // null once it is closed
    // What is said of the raster; null once it is closed.
    GDALDataset *Shape() const {
        return m_writer != nullptr ? GDALDataset::FromHandle(stf_writer_shape(m_writer)) : nullptr;
    }
    // The file's own dataset, where it is finished; or null.
    GDALDataset *Finished() const {
        return m_writer != nullptr && stf_writer_is_finished(m_writer) ? Shape() : nullptr;
    }
    GDALRasterBand *ShapeBand(int band) const {
        GDALDataset *shape = Shape();
        return shape != nullptr ? shape->GetRasterBand(band) : nullptr;
    }
    CPLErr FinishFile();
    void NodataChanged();

#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
    CPLErr Close(GDALProgressFunc, void *) override {
        return CloseBoth();
    }
#elif GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    CPLErr Close() override {
        return CloseBoth();
    }
#endif
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    CPLErr FlushCache(bool at_closing) override {
        return Flush(at_closing);
    }
#else
    void FlushCache(bool at_closing) override {
        Flush(at_closing);
    }
#endif

    const OGRSpatialReference *GetSpatialRef() const override {
        return Shape() != nullptr ? Shape()->GetSpatialRef() : nullptr;
    }
    CPLErr SetSpatialRef(const OGRSpatialReference *reference) override {
        return Shape() != nullptr ? Shape()->SetSpatialRef(reference) : CE_Failure;
    }
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 12, 0)
    CPLErr GetGeoTransform(GDALGeoTransform &transform) const override {
        return Shape() != nullptr ? Shape()->GetGeoTransform(transform) : CE_Failure;
    }
    CPLErr SetGeoTransform(const GDALGeoTransform &transform) override {
        return Shape() != nullptr ? Shape()->SetGeoTransform(transform) : CE_Failure;
    }
#else
    CPLErr GetGeoTransform(double *transform) override {
        return Shape() != nullptr ? Shape()->GetGeoTransform(transform) : CE_Failure;
    }
    CPLErr SetGeoTransform(double *transform) override {
        return Shape() != nullptr ? Shape()->SetGeoTransform(transform) : CE_Failure;
    }
#endif
    int GetGCPCount() override {
        return Shape() != nullptr ? Shape()->GetGCPCount() : 0;
    }
    const OGRSpatialReference *GetGCPSpatialRef() const override {
        return Shape() != nullptr ? Shape()->GetGCPSpatialRef() : nullptr;
    }
    const GDAL_GCP *GetGCPs() override {
        return Shape() != nullptr ? Shape()->GetGCPs() : nullptr;
    }
    CPLErr SetGCPs(int count, const GDAL_GCP *points, const OGRSpatialReference *reference) override {
        return Shape() != nullptr ? Shape()->SetGCPs(count, points, reference) : CE_Failure;
    }
    char **GetMetadataDomainList() override {
        return Shape() != nullptr ? CSLAddString(Shape()->GetMetadataDomainList(), "STREAMING") : nullptr;
    }
    StringList GetMetadata(const char *domain) override;
    const char *GetMetadataItem(const char *name, const char *domain) override;
    CPLErr SetMetadata(StringList metadata, const char *domain) override {
        return Shape() != nullptr ? Shape()->SetMetadata(metadata, domain) : CE_Failure;
    }
    CPLErr SetMetadataItem(const char *name, const char *value, const char *domain) override {
        return Shape() != nullptr ? Shape()->SetMetadataItem(name, value, domain) : CE_Failure;
    }
    char **GetFileList() override {
        return Finished() != nullptr ? Finished()->GetFileList() : nullptr;
    }
    CPLErr CreateMaskBand(int flags) override;
    // The mask that is pushed; null: there is none.
    GDALRasterBand *Mask() const {
        return m_mask.get();
    }

  protected:
    CPLErr IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                     int buffer_height, GDALDataType type, int band_count, int *bands, GSpacing pixel_space,
                     GSpacing line_space, GSpacing band_space, GDALRasterIOExtraArg *extra) override;
    CPLErr IBuildOverviews(const char *resampling, int count, const int *factors, int band_count, const int *bands,
                           GDALProgressFunc progress, void *progress_data, CSLConstList options) override {
        return FinishFile() == CE_None ? Finished()->BuildOverviews(resampling, count, factors, band_count, bands,
                                                                    progress, progress_data, options)
                                       : CE_Failure;
    }

  private:
    static bool IsOurs(const char *domain) {
        return domain != nullptr && EQUAL(domain, "STREAMING");
    }
    CPLErr Flush(bool at_closing);
    CPLErr CloseWriter();
    CPLErr DropBlocks();
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    CPLErr CloseBoth() {
        const CPLErr result = CloseWriter();
        const CPLErr own_result = GDALDataset::Close();
        return result != CE_None ? result : own_result;
    }
#endif

    stf_writer *m_writer; // owned; null once it is closed
    std::unique_ptr<GDALRasterBand> m_mask;

    CPL_DISALLOW_COPY_ASSIGN(WriterDataset)
};

// A band whose pixels are a writer's: the bands of the raster, and its mask.
class PushedBand : public GDALRasterBand {
  public:
    // What GDAL has of our blocks in its cache, be it resampled or filled there: what is new goes to the writer, and
    // nothing stays. Costs nothing as long as nobody asked for a block.
    CPLErr DropBlocks() { return GDALRasterBand::FlushCache(false); }

  protected:
    PushedBand(WriterDataset *dataset, GDALDataType type) {
        poDS = dataset;
        eDataType = type;
        eAccess = GA_Update;
        nRasterXSize = dataset->GetRasterXSize();
        nRasterYSize = dataset->GetRasterYSize();
    }
    WriterDataset *Dataset() const { return static_cast<WriterDataset *>(poDS); }
    // Who has the pixels; null: nobody any longer.
    virtual stf_writer *Pixels() const = 0;
    // The band of the finished file, where there is one; or null.
    virtual GDALRasterBand *Finished() const = 0;
    virtual const int *Bands() const = 0;

    CPLErr IReadBlock(int x, int y, void *data) override;
    CPLErr IWriteBlock(int x, int y, void *data) override;
    CPLErr IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                     int buffer_height, GDALDataType type, GSpacing pixel_space, GSpacing line_space,
                     GDALRasterIOExtraArg *extra) override;

  private:
    stf_writer_window BlockWindow(int x, int y, void *data) const;

    CPL_DISALLOW_COPY_ASSIGN(PushedBand)
};

class MaskBand final : public PushedBand {
  public:
    explicit MaskBand(WriterDataset *dataset) : PushedBand(dataset, GDT_Byte) {
        stf_writer_block_size(stf_writer_mask(dataset->Writer()), &nBlockXSize, &nBlockYSize);
    }
    bool IsMaskBand() const override { return true; }

  protected:
    stf_writer *Pixels() const override {
        return Dataset()->Writer() != nullptr ? stf_writer_mask(Dataset()->Writer()) : nullptr;
    }
    GDALRasterBand *Finished() const override {
        return Dataset()->Finished() != nullptr ? Dataset()->ShapeBand(1)->GetMaskBand() : nullptr;
    }
    const int *Bands() const override { return &m_band; }

  private:
    int m_band = 1;

    CPL_DISALLOW_COPY_ASSIGN(MaskBand)
};

class WriterBand final : public PushedBand {
  public:
    WriterBand(WriterDataset *dataset, int band, GDALDataType type) : PushedBand(dataset, type) {
        nBand = band;
        stf_writer_block_size(dataset->Writer(), &nBlockXSize, &nBlockYSize);
    }

    void ForgetMask() { InvalidateMaskBand(); }

    const char *GetDescription() const override { return Said() != nullptr ? Said()->GetDescription() : ""; }
    void SetDescription(const char *text) override {
        if (Said() != nullptr)
            Said()->SetDescription(text);
    }
    char **GetMetadataDomainList() override { return Said() != nullptr ? Said()->GetMetadataDomainList() : nullptr; }
    StringList GetMetadata(const char *domain) override {
        return Said() != nullptr ? Said()->GetMetadata(domain) : nullptr;
    }
    const char *GetMetadataItem(const char *name, const char *domain) override {
        // Where blocks lie in the file: only a finished one has them.
        const bool of_file = domain != nullptr && EQUAL(domain, "TIFF") && Finished() == nullptr;
        return Said() != nullptr && !of_file ? Said()->GetMetadataItem(name, domain) : nullptr;
    }
    CPLErr SetMetadata(StringList metadata, const char *domain) override {
        return Said() != nullptr ? Said()->SetMetadata(metadata, domain) : CE_Failure;
    }
    CPLErr SetMetadataItem(const char *name, const char *value, const char *domain) override {
        return Said() != nullptr ? Said()->SetMetadataItem(name, value, domain) : CE_Failure;
    }
    char **GetCategoryNames() override { return Said() != nullptr ? Said()->GetCategoryNames() : nullptr; }
    CPLErr SetCategoryNames(char **names) override {
        return Said() != nullptr ? Said()->SetCategoryNames(names) : CE_Failure;
    }
    double GetNoDataValue(int *success) override {
        return Said() != nullptr ? Said()->GetNoDataValue(success) : GDALRasterBand::GetNoDataValue(success);
    }
    int64_t GetNoDataValueAsInt64(int *success) override {
        return Said() != nullptr ? Said()->GetNoDataValueAsInt64(success)
                                 : GDALRasterBand::GetNoDataValueAsInt64(success);
    }
    uint64_t GetNoDataValueAsUInt64(int *success) override {
        return Said() != nullptr ? Said()->GetNoDataValueAsUInt64(success)
                                 : GDALRasterBand::GetNoDataValueAsUInt64(success);
    }
    CPLErr SetNoDataValue(double value) override {
        return Said() != nullptr ? NodataSet(Said()->SetNoDataValue(value)) : CE_Failure;
    }
    CPLErr SetNoDataValueAsInt64(int64_t value) override {
        return Said() != nullptr ? NodataSet(Said()->SetNoDataValueAsInt64(value)) : CE_Failure;
    }
    CPLErr SetNoDataValueAsUInt64(uint64_t value) override {
        return Said() != nullptr ? NodataSet(Said()->SetNoDataValueAsUInt64(value)) : CE_Failure;
    }
    CPLErr DeleteNoDataValue() override {
        return Said() != nullptr ? NodataSet(Said()->DeleteNoDataValue()) : CE_Failure;
    }
    double GetOffset(int *success) override {
        return Said() != nullptr ? Said()->GetOffset(success) : GDALRasterBand::GetOffset(success);
    }
    CPLErr SetOffset(double value) override { return Said() != nullptr ? Said()->SetOffset(value) : CE_Failure; }
    double GetScale(int *success) override {
        return Said() != nullptr ? Said()->GetScale(success) : GDALRasterBand::GetScale(success);
    }
    CPLErr SetScale(double value) override { return Said() != nullptr ? Said()->SetScale(value) : CE_Failure; }
    const char *GetUnitType() override { return Said() != nullptr ? Said()->GetUnitType() : ""; }
    CPLErr SetUnitType(const char *unit) override { return Said() != nullptr ? Said()->SetUnitType(unit) : CE_Failure; }
    GDALColorInterp GetColorInterpretation() override {
        return Said() != nullptr ? Said()->GetColorInterpretation() : GCI_Undefined;
    }
    CPLErr SetColorInterpretation(GDALColorInterp interpretation) override;
    GDALColorTable *GetColorTable() override { return Said() != nullptr ? Said()->GetColorTable() : nullptr; }
    CPLErr SetColorTable(GDALColorTable *table) override {
        return Said() != nullptr ? Said()->SetColorTable(table) : CE_Failure;
    }
    GDALRasterAttributeTable *GetDefaultRAT() override { return Said() != nullptr ? Said()->GetDefaultRAT() : nullptr; }
    CPLErr SetDefaultRAT(const GDALRasterAttributeTable *table) override {
        return Said() != nullptr ? Said()->SetDefaultRAT(table) : CE_Failure;
    }
    CPLErr SetDefaultHistogram(double min, double max, int buckets, GUIntBig *counts) override {
        return Said() != nullptr ? Said()->SetDefaultHistogram(min, max, buckets, counts) : CE_Failure;
    }

    int GetOverviewCount() override { return Finished() != nullptr ? Finished()->GetOverviewCount() : 0; }
    GDALRasterBand *GetOverview(int level) override {
        return Finished() != nullptr ? Finished()->GetOverview(level) : nullptr;
    }
    int GetMaskFlags() override {
        if (Finished() != nullptr)
            return Finished()->GetMaskFlags();
        return Dataset()->Mask() != nullptr ? GMF_PER_DATASET : GDALRasterBand::GetMaskFlags();
    }
    GDALRasterBand *GetMaskBand() override {
        if (Finished() != nullptr)
            return Finished()->GetMaskBand();
        return Dataset()->Mask() != nullptr ? Dataset()->Mask() : GDALRasterBand::GetMaskBand();
    }
    CPLErr CreateMaskBand(int flags) override;

  protected:
    stf_writer *Pixels() const override { return Dataset()->Writer(); }
    GDALRasterBand *Finished() const override { return Dataset()->Finished() != nullptr ? Said() : nullptr; }
    const int *Bands() const override { return &nBand; }

  private:
    GDALRasterBand *Said() const { return Dataset()->ShapeBand(nBand); }
    CPLErr NodataSet(CPLErr result) {
        Dataset()->NodataChanged();
        return result;
    }

    CPL_DISALLOW_COPY_ASSIGN(WriterBand)
};

/************************************************************************/
/* Pixels                                                               */
/************************************************************************/

// Resampling is GDAL's affair: it comes back to us block by block.
bool Takes(const stf_writer *writer, const stf_writer_window &window, int buffer_width, int buffer_height) {
    return writer != nullptr && window.width == buffer_width && window.height == buffer_height &&
           window.pixel_bytes >= INT_MIN && window.pixel_bytes <= INT_MAX;
}

CPLErr Pass(stf_writer *writer, GDALRWFlag flag, const stf_writer_window &window, const GDALRasterIOExtraArg *extra) {
    const CPLErr result = flag == GF_Write ? stf_writer_write(writer, &window) : stf_writer_read(writer, &window);
    if (result == CE_None && extra != nullptr && extra->pfnProgress != nullptr &&
        !extra->pfnProgress(1.0, "", extra->pProgressData)) {
        CPLError(CE_Failure, CPLE_UserInterrupt, "User terminated");
        return CE_Failure;
    }
    return result;
}

CPLErr PushedBand::IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                             int buffer_height, GDALDataType type, GSpacing pixel_space, GSpacing line_space,
                             GDALRasterIOExtraArg *extra) {
    if (GDALRasterBand *finished = Finished())
        return finished->RasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type, pixel_space,
                                  line_space, extra);
    const stf_writer_window window{x, y, width, height, data, type, pixel_space, line_space, 0, Bands(), 1};
    if (!Takes(Pixels(), window, buffer_width, buffer_height))
        return GDALRasterBand::IRasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type,
                                         pixel_space, line_space, extra);
    return DropBlocks() == CE_None ? Pass(Pixels(), flag, window, extra) : CE_Failure;
}

stf_writer_window PushedBand::BlockWindow(int x, int y, void *data) const {
    const int left = x * nBlockXSize, top = y * nBlockYSize;
    const int width = left + nBlockXSize <= nRasterXSize ? nBlockXSize : nRasterXSize - left;
    const int height = top + nBlockYSize <= nRasterYSize ? nBlockYSize : nRasterYSize - top;
    const int sample_bytes = GDALGetDataTypeSizeBytes(eDataType);
    return {
        left, top,     width, height, data, eDataType, sample_bytes, static_cast<int64_t>(sample_bytes) * nBlockXSize,
        0,    Bands(), 1};
}

CPLErr PushedBand::IReadBlock(int x, int y, void *data) {
    if (GDALRasterBand *finished = Finished())
        return finished->ReadBlock(x, y, data);
    const stf_writer_window window = BlockWindow(x, y, data);
    if (window.width < nBlockXSize || window.height < nBlockYSize)
        memset(data, 0, static_cast<size_t>(window.line_bytes) * static_cast<size_t>(nBlockYSize));
    return Pixels() != nullptr ? stf_writer_read(Pixels(), &window) : CE_Failure;
}

CPLErr PushedBand::IWriteBlock(int x, int y, void *data) {
    if (GDALRasterBand *finished = Finished())
        return finished->WriteBlock(x, y, data);
    const stf_writer_window window = BlockWindow(x, y, data);
    return Pixels() != nullptr ? stf_writer_write(Pixels(), &window) : CE_Failure;
}

CPLErr WriterBand::SetColorInterpretation(GDALColorInterp interpretation) {
    if (Said() == nullptr)
        return CE_Failure;
    const CPLErr result = Said()->SetColorInterpretation(interpretation);
    Dataset()->NodataChanged(); // alpha is a mask, too
    return result;
}

/************************************************************************/
/* The dataset                                                          */
/************************************************************************/

WriterDataset::WriterDataset(stf_writer *writer, int width, int height, int bands, GDALDataType type)
    : m_writer(writer) {
    Own(this);
    nRasterXSize = width;
    nRasterYSize = height;
    eAccess = GA_Update;
    for (int i = 1; i <= bands; i++)
        SetBand(i, new WriterBand(this, i, type));
}

CPLErr WriterDataset::DropBlocks() {
    CPLErr result = CE_None;
    for (int i = 1; i <= nBands; i++)
        if (static_cast<WriterBand *>(papoBands[i - 1])->DropBlocks() != CE_None)
            result = CE_Failure;
    if (m_mask && static_cast<MaskBand *>(m_mask.get())->DropBlocks() != CE_None)
        result = CE_Failure;
    return result;
}

void WriterDataset::NodataChanged() {
    stf_writer_nodata_changed(m_writer);
    for (int i = 1; i <= nBands; i++)
        static_cast<WriterBand *>(papoBands[i - 1])->ForgetMask();
}

// GTiff has no other: masks of single bands lie in a file beside that is its own affair.
CPLErr WriterDataset::CreateMaskBand(int flags) {
    if (Finished() != nullptr)
        return Finished()->CreateMaskBand(flags);
    if (m_writer == nullptr || flags != GMF_PER_DATASET) {
        CPLError(CE_Failure, CPLE_NotSupported, "Only a mask of the whole dataset (GMF_PER_DATASET) can be written.");
        return CE_Failure;
    }
    if (DropBlocks() != CE_None || stf_writer_create_mask(m_writer) != CE_None)
        return CE_Failure;
    m_mask = std::make_unique<MaskBand>(this);
    for (int i = 1; i <= nBands; i++)
        static_cast<WriterBand *>(papoBands[i - 1])->ForgetMask();
    return CE_None;
}

CPLErr WriterBand::CreateMaskBand(int flags) {
    return Finished() != nullptr ? Finished()->CreateMaskBand(flags) : Dataset()->CreateMaskBand(flags);
}

CPLErr WriterDataset::FinishFile() {
    if (m_writer == nullptr)
        return CE_Failure;
    if (!stf_writer_is_finished(m_writer))
        DropBlocks();
    return stf_writer_finish(m_writer);
}

CPLErr WriterDataset::Flush(bool at_closing) {
    if (m_writer == nullptr)
        return CE_None;
    if (GDALDataset *finished = Finished()) {
        finished->FlushCache(at_closing);
        return CE_None;
    }
    const CPLErr result = DropBlocks();
    return stf_writer_flush(m_writer) == CE_None ? result : CE_Failure;
}

CPLErr WriterDataset::CloseWriter() {
    if (m_writer == nullptr)
        return CE_None;
    if (!stf_writer_is_finished(m_writer))
        DropBlocks();
    stf_writer *writer = m_writer;
    if (bSuppressOnClose) {
        m_writer = nullptr;
        stf_writer_abandon(writer);
        return CE_None;
    }
    const CPLErr result = stf_writer_close(writer);
    m_writer = nullptr;
    return result;
}

StringList WriterDataset::GetMetadata(const char *domain) {
    if (Shape() == nullptr)
        return nullptr;
    return IsOurs(domain) ? const_cast<char **>(stf_writer_figures(m_writer)) : Shape()->GetMetadata(domain);
}

const char *WriterDataset::GetMetadataItem(const char *name, const char *domain) {
    if (Shape() == nullptr)
        return nullptr;
    return IsOurs(domain) ? CSLFetchNameValue(stf_writer_figures(m_writer), name)
                          : Shape()->GetMetadataItem(name, domain);
}

CPLErr WriterDataset::IRasterIO(GDALRWFlag flag, int x, int y, int width, int height, void *data, int buffer_width,
                                int buffer_height, GDALDataType type, int band_count, int *bands, GSpacing pixel_space,
                                GSpacing line_space, GSpacing band_space, GDALRasterIOExtraArg *extra) {
    if (GDALDataset *finished = Finished())
        return finished->RasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type, band_count, bands,
                                  pixel_space, line_space, band_space, extra);
    const stf_writer_window window{x,           y,          width,      height, data,      type,
                                   pixel_space, line_space, band_space, bands,  band_count};
    if (!Takes(m_writer, window, buffer_width, buffer_height))
        return GDALDataset::IRasterIO(flag, x, y, width, height, data, buffer_width, buffer_height, type, band_count,
                                      bands, pixel_space, line_space, band_space, extra);
    return DropBlocks() == CE_None ? Pass(m_writer, flag, window, extra) : CE_Failure;
}

} // namespace

GDALDataset *StreamTIFFWriterCreate(const char *target, int width, int height, int bands, GDALDataType type,
                                    StringList options) {
    stf_writer *writer = stf_writer_create(target, width, height, bands, type, options);
    if (writer == nullptr)
        return nullptr;
    WriterDataset *dataset = new WriterDataset(writer, width, height, bands, type);
    dataset->SetDescription(target);
    return dataset;
}
