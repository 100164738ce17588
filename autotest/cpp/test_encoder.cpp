// The encoder against GDAL's own GTiff driver: the same tile, the same codec and level, the same bytes; or, where
// we call the codec ourselves, bytes that libtiff decodes to the same pixels, and no more than half a percent more of them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "encoder.h"
#include "encoder_direct.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "tiff.h"
#include "tiffio.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

using Bytes = std::vector<unsigned char>;

enum class Pixels { Terrain, Noise, Zeros, Runs, NotANumber };

struct Case {
    const char *name;
    GDALDataType type;
    int samples; // pixel-interleaved
    std::vector<std::string> options;
    stf_codec codec;
    uint16_t photometric = PHOTOMETRIC_MINISBLACK;
};

void PrintTo(const Case &c, std::ostream *out) {
    *out << c.name;
}

stf_codec Codec(int compression, int predictor = 1) {
    stf_codec codec{};
    codec.compression = static_cast<uint16_t>(compression);
    codec.predictor = static_cast<uint16_t>(predictor);
    codec.deflate_level = codec.zstd_level = codec.lzma_preset = codec.jpeg_quality = codec.webp_level = -1;
    codec.jpeg_tables_mode = 1;
    return codec;
}

stf_codec Deflate(int predictor, int level) {
    stf_codec codec = Codec(COMPRESSION_ADOBE_DEFLATE, predictor);
    codec.deflate_level = level;
    return codec;
}

stf_codec Zstd(int predictor, int level) {
    stf_codec codec = Codec(COMPRESSION_ZSTD, predictor);
    codec.zstd_level = level;
    return codec;
}

stf_codec Lzma(int preset) {
    stf_codec codec = Codec(COMPRESSION_LZMA);
    codec.lzma_preset = preset;
    return codec;
}

stf_codec Jpeg(int quality) {
    stf_codec codec = Codec(COMPRESSION_JPEG);
    codec.jpeg_quality = quality;
    return codec;
}

stf_codec Webp(int level, bool lossless) {
    stf_codec codec = Codec(COMPRESSION_WEBP);
    codec.webp_level = level;
    codec.webp_lossless = lossless;
    return codec;
}

stf_codec Lerc(int second_stage, double error) {
    stf_codec codec = Codec(COMPRESSION_LERC);
    codec.lerc_second_stage = second_stage;
    codec.max_z_error = error;
    return codec;
}

uint16_t SampleFormat(GDALDataType type) {
    if (GDALDataTypeIsComplex(type))
        return type == GDT_CInt16 || type == GDT_CInt32 ? SAMPLEFORMAT_COMPLEXINT : SAMPLEFORMAT_COMPLEXIEEEFP;
    if (GDALDataTypeIsFloating(type))
        return SAMPLEFORMAT_IEEEFP;
    return GDALDataTypeIsSigned(type) ? SAMPLEFORMAT_INT : SAMPLEFORMAT_UINT;
}

stf_tile_format Format(const Case &c, uint32_t width, uint32_t height) {
    stf_tile_format format{};
    format.codec = c.codec;
    format.tiled = true;
    format.width_px = width;
    format.height_px = height;
    format.samples = static_cast<uint16_t>(c.samples);
    format.sample_bits = static_cast<uint16_t>(GDALGetDataTypeSizeBits(c.type));
    format.sample_format = SampleFormat(c.type);
    format.photometric = c.photometric;
    int colours = c.photometric == PHOTOMETRIC_MINISBLACK ? 1 : 3;
    format.extra_samples = static_cast<uint16_t>(c.samples - colours);
    if (format.extra_samples == 1 && colours == 3)
        format.extra_sample_types[0] = EXTRASAMPLE_UNASSALPHA;
    return format;
}

