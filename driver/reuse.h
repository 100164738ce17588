/* How large an LRU cache must be so that blocks asked for again are still there: pure arithmetic, no GDAL.
 *
 * A reader goes step by step, and each step touches some blocks. GDAL's cache lets the block go that was touched
 * longest ago. So a block touched again is still there if the cache holds all that was touched since, the two steps
 * that touch it included (which blocks of a step come first is not known, so all of them are counted):
 *
 *     step      1      2      3      4           block a: distance = bytes of a, b, c, d
 *     touches   a b    b c    d      a c         block c: distance = bytes of b, c, d, a
 *
 * One walk over the steps gives the distance of every touch, and with it the decodes at any cache size: a block is
 * decoded at its first touch, and at each later one whose distance the cache does not hold. Sums of bytes since a step
 * are kept in a Fenwick tree over the steps; distances in a histogram that is exact to a hundredth, and on the safe side. */
#ifndef STF_REUSE_H
#define STF_REUSE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_reuse stf_reuse;

/* For blocks numbered below blocks, and at most so many steps. NULL: no memory. */
stf_reuse *stf_reuse_create(uint32_t blocks, uint32_t steps);
void stf_reuse_destroy(stf_reuse *reuse); /* NULL is legal */

/* In the step that is under way. bytes: what the block takes in the cache, the same at each touch; decodes: what
 * its first touch costs, and again: a later one that does not find it. A second touch in one step is none. False: no
 * memory. *first: it was never touched before. */
bool stf_reuse_touch(stf_reuse *reuse, uint32_t block, uint64_t bytes, uint32_t decodes, uint32_t again, bool *first);
void stf_reuse_end_step(stf_reuse *reuse);
/* Between steps: whatever was touched before counts as gone from the cache, at any size. */
void stf_reuse_forget(stf_reuse *reuse);

/* Memory that it takes: 4 bytes a block, 8 a step, 24 (or up to twice that) for each block of the step that touches most, and a
 * histogram of 64 KiB. Grows with the touches alone. */
uint64_t stf_reuse_cost_bytes(const stf_reuse *reuse);
bool stf_reuse_was_touched(const stf_reuse *reuse, uint32_t block);

uint64_t stf_reuse_step_bytes(const stf_reuse *reuse); /* of the step that touches most */
uint64_t stf_reuse_all_bytes(const stf_reuse *reuse);  /* of all blocks touched */
uint64_t stf_reuse_distinct(const stf_reuse *reuse);   /* decodes if every block is decoded once */
bool stf_reuse_is_shared(const stf_reuse *reuse);      /* some block was touched in two steps */
uint64_t stf_reuse_decodes(const stf_reuse *reuse, uint64_t cache_bytes);
uint64_t stf_reuse_least_decodes(const stf_reuse *reuse); /* at any cache size: of every block, and after forgetting */
/* The least cache (of one step's blocks at least) with no more decodes than that, which must be so many at least. */
uint64_t stf_reuse_cache_bytes(const stf_reuse *reuse, uint64_t most_decodes);

#ifdef __cplusplus
}
#endif
#endif
