// Blocks read without GDAL: directories that lie, blocks that lie, and predictors undone.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "block_decoder.h"
#include "block_repeat.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "predictor.h"
#include "source_direct.h"
#include "tiff.h"
#include "unpredictor.h"

namespace {

using Bytes = std::vector<unsigned char>;

// A file of the system's, gone at the end.
class File {
  public:
    explicit File(const Bytes &content) : path_(CPLGenerateTempFilename("direct")) { write(content); }
    ~File() { VSIUnlink(path_.c_str()); }
    const char *path() const { return path_.c_str(); }
    void write(const Bytes &content) const {
        FILE *file = fopen(path(), "wb");
        ASSERT_NE(file, nullptr);
        if (!content.empty()) {
            ASSERT_EQ(fwrite(content.data(), 1, content.size(), file), content.size());
        }
        fclose(file);
    }
    Bytes read() const {
        Bytes content(1 << 20);
        FILE *file = fopen(path(), "rb");
        content.resize(file != nullptr ? fread(content.data(), 1, content.size(), file) : 0);
        if (file != nullptr)
            fclose(file);
        return content;
    }
    stf_platform_file *open() const {
        stf_platform_open found;
        return stf_platform_open_files(path(), &found) ? stf_platform_file_open(path(), &found) : nullptr;
    }

