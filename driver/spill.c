#include "spill.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "platform.h"
#include "scratch.h"

#define PENDING_BYTES ((size_t)256 << 10)

struct stf_spill {
    CPLMutex *mutex;
    stf_platform_file *file;
    char *path; /* the name it was made under, for messages */
    size_t region_bytes;
    uint64_t regions, used, free_count;
    uint64_t *free_regions;
    uint64_t written_bytes;
    uint64_t pending_offset; /* bytes that follow each other and are not in the file yet */
    size_t pending_bytes;
    unsigned char *pending;
};

uint64_t stf_spill_cost_bytes(uint64_t regions) {
    return PENDING_BYTES + regions * sizeof(uint64_t);
}

static bool has_room(const char *path, uint64_t bytes, stf_error *err) {
    const char *folder = CPLGetPath(path);
    GIntBig free_bytes = VSIGetDiskFreeSpace(folder[0] ? folder : ".");
    if (free_bytes >= 0 && (uint64_t)free_bytes < bytes)
        return stf_fail(err, CPLE_FileIO,
                        "The spill %s may grow to " CPL_FRMT_GUIB " bytes, but only " CPL_FRMT_GIB
                        " are free there: raise MEMORY_CAP, or write to a larger disk",
                        path, (GUIntBig)bytes, free_bytes);
    return true;
}

static bool open_file(stf_spill *spill, const char *target, stf_error *err) {
    if (!stf_scratch_create(target, "spill", &spill->path, &spill->file, err))
        return false;
    if (!has_room(spill->path, spill->regions * spill->region_bytes, err))
        return false;
    if (stf_platform_is_memory_backed(CPLGetPath(spill->path)))
        CPLError(CE_Warning, CPLE_AppDefined,
                 "The spill %s lies on a file system that is kept in memory: up to " CPL_FRMT_GUIB
                 " bytes there are not covered by MEMORY_CAP",
                 spill->path, (GUIntBig)(spill->regions * spill->region_bytes));
    return true;
}

stf_spill *stf_spill_create(const char *target, size_t region_bytes, uint64_t regions, stf_error *err) {
    stf_spill *spill = VSICalloc(1, sizeof *spill);
    if (!spill) {
        stf_fail(err, CPLE_OutOfMemory, "No memory for the spill");
        return NULL;
    }
    spill->region_bytes = region_bytes;
    spill->regions = regions;
    spill->mutex = CPLCreateMutex();
    if (spill->mutex)
        CPLReleaseMutex(spill->mutex);
    spill->pending = VSIMalloc(PENDING_BYTES);
    spill->free_regions = VSIMalloc2((size_t)regions, sizeof *spill->free_regions);
    bool ready = spill->mutex && spill->pending && spill->free_regions;
    if (!ready)
        stf_fail(err, CPLE_OutOfMemory, "No memory for the tables of the spill");
    if (!ready || !open_file(spill, target, err)) {
        stf_spill_destroy(spill);
        return NULL;
    }
    return spill;
}

void stf_spill_destroy(stf_spill *spill) {
    if (!spill)
        return;
    stf_platform_file_close(spill->file);
    CPLFree(spill->path);
    VSIFree(spill->pending);
    VSIFree(spill->free_regions);
    if (spill->mutex)
        CPLDestroyMutex(spill->mutex);
    VSIFree(spill);
}

uint64_t stf_spill_free_regions(stf_spill *spill) {
    CPLAcquireMutex(spill->mutex, 1000.0);
    uint64_t free_regions = spill->free_count + (spill->regions - spill->used);
    CPLReleaseMutex(spill->mutex);
    return free_regions;
}

uint64_t stf_spill_take(stf_spill *spill) {
    CPLAcquireMutex(spill->mutex, 1000.0);
    uint64_t region = spill->free_count > 0 ? spill->free_regions[--spill->free_count] : spill->used++;
    CPLReleaseMutex(spill->mutex);
    return region;
}

void stf_spill_give(stf_spill *spill, uint64_t region) {
    CPLAcquireMutex(spill->mutex, 1000.0);
    spill->free_regions[spill->free_count++] = region;
    CPLReleaseMutex(spill->mutex);
}

/* --- writing under the mutex, reading beside it ------------------------------------------------------ */

static bool write_at(stf_spill *spill, uint64_t offset, const void *data, size_t bytes, stf_error *err) {
    if (!stf_platform_file_write(spill->file, offset, data, bytes)) {
        GIntBig free_bytes = VSIGetDiskFreeSpace(CPLGetPath(spill->path));
        return stf_fail(err, CPLE_FileIO,
                        "Writing " CPL_FRMT_GUIB " bytes to the spill %s failed at " CPL_FRMT_GUIB
                        " (free there: " CPL_FRMT_GIB " bytes): raise MEMORY_CAP, or write to a larger disk",
                        (GUIntBig)bytes, spill->path, (GUIntBig)offset, free_bytes);
    }
    return true;
}

static bool flush_pending(stf_spill *spill, stf_error *err) {
    size_t bytes = spill->pending_bytes;
    spill->pending_bytes = 0;
    return bytes == 0 || write_at(spill, spill->pending_offset, spill->pending, bytes, err);
}

static bool write_locked(stf_spill *spill, uint64_t offset, const void *data, size_t bytes, stf_error *err) {
    bool follows = offset == spill->pending_offset + spill->pending_bytes;
    if ((!follows || bytes > PENDING_BYTES - spill->pending_bytes) && !flush_pending(spill, err))
        return false;
    if (bytes > PENDING_BYTES)
        return write_at(spill, offset, data, bytes, err);
    if (spill->pending_bytes == 0)
        spill->pending_offset = offset;
    memcpy(spill->pending + spill->pending_bytes, data, bytes);
    spill->pending_bytes += bytes;
    return true;
}

bool stf_spill_write(stf_spill *spill, uint64_t region, size_t offset, const void *data, size_t bytes, stf_error *err) {
    CPLAcquireMutex(spill->mutex, 1000.0);
    bool done = write_locked(spill, region * spill->region_bytes + offset, data, bytes, err);
    spill->written_bytes += bytes;
    CPLReleaseMutex(spill->mutex);
    return done;
}

bool stf_spill_read(stf_spill *spill, uint64_t region, size_t offset, void *data, size_t bytes, stf_error *err) {
    CPLAcquireMutex(spill->mutex, 1000.0);
    bool done = flush_pending(spill, err);
    CPLReleaseMutex(spill->mutex);
    if (!done)
        return false;
    if (!stf_platform_file_read(spill->file, region * spill->region_bytes + offset, data, bytes))
        return stf_fail(err, CPLE_FileIO, "Reading " CPL_FRMT_GUIB " bytes back from the spill %s failed",
                        (GUIntBig)bytes, spill->path);
    return true;
}

uint64_t stf_spill_bytes_written(stf_spill *spill) {
    CPLAcquireMutex(spill->mutex, 1000.0);
    uint64_t bytes = spill->written_bytes;
    CPLReleaseMutex(spill->mutex);
    return bytes;
}
