/* Shared by the options_*.c files and by nobody else. */
#ifndef STF_OPTIONS_INTERNAL_H
#define STF_OPTIONS_INTERNAL_H

#include "options.h"

/* One value of COMPRESS. */
typedef struct stf_codec_entry {
    const char *name;
    const char *alias_of;  /* NULL, or the name this one is short for */
    uint16_t compression;  /* TIFF tag 259 */
    int lerc_second_stage; /* LERC_ADD_COMPRESSION_* */
} stf_codec_entry;

/* The codecs that the linked libtiff has, from index 0 on; NULL past the last. */
const stf_codec_entry *stf_codec_entry_at(size_t index);

/* Fills codec from COMPRESS, PREDICTOR and the level options. */
bool stf_options_parse_codec(CSLConstList user_options, const stf_raster *raster, stf_codec *codec, stf_error *err);

/* Refuses what the codec cannot do with these pixels and blocks: where GTiff would fail in the middle, fails before. */
bool stf_options_check_codec(const stf_options *options, const stf_raster *raster, stf_error *err);

/* Values of single options. An absent one leaves *value alone. */
bool stf_options_get_int(CSLConstList user_options, const char *name, int min, int max, int *value, stf_error *err);
bool stf_options_get_bool(CSLConstList user_options, const char *name, bool *value, stf_error *err);

/* All decimal digits, optionally signed; false: not a number, or outside min..max. */
bool stf_options_parse_int(const char *text, int min, int max, int *value);

/* Names of the options that are GTiff's own and reach only the template file; ends with NULL. */
extern const char *const stf_options_gtiff_names[];

#endif
