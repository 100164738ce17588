#include <math.h>
#include <string.h>

#include "gdal_version.h"
#include "messages.h"
#include "overview_grid.h"
#include "resample_internal.h"

#define RUN 256 /* samples that are converted at a time */

static uint32_t nearest_index(double ratio, uint32_t pixel) {
    return (uint32_t)(0.5 + pixel * ratio);
}

static const unsigned char *source_pixel(const stf_resample_window *w, size_t pixel_bytes, uint32_t x, uint32_t y) {
    return w->pixels + (y - w->source.y) * w->row_bytes + (x - w->source.x) * pixel_bytes;
}

static double ratio_x(const stf_resample_window *w) {
    return (double)w->parent_width_px / w->level_width_px;
}

static double ratio_y(const stf_resample_window *w) {
    return (double)w->parent_height_px / w->level_height_px;
}

/* --- NEAREST ----------------------------------------------------------------------------------- */

bool stf_resample_nearest_is_rounded(const stf_resample *resample) {
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
    (void)resample;
    return false;
#else
    if (GDALDataTypeIsComplex(resample->type))
        return resample->type == GDT_CInt32 || resample->type == GDT_CFloat64;
    return resample->sample_bytes >= 4 && resample->type != GDT_Float32;
#endif
}

/* By way of Float32, as GDAL has it. */
static void round_row(const stf_resample *resample, unsigned char *row, size_t samples) {
    GDALDataType by = GDALDataTypeIsComplex(resample->type) ? GDT_CFloat32 : GDT_Float32;
    int by_bytes = GDALGetDataTypeSizeBytes(by), bytes = (int)resample->sample_bytes;
    float run[2 * RUN];
    for (size_t done = 0; done < samples; done += RUN) {
        int count = samples - done < RUN ? (int)(samples - done) : RUN;
        GDALCopyWords(row + done * resample->sample_bytes, resample->type, bytes, run, by, by_bytes, count);
        GDALCopyWords(run, by, by_bytes, row + done * resample->sample_bytes, resample->type, bytes, count);
    }
}

static void pick_row(const stf_resample_window *w, size_t pixel_bytes, uint32_t row, unsigned char *to) {
    double ratio = ratio_x(w);
    const unsigned char *from = source_pixel(w, pixel_bytes, w->source.x, nearest_index(ratio_y(w), w->target.y + row));
#define PICK_EACH(BYTES)                                                                                               \
    case BYTES:                                                                                                        \
        for (uint32_t x = 0; x < w->target.width; x++)                                                                 \
            memcpy(to + x * (size_t)BYTES,                                                                             \
                   from + (nearest_index(ratio, w->target.x + x) - w->source.x) * (size_t)BYTES, BYTES);               \
        break
    switch (pixel_bytes) {
        PICK_EACH(1);
        PICK_EACH(2);
        PICK_EACH(3);
        PICK_EACH(4);
        PICK_EACH(8);
    default:
        for (uint32_t x = 0; x < w->target.width; x++)
            memcpy(to + x * pixel_bytes, from + (nearest_index(ratio, w->target.x + x) - w->source.x) * pixel_bytes,
                   pixel_bytes);
    }
#undef PICK_EACH
}

bool stf_resample_nearest(const stf_resample *resample, const stf_resample_window *w, stf_error *err) {
    size_t pixel_bytes = resample->sample_bytes * w->bands;
    bool rounded = stf_resample_nearest_is_rounded(resample);
    (void)err;
    for (uint32_t row = 0; row < w->target.height; row++) {
        unsigned char *to = w->result + row * w->result_row_bytes;
        pick_row(w, pixel_bytes, row, to);
        if (rounded)
            round_row(resample, to, (size_t)w->target.width * w->bands);
    }
    return true;
}

/* --- complex numbers --------------------------------------------------------------------------- */

typedef struct share {
    uint32_t begin, end;
} share;

/* What of the parent belongs to one pixel: the last one takes the rest. */
static share share_of(double ratio, uint32_t pixel, uint32_t level_px, uint32_t parent_px) {
    share s = {(uint32_t)(0.5 + pixel * ratio), (uint32_t)(0.5 + (pixel + 1) * ratio)};
    if (s.end == s.begin)
        s.end++;
    if (s.end > parent_px || pixel == level_px - 1) {
        if (s.begin == parent_px)
            s.begin = parent_px - 1;
        s.end = parent_px;
    }
    return s;
}

static void mean_of(const stf_resample *resample, const stf_resample_window *w, const share *x, const share *y,
                    uint32_t band, unsigned char *to) {
    size_t pixel_bytes = resample->sample_bytes * w->bands;
    bool squares = resample->method.algorithm == GRIORA_RMS;
    double real = 0, imaginary = 0, count = (double)(x->end - x->begin) * (y->end - y->begin);
    for (uint32_t row = y->begin; row < y->end; row++)
        for (uint32_t column = x->begin; column < x->end; column++) {
            float value[2];
            GDALCopyWords(source_pixel(w, pixel_bytes, column, row) + band * resample->sample_bytes, resample->type, 0,
                          value, GDT_CFloat32, 0, 1);
            double r = value[0], i = value[1];
            real += squares ? r * r : r;
            imaginary += squares ? i * i : i;
        }
    float mean[2] = {(float)(squares ? sqrt(real / count) : real / count),
                     (float)(squares ? sqrt(imaginary / count) : imaginary / count)};
    GDALCopyWords(mean, GDT_CFloat32, 0, to, resample->type, 0, 1);
}

bool stf_resample_complex(const stf_resample *resample, const stf_resample_window *w, stf_error *err) {
    (void)err;
    for (uint32_t row = 0; row < w->target.height; row++)
        for (uint32_t column = 0; column < w->target.width; column++)
            for (uint32_t band = 0; band < w->bands; band++) {
                share x = share_of(ratio_x(w), w->target.x + column, w->level_width_px, w->parent_width_px);
                share y = share_of(ratio_y(w), w->target.y + row, w->level_height_px, w->parent_height_px);
                mean_of(resample, w, &x, &y, band,
                        w->result + row * w->result_row_bytes +
                            (column * (size_t)w->bands + band) * resample->sample_bytes);
            }
    return true;
}
