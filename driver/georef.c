/* The template: one CreateCopy of the stand-in by GTiff into a folder of its own in /vsimem, whose
 * first directory is then read by hand. It is read as if it were hostile: every offset and count is
 * checked against the bytes that are there. */
#define _LARGEFILE64_SOURCE /* glibc declares the struct behind VSIStatBufL only then */
#include "georef.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "geometry.h"
#include "tiff.h"

/* --- reading the template's directory ---------------------------------------------------------- */

typedef struct tiff_bytes {
    const unsigned char *data; /* classic TIFF in the host's byte order: the template's options ask for that */
    uint64_t size;
} tiff_bytes;

static uint16_t get_short(const tiff_bytes *tiff, uint64_t at) {
    uint16_t value;
    memcpy(&value, tiff->data + at, sizeof(value));
    return value;
}

static uint32_t get_long(const tiff_bytes *tiff, uint64_t at) {
    uint32_t value;
    memcpy(&value, tiff->data + at, sizeof(value));
    return value;
}

/* Tags that describe how and where pixels lie in a file: the container and the encoder set them. */
static bool is_structural(uint16_t tag) {
    switch (tag) {
    case TIFFTAG_SUBFILETYPE:
    case TIFFTAG_IMAGEWIDTH:
    case TIFFTAG_IMAGELENGTH:
    case TIFFTAG_COMPRESSION:
    case TIFFTAG_FILLORDER:
    case TIFFTAG_STRIPOFFSETS:
    case TIFFTAG_ROWSPERSTRIP:
    case TIFFTAG_STRIPBYTECOUNTS:
    case TIFFTAG_PLANARCONFIG:
    case TIFFTAG_PREDICTOR:
    case TIFFTAG_TILEWIDTH:
    case TIFFTAG_TILELENGTH:
    case TIFFTAG_TILEOFFSETS:
    case TIFFTAG_TILEBYTECOUNTS:
    case TIFFTAG_SUBIFD:
    case TIFFTAG_JPEGTABLES:
    case TIFFTAG_LERC_PARAMETERS:
        return true;
    default:
        return false;
    }
}

static bool take_entry(const tiff_bytes *tiff, uint64_t at, stf_tag_list *tags, stf_error *err) {
    uint16_t tag = get_short(tiff, at), type = get_short(tiff, at + 2);
    uint64_t count = get_long(tiff, at + 4);
    uint64_t bytes = stf_mul(stf_tag_type_bytes(type), count);
    if (is_structural(tag) || bytes == 0)
        return true;
    uint64_t values = bytes <= 4 ? at + 8 : get_long(tiff, at + 8);
    if (values > tiff->size || bytes > tiff->size - values)
        return stf_fail(err, CPLE_AppDefined, "Tag %u of the template ends behind its file", tag);
    return stf_tag_list_set(tags, tag, type, count, tiff->data + values, err);
}

static bool parse(const tiff_bytes *tiff, stf_tag_list *tags, stf_error *err) {
    if (tiff->size < 8 || memcmp(tiff->data, CPL_IS_LSB ? "II" : "MM", 2) != 0 || get_short(tiff, 2) != 42)
        return stf_fail(err, CPLE_AppDefined, "The template that GTiff wrote is no classic TIFF");
    uint64_t directory = get_long(tiff, 4);
    if (directory > tiff->size - 2)
        return stf_fail(err, CPLE_AppDefined, "The template that GTiff wrote has no directory");
    uint64_t entries = get_short(tiff, directory);
    if (entries * 12 > tiff->size - directory - 2)
        return stf_fail(err, CPLE_AppDefined, "The directory of the template ends behind its file");
    for (uint64_t i = 0; i < entries; i++) {
        if (!take_entry(tiff, directory + 2 + 12 * i, tags, err))
            return false;
    }
    return true;
}

/* --- making the template ----------------------------------------------------------------------- */

/* Errors of GTiff's become the call's; warnings are raised again once the handler is gone. */
typedef struct message_filter {
    const char *template_name, *target;
    stf_error *err;
    bool failed;
    char **warnings; /* "number:text" */
} message_filter;

/* The user knows the target's name only. Free with CPLFree. */
static char *name_target(const message_filter *filter, const char *text) {
    const char *at = strstr(text, filter->template_name);
    if (!at)
        return CPLStrdup(text);
    return CPLStrdup(
        CPLSPrintf("%.*s%s%s", (int)(at - text), text, filter->target, at + strlen(filter->template_name)));
}

static void CPL_STDCALL filter_message(CPLErr level, CPLErrorNum number, const char *message) {
    message_filter *filter = CPLGetErrorHandlerUserData();
    char *text = name_target(filter, message);
    if (level == CE_Warning)
        filter->warnings = CSLAddString(filter->warnings, CPLSPrintf("%d:%s", number, text));
    else if (level >= CE_Failure) {
        filter->failed = true;
        stf_fail(filter->err, number, "%s", text);
    }
    CPLFree(text);
}

static void raise_warnings(message_filter *filter) {
    for (char **warning = filter->warnings; warning && *warning; warning++) {
        const char *text = strchr(*warning, ':');
        if (text)
            CPLError(CE_Warning, atoi(*warning), "%s", text + 1);
    }
    CSLDestroy(filter->warnings);
}

