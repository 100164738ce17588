#include "underlay_met.h"

#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gtiff_cost.h"
#include "source.h"

#define FILES_OPENED 16 /* so many are opened to see how they are stored; further ones are taken to be alike */
#define VRT_BASE_BYTES ((uint64_t)32 << 10)

void *stf_under_grow(void *items, uint32_t count, uint32_t *room, size_t item_bytes) {
    if (count < *room)
        return items;
    *room = *room ? 2 * *room : 8;
    return CPLRealloc(items, *room * item_bytes);
}

double stf_under_number(const CPLXMLNode *node, const char *path, double otherwise) {
    const char *text = CPLGetXMLValue(node, path, NULL);
    return text ? CPLAtof(text) : otherwise;
}

static stf_met_shape shape_of(GDALRasterBandH band) {
    stf_met_shape shape = {(uint32_t)GDALGetRasterBandXSize(band), (uint32_t)GDALGetRasterBandYSize(band), 0, 0, 0};
    int width, height;
    GDALGetBlockSize(band, &width, &height);
    shape.block_width_px = (uint32_t)width;
    shape.block_height_px = (uint32_t)height;
    shape.band_bytes = stf_source_cached_block_bytes(
        stf_mul((uint64_t)width * (uint64_t)height, (uint64_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(band))));
    return shape;
}

static void describe_file(stf_met_dataset *met, GDALDatasetH dataset) {
    GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
    const char *interleave = GDALGetMetadataItem(dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    met->kind = MET_FILE;
    met->bands = (uint32_t)GDALGetRasterCount(dataset);
    met->bands_at_once = met->bands > 1 && interleave && EQUAL(interleave, "PIXEL") ? met->bands : 1;
    met->sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(band));
    met->reader_bytes = stf_gtiff_reader_bytes(dataset, 0, met->bands_at_once);
    met->shapes[met->shape_count++] = shape_of(band);
    for (int i = 0; i < GDALGetOverviewCount(band) && met->shape_count <= STF_MET_OVERVIEWS; i++)
        met->shapes[met->shape_count++] = shape_of(GDALGetOverview(band, i));
}

const char *stf_under_resolve(const stf_met_dataset *in, const CPLXMLNode *node, const char *name_path) {
    char flag[64];
    snprintf(flag, sizeof flag, "%s.relativeToVRT", name_path);
    const char *name = CPLGetXMLValue(node, name_path, "");
    bool relative = atoi(CPLGetXMLValue(node, flag, "0")) != 0;
    return relative ? CPLProjectRelativeFilename(CPLGetPath(in->path), name) : name;
}

/* The grid of a warped VRT, and the windows of its blocks; what it shows is followed by the caller. */
static bool describe_warped(stf_under_reading *r, stf_met_dataset *met, GDALDatasetH vrt) {
    stf_underlay *under = r->under;
    CPLXMLNode *options = CPLGetXMLNode(met->root, "GDALWarpOptions");
    CPLXMLNode *source = options ? CPLGetXMLNode(options, "SourceDataset") : NULL;
    if (!source || CPLGetXMLValue(source, NULL, "")[0] == '\0')
        return false;
    char *path = CPLStrdup(stf_under_resolve(met, options, "SourceDataset"));
    CPLSetXMLValue(options, "SourceDataset", path);
    CPLSetXMLValue(options, "SourceDataset.#relativeToVRT", "0");
    CPLFree(path);
    stf_met_shape shape = shape_of(GDALGetRasterBand(vrt, 1));
    met->kind = MET_WARPED;
    met->shapes[met->shape_count++] = shape;
    met->bands = (uint32_t)GDALGetRasterCount(vrt);
    met->bands_at_once = met->bands;
    met->sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(GDALGetRasterBand(vrt, 1)));
    under->grids = stf_under_grow(under->grids, under->grid_count, &under->grid_room, sizeof *under->grids);
    met->grid = under->grid_count;
    stf_under_grid *grid = &under->grids[under->grid_count++];
    memset(grid, 0, sizeof *grid);
    grid->path = CPLStrdup(met->path);
    grid->source = r->met_count;
    grid->width_px = shape.width_px;
    grid->height_px = shape.height_px;
    grid->block_width_px = shape.block_width_px;
    grid->block_height_px = shape.block_height_px;
    grid->columns = (shape.width_px - 1) / shape.block_width_px + 1;
    grid->rows = (shape.height_px - 1) / shape.block_height_px + 1;
    grid->band_bytes = shape.band_bytes;
    grid->bands_at_once = met->bands;
    under->lists = stf_under_grow(under->lists, under->list_count, &under->list_room, sizeof *under->lists);
    memset(&under->lists[under->list_count], 0, sizeof *under->lists);
    grid->list = under->list_count++;
    return stf_under_warp_windows(grid, options);
}

/* The metadata leave out the properties of sources that were not opened yet; the file has them. */
static void prefer_file(stf_met_dataset *met) {
    if (met->path[0] == '\0' || met->path[0] == '<')
        return;
    CPLXMLNode *tree = CPLParseXMLFile(met->path);
    if (tree && CPLGetXMLNode(tree, "=VRTDataset")) {
        CPLDestroyXMLNode(met->tree);
        met->tree = tree;
    } else {
        CPLDestroyXMLNode(tree);
    }
}

