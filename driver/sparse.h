/* SPARSE_OK: which tiles are left out of the file, as GTiff leaves them out.
 *
 * A tile is left out where all its pixels are what a reader takes for a missing tile: the nodata value, or 0 without
 * one. GTiff compares in the type of the samples, so that any NaN is a NaN nodata value; for complex numbers, 64-bit
 * integers with a nodata value, and samples stored in fewer bits (but less than 8 of nodata 0), it compares nothing, and
 * leaves out only what the source leaves out. */
#ifndef STF_SPARSE_H
#define STF_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uniform.h"
#include "gdal.h"
#include "geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_sparse {
    bool omits;       /* SPARSE_OK=YES */
    bool compares;    /* pixels are looked at */
    bool partial_too; /* also those of a tile that is cut at the right: not where samples take less than a byte */
    double nodata;
    uint16_t memory_bits, sample_format; /* bits: of a sample in memory */
    unsigned char missing[16];           /* one sample of a missing tile, as it is read */
} stf_sparse;

/* type: of the samples in memory; nodata: the text of the file's nodata tag, NULL: none. */
void stf_sparse_init(stf_sparse *sparse, bool omits, GDALDataType type, const char *nodata, uint16_t sample_bits,
                     uint16_t sample_format);

/* True where a complete tile is left out: valid is the part that lies in the raster, a row of pixels is row_px wide. */
bool stf_sparse_omits(const stf_sparse *sparse, const void *pixels, const stf_window *valid, size_t row_px,
                      size_t samples);
/* The same for a tile that came as one value, without pixels. */
bool stf_sparse_omits_uniform(const stf_sparse *sparse, const stf_uniform *value, const stf_window *valid,
                              size_t row_px, size_t sample_bytes);

#ifdef __cplusplus
}
#endif
#endif
