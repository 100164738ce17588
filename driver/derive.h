/* The operators of gdaldem on windows of a raster: bit for bit what gdaldem makes of the whole of it (but for slope and aspect by
 * kernels of our own: kernel.h).
 *
 * Before GDAL 3.11 kernels of our own run on windows, for all modes but color-relief. Else GDALDEMProcessing does, on a window
 * that lies in our memory, seen as a MEM dataset (nothing is copied), and the result without its outermost pixels is copied out of
 * the MEM dataset that it makes. What gdaldem takes from the whole raster is found once, and given to every window:
 *   - from GDAL 3.11 on the scale, where none was asked for, by the units of the raster, and by the latitude of its centre;
 *   - from GDAL 3.13 on some modes turn a raster that is not north-up; what they turn it into is then our source;
 *   - the heights that percentages in a colour file stand for (this reads the whole raster, as gdaldem does);
 *   - which pixels a row's vector code takes, and which are left over for the rest: windows are padded to keep in step;
 *   - which rows hold nodata anywhere (nodata_rows.h): a window's row that shows none of it gets one in the padding.
 * Windows have no SRS: nothing in a thread of ours asks PROJ.
 *
 * color-relief of 8- and 16-bit integers is a table of all values, made once by GDALDEMProcessing. */
#ifndef STF_DERIVE_H
#define STF_DERIVE_H

#include "derive_command.h"
#include "gdal.h"
#include "operator.h"
#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_derive stf_derive;

/* Calling thread. command and dataset must outlive it. kernel: ours, where there is one (kernel.h), instead of gdaldem's. NULL on
 * failure. */
stf_derive *stf_derive_create(const stf_derive_command *command, bool kernel, GDALDatasetH dataset, stf_error *err);
/* Once, before an operator is made of source, which reads stf_derive_source: where the operator must know of rows what no window
 * shows (nodata_rows.h), they are read, and counted as decodes before the copy. Calling thread. */
bool stf_derive_look_at_rows(stf_derive *derive, stf_source *source, stf_error *err);
void stf_derive_destroy(stf_derive *derive); /* calling thread; NULL is legal */

/* What windows are to be read from; its band is the command's. */
GDALDatasetH stf_derive_source(const stf_derive *derive);
GDALDatasetH stf_derive_shape(const stf_derive *derive); /* all that the result says of itself, and no pixels */
const stf_operator *stf_derive_operator(const stf_derive *derive);
bool stf_derive_runs_kernel(const stf_derive *derive);
/* How often the whole source was read to know what no window shows: 0 or 1. */
uint32_t stf_derive_passes(const stf_derive *derive);

#ifdef __cplusplus
}
#endif
#endif
