#include "source_direct.h"

#include <string.h>

#include "block_decoder.h"
#include "block_repeat.h"
#include "cpl_conv.h"
#include "cpl_string.h"
#include "cpl_vsi.h"
#include "gdal_adaptor.h"
#include "geometry.h"
#include "gtiff_cost.h"
#include "tiff.h"
#include "unpredictor.h"

#define PLACES_COMPARED 16u

typedef struct direct_reader {
    stf_block_decoder *decoder;
    unsigned char *pages; /* compressed bytes, then decoded ones that are not the caller's yet, then a row */
    stf_block_repeat repeat;
} direct_reader;

struct stf_direct {
    stf_platform_file *file;
    stf_tiff_index index;
    const char *name; /* the dataset's */
    uint16_t block_bands;
    size_t sample_bytes, row_bytes; /* of a row of a block, with all bands that lie in it */
    size_t raw_bytes, decoded_bytes, scratch_bytes;
    direct_reader *readers;
    uint32_t reader_count;
};

/* --- what can be read so ----------------------------------------------------------------------- */

/* name: as GDAL shows it; NULL: none. */
static bool is_named(uint16_t compression, const char *name) {
    switch (compression) {
    case COMPRESSION_NONE:
        return !name || EQUAL(name, "NONE");
    case COMPRESSION_LZW:
        return name && EQUAL(name, "LZW");
    case COMPRESSION_ZSTD:
        return name && EQUAL(name, "ZSTD");
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
        return name && EQUAL(name, "DEFLATE");
    case COMPRESSION_PACKBITS:
        return name && EQUAL(name, "PACKBITS");
    case COMPRESSION_LZMA:
        return name && EQUAL(name, "LZMA");
    case COMPRESSION_LERC: /* and a second stage */
        return name && STARTS_WITH_CI(name, "LERC");
    case COMPRESSION_JPEG:
        return name && (EQUAL(name, "JPEG") || EQUAL(name, "YCbCr JPEG"));
    case COMPRESSION_WEBP:
        return name && EQUAL(name, "WEBP");
    default:
        return false;
    }
}

static bool sample_agrees(const stf_tiff_index *index, GDALDataType type) {
    bool is_float = index->sample_format == SAMPLEFORMAT_IEEEFP;
    bool is_integer = index->sample_format == SAMPLEFORMAT_UINT || index->sample_format == SAMPLEFORMAT_INT;
    bool is_complex =
        index->sample_format == SAMPLEFORMAT_COMPLEXINT || index->sample_format == SAMPLEFORMAT_COMPLEXIEEEFP;
    if (index->sample_bits != 8 * GDALGetDataTypeSizeBytes(type))
        return false;
    if (GDALDataTypeIsComplex(type))
        return is_complex;
    return GDALDataTypeIsFloating(type) ? is_float : is_integer;
}

/* Predictors of numbers that are no single sample, and numbers of two parts in the other byte order, are left to libtiff. */
static bool is_understood(const stf_tiff_index *index, const char **why) {
    bool is_complex =
        index->sample_format == SAMPLEFORMAT_COMPLEXINT || index->sample_format == SAMPLEFORMAT_COMPLEXIEEEFP;
    bool is_float =
        index->sample_format == SAMPLEFORMAT_IEEEFP && (index->sample_bits == 32 || index->sample_bits == 64);
    if (!stf_block_decoder_knows(index->compression))
        *why = "its compression is left to GDAL";
    else if (index->photometric > PHOTOMETRIC_PALETTE)
        *why = "its colours are not stored as they are shown";
    else if (is_complex && (index->swapped || index->predictor != PREDICTOR_NONE))
        *why = "its complex samples are swapped, or have a predictor";
    else if (index->sample_bits > 64 && !is_complex)
        *why = "its samples are too long";
    else if (index->predictor != PREDICTOR_NONE && index->compression == COMPRESSION_NONE)
        *why = "it has a predictor, but no compression";
    else if (index->predictor == PREDICTOR_FLOATINGPOINT && !is_float)
        *why = "it has the predictor of floating point for other samples";
    else if (index->predictor < PREDICTOR_NONE || index->predictor > PREDICTOR_FLOATINGPOINT ||
             (index->sample_bits & (index->sample_bits - 1)) != 0)
        *why = "its predictor or its samples are not known";
    else if (stf_tiff_index_block_bytes(index) > INT32_MAX)
        *why = "its blocks are too large";
    else
        return true;
    return false;
}

