// Grids and the visiting order, against brute force over every pixel.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "fakes.h"
#include "geometry.h"
#include "gtest/gtest.h"

namespace {

using fakes::Layout;

// --- one direction ------------------------------------------------------------------------------------

void expect_tiles_exactly(const stf_axis &axis) {
    SCOPED_TRACE(testing::Message() << axis.size_px << " px, origin " << axis.origin_px << ", step " << axis.step_px);
    ASSERT_GE(axis.cells, 1u);
    ASSERT_EQ(stf_axis_start(&axis, 0), 0u);
    ASSERT_EQ(stf_axis_start(&axis, axis.cells), axis.size_px);
    const uint32_t longest = stf_axis_longest(&axis);
    uint32_t px = 0;
    for (uint32_t cell = 0; cell < axis.cells; cell++) {
        ASSERT_EQ(stf_axis_start(&axis, cell), px) << cell;
        ASSERT_GE(stf_axis_length(&axis, cell), 1u) << "an empty cell would be a unit without pixels: " << cell;
        ASSERT_LE(stf_axis_length(&axis, cell), longest) << "a buffer of the longest cell is too short for " << cell;
        for (const uint32_t end = px + stf_axis_length(&axis, cell); px < end; px++)
            ASSERT_EQ(stf_axis_cell(&axis, px), cell) << px;
    }
    ASSERT_EQ(px, axis.size_px);
}

TEST(Axis, tiles_the_raster_for_any_step_and_origin) {
    const double steps[] = {1, 2, 3, 7, 16, 100, 512, 1.5, 2.25, 1.0000001, 3.14159265358979, 99.999999999, 1e9};
    const double origins[] = {0, -1, -0.5, -0.75, -3.7, -6.999999999, 2, 100.25, -1e6 - 0.1, 1e-12, -1e-12};
    for (uint32_t size : {1u, 2u, 3u, 7u, 16u, 100u, 1023u})
        for (double step : steps)
            for (double origin : origins)
                ASSERT_NO_FATAL_FAILURE(expect_tiles_exactly(stf_axis_make(size, origin, step)));
}

TEST(Axis, borders_lie_where_the_block_grid_has_them) {
    // Halves and quarters are exact in binary, so floor() leaves no doubt.
    for (double step : {1.0, 5.0, 16.0, 1.5, 2.25, 7.75, 512.0})
        for (double origin : {0.0, -0.25, -3.0, -4.5, -600.0, 2.5, 1000.0}) {
            const uint32_t size = 100;
            std::set<uint32_t> expected{0};
            for (int k = -2000; k < 2000; k++) {
                const double border = std::floor(origin + k * step);
                if (border > 0 && border < size)
                    expected.insert(static_cast<uint32_t>(border));
            }
            const stf_axis axis = stf_axis_make(size, origin, step);
            std::set<uint32_t> found;
            for (uint32_t cell = 0; cell < axis.cells; cell++)
                found.insert(stf_axis_start(&axis, cell));
            EXPECT_EQ(found, expected) << origin << " + k * " << step;
        }
}

TEST(Axis, steps_below_a_pixel_make_whole_cells) {
    // A VRT that shrinks its source a hundredfold maps a block to a part of a pixel.
    for (double step : {0.5, 0.1, 1.0 / 3, 0.07, 0.999, 1e-3, std::nextafter(1.0 / 3, 0), std::nextafter(1.0, 0)})
        for (double origin : {0.0, -0.03, -0.99, -17.3}) {
            const stf_axis axis = stf_axis_make(200, origin, step);
            ASSERT_NO_FATAL_FAILURE(expect_tiles_exactly(axis));
            EXPECT_LE(stf_axis_longest(&axis), 3u) << "more blocks in a cell than it takes to fill a pixel";
        }
}

TEST(Axis, steps_that_divide_the_raster_but_for_rounding) {
    // A scale of 1/3 or 333/1000: the last border comes out a hair before the end of the raster, or behind it.
    for (uint32_t size = 1; size < 400; size++)
        for (uint32_t parts = 1; parts <= size; parts += 1 + parts / 7) {
            const double step = static_cast<double>(size) / parts;
            for (double origin : {0.0, -step / 3, -step * 0.7}) {
                ASSERT_NO_FATAL_FAILURE(expect_tiles_exactly(stf_axis_make(size, origin, step)));
                ASSERT_NO_FATAL_FAILURE(expect_tiles_exactly(stf_axis_make(size, origin, std::nextafter(step, 0))));
            }
        }
}

TEST(Axis, random_steps) {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> steps(1, 60), origins(-100, 100);
    for (int i = 0; i < 3000; i++) {
        const uint32_t size = 1 + static_cast<uint32_t>(random() % 300);
        ASSERT_NO_FATAL_FAILURE(expect_tiles_exactly(stf_axis_make(size, origins(random), steps(random))));
    }
}

TEST(Axis, step_larger_than_the_raster_stays_what_it_is) {
    // Its size is also the size of the tile that is written: a raster of 10 pixels still makes a tile of 512.
    for (uint32_t size : {1u, 10u, 127u, 128u, 129u, 511u}) {
        const stf_axis axis = stf_axis_make(size, 0, 512);
        EXPECT_EQ(axis.cells, 1u);
        EXPECT_EQ(axis.step_px, 512);
        EXPECT_EQ(stf_axis_longest(&axis), size);
        EXPECT_EQ(stf_axis_length(&axis, 0), size);
    }
}

TEST(Axis, nonsense_is_one_cell_or_many_but_never_empty) {
    for (double step : {0.0, -5.0, std::nan(""), static_cast<double>(INFINITY), 1e300})
        for (double origin : {0.0, std::nan(""), 1e300, -1e300})
            ASSERT_NO_FATAL_FAILURE(expect_tiles_exactly(stf_axis_make(37, origin, step)));
}

TEST(Axis, widest_raster_gdal_knows) {
    const uint32_t size = 2147483647;
    for (double step : {1.0, 1.5, 16.0, 512.0, 1000.25}) {
        const stf_axis axis = stf_axis_make(size, -0.5, step);
        EXPECT_EQ(stf_axis_start(&axis, axis.cells), size);
        for (uint32_t px : {0u, 1u, 1000u, size / 2, size - 2, size - 1}) {
            const uint32_t cell = stf_axis_cell(&axis, px);
            EXPECT_LE(stf_axis_start(&axis, cell), px);
            EXPECT_GT(stf_axis_start(&axis, cell + 1), px);
        }
        EXPECT_EQ(stf_axis_cell(&axis, size - 1), axis.cells - 1);
    }
}

// --- products -----------------------------------------------------------------------------------------

TEST(CheckedArithmetic, sticks_at_the_top) {
    EXPECT_EQ(stf_mul(0, UINT64_MAX), 0u);
    EXPECT_EQ(stf_mul(UINT64_MAX, 0), 0u);
    EXPECT_EQ(stf_mul(1, UINT64_MAX), UINT64_MAX);
    EXPECT_EQ(stf_mul(uint64_t{1} << 32, uint64_t{1} << 32), UINT64_MAX);
    EXPECT_EQ(stf_mul(uint64_t{1} << 32, (uint64_t{1} << 32) - 1), UINT64_MAX - 0xffffffffu);
    EXPECT_EQ(stf_mul(3, UINT64_MAX / 3), UINT64_MAX);
    EXPECT_EQ(stf_mul(2, UINT64_MAX / 2), UINT64_MAX - 1);
    EXPECT_EQ(stf_add(UINT64_MAX, 1), UINT64_MAX);
    EXPECT_EQ(stf_add(UINT64_MAX - 1, 1), UINT64_MAX);
    EXPECT_EQ(stf_add(40, 2), 42u);
    EXPECT_EQ(stf_add(stf_mul(UINT64_MAX, 2), 5), UINT64_MAX);
}

TEST(CheckedArithmetic, largest_raster) {
    const uint32_t side = uint32_t{1} << 31;
    Layout layout(side, side, 512, 512);
    layout.group(3, 256, 1).band_interleaved();
    const stf_geometry geometry = layout.geometry();
    EXPECT_EQ(stf_geometry_tiles_per_plane(&geometry), uint64_t{1} << 44); // 2^22 x 2^22
    EXPECT_EQ(stf_geometry_tiles(&geometry), 3 * (uint64_t{1} << 44));
    EXPECT_EQ(stf_geometry_units(&geometry), uint64_t{1} << 54); // 2^23 x 2^31
    const uint64_t last = stf_geometry_tiles(&geometry) - 1;
    EXPECT_EQ(stf_geometry_tile_plane(&geometry, last), 2u);
    EXPECT_EQ(stf_geometry_tile_window(&geometry, last).x, side - 512);
    EXPECT_EQ(stf_geometry_tile_window(&geometry, last).y, side - 512);
    EXPECT_EQ(stf_geometry_tile_units(&geometry, last), 2u * 512);

    Layout pixels(side, side, 1, 1);
    pixels.group(1, 1, 1).plane(1);
    const stf_plane planes[8] = {};
    stf_geometry worst = pixels.geometry();
    worst.planes = planes;
    worst.plane_count = 4;
    EXPECT_EQ(stf_geometry_tiles(&worst), UINT64_MAX) << "2^64 tiles must not come out as none";
    const std::vector<stf_group> groups(4, pixels.groups[0]);
    worst.groups = groups.data();
    worst.group_count = 4;
    EXPECT_EQ(stf_geometry_units(&worst), UINT64_MAX);
}

// --- the walk -----------------------------------------------------------------------------------------

struct Unit {
    stf_unit unit;
    std::vector<uint64_t> tiles;
};

std::vector<Unit> walk_all(const stf_geometry &geometry, uint32_t stripe_columns) {
    std::vector<Unit> units;
    stf_walk walk;
    stf_unit unit;
    for (stf_walk_begin(&walk, &geometry, stripe_columns); stf_walk_next(&walk, &unit);) {
        units.push_back({unit, {}});
        stf_touch touch;
        uint64_t tile;
        for (stf_touch_begin(&touch, &geometry, &unit); stf_touch_next(&touch, &tile);)
            units.back().tiles.push_back(tile);
    }
    EXPECT_FALSE(stf_walk_next(&walk, &unit)) << "a finished walk stays finished";
    return units;
}

bool overlap(const stf_window &a, const stf_window &b) {
    return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

bool share_bands(const stf_group &group, const stf_plane &plane) {
    for (uint32_t band = group.first_band; band < group.first_band + group.bands; band++)
        if (band >= plane.first_band && band < plane.first_band + plane.bands)
            return true;
    return false;
}

std::set<uint64_t> tiles_of(const stf_geometry &geometry, const stf_unit &unit) {
    std::set<uint64_t> tiles;
    for (uint64_t tile = 0; tile < stf_geometry_tiles(&geometry); tile++)
        if (share_bands(geometry.groups[unit.group], geometry.planes[stf_geometry_tile_plane(&geometry, tile)]) &&
            overlap(stf_geometry_tile_window(&geometry, tile), unit.window))
            tiles.insert(tile);
    return tiles;
}

uint32_t column_of(const stf_geometry &geometry, uint64_t tile) {
    return static_cast<uint32_t>(tile % stf_geometry_tiles_per_plane(&geometry) % geometry.tile_x.cells);
}

// Columns of tiles whose units, of whatever group, belong to more than one stripe.
std::set<uint32_t> seams_of(const stf_geometry &geometry, const std::vector<Unit> &units) {
    std::map<uint32_t, std::set<uint32_t>> stripes;
    for (const Unit &u : units)
        for (uint64_t tile : u.tiles)
            stripes[column_of(geometry, tile)].insert(u.unit.stripe);
    std::set<uint32_t> seams;
    for (const auto &[column, those] : stripes)
        if (those.size() > 1)
            seams.insert(column);
    return seams;
}

void expect_every_unit_once(const stf_geometry &geometry, uint32_t stripe_columns, const std::vector<Unit> &units) {
    ASSERT_EQ(units.size(), stf_geometry_units(&geometry));
    std::set<std::tuple<uint32_t, uint32_t, uint32_t>> seen;
    std::tuple<uint32_t, uint32_t, uint32_t> before{};
    for (size_t i = 0; i < units.size(); i++) {
        const stf_unit &unit = units[i].unit;
        ASSERT_EQ(unit.number, i);
        ASSERT_TRUE(seen.insert({unit.group, unit.column, unit.row}).second) << "visited twice";
        const stf_group &group = geometry.groups[unit.group];
        ASSERT_EQ(unit.window.x, stf_axis_start(&group.x, unit.column));
        ASSERT_EQ(unit.window.y, stf_axis_start(&group.y, unit.row));
        ASSERT_EQ(unit.window.width, stf_axis_length(&group.x, unit.column));
        ASSERT_EQ(unit.window.height, stf_axis_length(&group.y, unit.row));
        // The stripe is the one whose columns of group 0 the unit's left border lies in.
        ASSERT_EQ(unit.stripe, stf_axis_cell(&geometry.groups[0].x, unit.window.x) / stripe_columns);
        const std::tuple<uint32_t, uint32_t, uint32_t> now{unit.stripe, stf_axis_cell(&geometry.tile_y, unit.window.y),
                                                           stf_axis_cell(&geometry.tile_x, unit.window.x)};
        ASSERT_LE(before, now) << "stripe by stripe, tile row by tile row, tile by tile";
        before = now;
    }
}

void expect_every_tile_completes(const stf_geometry &geometry, uint32_t stripe_columns,
                                 const std::vector<Unit> &units) {
    std::vector<uint64_t> touches(stf_geometry_tiles(&geometry));
    std::vector<std::set<uint32_t>> stripes(touches.size());
    for (const Unit &u : units) {
        const std::set<uint64_t> expected = tiles_of(geometry, u.unit);
        const std::set<uint64_t> found(u.tiles.begin(), u.tiles.end());
        ASSERT_EQ(found, expected);
        ASSERT_EQ(found.size(), u.tiles.size()) << "a tile touched twice by one unit";
        for (uint64_t tile : u.tiles) {
            touches[tile]++;
            stripes[tile].insert(u.unit.stripe);
        }
    }
    for (uint64_t tile = 0; tile < touches.size(); tile++) {
        ASSERT_GE(touches[tile], 1u);
        ASSERT_EQ(touches[tile], stf_geometry_tile_units(&geometry, tile)) << tile;
        if (!stf_geometry_is_seam_column(&geometry, stripe_columns, column_of(geometry, tile))) {
            ASSERT_EQ(stripes[tile].size(), 1u) << "tile " << tile << " would wait in memory for another stripe";
        }
    }
}

void expect_seams(const stf_geometry &geometry, uint32_t stripe_columns, const std::vector<Unit> &units) {
    const std::set<uint32_t> seams = seams_of(geometry, units);
    uint64_t pixels = 0;
    for (uint32_t column = 0; column < geometry.tile_x.cells; column++) {
        ASSERT_EQ(stf_geometry_is_seam_column(&geometry, stripe_columns, column), seams.count(column) == 1) << column;
        if (seams.count(column) == 1)
            pixels += uint64_t{stf_axis_length(&geometry.tile_x, column)} * geometry.height_px;
    }
    ASSERT_EQ(stf_geometry_seam_pixels(&geometry, stripe_columns), pixels);
}

// The same question asked of sets: a tile opens at its first pixel and is let go after its last.
stf_open_tiles open_by_force(const stf_geometry &geometry, const std::vector<Unit> &units, uint32_t only_stripe) {
    const std::set<uint32_t> seams = seams_of(geometry, units);
    std::map<uint64_t, std::multiset<size_t>> missing;
    for (size_t i = 0; i < units.size(); i++)
        for (uint64_t tile : units[i].tiles)
            missing[tile].insert(i);
    stf_open_tiles most = {0, 0};
    std::set<uint64_t> open;
    for (size_t i = 0; i < units.size(); i++) {
        if (only_stripe != UINT32_MAX && units[i].unit.stripe != only_stripe)
            continue;
        most.touched = std::max<uint64_t>(most.touched, units[i].tiles.size());
        for (uint64_t tile : units[i].tiles) {
            if (seams.count(column_of(geometry, tile)) == 1)
                continue;
            open.insert(tile);
            most.open = std::max<uint64_t>(most.open, open.size());
            missing[tile].erase(i);
            if (missing[tile].empty())
                open.erase(tile);
        }
    }
    return most;
}

void expect_open_tiles(const stf_geometry &geometry, uint32_t stripe_columns, const std::vector<Unit> &units) {
    std::vector<uint32_t> remaining(stf_geometry_tiles(&geometry));
    const uint32_t stripes = stf_geometry_stripes(&geometry, stripe_columns);
    for (uint32_t i = 0; i <= stripes; i++) {
        const uint32_t only = i == stripes ? UINT32_MAX : i;
        const stf_open_tiles expected = open_by_force(geometry, units, only);
        const stf_open_tiles found = stf_geometry_open_tiles(&geometry, stripe_columns, only, remaining.data());
        ASSERT_EQ(found.open, expected.open) << "stripe " << only;
        ASSERT_EQ(found.touched, expected.touched) << "stripe " << only;
        ASSERT_EQ(remaining, std::vector<uint32_t>(remaining.size())) << "counters left behind";
    }
}

void expect_walk(const Layout &layout, uint32_t stripe_columns) {
    SCOPED_TRACE(testing::Message() << layout << ", stripes of " << stripe_columns);
    const stf_geometry geometry = layout.geometry();
    const std::vector<Unit> units = walk_all(geometry, stripe_columns);
    ASSERT_NO_FATAL_FAILURE(expect_every_unit_once(geometry, stripe_columns, units));
    ASSERT_NO_FATAL_FAILURE(expect_every_tile_completes(geometry, stripe_columns, units));
    ASSERT_NO_FATAL_FAILURE(expect_seams(geometry, stripe_columns, units));
    ASSERT_NO_FATAL_FAILURE(expect_open_tiles(geometry, stripe_columns, units));
}

TEST(Walk, every_unit_and_tile_of_random_geometries) {
    std::mt19937 random(7);
    for (int i = 0; i < 2500; i++) {
        const Layout layout = fakes::random_layout(random, i % 10 == 0 ? 40 : 17);
        const uint32_t columns = layout.groups[0].x.cells;
        ASSERT_NO_FATAL_FAILURE(expect_walk(layout, 1 + static_cast<uint32_t>(random() % (columns + 1))));
        ASSERT_NO_FATAL_FAILURE(expect_walk(layout, columns));
    }
}

TEST(Walk, groups_out_of_step_at_a_seam) {
    // Stripes end at 10: the tile at 10..11 takes band 0 of the second stripe, and band 1 of a unit (8..13) that
    // begins in the first. Each group by itself sees no seam there.
    Layout layout(20, 4, 2, 4);
    layout.group(1, 10, 4).group(1, 6, 4, -4).pixel_interleaved();
    expect_walk(layout, 1);
    const stf_geometry geometry = layout.geometry();
    EXPECT_TRUE(stf_geometry_is_seam_column(&geometry, 1, 5));
}

TEST(Walk, one_row_one_column_one_pixel) {
    expect_walk(Layout(1, 1, 512, 512).group(1, 256, 256).plane(1), 1);
    expect_walk(Layout(33, 1, 16, 16).group(2, 33, 1).band_interleaved(), 1);
    expect_walk(Layout(1, 33, 16, 16).group(2, 1, 1).pixel_interleaved(), 1);
}

TEST(Walk, stripes_of_more_columns_than_there_are) {
    expect_walk(Layout(30, 10, 7, 7).group(1, 10, 10).plane(1), UINT32_MAX);
}

TEST(Walk, a_stripe_costs_its_own_tiles) {
    // 2^27 tiles across, and stripes of one: who looked at every tile of a row for each stripe would be here for hours.
    const Layout layout = Layout(2147483647, 16000, 16, 16).group(1, 16, 16).plane(1);
    const stf_geometry geometry = layout.geometry();
    const uint32_t last = stf_geometry_stripes(&geometry, 1) - 1;
    for (uint32_t stripe : {0u, 1u, last / 2, last}) {
        stf_walk walk;
        stf_unit unit;
        uint64_t units = 0;
        for (stf_walk_begin_stripe(&walk, &geometry, 1, stripe); stf_walk_next(&walk, &unit); units++) {
            ASSERT_EQ(unit.column, stripe);
            ASSERT_EQ(unit.row, units);
        }
        EXPECT_EQ(units, 1000u);
    }
}

TEST(OpenTiles, by_hand) {
    // 40 wide in tiles of 10; rows of one pixel: the four tiles of a tile row are open at once.
    std::vector<uint32_t> remaining(64);
    const auto open = [&remaining](const Layout &layout, uint32_t stripe_columns) {
        const stf_geometry geometry = layout.geometry();
        return stf_geometry_open_tiles(&geometry, stripe_columns, UINT32_MAX, remaining.data());
    };
    EXPECT_EQ(open(Layout(40, 20, 10, 10).group(1, 40, 1).plane(1), 1).open, 4u);
    // Units of a tile's size: the one that is being filled.
    EXPECT_EQ(open(Layout(40, 20, 10, 10).group(1, 10, 10).plane(1), 4).open, 1u);
    // Units of 20 x 20 over tiles of 10: filled row by row, each tile complete at once.
    EXPECT_EQ(open(Layout(40, 20, 10, 10).group(1, 20, 20).plane(1), 2).open, 1u);
    EXPECT_EQ(open(Layout(40, 20, 10, 10).group(1, 20, 20).plane(1), 2).touched, 4u);
    // Units 15 high: a unit of the first row completes its tile of rows 0..9 and begins the one of rows 10..19, so at
    // the last of them the other three wait, beside the one that is being filled. The second row of units begins
    // at 15, completes these, and has all of rows 20..29.
    EXPECT_EQ(open(Layout(40, 30, 10, 10).group(1, 10, 15).plane(1), 4).open, 4u);
    // The same by stripes of one column: 10 wide, no seams, nobody waits beside the one that is being filled.
    EXPECT_EQ(open(Layout(40, 30, 10, 10).group(1, 10, 15).plane(1), 1).open, 1u);
    // Units 11 wide are seldom in step: column 0 has pixels of tiles 0 and 1; stripes of one column make a seam of
    // every tile but the first.
    EXPECT_EQ(open(Layout(40, 20, 10, 10).group(1, 11, 10).plane(1), 1).open, 1u);
    // Three bands by themselves in three planes: read band by band, so three tiles wait at each place.
    EXPECT_EQ(open(Layout(40, 20, 10, 10).group(3, 40, 1).band_interleaved(), 1).open, 12u);
}

TEST(Axis, last_cell_that_is_joined) {
    stf_axis axis = stf_axis_make(1000, -3, 100);
    ASSERT_EQ(axis.cells, 11u); // 0..97, ..., 997..1000
    stf_axis_join_last(&axis);
    EXPECT_EQ(axis.cells, 10u);
    EXPECT_EQ(stf_axis_length(&axis, 9), 103u);
    EXPECT_EQ(stf_axis_longest(&axis), 103u);
    EXPECT_EQ(stf_axis_cell(&axis, 999), 9u);
    stf_axis one = stf_axis_make(50, 0, 100);
    stf_axis_join_last(&one);
    EXPECT_EQ(one.cells, 1u);
}

} // namespace
