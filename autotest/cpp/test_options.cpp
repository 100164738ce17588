// Creation options: the size grammar, what is refused and why, what GTiff ignores, and the option list.
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include "cpl_conv.h"
#include "cpl_minixml.h"
#include "cpl_string.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "options.h"
#include "platform.h"
#include "tiff.h"

extern "C" void GDALRegister_StreamTIFF(void);

namespace {

constexpr uint64_t KB = 1024, MB = 1024 * KB, GB = 1024 * MB;

stf_raster Raster(stf_sample_kind kind = STF_FLOAT, uint32_t bytes = 4, uint32_t bands = 1, uint32_t width = 4000,
                  uint32_t height = 3000) {
    stf_raster raster = {};
    raster.width_px = width;
    raster.height_px = height;
    raster.bands = bands;
    raster.sample_bytes = bytes;
    raster.kind = kind;
    return raster;
}

stf_raster Byte(uint32_t bands = 1, uint32_t width = 4000, uint32_t height = 3000) {
    return Raster(STF_UINT, 1, bands, width, height);
}

// One parse, and what came of it.
struct Parsed {
    explicit Parsed(const stf_raster &raster, const std::vector<std::string> &texts = {}) {
        CPLStringList list;
        for (const std::string &text : texts)
            list.AddString(text.c_str());
        ok = stf_options_parse(const_cast<char **>(list.List()), &raster, &options, &error);
    }
    ~Parsed() { stf_options_free(&options); }
    Parsed(const Parsed &) = delete;
    Parsed &operator=(const Parsed &) = delete;

    bool ok = false;
    stf_options options = {};
    stf_error error = {};
};

void ExpectRefused(const stf_raster &raster, const std::vector<std::string> &texts, const std::string &part) {
    const Parsed parsed(raster, texts);
    EXPECT_FALSE(parsed.ok) << testing::PrintToString(texts);
    EXPECT_NE(parsed.error.number, CPLE_None);
    EXPECT_NE(std::string(parsed.error.text).find(part), std::string::npos) << parsed.error.text;
    EXPECT_EQ(parsed.options.gtiff_options, nullptr) << "something is left to free";
}

void ExpectTaken(const stf_raster &raster, const std::vector<std::string> &texts) {
    const Parsed parsed(raster, texts);
    EXPECT_TRUE(parsed.ok) << testing::PrintToString(texts) << ": " << parsed.error.text;
}

// Sets a configuration option for as long as it lives.
class Config {
  public:
    Config(const char *name, const char *value) : m_name(name) { CPLSetThreadLocalConfigOption(name, value); }
    ~Config() { CPLSetThreadLocalConfigOption(m_name, nullptr); }
    Config(const Config &) = delete;
    Config &operator=(const Config &) = delete;

  private:
    const char *m_name;
};

/* ------------------------------------------------------------------ */

TEST(Status, first_failure_is_kept) {
    stf_error error = {};
    EXPECT_FALSE(stf_fail(&error, CPLE_FileIO, "%d of %s", 3, "four"));
    EXPECT_FALSE(stf_fail(&error, CPLE_OutOfMemory, "later"));
    EXPECT_EQ(error.number, CPLE_FileIO);
    EXPECT_STREQ(error.text, "3 of four");
    EXPECT_FALSE(stf_fail(nullptr, CPLE_FileIO, "nobody listens"));
}

TEST(Status, long_text_is_cut_and_terminated) {
    stf_error error = {};
    stf_fail(&error, CPLE_FileIO, "%s", std::string(5000, 'x').c_str());
    EXPECT_EQ(std::string(error.text).size(), sizeof(error.text) - 1);
}

/* ------------------------------------------------------------------ */

TEST(Size, units) {
    const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"64MB", 64 * MB},
        {"64mb", 64 * MB},
        {"64M", 64 * MB},
        {"64MiB", 64 * MB},
        {"64 MB", 64 * MB},
        {"  64MB\t", 64 * MB},
        {"1.5GB", 3 * GB / 2},
        {"1.5 GB", 3 * GB / 2},
        {"1.5gIb", 3 * GB / 2},
        {".5K", 512},
        {"2.KB", 2 * KB},
        {"268435456", 268435456},
        {"1", 1},
        {"5%", 50},
        {"5 %", 50},
        {"12.5%", 125},
        {"100%", 1000},
        {"0.1%", 1},
        {"9223372036854775807", INT64_MAX},
        {"8589934591GB", 8589934591u * GB},
        {"8589934591.5GB", 8589934591u * GB + GB / 2},
        {"4503599627370497", 4503599627370497u},
        {"0.0000000001GB", 0},
    };
    for (const auto &c : cases) {
        uint64_t bytes = 0;
        EXPECT_EQ(stf_options_parse_size(c.text, 1000, &bytes), c.bytes != 0) << c.text;
        EXPECT_EQ(bytes, c.bytes) << c.text;
    }
}

TEST(Size, not_a_size) {
    for (const char *text : {"",
                             " ",
                             "MB",
                             "%",
                             ".",
                             ".MB",
                             "-1",
                             "-1MB",
                             "+1MB",
                             "1e3",
                             "0x10",
                             "inf",
                             "nan",
                             "1,5GB",
                             "1.5.5",
                             "64 M B",
                             "64TB",
                             "64MBB",
                             "64MB 5",
                             "0",
                             "0MB",
                             "0%",
                             "0.0",
                             "101%",
                             "100.5%",
                             "9223372036854775808",
                             "18446744073709551616",
                             "8589934592GB",
                             "8589934591.9999999999GB", // rounds to 2^63
                             "9223372036854775807.5",
                             "99999999999999999999GB",
                             "64%MB",
                             "MB64"}) {
        uint64_t bytes = 77;
        EXPECT_FALSE(stf_options_parse_size(text, 1000, &bytes)) << text;
        EXPECT_EQ(bytes, 77u) << text;
    }
    EXPECT_FALSE(stf_options_parse_size(nullptr, 1000, nullptr));
}