static bool describe_vrt(stf_under_reading *r, stf_met_dataset *met, GDALDatasetH vrt) {
    char **metadata = GDALGetMetadata(vrt, "xml:VRT");
    met->kind = MET_VRT;
    met->tree = metadata && metadata[0] ? CPLParseXMLString(metadata[0]) : NULL;
    if (met->tree && !strstr(metadata[0], "<SourceProperties") && GDALGetAccess(vrt) == GA_ReadOnly)
        prefer_file(met);
    met->root = met->tree ? CPLGetXMLNode(met->tree, "=VRTDataset") : NULL;
    if (!met->root)
        return false;
    met->shapes[0].width_px = (uint32_t)GDALGetRasterXSize(vrt);
    met->shapes[0].height_px = (uint32_t)GDALGetRasterYSize(vrt);
    met->reader_bytes = VRT_BASE_BYTES + 2 * strlen(metadata[0]);
    const char *kind = CPLGetXMLValue(met->root, "subClass", NULL);
    return !kind || (EQUAL(kind, "VRTWarpedDataset") && describe_warped(r, met, vrt));
}

static bool describe(stf_under_reading *r, stf_met_dataset *met, GDALDatasetH dataset) {
    GDALDriverH driver = GDALGetDatasetDriver(dataset);
    if (GDALGetRasterCount(dataset) == 0)
        return false;
    if (driver && EQUAL(GDALGetDriverShortName(driver), "VRT"))
        return describe_vrt(r, met, dataset);
    describe_file(met, dataset);
    return true;
}

static uint32_t keep(stf_under_reading *r, const stf_met_dataset *met) {
    r->met = stf_under_grow(r->met, r->met_count, &r->met_room, sizeof *r->met);
    r->met[r->met_count] = *met;
    return r->met_count++;
}

/* A file that its VRT describes, once enough of its kind have been opened. False: it must be opened. */
static bool take_on_trust(const stf_under_reading *r, stf_met_dataset *met, const CPLXMLNode *node) {
    const stf_met_dataset *like = NULL;
    GDALDataType type = GDALGetDataTypeByName(CPLGetXMLValue(node, "SourceProperties.DataType", ""));
    stf_met_shape shape = {(uint32_t)stf_under_number(node, "SourceProperties.RasterXSize", 0),
                           (uint32_t)stf_under_number(node, "SourceProperties.RasterYSize", 0),
                           (uint32_t)stf_under_number(node, "SourceProperties.BlockXSize", 0),
                           (uint32_t)stf_under_number(node, "SourceProperties.BlockYSize", 0), 0};
    for (uint32_t i = r->met_count; i-- > 0 && !like;)
        if (r->met[i].kind == MET_FILE)
            like = &r->met[i];
    if (r->files_opened < FILES_OPENED || !like || type == GDT_Unknown || shape.width_px == 0 || shape.height_px == 0 ||
        shape.block_width_px == 0 || shape.block_height_px == 0 ||
        !EQUAL(CPLGetExtension(met->path), CPLGetExtension(like->path)))
        return false;
    shape.band_bytes = stf_source_cached_block_bytes(
        stf_mul((uint64_t)shape.block_width_px * shape.block_height_px, (uint64_t)GDALGetDataTypeSizeBytes(type)));
    met->kind = MET_FILE;
    met->shapes[met->shape_count++] = shape;
    met->bands = like->bands;
    met->bands_at_once = like->bands_at_once;
    met->sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(type);
    met->reader_bytes = like->reader_bytes;
    return true;
}

uint32_t stf_under_meet(stf_under_reading *r, const char *owner, const char *path, GDALDatasetH dataset,
                        const CPLXMLNode *node) {
    for (uint32_t i = r->met_count; i-- > 0;)
        if (strcmp(r->met[i].path, path) == 0 && strcmp(r->met[i].owner, owner) == 0)
            return i;
    stf_met_dataset met = {0};
    met.owner = CPLStrdup(owner);
    met.path = CPLStrdup(path);
    if (node && take_on_trust(r, &met, node))
        return keep(r, &met);
    r->files_opened++;
    GDALDatasetH opened =
        dataset ? dataset : GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, NULL, NULL, NULL);
    if (!opened || !describe(r, &met, opened))
        r->failed = true;
    if (!dataset)
        GDALClose(opened);
    return keep(r, &met);
}

uint32_t stf_under_meet_embedded(stf_under_reading *r, const char *owner, const CPLXMLNode *node) {
    char name[32];
    stf_met_dataset met = {0};
    snprintf(name, sizeof name, "%p", (const void *)node);
    for (uint32_t i = r->met_count; i-- > 0;)
        if (strcmp(r->met[i].path, name) == 0)
            return i;
    met.kind = MET_VRT;
    met.owner = CPLStrdup(owner);
    met.path = CPLStrdup(name);
    CPLXMLNode alone = *node;
    alone.psNext = NULL;
    met.tree = CPLCloneXMLTree(&alone);
    met.root = met.tree;
    met.shapes[0].width_px = (uint32_t)stf_under_number(met.root, "rasterXSize", 0);
    met.shapes[0].height_px = (uint32_t)stf_under_number(met.root, "rasterYSize", 0);
    r->failed = r->failed || CPLGetXMLValue(met.root, "subClass", NULL) || met.shapes[0].width_px == 0;
    return keep(r, &met);
}
