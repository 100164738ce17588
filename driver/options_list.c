/* The creation option list that GDAL validates against and shows in `gdalinfo --format`. */
#include "options_internal.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_minixml.h"
#include "gdal_version.h"
#include "tiffio.h"

typedef struct option_entry {
    const char *name;
    const char *type;
    const char *fallback; /* the default, or NULL */
    const char *min;
    const char *max;
    const char *values; /* of a string-select: names joined by '|', "NAME=OTHER" for an alias of OTHER */
    const char *description;
    uint16_t codec; /* listed only where libtiff has it; COMPRESSION_NONE: always */
} option_entry;

static const option_entry option_entries[] = {
    {"LAYOUT", "string-select", "GTIFF", NULL, NULL, "GTIFF|COG",
     "Layout of the file: a plain GeoTIFF, or a cloud-optimised one with overviews. Each has options of its own",
     COMPRESSION_NONE},
    {"COMPRESS", "string-select", "DEFLATE", NULL, NULL, NULL, "Compression method", COMPRESSION_NONE},
    {"PREDICTOR", "string-select", "YES", NULL, NULL,
     "YES|NO|STANDARD|FLOATING_POINT|1=NO|2=STANDARD|3=FLOATING_POINT|TRUE=YES|ON=YES|FALSE=NO|OFF=NO",
     "Predictor of DEFLATE, LZW and ZSTD. YES: 3 for floating point, 2 for integers, none for complex types",
     COMPRESSION_NONE},
    {"LEVEL", "int", NULL, "0", "22", NULL,
     "Compression level: 1-12 for DEFLATE (10-12 with libdeflate), 1-22 for ZSTD, 0-9 for LZMA", COMPRESSION_NONE},
    {"ZLEVEL", "int", "6", "1", "12", NULL, "DEFLATE compression level 1-9, with libdeflate 1-12",
     COMPRESSION_ADOBE_DEFLATE},
    {"ZSTD_LEVEL", "int", "9", "1", "22", NULL, "ZSTD compression level 1 (fast) to 22 (slow)", COMPRESSION_ZSTD},
    {"LZMA_PRESET", "int", "6", "0", "9", NULL, "LZMA compression level 0 (fast) to 9 (slow)", COMPRESSION_LZMA},
    {"MAX_Z_ERROR", "float", "0", "0", NULL, NULL, "Maximum error for LERC compression", COMPRESSION_LERC},
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 8, 0)
    {"MAX_Z_ERROR_OVERVIEW", "float", NULL, "0", NULL, NULL,
     "Maximum error for LERC compression of overviews that are added later", COMPRESSION_LERC},
