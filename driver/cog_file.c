/* Everything before the tiles is written twice: first into nothing, to learn how long it is. */
#include "cog_file.h"

#include <string.h>

#include "cpl_vsi.h"
#include "geometry.h"
#include "tiff.h"
#include "tiff_tags.h"

typedef struct writer {
    const stf_cog *cog;
    bool big;
    uint64_t bytes;     /* written so far */
    stf_target *target; /* NULL: into nothing */
    uint64_t data_at;   /* where the tiles begin; 0: not known yet */
    uint64_t *offsets;  /* of the tiles of one image, when its table is written */
    GDALProgressFunc progress;
    void *progress_data;
} writer;

uint64_t stf_cog_table_bytes(uint64_t tiles) {
    return stf_mul(tiles, sizeof(uint64_t));
}

static bool write_next(void *sink, const void *data, size_t bytes, stf_error *err) {
    writer *w = sink;
    if (w->target && !stf_target_write(w->target, data, bytes, err))
        return false;
    w->bytes += bytes;
    return true;
}

static bool write_to_even_place(writer *w, stf_error *err) {
    return w->bytes % 2 == 0 || write_next(w, "", 1, err);
}

/* --- the order of the tiles -------------------------------------------------------------------- */

/* Calls visit for the leaders of all tiles of a part, in the order of the file. image: place in the list. */
typedef bool (*visit_record)(void *context, uint32_t image, uint64_t tile, uint64_t spooled_at, uint32_t bytes,
                             stf_error *err);

static bool visit_one(const stf_cog *cog, uint32_t image, uint64_t tile, visit_record visit, void *context,
                      stf_error *err) {
    uint64_t spooled_at;
    uint32_t bytes = stf_spool_record(cog->spool, cog->images[image].spooled, tile, &spooled_at);
    return visit(context, image, tile, spooled_at, bytes, err);
}

static bool visit_part(const stf_cog *cog, const stf_cog_part *part, visit_record visit, void *context,
                       stf_error *err) {
    uint64_t tiles = cog->images[part->image].tiles, planes = part->planes > 1 ? part->planes : 1;
    for (uint64_t place = 0; place < tiles / planes; place++) {
        for (uint64_t plane = 0; plane < planes; plane++)
            if (!visit_one(cog, part->image, plane * (tiles / planes) + place, visit, context, err))
                return false;
        if (part->mask != STF_COG_NO_IMAGE && !visit_one(cog, part->mask, place, visit, context, err))
            return false;
    }
    return true;
}

/* --- tables of places and sizes ---------------------------------------------------------------- */

typedef struct placing {
    uint64_t at; /* of the next tile's leader */
    uint32_t image;
    uint64_t *offsets;
} placing;

static bool place(void *context, uint32_t image, uint64_t tile, uint64_t spooled_at, uint32_t bytes, stf_error *err) {
    placing *p = context;
    (void)spooled_at;
    (void)err;
    if (image == p->image)
        p->offsets[tile] = bytes ? p->at + STF_SPOOL_LEADER_BYTES : 0;
    p->at += bytes;
    return true;
}

/* The places of all tiles of one image. */
static bool find_offsets(writer *w, uint32_t image, stf_error *err) {
    placing p = {w->data_at, image, w->offsets};
    for (uint32_t i = 0; i < w->cog->part_count; i++)
        if (!visit_part(w->cog, &w->cog->parts[i], place, &p, err))
            return false;
    return true;
}

/* libtiff assumes of these codecs that they never make a tile ten times as large. */
static bool is_bounded(uint16_t compression) {
    switch (compression) {
    case COMPRESSION_LZW:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_LZMA:
    case COMPRESSION_LERC:
    case COMPRESSION_ZSTD:
    case COMPRESSION_WEBP:
    case COMPRESSION_JPEG:
        return true;
    default:
        return false;
    }
}

static bool may_exceed(uint16_t compression, uint64_t tile_bytes, uint64_t limit) {
    if (compression == COMPRESSION_NONE)
        return tile_bytes > limit;
    return !is_bounded(compression) || tile_bytes >= limit / 10;
}

static uint16_t counts_type(const writer *w, const stf_cog_image *image) {
    const stf_tag *tag = stf_tag_list_find(image->tags, TIFFTAG_COMPRESSION);
    uint16_t compression = tag ? *(const uint16_t *)tag->values : COMPRESSION_NONE;
    bool several = image->tiles > 1;
    if (w->big && (!several || may_exceed(compression, image->tile_bytes, UINT32_MAX)))
        return TIFF_LONG8;
    bool narrow = several && !may_exceed(compression, image->tile_bytes, UINT16_MAX);
    for (uint64_t tile = 0; narrow && tile < image->tiles; tile++)
        narrow = stf_spool_tile_bytes(w->cog->spool, image->spooled, tile) <= UINT16_MAX;
    return narrow ? TIFF_SHORT : TIFF_LONG;
}

