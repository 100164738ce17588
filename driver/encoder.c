/* A direct codec where there is one (encoder_direct.h): the tile is predicted in place, encoded into the output
 * buffer, and copied back. All others: one libtiff handle on nothing; what it "writes" is caught.
 *
 *      caller's data, predicted in place --> libtiff's codec --> raw buffer --> write callback
 *            ^                                                                      |
 *            +------------------ copied once libtiff is done -----------------------+
 *
 * The handle stays open and strip 0 is written again and again, so that the codec's state is set up
 * once. The seek callback says that the file always ends at the same place; the strip therefore never
 * moves, whether libtiff rewrites it or appends it. The raw buffer holds the largest result that the
 * codec can have, so libtiff hands over one piece for each tile, after all input has been read; a
 * second piece for a tile is refused.
 *
 * Tiles are encoded as a one-strip image of the tile's size: the codecs produce the same bytes for
 * both, and a short last strip differs from a tile only in its height (a reopened handle).
 *
 * The predictor is applied here and not by libtiff, which would do it on another copy of the tile: the handle is
 * told of none, and the bytes are the same. */
#include "encoder.h"
#include "encoder_cost.h"
#include "encoder_direct.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpl_vsi.h"
#include "geometry.h"
#include "platform.h"
#include "predictor.h"
#include "samples.h"
#include "tiff.h"
#include "tiffio.h"

enum { END_OF_FILE = 16 /* where every strip begins: behind a BigTIFF header */ };

static const uint16_t ycbcr_subsampling[2] = {2, 2}; /* what GTiff writes */
/* Numerator and denominator of black and white for Y, Cb and Cr: what libtiff writes for 8 bits. */
static const uint32_t ycbcr_black_white[12] = {0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1};

struct stf_encoder {
    stf_tile_format format;
    TIFF *tiff;    /* NULL: none open */
    uint32_t rows; /* of the open handle's strip */
    bool packs;    /* samples have fewer bits in the file */
    bool clipped;  /* ... too few, for one at least */
    bool predicts; /* we apply the predictor, libtiff is told of none */
    void *row;     /* the predictor's copy of a row */
    void *raw;     /* the output buffer, libtiff's or a direct codec's */
    size_t raw_bytes;
    bool borrows;                   /* the output buffer is not its own */
    const stf_direct_codec *direct; /* NULL: libtiff's */
    void *state;                    /* its own */

    bool catching;      /* false: what is written is dropped (headers, the directory) */
    const void *caught; /* the piece caught, still in libtiff's memory */
    size_t caught_bytes;
    unsigned pieces;
    toff_t position;
    char message[400]; /* libtiff's first complaint of this call */

    uint32_t lerc_parameters[2];
    void *jpeg_tables; /* owned copy */
    uint32_t jpeg_tables_bytes;
};

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

