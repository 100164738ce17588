/* Reading a dataset's underlay: its "xml:VRT" metadata, and that of the VRTs underneath, down to the files.
 *
 * Every dataset met is described once: a file by its grid, a VRT by its XML, a warped VRT by the windows of its
 * blocks. Then each band of the top is followed through them, with the place of what is shown composed on the way. */
#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gtiff_cost.h"
#include "source.h"
#include "underlay_met.h"

#define DEEPEST 16         /* VRTs of VRTs; GDAL itself stops at 32 */
#define CHUNK_PX 1100000.0 /* RasterIO resamples about so many source pixels at a time */

/* Where a dataset shows in the top of its list. */
typedef struct place {
    stf_under_axis x, y;
    uint32_t list;
    bool simple, first_level;
} place;

/* --- layers ------------------------------------------------------------------------------------ */

/* Radius of GDAL's resampling kernels at a scale of 1, in source pixels; negative: nearest, which reads what it shows. */
static double kernel_radius(const char *resampling) {
    if (EQUAL(resampling, "near") || STARTS_WITH_CI(resampling, "nearest"))
        return -1;
    if (STARTS_WITH_CI(resampling, "bilinear") || STARTS_WITH_CI(resampling, "gauss"))
        return 1;
    if (STARTS_WITH_CI(resampling, "cubic"))
        return 2;
    return STARTS_WITH_CI(resampling, "lanczos") ? 3 : 0;
}

/* What a source's node says about how it is read. */
typedef struct way_of_reading {
    double radius; /* of the resampling kernel; negative: none */
    double filter_px;
    bool works_on_doubles; /* a ComplexSource or a filter: a copy of the window in a wider type */
} way_of_reading;

static way_of_reading way_of(const CPLXMLNode *node) {
    way_of_reading way = {kernel_radius(CPLGetXMLValue(node, "resampling", "nearest")), 0,
                          !EQUAL(node->pszValue, "SimpleSource")};
    if (EQUAL(node->pszValue, "AveragedSource"))
        way.radius = 0;
    if (EQUAL(node->pszValue, "KernelFilteredSource"))
        way.filter_px = floor((stf_under_number(node, "Kernel.Size", 3) - 1) / 2);
    return way;
}

/* Pixels of the source beyond those that are mapped, where ratio source pixels make one of the VRT. */
static double halo(const way_of_reading *way, double ratio) {
    double px = way->filter_px;
    if (fabs(ratio - 1) > 1e-9 && way->radius >= 0)
        px += way->radius * (ratio > 1 ? floor(ratio + 0.5) : 1) + 1;
    return px;
}

/* GDAL reads a reduced raster from the overview that is just large enough. */
static uint32_t overview_for(const stf_met_dataset *met, double ratio, bool nearest) {
    uint32_t best = 0;
    double best_ratio = 1;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 9, 0)
    double most = ratio * (nearest ? 1.2 : 1.0000001);
#else
    double most = ratio * 1.2;
    (void)nearest;
#endif
    for (uint32_t i = 1; i < met->shape_count; i++) {
        double its_ratio = (double)met->shapes[0].width_px / met->shapes[i].width_px;
        if (its_ratio < most && its_ratio > best_ratio) {
            best = i;
            best_ratio = its_ratio;
        }
    }
    return best;
}

static uint32_t grid_of(stf_under_reading *r, uint32_t number, uint32_t level) {
    stf_underlay *under = r->under;
    const stf_met_dataset *met = &r->met[number];
    if (met->kind == MET_WARPED)
        return met->grid;
    for (uint32_t i = under->grid_count; i-- > 0;)
        if (under->grids[i].list == STF_UNDER_FILE && under->grids[i].source == number &&
            under->grids[i].level == level)
            return i;
    under->grids = stf_under_grow(under->grids, under->grid_count, &under->grid_room, sizeof *under->grids);
    stf_under_grid *grid = &under->grids[under->grid_count];
    const stf_met_shape *shape = &met->shapes[level];
    memset(grid, 0, sizeof *grid);
    grid->path = CPLStrdup(met->path);
    grid->source = number;
    grid->level = level;
    grid->width_px = shape->width_px;
    grid->height_px = shape->height_px;
    grid->block_width_px = shape->block_width_px;
    grid->block_height_px = shape->block_height_px;
    grid->columns = (shape->width_px - 1) / shape->block_width_px + 1;
    grid->rows = (shape->height_px - 1) / shape->block_height_px + 1;
    grid->band_bytes = shape->band_bytes;
    grid->bands_at_once = met->bands_at_once;
    grid->reader_bytes = met->reader_bytes;
    grid->list = STF_UNDER_FILE;
    return under->grid_count++;
}

