/* Slope, aspect and hillshade of rows of heights: the formulas of gdaldem before GDAL 3.11, which computes in double.
 *
 *     left - right and bottom - top of a pixel's neighbours, in the type of the heights (Float32 or Int32) as gdaldem does,
 *         Horn                  a 3 x 3 window with weights 1 2 1
 *         ZevenbergenThorne     the four next neighbours
 *     slope  = atan(sqrt(dx^2 + dy^2) / divisor), dx and dy over the pixel's size; divisor: 8 or 2 times the scale of heights
 *     aspect = atan2(bottom - top, left - right)
 *
 *     hillshade              n / sqrt(1 + z^2 (dx^2 + dy^2)), n = sin(alt) - cos(alt) z (dy cos(az) - dx sin(az)), 1 to 255
 *     -combined              1 - acos(that) atan(z sqrt(dx^2 + dy^2)) / (pi / 2)^2
 *     -multidirectional      light from 225, 270, 315 and 360 degrees, each by the square of the sine of what it makes with the aspect
 *     -igor                  slope times how far the aspect turns away from the light
 *
 * What slope and aspect come to is gdaldem's, but for the arc tangent: its error is below 4e-16, so that rounded to Float32 hardly one
 * pixel in a hundred million differs, by the last bit. What hillshade comes to is a byte for gdaldem, and the same one always. */
#ifndef STF_KERNEL_H
#define STF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    STF_KERNEL_SLOPE_DEGREES,
    STF_KERNEL_SLOPE_PERCENT,
    STF_KERNEL_ASPECT,
    STF_KERNEL_HILLSHADE, /* this and all that follow: by stf_kernel_set_light */
    STF_KERNEL_HILLSHADE_COMBINED,
    STF_KERNEL_HILLSHADE_MULTIDIRECTIONAL,
    STF_KERNEL_HILLSHADE_IGOR
} stf_kernel_kind;

/* What a hillshade's formula is made of, as far as it is the same for all pixels. */
typedef struct stf_kernel_light {
    bool square_px;              /* dx and dy stay as they are: the size of a pixel is in the factors */
    double inv_ewres, inv_nsres; /* of dx and dy else */
    double base, by_x, by_y;     /* n */
    double by_diagonal, flat;    /* -multidirectional: of dx + dy and dx - dy; without slope */
    double z, square_z;
    double away; /* -igor: the aspect that lies in the dark */
} stf_kernel_light;

typedef struct stf_kernel {
    stf_kernel_kind kind;
    bool zevenbergen_thorne;
    bool integers;       /* heights are int32_t, else float */
    bool trigonometric;  /* aspect: from east, against the clock; else azimuths */
    double ewres, nsres; /* of a pixel, as in a geotransform */
    double divisor;      /* of slope */
    float flat;          /* aspect of what has none */
    stf_kernel_light light;
    bool
        sums_floats; /* STF_KERNEL_HILLSHADE: the last sum is one of Float32, as in gdaldem's vector code (of integers) */
} stf_kernel;

/* Three rows of heights (int32_t or float), each count + 2 long: pixel i of the result lies under above[i] to above[i + 2]. */
typedef struct stf_kernel_rows {
    const void *above, *row, *below;
} stf_kernel_rows;

/* For a hillshade, all else but divisor and flat being set: what -z, -s, -az and -alt say (angles in degrees). */
void stf_kernel_set_light(stf_kernel *kernel, double z, double scale, double azimuth, double altitude);

/* count pixels of the result. Any thread. */
void stf_kernel_run(const stf_kernel *kernel, const stf_kernel_rows *rows, size_t count, float *result);

#ifdef __cplusplus
}
#endif
#endif
