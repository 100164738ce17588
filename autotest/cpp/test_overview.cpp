// The pyramid, window by window, against GDAL's overviews of whole rasters; the arithmetic of windows and open tiles.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fakes.h"
#include "gdal.h"
#include "gdal_priv.h"
#include "gtest/gtest.h"
#include "overview.h"
#include "overview_open.h"
#include "pyramid_levels.h"

namespace {

using fakes::Bytes;
using fakes::halve;

stf_geometry geometry_of(uint32_t width, uint32_t height, uint32_t tile, uint32_t sample_bytes,
                         const std::vector<stf_plane> &planes) {
    stf_geometry geometry{};
    geometry.width_px = width;
    geometry.height_px = height;
    geometry.sample_bytes = sample_bytes;
    geometry.planes = planes.data();
    geometry.plane_count = static_cast<uint32_t>(planes.size());
    geometry.tile_x = stf_axis_make(width, 0, tile);
    geometry.tile_y = stf_axis_make(height, 0, tile);
    geometry.tile_x.step_px = geometry.tile_y.step_px = tile;
    return geometry;
}

// --- arithmetic --------------------------------------------------------------------------------------

TEST(OverviewGrid, sizes_halve_downwards) {
    const std::vector<stf_plane> planes = {{0, 1}};
    const stf_geometry geometry = geometry_of(1501, 1203, 256, 1, planes);
    stf_overview_shape shape;
    stf_overview_begin(&shape, &geometry, 256, 2);
    halve(&shape, 256, -1);
    ASSERT_EQ(shape.level_count, 4u);
    EXPECT_EQ(shape.levels[1].width_px, 750u);
    EXPECT_EQ(shape.levels[1].height_px, 601u);
    EXPECT_EQ(shape.levels[3].width_px, 187u);
    EXPECT_EQ(shape.levels[3].height_px, 150u);
    EXPECT_EQ(shape.levels[3].parent, 2u);
}

TEST(OverviewGrid, one_pixel_ends_the_counting) {
    const std::vector<stf_plane> planes = {{0, 1}};
    const stf_geometry geometry = geometry_of(3, 9, 256, 1, planes);
    stf_overview_shape shape;
    stf_overview_begin(&shape, &geometry, 256, 2);
    halve(&shape, 256, 20);
    ASSERT_EQ(shape.level_count, 4u); // 1 x 4, 1 x 2, 1 x 1
    EXPECT_EQ(shape.levels[1].parent, 0u);
    EXPECT_EQ(shape.levels[2].parent, 0u) << "no wider: made from the raster, as GDAL makes it";
    EXPECT_EQ(shape.levels[3].width_px, 1u);
    EXPECT_EQ(shape.levels[3].height_px, 1u);
}

TEST(OverviewGrid, no_level_where_it_fits) {
    const std::vector<stf_plane> planes = {{0, 1}};
    const stf_geometry geometry = geometry_of(256, 256, 256, 1, planes);
    stf_overview_shape shape;
    stf_overview_begin(&shape, &geometry, 256, 2);
    halve(&shape, 256, -1);
    EXPECT_EQ(shape.level_count, 1u);
    halve(&shape, 256, 0);
    EXPECT_EQ(shape.level_count, 1u);
}

// Each pixel is in one window, and its whole support in the tiles up to that window's.
TEST(OverviewGrid, windows_partition_the_level) {
    for (uint32_t parent = 1; parent < 400; parent += parent < 40 ? 1 : 7)
        for (const uint32_t tile : {16u, 32u, 48u, 128u})
            for (const uint32_t radius : {0u, 1u, 2u, 3u}) {
                const uint32_t level = std::max(1u, parent / 2), step = parent % 3 == 0 ? 8 : 1;
                const stf_overview_axis axis = stf_overview_axis_make(parent, level, tile, radius, step);
                uint32_t at = 0;
                for (uint32_t i = 0; i < axis.tiles; i++) {
                    ASSERT_EQ(stf_overview_axis_begin(&axis, i), at);
                    const uint32_t end = stf_overview_axis_begin(&axis, i + 1);
                    ASSERT_LE(at, end);
                    ASSERT_EQ(at % step, 0u);
                    const double reach = radius * std::max(1.0, std::floor(0.5 + axis.ratio));
                    if (end > at && i + 1 < axis.tiles) {
                        ASSERT_LE(std::floor(at * axis.ratio) + 1 + std::ceil((end - at) * axis.ratio) + reach,
                                  stf_overview_axis_tile(&axis, i + 1));
                    }
                    if (end > at) {
                        ASSERT_LE(stf_overview_axis_kept(&axis, i), std::max(0.0, std::floor(at * axis.ratio) - reach));
                    }
                    ASSERT_LE(stf_overview_axis_kept(&axis, i), stf_overview_axis_kept(&axis, i + 1));
                    at = end;
                }
                ASSERT_EQ(at, level);
                ASSERT_LE(stf_overview_axis_most_kept(&axis), 2 * radius * 3 + 9 + 3 * step);
            }
}

// --- a pyramid ---------------------------------------------------------------------------------------

struct Raster {
    uint32_t width, height, bands;
    GDALDataType type;
    Bytes pixels; // pixel by pixel
    size_t sample_bytes() const { return static_cast<size_t>(GDALGetDataTypeSizeBytes(type)); }
    size_t pixel_bytes() const { return sample_bytes() * bands; }
    Raster(uint32_t w, uint32_t h, uint32_t b, GDALDataType t) : width(w), height(h), bands(b), type(t) {
        pixels.resize(pixel_bytes() * w * h);
    }
    unsigned char *at(uint32_t x, uint32_t y, uint32_t band = 0) {
        return &pixels[(size_t{y} * width + x) * pixel_bytes() + band * sample_bytes()];
    }
};

// Smooth enough for kernels to matter, rough enough for every pixel to differ.
Raster make_raster(uint32_t width, uint32_t height, uint32_t bands, GDALDataType type, uint32_t seed) {
    Raster raster(width, height, bands, type);
    std::mt19937 random(seed);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t b = 0; b < bands; b++) {
                double value[2] = {120 + 60 * std::sin(0.11 * x + b) * std::cos(0.07 * y) +
                                       static_cast<double>(random() % 4096) / 100,
                                   std::fmod(0.37 * x * y, 100)};
                GDALCopyWords(value, GDT_CFloat64, 0, raster.at(x, y, b), type, 0, 1);
            }
    return raster;
}

