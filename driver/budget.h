/* The one account that every buffer is drawn from, and pools of equal buffers that are charged to it.
 *
 * The plan has added everything up before, so nothing ever waits for the account itself: what waits,
 * waits for an item of a pool. A charge that would pass the cap is refused; it would mean that the
 * plan was wrong, and the copy fails rather than break its promise. */
#ifndef STF_BUDGET_H
#define STF_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_budget stf_budget;

/* NULL only without memory. All calls on a budget are thread-safe. */
stf_budget *stf_budget_create(uint64_t cap_bytes);
void stf_budget_destroy(stf_budget *budget); /* NULL is legal */
/* Charges bytes, or refuses with both figures in err. what: a noun for the message. */
bool stf_budget_charge(stf_budget *budget, uint64_t bytes, const char *what, stf_error *err);
void stf_budget_release(stf_budget *budget, uint64_t bytes);
uint64_t stf_budget_peak_bytes(stf_budget *budget);
uint64_t stf_budget_cap_bytes(stf_budget *budget);
/* A cap below what is charged refuses every further charge until enough is released. The peak begins anew. */
void stf_budget_set_cap(stf_budget *budget, uint64_t cap_bytes);

/* Equal buffers in one mapping. An item is charged when it is first handed out (or reserved: those that are come
 * last), and stays charged (and its pages stay) until the pool is destroyed. Not synchronised: the caller's lock covers it. */
typedef struct stf_pool stf_pool;

/* budget must outlive the pool. what: as in stf_budget_charge, not copied. count 0 is legal. */
stf_pool *stf_pool_create(stf_budget *budget, size_t item_bytes, uint32_t count, const char *what, stf_error *err);
void stf_pool_destroy(stf_pool *pool); /* NULL is legal */
uint32_t stf_pool_free_items(const stf_pool *pool);
/* Charges for items that are to be there whether they are needed or not. Once, before any is taken. */
bool stf_pool_reserve(stf_pool *pool, uint32_t items, stf_error *err);
/* An item's number; the caller has made sure that one is free. False: the account refused. */
bool stf_pool_take(stf_pool *pool, uint32_t *item, stf_error *err);
void stf_pool_give(stf_pool *pool, uint32_t item);
void *stf_pool_item(const stf_pool *pool, uint32_t item); /* aligned to 64 bytes at least */

#ifdef __cplusplus
}
#endif
#endif
