/* What GDAL says in any of our threads, brought to the calling thread.
 *
 * A CPLError raised in a worker reaches that thread's handler, not the caller's (a Python exception
 * relies on the caller's). Between begin and end failures are kept quiet (they come back as an
 * stf_error; CPLGetLastErrorMsg still has the text), warnings are collected, debug output passes. */
#ifndef STF_MESSAGES_H
#define STF_MESSAGES_H

#include "status.h"

struct _CPLMutex;

#ifdef __cplusplus
extern "C" {
#endif

#define STF_MESSAGES_KEPT 8

typedef struct stf_messages {
    struct _CPLMutex *mutex;
    int count; /* warnings raised so far; the first STF_MESSAGES_KEPT are kept */
    int told;  /* of the kept ones, how many were handed on */
    int numbers[STF_MESSAGES_KEPT];
    char texts[STF_MESSAGES_KEPT][256];
} stf_messages;

bool stf_messages_init(stf_messages *messages); /* on a zeroed struct */
void stf_messages_free(stf_messages *messages);
void stf_messages_begin(stf_messages *messages); /* on any thread; messages outlives the end */
void stf_messages_end(void);
void stf_messages_raise(stf_messages *messages); /* on the calling thread: raises what was collected since */

/* stf_fail with what GDAL raised last on this thread, after context ("Reading block 3, 4 of band 1"). */
bool stf_fail_with_last(stf_error *err, const char *context);

#ifdef __cplusplus
}
#endif
#endif
