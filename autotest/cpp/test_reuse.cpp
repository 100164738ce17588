// The cache that a walk over blocks needs, against cases worked by hand and against an LRU played out.
#include <algorithm>
#include <cstdint>
#include <list>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "reuse.h"

namespace {

using Steps = std::vector<std::vector<uint32_t>>; // blocks touched by each

class Reuse : public testing::Test {
  protected:
    void TearDown() override { stf_reuse_destroy(reuse); }

    void walk(const Steps &steps, uint32_t blocks, uint64_t bytes) {
        walk(steps, std::vector<uint64_t>(blocks, bytes), std::vector<uint32_t>(blocks, 1));
    }
    void walk(const Steps &steps, const std::vector<uint64_t> &bytes, const std::vector<uint32_t> &decodes) {
        stf_reuse_destroy(reuse);
        reuse = stf_reuse_create(static_cast<uint32_t>(bytes.size()), static_cast<uint32_t>(steps.size()));
        ASSERT_NE(reuse, nullptr);
        std::set<uint32_t> seen;
        for (const auto &step : steps) {
            for (uint32_t block : step) {
                bool first = false;
                ASSERT_TRUE(stf_reuse_touch(reuse, block, bytes[block], decodes[block], decodes[block], &first));
                EXPECT_EQ(first, seen.insert(block).second);
            }
            stf_reuse_end_step(reuse);
        }
    }

    stf_reuse *reuse = nullptr;
};

TEST_F(Reuse, every_block_in_one_step_needs_room_for_one_step) {
    walk({{0}, {1, 2}, {3}}, 4, 10);
    EXPECT_FALSE(stf_reuse_is_shared(reuse));
    EXPECT_EQ(stf_reuse_step_bytes(reuse), 20u);
    EXPECT_EQ(stf_reuse_distinct(reuse), 4u);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 4), 20u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 0), 4u);
}

// The picture of the header: a b | b c | d | a c.
TEST_F(Reuse, distances_of_the_picture) {
    walk({{0, 1}, {1, 2}, {3}, {0, 2}}, 4, 10);
    EXPECT_TRUE(stf_reuse_is_shared(reuse));
    // b: a, b, c = 30. a and c: all four = 40.
    EXPECT_EQ(stf_reuse_decodes(reuse, 40), 4u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 39), 6u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 30), 6u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 29), 7u);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 4), 40u);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 5), 40u);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 6), 30u);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 7), 20u);
}

// Rows of 6 blocks, each row of windows reaching into the row of blocks above: what a halo does.
TEST_F(Reuse, a_halo_above_needs_two_rows_and_a_block) {
    Steps steps;
    for (uint32_t row = 0; row < 4; row++)
        for (uint32_t column = 0; column < 6; column++) {
            std::vector<uint32_t> step{row * 6 + column};
            if (row > 0)
                step.push_back((row - 1) * 6 + column);
            steps.push_back(step);
        }
    walk(steps, 24, 100);
    // Between the touches of (r, c) by row r and by row r + 1: the whole of row r, row r + 1 up to c, and of the row
    // above those from c on, which row r touched, too: 6 + (c + 1) + (6 - c) = 13. Row 0 has none above it: 7 to 12.
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 24), 1300u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 1299), 24u + 12);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 24 + 12), 1200u);
}

TEST_F(Reuse, decodes_are_weighed) {
    walk({{0, 1}, {2}, {0}, {1}}, {8, 8, 32}, {3, 1, 1});
    EXPECT_EQ(stf_reuse_distinct(reuse), 5u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 48), 5u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 47), 5u + 3 + 1);
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 8), 48u);
}

TEST_F(Reuse, what_is_forgotten_is_decoded_again_at_any_size) {
    reuse = stf_reuse_create(3, 3);
    bool first;
    for (uint32_t step = 0; step < 3; step++) {
        stf_reuse_touch(reuse, step, 10, 1, 1, &first);
        stf_reuse_touch(reuse, (step + 1) % 3, 10, 1, 1, &first);
        stf_reuse_end_step(reuse); // 0 1 | 1 2 | 2 0
        if (step == 0)
            stf_reuse_forget(reuse);
    }
    EXPECT_EQ(stf_reuse_distinct(reuse), 3u);
    EXPECT_EQ(stf_reuse_least_decodes(reuse), 5u); // 1 and 0 again
    EXPECT_EQ(stf_reuse_decodes(reuse, 30), 5u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 29), 6u); // 2: 1, 2 and 0 in between
    EXPECT_EQ(stf_reuse_cache_bytes(reuse, 5), 30u);
    EXPECT_EQ(stf_reuse_all_bytes(reuse), 30u);
}

