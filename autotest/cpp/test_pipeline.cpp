// The whole pipeline between a source and a sink that look over its shoulder: right pixels, right order, right thread,
// within the account, for any number of threads; and a clean end wherever it is stopped.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "fakes.h"
#include "gtest/gtest.h"
#include "pipeline.h"

namespace {

using fakes::ConstantRule;
using fakes::Copy;
using fakes::Layout;

// Caps that make the plan choose different ways for this copy: the least, the most, and what lies between.
std::map<std::string, uint64_t> caps_of(const Copy &copy) {
    std::map<std::string, uint64_t> caps;
    stf_demand demand = copy.demand;
    demand.threads = 2;
    uint64_t floor = 0;
    for (int i = 0; i <= 24; i++) {
        stf_plan plan{};
        stf_error err{};
        demand.cap_bytes = floor + floor * static_cast<uint64_t>(i * i) / 24;
        EXPECT_TRUE(stf_plan_make(&demand, &plan, &err)) << err.text;
        floor = plan.floor_bytes;
        const char *seams = plan.sweep == STF_SWEEP_STRIPES && plan.spill_bytes > 0 ? ", seams" : "";
        caps.emplace(std::string(stf_sweep_name(plan.sweep)) + (plan.stripes > 1 ? " striped" : "") + seams,
                     plan.cap_bytes);
    }
    return caps;
}

// --- equality -----------------------------------------------------------------------------------------

struct Units {
    double width, height, x, y;
};
struct Tiles {
    double width, height;
    bool tiled;
};
// Bands of each group; planes: one of all bands, or one for each.
struct Bands {
    std::vector<uint32_t> groups;
    bool together;
};

constexpr uint32_t Width = 61, Height = 47;
const Units units_tried[] = {{8, 8, 0, 0},    {16, 16, 0, 0},  {61, 1, 0, 0},     {61, 5, 0, 0},      {13, 47, 0, 0},
                             {200, 99, 0, 0}, {10, 7, -3, -5}, {2.5, 3.3, 0, -1}, {20, 20, -19, -19}, {3, 2, 0, 0}};
const Tiles tiles_tried[] = {{16, 16, true}, {8, 32, true},   {64, 64, true}, {300, 256, true},
                             {61, 1, false}, {61, 10, false}, {61, 47, false}};
const Bands bands_tried[] = {{{1}, true},       {{3}, true},        {{3}, false},
                             {{1, 1, 1}, true}, {{1, 1, 1}, false}, {{1, 2}, true}};

Layout make_layout(const Units &unit, const Tiles &tile, const Bands &bands, uint32_t bytes) {
    Layout layout(Width, Height, tile.width, tile.height);
    layout.bytes(bytes);
    for (size_t g = 0; g < bands.groups.size(); g++) {
        // The second of several groups has a grid of its own.
        if (g == 1)
            layout.group(bands.groups[g], unit.width + 3, unit.height + 2, unit.x, unit.y - 1);
        else
            layout.group(bands.groups[g], unit.width, unit.height, unit.x, unit.y);
    }
    return bands.together ? layout.pixel_interleaved() : layout.band_interleaved();
}

std::ptrdiff_t place_of(const std::vector<uint64_t> &order, uint64_t tile) {
    return std::find(order.begin(), order.end(), tile) - order.begin();
}

class Matrix : public testing::TestWithParam<int> {};

// Every two of a unit grid, a tile grid and an arrangement of bands (which is half of their combinations), in every way the
// cap can force, by 1, 2 and 8 threads; sample sizes and the kind of source go along in turn.
TEST_P(Matrix, same_pixels_and_order_for_any_cap_and_threads) {
    const Units &unit = units_tried[GetParam()];
    std::map<std::string, int> ways;
    unsigned turn = static_cast<unsigned>(GetParam());
    for (const Tiles &tile : tiles_tried)
        for (const Bands &bands : bands_tried) {
            if ((&tile - tiles_tried + (&bands - bands_tried) + GetParam()) % 2 != 0)
                continue;
            turn++;
            const Layout layout = make_layout(unit, tile, bands, 1u << (turn % 5));
            SCOPED_TRACE(testing::Message() << layout << (tile.tiled ? "" : " (strips)"));
            fakes::SharedBlocks shared;
            const auto adapt = [turn, &shared](Copy &copy) {
                copy.demand.parallel_read = turn % 3 != 0;
                copy.demand.readers_roam = turn % 2 == 0;
                copy.any_order = turn % 5 == 0;
                if (turn % 4 == 0) { // a source that needs more the wider it is read
                    shared.column_bytes = 200 + copy.demand.slot_bytes / 2;
                    copy.demand.shared = shared.curve();
                }
                copy.stalls = turn % 8 == 1;
            };
            Copy trial(layout, tile.tiled);
            adapt(trial);
            for (const auto &[way, cap] : caps_of(trial)) {
                SCOPED_TRACE(testing::Message() << way << ", cap " << cap);
                std::vector<uint64_t> order;
                for (uint32_t threads : {1u, 2u, 8u}) {
                    Copy copy(layout, tile.tiled);
                    adapt(copy);
                    copy.demand.cap_bytes = cap;
                    copy.demand.threads = threads;
                    ASSERT_NO_FATAL_FAILURE(copy.run());
                    ASSERT_NO_FATAL_FAILURE(copy.expect_complete()) << threads << " threads";
                    EXPECT_EQ(copy.spill_bytes, copy.plan.spill_bytes);
                    if (threads == 1) {
                        ASSERT_NO_FATAL_FAILURE(copy.expect_tight());
                        order = copy.order;
                    }
                    if (copy.any_order)
                        std::sort(copy.order.begin(), copy.order.end(),
                                  [&order](uint64_t a, uint64_t b) { return place_of(order, a) < place_of(order, b); });
                    ASSERT_EQ(copy.order, order) << threads << " threads write the tiles in another order";
                    if (HasFailure())
                        return;
                }
                ways[way]++;
            }
        }
    RecordProperty("ways", [&ways] {
        std::string text;
        for (const auto &[way, count] : ways)
            text += way + ": " + std::to_string(count) + "; ";
        return text;
    }());
    EXPECT_GT(ways["BANDS"], 0);
}

INSTANTIATE_TEST_SUITE_P(UnitGrids, Matrix, testing::Range(0, static_cast<int>(std::size(units_tried))));

TEST(Pipeline, the_matrix_meets_every_way) {
    std::map<std::string, int> ways;
    for (const Units &unit : units_tried)
        for (const Tiles &tile : tiles_tried) {
            Copy copy(make_layout(unit, tile, bands_tried[1], 1), tile.tiled);
            for (uint64_t lease : {uint64_t{0}, copy.demand.slot_bytes}) {
                fakes::SharedBlocks shared;
                shared.column_bytes = lease;
                copy.demand.shared = lease > 0 ? shared.curve() : stf_lease_curve{};
                for (const auto &[way, cap] : caps_of(copy))
                    ways[way]++;
            }
        }
    for (const char *way : {"BANDS", "STRIPES striped", "STRIPES striped, seams", "SPILL", "SPILL striped"})
        EXPECT_GT(ways[way], 2) << way;
}

// --- constants ----------------------------------------------------------------------------------------

TEST(Pipeline, constants_in_every_way) {
    const ConstantRule rules[] = {
        [](const stf_unit &) { return 9; },                                                 // the whole raster
        [](const stf_unit &unit) { return unit.row < 4 ? 0 : -1; },                         // then other pixels
        [](const stf_unit &unit) { return (unit.row + unit.column) % 2 == 0 ? 1 : -1; },    // in turn
        [](const stf_unit &unit) { return static_cast<int>(unit.row * 31 + unit.column); }, // more values than are kept
        [](const stf_unit &unit) { return unit.row % 3 == 0 ? -1 : static_cast<int>(unit.column / 3); },
    };
    for (const ConstantRule &rule : rules)
        for (const Units &unit : {Units{8, 8, 0, 0}, Units{61, 1, 0, 0}, Units{10, 7, -3, -5}}) {
            const Layout layout = make_layout(unit, {16, 16, true}, {{2}, true}, 2);
            Copy trial(layout, true, rule);
            trial.tell_constants();
            for (const auto &[way, cap] : caps_of(trial)) {
                std::vector<uint64_t> order;
                for (uint32_t threads : {1u, 2u, 8u}) {
                    const bool known = threads != 2; // to the plan; else they come as a surprise
                    SCOPED_TRACE(testing::Message() << layout << ", " << way << ", " << threads << " threads");
                    Copy copy(layout, true, rule);
                    copy.tell_constants();
                    if (!known)
                        copy.demand.constants = {};
                    copy.demand.cap_bytes = cap;
                    copy.demand.threads = threads;
                    copy.stalls = threads == 8;
                    ASSERT_NO_FATAL_FAILURE(copy.run());
                    ASSERT_NO_FATAL_FAILURE(copy.expect_complete());
                    ASSERT_EQ(copy.spill_bytes, copy.plan.spill_bytes);
                    order = threads == 1 ? copy.order : order;
                    ASSERT_EQ(copy.order, order);
                }
            }
        }
}

// --- nobody waits for what need not be waited for -------------------------------------------------------

// A sink that keeps whoever brings the first tile until the other thread has brought some more, and then that one until
// the first has.
class Keeper {
  public:
    explicit Keeper(Copy &copy) {
        copy.before_commit = [this](uint64_t) { came(); };
    }
    bool went_on() const { return kept == 2 && !waited_in_vain; }

