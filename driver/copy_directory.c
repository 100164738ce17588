#include "copy.h"

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "tiff.h"

bool stf_copy_set_shorts(stf_tag_list *tags, uint16_t tag, uint16_t value, uint32_t count, stf_error *err) {
    uint16_t *values = VSIMalloc2(count, sizeof *values);
    if (!values)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for a tag of %u values", count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = value;
    bool done = stf_tag_list_set(tags, tag, TIFF_SHORT, count, values, err);
    VSIFree(values);
    return done;
}

bool stf_copy_set_length(stf_tag_list *tags, uint16_t tag, uint32_t value, stf_error *err) {
    return value <= UINT16_MAX ? stf_tag_list_set_short(tags, tag, (uint16_t)value, err)
                               : stf_tag_list_set_long(tags, tag, value, err);
}

bool stf_copy_set_structure(stf_copy *c, stf_error *err) {
    stf_tag_list *tags = &c->georef.tags;
    const stf_options *options = &c->options;
    bool done = stf_copy_set_length(tags, TIFFTAG_IMAGEWIDTH, c->raster.width_px, err) &&
                stf_copy_set_length(tags, TIFFTAG_IMAGELENGTH, c->raster.height_px, err) &&
                stf_copy_set_shorts(tags, TIFFTAG_BITSPERSAMPLE, c->format.sample_bits, c->raster.bands, err) &&
                stf_copy_set_shorts(tags, TIFFTAG_SAMPLEFORMAT, c->format.sample_format, c->raster.bands, err) &&
                stf_tag_list_set_short(tags, TIFFTAG_COMPRESSION, options->codec.compression, err) &&
                stf_tag_list_set_short(tags, TIFFTAG_SAMPLESPERPIXEL, (uint16_t)c->raster.bands, err) &&
                stf_tag_list_set_short(tags, TIFFTAG_PLANARCONFIG,
                                       options->planes_apart ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG, err);
    if (options->codec.has_predictor)
        done = done && stf_tag_list_set_short(tags, TIFFTAG_PREDICTOR, options->codec.predictor, err);
    if (options->tiled)
        done = done && stf_copy_set_length(tags, TIFFTAG_TILEWIDTH, options->block_width_px, err) &&
               stf_copy_set_length(tags, TIFFTAG_TILELENGTH, options->block_height_px, err);
    else
        done = done && stf_copy_set_length(tags, TIFFTAG_ROWSPERSTRIP, options->block_height_px, err);
    for (size_t i = 0; done && i < c->result.codec_tags.count; i++) {
        const stf_tag *tag = &c->result.codec_tags.items[i];
        done = stf_tag_list_set(tags, tag->tag, tag->type, tag->count, tag->values, err);
    }
    return done;
}
