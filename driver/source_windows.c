/* WINDOWS: a VRT, read with RasterIO along the block grid of what lies underneath.
 *
 * Window borders lie where the blocks of the largest source end, mapped to the VRT's pixels and moved up
 * (and left) by the halo of its resampling: the source pixels of a window then end where a block
 * ends, so that going down only one more block row must stay in GDAL's cache, not two.
 *
 *     source blocks   ----k-1----|-----k-----|----k+1----
 *     a window               [ - - window - -]             its source pixels, halo included
 *
 * Without a halo, and with one source in step with the VRT, a window is one block and needs nothing
 * kept at all. A VRT that shows one whole raster unchanged is unwrapped: the raster is read as BLOCKS. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "messages.h"
#include "platform.h"
#include "source.h"
#include "vrt_layers.h"
#include "vrt_warped.h"

#define STRIPE_COLUMNS_AT_LEAST 50 /* one column decoded again at each seam: 2 % */
#define UNIT_PX_AT_LEAST 32

static bool read_window(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer,
                        stf_unit_pixels *pixels, stf_error *err) {
    const stf_window *window = &unit->window;
    int pixel_bytes = GDALGetDataTypeSizeBytes(source->request.type);
    (void)reader;
    pixels->pixels = buffer;
    pixels->row_bytes = (size_t)window->width * (size_t)pixel_bytes;
    pixels->band_bytes = pixels->row_bytes * window->height;
    if (GDALDatasetRasterIOEx(source->dataset, GF_Read, (int)window->x, (int)window->y, (int)window->width,
                              (int)window->height, buffer, (int)window->width, (int)window->height,
                              source->request.type, GDALGetRasterCount(source->dataset), NULL, pixel_bytes,
                              (GSpacing)pixels->row_bytes, (GSpacing)pixels->band_bytes, NULL) == CE_None)
        return true;
    char context[128];
    snprintf(context, sizeof context, "Reading %u x %u pixels at %u, %u of the VRT", window->width, window->height,
             window->x, window->y);
    return stf_fail_with_last(err, context);
}

static const stf_vrt_layer *largest_layer(const stf_vrt_layers *layers) {
    const stf_vrt_layer *largest = &layers->items[0];
    for (uint32_t i = 1; i < layers->count; i++)
        if (layers->items[i].width * layers->items[i].height > largest->width * largest->height)
            largest = &layers->items[i];
    return largest;
}

static uint64_t count_blocks(const stf_vrt_layers *layers) {
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < layers->count; i++) {
        const stf_vrt_layer *layer = &layers->items[i];
        double right = layer->source_x + layer->source_width, bottom = layer->source_y + layer->source_height;
        double columns = ceil(right / layer->block_width_px) - floor(layer->source_x / layer->block_width_px);
        double rows = ceil(bottom / layer->block_height_px) - floor(layer->source_y / layer->block_height_px);
        blocks = stf_add(blocks, (uint64_t)(columns * rows));
    }
    return blocks;
}

/* How many blocks make a unit of at least so many pixels. */
static double at_least(double step_px, double least_px) {
    return step_px >= least_px ? 1 : ceil(least_px / step_px);
}

