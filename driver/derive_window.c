#include <stdio.h>
#include <string.h>

#include "cpl_conv.h"
#include "derive_internal.h"
#include "messages.h"
#include "platform.h"

#define LARGE_WINDOW_PX (1u << 15)     /* its result comes to lie on the heap, once the allocator has seen one */
#define RUN_BYTES ((uint64_t)64 << 10) /* two MEM datasets and what GDAL keeps beside them */

/* gdaldem goes on after some failures, and says so only by raising them. */
GDALDatasetH stf_derive_process(const stf_derive *derive, const char *target, GDALDatasetH source,
                                const GDALDEMProcessingOptions *options, stf_error *err) {
    CPLErrorReset();
    GDALDatasetH result =
        GDALDEMProcessing(target, source, derive->command->mode_name, derive->color_path, options, NULL);
    if (result && CPLGetLastErrorType() < CE_Failure)
        return result;
    GDALClose(result);
    const char *text = CPLGetLastErrorMsg();
    if (derive->color_path && strstr(text, derive->color_path))
        stf_fail(err, CPLE_AppDefined, "DERIVE: no colours found in %s", derive->command->color_path);
    else
        stf_fail_with_last(err, "DERIVE");
    return NULL;
}

/* Asked once: a dataset answers to one thread at a time. */
void stf_derive_find_nodata(stf_derive *derive) {
    if (derive->type == GDT_Int64)
        derive->nodata_int64 = GDALGetRasterNoDataValueAsInt64(derive->band, &derive->has_nodata);
    else if (derive->type == GDT_UInt64)
        derive->nodata_uint64 = GDALGetRasterNoDataValueAsUInt64(derive->band, &derive->has_nodata);
    else
        derive->nodata = GDALGetRasterNoDataValue(derive->band, &derive->has_nodata);
}

static void set_nodata(const stf_derive *derive, GDALRasterBandH to) {
    if (!derive->has_nodata)
        return;
    if (derive->type == GDT_Int64)
        GDALSetRasterNoDataValueAsInt64(to, derive->nodata_int64);
    else if (derive->type == GDT_UInt64)
        GDALSetRasterNoDataValueAsUInt64(to, derive->nodata_uint64);
    else
        GDALSetRasterNoDataValue(to, derive->nodata);
}

/* Pixels in our memory as a dataset with all that gdaldem asks of its source but the SRS. */
GDALDatasetH stf_derive_view(const stf_derive *derive, const void *pixels, size_t row_bytes, uint32_t width,
                             uint32_t rows, stf_error *err) {
    char pointer[64], pointer_option[96], line_option[64];
    const char *const band_options[] = {pointer_option, line_option, NULL};
    GDALDatasetH dataset = GDALCreate(derive->memory, "", (int)width, (int)rows, 0, derive->type, NULL);
    pointer[CPLPrintPointer(pointer, (void *)(uintptr_t)pixels, sizeof pointer - 1)] = '\0';
    snprintf(pointer_option, sizeof pointer_option, "DATAPOINTER=%s", pointer);
    snprintf(line_option, sizeof line_option, "LINEOFFSET=" CPL_FRMT_GUIB, (GUIntBig)row_bytes);
    if (!dataset || GDALAddBand(dataset, derive->type, (char **)(uintptr_t)band_options) != CE_None) {
        GDALClose(dataset);
        stf_fail_with_last(err, "DERIVE");
        return NULL;
    }
    if (derive->uses_transform) {
        double transform[6] = {0, derive->transform[1], 0, 0, 0, derive->transform[5]};
        GDALSetGeoTransform(dataset, transform);
    }
    set_nodata(derive, GDALGetRasterBand(dataset, 1));
    return dataset;
}

static bool copy_out(GDALDatasetH from, uint32_t x, uint32_t y, const stf_operator_result *to, stf_error *err) {
    GDALDataType type = GDALGetRasterDataType(GDALGetRasterBand(from, 1));
    return GDALDatasetRasterIOEx(from, GF_Read, (int)x, (int)y, (int)to->window.width, (int)to->window.height,
                                 to->pixels, (int)to->window.width, (int)to->window.height, type,
                                 GDALGetRasterCount(from), NULL, 0, (GSpacing)to->row_bytes, (GSpacing)to->band_bytes,
                                 NULL) == CE_None ||
           stf_fail_with_last(err, "DERIVE");
}

