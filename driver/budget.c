#include "budget.h"

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_vsi.h"
#include "platform.h"

struct stf_budget {
    CPLMutex *mutex;
    uint64_t cap_bytes, charged_bytes, peak_bytes;
};

stf_budget *stf_budget_create(uint64_t cap_bytes) {
    stf_budget *budget = VSICalloc(1, sizeof *budget);
    if (!budget)
        return NULL;
    budget->cap_bytes = cap_bytes;
    budget->mutex = CPLCreateMutex();
    if (!budget->mutex) {
        VSIFree(budget);
        return NULL;
    }
    CPLReleaseMutex(budget->mutex); /* CPLCreateMutex() hands it over locked */
    return budget;
}

void stf_budget_destroy(stf_budget *budget) {
    if (!budget)
        return;
    CPLDestroyMutex(budget->mutex);
    VSIFree(budget);
}

bool stf_budget_charge(stf_budget *budget, uint64_t bytes, const char *what, stf_error *err) {
    CPLAcquireMutex(budget->mutex, 1000.0);
    uint64_t charged = budget->charged_bytes, cap = budget->cap_bytes;
    bool fits = bytes <= cap && charged <= cap - bytes;
    if (fits) {
        budget->charged_bytes += bytes;
        if (budget->charged_bytes > budget->peak_bytes)
            budget->peak_bytes = budget->charged_bytes;
    }
    CPLReleaseMutex(budget->mutex);
    if (!fits)
        return stf_fail(err, CPLE_OutOfMemory,
                        "The memory cap of " CPL_FRMT_GUIB " bytes leaves no room for %s (" CPL_FRMT_GUIB
                        " bytes; " CPL_FRMT_GUIB " are in use): raise MEMORY_CAP",
                        (GUIntBig)cap, what, (GUIntBig)bytes, (GUIntBig)charged);
    return true;
}

void stf_budget_release(stf_budget *budget, uint64_t bytes) {
    CPLAcquireMutex(budget->mutex, 1000.0);
    budget->charged_bytes -= bytes;
    CPLReleaseMutex(budget->mutex);
}

uint64_t stf_budget_peak_bytes(stf_budget *budget) {
    CPLAcquireMutex(budget->mutex, 1000.0);
    uint64_t peak = budget->peak_bytes;
    CPLReleaseMutex(budget->mutex);
    return peak;
}

uint64_t stf_budget_cap_bytes(stf_budget *budget) {
    CPLAcquireMutex(budget->mutex, 1000.0);
    uint64_t cap = budget->cap_bytes;
    CPLReleaseMutex(budget->mutex);
    return cap;
}

void stf_budget_set_cap(stf_budget *budget, uint64_t cap_bytes) {
    CPLAcquireMutex(budget->mutex, 1000.0);
    budget->cap_bytes = cap_bytes;
    budget->peak_bytes = budget->charged_bytes;
    CPLReleaseMutex(budget->mutex);
}

/* --- pools ------------------------------------------------------------------------------------- */

struct stf_pool {
    stf_budget *budget;
    const char *what;
    size_t item_bytes, stride_bytes;
    uint32_t count;
    uint32_t used;       /* items handed out at least once: 0..used-1 */
    uint32_t charged;    /* used, and the reserved ones as long as they were not needed */
    uint32_t free_count; /* of those, how many lie in free_items */
    uint32_t *free_items;
    unsigned char *pages;
};

stf_pool *stf_pool_create(stf_budget *budget, size_t item_bytes, uint32_t count, const char *what, stf_error *err) {
    stf_pool *pool = VSICalloc(1, sizeof *pool);
    if (!pool) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for %s", what);
        return NULL;
    }
    pool->budget = budget;
    pool->what = what;
    pool->item_bytes = item_bytes;
    pool->stride_bytes = item_bytes > SIZE_MAX - 63 ? 0 : (item_bytes + 63) / 64 * 64;
    pool->count = count;
    if (count == 0)
        return pool;
    pool->free_items = VSIMalloc2(count, sizeof *pool->free_items);
    if (pool->stride_bytes > 0 && count <= SIZE_MAX / pool->stride_bytes)
        pool->pages = stf_platform_pages_alloc(pool->stride_bytes * count);
    if (!pool->free_items || !pool->pages) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for %u x %s of " CPL_FRMT_GUIB " bytes", count, what,
                 (GUIntBig)item_bytes);
        stf_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

void stf_pool_destroy(stf_pool *pool) {
    if (!pool)
        return;
    if (pool->pages) {
        stf_platform_pages_free(pool->pages, pool->stride_bytes * pool->count);
        stf_budget_release(pool->budget, (uint64_t)pool->item_bytes * pool->charged);
    }
    VSIFree(pool->free_items);
    VSIFree(pool);
}

bool stf_pool_reserve(stf_pool *pool, uint32_t items, stf_error *err) {
    if (items > pool->count)
        items = pool->count;
    if (!stf_budget_charge(pool->budget, (uint64_t)pool->item_bytes * items, pool->what, err))
        return false;
    pool->charged = items;
    return true;
}

uint32_t stf_pool_free_items(const stf_pool *pool) {
    return pool->free_count + (pool->count - pool->used);
}

bool stf_pool_take(stf_pool *pool, uint32_t *item, stf_error *err) {
    if (pool->free_count > 0) {
        *item = pool->free_items[--pool->free_count]; /* last in, first out: touches the fewest pages */
        return true;
    }
    if (pool->charged < pool->count) {
        if (!stf_budget_charge(pool->budget, pool->item_bytes, pool->what, err))
            return false;
        pool->charged++;
    }
    *item = pool->used++;
    return true;
}

void stf_pool_give(stf_pool *pool, uint32_t item) {
    pool->free_items[pool->free_count++] = item;
}

void *stf_pool_item(const stf_pool *pool, uint32_t item) {
    return pool->pages + (size_t)item * pool->stride_bytes;
}
