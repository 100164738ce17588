#include "tiff_index.h"

#include <stddef.h>
#include <string.h>

#include "cpl_port.h"
#include "cpl_vsi.h"
#include "geometry.h"
#include "tiff.h"

#define MOST_ENTRIES 1024u /* of a directory; plain ones have some thirty */
#define PIECE_BYTES 8192u  /* of a table, read at a time */
#define MOST_BANDS 65535u

#define MOST_TAG_BYTES 65536u /* of a tag that is read as it is */

enum { CLASSIC = 42, BIG = 43, TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_LONG8 = 16 };

typedef struct entry {
    uint16_t tag, type;
    uint64_t count;
    unsigned char value[8]; /* or where it lies, as the file has it */
} entry;

typedef struct reader {
    stf_platform_file *file;
    uint64_t file_bytes;
    bool swapped, big;
    uint32_t entries;
    unsigned char *directory; /* as the file has it */
    const char *why;
} reader;

static bool refuse(reader *r, const char *why) {
    r->why = why;
    return false;
}

/* --- numbers ----------------------------------------------------------------------------------- */

static uint16_t number_16(const reader *r, const unsigned char *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    if (r->swapped)
        value = (uint16_t)CPL_SWAP16(value);
    return value;
}

static uint32_t number_32(const reader *r, const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return r->swapped ? CPL_SWAP32(value) : value;
}

static uint64_t number_64(const reader *r, const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return r->swapped ? CPL_SWAP64(value) : value;
}

static uint64_t number_of_type(const reader *r, uint16_t type, const unsigned char *at) {
    return type == TYPE_SHORT ? number_16(r, at) : type == TYPE_LONG ? number_32(r, at) : number_64(r, at);
}

static uint32_t bytes_of_type(uint16_t type) {
    return type == TYPE_SHORT ? 2 : type == TYPE_LONG ? 4 : type == TYPE_LONG8 ? 8 : 0;
}

static bool read_at(reader *r, uint64_t offset, void *to, uint64_t bytes) {
    if (offset > r->file_bytes || bytes > r->file_bytes - offset)
        return refuse(r, "a part of the directory lies beyond the end of the file");
    return stf_platform_file_read(r->file, offset, to, (size_t)bytes) || refuse(r, "the directory cannot be read");
}

/* --- the directory ----------------------------------------------------------------------------- */

static bool read_directory(reader *r) {
    unsigned char head[16];
    const unsigned char little[2] = {'I', 'I'}, large[2] = {'M', 'M'};
    const uint16_t one = 1;
    bool host_is_little = *(const unsigned char *)&one == 1;
    if (!read_at(r, 0, head, 8))
        return false;
    if (memcmp(head, little, 2) != 0 && memcmp(head, large, 2) != 0)
        return refuse(r, "it is no TIFF file");
    r->swapped = (memcmp(head, little, 2) == 0) != host_is_little;
    uint16_t version = number_16(r, head + 2);
    r->big = version == BIG;
    if ((!r->big && version != CLASSIC) || (r->big && (!read_at(r, 8, head + 8, 8) || number_16(r, head + 4) != 8)))
        return refuse(r, "it is no TIFF file");
    uint64_t at = r->big ? number_64(r, head + 8) : number_32(r, head + 4);
    unsigned char count[8];
    uint32_t count_bytes = r->big ? 8 : 2, entry_bytes = r->big ? 20 : 12;
    if (!read_at(r, at, count, count_bytes))
        return false;
    uint64_t entries = r->big ? number_64(r, count) : number_16(r, count);
    if (entries == 0 || entries > MOST_ENTRIES)
        return refuse(r, "the directory has too many entries, or none");
    r->entries = (uint32_t)entries;
    r->directory = VSIMalloc((size_t)entries * entry_bytes);
    return r->directory ? read_at(r, at + count_bytes, r->directory, entries * entry_bytes)
                        : refuse(r, "there is no memory");
}

static entry entry_at(const reader *r, uint32_t number) {
    const unsigned char *at = r->directory + number * (r->big ? 20u : 12u);
    entry found = {number_16(r, at), number_16(r, at + 2), 0, {0}};
    found.count = r->big ? number_64(r, at + 4) : number_32(r, at + 4);
    memcpy(found.value, at + (r->big ? 12 : 8), r->big ? 8 : 4);
    return found;
}

