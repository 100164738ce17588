/* Memory and spill of a cache of units: who stays, who leaves, and how a unit gets there. */
#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "platform.h"
#include "unit_cache_internal.h"

/* --- who may leave ----------------------------------------------------------------------------- */

/* A request for whole rows taller than a unit is itself a sweep: what it has passed is over, but for the last two rows
 * of units, which the next request may begin in. */
static bool is_passed(const stf_unit_cache *cache, const stf_unit_entry *entry) {
    const stf_unit_request *request = &cache->request;
    const stf_unit *unit = &entry->unit;
    if (!request->active || !request->whole_width || unit->group > request->at.group)
        return false;
    const stf_axis *y = &cache->job.groups[unit->group].y;
    if (unit->row + 1 >= stf_axis_cell(y, request->window.y + request->window.height - 1))
        return false;
    if (unit->group < request->at.group || unit->row < request->at.row)
        return true;
    return unit->row == request->at.row && unit->column <= request->at.column && entry->used;
}

static bool is_dead(const stf_unit_cache *cache, const stf_unit_entry *entry) {
    return stf_read_pattern_is_forward(&cache->pattern) &&
           (entry->unit.window.y + entry->unit.window.height <= cache->pattern.top_px || is_passed(cache, entry));
}

static bool can_leave(const stf_unit_entry *entry) {
    return entry->state == STF_UNIT_READY && !entry->pinned;
}

static bool suits_dead(const void *cache, const stf_unit_entry *entry) {
    return can_leave(entry) && is_dead(cache, entry);
}

static bool suits_used(const void *cache, const stf_unit_entry *entry) {
    (void)cache;
    return can_leave(entry) && entry->used;
}

static bool suits_any(const void *cache, const stf_unit_entry *entry) {
    (void)cache;
    return can_leave(entry);
}

static bool suits_dead_region(const void *cache, const stf_unit_entry *entry) {
    return entry->state == STF_UNIT_SPILLED && !entry->pinned && is_dead(cache, entry);
}

static bool suits_region(const void *cache, const stf_unit_entry *entry) {
    (void)cache;
    return entry->state == STF_UNIT_SPILLED && !entry->pinned;
}

uint32_t stf_unit_cache_resident_slots(const stf_unit_cache *cache) {
    return cache->size.readers > 1 ? cache->size.slots - cache->size.readers : cache->size.slots;
}

/* --- memory ------------------------------------------------------------------------------------ */

static void give_memory(stf_unit_cache *cache, stf_unit_entry *entry) {
    cache->free_memory[cache->free_count++] = entry->memory;
    entry->memory = NULL;
    cache->slots_used--;
}

static bool take_memory(stf_unit_cache *cache, unsigned char **memory, stf_error *err) {
    if (cache->free_count == 0) {
        size_t bytes = (size_t)cache->job.unit_bytes;
        if (!stf_budget_charge(cache->job.budget, bytes, "a block of the source", err))
            return false;
        *memory = stf_platform_pages_alloc(bytes);
        if (!*memory) {
            stf_budget_release(cache->job.budget, bytes);
            return stf_fail(err, CPLE_OutOfMemory, "No memory for a block of " CPL_FRMT_GUIB " bytes", (GUIntBig)bytes);
        }
        cache->slots_made++;
    } else {
        *memory = cache->free_memory[--cache->free_count];
    }
    cache->slots_used++;
    return true;
}

void stf_unit_cache_release_memory(stf_unit_cache *cache) {
    while (cache->free_count > 0) {
        stf_platform_pages_free(cache->free_memory[--cache->free_count], (size_t)cache->job.unit_bytes);
        stf_budget_release(cache->job.budget, cache->job.unit_bytes);
        cache->slots_made--;
    }
}

static void drop(stf_unit_cache *cache, uint32_t number) {
    stf_unit_entry *entry = stf_unit_table_at(cache->table, number);
    if (entry->memory)
        give_memory(cache, entry);
    if (entry->region != STF_NO_REGION)
        stf_spill_give(cache->spill, entry->region);
    stf_unit_table_remove(cache->table, number);
}

static bool suits_all(const void *cache, const stf_unit_entry *entry) {
    (void)cache;
    (void)entry;
    return true;
}

void stf_unit_cache_drop_all(stf_unit_cache *cache) {
    for (;;) {
        uint32_t number = stf_unit_table_oldest(cache->table, suits_all, cache);
        if (number == STF_NO_UNIT)
            return;
        drop(cache, number);
    }
}

bool stf_unit_cache_drop_dead(stf_unit_cache *cache) {
    uint32_t number = stf_unit_table_oldest(cache->table, suits_dead, cache);
    if (number == STF_NO_UNIT)
        return false;
    drop(cache, number);
    return true;
}

/* --- the spill --------------------------------------------------------------------------------- */

static bool ready_spill(stf_unit_cache *cache, stf_error *err) {
    if (!cache->spill)
        cache->spill = stf_spill_create(cache->job.target ? cache->job.target : "/vsi", (size_t)cache->job.unit_bytes,
                                        stf_unit_cache_regions(&cache->job), err);
    return cache->spill != NULL;
}

/* Three rows of units have room; where more than that was spilled, the ones passed leave, else the oldest. */
static bool free_region(stf_unit_cache *cache) {
    if (stf_spill_free_regions(cache->spill) > 0)
        return true;
    uint32_t number = stf_unit_table_oldest(cache->table, suits_dead_region, cache);
    if (number == STF_NO_UNIT)
        number = stf_unit_table_oldest(cache->table, suits_region, cache);
    if (number == STF_NO_UNIT)
        return false;
    drop(cache, number);
    return true;
}

