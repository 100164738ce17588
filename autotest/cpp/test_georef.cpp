// What GTiff's CreateCopy would say of a source, taken over tag by tag: a file with the harvested tags
// and other tiles must read, in GDAL, like the one GTiff itself wrote.
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal.h"
#include "georef.h"
#include "gtest/gtest.h"
#include "ogr_srs_api.h"
#include "tiff.h"

namespace {

const char *const OURS = "/vsimem/test_georef/ours.tif";
const char *const GTIFF = "/vsimem/test_georef/gtiff.tif";

std::string Wkt(int epsg) {
    OGRSpatialReferenceH srs = OSRNewSpatialReference(nullptr);
    OSRImportFromEPSG(srs, epsg);
    char *wkt = nullptr;
    OSRExportToWkt(srs, &wkt);
    std::string text = wkt;
    CPLFree(wkt);
    OSRDestroySpatialReference(srs);
    return text;
}

struct Source {
    explicit Source(GDALDataType type, int bands = 1)
        : ds(GDALCreate(GDALGetDriverByName("MEM"), "", 16, 16, bands, type, nullptr)) {}
    ~Source() { GDALClose(ds); }
    Source(const Source &) = delete;
    Source &operator=(const Source &) = delete;
    GDALRasterBandH Band(int i) const { return GDALGetRasterBand(ds, i); }
    void Place(int epsg) {
        double transform[6] = {440720, 60, 0, 3751320, 0, -60};
        GDALSetGeoTransform(ds, transform);
        GDALSetProjection(ds, Wkt(epsg).c_str());
    }
    GDALDatasetH ds;
};

using Messages = std::vector<std::pair<CPLErr, std::string>>;

void CPL_STDCALL Collect(CPLErr level, CPLErrorNum, const char *text) {
    if (level >= CE_Warning)
        static_cast<Messages *>(CPLGetErrorHandlerUserData())->emplace_back(level, text);
}

std::vector<std::string> MemoryFiles() {
    std::vector<std::string> names;
    CPLStringList list(VSIReadDirRecursive("/vsimem/"));
    for (int i = 0; i < list.size(); i++)
        names.push_back(list[i]);
    return names;
}

std::string Metadata(GDALMajorObjectH object) {
    std::string all;
    CPLStringList domains(GDALGetMetadataDomainList(object));
    for (int i = 0; i < domains.size(); i++) {
        // Of the pixels' layout, not of the raster.
        if (EQUAL(domains[i], "IMAGE_STRUCTURE") || EQUAL(domains[i], "DERIVED_SUBDATASETS"))
            continue;
        all += std::string("[") + domains[i] + "]";
        CSLConstList items = GDALGetMetadata(object, domains[i]);
        for (int k = 0; items && items[k]; k++)
            all += std::string(items[k]) + ";";
    }
    return all;
}

std::string BandText(GDALRasterBandH band) {
    int flag = 0;
    std::string text = CPLSPrintf("%s %s ", GDALGetDataTypeName(GDALGetRasterDataType(band)),
                                  GDALGetColorInterpretationName(GDALGetRasterColorInterpretation(band)));
    const GDALDataType type = GDALGetRasterDataType(band);
    if (type == GDT_Int64)
        text +=
            CPLSPrintf("nodata " CPL_FRMT_GIB " ", static_cast<GIntBig>(GDALGetRasterNoDataValueAsInt64(band, &flag)));
    else if (type == GDT_UInt64)
        text += CPLSPrintf("nodata " CPL_FRMT_GUIB " ",
                           static_cast<GUIntBig>(GDALGetRasterNoDataValueAsUInt64(band, &flag)));
    else
        text += CPLSPrintf("nodata %.17g ", GDALGetRasterNoDataValue(band, &flag));
    text += CPLSPrintf("%d scale %.17g offset %.17g unit %s name %s ", flag, GDALGetRasterScale(band, nullptr),
                       GDALGetRasterOffset(band, nullptr), GDALGetRasterUnitType(band), GDALGetDescription(band));
    const char *sign = GDALGetMetadataItem(band, "PIXELTYPE", "IMAGE_STRUCTURE");
    text += sign ? sign : "";
    if (GDALColorTableH table = GDALGetRasterColorTable(band)) {
        for (int i = 0; i < GDALGetColorEntryCount(table); i++) {
            const GDALColorEntry *entry = GDALGetColorEntry(table, i);
            text += CPLSPrintf("%d,%d,%d,%d ", entry->c1, entry->c2, entry->c3, entry->c4);
        }
    }
    char **categories = GDALGetRasterCategoryNames(band);
    for (int i = 0; categories && categories[i]; i++)
        text += std::string(categories[i]) + "|";
    return text + Metadata(band);
}

// All that GDAL says of a file, but for pixels and their layout.
std::string Describe(const char *path) {
    GDALDatasetH ds = GDALOpen(path, GA_ReadOnly);
    if (!ds)
        return "cannot be opened";
    double t[6] = {0, 0, 0, 0, 0, 0};
    const int has_transform = GDALGetGeoTransform(ds, t);
    std::string text =
        CPLSPrintf("%d: %.17g %.17g %.17g %.17g %.17g %.17g\n", has_transform, t[0], t[1], t[2], t[3], t[4], t[5]);
    text += std::string(GDALGetProjectionRef(ds)) + "\n" + GDALGetGCPProjection(ds) + "\n";
    for (int i = 0; i < GDALGetGCPCount(ds); i++) {
        const GDAL_GCP &gcp = GDALGetGCPs(ds)[i];
        text += CPLSPrintf("gcp %.17g %.17g %.17g %.17g %.17g\n", gcp.dfGCPPixel, gcp.dfGCPLine, gcp.dfGCPX, gcp.dfGCPY,
                           gcp.dfGCPZ);
    }
    text += Metadata(ds) + "\n";
    for (int i = 1; i <= GDALGetRasterCount(ds); i++)
        text += BandText(GDALGetRasterBand(ds, i)) + "\n";
    GDALClose(ds);
    return text;
}

class GeorefTest : public testing::Test {
  public:
    static void SetUpTestSuite() { GDALAllRegister(); }

