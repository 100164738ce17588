/* COMPRESS, PREDICTOR and the level options: what GTiff accepts is accepted, what it refuses (or lets
 * libtiff refuse at the first tile) is refused before anything is written. */
#include "options_internal.h"

#include "gdal_version.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "tiffio.h"

enum {
    PREDICTOR_OFF = 1,
    PREDICTOR_INTEGER = 2,
    PREDICTOR_FLOAT = 3,
    /* Of libjpeg (JPEG_MAX_DIMENSION, MAX_COMPS_IN_SCAN) and libwebp (WEBP_MAX_DIMENSION). */
    JPEG_MAX_PX = 65500,
    JPEG_MAX_SAMPLES = 4,
    JPEG_ROWS_MULTIPLE = 8,
    WEBP_MAX_PX = 16383
};

static const stf_codec_entry codec_entries[] = {
    {"NONE", NULL, COMPRESSION_NONE, LERC_ADD_COMPRESSION_NONE},
    {"DEFLATE", NULL, COMPRESSION_ADOBE_DEFLATE, LERC_ADD_COMPRESSION_NONE},
    {"ZIP", "DEFLATE", COMPRESSION_ADOBE_DEFLATE, LERC_ADD_COMPRESSION_NONE},
    {"LZW", NULL, COMPRESSION_LZW, LERC_ADD_COMPRESSION_NONE},
    {"ZSTD", NULL, COMPRESSION_ZSTD, LERC_ADD_COMPRESSION_NONE},
    {"PACKBITS", NULL, COMPRESSION_PACKBITS, LERC_ADD_COMPRESSION_NONE},
    {"LZMA", NULL, COMPRESSION_LZMA, LERC_ADD_COMPRESSION_NONE},
    {"LERC", NULL, COMPRESSION_LERC, LERC_ADD_COMPRESSION_NONE},
    {"LERC_DEFLATE", NULL, COMPRESSION_LERC, LERC_ADD_COMPRESSION_DEFLATE},
    {"LERC_ZSTD", NULL, COMPRESSION_LERC, LERC_ADD_COMPRESSION_ZSTD},
    {"JPEG", NULL, COMPRESSION_JPEG, LERC_ADD_COMPRESSION_NONE},
    {"CCITTRLE", NULL, COMPRESSION_CCITTRLE, LERC_ADD_COMPRESSION_NONE},
    {"CCITTFAX3", NULL, COMPRESSION_CCITTFAX3, LERC_ADD_COMPRESSION_NONE},
    {"CCITTFAX4", NULL, COMPRESSION_CCITTFAX4, LERC_ADD_COMPRESSION_NONE},
    {"FAX3", "CCITTFAX3", COMPRESSION_CCITTFAX3, LERC_ADD_COMPRESSION_NONE},
    {"FAX4", "CCITTFAX4", COMPRESSION_CCITTFAX4, LERC_ADD_COMPRESSION_NONE},
    {"WEBP", NULL, COMPRESSION_WEBP, LERC_ADD_COMPRESSION_NONE},
};

static bool configured(uint16_t compression) {
    return compression == COMPRESSION_NONE || TIFFIsCODECConfigured(compression) != 0;
}

static bool available(const stf_codec_entry *entry) {
    if (entry->lerc_second_stage == LERC_ADD_COMPRESSION_DEFLATE && !configured(COMPRESSION_ADOBE_DEFLATE))
        return false;
    if (entry->lerc_second_stage == LERC_ADD_COMPRESSION_ZSTD && !configured(COMPRESSION_ZSTD))
        return false;
    return configured(entry->compression);
}

const stf_codec_entry *stf_codec_entry_at(size_t index) {
    for (size_t i = 0; i < sizeof(codec_entries) / sizeof(codec_entries[0]); i++)
        if (available(&codec_entries[i]) && index-- == 0)
            return &codec_entries[i];
    return NULL;
}

const char *stf_options_codec_name(const stf_codec *codec) {
    for (size_t i = 0; i < sizeof(codec_entries) / sizeof(codec_entries[0]); i++)
        if (codec_entries[i].compression == codec->compression &&
            codec_entries[i].lerc_second_stage == codec->lerc_second_stage)
            return codec_entries[i].name;
    return "NONE";
}