#endif
    {"JPEG_QUALITY", "int", "75", "1", "100", NULL, "JPEG quality", COMPRESSION_JPEG},
    {"JPEGTABLESMODE", "int", "1", "0", "3", NULL,
     "Tables that all JPEG tiles share: 0 none, 1 quantization, 2 Huffman, 3 both", COMPRESSION_JPEG},
    {"WEBP_LEVEL", "int", "75", "1", "100", NULL, "WEBP quality level; low values give smaller files",
     COMPRESSION_WEBP},
    {"WEBP_LOSSLESS", "boolean", "NO", NULL, NULL, NULL, "Whether WEBP compression should be lossless",
     COMPRESSION_WEBP},
    {"NBITS", "int", NULL, "1", "32", NULL,
     "Bits of a sample in the file: 1-7 for Byte, 9-15 for UInt16, 17-31 for UInt32, 16 for Float32", COMPRESSION_NONE},
    {"DISCARD_LSB", "string", NULL, NULL, NULL, NULL,
     "Number of least significant bits to round away, one for all bands or one for each: 0,1,2", COMPRESSION_NONE},
    {"TILED", "boolean", "YES", NULL, NULL, NULL, "Tiles (YES) or strips (NO)", COMPRESSION_NONE},
    {"BLOCKXSIZE", "int", "512", "16", NULL, NULL, "Tile width, a multiple of 16", COMPRESSION_NONE},
    {"BLOCKYSIZE", "int", NULL, "1", NULL, NULL,
     "Tile height, a multiple of 16 (default 512), or strip height (default: about 8 KB)", COMPRESSION_NONE},
    {"INTERLEAVE", "string-select", "PIXEL", NULL, NULL, "BAND|PIXEL", "How the bands lie in the file",
     COMPRESSION_NONE},
    {"BIGTIFF", "string-select", "IF_SAFER", NULL, NULL, "YES|NO|IF_NEEDED|IF_SAFER|TRUE=YES|ON=YES|FALSE=NO|OFF=NO",
     "Whether to write BigTIFF, decided from the largest size that the file can have", COMPRESSION_NONE},
    {"SPARSE_OK", "boolean", "NO", NULL, NULL, NULL,
     "Whether blocks of nodata only (of 0, where there is no nodata value) are left out of the file", COMPRESSION_NONE},
    {"STREAMABLE_OUTPUT", "boolean", "NO", NULL, NULL, NULL,
     "Whether the directory comes first, and the blocks in their order, so that the file can be read from a pipe. "
     "Without COMPRESS, SPARSE_OK and COPY_SRC_OVERVIEWS",
     COMPRESSION_NONE},
    {"ENDIANNESS", "string-select", "NATIVE", NULL, NULL, "NATIVE|INVERTED|LITTLE|BIG", "Byte order of the file",
     COMPRESSION_NONE},
    {"NUM_THREADS", "string", "ALL_CPUS", NULL, NULL, NULL,
     "Number of threads, or ALL_CPUS. Fewer are used where the memory cap asks for it", COMPRESSION_NONE},
    {"MEMORY_CAP", "string", NULL, NULL, NULL, NULL,
     "Upper bound of the memory of this copy: 64MB, 1.5GB, bytes, or a percentage of the usable memory (5%). Default: "
     "the configuration option STREAMTIFF_MEMORY_CAP, else the least of the GDAL cache limit and 5%",
     COMPRESSION_NONE},
    {"MEMORY_CAP_STRICT", "boolean", "NO", NULL, NULL, NULL,
     "Whether to fail where MEMORY_CAP is too small, instead of raising it with a warning", COMPRESSION_NONE},
    {"DIRECT_DECODE", "string-select", "AUTO", NULL, NULL, "AUTO|NO",
     "Whether blocks of a plain GeoTIFF are read and decoded without GDAL (AUTO: where that gives the same pixels)",
     COMPRESSION_NONE},
    {"PASSTHROUGH", "string-select", "AUTO", NULL, NULL, "AUTO|YES|NO",
     "Whether tiles of a plain GeoTIFF are copied as they are, compressed, instead of being decoded and encoded again. "
     "AUTO: where they are what would be written, and no level or quality was asked for; YES: fail where that cannot "
     "be",
     COMPRESSION_NONE},
    {"DERIVE", "string", NULL, NULL, NULL, NULL,
     "What to write instead of the source: a command line of gdaldem without its files, such as slope -s 111120, or "
     "color-relief COLOURS -alpha. Computed window by window, each block of the source is decoded once",
     COMPRESSION_NONE},
    {"DERIVE_KERNEL", "string-select", "FAST", NULL, NULL, "FAST|GDAL",
     "Who computes DERIVE: kernels of the driver where it has one (slope, aspect and hillshade; slope and aspect "
     "differ from "
     "gdaldem's by the last bit in at most one pixel in a million); or gdaldem's own",
     COMPRESSION_NONE},
    {"PHOTOMETRIC", "string-select", NULL, NULL, NULL,
     "MINISBLACK|MINISWHITE|PALETTE|RGB|CMYK|YCBCR|CIELAB|ICCLAB|ITULAB", "Photometric interpretation",
     COMPRESSION_NONE},
    {"ALPHA", "string-select", NULL, NULL, NULL,
     "NON-PREMULTIPLIED|PREMULTIPLIED|UNSPECIFIED|YES=NON-PREMULTIPLIED|NO=UNSPECIFIED",
     "Mark the first extra sample as alpha", COMPRESSION_NONE},
    {"PROFILE", "string-select", "GDALGeoTIFF", NULL, NULL, "GDALGeoTIFF|GeoTIFF|BASELINE",
     "Which tags are written into the file", COMPRESSION_NONE},
    {"TFW", "boolean", "NO", NULL, NULL, NULL, "Whether to write a world file, .tfw", COMPRESSION_NONE},
    {"RPB", "boolean", "NO", NULL, NULL, NULL, "Whether to write RPC coefficients to a file .RPB", COMPRESSION_NONE},
    {"RPCTXT", "boolean", "NO", NULL, NULL, NULL, "Whether to write RPC coefficients to a file _RPC.TXT",
     COMPRESSION_NONE},
    {"PIXELTYPE", "string-select", NULL, NULL, NULL, "DEFAULT|SIGNEDBYTE", "Type of Byte samples", COMPRESSION_NONE},
    {"GEOTIFF_KEYS_FLAVOR", "string-select", "STANDARD", NULL, NULL, "STANDARD|ESRI_PE",
     "Which flavor of GeoTIFF keys is written", COMPRESSION_NONE},
    {"GEOTIFF_VERSION", "string-select", "AUTO", NULL, NULL, "AUTO|1.0|1.1", "Which version of GeoTIFF is written",
     COMPRESSION_NONE},
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 8, 0)
    {"COPY_SRC_MDD", "string-select", "AUTO", NULL, NULL, "AUTO|YES|NO", "Whether the metadata of the source is copied",
     COMPRESSION_NONE},
    {"SRC_MDD", "string", NULL, NULL, NULL, NULL, "Metadata domain of the source to copy; may be given several times",
     COMPRESSION_NONE},
