#include "plan_way.h"

#include <string.h>

/* A second encoder that costs no more is in the floor: a core that idles is worth more than so little memory. */
#define SECOND_ENCODER_BYTES ((uint64_t)2 << 20)

uint64_t stf_way_lease_bytes(const stf_planner *planner, const stf_way *way, uint32_t readers) {
    const stf_demand *demand = planner->demand;
    return stf_add(stf_add(demand->lease_bytes, way->lease.lease_bytes), stf_mul(demand->reader_lease_bytes, readers));
}

/* The overviews' part. */
static uint64_t level_bytes(const stf_planner *planner, const stf_way *way, const stf_crew *crew) {
    const stf_demand *demand = planner->demand;
    uint64_t tiles = 0, each = demand->overview_encoder_bytes;
    if (planner->levels == 0)
        return 0;
    for (uint32_t level = way->spilled_levels + 1; level <= planner->levels; level++)
        tiles = stf_add(tiles, way->level_tiles[level] + crew->spare_tiles);
    if (way->spilled_levels > 0)
        each = stf_add(each, demand->overview_spilling_bytes);
    return stf_add(stf_mul(tiles, demand->overview_slot_bytes), stf_mul(each, crew->encoders));
}

uint64_t stf_way_need_bytes(const stf_planner *planner, const stf_way *way, const stf_crew *crew) {
    const stf_demand *demand = planner->demand;
    uint64_t need = stf_add(demand->table_bytes, stf_way_lease_bytes(planner, way, crew->readers));
    need = stf_add(need, level_bytes(planner, way, crew));
    need = stf_add(need, stf_mul(demand->encoder_bytes, crew->encoders));
    need = stf_add(need, stf_mul(demand->reader_bytes, crew->readers));
    need = stf_add(need, stf_mul(demand->unit_bytes, crew->unit_buffers));
    return stf_add(need, stf_mul(demand->slot_bytes, crew->slots));
}

uint32_t stf_way_reserved_slots(const stf_planner *planner, const stf_way *way) {
    return planner->demand->may_be_constant || way->spill_all || way->spilled_pixels > 0 ? 1 : 0;
}

/* The least crew with so many encoders. Each encoder holds a slot while it works. */
stf_crew stf_way_least_crew(const stf_planner *planner, const stf_way *way, uint32_t encoders) {
    uint64_t slots = (way->spill_all ? 0 : way->open.open) + stf_way_reserved_slots(planner, way);
    if (slots < encoders)
        slots = encoders;
    if (slots > UINT32_MAX)
        slots = UINT32_MAX;
    stf_crew crew = {encoders, 1, 1, (uint32_t)slots, 0};
    if (planner->roomy && planner->levels == 0)
        crew.slots++;
    else if (planner->roomy) {
        crew.readers = planner->demand->parallel_read ? 2 : 1;
        crew.unit_buffers = crew.readers + 1;
        crew.slots += 2;
        crew.spare_tiles = 1;
    }
    return crew;
}

bool stf_way_fits(const stf_planner *planner, const stf_way *way, uint32_t encoders, uint64_t cap_bytes) {
    stf_crew crew = stf_way_least_crew(planner, way, encoders);
    return stf_way_need_bytes(planner, way, &crew) <= cap_bytes;
}

/* --- the ways ---------------------------------------------------------------------------------- */

static uint64_t raster_pixels(const stf_planner *planner) {
    return (uint64_t)planner->demand->geometry->width_px * planner->demand->geometry->height_px;
}

/* How many; 0: stripes so narrow decode too much again. */
static uint32_t lease_points(const stf_planner *planner, uint32_t stripe_columns,
                             stf_lease_point points[STF_LEASE_POINTS]) {
    const stf_demand *demand = planner->demand;
    if (demand->shared.points)
        return demand->shared.points(demand->shared.context, demand->geometry, stripe_columns, points);
    points[0].lease_bytes = 0;
    points[0].decodes = demand->source_blocks;
    return 1;
}

static bool may_be_striped(const stf_planner *planner, uint32_t stripe_columns) {
    stf_lease_point points[STF_LEASE_POINTS];
    return lease_points(planner, stripe_columns, points) > 0;
}

/* As few decodes as the cap has room for. */
stf_lease_point stf_way_best_lease(const stf_planner *planner, const stf_way *way, const stf_crew *crew,
                                   uint64_t cap_bytes) {
    stf_lease_point points[STF_LEASE_POINTS];
    uint32_t count = lease_points(planner, way->stripe_columns, points);
    for (uint32_t i = 0; i < count; i++) {
        stf_way richer = *way;
        richer.lease = points[i];
        if (stf_way_need_bytes(planner, &richer, crew) <= cap_bytes)
            return points[i];
    }
    return way->lease;
}

