/* STATISTICS=YES: minimum, maximum, mean and standard deviation of each band, from the tiles as they come by.
 *
 * Each tile has a record of its own for each band; they are joined in the order of the tiles, once all are there. So the
 * figures depend on pixels and tiles alone: not on who looked at which tile, and when. How they are summed: tally.h.
 *
 * What counts is what counts for GDAL (of late: 3.10 does not look at masks): no NaN; not the band's nodata value; where it has none,
 * pixels of the dataset's mask, with an alpha that is not 0, and that do not have NODATA_VALUES in all bands. Of
 * complex numbers it is the real part. */
#ifndef STF_BAND_STATISTICS_H
#define STF_BAND_STATISTICS_H

#include "gdal.h"
#include "geometry.h"
#include "status.h"
#include "uniform.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct stf_band_statistics stf_band_statistics;

/* The dataset's mask: the valid part of a tile, a byte for each pixel, not 0 where it counts. read: never two calls at
 * once. */
typedef struct stf_statistics_mask {
    void *context;
    bool (*read)(void *context, uint64_t tile, unsigned char *to, size_t row_bytes, stf_error *err);
    uint64_t read_bytes; /* what a call takes, for the account */
} stf_statistics_mask;

/* True where bands can be left out of the dataset's statistics by what is known while one plane of it is copied. */
bool stf_band_statistics_check(GDALDatasetH dataset, const stf_geometry *geometry, stf_error *err);

/* The records of all tiles, and what reads the mask (NULL: there is none). For the account. UINT64_MAX on overflow. */
uint64_t stf_band_statistics_bytes(const stf_geometry *geometry, uint32_t bands, const stf_statistics_mask *mask);

/* dataset: asked now for what its bands leave out, and later for nothing; type: of the samples. geometry must outlive it.
 * mask: copied; NULL: there is none. */
stf_band_statistics *stf_band_statistics_create(GDALDatasetH dataset, GDALDataType type, const stf_geometry *geometry,
                                                const stf_statistics_mask *mask, stf_error *err);
void stf_band_statistics_destroy(stf_band_statistics *statistics); /* NULL is legal */

/* A complete tile, each once. pixels: its samples pixel by pixel in rows of row_px, or NULL: all have the value. Any thread. */
bool stf_band_statistics_add(stf_band_statistics *statistics, uint64_t tile, const void *pixels, size_t row_px,
                             const stf_uniform *value, stf_error *err);

/* After the last tile: the metadata items of a band (from 0), as GDAL names, orders and prints them (CSLDestroy); NULL: no
 * memory. */
char **stf_band_statistics_items(const stf_band_statistics *statistics, uint32_t band);

#ifdef __cplusplus
}
#endif
#endif
