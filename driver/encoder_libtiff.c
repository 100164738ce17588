/* One libtiff handle on nothing; what it "writes" is caught: tile --> libtiff's codec --> raw buffer --> write callback.
 *
 * The handle stays open and strip 0 is written again and again, so that the codec's state is set up
 * once. The seek callback says that the file always ends at the same place; the strip therefore never
 * moves, whether libtiff rewrites it or appends it. The raw buffer holds the largest result that the
 * codec can have, so libtiff hands over one piece for each tile, after all input has been read; a
 * second piece for a tile is refused.
 *
 * Tiles are encoded as a one-strip image of the tile's size: the codecs produce the same bytes for
 * both, and a short last strip differs from a tile only in its height (a reopened handle). */
#include "encoder_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpl_vsi.h"
#include "samples.h"
#include "tiff.h"

enum { END_OF_FILE = 16 /* where every strip begins: behind a BigTIFF header */ };

static const uint16_t ycbcr_subsampling[2] = {2, 2}; /* what GTiff writes */
/* Numerator and denominator of black and white for Y, Cb and Cr: what libtiff writes for 8 bits. */
static const uint32_t ycbcr_black_white[12] = {0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1};

/* --- callbacks --------------------------------------------------------------------------------- */

static tmsize_t read_nothing(thandle_t handle, void *buffer, tmsize_t size) {
    (void)handle;
    (void)buffer;
    (void)size;
    return 0;
}

static tmsize_t catch_bytes(thandle_t handle, void *buffer, tmsize_t size) {
    stf_encoder *encoder = handle;
    if (encoder->catching && size > 0) {
        encoder->caught = buffer;
        encoder->caught_bytes = (size_t)size;
        if (++encoder->pieces > 1)
            return -1;
    }
    encoder->position += (toff_t)size;
    return size;
}

static toff_t seek_anywhere(thandle_t handle, toff_t offset, int whence) {
    stf_encoder *encoder = handle;
    if (whence == SEEK_END)
        encoder->position = END_OF_FILE + offset;
    else if (whence == SEEK_CUR)
        encoder->position += offset;
    else
        encoder->position = offset;
    return encoder->position;
}

static int close_nothing(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t size_of_nothing(thandle_t handle) {
    (void)handle;
    return END_OF_FILE;
}

#if TIFFLIB_VERSION >= 20221213
static int CPL_PRINT_FUNC_FORMAT(4, 0)
    keep_error(TIFF *tiff, void *user_data, const char *module, const char *format, va_list arguments) {
    stf_encoder *encoder = user_data;
    (void)tiff;
    if (encoder->message[0] == 0) {
        int used = snprintf(encoder->message, sizeof(encoder->message), "%s: ", module ? module : "libtiff");
        if (used > 0 && (size_t)used < sizeof(encoder->message))
            vsnprintf(encoder->message + used, sizeof(encoder->message) - (size_t)used, format, arguments);
    }
    return 1; /* handled: no global handler after this one */
}

static int CPL_PRINT_FUNC_FORMAT(4, 0)
    drop_warning(TIFF *tiff, void *user_data, const char *module, const char *format, va_list arguments) {
    (void)tiff;
    (void)user_data;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}
#endif

/* In a file of the other byte order libtiff turns the samples round itself, but for predicted ones, which we do. */
static const char *open_mode(const stf_encoder *encoder) {
    if (!encoder->format.swapped || encoder->predicts)
        return "w8";
    return CPL_IS_LSB ? "w8b" : "w8l";
}

static TIFF *open_handle(stf_encoder *encoder) {
    const char *name = "StreamTIFF tile", *mode = open_mode(encoder);
#if TIFFLIB_VERSION >= 20221213
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, encoder);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_warning, encoder);
    TIFF *tiff = TIFFClientOpenExt(name, mode, encoder, read_nothing, catch_bytes, seek_anywhere, close_nothing,
                                   size_of_nothing, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
#else
    /* Messages go to libtiff's global handler, which is GDAL's: they arrive as CPL errors of this thread. */
    return TIFFClientOpen(name, mode, encoder, read_nothing, catch_bytes, seek_anywhere, close_nothing, size_of_nothing,
                          NULL, NULL);
#endif
}

/* --- the handle -------------------------------------------------------------------------------- */

void stf_encoder_close(stf_encoder *encoder) {
    if (encoder->tiff) {
        encoder->catching = false;
        TIFFClose(encoder->tiff); /* libtiff writes a directory now, into nothing */
        encoder->tiff = NULL;
    }
}

