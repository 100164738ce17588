#define _LARGEFILE64_SOURCE /* glibc declares the struct behind VSIStatBufL only then */
#include "side_files.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"

typedef struct kind {
    const char *ending;
    bool after_extension; /* else in its place */
} kind;

static const kind kinds[STF_SIDE_FILE_KINDS] = {{".aux.xml", true}, {".tfw", false},     {".wld", false},
                                                {".RPB", false},    {"_RPC.TXT", false}, {".IMD", false}};

/* Free with CPLFree. */
static char *path_of(const char *raster, int number) {
    size_t length = strlen(raster);
    if (!kinds[number].after_extension) {
        size_t extension = length;
        while (extension > 0 && raster[extension] != '.' && raster[extension] != '/' && raster[extension] != '\\')
            extension--;
        if (raster[extension] == '.')
            length = extension;
    }
    return CPLStrdup(CPLSPrintf("%.*s%s", (int)length, raster, kinds[number].ending));
}

static bool read_one(const char *path, unsigned char **bytes, size_t *size, stf_error *err) {
    VSIStatBufL status;
    vsi_l_offset length = 0;
    if (VSIStatExL(path, &status, VSI_STAT_EXISTS_FLAG) != 0)
        return true;
    const void *data = VSIGetMemFileBuffer(path, &length, FALSE);
    *bytes = VSIMalloc((size_t)length + 1);
    if (!*bytes || (!data && length > 0))
        return stf_fail(err, CPLE_OutOfMemory, "Cannot read the file of %llu bytes that GTiff wrote beside the raster",
                        (unsigned long long)length);
    if (length > 0)
        memcpy(*bytes, data, (size_t)length);
    *size = (size_t)length;
    return true;
}

bool stf_side_files_read(const char *raster, stf_side_files *out, stf_error *err) {
    bool done = true;
    memset(out, 0, sizeof *out);
    for (int i = 0; done && i < STF_SIDE_FILE_KINDS; i++) {
        char *path = path_of(raster, i);
        done = read_one(path, &out->bytes[i], &out->sizes[i], err);
        CPLFree(path);
    }
    if (!done)
        stf_side_files_free(out);
    return done;
}

static bool write_one(const char *path, const unsigned char *bytes, size_t size, stf_error *err) {
    VSILFILE *file = VSIFOpenL(path, "wb");
    bool done = file && VSIFWriteL(bytes, 1, size, file) == size;
    if (file && VSIFCloseL(file) != 0)
        done = false;
    if (file && !done)
        VSIUnlink(path);
    return done || stf_fail(err, CPLE_FileIO, "Cannot write the %llu bytes of the file %s beside the raster",
                            (unsigned long long)size, path);
}

bool stf_side_files_write(const stf_side_files *files, const char *raster, stf_error *err) {
    int written = 0;
    bool done = true;
    for (; done && written < STF_SIDE_FILE_KINDS; written++)
        if (files->bytes[written]) {
            char *path = path_of(raster, written);
            done = write_one(path, files->bytes[written], files->sizes[written], err);
            CPLFree(path);
        }
    for (int i = 0; !done && i < written; i++)
        if (files->bytes[i]) {
            char *path = path_of(raster, i);
            VSIUnlink(path);
            CPLFree(path);
        }
    return done;
}

bool stf_side_files_any(const stf_side_files *files) {
    for (int i = 0; i < STF_SIDE_FILE_KINDS; i++)
        if (files->bytes[i])
            return true;
    return false;
}

void stf_side_files_free(stf_side_files *files) {
    for (int i = 0; i < STF_SIDE_FILE_KINDS; i++)
        VSIFree(files->bytes[i]);
    memset(files, 0, sizeof *files);
}
