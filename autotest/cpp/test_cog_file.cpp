// The container of a COG: written by hand from a spool, taken apart again, and read by GDAL.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "cog_file.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "tiff.h"

#ifndef _WIN32
#include <sys/stat.h>
#endif

namespace {

using Bytes = std::vector<unsigned char>;

const char kGhost[] = "GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\n"
                      "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
                      "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";

Bytes ReadFile(const std::string &path) {
    GByte *data = nullptr;
    vsi_l_offset size = 0;
    EXPECT_TRUE(VSIIngestFile(nullptr, path.c_str(), &data, &size, -1)) << path;
    Bytes bytes(data, data + size);
    VSIFree(data);
    return bytes;
}

uint64_t Number(const Bytes &data, uint64_t at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | data.at(static_cast<size_t>(at) + static_cast<size_t>(i));
    return value;
}

// A raster of 16 x 16 tiles of bytes, each of one value, with one level of half its size.
class CogFile : public testing::Test {
  public:
    static void SetUpTestSuite() { GDALAllRegister(); }

  protected:
    void SetUp() override {
        CPLPushErrorHandler(CPLQuietErrorHandler); // the spool may lie on a tmpfs, and warn of it
        folder = std::string(CPLGenerateTempFilename("cog")) + ".folder";
        ASSERT_EQ(VSIMkdir(folder.c_str(), 0755), 0);
        path = folder + "/out.tif";
    }
    void TearDown() override {
        for (stf_tag_list &list : tags)
            stf_tag_list_free(&list);
        stf_spool_destroy(spool);
        CPLPopErrorHandler();
        VSIRmdirRecursive(folder.c_str());
    }
    void SetTags(stf_tag_list *list, uint32_t side, uint32_t type) {
        if (type) {
            ASSERT_TRUE(stf_tag_list_set_long(list, TIFFTAG_SUBFILETYPE, type, &err));
        }
        const uint16_t shorts[][2] = {{TIFFTAG_IMAGEWIDTH, static_cast<uint16_t>(side)},
                                      {TIFFTAG_IMAGELENGTH, static_cast<uint16_t>(side)},
                                      {TIFFTAG_TILEWIDTH, 16},
                                      {TIFFTAG_TILELENGTH, 16},
                                      {TIFFTAG_BITSPERSAMPLE, 8},
                                      {TIFFTAG_COMPRESSION, COMPRESSION_NONE},
                                      {TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK},
                                      {TIFFTAG_SAMPLESPERPIXEL, 1},
                                      {TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG}};
        for (const auto &pair : shorts)
            ASSERT_TRUE(stf_tag_list_set_short(list, pair[0], pair[1], &err));
        const char text[] = "odd"; // 4 bytes: fits; longer ones below do not
        ASSERT_TRUE(stf_tag_list_set(list, TIFFTAG_SOFTWARE, TIFF_ASCII, sizeof text, text, &err));
        const char longer[] = "seven bytes and more";
        ASSERT_TRUE(stf_tag_list_set(list, TIFFTAG_DOCUMENTNAME, TIFF_ASCII, sizeof longer, longer, &err));
    }
    // across: tiles in a row of the raster. Tiles come in an order that is not the file's; hole: one is left out.
    void Fill(uint64_t across, bool hole) {
        const uint64_t tiles[] = {across * across, across * across / 4};
        spool = stf_spool_create(path.c_str(), tiles, 2, 0, 2, &err);
        ASSERT_TRUE(spool) << err.text;
        for (uint32_t image = 0; image < 2; image++)
            for (uint64_t i = 0; i < tiles[image]; i++) {
                const uint64_t tile = (i * 7 + 3) % tiles[image]; // 7 has no divisor in common with powers of two
                const Bytes pixels(256, Value(image, tile));
                const bool left_out = hole && image == 0 && tile == 2;
                ASSERT_TRUE(stf_spool_append(spool, image, tile, pixels.data(), left_out ? 0 : pixels.size(), &err));
            }
        SetTags(&tags[0], static_cast<uint32_t>(16 * across), 0);
        SetTags(&tags[1], static_cast<uint32_t>(8 * across), FILETYPE_REDUCEDIMAGE);
        for (uint32_t i = 0; i < 2; i++) {
            images[i].tags = &tags[i];
            images[i].tiled = true;
            images[i].spooled = i;
            images[i].tiles = tiles[i];
            images[i].tile_bytes = 256;
        }
        parts[0] = {1, STF_COG_NO_IMAGE, 1};
        parts[1] = {0, STF_COG_NO_IMAGE, 1};
        cog = {kGhost, sizeof kGhost - 1, images, 2, parts, 2, spool};
    }
    static unsigned char Value(uint32_t image, uint64_t tile) {
        return static_cast<unsigned char>(tile * 3 + image + 1);
    }
    bool Write(const std::string &name, bool big) {
        stf_target *target = stf_target_create(name.c_str(), false, &err);
        if (!target)
            return false;
        if (stf_cog_write(&cog, big, target, nullptr, nullptr, &err))
            return stf_target_finish(target, &err);
        stf_target_abort(target);
        return false;
    }
    void ExpectRaster(uint64_t across, bool hole) {
        GDALDatasetH dataset = GDALOpen(path.c_str(), GA_ReadOnly);
        ASSERT_TRUE(dataset);
        EXPECT_STREQ(GDALGetMetadataItem(dataset, "LAYOUT", "IMAGE_STRUCTURE"), "COG");
        GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
        ASSERT_EQ(GDALGetOverviewCount(band), 1);
        for (uint32_t image = 0; image < 2; image++) {
            GDALRasterBandH of = image ? GDALGetOverview(band, 0) : band;
            const uint64_t row = image ? across / 2 : across;
            for (uint64_t tile = 0; tile < row * row; tile++) {
                unsigned char pixel = 0;
                ASSERT_EQ(GDALRasterIO(of, GF_Read, static_cast<int>(tile % row * 16 + 15),
                                       static_cast<int>(tile / row * 16 + 15), 1, 1, &pixel, 1, 1, GDT_Byte, 0, 0),
                          CE_None);
                EXPECT_EQ(pixel, hole && image == 0 && tile == 2 ? 0 : Value(image, tile)) << image << " " << tile;
            }
        }
        GDALClose(dataset);
    }