/* Options that change pixels, or which of the file's rasters is shown. */
static bool is_opened_plainly(GDALDatasetH dataset) {
    const char *const harmless[] = {"NUM_THREADS", "GEOREF_SOURCES", "SPARSE_OK", "IGNORE_COG_LAYOUT_BREAK", NULL};
    for (CSLConstList option = stf_gdal_open_options(dataset); option && *option; option++) {
        char *key = NULL;
        CPLParseNameValue(*option, &key);
        bool known = key && CSLFindString((char **)harmless, key) >= 0;
        CPLFree(key);
        if (!known)
            return false;
    }
    return !CPLTestBool(CPLGetConfigOption("GTIFF_IGNORE_READ_ERRORS", "NO")) &&
           !CPLTestBool(CPLGetConfigOption("GTIFF_FORCE_RGBA", "NO"));
}

/* Some blocks, from the first to the last. */
static bool places_agree(const stf_tiff_index *index, GDALRasterBandH band, uint32_t band_number) {
    uint64_t last = (uint64_t)index->columns * index->rows - 1, looks = PLACES_COMPARED;
    for (uint64_t look = 0; look < looks; look++) {
        uint64_t at = last / (looks - 1) * look + last % (looks - 1) * look / (looks - 1);
        uint32_t column = (uint32_t)(at % index->columns), row = (uint32_t)(at / index->columns);
        uint64_t block = stf_tiff_index_block(index, band_number, column, row);
        if (stf_gtiff_block_item(band, "BLOCK_OFFSET", column, row) != index->offsets[block] ||
            (index->counts[block] < UINT32_MAX &&
             stf_gtiff_block_item(band, "BLOCK_SIZE", column, row) != index->counts[block]))
            return false;
    }
    return true;
}

