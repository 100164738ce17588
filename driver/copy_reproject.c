/* LAYOUT=COG: what the source is turned into before it is copied. Reprojected, it is a warped VRT with the geometry that
 * GDAL's COG driver would give it; JPEG has no alpha, and so makes a mask of it. Either is read like any VRT. */
#include <math.h>
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "gdal_alg.h"
#include "gdal_utils.h"
#include "messages.h"
#include "ogr_srs_api.h"

#define MAX_ALIGNED_LEVELS 10

typedef struct destination {
    char *srs; /* as GDAL's COG driver names it */
    double min_x, min_y, max_x, max_y, resolution;
    int width_px, height_px;
    bool swapped; /* the CRS has its north axis first */
} destination;

/* --- the target CRS ---------------------------------------------------------------------------- */

/* AUTHORITY:CODE where it has one; CPLFree. */
static char *name_of(OGRSpatialReferenceH srs, const char *otherwise) {
    const char *authority = srs ? OSRGetAuthorityName(srs, NULL) : NULL,
               *code = srs ? OSRGetAuthorityCode(srs, NULL) : NULL;
    return CPLStrdup(authority && code ? CPLSPrintf("%s:%s", authority, code) : otherwise);
}

static bool find_srs(stf_copy *c, const stf_warp_options *options, destination *to, stf_error *err) {
    const char *text = options->tiling_scheme ? c->tiling->crs : options->target_srs;
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    bool known = OSRSetFromUserInput(srs, text) == OGRERR_NONE;
    if (known) {
        to->srs = options->tiling_scheme ? name_of(srs, text) : CPLStrdup(text);
        to->swapped = OSREPSGTreatsAsLatLong(srs) || OSREPSGTreatsAsNorthingEasting(srs);
    }
    OSRDestroySpatialReference(srs);
    return known || stf_fail(err, CPLE_AppDefined, "TARGET_SRS=%.300s is no coordinate reference system", text);
}

/* --- the extent, as it comes of the source ----------------------------------------------------- */

/* What lies beyond the latitudes that web mercator has is cut away; NULL: nothing does. */
static GDALDatasetH cut_for_mercator(GDALDatasetH source, const char *srs) {
    const double most = 85.0511287798066;
    double gt[6];
    OGRSpatialReferenceH from = GDALGetSpatialRef(source);
    if (!EQUAL(srs, "EPSG:3857") || !from || !OSRIsGeographic(from) || GDALGetGeoTransform(source, gt) != CE_None ||
        gt[2] != 0 || gt[4] != 0 || gt[5] >= 0)
        return NULL;
    double top = gt[3], bottom = gt[3] + GDALGetRasterYSize(source) * gt[5];
    if (top <= most && bottom >= -most)
        return NULL;
    char **args = CSLAddString(CSLAddString(NULL, "-of"), "VRT");
    args = CSLAddString(args, "-projwin");
    args = CSLAddString(args, CPLSPrintf("%.17g", gt[0]));
    args = CSLAddString(args, CPLSPrintf("%.17g", top > most ? most : top));
    args = CSLAddString(args, CPLSPrintf("%.17g", gt[0] + GDALGetRasterXSize(source) * gt[1]));
    args = CSLAddString(args, CPLSPrintf("%.17g", bottom < -most ? -most : bottom));
    GDALTranslateOptions *options = GDALTranslateOptionsNew(args, NULL);
    GDALDatasetH cut = GDALTranslate("", source, options, NULL);
    GDALTranslateOptionsFree(options);
    CSLDestroy(args);
    return cut;
}

static bool suggest(GDALDatasetH source, destination *to, stf_error *err) {
    GDALDatasetH cut = cut_for_mercator(source, to->srs);
    char **list = CSLSetNameValue(NULL, "DST_SRS", to->srs);
    double gt[6], extent[4];
    void *transformer = GDALCreateGenImgProjTransformer2(cut ? cut : source, NULL, list);
    CSLDestroy(list);
    /* GDAL 3.6 cuts for the transformer alone. */
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    GDALDatasetH measured = cut ? cut : source;
#else
    GDALDatasetH measured = source;
#endif
    bool done = transformer && GDALSuggestedWarpOutput2(measured, GDALGenImgProjTransform, transformer, gt,
                                                        &to->width_px, &to->height_px, extent, 0) == CE_None;
    if (transformer)
        GDALDestroyGenImgProjTransformer(transformer);
    if (cut)
        GDALClose(cut);
    if (!done)
        return stf_fail_with_last(err, "The source cannot be reprojected");
    to->min_x = extent[0];
    to->min_y = extent[1];
    to->max_x = extent[2];
    to->max_y = extent[3];
    to->resolution = gt[1];
    return true;
}

