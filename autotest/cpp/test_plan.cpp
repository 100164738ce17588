// The plan against a simulation of the copy, and against floors worked out by hand.
#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "fakes.h"
#include "gtest/gtest.h"
#include "plan.h"

namespace {

using fakes::Layout;

struct Case {
    const char *name;
    Layout layout;
    stf_demand costs; // geometry, cap and threads are filled in by the test
    uint64_t floor_bytes;
};

void PrintTo(const Case &c, std::ostream *out) {
    *out << c.name;
}

stf_plan make(const Layout &layout, stf_demand demand, uint64_t cap_bytes, uint32_t threads) {
    const stf_geometry geometry = layout.geometry();
    demand.geometry = &geometry;
    demand.cap_bytes = cap_bytes;
    demand.threads = threads;
    stf_plan plan{};
    stf_error err{};
    EXPECT_TRUE(stf_plan_make(&demand, &plan, &err)) << err.text << "; " << layout;
    return plan;
}

// --- floors by hand -----------------------------------------------------------------------------------

constexpr uint64_t KiB = 1024, MiB = 1024 * 1024;

// Round figures, so that the sums below can be followed: tables take a million bytes, an encoder four tiles.
stf_demand costs(uint64_t unit_bytes, uint64_t reader_bytes, uint64_t tile_bytes) {
    stf_demand demand{};
    demand.parallel_read = true;
    demand.unit_bytes = unit_bytes;
    demand.reader_bytes = reader_bytes;
    demand.slot_bytes = tile_bytes;
    demand.encoder_bytes = 4 * tile_bytes;
    demand.table_bytes = 1000000;
    return demand;
}

Layout float_raster(uint32_t width, uint32_t height, double tile_width, double tile_height, double unit_width,
                    double unit_height, double origin = 0) {
    Layout layout(width, height, tile_width, tile_height);
    return layout.bytes(4).group(1, unit_width, unit_height, origin, origin).plane(1);
}

stf_demand gdaldem_costs() {
    // One row of a slope; what gdaldem reads underneath is one row of 41 blocks in GDAL's cache.
    stf_demand demand = costs(80000, 1400000, MiB);
    demand.parallel_read = false;
    demand.lease_bytes = 43000000;
    return demand;
}

stf_demand halo_costs() {
    // Blocks of 512 x 512 Float32 under a resampling VRT: two rows of them stay cached, (1 MiB + 160) each.
    stf_demand demand = costs(MiB, 1400000, MiB);
    demand.parallel_read = false;
    demand.lease_bytes = 3 * (MiB + 160);
    static fakes::SharedBlocks shared;
    shared.column_bytes = 2 * (MiB + 160);
    shared.extra_columns = 3;
    shared.least_columns = 20;
    shared.seam_decodes = 13;
    demand.shared = shared.curve();
    return demand;
}

// A second encoder takes 5 tiles (its own four and a slot); it is in the floor where that is an eighth or 2 MiB at most.
std::vector<Case> cases() {
    std::vector<Case> all;
    // BANDS, one tile open: strips are as high as tiles, which are filled and complete one after the other.
    //   1000000 + unit 20000*512*4 = 40960000 + reader 27000000 + encoder 4194304 + slot 1048576 = 74202880
    //   a second encoder: 5242880 <= 74202880 / 8 = 9275360
    all.push_back(
        {"strips_of_512", float_raster(20000, 6144, 512, 512, 20000, 512), costs(40960000, 27000000, MiB), 79445760});
    // Strips of 600 leave the 40 tiles of the next row begun: BANDS takes 40 slots, so SPILL is the least.
    //   1000000 + 48000000 + 30000000 + 4194304 + 1048576 = 84242880, and 5242880 <= 10530360
    all.push_back({"strips_out_of_step", float_raster(20000, 6144, 512, 512, 20000, 600),
                   costs(48000000, 30000000, MiB), 89485760});
    // 40 tiles open in BANDS: 40 MiB. SPILL has one slot.
    //   1000000 + 80000 + 80000 + 4194304 + 1048576 = 6402880; 5242880 is more than an eighth
    all.push_back({"strips_of_1", float_raster(20000, 6144, 512, 512, 20000, 1), costs(80000, 80000, MiB), 6402880});
    // 2 x 2 units make a tile: BANDS with one slot.
    //   1000000 + 262144 + 300000 + 4194304 + 1048576 = 6805024
    all.push_back(
        {"tiles_256_to_512", float_raster(20000, 6144, 512, 512, 256, 256), costs(256 * KiB, 300000, MiB), 6805024});
    // A unit makes 2 x 2 tiles, one after the other.
    //   1000000 + 1048576 + 1300000 + 4 * 262144 + 262144 = 4659296; a second encoder: 1310720 <= 2097152
    all.push_back(
        {"tiles_512_to_256", float_raster(20000, 6144, 256, 256, 512, 512), costs(MiB, 1300000, 256 * KiB), 5970016});
    //   1000000 + 4194304 + 5000000 + 4194304 + 1048576 = 15437184
    all.push_back(
        {"tiles_1024_to_512", float_raster(20000, 6144, 512, 512, 1024, 1024), costs(4 * MiB, 5000000, MiB), 15437184});
    //   1000000 + 4194304 + 5000000 + 1048576 + 262144 = 11505024; a second encoder: 1310720 <= 1438128
    all.push_back({"tiles_1024_to_256", float_raster(20000, 6144, 256, 256, 1024, 1024),
                   costs(4 * MiB, 5000000, 256 * KiB), 12815744});
    // Strips of 8 rows (3200000 bytes) out of blocks of 512: 64 strips wait for the last block of the row, and every
    // strip is cut by every stripe. SPILL: 1000000 + 1048576 + 1300000 + 4 * 3200000 + 3200000 = 19348576
    all.push_back({"wide_tiles_to_strips", float_raster(100000, 1500, 100000, 8, 512, 512),
                   costs(MiB, 1300000, 3200000), 19348576});
    // SPILL: 43000000 + 1000000 + 80000 + 1400000 + 4194304 + 1048576 = 50722880, and 5242880 <= 6340360
    all.push_back({"gdaldem", float_raster(20000, 6144, 512, 512, 20000, 1), gdaldem_costs(), 55965760});
    // Width costs nothing where units complete tiles: as tiles_256_to_512.
    all.push_back(
        {"100000_wide_tiles", float_raster(100000, 1500, 512, 512, 256, 256), costs(256 * KiB, 300000, MiB), 6805024});
    // SPILL: 1000000 + 400000 + 400000 + 4194304 + 1048576 = 7042880
    all.push_back({"100000_wide_strips_of_1", float_raster(100000, 1500, 512, 512, 100000, 1),
                   costs(400000, 400000, MiB), 7042880});
    // SPILL in stripes of 20 columns, which touch 23: 20 or more tiles open need more than the spill does.
    //   1000000 + 3 * 1048736 + 23 * 2097472 + 1048576 + 1400000 + 4194304 + 1048576 = 60079520,
    //   and 5242880 <= 7509940
    all.push_back({"resampled_vrt", float_raster(20000, 6144, 512, 512, 512, 512, -2), halo_costs(), 65322400});
    // 224 bands of Int16: a tile of 256 x 256 takes 29360128, an encoder 117440512.
    //   1000000 + 29360128 + 60000000 + 117440512 + 29360128 = 237160768
    const uint64_t all_bands = uint64_t{256} * 256 * 224 * 2;
    Layout together(2000, 2000, 256, 256), apart(2000, 2000, 256, 256);
    together.bytes(2).group(224, 256, 256).pixel_interleaved();
    all.push_back({"224_bands_together", together, costs(all_bands, 60000000, all_bands), 237160768});
    // By INTERLEAVE=BAND tiles are 131072: 1000000 + 29360128 + 60000000 + 524288 + 131072 = 91015488, and 655360 more.
    apart.bytes(2).group(224, 256, 256).band_interleaved();
    all.push_back({"224_bands_apart", apart, costs(all_bands, 60000000, 128 * KiB), 91670848});
    // A single tile leaves a second encoder nothing to do:
    //   1000000 + 400 + 100 + 4194304 + 1048576
    all.push_back({"smaller_than_a_tile", float_raster(10, 10, 512, 512, 10, 1), costs(400, 100, MiB), 6243380});
    return all;
}

class Floor : public testing::TestWithParam<Case> {};

TEST_P(Floor, is_the_one_worked_out_by_hand) {
    const Case &c = GetParam();
    for (uint32_t threads : {1u, 2u, 8u}) {
        const stf_plan plan = make(c.layout, c.costs, 1, threads);
        EXPECT_EQ(plan.floor_bytes, c.floor_bytes) << threads << " threads";
        EXPECT_EQ(plan.cap_bytes, c.floor_bytes);
        EXPECT_EQ(plan.requested_cap_bytes, 1u);
        EXPECT_LE(plan.predicted_peak_bytes, c.floor_bytes);
    }
}

INSTANTIATE_TEST_SUITE_P(ByHand, Floor, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case> &of) { return std::string(of.param.name); });

