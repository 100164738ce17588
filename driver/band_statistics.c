#include "band_statistics.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"
#include "tally.h"

#define CHUNK_PX 256 /* of a row, as numbers: stays in the processor's nearest cache; at most STF_TALLY_MAX_NUMBERS */
#define NO_BAND UINT32_MAX

typedef enum { BY_NOTHING, BY_NODATA, BY_MASK, BY_ALPHA, BY_VALUES } left_out;

typedef struct band_info {
    left_out by;
    double nodata; /* as a sample */
} band_info;

struct stf_band_statistics {
    const stf_geometry *geometry;
    GDALDataType type;
    bool is_signed_byte, is_exact;
    uint32_t bands, alpha_band;
    band_info *infos;
    double *values;     /* NODATA_VALUES, one for each band; or NULL */
    stf_tally *records; /* by tile of a plane, then by band */
    stf_statistics_mask mask;
    unsigned char *mask_room; /* NULL: there is none */
    CPLMutex *mutex;          /* over the room */
};

/* --- what is left out -------------------------------------------------------------------------- */

static uint32_t find_alpha(GDALDatasetH dataset) {
    uint32_t found = NO_BAND;
    for (int i = 1; i <= GDALGetRasterCount(dataset); i++)
        if (GDALGetRasterColorInterpretation(GDALGetRasterBand(dataset, i)) == GCI_AlphaBand)
            found = (uint32_t)i - 1;
    return found;
}

/* As a sample of the band's type holds it. */
static bool nodata_of(GDALRasterBandH band, double *nodata) {
    int found = FALSE;
    switch (GDALGetRasterDataType(band)) {
    case GDT_Int64:
        *nodata = (double)GDALGetRasterNoDataValueAsInt64(band, &found);
        return found;
    case GDT_UInt64:
        *nodata = (double)GDALGetRasterNoDataValueAsUInt64(band, &found);
        return found;
    case GDT_Float32:
    case GDT_CFloat32:
        *nodata = GDALGetRasterNoDataValue(band, &found);
        *nodata = (double)(float)*nodata;
        return found;
    default:
        *nodata = GDALGetRasterNoDataValue(band, &found);
        return found;
    }
}

static band_info info_of(GDALRasterBandH band) {
    band_info info = {BY_NOTHING, 0};
    if (nodata_of(band, &info.nodata)) {
        info.by = BY_NODATA;
        return info;
    }
    int flags = GDALGetMaskFlags(band);
    if (flags == GMF_ALL_VALID || GDALGetRasterColorInterpretation(band) == GCI_AlphaBand)
        return info;
    info.by = (flags & GMF_ALPHA) != 0 ? BY_ALPHA : (flags & GMF_NODATA) != 0 ? BY_VALUES : BY_MASK;
    return info;
}

bool stf_band_statistics_check(GDALDatasetH dataset, const stf_geometry *geometry, stf_error *err) {
    for (int i = 1; i <= GDALGetRasterCount(dataset); i++) {
        GDALRasterBandH band = GDALGetRasterBand(dataset, i);
        left_out by = info_of(band).by;
        if (by == BY_MASK && (GDALGetMaskFlags(band) & GMF_PER_DATASET) == 0)
            return stf_fail(err, CPLE_NotSupported,
                            "STATISTICS=YES is not supported where bands have masks of their own (band %d)", i);
        if ((by == BY_ALPHA || by == BY_VALUES) && geometry->plane_count > 1)
            return stf_fail(err, CPLE_NotSupported,
                            "STATISTICS=YES is only supported with INTERLEAVE=PIXEL where pixels are left out by %s",
                            by == BY_ALPHA ? "an alpha band" : "NODATA_VALUES");
    }
    return true;
}

static bool read_values(stf_band_statistics *s, GDALDatasetH dataset) {
    const char *text = GDALGetMetadataItem(dataset, "NODATA_VALUES", NULL);
    char **parts = CSLTokenizeString(text ? text : "");
    s->values = VSI_MALLOC2_VERBOSE(s->bands, sizeof *s->values);
    for (uint32_t i = 0; s->values && i < s->bands; i++)
        s->values[i] = i < (uint32_t)CSLCount(parts) ? CPLAtof(parts[i]) : 0;
    CSLDestroy(parts);
    return s->values != NULL;
}

