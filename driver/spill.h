/* The spill: a scratch file in which incomplete tiles wait, in regions of one tile each.
 *
 * Where: beside the target, else (virtual targets, folders that cannot be written) in CPL_TMPDIR.
 * The file is gone with the spill, even where the process is killed. All calls are thread-safe. Small
 * writes that follow each other are put together; reads take exactly the bytes asked for. */
#ifndef STF_SPILL_H
#define STF_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_spill stf_spill;

/* Memory one spill takes, for the account. */
uint64_t stf_spill_cost_bytes(uint64_t regions);

/* Fails where no scratch file can be made or the file system has less room free than regions x
 * region_bytes. Warns (CE_Warning, so on the calling thread) where the file lands on a tmpfs. */
stf_spill *stf_spill_create(const char *target, size_t region_bytes, uint64_t regions, stf_error *err);
void stf_spill_destroy(stf_spill *spill); /* NULL is legal */

uint64_t stf_spill_free_regions(stf_spill *spill);
uint64_t stf_spill_take(stf_spill *spill); /* the caller has made sure that one is free */
void stf_spill_give(stf_spill *spill, uint64_t region);

bool stf_spill_write(stf_spill *spill, uint64_t region, size_t offset, const void *data, size_t bytes, stf_error *err);
/* Only bytes that were written can be read. */
bool stf_spill_read(stf_spill *spill, uint64_t region, size_t offset, void *data, size_t bytes, stf_error *err);

uint64_t stf_spill_bytes_written(stf_spill *spill);

#ifdef __cplusplus
}
#endif
#endif
