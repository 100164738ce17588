/* Complete tiles are encoded by workers in the order of completion, and committed in that order by the caller, so that
 * the bytes of the file do not depend on threads. Without workers the caller does it all. */
#include <string.h>

#include "cpl_conv.h"
#include "tiff.h"
#include "writer_internal.h"

static void lock(stf_writer *w) {
    CPLAcquireMutex(w->mutex, 1000.0);
}

static void unlock(stf_writer *w) {
    CPLReleaseMutex(w->mutex);
}

static stf_writer_job *job_at(const stf_writer *w, uint64_t number) {
    return &w->jobs[number % w->job_room];
}

/* --- encoding ---------------------------------------------------------------------------------- */

static bool ready_encoder(stf_writer *w, stf_writer_worker *worker, stf_error *err) {
    if (worker->encoder)
        return true;
    if (!stf_budget_charge(w->budget, w->encoder_bytes, "an encoder", err))
        return false;
    worker->encoder = stf_encoder_create(&w->copy.format, err);
    if (!worker->encoder)
        stf_budget_release(w->budget, w->encoder_bytes);
    return worker->encoder != NULL;
}

static bool find_constant(stf_writer *w, stf_writer_job *job) {
    lock(w);
    job->encoded = stf_uniform_store_find(w->uniforms, &job->value, job->rows, &job->encoded_bytes);
    unlock(w);
    return job->encoded != NULL;
}

/* True where there is nothing to encode. */
static bool is_done_already(stf_writer *w, stf_writer_job *job) {
    const stf_geometry *geometry = &w->copy.geometry;
    const stf_plane *plane = &geometry->planes[stf_geometry_tile_plane(geometry, job->tile)];
    stf_window valid = stf_geometry_tile_window(geometry, job->tile);
    size_t row_px = w->copy.format.width_px, pixel_bytes = stf_writer_pixel_bytes(w);
    void *pixels = stf_writer_pixels(w, job->slot);
    job->rows = stf_writer_tile_rows(w, &valid);
    stf_assembly_pad(pixels, pixel_bytes, w->copy.format.width_px, job->rows, &valid);
    if (stf_sparse_omits(&w->copy.sparse, pixels, &valid, row_px, w->copy.format.samples)) {
        job->encoded = NULL;
        job->encoded_bytes = 0;
        return true;
    }
    if (w->copy.discard.bits)
        stf_discard_apply(&w->copy.discard, plane->first_band, plane->bands, pixels,
                          row_px * job->rows * w->copy.format.samples);
    job->constant = stf_uniform_of_pixels(pixels, pixel_bytes, row_px * job->rows, &job->value);
    return job->constant && find_constant(w, job);
}

static bool encode(stf_writer *w, stf_writer_worker *worker, stf_writer_job *job, stf_error *err) {
    void *pixels = stf_writer_pixels(w, job->slot);
    if (is_done_already(w, job))
        return true;
    job->encoded = pixels;
    if (!ready_encoder(w, worker, err) ||
        !stf_encoder_encode(worker->encoder, pixels, w->mask_offset, job->rows, &job->encoded_bytes, err))
        return false;
    if (!job->constant)
        return true;
    lock(w);
    stf_uniform_store_keep(w->uniforms, &job->value, job->rows, job->encoded, job->encoded_bytes);
    unlock(w);
    return true;
}

/* Under the lock, which it gives up while it encodes. */
static void encode_next(stf_writer *w, stf_writer_worker *worker) {
    stf_error err = {0};
    stf_writer_job *job = job_at(w, w->next_start++);
    job->state = STF_WRITER_JOB_ENCODING;
    unlock(w);
    stf_messages_begin(&w->messages);
    bool done = encode(w, worker, job, &err);
    stf_messages_end();
    lock(w);
    job->state = STF_WRITER_JOB_ENCODED;
    if (!done && !w->worker_failed) {
        w->worker_failed = true;
        w->worker_error = err;
    }
    CPLCondBroadcast(w->changed);
}

static void run_worker(void *data) {
    stf_writer_worker *worker = data;
    stf_writer *w = worker->writer;
    lock(w);
    while (!w->quit)
        if (w->next_start != w->next_queued && !w->worker_failed)
            encode_next(w, worker);
        else
            CPLCondWait(w->changed, w->mutex);
    unlock(w);
}

/* --- the caller's side ------------------------------------------------------------------------- */

static bool commit(stf_writer *w, const stf_writer_job *job, stf_error *err) {
    stf_writer_tile *tile = &w->tiles[job->tile];
    bool done = stf_tiff_file_replace(w->copy.file, w->image, job->tile, job->encoded, job->encoded_bytes, err);
    tile->state = STF_TILE_WRITTEN;
    tile->in_file = true;
    stf_pool_give(w->pool, job->slot);
    return done;
}

