/* Tiles of one value: found by a scan that ends at the first other pixel, and encoded once for each value.
 *
 * The store keeps the compressed bytes of so many values as fit into its fixed room, and those for good: what it once
 * handed out stays where it is. */
#ifndef STF_UNIFORM_H
#define STF_UNIFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STF_UNIFORM_MAX_BYTES 64 /* pixels with more bytes are never found constant */

/* One pixel, all of its samples. */
typedef struct stf_uniform {
    size_t pixel_bytes;
    unsigned char pixel[STF_UNIFORM_MAX_BYTES];
} stf_uniform;

/* A pixel whose samples are all the same; false: it has too many. */
bool stf_uniform_of_sample(const void *sample, size_t sample_bytes, size_t samples, stf_uniform *value);
/* True where all pixels are alike; value is then the pixel. */
bool stf_uniform_of_pixels(const void *pixels, size_t pixel_bytes, size_t pixel_count, stf_uniform *value);

/* Not synchronised: the caller's lock covers it. */
typedef struct stf_uniform_store stf_uniform_store;

uint64_t stf_uniform_store_cost_bytes(void);              /* for the account */
stf_uniform_store *stf_uniform_store_create(void);        /* NULL: no memory */
void stf_uniform_store_destroy(stf_uniform_store *store); /* NULL is legal */

/* The encoded bytes of a tile (or strip) of so many rows of this pixel; NULL: not kept. They stay the store's. */
const void *stf_uniform_store_find(const stf_uniform_store *store, const stf_uniform *value, uint32_t rows,
                                   size_t *encoded_bytes);
/* Keeps a copy where there is room for it. What is there already is not kept again. */
void stf_uniform_store_keep(stf_uniform_store *store, const stf_uniform *value, uint32_t rows, const void *encoded,
                            size_t encoded_bytes);

#ifdef __cplusplus
}
#endif
#endif
