// Geometries that own their arrays, a picture to copy, and a copy of it, for tests of the arithmetic and of the pipeline.
#ifndef STF_FAKES_H
#define STF_FAKES_H

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "assembly.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "encoder.h"
#include "geometry.h"
#include "gtest/gtest.h"
#include "pipeline.h"
#include "tiff.h"

namespace fakes {

// An stf_geometry points at arrays of somebody else: these are held here, and a copy points at its own.
class Layout {
  public:
    uint32_t width_px = 1, height_px = 1, sample_bytes = 1;
    std::vector<stf_group> groups;
    std::vector<stf_plane> planes;
    stf_axis tile_x{}, tile_y{};

    Layout(uint32_t width, uint32_t height, double tile_width, double tile_height)
        : width_px(width), height_px(height), tile_x(stf_axis_make(width, 0, tile_width)),
          tile_y(stf_axis_make(height, 0, tile_height)) {}

    Layout &group(uint32_t bands, double step_x, double step_y, double origin_x = 0, double origin_y = 0) {
        groups.push_back({this->bands(), bands, stf_axis_make(width_px, origin_x, step_x),
                          stf_axis_make(height_px, origin_y, step_y)});
        return *this;
    }
    Layout &plane(uint32_t bands) {
        const uint32_t first = planes.empty() ? 0 : planes.back().first_band + planes.back().bands;
        planes.push_back({first, bands});
        return *this;
    }
    Layout &bytes(uint32_t each) {
        sample_bytes = each;
        return *this;
    }
    Layout &pixel_interleaved() { return plane(bands()); }
    Layout &band_interleaved() {
        for (uint32_t band = 0; band < bands(); band++)
            plane(1);
        return *this;
    }
    uint32_t bands() const { return groups.empty() ? 0 : groups.back().first_band + groups.back().bands; }

    stf_geometry geometry() const {
        return {width_px,
                height_px,
                sample_bytes,
                groups.data(),
                static_cast<uint32_t>(groups.size()),
                planes.data(),
                static_cast<uint32_t>(planes.size()),
                tile_x,
                tile_y};
    }
};

inline std::ostream &operator<<(std::ostream &out, const Layout &layout) {
    out << layout.width_px << "x" << layout.height_px << "x" << layout.sample_bytes << " B, tiles "
        << layout.tile_x.step_px << "x" << layout.tile_y.step_px << ", units";
    for (const stf_group &group : layout.groups)
        out << " " << group.bands << ":" << group.x.step_px << "x" << group.y.step_px << "@" << group.x.origin_px << ","
            << group.y.origin_px;
    out << ", planes";
    for (const stf_plane &plane : layout.planes)
        out << " " << plane.bands;
    return out;
}

// Small enough for brute force, crooked enough to hit every border: grids out of step, offset origins, fractions.
inline Layout random_layout(std::mt19937 &random, uint32_t largest_px) {
    const auto upto = [&random](uint32_t most) { return 1 + static_cast<uint32_t>(random() % most); };
    Layout layout(upto(largest_px), upto(largest_px), upto(largest_px), upto(largest_px));
    const uint32_t bands = upto(4);
    const uint32_t groups = std::min(bands, upto(3));
    for (uint32_t g = 0; g < groups; g++) {
        const double part = random() % 3 == 0 ? 0.25 * upto(7) : 0;
        const double x = upto(largest_px) + part, y = random() % 4 == 0 ? 1 : upto(largest_px) + part;
        const double left = random() % 2 == 0 ? 0 : -0.5 * upto(largest_px),
                     top = random() % 2 == 0 ? 0 : -0.5 * upto(largest_px);
        layout.group(g + 1 == groups ? bands - layout.bands() : 1, x, y, left, top);
    }
    for (uint32_t left = bands; left > 0;) {
        const uint32_t each = random() % 2 == 0 ? left : upto(left);
        layout.plane(each);
        left -= each;
    }
    return layout;
}

using Bytes = std::vector<unsigned char>;

// Which units are constants: the number of the value, or -1.
using ConstantRule = std::function<int(const stf_unit &)>;
inline int no_constants(const stf_unit &) {
    return -1;
}

inline void constant_value(int number, unsigned char *value) {
    for (int i = 0; i < STF_MAX_SAMPLE_BYTES; i++)
        value[i] = static_cast<unsigned char>(number + 1 + i * number);
}

// The whole raster, band by band: every sample differs from its neighbours, unless its unit is a constant.
class Picture {
  public:
    Picture(const Layout &of, const ConstantRule &rule = no_constants) : layout(of) {
        uint32_t state = 12345;
        samples.resize(size_t{layout.bands()} * band_bytes());
        for (unsigned char &byte : samples) {
            state = state * 1664525 + 1013904223;
            byte = static_cast<unsigned char>(state >> 24);
        }
        const stf_geometry geometry = layout.geometry();
        stf_walk walk;
        stf_unit unit;
        for (stf_walk_begin(&walk, &geometry, UINT32_MAX); stf_walk_next(&walk, &unit);)
            if (rule(unit) >= 0)
                make_constant(unit, rule(unit));
    }

