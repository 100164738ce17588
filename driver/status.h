/* How a call of the core says that it failed.
 *
 * Every function that can fail returns bool (true: done) and takes an stf_error last. The first
 * failure is kept: a second stf_fail() on the same error changes nothing. Nothing below the border
 * (create_copy.c) raises a CPLError; there the kept one is raised once, on the calling thread. */
#ifndef STF_STATUS_H
#define STF_STATUS_H

#include <stdbool.h>

#include "cpl_error.h"
#include "cpl_port.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_error {
    int number;     /* CPLE_* of the failure; CPLE_None (0): no failure yet */
    char text[720]; /* what failed, with figures and the option to set; UTF-8, zero-terminated */
} stf_error;

/* Keeps the message in err unless err already holds one (or is NULL). Always returns false, so that
 * a caller can `return stf_fail(...)`. Not synchronised: an error shared by threads needs a lock. */
bool stf_fail(stf_error *err, int number, const char *format, ...) CPL_PRINT_FUNC_FORMAT(3, 4);

#ifdef __cplusplus
}
#endif
#endif
