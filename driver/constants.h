/* Units without pixels that are known before the copy: all their samples have one value (holes of a sparse file).
 *
 * A tile under nothing but such units of one value never goes to the spill, and the plan counts none of its pixels.
 * What turns out to be constant only when it is read may save a slot in memory, but in the spill it is pixels. */
#ifndef STF_CONSTANTS_H
#define STF_CONSTANTS_H

#include "geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_MAX_SAMPLE_BYTES 16

/* of_unit: true where the unit (its group, column, row and window are set) will be delivered as a constant, and
 * the value then. Always the same answer, on any thread. NULL: no unit is known to be one. */
typedef struct stf_constants {
    bool (*of_unit)(void *context, const stf_unit *unit, unsigned char *value);
    void *context;
} stf_constants;

/* True where all units that give pixels to this tile are known to have one and the same value: then value holds it. */
bool stf_constants_of_tile(const stf_constants *constants, const stf_geometry *geometry, uint64_t tile,
                           unsigned char *value);

#ifdef __cplusplus
}
#endif
#endif
