#define _LARGEFILE64_SOURCE /* glibc declares the struct behind VSIStatBufL only then */
#include "target.h"

#include <errno.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "scratch.h"

enum { COPY_PIECE_BYTES = 1 << 20 };

typedef enum { BESIDE, STAGED, DIRECT } target_way;

struct stf_target {
    VSILFILE *stream; /* NULL: closed, or not opened yet */
    char *name;
    char *path; /* of what is being written: temporary, or the target itself; NULL: moved to the target */
    target_way way;
    bool opened;    /* DIRECT: something of ours may stand under the target's name */
    bool failed;    /* a write fell short: what is in the file cannot be trusted */
    uint64_t bytes; /* up to the last one written */
    uint64_t place; /* of the next one in the stream */
};

/* --- errors and the target's kind -------------------------------------------------------------- */

/* A failed write, with what is left on the disk where that is known. */
static bool fail_write(const char *path, uint64_t asked_bytes, uint64_t at, stf_error *err) {
    const char *reason = errno ? VSIStrerror(errno) : "the file system refuses it";
    GIntBig left = VSIGetDiskFreeSpace(CPLGetDirname(path));
    if (left >= 0)
        return stf_fail(err, CPLE_FileIO,
                        "Cannot write %llu bytes at offset %llu of %s: %s (%lld bytes are left on that disk)",
                        (unsigned long long)asked_bytes, (unsigned long long)at, path, reason, (long long)left);
    return stf_fail(err, CPLE_FileIO, "Cannot write %llu bytes at offset %llu of %s: %s",
                    (unsigned long long)asked_bytes, (unsigned long long)at, path, reason);
}

static bool is_virtual(const char *name) {
    return STARTS_WITH(name, "/vsi") && !STARTS_WITH(name, "/vsimem/");
}

/* Finds out how to reach the target, and that it can be reached, before anything is written. */
static bool check(const char *name, bool *appends_only, stf_error *err) {
    *appends_only = is_virtual(name);
    VSIStatBufL status;
    if (*appends_only)
        return true;
    if (name[0] == 0)
        return stf_fail(err, CPLE_OpenFailed, "No name for the file to write");
    *appends_only = stf_scratch_is_device(name);
    if (*appends_only)
        return true;
    if (VSIStatExL(name, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) == 0) {
        if (VSI_ISDIR(status.st_mode))
            return stf_fail(err, CPLE_OpenFailed, "Cannot write %s: it is a folder", name);
        VSILFILE *old = VSIFOpenL(name, "rb+");
        if (!old)
            return stf_fail(err, CPLE_OpenFailed, "Cannot write %s: %s", name, VSIStrerror(errno));
        VSIFCloseL(old);
        return true;
    }
    const char *folder = CPLGetDirname(name);
    if (!STARTS_WITH(name, "/vsimem/") &&
        (VSIStatExL(folder, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) != 0 || !VSI_ISDIR(status.st_mode)))
        return stf_fail(err, CPLE_OpenFailed, "Cannot write %s: there is no folder %s", name, folder);
    return true;
}

bool stf_target_reserve(const char *name, bool *made, stf_error *err) {
    VSIStatBufL status;
    *made = false;
    if (STARTS_WITH(name, "/vsi") || stf_scratch_is_device(name) ||
        VSIStatExL(name, &status, VSI_STAT_EXISTS_FLAG) == 0)
        return true;
    VSILFILE *file = VSIFOpenL(name, "wb");
    *made = file && VSIFCloseL(file) == 0;
    return *made || stf_fail(err, CPLE_OpenFailed, "Cannot write %s: %s", name, VSIStrerror(errno));
}

void stf_target_give_back(const char *name) {
    VSIStatBufL status;
    if (VSIStatL(name, &status) == 0 && VSI_ISREG(status.st_mode) && status.st_size == 0)
        VSIUnlink(name);
}