/* --- making and freeing ------------------------------------------------------------------------ */

static uint64_t record_count(const stf_geometry *geometry, uint32_t bands) {
    return stf_mul(stf_geometry_tiles_per_plane(geometry), bands);
}

static uint64_t tile_px(const stf_geometry *geometry) {
    return stf_mul(stf_axis_longest(&geometry->tile_x), stf_axis_longest(&geometry->tile_y));
}

uint64_t stf_band_statistics_bytes(const stf_geometry *geometry, uint32_t bands, const stf_statistics_mask *mask) {
    uint64_t bytes = stf_add(sizeof(stf_band_statistics), stf_mul(bands, sizeof(band_info) + sizeof(double)));
    bytes = stf_add(bytes, stf_mul(record_count(geometry, bands), sizeof(stf_tally)));
    return mask ? stf_add(bytes, stf_add(tile_px(geometry), mask->read_bytes)) : bytes;
}

static bool is_signed_byte(GDALDatasetH dataset) {
    const char *type =
        CSLFetchNameValue(GDALGetMetadata(GDALGetRasterBand(dataset, 1), "IMAGE_STRUCTURE"), "PIXELTYPE");
    return type && EQUAL(type, "SIGNEDBYTE");
}

static bool allocate(stf_band_statistics *s, GDALDatasetH dataset, const stf_statistics_mask *mask) {
    uint64_t records = record_count(s->geometry, s->bands);
    if (records > SIZE_MAX / sizeof(stf_tally) || tile_px(s->geometry) > SIZE_MAX)
        return false;
    s->records = VSICalloc((size_t)records, sizeof(stf_tally));
    s->infos = VSICalloc(s->bands, sizeof *s->infos);
    s->mask_room = mask ? VSIMalloc((size_t)tile_px(s->geometry)) : NULL;
    s->mutex = CPLCreateMutex();
    if (!s->mutex)
        return false;
    CPLReleaseMutex(s->mutex);
    return s->records && s->infos && (!mask || s->mask_room) && read_values(s, dataset);
}

stf_band_statistics *stf_band_statistics_create(GDALDatasetH dataset, GDALDataType type, const stf_geometry *geometry,
                                                const stf_statistics_mask *mask, stf_error *err) {
    stf_band_statistics *s = VSICalloc(1, sizeof *s);
    if (s) {
        s->geometry = geometry;
        s->type = type;
        s->bands = (uint32_t)GDALGetRasterCount(dataset);
        s->alpha_band = find_alpha(dataset);
        s->is_signed_byte = type == GDT_Byte && is_signed_byte(dataset);
        s->is_exact = GDALGetDataTypeSizeBytes(type) <= 2 && !GDALDataTypeIsFloating(type);
        if (mask)
            s->mask = *mask;
        if (allocate(s, dataset, mask)) {
            for (uint32_t i = 0; i < s->bands; i++)
                s->infos[i] = info_of(GDALGetRasterBand(dataset, (int)i + 1));
            return s;
        }
    }
    stf_band_statistics_destroy(s);
    stf_fail(err, CPLE_OutOfMemory, "No memory for the statistics of the bands");
    return NULL;
}

void stf_band_statistics_destroy(stf_band_statistics *s) {
    if (!s)
        return;
    if (s->mutex)
        CPLDestroyMutex(s->mutex);
    VSIFree(s->mask_room);
    VSIFree(s->values);
    VSIFree(s->infos);
    VSIFree(s->records);
    VSIFree(s);
}

/* --- pixels as numbers ------------------------------------------------------------------------- */

/* Samples of one band of some pixels in a row. */
typedef struct samples {
    const unsigned char *first;
    size_t step_bytes; /* from pixel to pixel */
    uint32_t count;
} samples;

/* Of complex numbers the real part. */
static void as_numbers(const stf_band_statistics *s, const samples *from, double *to) {
    if (!s->is_signed_byte) {
        GDALCopyWords64(from->first, s->type, (int)from->step_bytes, to, GDT_Float64, sizeof *to, from->count);
        return;
    }
    for (uint32_t i = 0; i < from->count; i++)
        to[i] = (double)(int8_t)from->first[i * from->step_bytes];
}