GDALDatasetH show(Raster &raster) {
    GDALDatasetH dataset =
        GDALCreate(GDALGetDriverByName("MEM"), "", static_cast<int>(raster.width), static_cast<int>(raster.height),
                   static_cast<int>(raster.bands), raster.type, nullptr);
    EXPECT_EQ(GDALDatasetRasterIO(
                  dataset, GF_Write, 0, 0, static_cast<int>(raster.width), static_cast<int>(raster.height),
                  raster.pixels.data(), static_cast<int>(raster.width), static_cast<int>(raster.height), raster.type,
                  static_cast<int>(raster.bands), nullptr, static_cast<int>(raster.pixel_bytes()),
                  static_cast<int>(raster.pixel_bytes() * raster.width), static_cast<int>(raster.sample_bytes())),
              CE_None);
    return dataset;
}

Raster take(GDALDatasetH dataset) {
    Raster raster(
        static_cast<uint32_t>(GDALGetRasterXSize(dataset)), static_cast<uint32_t>(GDALGetRasterYSize(dataset)),
        static_cast<uint32_t>(GDALGetRasterCount(dataset)), GDALGetRasterDataType(GDALGetRasterBand(dataset, 1)));
    EXPECT_EQ(GDALDatasetRasterIO(
                  dataset, GF_Read, 0, 0, static_cast<int>(raster.width), static_cast<int>(raster.height),
                  raster.pixels.data(), static_cast<int>(raster.width), static_cast<int>(raster.height), raster.type,
                  static_cast<int>(raster.bands), nullptr, static_cast<int>(raster.pixel_bytes()),
                  static_cast<int>(raster.pixel_bytes() * raster.width), static_cast<int>(raster.sample_bytes())),
              CE_None);
    return raster;
}

// What the dataset says beside its pixels.
using Describe = std::function<void(GDALDatasetH)>;
void describe_nothing(GDALDatasetH) {}

// GDAL's overviews, each of the whole level before.
std::vector<Raster> reference(Raster &raster, const stf_overview_shape &shape, const std::string &method,
                              const Describe &describe) {
    std::vector<GDALDatasetH> levels = {show(raster)};
    std::vector<Raster> found = {raster};
    describe(levels[0]);
    for (uint32_t i = 1; i < shape.level_count; i++) {
        GDALDatasetH level = GDALCreate(GDALGetDriverByName("MEM"), "", static_cast<int>(shape.levels[i].width_px),
                                        static_cast<int>(shape.levels[i].height_px), static_cast<int>(raster.bands),
                                        raster.type, nullptr);
        describe(level);
        std::vector<GDALRasterBand *> from, to;
        std::vector<GDALRasterBand **> lists;
        for (uint32_t b = 1; b <= raster.bands; b++) {
            from.push_back(GDALDataset::FromHandle(levels[shape.levels[i].parent])->GetRasterBand(static_cast<int>(b)));
            to.push_back(GDALDataset::FromHandle(level)->GetRasterBand(static_cast<int>(b)));
        }
        for (GDALRasterBand *&band : to)
            lists.push_back(&band);
        if (GDALDataTypeIsComplex(raster.type)) {
            for (uint32_t b = 0; b < raster.bands; b++) {
                GDALRasterBandH band = to[b];
                EXPECT_EQ(GDALRegenerateOverviews(from[b], 1, &band, method.c_str(), nullptr, nullptr), CE_None);
            }
        } else
            EXPECT_EQ(GDALRegenerateOverviewsMultiBand(static_cast<int>(raster.bands), from.data(), 1, lists.data(),
                                                       method.c_str(), nullptr, nullptr, nullptr),
                      CE_None);
        levels.push_back(level);
        found.push_back(take(level));
    }
    for (GDALDatasetH level : levels)
        GDALClose(level);
    return found;
}

