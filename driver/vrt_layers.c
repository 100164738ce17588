#include "vrt_layers.h"

#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_minixml.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "geometry.h"
#include "gtiff_cost.h"
#include "source.h"

#define SOURCES_OPENED 4 /* so many are opened to see what a block of them costs; the others are taken to be alike */

typedef struct layer_reader {
    GDALDatasetH vrt;
    stf_vrt_layers *layers;
    uint32_t room;
    uint32_t opened;
    uint64_t bands_at_once; /* of the sources opened: bands that one decode brings into the cache */
    uint64_t reader_bytes;  /* of the largest source opened */
} layer_reader;

static double attribute(const CPLXMLNode *node, const char *path, double otherwise) {
    const char *text = CPLGetXMLValue(node, path, NULL);
    return text ? CPLAtof(text) : otherwise;
}

/* Radius of GDAL's resampling kernels at a scale of 1, in source pixels. */
static double kernel_radius(const char *resampling) {
    if (STARTS_WITH_CI(resampling, "bilinear") || STARTS_WITH_CI(resampling, "gauss"))
        return 1;
    if (STARTS_WITH_CI(resampling, "cubic"))
        return 2;
    return STARTS_WITH_CI(resampling, "lanczos") ? 3 : 0;
}

static double halo(const CPLXMLNode *node, double source_px, double shown_px) {
    double ratio = source_px / shown_px; /* source pixels of one VRT pixel */
    double radius = 0;
    if (fabs(ratio - 1) > 1e-9)
        radius =
            kernel_radius(CPLGetXMLValue(node, "resampling", "nearest")) * (ratio > 1 ? floor(ratio + 0.5) : 1) + 1;
    if (EQUAL(node->pszValue, "KernelFilteredSource"))
        radius += (attribute(node, "Kernel.Size", 3) - 1) / 2;
    return radius > 0 ? ceil(radius / ratio) : 0;
}

/* --- one source -------------------------------------------------------------------------------- */

static char *resolve(GDALDatasetH vrt, const CPLXMLNode *node) {
    const char *name = CPLGetXMLValue(node, "SourceFilename", "");
    if (name[0] == '\0')
        return NULL;
    if (atoi(CPLGetXMLValue(node, "SourceFilename.relativeToVRT", "0")) != 0)
        return CPLStrdup(CPLProjectRelativeFilename(CPLGetPath(GDALGetDescription(vrt)), name));
    return CPLStrdup(name);
}

/* Fills in what the XML does not tell, and what a block costs. */
static bool open_source(layer_reader *reader, stf_vrt_layer *layer) {
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH source =
        GDALOpenEx(layer->path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, NULL, NULL, NULL);
    CPLPopErrorHandler();
    CPLErrorReset();
    if (!source || GDALGetRasterCount(source) == 0) {
        GDALClose(source);
        return false;
    }
    const char *interleave = GDALGetMetadataItem(source, "INTERLEAVE", "IMAGE_STRUCTURE");
    uint32_t bands = (uint32_t)GDALGetRasterCount(source);
    uint32_t together = bands > 1 && interleave && EQUAL(interleave, "PIXEL") ? bands : 1;
    int block_width, block_height;
    GDALGetBlockSize(GDALGetRasterBand(source, 1), &block_width, &block_height);
    layer->source_width_px = (uint32_t)GDALGetRasterXSize(source);
    layer->source_height_px = (uint32_t)GDALGetRasterYSize(source);
    layer->block_width_px = (uint32_t)block_width;
    layer->block_height_px = (uint32_t)block_height;
    uint64_t bytes = stf_gtiff_reader_bytes(source, 0, together);
    reader->bands_at_once = together > reader->bands_at_once ? together : reader->bands_at_once;
    reader->reader_bytes = bytes > reader->reader_bytes ? bytes : reader->reader_bytes;
    reader->opened++;
    GDALClose(source);
    return true;
}

