/* How much memory a cache of units takes, and what it makes of a given amount: pure arithmetic. */
#include "unit_cache.h"

#include "spill.h"
#include "unit_table.h"

#define SLOTS_AT_MOST 16384u /* each is a mapping of its own */
#define REGIONS_AT_MOST 65536u
#define SPILLED_GROUPS 4u  /* so many groups find room in the spill side by side */
#define READERS_AT_MOST 4u /* more decode faster than any reader of rows reads */
#define PIECE_ROWS 8u
#define BOUNCE_BYTES ((uint64_t)64 << 10)
#define SPARE_UNITS 16u

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t stf_unit_cache_row_units(const stf_unit_cache_job *job, uint32_t groups) {
    uint64_t units = 0;
    for (uint32_t g = 0; g < job->group_count && g < groups; g++)
        units += job->groups[g].x.cells;
    return units;
}

static uint64_t all_units(const stf_unit_cache_job *job) {
    uint64_t units = 0;
    for (uint32_t g = 0; g < job->group_count; g++)
        units = stf_add(units, (uint64_t)job->groups[g].x.cells * job->groups[g].y.cells);
    return units;
}

uint32_t stf_unit_cache_most_slots(const stf_unit_cache_job *job) {
    uint64_t slots = 2 * stf_unit_cache_row_units(job, UINT32_MAX) + SPARE_UNITS;
    return (uint32_t)least(least(slots, all_units(job) + READERS_AT_MOST), SLOTS_AT_MOST);
}

/* Three rows of units: a window no taller than a unit and its halo may lie across all of them. */
uint64_t stf_unit_cache_regions(const stf_unit_cache_job *job) {
    uint64_t regions = 3 * stf_unit_cache_row_units(job, SPILLED_GROUPS) + SPARE_UNITS;
    return least(least(regions, all_units(job)), REGIONS_AT_MOST);
}

/* One row of the widest unit at least. */
uint64_t stf_unit_cache_piece_row_bytes(const stf_unit_cache_job *job) {
    uint64_t widest = 0;
    for (uint32_t g = 0; g < job->group_count; g++) {
        uint64_t row = (uint64_t)stf_axis_longest(&job->groups[g].x) * job->sample_bytes;
        widest = row > widest ? row : widest;
    }
    return widest;
}

uint64_t stf_unit_cache_pieces(const stf_unit_cache_job *job) {
    uint64_t pieces = 0;
    for (uint32_t g = 0; g < job->group_count; g++)
        pieces = stf_add(pieces, stf_mul(job->groups[g].x.cells, job->groups[g].bands));
    return pieces;
}

uint64_t stf_unit_cache_bounce_bytes(const stf_unit_cache_job *job) {
    uint64_t row = stf_unit_cache_piece_row_bytes(job), enough = least(BOUNCE_BYTES, job->unit_bytes);
    return row > enough ? row : enough;
}

static uint64_t fixed_bytes(const stf_unit_cache_job *job) {
    uint64_t regions = stf_unit_cache_regions(job);
    uint32_t most = stf_unit_cache_most_slots(job);
    uint64_t bytes = stf_unit_table_cost_bytes(most + (uint32_t)regions);
    bytes = stf_add(bytes, (uint64_t)most * sizeof(void *));
    bytes = stf_add(bytes, stf_spill_cost_bytes(regions));
    bytes = stf_add(bytes, job->kept_bytes);
    return stf_add(bytes, stf_unit_cache_bounce_bytes(job));
}

static uint64_t piece_bytes(const stf_unit_cache_job *job, uint32_t rows) {
    if (rows == 0)
        return 0;
    uint64_t each = stf_add(stf_mul(stf_unit_cache_piece_row_bytes(job), rows), 2 * sizeof(uint64_t));
    return stf_mul(stf_unit_cache_pieces(job), each);
}

uint64_t stf_unit_cache_need_bytes(const stf_unit_cache_job *job, const stf_unit_cache_size *size) {
    uint64_t need = stf_add(fixed_bytes(job), stf_mul(job->unit_bytes, size->slots));
    need = stf_add(need, stf_mul(job->reader_bytes, size->readers));
    return stf_add(need, piece_bytes(job, size->piece_rows));
}

uint64_t stf_unit_cache_floor_bytes(const stf_unit_cache_job *job) {
    stf_unit_cache_size size = {1, 1, 0};
    return stf_unit_cache_need_bytes(job, &size);
}

static uint32_t useful_readers(const stf_unit_cache_job *job) {
    return job->parallel_read ? (uint32_t)least(job->threads, READERS_AT_MOST) : 1;
}

/* The same for every number of threads: what a copy leaves to its source must not depend on them. */
uint64_t stf_unit_cache_wanted_bytes(const stf_unit_cache_job *job, uint64_t row_units, uint32_t rows) {
    uint64_t slots = least(stf_add(stf_mul(row_units, rows), 3), stf_unit_cache_most_slots(job));
    stf_unit_cache_size size = {(uint32_t)slots, job->parallel_read ? 2 : 1, PIECE_ROWS};
    return stf_unit_cache_need_bytes(job, &size);
}

static bool try_size(const stf_unit_cache_job *job, stf_unit_cache_size *size, stf_unit_cache_size more,
                     uint64_t cap_bytes) {
    if (stf_unit_cache_need_bytes(job, &more) > cap_bytes)
        return false;
    *size = more;
    return true;
}

/* A second reader first: it is what lets the caller work while a block is decoded; more of them where there is plenty.
 * Then rows read back together, as long as they take no more than a quarter; then units. */
stf_unit_cache_size stf_unit_cache_size_for(const stf_unit_cache_job *job, uint64_t cap_bytes) {
    stf_unit_cache_size size = {1, 1, 0}, more;
    while (size.readers < useful_readers(job)) {
        more = size;
        more.readers++;
        more.slots = 2 * more.readers - 1;
        if (more.slots > stf_unit_cache_most_slots(job) ||
            !try_size(job, &size, more, more.readers == 2 ? cap_bytes : cap_bytes / 4))
            break;
    }
    for (uint32_t rows = PIECE_ROWS; rows > 0 && size.piece_rows == 0; rows /= 2) {
        more = size;
        more.piece_rows = rows;
        if (piece_bytes(job, rows) <= cap_bytes / 4)
            try_size(job, &size, more, cap_bytes);
    }
    uint64_t need = stf_unit_cache_need_bytes(job, &size);
    if (need < cap_bytes && job->unit_bytes > 0) {
        uint64_t slots = size.slots + (cap_bytes - need) / job->unit_bytes;
        size.slots = (uint32_t)least(slots, stf_unit_cache_most_slots(job));
    }
    return size;
}

uint64_t stf_unit_cache_spill_estimate(const stf_unit_cache_job *job, uint64_t row_units, uint64_t cap_bytes) {
    stf_unit_cache_size size = stf_unit_cache_size_for(job, cap_bytes);
    uint64_t units = 0;
    if (row_units + size.readers <= size.slots)
        return 0;
    uint64_t kept = size.slots > size.readers ? size.slots - size.readers : 0;
    for (uint32_t g = 0; g < job->group_count; g++)
        units = stf_add(units, (uint64_t)job->groups[g].x.cells * job->groups[g].y.cells);
    uint64_t seen = units * row_units / stf_unit_cache_row_units(job, UINT32_MAX);
    return stf_mul(seen - seen * kept / row_units, job->unit_bytes);
}
