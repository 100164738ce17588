#include "options_internal.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "gdal.h"
#include "platform.h"
#include "tiffio.h"

enum {
    DEFAULT_BLOCK_PX = 512,
    TILE_MULTIPLE_PX = 16,
    DEFAULT_STRIP_BYTES = 8192,   /* libtiff's STRIP_SIZE_DEFAULT, in whole rows */
    JPEG_DEFAULT_STRIP_ROWS = 16, /* to a multiple of which libtiff rounds it for JPEG */
    MAX_BANDS = 65535,            /* SamplesPerPixel is a SHORT */
    MAX_THREADS = 1024,
    MAX_BLOCKS = 0x80000000u / 8u, /* libtiff reads tables of offsets of up to 2 GB */
    DEFAULT_CAP_PERCENT = 5
};

bool stf_options_parse_int(const char *text, int min, int max, int *value) {
    const bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (*text == '\0')
        return false;
    int64_t number = 0;
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text) || number > INT_MAX)
            return false;
        number = number * 10 + (*text - '0');
    }
    if (negative)
        number = -number;
    if (number < min || number > max)
        return false;
    *value = (int)number;
    return true;
}

bool stf_options_get_int(CSLConstList user_options, const char *name, int min, int max, int *value, stf_error *err) {
    const char *text = CSLFetchNameValue(user_options, name);
    if (text == NULL || stf_options_parse_int(text, min, max, value))
        return true;
    return stf_fail(err, CPLE_IllegalArg, "%s=%s is not a whole number from %d to %d.", name, text, min, max);
}

bool stf_options_get_bool(CSLConstList user_options, const char *name, bool *value, stf_error *err) {
    const char *text = CSLFetchNameValue(user_options, name);
    if (text == NULL)
        return true;
    if (EQUAL(text, "YES") || EQUAL(text, "TRUE") || EQUAL(text, "ON") || EQUAL(text, "1"))
        *value = true;
    else if (EQUAL(text, "NO") || EQUAL(text, "FALSE") || EQUAL(text, "OFF") || EQUAL(text, "0"))
        *value = false;
    else
        return stf_fail(err, CPLE_IllegalArg, "%s=%s is neither YES nor NO.", name, text);
    return true;
}

static bool check_raster(const stf_raster *raster, stf_error *err) {
    if (raster->bands == 0)
        return stf_fail(err, CPLE_AppDefined, "Unable to export GeoTIFF files with zero bands.");
    if (raster->width_px == 0 || raster->height_px == 0)
        return stf_fail(err, CPLE_AppDefined, "A GeoTIFF file of %u x %u pixels cannot be written.", raster->width_px,
                        raster->height_px);
    if (raster->sample_bytes == 0 || raster->sample_bytes > 16)
        return stf_fail(err, CPLE_AppDefined, "A GeoTIFF file of samples of %u bytes cannot be written.",
                        raster->sample_bytes);
    if (raster->bands > MAX_BANDS)
        return stf_fail(err, CPLE_NotSupported, "A TIFF file holds at most %d bands, and there are %u.", MAX_BANDS,
                        raster->bands);
    return true;
}

/* What GTiff does: PIXEL unless the option says otherwise. Where neither INTERLEAVE nor COMPRESS is
 * given, GDAL itself adds the source's interleaving to the options (with
 * @INTERLEAVE_ADDED_AUTOMATICALLY), for GTiff as for us; the source is therefore not asked here. */
static bool parse_interleave(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err) {
    const char *text = CSLFetchNameValueDef(user_options, "INTERLEAVE", "PIXEL");
    if (!EQUAL(text, "PIXEL") && !EQUAL(text, "BAND"))
        return stf_fail(err, CPLE_IllegalArg, "INTERLEAVE=%s is neither PIXEL nor BAND.", text);
    out->planes_apart = EQUAL(text, "BAND");
    out->pixel_interleave = !out->planes_apart || raster->bands == 1;
    return true;
}

