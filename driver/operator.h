/* A neighbourhood operator: what turns a window of a source into a window of another raster.
 *
 *     source window   +-----------------------+
 *                     |  halo                 |      Each pixel of the result needs the source halo_px around it,
 *                     |   +---------------+   |      as far as the raster reaches: at the raster's edges the window
 *                     |   |    wanted     |   |      ends with it.
 *                     |   +---------------+   |
 *                     +-----------------------+ */
#ifndef STF_OPERATOR_H
#define STF_OPERATOR_H

#include "geometry.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pixels of one band of the source. Beside each row there is room for pad_px more pixels of it on either side,
 * which the operator may write to. */
typedef struct stf_operand {
    unsigned char *pixels;
    size_t row_bytes;
    stf_window window; /* of the raster, halo included */
} stf_operand;

/* Where the result goes: bands line by line within each row. */
typedef struct stf_operator_result {
    unsigned char *pixels;
    size_t row_bytes, band_bytes;
    stf_window window; /* of the raster */
} stf_operator_result;

typedef struct stf_operator {
    void *context;
    uint32_t halo_px, pad_px;
    uint32_t source_bytes;        /* of one sample of the source */
    uint32_t bands, sample_bytes; /* of the result */
    uint32_t most_rows;           /* of one run; 0: as many as are worth one */
    bool allocates_little;        /* a run takes some rows of the window at most from the allocator */
    uint64_t table_bytes;         /* what it holds for all runs */
    /* On any thread, several at once. Row y of the result may lie where row y - halo_px of the source and those above it do:
     * it is written once the row of the result after it needs none of them any more. */
    bool (*run)(void *context, const stf_operand *source, const stf_operator_result *result, stf_error *err);
    /* The most that one run takes beside source and result. */
    uint64_t (*run_bytes)(void *context, uint32_t width_px, uint32_t rows);
} stf_operator;

#ifdef __cplusplus
}
#endif
#endif
