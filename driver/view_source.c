#include "view_source.h"

#include <string.h>

#include "account.h"

#define DECODES_MOST 1.02

/* Row by row of units, each over the whole width: as if they were passed on to tiles as wide as the raster. */
static void describe_sweep(stf_view_source *view) {
    const stf_source_info *info = &view->source->info;
    const stf_group *group = &info->groups[0];
    stf_plane all = {group->first_band, group->bands};
    stf_geometry geometry = {0};
    stf_lease_point points[STF_LEASE_POINTS] = {{0, 0}};
    view->planning_bytes = info->planning_bytes;
    view->lease_bytes = info->lease_bytes;
    view->decodes = info->source_blocks;
    if (!info->shared.points)
        return;
    geometry.width_px = group->x.size_px;
    geometry.height_px = group->y.size_px;
    geometry.groups = info->groups;
    geometry.group_count = 1;
    geometry.planes = &all;
    geometry.plane_count = 1;
    geometry.tile_x = stf_axis_make(geometry.width_px, 0, geometry.width_px);
    geometry.tile_y = stf_axis_make(geometry.height_px, 0, stf_axis_longest(&group->y));
    uint32_t count = info->shared.points(info->shared.context, &geometry, group->x.cells, points), best = 0;
    for (uint32_t i = 1; i < count; i++)
        if ((double)points[i].decodes <= DECODES_MOST * (double)points[0].decodes)
            best = i; /* less memory for next to nothing */
    view->lease_bytes = stf_add(view->lease_bytes, points[best].lease_bytes);
    view->decodes = points[best].decodes;
}

bool stf_view_source_open(stf_view_source *view, GDALDatasetH inner, GDALDataType type, uint32_t only_band,
                          bool decode_by_gdal, stf_error *err) {
    /* Units have no tiles to keep in step with: one row says so. What a reader leaves in GDAL's cache is dropped at once,
     * for nobody asks for it there. */
    stf_source_request request = {0};
    request.type = type;
    request.tile_height_px = 1;
    request.leave_no_blocks = true;
    request.only_band = only_band;
    request.decode_by_gdal = decode_by_gdal;
    stf_account_enter_inner();
    view->source = stf_source_create(inner, &request, err);
    bool done = view->source != NULL;
    if (done) {
        describe_sweep(view);
        done = !view->source->open_readers || view->source->open_readers(view->source, 1, err);
    }
    stf_account_leave_inner();
    return done;
}

void stf_view_source_close(stf_view_source *view) {
    stf_account_enter_inner();
    stf_source_destroy(view->source);
    stf_account_leave_inner();
    view->source = NULL;
}

bool stf_view_source_read(void *context, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                          stf_error *err) {
    const stf_view_source *view = context;
    stf_account_enter_inner();
    bool done = stf_source_read_unit(view->source, reader, unit, buffer, pixels, err);
    stf_account_leave_inner();
    return done;
}

bool stf_view_source_open_readers(void *context, uint32_t readers, stf_error *err) {
    const stf_view_source *view = context;
    if (!view->source->open_readers)
        return true;
    stf_account_enter_inner();
    bool done = view->source->open_readers(view->source, readers, err);
    stf_account_leave_inner();
    return done;
}

uint64_t stf_view_source_reader_bytes(const stf_view_source *view) {
    const stf_source_info *info = &view->source->info;
    return stf_add(info->reader_bytes, info->reader_lease_bytes);
}
