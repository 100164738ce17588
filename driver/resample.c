#include "resample.h"

#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "gdal_version.h"
#include "overview_grid.h"
#include "resample_internal.h"

#define GDAL_CHUNK_BYTES 10485760.0 /* GDAL makes overviews of so many bytes at a time */

static const stf_resample_method_info methods[] = {
    {"NEAREST", GRIORA_NearestNeighbour, 0, false},
    {"AVERAGE", GRIORA_Average, 0, false},
    {"RMS", GRIORA_RMS, 0, false},
    {"MODE", GRIORA_Mode, 0, false},
    {"BILINEAR", GRIORA_Bilinear, 1, true},
    {"CUBIC", GRIORA_Cubic, 2, true},
    {"CUBICSPLINE", GRIORA_CubicSpline, 2, true},
    {"LANCZOS", GRIORA_Lanczos, 3, true},
    {"GAUSS", GRIORA_Gauss, 1, false},
};

/* --- what the dataset says --------------------------------------------------------------------- */

static void find_nodata(const stf_resample *resample, GDALRasterBandH from, stf_resample_band *band) {
    switch (resample->type) {
    case GDT_Int64:
        band->nodata_int64 = GDALGetRasterNoDataValueAsInt64(from, &band->has_nodata);
        memcpy(band->missing, &band->nodata_int64, sizeof band->nodata_int64);
        band->comes_back = false; /* as a floating point number */
        return;
    case GDT_UInt64:
        band->nodata_uint64 = GDALGetRasterNoDataValueAsUInt64(from, &band->has_nodata);
        memcpy(band->missing, &band->nodata_uint64, sizeof band->nodata_uint64);
        band->comes_back = false;
        return;
    default:
        break;
    }
    band->nodata = GDALGetRasterNoDataValue(from, &band->has_nodata);
    GDALCopyWords(&band->nodata, GDT_Float64, 0, band->missing, resample->type, 0, 1);
    double as_sample;
    GDALCopyWords(band->missing, resample->type, 0, &as_sample, GDT_Float64, 0, 1);
    band->comes_back = (as_sample == band->nodata && (double)(float)as_sample == as_sample) ||
                       (isnan(as_sample) && isnan(band->nodata));
}

/* NODATA_VALUES: as many as there are bands, or GDAL would not have told of them. NULL: no memory. */
static unsigned char *pixel_of_values(const stf_resample *resample, const char *text) {
    char **values = CSLTokenizeString(text);
    unsigned char *pixel = VSICalloc(resample->band_count, resample->sample_bytes);
    for (int i = 0; pixel && values && values[i] && (uint32_t)i < resample->band_count; i++) {
        double value = CPLAtof(values[i]);
        GDALCopyWords(&value, GDT_Float64, 0, pixel + (size_t)i * resample->sample_bytes, resample->type, 0, 1);
    }
    CSLDestroy(values);
    return pixel;
}

static bool is_alpha(GDALDatasetH dataset, uint32_t band) {
    return GDALGetRasterColorInterpretation(GDALGetRasterBand(dataset, (int)band + 1)) == GCI_AlphaBand;
}

/* The last one, or where that is none the first. */
static uint32_t find_alpha(const stf_resample *resample, GDALDatasetH dataset) {
    uint32_t last = resample->band_count - 1, band = 0;
    if (is_alpha(dataset, last))
        return last;
    while (band < last && !is_alpha(dataset, band))
        band++;
    return band < last ? band : STF_RESAMPLE_NO_BAND;
}

static bool any_has_nodata(const stf_resample *resample) {
    uint32_t band = 0;
    while (band < resample->band_count && !resample->bands[band].has_nodata)
        band++;
    return band < resample->band_count;
}

/* As GDAL: the first band says for all whether pixels are left out. Then alpha is its own mask whatever masks the others; they
 * are masked by it only where it is the last one, and nothing else masks them. */
