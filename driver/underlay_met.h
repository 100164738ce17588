/* Datasets met while an underlay is read: each is described once, a file by its grid, a VRT by its XML, a warped VRT by
 * the windows of its blocks. Private to underlay_read.c. */
#ifndef STF_UNDERLAY_MET_H
#define STF_UNDERLAY_MET_H

#include "cpl_minixml.h"
#include "underlay.h"

#define STF_MET_OVERVIEWS 12 /* of a file that are looked at */

typedef enum { MET_FILE, MET_VRT, MET_WARPED } stf_met_kind;

typedef struct stf_met_shape {
    uint32_t width_px, height_px, block_width_px, block_height_px;
    uint64_t band_bytes; /* one block in the cache */
} stf_met_shape;

/* A dataset met on the way down. */
typedef struct stf_met_dataset {
    char *owner, *path; /* GDAL opens a file once for each VRT that shows it */
    stf_met_kind kind;
    stf_met_shape shapes[1 + STF_MET_OVERVIEWS]; /* itself, and its overviews */
    uint32_t shape_count, bands, bands_at_once, sample_bytes;
    uint64_t reader_bytes;
    CPLXMLNode *tree, *root; /* of a VRT; root lies in tree */
    uint32_t grid;           /* of a warped VRT */
} stf_met_dataset;

typedef struct stf_under_reading {
    stf_underlay *under;
    stf_met_dataset *met;
    uint32_t met_count, met_room;
    uint32_t depth, files_opened;
    bool failed; /* something does not tell what it shows */
} stf_under_reading;

/* Its number among those met; it is opened where it was not met before. What does not tell sets failed, and is kept, too.
 * owner: the VRT that shows it. dataset: it, where it is open already; or NULL. node: of the source in the VRT's XML, or NULL. */
uint32_t stf_under_meet(stf_under_reading *r, const char *owner, const char *path, GDALDatasetH dataset,
                        const CPLXMLNode *node);
/* A VRT that is written out within another's XML (GDAL >= 3.13, for sources without a name). */
uint32_t stf_under_meet_embedded(stf_under_reading *r, const char *owner, const CPLXMLNode *node);

/* A file name in a VRT's XML; of CPL's short-lived strings. */
const char *stf_under_resolve(const stf_met_dataset *in, const CPLXMLNode *node, const char *name_path);
double stf_under_number(const CPLXMLNode *node, const char *path, double otherwise);
/* Makes room for one item more. */
void *stf_under_grow(void *items, uint32_t count, uint32_t *room, size_t item_bytes);

#endif