static bool parse_tile_side(CSLConstList user_options, const char *name, uint32_t *side_px, stf_error *err) {
    int side = DEFAULT_BLOCK_PX;
    if (!stf_options_get_int(user_options, name, TILE_MULTIPLE_PX, INT_MAX - TILE_MULTIPLE_PX, &side, err))
        return false;
    if (side % TILE_MULTIPLE_PX != 0)
        return stf_fail(
            err, CPLE_IllegalArg, "%s=%d is not a multiple of %d, as the sides of TIFF tiles are. Use %d or %d.", name,
            side, TILE_MULTIPLE_PX, side - side % TILE_MULTIPLE_PX, side - side % TILE_MULTIPLE_PX + TILE_MULTIPLE_PX);
    *side_px = (uint32_t)side;
    return true;
}

/* GTiff's rules: what NBITS cannot be is what it is nearest to, and the whole type where there is no NBITS for it. */
uint32_t stf_options_sample_bits(CSLConstList user_options, const stf_raster *raster) {
    const uint32_t whole = raster->sample_bytes * 8u;
    const char *text = CSLFetchNameValue(user_options, "NBITS");
    if (text == NULL && raster->source_bits == 0)
        return whole;
    const int bits = text ? atoi(text) : (int)raster->source_bits;
    if (raster->kind == STF_FLOAT && raster->sample_bytes == 4)
        return bits == 16 ? 16 : whole;
    if (raster->kind != STF_UINT || raster->sample_bytes > 4)
        return whole;
    const uint32_t least = raster->sample_bytes == 1 ? 1 : whole / 2 + 1;
    return bits < (int)least ? least : (uint32_t)bits > whole ? whole : (uint32_t)bits;
}

static bool parse_strip_rows(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err) {
    int rows = 0;
    if (!stf_options_get_int(user_options, "BLOCKYSIZE", 1, INT_MAX, &rows, err))
        return false;
    if (rows == 0) {
        const uint64_t row_bytes =
            ((uint64_t)raster->width_px * out->sample_bits * (out->pixel_interleave ? raster->bands : 1u) + 7) / 8;
        rows = row_bytes < DEFAULT_STRIP_BYTES ? (int)(DEFAULT_STRIP_BYTES / row_bytes) : 1;
        if (out->codec.compression == COMPRESSION_JPEG)
            rows = (rows + JPEG_DEFAULT_STRIP_ROWS - 1) / JPEG_DEFAULT_STRIP_ROWS * JPEG_DEFAULT_STRIP_ROWS;
    }
    out->block_width_px = raster->width_px;
    out->block_height_px = (uint32_t)rows < raster->height_px ? (uint32_t)rows : raster->height_px;
    return true;
}

/* Every reader keeps a decoded block's size in an int, and the number of blocks must fit the tables. */
static bool check_blocks(const stf_raster *raster, const stf_options *out, stf_error *err) {
    const uint64_t samples = out->pixel_interleave ? raster->bands : 1u;
    const uint64_t pixels = (uint64_t)out->block_width_px * out->block_height_px;
    if (pixels > (uint64_t)INT_MAX / (samples * raster->sample_bytes))
        return stf_fail(err, CPLE_NotSupported,
                        "A block of %u x %u pixels with %u samples of %u bytes each is larger than 2147483647 bytes. "
                        "Set %s%s.",
                        out->block_width_px, out->block_height_px, (unsigned)samples, raster->sample_bytes,
                        out->tiled ? "a smaller BLOCKXSIZE or BLOCKYSIZE" : "TILED=YES or a smaller BLOCKYSIZE",
                        samples > 1 ? ", or INTERLEAVE=BAND" : "");
    const uint64_t across = ((uint64_t)raster->width_px + out->block_width_px - 1) / out->block_width_px;
    const uint64_t down = ((uint64_t)raster->height_px + out->block_height_px - 1) / out->block_height_px;
    const uint64_t planes = out->pixel_interleave ? 1u : raster->bands;
    if (across > MAX_BLOCKS / planes / down) /* planes and down: below 2^32 each, and never 0 */
        return stf_fail(err, CPLE_NotSupported,
                        "Blocks of %u x %u pixels cut this raster into more than %u pieces, more than a TIFF file can "
                        "list. Set a larger %s.",
                        out->block_width_px, out->block_height_px, (unsigned)MAX_BLOCKS,
                        out->tiled ? "BLOCKXSIZE and BLOCKYSIZE" : "BLOCKYSIZE");
    return true;
}

