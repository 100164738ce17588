/* What the files of the encoder share.
 *
 *   encoder.c          a tile on its way through an encoder
 *   encoder_libtiff.c  the libtiff handle: its codecs, and the tags that they add */
#ifndef STF_ENCODER_INTERNAL_H
#define STF_ENCODER_INTERNAL_H

#include "encoder.h"
#include "encoder_direct.h"
#include "tiffio.h"

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

/* Opens the handle on an image of one strip, without a predictor where the encoder predicts itself. The one before is closed. */
bool stf_encoder_open_strip(stf_encoder *encoder, uint32_t width_px, uint32_t rows, stf_error *err);
/* Writes strip 0 of the open handle; what comes out is then in caught and caught_bytes. */
bool stf_encoder_write_strip(stf_encoder *encoder, void *data, size_t bytes, stf_error *err);
void stf_encoder_close(stf_encoder *encoder); /* none open: legal */
/* Encodes one pixel: libtiff finds most faults of a format, and makes JPEG's tables, only then. The handle is closed again. */
bool stf_encoder_try(stf_encoder *encoder, stf_error *err);
/* False, with the format and libtiff's complaint in the message. */
bool stf_encoder_refuse(const stf_encoder *encoder, const char *what, stf_error *err);

#endif