static bool is_same_axis(const stf_under_axis *a, const stf_under_axis *b) {
    return a->begin == b->begin && a->end == b->end && a->scale == b->scale && a->offset == b->offset &&
           a->outer == b->outer && a->inner == b->inner;
}

/* A layer that another band of the top shows as well is one layer. */
static void add_layer(stf_under_reading *r, const place *at, stf_under_layer layer, bool first_band) {
    stf_under_list *list = &r->under->lists[at->list];
    for (uint32_t i = 0; i < list->count && !first_band; i++) {
        stf_under_layer *other = &list->items[i];
        if (other->grid == layer.grid && is_same_axis(&other->x, &layer.x) && is_same_axis(&other->y, &layer.y)) {
            other->bands++;
            other->simple = other->simple && layer.simple;
            return;
        }
    }
    list->items = stf_under_grow(list->items, list->count, &list->room, sizeof *list->items);
    list->items[list->count++] = layer;
}

static void shrink_to_overview(stf_under_axis *axis, uint32_t full_px, uint32_t overview_px) {
    axis->scale *= (double)overview_px / full_px;
    axis->offset *= (double)overview_px / full_px;
}

/* Working buffers, in bytes for a pixel of the VRT. Resampling: source pixels and their mask, one pass in doubles, the
 * result; a filter or a ComplexSource: copies of the window. */
static void set_scratch(stf_under_layer *layer, const way_of_reading *way, uint32_t sample_bytes) {
    double sample = sample_bytes > 4 ? sample_bytes : 4;
    double ratio_x = layer->x.scale, ratio_y = layer->y.scale;
    bool resampled = way->radius >= 0 && (fabs(layer->x.scale - 1) > 1e-9 || fabs(layer->y.scale - 1) > 1e-9);
    layer->scratch_most = HUGE_VAL;
    if (way->works_on_doubles)
        layer->scratch_per_px = (way->filter_px > 0 ? 4 : 2) * sample;
    if (resampled) {
        /* The halo around a small window is a third more at most; chunks are cut to a million pixels without it. */
        double source = 1.33 * (ratio_x * ratio_y * (sample + 1) + 8 * ratio_y) + 2 * sample;
        layer->scratch_per_px += source;
        layer->scratch_most =
            CHUNK_PX * (sample + 1) + 8 * CHUNK_PX / ratio_x + 2 * sample * CHUNK_PX / (ratio_x * ratio_y);
    }
}

/* Nearest takes the source pixel under the middle of each pixel, and none of those at its edges. */
static double inner_halo(const way_of_reading *way, const stf_under_axis *axis) {
    if (way->radius < 0 && way->filter_px == 0 && axis->scale > 1 && axis->outer == 0)
        return 0.01 - axis->scale / 2;
    return halo(way, axis->scale);
}

static void follow(stf_under_reading *r, uint32_t number, uint32_t band, const place *at, const way_of_reading *way,
                   bool first_band);

/* The end of the way down: a file, or a warped VRT. */
static void end_at(stf_under_reading *r, uint32_t number, uint32_t band, const place *at, const way_of_reading *way,
                   bool first_band) {
    const stf_met_dataset *met = &r->met[number];
    stf_under_layer layer = {0};
    layer.x = at->x;
    layer.y = at->y;
    layer.bands = 1;
    layer.simple = at->simple;
    uint32_t level = 0;
    if (met->kind == MET_FILE && at->x.scale > 1 && at->y.scale > 1)
        level = overview_for(met, fmin(at->x.scale, at->y.scale), way->radius < 0);
    if (level > 0) {
        shrink_to_overview(&layer.x, met->shapes[0].width_px, met->shapes[level].width_px);
        shrink_to_overview(&layer.y, met->shapes[0].height_px, met->shapes[level].height_px);
    }
    layer.x.inner = inner_halo(way, &layer.x);
    layer.y.inner = inner_halo(way, &layer.y);
    layer.grid = grid_of(r, number, level);
    set_scratch(&layer, way, met->sample_bytes);
    (void)band;
    add_layer(r, at, layer, first_band);
}