static bool parse_layout(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err) {
    out->tiled = true;
    if (!parse_interleave(user_options, raster, out, err) ||
        !stf_options_get_bool(user_options, "TILED", &out->tiled, err))
        return false;
    if (out->tiled) {
        if (!parse_tile_side(user_options, "BLOCKXSIZE", &out->block_width_px, err) ||
            !parse_tile_side(user_options, "BLOCKYSIZE", &out->block_height_px, err))
            return false;
    } else if (!parse_strip_rows(user_options, raster, out, err)) {
        return false;
    }
    return check_blocks(raster, out, err);
}

static bool parse_bigtiff(CSLConstList user_options, stf_bigtiff *bigtiff, stf_error *err) {
    const char *text = CSLFetchNameValueDef(user_options, "BIGTIFF", "IF_SAFER");
    bool yes = false;
    if (EQUAL(text, "IF_SAFER"))
        *bigtiff = STF_BIGTIFF_IF_SAFER;
    else if (EQUAL(text, "IF_NEEDED"))
        *bigtiff = STF_BIGTIFF_IF_NEEDED;
    else if (stf_options_get_bool(user_options, "BIGTIFF", &yes, NULL))
        *bigtiff = yes ? STF_BIGTIFF_YES : STF_BIGTIFF_NO;
    else
        return stf_fail(err, CPLE_IllegalArg, "BIGTIFF=%s is not one of YES, NO, IF_NEEDED and IF_SAFER.", text);
    return true;
}

/* As GTiff: the option, else the configuration option GDAL_TIFF_ENDIANNESS. */
static bool parse_byte_order(CSLConstList user_options, bool *swapped, stf_error *err) {
    const char *text = CSLFetchNameValue(user_options, "ENDIANNESS");
    if (text == NULL)
        text = CPLGetConfigOption("GDAL_TIFF_ENDIANNESS", "NATIVE");
    if (EQUAL(text, "NATIVE"))
        *swapped = false;
    else if (EQUAL(text, "INVERTED"))
        *swapped = true;
    else if (EQUAL(text, "LITTLE") || EQUAL(text, "BIG"))
        *swapped = EQUAL(text, "BIG") == (CPL_IS_LSB != 0);
    else
        return stf_fail(err, CPLE_IllegalArg, "ENDIANNESS=%s is not one of NATIVE, INVERTED, LITTLE and BIG.", text);
    return true;
}

