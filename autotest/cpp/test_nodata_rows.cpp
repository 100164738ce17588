// Which rows hold nodata, against brute force on small rasters: found in every row that matters, and no unit read in vain.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "cpl_vsi.h"
#include "gtest/gtest.h"
#include "nodata_rows.h"

namespace {

template <class T>
class Raster {
  public:
    Raster(GDALDataType of, uint32_t w, uint32_t h, double unit_width, double unit_height)
        : width(w), height(h), samples(static_cast<size_t>(w) * h, T(100)) {
        m_source = static_cast<stf_source *>(VSICalloc(1, sizeof(stf_source)));
        m_source->info.groups = static_cast<stf_group *>(VSICalloc(2, sizeof(stf_group)));
        m_source->info.group_count = 2; // the first one is in nobody's way
        for (uint32_t g = 0; g < 2; g++) {
            m_source->info.groups[g] = {g, 1, stf_axis_make(w, 0, unit_width), stf_axis_make(h, 0, unit_height)};
        }
        m_source->info.kind = STF_SOURCE_BLOCKS;
        m_source->info.decodes_are_counted = true;
        m_source->info.unit_bytes =
            sizeof(T) * stf_axis_longest(&group().x) * static_cast<uint64_t>(stf_axis_longest(&group().y));
        m_source->request.type = of;
        m_source->state = this;
        m_source->read = read;
    }
    Raster(const Raster &) = delete;
    ~Raster() {
        stf_nodata_rows_free(rows);
        stf_source_destroy(m_source);
    }

    T &at(uint32_t x, uint32_t y) { return samples[static_cast<size_t>(y) * width + x]; }
    const stf_group &group() const { return m_source->info.groups[1]; }

    bool try_to_find(double nodata, stf_nodata_need need, stf_error *err) {
        stf_nodata_rows_free(rows);
        read_units.assign(static_cast<size_t>(group().x.cells) * group().y.cells, 0);
        rows = stf_nodata_rows_find(m_source, 1, nodata, need, err);
        return rows != nullptr;
    }
    void find(double nodata, stf_nodata_need need) {
        stf_error err{};
        ASSERT_TRUE(try_to_find(nodata, need, &err)) << err.text;
    }
    bool holds(uint32_t y) const { return stf_nodata_rows_holds(rows, y); }
    int reads(uint32_t column, uint32_t row) const { return read_units[row * group().x.cells + column]; }

    const uint32_t width, height;
    std::vector<T> samples;
    std::vector<int> read_units;
    bool constants = false;
    bool fails = false;
    stf_nodata_rows *rows = nullptr;

  private:
    static bool read(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                     stf_error *err) {
        Raster &raster = *static_cast<Raster *>(source->state);
        EXPECT_EQ(reader, 0u);
        EXPECT_EQ(unit->group, 1u);
        raster.read_units[unit->row * raster.group().x.cells + unit->column]++;
        stf_source_count_blocks(source, 3);
        if (raster.fails)
            return stf_fail(err, CPLE_FileIO, "broken");
        T *to = static_cast<T *>(buffer);
        bool alike = true;
        for (uint32_t y = 0; y < unit->window.height; y++)
            for (uint32_t x = 0; x < unit->window.width; x++) {
                to[y * unit->window.width + x] = raster.at(unit->window.x + x, unit->window.y + y);
                alike = alike && memcmp(&to[y * unit->window.width + x], to, sizeof(T)) == 0;
            }
        pixels->pixels = static_cast<unsigned char *>(buffer);
        pixels->row_bytes = sizeof(T) * unit->window.width;
        pixels->band_bytes = pixels->row_bytes * unit->window.height;
        pixels->constant = raster.constants && alike;
        if (pixels->constant) {
            memcpy(pixels->value, to, sizeof(T));
            memset(buffer, 0xEE, static_cast<size_t>(source->info.unit_bytes));
        }
        return true;
    }

    stf_source *m_source;
};

TEST(NodataRows, every_row_against_brute_force) {
    std::mt19937 random(5);
    const int16_t nodata = -7;
    const auto upto = [&random](uint32_t most) { return 1 + static_cast<uint32_t>(random() % most); };
    for (int round = 0; round < 300; round++) {
        Raster<int16_t> raster(GDT_Int16, upto(40), upto(40), upto(16), upto(16));
        raster.constants = round % 3 == 0;
        for (uint32_t holes = upto(2 * raster.height) - 1; holes > 0; holes--)
            raster.at(upto(raster.width) - 1, upto(raster.height) - 1) = -7;
        SCOPED_TRACE(round);
        ASSERT_NO_FATAL_FAILURE(raster.find(-7, STF_NODATA_ROWS_ALL));
        bool any = false;
        uint64_t units = 0;
        for (uint32_t y = 0; y < raster.height; y++) {
            bool expected = false;
            for (uint32_t x = 0; x < raster.width; x++)
                expected = expected || raster.at(x, y) == -7;
            ASSERT_EQ(raster.holds(y), expected) << y;
            any = any || expected;
        }
        for (int count : raster.read_units) {
            ASSERT_LE(count, 1);
            units += static_cast<uint64_t>(count);
        }
        EXPECT_EQ(stf_nodata_rows_decodes(raster.rows), 3 * units);
        const void *pixel = stf_nodata_rows_pixel(raster.rows);
        ASSERT_EQ(pixel != nullptr, any);
        if (pixel) {
            EXPECT_EQ(memcmp(pixel, &nodata, sizeof nodata), 0);
        }
    }
}

TEST(NodataRows, ends_where_every_row_of_the_units_is_known) {
    Raster<uint8_t> raster(GDT_Byte, 40, 20, 10, 10);
    for (uint32_t y = 0; y < 10; y++)
        raster.at(y < 9 ? 0 : 15, y) = 0; // the last of them in the second unit
    ASSERT_NO_FATAL_FAILURE(raster.find(0, STF_NODATA_ROWS_ALL));
    EXPECT_EQ(raster.read_units, (std::vector<int>{1, 1, 0, 0, 1, 1, 1, 1}));
}

TEST(NodataRows, nan_counts_beside_nodata) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    Raster<float> raster(GDT_Float32, 6, 4, 2, 2);
    raster.at(5, 1) = nan;
    raster.at(3, 2) = -9999;
    ASSERT_NO_FATAL_FAILURE(raster.find(-9999, STF_NODATA_ROWS_ALL));
    EXPECT_FALSE(raster.holds(0));
    EXPECT_TRUE(raster.holds(1));
    EXPECT_TRUE(raster.holds(2));
    ASSERT_NO_FATAL_FAILURE(raster.find(nan, STF_NODATA_ROWS_ALL));
    EXPECT_TRUE(raster.holds(1));
    EXPECT_FALSE(raster.holds(2));
}

