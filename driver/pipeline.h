/* Readers -> open tiles -> encoders -> committer.
 *
 *     read (any reader, in parallel)      units are begun in visiting order
 *       -> fill (one thread at a time)    ... and filled into their tiles in that order
 *         -> encode (any encoder)         complete tiles are begun in the order of completion
 *           -> commit (calling thread)    ... and written in that order, where the sink cares for it
 *
 * Every thread takes whatever step can be done now, and waits when there is none. All buffers come from pools, so
 * producers wait when a pool is empty. It cannot come to a standstill: the unit to be filled next
 * always has its buffer, an open tile always has its home, the oldest complete tile always has a slot
 * or finds one of the reserved ones, and the number of slots is at least what the plan saw open.
 *
 * A tile of one value is encoded once for each value, by whoever has the first; the bytes are kept. A tile that the file
 * leaves out is committed with no bytes.
 *
 * The order of tiles in the file depends on the plan's order of units, not on threads. The first
 * error wins; everybody stops at the next step; nothing is left running on return. */
#ifndef STF_PIPELINE_H
#define STF_PIPELINE_H

#include "assembly.h"
#include "band_statistics.h"
#include "cpl_progress.h"
#include "discard.h"
#include "encoder.h"
#include "overview.h"
#include "passthrough.h"
#include "plan.h"
#include "sparse.h"
#include "tiff_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where units come from. */
typedef struct stf_unit_source {
    void *context;
    /* Reads one unit into buffer (the demand's unit_bytes) and says where its pixels lie (in buffer, or a
     * constant). reader: 0..readers-1, never two calls at once for one reader. On any thread if the
     * demand said parallel_read, else on the calling thread, strictly in visiting order. */
    bool (*read)(void *context, uint32_t reader, const stf_unit *unit, void *buffer, stf_unit_pixels *pixels,
                 stf_error *err);
} stf_unit_source;

/* Where tiles go, each once: on the calling thread, in the order of completion. any_order: or on any thread, in any order;
 * then a tile's slot is free as soon as it is encoded. */
typedef struct stf_tile_sink {
    void *context;
    bool any_order;
    bool (*commit)(void *context, uint64_t tile, const void *data, size_t bytes, stf_error *err);
} stf_tile_sink;

/* The levels of the demand, made on the way. */
typedef struct stf_pipeline_overviews {
    const stf_resample *resample;
    const stf_tile_format *format; /* of their tiles; NULL: that of the raster's */
    uint64_t
        encoder_bytes; /* of an encoder of that format, where there is one; within the demand's overview_encoder_bytes */
    uint64_t lent_bytes, level_lent_bytes; /* an encoder of the raster's tiles, and of theirs, takes so much less, since
                                              workers lend it the window they compose in; 0: they do not */
    uint32_t first_image;                  /* the number of the raster itself, for the sink: levels follow */
    stf_level_sink sink;
    stf_overview_mask mask; /* where resampling needs it */
    /* Sees each tile of a level before it is encoded, as stf_overview_encoder does; any thread. NULL: nobody does. */
    bool (*see)(void *context, const stf_overview_tile_info *info, const void *pixels, const stf_uniform *value,
                stf_error *err);
    void *see_context;
} stf_pipeline_overviews;

typedef struct stf_pipeline_job {
    const stf_geometry *geometry;
    const stf_demand *demand;
    const stf_plan *plan;
    const stf_tile_format *format;
    const char *target; /* the spill goes beside it */
    stf_budget
        *budget; /* charged for pools, readers, encoders and the spill; tables (stf_pipeline_table_bytes among them)
                           and the lease are the caller's */
    stf_unit_source source;
    stf_tile_sink sink;
    GDALProgressFunc progress; /* called on the calling thread with 0..1; may be NULL */
    void *progress_data;
    stf_sparse sparse;                       /* all zero: every tile is written */
    const stf_discard *discard;              /* what the samples of a tile lose before it is encoded; NULL: nothing */
    const stf_pipeline_overviews *overviews; /* NULL: none */
    stf_band_statistics *statistics;         /* sees every tile as it was read; NULL: nobody does */
    stf_passthrough *passthrough; /* the bytes of tiles that are not left out come from there; NULL: from an encoder */
} stf_pipeline_job;

typedef struct stf_pipeline_result {
    uint64_t spill_bytes;
    uint64_t encodes;              /* tiles that were encoded, those of levels too */
    stf_tag_list codec_tags;       /* the caller frees it, whatever the result */
    stf_tag_list level_codec_tags; /* the same for overviews */
    bool clipped;                  /* samples did not fit into their bits */
} stf_pipeline_result;

/* Tables of one run, for the account: tile states, the spill's regions, kept constants. UINT64_MAX on overflow. */
uint64_t stf_pipeline_table_bytes(const stf_geometry *geometry);

bool stf_pipeline_run(const stf_pipeline_job *job, stf_pipeline_result *result, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
