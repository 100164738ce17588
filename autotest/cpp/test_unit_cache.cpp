// The cache of decoded units against brute force: random grids, windows, sizes and threads.

#include "fakes.h"
#include "read_pattern.h"
#include "unit_cache.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>

namespace {

// A source whose pixels tell where they are from, and which counts, stalls and fails as it is told.
struct Grid {
    Grid(uint32_t w, uint32_t h, uint32_t unit_w, uint32_t unit_h, uint32_t bands, bool together)
        : width(w), height(h), band_count(bands) {
        for (uint32_t g = 0; g < (together ? 1 : bands); g++) {
            stf_group group{};
            group.first_band = g;
            group.bands = together ? bands : 1;
            group.x = stf_axis_make(w, 0, unit_w);
            group.y = stf_axis_make(h, 0, unit_h);
            groups.push_back(group);
        }
        job.groups = groups.data();
        job.group_count = static_cast<uint32_t>(groups.size());
        job.width_px = w;
        job.sample_bytes = 4;
        job.unit_bytes =
            uint64_t{4} * stf_axis_longest(&groups[0].x) * stf_axis_longest(&groups[0].y) * groups[0].bands;
        job.reader_bytes = 1000;
        job.parallel_read = true;
        job.threads = 1;
        job.source.context = this;
        job.source.read = read;
    }
    Grid(const Grid &) = delete;
    ~Grid() { close(); }

    static uint32_t value(uint32_t band, uint32_t x, uint32_t y) { return band * 1000003 + y * 4099 + x; }

    static bool read(void *context, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                     stf_error *err) {
        Grid *grid = static_cast<Grid *>(context);
        EXPECT_FALSE(grid->busy[reader].exchange(true)) << "two reads at once for one reader";
        if (grid->stalls)
            fakes::stall(static_cast<uint32_t>(unit->number * 2654435761u % 200));
        bool bad = grid->bad_unit == unit->number;
        {
            std::lock_guard<std::mutex> guard(grid->mutex);
            grid->decodes[unit->number]++;
        }
        const stf_group &group = grid->groups[unit->group];
        const stf_window &w = unit->window;
        uint32_t *to = static_cast<uint32_t *>(buffer);
        for (uint32_t b = 0; b < group.bands; b++)
            for (uint32_t y = 0; y < w.height; y++)
                for (uint32_t x = 0; x < w.width; x++)
                    *to++ = value(group.first_band + b, w.x + x, w.y + y);
        pixels->pixels = static_cast<unsigned char *>(buffer);
        pixels->row_bytes = size_t{4} * w.width;
        pixels->band_bytes = pixels->row_bytes * w.height;
        grid->busy[reader] = false;
        return bad ? stf_fail(err, CPLE_FileIO, "unit %d is broken", static_cast<int>(unit->number)) : true;
    }

    // cap_bytes: 0 is the least there is.
    void open(uint64_t cap_bytes, uint32_t threads) {
        close();
        job.threads = threads;
        uint64_t floor = stf_unit_cache_floor_bytes(&job);
        cap = cap_bytes > floor ? cap_bytes : floor;
        budget = stf_budget_create(cap);
        job.budget = budget;
        stf_unit_cache_size size = stf_unit_cache_size_for(&job, cap);
        EXPECT_LE(stf_unit_cache_need_bytes(&job, &size), cap);
        stf_error err{};
        CPLPushErrorHandler(CPLQuietErrorHandler); // a temporary folder on a tmpfs is warned about
        cache = stf_unit_cache_create(&job, &size, &err);
        CPLPopErrorHandler();
        ASSERT_NE(cache, nullptr) << err.text;
    }

    void close() {
        stf_unit_cache_destroy(cache);
        cache = nullptr;
        if (budget) {
            stf_error err{};
            EXPECT_LE(stf_budget_peak_bytes(budget), cap);
            EXPECT_TRUE(stf_budget_charge(budget, cap, "all", &err)) << "something was never given back: " << err.text;
        }
        stf_budget_destroy(budget);
        budget = nullptr;
    }

    struct Delivery {
        const stf_window *window;
        const std::vector<uint32_t> *bands;
        uint64_t pixels = 0;
        uint64_t wrong = 0;
    };

