/* LAYOUT=COG: the option names of GDAL's COG driver, those of the GDAL that this is built with. What both layouts have
 * is read by the same code, under GTiff's names. */
#include "options_internal.h"

#include <limits.h>
#include <string.h>

#include "cpl_conv.h"
#include "gdal_version.h"
#include "tiffio.h"

enum { DEFAULT_OVERVIEW_BLOCK_PX = 128, LEAST_OVERVIEW_BLOCK_PX = 64, LARGEST_OVERVIEW_BLOCK_PX = 4096 };

#define HAS_NBITS (GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0))
#define HAS_INTERLEAVE (GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0))

/* --- which layout ------------------------------------------------------------------------------ */

typedef struct foreign_option {
    const char *name, *instead; /* NULL: there is nothing of the kind */
} foreign_option;

static const foreign_option only_gtiff[] = {
    {"TILED", NULL},
    {"BLOCKXSIZE", "BLOCKSIZE"},
    {"BLOCKYSIZE", "BLOCKSIZE"},
    {"ZLEVEL", "LEVEL"},
    {"ZSTD_LEVEL", "LEVEL"},
    {"LZMA_PRESET", "LEVEL"},
    {"JPEG_QUALITY", "QUALITY"},
    {"JPEGTABLESMODE", NULL},
    {"WEBP_LEVEL", "QUALITY"},
    {"WEBP_LOSSLESS", "QUALITY=100"},
#if !HAS_NBITS
    {"NBITS", NULL},
#endif
    {"DISCARD_LSB", NULL},
    {"ENDIANNESS", NULL},
    {"PHOTOMETRIC", NULL},
    {"ALPHA", NULL},
    {"PROFILE", NULL},
    {"TFW", NULL},
    {"WORLDFILE", NULL},
    {"RPB", NULL},
    {"RPCTXT", NULL},
    {"PIXELTYPE", NULL},
    {"GEOTIFF_KEYS_FLAVOR", NULL},
    {"COLOR_TABLE_MULTIPLIER", NULL},
    {"SOURCE_ICC_PROFILE", NULL},
    {"SOURCE_PRIMARIES_RED", NULL},
    {"SOURCE_PRIMARIES_GREEN", NULL},
    {"SOURCE_PRIMARIES_BLUE", NULL},
    {"SOURCE_WHITEPOINT", NULL},
    {"TIFFTAG_TRANSFERFUNCTION_RED", NULL},
    {"TIFFTAG_TRANSFERFUNCTION_GREEN", NULL},
    {"TIFFTAG_TRANSFERFUNCTION_BLUE", NULL},
    {"TIFFTAG_TRANSFERRANGE_BLACK", NULL},
    {"TIFFTAG_TRANSFERRANGE_WHITE", NULL},
    {"COPY_SRC_OVERVIEWS", "OVERVIEWS=FORCE_USE_EXISTING"},
    {"STREAMABLE_OUTPUT", NULL},
    {"JPEG_DIRECT_COPY", NULL},
    {"APPEND_SUBDATASET", NULL},
};

static const foreign_option only_cog[] = {
    {"BLOCKSIZE", "BLOCKXSIZE and BLOCKYSIZE"},
    {"QUALITY", "JPEG_QUALITY or WEBP_LEVEL"},
    {"OVERVIEWS", NULL},
    {"OVERVIEW_COUNT", NULL},
    {"OVERVIEW_RESAMPLING", NULL},
    {"OVERVIEW_COMPRESS", NULL},
    {"OVERVIEW_QUALITY", NULL},
    {"OVERVIEW_PREDICTOR", NULL},
    {"RESAMPLING", NULL},
    {"WARP_RESAMPLING", NULL},
    {"STATISTICS", NULL},
    {"TILING_SCHEME", NULL},
    {"ZOOM_LEVEL", NULL},
    {"ZOOM_LEVEL_STRATEGY", NULL},
    {"TARGET_SRS", NULL},
    {"RES", NULL},
    {"EXTENT", NULL},
    {"ALIGNED_LEVELS", NULL},
    {"ADD_ALPHA", NULL},
};

