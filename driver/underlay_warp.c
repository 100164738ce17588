/* The source window of each block of a warped VRT, as GDAL's warper works it out: points along the block's edges (on a
 * grid in it, where some do not transform) are taken through the VRT's own transformer; their bounding box is
 * widened by the resampling kernel. Where it covers nine tenths of the source, all of it is read. */
#include <math.h>

#include "cpl_conv.h"
#include "cpl_minixml.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal_alg.h"
#include "gdalwarper.h"
#include "underlay.h"

#define STEPS 21 /* points along an edge */
#define GRID_STEPS (STEPS + 2)
#define POINTS (GRID_STEPS * GRID_STEPS)
#define TRANSFORMER_BYTES ((uint64_t)1 << 20) /* PROJ's operations, and their copies for the warper's thread */
#define FAILED_EXTRA_PX 10                    /* the warper's, where some points do not transform */
#define STARTING_FROM_SOURCE_PX 2 /* it then looks from the source's side as well, at most so much farther */

typedef struct warp_points {
    double x[POINTS], y[POINTS], z[POINTS];
    int good[POINTS];
    int count;
} warp_points;

typedef struct warp_box {
    double left, top, right, bottom;
    bool some_failed;
} warp_box;

static void add_point(warp_points *points, double x, double y) {
    points->x[points->count] = x;
    points->y[points->count] = y;
    points->z[points->count++] = 0;
}

static void edge_points(warp_points *points, const stf_window *block) {
    points->count = 0;
    for (int i = 0; i < STEPS; i++) {
        double part = (double)i / (STEPS - 1);
        add_point(points, block->x + part * block->width, block->y);
        add_point(points, block->x + part * block->width, (double)block->y + block->height);
        add_point(points, block->x, block->y + part * block->height);
        add_point(points, (double)block->x + block->width, block->y + part * block->height);
    }
}

static void grid_points(warp_points *points, const stf_window *block) {
    points->count = 0;
    for (int j = 0; j < GRID_STEPS; j++)
        for (int i = 0; i < GRID_STEPS; i++)
            add_point(points, block->x + (double)i / (GRID_STEPS - 1) * block->width,
                      block->y + (double)j / (GRID_STEPS - 1) * block->height);
}

static warp_box bounds(GDALWarpOptions *options, warp_points *points) {
    warp_box box = {HUGE_VAL, HUGE_VAL, -HUGE_VAL, -HUGE_VAL, false};
    int done = options->pfnTransformer(options->pTransformerArg, TRUE, points->count, points->x, points->y, points->z,
                                       points->good);
    for (int i = 0; i < points->count; i++) {
        if (!done || !points->good[i] || isnan(points->x[i]) || isnan(points->y[i])) {
            box.some_failed = true;
            continue;
        }
        box.left = fmin(box.left, points->x[i]), box.right = fmax(box.right, points->x[i]);
        box.top = fmin(box.top, points->y[i]), box.bottom = fmax(box.bottom, points->y[i]);
    }
    return box;
}

static double kernel_radius(GDALResampleAlg algorithm) {
    switch (algorithm) {
    case GRA_Bilinear:
        return 1;
    case GRA_Cubic:
    case GRA_CubicSpline:
        return 2;
    case GRA_Lanczos:
        return 3;
    default:
        return 0;
    }
}

/* One direction: first pixel and number of pixels read, of size_px. */
static void widen(double low, double high, double block_px, double radius, double extra, uint32_t size_px,
                  uint32_t *first, uint32_t *count) {
    double scale = fmax(1e-3, block_px / (high - low));
    double wide = (scale < 0.95 ? ceil(radius / scale) : radius) + extra;
    double begin = fmax(0, floor(low)), end = fmin(ceil(high), size_px);
    if (end - begin > 0.9 * size_px) {
        begin = 0;
        end = size_px;
    } else {
        begin = fmax(0, begin - wide);
        end = fmin(size_px, end + wide);
    }
    *first = (uint32_t)fmin(begin, size_px);
    *count = end > begin ? (uint32_t)(end - begin) : 0;
}

