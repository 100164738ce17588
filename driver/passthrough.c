#include "passthrough.h"

#include <string.h>

#include "constants.h"
#include "coverage.h"
#include "cpl_atomic_ops.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "gdal_adaptor.h"
#include "geometry.h"
#include "gtiff_cost.h"
#include "plain_vrt.h"
#include "source_direct.h"
#include "tiff.h"

#define TIFFTAG_GDAL_METADATA 42112
#define LERC_VERSION_OF_LIBTIFF 4u /* LERC_VERSION_2_4 */

struct stf_passthrough {
    stf_platform_file *file;
    stf_tiff_index index;
    stf_tag_list tags, metadata;
    char *name;
    uint32_t first_column, first_row; /* blocks of the source */
    uint32_t columns, rows;           /* of the target */
    uint64_t largest_bytes;
    bool has_missing;
    unsigned char missing_sample[STF_MAX_SAMPLE_BYTES];
    volatile int passed;
};

/* --- what must be the same --------------------------------------------------------------------- */

size_t stf_passthrough_tag_names(uint16_t compression, const uint16_t **names) {
    static const uint16_t jpeg[] = {TIFFTAG_JPEGTABLES, TIFFTAG_YCBCRSUBSAMPLING, TIFFTAG_YCBCRPOSITIONING,
                                    TIFFTAG_REFERENCEBLACKWHITE};
    static const uint16_t lerc[] = {TIFFTAG_LERC_PARAMETERS};
    *names = compression == COMPRESSION_LERC ? lerc : jpeg;
    return compression == COMPRESSION_JPEG ? 4 : compression == COMPRESSION_LERC ? 1 : 0;
}

/* The older of Deflate's two numbers means the same. */
static uint16_t codec_of(uint16_t compression) {
    return compression == COMPRESSION_DEFLATE ? COMPRESSION_ADOBE_DEFLATE : compression;
}

static bool is_passed(uint16_t compression) {
    switch (compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_LZW:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_ZSTD:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_LZMA:
    case COMPRESSION_LERC:
    case COMPRESSION_WEBP:
    case COMPRESSION_JPEG:
        return true;
    default:
        return false;
    }
}

/* LERC's second stage, and the version of its format. */
static bool has_lerc_parameters(const stf_tag_list *tags, const stf_codec *codec) {
    const stf_tag *tag = stf_tag_list_find(tags, TIFFTAG_LERC_PARAMETERS);
    if (!tag || tag->type != TIFF_LONG || tag->count != 2)
        return false;
    const uint32_t *values = tag->values;
    return values[0] == LERC_VERSION_OF_LIBTIFF && values[1] == (uint32_t)codec->lerc_second_stage;
}

static const char *differs_in_codec(const stf_tiff_index *index, const stf_tag_list *tags,
                                    const stf_passthrough_target *target) {
    const stf_tile_format *format = target->format;
    if (codec_of(index->compression) != format->codec.compression)
        return "its compression is another one";
    if (!is_passed(format->codec.compression))
        return "tiles of this compression are always encoded anew";
    if (format->codec.compression == COMPRESSION_LERC && !has_lerc_parameters(tags, &format->codec))
        return "its parameters of LERC are other ones";
    if (index->predictor != format->codec.predictor)
        return "its predictor is another one";
    return NULL;
}

static const char *differs_in_samples(const stf_tiff_index *index, const stf_passthrough_target *target) {
    const stf_tile_format *format = target->format;
    if (index->bands != target->bands)
        return "the number of its bands is another one";
    if (index->planes_apart != target->planes_apart)
        return "its bands are interleaved in another way";
    if (index->sample_bits != format->sample_bits || index->sample_format != format->sample_format ||
        (format->memory_bits != 0 && format->memory_bits != format->sample_bits))
        return "its samples are stored in another way";
    if (index->swapped != format->swapped)
        return "its byte order is another one";
    if (index->photometric != target->photometric)
        return "its photometric interpretation is another one";
    if (index->photometric > PHOTOMETRIC_PALETTE && index->photometric != PHOTOMETRIC_SEPARATED &&
        (index->photometric != PHOTOMETRIC_YCBCR || index->compression != COMPRESSION_JPEG))
        return "its colours are not stored as they are shown";
    return NULL;
}

