/* Layout of the file, front to back:
 *
 *      header (8 bytes, BigTIFF 16) | tiles as they come | directory and its values | the next one ...
 *
 * Only the header is touched twice: the directory's place is patched in at the end. */
#define _LARGEFILE64_SOURCE /* glibc declares the struct behind VSIStatBufL only then */
#include "tiff_file.h"

#include <errno.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "geometry.h"
#include "samples.h"
#include "scratch.h"
#include "tiff_tags.h"

enum { COPY_PIECE_BYTES = 1 << 20, HEADER_MAX_BYTES = 16, TABLE_ENTRY_BYTES = sizeof(uint64_t) + sizeof(uint32_t) };

/* Where the tiles of one image lie. */
typedef struct image_tables {
    uint64_t tiles;
    uint64_t *offsets;
    uint32_t *counts_bytes;
} image_tables;

struct stf_tiff_file {
    VSILFILE *stream; /* NULL: closed */
    char *target;
    char *path;  /* of the temporary file; NULL: moved to the target */
    bool staged; /* copied to the target at the end, not renamed */
    bool swapped;
    bool big;
    bool failed;    /* a write fell short: what is in the file cannot be trusted */
    uint64_t bytes; /* written so far: where the next write goes */
    uint32_t image_count;
    image_tables images[STF_TIFF_FILE_IMAGES];
};

/* --- errors and the target --------------------------------------------------------------------- */

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

static bool is_virtual(const char *target) {
    return STARTS_WITH(target, "/vsi") && !STARTS_WITH(target, "/vsimem/");
}

/* Finds out how to reach the target, and that it can be reached, before anything is written. */
static bool check_target(const char *target, bool *staged, stf_error *err) {
    *staged = is_virtual(target);
    VSIStatBufL status;
    if (*staged)
        return true;
    if (target[0] == 0)
        return stf_fail(err, CPLE_OpenFailed, "No name for the file to write");
    if (VSIStatExL(target, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) == 0) {
        if (VSI_ISDIR(status.st_mode))
            return stf_fail(err, CPLE_OpenFailed, "Cannot write %s: it is a folder", target);
        *staged = !VSI_ISREG(status.st_mode); /* a pipe or a device */
        VSILFILE *old = *staged ? NULL : VSIFOpenL(target, "rb+");
        if (!*staged && !old)
            return stf_fail(err, CPLE_OpenFailed, "Cannot write %s: %s", target, VSIStrerror(errno));
        if (old)
            VSIFCloseL(old);
        return true;
    }
    const char *folder = CPLGetDirname(target);
    if (!STARTS_WITH(target, "/vsimem/") &&
        (VSIStatExL(folder, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) != 0 || !VSI_ISDIR(status.st_mode)))
        return stf_fail(err, CPLE_OpenFailed, "Cannot write %s: there is no folder %s", target, folder);
    return true;
}

bool stf_tiff_file_is_file(const char *target) {
    VSIStatBufL status;
    return VSIStatExL(target, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) == 0 && VSI_ISREG(status.st_mode);
}

bool stf_tiff_file_can_have_sidecar(const char *target) {
    VSIStatBufL status;
    if (STARTS_WITH(target, "/vsistdout"))
        return false;
    return VSIStatExL(target, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) != 0 || VSI_ISREG(status.st_mode);
}

/* --- writing ----------------------------------------------------------------------------------- */

static bool write_next(void *sink, const void *data, size_t bytes, stf_error *err) {
    stf_tiff_file *file = sink;
    if (file->failed)
        return stf_fail(err, CPLE_FileIO, "An earlier write to %s failed", file->path);
    errno = 0;
    if (VSIFWriteL(data, 1, bytes, file->stream) != bytes) {
        file->failed = true;
        return fail_write(file->path, bytes, file->bytes, err);
    }
    file->bytes += bytes;
    return true;
}

/* The header, with the directory's place: 0 until it is known. */
static size_t fill_header(bool big, bool swapped, uint64_t directory, unsigned char header[HEADER_MAX_BYTES]) {
    static const uint16_t big_words[3] = {43, 8, 0}; /* version, bytes of an offset, reserved */
    uint16_t classic_word = 42;
    uint32_t classic_directory = (uint32_t)directory;
    memcpy(header, (CPL_IS_LSB != 0) != swapped ? "II" : "MM", 2);
    memcpy(header + 2, big ? big_words : &classic_word, big ? sizeof(big_words) : sizeof(classic_word));
    memcpy(header + (big ? 8 : 4), big ? (const void *)&directory : (const void *)&classic_directory, big ? 8 : 4);
    if (swapped) {
        stf_samples_swap(header + 2, big ? 3 : 1, 16, false);
        stf_samples_swap(header + (big ? 8 : 4), 1, big ? 64 : 32, false);
    }
    return big ? 16 : 8;
}

