/* The one small wrapper around what C and GDAL's CPL do not offer portably. */
#ifndef STF_PLATFORM_H
#define STF_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpl_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A variable of which every thread has its own. */
#if defined(_MSC_VER)
#define STF_THREAD_LOCAL __declspec(thread)
#else
#define STF_THREAD_LOCAL _Thread_local
#endif

/* Zeroed pages straight from the system, so that freeing gives them back at once; bytes > 0.
 * NULL when there are none to be had. */
void *stf_platform_pages_alloc(size_t bytes);
/* The same bytes as were asked for; pages may be NULL. */
void stf_platform_pages_free(void *pages, size_t bytes);

/* Asks the allocator to give free memory back to the system, where it can be asked. */
void stf_platform_trim_heap(void);

/* Memory this process may use, in bytes: the least of physical RAM, the limits of its cgroup and of
 * all parents (v2 memory.max, v1 memory.limit_in_bytes), and RLIMIT_AS / RLIMIT_RSS / RLIMIT_DATA. Never 0. */
uint64_t stf_platform_usable_memory(void);

/* The least memory limit of a cgroup and all its parents, or UINT64_MAX where none is set.
 * membership: a file in the form of /proc/self/cgroup; root: the folder in the place of
 * /sys/fs/cgroup. Both forms (and v1 and v2 side by side) are understood; a group that is not to be
 * seen below root (a container shows its own group as the root) counts by the parents that are. */
uint64_t stf_platform_cgroup_limit(const char *membership, const char *root);

/* True where path, or the folder it is to be made in, lies on a file system that keeps files in
 * memory (tmpfs, ramfs, /vsimem/). Where that cannot be told: false. */
bool stf_platform_is_memory_backed(const char *path);

/* What this process has open of the file that path names now. The name may have been given to another file since a
 * dataset was opened by it, so that opening it again would show other pixels. */
typedef struct stf_platform_open {
    uint64_t device, inode; /* of the file that path names now */
    uint32_t same;          /* descriptors on that file */
    uint32_t writable;      /* of those, the ones that it could be written to by */
    uint32_t alike;         /* descriptors on other files of the same size: one of them may have had the name before */
} stf_platform_open;
/* False where it cannot be told: no such file, or one that is no file of the system's (/vsimem/ has no numbers by which
 * an old file and a new one of the same name differ). */
bool stf_platform_open_files(const char *path, stf_platform_open *found);

/* A new scratch file that is read and written at given places, by any threads at once, and is gone when it is closed, or when
 * the process dies. GDAL's own files are no use for that: they have one position, and C's buffered streams underneath read
 * a page for every small write elsewhere. path: of a real folder. NULL: errno tells why (not on Windows). */
typedef struct stf_platform_file stf_platform_file;
stf_platform_file *stf_platform_file_create(const char *path);
void stf_platform_file_close(stf_platform_file *file); /* NULL is legal */
/* All of the bytes, or false. */
bool stf_platform_file_write(stf_platform_file *file, uint64_t offset, const void *data, size_t bytes);
bool stf_platform_file_read(stf_platform_file *file, uint64_t offset, void *data, size_t bytes);

/* Opens the regular file of that name for reading, by any threads at once, if it is the one that was found (above): asked of
 * the very descriptor that is read from then on, whatever becomes of the name. NULL: it is not, or cannot be opened. */
stf_platform_file *stf_platform_file_open(const char *path, const stf_platform_open *found);
uint64_t stf_platform_file_bytes(const stf_platform_file *file); /* 0 where it cannot be told */

/* A number that differs between processes alive at one time, for temporary names. */
uint64_t stf_platform_process_id(void);

#ifdef __cplusplus
}
#endif
#endif
