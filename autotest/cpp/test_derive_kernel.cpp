// Hillshade by kernels of our own, window by window, against GDALDEMProcessing of the whole raster: not a byte may differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cpl_conv.h"
#include "derive.h"
#include "derive_command.h"
#include "gdal.h"
#include "gdal_utils.h"

namespace {

constexpr bool has_kernels = GDAL_VERSION_NUM < GDAL_COMPUTE_VERSION(3, 11, 0);

struct Raster {
    int width, height;
    GDALDataType type;
    double ewres = 10, nsres = -10;
    std::vector<double> heights{};
    bool has_nodata = false;
    double nodata = 0;

    GDALDatasetH open() const {
        GDALDatasetH dataset = GDALCreate(GDALGetDriverByName("MEM"), "", width, height, 1, type, nullptr);
        GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
        double transform[6] = {500000, ewres, 0, 4600000, 0, nsres};
        GDALSetGeoTransform(dataset, transform);
        if (has_nodata)
            GDALSetRasterNoDataValue(band, nodata);
        EXPECT_EQ(GDALRasterIO(band, GF_Write, 0, 0, width, height, const_cast<double *>(heights.data()), width, height,
                               GDT_Float64, 0, 0),
                  CE_None);
        return dataset;
    }
};

using Bytes = std::vector<unsigned char>;

Bytes pixels_of(GDALDatasetH dataset, GDALDataType type) {
    int width = GDALGetRasterXSize(dataset), height = GDALGetRasterYSize(dataset);
    Bytes pixels(static_cast<size_t>(width) * static_cast<size_t>(height) *
                 static_cast<size_t>(GDALGetDataTypeSizeBytes(type)));
    EXPECT_EQ(GDALRasterIO(GDALGetRasterBand(dataset, 1), GF_Read, 0, 0, width, height, pixels.data(), width, height,
                           type, 0, 0),
              CE_None);
    return pixels;
}

Bytes by_gdaldem(GDALDatasetH dataset, const std::string &text) {
    char **words = CSLTokenizeString(text.c_str());
    char **arguments = CSLAddString(CSLAddString(nullptr, "-of"), "MEM");
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    arguments = CSLInsertString(arguments, 0, words[0]);
#endif
    for (char **word = words + 1; *word; word++)
        arguments = CSLAddString(arguments, *word);
    GDALDEMProcessingOptions *options = GDALDEMProcessingOptionsNew(arguments, nullptr);
    GDALDatasetH made = GDALDEMProcessing("", dataset, words[0], nullptr, options, nullptr);
    Bytes pixels = pixels_of(made, GDT_Byte);
    GDALClose(made);
    GDALDEMProcessingOptionsFree(options);
    CSLDestroy(arguments);
    CSLDestroy(words);
    return pixels;
}

// What the operator sees of the raster: a window and one pixel more on either side, as far as there is one.
stf_window with_halo(const stf_window &window, uint32_t width, uint32_t height) {
    stf_window halo = window;
    halo.x -= window.x > 0;
    halo.y -= window.y > 0;
    halo.width = std::min(window.x + window.width + 1, width) - halo.x;
    halo.height = std::min(window.y + window.height + 1, height) - halo.y;
    return halo;
}

Bytes by_windows(GDALDatasetH dataset, GDALDataType type, const std::string &text, uint32_t across, uint32_t down) {
    uint32_t width = static_cast<uint32_t>(GDALGetRasterXSize(dataset));
    uint32_t height = static_cast<uint32_t>(GDALGetRasterYSize(dataset));
    size_t size = static_cast<size_t>(GDALGetDataTypeSizeBytes(type));
    stf_derive_command command{};
    stf_error err{};
    EXPECT_TRUE(stf_derive_command_parse(text.c_str(), &command, &err)) << err.text;
    stf_derive *derive = stf_derive_create(&command, true, dataset, &err);
    EXPECT_NE(derive, nullptr) << err.text;
    EXPECT_EQ(stf_derive_runs_kernel(derive), has_kernels);
    const stf_operator *op = stf_derive_operator(derive);
    Bytes source = pixels_of(dataset, type), result(static_cast<size_t>(width) * height, 77);
    for (uint32_t y = 0; y < height && stf_derive_runs_kernel(derive); y += down)
        for (uint32_t x = 0; x < width; x += across) {
            stf_window window = {x, y, std::min(across, width - x), std::min(down, height - y)};
            stf_window halo = with_halo(window, width, height);
            stf_operand from = {source.data() + (static_cast<size_t>(halo.y) * width + halo.x) * size, width * size,
                                halo};
            stf_operator_result to = {result.data() + static_cast<size_t>(y) * width + x, width, 0, window};
            EXPECT_TRUE(op->run(op->context, &from, &to, &err)) << err.text;
        }
    stf_derive_destroy(derive);
    stf_derive_command_free(&command);
    return result;
}

void compare(const Raster &raster, const std::string &text, uint32_t across, uint32_t down) {
    GDALDatasetH dataset = raster.open();
    Bytes expected = by_gdaldem(dataset, text), result = by_windows(dataset, raster.type, text, across, down);
    GDALClose(dataset);
    if (!has_kernels)
        return;
    auto differs = std::mismatch(expected.begin(), expected.end(), result.begin());
    ASSERT_EQ(expected, result) << text << ", " << GDALGetDataTypeName(raster.type) << " " << raster.width << " x "
                                << raster.height << ": pixel " << (differs.first - expected.begin()) % raster.width
                                << ", " << (differs.first - expected.begin()) / raster.width;
}

const char *const variants[] = {
    "hillshade",
    "hillshade -z 3 -az 200.5 -alt 30",
    "hillshade -s 0.3 -alg ZevenbergenThorne",
    "hillshade -combined",
    "hillshade -combined -alg ZevenbergenThorne -alt 60 -az 17",
    "hillshade -multidirectional -z 0.7",
    "hillshade -multidirectional -alg ZevenbergenThorne -alt 20",
    "hillshade -igor",
    "hillshade -igor -alg ZevenbergenThorne -az 90 -z 5",
    "hillshade -alt 0.5 -az -45",
};

const GDALDataType types[] = {GDT_Byte, GDT_UInt16, GDT_Int16, GDT_Int32, GDT_Float32, GDT_Float64};

// Bands of rows, one below the other: hills, steps of integers, a plain, cliffs.
Raster terrain(int width, int height, GDALDataType type, unsigned seed) {
    Raster raster{width, height, type};
    std::mt19937 random(seed);
    bool real = GDALDataTypeIsFloating(type), is_byte = type == GDT_Byte;
    double most = is_byte ? 255 : 3000;
    std::uniform_real_distribution<double> noise(0, 1);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double hill = most * (0.5 + 0.4 * std::sin(x / 9.0) * std::cos(y / 7.0));
            int part = 4 * y / height;
            double z = part == 0   ? hill + 3 * noise(random)
                       : part == 1 ? std::floor(most / 3 + 6 * noise(random))
                       : part == 2 ? 100 + (noise(random) < 0.02)
                                   : most * noise(random);
            raster.heights.push_back(real ? z : std::min(std::floor(z), most));
        }
    return raster;
}

