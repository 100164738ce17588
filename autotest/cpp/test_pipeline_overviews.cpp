// Whole copies with overviews, plan and pipeline together: any grid of units and tiles, any cap, any number of threads.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fakes.h"
#include "gdal.h"
#include "gtest/gtest.h"
#include "overview.h"
#include "pyramid_levels.h"

namespace {

using fakes::Bytes;
using fakes::Copy;
using fakes::halve;
using fakes::Layout;

// A copy whose levels are compared, pixel by pixel, with those computed from whole levels.
class PyramidCopy {
  public:
    Copy copy;

    PyramidCopy(const Layout &layout, uint32_t tile_px, const char *method,
                const fakes::ConstantRule &rule = fakes::no_constants)
        : copy(layout, true, rule) {
        const GDALDataType type = layout.sample_bytes == 1   ? GDT_Byte
                                  : layout.sample_bytes == 2 ? GDT_UInt16
                                                             : GDT_Float32;
        dataset = GDALCreate(GDALGetDriverByName("MEM"), "", 1, 1, static_cast<int>(layout.bands()), type, nullptr);
        const stf_resample_request request = {method, dataset, type, false, false};
        stf_error err{};
        resample = stf_resample_create(&request, &err);
        stf_overview_begin(&shape, &copy.geometry, tile_px, stf_resample_radius(resample));
        halve(&shape, 1, -1);
        format = copy.format;
        format.width_px = format.height_px = tile_px;
        overviews.resample = resample;
        overviews.format = &format;
        overviews.encoder_bytes = 500;
        overviews.first_image = 3;
        overviews.sink = {this, commit};
        copy.overviews = &overviews;
        stf_demand &demand = copy.demand;
        demand.overview = &shape;
        demand.overview_slot_bytes = stf_encoder_bound_bytes(&format);
        const uint64_t each = stf_overview_worker_bytes(&shape, resample, 0, demand.overview_slot_bytes);
        demand.overview_spilling_bytes =
            stf_overview_worker_bytes(&shape, resample, 1, demand.overview_slot_bytes) - each;
        demand.overview_encoder_bytes = each + overviews.encoder_bytes;
        committed = std::vector<std::atomic<int>>(stf_overview_all_tiles(&shape));
        make_levels();
    }
    ~PyramidCopy() {
        stf_resample_destroy(resample);
        GDALClose(dataset);
    }
    PyramidCopy(const PyramidCopy &) = delete;
    PyramidCopy &operator=(const PyramidCopy &) = delete;

    void expect_complete() {
        ASSERT_NO_FATAL_FAILURE(copy.expect_complete());
        EXPECT_EQ(copy.spill_bytes, copy.plan.spill_bytes);
        for (const std::atomic<int> &count : committed)
            ASSERT_EQ(count, 1) << "an overview tile that was not handed on once";
        EXPECT_EQ(wrong, 0) << "overview tiles with other pixels";
    }
    uint32_t spilled_levels() const { return copy.plan.overview.spilled_levels; }

  private:
    // Pixel by pixel for each plane, the raster first.
    void make_levels() {
        levels.resize(shape.plane_count);
        for (uint32_t p = 0; p < shape.plane_count; p++) {
            const stf_plane &plane = copy.layout.planes[p];
            levels[p].resize(shape.level_count);
            Bytes &raster = levels[p][0];
            for (uint32_t y = 0; y < shape.levels[0].height_px; y++)
                for (uint32_t x = 0; x < shape.levels[0].width_px; x++)
                    for (uint32_t b = 0; b < plane.bands; b++) {
                        const unsigned char *from = copy.picture.at(plane.first_band + b, x, y);
                        raster.insert(raster.end(), from, from + shape.sample_bytes);
                    }
            for (uint32_t i = 1; i < shape.level_count; i++)
                levels[p][i] = whole_level(plane, i, levels[p][shape.levels[i].parent]);
        }
    }

