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

/* --- tiles that are copied as they are --------------------------------------------------------- */

#define TIFFTAG_GDAL_METADATA 42112

/* What GTiff says of how tiles were encoded. */
static bool tells_of_tiles(const CPLXMLNode *item) {
    static const char *const names[] = {"WEBP_LEVEL", "COMPRESSION_REVERSIBILITY", "MAX_Z_ERROR", "JPEG_QUALITY", NULL};
    return item->eType == CXT_Element && EQUAL(CPLGetXMLValue(item, "domain", ""), "IMAGE_STRUCTURE") &&
           CSLFindString((CSLConstList)names, CPLGetXMLValue(item, "name", "")) >= 0;
}

static void remove_items_of_tiles(CPLXMLNode *root) {
    for (CPLXMLNode **link = &root->psChild; *link;) {
        CPLXMLNode *item = *link;
        if (!tells_of_tiles(item)) {
            link = &item->psNext;
            continue;
        }
        *link = item->psNext;
        item->psNext = NULL;
        CPLDestroyXMLNode(item);
    }
}

static void add_items_of_tiles(CPLXMLNode *root, CPLXMLNode *from) {
    for (CPLXMLNode *item = from->psChild; item; item = item->psNext) {
        if (!tells_of_tiles(item))
            continue;
        CPLXMLNode *next = item->psNext;
        item->psNext = NULL; /* what follows would be copied as well */
        CPLAddXMLChild(root, CPLCloneXMLTree(item));
        item->psNext = next;
    }
}

/* The template tells of tiles encoded as the options have it: those of the source are told of as there. */
static bool tell_of_passed_tiles(stf_copy *c, stf_error *err) {
    stf_tag_list *tags = &c->georef.tags;
    const stf_tag *found = stf_tag_list_find(tags, TIFFTAG_GDAL_METADATA);
    const char *told = stf_passthrough_metadata(c->passthrough);
    CPLXMLNode *from = told && strstr(told, "IMAGE_STRUCTURE") ? CPLParseXMLString(told) : NULL;
    bool done = true;
    if (from || (found && strstr(found->values, "IMAGE_STRUCTURE"))) {
        CPLXMLNode *root =
            found ? CPLParseXMLString(found->values) : CPLCreateXMLNode(NULL, CXT_Element, "GDALMetadata");
        if (root) {
            remove_items_of_tiles(root);
            if (from)
                add_items_of_tiles(root, from);
        }
        char *text = root && root->psChild ? CPLSerializeXMLTree(root) : NULL;
        if (text)
            done = stf_tag_list_set(tags, TIFFTAG_GDAL_METADATA, TIFF_ASCII, strlen(text) + 1, text, err);
        else
            stf_tag_list_remove(tags, TIFFTAG_GDAL_METADATA);
        CPLFree(text);
        CPLDestroyXMLNode(root);
    }
    CPLDestroyXMLNode(from);
    return done;
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
    return done &&
           (!c->passthrough || (stf_passthrough_set_tags(c->passthrough, tags, err) && tell_of_passed_tiles(c, err)));
}

/* --- the tiling scheme of a COG ---------------------------------------------------------------- */

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