bool stf_writer_commit_next(stf_writer *w, bool wait, bool *any, stf_error *err) {
    *any = false;
    lock(w);
    while (wait && !w->worker_failed && w->next_commit != w->next_queued &&
           job_at(w, w->next_commit)->state != STF_WRITER_JOB_ENCODED)
        CPLCondWait(w->changed, w->mutex);
    bool failed = w->worker_failed;
    if (failed)
        *err = w->worker_error;
    else
        *any = w->next_commit != w->next_queued && job_at(w, w->next_commit)->state == STF_WRITER_JOB_ENCODED;
    unlock(w);
    if (failed || !*any)
        return !failed;
    stf_messages_raise(&w->messages);
    return commit(w, job_at(w, w->next_commit++), err);
}

bool stf_writer_drain(stf_writer *w, stf_error *err) {
    bool any = true;
    while (any)
        if (!stf_writer_commit_next(w, true, &any, err))
            return false;
    return true;
}

bool stf_writer_queue(stf_writer *w, uint64_t tile, uint32_t slot, stf_error *err) {
    bool any = false;
    lock(w);
    stf_writer_job *job = job_at(w, w->next_queued);
    memset(job, 0, sizeof *job);
    job->tile = tile;
    job->slot = slot;
    w->next_queued++;
    if (w->thread_count == 0)
        encode_next(w, &w->workers[0]);
    else
        CPLCondBroadcast(w->changed);
    unlock(w);
    return stf_writer_commit_next(w, false, &any, err);
}

bool stf_writer_start_workers(stf_writer *w, stf_error *err) {
    w->mutex = CPLCreateMutex();
    if (w->mutex)
        CPLReleaseMutex(w->mutex);
    w->changed = CPLCreateCond();
    w->uniforms = stf_uniform_store_create();
    w->job_room = w->slot_count + 1;
    w->jobs = VSICalloc((size_t)w->job_room, sizeof *w->jobs);
    w->workers = VSICalloc(w->thread_count + 1, sizeof *w->workers);
    if (!w->mutex || !w->changed || !w->uniforms || !w->jobs || !w->workers || !stf_messages_init(&w->messages))
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the queue of tiles");
    for (uint32_t i = 0; i < w->thread_count; i++) {
        w->workers[i].writer = w;
        w->workers[i].thread = CPLCreateJoinableThread(run_worker, &w->workers[i]);
        if (!w->workers[i].thread)
            return stf_fail(err, CPLE_OutOfMemory, "Cannot start %u threads: lower NUM_THREADS", w->thread_count);
    }
    return true;
}

void stf_writer_stop_workers(stf_writer *w) {
    if (w->mutex && w->changed) {
        lock(w);
        w->quit = true;
        CPLCondBroadcast(w->changed);
        unlock(w);
    }
    for (uint32_t i = 0; w->workers && i <= w->thread_count; i++) {
        if (w->workers[i].thread)
            CPLJoinThread(w->workers[i].thread);
        stf_encoder_destroy(w->workers[i].encoder);
    }
    VSIFree(w->workers);
    w->workers = NULL;
    VSIFree(w->jobs);
    w->jobs = NULL;
    stf_uniform_store_destroy(w->uniforms);
    w->uniforms = NULL;
    stf_messages_free(&w->messages);
    if (w->changed)
        CPLDestroyCond(w->changed);
    w->changed = NULL;
    if (w->mutex)
        CPLDestroyMutex(w->mutex);
    w->mutex = NULL;
}

/* Calling thread, with nothing queued. */
static stf_encoder *any_encoder(stf_writer *w, stf_error *err) {
    for (uint32_t i = 0; i <= w->thread_count; i++)
        if (w->workers[i].encoder)
            return w->workers[i].encoder;
    return ready_encoder(w, &w->workers[0], err) ? w->workers[0].encoder : NULL;
}

bool stf_writer_keep_codec_tags(stf_writer *w, stf_error *err) {
    stf_codec_tag found[8];
    stf_encoder *encoder = any_encoder(w, err);
    size_t count = encoder ? stf_encoder_tags(encoder, found, sizeof found / sizeof *found) : 0;
    for (size_t i = 0; i < count; i++)
        if (!stf_tag_list_set(&w->copy.result.codec_tags, found[i].tag, found[i].type, found[i].count, found[i].values,
                              err))
            return false;
    return encoder != NULL;
}

bool stf_writer_clipped(const stf_writer *w) {
    bool clipped = false;
    for (uint32_t i = 0; i <= w->thread_count; i++)
        clipped = clipped || (w->workers[i].encoder && stf_encoder_clipped(w->workers[i].encoder));
    return clipped;
}

/* --- and back ---------------------------------------------------------------------------------- */