using Order = std::vector<uint64_t>;

Order row_by_row(const stf_overview_shape &shape) {
    Order order(stf_overview_tiles(&shape, 0));
    for (uint64_t i = 0; i < order.size(); i++)
        order[i] = i;
    return order;
}

Order in_stripes(const stf_overview_shape &shape, uint32_t wide) {
    Order order;
    for (uint32_t begin = 0; begin < stf_overview_columns(&shape, 0); begin += wide)
        for (uint32_t row = 0; row < stf_overview_rows(&shape, 0); row++)
            for (uint32_t column = begin; column < std::min(begin + wide, stf_overview_columns(&shape, 0)); column++)
                order.push_back(stf_overview_tile(&shape, 0, 0, column, row));
    return order;
}

class Pyramid {
  public:
    stf_overview_shape shape{};
    stf_overview_places places{};
    std::vector<Raster> levels;
    uint64_t peak_bytes = 0, predicted_bytes = 0, spilled_bytes = 0;
    bool done = false, brittle = false; // brittle: the third tile of a level cannot be encoded
    stf_error err{};

    Pyramid(Raster &of, uint32_t tile, int count, const std::string &method, const Describe &describe)
        : raster(of), planes{{0, of.bands}} {
        dataset = show(of);
        describe(dataset);
        stf_resample_request request{};
        request.method = method.c_str();
        request.dataset = dataset;
        request.type = of.type;
        resample = stf_resample_create(&request, &err);
        EXPECT_NE(resample, nullptr) << err.text;
        const stf_geometry geometry =
            geometry_of(of.width, of.height, tile, static_cast<uint32_t>(of.sample_bytes()), planes);
        stf_overview_begin(&shape, &geometry, tile, stf_resample_radius(resample));
        halve(&shape, tile, count);
    }
    ~Pyramid() {
        stf_resample_destroy(resample);
        GDALClose(dataset);
    }
    Pyramid(const Pyramid &) = delete;
    Pyramid &operator=(const Pyramid &) = delete;

    void plan(const Order &order, uint32_t spilled) {
        std::vector<uint32_t> filled(stf_overview_all_tiles(&shape));
        stf_overview_open open;
        stf_overview_open_begin(&open, &shape, filled.data());
        for (const uint64_t tile : order)
            stf_overview_open_add(&open, 0, static_cast<uint32_t>(tile % stf_overview_columns(&shape, 0)),
                                  static_cast<uint32_t>(tile / stf_overview_columns(&shape, 0)));
        EXPECT_EQ(std::count(filled.begin(), filled.end(), 0u), static_cast<std::ptrdiff_t>(filled.size()));
        places.spilled_levels = std::min(spilled, shape.level_count - 1);
        for (uint32_t i = 1; i < shape.level_count; i++)
            places.tiles[i] = open.most[i];
    }

    void run(const Order &order, uint32_t threads, uint32_t spilled = 0) {
        plan(order, spilled);
        const uint64_t slot = uint64_t{shape.tile_px} * shape.tile_px * raster.pixel_bytes() + 64;
        predicted_bytes = threads * stf_overview_worker_bytes(&shape, resample, places.spilled_levels, slot);
        for (uint32_t i = places.spilled_levels + 1; i < shape.level_count; i++)
            predicted_bytes += places.tiles[i] * slot;
        levels.clear();
        for (uint32_t i = 0; i < shape.level_count; i++)
            levels.emplace_back(shape.levels[i].width_px, shape.levels[i].height_px, raster.bands, raster.type);
        committed = std::vector<std::atomic<int>>(stf_overview_all_tiles(&shape));
        stf_budget *budget = stf_budget_create(predicted_bytes);
        const std::string target = std::string(CPLGenerateTempFilename("pyramid")) + ".tif";
        stf_overview_job job{};
        job.shape = &shape;
        job.places = &places;
        job.resample = resample;
        job.workers = threads;
        job.slot_bytes = slot;
        job.target = target.c_str();
        job.budget = budget;
        job.encoder = {this, encode};
        job.sink = {this, commit};
        CPLPushErrorHandler(CPLQuietErrorHandler);
        stf_overview *overview = stf_overview_create(&job, &err);
        CPLPopErrorHandler();
        ASSERT_NE(overview, nullptr) << err.text;
        work(overview, order, threads);
        spilled_bytes = stf_overview_spilled_bytes(overview);
        stf_overview_destroy(overview);
        peak_bytes = stf_budget_peak_bytes(budget);
        stf_error left{};
        EXPECT_TRUE(stf_budget_charge(budget, predicted_bytes, "all of it", &left)) << left.text;
        stf_budget_destroy(budget);
    }

