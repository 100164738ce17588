/* TIFF's predictors, applied to a tile in place before its codec: what libtiff would do on a copy of
 * the tile of its own, byte for byte, in loops that the compiler vectorises.
 *
 * Predictor 2 (TIFF 6, section 14): each sample less the sample of the same band in the pixel before, in
 * integers of the sample's width. Predictor 3 (TIFF technical note 3): the bytes of a row's samples
 * are sorted by significance, the most significant of all samples first; then each byte less the byte
 * as many bytes before as there are samples in a pixel. */
#ifndef STF_PREDICTOR_H
#define STF_PREDICTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* True where stf_predictor_apply does this predictor for samples of these bits. */
bool stf_predictor_knows(uint16_t predictor, uint16_t sample_bits);

/* rows x row_samples samples of sample_bits bits, in the host's byte order; samples: bands in a pixel.
 * scratch: row_samples x sample_bits / 8 bytes. Any thread. */
void stf_predictor_apply(uint16_t predictor, void *data, size_t rows, size_t row_samples, uint16_t samples,
                         uint16_t sample_bits, void *scratch);
/* The same on any processor. */
void stf_predictor_apply_portably(uint16_t predictor, void *data, size_t rows, size_t row_samples, uint16_t samples,
                                  uint16_t sample_bits, void *scratch);

#ifdef __cplusplus
}
#endif
#endif
