/* From an underlay and the order in which it is read: the lease and the decodes, as the plan asks for them. */
#ifndef STF_UNDERLAY_WALK_H
#define STF_UNDERLAY_WALK_H

#include "plan.h"
#include "underlay.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Blocks decoded again that a plan puts up with, in hundredths of all blocks. */
#define STF_UNDER_AGAIN_PERCENT 8u

typedef struct stf_under_walk stf_under_walk;

/* Reads unit by unit in the order of the geometry's walk. underlay must outlive it. NULL: no memory. */
stf_under_walk *stf_under_walk_units(const stf_underlay *underlay);
/* Reads row by row from the top, as gdaldem's dataset does: two rows to begin with, the last two once more at the end. */
stf_under_walk *stf_under_walk_rows(const stf_underlay *underlay, uint32_t width_px, uint32_t height_px);
void stf_under_walk_destroy(stf_under_walk *walk); /* NULL is legal */

/* For stf_demand.shared: its context is the walk. A stripe finds nothing of what the stripe before it left. */
uint32_t stf_under_walk_points(void *walk, const stf_geometry *geometry, uint32_t stripe_columns,
                               stf_lease_point points[STF_LEASE_POINTS]);

/* In one go over the whole width. False: no memory. */
typedef struct stf_under_sum {
    uint64_t decodes;    /* each block once */
    uint64_t unit_bytes; /* of the cache, for the unit that touches most */
    bool shared;         /* some block is touched by more than one unit */
    /* Of decodes, those of blocks that another handle of the same file decodes as well: GDAL opens a file once for each VRT
     * that shows it, and neither handle sees what the other has in the cache. */
    uint64_t repeated;
    uint64_t planning_bytes; /* memory that underlay and walk take until the plan is made */
} stf_under_sum;
bool stf_under_walk_sum(stf_under_walk *walk, const stf_geometry *geometry, stf_under_sum *sum);

#ifdef __cplusplus
}
#endif
#endif
