#include "lzw.h"

#include <stdbool.h>
#include <string.h>

enum { CLEAR = 256, END = 257, FIRST = 258, LEAST_BITS = 9, MOST_BITS = 12 };

typedef struct bit_reader {
    const unsigned char *next, *end;
    uint64_t bits; /* the last `held` of them are not taken yet */
    uint32_t held;
} bit_reader;

/* END where there are not enough bits left. */
static uint32_t take(bit_reader *r, uint32_t count) {
    while (r->held < count) {
        if (r->next == r->end)
            return END;
        r->bits = r->bits << 8 | *r->next++;
        r->held += 8;
    }
    r->held -= count;
    return (uint32_t)(r->bits >> r->held) & ((1u << count) - 1);
}

/* The string's last byte may be its own first one: that of a code which is only being defined. */
static void copy_string(unsigned char *out, uint32_t at, const stf_lzw_string *string) {
    if (string->at + string->bytes <= at) {
        memcpy(out + at, out + string->at, string->bytes);
    } else {
        memcpy(out + at, out + string->at, string->bytes - 1);
        out[at + string->bytes - 1] = out[at];
    }
}

const char *stf_lzw_decode(const void *from, size_t bytes, void *to, size_t least_bytes, size_t room_bytes,
                           stf_lzw_string *strings) {
    bit_reader reader = {from, (const unsigned char *)from + bytes, 0, 0};
    unsigned char *out = to;
    uint32_t width = LEAST_BITS, next = FIRST, at = 0;
    stf_lzw_string before = {0, 0}; /* bytes 0: the table is empty, no string was read since */
    bool cleared = false;
    while (at < least_bytes) {
        uint32_t code = take(&reader, width);
        if (code == END)
            return "it decodes to less than a block";
        if (code == CLEAR) {
            width = LEAST_BITS;
            next = FIRST;
            before.bytes = 0;
            cleared = true;
            continue;
        }
        if (!cleared || (before.bytes == 0 && code >= CLEAR))
            return "its LZW codes do not begin with an empty table";
        if (before.bytes > 0 && next < STF_LZW_CODES) {
            strings[next].at = before.at;
            strings[next].bytes = before.bytes + 1;
            next++;
        }
        if (code >= next)
            return "it has an LZW code without a string";
        uint32_t length = code < CLEAR ? 1 : strings[code].bytes;
        if (length > room_bytes - at)
            return "it decodes to more than a block";
        if (code < CLEAR)
            out[at] = (unsigned char)code;
        else
            copy_string(out, at, &strings[code]);
        before.at = at;
        before.bytes = length;
        at += length;
        if (next >= (1u << width) - 1 && width < MOST_BITS)
            width++;
    }
    return NULL;
}
