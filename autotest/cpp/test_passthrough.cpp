// Which tiles can be copied as they are: one property differs at a time, and is named.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "passthrough.h"
#include "tiff.h"

namespace {

// A source of 5 x 3 tiles of 16 x 32 pixels, of two Int16 bands in one block, and a target of all of it.
class Pair {
  public:
    Pair() {
        index.tiled = true;
        index.width_px = 75, index.height_px = 96;
        index.block_width_px = 16, index.block_rows = 32;
        index.columns = 5, index.rows = 3;
        index.bands = 2, index.sample_bits = 16;
        index.sample_format = SAMPLEFORMAT_INT;
        index.compression = COMPRESSION_ADOBE_DEFLATE;
        index.predictor = 2;
        index.photometric = PHOTOMETRIC_MINISBLACK;
        index.file_bytes = 1 << 20;
        format.codec.compression = COMPRESSION_ADOBE_DEFLATE;
        format.codec.predictor = 2;
        format.codec.lerc_second_stage = LERC_ADD_COMPRESSION_NONE;
        format.tiled = true;
        format.width_px = 16, format.height_px = 32;
        format.samples = 2, format.sample_bits = format.memory_bits = 16;
        format.sample_format = SAMPLEFORMAT_INT;
        target.photometric = PHOTOMETRIC_MINISBLACK;
        target.bands = 2;
        target.width_px = 75, target.height_px = 96;
    }
    ~Pair() { stf_tag_list_free(&tags); }
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    std::string differs() {
        target.format = &format;
        index.blocks = 15u * (index.planes_apart ? 2u : 1u);
        if (offsets.empty())
            offsets.assign(index.blocks, 1000);
        if (counts.empty())
            counts.assign(index.blocks, 100);
        index.offsets = offsets.data();
        index.counts = counts.data();
        const char *why = stf_passthrough_differs(&index, &tags, &target);
        return why != nullptr ? why : "";
    }

