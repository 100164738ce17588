/* Hillshade: chunk by chunk numerators and denominators of all pixels, then the quotients, then what is made of them.
 *
 * On x86 gdaldem multiplies by an approximate reciprocal root: the instruction's 12 bits, in Float32, and one step of Newton's method
 * in double. The instruction gives the same for four lanes as for one, so that this does, too. Elsewhere both divide by the root.
 *
 * Arcs are our own, and differ by their last bits. Of the angles a byte is made in the end, by way of a Float32: whatever comes
 * close to the middle between two bytes is computed once more by the C library's arcs. */
#include <math.h>

#include "kernel_vectors.h"

#if defined(__SSE2__) || defined(_M_X64)
#define STF_APPROXIMATE_ROOTS
#include <emmintrin.h>
#endif

#define LANES 4u
#define NEAREST 12582912.0f /* 1.5 * 2^23: what is added to and taken off again leaves a Float32 without its fraction */
#define SURE_DISTANCE                                                                                                  \
    0.4999f /* from the nearest byte; the error of arcs is far below, half of the last bit of 255 is 8e-6 */
#define INV_SQUARE_OF_HALF_PI (1.0 / ((PI * PI) / 4))

typedef struct shades {
    double value[CHUNK_PX], denominator[CHUNK_PX];
    double square[CHUNK_PX]; /* dx^2 + dy^2, with or without z */
} shades;

/* --- light ------------------------------------------------------------------------------------- */

/* An angle in the first turn. */
static double in_first_turn(double angle) {
    angle = fmod(angle, PI * 2);
    return angle < 0 ? PI * 2 + angle : angle;
}

/* Products in gdaldem's order: each is rounded. */
void stf_kernel_set_light(stf_kernel *kernel, double z, double scale, double azimuth, double altitude) {
    stf_kernel_light light = {0};
    double radians = azimuth * TO_RADIANS, sine = sin(altitude * TO_RADIANS);
    light.inv_ewres = 1.0 / kernel->ewres;
    light.inv_nsres = 1.0 / kernel->nsres;
    light.z = z / ((kernel->zevenbergen_thorne ? 2 : 8) * scale);
    light.square_z = light.z * light.z;
    double flat_z = cos(altitude * TO_RADIANS) * light.z;
    light.base = sine;
    light.by_x = sin(radians) * flat_z;
    light.by_y = cos(radians) * flat_z;
    light.away = in_first_turn(PI * 3 / 2 - radians);
    if (kernel->kind == STF_KERNEL_HILLSHADE) {
        light.base = 254.0 * sine;
        light.by_x = 254.0 * light.by_x;
        light.by_y = 254.0 * light.by_y;
        light.square_px = !kernel->zevenbergen_thorne && kernel->ewres == -kernel->nsres;
    }
    if (light.square_px) {
        light.by_x = light.by_x * light.inv_ewres;
        light.by_y = light.by_y * -light.inv_ewres;
        light.square_z = light.square_z * light.inv_ewres * light.inv_ewres;
    }
    if (kernel->kind == STF_KERNEL_HILLSHADE_MULTIDIRECTIONAL) {
        light.base = 127.0 * sine;
        light.by_x = light.by_y = 127.0 * flat_z;
        light.by_diagonal = 127.0 * cos(225 * TO_RADIANS) * flat_z;
        light.flat = 1.0 + 254.0 * sine;
    }
    kernel->light = light;
}

/* --- gradients --------------------------------------------------------------------------------- */

/* Horn's, summed from corner to corner as gdaldem does where pixels are square; dy is top - bottom here. */
#define DIAGONALS(TYPE)                                                                                                \
    INLINED void diagonal_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b, size_t count, \
                                 gradients *restrict to) {                                                             \
        for (size_t i = 0; i < count; i++) {                                                                           \
            TYPE falling = a[i] - b[i + 2], rising = b[i] - a[i + 2];                                                  \
            TYPE across = m[i] - m[i + 2], down = a[i + 1] - b[i + 1];                                                 \
            to->dx[i] = (double)(falling + across + across + rising);                                                  \
            to->dy[i] = (double)(falling + down + down - rising);                                                      \
        }                                                                                                              \
    }
DIAGONALS(float)
DIAGONALS(int32_t)
#undef DIAGONALS

INLINED void find_diagonals(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t first, size_t count,
                            gradients *to) {
    if (kernel->integers) {
        const int32_t *a = rows->above, *m = rows->row, *b = rows->below;
        diagonal_int32_t(a + first, m + first, b + first, count, to);
    } else {
        const float *a = rows->above, *m = rows->row, *b = rows->below;
        diagonal_float(a + first, m + first, b + first, count, to);
    }
}

