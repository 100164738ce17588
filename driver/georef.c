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

/* What GTiff says while it writes the template, kept as "class:number:text". */
typedef struct message_filter {
    const char *template_name, *target;
    char **messages;
    stf_error first; /* failure */
} message_filter;

/* Free with CPLFree. */
static char *replaced(const char *text, const char *what, const char *with) {
    const char *at = strstr(text, what);
    return CPLStrdup(at ? CPLSPrintf("%.*s%s%s", (int)(at - text), text, with, at + strlen(what)) : text);
}

/* The user knows the target's name only. GDAL names files with their folders or, since 3.7, without. */
static char *name_target(const message_filter *filter, const char *text) {
    if (strstr(text, filter->template_name))
        return replaced(text, filter->template_name, filter->target);
    char *file = CPLStrdup(CPLGetFilename(filter->template_name));
    char *named = replaced(text, file, CPLGetFilename(filter->target));
    CPLFree(file);
    return named;
}

static void CPL_STDCALL filter_message(CPLErr level, CPLErrorNum number, const char *message) {
    message_filter *filter = CPLGetErrorHandlerUserData();
    if (level < CE_Warning)
        return;
    char *text = name_target(filter, message);
    filter->messages = CSLAddString(filter->messages, CPLSPrintf("%d:%d:%s", (int)level, number, text));
    if (level >= CE_Failure)
        stf_fail(&filter->first, number, "%s", text);
    CPLFree(text);
}

void stf_georef_raise_messages(const stf_georef *georef) {
    for (char **message = georef->messages; message && *message; message++) {
        const char *number = strchr(*message, ':');
        const char *text = number ? strchr(number + 1, ':') : NULL;
        if (text)
            CPLError((CPLErr)atoi(*message), atoi(number + 1), "%s", text + 1);
    }
}

/* The user's options, with the least work for the codec. */
static char **template_options(CSLConstList options) {
    char **list = CSLDuplicate(options);
    list = CSLSetNameValue(list, "BIGTIFF", "NO");
    list = CSLSetNameValue(list, "ENDIANNESS", "NATIVE");
    list = CSLSetNameValue(list, "ZSTD_LEVEL", "1");
    list = CSLSetNameValue(list, "LZMA_PRESET", "0");
    return list;
}

/* GTiff may raise failures and write the file all the same (a colour table that no tag can hold). */
static bool write_template(GDALDatasetH stand_in, bool strict, CSLConstList options, message_filter *filter,
                           stf_error *err) {
    GDALDriverH gtiff = GDALGetDriverByName("GTiff");
    if (!gtiff)
        return stf_fail(err, CPLE_AppDefined, "GDAL has no GTiff driver here, and StreamTIFF needs it");
    char **list = template_options(options);
    char *validated = CPLStrdup(CPLGetThreadLocalConfigOption("GDAL_VALIDATE_CREATION_OPTIONS", ""));
    CPLSetThreadLocalConfigOption("GDAL_VALIDATE_CREATION_OPTIONS", "NO"); /* GDAL has done that with ours */
    CPLPushErrorHandlerEx(filter_message, filter);
    CPLSetCurrentErrorHandlerCatchDebug(FALSE);
    GDALDatasetH copy = GDALCreateCopy(gtiff, filter->template_name, stand_in, strict, list, GDALDummyProgress, NULL);
    if (copy)
        GDALClose(copy);
    CPLPopErrorHandler();
    CPLSetThreadLocalConfigOption("GDAL_VALIDATE_CREATION_OPTIONS", *validated ? validated : NULL);
    CPLFree(validated);
    CSLDestroy(list);
    if (copy)
        return true;
    if (filter->first.number != 0)
        return stf_fail(err, filter->first.number, "%s", filter->first.text);
    return stf_fail(err, CPLE_AppDefined, "GTiff cannot write a file with the metadata of this source");
}

bool stf_georef_harvest(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options, stf_georef *out,
                        stf_error *err) {
    memset(out, 0, sizeof(*out));
    /* The address is this call's alone, and /vsimem is the process's alone. */
    char *folder = CPLStrdup(CPLSPrintf("/vsimem/streamtiff-%p", (void *)out));
    char *name = CPLStrdup(CPLSPrintf("%s/template.tif", folder));
    stf_error local = {0}; /* err may hold a failure already, or be NULL */
    VSIMkdir(folder, 0755);
    message_filter filter = {name, target, NULL, {0}};
    bool written = write_template(stand_in, strict, options, &filter, &local);
    out->messages = filter.messages;
    if (written) {
        vsi_l_offset size = 0;
        tiff_bytes tiff = {VSIGetMemFileBuffer(name, &size, FALSE), 0};
        tiff.size = tiff.data ? size : 0;
        if (parse(&tiff, &out->tags, &local))
            stf_side_files_read(name, &out->side_files, &local);
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
    CSLDestroy(georef->messages);
    georef->messages = NULL;
}