static bool refuse_foreign(CSLConstList user_options, const foreign_option *foreign, size_t count, bool is_cog,
                           stf_error *err) {
    for (size_t i = 0; i < count; i++) {
        const foreign_option *option = &foreign[i];
        if (!CSLFetchNameValue(user_options, option->name))
            continue;
        if (option->instead)
            return stf_fail(err, CPLE_IllegalArg, "%s is no option of LAYOUT=%s. Set %s.", option->name,
                            is_cog ? "COG" : "GTIFF", option->instead);
        return stf_fail(err, CPLE_IllegalArg, "%s is no option of LAYOUT=%s, only of LAYOUT=%s.", option->name,
                        is_cog ? "COG" : "GTIFF", is_cog ? "GTIFF" : "COG");
    }
    return true;
}

/* Under the names that the user gave them: further on they have others. */
static bool check_renamed(CSLConstList user_options, stf_error *err) {
    int side = 512, quality = 75;
    if (!stf_options_get_int(user_options, "BLOCKSIZE", 16, INT_MAX - 16, &side, err) ||
        !stf_options_get_int(user_options, "QUALITY", 1, 100, &quality, err) ||
        !stf_options_get_int(user_options, "OVERVIEW_QUALITY", 1, 100, &quality, err))
        return false;
    return side % 16 == 0 ||
           stf_fail(err, CPLE_IllegalArg,
                    "BLOCKSIZE=%d is not a multiple of 16, as the sides of TIFF tiles are. Use %d or %d.", side,
                    side - side % 16, side - side % 16 + 16);
}

bool stf_options_check_layout(CSLConstList user_options, bool *is_cog, stf_error *err) {
    const char *text = CSLFetchNameValueDef(user_options, "LAYOUT", "GTIFF");
    *is_cog = EQUAL(text, "COG");
    if (!*is_cog && !EQUAL(text, "GTIFF"))
        return stf_fail(err, CPLE_IllegalArg, "LAYOUT=%s is neither GTIFF nor COG.", text);
    return *is_cog ? refuse_foreign(user_options, only_gtiff, sizeof only_gtiff / sizeof *only_gtiff, true, err) &&
                         check_renamed(user_options, err)
                   : refuse_foreign(user_options, only_cog, sizeof only_cog / sizeof *only_cog, false, err);
}

/* --- names of GTiff ---------------------------------------------------------------------------- */

static char **set(char **list, const char *name, const char *value) {
    return value ? CSLSetNameValue(list, name, value) : list;
}

/* The COG driver: 100 is lossless. */
static char **set_quality(char **list, const char *compress, const char *quality) {
    if (!quality)
        return list;
    if (EQUAL(compress, "JPEG"))
        return CSLSetNameValue(list, "JPEG_QUALITY", quality);
    if (EQUAL(compress, "WEBP"))
        return CPLAtof(quality) == 100.0 ? CSLSetNameValue(list, "WEBP_LOSSLESS", "YES")
                                         : CSLSetNameValue(list, "WEBP_LEVEL", quality);
    return list;
}

static const char *interleave_of(CSLConstList user_options) {
    const char *text = HAS_INTERLEAVE ? CSLFetchNameValueDef(user_options, "INTERLEAVE", "PIXEL") : "PIXEL";
    return EQUAL(text, "TILE") ? "BAND" : text;
}

