// The spill file: what goes in comes out, wherever it can be put, and nothing of it is left.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__)
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gtest/gtest.h"
#include "scratch.h"
#include "spill.h"

namespace {

using Bytes = std::vector<unsigned char>;

void warn_quietly(CPLErr, CPLErrorNum, const char *) {}

// Every test has a folder to spill into, and it must be empty again at the end.
class Spill : public testing::Test {
  protected:
    void SetUp() override {
        folder = make_folder("spill");
        // Where this lies on a tmpfs every spill warns of it.
        CPLPushErrorHandler(warn_quietly);
    }
    void TearDown() override {
        CPLPopErrorHandler();
        stf_spill_destroy(spill);
        CPLSetThreadLocalConfigOption("CPL_TMPDIR", nullptr);
        EXPECT_EQ(files_in(folder), 0) << "scratch files left in " << folder;
        VSIRmdirRecursive(folder.c_str());
    }

    static std::string make_folder(const char *name) {
        const std::string path = std::string(CPLGenerateTempFilename(name)) + ".folder";
        EXPECT_EQ(VSIMkdir(path.c_str(), 0755), 0) << path;
        return path;
    }
    static int files_in(const std::string &path) {
        char **names = VSIReadDir(path.c_str());
        int count = 0;
        for (int i = 0; names && names[i]; i++)
            count += EQUAL(names[i], ".") || EQUAL(names[i], "..") ? 0 : 1;
        CSLDestroy(names);
        return count;
    }

    void create(size_t region_bytes, uint64_t regions) {
        spill = stf_spill_create((folder + "/out.tif").c_str(), region_bytes, regions, &err);
        ASSERT_NE(spill, nullptr) << err.text;
    }
    void write(uint64_t region, size_t offset, const Bytes &data) {
        ASSERT_TRUE(stf_spill_write(spill, region, offset, data.data(), data.size(), &err)) << err.text;
    }
    Bytes read(uint64_t region, size_t offset, size_t bytes) {
        Bytes data(bytes, 0xEE);
        EXPECT_TRUE(stf_spill_read(spill, region, offset, data.data(), bytes, &err)) << err.text;
        return data;
    }