    // Another picture of the same size.
    void paint(Bytes all) {
        ASSERT_EQ(all.size(), samples.size());
        samples = std::move(all);
    }

    size_t row_bytes() const { return size_t{layout.width_px} * layout.sample_bytes; }
    size_t band_bytes() const { return row_bytes() * layout.height_px; }
    const unsigned char *at(uint32_t band, uint32_t x, uint32_t y) const {
        return &samples[band * band_bytes() + y * row_bytes() + size_t{x} * layout.sample_bytes];
    }

    // A tile as it goes to the encoder: the part outside the raster repeats the last column and row.
    Bytes tile(uint64_t number, const stf_tile_format &format) const {
        const stf_geometry geometry = layout.geometry();
        const stf_window window = stf_geometry_tile_window(&geometry, number);
        const stf_plane &plane = layout.planes[stf_geometry_tile_plane(&geometry, number)];
        const uint32_t rows = format.tiled ? format.height_px : window.height;
        Bytes data;
        for (uint32_t y = 0; y < rows; y++)
            for (uint32_t x = 0; x < format.width_px; x++)
                for (uint32_t b = 0; b < plane.bands; b++) {
                    const unsigned char *from = at(plane.first_band + b, window.x + std::min(x, window.width - 1),
                                                   window.y + std::min(y, window.height - 1));
                    data.insert(data.end(), from, from + layout.sample_bytes);
                }
        return data;
    }

    // As a source delivers it: rows and bands further apart than they need be.
    void deliver(const stf_unit &unit, const ConstantRule &rule, unsigned char *buffer, stf_unit_pixels *pixels) const {
        *pixels = stf_unit_pixels{};
        pixels->constant = rule(unit) >= 0;
        if (pixels->constant) {
            constant_value(rule(unit), pixels->value);
            return;
        }
        const stf_group &group = layout.groups[unit.group];
        pixels->row_bytes = size_t{stf_axis_longest(&group.x)} * layout.sample_bytes;
        pixels->band_bytes = pixels->row_bytes * stf_axis_longest(&group.y);
        pixels->pixels = buffer;
        for (uint32_t b = 0; b < group.bands; b++)
            for (uint32_t y = 0; y < unit.window.height; y++)
                memcpy(buffer + b * pixels->band_bytes + y * pixels->row_bytes,
                       at(group.first_band + b, unit.window.x, unit.window.y + y),
                       size_t{unit.window.width} * layout.sample_bytes);
    }
    static size_t unit_bytes(const Layout &layout) {
        size_t most = 0;
        for (const stf_group &group : layout.groups)
            most = std::max(most, size_t{stf_axis_longest(&group.x)} * stf_axis_longest(&group.y) * group.bands *
                                      layout.sample_bytes);
        return most;
    }

    const Layout layout;

  private:
    void make_constant(const stf_unit &unit, int number) {
        unsigned char value[STF_MAX_SAMPLE_BYTES];
        constant_value(number, value);
        const stf_group &group = layout.groups[unit.group];
        for (uint32_t b = 0; b < group.bands; b++)
            for (uint32_t y = 0; y < unit.window.height; y++)
                for (uint32_t x = 0; x < unit.window.width; x++)
                    memcpy(const_cast<unsigned char *>(at(group.first_band + b, unit.window.x + x, unit.window.y + y)),
                           value, layout.sample_bytes);
    }

