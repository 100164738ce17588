/* A window, shown to GDAL as the level that it is a part of. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "gdal_adaptor.h"
#include "messages.h"
#include "overview_grid.h"
#include "resample_internal.h"

#define CHUNK_PX 131072u /* pixels of the parent at a time: they stay in the processor's cache */
#define LEAST_ROWS 8u
#define HOLES_BYTES ((uint64_t)128 << 10) /* in the heap, where a larger buffer does not fit the place of another */
#define CALL_BYTES ((uint64_t)128 << 10)  /* two MEM datasets, the kernel's weights and what else does not grow */

/* --- the level that is not there --------------------------------------------------------------- */

/* A band of the whole level whose pixels lie where they would if the window were all of it. */
static GDALRasterBandH add_band(GDALDatasetH dataset, GDALDataType type, const stf_resample_window *w,
                                const unsigned char *first, size_t row_bytes, size_t pixel_bytes) {
    char pointer[64], pointer_option[96], pixel_option[64], line_option[64];
    const char *const options[] = {pointer_option, pixel_option, line_option, NULL};
    uintptr_t origin = (uintptr_t)first - w->source.y * row_bytes - w->source.x * pixel_bytes;
    pointer[CPLPrintPointer(pointer, (void *)origin, sizeof pointer - 1)] = '\0';
    snprintf(pointer_option, sizeof pointer_option, "DATAPOINTER=%s", pointer);
    snprintf(pixel_option, sizeof pixel_option, "PIXELOFFSET=" CPL_FRMT_GUIB, (GUIntBig)pixel_bytes);
    snprintf(line_option, sizeof line_option, "LINEOFFSET=" CPL_FRMT_GUIB, (GUIntBig)row_bytes);
    if (GDALAddBand(dataset, type, (char **)(uintptr_t)options) != CE_None)
        return NULL;
    return GDALGetRasterBand(dataset, GDALGetRasterCount(dataset));
}

static void set_nodata(const stf_resample *resample, const stf_resample_band *band, GDALRasterBandH to) {
    if (resample->type == GDT_Int64)
        GDALSetRasterNoDataValueAsInt64(to, band->nodata_int64);
    else if (resample->type == GDT_UInt64)
        GDALSetRasterNoDataValueAsUInt64(to, band->nodata_uint64);
    else
        GDALSetRasterNoDataValue(to, band->nodata);
}

static bool add_own_band(const stf_resample *resample, const stf_resample_window *w, uint32_t band,
                         GDALDatasetH dataset) {
    const stf_resample_band *of = &resample->bands[w->first_band + band];
    GDALRasterBandH own = add_band(dataset, resample->type, w, w->pixels + band * resample->sample_bytes, w->row_bytes,
                                   resample->sample_bytes * w->bands);
    if (!own)
        return false;
    if (of->has_nodata && resample->is_masked)
        set_nodata(resample, of, own);
    if (resample->bits)
        GDALSetMetadataItem(own, "NBITS", resample->bits, "IMAGE_STRUCTURE");
    if (resample->colors)
        GDALSetRasterColorTable(own, resample->colors);
    return true;
}

/* What leaves pixels of the first band out, as an alpha band: which GDAL looks at where there is no nodata value. */
static bool add_mask_band(const stf_resample *resample, const stf_resample_window *w, uint32_t band,
                          GDALDatasetH dataset) {
    bool is_alpha = w->first_band + band == resample->alpha_band;
    size_t pixel_bytes = resample->sample_bytes * w->bands;
    GDALRasterBandH mask = NULL;
    if (resample->of_mask)
        mask = add_band(dataset, GDT_Byte, w, w->pixels, w->row_bytes, pixel_bytes);
    else if (resample->by_mask && !is_alpha)
        mask = add_band(dataset, GDT_Byte, w, w->mask, w->mask_row_bytes, 1);
    else if (is_alpha ? resample->type != GDT_Byte : resample->nodata_values != NULL)
        mask = add_band(dataset, GDT_Byte, w, w->spare, w->source.width + 1u, 1);
    else
        mask = add_band(dataset, resample->type, w,
                        w->pixels + (resample->alpha_band - w->first_band) * resample->sample_bytes, w->row_bytes,
                        pixel_bytes);
    return mask && GDALSetRasterColorInterpretation(mask, GCI_AlphaBand) == CE_None;
}

