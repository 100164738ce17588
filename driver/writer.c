#include "writer_internal.h"

#include <string.h>

#include "cpl_conv.h"
#include "platform.h"
#include "target.h"

#define TAG_ROOM_BYTES 65536
#define LEAST_SLOTS 3 /* one that is filled, one that is encoded, one that a spilled or written tile comes back to */

CPLErr stf_writer_raise(stf_writer *w, const stf_error *err) {
    if (!w->failed) {
        w->failed = true;
        w->error = *err;
    }
    CPLError(CE_Failure, err->number ? err->number : CPLE_AppDefined, "%s", err->text);
    return CE_Failure;
}

/* --- what it takes ----------------------------------------------------------------------------- */

static uint64_t align64(uint64_t bytes) {
    return stf_add(bytes, 63) / 64 * 64;
}

static bool describe_raster(stf_writer *w, int width, int height, int bands, GDALDataType type) {
    stf_copy *c = &w->copy;
    c->target = w->target;
    c->type = type;
    c->raster.width_px = (uint32_t)width;
    c->raster.height_px = (uint32_t)height;
    c->raster.bands = (uint32_t)bands;
    c->raster.sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(type);
    c->raster.kind = stf_copy_kind_of(type);
    return true;
}

static bool describe_planes(stf_copy *c, stf_error *err) {
    uint32_t planes = c->options.pixel_interleave ? 1 : c->raster.bands;
    uint32_t each = c->options.pixel_interleave ? c->raster.bands : 1;
    c->planes = VSICalloc(planes, sizeof *c->planes);
    if (!c->planes)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the description of %u planes", planes);
    for (uint32_t i = 0; i < planes; i++) {
        c->planes[i].first_band = i * each;
        c->planes[i].bands = each;
    }
    c->geometry.width_px = c->raster.width_px;
    c->geometry.height_px = c->raster.height_px;
    c->geometry.sample_bytes = c->raster.sample_bytes;
    c->geometry.planes = c->planes;
    c->geometry.plane_count = planes;
    c->geometry.tile_x = stf_axis_make(c->raster.width_px, 0, c->options.block_width_px);
    c->geometry.tile_y = stf_axis_make(c->raster.height_px, 0, c->options.block_height_px);
    return true;
}

static bool describe_slots(stf_writer *w, stf_error *err) {
    const stf_tile_format *format = &w->copy.format;
    uint64_t bound_bytes = stf_encoder_bound_bytes(format);
    uint64_t mask_row = ((uint64_t)format->width_px + 7) / 8, mask_band = stf_mul(mask_row, format->height_px);
    uint64_t slot_bytes = stf_add(align64(bound_bytes), stf_mul(mask_band, format->samples));
    uint64_t pixels = stf_mul(format->width_px, stf_writer_pixel_bytes(w));
    w->tile_count = stf_geometry_tiles(&w->copy.geometry);
    if (bound_bytes == 0 || slot_bytes > INT64_MAX / 4 || w->tile_count > UINT32_MAX)
        return stf_fail(err, CPLE_NotSupported,
                        "Blocks of %u x %u pixels of %u bands do not suit a raster of %u x %u: change BLOCKXSIZE and "
                        "BLOCKYSIZE",
                        format->width_px, format->height_px, format->samples, w->copy.raster.width_px,
                        w->copy.raster.height_px);
    w->mask_offset = (size_t)align64(bound_bytes);
    w->mask_row_bytes = (size_t)mask_row;
    w->mask_band_bytes = (size_t)mask_band;
    w->slot_bytes = (size_t)align64(slot_bytes);
    w->record_bytes = (size_t)(pixels + mask_row * format->samples);
    /* The encoded tile in /vsimem, GTiff's block, and GDAL's copy of it. */
    w->decode_bytes = stf_add(stf_mul(2, stf_encoder_tile_bytes(format)), bound_bytes);
    w->encoder_bytes = stf_encoder_cost_bytes(format);
    w->regions_each = w->tile_count / STF_WRITER_SPILLS + 1 > 1024 ? w->tile_count / STF_WRITER_SPILLS + 1 : 1024;
    w->spill_cost_bytes = stf_spill_cost_bytes(w->regions_each);
    return true;
}

/* Everything but slots and encoders. */
static uint64_t fixed_bytes(const stf_writer *w) {
    uint64_t spills = (w->tile_count + w->regions_each - 1) / w->regions_each;
    uint64_t tables = stf_add(stf_mul(w->tile_count, sizeof *w->tiles), stf_tiff_file_table_bytes(w->tile_count));
    return stf_add(stf_add(tables, w->record_bytes + stf_uniform_store_cost_bytes()),
                   stf_add(w->decode_bytes, stf_mul(spills, w->spill_cost_bytes)));
}