Bytes MakePixels(const Case &c, uint32_t width, uint32_t height, Pixels kind) {
    const int size = GDALGetDataTypeSizeBytes(c.type);
    const size_t count = static_cast<size_t>(width) * height * static_cast<size_t>(c.samples);
    Bytes bytes(count * static_cast<size_t>(size));
    std::mt19937 random(width * 7919 + height);
    for (size_t i = 0; i < count; i++) {
        const double x = static_cast<double>(i / static_cast<size_t>(c.samples) % width);
        const double y = static_cast<double>(i / static_cast<size_t>(c.samples) / width);
        double value[2] = {0, 0};
        if (kind == Pixels::Terrain || kind == Pixels::NotANumber) {
            value[0] =
                std::round((60 + 40 * std::sin(x / 17) * std::cos(y / 11)) * 100 + static_cast<double>(random() % 30)) /
                100;
            value[1] = static_cast<double>(i % static_cast<size_t>(c.samples)) + std::floor(x / 9);
            if (kind == Pixels::NotANumber && random() % 5 == 0)
                value[0] = std::nan("");
        } else if (kind == Pixels::Runs)
            value[0] = i % 5 == 0 ? static_cast<double>(random() % 200) : i % 5 < 3 ? 3 : 4;
        unsigned char *at = bytes.data() + i * static_cast<size_t>(size);
        if (kind == Pixels::Noise)
            for (int b = 0; b < size; b++)
                at[b] = static_cast<unsigned char>(random());
        else
            GDALCopyWords(value, GDT_CFloat64, 0, at, c.type, 0, 1);
    }
    return bytes;
}

// Writes a raster of these pixels with GTiff and returns what it stored for its first block.
Bytes GtiffBlock(const Case &c, uint32_t width, uint32_t height, const Bytes &pixels, bool tiled, int block_row = 0) {
    const int w = static_cast<int>(width), h = static_cast<int>(height), size = GDALGetDataTypeSizeBytes(c.type);
    CPLStringList options;
    for (const std::string &option : c.options)
        options.AddString(option.c_str());
    if (tiled) {
        options.AddString("TILED=YES");
        options.SetNameValue("BLOCKXSIZE", CPLSPrintf("%d", w));
    }
    if (!options.FetchNameValue("BLOCKYSIZE"))
        options.SetNameValue("BLOCKYSIZE", CPLSPrintf("%d", h));
    options.SetNameValue("INTERLEAVE", "PIXEL");
    options.SetNameValue("ENDIANNESS", "NATIVE");
    const char *name = "/vsimem/test_encoder.tif";
    // A second tile, not written: GTiff starts no threads for one.
    GDALDatasetH ds =
        GDALCreate(GDALGetDriverByName("GTiff"), name, tiled ? 2 * w : w, h, c.samples, c.type, options.List());
    if (!ds)
        return {};
    EXPECT_EQ(GDALDatasetRasterIO(ds, GF_Write, 0, 0, w, h, const_cast<unsigned char *>(pixels.data()), w, h, c.type,
                                  c.samples, nullptr, size * c.samples, size * c.samples * w, size),
              CE_None);
    GDALClose(ds);
    ds = GDALOpen(name, GA_ReadOnly);
    GDALRasterBandH band = GDALGetRasterBand(ds, 1);
    const char *offset = GDALGetMetadataItem(band, CPLSPrintf("BLOCK_OFFSET_0_%d", block_row), "TIFF");
    const char *bytes = GDALGetMetadataItem(band, CPLSPrintf("BLOCK_SIZE_0_%d", block_row), "TIFF");
    Bytes block;
    if (offset && bytes) {
        vsi_l_offset total = 0;
        const unsigned char *file = VSIGetMemFileBuffer(name, &total, FALSE);
        block.assign(file + std::stoul(offset), file + std::stoul(offset) + std::stoul(bytes));
    }
    GDALClose(ds);
    VSIUnlink(name);
    return block;
}

struct Encoder {
    explicit Encoder(const stf_tile_format &f) : format(f), encoder(stf_encoder_create(&format, &error)) {}
    ~Encoder() { stf_encoder_destroy(encoder); }
    Encoder(const Encoder &) = delete;
    Encoder &operator=(const Encoder &) = delete;

    Bytes Encode(const Bytes &pixels, uint32_t rows) {
        Bytes data(stf_encoder_bound_bytes(&format));
        memcpy(data.data(), pixels.data(), pixels.size());
        size_t bytes = 0;
        EXPECT_TRUE(stf_encoder_encode(encoder, data.data(), data.size(), rows, &bytes, &error)) << error.text;
        EXPECT_LE(bytes, data.size());
        data.resize(bytes);
        return data;
    }

    stf_tile_format format;
    stf_error error{};
    stf_encoder *encoder;
};