bool stf_target_is_file(const char *name) {
    VSIStatBufL status;
    return !stf_scratch_is_device(name) &&
           VSIStatExL(name, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) == 0 && VSI_ISREG(status.st_mode);
}

bool stf_target_can_have_sidecar(const char *name) {
    VSIStatBufL status;
    if (STARTS_WITH(name, "/vsistdout") || stf_scratch_is_device(name))
        return false;
    return VSIStatExL(name, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) != 0 || VSI_ISREG(status.st_mode);
}

/* A half written object; never a pipe or a device of the user's. GDAL does not unlink what it compresses on the way. */
static void remove_object(const char *name) {
    const char *const gzip = "/vsigzip/";
    if (is_virtual(name))
        VSIUnlink(STARTS_WITH(name, gzip) ? name + strlen(gzip) : name);
}

/* --- opening and writing ----------------------------------------------------------------------- */

static bool open_beside(stf_target *target, stf_error *err) {
    target->path = stf_scratch_name(target->name, "tmp");
    errno = 0;
    target->stream = VSIFOpenL(target->path, "wb+");
    if (target->stream)
        return true;
    stf_fail(err, CPLE_OpenFailed, "Cannot create %s beside the target: %s", target->path,
             errno ? VSIStrerror(errno) : "the file system refuses it");
    CPLFree(target->path);
    target->path = NULL;
    return false;
}

static bool open_itself(stf_target *target, stf_error *err) {
    errno = 0;
    target->stream = VSIFOpenL(target->name, "wb");
    target->opened = target->stream != NULL;
    return target->opened || stf_fail(err, CPLE_OpenFailed, "Cannot write %s: %s", target->name,
                                      errno ? VSIStrerror(errno) : "the file system refuses it");
}

stf_target *stf_target_create(const char *name, bool patched, stf_error *err) {
    bool appends_only, ready = true;
    if (!check(name, &appends_only, err))
        return NULL;
    stf_target *target = VSICalloc(1, sizeof *target);
    if (!target) {
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for a file");
        return NULL;
    }
    target->name = CPLStrdup(name);
    target->way = !appends_only ? BESIDE : patched ? STAGED : DIRECT;
    if (target->way == DIRECT)
        target->path = CPLStrdup(name);
    else if (target->way == STAGED) /* any virtual name: into the folder for temporary files */
        ready = stf_scratch_open("tmp", &target->path, &target->stream, err);
    else
        ready = open_beside(target, err);
    if (ready)
        return target;
    stf_target_abort(target);
    return NULL;
}

bool stf_target_write_at(stf_target *target, uint64_t at, const void *data, size_t bytes, stf_error *err) {
    if (target->failed)
        return stf_fail(err, CPLE_FileIO, "An earlier write to %s failed", target->path);
    if (!target->stream && !open_itself(target, err))
        return false;
    errno = 0;
    if ((at != target->place && VSIFSeekL(target->stream, at, SEEK_SET) != 0) ||
        VSIFWriteL(data, 1, bytes, target->stream) != bytes) {
        target->failed = true;
        return fail_write(target->path, bytes, at, err);
    }
    target->place = at + bytes;
    if (target->bytes < target->place)
        target->bytes = target->place;
    return true;
}

bool stf_target_write(void *sink, const void *data, size_t bytes, stf_error *err) {
    stf_target *target = sink;
    return stf_target_write_at(target, target->bytes, data, bytes, err);
}

bool stf_target_patch(stf_target *target, const void *data, size_t bytes, stf_error *err) {
    return stf_target_write_at(target, 0, data, bytes, err);
}

uint64_t stf_target_bytes(const stf_target *target) {
    return target->bytes;
}

bool stf_target_read(stf_target *target, uint64_t offset, void *data, size_t bytes, stf_error *err) {
    target->place = UINT64_MAX; /* the next write looks for its own */
    if (VSIFSeekL(target->stream, offset, SEEK_SET) == 0 && VSIFReadL(data, 1, bytes, target->stream) == bytes)
        return true;
    return stf_fail(err, CPLE_FileIO, "Cannot read %llu bytes at offset %llu back from %s", (unsigned long long)bytes,
                    (unsigned long long)offset, target->path);
}

