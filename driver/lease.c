#include "lease.h"

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "gdal.h"

struct stf_lease {
    uint64_t share_bytes;
};

/* All leases of the process; guarded by the mutex, which the first lease makes and nobody frees. */
static CPLMutex *lease_mutex = NULL;
static uint32_t lease_count = 0;
static uint64_t leased_bytes = 0;     /* the sum of all shares */
static uint64_t in_use_bytes = 0;     /* of GDAL's cache, when the first lease began */
static GIntBig found_limit_bytes = 0; /* what the last one out restores */
static GIntBig our_limit_bytes = 0;   /* what we set last; another figure found means that somebody else set it */

static void lock(void) {
    /* Makes the mutex under GDAL's own lock where there is none yet. */
    CPLCreateOrAcquireMutex(&lease_mutex, 1000.0);
}

static void unlock(void) {
    CPLReleaseMutex(lease_mutex);
}

static void set_limit(void) {
    const uint64_t ceiling_bytes = (uint64_t)INT64_MAX;
    const uint64_t limit_bytes =
        leased_bytes > ceiling_bytes - in_use_bytes ? ceiling_bytes : in_use_bytes + leased_bytes;
    our_limit_bytes = (GIntBig)limit_bytes;
    GDALSetCacheMax64(our_limit_bytes);
}

/* A limit that somebody else set while we held leases is what is to be restored from now on. */
static void adopt_foreign_limit(void) {
    const GIntBig limit_bytes = GDALGetCacheMax64();
    if (limit_bytes != our_limit_bytes)
        found_limit_bytes = limit_bytes;
}

/* Shares are figures of one process's memory: their sum cannot be near 2^64 but by a caller's error. */
static uint64_t sane_share(uint64_t share_bytes) {
    const uint64_t most_bytes = (uint64_t)1 << 56;
    return share_bytes < most_bytes ? share_bytes : most_bytes;
}

stf_lease *stf_lease_begin(uint64_t share_bytes) {
    stf_lease *lease = CPLCalloc(1, sizeof(*lease));
    lease->share_bytes = sane_share(share_bytes);
    lock();
    if (lease_count == 0) {
        const GIntBig used_bytes = GDALGetCacheUsed64();
        in_use_bytes = used_bytes > 0 ? (uint64_t)used_bytes : 0;
        found_limit_bytes = GDALGetCacheMax64();
    } else {
        adopt_foreign_limit();
    }
    lease_count++;
    leased_bytes += lease->share_bytes;
    set_limit();
    unlock();
    return lease;
}

void stf_lease_resize(stf_lease *lease, uint64_t share_bytes) {
    lock();
    adopt_foreign_limit();
    leased_bytes -= lease->share_bytes;
    lease->share_bytes = sane_share(share_bytes);
    leased_bytes += lease->share_bytes;
    set_limit();
    unlock();
}

bool stf_lease_is_alone(void) {
    lock();
    bool alone = lease_count <= 1;
    unlock();
    return alone;
}

void stf_lease_end(stf_lease *lease) {
    if (lease == NULL)
        return;
    lock();
    leased_bytes -= lease->share_bytes;
    lease_count--;
    if (GDALGetCacheMax64() == our_limit_bytes) {
        if (lease_count > 0)
            set_limit();
        else
            GDALSetCacheMax64(found_limit_bytes);
    }
    unlock();
    CPLFree(lease);
}
