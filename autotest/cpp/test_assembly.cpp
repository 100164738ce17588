// Open tiles by themselves: their homes, the moves between layouts, constants, padding.
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "assembly.h"
#include "cpl_conv.h"
#include "fakes.h"
#include "gtest/gtest.h"

namespace {

using fakes::Bytes;
using fakes::ConstantRule;
using fakes::Layout;
using fakes::Picture;

// Everything that an assembly needs, with slots for a few tiles.
class Bench {
  public:
    Bench(const Layout &of, const stf_plan &how, const ConstantRule &constants = fakes::no_constants)
        : layout(of), geometry(layout.geometry()), plan(how), rule(constants), picture(layout, rule),
          format(fakes::plain_format(layout, true)), unit_buffer(Picture::unit_bytes(layout)) {
        budget = stf_budget_create(uint64_t{1} << 30);
        slots = stf_pool_create(budget, stf_encoder_tile_bytes(&format), plan.slots, "tiles", &err);
        if (plan.regions > 0) {
            const std::string target = CPLGenerateTempFilename("assembly");
            CPLPushErrorHandler(CPLQuietErrorHandler); // a temporary folder on a tmpfs
            spill = stf_spill_create(target.c_str(), stf_encoder_tile_bytes(&format), plan.regions, &err);
            CPLPopErrorHandler();
        }
        assembly = stf_assembly_create(&geometry, &plan, slots, spill, &err);
    }
    Bench(const Bench &) = delete;
    void tell_constants() { plan.constants = {of_unit, this}; }
    ~Bench() {
        stf_assembly_destroy(assembly);
        stf_spill_destroy(spill);
        stf_pool_destroy(slots);
        stf_budget_destroy(budget);
    }

    // Fills all units in; each tile that becomes complete is compared and given back. False: no room, nobody to wait for.
    void copy() {
        ASSERT_NE(assembly, nullptr) << err.text;
        stf_walk walk;
        stf_unit unit;
        uint64_t complete = 0;
        for (stf_walk_begin(&walk, &geometry, plan.stripe_columns); stf_walk_next(&walk, &unit);) {
            stf_unit_pixels pixels;
            picture.deliver(unit, rule, unit_buffer.data(), &pixels);
            stf_touch touch;
            uint64_t tile;
            for (stf_touch_begin(&touch, &geometry, &unit); stf_touch_next(&touch, &tile);) {
                ASSERT_TRUE(stf_assembly_has_room(assembly, tile, &pixels)) << "tile " << tile;
                ASSERT_TRUE(stf_assembly_open(assembly, tile, &pixels, &err)) << err.text;
                ASSERT_TRUE(stf_assembly_fill(assembly, tile, &unit, &pixels, &err)) << err.text;
                const bool last = stf_assembly_is_last(assembly, tile);
                ASSERT_EQ(stf_assembly_filled(assembly, tile), last);
                if (last) {
                    ASSERT_NO_FATAL_FAILURE(take(tile));
                    complete++;
                }
            }
        }
        EXPECT_EQ(complete, stf_geometry_tiles(&geometry));
        EXPECT_EQ(stf_pool_free_items(slots), plan.slots) << "slots that nobody gave back";
        if (spill) {
            EXPECT_EQ(stf_spill_free_regions(spill), plan.regions) << "regions that nobody gave back";
        }
    }

    Layout layout;
    stf_geometry geometry;
    stf_plan plan;
    ConstantRule rule;
    Picture picture;
    stf_tile_format format;
    Bytes unit_buffer;
    stf_error err{};
    stf_budget *budget = nullptr;
    stf_pool *slots = nullptr;
    stf_spill *spill = nullptr;
    stf_assembly *assembly = nullptr;
    uint64_t without_slot = 0; // complete tiles that were a constant, or lay in the spill

  private:
    static bool of_unit(void *context, const stf_unit *unit, unsigned char *value) {
        const int number = static_cast<Bench *>(context)->rule(*unit);
        if (number >= 0)
            fakes::constant_value(number, value);
        return number >= 0;
    }

