#include "reuse.h"

#include <stdlib.h>

#include "geometry.h"

#define PARTS 64u /* of each power of two in the histogram */
#define BUCKETS (64u * PARTS)

/* One block of the step that is under way. */
typedef struct reuse_touch {
    uint64_t bytes;
    uint32_t before, decodes; /* step of the touch before; NEVER */
} reuse_touch;

typedef struct reuse_bucket {
    uint64_t most_bytes, decodes;
} reuse_bucket;

struct stf_reuse {
    uint32_t blocks, steps;
    uint32_t now;   /* the step that is under way, from 1 */
    uint32_t *last; /* for each block the step of its last touch; NEVER */
    uint64_t *tree; /* Fenwick tree over steps 1..steps: bytes of the blocks whose last touch was there */
    uint64_t all_bytes;
    reuse_touch *touches;
    uint32_t touch_count, touch_room;
    uint32_t remembered; /* touches before this step are forgotten */
    uint64_t step_bytes, most_step_bytes, distinct, forgotten;
    bool shared;
    reuse_bucket buckets[BUCKETS]; /* by distance */
};

#define NEVER 0u

stf_reuse *stf_reuse_create(uint32_t blocks, uint32_t steps) {
    stf_reuse *reuse = calloc(1, sizeof *reuse);
    if (!reuse)
        return NULL;
    reuse->blocks = blocks;
    reuse->steps = steps;
    reuse->now = 1;
    reuse->last = calloc((size_t)blocks + 1, sizeof *reuse->last);
    reuse->tree = calloc((size_t)steps + 1, sizeof *reuse->tree);
    if (!reuse->last || !reuse->tree) {
        stf_reuse_destroy(reuse);
        return NULL;
    }
    return reuse;
}

void stf_reuse_destroy(stf_reuse *reuse) {
    if (!reuse)
        return;
    free(reuse->last);
    free(reuse->tree);
    free(reuse->touches);
    free(reuse);
}

uint64_t stf_reuse_cost_bytes(const stf_reuse *reuse) {
    return sizeof *reuse + ((uint64_t)reuse->blocks + 1) * sizeof *reuse->last +
           ((uint64_t)reuse->steps + 1) * sizeof *reuse->tree + (uint64_t)reuse->touch_room * sizeof *reuse->touches;
}

bool stf_reuse_was_touched(const stf_reuse *reuse, uint32_t block) {
    return block < reuse->blocks && reuse->last[block] != NEVER;
}

/* Unsigned arithmetic wraps, so that adding the complement takes away. */
static void tree_add(stf_reuse *reuse, uint32_t step, uint64_t bytes) {
    for (uint64_t i = step; i <= reuse->steps; i += i & (~i + 1))
        reuse->tree[i] += bytes;
}

static uint64_t tree_sum(const stf_reuse *reuse, uint32_t step) {
    uint64_t sum = 0;
    for (uint64_t i = step; i > 0; i -= i & (~i + 1))
        sum += reuse->tree[i];
    return sum;
}

bool stf_reuse_touch(stf_reuse *reuse, uint32_t block, uint64_t bytes, uint32_t decodes, uint32_t again, bool *first) {
    *first = false;
    if (block >= reuse->blocks || reuse->now > reuse->steps || reuse->last[block] == reuse->now)
        return true;
    if (reuse->touch_count == reuse->touch_room) {
        uint32_t room = reuse->touch_room ? 2 * reuse->touch_room : 64;
        reuse_touch *touches = realloc(reuse->touches, room * sizeof *touches);
        if (!touches)
            return false;
        reuse->touches = touches;
        reuse->touch_room = room;
    }
    uint32_t before = reuse->last[block];
    reuse_touch touch = {bytes, before, before == NEVER ? decodes : again};
    reuse->touches[reuse->touch_count++] = touch;
    reuse->last[block] = reuse->now;
    reuse->step_bytes = stf_add(reuse->step_bytes, bytes);
    *first = before == NEVER;
    return true;
}

/* Buckets of equal width within each power of two; below PARTS each number has its own. */
static uint32_t bucket_of(uint64_t bytes) {
    uint32_t power = 0;
    while (bytes >> power >= 2 * PARTS)
        power++;
    uint64_t bucket = bytes >> power >= PARTS ? (uint64_t)power * PARTS + (bytes >> power) : bytes;
    return bucket < BUCKETS ? (uint32_t)bucket : BUCKETS - 1;
}

static void keep_distance(stf_reuse *reuse, uint64_t bytes, uint32_t decodes) {
    reuse_bucket *bucket = &reuse->buckets[bucket_of(bytes)];
    if (bytes > bucket->most_bytes)
        bucket->most_bytes = bytes;
    bucket->decodes += decodes;
}

void stf_reuse_end_step(stf_reuse *reuse) {
    for (uint32_t i = 0; i < reuse->touch_count; i++) {
        const reuse_touch *touch = &reuse->touches[i];
        if (touch->before == NEVER) {
            reuse->distinct += touch->decodes;
            reuse->all_bytes = stf_add(reuse->all_bytes, touch->bytes);
        } else {
            tree_add(reuse, touch->before, ~touch->bytes + 1);
        }
        tree_add(reuse, reuse->now, touch->bytes);
    }
    for (uint32_t i = 0; i < reuse->touch_count; i++) {
        const reuse_touch *touch = &reuse->touches[i];
        if (touch->before == NEVER)
            continue;
        reuse->shared = true;
        if (touch->before < reuse->remembered)
            reuse->forgotten += touch->decodes;
        else
            keep_distance(reuse, reuse->all_bytes - tree_sum(reuse, touch->before - 1), touch->decodes);
    }
    if (reuse->step_bytes > reuse->most_step_bytes)
        reuse->most_step_bytes = reuse->step_bytes;
    reuse->step_bytes = 0;
    reuse->touch_count = 0;
    reuse->now++;
}

void stf_reuse_forget(stf_reuse *reuse) {
    reuse->remembered = reuse->now;
}

uint64_t stf_reuse_all_bytes(const stf_reuse *reuse) {
    return reuse->all_bytes;
}

uint64_t stf_reuse_least_decodes(const stf_reuse *reuse) {
    return reuse->distinct + reuse->forgotten;
}

uint64_t stf_reuse_step_bytes(const stf_reuse *reuse) {
    return reuse->most_step_bytes;
}

uint64_t stf_reuse_distinct(const stf_reuse *reuse) {
    return reuse->distinct;
}

bool stf_reuse_is_shared(const stf_reuse *reuse) {
    return reuse->shared;
}

uint64_t stf_reuse_decodes(const stf_reuse *reuse, uint64_t cache_bytes) {
    uint64_t decodes = stf_reuse_least_decodes(reuse);
    for (uint32_t i = 0; i < BUCKETS; i++)
        if (reuse->buckets[i].most_bytes > cache_bytes)
            decodes += reuse->buckets[i].decodes;
    return decodes;
}

uint64_t stf_reuse_cache_bytes(const stf_reuse *reuse, uint64_t most_decodes) {
    uint64_t decodes = stf_reuse_least_decodes(reuse);
    uint32_t i = BUCKETS;
    while (i > 0 && decodes + reuse->buckets[i - 1].decodes <= most_decodes)
        decodes += reuse->buckets[--i].decodes;
    uint64_t bytes = i > 0 ? reuse->buckets[i - 1].most_bytes : 0;
    return bytes > reuse->most_step_bytes ? bytes : reuse->most_step_bytes;
}