/* The user's options, but for those that would change the template's own layout. */
static char **template_options(GDALDatasetH stand_in, CSLConstList options) {
    static const char *const dropped[] = {"TILED",     "BLOCKXSIZE",  "BLOCKYSIZE",         "PREDICTOR",
                                          "SPARSE_OK", "NUM_THREADS", "COPY_SRC_OVERVIEWS", "STREAMABLE_OUTPUT",
                                          "NBITS",     "DISCARD_LSB"};
    char **list = CSLDuplicate(options);
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
        list = CSLSetNameValue(list, dropped[i], NULL);
    list = CSLSetNameValue(list, "BIGTIFF", "NO");
    list = CSLSetNameValue(list, "ENDIANNESS", "NATIVE");
    /* GTiff takes YCbCr with JPEG only, and tells WEBP's level in a tag of its own. */
    bool ycbcr = EQUAL(CSLFetchNameValueDef(list, "PHOTOMETRIC", ""), "YCBCR");
    bool webp = EQUAL(CSLFetchNameValueDef(list, "COMPRESS", ""), "WEBP");
    list = CSLSetNameValue(list, "COMPRESS", ycbcr ? "JPEG" : webp ? "WEBP" : "NONE");
    if (GDALGetRasterCount(stand_in) == 0)
        return list;
    /* Samples are written in whole bytes, also where the source says that fewer bits would do. */
    GDALRasterBandH band = GDALGetRasterBand(stand_in, 1);
    if (GDALGetMetadataItem(band, "NBITS", "IMAGE_STRUCTURE"))
        list = CSLSetNameValue(list, "NBITS", CPLSPrintf("%d", GDALGetDataTypeSizeBits(GDALGetRasterDataType(band))));
    return list;
}

static bool write_template(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options,
                           const char *name, stf_error *err) {
    GDALDriverH gtiff = GDALGetDriverByName("GTiff");
    if (!gtiff)
        return stf_fail(err, CPLE_AppDefined, "GDAL has no GTiff driver here, and StreamTIFF needs it");
    char **list = template_options(stand_in, options);
    message_filter filter = {name, target, err, false, NULL};
    CPLPushErrorHandlerEx(filter_message, &filter);
    CPLSetCurrentErrorHandlerCatchDebug(FALSE);
    GDALDatasetH copy = GDALCreateCopy(gtiff, name, stand_in, strict, list, GDALDummyProgress, NULL);
    if (copy)
        GDALClose(copy);
    CPLPopErrorHandler();
    CSLDestroy(list);
    raise_warnings(&filter);
    if (copy && !filter.failed)
        return true;
    return stf_fail(err, CPLE_AppDefined, "GTiff cannot write a file with the metadata of this source");
}

/* The whole bytes of samples, should the template say fewer after all. */
static void set_whole_bytes(GDALDatasetH stand_in, stf_tag_list *tags) {
    const stf_tag *tag = stf_tag_list_find(tags, TIFFTAG_BITSPERSAMPLE);
    if (!tag || tag->type != TIFF_SHORT || GDALGetRasterCount(stand_in) == 0)
        return;
    GDALDataType type = GDALGetRasterDataType(GDALGetRasterBand(stand_in, 1));
    uint16_t *bits = tag->values;
    for (uint64_t i = 0; i < tag->count; i++)
        bits[i] = (uint16_t)GDALGetDataTypeSizeBits(type);
}

bool stf_georef_harvest(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options, stf_georef *out,
                        stf_error *err) {
    memset(out, 0, sizeof(*out));
    /* The address is this call's alone, and /vsimem is the process's alone. */
    char *folder = CPLStrdup(CPLSPrintf("/vsimem/streamtiff-%p", (void *)out));
    char *name = CPLStrdup(CPLSPrintf("%s/template.tif", folder));
    stf_error local = {0}; /* err may hold a failure already, or be NULL */
    VSIMkdir(folder, 0755);
    if (write_template(stand_in, target, strict, options, name, &local)) {
        vsi_l_offset size = 0;
        tiff_bytes tiff = {VSIGetMemFileBuffer(name, &size, FALSE), 0};
        tiff.size = tiff.data ? size : 0;
        if (parse(&tiff, &out->tags, &local))
            stf_side_files_read(name, &out->side_files, &local);
        set_whole_bytes(stand_in, &out->tags);
    }
    VSIRmdirRecursive(folder);
    CPLFree(name);
    CPLFree(folder);
    if (local.number == 0)
        return true;
    stf_georef_free(out);
    return stf_fail(err, local.number, "%s", local.text);
}

bool stf_georef_write_sidecar(const stf_georef *georef, const char *target, stf_error *err) {
    VSIStatBufL status;
    if (!stf_side_files_any(&georef->side_files) || STARTS_WITH(target, "/vsistdout"))
        return true;
    if (VSIStatExL(target, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) == 0 && !VSI_ISREG(status.st_mode))
        return true; /* a pipe has no sidecar */
    return stf_side_files_write(&georef->side_files, target, err);
}

void stf_georef_free(stf_georef *georef) {
    stf_tag_list_free(&georef->tags);
    stf_side_files_free(&georef->side_files);
}
