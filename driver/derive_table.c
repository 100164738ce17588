/* color-relief of small integers. */
#include <string.h>

#include "cpl_vsi.h"
#include "derive_internal.h"
#include "messages.h"

bool stf_derive_run_table(void *context, const stf_operand *source, const stf_operator_result *result, stf_error *err) {
    const stf_derive *derive = context;
    (void)err;
    for (uint32_t row = 0; row < result->window.height; row++) {
        const unsigned char *from = source->pixels + (result->window.y - source->window.y + row) * source->row_bytes +
                                    (size_t)(result->window.x - source->window.x) * derive->op.source_bytes;
        unsigned char *to = result->pixels + row * result->row_bytes;
        for (uint32_t x = 0; x < result->window.width; x++) {
            int value = derive->type == GDT_Byte     ? from[x]
                        : derive->type == GDT_UInt16 ? ((const uint16_t *)(const void *)from)[x]
                                                     : ((const int16_t *)(const void *)from)[x];
            const unsigned char *color = derive->table + 4 * (size_t)(value + derive->table_offset);
            for (uint32_t band = 0; band < derive->op.bands; band++)
                to[band * result->band_bytes + x] = color[band];
        }
    }
    return true;
}

uint64_t stf_derive_run_table_bytes(void *context, uint32_t width, uint32_t rows) {
    (void)context;
    (void)width;
    (void)rows;
    return 0;
}

/* All values there are, row by row of 256, and what gdaldem makes of them. */
bool stf_derive_make_table(stf_derive *derive, stf_error *err) {
    uint32_t rows = derive->type == GDT_Byte ? 1 : 256;
    size_t sample_bytes = derive->op.source_bytes;
    derive->table_offset = derive->type == GDT_Int16 ? 32768 : 0;
    derive->table = VSICalloc(256 * (size_t)rows, 4);
    unsigned char *values = VSICalloc(256 * (size_t)rows, sample_bytes);
    if (!derive->table || !values) {
        VSIFree(values);
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the colours of all heights");
    }
    for (int i = 0; i < 256 * (int)rows; i++) {
        uint16_t value = (uint16_t)(i - derive->table_offset);
        if (sample_bytes == 1)
            values[i] = (unsigned char)i;
        else
            memcpy(values + 2 * (size_t)i, &value, 2);
    }
    GDALDatasetH seen = stf_derive_view(derive, values, 256 * sample_bytes, 256, rows, err);
    GDALDatasetH made = seen ? stf_derive_process(derive, "", seen, derive->options, err) : NULL;
    bool done = made && (GDALDatasetRasterIOEx(made, GF_Read, 0, 0, 256, (int)rows, derive->table, 256, (int)rows,
                                               GDT_Byte, GDALGetRasterCount(made), NULL, 4, 1024, 1, NULL) == CE_None ||
                         stf_fail_with_last(err, "DERIVE"));
    GDALClose(made);
    GDALClose(seen);
    VSIFree(values);
    return done;
}
