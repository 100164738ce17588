/* The one grammar for memory sizes: a decimal number, then a unit or '%'. Parsed by hand, because
 * CPLStrtod would also take signs, exponents, "inf" and hexadecimal. */
#include "options.h"

#include <ctype.h>
#include <string.h>

enum { UNIT_PERCENT = -1, UNIT_NONE = -2 };

static const char *skip_blanks(const char *text) {
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* Left shift of the unit, or UNIT_PERCENT, or UNIT_NONE for what is no unit. */
static int unit_shift(const char *text) {
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},     {"K", 10}, {"KB", 10}, {"KiB", 10}, {"M", 20},          {"MB", 20},
                 {"MiB", 20}, {"G", 30}, {"GB", 30}, {"GiB", 30}, {"%", UNIT_PERCENT}};
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(units[i].name) == length && EQUALN(units[i].name, text, length))
            return units[i].shift;
    return UNIT_NONE;
}

/* The digits before and after the point; false: none, or more than INT64_MAX before it. */
static bool read_number(const char **text, uint64_t *whole, double *fraction) {
    const char *at = *text;
    bool any = false;
    *whole = 0;
    *fraction = 0.0;
    for (; isdigit((unsigned char)*at); at++, any = true) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (*whole > (INT64_MAX - digit) / 10)
            return false;
        *whole = *whole * 10 + digit;
    }
    if (*at == '.') {
        double place = 0.1;
        for (at++; isdigit((unsigned char)*at); at++, any = true, place /= 10)
            *fraction += place * (*at - '0');
    }
    *text = at;
    return any;
}

bool stf_options_parse_size(const char *text, uint64_t usable_bytes, uint64_t *bytes) {
    if (text == NULL)
        return false;
    const char *at = skip_blanks(text);
    uint64_t whole = 0;
    double fraction = 0.0;
    if (!read_number(&at, &whole, &fraction))
        return false;
    const int shift = unit_shift(skip_blanks(at));
    uint64_t result = 0;
    if (shift == UNIT_NONE)
        return false;
    if (shift == UNIT_PERCENT) {
        const double percent = (double)whole + fraction;
        if (percent > 100.0)
            return false;
        const double part = (double)usable_bytes * (percent / 100.0);
        result = part >= (double)INT64_MAX ? (uint64_t)INT64_MAX : (uint64_t)part;
        if (result > usable_bytes) /* rounding of figures beyond 2^53 */
            result = usable_bytes;
    } else {
        const uint64_t unit = (uint64_t)1 << shift;
        const uint64_t below_one = (uint64_t)(fraction * (double)unit + 0.5);
        if (whole > ((uint64_t)INT64_MAX - below_one) / unit)
            return false;
        result = whole * unit + below_one;
    }
    if (result == 0)
        return false;
    *bytes = result;
    return true;
}
