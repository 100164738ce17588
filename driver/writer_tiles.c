/* Where tiles wait.
 *
 * A tile that is begun gets a slot. Where there is none left, the one that was not touched for longest gives way, if
 * that is long ago; but where all are in use at once (rows that are wider than the slots), it would be wanted again with
 * the very next row. Then the new tile begins in the spill, and its pixels go there as they come: each sample is written
 * there once and read once, however narrow the rows are. */
#include <string.h>

#include "writer_internal.h"

#define NO_SLOT UINT32_MAX

/* --- the spill --------------------------------------------------------------------------------- */

static stf_spill *spill_of(const stf_writer *w, uint32_t region, uint64_t *within) {
    *within = region % w->regions_each;
    return w->spills[region / w->regions_each];
}

static bool take_region(stf_writer *w, uint32_t *region, stf_error *err) {
    for (uint32_t i = 0; i < STF_WRITER_SPILLS; i++) {
        if (!w->spills[i]) {
            size_t bytes = w->record_bytes * w->copy.format.height_px;
            if (!stf_budget_charge(w->budget, w->spill_cost_bytes, "a spill", err))
                return false;
            w->spills[i] = stf_spill_create(w->target, bytes, w->regions_each, err);
            if (!w->spills[i]) {
                stf_budget_release(w->budget, w->spill_cost_bytes);
                return false;
            }
        }
        if (stf_spill_free_regions(w->spills[i]) > 0) {
            *region = (uint32_t)(i * w->regions_each + stf_spill_take(w->spills[i]));
            return true;
        }
    }
    return stf_fail(err, CPLE_AppDefined, "The spill has no room for a tile more");
}

static void give_region(stf_writer *w, uint32_t region) {
    uint64_t within;
    stf_spill *spill = spill_of(w, region, &within);
    stf_spill_give(spill, within);
}

uint64_t stf_writer_spilled_bytes(const stf_writer *w) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < STF_WRITER_SPILLS && w->spills[i]; i++)
        bytes += stf_spill_bytes_written(w->spills[i]);
    return bytes;
}

static size_t record_pixels_bytes(const stf_writer *w) {
    return w->copy.format.width_px * stf_writer_pixel_bytes(w);
}

/* Of long rows only the pixels that are wanted are moved; the masks always all. */
static bool is_partial(const stf_writer *w, uint32_t width) {
    size_t bytes = width * stf_writer_pixel_bytes(w);
    return bytes < record_pixels_bytes(w) / 4 && record_pixels_bytes(w) > 4096;
}

bool stf_writer_load_record(stf_writer *w, const stf_writer_tile *tile, uint32_t row, uint32_t x, uint32_t width,
                            stf_error *err) {
    uint64_t within;
    size_t pixel = stf_writer_pixel_bytes(w), masks = record_pixels_bytes(w), at = row * w->record_bytes;
    if (row >= tile->rows) {
        memset(w->record + masks, 0, w->record_bytes - masks);
        return true;
    }
    stf_spill *spill = spill_of(w, tile->place, &within);
    if (!is_partial(w, width))
        return stf_spill_read(spill, within, at, w->record, w->record_bytes, err);
    return stf_spill_read(spill, within, at + x * pixel, w->record + x * pixel, width * pixel, err) &&
           stf_spill_read(spill, within, at + masks, w->record + masks, w->record_bytes - masks, err);
}

/* Rows in front of it that were never touched get masks that say so: the region may have been another tile's. */
static bool reach_row(stf_writer *w, stf_writer_tile *tile, uint32_t row, stf_error *err) {
    static const unsigned char zeros[64] = {0};
    uint64_t within;
    stf_spill *spill = spill_of(w, tile->place, &within);
    for (; tile->rows < row; tile->rows++)
        for (size_t done = record_pixels_bytes(w); done < w->record_bytes;) {
            size_t bytes = w->record_bytes - done < sizeof zeros ? w->record_bytes - done : sizeof zeros;
            if (!stf_spill_write(spill, within, tile->rows * w->record_bytes + done, zeros, bytes, err))
                return false;
            done += bytes;
        }
    return true;
}

bool stf_writer_store_record(stf_writer *w, stf_writer_tile *tile, uint32_t row, uint32_t x, uint32_t width,
                             stf_error *err) {
    uint64_t within;
    size_t pixel = stf_writer_pixel_bytes(w), masks = record_pixels_bytes(w), at = row * w->record_bytes;
    stf_spill *spill = spill_of(w, tile->place, &within);
    if (!reach_row(w, tile, row, err))
        return false;
    bool done = is_partial(w, width)
                    ? stf_spill_write(spill, within, at + x * pixel, w->record + x * pixel, width * pixel, err) &&
                          stf_spill_write(spill, within, at + masks, w->record + masks, w->record_bytes - masks, err)
                    : stf_spill_write(spill, within, at, w->record, w->record_bytes, err);
    if (done && row >= tile->rows)
        tile->rows = row + 1;
    return done;
}

/* --- slots ------------------------------------------------------------------------------------- */

static void touch(stf_writer *w, uint32_t slot) {
    w->slots[slot].touched = ++w->clock;
}

