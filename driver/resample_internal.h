/* What the files of the resampling room share. */
#ifndef STF_RESAMPLE_INTERNAL_H
#define STF_RESAMPLE_INTERNAL_H

#include "resample.h"

#define STF_RESAMPLE_NO_BAND UINT32_MAX

typedef struct stf_resample_method_info {
    const char *name;
    GDALRIOResampleAlg algorithm;
    uint32_t radius_px;
    bool is_kernel; /* weights pixels; also those beyond the pixel's own share */
} stf_resample_method_info;

typedef struct stf_resample_band {
    int has_nodata;
    double nodata;
    int64_t nodata_int64;
    uint64_t nodata_uint64;
    unsigned char missing[16]; /* the nodata value as a sample */
    bool comes_back;           /* GDAL's functions give it back as it is */
    bool is_replaced;          /* MODE gives another value instead, as a sample */
    unsigned char nothing[16];
} stf_resample_band;

struct stf_resample {
    stf_resample_method_info method;
    GDALDriverH memory;
    GDALDataType type;
    size_t sample_bytes;
    uint32_t band_count;
    stf_resample_band *bands;
    bool is_masked;               /* pixels may be left out: by one of the four below */
    bool by_nodata;               /* each band by its nodata value */
    unsigned char *nodata_values; /* all bands by these values together, a pixel; or NULL */
    uint32_t alpha_band;          /* this one by itself, and all others by it, too; or STF_RESAMPLE_NO_BAND */
    bool alpha_is_alone;          /* the others are not */
    bool by_mask;                 /* by what comes with the window; of a mask: by the pixels themselves */
    bool of_mask;
    bool stays_mask; /* GDAL takes the levels of a mask for masks, too: each is its own, as that of the raster is */
    bool of_bits;    /* a mask of one bit: GDAL makes its levels of 0 and 1 */
    char *bits;      /* NBITS; or NULL */
    bool by_bands;   /* GDAL makes levels band by band: of complex numbers, and of palettes but by NEAREST */
    bool has_mask;   /* the raster's first band: other than by its own nodata value */
    GDALColorTableH colors; /* pixels are averaged by their colours; or NULL */
};

/* NEAREST, and AVERAGE and RMS of complex numbers. */
bool stf_resample_nearest(const stf_resample *resample, const stf_resample_window *window, stf_error *err);
bool stf_resample_complex(const stf_resample *resample, const stf_resample_window *window, stf_error *err);
/* Everything else. */
bool stf_resample_by_gdal(const stf_resample *resample, const stf_resample_window *window, stf_error *err);
/* NEAREST goes by way of Float32 for this type in the linked GDAL. */
bool stf_resample_nearest_is_rounded(const stf_resample *resample);

#endif
