/* Which units a cache holds: a hash table of entries, and the choice of the one that leaves.
 *
 * Nothing in it is synchronised: the cache's lock covers it. Its memory is fixed when it is made. */
#ifndef STF_UNIT_TABLE_H
#define STF_UNIT_TABLE_H

#include "geometry.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_NO_UNIT UINT32_MAX
#define STF_NO_REGION UINT64_MAX

typedef enum {
    STF_UNIT_READING,  /* somebody decodes it into its memory */
    STF_UNIT_READY,    /* its pixels are in memory */
    STF_UNIT_SPILLING, /* somebody writes them to its region */
    STF_UNIT_SPILLED   /* its pixels are in its region, and it has no memory */
} stf_unit_state;

typedef struct stf_unit_entry {
    uint64_t key;
    stf_unit unit; /* stripe 0, number: the key */
    stf_unit_state state;
    bool pinned;                                /* the reader copies from it */
    bool used;                                  /* the reader has copied from it */
    uint64_t stamp;                             /* of its last use, or of its arrival */
    unsigned char *memory;                      /* the cache's; NULL: none */
    size_t offset_bytes, row_bytes, band_bytes; /* where its pixels lie in the memory */
    uint64_t region;                            /* of the spill, or STF_NO_REGION */
    uint32_t next;                              /* the table's own */
} stf_unit_entry;

typedef struct stf_unit_table stf_unit_table;

uint64_t stf_unit_table_cost_bytes(uint32_t capacity);
stf_unit_table *stf_unit_table_create(uint32_t capacity, stf_error *err);
void stf_unit_table_destroy(stf_unit_table *table); /* NULL is legal; entries' memory and regions are the caller's */

uint32_t stf_unit_table_count(const stf_unit_table *table);
uint32_t stf_unit_table_find(const stf_unit_table *table, uint64_t key); /* STF_NO_UNIT: it is not there */
/* A new entry in state READING; STF_NO_UNIT where the table is full. Numbers stay, pointers do, too. */
uint32_t stf_unit_table_add(stf_unit_table *table, const stf_unit *unit);
void stf_unit_table_remove(stf_unit_table *table, uint32_t number);
stf_unit_entry *stf_unit_table_at(const stf_unit_table *table, uint32_t number);

/* Of the entries that suit the one used the longest ago; STF_NO_UNIT: none does. */
uint32_t stf_unit_table_oldest(const stf_unit_table *table, bool (*suits)(const void *context, const stf_unit_entry *),
                               const void *context);

#ifdef __cplusplus
}
#endif
#endif
