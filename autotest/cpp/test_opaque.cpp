// Datasets without a driver, whose bands may differ in type and in blocks: copied as GTiff copies them, each block pulled
// once, top to bottom, whatever the cap.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "create_copy.h"
#include "gdal_priv.h"
#include "gtest/gtest.h"

namespace {

constexpr int Width = 211, Height = 97;

struct BandShape {
    GDALDataType type;
    int block_width, block_height;
};

// Computes its pixels, and tells how often each block was asked for and whether it was asked for out of turn.
class OpaqueBand : public GDALRasterBand {
  public:
    OpaqueBand(GDALDataset *of, int number, const BandShape &shape) {
        poDS = of;
        nBand = number;
        eDataType = shape.type;
        nBlockXSize = shape.block_width;
        nBlockYSize = shape.block_height;
        columns = (Width - 1) / nBlockXSize + 1;
        last.resize(static_cast<size_t>(columns), -1);
        pulled.resize(static_cast<size_t>(columns * ((Height - 1) / nBlockYSize + 1)));
    }

    CPLErr IReadBlock(int x, int y, void *data) override {
        const int place = y * columns + x;
        if (place == bad_block) {
            CPLError(CE_Failure, CPLE_FileIO, "this block cannot be computed");
            return CE_Failure;
        }
        out_of_turn = out_of_turn || y != last[static_cast<size_t>(x)] + 1;
        last[static_cast<size_t>(x)] = y;
        pulled[static_cast<size_t>(place)]++;
        const int bytes = GDALGetDataTypeSizeBytes(eDataType);
        for (int row = 0; row < nBlockYSize; row++)
            for (int column = 0; column < nBlockXSize; column++) {
                // Values that an integer type has to round or to clamp.
                const double value = (x * nBlockXSize + column) * 1.7 - (y * nBlockYSize + row) * 2.3 + 50 * nBand;
                GDALCopyWords(&value, GDT_Float64, 0, static_cast<GByte *>(data) + (row * nBlockXSize + column) * bytes,
                              eDataType, bytes, 1);
            }
        return CE_None;
    }

    int columns = 0, bad_block = -1;
    bool out_of_turn = false; // a column of blocks is asked for from top to bottom
    std::vector<int> pulled, last;
};

class Opaque : public GDALDataset {
  public:
    explicit Opaque(const std::vector<BandShape> &shapes) {
        nRasterXSize = Width;
        nRasterYSize = Height;
        for (const BandShape &shape : shapes)
            SetBand(nBands + 1, new OpaqueBand(this, nBands + 1, shape));
    }
    OpaqueBand *band(int number) { return static_cast<OpaqueBand *>(GetRasterBand(number)); }
};

std::vector<GByte> pixels(GDALDataset *dataset) {
    GDALDataType type = dataset->GetRasterBand(1)->GetRasterDataType();
    std::vector<GByte> all(static_cast<size_t>(Width * Height * dataset->GetRasterCount()) *
                           static_cast<size_t>(GDALGetDataTypeSizeBytes(type)));
    EXPECT_EQ(dataset->RasterIO(GF_Read, 0, 0, Width, Height, all.data(), Width, Height, type,
                                dataset->GetRasterCount(), nullptr, 0, 0, 0, nullptr),
              CE_None);
    return all;
}

int64_t figure(GDALDatasetH dataset, const char *key) {
    const char *text = GDALGetMetadataItem(dataset, key, "STREAMING");
    EXPECT_NE(text, nullptr) << key;
    return text ? CPLAtoGIntBig(text) : -1;
}

class OpaqueCopy : public testing::Test {
  protected:
    static void SetUpTestSuite() { GDALAllRegister(); }
    void SetUp() override { CPLPushErrorHandler(CPLQuietErrorHandler); } // bands of other types are warned about
    void TearDown() override {
        CPLPopErrorHandler();
        VSIUnlink("/vsimem/opaque.tif");
        VSIUnlink("/vsimem/gtiff.tif");
    }

    static GDALDatasetH copy(Opaque *source, const char *cap, const char *threads, const char *interleave) {
        const CPLStringList options(
            CSLParseCommandLine((std::string("MEMORY_CAP=") + cap + " NUM_THREADS=" + threads +
                                 " INTERLEAVE=" + interleave + " BLOCKXSIZE=64 BLOCKYSIZE=32 COMPRESS=DEFLATE")
                                    .c_str()));
        return stf_create_copy("/vsimem/opaque.tif", GDALDataset::ToHandle(source), FALSE,
                               const_cast<CSLConstList>(options.List()), nullptr, nullptr);
    }

