/* A file of GTiff opened once more, for a reader of its own. */
#ifndef STF_GTIFF_AGAIN_H
#define STF_GTIFF_AGAIN_H

#include <stdbool.h>

#include "gdal.h"
#include "platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One block row is one strip: a "block" of a row may also be GDAL's slice of one large compressed strip, which can only be
 * decoded from its top. */
bool stf_gtiff_blocks_are_separate(GDALDatasetH dataset);

/* known: the file that the dataset is known to have open. NULL: the file cannot be opened, or is another one by now, or
 * shows another raster. Closed by the caller. Calling thread. */
GDALDatasetH stf_gtiff_open_again(GDALDatasetH dataset, const stf_platform_open *known);

#ifdef __cplusplus
}
#endif
#endif