/* All that the dataset tells of itself. It may have been opened when the file held another raster. */
static bool is_shown_by(const stf_tiff_index *index, GDALDatasetH dataset) {
    const char *compression = GDALGetMetadataItem(dataset, "COMPRESSION", "IMAGE_STRUCTURE");
    const char *interleave = GDALGetMetadataItem(dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    if ((uint32_t)GDALGetRasterXSize(dataset) != index->width_px ||
        (uint32_t)GDALGetRasterYSize(dataset) != index->height_px || GDALGetRasterCount(dataset) != index->bands ||
        !is_named(index->compression, compression) ||
        (index->bands > 1 && (!interleave || !EQUAL(interleave, index->planes_apart ? "BAND" : "PIXEL"))))
        return false;
    for (uint32_t b = 0; b < index->bands; b++) {
        GDALRasterBandH band = GDALGetRasterBand(dataset, (int)b + 1);
        int width, rows;
        GDALGetBlockSize(band, &width, &rows);
        if ((uint32_t)width != index->block_width_px || (uint32_t)rows != index->block_rows ||
            !sample_agrees(index, GDALGetRasterDataType(band)) ||
            ((b == 0 || index->planes_apart) && !places_agree(index, band, b)))
            return false;
    }
    return true;
}

/* --- opening and closing ----------------------------------------------------------------------- */

static void measure(stf_direct *direct) {
    const stf_tiff_index *index = &direct->index;
    direct->block_bands = index->planes_apart ? 1 : index->bands;
    direct->sample_bytes = index->sample_bits / 8u;
    direct->row_bytes = (size_t)index->block_width_px * direct->block_bands * direct->sample_bytes;
    direct->raw_bytes =
        index->compression == COMPRESSION_NONE ? 0 : ((size_t)stf_tiff_index_largest_bytes(index) + 63) / 64 * 64;
    direct->decoded_bytes = direct->block_bands > 1 ? (size_t)stf_tiff_index_block_bytes(index) : 0;
    direct->scratch_bytes = index->predictor == PREDICTOR_FLOATINGPOINT ? direct->row_bytes : 0;
}

static size_t pages_bytes(const stf_direct *direct) {
    return direct->raw_bytes + direct->decoded_bytes + direct->scratch_bytes;
}

/* Of blocks that are stored as they are GDAL may read more than the bytes that they are said to have: such tables are seen. */
static bool has_short_blocks(const stf_tiff_index *index) {
    uint64_t row_bytes = stf_tiff_index_block_bytes(index) / index->block_rows;
    for (uint64_t block = 0; index->compression == COMPRESSION_NONE && block < index->blocks; block++) {
        uint32_t row = (uint32_t)(block / index->columns % index->rows);
        if (!stf_tiff_index_is_missing(index, block) &&
            (!stf_tiff_index_is_sound(index, block) ||
             index->counts[block] < row_bytes * stf_tiff_index_rows_of(index, row)))
            return true;
    }
    return false;
}

/* Before TIFF 6 codes were packed from the other end: such a block begins with the clearing code the other way round. */
static bool is_old_lzw(const stf_tiff_index *index, stf_platform_file *file) {
    unsigned char head[2];
    for (uint64_t block = 0; index->compression == COMPRESSION_LZW && block < index->blocks; block++)
        if (stf_tiff_index_is_sound(index, block) && index->counts[block] >= sizeof head)
            return stf_platform_file_read(file, index->offsets[block], head, sizeof head) && head[0] == 0 &&
                   (head[1] & 1) != 0;
    return false;
}

static bool is_as_told(GDALDatasetH dataset, const stf_tiff_index *index, stf_platform_file *file, const char **why) {
    if (!is_shown_by(index, dataset))
        *why = "what GDAL says of it does not agree with its directory";
    else if (has_short_blocks(index))
        *why = "its blocks have other sizes than such blocks can have";
    else if (is_old_lzw(index, file))
        *why = "its LZW is of the old kind";
    else
        return true;
    return false;
}

stf_platform_file *stf_direct_open_file(GDALDatasetH dataset, const stf_platform_open *found, stf_tiff_index *index,
                                        const char **why) {
    *why = "its file is another one by now";
    memset(index, 0, sizeof *index);
    stf_platform_file *file = stf_platform_file_open(GDALGetDescription(dataset), found);
    if (!file)
        return NULL;
    bool done = is_opened_plainly(dataset);
    if (!done)
        *why = "it was opened with options that may change pixels";
    done = done && stf_tiff_index_read(file, index, why) && is_as_told(dataset, index, file, why);
    if (done)
        return file;
    stf_tiff_index_free(index);
    stf_platform_file_close(file);
    return NULL;
}

stf_direct *stf_direct_open(GDALDatasetH dataset, const stf_platform_open *found, const char **why) {
    stf_direct *direct = VSICalloc(1, sizeof *direct);
    *why = "there is no memory";
    if (!direct)
        return NULL;
    direct->name = GDALGetDescription(dataset);
    direct->file = stf_direct_open_file(dataset, found, &direct->index, why);
    bool done = direct->file != NULL && is_understood(&direct->index, why);
    if (done) {
        measure(direct);
        *why = "there is no memory for a reader";
        done = stf_direct_open_readers(direct, 1, NULL);
    }
    if (done)
        return direct;
    stf_direct_close(direct);
    return NULL;
}

void stf_direct_close(stf_direct *direct) {
    if (!direct)
        return;
    for (uint32_t i = 0; i < direct->reader_count; i++) {
        stf_block_decoder_destroy(direct->readers[i].decoder);
        stf_platform_pages_free(direct->readers[i].pages, pages_bytes(direct));
    }
    VSIFree(direct->readers);
    stf_tiff_index_free(&direct->index);
    stf_platform_file_close(direct->file);
    VSIFree(direct);
}

const stf_tiff_index *stf_direct_index(const stf_direct *direct) {
    return &direct->index;
}

bool stf_direct_is_compressed(const stf_direct *direct) {
    return direct->index.compression != COMPRESSION_NONE;
}

uint64_t stf_direct_kept_bytes(const stf_direct *direct) {
    return stf_add(sizeof *direct, stf_tiff_index_cost_bytes(&direct->index));
}

uint64_t stf_direct_reader_bytes(const stf_direct *direct) {
    return sizeof(direct_reader) + stf_block_decoder_bytes(direct->readers[0].decoder) + pages_bytes(direct);
}

bool stf_direct_open_readers(stf_direct *direct, uint32_t readers, stf_error *err) {
    if (readers <= direct->reader_count)
        return true;
    direct_reader *more = VSIRealloc(direct->readers, readers * sizeof *more);
    if (!more)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for %u readers", readers);
    direct->readers = more;
    while (direct->reader_count < readers) {
        direct_reader *reader = &more[direct->reader_count];
        reader->repeat.compressed_bytes = 0;
        reader->decoder = stf_block_decoder_create(direct->index.compression);
        reader->pages = pages_bytes(direct) > 0 ? stf_platform_pages_alloc(pages_bytes(direct)) : NULL;
        if (!reader->decoder || (pages_bytes(direct) > 0 && !reader->pages)) {
            stf_block_decoder_destroy(reader->decoder);
            stf_platform_pages_free(reader->pages, pages_bytes(direct));
            return stf_fail(err, CPLE_OutOfMemory, "No memory for %u readers of %s", readers, direct->name);
        }
        direct->reader_count++;
    }
    return true;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* The bytes of a block: into the reader's pages, or where nothing is to be decoded into its samples. NULL, or what is wrong. */
static const char *read_bytes(const stf_direct *direct, const direct_reader *reader, uint64_t block,
                              unsigned char *samples, size_t wanted_bytes) {
    const stf_tiff_index *index = &direct->index;
    bool stored = index->compression == COMPRESSION_NONE;
    size_t bytes = index->counts[block];
    if (stf_tiff_index_is_missing(index, block))
        return "it is missing";
    if (!stf_tiff_index_is_sound(index, block))
        return "it does not lie within the file, or is larger than such a block can be";
    if (stored && bytes < wanted_bytes)
        return "it has fewer bytes than a block";
    return stf_platform_file_read(direct->file, index->offsets[block], stored ? samples : reader->pages,
                                  stored ? wanted_bytes : bytes)
               ? NULL
               : "it cannot be read";
}

/* The samples of one row as they are in memory, still band by band within each pixel. */
static void finish_row(const stf_direct *direct, const direct_reader *reader, unsigned char *row) {
    const stf_tiff_index *index = &direct->index;
    size_t width = index->block_width_px;
    if (index->predictor == PREDICTOR_FLOATINGPOINT) {
        stf_unpredict_floating_point(row, width, direct->block_bands, index->sample_bits,
                                     reader->pages + direct->raw_bytes + direct->decoded_bytes);
        return;
    }
    if (index->swapped)
        stf_unpredict_swap(row, width * direct->block_bands, direct->sample_bytes);
    if (index->predictor == PREDICTOR_HORIZONTAL)
        stf_unpredict_horizontal(row, width, direct->block_bands, index->sample_bits);
}

/* Compressed bytes -> the block's pixels, by way of samples. NULL, or what is wrong. */
static const char *decode(const stf_direct *direct, const direct_reader *reader, size_t bytes, unsigned char *samples,
                          const stf_block_pixels *to) {
    const char *wrong = NULL;
    size_t to_row_bytes = to->row_px * to->sample_bytes;
    if (stf_direct_is_compressed(direct))
        wrong = stf_block_decoder_run(reader->decoder, reader->pages, bytes, samples, to->rows * direct->row_bytes,
                                      (size_t)stf_tiff_index_block_bytes(&direct->index));
    if (wrong)
        return wrong;
    for (uint32_t y = 0; y < to->rows; y++, samples += direct->row_bytes) {
        finish_row(direct, reader, samples);
        if (direct->block_bands > 1)
            stf_unpredict_separate(samples, to->row_px, direct->block_bands, direct->sample_bytes,
                                   to->pixels + y * to_row_bytes, to->band_bytes);
    }
    return NULL;
}

bool stf_direct_read(stf_direct *direct, uint32_t reader_number, uint32_t band, uint32_t column, uint32_t row,
                     unsigned char *to, size_t band_bytes, stf_error *err) {
    const stf_tiff_index *index = &direct->index;
    direct_reader *reader = &direct->readers[reader_number];
    uint64_t block = stf_tiff_index_block(index, band, column, row);
    const stf_block_pixels pixels = {to,
                                     band_bytes,
                                     direct->sample_bytes,
                                     direct->block_bands,
                                     stf_tiff_index_rows_of(index, row),
                                     index->block_width_px};
    unsigned char *samples = direct->block_bands > 1 ? reader->pages + direct->raw_bytes : to;
    size_t bytes = stf_direct_is_compressed(direct) ? index->counts[block] : 0;
    const char *wrong = read_bytes(direct, reader, block, samples, pixels.rows * direct->row_bytes);
    if (!wrong && stf_block_repeat_fill(&reader->repeat, reader->pages, bytes, &pixels))
        return true;
    if (!wrong)
        wrong = decode(direct, reader, bytes, samples, &pixels);
    if (wrong)
        return stf_fail(err, CPLE_FileIO,
                        "Reading block %u, %u of band %u of %s: %s (%u bytes at " CPL_FRMT_GUIB " of " CPL_FRMT_GUIB
                        ")",
                        column, row, band + 1, direct->name, wrong, index->counts[block],
                        (GUIntBig)index->offsets[block], (GUIntBig)index->file_bytes);
    if (bytes > 0)
        stf_block_repeat_keep(&reader->repeat, reader->pages, bytes, &pixels);
    return true;
}
