#include "discard.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_error.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal_version.h"
#include "tiff.h"

/* What GTiff steps away from where there is no nodata value, and a number was rounded up to infinity. */
#define NODATA_OF_NONE (-9999.0)

/* Up to 3.10 GTiff has no half floats but those that NBITS=16 makes, and takes no bits from them. */
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
#define HALF_BITS 10
#else
#define HALF_BITS 0
#endif

/* --- the option -------------------------------------------------------------------------------- */

static int most_bits(const stf_tile_format *format) {
    if (format->sample_format == SAMPLEFORMAT_IEEEFP) /* bits of the mantissa, less one; or not even that */
        return format->sample_bits == 32   ? 22
               : format->sample_bits == 64 ? 52
               : format->sample_bits == 16 ? HALF_BITS
                                           : 0;
    return format->sample_bits - (format->sample_format == SAMPLEFORMAT_INT ? 2 : 1);
}

static bool is_ignored(const stf_tile_format *format, int numbers, uint32_t bands) {
    const uint16_t bits = format->sample_bits;
    const char *reason = NULL;
    if (format->photometric == PHOTOMETRIC_PALETTE)
        reason = "on a paletted image";
    else if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
        reason = "on non 8, 16, 32 or 64 bits images";
    if (reason)
        CPLError(CE_Warning, CPLE_AppDefined, "DISCARD_LSB ignored %s", reason);
    else if (numbers != 1 && (uint32_t)numbers != bands)
        CPLError(CE_Warning, CPLE_AppDefined, "DISCARD_LSB ignored: wrong number of components");
    else
        return false;
    return true;
}

static bool read_bits(stf_discard *discard, CSLConstList numbers, int most) {
    const bool one = CSLCount(numbers) == 1;
    for (uint32_t band = 0; band < discard->bands; band++) {
        const int bits = atoi(numbers[one ? 0 : band]);
        if (bits < 0 || bits > most) {
            CPLError(CE_Warning, CPLE_AppDefined, "DISCARD_LSB ignored: values should be in [0,%d] range", most);
            return false;
        }
        discard->bits[band] = (uint8_t)bits;
    }
    return true;
}

/* Only a value that is one of the integers of the type is compared with. */
static void describe_nodata(stf_discard *discard, const stf_tile_format *format, const double *nodata) {
    const int bits = format->sample_bits - (discard->is_signed ? 1 : 0);
    discard->nodata = nodata ? *nodata : NODATA_OF_NONE;
    discard->has_nodata = nodata != NULL;
    if (discard->is_float || !nodata)
        return;
    const double least = discard->is_signed ? -ldexp(1, bits) : 0;
    discard->has_nodata = *nodata >= least && *nodata < ldexp(1, bits) && floor(*nodata) == *nodata;
    if (discard->has_nodata) {
        discard->nodata_bits = *nodata < 0 ? (uint64_t)(int64_t)*nodata : (uint64_t)*nodata;
        discard->nodata_bits &= UINT64_MAX >> (64 - format->sample_bits);
    }
}

bool stf_discard_init(stf_discard *discard, const char *text, const stf_tile_format *format, uint32_t bands,
                      const double *nodata, stf_error *err) {
    memset(discard, 0, sizeof *discard);
    if (!text)
        return true;
    char **numbers = CSLTokenizeString2(text, ",", 0);
    if (!is_ignored(format, CSLCount(numbers), bands)) {
        discard->bands = bands;
        discard->sample_bytes = format->sample_bits / 8u;
        discard->is_signed = format->sample_format == SAMPLEFORMAT_INT;
        discard->is_float = format->sample_format == SAMPLEFORMAT_IEEEFP;
        discard->bits = VSICalloc(bands, 1);
        if (!discard->bits) {
            CSLDestroy(numbers);
            return stf_fail(err, CPLE_OutOfMemory, "No memory for DISCARD_LSB of %u bands", bands);
        }
        /* Complex numbers pass GTiff's checks, and then stay as they are. */
        const bool known = discard->is_signed || discard->is_float || format->sample_format == SAMPLEFORMAT_UINT;
        discard->halves_to_be = discard->is_float && format->sample_bits == 16 && format->memory_bits == 32;
        if (!read_bits(discard, numbers, most_bits(format)) || !known || (discard->halves_to_be && HALF_BITS == 0))
            stf_discard_free(discard);
        else
            describe_nodata(discard, format, nodata);
    }
    CSLDestroy(numbers);
    return true;
}

void stf_discard_free(stf_discard *discard) {
    VSIFree(discard->bits);
    discard->bits = NULL;
}

/* --- samples, as numbers of 64 bits with zeros above their own ---------------------------------- */

/* Half floats: a sign, 5 bits of exponent, 10 of mantissa. */
static double of_half(uint64_t sample) {
    const int exponent = (int)(sample >> 10 & 31), mantissa = (int)(sample & 1023);
    const double size = exponent == 31 ? (mantissa ? NAN : HUGE_VAL)
                        : exponent > 0 ? ldexp(1024 + mantissa, exponent - 25)
                                       : ldexp(mantissa, -24);
    return sample & 0x8000 ? -size : size;
}

