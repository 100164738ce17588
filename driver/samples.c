#include "samples.h"

#include <string.h>

#include "gdal_version.h"

uint64_t stf_samples_row_bytes(uint64_t row_samples, uint16_t bits) {
    /* bits is at most 128: the product is checked by whoever takes row_samples beyond 2^56 */
    return (row_samples * bits + 7) / 8;
}

/* --- packing ----------------------------------------------------------------------------------- */

static uint32_t sample_at(const unsigned char *row, size_t index, uint16_t bits) {
    uint16_t half;
    uint32_t word;
    if (bits == 8)
        return row[index];
    if (bits == 16) {
        memcpy(&half, row + 2 * index, sizeof half);
        return half;
    }
    memcpy(&word, row + 4 * index, sizeof word);
    return word;
}

/* At most 7 bits wait between two samples: a sample of 31 bits fits beside them. */
static bool pack_row(unsigned char *to, const unsigned char *from, size_t samples, uint16_t memory_bits,
                     uint16_t file_bits) {
    const uint32_t most = (uint32_t)((UINT64_C(1) << file_bits) - 1);
    uint64_t waiting = 0;
    unsigned count = 0;
    bool clipped = false;
    for (size_t i = 0; i < samples; i++) {
        uint32_t value = sample_at(from, i, memory_bits);
        if (value > most) {
            value = most;
            clipped = true;
        }
        waiting = waiting << file_bits | value;
        for (count += file_bits; count >= 8; count -= 8)
            *to++ = (unsigned char)(waiting >> (count - 8));
    }
    if (count > 0)
        *to = (unsigned char)(waiting << (8 - count));
    return clipped;
}

/* One bit: whatever is not 0. */
static bool pack_row_of_bits(unsigned char *to, const unsigned char *from, size_t samples) {
    bool clipped = false;
    for (size_t i = 0; i < samples; i += 8) {
        size_t count = samples - i < 8 ? samples - i : 8;
        unsigned byte = 0, all = 0;
        for (size_t bit = 0; bit < count; bit++) {
            byte |= (from[i + bit] != 0 ? 0x80u : 0u) >> bit;
            all |= from[i + bit];
        }
        clipped = clipped || all > 1;
        *to++ = (unsigned char)byte;
    }
    return clipped;
}

/* True: beyond the range, and infinite now. */
static bool to_half(uint32_t word, uint16_t *half) {
    const uint32_t sign = word >> 16 & 0x8000u, exponent = word >> 23 & 0xFFu, mantissa = word & 0x7FFFFFu;
    uint32_t value, cut = 0; /* the bits cut off, at the top of a word */
    if (exponent == 255)     /* an infinity, or a NaN that must stay one */
        value = 0x7C00u | (mantissa == 0 ? 0 : mantissa >> 13 ? mantissa >> 13 : 0x200u);
    else if (exponent >= 127 + 16)
        value = 0x7C00u;
    else if (exponent > 127 - 15) {
        value = (exponent - (127 - 15)) << 10 | mantissa >> 13;
        cut = mantissa << 19;
    } else if (126 - exponent < 32) { /* too small for a normal number: shifted out, bit by bit */
        value = (mantissa | 0x800000u) >> (126 - exponent);
        cut = (mantissa | 0x800000u) << (exponent - 94);
    } else
        value = 0;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0) /* has a type of 16 bits, and rounds to it, to the even one */
    if (cut > 0x80000000u || (cut == 0x80000000u && (value & 1) != 0))
        value++;
#else
    (void)cut;
#endif
    *half = (uint16_t)(sign | value);
    return exponent != 255 && (value & 0x7C00u) == 0x7C00u;
}

static bool pack_row_of_floats(unsigned char *to, const unsigned char *from, size_t samples) {
    bool clipped = false;
    for (size_t i = 0; i < samples; i++) {
        uint16_t half;
        if (to_half(sample_at(from, i, 32), &half))
            clipped = true;
        memcpy(to + 2 * i, &half, sizeof half);
    }
    return clipped;
}

bool stf_samples_pack(void *data, size_t rows, size_t row_samples, uint16_t memory_bits, uint16_t file_bits,
                      bool floating_point) {
    const size_t from_bytes = row_samples * memory_bits / 8;
    const size_t to_bytes = (size_t)stf_samples_row_bytes(row_samples, file_bits);
    const unsigned char *from = data;
    unsigned char *to = data;
    bool clipped = false;
    for (size_t row = 0; row < rows; row++, from += from_bytes, to += to_bytes) {
        if (floating_point)
            clipped = pack_row_of_floats(to, from, row_samples) || clipped;
        else if (file_bits == 1)
            clipped = pack_row_of_bits(to, from, row_samples) || clipped;
        else
            clipped = pack_row(to, from, row_samples, memory_bits, file_bits) || clipped;
    }
    return clipped;
}

/* --- byte order -------------------------------------------------------------------------------- */

static void swap_bytes(unsigned char *data, size_t count, size_t width) {
    for (size_t i = 0; i < count; i++, data += width)
        for (size_t low = 0, high = width - 1; low < high; low++, high--) {
            unsigned char kept = data[low];
            data[low] = data[high];
            data[high] = kept;
        }
}

void stf_samples_swap(void *data, size_t samples, uint16_t bits, bool complex_numbers) {
    if (bits % 8 != 0)
        return;
    size_t width = bits / 8u;
    if (complex_numbers)
        swap_bytes(data, samples * 2, width / 2);
    else
        swap_bytes(data, samples, width);
}