static bool tile_tags(stf_writer *w, uint32_t rows, stf_tag_list *tags, stf_error *err) {
    const stf_tile_format *format = &w->copy.format;
    bool ycbcr = format->codec.compression == COMPRESSION_JPEG && format->photometric == PHOTOMETRIC_YCBCR;
    uint16_t extra = (uint16_t)(ycbcr ? 0 : format->samples - 1);
    bool done =
        stf_copy_set_length(tags, TIFFTAG_IMAGEWIDTH, format->width_px, err) &&
        stf_copy_set_length(tags, TIFFTAG_IMAGELENGTH, rows, err) &&
        stf_copy_set_shorts(tags, TIFFTAG_BITSPERSAMPLE, format->sample_bits, format->samples, err) &&
        stf_copy_set_shorts(tags, TIFFTAG_SAMPLEFORMAT, format->sample_format, format->samples, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_COMPRESSION, format->codec.compression, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_SAMPLESPERPIXEL, format->samples, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG, err) &&
        stf_tag_list_set_short(tags, TIFFTAG_PHOTOMETRIC, ycbcr ? PHOTOMETRIC_YCBCR : PHOTOMETRIC_MINISBLACK, err) &&
        (extra == 0 || stf_copy_set_shorts(tags, TIFFTAG_EXTRASAMPLES, EXTRASAMPLE_UNSPECIFIED, extra, err)) &&
        (!format->codec.has_predictor || stf_tag_list_set_short(tags, TIFFTAG_PREDICTOR, format->codec.predictor, err));
    if (format->tiled)
        done = done && stf_copy_set_length(tags, TIFFTAG_TILEWIDTH, format->width_px, err) &&
               stf_copy_set_length(tags, TIFFTAG_TILELENGTH, format->height_px, err);
    else
        done = done && stf_copy_set_length(tags, TIFFTAG_ROWSPERSTRIP, rows, err);
    for (size_t i = 0; done && i < w->copy.result.codec_tags.count; i++) {
        const stf_tag *tag = &w->copy.result.codec_tags.items[i];
        done = stf_tag_list_set(tags, tag->tag, tag->type, tag->count, tag->values, err);
    }
    return done;
}

/* A TIFF of this one tile. */
static bool write_single(stf_writer *w, const char *name, uint64_t tile, uint32_t rows, void *room, stf_error *err) {
    stf_tag_list tags = {0};
    stf_image_tags image = {w->copy.format.tiled, &tags};
    bool done = stf_tiff_file_read(w->copy.file, w->image, tile, room, err) && tile_tags(w, rows, &tags, err);
    stf_tiff_file *file = done ? stf_tiff_file_create(name, false, 1, err) : NULL;
    if (file && w->copy.options.swapped)
        stf_tiff_file_swap(file);
    if (file && stf_tiff_file_append(file, 0, 0, room, stf_tiff_file_tile_bytes(w->copy.file, w->image, tile), err))
        done = stf_tiff_file_finish(file, &image, err);
    else {
        stf_tiff_file_abort(file);
        done = false;
    }
    stf_tag_list_free(&tags);
    return done;
}

static bool read_single(const stf_writer *w, const char *name, uint32_t rows, void *pixels, stf_error *err) {
    const char *const drivers[] = {"GTiff", NULL};
    int width = (int)w->copy.format.width_px, samples = w->copy.format.samples;
    GSpacing pixel_bytes = (GSpacing)stf_writer_pixel_bytes(w);
    CPLPushErrorHandler(CPLQuietErrorHandler);
    GDALDatasetH dataset = GDALOpenEx(name, GDAL_OF_RASTER | GDAL_OF_INTERNAL, drivers, NULL, NULL);
    bool done = dataset && GDALDatasetRasterIOEx(dataset, GF_Read, 0, 0, width, (int)rows, pixels, width, (int)rows,
                                                 w->copy.type, samples, NULL, pixel_bytes, pixel_bytes * width,
                                                 w->copy.raster.sample_bytes, NULL) == CE_None;
    CPLPopErrorHandler();
    if (!done)
        stf_fail_with_last(err, "Decoding a tile that is written to again");
    if (dataset)
        GDALClose(dataset);
    return done;
}

/* A mask of one bit is 0 and 255 to those who read it. */
static void widen_bits(const stf_writer *w, unsigned char *pixels, uint32_t rows) {
    for (size_t i = 0; w->is_mask && w->copy.format.sample_bits == 1 && i < (size_t)w->copy.format.width_px * rows; i++)
        pixels[i] = pixels[i] ? 255 : 0;
}

bool stf_writer_decode(stf_writer *w, uint64_t tile, uint32_t slot, stf_error *err) {
    stf_window valid = stf_geometry_tile_window(&w->copy.geometry, tile);
    uint32_t rows = stf_writer_tile_rows(w, &valid);
    unsigned char *pixels = stf_writer_pixels(w, slot);
    if (stf_tiff_file_tile_bytes(w->copy.file, w->image, tile) == 0) {
        stf_writer_fill(w, pixels, w->copy.format.width_px * rows * w->copy.format.samples,
                        w->copy.raster.sample_bytes);
        return true;
    }
    char *name = CPLStrdup(CPLSPrintf("/vsimem/streamtiff-tile-%p.tif", (void *)w));
    bool done = stf_budget_charge(w->budget, w->decode_bytes, "decoding a tile", err);
    if (done) {
        done = stf_writer_drain(w, err) && stf_writer_keep_codec_tags(w, err) &&
               write_single(w, name, tile, rows, pixels, err) && read_single(w, name, rows, pixels, err);
        stf_budget_release(w->budget, w->decode_bytes);
        widen_bits(w, pixels, rows);
        VSIUnlink(name);
    }
    CPLFree(name);
    return done;
}