INLINED void scale_gradients(const stf_kernel_light *light, gradients *at, size_t count) {
    const double x = light->inv_ewres, y = light->inv_nsres;
    for (size_t i = 0; i < count; i++) {
        at->dx[i] *= x;
        at->dy[i] *= y;
    }
}

/* --- quotients --------------------------------------------------------------------------------- */

#ifdef STF_APPROXIMATE_ROOTS
INLINED void divide_by_roots(shades *to, size_t count) {
    float roots[CHUNK_PX];
    for (size_t i = 0; i < count; i++)
        roots[i] = (float)to->denominator[i];
    for (size_t i = count; i % LANES != 0; i++)
        roots[i] = 1;
    for (size_t i = 0; i < count; i += LANES)
        _mm_storeu_ps(roots + i, _mm_rsqrt_ps(_mm_loadu_ps(roots + i)));
    for (size_t i = 0; i < count; i++) {
        double root = (double)roots[i], half = to->denominator[i] * 0.5;
        root = root * (1.5 - half * (root * root));
        to->value[i] *= root;
    }
}
#else
INLINED void divide_by_roots(shades *to, size_t count) {
    for (size_t i = 0; i < count; i++)
        to->value[i] /= sqrt(to->denominator[i]);
}
#endif

/* --- the plain one ----------------------------------------------------------------------------- */

INLINED void find_plain(const stf_kernel_light *light, const gradients *restrict at, size_t count,
                        shades *restrict to) {
    const stf_kernel_light l = *light;
    for (size_t i = 0; i < count; i++) {
        double x = at->dx[i], y = at->dy[i];
        to->square[i] = x * x + y * y;
        to->value[i] = l.square_px ? l.base + (x * l.by_x + y * l.by_y) : l.base - (y * l.by_y - x * l.by_x);
        to->denominator[i] = 1 + l.square_z * to->square[i];
    }
}

INLINED void finish_plain(bool sums_floats, const shades *restrict from, size_t count, float *restrict result) {
    if (sums_floats)
        for (size_t i = 0; i < count; i++) {
            float sum = (float)from->value[i] + 1.0f;
            result[i] = sum > 1.0f ? sum : 1.0f;
        }
    else
        for (size_t i = 0; i < count; i++)
            result[i] = (float)(from->value[i] <= 0.0 ? 1.0 : 1.0 + from->value[i]);
}

/* --- from four directions ---------------------------------------------------------------------- */

INLINED double not_below_zero(double value) {
    return value <= 0.0 ? 0.0 : value;
}

INLINED void find_multidirectional(const stf_kernel_light *light, const gradients *restrict at, size_t count,
                                   shades *restrict to) {
    const stf_kernel_light l = *light;
    for (size_t i = 0; i < count; i++) {
        double x = at->dx[i], y = at->dy[i], xx = x * x, yy = y * y, square = xx + yy;
        double from_225 = not_below_zero(l.base + (x - y) * l.by_diagonal);
        double from_270 = not_below_zero(l.base - x * l.by_x);
        double from_315 = not_below_zero(l.base + (x + y) * l.by_diagonal);
        double from_360 = not_below_zero(l.base - y * l.by_y);
        double of_225 = 0.5 * square - x * y, of_315 = square - of_225;
        to->square[i] = square;
        to->value[i] = (of_225 * from_225 + xx * from_270 + of_315 * from_315 + yy * from_360) / square;
        to->denominator[i] = 1 + l.square_z * square;
    }
}

INLINED void finish_multidirectional(const stf_kernel_light *light, const shades *restrict from, size_t count,
                                     float *restrict result) {
    const double flat = light->flat;
    for (size_t i = 0; i < count; i++)
        result[i] = (float)(from->square[i] == 0.0 ? flat : 1.0 + from->value[i]);
}

/* --- those with arcs --------------------------------------------------------------------------- */

INLINED float combined_shade(double arc_cosine, double slope) {
    double shade = 1 - arc_cosine * slope * INV_SQUARE_OF_HALF_PI;
    return shade <= 0.0 ? 1.0f : (float)(1.0 + 254.0 * shade);
}

INLINED void finish_combined(const stf_kernel_light *light, const shades *restrict from, size_t count,
                             float *restrict result) {
    const double square_z = light->square_z;
    for (size_t i = 0; i < count; i++) {
        double cosine = from->value[i];
        result[i] = combined_shade(arc_tangent_of(sqrt((1 - cosine) * (1 + cosine)), cosine),
                                   arc_tangent(sqrt(from->square[i] * square_z)));
    }
}