// What libtiff makes of these bytes as the only strip of a file.
Bytes DecodedByLibtiff(const stf_tile_format &format, const Bytes &encoded, uint32_t rows) {
    const std::string name = CPLGenerateTempFilename("test_encoder");
    Bytes pixels(stf_encoder_tile_bytes(&format) / format.height_px * rows);
    TIFF *tiff = TIFFOpen(name.c_str(), "w");
    if (!tiff)
        return {};
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, format.width_px);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, rows);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, format.sample_bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, format.sample_format);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, format.samples);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, format.photometric);
    const std::vector<uint16_t> extra(format.extra_samples, EXTRASAMPLE_UNSPECIFIED);
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, format.extra_samples, extra.data());
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, format.codec.compression);
    if (format.codec.predictor > 1)
        TIFFSetField(tiff, TIFFTAG_PREDICTOR, format.codec.predictor);
    TIFFWriteRawStrip(tiff, 0, const_cast<unsigned char *>(encoded.data()), static_cast<tmsize_t>(encoded.size()));
    TIFFClose(tiff);
    tiff = TIFFOpen(name.c_str(), "r");
    const tmsize_t size = static_cast<tmsize_t>(pixels.size());
    if (!tiff || TIFFReadEncodedStrip(tiff, 0, pixels.data(), size) != size)
        pixels.clear();
    if (tiff)
        TIFFClose(tiff);
    VSIUnlink(name.c_str());
    return pixels;
}

// 40 bytes are the heads and ends of frames and blocks: of a constant little else is left.
void ExpectAsGoodAs(const Bytes &theirs, const Bytes &ours, const stf_tile_format &format, const Bytes &pixels,
                    uint32_t rows) {
    ASSERT_FALSE(theirs.empty());
    if (!stf_encoder_direct(&format)) {
        EXPECT_TRUE(ours == theirs);
        return;
    }
    EXPECT_TRUE(DecodedByLibtiff(format, ours, rows) == pixels);
    EXPECT_LE(static_cast<double>(ours.size()), static_cast<double>(theirs.size()) * 1.005 + 40);
}

