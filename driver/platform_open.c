/* Is the file of this name the one that is open? A name may lead to another file by now: what a program has open is told
 * by its list of descriptors, each of which is asked for the file behind it. */
#if !defined(_WIN32) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1 /* S_ISREG and dirfd, which strict C11 hides */
#endif
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE 1
#endif
#define _FILE_OFFSET_BITS 64

#include <stdlib.h>
#include <string.h>

#include "platform.h"

#if !defined(_WIN32)
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#endif

#if defined(_WIN32)

/* GDAL's files are opened so that nobody can delete or rename them. */
bool stf_platform_open_files(const char *path, stf_platform_open *found) {
    memset(found, 0, sizeof *found);
    found->same = 1;
    return !STARTS_WITH(path, "/vsi");
}

#else

static DIR *open_list(void) {
#if defined(__linux__)
    return opendir("/proc/self/fd");
#else
    return opendir("/dev/fd");
#endif
}

bool stf_platform_open_files(const char *path, stf_platform_open *found) {
    struct stat wanted, other;
    memset(found, 0, sizeof *found);
    if (STARTS_WITH(path, "/vsi") || stat(path, &wanted) != 0 || !S_ISREG(wanted.st_mode))
        return false;
    found->device = (uint64_t)wanted.st_dev;
    found->inode = (uint64_t)wanted.st_ino;
    DIR *list = open_list();
    if (!list)
        return false;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (entry->d_name[0] == '.' || fstat(atoi(entry->d_name), &other) != 0 || !S_ISREG(other.st_mode))
            continue;
        if (other.st_dev != wanted.st_dev || other.st_ino != wanted.st_ino) {
            found->alike += other.st_size == wanted.st_size ? 1 : 0;
            continue;
        }
        int flags = fcntl(atoi(entry->d_name), F_GETFL);
        found->same++;
        found->writable += flags == -1 || (flags & O_ACCMODE) != O_RDONLY ? 1 : 0;
    }
    closedir(list);
    return true;
}

#endif