TEST(Size, percentage_of_a_huge_memory_does_not_overflow) {
    uint64_t bytes = 0;
    EXPECT_TRUE(stf_options_parse_size("100%", INT64_MAX, &bytes));
    EXPECT_EQ(bytes, static_cast<uint64_t>(INT64_MAX));
    EXPECT_TRUE(stf_options_parse_size("100%", (uint64_t{1} << 53) + 1, &bytes));
    EXPECT_LE(bytes, (uint64_t{1} << 53) + 1);
    EXPECT_FALSE(stf_options_parse_size("5%", 0, &bytes));
}

/* ------------------------------------------------------------------ */

TEST(Options, defaults) {
    const Parsed parsed(Raster());
    ASSERT_TRUE(parsed.ok) << parsed.error.text;
    const stf_options &o = parsed.options;
    EXPECT_EQ(o.codec.compression, COMPRESSION_ADOBE_DEFLATE);
    EXPECT_EQ(o.codec.predictor, 3);
    EXPECT_EQ(o.codec.deflate_level, -1);
    EXPECT_EQ(o.codec.zstd_level, -1);
    EXPECT_EQ(o.codec.lzma_preset, -1);
    EXPECT_EQ(o.codec.jpeg_quality, -1);
    EXPECT_EQ(o.codec.webp_level, -1);
    EXPECT_FALSE(o.codec.webp_lossless);
    EXPECT_TRUE(o.tiled);
    EXPECT_EQ(o.block_width_px, 512u);
    EXPECT_EQ(o.block_height_px, 512u);
    EXPECT_TRUE(o.pixel_interleave);
    EXPECT_EQ(o.bigtiff, STF_BIGTIFF_IF_SAFER);
    EXPECT_GE(o.threads, 1u);
    EXPECT_FALSE(o.cap_strict);
    EXPECT_STREQ(CSLFetchNameValue(o.gtiff_options, "INTERLEAVE"), "PIXEL");
    EXPECT_STREQ(CSLFetchNameValue(o.gtiff_options, "COMPRESS"), "DEFLATE");
    EXPECT_EQ(CSLCount(o.gtiff_options), 2);
}

TEST(Options, free_of_a_zeroed_struct) {
    stf_options options = {};
    stf_options_free(&options);
    stf_options_free(&options);
}

TEST(Options, raster_that_no_tiff_holds) {
    ExpectRefused(Byte(0), {}, "zero bands");
    ExpectRefused(Byte(65536), {}, "65535");
    ExpectTaken(Byte(65535), {"INTERLEAVE=BAND"});
    ExpectRefused(Byte(1, 0, 10), {}, "0 x 10");
    ExpectRefused(Byte(1, 10, 0), {}, "10 x 0");
}

TEST(Options, unknown_codec_names_the_known) {
    ExpectRefused(Byte(), {"COMPRESS=FOO"}, "Available: NONE, DEFLATE, LZW");
    ExpectRefused(Byte(), {"COMPRESS="}, "Available");
    ExpectRefused(Byte(), {"COMPRESS=CCITTFAX5"}, "Available");
    ExpectTaken(Byte(), {"COMPRESS=deflate"});
    ExpectTaken(Byte(), {"COMPRESS=ZIP"});
}

void ExpectTakenCodec(const stf_raster &raster, const std::string &name) {
    const bool fax = name.find("CCITT") == 0 || name.find("FAX") == 0;
    ExpectTaken(raster, fax ? std::vector<std::string>{"COMPRESS=" + name, "NBITS=1", "INTERLEAVE=BAND"}
                            : std::vector<std::string>{"COMPRESS=" + name});
}

TEST(Options, every_codec_that_is_listed_is_taken) {
    const stf_raster rgb = Byte(3);
    char *xml = stf_options_list_xml();
    CPLXMLNode *root = CPLParseXMLString(xml);
    CPLFree(xml);
    int codecs = 0;
    for (CPLXMLNode *option = root->psChild; option != nullptr; option = option->psNext) {
        if (!EQUAL(CPLGetXMLValue(option, "name", ""), "COMPRESS"))
            continue;
        for (CPLXMLNode *value = option->psChild; value != nullptr; value = value->psNext)
            if (value->eType == CXT_Element && ++codecs)
                ExpectTakenCodec(rgb, CPLGetXMLValue(value, nullptr, ""));
    }
    CPLDestroyXMLNode(root);
    EXPECT_GE(codecs, 4);
}

/* ------------------------------------------------------------------ */

uint16_t Predictor(const stf_raster &raster, const std::vector<std::string> &texts) {
    const Parsed parsed(raster, texts);
    EXPECT_TRUE(parsed.ok) << testing::PrintToString(texts) << ": " << parsed.error.text;
    return parsed.options.codec.predictor;
}