char **stf_options_cog_to_gtiff(CSLConstList user_options) {
    static const char *const same[] = {"COMPRESS",  "PREDICTOR",         "LEVEL",        "MAX_Z_ERROR",
                                       "NBITS",     "BIGTIFF",           "NUM_THREADS",  "MEMORY_CAP",
                                       "SPARSE_OK", "MEMORY_CAP_STRICT", "DIRECT_DECODE"};
    const char *block = CSLFetchNameValueDef(user_options, "BLOCKSIZE", "512");
    char **list = NULL;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        list = set(list, same[i], CSLFetchNameValue(user_options, same[i]));
    list = set(list, "BLOCKXSIZE", block);
    list = set(list, "BLOCKYSIZE", block);
    list = set(list, "INTERLEAVE", interleave_of(user_options));
    return set_quality(list, CSLFetchNameValueDef(user_options, "COMPRESS", ""),
                       CSLFetchNameValue(user_options, "QUALITY"));
}

/* --- what only a COG has ----------------------------------------------------------------------- */

static bool one_of(const char *text, const char *const *names, size_t count, size_t *found) {
    for (*found = 0; *found < count; (*found)++)
        if (EQUAL(text, names[*found]))
            return true;
    return false;
}

static bool parse_overviews(CSLConstList user_options, stf_cog_options *cog, stf_error *err) {
    static const char *const names[] = {"AUTO", "IGNORE_EXISTING", "FORCE_USE_EXISTING", "NONE"};
    static const stf_overviews meaning[] = {STF_OVERVIEWS_COMPUTED, STF_OVERVIEWS_COMPUTED, STF_OVERVIEWS_EXISTING,
                                            STF_OVERVIEWS_NONE};
    const char *text = CSLFetchNameValueDef(user_options, "OVERVIEWS", "AUTO");
    size_t found;
    if (!one_of(text, names, sizeof names / sizeof *names, &found))
        return stf_fail(err, CPLE_IllegalArg,
                        "OVERVIEWS=%s is not one of AUTO, IGNORE_EXISTING, FORCE_USE_EXISTING and NONE.", text);
    cog->overviews = meaning[found];
    cog->overview_count = -1;
    return stf_options_get_int(user_options, "OVERVIEW_COUNT", 0, INT_MAX, &cog->overview_count, err);
}

/* GDAL's names of a resampling of overviews. */
static const char *const overview_methods[] = {"NEAREST", "AVERAGE", "BILINEAR", "CUBIC", "CUBICSPLINE",
                                               "LANCZOS", "MODE",    "RMS",      "GAUSS"};

static bool parse_resampling(CSLConstList user_options, char **method, stf_error *err) {
    const char *name = "OVERVIEW_RESAMPLING";
    const char *text = CSLFetchNameValue(user_options, name);
    size_t found;
    if (!text)
        text = CSLFetchNameValue(user_options, name = "RESAMPLING");
    if (!text)
        return true;
    if (EQUAL(text, "NEAR"))
        text = "NEAREST";
    if (!one_of(text, overview_methods, sizeof overview_methods / sizeof *overview_methods, &found))
        return stf_fail(err, CPLE_IllegalArg,
                        "%s=%s is not one of NEAREST, AVERAGE, BILINEAR, CUBIC, CUBICSPLINE, LANCZOS, MODE, RMS and "
                        "GAUSS.",
                        name, text);
    *method = CPLStrdup(overview_methods[found]);
    return true;
}

/* As GTiff takes it from that of the raster, or the configuration. */
static uint32_t overview_block_px(const stf_options *out) {
    const char *text = CPLGetConfigOption("GDAL_TIFF_OVR_BLOCKSIZE", NULL);
    uint32_t px = text ? (uint32_t)atoi(text) : out->block_width_px;
    bool square = text || out->block_width_px == out->block_height_px;
    bool fits = square && px >= LEAST_OVERVIEW_BLOCK_PX && px <= LARGEST_OVERVIEW_BLOCK_PX && (px & (px - 1)) == 0;
    return fits ? px : DEFAULT_OVERVIEW_BLOCK_PX;
}