bool stf_tiff_file_needs_big(uint64_t worst_case_bytes) {
    return worst_case_bytes > UINT32_MAX;
}

uint64_t stf_tiff_file_table_bytes(uint64_t tiles) {
    return stf_mul(tiles, TABLE_ENTRY_BYTES);
}

bool stf_tiff_file_add_image(stf_tiff_file *file, uint64_t tiles, stf_error *err) {
    uint64_t bytes = stf_tiff_file_table_bytes(tiles);
    if (file->image_count == STF_TIFF_FILE_IMAGES)
        return stf_fail(err, CPLE_AppDefined, "%s cannot have more than %d images", file->target, STF_TIFF_FILE_IMAGES);
    image_tables *image = &file->images[file->image_count++];
    image->tiles = tiles;
    if (tiles > 0 && bytes <= SIZE_MAX / 2) {
        image->offsets = VSICalloc((size_t)tiles, sizeof(*image->offsets));
        image->counts_bytes = VSICalloc((size_t)tiles, sizeof(*image->counts_bytes));
    }
    if (image->offsets && image->counts_bytes)
        return true;
    return stf_fail(err, CPLE_OutOfMemory, "No memory for the places of %llu tiles: %llu bytes; larger tiles need less",
                    (unsigned long long)tiles, (unsigned long long)bytes);
}

static void free_tables(stf_tiff_file *file) {
    for (uint32_t i = 0; i < file->image_count; i++) {
        VSIFree(file->images[i].offsets);
        VSIFree(file->images[i].counts_bytes);
    }
    file->image_count = 0;
}

static bool open_temporary(stf_tiff_file *file, stf_error *err) {
    if (file->staged) /* any virtual name: into the folder for temporary files */
        return stf_scratch_open("tmp", &file->path, &file->stream, err);
    file->path = stf_scratch_name(file->target, "tmp");
    errno = 0;
    file->stream = VSIFOpenL(file->path, "wb");
    if (file->stream)
        return true;
    stf_fail(err, CPLE_OpenFailed, "Cannot create %s beside the target: %s", file->path,
             errno ? VSIStrerror(errno) : "the file system refuses it");
    CPLFree(file->path);
    file->path = NULL;
    return false;
}

stf_tiff_file *stf_tiff_file_create(const char *target, bool big, uint64_t tiles, stf_error *err) {
    bool staged;
    if (!check_target(target, &staged, err))
        return NULL;
    stf_tiff_file *file = VSICalloc(1, sizeof(*file));
    if (!file) {
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for a TIFF file");
        return NULL;
    }
    file->target = CPLStrdup(target);
    file->staged = staged;
    file->big = big;
    unsigned char header[HEADER_MAX_BYTES];
    if (stf_tiff_file_add_image(file, tiles, err) && open_temporary(file, err) &&
        write_next(file, header, fill_header(big, false, 0, header), err))
        return file;
    stf_tiff_file_abort(file);
    return NULL;
}

void stf_tiff_file_swap(stf_tiff_file *file) {
    file->swapped = true;
}

bool stf_tiff_file_append(stf_tiff_file *file, uint32_t image, uint64_t tile_index, const void *data, uint64_t bytes,
                          stf_error *err) {
    image_tables *tables = image < file->image_count ? &file->images[image] : NULL;
    if (!tables || tile_index >= tables->tiles || tables->offsets[tile_index] != 0)
        return stf_fail(err, CPLE_AppDefined, "Tile %llu of %llu of image %u does not exist or was written before",
                        (unsigned long long)tile_index, (unsigned long long)(tables ? tables->tiles : 0), image);
    if (bytes == 0)
        return true;
    if (bytes > UINT32_MAX)
        return stf_fail(err, CPLE_AppDefined, "A tile of %llu bytes is too large for %s", (unsigned long long)bytes,
                        file->target);
    if (!file->big && stf_add(file->bytes, bytes) > UINT32_MAX) {
        file->failed = true;
        return stf_fail(err, CPLE_FileIO, "%s would grow beyond 4 GiB, the limit of a classic TIFF: set BIGTIFF=YES",
                        file->target);
    }
    uint64_t offset = file->bytes;
    if (!write_next(file, data, (size_t)bytes, err))
        return false;
    tables->offsets[tile_index] = offset;
    tables->counts_bytes[tile_index] = (uint32_t)bytes;
    return true;
}

uint64_t stf_tiff_file_bytes(const stf_tiff_file *file) {
    return file->bytes;
}

/* --- finishing --------------------------------------------------------------------------------- */

