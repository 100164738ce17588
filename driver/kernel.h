/* Slope and aspect of rows of heights: the formulas of gdaldem before GDAL 3.11, which computes in double.
 *
 *     left - right and bottom - top of a pixel's neighbours, in the type of the heights (Float32 or Int32) as gdaldem does,
 *         Horn                  a 3 x 3 window with weights 1 2 1
 *         ZevenbergenThorne     the four next neighbours
 *     slope  = atan(sqrt(dx^2 + dy^2) / divisor), dx and dy over the pixel's size; divisor: 8 or 2 times the scale of heights
 *     aspect = atan2(bottom - top, left - right)
 *
 * What they come to is gdaldem's, but for the arc tangent: its error is below 4e-16, so that rounded to Float32 hardly one pixel in
 * a hundred million differs, by the last bit. */
#ifndef STF_KERNEL_H
#define STF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { STF_KERNEL_SLOPE_DEGREES, STF_KERNEL_SLOPE_PERCENT, STF_KERNEL_ASPECT } stf_kernel_kind;

typedef struct stf_kernel {
    stf_kernel_kind kind;
    bool zevenbergen_thorne;
    bool integers;       /* heights are int32_t, else float */
    bool trigonometric;  /* aspect: from east, against the clock; else azimuths */
    double ewres, nsres; /* of a pixel, as in a geotransform */
    double divisor;      /* of slope */
    float flat;          /* aspect of what has none */
} stf_kernel;

/* Three rows of heights (int32_t or float), each count + 2 long: pixel i of the result lies under above[i] to above[i + 2]. */
typedef struct stf_kernel_rows {
    const void *above, *row, *below;
} stf_kernel_rows;

/* count pixels of the result. Any thread. */
void stf_kernel_run(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result);

#ifdef __cplusplus
}
#endif
#endif
