/* Blocks that a source does not have. They are never read: all their pixels are nodata, or 0 without it.
 *
 * GTiff leaves out blocks that nobody wrote (SPARSE_OK), and tells them, and holes of the file under uncompressed
 * blocks, by GDALGetDataCoverageStatus(). Asked when the source is described. */
#ifndef STF_COVERAGE_H
#define STF_COVERAGE_H

#include <stdbool.h>

#include "gdal.h"
#include "geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* True where the dataset can tell which blocks it has, without writing anything: not one that is open for update. */
bool stf_coverage_is_told(GDALDatasetH dataset);

/* True where the window holds no data. False in doubt, also where asking fails: then reading will fail, and say why. */
bool stf_coverage_is_empty(GDALRasterBandH band, const stf_window *window);

/* One sample of what these bands (counted from 0) deliver in an empty window, in the given type: read from there, for each
 * version of GDAL has its own rules. False: not one value for all bands, or it cannot be read. Calling thread. */
bool stf_coverage_value(GDALDatasetH dataset, uint32_t first_band, uint32_t bands, const stf_window *empty,
                        GDALDataType type, void *sample);

#ifdef __cplusplus
}
#endif
#endif
