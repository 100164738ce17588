#if !defined(_WIN32) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1 /* pread and pwrite, which strict C11 hides */
#endif
#define _FILE_OFFSET_BITS 64

#include "platform.h"

#include "cpl_conv.h"
#include "cpl_vsi.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#define PIECE_BYTES ((size_t)1 << 30) /* no system takes more at once */

struct stf_platform_file {
#if defined(_WIN32)
    HANDLE handle;
#else
    int descriptor;
#endif
};

stf_platform_file *stf_platform_file_create(const char *path) {
    stf_platform_file *file = VSICalloc(1, sizeof *file);
    if (!file)
        return NULL;
#if defined(_WIN32)
    wchar_t *wide = CPLRecodeToWChar(path, CPL_ENC_UTF8, CPL_ENC_UCS2);
    file->handle = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW,
                               FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    CPLFree(wide);
    bool open_failed = file->handle == INVALID_HANDLE_VALUE;
#else
    file->descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool open_failed = file->descriptor < 0;
    if (!open_failed)
        unlink(path);
#endif
    if (!open_failed)
        return file;
    VSIFree(file);
    return NULL;
}

#if defined(_WIN32)

/* Nobody can give the name to another file while a dataset has it open. */
stf_platform_file *stf_platform_file_open(const char *path, const stf_platform_open *found) {
    stf_platform_file *file = VSICalloc(1, sizeof *file);
    (void)found;
    if (!file)
        return NULL;
    wchar_t *wide = CPLRecodeToWChar(path, CPL_ENC_UTF8, CPL_ENC_UCS2);
    file->handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                               FILE_ATTRIBUTE_NORMAL, NULL);
    CPLFree(wide);
    if (file->handle != INVALID_HANDLE_VALUE)
        return file;
    VSIFree(file);
    return NULL;
}

uint64_t stf_platform_file_bytes(const stf_platform_file *file) {
    LARGE_INTEGER size;
    return GetFileSizeEx(file->handle, &size) ? (uint64_t)size.QuadPart : 0;
}

#else

/* Not blocked by a pipe that has the name by now. */
stf_platform_file *stf_platform_file_open(const char *path, const stf_platform_open *found) {
    struct stat opened;
    stf_platform_file *file = VSICalloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->descriptor >= 0 && fstat(file->descriptor, &opened) == 0 && S_ISREG(opened.st_mode) &&
        (uint64_t)opened.st_dev == found->device && (uint64_t)opened.st_ino == found->inode)
        return file;
    if (file->descriptor >= 0)
        close(file->descriptor);
    VSIFree(file);
    return NULL;
}

uint64_t stf_platform_file_bytes(const stf_platform_file *file) {
    struct stat now;
    return fstat(file->descriptor, &now) == 0 && now.st_size > 0 ? (uint64_t)now.st_size : 0;
}

#endif

void stf_platform_file_close(stf_platform_file *file) {
    if (!file)
        return;
#if defined(_WIN32)
    CloseHandle(file->handle);
#else
    close(file->descriptor);
#endif
    VSIFree(file);
}

/* One piece; how many bytes went, 0 or less where none did. */
static int64_t move_piece(stf_platform_file *file, uint64_t offset, void *data, size_t bytes, bool writing) {
#if defined(_WIN32)
    OVERLAPPED at = {0};
    DWORD moved = 0;
    at.Offset = (DWORD)offset;
    at.OffsetHigh = (DWORD)(offset >> 32);
    BOOL done = writing ? WriteFile(file->handle, data, (DWORD)bytes, &moved, &at)
                        : ReadFile(file->handle, data, (DWORD)bytes, &moved, &at);
    return done ? (int64_t)moved : -1;
#else
    ssize_t moved;
    do
        moved = writing ? pwrite(file->descriptor, data, bytes, (off_t)offset)
                        : pread(file->descriptor, data, bytes, (off_t)offset);
    while (moved < 0 && errno == EINTR);
    return moved;
#endif
}

static bool move(stf_platform_file *file, uint64_t offset, unsigned char *data, size_t bytes, bool writing) {
    while (bytes > 0) {
        int64_t moved = move_piece(file, offset, data, bytes < PIECE_BYTES ? bytes : PIECE_BYTES, writing);
        if (moved <= 0)
            return false;
        offset += (uint64_t)moved;
        data += moved;
        bytes -= (size_t)moved;
    }
    return true;
}

bool stf_platform_file_write(stf_platform_file *file, uint64_t offset, const void *data, size_t bytes) {
    return move(file, offset, (unsigned char *)data, bytes, true);
}

bool stf_platform_file_read(stf_platform_file *file, uint64_t offset, void *data, size_t bytes) {
    return move(file, offset, data, bytes, false);
}