static bool read_properties(layer_reader *reader, const CPLXMLNode *node, stf_vrt_layer *layer) {
    layer->source_width_px = (uint32_t)attribute(node, "SourceProperties.RasterXSize", 0);
    layer->source_height_px = (uint32_t)attribute(node, "SourceProperties.RasterYSize", 0);
    layer->block_width_px = (uint32_t)attribute(node, "SourceProperties.BlockXSize", 0);
    layer->block_height_px = (uint32_t)attribute(node, "SourceProperties.BlockYSize", 0);
    bool told = layer->source_width_px && layer->source_height_px && layer->block_width_px && layer->block_height_px;
    if ((!told || reader->opened < SOURCES_OPENED) && !open_source(reader, layer))
        return false;
    return layer->source_width_px && layer->source_height_px && layer->block_width_px && layer->block_height_px;
}

static bool place(layer_reader *reader, const CPLXMLNode *node, stf_vrt_layer *layer) {
    layer->source_x = attribute(node, "SrcRect.xOff", 0);
    layer->source_y = attribute(node, "SrcRect.yOff", 0);
    layer->source_width = attribute(node, "SrcRect.xSize", layer->source_width_px);
    layer->source_height = attribute(node, "SrcRect.ySize", layer->source_height_px);
    layer->x = attribute(node, "DstRect.xOff", 0);
    layer->y = attribute(node, "DstRect.yOff", 0);
    layer->width = attribute(node, "DstRect.xSize", GDALGetRasterXSize(reader->vrt));
    layer->height = attribute(node, "DstRect.ySize", GDALGetRasterYSize(reader->vrt));
    if (!(layer->source_width > 0 && layer->source_height > 0 && layer->width > 0 && layer->height > 0))
        return false;
    double scale_x = layer->width / layer->source_width, scale_y = layer->height / layer->source_height;
    layer->step_x = layer->block_width_px * scale_x;
    layer->step_y = layer->block_height_px * scale_y;
    layer->origin_x = layer->x - layer->source_x * scale_x;
    layer->origin_y = layer->y - layer->source_y * scale_y;
    layer->halo_x = halo(node, layer->source_width, layer->width);
    layer->halo_y = halo(node, layer->source_height, layer->height);
    /* Part pixels: a window's edge may need the source pixel beside the one it begins in. */
    if (layer->halo_x == 0 && layer->origin_x != floor(layer->origin_x))
        layer->halo_x = 1;
    if (layer->halo_y == 0 && layer->origin_y != floor(layer->origin_y))
        layer->halo_y = 1;
    return layer->step_x > 0 && layer->step_y > 0;
}

static bool is_same_layer(const stf_vrt_layer *a, const stf_vrt_layer *b) {
    return strcmp(a->path, b->path) == 0 && a->source_x == b->source_x && a->source_y == b->source_y &&
           a->source_width == b->source_width && a->source_height == b->source_height && a->x == b->x && a->y == b->y &&
           a->width == b->width && a->height == b->height;
}

static bool add_layer(layer_reader *reader, const CPLXMLNode *node, int band) {
    stf_vrt_layers *layers = reader->layers;
    stf_vrt_layer layer = {0};
    layer.path = resolve(reader->vrt, node);
    if (!layer.path || !read_properties(reader, node, &layer) || !place(reader, node, &layer)) {
        CPLFree(layer.path);
        return false;
    }
    layer.bands = 1;
    layer.simple = EQUAL(node->pszValue, "SimpleSource") && (int)attribute(node, "SourceBand", 0) == band;
    GDALDataType type = GDALGetDataTypeByName(CPLGetXMLValue(node, "SourceProperties.DataType", "Float64"));
    layer.block_bytes = stf_source_cached_block_bytes(
        stf_mul((uint64_t)layer.block_width_px * layer.block_height_px, (uint64_t)GDALGetDataTypeSizeBytes(type)));
    if (band > 1)
        for (uint32_t i = 0; i < layers->count; i++)
            if (is_same_layer(&layers->items[i], &layer)) {
                layers->items[i].bands++;
                layers->items[i].simple = layers->items[i].simple && layer.simple;
                CPLFree(layer.path);
                return true;
            }
    if (layers->count == reader->room) {
        reader->room = reader->room ? 2 * reader->room : 16;
        layers->items = CPLRealloc(layers->items, reader->room * sizeof *layers->items);
    }
    layers->items[layers->count++] = layer;
    return true;
}