TEST(Sweep, of_typical_copies) {
    // case, cap, sweep: the first way that has room for two encoders (and their slots).
    struct Typical {
        const char *name;
        uint64_t cap_bytes;
        const char *sweep;
        bool several_stripes;
    };
    // strips_of_1: BANDS needs 1000000 + 160000 + 2 * 4194304 + 40 * 1048576 = 51491648
    // wide_tiles_to_strips: 1000000 + 1048576 + 1300000 + 2 * 12800000 + 64 * 3200000 = 233748576
    // resampled_vrt: BANDS takes 1000000 + 3146208 + 40 * 2097472 + 2448576 + 2 * 4194304 and 41 slots (a row of 40 tiles
    //   and the one that is begun below it) = 141873888; 20 columns with 21 + 1 slots: 86293920
    const Typical typical[] = {
        {"strips_of_512", 16 * MiB, "BANDS", false},
        {"strips_of_512", 256 * MiB, "BANDS", false},
        {"strips_of_1", 16 * MiB, "SPILL", false},
        {"strips_of_1", 51491647, "SPILL", false},
        {"strips_of_1", 51491648, "BANDS", false},
        {"tiles_256_to_512", 16 * MiB, "BANDS", false},
        {"tiles_512_to_256", 1, "BANDS", false},
        {"tiles_1024_to_512", 1, "BANDS", false},
        {"wide_tiles_to_strips", 64 * MiB, "SPILL", false},
        {"wide_tiles_to_strips", 233748575, "SPILL", false},
        {"wide_tiles_to_strips", 233748576, "BANDS", false},
        {"gdaldem", 64 * MiB, "SPILL", false},
        {"gdaldem", 128 * MiB, "BANDS", false},
        {"100000_wide_tiles", 16 * MiB, "BANDS", false},
        {"resampled_vrt", 16 * MiB, "SPILL", true},
        {"resampled_vrt", 86293919, "SPILL", true},
        {"resampled_vrt", 86293920, "STRIPES", true},
        {"resampled_vrt", 141873887, "STRIPES", true},
        {"resampled_vrt", 141873888, "BANDS", false},
        {"224_bands_apart", 16 * MiB, "BANDS", false},
    };
    const std::vector<Case> all = cases();
    for (const Typical &t : typical) {
        const auto found =
            std::find_if(all.begin(), all.end(), [&t](const Case &c) { return t.name == std::string(c.name); });
        ASSERT_NE(found, all.end()) << t.name;
        for (uint32_t threads : {1u, 2u, 8u}) {
            const stf_plan plan = make(found->layout, found->costs, t.cap_bytes, threads);
            EXPECT_STREQ(stf_sweep_name(plan.sweep), t.sweep) << t.name << " at " << t.cap_bytes;
            EXPECT_EQ(plan.stripes > 1, t.several_stripes) << t.name << " at " << t.cap_bytes;
        }
    }
}

