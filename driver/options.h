/* Creation options -> one validated, immutable struct. Knows no GDAL raster type.
 *
 * Names and meanings are those of GDAL's GTiff driver (PREDICTOR=YES/NO/STANDARD/FLOATING_POINT and
 * LEVEL: those of COG), with LAYOUT=COG those of GDAL's COG driver. Only these defaults differ: TILED=YES, blocks of 512,
 * COMPRESS=DEFLATE, PREDICTOR=YES (1 for complex types), BIGTIFF=IF_SAFER, NUM_THREADS=ALL_CPUS; and OVERVIEWS=AUTO
 * computes them where the source has some, too. */
#ifndef STF_OPTIONS_H
#define STF_OPTIONS_H

#include <stdint.h>

#include "cpl_string.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { STF_UINT, STF_INT, STF_FLOAT, STF_COMPLEX_INT, STF_COMPLEX_FLOAT } stf_sample_kind;

/* The raster that the options are for. */
typedef struct stf_raster {
    uint32_t width_px, height_px;
    uint32_t bands;
    uint32_t sample_bytes; /* 1, 2, 4, 8 or 16 (complex: both parts) */
    stf_sample_kind kind;
    uint32_t
        source_bits; /* the NBITS that the source's first band names; 0: none. Taken over where no NBITS is asked for */
    bool source_interleave_band; /* the source says INTERLEAVE=BAND: a hint that GTiff leaves to GDAL, and so do we */
} stf_raster;

typedef enum { STF_BIGTIFF_NO, STF_BIGTIFF_YES, STF_BIGTIFF_IF_NEEDED, STF_BIGTIFF_IF_SAFER } stf_bigtiff;

/* What libtiff is told about a codec. Levels: -1 leaves libtiff's or GTiff's own default. */
typedef struct stf_codec {
    uint16_t compression; /* TIFF tag 259 */
    uint16_t predictor;   /* 1 none, 2 horizontal, 3 floating point; 1 where the codec has none */
    bool has_predictor;   /* GTiff writes the tag for this codec, be the predictor 1 */
    int deflate_level;    /* ZLEVEL, 1..12 with libdeflate (also the second stage of LERC_DEFLATE) */
    int zstd_level;       /* ZSTD_LEVEL, 1..22 (also the second stage of LERC_ZSTD) */
    int lzma_preset;      /* LZMA_PRESET, 0..9 */
    int jpeg_quality;     /* JPEG_QUALITY, 1..100 */
    int jpeg_tables_mode; /* JPEGTABLESMODE, 0..3 */
    int webp_level;       /* WEBP_LEVEL, 1..100 */
    bool webp_lossless;
    int lerc_second_stage; /* LERC_ADD_COMPRESSION_NONE / _DEFLATE / _ZSTD of tiff.h */
    double max_z_error;    /* MAX_Z_ERROR, of LERC */
} stf_codec;

typedef enum {
    STF_OVERVIEWS_COMPUTED, /* AUTO, IGNORE_EXISTING */
    STF_OVERVIEWS_EXISTING, /* FORCE_USE_EXISTING: those of the source */
    STF_OVERVIEWS_NONE
} stf_overviews;

typedef enum {
    STF_STATISTICS_AUTO, /* those of the source are kept, as far as they are true of the result */
    STF_STATISTICS_YES,  /* computed */
    STF_STATISTICS_NO    /* left out */
} stf_statistics;

typedef enum {
    STF_PASSTHROUGH_AUTO, /* tiles of the source are copied as they are where they are what would be written */
    STF_PASSTHROUGH_YES,  /* ... or the copy fails */
    STF_PASSTHROUGH_NO
} stf_passthrough_mode;

/* What only LAYOUT=COG has. */
typedef struct stf_cog_options {
    stf_overviews overviews;
    int overview_count;        /* OVERVIEW_COUNT; -1: until a level fits into one tile */
    char *overview_resampling; /* in capitals (owned); NULL: what GDAL takes for the raster */
    uint32_t overview_block_px;
    stf_codec overview_codec;
    stf_statistics statistics;
    bool tile_interleave; /* INTERLEAVE=TILE: pixel_interleave is false, and the planes of a tile follow each other */
} stf_cog_options;

