// What a VRT tells of the rasters underneath: their grid in its pixels, the halo, the cost of a block; and what reading
// it in order needs of the cache.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal.h"
#include "gdal_utils.h"
#include "gdalwarper.h"
#include "gtest/gtest.h"
#include "source.h"
#include "underlay.h"
#include "underlay_walk.h"

namespace {

class Underlay : public testing::Test {
  protected:
    void SetUp() override { GDALAllRegister(); }
    void TearDown() override {
        stf_underlay_free(under);
        // A VRT before what it shows, which it does not hold itself.
        for (; !open.empty(); open.pop_back())
            GDALClose(open.back());
        for (const std::string &path : paths)
            VSIUnlink(path.c_str());
    }

    // A GTiff in memory, georeferenced so that several of them make a mosaic; empty, for only its grid matters.
    std::string make_tiff(const char *name, int width, int height, GDALDataType type, int bands,
                          const std::vector<const char *> &options, double left = 0, double top = 0) {
        const std::string path = std::string("/vsimem/underlay/") + name;
        CPLStringList list;
        for (const char *option : options)
            list.AddString(option);
        list.AddString("SPARSE_OK=YES");
        GDALDatasetH dataset =
            GDALCreate(GDALGetDriverByName("GTiff"), path.c_str(), width, height, bands, type, list.List());
        EXPECT_NE(dataset, nullptr);
        double transform[6] = {left, 1, 0, top, 0, -1};
        GDALSetGeoTransform(dataset, transform);
        GDALClose(dataset);
        paths.push_back(path);
        return path;
    }

    GDALDatasetH keep(GDALDatasetH dataset) {
        EXPECT_NE(dataset, nullptr) << CPLGetLastErrorMsg();
        if (dataset)
            open.push_back(dataset);
        return dataset;
    }

    // As gdal_translate hands its VRT over: not in any file.
    GDALDatasetH translate(const std::string &path, const char *arguments) {
        GDALDatasetH source = keep(GDALOpen(path.c_str(), GA_ReadOnly));
        CPLStringList list(CSLTokenizeString(arguments));
        list.AddString("-of");
        list.AddString("VRT");
        GDALTranslateOptions *options = GDALTranslateOptionsNew(list.List(), nullptr);
        GDALDatasetH vrt = keep(GDALTranslate("", source, options, nullptr));
        GDALTranslateOptionsFree(options);
        return vrt;
    }

    void read(GDALDatasetH vrt) {
        ASSERT_NE(vrt, nullptr);
        stf_underlay_free(under);
        under = stf_underlay_read(vrt, 1, static_cast<uint32_t>(GDALGetRasterCount(vrt)));
        ASSERT_NE(under, nullptr);
    }

    uint32_t count() const { return under->lists[0].count; }
    const stf_under_layer &layer(uint32_t number = 0) const { return under->lists[0].items[number]; }
    const stf_under_grid &grid(uint32_t number = 0) const { return under->grids[layer(number).grid]; }
    // In pixels of the VRT: a block, where the first one begins, and the halo.
    double step_x(uint32_t n = 0) const { return grid(n).block_width_px / layer(n).x.scale; }
    double step_y(uint32_t n = 0) const { return grid(n).block_height_px / layer(n).y.scale; }
    double origin_x(uint32_t n = 0) const { return -layer(n).x.offset / layer(n).x.scale; }
    double origin_y(uint32_t n = 0) const { return -layer(n).y.offset / layer(n).y.scale; }
    double halo_x(uint32_t n = 0) const { return layer(n).x.outer + layer(n).x.inner / layer(n).x.scale; }

    // Block columns and rows under a window: first and last.
    std::vector<uint32_t> cells(const stf_window &window, uint32_t number = 0) const {
        stf_under_cells found{};
        if (!stf_under_layer_cells(under, &layer(number), &window, &found))
            return {};
        return {found.left, found.right, found.top, found.bottom};
    }

