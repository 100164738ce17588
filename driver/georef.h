/* The tags GDAL's own GTiff driver would write for a source: georeferencing, SRS, nodata, metadata,
 * colour, GCPs, RPC. Harvested from a tiny file in /vsimem that GTiff itself wrote from a small
 * stand-in for the source (same bands and metadata, few pixels), so that its meaning is GTiff's. */
#ifndef STF_GEOREF_H
#define STF_GEOREF_H

#include "gdal.h"
#include "options.h"
#include "side_files.h"
#include "status.h"
#include "tiff_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_georef {
    stf_tag_list tags; /* all of the template's tags but the structural ones that the container sets
                          (size, tiling, offsets, compression, predictor, JPEG tables): bits, sample
                          format, photometric, extra samples, colour map, geo keys, metadata, ... */
    /* Of a COG's template, where it has them: the tags of the mask, of an overview and of its mask. Of a COG these and tags
     * are all that the template has, in the order in which libtiff lays their values out; and what stands in front of them. */
    stf_tag_list mask_tags, overview_tags, overview_mask_tags;
    unsigned char *ghost;
    size_t ghost_bytes;
    stf_side_files side_files; /* that GTiff left beside the template */
    char **messages;           /* warnings and failures that GTiff raised although it wrote the template */
} stf_georef;

/* stand_in: a dataset with the source's bands and metadata but few pixels (stf_gdal_stand_in in
 * gdal_adaptor.h). strict and options: as CreateCopy got them; options in GTiff's own names. Calling thread only:
 * it may use PROJ. What GTiff says is kept, with the target's name in the place of the template's; this
 * fails where GTiff writes no file.
 * options: no layout among them; COMPRESS as the output is written. */
bool stf_georef_harvest(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options, stf_georef *out,
                        stf_error *err);

/* The tags and side files of a template in /vsimem that somebody else made: a classic TIFF in the host's byte order. out is
 * all zero before. */
bool stf_georef_take(const char *name, stf_georef *out, stf_error *err);

typedef enum {
    STF_TEMPLATE_OVERVIEW_NONE,
    STF_TEMPLATE_OVERVIEW_COMPUTED,
    STF_TEMPLATE_OVERVIEW_COPIED /* the stand-in has one */
} stf_template_overview;

/* The same by GDAL's COG driver, with its options; with a mask where the stand-in has one. */
bool stf_georef_harvest_cog(GDALDatasetH stand_in, const char *target, CSLConstList options,
                            stf_template_overview overview, stf_georef *out, stf_error *err);

/* The same by GTiff, whose options have COPY_SRC_OVERVIEWS=YES among them. */
bool stf_georef_harvest_with_overviews(GDALDatasetH stand_in, const char *target, bool strict, CSLConstList options,
                                       stf_georef *out, stf_error *err);

/* Raises what GTiff said of the template, once it is certain that there will be an output. */
void stf_georef_raise_messages(const stf_georef *georef);

/* Writes the side files beside the target, as GTiff would have left them. Does nothing for
 * a target that is a pipe, a device or /vsistdout/. */
bool stf_georef_write_sidecar(const stf_georef *georef, const char *target, stf_error *err);

void stf_georef_free(stf_georef *georef);

#ifdef __cplusplus
}
#endif
#endif