/* A border of the target in one direction is one between blocks, or that of the source. */
static bool is_border(uint32_t at_px, uint32_t block_px, uint32_t source_px) {
    return at_px % block_px == 0 || at_px == source_px;
}

static const char *differs_in_grid(const stf_tiff_index *index, const stf_passthrough_target *target) {
    const stf_tile_format *format = target->format;
    if (index->tiled != format->tiled)
        return index->tiled ? "it has tiles, not strips" : "it has strips, not tiles";
    if (index->block_width_px != format->width_px || index->block_rows != format->height_px)
        return format->tiled ? "the size of its tiles is another one" : "the size of its strips is another one";
    if (target->width_px > index->width_px || target->x_px > index->width_px - target->width_px ||
        target->height_px > index->height_px || target->y_px > index->height_px - target->height_px)
        return "it is smaller than what is to be copied of it";
    if (target->x_px % index->block_width_px != 0 || target->y_px % index->block_rows != 0 ||
        !is_border(target->x_px + target->width_px, index->block_width_px, index->width_px) ||
        !is_border(target->y_px + target->height_px, index->block_rows, index->height_px))
        return "what is to be copied of it does not begin and end between its tiles";
    return NULL;
}

/* Visits the source's block of each tile of the target, with the rows that the file has of it. */
static bool every_block(const stf_tiff_index *index, const stf_passthrough_target *target,
                        bool (*visit)(const stf_tiff_index *index, uint64_t block, uint32_t rows, void *context),
                        void *context) {
    uint32_t columns = (target->width_px - 1) / index->block_width_px + 1;
    uint32_t rows = (target->height_px - 1) / index->block_rows + 1;
    uint32_t column = target->x_px / index->block_width_px, row = target->y_px / index->block_rows;
    for (uint32_t plane = 0; plane < (index->planes_apart ? index->bands : 1u); plane++)
        for (uint32_t y = row; y < row + rows; y++)
            for (uint32_t x = column; x < column + columns; x++)
                if (!visit(index, stf_tiff_index_block(index, plane, x, y), stf_tiff_index_rows_of(index, y), context))
                    return false;
    return true;
}

static bool is_whole_or_missing(const stf_tiff_index *index, uint64_t block, uint32_t rows, void *context) {
    uint64_t row_bytes = stf_tiff_index_block_bytes(index) / index->block_rows;
    (void)context;
    return stf_tiff_index_is_missing(index, block) || index->counts[block] == row_bytes * rows;
}

static bool is_there(const stf_tiff_index *index, uint64_t block, uint32_t rows, void *context) {
    (void)rows;
    (void)context;
    return !stf_tiff_index_is_missing(index, block);
}

const char *stf_passthrough_differs(const stf_tiff_index *index, const stf_tag_list *tags,
                                    const stf_passthrough_target *target) {
    const char *why = differs_in_codec(index, tags, target);
    if (!why)
        why = differs_in_samples(index, target);
    if (!why)
        why = differs_in_grid(index, target);
    if (!why && index->compression == COMPRESSION_NONE && !every_block(index, target, is_whole_or_missing, NULL))
        why = "its tiles have more or fewer bytes than they should";
    /* Those that it leaves out would be encoded with tables that are not in its tag. */
    if (!why && index->compression == COMPRESSION_JPEG && !every_block(index, target, is_there, NULL))
        why = "it leaves out tiles, which would need other JPEG tables";
    return why;
}

/* --- the source's file ------------------------------------------------------------------------- */

static bool is_vrt(GDALDatasetH dataset) {
    GDALDriverH driver = GDALGetDatasetDriver(dataset);
    return driver && EQUAL(GDALGetDriverShortName(driver), "VRT");
}

