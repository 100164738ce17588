/* The template: one CreateCopy of the stand-in by GTiff into a folder of its own in /vsimem, whose
 * first directory is then read by hand. It is read as if it were hostile: every offset and count is
 * checked against the bytes that are there. */
#define _LARGEFILE64_SOURCE /* glibc declares the struct behind VSIStatBufL only then */
#include "georef.h"

#include <stdlib.h>
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

/* Of a COG the structural tags are taken, too: the order in which values lie is theirs as well. */
static bool is_wanted(uint16_t tag, bool is_cog) {
    if (is_cog)
        return tag != TIFFTAG_TILEOFFSETS && tag != TIFFTAG_TILEBYTECOUNTS && tag != TIFFTAG_STRIPOFFSETS &&
               tag != TIFFTAG_STRIPBYTECOUNTS && tag != TIFFTAG_SUBIFD;
    return !is_structural(tag);
}

static bool take_entry(const tiff_bytes *tiff, uint64_t at, bool is_cog, stf_tag_list *tags, stf_error *err) {
    uint16_t tag = get_short(tiff, at), type = get_short(tiff, at + 2);
    uint64_t count = get_long(tiff, at + 4);
    uint64_t bytes = stf_mul(stf_tag_type_bytes(type), count);
    if (!is_wanted(tag, is_cog) || bytes == 0)
        return true;
    uint64_t values = bytes <= 4 ? at + 8 : get_long(tiff, at + 8);
    if (values > tiff->size || bytes > tiff->size - values)
        return stf_fail(err, CPLE_AppDefined, "Tag %u of the template ends behind its file", tag);
    return stf_tag_list_set(tags, tag, type, count, tiff->data + values, err);
}

static uint64_t place_of(const tiff_bytes *tiff, uint64_t at) {
    bool inside = stf_mul(stf_tag_type_bytes(get_short(tiff, at + 2)), get_long(tiff, at + 4)) <= 4;
    return inside ? at + 8 : get_long(tiff, at + 8);
}

/* The entry that is next in the order of the values' places, behind this place; entries: none is. */
static uint64_t next_in_place(const tiff_bytes *tiff, uint64_t directory, uint64_t entries, uint64_t behind) {
    uint64_t found = entries, found_at = UINT64_MAX;
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t at = directory + 2 + 12 * i;
        uint64_t place = place_of(tiff, at);
        if (place > behind && place < found_at) {
            found = i;
            found_at = place;
        }
    }
    return found;
}

/* *next: where the next directory begins, 0: there is none. */
static bool parse_directory(const tiff_bytes *tiff, uint64_t directory, bool is_cog, stf_tag_list *tags, uint64_t *next,
                            stf_error *err) {
    if (directory > tiff->size - 2)
        return stf_fail(err, CPLE_AppDefined, "The template that GTiff wrote has no directory");
    uint64_t entries = get_short(tiff, directory);
    if (entries * 12 + 4 > tiff->size - directory - 2)
        return stf_fail(err, CPLE_AppDefined, "The directory of the template ends behind its file");
    *next = get_long(tiff, directory + 2 + 12 * entries);
    uint64_t place = 0;
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t entry = is_cog ? next_in_place(tiff, directory, entries, place) : i;
        if (entry == entries)
            break;
        place = place_of(tiff, directory + 2 + 12 * entry);
        if (!take_entry(tiff, directory + 2 + 12 * entry, is_cog, tags, err))
            return false;
    }
    return true;
}

static bool check_header(const tiff_bytes *tiff, stf_error *err) {
    if (tiff->size < 8 || memcmp(tiff->data, CPL_IS_LSB ? "II" : "MM", 2) != 0 || get_short(tiff, 2) != 42)
        return stf_fail(err, CPLE_AppDefined, "The template that GTiff wrote is no classic TIFF");
    return true;
}

static bool parse(const tiff_bytes *tiff, stf_georef *out, stf_error *err) {
    uint64_t next;
    return check_header(tiff, err) && parse_directory(tiff, get_long(tiff, 4), false, &out->tags, &next, err);
}

