/* A raster that a program makes with Create() and pushes windows into: tiles are encoded as they become complete, under
 * the same cap as a copy.
 *
 *     never written --> open (in a slot) ----- complete --> queued --> written (encoded, in the file)
 *                          |    ^                                        |
 *                  no slot v    | complete, or wanted                    | read, or written once more
 *                       spilled (in scratch)                             v
 *                                                                 open (decoded), encoded again when
 *                                                                 its slot is needed, if it has changed
 *
 * All that is said of the raster (georeferencing, nodata, metadata, colour) is said to a tiny GTiff dataset, the
 * shape: what GTiff makes of it is taken over at the end. Once the file is finished (at close, or when overviews are
 * asked for), it is GTiff's dataset that answers.
 *
 * Calls come one at a time, as GDAL's do on one dataset; they raise their own CPLErrors. */
#ifndef STF_WRITER_H
#define STF_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "cpl_string.h"
#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_writer stf_writer;

/* A window of the raster and the caller's memory for it, without resampling; bands from 1. */
typedef struct stf_writer_window {
    int x, y, width, height;
    void *data;
    GDALDataType type;
    int64_t pixel_bytes, line_bytes, band_bytes;
    const int *bands;
    int band_count;
} stf_writer_window;

/* NULL: it failed, and nothing is left behind. Under the target's name stands an empty file until it is finished, or what stood there before. */
stf_writer *stf_writer_create(const char *target, int width, int height, int bands, GDALDataType type,
                              CSLConstList options);
/* Finishes the file if it is not, and frees everything. CE_Failure: it was removed. NULL is legal. */
CPLErr stf_writer_close(stf_writer *writer);
/* Frees everything, and leaves no file. */
void stf_writer_abandon(stf_writer *writer);

/* What knows the raster's properties: has its bands, but a few pixels only; or, once the file is finished, all of them.
 * NULL: it could not be finished. */
GDALDatasetH stf_writer_shape(const stf_writer *writer);
bool stf_writer_is_finished(const stf_writer *writer);
void stf_writer_block_size(const stf_writer *writer, int *width, int *height);
/* The nodata value of the shape is another one. */
void stf_writer_nodata_changed(stf_writer *writer);
CSLConstList stf_writer_figures(stf_writer *writer); /* of the STREAMING domain; the writer's until the next call */

CPLErr stf_writer_write(stf_writer *writer, const stf_writer_window *window);
CPLErr stf_writer_read(stf_writer *writer, const stf_writer_window *window);
/* A mask of the dataset, which is written and read as another writer with one band is: in the file, or beside it, as
 * GDAL_TIFF_INTERNAL_MASK says. It belongs to the writer. */
CPLErr stf_writer_create_mask(stf_writer *writer);
stf_writer *stf_writer_mask(const stf_writer *writer); /* NULL: there is none */
/* All complete tiles are in the file, or what went wrong is told. */
CPLErr stf_writer_flush(stf_writer *writer);
/* Finishes the file, and opens it as GTiff's dataset: for what is done in a file that is whole. */
CPLErr stf_writer_finish(stf_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
