#include "tiling.h"

#include <math.h>
#include <string.h>

#include "cpl_string.h"
#include "gdal_adaptor.h"
#include "gdal_version.h"

/* Those that GDAL has in its code. Side: of the whole at level 0, in units of the CRS. */
typedef struct known_scheme {
    const char *name, *same_as; /* NULL: it has no other name */
    const char *crs;
    double left, bottom, right, top; /* bounds */
    double origin_top;
    double tile_side; /* of one tile at level 0 */
    int columns, rows, levels;
} known_scheme;

#define HALF (6378137 * 3.14159265358979323846)
#define MERCATOR "http://www.opengis.net/def/crs/EPSG/0/3857"
#define CRS84 "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
#define OGC_NAME "http://www.opengis.net/def/tilematrixset/OGC/1.0/"

static const known_scheme known_schemes[] = {
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    {"GoogleMapsCompatible", "WebMercatorQuad", MERCATOR, -HALF, -HALF, HALF, HALF, HALF, 2 * HALF, 1, 1, 31},
    {"InspireCRS84Quad", "PseudoTMS_GlobalGeodetic", CRS84, -180, -90, 180, 90, 90, 180, 2, 1, 30},
    {"WorldCRS84Quad", NULL, CRS84, -180, -90, 180, 90, 90, 180, 2, 1, 30},
#else
    {"GoogleMapsCompatible", NULL, MERCATOR, -HALF, -HALF, HALF, HALF, HALF, 2 * HALF, 1, 1, 25},
    {"InspireCRS84Quad", NULL, CRS84, -180, -90, 180, 90, 90, 180, 2, 1, 18},
#endif
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    {"WorldMercatorWGS84Quad", NULL, "http://www.opengis.net/def/crs/EPSG/0/3395", -HALF, -HALF, HALF, HALF, HALF,
     2 * HALF, 1, 1, 31},
    {"PseudoTMS_GlobalMercator", NULL, MERCATOR, -HALF, -HALF, HALF, HALF, HALF, HALF, 2, 2, 30},
    {"GoogleCRS84Quad", NULL, CRS84, -180, -90, 180, 90, 180, 360, 1, 1, 31},
    {"GlobalGeodeticOriginLat270", NULL, CRS84, -180, -90, 180, 270, 270, 360, 1, 1, 31},
#endif
};

static void describe_known(const known_scheme *known, stf_tiling *tiling) {
    const int tile_px = 256;
    CPLStrlcpy(tiling->crs, known->crs, sizeof tiling->crs);
    CPLStrlcpy(tiling->bounds_crs, known->crs, sizeof tiling->bounds_crs);
    tiling->bounds[0] = known->left;
    tiling->bounds[1] = known->bottom;
    tiling->bounds[2] = known->right;
    tiling->bounds[3] = known->top;
    tiling->level_count = known->levels;
    for (int i = 0; i < known->levels; i++) {
        stf_zoom_level *level = &tiling->levels[i];
        level->resolution = known->tile_side / tile_px / (double)(1u << i);
        level->left = known->left;
        level->top = known->origin_top;
        level->tile_width_px = level->tile_height_px = tile_px;
        level->columns = known->columns << i;
        level->rows = known->rows << i;
    }
}

static bool is_named(const known_scheme *known, const char *text) {
    const char *name = STARTS_WITH_CI(text, OGC_NAME) ? text + strlen(OGC_NAME) : text;
    return EQUAL(known->name, name) || (known->same_as && EQUAL(known->same_as, name));
}