    static void expect_copied(const std::vector<BandShape> &shapes) {
        Opaque oracle(shapes);
        auto *gtiff = static_cast<GDALDriver *>(GDALGetDriverByName("GTiff"));
        std::unique_ptr<GDALDataset> expected(
            gtiff->CreateCopy("/vsimem/gtiff.tif", &oracle, FALSE, nullptr, nullptr, nullptr));
        ASSERT_NE(expected, nullptr);
        const std::vector<GByte> wanted = pixels(expected.get());
        for (const char *cap : {"1", "100MB"})
            for (const char *threads : {"1", "2"})
                for (const char *interleave : {"PIXEL", "BAND"}) {
                    SCOPED_TRACE(std::string(cap) + ", " + threads + " threads, " + interleave);
                    Opaque source(shapes);
                    GDALDatasetH result = copy(&source, cap, threads, interleave);
                    ASSERT_NE(result, nullptr) << CPLGetLastErrorMsg();
                    EXPECT_EQ(pixels(GDALDataset::FromHandle(result)), wanted);
                    EXPECT_STREQ(GDALGetMetadataItem(result, "SOURCE_KIND", "STREAMING"), "ROWS");
                    for (int b = 1; b <= source.GetRasterCount(); b++) {
                        EXPECT_FALSE(source.band(b)->out_of_turn) << b;
                        for (const int times : source.band(b)->pulled)
                            EXPECT_EQ(times, 1) << b;
                    }
                    const int64_t peak = figure(result, "PEAK_BYTES"),
                                  predicted = figure(result, "PREDICTED_PEAK_BYTES");
                    EXPECT_LE(peak, predicted);
                    EXPECT_LE(predicted, figure(result, "CAP_BYTES"));
                    if (threads[0] == '1') {
                        EXPECT_LE(static_cast<double>(predicted), 1.15 * static_cast<double>(peak));
                    }
                    EXPECT_EQ(figure(result, "SPILL_BYTES"), figure(result, "PREDICTED_SPILL_BYTES"));
                    GDALClose(result);
                }
    }
};

TEST_F(OpaqueCopy, rows_of_one_type) {
    expect_copied({{GDT_Float32, Width, 1}, {GDT_Float32, Width, 1}});
}

TEST_F(OpaqueCopy, rows_of_other_types) {
    expect_copied({{GDT_Byte, Width, 1}, {GDT_Float64, Width, 1}, {GDT_Int16, Width, 1}});
}

TEST_F(OpaqueCopy, blocks_of_other_types) {
    expect_copied({{GDT_Int16, 50, 30}, {GDT_Float32, 50, 30}, {GDT_CFloat64, 50, 30}, {GDT_Int16, 50, 30}});
}

TEST_F(OpaqueCopy, other_blocks) {
    expect_copied({{GDT_UInt16, 64, 64}, {GDT_UInt16, Width, 1}, {GDT_UInt16, 300, 200}});
}

TEST_F(OpaqueCopy, other_blocks_of_the_same_width) {
    expect_copied({{GDT_UInt16, Width, 1}, {GDT_UInt16, Width, 7}});
}

TEST_F(OpaqueCopy, other_blocks_and_other_types) {
    expect_copied({{GDT_Byte, 7, 5}, {GDT_Float32, 32, 32}, {GDT_Int32, Width, 3}, {GDT_CInt16, 1, 97}});
}

TEST_F(OpaqueCopy, one_type_is_asked_for_if_strict) {
    Opaque source({{GDT_Byte, 32, 32}, {GDT_Float32, 16, 32}});
    EXPECT_EQ(stf_create_copy("/vsimem/opaque.tif", GDALDataset::ToHandle(&source), TRUE, nullptr, nullptr, nullptr),
              nullptr);
    EXPECT_NE(std::string(CPLGetLastErrorMsg()).find("same types in TIFF"), std::string::npos) << CPLGetLastErrorMsg();
}

TEST_F(OpaqueCopy, block_that_cannot_be_read) {
    for (int bad : {0, 5, 11}) {
        Opaque source({{GDT_Byte, 64, 32}, {GDT_Float32, 100, 32}});
        source.band(2)->bad_block = bad;
        EXPECT_EQ(copy(&source, "100MB", "2", "PIXEL"), nullptr) << bad;
        EXPECT_NE(std::string(CPLGetLastErrorMsg()).find("this block cannot be computed"), std::string::npos)
            << CPLGetLastErrorMsg();
        VSIStatBufL status;
        EXPECT_NE(VSIStatL("/vsimem/opaque.tif", &status), 0);
    }
}

} // namespace