/* --- the extent that is asked for -------------------------------------------------------------- */

static bool place_in_scheme(stf_copy *c, const stf_warp_options *options, destination *to, stf_error *err) {
    stf_tiling_fit fit = {to->min_x, to->min_y, to->max_x, to->max_y, to->resolution, options->zoom_level, 0, false};
    fit.aligned_levels = options->aligned_levels < MAX_ALIGNED_LEVELS ? options->aligned_levels : MAX_ALIGNED_LEVELS;
    if (options->target_srs)
        CPLError(CE_Warning, CPLE_AppDefined, "Ignoring TARGET_SRS option");
    if (options->has_extent)
        CPLError(CE_Warning, CPLE_AppDefined, "Ignoring EXTENT option");
    if (options->has_resolution)
        CPLError(CE_Warning, CPLE_AppDefined, "Ignoring RES option");
    if (!stf_tiling_place(c->tiling, options->block_px, to->swapped, options->strategy, &fit, err))
        return false;
    if (fit.clamped)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "Raster extent partially outside of tile matrix bounding box. Clamping it to it");
    c->zoom_level = fit.zoom;
    c->aligned_levels = fit.aligned_levels;
    to->min_x = fit.min_x;
    to->min_y = fit.min_y;
    to->max_x = fit.max_x;
    to->max_y = fit.max_y;
    to->resolution = fit.resolution;
    return true;
}

static bool set_size(destination *to, stf_error *err) {
    double width = round((to->max_x - to->min_x) / to->resolution);
    double height = round((to->max_y - to->min_y) / to->resolution);
    if (!(width >= 1 && height >= 1 && width <= INT32_MAX && height <= INT32_MAX))
        return stf_fail(err, CPLE_AppDefined, "The reprojected raster would have %g x %g pixels", width, height);
    to->width_px = (int)width;
    to->height_px = (int)height;
    return true;
}

static bool find_destination(stf_copy *c, const stf_warp_options *options, destination *to, stf_error *err) {
    if (!find_srs(c, options, to, err) || !suggest(c->dataset, to, err))
        return false;
    if (options->tiling_scheme)
        return place_in_scheme(c, options, to, err) && set_size(to, err);
    if (options->has_extent) {
        to->min_x = options->extent[0];
        to->min_y = options->extent[1];
        to->max_x = options->extent[2];
        to->max_y = options->extent[3];
    }
    if (options->has_resolution)
        to->resolution = options->resolution;
    return set_size(to, err);
}

static bool is_as(double a, double b) {
    return fabs(a - b) < 1e-10 * fabs(a);
}

/* The source may lie so already. */
static bool is_there(GDALDatasetH source, const destination *to) {
    double gt[6] = {0};
    int width = GDALGetRasterXSize(source), height = GDALGetRasterYSize(source);
    char *name = name_of(GDALGetSpatialRef(source), "");
    bool same = strcmp(name, to->srs) == 0 && width == to->width_px && height == to->height_px &&
                GDALGetGeoTransform(source, gt) == CE_None && is_as(gt[0], to->min_x) &&
                is_as(gt[3] + height * gt[5], to->min_y) && is_as(gt[0] + width * gt[1], to->max_x) &&
                is_as(gt[3], to->max_y);
    CPLFree(name);
    return same;
}

/* --- the warped VRT ---------------------------------------------------------------------------- */

static char **add_number(char **args, double number) {
    return CSLAddString(args, CPLSPrintf("%.17g", number));
}

static bool is_square(const destination *to) {
    const double slack = 1e-8; /* gdalwarp's, too */
    return fabs((to->max_x - to->min_x) / to->resolution - to->width_px) <= slack &&
           fabs((to->max_y - to->min_y) / to->resolution - to->height_px) <= slack;
}

static const char *default_resampling(GDALDatasetH source) {
    GDALRasterBandH band = GDALGetRasterBand(source, 1);
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    if (GDALDataTypeIsComplex(GDALGetRasterDataType(band)))
        return "NEAREST";
#endif
    return GDALGetRasterColorTable(band) ? "NEAREST" : "CUBIC";
}