/* The place of a source, in the top of the list: composed of the place of the VRT and the source's rectangles. */
static bool place_axis(const stf_under_axis *vrt, double shown_at, double shown_px, double source_at, double source_px,
                       double passed_on, stf_under_axis *axis) {
    if (!(shown_px > 0 && source_px > 0 && vrt->scale > 0))
        return false;
    double ratio = source_px / shown_px;
    double begin = (shown_at - vrt->offset) / vrt->scale, end = (shown_at + shown_px - vrt->offset) / vrt->scale;
    axis->outer = vrt->outer + passed_on;
    axis->begin = fmax(begin, vrt->begin - passed_on);
    axis->end = fmin(end, vrt->end + passed_on);
    axis->scale = vrt->scale * ratio;
    axis->offset = (vrt->offset - shown_at) * ratio + source_at;
    axis->inner = 0;
    return axis->begin < axis->end;
}

static uint32_t meet_source(stf_under_reading *r, const stf_met_dataset *vrt, const CPLXMLNode *node) {
    const CPLXMLNode *embedded = CPLGetXMLNode((CPLXMLNode *)node, "VRTDataset");
    char *owner = CPLStrdup(vrt->path);
    char *path = CPLStrdup(embedded ? "" : stf_under_resolve(vrt, node, "SourceFilename"));
    uint32_t number = 0;
    if (!embedded && path[0] == '\0')
        r->failed = true;
    else
        number = embedded ? stf_under_meet_embedded(r, owner, embedded) : stf_under_meet(r, owner, path, NULL, node);
    CPLFree(owner);
    CPLFree(path);
    return number;
}

/* passed_on: halo of the way the VRT itself is read, in the top's pixels: it widens what is asked of each source. */
static void follow_source(stf_under_reading *r, uint32_t vrt_number, const CPLXMLNode *node, uint32_t band,
                          const place *at, const way_of_reading *vrt_way, bool first_band) {
    stf_met_shape vrt = r->met[vrt_number].shapes[0];
    uint32_t number_of_source = meet_source(r, &r->met[vrt_number], node);
    if (r->failed)
        return;
    const stf_met_shape *shape = &r->met[number_of_source].shapes[0];
    double passed_x = halo(vrt_way, at->x.scale) / at->x.scale, passed_y = halo(vrt_way, at->y.scale) / at->y.scale;
    place inside = *at;
    if (!place_axis(&at->x, stf_under_number(node, "DstRect.xOff", 0),
                    stf_under_number(node, "DstRect.xSize", vrt.width_px), stf_under_number(node, "SrcRect.xOff", 0),
                    stf_under_number(node, "SrcRect.xSize", shape->width_px), passed_x, &inside.x) ||
        !place_axis(&at->y, stf_under_number(node, "DstRect.yOff", 0),
                    stf_under_number(node, "DstRect.ySize", vrt.height_px), stf_under_number(node, "SrcRect.yOff", 0),
                    stf_under_number(node, "SrcRect.ySize", shape->height_px), passed_y, &inside.y))
        return; /* lies outside of what is shown */
    uint32_t source_band = (uint32_t)stf_under_number(node, "SourceBand", 1);
    inside.simple = at->first_level && EQUAL(node->pszValue, "SimpleSource") && source_band == band;
    inside.first_level = false;
    way_of_reading way = way_of(node);
    follow(r, number_of_source, source_band, &inside, &way, first_band);
}

static bool is_source(const CPLXMLNode *node) {
    static const char *const names[] = {"SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource",
                                        NULL};
    return node->eType == CXT_Element && CSLFindString((CSLConstList)names, node->pszValue) >= 0;
}