static bool set_extra_samples(TIFF *tiff, const stf_tile_format *format) {
    if (format->extra_samples == 0)
        return true;
    uint16_t *types = VSICalloc(format->extra_samples, sizeof(uint16_t));
    if (!types)
        return false;
    for (size_t i = 0; i < format->extra_samples; i++)
        types[i] = i < 8 ? format->extra_sample_types[i] : EXTRASAMPLE_UNSPECIFIED;
    int set = TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, format->extra_samples, types);
    VSIFree(types);
    return set == 1;
}

static bool set_lerc(stf_encoder *encoder, TIFF *tiff) {
    const stf_codec *codec = &encoder->format.codec;
    encoder->lerc_parameters[0] = LERC_VERSION_2_4;
    encoder->lerc_parameters[1] = (uint32_t)codec->lerc_second_stage;
    if (TIFFSetField(tiff, TIFFTAG_LERC_PARAMETERS, 2, encoder->lerc_parameters) != 1 ||
        TIFFSetField(tiff, TIFFTAG_LERC_MAXZERROR, codec->max_z_error) != 1)
        return false;
    if (codec->lerc_second_stage == LERC_ADD_COMPRESSION_DEFLATE && codec->deflate_level > 0)
        return TIFFSetField(tiff, TIFFTAG_ZIPQUALITY, codec->deflate_level) == 1;
    if (codec->lerc_second_stage == LERC_ADD_COMPRESSION_ZSTD && codec->zstd_level > 0)
        return TIFFSetField(tiff, TIFFTAG_ZSTD_LEVEL, codec->zstd_level) == 1;
    return true;
}

static bool set_jpeg(const stf_tile_format *format, TIFF *tiff) {
    if (format->codec.jpeg_quality > 0 && TIFFSetField(tiff, TIFFTAG_JPEGQUALITY, format->codec.jpeg_quality) != 1)
        return false;
    if (TIFFSetField(tiff, TIFFTAG_JPEGTABLESMODE, format->codec.jpeg_tables_mode) != 1)
        return false;
    if (format->photometric == PHOTOMETRIC_YCBCR)
        return TIFFSetField(tiff, TIFFTAG_YCBCRSUBSAMPLING, ycbcr_subsampling[0], ycbcr_subsampling[1]) == 1 &&
               TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB) == 1;
    return true;
}

static bool set_webp(const stf_codec *codec, TIFF *tiff) {
    if (codec->webp_lossless)
        return TIFFSetField(tiff, TIFFTAG_WEBP_LOSSLESS, 1) == 1;
    return codec->webp_level <= 0 || TIFFSetField(tiff, TIFFTAG_WEBP_LEVEL, codec->webp_level) == 1;
}

static bool set_codec(stf_encoder *encoder, TIFF *tiff) {
    const stf_tile_format *format = &encoder->format;
    const stf_codec *codec = &format->codec;
    if (codec->predictor > PREDICTOR_NONE && !encoder->predicts &&
        TIFFSetField(tiff, TIFFTAG_PREDICTOR, codec->predictor) != 1)
        return false;
    switch (codec->compression) {
    case COMPRESSION_ADOBE_DEFLATE:
        return codec->deflate_level <= 0 || TIFFSetField(tiff, TIFFTAG_ZIPQUALITY, codec->deflate_level) == 1;
    case COMPRESSION_ZSTD:
        return codec->zstd_level <= 0 || TIFFSetField(tiff, TIFFTAG_ZSTD_LEVEL, codec->zstd_level) == 1;
    case COMPRESSION_LZMA:
        return codec->lzma_preset < 0 || TIFFSetField(tiff, TIFFTAG_LZMAPRESET, codec->lzma_preset) == 1;
    case COMPRESSION_WEBP:
        return set_webp(codec, tiff);
    case COMPRESSION_JPEG:
        return set_jpeg(format, tiff);
    case COMPRESSION_LERC:
        return set_lerc(encoder, tiff);
    default:
        return true;
    }
}

static bool set_fields(stf_encoder *encoder, TIFF *tiff, uint32_t width_px, uint32_t rows) {
    const stf_tile_format *format = &encoder->format;
    return TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width_px) == 1 &&
           TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, rows) == 1 &&
           TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, format->sample_bits) == 1 &&
           TIFFSetField(tiff, TIFFTAG_COMPRESSION, format->codec.compression) == 1 &&
           TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, format->photometric) == 1 &&
           TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, format->sample_format) == 1 &&
           TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, format->samples) == 1 &&
           TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows) == 1 &&
           TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == 1 && set_extra_samples(tiff, format) &&
           set_codec(encoder, tiff);
}

bool stf_encoder_refuse(const stf_encoder *encoder, const char *what, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    return stf_fail(err, CPLE_AppDefined,
                    "%s (compression %u, predictor %u, %u samples of %u bits, %u x %u pixels)%s%s", what,
                    format->codec.compression, format->codec.predictor, format->samples, format->sample_bits,
                    format->width_px, format->height_px, encoder->message[0] ? ": " : "", encoder->message);
}