static void find_mask(stf_resample *resample, const stf_resample_request *request) {
    int flags = GDALGetMaskFlags(GDALGetRasterBand(request->dataset, 1));
    bool first_is_alpha = is_alpha(request->dataset, 0) && !request->of_mask;
    resample->alpha_band = STF_RESAMPLE_NO_BAND;
    resample->by_mask = request->of_mask || request->with_mask;
    if (!resample->by_mask && (flags & GMF_NODATA) != 0 && (flags & GMF_PER_DATASET) != 0) {
        const char *values = GDALGetMetadataItem(request->dataset, "NODATA_VALUES", NULL);
        resample->nodata_values = values ? pixel_of_values(resample, values) : NULL;
    } else if (!resample->by_mask && ((flags & GMF_NODATA) != 0 || (first_is_alpha && any_has_nodata(resample))))
        resample->by_nodata = true;
    if (!request->of_mask && (first_is_alpha || (flags & GMF_ALL_VALID) == 0))
        resample->alpha_band = find_alpha(resample, request->dataset);
    resample->alpha_is_alone = resample->by_mask || resample->alpha_band + 1 != resample->band_count;
    resample->is_masked = resample->by_mask || resample->by_nodata || resample->nodata_values ||
                          resample->alpha_band != STF_RESAMPLE_NO_BAND;
}

/* Of bytes GDAL's MODE counts all but the nodata value, be they covered by a mask or not; and so it is with the colours of
 * a palette. */
static void forget_mask(stf_resample *resample) {
    VSIFree(resample->nodata_values);
    resample->nodata_values = NULL;
    resample->alpha_band = STF_RESAMPLE_NO_BAND;
    resample->by_mask = false;
    resample->by_nodata = resample->is_masked = true;
}

static bool is_identity(GDALColorTableH colors) {
    for (int i = 0; i < GDALGetColorEntryCount(colors); i++) {
        const GDALColorEntry *entry = GDALGetColorEntry(colors, i);
        if (entry->c1 != i || entry->c2 != i || entry->c3 != i || entry->c4 != 255)
            return false;
    }
    return true;
}

/* Kernels work on the numbers of the colours, whatever comes of it; what counts pixels, on colours. */
static void find_colors(stf_resample *resample, GDALRasterBandH band) {
    GDALColorTableH colors = GDALGetRasterColorTable(band);
    if (!resample->method.is_kernel && GDALGetRasterColorInterpretation(band) == GCI_PaletteIndex &&
        GDALGetPaletteInterpretation(colors) == GPI_RGB)
        resample->colors = GDALCloneColorTable(colors);
}

/* How GDAL goes about bands: all of them together, or one after the other, and these with masks of their own way. */
static void find_kind_of_bands(stf_resample *resample, GDALRasterBandH first) {
    GDALColorTableH colors = GDALGetRasterColorTable(first);
    bool of_numbers = resample->method.algorithm == GRIORA_NearestNeighbour || !colors || is_identity(colors);
    int flags = GDALGetMaskFlags(first);
    resample->by_bands = GDALDataTypeIsComplex(resample->type) || !of_numbers;
    resample->has_mask = flags != GMF_ALL_VALID && flags != GMF_NODATA;
    if (!of_numbers)
        find_colors(resample, first);
}

/* What GDAL sees in overviews of a mask: masks, if it belongs to a dataset (that of MEM does not), and before 3.10 only
 * where this is a file of its own, as its metadata tells, which they take over. */
static void find_kind_of_mask(stf_resample *resample, GDALRasterBandH mask) {
    const char *bits = GDALGetMetadataItem(mask, "NBITS", "IMAGE_STRUCTURE");
    GDALDatasetH dataset = GDALGetBandDataset(mask);
    resample->of_bits = bits && EQUAL(bits, "1");
    resample->stays_mask = dataset && (GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0) ||
                                       GDALGetMetadataItem(dataset, "INTERNAL_MASK_FLAGS_1", NULL));
}

static bool find_bands(stf_resample *resample, const stf_resample_request *request, stf_error *err) {
    resample->band_count = request->of_mask ? 1 : (uint32_t)GDALGetRasterCount(request->dataset);
    resample->bands = VSICalloc(resample->band_count, sizeof *resample->bands);
    if (!resample->bands)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for %u bands", resample->band_count);
    for (uint32_t i = 0; i < resample->band_count && !request->of_mask; i++)
        find_nodata(resample, GDALGetRasterBand(request->dataset, (int)i + 1), &resample->bands[i]);
    if (resample->method.algorithm != GRIORA_NearestNeighbour)
        find_mask(resample, request);
    if (resample->method.algorithm == GRIORA_Mode && resample->type == GDT_Byte)
        forget_mask(resample);
    GDALRasterBandH first = GDALGetRasterBand(request->dataset, 1);
    if (request->of_mask)
        find_kind_of_mask(resample, GDALGetMaskBand(first));
    const char *bits = request->of_mask ? NULL : GDALGetMetadataItem(first, "NBITS", "IMAGE_STRUCTURE");
    resample->bits = bits ? CPLStrdup(bits) : NULL;
    if (!request->of_mask)
        find_kind_of_bands(resample, first);
    if (resample->colors && resample->method.algorithm != GRIORA_Mode && resample->band_count == 1)
        forget_mask(resample);
    return true;
}