std::vector<Case> Cases() {
    return {
        {"none", GDT_Float32, 1, {"COMPRESS=NONE"}, Codec(COMPRESSION_NONE)},
        {"deflate_float_predictor", GDT_Float32, 1, {"COMPRESS=DEFLATE", "PREDICTOR=3"}, Deflate(3, -1)},
        {"deflate_level_1", GDT_Float32, 1, {"COMPRESS=DEFLATE", "PREDICTOR=3", "ZLEVEL=1"}, Deflate(3, 1)},
        {"deflate_level_12", GDT_Int16, 1, {"COMPRESS=DEFLATE", "PREDICTOR=2", "ZLEVEL=12"}, Deflate(2, 12)},
        {"deflate_byte", GDT_Byte, 1, {"COMPRESS=DEFLATE"}, Deflate(1, -1)},
        {"deflate_uint16", GDT_UInt16, 1, {"COMPRESS=DEFLATE", "PREDICTOR=2"}, Deflate(2, 6)},
        {"deflate_int32", GDT_Int32, 1, {"COMPRESS=DEFLATE", "PREDICTOR=2"}, Deflate(2, 6)},
        {"deflate_uint32", GDT_UInt32, 1, {"COMPRESS=DEFLATE", "PREDICTOR=2"}, Deflate(2, 6)},
        {"deflate_float64", GDT_Float64, 1, {"COMPRESS=DEFLATE", "PREDICTOR=3"}, Deflate(3, 6)},
        {"deflate_int64", GDT_Int64, 1, {"COMPRESS=DEFLATE", "PREDICTOR=2"}, Deflate(2, 6)},
        {"deflate_uint64", GDT_UInt64, 2, {"COMPRESS=DEFLATE", "PREDICTOR=2"}, Deflate(2, 6)},
        {"deflate_cint16", GDT_CInt16, 1, {"COMPRESS=DEFLATE"}, Deflate(1, 6)},
        {"deflate_cint32", GDT_CInt32, 1, {"COMPRESS=DEFLATE"}, Deflate(1, 6)},
        {"deflate_cfloat32", GDT_CFloat32, 1, {"COMPRESS=DEFLATE"}, Deflate(1, 6)},
        {"deflate_cfloat64", GDT_CFloat64, 3, {"COMPRESS=DEFLATE"}, Deflate(1, 6)},
        {"deflate_rgb",
         GDT_Byte,
         3,
         {"COMPRESS=DEFLATE", "PREDICTOR=2", "PHOTOMETRIC=RGB"},
         Deflate(2, 6),
         PHOTOMETRIC_RGB},
        {"deflate_20_bands", GDT_UInt16, 20, {"COMPRESS=DEFLATE", "PREDICTOR=2"}, Deflate(2, 6)},
        {"lzw", GDT_Int16, 1, {"COMPRESS=LZW"}, Codec(COMPRESSION_LZW)},
        {"lzw_predictor", GDT_Byte, 3, {"COMPRESS=LZW", "PREDICTOR=2"}, Codec(COMPRESSION_LZW, 2)},
        {"packbits", GDT_Byte, 1, {"COMPRESS=PACKBITS"}, Codec(COMPRESSION_PACKBITS)},
        {"packbits_int16", GDT_Int16, 2, {"COMPRESS=PACKBITS"}, Codec(COMPRESSION_PACKBITS)},
        {"zstd_default", GDT_Float32, 1, {"COMPRESS=ZSTD", "PREDICTOR=3"}, Zstd(3, 9)},
        {"zstd_1", GDT_Float64, 1, {"COMPRESS=ZSTD", "PREDICTOR=3", "ZSTD_LEVEL=1"}, Zstd(3, 1)},
        {"zstd_12", GDT_UInt16, 1, {"COMPRESS=ZSTD", "PREDICTOR=2", "ZSTD_LEVEL=12"}, Zstd(2, 12)},
        // libtiff's delta filter spans a sample only where the sample size is set before the codec. GTiff does
        // so where it compresses in threads, and we do always.
        {"lzma", GDT_Int16, 1, {"COMPRESS=LZMA", "NUM_THREADS=2"}, Lzma(6)},
        {"lzma_1", GDT_Float32, 1, {"COMPRESS=LZMA", "LZMA_PRESET=1", "NUM_THREADS=2"}, Lzma(1)},
        {"lerc", GDT_Float32, 1, {"COMPRESS=LERC", "MAX_Z_ERROR=0.01"}, Lerc(LERC_ADD_COMPRESSION_NONE, 0.01)},
        {"lerc_int", GDT_Int16, 3, {"COMPRESS=LERC"}, Lerc(LERC_ADD_COMPRESSION_NONE, 0)},
        {"lerc_deflate",
         GDT_Float32,
         1,
         {"COMPRESS=LERC_DEFLATE", "MAX_Z_ERROR=0.001"},
         Lerc(LERC_ADD_COMPRESSION_DEFLATE, 0.001)},
        {"lerc_zstd", GDT_Float64, 1, {"COMPRESS=LERC_ZSTD", "MAX_Z_ERROR=0"}, Lerc(LERC_ADD_COMPRESSION_ZSTD, 0)},
        {"jpeg_grey", GDT_Byte, 1, {"COMPRESS=JPEG", "JPEG_QUALITY=75"}, Jpeg(75)},
        {"jpeg_rgb", GDT_Byte, 3, {"COMPRESS=JPEG", "PHOTOMETRIC=RGB", "JPEG_QUALITY=100"}, Jpeg(100), PHOTOMETRIC_RGB},
        {"jpeg_ycbcr",
         GDT_Byte,
         3,
         {"COMPRESS=JPEG", "PHOTOMETRIC=YCBCR", "JPEG_QUALITY=90"},
         Jpeg(90),
         PHOTOMETRIC_YCBCR},
        {"webp", GDT_Byte, 3, {"COMPRESS=WEBP", "PHOTOMETRIC=RGB", "WEBP_LEVEL=75"}, Webp(75, false), PHOTOMETRIC_RGB},
        {"webp_lossless",
         GDT_Byte,
         4,
         {"COMPRESS=WEBP", "PHOTOMETRIC=RGB", "ALPHA=YES", "WEBP_LOSSLESS=YES"},
         Webp(75, true),
         PHOTOMETRIC_RGB},
    };
}

class EncoderTest : public testing::TestWithParam<Case> {
  public:
    static void SetUpTestSuite() { GDALAllRegister(); }