static void put_number(unsigned char *at, uint64_t value, size_t bytes) {
    uint16_t half = (uint16_t)value;
    uint32_t word = (uint32_t)value;
    memcpy(at, bytes == 8 ? (const void *)&value : bytes == 4 ? (const void *)&word : (const void *)&half, bytes);
}

static uint64_t table_value(writer *w, const stf_cog_image *image, uint64_t tile, bool counts) {
    return counts ? stf_spool_tile_bytes(w->cog->spool, image->spooled, tile) : w->offsets[tile];
}

static bool write_table(writer *w, const stf_cog_image *image, uint16_t type, bool counts, stf_error *err) {
    unsigned char piece[4096];
    size_t size = stf_tag_type_bytes(type);
    if (!w->target) {
        w->bytes += stf_mul(size, image->tiles);
        return true;
    }
    for (uint64_t tile = 0; tile < image->tiles;) {
        size_t used = 0;
        for (; used + size <= sizeof piece && tile < image->tiles; tile++, used += size)
            put_number(piece + used, table_value(w, image, tile, counts), size);
        if (!write_next(w, piece, used, err))
            return false;
    }
    return true;
}

/* Into the entry, where that is room enough. */
static void fill_inline(writer *w, const stf_cog_image *image, uint16_t type, bool counts, unsigned char room[8]) {
    size_t size = stf_tag_type_bytes(type);
    memset(room, 0, 8);
    if (w->target && stf_directory_fits_entry(w->big, type, image->tiles))
        for (uint64_t tile = 0; tile < image->tiles; tile++)
            put_number(room + tile * size, table_value(w, image, tile, counts), size);
}

/* --- what stands before the tiles -------------------------------------------------------------- */

typedef struct table_places {
    uint64_t offsets_at, counts_at;
} table_places;

static bool write_directory(writer *w, uint32_t number, const table_places *places, stf_error *err) {
    const stf_cog_image *image = &w->cog->images[number];
    stf_tables_apart apart = {0};
    stf_tile_tables tables = {0};
    /* Until it is known, any place that is not 0. */
    apart.offsets_at = places->offsets_at ? places->offsets_at : 2;
    apart.counts_at = places->counts_at ? places->counts_at : 2;
    apart.counts_type = counts_type(w, image);
    if (w->target && stf_directory_fits_entry(w->big, TIFF_SHORT, image->tiles)) {
        if (!find_offsets(w, number, err))
            return false;
        fill_inline(w, image, w->big ? TIFF_LONG8 : TIFF_LONG, false, apart.offsets_inline);
        fill_inline(w, image, apart.counts_type, true, apart.counts_inline);
    }
    tables.tiles = image->tiles;
    tables.tiled = image->tiled;
    tables.chained = number + 1 < w->cog->image_count;
    tables.apart = &apart;
    return write_to_even_place(w, err) &&
           stf_directory_write(w->big, image->tags, &tables, w->bytes, write_next, w, err);
}

/* The tables of an image, offsets first; places: where they begin. */
static bool write_tables(writer *w, uint32_t number, table_places *places, stf_error *err) {
    const stf_cog_image *image = &w->cog->images[number];
    uint16_t offsets_type = w->big ? TIFF_LONG8 : TIFF_LONG, sizes_type = counts_type(w, image);
    bool offsets_apart = !stf_directory_fits_entry(w->big, offsets_type, image->tiles);
    bool counts_apart = !stf_directory_fits_entry(w->big, sizes_type, image->tiles);
    if (w->target && (offsets_apart || counts_apart) && !find_offsets(w, number, err))
        return false;
    if (offsets_apart) {
        places->offsets_at = w->bytes;
        if (!write_table(w, image, offsets_type, false, err))
            return false;
    }
    if (counts_apart) {
        places->counts_at = w->bytes;
        if (!write_table(w, image, sizes_type, true, err))
            return false;
    }
    return true;
}

static bool write_head(writer *w, table_places *places, stf_error *err) {
    unsigned char header[STF_TIFF_HEADER_BYTES];
    uint64_t first = (w->big ? 16 : 8) + w->cog->ghost_bytes;
    size_t header_bytes = stf_tiff_header(w->big, false, first + first % 2, header);
    bool done = write_next(w, header, header_bytes, err) &&
                (w->cog->ghost_bytes == 0 || write_next(w, w->cog->ghost, w->cog->ghost_bytes, err));
    for (uint32_t i = 0; done && i < w->cog->image_count; i++)
        done = write_directory(w, i, &places[i], err);
    for (uint32_t i = 0; done && i < w->cog->image_count; i++)
        done = write_tables(w, i, &places[i], err);
    return done;
}

