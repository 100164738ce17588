/* The container of a cloud-optimised GeoTIFF, as GDAL's COG driver writes it, front to back from the spool:
 *
 *      header | what it says of itself | directories, without their tables | tables of places and sizes
 *             | tiles of the smallest level | ... | tiles of the raster itself
 *
 * Each tile has its size before and its last 4 bytes behind it (spool.h); where masks are interleaved, the tile of the
 * mask follows that of the image. All sizes are known, so nothing is written twice. */
#ifndef STF_COG_FILE_H
#define STF_COG_FILE_H

#include "cpl_progress.h"
#include "spool.h"
#include "target.h"
#include "tiff_file.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_COG_NO_IMAGE UINT32_MAX

typedef struct stf_cog_image {
    const stf_tag_list
        *tags;        /* the caller's, in the order in which libtiff would lay their values out; with COMPRESSION */
    bool tiled;       /* false: strips */
    uint32_t spooled; /* its number in the spool */
    uint64_t tiles;
    uint64_t tile_bytes; /* of a tile without compression: the tables are as wide as libtiff makes them of it */
} stf_cog_image;

/* Tiles that lie together. Both are places in the list of images. */
typedef struct stf_cog_part {
    uint32_t image;
    uint32_t mask;   /* interleaved with it; or STF_COG_NO_IMAGE */
    uint32_t planes; /* more than 1: the tiles of all planes at one place follow each other */
} stf_cog_part;

typedef struct stf_cog {
    const void *ghost; /* what stands between header and first directory */
    size_t ghost_bytes;
    const stf_cog_image *images; /* in the order of the directories */
    uint32_t image_count;
    const stf_cog_part *parts; /* in the order of the file; every image is in one of them */
    uint32_t part_count;
    stf_spool *spool; /* with all tiles */
} stf_cog;

/* Memory that writing takes beside the spool's, for images of so many tiles (the largest of them). UINT64_MAX on overflow. */
uint64_t stf_cog_table_bytes(uint64_t tiles);

/* Bytes of the file. UINT64_MAX where it cannot be written so: a classic TIFF ends at 4 GiB. */
uint64_t stf_cog_file_bytes(const stf_cog *cog, bool big);

/* Appends the whole file to the target. progress: 0..1 on the calling thread; may be NULL. */
bool stf_cog_write(const stf_cog *cog, bool big, stf_target *target, GDALProgressFunc progress, void *progress_data,
                   stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
