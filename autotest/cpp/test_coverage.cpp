// Blocks that a file does not have: told of a GTiff that is open for reading, and what their pixels are.
#include <cstdint>
#include <string>
#include <vector>

#include "coverage.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gtest/gtest.h"

namespace {

constexpr int Size = 64, Block = 16;
const char *const Path = "/vsimem/coverage/sparse.tif";

class Coverage : public testing::Test {
  protected:
    static void SetUpTestSuite() { GDALAllRegister(); }
    void TearDown() override {
        GDALClose(dataset);
        VSIUnlink(Path);
    }

    // Four blocks each way, of which only the one at column 1, row 2 was written.
    void make(int bands, const std::vector<double> &nodata, std::vector<const char *> options = {}) {
        options.insert(options.begin(), {"TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16", "SPARSE_OK=TRUE"});
        options.push_back(nullptr);
        GDALDatasetH made = GDALCreate(GDALGetDriverByName("GTiff"), Path, Size, Size, bands, GDT_Int16,
                                       const_cast<char **>(options.data()));
        ASSERT_NE(made, nullptr);
        std::vector<int16_t> pixels(Block * Block, 5);
        for (int band = 1; band <= bands; band++) {
            if (!nodata.empty())
                GDALSetRasterNoDataValue(GDALGetRasterBand(made, band), nodata[band - 1]);
            ASSERT_EQ(GDALRasterIO(GDALGetRasterBand(made, band), GF_Write, Block, 2 * Block, Block, Block,
                                   pixels.data(), Block, Block, GDT_Int16, 0, 0),
                      CE_None);
        }
        GDALClose(made);
        dataset = GDALOpen(Path, GA_ReadOnly);
        ASSERT_NE(dataset, nullptr);
    }
    bool empty(uint32_t x, uint32_t y, uint32_t width = Block, uint32_t height = Block, int band = 1) {
        const stf_window window = {x, y, width, height};
        return stf_coverage_is_empty(GDALGetRasterBand(dataset, band), &window);
    }

    GDALDatasetH dataset = nullptr;
    const stf_window gap = {0, 0, Block, Block};
};

TEST_F(Coverage, every_block_but_the_written_one_is_missing) {
    make(1, {});
    EXPECT_TRUE(stf_coverage_is_told(dataset));
    for (uint32_t y = 0; y < Size; y += Block)
        for (uint32_t x = 0; x < Size; x += Block)
            EXPECT_EQ(empty(x, y), !(x == Block && y == 2 * Block)) << x << ", " << y;
    EXPECT_FALSE(empty(0, 0, Size, Size));
    EXPECT_TRUE(empty(0, 0, Size, 2 * Block));
    EXPECT_FALSE(empty(Block - 1, 2 * Block, 2, 1)) << "a window with one pixel that is there";
}

TEST_F(Coverage, missing_pixels_are_nodata_or_0) {
    int16_t sample = -1;
    make(1, {});
    ASSERT_TRUE(stf_coverage_value(dataset, 0, 1, &gap, GDT_Int16, &sample));
    EXPECT_EQ(sample, 0);
    TearDown();
    make(1, {-77});
    ASSERT_TRUE(stf_coverage_value(dataset, 0, 1, &gap, GDT_Int16, &sample));
    EXPECT_EQ(sample, -77);
    float other = 0;
    ASSERT_TRUE(stf_coverage_value(dataset, 0, 1, &gap, GDT_Float32, &other));
    EXPECT_EQ(other, -77.0f);
}

TEST_F(Coverage, asking_for_a_value_leaves_no_block_in_the_cache) {
    int16_t sample = -1;
    make(2, {3, 3});
    const GIntBig used = GDALGetCacheUsed64();
    ASSERT_TRUE(stf_coverage_value(dataset, 0, 2, &gap, GDT_Int16, &sample));
    EXPECT_EQ(sample, 3);
    EXPECT_EQ(GDALGetCacheUsed64(), used);
}

TEST_F(Coverage, bands_that_differ_have_no_one_value) {
    int16_t sample = -1;
    make(3, {}, {"INTERLEAVE=BAND"});
    EXPECT_TRUE(stf_coverage_value(dataset, 0, 3, &gap, GDT_Int16, &sample));
    const stf_window written = {Block, 2 * Block, Block, Block};
    EXPECT_TRUE(stf_coverage_value(dataset, 1, 2, &written, GDT_Int16, &sample));
    EXPECT_EQ(sample, 5);
}

TEST_F(Coverage, a_file_open_for_update_is_not_asked) {
    make(1, {});
    GDALClose(dataset);
    dataset = GDALOpen(Path, GA_Update);
    ASSERT_NE(dataset, nullptr);
    EXPECT_FALSE(stf_coverage_is_told(dataset));
}

TEST_F(Coverage, other_drivers_do_not_tell) {
    dataset = GDALCreate(GDALGetDriverByName("MEM"), "", Size, Size, 1, GDT_Byte, nullptr);
    EXPECT_FALSE(stf_coverage_is_told(dataset));
    EXPECT_FALSE(empty(0, 0));
}

// The table of blocks cannot be read: nothing is known, nothing is raised, and reading will fail and say why.
TEST_F(Coverage, a_broken_table_is_not_a_file_without_blocks) {
    make(1, {}, {"COMPRESS=NONE"});
    GDALClose(dataset);
    vsi_l_offset bytes = 0;
    const unsigned char *file = VSIGetMemFileBuffer(Path, &bytes, FALSE);
    std::vector<unsigned char> cut(file, file + bytes);
    // The directory's entry of TileOffsets (324): its table now lies beyond the end of the file.
    bool found = false;
    for (size_t i = 8; i + 12 <= cut.size() && !found; i++)
        if (cut[i] == 0x44 && cut[i + 1] == 0x01 && cut[i + 4] == Size / Block * (Size / Block) && cut[i + 5] == 0) {
            cut[i + 8] = cut[i + 9] = cut[i + 10] = 0xFF;
            cut[i + 11] = 0x7F;
            found = true;
        }
    ASSERT_TRUE(found);
    VSILFILE *target = VSIFOpenL(Path, "wb");
    ASSERT_EQ(VSIFWriteL(cut.data(), 1, cut.size(), target), cut.size());
    VSIFCloseL(target);
    dataset = GDALOpen(Path, GA_ReadOnly);
    ASSERT_NE(dataset, nullptr);
    CPLErrorReset();
    EXPECT_FALSE(empty(0, 0));
    EXPECT_EQ(CPLGetLastErrorType(), CE_None);
}

} // namespace