TEST(Sweep, stripes_keep_in_step_with_the_tiles) {
    // Blocks of 128 x 600 under tiles of 512: stripes of 4, 8, ... columns cut no tile. A cap with room for 5 or 6
    // columns must not cut (and spill) tiles for the sake of wider stripes.
    const Layout layout = float_raster(20480, 6144, 512, 512, 128, 600);
    stf_demand demand = costs(128 * 600 * 4, 300000, MiB);
    demand.may_be_constant = true; // keeps a slot back, so that seams need none of their own
    int striped = 0;
    for (uint64_t cap = 14 * MiB; cap < 50 * MiB; cap += MiB / 2) {
        const stf_plan plan = make(layout, demand, cap, 2);
        if (plan.sweep != STF_SWEEP_STRIPES)
            continue;
        striped++;
        EXPECT_EQ(plan.stripe_columns % 4, 0u) << cap;
        EXPECT_EQ(plan.spill_bytes, 0u) << cap;
    }
    EXPECT_GT(striped, 20);
}

// --- random demands against a simulation --------------------------------------------------------------

stf_demand random_costs(std::mt19937 &random, fakes::SharedBlocks &shared) {
    const auto upto = [&random](uint32_t most) { return 1 + static_cast<uint64_t>(random() % most); };
    stf_demand demand{};
    demand.parallel_read = random() % 2 == 0;
    demand.may_be_constant = random() % 4 == 0;
    demand.unit_bytes = upto(1000);
    demand.reader_bytes = upto(1000);
    demand.reader_lease_bytes = random() % 3 == 0 ? upto(300) : 0;
    demand.slot_bytes = upto(500);
    demand.encoder_bytes = upto(2000);
    demand.table_bytes = upto(100);
    demand.source_blocks = upto(1000);
    if (random() % 3 == 0) {
        demand.lease_bytes = upto(500);
        shared.column_bytes = upto(300);
        shared.extra_columns = static_cast<uint32_t>(random() % 4);
        shared.least_columns = static_cast<uint32_t>(upto(5));
        shared.seam_decodes = upto(9);
        shared.source_blocks = demand.source_blocks;
        shared.spare_bytes = random() % 2 == 0 ? upto(600) : 0;
        demand.shared = shared.curve();
    }
    return demand;
}