/* One behind the other. Each begins where the format wants it, and is padded to where the next one may begin. */
static bool write_directories(stf_tiff_file *file, const stf_image_tags *images, stf_error *err) {
    static const unsigned char zeros[8] = {0};
    size_t step = file->big ? 8 : 2;
    size_t padding = (size_t)((step - file->bytes % step) % step);
    if (padding && !write_next(file, zeros, padding, err))
        return false;
    unsigned char header[HEADER_MAX_BYTES];
    size_t header_bytes = fill_header(file->big, file->swapped, file->bytes, header);
    for (uint32_t i = 0; i < file->image_count; i++) {
        const image_tables *image = &file->images[i];
        stf_tile_tables tables = {image->offsets,  image->counts_bytes, image->tiles,
                                  images[i].tiled, file->swapped,       i + 1 < file->image_count};
        if (!stf_directory_write(file->big, images[i].tags, &tables, file->bytes, write_next, file, err))
            return false;
    }
    errno = 0;
    if (VSIFSeekL(file->stream, 0, SEEK_SET) != 0 || VSIFWriteL(header, 1, header_bytes, file->stream) != header_bytes)
        return fail_write(file->path, header_bytes, 0, err);
    return true;
}

/* Buffered bytes may find the disk full only now. */
static bool close_stream(stf_tiff_file *file, stf_error *err) {
    VSILFILE *stream = file->stream;
    file->stream = NULL;
    errno = 0;
    bool flushed = VSIFFlushL(stream) == 0;
    int first_errno = errno;
    bool closed = VSIFCloseL(stream) == 0;
    if (flushed && closed)
        return true;
    errno = flushed ? errno : first_errno;
    return fail_write(file->path, 0, file->bytes, err);
}

static bool copy_pieces(stf_tiff_file *file, VSILFILE *from, VSILFILE *to, void *piece, stf_error *err) {
    for (uint64_t at = 0; at < file->bytes;) {
        size_t bytes = file->bytes - at < COPY_PIECE_BYTES ? (size_t)(file->bytes - at) : COPY_PIECE_BYTES;
        if (VSIFReadL(piece, 1, bytes, from) != bytes)
            return stf_fail(err, CPLE_FileIO, "Cannot read %llu bytes at offset %llu back from %s",
                            (unsigned long long)bytes, (unsigned long long)at, file->path);
        errno = 0;
        if (VSIFWriteL(piece, 1, bytes, to) != bytes)
            return fail_write(file->target, bytes, at, err);
        at += bytes;
    }
    return true;
}

/* Front to back, without seeking: the target may be a pipe. */
static bool copy_to_target(stf_tiff_file *file, stf_error *err) {
    void *piece = VSIMalloc(COPY_PIECE_BYTES);
    VSILFILE *from = piece ? VSIFOpenL(file->path, "rb") : NULL;
    errno = 0;
    VSILFILE *to = from ? VSIFOpenL(file->target, "wb") : NULL;
    bool done = false;
    if (!piece)
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for a buffer of %d bytes", (int)COPY_PIECE_BYTES);
    else if (!from)
        stf_fail(err, CPLE_OpenFailed, "Cannot open %s again", file->path);
    else if (!to)
        stf_fail(err, CPLE_OpenFailed, "Cannot write %s: %s", file->target,
                 errno ? VSIStrerror(errno) : "the file system refuses it");
    else
        done = copy_pieces(file, from, to, piece, err);
    if (to && VSIFCloseL(to) != 0 && done)
        done = fail_write(file->target, 0, file->bytes, err);
    if (to && !done && is_virtual(file->target))
        VSIUnlink(file->target); /* a half written object; never a pipe or a device of the user's */
    if (from)
        VSIFCloseL(from);
    VSIFree(piece);
    return done;
}

static bool rename_to_target(stf_tiff_file *file, stf_error *err) {
    errno = 0;
    if (VSIRename(file->path, file->target) != 0)
        return stf_fail(err, CPLE_FileIO, "Cannot rename %s to %s: %s", file->path, file->target,
                        errno ? VSIStrerror(errno) : "the file system refuses it");
    CPLFree(file->path);
    file->path = NULL;
    return true;
}

bool stf_tiff_file_finish(stf_tiff_file *file, const stf_image_tags *images, stf_error *err) {
    bool done = write_directories(file, images, err) && close_stream(file, err);
    if (done) {
        free_tables(file);
        done = file->staged ? copy_to_target(file, err) : rename_to_target(file, err);
    }
    stf_tiff_file_abort(file); /* what is left: the memory, and the temporary file unless it was renamed */
    return done;
}

void stf_tiff_file_abort(stf_tiff_file *file) {
    if (!file)
        return;
    if (file->stream)
        VSIFCloseL(file->stream);
    if (file->path)
        VSIUnlink(file->path);
    CPLFree(file->path);
    CPLFree(file->target);
    free_tables(file);
    VSIFree(file);
}
