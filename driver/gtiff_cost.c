#include "gtiff_cost.h"

#include <stdio.h>

#include "cpl_conv.h"
#include "cpl_error.h"
#include "cpl_string.h"
#include "geometry.h"

#define RAW_IN_PLACE_BYTES ((uint64_t)1 << 20) /* up to here libtiff allocates it in one piece */
#define BLOCKS_ASKED 65536u /* so many blocks are asked for their size; beyond that the worst is assumed */

bool stf_gtiff_is(GDALDatasetH dataset) {
    GDALDriverH driver = GDALGetDatasetDriver(dataset);
    return driver && EQUAL(GDALGetDriverShortName(driver), "GTiff");
}

uint64_t stf_gtiff_block_item(GDALRasterBandH band, const char *item, uint32_t x, uint32_t y) {
    char key[64];
    snprintf(key, sizeof key, "%s_%u_%u", item, x, y);
    CPLPushErrorHandler(CPLQuietErrorHandler); /* of a table that cannot be read: the read of the block will tell */
    const char *value = GDALGetMetadataItem(band, key, "TIFF");
    CPLPopErrorHandler();
    return value ? (uint64_t)CPLAtoGIntBig(value) : 0;
}

static uint64_t largest_compressed_block(GDALRasterBandH band, uint32_t rows, uint32_t columns,
                                         uint64_t decoded_bytes) {
    uint64_t largest = 0;
    if ((uint64_t)rows * columns > BLOCKS_ASKED)
        return decoded_bytes;
    for (uint32_t y = 0; y < rows; y++)
        for (uint32_t x = 0; x < columns; x++) {
            uint64_t bytes = stf_gtiff_block_item(band, "BLOCK_SIZE", x, y);
            largest = bytes > largest ? bytes : largest;
        }
    /* A size that no codec comes to is a broken file: it will fail to decode, and is no reason to plan for it. */
    return largest < 2 * decoded_bytes ? largest : decoded_bytes;
}

/* libtiff's buffer of compressed bytes grows with realloc(), up to the largest block it has met so far: a large one
 * that moves is there twice while it is copied, and the allocator is free to keep what it moved from. */
static uint64_t raw_buffer_bytes(uint64_t largest_bytes) {
    return largest_bytes > RAW_IN_PLACE_BYTES ? stf_mul(2, largest_bytes) : largest_bytes;
}

/* Decoded copies a codec of libtiff keeps beside the caller's buffer, in blocks. */
static uint32_t decoder_copies(const char *compression) {
    if (EQUAL(compression, "DEFLATE") || EQUAL(compression, "LZW") || EQUAL(compression, "PACKBITS"))
        return 0;
    return STARTS_WITH_CI(compression, "LERC") || EQUAL(compression, "WEBP") ? 2 : 1;
}

uint64_t stf_gtiff_reader_bytes(GDALDatasetH dataset, uint32_t first_band, uint32_t bands) {
    uint64_t bytes = STF_GTIFF_HANDLE_BYTES;
    if (!stf_gtiff_is(dataset))
        return bytes;
    GDALRasterBandH band = GDALGetRasterBand(dataset, (int)first_band + 1);
    int width, height;
    GDALGetBlockSize(band, &width, &height);
    uint32_t columns = (uint32_t)((GDALGetRasterXSize(dataset) - 1) / width + 1);
    uint32_t rows = (uint32_t)((GDALGetRasterYSize(dataset) - 1) / height + 1);
    uint64_t decoded = stf_mul((uint64_t)width * (uint64_t)height,
                               (uint64_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(band)) * bands);
    bytes += 16 * (uint64_t)rows * columns; /* offsets and sizes of all blocks */
    const char *compression = GDALGetMetadataItem(dataset, "COMPRESSION", "IMAGE_STRUCTURE");
    if (compression) {
        bytes = stf_add(bytes, raw_buffer_bytes(largest_compressed_block(band, rows, columns, decoded)));
        bytes = stf_add(bytes, stf_mul(decoded, decoder_copies(compression)));
    } else if (width != GDALGetRasterXSize(dataset)) {
        /* libtiff reads strips straight into the caller's buffer where nothing is to be decoded, but not tiles. These are all
         * of one size, so that its buffer grows but once. */
        bytes = stf_add(bytes, decoded > RAW_IN_PLACE_BYTES ? stf_add(decoded, RAW_IN_PLACE_BYTES) : decoded);
    }
    return bands > 1 ? stf_add(bytes, decoded) : bytes;
}