#endif
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    {"COLOR_TABLE_MULTIPLIER", "string-select", "257", NULL, NULL, "1|256|257",
     "Factor from 8-bit color table entries to the 16-bit ones of TIFF", COMPRESSION_NONE},
#endif
    {"COPY_SRC_OVERVIEWS", "boolean", "NO", NULL, NULL, NULL,
     "Whether the overviews of the source are copied; the file is then laid out as a cloud-optimised one",
     COMPRESSION_NONE},
    {"BLOCKSIZE", "int", "512", "128", NULL, NULL, "COG: width and height of a tile, a multiple of 16",
     COMPRESSION_NONE},
    {"QUALITY", "int", "75", "1", "100", NULL, "COG: JPEG/WEBP quality", COMPRESSION_NONE},
    {"OVERVIEWS", "string-select", "AUTO", NULL, NULL, "AUTO|IGNORE_EXISTING|FORCE_USE_EXISTING|NONE",
     "COG: overviews. AUTO and IGNORE_EXISTING compute them, FORCE_USE_EXISTING copies those of the source",
     COMPRESSION_NONE},
    {"OVERVIEW_COUNT", "int", NULL, "0", NULL, NULL, "COG: number of overviews", COMPRESSION_NONE},
    {"OVERVIEW_COMPRESS", "string-select", NULL, NULL, NULL, NULL,
     "COG: compression method of overviews. Default: that of the raster", COMPRESSION_NONE},
    {"OVERVIEW_PREDICTOR", "string-select", NULL, NULL, NULL,
     "YES|NO|STANDARD|FLOATING_POINT|1=NO|2=STANDARD|3=FLOATING_POINT|TRUE=YES|ON=YES|FALSE=NO|OFF=NO",
     "COG: predictor of overviews. Default: that of the raster", COMPRESSION_NONE},
    {"OVERVIEW_QUALITY", "int", NULL, "1", "100", NULL,
     "COG: JPEG/WEBP quality of overviews. Default: that of the raster", COMPRESSION_NONE},
    {"RESAMPLING", "string", NULL, NULL, NULL, NULL,
     "COG: resampling method of overviews and warping. Default: CUBIC, NEAREST where there is a colour table",
     COMPRESSION_NONE},
    {"OVERVIEW_RESAMPLING", "string", NULL, NULL, NULL, NULL, "COG: resampling method of overviews", COMPRESSION_NONE},
    {"WARP_RESAMPLING", "string", NULL, NULL, NULL, NULL, "COG: resampling method of a reprojection", COMPRESSION_NONE},
    {"TILING_SCHEME", "string", "CUSTOM", NULL, NULL, NULL,
     "COG: tiling scheme to reproject to: a name that GDAL knows, such as GoogleMapsCompatible, or its JSON definition",
     COMPRESSION_NONE},
    {"ZOOM_LEVEL", "int", NULL, "0", NULL, NULL, "COG: zoom level of the tiling scheme", COMPRESSION_NONE},
    {"ZOOM_LEVEL_STRATEGY", "string-select", "AUTO", NULL, NULL, "AUTO|LOWER|UPPER",
     "COG: how the zoom level of the tiling scheme is chosen", COMPRESSION_NONE},
    {"ALIGNED_LEVELS", "int", NULL, "0", NULL, NULL,
     "COG: number of zoom levels whose tiles are to be those of the tiling scheme", COMPRESSION_NONE},
    {"TARGET_SRS", "string", NULL, NULL, NULL, NULL, "COG: CRS to reproject to, as EPSG:XXXX, WKT or PROJ string",
     COMPRESSION_NONE},
    {"RES", "float", NULL, NULL, NULL, NULL, "COG: resolution of a reprojection", COMPRESSION_NONE},
    {"EXTENT", "string", NULL, NULL, NULL, NULL, "COG: extent of a reprojection, as minx,miny,maxx,maxy",
     COMPRESSION_NONE},
    {"STATISTICS", "string-select", "AUTO", NULL, NULL, "AUTO|YES=TRUE=ON=1|NO=FALSE=OFF=0",
     "COG: whether statistics of the bands are in the file. YES computes them on the way, AUTO keeps those of the "
     "source",
     COMPRESSION_NONE},
    {"ADD_ALPHA", "boolean", "YES", NULL, NULL, NULL,
     "COG: whether a reprojection adds an alpha band where there is no nodata", COMPRESSION_NONE},
    {"SOURCE_ICC_PROFILE", "string", NULL, NULL, NULL, NULL, "ICC profile, in base64", COMPRESSION_NONE},
    {"SOURCE_PRIMARIES_RED", "string", NULL, NULL, NULL, NULL, "x,y,1.0 (xyY) red chromaticity", COMPRESSION_NONE},
    {"SOURCE_PRIMARIES_GREEN", "string", NULL, NULL, NULL, NULL, "x,y,1.0 (xyY) green chromaticity", COMPRESSION_NONE},
    {"SOURCE_PRIMARIES_BLUE", "string", NULL, NULL, NULL, NULL, "x,y,1.0 (xyY) blue chromaticity", COMPRESSION_NONE},
    {"SOURCE_WHITEPOINT", "string", NULL, NULL, NULL, NULL, "x,y,1.0 (xyY) whitepoint", COMPRESSION_NONE},
    {"TIFFTAG_TRANSFERFUNCTION_RED", "string", NULL, NULL, NULL, NULL, "Transfer function for red", COMPRESSION_NONE},
    {"TIFFTAG_TRANSFERFUNCTION_GREEN", "string", NULL, NULL, NULL, NULL, "Transfer function for green",
     COMPRESSION_NONE},
    {"TIFFTAG_TRANSFERFUNCTION_BLUE", "string", NULL, NULL, NULL, NULL, "Transfer function for blue", COMPRESSION_NONE},
    {"TIFFTAG_TRANSFERRANGE_BLACK", "string", NULL, NULL, NULL, NULL, "Transfer range for black", COMPRESSION_NONE},
    {"TIFFTAG_TRANSFERRANGE_WHITE", "string", NULL, NULL, NULL, NULL, "Transfer range for white", COMPRESSION_NONE},
};