  private:
    static constexpr int More = 6; // than there are buffers and slots

    void came() {
        std::unique_lock<std::mutex> lock(mutex);
        commits++;
        changed.notify_all();
        if (kept == 2 || commits < 1 + kept * More)
            return;
        kept++;
        const int until = 1 + kept * More;
        if (!changed.wait_for(lock, std::chrono::seconds(20), [&] { return commits >= until; }))
            waited_in_vain = true;
    }

    std::mutex mutex;
    std::condition_variable changed;
    int commits = 0, kept = 0;
    bool waited_in_vain = false;
};

// One reader, one buffer and two slots: whoever is free reads, and a tile that is on its way keeps no other's slot.
TEST(Pipeline, two_threads_go_on_without_each_other) {
    Copy copy(make_layout({16, 16, 0, 0}, {16, 8, true}, {{1}, true}, 2));
    copy.demand.threads = 2;
    copy.demand.readers_roam = true;
    copy.any_order = true;
    ASSERT_NO_FATAL_FAILURE(copy.make_plan());
    copy.demand.cap_bytes = copy.plan.floor_bytes;
    ASSERT_NO_FATAL_FAILURE(copy.make_plan());
    ASSERT_EQ(copy.plan.encoders, 2u);
    ASSERT_EQ(copy.plan.readers, 1u);
    ASSERT_LE(copy.plan.slots, 3u);
    Keeper keeper(copy);
    ASSERT_NO_FATAL_FAILURE(copy.run());
    ASSERT_NO_FATAL_FAILURE(copy.expect_complete());
    EXPECT_TRUE(keeper.went_on());
}

// --- stopping -----------------------------------------------------------------------------------------

// A copy with much going on at once: rows, several tiles open, the spill.
Layout busy_layout() {
    return make_layout({61, 1, 0, 0}, {16, 16, true}, {{2}, false}, 2);
}

std::unique_ptr<Copy> busy_copy(uint32_t threads, bool parallel_read, bool generous) {
    auto copy = std::make_unique<Copy>(busy_layout());
    copy->demand.threads = threads;
    copy->demand.parallel_read = parallel_read;
    copy->demand.cap_bytes = generous ? 1 << 20 : 0; // 0: the floor, which is the spill here
    return copy;
}

struct Kind {
    uint32_t threads;
    bool parallel_read, generous;
};

class Stopped : public testing::TestWithParam<Kind> {
  protected:
    std::unique_ptr<Copy> make() {
        return busy_copy(GetParam().threads, GetParam().parallel_read, GetParam().generous);
    }
};

TEST_P(Stopped, read_error_at_any_unit) {
    for (uint64_t unit = 0; unit < 47; unit += unit < 3 || unit > 43 ? 1 : 5) {
        std::unique_ptr<Copy> copy = make();
        copy->bad_read = unit;
        ASSERT_NO_FATAL_FAILURE(copy->run());
        EXPECT_FALSE(copy->done);
        EXPECT_EQ(copy->err.text, "unit " + std::to_string(unit) + " is broken");
        EXPECT_EQ(copy->err.number, CPLE_FileIO);
        EXPECT_LT(copy->order.size(), 24u);
    }
}

TEST_P(Stopped, commit_error_at_any_tile) {
    for (uint64_t tile = 0; tile < 24; tile++) {
        std::unique_ptr<Copy> copy = make();
        copy->bad_commit = tile;
        ASSERT_NO_FATAL_FAILURE(copy->run());
        EXPECT_FALSE(copy->done);
        EXPECT_NE(std::string(copy->err.text).find("does not fit on the disk"), std::string::npos) << copy->err.text;
        EXPECT_EQ(copy->order.size(), tile) << "nothing is committed after an error";
    }
}

TEST_P(Stopped, encoder_that_cannot_be_made) {
    std::unique_ptr<Copy> copy = make();
    copy->format.codec.compression = COMPRESSION_ADOBE_DEFLATE;
    copy->format.codec.predictor = 3; // of floating point, and these are integers
    copy->demand.slot_bytes = stf_encoder_bound_bytes(&copy->format);
    ASSERT_NO_FATAL_FAILURE(copy->run());
    EXPECT_FALSE(copy->done);
    EXPECT_NE(copy->err.number, CPLE_None);
    EXPECT_NE(copy->err.text[0], '\0');
    EXPECT_TRUE(copy->order.empty());
}

TEST_P(Stopped, encode_error_in_the_middle) {
    // Constant rows compress; the noise below them is larger compressed than the room it is given.
    Layout layout = busy_layout();
    Copy copy(layout, true, [](const stf_unit &unit) { return unit.row < 16 ? 5 : -1; });
    copy.demand.threads = GetParam().threads;
    copy.demand.parallel_read = GetParam().parallel_read;
    copy.demand.cap_bytes = GetParam().generous ? 1 << 20 : 0;
    copy.demand.may_be_constant = true;
    copy.format.codec.compression = COMPRESSION_ADOBE_DEFLATE;
    copy.demand.slot_bytes = stf_encoder_tile_bytes(&copy.format);
    ASSERT_NO_FATAL_FAILURE(copy.run());
    EXPECT_FALSE(copy.done);
    EXPECT_NE(std::string(copy.err.text).find("larger than its buffer"), std::string::npos) << copy.err.text;
    EXPECT_LE(copy.order.size(), 8u);
}

TEST_P(Stopped, cancel_at_any_point) {
    uint64_t calls = 0;
    for (;; calls++) {
        std::unique_ptr<Copy> copy = make();
        copy->cancel_at = calls;
        ASSERT_NO_FATAL_FAILURE(copy->run());
        if (copy->done) {
            // With threads the calls are fewer in some runs than in others: that was the last one for sure if none was refused.
            EXPECT_LE(copy->progress_calls, calls);
            break;
        }
        ASSERT_EQ(copy->err.number, CPLE_UserInterrupt) << copy->err.text;
        ASSERT_EQ(copy->progress_calls, calls + 1) << "called again after it said no";
        ASSERT_LT(calls, 1000u);
    }
    EXPECT_GT(calls, 5u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Stopped,
                         testing::Values(Kind{1, true, false}, Kind{1, true, true}, Kind{2, true, false},
                                         Kind{2, false, true}, Kind{8, true, true}, Kind{8, false, false}),
                         [](const testing::TestParamInfo<Kind> &of) {
                             return std::to_string(of.param.threads) +
                                    (of.param.parallel_read ? "_threads" : "_threads_rows") +
                                    (of.param.generous ? "" : "_spill");
                         });

TEST(Pipeline, first_error_wins) {
    // Eight tiles are open at once and complete at row 15; row 16 finds no slot before all of them are committed.
    std::unique_ptr<Copy> busy = busy_copy(1, true, true);
    Copy &copy = *busy;
    copy.bad_read = 20;
    copy.bad_commit = 3;
    ASSERT_NO_FATAL_FAILURE(copy.run());
    EXPECT_NE(std::string(copy.err.text).find("does not fit on the disk"), std::string::npos) << copy.err.text;
}

TEST(Pipeline, first_of_many_errors_wins) {
    std::unique_ptr<Copy> copy = busy_copy(8, true, true);
    copy->bad_read = 4;
    copy->bad_from_there = true;
    ASSERT_NO_FATAL_FAILURE(copy->run());
    EXPECT_STREQ(copy->err.text, "unit 4 is broken");
}

TEST(Pipeline, spill_that_cannot_be_made) {
    Copy copy(busy_layout());
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", "/streamtiff/there/is/no/such/folder");
    ASSERT_NO_FATAL_FAILURE(copy.make_plan());
    ASSERT_GT(copy.plan.regions, 0u);
    stf_budget *budget = stf_budget_create(copy.plan.cap_bytes);
    const stf_pipeline_job job = {
        &copy.geometry, &copy.demand, &copy.plan, &copy.format, "/vsimem/out.tif", budget,  {},     {},
        nullptr,        nullptr,      {},         nullptr,      nullptr,           nullptr, nullptr};
    stf_pipeline_result result{};
    EXPECT_FALSE(stf_pipeline_run(&job, &result, &copy.err));
    EXPECT_EQ(copy.err.number, CPLE_OpenFailed) << copy.err.text;
    stf_budget_destroy(budget);
    CPLSetThreadLocalConfigOption("CPL_TMPDIR", nullptr);
}

// A copy whose plan is not the planner's any more. Fails, and leaves the account empty.
void fail_with_plan(Copy &copy) {
    stf_budget *budget = stf_budget_create(copy.plan.cap_bytes);
    const std::string target = CPLGenerateTempFilename("pipeline");
    const auto read = [](void *context, uint32_t, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                         stf_error *) {
        static_cast<Copy *>(context)->picture.deliver(*unit, fakes::no_constants, static_cast<unsigned char *>(buffer),
                                                      pixels);
        return true;
    };
    const auto commit = [](void *, uint64_t, const void *, size_t, stf_error *) { return true; };
    const stf_pipeline_job job = {&copy.geometry,
                                  &copy.demand,
                                  &copy.plan,
                                  &copy.format,
                                  target.c_str(),
                                  budget,
                                  {&copy, read},
                                  {&copy, false, commit},
                                  nullptr,
                                  nullptr,
                                  {},
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  nullptr};
    stf_pipeline_result result{};
    EXPECT_FALSE(stf_pipeline_run(&job, &result, &copy.err));
    EXPECT_LE(stf_budget_peak_bytes(budget), copy.plan.cap_bytes);
    stf_error left{};
    EXPECT_TRUE(stf_budget_charge(budget, copy.plan.cap_bytes, "all of it", &left)) << left.text;
    stf_budget_destroy(budget);
}

TEST(Pipeline, account_that_is_too_small) {
    // The plan promises more than the account has: the copy fails rather than pass the cap.
    Copy copy(busy_layout());
    ASSERT_NO_FATAL_FAILURE(copy.make_plan());
    copy.plan.cap_bytes = copy.plan.predicted_peak_bytes / 2;
    ASSERT_NO_FATAL_FAILURE(fail_with_plan(copy));
    EXPECT_EQ(copy.err.number, CPLE_OutOfMemory);
}

TEST(Pipeline, a_standstill_is_told) {
    // The plan has fewer slots than there are open tiles: no thread can go on, and all would wait for ever.
    for (const uint32_t threads : {1u, 3u})
        for (const bool parallel : {true, false}) {
            Copy copy(busy_layout());
            copy.demand.threads = threads;
            copy.demand.parallel_read = parallel;
            copy.demand.cap_bytes = 64 << 20;
            ASSERT_NO_FATAL_FAILURE(copy.make_plan());
            ASSERT_EQ(copy.plan.regions, 0u);
            copy.plan.slots = 1;
            copy.plan.reserved_slots = 0;
            ASSERT_NO_FATAL_FAILURE(fail_with_plan(copy));
            EXPECT_NE(std::string(copy.err.text).find("standstill"), std::string::npos) << copy.err.text;
        }
}

// --- what GDAL says -----------------------------------------------------------------------------------

struct Heard {
    std::vector<std::string> warnings;
    int others = 0;
    std::thread::id thread = std::this_thread::get_id();
    bool elsewhere = false;
};

void CPL_STDCALL hear(CPLErr level, CPLErrorNum, const char *text) {
    Heard *heard = static_cast<Heard *>(CPLGetErrorHandlerUserData());
    if (std::this_thread::get_id() != heard->thread)
        heard->elsewhere = true;
    if (level == CE_Warning)
        heard->warnings.push_back(text);
    else if (level >= CE_Failure)
        heard->others++;
}

TEST(Pipeline, warnings_arrive_on_the_calling_thread) {
    for (uint32_t threads : {1u, 2u, 8u})
        for (int kind = 0; kind < 4; kind++) {
            const bool parallel = kind % 2 == 0;
            std::unique_ptr<Copy> copy = busy_copy(threads, parallel, true);
            copy->silent = kind >= 2; // nothing is told on the way, so what is left is raised at the end
            copy->before_read = [](const stf_unit &unit) {
                if (unit.number == 7 || unit.number == 30)
                    CPLError(CE_Warning, CPLE_AppDefined, "row %d looks odd", static_cast<int>(unit.number));
                if (unit.number == 9) // comes back by the stf_error, if it matters
                    CPLError(CE_Failure, CPLE_AppDefined, "row 9 had to be tried again");
            };
            Heard heard;
            copy->handler = hear;
            copy->handler_data = &heard;
            ASSERT_NO_FATAL_FAILURE(copy->run());
            ASSERT_NO_FATAL_FAILURE(copy->expect_complete());
            EXPECT_FALSE(heard.elsewhere);
            EXPECT_EQ(heard.others, 0);
            std::sort(heard.warnings.begin(), heard.warnings.end());
            EXPECT_EQ(heard.warnings, (std::vector<std::string>{"row 30 looks odd", "row 7 looks odd"})) << threads;
        }
}

TEST(Pipeline, readers_see_the_callers_options) {
    for (uint32_t threads : {1u, 8u}) {
        std::unique_ptr<Copy> copy = busy_copy(threads, true, true);
        std::atomic<int> seen{0};
        copy->before_read = [&seen](const stf_unit &) {
            seen += EQUAL(CPLGetConfigOption("STREAMTIFF_TEST_OPTION", ""), "mine") ? 1 : 0;
        };
        CPLSetThreadLocalConfigOption("STREAMTIFF_TEST_OPTION", "mine");
        ASSERT_NO_FATAL_FAILURE(copy->run());
        CPLSetThreadLocalConfigOption("STREAMTIFF_TEST_OPTION", nullptr);
        EXPECT_EQ(seen, 47) << threads;
    }
}

} // namespace
