#include "plain_vrt.h"

#include <math.h>
#include <string.h>

#include "cpl_error.h"
#include "cpl_string.h"
#include "platform.h"

static bool shows_part(const stf_under_axis *axis, uint32_t vrt_px, uint32_t raster_px, uint32_t *at_px) {
    bool shown = axis->begin == 0 && axis->end == vrt_px && axis->scale == 1 && axis->inner == 0 && axis->outer == 0 &&
                 axis->offset >= 0 && axis->offset == floor(axis->offset) && axis->offset + vrt_px <= raster_px;
    *at_px = shown ? (uint32_t)axis->offset : 0;
    return shown;
}

/* The raster would be opened without them, and may have other pixels then. */
static bool has_open_options(GDALDatasetH vrt) {
    CSLConstList xml = (CSLConstList)GDALGetMetadata(vrt, "xml:VRT");
    return !xml || !*xml || strstr(*xml, "<OpenOptions") != NULL;
}

bool stf_plain_vrt_shows(GDALDatasetH vrt, const stf_underlay *underlay, uint32_t *x_px, uint32_t *y_px) {
    if (underlay->lists[0].count != 1)
        return false;
    const stf_under_layer *layer = &underlay->lists[0].items[0];
    const stf_under_grid *grid = &underlay->grids[layer->grid];
    return !has_open_options(vrt) && grid->list == STF_UNDER_FILE && layer->simple &&
           layer->bands == (uint32_t)GDALGetRasterCount(vrt) &&
           shows_part(&layer->x, (uint32_t)GDALGetRasterXSize(vrt), grid->width_px, x_px) &&
           shows_part(&layer->y, (uint32_t)GDALGetRasterYSize(vrt), grid->height_px, y_px);
}

GDALDatasetH stf_plain_vrt_open(GDALDatasetH vrt, const stf_underlay *underlay) {
    const stf_under_grid *grid = &underlay->grids[underlay->lists[0].items[0].grid];
    stf_platform_open file;
    if (!stf_platform_open_files(grid->path, &file) || file.alike > 0)
        return NULL; /* the VRT may have an older file of that name open, and shows that one */
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH inner = GDALOpenEx(grid->path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, NULL, NULL, NULL);
    CPLPopErrorHandler();
    CPLErrorReset();
    if (!inner)
        return NULL;
    GDALDriverH driver = GDALGetDatasetDriver(inner);
    bool same = driver && !EQUAL(GDALGetDriverShortName(driver), "VRT") &&
                (uint32_t)GDALGetRasterXSize(inner) == grid->width_px &&
                (uint32_t)GDALGetRasterYSize(inner) == grid->height_px &&
                GDALGetRasterCount(inner) == GDALGetRasterCount(vrt);
    for (int band = 1; same && band <= GDALGetRasterCount(vrt); band++)
        same = GDALGetRasterDataType(GDALGetRasterBand(inner, band)) ==
               GDALGetRasterDataType(GDALGetRasterBand(vrt, band));
    if (same)
        return inner;
    GDALClose(inner);
    return NULL;
}