static stf_window source_window(GDALWarpOptions *options, warp_points *points, const stf_window *block,
                                uint32_t source_width_px, uint32_t source_height_px) {
    stf_window window = {0, 0, 0, 0};
    const char *asked = CSLFetchNameValue(options->papszWarpOptions, "SOURCE_EXTRA");
    edge_points(points, block);
    warp_box box = bounds(options, points);
    if (box.some_failed) {
        grid_points(points, block);
        box = bounds(options, points);
    }
    if (!(box.left <= box.right) || box.left > source_width_px || box.right < 0 || box.top > source_height_px ||
        box.bottom < 0)
        return window;
    double extra = asked ? atoi(asked) : box.some_failed ? FAILED_EXTRA_PX + STARTING_FROM_SOURCE_PX : 0;
    double radius = kernel_radius(options->eResampleAlg);
    widen(box.left, box.right, block->width, radius, extra, source_width_px, &window.x, &window.width);
    widen(box.top, box.bottom, block->height, radius, extra, source_height_px, &window.y, &window.height);
    if (window.width == 0 || window.height == 0)
        window.width = window.height = 0;
    return window;
}

/* The warper's buffers for one block: source pixels and their validity, result and density; and what transforms. */
static uint64_t warper_bytes(const GDALWarpOptions *options, const stf_under_grid *grid) {
    uint64_t sample = (uint64_t)GDALGetDataTypeSizeBytes(options->eWorkingDataType);
    uint64_t bands = options->nBandCount > 0 ? (uint64_t)options->nBandCount : grid->bands_at_once;
    uint64_t most = 0, block_px = (uint64_t)grid->block_width_px * grid->block_height_px;
    for (uint64_t i = 0; i < (uint64_t)grid->columns * grid->rows; i++) {
        uint64_t px = (uint64_t)grid->windows[i].width * grid->windows[i].height;
        most = px > most ? px : most;
    }
    sample = sample < 4 ? 4 : sample;
    return stf_add(stf_add(stf_mul(most, bands * sample + 5), stf_mul(block_px, bands * sample + 5)),
                   TRANSFORMER_BYTES);
}

static bool fill_windows(stf_under_grid *grid, GDALWarpOptions *options) {
    warp_points *points = VSIMalloc(sizeof *points);
    grid->windows = VSICalloc((size_t)grid->columns * grid->rows, sizeof *grid->windows);
    if (!points || !grid->windows) {
        VSIFree(points);
        return false;
    }
    uint32_t width = (uint32_t)GDALGetRasterXSize(options->hSrcDS),
             height = (uint32_t)GDALGetRasterYSize(options->hSrcDS);
    for (uint32_t row = 0; row < grid->rows; row++)
        for (uint32_t column = 0; column < grid->columns; column++) {
            stf_window block = {column * grid->block_width_px, row * grid->block_height_px, grid->block_width_px,
                                grid->block_height_px};
            if (block.width > grid->width_px - block.x)
                block.width = grid->width_px - block.x;
            if (block.height > grid->height_px - block.y)
                block.height = grid->height_px - block.y;
            grid->windows[(size_t)row * grid->columns + column] = source_window(options, points, &block, width, height);
        }
    VSIFree(points);
    return true;
}

bool stf_under_warp_windows(stf_under_grid *grid, const CPLXMLNode *tree) {
    GDALWarpOptions *options = GDALDeserializeWarpOptions((CPLXMLNode *)tree);
    if (!options)
        return false;
    bool done = options->hSrcDS && options->pfnTransformer && options->pTransformerArg && fill_windows(grid, options);
    if (done)
        grid->reader_bytes = warper_bytes(options, grid);
    GDALDestroyTransformer(options->pTransformerArg);
    GDALClose(options->hSrcDS);
    GDALDestroyWarpOptions(options);
    return done;
}
