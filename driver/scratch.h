/* Names and places of temporary files. */
#ifndef STF_SCRATCH_H
#define STF_SCRATCH_H

#include "cpl_vsi.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "PATH.PID-N.PURPOSE": differs between processes and between calls. Free with CPLFree. */
char *stf_scratch_name(const char *path, const char *purpose);

/* Opens a new scratch file for reading and writing beside target; for a virtual target (/vsi...), or where its folder cannot
 * be written, in CPL_TMPDIR (else TMPDIR, TEMP, the current folder: as CPLGenerateTempFilename does).
 * *path is the caller's to CPLFree, and the file the caller's to close and unlink. */
bool stf_scratch_open(const char *target, const char *purpose, char **path, VSILFILE **file, stf_error *err);

#ifdef __cplusplus
}
#endif
#endif
