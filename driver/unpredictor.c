#include "unpredictor.h"

#include <string.h>

#include "cpl_port.h"

#if defined(__SSE2__) || defined(_M_X64)
#define HAVE_SSE2 1
#include <emmintrin.h>
#endif

/* --- sums along a row -------------------------------------------------------------------------- */

/* Rows begin wherever a block does, and are aligned for their samples at most: loads and stores by memcpy. */
#define SUMS(TYPE)                                                                                                     \
    static void sums_##TYPE(unsigned char *row, size_t from, size_t count, size_t stride) {                            \
        for (size_t i = from; i < count; i++) {                                                                        \
            TYPE before, now;                                                                                          \
            memcpy(&before, row + (i - stride) * sizeof before, sizeof before);                                        \
            memcpy(&now, row + i * sizeof now, sizeof now);                                                            \
            now = (TYPE)(now + before);                                                                                \
            memcpy(row + i * sizeof now, &now, sizeof now);                                                            \
        }                                                                                                              \
    }
SUMS(uint8_t)
SUMS(uint16_t)
SUMS(uint32_t)
SUMS(uint64_t)
#undef SUMS

/* Three bands, which fill no vector: their sums stay in registers. Gives how many samples are done: all whole pixels. */
#define SUMS_OF_3(TYPE)                                                                                                \
    static size_t sums_of_3_##TYPE(unsigned char *row, size_t count) {                                                 \
        TYPE sum[3] = {0, 0, 0}, now[3];                                                                               \
        size_t i = 0;                                                                                                  \
        for (; i + 3 <= count; i += 3) {                                                                               \
            memcpy(now, row + i * sizeof *now, sizeof now);                                                            \
            for (int band = 0; band < 3; band++)                                                                       \
                sum[band] = (TYPE)(sum[band] + now[band]);                                                             \
            memcpy(row + i * sizeof *sum, sum, sizeof sum);                                                            \
        }                                                                                                              \
        return i;                                                                                                      \
    }
SUMS_OF_3(uint8_t)
SUMS_OF_3(uint16_t)
SUMS_OF_3(uint32_t)
#undef SUMS_OF_3

#ifdef HAVE_SSE2

/* Of 16 bytes, in steps of doubling distance: each pixel plus the one before, plus the two before those, ... Then what the
 * pixels before came to, which is the last pixel of the sums so far, is added to all of them. SPREAD makes 16 bytes of
 * that pixel. Gives how many samples are done. */
#define VECTOR_SUMS(NAME, ADD, SAMPLE, PIXEL, SPREAD)                                                                  \
    static size_t NAME(unsigned char *row, size_t count) {                                                             \
        __m128i before = _mm_setzero_si128();                                                                          \
        size_t bytes = count * (SAMPLE), at = 0;                                                                       \
        for (; at + 16 <= bytes; at += 16) {                                                                           \
            __m128i sum = _mm_loadu_si128((const __m128i *)(const void *)(row + at));                                  \
            if ((PIXEL) < 2)                                                                                           \
                sum = ADD(sum, _mm_slli_si128(sum, 1));                                                                \
            if ((PIXEL) < 4)                                                                                           \
                sum = ADD(sum, _mm_slli_si128(sum, 2));                                                                \
            if ((PIXEL) < 8)                                                                                           \
                sum = ADD(sum, _mm_slli_si128(sum, 4));                                                                \
            sum = ADD(sum, _mm_slli_si128(sum, 8));                                                                    \
            sum = ADD(sum, before);                                                                                    \
            before = SPREAD(sum);                                                                                      \
            _mm_storeu_si128((__m128i *)(void *)(row + at), sum);                                                      \
        }                                                                                                              \
        return at / (SAMPLE);                                                                                          \
    }

static __m128i spread_8(__m128i sum) {
    return _mm_shuffle_epi32(sum, _MM_SHUFFLE(3, 2, 3, 2));
}

static __m128i spread_4(__m128i sum) {
    return _mm_shuffle_epi32(sum, _MM_SHUFFLE(3, 3, 3, 3));
}

static __m128i spread_2(__m128i sum) {
    return spread_4(_mm_shufflehi_epi16(sum, _MM_SHUFFLE(3, 3, 3, 3)));
}

static __m128i spread_1(__m128i sum) {
    return spread_2(_mm_unpackhi_epi8(sum, sum));
}

VECTOR_SUMS(sums_8_of_1, _mm_add_epi8, 1, 1, spread_1)
VECTOR_SUMS(sums_8_of_2, _mm_add_epi8, 1, 2, spread_2)
VECTOR_SUMS(sums_8_of_4, _mm_add_epi8, 1, 4, spread_4)
VECTOR_SUMS(sums_8_of_8, _mm_add_epi8, 1, 8, spread_8)
VECTOR_SUMS(sums_16_of_2, _mm_add_epi16, 2, 2, spread_2)
VECTOR_SUMS(sums_16_of_4, _mm_add_epi16, 2, 4, spread_4)
VECTOR_SUMS(sums_16_of_8, _mm_add_epi16, 2, 8, spread_8)
VECTOR_SUMS(sums_32_of_4, _mm_add_epi32, 4, 4, spread_4)
VECTOR_SUMS(sums_32_of_8, _mm_add_epi32, 4, 8, spread_8)
VECTOR_SUMS(sums_64_of_8, _mm_add_epi64, 8, 8, spread_8)
#undef VECTOR_SUMS

