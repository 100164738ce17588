#include "cached_dataset.h"

#include <limits.h>
#include <string.h>

#include "account.h"
#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "lender.h"
#include "messages.h"
#include "options.h"
#include "source.h"
#include "unit_cache.h"
#include "view_source.h"

struct stf_view {
    GDALDatasetH inner;
    GDALDataType type; /* of all bands, or one that holds all; GDT_Unknown: there is none, and inner is read */
    uint64_t cap_bytes;
    bool cap_named, decode_by_gdal;
    bool has_own_cap; /* MEMORY_CAP among its open options: it works in that, whoever else is there */
    uint32_t threads;
    bool warned;            /* of a cap below the floor */
    stf_account *account;   /* of the copy that it shares a cap with; NULL: none */
    stf_view_source source; /* what is read, while there is a cache */
    stf_budget *budget;
    stf_loan *loan;   /* of a writer, whose cap what it holds is in; NULL: none */
    stf_lease *lease; /* of GDAL's cache, for a view by itself whose inner dataset is read through it */
    stf_unit_cache_job job;
    stf_unit_cache *cache;
    stf_error broken;   /* why there is no cache, or none that can be read */
    uint32_t only_band; /* that the source delivers, from 1; 0: all */
    bool all_bands;     /* another one was asked for as well: from now on the source delivers all */
    uint64_t decodes_before, spilled_before, read_back_before; /* by sources given up, since the view was opened */
    char **figures;
};

/* --- the memory it works in -------------------------------------------------------------------- */

/* Of the cache, but no less than it took to describe the source. */
static uint64_t floor_of(const stf_view *view) {
    uint64_t floor = stf_unit_cache_floor_bytes(&view->job), planning = view->source.planning_bytes;
    return floor > planning ? floor : planning;
}

static char **set_number(char **list, const char *key, uint64_t value) {
    return CSLSetNameValue(list, key, CPLSPrintf(CPL_FRMT_GUIB, (GUIntBig)value));
}

static uint64_t decodes_of(const stf_view *view) {
    const stf_source *source = view->source.source;
    return source->info.decodes_are_counted ? stf_source_blocks_decoded(source)
                                            : stf_unit_cache_tell(view->cache).units_read;
}

static void keep_figures(stf_view *view) {
    if (!view->cache)
        return;
    const stf_source_info *info = &view->source.source->info;
    stf_unit_cache_figures told = stf_unit_cache_tell(view->cache);
    uint64_t cap = stf_budget_cap_bytes(view->budget);
    uint64_t own_lease = view->lease ? view->source.lease_bytes : 0;
    char **list = NULL;
    list = set_number(list, "CAP_BYTES", stf_add(cap, own_lease));
    list = set_number(list, "FLOOR_BYTES", stf_add(floor_of(view), own_lease));
    list = set_number(list, "PEAK_BYTES", stf_add(stf_budget_peak_bytes(view->budget), own_lease));
    list = CSLSetNameValue(list, "SOURCE_KIND", stf_source_kind_name(info->kind));
    list = CSLSetNameValue(list, "DECODER", info->decoded_directly ? "DIRECT" : "GDAL");
    list = set_number(list, "SOURCE_BLOCKS", info->source_blocks);
    list = set_number(list, "BLOCK_DECODES", view->decodes_before + decodes_of(view));
    list = CSLSetNameValue(list, "DECODES_MEASURED", info->decodes_are_counted ? "YES" : "NO");
    list = set_number(list, "SPILL_BYTES", view->spilled_before + told.spill_bytes);
    list = set_number(list, "SPILL_READ_BYTES", view->read_back_before + told.spill_read_bytes);
    list = set_number(list, "THREADS", stf_unit_cache_size_for(&view->job, cap).readers);
    CSLDestroy(view->figures);
    view->figures = list;
}

