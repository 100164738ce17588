/* TIFF's predictors undone, in place, after a block is decoded; see predictor.h for what they are. The sums run over 16 bytes at
 * once where the host has SSE2 and a pixel is 1, 2, 4 or 8 bytes. */
#ifndef STF_UNPREDICTOR_H
#define STF_UNPREDICTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row of row_px pixels, each of `bands` samples of sample_bits bits (8, 16, 32 or 64), in the host's byte order.
 * Any thread. */
void stf_unpredict_horizontal(void *row, size_t row_px, uint16_t bands, uint16_t sample_bits);

/* One row of samples of 32 or 64 bits that predictor 3 has sorted. scratch: as many bytes as the row. The file's byte order
 * does not matter: the samples come out in the host's. */
void stf_unpredict_floating_point(void *row, size_t row_px, uint16_t bands, uint16_t sample_bits, void *scratch);

/* Turns the bytes of each of count samples around. sample_bytes: 1, 2, 4, 8; data need not be aligned. */
void stf_unpredict_swap(void *data, size_t count, size_t sample_bytes);

/* One row of pixels -> one row of each band: band b's goes to to + b * band_bytes. sample_bytes: 1, 2, 4, 8 or 16. */
void stf_unpredict_separate(const void *row, size_t row_px, uint16_t bands, size_t sample_bytes, unsigned char *to,
                            size_t band_bytes);

#ifdef __cplusplus
}
#endif
#endif
