/* The files that GTiff writes beside a raster: what no tag may say (.aux.xml), and what the user asked to have beside it
 * (world file, RPC coefficients in two forms, imagery metadata). Read beside the template, written beside the target. */
#ifndef STF_SIDE_FILES_H
#define STF_SIDE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STF_SIDE_FILE_KINDS 6

typedef struct stf_side_files {
    unsigned char *bytes[STF_SIDE_FILE_KINDS]; /* NULL: there is none of this kind; the owner's */
    size_t sizes[STF_SIDE_FILE_KINDS];
} stf_side_files;

/* Reads those beside a raster in /vsimem. On failure there is nothing to free. */
bool stf_side_files_read(const char *raster, stf_side_files *out, stf_error *err);
/* Writes them beside another raster; on failure those that were written are gone again. */
bool stf_side_files_write(const stf_side_files *files, const char *raster, stf_error *err);
bool stf_side_files_any(const stf_side_files *files);
void stf_side_files_free(stf_side_files *files); /* a zeroed struct is legal */

#ifdef __cplusplus
}
#endif
#endif