/* What GTiff notes in the directory, refuses or warns of. Not levels: the template's codec is to stay small. */
static const char *const template_names[] = {
    "NBITS",
    "PREDICTOR",
    "JPEG_QUALITY",
    "JPEGTABLESMODE",
    "MAX_Z_ERROR",
    "MAX_Z_ERROR_OVERVIEW",
    "WEBP_LEVEL",
    "WEBP_LOSSLESS",
    "PHOTOMETRIC",
    "ALPHA",
    "PROFILE",
    "TFW",
    "WORLDFILE",
    "RPB",
    "RPCTXT",
    "PIXELTYPE",
    "GEOTIFF_KEYS_FLAVOR",
    "GEOTIFF_VERSION",
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 8, 0)
    "COPY_SRC_MDD",
    "SRC_MDD",
#endif
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    "COLOR_TABLE_MULTIPLIER",
#endif
    "SOURCE_ICC_PROFILE",
    "SOURCE_PRIMARIES_RED",
    "SOURCE_PRIMARIES_GREEN",
    "SOURCE_PRIMARIES_BLUE",
    "SOURCE_WHITEPOINT",
    "TIFFTAG_TRANSFERFUNCTION_RED",
    "TIFFTAG_TRANSFERFUNCTION_GREEN",
    "TIFFTAG_TRANSFERFUNCTION_BLUE",
    "TIFFTAG_TRANSFERRANGE_BLACK",
    "TIFFTAG_TRANSFERRANGE_WHITE",
    NULL,
};