static uint32_t subfile_type(const stf_tag_list *tags) {
    const stf_tag *tag = stf_tag_list_find(tags, TIFFTAG_SUBFILETYPE);
    uint32_t type = 0;
    if (tag && tag->type == TIFF_LONG)
        memcpy(&type, tag->values, sizeof type);
    return type;
}

/* Each directory goes where its kind belongs. */
static bool sort_directory(const tiff_bytes *tiff, stf_georef *out, uint64_t *directory, stf_error *err) {
    stf_tag_list tags = {0};
    bool done = parse_directory(tiff, *directory, true, &tags, directory, err);
    uint32_t type = subfile_type(&tags);
    bool reduced = (type & FILETYPE_REDUCEDIMAGE) != 0, mask = (type & FILETYPE_MASK) != 0;
    stf_tag_list *home =
        reduced ? (mask ? &out->overview_mask_tags : &out->overview_tags) : (mask ? &out->mask_tags : &out->tags);
    stf_tag_list_free(home);
    *home = tags;
    return done;
}

static bool take_ghost(const tiff_bytes *tiff, stf_georef *out, stf_error *err) {
    static const char beginning[] = "GDAL_STRUCTURAL_METADATA_SIZE=";
    const size_t header_bytes = 8, line_bytes = sizeof beginning - 1 + sizeof "000000 bytes\n" - 1;
    if (tiff->size < header_bytes + line_bytes ||
        memcmp(tiff->data + header_bytes, beginning, sizeof beginning - 1) != 0)
        return true;
    uint64_t bytes = line_bytes + (uint64_t)atoi((const char *)tiff->data + header_bytes + sizeof beginning - 1);
    if (bytes > tiff->size - header_bytes)
        return stf_fail(err, CPLE_AppDefined, "What the template says of itself ends behind its file");
    out->ghost = VSIMalloc((size_t)bytes);
    if (!out->ghost)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the beginning of a COG");
    memcpy(out->ghost, tiff->data + header_bytes, (size_t)bytes);
    out->ghost_bytes = (size_t)bytes;
    return true;
}

static bool parse_cog(const tiff_bytes *tiff, stf_georef *out, stf_error *err) {
    if (!check_header(tiff, err) || !take_ghost(tiff, out, err))
        return false;
    uint64_t directory = get_long(tiff, 4);
    for (int i = 0; i < 4 && directory != 0; i++) /* so many kinds there are */
        if (!sort_directory(tiff, out, &directory, err))
            return false;
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
    /* What COG's driver makes overviews in is its own affair. */
    if (level < CE_Warning || strstr(message, ".ovr.tmp"))
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

/* An overview, however small the raster. */
static char **cog_template_options(CSLConstList options, stf_template_overview overview) {
    static const char *const names[] = {"NONE", "IGNORE_EXISTING", "FORCE_USE_EXISTING"};
    char **list = CSLDuplicate(options);
    list = CSLSetNameValue(list, "BIGTIFF", "NO");
    list = CSLSetNameValue(list, "BLOCKSIZE", "64");
    list = CSLSetNameValue(list, "LEVEL", "1");
    list = CSLSetNameValue(list, "OVERVIEWS", names[overview]);
    if (overview == STF_TEMPLATE_OVERVIEW_COMPUTED)
        list = CSLSetNameValue(list, "OVERVIEW_COUNT", "1");
    return CSLSetNameValue(list, "NUM_THREADS", "1");
}

/* Configuration of this thread alone, and what it was before. */
typedef struct setting {
    const char *name, *value;
    char *before;
} setting;

static void set_for_this_thread(setting *settings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *before = CPLGetThreadLocalConfigOption(settings[i].name, NULL);
        settings[i].before = before ? CPLStrdup(before) : NULL;
        CPLSetThreadLocalConfigOption(settings[i].name, settings[i].value);
    }
}

static void set_back(setting *settings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        CPLSetThreadLocalConfigOption(settings[i].name, settings[i].before);
        CPLFree(settings[i].before);
    }
}