struct Simulated {
    uint64_t open_slots = 0, open_regions = 0, spill_bytes = 0;
};

uint64_t shared_samples(const stf_geometry &geometry, const stf_unit &unit, uint64_t tile) {
    const stf_window window = stf_geometry_tile_window(&geometry, tile);
    const stf_group &group = geometry.groups[unit.group];
    const stf_plane &plane = geometry.planes[stf_geometry_tile_plane(&geometry, tile)];
    uint64_t bands = 0, columns = 0, rows = 0;
    for (uint32_t band = plane.first_band; band < plane.first_band + plane.bands; band++)
        bands += band >= group.first_band && band < group.first_band + group.bands ? 1 : 0;
    for (uint32_t x = window.x; x < window.x + window.width; x++)
        columns += x >= unit.window.x && x < unit.window.x + unit.window.width ? 1 : 0;
    for (uint32_t y = window.y; y < window.y + window.height; y++)
        rows += y >= unit.window.y && y < unit.window.y + unit.window.height ? 1 : 0;
    return bands * columns * rows;
}

// Fills units into tiles as the plan says, with encoders that are never behind.
Simulated simulate(const stf_geometry &geometry, const stf_plan &plan) {
    Simulated result;
    std::map<uint64_t, uint64_t> filled;
    std::set<uint64_t> slots, regions;
    stf_walk walk;
    stf_unit unit;
    for (stf_walk_begin(&walk, &geometry, plan.stripe_columns); stf_walk_next(&walk, &unit);) {
        stf_touch touch;
        uint64_t tile;
        for (stf_touch_begin(&touch, &geometry, &unit); stf_touch_next(&touch, &tile);) {
            const uint32_t column =
                static_cast<uint32_t>(tile % stf_geometry_tiles_per_plane(&geometry) % geometry.tile_x.cells);
            const bool spilled = plan.spill_all || stf_geometry_is_seam_column(&geometry, plan.stripe_columns, column);
            std::set<uint64_t> &home = spilled ? regions : slots;
            home.insert(tile);
            result.open_slots = std::max<uint64_t>(result.open_slots, slots.size());
            result.open_regions = std::max<uint64_t>(result.open_regions, regions.size());
            if (spilled)
                result.spill_bytes += shared_samples(geometry, unit, tile) * geometry.sample_bytes;
            if (++filled[tile] == stf_geometry_tile_units(&geometry, tile))
                home.erase(tile);
        }
    }
    return result;
}

