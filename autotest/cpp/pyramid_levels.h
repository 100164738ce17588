// The levels of a pyramid as the driver's copies have them, for tests.
#ifndef PYRAMID_LEVELS_H
#define PYRAMID_LEVELS_H

#include "gtest/gtest.h"
#include "levels.h"
#include "overview_grid.h"

namespace fakes {

inline void halve(stf_overview_shape *shape, uint32_t fits_px, int count) {
    stf_level levels[STF_MAX_LEVELS];
    const uint32_t found =
        stf_levels(shape->levels[0].width_px, shape->levels[0].height_px, fits_px, count, nullptr, 0, levels);
    for (uint32_t i = 0; i < found; i++)
        ASSERT_TRUE(stf_overview_add_level(shape, levels[i].width_px, levels[i].height_px));
}

} // namespace fakes
#endif