  protected:
    void TearDown() override {
        stf_georef_free(&georef);
        VSIRmdirRecursive("/vsimem/test_georef");
        EXPECT_TRUE(MemoryFiles().empty()) << MemoryFiles()[0];
    }

    // A file of sparse 32 x 32 tiles with the harvested tags.
    void WriteOurs(const Source &source, const CPLStringList &options) {
        ASSERT_TRUE(stf_georef_harvest(source.ds, "out.tif", true, options.List(), &georef, &error)) << error.text;
        for (int tag : {254, 256, 257, 259, 273, 278, 279, 284, 317, 322, 323, 324, 325})
            EXPECT_FALSE(stf_tag_list_find(&georef.tags, static_cast<uint16_t>(tag))) << tag;
        const int bands = GDALGetRasterCount(source.ds);
        stf_tag_list *tags = &georef.tags;
        stf_tag_list_set_long(tags, TIFFTAG_IMAGEWIDTH, 64, &error);
        stf_tag_list_set_long(tags, TIFFTAG_IMAGELENGTH, 50, &error);
        stf_tag_list_set_short(tags, TIFFTAG_COMPRESSION, COMPRESSION_NONE, &error);
        stf_tag_list_set_short(tags, TIFFTAG_SAMPLESPERPIXEL, static_cast<uint16_t>(bands), &error);
        stf_tag_list_set_short(tags, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG, &error);
        stf_tag_list_set_long(tags, TIFFTAG_TILEWIDTH, 32, &error);
        stf_tag_list_set_long(tags, TIFFTAG_TILELENGTH, 32, &error);
        stf_tiff_file *file = stf_tiff_file_create(OURS, true, 4, &error);
        ASSERT_TRUE(file) << error.text;
        const stf_image_tags image = {true, tags};
        ASSERT_TRUE(stf_tiff_file_finish(file, &image, &error)) << error.text;
        ASSERT_TRUE(stf_georef_write_sidecar(&georef, OURS, &error)) << error.text;
    }

    // Compares with GTiff's own copy: what GDAL reads, and what was said while writing.
    void ExpectLikeGtiff(const Source &source, const CPLStringList &options = CPLStringList()) {
        Messages gtiff_said, we_said;
        CPLPushErrorHandlerEx(Collect, &gtiff_said);
        GDALDatasetH copy =
            GDALCreateCopy(GDALGetDriverByName("GTiff"), GTIFF, source.ds, TRUE, options.List(), nullptr, nullptr);
        GDALClose(copy);
        CPLPopErrorHandler();
        CPLPushErrorHandlerEx(Collect, &we_said);
        WriteOurs(source, options);
        CPLPopErrorHandler();
        EXPECT_EQ(we_said, gtiff_said);
        EXPECT_EQ(Describe(OURS), Describe(GTIFF));
        VSIStatBufL status;
        EXPECT_EQ(VSIStatL((std::string(OURS) + ".aux.xml").c_str(), &status),
                  VSIStatL((std::string(GTIFF) + ".aux.xml").c_str(), &status));
    }

