/* Windows by a kernel of our own: what gdaldem does about edges and nodata, around stf_kernel_run.
 *
 * Rows of heights are converted one by one to the type that gdaldem computes in, with a column more on either side; the
 * kernel runs over all of a row. Pixels beside nodata and at the raster's edges are computed once more, each from a window made as
 * gdaldem makes it. From GDAL 3.11 on gdaldem computes in Float32, in which no other arc tangent gives its bits: there is no
 * kernel then.
 *
 * Hillshade of integers with square pixels is vector code in gdaldem, too: it takes four pixels at a time from the second of a row on,
 * as long as there is one more on the right, in rows without nodata. Its last sum is rounded otherwise, which makes another byte of
 * one pixel in a hundred million. Whether a row holds nodata is seen as far as the window reaches. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "derive_internal.h"

#define HEIGHT_BYTES 4 /* of float and int32_t */
#define VECTOR_PX 4u   /* that gdaldem's vector code takes at a time */

/* As gdaldem decides it. */
#if defined(__SSE2__) || defined(_M_X64)
#define VECTOR_CODE true
#else
#define VECTOR_CODE false
#endif

typedef union stf_height stf_height;

/* --- which kernel ------------------------------------------------------------------------------ */

typedef struct light_options {
    double z, scale, azimuth, altitude;
} light_options;

static void read_number(const char *option, const char *number, light_options *to) {
    if (EQUAL(option, "-s"))
        to->scale = CPLAtof(number);
    else if (EQUAL(option, "-z"))
        to->z = CPLAtof(number);
    else if (EQUAL(option, "-az"))
        to->azimuth = CPLAtof(number);
    else if (EQUAL(option, "-alt"))
        to->altitude = CPLAtof(number);
}

/* Options by the names that stf_derive_command_parse gives them; a number is no option to read_options. */
static void read_options(stf_derive *derive) {
    light_options light = {1, 1, 315, 45};
    stf_kernel *kernel = &derive->kernel;
    for (char **word = derive->command->arguments; word && *word; word++) {
        if (EQUAL(*word, "-compute_edges"))
            derive->computes_edges = true;
        else if (EQUAL(*word, "-p"))
            kernel->kind = STF_KERNEL_SLOPE_PERCENT;
        else if (EQUAL(*word, "-combined"))
            kernel->kind = STF_KERNEL_HILLSHADE_COMBINED;
        else if (EQUAL(*word, "-multidirectional"))
            kernel->kind = STF_KERNEL_HILLSHADE_MULTIDIRECTIONAL;
        else if (EQUAL(*word, "-igor"))
            kernel->kind = STF_KERNEL_HILLSHADE_IGOR;
        else if (EQUAL(*word, "-trigonometric"))
            kernel->trigonometric = true;
        else if (EQUAL(*word, "-alg"))
            kernel->zevenbergen_thorne = EQUAL(word[1], "ZevenbergenThorne");
        else if (word[1])
            read_number(word[0], word[1], &light);
    }
    kernel->divisor = (kernel->zevenbergen_thorne ? 2 : 8) * light.scale;
    if (derive->command->mode == STF_DERIVE_HILLSHADE)
        stf_kernel_set_light(kernel, light.z, light.scale, light.azimuth, light.altitude);
}

/* As gdaldem reads it. */
static void read_nodata(stf_derive *derive) {
    double nodata = stf_derive_nodata(derive);
    derive->skips_nodata = derive->has_nodata != 0;
    derive->skipped.real = (float)nodata;
    if (!derive->kernel.integers)
        return;
    double nearest = floor(nodata + 0.5);
    double least = derive->type == GDT_Int16 ? -32768 : 0;
    double most = derive->type == GDT_Byte ? 255 : derive->type == GDT_UInt16 ? 65535 : 32767;
    derive->skips_nodata = derive->skips_nodata && fabs(nodata - nearest) < 1e-2 && nodata >= least && nodata <= most;
    derive->skipped.integer = derive->skips_nodata ? (int32_t)nearest : 0;
}

static bool has_kernel(stf_derive_mode mode) {
    return GDAL_VERSION_NUM < GDAL_COMPUTE_VERSION(3, 11, 0) &&
           (mode == STF_DERIVE_SLOPE || mode == STF_DERIVE_ASPECT || mode == STF_DERIVE_HILLSHADE);
}