    void expect_complete() {
        ASSERT_TRUE(done) << err.text;
        for (const std::atomic<int> &count : committed)
            ASSERT_EQ(count, 1) << "a tile that was not handed on once";
        EXPECT_LE(peak_bytes, predicted_bytes);
    }

  private:
    Bytes tile_of(uint64_t tile) {
        const uint32_t columns = stf_overview_columns(&shape, 0), px = shape.levels[0].tile_width_px;
        const stf_window window = stf_overview_tile_window(&shape, 0, static_cast<uint32_t>(tile % columns),
                                                           static_cast<uint32_t>(tile / columns));
        Bytes pixels(size_t{px} * px * raster.pixel_bytes(), 0xEE);
        for (uint32_t y = 0; y < window.height; y++)
            memcpy(&pixels[y * px * raster.pixel_bytes()], raster.at(window.x, window.y + y),
                   window.width * raster.pixel_bytes());
        return pixels;
    }

    void work(stf_overview *overview, const Order &order, uint32_t threads) {
        std::mutex mutex;
        uint64_t next = 0;
        std::atomic<bool> good{true};
        const auto worker = [&](uint32_t number) {
            for (;;) {
                uint64_t sequence;
                {
                    const std::lock_guard<std::mutex> guard(mutex);
                    if (next == order.size() || !good)
                        return;
                    sequence = next++;
                }
                const Bytes pixels = tile_of(order[sequence]);
                stf_uniform value{};
                const stf_window window = stf_overview_tile_window(
                    &shape, 0, static_cast<uint32_t>(order[sequence] % stf_overview_columns(&shape, 0)),
                    static_cast<uint32_t>(order[sequence] / stf_overview_columns(&shape, 0)));
                bool uniform = raster.pixel_bytes() <= STF_UNIFORM_MAX_BYTES;
                const size_t px = raster.pixel_bytes();
                for (uint32_t y = 0; uniform && y < window.height; y++)
                    for (uint32_t x = 0; uniform && x < window.width; x++)
                        uniform = memcmp(pixels.data(), raster.at(window.x + x, window.y + y), px) == 0;
                if (uniform) {
                    value.pixel_bytes = px;
                    memcpy(value.pixel, pixels.data(), px);
                }
                if (stalls)
                    fakes::stall(static_cast<uint32_t>(sequence * 2654435761u % 700));
                stf_error failure{};
                if (!stf_overview_add(overview, number, sequence, order[sequence], uniform ? nullptr : pixels.data(),
                                      &value, &failure)) {
                    const std::lock_guard<std::mutex> guard(mutex);
                    if (good)
                        err = failure;
                    good = false;
                }
            }
        };
        std::vector<std::thread> workers;
        for (uint32_t i = 1; i < threads; i++)
            workers.emplace_back(worker, i);
        worker(0);
        for (std::thread &thread : workers)
            thread.join();
        done = good;
    }

    static bool encode(void *context, uint32_t, const stf_overview_tile_info *info, void *pixels,
                       const stf_uniform *value, const void **data, size_t *bytes, stf_error *error) {
        Pyramid *pyramid = static_cast<Pyramid *>(context);
        Raster &level = pyramid->levels[info->level];
        const size_t px = level.pixel_bytes(), row = pyramid->shape.tile_px * px;
        if (pyramid->brittle && info->tile == 2)
            return stf_fail(error, CPLE_AppDefined, "this one breaks");
        for (uint32_t y = 0; y < info->valid.height; y++)
            for (uint32_t x = 0; x < info->valid.width; x++)
                memcpy(level.at(info->valid.x + x, info->valid.y + y),
                       value ? value->pixel : static_cast<unsigned char *>(pixels) + y * row + x * px, px);
        memset(pixels, 0xDD, row * pyramid->shape.tile_px); // encoders work in place
        *data = pixels;
        *bytes = 1;
        return true;
    }
    static bool commit(void *context, uint32_t image, uint64_t tile, const void *, size_t, stf_error *) {
        Pyramid *pyramid = static_cast<Pyramid *>(context);
        pyramid->committed[stf_overview_first_tile(&pyramid->shape, image) + tile]++;
        return true;
    }