static bool has_alpha_in(const stf_resample *resample, const stf_resample_window *w) {
    return resample->alpha_band != STF_RESAMPLE_NO_BAND && resample->alpha_band >= w->first_band &&
           resample->alpha_band < w->first_band + w->bands;
}

static bool is_by_values(const stf_resample *resample, const stf_resample_window *w, uint32_t band) {
    return resample->nodata_values && w->first_band + band != resample->alpha_band;
}

/* The band, and what masks it. GDAL's own mask of NODATA_VALUES would read whole blocks of the level, most of which is not
 * there. */
static bool add_bands(const stf_resample *resample, const stf_resample_window *w, uint32_t band, GDALDatasetH dataset) {
    if (is_by_values(resample, w, band) && !resample->bands[w->first_band + band].has_nodata)
        return add_own_band(resample, w, band, dataset) && add_mask_band(resample, w, band, dataset);
    if (is_by_values(resample, w, band))
        return add_own_band(resample, w, band, dataset);
    bool by_mask = resample->by_mask && (!resample->of_mask || resample->stays_mask || w->of_raster);
    bool by_second = by_mask || (has_alpha_in(resample, w) && ((!resample->by_nodata && !resample->alpha_is_alone) ||
                                                               w->first_band + band == resample->alpha_band));
    return add_own_band(resample, w, band, dataset) && (!by_second || add_mask_band(resample, w, band, dataset));
}

/* --- what is left out -------------------------------------------------------------------------- */

/* Of pixels left out by NODATA_VALUES: the nodata value stands for them. */
static void put_nodata_into_holes(const stf_resample *resample, const stf_resample_window *w, uint32_t band) {
    const stf_resample_band *of = &resample->bands[w->first_band + band];
    size_t pixel_bytes = resample->sample_bytes * w->bands, mask_row_bytes = w->source.width + 1u;
    for (uint32_t y = 0; y < w->source.height; y++)
        for (uint32_t x = 0; x < w->source.width; x++)
            if (w->spare[y * mask_row_bytes + x] == 0)
                memcpy(w->pixels + y * w->row_bytes + x * pixel_bytes + band * resample->sample_bytes, of->missing,
                       resample->sample_bytes);
}

/* Which pixels have not the values that stand for nothing. */
static void find_values(const stf_resample *resample, const stf_resample_window *w) {
    size_t pixel_bytes = resample->sample_bytes * w->bands;
    for (uint32_t y = 0; y < w->source.height; y++)
        for (uint32_t x = 0; x < w->source.width; x++) {
            const unsigned char *pixel = w->pixels + y * w->row_bytes + x * pixel_bytes;
            bool is_nothing = memcmp(pixel, resample->nodata_values, pixel_bytes) == 0;
            w->spare[y * (w->source.width + 1u) + x] = is_nothing ? 0 : 255;
        }
}

/* Alpha as it masks itself: GDAL reads it as Byte. */
static void copy_alpha(const stf_resample *resample, const stf_resample_window *w) {
    size_t pixel_bytes = resample->sample_bytes * w->bands;
    for (uint32_t y = 0; y < w->source.height; y++)
        GDALCopyWords(w->pixels + y * w->row_bytes + (resample->alpha_band - w->first_band) * resample->sample_bytes,
                      resample->type, (int)pixel_bytes, w->spare + y * (w->source.width + 1u), GDT_Byte, 1,
                      (int)w->source.width);
}

/* --- columns that no pixel needs --------------------------------------------------------------- */

/* GDAL's overviews know of a mask wherever the raster has one. RasterIO forgets it where nothing is left out of what it
 * reads, and then rounds differently. So something is left out: one column beyond what is needed, where there is one. */
typedef struct decoy {
    uint32_t level_width_px; /* what the level of the parent is said to be */
    uint32_t column;         /* UINT32_MAX: there is none */
} decoy;

static decoy choose_decoy(const stf_resample *resample, const stf_resample_window *w, double ratio) {
    decoy d = {w->parent_width_px, UINT32_MAX};
    bool weighs = resample->method.is_kernel || resample->method.algorithm == GRIORA_Average ||
                  resample->method.algorithm == GRIORA_RMS;
    if (!resample->is_masked || !weighs || resample->colors)
        return d;
    uint32_t end = w->source.x + w->source.width, radius = resample->method.radius_px;
    if (end == w->parent_width_px && !resample->method.is_kernel) {
        d.level_width_px++;
        d.column = end;
        return d;
    }
    double reach = radius * fmax(1, floor(0.5 + ratio));
    double first = floor(w->target.x * ratio), last = w->target.x + w->target.width;
    double read_end = first + 1 + ceil(w->target.width * ratio) + reach;
    double needed_end =
        resample->method.is_kernel ? floor((last - 0.5) * ratio + radius * ratio + 0.5) : ceil(last * ratio - 1e-8);
    if (read_end > needed_end && read_end <= end)
        d.column = (uint32_t)read_end - 1;
    return d;
}