/* A mask as a band's number: the dataset's (0), or the own one of a band. */
#define MASK_OF(band) (UINT32_MAX - (band))
#define IS_MASK(band) ((band) > UINT32_MAX / 2)

static const CPLXMLNode *band_node(const CPLXMLNode *root, uint32_t band) {
    if (IS_MASK(band)) {
        const CPLXMLNode *owner = band == MASK_OF(0) ? root : band_node(root, MASK_OF(band));
        return owner ? CPLGetXMLNode((CPLXMLNode *)(uintptr_t)owner, "MaskBand.VRTRasterBand") : NULL;
    }
    for (const CPLXMLNode *node = root->psChild; node; node = node->psNext)
        if (node->eType == CXT_Element && EQUAL(node->pszValue, "VRTRasterBand") && --band == 0)
            return node;
    return NULL;
}

static void follow_vrt(stf_under_reading *r, uint32_t vrt, uint32_t band, const place *vrt_at,
                       const way_of_reading *way, bool first_band) {
    place derived = *vrt_at; /* a derived band computes something of its own from its sources */
    const place *at = &derived;
    const CPLXMLNode *node = band_node(r->met[vrt].root, band > 0 ? band : 1);
    const char *kind = node ? CPLGetXMLValue(node, "subClass", "VRTSourcedRasterBand") : "";
    way_of_reading its_way = *way;
    if (EQUAL(kind, "VRTDerivedRasterBand")) {
        its_way.filter_px += stf_under_number(node, "BufferRadius", 0);
        derived.first_level = false;
    } else if (!EQUAL(kind, "VRTSourcedRasterBand"))
        r->failed = true;
    for (const CPLXMLNode *child = node ? node->psChild : NULL; child && !r->failed; child = child->psNext)
        if (is_source(child))
            follow_source(r, vrt, child, band, at, &its_way, first_band);
}

static void follow(stf_under_reading *r, uint32_t number, uint32_t band, const place *at, const way_of_reading *way,
                   bool first_band) {
    if (++r->depth > DEEPEST)
        r->failed = true;
    else if (r->met[number].kind == MET_VRT)
        follow_vrt(r, number, band, at, way, first_band);
    else
        end_at(r, number, band, at, way, first_band);
    r->depth--;
}

/* Bands of a dataset as the top of a list. */
static void follow_bands(stf_under_reading *r, uint32_t number, uint32_t list, uint32_t first, uint32_t bands) {
    const stf_met_shape *shape = &r->met[number].shapes[0];
    const way_of_reading plainly = {-1, 0, false};
    place at = {{0, shape->width_px, 1, 0, 0, 0}, {0, shape->height_px, 1, 0, 0, 0}, list, false, true};
    for (uint32_t i = 0; i < bands && !r->failed; i++)
        follow(r, number, first + i, &at, &plainly, i == 0);
}

/* --- all of it --------------------------------------------------------------------------------- */

static uint32_t bands_of(const stf_met_dataset *met) {
    uint32_t bands = 0;
    if (met->kind != MET_VRT)
        return met->bands;
    while (band_node(met->root, bands + 1))
        bands++;
    return bands;
}

/* What warped VRTs show; it may bring up further ones. */
static void follow_warped(stf_under_reading *r) {
    for (uint32_t g = 0; g < r->under->grid_count && !r->failed; g++) {
        if (r->under->grids[g].list == STF_UNDER_FILE)
            continue;
        const stf_met_dataset *met = &r->met[r->under->grids[g].source];
        char *owner = CPLStrdup(met->path);
        char *path = CPLStrdup(CPLGetXMLValue(met->root, "GDALWarpOptions.SourceDataset", ""));
        uint32_t source = stf_under_meet(r, owner, path, NULL, NULL);
        if (!r->failed)
            follow_bands(r, source, r->under->grids[g].list, 1, bands_of(&r->met[source]));
        CPLFree(owner);
        CPLFree(path);
    }
}

