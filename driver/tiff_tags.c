#include "tiff_tags.h"

#include <stdlib.h>
#include <string.h>

#include "cpl_vsi.h"
#include "geometry.h"
#include "samples.h"
#include "tiff.h"

/* --- the list ---------------------------------------------------------------------------------- */

size_t stf_tag_type_bytes(uint16_t type) {
    static const unsigned char bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
    return type < sizeof(bytes) ? bytes[type] : 0;
}

static uint64_t value_bytes(uint16_t type, uint64_t count) {
    return stf_mul(stf_tag_type_bytes(type), count);
}

static stf_tag *find(const stf_tag_list *list, uint16_t tag) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].tag == tag)
            return &list->items[i];
    }
    return NULL;
}

const stf_tag *stf_tag_list_find(const stf_tag_list *list, uint16_t tag) {
    return find(list, tag);
}

static stf_tag *add_item(stf_tag_list *list) {
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 32;
        stf_tag *items = VSIRealloc(list->items, room * sizeof(*items));
        if (!items)
            return NULL;
        list->items = items;
        list->room = room;
    }
    stf_tag *item = &list->items[list->count++];
    memset(item, 0, sizeof(*item));
    return item;
}

bool stf_tag_list_set(stf_tag_list *list, uint16_t tag, uint16_t type, uint64_t count, const void *values,
                      stf_error *err) {
    uint64_t bytes = value_bytes(type, count);
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return stf_fail(err, CPLE_AppDefined, "TIFF tag %u cannot have %llu values of type %u", tag,
                        (unsigned long long)count, type);
    void *copy = VSIMalloc((size_t)bytes);
    stf_tag *item = copy ? find(list, tag) : NULL;
    if (copy && !item)
        item = add_item(list);
    if (!item) {
        VSIFree(copy);
        return stf_fail(err, CPLE_OutOfMemory, "Out of memory for %llu bytes of TIFF tag %u", (unsigned long long)bytes,
                        tag);
    }
    memcpy(copy, values, (size_t)bytes);
    VSIFree(item->values);
    *item = (stf_tag){tag, type, count, copy};
    return true;
}

bool stf_tag_list_set_short(stf_tag_list *list, uint16_t tag, uint16_t value, stf_error *err) {
    return stf_tag_list_set(list, tag, TIFF_SHORT, 1, &value, err);
}

bool stf_tag_list_set_long(stf_tag_list *list, uint16_t tag, uint32_t value, stf_error *err) {
    return stf_tag_list_set(list, tag, TIFF_LONG, 1, &value, err);
}

void stf_tag_list_remove(stf_tag_list *list, uint16_t tag) {
    stf_tag *item = find(list, tag);
    if (!item)
        return;
    VSIFree(item->values);
    size_t behind = list->count - (size_t)(item - list->items) - 1;
    memmove(item, item + 1, behind * sizeof *item);
    list->count--;
}

bool stf_tag_list_copy(stf_tag_list *list, const stf_tag_list *from, stf_error *err) {
    for (size_t i = 0; i < from->count; i++) {
        const stf_tag *tag = &from->items[i];
        if (!stf_tag_list_set(list, tag->tag, tag->type, tag->count, tag->values, err))
            return false;
    }
    return true;
}

void stf_tag_list_free(stf_tag_list *list) {
    for (size_t i = 0; i < list->count; i++)
        VSIFree(list->items[i].values);
    VSIFree(list->items);
    *list = (stf_tag_list){0};
}

/* --- the directory ----------------------------------------------------------------------------- */

/* One entry: a tag of the list, or one of the tile tables (values NULL). */
typedef struct entry {
    stf_tag tag;
    uint64_t bytes;
    uint64_t offset; /* of the values, where they do not fit */
} entry;

typedef struct directory {
    bool big;
    uint64_t step;
    const stf_tile_tables *tables;
    entry *entries;
    size_t count;
    uint64_t next; /* where the next directory begins; 0: there is none */
    stf_directory_sink write;
    void *sink;
} directory;

static uint64_t align(uint64_t step, uint64_t offset) {
    return stf_add(offset, step - 1) / step * step;
}

/* What begins in a directory begins at a multiple of this. */
static uint64_t step_of(bool big, const stf_tile_tables *tables) {
    return big && !(tables && tables->apart) ? 8 : 2;
}

static uint64_t head_bytes(bool big, uint64_t step, uint64_t entries) {
    return align(step, big ? 8 + 20 * entries + 8 : 2 + 12 * entries + 4);
}

static size_t inline_bytes(bool big) {
    return big ? 8 : 4;
}

static uint16_t offsets_type(bool big) {
    return big ? TIFF_LONG8 : TIFF_LONG;
}

uint64_t stf_directory_bytes(bool big, const stf_tag_list *tags, uint64_t tiles) {
    uint64_t step = step_of(big, NULL);
    uint64_t total = head_bytes(big, step, tags->count + 2);
    uint64_t tables[2] = {value_bytes(offsets_type(big), tiles), value_bytes(TIFF_LONG, tiles)};
    for (size_t i = 0; i < tags->count + 2; i++) {
        const stf_tag *tag = i < tags->count ? &tags->items[i] : NULL;
        uint64_t bytes = tag ? value_bytes(tag->type, tag->count) : tables[i - tags->count];
        if (bytes > inline_bytes(big))
            total = stf_add(total, align(step, bytes));
    }
    return total;
}