  private:
    std::string path_;
};

// --- directories -----------------------------------------------------------------------------------

struct Entry {
    uint16_t tag, type;
    uint64_t count, value;
};

// A little-endian or big-endian, classic or BigTIFF file of one directory at its usual place, of file_bytes in all.
Bytes directory(const std::vector<Entry> &entries, bool big = false, bool swapped = false, size_t file_bytes = 4096,
                uint64_t claimed_entries = 0) {
    Bytes file;
    auto put = [&](uint64_t value, int bytes) {
        for (int i = 0; i < bytes; i++)
            file.push_back(static_cast<unsigned char>(value >> 8 * (swapped ? bytes - 1 - i : i)));
    };
    file.assign(2, swapped ? 'M' : 'I');
    put(big ? 43 : 42, 2);
    if (big)
        put(8, 2), put(0, 2);
    put(big ? 16 : 8, big ? 8 : 4);
    put(claimed_entries > 0 ? claimed_entries : entries.size(), big ? 8 : 2);
    for (const Entry &entry : entries) {
        put(entry.tag, 2);
        put(entry.type, 2);
        put(entry.count, big ? 8 : 4);
        const int size = entry.type == TIFF_SHORT ? 2 : entry.type == TIFF_LONG ? 4 : 8, room = big ? 8 : 4;
        if (entry.count > 1 || size > room) {
            put(entry.value, room); // a place
        } else {
            put(entry.value, size);
            put(0, room - size);
        }
    }
    put(big ? 16 : 8, big ? 8 : 4); // the next directory is this one
    if (file.size() < file_bytes)
        file.resize(file_bytes);
    return file;
}

// 4 x 6 Bytes in three strips.
std::vector<Entry> plain() {
    return {{TIFFTAG_IMAGEWIDTH, TIFF_SHORT, 1, 4},    {TIFFTAG_IMAGELENGTH, TIFF_SHORT, 1, 6},
            {TIFFTAG_BITSPERSAMPLE, TIFF_SHORT, 1, 8}, {TIFFTAG_COMPRESSION, TIFF_SHORT, 1, 1},
            {TIFFTAG_PHOTOMETRIC, TIFF_SHORT, 1, 1},   {TIFFTAG_STRIPOFFSETS, TIFF_LONG, 3, 1000},
            {TIFFTAG_ROWSPERSTRIP, TIFF_SHORT, 1, 2},  {TIFFTAG_STRIPBYTECOUNTS, TIFF_LONG, 3, 1012}};
}

std::string refusal(const Bytes &content) {
    const File file(content);
    stf_platform_file *opened = file.open();
    EXPECT_NE(opened, nullptr);
    stf_tiff_index index;
    const char *why = "";
    const bool done = stf_tiff_index_read(opened, &index, &why);
    if (done)
        stf_tiff_index_free(&index);
    stf_platform_file_close(opened);
    return done ? "" : why;
}

std::string refusal_with(uint16_t tag, const Entry &other) {
    std::vector<Entry> entries = plain();
    for (Entry &entry : entries)
        if (entry.tag == tag)
            entry = other;
    return refusal(directory(entries));
}

TEST(TiffIndex, plain_files_of_either_kind_and_order_are_understood) {
    for (bool big : {false, true})
        for (bool swapped : {false, true}) {
            Bytes content = directory(plain(), big, swapped);
            for (size_t at = 1000; at < 1024; at += 4)
                content[at + (swapped ? 3 : 0)] = 8;
            const File file(content);
            stf_platform_file *opened = file.open();
            stf_tiff_index index;
            const char *why = "";
            ASSERT_TRUE(stf_tiff_index_read(opened, &index, &why)) << why;
            EXPECT_EQ(index.swapped, swapped);
            EXPECT_EQ(index.blocks, 3u);
            EXPECT_EQ(index.rows, 3u);
            EXPECT_EQ(index.counts[1], 8u);
            EXPECT_EQ(stf_tiff_index_cost_bytes(&index), 36u);
            stf_tiff_index_free(&index);
            stf_platform_file_close(opened);
        }
}

TEST(TiffIndex, what_is_no_tiff_or_is_cut_short_is_refused) {
    EXPECT_NE(refusal({}), "");
    EXPECT_NE(refusal({'I', 'I', 42, 0}), "");
    EXPECT_NE(refusal({'I', 'I', 42, 0, 255, 255, 255, 255, 0, 0}), "");
    EXPECT_NE(refusal({'P', 'K', 42, 0, 8, 0, 0, 0, 0, 0}), "");
    const Bytes whole = directory(plain());
    for (size_t bytes = 0; bytes < 1024; bytes++)
        ASSERT_NE(refusal(Bytes(whole.begin(), whole.begin() + static_cast<long>(bytes))), "") << bytes;
}

TEST(TiffIndex, giant_directories_and_tables_take_no_memory) {
    EXPECT_NE(refusal(directory(plain(), false, false, 4096, 65535)), "");
    EXPECT_NE(refusal(directory(plain(), true, false, 4096, UINT64_MAX)), "");
    EXPECT_NE(refusal(directory(plain(), true, false, 4096, (1ull << 60) + 1)), "");
    const Entry million = {TIFFTAG_STRIPOFFSETS, TIFF_LONG, 1u << 30, 1000};
    EXPECT_NE(refusal_with(TIFFTAG_STRIPOFFSETS, million), "");
    // Four milliards of strips, and tables that say they have them.
    std::vector<Entry> tall = plain();
    for (Entry &entry : tall) {
        if (entry.tag == TIFFTAG_IMAGELENGTH)
            entry = {entry.tag, TIFF_LONG, 1, 0xFFFFFFFE};
        if (entry.tag == TIFFTAG_STRIPOFFSETS || entry.tag == TIFFTAG_STRIPBYTECOUNTS)
            entry.count = 0x7FFFFFFF;
    }
    EXPECT_NE(refusal(directory(tall)).find("larger than the file"), std::string::npos);
}

TEST(TiffIndex, oddities_are_left_to_gdal) {
    EXPECT_NE(refusal_with(TIFFTAG_BITSPERSAMPLE, {TIFFTAG_BITSPERSAMPLE, TIFF_SHORT, 1, 12}), "");
    EXPECT_NE(refusal_with(TIFFTAG_PHOTOMETRIC, {TIFFTAG_IMAGEWIDTH, TIFF_SHORT, 1, 4}).find("twice"),
              std::string::npos);
    EXPECT_NE(refusal_with(TIFFTAG_IMAGEWIDTH, {TIFFTAG_IMAGEWIDTH, TIFF_SHORT, 1, 0}), "");
    EXPECT_NE(refusal_with(TIFFTAG_ROWSPERSTRIP, {TIFFTAG_ROWSPERSTRIP, TIFF_SHORT, 1, 0}), "");
    EXPECT_NE(refusal_with(TIFFTAG_ROWSPERSTRIP, {TIFFTAG_FILLORDER, TIFF_SHORT, 1, 2}), "");
    EXPECT_NE(refusal_with(TIFFTAG_STRIPBYTECOUNTS, {TIFFTAG_STRIPBYTECOUNTS, TIFF_LONG, 4, 1012}), "");
    EXPECT_NE(refusal_with(TIFFTAG_STRIPBYTECOUNTS, {TIFFTAG_STRIPBYTECOUNTS, TIFF_ASCII, 3, 1012}), "");
    Bytes content = directory(plain());
    content[1000] = 8;
    EXPECT_NE(refusal(content).find("a place but no size"), std::string::npos);
}

TEST(TiffIndex, single_tags_are_read_in_the_host_s_order) {
    const uint16_t wanted[] = {TIFFTAG_YCBCRSUBSAMPLING, TIFFTAG_REFERENCEBLACKWHITE, TIFFTAG_JPEGTABLES};
    for (bool big : {false, true})
        for (bool swapped : {false, true}) {
            std::vector<Entry> entries = plain();
            entries.push_back({TIFFTAG_REFERENCEBLACKWHITE, TIFF_RATIONAL, 6, 2000});
            entries.push_back({TIFFTAG_YCBCRSUBSAMPLING, TIFF_SHORT, 1, 2});
            Bytes content = directory(entries, big, swapped);
            for (size_t i = 0; i < 12; i++)
                content[2000 + 4 * i + (swapped ? 3 : 0)] = static_cast<unsigned char>(i + 1);
            const File file(content);
            stf_platform_file *opened = file.open();
            stf_tag_list tags;
            const char *why = "";
            ASSERT_TRUE(stf_tiff_index_read_tags(opened, wanted, 3, &tags, &why)) << why;
            EXPECT_EQ(tags.count, 2u);
            const stf_tag *reference = stf_tag_list_find(&tags, TIFFTAG_REFERENCEBLACKWHITE);
            ASSERT_NE(reference, nullptr);
            for (uint32_t i = 0; i < 12; i++)
                EXPECT_EQ(static_cast<const uint32_t *>(reference->values)[i], i + 1);
            const stf_tag *sampling = stf_tag_list_find(&tags, TIFFTAG_YCBCRSUBSAMPLING);
            ASSERT_NE(sampling, nullptr);
            EXPECT_EQ(*static_cast<const uint16_t *>(sampling->values), 2);
            stf_tag_list_remove(&tags, TIFFTAG_REFERENCEBLACKWHITE);
            stf_tag_list_remove(&tags, TIFFTAG_JPEGTABLES);
            EXPECT_EQ(tags.count, 1u);
            stf_tag_list_free(&tags);
            stf_platform_file_close(opened);
        }
}

TEST(TiffIndex, single_tags_that_are_too_large_or_there_twice_are_refused) {
    const uint16_t wanted[] = {TIFFTAG_JPEGTABLES};
    const std::vector<std::vector<Entry>> hostile = {
        {{TIFFTAG_JPEGTABLES, TIFF_UNDEFINED, 0xFFFFFFFF, 1000}},
        {{TIFFTAG_JPEGTABLES, TIFF_UNDEFINED, 100, 4090}},
        {{TIFFTAG_JPEGTABLES, 99, 10, 1000}},
        {{TIFFTAG_JPEGTABLES, TIFF_UNDEFINED, 0, 1000}},
        {{TIFFTAG_JPEGTABLES, TIFF_UNDEFINED, 100, 1000}, {TIFFTAG_JPEGTABLES, TIFF_UNDEFINED, 100, 1000}},
    };
    for (const std::vector<Entry> &entries : hostile) {
        const File file(directory(entries));
        stf_platform_file *opened = file.open();
        stf_tag_list tags;
        const char *why = "";
        EXPECT_FALSE(stf_tiff_index_read_tags(opened, wanted, 1, &tags, &why));
        EXPECT_EQ(tags.count, 0u);
        EXPECT_STRNE(why, "");
        stf_platform_file_close(opened);
    }
}

TEST(TiffIndex, no_bytes_whatever_make_it_fall) {
    std::mt19937 random(7);
    const Bytes whole = directory(plain(), false, false, 1200);
    for (int round = 0; round < 3000; round++) {
        Bytes broken = whole;
        for (int i = 0; i < 4; i++)
            broken[random() % 110] = static_cast<unsigned char>(random());
        refusal(broken);
    }
}

// --- blocks ----------------------------------------------------------------------------------------

constexpr int Size = 96, Block = 32;

class Direct : public testing::Test {
  protected:
    static void SetUpTestSuite() { GDALAllRegister(); }
    void SetUp() override {
        if (!stf_block_decoder_knows(COMPRESSION_ADOBE_DEFLATE) || !stf_block_decoder_knows(COMPRESSION_ZSTD))
            GTEST_SKIP() << "built without the libraries";
    }
    void TearDown() override {
        stf_direct_close(direct);
        GDALClose(dataset);
    }

