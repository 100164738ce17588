// Files written by hand, read back by GDAL's GTiff driver; and every way in which writing can fail.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "encoder.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "tiff.h"
#include "tiff_file.h"
#include "tiff_tags.h"

#ifndef _WIN32
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace {

using Bytes = std::vector<unsigned char>;

struct Tags {
    Tags() = default;
    ~Tags() { stf_tag_list_free(&list); }
    Tags(const Tags &) = delete;
    Tags &operator=(const Tags &) = delete;
    void Short(int tag, int value) {
        EXPECT_TRUE(stf_tag_list_set_short(&list, static_cast<uint16_t>(tag), static_cast<uint16_t>(value), &error));
    }
    void Long(int tag, uint32_t value) {
        EXPECT_TRUE(stf_tag_list_set_long(&list, static_cast<uint16_t>(tag), value, &error));
    }
    void Raster(uint32_t width, uint32_t height, uint32_t block_width, uint32_t block_height, bool tiled, int bits) {
        Long(TIFFTAG_IMAGEWIDTH, width);
        Long(TIFFTAG_IMAGELENGTH, height);
        Short(TIFFTAG_BITSPERSAMPLE, bits);
        Short(TIFFTAG_COMPRESSION, COMPRESSION_NONE);
        Short(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        Short(TIFFTAG_SAMPLESPERPIXEL, 1);
        Short(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
        if (tiled)
            Long(TIFFTAG_TILEWIDTH, block_width);
        Long(tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, block_height);
    }
    stf_tag_list list{};
    stf_error error{};
};

struct Shape {
    bool big, tiled;
    uint32_t width, height, block_width, block_height;
    uint64_t Across() const { return (width + block_width - 1) / block_width; }
    uint64_t Tiles() const { return Across() * ((height + block_height - 1) / block_height); }
};

uint16_t PixelAt(uint64_t x, uint64_t y) {
    return static_cast<uint16_t>(x * 31 + y * 1009);
}

Bytes TileOf(const Shape &shape, uint64_t tile) {
    const uint64_t left = tile % shape.Across() * shape.block_width, top = tile / shape.Across() * shape.block_height;
    uint64_t rows = shape.block_height;
    if (!shape.tiled && top + rows > shape.height)
        rows = shape.height - top;
    std::vector<uint16_t> pixels;
    for (uint64_t y = 0; y < rows; y++)
        for (uint64_t x = 0; x < shape.block_width; x++)
            pixels.push_back(PixelAt(left + x, top + y));
    Bytes bytes(pixels.size() * 2);
    memcpy(bytes.data(), pixels.data(), bytes.size());
    return bytes;
}

std::vector<std::string> FilesBeside(const std::string &path) {
    std::vector<std::string> names;
    CPLStringList list(VSIReadDir(CPLGetDirname(path.c_str())));
    const std::string stem = CPLGetFilename(path.c_str());
    for (int i = 0; i < list.size(); i++)
        if (STARTS_WITH(list[i], stem.c_str()))
            names.push_back(list[i]);
    return names;
}

// Finishes a file of one image.
bool FinishOne(stf_tiff_file *file, bool tiled, const stf_tag_list *tags, stf_error *error) {
    const stf_image_tags image = {tiled, tags};
    return stf_tiff_file_finish(file, &image, error);
}

// Writes a UInt16 raster, its tiles back to front.
bool WriteRaster(const std::string &path, const Shape &shape, stf_error *error) {
    stf_tiff_file *file = stf_tiff_file_create(path.c_str(), shape.big, shape.Tiles(), error);
    if (!file)
        return false;
    for (uint64_t i = shape.Tiles(); i-- > 0;) {
        Bytes tile = TileOf(shape, i);
        if (!stf_tiff_file_append(file, 0, i, tile.data(), tile.size(), error)) {
            stf_tiff_file_abort(file);
            return false;
        }
    }
    Tags tags;
    tags.Raster(shape.width, shape.height, shape.block_width, shape.block_height, shape.tiled, 16);
    return FinishOne(file, shape.tiled, &tags.list, error);
}

void ExpectPixels(const std::string &path, const Shape &shape) {
    GDALDatasetH ds = GDALOpen(path.c_str(), GA_ReadOnly);
    ASSERT_TRUE(ds) << path;
    const int w = static_cast<int>(shape.width), h = static_cast<int>(shape.height);
    ASSERT_EQ(GDALGetRasterXSize(ds), w);
    ASSERT_EQ(GDALGetRasterYSize(ds), h);
    std::vector<uint16_t> pixels(static_cast<size_t>(w) * static_cast<size_t>(h));
    EXPECT_EQ(GDALRasterIO(GDALGetRasterBand(ds, 1), GF_Read, 0, 0, w, h, pixels.data(), w, h, GDT_UInt16, 0, 0),
              CE_None);
    GDALClose(ds);
    size_t wrong = 0;
    for (uint64_t y = 0; y < shape.height; y++)
        for (uint64_t x = 0; x < shape.width; x++)
            wrong += pixels[y * shape.width + x] != PixelAt(x, y);
    EXPECT_EQ(wrong, 0u);
}

class TiffFileTest : public testing::Test {
  public:
    static void SetUpTestSuite() { GDALAllRegister(); }

  protected:
    void SetUp() override {
        folder = CPLSPrintf("./tiff_file_%s", testing::UnitTest::GetInstance()->current_test_info()->name());
        VSIRmdirRecursive(folder.c_str());
        VSIMkdir(folder.c_str(), 0755);
        target = folder + "/out.tif";
    }
    void TearDown() override { VSIRmdirRecursive(folder.c_str()); }

    std::string folder, target;
    stf_error error{};
};

TEST_F(TiffFileTest, every_shape_reads_back) {
    for (bool big : {false, true}) {
        for (bool tiled : {false, true}) {
            for (uint32_t size : {1u, 16u, 33u, 200u}) {
                Shape shape = {big, tiled, size, size + 3, tiled ? 16 : size, 16};
                ASSERT_TRUE(WriteRaster(target, shape, &error)) << error.text;
                ExpectPixels(target, shape);
                EXPECT_EQ(FilesBeside(target), std::vector<std::string>{"out.tif"});
            }
        }
    }
}

// The same, with the directory first. leave_out: this many tiles, the last ones to be written.
bool WriteInOrder(const std::string &path, const Shape &shape, stf_error *error, uint64_t leave_out = 0) {
    Tags tags;
    tags.Raster(shape.width, shape.height, shape.block_width, shape.block_height, shape.tiled, 16);
    const stf_image_tags image = {shape.tiled, &tags.list};
    const stf_tile_sizes sizes = {TileOf(shape, 0).size(), TileOf(shape, shape.Tiles() - 1).size(), shape.Tiles()};
    stf_tiff_file *file = stf_tiff_file_create(path.c_str(), shape.big, shape.Tiles(), error);
    bool done = file && stf_tiff_file_put_directory_first(file, &image, &sizes, error);
    for (uint64_t i = shape.Tiles(); done && i-- > leave_out;) {
        Bytes tile = TileOf(shape, i);
        done = stf_tiff_file_append(file, 0, i, tile.data(), tile.size(), error);
    }
    if (done)
        return stf_tiff_file_finish(file, nullptr, error);
    stf_tiff_file_abort(file);
    return false;
}

TEST_F(TiffFileTest, directory_first_whatever_the_order_of_tiles) {
    for (const Shape &shape : {Shape{false, true, 100, 70, 32, 16}, Shape{false, false, 100, 70, 100, 16},
                               Shape{true, true, 100, 70, 32, 16}, Shape{true, false, 7, 1, 7, 1}}) {
        for (const std::string &path : {target, std::string("/vsimem/in_order.tif")}) {
            ASSERT_TRUE(WriteInOrder(path, shape, &error)) << error.text;
            ExpectPixels(path, shape);
            VSILFILE *stream = VSIFOpenL(path.c_str(), "rb");
            unsigned char header[16];
            ASSERT_EQ(VSIFReadL(header, 1, sizeof header, stream), sizeof header);
            VSIFCloseL(stream);
            EXPECT_EQ(header[shape.big ? 8 : 4], shape.big ? 16 : 8) << "the place of the directory";
            VSIUnlink(path.c_str());
        }
    }
}

TEST_F(TiffFileTest, directory_first_and_a_tile_missing_twice_or_of_another_size) {
    const Shape shape = {false, true, 64, 64, 32, 32};
    EXPECT_FALSE(WriteInOrder(target, shape, &error, 1));
    EXPECT_NE(std::string(error.text).find("3 of the 4 tiles"), std::string::npos) << error.text;
    EXPECT_TRUE(FilesBeside(target).empty());
    Tags tags;
    tags.Raster(64, 64, 32, 32, true, 16);
    const stf_image_tags image = {true, &tags.list};
    const Bytes tile = TileOf(shape, 0);
    const stf_tile_sizes sizes = {tile.size(), tile.size(), 4};
    stf_tiff_file *file = stf_tiff_file_create(target.c_str(), false, 4, &error);
    ASSERT_TRUE(file && stf_tiff_file_put_directory_first(file, &image, &sizes, &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 0, tile.data(), tile.size() - 1, &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 0, nullptr, 0, &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 4, tile.data(), tile.size(), &error));
    EXPECT_TRUE(stf_tiff_file_append(file, 0, 0, tile.data(), tile.size(), &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 0, tile.data(), tile.size(), &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 0, nullptr, 0, &error));
    stf_tiff_file_abort(file);
    EXPECT_TRUE(FilesBeside(target).empty());
}

TEST_F(TiffFileTest, directory_first_of_more_than_4_gib) {
    Tags tags;
    tags.Raster(64, 64, 32, 32, true, 16);
    const stf_image_tags image = {true, &tags.list};
    const stf_tile_sizes sizes = {UINT32_MAX / 2, UINT32_MAX / 2, 4};
    for (bool big : {false, true}) {
        stf_tiff_file *file = stf_tiff_file_create(target.c_str(), big, 4, &error);
        ASSERT_TRUE(file);
        EXPECT_EQ(stf_tiff_file_put_directory_first(file, &image, &sizes, &error), big);
        stf_tiff_file_abort(file);
    }
}

TEST_F(TiffFileTest, in_memory) {
    Shape shape = {false, true, 100, 80, 32, 32};
    ASSERT_TRUE(WriteRaster("/vsimem/streamtiff_test/out.tif", shape, &error)) << error.text;
    ExpectPixels("/vsimem/streamtiff_test/out.tif", shape);
    EXPECT_EQ(FilesBeside("/vsimem/streamtiff_test/out.tif").size(), 1u);
    VSIRmdirRecursive("/vsimem/streamtiff_test");
}

TEST_F(TiffFileTest, replaces_an_older_file) {
    Shape first = {false, true, 500, 500, 64, 64}, second = {false, false, 20, 20, 20, 7};
    ASSERT_TRUE(WriteRaster(target, first, &error)) << error.text;
    ASSERT_TRUE(WriteRaster(target, second, &error)) << error.text;
    ExpectPixels(target, second);
}

uint64_t Number(const Bytes &file, uint64_t at, size_t bytes) {
    uint64_t value = 0;
    uint32_t four = 0;
    uint16_t two = 0;
    memcpy(bytes == 8   ? static_cast<void *>(&value)
           : bytes == 4 ? static_cast<void *>(&four)
                        : &two,
           file.data() + at, bytes);
    return bytes == 8 ? value : bytes == 4 ? four : two;
}

Bytes ReadFile(const std::string &path) {
    GByte *data = nullptr;
    vsi_l_offset size = 0;
    EXPECT_TRUE(VSIIngestFile(nullptr, path.c_str(), &data, &size, -1));
    Bytes bytes(data, data + size);
    VSIFree(data);
    return bytes;
}

// Ascending tags, aligned offsets, nothing behind the end of the file.
TEST_F(TiffFileTest, directory_is_well_formed) {
    for (bool big : {false, true}) {
        Shape shape = {big, true, 333, 100, 16, 16};
        stf_tiff_file *file = stf_tiff_file_create(target.c_str(), big, shape.Tiles(), &error);
        ASSERT_TRUE(file);
        for (uint64_t i = 0; i < shape.Tiles(); i++) {
            Bytes tile(7 + i % 3, 1); // odd sizes: what follows must be aligned all the same
            ASSERT_TRUE(stf_tiff_file_append(file, 0, i, tile.data(), tile.size(), &error));
        }
        EXPECT_GT(stf_tiff_file_bytes(file), 7 * shape.Tiles());
        Tags tags;
        const double scale[3] = {1, 2, 0};
        ASSERT_TRUE(stf_tag_list_set(&tags.list, 33550, TIFF_DOUBLE, 3, scale, &error));
        ASSERT_TRUE(stf_tag_list_set(&tags.list, 42113, TIFF_ASCII, 6, "-9999", &error));
        ASSERT_TRUE(stf_tag_list_set(&tags.list, 42112, TIFF_ASCII, 3, "ab", &error));
        tags.Raster(333, 100, 16, 16, true, 16);
        tags.Short(TIFFTAG_BITSPERSAMPLE, 8); // replaces
        ASSERT_TRUE(FinishOne(file, true, &tags.list, &error)) << error.text;

        const Bytes bytes = ReadFile(target);
        const size_t word = big ? 8 : 4, step = big ? 20 : 12;
        const uint64_t directory = Number(bytes, word, word);
        EXPECT_EQ(directory % (big ? 8 : 2), 0u);
        const uint64_t count = Number(bytes, directory, big ? 8 : 2);
        EXPECT_EQ(count, 14u);
        uint64_t last_tag = 0, entry = directory + (big ? 8 : 2);
        for (uint64_t i = 0; i < count; i++, entry += step) {
            const uint64_t tag = Number(bytes, entry, 2);
            EXPECT_GT(tag, last_tag);
            last_tag = tag;
            const uint64_t size =
                stf_tag_type_bytes(static_cast<uint16_t>(Number(bytes, entry + 2, 2))) * Number(bytes, entry + 4, word);
            if (tag == TIFFTAG_BITSPERSAMPLE) {
                EXPECT_EQ(Number(bytes, entry + 4 + word, 2), 8u);
            }
            if (size > word) {
                const uint64_t at = Number(bytes, entry + 4 + word, word);
                EXPECT_EQ(at % (big ? 8 : 2), 0u) << tag;
                EXPECT_LE(at + size, bytes.size()) << tag;
            }
        }
        EXPECT_EQ(Number(bytes, entry, word), 0u) << "a next directory";
        EXPECT_EQ(bytes.size(), directory + stf_directory_bytes(big, &tags.list, shape.Tiles()));
    }
}

TEST_F(TiffFileTest, missing_tiles) {
    Shape shape = {false, true, 64, 64, 32, 32};
    stf_tiff_file *file = stf_tiff_file_create(target.c_str(), false, 4, &error);
    ASSERT_TRUE(file);
    Bytes tile = TileOf(shape, 3);
    ASSERT_TRUE(stf_tiff_file_append(file, 0, 0, nullptr, 0, &error));
    ASSERT_TRUE(stf_tiff_file_append(file, 0, 3, tile.data(), tile.size(), &error));
    Tags tags;
    tags.Raster(64, 64, 32, 32, true, 16);
    ASSERT_TRUE(FinishOne(file, true, &tags.list, &error)) << error.text;
    GDALDatasetH ds = GDALOpen(target.c_str(), GA_ReadOnly);
    ASSERT_TRUE(ds);
    uint16_t corners[2] = {1, 1};
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(
            GDALRasterIO(GDALGetRasterBand(ds, 1), GF_Read, i * 63, i * 63, 1, 1, &corners[i], 1, 1, GDT_UInt16, 0, 0),
            CE_None);
    GDALClose(ds);
    EXPECT_EQ(corners[0], 0);
    EXPECT_EQ(corners[1], PixelAt(63, 63));
}

TEST_F(TiffFileTest, a_tile_twice_or_outside) {
    stf_tiff_file *file = stf_tiff_file_create(target.c_str(), false, 2, &error);
    ASSERT_TRUE(file);
    unsigned char byte = 1;
    EXPECT_TRUE(stf_tiff_file_append(file, 0, 1, &byte, 1, &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 1, &byte, 1, &error));
    EXPECT_FALSE(stf_tiff_file_append(file, 0, 2, &byte, 1, &error));
    stf_tiff_file_abort(file);
    EXPECT_TRUE(FilesBeside(target).empty());
}

TEST_F(TiffFileTest, abort_leaves_nothing) {
    stf_tiff_file_abort(nullptr);
    stf_tiff_file *file = stf_tiff_file_create(target.c_str(), true, 2, &error);
    ASSERT_TRUE(file);
    EXPECT_EQ(FilesBeside(target).size(), 1u); // the temporary one
    EXPECT_NE(FilesBeside(target)[0], "out.tif");
    stf_tiff_file_abort(file);
    EXPECT_TRUE(FilesBeside(target).empty());
}

TEST_F(TiffFileTest, two_at_once_do_not_meet) {
    stf_tiff_file *one = stf_tiff_file_create(target.c_str(), false, 1, &error);
    stf_tiff_file *two = stf_tiff_file_create(target.c_str(), false, 1, &error);
    ASSERT_TRUE(one && two);
    EXPECT_EQ(FilesBeside(target).size(), 2u);
    stf_tiff_file_abort(one);
    stf_tiff_file_abort(two);
}

TEST_F(TiffFileTest, no_folder_or_a_folder) {
    EXPECT_FALSE(stf_tiff_file_create((folder + "/none/out.tif").c_str(), false, 1, &error));
    EXPECT_NE(std::string(error.text).find("/none"), std::string::npos) << error.text;
    stf_error second{};
    EXPECT_FALSE(stf_tiff_file_create(folder.c_str(), false, 1, &second));
    EXPECT_NE(std::string(second.text).find("folder"), std::string::npos) << second.text;
    stf_error third{};
    EXPECT_FALSE(stf_tiff_file_create("", false, 1, &third));
    EXPECT_NE(third.number, 0);
}

TEST_F(TiffFileTest, tables_too_large) {
    EXPECT_FALSE(stf_tiff_file_create(target.c_str(), true, UINT64_MAX / 2, &error));
    EXPECT_EQ(error.number, CPLE_OutOfMemory);
    EXPECT_EQ(stf_tiff_file_table_bytes(UINT64_MAX), UINT64_MAX);
    EXPECT_EQ(stf_tiff_file_table_bytes(1000), 12000u);
    EXPECT_TRUE(FilesBeside(target).empty());
}

TEST_F(TiffFileTest, memory_file_is_full) {
    const std::string name = "/vsimem/streamtiff_full/out.tif||maxlength=3000";
    Shape shape = {false, true, 100, 80, 32, 32};
    EXPECT_FALSE(WriteRaster(name, shape, &error));
    EXPECT_EQ(error.number, CPLE_FileIO);
    CPLStringList left(VSIReadDir("/vsimem/streamtiff_full"));
    EXPECT_EQ(left.size(), 0);
    VSIRmdirRecursive("/vsimem/streamtiff_full");
}

// A raster of 70 x 50 pixels and its mask of one strip, in which every pixel of an odd row is valid.
void WriteMasked(const std::string &path, bool big, stf_error *error) {
    const Shape shape = {big, true, 70, 50, 32, 16};
    stf_tiff_file *file = stf_tiff_file_create(path.c_str(), big, shape.Tiles(), error);
    ASSERT_TRUE(file) << error->text;
    ASSERT_TRUE(stf_tiff_file_add_image(file, 1, error));
    Bytes mask(size_t{9} * 50);
    for (size_t row = 1; row < 50; row += 2)
        std::fill_n(mask.begin() + static_cast<ptrdiff_t>(9 * row), 9, static_cast<unsigned char>(0xff));
    ASSERT_TRUE(stf_tiff_file_append(file, 1, 0, mask.data(), mask.size(), error));
    for (uint64_t i = 0; i < shape.Tiles(); i++) {
        Bytes tile = TileOf(shape, i);
        ASSERT_TRUE(stf_tiff_file_append(file, 0, i, tile.data(), tile.size(), error));
    }
    stf_error second{};
    EXPECT_FALSE(stf_tiff_file_append(file, 1, 1, mask.data(), 1, &second)) << "beyond the mask's tiles";
    EXPECT_FALSE(stf_tiff_file_append(file, 2, 0, mask.data(), 1, &second)) << "an image that is not there";
    EXPECT_FALSE(stf_tiff_file_add_image(file, 1, &second)) << "more images than there is room for";
    Tags tags, mask_tags;
    tags.Raster(70, 50, 32, 16, true, 16);
    mask_tags.Raster(70, 50, 70, 50, false, 1);
    mask_tags.Long(TIFFTAG_SUBFILETYPE, FILETYPE_MASK);
    mask_tags.Short(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MASK);
    const stf_image_tags images[] = {{true, &tags.list}, {false, &mask_tags.list}};
    ASSERT_TRUE(stf_tiff_file_finish(file, images, error)) << error->text;
}

TEST_F(TiffFileTest, mask_behind_the_raster) {
    for (const bool big : {false, true}) {
        const std::string path = "/vsimem/masked.tif";
        ASSERT_NO_FATAL_FAILURE(WriteMasked(path, big, &error));
        ExpectPixels(path, {big, true, 70, 50, 32, 16});
        GDALDatasetH dataset = GDALOpen(path.c_str(), GA_ReadOnly);
        ASSERT_TRUE(dataset);
        GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
        EXPECT_EQ(GDALGetMaskFlags(band), GMF_PER_DATASET);
        Bytes seen(size_t{70} * 50);
        EXPECT_EQ(GDALRasterIO(GDALGetMaskBand(band), GF_Read, 0, 0, 70, 50, seen.data(), 70, 50, GDT_Byte, 0, 0),
                  CE_None);
        for (size_t i = 0; i < seen.size(); i++)
            ASSERT_EQ(seen[i], i / 70 % 2 ? 255 : 0) << i;
        GDALClose(dataset);
        VSIUnlink(path.c_str());
    }
}

bool SinkNothing(void *sink, const void *, size_t bytes, stf_error *) {
    *static_cast<uint64_t *>(sink) += bytes;
    return true;
}

TEST_F(TiffFileTest, classic_has_limits) {
    EXPECT_FALSE(stf_tiff_file_needs_big(0xffffffffu));
    EXPECT_TRUE(stf_tiff_file_needs_big(uint64_t{1} << 32));
    std::vector<uint64_t> offsets(1000, 8);
    std::vector<uint32_t> counts(1000, 8);
    stf_tile_tables tables = {offsets.data(), counts.data(), 1000, true, false, false, nullptr};
    Tags tags;
    tags.Raster(64, 64, 32, 32, true, 8);
    uint64_t written = 0;
    EXPECT_FALSE(stf_directory_write(false, &tags.list, &tables, 0xfffff000u, SinkNothing, &written, &error));
    EXPECT_EQ(written, 0u);
    stf_error second{};
    EXPECT_TRUE(stf_directory_write(true, &tags.list, &tables, 0xfffff000u, SinkNothing, &written, &second));
    const uint64_t value = 1;
    EXPECT_TRUE(stf_tag_list_set(&tags.list, 60000, TIFF_LONG8, 1, &value, &second));
    EXPECT_FALSE(stf_directory_write(false, &tags.list, &tables, 8, SinkNothing, &written, &second));
}

TEST_F(TiffFileTest, tags_without_values) {
    Tags tags;
    EXPECT_FALSE(stf_tag_list_set(&tags.list, 1, 99, 1, "x", &error));
    EXPECT_FALSE(stf_tag_list_set(&tags.list, 1, TIFF_ASCII, 0, "", &error));
    EXPECT_FALSE(stf_tag_list_set(&tags.list, 1, TIFF_DOUBLE, UINT64_MAX / 4, "", &error));
    EXPECT_EQ(tags.list.count, 0u);
    EXPECT_FALSE(stf_tag_list_find(&tags.list, 1));
}

TEST_F(TiffFileTest, through_a_zip) {
    Shape shape = {false, true, 300, 200, 64, 64};
    const std::string zip = "/vsizip/" + folder + "/a.zip/out.tif";
    ASSERT_TRUE(WriteRaster(zip, shape, &error)) << error.text;
    ExpectPixels(zip, shape);
}

#ifndef _WIN32

TEST_F(TiffFileTest, ordinary_permissions) {
    const mode_t mask = umask(022);
    Shape shape = {false, true, 20, 20, 16, 16};
    EXPECT_TRUE(WriteRaster(target, shape, &error)) << error.text;
    umask(mask);
    struct stat status;
    ASSERT_EQ(stat(target.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST_F(TiffFileTest, through_a_pipe) {
    ASSERT_EQ(mkfifo(target.c_str(), 0600), 0);
    const std::string copy = folder + "/copy.tif";
    std::thread reader([&] {
        FILE *from = fopen(target.c_str(), "rb"), *to = fopen(copy.c_str(), "wb");
        char buffer[4096];
        for (size_t n; (n = fread(buffer, 1, sizeof(buffer), from)) > 0;)
            fwrite(buffer, 1, n, to);
        fclose(from);
        fclose(to);
    });
    Shape shape = {true, true, 1200, 900, 64, 64}; // more than one piece
    EXPECT_TRUE(WriteRaster(target, shape, &error)) << error.text;
    reader.join();
    ExpectPixels(copy, shape);
    struct stat status;
    ASSERT_EQ(stat(target.c_str(), &status), 0);
    EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

TEST_F(TiffFileTest, device_is_full) {
    struct stat status;
    if (stat("/dev/full", &status) != 0)
        GTEST_SKIP() << "no /dev/full here";
    Shape shape = {false, true, 1000, 1000, 64, 64};
    EXPECT_FALSE(WriteRaster("/dev/full", shape, &error));
    EXPECT_NE(std::string(error.text).find("/dev/full"), std::string::npos) << error.text;
    EXPECT_EQ(stat("/dev/full", &status), 0);
}

// The system refuses what goes beyond the limit: at a large write, or where a small file's buffer is
// flushed at its end.
TEST_F(TiffFileTest, disk_is_full) {
    struct rlimit before, small;
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    auto handler = signal(SIGXFSZ, SIG_IGN);
    for (uint32_t size : {33u, 1000u}) {
        small = before;
        small.rlim_cur = size == 33 ? 2000 : 50000;
        ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
        Shape shape = {false, true, size, size, 16, 16};
        stf_error full{};
        const bool written = WriteRaster(target, shape, &full);
        ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
        EXPECT_FALSE(written);
        EXPECT_NE(std::string(full.text).find("bytes"), std::string::npos) << full.text;
        EXPECT_TRUE(FilesBeside(target).empty());
    }
    signal(SIGXFSZ, handler);
}

// Root may write everywhere, so root does this as nobody.
TEST_F(TiffFileTest, folder_or_target_read_only) {
    const uid_t nobody = 65534, me = geteuid();
    const bool root = me == 0;
    if (root && (chown(folder.c_str(), nobody, static_cast<gid_t>(-1)) != 0 || seteuid(nobody) != 0))
        GTEST_SKIP() << "root may write everywhere, and cannot be somebody else here";
    chmod(folder.c_str(), 0555);
    EXPECT_FALSE(stf_tiff_file_create(target.c_str(), false, 1, &error));
    EXPECT_NE(std::string(error.text).find("out.tif"), std::string::npos) << error.text;
    chmod(folder.c_str(), 0755);
    Shape shape = {false, true, 20, 20, 16, 16};
    stf_error second{};
    EXPECT_TRUE(WriteRaster(target, shape, &second)) << second.text;
    chmod(target.c_str(), 0444);
    stf_error third{};
    EXPECT_FALSE(stf_tiff_file_create(target.c_str(), false, 1, &third));
    EXPECT_NE(std::string(third.text).find("out.tif"), std::string::npos) << third.text;
    if (root) {
        EXPECT_EQ(seteuid(me), 0);
    }
}

#endif

// A codec that keeps tables in the directory, from pixels to GTiff's reading.
TEST_F(TiffFileTest, codec_tags_read_back) {
    stf_tile_format format{};
    format.codec.compression = COMPRESSION_JPEG;
    format.codec.predictor = 1;
    format.codec.jpeg_quality = 95;
    format.tiled = true;
    format.width_px = format.height_px = 64;
    format.samples = 3;
    format.sample_bits = 8;
    format.sample_format = SAMPLEFORMAT_UINT;
    format.photometric = PHOTOMETRIC_YCBCR;
    stf_encoder *encoder = stf_encoder_create(&format, &error);
    if (!encoder)
        GTEST_SKIP() << error.text;
    Bytes data(stf_encoder_bound_bytes(&format), 130);
    size_t bytes = 0;
    ASSERT_TRUE(stf_encoder_encode(encoder, data.data(), data.size(), 64, &bytes, &error)) << error.text;
    stf_tiff_file *file = stf_tiff_file_create(target.c_str(), false, 1, &error);
    ASSERT_TRUE(file);
    ASSERT_TRUE(stf_tiff_file_append(file, 0, 0, data.data(), bytes, &error));
    Tags tags;
    tags.Raster(64, 64, 64, 64, true, 8);
    tags.Short(TIFFTAG_COMPRESSION, COMPRESSION_JPEG);
    tags.Short(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_YCBCR);
    tags.Short(TIFFTAG_SAMPLESPERPIXEL, 3);
    const uint16_t bits[3] = {8, 8, 8};
    ASSERT_TRUE(stf_tag_list_set(&tags.list, TIFFTAG_BITSPERSAMPLE, TIFF_SHORT, 3, bits, &error));
    stf_codec_tag codec_tags[8];
    const size_t count = stf_encoder_tags(encoder, codec_tags, 8);
    for (size_t i = 0; i < count; i++)
        ASSERT_TRUE(stf_tag_list_set(&tags.list, codec_tags[i].tag, codec_tags[i].type, codec_tags[i].count,
                                     codec_tags[i].values, &error));
    ASSERT_TRUE(FinishOne(file, true, &tags.list, &error)) << error.text;
    stf_encoder_destroy(encoder);
    CPLErrorReset();
    GDALDatasetH ds = GDALOpen(target.c_str(), GA_ReadOnly);
    ASSERT_TRUE(ds);
    unsigned char pixel[3] = {0, 0, 0};
    EXPECT_EQ(GDALDatasetRasterIO(ds, GF_Read, 40, 40, 1, 1, pixel, 1, 1, GDT_Byte, 3, nullptr, 0, 0, 0), CE_None);
    GDALClose(ds);
    EXPECT_EQ(CPLGetLastErrorType(), CE_None) << CPLGetLastErrorMsg();
    for (unsigned char sample : pixel)
        EXPECT_NEAR(sample, 130, 2);
}

} // namespace
