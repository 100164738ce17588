/* The lease: our temporary setting of GDAL's process-wide block cache limit.
 *
 * While at least one lease is held the limit is (bytes in use when the first began) + the sum of all
 * shares. The last one out restores the limit found by the first, unless somebody else has changed
 * it meanwhile. All calls are thread-safe. GDALSetCacheMax64 flushes at once, dirty blocks of other
 * datasets included, on the calling thread; a lease never goes below what was in use. */
#ifndef STF_LEASE_H
#define STF_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpl_port.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_lease stf_lease;

/* Never NULL; ends with stf_lease_end. */
stf_lease *stf_lease_begin(uint64_t share_bytes);
/* Changes the share of a lease that is held. */
void stf_lease_resize(stf_lease *lease, uint64_t share_bytes);
/* True where one lease is held in the process at most. */
bool stf_lease_is_alone(void);
/* Gives the share back; NULL is legal. */
void stf_lease_end(stf_lease *lease);

#ifdef __cplusplus
}
#endif
#endif
