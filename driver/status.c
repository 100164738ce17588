#include "status.h"

#include <stdarg.h>

#include "cpl_string.h"

bool stf_fail(stf_error *err, int number, const char *format, ...) {
    if (err == NULL || err->number != CPLE_None)
        return false;
    err->number = number != CPLE_None ? number : CPLE_AppDefined;
    va_list arguments;
    va_start(arguments, format);
    CPLvsnprintf(err->text, sizeof(err->text), format, arguments); /* figures read the same in every locale */
    va_end(arguments);
    return false;
}
