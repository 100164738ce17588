#include "unit_cache.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "platform.h"
#include "unit_cache_internal.h"

void stf_unit_cache_lock(stf_unit_cache *cache) {
    CPLAcquireMutex(cache->mutex, 1000.0);
}

void stf_unit_cache_unlock(stf_unit_cache *cache) {
    CPLReleaseMutex(cache->mutex);
}

/* --- making and unmaking ----------------------------------------------------------------------- */

static uint64_t pieces_bytes(const stf_unit_cache *cache, uint32_t rows) {
    return rows == 0
               ? 0
               : stf_mul(stf_unit_cache_pieces(&cache->job),
                         stf_add(stf_mul(stf_unit_cache_piece_row_bytes(&cache->job), rows), sizeof(stf_unit_piece)));
}

static void free_pieces(stf_unit_cache *cache) {
    stf_platform_pages_free(cache->pieces, (size_t)cache->pieces_charge_bytes);
    if (cache->pieces)
        stf_budget_release(cache->job.budget, cache->pieces_charge_bytes);
    cache->pieces = NULL;
    cache->piece_pixels = NULL;
    cache->pieces_charge_bytes = 0;
}

/* The list of pieces and their pixels in one mapping. */
static bool make_pieces(stf_unit_cache *cache, uint32_t rows, stf_error *err) {
    uint64_t bytes = pieces_bytes(cache, rows);
    free_pieces(cache);
    if (rows == 0)
        return true;
    if (!stf_budget_charge(cache->job.budget, bytes, "rows read back from the spill", err))
        return false;
    cache->pieces = stf_platform_pages_alloc((size_t)bytes);
    if (!cache->pieces) {
        stf_budget_release(cache->job.budget, bytes);
        return stf_fail(err, CPLE_OutOfMemory, "No memory for " CPL_FRMT_GUIB " bytes of rows", (GUIntBig)bytes);
    }
    cache->pieces_charge_bytes = bytes;
    cache->piece_pixels = (unsigned char *)(cache->pieces + stf_unit_cache_pieces(&cache->job));
    return true;
}

static bool charge_fixed(stf_unit_cache *cache, stf_error *err) {
    stf_unit_cache_size none = {0, 0, 0};
    uint64_t bytes = stf_unit_cache_need_bytes(&cache->job, &none);
    if (!stf_budget_charge(cache->job.budget, bytes, "the tables of the cache", err))
        return false;
    cache->fixed_charge_bytes = bytes;
    return true;
}

static bool make_tables(stf_unit_cache *cache, stf_error *err) {
    const stf_unit_cache_job *job = &cache->job;
    uint32_t most = stf_unit_cache_most_slots(job);
    cache->first_key = VSICalloc(job->group_count, sizeof *cache->first_key);
    cache->first_piece = VSICalloc(job->group_count, sizeof *cache->first_piece);
    cache->ahead = VSICalloc(job->group_count, sizeof *cache->ahead);
    cache->free_memory = VSICalloc(most, sizeof(void *));
    cache->bounce = VSIMalloc((size_t)stf_unit_cache_bounce_bytes(job));
    if (!cache->first_key || !cache->first_piece || !cache->ahead || !cache->free_memory || !cache->bounce)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the tables of the cache");
    for (uint32_t g = 1; g < job->group_count; g++) {
        const stf_group *before = &job->groups[g - 1];
        cache->first_key[g] = cache->first_key[g - 1] + (uint64_t)before->x.cells * before->y.cells;
        cache->first_piece[g] = cache->first_piece[g - 1] + (uint64_t)before->x.cells * before->bands;
    }
    cache->table = stf_unit_table_create(most + (uint32_t)stf_unit_cache_regions(job), err);
    return cache->table != NULL;
}

static bool set_up(stf_unit_cache *cache, stf_error *err) {
    cache->mutex = CPLCreateMutex();
    if (cache->mutex)
        CPLReleaseMutex(cache->mutex);
    cache->changed = CPLCreateCond();
    if (!cache->mutex || !cache->changed || !stf_messages_init(&cache->messages))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the locks of the cache");
    return charge_fixed(cache, err) && make_tables(cache, err) && make_pieces(cache, cache->size.piece_rows, err);
}

stf_unit_cache *stf_unit_cache_create(const stf_unit_cache_job *job, const stf_unit_cache_size *size, stf_error *err) {
    stf_unit_cache *cache = VSICalloc(1, sizeof *cache);
    if (!cache) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for a cache");
        return NULL;
    }
    cache->job = *job;
    cache->size = *size;
    if (set_up(cache, err))
        return cache;
    stf_unit_cache_destroy(cache);
    return NULL;
}

static void release_readers(stf_unit_cache *cache) {
    for (uint32_t i = 0; i < STF_CACHE_READERS; i++)
        if (cache->reader_charged[i])
            stf_budget_release(cache->job.budget, cache->job.reader_bytes);
}

