/* The container: header, tiles in the order they are appended, the directories (IFDs) at the end, one for each image: the
 * raster itself, then its mask.
 *
 * Where all tiles have a known size the directory can come first, and the tiles behind it in their order, whatever the order
 * in which they are written: such a file can be read front to back (GTiff's STREAMABLE_OUTPUT).
 *
 * The header is patched, so a target that only appends is staged (target.h). Nothing stands under the final
 * name before stf_tiff_file_finish succeeds. Byte order is the host's, or the other one. */
#ifndef STF_TIFF_FILE_H
#define STF_TIFF_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_tiff_file stf_tiff_file;

/* One directory entry to be. Tags of types 1..18 of TIFF 6 / BigTIFF; values in host byte order. */
typedef struct stf_tag {
    uint16_t tag;
    uint16_t type;
    uint64_t count;
    void *values; /* owned by the list it is in */
} stf_tag;

/* A growing list of tags, in any order; a tag that is set again replaces the earlier one. */
typedef struct stf_tag_list {
    stf_tag *items;
    size_t count, room;
} stf_tag_list;
bool stf_tag_list_set(stf_tag_list *list, uint16_t tag, uint16_t type, uint64_t count, const void *values,
                      stf_error *err);
bool stf_tag_list_set_short(stf_tag_list *list, uint16_t tag, uint16_t value, stf_error *err);
bool stf_tag_list_set_long(stf_tag_list *list, uint16_t tag, uint32_t value, stf_error *err);
const stf_tag *stf_tag_list_find(const stf_tag_list *list, uint16_t tag); /* NULL: not there */
void stf_tag_list_remove(stf_tag_list *list, uint16_t tag);               /* does nothing where it is not there */
/* Puts copies of all tags of from into an empty list, in their order. */
bool stf_tag_list_copy(stf_tag_list *list, const stf_tag_list *from, stf_error *err);
void stf_tag_list_free(stf_tag_list *list);
/* Bytes of one value of a TIFF type; 0: no such type. */
size_t stf_tag_type_bytes(uint16_t type);

/* Bytes of the offset and byte count tables of so many tiles, for the account. UINT64_MAX on overflow. */
uint64_t stf_tiff_file_table_bytes(uint64_t tiles);

/* The header: 8 bytes, of a BigTIFF 16; directory: where the first one begins, 0 until it is known. Gives its length. */
#define STF_TIFF_HEADER_BYTES 16
size_t stf_tiff_header(bool big, bool swapped, uint64_t directory, unsigned char header[STF_TIFF_HEADER_BYTES]);

/* True where this many bytes of tiles, tables and tags must not go into a classic TIFF. */
bool stf_tiff_file_needs_big(uint64_t worst_case_bytes);

/* Opens the temporary file and writes a header. tiles: how many tiles (or strips) the first image's directory
 * will list. A target that cannot be renamed is staged in CPL_TMPDIR (else where CPLGenerateTempFilename
 * puts it). NULL on failure, nothing left behind. */
stf_tiff_file *stf_tiff_file_create(const char *target, bool big, uint64_t tiles, stf_error *err);

/* The file is to have the byte order that is not the host's: before it is finished. The tiles are the caller's to turn. */
void stf_tiff_file_swap(stf_tiff_file *file);

/* One more image of so many tiles: the first is number 0, this one the next number. At most STF_TIFF_FILE_IMAGES. */
#define STF_TIFF_FILE_IMAGES 2
bool stf_tiff_file_add_image(stf_tiff_file *file, uint64_t tiles, stf_error *err);

/* Sizes of the tiles of an image in which only the last one of a plane differs: a short strip. */
typedef struct stf_tile_sizes {
    uint64_t bytes, last_bytes; /* below 4 GiB */
    uint64_t of_plane;          /* tiles */
} stf_tile_sizes;

typedef struct stf_image_tags stf_image_tags;

/* Writes the directory now, before the first tile: the places of all tiles of the only image follow from their sizes. */
bool stf_tiff_file_put_directory_first(stf_tiff_file *file, const stf_image_tags *image, const stf_tile_sizes *sizes,
                                       stf_error *err);

/* Appends one tile's bytes, or puts them into their place (bytes == 0: a missing tile, offset and count 0). Each index of an image once, in any order. */
bool stf_tiff_file_append(stf_tiff_file *file, uint32_t image, uint64_t tile_index, const void *data, uint64_t bytes,
                          stf_error *err);

/* The same for a tile that was written before: it goes where it was if it fits there, else behind everything else. */
bool stf_tiff_file_replace(stf_tiff_file *file, uint32_t image, uint64_t tile_index, const void *data, uint64_t bytes,
                           stf_error *err);
/* Bytes of a tile that was appended; 0: missing, or not appended yet. */
uint32_t stf_tiff_file_tile_bytes(const stf_tiff_file *file, uint32_t image, uint64_t tile_index);
/* Reads exactly those bytes back. */
bool stf_tiff_file_read(stf_tiff_file *file, uint32_t image, uint64_t tile_index, void *data, stf_error *err);

/* The directory of one image: tags, beside the two tables (324/325 tiled, 273/279 strips). */
struct stf_image_tags {
    bool tiled;
    const stf_tag_list *tags; /* the caller's */
};

/* Writes the directories, one for each image (unless one came first), patches the header, closes with errors checked, and moves the file to the
 * target's name. The file is freed whatever the result; on failure nothing is left. */
bool stf_tiff_file_finish(stf_tiff_file *file, const stf_image_tags *images, stf_error *err);

/* Closes and removes everything; NULL is legal. */
void stf_tiff_file_abort(stf_tiff_file *file);

/* Bytes written so far. */
uint64_t stf_tiff_file_bytes(const stf_tiff_file *file);

#ifdef __cplusplus
}
#endif
#endif