TEST(Predictor, yes_follows_the_type) {
    for (const char *codec : {"COMPRESS=DEFLATE", "COMPRESS=LZW"}) {
        for (const char *yes : {"PREDICTOR=YES", "PREDICTOR=yes", "COPY_SRC_OVERVIEWS=NO"}) { // the last: left out
            EXPECT_EQ(Predictor(Byte(), {codec, yes}), 2);
            EXPECT_EQ(Predictor(Raster(STF_INT, 8), {codec, yes}), 2);
            EXPECT_EQ(Predictor(Raster(STF_FLOAT, 4), {codec, yes}), 3);
            EXPECT_EQ(Predictor(Raster(STF_FLOAT, 8), {codec, yes}), 3);
            EXPECT_EQ(Predictor(Raster(STF_COMPLEX_INT, 4), {codec, yes}), 1);
            EXPECT_EQ(Predictor(Raster(STF_COMPLEX_FLOAT, 16), {codec, yes}), 1);
        }
    }
}

TEST(Predictor, names_and_numbers) {
    const stf_raster raster = Raster();
    for (const char *text : {"NO", "FALSE", "1", "OFF"})
        EXPECT_EQ(Predictor(raster, {std::string("PREDICTOR=") + text}), 1);
    EXPECT_EQ(Predictor(raster, {"PREDICTOR=STANDARD"}), 2);
    EXPECT_EQ(Predictor(raster, {"PREDICTOR=2"}), 2);
    EXPECT_EQ(Predictor(raster, {"PREDICTOR=FLOATING_POINT"}), 3);
    EXPECT_EQ(Predictor(raster, {"PREDICTOR=3"}), 3);
    for (const char *text : {"", "0", "4", "MAYBE", "2x", "-1"})
        ExpectRefused(raster, {std::string("PREDICTOR=") + text}, "PREDICTOR=");
}

TEST(Predictor, ignored_where_the_codec_has_none) {
    for (const char *codec : {"NONE", "PACKBITS", "LZMA", "LERC", "LERC_DEFLATE", "JPEG"}) {
        const std::string compress = std::string("COMPRESS=") + codec;
        if (Parsed(Byte(), {compress}).ok) {
            EXPECT_EQ(Predictor(Byte(), {compress, "PREDICTOR=2"}), 1) << codec;
            EXPECT_EQ(Predictor(Byte(), {compress}), 1) << codec;
        }
    }
}

// The oracle: GTiff itself, on a small raster of every type.
TEST(Predictor, refused_exactly_where_gtiff_refuses) {
    GDALAllRegister();
    const struct {
        GDALDataType type;
        stf_sample_kind kind;
    } types[] = {
        {GDT_Byte, STF_UINT},
        {GDT_UInt16, STF_UINT},
        {GDT_Int16, STF_INT},
        {GDT_UInt32, STF_UINT},
        {GDT_Int32, STF_INT},
        {GDT_UInt64, STF_UINT},
        {GDT_Int64, STF_INT},
        {GDT_Float32, STF_FLOAT},
        {GDT_Float64, STF_FLOAT},
        {GDT_CInt16, STF_COMPLEX_INT},
        {GDT_CInt32, STF_COMPLEX_INT},
        {GDT_CFloat32, STF_COMPLEX_FLOAT},
        {GDT_CFloat64, STF_COMPLEX_FLOAT},
    };
    GDALDriverH gtiff = GDALGetDriverByName("GTiff");
    for (const auto &type : types) {
        GDALDatasetH source = GDALCreate(GDALGetDriverByName("MEM"), "", 20, 20, 1, type.type, nullptr);
        const stf_raster raster =
            Raster(type.kind, static_cast<uint32_t>(GDALGetDataTypeSizeBytes(type.type)), 1, 20, 20);
        for (const char *codec : {"NONE", "DEFLATE", "LZW"}) {
            for (const char *predictor : {"1", "2", "3"}) {
                CPLStringList options;
                options.SetNameValue("COMPRESS", codec);
                options.SetNameValue("PREDICTOR", predictor);
                CPLPushErrorHandler(CPLQuietErrorHandler);
                GDALDatasetH copy =
                    GDALCreateCopy(gtiff, "/vsimem/oracle.tif", source, TRUE, options.List(), nullptr, nullptr);
                CPLPopErrorHandler();
                const Parsed parsed(raster, {std::string("COMPRESS=") + codec, std::string("PREDICTOR=") + predictor});
                EXPECT_EQ(parsed.ok, copy != nullptr)
                    << GDALGetDataTypeName(type.type) << " " << codec << " " << predictor << " " << parsed.error.text;
                if (copy != nullptr) {
                    const char *tag = GDALGetMetadataItem(copy, "PREDICTOR", "IMAGE_STRUCTURE");
                    EXPECT_EQ(parsed.options.codec.predictor, tag != nullptr ? atoi(tag) : 1);
                    GDALClose(copy);
                }
                VSIUnlink("/vsimem/oracle.tif");
            }
        }
        GDALClose(source);
    }
}

/* ------------------------------------------------------------------ */

