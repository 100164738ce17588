/* Names and places of temporary files. */
#ifndef STF_SCRATCH_H
#define STF_SCRATCH_H

#include "cpl_vsi.h"
#include "platform.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "PATH.PID-N.PURPOSE": differs between processes and between calls. Free with CPLFree. */
char *stf_scratch_name(const char *path, const char *purpose);

/* A new scratch file beside target, or, for a virtual target (/vsi...), a pipe or a device, and where its folder cannot be
 * written, in CPL_TMPDIR (else TMPDIR, TEMP, the current folder: as CPLGenerateTempFilename does). *path is the
 * caller's to CPLFree, the file the caller's to close. */
bool stf_scratch_create(const char *target, const char *purpose, char **path, stf_platform_file **file, stf_error *err);

/* The same in CPL_TMPDIR, as one of GDAL's files; the caller closes and unlinks it. */
bool stf_scratch_open(const char *purpose, char **path, VSILFILE **file, stf_error *err);

/* True where nothing can lie beside path, or be renamed to it: a pipe, a device, or what the process has open already
 * (/dev/stdout, be it a file in the end). False for virtual names. */
bool stf_scratch_is_device(const char *path);

#ifdef __cplusplus
}
#endif
#endif