/* What GTiff has and we have not: said, never passed over. */
static bool refuse_what_is_not_there(CSLConstList user_options, stf_error *err) {
    static const struct {
        const char *name, *reason;
    } refused[] = {
        {"JPEG_DIRECT_COPY",
         "GTiff has it only in builds of GDAL made for it: one strip, which is the JPEG file of the "
         "source. Here pixels are read, and encoded again with COMPRESS=JPEG"},
        {"APPEND_SUBDATASET", "A file is written anew, nothing is added to an existing one"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        bool asked = false;
        if (!stf_options_get_bool(user_options, refused[i].name, &asked, err))
            return false;
        if (asked)
            return stf_fail(err, CPLE_NotSupported, "%s=YES is not supported. %s.", refused[i].name, refused[i].reason);
    }
    return true;
}

/* GTiff's rules: all sizes are to be known before the first tile is. */
static bool parse_streamable(CSLConstList user_options, stf_options *out, stf_error *err) {
    bool copies = false;
    if (!stf_options_get_bool(user_options, "STREAMABLE_OUTPUT", &out->streamable, err) ||
        !stf_options_get_bool(user_options, "COPY_SRC_OVERVIEWS", &copies, err))
        return false;
    if (!out->streamable)
        return true;
    if (out->codec.compression != COMPRESSION_NONE)
        return stf_fail(
            err, CPLE_NotSupported,
            "STREAMABLE_OUTPUT=YES is for COMPRESS=NONE, and COMPRESS is %s. Or set LAYOUT=COG instead: that "
            "is written front to back, too.",
            stf_options_codec_name(&out->codec));
    return (!out->sparse_ok && !copies) ||
           stf_fail(err, CPLE_NotSupported, "STREAMABLE_OUTPUT=YES does not go with %s=YES.",
                    copies ? "COPY_SRC_OVERVIEWS" : "SPARSE_OK");
}

/* The option, else the configuration option, else ALL_CPUS. GDAL_NUM_THREADS=0 is seen in the wild
 * for "no threads"; it counts as one. */
static bool parse_threads(CSLConstList user_options, uint32_t *threads, stf_error *err) {
    const char *name = "NUM_THREADS";
    const char *text = CSLFetchNameValue(user_options, name);
    int least = 1;
    if (text == NULL) {
        name = "GDAL_NUM_THREADS";
        text = CPLGetConfigOption(name, "");
        least = 0;
    }
    int number = 0;
    if (EQUAL(text, "ALL_CPUS") || (least == 0 && *text == '\0'))
        number = CPLGetNumCPUs();
    else if (!stf_options_parse_int(text, least, INT_MAX, &number))
        return stf_fail(err, CPLE_IllegalArg, "%s=%s is neither ALL_CPUS nor a number of at least 1.", name, text);
    *threads = number < 1 ? 1u : number > MAX_THREADS ? MAX_THREADS : (uint32_t)number;
    return true;
}

static bool parse_decoder(CSLConstList user_options, bool *decode_by_gdal, stf_error *err) {
    const char *text = CSLFetchNameValueDef(user_options, "DIRECT_DECODE", "AUTO");
    *decode_by_gdal = EQUAL(text, "NO");
    return *decode_by_gdal || EQUAL(text, "AUTO") ||
           stf_fail(err, CPLE_IllegalArg, "DIRECT_DECODE=%s is neither AUTO nor NO.", text);
}

static bool parse_passthrough(CSLConstList user_options, stf_options *out, stf_error *err) {
    const char *text = CSLFetchNameValueDef(user_options, "PASSTHROUGH", "AUTO");
    bool yes = false;
    out->passthrough = STF_PASSTHROUGH_AUTO;
    out->asks_anew = stf_options_ask_anew(user_options, &out->codec);
    if (EQUAL(text, "AUTO"))
        return true;
    if (!stf_options_get_bool(user_options, "PASSTHROUGH", &yes, NULL))
        return stf_fail(err, CPLE_IllegalArg, "PASSTHROUGH=%s is not one of AUTO, YES and NO.", text);
    out->passthrough = yes ? STF_PASSTHROUGH_YES : STF_PASSTHROUGH_NO;
    return true;
}

static bool parse_cap(CSLConstList user_options, stf_options *out, stf_error *err) {
    const uint64_t usable_bytes = stf_platform_usable_memory();
    const char *name = "MEMORY_CAP";
    const char *text = CSLFetchNameValue(user_options, name);
    if (text == NULL) {
        name = "STREAMTIFF_MEMORY_CAP";
        text = CPLGetConfigOption(name, "");
        if (*text == '\0')
            text = NULL;
    }
    out->cap_named = text != NULL;
    if (text != NULL && !stf_options_parse_size(text, usable_bytes, &out->cap_bytes))
        return stf_fail(err, CPLE_IllegalArg, "%s=%s is not a size such as 64MB, 1.5GB, 268435456 (bytes) or 5%%.",
                        name, text);
    if (text == NULL) {
        const GIntBig cache_bytes = GDALGetCacheMax64();
        out->cap_bytes = usable_bytes / 100 * DEFAULT_CAP_PERCENT;
        if (cache_bytes > 0 && (uint64_t)cache_bytes < out->cap_bytes)
            out->cap_bytes = (uint64_t)cache_bytes;
    }
    return stf_options_get_bool(user_options, "MEMORY_CAP_STRICT", &out->cap_strict, err);
}

/* The template is written with everything that GTiff notes in the directory, and has GTiff's own say of it. */
static void collect_gtiff_options(CSLConstList user_options, stf_options *out) {
    char **list = NULL;
    for (int i = 0; user_options != NULL && user_options[i] != NULL; i++) {
        char *key = NULL;
        const char *value = CPLParseNameValue(user_options[i], &key);
        int number = 0; /* GTiff's PREDICTOR is one */
        const bool ours = key == NULL || value == NULL || !stf_options_is_for_template(key) ||
                          (EQUAL(key, "PREDICTOR") && !stf_options_parse_int(value, 1, 3, &number));
        if (!ours)
            list = CSLAddNameValue(list, key, value); /* SRC_MDD may come more than once */
        CPLFree(key);
    }
    list = CSLSetNameValue(list, "COMPRESS", stf_options_codec_name(&out->codec));
    if (out->codec.webp_lossless && out->codec.webp_level < 0) /* else GTiff warns of a level that nobody gave */
        list = CSLSetNameValue(list, "WEBP_LEVEL", "100");
    out->gtiff_options = CSLSetNameValue(list, "INTERLEAVE", out->planes_apart ? "BAND" : "PIXEL");
}

/* GTiff's own default. */
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 9, 0)
#define INTERNAL_MASK_DEFAULT "YES"
#else
#define INTERNAL_MASK_DEFAULT "NO"
#endif

