/* TIFF's LZW (TIFF 6, section 13) decoded: codes of 9 to 12 bits, most significant bit first, that grow one code early.
 *
 * Every string of the table is one that the output has already: the string before, and the first byte of the one
 * after it, which follow each other there. So an entry is a place in the output and a length, and a string is one copy. */
#ifndef STF_LZW_H
#define STF_LZW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_lzw_string {
    uint32_t at, bytes;
} stf_lzw_string;

#define STF_LZW_CODES 4096u

/* Decodes until least_bytes are there, and never writes more than room_bytes (up to 2^31). strings: STF_LZW_CODES of them, of
 * any content. NULL, or what is wrong, as the end of a sentence. Any thread. */
const char *stf_lzw_decode(const void *from, size_t bytes, void *to, size_t least_bytes, size_t room_bytes,
                           stf_lzw_string *strings);

#ifdef __cplusplus
}
#endif
#endif
