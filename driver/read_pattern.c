#include "read_pattern.h"

#define DOUBT_OF_A_JUMP 3
#define DOUBT_TOO_GREAT 6
#define DOUBT_AT_MOST 12
#define STEPS_THAT_CONVINCE 2

static void note_columns(stf_read_pattern *pattern, const stf_window *request, bool anew) {
    uint32_t right = request->x + request->width;
    if (anew || request->x < pattern->left_px)
        pattern->left_px = request->x;
    if (anew || right > pattern->right_px)
        pattern->right_px = right;
}

void stf_read_pattern_note(stf_read_pattern *pattern, const stf_window *request) {
    bool back = pattern->begun && request->y < pattern->top_px;
    bool down = pattern->begun && request->y > pattern->top_px;
    if (back) {
        pattern->doubt += DOUBT_OF_A_JUMP;
        if (pattern->doubt > DOUBT_AT_MOST)
            pattern->doubt = DOUBT_AT_MOST;
        pattern->steps = 0;
    } else if (down) {
        if (pattern->doubt > 0)
            pattern->doubt--;
        if (pattern->steps < UINT32_MAX)
            pattern->steps++;
    }
    note_columns(pattern, request, back || !pattern->begun);
    pattern->top_px = request->y;
    pattern->begun = true;
}

bool stf_read_pattern_is_forward(const stf_read_pattern *pattern) {
    return pattern->doubt < DOUBT_TOO_GREAT;
}

bool stf_read_pattern_goes_on(const stf_read_pattern *pattern) {
    return stf_read_pattern_is_forward(pattern) && pattern->steps >= STEPS_THAT_CONVINCE;
}