// The lease must be one of the source's points, and a better one must not have fitted.
void expect_best_lease(const stf_geometry &geometry, const stf_demand &demand, const stf_plan &plan) {
    stf_lease_point points[STF_LEASE_POINTS] = {{0, demand.source_blocks}};
    const uint32_t count =
        demand.shared.points ? demand.shared.points(demand.shared.context, &geometry, plan.stripe_columns, points) : 1;
    const uint64_t rest = demand.lease_bytes + demand.reader_lease_bytes * plan.readers;
    uint32_t taken = 0;
    while (taken < count && rest + points[taken].lease_bytes != plan.lease_bytes)
        taken++;
    ASSERT_LT(taken, count) << plan.lease_bytes;
    ASSERT_EQ(plan.decodes, points[taken].decodes);
    for (uint32_t better = 0; better < taken; better++)
        ASSERT_GT(plan.predicted_peak_bytes + points[better].lease_bytes - points[taken].lease_bytes, plan.cap_bytes);
}

void expect_sound(const Layout &layout, const stf_demand &demand, const stf_plan &plan, uint64_t cap,
                  uint32_t threads) {
    SCOPED_TRACE(testing::Message() << layout << ", cap " << cap << ", " << threads << " threads");
    const stf_geometry geometry = layout.geometry();
    // The account.
    ASSERT_EQ(plan.requested_cap_bytes, cap);
    ASSERT_EQ(plan.cap_bytes, std::max(cap, plan.floor_bytes));
    ASSERT_LE(plan.predicted_peak_bytes, plan.cap_bytes);
    ASSERT_NO_FATAL_FAILURE(expect_best_lease(geometry, demand, plan));
    ASSERT_EQ(plan.predicted_peak_bytes, demand.table_bytes + plan.lease_bytes + demand.encoder_bytes * plan.encoders +
                                             demand.reader_bytes * plan.readers +
                                             demand.unit_bytes * plan.unit_buffers + demand.slot_bytes * plan.slots);
    // The crew.
    ASSERT_GE(plan.encoders, 1u);
    ASSERT_LE(plan.encoders, std::min<uint64_t>(threads, stf_geometry_tiles(&geometry)));
    ASSERT_GE(plan.readers, 1u);
    ASSERT_LE(plan.readers, demand.parallel_read ? plan.encoders : 1);
    ASSERT_LE(plan.readers, plan.unit_buffers);
    ASSERT_GE(plan.slots, plan.encoders);
    if (threads == 1) {
        ASSERT_EQ(plan.unit_buffers, 1u) << "one thread reads nothing ahead";
    }
    // The sweep.
    ASSERT_EQ(plan.stripes, stf_geometry_stripes(&geometry, plan.stripe_columns));
    ASSERT_EQ(plan.sweep == STF_SWEEP_SPILL, plan.spill_all);
    ASSERT_EQ(plan.sweep == STF_SWEEP_BANDS, plan.stripes == 1 && !plan.spill_all);
    // What the copy will meet.
    const Simulated found = simulate(geometry, plan);
    const bool through_slot = demand.may_be_constant || found.spill_bytes > 0;
    ASSERT_EQ(plan.reserved_slots, through_slot ? 1u : 0u);
    ASSERT_LE(found.open_slots + plan.reserved_slots, plan.slots) << "the copy would come to a standstill";
    ASSERT_LE(found.open_regions, plan.regions);
    ASSERT_EQ(plan.spill_bytes, found.spill_bytes);
    ASSERT_EQ(plan.regions > 0, found.spill_bytes > 0);
}

