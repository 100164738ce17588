/* Layout of the file, front to back:
 *
 *      header (8 bytes, BigTIFF 16) | tiles as they come | directory and its values | the next one ...
 *
 * Only the header is touched twice: the directory's place is patched in at the end. Or, where the directory comes first:
 *
 *      header | directory and its values | tile 0 | tile 1 | ... */
#include "tiff_file.h"

#include <string.h>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "geometry.h"
#include "samples.h"
#include "target.h"
#include "tiff_tags.h"

enum { TABLE_ENTRY_BYTES = sizeof(uint64_t) + sizeof(uint32_t) };

/* Where the tiles of one image lie. */
typedef struct image_tables {
    uint64_t tiles;
    uint64_t *offsets;
    uint32_t *counts_bytes;
} image_tables;

struct stf_tiff_file {
    stf_target *target;
    char *name;
    bool swapped;
    bool big;
    bool directory_first;   /* every tile has its place */
    uint64_t tiles_written; /* then: of all */
    uint32_t image_count;
    image_tables images[STF_TIFF_FILE_IMAGES];
};

/* --- writing ----------------------------------------------------------------------------------- */

size_t stf_tiff_header(bool big, bool swapped, uint64_t directory, unsigned char header[STF_TIFF_HEADER_BYTES]) {
    static const uint16_t big_words[3] = {43, 8, 0}; /* version, bytes of an offset, reserved */
    uint16_t classic_word = 42;
    uint32_t classic_directory = (uint32_t)directory;
    memcpy(header, (CPL_IS_LSB != 0) != swapped ? "II" : "MM", 2);
    memcpy(header + 2, big ? big_words : &classic_word, big ? sizeof(big_words) : sizeof(classic_word));
    memcpy(header + (big ? 8 : 4), big ? (const void *)&directory : (const void *)&classic_directory, big ? 8 : 4);
    if (swapped) {
        stf_samples_swap(header + 2, big ? 3 : 1, 16, false);
        stf_samples_swap(header + (big ? 8 : 4), 1, big ? 64 : 32, false);
    }
    return big ? 16 : 8;
}

bool stf_tiff_file_needs_big(uint64_t worst_case_bytes) {
    return worst_case_bytes > UINT32_MAX;
}

uint64_t stf_tiff_file_table_bytes(uint64_t tiles) {
    return stf_mul(tiles, TABLE_ENTRY_BYTES);
}

bool stf_tiff_file_add_image(stf_tiff_file *file, uint64_t tiles, stf_error *err) {
    uint64_t bytes = stf_tiff_file_table_bytes(tiles);
    if (file->image_count == STF_TIFF_FILE_IMAGES)
        return stf_fail(err, CPLE_AppDefined, "%s cannot have more than %d images", file->name, STF_TIFF_FILE_IMAGES);
    image_tables *image = &file->images[file->image_count++];
    image->tiles = tiles;
    if (tiles > 0 && bytes <= SIZE_MAX / 2) {
        image->offsets = VSICalloc((size_t)tiles, sizeof(*image->offsets));
        image->counts_bytes = VSICalloc((size_t)tiles, sizeof(*image->counts_bytes));
    }
    if (image->offsets && image->counts_bytes)
        return true;
    return stf_fail(err, CPLE_OutOfMemory, "No memory for the places of %llu tiles: %llu bytes; larger tiles need less",
                    (unsigned long long)tiles, (unsigned long long)bytes);
}

static void free_tables(stf_tiff_file *file) {
    for (uint32_t i = 0; i < file->image_count; i++) {
        VSIFree(file->images[i].offsets);
        VSIFree(file->images[i].counts_bytes);
    }
    file->image_count = 0;
}

