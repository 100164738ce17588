/* What is done to the samples of a tile before they are encoded, in place: fewer bits, the other byte order.
 *
 * A packed row is never longer than the row it is made of, so that packing front to back overwrites
 * nothing that is still to be read. Samples of fewer bits lie as TIFF has them: most significant bit
 * first, without regard to bytes, each row padded to a whole byte. What is too large for its bits becomes
 * the largest value. 16 bits of a 32-bit float are IEEE 754's binary16, cut up to GDAL 3.10 and rounded from
 * 3.11 on, as GTiff does it. */
#ifndef STF_SAMPLES_H
#define STF_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a row of so many samples. */
uint64_t stf_samples_row_bytes(uint64_t row_samples, uint16_t bits);

/* Packs rows x row_samples samples of memory_bits (8, 16 or 32; host byte order) to file_bits, which are fewer. True:
 * some did not fit, and were clipped. Any thread. */
bool stf_samples_pack(void *data, size_t rows, size_t row_samples, uint16_t memory_bits, uint16_t file_bits,
                      bool floating_point);

/* Turns the bytes of every number round; those of a complex sample are two. Bits that are no whole bytes stay. */
void stf_samples_swap(void *data, size_t samples, uint16_t bits, bool complex_numbers);

#ifdef __cplusplus
}
#endif
#endif