static void settle(stf_writer *w, uint64_t tile, uint32_t slot) {
    w->slots[slot].tile = tile;
    w->slots[slot].open = true;
    w->tiles[tile].place = slot;
    w->tiles[tile].state = STF_TILE_OPEN;
    touch(w, slot);
}

static void leave(stf_writer *w, uint32_t slot) {
    w->slots[slot].open = false;
    w->open_tiles--;
}

static bool queue_open_tile(stf_writer *w, uint64_t tile, stf_error *err) {
    uint32_t slot = w->tiles[tile].place;
    leave(w, slot);
    w->tiles[tile].state = STF_TILE_QUEUED;
    w->tiles[tile].changed = false;
    w->reencoded += w->tiles[tile].in_file;
    return stf_writer_queue(w, tile, slot, err);
}

static void drop_open_tile(stf_writer *w, uint64_t tile) {
    uint32_t slot = w->tiles[tile].place;
    leave(w, slot);
    w->tiles[tile].state = STF_TILE_WRITTEN;
    stf_pool_give(w->pool, slot);
}

static bool spill_open_tile(stf_writer *w, uint64_t tile, stf_error *err) {
    stf_writer_tile *t = &w->tiles[tile];
    uint32_t slot = t->place;
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, tile);
    size_t pixels = record_pixels_bytes(w);
    if (!take_region(w, &t->place, err)) {
        t->place = slot;
        return false;
    }
    t->rows = 0;
    for (uint32_t row = 0; row < valid.height; row++) {
        memcpy(w->record, stf_writer_pixels(w, slot) + row * pixels, pixels);
        for (uint16_t s = 0; s < w->copy.format.samples; s++)
            memcpy(w->record + pixels + s * w->mask_row_bytes,
                   stf_writer_masks(w, slot) + s * w->mask_band_bytes + row * w->mask_row_bytes, w->mask_row_bytes);
        if (!stf_writer_store_record(w, t, row, 0, w->copy.format.width_px, err))
            return false;
    }
    t->state = STF_TILE_SPILLED;
    w->slots[slot].open = false;
    stf_pool_give(w->pool, slot);
    return true;
}

/* A slot whose tile is open, the longest untouched. */
static uint32_t oldest_slot(const stf_writer *w) {
    uint32_t found = NO_SLOT;
    for (uint32_t i = 0; i < w->slot_count; i++)
        if (w->slots[i].open && (found == NO_SLOT || w->slots[i].touched < w->slots[found].touched))
            found = i;
    return found;
}

static bool evict(stf_writer *w, uint32_t slot, stf_error *err) {
    uint64_t tile = w->slots[slot].tile;
    if (w->tiles[tile].missing > 0)
        return spill_open_tile(w, tile, err);
    if (w->tiles[tile].changed || !w->tiles[tile].in_file)
        return queue_open_tile(w, tile, err);
    drop_open_tile(w, tile);
    return true;
}

bool stf_writer_shrink(stf_writer *w, uint64_t slot_count, stf_error *err) {
    if (slot_count >= w->slot_count)
        return true;
    for (uint32_t slot = 0; slot < w->slot_count; slot++)
        if (w->slots[slot].open && !evict(w, slot, err))
            return false;
    if (!stf_writer_drain(w, err))
        return false;
    stf_pool_destroy(w->pool);
    w->slot_count = slot_count;
    w->pool = stf_pool_create(w->budget, w->slot_bytes, (uint32_t)slot_count, "tiles", err);
    return w->pool != NULL;
}

/* Tiles that are all in use together are touched in turn: within two rounds. */
static bool is_in_use(const stf_writer *w, uint32_t slot) {
    const stf_writer_tile *tile = &w->tiles[w->slots[slot].tile];
    return tile->missing > 0 && w->clock - w->slots[slot].touched <= 2 * w->open_tiles + 16;
}

/* *slot is NO_SLOT where one could only be had from a tile that is in use, and it need not be. */
static bool take_slot(stf_writer *w, bool needed, uint32_t *slot, stf_error *err) {
    *slot = NO_SLOT;
    for (;;) {
        bool any = true;
        while (any)
            if (!stf_writer_commit_next(w, stf_pool_free_items(w->pool) == 0, &any, err))
                return false;
        if (stf_pool_free_items(w->pool) > 0)
            return stf_pool_take(w->pool, slot, err);
        uint32_t oldest = oldest_slot(w);
        if (oldest == NO_SLOT)
            return stf_fail(err, CPLE_AppDefined, "No memory for a tile is left");
        if (!needed && is_in_use(w, oldest))
            return true;
        if (!evict(w, oldest, err))
            return false;
    }
}

/* --- states ------------------------------------------------------------------------------------ */

static uint64_t samples_of(const stf_writer *w, uint64_t tile) {
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, tile);
    return (uint64_t)valid.width * valid.height * w->copy.format.samples;
}

