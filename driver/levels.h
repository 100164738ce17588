/* The overview levels of a COG: how many, and how large, as GDAL's COG driver has them. Pure arithmetic. */
#ifndef STF_LEVELS_H
#define STF_LEVELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STF_MAX_LEVELS 32 /* a side of 2^31 - 1 pixels is 1 after 30 halvings */

typedef struct stf_level {
    uint32_t width_px, height_px;
} stf_level;

/* Fills levels, the largest first (without the raster itself), and says how many there are. count: -1, until a level fits into
 * one tile; else so many, but none after one of 1 x 1. ratios: of one level to the next where they are not 2, as a tiling
 * scheme has them; ratio_count 0: sides are halved, and cut. */
uint32_t stf_levels(uint32_t width_px, uint32_t height_px, uint32_t block_px, int count, const double *ratios,
                    uint32_t ratio_count, stf_level levels[STF_MAX_LEVELS]);

#ifdef __cplusplus
}
#endif
#endif