/* In the region the rows of each band follow each other without gaps. */
static bool write_unit(stf_unit_cache *cache, const stf_unit_entry *entry, uint64_t region, stf_error *err) {
    const stf_group *group = &cache->job.groups[entry->unit.group];
    size_t row_bytes = (size_t)entry->unit.window.width * cache->job.sample_bytes;
    size_t height = entry->unit.window.height, at = 0;
    for (uint32_t band = 0; band < group->bands; band++) {
        const unsigned char *from = entry->memory + entry->offset_bytes + band * entry->band_bytes;
        size_t bytes = entry->row_bytes == row_bytes ? row_bytes * height : row_bytes;
        for (size_t row = 0; row < height; row += bytes / row_bytes, at += bytes)
            if (!stf_spill_write(cache->spill, region, at, from + row * entry->row_bytes, bytes, err))
                return false;
    }
    return true;
}

bool stf_unit_cache_spill_unit(stf_unit_cache *cache, uint32_t number, stf_error *err) {
    stf_unit_entry *entry = stf_unit_table_at(cache->table, number);
    if (!free_region(cache)) {
        drop(cache, number);
        return true;
    }
    uint64_t region = stf_spill_take(cache->spill);
    entry->state = STF_UNIT_SPILLING;
    stf_unit_cache_unlock(cache);
    bool done = write_unit(cache, entry, region, err);
    stf_unit_cache_lock(cache);
    entry->region = region;
    if (done) {
        give_memory(cache, entry);
        entry->state = STF_UNIT_SPILLED;
    } else {
        drop(cache, number);
    }
    CPLCondBroadcast(cache->changed);
    return done;
}

/* --- room -------------------------------------------------------------------------------------- */

static bool evict(stf_unit_cache *cache, uint32_t number, stf_error *err) {
    if (!stf_read_pattern_is_forward(&cache->pattern)) {
        drop(cache, number);
        return true;
    }
    return ready_spill(cache, err) && stf_unit_cache_spill_unit(cache, number, err);
}

bool stf_unit_cache_make_room(stf_unit_cache *cache, stf_error *err) {
    if (stf_unit_cache_drop_dead(cache))
        return true;
    uint32_t number = stf_unit_table_oldest(cache->table, suits_used, cache);
    if (number == STF_NO_UNIT)
        number = stf_unit_table_oldest(cache->table, suits_any, cache);
    if (number != STF_NO_UNIT)
        return evict(cache, number, err);
    CPLCondWait(cache->changed, cache->mutex); /* all of them are in the hands of workers */
    return true;
}

bool stf_unit_cache_settle(stf_unit_cache *cache, stf_error *err) {
    while (cache->slots_used > stf_unit_cache_resident_slots(cache)) {
        if (stf_unit_cache_drop_dead(cache))
            continue;
        uint32_t number = stf_unit_table_oldest(cache->table, suits_used, cache);
        if (number == STF_NO_UNIT)
            break; /* what is left is on its way to the reader */
        if (!evict(cache, number, err))
            return false;
    }
    return true;
}

/* --- decoding ---------------------------------------------------------------------------------- */

static bool charge_reader(stf_unit_cache *cache, uint32_t reader, stf_error *err) {
    if (!cache->reader_charged[reader] &&
        !stf_budget_charge(cache->job.budget, cache->job.reader_bytes, "a reader of the source", err))
        return false;
    cache->reader_charged[reader] = true;
    return true;
}

/* All pixels of one value take as much room as others, once they are here: the reader gets rows. */
static void fill_constant(const stf_unit_cache *cache, const stf_unit *unit, unsigned char *memory,
                          stf_unit_pixels *pixels) {
    size_t sample = cache->job.sample_bytes, row = unit->window.width * sample;
    size_t bytes = row * unit->window.height * cache->job.groups[unit->group].bands;
    for (size_t at = 0; at < bytes; at += sample)
        memcpy(memory + at, pixels->value, sample);
    pixels->pixels = memory;
    pixels->row_bytes = row;
    pixels->band_bytes = row * unit->window.height;
}

static bool read_unit(stf_unit_cache *cache, uint32_t reader, stf_unit_entry *entry, stf_error *err) {
    stf_unit_pixels pixels = {0};
    stf_messages_begin(&cache->messages);
    bool done = cache->job.source.read(cache->job.source.context, reader, &entry->unit, entry->memory, &pixels, err);
    stf_messages_end();
    if (!done)
        return false;
    if (pixels.constant)
        fill_constant(cache, &entry->unit, entry->memory, &pixels);
    entry->offset_bytes = (size_t)(pixels.pixels - entry->memory);
    entry->row_bytes = pixels.row_bytes;
    entry->band_bytes = pixels.band_bytes;
    return true;
}

bool stf_unit_cache_decode(stf_unit_cache *cache, uint32_t reader, const stf_unit *unit, uint32_t *number,
                           stf_error *err) {
    unsigned char *memory = NULL;
    if (!charge_reader(cache, reader, err) || !take_memory(cache, &memory, err))
        return false;
    *number = stf_unit_table_add(cache->table, unit);
    if (*number == STF_NO_UNIT) {
        cache->free_memory[cache->free_count++] = memory;
        cache->slots_used--;
        return stf_fail(err, CPLE_AppDefined, "The table of decoded blocks is full");
    }
    stf_unit_entry *entry = stf_unit_table_at(cache->table, *number);
    entry->memory = memory;
    stf_unit_cache_unlock(cache);
    bool done = read_unit(cache, reader, entry, err);
    stf_unit_cache_lock(cache);
    if (done) {
        entry->state = STF_UNIT_READY;
        entry->stamp = ++cache->clock;
        cache->units_read++;
    } else {
        drop(cache, *number);
    }
    CPLCondBroadcast(cache->changed);
    return done;
}