/* --- one tile ---------------------------------------------------------------------------------- */

typedef struct tile_view {
    uint64_t place; /* within its plane */
    const stf_plane *plane;
    stf_window valid;
    const unsigned char *pixels;
    size_t sample_bytes, pixel_bytes, row_bytes;
    const unsigned char *mask; /* of the valid part; NULL: all */
} tile_view;

static samples samples_of(const tile_view *tile, uint32_t band, uint32_t x, uint32_t y) {
    samples from;
    from.first = tile->pixels + y * tile->row_bytes + x * tile->pixel_bytes +
                 (band - tile->plane->first_band) * tile->sample_bytes;
    from.step_bytes = tile->pixel_bytes;
    from.count = tile->valid.width - x < CHUNK_PX ? tile->valid.width - x : CHUNK_PX;
    return from;
}

/* A pixel has the values of all bands: counted is 0 for it. */
static void find_values(const stf_band_statistics *s, const tile_view *tile, uint32_t x, uint32_t y,
                        unsigned char *counted) {
    double numbers[CHUNK_PX];
    memset(counted, 0, CHUNK_PX);
    for (uint32_t band = 0; band < s->bands; band++) {
        samples from = samples_of(tile, band, x, y);
        as_numbers(s, &from, numbers);
        for (uint32_t i = 0; i < from.count; i++)
            if (numbers[i] != s->values[band])
                counted[i] = 1;
    }
}

static void find_alpha_of(const stf_band_statistics *s, const tile_view *tile, uint32_t x, uint32_t y,
                          unsigned char *counted) {
    double numbers[CHUNK_PX];
    samples from = samples_of(tile, s->alpha_band, x, y);
    as_numbers(s, &from, numbers);
    for (uint32_t i = 0; i < from.count; i++)
        counted[i] = numbers[i] != 0;
}

/* Which pixels count for the band, but for their own values; NULL: all. */
static const unsigned char *counted_of(const stf_band_statistics *s, const tile_view *tile, left_out by, uint32_t x,
                                       uint32_t y, unsigned char *room) {
    if (by == BY_MASK && tile->mask)
        return tile->mask + (size_t)y * tile->valid.width + x;
    if (by == BY_VALUES)
        find_values(s, tile, x, y, room);
    else if (by == BY_ALPHA)
        find_alpha_of(s, tile, x, y, room);
    else
        return NULL;
    return room;
}

static void add_chunk(const stf_band_statistics *s, const tile_view *tile, uint32_t band, uint32_t x, uint32_t y,
                      stf_tally *into) {
    double numbers[CHUNK_PX];
    unsigned char room[CHUNK_PX];
    const band_info *info = &s->infos[band];
    samples from = samples_of(tile, band, x, y);
    const unsigned char *counted = counted_of(s, tile, info->by, x, y, room);
    uint32_t count = 0;
    as_numbers(s, &from, numbers);
    if (s->is_exact && info->by == BY_NOTHING)
        count = from.count;
    else
        for (uint32_t i = 0; i < from.count; i++) {
            double number = numbers[i];
            bool counts = number == number && (info->by != BY_NODATA || number != info->nodata);
            numbers[count] = number;
            count += counts && (!counted || counted[i] != 0) ? 1 : 0;
        }
    if (count > 0)
        stf_tally_add(into, numbers, count, s->is_exact);
}

static void add_band(const stf_band_statistics *s, const tile_view *tile, uint32_t band) {
    stf_tally *into = &s->records[tile->place * s->bands + band];
    for (uint32_t y = 0; y < tile->valid.height; y++)
        for (uint32_t x = 0; x < tile->valid.width; x += CHUNK_PX)
            add_chunk(s, tile, band, x, y, into);
}

static uint64_t pixels_in_mask(const tile_view *tile, const unsigned char *mask) {
    uint64_t pixels = (uint64_t)tile->valid.width * tile->valid.height, count = 0;
    for (uint64_t i = 0; mask && i < pixels; i++)
        count += mask[i] != 0 ? 1 : 0;
    return mask ? count : pixels;
}

