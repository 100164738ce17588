// The states of a writer's tiles and the bits of their samples, and the queue between the caller and the workers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "gdal_priv.h"

extern "C" {
#include "writer.h"
#include "writer_internal.h"
}

namespace {

constexpr int WIDTH = 100, HEIGHT = 70;
const char *const TARGET = "/vsimem/test_writer.tif";

class Writer : public ::testing::Test {
  protected:
    void SetUp() override { GDALAllRegister(); }
    void TearDown() override {
        stf_writer_close(m_writer);
        VSIUnlink(TARGET);
    }

    stf_writer *Create(std::vector<const char *> options, int bands = 1) {
        options.insert(options.end(), {"BLOCKXSIZE=32", "BLOCKYSIZE=16", "COMPRESS=DEFLATE", nullptr});
        CPLPushErrorHandler(CPLQuietErrorHandler); // the cap is raised
        m_writer = stf_writer_create(TARGET, WIDTH, HEIGHT, bands, GDT_Byte, const_cast<char **>(options.data()));
        CPLPopErrorHandler();
        return m_writer;
    }

    // A pixel's value is known from its place.
    static unsigned char Value(int x, int y, int band) {
        return static_cast<unsigned char>(x * 7 + y * 3 + band * 50 + 1);
    }

    CPLErr Write(int x, int y, int width, int height, int band = 1, int plus = 0) {
        std::vector<unsigned char> data(static_cast<size_t>(width) * height);
        for (int row = 0; row < height; row++)
            for (int column = 0; column < width; column++)
                data[static_cast<size_t>(row) * width + column] =
                    static_cast<unsigned char>(Value(x + column, y + row, band) + plus);
        const stf_writer_window window{x, y, width, height, data.data(), GDT_Byte, 1, width, 0, &band, 1};
        return stf_writer_write(m_writer, &window);
    }

    std::vector<unsigned char> Read(int x, int y, int width, int height, int band = 1) {
        std::vector<unsigned char> data(static_cast<size_t>(width) * height, 99);
        const stf_writer_window window{x, y, width, height, data.data(), GDT_Byte, 1, width, 0, &band, 1};
        EXPECT_EQ(stf_writer_read(m_writer, &window), CE_None);
        return data;
    }

    int State(uint64_t tile) const { return m_writer->tiles[tile].state; }