bool stf_derive_choose_kernel(stf_derive *derive) {
    stf_derive_mode mode = derive->command->mode;
    int has_nodata = 0;
    GDALRasterBandH result = GDALGetRasterBand(derive->sample, 1);
    double nodata = GDALGetRasterNoDataValue(result, &has_nodata);
    derive->result_type = GDALGetRasterDataType(result);
    if (!has_kernel(mode) || derive->result_type != (mode == STF_DERIVE_HILLSHADE ? GDT_Byte : GDT_Float32))
        return false;
    stf_kernel *kernel = &derive->kernel;
    kernel->kind = mode == STF_DERIVE_SLOPE    ? STF_KERNEL_SLOPE_DEGREES
                   : mode == STF_DERIVE_ASPECT ? STF_KERNEL_ASPECT
                                               : STF_KERNEL_HILLSHADE;
    kernel->integers = derive->type == GDT_Byte || derive->type == GDT_Int16 || derive->type == GDT_UInt16;
    kernel->ewres = derive->transform[1];
    kernel->nsres = derive->transform[5];
    kernel->flat = has_nodata ? (float)nodata : 0;
    derive->result_nodata = kernel->flat;
    read_options(derive);
    read_nodata(derive);
    derive->shades_vectors = VECTOR_CODE && kernel->integers && kernel->light.square_px;
    return true;
}

/* --- pixels that are not like others ----------------------------------------------------------- */

static bool is_nodata(const stf_derive *derive, stf_height height) {
    if (!derive->skips_nodata)
        return false;
    if (derive->kernel.integers)
        return height.integer == derive->skipped.integer;
    float a = height.real, b = derive->skipped.real;
    if (isnan(b))
        return isnan(a);
    return a == b || fabsf(a - b) < FLT_EPSILON * fabsf(a + b) * 2;
}

/* What lies beyond the edge, next to a, which is next to b. */
static stf_height beyond(const stf_derive *derive, stf_height a, stf_height b) {
    stf_height height = derive->skipped;
    if (is_nodata(derive, a) || is_nodata(derive, b))
        return height;
    if (!derive->kernel.integers) {
        height.real = 2 * a.real - b.real;
        return height;
    }
    height.integer = 2 * a.integer - b.integer;
    if (is_nodata(derive, height))
        height.integer++;
    return height;
}

static float value_of(const stf_derive *derive, stf_height window[9]) {
    float value;
    if (is_nodata(derive, window[4]))
        return derive->result_nodata;
    for (int i = 0; i < 9; i++) {
        if (!is_nodata(derive, window[i]))
            continue;
        if (!derive->computes_edges)
            return derive->result_nodata;
        window[i] = window[4];
    }
    stf_kernel_rows rows = {window, window + 3, window + 6};
    stf_kernel_run(&derive->kernel, &rows, 1, &value);
    return value;
}

/* Three rows of a run, of which one is above or below the raster at its edges. Pixel x of the result lies under column x + 1. */
typedef struct run_rows {
    stf_height *above, *row, *below;
    bool first, last;                         /* of the raster: there is none above, below */
    bool at_left, at_right;                   /* the raster ends there */
    bool above_skips, row_skips, below_skips; /* where they hold nodata */
    uint32_t x, width_px;
} run_rows;

static float value_at(const stf_derive *derive, const run_rows *at, uint32_t x) {
    const stf_height *rows[3] = {at->above, at->row, at->below};
    stf_height window[9];
    bool left = at->at_left && x == 0, right = at->at_right && x == at->width_px - 1;
    for (uint32_t row = 0; row < 3; row++) {
        const stf_height *middle = rows[row] + x + 1;
        if ((row == 0 && at->first) || (row == 2 && at->last))
            continue;
        window[3 * row + 1] = middle[0];
        if (at->first || at->last) { /* clamped there, not beyond */
            window[3 * row] = middle[left ? 0 : -1];
            window[3 * row + 2] = middle[right ? 0 : 1];
        } else {
            window[3 * row] = left ? beyond(derive, middle[0], middle[1]) : middle[-1];
            window[3 * row + 2] = right ? beyond(derive, middle[0], middle[-1]) : middle[1];
        }
    }
    for (uint32_t column = 0; column < 3 && at->first; column++)
        window[column] = beyond(derive, window[3 + column], window[6 + column]);
    for (uint32_t column = 0; column < 3 && at->last; column++)
        window[6 + column] = beyond(derive, window[3 + column], window[column]);
    return value_of(derive, window);
}

static void run_edge_row(const stf_derive *derive, const run_rows *at, float *result) {
    bool computed = derive->computes_edges && derive->width_px >= 2 && derive->height_px >= 2;
    for (uint32_t x = 0; x < at->width_px; x++)
        result[x] = computed ? value_at(derive, at, x) : derive->result_nodata;
}

static void run_span(const stf_kernel *kernel, const run_rows *at, uint32_t first, uint32_t end, float *result) {
    stf_kernel_rows rows = {at->above + first, at->row + first, at->below + first};
    stf_kernel_run(kernel, &rows, end - first, result + first);
}

