#include "copy.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_minixml.h"
#include "cpl_string.h"
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
    return done && (!c->passthrough || stf_passthrough_set_tags(c->passthrough, tags, err));
}

/* --- the tiling scheme of a COG ---------------------------------------------------------------- */

#define TIFFTAG_GDAL_METADATA 42112

static void add_item(CPLXMLNode *root, CPLXMLNode *before, const char *name, const char *value) {
    CPLXMLNode *item = CPLCreateXMLNode(NULL, CXT_Element, "Item");
    CPLAddXMLAttributeAndValue(item, "name", name);
    CPLAddXMLAttributeAndValue(item, "domain", "TILING_SCHEME");
    char *escaped = CPLEscapeString(value, -1, CPLES_XML); /* GTiff does it itself, and then writes XML */
    CPLCreateXMLNode(item, CXT_Text, escaped);
    CPLFree(escaped);
    CPLXMLNode **link = &root->psChild;
    while (*link && *link != before)
        link = &(*link)->psNext;
    item->psNext = *link;
    *link = item;
}

/* The first of what GTiff says of the codec, which comes behind. */
static CPLXMLNode *find_structure(CPLXMLNode *root) {
    for (CPLXMLNode *item = root->psChild; item; item = item->psNext)
        if (EQUAL(CPLGetXMLValue(item, "domain", ""), "IMAGE_STRUCTURE"))
            return item;
    return NULL;
}

/* Metadata that the template did not have lies where GTiff would have put it: in front of nodata and geo keys. */
static void move_to_its_place(stf_tag_list *tags) {
    static const uint16_t behind[] = {42113, 33550, 33922, 34264, 34735, 34736, 34737};
    stf_tag last = tags->items[tags->count - 1];
    for (size_t i = 0; i + 1 < tags->count; i++)
        for (size_t j = 0; j < sizeof behind / sizeof *behind; j++)
            if (tags->items[i].tag == behind[j]) {
                memmove(&tags->items[i + 1], &tags->items[i], (tags->count - 1 - i) * sizeof *tags->items);
                tags->items[i] = last;
                return;
            }
}

bool stf_copy_tell_tiling(stf_copy *c, stf_error *err) {
    stf_tag_list *tags = &c->georef.tags;
    if (!c->tiling)
        return true;
    const stf_tag *found = stf_tag_list_find(tags, TIFFTAG_GDAL_METADATA);
    bool had_one = found != NULL;
    CPLXMLNode *root = had_one ? CPLParseXMLString(found->values) : CPLCreateXMLNode(NULL, CXT_Element, "GDALMetadata");
    if (!root)
        return stf_fail(err, CPLE_AppDefined, "The metadata of the template cannot be read");
    CPLXMLNode *before = find_structure(root);
    add_item(root, before, "NAME", c->tiling_name);
    add_item(root, before, "ZOOM_LEVEL", CPLSPrintf("%d", c->zoom_level));
    if (c->aligned_levels > 0)
        add_item(root, before, "ALIGNED_LEVELS", CPLSPrintf("%d", c->aligned_levels));
    char *text = CPLSerializeXMLTree(root);
    CPLDestroyXMLNode(root);
    bool done = stf_tag_list_set(tags, TIFFTAG_GDAL_METADATA, TIFF_ASCII, strlen(text) + 1, text, err);
    CPLFree(text);
    if (done && !had_one)
        move_to_its_place(tags);
    return done;
}