static void level_tile_complete(void *context, uint64_t tile) {
    stf_overview_open *open = context;
    uint32_t columns = stf_overview_columns(open->shape, 0), rows = stf_overview_rows(open->shape, 0);
    uint64_t plane = tile / ((uint64_t)columns * rows), place = tile % ((uint64_t)columns * rows);
    stf_overview_open_add(open, (uint32_t)plane, (uint32_t)(place % columns), (uint32_t)(place / columns));
}

static void count_level_tiles(const stf_planner *planner, stf_way *way) {
    stf_overview_open open;
    if (planner->levels == 0)
        return;
    stf_overview_open_begin(&open, planner->demand->overview, planner->filled_px);
    stf_geometry_visit_completed(planner->demand->geometry, way->stripe_columns, planner->remaining,
                                 level_tile_complete, &open);
    memcpy(way->level_tiles, open.most, sizeof way->level_tiles);
}

stf_way stf_way_striped(const stf_planner *planner, uint32_t stripe_columns, bool spill_all, bool first_stripe_only) {
    const stf_geometry *geometry = planner->demand->geometry;
    stf_way way = {
        STF_SWEEP_STRIPES, spill_all, stripe_columns, {0, 0}, 0, {0, planner->demand->source_blocks}, 0, {0}};
    stf_lease_point points[STF_LEASE_POINTS];
    uint32_t count = lease_points(planner, stripe_columns, points);
    if (count > 0)
        way.lease = points[count - 1];
    way.open =
        stf_geometry_open_tiles(geometry, stripe_columns, first_stripe_only ? 0 : UINT32_MAX, planner->remaining);
    way.spilled_pixels = spill_all ? raster_pixels(planner) : stf_geometry_seam_pixels(geometry, stripe_columns);
    if (stripe_columns >= planner->columns)
        way.sweep = STF_SWEEP_BANDS;
    if (spill_all)
        way.sweep = STF_SWEEP_SPILL;
    way.spilled_levels = planner->spilled_levels;
    count_level_tiles(planner, &way);
    return way;
}

