#include "scratch.h"

#include <errno.h>
#include <string.h>

#include "cpl_atomic_ops.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "platform.h"

char *stf_scratch_name(const char *path, const char *purpose) {
    static volatile int calls = 0;
    return CPLStrdup(CPLSPrintf("%s." CPL_FRMT_GUIB "-%d.%s", path, (GUIntBig)stf_platform_process_id(),
                                CPLAtomicInc(&calls), purpose));
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
    if (!STARTS_WITH(target, "/vsi")) {
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