void expect_same_order(const stf_plan &a, const stf_plan &b) {
    ASSERT_EQ(a.sweep, b.sweep);
    ASSERT_EQ(a.spill_all, b.spill_all);
    ASSERT_EQ(a.stripe_columns, b.stripe_columns);
    ASSERT_EQ(a.floor_bytes, b.floor_bytes);
    ASSERT_EQ(a.cap_bytes, b.cap_bytes);
}

TEST(Plan, random_demands_at_any_cap) {
    std::mt19937 random(11);
    std::map<std::string, int> ways;
    for (int i = 0; i < 600; i++) {
        const Layout layout = fakes::random_layout(random, 30);
        fakes::SharedBlocks shared;
        const stf_demand demand = random_costs(random, shared);
        const uint64_t floor = make(layout, demand, 0, 8).floor_bytes;
        for (uint64_t cap :
             {uint64_t{0}, floor - 1, floor, floor + 1, floor + floor / 8, 2 * floor, 5 * floor, 100 * floor}) {
            stf_plan before{};
            for (uint32_t threads : {1u, 2u, 8u}) {
                const stf_plan plan = make(layout, demand, cap, threads);
                ASSERT_NO_FATAL_FAILURE(expect_sound(layout, demand, plan, cap, threads));
                ASSERT_EQ(plan.floor_bytes, floor);
                // Else the bytes of the file would depend on the machine.
                if (threads > 1) {
                    ASSERT_NO_FATAL_FAILURE(expect_same_order(before, plan)) << layout << " at " << cap;
                }
                before = plan;
                ways[stf_sweep_name(plan.sweep) + std::string(plan.stripes > 1 ? ", striped" : "")]++;
            }
        }
    }
    for (const char *way : {"BANDS", "STRIPES, striped", "SPILL", "SPILL, striped"})
        EXPECT_GT(ways[way], 50) << way << " was hardly met: the test shows nothing about it";
}

TEST(Plan, more_cap_is_never_worse) {
    std::mt19937 random(12);
    for (int i = 0; i < 250; i++) {
        const Layout layout = fakes::random_layout(random, 30);
        fakes::SharedBlocks shared;
        const stf_demand demand = random_costs(random, shared);
        const uint64_t floor = make(layout, demand, 0, 2).floor_bytes;
        stf_plan before = make(layout, demand, floor, 2);
        for (uint64_t cap = floor; cap < 5 * floor; cap += 1 + floor / 9) {
            const stf_plan plan = make(layout, demand, cap, 2);
            ASSERT_GE(plan.encoders, before.encoders) << layout << " at " << cap;
            // A way that has room for two encoders is taken before a nicer one with room for one alone.
            if (plan.encoders == before.encoders) {
                ASSERT_LE(plan.sweep, before.sweep) << layout << " at " << cap;
            }
            before = plan;
            // Many threads share what is left over with readers and slots, so a byte more may deal it out otherwise;
            // twice the cap has room for twice of everything.
            const stf_plan some = make(layout, demand, cap, 8), twice = make(layout, demand, 2 * cap, 8);
            if (some.sweep == twice.sweep && some.stripe_columns == twice.stripe_columns) {
                ASSERT_GE(twice.encoders, some.encoders) << layout << " at " << cap;
            }
        }
    }
}

TEST(Plan, plenty_of_cap_uses_all_threads) {
    for (const Case &c : cases()) {
        if (c.name == std::string("smaller_than_a_tile"))
            continue;
        const stf_plan plan = make(c.layout, c.costs, 256 * c.floor_bytes, 8);
        EXPECT_EQ(plan.sweep, STF_SWEEP_BANDS) << c.name;
        EXPECT_EQ(plan.encoders, 8u) << c.name;
        const stf_geometry geometry = c.layout.geometry();
        const uint64_t useful = std::min<uint64_t>(8, stf_geometry_units(&geometry) / 2);
        EXPECT_GE(plan.readers, c.costs.parallel_read ? useful : 1u) << c.name;
        EXPECT_EQ(make(c.layout, c.costs, 2560 * c.floor_bytes, 8).predicted_peak_bytes, plan.predicted_peak_bytes)
            << c.name << ": room that is of no use is not taken";
    }
}