    std::string folder, path;
    stf_error err{};
    stf_spool *spool = nullptr;
    stf_tag_list tags[2] = {};
    stf_cog_image images[2] = {};
    stf_cog_part parts[2] = {};
    stf_cog cog{};
};

TEST_F(CogFile, gdal_reads_it) {
    for (bool big : {false, true})
        for (uint64_t across : {uint64_t{2}, uint64_t{4}, uint64_t{16}})
            for (bool hole : {false, true}) {
                Fill(across, hole);
                ASSERT_TRUE(Write(path, big)) << err.text;
                ExpectRaster(across, hole);
                EXPECT_EQ(ReadFile(path).size(), stf_cog_file_bytes(&cog, big));
                for (stf_tag_list &list : tags)
                    stf_tag_list_free(&list);
                stf_spool_destroy(spool);
                spool = nullptr;
            }
}

TEST_F(CogFile, smallest_level_first_then_row_by_row) {
    Fill(4, false);
    ASSERT_TRUE(Write(path, false));
    const Bytes data = ReadFile(path);
    EXPECT_EQ(memcmp(data.data() + 8, kGhost, sizeof kGhost - 1), 0);
    uint64_t at = data.size() - 20 * 264;
    for (uint32_t image : {1u, 0u})
        for (uint64_t tile = 0; tile < (image ? 4 : 16); tile++, at += 264) {
            EXPECT_EQ(Number(data, at, 4), 256u);
            EXPECT_EQ(data.at(static_cast<size_t>(at) + 4), Value(image, tile));
            EXPECT_EQ(data.at(static_cast<size_t>(at) + 263), Value(image, tile));
        }
    EXPECT_EQ(at, data.size());
}

TEST_F(CogFile, masks_follow_their_tiles) {
    Fill(2, false);
    // The level stands for a mask here: as many tiles as the raster has.
    stf_spool_destroy(spool);
    const uint64_t tiles[] = {4, 4};
    spool = stf_spool_create(path.c_str(), tiles, 2, 0, 2, &err);
    for (uint32_t image = 0; image < 2; image++)
        for (uint64_t tile = 0; tile < 4; tile++) {
            const Bytes pixels(256, Value(image, tile));
            ASSERT_TRUE(stf_spool_append(spool, image, tile, pixels.data(), pixels.size(), &err));
        }
    images[1].tiles = 4;
    parts[0] = {0, 1, 1};
    cog.part_count = 1;
    cog.spool = spool;
    ASSERT_TRUE(Write(path, false)) << err.text;
    const Bytes data = ReadFile(path);
    for (uint64_t i = 0; i < 8; i++)
        EXPECT_EQ(data.at(data.size() - 8 * 264 + static_cast<size_t>(i) * 264 + 4),
                  Value(static_cast<uint32_t>(i % 2), i / 2));
}

TEST_F(CogFile, progress_and_cancel) {
    Fill(16, false);
    std::vector<double> told;
    const auto stop_at_half = [](double done, const char *, void *data) -> int {
        static_cast<std::vector<double> *>(data)->push_back(done);
        return done < 0.5 ? 1 : 0;
    };
    stf_target *target = stf_target_create(path.c_str(), false, &err);
    ASSERT_TRUE(target);
    EXPECT_FALSE(stf_cog_write(&cog, false, target, stop_at_half, &told, &err));
    EXPECT_EQ(err.number, CPLE_UserInterrupt);
    stf_target_abort(target);
    VSIStatBufL status;
    EXPECT_NE(VSIStatL(path.c_str(), &status), 0);
    EXPECT_FALSE(told.empty());
}

#ifndef _WIN32
TEST_F(CogFile, named_pipe) {
    if (atoi(GDALVersionInfo("VERSION_NUM")) >= 3110000)
        GTEST_SKIP() << "GDAL's own files seek before they write, which a pipe refuses";
    Fill(16, true);
    const std::string pipe = folder + "/pipe", file = folder + "/read";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    Bytes read;
    std::thread reader([&] {
        FILE *stream = fopen(pipe.c_str(), "rb");
        unsigned char piece[4096];
        for (size_t got; (got = fread(piece, 1, sizeof piece, stream)) > 0;)
            read.insert(read.end(), piece, piece + got);
        fclose(stream);
    });
    EXPECT_TRUE(Write(pipe, false)) << err.text;
    reader.join();
    ASSERT_TRUE(Write(path, false)) << err.text;
    EXPECT_EQ(read, ReadFile(path));
    VSIStatBufL status;
    EXPECT_EQ(VSIStatL(pipe.c_str(), &status), 0) << "the user's pipe is not ours to take away";
}

TEST_F(CogFile, device_without_room) {
    Fill(16, false);
    if (VSIStatBufL status; VSIStatL("/dev/full", &status) != 0)
        GTEST_SKIP() << "needs /dev/full";
    EXPECT_FALSE(Write("/dev/full", false));
    EXPECT_NE(std::string(err.text).find("/dev/full"), std::string::npos);
}
#endif

TEST_F(CogFile, no_folder_is_said_before_anything_is_written) {
    EXPECT_EQ(stf_target_create((folder + "/none/out.tif").c_str(), false, &err), nullptr);
    EXPECT_NE(std::string(err.text).find("no folder"), std::string::npos);
    stf_error other{};
    EXPECT_EQ(stf_target_create(folder.c_str(), false, &other), nullptr);
    EXPECT_NE(std::string(other.text).find("it is a folder"), std::string::npos);
}

TEST_F(CogFile, more_than_a_classic_tiff_can_hold) {
    Fill(2, false);
    EXPECT_LT(stf_cog_file_bytes(&cog, false), stf_cog_file_bytes(&cog, true));
    const uint64_t one = 1;
    ASSERT_TRUE(stf_tag_list_set(&tags[0], 40000, TIFF_LONG8, 1, &one, &err));
    EXPECT_EQ(stf_cog_file_bytes(&cog, false), UINT64_MAX);
    EXPECT_NE(stf_cog_file_bytes(&cog, true), UINT64_MAX);
    EXPECT_FALSE(Write(path, false));
    EXPECT_NE(std::string(err.text).find("BIGTIFF=YES"), std::string::npos);
}

} // namespace