void add_holes(Raster *raster, double nodata, unsigned seed) {
    std::mt19937 random(seed);
    raster->has_nodata = true;
    raster->nodata = nodata;
    std::uniform_int_distribution<int> across(0, raster->width - 1), down(0, raster->height - 1);
    for (int hole = 0; hole < raster->width * raster->height / 400 + 1; hole++) {
        int left = across(random), top = down(random), side = hole % 7 == 0 ? 9 : 1;
        for (int y = top; y < std::min(top + side, raster->height); y++)
            for (int x = left; x < std::min(left + side, raster->width); x++)
                raster->heights[static_cast<size_t>(y * raster->width + x)] = nodata;
    }
}

class DeriveKernel : public testing::Test {
  protected:
    static void SetUpTestSuite() { GDALAllRegister(); }
};

std::string text_of(const char *variant, bool edges) {
    return std::string(variant) + (edges ? " -compute_edges" : "");
}

TEST_F(DeriveKernel, hillshade_of_every_type_and_variant) {
    unsigned seed = 1;
    for (GDALDataType type : types)
        for (const char *variant : variants)
            for (bool square : {true, false}) {
                Raster raster = terrain(211, 160, type, seed++);
                raster.nsres = square ? -10 : -12.5;
                compare(raster, text_of(variant, square), 64, 48);
            }
}