/* aspect: from the gradients as they were before they were scaled. */
INLINED float igor_shade(double slope, double aspect, double away) {
    double turned = aspect < 0 ? PI * 2 + aspect : aspect, apart = fabs(turned - away);
    apart = apart > PI ? PI * 2 - apart : apart;
    return (float)(255.0 * (1.0 - slope * TO_DEGREES / 90 * (1 - apart / PI)));
}

INLINED void find_igor(const stf_kernel_light *light, const gradients *restrict at, size_t count, shades *restrict to) {
    const stf_kernel_light l = *light;
    for (size_t i = 0; i < count; i++) {
        double x = at->dx[i] * l.inv_ewres, y = at->dy[i] * l.inv_nsres;
        to->value[i] = sqrt(x * x + y * y) * l.z;
    }
}

INLINED void finish_igor(const stf_kernel_light *light, const gradients *restrict at, const shades *restrict from,
                         size_t count, float *restrict result) {
    const double away = light->away;
    for (size_t i = 0; i < count; i++)
        result[i] = igor_shade(arc_tangent(from->value[i]), arc_tangent_of(at->dy[i], at->dx[i]), away);
}

INLINED bool is_sure(float shade) {
    return fabsf(shade - ((shade + NEAREST) - NEAREST)) < SURE_DISTANCE;
}

/* What is not sure, what is no number included. */
static void settle(const stf_kernel *kernel, const gradients *at, const shades *from, size_t count, float *result) {
    const stf_kernel_light *light = &kernel->light;
    for (size_t i = 0; i < count; i++) {
        if (is_sure(result[i]))
            continue;
        if (kernel->kind == STF_KERNEL_HILLSHADE_IGOR)
            result[i] = igor_shade(atan(from->value[i]), atan2(at->dy[i], at->dx[i]), light->away);
        else
            result[i] = combined_shade(acos(from->value[i]), atan(sqrt(from->square[i] * light->square_z)));
    }
}

INLINED bool all_sure(const float *result, size_t count) {
    int32_t unsure = 0;
    for (size_t i = 0; i < count; i++)
        unsure += !is_sure(result[i]);
    return unsure == 0;
}

/* --- rows -------------------------------------------------------------------------------------- */

INLINED void shade_with_arcs(const stf_kernel *kernel, gradients *at, size_t count, float *result) {
    shades made;
    if (kernel->kind == STF_KERNEL_HILLSHADE_IGOR) {
        find_igor(&kernel->light, at, count, &made);
        finish_igor(&kernel->light, at, &made, count, result);
    } else {
        scale_gradients(&kernel->light, at, count);
        find_plain(&kernel->light, at, count, &made);
        divide_by_roots(&made, count);
        finish_combined(&kernel->light, &made, count, result);
    }
    if (!all_sure(result, count))
        settle(kernel, at, &made, count, result);
}

INLINED void shade(const stf_kernel *kernel, gradients *at, size_t count, float *result) {
    shades made;
    if (!kernel->light.square_px)
        scale_gradients(&kernel->light, at, count);
    if (kernel->kind == STF_KERNEL_HILLSHADE) {
        find_plain(&kernel->light, at, count, &made);
        divide_by_roots(&made, count);
        finish_plain(kernel->sums_floats, &made, count, result);
    } else {
        find_multidirectional(&kernel->light, at, count, &made);
        divide_by_roots(&made, count);
        finish_multidirectional(&kernel->light, &made, count, result);
    }
}

INLINED void run(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result) {
    bool has_arcs = kernel->kind == STF_KERNEL_HILLSHADE_COMBINED || kernel->kind == STF_KERNEL_HILLSHADE_IGOR;
    gradients at;
    for (size_t first = 0; first < count; first += CHUNK_PX) {
        size_t some = count - first < CHUNK_PX ? count - first : CHUNK_PX;
        if (kernel->light.square_px)
            find_diagonals(kernel, rows, first, some, &at);
        else
            find_gradients(kernel, rows, first, some, &at);
        if (has_arcs)
            shade_with_arcs(kernel, &at, some, result + first);
        else
            shade(kernel, &at, some, result + first);
    }
}

#ifdef STF_WIDE_VECTORS
STF_WIDE_VECTORS static void run_wide(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count,
                                      float *result) {
    run(kernel, rows, count, result);
}
#endif

void stf_kernel_run_hillshade(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result) {
#ifdef STF_WIDE_VECTORS
    if (__builtin_cpu_supports("avx2")) {
        run_wide(kernel, rows, count, result);
        return;
    }
#endif
    run(kernel, rows, count, result);
}
