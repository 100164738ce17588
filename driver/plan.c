#include "plan.h"

#include <stdlib.h>

#include "plan_way.h"

const char *stf_sweep_name(stf_sweep sweep) {
    static const char *const names[] = {"BANDS", "STRIPES", "SPILL"};
    return names[sweep];
}

/* --- the crew ---------------------------------------------------------------------------------- */

static bool try_crew(const stf_planner *planner, const stf_way *way, stf_crew *crew, const stf_crew *more,
                     uint64_t cap_bytes) {
    if (stf_way_need_bytes(planner, way, more) > cap_bytes)
        return false;
    *crew = *more;
    return true;
}

/* As many as there are threads, halved until they fit: what a half leaves over is for readers and slots. */
static uint32_t first_encoders(const stf_planner *planner, const stf_way *way, uint64_t cap_bytes) {
    uint64_t tiles = stf_geometry_tiles(planner->demand->geometry);
    uint32_t encoders = planner->demand->threads < tiles ? planner->demand->threads : (uint32_t)tiles;
    while (encoders > 1 && !stf_way_fits(planner, way, encoders, cap_bytes))
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
        more.slots++;
        if (more.slots <= useful_slots(planner, way, crew.encoders))
            grown = try_crew(planner, way, &crew, &more, cap_bytes) || grown;
        more = crew;
        if (demand->parallel_read && more.readers < crew.encoders && more.unit_buffers < units) {
            more.readers++;
            more.unit_buffers++;
            grown = try_crew(planner, way, &crew, &more, cap_bytes) || grown;
        }
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
            samples = stf_add(samples,
                              stf_mul(stf_way_level_pixels(planner, level) - stf_way_level_pixels(planner, level - 1),
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
    plan->reserved_slots = stf_way_reserved_slots(planner, way);
    plan->regions = spill_regions(planner, way, crew);
    plan->lease_bytes = stf_way_lease_bytes(planner, way, crew->readers);
    plan->predicted_peak_bytes = stf_way_need_bytes(planner, way, crew);
    if (plan->predicted_peak_bytes < demand->planning_bytes)
        plan->predicted_peak_bytes = demand->planning_bytes;
    plan->decodes = demand->decodes_before + way->lease.decodes;
    plan->spill_bytes = spill_bytes(planner, way);
    plan->constants = demand->constants;
    plan->overview = level_places(planner, way, crew);
}

static bool make(stf_planner *planner, stf_plan *plan, stf_error *err) {
    const stf_demand *demand = planner->demand;
    stf_way bands = stf_way_striped(planner, planner->columns, false, false), chosen;
    plan->requested_cap_bytes = demand->cap_bytes;
    plan->floor_bytes = stf_way_floor_bytes(planner, &bands);
    if (plan->floor_bytes < demand->planning_bytes)
        plan->floor_bytes = demand->planning_bytes;
    plan->cap_bytes = demand->cap_bytes > plan->floor_bytes ? demand->cap_bytes : plan->floor_bytes;
    if (plan->floor_bytes > INT64_MAX)
        return stf_fail(err, CPLE_OutOfMemory, "The raster and its tiles are too large: the memory needed overflows");
    uint32_t encoders = stf_way_encoders(planner);
    if (encoders > 1 && !stf_way_choose(planner, &bands, encoders, plan->cap_bytes, &chosen))
        encoders = 1;
    if (encoders == 1 && !stf_way_choose(planner, &bands, 1, plan->cap_bytes, &chosen))
        return stf_fail(err, CPLE_AppDefined, "No way to copy within " CPL_FRMT_GUIB " bytes",
                        (GUIntBig)plan->cap_bytes);
    stf_crew least = stf_way_least_crew(planner, &chosen, first_encoders(planner, &chosen, plan->cap_bytes));
    chosen.lease = stf_way_best_lease(planner, &chosen, &least, plan->cap_bytes);
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
        planner.least_stripe_columns = stf_way_least_columns(&planner);
        done = make(&planner, plan, err);
    }
    free(planner.remaining);
    free(planner.filled_px);
    return done;
}