    Bytes whole_level(const stf_plane &plane, uint32_t number, const Bytes &parent) {
        const stf_overview_level &level = shape.levels[number], &from = shape.levels[level.parent];
        const size_t px = size_t{plane.bands} * shape.sample_bytes;
        Bytes padded, result(px * level.width_px * level.height_px); // a pixel more at the end of each row
        for (uint32_t y = 0; y < from.height_px; y++) {
            padded.insert(padded.end(), parent.begin() + static_cast<std::ptrdiff_t>(y * from.width_px * px),
                          parent.begin() + static_cast<std::ptrdiff_t>((y + 1) * from.width_px * px));
            padded.resize(padded.size() + px);
        }
        stf_resample_window window{};
        window.of_raster = level.parent == 0;
        window.parent_width_px = from.width_px;
        window.parent_height_px = from.height_px;
        window.level_width_px = level.width_px;
        window.level_height_px = level.height_px;
        window.first_band = plane.first_band;
        window.bands = plane.bands;
        window.source = {0, 0, from.width_px, from.height_px};
        window.pixels = padded.data();
        window.row_bytes = (from.width_px + 1) * px;
        window.target = {0, 0, level.width_px, level.height_px};
        window.result = result.data();
        window.result_row_bytes = level.width_px * px;
        stf_error err{};
        EXPECT_TRUE(stf_resample_run(resample, &window, &err)) << err.text;
        return result;
    }

    static bool commit(void *context, uint32_t image, uint64_t tile, const void *data, size_t bytes, stf_error *) {
        PyramidCopy &self = *static_cast<PyramidCopy *>(context);
        const stf_overview_shape &shape = self.shape;
        const uint32_t level = image - self.overviews.first_image, columns = stf_overview_columns(&shape, level);
        const uint64_t each = uint64_t{columns} * stf_overview_rows(&shape, level);
        const uint32_t plane = static_cast<uint32_t>(tile / each), place = static_cast<uint32_t>(tile % each);
        const stf_window valid = stf_overview_tile_window(&shape, level, place % columns, place / columns);
        const size_t px = size_t{shape.planes[plane].bands} * shape.sample_bytes;
        const Bytes &expected = self.levels[plane][level];
        const unsigned char *found = static_cast<const unsigned char *>(data);
        bool same = bytes == px * shape.tile_px * shape.tile_px;
        for (uint32_t y = 0; same && y < shape.tile_px; y++)
            for (uint32_t x = 0; same && x < shape.tile_px; x++) { // the rest repeats the last column and row
                const uint32_t from_x = valid.x + std::min(x, valid.width - 1);
                const uint32_t from_y = valid.y + std::min(y, valid.height - 1);
                same = memcmp(found + (size_t{y} * shape.tile_px + x) * px,
                              &expected[(size_t{from_y} * shape.levels[level].width_px + from_x) * px], px) == 0;
            }
        self.wrong += same ? 0 : 1;
        self.committed[stf_overview_first_tile(&shape, level) + tile]++;
        return true;
    }

