#include "lender.h"

#include "cpl_multiproc.h"
#include "cpl_vsi.h"

struct stf_lender {
    stf_lender *next; /* in the list of those that are open, the last opened first */
    stf_lender_owner owner;
    GIntBig thread;  /* that opened it */
    CPLMutex *mutex; /* the owner's calls, and what is asked of it; never held together with the list's */
    bool open;       /* under the mutex */
    uint32_t users;  /* the owner and its loans; under the list's mutex */
};

struct stf_loan {
    stf_lender *lender;
    uint64_t bytes;
};

/* Guarded by the mutex, which the first lender makes and nobody frees. */
static CPLMutex *list_mutex = NULL;
static stf_lender *first = NULL;

static void lock_list(void) {
    CPLCreateOrAcquireMutex(&list_mutex, 1000.0);
}

static void unlock_list(void) {
    CPLReleaseMutex(list_mutex);
}

static void let_go(stf_lender *lender) {
    lock_list();
    bool unused = --lender->users == 0;
    unlock_list();
    if (!unused)
        return;
    CPLDestroyMutex(lender->mutex);
    VSIFree(lender);
}

stf_lender *stf_lender_open(const stf_lender_owner *owner) {
    stf_lender *lender = VSICalloc(1, sizeof *lender);
    if (lender)
        lender->mutex = CPLCreateMutex();
    if (!lender || !lender->mutex) {
        VSIFree(lender);
        return NULL;
    }
    CPLReleaseMutex(lender->mutex); /* CPLCreateMutex() hands it over locked */
    lender->owner = *owner;
    lender->thread = CPLGetPID();
    lender->open = true;
    lender->users = 1;
    lock_list();
    lender->next = first;
    first = lender;
    unlock_list();
    return lender;
}

void stf_lender_close(stf_lender *lender) {
    if (!lender)
        return;
    lock_list();
    for (stf_lender **at = &first; *at; at = &(*at)->next)
        if (*at == lender) {
            *at = lender->next;
            break;
        }
    unlock_list();
    stf_lender_enter(lender);
    lender->open = false;
    stf_lender_leave(lender);
    let_go(lender);
}

void stf_lender_enter(stf_lender *lender) {
    if (lender)
        CPLAcquireMutex(lender->mutex, 1000.0);
}

void stf_lender_leave(stf_lender *lender) {
    if (lender)
        CPLReleaseMutex(lender->mutex);
}

/* --- loans ------------------------------------------------------------------------------------- */

/* Under the list's lock. */
static stf_lender *choose(void) {
    GIntBig thread = CPLGetPID();
    for (stf_lender *lender = first; lender; lender = lender->next)
        if (lender->thread == thread)
            return lender;
    return first && !first->next ? first : NULL;
}

bool stf_loan_is_offered(void) {
    lock_list();
    bool offered = choose() != NULL;
    unlock_list();
    return offered;
}

stf_loan *stf_loan_take(uint64_t least_bytes, uint64_t wanted_bytes, uint64_t *lent_bytes, stf_error *err) {
    lock_list();
    stf_lender *lender = choose();
    if (lender)
        lender->users++;
    unlock_list();
    if (!lender)
        return NULL;
    stf_loan *loan = VSICalloc(1, sizeof *loan);
    if (!loan)
        stf_fail(err, CPLE_OutOfMemory, "No memory for a loan");
    stf_lender_enter(lender);
    bool done =
        loan && lender->open && lender->owner.lend(lender->owner.context, least_bytes, wanted_bytes, lent_bytes, err);
    stf_lender_leave(lender);
    if (!done) {
        let_go(lender);
        VSIFree(loan);
        return NULL;
    }
    loan->lender = lender;
    loan->bytes = *lent_bytes;
    return loan;
}

bool stf_loan_counts(stf_loan *loan) {
    if (!loan)
        return false;
    stf_lender_enter(loan->lender);
    bool open = loan->lender->open;
    stf_lender_leave(loan->lender);
    return open;
}

void stf_loan_end(stf_loan *loan) {
    if (!loan)
        return;
    stf_lender *lender = loan->lender;
    stf_lender_enter(lender);
    if (lender->open)
        lender->owner.take_back(lender->owner.context, loan->bytes);
    stf_lender_leave(lender);
    let_go(lender);
    VSIFree(loan);
}
