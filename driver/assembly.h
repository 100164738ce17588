/* Open tiles: where the pixels of decoded units wait until their output tile is complete.
 *
 * A unit's pixels are needed by the tiles it overlaps and by nothing else, so they are moved there as
 * soon as the unit is decoded, and its buffer is free again: of a block only those rows and columns
 * are kept that an incomplete tile still needs. An open tile has one of three homes:
 *   - a slot of the pool (memory),
 *   - a region of the spill, where the plan says so; its bands lie there one after the other,
 *   - none, while all its pixels so far have one and the same value (a constant). Where the plan says spill, only
 *     a tile whose every pixel is known to be so: else it would be written there twice.
 * A complete tile is brought into a slot, padded, encoded, and written out in the order of completion.
 *
 * The pipeline's lock covers the calls marked [lock]; the others run beside each other on different
 * tiles. Units are filled in, in visiting order, by one thread at a time. */
#ifndef STF_ASSEMBLY_H
#define STF_ASSEMBLY_H

#include "budget.h"
#include "uniform.h"
#include "geometry.h"
#include "plan.h"
#include "spill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a read delivered: the pixels of unit->window, band by band, or one value for all of them. */
typedef struct stf_unit_pixels {
    const unsigned char *pixels;  /* first pixel of the window, first band of the group */
    size_t row_bytes, band_bytes; /* from a row to the next, from a band to the next */
    bool constant;
    unsigned char value[STF_MAX_SAMPLE_BYTES]; /* constant: the one sample value */
} stf_unit_pixels;

typedef struct stf_assembly stf_assembly;

#define STF_NO_SLOT UINT32_MAX

/* Bytes of the state of all tiles, for the account (the caller charges them). */
uint64_t stf_assembly_cost_bytes(const stf_geometry *geometry);

/* geometry, plan, slots and spill (NULL: the plan has none) must outlive it. */
stf_assembly *stf_assembly_create(const stf_geometry *geometry, const stf_plan *plan, stf_pool *slots, stf_spill *spill,
                                  stf_error *err);
void stf_assembly_destroy(stf_assembly *assembly); /* NULL is legal */

/* [lock] True where a tile of this unit can be filled now; false: a slot or a region must come free first. */
bool stf_assembly_has_room(stf_assembly *assembly, uint64_t tile, const stf_unit_pixels *pixels);
/* [lock] Gives the tile the home it needs for these pixels; only after stf_assembly_has_room. */
bool stf_assembly_open(stf_assembly *assembly, uint64_t tile, const stf_unit_pixels *pixels, stf_error *err);
/* Moves the shared pixels of unit and tile to the tile's home. */
bool stf_assembly_fill(stf_assembly *assembly, uint64_t tile, const stf_unit *unit, const stf_unit_pixels *pixels,
                       stf_error *err);
/* [lock] One more unit was filled in; true: the tile is complete now. */
bool stf_assembly_filled(stf_assembly *assembly, uint64_t tile);
/* [lock] True where the next stf_assembly_filled makes the tile complete. */
bool stf_assembly_is_last(const stf_assembly *assembly, uint64_t tile);

/* [lock] The slot a complete tile lies in, or STF_NO_SLOT: then the caller takes one for it. */
uint32_t stf_assembly_slot(const stf_assembly *assembly, uint64_t tile);
/* [lock] True where a complete tile is one value without a home; says which, if a pixel of it is not too large to tell. */
bool stf_assembly_uniform(const stf_assembly *assembly, uint64_t tile, stf_uniform *value);
/* Makes a complete tile ready for the encoder, in this slot: reads it back from the spill or fills in
 * its constant, and repeats its last column and row into the part outside the raster (which compresses
 * best). rows: how many of its rows are to be encoded. */
bool stf_assembly_finish(stf_assembly *assembly, uint64_t tile, uint32_t slot, bool pad_rows, uint32_t *rows,
                         stf_error *err);
/* Repeats the last column and row of what is valid into the rest of a tile of width x rows pixels. */
void stf_assembly_pad(void *pixels, size_t pixel_bytes, uint32_t width_px, uint32_t rows, const stf_window *valid);
/* [lock] Gives the tile's region back, where it had one. */
void stf_assembly_leave(stf_assembly *assembly, uint64_t tile);

#ifdef __cplusplus
}
#endif
#endif
