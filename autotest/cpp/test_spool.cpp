// The spool: tiles come back as they went in, from any thread, framed as a COG has them, and nothing is left of it.
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gtest/gtest.h"
#include "spool.h"

namespace {

using Bytes = std::vector<unsigned char>;

void say_nothing(CPLErr, CPLErrorNum, const char *) {}

class Spool : public testing::Test {
  protected:
    void SetUp() override {
        folder = std::string(CPLGenerateTempFilename("spool")) + ".folder";
        ASSERT_EQ(VSIMkdir(folder.c_str(), 0755), 0);
        CPLPushErrorHandler(say_nothing); // where this lies on a tmpfs every spool warns of it
    }
    void TearDown() override {
        CPLPopErrorHandler();
        stf_spool_destroy(spool);
        CPLSetThreadLocalConfigOption("CPL_TMPDIR", nullptr);
        CPLStringList names(VSIReadDir(folder.c_str()));
        for (int i = 0; i < names.size(); i++)
            EXPECT_TRUE(EQUAL(names[i], ".") || EQUAL(names[i], "..")) << names[i] << " is left";
        VSIRmdirRecursive(folder.c_str());
    }
    void Create(const std::vector<uint64_t> &tiles) {
        spool = stf_spool_create((folder + "/out.tif").c_str(), tiles.data(), static_cast<uint32_t>(tiles.size()), 0, 2,
                                 &err);
        ASSERT_NE(spool, nullptr) << err.text;
    }
    bool Append(uint32_t image, uint64_t tile, const Bytes &bytes) {
        return stf_spool_append(spool, image, tile, bytes.data(), bytes.size(), &err);
    }
    Bytes Read(uint32_t image, uint64_t tile) {
        Bytes bytes(stf_spool_tile_bytes(spool, image, tile));
        EXPECT_TRUE(stf_spool_read(spool, image, tile, bytes.data(), &err)) << err.text;
        return bytes;
    }
    Bytes Record(uint32_t image, uint64_t tile) {
        uint64_t offset;
        void *room;
        size_t room_bytes;
        Bytes bytes(stf_spool_record(spool, image, tile, &offset));
        EXPECT_TRUE(stf_spool_flush(spool, &room, &room_bytes, &err));
        EXPECT_TRUE(bytes.empty() || stf_spool_read_at(spool, offset, bytes.data(), bytes.size(), &err)) << err.text;
        return bytes;
    }

