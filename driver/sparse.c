#include "sparse.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpl_conv.h"
#include "gdal_adaptor.h"
#include "tiff.h"

static bool is_wide_integer(GDALDataType type) {
    return type == GDT_Int64 || type == GDT_UInt64;
}

/* Whether GTiff looks at pixels of this type that are stored in so many bits. */
static bool is_compared(GDALDataType type, uint16_t sample_bits, const char *nodata, double value) {
    if (GDALDataTypeIsComplex(type) || (is_wide_integer(type) && nodata))
        return false;
    if (sample_bits < 8)
        return value == 0;
    return sample_bits == GDALGetDataTypeSizeBits(type) && !(GDALDataTypeIsFloating(type) && sample_bits == 16);
}

/* The text of the tag has lost a digit or two of the largest Float32, which GDAL restores. */
static double restore_float_max(double value) {
    return fabs(fabs(value) - FLT_MAX) < 1e-10 * FLT_MAX ? copysign(FLT_MAX, value) : value;
}

void stf_sparse_init(stf_sparse *sparse, bool omits, GDALDataType type, const char *nodata, uint16_t sample_bits,
                     uint16_t sample_format) {
    memset(sparse, 0, sizeof *sparse);
    sparse->omits = omits;
    sparse->partial_too = sample_bits >= 8;
    sparse->memory_bits = (uint16_t)GDALGetDataTypeSizeBits(type);
    sparse->sample_format = sample_format;
    if (nodata) {
        sparse->nodata = type == GDT_Float32 ? restore_float_max(CPLAtofM(nodata)) : CPLAtofM(nodata);
        GDALCopyWords(&sparse->nodata, GDT_Float64, 0, sparse->missing, type, 0, 1);
    }
    if (nodata && is_wide_integer(type)) {
        uint64_t value = type == GDT_UInt64 ? strtoull(nodata, NULL, 10) : (uint64_t)strtoll(nodata, NULL, 10);
        memcpy(sparse->missing, &value, sizeof value);
    }
    sparse->compares = is_compared(type, sample_bits, nodata, sparse->nodata);
}

bool stf_sparse_omits(const stf_sparse *sparse, const void *pixels, const stf_window *valid, size_t row_px,
                      size_t samples) {
    return sparse->omits && sparse->compares && (sparse->partial_too || valid->width == row_px) &&
           stf_gdal_has_only_nodata(pixels, sparse->nodata, valid->width, valid->height, row_px, samples,
                                    sparse->memory_bits, sparse->sample_format);
}

bool stf_sparse_omits_uniform(const stf_sparse *sparse, const stf_uniform *value, const stf_window *valid,
                              size_t row_px, size_t sample_bytes) {
    if (!sparse->omits)
        return false;
    if (sparse->compares) {
        const stf_window one = {0, 0, 1, 1};
        return (sparse->partial_too || valid->width == row_px) &&
               stf_sparse_omits(sparse, value->pixel, &one, 1, value->pixel_bytes / sample_bytes);
    }
    for (size_t i = 0; i < value->pixel_bytes; i += sample_bytes)
        if (memcmp(value->pixel + i, sparse->missing, sample_bytes) != 0)
            return false;
    return true;
}