// gdaldem computes in Float32: what becomes nodata there is nodata.
TEST(NodataRows, wide_types_are_compared_as_floats) {
    Raster<int32_t> raster(GDT_Int32, 6, 4, 2, 2);
    raster.at(1, 0) = 16777217;
    raster.at(1, 2) = 16777218;
    ASSERT_NO_FATAL_FAILURE(raster.find(16777216, STF_NODATA_ROWS_ALL));
    EXPECT_TRUE(raster.holds(0));
    EXPECT_FALSE(raster.holds(2));
    Raster<double> doubles(GDT_Float64, 6, 4, 2, 2);
    doubles.at(1, 3) = -3.4028234663852886e38;
    ASSERT_NO_FATAL_FAILURE(doubles.find(-3.4028234663852886e38, STF_NODATA_ROWS_ALL));
    EXPECT_TRUE(doubles.holds(3));
}

TEST(NodataRows, what_integers_can_be) {
    EXPECT_TRUE(stf_nodata_is_possible(GDT_Byte, 255));
    EXPECT_FALSE(stf_nodata_is_possible(GDT_Byte, 256));
    EXPECT_FALSE(stf_nodata_is_possible(GDT_Byte, -1));
    EXPECT_TRUE(stf_nodata_is_possible(GDT_UInt16, 65535));
    EXPECT_TRUE(stf_nodata_is_possible(GDT_Int16, -32768));
    EXPECT_FALSE(stf_nodata_is_possible(GDT_Int16, 32768));
    EXPECT_FALSE(stf_nodata_is_possible(GDT_Int16, 7.5));
    EXPECT_TRUE(stf_nodata_is_possible(GDT_Int16, 7.001)) << "GDAL rounds it";
    EXPECT_FALSE(stf_nodata_is_possible(GDT_Byte, NAN));
    EXPECT_TRUE(stf_nodata_is_possible(GDT_Float32, 1e30));
    EXPECT_TRUE(stf_nodata_is_possible(GDT_UInt32, -9999));
}

// Heights extrapolated beyond the edges: 2 * at - inside.
TEST(NodataRows, edges_ask_for_the_rows_around_them) {
    Raster<float> raster(GDT_Float32, 40, 60, 10, 10);
    raster.at(20, 29) = -9; // found only where the middle units of its row are read
    raster.at(20, 55) = -9;
    ASSERT_NO_FATAL_FAILURE(raster.find(-9, STF_NODATA_ROWS_EDGES));
    for (uint32_t row = 0; row < 6; row++)
        for (uint32_t column = 0; column < 4; column++)
            EXPECT_EQ(raster.reads(column, row), column == 0 || column == 3 ? 1 : 0);
    raster.at(39, 31) = 1;
    raster.at(38, 31) = 11; // 2 * 1 - 11 = -9
    ASSERT_NO_FATAL_FAILURE(raster.find(-9, STF_NODATA_ROWS_EDGES));
    EXPECT_TRUE(raster.holds(29)) << "two rows above, in another row of units";
    for (uint32_t row = 0; row < 6; row++)
        EXPECT_EQ(raster.reads(1, row), row == 2 || row == 3 ? 1 : 0) << row;
    raster.at(39, 31) = 2;
    raster.at(38, 31) = std::nextafter(13.0f, 0.0f); // next to it
    ASSERT_NO_FATAL_FAILURE(raster.find(-9, STF_NODATA_ROWS_EDGES));
    EXPECT_TRUE(raster.holds(29));
}

TEST(NodataRows, last_units_of_one_column_are_looked_into) {
    Raster<float> raster(GDT_Float32, 21, 10, 10, 10);
    raster.at(20, 3) = 1;
    raster.at(19, 3) = 11;
    raster.at(15, 3) = -9;
    ASSERT_NO_FATAL_FAILURE(raster.find(-9, STF_NODATA_ROWS_EDGES));
    EXPECT_TRUE(raster.holds(3));
}

TEST(NodataRows, a_failing_read_is_told) {
    Raster<float> raster(GDT_Float32, 40, 60, 10, 10);
    stf_error err{};
    raster.fails = true;
    EXPECT_FALSE(raster.try_to_find(-9, STF_NODATA_ROWS_ALL, &err));
    EXPECT_STREQ(err.text, "broken");
    stf_nodata_rows_free(nullptr);
}

} // namespace
