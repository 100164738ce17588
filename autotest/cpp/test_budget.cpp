// The account and its pools: the cap is never passed, everything is charged once, and all of it comes back.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "budget.h"
#include "gtest/gtest.h"

namespace {

class Budget : public testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(budget = stf_budget_create(1000), nullptr); }
    void TearDown() override { stf_budget_destroy(budget); }

    bool charge(uint64_t bytes) {
        err = stf_error{};
        return stf_budget_charge(budget, bytes, "a test", &err);
    }
    // What is charged cannot be asked for, but what is left can be tried.
    void expect_charged(uint64_t bytes) {
        EXPECT_FALSE(charge(1000 - bytes + 1)) << "less than " << bytes << " bytes are charged";
        EXPECT_TRUE(charge(1000 - bytes)) << "more than " << bytes << " bytes are charged";
        stf_budget_release(budget, 1000 - bytes);
    }

    stf_budget *budget = nullptr;
    stf_error err{};
};

TEST_F(Budget, takes_the_last_byte_and_no_more) {
    EXPECT_TRUE(charge(999));
    EXPECT_FALSE(charge(2));
    EXPECT_TRUE(charge(1));
    EXPECT_FALSE(charge(1));
    EXPECT_TRUE(charge(0));
    EXPECT_EQ(stf_budget_peak_bytes(budget), 1000u);
}

TEST_F(Budget, refusal_gives_the_figures) {
    ASSERT_TRUE(charge(600));
    EXPECT_FALSE(charge(401));
    EXPECT_EQ(err.number, CPLE_OutOfMemory);
    for (const char *part : {"1000", "600", "401", "a test", "MEMORY_CAP"})
        EXPECT_NE(std::string(err.text).find(part), std::string::npos) << part << " is missing in: " << err.text;
}

TEST_F(Budget, sums_do_not_wrap_around) {
    ASSERT_TRUE(charge(1));
    EXPECT_FALSE(charge(UINT64_MAX));
    EXPECT_FALSE(charge(UINT64_MAX - 1000));
    expect_charged(1);
}

TEST_F(Budget, peak_stays_after_a_release) {
    ASSERT_TRUE(charge(700));
    stf_budget_release(budget, 600);
    ASSERT_TRUE(charge(300));
    EXPECT_EQ(stf_budget_peak_bytes(budget), 700u);
    ASSERT_TRUE(charge(500));
    EXPECT_EQ(stf_budget_peak_bytes(budget), 900u);
    EXPECT_FALSE(charge(200));
    EXPECT_EQ(stf_budget_peak_bytes(budget), 900u) << "what was refused was never in use";
}

