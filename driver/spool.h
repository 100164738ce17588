/* The spool: a scratch file of tiles that are encoded already and await their place in the final file.
 *
 * Images are numbered: 0 the raster itself, then its overview levels, the largest first, then the mask of the raster
 * and those of the levels, where there is a mask. A tile lies there as it will lie in a COG:
 *
 *      bytes of the tile (4, little-endian) | the tile | its last 4 bytes once more
 *
 * so that tiles that follow each other here and there are copied in one piece. The file lies beside the target, else
 * in CPL_TMPDIR, and is gone with the spool, even where the process is killed. All calls but create and
 * destroy may be made on any thread. */
#ifndef STF_SPOOL_H
#define STF_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "platform.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { STF_SPOOL_LEADER_BYTES = 4, STF_SPOOL_TRAILER_BYTES = 4 };

typedef struct stf_spool stf_spool;

/* Memory of a spool of so many tiles in all its images, for the account. UINT64_MAX on overflow. */
uint64_t stf_spool_table_bytes(uint64_t tiles);

/* tiles: of each image. expected_bytes: what the tiles will come to where that is known (else 0), and how often it has to
 * find room on that disk (copies: the spool, and the final file where it lies beside): fails where it has not. Warns
 * (CE_Warning, so on the calling thread) where the file lies on a file system that is kept in memory. */
stf_spool *stf_spool_create(const char *target, const uint64_t *tiles, uint32_t images, uint64_t expected_bytes,
                            uint32_t copies, stf_error *err);
void stf_spool_destroy(stf_spool *spool); /* NULL is legal */

/* Each tile of an image once, in any order. bytes == 0: a tile that the file leaves out. In the form of a level sink. */
bool stf_spool_append(void *spool, uint32_t image, uint64_t tile, const void *data, size_t bytes, stf_error *err);

/* Bytes of a tile; 0: left out, or not there yet. */
uint32_t stf_spool_tile_bytes(stf_spool *spool, uint32_t image, uint64_t tile);
/* Reads a tile back, which takes exactly stf_spool_tile_bytes. */
bool stf_spool_read(stf_spool *spool, uint32_t image, uint64_t tile, void *data, stf_error *err);

uint64_t stf_spool_bytes(stf_spool *spool); /* appended so far, leaders and trailers included */

/* --- for the container, once all tiles are there ----------------------------------------------- */

/* Puts what waits in memory into the file. The room where it waited is the caller's until the next append. */
bool stf_spool_flush(stf_spool *spool, void **room, size_t *room_bytes, stf_error *err);
/* Where a tile's leader begins, and how many bytes it takes with leader and trailer; 0: left out. */
uint32_t stf_spool_record(const stf_spool *spool, uint32_t image, uint64_t tile, uint64_t *offset);
/* Reads bytes as they lie in the file. */
bool stf_spool_read_at(stf_spool *spool, uint64_t offset, void *data, size_t bytes, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
