#include "tally.h"

#include <math.h>

#define LANES 4 /* sums that do not wait for each other */

/* --- one of them ------------------------------------------------------------------------------- */

static void join(stf_tally *into, uint64_t count, double mean, double squares) {
    double delta = mean - into->of.about.mean, all = (double)(into->count + count);
    into->of.about.squares += squares + delta * delta * ((double)into->count * (double)count / all);
    into->of.about.mean += delta * ((double)count / all);
    into->count += count;
}

/* Of a constant no number but 0 may come out of rounding. */
static void add_about(stf_tally *into, const double *numbers, uint32_t count) {
    double sums[LANES] = {0}, squares[LANES] = {0}, rest[LANES] = {0};
    double first = numbers[0]; /* sums are of small numbers then */
    uint32_t i = 0, even = count - count % LANES;
    for (; i < even; i += LANES)
        for (uint32_t k = 0; k < LANES; k++)
            sums[k] += numbers[i + k] - first;
    for (; i < count; i++)
        sums[0] += numbers[i] - first;
    double mean = first + (sums[0] + sums[1] + sums[2] + sums[3]) / count;
    for (i = 0; i < even; i += LANES)
        for (uint32_t k = 0; k < LANES; k++) {
            double off = numbers[i + k] - mean;
            squares[k] += off * off;
            rest[k] += off;
        }
    for (; i < count; i++) {
        squares[0] += (numbers[i] - mean) * (numbers[i] - mean);
        rest[0] += numbers[i] - mean;
    }
    double off = (rest[0] + rest[1] + rest[2] + rest[3]) / count;
    join(into, count, mean + off, squares[0] + squares[1] + squares[2] + squares[3] - off * off * count);
}

static void add_exact(stf_tally *into, const double *numbers, uint32_t count) {
    double sum = 0, squares = 0; /* whole numbers below 2^53 */
    for (uint32_t i = 0; i < count; i++) {
        sum += numbers[i];
        squares += numbers[i] * numbers[i];
    }
    into->of.exact.sum += (int64_t)sum;
    into->of.exact.squares += (uint64_t)squares;
    into->count += count;
}

void stf_tally_add(stf_tally *into, const double *numbers, uint32_t count, bool is_exact) {
    double min = numbers[0], max = numbers[0];
    for (uint32_t i = 1; i < count; i++) {
        min = numbers[i] < min ? numbers[i] : min;
        max = numbers[i] > max ? numbers[i] : max;
    }
    if (into->count == 0 || min < into->min)
        into->min = min;
    if (into->count == 0 || max > into->max)
        into->max = max;
    if (is_exact)
        add_exact(into, numbers, count);
    else
        add_about(into, numbers, count);
}

void stf_tally_multiply(stf_tally *into, uint64_t times, bool is_exact) {
    if (into->count == 0)
        return;
    into->count = times;
    if (is_exact) {
        into->of.exact.sum *= (int64_t)times;
        into->of.exact.squares *= times;
    }
}

/* --- all of them ------------------------------------------------------------------------------- */

/* A whole number of up to 128 bits. */
typedef struct wide {
    uint64_t high, low;
} wide;

static wide wide_product(uint64_t a, uint64_t b) {
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32, b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low, middle = a_high * b_low + (low >> 32);
    uint64_t other = a_low * b_high + (middle & UINT32_MAX);
    wide product = {a_high * b_high + (middle >> 32) + (other >> 32), other << 32 | (low & UINT32_MAX)};
    return product;
}

static double wide_difference(wide a, wide b) {
    wide rest = {a.high - b.high - (a.low < b.low ? 1 : 0), a.low - b.low};
    return (double)rest.high * 18446744073709551616.0 + (double)rest.low;
}

/* Mean and standard deviation. Sums of 2^31 pixels square and more would not fit: they are joined as all others. */
static bool sum_exactly(const stf_tally *first, size_t tallies, size_t step, stf_tally_result *all) {
    uint64_t count = 0, squares = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < tallies; i++) {
        const stf_tally *of = &first[i * step];
        if (squares > UINT64_MAX - of->of.exact.squares)
            return false;
        count += of->count;
        sum += of->of.exact.sum;
        squares += of->of.exact.squares;
    }
    uint64_t size = sum < 0 ? 0 - (uint64_t)sum : (uint64_t)sum;
    all->mean = count > 0 ? (double)sum / (double)count : 0;
    all->deviation =
        count > 0 ? sqrt(wide_difference(wide_product(squares, count), wide_product(size, size))) / (double)count : 0;
    return true;
}

static void join_all(const stf_tally *first, size_t tallies, size_t step, bool is_exact, stf_tally_result *all) {
    stf_tally sum = {0};
    for (size_t i = 0; i < tallies; i++) {
        const stf_tally *of = &first[i * step];
        double count = (double)of->count;
        if (of->count == 0)
            continue;
        if (is_exact) {
            uint64_t size = of->of.exact.sum < 0 ? 0 - (uint64_t)of->of.exact.sum : (uint64_t)of->of.exact.sum;
            double rest = wide_difference(wide_product(of->of.exact.squares, of->count), wide_product(size, size));
            join(&sum, of->count, (double)of->of.exact.sum / count, rest / count);
        } else
            join(&sum, of->count, of->of.about.mean, of->of.about.squares);
    }
    all->mean = sum.of.about.mean;
    all->deviation = sum.count > 0 ? sqrt(sum.of.about.squares / (double)sum.count) : 0;
}

stf_tally_result stf_tally_join(const stf_tally *first, size_t tallies, size_t step, bool is_exact) {
    stf_tally_result all = {0};
    for (size_t i = 0; i < tallies; i++) {
        const stf_tally *of = &first[i * step];
        if (of->count == 0)
            continue;
        all.min = all.count == 0 || of->min < all.min ? of->min : all.min;
        all.max = all.count == 0 || of->max > all.max ? of->max : all.max;
        all.count += of->count;
    }
    if (!is_exact || !sum_exactly(first, tallies, step, &all))
        join_all(first, tallies, step, is_exact, &all);
    return all;
}
