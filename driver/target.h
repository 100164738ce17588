/* The file to be: bytes are appended to it, and it stands under its name when it is whole, or not at all.
 *
 * Names that can be renamed (plain files, /vsimem/) are written under a temporary name beside the target. Every
 * other target (pipes, /dev/stdout, /vsistdout/, /vsizip/, object stores) only appends: it is written to directly, front
 * to back, or, where the first bytes are to be written once more at the end, staged in a scratch file and then copied. */
#ifndef STF_TARGET_H
#define STF_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_target stf_target;

/* Finds out that the target can be reached before anything is written. patched: stf_target_patch will be called.
 * A target that is written to directly is opened with the first byte (a pipe waits there for its reader). NULL on
 * failure, nothing left behind. */
stf_target *stf_target_create(const char *name, bool patched, stf_error *err);
/* Appends; sink is the stf_target (the form in which a directory is written). After a failure every further write fails. */
bool stf_target_write(void *sink, const void *data, size_t bytes, stf_error *err);
/* Puts bytes where they are to be, beyond the end as well: what lies between is written later. Only where the first bytes
 * can be patched. */
bool stf_target_write_at(stf_target *target, uint64_t at, const void *data, size_t bytes, stf_error *err);
/* Puts these bytes over the first ones. */
bool stf_target_patch(stf_target *target, const void *data, size_t bytes, stf_error *err);
uint64_t stf_target_bytes(const stf_target *target); /* so far, up to the last one */
/* Reads back what was written, where the first bytes can be patched. More can be written afterwards. */
bool stf_target_read(stf_target *target, uint64_t offset, void *data, size_t bytes, stf_error *err);
/* Closes with errors checked, and moves the file to its name. Frees the target whatever the result; on failure nothing
 * is left. */
bool stf_target_finish(stf_target *target, stf_error *err);
/* Closes and removes everything; NULL is legal. Of a pipe or a device of the user's only what is ours. */
void stf_target_abort(stf_target *target);

/* Where a plain file is to be and there is none: makes an empty one, which nobody takes for a raster, and says so. */
bool stf_target_reserve(const char *name, bool *made, stf_error *err);
/* Removes it, if it is still empty. */
void stf_target_give_back(const char *name);

/* True where the target stands now as a file: pipes and the like can be neither opened again nor have a sidecar. */
bool stf_target_is_file(const char *name);
/* True where a file can stand beside the target, be it there already or not: not where it is a pipe or a device. */
bool stf_target_can_have_sidecar(const char *name);

#ifdef __cplusplus
}
#endif
#endif
