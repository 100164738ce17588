/* One copy from beginning to end: what its parts share. Private to create_copy.c and the files named here.
 *
 *   copy_reproject.c  LAYOUT=COG: the source reprojected, and alpha made a mask where the codec has none
 *   copy_plan.c       the raster to be written, its tiles and planes, the demand, the cap
 *   copy_views.c      ... and how much of it the views that the source pulls from get
 *   copy_mask.c       the same for masks, which are copied in passes of their own
 *   copy_pass.c       one run through the pipeline: the bands', or a band's of the mask
 *   copy_passthrough.c  ... or their tiles taken from the source's file as they are
 *   copy_directory.c  the tags of the finished file
 *   copy_level.c      LAYOUT=COG: overviews that the source has, each in a pass of its own
 *   copy_overview.c   LAYOUT=COG: overviews that are computed on the way
 *   copy_statistics.c LAYOUT=COG: statistics of the bands, gathered on the way
 *   copy_cog.c        LAYOUT=COG: the levels, what waits in the spool, and the file made of it
 *   create_copy.c     the order of it all */
#ifndef STF_COPY_H
#define STF_COPY_H

#include "account.h"
#include "band_statistics.h"
#include "derive.h"
#include "discard.h"
#include "encoder.h"
#include "georef.h"
#include "lease.h"
#include "levels.h"
#include "options.h"
#include "passthrough.h"
#include "pipeline.h"
#include "source.h"
#include "sparse.h"
#include "spool.h"
#include "tiff_file.h"
#include "tiling.h"

typedef enum { STF_MASK_NONE, STF_MASK_INSIDE, STF_MASK_BESIDE } stf_mask_home; /* of the file */

/* Overviews that are computed: of the bands, or of the mask. */
typedef struct stf_copy_overviews {
    stf_resample *resample; /* NULL: there are none */
    stf_overview_shape shape;
    stf_tile_format format; /* of their tiles */
    bool apart;             /* which is not that of the raster's */
    stf_pipeline_overviews job;
} stf_copy_overviews;

/* The dataset's mask, where it has one; or those of its bands. */
typedef struct stf_mask {
    stf_mask_home home;
    bool of_dataset;    /* one for all bands */
    uint32_t bands;     /* of the mask's image: one, or where bands have masks of their own, as many as the raster */
    char *path;         /* of the file beside */
    stf_source *source; /* open only while a band of the mask is planned and copied */
    stf_plane plane;
    stf_geometry geometry; /* of one band, as all down to plan */
    stf_tile_format format;
    stf_sparse sparse;
    stf_demand demand;
    stf_plan plan;
    uint64_t decodes;      /* predicted, of all bands */
    stf_tiff_file *file;   /* the file beside */
    uint64_t beside_bytes; /* what the views of the source hold while the mask is copied */
    stf_tag_list tags;
    uint64_t spill_bytes; /* of the bands that were copied */
    stf_pipeline_result result;
    uint32_t image; /* of the file or the spool */
    stf_copy_overviews overviews;
} stf_mask;

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
    stf_discard discard;
    stf_demand demand;
    stf_plan
        plan; /* of the bands; floor, caps, predicted peak, decodes and spilled bytes are those of the whole copy */
    stf_mask mask;
    stf_source_info
        told; /* the bands', for the figures, but blocks are those of bands and mask; its groups are not to be used */
    uint64_t decodes; /* of both, counted or else the plan's */
    uint64_t encodes; /* tiles encoded, of all images */
    uint64_t view_spill_bytes;
    stf_budget *budget;
    uint64_t charged_bytes; /* tables and lease, charged here and not by the pipeline */
    stf_lease *lease;
    stf_account *account; /* what the views that the source pulls from share */
    stf_tiff_file *file;
    bool directory_first;         /* of the file: it is there already */
    stf_passthrough *passthrough; /* tiles are copied as they are; NULL: they are not */
    stf_pipeline_result result;
    /* LAYOUT=COG. Images of the spool: 0, the levels from 1 on, and then the masks of them all. */
    stf_level levels[STF_MAX_LEVELS]; /* of overviews, the largest first */
    uint32_t level_count;
    bool levels_exist;                 /* in the source, and are copied */
    int source_levels[STF_MAX_LEVELS]; /* the numbers they have there, from 0 */
    bool levels_masked;                /* as the raster is */
    uint64_t decodes_of_levels;        /* of those that are copied, planned */
    uint64_t spilled_by_levels;
    uint64_t places_bytes;           /* of the spool's tables, and of what the file is written with */
    uint32_t image;                  /* of the spool: 0, or the level that this copy is made for */
    stf_tile_format overview_format; /* of their tiles */
    stf_copy_overviews overviews;
    stf_spool *spool;
    uint64_t spool_bytes;
    bool source_has_statistics;      /* before it was turned into anything else */
    stf_band_statistics *statistics; /* while they are gathered, and until they are in the tags; or NULL */
    GDALDatasetH warped, masked;     /* what the source was turned into, in this order; or NULL */
    stf_tiling *tiling;              /* TILING_SCHEME, its name, and where the raster lies in it; or NULL */
    char *tiling_name;
    int zoom_level, aligned_levels;
} stf_copy;