    std::string folder;
    stf_spill *spill = nullptr;
    stf_error err{};
};

Bytes noise(std::mt19937 &random, size_t bytes) {
    Bytes data(bytes);
    for (unsigned char &byte : data)
        byte = static_cast<unsigned char>(random());
    return data;
}

TEST_F(Spill, pieces_in_any_order) {
    // Pieces shorter and longer than what is put together, across region borders in the file, some written twice.
    std::mt19937 random(5);
    const size_t region_bytes = 700 * 1000;
    const uint64_t regions = 6;
    create(region_bytes, regions);
    std::vector<Bytes> expected(regions, Bytes(region_bytes));
    uint64_t written = 0;
    for (uint64_t r = 0; r < regions; r++) {
        const uint64_t region = stf_spill_take(spill);
        ASSERT_LT(region, regions);
        write(region, 0, expected[region]);
        written += region_bytes;
    }
    for (int i = 0; i < 4000; i++) {
        const uint64_t region = random() % regions;
        const size_t most = i % 50 == 0 ? region_bytes : i % 10 == 0 ? 70000 : 3000;
        const size_t bytes = 1 + random() % most, offset = random() % (region_bytes - bytes + 1);
        if (random() % 3 == 0) {
            const Bytes data = read(region, offset, bytes);
            ASSERT_EQ(memcmp(data.data(), &expected[region][offset], bytes), 0) << i;
        } else {
            const Bytes data = noise(random, bytes);
            std::copy(data.begin(), data.end(), expected[region].begin() + static_cast<ptrdiff_t>(offset));
            ASSERT_NO_FATAL_FAILURE(write(region, offset, data));
            written += bytes;
        }
    }
    for (uint64_t region = 0; region < regions; region++)
        EXPECT_EQ(read(region, 0, region_bytes), expected[region]) << region;
    EXPECT_EQ(stf_spill_bytes_written(spill), written);
}

TEST_F(Spill, rows_that_follow_each_other_and_a_gap) {
    create(1 << 20, 2);
    const uint64_t region = stf_spill_take(spill);
    Bytes expected;
    for (int row = 0; row < 3000; row++) { // three times what is put together
        const Bytes data(300, static_cast<unsigned char>(row));
        ASSERT_NO_FATAL_FAILURE(write(region, expected.size(), data));
        expected.insert(expected.end(), data.begin(), data.end());
    }
    ASSERT_NO_FATAL_FAILURE(write(region, 1000000, Bytes(7, 'x')));
    EXPECT_EQ(read(region, 0, expected.size()), expected);
    EXPECT_EQ(read(region, 1000000, 7), Bytes(7, 'x'));
}

TEST_F(Spill, only_what_was_written_is_read) {
    // A read behind the end of the file is an error, not zeros that pass for pixels.
    create(1000, 3);
    const uint64_t region = stf_spill_take(spill);
    ASSERT_NO_FATAL_FAILURE(write(region, 0, Bytes(10, 'a')));
    EXPECT_EQ(read(region, 0, 10), Bytes(10, 'a'));
    Bytes more(11);
    stf_error failure = {};
    EXPECT_FALSE(stf_spill_read(spill, region, 0, more.data(), more.size(), &failure));
    EXPECT_NE(failure.number, CPLE_None);
}

TEST_F(Spill, regions_are_used_again) {
    create(100, 3);
    EXPECT_EQ(stf_spill_free_regions(spill), 3u);
    std::set<uint64_t> taken;
    for (int i = 0; i < 3; i++)
        taken.insert(stf_spill_take(spill));
    EXPECT_EQ(taken.size(), 3u) << "two tiles in one region";
    EXPECT_LT(*taken.rbegin(), 3u);
    EXPECT_EQ(stf_spill_free_regions(spill), 0u);
    const uint64_t given = *taken.begin();
    ASSERT_NO_FATAL_FAILURE(write(given, 0, Bytes(100, 'a')));
    stf_spill_give(spill, given);
    EXPECT_EQ(stf_spill_free_regions(spill), 1u);
    EXPECT_EQ(stf_spill_take(spill), given);
    ASSERT_NO_FATAL_FAILURE(write(given, 20, Bytes(80, 'b')));
    EXPECT_EQ(read(given, 20, 80), Bytes(80, 'b'));
}

TEST_F(Spill, many_threads) {
    const size_t region_bytes = 50000;
    create(region_bytes, 4);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (unsigned t = 0; t < 4; t++) {
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            stf_error mine{};
            for (int i = 0; i < 30; i++) {
                const uint64_t region = stf_spill_take(spill);
                const Bytes data = noise(random, region_bytes);
                Bytes back(region_bytes);
                for (size_t done = 0; done < region_bytes; done += 1000)
                    wrong[t] += stf_spill_write(spill, region, done, &data[done], 1000, &mine) ? 0 : 1;
                wrong[t] += stf_spill_read(spill, region, 0, back.data(), region_bytes, &mine) ? 0 : 1;
                wrong[t] += back == data ? 0 : 1;
                stf_spill_give(spill, region);
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4));
    EXPECT_EQ(stf_spill_free_regions(spill), 4u);
    EXPECT_EQ(stf_spill_bytes_written(spill), 4u * 30 * region_bytes);
}

TEST_F(Spill, what_it_takes_is_in_the_account) {
    EXPECT_GE(stf_spill_cost_bytes(0), 256u << 10) << "the bytes that are put together";
    EXPECT_EQ(stf_spill_cost_bytes(1000) - stf_spill_cost_bytes(0), 8000u);
}

// --- where it lies ------------------------------------------------------------------------------------

TEST_F(Spill, lies_beside_the_target_and_is_gone_while_open) {
    // CPL_TMPDIR would do as well, but the target's disk is the one that must have room anyway.
    const std::string elsewhere = make_folder("elsewhere");
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", elsewhere.c_str());
    create(100000, 10);
    ASSERT_NO_FATAL_FAILURE(write(stf_spill_take(spill), 0, Bytes(100000, 'x')));
    EXPECT_EQ(files_in(elsewhere), 0);
#ifdef _WIN32
    EXPECT_EQ(files_in(folder), 1);
#else
    EXPECT_EQ(files_in(folder), 0) << "a kill would leave it";
#endif
    EXPECT_EQ(read(0, 0, 5), Bytes(5, 'x')); // a file without a name is read like any other
    stf_spill_destroy(spill);
    spill = nullptr;
    EXPECT_EQ(files_in(folder), 0);
    VSIRmdirRecursive(elsewhere.c_str());
}

TEST_F(Spill, folder_that_cannot_be_written) {
    // A missing folder stands for a read-only one: root may write into those.
    const std::string target = folder + "/missing/out.tif";
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", folder.c_str());
    spill = stf_spill_create(target.c_str(), 1000, 2, &err);
    ASSERT_NE(spill, nullptr) << err.text;
    ASSERT_NO_FATAL_FAILURE(write(stf_spill_take(spill), 0, Bytes(1000, 'x')));
    EXPECT_EQ(read(0, 0, 1000), Bytes(1000, 'x'));
}

TEST_F(Spill, no_folder_at_all) {
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", (folder + "/missing").c_str());
    EXPECT_EQ(stf_spill_create((folder + "/missing/out.tif").c_str(), 1000, 2, &err), nullptr);
    EXPECT_EQ(err.number, CPLE_OpenFailed);
    EXPECT_NE(std::string(err.text).find("CPL_TMPDIR"), std::string::npos) << err.text;
}

TEST_F(Spill, target_in_memory_spills_to_disk) {
    // /vsimem/ is memory that no cap covers: a spill there would defeat its purpose.
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", folder.c_str());
    spill = stf_spill_create("/vsimem/spill_target/out.tif", 4096, 100, &err);
    ASSERT_NE(spill, nullptr) << err.text;
    ASSERT_NO_FATAL_FAILURE(write(stf_spill_take(spill), 0, Bytes(4096, 'x')));
    read(0, 0, 1); // so that it is in the file
    EXPECT_EQ(files_in("/vsimem/spill_target"), 0);
    char *path = nullptr;
    stf_platform_file *file = nullptr;
    ASSERT_TRUE(stf_scratch_create("/vsimem/spill_target/out.tif", "test", &path, &file, &err)) << err.text;
    EXPECT_EQ(std::string(path).find(folder), 0u) << path;
    stf_platform_file_close(file);
    CPLFree(path);
}

#if defined(__unix__)
TEST_F(Spill, virtual_target_of_the_name_of_a_folder) {
    // Whatever begins with /vsi is GDAL's, also where the disk has a folder of that name.
    const std::string real = "/vsistreamtiff_test";
    if (mkdir(real.c_str(), 0755) != 0)
        GTEST_SKIP() << "not permitted to make " << real;
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", folder.c_str());
    char *path = nullptr;
    stf_platform_file *file = nullptr;
    EXPECT_TRUE(stf_scratch_create((real + "/out.tif").c_str(), "test", &path, &file, &err)) << err.text;
    EXPECT_EQ(std::string(path ? path : "").find(folder), 0u) << path;
    stf_platform_file_close(file);
    CPLFree(path);
    EXPECT_EQ(rmdir(real.c_str()), 0);
}
#endif

TEST_F(Spill, more_than_the_disk_has) {
    EXPECT_EQ(stf_spill_create((folder + "/out.tif").c_str(), size_t{1} << 40, 1 << 20, &err), nullptr);
    EXPECT_EQ(err.number, CPLE_FileIO);
    EXPECT_NE(std::string(err.text).find("MEMORY_CAP"), std::string::npos) << err.text;
}

TEST_F(Spill, tmpfs_is_warned_about) {
    VSIStatBufL info;
    if (VSIStatL("/dev/shm", &info) != 0)
        GTEST_SKIP() << "no /dev/shm";
    CPLErrorReset();
    spill = stf_spill_create("/dev/shm/streamtiff_test.tif", 1000, 1000, &err);
    if (!spill)
        GTEST_SKIP() << err.text;
    EXPECT_EQ(CPLGetLastErrorType(), CE_Warning);
    EXPECT_NE(std::string(CPLGetLastErrorMsg()).find("1000000"), std::string::npos) << CPLGetLastErrorMsg();
}

} // namespace