/* GTiff may raise failures and write the file all the same (a colour table that no tag can hold). The list is freed. */
static bool write_template(const char *driver_name, GDALDatasetH stand_in, bool strict, char **list,
                           message_filter *filter, stf_error *err) {
    char *folder = CPLStrdup(CPLGetPath(filter->template_name));
    /* The driver's own have been validated; what COG makes beside its file stays with the template, and is not made with
     * ZSTD's 17 MB. */
    setting settings[] = {{"GDAL_VALIDATE_CREATION_OPTIONS", "NO", NULL},
                          {"CPL_TMPDIR", folder, NULL},
                          {"COG_TMP_COMPRESSION", "LZW", NULL},
                          {"GDAL_TIFF_ENDIANNESS", "NATIVE", NULL}};
    GDALDriverH driver = GDALGetDriverByName(driver_name);
    GDALDatasetH copy = NULL;
    set_for_this_thread(settings, sizeof settings / sizeof *settings);
    CPLPushErrorHandlerEx(filter_message, filter);
    CPLSetCurrentErrorHandlerCatchDebug(FALSE);
    if (driver)
        copy = GDALCreateCopy(driver, filter->template_name, stand_in, strict, list, GDALDummyProgress, NULL);
    if (copy)
        GDALClose(copy);
    CPLPopErrorHandler();
    set_back(settings, sizeof settings / sizeof *settings);
    CPLFree(folder);
    CSLDestroy(list);
    if (copy)
        return true;
    if (!driver)
        return stf_fail(err, CPLE_AppDefined, "GDAL has no %s driver here, and StreamTIFF needs it", driver_name);
    if (filter->first.number != 0)
        return stf_fail(err, filter->first.number, "%s", filter->first.text);
    return stf_fail(err, CPLE_AppDefined, "%s cannot write a file with the metadata of this source", driver_name);
}

typedef bool (*parse_template)(const tiff_bytes *tiff, stf_georef *out, stf_error *err);

/* The list is freed. */
static bool harvest(const char *driver_name, GDALDatasetH stand_in, const char *target, bool strict, char **list,
                    parse_template take, stf_georef *out, stf_error *err) {
    memset(out, 0, sizeof(*out));
    /* The address is this call's alone, and /vsimem is the process's alone. */
    char *folder = CPLStrdup(CPLSPrintf("/vsimem/streamtiff-%p", (void *)out));
    char *name = CPLStrdup(CPLSPrintf("%s/template.tif", folder));
    stf_error local = {0}; /* err may hold a failure already, or be NULL */
    VSIMkdir(folder, 0755);
    message_filter filter = {name, target, NULL, {0}};
    bool written = write_template(driver_name, stand_in, strict, list, &filter, &local);
    out->messages = filter.messages;
    if (written) {
        vsi_l_offset size = 0;
        tiff_bytes tiff = {VSIGetMemFileBuffer(name, &size, FALSE), 0};
        tiff.size = tiff.data ? size : 0;
        if (take(&tiff, out, &local))
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

bool stf_georef_take(const char *name, stf_georef *out, stf_error *err) {
    vsi_l_offset size = 0;
    tiff_bytes tiff = {VSIGetMemFileBuffer(name, &size, FALSE), 0};
    tiff.size = tiff.data ? size : 0;
    if (parse(&tiff, out, err) && stf_side_files_read(name, &out->side_files, err))
        return true;
    stf_georef_free(out);
    return false;
}

bool stf_georef_harvest(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options, stf_georef *out,
                        stf_error *err) {
    return harvest("GTiff", stand_in, target, strict, template_options(options), parse, out, err);
}

bool stf_georef_harvest_with_overviews(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options,
                                       stf_georef *out, stf_error *err) {
    return harvest("GTiff", stand_in, target, strict, template_options(options), parse_cog, out, err);
}

bool stf_georef_harvest_cog(GDALDatasetH stand_in, const char *target, CSLConstList options,
                            stf_template_overview overview, stf_georef *out, stf_error *err) {
    return harvest("COG", stand_in, target, false, cog_template_options(options, overview), parse_cog, out, err);
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
    stf_tag_list_free(&georef->mask_tags);
    stf_tag_list_free(&georef->overview_tags);
    stf_tag_list_free(&georef->overview_mask_tags);
    VSIFree(georef->ghost);
    georef->ghost = NULL;
    georef->ghost_bytes = 0;
    stf_side_files_free(&georef->side_files);
    CSLDestroy(georef->messages);
    georef->messages = NULL;
}