    void make(const char *codec, const std::function<int(int x, int y)> &picture = {}) {
        const std::string compress = std::string("COMPRESS=") + codec;
        const char *options[] = {"TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=32", compress.c_str(), nullptr};
        GDALDatasetH made = GDALCreate(GDALGetDriverByName("GTiff"), file.path(), Size, Size, 1, GDT_UInt16,
                                       const_cast<char **>(options));
        ASSERT_NE(made, nullptr);
        for (int i = 0; i < Size * Size; i++)
            pixels.push_back(static_cast<uint16_t>(picture ? picture(i % Size, i / Size) : i * 7 % 1000));
        ASSERT_EQ(GDALRasterIO(GDALGetRasterBand(made, 1), GF_Write, 0, 0, Size, Size, pixels.data(), Size, Size,
                               GDT_UInt16, 0, 0),
                  CE_None);
        GDALClose(made);
    }
    // Where block 1, 1 lies, and how the tables are changed for it.
    void find_block() {
        const File &f = file;
        stf_platform_file *opened = f.open();
        const char *why;
        stf_tiff_index index;
        ASSERT_TRUE(stf_tiff_index_read(opened, &index, &why)) << why;
        offset = index.offsets[4];
        count = index.counts[4];
        stf_tiff_index_free(&index);
        stf_platform_file_close(opened);
    }
    // Both are looked for in the tables as they are: there is no other such number.
    void claim(uint32_t before, uint32_t now) {
        Bytes content = file.read();
        size_t found = 0;
        for (size_t at = 0; at + 4 <= content.size(); at++)
            if (memcmp(&content[at], &before, 4) == 0) {
                memcpy(&content[at], &now, 4);
                found++;
                break;
            }
        ASSERT_EQ(found, 1u);
        file.write(content);
    }
    void open() {
        const char *why = "";
        stf_platform_open found;
        dataset = GDALOpen(file.path(), GA_ReadOnly);
        ASSERT_NE(dataset, nullptr);
        ASSERT_TRUE(stf_platform_open_files(file.path(), &found));
        direct = stf_direct_open(dataset, &found, &why);
        ASSERT_NE(direct, nullptr) << why;
    }
    std::string read(uint32_t column, uint32_t row) {
        stf_error err{};
        std::vector<uint16_t> block(Block * Block);
        const bool done = stf_direct_read(direct, 0, 0, column, row, reinterpret_cast<unsigned char *>(block.data()),
                                          sizeof(uint16_t) * Block * Block, &err);
        for (uint32_t y = 0; done && y < Block; y++)
            EXPECT_EQ(memcmp(&block[y * Block], &pixels[(row * Block + y) * Size + column * Block], 2 * Block), 0);
        return done ? "" : err.text;
    }
    // The block fails with that in its message, and the one beside it is read.
    void expect_broken(const char *message) {
        open();
        const std::string text = read(1, 1);
        EXPECT_NE(text.find(message), std::string::npos) << text;
        EXPECT_NE(text.find("block 1, 1"), std::string::npos) << text;
        EXPECT_EQ(read(2, 1), "");
    }
    void overwrite(size_t from, const Bytes &bytes) {
        Bytes content = file.read();
        std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<long>(offset + from));
        file.write(content);
    }