void stf_unit_cache_destroy(stf_unit_cache *cache) {
    if (!cache)
        return;
    if (cache->mutex && cache->changed)
        stf_unit_cache_stop_workers(cache);
    if (cache->table) {
        stf_unit_cache_drop_all(cache);
        stf_unit_cache_release_memory(cache);
    }
    release_readers(cache);
    free_pieces(cache);
    stf_spill_destroy(cache->spill);
    stf_unit_table_destroy(cache->table);
    stf_budget_release(cache->job.budget, cache->fixed_charge_bytes);
    stf_messages_free(&cache->messages);
    VSIFree(cache->first_key);
    VSIFree(cache->first_piece);
    VSIFree(cache->ahead);
    VSIFree(cache->free_memory);
    VSIFree(cache->bounce);
    if (cache->changed)
        CPLDestroyCond(cache->changed);
    if (cache->mutex)
        CPLDestroyMutex(cache->mutex);
    VSIFree(cache);
}

bool stf_unit_cache_resize(stf_unit_cache *cache, const stf_unit_cache_size *size, stf_error *err) {
    bool done = true;
    stf_unit_cache_lock(cache);
    cache->size.slots = size->slots;
    cache->size.readers = size->readers;
    while (done && cache->slots_used > size->slots)
        done = stf_unit_cache_make_room(cache, err);
    stf_unit_cache_release_memory(cache);
    stf_unit_cache_unlock(cache);
    if (!done)
        return false;
    cache->size.piece_rows = size->piece_rows;
    return make_pieces(cache, size->piece_rows, err);
}

stf_unit_cache_figures stf_unit_cache_tell(stf_unit_cache *cache) {
    stf_unit_cache_figures figures = {0};
    stf_unit_cache_lock(cache);
    figures.units_read = cache->units_read;
    figures.spill_bytes = cache->spill ? stf_spill_bytes_written(cache->spill) : 0;
    figures.spill_read_bytes = cache->spill_read_bytes;
    for (uint32_t g = 0; g < cache->job.group_count; g++)
        figures.groups_seen += cache->ahead[g].seen ? 1 : 0;
    stf_unit_cache_unlock(cache);
    return figures;
}

/* --- reading: one unit ------------------------------------------------------------------------- */

/* What one call of the reader asks for. */
typedef struct cache_read {
    stf_unit_cache *cache;
    const stf_window *window;
    const uint32_t *bands;
    uint32_t band_count;
    stf_unit_deliver deliver;
    void *context;
} cache_read;

static stf_window shared(const stf_window *a, const stf_window *b) {
    uint32_t right_a = a->x + a->width, right_b = b->x + b->width;
    uint32_t bottom_a = a->y + a->height, bottom_b = b->y + b->height;
    stf_window both;
    both.x = a->x > b->x ? a->x : b->x;
    both.y = a->y > b->y ? a->y : b->y;
    both.width = (right_a < right_b ? right_a : right_b) - both.x;
    both.height = (bottom_a < bottom_b ? bottom_a : bottom_b) - both.y;
    return both;
}

static bool deliver_from_memory(const cache_read *read, const stf_unit_entry *entry, uint32_t index, uint32_t band,
                                const stf_window *part, stf_error *err) {
    const unsigned char *pixels = entry->memory + entry->offset_bytes + band * entry->band_bytes +
                                  (part->y - entry->unit.window.y) * entry->row_bytes +
                                  (size_t)(part->x - entry->unit.window.x) * read->cache->job.sample_bytes;
    return read->deliver(read->context, index, part, pixels, entry->row_bytes, err);
}

/* Rows of one band of a spilled unit, counted within it. */
static bool read_back(stf_unit_cache *cache, const stf_unit_entry *entry, uint32_t band, uint32_t first_row,
                      uint32_t rows, void *to, stf_error *err) {
    size_t row_bytes = (size_t)entry->unit.window.width * cache->job.sample_bytes;
    size_t offset = ((size_t)band * entry->unit.window.height + first_row) * row_bytes;
    cache->spill_read_bytes += rows * row_bytes;
    return stf_spill_read(cache->spill, entry->region, offset, to, rows * row_bytes, err);
}

/* A few rows are kept for the requests that follow. */
static bool deliver_from_piece(const cache_read *read, const stf_unit_entry *entry, uint32_t index, uint32_t band,
                               const stf_window *part, stf_error *err) {
    stf_unit_cache *cache = read->cache;
    const stf_unit *unit = &entry->unit;
    uint64_t number =
        cache->first_piece[unit->group] + (uint64_t)unit->column * cache->job.groups[unit->group].bands + band;
    stf_unit_piece *piece = &cache->pieces[number];
    size_t row_bytes = (size_t)unit->window.width * cache->job.sample_bytes;
    unsigned char *pixels =
        cache->piece_pixels + number * cache->size.piece_rows * stf_unit_cache_piece_row_bytes(&cache->job);
    uint32_t first = part->y - unit->window.y, end = first + part->height;
    if (piece->key != entry->key + 1 || first < piece->first_row || end > piece->first_row + piece->rows) {
        uint32_t left = unit->window.height - first;
        piece->key = 0;
        piece->rows = left < cache->size.piece_rows ? left : cache->size.piece_rows;
        piece->first_row = first;
        if (!read_back(cache, entry, band, first, piece->rows, pixels, err))
            return false;
        piece->key = entry->key + 1;
    }
    return read->deliver(read->context, index, part,
                         pixels + (first - piece->first_row) * row_bytes +
                             (size_t)(part->x - unit->window.x) * cache->job.sample_bytes,
                         row_bytes, err);
}

