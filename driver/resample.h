/* Pixels of one level of a pyramid from those of the level it is made from, window by window, by GDAL's own functions.
 *
 * The window that is there is shown to GDAL as a MEM dataset of the size of the whole level, most of which is not
 * there, and of which only what is there is asked for: so each pixel is computed at its true place, with the
 * ratio of the whole levels and a halo of true pixels, and equals that of a run over the whole. What GDAL treats as
 * left out (nodata, alpha, a mask) is shown as the dataset itself shows it.
 *
 * NEAREST is no resampling of RasterIO's: GDAL's overviews take another pixel than it does. Nor is there one for complex
 * numbers. Both are computed here as GDAL's overviews are. */
#ifndef STF_RESAMPLE_H
#define STF_RESAMPLE_H

#include "gdal.h"
#include "geometry.h"
#include "overview_grid.h"
#include "status.h"
#include "uniform.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_resample stf_resample;

typedef struct stf_resample_request {
    const char
        *method; /* GDAL's name; NULL: GDAL's own choice for overviews, CUBIC, or NEAREST for palettes and complex */
    GDALDatasetH dataset; /* asked for all that matters, now */
    GDALDataType type;    /* of the samples */
    bool of_mask;         /* the pixels are not the dataset's, but its mask's: one band of Byte */
    bool with_mask;       /* the dataset has a mask of its own, which comes with every window */
} stf_resample_request;

/* Calling thread. Fails where GDAL has no such method, or not for this type. */
stf_resample *stf_resample_create(const stf_resample_request *request, stf_error *err);
void stf_resample_destroy(stf_resample *resample); /* NULL is legal */

/* Of the kernel, in pixels at a ratio of 1. */
uint32_t stf_resample_radius(const stf_resample *resample);
bool stf_resample_needs_mask(const stf_resample *resample);
/* True where a pixel of one band is left out by what others are (alpha, NODATA_VALUES): windows must have them all. */
bool stf_resample_needs_all_bands(const stf_resample *resample);
/* What GDAL makes each level from. Of complex numbers and palettes it does so band by band, and then by other rules: from
 * the raster with NEAREST, if a row of the source's blocks is small, and where the raster has a mask. */
stf_overview_parents stf_resample_parents(const stf_resample *resample, uint32_t source_block_height_px,
                                          uint32_t width_px, uint32_t least_width_px, uint32_t height_px,
                                          uint32_t least_height_px);
/* Of a mask: its levels have the values 0 and 1. */
bool stf_resample_is_of_bits(const stf_resample *resample);
/* The method's name. */
const char *stf_resample_method(const stf_resample *resample);

/* One window. Rows of pixels have room for one more behind the last, which is written over, as may be the pixels of the
 * source that lie to the right of what the target needs. */
typedef struct stf_resample_window {
    bool of_raster; /* the parent is the raster, not a level */
    uint32_t parent_width_px, parent_height_px, level_width_px, level_height_px;
    uint32_t first_band, bands; /* of the dataset, counted from 0; their samples lie pixel by pixel */
    stf_window source;          /* in the parent: what is there */
    unsigned char *pixels;
    size_t row_bytes;
    unsigned char *mask; /* a byte for each pixel, not 0 where it counts; NULL: none */
    size_t mask_row_bytes;
    stf_window target; /* in the level: what is asked for */
    unsigned char *result;
    size_t result_row_bytes;
    unsigned char *spare; /* as many bytes as source has pixels, with one more each row */
} stf_resample_window;

/* Any thread. */
bool stf_resample_run(const stf_resample *resample, const stf_resample_window *window, stf_error *err);

/* What GDAL takes inside for windows of this size. */
uint64_t stf_resample_cost_bytes(const stf_resample *resample, uint32_t source_width_px, uint32_t target_width_px,
                                 double ratio_y);

/* Bytes for each pixel of the source that a window brings beside its pixels: as mask, or as spare. */
uint32_t stf_resample_bytes_beside(const stf_resample *resample);

/* True where all pixels come out as one value that is known without computing them, when all those they are made from
 * have this value and, where there is a mask, all are in it, or (is_masked) none. In place. Any thread. */
bool stf_resample_of_uniform(const stf_resample *resample, uint32_t first_band, bool is_masked, stf_uniform *value);

#ifdef __cplusplus
}
#endif
#endif
