#include "nodata_rows.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cpl_vsi.h"

#define REACH_ROWS 2u /* a row decides of its neighbours, and these by theirs */

struct stf_nodata_rows {
    stf_source *source;
    uint32_t group, group_band;
    stf_nodata_need need;
    uint32_t rows;
    size_t sample_bytes;
    bool integer;
    int32_t nodata_integer;
    float nodata_float;
    unsigned char *holds, *matters; /* a bit for each row */
    bool any;
    unsigned char pixel[STF_MAX_SAMPLE_BYTES];
    uint64_t decodes;
    /* While they are looked for. */
    unsigned char *unit; /* what the source delivers */
    void *line;          /* one row of it, as gdaldem computes in it */
    uint64_t units_read;
};

/* --- one row ----------------------------------------------------------------------------------- */

static bool get(const unsigned char *bits, uint32_t row) {
    return (bits[row / 8] >> row % 8 & 1) != 0;
}

static void set(unsigned char *bits, uint32_t row) {
    bits[row / 8] = (unsigned char)(bits[row / 8] | 1u << row % 8);
}

bool stf_nodata_is_integer(GDALDataType type) {
    return type == GDT_Byte || type == GDT_UInt16 || type == GDT_Int16;
}

bool stf_nodata_is_possible(GDALDataType type, double nodata) {
    double least = type == GDT_Int16 ? INT16_MIN : 0;
    double most = type == GDT_Byte ? UINT8_MAX : type == GDT_UInt16 ? UINT16_MAX : INT16_MAX;
    return !stf_nodata_is_integer(type) ||
           (fabs(nodata - floor(nodata + 0.5)) < 1e-2 && nodata >= least && nodata <= most);
}

/* The first of so many pixels that gdaldem finds without height; px: there is none. */
static uint32_t find(const stf_nodata_rows *rows, uint32_t px) {
    const int32_t *integers = rows->line;
    const float *floats = rows->line;
    uint32_t i = 0;
    if (rows->integer)
        while (i < px && integers[i] != rows->nodata_integer)
            i++;
    else
        while (i < px && floats[i] != rows->nodata_float && !isnan(floats[i]))
            i++;
    return i;
}

/* Twice as far from nodata as GDAL takes two numbers for equal. */
static bool is_next_to_nodata(const stf_nodata_rows *rows, float value) {
    return isnan(value) || value == rows->nodata_float ||
           fabsf(value - rows->nodata_float) <= 4 * FLT_EPSILON * fabsf(value + rows->nodata_float);
}

/* at the edge, and next to it. */
static bool comes_next_to_nodata(const stf_nodata_rows *rows, float at, float inside) {
    return is_next_to_nodata(rows, at) || is_next_to_nodata(rows, inside) || is_next_to_nodata(rows, 2 * at - inside);
}

static void let_matter(stf_nodata_rows *rows, uint32_t row) {
    uint32_t last = rows->rows - 1 - row < REACH_ROWS ? rows->rows - 1 : row + REACH_ROWS;
    for (uint32_t near = row < REACH_ROWS ? 0 : row - REACH_ROWS; near <= last; near++)
        set(rows->matters, near);
}

static void look_at_edges(stf_nodata_rows *rows, const stf_window *window, uint32_t row) {
    const float *floats = rows->line;
    uint32_t last = window->width - 1;
    bool left = window->x == 0, right = window->x + window->width == rows->source->info.groups[rows->group].x.size_px;
    if (last == 0) /* what is next to it lies in another unit */
        let_matter(rows, row);
    else if ((left && comes_next_to_nodata(rows, floats[0], floats[1])) ||
             (right && comes_next_to_nodata(rows, floats[last], floats[last - 1])))
        let_matter(rows, row);
}

static void look_at_row(stf_nodata_rows *rows, const stf_window *window, uint32_t row, const unsigned char *pixels) {
    GDALDataType type = rows->source->request.type;
    GDALCopyWords64(pixels, type, (int)rows->sample_bytes, rows->line, rows->integer ? GDT_Int32 : GDT_Float32, 4,
                    (GPtrDiff_t)window->width);
    uint32_t at = find(rows, window->width);
    if (at < window->width) {
        if (!rows->any)
            memcpy(rows->pixel, pixels + at * rows->sample_bytes, rows->sample_bytes);
        rows->any = true;
        set(rows->holds, row);
    }
    if (rows->need == STF_NODATA_ROWS_EDGES)
        look_at_edges(rows, window, row);
}

/* --- units ------------------------------------------------------------------------------------- */

static bool look_at_unit(stf_nodata_rows *rows, uint32_t column, uint32_t unit_row, stf_error *err) {
    const stf_group *group = &rows->source->info.groups[rows->group];
    stf_unit unit = {0, rows->group, column, unit_row, 0, {0, 0, 0, 0}};
    stf_unit_pixels pixels;
    unit.window.x = stf_axis_start(&group->x, column);
    unit.window.y = stf_axis_start(&group->y, unit_row);
    unit.window.width = stf_axis_length(&group->x, column);
    unit.window.height = stf_axis_length(&group->y, unit_row);
    if (!stf_source_read_unit(rows->source, 0, &unit, rows->unit, &pixels, err))
        return false;
    rows->units_read++;
    if (pixels.constant) {
        for (uint32_t x = 0; x < unit.window.width; x++)
            memcpy(rows->unit + x * rows->sample_bytes, pixels.value, rows->sample_bytes);
        pixels.pixels = rows->unit;
        pixels.row_bytes = pixels.band_bytes = 0;
    }
    const unsigned char *first = pixels.pixels + rows->group_band * pixels.band_bytes;
    for (uint32_t y = 0; y < unit.window.height; y++)
        look_at_row(rows, &unit.window, unit.window.y + y, first + y * pixels.row_bytes);
    return true;
}

