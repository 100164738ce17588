/* What the C core needs of GDAL's C++ classes, and no C function gives. Implemented, without logic,
 * in the .cpp files. */
#ifndef STF_GDAL_ADAPTOR_H
#define STF_GDAL_ADAPTOR_H

#include "cpl_string.h"
#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A dataset that shows all of source's metadata (bands, types, georeferencing, colour, ...) but is
 * width x height pixels of zero, and, unless asked for (then of zeros), without overviews and a per-dataset mask. Reads
 * nothing of source's pixels. Close with GDALClose before source. */
enum {
    STF_STAND_IN_MASKED = 1,
    STF_STAND_IN_TOGETHER = 2,       /* interleaved by pixel, whatever source says */
    STF_STAND_IN_OVERVIEW = 4,       /* with an overview, which shows the metadata of source's first one */
    STF_STAND_IN_OVERVIEW_MASKED = 8 /* ... and has a mask */
};
GDALDatasetH stf_gdal_stand_in(GDALDatasetH source, int width, int height, int flags);

/* Puts these items in the place of all those that a band of it (from 1) shows in the default domain. Copied. */
void stf_gdal_stand_in_set_items(GDALDatasetH stand_in, int band, CSLConstList items);

/* A dataset that forwards everything to inner (which it owns and closes), and has one metadata
 * domain more. Leaves no sidecar. metadata is copied. */
GDALDatasetH stf_gdal_with_domain(GDALDatasetH inner, const char *domain, CSLConstList metadata);

/* A dataset of this size and these bands for a target that cannot be read back: reads fail. */
GDALDatasetH stf_gdal_unreadable(GDALDatasetH shape, const char *description);

/* An overview level (from 0) of all bands as a raster of its own; all of them have it. Close with GDALClose before source. */
GDALDatasetH stf_gdal_level(GDALDatasetH source, int level);

/* What a view ("STREAMTIFF:path") shows; NULL: the dataset is no view. Belongs to the view. */
GDALDatasetH stf_gdal_viewed(GDALDatasetH dataset);

/* A band of pixels, nodata value and metadata of the one and the mask of the other, both of the same size, and not copied.
 * NULL: no memory. Free it before them. Any thread. */
GDALRasterBandH stf_gdal_masked_band(GDALRasterBandH pixels, GDALRasterBandH mask);
void stf_gdal_masked_band_free(GDALRasterBandH band); /* NULL is legal */

/* The open options the dataset was opened with; NULL: none. Belongs to the dataset. */
CSLConstList stf_gdal_open_options(GDALDatasetH dataset);

/* True where the block is in GDAL's cache now. Loads nothing. */
int stf_gdal_block_is_cached(GDALRasterBandH band, int x, int y);

/* GTiff's own question whether pixels are all nodata. bits and format (SAMPLEFORMAT_*): of a sample; a row is row_px wide. */
int stf_gdal_has_only_nodata(const void *pixels, double nodata, size_t width, size_t height, size_t row_px,
                             size_t samples, int bits, int format);

/* Reads a tiling scheme that is no name of GDAL's own: a JSON text, or the name or address of a file with one. Zero:
 * reason says why not. */
struct stf_tiling;
int stf_gdal_read_tiling(const char *text, struct stf_tiling *tiling, char *reason, size_t reason_room);

#ifdef __cplusplus
}
#endif
#endif