    stf_underlay *under = nullptr;
    std::vector<GDALDatasetH> open;
    std::vector<std::string> paths;
};

const std::vector<const char *> Tiled256 = {"TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"};
const std::vector<const char *> Tiled128 = {"TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"};

TEST_F(Underlay, subwindow) {
    const std::string path = make_tiff("a.tif", 1000, 800, GDT_Float32, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 100 70 500 400")));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(grid().path, path);
    EXPECT_EQ(grid().width_px, 1000u);
    EXPECT_EQ(grid().rows, 4u);
    EXPECT_EQ(step_x(), 256);
    EXPECT_EQ(origin_x(), -100) << "where the source's first block would begin";
    EXPECT_EQ(origin_y(), -70);
    EXPECT_EQ(halo_x(), 0) << "pixels pass unchanged";
    EXPECT_EQ(layer().x.end, 500);
    EXPECT_EQ(grid().block_bytes, stf_source_cached_block_bytes(256 * 256 * 4));
    EXPECT_TRUE(layer().simple);
    EXPECT_GT(under->reader_bytes, 0u);
    EXPECT_EQ(cells({0, 0, 156, 186}), (std::vector<uint32_t>{0, 0, 0, 0})) << "to the last pixel of the block";
    EXPECT_EQ(cells({155, 185, 2, 2}), (std::vector<uint32_t>{0, 1, 0, 1}));
}

TEST_F(Underlay, half_the_size_by_cubic) {
    const std::string path = make_tiff("b.tif", 1024, 768, GDT_Float32, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 50% 50% -r cubic")));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(step_x(), 128);
    EXPECT_EQ(origin_x(), 0);
    // The kernel reaches 2 pixels of the target to either side: 4 of the source, and one for the rounding of borders.
    EXPECT_EQ(layer().x.inner, 5);
    EXPECT_EQ(cells({3, 3, 122, 122}), (std::vector<uint32_t>{0, 0, 0, 0})); // 6 - 5 .. 250 + 5
    EXPECT_EQ(cells({3, 3, 123, 123}), (std::vector<uint32_t>{0, 1, 0, 1}));
}

TEST_F(Underlay, part_of_the_source_at_half_the_size) {
    const std::string path = make_tiff("part.tif", 1024, 768, GDT_Float32, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 100 60 400 300 -outsize 200 150 -r bilinear")));
    EXPECT_EQ(step_x(), 128);
    EXPECT_EQ(origin_x(), -50) << "100 source pixels are 50 of the VRT";
    EXPECT_EQ(origin_y(), -30);
}

TEST_F(Underlay, halo_of_each_kernel) {
    const std::string path = make_tiff("c.tif", 1000, 1000, GDT_Byte, 1, Tiled256);
    struct {
        const char *arguments;
        double source_px;
    } const kernels[] = {
        {"-r bilinear -outsize 50% 50%", 3}, {"-r cubic -outsize 25% 25%", 9},   {"-r lanczos -outsize 50% 50%", 7},
        {"-r average -outsize 50% 50%", 1},  {"-r cubic -outsize 200% 200%", 3}, {"-r cubic -srcwin 10 10 300 300", 0},
    };
    for (const auto &kernel : kernels) {
        ASSERT_NO_FATAL_FAILURE(read(translate(path, kernel.arguments)));
        EXPECT_EQ(layer().x.inner, kernel.source_px) << kernel.arguments;
    }
}

// Nearest shows the middle of each pixel, so that a block has the pixels whose middle lies in it.
TEST_F(Underlay, nearest_shares_no_block_between_pixels) {
    const std::string path = make_tiff("d.tif", 1000, 900, GDT_Byte, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 333 300 -r nearest")));
    EXPECT_DOUBLE_EQ(step_x(), 256 * 333.0 / 1000);
    EXPECT_DOUBLE_EQ(step_y(), 256 / 3.0);
    for (uint32_t x = 0; x < 333; x++) {
        const auto block = static_cast<uint32_t>(std::floor((x + 0.5) * 1000 / 333)) / 256;
        EXPECT_EQ(cells({x, 0, 1, 1}), (std::vector<uint32_t>{block, block, 0, 0})) << x;
    }
}

TEST_F(Underlay, part_pixels_need_their_neighbour) {
    const std::string path = make_tiff("e.tif", 600, 600, GDT_Byte, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 10.5 20.25 300 300 -outsize 300 300")));
    EXPECT_EQ(origin_x(), -10.5);
    EXPECT_EQ(origin_y(), -20.25);
    EXPECT_EQ(cells({245, 0, 1, 1}), (std::vector<uint32_t>{0, 1, 0, 0})) << "255.5 to 256.5";
}

TEST_F(Underlay, overview_that_is_large_enough_is_read_instead) {
    const std::string path = make_tiff("o.tif", 2000, 1000, GDT_Byte, 1, Tiled256);
    GDALDatasetH source = GDALOpen(path.c_str(), GA_Update);
    const int levels[] = {2, 4};
    ASSERT_EQ(GDALBuildOverviews(source, "NEAREST", 2, levels, 0, nullptr, nullptr, nullptr), CE_None);
    GDALClose(source);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 30% 30% -r average")));
    EXPECT_EQ(grid().width_px, 1000u);
    EXPECT_NEAR(layer().x.scale, 1 / 0.6, 1e-9);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 20% 20% -r nearest")));
    EXPECT_EQ(grid().width_px, 500u);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 90% 90% -r average")));
    EXPECT_EQ(grid().width_px, 2000u);
}

TEST_F(Underlay, bands_together_are_one_layer) {
    const std::string path = make_tiff("f.tif", 600, 500, GDT_UInt16, 3,
                                       {"TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=128", "INTERLEAVE=PIXEL"});
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 0 0 300 300")));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(layer().bands, 3u);
    EXPECT_TRUE(layer().simple);
    EXPECT_EQ(grid().block_bytes, 3 * stf_source_cached_block_bytes(256 * 128 * 2));

    // One band shown: decoding its blocks brings in the two others all the same.
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-b 2")));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(layer().bands, 1u);
    EXPECT_FALSE(layer().simple) << "band 1 shows band 2";
    EXPECT_EQ(grid().block_bytes, 3 * stf_source_cached_block_bytes(256 * 128 * 2));

    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-b 3 -b 2 -b 1")));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(layer().bands, 3u);
    EXPECT_FALSE(layer().simple) << "bands change places";
}

TEST_F(Underlay, bands_apart_cost_one_by_one) {
    const std::string path = make_tiff("g.tif", 600, 500, GDT_UInt16, 3,
                                       {"TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=128", "INTERLEAVE=BAND"});
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 0 0 300 300 -b 1")));
    EXPECT_EQ(grid().block_bytes, stf_source_cached_block_bytes(256 * 128 * 2));
}

TEST_F(Underlay, mosaic_of_several) {
    const std::string left = make_tiff("left.tif", 300, 400, GDT_Int16, 1, Tiled256, 0, 400);
    const std::string right = make_tiff("right.tif", 500, 400, GDT_Int16, 1, Tiled128, 300, 400);
    const std::string below = make_tiff("below.tif", 800, 10, GDT_Int16, 1, {"BLOCKYSIZE=5"}, 0, 0);
    const char *names[] = {left.c_str(), right.c_str(), below.c_str()};
    GDALDatasetH vrt = keep(GDALBuildVRT("", 3, nullptr, names, nullptr, nullptr));
    ASSERT_NE(vrt, nullptr);
    EXPECT_EQ(GDALGetRasterYSize(vrt), 410);
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    ASSERT_EQ(count(), 3u);
    EXPECT_EQ(grid(0).path, left);
    EXPECT_EQ(origin_x(0), 0);
    EXPECT_EQ(layer(0).x.end, 300);
    EXPECT_EQ(origin_x(1), 300);
    EXPECT_EQ(step_x(1), 128);
    EXPECT_EQ(layer(1).x.begin, 300);
    EXPECT_EQ(layer(1).x.end, 800);
    EXPECT_EQ(origin_y(2), 400);
    EXPECT_EQ(step_x(2), 800);
    EXPECT_EQ(step_y(2), 5);
    EXPECT_EQ(layer(2).y.end, 410);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQ(halo_x(i), 0) << i;
    EXPECT_EQ(under->blocks, 2u * 2 + 4 * 4 + 2);
    EXPECT_EQ(cells({250, 0, 100, 10}, 0), (std::vector<uint32_t>{0, 1, 0, 0})) << "columns 256 to 299 are a block's";
    EXPECT_EQ(cells({250, 0, 100, 10}, 1), (std::vector<uint32_t>{0, 0, 0, 0}));
    EXPECT_EQ(cells({250, 0, 100, 10}, 2), std::vector<uint32_t>{});
}

TEST_F(Underlay, relative_path_in_a_file) {
    const std::string path = make_tiff("near.tif", 300, 300, GDT_Byte, 1, Tiled256);
    GDALDatasetH source = keep(GDALOpen(path.c_str(), GA_ReadOnly));
    GDALClose(GDALCreateCopy(GDALGetDriverByName("VRT"), "/vsimem/underlay/near.vrt", source, FALSE, nullptr, nullptr,
                             nullptr));
    paths.push_back("/vsimem/underlay/near.vrt");
    GDALDatasetH vrt = keep(GDALOpen("/vsimem/underlay/near.vrt", GA_ReadOnly));
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    EXPECT_EQ(grid().path, path);
}

// --- VRTs of VRTs, warped VRTs ------------------------------------------------------------------------

TEST_F(Underlay, vrt_of_a_vrt_is_flattened) {
    const std::string path = make_tiff("deep.tif", 1024, 768, GDT_Float32, 1, Tiled256);
    const char *inner = "/vsimem/underlay/inner.vrt";
    GDALDatasetH source = keep(GDALOpen(path.c_str(), GA_ReadOnly));
    CPLStringList list(CSLTokenizeString("-of VRT -srcwin 100 60 800 600"));
    GDALTranslateOptions *options = GDALTranslateOptionsNew(list.List(), nullptr);
    GDALClose(GDALTranslate(inner, source, options, nullptr));
    GDALTranslateOptionsFree(options);
    paths.push_back(inner);
    // Pixel x of the outer one is 20 + 2 x of the inner one, 120 + 2 x of the file.
    ASSERT_NO_FATAL_FAILURE(read(translate(inner, "-srcwin 20 40 600 400 -outsize 300 200 -r cubic")));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(grid().path, path);
    EXPECT_EQ(layer().x.scale, 2);
    EXPECT_EQ(layer().x.offset, 120);
    EXPECT_EQ(layer().y.offset, 100);
    // The outer halo of 5 pixels of the inner VRT is 2.5 of its own: 120 + 2 * 67 + 5 is not 256, 120 + 2 * 66 + 5 is.
    EXPECT_EQ(halo_x(), 2.5);
    EXPECT_EQ(cells({0, 0, 65, 10}), (std::vector<uint32_t>{0, 0, 0, 0}));
    EXPECT_EQ(cells({0, 0, 66, 10}), (std::vector<uint32_t>{0, 1, 0, 0}));
    EXPECT_FALSE(layer().simple);
}

TEST_F(Underlay, warped_vrt_is_a_grid_over_a_list) {
    const std::string path = make_tiff("w.tif", 1024, 768, GDT_Float32, 1, Tiled256, 0, 768);
    GDALDatasetH source = keep(GDALOpen(path.c_str(), GA_ReadOnly));
    // The same pixels: block for block of the VRT, 512 x 128, widened by the cubic kernel.
    GDALDatasetH warped = keep(GDALAutoCreateWarpedVRT(source, nullptr, nullptr, GRA_Cubic, 0, nullptr));
    ASSERT_NO_FATAL_FAILURE(read(warped));
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(grid().block_width_px, 512u);
    EXPECT_EQ(grid().block_height_px, 128u);
    EXPECT_EQ(under->lists[grid().list].count, 1u);
    const stf_window &window = grid().windows[grid().columns]; // the first of the second row
    EXPECT_EQ(window.x, 0u);
    EXPECT_NEAR(window.y, 126, 1);
    EXPECT_NEAR(window.width, 514, 1);
    EXPECT_NEAR(window.height, 132, 2);
    // Rows 126 to 258: two rows of three columns, and the block itself.
    stf_reuse *reuse = stf_reuse_create(under->blocks, 1);
    const stf_window block{0, 128, 512, 128};
    ASSERT_TRUE(stf_underlay_touch(under, &block, reuse));
    stf_reuse_end_step(reuse);
    EXPECT_EQ(stf_reuse_distinct(reuse), 6u);
    EXPECT_EQ(stf_reuse_all_bytes(reuse),
              6 * stf_source_cached_block_bytes(256 * 256 * 4) + stf_source_cached_block_bytes(512 * 128 * 4));
    stf_reuse_destroy(reuse);
}

// --- walks --------------------------------------------------------------------------------------------

struct Walked {
    std::vector<stf_lease_point> points;
    stf_under_sum sum{};
};

// Units of so many pixels from an origin, tiles of so many, stripes of so many columns.
Walked walk_units(const stf_underlay *under, uint32_t width, uint32_t height, double unit_px, double origin_px,
                  double tile_px, uint32_t stripe_columns) {
    stf_group group{0, 1, stf_axis_make(width, origin_px, unit_px), stf_axis_make(height, origin_px, unit_px)};
    if (origin_px < 0 && group.x.cells > 1 && stf_axis_length(&group.x, group.x.cells - 1) < 10) {
        stf_axis_join_last(&group.x);
        stf_axis_join_last(&group.y);
    }
    const stf_plane plane{0, 1};
    const stf_geometry geometry{
        width, height, 4, &group, 1, &plane, 1, stf_axis_make(width, 0, tile_px), stf_axis_make(height, 0, tile_px)};
    stf_under_walk *walk = stf_under_walk_units(under);
    Walked walked;
    stf_lease_point points[STF_LEASE_POINTS];
    EXPECT_TRUE(stf_under_walk_sum(walk, &geometry, &walked.sum));
    const uint32_t count =
        stf_under_walk_points(walk, &geometry, stripe_columns == 0 ? group.x.cells : stripe_columns, points);
    walked.points.assign(points, points + count);
    stf_under_walk_destroy(walk);
    return walked;
}

TEST_F(Underlay, in_step_nothing_is_shared) {
    const std::string path = make_tiff("step.tif", 2048, 2048, GDT_Float32, 1, Tiled256);
    const uint64_t block = stf_source_cached_block_bytes(256 * 256 * 4);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 100 100 1900 1900")));
    const Walked walked = walk_units(under, 1900, 1900, 256, -100, 512, 0);
    EXPECT_FALSE(walked.sum.shared);
    EXPECT_EQ(walked.sum.unit_bytes, block);
    EXPECT_EQ(walked.sum.decodes, 64u);
}

TEST_F(Underlay, halo_by_hand) {
    const std::string path = make_tiff("halo.tif", 4096, 2048, GDT_Byte, 1, Tiled256);
    const uint64_t block = stf_source_cached_block_bytes(256 * 256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 50% 50% -r cubic")));
    // 16 x 8 blocks of 128 pixels of the VRT, windows moved up and left by the halo: each touches a block and those
    // above and to the left of it; the last ones are 3 pixels longer. By tiles of one window: two rows and a block or two.
    Walked walked = walk_units(under, 2048, 1024, 128, -3, 128, 0);
    EXPECT_TRUE(walked.sum.shared);
    EXPECT_EQ(walked.sum.decodes, 16u * 8);
    EXPECT_EQ(walked.sum.unit_bytes, 4 * block);
    ASSERT_FALSE(walked.points.empty());
    EXPECT_EQ(walked.points[0].decodes, 16u * 8);
    EXPECT_NEAR(static_cast<double>(walked.points[0].lease_bytes) / static_cast<double>(block), 2 * 16 + 2, 1);
    // Stripes of 8 columns: 8 blocks above the seam again, 6.25 %; two rows of 9 columns.
    walked = walk_units(under, 2048, 1024, 128, -3, 128, 8);
    ASSERT_FALSE(walked.points.empty());
    EXPECT_LE(walked.points[0].decodes, 16u * 8 * 108 / 100);
    EXPECT_GE(walked.points[0].decodes, 16u * 8 + 8);
    EXPECT_NEAR(static_cast<double>(walked.points[0].lease_bytes) / static_cast<double>(block), 2 * 9 + 2, 1);
    // Stripes of 4 columns: three seams or more are too many.
    EXPECT_TRUE(walk_units(under, 2048, 1024, 128, -3, 128, 4).points.empty());
}

TEST_F(Underlay, rows_need_one_row_of_blocks) {
    const std::string path = make_tiff("rows.tif", 2000, 1000, GDT_Float32, 1, Tiled256);
    const uint64_t block = stf_source_cached_block_bytes(256 * 256 * 4);
    ASSERT_NO_FATAL_FAILURE(read(keep(GDALOpen(path.c_str(), GA_ReadOnly))));
    stf_under_walk *walk = stf_under_walk_rows(under, 2000, 1000);
    stf_lease_point points[STF_LEASE_POINTS];
    ASSERT_EQ(stf_under_walk_points(walk, nullptr, 1, points), 1u);
    EXPECT_EQ(points[0].lease_bytes, 8 * block);
    EXPECT_EQ(points[0].decodes, 8u * 4);
    stf_under_walk_destroy(walk);
}

TEST_F(Underlay, rows_whose_last_two_lie_in_two_rows_of_blocks) {
    // With -compute_edges the last two rows are read once more: of two rows of blocks where one row is left for the last.
    const std::string path = make_tiff("last.tif", 2000, 1025, GDT_Float32, 1, Tiled256);
    const uint64_t block = stf_source_cached_block_bytes(256 * 256 * 4);
    ASSERT_NO_FATAL_FAILURE(read(keep(GDALOpen(path.c_str(), GA_ReadOnly))));
    stf_under_walk *walk = stf_under_walk_rows(under, 2000, 1025);
    stf_lease_point points[STF_LEASE_POINTS];
    ASSERT_GE(stf_under_walk_points(walk, nullptr, 1, points), 1u);
    EXPECT_EQ(points[0].lease_bytes, 2 * 8 * block);
    EXPECT_EQ(points[0].decodes, 8u * 5);
    stf_under_walk_destroy(walk);
}

TEST_F(Underlay, rows_of_a_tall_mosaic_need_what_is_near) {
    std::vector<std::string> names;
    std::vector<const char *> pointers;
    for (int i = 0; i < 10; i++)
        names.push_back(make_tiff(("m" + std::to_string(i) + ".tif").c_str(), 512, 1024, GDT_Byte, 1, Tiled256, 0,
                                  10240 - 1024 * i));
    for (const std::string &name : names)
        pointers.push_back(name.c_str());
    GDALDatasetH vrt = keep(GDALBuildVRT("", 10, nullptr, pointers.data(), nullptr, nullptr));
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    stf_under_walk *walk = stf_under_walk_rows(under, 512, 10240);
    stf_lease_point points[STF_LEASE_POINTS];
    ASSERT_GE(stf_under_walk_points(walk, nullptr, 1, points), 1u);
    EXPECT_EQ(points[0].lease_bytes, 2 * stf_source_cached_block_bytes(256 * 256));
    EXPECT_EQ(points[0].decodes, 80u);
    stf_under_walk_destroy(walk);
}

// --- what is refused ----------------------------------------------------------------------------------

// Two mosaics that both show the file in the middle: GDAL opens it for each of them.
TEST_F(Underlay, a_file_under_two_vrts_is_decoded_by_two_handles) {
    const std::string a = make_tiff("r1.tif", 512, 512, GDT_Byte, 1, Tiled256, 0, 0),
                      b = make_tiff("r2.tif", 512, 512, GDT_Byte, 1, Tiled256, 512, 0),
                      c = make_tiff("r3.tif", 512, 512, GDT_Byte, 1, Tiled256, 1024, 0);
    const auto mosaic = [&](const char *name, std::vector<std::string> files) {
        const std::string path = std::string("/vsimem/underlay/") + name;
        std::vector<const char *> names;
        for (const std::string &file : files)
            names.push_back(file.c_str());
        GDALDatasetH vrt =
            GDALBuildVRT(path.c_str(), static_cast<int>(names.size()), nullptr, names.data(), nullptr, nullptr);
        EXPECT_NE(vrt, nullptr);
        GDALClose(vrt);
        paths.push_back(path);
        return path;
    };
    const auto sum_of = [&](const std::string &path) {
        read(keep(GDALOpen(path.c_str(), GA_ReadOnly)));
        stf_under_walk *walk = stf_under_walk_rows(under, 1536, 512);
        stf_under_sum sum{};
        EXPECT_TRUE(stf_under_walk_sum(walk, nullptr, &sum));
        stf_under_walk_destroy(walk);
        return sum;
    };
    stf_under_sum sum = sum_of(mosaic("flat.vrt", {a, b, c}));
    EXPECT_EQ(sum.decodes, 12u);
    EXPECT_EQ(sum.repeated, 0u);
    const std::string left = mosaic("left.vrt", {a, b}), right = mosaic("right.vrt", {b, c});
    sum = sum_of(mosaic("nested.vrt", {left, right}));
    EXPECT_EQ(sum.decodes, 16u);
    EXPECT_EQ(sum.repeated, 4u) << "the four blocks of the file in the middle";
    EXPECT_GT(sum.planning_bytes, stf_underlay_cost_bytes(under));
}

TEST_F(Underlay, planning_takes_four_bytes_a_block_and_eight_a_step) {
    const std::string path =
        make_tiff("many.tif", 8000, 8000, GDT_Byte, 1, {"TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"});
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 1 1 7990 7990")));
    EXPECT_LT(stf_underlay_cost_bytes(under), 10000u);
    stf_under_walk *walk = stf_under_walk_rows(under, 7990, 7990);
    stf_under_sum sum{};
    ASSERT_TRUE(stf_under_walk_sum(walk, nullptr, &sum));
    stf_under_walk_destroy(walk);
    EXPECT_EQ(sum.decodes, 250000u);
    EXPECT_GE(sum.planning_bytes, 4u * 250000 + 8u * 7990);
    EXPECT_LE(sum.planning_bytes, 4u * 250000 + 8u * 8000 + 24u * 2 * 1024 + (80u << 10));
}

TEST_F(Underlay, sources_tell_what_describing_them_took) {
    const std::string path =
        make_tiff("told.tif", 4000, 4000, GDT_Byte, 1, {"TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"});
    stf_source_request request{};
    stf_error err{};
    request.type = GDT_Byte;
    request.tile_height_px = 512;
    stf_source *source = stf_source_create(translate(path, "-srcwin 1 1 3990 3990"), &request, &err);
    ASSERT_NE(source, nullptr) << err.text;
    EXPECT_EQ(source->info.kind, STF_SOURCE_WINDOWS);
    EXPECT_GE(source->info.planning_bytes, 4u * 250 * 250);
    stf_source_destroy(source);
}

TEST_F(Underlay, one_band_of_several) {
    const std::string a = make_tiff("s1.tif", 512, 512, GDT_Byte, 1, Tiled256),
                      b = make_tiff("s2.tif", 512, 512, GDT_Byte, 1, Tiled128);
    const char *const files[] = {a.c_str(), b.c_str()};
    CPLStringList list;
    list.AddString("-separate");
    GDALBuildVRTOptions *options = GDALBuildVRTOptionsNew(list.List(), nullptr);
    GDALDatasetH vrt = keep(GDALBuildVRT("/vsimem/underlay/apart.vrt", 2, nullptr, files, options, nullptr));
    GDALBuildVRTOptionsFree(options);
    paths.push_back("/vsimem/underlay/apart.vrt");
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    EXPECT_EQ(count(), 2u);
    stf_underlay_free(under);
    under = stf_underlay_read(vrt, 2, 1);
    ASSERT_NE(under, nullptr);
    ASSERT_EQ(count(), 1u);
    EXPECT_EQ(grid().path, b);
    EXPECT_EQ(grid().block_width_px, 128u);
}

TEST_F(Underlay, derived_band_reads_its_sources) {
    const std::string path = make_tiff("der.tif", 300, 300, GDT_Byte, 1, Tiled256);
    const std::string xml = "<VRTDataset rasterXSize='300' rasterYSize='300'><VRTRasterBand dataType='Byte' band='1' "
                            "subClass='VRTDerivedRasterBand'><PixelFunctionType>sqrt</PixelFunctionType>"
                            "<SimpleSource><SourceFilename>" +
                            path + "</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>";
    ASSERT_NO_FATAL_FAILURE(read(keep(GDALOpen(xml.c_str(), GA_ReadOnly))));
    EXPECT_EQ(count(), 1u);
    EXPECT_FALSE(layer().simple) << "pixels do not pass unchanged";
}

TEST_F(Underlay, what_does_not_tell_enough) {
    // A source that is not there.
    const std::string missing =
        "<VRTDataset rasterXSize='300' rasterYSize='300'><VRTRasterBand dataType='Byte' band='1'>"
        "<SimpleSource><SourceFilename>/vsimem/underlay/none.tif</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>";
    // Bands without any source.
    const std::string empty =
        "<VRTDataset rasterXSize='300' rasterYSize='300'><VRTRasterBand dataType='Byte' band='1'/>"
        "</VRTDataset>";
    // A source in memory has no name to open it by.
    GDALDatasetH memory = keep(GDALCreate(GDALGetDriverByName("MEM"), "", 300, 300, 1, GDT_Byte, nullptr));
    for (const std::string &xml : {missing, empty}) {
        CPLPushErrorHandler(CPLQuietErrorHandler);
        GDALDatasetH vrt = keep(GDALOpen(xml.c_str(), GA_ReadOnly));
        CPLPopErrorHandler();
        ASSERT_NE(vrt, nullptr);
        EXPECT_EQ(stf_underlay_read(vrt, 1, 1), nullptr) << xml;
    }
    CPLStringList list(CSLTokenizeString("-of VRT -srcwin 0 0 100 100"));
    GDALTranslateOptions *options = GDALTranslateOptionsNew(list.List(), nullptr);
    GDALDatasetH vrt = keep(GDALTranslate("", memory, options, nullptr));
    GDALTranslateOptionsFree(options);
    EXPECT_EQ(stf_underlay_read(vrt, 1, 1), nullptr);
}

} // namespace
