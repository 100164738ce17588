/* Compressed bytes of one block -> its samples, by the codec's library called directly. */
#ifndef STF_BLOCK_DECODER_H
#define STF_BLOCK_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* True where blocks of this compression (TIFF tag 259) can be decoded here: libraries that the build did not find cannot. */
bool stf_block_decoder_knows(uint16_t compression);

typedef struct stf_block_decoder stf_block_decoder;

/* NULL: no memory, or a compression that is not known. Used by one thread at a time. */
stf_block_decoder *stf_block_decoder_create(uint16_t compression);
void stf_block_decoder_destroy(stf_block_decoder *decoder); /* NULL is legal */
/* Memory of one decoder, its library's included. */
uint64_t stf_block_decoder_bytes(const stf_block_decoder *decoder);

/* Decodes a block that has at least least_bytes, and never writes more than room_bytes: one that has more is broken. NULL on
 * success, else what is wrong, as the end of a sentence. What is not compressed is copied; from and to may be the same then. */
const char *stf_block_decoder_run(stf_block_decoder *decoder, const void *from, size_t bytes, void *to,
                                  size_t least_bytes, size_t room_bytes);

#ifdef __cplusplus
}
#endif
#endif