static void close_handle(stf_encoder *encoder) {
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

static bool refuse(stf_encoder *encoder, const char *what, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    return stf_fail(err, CPLE_AppDefined,
                    "%s (compression %u, predictor %u, %u samples of %u bits, %u x %u pixels)%s%s", what,
                    format->codec.compression, format->codec.predictor, format->samples, format->sample_bits,
                    format->width_px, format->height_px, encoder->message[0] ? ": " : "", encoder->message);
}

static bool open_strip(stf_encoder *encoder, uint32_t width_px, uint32_t rows, stf_error *err) {
    close_handle(encoder);
    encoder->message[0] = 0;
    encoder->tiff = open_handle(encoder);
    if (!encoder->tiff)
        return refuse(encoder, "libtiff cannot open a handle in memory", err);
    encoder->rows = rows;
    if (set_fields(encoder, encoder->tiff, width_px, rows) &&
        TIFFWriteBufferSetup(encoder->tiff, encoder->raw, (tmsize_t)encoder->raw_bytes) == 1)
        return true;
    refuse(encoder, "libtiff refuses this kind of tile", err);
    close_handle(encoder);
    return false;
}

/* Writes strip 0 of the open handle; what comes out is then in caught and caught_bytes. */
static bool write_strip(stf_encoder *encoder, void *data, size_t bytes, stf_error *err) {
    encoder->message[0] = 0;
    encoder->caught = NULL;
    encoder->caught_bytes = 0;
    encoder->pieces = 0;
    encoder->catching = true;
    tmsize_t written = TIFFWriteEncodedStrip(encoder->tiff, 0, data, (tmsize_t)bytes);
    encoder->catching = false;
    if (encoder->pieces > 1)
        return refuse(encoder, "A tile grows beyond all bounds when it is compressed", err);
    if (written != (tmsize_t)bytes || encoder->pieces == 0)
        return refuse(encoder, "libtiff cannot encode a tile", err);
    return true;
}

/* --- create ------------------------------------------------------------------------------------ */

static bool check_size(stf_encoder *encoder, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    uint32_t limit_px = format->codec.compression == COMPRESSION_WEBP   ? 16383
                        : format->codec.compression == COMPRESSION_JPEG ? 65535
                                                                        : UINT32_MAX;
    if (format->width_px > limit_px || format->height_px > limit_px)
        return refuse(encoder, "The codec takes no tile or strip that wide or high: a smaller BLOCKXSIZE or BLOCKYSIZE",
                      err);
    size_t tile_bytes = stf_encoder_tile_bytes(format);
    if (tile_bytes == 0 || tile_bytes > INT32_MAX)
        return refuse(encoder, "A tile or strip must be smaller than 2 GiB: a smaller BLOCKXSIZE or BLOCKYSIZE", err);
    return true;
}

/* Encodes one pixel: libtiff finds most faults of a format, and makes JPEG's tables, only then. At
 * the lowest levels, so that no large codec state is built for it. */
static bool try_format(stf_encoder *encoder, stf_error *err) {
    stf_codec real = encoder->format.codec;
    encoder->format.codec.deflate_level = encoder->format.codec.zstd_level = encoder->format.codec.lzma_preset = 1;
    size_t pixel_bytes = (size_t)stf_samples_row_bytes(encoder->format.samples, encoder->format.sample_bits);
    void *pixel = VSICalloc(1, pixel_bytes);
    bool done =
        pixel ? open_strip(encoder, 1, 1, err) && write_strip(encoder, pixel, pixel_bytes, err)
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
    close_handle(encoder);
    encoder->format.codec = real;
    return done;
}

/* What libtiff needs for a trial is a kilobyte more than the pixel, where a borrowing encoder has nothing. */
static bool try_format_in_small(stf_encoder *encoder, stf_error *err) {
    stf_tile_format pixel = encoder->format;
    pixel.width_px = pixel.height_px = 1;
    encoder->raw_bytes = stf_encoder_raw_bytes(&pixel);
    encoder->raw = VSIMalloc(encoder->raw_bytes);
    bool done = encoder->raw ? try_format(encoder, err) : stf_fail(err, CPLE_OutOfMemory, "Out of memory for a pixel");
    VSIFree(encoder->raw);
    encoder->raw = NULL;
    return done;
}

/* Pages of its own, for the same reason. */
static bool allocate_output(stf_encoder *encoder, stf_error *err) {
    encoder->raw_bytes = stf_encoder_raw_bytes(&encoder->format);
    encoder->raw = encoder->raw_bytes < SIZE_MAX ? stf_platform_pages_alloc(encoder->raw_bytes) : NULL;
    return encoder->raw || stf_fail(err, CPLE_OutOfMemory, "Out of memory for an output buffer of %llu bytes",
                                    (unsigned long long)encoder->raw_bytes);
}

static bool prepare(stf_encoder *encoder, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    if (!TIFFIsCODECConfigured(format->codec.compression))
        return refuse(encoder, "The libtiff of this system lacks the codec", err);
    /* With libtiff's own predictor, which may refuse these samples. */
    if (encoder->borrows ? !try_format_in_small(encoder, err)
                         : !allocate_output(encoder, err) || !try_format(encoder, err))
        return false;
    size_t row_bytes = (size_t)stf_encoder_packed_bytes(format, 1);
    encoder->predicts = stf_predictor_knows(format->codec.predictor, format->sample_bits);
    encoder->row = encoder->predicts ? VSIMalloc(row_bytes) : NULL;
    if (encoder->predicts && !encoder->row)
        return stf_fail(err, CPLE_OutOfMemory, "Out of memory for a row of %llu bytes", (unsigned long long)row_bytes);
    encoder->direct = stf_encoder_direct(format);
    return encoder->direct || open_strip(encoder, format->width_px, format->height_px, err);
}

static stf_encoder *create(const stf_tile_format *format, bool borrows, stf_error *err) {
    stf_encoder *encoder = VSICalloc(1, sizeof(*encoder));
    if (!encoder) {
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for an encoder");
        return NULL;
    }
    encoder->format = *format;
    encoder->borrows = borrows;
    encoder->packs = format->memory_bits > format->sample_bits;
    if (check_size(encoder, err) && (format->codec.compression == COMPRESSION_NONE || prepare(encoder, err)))
        return encoder;
    stf_encoder_destroy(encoder);
    return NULL;
}

stf_encoder *stf_encoder_create(const stf_tile_format *format, stf_error *err) {
    return create(format, false, err);
}

stf_encoder *stf_encoder_create_borrowing(const stf_tile_format *format, stf_error *err) {
    return create(format, true, err);
}

void stf_encoder_lend(stf_encoder *encoder, void *buffer, size_t bytes) {
    encoder->raw = buffer;
    encoder->raw_bytes = bytes;
}

void stf_encoder_destroy(stf_encoder *encoder) {
    if (!encoder)
        return;
    close_handle(encoder);
    if (encoder->direct)
        encoder->direct->destroy(encoder->state);
    if (!encoder->borrows)
        stf_platform_pages_free(encoder->raw, encoder->raw_bytes);
    VSIFree(encoder->row);
    VSIFree(encoder->jpeg_tables);
    VSIFree(encoder);
}

/* --- use --------------------------------------------------------------------------------------- */

static void pack(stf_encoder *encoder, void *data, uint32_t rows) {
    const stf_tile_format *format = &encoder->format;
    if (encoder->packs && stf_samples_pack(data, rows, (size_t)format->width_px * format->samples, format->memory_bits,
                                           format->sample_bits, format->sample_format == SAMPLEFORMAT_IEEEFP))
        encoder->clipped = encoder->clipped || format->sample_bits > 1 ||
                           format->samples > 1; /* one bit alone: 0 or not, says GTiff */
}

static void swap(const stf_tile_format *format, void *data, uint32_t rows) {
    stf_samples_swap(data, (size_t)rows * format->width_px * format->samples, format->sample_bits,
                     format->sample_format == SAMPLEFORMAT_COMPLEXINT ||
                         format->sample_format == SAMPLEFORMAT_COMPLEXIEEEFP);
}

/* Differences are turned round as whole samples, be they complex; bytes sorted by significance have no order. */
static void predict(stf_encoder *encoder, void *data, uint32_t rows) {
    const stf_tile_format *format = &encoder->format;
    stf_predictor_apply(format->codec.predictor, data, rows, (size_t)format->width_px * format->samples,
                        format->samples, format->sample_bits, encoder->row);
    if (format->swapped && format->codec.predictor == PREDICTOR_HORIZONTAL)
        stf_samples_swap(data, (size_t)rows * format->width_px * format->samples, format->sample_bits, false);
}

bool stf_encoder_clipped(const stf_encoder *encoder) {
    return encoder->clipped;
}

/* -> caught, caught_bytes. */
static bool encode_by_libtiff(stf_encoder *encoder, void *data, uint32_t rows, stf_error *err) {
    /* A handle that failed once is not trusted again; a strip of another height needs its own. */
    if ((!encoder->tiff || encoder->rows != rows) && !open_strip(encoder, encoder->format.width_px, rows, err))
        return false;
    if (encoder->predicts)
        predict(encoder, data, rows);
    if (write_strip(encoder, data, (size_t)stf_encoder_packed_bytes(&encoder->format, rows), err))
        return true;
    close_handle(encoder);
    return false;
}

/* Made when first used: an encoder that is only tried leaves no hole of its size in the heap. */
static bool ready_state(stf_encoder *encoder, stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    uint64_t tile_bytes = stf_encoder_packed_bytes(format, format->height_px);
    if (!encoder->state)
        encoder->state = encoder->direct->create(&format->codec, tile_bytes);
    return encoder->state || stf_fail(err, CPLE_OutOfMemory, "Out of memory for the codec's state of %llu bytes",
                                      (unsigned long long)encoder->direct->state_bytes(&format->codec, tile_bytes));
}

static bool encode_directly(stf_encoder *encoder, void *data, uint32_t rows, stf_error *err) {
    size_t row_bytes = (size_t)stf_encoder_packed_bytes(&encoder->format, 1);
    if (!ready_state(encoder, err))
        return false;
    if (encoder->predicts)
        predict(encoder, data, rows);
    else if (encoder->format.swapped)
        swap(&encoder->format, data, rows);
    encoder->caught = encoder->raw;
    encoder->caught_bytes =
        encoder->direct->encode(encoder->state, data, rows, row_bytes, encoder->raw, encoder->raw_bytes);
    return encoder->caught_bytes > 0 || stf_fail(err, CPLE_OutOfMemory, "Out of memory for a codec");
}

bool stf_encoder_encode(stf_encoder *encoder, void *data, size_t capacity_bytes, uint32_t rows, size_t *encoded_bytes,
                        stf_error *err) {
    const stf_tile_format *format = &encoder->format;
    if (rows == 0 || rows > format->height_px)
        return stf_fail(err, CPLE_AppDefined, "%u rows for a tile of %u", rows, format->height_px);
    size_t memory_bytes = stf_encoder_tile_bytes(format) / format->height_px * rows;
    if (capacity_bytes < memory_bytes)
        return stf_fail(err, CPLE_AppDefined, "%llu bytes of room for a tile of %llu",
                        (unsigned long long)capacity_bytes, (unsigned long long)memory_bytes);
    pack(encoder, data, rows);
    size_t bytes = (size_t)stf_encoder_packed_bytes(format, rows);
    if (format->codec.compression == COMPRESSION_NONE) {
        if (format->swapped)
            swap(format, data, rows);
        *encoded_bytes = bytes;
        return true;
    }
    if (!(encoder->direct ? encode_directly : encode_by_libtiff)(encoder, data, rows, err))
        return false;
    if (encoder->caught_bytes > capacity_bytes)
        return refuse(encoder, "A compressed tile is larger than its buffer", err);
    memcpy(data, encoder->caught, encoder->caught_bytes);
    *encoded_bytes = encoder->caught_bytes;
    return true;
}

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