static bool check(const stf_tiling *tiling, stf_error *err) {
    const stf_zoom_level *first = &tiling->levels[0];
    if (tiling->level_count == 0)
        return stf_fail(err, CPLE_AppDefined, "TILING_SCHEME has no zoom levels");
    for (int i = 0; i < tiling->level_count; i++) {
        const stf_zoom_level *level = &tiling->levels[i];
        if (!(level->resolution > 0) || level->tile_width_px <= 0 || level->tile_height_px <= 0 ||
            level->columns <= 0 || level->rows <= 0 || (i > 0 && !(level->resolution < level[-1].resolution)))
            return stf_fail(err, CPLE_AppDefined, "Zoom level %d of TILING_SCHEME has no meaning", i);
        if (level->left != first->left || level->top != first->top)
            return stf_fail(err, CPLE_NotSupported,
                            "Unsupported tiling scheme: not all zoom levels have same top left corner");
        if (level->tile_width_px != first->tile_width_px || level->tile_height_px != first->tile_height_px)
            return stf_fail(err, CPLE_NotSupported,
                            "Unsupported tiling scheme: not all zoom levels have same tile size");
        if (level->variable_width)
            return stf_fail(err, CPLE_NotSupported,
                            "Unsupported tiling scheme: some levels have variable matrix width");
    }
    return true;
}

bool stf_tiling_find(const char *text, stf_tiling *tiling, stf_error *err) {
    memset(tiling, 0, sizeof *tiling);
    for (size_t i = 0; i < sizeof known_schemes / sizeof *known_schemes; i++)
        if (is_named(&known_schemes[i], text)) {
            describe_known(&known_schemes[i], tiling);
            return true;
        }
    char reason[256] = "";
    if (!stf_gdal_read_tiling(text, tiling, reason, sizeof reason))
        return stf_fail(err, CPLE_AppDefined, "TILING_SCHEME=%.200s cannot be used: %s", text, reason);
    return check(tiling, err);
}

/* --- placing ----------------------------------------------------------------------------------- */

static double resolution_of(const stf_tiling *tiling, int zoom, int block_px) {
    return tiling->levels[zoom].resolution * tiling->levels[0].tile_width_px / block_px;
}

static bool is_outside(const stf_tiling *tiling, bool swapped, const stf_tiling_fit *fit) {
    const double *b = tiling->bounds;
    double left = b[swapped ? 1 : 0], bottom = b[swapped ? 0 : 1], right = b[swapped ? 3 : 2], top = b[swapped ? 2 : 3];
    return strcmp(tiling->crs, tiling->bounds_crs) == 0 &&
           (fit->max_x < left || fit->min_x > right || fit->max_y < bottom || fit->min_y > top);
}

static bool is_as(double a, double b) {
    return fabs(a - b) / b <= 1e-8;
}

/* The first level that is as fine as the raster, or the one before, where that is nearer. */
static bool choose_zoom(const stf_tiling *tiling, int block_px, stf_zoom_strategy strategy, stf_tiling_fit *fit,
                        stf_error *err) {
    double wanted = fit->resolution, before = 0, found = 0;
    int zoom = 0;
    for (; zoom < tiling->level_count; zoom++) {
        found = resolution_of(tiling, zoom, block_px);
        if (wanted > found || is_as(wanted, found))
            break;
        before = found;
    }
    if (zoom == tiling->level_count)
        return stf_fail(err, CPLE_AppDefined, "Could not find an appropriate zoom level");
    bool between = zoom > 0 && !is_as(wanted, found);
    if (between && (strategy == STF_ZOOM_LOWER || (strategy == STF_ZOOM_AUTO && before / wanted < wanted / found)))
        zoom--;
    fit->zoom = zoom;
    return true;
}

