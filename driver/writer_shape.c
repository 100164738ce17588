/* The shape: a GTiff dataset of a few pixels in a folder of its own in /vsimem, made with the options of the file. What is
 * set on it, it takes or refuses as it would if it were the file. */
#include <string.h>

#include "cpl_conv.h"
#include "writer_internal.h"

#define SHAPE_PX 16

/* The user's options, with the least work for the codec. */
static char **shape_options(const stf_writer *w) {
    char **list = CSLDuplicate(w->copy.options.gtiff_options);
    list = CSLSetNameValue(list, "BIGTIFF", "NO");
    list = CSLSetNameValue(list, "ENDIANNESS", "NATIVE");
    list = CSLSetNameValue(list, "ZSTD_LEVEL", "1");
    list = CSLSetNameValue(list, "LZMA_PRESET", "0");
    return CSLSetNameValue(list, "SPARSE_OK", "YES");
}

static GDALDatasetH create_shape(const stf_writer *w, int bands) {
    char **list = shape_options(w);
    GDALDriverH driver = GDALGetDriverByName("GTiff");
    const char *valid = CPLGetThreadLocalConfigOption("GDAL_VALIDATE_CREATION_OPTIONS", NULL);
    char *before = valid ? CPLStrdup(valid) : NULL;
    CPLSetThreadLocalConfigOption("GDAL_VALIDATE_CREATION_OPTIONS", "NO"); /* they have been */
    GDALDatasetH shape =
        driver ? GDALCreate(driver, w->shape_name, SHAPE_PX, SHAPE_PX, bands, w->copy.type, list) : NULL;
    CPLSetThreadLocalConfigOption("GDAL_VALIDATE_CREATION_OPTIONS", before);
    CPLFree(before);
    CSLDestroy(list);
    return shape;
}

/* The first one is closed at once: the tags that it has decide how tiles are encoded. */
bool stf_writer_make_shape(stf_writer *w, int bands, stf_error *err) {
    w->shape_folder = CPLStrdup(CPLSPrintf("/vsimem/streamtiff-shape-%p", (void *)w));
    const char *file = CPLGetFilename(w->target);
    w->shape_name = CPLStrdup(CPLSPrintf("%s/%s", w->shape_folder, file[0] ? file : "out.tif"));
    VSIMkdir(w->shape_folder, 0755);
    w->shape = create_shape(w, bands);
    if (!w->shape)
        return stf_fail_with_last(err, "Describing the output");
    if (!stf_writer_take_shape(w, err))
        return false;
    w->shape = create_shape(w, bands);
    return w->shape || stf_fail_with_last(err, "Describing the output");
}

bool stf_writer_take_shape(stf_writer *w, stf_error *err) {
    stf_georef_free(&w->copy.georef);
    GDALDatasetH shape = w->shape;
    w->shape = NULL;
    GDALClose(shape);
    return stf_georef_take(w->shape_name, &w->copy.georef, err);
}

void stf_writer_drop_shape(stf_writer *w) {
    if (w->shape)
        GDALClose(w->shape);
    w->shape = NULL;
    if (w->shape_folder)
        VSIRmdirRecursive(w->shape_folder);
    CPLFree(w->shape_folder);
    CPLFree(w->shape_name);
    w->shape_folder = w->shape_name = NULL;
}
