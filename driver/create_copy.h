/* One CreateCopy from beginning to end: options, source, plan, pipeline, directory, reopened result.
 * The border of the core: what failed inside is raised here, once, as a CPLError. */
#ifndef STF_CREATE_COPY_H
#define STF_CREATE_COPY_H

#include "cpl_progress.h"
#include "cpl_string.h"
#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The driver's CreateCopy. NULL on failure, with a CE_Failure raised and no file of the target's name left. */
GDALDatasetH stf_create_copy(const char *target, GDALDatasetH source, int strict, CSLConstList options,
                             GDALProgressFunc progress, void *progress_data);

#ifdef __cplusplus
}
#endif
#endif
