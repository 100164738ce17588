#include <stdio.h>
#include <string.h>

#include "color_file.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "derive_internal.h"
#include "derive_scale.h"
#include "gdal_adaptor.h"
#include "messages.h"
#include "scratch.h"

#define STAND_IN_PX 16
#define VECTOR_PX 8 /* a multiple of what gdaldem's vector code takes at a time */

GDALDatasetH stf_derive_source(const stf_derive *derive) {
    return derive->turned ? derive->turned : derive->dataset;
}

GDALDatasetH stf_derive_shape(const stf_derive *derive) {
    return derive->shape;
}

const stf_operator *stf_derive_operator(const stf_derive *derive) {
    return &derive->op;
}

bool stf_derive_runs_kernel(const stf_derive *derive) {
    return derive->runs_kernel;
}

uint32_t stf_derive_passes(const stf_derive *derive) {
    return derive->passes;
}

/* --- GDALDEMProcessing ------------------------------------------------------------------------- */

static GDALDEMProcessingOptions *make_options(const stf_derive *derive, char **more, stf_error *err) {
    char **arguments = NULL;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    arguments = CSLAddString(arguments, derive->command->mode_name); /* else it tries one mode after the other */
#endif
    for (char **argument = derive->command->arguments; argument && *argument; argument++)
        arguments = CSLAddString(arguments, *argument);
    for (; more && *more; more++)
        arguments = CSLAddString(arguments, *more);
    CPLErrorReset();
    GDALDEMProcessingOptions *options = GDALDEMProcessingOptionsNew(arguments, NULL);
    CSLDestroy(arguments);
    if (!options)
        stf_fail_with_last(err, "DERIVE");
    return options;
}

/* --- what the whole raster decides ------------------------------------------------------------- */

static bool check_source(const stf_derive *derive, stf_error *err) {
    int bands = GDALGetRasterCount(derive->dataset), band = derive->command->band;
    if (band > bands)
        return stf_fail(err, CPLE_IllegalArg, "DERIVE: there is no band %d, the source has %d", band, bands);
    GDALDataType type = GDALGetRasterDataType(GDALGetRasterBand(derive->dataset, band));
    if (GDALDataTypeIsComplex(type))
        return stf_fail(err, CPLE_NotSupported, "DERIVE: band %d is complex (%s), heights are real numbers", band,
                        GDALGetDataTypeName(type));
    return true;
}

/* The modes to which the size of a pixel and the scale of heights matter. */
static bool scales(const stf_derive *derive) {
    return derive->command->mode == STF_DERIVE_SLOPE || derive->command->mode == STF_DERIVE_HILLSHADE;
}

#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
static char **add_scale(char **arguments, double x, double y) {
    char text[64];
    CPLsnprintf(text, sizeof text, "%.17g", x);
    arguments = CSLAddString(CSLAddString(arguments, "-xscale"), text);
    CPLsnprintf(text, sizeof text, "%.17g", y);
    return CSLAddString(CSLAddString(arguments, "-yscale"), text);
}
#endif

/* What gdaldem writes for a few pixels that say of themselves what the source does. */
static bool take_sample(stf_derive *derive, stf_error *err) {
    char band[16];
    const char *const drivers[] = {"GTiff", NULL};
    snprintf(band, sizeof band, "%d", derive->command->band);
    char **more = CSLAddString(CSLAddString(CSLAddString(CSLAddString(NULL, "-of"), "GTiff"), "-b"), band);
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    if (!derive->command->scaled && scales(derive)) /* what the scale is and what is wrong with it, the raster shows */
        more = add_scale(more, 1, 1);
#endif
    GDALDEMProcessingOptions *options = make_options(derive, more, err);
    CSLDestroy(more);
    GDALDatasetH stand_in = options ? stf_gdal_stand_in(stf_derive_source(derive), STAND_IN_PX, STAND_IN_PX, 0) : NULL;
    GDALDatasetH made = stand_in ? stf_derive_process(derive, derive->sample_path, stand_in, options, err) : NULL;
    GDALClose(made);
    GDALClose(stand_in);
    GDALDEMProcessingOptionsFree(options);
    if (made)
        derive->sample =
            GDALOpenEx(derive->sample_path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, drivers, NULL, NULL);
    return derive->sample != NULL || stf_fail(err, CPLE_AppDefined, "DERIVE: what gdaldem wrote cannot be read");
}