/* --- all of them ------------------------------------------------------------------------------- */

static bool is_source(const CPLXMLNode *node) {
    static const char *const names[] = {"SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource",
                                        NULL};
    return node->eType == CXT_Element && CSLFindString((CSLConstList)names, node->pszValue) >= 0;
}

static bool read_band(layer_reader *reader, const CPLXMLNode *node, int band) {
    const char *kind = CPLGetXMLValue(node, "subClass", "VRTSourcedRasterBand");
    if (!EQUAL(kind, "VRTSourcedRasterBand"))
        return false;
    for (const CPLXMLNode *child = node->psChild; child; child = child->psNext)
        if (is_source(child) && !add_layer(reader, child, band))
            return false;
    return true;
}

static bool read_all(layer_reader *reader, const CPLXMLNode *root) {
    int band = 0;
    if (CPLGetXMLValue(root, "subClass", NULL))
        return false; /* warped, pansharpened, processed: no sources in the bands */
    for (const CPLXMLNode *node = root->psChild; node; node = node->psNext)
        if (node->eType == CXT_Element && EQUAL(node->pszValue, "VRTRasterBand") && !read_band(reader, node, ++band))
            return false;
    return reader->layers->count > 0;
}

/* The datasets underneath stay open, each with its buffers, as many as GDAL's pool keeps. */
static uint64_t readers_bytes(const layer_reader *reader) {
    uint64_t open = (uint64_t)atoi(CPLGetConfigOption("GDAL_MAX_DATASET_POOL_SIZE", "100"));
    if (open < 1 || open > reader->layers->count)
        open = reader->layers->count;
    return stf_mul(open, reader->reader_bytes);
}

bool stf_vrt_layers_read(GDALDatasetH vrt, stf_vrt_layers *layers) {
    char **metadata = GDALGetMetadata(vrt, "xml:VRT");
    CPLXMLNode *tree = metadata && metadata[0] ? CPLParseXMLString(metadata[0]) : NULL;
    CPLXMLNode *root = tree ? CPLGetXMLNode(tree, "=VRTDataset") : NULL;
    layer_reader reader = {vrt, layers, 0, 0, 1, 0};
    memset(layers, 0, sizeof *layers);
    bool done = root && read_all(&reader, root);
    CPLDestroyXMLNode(tree);
    if (!done) {
        stf_vrt_layers_free(layers);
        return false;
    }
    for (uint32_t i = 0; i < layers->count; i++) {
        stf_vrt_layer *layer = &layers->items[i];
        layer->block_bytes =
            stf_mul(layer->block_bytes, reader.bands_at_once > layer->bands ? reader.bands_at_once : layer->bands);
    }
    layers->reader_bytes = readers_bytes(&reader);
    return true;
}

void stf_vrt_layers_free(stf_vrt_layers *layers) {
    for (uint32_t i = 0; i < layers->count; i++)
        CPLFree(layers->items[i].path);
    CPLFree(layers->items);
    memset(layers, 0, sizeof *layers);
}

uint64_t stf_vrt_layers_span_bytes(const stf_vrt_layers *layers, uint32_t height_px, double rows_px) {
    uint64_t most = 0;
    for (double top = 0; top < height_px; top += rows_px) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < layers->count; i++) {
            const stf_vrt_layer *layer = &layers->items[i];
            if (layer->y >= top + 2 * rows_px || layer->y + layer->height <= top - rows_px)
                continue;
            /* The rows themselves, one block row more for what the halo or the next rows share with them, and one where the
             * grids are out of step. */
            double in_step = fmod(rows_px, layer->step_y) < 1e-6 * layer->step_y ? 0 : 1;
            double rows = ceil(rows_px / layer->step_y) + (layer->halo_y > 0 || layers->count > 1 ? 1 : 0) + in_step;
            double most_rows = ceil(layer->height / layer->step_y) + 1;
            double columns = ceil(layer->width / layer->step_x) + 1;
            sum =
                stf_add(sum, stf_mul((uint64_t)((rows < most_rows ? rows : most_rows) * columns), layer->block_bytes));
        }
        most = sum > most ? sum : most;
    }
    return most;
}
