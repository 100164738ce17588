/* What a view reads its units from: a source (source.h) of the dataset it shows, which no copy plans for. */
#ifndef STF_VIEW_SOURCE_H
#define STF_VIEW_SOURCE_H

#include "source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_view_source {
    stf_source *source;   /* NULL: closed */
    uint64_t lease_bytes; /* of GDAL's cache, for a sweep over whole rows of units, to find there what it needs again */
    uint64_t decodes;     /* of such a sweep */
    uint64_t planning_bytes; /* memory that it took to find these; given back */
} stf_view_source;

/* All on the calling thread, but for stf_view_source_read where the source says parallel_read. inner outlives it. */
bool stf_view_source_open(stf_view_source *view, GDALDatasetH inner, GDALDataType type, uint32_t only_band,
                          bool decode_by_gdal, stf_error *err);
void stf_view_source_close(stf_view_source *view);
/* In the forms that the cache calls; context: the stf_view_source. */
bool stf_view_source_read(void *context, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                          stf_error *err);
bool stf_view_source_open_readers(void *context, uint32_t readers, stf_error *err);

/* Memory of one reader, what it leaves in GDAL's cache until the unit is read included. */
uint64_t stf_view_source_reader_bytes(const stf_view_source *view);

#ifdef __cplusplus
}
#endif
#endif
