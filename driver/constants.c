#include "constants.h"

#include <string.h>

typedef struct tile_search {
    const stf_constants *constants;
    size_t sample_bytes;
    bool any;
    unsigned char *value;
} tile_search;

static bool is_another_of_the_same(void *context, const stf_unit *unit) {
    tile_search *search = context;
    unsigned char value[STF_MAX_SAMPLE_BYTES] = {0};
    if (!search->constants->of_unit(search->constants->context, unit, value))
        return false;
    if (search->any && memcmp(search->value, value, search->sample_bytes) != 0)
        return false;
    search->any = true;
    memcpy(search->value, value, sizeof value);
    return true;
}

bool stf_constants_of_tile(const stf_constants *constants, const stf_geometry *geometry, uint64_t tile,
                           unsigned char *value) {
    tile_search search = {constants, geometry->sample_bytes, false, value};
    return constants->of_unit && stf_geometry_visit_units_of_tile(geometry, tile, is_another_of_the_same, &search);
}