/* What a VRT shows as it is, opened; NULL: it shows something else. */
static GDALDatasetH open_shown(GDALDatasetH vrt, stf_passthrough_target *target) {
    stf_underlay *underlay = stf_underlay_read(vrt, 1, (uint32_t)GDALGetRasterCount(vrt));
    GDALDatasetH shown = NULL;
    if (underlay && stf_plain_vrt_shows(vrt, underlay, &target->x_px, &target->y_px))
        shown = stf_plain_vrt_open(vrt, underlay);
    stf_underlay_free(underlay);
    return shown;
}

static bool find_file(GDALDatasetH dataset, stf_platform_open *found, const char **why) {
    *why = "it is no file of GTiff that is open read-only";
    if (!stf_gtiff_is(dataset) || GDALGetAccess(dataset) != GA_ReadOnly)
        return false;
    *why = "its file may be another one by now, or is being written to";
    return stf_platform_open_files(GDALGetDescription(dataset), found) && found->same > 0 && found->alike == 0 &&
           found->writable == 0;
}

typedef struct sizes {
    uint64_t largest_bytes, missing; /* a block that is missing; UINT64_MAX: none is */
} sizes;

static bool take_size(const stf_tiff_index *index, uint64_t block, uint32_t rows, void *context) {
    sizes *s = context;
    (void)rows;
    if (stf_tiff_index_is_missing(index, block))
        s->missing = block;
    else if (stf_tiff_index_is_sound(index, block) && index->counts[block] > s->largest_bytes)
        s->largest_bytes = index->counts[block];
    return true;
}

static bool read_missing_sample(stf_passthrough *p, GDALDatasetH dataset, uint64_t missing, const char **why) {
    const stf_tiff_index *index = &p->index;
    uint64_t in_plane = (uint64_t)index->columns * index->rows, place = missing % in_plane;
    stf_window pixel = {(uint32_t)(place % index->columns) * index->block_width_px,
                        (uint32_t)(place / index->columns) * index->block_rows, 1, 1};
    p->has_missing = true;
    *why = "it leaves out tiles whose bands differ";
    return stf_coverage_value(dataset, (uint32_t)(missing / in_plane), index->planes_apart ? 1 : index->bands, &pixel,
                              GDALGetRasterDataType(GDALGetRasterBand(dataset, 1)), p->missing_sample);
}

static bool describe(stf_passthrough *p, GDALDatasetH dataset, const stf_passthrough_target *target, const char **why) {
    const uint16_t *names;
    sizes found = {0, UINT64_MAX};
    size_t count = stf_passthrough_tag_names(p->index.compression, &names);
    if (count > 0 && !stf_tiff_index_read_tags(p->file, names, count, &p->tags, why))
        return false;
    *why = stf_passthrough_differs(&p->index, &p->tags, target);
    if (*why)
        return false;
    const uint16_t metadata = TIFFTAG_GDAL_METADATA;
    const char *unread; /* a text that is too large is of no account */
    stf_tiff_index_read_tags(p->file, &metadata, 1, &p->metadata, &unread);
    p->first_column = target->x_px / p->index.block_width_px;
    p->first_row = target->y_px / p->index.block_rows;
    p->columns = (target->width_px - 1) / p->index.block_width_px + 1;
    p->rows = (target->height_px - 1) / p->index.block_rows + 1;
    every_block(&p->index, target, take_size, &found);
    p->largest_bytes = found.largest_bytes;
    return found.missing == UINT64_MAX || read_missing_sample(p, dataset, found.missing, why);
}

static stf_passthrough *open_file(GDALDatasetH dataset, const stf_passthrough_target *target, const char **why) {
    stf_platform_open found;
    if (!find_file(dataset, &found, why))
        return NULL;
    stf_passthrough *p = VSICalloc(1, sizeof *p);
    *why = "there is no memory";
    if (!p)
        return NULL;
    p->name = CPLStrdup(GDALGetDescription(dataset));
    p->file = stf_direct_open_file(dataset, &found, &p->index, why);
    if (p->file && describe(p, dataset, target, why))
        return p;
    stf_passthrough_close(p);
    return NULL;
}