    void take(uint64_t tile) {
        uint32_t slot = stf_assembly_slot(assembly, tile);
        if (slot == STF_NO_SLOT) {
            without_slot++;
            ASSERT_GT(stf_pool_free_items(slots), 0u);
            ASSERT_TRUE(stf_pool_take(slots, &slot, &err));
        }
        for (const bool pad_rows : {true, false}) {
            uint32_t rows = 0;
            ASSERT_TRUE(stf_assembly_finish(assembly, tile, slot, pad_rows, &rows, &err)) << err.text;
            stf_tile_format as = format;
            as.tiled = pad_rows;
            const Bytes expected = picture.tile(tile, as);
            ASSERT_EQ(rows * stf_encoder_tile_bytes(&format) / format.height_px, expected.size());
            ASSERT_EQ(memcmp(stf_pool_item(slots, slot), expected.data(), expected.size()), 0) << "tile " << tile;
        }
        stf_assembly_leave(assembly, tile);
        memset(stf_pool_item(slots, slot), 0xEE, stf_encoder_tile_bytes(&format)); // nothing may rely on it
        stf_pool_give(slots, slot);
    }
};

stf_plan in_memory(uint32_t slots, uint32_t reserved = 0) {
    stf_plan plan{};
    plan.stripe_columns = 1000;
    plan.slots = slots;
    plan.reserved_slots = reserved;
    return plan;
}

stf_plan in_spill(uint64_t regions) {
    stf_plan plan = in_memory(1, 1);
    plan.spill_all = true;
    plan.regions = regions;
    return plan;
}

TEST(Assembly, sample_sizes_and_interleaves) {
    for (uint32_t bytes : {1u, 2u, 4u, 8u, 16u})
        for (bool together : {true, false})
            for (bool spilled : {false, true}) {
                Layout layout(37, 29, 16, 8);
                layout.bytes(bytes).group(3, 10, 7);
                if (together)
                    layout.pixel_interleaved();
                else
                    layout.band_interleaved();
                SCOPED_TRACE(testing::Message() << layout << (spilled ? ", spilled" : ""));
                Bench bench(layout, spilled ? in_spill(100) : in_memory(100));
                ASSERT_NO_FATAL_FAILURE(bench.copy());
                EXPECT_EQ(bench.without_slot, spilled ? stf_geometry_tiles(&bench.geometry) : 0);
            }
}

TEST(Assembly, bands_of_a_pixel_from_different_grids) {
    for (bool spilled : {false, true}) {
        Layout layout(50, 40, 16, 16);
        layout.bytes(2).group(1, 50, 1).group(2, 13, 17, -5, -4).pixel_interleaved();
        ASSERT_NO_FATAL_FAILURE(Bench(layout, spilled ? in_spill(100) : in_memory(100)).copy());
    }
}

TEST(Assembly, rasters_smaller_than_a_tile) {
    // A tile keeps its full size, however small the raster: what the encoder gets is padded to it.
    for (uint32_t size : {1u, 2u, 7u, 15u, 16u, 17u, 63u, 64u})
        for (bool spilled : {false, true}) {
            Layout layout(size, size, 64, 64);
            layout.bytes(4).group(2, size, 1).pixel_interleaved();
            SCOPED_TRACE(size);
            ASSERT_NO_FATAL_FAILURE(Bench(layout, spilled ? in_spill(4) : in_memory(4)).copy());
        }
}

TEST(Assembly, only_seam_tiles_go_to_the_spill) {
    // Stripes of two units of 10: seams at 20 and 40, in tiles 1 (16..31) and 2 (32..47).
    Layout layout(60, 33, 16, 16);
    layout.bytes(2).group(1, 10, 10).plane(1);
    stf_plan plan = in_memory(8, 1);
    plan.stripe_columns = 2;
    plan.regions = 2 * 3;
    Bench bench(layout, plan);
    ASSERT_NO_FATAL_FAILURE(bench.copy());
    EXPECT_EQ(bench.without_slot, 6u);
    EXPECT_EQ(stf_spill_bytes_written(bench.spill), 2u * 2 * 16 * 33);
}

TEST(Assembly, random_geometries) {
    std::mt19937 random(21);
    for (int i = 0; i < 400; i++) {
        Layout layout = fakes::random_layout(random, 40);
        layout.bytes(1u << (random() % 5));
        SCOPED_TRACE(testing::Message() << layout);
        // A slot holds the largest plane; here all are alike, as in a TIFF.
        layout.planes.clear();
        if (random() % 2 == 0)
            layout.pixel_interleaved();
        else
            layout.band_interleaved();
        const ConstantRule rule = [](const stf_unit &unit) {
            return (unit.column + unit.row) % 3 == 0 ? static_cast<int>(unit.row % 5) : -1;
        };
        const bool constants = random() % 2 == 0;
        Bench bench(layout, i % 2 == 0 ? in_spill(20000) : in_memory(20000, 1), constants ? rule : fakes::no_constants);
        ASSERT_NO_FATAL_FAILURE(bench.copy());
    }
}

// --- constants ----------------------------------------------------------------------------------------

Layout constant_layout() {
    Layout layout(64, 64, 16, 16);
    return layout.bytes(4).group(2, 8, 8).pixel_interleaved();
}

TEST(Constants, take_no_slot_until_they_are_encoded) {
    for (bool spilled : {false, true}) {
        Bench bench(constant_layout(), spilled ? in_spill(1) : in_memory(1, 1), [](const stf_unit &) { return 3; });
        bench.tell_constants();
        ASSERT_NO_FATAL_FAILURE(bench.copy());
        EXPECT_EQ(bench.without_slot, 16u);
        if (spilled) {
            EXPECT_EQ(stf_spill_bytes_written(bench.spill), 0u);
        }
    }
}

TEST(Constants, never_lie_in_the_spill_where_they_are_known) {
    // Tiles of 2 x 2 units: 4 known to be one value, 4 of two values, 4 partly pixels, 4 of pixels.
    Bench bench(constant_layout(), in_spill(4), [](const stf_unit &unit) {
        const uint32_t column = unit.column / 2;
        const bool first = unit.column % 2 == 0 && unit.row % 2 == 0;
        return column == 0 ? 3 : column == 1 ? (first ? 3 : 4) : column == 2 && first ? 3 : -1;
    });
    bench.tell_constants();
    ASSERT_NO_FATAL_FAILURE(bench.copy());
    EXPECT_EQ(stf_spill_bytes_written(bench.spill), 12u * 16 * 16 * 4 * 2)
        << "every pixel once, and none of a constant";
}

TEST(Constants, are_pixels_in_the_spill_where_nobody_knew) {
    Bench bench(constant_layout(), in_spill(4), [](const stf_unit &unit) { return unit.row < 3 ? 3 : -1; });
    ASSERT_NO_FATAL_FAILURE(bench.copy());
    EXPECT_EQ(stf_spill_bytes_written(bench.spill), 64u * 64 * 4 * 2) << "every pixel once";
}

TEST(Constants, that_turn_out_to_be_pixels) {
    Bench bench(constant_layout(), in_spill(1), [](const stf_unit &) { return 3; });
    bench.tell_constants();
    stf_unit_pixels pixels{};
    pixels.constant = true;
    fakes::constant_value(3, pixels.value);
    ASSERT_TRUE(stf_assembly_has_room(bench.assembly, 0, &pixels));
    ASSERT_TRUE(stf_assembly_open(bench.assembly, 0, &pixels, &bench.err));
    pixels = {};
    ASSERT_TRUE(stf_assembly_has_room(bench.assembly, 0, &pixels));
    EXPECT_FALSE(stf_assembly_open(bench.assembly, 0, &pixels, &bench.err));
    EXPECT_NE(std::string(bench.err.text).find("has changed meanwhile"), std::string::npos) << bench.err.text;
}

TEST(Constants, followed_by_other_pixels) {
    // The last unit of a tile, the first, or one in the middle is not constant, or is another constant.
    for (bool spilled : {false, true})
        for (uint32_t odd_x : {0u, 1u})
            for (uint32_t odd_y : {0u, 1u})
                for (int other : {-1, 7}) {
                    Bench bench(constant_layout(), spilled ? in_spill(4) : in_memory(4, 1), [=](const stf_unit &unit) {
                        return unit.column % 2 == odd_x && unit.row % 2 == odd_y ? other : 3;
                    });
                    SCOPED_TRACE(testing::Message() << odd_x << odd_y << other << (spilled ? " spilled" : ""));
                    ASSERT_NO_FATAL_FAILURE(bench.copy());
                }
}

TEST(Constants, more_values_than_are_kept) {
    // 256 different values: those that find no place in the table are pixels like any other.
    for (bool spilled : {false, true}) {
        Layout layout(128, 128, 16, 16);
        layout.bytes(2).group(1, 8, 8).plane(1);
        const auto one_a_unit = [](const stf_unit &unit) { return static_cast<int>(unit.number); };
        ASSERT_NO_FATAL_FAILURE(Bench(layout, spilled ? in_spill(4) : in_memory(4, 1), one_a_unit).copy());
        const auto one_a_tile = [](const stf_unit &unit) {
            return static_cast<int>(unit.row / 2 * 8 + unit.column / 2) * 3 % 251;
        };
        Layout wide(256, 256, 16, 16);
        wide.bytes(1).group(1, 8, 8).plane(1);
        Bench bench(wide, spilled ? in_spill(4) : in_memory(4, 1), one_a_tile);
        ASSERT_NO_FATAL_FAILURE(bench.copy());
        EXPECT_GE(bench.without_slot, 64u);
    }
}

TEST(Constants, leave_the_reserved_slot_alone) {
    // The open tiles may take all slots but the reserved one: else a constant could never be encoded.
    Layout layout(64, 16, 16, 16);
    layout.bytes(1).group(1, 64, 1).plane(1);
    Bench bench(layout, in_memory(3, 1));
    stf_unit_pixels pixels{};
    Bytes row(64);
    pixels.pixels = row.data();
    pixels.row_bytes = 64;
    for (uint64_t tile = 0; tile < 4; tile++) {
        EXPECT_EQ(stf_assembly_has_room(bench.assembly, tile, &pixels), tile < 2) << tile;
        if (tile < 2) {
            ASSERT_TRUE(stf_assembly_open(bench.assembly, tile, &pixels, &bench.err));
        }
    }
    pixels.constant = true;
    EXPECT_TRUE(stf_assembly_has_room(bench.assembly, 2, &pixels)) << "a constant needs no slot";
    EXPECT_TRUE(stf_assembly_has_room(bench.assembly, 0, &pixels)) << "an open tile has its slot";
}

TEST(Assembly, cost_counts_every_tile) {
    const Layout layout = constant_layout();
    const stf_geometry geometry = layout.geometry();
    EXPECT_GE(stf_assembly_cost_bytes(&geometry), 16u * 8);
    EXPECT_LT(stf_assembly_cost_bytes(&geometry), 16u * 8 + 4096);
    stf_assembly_destroy(nullptr);
}

} // namespace