/* Tiles of several levels meet at the same borders where the first lies at a multiple of this one's product. */
static bool find_divisor(const stf_tiling *tiling, int zoom, int aligned_levels, int *divisor, stf_error *err) {
    const int many_divisors = 60; /* of a ratio of 2.5 it makes 24 / 60 = 2 / 5 */
    *divisor = 1;
    for (int i = 0; i < aligned_levels - 1; i++) {
        double ratio = tiling->levels[zoom - i - 1].resolution / tiling->levels[zoom - i].resolution;
        double scaled = many_divisors / ratio;
        int whole = (int)round(scaled), numerator = 0;
        bool fits = scaled >= 1 && scaled <= many_divisors && fabs(round(scaled) - scaled) <= 1e-10;
        for (int d = fits ? whole : 0; d >= 2 && numerator == 0; d--)
            if (many_divisors % d == 0 && whole % d == 0)
                numerator = many_divisors / d;
        if (numerator == 0)
            return stf_fail(err, CPLE_AppDefined,
                            "Unsupported ratio of resolution for ALIGNED_LEVELS between zoom level %d and %d = %g",
                            zoom - i - 1, zoom - i, ratio);
        *divisor *= numerator;
    }
    return true;
}

typedef struct tile_range {
    int first, behind;
} tile_range;

/* Tiles between two distances from the origin. What reaches less than about half a pixel into a tile does not count from GDAL
 * 3.10 on; before, nothing but rounding was left out. */
static tile_range tiles_between(double from, double to, double side, double resolution) {
    tile_range range;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    double slack = 0.499 * resolution;
    range.first = (int)floor((from + slack) / side);
    range.behind = (int)ceil((to - slack) / side);
#else
    (void)resolution;
    range.first = (int)floor(from / side + 1e-10);
    range.behind = (int)ceil(to / side - 1e-10);
#endif
    return range;
}

static void align(tile_range *range, int divisor) {
    if (divisor <= 1)
        return;
    range->first = range->first / divisor * divisor;
    range->behind = (range->behind + divisor - 1) / divisor * divisor;
}

static bool clamp(tile_range *range, int count) {
    bool outside = range->first < 0 || range->behind > count;
    range->first = range->first < 0 ? 0 : range->first;
    range->behind = range->behind > count ? count : range->behind;
    return outside;
}

bool stf_tiling_place(const stf_tiling *tiling, int block_px, bool swapped, stf_zoom_strategy strategy,
                      stf_tiling_fit *fit, stf_error *err) {
    const stf_zoom_level *first = &tiling->levels[0];
    int divisor;
    if (block_px == 0)
        block_px = first->tile_width_px;
    if (is_outside(tiling, swapped, fit))
        return stf_fail(err, CPLE_AppDefined, "Raster extent completely outside of tile matrix set bounding box");
    if (fit->zoom >= tiling->level_count)
        return stf_fail(err, CPLE_AppDefined, "Invalid zoom level: should be in [0,%d]", tiling->level_count - 1);
    if (fit->zoom < 0 && !choose_zoom(tiling, block_px, strategy, fit, err))
        return false;
    if (fit->aligned_levels > fit->zoom)
        fit->aligned_levels = fit->zoom;
    if (!find_divisor(tiling, fit->zoom, fit->aligned_levels, &divisor, err))
        return false;
    const stf_zoom_level *level = &tiling->levels[fit->zoom];
    double left = swapped ? first->top : first->left, top = swapped ? first->left : first->top;
    double resolution = resolution_of(tiling, fit->zoom, block_px), side = resolution * block_px;
    tile_range x = tiles_between(fit->min_x - left, fit->max_x - left, side, resolution);
    tile_range y = tiles_between(top - fit->max_y, top - fit->min_y, side, resolution);
    align(&x, divisor);
    align(&y, divisor);
    bool outside_x = clamp(&x, level->columns), outside_y = clamp(&y, level->rows);
    fit->clamped = outside_x || outside_y;
    fit->resolution = resolution;
    fit->min_x = left + x.first * side;
    fit->max_x = left + x.behind * side;
    fit->min_y = top - y.behind * side;
    fit->max_y = top - y.first * side;
    return true;
}

uint32_t stf_tiling_ratios(const stf_tiling *tiling, int zoom, double *ratios, uint32_t room) {
    uint32_t count = 0;
    for (; zoom > 0 && count < room; zoom--)
        ratios[count++] = tiling->levels[zoom - 1].resolution / tiling->levels[zoom].resolution;
    return count;
}