  public:
    bool stalls = false;

  private:
    Raster &raster;
    std::vector<stf_plane> planes;
    GDALDatasetH dataset = nullptr;
    stf_resample *resample = nullptr;
    std::vector<std::atomic<int>> committed;
};

// Counts samples that differ, and the most by which they do.
struct Difference {
    size_t samples = 0;
    double most = 0;
};
Difference difference(Raster &a, Raster &b) {
    Difference found;
    EXPECT_EQ(a.pixels.size(), b.pixels.size());
    for (size_t i = 0; i < a.pixels.size(); i += a.sample_bytes()) {
        if (memcmp(&a.pixels[i], &b.pixels[i], a.sample_bytes()) == 0)
            continue;
        double left, right;
        GDALCopyWords(&a.pixels[i], a.type, 0, &left, GDT_Float64, 0, 1);
        GDALCopyWords(&b.pixels[i], b.type, 0, &right, GDT_Float64, 0, 1);
        if (std::isnan(left) && std::isnan(right))
            continue;
        found.samples++;
        found.most = std::max(found.most, std::fabs(left - right) / std::max(1.0, std::fabs(left)));
    }
    return found;
}

bool is_exact(const std::string &method) {
    return method == "NEAREST" || method == "AVERAGE" || method == "RMS" || method == "MODE";
}

void expect_same(std::vector<Raster> &expected, std::vector<Raster> &found, const std::string &method) {
    ASSERT_EQ(expected.size(), found.size());
    for (size_t level = 1; level < expected.size(); level++) {
        const Difference differs = difference(expected[level], found[level]);
        if (is_exact(method)) {
            EXPECT_EQ(differs.samples, 0u) << method << ", level " << level;
        } else {
            const bool integer = GDALDataTypeIsInteger(expected[level].type) != 0;
            EXPECT_LE(differs.samples, expected[level].pixels.size() / 1000) << method << ", level " << level;
            EXPECT_LE(differs.most, integer ? 1.0 : 2e-7) << method << ", level " << level;
        }
    }
}

const char *const all_methods[] = {"NEAREST", "AVERAGE",     "RMS",     "MODE", "BILINEAR",
                                   "CUBIC",   "CUBICSPLINE", "LANCZOS", "GAUSS"};

class OverviewMethods : public testing::TestWithParam<const char *> {
  protected:
    static void SetUpTestSuite() { GDALAllRegister(); }

    void compare(Raster raster, uint32_t tile, const Describe &describe = describe_nothing, int count = -1) {
        Pyramid pyramid(raster, tile, count, GetParam(), describe);
        std::vector<Raster> expected = reference(raster, pyramid.shape, GetParam(), describe);
        pyramid.run(row_by_row(pyramid.shape), 1);
        pyramid.expect_complete();
        expect_same(expected, pyramid.levels, GetParam());
    }
};

INSTANTIATE_TEST_SUITE_P(All, OverviewMethods, testing::ValuesIn(all_methods),
                         [](const testing::TestParamInfo<const char *> &method) { return std::string(method.param); });

TEST_P(OverviewMethods, whole_levels_even_and_odd) {
    compare(make_raster(512, 384, 1, GDT_Float32, 1), 64);
    compare(make_raster(501, 403, 1, GDT_Float32, 2), 64);
    compare(make_raster(517, 257, 1, GDT_Byte, 3), 32);
    compare(make_raster(513, 255, 1, GDT_UInt16, 4), 128);
}

TEST_P(OverviewMethods, other_types) {
    for (const GDALDataType type : {GDT_Int16, GDT_UInt32, GDT_Int32, GDT_Float64})
        compare(make_raster(207, 140, 1, type, 5), 48);
}

TEST_P(OverviewMethods, several_bands) {
    compare(make_raster(333, 210, 3, GDT_Byte, 6), 64);
    compare(make_raster(256, 256, 5, GDT_Float32, 7), 64);
}

TEST_P(OverviewMethods, thin_and_tiny) {
    for (const auto &[width, height] : std::vector<std::pair<uint32_t, uint32_t>>{
             {1, 1}, {1, 130}, {130, 1}, {2, 3}, {3, 2}, {5, 300}, {300, 7}, {33, 33}}) {
        compare(make_raster(width, height, 1, GDT_Float32, 8), 32);
        compare(make_raster(width, height, 1, GDT_Byte, 9), 32, describe_nothing, 12);
    }
}

