/* DERIVE: a gdaldem command line without the file names -> one validated struct. Knows no GDAL raster type.
 *
 *     slope -s 111120 -alg ZevenbergenThorne
 *     color-relief "my colours.txt" -alpha
 *
 * It is split like a shell does: words end at white space; single quotes keep all they hold, double quotes
 * all but \" and \\; outside of quotes a backslash keeps the next character where that is a space, a quote or a backslash.
 * Each mode takes the options that gdaldem of the GDAL we are built with takes for it, by all their names. */
#ifndef STF_DERIVE_COMMAND_H
#define STF_DERIVE_COMMAND_H

#include "cpl_string.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    STF_DERIVE_HILLSHADE,
    STF_DERIVE_SLOPE,
    STF_DERIVE_ASPECT,
    STF_DERIVE_COLOR_RELIEF,
    STF_DERIVE_TRI,
    STF_DERIVE_TPI,
    STF_DERIVE_ROUGHNESS
} stf_derive_mode;

typedef struct stf_derive_command {
    stf_derive_mode mode;
    const char *mode_name; /* as GDALDEMProcessing takes it */
    char **arguments;      /* for GDALDEMProcessingOptionsNew: all options but -b */
    char *color_path;      /* color-relief alone */
    int band;              /* from 1 */
    bool scaled;           /* -s, or -xscale and -yscale */
    bool plain_shading;    /* hillshade after Horn, and neither -combined nor -igor nor -multidirectional */
} stf_derive_command;

/* On failure out holds nothing to free. */
bool stf_derive_command_parse(const char *text, stf_derive_command *out, stf_error *err);
void stf_derive_command_free(stf_derive_command *command); /* a zeroed struct is legal */

/* The words of a command line (NULL: none; free with CSLDestroy). False: a quote is not closed. */
bool stf_derive_command_split(const char *text, char ***words);

#ifdef __cplusplus
}
#endif
#endif
