#define _LARGEFILE64_SOURCE /* glibc declares the struct behind VSIStatBufL only then */
#include "scratch.h"

#include <errno.h>
#include <string.h>

#include "cpl_atomic_ops.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "platform.h"

char *stf_scratch_name(const char *path, const char *purpose) {
    static volatile int calls = 0;
    return CPLStrdup(CPLSPrintf("%s." CPL_FRMT_GUIB "-%d.%s", path, (GUIntBig)stf_platform_process_id(),
                                CPLAtomicInc(&calls), purpose));
}

bool stf_scratch_is_device(const char *path) {
    VSIStatBufL status;
    if (STARTS_WITH(path, "/vsi"))
        return false;
    if (STARTS_WITH(path, "/dev/std") || STARTS_WITH(path, "/dev/fd/") || STARTS_WITH(path, "/proc/"))
        return true;
    return VSIStatExL(path, &status, VSI_STAT_EXISTS_FLAG | VSI_STAT_NATURE_FLAG) == 0 && !VSI_ISREG(status.st_mode) &&
           !VSI_ISDIR(status.st_mode);
}

static bool fail_create(char **path, stf_error *err) {
    stf_fail(err, CPLE_OpenFailed,
             "Cannot create the scratch file %s (%s): set CPL_TMPDIR to a folder that can be written", *path,
             strerror(errno));
    CPLFree(*path);
    *path = NULL;
    return false;
}

bool stf_scratch_create(const char *target, const char *purpose, char **path, stf_platform_file **file,
                        stf_error *err) {
    *file = NULL;
    *path = NULL;
    if (!STARTS_WITH(target, "/vsi") && !stf_scratch_is_device(target)) {
        *path = stf_scratch_name(target, purpose);
        *file = stf_platform_file_create(*path);
    }
    if (!*file) {
        CPLFree(*path);
        *path = stf_scratch_name(CPLGenerateTempFilename("streamtiff"), purpose);
        *file = stf_platform_file_create(*path);
    }
    return *file || fail_create(path, err);
}

bool stf_scratch_open(const char *purpose, char **path, VSILFILE **file, stf_error *err) {
    *path = stf_scratch_name(CPLGenerateTempFilename("streamtiff"), purpose);
    *file = VSIFOpenL(*path, "wb+");
    return *file || fail_create(path, err);
}