TEST(Levels, level_reaches_the_codec_and_its_own_name_goes_first) {
    {
        const Parsed parsed(Byte(), {"LEVEL=9"});
        EXPECT_EQ(parsed.options.codec.deflate_level, 9);
        EXPECT_EQ(parsed.options.codec.zstd_level, -1);
    }
    {
        const Parsed parsed(Byte(), {"LEVEL=9", "ZLEVEL=3"});
        EXPECT_EQ(parsed.options.codec.deflate_level, 3);
    }
    if (Parsed(Byte(), {"COMPRESS=LERC_ZSTD"}).ok) {
        const Parsed parsed(Byte(), {"COMPRESS=LERC_ZSTD", "LEVEL=19", "MAX_Z_ERROR=0.5"});
        EXPECT_EQ(parsed.options.codec.zstd_level, 19);
        EXPECT_EQ(parsed.options.codec.lerc_second_stage, LERC_ADD_COMPRESSION_ZSTD);
        EXPECT_DOUBLE_EQ(parsed.options.codec.max_z_error, 0.5);
    }
    if (Parsed(Byte(), {"COMPRESS=LZMA"}).ok) {
        const Parsed parsed(Byte(), {"COMPRESS=LZMA", "LEVEL=0"});
        EXPECT_EQ(parsed.options.codec.lzma_preset, 0);
    }
    ExpectRefused(Byte(), {"LEVEL=0"}, "1..12");
    ExpectRefused(Byte(), {"LEVEL=13"}, "1..12");
    ExpectTaken(Byte(), {"COMPRESS=LZW", "LEVEL=13"});
}

TEST(Levels, out_of_range) {
    for (const char *text : {"ZLEVEL=0", "ZLEVEL=13", "ZSTD_LEVEL=0", "ZSTD_LEVEL=23", "LZMA_PRESET=-1",
                             "LZMA_PRESET=10", "JPEG_QUALITY=0", "JPEG_QUALITY=101", "WEBP_LEVEL=0", "WEBP_LEVEL=101",
                             "ZLEVEL=six", "ZLEVEL=", "ZLEVEL=6.5", "ZLEVEL=99999999999999999999", "LEVEL=23"})
        ExpectRefused(Byte(), {text}, text);
    for (const char *text : {"MAX_Z_ERROR=-1", "MAX_Z_ERROR=nan", "MAX_Z_ERROR=inf", "MAX_Z_ERROR=x", "MAX_Z_ERROR="})
        ExpectRefused(Byte(), {text}, text);
    ExpectRefused(Byte(), {"WEBP_LOSSLESS=perhaps"}, "neither YES nor NO");
}

TEST(Codec, jpeg_limits) {
    if (!Parsed(Byte(), {"COMPRESS=JPEG"}).ok)
        GTEST_SKIP() << "libtiff without JPEG";
    for (uint32_t bands : {1u, 2u, 3u, 4u})
        ExpectTaken(Byte(bands), {"COMPRESS=JPEG"});
    ExpectRefused(Byte(5), {"COMPRESS=JPEG"}, "INTERLEAVE=BAND");
    ExpectTaken(Byte(5), {"COMPRESS=JPEG", "INTERLEAVE=BAND"});
    ExpectRefused(Raster(STF_UINT, 2), {"COMPRESS=JPEG"}, "16");
    ExpectRefused(Byte(), {"COMPRESS=JPEG", "BLOCKXSIZE=65504"}, "65500");
    ExpectRefused(Byte(1, 65501, 100), {"COMPRESS=JPEG", "TILED=NO"}, "TILED=YES");
    ExpectTaken(Byte(1, 65500, 100), {"COMPRESS=JPEG", "TILED=NO"});
    ExpectRefused(Byte(1, 100, 100), {"COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=12"}, "multiple of 8");
    ExpectTaken(Byte(1, 100, 100), {"COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=24"});
    ExpectTaken(Byte(1, 100, 60), {"COMPRESS=JPEG", "TILED=NO", "BLOCKYSIZE=61"});
}

TEST(Codec, webp_limits) {
    if (!Parsed(Byte(3), {"COMPRESS=WEBP"}).ok)
        GTEST_SKIP() << "libtiff without WEBP";
    ExpectTaken(Byte(4), {"COMPRESS=WEBP", "WEBP_LOSSLESS=YES"});
    ExpectRefused(Byte(1), {"COMPRESS=WEBP"}, "3 or 4 bands");
    ExpectRefused(Byte(5), {"COMPRESS=WEBP"}, "3 or 4 bands");
    ExpectRefused(Byte(3), {"COMPRESS=WEBP", "INTERLEAVE=BAND"}, "INTERLEAVE=PIXEL");
    ExpectRefused(Raster(STF_UINT, 2, 3), {"COMPRESS=WEBP"}, "Byte");
    ExpectRefused(Raster(STF_INT, 1, 3), {"COMPRESS=WEBP"}, "Byte");
    ExpectRefused(Byte(3), {"COMPRESS=WEBP", "BLOCKXSIZE=16384"}, "16383");
}

TEST(Codec, lerc_types) {
    if (!Parsed(Byte(), {"COMPRESS=LERC"}).ok)
        GTEST_SKIP() << "libtiff without LERC";
    ExpectTaken(Raster(STF_FLOAT, 8), {"COMPRESS=LERC"});
    ExpectRefused(Raster(STF_INT, 8), {"COMPRESS=LERC"}, "64 bits");
    ExpectRefused(Raster(STF_COMPLEX_INT, 4), {"COMPRESS=LERC_DEFLATE"}, "complex");
    ExpectRefused(Raster(STF_COMPLEX_FLOAT, 16), {"COMPRESS=LERC"}, "complex");
}

/* ------------------------------------------------------------------ */

TEST(Layout, tile_sides) {
    const Parsed parsed(Byte(1, 10, 10), {"BLOCKXSIZE=1024", "BLOCKYSIZE=16"});
    ASSERT_TRUE(parsed.ok);
    EXPECT_EQ(parsed.options.block_width_px, 1024u);
    EXPECT_EQ(parsed.options.block_height_px, 16u);
    for (const char *text : {"0", "-16", "8", "17", "511", "2147483647", "4294967312", "256.0", "abc", ""}) {
        ExpectRefused(Byte(), {std::string("BLOCKXSIZE=") + text}, "BLOCKXSIZE");
        ExpectRefused(Byte(), {std::string("BLOCKYSIZE=") + text}, "BLOCKYSIZE");
    }
}