/* Where gdaldem's vector code takes pixels from the second one on, a certain number at a time, and leaves the last
 * ones of a row to other code, which rounds differently: a window begins and ends in step with that. There is padding wherever
 * the raster goes on. */
typedef struct padding {
    uint32_t left, right;
} padding;

static padding padding_of(const stf_derive *derive, const stf_window *window) {
    padding pads = {0, 0};
    uint32_t pad_px = derive->op.pad_px, beyond = derive->width_px - (window->x + window->width);
    if (pad_px == 0)
        return pads;
    pads.left = window->x > 0 && window->x % pad_px == 0 ? pad_px : window->x % pad_px;
    pads.right = beyond < pad_px ? beyond : pad_px;
    return pads;
}

static void fill_padding(unsigned char *row, size_t width, size_t sample_bytes, const padding *pads) {
    unsigned char *last = row + (width - 1) * sample_bytes;
    for (uint32_t i = 1; i <= pads->left; i++)
        memcpy(row - i * sample_bytes, row, sample_bytes);
    for (uint32_t i = 1; i <= pads->right; i++)
        memcpy(last + i * sample_bytes, last, sample_bytes);
}

/* A pixel without height at the far end of the padding, where the row of the raster holds one: beside the halo, where no pixel of
 * the result sees it. */
static void mark_row(const stf_derive *derive, uint32_t y, unsigned char *row, size_t width, const padding *pads) {
    size_t sample_bytes = derive->op.source_bytes;
    if (!derive->rows || !stf_nodata_rows_holds(derive->rows, y))
        return;
    if (pads->left > 0)
        memcpy(row - pads->left * sample_bytes, stf_nodata_rows_pixel(derive->rows), sample_bytes);
    else if (pads->right > 0)
        memcpy(row + (width - 1 + pads->right) * sample_bytes, stf_nodata_rows_pixel(derive->rows), sample_bytes);
}

bool stf_derive_run_window(void *context, const stf_operand *source, const stf_operator_result *result,
                           stf_error *err) {
    const stf_derive *derive = context;
    const stf_window *from = &source->window, *to = &result->window;
    size_t sample_bytes = derive->op.source_bytes;
    uint32_t halo = derive->op.halo_px;
    uint32_t top = to->y < from->y + halo ? from->y : to->y - halo;
    uint32_t bottom = to->y + to->height + halo;
    if (bottom > from->y + from->height)
        bottom = from->y + from->height;
    padding pads = padding_of(derive, from);
    unsigned char *first = source->pixels + (top - from->y) * source->row_bytes;
    for (uint32_t row = 0; row < bottom - top; row++) {
        fill_padding(first + row * source->row_bytes, from->width, sample_bytes, &pads);
        mark_row(derive, top + row, first + row * source->row_bytes, from->width, &pads);
    }
    GDALDatasetH seen = stf_derive_view(derive, first - pads.left * sample_bytes, source->row_bytes,
                                        pads.left + from->width + pads.right, bottom - top, err);
    GDALDatasetH made = seen ? stf_derive_process(derive, "", seen, derive->options, err) : NULL;
    bool done = made && copy_out(made, pads.left + to->x - from->x, to->y - top, result, err);
    GDALClose(made);
    GDALClose(seen);
    if ((uint64_t)to->width * to->height >= LARGE_WINDOW_PX)
        stf_platform_trim_heap(); /* what comes to lie between two windows' results would keep the holes of both */
    return done;
}

/* Three rows of the source, as Int32 or Float32, and one of the result, beside the whole of it. */
uint64_t stf_derive_run_window_bytes(void *context, uint32_t width, uint32_t rows) {
    const stf_derive *derive = context;
    uint64_t pixel_bytes = (uint64_t)derive->op.bands * derive->op.sample_bytes;
    uint64_t columns = (uint64_t)width + 2 * derive->op.pad_px;
    return stf_add(stf_mul(columns, (rows + 2 * derive->op.halo_px) * pixel_bytes + 16), RUN_BYTES);
}