    static bool deliver(void *context, uint32_t index, const stf_window *part, const unsigned char *pixels,
                        size_t row_bytes, stf_error *) {
        Delivery *delivery = static_cast<Delivery *>(context);
        for (uint32_t y = 0; y < part->height; y++)
            for (uint32_t x = 0; x < part->width; x++) {
                uint32_t found;
                memcpy(&found, pixels + y * row_bytes + size_t{4} * x, 4);
                delivery->wrong += found != value((*delivery->bands)[index], part->x + x, part->y + y) ? 1 : 0;
            }
        delivery->pixels += uint64_t{part->width} * part->height;
        return true;
    }

    bool get(const stf_window &window, const std::vector<uint32_t> &bands, stf_error *err) {
        Delivery delivery{&window, &bands};
        CPLPushErrorHandler(CPLQuietErrorHandler);
        bool done = stf_unit_cache_read(cache, &window, bands.data(), static_cast<uint32_t>(bands.size()), deliver,
                                        &delivery, err);
        CPLPopErrorHandler();
        EXPECT_EQ(delivery.wrong, 0u);
        if (done) {
            EXPECT_EQ(delivery.pixels, uint64_t{window.width} * window.height * bands.size());
        }
        return done;
    }

    void expect(const stf_window &window, const std::vector<uint32_t> &bands) {
        stf_error err{};
        ASSERT_TRUE(get(window, bands, &err)) << err.text;
    }

    void expect_each_once() {
        stf_unit_cache_destroy(cache); // the workers are still
        cache = nullptr;
        for (const auto &entry : decodes)
            ASSERT_EQ(entry.second, 1) << "unit " << entry.first << " decoded again";
    }

    uint64_t units() const {
        uint64_t count = 0;
        for (const stf_group &group : groups)
            count += uint64_t{group.x.cells} * group.y.cells;
        return count;
    }

