/* The plan of a copy whose source pulls from views: how much of the cap is theirs.
 *
 * What they are given is in the demand's tables, so every plan knows it. Their floor and what they would like are planned
 * with; the share that leads to the least spilled in all, here and there, wins, and of equal ones the
 * largest. None of it depends on threads, and so the order of tiles does not; only what is left over in the end does. */
#include "copy.h"

static bool plan_with(stf_copy *c, uint64_t own_table_bytes, uint64_t share_bytes, stf_plan *plan, stf_error *err) {
    c->demand.table_bytes = stf_add(own_table_bytes, share_bytes);
    return stf_plan_make(&c->demand, plan, err);
}

/* What the copy itself has no use for keeps blocks of the view out of its spill. */
static uint64_t leftover(const stf_copy *c, const stf_account_demand *views, uint64_t share_bytes) {
    uint64_t most = views->wanted_bytes[STF_ACCOUNT_WISHES - 1];
    uint64_t left =
        c->plan.cap_bytes > c->plan.predicted_peak_bytes ? c->plan.cap_bytes - c->plan.predicted_peak_bytes : 0;
    uint64_t missing = most > share_bytes ? most - share_bytes : 0;
    return left < missing ? left : missing;
}

bool stf_copy_plan_with_views(stf_copy *c, stf_error *err) {
    stf_account_demand views;
    uint64_t own_table_bytes = c->demand.table_bytes;
    if (!stf_account_has_views(c->account))
        return stf_plan_make(&c->demand, &c->plan, err);
    stf_account_tell(c->account, &views);
    uint64_t share = views.floor_bytes;
    if (!plan_with(c, own_table_bytes, share, &c->plan, err))
        return false;
    uint64_t floor = c->plan.floor_bytes;
    uint64_t least = stf_add(c->plan.spill_bytes, stf_account_spill_estimate(c->account, share));
    for (int i = 0; i < STF_ACCOUNT_WISHES; i++) {
        stf_plan plan = {0};
        uint64_t wish = views.wanted_bytes[i];
        if (wish <= share || !plan_with(c, own_table_bytes, wish, &plan, NULL) || plan.floor_bytes > c->plan.cap_bytes)
            continue;
        uint64_t spilled = stf_add(plan.spill_bytes, stf_account_spill_estimate(c->account, wish));
        if (spilled > least)
            continue;
        least = spilled;
        share = wish;
        c->plan = plan;
    }
    uint64_t more = leftover(c, &views, share);
    share += more;
    c->demand.table_bytes = stf_add(own_table_bytes, share);
    c->plan.floor_bytes = floor;
    c->plan.predicted_peak_bytes += more;
    return stf_account_grant(c->account, share) ||
           stf_fail(err, CPLE_OutOfMemory, "A view of the source has no room in its share of " CPL_FRMT_GUIB " bytes",
                    (GUIntBig)share);
}