    GDALDatasetH dataset = nullptr;
    stf_resample *resample = nullptr;
    stf_overview_shape shape{};
    stf_tile_format format{};
    stf_pipeline_overviews overviews{};
    std::vector<std::vector<Bytes>> levels;
    std::vector<std::atomic<int>> committed;
    std::atomic<int> wrong{0};
};

Layout layout_of(std::mt19937 &random, uint32_t largest_px) {
    for (;;) {
        Layout layout = fakes::random_layout(random, largest_px);
        layout.bytes(1u << random() % 3);
        bool alike = true; // one format for all planes
        for (const stf_plane &plane : layout.planes)
            alike = alike && plane.bands == layout.planes[0].bands;
        if (alike)
            return layout;
    }
}

const char *method_of(const Layout &layout, uint32_t choice) {
    const char *const exact[] = {"NEAREST", "AVERAGE", "MODE"}; // windows and whole levels give the same bits
    return layout.sample_bytes == 4 ? "NEAREST" : exact[choice % 3];
}

class PipelineOverviews : public testing::TestWithParam<int> {
  protected:
    static void SetUpTestSuite() { GDALAllRegister(); }
};

INSTANTIATE_TEST_SUITE_P(Seeds, PipelineOverviews, testing::Range(0, 12));

TEST_P(PipelineOverviews, any_grid_cap_and_threads) {
    std::mt19937 random(static_cast<uint32_t>(GetParam()));
    for (int i = 0; i < 6; i++) {
        const Layout layout = layout_of(random, 60);
        const uint32_t tile = 1 + static_cast<uint32_t>(random() % 30), choice = static_cast<uint32_t>(random());
        for (const double part : {0.0, 0.5, 0.8, 2.0})
            for (const uint32_t threads : {1u, 3u}) {
                PyramidCopy whole(layout, tile, method_of(layout, choice));
                whole.copy.demand.cap_bytes = 0;
                ASSERT_NO_FATAL_FAILURE(whole.copy.make_plan());
                const uint64_t floor = whole.copy.plan.floor_bytes;
                PyramidCopy pyramid(layout, tile, method_of(layout, choice));
                pyramid.copy.demand.cap_bytes = static_cast<uint64_t>(static_cast<double>(floor) * (1 + part));
                pyramid.copy.demand.threads = threads;
                pyramid.copy.stalls = threads > 1;
                pyramid.copy.any_order = part != 0.5; // as the spool takes them
                pyramid.copy.demand.readers_roam = part != 0.8;
                pyramid.copy.run();
                ASSERT_NO_FATAL_FAILURE(pyramid.expect_complete()) << layout << ", level tiles " << tile;
                if (threads == 1)
                    pyramid.copy.expect_tight();
            }
    }
}

Layout busy_layout() {
    Layout layout(300, 200, 16, 16);
    return layout.group(2, 40, 24).pixel_interleaved();
}

TEST(PipelineOverviewsOnce, constants_pass_through_all_levels) {
    GDALAllRegister();
    const fakes::ConstantRule holes = [](const stf_unit &unit) { return unit.column < 5 ? 0 : unit.row > 5 ? 1 : -1; };
    for (const bool told : {false, true})
        for (const uint32_t threads : {1u, 4u}) {
            PyramidCopy pyramid(busy_layout(), 16, "AVERAGE", holes);
            pyramid.copy.demand.threads = threads;
            pyramid.copy.demand.cap_bytes = 1 << 22;
            pyramid.copy.demand.may_be_constant = true;
            if (told)
                pyramid.copy.tell_constants();
            pyramid.copy.run();
            ASSERT_NO_FATAL_FAILURE(pyramid.expect_complete());
        }
}

TEST(PipelineOverviewsOnce, levels_are_spilled_largest_first) {
    GDALAllRegister();
    uint32_t most = 0, before = UINT32_MAX;
    for (uint64_t cap = 0; cap < 1 << 20; cap += 1 << 13) {
        PyramidCopy pyramid(busy_layout(), 16, "AVERAGE");
        pyramid.copy.demand.cap_bytes = cap;
        ASSERT_NO_FATAL_FAILURE(pyramid.copy.make_plan());
        most = std::max(most, pyramid.spilled_levels());
        EXPECT_LE(pyramid.spilled_levels(), before) << "more cap spills no more";
        before = pyramid.spilled_levels();
        EXPECT_LE(pyramid.copy.plan.predicted_peak_bytes, pyramid.copy.plan.cap_bytes);
    }
    EXPECT_GT(most, 0u);
    EXPECT_EQ(before, 0u);
}

// Whatever happens, nobody waits for ever, nothing is left, and the first error is told.
TEST(PipelineOverviewsOnce, failures_at_any_point) {
    GDALAllRegister();
    for (uint64_t at = 0; at < 250; at += 23)
        for (const uint32_t threads : {1u, 4u})
            for (const int what : {0, 1, 2}) {
                PyramidCopy pyramid(busy_layout(), 16, "CUBIC");
                pyramid.copy.demand.threads = threads;
                pyramid.copy.demand.cap_bytes = at % 2 ? 0 : 1 << 22;
                pyramid.copy.stalls = true;
                pyramid.copy.any_order = pyramid.copy.demand.readers_roam = at % 3 != 0;
                (what == 0   ? pyramid.copy.bad_read
                 : what == 1 ? pyramid.copy.bad_commit
                             : pyramid.copy.cancel_at) = what == 0 ? at / 4 : at;
                pyramid.copy.run();
                if (what < 2) {
                    EXPECT_FALSE(pyramid.copy.done);
                    EXPECT_NE(std::string(pyramid.copy.err.text), "");
                }
            }
}

} // namespace
