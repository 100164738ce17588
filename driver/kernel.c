#include "kernel.h"

#include "kernel_vectors.h"

/* --- angles of a pixel ------------------------------------------------------------------------- */

INLINED float degrees_of(double angle) {
    return (float)(angle / TO_RADIANS);
}

INLINED float azimuth_of(float degrees) {
    float azimuth = degrees > 90.0f ? 450.0f - degrees : 90.0f - degrees;
    return azimuth == 360.0f ? 0.0f : azimuth;
}

INLINED float from_east(float degrees) {
    float turned = degrees < 0 ? degrees + 360.0f : degrees;
    return turned == 360.0f ? 0.0f : turned;
}

INLINED double tangent_of(const stf_kernel *kernel, double dx, double dy) {
    double x = dx / kernel->ewres, y = dy / kernel->nsres;
    return sqrt(x * x + y * y) / kernel->divisor;
}

/* --- rows -------------------------------------------------------------------------------------- */

INLINED void slopes(const stf_kernel *kernel, const gradients *restrict at, size_t count, float *restrict result) {
    const stf_kernel k = *kernel;
    if (k.kind == STF_KERNEL_SLOPE_PERCENT)
        for (size_t i = 0; i < count; i++)
            result[i] = (float)(100 * tangent_of(&k, at->dx[i], at->dy[i]));
    else
        for (size_t i = 0; i < count; i++)
            result[i] = (float)(arc_tangent(tangent_of(&k, at->dx[i], at->dy[i])) * TO_DEGREES);
}

INLINED void aspects(const stf_kernel *kernel, const gradients *restrict at, size_t count, float *restrict result) {
    for (size_t i = 0; i < count; i++)
        result[i] = degrees_of(arc_tangent_of(at->dy[i], at->dx[i]));
    for (size_t i = 0; i < count; i++) /* two zeros, or infinite heights: rare */
        if (isnan(result[i]))
            result[i] = degrees_of(atan2(at->dy[i], at->dx[i]));
    if (kernel->trigonometric)
        for (size_t i = 0; i < count; i++)
            result[i] = from_east(result[i]);
    else
        for (size_t i = 0; i < count; i++)
            result[i] = azimuth_of(result[i]);
    for (size_t i = 0; i < count; i++)
        if (at->dx[i] == 0 && at->dy[i] == 0)
            result[i] = kernel->flat;
}

INLINED void run(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result) {
    gradients at;
    for (size_t first = 0; first < count; first += CHUNK_PX) {
        size_t some = count - first < CHUNK_PX ? count - first : CHUNK_PX;
        find_gradients(kernel, rows, first, some, &at);
        if (kernel->kind == STF_KERNEL_ASPECT)
            aspects(kernel, &at, some, result + first);
        else
            slopes(kernel, &at, some, result + first);
    }
}

#ifdef STF_WIDE_VECTORS
STF_WIDE_VECTORS static void run_wide(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count,
                                      float *result) {
    run(kernel, rows, count, result);
}
#endif

void stf_kernel_run(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result) {
    if (kernel->kind >= STF_KERNEL_HILLSHADE) {
        stf_kernel_run_hillshade(kernel, rows, count, result);
        return;
    }
#ifdef STF_WIDE_VECTORS
    if (__builtin_cpu_supports("avx2")) {
        run_wide(kernel, rows, count, result);
        return;
    }
#endif
    run(kernel, rows, count, result);
}