typedef struct stf_options {
    bool is_cog;           /* written as a COG is: LAYOUT=COG, or COPY_SRC_OVERVIEWS=YES with GTiff's options */
    bool copies_overviews; /* the latter */
    stf_cog_options cog;
    stf_codec codec;
    uint32_t sample_bits; /* of a sample in the file: fewer than in memory where NBITS says so */
    bool tiled;
    uint32_t block_width_px;  /* strips: the raster's width */
    uint32_t block_height_px; /* rows of a tile or strip; a strip is never taller than the raster */
    bool pixel_interleave;    /* INTERLEAVE=PIXEL (true) or BAND; true where there is one band */
    bool planes_apart;        /* INTERLEAVE=BAND was asked for, be it of one band: what the directory says */
    stf_bigtiff bigtiff;
    bool swapped;        /* ENDIANNESS asks for the byte order that is not this host's */
    bool internal_mask;  /* GDAL_TIFF_INTERNAL_MASK: a mask goes into the file, not beside it */
    bool internal_only;  /* ... as asked for: masks of single bands, which only lie beside, are left out */
    bool streamable;     /* STREAMABLE_OUTPUT=YES: the directory comes first, and the tiles in their order */
    bool sparse_ok;      /* tiles that are all nodata, or 0 without it, are left out */
    bool decode_by_gdal; /* DIRECT_DECODE=NO */
    stf_passthrough_mode passthrough;
    const char *asks_anew; /* the first option given that asks for tiles encoded anew, such as a level; NULL: none */
    char *discard_lsb;     /* DISCARD_LSB as it was given (owned): it is read when the samples are known; or NULL */
    uint32_t threads;      /* >= 1, ALL_CPUS resolved */
    bool cap_named;        /* MEMORY_CAP or STREAMTIFF_MEMORY_CAP was given */
    uint64_t cap_bytes;    /* the cap asked for, or the default where none was */
    bool cap_strict;       /* MEMORY_CAP_STRICT=YES: fail instead of raising the cap */
    char **
        gtiff_options; /* what the template file needs of the user's options (owned), GTiff's names and values, or COG's */
} stf_options;

/* The XML of GDAL_DMD_CREATIONOPTIONLIST, with only those codecs that the linked libtiff has.
 * Free with CPLFree. */
char *stf_options_list_xml(void);

/* Reads and validates everything. user_options may be NULL; keys beginning with '@' and keys that
 * are not ours are left to GDAL's own validation (a warning), not refused here. strict: the bStrict
 * of CreateCopy. On failure out holds nothing to free. Reads the config options
 * STREAMTIFF_MEMORY_CAP, GDAL_NUM_THREADS and GDAL_TIFF_INTERNAL_MASK: the only place that reads the environment. */
bool stf_options_parse(CSLConstList user_options, const stf_raster *raster, stf_options *out, stf_error *err);

/* What internal_mask would be now. */
bool stf_options_internal_mask(void);

/* What a view of a dataset takes of the same options: MEMORY_CAP, NUM_THREADS and DIRECT_DECODE, with the same defaults. */
typedef struct stf_memory_options {
    uint32_t threads;
    bool decode_by_gdal;
    bool cap_named;
    uint64_t cap_bytes;
} stf_memory_options;
bool stf_options_parse_memory(CSLConstList user_options, stf_memory_options *out, stf_error *err);

typedef enum { STF_ZOOM_AUTO, STF_ZOOM_LOWER, STF_ZOOM_UPPER } stf_zoom_strategy;

/* What LAYOUT=COG reprojects the source to, read before anything is known of the raster that this makes. Texts are the
 * caller's list's. */
typedef struct stf_warp_options {
    bool asked;                /* TARGET_SRS or TILING_SCHEME was given */
    const char *target_srs;    /* NULL: none */
    const char *tiling_scheme; /* NULL: none, or CUSTOM */
    bool has_resolution, has_extent;
    double resolution, extent[4];   /* min x, min y, max x, max y */
    int zoom_level, aligned_levels; /* -1: not given; 0 */
    stf_zoom_strategy strategy;
    int block_px; /* 0: not given */
    bool add_alpha;
    const char *resampling; /* NULL: GDAL's own choice */
} stf_warp_options;
bool stf_options_parse_warp(CSLConstList user_options, stf_warp_options *out, stf_error *err);

/* Frees what parse allocated; a zeroed struct is legal. */
void stf_options_free(stf_options *options);

/* One grammar for every memory size: "64MB", "1.5 GB", "268435456", "5%" (of usable_bytes). KB, MB
 * and GB (also K, M, G, and KiB, MiB, GiB) are 2^10, 2^20 and 2^30 bytes, in any case. False:
 * not a size, not positive, a percentage above 100, or over 2^63-1. */
bool stf_options_parse_size(const char *text, uint64_t usable_bytes, uint64_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