/* With a table entry for each slot. */
static uint64_t slots_bytes(const stf_writer *w, uint64_t slots) {
    return stf_mul(slots, w->slot_bytes + sizeof *w->slots + sizeof *w->jobs);
}

static bool agree_on_cap(stf_writer *w, stf_error *err) {
    const stf_options *options = &w->copy.options;
    double asked = (double)options->cap_bytes / 1048576.0, needed = (double)w->floor_bytes / 1048576.0;
    if (options->cap_bytes >= w->floor_bytes || (!options->cap_named && !options->cap_strict))
        return true;
    if (options->cap_strict)
        return stf_fail(
            err, CPLE_AppDefined,
            "MEMORY_CAP is %.1f MB, but writing tiles of this size needs %.1f MB: raise MEMORY_CAP, or lower "
            "BLOCKXSIZE and BLOCKYSIZE",
            asked, needed);
    CPLError(CE_Warning, CPLE_AppDefined,
             "MEMORY_CAP is raised from %.1f MB to %.1f MB, the least that writes tiles of this size; smaller tiles "
             "would lower it. MEMORY_CAP_STRICT=YES would fail instead",
             asked, needed);
    return true;
}

/* Threads follow from the cap: each takes an encoder and a tile. */
static bool plan(stf_writer *w, stf_error *err) {
    uint64_t fixed = fixed_bytes(w), threads = w->copy.options.threads, cap = w->copy.options.cap_bytes;
    w->floor_bytes = stf_add(stf_add(fixed, w->encoder_bytes), slots_bytes(w, LEAST_SLOTS));
    if (!agree_on_cap(w, err))
        return false;
    w->cap_bytes = cap > w->floor_bytes ? cap : w->floor_bytes;
    while (threads > 1 && stf_add(stf_add(fixed, stf_mul(threads, w->encoder_bytes)),
                                  slots_bytes(w, 2 * threads + LEAST_SLOTS)) > w->cap_bytes)
        threads--;
    w->thread_count = threads > 1 ? (uint32_t)threads : 0;
    w->slot_count = (w->cap_bytes - fixed - threads * w->encoder_bytes) / slots_bytes(w, 1);
    if (w->slot_count > w->tile_count + threads + LEAST_SLOTS)
        w->slot_count = w->tile_count + threads + LEAST_SLOTS;
    CPLDebug("StreamTIFF",
             "Writer: cap " CPL_FRMT_GUIB " bytes, floor " CPL_FRMT_GUIB ", " CPL_FRMT_GUIB " slots of " CPL_FRMT_GUIB
             " bytes for " CPL_FRMT_GUIB " tiles, %u threads",
             (GUIntBig)w->cap_bytes, (GUIntBig)w->floor_bytes, (GUIntBig)w->slot_count, (GUIntBig)w->slot_bytes,
             (GUIntBig)w->tile_count, (unsigned)threads);
    return true;
}

static bool take_memory(stf_writer *w, stf_error *err) {
    w->budget = stf_budget_create(w->cap_bytes);
    if (!w->budget)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the account");
    uint64_t spills = (w->tile_count + w->regions_each - 1) / w->regions_each;
    uint64_t tables = fixed_bytes(w) - w->decode_bytes - spills * w->spill_cost_bytes +
                      w->slot_count * (sizeof *w->slots + sizeof *w->jobs);
    if (!stf_budget_charge(w->budget, tables, "tables", err))
        return false;
    w->pool = stf_pool_create(w->budget, w->slot_bytes, (uint32_t)w->slot_count, "tiles", err);
    w->tiles = VSICalloc((size_t)w->tile_count, sizeof *w->tiles);
    w->slots = VSICalloc((size_t)w->slot_count, sizeof *w->slots);
    w->record = VSIMalloc(w->record_bytes);
    if (w->pool && (!w->tiles || !w->slots || !w->record))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the tables of " CPL_FRMT_GUIB " tiles",
                        (GUIntBig)w->tile_count);
    return w->pool != NULL;
}

/* --- beginning --------------------------------------------------------------------------------- */