/* Which of the codecs that have levels it is; 0: none. LERC_DEFLATE has that of DEFLATE. */
static int level_family(const stf_codec *codec) {
    if (codec->compression == COMPRESSION_ADOBE_DEFLATE || codec->lerc_second_stage == LERC_ADD_COMPRESSION_DEFLATE)
        return 1;
    if (codec->compression == COMPRESSION_ZSTD || codec->lerc_second_stage == LERC_ADD_COMPRESSION_ZSTD)
        return 2;
    return codec->compression == COMPRESSION_LZMA ? 3 : 0;
}

/* GDAL's driver makes lossless WEBP of overviews only where OVERVIEW_QUALITY says so. */
static char **set_quality_of_raster(char **list, const char *compress, CSLConstList user_options) {
    const char *quality = CSLFetchNameValue(user_options, "QUALITY");
    if (!EQUAL(compress, "WEBP") || !quality || CPLAtof(quality) != 100.0)
        return set_quality(list, compress, quality);
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    return CSLSetNameValue(list, "WEBP_LEVEL", quality);
#else
    return list;
#endif
}

/* What is not said of the overviews is as for the raster. */
static bool parse_overview_codec(CSLConstList user_options, const stf_raster *raster, stf_options *out,
                                 stf_error *err) {
    const char *compress = CSLFetchNameValue(user_options, "OVERVIEW_COMPRESS");
    const char *predictor = CSLFetchNameValue(user_options, "OVERVIEW_PREDICTOR");
    const char *quality = CSLFetchNameValue(user_options, "OVERVIEW_QUALITY");
    const char *max_z_error = CSLFetchNameValue(user_options, "MAX_Z_ERROR_OVERVIEW");
    stf_codec *codec = &out->cog.overview_codec;
    char **list = NULL;
    compress = compress ? compress : stf_options_codec_name(&out->codec);
    list = set(list, "COMPRESS", compress);
    list = set(list, "PREDICTOR", predictor ? predictor : CSLFetchNameValue(user_options, "PREDICTOR"));
    list = set(list, "MAX_Z_ERROR", max_z_error ? max_z_error : CSLFetchNameValue(user_options, "MAX_Z_ERROR"));
    list = quality ? set_quality(list, compress, quality) : set_quality_of_raster(list, compress, user_options);
    bool done = stf_options_parse_codec((CSLConstList)list, raster, out->sample_bits, codec, err);
    CSLDestroy(list);
    if (done && level_family(codec) == level_family(&out->codec)) {
        codec->deflate_level = out->codec.deflate_level;
        codec->zstd_level = out->codec.zstd_level;
        codec->lzma_preset = out->codec.lzma_preset;
    }
    stf_options of_overviews = *out;
    of_overviews.codec = *codec;
    of_overviews.block_width_px = of_overviews.block_height_px = out->cog.overview_block_px;
    return done && stf_options_check_codec(&of_overviews, raster, err);
}

static bool parse_statistics(CSLConstList user_options, stf_cog_options *cog, stf_error *err) {
    bool computed = false;
    cog->statistics = STF_STATISTICS_AUTO;
    if (EQUAL(CSLFetchNameValueDef(user_options, "STATISTICS", "AUTO"), "AUTO"))
        return true;
    if (!stf_options_get_bool(user_options, "STATISTICS", &computed, err))
        return false;
    cog->statistics = computed ? STF_STATISTICS_YES : STF_STATISTICS_NO;
    return true;
}

static bool parse_interleave(CSLConstList user_options, stf_options *out, stf_error *err) {
    const char *text = CSLFetchNameValue(user_options, "INTERLEAVE");
    if (!text || CSLFetchNameValue(user_options, "@INTERLEAVE_ADDED_AUTOMATICALLY"))
        return true;
    if (!HAS_INTERLEAVE)
        return stf_fail(err, CPLE_NotSupported, "INTERLEAVE is an option of COG from GDAL 3.11 on.");
    out->cog.tile_interleave = EQUAL(text, "TILE") && !out->pixel_interleave;
    return true;
}

/* --- COPY_SRC_OVERVIEWS ------------------------------------------------------------------------ */