static uint64_t to_half(double value) {
    const uint64_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);
    int exponent;
    if (size == 0) /* whose exponent is not the smallest of them */
        return sign;
    if (isnan(value) || size >= 65520)
        return sign | (isnan(value) ? 0x7e00 : 0x7c00);
    frexp(size, &exponent);
    const int last = exponent - 11 > -24 ? exponent - 11 : -24; /* the power of two of the last bit */
    return sign | (uint64_t)((last + 24) * 1024 + (int)nearbyint(ldexp(size, -last)));
}

static double float_of(const stf_discard *discard, uint64_t sample) {
    double wide;
    float narrow;
    const uint32_t low = (uint32_t)sample;
    memcpy(&wide, &sample, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    return discard->sample_bytes == 2 ? of_half(sample) : discard->sample_bytes == 4 ? (double)narrow : wide;
}

static double float_nodata(const stf_discard *discard) {
    return discard->sample_bytes == 2   ? of_half(to_half(discard->nodata))
           : discard->sample_bytes == 4 ? (double)(float)discard->nodata
                                        : discard->nodata;
}

/* The nodata value, and floating point numbers that are not finite. */
static bool means_nothing(const stf_discard *discard, uint64_t sample) {
    if (!discard->is_float)
        return discard->has_nodata && sample == discard->nodata_bits;
    const double value = float_of(discard, sample);
    return (discard->has_nodata && value == float_nodata(discard)) || !isfinite(value);
}

static uint64_t largest(const stf_discard *discard) {
    return UINT64_MAX >> (64 - 8 * discard->sample_bytes + (discard->is_signed ? 1 : 0));
}

static uint64_t round_off(const stf_discard *discard, uint64_t sample, uint8_t bits) {
    const uint64_t step = (uint64_t)1 << bits, half = bits > 1 ? step >> 1 : 0, most = largest(discard);
    const uint64_t kept = sample & ~(step - 1);
    if ((sample & half) == 0 || (discard->is_signed && sample > most))
        return kept;
    if (kept <= most - step)
        return kept + step;
    return discard->sample_bytes == 1 && !discard->is_signed ? most : most & ~(step - 1);
}

/* The value next to nodata, of those that are left. */
static uint64_t beside_nodata(const stf_discard *discard, uint8_t bits) {
    uint64_t sample = 0;
    if (!discard->is_float) {
        const uint64_t step = bits > 1 ? (uint64_t)1 << bits : 0, most = largest(discard);
        const bool negative = discard->is_signed && discard->nodata_bits > most;
        return !negative && discard->nodata_bits >= most - step ? discard->nodata_bits - step
                                                                : discard->nodata_bits + step;
    }
    const double wide = nextafter(discard->nodata, DBL_MAX);
    const float narrow = nextafterf((float)discard->nodata, FLT_MAX);
    uint32_t narrow_bits;
    memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
    memcpy(&sample, &wide, sizeof sample);
    if (discard->sample_bytes == 2) {
        sample = to_half(discard->nodata);
        return sample > 0x8000 ? sample - 1 : sample < 0x7bff ? sample + 1 : sample == 0x8000 ? 1 : sample;
    }
    return discard->sample_bytes == 4 ? narrow_bits : sample;
}

static uint64_t without_bits(const stf_discard *discard, uint64_t sample, uint8_t bits) {
    const bool opaque = discard->sample_bytes == 1 && !discard->is_signed && sample == 255;
    if (opaque || means_nothing(discard, sample))
        return sample;
    const uint64_t rounded = round_off(discard, sample, bits);
    return means_nothing(discard, rounded) ? beside_nodata(discard, bits) : rounded;
}

/* Of a float that is to be made half of: bits of the half. That comes later, and changes nothing any more. */
static uint64_t without_bits_of_half(const stf_discard *discard, uint32_t sample, uint8_t bits) {
    float value;
    memcpy(&value, &sample, sizeof value);
    const uint64_t half = to_half((double)value), rounded = without_bits(discard, half, bits);
    if (!isfinite(of_half(half))) /* also what is beyond the range, of which the packer tells */
        return sample;
    value = (float)of_half(rounded);
    memcpy(&sample, &value, sizeof sample);
    return sample;
}

void stf_discard_apply(const stf_discard *discard, uint32_t first_band, uint32_t bands, void *samples, size_t count) {
    const uint8_t *bits = discard->bits ? discard->bits + first_band : NULL;
    unsigned char *bytes = samples;
    uint32_t band = 0;
    if (!bits)
        return;
#define EACH_SAMPLE(TYPE, WITHOUT_BITS)                                                                                \
    for (size_t i = 0; i < count; i++) {                                                                               \
        TYPE sample;                                                                                                   \
        memcpy(&sample, bytes + i * sizeof(TYPE), sizeof(TYPE));                                                       \
        sample = (TYPE)WITHOUT_BITS(discard, sample, bits[band]);                                                      \
        memcpy(bytes + i * sizeof(TYPE), &sample, sizeof(TYPE));                                                       \
        band = band + 1 == bands ? 0 : band + 1;                                                                       \
    }
    if (discard->halves_to_be)
        EACH_SAMPLE(uint32_t, without_bits_of_half)
    else if (discard->sample_bytes == 1)
        EACH_SAMPLE(uint8_t, without_bits)
    else if (discard->sample_bytes == 2)
        EACH_SAMPLE(uint16_t, without_bits)
    else if (discard->sample_bytes == 4)
        EACH_SAMPLE(uint32_t, without_bits)
    else
        EACH_SAMPLE(uint64_t, without_bits)
#undef EACH_SAMPLE
}
