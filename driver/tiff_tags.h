/* A directory (IFD) as bytes: layout first, so that every offset is known, then written front to back.
 *
 *      offset: entries, sorted | values that do not fit into their entry, each aligned
 *
 * The two tile tables are not in the tag list: they are as large as the raster has tiles, and are
 * converted while they are written. */
#ifndef STF_TIFF_TAGS_H
#define STF_TIFF_TAGS_H

#include "tiff_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tables that lie elsewhere. The directory is laid out as libtiff does it then: values follow each other in the order of the
 * tags in their list, which may be any, at even places in either format. */
typedef struct stf_tables_apart {
    uint64_t offsets_at, counts_at; /* where they lie, unless they fit into their entries */
    uint16_t counts_type;           /* TIFF_SHORT, TIFF_LONG or TIFF_LONG8 */
    unsigned char offsets_inline[8], counts_inline[8];
} stf_tables_apart;

/* Where the tiles lie. The arrays stay the caller's. */
typedef struct stf_tile_tables {
    const uint64_t *offsets;
    const uint32_t *counts_bytes;
    uint64_t tiles;
    bool tiled;                    /* tags 324 and 325; false: 273 and 279 */
    bool swapped;                  /* the directory is to have the byte order that is not the host's */
    bool chained;                  /* another directory follows directly behind this one */
    const stf_tables_apart *apart; /* NULL: the tables are the arrays, and lie in the directory */
} stf_tile_tables;

/* True where a table of so many values of a type fits into its entry. */
bool stf_directory_fits_entry(bool big, uint16_t type, uint64_t count);

/* Takes the next bytes of the file. */
typedef bool (*stf_directory_sink)(void *sink, const void *data, size_t bytes, stf_error *err);

/* Bytes that a directory of these tags takes, values, tables and padding included. UINT64_MAX on overflow. */
uint64_t stf_directory_bytes(bool big, const stf_tag_list *tags, uint64_t tiles);

/* Writes the directory that begins at offset (even; a multiple of 8 in BigTIFF). Its link is to
 * what follows, or 0. Fails on tags that the format cannot hold (64-bit types or counts in a classic TIFF). Memory:
 * the entries, at most 20 bytes for each tag, and 4 KiB. */
bool stf_directory_write(bool big, const stf_tag_list *tags, const stf_tile_tables *tables, uint64_t offset,
                         stf_directory_sink write, void *sink, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