TEST_F(Budget, many_threads) {
    // Eight threads want twice the cap: the sum of what is granted must never pass it.
    std::atomic<int64_t> granted{0};
    std::atomic<int> refused{0}, passed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++) {
        threads.emplace_back([&, t] {
            const uint64_t bytes = 150 + 25 * static_cast<uint64_t>(t);
            for (int i = 0; i < 3000; i++) {
                stf_error mine{};
                if (!stf_budget_charge(budget, bytes, "a thread", &mine)) {
                    refused++;
                    std::this_thread::yield();
                    continue;
                }
                if (granted.fetch_add(static_cast<int64_t>(bytes)) + static_cast<int64_t>(bytes) > 1000)
                    passed++;
                if (i % 8 == 0)
                    std::this_thread::yield();
                granted.fetch_sub(static_cast<int64_t>(bytes));
                stf_budget_release(budget, bytes);
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(passed, 0);
    EXPECT_LE(stf_budget_peak_bytes(budget), 1000u);
    expect_charged(0);
}

// --- pools --------------------------------------------------------------------------------------------

TEST_F(Budget, pool_items_are_charged_once_and_when_first_used) {
    stf_pool *pool = stf_pool_create(budget, 100, 5, "items", &err);
    ASSERT_NE(pool, nullptr) << err.text;
    expect_charged(0);
    EXPECT_EQ(stf_pool_free_items(pool), 5u);
    uint32_t a, b, c;
    ASSERT_TRUE(stf_pool_take(pool, &a, &err));
    ASSERT_TRUE(stf_pool_take(pool, &b, &err));
    EXPECT_NE(a, b);
    EXPECT_EQ(stf_pool_free_items(pool), 3u);
    expect_charged(200);
    stf_pool_give(pool, a);
    expect_charged(200); // its pages are still there
    EXPECT_EQ(stf_pool_free_items(pool), 4u);
    ASSERT_TRUE(stf_pool_take(pool, &c, &err));
    EXPECT_EQ(c, a) << "a used item goes before a fresh one, which would cost memory";
    expect_charged(200);
    stf_pool_destroy(pool);
    expect_charged(0);
}

TEST_F(Budget, reserved_items_are_charged_before_they_are_needed) {
    stf_pool *pool = stf_pool_create(budget, 100, 3, "items", &err);
    ASSERT_NE(pool, nullptr) << err.text;
    ASSERT_TRUE(stf_pool_reserve(pool, 1, &err));
    expect_charged(100);
    uint32_t item;
    ASSERT_TRUE(stf_pool_take(pool, &item, &err));
    expect_charged(200);
    ASSERT_TRUE(stf_pool_take(pool, &item, &err));
    expect_charged(300);
    ASSERT_TRUE(stf_pool_take(pool, &item, &err)); // the one that was reserved
    expect_charged(300);
    EXPECT_EQ(stf_pool_free_items(pool), 0u);
    stf_pool_destroy(pool);
    expect_charged(0);
    pool = stf_pool_create(budget, 600, 2, "slabs", &err);
    ASSERT_NE(pool, nullptr) << err.text;
    EXPECT_FALSE(stf_pool_reserve(pool, 7, &err)) << "1200 bytes of 1000";
    stf_pool_destroy(pool);
    expect_charged(0);
}

TEST_F(Budget, pool_items_are_apart_and_aligned) {
    for (size_t bytes : {size_t{1}, size_t{63}, size_t{64}, size_t{65}}) {
        stf_pool *pool = stf_pool_create(budget, bytes, 4, "items", &err);
        ASSERT_NE(pool, nullptr) << err.text;
        std::set<uint32_t> items;
        for (int i = 0; i < 4; i++) {
            uint32_t item;
            ASSERT_TRUE(stf_pool_take(pool, &item, &err));
            EXPECT_TRUE(items.insert(item).second);
            EXPECT_EQ(reinterpret_cast<uintptr_t>(stf_pool_item(pool, item)) % 64, 0u);
            memset(stf_pool_item(pool, item), 1 + static_cast<int>(item), bytes);
        }
        EXPECT_EQ(stf_pool_free_items(pool), 0u);
        for (uint32_t item : items) {
            const unsigned char *at = static_cast<const unsigned char *>(stf_pool_item(pool, item));
            EXPECT_EQ(at[0], 1 + item);
            EXPECT_EQ(at[bytes - 1], 1 + item);
        }
        stf_pool_destroy(pool);
    }
}

TEST_F(Budget, pool_is_stopped_by_the_account) {
    stf_pool *pool = stf_pool_create(budget, 400, 5, "slabs", &err);
    ASSERT_NE(pool, nullptr) << err.text;
    uint32_t item, last;
    ASSERT_TRUE(stf_pool_take(pool, &item, &err));
    ASSERT_TRUE(stf_pool_take(pool, &last, &err));
    EXPECT_FALSE(stf_pool_take(pool, &item, &err));
    EXPECT_NE(std::string(err.text).find("slabs"), std::string::npos) << err.text;
    stf_pool_give(pool, last);
    stf_error none{};
    EXPECT_TRUE(stf_pool_take(pool, &item, &none)) << "a used item costs nothing again: " << none.text;
    stf_pool_destroy(pool);
    expect_charged(0);
}

TEST_F(Budget, empty_pool_and_nothing_at_all) {
    stf_pool *pool = stf_pool_create(budget, 100, 0, "nothing", &err);
    ASSERT_NE(pool, nullptr) << err.text;
    EXPECT_EQ(stf_pool_free_items(pool), 0u);
    stf_pool_destroy(pool);
    stf_pool_destroy(nullptr);
    stf_budget_destroy(nullptr);
}

TEST_F(Budget, pool_that_cannot_be_had) {
    EXPECT_EQ(stf_pool_create(budget, SIZE_MAX, 2, "too much", &err), nullptr);
    EXPECT_EQ(err.number, CPLE_OutOfMemory);
    err = stf_error{};
    // Four of these wrap around to 256 bytes, which could be had.
    EXPECT_EQ(stf_pool_create(budget, SIZE_MAX / 4 + 65, 4, "too much", &err), nullptr);
    EXPECT_NE(std::string(err.text).find("too much"), std::string::npos) << err.text;
    expect_charged(0);
}

} // namespace
