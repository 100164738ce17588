/* The dataset's mask. Its tiles are another format's, and their states, slots and spill are its own; the account is the
 * writer's, which gives up slots where there is no room for both. */
#include "cpl_conv.h"
#include "writer_internal.h"

/* Of what is left beside tables: a quarter, which is as many tiles as those of a row of four bands' bytes. */
#define MASK_SHARE 4

static void describe_mask(stf_writer *mask, const stf_writer *w) {
    stf_copy *c = &mask->copy;
    mask->is_mask = true;
    mask->target = w->target;
    mask->budget = w->budget;
    mask->lender = w->lender;
    mask->image = w->copy.mask.image;
    c->target = w->target;
    c->type = GDT_Byte;
    c->raster = w->copy.raster;
    c->raster.bands = c->raster.sample_bytes = 1;
    c->raster.kind = STF_UINT;
    c->options.sparse_ok = w->copy.mask.sparse.omits;
    c->format = w->copy.mask.format;
    c->sparse = w->copy.mask.sparse;
    c->geometry = w->copy.mask.geometry;
    c->planes = (stf_plane *)(uintptr_t)c->geometry.planes;
}

/* Both within the cap, which is raised where it does not hold the least of both. */
static bool share_cap(stf_writer *w, stf_writer *mask, stf_error *err) {
    uint64_t own = stf_add(stf_writer_fixed_bytes(mask), mask->encoder_bytes);
    uint64_t other =
        stf_add(stf_writer_fixed_bytes(w), stf_mul(w->thread_count ? w->thread_count : 1, w->encoder_bytes));
    uint64_t least = stf_add(stf_add(own, stf_writer_slots_bytes(mask, STF_WRITER_LEAST_SLOTS)),
                             stf_add(other, stf_writer_slots_bytes(w, STF_WRITER_LEAST_SLOTS)));
    least = stf_add(least, w->lent_bytes);
    if (!stf_writer_raise_cap(w, least, "a mask beside the bands", err))
        return false;
    uint64_t rest = w->cap_bytes - least, each = stf_writer_slots_bytes(mask, 1);
    mask->slot_count = STF_WRITER_LEAST_SLOTS + rest / MASK_SHARE / each;
    if (mask->slot_count > mask->tile_count + STF_WRITER_LEAST_SLOTS)
        mask->slot_count = mask->tile_count + STF_WRITER_LEAST_SLOTS;
    uint64_t left = rest - (mask->slot_count - STF_WRITER_LEAST_SLOTS) * each;
    return stf_writer_shrink(w, STF_WRITER_LEAST_SLOTS + left / stf_writer_slots_bytes(w, 1), err);
}

static bool open_place(stf_writer *w, stf_writer *mask, stf_error *err) {
    if (w->copy.mask.home == STF_MASK_INSIDE) {
        mask->copy.file = w->copy.file;
        return stf_tiff_file_add_image(w->copy.file, mask->tile_count, err);
    }
    w->copy.mask.path = CPLStrdup(CPLSPrintf("%s.msk", w->target));
    uint64_t worst = stf_mul(mask->mask_offset, mask->tile_count);
    mask->copy.file = stf_tiff_file_create(w->copy.mask.path, stf_tiff_file_needs_big(worst), mask->tile_count, err);
    return mask->copy.file != NULL;
}

static CPLErr create_mask(stf_writer *w) {
    stf_error err = {0};
    if (w->mask || w->done) {
        CPLError(CE_Failure, CPLE_NotSupported, "This TIFF dataset has already a mask band");
        return CE_Failure;
    }
    stf_writer *mask = VSICalloc(1, sizeof *mask);
    if (!mask) {
        CPLError(CE_Failure, CPLE_OutOfMemory, "No memory for a mask");
        return CE_Failure;
    }
    bool inside = stf_options_internal_mask() || w->cog_target;
    w->copy.mask.of_dataset = true;
    w->copy.mask.bands = 1;
    stf_copy_describe_mask(&w->copy, inside ? STF_MASK_INSIDE : STF_MASK_BESIDE);
    describe_mask(mask, w);
    w->mask = mask;
    if (stf_writer_describe_slots(mask, &err) && share_cap(w, mask, &err) && stf_writer_take_memory(mask, &err) &&
        stf_writer_start_workers(mask, &err) && open_place(w, mask, &err))
        return CE_None;
    return stf_writer_raise(w, &err); /* for good: the file has lost its order */
}

CPLErr stf_writer_create_mask(stf_writer *w) {
    stf_lender_enter(w->lender);
    CPLErr result = create_mask(w);
    stf_lender_leave(w->lender);
    return result;
}

stf_writer *stf_writer_mask(const stf_writer *w) {
    return w->mask;
}

bool stf_writer_finish_mask(stf_writer *w, stf_error *err) {
    stf_writer *mask = w->mask;
    if (!mask)
        return true;
    if (mask->failed) {
        *err = mask->error;
        return false;
    }
    if (!stf_writer_finish_tiles(mask, err) || !stf_copy_set_mask_structure(&w->copy, err))
        return false;
    if (w->copy.mask.home == STF_MASK_INSIDE)
        return true;
    const stf_image_tags image = {w->copy.mask.format.tiled, &w->copy.mask.tags};
    stf_tiff_file *file = mask->copy.file;
    mask->copy.file = NULL;
    return stf_tiff_file_finish(file, &image, err);
}

void stf_writer_destroy_mask(stf_writer *w) {
    stf_writer *mask = w->mask;
    if (!mask)
        return;
    stf_writer_stop_workers(mask);
    if (w->copy.mask.home == STF_MASK_BESIDE)
        stf_tiff_file_abort(mask->copy.file);
    stf_writer_give_memory(mask);
    stf_tag_list_free(&mask->copy.result.codec_tags);
    VSIFree(mask);
    w->mask = NULL;
}