static void let_go(stf_view *view) {
    keep_figures(view);
    stf_unit_cache_destroy(view->cache);
    view->cache = NULL;
    stf_view_source_close(&view->source);
    stf_lease_end(view->lease);
    view->lease = NULL;
    stf_budget_destroy(view->budget);
    view->budget = NULL;
    stf_loan_end(view->loan);
    view->loan = NULL;
}

static void describe_job(stf_view *view, const char *target) {
    const stf_source_info *info = &view->source.source->info;
    stf_unit_cache_job *job = &view->job;
    memset(job, 0, sizeof *job);
    job->groups = info->groups;
    job->group_count = info->group_count;
    job->width_px = (uint32_t)GDALGetRasterXSize(view->inner);
    job->sample_bytes = (uint32_t)GDALGetDataTypeSizeBytes(view->type);
    job->unit_bytes = info->unit_bytes;
    job->kept_bytes = info->kept_bytes;
    job->reader_bytes = stf_view_source_reader_bytes(&view->source);
    job->parallel_read = info->parallel_read;
    job->threads = view->threads;
    job->source.context = &view->source;
    job->source.read = stf_view_source_read;
    job->open_readers = stf_view_source_open_readers;
    job->target = target;
}

/* Opens the source; then job says what a cache of it costs. */
static bool open_source(stf_view *view, const char *target, stf_error *err) {
    if (!stf_view_source_open(&view->source, view->inner, view->type, view->only_band, view->decode_by_gdal, err))
        return false;
    describe_job(view, target);
    if (view->job.unit_bytes == 0 || view->job.unit_bytes > INT64_MAX / 4)
        return stf_fail(err, CPLE_NotSupported, "The blocks of %s are too large", GDALGetDescription(view->inner));
    return true;
}

static bool make_cache(stf_view *view, uint64_t cap_bytes, stf_error *err) {
    view->budget = stf_budget_create(cap_bytes);
    if (!view->budget)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for the account");
    view->job.budget = view->budget;
    stf_unit_cache_size size = stf_unit_cache_size_for(&view->job, cap_bytes);
    CPLDebug("StreamTIFF",
             "view of %s: %s, %.1f MiB: %u block(s) in memory, %u reader(s), %u row(s) read back at a time",
             GDALGetDescription(view->inner), view->source.source->info.summary, (double)cap_bytes / 1048576.0,
             size.slots, size.readers, size.piece_rows);
    view->cache = stf_unit_cache_create(&view->job, &size, err);
    return view->cache != NULL;
}

static void warn_of_floor(stf_view *view, uint64_t floor_bytes) {
    if (view->cap_named && !view->warned)
        CPLError(CE_Warning, CPLE_AppDefined,
                 "MEMORY_CAP is raised from " CPL_FRMT_GUIB " bytes (%.1f MB) to " CPL_FRMT_GUIB
                 " bytes (%.1f MB), the least that a view of %s works in; the source's blocks are what takes it",
                 (GUIntBig)view->cap_bytes, (double)view->cap_bytes / 1048576.0, (GUIntBig)floor_bytes,
                 (double)floor_bytes / 1048576.0, GDALGetDescription(view->inner));
    view->warned = true;
}

/* Of a writer of this process, if there is one. */
static bool take_loan(stf_view *view, uint64_t floor_bytes, uint64_t lease_bytes, uint64_t *cap_bytes, stf_error *err) {
    uint64_t row_units = stf_unit_cache_row_units(&view->job, 1);
    uint64_t wanted = stf_add(stf_unit_cache_wanted_bytes(&view->job, row_units, 2), lease_bytes);
    if (!view->has_own_cap)
        view->loan = stf_loan_take(floor_bytes, wanted, cap_bytes, err);
    return view->loan || !err->number;
}