    stf_georef georef{};
    stf_error error{};
};

TEST_F(GeorefTest, nothing_to_say) {
    ExpectLikeGtiff(Source(GDT_Byte));
    EXPECT_FALSE(stf_side_files_any(&georef.side_files));
}

TEST_F(GeorefTest, every_type) {
    for (GDALDataType type : {GDT_Byte, GDT_UInt16, GDT_Int16, GDT_UInt32, GDT_Int32, GDT_UInt64, GDT_Int64,
                              GDT_Float32, GDT_Float64, GDT_CInt16, GDT_CInt32, GDT_CFloat32, GDT_CFloat64}) {
        ExpectLikeGtiff(Source(type, 2));
        const stf_tag *bits = stf_tag_list_find(&georef.tags, TIFFTAG_BITSPERSAMPLE);
        ASSERT_TRUE(bits);
        EXPECT_EQ(static_cast<const uint16_t *>(bits->values)[0], GDALGetDataTypeSizeBits(type));
        stf_georef_free(&georef);
    }
}

TEST_F(GeorefTest, projected_dem) {
    Source source(GDT_Float32);
    source.Place(26711);
    GDALSetRasterNoDataValue(source.Band(1), -9999.5);
    GDALSetRasterUnitType(source.Band(1), "m");
    GDALSetRasterScale(source.Band(1), 0.01);
    GDALSetRasterOffset(source.Band(1), 7);
    GDALSetDescription(source.Band(1), "height");
    GDALSetMetadataItem(source.ds, "AREA_OR_POINT", "Point", nullptr);
    GDALSetMetadataItem(source.ds, "TIFFTAG_SOFTWARE", "a test", nullptr);
    GDALSetMetadataItem(source.ds, "KEY", "value <with> &", nullptr);
    GDALSetMetadataItem(source.ds, "OTHER", "of a domain", "DOMAIN");
    GDALSetMetadataItem(source.Band(1), "STATISTICS_MINIMUM", "3", nullptr);
    ExpectLikeGtiff(source);
}

TEST_F(GeorefTest, rotated_geographic) {
    Source source(GDT_Int16);
    source.Place(4326);
    double transform[6] = {3, 0.1, 0.01, 50, 0.02, -0.1};
    GDALSetGeoTransform(source.ds, transform);
    ExpectLikeGtiff(source);
}

TEST_F(GeorefTest, vertical_reference) {
    Source source(GDT_Float64);
    source.Place(7415);
    GDALSetRasterScale(source.Band(1), 0.1);
    ExpectLikeGtiff(source);
}

TEST_F(GeorefTest, colours) {
    Source palette(GDT_Byte);
    GDALColorTableH table = GDALCreateColorTable(GPI_RGB);
    for (short i = 0; i < 256; i++) {
        const GDALColorEntry entry = {i, static_cast<short>(255 - i), static_cast<short>(i / 2), 255};
        GDALSetColorEntry(table, i, &entry);
    }
    GDALSetRasterColorTable(palette.Band(1), table);
    GDALDestroyColorTable(table);
    ExpectLikeGtiff(palette);
    stf_georef_free(&georef);

    Source rgba(GDT_Byte, 5);
    const GDALColorInterp kinds[] = {GCI_RedBand, GCI_GreenBand, GCI_BlueBand, GCI_AlphaBand, GCI_Undefined};
    for (int i = 0; i < 5; i++)
        GDALSetRasterColorInterpretation(rgba.Band(i + 1), kinds[i]);
    ExpectLikeGtiff(rgba);
    stf_georef_free(&georef);
    CPLStringList options;
    options.AddString("PHOTOMETRIC=MINISBLACK");
    options.AddString("ALPHA=UNSPECIFIED");
    ExpectLikeGtiff(rgba, options);
}

TEST_F(GeorefTest, categories_go_to_the_sidecar) {
    Source source(GDT_Byte);
    CPLStringList names;
    names.AddString("water");
    names.AddString("land");
    GDALSetRasterCategoryNames(source.Band(1), names.List());
    ExpectLikeGtiff(source);
    ASSERT_TRUE(georef.side_files.bytes[0]);
    EXPECT_NE(std::string(reinterpret_cast<const char *>(georef.side_files.bytes[0]), georef.side_files.sizes[0])
                  .find("land"),
              std::string::npos);
}

TEST_F(GeorefTest, ground_control_points) {
    Source source(GDT_Byte);
    GDAL_GCP points[4];
    GDALInitGCPs(4, points);
    for (int i = 0; i < 4; i++) {
        points[i].dfGCPPixel = i % 2 * 15 + 0.5;
        points[i].dfGCPLine = i / 2 * 15;
        points[i].dfGCPX = 3 + i % 2 * 0.1;
        points[i].dfGCPY = 50 - i / 2 * 0.07;
        points[i].dfGCPZ = i;
    }
    GDALSetGCPs(source.ds, 4, points, Wkt(4326).c_str());
    GDALDeinitGCPs(4, points);
    ExpectLikeGtiff(source);
    stf_georef_free(&georef);
    GDALSetMetadataItem(source.ds, "AREA_OR_POINT", "Point", nullptr);
    ExpectLikeGtiff(source);
}

TEST_F(GeorefTest, rational_polynomials) {
    Source source(GDT_UInt16);
    const char *const keys[] = {"LINE_OFF",   "SAMP_OFF",   "LAT_OFF",   "LONG_OFF",   "HEIGHT_OFF",
                                "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE"};
    for (const char *key : keys)
        GDALSetMetadataItem(source.ds, key, "12.5", "RPC");
    const char *const polynomials[] = {"LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"};
    for (const char *key : polynomials)
        GDALSetMetadataItem(source.ds, key, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20", "RPC");
    ExpectLikeGtiff(source);
}

TEST_F(GeorefTest, profiles) {
    for (const char *profile : {"PROFILE=BASELINE", "PROFILE=GeoTIFF"}) {
        Source source(GDT_Byte);
        source.Place(32632);
        GDALSetMetadataItem(source.ds, "KEY", "value", nullptr);
        GDALSetRasterNoDataValue(source.Band(1), 7);
        CPLStringList options;
        options.AddString(profile);
        ExpectLikeGtiff(source, options);
        stf_georef_free(&georef);
    }
}

TEST_F(GeorefTest, ycbcr) {
    Source source(GDT_Byte, 3);
    CPLStringList options;
    options.AddString("PHOTOMETRIC=YCBCR");
    options.AddString("COMPRESS=JPEG");
    ASSERT_TRUE(stf_georef_harvest(source.ds, "out.tif", true, options.List(), &georef, &error)) << error.text;
    const stf_tag *photometric = stf_tag_list_find(&georef.tags, TIFFTAG_PHOTOMETRIC);
    ASSERT_TRUE(photometric);
    EXPECT_EQ(*static_cast<const uint16_t *>(photometric->values), PHOTOMETRIC_YCBCR);
}

// The source says that one bit would do: GTiff takes that over.
TEST_F(GeorefTest, bits_of_the_source) {
    Source source(GDT_Byte, 2);
    GDALSetMetadataItem(source.Band(1), "NBITS", "1", "IMAGE_STRUCTURE");
    WriteOurs(source, CPLStringList());
    const stf_tag *bits = stf_tag_list_find(&georef.tags, TIFFTAG_BITSPERSAMPLE);
    ASSERT_TRUE(bits);
    EXPECT_EQ(static_cast<const uint16_t *>(bits->values)[0], 1);
}

// What GTiff says of its template comes later, and names the target.
TEST_F(GeorefTest, messages_are_kept) {
    Source source(GDT_Int16);
    CPLStringList options;
    options.AddString("NBITS=4");
    Messages said;
    CPLPushErrorHandlerEx(Collect, &said);
    bool done = stf_georef_harvest(source.ds, "out.tif", true, options.List(), &georef, &error);
    EXPECT_TRUE(said.empty());
    if (done)
        stf_georef_raise_messages(&georef);
    CPLPopErrorHandler();
    ASSERT_TRUE(done) << error.text;
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0].second.find("out.tif"), 0u) << said[0].second;
}