static bool describe_layers(stf_source *source, const void *what) {
    const stf_vrt_layers *layers = what;
    stf_source_info *info = &source->info;
    stf_group *group = info->groups;
    const stf_vrt_layer *lead = largest_layer(layers);
    uint32_t width = (uint32_t)GDALGetRasterXSize(source->dataset),
             height = (uint32_t)GDALGetRasterYSize(source->dataset);
    bool in_step = layers->count == 1 && lead->halo_x == 0 && lead->halo_y == 0;
    double blocks_x = at_least(lead->step_x, UNIT_PX_AT_LEAST), blocks_y = at_least(lead->step_y, UNIT_PX_AT_LEAST);
    double unit_y = lead->step_y * blocks_y;
    group->first_band = 0;
    group->bands = (uint32_t)GDALGetRasterCount(source->dataset);
    group->x = stf_axis_make(width, lead->origin_x - lead->halo_x, lead->step_x * blocks_x);
    group->y = stf_axis_make(height, lead->origin_y - lead->halo_y, unit_y);
    uint64_t unit_px = (uint64_t)stf_axis_longest(&group->x) * stf_axis_longest(&group->y);
    info->unit_bytes =
        stf_mul(stf_mul(unit_px, (uint64_t)GDALGetDataTypeSizeBytes(source->request.type)), group->bands);
    info->source_blocks = count_blocks(layers);
    info->reader_bytes = layers->reader_bytes;
    if (lead->halo_x > 0) { /* resampling reads into buffers of its own, at most about a million pixels at a time */
        double scale = lead->source_width / lead->width * (lead->source_height / lead->height);
        double source_px = (double)unit_px * (scale > 1 ? scale : 1);
        info->reader_bytes += 16 * (uint64_t)(source_px < 1048576 ? source_px : 1048576);
    }
    if (in_step) {
        info->lease_bytes = stf_mul(lead->block_bytes, (uint64_t)(blocks_x * blocks_y));
    } else {
        /* The walk goes tile by tile, and takes all rows of windows that begin in a tile before it moves on. */
        double swept_y = unit_y * ceil(source->request.tile_height_px / unit_y);
        uint64_t span = stf_vrt_layers_span_bytes(layers, height, swept_y);
        info->lease_column_bytes = span / group->x.cells + 1;
        info->lease_extra_columns = 3;
        info->lease_bytes = 3 * lead->block_bytes;
        info->min_stripe_columns = STRIPE_COLUMNS_AT_LEAST;
        info->seam_decodes = group->y.cells * (uint64_t)blocks_y;
    }
    snprintf(info->summary, sizeof info->summary, "VRT over %u source(s) in blocks of %u x %u, halo %g x %g pixels",
             layers->count, lead->block_width_px, lead->block_height_px, lead->halo_x, lead->halo_y);
    return true;
}

/* One whole raster, shown unchanged band by band. */
static bool is_plain(GDALDatasetH vrt, const stf_vrt_layers *layers) {
    const stf_vrt_layer *layer = &layers->items[0];
    int width = GDALGetRasterXSize(vrt), height = GDALGetRasterYSize(vrt);
    return layers->count == 1 && layer->simple && layer->bands == (uint32_t)GDALGetRasterCount(vrt) && layer->x == 0 &&
           layer->y == 0 && layer->width == width && layer->height == height && layer->source_x == 0 &&
           layer->source_y == 0 && layer->source_width == width && layer->source_height == height &&
           layer->source_width_px == (uint32_t)width && layer->source_height_px == (uint32_t)height;
}

/* Opens what a plain VRT shows; NULL: leave the VRT as it is. */
static GDALDatasetH unwrap(GDALDatasetH vrt, const char *path) {
    stf_platform_open file;
    if (!stf_platform_open_files(path, &file) || file.alike > 0)
        return NULL; /* the VRT may have an older file of that name open, and shows that one */
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH inner = GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL, NULL, NULL, NULL);
    CPLPopErrorHandler();
    CPLErrorReset();
    if (!inner)
        return NULL;
    GDALDriverH driver = GDALGetDatasetDriver(inner);
    bool same = driver && !EQUAL(GDALGetDriverShortName(driver), "VRT") &&
                GDALGetRasterXSize(inner) == GDALGetRasterXSize(vrt) &&
                GDALGetRasterYSize(inner) == GDALGetRasterYSize(vrt) &&
                GDALGetRasterCount(inner) == GDALGetRasterCount(vrt);
    for (int band = 1; same && band <= GDALGetRasterCount(vrt); band++)
        same = GDALGetRasterDataType(GDALGetRasterBand(inner, band)) ==
               GDALGetRasterDataType(GDALGetRasterBand(vrt, band));
    if (same)
        return inner;
    GDALClose(inner);
    return NULL;
}

