#include "levels.h"

#include <stdbool.h>

static uint32_t at_least_one(uint32_t px) {
    return px ? px : 1;
}

static uint32_t divided(uint32_t px, double ratio) {
    return at_least_one((uint32_t)((double)px / ratio + 0.5));
}

static bool is_last(const stf_level *level, uint32_t block_px, int count, uint32_t found) {
    if (count < 0)
        return level->width_px <= block_px && level->height_px <= block_px;
    return found == (uint32_t)count || (level->width_px == 1 && level->height_px == 1);
}

uint32_t stf_levels(uint32_t width_px, uint32_t height_px, uint32_t block_px, int count, const double *ratios,
                    uint32_t ratio_count, stf_level levels[STF_MAX_LEVELS]) {
    stf_level level = {width_px, height_px};
    uint32_t found = 0;
    while (found < STF_MAX_LEVELS && !is_last(&level, block_px, count, found)) {
        double ratio = found < ratio_count ? ratios[found] : 2;
        bool halved = ratio_count == 0;
        level.width_px = halved ? at_least_one(level.width_px / 2) : divided(level.width_px, ratio);
        level.height_px = halved ? at_least_one(level.height_px / 2) : divided(level.height_px, ratio);
        levels[found++] = level;
    }
    return found;
}
