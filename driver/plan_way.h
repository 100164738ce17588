/* The ways in which a copy can be made, what each needs, and which of them a cap has room for: the planner's first half. */
#ifndef STF_PLAN_WAY_H
#define STF_PLAN_WAY_H

#include "plan.h"

/* One way to make the copy, with what it needs whatever the number of threads. */
typedef struct stf_way {
    stf_sweep sweep;
    bool spill_all;
    uint32_t stripe_columns;
    stf_open_tiles open;     /* tiles kept in memory, and the most that one unit touches */
    uint64_t spilled_pixels; /* of one plane */
    stf_lease_point lease;   /* of blocks that units share: the least with which they may be read */
    uint32_t spilled_levels;
    uint64_t level_tiles[STF_OVERVIEW_LEVELS]; /* open at once */
} stf_way;

/* How many of each thing a way is given. */
typedef struct stf_crew {
    uint32_t encoders, readers, unit_buffers, slots;
    uint32_t spare_tiles; /* of each level in memory, so that one is filled while another is encoded */
} stf_crew;

typedef struct stf_planner {
    const stf_demand *demand;
    uint32_t *remaining;           /* one counter a tile, all zero between uses */
    uint32_t columns;              /* unit columns of group 0 */
    uint32_t least_stripe_columns; /* narrower stripes would decode too much again */
    uint32_t levels;               /* of overviews */
    uint32_t spilled_levels;       /* the ways that are made have so many */
    bool roomy;                    /* ways are to leave room for more than the least crew */
    uint32_t *filled_px;           /* one counter for each of their tiles, all zero between uses */
} stf_planner;

/* Bytes of a way with this crew; UINT64_MAX on overflow. */
uint64_t stf_way_need_bytes(const stf_planner *planner, const stf_way *way, const stf_crew *crew);
/* Of them, the share of GDAL's cache. */
uint64_t stf_way_lease_bytes(const stf_planner *planner, const stf_way *way, uint32_t readers);
/* Slots that no unit may take: for tiles that come back from the spill, or are constants until now. */
uint32_t stf_way_reserved_slots(const stf_planner *planner, const stf_way *way);
/* The least crew with so many encoders. */
stf_crew stf_way_least_crew(const stf_planner *planner, const stf_way *way, uint32_t encoders);
bool stf_way_fits(const stf_planner *planner, const stf_way *way, uint32_t encoders, uint64_t cap_bytes);

/* The narrowest stripes that do not decode too much again: planner->least_stripe_columns. */
uint32_t stf_way_least_columns(const stf_planner *planner);
/* Stripes of so many columns; as many as there are: whole bands. */
stf_way stf_way_striped(const stf_planner *planner, uint32_t stripe_columns, bool spill_all, bool first_stripe_only);
/* The encoders that a way is chosen for, whatever the threads. */
uint32_t stf_way_encoders(const stf_planner *planner);
/* The way that spills least; false where none fits. bands: the whole bands' way. */
bool stf_way_choose(stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes, stf_way *chosen);
/* What the least of the ways needs. */
uint64_t stf_way_floor_bytes(const stf_planner *planner, const stf_way *bands);
/* Of the leases that the way may have, the one with the fewest decodes that the cap has room for beside the crew. */
stf_lease_point stf_way_best_lease(const stf_planner *planner, const stf_way *way, const stf_crew *crew,
                                   uint64_t cap_bytes);
/* Pixels of one plane's levels from 1 to spilled_levels. */
uint64_t stf_way_level_pixels(const stf_planner *planner, uint32_t spilled_levels);

#endif
