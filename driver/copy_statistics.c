/* LAYOUT=COG: statistics of the bands, gathered while their tiles come by, and written as GDAL writes metadata.
 *
 * The tags were harvested before there were any: with them they are harvested once more. */
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "gdal_adaptor.h"

static bool is_statistics(const char *item) {
    return STARTS_WITH_CI(item, "STATISTICS_");
}

void stf_copy_find_statistics(stf_copy *c) {
    static const char *const names[] = {"STATISTICS_MINIMUM", "STATISTICS_MAXIMUM", "STATISTICS_MEAN",
                                        "STATISTICS_STDDEV"};
    GDALRasterBandH band = GDALGetRasterBand(c->dataset, 1);
    c->source_has_statistics = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!GDALGetMetadataItem(band, names[i], NULL))
            c->source_has_statistics = false;
}

/* Those of the source are not those of what it was turned into: GDAL computes them anew then, of what was reprojected from
 * 3.8 on, and from 3.11 on of what has a mask now. */
static bool are_outdated(const stf_copy *c) {
    bool turned = (GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 8, 0) && c->warped) ||
                  (GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0) && c->masked);
    return turned && c->source_has_statistics && c->options.cog.statistics == STF_STATISTICS_AUTO;
}

static bool are_gathered(const stf_copy *c) {
    return c->options.is_cog && !c->options.copies_overviews &&
           (c->options.cog.statistics == STF_STATISTICS_YES || are_outdated(c));
}

static bool read_mask(void *context, uint64_t tile, unsigned char *to, size_t row_bytes, stf_error *err) {
    return stf_copy_read_mask(context, tile, to, row_bytes, err);
}

static stf_statistics_mask mask_of(stf_copy *c) {
    stf_statistics_mask mask = {c, read_mask, stf_copy_read_mask_bytes(c)};
    return mask;
}

bool stf_copy_check_statistics(const stf_copy *c, stf_error *err) {
    return !are_gathered(c) || stf_band_statistics_check(c->dataset, &c->geometry, err);
}

uint64_t stf_copy_statistics_bytes(const stf_copy *c) {
    bool masked = c->mask.home == STF_MASK_INSIDE;
    stf_statistics_mask mask = {NULL, NULL, masked ? stf_copy_read_mask_bytes(c) : 0};
    return are_gathered(c) ? stf_band_statistics_bytes(&c->geometry, c->raster.bands, masked ? &mask : NULL) : 0;
}

bool stf_copy_begin_statistics(stf_copy *c, stf_error *err) {
    stf_statistics_mask mask = mask_of(c);
    bool masked = c->mask.home == STF_MASK_INSIDE;
    if (!are_gathered(c))
        return true;
    c->statistics = stf_band_statistics_create(c->dataset, c->type, &c->geometry, masked ? &mask : NULL, err);
    return c->statistics != NULL;
}

void stf_copy_show_statistics(const stf_copy *c, GDALDatasetH stand_in) {
    if (!are_gathered(c) && !(c->options.is_cog && c->options.cog.statistics == STF_STATISTICS_NO))
        return;
    for (uint32_t band = 0; band < c->raster.bands; band++) {
        char **of_source = GDALGetMetadata(GDALGetRasterBand(c->dataset, (int)band + 1), NULL), **items = NULL;
        char **gathered = c->statistics ? stf_band_statistics_items(c->statistics, band) : NULL;
        for (char **item = of_source; item && *item; item++)
            if (!is_statistics(*item))
                items = CSLAddString(items, *item);
        for (char **item = gathered; item && *item; item++)
            items = CSLAddString(items, *item);
        stf_gdal_stand_in_set_items(stand_in, (int)band + 1, (CSLConstList)items);
        CSLDestroy(gathered);
        CSLDestroy(items);
    }
}

bool stf_copy_end_statistics(stf_copy *c, stf_error *err) {
    if (!c->statistics)
        return true;
    stf_georef_free(&c->georef);
    memset(&c->georef, 0, sizeof c->georef);
    bool done = stf_copy_harvest(c, err);
    stf_band_statistics_destroy(c->statistics);
    c->statistics = NULL;
    return done;
}