  protected:
    void SetUp() override {
        if (!TIFFIsCODECConfigured(GetParam().codec.compression))
            GTEST_SKIP() << "this libtiff lacks the codec";
    }
};

std::string CaseName(const testing::TestParamInfo<Case> &info) {
    return info.param.name;
}

TEST_P(EncoderTest, as_gtiff) {
    const Case &c = GetParam();
    for (Pixels kind : {Pixels::Terrain, Pixels::Noise, Pixels::Zeros, Pixels::Runs}) {
        if (kind == Pixels::Noise && GDALDataTypeIsFloating(c.type) && c.codec.compression == COMPRESSION_LERC)
            continue; // noise has NaN of all kinds, which LERC does not keep apart
        Encoder encoder(Format(c, 64, 48));
        ASSERT_TRUE(encoder.encoder) << encoder.error.text;
        Bytes pixels = MakePixels(c, 64, 48, kind);
        SCOPED_TRACE("pixels of kind " + std::to_string(static_cast<int>(kind)));
        ExpectAsGoodAs(GtiffBlock(c, 64, 48, pixels, true), encoder.Encode(pixels, 48), encoder.format, pixels, 48);
    }
}

TEST_P(EncoderTest, same_bytes_whatever_came_before) {
    const Case &c = GetParam();
    Encoder used(Format(c, 80, 64));
    ASSERT_TRUE(used.encoder) << used.error.text;
    for (Pixels kind : {Pixels::Zeros, Pixels::Noise, Pixels::Terrain, Pixels::Zeros, Pixels::Runs, Pixels::Terrain,
                        Pixels::Noise, Pixels::Terrain}) {
        Encoder fresh(Format(c, 80, 64));
        Bytes pixels = MakePixels(c, 80, 64, kind);
        EXPECT_TRUE(used.Encode(pixels, 64) == fresh.Encode(pixels, 64));
    }
}

TEST_P(EncoderTest, short_last_strip) {
    Case c = GetParam();
    c.options.push_back("BLOCKYSIZE=32");
    const uint32_t height = 32 + 13;
    Bytes all = MakePixels(c, 100, height, Pixels::Terrain);
    stf_tile_format format = Format(c, 100, 32);
    format.tiled = false;
    Encoder encoder(format);
    ASSERT_TRUE(encoder.encoder) << encoder.error.text;
    const size_t strip = stf_encoder_tile_bytes(&format);
    const Bytes first(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(strip));
    const Bytes last(all.begin() + static_cast<std::ptrdiff_t>(strip), all.end());
    // Twice: planes follow each other, each with a short strip at its end.
    for (int plane = 0; plane < 2; plane++) {
        ExpectAsGoodAs(GtiffBlock(c, 100, height, all, false, 0), encoder.Encode(first, 32), format, first, 32);
        ExpectAsGoodAs(GtiffBlock(c, 100, height, all, false, 1), encoder.Encode(last, 13), format, last, 13);
    }
}

TEST_P(EncoderTest, one_pixel) {
    const Case &c = GetParam();
    stf_tile_format format = Format(c, 1, 1);
    format.tiled = false;
    Encoder encoder(format);
    ASSERT_TRUE(encoder.encoder) << encoder.error.text;
    for (Pixels kind : {Pixels::Terrain, Pixels::Noise, Pixels::Zeros})
        EXPECT_FALSE(encoder.Encode(MakePixels(c, 1, 1, kind), 1).empty());
}

INSTANTIATE_TEST_SUITE_P(codecs, EncoderTest, testing::ValuesIn(Cases()), CaseName);