bool stf_encoder_open_strip(stf_encoder *encoder, uint32_t width_px, uint32_t rows, stf_error *err) {
    stf_encoder_close(encoder);
    encoder->message[0] = 0;
    encoder->tiff = open_handle(encoder);
    if (!encoder->tiff)
        return stf_encoder_refuse(encoder, "libtiff cannot open a handle in memory", err);
    encoder->rows = rows;
    if (set_fields(encoder, encoder->tiff, width_px, rows) &&
        TIFFWriteBufferSetup(encoder->tiff, encoder->raw, (tmsize_t)encoder->raw_bytes) == 1)
        return true;
    stf_encoder_refuse(encoder, "libtiff refuses this kind of tile", err);
    stf_encoder_close(encoder);
    return false;
}

bool stf_encoder_write_strip(stf_encoder *encoder, void *data, size_t bytes, stf_error *err) {
    encoder->message[0] = 0;
    encoder->caught = NULL;
    encoder->caught_bytes = 0;
    encoder->pieces = 0;
    encoder->catching = true;
    tmsize_t written = TIFFWriteEncodedStrip(encoder->tiff, 0, data, (tmsize_t)bytes);
    encoder->catching = false;
    if (encoder->pieces > 1)
        return stf_encoder_refuse(encoder, "A tile grows beyond all bounds when it is compressed", err);
    if (written != (tmsize_t)bytes || encoder->pieces == 0)
        return stf_encoder_refuse(encoder, "libtiff cannot encode a tile", err);
    return true;
}

/* At the lowest levels, so that no large codec state is built for a pixel. */
bool stf_encoder_try(stf_encoder *encoder, stf_error *err) {
    stf_codec real = encoder->format.codec;
    encoder->format.codec.deflate_level = encoder->format.codec.zstd_level = encoder->format.codec.lzma_preset = 1;
    size_t pixel_bytes = (size_t)stf_samples_row_bytes(encoder->format.samples, encoder->format.sample_bits);
    void *pixel = VSICalloc(1, pixel_bytes);
    bool done =
        pixel ? stf_encoder_open_strip(encoder, 1, 1, err) && stf_encoder_write_strip(encoder, pixel, pixel_bytes, err)
              : stf_fail(err, CPLE_OutOfMemory, "Out of memory for a pixel of %u samples", encoder->format.samples);
    VSIFree(pixel);
    uint32_t bytes = 0;
    void *tables = NULL;
    if (done && encoder->format.codec.compression == COMPRESSION_JPEG &&
        TIFFGetField(encoder->tiff, TIFFTAG_JPEGTABLES, &bytes, &tables) == 1 && bytes > 0) {
        encoder->jpeg_tables = VSIMalloc(bytes);
        if (encoder->jpeg_tables) {
            memcpy(encoder->jpeg_tables, tables, bytes);
            encoder->jpeg_tables_bytes = bytes;
        } else
            done = stf_fail(err, CPLE_OutOfMemory, "Out of memory for %u bytes of JPEG tables", bytes);
    }
    stf_encoder_close(encoder);
    encoder->format.codec = real;
    return done;
}

/* --- tags -------------------------------------------------------------------------------------- */

static size_t add_tag(stf_codec_tag *tags, size_t room, size_t used, stf_codec_tag tag) {
    if (used < room)
        tags[used++] = tag;
    return used;
}

size_t stf_encoder_tags(stf_encoder *encoder, stf_codec_tag *tags, size_t room) {
    size_t used = 0;
    if (encoder->jpeg_tables)
        used = add_tag(
            tags, room, used,
            (stf_codec_tag){TIFFTAG_JPEGTABLES, TIFF_UNDEFINED, encoder->jpeg_tables_bytes, encoder->jpeg_tables});
    if (encoder->format.codec.compression == COMPRESSION_LERC)
        used =
            add_tag(tags, room, used, (stf_codec_tag){TIFFTAG_LERC_PARAMETERS, TIFF_LONG, 2, encoder->lerc_parameters});
    if (encoder->format.codec.compression == COMPRESSION_JPEG && encoder->format.photometric == PHOTOMETRIC_YCBCR) {
        used = add_tag(tags, room, used, (stf_codec_tag){TIFFTAG_YCBCRSUBSAMPLING, TIFF_SHORT, 2, ycbcr_subsampling});
        used = add_tag(tags, room, used,
                       (stf_codec_tag){TIFFTAG_REFERENCEBLACKWHITE, TIFF_RATIONAL, 6, ycbcr_black_white});
    }
    return used;
}