bool stf_options_is_for_template(const char *name) {
    for (const char *const *known = template_names; *known != NULL; known++)
        if (EQUAL(*known, name))
            return true;
    return false;
}

static void add_value(CPLXMLNode *option, const char *name, const char *alias_of) {
    CPLXMLNode *value = CPLCreateXMLNode(option, CXT_Element, "Value");
    if (alias_of != NULL)
        CPLAddXMLAttributeAndValue(value, "aliasOf", alias_of);
    CPLCreateXMLNode(value, CXT_Text, name);
}

static void add_values(CPLXMLNode *option, const char *values) {
    char **names = CSLTokenizeString2(values, "|", 0);
    for (char **name = names; name != NULL && *name != NULL; name++) {
        char *alias_of = strchr(*name, '=');
        if (alias_of != NULL)
            *alias_of++ = '\0';
        add_value(option, *name, alias_of);
    }
    CSLDestroy(names);
}

static void add_option(CPLXMLNode *list, const option_entry *entry) {
    CPLXMLNode *option = CPLCreateXMLNode(list, CXT_Element, "Option");
    CPLAddXMLAttributeAndValue(option, "name", entry->name);
    CPLAddXMLAttributeAndValue(option, "type", entry->type);
    CPLAddXMLAttributeAndValue(option, "description", entry->description);
    if (entry->fallback != NULL)
        CPLAddXMLAttributeAndValue(option, "default", entry->fallback);
    if (entry->min != NULL)
        CPLAddXMLAttributeAndValue(option, "min", entry->min);
    if (entry->max != NULL)
        CPLAddXMLAttributeAndValue(option, "max", entry->max);
    if (entry->values != NULL)
        add_values(option, entry->values);
    if (EQUAL(entry->name, "COMPRESS") || EQUAL(entry->name, "OVERVIEW_COMPRESS")) {
        const stf_codec_entry *codec = NULL;
        for (size_t i = 0; (codec = stf_codec_entry_at(i)) != NULL; i++)
            add_value(option, codec->name, codec->alias_of);
    }
}

char *stf_options_list_xml(void) {
    CPLXMLNode *list = CPLCreateXMLNode(NULL, CXT_Element, "CreationOptionList");
    for (size_t i = 0; i < sizeof(option_entries) / sizeof(option_entries[0]); i++)
        if (option_entries[i].codec == COMPRESSION_NONE || TIFFIsCODECConfigured(option_entries[i].codec) != 0)
            add_option(list, &option_entries[i]);
    char *xml = CPLSerializeXMLTree(list);
    CPLDestroyXMLNode(list);
    return xml;
}
