#include "plan.h"

#include <stdlib.h>
#include <string.h>

/* A second encoder that costs no more is in the floor: a core that idles is worth more than so little memory. */
#define SECOND_ENCODER_BYTES ((uint64_t)2 << 20)

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

const char *stf_sweep_name(stf_sweep sweep) {
    static const char *const names[] = {"BANDS", "STRIPES", "SPILL"};
    return names[sweep];
}

static uint64_t lease_bytes(const stf_planner *planner, const stf_way *way, uint32_t readers) {
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

static uint64_t need_bytes(const stf_planner *planner, const stf_way *way, const stf_crew *crew) {
    const stf_demand *demand = planner->demand;
    uint64_t need = stf_add(demand->table_bytes, lease_bytes(planner, way, crew->readers));
    need = stf_add(need, level_bytes(planner, way, crew));
    need = stf_add(need, stf_mul(demand->encoder_bytes, crew->encoders));
    need = stf_add(need, stf_mul(demand->reader_bytes, crew->readers));
    need = stf_add(need, stf_mul(demand->unit_bytes, crew->unit_buffers));
    return stf_add(need, stf_mul(demand->slot_bytes, crew->slots));
}

static uint32_t reserved_slots(const stf_planner *planner, const stf_way *way) {
    return planner->demand->may_be_constant || way->spill_all || way->spilled_pixels > 0 ? 1 : 0;
}

/* The least crew with so many encoders. Each encoder holds a slot while it works. */
static stf_crew least_crew(const stf_planner *planner, const stf_way *way, uint32_t encoders) {
    uint64_t slots = (way->spill_all ? 0 : way->open.open) + reserved_slots(planner, way);
    if (slots < encoders)
        slots = encoders;
    if (slots > UINT32_MAX)
        slots = UINT32_MAX;
    stf_crew crew = {encoders, 1, 1, (uint32_t)slots, 0};
    if (planner->roomy) {
        crew.readers = planner->demand->parallel_read ? 2 : 1;
        crew.unit_buffers = crew.readers + 1;
        crew.slots += 2;
        crew.spare_tiles = 1;
    }
    return crew;
}

static bool fits(const stf_planner *planner, const stf_way *way, uint32_t encoders, uint64_t cap_bytes) {
    stf_crew crew = least_crew(planner, way, encoders);
    return need_bytes(planner, way, &crew) <= cap_bytes;
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
static stf_lease_point best_lease(const stf_planner *planner, const stf_way *way, const stf_crew *crew,
                                  uint64_t cap_bytes) {
    stf_lease_point points[STF_LEASE_POINTS];
    uint32_t count = lease_points(planner, way->stripe_columns, points);
    for (uint32_t i = 0; i < count; i++) {
        stf_way richer = *way;
        richer.lease = points[i];
        if (need_bytes(planner, &richer, crew) <= cap_bytes)
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

static stf_way striped_way(const stf_planner *planner, uint32_t stripe_columns, bool spill_all,
                           bool first_stripe_only) {
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
static uint32_t find_least_stripe_columns(const stf_planner *planner) {
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
        stf_way way = striped_way(planner, columns, spill_all, false);
        if (fits(planner, &way, encoders, cap_bytes)) {
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
    *found = striped_way(planner, good, spill_all, false);
    if (good >= planner->columns || !fits(planner, found, encoders, cap_bytes))
        return false;
    while (bad - good > 1) {
        uint32_t middle = good + (bad - good) / 2;
        stf_way way = striped_way(planner, middle, spill_all, true);
        if (may_be_striped(planner, middle) && fits(planner, &way, encoders, cap_bytes))
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

static uint64_t level_pixels(const stf_planner *planner, uint32_t spilled_levels) {
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
    if (fits(planner, chosen, encoders, cap_bytes))
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
    if (fits(planner, chosen, encoders, cap_bytes))
        return true;
    return widest_stripes(planner, encoders, cap_bytes, true, chosen);
}

/* Stripes that spill nothing cost nothing, and open tiles of levels take more memory than anything else: rather narrower
 * stripes than a second reader that there is no room for. */
static bool choose_roomy(stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes,
                         stf_way *chosen) {
    if (planner->levels == 0)
        return false;
    planner->roomy = true;
    planner->spilled_levels = 0;
    bool found = choose_in_memory(planner, bands, encoders, cap_bytes, chosen) && chosen->spilled_pixels == 0;
    planner->roomy = false;
    return found;
}

static bool choose_way(stf_planner *planner, const stf_way *bands, uint32_t encoders, uint64_t cap_bytes,
                       stf_way *chosen) {
    uint64_t least = UINT64_MAX;
    if (encoders > 1 && choose_roomy(planner, bands, encoders, cap_bytes, chosen))
        return true;
    for (uint32_t spilled = 0; spilled <= planner->levels && level_pixels(planner, spilled) < least; spilled++) {
        stf_way way;
        planner->spilled_levels = spilled;
        if (!choose_in_memory(planner, bands, encoders, cap_bytes, &way) ||
            stf_add(way.spilled_pixels, level_pixels(planner, spilled)) >= least)
            continue;
        least = stf_add(way.spilled_pixels, level_pixels(planner, spilled));
        *chosen = way;
    }
    if (least < UINT64_MAX)
        return true;
    for (planner->spilled_levels = 0; planner->spilled_levels <= planner->levels; planner->spilled_levels++)
        if (choose_spill(planner, bands, encoders, cap_bytes, chosen))
            return true;
    return false;
}

/* The encoders that a way is chosen for: it decides the order of tiles in the file, so the threads that there happen
 * to be have no say in it, nor in the floor. Two in memory beat many through the spill, but one alone does not. */
static uint32_t ways_encoders(const stf_planner *planner) {
    return stf_geometry_tiles(planner->demand->geometry) > 1 ? 2 : 1;
}

static uint64_t floor_of(const stf_planner *planner, stf_way ways[4], uint32_t spilled_levels) {
    uint64_t floor = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        if (i == 2 && !seams_are_few(planner, &ways[i]))
            continue;
        ways[i].spilled_levels = spilled_levels;
        stf_crew one = least_crew(planner, &ways[i], 1), two = least_crew(planner, &ways[i], ways_encoders(planner));
        uint64_t need = need_bytes(planner, &ways[i], &one), more = need_bytes(planner, &ways[i], &two);
        if (more - need <= need / 8 || more - need <= SECOND_ENCODER_BYTES)
            need = more;
        if (need < floor)
            floor = need;
    }
    return floor;
}

static uint64_t floor_bytes(const stf_planner *planner, const stf_way *bands) {
    uint32_t least = planner->least_stripe_columns;
    stf_way ways[4] = {*bands, *bands, *bands, *bands};
    ways[1].spill_all = true;
    ways[1].spilled_pixels = raster_pixels(planner);
    ways[2] = striped_way(planner, least, false, false);
    ways[3] = striped_way(planner, least, true, false);
    uint64_t floor = UINT64_MAX;
    for (uint32_t spilled = 0; spilled <= planner->levels; spilled++) {
        uint64_t one = floor_of(planner, ways, spilled);
        floor = one < floor ? one : floor;
    }
    return floor;
}

/* --- the crew ---------------------------------------------------------------------------------- */

static bool try_crew(const stf_planner *planner, const stf_way *way, stf_crew *crew, const stf_crew *more,
                     uint64_t cap_bytes) {
    if (need_bytes(planner, way, more) > cap_bytes)
        return false;
    *crew = *more;
    return true;
}

/* As many as there are threads, halved until they fit: what a half leaves over is for readers and slots. */
static uint32_t first_encoders(const stf_planner *planner, const stf_way *way, uint64_t cap_bytes) {
    uint64_t tiles = stf_geometry_tiles(planner->demand->geometry);
    uint32_t encoders = planner->demand->threads < tiles ? planner->demand->threads : (uint32_t)tiles;
    while (encoders > 1 && !fits(planner, way, encoders, cap_bytes))
        encoders /= 2;
    return encoders;
}

static uint64_t useful_slots(const stf_planner *planner, const stf_way *way, uint32_t encoders) {
    uint64_t tiles = stf_geometry_tiles(planner->demand->geometry);
    uint64_t useful = (way->spill_all ? 0 : way->open.open + way->open.touched) + 2 * (uint64_t)encoders + 1;
    return useful < tiles ? useful : tiles;
}

/* Spends what the cap leaves on readers, read-ahead and slots, as far as they are of use. With one
 * thread nothing happens side by side, and the least crew is as fast as any. */
static stf_crew enlarge(const stf_planner *planner, const stf_way *way, stf_crew least, uint64_t cap_bytes) {
    const stf_demand *demand = planner->demand;
    stf_crew crew = least;
    if (demand->threads == 1)
        return crew;
    uint64_t units = stf_geometry_units(demand->geometry);
    for (;;) {
        stf_crew more = crew;
        bool grown = false;
        if (more.encoders < demand->threads && more.encoders < stf_geometry_tiles(demand->geometry)) {
            more.encoders++;
            more.slots = more.slots < more.encoders ? more.encoders : more.slots;
            grown = try_crew(planner, way, &crew, &more, cap_bytes);
        }
        more = crew;
        if (demand->parallel_read && more.readers < crew.encoders && more.unit_buffers < units) {
            more.readers++;
            more.unit_buffers++;
            grown = try_crew(planner, way, &crew, &more, cap_bytes) || grown;
        }
        more = crew;
        more.slots++;
        if (more.slots <= useful_slots(planner, way, crew.encoders))
            grown = try_crew(planner, way, &crew, &more, cap_bytes) || grown;
        more = crew;
        if (more.unit_buffers < 2 * crew.readers && more.unit_buffers < units) {
            more.unit_buffers++;
            grown = try_crew(planner, way, &crew, &more, cap_bytes) || grown;
        }
        more = crew;
        if (planner->levels > way->spilled_levels && more.spare_tiles + 1 < crew.encoders) {
            more.spare_tiles++;
            grown = try_crew(planner, way, &crew, &more, cap_bytes) || grown;
        }
        if (!grown)
            return crew;
    }
}

/* --- the plan ---------------------------------------------------------------------------------- */

/* Tiles in the spill at once: those that wait for a seam may be all seam tiles; a ring of two rows of
 * tiles is enough where tiles pass through it. */
static uint64_t spill_regions(const stf_planner *planner, const stf_way *way, const stf_crew *crew) {
    const stf_geometry *geometry = planner->demand->geometry;
    uint64_t tiles = stf_geometry_tiles(geometry);
    if (!way->spill_all) {
        uint64_t columns = 0;
        if (way->spilled_pixels > 0)
            for (uint32_t column = 0; column < geometry->tile_x.cells; column++)
                columns += stf_geometry_is_seam_column(geometry, way->stripe_columns, column) ? 1 : 0;
        return columns * geometry->tile_y.cells * geometry->plane_count;
    }
    if (way->stripe_columns < planner->columns)
        return tiles;
    uint64_t ring = 2 * way->open.open + 2 * (uint64_t)crew->encoders;
    return ring < tiles ? ring : tiles;
}

/* Of the pixels that a way spills, those of tiles that are known to be constants stay away. */
static uint64_t spill_bytes(const stf_planner *planner, const stf_way *way) {
    const stf_geometry *geometry = planner->demand->geometry;
    uint64_t samples = 0, tiles = way->spilled_pixels > 0 ? stf_geometry_tiles(geometry) : 0;
    for (uint64_t tile = 0; tile < tiles; tile++) {
        unsigned char value[STF_MAX_SAMPLE_BYTES];
        uint32_t column = (uint32_t)(tile % stf_geometry_tiles_per_plane(geometry) % geometry->tile_x.cells);
        if (!way->spill_all && !stf_geometry_is_seam_column(geometry, way->stripe_columns, column))
            continue;
        if (stf_constants_of_tile(&planner->demand->constants, geometry, tile, value))
            continue;
        stf_window window = stf_geometry_tile_window(geometry, tile);
        uint64_t bands = geometry->planes[stf_geometry_tile_plane(geometry, tile)].bands;
        samples = stf_add(samples, stf_mul((uint64_t)window.width * window.height, bands));
    }
    for (uint32_t level = 1; level <= way->spilled_levels; level++)
        for (uint32_t plane = 0; plane < geometry->plane_count; plane++)
            samples = stf_add(samples, stf_mul(level_pixels(planner, level) - level_pixels(planner, level - 1),
                                               geometry->planes[plane].bands));
    return stf_mul(samples, geometry->sample_bytes);
}

/* A tile in the spill waits there while it is encoded, too. */
static stf_overview_places level_places(const stf_planner *planner, const stf_way *way, const stf_crew *crew) {
    stf_overview_places places = {way->spilled_levels, {0}};
    for (uint32_t level = 1; level <= planner->levels; level++) {
        uint64_t spare = level <= way->spilled_levels ? 4 * (uint64_t)crew->encoders : crew->spare_tiles;
        places.tiles[level] = way->level_tiles[level] + spare;
    }
    return places;
}

static void fill_plan(const stf_planner *planner, const stf_way *way, const stf_crew *crew, stf_plan *plan) {
    const stf_demand *demand = planner->demand;
    plan->sweep = way->sweep;
    plan->spill_all = way->spill_all;
    plan->stripe_columns = way->stripe_columns;
    plan->stripes = stf_geometry_stripes(demand->geometry, way->stripe_columns);
    plan->encoders = crew->encoders;
    plan->readers = crew->readers;
    plan->unit_buffers = crew->unit_buffers;
    plan->slots = crew->slots;
    plan->reserved_slots = reserved_slots(planner, way);
    plan->regions = spill_regions(planner, way, crew);
    plan->lease_bytes = lease_bytes(planner, way, crew->readers);
    plan->predicted_peak_bytes = need_bytes(planner, way, crew);
    if (plan->predicted_peak_bytes < demand->planning_bytes)
        plan->predicted_peak_bytes = demand->planning_bytes;
    plan->decodes = demand->decodes_before + way->lease.decodes;
    plan->spill_bytes = spill_bytes(planner, way);
    plan->constants = demand->constants;
    plan->overview = level_places(planner, way, crew);
}

static bool make(stf_planner *planner, stf_plan *plan, stf_error *err) {
    const stf_demand *demand = planner->demand;
    stf_way bands = striped_way(planner, planner->columns, false, false), chosen;
    plan->requested_cap_bytes = demand->cap_bytes;
    plan->floor_bytes = floor_bytes(planner, &bands);
    if (plan->floor_bytes < demand->planning_bytes)
        plan->floor_bytes = demand->planning_bytes;
    plan->cap_bytes = demand->cap_bytes > plan->floor_bytes ? demand->cap_bytes : plan->floor_bytes;
    if (plan->floor_bytes > INT64_MAX)
        return stf_fail(err, CPLE_OutOfMemory, "The raster and its tiles are too large: the memory needed overflows");
    uint32_t encoders = ways_encoders(planner);
    if (encoders > 1 && !choose_way(planner, &bands, encoders, plan->cap_bytes, &chosen))
        encoders = 1;
    if (encoders == 1 && !choose_way(planner, &bands, 1, plan->cap_bytes, &chosen))
        return stf_fail(err, CPLE_AppDefined, "No way to copy within " CPL_FRMT_GUIB " bytes",
                        (GUIntBig)plan->cap_bytes);
    stf_crew least = least_crew(planner, &chosen, first_encoders(planner, &chosen, plan->cap_bytes));
    chosen.lease = best_lease(planner, &chosen, &least, plan->cap_bytes);
    stf_crew crew = enlarge(planner, &chosen, least, plan->cap_bytes);
    fill_plan(planner, &chosen, &crew, plan);
    return true;
}

bool stf_plan_make(const stf_demand *demand, stf_plan *plan, stf_error *err) {
    stf_planner planner = {demand, NULL, demand->geometry->groups[0].x.cells, 1, 0, 0, false, NULL};
    uint64_t tiles = stf_geometry_tiles(demand->geometry), level_tiles = 0;
    if (demand->overview) {
        planner.levels = demand->overview->level_count - 1;
        level_tiles = stf_overview_all_tiles(demand->overview);
    }
    if (tiles > SIZE_MAX / sizeof(uint32_t) || tiles > UINT32_MAX || level_tiles > UINT32_MAX)
        return stf_fail(err, CPLE_NotSupported,
                        "The output would have " CPL_FRMT_GUIB
                        " tiles, more than a TIFF can list; use larger BLOCKXSIZE and BLOCKYSIZE",
                        (GUIntBig)tiles);
    planner.remaining = calloc((size_t)tiles, sizeof(uint32_t));
    planner.filled_px = calloc((size_t)level_tiles + 1, sizeof(uint32_t));
    bool done = planner.remaining && planner.filled_px;
    if (!done)
        stf_fail(err, CPLE_OutOfMemory, "No memory for the state of " CPL_FRMT_GUIB " tiles", (GUIntBig)tiles);
    if (done) {
        planner.least_stripe_columns = find_least_stripe_columns(&planner);
        done = make(&planner, plan, err);
    }
    free(planner.remaining);
    free(planner.filled_px);
    return done;
}
