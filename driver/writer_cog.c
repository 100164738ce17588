/* A COG begins with what is known last. So the windows go to a plain file beside the target, quickly compressed and without
 * loss, and at the end that is copied: under the same cap, which the writer no longer needs. */
#include "create_copy.h"
#include "cpl_conv.h"
#include "gdal_version.h"
#include "scratch.h"
#include "writer_internal.h"

bool stf_writer_begin_cog(stf_writer *w, char ***options, stf_error *err) {
    static const char *const kept[] = {"MEMORY_CAP", "MEMORY_CAP_STRICT", "NUM_THREADS", "NBITS"};
    char **list = NULL;
    const char *block = CPLSPrintf("%u", w->copy.options.block_width_px);
    list = CSLSetNameValue(list, "BLOCKXSIZE", block);
    list = CSLSetNameValue(list, "BLOCKYSIZE", block);
    list = CSLSetNameValue(list, "COMPRESS", "DEFLATE");
    list = CSLSetNameValue(list, "ZLEVEL", "1");
    list = CSLSetNameValue(list, "SPARSE_OK", "YES");
    list = CSLSetNameValue(list, "INTERLEAVE", w->copy.options.pixel_interleave ? "PIXEL" : "BAND");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (CSLFetchNameValue(*options, kept[i]))
            list = CSLSetNameValue(list, kept[i], CSLFetchNameValue(*options, kept[i]));
    w->cog_target = w->target;
    w->cog_options =
        CSLSetNameValue(*options, "PASSTHROUGH", "NO"); /* the plain file's tiles are not what was asked for */
    *options = list;
    bool is_file = !STARTS_WITH(w->cog_target, "/vsi") || STARTS_WITH(w->cog_target, "/vsimem/");
    w->target = stf_scratch_name(is_file ? w->cog_target : CPLGenerateTempFilename("streamtiff"), "tif");
    w->copy.target = w->target;
    return w->target != NULL || stf_fail(err, CPLE_OutOfMemory, "No memory for a name");
}

/* All that lies beside it goes with it. */
static void remove_plain_file(const stf_writer *w) {
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDriverH driver = GDALGetDriverByName("GTiff");
    if (driver)
        GDALDeleteDataset(driver, w->target);
    CPLPopErrorHandler();
}

bool stf_writer_make_cog(stf_writer *w, stf_error *err) {
    const char *const drivers[] = {"GTiff", NULL};
    GDALDatasetH plain =
        GDALOpenEx(w->target, GDAL_OF_RASTER | GDAL_OF_INTERNAL | GDAL_OF_VERBOSE_ERROR, drivers, NULL, NULL);
    GDALDatasetH cog = NULL;
    if (plain) {
        cog = stf_create_copy(w->cog_target, plain, FALSE, (CSLConstList)w->cog_options, GDALDummyProgress, NULL);
        if (!cog)
            stf_fail_with_last(err, "Turning what was written into a COG");
        GDALClose(plain);
    } else
        stf_fail_with_last(err, "Opening what was written");
    if (cog)
        GDALClose(cog);
    remove_plain_file(w);
    return cog != NULL;
}