    stf_writer *m_writer = nullptr;
};

TEST(WriterMarks, count_each_sample_once) {
    std::mt19937 random(1);
    unsigned char mask[16] = {};
    std::set<uint32_t> marked;
    for (int i = 0; i < 400; i++) {
        const uint32_t x = static_cast<uint32_t>(random() % 128),
                       width = static_cast<uint32_t>(random() % (128 - x)) + 1;
        const size_t before = marked.size();
        for (uint32_t column = x; column < x + width; column++)
            marked.insert(column);
        ASSERT_EQ(stf_writer_mark(nullptr, mask, x, width), marked.size() - before);
        for (uint32_t column = 0; column < 128; column++)
            ASSERT_EQ(mask[column / 8] >> column % 8 & 1, marked.count(column));
        if (marked.size() == 128) {
            marked.clear();
            memset(mask, 0, sizeof mask);
        }
    }
}

TEST_F(Writer, a_tile_is_queued_with_its_last_sample) {
    ASSERT_NE(Create({"NUM_THREADS=1", "MEMORY_CAP=16MB"}, 2), nullptr);
    EXPECT_EQ(State(0), STF_TILE_NEVER);
    ASSERT_EQ(Write(0, 0, 32, 16, 1), CE_None);
    EXPECT_EQ(State(0), STF_TILE_OPEN);
    EXPECT_EQ(m_writer->tiles[0].missing, 32u * 16u);
    ASSERT_EQ(Write(0, 0, 32, 16, 1), CE_None); // once more: nothing new
    EXPECT_EQ(m_writer->tiles[0].missing, 32u * 16u);
    ASSERT_EQ(Write(0, 0, 32, 15, 2), CE_None);
    EXPECT_EQ(State(0), STF_TILE_OPEN);
    ASSERT_EQ(Write(0, 15, 32, 1, 2), CE_None);
    EXPECT_EQ(State(0), STF_TILE_WRITTEN);
    EXPECT_EQ(State(1), STF_TILE_NEVER);
}

TEST_F(Writer, edge_tiles_end_with_the_raster) {
    ASSERT_NE(Create({"NUM_THREADS=1", "MEMORY_CAP=16MB"}), nullptr);
    ASSERT_EQ(Write(96, 64, 4, 6), CE_None); // the last tile's part of the raster
    EXPECT_EQ(State(4 * 5 - 1), STF_TILE_WRITTEN);
}

TEST_F(Writer, reading_does_not_begin_a_tile_and_a_clean_one_is_not_encoded_again) {
    ASSERT_NE(Create({"NUM_THREADS=1", "MEMORY_CAP=16MB"}), nullptr);
    EXPECT_EQ(Read(3, 3, 2, 1), (std::vector<unsigned char>{0, 0}));
    EXPECT_EQ(State(0), STF_TILE_NEVER);
    ASSERT_EQ(Write(0, 0, 32, 16), CE_None);
    EXPECT_EQ(Read(5, 4, 1, 1)[0], Value(5, 4, 1));
    EXPECT_EQ(State(0), STF_TILE_OPEN);
    EXPECT_FALSE(m_writer->tiles[0].changed);
    ASSERT_EQ(stf_writer_finish(m_writer), CE_None);
    EXPECT_STREQ(CSLFetchNameValue(stf_writer_figures(m_writer), "REENCODED_TILES"), "0");
}

TEST_F(Writer, tiles_in_use_together_go_to_the_spill_and_old_ones_give_way) {
    ASSERT_NE(Create({"NUM_THREADS=1", "MEMORY_CAP=1KB"}), nullptr);
    ASSERT_EQ(m_writer->slot_count, static_cast<uint64_t>(STF_WRITER_LEAST_SLOTS));
    for (int y = 0; y < 8; y++)
        ASSERT_EQ(Write(0, y, WIDTH, 1), CE_None);
    EXPECT_EQ(State(0), STF_TILE_OPEN);
    EXPECT_EQ(State(3), STF_TILE_SPILLED); // four tiles in a row, three slots
    const uint64_t spilled = stf_writer_spilled_bytes(m_writer);
    EXPECT_EQ(spilled, 8 * m_writer->record_bytes); // its rows, each once
    for (int y = 16; y < 32; y++)
        for (int x = 0; x < 32; x++) // long enough for all of the first row to be old
            ASSERT_EQ(Write(x, y, 1, 1), CE_None);
    EXPECT_EQ(State(4), STF_TILE_WRITTEN);
    for (int y = 8; y < 16; y++)
        ASSERT_EQ(Write(0, y, WIDTH, 1), CE_None);
    for (uint64_t tile = 0; tile < 5; tile++)
        EXPECT_EQ(State(tile), STF_TILE_WRITTEN) << tile;
    for (int x = 0; x < WIDTH; x++)
        ASSERT_EQ(Read(x, 12, 1, 1)[0], Value(x, 12, 1));
}

TEST_F(Writer, regions_of_the_spill_are_used_again_without_what_was_there) {
    ASSERT_NE(Create({"NUM_THREADS=1", "MEMORY_CAP=1KB"}), nullptr);
    for (int round = 0; round < 4; round++)
        for (int y = 16 * round; y < 16 * round + 16; y++)
            ASSERT_EQ(Write(0, y, WIDTH, 1), CE_None);
    EXPECT_EQ(stf_spill_free_regions(m_writer->spills[0]), m_writer->regions_each);
    EXPECT_EQ(m_writer->spills[1], nullptr);
    ASSERT_EQ(Write(0, 69, WIDTH, 1), CE_None); // one row of tiles that are not complete
    EXPECT_EQ(Read(99, 68, 1, 1)[0], 0);
    EXPECT_EQ(Read(99, 69, 1, 1)[0], Value(99, 69, 1));
}

TEST_F(Writer, random_order_under_the_least_cap_with_threads) {
    for (const char *threads : {"NUM_THREADS=1", "NUM_THREADS=3"}) {
        ASSERT_NE(Create({threads, "MEMORY_CAP=1KB", "INTERLEAVE=BAND"}, 3), nullptr);
        std::mt19937 random(2);
        std::vector<unsigned char> expected(3 * WIDTH * HEIGHT, 0);
        for (int i = 0; i < 600; i++) {
            const int x = static_cast<int>(random() % WIDTH), y = static_cast<int>(random() % HEIGHT);
            const int width = std::min(WIDTH - x, static_cast<int>(random() % 40) + 1);
            const int height = std::min(HEIGHT - y, static_cast<int>(random() % 20) + 1);
            const int band = static_cast<int>(random() % 3) + 1;
            ASSERT_EQ(Write(x, y, width, height, band, i), CE_None);
            for (int row = y; row < y + height; row++)
                for (int column = x; column < x + width; column++)
                    expected[static_cast<size_t>((band - 1) * HEIGHT + row) * WIDTH + column] =
                        static_cast<unsigned char>(Value(column, row, band) + i);
            if (i % 50 == 0) {
                const std::vector<unsigned char> seen = Read(0, 0, WIDTH, HEIGHT, band);
                ASSERT_EQ(
                    memcmp(seen.data(), expected.data() + static_cast<size_t>(band - 1) * WIDTH * HEIGHT, seen.size()),
                    0);
            }
        }
        EXPECT_LE(stf_budget_peak_bytes(m_writer->budget), m_writer->cap_bytes);
        ASSERT_EQ(stf_writer_close(m_writer), CE_None);
        m_writer = nullptr;
        GDALDataset *result = GDALDataset::Open(TARGET);
        ASSERT_NE(result, nullptr);
        std::vector<unsigned char> seen(expected.size());
        EXPECT_EQ(result->RasterIO(GF_Read, 0, 0, WIDTH, HEIGHT, seen.data(), WIDTH, HEIGHT, GDT_Byte, 3, nullptr, 0, 0,
                                   0, nullptr),
                  CE_None);
        EXPECT_EQ(seen, expected);
        GDALClose(result);
    }
}

TEST_F(Writer, bytes_do_not_depend_on_threads) {
    std::vector<std::vector<unsigned char>> files;
    for (const char *threads : {"NUM_THREADS=1", "NUM_THREADS=4"}) {
        ASSERT_NE(Create({threads, "MEMORY_CAP=16MB"}), nullptr);
        for (int y = 0; y < HEIGHT; y++)
            ASSERT_EQ(Write(0, y, WIDTH, 1), CE_None);
        ASSERT_EQ(stf_writer_close(m_writer), CE_None);
        m_writer = nullptr;
        vsi_l_offset bytes = 0;
        const GByte *data = VSIGetMemFileBuffer(TARGET, &bytes, FALSE);
        files.emplace_back(data, data + bytes);
    }
    EXPECT_EQ(files[0], files[1]);
}

TEST_F(Writer, fewer_slots_keep_what_was_in_them) {
    ASSERT_NE(Create({"NUM_THREADS=2", "MEMORY_CAP=16MB"}), nullptr);
    ASSERT_EQ(Write(0, 0, WIDTH, 40), CE_None); // whole tiles and cut ones
    ASSERT_EQ(Read(5, 5, 1, 1)[0], Value(5, 5, 1));
    stf_error err = {};
    ASSERT_TRUE(stf_writer_shrink(m_writer, STF_WRITER_LEAST_SLOTS, &err)) << err.text;
    EXPECT_EQ(State(8), STF_TILE_SPILLED);
    ASSERT_EQ(Write(0, 40, WIDTH, 30), CE_None);
    for (int y = 0; y < HEIGHT; y++)
        ASSERT_EQ(Read(33, y, 1, 1)[0], Value(33, y, 1));
}

} // namespace