Raster with_holes(Raster raster, const void *value) {
    std::mt19937 random(99);
    for (uint32_t hole = 0; hole < 60; hole++) {
        const auto below = [&random](uint32_t most) { return static_cast<uint32_t>(random() % most); };
        const uint32_t x0 = below(raster.width), y0 = below(raster.height), size = 1 + below(40);
        for (uint32_t y = y0; y < std::min(y0 + size, raster.height); y++)
            for (uint32_t x = x0; x < std::min(x0 + size, raster.width); x++)
                for (uint32_t b = 0; b < raster.bands; b++)
                    memcpy(raster.at(x, y, b), value, raster.sample_bytes());
    }
    return raster;
}

TEST_P(OverviewMethods, nodata_is_left_out) {
    const float missing = -9999;
    const Describe nodata = [](GDALDatasetH dataset) {
        for (int band = 1; band <= GDALGetRasterCount(dataset); band++)
            GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, band), -9999);
    };
    compare(with_holes(make_raster(512, 384, 1, GDT_Float32, 10), &missing), 64, nodata);
    compare(with_holes(make_raster(391, 300, 2, GDT_Float32, 11), &missing), 64, nodata);
    compare(make_raster(256, 128, 1, GDT_Float32, 12), 64, nodata); // nothing is missing, but GDAL knows of a mask
    const unsigned char zero = 0;
    compare(with_holes(make_raster(256, 301, 1, GDT_Byte, 13), &zero), 64,
            [](GDALDatasetH dataset) { GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 1), 0); });
    const float nan = std::nanf("");
    compare(with_holes(make_raster(256, 301, 1, GDT_Float32, 14), &nan), 64,
            [](GDALDatasetH dataset) { GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 1), std::nan("")); });
}

template <class T>
Raster with_alpha(Raster raster, T opaque) {
    std::mt19937 random(7);
    for (uint32_t y = 0; y < raster.height; y++)
        for (uint32_t x = 0; x < raster.width; x++) {
            const uint32_t cell = (x / 23 + y / 31 * 7) % 5;
            const T alpha = cell == 0 ? T{0} : cell == 1 ? static_cast<T>(random() % opaque) : opaque;
            memcpy(raster.at(x, y, raster.bands - 1), &alpha, sizeof alpha);
        }
    return raster;
}

TEST_P(OverviewMethods, alpha_weighs) {
    const Describe alpha = [](GDALDatasetH dataset) {
        GDALSetRasterColorInterpretation(GDALGetRasterBand(dataset, GDALGetRasterCount(dataset)), GCI_AlphaBand);
    };
    compare(with_alpha<uint8_t>(make_raster(256, 200, 4, GDT_Byte, 15), 255), 64, alpha);
    compare(with_alpha<uint8_t>(make_raster(301, 200, 2, GDT_Byte, 16), 255), 64, alpha);
    compare(with_alpha<uint16_t>(make_raster(256, 200, 4, GDT_UInt16, 17), 65535), 64, alpha);
}

// Large parts of one value take a short cut.
TEST_P(OverviewMethods, areas_of_one_value) {
    for (const GDALDataType type : {GDT_Byte, GDT_Float32, GDT_Int32}) {
        Raster raster(700, 500, 1, type);
        for (uint32_t y = 0; y < raster.height; y++)
            for (uint32_t x = 0; x < raster.width; x++) {
                const double value = x > 300 && x < 420 && y > 200 && y < 330 ? 17 + (x * y) % 100 : y > 400 ? 99 : 0;
                GDALCopyWords(&value, GDT_Float64, 0, raster.at(x, y), type, 0, 1);
            }
        compare(raster, 64);
        compare(raster, 64, [](GDALDatasetH dataset) { GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 1), 0); });
    }
}

TEST(Overview, complex_numbers) {
    GDALAllRegister();
    for (const std::string method : {"NEAREST", "AVERAGE", "RMS"})
        for (const GDALDataType type : {GDT_CInt16, GDT_CInt32, GDT_CFloat32, GDT_CFloat64}) {
            Raster raster = make_raster(210, 163, 2, type, 18);
            Pyramid pyramid(raster, 48, -1, method, describe_nothing);
            std::vector<Raster> expected = reference(raster, pyramid.shape, method, describe_nothing);
            pyramid.run(row_by_row(pyramid.shape), 1);
            pyramid.expect_complete();
            for (size_t level = 1; level < expected.size(); level++)
                EXPECT_EQ(expected[level].pixels, pyramid.levels[level].pixels)
                    << method << " " << type << " " << level;
        }
}