// Tiles as they are in files: the balance of a level depends on their size.
TEST(EncoderLevels, sizes_of_gtiff) {
    GDALAllRegister();
    const struct {
        GDALDataType type;
        int samples, predictor;
        uint32_t size;
    } rasters[] = {{GDT_Float32, 1, 3, 256}, {GDT_Byte, 3, 2, 128}, {GDT_Int16, 1, 2, 128}};
    const int levels[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 19};
    for (const auto &raster : rasters) {
        for (const int level : levels) {
            for (const bool deflate : {true, false}) {
                if (deflate ? level > 12 : !TIFFIsCODECConfigured(COMPRESSION_ZSTD))
                    continue;
                const std::string predictor = "PREDICTOR=" + std::to_string(raster.predictor);
                const std::string of_level = (deflate ? "ZLEVEL=" : "ZSTD_LEVEL=") + std::to_string(level);
                const Case c = {"",
                                raster.type,
                                raster.samples,
                                {deflate ? "COMPRESS=DEFLATE" : "COMPRESS=ZSTD", predictor, of_level},
                                deflate ? Deflate(raster.predictor, level) : Zstd(raster.predictor, level)};
                SCOPED_TRACE(c.options[0] + " " + predictor + " " + of_level);
                Encoder encoder(Format(c, raster.size, raster.size));
                ASSERT_TRUE(encoder.encoder) << encoder.error.text;
                const Bytes pixels = MakePixels(c, raster.size, raster.size, Pixels::Terrain);
                ExpectAsGoodAs(GtiffBlock(c, raster.size, raster.size, pixels, true),
                               encoder.Encode(pixels, raster.size), encoder.format, pixels, raster.size);
            }
        }
    }
}

Case ByteCase(const stf_codec &codec) {
    return {"byte", GDT_Byte, 1, {}, codec};
}

TEST(EncoderBound, incompressible) {
    for (const Case &c : Cases()) {
        if (!TIFFIsCODECConfigured(c.codec.compression))
            continue;
        for (uint32_t size : {16u, 64u, 256u}) {
            Encoder encoder(Format(c, size, size));
            ASSERT_TRUE(encoder.encoder) << c.name << ": " << encoder.error.text;
            const bool keep = !(c.codec.compression == COMPRESSION_LERC && GDALDataTypeIsFloating(c.type));
            Bytes pixels = MakePixels(c, size, size, keep ? Pixels::Noise : Pixels::NotANumber);
            EXPECT_LE(encoder.Encode(pixels, size).size(), stf_encoder_bound_bytes(&encoder.format)) << c.name;
        }
    }
}

// Single bits at random, and such that every change of colour lies three columns off that of the row above.
TEST(EncoderBound, fax) {
    for (int codec : {COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4}) {
        for (int kind = 0; kind < 3; kind++) {
            Case c = ByteCase(Codec(codec));
            stf_tile_format format = Format(c, 256, 256);
            format.memory_bits = 8;
            format.sample_bits = 1;
            Encoder encoder(format);
            if (!encoder.encoder)
                GTEST_SKIP() << encoder.error.text;
            Bytes pixels(256 * 256);
            for (size_t i = 0; i < pixels.size(); i++) {
                size_t x = i % 256, y = i / 256;
                pixels[i] = static_cast<unsigned char>(kind == 0   ? (i * 2654435761u >> 16) & 1
                                                       : kind == 1 ? (x + y) & 1
                                                                   : (x + 3 * y) / 4 & 1);
            }
            EXPECT_LE(encoder.Encode(pixels, 256).size(), stf_encoder_bound_bytes(&encoder.format)) << codec;
        }
    }
}

// Black and white at random: the noise with the most energy, for JPEG.
TEST(EncoderBound, black_and_white_noise) {
    for (int quality : {75, 90, 91, 100}) {
        for (int samples : {1, 3}) {
            Case c = {"jpeg", GDT_Byte, samples, {}, Jpeg(quality)};
            c.photometric = samples == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
            Encoder encoder(Format(c, 256, 256));
            if (!encoder.encoder)
                GTEST_SKIP() << encoder.error.text;
            Bytes pixels = MakePixels(c, 256, 256, Pixels::Noise);
            for (unsigned char &value : pixels)
                value = value < 128 ? 0 : 255;
            EXPECT_FALSE(encoder.Encode(pixels, 256).empty());
        }
    }
}

// A literal and two runs of two, over and over: PackBits needs 6 bytes for 5.
TEST(EncoderBound, worst_case_of_packbits) {
    Case c = ByteCase(Codec(COMPRESSION_PACKBITS));
    Bytes pixels(1024 * 64);
    for (size_t i = 0; i < pixels.size(); i++)
        pixels[i] = static_cast<unsigned char>(i % 1024 % 5 == 0 ? 10 : i % 1024 % 5 < 3 ? 20 : 30);
    Encoder encoder(Format(c, 1024, 64));
    EXPECT_GT(encoder.Encode(pixels, 64).size(), pixels.size() * 11 / 10);
}