static bool was_turned(const stf_derive *derive) {
    double before[6] = {0}, after[6] = {0};
    if (GDALGetGeoTransform(derive->dataset, before) != CE_None || (before[2] == 0 && before[4] == 0 && before[5] < 0))
        return false;
    GDALGetGeoTransform(derive->sample, after);
    return memcmp(before, after, sizeof before) != 0;
}

/* As gdaldem does: what the sample shows, the whole raster is turned like. */
static bool turn(stf_derive *derive, stf_error *err) {
    char *const arguments[] = {"-of", "VRT", NULL};
    GDALWarpAppOptions *options = GDALWarpAppOptionsNew((char **)(uintptr_t)arguments, NULL);
    CPLErrorReset();
    derive->turned = GDALWarp("", NULL, 1, &derive->dataset, options, NULL);
    GDALWarpAppOptionsFree(options);
    if (!derive->turned)
        return stf_fail_with_last(err, "DERIVE: turning the raster north-up");
    GDALClose(derive->sample);
    derive->sample = NULL;
    return take_sample(derive, err);
}

static bool harvest(stf_derive *derive, stf_error *err) {
    stf_messages messages = {0}; /* its warnings are told, its failures are ours to tell */
    if (!stf_messages_init(&messages))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for messages");
    stf_messages_begin(&messages);
    bool done = take_sample(derive, err) && (!was_turned(derive) || turn(derive, err));
    stf_messages_end();
    if (done)
        stf_messages_raise(&messages);
    stf_messages_free(&messages);
    return done;
}

static bool make_window_options(stf_derive *derive, stf_error *err) {
    char **more = CSLAddString(CSLAddString(NULL, "-of"), "MEM");
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    if (!derive->command->scaled && scales(derive)) {
        double x, y;
        stf_derive_scale(stf_derive_source(derive), derive->band, &x, &y);
        derive->square = derive->square && x == y;
        more = add_scale(more, x, y);
    }
#endif
    derive->options = make_options(derive, more, err);
    CSLDestroy(more);
    return derive->options != NULL;
}

/* --- from beginning to end --------------------------------------------------------------------- */

static bool resolve_colors(stf_derive *derive, stf_error *err) {
    bool computed = false;
    if (!derive->command->color_path)
        return true;
    bool done =
        stf_color_file_resolve(derive->command->color_path, GDALGetRasterBand(derive->dataset, derive->command->band),
                               &derive->color_path, &computed, err);
    derive->passes = computed ? 1 : 0;
    return done;
}

static bool describe_operator(stf_derive *derive, stf_error *err) {
    GDALDatasetH source = stf_derive_source(derive);
    stf_operator *op = &derive->op;
    bool is_relief = derive->command->mode == STF_DERIVE_COLOR_RELIEF;
    derive->band = GDALGetRasterBand(source, derive->command->band);
    derive->type = GDALGetRasterDataType(derive->band);
    GDALGetGeoTransform(source, derive->transform);
    derive->uses_transform = scales(derive);
    derive->square = derive->transform[1] == -derive->transform[5];
    derive->width_px = (uint32_t)GDALGetRasterXSize(source);
    derive->height_px = (uint32_t)GDALGetRasterYSize(source);
    derive->memory = GDALGetDriverByName("MEM");
    stf_derive_find_nodata(derive);
    op->context = derive;
    op->halo_px = is_relief ? 0 : 1;
    op->pad_px = derive->command->plain_shading ? VECTOR_PX : 0;
    op->source_bytes = (uint32_t)GDALGetDataTypeSizeBytes(derive->type);
    op->bands = (uint32_t)GDALGetRasterCount(derive->sample);
    op->sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(GDALGetRasterBand(derive->sample, 1)));
    op->run = stf_derive_run_window;
    op->run_bytes = stf_derive_run_window_bytes;
    derive->shape = stf_gdal_stand_in(derive->sample, GDALGetRasterXSize(source), GDALGetRasterYSize(source), 0);
    if (!derive->shape || !derive->memory)
        return stf_fail(err, CPLE_OutOfMemory, "DERIVE: no memory for the description of the result");
    if (!make_window_options(derive, err))
        return false;
    derive->runs_kernel = derive->kernel_wanted && stf_derive_choose_kernel(derive);
    if (derive->runs_kernel) {
        op->run = stf_derive_run_kernel;
        op->run_bytes = stf_derive_run_kernel_bytes;
        op->pad_px = 0;
        op->allocates_little = true;
    }
    if (!is_relief || (derive->type != GDT_Byte && derive->type != GDT_UInt16 && derive->type != GDT_Int16))
        return true;
    op->run = stf_derive_run_table;
    op->run_bytes = stf_derive_run_table_bytes;
    op->allocates_little = true;
    op->table_bytes = 4 * (derive->type == GDT_Byte ? 256 : 65536);
    return stf_derive_make_table(derive, err);
}

