/* The account of a copy, as the views of its source see it: what lets them share one cap.
 *
 *   the copy                                  a view that the copy's source reads
 *   begin: the thread's current account
 *   probe: the first rows are pulled     ->   joins, works with what the probe allows
 *   demand is asked for                  <-   tells its floor, what it would like, its lease
 *   plan: floor and lease are in it
 *   grant                                ->   takes its share, for the whole copy
 *   end                                  ->   gives everything back
 *
 * A view that is met under an account later, or by another thread, has no share: it is then read as if it were the dataset
 * it shows, through GDAL's cache, for which the copy holds a lease. The current account is the thread's own; calls on an
 * account are made by the thread that began it. */
#ifndef STF_ACCOUNT_H
#define STF_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "lease.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_ACCOUNT_WISHES 3

typedef struct stf_account stf_account;

/* What a view needs of the copy's memory. */
typedef struct stf_account_demand {
    uint64_t floor_bytes; /* without which it cannot read */
    /* What it would like: a second reader; one row of blocks in memory; two, so that one is decoded ahead. */
    uint64_t wanted_bytes[STF_ACCOUNT_WISHES];
    uint64_t lease_bytes; /* of GDAL's cache */
    uint64_t blocks;      /* distinct blocks that will be decoded; 0: not known */
    bool counts;          /* it counts decodes */
} stf_account_demand;

/* A view, as the account calls it back. */
typedef struct stf_account_view {
    void *context;
    void (*tell)(void *context, stf_account_demand *demand);
    uint64_t (*spill_estimate)(void *context, uint64_t share_bytes);
    bool (*grant)(void *context, uint64_t share_bytes); /* false: it will fail at its next read, and say why */
    uint64_t (*decodes)(void *context);
    uint64_t (*spilled)(void *context); /* bytes written to its spill so far */
    void (*leave)(void *context);       /* the account ends */
} stf_account_view;

/* Makes it the thread's current account; the one before comes back at the end. target outlives it. */
stf_account *stf_account_begin(const char *target);
void stf_account_end(stf_account *account); /* NULL is legal */

/* Between these two views may join, and work with probe_bytes, or their floor where that is more. The copy's lease is cut
 * down to theirs when one joins. */
void stf_account_begin_probe(stf_account *account, uint64_t probe_bytes, stf_lease *lease);
void stf_account_end_probe(stf_account *account);

bool stf_account_has_views(const stf_account *account); /* NULL has none */
void stf_account_tell(const stf_account *account, stf_account_demand *sum);
uint64_t stf_account_spill_estimate(const stf_account *account, uint64_t share_bytes);
/* share_bytes for all views: each gets its floor, and of the rest a part. */
bool stf_account_grant(stf_account *account, uint64_t share_bytes);
uint64_t stf_account_decodes(const stf_account *account);
uint64_t stf_account_spilled_bytes(const stf_account *account); /* NULL: 0 */

/* --- for views --------------------------------------------------------------------------------- */

stf_account *stf_account_current(void); /* NULL: no copy on this thread */
const char *stf_account_target(const stf_account *account);
/* True while views may join; *probe_bytes: what one may take until the grant. */
bool stf_account_is_probing(const stf_account *account, uint64_t *probe_bytes);
bool stf_account_join(stf_account *account, const stf_account_view *view);
void stf_account_quit(stf_account *account, const void *context); /* a view that is closed before the end */

/* While a thread is inside, nothing is opened as a view but by its prefix, and no view works with memory of its own. */
void stf_account_enter_inner(void);
void stf_account_leave_inner(void);
bool stf_account_is_inner(void);

#ifdef __cplusplus
}
#endif
#endif
