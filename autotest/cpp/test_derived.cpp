// What an operator makes of a source, through plan and pipeline, against brute force on small rasters: every pixel once and
// right, every block decoded once, whatever the halo, the grids, the cap and the threads; and a clean end where a read fails.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpl_vsi.h"
#include "fakes.h"
#include "gtest/gtest.h"
#include "operator.h"
#include "source.h"

namespace {

using fakes::Bytes;
using fakes::Copy;
using fakes::Layout;
using fakes::Picture;

// Sums up the pixels within the halo, each with a weight of its own place, and counts them at the raster's edges.
class Sum {
  public:
    Sum(const Layout &source, uint32_t halo, uint32_t pad, uint32_t bands, uint32_t sample_bytes, uint32_t most_rows)
        : width_px(source.width_px), height_px(source.height_px) {
        terms.context = this;
        terms.halo_px = halo;
        terms.pad_px = pad;
        terms.source_bytes = source.sample_bytes;
        terms.bands = bands;
        terms.sample_bytes = sample_bytes;
        terms.most_rows = most_rows;
        terms.table_bytes = 100;
        terms.run = run;
        terms.run_bytes = [](void *, uint32_t width, uint32_t rows) -> uint64_t { return uint64_t{width} * rows; };
    }

    stf_operator terms{};

    // at: the sample of the source at a place.
    template <class At>
    uint64_t value(uint32_t band, uint32_t x, uint32_t y, const At &at) const {
        const int64_t halo = terms.halo_px;
        uint64_t sum = band + 1;
        for (int64_t dy = -halo; dy <= halo; dy++)
            for (int64_t dx = -halo; dx <= halo; dx++) {
                const int64_t column = x + dx, row = y + dy;
                const bool inside = column >= 0 && row >= 0 && column < width_px && row < height_px;
                const uint64_t weight = static_cast<uint64_t>(3 + dx + 31 * dy + 1000 * (band + 1));
                sum = sum * 5 + (inside ? weight * at(static_cast<uint32_t>(column), static_cast<uint32_t>(row)) : 7);
            }
        return sum;
    }

    static uint64_t sample(const unsigned char *from, uint32_t bytes) {
        uint64_t value = 0;
        memcpy(&value, from, bytes);
        return value;
    }

  private:
    static bool run(void *context, const stf_operand *source, const stf_operator_result *result, stf_error *) {
        const Sum &sum = *static_cast<Sum *>(context);
        const stf_operator &terms = sum.terms;
        const stf_window &from = source->window, &to = result->window;
        const auto at = [&](uint32_t x, uint32_t y) {
            EXPECT_TRUE(x >= from.x && x < from.x + from.width && y >= from.y && y < from.y + from.height);
            return sample(source->pixels + (y - from.y) * source->row_bytes + (x - from.x) * terms.source_bytes,
                          terms.source_bytes);
        };
        // The padding of the rows it works on is the operator's to spoil.
        const uint32_t top = to.y > from.y + terms.halo_px ? to.y - terms.halo_px : from.y;
        for (uint32_t y = top; y < std::min(to.y + to.height + terms.halo_px, from.y + from.height); y++) {
            unsigned char *row = source->pixels + (y - from.y) * source->row_bytes;
            memset(row - terms.pad_px * terms.source_bytes, 0xAA, terms.pad_px * terms.source_bytes);
            memset(row + from.width * terms.source_bytes, 0xAA, terms.pad_px * terms.source_bytes);
        }
        std::vector<uint64_t> made;
        for (uint32_t y = to.y; y < to.y + to.height; y++)
            for (uint32_t band = 0; band < terms.bands; band++)
                for (uint32_t x = to.x; x < to.x + to.width; x++)
                    made.push_back(sum.value(band, x, y, at));
        size_t next = 0;
        for (uint32_t y = 0; y < to.height; y++)
            for (uint32_t band = 0; band < terms.bands; band++)
                for (uint32_t x = 0; x < to.width; x++)
                    memcpy(result->pixels + y * result->row_bytes + band * result->band_bytes + x * terms.sample_bytes,
                           &made[next++], terms.sample_bytes);
        return true;
    }

