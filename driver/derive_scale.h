/* The scale that gdaldem (from GDAL 3.11 on) takes for itself, where none is asked for: of the whole raster. */
#ifndef STF_DERIVE_SCALE_H
#define STF_DERIVE_SCALE_H

#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* By the units of heights and SRS, and of degrees by the latitude of the raster's centre. Warns as gdaldem does. Calling thread:
 * asks PROJ. */
void stf_derive_scale(GDALDatasetH source, GDALRasterBandH band, double *x, double *y);

#ifdef __cplusplus
}
#endif
#endif