static bool deliver_from_spill(const cache_read *read, const stf_unit_entry *entry, uint32_t index, uint32_t band,
                               const stf_window *part, stf_error *err) {
    stf_unit_cache *cache = read->cache;
    if (part->height <= cache->size.piece_rows)
        return deliver_from_piece(read, entry, index, band, part, err);
    size_t row_bytes = (size_t)entry->unit.window.width * cache->job.sample_bytes;
    uint32_t most = (uint32_t)(stf_unit_cache_bounce_bytes(&cache->job) / row_bytes);
    for (uint32_t row = 0; row < part->height; row += most) {
        stf_window some = *part;
        some.y += row;
        some.height = part->height - row < most ? part->height - row : most;
        if (!read_back(cache, entry, band, some.y - entry->unit.window.y, some.height, cache->bounce, err) ||
            !read->deliver(read->context, index, &some,
                           cache->bounce + (size_t)(part->x - entry->unit.window.x) * cache->job.sample_bytes,
                           row_bytes, err))
            return false;
    }
    return true;
}

/* The entry is pinned, and the lock is not held. */
static bool deliver_unit(const cache_read *read, const stf_unit_entry *entry, stf_error *err) {
    const stf_group *group = &read->cache->job.groups[entry->unit.group];
    stf_window part = shared(read->window, &entry->unit.window);
    for (uint32_t i = 0; i < read->band_count; i++) {
        if (read->bands[i] < group->first_band || read->bands[i] - group->first_band >= group->bands)
            continue;
        uint32_t band = read->bands[i] - group->first_band;
        if (entry->state == STF_UNIT_READY ? !deliver_from_memory(read, entry, i, band, &part, err)
                                           : !deliver_from_spill(read, entry, i, band, &part, err))
            return false;
    }
    return true;
}

/* [lock] Finds the unit, decodes it, or waits for who does. *number: READY or SPILLED. */
static bool obtain(stf_unit_cache *cache, const stf_unit *unit, uint32_t *number, stf_error *err) {
    for (;;) {
        *number = stf_unit_table_find(cache->table, unit->number);
        if (*number == STF_NO_UNIT) {
            CPLCondBroadcast(cache->changed); /* workers may take what comes after it */
            if (cache->slots_used < cache->size.slots)
                return stf_unit_cache_decode(cache, 0, unit, number, err);
            if (!stf_unit_cache_make_room(cache, err))
                return false;
            continue;
        }
        stf_unit_state state = stf_unit_table_at(cache->table, *number)->state;
        if (state == STF_UNIT_READY || state == STF_UNIT_SPILLED)
            return true;
        CPLCondWait(cache->changed, cache->mutex);
    }
}

/* [lock] */
static bool read_unit(const cache_read *read, const stf_unit *unit, stf_error *err) {
    stf_unit_cache *cache = read->cache;
    uint32_t number;
    if (!obtain(cache, unit, &number, err))
        return false;
    stf_unit_entry *entry = stf_unit_table_at(cache->table, number);
    entry->pinned = true;
    stf_unit_cache_unlock(cache);
    bool done = deliver_unit(read, entry, err);
    stf_unit_cache_lock(cache);
    entry->pinned = false;
    entry->used = true;
    entry->stamp = ++cache->clock;
    return done && stf_unit_cache_settle(cache, err);
}

/* --- reading: all units of a window ------------------------------------------------------------ */

static bool wants_group(const cache_read *read, const stf_group *group) {
    for (uint32_t i = 0; i < read->band_count; i++)
        if (read->bands[i] >= group->first_band && read->bands[i] - group->first_band < group->bands)
            return true;
    return false;
}

bool stf_unit_cache_read(stf_unit_cache *cache, const stf_window *window, const uint32_t *bands, uint32_t band_count,
                         stf_unit_deliver deliver, void *context, stf_error *err) {
    cache_read read = {cache, window, bands, band_count, deliver, context};
    bool any = false, done = true;
    stf_unit_cache_lock(cache);
    for (uint32_t g = 0; g < cache->job.group_count; g++) {
        cache->ahead[g].wanted = wants_group(&read, &cache->job.groups[g]);
        any = any || cache->ahead[g].wanted;
    }
    if (any) {
        stf_unit_cache_begin_request(cache, window);
        done = stf_unit_cache_start_workers(cache, err);
        bool more = done;
        while (more) {
            stf_unit unit = stf_unit_cache_unit_at(cache, &cache->request.at);
            done = read_unit(&read, &unit, err);
            more = done && stf_unit_cache_next_place(cache, &cache->request.at);
        }
        cache->request.active = false;
    }
    stf_unit_cache_unlock(cache);
    stf_messages_raise(&cache->messages);
    return done;
}