bool stf_options_internal_mask(void) {
    return CPLTestBool(CPLGetConfigOption("GDAL_TIFF_INTERNAL_MASK", INTERNAL_MASK_DEFAULT));
}

/* user_options: in GTiff's names. */
static bool parse_names_of_gtiff(CSLConstList user_options, const stf_raster *raster, stf_options *out,
                                 stf_error *err) {
    if (!refuse_what_is_not_there(user_options, err) || !parse_byte_order(user_options, &out->swapped, err))
        return false;
    out->sample_bits = stf_options_sample_bits(user_options, raster);
    return stf_options_parse_codec(user_options, raster, out->sample_bits, &out->codec, err) &&
           parse_layout(user_options, raster, out, err) && stf_options_check_codec(out, raster, err) &&
           parse_bigtiff(user_options, &out->bigtiff, err) &&
           stf_options_get_bool(user_options, "SPARSE_OK", &out->sparse_ok, err) &&
           parse_streamable(user_options, out, err) && parse_threads(user_options, &out->threads, err) &&
           parse_cap(user_options, out, err) && parse_decoder(user_options, &out->decode_by_gdal, err);
}

static bool parse_cog(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err) {
    char **list = stf_options_cog_to_gtiff(user_options);
    bool done = parse_names_of_gtiff((CSLConstList)list, raster, out, err);
    CSLDestroy(list);
    out->swapped = false; /* a COG is little-endian, whatever the configuration says */
    out->internal_mask = out->internal_only = true;
    return done && parse_passthrough(user_options, out, err) && stf_options_parse_cog(user_options, raster, out, err);
}

bool stf_options_parse(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err) {
    memset(out, 0, sizeof(*out));
    out->internal_mask = stf_options_internal_mask();
    out->internal_only = CPLTestBool(CPLGetConfigOption("GDAL_TIFF_INTERNAL_MASK", "NO"));
    if (!check_raster(raster, err) || !stf_options_check_layout(user_options, &out->is_cog, err))
        return false;
    out->internal_only = out->internal_only || out->is_cog;
    if (out->is_cog)
        return parse_cog(user_options, raster, out, err);
    if (!parse_names_of_gtiff(user_options, raster, out, err) || !parse_passthrough(user_options, out, err))
        return false;
    const char *bits = CSLFetchNameValue(user_options, "DISCARD_LSB");
    out->discard_lsb = bits ? CPLStrdup(bits) : NULL;
    collect_gtiff_options(user_options, out);
    bool copies = false;
    bool done = stf_options_get_bool(user_options, "COPY_SRC_OVERVIEWS", &copies, err) &&
                (!copies || stf_options_parse_copied_overviews(raster, out, err));
    if (!done)
        stf_options_free(out);
    return done;
}

bool stf_options_parse_memory(CSLConstList user_options, stf_memory_options *out, stf_error *err) {
    stf_options options;
    memset(&options, 0, sizeof options);
    if (!parse_threads(user_options, &options.threads, err) || !parse_cap(user_options, &options, err) ||
        !parse_decoder(user_options, &options.decode_by_gdal, err))
        return false;
    out->decode_by_gdal = options.decode_by_gdal;
    out->threads = options.threads;
    out->cap_named = options.cap_named;
    out->cap_bytes = options.cap_bytes;
    return true;
}

void stf_options_free(stf_options *options) {
    CSLDestroy(options->gtiff_options);
    options->gtiff_options = NULL;
    CPLFree(options->discard_lsb);
    options->discard_lsb = NULL;
    CPLFree(options->cog.overview_resampling);
    options->cog.overview_resampling = NULL;
}
