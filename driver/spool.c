#include "spool.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "geometry.h"
#include "scratch.h"

#define PENDING_BYTES ((size_t)256 << 10)
#define FRAME_BYTES (STF_SPOOL_LEADER_BYTES + STF_SPOOL_TRAILER_BYTES)

typedef struct spool_image {
    uint64_t tiles;
    uint64_t *offsets; /* of the leaders, + 1: 0 says that the tile is not there yet */
    uint32_t *bytes;   /* of the tiles alone */
} spool_image;

struct stf_spool {
    CPLMutex *mutex; /* over all that follows */
    stf_platform_file *file;
    char *path; /* the name it was made under, for messages */
    uint64_t bytes;
    size_t pending_bytes; /* at the end of the file to be, and not in it yet */
    unsigned char *pending;
    uint32_t image_count;
    spool_image *images;
};

uint64_t stf_spool_table_bytes(uint64_t tiles) {
    return stf_add(PENDING_BYTES, stf_mul(tiles, sizeof(uint64_t) + sizeof(uint32_t)));
}

/* --- making and freeing ------------------------------------------------------------------------ */

static bool has_room(const char *path, uint64_t bytes, stf_error *err) {
    const char *folder = CPLGetPath(path);
    GIntBig free_bytes = VSIGetDiskFreeSpace(folder[0] ? folder : ".");
    if (free_bytes >= 0 && (uint64_t)free_bytes < bytes)
        return stf_fail(err, CPLE_FileIO,
                        "The tiles that wait in %s, and the file made of them, take " CPL_FRMT_GUIB
                        " bytes on that disk, but only " CPL_FRMT_GIB
                        " are free there: write to a larger disk, or set COMPRESS",
                        path, (GUIntBig)bytes, free_bytes);
    return true;
}

static bool open_file(stf_spool *spool, const char *target, uint64_t expected_bytes, uint32_t copies, stf_error *err) {
    if (!stf_scratch_create(target, "spool", &spool->path, &spool->file, err) ||
        !has_room(spool->path, stf_mul(expected_bytes, copies), err))
        return false;
    if (stf_platform_is_memory_backed(CPLGetPath(spool->path)) && !STARTS_WITH(target, "/vsi"))
        CPLError(
            CE_Warning, CPLE_AppDefined,
            "The spool %s lies on a file system that is kept in memory: the compressed tiles there are not covered "
            "by MEMORY_CAP",
            spool->path);
    return true;
}

static bool allocate(stf_spool *spool, const uint64_t *tiles, uint32_t images) {
    spool->mutex = CPLCreateMutex();
    if (spool->mutex)
        CPLReleaseMutex(spool->mutex);
    spool->pending = VSIMalloc(PENDING_BYTES);
    spool->images = VSICalloc(images, sizeof *spool->images);
    if (!spool->mutex || !spool->pending || !spool->images)
        return false;
    for (; spool->image_count < images; spool->image_count++) {
        spool_image *image = &spool->images[spool->image_count];
        image->tiles = tiles[spool->image_count];
        if (stf_mul(image->tiles, sizeof(uint64_t)) > SIZE_MAX / 2)
            return false;
        image->offsets = VSICalloc((size_t)image->tiles, sizeof *image->offsets);
        image->bytes = VSICalloc((size_t)image->tiles, sizeof *image->bytes);
        if (!image->offsets || !image->bytes) {
            spool->image_count++;
            return false;
        }
    }
    return true;
}

stf_spool *stf_spool_create(const char *target, const uint64_t *tiles, uint32_t images, uint64_t expected_bytes,
                            uint32_t copies, stf_error *err) {
    stf_spool *spool = VSICalloc(1, sizeof *spool);
    bool ready = spool && allocate(spool, tiles, images);
    if (!ready)
        stf_fail(err, CPLE_OutOfMemory, "No memory for the places of the tiles: larger tiles need less");
    if (ready && open_file(spool, target, expected_bytes, copies, err))
        return spool;
    stf_spool_destroy(spool);
    return NULL;
}

void stf_spool_destroy(stf_spool *spool) {
    if (!spool)
        return;
    for (uint32_t i = 0; i < spool->image_count; i++) {
        VSIFree(spool->images[i].offsets);
        VSIFree(spool->images[i].bytes);
    }
    stf_platform_file_close(spool->file);
    CPLFree(spool->path);
    VSIFree(spool->pending);
    VSIFree(spool->images);
    if (spool->mutex)
        CPLDestroyMutex(spool->mutex);
    VSIFree(spool);
}

/* --- appending and reading back ---------------------------------------------------------------- */

static bool write_at(stf_spool *spool, uint64_t offset, const void *data, size_t bytes, stf_error *err) {
    if (stf_platform_file_write(spool->file, offset, data, bytes))
        return true;
    GIntBig free_bytes = VSIGetDiskFreeSpace(CPLGetPath(spool->path));
    return stf_fail(err, CPLE_FileIO,
                    "Writing " CPL_FRMT_GUIB " bytes to the spool %s failed at " CPL_FRMT_GUIB
                    " (free there: " CPL_FRMT_GIB " bytes): write to a larger disk",
                    (GUIntBig)bytes, spool->path, (GUIntBig)offset, free_bytes);
}

static bool flush_locked(stf_spool *spool, stf_error *err) {
    size_t bytes = spool->pending_bytes;
    spool->pending_bytes = 0;
    return bytes == 0 || write_at(spool, spool->bytes - bytes, spool->pending, bytes, err);
}

