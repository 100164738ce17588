/* A VRT that shows a part of one raster as it is, pixel for pixel and band for band: what gdal_translate makes of a window, of
 * metadata, or of nothing. */
#ifndef STF_PLAIN_VRT_H
#define STF_PLAIN_VRT_H

#include "gdal.h"
#include "underlay.h"

#ifdef __cplusplus
extern "C" {
#endif

/* underlay: of all bands of the VRT. x_px, y_px: where in the raster it begins. */
bool stf_plain_vrt_shows(GDALDatasetH vrt, const stf_underlay *underlay, uint32_t *x_px, uint32_t *y_px);

/* Opens the raster that a plain VRT shows, for the caller to close; NULL: leave the VRT as it is. Calling thread. */
GDALDatasetH stf_plain_vrt_open(GDALDatasetH vrt, const stf_underlay *underlay);

#ifdef __cplusplus
}
#endif
#endif
