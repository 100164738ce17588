/* What the files of DERIVE share.
 *
 *   derive.c          what the whole raster decides: options, sample, shape, scale; from beginning to end
 *   derive_window.c   one window by GDALDEMProcessing
 *   derive_kernel.c   one window by a kernel of our own
 *   derive_table.c    color-relief of small integers, by a table of all values */
#ifndef STF_DERIVE_INTERNAL_H
#define STF_DERIVE_INTERNAL_H

#include "derive.h"
#include "gdal_utils.h"
#include "kernel.h"
#include "nodata_rows.h"

struct stf_derive {
    const stf_derive_command *command;
    GDALDatasetH dataset; /* the caller's */
    GDALDatasetH turned;  /* the same north-up, made and closed by us; or NULL */
    GDALDatasetH sample;  /* what gdaldem makes of a few pixels */
    GDALDatasetH shape;
    char *sample_path, *color_path; /* /vsimem */
    uint32_t passes;

    stf_operator op;
    uint32_t width_px;
    GDALDriverH memory;
    GDALDEMProcessingOptions *options; /* read by all threads, changed by none */
    GDALDataType type;
    bool uses_transform;
    double transform[6];  /* what stands in for one, where the source has none */
    GDALRasterBandH band; /* on the calling thread alone */
    int has_nodata;
    double nodata;
    int64_t nodata_int64;
    uint64_t nodata_uint64;
    stf_nodata_rows *rows; /* NULL: they do not matter */
    bool square;           /* pixels are, as the vector code wants them */
    unsigned char *table;  /* four bytes for each value */
    int table_offset;

    /* derive_kernel.c */
    bool kernel_wanted, runs_kernel;
    uint32_t height_px;
    stf_kernel kernel;
    GDALDataType result_type;
    bool computes_edges, skips_nodata;
    bool shades_vectors; /* gdaldem by its vector code, where it can */
    union stf_height {
        float real;
        int32_t integer;
    } skipped; /* nodata, in the kernel's type */
    float result_nodata;
};

/* As gdaldem asks for it, whatever the type. */
double stf_derive_nodata(const stf_derive *derive);

/* One run of gdaldem's mode. */
GDALDatasetH stf_derive_process(const stf_derive *derive, const char *target, GDALDatasetH source,
                                const GDALDEMProcessingOptions *options, stf_error *err);
/* Asked once: a dataset answers to one thread at a time. */
void stf_derive_find_nodata(stf_derive *derive);
/* Pixels in our memory as a dataset with all that gdaldem asks of its source but the SRS. */
GDALDatasetH stf_derive_view(const stf_derive *derive, const void *pixels, size_t row_bytes, uint32_t width,
                             uint32_t rows, stf_error *err);

/* In the form of stf_operator. */
bool stf_derive_run_window(void *context, const stf_operand *source, const stf_operator_result *result, stf_error *err);
uint64_t stf_derive_run_window_bytes(void *context, uint32_t width, uint32_t rows);

/* False: there is none for this. */
bool stf_derive_choose_kernel(stf_derive *derive);
bool stf_derive_run_kernel(void *context, const stf_operand *source, const stf_operator_result *result, stf_error *err);
uint64_t stf_derive_run_kernel_bytes(void *context, uint32_t width, uint32_t rows);

bool stf_derive_make_table(stf_derive *derive, stf_error *err);
bool stf_derive_run_table(void *context, const stf_operand *source, const stf_operator_result *result, stf_error *err);
uint64_t stf_derive_run_table_bytes(void *context, uint32_t width, uint32_t rows);

#endif
