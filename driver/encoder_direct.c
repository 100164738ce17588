#include "encoder_direct.h"

#include "predictor.h"
#include "tiff.h"

const stf_direct_codec *stf_encoder_direct(const stf_tile_format *format) {
    const stf_codec *codec = &format->codec;
    if (codec->predictor > PREDICTOR_NONE && !stf_predictor_knows(codec->predictor, format->sample_bits))
        return NULL;
#ifdef STREAMTIFF_HAVE_DEFLATE
    if (codec->compression == COMPRESSION_ADOBE_DEFLATE && codec->deflate_level != 0) /* 0: zlib stores */
        return &stf_direct_deflate;
#endif
#ifdef STREAMTIFF_HAVE_ZSTD
    if (codec->compression == COMPRESSION_ZSTD)
        return &stf_direct_zstd;
#endif
    return NULL;
}
