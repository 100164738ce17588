/* What the files of the kernels share: loops over a chunk of pixels, written for the compiler to vectorise.
 *
 *   kernel.c             slope and aspect
 *   kernel_hillshade.c   hillshade in all its variants */
#ifndef STF_KERNEL_VECTORS_H
#define STF_KERNEL_VECTORS_H

#include <math.h>

#include "kernel.h"

/* kernel_hillshade.c */
void stf_kernel_run_hillshade(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result);

/* Loops over so many pixels, whose intermediate results stay in the first-level cache. */
#define CHUNK_PX 256

#define PI 3.14159265358979323846
#define TO_DEGREES (180.0 / PI)
#define TO_RADIANS (PI / 180.0)
#define TAN_PI_8 0.41421356237309503 /* tan(pi / 8) */
#define TAN_3_PI_8 2.414213562373095 /* tan(3 pi / 8) */

/* The same loops are compiled twice where that pays: for what every processor of the kind has, and for twice as wide vectors. */
#if defined(__GNUC__) && defined(__x86_64__)
#define STF_WIDE_VECTORS __attribute__((target("avx2")))
#define INLINED static inline __attribute__((always_inline))
#else
#define INLINED static inline
#endif

/* --- gradients --------------------------------------------------------------------------------- */

typedef struct gradients {
    double dx[CHUNK_PX], dy[CHUNK_PX]; /* left - right, bottom - top */
} gradients;

#define GRADIENTS(TYPE)                                                                                                \
    INLINED void horn_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b, size_t count,     \
                             gradients *restrict to) {                                                                 \
        for (size_t i = 0; i < count; i++) {                                                                           \
            to->dx[i] = (double)((a[i] + m[i] + m[i] + b[i]) - (a[i + 2] + m[i + 2] + m[i + 2] + b[i + 2]));           \
            to->dy[i] = (double)((b[i] + b[i + 1] + b[i + 1] + b[i + 2]) - (a[i] + a[i + 1] + a[i + 1] + a[i + 2]));   \
        }                                                                                                              \
    }                                                                                                                  \
    INLINED void zevenbergen_thorne_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b,     \
                                           size_t count, gradients *restrict to) {                                     \
        for (size_t i = 0; i < count; i++) {                                                                           \
            to->dx[i] = (double)(m[i] - m[i + 2]);                                                                     \
            to->dy[i] = (double)(b[i + 1] - a[i + 1]);                                                                 \
        }                                                                                                              \
    }
GRADIENTS(float)
GRADIENTS(int32_t)
#undef GRADIENTS

INLINED void find_gradients(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t first, size_t count,
                            gradients *to) {
    if (kernel->integers) {
        const int32_t *a = rows->above, *m = rows->row, *b = rows->below;
        if (kernel->zevenbergen_thorne)
            zevenbergen_thorne_int32_t(a + first, m + first, b + first, count, to);
        else
            horn_int32_t(a + first, m + first, b + first, count, to);
    } else {
        const float *a = rows->above, *m = rows->row, *b = rows->below;
        if (kernel->zevenbergen_thorne)
            zevenbergen_thorne_float(a + first, m + first, b + first, count, to);
        else
            horn_float(a + first, m + first, b + first, count, to);
    }
}

/* --- angles ------------------------------------------------------------------------------------ */

/* atan(x) / x as a polynomial of x^2, for |x| <= tan(pi / 8): by interpolation in Chebyshev's points of that interval. */
INLINED double arc_over_tangent(double square) {
    double sum = 0.021135373157693246;
    sum = sum * square - 0.04348052215716462;
    sum = sum * square + 0.056883492268090106;
    sum = sum * square - 0.06640233930429408;
    sum = sum * square + 0.07689953496306857;
    sum = sum * square - 0.09090773074808414;
    sum = sum * square + 0.11111106180455946;
    sum = sum * square - 0.14285714180976467;
    sum = sum * square + 0.1999999999885511;
    sum = sum * square - 0.3333333333332844;
    return sum * square + 1.0;
}

/* Of t >= 0: atan(t) = pi / 4 + atan((t - 1) / (t + 1)) = pi / 2 - atan(1 / t). */
INLINED double arc_tangent(double t) {
    bool high = t > TAN_3_PI_8, middle = t > TAN_PI_8;
    double numerator = high ? -1.0 : middle ? t - 1.0 : t;
    double denominator = high ? t : middle ? t + 1.0 : 1.0;
    double base = high ? PI / 2 : middle ? PI / 4 : 0.0;
    double x = numerator / denominator;
    return base + x * arc_over_tangent(x * x);
}

/* atan2(y, x), but for two zeros or two infinities (NaN). */
INLINED double arc_tangent_of(double y, double x) {
    double across = fabs(x), up = fabs(y);
    bool steep = up > across;
    double most = steep ? up : across, least = steep ? across : up;
    bool middle = least > TAN_PI_8 * most;
    double tangent = (middle ? least - most : least) / (middle ? least + most : most);
    double angle = (middle ? PI / 4 : 0.0) + tangent * arc_over_tangent(tangent * tangent);
    angle = steep ? PI / 2 - angle : angle;
    angle = x < 0 ? PI - angle : angle;
    return y < 0 ? -angle : angle;
}

#endif