TEST(Layout, block_too_large_for_an_int) {
    ExpectTaken(Byte(), {"BLOCKXSIZE=32768", "BLOCKYSIZE=32768"});
    ExpectRefused(Byte(3), {"BLOCKXSIZE=32768", "BLOCKYSIZE=32768"}, "INTERLEAVE=BAND");
    ExpectTaken(Byte(3), {"BLOCKXSIZE=32768", "BLOCKYSIZE=32768", "INTERLEAVE=BAND"});
    ExpectRefused(Byte(), {"BLOCKXSIZE=2147483616", "BLOCKYSIZE=2147483616"}, "2147483647 bytes");
    ExpectRefused(Raster(STF_COMPLEX_FLOAT, 16, 65535, INT_MAX, INT_MAX), {"TILED=NO"}, "TILED=YES");
}

TEST(Layout, more_blocks_than_a_table_holds) {
    ExpectTaken(Byte(1, 262144, 262144), {"BLOCKXSIZE=16", "BLOCKYSIZE=16"});
    ExpectRefused(Byte(1, 262144, 262145), {"BLOCKXSIZE=16", "BLOCKYSIZE=16"}, "268435456");
    ExpectRefused(Byte(65535, INT_MAX, INT_MAX), {"BLOCKXSIZE=16", "BLOCKYSIZE=16", "INTERLEAVE=BAND"}, "larger");
}

TEST(Layout, strips_as_gtiff_cuts_them) {
    GDALAllRegister();
    const struct {
        int width, height, bands;
        GDALDataType type;
        std::vector<std::string> options;
    } cases[] = {
        {1000, 1000, 1, GDT_Byte, {}},
        // With neither INTERLEAVE nor COMPRESS given GDAL itself would hand on the interleaving of the source.
        {1000, 1000, 3, GDT_Byte, {"INTERLEAVE=PIXEL"}},
        {1000, 1000, 3, GDT_Byte, {"INTERLEAVE=BAND"}},
        {10, 1000, 3, GDT_Float64, {"INTERLEAVE=PIXEL"}},
        {10, 20, 1, GDT_Byte, {}},
        {9000, 5, 1, GDT_Byte, {}},
        {1, 10000, 1, GDT_Byte, {}},
        {100, 100, 1, GDT_Byte, {"BLOCKYSIZE=33"}},
        {100, 100, 1, GDT_Byte, {"BLOCKYSIZE=1000"}},
        {100, 100, 1, GDT_Byte, {"BLOCKXSIZE=33"}},
        {1000, 1000, 1, GDT_Byte, {"COMPRESS=JPEG"}},
        {1000, 1000, 3, GDT_Byte, {"COMPRESS=JPEG"}},
        {10, 2000, 3, GDT_Byte, {"COMPRESS=JPEG"}},
        {100, 60, 1, GDT_Byte, {"COMPRESS=JPEG"}},
        {100, 60, 3, GDT_Byte, {"COMPRESS=JPEG"}},
    };
    for (const auto &c : cases) {
        GDALDatasetH source = GDALCreate(GDALGetDriverByName("MEM"), "", c.width, c.height, c.bands, c.type, nullptr);
        std::vector<std::string> texts = c.options;
        texts.push_back("TILED=NO");
        CPLStringList list;
        for (const std::string &text : texts)
            list.AddString(text.c_str());
        GDALDatasetH copy = GDALCreateCopy(GDALGetDriverByName("GTiff"), "/vsimem/oracle.tif", source, TRUE,
                                           list.List(), nullptr, nullptr);
        ASSERT_NE(copy, nullptr);
        int width = 0, height = 0;
        GDALGetBlockSize(GDALGetRasterBand(copy, 1), &width, &height);
        const Parsed parsed(Raster(GDALDataTypeIsFloating(c.type) ? STF_FLOAT : STF_UINT,
                                   static_cast<uint32_t>(GDALGetDataTypeSizeBytes(c.type)),
                                   static_cast<uint32_t>(c.bands), static_cast<uint32_t>(c.width),
                                   static_cast<uint32_t>(c.height)),
                            texts);
        ASSERT_TRUE(parsed.ok) << parsed.error.text;
        EXPECT_FALSE(parsed.options.tiled);
        EXPECT_EQ(parsed.options.block_width_px, static_cast<uint32_t>(width)) << testing::PrintToString(texts);
        EXPECT_EQ(parsed.options.block_height_px, static_cast<uint32_t>(height)) << testing::PrintToString(texts);
        GDALClose(copy);
        GDALClose(source);
        VSIUnlink("/vsimem/oracle.tif");
    }
}

TEST(Layout, interleave) {
    stf_raster raster = Byte(3);
    raster.source_interleave_band = true; // GTiff does not look at it: GDAL adds the option
    {
        const Parsed parsed(raster);
        EXPECT_TRUE(parsed.options.pixel_interleave);
    }
    {
        const Parsed parsed(raster, {"INTERLEAVE=BAND", "@INTERLEAVE_ADDED_AUTOMATICALLY=YES"});
        EXPECT_FALSE(parsed.options.pixel_interleave);
        EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "INTERLEAVE"), "BAND");
        EXPECT_EQ(CSLCount(parsed.options.gtiff_options), 2);
    }
    {
        const Parsed parsed(Byte(1), {"INTERLEAVE=band"});
        EXPECT_TRUE(parsed.options.pixel_interleave);
    }
    ExpectRefused(raster, {"INTERLEAVE=LINE"}, "INTERLEAVE=LINE");
    ExpectRefused(raster, {"TILED=MAYBE"}, "neither YES nor NO");
}

