/* Tiles that are taken from the source's file as they are, compressed.
 *
 * Plain layout: one loop, row by row, on the calling thread. There is no source, and no plan but for the room of the largest
 * tile. A tile that the source leaves out is encoded as one value, or left out again.
 * LAYOUT=COG: the pixels are read as ever, for the overviews; only that the bytes of a complete tile come from the source's
 * file and not from an encoder (pipeline_encode.c). */
#include <string.h>

#include "copy.h"
#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "tiff.h"

/* --- whether ----------------------------------------------------------------------------------- */

/* What stands against it before the source is looked at. */
static const char *find_hindrance(const stf_copy *c) {
    if (c->derive)
        return "DERIVE makes other pixels of it";
    if (c->warped || c->masked)
        return "it is reprojected, or its alpha becomes a mask";
    if (c->options.asks_anew)
        return CPLSPrintf("%s asks for tiles that are encoded anew", c->options.asks_anew);
    if (c->options.sparse_ok && !c->options.is_cog && c->options.passthrough == STF_PASSTHROUGH_AUTO)
        return "SPARSE_OK=YES asks what its pixels are";
    return NULL;
}

static stf_passthrough *open_passthrough(const stf_copy *c, const char **why) {
    const stf_tag *photometric = stf_tag_list_find(&c->georef.tags, TIFFTAG_PHOTOMETRIC);
    stf_passthrough_target target = {
        &c->format, c->format.photometric, (uint16_t)c->raster.bands, c->geometry.plane_count > 1, 0,
        0,          c->raster.width_px,    c->raster.height_px};
    if (photometric && photometric->type == TIFF_SHORT && photometric->count == 1)
        target.photometric = *(const uint16_t *)photometric->values;
    return stf_passthrough_open(c->dataset, &target, why);
}

bool stf_copy_choose_passthrough(stf_copy *c, stf_error *err) {
    if (c->options.passthrough == STF_PASSTHROUGH_NO)
        return true;
    const char *why = find_hindrance(c);
    if (!why)
        c->passthrough = open_passthrough(c, &why);
    if (c->passthrough)
        return true;
    CPLDebug("StreamTIFF", "tiles are not copied as they are: %s", why);
    return c->options.passthrough == STF_PASSTHROUGH_AUTO ||
           stf_fail(err, CPLE_NotSupported, "PASSTHROUGH=YES: the tiles of %s cannot be copied as they are: %s",
                    GDALGetDescription(c->dataset), why);
}

bool stf_copy_only_passes(const stf_copy *c) {
    return c->passthrough && !c->options.is_cog;
}

/* --- the plan ---------------------------------------------------------------------------------- */

static uint64_t room_bytes(const stf_copy *c) {
    uint64_t largest = (stf_passthrough_largest_bytes(c->passthrough) + 63) / 64 * 64;
    return largest > 0 ? largest : 64;
}

static uint64_t missing_tile_bytes(const stf_copy *c) {
    return stf_passthrough_missing_sample(c->passthrough) ? stf_encoder_bound_bytes(&c->format) : 0;
}

bool stf_copy_plan_passthrough(stf_copy *c, stf_error *err) {
    stf_demand *demand = &c->demand;
    stf_plan *plan = &c->plan;
    uint64_t missing = missing_tile_bytes(c), tiles = stf_geometry_tiles(&c->geometry);
    uint64_t bound = stf_encoder_bound_bytes(&c->format);
    demand->cap_bytes = c->options.cap_bytes;
    demand->slot_bytes = bound > room_bytes(c) ? bound : room_bytes(c); /* of which the format of the file is decided */
    demand->table_bytes = stf_add(stf_copy_places_bytes(c), stf_passthrough_kept_bytes(c->passthrough));
    plan->sweep = STF_SWEEP_BANDS;
    plan->stripes = plan->encoders = plan->readers = 1;
    plan->requested_cap_bytes = c->options.cap_bytes;
    plan->predicted_peak_bytes = stf_add(demand->table_bytes, stf_add(room_bytes(c), missing));
    if (missing > 0)
        plan->predicted_peak_bytes = stf_add(plan->predicted_peak_bytes, stf_encoder_cost_bytes(&c->format));
    plan->floor_bytes = plan->predicted_peak_bytes;
    plan->cap_bytes = plan->floor_bytes > c->options.cap_bytes ? plan->floor_bytes : c->options.cap_bytes;
    c->told.kind = STF_SOURCE_BLOCKS;
    c->told.decodes_are_counted = c->told.never_decoded = true;
    c->told.kept_bytes = stf_passthrough_kept_bytes(c->passthrough); /* beside the mask, too */
    CPLDebug("StreamTIFF",
             "passthrough: " CPL_FRMT_GUIB " tiles are copied as they are, without decoding; predicted peak %.1f MiB",
             (GUIntBig)tiles, (double)plan->predicted_peak_bytes / 1048576.0);
    return plan->predicted_peak_bytes <= SIZE_MAX / 2 ||
           stf_fail(err, CPLE_OutOfMemory, "The raster and its tiles are too large: the memory needed overflows");
}