/* Where the options say DERIVE: makes ready the operator, and what its result looks like. First of all. */
bool stf_copy_derive(stf_copy *c, CSLConstList options, stf_error *err);
/* Then: puts in the dataset's place what it is turned into before it is copied. */
bool stf_copy_wrap_source(stf_copy *c, CSLConstList options, stf_error *err);
stf_sample_kind stf_copy_kind_of(GDALDataType type);
/* Sets type and raster from the source. */
void stf_copy_describe_raster(stf_copy *c);
/* After the options were read: source, planes, tags, demand and plan; warns of a raised cap, or refuses it. */
bool stf_copy_make_plan(stf_copy *c, stf_error *err);
/* stf_plan_make, with a share for the views that joined the account. */
bool stf_copy_plan_with_views(stf_copy *c, stf_error *err);
/* The format of the tiles, of type, raster, options and harvested tags. */
void stf_copy_describe_tiles(stf_copy *c);
/* Of raster and options: planes, and the grid of tiles; the geometry's groups are the caller's. */
bool stf_copy_describe_planes(stf_copy *c, stf_error *err);
/* A demand but for the cap: what this source and these tiles take. Its tables are those of the pipeline and the source; the
 * caller adds the file's. */
bool stf_copy_fill_demand(const stf_copy *c, const stf_source_info *info, const stf_tile_format *format,
                          const stf_geometry *geometry, stf_demand *demand, stf_error *err);
/* A length in the smaller type that holds it, as libtiff writes it. */
bool stf_copy_set_length(stf_tag_list *tags, uint16_t tag, uint32_t value, stf_error *err);
/* One value for each of count bands. */
bool stf_copy_set_shorts(stf_tag_list *tags, uint16_t tag, uint16_t value, uint32_t count, stf_error *err);
/* Adds the tags of the structure and of the codec to the harvested ones. After the pixels. */
bool stf_copy_set_structure(stf_copy *c, stf_error *err);

/* After the format of the tiles is known: whether they are copied as they are. Fails where the options insist on it and they
 * cannot be. */
bool stf_copy_choose_passthrough(stf_copy *c, stf_error *err);
/* True where nothing is made of the pixels: the bands need no source, and the plan is made here. */
bool stf_copy_only_passes(const stf_copy *c);
bool stf_copy_plan_passthrough(stf_copy *c, stf_error *err);
/* Copies all tiles of the bands, row by row, plane by plane. */
bool stf_copy_pass_tiles(stf_copy *c, double done_before, double done_by, stf_error *err);

/* True where the dataset has a mask that is to be written. */
bool stf_copy_has_mask(const stf_copy *c);
/* Adds the name of the tiling scheme, and where in it the raster lies, to the metadata of the finished file. */
bool stf_copy_tell_tiling(stf_copy *c, stf_error *err);