TEST(Overview, methods_that_are_not_there) {
    GDALAllRegister();
    Raster raster = make_raster(10, 10, 1, GDT_CFloat32, 1);
    GDALDatasetH dataset = show(raster);
    stf_error err{};
    stf_resample_request request{"CUBIC", dataset, GDT_CFloat32, false, false};
    EXPECT_EQ(stf_resample_create(&request, &err), nullptr);
    EXPECT_NE(std::string(err.text).find("complex"), std::string::npos);
    err = {};
    request.method = "SOMEHOW";
    EXPECT_EQ(stf_resample_create(&request, &err), nullptr);
    EXPECT_NE(std::string(err.text).find("OVERVIEW_RESAMPLING=SOMEHOW"), std::string::npos);
    err = {};
    request.method = nullptr;
    stf_resample *resample = stf_resample_create(&request, &err);
    EXPECT_STREQ(stf_resample_method(resample), "NEAREST");
    stf_resample_destroy(resample);
    GDALClose(dataset);
}

TEST(Overview, palettes_are_averaged_by_colour) {
    GDALAllRegister();
    const Describe palette = [](GDALDatasetH dataset) {
        GDALColorTableH colors = GDALCreateColorTable(GPI_RGB);
        for (int i = 0; i < 256; i++) {
            const GDALColorEntry entry = {static_cast<short>(255 - i), static_cast<short>(i * 7 % 256),
                                          static_cast<short>(i / 2), 255};
            GDALSetColorEntry(colors, i, &entry);
        }
        GDALSetRasterColorTable(GDALGetRasterBand(dataset, 1), colors);
        GDALSetRasterColorInterpretation(GDALGetRasterBand(dataset, 1), GCI_PaletteIndex);
        GDALDestroyColorTable(colors);
    };
    for (const std::string method : {"AVERAGE", "RMS", "MODE", "NEAREST"}) {
        Raster raster = make_raster(256, 192, 1, GDT_Byte, 20);
        Pyramid pyramid(raster, 64, -1, method, palette);
        GDALDatasetH source = show(raster);
        palette(source);
        pyramid.run(row_by_row(pyramid.shape), 1);
        pyramid.expect_complete();
        GDALDatasetH level = GDALCreate(GDALGetDriverByName("MEM"), "", 128, 96, 1, GDT_Byte, nullptr);
        palette(level);
        GDALRasterBandH band = GDALGetRasterBand(level, 1);
        EXPECT_EQ(GDALRegenerateOverviews(GDALGetRasterBand(source, 1), 1, &band, method.c_str(), nullptr, nullptr),
                  CE_None);
        Raster expected = take(level);
        EXPECT_EQ(expected.pixels, pyramid.levels[1].pixels) << method;
        GDALClose(level);
        GDALClose(source);
    }
}

// --- order, threads, spill ---------------------------------------------------------------------------

TEST(Overview, any_order_and_number_of_threads_gives_the_same) {
    GDALAllRegister();
    Raster raster = make_raster(701, 455, 2, GDT_Int16, 21);
    Pyramid first(raster, 48, -1, "LANCZOS", describe_nothing);
    first.run(row_by_row(first.shape), 1);
    first.expect_complete();
    for (const uint32_t wide : {1u, 3u, 4u, 100u})
        for (const uint32_t threads : {1u, 2u, 5u})
            for (const uint32_t spilled : {0u, 1u, 2u, 9u}) {
                Pyramid other(raster, 48, -1, "LANCZOS", describe_nothing);
                other.stalls = threads > 1;
                other.run(in_stripes(other.shape, wide), threads, spilled);
                other.expect_complete();
                for (size_t level = 1; level < first.levels.size(); level++)
                    ASSERT_EQ(first.levels[level].pixels, other.levels[level].pixels)
                        << wide << " wide, " << threads << " threads, level " << level;
                uint64_t pixels = 0;
                for (uint32_t i = 1; i <= other.places.spilled_levels; i++)
                    pixels += uint64_t{other.shape.levels[i].width_px} * other.shape.levels[i].height_px;
                EXPECT_EQ(other.spilled_bytes, pixels * raster.pixel_bytes());
            }
}

namespace {

/* Bytes of the tiles of a level that are not one value. */
uint64_t bytes_that_differ(const Pyramid &pyramid, Raster &level, uint32_t number) {
    const stf_overview_shape &shape = pyramid.shape;
    const size_t px = level.pixel_bytes();
    uint64_t bytes = 0;
    for (uint32_t row = 0; row < stf_overview_rows(&shape, number); row++)
        for (uint32_t column = 0; column < stf_overview_columns(&shape, number); column++) {
            const stf_window tile = stf_overview_tile_window(&shape, number, column, row);
            bool differs = false;
            for (uint32_t y = 0; y < tile.height; y++)
                for (uint32_t x = 0; x < tile.width; x++)
                    differs |= memcmp(level.at(tile.x + x, tile.y + y), level.at(tile.x, tile.y), px) != 0;
            bytes += differs ? uint64_t{tile.width} * tile.height * px : 0;
        }
    return bytes;
}

} // namespace

