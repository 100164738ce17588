/* The view that "STREAMTIFF:path" opens: a raster that GDAL opens, read through a cache of decoded blocks within a memory cap.
 *
 * The dataset that is shown (inner) answers everything but the reads of pixels at their own resolution; those are served here.
 * Nothing is set up before the first of them. Under a copy's account (account.h) the view shares its cap; else
 * the cap is the open option MEMORY_CAP, else STREAMTIFF_MEMORY_CAP, else a copy's default. A view is used by one thread at a
 * time, as any dataset. */
#ifndef STF_CACHED_DATASET_H
#define STF_CACHED_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "cpl_progress.h"
#include "cpl_string.h"
#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_VIEW_PREFIX "STREAMTIFF:"

/* A file as GDAL asks drivers about it. */
typedef struct stf_view_question {
    const char *name;
    int open_flags; /* GDAL_OF_* */
    bool update;
    bool is_file; /* name is that of a file that is there, and no folder */
    CSLConstList open_options;
} stf_view_question;

/* 1: ours, 0: not ours, -1: ours if it is a raster. Looks at no file. */
int stf_view_identify(const stf_view_question *question);
/* What the view is to show, opened; the caller closes it. NULL: not ours, or a CE_Failure was raised. */
GDALDatasetH stf_view_open_inner(const stf_view_question *question);
/* The XML of GDAL_DMD_OPENOPTIONLIST. */
extern const char *const stf_view_option_list;

typedef struct stf_view stf_view;

/* inner outlives the view. NULL: a CE_Failure was raised. */
stf_view *stf_view_create(GDALDatasetH inner, CSLConstList open_options);
void stf_view_destroy(stf_view *view); /* waits for its threads; NULL is legal */

/* A read of pixels as they are: buffer of width x height pixels for each band. */
typedef struct stf_view_read {
    int x, y, width, height;
    const int *bands; /* counted from 1 */
    int band_count;
    void *data;
    GDALDataType type;
    int64_t pixel_bytes, line_bytes, band_bytes; /* from one to the next */
    GDALProgressFunc progress;                   /* may be NULL */
    void *progress_data;
} stf_view_read;

/* True where the view serves reads of these bands (from 1) now; else they are to be made of inner. */
bool stf_view_serves(stf_view *view, const int *bands, int band_count);
/* After stf_view_serves. CE_Failure: it was raised. */
CPLErr stf_view_read_pixels(stf_view *view, const stf_view_read *read);
/* One natural block of a band, in the band's own type. */
CPLErr stf_view_read_block(stf_view *view, int band, int block_x, int block_y, void *data);

/* The STREAMING metadata domain: CAP_BYTES, FLOOR_BYTES, PEAK_BYTES, SOURCE_KIND, DECODER, SOURCE_BLOCKS, BLOCK_DECODES,
 * DECODES_MEASURED, SPILL_BYTES, SPILL_READ_BYTES, THREADS; of the copy that reads or has read last through the view, else its
 * own since it was opened. Empty before the first read. Belongs to the view. */
char **stf_view_metadata(stf_view *view);

#ifdef __cplusplus
}
#endif
#endif