    Bytes samples;
};

// Uncompressed tiles of a layout; strips where a tile is as wide as the raster.
inline stf_tile_format plain_format(const Layout &layout, bool tiled) {
    stf_tile_format format{};
    format.codec.compression = COMPRESSION_NONE;
    format.codec.predictor = 1;
    format.codec.deflate_level = format.codec.zstd_level = format.codec.lzma_preset = -1;
    format.codec.jpeg_quality = format.codec.webp_level = -1;
    format.tiled = tiled;
    format.width_px = static_cast<uint32_t>(layout.tile_x.step_px);
    format.height_px = static_cast<uint32_t>(layout.tile_y.step_px);
    format.samples = static_cast<uint16_t>(layout.planes[0].bands);
    format.sample_bits = static_cast<uint16_t>(8 * layout.sample_bytes);
    format.sample_format = layout.sample_bytes == 16 ? SAMPLEFORMAT_COMPLEXIEEEFP : SAMPLEFORMAT_UINT;
    format.photometric = PHOTOMETRIC_MINISBLACK;
    format.extra_samples = static_cast<uint16_t>(format.samples - 1);
    return format;
}

// --- a whole copy ------------------------------------------------------------------------------------

constexpr uint64_t Never = UINT64_MAX;

inline void stall(uint32_t microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

inline int entries_in(const std::string &folder) {
    char **names = VSIReadDir(folder.c_str());
    int count = 0;
    for (int i = 0; names && names[i]; i++)
        count += EQUAL(names[i], ".") || EQUAL(names[i], "..") ? 0 : 1;
    CSLDestroy(names);
    return count;
}

// Threads of this process; 0 where the system does not tell. One that was joined may take a moment to leave the list.
inline int threads_alive(int wanted) {
    int count = 0;
    for (int i = 0; i < 200; i++) {
        count = entries_in("/proc/self/task");
        if (count <= wanted)
            break;
        stall(5000);
    }
    return count;
}

// Blocks that units share, for the planner: so many bytes for each column of a stripe and a few beside it, so many
// blocks decoded again at each seam. With a spare lease: half of those decodes for that much more.
struct SharedBlocks {
    uint64_t column_bytes = 0;
    uint32_t extra_columns = 0, least_columns = 1;
    uint64_t seam_decodes = 0, source_blocks = 0, spare_bytes = 0;

    uint64_t lease(const stf_geometry &geometry, uint32_t stripe_columns) const {
        return column_bytes * std::min<uint64_t>(geometry.groups[0].x.cells, uint64_t{stripe_columns} + extra_columns);
    }
    uint64_t decodes_again(const stf_geometry &geometry, uint32_t stripe_columns) const {
        return (stf_geometry_stripes(&geometry, stripe_columns) - 1) * seam_decodes;
    }
    static uint32_t points(void *context, const stf_geometry *geometry, uint32_t stripe_columns,
                           stf_lease_point points[STF_LEASE_POINTS]) {
        const SharedBlocks &blocks = *static_cast<const SharedBlocks *>(context);
        const uint64_t lease = blocks.lease(*geometry, stripe_columns);
        const uint64_t again = blocks.decodes_again(*geometry, stripe_columns);
        if (stripe_columns < std::min(blocks.least_columns, geometry->groups[0].x.cells))
            return 0;
        uint32_t count = 0;
        if (blocks.spare_bytes > 0)
            points[count++] = {lease + blocks.spare_bytes, blocks.source_blocks + again / 2};
        points[count++] = {lease, blocks.source_blocks + again};
        return count;
    }
    stf_lease_curve curve() { return {this, points}; } // must outlive the demand
};

// A copy by the pipeline, with a source and a sink that look over its shoulder.
struct Copy {
    Copy(const Layout &of, bool is_tiled = true, const ConstantRule &constants = no_constants)
        : layout(of), geometry(layout.geometry()), rule(constants), picture(layout, rule),
          format(plain_format(layout, is_tiled)) {
        demand.geometry = &geometry;
        demand.threads = 1;
        demand.parallel_read = true;
        demand.unit_bytes = Picture::unit_bytes(layout);
        demand.reader_bytes = 300;
        demand.slot_bytes = stf_encoder_bound_bytes(&format);
        demand.encoder_bytes = 4 * demand.slot_bytes; // libtiff's copies
        demand.table_bytes = 1000;
    }
    Copy(const Copy &) = delete;

    // --- what it is made of
    Layout layout;
    stf_geometry geometry;
    ConstantRule rule;
    Picture picture;
    stf_tile_format format;
    stf_demand demand{};
    // --- what is to go wrong, and when
    uint64_t bad_read = Never, bad_commit = Never, cancel_at = Never; // unit; tile in order; call of the progress
    std::function<void(const stf_unit &)> before_read;
    std::function<void(uint64_t)> before_commit; // of a tile
    const stf_pipeline_overviews *overviews = nullptr;
    // In place of the picture: a source of its own.
    std::function<bool(uint32_t, const stf_unit *, void *, stf_unit_pixels *, stf_error *)> deliver;
    bool any_order = false;                                      // the sink's
    bool stalls = false, bad_from_there = false, silent = false; // every later unit is bad, too; no progress
    CPLErrorHandler handler = CPLQuietErrorHandler;              // a temporary folder on a tmpfs is warned about
    void *handler_data = nullptr;
    // --- what came of it
    stf_plan plan{};
    stf_error err{};
    bool done = false;
    uint64_t peak_bytes = 0, spill_bytes = 0, progress_calls = 0;
    double progress_told = 0;
    std::vector<uint64_t> order; // of the tiles
    uint64_t bytes_committed = 0;

    void make_plan() {
        stf_error none{};
        ASSERT_TRUE(stf_plan_make(&demand, &plan, &none)) << none.text;
    }

    void run() {
        const std::string folder = std::string(CPLGenerateTempFilename("pipeline")) + ".folder";
        ASSERT_EQ(VSIMkdir(folder.c_str(), 0755), 0);
        ASSERT_NO_FATAL_FAILURE(make_plan());
        reads = std::vector<std::atomic<int>>(stf_geometry_units(&geometry));
        busy = std::vector<std::atomic<bool>>(plan.readers);
        remember_units();
        caller = std::this_thread::get_id();
        stf_budget *budget = stf_budget_create(plan.cap_bytes);
        const uint64_t ours = demand.table_bytes + plan.lease_bytes;
        ASSERT_TRUE(stf_budget_charge(budget, ours, "tables", &err));
        const std::string target = folder + "/out.tif";
        const stf_pipeline_job job = {&geometry,
                                      &demand,
                                      &plan,
                                      &format,
                                      target.c_str(),
                                      budget,
                                      {this, read},
                                      {this, any_order, commit},
                                      silent ? nullptr : tell,
                                      this,
                                      {},
                                      nullptr,
                                      overviews,
                                      nullptr,
                                      nullptr};
        stf_pipeline_result result{};
        CPLPushErrorHandlerEx(handler, handler_data);
        std::thread([] {}).join(); // ThreadSanitizer adds one of its own beside the first
        const int threads = threads_alive(1000);
        done = stf_pipeline_run(&job, &result, &err);
        over = true;
        EXPECT_LE(threads_alive(threads), threads) << "threads still running";
        CPLPopErrorHandler();
        peak_bytes = stf_budget_peak_bytes(budget);
        spill_bytes = result.spill_bytes;
        stf_tag_list_free(&result.codec_tags);
        stf_tag_list_free(&result.level_codec_tags);
        stf_error left{};
        EXPECT_TRUE(stf_budget_charge(budget, plan.cap_bytes - ours, "all the rest", &left))
            << "something was never given back: " << left.text;
        stf_budget_destroy(budget);
        EXPECT_EQ(entries_in(folder), 0) << "scratch files left";
        VSIRmdirRecursive(folder.c_str());
    }

    void expect_complete() {
        ASSERT_TRUE(done) << err.text;
        EXPECT_EQ(order.size(), stf_geometry_tiles(&geometry));
        for (const std::atomic<int> &count : reads)
            ASSERT_EQ(count, 1) << "a unit that was not read once";
        EXPECT_LE(peak_bytes, plan.predicted_peak_bytes);
        EXPECT_LE(plan.predicted_peak_bytes, plan.cap_bytes);
        EXPECT_DOUBLE_EQ(progress_told, silent ? 0.0 : 1.0);
    }

    // One thread uses all that was planned.
    void expect_tight() { EXPECT_EQ(plan.predicted_peak_bytes, peak_bytes); }

    // The plan knows beforehand which units are constants.
    void tell_constants() {
        demand.may_be_constant = true;
        demand.constants = {of_unit, this};
    }

  private:
    static bool of_unit(void *context, const stf_unit *unit, unsigned char *value) {
        const int number = static_cast<Copy *>(context)->rule(*unit);
        if (number >= 0)
            fakes::constant_value(number, value);
        return number >= 0;
    }

    void remember_units() {
        stf_walk walk;
        stf_unit unit;
        units.clear();
        for (stf_walk_begin(&walk, &geometry, plan.stripe_columns); stf_walk_next(&walk, &unit);)
            units.push_back(unit);
    }

    static bool is_same(const stf_unit &a, const stf_unit &b) {
        return a.number == b.number && a.group == b.group && a.column == b.column && a.row == b.row &&
               a.window.x == b.window.x && a.window.y == b.window.y && a.window.width == b.window.width &&
               a.window.height == b.window.height;
    }

    static bool read(void *context, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                     stf_error *error) {
        Copy *copy = static_cast<Copy *>(context);
        EXPECT_FALSE(copy->over) << "a read after the end";
        EXPECT_LT(reader, copy->plan.readers);
        EXPECT_FALSE(copy->busy[reader].exchange(true)) << "two reads at once for one reader";
        EXPECT_LT(unit->number, copy->units.size());
        EXPECT_TRUE(is_same(*unit, copy->units[unit->number])) << "another unit";
        // Readers may overtake each other on the way here, as far as there are buffers; a single one skips nothing.
        const uint64_t begun = copy->reads_begun++;
        EXPECT_LE(begun < unit->number ? unit->number - begun : begun - unit->number, copy->plan.unit_buffers - 1);
        if (copy->plan.readers == 1) {
            EXPECT_EQ(begun, unit->number);
        }
        if (!copy->demand.parallel_read || copy->demand.threads == 1) {
            EXPECT_EQ(std::this_thread::get_id(), copy->caller);
        }
        EXPECT_EQ(copy->reads[unit->number]++, 0) << "read twice";
        if (copy->stalls && unit->number * 2654435761u % 7 < 2)
            stall(static_cast<uint32_t>(unit->number * 2654435761u % 300));
        if (copy->before_read)
            copy->before_read(*unit);
        memset(buffer, 0xEE, static_cast<size_t>(copy->demand.unit_bytes));
        const bool delivered = !copy->deliver || copy->deliver(reader, unit, buffer, pixels, error);
        if (!copy->deliver)
            copy->picture.deliver(*unit, copy->rule, static_cast<unsigned char *>(buffer), pixels);
        copy->busy[reader] = false;
        if (!delivered)
            return false;
        if (unit->number > copy->bad_read && copy->bad_from_there)
            stall(20000); // so that the first one comes back first
        if (unit->number == copy->bad_read || (unit->number > copy->bad_read && copy->bad_from_there))
            return stf_fail(error, CPLE_FileIO, "unit %d is broken", static_cast<int>(unit->number));
        return true;
    }

    static bool commit(void *context, uint64_t tile, const void *data, size_t bytes, stf_error *error) {
        Copy *copy = static_cast<Copy *>(context);
        if (copy->before_commit)
            copy->before_commit(tile);
        std::unique_lock<std::mutex> lock(copy->committing, std::try_to_lock);
        EXPECT_TRUE(lock.owns_lock() || copy->any_order) << "two commits at once";
        if (!lock.owns_lock())
            lock.lock();
        if (!copy->any_order) {
            EXPECT_EQ(std::this_thread::get_id(), copy->caller);
        }
        if (copy->order.size() == copy->bad_commit)
            return stf_fail(error, CPLE_FileIO, "tile %d does not fit on the disk", static_cast<int>(tile));
        copy->order.push_back(tile);
        copy->bytes_committed += bytes;
        if (copy->stalls && tile * 2654435761u % 5 == 0)
            stall(static_cast<uint32_t>(tile * 2654435761u % 500));
        if (copy->format.codec.compression == COMPRESSION_NONE) {
            const Bytes expected = copy->picture.tile(tile, copy->format);
            const bool same = bytes == expected.size() && memcmp(data, expected.data(), bytes) == 0;
            EXPECT_TRUE(same) << "tile " << tile << " has other pixels";
        }
        return true;
    }

    static int CPL_STDCALL tell(double now, const char *, void *context) {
        Copy *copy = static_cast<Copy *>(context);
        EXPECT_EQ(std::this_thread::get_id(), copy->caller);
        EXPECT_GE(now, copy->progress_told);
        EXPECT_LE(now, 1.0);
        // At a standstill it is called ten times a second with the same figure: better to fail than to hang.
        copy->calls_alike = now > copy->progress_told ? 0 : copy->calls_alike + 1;
        EXPECT_LT(copy->calls_alike, 600) << "a standstill at " << now;
        copy->progress_told = now;
        return copy->progress_calls++ == copy->cancel_at || copy->calls_alike >= 600 ? 0 : 1;
    }

    std::vector<stf_unit> units;
    std::vector<std::atomic<int>> reads;
    std::vector<std::atomic<bool>> busy;
    std::atomic<uint64_t> reads_begun{0};
    std::atomic<bool> over{false};
    std::mutex committing;
    std::thread::id caller;
    int calls_alike = 0;
};

} // namespace fakes
#endif