TEST(Options, bigtiff) {
    const struct {
        const char *text;
        stf_bigtiff value;
    } cases[] = {{"YES", STF_BIGTIFF_YES},
                 {"on", STF_BIGTIFF_YES},
                 {"NO", STF_BIGTIFF_NO},
                 {"FALSE", STF_BIGTIFF_NO},
                 {"IF_NEEDED", STF_BIGTIFF_IF_NEEDED},
                 {"if_safer", STF_BIGTIFF_IF_SAFER}};
    for (const auto &c : cases) {
        const Parsed parsed(Byte(), {std::string("BIGTIFF=") + c.text});
        EXPECT_TRUE(parsed.ok);
        EXPECT_EQ(parsed.options.bigtiff, c.value) << c.text;
    }
    ExpectRefused(Byte(), {"BIGTIFF=PERHAPS"}, "IF_NEEDED");
}

TEST(Options, threads) {
    const Config none("GDAL_NUM_THREADS", "");
    const auto threads = [](const std::vector<std::string> &texts) {
        const Parsed parsed(Byte(), texts);
        EXPECT_TRUE(parsed.ok) << parsed.error.text;
        return parsed.options.threads;
    };
    const uint32_t all = threads({});
    EXPECT_GE(all, 1u);
    EXPECT_EQ(threads({"NUM_THREADS=all_cpus"}), all);
    EXPECT_EQ(threads({"NUM_THREADS=7"}), 7u);
    EXPECT_EQ(threads({"NUM_THREADS=1000000"}), 1024u);
    for (const char *text : {"NUM_THREADS=0", "NUM_THREADS=-1", "NUM_THREADS=two", "NUM_THREADS=", "NUM_THREADS=2.5"})
        ExpectRefused(Byte(), {text}, text);
    const Config config("GDAL_NUM_THREADS", "3");
    EXPECT_EQ(threads({}), 3u);
    EXPECT_EQ(threads({"NUM_THREADS=7"}), 7u);
    const Config zero("GDAL_NUM_THREADS", "0");
    EXPECT_EQ(threads({}), 1u);
    const Config bad("GDAL_NUM_THREADS", "many");
    ExpectRefused(Byte(), {}, "GDAL_NUM_THREADS=many");
}

TEST(Options, memory_cap) {
    {
        const Parsed parsed(Byte(), {"MEMORY_CAP=64MB", "MEMORY_CAP_STRICT=YES"});
        ASSERT_TRUE(parsed.ok);
        EXPECT_TRUE(parsed.options.cap_named);
        EXPECT_TRUE(parsed.options.cap_strict);
        EXPECT_EQ(parsed.options.cap_bytes, 64 * MB);
    }
    {
        const Parsed parsed(Byte(), {"MEMORY_CAP=50%"});
        ASSERT_TRUE(parsed.ok);
        EXPECT_NEAR(static_cast<double>(parsed.options.cap_bytes),
                    static_cast<double>(stf_platform_usable_memory()) / 2, 1.0);
    }
    ExpectRefused(Byte(), {"MEMORY_CAP=plenty"}, "MEMORY_CAP=plenty");
    ExpectRefused(Byte(), {"MEMORY_CAP="}, "5%");
    ExpectRefused(Byte(), {"MEMORY_CAP=0"}, "MEMORY_CAP=0");
    ExpectRefused(Byte(), {"MEMORY_CAP_STRICT=2"}, "neither YES nor NO");
}

TEST(Options, memory_cap_unset) {
    const GIntBig found = GDALGetCacheMax64();
    const uint64_t part = stf_platform_usable_memory() / 20;
    GDALSetCacheMax64(static_cast<GIntBig>(MB));
    {
        const Parsed parsed(Byte());
        EXPECT_EQ(parsed.options.cap_bytes, MB);
        EXPECT_FALSE(parsed.options.cap_named);
    }
    GDALSetCacheMax64(INT64_MAX);
    {
        const Parsed parsed(Byte());
        EXPECT_LE(parsed.options.cap_bytes, part);
        EXPECT_GE(parsed.options.cap_bytes + 5, part);
    }
    GDALSetCacheMax64(found);
    const Config config("STREAMTIFF_MEMORY_CAP", "3MB");
    {
        const Parsed parsed(Byte());
        EXPECT_EQ(parsed.options.cap_bytes, 3 * MB);
        EXPECT_TRUE(parsed.options.cap_named);
    }
    {
        const Parsed parsed(Byte(), {"MEMORY_CAP=5MB"});
        EXPECT_EQ(parsed.options.cap_bytes, 5 * MB);
    }
    const Config bad("STREAMTIFF_MEMORY_CAP", "lots");
    ExpectRefused(Byte(), {}, "STREAMTIFF_MEMORY_CAP=lots");
}

