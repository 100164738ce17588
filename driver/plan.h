/* Geometry + cap -> how the copy is made. Pure arithmetic; allocates one counter a tile while it thinks.
 *
 * Ways to make a copy, in order of preference (the first that fits wins):
 *   BANDS          whole-width bands; open tiles stay in memory
 *   STRIPES        stripes of unit columns, each top to bottom; tiles cut by a seam wait in the spill
 *   SPILL          whole-width bands; every open tile lives in the spill until it is complete
 *   SPILL, striped the same stripe by stripe (only sources whose read-ahead grows with the width need it)
 * In each of them a unit is read once. Units of some sources share blocks underneath, which pass through GDAL's
 * cache: how much of it they need depends on the stripes, and the source tells (stf_lease_curve). Stripes so narrow
 * that too many blocks would be decoded again are no way at all.
 *
 * Where overviews are made on the way, the open tiles of their levels are in memory, too, or wait in a spill of their own:
 * the largest levels first, and as few of them as it takes. Of all ways that fit but the last two the one that spills
 * the fewest pixels wins.
 *
 * Memory of a way = tables + lease + encoders + readers + unit buffers + tile slots, those of the levels too, each counted in
 * bytes by the demand. The floor is the least of these sums over all ways, for one reader, one unit buffer
 * and one encoder; a second encoder is in it where that adds no more than an eighth, or 2 MiB (raising a cap to a
 * floor at which one core idles would save little and cost half the speed). A floor is never below what planning itself took,
 * and neither is the predicted peak. */
#ifndef STF_PLAN_H
#define STF_PLAN_H

#include "constants.h"
#include "geometry.h"
#include "overview_open.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* So many blocks are decoded where GDAL's cache has so much room for them. */
typedef struct stf_lease_point {
    uint64_t lease_bytes, decodes;
} stf_lease_point;

#define STF_LEASE_POINTS 4

/* What GDAL's cache must hold of the blocks that units share, for stripes of so many unit columns. The fewest decodes
 * come first, the least lease last. How many points there are: 0 where stripes so narrow decode too much again, never for the
 * whole width. Pure for the caller: the same question has the same answer. */
typedef struct stf_lease_curve {
    void *context;
    uint32_t (*points)(void *context, const stf_geometry *geometry, uint32_t stripe_columns,
                       stf_lease_point points[STF_LEASE_POINTS]);
} stf_lease_curve;

typedef enum { STF_SWEEP_BANDS, STF_SWEEP_STRIPES, STF_SWEEP_SPILL } stf_sweep;

/* What one of each thing costs. All in bytes unless said otherwise. */
typedef struct stf_demand {
    const stf_geometry *geometry;
    uint64_t cap_bytes;                 /* as asked for */
    uint32_t threads;                   /* the most that may work */
    bool parallel_read;                 /* readers may be several, on any thread; else one, on the calling thread */
    bool readers_roam;                  /* whoever is free uses any reader; else a worker has its own, or none */
    bool may_be_constant;               /* the source can deliver units without pixels */
    stf_constants constants;            /* those of them that are known */
    uint64_t unit_bytes;                /* buffer of one decoded unit */
    uint64_t reader_bytes;              /* one reader, beside the unit buffer: compressed block, decoder's copies */
    uint64_t reader_lease_bytes;        /* what one reader leaves in GDAL's cache */
    uint64_t slot_bytes;                /* one tile: its pixels, later its compressed bytes */
    uint64_t encoder_bytes;             /* one encoder: libtiff's copies and the codec's state */
    uint64_t table_bytes;               /* tables of offsets, sizes and tile states */
    uint64_t lease_bytes;               /* GDAL's cache for what the source reads underneath, whatever the stripe */
    uint64_t source_blocks;             /* distinct blocks underneath */
    uint64_t decodes_before;            /* blocks decoded once more before the copy itself */
    uint64_t planning_bytes;            /* memory that it took to know all this, given back before the copy begins */
    stf_lease_curve shared;             /* where units share blocks: the lease beside lease_bytes; points may be NULL */
    const stf_overview_shape *overview; /* the levels that are made on the way; NULL: none */
    uint64_t overview_slot_bytes;       /* one tile of a level */
    uint64_t overview_encoder_bytes;    /* what each encoder takes for them */
    uint64_t overview_spilling_bytes;   /* and that much more where levels are spilled */
} stf_demand;

typedef struct stf_plan {
    stf_sweep sweep;
    bool spill_all; /* every tile waits in the spill, not only those at seams */
    uint32_t stripe_columns, stripes;
    uint32_t encoders, readers, unit_buffers, slots;
    uint32_t reserved_slots; /* slots that open tiles may not take: for tiles read back or filled with a constant;
                                in the account from the start */
    uint64_t regions;        /* tiles that the spill file may hold at once; 0: no spill */
    uint64_t lease_bytes;
    uint64_t requested_cap_bytes, floor_bytes, cap_bytes; /* cap_bytes: the effective cap */
    uint64_t predicted_peak_bytes;
    uint64_t decodes; /* predicted */
    /* Predicted: bytes written to the spill. A tile that goes there is written pixel by pixel, each once, whether they came
     * as pixels or as constants; one that is known to be a constant does not go there. */
    uint64_t spill_bytes;
    stf_constants constants; /* the demand's */
    stf_overview_places overview;
} stf_plan;

/* Fails only where sizes overflow or there is no memory for the counters. A plan is always made for
 * max(cap, floor): the caller compares the two and warns or refuses. */
bool stf_plan_make(const stf_demand *demand, stf_plan *plan, stf_error *err);

const char *stf_sweep_name(stf_sweep sweep); /* "BANDS", ... */

#ifdef __cplusplus
}
#endif
#endif
