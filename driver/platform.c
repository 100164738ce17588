#if !defined(_WIN32) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1 /* mmap's MAP_ANONYMOUS, which strict C11 hides */
#endif
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE 1
#endif

#include "platform.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"
#include "cpl_vsi.h"

#if defined(_WIN32)
#include <windows.h>
#elif defined(__unix__) || defined(__APPLE__)
#define STF_HAVE_POSIX 1
#include <sys/mman.h>
#include <sys/resource.h>
#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif
#endif
#if defined(__linux__)
#include <sys/vfs.h>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif

enum { PATH_ROOM = 4096, MEMBERSHIP_ROOM = 16384 };

/* Where the system does not say how much it has. */
static const uint64_t unknown_ram_bytes = (uint64_t)1 << 30;

void *stf_platform_pages_alloc(size_t bytes) {
#if defined(_WIN32)
    return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
#elif defined(STF_HAVE_POSIX)
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
#else
    return calloc(1, bytes);
#endif
}

void stf_platform_pages_free(void *pages, size_t bytes) {
    if (pages == NULL)
        return;
#if defined(_WIN32)
    (void)bytes;
    VirtualFree(pages, 0, MEM_RELEASE);
#elif defined(STF_HAVE_POSIX)
    munmap(pages, bytes);
#else
    (void)bytes;
    free(pages);
#endif
}

void stf_platform_trim_heap(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Whole of a small file as text; false where it is not there or does not fit. */
static bool read_text(const char *path, char *text, size_t room) {
    VSILFILE *file = VSIFOpenL(path, "rb");
    if (file == NULL)
        return false;
    const size_t length = VSIFReadL(text, 1, room - 1, file);
    VSIFCloseL(file);
    text[length] = '\0';
    return length < room - 1;
}

/* A limit file's bytes; UINT64_MAX for "max", an absurd figure, or no such file. */
static uint64_t read_limit(const char *folder, const char *group, const char *name) {
    char path[PATH_ROOM];
    char text[64];
    const int length = CPLsnprintf(path, sizeof(path), "%s%s/%s", folder, group, name);
    if (length < 0 || (size_t)length >= sizeof(path) || !read_text(path, text, sizeof(text)))
        return UINT64_MAX;
    uint64_t bytes = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++) {
        if (bytes > (UINT64_MAX - 9) / 10)
            return UINT64_MAX;
        bytes = bytes * 10 + (uint64_t)(*at - '0');
    }
    /* v1 says "none" by a figure near 2^63 */
    return at == text || bytes == 0 || bytes >= (uint64_t)1 << 62 ? UINT64_MAX : bytes;
}

/* The least limit from group up to the root of the hierarchy. group is eaten up. */
static uint64_t least_of_parents(const char *folder, char *group, const char *name) {
    uint64_t limit = UINT64_MAX;
    if (strstr(group, "/..") != NULL) /* outside of what this container sees */
        *group = '\0';
    for (;;) {
        size_t length = strlen(group);
        while (length > 0 && group[length - 1] == '/')
            group[--length] = '\0';
        limit = least(limit, read_limit(folder, group, name));
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return limit;
        *slash = '\0';
    }
}

static bool has_controller(const char *list, const char *controller) {
    const size_t length = strlen(controller);
    for (const char *at = list; (at = strstr(at, controller)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* One line "hierarchy:controllers:group": hierarchy 0 is v2 and names no controllers. */
static uint64_t limit_of_line(char *line, const char *root) {
    char folder[PATH_ROOM];
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL || strlen(root) + sizeof("/unified") > sizeof(folder))
        return UINT64_MAX;
    *controllers++ = '\0';
    *group++ = '\0';
    if (strcmp(line, "0") == 0 && *controllers == '\0') {
        char *copy = CPLStrdup(group);
        CPLsnprintf(folder, sizeof(folder), "%s/unified", root); /* where v1 and v2 are mounted side by side */
        const uint64_t hybrid = least_of_parents(folder, copy, "memory.max");
        CPLFree(copy);
        return least(hybrid, least_of_parents(root, group, "memory.max"));
    }
    if (!has_controller(controllers, "memory"))
        return UINT64_MAX;
    CPLsnprintf(folder, sizeof(folder), "%s/memory", root);
    return least_of_parents(folder, group, "memory.limit_in_bytes");
}

uint64_t stf_platform_cgroup_limit(const char *membership, const char *root) {
    uint64_t limit = UINT64_MAX;
    char *text = CPLMalloc(MEMBERSHIP_ROOM);
    if (read_text(membership, text, MEMBERSHIP_ROOM)) {
        for (char *line = text; line != NULL && *line != '\0';) {
            char *end = strchr(line, '\n');
            if (end != NULL)
                *end++ = '\0';
            limit = least(limit, limit_of_line(line, root));
            line = end;
        }
    }
    CPLFree(text);
    return limit;
}

#if defined(STF_HAVE_POSIX)
static uint64_t least_rlimit(void) {
    uint64_t bytes = UINT64_MAX;
    const int kinds[] = {
        RLIMIT_DATA,
#if defined(RLIMIT_AS)
        RLIMIT_AS,
#endif
#if defined(RLIMIT_RSS)
        RLIMIT_RSS,
#endif
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct rlimit limit;
        if (getrlimit(kinds[i], &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur > 0)
            bytes = least(bytes, (uint64_t)limit.rlim_cur);
    }
    return bytes;
}
#endif

uint64_t stf_platform_usable_memory(void) {
    const GIntBig ram_bytes = CPLGetPhysicalRAM();
    uint64_t usable_bytes = ram_bytes > 0 ? (uint64_t)ram_bytes : unknown_ram_bytes;
#if defined(__linux__)
    usable_bytes = least(usable_bytes, stf_platform_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
#endif
#if defined(STF_HAVE_POSIX)
    usable_bytes = least(usable_bytes, least_rlimit());
#endif
    return usable_bytes;
}

#if defined(__linux__)
static bool is_memory_magic(uint64_t magic) {
    return magic == 0x01021994u /* tmpfs */ || magic == 0x858458f6u /* ramfs */;
}
#endif

bool stf_platform_is_memory_backed(const char *path) {
    if (STARTS_WITH(path, "/vsimem/"))
        return true;
#if defined(__linux__)
    bool answer = false;
    char *name = CPLStrdup(*path != '\0' ? path : ".");
    for (;;) { /* up to the first folder that is there */
        struct statfs info;
        if (statfs(name, &info) == 0) {
            answer = is_memory_magic((uint64_t)info.f_type & 0xffffffffu);
            break;
        }
        char *slash = strrchr(name, '/');
        if (strcmp(name, ".") == 0 || strcmp(name, "/") == 0)
            break;
        if (slash == NULL)
            strcpy(name, ".");
        else
            slash[slash == name] = '\0';
    }
    CPLFree(name);
    return answer;
#else
    return false;
#endif
}

uint64_t stf_platform_process_id(void) {
    return (uint64_t)CPLGetCurrentProcessID();
}
