/* What was seen of some numbers: how many, the least, the largest, and what their mean and deviation follow from.
 *
 * Whole numbers of up to 16 bits are summed exactly (is_exact, the same in all calls for a tally). Of all others there are a mean
 * and a sum of squares about it, joined by the formula of Chan, Golub and LeVeque: the figures depend on the order of joining
 * alone. All zeros is a tally of nothing. Plain data; one thread at a time for each. */
#ifndef STF_TALLY_H
#define STF_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_tally {
    uint64_t count;
    double min, max;
    union {
        struct {
            double mean, squares; /* of differences to the mean */
        } about;
        struct {
            int64_t sum;
            uint64_t squares;
        } exact;
    } of;
} stf_tally;

typedef struct stf_tally_result {
    uint64_t count;
    double min, max, mean, deviation; /* of the whole population; 0 where nothing was counted */
} stf_tally_result;

#define STF_TALLY_MAX_NUMBERS (1 << 20) /* of one call: squares of 16 bits add up exactly in a double then */

/* 1 to STF_TALLY_MAX_NUMBERS numbers, none of them NaN. */
void stf_tally_add(stf_tally *into, const double *numbers, uint32_t count, bool is_exact);

/* A tally of one number, which was seen so many times. */
void stf_tally_multiply(stf_tally *into, uint64_t times, bool is_exact);

/* Of tallies that lie step apart, joined in their order. */
stf_tally_result stf_tally_join(const stf_tally *first, size_t tallies, size_t step, bool is_exact);

#ifdef __cplusplus
}
#endif
#endif