    std::string folder;
    stf_spool *spool = nullptr;
    stf_error err{};
};

Bytes Noise(uint32_t seed, size_t bytes) {
    std::mt19937 random(seed);
    Bytes data(bytes);
    for (unsigned char &byte : data)
        byte = static_cast<unsigned char>(random());
    return data;
}

TEST_F(Spool, a_tile_lies_as_a_cog_has_it) {
    Create({4});
    const Bytes tile = {1, 2, 3, 4, 5, 6};
    ASSERT_TRUE(Append(0, 3, tile));
    EXPECT_EQ(Record(0, 3), (Bytes{6, 0, 0, 0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6}));
    EXPECT_EQ(Read(0, 3), tile);
    EXPECT_EQ(stf_spool_bytes(spool), 14u);
}

TEST_F(Spool, tile_shorter_than_its_trailer) {
    Create({2});
    ASSERT_TRUE(Append(0, 0, {7}));
    EXPECT_EQ(Record(0, 0), (Bytes{1, 0, 0, 0, 7, 7, 0, 0, 0}));
}

TEST_F(Spool, tile_that_is_left_out_takes_nothing) {
    Create({2});
    ASSERT_TRUE(stf_spool_append(spool, 0, 1, nullptr, 0, &err));
    EXPECT_EQ(stf_spool_tile_bytes(spool, 0, 1), 0u);
    EXPECT_TRUE(Record(0, 1).empty());
    EXPECT_EQ(stf_spool_bytes(spool), 0u);
    EXPECT_TRUE(stf_spool_read(spool, 0, 1, nullptr, &err));
    EXPECT_FALSE(Append(0, 1, {1})) << "it came twice";
}

TEST_F(Spool, every_size_and_order) {
    const uint64_t tiles = 300;
    Create({tiles, 5});
    const auto size_of = [](uint64_t tile) { return static_cast<size_t>(1 + tile * tile * 7 % 700000); };
    for (uint64_t i = tiles; i-- > 0;)
        ASSERT_TRUE(Append(0, i, Noise(static_cast<uint32_t>(i), size_of(i)))) << err.text;
    for (uint64_t i = 0; i < 5; i++)
        ASSERT_TRUE(Append(1, i, Noise(1000, 10 + static_cast<size_t>(i))));
    for (uint64_t i = 0; i < tiles; i++)
        ASSERT_EQ(Read(0, i), Noise(static_cast<uint32_t>(i), size_of(i))) << i;
    EXPECT_EQ(Read(1, 4), Noise(1000, 14));
}

TEST_F(Spool, read_back_while_others_append) {
    const uint64_t tiles = 400;
    Create(std::vector<uint64_t>(4, tiles));
    std::vector<std::thread> threads;
    for (uint32_t image = 0; image < 4; image++)
        threads.emplace_back([this, image] {
            stf_error own{};
            for (uint64_t i = 0; i < tiles; i++) {
                const Bytes data = Noise(image * 10000 + static_cast<uint32_t>(i), 100 + (i * 977) % 9000);
                EXPECT_TRUE(stf_spool_append(spool, image, i, data.data(), data.size(), &own)) << own.text;
                Bytes back(stf_spool_tile_bytes(spool, image, i));
                EXPECT_TRUE(stf_spool_read(spool, image, i, back.data(), &own)) << own.text;
                EXPECT_EQ(back, data);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
}

TEST_F(Spool, what_does_not_exist_is_refused) {
    Create({2, 1});
    EXPECT_FALSE(Append(2, 0, {1}));
    EXPECT_FALSE(Append(1, 1, {1}));
    unsigned char byte;
    stf_error other{};
    EXPECT_FALSE(stf_spool_read(spool, 0, 0, &byte, &other));
    EXPECT_NE(std::string(other.text).find("not in the spool"), std::string::npos);
}

TEST_F(Spool, more_than_the_disk_has_is_refused_before_the_start) {
    const uint64_t tiles = 1;
    EXPECT_EQ(stf_spool_create((folder + "/out.tif").c_str(), &tiles, 1, uint64_t{1} << 60, 2, &err), nullptr);
    EXPECT_NE(std::string(err.text).find("free"), std::string::npos) << err.text;
    if (VSIGetDiskFreeSpace(folder.c_str()) > 0) {
        stf_error other{};
        const uint64_t most = static_cast<uint64_t>(VSIGetDiskFreeSpace(folder.c_str())) / 10 * 7;
        EXPECT_EQ(stf_spool_create((folder + "/out.tif").c_str(), &tiles, 1, most, 2, &other), nullptr)
            << "the file needs room beside the spool";
    }
}

TEST_F(Spool, in_cpl_tmpdir_where_the_target_has_no_folder) {
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", folder.c_str());
    const uint64_t tiles = 3;
    spool = stf_spool_create("/vsimem/spool_of/out.tif", &tiles, 1, 0, 1, &err);
    ASSERT_NE(spool, nullptr) << err.text;
    ASSERT_TRUE(Append(0, 2, Noise(1, 1 << 20)));
    EXPECT_EQ(Read(0, 2), Noise(1, 1 << 20));
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", (folder + "/nowhere").c_str());
    EXPECT_EQ(stf_spool_create("/vsimem/spool_of/out.tif", &tiles, 1, 0, 1, &err), nullptr);
    EXPECT_NE(std::string(err.text).find("CPL_TMPDIR"), std::string::npos) << err.text;
}

TEST_F(Spool, cost_is_that_of_its_tables) {
    EXPECT_EQ(stf_spool_table_bytes(1000) - stf_spool_table_bytes(0), 12000u);
    EXPECT_EQ(stf_spool_table_bytes(UINT64_MAX), UINT64_MAX);
}

TEST_F(Spool, null_is_legal) {
    stf_spool_destroy(nullptr);
}

} // namespace
