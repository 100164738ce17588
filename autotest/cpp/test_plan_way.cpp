// Which stripes a copy gets, above all a COG's: rather narrower ones, with seams that cost little, than encoders that wait for each other's slots.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "fakes.h"
#include "gtest/gtest.h"
#include "plan.h"
#include "pyramid_levels.h"

namespace {

using fakes::Layout;

constexpr uint64_t MiB = 1024 * 1024;

// Float32 in blocks of 512 to tiles of 512, deflated, with cubic overviews: costs as the driver finds them.
struct Copied {
    Layout layout;
    uint64_t pixels;

    Copied(uint32_t width, uint32_t height, uint32_t shift_px)
        : layout(width, height, 512, 512), pixels(uint64_t{width} * height) {
        layout.bytes(4).group(1, 512, 512).plane(1);
        if (shift_px > 0) {
            layout.groups[0].x = stf_axis_shifted(&layout.groups[0].x, shift_px);
            layout.groups[0].y = stf_axis_shifted(&layout.groups[0].y, shift_px);
        }
    }

    stf_plan plan(uint64_t cap_bytes, uint32_t threads, bool overviews = true) const {
        const stf_geometry geometry = layout.geometry();
        stf_overview_shape shape{};
        stf_overview_begin(&shape, &geometry, 512, 2);
        fakes::halve(&shape, 512, -1);
        stf_demand demand{};
        demand.geometry = &geometry;
        demand.cap_bytes = cap_bytes;
        demand.threads = threads;
        demand.parallel_read = demand.readers_roam = true;
        demand.unit_bytes = 1048576;
        demand.reader_bytes = 607088;
        demand.slot_bytes = 1048667;
        demand.encoder_bytes = 690176;
        demand.table_bytes = 3696604;
        demand.source_blocks = stf_geometry_units(&geometry);
        demand.overview = overviews ? &shape : nullptr;
        demand.overview_slot_bytes = 1048667;
        demand.overview_encoder_bytes = 2717760;
        demand.overview_spilling_bytes = 1048704;
        stf_plan plan{};
        stf_error err{};
        EXPECT_TRUE(stf_plan_make(&demand, &plan, &err)) << err.text;
        return plan;
    }
};

uint64_t open_tiles(const Copied &copied, const stf_plan &plan) {
    const stf_geometry geometry = copied.layout.geometry();
    std::vector<uint32_t> remaining(stf_geometry_tiles(&geometry));
    return stf_geometry_open_tiles(&geometry, plan.stripe_columns, UINT32_MAX, remaining.data()).open;
}

// Two encoders at work, and room for what two readers bring meanwhile.
bool has_room(const Copied &copied, const stf_plan &plan) {
    return plan.encoders == 2 && plan.readers == 2 && plan.unit_buffers >= 3 &&
           plan.slots >= open_tiles(copied, plan) + plan.reserved_slots + 2;
}

std::vector<uint64_t> caps() {
    std::vector<uint64_t> all;
    for (uint64_t cap = 16 * MiB; cap <= 120 * MiB; cap += 2 * MiB)
        all.push_back(cap);
    all.push_back(256 * MiB);
    return all;
}

TEST(WayOfCog, stripes_without_seams_leave_room_for_two_readers) {
    const Copied copied(20000, 6144, 0);
    uint64_t first = 0;
    for (uint64_t cap : caps()) {
        const stf_plan plan = copied.plan(cap, 2);
        if (first == 0 && plan.spill_bytes == 0 && has_room(copied, plan))
            first = cap;
        EXPECT_TRUE(first == 0 || (plan.spill_bytes == 0 && has_room(copied, plan))) << cap / MiB << " MB";
    }
    EXPECT_GT(first, 0u);
    EXPECT_LE(first, 48 * MiB) << "narrower stripes had room for them";
}

TEST(WayOfCog, stripes_with_few_seams_do_so_too) {
    const Copied copied(20000, 6144, 1);
    uint64_t first = 0;
    for (uint64_t cap : caps()) {
        const stf_plan plan = copied.plan(cap, 2);
        if (first == 0 && has_room(copied, plan))
            first = cap;
        EXPECT_TRUE(first == 0 || plan.spill_bytes == 0 || has_room(copied, plan)) << cap / MiB << " MB";
    }
    EXPECT_GT(first, 0u);
    EXPECT_LE(first, 64 * MiB);
}

TEST(WayOfCog, room_costs_an_eighth_of_the_raster_at_most_and_nothing_where_nothing_is_spilled) {
    for (const Copied &copied : {Copied(20000, 6144, 0), Copied(20000, 6144, 1), Copied(1300, 900, 1)}) {
        uint64_t least = UINT64_MAX;
        int seams = 0;
        for (uint64_t cap : caps()) {
            const stf_plan plan = copied.plan(cap, 2);
            if (plan.encoders < 2)
                continue;
            const uint64_t most = least == 0 ? 0 : std::max(least, copied.pixels / 8 * 4);
            EXPECT_LE(plan.spill_bytes, most) << copied.layout << " at " << cap / MiB << " MB";
            seams += plan.spill_bytes > 0 && plan.sweep == STF_SWEEP_STRIPES ? 1 : 0;
            least = std::min(least, plan.spill_bytes);
        }
        EXPECT_EQ(least, 0u) << copied.layout;
        EXPECT_EQ(seams > 0, copied.layout.width_px > 1300) << copied.layout;
    }
}

TEST(WayOfCog, a_small_raster_at_its_floor_is_copied_in_bands) {
    const Copied copied(1300, 900, 1);
    const uint64_t floor = copied.plan(1, 2).floor_bytes;
    for (uint64_t cap = floor; cap < 4 * floor; cap += floor / 16)
        EXPECT_NE(copied.plan(cap, 2).sweep, STF_SWEEP_STRIPES) << cap;
}

TEST(WayOfCog, nothing_is_spilled_where_two_encoders_have_room_in_bands) {
    for (const Copied &copied : {Copied(20000, 6144, 0), Copied(20000, 6144, 1), Copied(1300, 900, 1)}) {
        const stf_plan alone = copied.plan(256 * MiB, 1); // the least crew, of one
        ASSERT_EQ(alone.sweep, STF_SWEEP_BANDS);
        ASSERT_EQ(alone.spill_bytes, 0u);
        const uint64_t slot = alone.slots > 1 ? 0 : 1048667;
        const stf_plan two = copied.plan(alone.predicted_peak_bytes + 690176 + 2717760 + slot, 2);
        EXPECT_EQ(two.encoders, 2u) << copied.layout;
        EXPECT_EQ(two.spill_bytes, 0u) << copied.layout;
    }
}

// Slopes and the like, whose units are a pixel out of step with the tiles: beside the open tiles there is a slot for a tile
// that is being encoded while the next is filled, from where it costs less than a quarter of the raster.
TEST(WayOfPlainCopies, stripes_with_seams_leave_a_slot_for_the_second_encoder) {
    const Copied copied(20000, 6144, 1);
    int seams = 0;
    for (uint64_t cap = 16 * MiB; cap <= 60 * MiB; cap += MiB) {
        const stf_plan plan = copied.plan(cap, 2, false);
        EXPECT_LE(plan.spill_bytes, copied.pixels / 4 * 4) << cap / MiB << " MB";
        if (plan.sweep != STF_SWEEP_STRIPES)
            continue;
        seams++;
        EXPECT_EQ(plan.encoders, 2u) << cap / MiB << " MB";
        EXPECT_GE(plan.slots, open_tiles(copied, plan) + plan.reserved_slots + 1) << cap / MiB << " MB";
        EXPECT_EQ(copied.plan(cap, 1, false).stripe_columns, plan.stripe_columns) << cap / MiB << " MB";
    }
    EXPECT_GT(seams, 20);
}

TEST(WayOfCog, order_does_not_depend_on_the_threads) {
    for (uint32_t shift_px : {0u, 1u}) {
        const Copied copied(20000, 6144, shift_px);
        for (uint64_t cap = 16 * MiB; cap <= 112 * MiB; cap += 12 * MiB) {
            const stf_plan two = copied.plan(cap, 2);
            for (uint32_t threads : {1u, 8u}) {
                const stf_plan plan = copied.plan(cap, threads);
                EXPECT_EQ(plan.sweep, two.sweep) << cap / MiB << " MB, " << threads << " threads";
                EXPECT_EQ(plan.stripe_columns, two.stripe_columns) << cap / MiB << " MB, " << threads << " threads";
                EXPECT_EQ(plan.spill_bytes, two.spill_bytes) << cap / MiB << " MB, " << threads << " threads";
            }
        }
    }
}

} // namespace
