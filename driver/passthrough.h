/* Tiles that a copy takes from the source's file as they are, compressed, where they are what it would write:
 *
 *     block of the source --pread--> the target's tile
 *
 * Whether that can be is told by comparing where and how the blocks of the source lie (tiff_index.h) with what the target's tiles
 * are to be. Which pixels a dataset shows is GDAL's to say, so all that source_direct.h asks for holds here, too: a
 * GeoTIFF open read-only, or a VRT that shows a part of one as it is. Tiles that the source leaves out are not passed. */
#ifndef STF_PASSTHROUGH_H
#define STF_PASSTHROUGH_H

#include "encoder.h"
#include "gdal.h"
#include "tiff_index.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the target's tiles are to be, and which part of the source they show. */
typedef struct stf_passthrough_target {
    const stf_tile_format *format;
    uint16_t photometric; /* of the file: that of a plane which is encoded by itself is another one */
    uint16_t bands;
    bool planes_apart;
    uint32_t x_px, y_px, width_px, height_px; /* in the source */
} stf_passthrough_target;

/* What differs, as the end of a sentence; NULL: nothing does. tags: those of the source that its codec has (stf_passthrough_tag_names). Pure. */
const char *stf_passthrough_differs(const stf_tiff_index *index, const stf_tag_list *tags,
                                    const stf_passthrough_target *target);
/* The tags that belong to the tiles of a codec, and go with them into the target. */
size_t stf_passthrough_tag_names(uint16_t compression, const uint16_t **names);

typedef struct stf_passthrough stf_passthrough;

/* target: its place in the source is found here. NULL: the tiles of the dataset cannot be copied so, and why says what is in the
 * way. Calling thread. */
stf_passthrough *stf_passthrough_open(GDALDatasetH dataset, const stf_passthrough_target *target, const char **why);
void stf_passthrough_close(stf_passthrough *passthrough); /* NULL is legal */

uint64_t stf_passthrough_kept_bytes(const stf_passthrough *passthrough);
/* Room for any tile that is read. */
uint64_t stf_passthrough_largest_bytes(const stf_passthrough *passthrough);

/* False for a tile that the source leaves out. */
bool stf_passthrough_has(const stf_passthrough *passthrough, uint64_t tile);
/* One sample of the tiles that are left out, of the type of the bands; NULL: there are none. */
const void *stf_passthrough_missing_sample(const stf_passthrough *passthrough);

/* Reads a tile that is there. Any thread. A failure where it does not lie within the source's file, or is larger than any codec
 * makes it. */
bool stf_passthrough_read(stf_passthrough *passthrough, uint64_t tile, void *to, size_t room_bytes, size_t *bytes,
                          stf_error *err);
uint64_t stf_passthrough_count(const stf_passthrough *passthrough); /* tiles read so far; none is being read */

/* The text of the source's tag of GDAL's metadata; NULL: it has none. */
const char *stf_passthrough_metadata(const stf_passthrough *passthrough);
/* Puts the source's tags of the codec into the target's, in the place of those that are there. */
bool stf_passthrough_set_tags(const stf_passthrough *passthrough, stf_tag_list *tags, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