TEST_F(DeriveKernel, hillshade_around_nodata) {
    unsigned seed = 100;
    for (GDALDataType type : types)
        for (const char *variant : variants)
            for (bool edges : {true, false}) {
                Raster raster = terrain(131, 90, type, seed++);
                raster.nsres = seed % 3 == 0 ? -8 : -10;
                add_holes(&raster, type == GDT_Byte ? 255 : type == GDT_UInt16 ? 0 : -9999, seed);
                compare(raster, text_of(variant, edges), 50, 37);
            }
}

TEST_F(DeriveKernel, nodata_that_is_no_number) {
    for (const char *variant : variants)
        for (bool edges : {true, false}) {
            Raster raster = terrain(90, 60, GDT_Float32, 5);
            add_holes(&raster, std::numeric_limits<double>::quiet_NaN(), 6);
            compare(raster, text_of(variant, edges), 33, 20);
        }
}

// Sums that gdaldem's vector code rounds up to 128.5 and other code does not, as far as the processor's approximate roots are those of
// the one where they were found: nothing but the right one of the two in the right place gives its bytes.
TEST_F(DeriveKernel, sums_that_vector_code_rounds_otherwise) {
    const struct {
        const char *light;
        int dx, dy;
    } found[] = {{"-z 2 -az 200.5 -alt 60", -695, 815}, {"-z 2 -az 90 -alt 60", 729, -315},
                 {"-z 2 -az 90 -alt 60", 729, 315},     {"-z 0.5 -az 10 -alt 30", -771, -639},
                 {"-z 3 -az 90 -alt 60", 486, -210},    {"-z 3 -az 90 -alt 60", 486, 210}};
    for (const auto &one : found)
        for (int width = 3; width <= 40; width++)
            for (int mode = 0; mode < 3; mode++) { // without nodata; with a value for it; with nodata in a row
                Raster raster{width, 9, GDT_Int16};
                for (int y = 0; y < 9; y++)
                    for (int x = 0; x < width; x++)
                        raster.heights.push_back((x + width) % 3 != 0 ? 1000
                                                 : y % 3 == 0         ? 1000 + (one.dx + one.dy) / 2
                                                 : y % 3 == 1         ? 1000
                                                                      : 1000 + (one.dx - one.dy) / 2);
                raster.has_nodata = mode > 0;
                raster.nodata = -9999;
                if (mode == 2)
                    raster.heights[static_cast<size_t>(4 * width)] = -9999;
                std::string text = std::string("hillshade ") + one.light;
                compare(raster, text, 64, 4);
                if (mode < 2)
                    compare(raster, text, 7, 4);
            }
}

// Integers do not hold such a nodata value, and go by the code for rasters without one.
TEST_F(DeriveKernel, nodata_that_the_type_cannot_hold) {
    for (double nodata : {-32769.0, 2.5, std::numeric_limits<double>::quiet_NaN()}) {
        Raster raster = terrain(90, 60, GDT_Int16, 7);
        raster.has_nodata = true;
        raster.nodata = nodata;
        compare(raster, "hillshade", 33, 20);
    }
}

TEST_F(DeriveKernel, what_is_no_number_and_what_is_infinite) {
    const double inf = std::numeric_limits<double>::infinity();
    const double some[] = {0, 1, -5, 2.5, inf, -inf, std::nan(""), 3e38, 1e-30};
    for (const char *variant : variants)
        for (bool square : {true, false}) {
            Raster raster{120, 100, GDT_Float32, 10, square ? -10.0 : -1e-3};
            std::mt19937 random(8);
            for (int i = 0; i < raster.width * raster.height; i++)
                raster.heights.push_back(some[i % 5 != 0 ? std::uniform_int_distribution<int>(0, 3)(random)
                                                         : std::uniform_int_distribution<int>(0, 8)(random)]);
            compare(raster, text_of(variant, square), 47, 60);
        }
}

TEST_F(DeriveKernel, rasters_that_are_all_edges) {
    for (int width = 1; width <= 11; width++)
        for (int height : {1, 2, 3, 5})
            for (const char *variant : variants)
                for (bool edges : {true, false})
                    compare(terrain(width, height, (width + height) % 2 ? GDT_Float32 : GDT_Int16, 9),
                            text_of(variant, edges), 4, 2);
}

} // namespace