static bool is_settled(const stf_nodata_rows *rows, uint32_t unit_row) {
    const stf_axis *axis = &rows->source->info.groups[rows->group].y;
    uint32_t first = stf_axis_start(axis, unit_row), end = stf_axis_start(axis, unit_row + 1);
    for (uint32_t row = first; row < end; row++)
        if (get(rows->matters, row) && !get(rows->holds, row))
            return false;
    return true;
}

/* Those at both edges, of all rows, for what they say of the rows above and below. */
static bool look_at_outer_units(stf_nodata_rows *rows, stf_error *err) {
    const stf_group *group = &rows->source->info.groups[rows->group];
    for (uint32_t row = 0; row < group->y.cells; row++)
        if (!look_at_unit(rows, 0, row, err) || !look_at_unit(rows, group->x.cells - 1, row, err))
            return false;
    return true;
}

static bool look_at_all(stf_nodata_rows *rows, stf_error *err) {
    const stf_group *group = &rows->source->info.groups[rows->group];
    uint32_t first = 0, end = group->x.cells;
    if (rows->need == STF_NODATA_ROWS_EDGES) {
        if (!look_at_outer_units(rows, err))
            return false;
        first++;
        end--;
    }
    for (uint32_t row = 0; row < group->y.cells; row++)
        for (uint32_t column = first; column < end && !is_settled(rows, row); column++)
            if (!look_at_unit(rows, column, row, err))
                return false;
    return true;
}

/* --- from beginning to end --------------------------------------------------------------------- */

static bool find_band(stf_nodata_rows *rows, uint32_t band) {
    const stf_source_info *info = &rows->source->info;
    for (uint32_t g = 0; g < info->group_count; g++)
        if (band >= info->groups[g].first_band && band - info->groups[g].first_band < info->groups[g].bands) {
            rows->group = g;
            rows->group_band = band - info->groups[g].first_band;
            return true;
        }
    return false;
}

static bool make_room(stf_nodata_rows *rows) {
    const stf_source_info *info = &rows->source->info;
    const stf_group *group = &info->groups[rows->group];
    size_t widest = stf_axis_longest(&group->x);
    uint64_t row_bytes = stf_mul(widest, rows->sample_bytes);
    rows->rows = group->y.size_px;
    rows->holds = VSICalloc(rows->rows / 8 + 1, 1);
    rows->matters = VSICalloc(rows->rows / 8 + 1, 1);
    rows->unit = VSIMalloc((size_t)(info->unit_bytes > row_bytes ? info->unit_bytes : row_bytes));
    rows->line = VSIMalloc(4 * widest);
    return rows->holds && rows->matters && rows->unit && rows->line;
}

static void count_decodes(stf_nodata_rows *rows, uint64_t counted_before) {
    const stf_source_info *info = &rows->source->info;
    const stf_group *group = &info->groups[rows->group];
    uint64_t units = (uint64_t)group->x.cells * group->y.cells;
    uint64_t blocks =
        info->group_blocks ? info->group_blocks(rows->source, rows->group) : info->source_blocks / info->group_count;
    rows->decodes = info->decodes_are_counted ? stf_source_blocks_decoded(rows->source) - counted_before
                                              : (stf_mul(blocks, rows->units_read) + units - 1) / units;
}

stf_nodata_rows *stf_nodata_rows_find(stf_source *source, uint32_t band, double nodata, stf_nodata_need need,
                                      stf_error *err) {
    stf_nodata_rows *rows = VSICalloc(1, sizeof *rows);
    uint64_t counted = stf_source_blocks_decoded(source);
    bool done = rows != NULL;
    if (done) {
        rows->source = source;
        rows->need = need;
        rows->sample_bytes = (size_t)GDALGetDataTypeSizeBytes(source->request.type);
        rows->integer = stf_nodata_is_integer(source->request.type);
        rows->nodata_integer = rows->integer ? (int32_t)floor(nodata + 0.5) : 0;
        rows->nodata_float = (float)nodata;
        done = find_band(rows, band) && make_room(rows);
    }
    if (!done)
        stf_fail(err, CPLE_OutOfMemory, "No memory to find the rows without nodata");
    if (done && need == STF_NODATA_ROWS_ALL)
        memset(rows->matters, 0xFF, rows->rows / 8 + 1);
    done = done && look_at_all(rows, err);
    if (!done) {
        stf_nodata_rows_free(rows);
        return NULL;
    }
    count_decodes(rows, counted);
    VSIFree(rows->unit);
    VSIFree(rows->line);
    VSIFree(rows->matters);
    rows->unit = rows->matters = NULL;
    rows->line = NULL;
    return rows;
}

void stf_nodata_rows_free(stf_nodata_rows *rows) {
    if (!rows)
        return;
    VSIFree(rows->holds);
    VSIFree(rows->matters);
    VSIFree(rows->unit);
    VSIFree(rows->line);
    VSIFree(rows);
}

bool stf_nodata_rows_holds(const stf_nodata_rows *rows, uint32_t row) {
    return get(rows->holds, row);
}

const void *stf_nodata_rows_pixel(const stf_nodata_rows *rows) {
    return rows->any ? rows->pixel : NULL;
}

uint64_t stf_nodata_rows_bytes(const stf_nodata_rows *rows) {
    return rows->rows / 8 + 1;
}

uint64_t stf_nodata_rows_decodes(const stf_nodata_rows *rows) {
    return rows->decodes;
}