stf_tiff_file *stf_tiff_file_create(const char *target, bool big, uint64_t tiles, stf_error *err) {
    stf_tiff_file *file = VSICalloc(1, sizeof(*file));
    if (!file) {
        stf_fail(err, CPLE_OutOfMemory, "Out of memory for a TIFF file");
        return NULL;
    }
    file->name = CPLStrdup(target);
    file->big = big;
    unsigned char header[STF_TIFF_HEADER_BYTES];
    size_t header_bytes = stf_tiff_header(big, false, 0, header);
    file->target = stf_target_create(target, true, err);
    if (file->target && stf_tiff_file_add_image(file, tiles, err) &&
        stf_target_write(file->target, header, header_bytes, err))
        return file;
    stf_tiff_file_abort(file);
    return NULL;
}

void stf_tiff_file_swap(stf_tiff_file *file) {
    file->swapped = true;
}

/* A file with holes would be read as one without: each tile comes once, and has its size. */
static bool put_tile(stf_tiff_file *file, image_tables *tables, uint64_t tile, const void *data, uint64_t bytes,
                     stf_error *err) {
    if (tile >= tables->tiles || tables->counts_bytes[tile] != bytes || bytes == 0)
        return stf_fail(err, CPLE_AppDefined, "Tile %llu of %s has %llu bytes, which its place has not",
                        (unsigned long long)tile, file->name, (unsigned long long)bytes);
    tables->counts_bytes[tile] = 0; /* in the file it is already */
    file->tiles_written++;
    return stf_target_write_at(file->target, tables->offsets[tile], data, (size_t)bytes, err);
}

bool stf_tiff_file_append(stf_tiff_file *file, uint32_t image, uint64_t tile_index, const void *data, uint64_t bytes,
                          stf_error *err) {
    image_tables *tables = image < file->image_count ? &file->images[image] : NULL;
    if (tables && file->directory_first)
        return put_tile(file, tables, tile_index, data, bytes, err);
    if (!tables || tile_index >= tables->tiles || tables->offsets[tile_index] != 0)
        return stf_fail(err, CPLE_AppDefined, "Tile %llu of %llu of image %u does not exist or was written before",
                        (unsigned long long)tile_index, (unsigned long long)(tables ? tables->tiles : 0), image);
    if (bytes == 0)
        return true;
    if (bytes > UINT32_MAX)
        return stf_fail(err, CPLE_AppDefined, "A tile of %llu bytes is too large for %s", (unsigned long long)bytes,
                        file->name);
    uint64_t offset = stf_target_bytes(file->target);
    if (!file->big && stf_add(offset, bytes) > UINT32_MAX)
        return stf_fail(err, CPLE_FileIO, "%s would grow beyond 4 GiB, the limit of a classic TIFF: set BIGTIFF=YES",
                        file->name);
    if (!stf_target_write(file->target, data, (size_t)bytes, err))
        return false;
    tables->offsets[tile_index] = offset;
    tables->counts_bytes[tile_index] = (uint32_t)bytes;
    return true;
}

bool stf_tiff_file_replace(stf_tiff_file *file, uint32_t image, uint64_t tile_index, const void *data, uint64_t bytes,
                           stf_error *err) {
    image_tables *tables = &file->images[image];
    uint32_t room = stf_tiff_file_tile_bytes(file, image, tile_index);
    if (bytes > 0 && bytes <= room) {
        if (!stf_target_write_at(file->target, tables->offsets[tile_index], data, (size_t)bytes, err))
            return false;
        tables->counts_bytes[tile_index] = (uint32_t)bytes;
        return true;
    }
    tables->offsets[tile_index] = 0;
    tables->counts_bytes[tile_index] = 0;
    return stf_tiff_file_append(file, image, tile_index, data, bytes, err);
}

uint32_t stf_tiff_file_tile_bytes(const stf_tiff_file *file, uint32_t image, uint64_t tile_index) {
    return file->images[image].counts_bytes[tile_index];
}

bool stf_tiff_file_read(stf_tiff_file *file, uint32_t image, uint64_t tile_index, void *data, stf_error *err) {
    const image_tables *tables = &file->images[image];
    return stf_target_read(file->target, tables->offsets[tile_index], data, tables->counts_bytes[tile_index], err);
}