/* count 0: there is none. False: there are several. */
static bool find(reader *r, uint16_t tag, entry *found) {
    memset(found, 0, sizeof *found);
    bool is_there = false;
    for (uint32_t i = 0; i < r->entries; i++) {
        entry e = entry_at(r, i);
        if (e.tag != tag)
            continue;
        if (is_there || bytes_of_type(e.type) == 0 || e.count == 0)
            return refuse(r, "a tag of the directory is there twice, or of an unusual type");
        *found = e;
        is_there = true;
    }
    return true;
}

static bool has(const reader *r, uint16_t tag) {
    for (uint32_t i = 0; i < r->entries; i++)
        if (entry_at(r, i).tag == tag)
            return true;
    return false;
}

/* Where the values of an entry lie in the file; *inside: in the entry itself. */
static uint64_t place_of(const reader *r, const entry *e, bool *inside) {
    *inside = e->count <= (r->big ? 8u : 4u) / bytes_of_type(e->type);
    return r->big ? number_64(r, e->value) : number_32(r, e->value);
}

/* Takes each value of an entry in turn. */
static bool for_each(reader *r, const entry *e, bool (*take)(void *context, uint64_t number, uint64_t value),
                     void *context) {
    unsigned char piece[PIECE_BYTES];
    bool inside;
    uint32_t each = bytes_of_type(e->type), per_piece = PIECE_BYTES / each;
    uint64_t at = place_of(r, e, &inside);
    for (uint64_t done = 0; done < e->count;) {
        uint64_t left = e->count - done;
        uint32_t now = left < per_piece ? (uint32_t)left : per_piece;
        if (inside)
            memcpy(piece, e->value, sizeof e->value);
        else if (at > r->file_bytes || !read_at(r, stf_add(at, stf_mul(done, each)), piece, (uint64_t)now * each))
            return refuse(r, "a table of the directory lies beyond the end of the file");
        for (uint32_t i = 0; i < now; i++)
            if (!take(context, done + i, number_of_type(r, e->type, piece + i * each)))
                return false;
        done += now;
    }
    return true;
}

typedef struct uniform {
    uint64_t value;
    bool is_uniform;
} uniform;

static bool take_uniform(void *context, uint64_t number, uint64_t value) {
    uniform *u = context;
    u->is_uniform = number == 0 || (u->is_uniform && u->value == value);
    u->value = value;
    return u->is_uniform;
}

/* The value of a tag, the same for all bands where there is one for each; fallback where it is not there. */
static bool value_of(reader *r, uint16_t tag, uint64_t fallback, uint64_t most, uint64_t *value) {
    entry e;
    *value = fallback;
    if (!find(r, tag, &e))
        return false;
    if (e.count > 0) {
        uniform u = {0, false};
        if (e.count > MOST_BANDS || !for_each(r, &e, take_uniform, &u))
            return refuse(r, "a tag of the directory has several values");
        *value = u.value;
    }
    return *value <= most || refuse(r, "a tag of the directory has an impossible value");
}

static bool value_16(reader *r, uint16_t tag, uint16_t fallback, uint16_t *value) {
    uint64_t found;
    bool done = value_of(r, tag, fallback, UINT16_MAX, &found);
    *value = (uint16_t)found;
    return done;
}

static bool value_32(reader *r, uint16_t tag, uint32_t fallback, uint32_t *value) {
    uint64_t found;
    bool done = value_of(r, tag, fallback, UINT32_MAX, &found);
    *value = (uint32_t)found;
    return done;
}

/* --- what the directory says ------------------------------------------------------------------- */

static bool read_samples(reader *r, stf_tiff_index *index) {
    uint16_t planes, order;
    if (!value_16(r, TIFFTAG_SAMPLESPERPIXEL, 1, &index->bands) ||
        !value_16(r, TIFFTAG_BITSPERSAMPLE, 1, &index->sample_bits) ||
        !value_16(r, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT, &index->sample_format) ||
        !value_16(r, TIFFTAG_COMPRESSION, COMPRESSION_NONE, &index->compression) ||
        !value_16(r, TIFFTAG_PREDICTOR, PREDICTOR_NONE, &index->predictor) ||
        !value_16(r, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK, &index->photometric) ||
        !value_16(r, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG, &planes) ||
        !value_16(r, TIFFTAG_FILLORDER, FILLORDER_MSB2LSB, &order))
        return false;
    if (order != FILLORDER_MSB2LSB || has(r, TIFFTAG_IMAGEDEPTH) || has(r, TIFFTAG_TILEDEPTH))
        return refuse(r, "it has bits in another order, or a third dimension");
    if (index->bands == 0 || index->sample_bits == 0 || index->sample_bits % 8 != 0 || index->sample_bits > 128 ||
        (planes != PLANARCONFIG_CONTIG && planes != PLANARCONFIG_SEPARATE))
        return refuse(r, "its samples are no whole bytes");
    index->planes_apart = index->bands > 1 && planes == PLANARCONFIG_SEPARATE;
    return true;
}

