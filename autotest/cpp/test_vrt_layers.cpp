// What a VRT tells of the rasters underneath: their grid in its pixels, the halo, the cost of a block.
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
#include "vrt_layers.h"

namespace {

class VrtLayers : public testing::Test {
  protected:
    void SetUp() override { GDALAllRegister(); }
    void TearDown() override {
        stf_vrt_layers_free(&layers);
        // A VRT before what it shows, which it does not hold itself.
        for (; !open.empty(); open.pop_back())
            GDALClose(open.back());
        for (const std::string &path : paths)
            VSIUnlink(path.c_str());
    }

    // A GTiff in memory, georeferenced so that several of them make a mosaic; empty, for only its grid matters.
    std::string make_tiff(const char *name, int width, int height, GDALDataType type, int bands,
                          const std::vector<const char *> &options, double left = 0, double top = 0) {
        const std::string path = std::string("/vsimem/layers/") + name;
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
        ASSERT_TRUE(stf_vrt_layers_read(vrt, &layers));
    }

    stf_vrt_layers layers{};
    std::vector<GDALDatasetH> open;
    std::vector<std::string> paths;
};

const std::vector<const char *> Tiled256 = {"TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"};
const std::vector<const char *> Tiled128 = {"TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"};

TEST_F(VrtLayers, subwindow) {
    const std::string path = make_tiff("a.tif", 1000, 800, GDT_Float32, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 100 70 500 400")));
    ASSERT_EQ(layers.count, 1u);
    const stf_vrt_layer &layer = layers.items[0];
    EXPECT_EQ(layer.path, path);
    EXPECT_EQ(layer.source_width_px, 1000u);
    EXPECT_EQ(layer.source_height_px, 800u);
    EXPECT_EQ(layer.block_width_px, 256u);
    EXPECT_EQ(layer.step_x, 256);
    EXPECT_EQ(layer.step_y, 256);
    EXPECT_EQ(layer.origin_x, -100) << "where the source's first block would begin";
    EXPECT_EQ(layer.origin_y, -70);
    EXPECT_EQ(layer.halo_x, 0) << "pixels pass unchanged";
    EXPECT_EQ(layer.halo_y, 0);
    EXPECT_EQ(layer.x, 0);
    EXPECT_EQ(layer.width, 500);
    EXPECT_EQ(layer.height, 400);
    EXPECT_EQ(layer.source_x, 100);
    EXPECT_EQ(layer.source_y, 70);
    EXPECT_EQ(layer.block_bytes, stf_source_cached_block_bytes(256 * 256 * 4));
    EXPECT_TRUE(layer.simple);
    EXPECT_GT(layers.reader_bytes, 0u);
}

TEST_F(VrtLayers, half_the_size_by_cubic) {
    const std::string path = make_tiff("b.tif", 1024, 768, GDT_Float32, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 50% 50% -r cubic")));
    ASSERT_EQ(layers.count, 1u);
    const stf_vrt_layer &layer = layers.items[0];
    EXPECT_EQ(layer.step_x, 128);
    EXPECT_EQ(layer.step_y, 128);
    EXPECT_EQ(layer.origin_x, 0);
    EXPECT_EQ(layer.origin_y, 0);
    // The kernel reaches 2 pixels of the target to either side: 4 of the source, and one for the rounding of borders.
    EXPECT_GE(layer.halo_x, 2);
    EXPECT_LE(layer.halo_x, 3);
    EXPECT_EQ(layer.halo_x, layer.halo_y);
}

TEST_F(VrtLayers, part_of_the_source_at_half_the_size) {
    const std::string path = make_tiff("part.tif", 1024, 768, GDT_Float32, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 100 60 400 300 -outsize 200 150 -r bilinear")));
    const stf_vrt_layer &layer = layers.items[0];
    EXPECT_EQ(layer.step_x, 128);
    EXPECT_EQ(layer.origin_x, -50) << "100 source pixels are 50 of the VRT";
    EXPECT_EQ(layer.origin_y, -30);
}

TEST_F(VrtLayers, halo_of_each_kernel) {
    const std::string path = make_tiff("c.tif", 1000, 1000, GDT_Byte, 1, Tiled256);
    struct {
        const char *arguments;
        double least, most;
    } const kernels[] = {
        {"-r nearest -outsize 50% 50%", 0, 1}, {"-r bilinear -outsize 50% 50%", 1, 2},
        {"-r cubic -outsize 25% 25%", 2, 3},   {"-r lanczos -outsize 50% 50%", 3, 4},
        {"-r cubic -outsize 200% 200%", 4, 8}, {"-r cubic -srcwin 10 10 300 300", 0, 0},
    };
    for (const auto &kernel : kernels) {
        ASSERT_NO_FATAL_FAILURE(read(translate(path, kernel.arguments)));
        EXPECT_GE(layers.items[0].halo_x, kernel.least) << kernel.arguments;
        EXPECT_LE(layers.items[0].halo_x, kernel.most) << kernel.arguments;
        stf_vrt_layers_free(&layers);
    }
}

TEST_F(VrtLayers, steps_that_are_not_whole) {
    const std::string path = make_tiff("d.tif", 1000, 900, GDT_Byte, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 333 300 -r nearest")));
    const stf_vrt_layer &layer = layers.items[0];
    EXPECT_DOUBLE_EQ(layer.step_x, 256 * 333.0 / 1000);
    EXPECT_DOUBLE_EQ(layer.step_y, 256 / 3.0);
}

TEST_F(VrtLayers, part_pixels_need_their_neighbour) {
    const std::string path = make_tiff("e.tif", 600, 600, GDT_Byte, 1, Tiled256);
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 10.5 20.25 100 100 -outsize 100 100")));
    const stf_vrt_layer &layer = layers.items[0];
    EXPECT_EQ(layer.origin_x, -10.5);
    EXPECT_EQ(layer.origin_y, -20.25);
    EXPECT_GE(layer.halo_x, 1);
    EXPECT_GE(layer.halo_y, 1);
}

TEST_F(VrtLayers, bands_together_are_one_layer) {
    const std::string path = make_tiff("f.tif", 600, 500, GDT_UInt16, 3,
                                       {"TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=128", "INTERLEAVE=PIXEL"});
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 0 0 300 300")));
    ASSERT_EQ(layers.count, 1u);
    EXPECT_EQ(layers.items[0].bands, 3u);
    EXPECT_TRUE(layers.items[0].simple);
    EXPECT_EQ(layers.items[0].block_bytes, 3 * stf_source_cached_block_bytes(256 * 128 * 2));
    stf_vrt_layers_free(&layers);

    // One band shown: decoding its blocks brings in the two others all the same.
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-b 2")));
    ASSERT_EQ(layers.count, 1u);
    EXPECT_EQ(layers.items[0].bands, 1u);
    EXPECT_FALSE(layers.items[0].simple) << "band 1 shows band 2";
    EXPECT_EQ(layers.items[0].block_bytes, 3 * stf_source_cached_block_bytes(256 * 128 * 2));
    stf_vrt_layers_free(&layers);

    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-b 3 -b 2 -b 1")));
    ASSERT_EQ(layers.count, 1u);
    EXPECT_EQ(layers.items[0].bands, 3u);
    EXPECT_FALSE(layers.items[0].simple) << "bands change places";
}

TEST_F(VrtLayers, bands_apart_cost_one_by_one) {
    const std::string path = make_tiff("g.tif", 600, 500, GDT_UInt16, 3,
                                       {"TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=128", "INTERLEAVE=BAND"});
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-srcwin 0 0 300 300 -b 1")));
    EXPECT_EQ(layers.items[0].block_bytes, stf_source_cached_block_bytes(256 * 128 * 2));
}

TEST_F(VrtLayers, mosaic_of_several) {
    const std::string left = make_tiff("left.tif", 300, 400, GDT_Int16, 1, Tiled256, 0, 400);
    const std::string right = make_tiff("right.tif", 500, 400, GDT_Int16, 1, Tiled128, 300, 400);
    const std::string below = make_tiff("below.tif", 800, 10, GDT_Int16, 1, {"BLOCKYSIZE=5"}, 0, 0);
    const char *names[] = {left.c_str(), right.c_str(), below.c_str()};
    GDALDatasetH vrt = keep(GDALBuildVRT("", 3, nullptr, names, nullptr, nullptr));
    ASSERT_NE(vrt, nullptr);
    EXPECT_EQ(GDALGetRasterYSize(vrt), 410);
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    ASSERT_EQ(layers.count, 3u);
    EXPECT_EQ(layers.items[0].path, left);
    EXPECT_EQ(layers.items[0].origin_x, 0);
    EXPECT_EQ(layers.items[0].width, 300);
    EXPECT_EQ(layers.items[1].origin_x, 300);
    EXPECT_EQ(layers.items[1].step_x, 128);
    EXPECT_EQ(layers.items[1].width, 500);
    EXPECT_EQ(layers.items[2].origin_y, 400);
    EXPECT_EQ(layers.items[2].step_x, 800);
    EXPECT_EQ(layers.items[2].step_y, 5);
    EXPECT_EQ(layers.items[2].height, 10);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQ(layers.items[i].halo_x, 0) << i;
}

TEST_F(VrtLayers, relative_path_in_a_file) {
    const std::string path = make_tiff("near.tif", 300, 300, GDT_Byte, 1, Tiled256);
    GDALDatasetH source = keep(GDALOpen(path.c_str(), GA_ReadOnly));
    GDALClose(GDALCreateCopy(GDALGetDriverByName("VRT"), "/vsimem/layers/near.vrt", source, FALSE, nullptr, nullptr,
                             nullptr));
    paths.push_back("/vsimem/layers/near.vrt");
    GDALDatasetH vrt = keep(GDALOpen("/vsimem/layers/near.vrt", GA_ReadOnly));
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    EXPECT_EQ(layers.items[0].path, path);
}

// --- spans --------------------------------------------------------------------------------------------

TEST_F(VrtLayers, span_by_hand) {
    const std::string path = make_tiff("span.tif", 1024, 1024, GDT_Byte, 1, Tiled256);
    const uint64_t block = stf_source_cached_block_bytes(256 * 256);
    // In step, no halo: one row of blocks at a time, 4 columns (and one more, should it begin between two).
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-a_nodata 0")));
    EXPECT_EQ(stf_vrt_layers_span_bytes(&layers, 1024, 256), 5 * block);
    // Windows that are no multiple of the blocks lie across two rows of them.
    EXPECT_EQ(stf_vrt_layers_span_bytes(&layers, 1024, 100), 2 * 5 * block);
    stf_vrt_layers_free(&layers);
    // With a halo the rows before are kept.
    ASSERT_NO_FATAL_FAILURE(read(translate(path, "-outsize 50% 50% -r cubic")));
    EXPECT_EQ(stf_vrt_layers_span_bytes(&layers, 512, 128), 2 * 5 * block);
}

TEST_F(VrtLayers, span_of_a_tall_mosaic_is_that_of_its_widest_place) {
    // Ten rasters one above the other: rows never need more than the ones that are near.
    std::vector<std::string> names;
    std::vector<const char *> pointers;
    for (int i = 0; i < 10; i++)
        names.push_back(make_tiff(("m" + std::to_string(i) + ".tif").c_str(), 512, 1024, GDT_Byte, 1, Tiled256, 0,
                                  10240 - 1024 * i));
    for (const std::string &name : names)
        pointers.push_back(name.c_str());
    GDALDatasetH vrt = keep(GDALBuildVRT("", 10, nullptr, pointers.data(), nullptr, nullptr));
    ASSERT_NO_FATAL_FAILURE(read(vrt));
    const uint64_t block = stf_source_cached_block_bytes(256 * 256);
    const uint64_t span = stf_vrt_layers_span_bytes(&layers, 10240, 256);
    EXPECT_GE(span, 2 * block);
    EXPECT_LE(span, 2 * 2 * 3 * block) << "two rasters meet at one place, two rows of three blocks of each";
}

// --- what is refused ----------------------------------------------------------------------------------

TEST_F(VrtLayers, what_does_not_tell_enough) {
    const std::string path = make_tiff("h.tif", 300, 300, GDT_Byte, 1, Tiled256);
    // A derived band may read anything.
    const std::string derived =
        "<VRTDataset rasterXSize='300' rasterYSize='300'><VRTRasterBand dataType='Byte' band='1' "
        "subClass='VRTDerivedRasterBand'><PixelFunctionType>sqrt</PixelFunctionType>"
        "<SimpleSource><SourceFilename>" +
        path + "</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>";
    // A source that is not there.
    const std::string missing =
        "<VRTDataset rasterXSize='300' rasterYSize='300'><VRTRasterBand dataType='Byte' band='1'>"
        "<SimpleSource><SourceFilename>/vsimem/layers/none.tif</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>";
    // Bands without any source.
    const std::string empty =
        "<VRTDataset rasterXSize='300' rasterYSize='300'><VRTRasterBand dataType='Byte' band='1'/>"
        "</VRTDataset>";
    for (const std::string &xml : {derived, missing, empty}) {
        CPLPushErrorHandler(CPLQuietErrorHandler);
        GDALDatasetH vrt = keep(GDALOpen(xml.c_str(), GA_ReadOnly));
        ASSERT_NE(vrt, nullptr);
        EXPECT_FALSE(stf_vrt_layers_read(vrt, &layers)) << xml;
        CPLPopErrorHandler();
        EXPECT_EQ(layers.items, nullptr);
        EXPECT_EQ(layers.count, 0u);
    }
    GDALDatasetH source = keep(GDALOpen(path.c_str(), GA_ReadOnly));
    GDALDatasetH warped = keep(GDALAutoCreateWarpedVRT(source, nullptr, nullptr, GRA_Cubic, 0, nullptr));
    ASSERT_NE(warped, nullptr);
    EXPECT_FALSE(stf_vrt_layers_read(warped, &layers));
    EXPECT_FALSE(stf_vrt_layers_read(source, &layers)) << "not a VRT at all";
}

} // namespace