static bool refuse_what_only_copies_have(CSLConstList options, stf_error *err) {
    static const char *const names[] = {"DERIVE", "COPY_SRC_OVERVIEWS"};
    const char *layout = CSLFetchNameValue(options, "LAYOUT");
    if (layout && EQUAL(layout, "COG"))
        return stf_fail(
            err, CPLE_NotSupported,
            "LAYOUT=COG cannot be written window by window: write a plain file, and copy it with LAYOUT=COG");
    if (CPLFetchBool(options, "STREAMABLE_OUTPUT", false))
        return stf_fail(
            err, CPLE_NotSupported,
            "STREAMABLE_OUTPUT=YES is an option of CreateCopy(): here tags can be set until the file is closed");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (CSLFetchNameValue(options, names[i]) && !EQUAL(CSLFetchNameValue(options, names[i]), "NO"))
            return stf_fail(err, CPLE_NotSupported, "%s needs a source: it is an option of CreateCopy()", names[i]);
    return true;
}

static bool open_file(stf_writer *w, stf_error *err) {
    const stf_options *options = &w->copy.options;
    uint64_t worst = stf_add(stf_add(stf_mul(w->mask_offset, w->tile_count), stf_tiff_file_table_bytes(w->tile_count)),
                             TAG_ROOM_BYTES);
    bool needed = stf_tiff_file_needs_big(worst);
    bool big = options->bigtiff == STF_BIGTIFF_YES || (options->bigtiff == STF_BIGTIFF_IF_NEEDED && needed) ||
               (options->bigtiff == STF_BIGTIFF_IF_SAFER && worst > 2000000000u);
    if (!big && needed && options->codec.compression == 1)
        return stf_fail(err, CPLE_NotSupported,
                        "A %u x %u raster of %u bands takes " CPL_FRMT_GUIB
                        " bytes, more than the 4 GB of a classic TIFF: use BIGTIFF=YES or IF_SAFER",
                        w->copy.raster.width_px, w->copy.raster.height_px, w->copy.raster.bands, (GUIntBig)worst);
    w->copy.file = stf_tiff_file_create(w->target, big, w->tile_count, err);
    if (w->copy.file && options->swapped)
        stf_tiff_file_swap(w->copy.file);
    return w->copy.file != NULL;
}

static bool begin(stf_writer *w, int width, int height, int bands, GDALDataType type, CSLConstList options,
                  stf_error *err) {
    stf_copy *c = &w->copy;
    if (!refuse_what_only_copies_have(options, err) || !describe_raster(w, width, height, bands, type) ||
        !stf_options_parse(options, &c->raster, &c->options, err) || !stf_writer_make_shape(w, bands, err))
        return false;
    stf_copy_describe_tiles(c);
    stf_encoder *trial = stf_encoder_create(&c->format, err);
    if (!trial)
        return false;
    stf_encoder_destroy(trial);
    return describe_planes(c, err) && describe_slots(w, err) && stf_writer_read_nodata(w, err) && plan(w, err) &&
           take_memory(w, err) && stf_writer_start_workers(w, err) && open_file(w, err);
}

static void release(stf_writer *w) {
    stf_writer_stop_workers(w);
    stf_tiff_file_abort(w->copy.file);
    w->copy.file = NULL;
    for (int i = 0; i < STF_WRITER_SPILLS; i++) {
        stf_spill_destroy(w->spills[i]);
        w->spills[i] = NULL;
    }
    stf_pool_destroy(w->pool);
    w->pool = NULL;
    VSIFree(w->tiles);
    w->tiles = NULL;
    VSIFree(w->slots);
    w->slots = NULL;
    VSIFree(w->record);
    w->record = NULL;
    stf_lease_end(w->lease);
    w->lease = NULL;
    stf_platform_trim_heap();
}

static void destroy(stf_writer *w) {
    release(w);
    stf_writer_drop_shape(w);
    stf_tag_list_free(&w->copy.result.codec_tags);
    stf_georef_free(&w->copy.georef);
    stf_options_free(&w->copy.options);
    stf_discard_free(&w->copy.discard);
    stf_budget_destroy(w->budget);
    VSIFree(w->copy.planes);
    CSLDestroy(w->figures);
    CPLFree(w->target);
    VSIFree(w);
}

stf_writer *stf_writer_create(const char *target, int width, int height, int bands, GDALDataType type,
                              CSLConstList options) {
    stf_error err = {0};
    stf_writer *w = VSICalloc(1, sizeof *w);
    if (!w) {
        CPLError(CE_Failure, CPLE_OutOfMemory, "No memory for a dataset");
        return NULL;
    }
    w->target = CPLStrdup(target);
    if (begin(w, width, height, bands, type, options, &err)) {
        if (CPLTestBool(CPLGetConfigOption("STREAMTIFF_LEASE", "NO")))
            w->lease = stf_lease_begin(w->cap_bytes);
        return w;
    }
    stf_writer_raise(w, &err);
    destroy(w);
    return NULL;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void warn_of_clipped(const stf_writer *w) {
    if (stf_writer_clipped(w) && w->copy.raster.kind == STF_FLOAT)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "%s: One or more pixels beyond the range of %u-bit floats became infinite.", w->target,
                 w->copy.format.sample_bits);
    else if (stf_writer_clipped(w))
        CPLError(CE_Warning, CPLE_AppDefined, "%s: One or more pixels clipped to fit %u bit domain.", w->target,
                 w->copy.format.sample_bits);
}