    const uint32_t width_px, height_px;
};

// The picture as a source of one group, which looks over the shoulder of who reads it.
class Inner {
  public:
    explicit Inner(const Layout &of) : picture(of), reads(of.groups[0].x.cells * of.groups[0].y.cells) {}

    stf_source *make() {
        stf_source *source = static_cast<stf_source *>(VSICalloc(1, sizeof(stf_source)));
        source->info.groups = static_cast<stf_group *>(VSICalloc(1, sizeof(stf_group)));
        source->info.groups[0] = picture.layout.groups[0];
        source->info.group_count = 1;
        source->info.decodes_are_counted = true;
        source->info.parallel_read = true;
        source->info.unit_bytes = Picture::unit_bytes(picture.layout);
        source->info.reader_bytes = 200;
        source->info.source_blocks = reads.size();
        source->state = this;
        source->read = read;
        return source;
    }

    const Picture picture;
    std::vector<std::atomic<int>> reads;
    uint64_t bad_read = fakes::Never; // the number of a unit
    bool stalls = false;

  private:
    static bool read(stf_source *source, uint32_t, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                     stf_error *err) {
        Inner &inner = *static_cast<Inner *>(source->state);
        const stf_group &group = inner.picture.layout.groups[0];
        EXPECT_EQ(inner.reads[unit->row * group.x.cells + unit->column]++, 0) << "decoded twice";
        EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % 8, 0u);
        if (inner.stalls && unit->number * 2654435761u % 7 < 3)
            fakes::stall(static_cast<uint32_t>(unit->number * 2654435761u % 400));
        if (unit->number == inner.bad_read)
            return stf_fail(err, CPLE_FileIO, "unit %d is broken", static_cast<int>(unit->number));
        memset(buffer, 0xEE, static_cast<size_t>(source->info.unit_bytes));
        inner.picture.deliver(*unit, fakes::no_constants, static_cast<unsigned char *>(buffer), pixels);
        stf_source_count_blocks(source, 1);
        return true;
    }
};

// One raster, what is made of it, and the copy of that.
class Derived {
  public:
    Derived(const Layout &from, uint32_t band, const Sum &of, double tile_width, double tile_height)
        : inner(from), source(make_source(band, of)), layout(derived_layout(from, of, tile_width, tile_height)),
          copy(layout, tile_width < from.width_px) {
        copy.picture.paint(brute_force(from, band, of));
        copy.demand.parallel_read = source->info.parallel_read;
        copy.demand.unit_bytes = source->info.unit_bytes;
        copy.demand.reader_bytes = source->info.reader_bytes;
        copy.demand.table_bytes += source->info.kept_bytes;
        copy.demand.source_blocks = source->info.source_blocks;
        copy.demand.decodes_before = source->info.decodes_before;
        copy.deliver = [this](uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                              stf_error *err) {
            return stf_source_read_unit(source, reader, unit, buffer, pixels, err);
        };
    }
    Derived(const Derived &) = delete;
    ~Derived() { stf_source_destroy(source); }

    void run() {
        stf_error none{};
        ASSERT_NO_FATAL_FAILURE(copy.make_plan());
        ASSERT_TRUE(source->open_readers(source, copy.plan.readers, &none)) << none.text;
        ASSERT_NO_FATAL_FAILURE(copy.run());
    }

    void expect_complete() {
        ASSERT_NO_FATAL_FAILURE(copy.expect_complete());
        EXPECT_EQ(stf_source_blocks_decoded(source), copy.plan.decodes);
        EXPECT_EQ(copy.spill_bytes, copy.plan.spill_bytes);
        for (const std::atomic<int> &count : inner.reads)
            EXPECT_EQ(count, 1) << "a block that was not decoded once";
    }

