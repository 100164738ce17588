#include "unit_table.h"

#include <string.h>

#include "cpl_vsi.h"

struct stf_unit_table {
    stf_unit_entry *entries;
    uint32_t capacity, count, ever_used;
    uint32_t free_list; /* of entries that were removed, linked by next */
    uint32_t *buckets;  /* first entry of each */
    uint32_t bucket_mask;
    bool *present; /* for each entry */
};

/* A power of two, at least as many as entries. */
static uint32_t bucket_count(uint32_t capacity) {
    uint32_t count = 16;
    while (count < capacity && count < ((uint32_t)1 << 30))
        count *= 2;
    return count;
}

uint64_t stf_unit_table_cost_bytes(uint32_t capacity) {
    return (uint64_t)capacity * (sizeof(stf_unit_entry) + sizeof(bool)) +
           (uint64_t)bucket_count(capacity) * sizeof(uint32_t);
}

stf_unit_table *stf_unit_table_create(uint32_t capacity, stf_error *err) {
    stf_unit_table *table = VSICalloc(1, sizeof *table);
    uint32_t buckets = bucket_count(capacity);
    if (table) {
        table->entries = VSICalloc(capacity, sizeof *table->entries);
        table->present = VSICalloc(capacity, sizeof *table->present);
        table->buckets = VSIMalloc2(buckets, sizeof *table->buckets);
    }
    if (!table || !table->entries || !table->present || !table->buckets) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for a table of %u blocks", capacity);
        stf_unit_table_destroy(table);
        return NULL;
    }
    table->capacity = capacity;
    table->free_list = STF_NO_UNIT;
    table->bucket_mask = buckets - 1;
    memset(table->buckets, 0xff, buckets * sizeof *table->buckets); /* STF_NO_UNIT everywhere */
    return table;
}

void stf_unit_table_destroy(stf_unit_table *table) {
    if (!table)
        return;
    VSIFree(table->entries);
    VSIFree(table->present);
    VSIFree(table->buckets);
    VSIFree(table);
}

uint32_t stf_unit_table_count(const stf_unit_table *table) {
    return table->count;
}

/* Keys follow each other: the multiplication spreads them. */
static uint32_t bucket_of(const stf_unit_table *table, uint64_t key) {
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & table->bucket_mask;
}

uint32_t stf_unit_table_find(const stf_unit_table *table, uint64_t key) {
    uint32_t at = table->buckets[bucket_of(table, key)];
    while (at != STF_NO_UNIT && table->entries[at].key != key)
        at = table->entries[at].next;
    return at;
}

uint32_t stf_unit_table_add(stf_unit_table *table, const stf_unit *unit) {
    uint32_t at = table->free_list;
    if (at != STF_NO_UNIT)
        table->free_list = table->entries[at].next;
    else if (table->ever_used < table->capacity)
        at = table->ever_used++;
    else
        return STF_NO_UNIT;
    stf_unit_entry *entry = &table->entries[at];
    uint32_t bucket = bucket_of(table, unit->number);
    memset(entry, 0, sizeof *entry);
    entry->key = unit->number;
    entry->unit = *unit;
    entry->state = STF_UNIT_READING;
    entry->region = STF_NO_REGION;
    entry->next = table->buckets[bucket];
    table->buckets[bucket] = at;
    table->present[at] = true;
    table->count++;
    return at;
}

void stf_unit_table_remove(stf_unit_table *table, uint32_t number) {
    stf_unit_entry *entry = &table->entries[number];
    uint32_t *link = &table->buckets[bucket_of(table, entry->key)];
    while (*link != number)
        link = &table->entries[*link].next;
    *link = entry->next;
    entry->next = table->free_list;
    table->free_list = number;
    table->present[number] = false;
    table->count--;
}

stf_unit_entry *stf_unit_table_at(const stf_unit_table *table, uint32_t number) {
    return &table->entries[number];
}

uint32_t stf_unit_table_oldest(const stf_unit_table *table, bool (*suits)(const void *context, const stf_unit_entry *),
                               const void *context) {
    uint32_t oldest = STF_NO_UNIT;
    for (uint32_t at = 0; at < table->ever_used; at++)
        if (table->present[at] && suits(context, &table->entries[at]) &&
            (oldest == STF_NO_UNIT || table->entries[at].stamp < table->entries[oldest].stamp))
            oldest = at;
    return oldest;
}