static int by_tag(const void *a, const void *b) {
    return (int)((const entry *)a)->tag.tag - (int)((const entry *)b)->tag.tag;
}

static int by_place(const void *a, const void *b) {
    uint64_t one = ((const entry *)a)->offset, other = ((const entry *)b)->offset;
    return one < other ? -1 : one > other;
}

bool stf_directory_fits_entry(bool big, uint16_t type, uint64_t count) {
    return value_bytes(type, count) <= inline_bytes(big);
}

static bool is_offsets(const stf_tag *tag) {
    return tag->tag == TIFFTAG_TILEOFFSETS || tag->tag == TIFFTAG_STRIPOFFSETS;
}

/* Where the values that do not fit into their entries lie; *next: behind the last of them. */
static bool place_values(directory *dir, uint64_t *next, stf_error *err) {
    const stf_tables_apart *apart = dir->tables->apart;
    for (size_t i = 0; i < dir->count; i++) {
        entry *item = &dir->entries[i];
        item->bytes = value_bytes(item->tag.type, item->tag.count);
        if (!dir->big && (item->tag.type >= TIFF_LONG8 || item->tag.count > UINT32_MAX))
            return stf_fail(err, CPLE_AppDefined, "TIFF tag %u needs a BigTIFF: set BIGTIFF=YES", item->tag.tag);
        if (item->bytes <= inline_bytes(dir->big))
            continue;
        if (apart && !item->tag.values) {
            item->offset = is_offsets(&item->tag) ? apart->offsets_at : apart->counts_at;
            continue;
        }
        item->offset = align(dir->step, *next);
        *next = stf_add(item->offset, apart ? item->bytes : align(dir->step, item->bytes));
    }
    return true;
}

static bool lay_out(directory *dir, const stf_tag_list *tags, uint64_t offset, stf_error *err) {
    const stf_tables_apart *apart = dir->tables->apart;
    uint16_t offsets_tag = dir->tables->tiled ? TIFFTAG_TILEOFFSETS : TIFFTAG_STRIPOFFSETS;
    uint16_t counts_tag = dir->tables->tiled ? TIFFTAG_TILEBYTECOUNTS : TIFFTAG_STRIPBYTECOUNTS;
    for (size_t i = 0; i < tags->count; i++) {
        if (tags->items[i].tag != offsets_tag && tags->items[i].tag != counts_tag)
            dir->entries[dir->count++].tag = tags->items[i];
    }
    dir->entries[dir->count++].tag = (stf_tag){offsets_tag, offsets_type(dir->big), dir->tables->tiles, NULL};
    dir->entries[dir->count++].tag =
        (stf_tag){counts_tag, apart ? apart->counts_type : TIFF_LONG, dir->tables->tiles, NULL};
    uint64_t next = stf_add(offset, head_bytes(dir->big, dir->step, dir->count));
    if (!apart)
        qsort(dir->entries, dir->count, sizeof(entry), by_tag);
    if (!place_values(dir, &next, err))
        return false;
    if (apart)
        qsort(dir->entries, dir->count, sizeof(entry), by_tag);
    if (next > (dir->big ? INT64_MAX : UINT32_MAX))
        return stf_fail(err, CPLE_AppDefined, "The file would be larger than a %s TIFF can be: set BIGTIFF=YES",
                        dir->big ? "big" : "classic");
    dir->next = dir->tables->chained ? align(dir->step, next) : 0;
    return true;
}

/* Values of a tile table from index on, as many as fit into room; the type is the entry's. */
static size_t table_piece(const directory *dir, const stf_tag *tag, uint64_t index, unsigned char *piece, size_t room) {
    size_t size = stf_tag_type_bytes(tag->type);
    size_t count = room / size;
    if (count > tag->count - index)
        count = (size_t)(tag->count - index);
    bool counts = tag->tag == TIFFTAG_TILEBYTECOUNTS || tag->tag == TIFFTAG_STRIPBYTECOUNTS;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = counts ? dir->tables->counts_bytes[index + i] : dir->tables->offsets[index + i];
        uint32_t low = (uint32_t)value; /* lay_out has seen that a classic TIFF ends below 4 GiB */
        memcpy(piece + i * size, size == 8 ? (const void *)&value : (const void *)&low, size);
    }
    return count;
}

/* Bits of each number of a value: a rational is two. */
static uint16_t number_bits(uint16_t type) {
    return (uint16_t)(type == TIFF_RATIONAL || type == TIFF_SRATIONAL ? 32 : 8 * stf_tag_type_bytes(type));
}

/* Turns numbers to the byte order of the file. */
static void turn(const directory *dir, void *numbers, size_t bytes, uint16_t bits) {
    if (dir->tables->swapped)
        stf_samples_swap(numbers, bytes * 8 / bits, bits, false);
}