/* --- the tiles that are left out --------------------------------------------------------------- */

typedef struct passing {
    stf_copy *copy;
    unsigned char *room;  /* for a tile that is read */
    unsigned char *value; /* the tile of those that are left out, encoded; NULL: there are none */
    stf_encoder *encoder;
    uint32_t encoded_rows; /* 0: not yet */
    size_t encoded_bytes;
} passing;

static bool make_encoder(passing *p, stf_error *err) {
    const stf_tile_format *format = &p->copy->format;
    if (!stf_passthrough_missing_sample(p->copy->passthrough))
        return true;
    p->encoder = stf_encoder_create(format, err);
    p->value = p->encoder ? VSIMalloc(stf_encoder_bound_bytes(format)) : NULL;
    return p->value || (p->encoder && stf_fail(err, CPLE_OutOfMemory, "No memory for a tile"));
}

static bool encode_missing(passing *p, uint32_t rows, stf_error *err) {
    const stf_tile_format *format = &p->copy->format;
    size_t sample_bytes = p->copy->geometry.sample_bytes;
    size_t samples = (size_t)format->width_px * rows * format->samples;
    if (p->encoded_rows == rows)
        return true;
    for (size_t i = 0; i < samples; i++)
        memcpy(p->value + i * sample_bytes, stf_passthrough_missing_sample(p->copy->passthrough), sample_bytes);
    p->encoded_rows = rows;
    return stf_encoder_encode(p->encoder, p->value, stf_encoder_bound_bytes(format), rows, &p->encoded_bytes, err);
}

static bool is_left_out(const stf_copy *c, const stf_window *valid) {
    stf_uniform value;
    return stf_uniform_of_sample(stf_passthrough_missing_sample(c->passthrough), c->geometry.sample_bytes,
                                 c->format.samples, &value)
               ? stf_sparse_omits_uniform(&c->sparse, &value, valid, c->format.width_px, c->geometry.sample_bytes)
               : false;
}

static bool write_missing(passing *p, uint64_t tile, stf_error *err) {
    stf_copy *c = p->copy;
    stf_window valid = stf_geometry_tile_window(&c->geometry, tile);
    if (is_left_out(c, &valid))
        return stf_tiff_file_append(c->file, c->image, tile, NULL, 0, err);
    return encode_missing(p, c->format.tiled ? c->format.height_px : valid.height, err) &&
           stf_tiff_file_append(c->file, c->image, tile, p->value, p->encoded_bytes, err);
}

/* --- all tiles --------------------------------------------------------------------------------- */

static bool pass_tile(passing *p, uint64_t tile, stf_error *err) {
    stf_copy *c = p->copy;
    size_t bytes;
    if (!stf_passthrough_has(c->passthrough, tile))
        return write_missing(p, tile, err);
    return stf_passthrough_read(c->passthrough, tile, p->room, (size_t)room_bytes(c), &bytes, err) &&
           stf_tiff_file_append(c->file, c->image, tile, p->room, bytes, err);
}

static bool pass_all(passing *p, double done_before, double done_by, stf_error *err) {
    stf_copy *c = p->copy;
    uint64_t tiles = stf_geometry_tiles(&c->geometry);
    double told = done_before;
    for (uint64_t tile = 0; tile < tiles; tile++) {
        if (!pass_tile(p, tile, err))
            return false;
        double now = done_before + (done_by - done_before) * ((double)tile + 1) / (double)tiles;
        if (now - told < 0.001 && tile + 1 < tiles)
            continue;
        told = now;
        if (!c->progress(now, "", c->progress_data))
            return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    }
    return true;
}

bool stf_copy_pass_tiles(stf_copy *c, double done_before, double done_by, stf_error *err) {
    passing p = {c, NULL, NULL, NULL, 0, 0};
    uint64_t bytes = stf_add(c->demand.table_bytes, stf_add(room_bytes(c), missing_tile_bytes(c)));
    if (missing_tile_bytes(c) > 0)
        bytes = stf_add(bytes, stf_encoder_cost_bytes(&c->format));
    if (!stf_budget_charge(c->budget, bytes, "tiles that are copied as they are", err))
        return false;
    stf_lease_resize(c->lease, 0);
    p.room = stf_platform_pages_alloc((size_t)room_bytes(c));
    bool done = p.room || stf_fail(err, CPLE_OutOfMemory, "No memory for a tile");
    done = done && make_encoder(&p, err) && pass_all(&p, done_before, done_by, err);
    stf_platform_pages_free(p.room, (size_t)room_bytes(c));
    VSIFree(p.value);
    stf_encoder_destroy(p.encoder);
    stf_budget_release(c->budget, bytes);
    return done;
}
