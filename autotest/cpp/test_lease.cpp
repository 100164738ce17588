// The lease of GDAL's block cache limit: shares add up, the last one out restores, others are respected.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "cpl_vsi.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "lease.h"

namespace {

constexpr GIntBig MB = 1024 * 1024;

class Lease : public testing::Test {
  protected:
    void SetUp() override { GDALSetCacheMax64(200 * MB); }
};

TEST_F(Lease, nested_leases_add_up_and_the_last_restores) {
    const GIntBig used = GDALGetCacheUsed64();
    stf_lease *a = stf_lease_begin(10 * MB);
    EXPECT_EQ(GDALGetCacheMax64(), used + 10 * MB);
    stf_lease *b = stf_lease_begin(5 * MB);
    EXPECT_EQ(GDALGetCacheMax64(), used + 15 * MB);
    stf_lease_resize(a, 400 * MB);
    EXPECT_EQ(GDALGetCacheMax64(), used + 405 * MB);
    stf_lease_end(a);
    EXPECT_EQ(GDALGetCacheMax64(), used + 5 * MB);
    stf_lease_end(b);
    EXPECT_EQ(GDALGetCacheMax64(), 200 * MB);
    stf_lease_end(nullptr);
}

TEST_F(Lease, raises_a_small_limit_too) {
    GDALSetCacheMax64(MB);
    stf_lease *lease = stf_lease_begin(64 * MB);
    EXPECT_GE(GDALGetCacheMax64(), 64 * MB);
    stf_lease_end(lease);
    EXPECT_EQ(GDALGetCacheMax64(), MB);
}

TEST_F(Lease, change_by_somebody_else_survives) {
    stf_lease *lease = stf_lease_begin(10 * MB);
    GDALSetCacheMax64(77 * MB);
    stf_lease_end(lease);
    EXPECT_EQ(GDALGetCacheMax64(), 77 * MB);

    stf_lease *a = stf_lease_begin(10 * MB);
    GDALSetCacheMax64(88 * MB);
    stf_lease *b = stf_lease_begin(5 * MB);
    EXPECT_GE(GDALGetCacheMax64(), 15 * MB);
    EXPECT_LT(GDALGetCacheMax64(), 77 * MB);
    stf_lease_end(a);
    stf_lease_end(b);
    EXPECT_EQ(GDALGetCacheMax64(), 88 * MB);

    a = stf_lease_begin(10 * MB);
    b = stf_lease_begin(5 * MB);
    GDALSetCacheMax64(99 * MB);
    stf_lease_end(b);
    EXPECT_EQ(GDALGetCacheMax64(), 99 * MB);
    stf_lease_resize(a, 20 * MB);
    EXPECT_LT(GDALGetCacheMax64(), 99 * MB);
    stf_lease_end(a);
    EXPECT_EQ(GDALGetCacheMax64(), 99 * MB);
}

TEST_F(Lease, blocks_in_use_at_the_start_stay_cached) {
    GDALAllRegister();
    const char *path = "/vsimem/lease.tif";
    GDALDatasetH dataset = GDALCreate(GDALGetDriverByName("GTiff"), path, 1024, 1024, 1, GDT_Byte, nullptr);
    ASSERT_NE(dataset, nullptr);
    std::vector<unsigned char> row(1024);
    for (int y = 0; y < 1024; y++)
        ASSERT_EQ(
            GDALRasterIO(GDALGetRasterBand(dataset, 1), GF_Read, 0, y, 1024, 1, row.data(), 1024, 1, GDT_Byte, 0, 0),
            CE_None);
    const GIntBig used = GDALGetCacheUsed64();
    ASSERT_GE(used, MB);
    stf_lease *lease = stf_lease_begin(0);
    EXPECT_EQ(GDALGetCacheMax64(), used);
    EXPECT_EQ(GDALGetCacheUsed64(), used);
    stf_lease_end(lease);
    GDALClose(dataset);
    VSIUnlink(path);
}

TEST_F(Lease, absurd_shares_do_not_overflow) {
    std::vector<stf_lease *> leases;
    for (int i = 0; i < 200; i++) {
        leases.push_back(stf_lease_begin(UINT64_MAX));
        EXPECT_GT(GDALGetCacheMax64(), 0);
    }
    for (stf_lease *lease : leases)
        stf_lease_end(lease);
    EXPECT_EQ(GDALGetCacheMax64(), 200 * MB);
}

TEST_F(Lease, many_threads) {
    std::atomic<bool> too_low{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++) {
        threads.emplace_back([t, &too_low] {
            for (int i = 0; i < 200; i++) {
                stf_lease *lease = stf_lease_begin(static_cast<uint64_t>((t + 1) * MB));
                if (GDALGetCacheMax64() < (t + 1) * MB)
                    too_low = true;
                stf_lease_resize(lease, static_cast<uint64_t>((t + 2) * MB));
                if (GDALGetCacheMax64() < (t + 2) * MB)
                    too_low = true;
                stf_lease_end(lease);
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_FALSE(too_low);
    EXPECT_EQ(GDALGetCacheMax64(), 200 * MB);
}

} // namespace