// --- sizes --------------------------------------------------------------------------------------------

// What was needed to plan is given back before the copy begins: no cap is below it, and nothing else is changed by it.
TEST(Plan, planning_has_a_part_in_floor_and_peak) {
    for (const Case &c : cases()) {
        stf_demand demand = c.costs;
        const stf_plan before = make(c.layout, demand, 1, 2);
        demand.planning_bytes = before.floor_bytes;
        const stf_plan same = make(c.layout, demand, 1, 2);
        EXPECT_EQ(same.floor_bytes, before.floor_bytes) << c.name;
        demand.planning_bytes = 3 * before.floor_bytes;
        const stf_plan more = make(c.layout, demand, 1, 2);
        EXPECT_EQ(more.floor_bytes, demand.planning_bytes) << c.name;
        EXPECT_EQ(more.cap_bytes, demand.planning_bytes) << c.name;
        EXPECT_EQ(more.predicted_peak_bytes, demand.planning_bytes) << c.name;
        const stf_plan as_much = make(c.layout, c.costs, demand.planning_bytes, 2);
        EXPECT_EQ(more.sweep, as_much.sweep) << c.name;
        EXPECT_EQ(more.slots, as_much.slots) << c.name;
        EXPECT_EQ(more.decodes, as_much.decodes) << c.name;
    }
}

TEST(Plan, too_many_tiles_are_refused) {
    Layout layout(2147483647, 2147483647, 16, 16);
    layout.group(1, 256, 256).plane(1);
    const stf_geometry geometry = layout.geometry();
    stf_demand demand = costs(1, 1, 1);
    demand.geometry = &geometry;
    demand.threads = 1;
    stf_plan plan{};
    stf_error err{};
    EXPECT_FALSE(stf_plan_make(&demand, &plan, &err));
    EXPECT_NE(std::string(err.text).find("18014398509481984"), std::string::npos) << err.text; // (2^27)^2
    EXPECT_NE(std::string(err.text).find("BLOCKXSIZE"), std::string::npos) << err.text;
}

TEST(Plan, sums_up_to_the_largest_are_planned) {
    Layout layout(64, 64, 16, 16);
    layout.group(1, 64, 1).plane(1);
    const stf_geometry geometry = layout.geometry();
    stf_demand demand = costs(1, 1, 1);
    demand.geometry = &geometry;
    demand.threads = 4;
    stf_plan plan{};
    stf_error err{};
    ASSERT_TRUE(stf_plan_make(&demand, &plan, &err)) << err.text;
    demand.table_bytes += static_cast<uint64_t>(INT64_MAX) - plan.floor_bytes;
    ASSERT_TRUE(stf_plan_make(&demand, &plan, &err)) << err.text;
    EXPECT_EQ(plan.floor_bytes, static_cast<uint64_t>(INT64_MAX));
    EXPECT_EQ(plan.predicted_peak_bytes, plan.floor_bytes);
    demand.table_bytes++;
    EXPECT_FALSE(stf_plan_make(&demand, &plan, &err)) << "2^63 bytes";
}

TEST(Plan, sums_that_overflow_are_refused) {
    Layout layout(64, 64, 16, 16);
    layout.group(1, 64, 1).plane(1);
    const stf_geometry geometry = layout.geometry();
    for (int which = 0; which < 5; which++) {
        stf_demand demand = costs(1, 1, 1);
        uint64_t *fields[] = {&demand.unit_bytes, &demand.reader_bytes, &demand.slot_bytes, &demand.encoder_bytes,
                              &demand.lease_bytes};
        *fields[which] = UINT64_MAX - 5;
        demand.geometry = &geometry;
        demand.cap_bytes = UINT64_MAX;
        demand.threads = 4;
        stf_plan plan{};
        stf_error err{};
        EXPECT_FALSE(stf_plan_make(&demand, &plan, &err)) << which;
        EXPECT_NE(err.text[0], '\0');
    }
}

} // namespace
