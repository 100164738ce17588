// What differs between GDAL's versions in the signatures that the adaptors override. C++ only.
#ifndef STF_GDAL_NAMES_H
#define STF_GDAL_NAMES_H

#include "cpl_string.h"
#include "gdal_priv.h"

#define STF_DRIVER_NAME "StreamTIFF"

// GDAL 3.13 made lists const that were not.
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
using StringList = CSLConstList;
#else
using StringList = char **;
#endif

// The driver's calls for views (gdal_cached_dataset.cpp).
int StreamTIFFIdentify(GDALOpenInfo *info);
GDALDataset *StreamTIFFOpen(GDALOpenInfo *info);

#endif
