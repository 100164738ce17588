/* A colour file of gdaldem, with the heights that its percentages stand for. */
#ifndef STF_COLOR_FILE_H
#define STF_COLOR_FILE_H

#include <stdbool.h>

#include "gdal.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Copies the file at path into memory (/vsimem; the caller unlinks *copy and frees it with CPLFree) with heights of
 * this band in place of percentages: the same doubles that gdaldem takes, by the same calls, so the band is
 * read for statistics where it has none (*computed) and keeps them. Lines for a nodata value that the band does not have are
 * left out, with gdaldem's warning. All else is left to gdaldem. Calling thread. */
bool stf_color_file_resolve(const char *path, GDALRasterBandH band, char **copy, bool *computed, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