static bool find_codec(const char *name, const stf_codec_entry **found, stf_error *err) {
    char names[256] = "";
    const stf_codec_entry *entry = NULL;
    for (size_t i = 0; (entry = stf_codec_entry_at(i)) != NULL; i++) {
        if (EQUAL(entry->name, name)) {
            *found = entry;
            return true;
        }
        if (entry->alias_of == NULL) {
            const size_t used = strlen(names);
            CPLsnprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "", entry->name);
        }
    }
    return stf_fail(err, CPLE_IllegalArg, "COMPRESS=%s is unknown or not built into this libtiff. Available: %s.", name,
                    names);
}

/* GTiff writes a predictor for these only, although libtiff has one for LZMA too. */
static bool has_predictor(uint16_t compression) {
    return compression == COMPRESSION_LZW || compression == COMPRESSION_ADOBE_DEFLATE ||
           compression == COMPRESSION_ZSTD;
}

/* Of so many bits a predictor can be made: 3 for floating point, 2 for integers, none for complex types or odd bits. */
static uint16_t best_predictor(const stf_raster *raster, uint32_t bits) {
    if (raster->kind == STF_COMPLEX_INT || raster->kind == STF_COMPLEX_FLOAT || bits % 8 != 0 || bits == 24)
        return PREDICTOR_OFF;
    return raster->kind == STF_FLOAT ? PREDICTOR_FLOAT : PREDICTOR_INTEGER;
}

static bool predictor_by_name(const char *text, const stf_raster *raster, uint32_t bits, uint16_t *predictor) {
    if (EQUAL(text, "YES") || EQUAL(text, "TRUE") || EQUAL(text, "ON"))
        *predictor = best_predictor(raster, bits);
    else if (EQUAL(text, "NO") || EQUAL(text, "FALSE") || EQUAL(text, "OFF") || EQUAL(text, "1"))
        *predictor = PREDICTOR_OFF;
    else if (EQUAL(text, "STANDARD") || EQUAL(text, "2"))
        *predictor = PREDICTOR_INTEGER;
    else if (EQUAL(text, "FLOATING_POINT") || EQUAL(text, "3"))
        *predictor = PREDICTOR_FLOAT;
    else
        return false;
    return true;
}

/* GTiff ignores a predictor where the codec has none; up to GDAL 3.10 it refuses an impossible one even there. */
static bool parse_predictor(CSLConstList user_options, const stf_raster *raster, uint32_t bits, stf_codec *codec,
                            stf_error *err) {
    const char *text = CSLFetchNameValueDef(user_options, "PREDICTOR", "YES");
    uint16_t predictor = PREDICTOR_OFF;
    if (!predictor_by_name(text, raster, bits, &predictor))
        return stf_fail(err, CPLE_IllegalArg,
                        "PREDICTOR=%s is not one of YES, NO, STANDARD, FLOATING_POINT, 1, 2 and 3.", text);
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    const uint32_t least_float_bytes = 2;
    if (!has_predictor(codec->compression) && codec->compression != COMPRESSION_LZMA)
        predictor = PREDICTOR_OFF;
#else
    const uint32_t least_float_bytes = 4;
#endif
    if (predictor == PREDICTOR_INTEGER && bits != 8 && bits != 16 && bits != 32 && bits != 64)
        return stf_fail(err, CPLE_NotSupported,
                        "PREDICTOR=%s is for samples of 8, 16, 32 or 64 bits, and these have %u. Set PREDICTOR=NO.",
                        text, bits);
    if (predictor == PREDICTOR_FLOAT && (raster->kind != STF_FLOAT || raster->sample_bytes < least_float_bytes))
        return stf_fail(err, CPLE_NotSupported,
                        "PREDICTOR=%s is for floating point samples only. Set PREDICTOR=YES, or NO.", text);
    codec->has_predictor = has_predictor(codec->compression);
    codec->predictor = codec->has_predictor ? predictor : PREDICTOR_OFF;
    return true;
}

