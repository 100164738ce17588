/* Between encoder.c and encoder_cost.c. */
#ifndef STF_ENCODER_COST_H
#define STF_ENCODER_COST_H

#include "encoder.h"

/* Bytes of rows of a tile as they are encoded: packed, where the samples have fewer bits than in memory. */
uint64_t stf_encoder_packed_bytes(const stf_tile_format *format, uint32_t rows);

/* Bytes of the output buffer that a codec is given: so large that none fills it. */
size_t stf_encoder_raw_bytes(const stf_tile_format *format);

#endif