/* By itself: with a cap of its own, or in what a writer lends. */
static bool work_alone(stf_view *view, stf_error *err) {
    if (!open_source(view, NULL, err))
        return false;
    uint64_t lease = view->source.lease_bytes, floor = stf_add(floor_of(view), lease);
    uint64_t cap = view->cap_bytes;
    if (!take_loan(view, floor, lease, &cap, err))
        return false;
    if (cap < floor) {
        warn_of_floor(view, floor);
        cap = floor;
    }
    if (lease > 0)
        view->lease = stf_lease_begin(lease);
    return make_cache(view, cap - lease, err);
}

/* --- the account of a copy --------------------------------------------------------------------- */

/* Groups that the first rows asked for: those that the copy reads. */
static uint32_t groups_seen(const stf_view *view) {
    uint32_t seen = stf_unit_cache_tell(view->cache).groups_seen;
    return seen > 0 ? seen : 1;
}

static void tell_demand(void *context, stf_account_demand *demand) {
    const stf_view *view = context;
    const stf_source_info *info = &view->source.source->info;
    uint32_t seen = groups_seen(view);
    uint64_t row_units = stf_unit_cache_row_units(&view->job, seen);
    demand->floor_bytes = floor_of(view);
    for (uint32_t rows = 0; rows < STF_ACCOUNT_WISHES; rows++)
        demand->wanted_bytes[rows] = stf_unit_cache_wanted_bytes(&view->job, row_units, rows);
    demand->lease_bytes = view->source.lease_bytes;
    demand->counts = info->decodes_are_counted;
    demand->blocks = info->source_blocks / info->group_count * seen;
}

static uint64_t estimate_spill(void *context, uint64_t share_bytes) {
    const stf_view *view = context;
    uint64_t row_units = stf_unit_cache_row_units(&view->job, groups_seen(view));
    return stf_unit_cache_spill_estimate(&view->job, row_units, share_bytes);
}

static bool take_share(void *context, uint64_t share_bytes) {
    stf_view *view = context;
    stf_unit_cache_size size = stf_unit_cache_size_for(&view->job, share_bytes);
    uint64_t before = stf_budget_cap_bytes(view->budget);
    if (share_bytes > before)
        stf_budget_set_cap(view->budget, share_bytes);
    bool done = stf_unit_cache_resize(view->cache, &size, &view->broken);
    stf_budget_set_cap(view->budget, share_bytes);
    CPLDebug("StreamTIFF", "view of %s: %.1f MiB of the copy's cap: %u block(s) in memory, %u reader(s)",
             GDALGetDescription(view->inner), (double)share_bytes / 1048576.0, size.slots, size.readers);
    return done;
}

static uint64_t count_decodes(void *context) {
    const stf_view *view = context;
    return stf_source_blocks_decoded(view->source.source);
}

static uint64_t count_spilled(void *context) {
    const stf_view *view = context;
    return stf_unit_cache_tell(view->cache).spill_bytes;
}

static void leave_account(void *context) {
    stf_view *view = context;
    let_go(view);
    view->account = NULL;
}

