/* What order a reader keeps to, as far as its requests tell: whether it goes down the raster, and between which columns.
 *
 * Rows one by one, windows of three rows, tile by tile, several passes from the top: all of them go down nearly always,
 * and jump back now and then. Who jumps back as often as not is no forward reader. Pure; the caller's lock covers it. */
#ifndef STF_READ_PATTERN_H
#define STF_READ_PATTERN_H

#include "geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A zeroed one is legal: no request was seen yet. */
typedef struct stf_read_pattern {
    bool begun;
    int doubt;                  /* grows with every jump back, shrinks with every step down */
    uint32_t steps;             /* requests in a row that began further down; stays at its highest figure */
    uint32_t top_px;            /* where the last request began */
    uint32_t left_px, right_px; /* columns asked for since the last jump back; right_px is the first beyond them */
} stf_read_pattern;

void stf_read_pattern_note(stf_read_pattern *pattern, const stf_window *request);
/* True as long as nothing speaks against it: what lies above the last request is not asked for again. */
bool stf_read_pattern_is_forward(const stf_read_pattern *pattern);
/* True where it went down before: what lies below will be asked for. */
bool stf_read_pattern_goes_on(const stf_read_pattern *pattern);

#ifdef __cplusplus
}
#endif
#endif