    stf_tiff_index index = {};
    stf_tag_list tags = {};
    stf_tile_format format = {};
    stf_passthrough_target target = {};
    std::vector<uint64_t> offsets;
    std::vector<uint32_t> counts;
};

void set_codec(Pair *pair, uint16_t compression) {
    pair->index.compression = pair->format.codec.compression = compression;
    pair->index.predictor = pair->format.codec.predictor = 1;
}

TEST(Passthrough, what_is_the_same_passes) {
    EXPECT_EQ(Pair().differs(), "");
    Pair older;
    older.index.compression = COMPRESSION_DEFLATE;
    EXPECT_EQ(older.differs(), "");
    Pair apart;
    apart.index.planes_apart = apart.target.planes_apart = true;
    EXPECT_EQ(apart.differs(), "");
}

TEST(Passthrough, each_property_that_differs_is_named) {
    const struct {
        const char *reason;
        std::function<void(Pair *)> change;
    } cases[] = {
        {"compression", [](Pair *p) { p->index.compression = COMPRESSION_LZW; }},
        {"always encoded anew", [](Pair *p) { set_codec(p, COMPRESSION_CCITTFAX4); }},
        {"parameters of LERC", [](Pair *p) { set_codec(p, COMPRESSION_LERC); }},
        {"predictor", [](Pair *p) { p->index.predictor = 1; }},
        {"number of its bands", [](Pair *p) { p->index.bands = 3; }},
        {"interleaved", [](Pair *p) { p->target.planes_apart = true; }},
        {"interleaved", [](Pair *p) { p->index.planes_apart = true; }},
        {"stored", [](Pair *p) { p->index.sample_bits = 32; }},
        {"stored", [](Pair *p) { p->index.sample_format = SAMPLEFORMAT_UINT; }},
        {"stored", [](Pair *p) { p->format.memory_bits = 32; }},
        {"byte order", [](Pair *p) { p->index.swapped = true; }},
        {"byte order", [](Pair *p) { p->format.swapped = true; }},
        {"photometric", [](Pair *p) { p->index.photometric = PHOTOMETRIC_RGB; }},
        {"as they are shown", [](Pair *p) { p->index.photometric = p->target.photometric = PHOTOMETRIC_YCBCR; }},
        {"as they are shown", [](Pair *p) { p->index.photometric = p->target.photometric = PHOTOMETRIC_CIELAB; }},
        {"tiles, not strips", [](Pair *p) { p->format.tiled = false; }},
        {"strips, not tiles", [](Pair *p) { p->index.tiled = false; }},
        {"size of its tiles", [](Pair *p) { p->format.width_px = 32; }},
        {"size of its tiles", [](Pair *p) { p->format.height_px = 16; }},
        {"smaller", [](Pair *p) { p->target.width_px = 76; }},
        {"smaller", [](Pair *p) { p->target.x_px = 16; }},
        {"smaller", [](Pair *p) { p->target.y_px = UINT32_MAX; }},
    };
    for (const auto &one : cases) {
        Pair pair;
        one.change(&pair);
        EXPECT_NE(pair.differs().find(one.reason), std::string::npos) << one.reason << ": " << pair.differs();
    }
}

TEST(Passthrough, windows_begin_and_end_between_tiles) {
    const struct {
        uint32_t x, y, width, height;
        bool passes;
    } cases[] = {
        {16, 32, 32, 32, true},  {16, 32, 59, 64, true},  {64, 64, 11, 32, true},  {15, 32, 32, 32, false},
        {16, 31, 32, 32, false}, {16, 32, 31, 32, false}, {16, 32, 32, 33, false}, {16, 32, 58, 64, false},
        {15, 32, 33, 32, false}, {16, 31, 32, 33, false}, {0, 0, 75, 95, false},   {0, 0, 74, 96, false},
    };
    for (const auto &one : cases) {
        Pair pair;
        pair.target.x_px = one.x, pair.target.y_px = one.y;
        pair.target.width_px = one.width, pair.target.height_px = one.height;
        EXPECT_EQ(pair.differs().empty(), one.passes) << one.x << " " << one.y << " " << one.width << " " << one.height;
    }
}

TEST(Passthrough, tiles_as_they_are_have_exactly_their_bytes) {
    for (uint32_t bytes : {2047u, 2048u, 2049u}) {
        Pair pair;
        set_codec(&pair, COMPRESSION_NONE);
        pair.counts.assign(15, 2048);
        pair.counts[7] = bytes;
        EXPECT_EQ(pair.differs().empty(), bytes == 2048);
        pair.target.width_px = 16; /* the seventh is not among them */
        EXPECT_EQ(pair.differs(), "");
    }
    Pair missing;
    set_codec(&missing, COMPRESSION_NONE);
    missing.counts.assign(15, 2048);
    missing.counts[3] = 0, missing.offsets.assign(15, 1), missing.offsets[3] = 0;
    EXPECT_EQ(missing.differs(), "");
}

TEST(Passthrough, jpeg_has_all_its_tiles) {
    Pair pair;
    set_codec(&pair, COMPRESSION_JPEG);
    pair.index.photometric = pair.target.photometric = PHOTOMETRIC_YCBCR;
    EXPECT_EQ(pair.differs(), "");
    pair.counts[14] = 0;
    EXPECT_NE(pair.differs().find("leaves out"), std::string::npos);
    pair.target.width_px = 64; /* it is not among them */
    EXPECT_EQ(pair.differs(), "");
}

TEST(Passthrough, parameters_of_lerc) {
    const struct {
        std::vector<uint32_t> values;
        bool passes;
    } cases[] = {{{4, 1}, true}, {{4, 0}, false}, {{2, 1}, false}, {{4}, false}};
    for (const auto &one : cases) {
        Pair pair;
        set_codec(&pair, COMPRESSION_LERC);
        pair.format.codec.lerc_second_stage = LERC_ADD_COMPRESSION_DEFLATE;
        ASSERT_TRUE(stf_tag_list_set(&pair.tags, TIFFTAG_LERC_PARAMETERS, TIFF_LONG, one.values.size(),
                                     one.values.data(), nullptr));
        EXPECT_EQ(pair.differs().empty(), one.passes);
    }
}

} // namespace