/* How many samples are done: 0, or what is left is less than 16 bytes. */
static size_t vector_sums(unsigned char *row, size_t count, size_t stride, size_t sample_bytes) {
    switch (16 * sample_bytes + stride) {
    case 16 + 1:
        return sums_8_of_1(row, count);
    case 16 + 2:
        return sums_8_of_2(row, count);
    case 16 + 4:
        return sums_8_of_4(row, count);
    case 16 + 8:
        return sums_8_of_8(row, count);
    case 32 + 1:
        return sums_16_of_2(row, count);
    case 32 + 2:
        return sums_16_of_4(row, count);
    case 32 + 4:
        return sums_16_of_8(row, count);
    case 64 + 1:
        return sums_32_of_4(row, count);
    case 64 + 2:
        return sums_32_of_8(row, count);
    case 128 + 1:
        return sums_64_of_8(row, count);
    default:
        return 0;
    }
}

#else

static size_t vector_sums(unsigned char *row, size_t count, size_t stride, size_t sample_bytes) {
    (void)row, (void)count, (void)stride, (void)sample_bytes;
    return 0;
}

#endif

static void sum_up(unsigned char *row, size_t count, size_t stride, size_t sample_bytes) {
    size_t done = 0;
    if (stride == 3 && sample_bytes <= 4)
        done = sample_bytes == 1   ? sums_of_3_uint8_t(row, count)
               : sample_bytes == 2 ? sums_of_3_uint16_t(row, count)
                                   : sums_of_3_uint32_t(row, count);
    else if (stride < 16)
        done = vector_sums(row, count, stride, sample_bytes);
    if (done < stride)
        done = stride; /* the first pixel is what it is */
    if (sample_bytes == 1)
        sums_uint8_t(row, done, count, stride);
    else if (sample_bytes == 2)
        sums_uint16_t(row, done, count, stride);
    else if (sample_bytes == 4)
        sums_uint32_t(row, done, count, stride);
    else
        sums_uint64_t(row, done, count, stride);
}

void stf_unpredict_horizontal(void *row, size_t row_px, uint16_t bands, uint16_t sample_bits) {
    sum_up(row, row_px * bands, bands, sample_bits / 8u);
}

/* --- bytes sorted by significance -------------------------------------------------------------- */

/* Shifts, not addresses: the host's byte order does not matter, and these vectorise. */
static void gather_32(unsigned char *restrict to, const unsigned char *restrict sorted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t sample = (uint32_t)sorted[i] << 24 | (uint32_t)sorted[count + i] << 16 |
                          (uint32_t)sorted[2 * count + i] << 8 | sorted[3 * count + i];
        memcpy(to + 4 * i, &sample, sizeof sample);
    }
}

static void gather_64(unsigned char *restrict to, const unsigned char *restrict sorted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t sample = 0;
        for (size_t byte = 0; byte < 8; byte++)
            sample = sample << 8 | sorted[byte * count + i];
        memcpy(to + 8 * i, &sample, sizeof sample);
    }
}

void stf_unpredict_floating_point(void *row, size_t row_px, uint16_t bands, uint16_t sample_bits, void *scratch) {
    size_t count = row_px * bands, bytes = count * (sample_bits / 8u);
    sum_up(row, bytes, bands, 1);
    memcpy(scratch, row, bytes);
    if (sample_bits == 32)
        gather_32(row, scratch, count);
    else
        gather_64(row, scratch, count);
}

/* --- byte order and bands ---------------------------------------------------------------------- */

#define SWAP(TYPE, TURN)                                                                                               \
    static void swap_##TYPE(unsigned char *data, size_t count) {                                                       \
        for (size_t i = 0; i < count; i++) {                                                                           \
            TYPE sample;                                                                                               \
            memcpy(&sample, data + i * sizeof sample, sizeof sample);                                                  \
            sample = TURN(sample);                                                                                     \
            memcpy(data + i * sizeof sample, &sample, sizeof sample);                                                  \
        }                                                                                                              \
    }
SWAP(uint16_t, CPL_SWAP16)
SWAP(uint32_t, CPL_SWAP32)
SWAP(uint64_t, CPL_SWAP64)
#undef SWAP

void stf_unpredict_swap(void *data, size_t count, size_t sample_bytes) {
    if (sample_bytes == 2)
        swap_uint16_t(data, count);
    else if (sample_bytes == 4)
        swap_uint32_t(data, count);
    else if (sample_bytes == 8)
        swap_uint64_t(data, count);
}

/* The step in bytes is known where samples are copied, so that a copy is one load and one store. */
#define SEPARATE(BYTES)                                                                                                \
    static void separate_##BYTES(const unsigned char *restrict from, size_t row_px, size_t step,                       \
                                 unsigned char *restrict to) {                                                         \
        for (size_t x = 0; x < row_px; x++)                                                                            \
            memcpy(to + x * (BYTES), from + x * step, (BYTES));                                                        \
    }
SEPARATE(1)
SEPARATE(2)
SEPARATE(4)
SEPARATE(8)
SEPARATE(16)
#undef SEPARATE

void stf_unpredict_separate(const void *row, size_t row_px, uint16_t bands, size_t sample_bytes, unsigned char *to,
                            size_t band_bytes) {
    for (uint16_t b = 0; b < bands; b++) {
        const unsigned char *from = (const unsigned char *)row + b * sample_bytes;
        unsigned char *band = to + b * band_bytes;
        if (sample_bytes == 1)
            separate_1(from, row_px, bands, band);
        else if (sample_bytes == 2)
            separate_2(from, row_px, 2u * bands, band);
        else if (sample_bytes == 4)
            separate_4(from, row_px, 4u * bands, band);
        else if (sample_bytes == 8)
            separate_8(from, row_px, 8u * bands, band);
        else
            separate_16(from, row_px, 16u * bands, band);
    }
}
