// Create() of the driver for programs that write windows. C++ only.
#ifndef STF_GDAL_WRITER_H
#define STF_GDAL_WRITER_H

#include "gdal_names.h"

GDALDataset *StreamTIFFWriterCreate(const char *target, int width, int height, int bands, GDALDataType type,
                                    StringList options);

#endif
