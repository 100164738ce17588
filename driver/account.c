#include "account.h"

#include "cpl_vsi.h"
#include "geometry.h"
#include "platform.h"
#include "source.h"

#define VIEWS 8 /* more than one means a mosaic of views: the rest is read as what it shows */

struct stf_account {
    stf_account *before;
    const char *target;
    bool probing;
    uint64_t probe_bytes;
    stf_lease *lease; /* while probing */
    int count;
    stf_account_view views[VIEWS];
};

static STF_THREAD_LOCAL stf_account *current = NULL;
static STF_THREAD_LOCAL int inner_depth = 0;

stf_account *stf_account_begin(const char *target) {
    stf_account *account = VSICalloc(1, sizeof *account);
    if (!account)
        return NULL;
    account->before = current;
    account->target = target;
    current = account;
    return account;
}

void stf_account_end(stf_account *account) {
    if (!account)
        return;
    current = account->before;
    for (int i = 0; i < account->count; i++)
        account->views[i].leave(account->views[i].context);
    VSIFree(account);
}

void stf_account_begin_probe(stf_account *account, uint64_t probe_bytes, stf_lease *lease) {
    account->lease = lease;
    account->probing = true;
    account->probe_bytes = probe_bytes;
}

void stf_account_end_probe(stf_account *account) {
    account->probing = false;
    account->lease = NULL;
}

bool stf_account_has_views(const stf_account *account) {
    return account && account->count > 0;
}

void stf_account_tell(const stf_account *account, stf_account_demand *sum) {
    stf_account_demand none = {0};
    *sum = none;
    sum->counts = account->count > 0;
    for (int i = 0; i < account->count; i++) {
        stf_account_demand demand = {0};
        account->views[i].tell(account->views[i].context, &demand);
        sum->floor_bytes = stf_add(sum->floor_bytes, demand.floor_bytes);
        for (int wish = 0; wish < STF_ACCOUNT_WISHES; wish++)
            sum->wanted_bytes[wish] = stf_add(sum->wanted_bytes[wish], demand.wanted_bytes[wish]);
        sum->lease_bytes = stf_add(sum->lease_bytes, demand.lease_bytes);
        sum->blocks = stf_add(sum->blocks, demand.blocks);
        sum->counts = sum->counts && demand.counts;
    }
}

/* A view's part of a share. */
static uint64_t part_of(const stf_account *account, int view, uint64_t share_bytes) {
    stf_account_demand sum, own = {0};
    stf_account_tell(account, &sum);
    account->views[view].tell(account->views[view].context, &own);
    uint64_t rest = share_bytes > sum.floor_bytes ? share_bytes - sum.floor_bytes : 0;
    return stf_add(own.floor_bytes, rest / (uint64_t)account->count);
}

uint64_t stf_account_spill_estimate(const stf_account *account, uint64_t share_bytes) {
    uint64_t bytes = 0;
    for (int i = 0; i < account->count; i++)
        bytes = stf_add(bytes,
                        account->views[i].spill_estimate(account->views[i].context, part_of(account, i, share_bytes)));
    return bytes;
}

bool stf_account_grant(stf_account *account, uint64_t share_bytes) {
    bool done = true;
    uint64_t parts[VIEWS];
    for (int i = 0; i < account->count; i++)
        parts[i] = part_of(account, i, share_bytes);
    for (int i = 0; i < account->count; i++)
        done = account->views[i].grant(account->views[i].context, parts[i]) && done;
    return done;
}

uint64_t stf_account_decodes(const stf_account *account) {
    uint64_t decodes = 0;
    for (int i = 0; i < account->count; i++)
        decodes += account->views[i].decodes(account->views[i].context);
    return decodes;
}

uint64_t stf_account_spilled_bytes(const stf_account *account) {
    uint64_t bytes = 0;
    for (int i = 0; account && i < account->count; i++)
        bytes += account->views[i].spilled(account->views[i].context);
    return bytes;
}

stf_account *stf_account_current(void) {
    return current;
}

const char *stf_account_target(const stf_account *account) {
    return account->target;
}

bool stf_account_is_probing(const stf_account *account, uint64_t *probe_bytes) {
    *probe_bytes = account->probe_bytes;
    return account->probing && account->count < VIEWS;
}

bool stf_account_join(stf_account *account, const stf_account_view *view) {
    if (!account->probing || account->count == VIEWS)
        return false;
    account->views[account->count++] = *view;
    if (account->lease) {
        stf_account_demand sum;
        stf_account_tell(account, &sum);
        stf_lease_resize(account->lease, stf_add(sum.lease_bytes, STF_PLANNING_LEASE_BYTES));
    }
    return true;
}

void stf_account_quit(stf_account *account, const void *context) {
    for (int i = 0; i < account->count; i++)
        if (account->views[i].context == context) {
            account->views[i] = account->views[--account->count];
            return;
        }
}

void stf_account_enter_inner(void) {
    inner_depth++;
}

void stf_account_leave_inner(void) {
    inner_depth--;
}

bool stf_account_is_inner(void) {
    return inner_depth > 0;
}