/* --- finishing --------------------------------------------------------------------------------- */

/* Buffered bytes may find the disk full only now. */
static bool close_stream(stf_target *target, stf_error *err) {
    VSILFILE *stream = target->stream;
    target->stream = NULL;
    errno = 0;
    bool flushed = VSIFFlushL(stream) == 0;
    int first_errno = errno;
    bool closed = VSIFCloseL(stream) == 0;
    if (flushed && closed)
        return true;
    errno = flushed ? errno : first_errno;
    return fail_write(target->path, 0, target->bytes, err);
}

static bool copy_pieces(stf_target *target, VSILFILE *from, VSILFILE *to, void *piece, stf_error *err) {
    for (uint64_t at = 0; at < target->bytes;) {
        size_t bytes = target->bytes - at < COPY_PIECE_BYTES ? (size_t)(target->bytes - at) : COPY_PIECE_BYTES;
        if (VSIFReadL(piece, 1, bytes, from) != bytes)
            return stf_fail(err, CPLE_FileIO, "Cannot read %llu bytes at offset %llu back from %s",
                            (unsigned long long)bytes, (unsigned long long)at, target->path);
        errno = 0;
        if (VSIFWriteL(piece, 1, bytes, to) != bytes)
            return fail_write(target->name, bytes, at, err);
        at += bytes;
    }
    return true;
}

/* Front to back, without seeking: the target may be a pipe. */
static bool copy_staged(stf_target *target, stf_error *err) {
    void *piece = VSIMalloc(COPY_PIECE_BYTES);
    VSILFILE *from = piece ? VSIFOpenL(target->path, "rb") : NULL;
    errno = 0;
    VSILFILE *to = from ? VSIFOpenL(target->name, "wb") : NULL;
    bool done = false;
    if (!piece)
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for a buffer of %d bytes", (int)COPY_PIECE_BYTES);
    else if (!from)
        stf_fail(err, CPLE_OpenFailed, "Cannot open %s again", target->path);
    else if (!to)
        stf_fail(err, CPLE_OpenFailed, "Cannot write %s: %s", target->name,
                 errno ? VSIStrerror(errno) : "the file system refuses it");
    else
        done = copy_pieces(target, from, to, piece, err);
    if (to && VSIFCloseL(to) != 0 && done)
        done = fail_write(target->name, 0, target->bytes, err);
    if (to && !done)
        remove_object(target->name);
    if (from)
        VSIFCloseL(from);
    VSIFree(piece);
    return done;
}

static bool rename_to_name(stf_target *target, stf_error *err) {
    errno = 0;
    if (VSIRename(target->path, target->name) != 0)
        return stf_fail(err, CPLE_FileIO, "Cannot rename %s to %s: %s", target->path, target->name,
                        errno ? VSIStrerror(errno) : "the file system refuses it");
    CPLFree(target->path);
    target->path = NULL;
    return true;
}

bool stf_target_finish(stf_target *target, stf_error *err) {
    bool done = !target->failed && (target->stream || open_itself(target, err)) && close_stream(target, err);
    if (done && target->way == STAGED)
        done = copy_staged(target, err);
    else if (done && target->way == BESIDE)
        done = rename_to_name(target, err);
    if (done && target->way == DIRECT)
        target->opened = false; /* it is whole: nothing is to be taken away */
    stf_target_abort(target);   /* what is left: the memory, and the temporary file unless it was renamed */
    return done;
}

void stf_target_abort(stf_target *target) {
    if (!target)
        return;
    if (target->stream)
        VSIFCloseL(target->stream);
    if (target->way == DIRECT) {
        if (target->opened)
            remove_object(target->name);
    } else if (target->path)
        VSIUnlink(target->path);
    CPLFree(target->path);
    CPLFree(target->name);
    VSIFree(target);
}