static bool read_shape(reader *r, stf_tiff_index *index) {
    index->tiled = has(r, TIFFTAG_TILEWIDTH);
    if (index->tiled && (has(r, TIFFTAG_STRIPOFFSETS) || has(r, TIFFTAG_ROWSPERSTRIP)))
        return refuse(r, "it has both tiles and strips");
    if (!value_32(r, TIFFTAG_IMAGEWIDTH, 0, &index->width_px) ||
        !value_32(r, TIFFTAG_IMAGELENGTH, 0, &index->height_px) ||
        !value_32(r, index->tiled ? TIFFTAG_TILEWIDTH : TIFFTAG_IMAGEWIDTH, 0, &index->block_width_px) ||
        !value_32(r, index->tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, 0, &index->block_rows))
        return false;
    if (!index->tiled && index->block_rows > index->height_px)
        index->block_rows = index->height_px;
    if (index->width_px == 0 || index->height_px == 0 || index->block_width_px == 0 || index->block_rows == 0)
        return refuse(r, "it has no size, or blocks without one");
    index->columns = (index->width_px - 1) / index->block_width_px + 1;
    index->rows = (index->height_px - 1) / index->block_rows + 1;
    index->blocks = stf_mul(stf_mul(index->columns, index->rows), index->planes_apart ? index->bands : 1u);
    return true;
}

static bool take_offset(void *context, uint64_t number, uint64_t value) {
    stf_tiff_index *index = context;
    index->offsets[number] = value;
    return true;
}

static bool take_count(void *context, uint64_t number, uint64_t value) {
    stf_tiff_index *index = context;
    index->counts[number] = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    return true;
}

static bool read_tables(reader *r, stf_tiff_index *index) {
    entry offsets, counts;
    if (!find(r, index->tiled ? TIFFTAG_TILEOFFSETS : TIFFTAG_STRIPOFFSETS, &offsets) ||
        !find(r, index->tiled ? TIFFTAG_TILEBYTECOUNTS : TIFFTAG_STRIPBYTECOUNTS, &counts))
        return false;
    if (offsets.count != index->blocks || counts.count != index->blocks)
        return refuse(r, "the tables of blocks do not have one entry for each");
    /* One block's two numbers may be in the directory itself; more of them take room in the file. */
    if (index->blocks > r->file_bytes || index->blocks > SIZE_MAX / sizeof *index->offsets)
        return refuse(r, "the tables of blocks are larger than the file");
    index->offsets = VSIMalloc((size_t)index->blocks * sizeof *index->offsets);
    index->counts = VSIMalloc((size_t)index->blocks * sizeof *index->counts);
    if (!index->offsets || !index->counts)
        return refuse(r, "there is no memory for the tables of blocks");
    if (!for_each(r, &offsets, take_offset, index) || !for_each(r, &counts, take_count, index))
        return false;
    for (uint64_t i = 0; i < index->blocks; i++)
        if ((index->offsets[i] == 0) != (index->counts[i] == 0))
            return refuse(r, "a block has a place but no size, or a size but no place");
    return true;
}

bool stf_tiff_index_read(stf_platform_file *file, stf_tiff_index *index, const char **why) {
    reader r = {file, stf_platform_file_bytes(file), false, false, 0, NULL, "it cannot be read"};
    memset(index, 0, sizeof *index);
    bool done = read_directory(&r) && read_samples(&r, index) && read_shape(&r, index) && read_tables(&r, index);
    VSIFree(r.directory);
    index->swapped = r.swapped;
    index->file_bytes = r.file_bytes;
    *why = r.why;
    if (!done)
        stf_tiff_index_free(index);
    return done;
}

/* --- single tags ------------------------------------------------------------------------------- */

/* Bytes of the numbers that one value is made of: a rational is two of them. */
static size_t number_bytes(uint16_t type) {
    return type == TIFF_RATIONAL || type == TIFF_SRATIONAL ? 4 : stf_tag_type_bytes(type);
}

