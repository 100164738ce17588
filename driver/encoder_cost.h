/* Between encoder.c and encoder_cost.c. */
#ifndef STF_ENCODER_COST_H
#define STF_ENCODER_COST_H

#include "encoder.h"

/* Bytes of the output buffer that libtiff is given: so large that no codec fills it. */
size_t stf_encoder_raw_bytes(const stf_tile_format *format);

#endif
