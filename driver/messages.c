#include "messages.h"

#include "cpl_conv.h"
#include "cpl_multiproc.h"
#include "cpl_string.h"

bool stf_messages_init(stf_messages *messages) {
    messages->mutex = CPLCreateMutex();
    if (messages->mutex)
        CPLReleaseMutex(messages->mutex);
    return messages->mutex != NULL;
}

void stf_messages_free(stf_messages *messages) {
    if (messages->mutex)
        CPLDestroyMutex(messages->mutex);
    messages->mutex = NULL;
}

static void CPL_STDCALL keep_message(CPLErr level, CPLErrorNum number, const char *text) {
    stf_messages *messages = CPLGetErrorHandlerUserData();
    if (level != CE_Warning)
        return;
    CPLAcquireMutex(messages->mutex, 1000.0);
    if (messages->count < STF_MESSAGES_KEPT) {
        messages->numbers[messages->count] = number;
        CPLStrlcpy(messages->texts[messages->count], text, sizeof messages->texts[0]);
    }
    messages->count++;
    CPLReleaseMutex(messages->mutex);
}

void stf_messages_begin(stf_messages *messages) {
    CPLPushErrorHandlerEx(keep_message, messages);
    CPLSetCurrentErrorHandlerCatchDebug(FALSE);
    CPLErrorReset();
}

void stf_messages_end(void) {
    CPLPopErrorHandler();
}

void stf_messages_raise(stf_messages *messages) {
    for (;;) {
        int number = 0;
        char text[sizeof messages->texts[0]];
        CPLAcquireMutex(messages->mutex, 1000.0);
        int kept = messages->count < STF_MESSAGES_KEPT ? messages->count : STF_MESSAGES_KEPT;
        bool more = messages->told < kept;
        if (more) {
            number = messages->numbers[messages->told];
            CPLStrlcpy(text, messages->texts[messages->told++], sizeof text);
        }
        CPLReleaseMutex(messages->mutex);
        if (!more)
            return;
        CPLError(CE_Warning, number, "%s", text);
    }
}

bool stf_fail_with_last(stf_error *err, const char *context) {
    const char *text = CPLGetLastErrorMsg();
    int number = CPLGetLastErrorNo();
    return stf_fail(err, number != CPLE_None ? number : CPLE_AppDefined, "%s%s%s", context, text[0] ? ": " : " failed",
                    text);
}
