/* What a writer takes of the cap: tables, the spill's own, and what decoding a tile takes are always kept free; encoders and
 * slots share the rest. */
#include "cpl_conv.h"
#include "writer_internal.h"

static uint64_t align64(uint64_t bytes) {
    return stf_add(bytes, 63) / 64 * 64;
}

bool stf_writer_describe_slots(stf_writer *w, stf_error *err) {
    const stf_tile_format *format = &w->copy.format;
    uint64_t bound_bytes = stf_encoder_bound_bytes(format);
    uint64_t mask_row = ((uint64_t)format->width_px + 7) / 8, mask_band = stf_mul(mask_row, format->height_px);
    uint64_t slot_bytes = stf_add(align64(bound_bytes), stf_mul(mask_band, format->samples));
    uint64_t pixels = stf_mul(format->width_px, stf_writer_pixel_bytes(w));
    w->tile_count = stf_geometry_tiles(&w->copy.geometry);
    if (bound_bytes == 0 || slot_bytes > INT64_MAX / 4 || w->tile_count > UINT32_MAX)
        return stf_fail(err, CPLE_NotSupported,
                        "Blocks of %u x %u pixels of %u bands do not suit a raster of %u x %u: change BLOCKXSIZE and "
                        "BLOCKYSIZE",
                        format->width_px, format->height_px, format->samples, w->copy.raster.width_px,
                        w->copy.raster.height_px);
    w->mask_offset = (size_t)align64(bound_bytes);
    w->mask_row_bytes = (size_t)mask_row;
    w->mask_band_bytes = (size_t)mask_band;
    w->slot_bytes = (size_t)align64(slot_bytes);
    w->record_bytes = (size_t)(pixels + mask_row * format->samples);
    /* The encoded tile in /vsimem, GTiff's block, and GDAL's copy of it. */
    w->decode_bytes = stf_add(stf_mul(2, stf_encoder_tile_bytes(format)), bound_bytes);
    w->encoder_bytes = stf_encoder_cost_bytes(format);
    /* A tile has one region at most: a spill asks its disk for no more room than that. */
    uint64_t share = w->tile_count / STF_WRITER_SPILLS + 1, least = w->tile_count < 1024 ? w->tile_count : 1024;
    w->regions_each = share > least ? share : least;
    w->spill_cost_bytes = stf_spill_cost_bytes(w->regions_each);
    return true;
}

uint64_t stf_writer_fixed_bytes(const stf_writer *w) {
    uint64_t spills = (w->tile_count + w->regions_each - 1) / w->regions_each;
    uint64_t tables = stf_add(stf_mul(w->tile_count, sizeof *w->tiles), stf_tiff_file_table_bytes(w->tile_count));
    return stf_add(stf_add(tables, w->record_bytes + stf_uniform_store_cost_bytes()),
                   stf_add(w->decode_bytes, stf_mul(spills, w->spill_cost_bytes)));
}

/* With a table entry for each slot. */
uint64_t stf_writer_slots_bytes(const stf_writer *w, uint64_t slots) {
    return stf_mul(slots, w->slot_bytes + sizeof *w->slots + sizeof *w->jobs);
}

static bool agree_on_cap(stf_writer *w, stf_error *err) {
    const stf_options *options = &w->copy.options;
    double asked = (double)options->cap_bytes / 1048576.0, needed = (double)w->floor_bytes / 1048576.0;
    if (options->cap_bytes >= w->floor_bytes || (!options->cap_named && !options->cap_strict))
        return true;
    if (options->cap_strict)
        return stf_fail(
            err, CPLE_AppDefined,
            "MEMORY_CAP is %.1f MB, but writing tiles of this size needs %.1f MB: raise MEMORY_CAP, or lower "
            "BLOCKXSIZE and BLOCKYSIZE",
            asked, needed);
    CPLError(CE_Warning, CPLE_AppDefined,
             "MEMORY_CAP is raised from %.1f MB to %.1f MB, the least that writes tiles of this size; smaller tiles "
             "would lower it. MEMORY_CAP_STRICT=YES would fail instead",
             asked, needed);
    return true;
}

