#include "vrt_warped.h"

#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_minixml.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal_alg.h"
#include "geometry.h"
#include "gtiff_cost.h"
#include "source.h"

#define WIDEN_PX 12 /* the widest kernel, and the ten pixels the warper adds where some points do not transform */

typedef struct warp_map {
    GDALDatasetH vrt, source;
    void *transformer;
    stf_axis source_x, source_y; /* the source's blocks */
    stf_axis unit_x, unit_y;
    unsigned char
        *touched; /* for each source block: 1 + (number of the unit row modulo 3) of the last touch, 0 never */
    uint64_t touched_now, touched_before, touched_ever;
} warp_map;

static char *source_path(GDALDatasetH vrt) {
    char **metadata = GDALGetMetadata(vrt, "xml:VRT");
    CPLXMLNode *tree = metadata && metadata[0] ? CPLParseXMLString(metadata[0]) : NULL;
    CPLXMLNode *root = tree ? CPLGetXMLNode(tree, "=VRTDataset") : NULL;
    char *path = NULL;
    if (root && EQUAL(CPLGetXMLValue(root, "subClass", ""), "VRTWarpedDataset")) {
        const char *name = CPLGetXMLValue(root, "GDALWarpOptions.SourceDataset", "");
        bool relative = atoi(CPLGetXMLValue(root, "GDALWarpOptions.SourceDataset.relativeToVRT", "0")) != 0;
        if (name[0] != '\0')
            path = CPLStrdup(relative ? CPLProjectRelativeFilename(CPLGetPath(GDALGetDescription(vrt)), name) : name);
    }
    CPLDestroyXMLNode(tree);
    return path;
}

/* Counts a source block once for this unit row and once for all, and those that the row before touched, too. */
static void touch(warp_map *map, uint32_t column, uint32_t row, unsigned char now, unsigned char before) {
    unsigned char *mark = &map->touched[(size_t)row * map->source_x.cells + column];
    if (*mark == now)
        return;
    map->touched_ever += *mark == 0;
    map->touched_before -= *mark == before && map->touched_before > 0;
    map->touched_now++;
    *mark = now;
}

static uint32_t cell_at(const stf_axis *axis, double px) {
    if (!(px > 0))
        return 0;
    return px >= axis->size_px ? axis->cells - 1 : stf_axis_cell(axis, (uint32_t)px);
}

static void touch_unit(warp_map *map, uint32_t column, uint32_t row, unsigned char now, unsigned char before) {
    double x[9], y[9], z[9] = {0};
    int good[9] = {0};
    double left = stf_axis_start(&map->unit_x, column), width = stf_axis_length(&map->unit_x, column);
    double top = stf_axis_start(&map->unit_y, row), height = stf_axis_length(&map->unit_y, row);
    for (int i = 0; i < 9; i++) {
        x[i] = left + width * (i % 3) / 2;
        y[i] = top + height * (i / 3) / 2;
    }
    GDALGenImgProjTransform(map->transformer, TRUE, 9, x, y, z, good);
    double min_x = HUGE_VAL, min_y = HUGE_VAL, max_x = -HUGE_VAL, max_y = -HUGE_VAL;
    for (int i = 0; i < 9; i++)
        if (good[i]) {
            min_x = fmin(min_x, x[i]), max_x = fmax(max_x, x[i]);
            min_y = fmin(min_y, y[i]), max_y = fmax(max_y, y[i]);
        }
    if (!(min_x <= max_x) || max_x + WIDEN_PX < 0 || max_y + WIDEN_PX < 0 ||
        min_x - WIDEN_PX >= map->source_x.size_px || min_y - WIDEN_PX >= map->source_y.size_px)
        return;
    uint32_t right = cell_at(&map->source_x, max_x + WIDEN_PX), bottom = cell_at(&map->source_y, max_y + WIDEN_PX);
    for (uint32_t r = cell_at(&map->source_y, min_y - WIDEN_PX); r <= bottom; r++)
        for (uint32_t c = cell_at(&map->source_x, min_x - WIDEN_PX); c <= right; c++)
            touch(map, c, r, now, before);
}

/* The most blocks that a row of units and the row before it touch together. */
static uint64_t most_touched(warp_map *map) {
    uint64_t most = 0;
    for (uint32_t row = 0; row < map->unit_y.cells; row++) {
        map->touched_before = map->touched_now;
        map->touched_now = 0;
        unsigned char now = (unsigned char)(1 + row % 3), before = (unsigned char)(1 + (row + 2) % 3);
        for (uint32_t column = 0; column < map->unit_x.cells; column++)
            touch_unit(map, column, row, now, before);
        if (map->touched_now + map->touched_before > most)
            most = map->touched_now + map->touched_before;
    }
    return most;
}

static bool measure(warp_map *map, stf_vrt_warped *warped) {
    GDALRasterBandH band = GDALGetRasterBand(map->source, 1);
    const char *interleave = GDALGetMetadataItem(map->source, "INTERLEAVE", "IMAGE_STRUCTURE");
    uint32_t bands = (uint32_t)GDALGetRasterCount(map->source);
    int width, height;
    GDALGetBlockSize(band, &width, &height);
    map->source_x = stf_axis_make((uint32_t)GDALGetRasterXSize(map->source), 0, width);
    map->source_y = stf_axis_make((uint32_t)GDALGetRasterYSize(map->source), 0, height);
    map->touched = VSICalloc(map->source_x.cells, map->source_y.cells);
    if (!map->touched)
        return false;
    uint64_t bytes =
        stf_mul((uint64_t)width * (uint64_t)height, (uint64_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(band)));
    warped->block_bytes = stf_mul(stf_source_cached_block_bytes(bytes), bands);
    warped->span_bytes = stf_mul(most_touched(map), warped->block_bytes);
    bool together = bands > 1 && interleave && EQUAL(interleave, "PIXEL");
    warped->source_blocks = stf_mul(map->touched_ever, together ? 1 : bands);
    warped->reader_bytes = stf_gtiff_reader_bytes(map->source, 0, together ? bands : 1);
    VSIFree(map->touched);
    return true;
}

bool stf_vrt_warped_read(GDALDatasetH vrt, uint32_t unit_columns, uint32_t unit_rows, stf_vrt_warped *warped) {
    warp_map map = {0};
    bool done = false;
    char *path = source_path(vrt);
    if (!path)
        return false;
    CPLPushErrorHandler(CPLQuietErrorHandler);
    map.vrt = vrt;
    map.source = GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, NULL, NULL, NULL);
    if (map.source && GDALGetRasterCount(map.source) > 0)
        map.transformer = GDALCreateGenImgProjTransformer2(map.source, vrt, NULL);
    map.unit_x = stf_axis_make((uint32_t)GDALGetRasterXSize(vrt), 0, unit_columns);
    map.unit_y = stf_axis_make((uint32_t)GDALGetRasterYSize(vrt), 0, unit_rows);
    memset(warped, 0, sizeof *warped);
    if (map.transformer) {
        done = measure(&map, warped);
        GDALDestroyGenImgProjTransformer(map.transformer);
    }
    GDALClose(map.source);
    CPLPopErrorHandler();
    CPLErrorReset();
    CPLFree(path);
    return done;
}