TEST(Options, gtiff_gets_its_own_and_nothing_else) {
    const Parsed parsed(Byte(4), {"PHOTOMETRIC=RGB", "alpha=YES", "PROFILE=BASELINE", "COMPRESS=LZW", "TILED=YES",
                                  "BLOCKXSIZE=256", "BIGTIFF=YES", "NUM_THREADS=2", "MEMORY_CAP=64MB", "NBITS=4",
                                  "UNKNOWN=1", "@HIDDEN=1", "no value"});
    ASSERT_TRUE(parsed.ok) << parsed.error.text;
    EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "PHOTOMETRIC"), "RGB");
    EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "ALPHA"), "YES");
    EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "PROFILE"), "BASELINE");
    EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "INTERLEAVE"), "PIXEL");
    EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "COMPRESS"), "LZW");
    EXPECT_STREQ(CSLFetchNameValue(parsed.options.gtiff_options, "NBITS"), "4");
    EXPECT_EQ(CSLCount(parsed.options.gtiff_options), 6);
}

// Worked by hand from GTiff's rules: type, NBITS asked for, NBITS of the source, bits in the file.
TEST(Options, nbits) {
    const struct {
        stf_sample_kind kind;
        uint32_t bytes;
        const char *asked;
        uint32_t source_bits, bits;
    } cases[] = {
        {STF_UINT, 1, nullptr, 0, 8},      {STF_UINT, 1, nullptr, 4, 4},      {STF_UINT, 1, "NBITS=1", 4, 1},
        {STF_UINT, 1, "NBITS=0", 0, 1},    {STF_UINT, 1, "NBITS=9", 0, 8},    {STF_UINT, 2, "NBITS=12", 0, 12},
        {STF_UINT, 2, "NBITS=8", 0, 9},    {STF_UINT, 4, "NBITS=20", 0, 20},  {STF_UINT, 4, "NBITS=16", 0, 17},
        {STF_UINT, 8, "NBITS=40", 0, 64},  {STF_INT, 2, "NBITS=12", 0, 16},   {STF_FLOAT, 4, "NBITS=16", 0, 16},
        {STF_FLOAT, 4, "NBITS=24", 0, 32}, {STF_FLOAT, 8, "NBITS=16", 0, 64}, {STF_COMPLEX_INT, 4, nullptr, 12, 32},
    };
    for (const auto &c : cases) {
        stf_raster raster = Raster(c.kind, c.bytes);
        raster.source_bits = c.source_bits;
        const Parsed parsed(raster, c.asked ? std::vector<std::string>{c.asked} : std::vector<std::string>{});
        ASSERT_TRUE(parsed.ok) << parsed.error.text;
        EXPECT_EQ(parsed.options.sample_bits, c.bits) << c.bytes << " " << (c.asked ? c.asked : "");
    }
}

TEST(Options, codecs_of_whole_bytes_or_of_one_bit) {
    for (const char *codec : {"COMPRESS=JPEG", "COMPRESS=LERC"})
        ExpectRefused(Byte(), {codec, "NBITS=4"}, "and");
    ExpectRefused(Byte(), {"COMPRESS=CCITTFAX4"}, "NBITS=1");
    ExpectRefused(Byte(3), {"COMPRESS=CCITTFAX4", "NBITS=1"}, "INTERLEAVE=BAND");
    ExpectRefused(Byte(), {"PREDICTOR=2", "NBITS=4"}, "have 4");
}

/* ------------------------------------------------------------------ */

class OptionList : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        GDALAllRegister();
        GDALRegister_StreamTIFF();
        GDALRegister_StreamTIFF();
    }

    static bool Valid(const char *text) {
        CPLStringList options;
        options.AddString(text);
        CPLPushErrorHandler(CPLQuietErrorHandler);
        const bool valid = GDALValidateCreationOptions(GDALGetDriverByName("StreamTIFF"), options.List()) != 0;
        CPLPopErrorHandler();
        return valid;
    }
};

TEST_F(OptionList, driver_registers_once_and_claims_no_file) {
    GDALDriverH driver = GDALGetDriverByName("StreamTIFF");
    ASSERT_NE(driver, nullptr);
    int found = 0;
    for (int i = 0; i < GDALGetDriverCount(); i++)
        found += EQUAL(GDALGetDescription(GDALGetDriver(i)), "StreamTIFF");
    EXPECT_EQ(found, 1);
    EXPECT_STREQ(GDALGetMetadataItem(driver, GDAL_DCAP_CREATECOPY, nullptr), "YES");
    for (const char *absent : {GDAL_DCAP_CREATE, GDAL_DMD_EXTENSION, GDAL_DMD_EXTENSIONS})
        EXPECT_EQ(GDALGetMetadataItem(driver, absent, nullptr), nullptr) << absent;
}

TEST_F(OptionList, catches_errors) {
    for (const char *text : {"FOO=1",
                             "NBITS=0",
                             "SPARSE_OK=PERHAPS",
                             "LAYOUT=TILES",
                             "OVERVIEWS=SOME",
                             "OVERVIEW_COUNT=-1",
                             "STREAMABLE_OUTPUT=PERHAPS",
                             "ENDIANNESS=MIDDLE",
                             "JPEGTABLESMODE=4",
                             "NO_SUCH=YES",
                             "COMPRESS=FOO",
                             "PREDICTOR=4",
                             "ZLEVEL=13",
                             "ZLEVEL=0",
                             "ZLEVEL=x",
                             "LEVEL=-1",
                             "TILED=MAYBE",
                             "BLOCKXSIZE=8",
                             "BLOCKYSIZE=0",
                             "INTERLEAVE=LINE",
                             "BIGTIFF=PERHAPS",
                             "MEMORY_CAP_STRICT=2",
                             "PHOTOMETRIC=YCBCRX"})
        EXPECT_FALSE(Valid(text)) << text;
}