static void add_uniform(const stf_band_statistics *s, const tile_view *tile, const stf_uniform *value) {
    const stf_plane *plane = tile->plane;
    tile_view one = *tile;
    uint64_t pixels = (uint64_t)tile->valid.width * tile->valid.height, masked = pixels_in_mask(tile, tile->mask);
    one.pixels = value->pixel;
    one.valid.width = one.valid.height = 1;
    one.mask = NULL;
    for (uint32_t band = plane->first_band; band < plane->first_band + plane->bands; band++) {
        uint64_t count = s->infos[band].by == BY_MASK ? masked : pixels;
        stf_tally *into = &s->records[tile->place * s->bands + band];
        if (count > 0)
            add_chunk(s, &one, band, 0, 0, into);
        stf_tally_multiply(into, count, s->is_exact);
    }
}

static void add_tile(const stf_band_statistics *s, const tile_view *tile, const stf_uniform *value) {
    const stf_plane *plane = tile->plane;
    if (!tile->pixels)
        add_uniform(s, tile, value);
    else
        for (uint32_t band = plane->first_band; band < plane->first_band + plane->bands; band++)
            add_band(s, tile, band);
}

static bool needs_mask(const stf_band_statistics *s, const stf_plane *plane) {
    for (uint32_t band = plane->first_band; s->mask_room && band < plane->first_band + plane->bands; band++)
        if (s->infos[band].by == BY_MASK)
            return true;
    return false;
}

bool stf_band_statistics_add(stf_band_statistics *s, uint64_t tile, const void *pixels, size_t row_px,
                             const stf_uniform *value, stf_error *err) {
    tile_view view;
    view.place = tile % stf_geometry_tiles_per_plane(s->geometry);
    view.plane = &s->geometry->planes[stf_geometry_tile_plane(s->geometry, tile)];
    view.valid = stf_geometry_tile_window(s->geometry, tile);
    view.pixels = pixels;
    view.sample_bytes = s->geometry->sample_bytes;
    view.pixel_bytes = view.sample_bytes * view.plane->bands;
    view.row_bytes = row_px * view.pixel_bytes;
    view.mask = NULL;
    if (!needs_mask(s, view.plane)) {
        add_tile(s, &view, value);
        return true;
    }
    CPLAcquireMutex(s->mutex, 1000.0);
    bool done = s->mask.read(s->mask.context, view.place, s->mask_room, view.valid.width, err);
    view.mask = s->mask_room;
    if (done)
        add_tile(s, &view, value);
    CPLReleaseMutex(s->mutex);
    return done;
}

/* --- all tiles --------------------------------------------------------------------------------- */

static char **set_number(char **items, const char *name, double number) {
    char text[64];
    CPLsnprintf(text, sizeof text, "%.14g", number);
    return CSLAddNameValue(items, name, text);
}

/* As GDAL rounds it; what is less than all is never 100. */
static char **set_percent(char **items, uint64_t count, uint64_t pixels) {
    char text[64];
    CPLsnprintf(text, sizeof text, "%.4g", 100.0 * (double)count / (double)pixels);
    if (count < pixels && EQUAL(text, "100"))
        return CSLAddNameValue(items, "STATISTICS_VALID_PERCENT", "99.999");
    return CSLAddNameValue(items, "STATISTICS_VALID_PERCENT", text);
}

char **stf_band_statistics_items(const stf_band_statistics *s, uint32_t band) {
    uint64_t tiles = stf_geometry_tiles_per_plane(s->geometry);
    stf_tally_result all = stf_tally_join(s->records + band, (size_t)tiles, s->bands, s->is_exact);
    char **items = NULL;
    if (all.count > 0) {
        items = set_number(items, "STATISTICS_MINIMUM", all.min);
        items = set_number(items, "STATISTICS_MAXIMUM", all.max);
        items = set_number(items, "STATISTICS_MEAN", all.mean);
        items = set_number(items, "STATISTICS_STDDEV", all.deviation);
    }
    return set_percent(items, all.count, (uint64_t)s->geometry->width_px * s->geometry->height_px);
}
