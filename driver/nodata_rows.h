/* Which rows of a band hold a pixel without height: what gdaldem knows of a whole row, and no window shows.
 *
 * Where a row and its two neighbours hold none, from one side of the raster to the other, gdaldem compares none of their
 * pixels with nodata, and shades them with its vector code. From GDAL 3.11 on that can be seen:
 *   - the vector code rounds differently (hillshade; about 7 pixels in a million by 1);
 *   - a height that -compute_edges extrapolates to the left or right of the raster, and that comes next to nodata, is taken
 *     for nodata in rows that are compared, and for a height in the others (types that it computes in Float32).
 * So rows are looked at before the first window: all of them for the one, for the other those around a height that
 * comes next to nodata, which the first and the last units of a row show. Units of a row are read one after the other, until each
 * row that matters holds a pixel without height; so a raster that has none anywhere is read twice.
 *
 * Left alone: pixels of the raster itself that differ from nodata by rounding alone (four units in the last place). */
#ifndef STF_NODATA_ROWS_H
#define STF_NODATA_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "source.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_nodata_rows stf_nodata_rows;

typedef enum {
    STF_NODATA_ROWS_ALL,  /* every row matters */
    STF_NODATA_ROWS_EDGES /* those around heights extrapolated to nodata */
} stf_nodata_need;

/* source's band (from 0), of the type that the source delivers, whose nodata is this one as gdaldem sees it. Reads with the
 * source's first reader: the calling thread, before open_readers. NULL: it failed. Beside its own bits and one row of a unit it takes the
 * source's unit_bytes, and gives them back at the end. */
stf_nodata_rows *stf_nodata_rows_find(stf_source *source, uint32_t band, double nodata, stf_nodata_need need,
                                      stf_error *err);
void stf_nodata_rows_free(stf_nodata_rows *rows); /* NULL is legal */

/* gdaldem computes in Int32 what comes in types of 8 and 16 bits, else in Float32. */
bool stf_nodata_is_integer(GDALDataType type);
/* False: no pixel of that type can be nodata, so gdaldem goes on as if there were none. */
bool stf_nodata_is_possible(GDALDataType type, double nodata);

/* Any thread. True where the row is known to hold one. */
bool stf_nodata_rows_holds(const stf_nodata_rows *rows, uint32_t row);
/* Of the source's type: a pixel that such a row holds; NULL: there is no such row. */
const void *stf_nodata_rows_pixel(const stf_nodata_rows *rows);
uint64_t stf_nodata_rows_bytes(const stf_nodata_rows *rows); /* that it keeps */
/* Blocks decoded to find them: as many as the source counts, else as many as it has in the units that were read. */
uint64_t stf_nodata_rows_decodes(const stf_nodata_rows *rows);

#ifdef __cplusplus
}
#endif
#endif