static char **warp_arguments(GDALDatasetH source, const stf_warp_options *options, const destination *to) {
    int has_nodata = FALSE;
    char **args = CSLAddString(CSLAddString(NULL, "-of"), "VRT");
    args = CSLAddString(CSLAddString(args, "-t_srs"), to->srs);
    args = CSLAddString(args, "-te");
    args = add_number(add_number(args, to->min_x), to->min_y);
    args = add_number(add_number(args, to->max_x), to->max_y);
    args = CSLAddString(args, "-ts");
    args = CSLAddString(args, CPLSPrintf("%d", to->width_px));
    args = CSLAddString(args, CPLSPrintf("%d", to->height_px));
    if (is_square(to))
        args = add_number(add_number(CSLAddString(args, "-tr"), to->resolution), to->resolution);
    GDALGetRasterNoDataValue(GDALGetRasterBand(source, 1), &has_nodata);
    if (!has_nodata && options->add_alpha)
        args = CSLAddString(args, "-dstalpha");
    args = CSLAddString(args, "-r");
    args = CSLAddString(args, options->resampling ? options->resampling : default_resampling(source));
    args = CSLAddString(args, "-wo");
    return CSLAddString(args, "SAMPLE_GRID=YES");
}

static bool warp(stf_copy *c, const stf_warp_options *options, const destination *to, stf_error *err) {
    char **args = warp_arguments(c->dataset, options, to);
    GDALWarpAppOptions *parsed = GDALWarpAppOptionsNew(args, NULL);
    GDALDatasetH warped = parsed ? GDALWarp("", NULL, 1, &c->dataset, parsed, NULL) : NULL;
    GDALWarpAppOptionsFree(parsed);
    CSLDestroy(args);
    if (!warped)
        return stf_fail_with_last(err, "The source cannot be reprojected");
    c->warped = warped;
    c->dataset = warped;
    return true;
}

static bool reproject(stf_copy *c, const stf_warp_options *options, stf_error *err) {
    destination to = {0};
    if (options->tiling_scheme) {
        c->tiling = VSICalloc(1, sizeof *c->tiling);
        if (!c->tiling)
            return stf_fail(err, CPLE_OutOfMemory, "No memory for the tiling scheme");
        if (!stf_tiling_find(options->tiling_scheme, c->tiling, err))
            return false;
        c->tiling_name = CPLStrdup(options->tiling_scheme);
    }
    bool done = find_destination(c, options, &to, err) && (is_there(c->dataset, &to) || warp(c, options, &to, err));
    CPLFree(to.srs);
    return done;
}

/* --- alpha of JPEG ----------------------------------------------------------------------------- */

static bool has_alpha_to_mask(GDALDatasetH dataset, CSLConstList options) {
    int bands = GDALGetRasterCount(dataset);
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    bool counts = bands == 2 || bands == 4;
#else
    bool counts = bands == 4;
#endif
    return counts && EQUAL(CSLFetchNameValueDef(options, "COMPRESS", ""), "JPEG") &&
           EQUAL(CSLFetchNameValueDef(options, "INTERLEAVE", "PIXEL"), "PIXEL") &&
           GDALGetRasterColorInterpretation(GDALGetRasterBand(dataset, bands)) == GCI_AlphaBand;
}

static bool mask_by_alpha(stf_copy *c, stf_error *err) {
    int bands = GDALGetRasterCount(c->dataset);
    char **args = CSLAddString(CSLAddString(NULL, "-of"), "VRT");
    for (int band = 1; band < bands; band++)
        args = CSLAddString(CSLAddString(args, "-b"), CPLSPrintf("%d", band));
    args = CSLAddString(CSLAddString(args, "-mask"), CPLSPrintf("%d", bands));
    GDALTranslateOptions *options = GDALTranslateOptionsNew(args, NULL);
    c->masked = GDALTranslate("", c->dataset, options, NULL);
    GDALTranslateOptionsFree(options);
    CSLDestroy(args);
    if (!c->masked)
        return stf_fail_with_last(err, "The alpha band of the source cannot be made a mask");
    c->dataset = c->masked;
    return true;
}

bool stf_copy_wrap_source(stf_copy *c, CSLConstList options, stf_error *err) {
    stf_warp_options warp_options;
    if (!EQUAL(CSLFetchNameValueDef(options, "LAYOUT", ""), "COG"))
        return true;
    if (!stf_options_parse_warp(options, &warp_options, err))
        return false;
    if (GDALGetRasterCount(c->dataset) == 0)
        return true; /* refused further on */
    stf_copy_find_statistics(c);
    if (warp_options.asked && !reproject(c, &warp_options, err))
        return false;
    return !has_alpha_to_mask(c->dataset, options) || mask_by_alpha(c, err);
}