/* Threads follow from the cap: each takes an encoder and a tile. */
bool stf_writer_plan(stf_writer *w, stf_error *err) {
    uint64_t fixed = stf_writer_fixed_bytes(w), threads = w->copy.options.threads, cap = w->copy.options.cap_bytes;
    w->floor_bytes = stf_add(stf_add(fixed, w->encoder_bytes), stf_writer_slots_bytes(w, STF_WRITER_LEAST_SLOTS));
    if (!agree_on_cap(w, err))
        return false;
    w->cap_bytes = cap > w->floor_bytes ? cap : w->floor_bytes;
    while (threads > 1 && stf_add(stf_add(fixed, stf_mul(threads, w->encoder_bytes)),
                                  stf_writer_slots_bytes(w, 2 * threads + STF_WRITER_LEAST_SLOTS)) > w->cap_bytes)
        threads--;
    w->thread_count = threads > 1 ? (uint32_t)threads : 0;
    w->slot_count = (w->cap_bytes - fixed - threads * w->encoder_bytes) / stf_writer_slots_bytes(w, 1);
    if (w->slot_count > w->tile_count + threads + STF_WRITER_LEAST_SLOTS)
        w->slot_count = w->tile_count + threads + STF_WRITER_LEAST_SLOTS;
    CPLDebug("StreamTIFF",
             "Writer: cap " CPL_FRMT_GUIB " bytes, floor " CPL_FRMT_GUIB ", " CPL_FRMT_GUIB " slots of " CPL_FRMT_GUIB
             " bytes for " CPL_FRMT_GUIB " tiles, %u threads",
             (GUIntBig)w->cap_bytes, (GUIntBig)w->floor_bytes, (GUIntBig)w->slot_count, (GUIntBig)w->slot_bytes,
             (GUIntBig)w->tile_count, (unsigned)threads);
    return true;
}

bool stf_writer_raise_cap(stf_writer *w, uint64_t least_bytes, const char *what, stf_error *err) {
    double cap = (double)w->cap_bytes / 1048576.0, least = (double)least_bytes / 1048576.0;
    if (least_bytes <= w->cap_bytes)
        return true;
    if (w->copy.options.cap_strict)
        return stf_fail(err, CPLE_AppDefined, "MEMORY_CAP is %.1f MB, but %s needs %.1f MB", cap, what, least);
    if (w->copy.options.cap_named)
        CPLError(CE_Warning, CPLE_AppDefined, "MEMORY_CAP is raised from %.1f MB to %.1f MB for %s", cap, least, what);
    uint64_t peak = stf_budget_peak_bytes(w->budget);
    if (peak > w->peak_before_bytes)
        w->peak_before_bytes = peak;
    w->cap_bytes = w->floor_bytes = least_bytes;
    stf_budget_set_cap(w->budget, least_bytes);
    return true;
}

bool stf_writer_take_memory(stf_writer *w, stf_error *err) {
    if (!w->budget)
        w->budget = stf_budget_create(w->cap_bytes);
    if (!w->budget)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the account");
    uint64_t spills = (w->tile_count + w->regions_each - 1) / w->regions_each;
    uint64_t tables = stf_writer_fixed_bytes(w) - w->decode_bytes - spills * w->spill_cost_bytes +
                      w->slot_count * (sizeof *w->slots + sizeof *w->jobs);
    if (!stf_budget_charge(w->budget, tables, "tables", err))
        return false;
    w->pool = stf_pool_create(w->budget, w->slot_bytes, (uint32_t)w->slot_count, "tiles", err);
    w->tiles = VSICalloc((size_t)w->tile_count, sizeof *w->tiles);
    w->slots = VSICalloc((size_t)w->slot_count, sizeof *w->slots);
    w->record = VSIMalloc(w->record_bytes);
    if (w->pool && (!w->tiles || !w->slots || !w->record))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the tables of " CPL_FRMT_GUIB " tiles",
                        (GUIntBig)w->tile_count);
    return w->pool != NULL;
}

void stf_writer_give_memory(stf_writer *w) {
    for (int i = 0; i < STF_WRITER_SPILLS; i++) {
        stf_spill_destroy(w->spills[i]);
        w->spills[i] = NULL;
    }
    stf_pool_destroy(w->pool);
    w->pool = NULL;
    VSIFree(w->tiles);
    w->tiles = NULL;
    VSIFree(w->slots);
    w->slots = NULL;
    VSIFree(w->record);
    w->record = NULL;
}