static bool load_spilled(stf_writer *w, uint64_t tile, stf_error *err) {
    stf_writer_tile *t = &w->tiles[tile];
    uint32_t slot, region = t->place;
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, tile);
    size_t pixels = record_pixels_bytes(w);
    if (!take_slot(w, true, &slot, err))
        return false;
    for (uint32_t row = 0; row < valid.height; row++) {
        if (!stf_writer_load_record(w, t, row, 0, w->copy.format.width_px, err)) {
            stf_pool_give(w->pool, slot);
            return false;
        }
        memcpy(stf_writer_pixels(w, slot) + row * pixels, w->record, pixels);
        for (uint16_t s = 0; s < w->copy.format.samples; s++)
            memcpy(stf_writer_masks(w, slot) + s * w->mask_band_bytes + row * w->mask_row_bytes,
                   w->record + pixels + s * w->mask_row_bytes, w->mask_row_bytes);
    }
    give_region(w, region);
    settle(w, tile, slot);
    return true;
}

static bool begin_tile(stf_writer *w, uint64_t tile, bool whole, stf_error *err) {
    stf_writer_tile *t = &w->tiles[tile];
    uint32_t slot;
    if (!take_slot(w, whole, &slot, err))
        return false;
    t->missing = whole ? 0 : samples_of(w, tile);
    t->changed = true;
    if (slot == NO_SLOT) {
        if (!take_region(w, &t->place, err))
            return false;
        t->rows = 0;
        t->state = STF_TILE_SPILLED;
        w->clock++;
    } else {
        if (!whole)
            memset(stf_writer_masks(w, slot), 0, w->copy.format.samples * w->mask_band_bytes);
        settle(w, tile, slot);
    }
    w->open_tiles++;
    return true;
}

static bool reopen_tile(stf_writer *w, uint64_t tile, bool whole, stf_error *err) {
    uint32_t slot;
    if (!take_slot(w, true, &slot, err))
        return false;
    if (!whole && !stf_writer_decode(w, tile, slot, err)) {
        stf_pool_give(w->pool, slot);
        return false;
    }
    w->tiles[tile].missing = 0;
    w->tiles[tile].changed = whole;
    settle(w, tile, slot);
    w->open_tiles++;
    return true;
}

static bool wait_for(stf_writer *w, uint64_t tile, stf_error *err) {
    bool any = true;
    while (w->tiles[tile].state == STF_TILE_QUEUED)
        if (!stf_writer_commit_next(w, true, &any, err))
            return false;
    return true;
}

bool stf_writer_open_tile(stf_writer *w, uint64_t tile, bool whole, stf_error *err) {
    stf_writer_tile *t = &w->tiles[tile];
    if (!wait_for(w, tile, err))
        return false;
    if (t->state == STF_TILE_NEVER)
        return begin_tile(w, tile, whole, err);
    if (t->state == STF_TILE_WRITTEN && !reopen_tile(w, tile, whole, err))
        return false;
    if (t->state == STF_TILE_SPILLED && whole && !load_spilled(w, tile, err))
        return false;
    if (t->state == STF_TILE_OPEN)
        touch(w, t->place);
    else
        w->clock++;
    t->changed = true;
    if (whole)
        t->missing = 0;
    return true;
}

bool stf_writer_show_tile(stf_writer *w, uint64_t tile, stf_error *err) {
    stf_writer_tile *t = &w->tiles[tile];
    if (!wait_for(w, tile, err) || (t->state == STF_TILE_WRITTEN && !reopen_tile(w, tile, false, err)))
        return false;
    if (t->state == STF_TILE_OPEN)
        touch(w, t->place);
    return true;
}

bool stf_writer_tile_was_written(stf_writer *w, uint64_t tile, stf_error *err) {
    const stf_writer_tile *t = &w->tiles[tile];
    if (t->missing > 0 || t->in_file) /* one that comes a second time may come a third: it waits as long as it can */
        return true;
    if (t->state == STF_TILE_SPILLED && !load_spilled(w, tile, err))
        return false;
    return queue_open_tile(w, tile, err);
}

/* --- the end ----------------------------------------------------------------------------------- */

static bool finish_tile(stf_writer *w, uint64_t tile, stf_error *err) {
    stf_writer_tile *t = &w->tiles[tile];
    if (t->state == STF_TILE_NEVER) {
        if (w->copy.options.sparse_ok)
            return true;
        if (!begin_tile(w, tile, true, err))
            return false;
        stf_writer_fill(w, stf_writer_pixels(w, t->place),
                        (uint32_t)(record_pixels_bytes(w) / w->copy.raster.sample_bytes) * w->copy.format.height_px,
                        w->copy.raster.sample_bytes);
    }
    if (t->state == STF_TILE_SPILLED && !load_spilled(w, tile, err))
        return false;
    if (t->state != STF_TILE_OPEN)
        return true;
    if (!t->changed && t->in_file) {
        drop_open_tile(w, tile);
        return true;
    }
    stf_writer_complete(w, tile);
    return queue_open_tile(w, tile, err);
}

bool stf_writer_finish_tiles(stf_writer *w, stf_error *err) {
    for (uint64_t tile = 0; tile < w->tile_count; tile++)
        if (!finish_tile(w, tile, err))
            return false;
    return stf_writer_drain(w, err);
}