static bool write_file(stf_writer *w, stf_error *err) {
    stf_copy *c = &w->copy;
    if (w->failed) {
        *err = w->error;
        return false;
    }
    if (w->nodata_changed && !(stf_writer_drain(w, err) && stf_writer_read_nodata(w, err)))
        return false;
    if (!stf_writer_finish_tiles(w, err) || !stf_writer_keep_codec_tags(w, err) || !stf_writer_take_shape(w, err) ||
        !stf_copy_set_structure(c, err))
        return false;
    const stf_image_tags images[] = {{c->options.tiled, &c->georef.tags}};
    stf_tiff_file *file = c->file;
    c->file = NULL;
    if (!stf_tiff_file_finish(file, images, err))
        return false;
    if (!stf_target_is_file(w->target) || stf_georef_write_sidecar(&c->georef, w->target, err))
        return true;
    VSIUnlink(w->target); /* a raster without what its sidecar tells is half of one */
    return false;
}

/* Once: afterwards nothing is held but the finished dataset. */
static CPLErr finish(stf_writer *w) {
    stf_error err = {0};
    if (w->done)
        return w->failed ? CE_Failure : CE_None;
    w->done = true;
    bool done = write_file(w, &err);
    if (done)
        warn_of_clipped(w);
    stf_writer_figures(w);
    CPLErr result = done ? CE_None : stf_writer_raise(w, &err);
    release(w);
    return result;
}

CPLErr stf_writer_finish(stf_writer *w) {
    const char *const drivers[] = {"GTiff", NULL};
    if (w->finished)
        return CE_None;
    if (finish(w) != CE_None)
        return CE_Failure;
    w->finished = GDALOpenEx(w->target, GDAL_OF_RASTER | GDAL_OF_UPDATE | GDAL_OF_INTERNAL | GDAL_OF_VERBOSE_ERROR,
                             drivers, NULL, NULL);
    return w->finished ? CE_None : CE_Failure;
}

CPLErr stf_writer_close(stf_writer *w) {
    if (!w)
        return CE_None;
    CPLErr result = finish(w);
    if (w->finished) {
        CPLErrorReset();
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
        result = GDALClose(w->finished);
#else
        GDALClose(w->finished);
        result = CPLGetLastErrorType() >= CE_Failure ? CE_Failure : CE_None;
#endif
    }
    destroy(w);
    return result;
}

void stf_writer_abandon(stf_writer *w) {
    if (!w)
        return;
    if (w->finished)
        GDALClose(w->finished);
    if (w->finished)
        VSIUnlink(w->target);
    destroy(w);
}

/* --- questions --------------------------------------------------------------------------------- */

GDALDatasetH stf_writer_shape(const stf_writer *w) {
    return w->finished ? w->finished : w->shape;
}

bool stf_writer_is_finished(const stf_writer *w) {
    return w->finished != NULL;
}

void stf_writer_block_size(const stf_writer *w, int *width, int *height) {
    *width = (int)w->copy.options.block_width_px;
    *height = (int)w->copy.options.block_height_px;
}

void stf_writer_nodata_changed(stf_writer *w) {
    w->nodata_changed = true;
}

CPLErr stf_writer_flush(stf_writer *w) {
    stf_error err = {0};
    if (w->done)
        return w->failed ? CE_Failure : CE_None;
    return stf_writer_drain(w, &err) ? CE_None : stf_writer_raise(w, &err);
}

CSLConstList stf_writer_figures(stf_writer *w) {
    if (w->done && w->figures)
        return (CSLConstList)w->figures;
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {{"CAP_BYTES", w->cap_bytes},
                   {"REQUESTED_CAP_BYTES", w->copy.options.cap_bytes},
                   {"FLOOR_BYTES", w->floor_bytes},
                   {"PEAK_BYTES", stf_budget_peak_bytes(w->budget)},
                   {"SPILL_BYTES", stf_writer_spilled_bytes(w)},
                   {"REENCODED_TILES", w->reencoded},
                   {"THREADS", w->thread_count ? w->thread_count : 1}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        w->figures =
            CSLSetNameValue(w->figures, figures[i].name, CPLSPrintf(CPL_FRMT_GUIB, (GUIntBig)figures[i].value));
    return (CSLConstList)w->figures;
}