TEST(Overview, what_is_one_value_is_not_spilled) {
    GDALAllRegister();
    Raster raster = make_raster(701, 455, 2, GDT_Int16, 24);
    for (uint32_t y = 0; y < raster.height; y++)
        for (uint32_t x = 0; x < raster.width; x++)
            if (x < 300 || (x >= 450 && y >= 150))
                memset(raster.at(x, y), x < 300 ? 0 : 7, raster.pixel_bytes());
    Pyramid first(raster, 48, -1, "CUBIC", describe_nothing);
    first.run(row_by_row(first.shape), 1);
    first.expect_complete();
    std::map<uint32_t, uint64_t> spilled_bytes;
    for (const uint32_t wide : {1u, 3u, 100u})
        for (const uint32_t threads : {1u, 3u})
            for (const uint32_t spilled : {1u, 2u, 9u}) {
                Pyramid other(raster, 48, -1, "CUBIC", describe_nothing);
                other.stalls = threads > 1;
                other.run(in_stripes(other.shape, wide), threads, spilled);
                other.expect_complete();
                uint64_t differing = 0, all = 0;
                for (uint32_t i = 1; i < first.levels.size(); i++) {
                    ASSERT_EQ(first.levels[i].pixels, other.levels[i].pixels)
                        << wide << " wide, " << threads << " threads, level " << i;
                    if (i > other.places.spilled_levels)
                        continue;
                    differing += bytes_that_differ(other, first.levels[i], i);
                    all += first.levels[i].pixels.size();
                }
                EXPECT_GE(other.spilled_bytes, differing);
                EXPECT_LT(other.spilled_bytes, (differing + all) / 2); // at edges windows see what is not in the tile
                EXPECT_EQ(other.spilled_bytes, spilled_bytes.emplace(spilled, other.spilled_bytes).first->second);
            }
}

TEST(Overview, one_thread_uses_what_was_predicted) {
    GDALAllRegister();
    Raster raster = make_raster(900, 500, 1, GDT_Float32, 22);
    for (const uint32_t wide : {1u, 5u, 100u})
        for (const uint32_t spilled : {0u, 1u}) {
            Pyramid pyramid(raster, 32, -1, "CUBIC", describe_nothing);
            pyramid.run(in_stripes(pyramid.shape, wide), 1, spilled);
            pyramid.expect_complete();
            EXPECT_EQ(pyramid.peak_bytes, pyramid.predicted_bytes);
        }
}

TEST(Overview, holes_take_no_room) {
    GDALAllRegister();
    Raster raster(2000, 1000, 1, GDT_Byte);
    Pyramid pyramid(raster, 64, -1, "CUBIC", describe_nothing);
    for (const uint32_t spilled : {0u, 2u}) {
        pyramid.run(row_by_row(pyramid.shape), 3, spilled);
        pyramid.expect_complete();
        EXPECT_EQ(pyramid.spilled_bytes, 0u);
        for (const Raster &level : pyramid.levels)
            EXPECT_EQ(std::count(level.pixels.begin(), level.pixels.end(), 0),
                      static_cast<std::ptrdiff_t>(level.pixels.size()));
    }
}

TEST(Overview, a_failure_wakes_everybody) {
    GDALAllRegister();
    Raster raster = make_raster(700, 700, 1, GDT_Byte, 23);
    for (const uint32_t threads : {1u, 4u}) {
        Pyramid pyramid(raster, 32, -1, "AVERAGE", describe_nothing);
        pyramid.brittle = true;
        pyramid.run(row_by_row(pyramid.shape), threads);
        EXPECT_FALSE(pyramid.done);
        EXPECT_STREQ(pyramid.err.text, "this one breaks");
    }
}

TEST(Overview, a_standstill_is_told) {
    // Tiles that come before those above them wait for what will never be: all workers, for ever.
    GDALAllRegister();
    Raster raster = make_raster(700, 700, 1, GDT_Byte, 24);
    for (const uint32_t threads : {1u, 4u}) {
        Pyramid pyramid(raster, 32, -1, "AVERAGE", describe_nothing);
        Order order = row_by_row(pyramid.shape);
        std::swap(order[2], order[2 + stf_overview_columns(&pyramid.shape, 0)]);
        pyramid.stalls = threads > 1;
        pyramid.run(order, threads);
        EXPECT_FALSE(pyramid.done);
        EXPECT_NE(std::string(pyramid.err.text).find("standstill"), std::string::npos) << pyramid.err.text;
    }
}

} // namespace