stf_derive *stf_derive_create(const stf_derive_command *command, bool kernel, GDALDatasetH dataset, stf_error *err) {
    stf_derive *derive = VSICalloc(1, sizeof *derive);
    if (!derive) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for DERIVE");
        return NULL;
    }
    derive->command = command;
    derive->dataset = dataset;
    derive->kernel_wanted = kernel;
    derive->sample_path = stf_scratch_name("/vsimem/streamtiff", "derived.tif");
    if (check_source(derive, err) && resolve_colors(derive, err) && harvest(derive, err) &&
        describe_operator(derive, err))
        return derive;
    stf_derive_destroy(derive);
    return NULL;
}

double stf_derive_nodata(const stf_derive *derive) {
    return derive->type == GDT_Int64    ? (double)derive->nodata_int64
           : derive->type == GDT_UInt64 ? (double)derive->nodata_uint64
                                        : derive->nodata;
}

/* Which rows hold nodata matters from GDAL 3.11 on: to the vector code, which before computed in doubles as all the rest did (but for
 * its last sum: not worth another pass over the source), and to edges. False: it does not matter. */
static bool needs_rows(const stf_derive *derive, stf_nodata_need *need) {
    bool vector = derive->command->plain_shading && derive->square;
    bool edges =
        !stf_nodata_is_integer(derive->type) && CSLFindString(derive->command->arguments, "-compute_edges") >= 0;
    *need = vector ? STF_NODATA_ROWS_ALL : STF_NODATA_ROWS_EDGES;
    return GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0) && (vector || edges) && derive->op.halo_px > 0 &&
           derive->has_nodata && stf_nodata_is_possible(derive->type, stf_derive_nodata(derive));
}

/* What GDAL says meanwhile is told where it did not fail; what failed is ours to tell. */
static bool look_at_rows(stf_derive *derive, stf_source *source, stf_nodata_need need, stf_error *err) {
    stf_messages messages = {0};
    if (!stf_messages_init(&messages))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for messages");
    stf_messages_begin(&messages);
    derive->rows =
        stf_nodata_rows_find(source, (uint32_t)derive->command->band - 1, stf_derive_nodata(derive), need, err);
    stf_messages_end();
    if (derive->rows)
        stf_messages_raise(&messages);
    stf_messages_free(&messages);
    return derive->rows != NULL;
}

/* Where units are as wide as the raster, windows show whole rows; an opaque source cannot be read twice. */
bool stf_derive_look_at_rows(stf_derive *derive, stf_source *source, stf_error *err) {
    stf_nodata_need need;
    bool whole_rows = source->info.groups[0].x.cells == 1, through_cache = source->info.kind == STF_SOURCE_WINDOWS;
    if (!needs_rows(derive, &need) || whole_rows || source->info.kind == STF_SOURCE_ROWS)
        return true;
    if (through_cache && source->request.cap_bytes / 2 > STF_PLANNING_LEASE_BYTES)
        stf_lease_resize(source->request.lease, source->request.cap_bytes / 2);
    bool done = look_at_rows(derive, source, need, err);
    if (through_cache)
        stf_lease_resize(source->request.lease, STF_PLANNING_LEASE_BYTES);
    if (!done)
        return false;
    stf_source_count_before(source, stf_nodata_rows_decodes(derive->rows));
    if (!stf_nodata_rows_pixel(derive->rows)) {
        stf_nodata_rows_free(derive->rows);
        derive->rows = NULL;
        return true;
    }
    derive->op.table_bytes += stf_nodata_rows_bytes(derive->rows);
    if (derive->op.pad_px == 0)
        derive->op.pad_px = 1;
    return true;
}

void stf_derive_destroy(stf_derive *derive) {
    if (!derive)
        return;
    GDALDEMProcessingOptionsFree(derive->options);
    stf_nodata_rows_free(derive->rows);
    GDALClose(derive->shape);
    GDALClose(derive->sample);
    if (derive->sample_path)
        VSIUnlink(derive->sample_path);
    if (derive->color_path)
        VSIUnlink(derive->color_path);
    if (derive->turned)
        GDALClose(derive->turned);
    VSIFree(derive->table);
    CPLFree(derive->sample_path);
    CPLFree(derive->color_path);
    VSIFree(derive);
}
