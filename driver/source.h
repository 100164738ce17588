/* What a copy reads from, behind one small table of calls.
 *
 *   BLOCKS   a plain dataset: its natural blocks, decoded without GDAL where the file is a plain GeoTIFF, else read past
 *            GDAL's cache where that is possible; by several readers where the file can safely be opened again
 *   WINDOWS  a VRT: windows cut along the block grid of what lies underneath, read with RasterIO
 *            through the leased part of GDAL's cache
 *   ROWS     an opaque dataset (no driver), such as gdaldem hands over: strictly top to bottom, each
 *            row or block pulled once, on the calling thread; what it reads underneath goes through the lease
 *
 * A derived source is what an operator makes of one band of another source, and is of that one's kind.
 *
 * A source describes itself in the planner's terms first (stf_source_info), is opened for the number
 * of readers the plan came to, and is then read unit by unit. */
#ifndef STF_SOURCE_H
#define STF_SOURCE_H

#include "assembly.h"
#include "gdal.h"
#include "geometry.h"
#include "lease.h"
#include "operator.h"
#include "plan.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { STF_SOURCE_BLOCKS, STF_SOURCE_WINDOWS, STF_SOURCE_ROWS } stf_source_kind;

/* The lease until the plan sets it: GTiff writes the template of the output through GDAL's cache, and warns of one too small. */
#define STF_PLANNING_LEASE_BYTES ((uint64_t)1 << 20)

/* What the copy wants of the source. */
typedef struct stf_source_request {
    GDALDataType type;       /* of the output: units are delivered in it */
    uint32_t tile_height_px; /* short blocks are read several at a time, but not across tiles */
    stf_lease *lease;        /* the copy's, with no share yet: what is read while describing is read under it */
    uint64_t cap_bytes;      /* as asked for; a view that the source pulls from works with half of it until the plan */
    bool leave_no_blocks;    /* nothing that a read of BLOCKS brings into GDAL's cache stays there */
    uint32_t only_band;      /* of a VRT that is read by windows; other kinds of sources have all bands; 0: all */
    bool decode_by_gdal;     /* DIRECT_DECODE=NO */
    bool mask;               /* not the bands, but a mask; type: Byte */
    uint32_t mask_band; /* whose: 0: the dataset's; else the own one of this band (from 1), all 0 where it has none */
} stf_source_request;

typedef struct stf_source stf_source;

/* Figures as in stf_demand. */
typedef struct stf_source_info {
    stf_source_kind kind;
    stf_group *groups; /* the source's own */
    uint32_t group_count;
    bool parallel_read;
    bool readers_roam;        /* reading allocates nothing: a reader may be used by one thread after the other */
    bool may_be_constant;     /* units may come as one value, without pixels, also those not told by constants */
    stf_constants constants;  /* units that come as one value, without pixels */
    bool never_decoded;       /* of a copy that takes tiles as they are: there is no source */
    bool decoded_directly;    /* blocks are decoded without GDAL */
    bool decodes_are_counted; /* stf_source_blocks_decoded counts; else the plan's figure is all there is */
    uint64_t unit_bytes, reader_bytes, reader_lease_bytes, lease_bytes;
    uint64_t source_blocks;
    uint64_t repeated_blocks; /* of source_blocks, those that another handle of the same file decodes as well */
    uint64_t planning_bytes;  /* memory that describing took, given back by open_readers */
    uint64_t decodes_before;  /* blocks decoded once more, before the copy itself, to know what no window shows */
    uint64_t kept_bytes;      /* what the source holds from open_readers on to its end */
    uint64_t (*group_blocks)(const stf_source *source,
                             uint32_t group); /* of source_blocks, those of a group; NULL: all alike */
    stf_lease_curve shared;                   /* its context is the source's own, and ends with open_readers */
    char summary[160];                        /* for the debug output: "512 x 512 blocks of GTiff", ... */
} stf_source_info;

struct stf_source {
    stf_source_info info;
    GDALDatasetH dataset;   /* the caller's, or unwrapped */
    GDALDatasetH unwrapped; /* what a plain VRT shows, opened and closed by us; or NULL */
    stf_source *inner;      /* what a derived one reads from, its own; else NULL */
    stf_source_request request;
    void *state;
    bool (*open_readers)(stf_source *source, uint32_t readers,
                         stf_error *err); /* calling thread; NULL: nothing to do */
    bool (*read)(stf_source *source, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                 stf_error *err);
    void (*close)(stf_source *source);                    /* frees state */
    volatile int blocks_decoded_low, blocks_decoded_high; /* counted by any reader; see stf_source_count_blocks */
};

/* Classifies the dataset and describes it. Calling thread. For ROWS it reads the first rows, and
 * keeps them. NULL on failure. */
stf_source *stf_source_create(GDALDatasetH dataset, const stf_source_request *request, stf_error *err);
void stf_source_destroy(stf_source *source); /* calling thread; NULL is legal */

const char *stf_source_kind_name(stf_source_kind kind); /* "BLOCKS", ... */

/* What the operator makes of one band (from 0) of inner, which belongs to the result from now on, even where this fails.
 * op must outlive it. passes: how often the whole band was read before. */
stf_source *stf_source_derive(stf_source *inner, uint32_t band, const stf_operator *op, uint32_t passes,
                              stf_error *err);

/* The mask that is read where the request says so. */
GDALRasterBandH stf_source_mask_band(const stf_source *source);
/* True where a band (from 1) has a mask that is neither the dataset's nor made of something else. */
bool stf_source_has_mask_of_band(GDALDatasetH dataset, uint32_t band);

/* In the form the pipeline calls. */
bool stf_source_read_unit(void *source, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                          stf_error *err);
uint64_t stf_source_blocks_decoded(const stf_source *source);

/* --- for the kinds of sources ------------------------------------------------------------------ */

bool stf_source_init_blocks(stf_source *source, stf_error *err);
/* Leaves *fits false where the VRT is none that can be planned on (then it is read as BLOCKS). */
bool stf_source_init_windows(stf_source *source, bool *fits, stf_error *err);
/* Bands may differ in type; where they differ in their blocks: stf_source_init_scanlines. */
bool stf_source_init_mask(stf_source *source, stf_error *err);
bool stf_source_init_no_mask(stf_source *source, stf_error *err);
bool stf_source_init_rows(stf_source *source, stf_error *err);
bool stf_source_init_scanlines(stf_source *source, stf_error *err);
/* All bands have blocks of one size. */
bool stf_source_bands_share_blocks(GDALDatasetH dataset);

void stf_source_count_blocks(stf_source *source, uint32_t blocks); /* any thread */
/* So many blocks were decoded so far, before the copy itself; what was counted of them is counted anew. Calling thread. */
void stf_source_count_before(stf_source *source, uint64_t blocks);
/* What one cached block takes in GDAL's account. */
uint64_t stf_source_cached_block_bytes(uint64_t block_bytes);
/* How many blocks one above the other make a unit of worthwhile height: 32 rows or so, but no more than a MiB. */
uint32_t stf_source_blocks_per_unit(const stf_source *source, uint32_t block_rows, uint64_t block_bytes);

#ifdef __cplusplus
}
#endif
#endif