    const File file{{}};
    std::vector<uint16_t> pixels;
    stf_direct *direct = nullptr;
    GDALDatasetH dataset = nullptr;
    uint64_t offset = 0;
    uint32_t count = 0;
};

TEST_F(Direct, all_codecs_decode_what_was_written) {
    for (const char *codec : {"NONE", "DEFLATE", "ZSTD", "LZW"}) {
        pixels.clear();
        make(codec);
        open();
        for (uint32_t block = 0; block < 9; block++)
            EXPECT_EQ(read(block % 3, block / 3), "") << codec;
        TearDown();
        direct = nullptr;
        dataset = nullptr;
    }
}

// Blocks of two values in turn, and one that begins like them: what was kept of the last block is used for the same only.
TEST_F(Direct, blocks_of_one_value) {
    const auto picture = [](int x, int y) {
        const int block = y / Block * 3 + x / Block;
        return block == 4 && x == 63 && y == 63 ? 1 : block == 7 ? x : block % 4 < 2 ? 7 : 300;
    };
    for (const char *codec : {"NONE", "DEFLATE", "ZSTD", "LZW"}) {
        pixels.clear();
        make(codec, picture);
        open();
        for (uint32_t block : {0, 1, 0, 2, 3, 2, 4, 5, 4, 6, 7, 8, 7, 6, 0, 0})
            EXPECT_EQ(read(block % 3, block / 3), "") << codec << " " << block;
        TearDown();
        direct = nullptr;
        dataset = nullptr;
    }
}