/* --- making ------------------------------------------------------------------------------------ */

static bool find_method(stf_resample *resample, const stf_resample_request *request, stf_error *err) {
    GDALRasterBandH first = GDALGetRasterBand(request->dataset, 1);
    bool complex_numbers = GDALDataTypeIsComplex(request->type) != 0;
    const char *name = request->method;
    if (!name)
        name =
            GDALGetRasterColorTable(first) || GDALDataTypeIsComplex(GDALGetRasterDataType(first)) ? "NEAREST" : "CUBIC";
    size_t i = 0, count = sizeof methods / sizeof *methods;
    while (i < count && !EQUAL(name, methods[i].name))
        i++;
    if (i == count)
        return stf_fail(
            err, CPLE_IllegalArg,
            "OVERVIEW_RESAMPLING=%s is not known: NEAREST, AVERAGE, RMS, MODE, BILINEAR, CUBIC, CUBICSPLINE, "
            "LANCZOS and GAUSS are",
            name);
    resample->method = methods[i];
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
    bool is_for_complex = i <= 3; /* MODE, too */
#else
    bool is_for_complex = i <= 2;
#endif
    if (complex_numbers && !is_for_complex)
        return stf_fail(err, CPLE_NotSupported,
                        "OVERVIEW_RESAMPLING=%s is not for complex data types: NEAREST, AVERAGE and RMS are", name);
    return true;
}

static void look_at_mode(stf_resample *resample);

stf_resample *stf_resample_create(const stf_resample_request *request, stf_error *err) {
    stf_resample *resample = VSICalloc(1, sizeof *resample);
    if (!resample) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for the resampling");
        return NULL;
    }
    resample->memory = GDALGetDriverByName("MEM");
    resample->type = request->type;
    resample->sample_bytes = (size_t)GDALGetDataTypeSizeBytes(request->type);
    resample->of_mask = request->of_mask;
    resample->alpha_band = STF_RESAMPLE_NO_BAND;
    if (!resample->memory)
        stf_fail(err, CPLE_AppDefined, "GDAL has no driver MEM, without which there are no overviews");
    if (resample->memory && find_method(resample, request, err) && find_bands(resample, request, err)) {
        if (resample->method.algorithm == GRIORA_Mode)
            look_at_mode(resample);
        return resample;
    }
    stf_resample_destroy(resample);
    return NULL;
}

void stf_resample_destroy(stf_resample *resample) {
    if (!resample)
        return;
    if (resample->colors)
        GDALDestroyColorTable(resample->colors);
    CPLFree(resample->bits);
    VSIFree(resample->nodata_values);
    VSIFree(resample->bands);
    VSIFree(resample);
}

uint32_t stf_resample_radius(const stf_resample *resample) {
    return resample->method.radius_px;
}

/* A row of blocks of the source, and what two pixels of the smallest level take, are as small as GDAL's chunks. */
static bool is_in_chunks(const stf_resample *resample, uint32_t source_block_height_px, uint32_t width_px,
                         double factor) {
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    double sample_bytes = (double)resample->sample_bytes;
#else
    (void)resample;
    double sample_bytes = 8;
#endif
    return sample_bytes * fmax(source_block_height_px, 2 * factor) * width_px <= GDAL_CHUNK_BYTES;
}

stf_overview_parents stf_resample_parents(const stf_resample *resample, uint32_t source_block_height_px,
                                          uint32_t width_px, uint32_t least_width_px, uint32_t height_px,
                                          uint32_t least_height_px) {
    if (!resample->by_bands)
        return STF_PARENTS_WIDER;
    double factor =
        fmax(floor((double)width_px / least_width_px + 0.5), floor((double)height_px / least_height_px + 0.5));
    bool of_raster = resample->method.algorithm == GRIORA_NearestNeighbour
                         ? is_in_chunks(resample, source_block_height_px, width_px, factor)
                         : resample->has_mask;
    return of_raster ? STF_PARENTS_RASTER : STF_PARENTS_BEFORE;
}

