#include "band_statistics.h"

#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"

#define CHUNK_PX 256 /* of a row, as numbers: stays in the processor's nearest cache; 16-bit squares add up exactly */
#define NO_BAND UINT32_MAX
#define LANES 4 /* sums that do not wait for each other */

/* What was seen of one band in one tile. */
typedef struct record {
    uint64_t count;
    double min, max;
    union {
        struct {
            double mean, squares; /* of differences to the mean */
        } about;
        struct {
            int64_t sum;
            uint64_t squares;
        } exact;
    } of;
} record;

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
    double *values;  /* NODATA_VALUES, one for each band; or NULL */
    record *records; /* by tile of a plane, then by band */
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
    bytes = stf_add(bytes, stf_mul(record_count(geometry, bands), sizeof(record)));
    return mask ? stf_add(bytes, stf_add(tile_px(geometry), mask->read_bytes)) : bytes;
}

static bool is_signed_byte(GDALDatasetH dataset) {
    const char *type =
        CSLFetchNameValue(GDALGetMetadata(GDALGetRasterBand(dataset, 1), "IMAGE_STRUCTURE"), "PIXELTYPE");
    return type && EQUAL(type, "SIGNEDBYTE");
}

static bool allocate(stf_band_statistics *s, GDALDatasetH dataset, const stf_statistics_mask *mask) {
    uint64_t records = record_count(s->geometry, s->bands);
    if (records > SIZE_MAX / sizeof(record) || tile_px(s->geometry) > SIZE_MAX)
        return false;
    s->records = VSICalloc((size_t)records, sizeof(record));
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

/* --- sums -------------------------------------------------------------------------------------- */

static void join(record *into, uint64_t count, double mean, double squares) {
    double delta = mean - into->of.about.mean, all = (double)(into->count + count);
    into->of.about.squares += squares + delta * delta * ((double)into->count * (double)count / all);
    into->of.about.mean += delta * ((double)count / all);
    into->count += count;
}

/* Of a constant no number but 0 may come out of rounding. */
static void add_about(record *into, const double *numbers, uint32_t count) {
    double sums[LANES] = {0}, squares[LANES] = {0}, rest[LANES] = {0};
    double first = numbers[0]; /* sums are of small numbers then */
    uint32_t i = 0, even = count - count % LANES;
    for (; i < even; i += LANES)
        for (uint32_t k = 0; k < LANES; k++)
            sums[k] += numbers[i + k] - first;
    for (; i < count; i++)
        sums[0] += numbers[i] - first;
    double mean = first + (sums[0] + sums[1] + sums[2] + sums[3]) / count;
    for (i = 0; i < even; i += LANES)
        for (uint32_t k = 0; k < LANES; k++) {
            double off = numbers[i + k] - mean;
            squares[k] += off * off;
            rest[k] += off;
        }
    for (; i < count; i++) {
        squares[0] += (numbers[i] - mean) * (numbers[i] - mean);
        rest[0] += numbers[i] - mean;
    }
    double off = (rest[0] + rest[1] + rest[2] + rest[3]) / count;
    join(into, count, mean + off, squares[0] + squares[1] + squares[2] + squares[3] - off * off * count);
}

static void add_exact(record *into, const double *numbers, uint32_t count) {
    double sum = 0, squares = 0; /* whole numbers below 2^53 */
    for (uint32_t i = 0; i < count; i++) {
        sum += numbers[i];
        squares += numbers[i] * numbers[i];
    }
    into->of.exact.sum += (int64_t)sum;
    into->of.exact.squares += (uint64_t)squares;
    into->count += count;
}

static void add_numbers(const stf_band_statistics *s, record *into, const double *numbers, uint32_t count) {
    double min = numbers[0], max = numbers[0];
    for (uint32_t i = 1; i < count; i++) {
        min = numbers[i] < min ? numbers[i] : min;
        max = numbers[i] > max ? numbers[i] : max;
    }
    if (into->count == 0 || min < into->min)
        into->min = min;
    if (into->count == 0 || max > into->max)
        into->max = max;
    if (s->is_exact)
        add_exact(into, numbers, count);
    else
        add_about(into, numbers, count);
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
                      record *into) {
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
        add_numbers(s, into, numbers, count);
}

static void add_band(const stf_band_statistics *s, const tile_view *tile, uint32_t band) {
    record *into = &s->records[tile->place * s->bands + band];
    for (uint32_t y = 0; y < tile->valid.height; y++)
        for (uint32_t x = 0; x < tile->valid.width; x += CHUNK_PX)
            add_chunk(s, tile, band, x, y, into);
}

/* A tile of one value is looked at as one pixel, which counts so many times. */
static void multiply(const stf_band_statistics *s, record *into, uint64_t pixels) {
    if (into->count == 0)
        return;
    into->count = pixels;
    if (s->is_exact) {
        into->of.exact.sum *= (int64_t)pixels;
        into->of.exact.squares *= pixels;
    }
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
        record *into = &s->records[tile->place * s->bands + band];
        if (count > 0)
            add_chunk(s, &one, band, 0, 0, into);
        multiply(s, into, count);
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

/* A whole number of up to 128 bits. */
typedef struct wide {
    uint64_t high, low;
} wide;

static wide wide_product(uint64_t a, uint64_t b) {
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32, b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low, middle = a_high * b_low + (low >> 32);
    uint64_t other = a_low * b_high + (middle & UINT32_MAX);
    wide product = {a_high * b_high + (middle >> 32) + (other >> 32), other << 32 | (low & UINT32_MAX)};
    return product;
}

static double wide_difference(wide a, wide b) {
    wide rest = {a.high - b.high - (a.low < b.low ? 1 : 0), a.low - b.low};
    return (double)rest.high * 18446744073709551616.0 + (double)rest.low;
}

/* Mean and standard deviation. Sums of 2^31 pixels square and more would not fit: they are joined as all others. */
static bool sum_exactly(const stf_band_statistics *s, uint32_t band, double *mean, double *deviation) {
    uint64_t tiles = stf_geometry_tiles_per_plane(s->geometry), count = 0, squares = 0;
    int64_t sum = 0;
    for (uint64_t tile = 0; tile < tiles; tile++) {
        const record *of = &s->records[tile * s->bands + band];
        if (squares > UINT64_MAX - of->of.exact.squares)
            return false;
        count += of->count;
        sum += of->of.exact.sum;
        squares += of->of.exact.squares;
    }
    uint64_t size = sum < 0 ? 0 - (uint64_t)sum : (uint64_t)sum;
    *mean = count > 0 ? (double)sum / (double)count : 0;
    *deviation =
        count > 0 ? sqrt(wide_difference(wide_product(squares, count), wide_product(size, size))) / (double)count : 0;
    return true;
}

static void join_tiles(const stf_band_statistics *s, uint32_t band, double *mean, double *deviation) {
    uint64_t tiles = stf_geometry_tiles_per_plane(s->geometry);
    record all = {0};
    for (uint64_t tile = 0; tile < tiles; tile++) {
        const record *of = &s->records[tile * s->bands + band];
        double count = (double)of->count;
        if (of->count == 0)
            continue;
        if (s->is_exact) {
            uint64_t size = of->of.exact.sum < 0 ? 0 - (uint64_t)of->of.exact.sum : (uint64_t)of->of.exact.sum;
            double rest = wide_difference(wide_product(of->of.exact.squares, of->count), wide_product(size, size));
            join(&all, of->count, (double)of->of.exact.sum / count, rest / count);
        } else
            join(&all, of->count, of->of.about.mean, of->of.about.squares);
    }
    *mean = all.of.about.mean;
    *deviation = all.count > 0 ? sqrt(all.of.about.squares / (double)all.count) : 0;
}

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
    uint64_t tiles = stf_geometry_tiles_per_plane(s->geometry), count = 0;
    double min = 0, max = 0, mean, deviation;
    char **items = NULL;
    for (uint64_t tile = 0; tile < tiles; tile++) {
        const record *of = &s->records[tile * s->bands + band];
        if (of->count == 0)
            continue;
        min = count == 0 || of->min < min ? of->min : min;
        max = count == 0 || of->max > max ? of->max : max;
        count += of->count;
    }
    if (count > 0) {
        if (!s->is_exact || !sum_exactly(s, band, &mean, &deviation))
            join_tiles(s, band, &mean, &deviation);
        items = set_number(items, "STATISTICS_MINIMUM", min);
        items = set_number(items, "STATISTICS_MAXIMUM", max);
        items = set_number(items, "STATISTICS_MEAN", mean);
        items = set_number(items, "STATISTICS_STDDEV", deviation);
    }
    return set_percent(items, count, (uint64_t)s->geometry->width_px * s->geometry->height_px);
}