  private:
    stf_source *make_source(uint32_t band, const Sum &of) {
        stf_error err{};
        stf_source *made = stf_source_derive(inner.make(), band, &of.terms, 0, &err);
        EXPECT_NE(made, nullptr) << err.text;
        return made;
    }

    Layout derived_layout(const Layout &from, const Sum &of, double tile_width, double tile_height) const {
        Layout made(from.width_px, from.height_px, tile_width, tile_height);
        made.bytes(of.terms.sample_bytes);
        made.groups.push_back(source->info.groups[0]);
        return made.pixel_interleaved();
    }

    Bytes brute_force(const Layout &from, uint32_t band, const Sum &of) const {
        Bytes all;
        const auto at = [&](uint32_t x, uint32_t y) {
            return Sum::sample(inner.picture.at(band, x, y), from.sample_bytes);
        };
        for (uint32_t b = 0; b < of.terms.bands; b++)
            for (uint32_t y = 0; y < from.height_px; y++)
                for (uint32_t x = 0; x < from.width_px; x++) {
                    const uint64_t value = of.value(b, x, y, at);
                    const unsigned char *bytes = reinterpret_cast<const unsigned char *>(&value);
                    all.insert(all.end(), bytes, bytes + of.terms.sample_bytes);
                }
        return all;
    }

  public:
    Inner inner;
    stf_source *source;
    const Layout layout;
    Copy copy;
};

struct Case {
    Layout from;
    Sum sum;
    uint32_t band;
    double tile_width, tile_height;
};

Case random_case(std::mt19937 &random) {
    const auto upto = [&random](uint32_t most) { return 1 + static_cast<uint32_t>(random() % most); };
    Layout from(upto(40), upto(40), 1, 1);
    const uint32_t bands = random() % 3 == 0 ? upto(3) : 1;
    from.bytes(1u << random() % 4);
    from.group(bands, upto(16) + (random() % 4 == 0 ? 0.25 * upto(3) : 0), upto(16),
               random() % 3 == 0 ? -0.5 * upto(9) : 0, random() % 3 == 0 ? -0.5 * upto(9) : 0);
    const bool strips = random() % 3 == 0;
    const double tile_width = strips ? from.width_px : upto(24), tile_height = upto(24);
    Sum sum(from, static_cast<uint32_t>(random() % 4), static_cast<uint32_t>(random() % 2 * 8), upto(3),
            1u << random() % 4, random() % 2 == 0 ? 0 : upto(5));
    return {from, sum, static_cast<uint32_t>(random() % bands), tile_width, tile_height};
}

TEST(Derived, every_pixel_once_for_any_grid_halo_cap_and_threads) {
    std::mt19937 random(20);
    int striped = 0, spilled = 0;
    for (int round = 0; round < 80; round++) {
        Case c = random_case(random);
        c.sum.terms.context = &c.sum; // it has moved here
        SCOPED_TRACE(testing::Message() << "round " << round << ": " << c.from << ", halo " << c.sum.terms.halo_px);
        uint64_t floor = 0;
        for (const uint64_t part : {0, 15, 40, 150, 10000})
            for (const uint32_t threads : {1u, 2u, 8u}) {
                Derived derived(c.from, c.band, c.sum, c.tile_width, c.tile_height);
                derived.copy.demand.cap_bytes = floor + floor * part / 100;
                derived.copy.demand.threads = threads;
                derived.copy.demand.parallel_read = round % 4 != 0;
                derived.inner.stalls = round % 5 == 0;
                ASSERT_NO_FATAL_FAILURE(derived.run());
                ASSERT_NO_FATAL_FAILURE(derived.expect_complete()) << threads << " threads";
                floor = derived.copy.plan.floor_bytes;
                striped += derived.copy.plan.stripes > 1;
                spilled += derived.copy.plan.spill_all;
                if (HasFailure())
                    return;
            }
    }
    EXPECT_GT(striped, 10);
    EXPECT_GT(spilled, 50);
}