bool stf_resample_needs_all_bands(const stf_resample *resample) {
    return resample->nodata_values || (resample->alpha_band != STF_RESAMPLE_NO_BAND && resample->band_count > 1);
}

bool stf_resample_needs_mask(const stf_resample *resample) {
    return resample->by_mask && !resample->of_mask;
}

uint32_t stf_resample_bytes_beside(const stf_resample *resample) {
    bool copies_alpha = resample->alpha_band != STF_RESAMPLE_NO_BAND && resample->type != GDT_Byte;
    return (stf_resample_needs_mask(resample) ? 1u : 0u) + (copies_alpha || resample->nodata_values ? 1u : 0u);
}

bool stf_resample_is_of_bits(const stf_resample *resample) {
    return resample->of_bits;
}

const char *stf_resample_method(const stf_resample *resample) {
    return resample->method.name;
}

/* --- running ----------------------------------------------------------------------------------- */

static void reduce_to_bits(const stf_resample_window *window) {
    for (uint32_t y = 0; y < window->target.height; y++)
        for (uint32_t x = 0; x < window->target.width; x++)
            window->result[y * window->result_row_bytes + x] = window->result[y * window->result_row_bytes + x] != 0;
}

/* --- windows of one value ---------------------------------------------------------------------- */

static bool is_all_zero(const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool is_nodata(const stf_resample *resample, const stf_resample_band *band, const unsigned char *sample) {
    if (!resample->by_nodata || !band->has_nodata)
        return false;
    if (memcmp(sample, band->missing, resample->sample_bytes) == 0)
        return true;
    double value; /* one NaN is as good as another */
    GDALCopyWords(sample, resample->type, 0, &value, GDT_Float64, 0, 1);
    return isnan(value) && isnan(band->nodata);
}

/* Weights add up to 1 but for rounding, which integers of up to 16 bits do not see; of their squares, those of 8 bits. */
static bool is_small_integer(const stf_resample *resample) {
    return !GDALDataTypeIsFloating(resample->type) && !GDALDataTypeIsComplex(resample->type) &&
           resample->sample_bytes <= (resample->method.algorithm == GRIORA_RMS ? 1 : 2);
}

static void leave_out(const stf_resample *resample, const stf_resample_band *band, unsigned char *sample) {
    if (band->has_nodata)
        memcpy(sample, band->missing, resample->sample_bytes);
    else
        memset(sample, 0, resample->sample_bytes);
}

/* A pixel whose alpha is 0, or that no mask covers; alpha is what it is. */
static bool of_nothing(const stf_resample *resample, uint32_t first_band, uint32_t samples, stf_uniform *value) {
    for (uint32_t i = 0; i < samples; i++) {
        const stf_resample_band *band = &resample->bands[first_band + i];
        unsigned char *sample = value->pixel + i * resample->sample_bytes;
        if (first_band + i == resample->alpha_band) {
            if (!is_small_integer(resample) && !is_all_zero(sample, resample->sample_bytes))
                return false;
            continue;
        }
        if (band->has_nodata && !band->comes_back)
            return false;
        leave_out(resample, band, sample);
    }
    return true;
}

/* --- MODE of nothing --------------------------------------------------------------------------- */

/* What it is beside pixels that count: the nodata value, but not in every version for every value. Sixteen pixels tell, all
 * but one of them left out. */
static bool find_mode_of_nothing(const stf_resample *resample, uint32_t number) {
    unsigned char pixels[4 * 5 * 16], result[4 * 16], spare[4 * 5];
    stf_resample_band *band = &resample->bands[number];
    stf_resample_window w = {0};
    stf_error err = {0};
    for (size_t i = 0; i < 4 * 5; i++)
        memcpy(pixels + i * resample->sample_bytes, band->missing, resample->sample_bytes);
    memset(pixels, is_all_zero(pixels, resample->sample_bytes) ? 1 : 0, resample->sample_bytes);
    w.of_raster = true;
    w.parent_width_px = w.parent_height_px = w.source.width = w.source.height = 4;
    w.level_width_px = w.level_height_px = w.target.width = w.target.height = 2;
    w.first_band = number;
    w.bands = 1;
    w.pixels = pixels;
    w.row_bytes = 5 * resample->sample_bytes;
    w.result = result;
    w.result_row_bytes = 2 * resample->sample_bytes;
    w.spare = spare;
    if (!stf_resample_by_gdal(resample, &w, &err))
        return false;
    memcpy(band->nothing, result + 3 * resample->sample_bytes, resample->sample_bytes);
    return !is_nodata(resample, band, band->nothing);
}

static void look_at_mode(stf_resample *resample) {
    for (uint32_t i = 0; resample->by_nodata && !resample->by_mask && i < resample->band_count; i++) {
        stf_resample_band *band = &resample->bands[i];
        band->is_replaced = band->has_nodata && find_mode_of_nothing(resample, i);
    }
}

/* RasterIO gives the nodata value where all of a window is left out, which overviews never see. */
static void put_mode_of_nothing(const stf_resample *resample, const stf_resample_window *w) {
    size_t sample_bytes = resample->sample_bytes;
    for (uint32_t band = 0; band < w->bands; band++) {
        const stf_resample_band *of = &resample->bands[w->first_band + band];
        for (uint32_t y = 0; of->is_replaced && y < w->target.height; y++)
            for (uint32_t x = 0; x < w->target.width; x++) {
                unsigned char *sample = w->result + y * w->result_row_bytes + (x * w->bands + band) * sample_bytes;
                if (is_nodata(resample, of, sample))
                    memcpy(sample, of->nothing, sample_bytes);
            }
    }
}

static bool run(const stf_resample *resample, const stf_resample_window *window, stf_error *err) {
    if (resample->method.algorithm == GRIORA_NearestNeighbour)
        return stf_resample_nearest(resample, window, err);
    if (GDALDataTypeIsComplex(resample->type) && resample->method.algorithm != GRIORA_Mode)
        return stf_resample_complex(resample, window, err);
    return stf_resample_by_gdal(resample, window, err);
}

bool stf_resample_run(const stf_resample *resample, const stf_resample_window *window, stf_error *err) {
    if (!run(resample, window, err))
        return false;
    if (resample->of_bits)
        reduce_to_bits(window);
    if (resample->method.algorithm == GRIORA_Mode)
        put_mode_of_nothing(resample, window);
    return true;
}

bool stf_resample_of_uniform(const stf_resample *resample, uint32_t first_band, bool is_masked, stf_uniform *value) {
    uint32_t samples = (uint32_t)(value->pixel_bytes / resample->sample_bytes);
    uint32_t alpha = resample->alpha_band;
    if (resample->of_bits) {
        value->pixel[0] = value->pixel[0] != 0;
        return true;
    }
    if (resample->method.algorithm == GRIORA_NearestNeighbour)
        return !stf_resample_nearest_is_rounded(resample) || is_all_zero(value->pixel, value->pixel_bytes);
    if (resample->colors || resample->nodata_values)
        return false;
    if (alpha >= first_band && alpha - first_band < samples && resample->bands[alpha].has_nodata)
        return false; /* its own mask, and the nodata value in the holes */
    if (is_masked)
        return of_nothing(resample, first_band, samples, value);
    if (alpha != STF_RESAMPLE_NO_BAND && !resample->by_nodata && !resample->alpha_is_alone && alpha >= first_band &&
        alpha < first_band + samples &&
        is_all_zero(value->pixel + (alpha - first_band) * resample->sample_bytes, resample->sample_bytes))
        return of_nothing(resample, first_band, samples, value);
    for (uint32_t i = 0; i < samples; i++) {
        const stf_resample_band *band = &resample->bands[first_band + i];
        unsigned char *sample = value->pixel + i * resample->sample_bytes;
        if (is_nodata(resample, band, sample) && band->is_replaced) {
            memcpy(sample, band->nothing, resample->sample_bytes);
            continue;
        }
        if (resample->by_mask && band->has_nodata && memcmp(sample, band->missing, resample->sample_bytes) == 0)
            return false; /* it becomes another value, as it counts */
        if (is_nodata(resample, band, sample)
                ? !band->comes_back
                : !is_small_integer(resample) && !is_all_zero(sample, resample->sample_bytes))
            return false;
    }
    return true;
}