    uint32_t width, height, band_count;
    std::vector<stf_group> groups;
    stf_unit_cache_job job{};
    stf_budget *budget = nullptr;
    stf_unit_cache *cache = nullptr;
    uint64_t cap = 0;
    bool stalls = false;
    std::atomic<uint64_t> bad_unit{UINT64_MAX};
    std::atomic<bool> busy[8]{};
    std::mutex mutex;
    std::map<uint64_t, int> decodes;
};

std::vector<uint32_t> all_bands(uint32_t count) {
    std::vector<uint32_t> bands(count);
    for (uint32_t i = 0; i < count; i++)
        bands[i] = i;
    return bands;
}

struct Random {
    explicit Random(uint32_t seed) : engine(seed) {}
    uint32_t upto(uint32_t most) { return std::uniform_int_distribution<uint32_t>(0, most)(engine); }
    uint32_t between(uint32_t least, uint32_t most) { return least + upto(most - least); }
    std::mt19937 engine;
};

std::unique_ptr<Grid> random_grid(Random &random) {
    auto grid = std::make_unique<Grid>(random.between(1, 150), random.between(1, 120), random.between(1, 40),
                                       random.between(1, 40), random.between(1, 3), random.upto(1) == 0);
    grid->stalls = random.upto(3) == 0;
    return grid;
}

uint64_t random_cap(Random &random, const Grid &grid) {
    return stf_unit_cache_floor_bytes(&grid.job) + grid.job.unit_bytes * random.upto(12) + random.upto(5000);
}

constexpr uint32_t THREADS[] = {1, 2, 8};

TEST(UnitCache, random_windows_within_any_cap) {
    for (uint32_t seed = 0; seed < 200; seed++) {
        SCOPED_TRACE(seed);
        Random random(seed);
        auto grid = random_grid(random);
        ASSERT_NO_FATAL_FAILURE(grid->open(random.upto(4) == 0 ? 0 : random_cap(random, *grid), THREADS[seed % 3]));
        for (int i = 0; i < 30; i++) {
            stf_window window{};
            window.x = random.upto(grid->width - 1);
            window.y = random.upto(grid->height - 1);
            window.width = random.between(1, grid->width - window.x);
            window.height = random.between(1, grid->height - window.y);
            std::vector<uint32_t> bands = all_bands(grid->band_count);
            if (random.upto(1) == 0)
                bands = {random.upto(grid->band_count - 1)};
            ASSERT_NO_FATAL_FAILURE(grid->expect(window, bands));
        }
    }
}

// Rows, windows of a few rows that overlap, and tiles: from top to bottom each unit is decoded once, whatever the cap.
TEST(UnitCache, forward_sweep_decodes_each_unit_once) {
    for (uint32_t seed = 0; seed < 200; seed++) {
        SCOPED_TRACE(seed);
        Random random(1000 + seed);
        auto grid = random_grid(random);
        ASSERT_NO_FATAL_FAILURE(grid->open(random.upto(3) == 0 ? 0 : random_cap(random, *grid), THREADS[seed % 3]));
        const std::vector<uint32_t> bands = all_bands(grid->band_count);
        uint32_t halo = random.upto(1), step = random.between(1, stf_axis_longest(&grid->groups[0].y));
        uint32_t across = random.upto(2) == 0 ? random.between(1, grid->width) : grid->width;
        for (uint32_t y = 0; y < grid->height; y += step)
            for (uint32_t x = 0; x < grid->width; x += across) {
                uint32_t top = y > halo ? y - halo : 0, bottom = std::min(y + step + halo, grid->height);
                stf_window window = {x, top, std::min(across, grid->width - x), bottom - top};
                ASSERT_NO_FATAL_FAILURE(grid->expect(window, bands));
            }
        EXPECT_EQ(grid->decodes.size(), grid->units());
        ASSERT_NO_FATAL_FAILURE(grid->expect_each_once());
    }
}

// What a neighbourhood operator asks for: small rasters and units, halos up to 3 on all sides, caps from the floor up.
TEST(UnitCache, windows_with_halos_on_all_sides_decode_each_unit_once) {
    int once = 0;
    for (uint32_t seed = 0; seed < 300; seed++) {
        Random random(5000 + seed);
        Grid grid(random.between(1, 40), random.between(1, 40), random.between(1, 16), random.between(1, 16),
                  random.between(1, 2), random.upto(1) == 0);
        const uint32_t halo = random.upto(3), tile_width = random.between(1, 24), tile_height = random.between(1, 24);
        const bool within_two_rows = tile_height + 2 * halo <= stf_axis_longest(&grid.groups[0].y) + 1;
        const std::vector<uint32_t> bands = all_bands(grid.band_count);
        grid.stalls = random.upto(9) == 0;
        for (const uint64_t part : {0, 15, 40, 150, 10000}) {
            SCOPED_TRACE(testing::Message()
                         << "seed " << seed << ", halo " << halo << ", cap " << part << ": " << grid.width << "x"
                         << grid.height << ", units " << grid.groups[0].x.step_px << "x" << grid.groups[0].y.step_px
                         << ", " << grid.groups.size() << " group(s), windows of " << tile_width << "x" << tile_height);
            const uint64_t floor = stf_unit_cache_floor_bytes(&grid.job);
            grid.decodes.clear();
            ASSERT_NO_FATAL_FAILURE(grid.open(floor + floor * part / 100, THREADS[(seed + part) % 3]));
            for (uint32_t y = 0; y < grid.height; y += tile_height)
                for (uint32_t x = 0; x < grid.width; x += tile_width) {
                    stf_window window = {x > halo ? x - halo : 0, y > halo ? y - halo : 0, 0, 0};
                    window.width = std::min(x + tile_width + halo, grid.width) - window.x;
                    window.height = std::min(y + tile_height + halo, grid.height) - window.y;
                    ASSERT_NO_FATAL_FAILURE(grid.expect(window, bands));
                }
            EXPECT_EQ(grid.decodes.size(), grid.units());
            if (within_two_rows) {
                ASSERT_NO_FATAL_FAILURE(grid.expect_each_once());
            }
            grid.close();
        }
        once += within_two_rows;
    }
    EXPECT_GT(once, 30);
}

TEST(UnitCache, one_large_read_decodes_each_unit_once_and_spills_nothing_it_has_passed) {
    Grid grid(100, 400, 25, 20, 1, true);
    grid.open(0, 1);
    grid.expect({0, 0, 100, 400}, {0});
    EXPECT_LE(stf_unit_cache_tell(grid.cache).spill_bytes, 2 * 4 * grid.job.unit_bytes);
    grid.expect_each_once();
}

TEST(UnitCache, read_error_is_told_and_later_reads_go_on) {
    for (uint32_t threads : THREADS)
        for (uint32_t run = 0; run < 30; run++) {
            SCOPED_TRACE(run);
            Grid grid(80, 60, 20, 15, 1, true);
            grid.stalls = run % 2 == 0;
            grid.open(run % 3 == 0 ? 0 : 1 << 20, threads);
            grid.bad_unit = run % 16;
            stf_error err{};
            bool failed = false;
            for (uint32_t y = 0; y < 60 && !failed; y++)
                failed = !grid.get({0, y, 80, 1}, {0}, &err);
            ASSERT_TRUE(failed);
            EXPECT_STREQ(err.text, CPLSPrintf("unit %d is broken", static_cast<int>(run % 16)));
            grid.bad_unit = UINT64_MAX;
            ASSERT_NO_FATAL_FAILURE(grid.expect({0, 0, 80, 60}, {0}));
        }
}

TEST(UnitCache, destroyed_at_any_moment) {
    for (uint32_t run = 0; run < 60; run++) {
        Random random(run);
        Grid grid(200, 100, 20, 10, 1, true);
        grid.stalls = true;
        grid.open(random_cap(random, grid), 8);
        for (uint32_t y = 0; y < run && y < 100; y++)
            grid.expect({0, y, 200, 1}, {0});
        fakes::stall(random.upto(500));
        grid.close();
    }
}

TEST(UnitCache, resized_in_the_middle_keeps_what_it_has) {
    for (uint32_t run = 0; run < 60; run++) {
        SCOPED_TRACE(run);
        Random random(run);
        Grid grid(120, 90, 20, 15, 1, true);
        uint64_t first = random_cap(random, grid), second = random_cap(random, grid);
        grid.open(std::max(first, second), THREADS[run % 3]);
        stf_error err{};
        for (uint32_t y = 0; y < 90; y++) {
            if (y == 20 || y == 50) {
                stf_unit_cache_size size = stf_unit_cache_size_for(&grid.job, y == 20 ? first : second);
                ASSERT_TRUE(stf_unit_cache_resize(grid.cache, &size, &err)) << err.text;
            }
            ASSERT_NO_FATAL_FAILURE(grid.expect({0, y, 120, 1}, {0}));
        }
        ASSERT_NO_FATAL_FAILURE(grid.expect_each_once());
    }
}

TEST(UnitCache, nothing_is_decoded_ahead_of_a_reader_that_jumps_about) {
    Grid grid(100, 100, 10, 10, 1, true);
    grid.open(1 << 20, 2);
    for (uint32_t i = 0; i < 40; i++)
        grid.expect({i * 37 % 100, i * 61 % 100, 1, 1}, {0});
    std::set<uint64_t> asked;
    for (uint32_t i = 0; i < 40; i++)
        asked.insert(i * 61 % 100 / 10 * 10 + i * 37 % 100 / 10);
    stf_unit_cache_destroy(grid.cache);
    grid.cache = nullptr;
    EXPECT_LE(grid.decodes.size(), asked.size() + 30); // some, before it was known for what it is
}

TEST(ReadPattern, passes_from_the_top_are_forward_and_jumps_are_not) {
    stf_read_pattern pattern{};
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t y = 0; y < 50; y++) {
            stf_window row = {0, y, 10, 1};
            stf_read_pattern_note(&pattern, &row);
            EXPECT_TRUE(stf_read_pattern_is_forward(&pattern));
        }
    for (uint32_t i = 0; i < 20; i++) {
        stf_window window = {0, i * 37 % 50, 10, 1};
        stf_read_pattern_note(&pattern, &window);
    }
    EXPECT_FALSE(stf_read_pattern_is_forward(&pattern));
}

} // namespace