// One descriptor and one table serve all of them.
TEST_F(Direct, readers_on_threads_of_their_own) {
    make("DEFLATE");
    open();
    ASSERT_TRUE(stf_direct_open_readers(direct, 4, nullptr));
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (uint32_t reader = 0; reader < 4; reader++)
        threads.emplace_back([&, reader] {
            std::vector<uint16_t> block(Block * Block);
            for (uint32_t i = 0; i < 90; i++) {
                const uint32_t column = (i + reader) % 3, row = i / 3 % 3;
                auto *to = reinterpret_cast<unsigned char *>(block.data());
                if (stf_direct_read(direct, reader, 0, column, row, to, 2 * Block * Block, nullptr) &&
                    memcmp(&block[Block], &pixels[(row * Block + 1) * Size + column * Block], 2 * Block) == 0)
                    right++;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(right, 4 * 90);
}

TEST_F(Direct, place_beyond_the_end) {
    make("DEFLATE");
    find_block();
    claim(static_cast<uint32_t>(offset), 0x7FFFFFF0);
    expect_broken("does not lie within the file");
}

TEST_F(Direct, size_beyond_the_end) {
    make("DEFLATE");
    find_block();
    claim(static_cast<uint32_t>(offset), static_cast<uint32_t>(file.read().size()) - 3);
    expect_broken("does not lie within the file");
}

TEST_F(Direct, file_that_shrinks_while_it_is_read) {
    make("DEFLATE");
    find_block();
    open();
    Bytes content = file.read();
    content.resize(offset + 5);
    file.write(content);
    EXPECT_NE(read(1, 1).find("cannot be read"), std::string::npos);
}

TEST_F(Direct, broken_deflate_stream) {
    make("DEFLATE");
    find_block();
    overwrite(count / 2, Bytes(20, 0xFF));
    expect_broken("DEFLATE stream is broken");
}

TEST_F(Direct, cut_deflate_stream) {
    make("DEFLATE");
    find_block();
    overwrite(0, {0x78, 0x9C, 0xFF});
    expect_broken("DEFLATE stream is broken");
}

// An empty stream, and one of stored bytes that are a block and 1 more.
TEST_F(Direct, deflate_stream_of_less_or_more) {
    make("DEFLATE");
    find_block();
    overwrite(0, {0x78, 0x9C, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01});
    expect_broken("less than a block");
}

TEST_F(Direct, wrong_zstd_frame) {
    make("ZSTD");
    find_block();
    overwrite(0, {'n', 'o', 't', ' '});
    expect_broken("ZSTD frame is broken");
}

TEST_F(Direct, empty_zstd_frame) {
    make("ZSTD");
    find_block();
    overwrite(0, {0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00});
    expect_broken("less than a block");
}

TEST_F(Direct, file_replaced_before_it_is_opened_again) {
    make("NONE");
    stf_platform_open found;
    const char *why = "";
    dataset = GDALOpen(file.path(), GA_ReadOnly);
    ASSERT_TRUE(stf_platform_open_files(file.path(), &found));
    const Bytes content = file.read();
    const File other(content); // so that the old file's number is not given again
    ASSERT_EQ(rename(other.path(), file.path()), 0);
    EXPECT_EQ(stf_direct_open(dataset, &found, &why), nullptr);
    EXPECT_NE(std::string(why).find("another one"), std::string::npos);
}

// --- blocks that come again ------------------------------------------------------------------------

class BlockRepeat : public testing::Test {
  protected:
    static constexpr uint32_t Rows = 5, Width = 7;
    Bytes memory = Bytes(3 * 100);
    const Bytes compressed = {1, 2, 3};
    stf_block_repeat repeat{};

    // Two bands of two bytes each, of these values.
    stf_block_pixels block(uint16_t first, uint16_t second, uint32_t rows = Rows) {
        for (size_t i = 0; i < Rows * Width; i++) {
            memcpy(&memory[2 * i], &first, 2);
            memcpy(&memory[100 + 2 * i], &second, 2);
        }
        return {memory.data(), 100, 2, 2, rows, Width};
    }
    bool again(const Bytes &bytes, uint32_t rows = Rows) {
        const stf_block_pixels to = block(0, 0, rows);
        return stf_block_repeat_fill(&repeat, bytes.data(), bytes.size(), &to);
    }
    void keep(const Bytes &bytes, const stf_block_pixels &from) {
        stf_block_repeat_keep(&repeat, bytes.data(), bytes.size(), &from);
    }
};

TEST_F(BlockRepeat, fills_all_bands_and_nothing_else) {
    EXPECT_FALSE(again(compressed));
    EXPECT_FALSE(again({}));
    const stf_block_pixels from = block(700, 5);
    const Bytes expected = memory;
    keep(compressed, from);
    EXPECT_TRUE(again(compressed));
    EXPECT_EQ(memory, expected);
}

TEST_F(BlockRepeat, other_bytes_and_other_rows_are_decoded) {
    keep(compressed, block(700, 5));
    EXPECT_FALSE(again({1, 2, 4}));
    EXPECT_FALSE(again({1, 2}));
    EXPECT_FALSE(again({1, 2, 3, 4}));
    EXPECT_FALSE(again(compressed, Rows - 1));
    EXPECT_TRUE(again(compressed));
}

TEST_F(BlockRepeat, blocks_of_more_values_or_too_many_bytes_are_not_kept) {
    for (size_t at : {size_t{0}, size_t{2 * Rows * Width - 1}, size_t{100}, size_t{100 + 2 * Rows * Width - 1}}) {
        const stf_block_pixels from = block(700, 5);
        memory[at] ^= 1;
        keep(compressed, from);
        EXPECT_FALSE(again(compressed)) << at;
    }
    keep(compressed, block(700, 5)); // of which nothing is left once the first band of another was taken over it
    const stf_block_pixels mixed = block(9, 9);
    memory[100] ^= 1;
    keep({4, 5}, mixed);
    EXPECT_FALSE(again(compressed));
    const Bytes most(STF_BLOCK_REPEAT_BYTES, 1), more(STF_BLOCK_REPEAT_BYTES + 1, 1);
    keep(more, block(700, 5));
    EXPECT_FALSE(again(more));
    keep(most, block(700, 5));
    EXPECT_TRUE(again(most));
    stf_block_pixels wide = block(700, 5);
    wide.bands = 33;
    keep(compressed, wide);
    EXPECT_FALSE(again(compressed));
}

// --- codecs alone ----------------------------------------------------------------------------------

TEST(BlockDecoder, more_than_a_block_is_not_written) {
    if (!stf_block_decoder_knows(COMPRESSION_ADOBE_DEFLATE))
        GTEST_SKIP() << "built without the library";
    // Ten stored bytes; the check sum of ten times 'a' is 0x14E103CB.
    const Bytes stream = {0x78, 0x01, 0x01, 10,  0,   0xF5, 0xFF, 'a',  'a',  'a', 'a',
                          'a',  'a',  'a',  'a', 'a', 'a',  0x14, 0xE1, 0x03, 0xCB};
    stf_block_decoder *decoder = stf_block_decoder_create(COMPRESSION_ADOBE_DEFLATE);
    Bytes room(10);
    EXPECT_EQ(stf_block_decoder_run(decoder, stream.data(), stream.size(), room.data(), 10, 10), nullptr);
    EXPECT_EQ(room, Bytes(10, 'a'));
    Bytes small(9);
    EXPECT_STREQ(stf_block_decoder_run(decoder, stream.data(), stream.size(), small.data(), 9, 9),
                 "it decodes to more than a block");
    stf_block_decoder_destroy(decoder);
}

TEST(BlockDecoder, any_bytes_are_safe_to_decode) {
    std::mt19937 random(3);
    for (uint16_t codec :
         std::initializer_list<uint16_t>{COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_ZSTD}) {
        stf_block_decoder *decoder = stf_block_decoder_create(codec);
        if (decoder == nullptr)
            continue;
        for (int round = 0; round < 4000; round++) {
            Bytes from(random() % 300), to(1 + random() % 2000);
            for (unsigned char &byte : from)
                byte = static_cast<unsigned char>(random());
            if (codec == COMPRESSION_LZW && from.size() > 2) { // past the clearing code
                from[0] = 0x80;
                from[1] &= 0x7F;
            }
            stf_block_decoder_run(decoder, from.data(), from.size(), to.data(), 1 + random() % to.size(), to.size());
        }
        stf_block_decoder_destroy(decoder);
    }
}

TEST(BlockDecoder, lzw_by_hand) {
    // Clear, 'a', 258 (which is only being defined: "aa"), 258 again, end: aaaaa.
    const Bytes stream = {0x80, 0x18, 0x60, 0x50, 0x28, 0x08};
    stf_block_decoder *decoder = stf_block_decoder_create(COMPRESSION_LZW);
    Bytes room(5);
    EXPECT_EQ(stf_block_decoder_run(decoder, stream.data(), stream.size(), room.data(), 5, 5), nullptr);
    EXPECT_EQ(room, Bytes(5, 'a'));
    EXPECT_STREQ(stf_block_decoder_run(decoder, stream.data(), stream.size(), room.data(), 4, 4),
                 "it decodes to more than a block");
    const Bytes undefined = {0x80, 0x18, 0x65, 0x90, 0x10}; // clear, 'a', 300
    EXPECT_STREQ(stf_block_decoder_run(decoder, undefined.data(), undefined.size(), room.data(), 5, 5),
                 "it has an LZW code without a string");
    Bytes wide(6);
    EXPECT_STREQ(stf_block_decoder_run(decoder, stream.data(), stream.size(), wide.data(), 6, 6),
                 "it decodes to less than a block");
    stf_block_decoder_destroy(decoder);
}

// --- predictors ------------------------------------------------------------------------------------

TEST(Unpredictor, undoes_the_predictor_for_any_width_and_number_of_bands) {
    std::mt19937 random(11);
    for (uint16_t predictor : std::initializer_list<uint16_t>{PREDICTOR_HORIZONTAL, PREDICTOR_FLOATINGPOINT})
        for (uint16_t bits : std::initializer_list<uint16_t>{8, 16, 32, 64})
            for (uint16_t bands : std::initializer_list<uint16_t>{1, 2, 3, 4, 5, 8, 17})
                for (size_t width : {1, 2, 3, 7, 16, 33, 100}) {
                    if (!stf_predictor_knows(predictor, bits))
                        continue;
                    const size_t samples = width * bands, bytes = samples * bits / 8;
                    // In elements of 8 bytes, so that it is aligned for the predictor; undone at an odd address.
                    std::vector<uint64_t> row(bytes / 8 + 1), scratch(bytes / 8 + 1);
                    for (uint64_t &word : row)
                        word = static_cast<uint64_t>(random()) << 32 | random();
                    Bytes wanted(bytes), found(bytes + 1), other(bytes);
                    memcpy(wanted.data(), row.data(), bytes);
                    stf_predictor_apply(predictor, row.data(), 1, samples, bands, bits, scratch.data());
                    memcpy(found.data() + 1, row.data(), bytes);
                    if (predictor == PREDICTOR_HORIZONTAL)
                        stf_unpredict_horizontal(found.data() + 1, width, bands, bits);
                    else
                        stf_unpredict_floating_point(found.data() + 1, width, bands, bits, other.data());
                    ASSERT_EQ(memcmp(found.data() + 1, wanted.data(), bytes), 0)
                        << predictor << " " << bits << " " << bands << " " << width;
                }
}

TEST(Unpredictor, bands_are_told_apart_and_bytes_turned) {
    Bytes row(3 * 4), apart(3 * 4 + 8);
    for (size_t i = 0; i < row.size(); i++)
        row[i] = static_cast<unsigned char>(i);
    stf_unpredict_separate(row.data(), 2, 3, 2, apart.data(), 8);
    EXPECT_EQ(Bytes(apart.begin(), apart.begin() + 4), (Bytes{0, 1, 6, 7}));
    EXPECT_EQ(Bytes(apart.begin() + 16, apart.end()), (Bytes{4, 5, 10, 11}));
    stf_unpredict_swap(row.data() + 1, 2, 4);
    EXPECT_EQ(Bytes(row.begin(), row.begin() + 10), (Bytes{0, 4, 3, 2, 1, 8, 7, 6, 5, 9}));
}

} // namespace