/* Where the mask goes, and its tiles; before the demand of the bands, which holds its table of places, too. Strict copies
 * fail where a mask can go nowhere. */
bool stf_copy_choose_mask(stf_copy *c, stf_error *err);
uint64_t stf_copy_mask_tiles(const stf_copy *c);
/* After the plan of the bands: plans the mask within the same cap, and makes the copy's figures those of both. */
bool stf_copy_plan_mask(stf_copy *c, stf_error *err);
/* Opens the source of one band (from 0) of the mask, with demand and plan; the same each time. */
bool stf_copy_open_mask(stf_copy *c, uint32_t band, stf_error *err);
void stf_copy_close_mask(stf_copy *c);
bool stf_copy_set_mask_structure(stf_copy *c, stf_error *err);
void stf_copy_free_mask(stf_copy *c);

/* Copies the pixels of the bands, or the mask where there is one; progress: from one figure to the other. */
bool stf_copy_bands(stf_copy *c, double done_before, double done_by, stf_error *err);
bool stf_copy_mask(stf_copy *c, double done_before, double done_by, stf_error *err);

/* Tables of places of all images, be they in the file or in the spool. For the demand of either pass. */
uint64_t stf_copy_places_bytes(const stf_copy *c);

/* Which levels there are: first of all, for the template has one where there are any. */
bool stf_copy_find_levels(stf_copy *c, stf_error *err);
/* After the tags were harvested: their tiles. */
void stf_copy_describe_levels(stf_copy *c);
/* Plans and copies the levels that exist in the source; and the parts of the description of a pass that is not the first. */
bool stf_copy_find_existing_levels(stf_copy *c, stf_error *err);
bool stf_copy_plan_levels(stf_copy *c, stf_error *err);
bool stf_copy_levels(stf_copy *c, double done_before, double done_by, stf_error *err);
/* Source, planes and demand, of dataset, raster, options and format. */
bool stf_copy_describe_pass(stf_copy *c, stf_error *err);
void stf_copy_describe_mask(stf_copy *c, stf_mask_home home);

/* After the mask was chosen: how levels are computed that do not exist; and what that adds to the demand of the bands, or
 * the mask. */
bool stf_copy_describe_overviews(stf_copy *c, stf_error *err);
void stf_copy_add_overviews(const stf_copy *c, const stf_copy_overviews *overviews, stf_demand *demand);
void stf_copy_free_overviews(stf_copy_overviews *overviews);
/* Images of the spool, and the tiles of one. */
uint32_t stf_copy_images(const stf_copy *c);
uint64_t stf_copy_image_tiles(const stf_copy *c, uint32_t image);
/* The tags of the file, from those of a tiny one that GDAL writes; anew where the bands' metadata changed. */
bool stf_copy_harvest(stf_copy *c, stf_error *err);

/* The source, before it is turned into anything: whether it has statistics. */
void stf_copy_find_statistics(stf_copy *c);
/* Refuses statistics that cannot be gathered; after the planes are known. */
bool stf_copy_check_statistics(const stf_copy *c, stf_error *err);
/* What gathering them takes while the bands are copied: 0 where nobody asks for it. */
uint64_t stf_copy_statistics_bytes(const stf_copy *c);
/* Before the bands are copied, and after the mask was. */
bool stf_copy_begin_statistics(stf_copy *c, stf_error *err);
/* Shows in the stand-in the statistics that the file is to have: those gathered, if there are any by now, or none. */
void stf_copy_show_statistics(const stf_copy *c, GDALDatasetH stand_in);
/* After the bands were copied: puts them into the tags. */
bool stf_copy_end_statistics(stf_copy *c, stf_error *err);
/* The valid part of a tile of the raster's mask, which was copied before: a byte for each pixel, 0 or 255; and what that takes. */
bool stf_copy_read_mask(const stf_copy *c, uint64_t tile, unsigned char *to, size_t row_bytes, stf_error *err);
uint64_t stf_copy_read_mask_bytes(const stf_copy *c);

/* All of the work once there is a plan. */
bool stf_copy_write_cog(stf_copy *c, stf_error *err);

#endif
