// SPARSE_OK: which tiles are left out, by type, nodata and bits: cases worked out from what GTiff does.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "sparse.h"
#include "tiff.h"

namespace {

constexpr uint32_t Width = 5, Rows = 3;

template <class T>
class Tile {
  public:
    Tile(GDALDataType type, const char *nodata, uint16_t bits, uint16_t format, bool omits = true) {
        stf_sparse_init(&m_sparse, omits, type, nodata, bits, format);
    }

    // A whole tile of one pixel, but for the last one of the part that lies in the raster, and those beyond that part.
    bool omits(T value, T last, T beyond, uint32_t width = Width) const {
        std::vector<T> pixels(Width * Rows, value);
        for (uint32_t y = 0; y < Rows; y++)
            for (uint32_t x = width; x < Width; x++)
                pixels[y * Width + x] = beyond;
        pixels[(Rows - 1) * Width + width - 1] = last;
        const stf_window valid = {0, 0, width, Rows};
        return stf_sparse_omits(&m_sparse, pixels.data(), &valid, Width, 1);
    }
    bool omits(T value) const {
        const bool by_pixels = omits(value, value, value);
        const bool by_value = omits_uniform(value, Width);
        EXPECT_EQ(by_pixels, by_value) << "as pixels, and as one value";
        return by_value;
    }
    bool omits_uniform(T value, uint32_t width) const {
        stf_uniform uniform{};
        const stf_window valid = {0, 0, width, Rows};
        EXPECT_TRUE(stf_uniform_of_sample(&value, sizeof value, 1, &uniform));
        return stf_sparse_omits_uniform(&m_sparse, &uniform, &valid, Width, sizeof value);
    }