TEST_F(Reuse, memory_it_takes_is_as_the_header_says) {
    const uint64_t histogram = (64u << 10) + 256;
    for (const uint32_t blocks : {1u, 1000u, 100000u})
        for (const uint32_t touched : {1u, 60u, 1000u}) {
            Steps steps;
            for (uint32_t first = 0; first < blocks; first += touched) {
                steps.emplace_back();
                for (uint32_t block = first; block < std::min(blocks, first + touched); block++)
                    steps.back().push_back(block);
            }
            ASSERT_NO_FATAL_FAILURE(walk(steps, blocks, 10));
            const uint64_t bytes = stf_reuse_cost_bytes(reuse), most = std::min(blocks, touched);
            const uint64_t fixed = 4 * (uint64_t{blocks} + 1) + 8 * (steps.size() + 1);
            EXPECT_GE(bytes, fixed + 24 * most);
            EXPECT_LE(bytes, fixed + 24 * std::max<uint64_t>(64, 2 * most) + histogram);
        }
    EXPECT_TRUE(stf_reuse_was_touched(reuse, 0));
    EXPECT_FALSE(stf_reuse_was_touched(reuse, 100000));
}

TEST_F(Reuse, twice_in_one_step_is_once) {
    walk({{0, 1, 0}, {1, 1}}, 2, 5);
    EXPECT_EQ(stf_reuse_step_bytes(reuse), 10u);
    EXPECT_EQ(stf_reuse_decodes(reuse, 0), 3u);
}

// An LRU as GDAL's: a block that is touched goes to the front; what came first goes, until the rest fits.
uint64_t played_out(const Steps &steps, const std::vector<uint64_t> &bytes, uint64_t cache_bytes) {
    std::list<uint32_t> lru;
    uint64_t used = 0, decodes = 0;
    for (const auto &step : steps)
        for (uint32_t block : step) {
            const auto found = std::find(lru.begin(), lru.end(), block);
            if (found != lru.end()) {
                lru.erase(found);
            } else {
                decodes++;
                used += bytes[block];
            }
            lru.push_front(block);
            for (; used > cache_bytes && lru.size() > 1; lru.pop_back())
                used -= bytes[lru.back()];
        }
    return decodes;
}

TEST_F(Reuse, never_promises_less_decodes_than_an_lru_makes) {
    std::mt19937 engine(5);
    const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
    for (int i = 0; i < 300; i++) {
        const uint32_t blocks = 2 + random() % 40;
        std::vector<uint64_t> bytes(blocks);
        uint64_t all = 0;
        for (uint64_t &each : bytes)
            all += each = i % 2 ? 64 : 1 + random() % 200;
        Steps steps(1 + random() % 60);
        uint32_t at = 0;
        for (auto &step : steps) {
            at = random() % 3 ? at + 1 : random() % blocks;
            std::set<uint32_t> touched;
            for (uint32_t n = 1 + random() % 4; n > 0; n--)
                touched.insert((at + random() % 5) % blocks);
            step.assign(touched.begin(), touched.end());
            std::shuffle(step.begin(), step.end(), engine);
        }
        ASSERT_NO_FATAL_FAILURE(walk(steps, bytes, std::vector<uint32_t>(blocks, 1)));
        const uint64_t distinct = stf_reuse_distinct(reuse);
        ASSERT_EQ(played_out(steps, bytes, all), distinct);
        for (uint64_t cache = stf_reuse_step_bytes(reuse); cache <= all; cache += 1 + all / 17)
            ASSERT_LE(played_out(steps, bytes, cache), stf_reuse_decodes(reuse, cache)) << cache << " of " << all;
        for (uint64_t again = 0; again < 6; again++) {
            const uint64_t cache = stf_reuse_cache_bytes(reuse, distinct + again);
            ASSERT_LE(played_out(steps, bytes, cache), distinct + again) << cache << " of " << all;
            ASSERT_LE(stf_reuse_decodes(reuse, cache), distinct + again);
        }
    }
}

// One block a step and equal blocks: nothing is left to guess, so the two agree to the block.
TEST_F(Reuse, agrees_with_an_lru_where_steps_are_single_blocks) {
    std::mt19937 engine(6);
    const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
    for (int i = 0; i < 100; i++) {
        const uint32_t blocks = 2 + random() % 30;
        Steps steps(200);
        for (auto &step : steps)
            step = {random() % blocks};
        ASSERT_NO_FATAL_FAILURE(walk(steps, blocks, 1));
        for (uint32_t cache = 1; cache <= blocks; cache++)
            ASSERT_EQ(played_out(steps, std::vector<uint64_t>(blocks, 1), cache), stf_reuse_decodes(reuse, cache));
    }
}

} // namespace