/* Fills places and says where the tiles begin; 0: it cannot be. */
static uint64_t measure_head(const stf_cog *cog, bool big, table_places *places, stf_error *err) {
    writer w = {0};
    w.cog = cog;
    w.big = big;
    return write_head(&w, places, err) ? w.bytes : 0;
}

static table_places *create_places(const stf_cog *cog, stf_error *err) {
    table_places *places = VSICalloc(cog->image_count, sizeof *places);
    if (!places)
        stf_fail(err, CPLE_OutOfMemory, "No memory for %u directories", cog->image_count);
    return places;
}

uint64_t stf_cog_file_bytes(const stf_cog *cog, bool big) {
    table_places *places = create_places(cog, NULL);
    uint64_t head = places ? measure_head(cog, big, places, NULL) : 0;
    uint64_t bytes = head ? stf_add(head, stf_spool_bytes(cog->spool)) : UINT64_MAX;
    VSIFree(places);
    return !big && bytes > UINT32_MAX ? UINT64_MAX : bytes;
}

/* --- the tiles --------------------------------------------------------------------------------- */

/* Tiles that follow each other in the spool are read together, and written in pieces as large as there is room. */
typedef struct copying {
    writer *writer;
    uint64_t run_at, run_bytes; /* of the spool, not read yet */
    unsigned char *room;
    size_t room_bytes, used_bytes;
    uint64_t done_bytes, all_bytes;
} copying;

static bool write_room(copying *c, stf_error *err) {
    writer *w = c->writer;
    if (c->used_bytes == 0)
        return true;
    if (!write_next(w, c->room, c->used_bytes, err))
        return false;
    c->done_bytes += c->used_bytes;
    c->used_bytes = 0;
    if (w->progress && !w->progress((double)c->done_bytes / (double)c->all_bytes, "", w->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated CreateCopy()");
    return true;
}

static bool read_run(copying *c, stf_error *err) {
    while (c->run_bytes > 0) {
        size_t room = c->room_bytes - c->used_bytes;
        size_t bytes = c->run_bytes < room ? (size_t)c->run_bytes : room;
        if (!stf_spool_read_at(c->writer->cog->spool, c->run_at, c->room + c->used_bytes, bytes, err))
            return false;
        c->used_bytes += bytes;
        c->run_at += bytes;
        c->run_bytes -= bytes;
        if (c->used_bytes == c->room_bytes && !write_room(c, err))
            return false;
    }
    return true;
}

static bool copy_record(void *context, uint32_t image, uint64_t tile, uint64_t spooled_at, uint32_t bytes,
                        stf_error *err) {
    copying *c = context;
    (void)image;
    (void)tile;
    if (bytes == 0)
        return true;
    if (spooled_at != c->run_at + c->run_bytes) {
        if (!read_run(c, err))
            return false;
        c->run_at = spooled_at;
    }
    c->run_bytes += bytes;
    return true;
}

static bool copy_tiles(writer *w, stf_error *err) {
    copying c = {0};
    void *room;
    c.writer = w;
    c.all_bytes = stf_spool_bytes(w->cog->spool);
    if (!stf_spool_flush(w->cog->spool, &room, &c.room_bytes, err))
        return false;
    c.room = room;
    for (uint32_t i = 0; i < w->cog->part_count; i++)
        if (!visit_part(w->cog, &w->cog->parts[i], copy_record, &c, err))
            return false;
    return read_run(&c, err) && write_room(&c, err);
}

static uint64_t most_tiles(const stf_cog *cog) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < cog->image_count; i++)
        most = cog->images[i].tiles > most ? cog->images[i].tiles : most;
    return most;
}

bool stf_cog_write(const stf_cog *cog, bool big, stf_target *target, GDALProgressFunc progress, void *progress_data,
                   stf_error *err) {
    writer w = {0};
    table_places *places = create_places(cog, err);
    w.cog = cog;
    w.big = big;
    w.target = target;
    w.progress = progress;
    w.progress_data = progress_data;
    w.data_at = places ? measure_head(cog, big, places, err) : 0;
    w.offsets = w.data_at ? VSIMalloc2((size_t)most_tiles(cog), sizeof *w.offsets) : NULL;
    if (w.data_at && !w.offsets)
        stf_fail(err, CPLE_OutOfMemory, "No memory for the places of the tiles: larger tiles need less");
    bool done = w.offsets && write_head(&w, places, err) && copy_tiles(&w, err);
    VSIFree(w.offsets);
    VSIFree(places);
    return done;
}