/* All pixels of a row as if none of them were special. (The first of the raster, which gdaldem's vector code leaves out, always is.) */
static void run_row(const stf_derive *derive, const run_rows *at, bool has_nodata, float *result) {
    uint32_t vectors_px = derive->width_px < 2 ? 0 : (derive->width_px - 2) / VECTOR_PX * VECTOR_PX;
    uint32_t end = 0;
    if (derive->shades_vectors && !has_nodata && 1 + vectors_px > at->x)
        end = 1 + vectors_px - at->x < at->width_px ? 1 + vectors_px - at->x : at->width_px;
    stf_kernel vectors = derive->kernel;
    vectors.sums_floats = true;
    run_span(&vectors, at, 0, end, result);
    run_span(&derive->kernel, at, end, at->width_px, result);
}

static void run_inner_row(const stf_derive *derive, const run_rows *at, float *result) {
    bool computed = derive->computes_edges && derive->width_px >= 2;
    bool has_nodata = at->above_skips || at->row_skips || at->below_skips;
    run_row(derive, at, has_nodata, result);
    if (has_nodata)
        for (uint32_t x = 0; x < at->width_px; x++) {
            bool skips = false;
            for (uint32_t i = x; i < x + 3 && !skips; i++)
                skips =
                    is_nodata(derive, at->above[i]) || is_nodata(derive, at->row[i]) || is_nodata(derive, at->below[i]);
            if (skips)
                result[x] = value_at(derive, at, x);
        }
    if (at->at_left)
        result[0] = computed ? value_at(derive, at, 0) : derive->result_nodata;
    if (at->at_right)
        result[at->width_px - 1] = computed ? value_at(derive, at, at->width_px - 1) : derive->result_nodata;
}

/* --- a window ---------------------------------------------------------------------------------- */

/* One row of the source as heights, a column more on either side than the result; beyond the raster anything. True where there
 * is nodata. */
static bool load(const stf_derive *derive, const stf_operand *source, const stf_operator_result *result, uint32_t y,
                 stf_height *row) {
    const stf_window *from = &source->window, *to = &result->window;
    uint32_t left = to->x > 0 ? to->x - 1 : 0, right = to->x + to->width < derive->width_px ? 1 : 0;
    uint32_t width = to->x + to->width + right - left;
    const unsigned char *pixels =
        source->pixels + (y - from->y) * source->row_bytes + (size_t)(left - from->x) * derive->op.source_bytes;
    stf_height *first = row + (to->x > 0 ? 0 : 1);
    row[0] = row[to->width + 1] = derive->skipped;
    GDALCopyWords64(pixels, derive->type, (int)derive->op.source_bytes, first,
                    derive->kernel.integers ? GDT_Int32 : GDT_Float32, HEIGHT_BYTES, (GPtrDiff_t)width);
    bool skips = false;
    for (uint32_t i = 0; i < width && derive->skips_nodata && !skips; i++)
        skips = is_nodata(derive, first[i]);
    return skips;
}

bool stf_derive_run_kernel(void *context, const stf_operand *source, const stf_operator_result *result,
                           stf_error *err) {
    const stf_derive *derive = context;
    const stf_window *to = &result->window;
    size_t row_heights = (size_t)to->width + 2;
    stf_height *heights = VSIMalloc(4 * row_heights * HEIGHT_BYTES);
    if (!heights)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for three rows of heights and one of the result");
    run_rows at = {.above = heights,
                   .row = heights + row_heights,
                   .below = heights + 2 * row_heights,
                   .at_left = to->x == 0,
                   .at_right = to->x + to->width == derive->width_px,
                   .x = to->x,
                   .width_px = to->width};
    float *values = (float *)(void *)(heights + 3 * row_heights);
    if (to->y > 0)
        at.above_skips = load(derive, source, result, to->y - 1, at.above);
    at.row_skips = load(derive, source, result, to->y, at.row);
    for (uint32_t row = 0; row < to->height; row++) {
        uint32_t y = to->y + row;
        stf_height *above = at.above;
        at.first = y == 0;
        at.last = y == derive->height_px - 1;
        at.below_skips = !at.last && load(derive, source, result, y + 1, at.below);
        if (at.first || at.last)
            run_edge_row(derive, &at, values);
        else
            run_inner_row(derive, &at, values);
        /* Float32 as it is, bytes as gdaldem rounds them */
        GDALCopyWords64(values, GDT_Float32, sizeof *values, result->pixels + row * result->row_bytes,
                        derive->result_type, (int)derive->op.sample_bytes, (GPtrDiff_t)to->width);
        at.above = at.row;
        at.row = at.below;
        at.below = above;
        at.above_skips = at.row_skips;
        at.row_skips = at.below_skips;
    }
    VSIFree(heights);
    return true;
}

uint64_t stf_derive_run_kernel_bytes(void *context, uint32_t width, uint32_t rows) {
    (void)context;
    (void)rows;
    return stf_mul(4 * HEIGHT_BYTES, (uint64_t)width + 2);
}