/* The narrowest stripes that may be: by doubling, then halving, for wider ones have fewer seams. */
uint32_t stf_way_least_columns(const stf_planner *planner) {
    uint32_t bad = 0, good = 1;
    while (good < planner->columns && !may_be_striped(planner, good)) {
        bad = good;
        good = good < planner->columns / 2 ? 2 * good : planner->columns;
    }
    while (good - bad > 1) {
        uint32_t middle = bad + (good - bad) / 2;
        if (may_be_striped(planner, middle))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* The bisection asked the first stripe for all of them; where grids are out of step another may need a tile more, so
 * this goes down from its result. Down to half of that it prefers the stripes with the fewest seams: a little more cap must
 * not turn stripes in step with the tiles into stripes that are out of step with them, or into a spill. */
static stf_way most_in_step(const stf_planner *planner, uint32_t encoders, uint64_t cap_bytes, bool spill_all,
                            uint32_t widest) {
    bool choosy = !spill_all && !planner->demand->shared.points; /* else each stripe more costs more than its seams */
    bool any = false;
    stf_way best = {0};
    for (uint32_t columns = widest; columns >= planner->least_stripe_columns; columns--) {
        if (any && (!choosy || columns < widest / 2))
            break;
        if (any && stf_geometry_seam_pixels(planner->demand->geometry, columns) >= best.spilled_pixels)
            continue;
        if (!may_be_striped(planner, columns))
            continue;
        stf_way way = stf_way_striped(planner, columns, spill_all, false);
        if (stf_way_fits(planner, &way, encoders, cap_bytes)) {
            best = way;
            any = true;
        }
    }
    return best;
}

/* The widest stripes that fit, by bisection; false: not even the narrowest do. */
static bool widest_stripes(const stf_planner *planner, uint32_t encoders, uint64_t cap_bytes, bool spill_all,
                           stf_way *found) {
    uint32_t good = planner->least_stripe_columns, bad = planner->columns;
    *found = stf_way_striped(planner, good, spill_all, false);
    if (good >= planner->columns || !stf_way_fits(planner, found, encoders, cap_bytes))
        return false;
    while (bad - good > 1) {
        uint32_t middle = good + (bad - good) / 2;
        stf_way way = stf_way_striped(planner, middle, spill_all, true);
        if (may_be_striped(planner, middle) && stf_way_fits(planner, &way, encoders, cap_bytes))
            good = middle;
        else
            bad = middle;
    }
    *found = most_in_step(planner, encoders, cap_bytes, spill_all, good);
    return true;
}

/* Seams that keep more than half of the raster waiting are no better than the spill. */
static bool seams_are_few(const stf_planner *planner, const stf_way *way) {
    return way->spilled_pixels <= raster_pixels(planner) / 2;
}

uint64_t stf_way_level_pixels(const stf_planner *planner, uint32_t spilled_levels) {
    uint64_t pixels = 0;
    for (uint32_t level = 1; level <= spilled_levels; level++)
        pixels += (uint64_t)planner->demand->overview->levels[level].width_px *
                  planner->demand->overview->levels[level].height_px;
    return pixels;
}

/* Whole bands, or stripes with few seams: the widest that fit. */
static bool choose_in_memory(const stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes,
                             stf_way *chosen) {
    *chosen = *bands;
    chosen->spilled_levels = planner->spilled_levels;
    if (stf_way_fits(planner, chosen, encoders, cap_bytes))
        return true;
    return widest_stripes(planner, encoders, cap_bytes, false, chosen) && seams_are_few(planner, chosen);
}

static bool choose_spill(const stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes,
                         stf_way *chosen) {
    stf_way spill = *bands;
    spill.sweep = STF_SWEEP_SPILL;
    spill.spill_all = true;
    spill.spilled_pixels = raster_pixels(planner);
    spill.spilled_levels = planner->spilled_levels;
    *chosen = spill;
    if (stf_way_fits(planner, chosen, encoders, cap_bytes))
        return true;
    return widest_stripes(planner, encoders, cap_bytes, true, chosen);
}

/* Stripes that spill nothing cost nothing: rather narrower stripes than encoders that wait for each other's slots. The same
 * where something is spilled anyway, and seams add little to it. Open tiles of levels take more memory than anything else:
 * there it is a second reader, too. */
static bool choose_roomy(stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes,
                         uint64_t most_spilled_px, stf_way *chosen) {
    if (encoders == 1)
        return false;
    planner->roomy = true;
    planner->spilled_levels = 0;
    bool found =
        choose_in_memory(planner, bands, encoders, cap_bytes, chosen) && chosen->spilled_pixels <= most_spilled_px;
    planner->roomy = false;
    return found;
}

bool stf_way_choose(stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes,
                    stf_way *chosen) {
    uint64_t least = UINT64_MAX;
    stf_way roomy;
    if (choose_roomy(planner, bands, encoders, cap_bytes, 0, chosen))
        return true;
    for (uint32_t spilled = 0; spilled <= planner->levels && stf_way_level_pixels(planner, spilled) < least;
         spilled++) {
        stf_way way;
        planner->spilled_levels = spilled;
        if (!choose_in_memory(planner, bands, encoders, cap_bytes, &way) ||
            stf_add(way.spilled_pixels, stf_way_level_pixels(planner, spilled)) >= least)
            continue;
        least = stf_add(way.spilled_pixels, stf_way_level_pixels(planner, spilled));
        *chosen = way;
    }
    if (least > 0 && least < UINT64_MAX &&
        choose_roomy(planner, bands, encoders, cap_bytes, raster_pixels(planner) / (planner->levels > 0 ? 8 : 4),
                     &roomy))
        *chosen = roomy;
    if (least < UINT64_MAX)
        return true;
    for (planner->spilled_levels = 0; planner->spilled_levels <= planner->levels; planner->spilled_levels++)
        if (choose_spill(planner, bands, encoders, cap_bytes, chosen))
            return true;
    return false;
}

/* The encoders that a way is chosen for: it decides the order of tiles in the file, so the threads that there happen
 * to be have no say in it, nor in the floor. Two in memory beat many through the spill, but one alone does not. */
uint32_t stf_way_encoders(const stf_planner *planner) {
    return stf_geometry_tiles(planner->demand->geometry) > 1 ? 2 : 1;
}

static uint64_t floor_of(const stf_planner *planner, stf_way ways[4], uint32_t spilled_levels) {
    uint64_t floor = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        if (i == 2 && !seams_are_few(planner, &ways[i]))
            continue;
        ways[i].spilled_levels = spilled_levels;
        stf_crew one = stf_way_least_crew(planner, &ways[i], 1),
                 two = stf_way_least_crew(planner, &ways[i], stf_way_encoders(planner));
        uint64_t need = stf_way_need_bytes(planner, &ways[i], &one), more = stf_way_need_bytes(planner, &ways[i], &two);
        if (more - need <= need / 8 || more - need <= SECOND_ENCODER_BYTES)
            need = more;
        if (need < floor)
            floor = need;
    }
    return floor;
}

uint64_t stf_way_floor_bytes(const stf_planner *planner, const stf_way *bands) {
    uint32_t least = planner->least_stripe_columns;
    stf_way ways[4] = {*bands, *bands, *bands, *bands};
    ways[1].spill_all = true;
    ways[1].spilled_pixels = raster_pixels(planner);
    ways[2] = stf_way_striped(planner, least, false, false);
    ways[3] = stf_way_striped(planner, least, true, false);
    uint64_t floor = UINT64_MAX;
    for (uint32_t spilled = 0; spilled <= planner->levels; spilled++) {
        uint64_t one = floor_of(planner, ways, spilled);
        floor = one < floor ? one : floor;
    }
    return floor;
}