TEST_F(OptionList, lets_pass_what_is_taken) {
    for (const char *text : {"COMPRESS=deflate",
                             "COMPRESS=ZIP",
                             "PREDICTOR=2",
                             "PREDICTOR=YES",
                             "PREDICTOR=floating_point",
                             "LEVEL=9",
                             "ZLEVEL=12",
                             "TILED=NO",
                             "BLOCKXSIZE=512",
                             "BLOCKYSIZE=1",
                             "INTERLEAVE=band",
                             "BIGTIFF=TRUE",
                             "BIGTIFF=IF_SAFER",
                             "NUM_THREADS=ALL_CPUS",
                             "NUM_THREADS=2",
                             "MEMORY_CAP=1.5GB",
                             "MEMORY_CAP=5%",
                             "MEMORY_CAP_STRICT=YES",
                             "PHOTOMETRIC=RGB",
                             "ALPHA=YES",
                             "PROFILE=GeoTIFF",
                             "PIXELTYPE=SIGNEDBYTE",
                             "GEOTIFF_KEYS_FLAVOR=ESRI_PE",
                             "COPY_SRC_OVERVIEWS=YES",
                             "LAYOUT=COG",
                             "OVERVIEWS=IGNORE_EXISTING",
                             "BLOCKSIZE=256",
                             "GEOTIFF_VERSION=1.1"})
        EXPECT_TRUE(Valid(text)) << text;
}

/* ------------------------------------------------------------------ */

TEST(Cog, options_have_the_names_of_the_cog_driver) {
    const Parsed parsed(Byte(), {"LAYOUT=COG", "BLOCKSIZE=256", "COMPRESS=DEFLATE", "LEVEL=7", "OVERVIEW_COMPRESS=LZW",
                                 "OVERVIEW_PREDICTOR=NO", "RESAMPLING=average", "OVERVIEW_COUNT=3", "BIGTIFF=YES"});
    ASSERT_TRUE(parsed.ok) << parsed.error.text;
    const stf_options &options = parsed.options;
    EXPECT_TRUE(options.is_cog && options.tiled && options.internal_mask);
    EXPECT_EQ(options.block_width_px, 256u);
    EXPECT_EQ(options.block_height_px, 256u);
    EXPECT_EQ(options.codec.deflate_level, 7);
    EXPECT_EQ(options.codec.predictor, 2);
    EXPECT_EQ(options.cog.overview_codec.compression, COMPRESSION_LZW);
    EXPECT_EQ(options.cog.overview_codec.predictor, 1);
    EXPECT_EQ(options.cog.overview_count, 3);
    EXPECT_EQ(options.cog.overview_block_px, 256u);
    EXPECT_STREQ(options.cog.overview_resampling, "AVERAGE");
}

TEST(Cog, overviews_are_as_the_raster_where_nothing_is_said) {
    const Parsed parsed(Raster(STF_FLOAT, 4), {"LAYOUT=COG"});
    ASSERT_TRUE(parsed.ok) << parsed.error.text;
    const stf_options &options = parsed.options;
    EXPECT_EQ(options.block_width_px, 512u);
    EXPECT_EQ(options.codec.compression, COMPRESSION_ADOBE_DEFLATE);
    EXPECT_EQ(options.cog.overview_codec.compression, options.codec.compression);
    EXPECT_EQ(options.cog.overview_codec.predictor, 3);
    EXPECT_EQ(options.cog.overviews, STF_OVERVIEWS_COMPUTED);
    EXPECT_EQ(options.cog.overview_count, -1);
    EXPECT_EQ(options.cog.overview_resampling, nullptr);
}

TEST(Cog, tiles_of_overviews_are_of_a_size_that_gtiff_takes) {
    for (const auto &pair : {std::pair<const char *, uint32_t>{"BLOCKSIZE=64", 64},
                             {"BLOCKSIZE=48", 128},
                             {"BLOCKSIZE=16", 128},
                             {"BLOCKSIZE=8192", 128}}) {
        const Parsed parsed(Byte(), {"LAYOUT=COG", pair.first});
        ASSERT_TRUE(parsed.ok) << parsed.error.text;
        EXPECT_EQ(parsed.options.cog.overview_block_px, pair.second) << pair.first;
    }
}

TEST(Cog, what_belongs_to_the_other_layout_is_refused) {
    for (const char *text : {"TILED=YES", "BLOCKXSIZE=256", "ZSTD_LEVEL=1", "PHOTOMETRIC=RGB", "PROFILE=GeoTIFF"})
        EXPECT_FALSE(Parsed(Byte(), {"LAYOUT=COG", text}).ok) << text;
    for (const char *text : {"BLOCKSIZE=256", "OVERVIEWS=NONE", "QUALITY=50", "TARGET_SRS=EPSG:4326"})
        EXPECT_FALSE(Parsed(Byte(), {text}).ok) << text;
}

TEST(Cog, copied_overviews_with_the_options_of_gtiff) {
    const Parsed parsed(Byte(), {"COPY_SRC_OVERVIEWS=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=128"});
    ASSERT_TRUE(parsed.ok) << parsed.error.text;
    EXPECT_TRUE(parsed.options.is_cog && parsed.options.copies_overviews);
    EXPECT_EQ(parsed.options.cog.overviews, STF_OVERVIEWS_EXISTING);
    EXPECT_EQ(parsed.options.cog.overview_block_px, 128u) << "no square";
    EXPECT_FALSE(Parsed(Byte(), {"COPY_SRC_OVERVIEWS=NO"}).options.is_cog);
}

} // namespace
