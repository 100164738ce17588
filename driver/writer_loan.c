/* What a writer lends to views of the same process (lender.h): of what it does not need itself to go on, half. It then has
 * fewer slots, for good: where one that is given back came to it again, a program that opens a view for each window
 * would have all tiles put away each time. */
#include "writer_internal.h"

static uint64_t threads_bytes(const stf_writer *w) {
    return stf_mul(w->thread_count ? w->thread_count : 1, w->encoder_bytes);
}

/* Without which it cannot go on; what it has lent included. */
static uint64_t kept_bytes(const stf_writer *w) {
    uint64_t bytes = stf_add(stf_add(stf_writer_fixed_bytes(w), threads_bytes(w)),
                             stf_writer_slots_bytes(w, STF_WRITER_LEAST_SLOTS));
    const stf_writer *mask = w->mask;
    if (mask)
        bytes = stf_add(bytes, stf_add(stf_add(stf_writer_fixed_bytes(mask), mask->encoder_bytes),
                                       stf_writer_slots_bytes(mask, mask->slot_count)));
    return stf_add(bytes, w->lent_bytes);
}

static bool lend(void *context, uint64_t least_bytes, uint64_t wanted_bytes, uint64_t *lent_bytes, stf_error *err) {
    stf_writer *w = context;
    uint64_t kept = kept_bytes(w), needed = stf_add(kept, least_bytes);
    if (w->done || w->failed)
        return false;
    if (!stf_writer_raise_cap(w, needed, "a view that is read beside it", err))
        return false;
    uint64_t more = (w->cap_bytes - needed) / 2, missing = wanted_bytes > least_bytes ? wanted_bytes - least_bytes : 0;
    uint64_t lent = least_bytes + (more < missing ? more : missing);
    uint64_t slots = STF_WRITER_LEAST_SLOTS + (w->cap_bytes - kept - lent) / stf_writer_slots_bytes(w, 1);
    if (!stf_writer_shrink(w, slots, err) || !stf_budget_charge(w->budget, lent, "a view", err)) {
        stf_writer_raise(w, err);
        return false;
    }
    w->lent_bytes += lent;
    *lent_bytes = lent;
    CPLDebug("StreamTIFF", "Writer: lends " CPL_FRMT_GUIB " bytes, and has " CPL_FRMT_GUIB " slots left",
             (GUIntBig)lent, (GUIntBig)w->slot_count);
    return true;
}

static void take_back(void *context, uint64_t lent_bytes) {
    stf_writer *w = context;
    w->lent_bytes -= lent_bytes;
    stf_budget_release(w->budget, lent_bytes);
}

bool stf_writer_offer_loans(stf_writer *w, stf_error *err) {
    const stf_lender_owner owner = {w, lend, take_back};
    w->lender = stf_lender_open(&owner);
    return w->lender != NULL || stf_fail(err, CPLE_OutOfMemory, "No memory for a dataset");
}