TEST(EncoderNone, copies_nothing) {
    Encoder encoder(Format(ByteCase(Codec(COMPRESSION_NONE)), 16, 16));
    ASSERT_TRUE(encoder.encoder);
    EXPECT_EQ(stf_encoder_bound_bytes(&encoder.format), 256u);
    Bytes pixels = MakePixels(ByteCase(Codec(COMPRESSION_NONE)), 16, 16, Pixels::Noise);
    EXPECT_TRUE(encoder.Encode(pixels, 16) == pixels);
    EXPECT_EQ(encoder.Encode(pixels, 5).size(), 80u);
}

std::string Refusal(const Case &c, uint32_t width, uint32_t height) {
    Encoder encoder(Format(c, width, height));
    return encoder.encoder ? "" : encoder.error.text;
}

TEST(EncoderRefuses, what_libtiff_cannot_write) {
    EXPECT_NE(Refusal(ByteCase(Codec(9999)), 64, 64), "");
    EXPECT_NE(Refusal(ByteCase(Deflate(3, 6)), 64, 64), "");                  // float predictor on integers
    EXPECT_NE(Refusal({"", GDT_CFloat64, 1, {}, Deflate(2, 6)}, 64, 64), ""); // 128 bits
    EXPECT_NE(Refusal({"", GDT_UInt16, 1, {}, Jpeg(75)}, 64, 64), "");        // 16 bits
    EXPECT_NE(Refusal(ByteCase(Webp(75, false)), 64, 64), "");                // one band
    EXPECT_NE(Refusal({"", GDT_CFloat32, 1, {}, Lerc(0, 0)}, 64, 64), "");    // complex
    EXPECT_NE(Refusal({"", GDT_Float64, 1, {}, Codec(COMPRESSION_NONE)}, 65536, 65536), "");
    EXPECT_NE(Refusal({"", GDT_CFloat64, 65535, {}, Codec(COMPRESSION_NONE)}, 0xffffffffu, 0xffffffffu), "");
    EXPECT_NE(Refusal({"", GDT_Byte, 3, {}, Webp(75, false), PHOTOMETRIC_RGB}, 16384, 16), "");
}

TEST(EncoderRefuses, a_failure_says_what_libtiff_said) {
    EXPECT_NE(Refusal(ByteCase(Deflate(3, 6)), 64, 64).find("Predictor"), std::string::npos)
        << Refusal(ByteCase(Deflate(3, 6)), 64, 64);
}

TEST(EncoderRefuses, wrong_rows_and_small_buffers) {
    Encoder encoder(Format(ByteCase(Deflate(1, 6)), 16, 16));
    ASSERT_TRUE(encoder.encoder);
    Bytes data(stf_encoder_bound_bytes(&encoder.format));
    size_t bytes = 0;
    for (uint32_t rows : {0u, 17u}) {
        stf_error error{};
        EXPECT_FALSE(stf_encoder_encode(encoder.encoder, data.data(), data.size(), rows, &bytes, &error));
        EXPECT_NE(error.number, 0);
    }
    stf_error error{};
    EXPECT_FALSE(stf_encoder_encode(encoder.encoder, data.data(), 255, 16, &bytes, &error));
    EXPECT_EQ(encoder.Encode(Bytes(256), 16), encoder.Encode(Bytes(256), 16)); // and it goes on working
}

TEST(EncoderTags, codecs_with_tags) {
    stf_codec_tag tags[8];
    Encoder jpeg(Format({"", GDT_Byte, 3, {}, Jpeg(75), PHOTOMETRIC_YCBCR}, 64, 64));
    if (jpeg.encoder) {
        ASSERT_EQ(stf_encoder_tags(jpeg.encoder, tags, 8), 3u);
        EXPECT_EQ(tags[0].tag, TIFFTAG_JPEGTABLES);
        EXPECT_GT(tags[0].count, 60u);
        EXPECT_EQ(stf_encoder_tags(jpeg.encoder, tags, 1), 1u);
    }
    Encoder lerc(Format({"", GDT_Float32, 1, {}, Lerc(LERC_ADD_COMPRESSION_DEFLATE, 0)}, 64, 64));
    if (lerc.encoder) {
        ASSERT_EQ(stf_encoder_tags(lerc.encoder, tags, 8), 1u);
        EXPECT_EQ(static_cast<const uint32_t *>(tags[0].values)[1], 1u);
    }
    Encoder deflate(Format(ByteCase(Deflate(1, 6)), 64, 64));
    EXPECT_EQ(stf_encoder_tags(deflate.encoder, tags, 8), 0u);
}