static void swap_numbers(unsigned char *values, size_t bytes, size_t each) {
    for (size_t at = 0; at + each <= bytes; at += each)
        for (size_t i = 0; i < each / 2; i++) {
            unsigned char kept = values[at + i];
            values[at + i] = values[at + each - 1 - i];
            values[at + each - 1 - i] = kept;
        }
}

static bool take_tag(reader *r, const entry *e, stf_tag_list *tags) {
    uint64_t bytes = stf_mul(stf_tag_type_bytes(e->type), e->count);
    bool inside = bytes <= (r->big ? 8u : 4u);
    if (bytes == 0 || bytes > MOST_TAG_BYTES || stf_tag_list_find(tags, e->tag))
        return refuse(r, "a tag of the directory is there twice, or too large");
    unsigned char *values = VSIMalloc((size_t)bytes);
    bool done = values || refuse(r, "there is no memory");
    if (done && inside)
        memcpy(values, e->value, (size_t)bytes);
    else if (done)
        done = read_at(r, r->big ? number_64(r, e->value) : number_32(r, e->value), values, bytes);
    if (done && r->swapped)
        swap_numbers(values, (size_t)bytes, number_bytes(e->type));
    done = done && (stf_tag_list_set(tags, e->tag, e->type, e->count, values, NULL) || refuse(r, "there is no memory"));
    VSIFree(values);
    return done;
}

bool stf_tiff_index_read_tags(stf_platform_file *file, const uint16_t *wanted, size_t count, stf_tag_list *tags,
                              const char **why) {
    reader r = {file, stf_platform_file_bytes(file), false, false, 0, NULL, "it cannot be read"};
    memset(tags, 0, sizeof *tags);
    bool done = read_directory(&r);
    for (uint32_t i = 0; done && i < r.entries; i++) {
        entry e = entry_at(&r, i);
        for (size_t j = 0; done && j < count; j++)
            done = e.tag != wanted[j] || take_tag(&r, &e, tags);
    }
    VSIFree(r.directory);
    *why = r.why;
    if (!done)
        stf_tag_list_free(tags);
    return done;
}

void stf_tiff_index_free(stf_tiff_index *index) {
    VSIFree(index->offsets);
    VSIFree(index->counts);
    memset(index, 0, sizeof *index);
}

uint64_t stf_tiff_index_cost_bytes(const stf_tiff_index *index) {
    return stf_mul(index->blocks, sizeof *index->offsets + sizeof *index->counts);
}

uint64_t stf_tiff_index_block(const stf_tiff_index *index, uint32_t band, uint32_t column, uint32_t row) {
    uint64_t plane = index->planes_apart ? (uint64_t)band * index->columns * index->rows : 0;
    return plane + (uint64_t)row * index->columns + column;
}

uint64_t stf_tiff_index_block_bytes(const stf_tiff_index *index) {
    uint64_t pixel_bytes = index->sample_bits / 8u * (index->planes_apart ? 1u : index->bands);
    return stf_mul(stf_mul(index->block_width_px, index->block_rows), pixel_bytes);
}

uint32_t stf_tiff_index_rows_of(const stf_tiff_index *index, uint32_t row) {
    uint32_t left = index->height_px - row * index->block_rows;
    return index->tiled || left > index->block_rows ? index->block_rows : left;
}

bool stf_tiff_index_is_missing(const stf_tiff_index *index, uint64_t block) {
    return index->counts[block] == 0;
}

/* LZW takes up to 12 bits for a byte, no other codec as much; what is stored as it is may have more bytes than are wanted. */
bool stf_tiff_index_is_sound(const stf_tiff_index *index, uint64_t block) {
    uint64_t offset = index->offsets[block], bytes = index->counts[block];
    return bytes > 0 && bytes < UINT32_MAX && offset <= index->file_bytes && bytes <= index->file_bytes - offset &&
           bytes <= stf_add(stf_mul(2, stf_tiff_index_block_bytes(index)), 4096);
}

uint64_t stf_tiff_index_largest_bytes(const stf_tiff_index *index) {
    uint64_t largest = 0;
    for (uint64_t i = 0; i < index->blocks; i++)
        if (index->counts[i] > largest && stf_tiff_index_is_sound(index, i))
            largest = index->counts[i];
    return largest;
}