static void leave_column_out(const stf_resample *resample, const stf_resample_window *w, uint32_t column) {
    size_t x = column - w->source.x, pixel_bytes = resample->sample_bytes * w->bands;
    for (uint32_t y = 0; y < w->source.height; y++) {
        unsigned char *pixel = w->pixels + y * w->row_bytes + x * pixel_bytes;
        memset(pixel, 0, pixel_bytes);
        for (uint32_t band = 0; band < w->bands; band++)
            if (resample->bands[w->first_band + band].has_nodata && w->first_band + band != resample->alpha_band)
                memcpy(pixel + band * resample->sample_bytes, resample->bands[w->first_band + band].missing,
                       resample->sample_bytes);
        if (w->mask)
            w->mask[y * w->mask_row_bytes + x] = 0;
        if (w->spare)
            w->spare[y * (w->source.width + 1u) + x] = 0;
    }
}

/* --- RasterIO ---------------------------------------------------------------------------------- */

/* A length that gives the ratio back when it is divided by count. */
static double span(double ratio, uint32_t count) {
    double length = ratio * count, more = nextafter(length, INFINITY), less = nextafter(length, 0);
    if (length / count == ratio)
        return length;
    return more / count == ratio ? more : less / count == ratio ? less : length;
}

typedef struct part {
    double begin, length;
    int first, count;
} part;

static part part_of(double ratio, uint32_t begin, uint32_t count, uint32_t parent_px) {
    part p = {begin * ratio, span(ratio, count), 0, 0};
    p.first = (int)floor(p.begin);
    double end = fmin(ceil(p.begin + p.length), parent_px);
    p.count = (int)end - p.first;
    return p;
}

static uint32_t rows_at_once(uint32_t source_width_px, double ratio) {
    uint32_t rows = 256;
    while (rows > LEAST_ROWS && rows * ratio * source_width_px > CHUNK_PX)
        rows /= 2;
    return rows;
}

static bool read_rows(const stf_resample *resample, const stf_resample_window *w, GDALRasterBandH from, uint32_t band,
                      uint32_t row, uint32_t rows, stf_error *err) {
    part x = part_of((double)w->parent_width_px / w->level_width_px, w->target.x, w->target.width, w->parent_width_px);
    part y = part_of((double)w->parent_height_px / w->level_height_px, w->target.y + row, rows, w->parent_height_px);
    GDALRasterIOExtraArg extra;
    INIT_RASTERIO_EXTRA_ARG(extra);
    extra.eResampleAlg = resample->method.algorithm;
    extra.bFloatingPointWindowValidity = TRUE;
    extra.dfXOff = x.begin;
    extra.dfYOff = y.begin;
    extra.dfXSize = x.length;
    extra.dfYSize = y.length;
    unsigned char *to = w->result + row * w->result_row_bytes + band * resample->sample_bytes;
    return GDALRasterIOEx(from, GF_Read, x.first, y.first, x.count, y.count, to, (int)w->target.width, (int)rows,
                          resample->type, (GSpacing)(resample->sample_bytes * w->bands), (GSpacing)w->result_row_bytes,
                          &extra) == CE_None ||
           stf_fail_with_last(err, "Computing overviews");
}

/* Where there are both, the mask comes first, and the nodata value is what stands in its holes; alpha is its own mask. NULL:
 * no memory. */
static GDALRasterBandH with_mask(const stf_resample *resample, const stf_resample_window *w, uint32_t band,
                                 GDALDatasetH level) {
    const stf_resample_band *of = &resample->bands[w->first_band + band];
    GDALRasterBandH own = GDALGetRasterBand(level, 1);
    bool by_second = resample->by_mask || w->first_band + band == resample->alpha_band;
    bool both = by_second && !resample->of_mask && of->has_nodata && GDALGetRasterCount(GDALGetBandDataset(own)) > 1;
    return both ? stf_gdal_masked_band(own, GDALGetRasterBand(level, 2)) : own;
}