TEST_F(GeorefTest, two_at_once) {
    Source one(GDT_Byte), two(GDT_Float32);
    one.Place(32632);
    stf_georef second{};
    ASSERT_TRUE(stf_georef_harvest(one.ds, "out.tif", true, nullptr, &georef, &error));
    ASSERT_TRUE(stf_georef_harvest(two.ds, "out.tif", true, nullptr, &second, &error));
    EXPECT_TRUE(stf_tag_list_find(&georef.tags, 34735));
    EXPECT_FALSE(stf_tag_list_find(&second.tags, 34735));
    stf_georef_free(&second);
}

// An error of GTiff's is the call's, raised by nobody yet; nothing is left.
TEST_F(GeorefTest, gtiff_refuses) {
    Source source(GDT_Byte, 0);
    Messages said;
    CPLPushErrorHandlerEx(Collect, &said);
    EXPECT_FALSE(stf_georef_harvest(source.ds, "out.tif", true, nullptr, &georef, &error));
    CPLPopErrorHandler();
    EXPECT_TRUE(said.empty());
    EXPECT_NE(error.number, 0);
    EXPECT_NE(std::string(error.text), "");
    EXPECT_EQ(georef.tags.count, 0u);
}

TEST_F(GeorefTest, sidecar_cannot_be_written) {
    georef.side_files.bytes[0] = reinterpret_cast<unsigned char *>(VSIStrdup("<PAMDataset/>"));
    georef.side_files.sizes[0] = strlen("<PAMDataset/>");
    EXPECT_TRUE(stf_georef_write_sidecar(&georef, "/vsistdout/", &error));
    EXPECT_FALSE(stf_georef_write_sidecar(&georef, "/nowhere/at/all.tif", &error));
    EXPECT_EQ(error.number, CPLE_FileIO);
}

} // namespace