// --- memory, on the process -----------------------------------------------------------------------------

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool SANITIZED = true;
#else
constexpr bool SANITIZED = false;
#endif

// A figure of /proc/self/status, in bytes; 0 where there is none.
uint64_t ProcessBytes(const char *key) {
    uint64_t kib = 0;
    if (FILE *file = fopen("/proc/self/status", "r")) {
        char line[256];
        while (fgets(line, sizeof(line), file))
            if (STARTS_WITH(line, key))
                kib = std::strtoull(line + strlen(key), nullptr, 10);
        fclose(file);
    }
    return kib * 1024;
}

bool ResetPeak() {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    const bool written = file && fputs("5", file) >= 0;
    return file && fclose(file) == 0 && written;
}

// Large blocks come fresh from the system, so that what earlier tests freed does not hide a cost.
void TakeFreshPages() {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 32768);
    malloc_trim(0);
#endif
}

TEST(EncoderCost, bounds_the_process) {
    if (SANITIZED || !ResetPeak() || ProcessBytes("VmHWM:") == 0)
        GTEST_SKIP() << "the peak of this process cannot be measured, or says nothing here";
    GDALAllRegister();
    std::vector<Case> cases = Cases();
    cases.push_back({"zstd_19", GDT_UInt16, 1, {}, Zstd(2, 19)}); // too slow for all the others
    for (const char *name : {"deflate_float_predictor", "lzw_predictor", "zstd_default", "zstd_19", "lzma", "lerc"}) {
        for (const Case &c : cases) {
            if (c.name != std::string(name) || !TIFFIsCODECConfigured(c.codec.compression))
                continue;
            for (uint32_t size : {256u, 512u}) {
                stf_tile_format format = Format(c, size, size);
                Encoder(Format(c, 16, 16)).Encode(MakePixels(c, 16, 16, Pixels::Terrain), 16); // loads the library
                Bytes tile(stf_encoder_bound_bytes(&format), 1);
                const Bytes noise = MakePixels(c, size, size, Pixels::Noise);
                const Bytes terrain = MakePixels(c, size, size, Pixels::Terrain);
                // The median of three: the kernel may take cold pages away meanwhile, or give them back.
                std::vector<uint64_t> costs;
                for (int attempt = 0; attempt < 3; attempt++) {
                    TakeFreshPages();
                    const uint64_t before = ProcessBytes("VmRSS:");
                    ASSERT_TRUE(ResetPeak());
                    Encoder encoder(format);
                    for (int i = 0; i < 4; i++) {
                        memcpy(tile.data(), i % 2 ? terrain.data() : noise.data(), noise.size());
                        size_t bytes = 0;
                        ASSERT_TRUE(stf_encoder_encode(encoder.encoder, tile.data(), tile.size(), size, &bytes,
                                                       &encoder.error));
                    }
                    costs.push_back(ProcessBytes("VmHWM:") - before);
                }
                std::sort(costs.begin(), costs.end());
                const uint64_t cost = costs[1];
                EXPECT_LE(cost, stf_encoder_cost_bytes(&format)) << name << " " << size;
                EXPECT_GE(cost, stf_encoder_tile_bytes(&format) / 2) << name << " " << size;
            }
        }
    }
}

TEST(EncoderCost, overflow) {
    Case c = {"", GDT_CFloat64, 65535, {}, Zstd(1, 22)};
    const stf_tile_format format = Format(c, 0xffffffffu, 0xffffffffu);
    EXPECT_EQ(stf_encoder_tile_bytes(&format), 0u);
    EXPECT_EQ(stf_encoder_cost_bytes(&format), UINT64_MAX);
    const stf_tile_format none = Format(ByteCase(Codec(COMPRESSION_NONE)), 512, 512);
    EXPECT_EQ(stf_encoder_cost_bytes(&none), 0u);
}

} // namespace