static bool append_locked(stf_spool *spool, const void *data, size_t bytes, stf_error *err) {
    if (bytes > PENDING_BYTES - spool->pending_bytes && !flush_locked(spool, err))
        return false;
    if (bytes > PENDING_BYTES) {
        if (!write_at(spool, spool->bytes, data, bytes, err))
            return false;
    } else {
        memcpy(spool->pending + spool->pending_bytes, data, bytes);
        spool->pending_bytes += bytes;
    }
    spool->bytes += bytes;
    return true;
}

/* A tile of less than 4 bytes has a trailer all the same: what is missing is 0. */
static bool append_record(stf_spool *spool, const void *data, size_t bytes, stf_error *err) {
    unsigned char leader[STF_SPOOL_LEADER_BYTES], trailer[STF_SPOOL_TRAILER_BYTES] = {0};
    for (int i = 0; i < STF_SPOOL_LEADER_BYTES; i++)
        leader[i] = (unsigned char)(bytes >> (8 * i));
    if (bytes >= sizeof trailer)
        memcpy(trailer, (const unsigned char *)data + bytes - sizeof trailer, sizeof trailer);
    else
        memcpy(trailer, data, bytes);
    return append_locked(spool, leader, sizeof leader, err) && append_locked(spool, data, bytes, err) &&
           append_locked(spool, trailer, sizeof trailer, err);
}

static spool_image *find_image(const stf_spool *spool, uint32_t image, uint64_t tile) {
    return image < spool->image_count && tile < spool->images[image].tiles ? &spool->images[image] : NULL;
}

bool stf_spool_append(void *context, uint32_t image, uint64_t tile, const void *data, size_t bytes, stf_error *err) {
    stf_spool *spool = context;
    spool_image *found = find_image(spool, image, tile);
    if (!found || bytes > UINT32_MAX - FRAME_BYTES)
        return stf_fail(err, CPLE_AppDefined, "Tile %llu of image %u, of %llu bytes, cannot wait in the spool",
                        (unsigned long long)tile, image, (unsigned long long)bytes);
    CPLAcquireMutex(spool->mutex, 1000.0);
    uint64_t offset = spool->bytes;
    bool first = found->offsets[tile] == 0;
    bool done = first && (bytes == 0 || append_record(spool, data, bytes, err));
    if (done) {
        found->offsets[tile] = offset + 1;
        found->bytes[tile] = (uint32_t)bytes;
    }
    CPLReleaseMutex(spool->mutex);
    return first ? done
                 : stf_fail(err, CPLE_AppDefined, "Tile %llu of image %u came twice", (unsigned long long)tile, image);
}

uint32_t stf_spool_tile_bytes(stf_spool *spool, uint32_t image, uint64_t tile) {
    const spool_image *found = find_image(spool, image, tile);
    CPLAcquireMutex(spool->mutex, 1000.0);
    uint32_t bytes = found ? found->bytes[tile] : 0;
    CPLReleaseMutex(spool->mutex);
    return bytes;
}

bool stf_spool_flush(stf_spool *spool, void **room, size_t *room_bytes, stf_error *err) {
    CPLAcquireMutex(spool->mutex, 1000.0);
    bool done = flush_locked(spool, err);
    CPLReleaseMutex(spool->mutex);
    *room = spool->pending;
    *room_bytes = PENDING_BYTES;
    return done;
}

bool stf_spool_read_at(stf_spool *spool, uint64_t offset, void *data, size_t bytes, stf_error *err) {
    return stf_platform_file_read(spool->file, offset, data, bytes) ||
           stf_fail(err, CPLE_FileIO, "Reading " CPL_FRMT_GUIB " bytes back from the spool %s failed", (GUIntBig)bytes,
                    spool->path);
}

bool stf_spool_read(stf_spool *spool, uint32_t image, uint64_t tile, void *data, stf_error *err) {
    const spool_image *found = find_image(spool, image, tile);
    CPLAcquireMutex(spool->mutex, 1000.0);
    bool there = found && found->offsets[tile] != 0;
    uint64_t offset = there ? found->offsets[tile] - 1 + STF_SPOOL_LEADER_BYTES : 0;
    size_t bytes = there ? found->bytes[tile] : 0;
    bool waits = there && offset + bytes > spool->bytes - spool->pending_bytes;
    bool done = there && (!waits || flush_locked(spool, err));
    CPLReleaseMutex(spool->mutex);
    if (!there)
        return stf_fail(err, CPLE_AppDefined, "Tile %llu of image %u is not in the spool", (unsigned long long)tile,
                        image);
    return done && (bytes == 0 || stf_spool_read_at(spool, offset, data, bytes, err));
}

uint32_t stf_spool_record(const stf_spool *spool, uint32_t image, uint64_t tile, uint64_t *offset) {
    const spool_image *found = find_image(spool, image, tile);
    uint32_t bytes = found ? found->bytes[tile] : 0;
    *offset = bytes ? found->offsets[tile] - 1 : 0;
    return bytes ? bytes + (uint32_t)FRAME_BYTES : 0;
}

uint64_t stf_spool_bytes(stf_spool *spool) {
    CPLAcquireMutex(spool->mutex, 1000.0);
    uint64_t bytes = spool->bytes;
    CPLReleaseMutex(spool->mutex);
    return bytes;
}
