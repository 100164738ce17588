#include "uniform.h"

#include <string.h>

#include "cpl_vsi.h"

/* A tile of 1 MiB comes to 1 KB with DEFLATE, 50 bytes with ZSTD, and 16 KB with PACKBITS. */
enum { ROOM_BYTES = 32 << 10, ENTRIES = 32 };

typedef struct kept_tile {
    stf_uniform value;
    uint32_t rows;
    size_t offset, bytes; /* within the room */
} kept_tile;

struct stf_uniform_store {
    uint32_t count;
    size_t used_bytes;
    kept_tile tiles[ENTRIES];
    unsigned char room[ROOM_BYTES];
};

bool stf_uniform_of_sample(const void *sample, size_t sample_bytes, size_t samples, stf_uniform *value) {
    if (sample_bytes == 0 || samples > STF_UNIFORM_MAX_BYTES / sample_bytes)
        return false;
    value->pixel_bytes = sample_bytes * samples;
    for (size_t i = 0; i < samples; i++)
        memcpy(value->pixel + i * sample_bytes, sample, sample_bytes);
    return true;
}

bool stf_uniform_of_pixels(const void *pixels, size_t pixel_bytes, size_t pixel_count, stf_uniform *value) {
    if (pixel_bytes > STF_UNIFORM_MAX_BYTES || pixel_count == 0)
        return false;
    const unsigned char *bytes = pixels;
    size_t last = pixel_bytes * (pixel_count - 1);
    if (memcmp(bytes, bytes + last, pixel_bytes) != 0 || memcmp(bytes, bytes + pixel_bytes, last) != 0)
        return false;
    value->pixel_bytes = pixel_bytes;
    memcpy(value->pixel, pixels, pixel_bytes);
    return true;
}

uint64_t stf_uniform_store_cost_bytes(void) {
    return sizeof(stf_uniform_store);
}

stf_uniform_store *stf_uniform_store_create(void) {
    return VSICalloc(1, sizeof(stf_uniform_store));
}

void stf_uniform_store_destroy(stf_uniform_store *store) {
    VSIFree(store);
}

const void *stf_uniform_store_find(const stf_uniform_store *store, const stf_uniform *value, uint32_t rows,
                                   size_t *encoded_bytes) {
    for (uint32_t i = 0; i < store->count; i++) {
        const kept_tile *tile = &store->tiles[i];
        if (tile->rows != rows || tile->value.pixel_bytes != value->pixel_bytes ||
            memcmp(tile->value.pixel, value->pixel, value->pixel_bytes) != 0)
            continue;
        *encoded_bytes = tile->bytes;
        return store->room + tile->offset;
    }
    return NULL;
}

void stf_uniform_store_keep(stf_uniform_store *store, const stf_uniform *value, uint32_t rows, const void *encoded,
                            size_t encoded_bytes) {
    size_t there;
    if (store->count == ENTRIES || encoded_bytes > ROOM_BYTES - store->used_bytes ||
        stf_uniform_store_find(store, value, rows, &there))
        return;
    kept_tile *tile = &store->tiles[store->count++];
    tile->value = *value;
    tile->rows = rows;
    tile->offset = store->used_bytes;
    tile->bytes = encoded_bytes;
    memcpy(store->room + tile->offset, encoded, encoded_bytes);
    store->used_bytes += encoded_bytes;
}
