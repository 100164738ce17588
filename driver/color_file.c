#include "color_file.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "scratch.h"

/* Of one line, as gdaldem reads them. */
#define MAX_LINE_BYTES (10 << 20)

typedef struct resolver {
    const char *path;
    GDALRasterBandH band;
    bool is_gmt; /* from here on: such files know no percentages */
    bool computed;
} resolver;

static bool height_of(resolver *r, const char *percentage, double *height, stf_error *err) {
    double part = CPLAtof(percentage) / 100.0, min, max, mean, deviation;
    int has_min = FALSE, has_max = FALSE;
    if (part < 0.0 || part > 1.0)
        return stf_fail(err, CPLE_IllegalArg, "Wrong value for a percentage in %s: %s", r->path, percentage);
    min = GDALGetRasterMinimum(r->band, &has_min);
    max = GDALGetRasterMaximum(r->band, &has_max);
    if (!has_min || !has_max) {
        /* A raster without one valid pixel has no statistics; a block that cannot be read fails the copy itself. */
        r->computed = true;
        CPLPushErrorHandler(CPLQuietErrorHandler);
        GDALComputeRasterStatistics(r->band, FALSE, &min, &max, &mean, &deviation, NULL, NULL);
        CPLPopErrorHandler();
        CPLErrorReset();
        if (GDALGetAccess(GDALGetBandDataset(r->band)) == GA_ReadOnly)
            GDALFlushRasterCache(r->band); /* its blocks are read again past GDAL's cache */
    }
    *height = min + part * (max - min);
    return true;
}

static char *append(char *text, const char *line) {
    size_t used = strlen(text), more = strlen(line);
    text = CPLRealloc(text, used + more + 2);
    memcpy(text + used, line, more);
    memcpy(text + used + more, "\n", 2);
    return text;
}

/* The fields of one line, the first of them a percentage, with a number instead. */
static bool resolve_percentage(resolver *r, char **fields, char **line, stf_error *err) {
    double height = 0;
    char number[64];
    if (!height_of(r, fields[0], &height, err))
        return false;
    CPLsnprintf(number, sizeof number, "%.17g", height);
    *line = CPLStrdup(number);
    for (char **field = fields + 1; *field; field++) {
        char *longer = CPLStrdup(CPLSPrintf("%s %s", *line, *field));
        CPLFree(*line);
        *line = longer;
    }
    return true;
}

/* *line: what stands in its place, the caller's; or NULL: nothing. */
static bool resolve_line(resolver *r, const char *text, char **line, stf_error *err) {
    *line = NULL;
    if (text[0] == '#' && strstr(text, "COLOR_MODEL"))
        r->is_gmt = true;
    char **fields = CSLTokenizeStringComplex(text, " ,\t:", FALSE, FALSE);
    bool done = true, is_entry = !r->is_gmt && CSLCount(fields) >= 2 && fields[0][0] != '#' && fields[0][0] != '/';
    size_t length = is_entry ? strlen(fields[0]) : 0;
    int has_nodata = TRUE;
    if (is_entry && EQUAL(fields[0], "nv"))
        GDALGetRasterNoDataValue(r->band, &has_nodata);
    if (!has_nodata)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "Input dataset has no nodata value. Ignoring 'nv' entry in color palette");
    else if (is_entry && length > 1 && fields[0][length - 1] == '%')
        done = resolve_percentage(r, fields, line, err);
    else
        *line = CPLStrdup(text);
    CSLDestroy(fields);
    return done;
}

static bool resolve(resolver *r, VSILFILE *file, char **resolved, stf_error *err) {
    const char *text;
    *resolved = CPLStrdup("");
    while ((text = CPLReadLine2L(file, MAX_LINE_BYTES, NULL)) != NULL) {
        char *line;
        if (!resolve_line(r, text, &line, err))
            return false;
        if (line)
            *resolved = append(*resolved, line);
        CPLFree(line);
    }
    return true;
}

/* With its dot; "": there is none. */
static const char *extension_of(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && !strpbrk(dot, "/\\") ? dot : "";
}

/* From GDAL 3.12 on the extension, too, tells a GMT file from others. */
static bool is_gmt_by_name(const char *path) {
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 12, 0)
    return EQUAL(extension_of(path), ".gmt");
#else
    (void)path;
    return false;
#endif
}

static bool write_copy(const char *path, char *text, char **copy, stf_error *err) {
    char *name = stf_scratch_name("/vsimem/streamtiff", "colours");
    *copy = CPLStrdup(CPLSPrintf("%s%s", name, extension_of(path)));
    CPLFree(name);
    /* The file owns the text from here on. */
    VSILFILE *file = VSIFileFromMemBuffer(*copy, (GByte *)text, strlen(text), TRUE);
    if (file) {
        VSIFCloseL(file);
        return true;
    }
    CPLFree(*copy);
    *copy = NULL;
    return stf_fail(err, CPLE_OutOfMemory, "No memory for a copy of %s", path);
}

bool stf_color_file_resolve(const char *path, GDALRasterBandH band, char **copy, bool *computed, stf_error *err) {
    char *text = NULL;
    *copy = NULL;
    *computed = false;
    CPLPushErrorHandler(CPLQuietErrorHandler);
    VSILFILE *file = VSIFOpenL(path, "rb");
    CPLPopErrorHandler();
    if (!file)
        return stf_fail(err, CPLE_OpenFailed, "DERIVE: the colour file %s cannot be opened", path);
    resolver r = {path, band, is_gmt_by_name(path), false};
    bool done = resolve(&r, file, &text, err);
    VSIFCloseL(file);
    *computed = r.computed;
    if (done)
        return write_copy(path, text, copy, err);
    CPLFree(text);
    return false;
}