static bool write_piece(const directory *dir, const stf_tag *tag, unsigned char *piece, size_t bytes, stf_error *err) {
    turn(dir, piece, bytes, number_bits(tag->type));
    return dir->write(dir->sink, piece, bytes, err);
}

static bool write_values(const directory *dir, const entry *item, stf_error *err) {
    static const unsigned char zeros[8] = {0};
    unsigned char piece[4096]; /* whole values of every type */
    const stf_tag *tag = &item->tag;
    if (tag->values) {
        for (uint64_t at = 0; at < item->bytes;) {
            size_t bytes = item->bytes - at < sizeof(piece) ? (size_t)(item->bytes - at) : sizeof(piece);
            memcpy(piece, (const unsigned char *)tag->values + at, bytes);
            if (!write_piece(dir, tag, piece, bytes, err))
                return false;
            at += bytes;
        }
    } else {
        for (uint64_t index = 0; index < tag->count;) {
            size_t count = table_piece(dir, tag, index, piece, sizeof(piece));
            if (!write_piece(dir, tag, piece, count * stf_tag_type_bytes(tag->type), err))
                return false;
            index += count;
        }
    }
    size_t padding = dir->tables->apart ? 0 : (size_t)(align(dir->step, item->bytes) - item->bytes);
    return padding == 0 || dir->write(dir->sink, zeros, padding, err);
}

static unsigned char *put(const directory *dir, unsigned char *at, const void *value, size_t bytes) {
    memcpy(at, value, bytes);
    turn(dir, at, bytes, (uint16_t)(8 * bytes));
    return at + bytes;
}

/* A count or an offset, in the width of the format. */
static unsigned char *put_size(const directory *dir, unsigned char *at, uint64_t value) {
    uint32_t low = (uint32_t)value;
    return dir->big ? put(dir, at, &value, 8) : put(dir, at, &low, 4);
}

static void fill_head(const directory *dir, unsigned char *head) {
    uint64_t count = dir->count;
    uint16_t low = (uint16_t)count;
    unsigned char *at = dir->big ? put(dir, head, &count, 8) : put(dir, head, &low, 2);
    for (size_t i = 0; i < dir->count; i++) {
        const entry *item = &dir->entries[i];
        at = put(dir, at, &item->tag.tag, 2);
        at = put(dir, at, &item->tag.type, 2);
        at = put_size(dir, at, item->tag.count);
        if (item->offset)
            at = put_size(dir, at, item->offset);
        else { /* inline values lie at the left of the field; the rest is zero already */
            const stf_tables_apart *apart = dir->tables->apart;
            if (item->tag.values)
                memcpy(at, item->tag.values, (size_t)item->bytes);
            else if (apart)
                memcpy(at, is_offsets(&item->tag) ? apart->offsets_inline : apart->counts_inline, (size_t)item->bytes);
            else
                table_piece(dir, &item->tag, 0, at, inline_bytes(dir->big));
            turn(dir, at, (size_t)item->bytes, number_bits(item->tag.type));
            at += inline_bytes(dir->big);
        }
    }
    put_size(dir, at, dir->next);
}

static bool write_all(directory *dir, stf_error *err) {
    size_t bytes = (size_t)head_bytes(dir->big, dir->step, dir->count);
    unsigned char *head = VSICalloc(1, bytes);
    if (!head)
        return stf_fail(err, CPLE_OutOfMemory, "Out of memory for a TIFF directory of %u tags", (unsigned)dir->count);
    fill_head(dir, head);
    bool done = dir->write(dir->sink, head, bytes, err);
    VSIFree(head);
    if (dir->tables->apart)
        qsort(dir->entries, dir->count, sizeof(entry), by_place);
    bool odd = false; /* where values lie apart they are padded before, not behind: nothing follows the last one */
    for (size_t i = 0; done && i < dir->count; i++) {
        const entry *item = &dir->entries[i];
        if (!item->offset || (dir->tables->apart && !item->tag.values))
            continue;
        done = (!odd || dir->write(dir->sink, "", 1, err)) && write_values(dir, item, err);
        odd = dir->tables->apart && item->bytes % 2 != 0;
    }
    return done;
}

bool stf_directory_write(bool big, const stf_tag_list *tags, const stf_tile_tables *tables, uint64_t offset,
                         stf_directory_sink write, void *sink, stf_error *err) {
    directory dir = {.big = big, .step = step_of(big, tables), .tables = tables, .write = write, .sink = sink};
    if (tags->count > UINT16_MAX - 2 || tables->tiles == 0)
        return stf_fail(err, CPLE_AppDefined, "A TIFF directory cannot hold %llu tags and %llu tiles",
                        (unsigned long long)tags->count, (unsigned long long)tables->tiles);
    dir.entries = VSICalloc(tags->count + 2, sizeof(entry));
    if (!dir.entries)
        return stf_fail(err, CPLE_OutOfMemory, "Out of memory for a TIFF directory of %u tags", (unsigned)tags->count);
    bool done = lay_out(&dir, tags, offset, err) && write_all(&dir, err);
    VSIFree(dir.entries);
    return done;
}