/* GTiff asks the configuration for the codec of overviews; else it is the raster's. */
static bool configure_overview_codec(const stf_raster *raster, stf_options *out, stf_error *err) {
    const char *compress = CPLGetConfigOption("COMPRESS_OVERVIEW", NULL);
    const char *predictor = CPLGetConfigOption("PREDICTOR_OVERVIEW", NULL);
    const char *quality = CPLGetConfigOption("JPEG_QUALITY_OVERVIEW", NULL);
    out->cog.overview_codec = out->codec;
    if (!compress && !predictor && !quality)
        return true;
    char **list = set(NULL, "COMPRESS", compress ? compress : stf_options_codec_name(&out->codec));
    list = set(list, "PREDICTOR", predictor ? predictor : out->codec.predictor == 1 ? "NO" : "YES");
    list = set(list, "JPEG_QUALITY", quality);
    bool done = stf_options_parse_codec((CSLConstList)list, raster, out->sample_bits, &out->cog.overview_codec, err);
    CSLDestroy(list);
    return done;
}

bool stf_options_parse_copied_overviews(const stf_raster *raster, stf_options *out, stf_error *err) {
    if (out->swapped)
        return stf_fail(err, CPLE_NotSupported,
                        "COPY_SRC_OVERVIEWS=YES is not supported with the byte order that is not the machine's.");
    if (!HAS_INTERLEAVE && !out->pixel_interleave)
        return stf_fail(err, CPLE_NotSupported,
                        "COPY_SRC_OVERVIEWS=YES is supported with INTERLEAVE=PIXEL, or one band.");
    out->is_cog = out->copies_overviews = true;
    out->cog.overviews = STF_OVERVIEWS_EXISTING;
    out->cog.overview_count = -1;
    out->cog.overview_block_px = overview_block_px(out);
    out->gtiff_options = set(out->gtiff_options, "COPY_SRC_OVERVIEWS", "YES");
    out->gtiff_options = set(out->gtiff_options, "TILED", out->tiled ? "YES" : "NO");
    return configure_overview_codec(raster, out, err);
}

/* --- reprojection ------------------------------------------------------------------------------ */

static bool parse_number(const char *name, const char *text, double *number, stf_error *err) {
    char *end = NULL;
    *number = CPLStrtod(text, &end);
    return (end != text && *end == '\0') || stf_fail(err, CPLE_IllegalArg, "%s=%s is not a number.", name, text);
}

static bool parse_extent(CSLConstList user_options, stf_warp_options *out, stf_error *err) {
    const char *text = CSLFetchNameValue(user_options, "EXTENT");
    char **parts = text ? CSLTokenizeString2(text, ",", 0) : NULL;
    bool done = true;
    out->has_extent = text != NULL;
    if (text && CSLCount(parts) != 4)
        done = stf_fail(err, CPLE_IllegalArg, "EXTENT=%s is not minx,miny,maxx,maxy.", text);
    for (int i = 0; text && done && i < 4; i++)
        done = parse_number("EXTENT", parts[i], &out->extent[i], err);
    CSLDestroy(parts);
    if (done && text && !(out->extent[0] < out->extent[2] && out->extent[1] < out->extent[3]))
        return stf_fail(err, CPLE_IllegalArg, "EXTENT=%s is empty.", text);
    return done;
}

static bool parse_strategy(CSLConstList user_options, stf_warp_options *out, stf_error *err) {
    static const char *const names[] = {"AUTO", "LOWER", "UPPER"};
    const char *text = CSLFetchNameValueDef(user_options, "ZOOM_LEVEL_STRATEGY", "AUTO");
    size_t found;
    if (!one_of(text, names, 3, &found))
        return stf_fail(err, CPLE_IllegalArg, "ZOOM_LEVEL_STRATEGY=%s is not one of AUTO, LOWER and UPPER.", text);
    out->strategy = (stf_zoom_strategy)found;
    return true;
}