/* A warped VRT: its own blocks are the units, for that is what one run of the warper makes. */
static bool describe_warped(stf_source *source, const void *unused) {
    stf_source_info *info = &source->info;
    stf_group *group = info->groups;
    stf_vrt_warped warped;
    int block_width, block_height;
    (void)unused;
    GDALGetBlockSize(GDALGetRasterBand(source->dataset, 1), &block_width, &block_height);
    /* Units are visited tile by tile, so a row of tiles, not of units, is what the cache must live through. */
    uint32_t span_rows = source->request.tile_height_px > (uint32_t)block_height ? source->request.tile_height_px
                                                                                 : (uint32_t)block_height;
    if (!stf_vrt_warped_read(source->dataset, (uint32_t)block_width, span_rows, &warped))
        return false;
    group->first_band = 0;
    group->bands = (uint32_t)GDALGetRasterCount(source->dataset);
    group->x = stf_axis_make((uint32_t)GDALGetRasterXSize(source->dataset), 0, block_width);
    group->y = stf_axis_make((uint32_t)GDALGetRasterYSize(source->dataset), 0, block_height);
    uint64_t pixel_bytes = (uint64_t)GDALGetDataTypeSizeBytes(source->request.type) * group->bands;
    info->unit_bytes = stf_mul(stf_mul((uint64_t)block_width, (uint64_t)block_height), pixel_bytes);
    info->source_blocks = warped.source_blocks;
    info->reader_bytes = stf_add(warped.reader_bytes, stf_mul(4, info->unit_bytes)); /* the warper's own buffers */
    info->lease_column_bytes = warped.span_bytes / group->x.cells + 1;
    info->lease_extra_columns = 2;
    info->lease_bytes = stf_add(stf_mul(2, warped.block_bytes), stf_source_cached_block_bytes(info->unit_bytes));
    info->min_stripe_columns = STRIPE_COLUMNS_AT_LEAST;
    info->seam_decodes = warped.source_blocks / group->x.cells;
    snprintf(info->summary, sizeof info->summary, "warped VRT in blocks of %d x %d", block_width, block_height);
    return true;
}

static bool init_described(stf_source *source, bool (*describe_it)(stf_source *, const void *), const void *what,
                           bool *fits, stf_error *err) {
    source->info.groups = VSICalloc(1, sizeof *source->info.groups);
    if (!source->info.groups)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of the source");
    *fits = describe_it(source, what);
    if (*fits) {
        source->info.kind = STF_SOURCE_WINDOWS;
        source->info.group_count = 1;
        source->read = read_window;
    } else {
        VSIFree(source->info.groups);
        source->info.groups = NULL;
    }
    return true;
}

bool stf_source_init_windows(stf_source *source, bool *fits, stf_error *err) {
    stf_vrt_layers layers;
    *fits = false;
    if (!stf_vrt_layers_read(source->dataset, &layers))
        return init_described(source, describe_warped, NULL, fits, err);
    if (is_plain(source->dataset, &layers)) {
        source->unwrapped = unwrap(source->dataset, layers.items[0].path);
        if (source->unwrapped) {
            source->dataset = source->unwrapped;
            stf_vrt_layers_free(&layers);
            return true;
        }
    }
    bool done = init_described(source, describe_layers, &layers, fits, err);
    stf_vrt_layers_free(&layers);
    return done;
}

uint64_t stf_source_vrt_span_bytes(GDALDatasetH vrt) {
    stf_vrt_layers layers;
    if (!stf_vrt_layers_read(vrt, &layers))
        return 0;
    uint64_t bytes = stf_vrt_layers_span_bytes(&layers, (uint32_t)GDALGetRasterYSize(vrt), layers.items[0].step_y);
    stf_vrt_layers_free(&layers);
    return bytes;
}
