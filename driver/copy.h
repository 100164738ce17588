/* One copy from beginning to end: what its parts share. Private to create_copy.c and the files named here.
 *
 *   copy_plan.c       the raster to be written, its tiles and planes, the demand, the cap
 *   copy_views.c      ... and how much of it the views that the source pulls from get
 *   copy_directory.c  the tags of the finished file
 *   create_copy.c     the order of it all */
#ifndef STF_COPY_H
#define STF_COPY_H

#include "account.h"
#include "derive.h"
#include "encoder.h"
#include "georef.h"
#include "lease.h"
#include "options.h"
#include "pipeline.h"
#include "source.h"
#include "sparse.h"
#include "tiff_file.h"

/* All that a copy holds; create_copy.c releases it. */
typedef struct stf_copy {
    const char *target;
    GDALDatasetH dataset; /* the caller's; what it is to become, where something is derived from it */
    stf_derive_command derive_command;
    stf_derive *derive; /* NULL: a plain copy */
    bool strict;
    GDALProgressFunc progress;
    void *progress_data;
    GDALDataType type;
    stf_raster raster;
    stf_options options;
    stf_georef georef;
    stf_source *source;
    stf_plane *planes;
    stf_geometry geometry;
    stf_tile_format format;
    stf_sparse sparse;
    stf_demand demand;
    stf_plan plan;
    stf_budget *budget;
    uint64_t charged_bytes; /* tables and lease, charged here and not by the pipeline */
    stf_lease *lease;
    stf_account *account; /* what the views that the source pulls from share */
    stf_tiff_file *file;
    stf_pipeline_result result;
} stf_copy;

/* Where the options say DERIVE: makes ready the operator, and what its result looks like. First of all. */
bool stf_copy_derive(stf_copy *c, CSLConstList options, stf_error *err);
/* Sets type and raster from the source. */
void stf_copy_describe_raster(stf_copy *c);
/* After the options were read: source, planes, tags, demand and plan; warns of a raised cap, or refuses it. */
bool stf_copy_make_plan(stf_copy *c, stf_error *err);
/* stf_plan_make, with a share for the views that joined the account. */
bool stf_copy_plan_with_views(stf_copy *c, stf_error *err);
/* Adds the tags of the structure and of the codec to the harvested ones. After the pixels. */
bool stf_copy_set_structure(stf_copy *c, stf_error *err);

#endif