bool stf_options_parse_warp(CSLConstList user_options, stf_warp_options *out, stf_error *err) {
    const char *scheme = CSLFetchNameValueDef(user_options, "TILING_SCHEME", "CUSTOM");
    const char *resolution = CSLFetchNameValue(user_options, "RES");
    bool is_cog;
    memset(out, 0, sizeof *out);
    if (!stf_options_check_layout(user_options, &is_cog, err))
        return false;
    out->target_srs = CSLFetchNameValue(user_options, "TARGET_SRS");
    out->tiling_scheme = EQUAL(scheme, "CUSTOM") ? NULL : scheme;
    out->asked = is_cog && (out->target_srs || out->tiling_scheme);
    out->has_resolution = resolution != NULL;
    out->zoom_level = -1;
    out->add_alpha = true;
    out->resampling =
        CSLFetchNameValueDef(user_options, "WARP_RESAMPLING", CSLFetchNameValue(user_options, "RESAMPLING"));
    if (!is_cog)
        return true;
    if (resolution && !(parse_number("RES", resolution, &out->resolution, err) && out->resolution > 0))
        return stf_fail(err, CPLE_IllegalArg, "RES=%s is not above 0.", resolution);
    return parse_extent(user_options, out, err) && parse_strategy(user_options, out, err) &&
           stf_options_get_int(user_options, "ZOOM_LEVEL", 0, INT_MAX, &out->zoom_level, err) &&
           stf_options_get_int(user_options, "ALIGNED_LEVELS", 0, INT_MAX, &out->aligned_levels, err) &&
           stf_options_get_int(user_options, "BLOCKSIZE", 16, INT_MAX - 16, &out->block_px, err) &&
           stf_options_get_bool(user_options, "ADD_ALPHA", &out->add_alpha, err);
}

/* --- the template ------------------------------------------------------------------------------ */

static const char *predictor_text(const stf_codec *codec) {
    return codec->predictor == 3 ? "FLOATING_POINT" : codec->predictor == 2 ? "STANDARD" : "NO";
}

/* No levels: the template's codec is to stay small. */
static void collect_template_options(CSLConstList user_options, stf_options *out) {
    static const char *const same[] = {"QUALITY",     "OVERVIEW_QUALITY", "MAX_Z_ERROR", "MAX_Z_ERROR_OVERVIEW",
                                       "NBITS",       "GEOTIFF_VERSION",  "RESAMPLING",  "OVERVIEW_RESAMPLING",
                                       "COPY_SRC_MDD"};
    char **list = NULL;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        list = set(list, same[i], CSLFetchNameValue(user_options, same[i]));
    for (int i = 0; user_options && user_options[i]; i++)
        if (STARTS_WITH_CI(user_options[i], "SRC_MDD="))
            list = CSLAddString(list, user_options[i]);
    list = set(list, "COMPRESS", stf_options_codec_name(&out->codec));
    list = set(list, "PREDICTOR", predictor_text(&out->codec));
    list = set(list, "OVERVIEW_COMPRESS", stf_options_codec_name(&out->cog.overview_codec));
    list = set(list, "OVERVIEW_PREDICTOR", predictor_text(&out->cog.overview_codec));
    if (HAS_INTERLEAVE)
        list = set(list, "INTERLEAVE", CSLFetchNameValue(user_options, "INTERLEAVE"));
    out->gtiff_options = list;
}

bool stf_options_parse_cog(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err) {
    stf_cog_options *cog = &out->cog;
    cog->overview_block_px = overview_block_px(out);
    bool done = parse_overviews(user_options, cog, err) &&
                parse_resampling(user_options, &cog->overview_resampling, err) &&
                parse_statistics(user_options, cog, err) && parse_interleave(user_options, out, err) &&
                parse_overview_codec(user_options, raster, out, err);
    if (done)
        collect_template_options(user_options, out);
    else
        stf_options_free(out);
    return done;
}
