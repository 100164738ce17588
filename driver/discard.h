/* DISCARD_LSB: the lowest bits of each sample are rounded away before it is encoded, which then takes fewer bytes.
 *
 * GTiff's rules: of integers so many bits are cleared, and the highest of them rounds up, but not where the sample is
 * negative or would leave its type; one bit is cleared without rounding. Of floating point numbers it is the bits of
 * the mantissa. What is the nodata value stays, what is not does not become it; so do NaN and infinities, and the 255 of
 * a Byte, which may be opaque alpha. */
#ifndef STF_DISCARD_H
#define STF_DISCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encoder.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_discard {
    uint8_t *bits; /* of each band, owned; NULL: nothing is discarded */
    uint32_t bands;
    uint32_t sample_bytes;
    bool is_signed, is_float;
    bool
        halves_to_be; /* samples are floats here, and half floats in the file: sample_bytes, bits and nodata are of these */
    bool has_nodata;
    uint64_t nodata_bits; /* the nodata value as a sample, where it is one */
    double nodata;
} stf_discard;

/* text: the option's value, one number or one for each band; NULL: none. nodata: where the file has one that is compared
 * with. What GTiff ignores with a warning is ignored with the same one. Calling thread; fails only without memory. */
bool stf_discard_init(stf_discard *discard, const char *text, const stf_tile_format *format, uint32_t bands,
                      const double *nodata, stf_error *err);
void stf_discard_free(stf_discard *discard); /* a zeroed struct is legal */

/* In place, on samples that lie pixel by pixel with so many bands each, from first_band on. Any thread. */
void stf_discard_apply(const stf_discard *discard, uint32_t first_band, uint32_t bands, void *samples, size_t count);

#ifdef __cplusplus
}
#endif
#endif