/* LEVEL is the name that COG has for the level of whatever codec; the codec's own name goes first. */
static bool parse_levels(CSLConstList user_options, stf_codec *codec, stf_error *err) {
    int level = -1;
    if (!stf_options_get_int(user_options, "LEVEL", 0, 22, &level, err) ||
        !stf_options_get_int(user_options, "ZLEVEL", 1, 12, &codec->deflate_level, err) ||
        !stf_options_get_int(user_options, "ZSTD_LEVEL", 1, 22, &codec->zstd_level, err) ||
        !stf_options_get_int(user_options, "LZMA_PRESET", 0, 9, &codec->lzma_preset, err) ||
        !stf_options_get_int(user_options, "JPEG_QUALITY", 1, 100, &codec->jpeg_quality, err) ||
        !stf_options_get_int(user_options, "JPEGTABLESMODE", 0, 3, &codec->jpeg_tables_mode, err) ||
        !stf_options_get_int(user_options, "WEBP_LEVEL", 1, 100, &codec->webp_level, err) ||
        !stf_options_get_bool(user_options, "WEBP_LOSSLESS", &codec->webp_lossless, err))
        return false;
    if (level < 0)
        return true;
    int *target = NULL;
    int min = 1, max = 0;
    if (codec->compression == COMPRESSION_ADOBE_DEFLATE || codec->lerc_second_stage == LERC_ADD_COMPRESSION_DEFLATE)
        target = &codec->deflate_level, max = 12;
    else if (codec->compression == COMPRESSION_ZSTD || codec->lerc_second_stage == LERC_ADD_COMPRESSION_ZSTD)
        target = &codec->zstd_level, max = 22;
    else if (codec->compression == COMPRESSION_LZMA)
        target = &codec->lzma_preset, min = 0, max = 9;
    if (target == NULL || *target >= 0)
        return true;
    if (level < min || level > max)
        return stf_fail(err, CPLE_IllegalArg, "LEVEL=%d is outside %d..%d, the levels of this COMPRESS.", level, min,
                        max);
    *target = level;
    return true;
}

static bool parse_max_z_error(CSLConstList user_options, stf_codec *codec, stf_error *err) {
    const char *text = CSLFetchNameValue(user_options, "MAX_Z_ERROR");
    if (text == NULL)
        return true;
    char *end = NULL;
    codec->max_z_error = CPLStrtod(text, &end);
    if (end == text || *end != '\0' || !(codec->max_z_error >= 0.0 && codec->max_z_error <= DBL_MAX))
        return stf_fail(err, CPLE_IllegalArg, "MAX_Z_ERROR=%s is not a number of 0 or more.", text);
    return true;
}

bool stf_options_parse_codec(CSLConstList user_options, const stf_raster *raster, uint32_t sample_bits,
                             stf_codec *codec, stf_error *err) {
    const stf_codec_entry *entry = NULL;
    bool streamable = false;
    if (!stf_options_get_bool(user_options, "STREAMABLE_OUTPUT", &streamable, err))
        return false;
    const char *fallback = configured(COMPRESSION_ADOBE_DEFLATE) && !streamable ? "DEFLATE" : "NONE";
    if (!find_codec(CSLFetchNameValueDef(user_options, "COMPRESS", fallback), &entry, err))
        return false;
    memset(codec, 0, sizeof(*codec));
    codec->compression = entry->compression;
    codec->lerc_second_stage = entry->lerc_second_stage;
    codec->deflate_level = codec->zstd_level = codec->lzma_preset = codec->jpeg_quality = codec->webp_level = -1;
    codec->jpeg_tables_mode = 1; /* GTiff's: the quantisation tables */
    return parse_predictor(user_options, raster, sample_bits, codec, err) && parse_levels(user_options, codec, err) &&
           parse_max_z_error(user_options, codec, err);
}

const char *stf_options_ask_anew(CSLConstList user_options, const stf_codec *codec) {
    const bool deflates =
        codec->compression == COMPRESSION_ADOBE_DEFLATE || codec->lerc_second_stage == LERC_ADD_COMPRESSION_DEFLATE;
    const bool zstd = codec->compression == COMPRESSION_ZSTD || codec->lerc_second_stage == LERC_ADD_COMPRESSION_ZSTD;
    const bool lzma = codec->compression == COMPRESSION_LZMA, jpeg = codec->compression == COMPRESSION_JPEG;
    const bool webp = codec->compression == COMPRESSION_WEBP;
    const struct {
        const char *name;
        bool is_of_codec;
    } options[] = {
        {"LEVEL", deflates || zstd || lzma},
        {"ZLEVEL", deflates},
        {"ZSTD_LEVEL", zstd},
        {"LZMA_PRESET", lzma},
        {"QUALITY", jpeg || webp},
        {"JPEG_QUALITY", jpeg},
        {"JPEGTABLESMODE", jpeg},
        {"WEBP_LEVEL", webp},
        {"WEBP_LOSSLESS", webp},
        {"MAX_Z_ERROR", codec->compression == COMPRESSION_LERC},
        {"DISCARD_LSB", true},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].is_of_codec && CSLFetchNameValue(user_options, options[i].name) != NULL)
            return options[i].name;
    return NULL;
}