uint64_t stf_tiff_file_bytes(const stf_tiff_file *file) {
    return stf_target_bytes(file->target);
}

static bool place_tiles(stf_tiff_file *file, const stf_tile_sizes *sizes, uint64_t at, stf_error *err) {
    const image_tables *image = &file->images[0];
    for (uint64_t tile = 0; tile < image->tiles; tile++) {
        uint64_t bytes = (tile + 1) % sizes->of_plane == 0 ? sizes->last_bytes : sizes->bytes;
        image->offsets[tile] = at;
        image->counts_bytes[tile] = (uint32_t)bytes;
        at = stf_add(at, bytes);
    }
    return file->big || at <= UINT32_MAX ||
           stf_fail(err, CPLE_FileIO, "%s would grow beyond 4 GiB, the limit of a classic TIFF: set BIGTIFF=YES",
                    file->name);
}

bool stf_tiff_file_put_directory_first(stf_tiff_file *file, const stf_image_tags *image, const stf_tile_sizes *sizes,
                                       stf_error *err) {
    const uint64_t at = stf_target_bytes(file->target); /* behind the header, where the format wants it */
    const image_tables *tables = &file->images[0];
    const stf_tile_tables places = {
        tables->offsets, tables->counts_bytes, tables->tiles, image->tiled, file->swapped, false, NULL};
    unsigned char header[STF_TIFF_HEADER_BYTES];
    size_t header_bytes = stf_tiff_header(file->big, file->swapped, at, header);
    file->directory_first = true;
    return place_tiles(file, sizes, stf_add(at, stf_directory_bytes(file->big, image->tags, tables->tiles)), err) &&
           stf_target_patch(file->target, header, header_bytes, err) &&
           stf_directory_write(file->big, image->tags, &places, at, stf_target_write, file->target, err);
}

/* --- finishing --------------------------------------------------------------------------------- */

/* One behind the other. Each begins where the format wants it, and is padded to where the next one may begin. */
static bool write_directories(stf_tiff_file *file, const stf_image_tags *images, stf_error *err) {
    static const unsigned char zeros[8] = {0};
    size_t step = file->big ? 8 : 2;
    size_t padding = (size_t)((step - stf_target_bytes(file->target) % step) % step);
    if (padding && !stf_target_write(file->target, zeros, padding, err))
        return false;
    unsigned char header[STF_TIFF_HEADER_BYTES];
    size_t header_bytes = stf_tiff_header(file->big, file->swapped, stf_target_bytes(file->target), header);
    for (uint32_t i = 0; i < file->image_count; i++) {
        const image_tables *image = &file->images[i];
        stf_tile_tables tables = {image->offsets, image->counts_bytes,       image->tiles, images[i].tiled,
                                  file->swapped,  i + 1 < file->image_count, NULL};
        if (!stf_directory_write(file->big, images[i].tags, &tables, stf_target_bytes(file->target), stf_target_write,
                                 file->target, err))
            return false;
    }
    return stf_target_patch(file->target, header, header_bytes, err);
}

static bool all_tiles_written(const stf_tiff_file *file, stf_error *err) {
    return file->tiles_written == file->images[0].tiles ||
           stf_fail(err, CPLE_AppDefined, "%llu of the %llu tiles of %s were written",
                    (unsigned long long)file->tiles_written, (unsigned long long)file->images[0].tiles, file->name);
}

bool stf_tiff_file_finish(stf_tiff_file *file, const stf_image_tags *images, stf_error *err) {
    bool done = file->directory_first ? all_tiles_written(file, err) : write_directories(file, images, err);
    if (done) {
        free_tables(file);
        stf_target *target = file->target;
        file->target = NULL;
        done = stf_target_finish(target, err);
    }
    stf_tiff_file_abort(file); /* what is left: the memory, and after a failure the temporary file */
    return done;
}

void stf_tiff_file_abort(stf_tiff_file *file) {
    if (!file)
        return;
    stf_target_abort(file->target);
    CPLFree(file->name);
    free_tables(file);
    VSIFree(file);
}
