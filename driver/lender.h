/* Memory that a writer lends to the views that are read beside it, so that both together stay within its cap.
 *
 *   the writer                                   a view without a cap of its own, before its first read
 *   open: it is offered
 *   lend: gives up tiles, charges its account <-   takes a loan
 *   take_back                                 <-   ends it: the view is closed first
 *   close: the loan stands by itself from now on   ends it later: nobody is told
 *
 * A view's loan comes of the writer that its thread opened last; else of the only one there is. Calls of the writer and what
 * is asked of it by views of other threads exclude each other. */
#ifndef STF_LENDER_H
#define STF_LENDER_H

#include "status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_lender stf_lender;

/* How the writer is called back, by any thread, but never while another is between enter and leave. */
typedef struct stf_lender_owner {
    void *context;
    /* At least the least, or an error; false without one: it lends nothing now. */
    bool (*lend)(void *context, uint64_t least_bytes, uint64_t wanted_bytes, uint64_t *lent_bytes, stf_error *err);
    void (*take_back)(void *context, uint64_t lent_bytes);
} stf_lender_owner;

stf_lender *stf_lender_open(const stf_lender_owner *owner); /* NULL: no memory */
/* Nothing is asked of the owner afterwards. Not between enter and leave; NULL is legal. */
void stf_lender_close(stf_lender *lender);
/* Around what the owner does with its memory. Nests; NULL is legal. */
void stf_lender_enter(stf_lender *lender);
void stf_lender_leave(stf_lender *lender);

/* --- for views; any thread --------------------------------------------------------------------- */

typedef struct stf_loan stf_loan;

bool stf_loan_is_offered(void);
/* NULL: none is to be had, for the reason in err where there is one. */
stf_loan *stf_loan_take(uint64_t least_bytes, uint64_t wanted_bytes, uint64_t *lent_bytes, stf_error *err);
bool stf_loan_counts(stf_loan *loan); /* its lender is open; of NULL: false */
void stf_loan_end(stf_loan *loan);    /* the memory was freed before; NULL is legal */

#ifdef __cplusplus
}
#endif
#endif
