// Tiles of one value: what counts as one, and the store of their encoded bytes: a fixed room, in which nothing moves.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "uniform.h"

namespace {

using Bytes = std::vector<unsigned char>;

bool is_uniform(const Bytes &pixels, size_t pixel_bytes) {
    stf_uniform value{};
    const bool found = stf_uniform_of_pixels(pixels.data(), pixel_bytes, pixels.size() / pixel_bytes, &value);
    if (found) {
        EXPECT_EQ(value.pixel_bytes, pixel_bytes);
        EXPECT_EQ(memcmp(value.pixel, pixels.data(), pixel_bytes), 0);
    }
    return found;
}

TEST(Uniform, any_other_byte_anywhere_is_seen) {
    for (size_t pixel_bytes : {1, 2, 3, 4, 7, 8, 16, 64})
        for (size_t count : {1, 2, 3, 9}) {
            Bytes pixels;
            for (size_t i = 0; i < count * pixel_bytes; i++)
                pixels.push_back(static_cast<unsigned char>(17 + 5 * (i % pixel_bytes)));
            EXPECT_TRUE(is_uniform(pixels, pixel_bytes)) << pixel_bytes << " x " << count;
            for (size_t at = 0; at < pixels.size(); at++) {
                Bytes other = pixels;
                other[at] ^= 0x80;
                EXPECT_EQ(is_uniform(other, pixel_bytes), count == 1) << pixel_bytes << " x " << count << " at " << at;
            }
        }
}

TEST(Uniform, no_pixels_and_too_large_ones_are_none) {
    EXPECT_FALSE(is_uniform({}, 4));
    EXPECT_FALSE(is_uniform(Bytes(3 * 65), 65));
    EXPECT_TRUE(is_uniform(Bytes(3 * STF_UNIFORM_MAX_BYTES), STF_UNIFORM_MAX_BYTES));
}

// Bits are compared, not numbers: negative zero is another pixel, and a NaN is equal to itself.
TEST(Uniform, bits_are_compared) {
    const auto of = [](const std::vector<double> &values) {
        Bytes bytes(values.size() * sizeof(double));
        memcpy(bytes.data(), values.data(), bytes.size());
        return is_uniform(bytes, sizeof(double));
    };
    EXPECT_TRUE(of({NAN, NAN, NAN}));
    EXPECT_FALSE(of({0.0, -0.0}));
}

TEST(Uniform, of_a_sample_repeats_it) {
    stf_uniform value{};
    const uint16_t sample = 0x1234;
    ASSERT_TRUE(stf_uniform_of_sample(&sample, 2, 3, &value));
    EXPECT_EQ(value.pixel_bytes, 6u);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(memcmp(value.pixel + 2 * i, &sample, 2), 0);
    EXPECT_TRUE(stf_uniform_of_sample(&sample, 2, 32, &value));
    EXPECT_FALSE(stf_uniform_of_sample(&sample, 2, 33, &value));
    EXPECT_FALSE(stf_uniform_of_sample(&sample, 2, SIZE_MAX, &value));
    EXPECT_FALSE(stf_uniform_of_sample(&sample, 0, 1, &value));
}

class UniformStore : public testing::Test {
  protected:
    void TearDown() override { stf_uniform_store_destroy(store); }

    static stf_uniform value_of(uint32_t number, size_t bytes = 4) {
        stf_uniform value{};
        value.pixel_bytes = bytes;
        memcpy(value.pixel, &number, bytes < 4 ? bytes : 4);
        return value;
    }
    void keep(uint32_t number, uint32_t rows, const std::string &encoded) {
        const stf_uniform value = value_of(number);
        stf_uniform_store_keep(store, &value, rows, encoded.data(), encoded.size());
    }
    // "-": not kept.
    std::string find(uint32_t number, uint32_t rows, size_t pixel_bytes = 4) const {
        size_t bytes = 0;
        const stf_uniform value = value_of(number, pixel_bytes);
        const char *found = static_cast<const char *>(stf_uniform_store_find(store, &value, rows, &bytes));
        return found ? std::string(found, bytes) : "-";
    }

    stf_uniform_store *store = stf_uniform_store_create();
};

TEST_F(UniformStore, finds_by_value_rows_and_size_of_pixel) {
    keep(7, 256, "seven");
    keep(7, 100, "seven cut");
    keep(8, 256, "eight");
    EXPECT_EQ(find(7, 256), "seven");
    EXPECT_EQ(find(7, 100), "seven cut");
    EXPECT_EQ(find(8, 256), "eight");
    EXPECT_EQ(find(8, 100), "-");
    EXPECT_EQ(find(9, 256), "-");
    EXPECT_EQ(find(7, 256, 2), "-");
}

TEST_F(UniformStore, what_is_there_is_not_kept_again) {
    keep(1, 10, "first");
    keep(1, 10, "second");
    EXPECT_EQ(find(1, 10), "first");
}

TEST_F(UniformStore, what_was_handed_out_stays_where_it_is) {
    size_t bytes = 0;
    keep(1, 10, "one");
    const stf_uniform one = value_of(1);
    const void *before = stf_uniform_store_find(store, &one, 10, &bytes);
    for (uint32_t number = 2; number < 100; number++)
        keep(number, 10, std::string(300, static_cast<char>(number)));
    EXPECT_EQ(stf_uniform_store_find(store, &one, 10, &bytes), before);
    EXPECT_EQ(find(1, 10), "one");
    EXPECT_EQ(find(2, 10), std::string(300, 2));
    EXPECT_EQ(find(99, 10), "-") << "more entries than there is room for";
}

TEST_F(UniformStore, the_room_is_fixed) {
    const uint64_t cost = stf_uniform_store_cost_bytes();
    keep(1, 10, std::string(20000, 'a'));
    keep(2, 10, std::string(20000, 'b')); // does not fit beside the first one
    keep(3, 10, std::string(10000, 'c'));
    keep(4, 10, std::string(cost, 'd'));
    EXPECT_EQ(find(1, 10), std::string(20000, 'a'));
    EXPECT_EQ(find(2, 10), "-");
    EXPECT_EQ(find(3, 10), std::string(10000, 'c'));
    EXPECT_EQ(find(4, 10), "-");
    EXPECT_LE(cost, 64u << 10);
}

TEST(UniformStoreOfNothing, may_be_destroyed) {
    stf_uniform_store_destroy(nullptr);
}

} // namespace