/* Bands of one place of each grid, and the numbers of its blocks. */
static void number_blocks(stf_under_reading *r) {
    stf_underlay *under = r->under;
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < under->list_count; i++)
        for (uint32_t l = 0; l < under->lists[i].count; l++) {
            stf_under_grid *grid = &under->grids[under->lists[i].items[l].grid];
            uint32_t bands = under->lists[i].items[l].bands;
            grid->decodes = bands > grid->decodes ? bands : grid->decodes;
        }
    for (uint32_t i = 0; i < under->grid_count; i++) {
        stf_under_grid *grid = &under->grids[i];
        uint32_t bands = grid->bands_at_once > grid->decodes ? grid->bands_at_once : grid->decodes;
        grid->block_bytes = stf_mul(grid->band_bytes, bands);
        if (grid->bands_at_once > 1)
            grid->decodes = 1;
        grid->first_block = (uint32_t)blocks;
        blocks = stf_add(blocks, (uint64_t)grid->columns * grid->rows);
        r->failed = r->failed || blocks > UINT32_MAX;
    }
    under->blocks = (uint32_t)blocks;
}

/* Files stay open, each with its buffers, as many as GDAL's pool keeps; the largest are assumed. */
static void count_readers(stf_under_reading *r) {
    stf_underlay *under = r->under;
    uint64_t pool = (uint64_t)atoi(CPLGetConfigOption("GDAL_MAX_DATASET_POOL_SIZE", "100"));
    uint64_t all = 0, largest = 0, files = 0;
    for (uint32_t i = 0; i < r->met_count; i++) {
        if (r->met[i].kind != MET_FILE) {
            under->reader_bytes = stf_add(under->reader_bytes, r->met[i].reader_bytes);
            continue;
        }
        uint64_t bytes = r->met[i].reader_bytes - (STF_GTIFF_HANDLE_BYTES - STF_GTIFF_FURTHER_HANDLE_BYTES);
        files++;
        all = stf_add(all, bytes);
        largest = bytes > largest ? bytes : largest;
    }
    uint64_t pooled = stf_mul(largest, pool < 2 ? 2 : pool);
    if (files > 0)
        under->reader_bytes = stf_add(under->reader_bytes, STF_GTIFF_HANDLE_BYTES - STF_GTIFF_FURTHER_HANDLE_BYTES);
    under->reader_bytes = stf_add(under->reader_bytes, all < pooled ? all : pooled);
    for (uint32_t i = 0; i < under->grid_count; i++)
        if (under->grids[i].list != STF_UNDER_FILE)
            under->reader_bytes = stf_add(under->reader_bytes, under->grids[i].reader_bytes);
}

static void forget(stf_under_reading *r) {
    for (uint32_t i = 0; i < r->met_count; i++) {
        CPLFree(r->met[i].owner);
        CPLFree(r->met[i].path);
        CPLDestroyXMLNode(r->met[i].tree);
    }
    CPLFree(r->met);
}

static stf_underlay *read_bands(GDALDatasetH dataset, uint32_t first, uint32_t bands) {
    stf_under_reading r = {0};
    r.under = VSICalloc(1, sizeof *r.under);
    if (!r.under)
        return NULL;
    r.under->lists = stf_under_grow(r.under->lists, 0, &r.under->list_room, sizeof *r.under->lists);
    memset(r.under->lists, 0, sizeof *r.under->lists);
    r.under->list_count = 1;
    CPLPushErrorHandler(CPLQuietErrorHandler);
    uint32_t top = stf_under_meet(&r, "", GDALGetDescription(dataset), dataset, NULL);
    if (!r.failed)
        follow_bands(&r, top, 0, first, bands);
    follow_warped(&r);
    number_blocks(&r);
    count_readers(&r);
    CPLPopErrorHandler();
    CPLErrorReset();
    forget(&r);
    if (r.failed || r.under->lists[0].count == 0) {
        stf_underlay_free(r.under);
        return NULL;
    }
    return r.under;
}

stf_underlay *stf_underlay_read(GDALDatasetH dataset, uint32_t first_band, uint32_t bands) {
    return read_bands(dataset, first_band, bands);
}

stf_underlay *stf_underlay_read_mask(GDALDatasetH vrt, uint32_t band) {
    return read_bands(vrt, MASK_OF(band), 1);
}