stf_passthrough *stf_passthrough_open(GDALDatasetH dataset, const stf_passthrough_target *target, const char **why) {
    stf_passthrough_target place = *target;
    GDALDatasetH viewed = stf_gdal_viewed(dataset), shown = viewed ? viewed : dataset, opened = NULL;
    place.x_px = place.y_px = 0;
    if (is_vrt(shown)) {
        *why = "it is a VRT that shows more than a part of one file as it is";
        shown = opened = open_shown(shown, &place);
    }
    stf_passthrough *p = shown ? open_file(shown, &place, why) : NULL;
    GDALClose(opened);
    return p;
}

void stf_passthrough_close(stf_passthrough *p) {
    if (!p)
        return;
    stf_platform_file_close(p->file);
    stf_tiff_index_free(&p->index);
    stf_tag_list_free(&p->tags);
    stf_tag_list_free(&p->metadata);
    CPLFree(p->name);
    VSIFree(p);
}

/* --- tiles ------------------------------------------------------------------------------------- */

uint64_t stf_passthrough_kept_bytes(const stf_passthrough *p) {
    return stf_add(sizeof *p, stf_tiff_index_cost_bytes(&p->index));
}

uint64_t stf_passthrough_largest_bytes(const stf_passthrough *p) {
    return p->largest_bytes;
}

static uint64_t block_of(const stf_passthrough *p, uint64_t tile) {
    uint64_t in_plane = (uint64_t)p->columns * p->rows, place = tile % in_plane;
    return stf_tiff_index_block(&p->index, (uint32_t)(tile / in_plane),
                                p->first_column + (uint32_t)(place % p->columns),
                                p->first_row + (uint32_t)(place / p->columns));
}

bool stf_passthrough_has(const stf_passthrough *p, uint64_t tile) {
    return !stf_tiff_index_is_missing(&p->index, block_of(p, tile));
}

const void *stf_passthrough_missing_sample(const stf_passthrough *p) {
    return p->has_missing ? p->missing_sample : NULL;
}

bool stf_passthrough_read(stf_passthrough *p, uint64_t tile, void *to, size_t room_bytes, size_t *bytes,
                          stf_error *err) {
    const stf_tiff_index *index = &p->index;
    uint64_t block = block_of(p, tile);
    const char *wrong = NULL;
    *bytes = index->counts[block];
    if (!stf_tiff_index_is_sound(index, block) || *bytes > room_bytes)
        wrong = "it does not lie within the file, or is larger than such a tile can be";
    else if (!stf_platform_file_read(p->file, index->offsets[block], to, *bytes))
        wrong = "it cannot be read";
    if (wrong)
        return stf_fail(err, CPLE_FileIO,
                        "Reading tile " CPL_FRMT_GUIB " of %s: %s (%u bytes at " CPL_FRMT_GUIB " of " CPL_FRMT_GUIB ")",
                        (GUIntBig)block, p->name, wrong, index->counts[block], (GUIntBig)index->offsets[block],
                        (GUIntBig)index->file_bytes);
    CPLAtomicInc(&p->passed);
    return true;
}

uint64_t stf_passthrough_count(const stf_passthrough *p) {
    return (uint64_t)p->passed;
}

const char *stf_passthrough_metadata(const stf_passthrough *p) {
    const stf_tag *tag = stf_tag_list_find(&p->metadata, TIFFTAG_GDAL_METADATA);
    bool is_text = tag && tag->type == TIFF_ASCII && ((const char *)tag->values)[tag->count - 1] == 0;
    return is_text ? tag->values : NULL;
}

bool stf_passthrough_set_tags(const stf_passthrough *p, stf_tag_list *tags, stf_error *err) {
    const uint16_t *names;
    size_t count = stf_passthrough_tag_names(p->index.compression, &names);
    for (size_t i = 0; i < count; i++) {
        const stf_tag *tag = stf_tag_list_find(&p->tags, names[i]);
        if (!tag)
            stf_tag_list_remove(tags, names[i]);
        else if (!stf_tag_list_set(tags, tag->tag, tag->type, tag->count, tag->values, err))
            return false;
    }
    return true;
}