/* With the copy that pulls its first rows. What it held by itself is given up: the copy's cap is for all there is. */
static bool work_for(stf_view *view, stf_account *account, uint64_t probe_bytes, stf_error *err) {
    const stf_account_view callbacks = {view,          tell_demand,   estimate_spill, take_share,
                                        count_decodes, count_spilled, leave_account};
    let_go(view);
    view->decodes_before = view->spilled_before = view->read_back_before = 0; /* the figures are the copy's now */
    if (!open_source(view, stf_account_target(account), err))
        return false;
    uint64_t floor = floor_of(view);
    uint64_t wanted = stf_unit_cache_wanted_bytes(&view->job, stf_unit_cache_row_units(&view->job, 1), 2);
    uint64_t cap = wanted < probe_bytes ? wanted : probe_bytes;
    if (!make_cache(view, cap > floor ? cap : floor, err) || !stf_account_join(account, &callbacks))
        return false;
    view->account = account;
    return true;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* A VRT of several bands, of which one was asked for so far, is read for that one alone. */
static void begin_with(stf_view *view, const int *bands, int band_count) {
    view->only_band = band_count == 1 && !view->all_bands ? (uint32_t)bands[0] : 0;
}

static bool has_bands(const stf_view *view, const int *bands, int band_count) {
    const stf_source_info *info = view->cache ? &view->source.source->info : NULL;
    for (int i = 0; info && i < band_count; i++) {
        bool found = false;
        for (uint32_t g = 0; g < info->group_count; g++)
            found = found || ((uint32_t)bands[i] > info->groups[g].first_band &&
                              (uint32_t)bands[i] <= info->groups[g].first_band + info->groups[g].bands);
        if (!found)
            return false;
    }
    return true;
}

static void begin_anew(stf_view *view) {
    stf_unit_cache_figures told = stf_unit_cache_tell(view->cache);
    view->decodes_before += decodes_of(view);
    view->spilled_before += told.spill_bytes;
    view->read_back_before += told.spill_read_bytes;
    if (view->account)
        stf_account_quit(view->account, view);
    view->account = NULL;
    let_go(view);
}

bool stf_view_serves(stf_view *view, const int *bands, int band_count) {
    stf_account *account = stf_account_current();
    uint64_t probe_bytes;
    stf_error err = {0};
    if (view->type == GDT_Unknown || stf_account_is_inner())
        return false;
    if (!has_bands(view, bands, band_count) && view->account == account &&
        (!account || stf_account_is_probing(account, &probe_bytes))) {
        view->all_bands = true;
        begin_anew(view);
    }
    if (view->account || account) {
        if (view->account == account)
            return has_bands(view, bands, band_count);
        if (view->account || !stf_account_is_probing(account, &probe_bytes))
            return false;
        begin_with(view, bands, band_count);
        if (!work_for(view, account, probe_bytes, &err))
            let_go(view);
        view->broken = err;
        return true;
    }
    if (view->cache && !view->has_own_cap && !stf_loan_counts(view->loan) && stf_loan_is_offered())
        begin_anew(view); /* a writer has come */
    if (!view->cache) {
        begin_with(view, bands, band_count);
        if (!work_alone(view, &err))
            let_go(view);
        view->broken = err;
    }
    return true;
}

typedef struct view_delivery {
    const stf_view_read *read;
    GDALDataType type;
    int type_bytes;
    uint64_t pixels, done; /* of all bands */
} view_delivery;

static bool deliver(void *context, uint32_t index, const stf_window *part, const unsigned char *pixels,
                    size_t row_bytes, stf_error *err) {
    view_delivery *delivery = context;
    const stf_view_read *read = delivery->read;
    unsigned char *to = (unsigned char *)read->data + (int64_t)index * read->band_bytes +
                        ((int64_t)part->y - read->y) * read->line_bytes +
                        ((int64_t)part->x - read->x) * read->pixel_bytes;
    for (uint32_t row = 0; row < part->height; row++, to += read->line_bytes, pixels += row_bytes)
        GDALCopyWords64(pixels, delivery->type, delivery->type_bytes, to, read->type, (int)read->pixel_bytes,
                        part->width);
    delivery->done += (uint64_t)part->width * part->height;
    if (read->progress && !read->progress((double)delivery->done / (double)delivery->pixels, "", read->progress_data))
        return stf_fail(err, CPLE_UserInterrupt, "User terminated");
    return true;
}

static bool read_bands(stf_view *view, const stf_view_read *read, stf_error *err) {
    const stf_window window = {(uint32_t)read->x, (uint32_t)read->y, (uint32_t)read->width, (uint32_t)read->height};
    view_delivery delivery = {read, view->type, GDALGetDataTypeSizeBytes(view->type),
                              (uint64_t)read->width * (uint64_t)read->height * (uint64_t)read->band_count, 0};
    uint32_t few[16], *bands = few;
    if (read->band_count > 16)
        bands = VSIMalloc2((size_t)read->band_count, sizeof *bands);
    if (!bands)
        return stf_fail(err, CPLE_OutOfMemory, "No memory for a list of %d bands", read->band_count);
    for (int i = 0; i < read->band_count; i++)
        bands[i] = (uint32_t)read->bands[i] - 1;
    bool done = stf_unit_cache_read(view->cache, &window, bands, (uint32_t)read->band_count, deliver, &delivery, err);
    if (bands != few)
        VSIFree(bands);
    return done;
}

CPLErr stf_view_read_pixels(stf_view *view, const stf_view_read *read) {
    stf_error err = view->broken;
    if (!err.number && view->cache && read_bands(view, read, &err))
        return CE_None;
    CPLError(CE_Failure, err.number ? err.number : CPLE_AppDefined, "%s", err.text);
    return CE_Failure;
}

CPLErr stf_view_read_block(stf_view *view, int band, int block_x, int block_y, void *data) {
    GDALRasterBandH shown = GDALGetRasterBand(view->inner, band);
    GDALDataType type = GDALGetRasterDataType(shown);
    int width, height, pixel_bytes = GDALGetDataTypeSizeBytes(type);
    stf_view_read read = {0};
    GDALGetBlockSize(shown, &width, &height);
    read.x = block_x * width;
    read.y = block_y * height;
    read.width = GDALGetRasterXSize(view->inner) - read.x < width ? GDALGetRasterXSize(view->inner) - read.x : width;
    read.height = GDALGetRasterYSize(view->inner) - read.y < height ? GDALGetRasterYSize(view->inner) - read.y : height;
    read.bands = &band;
    read.band_count = 1;
    read.data = data;
    read.type = type;
    read.pixel_bytes = pixel_bytes;
    read.line_bytes = (int64_t)width * pixel_bytes;
    if (read.width < width || read.height < height) /* the part outside of the raster */
        memset(data, 0, (size_t)read.line_bytes * (size_t)height);
    return stf_view_read_pixels(view, &read);
}

/* --- from beginning to end --------------------------------------------------------------------- */

/* One type for the pixels of all bands, which none of them loses anything in. */
static GDALDataType common_type(GDALDatasetH inner) {
    GDALDataType type = GDT_Unknown;
    bool large_integers = false, mixed = false;
    for (int band = 1; band <= GDALGetRasterCount(inner); band++) {
        GDALDataType other = GDALGetRasterDataType(GDALGetRasterBand(inner, band));
        if (other == GDT_Unknown)
            return GDT_Unknown;
        large_integers = large_integers || other == GDT_Int64 || other == GDT_UInt64;
        mixed = mixed || (band > 1 && other != type);
        type = band == 1 ? other : GDALDataTypeUnion(type, other);
    }
    return mixed && large_integers ? GDT_Unknown : type;
}

stf_view *stf_view_create(GDALDatasetH inner, CSLConstList open_options) {
    stf_error err = {0};
    stf_view *view = VSICalloc(1, sizeof *view);
    stf_memory_options memory;
    if (view && stf_options_parse_memory(open_options, &memory, &err)) {
        view->inner = inner;
        view->type = common_type(inner);
        view->cap_bytes = memory.cap_bytes;
        view->cap_named = memory.cap_named;
        view->has_own_cap = CSLFetchNameValue(open_options, "MEMORY_CAP") != NULL;
        view->threads = memory.threads;
        view->decode_by_gdal = memory.decode_by_gdal;
        return view;
    }
    if (!view)
        stf_fail(&err, CPLE_OutOfMemory, "No memory for a view");
    VSIFree(view);
    CPLError(CE_Failure, err.number, "%s", err.text);
    return NULL;
}

void stf_view_destroy(stf_view *view) {
    if (!view)
        return;
    if (view->account)
        stf_account_quit(view->account, view);
    let_go(view);
    CSLDestroy(view->figures);
    VSIFree(view);
}

char **stf_view_metadata(stf_view *view) {
    keep_figures(view);
    return view->figures;
}