static bool check_jpeg(const stf_options *options, const stf_raster *raster, stf_error *err) {
    if (options->sample_bits != 8 && options->sample_bits != 12) /* 12: where libtiff and libjpeg can */
        return stf_fail(err, CPLE_NotSupported, "COMPRESS=JPEG is for samples of 8 or 12 bits, and these have %u.",
                        options->sample_bits);
    if (options->pixel_interleave && raster->bands > JPEG_MAX_SAMPLES)
        return stf_fail(err, CPLE_NotSupported,
                        "COMPRESS=JPEG takes at most %d bands in one block, and there are %u. Set INTERLEAVE=BAND.",
                        JPEG_MAX_SAMPLES, raster->bands);
    if (options->block_width_px > JPEG_MAX_PX || options->block_height_px > JPEG_MAX_PX)
        return stf_fail(err, CPLE_NotSupported,
                        "COMPRESS=JPEG takes blocks of at most %d x %d pixels, and these are %u x %u. Set TILED=YES, "
                        "BLOCKXSIZE and BLOCKYSIZE.",
                        JPEG_MAX_PX, JPEG_MAX_PX, options->block_width_px, options->block_height_px);
    if (!options->tiled && options->block_height_px < raster->height_px &&
        options->block_height_px % JPEG_ROWS_MULTIPLE != 0)
        return stf_fail(err, CPLE_NotSupported,
                        "COMPRESS=JPEG takes strips of a multiple of %d rows, and BLOCKYSIZE is %u.",
                        JPEG_ROWS_MULTIPLE, options->block_height_px);
    return true;
}

static bool check_webp(const stf_options *options, const stf_raster *raster, stf_error *err) {
    if (options->sample_bits != 8 || raster->kind != STF_UINT)
        return stf_fail(err, CPLE_NotSupported, "COMPRESS=WEBP is for bands of type Byte only.");
    if ((raster->bands != 3 && raster->bands != 4) || !options->pixel_interleave)
        return stf_fail(err, CPLE_NotSupported,
                        "COMPRESS=WEBP takes 3 or 4 bands with INTERLEAVE=PIXEL, and there are %u with INTERLEAVE=%s.",
                        raster->bands, options->pixel_interleave ? "PIXEL" : "BAND");
    if (options->block_width_px > WEBP_MAX_PX || options->block_height_px > WEBP_MAX_PX)
        return stf_fail(err, CPLE_NotSupported,
                        "COMPRESS=WEBP takes blocks of at most %d x %d pixels, and these are %u x %u. Set TILED=YES, "
                        "BLOCKXSIZE and BLOCKYSIZE.",
                        WEBP_MAX_PX, WEBP_MAX_PX, options->block_width_px, options->block_height_px);
    return true;
}

bool stf_options_check_codec(const stf_options *options, const stf_raster *raster, stf_error *err) {
    switch (options->codec.compression) {
    case COMPRESSION_JPEG:
        return check_jpeg(options, raster, err);
    case COMPRESSION_WEBP:
        return check_webp(options, raster, err);
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
        if (options->sample_bits != 1 || (options->pixel_interleave && raster->bands != 1))
            return stf_fail(err, CPLE_NotSupported,
                            "The CCITT codecs take samples of 1 bit, each band for itself, and these have %u, %u bands "
                            "together. Set NBITS=1 and INTERLEAVE=BAND, or another COMPRESS.",
                            options->sample_bits, options->pixel_interleave ? raster->bands : 1);
        return true;
    case COMPRESSION_LERC:
        if (options->sample_bits != raster->sample_bytes * 8u)
            return stf_fail(err, CPLE_NotSupported,
                            "COMPRESS=LERC takes samples of whole bytes, and NBITS is %u. Set NBITS=%u.",
                            options->sample_bits, raster->sample_bytes * 8u);
        if (raster->kind == STF_COMPLEX_INT || raster->kind == STF_COMPLEX_FLOAT ||
            (raster->kind != STF_FLOAT && raster->sample_bytes > 4))
            return stf_fail(err, CPLE_NotSupported,
                            "COMPRESS=LERC takes integers of 8, 16 and 32 bits, Float32 and Float64, and these are %s "
                            "samples of %u bits.",
                            raster->kind >= STF_COMPLEX_INT ? "complex" : "integer", raster->sample_bytes * 8u);
        return true;
    default:
        return true;
    }
}
