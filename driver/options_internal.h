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

/* Fills codec from COMPRESS, PREDICTOR and the level options, for samples of so many bits. */
bool stf_options_parse_codec(CSLConstList user_options, const stf_raster *raster, uint32_t sample_bits,
                             stf_codec *codec, stf_error *err);

/* Bits of a sample in the file, as GTiff understands NBITS; GTiff itself warns of what it does not (the template). */
uint32_t stf_options_sample_bits(CSLConstList user_options, const stf_raster *raster);

/* The first of the options that changes what this codec makes of pixels, or the pixels; NULL: none is there. */
const char *stf_options_ask_anew(CSLConstList user_options, const stf_codec *codec);

/* GTiff's name of the codec. */
const char *stf_options_codec_name(const stf_codec *codec);

/* Refuses what the codec cannot do with these pixels and blocks: where GTiff would fail in the middle, fails before. */
bool stf_options_check_codec(const stf_options *options, const stf_raster *raster, stf_error *err);

/* Values of single options. An absent one leaves *value alone. */
bool stf_options_get_int(CSLConstList user_options, const char *name, int min, int max, int *value, stf_error *err);
bool stf_options_get_bool(CSLConstList user_options, const char *name, bool *value, stf_error *err);

/* All decimal digits, optionally signed; false: not a number, or outside min..max. */
bool stf_options_parse_int(const char *text, int min, int max, int *value);

/* --- LAYOUT=COG (options_cog.c) */

/* Refuses options that belong to the other layout than the one asked for. */
bool stf_options_check_layout(CSLConstList user_options, bool *is_cog, stf_error *err);
/* The options of a COG that GTiff has under other names, under these (CSLDestroy). */
char **stf_options_cog_to_gtiff(CSLConstList user_options);
/* Fills out->cog and the template's options; all that is not a COG's alone is in out already. */
bool stf_options_parse_cog(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err);

/* COPY_SRC_OVERVIEWS=YES: the same of GTiff's options, which are in out already. */
bool stf_options_parse_copied_overviews(const stf_raster *raster, stf_options *out, stf_error *err);

/* True for an option that GTiff is to see when it writes the template of the output's tags. */
bool stf_options_is_for_template(const char *name);

#endif
