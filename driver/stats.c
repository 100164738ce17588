#include "stats.h"

#include "cpl_conv.h"

static char **set_number(char **list, const char *key, uint64_t value) {
    return CSLSetNameValue(list, key, CPLSPrintf(CPL_FRMT_GUIB, (GUIntBig)value));
}

char **stf_stats_metadata(const stf_stats *stats) {
    const stf_plan *plan = stats->plan;
    char **list = NULL;
    list = set_number(list, "CAP_BYTES", plan->cap_bytes);
    list = set_number(list, "REQUESTED_CAP_BYTES", plan->requested_cap_bytes);
    list = set_number(list, "FLOOR_BYTES", plan->floor_bytes);
    list = set_number(list, "PEAK_BYTES", stats->peak_bytes);
    list = set_number(list, "PREDICTED_PEAK_BYTES", plan->predicted_peak_bytes);
    list = CSLSetNameValue(list, "SOURCE_KIND", stf_source_kind_name(stats->source->kind));
    list = CSLSetNameValue(list, "DECODER",
                           stats->source->never_decoded      ? "NONE"
                           : stats->source->decoded_directly ? "DIRECT"
                                                             : "GDAL");
    list = CSLSetNameValue(list, "SWEEP", stf_sweep_name(plan->sweep));
    list = set_number(list, "STRIPES", plan->stripes);
    list = set_number(list, "SOURCE_BLOCKS", stats->source->source_blocks);
    list = set_number(list, "REPEATED_BLOCKS", stats->source->repeated_blocks);
    list = set_number(list, "BLOCK_DECODES", stats->block_decodes);
    list = set_number(list, "PREDICTED_DECODES", plan->decodes);
    list = set_number(list, "DECODES_BEFORE", stats->source->decodes_before);
    list = CSLSetNameValue(list, "DECODES_MEASURED", stats->source->decodes_are_counted ? "YES" : "NO");
    list = set_number(list, "SPILL_BYTES", stf_add(stats->spill_bytes, stats->view_spill_bytes));
    list = set_number(list, "PREDICTED_SPILL_BYTES", plan->spill_bytes);
    list = set_number(list, "VIEW_SPILL_BYTES", stats->view_spill_bytes);
    list = set_number(list, "SPOOL_BYTES", stats->spool_bytes);
    list = set_number(list, "PASSTHROUGH", stats->passed_tiles);
    list = set_number(list, "TILE_ENCODES", stats->tile_encodes);
    if (stats->kernel)
        list = CSLSetNameValue(list, "KERNEL", stats->kernel);
    return set_number(list, "THREADS", plan->encoders);
}

static double mib(uint64_t bytes) {
    return (double)bytes / 1048576.0;
}

void stf_stats_debug_plan(const stf_plan *plan, const stf_source_info *source) {
    CPLDebug("StreamTIFF", "source: %s, %s", stf_source_kind_name(source->kind), source->summary);
    CPLDebug("StreamTIFF",
             "cap %.1f MiB asked, floor %.1f, effective %.1f; predicted peak %.1f MiB, of which GDAL's cache %.1f",
             mib(plan->requested_cap_bytes), mib(plan->floor_bytes), mib(plan->cap_bytes),
             mib(plan->predicted_peak_bytes), mib(plan->lease_bytes));
    CPLDebug("StreamTIFF",
             "sweep %s, %u stripe(s) of %u block columns, %u tile(s) in memory, " CPL_FRMT_GUIB
             " in the spill (%.1f MiB through it)",
             stf_sweep_name(plan->sweep), plan->stripes, plan->stripe_columns, plan->slots, (GUIntBig)plan->regions,
             mib(plan->spill_bytes));
    CPLDebug("StreamTIFF",
             "%u encoder(s), %u reader(s), %u block buffer(s); " CPL_FRMT_GUIB " decodes of " CPL_FRMT_GUIB
             " blocks: amplification %.3f",
             plan->encoders, plan->readers, plan->unit_buffers, (GUIntBig)plan->decodes,
             (GUIntBig)source->source_blocks,
             source->source_blocks ? (double)plan->decodes / (double)source->source_blocks : 1.0);
    if (source->repeated_blocks > 0)
        CPLDebug("StreamTIFF",
                 CPL_FRMT_GUIB
                 " of these blocks are decoded by another handle of the same file as well: several of the "
                 "VRTs underneath show it, and GDAL opens it for each of them",
                 (GUIntBig)source->repeated_blocks);
}