TEST(Derived, account_has_what_operator_and_inner_source_take) {
    for (const uint32_t halo : {0u, 1u, 3u}) {
        Layout from(40, 37, 1, 1);
        from.bytes(2).group(1, 7, 5);
        Sum sum(from, halo, 0, 1, 4, 3);
        Derived derived(from, 0, sum, 16, 16);
        const stf_source_info &info = derived.source->info;
        // Windows as wide as a block and what is kept beside it, three rows at a time; the inner reader takes 200 bytes.
        EXPECT_EQ(info.reader_bytes, 200 + (7 + 2 * halo) * 3);
        // The table of the operator, 2 * halo rows of the width and columns of the height, and a counter for each column.
        EXPECT_GE(info.kept_bytes, 100 + 2 * halo * (40 + 37) * 2 + 4 * info.groups[0].x.cells);
    }
}

TEST(Derived, a_failing_read_ends_all_that_wait_for_it) {
    std::mt19937 random(7);
    for (int round = 0; round < 60; round++) {
        Layout from(40, 37, 1, 1);
        from.bytes(2).group(1, 7, 5);
        Sum sum(from, 1 + static_cast<uint32_t>(random() % 3), 0, 1, 4, 0);
        Derived derived(from, 0, sum, 16, 16);
        derived.copy.demand.cap_bytes = 1 << 20;
        derived.copy.demand.threads = 8;
        derived.inner.stalls = round % 2 == 0;
        derived.inner.bad_read = random() % derived.inner.reads.size();
        ASSERT_NO_FATAL_FAILURE(derived.run());
        EXPECT_FALSE(derived.copy.done);
        EXPECT_EQ(derived.copy.err.text, "unit " + std::to_string(derived.inner.bad_read) + " is broken");
    }
}

TEST(Derived, a_cancelled_copy_ends) {
    Layout from(40, 37, 1, 1);
    from.bytes(2).group(1, 7, 5);
    Sum sum(from, 1, 0, 1, 4, 0);
    for (uint64_t at = 0; at < 6; at++) {
        Derived derived(from, 0, sum, 16, 16);
        derived.copy.demand.cap_bytes = 1 << 20;
        derived.copy.demand.threads = 4;
        derived.copy.cancel_at = at;
        ASSERT_NO_FATAL_FAILURE(derived.run());
        if (derived.copy.progress_calls > at) {
            EXPECT_FALSE(derived.copy.done);
        }
    }
}

TEST(ShiftedAxis, borders_lie_before_those_of_the_grid_and_no_cell_is_empty) {
    for (const double step : {1.0, 1.5, 2.0, 3.25, 8.0, 50.0})
        for (const double origin : {0.0, -0.5, -1.0, -7.0})
            for (uint32_t size = 1; size <= 40; size++)
                for (uint32_t shift = 0; shift <= 4; shift++) {
                    const stf_axis axis = stf_axis_make(size, origin, step), moved = stf_axis_shifted(&axis, shift);
                    SCOPED_TRACE(testing::Message() << size << " px, step " << step << ", origin " << axis.origin_px
                                                    << ", shift " << shift);
                    ASSERT_EQ(moved.cells + moved.joined_cells, axis.cells);
                    uint32_t longest = 0;
                    for (uint32_t cell = 0; cell < moved.cells; cell++) {
                        const uint32_t start = stf_axis_start(&moved, cell), end = stf_axis_start(&moved, cell + 1);
                        ASSERT_LT(start, end);
                        ASSERT_EQ(start, cell == 0 ? 0 : stf_axis_start(&axis, cell + moved.joined_cells) - shift);
                        for (uint32_t px = start; px < end; px++)
                            ASSERT_EQ(stf_axis_cell(&moved, px), cell);
                        longest = std::max(longest, end - start);
                    }
                    ASSERT_EQ(stf_axis_start(&moved, moved.cells), size);
                    ASSERT_GE(stf_axis_longest(&moved), longest);
                    ASSERT_LE(stf_axis_longest(&moved), longest + 1 + static_cast<uint32_t>(step));
                }
}

} // namespace