static bool run_band(const stf_resample *resample, const stf_resample_window *w, const decoy *d, uint32_t band,
                     stf_error *err) {
    double ratio = (double)w->parent_height_px / w->level_height_px;
    uint32_t rows = rows_at_once(w->source.width, ratio);
    GDALDatasetH level =
        GDALCreate(resample->memory, "", (int)d->level_width_px, (int)w->parent_height_px, 0, resample->type, NULL);
    bool done = level && add_bands(resample, w, band, level);
    GDALRasterBandH own = done ? GDALGetRasterBand(level, 1) : NULL;
    GDALRasterBandH shown = done ? with_mask(resample, w, band, level) : NULL;
    done = shown != NULL;
    if (!done)
        stf_fail_with_last(err, "Computing overviews");
    for (uint32_t row = 0; done && row < w->target.height; row += rows) {
        uint32_t left = w->target.height - row;
        done = read_rows(resample, w, shown, band, row, left < rows ? left : rows, err);
    }
    if (shown != own)
        stf_gdal_masked_band_free(shown);
    if (level)
        GDALClose(level);
    return done;
}

bool stf_resample_by_gdal(const stf_resample *resample, const stf_resample_window *w, stf_error *err) {
    decoy d = choose_decoy(resample, w, (double)w->parent_width_px / w->level_width_px);
    bool copies_alpha = has_alpha_in(resample, w) && resample->type != GDT_Byte && w->spare;
    if (resample->nodata_values)
        find_values(resample, w);
    else if (copies_alpha)
        copy_alpha(resample, w);
    for (uint32_t band = 0; band < w->bands; band++)
        if (resample->bands[w->first_band + band].has_nodata && is_by_values(resample, w, band))
            put_nodata_into_holes(resample, w, band);
    if (d.column != UINT32_MAX)
        leave_column_out(resample, w, d.column);
    for (uint32_t band = 0; band < w->bands; band++) {
        if (resample->nodata_values && copies_alpha && w->first_band + band == resample->alpha_band)
            copy_alpha(resample, w); /* the last band */
        if (!run_band(resample, w, &d, band, err))
            return false;
    }
    return true;
}

/* GDAL finds a mask by nodata values in the samples as one of a few types, which it reads beside the window. */
static uint64_t nodata_bytes(const stf_resample *resample) {
    if (!resample->by_nodata || resample->type == GDT_Byte)
        return 0;
    int bits = GDALGetDataTypeSizeBits(resample->type);
    return (GDALDataTypeIsComplex(resample->type) ? bits / 2 : bits) > 32 ? 8 : 4;
}

uint64_t stf_resample_cost_bytes(const stf_resample *resample, uint32_t source_width_px, uint32_t target_width_px,
                                 double ratio_y) {
    if (resample->method.algorithm == GRIORA_NearestNeighbour)
        return 0;
    uint32_t rows = rows_at_once(source_width_px, ratio_y);
    double reach = resample->method.radius_px * fmax(1, floor(0.5 + ratio_y));
    uint64_t read_rows = (uint64_t)(ceil(rows * ratio_y) + 2 * reach + 3);
    uint64_t sample = resample->sample_bytes;
    uint64_t work = resample->method.algorithm == GRIORA_Gauss ? 8
                    : sample <= 2                              ? 2 * sample
                    : sample == 4                              ? 8
                                                               : sample;
    if (resample->type == GDT_Byte || resample->type == GDT_UInt16 || resample->type == GDT_Float32)
        work = resample->method.algorithm == GRIORA_Gauss ? 8 : resample->method.is_kernel ? sample : 4;
    uint64_t masks = resample->is_masked ? 1 : 0;
    uint64_t chunk = stf_mul(stf_mul(read_rows, source_width_px), work + masks);
    uint64_t filtered = resample->method.is_kernel ? stf_mul(stf_mul(read_rows, target_width_px), 8 + masks) : 0;
    uint64_t result = stf_mul(stf_mul(rows, target_width_px), work < 4 ? 4 : work);
    uint64_t before = stf_mul(stf_mul(read_rows, source_width_px), nodata_bytes(resample));
    uint64_t after = stf_add(filtered, result), holes = before < after && filtered > 0 ? HOLES_BYTES : 0;
    return stf_add(chunk, stf_add(before > after ? before : after, CALL_BYTES + holes));
}