  private:
    stf_sparse m_sparse{};
};

TEST(Sparse, nothing_is_left_out_unless_asked_for) {
    const Tile<uint8_t> tile(GDT_Byte, nullptr, 8, SAMPLEFORMAT_UINT, false);
    EXPECT_FALSE(tile.omits(0));
}

TEST(Sparse, zero_without_nodata) {
    const Tile<uint8_t> tile(GDT_Byte, nullptr, 8, SAMPLEFORMAT_UINT);
    EXPECT_TRUE(tile.omits(0));
    EXPECT_FALSE(tile.omits(1));
    EXPECT_FALSE(tile.omits(0, 1, 0));
}

TEST(Sparse, nodata_and_not_zero) {
    const Tile<int16_t> tile(GDT_Int16, "-9999", 16, SAMPLEFORMAT_INT);
    EXPECT_TRUE(tile.omits(-9999));
    EXPECT_FALSE(tile.omits(0));
    EXPECT_FALSE(tile.omits(-9999, -9998, -9999));
}

TEST(Sparse, only_the_part_in_the_raster_counts) {
    const Tile<uint16_t> tile(GDT_UInt16, "7", 16, SAMPLEFORMAT_UINT);
    EXPECT_TRUE(tile.omits(7, 7, 55, 3));
    EXPECT_FALSE(tile.omits(7, 8, 7, 3));
    EXPECT_TRUE(tile.omits_uniform(7, 3));
}

TEST(Sparse, any_nan_is_a_nan) {
    const Tile<float> tile(GDT_Float32, "nan", 32, SAMPLEFORMAT_IEEEFP);
    float other;
    const uint32_t bits = 0xFFC12345;
    memcpy(&other, &bits, sizeof other);
    EXPECT_TRUE(tile.omits(std::numeric_limits<float>::quiet_NaN()));
    EXPECT_TRUE(tile.omits(other));
    EXPECT_FALSE(tile.omits(0));
    EXPECT_FALSE(tile.omits(NAN, 0, NAN));
}

TEST(Sparse, largest_float_survives_the_text_of_the_tag) {
    const Tile<float> tile(GDT_Float32, "-3.40282346638529e+38", 32, SAMPLEFORMAT_IEEEFP);
    EXPECT_TRUE(tile.omits(-std::numeric_limits<float>::max()));
    EXPECT_FALSE(tile.omits(std::numeric_limits<float>::max()));
    EXPECT_FALSE(tile.omits(-3.4028233e38f));
}

// GTiff compares none of these, so pixels are never left out; a value is where it is what a missing tile reads as.
TEST(Sparse, wide_integers_with_nodata_are_not_compared) {
    const Tile<int64_t> tile(GDT_Int64, "-9007199254740993", 64, SAMPLEFORMAT_INT);
    const int64_t nodata = -9007199254740993;
    EXPECT_FALSE(tile.omits(nodata, nodata, nodata));
    EXPECT_TRUE(tile.omits_uniform(nodata, Width));
    EXPECT_FALSE(tile.omits_uniform(nodata + 1, Width)) << "no double tells these two apart";
    EXPECT_TRUE((Tile<int64_t>(GDT_Int64, nullptr, 64, SAMPLEFORMAT_INT).omits(0)));
    const Tile<uint64_t> largest(GDT_UInt64, "18446744073709551615", 64, SAMPLEFORMAT_UINT);
    EXPECT_TRUE(largest.omits_uniform(UINT64_MAX, Width));
    EXPECT_FALSE(largest.omits_uniform(UINT64_MAX - 1, Width));
}

TEST(Sparse, fewer_bits_are_compared_only_below_a_byte_with_nodata_0) {
    EXPECT_TRUE((Tile<uint8_t>(GDT_Byte, nullptr, 4, SAMPLEFORMAT_UINT).omits(0)));
    EXPECT_TRUE((Tile<uint8_t>(GDT_Byte, "0", 1, SAMPLEFORMAT_UINT).omits(0)));
    const Tile<uint8_t> three(GDT_Byte, "3", 4, SAMPLEFORMAT_UINT);
    EXPECT_FALSE(three.omits(3, 3, 3));
    EXPECT_TRUE(three.omits_uniform(3, Width));
    const Tile<uint16_t> twelve(GDT_UInt16, nullptr, 12, SAMPLEFORMAT_UINT);
    EXPECT_FALSE(twelve.omits(0, 0, 0));
    EXPECT_TRUE(twelve.omits_uniform(0, Width));
}

// Samples of less than a byte do not end where the raster does, and GTiff does not look at such a tile.
TEST(Sparse, cut_tiles_of_less_than_a_byte_stay) {
    const Tile<uint8_t> tile(GDT_Byte, nullptr, 4, SAMPLEFORMAT_UINT);
    EXPECT_FALSE(tile.omits(0, 0, 0, 3));
    EXPECT_FALSE(tile.omits_uniform(0, 3));
}

TEST(Sparse, half_floats_and_complex_numbers_are_not_compared) {
    const Tile<float> half(GDT_Float32, nullptr, 16, SAMPLEFORMAT_IEEEFP);
    EXPECT_FALSE(half.omits(0, 0, 0));
    stf_sparse complex{};
    stf_sparse_init(&complex, true, GDT_CFloat32, nullptr, 64, SAMPLEFORMAT_COMPLEXIEEEFP);
    const std::vector<float> zeros(2 * Width * Rows);
    const stf_window valid = {0, 0, Width, Rows};
    EXPECT_FALSE(stf_sparse_omits(&complex, zeros.data(), &valid, Width, 1));
}

TEST(Sparse, every_sample_of_a_pixel_counts) {
    stf_sparse sparse{};
    stf_uniform value{};
    const stf_window valid = {0, 0, 2, 1};
    const uint8_t good[] = {9, 9, 9, 9, 9, 9}, bad[] = {9, 9, 9, 9, 9, 8};
    stf_sparse_init(&sparse, true, GDT_Byte, "9", 8, SAMPLEFORMAT_UINT);
    EXPECT_TRUE(stf_sparse_omits(&sparse, good, &valid, 2, 3));
    EXPECT_FALSE(stf_sparse_omits(&sparse, bad, &valid, 2, 3));
    value.pixel_bytes = 3;
    memcpy(value.pixel, bad + 3, 3);
    EXPECT_FALSE(stf_sparse_omits_uniform(&sparse, &value, &valid, 2, 1));
}

} // namespace
