/* What the eight neighbours of a pixel have to do with it: TRI, TPI and roughness. Sums from above to below and from left to right, and
 * all in the type that gdaldem has them in: each result is gdaldem's. */
#include <math.h>

#include "kernel_vectors.h"

#define DIFFERENCE_int32_t(A, B) ((A) > (B) ? (A) - (B) : (B) - (A))
#define DIFFERENCE_float(A, B) (fabsf((A) - (B)))

INLINED double square_of(double x) {
    return x * x;
}

#define ROUGHNESSES(TYPE)                                                                                              \
    INLINED void wilson_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b, size_t count,   \
                               float *restrict result) {                                                               \
        for (size_t i = 0; i < count; i++) {                                                                           \
            TYPE at = m[i + 1];                                                                                        \
            TYPE sum = DIFFERENCE_##TYPE(a[i], at) + DIFFERENCE_##TYPE(a[i + 1], at) +                                 \
                       DIFFERENCE_##TYPE(a[i + 2], at) + DIFFERENCE_##TYPE(m[i], at) +                                 \
                       DIFFERENCE_##TYPE(m[i + 2], at) + DIFFERENCE_##TYPE(b[i], at) +                                 \
                       DIFFERENCE_##TYPE(b[i + 1], at) + DIFFERENCE_##TYPE(b[i + 2], at);                              \
            result[i] = (float)sum * 0.125f;                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    INLINED void riley_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b, size_t count,    \
                              float *restrict result) {                                                                \
        for (size_t i = 0; i < count; i++) {                                                                           \
            TYPE at = m[i + 1];                                                                                        \
            double sum = square_of((double)(a[i] - at)) + square_of((double)(a[i + 1] - at)) +                         \
                         square_of((double)(a[i + 2] - at)) + square_of((double)(m[i] - at)) +                         \
                         square_of((double)(m[i + 2] - at)) + square_of((double)(b[i] - at)) +                         \
                         square_of((double)(b[i + 1] - at)) + square_of((double)(b[i + 2] - at));                      \
            result[i] = (float)sqrt(sum);                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    INLINED void tpi_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b, size_t count,      \
                            float *restrict result) {                                                                  \
        for (size_t i = 0; i < count; i++) {                                                                           \
            TYPE sum = a[i] + a[i + 1] + a[i + 2] + m[i] + m[i + 2] + b[i] + b[i + 1] + b[i + 2];                      \
            result[i] = (float)m[i + 1] - (float)sum * 0.125f;                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    /* What is no number is neither more nor less, but where it comes first. */                                        \
    INLINED void roughness_##TYPE(const TYPE *restrict a, const TYPE *restrict m, const TYPE *restrict b,              \
                                  size_t count, float *restrict result) {                                              \
        for (size_t i = 0; i < count; i++) {                                                                           \
            TYPE most = a[i], least = a[i];                                                                            \
            const TYPE others[] = {a[i + 1], a[i + 2], m[i], m[i + 1], m[i + 2], b[i], b[i + 1], b[i + 2]};            \
            for (int k = 0; k < 8; k++) {                                                                              \
                most = others[k] > most ? others[k] : most;                                                            \
                least = others[k] < least ? others[k] : least;                                                         \
            }                                                                                                          \
            result[i] = (float)(most - least);                                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    INLINED void run_##TYPE(stf_kernel_kind kind, const stf_kernel_rows *rows, size_t count, float *result) {          \
        const TYPE *a = rows->above, *m = rows->row, *b = rows->below;                                                 \
        if (kind == STF_KERNEL_TRI_WILSON)                                                                             \
            wilson_##TYPE(a, m, b, count, result);                                                                     \
        else if (kind == STF_KERNEL_TRI_RILEY)                                                                         \
            riley_##TYPE(a, m, b, count, result);                                                                      \
        else if (kind == STF_KERNEL_TPI)                                                                               \
            tpi_##TYPE(a, m, b, count, result);                                                                        \
        else                                                                                                           \
            roughness_##TYPE(a, m, b, count, result);                                                                  \
    }
ROUGHNESSES(float)
ROUGHNESSES(int32_t)
#undef ROUGHNESSES

INLINED void run(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result) {
    if (kernel->integers)
        run_int32_t(kernel->kind, rows, count, result);
    else
        run_float(kernel->kind, rows, count, result);
}

#ifdef STF_WIDE_VECTORS
STF_WIDE_VECTORS static void run_wide(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count,
                                      float *result) {
    run(kernel, rows, count, result);
}
#endif

void stf_kernel_run_roughness(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result) {
#ifdef STF_WIDE_VECTORS
    if (__builtin_cpu_supports("avx2")) {
        run_wide(kernel, rows, count, result);
        return;
    }
#endif
    run(kernel, rows, count, result);
}
