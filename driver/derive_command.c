#include "derive_command.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "cpl_conv.h"
#include "gdal_version.h"

/* --- words ------------------------------------------------------------------------------------- */

/* Appends one word to *words, and gives what follows it; NULL: a quote is not closed. */
static const char *take_word(const char *text, char *word, char ***words) {
    size_t length = 0;
    char quote = '\0';
    for (; *text && (quote || !isspace((unsigned char)*text)); text++) {
        char next = text[1];
        bool kept = *text == '\\' &&
                    (quote == '"' ? next == '"' || next == '\\' : !quote && next && strchr(" \t'\"\\", next) != NULL);
        if (kept)
            word[length++] = *++text;
        else if (quote ? *text == quote : *text == '"' || *text == '\'')
            quote = quote ? '\0' : *text;
        else
            word[length++] = *text;
    }
    word[length] = '\0';
    *words = CSLAddString(*words, word);
    return quote ? NULL : text;
}

bool stf_derive_command_split(const char *text, char ***words) {
    char *word = CPLMalloc(strlen(text) + 1);
    *words = NULL;
    while (text && *text) {
        if (isspace((unsigned char)*text))
            text++;
        else
            text = take_word(text, word, words);
    }
    CPLFree(word);
    if (!text) {
        CSLDestroy(*words);
        *words = NULL;
    }
    return text != NULL;
}

/* --- modes and options ------------------------------------------------------------------------- */

#define ALL 0x7fu
#define IN(MODE) (1u << STF_DERIVE_##MODE)
#define SCALED (IN(HILLSHADE) | IN(SLOPE))

static const char *const mode_names[] = {"hillshade", "slope", "aspect", "color-relief", "TRI", "TPI", "roughness"};

/* What an option is followed by. Older gdaldem takes any number where a newer one wants it positive. */
typedef enum { NOTHING, NUMBER, POSITIVE, GRADIENT, RUGGEDNESS, BAND } operand_kind;
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 10, 0)
#define FACTOR POSITIVE
#else
#define FACTOR NUMBER
#endif

typedef struct option_entry {
    const char *name, *also[3]; /* without the dashes */
    operand_kind operand;
    unsigned modes;
} option_entry;

static const option_entry entries[] = {
    {"compute_edges", {NULL}, NOTHING, ALL},
    {"b", {NULL}, BAND, ALL},
    {"alg", {NULL}, GRADIENT, IN(HILLSHADE) | IN(SLOPE) | IN(ASPECT)},
    {"alg", {NULL}, RUGGEDNESS, IN(TRI)},
    {"s", {"scale", NULL}, FACTOR, SCALED},
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    {"xscale", {NULL}, POSITIVE, SCALED},
    {"yscale", {NULL}, POSITIVE, SCALED},
#endif
    {"z", {NULL}, FACTOR, IN(HILLSHADE)},
    {"az", {"azimuth", NULL}, NUMBER, IN(HILLSHADE)},
    {"alt", {"altitude", NULL}, FACTOR, IN(HILLSHADE)},
    {"combined", {NULL}, NOTHING, IN(HILLSHADE)},
    {"multidirectional", {NULL}, NOTHING, IN(HILLSHADE)},
    {"igor", {NULL}, NOTHING, IN(HILLSHADE)},
    {"p", {NULL}, NOTHING, IN(SLOPE)},
    {"trigonometric", {NULL}, NOTHING, IN(ASPECT)},
    {"zero_for_flat", {NULL}, NOTHING, IN(ASPECT)},
    {"alpha", {NULL}, NOTHING, IN(COLOR_RELIEF)},
    {"exact_color_entry", {NULL}, NOTHING, IN(COLOR_RELIEF)},
    {"nearest_color_entry", {NULL}, NOTHING, IN(COLOR_RELIEF)},
};

static bool fail_word(stf_error *err, const char *problem, const char *word) {
    return stf_fail(err, CPLE_IllegalArg, "DERIVE: %s '%s'.", problem, word);
}

static bool parse_mode(const char *word, stf_derive_command *out, stf_error *err) {
    if (EQUAL(word, "shade"))
        word = "hillshade";
    for (int mode = 0; mode <= STF_DERIVE_ROUGHNESS; mode++)
        if (EQUAL(word, mode_names[mode])) {
            out->mode = (stf_derive_mode)mode;
            out->mode_name = mode_names[mode];
            return true;
        }
    return stf_fail(err, CPLE_IllegalArg,
                    "DERIVE: unknown mode '%s'. It begins with one of hillshade, slope, aspect, color-relief, TRI, TPI "
                    "and roughness.",
                    word);
}

static bool is_named(const option_entry *entry, const char *name) {
    if (EQUAL(entry->name, name))
        return true;
    for (int i = 0; entry->also[i]; i++)
        if (EQUAL(entry->also[i], name))
            return true;
    return false;
}

/* The entry of this name in this mode; *elsewhere: another mode has one. */
static const option_entry *find_option(const char *name, stf_derive_mode mode, bool *elsewhere) {
    *elsewhere = false;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (!is_named(&entries[i], name))
            continue;
        if (entries[i].modes & 1u << mode)
            return &entries[i];
        *elsewhere = true;
    }
    return NULL;
}

static bool check_operand(const option_entry *entry, const char *word, stf_error *err) {
    bool numeric = CPLGetValueType(word) != CPL_VALUE_STRING;
    switch (entry->operand) {
    case NUMBER:
        return (numeric && isfinite(CPLAtof(word))) ||
               stf_fail(err, CPLE_IllegalArg, "DERIVE: -%s takes a number, not '%s'.", entry->name, word);
    case POSITIVE:
        return (numeric && CPLAtof(word) > 0 && isfinite(CPLAtof(word))) ||
               stf_fail(err, CPLE_IllegalArg, "DERIVE: -%s takes a number above 0, not '%s'.", entry->name, word);
    case GRADIENT:
        return EQUAL(word, "Horn") || EQUAL(word, "ZevenbergenThorne") ||
               stf_fail(err, CPLE_IllegalArg, "DERIVE: -alg is Horn or ZevenbergenThorne here, not '%s'.", word);
    case RUGGEDNESS:
        return EQUAL(word, "Wilson") || EQUAL(word, "Riley") ||
               stf_fail(err, CPLE_IllegalArg, "DERIVE: -alg is Wilson or Riley here, not '%s'.", word);
    case BAND:
        return (CPLGetValueType(word) == CPL_VALUE_INTEGER && CPLAtof(word) >= 1 && CPLAtof(word) <= 65535) ||
               stf_fail(err, CPLE_IllegalArg, "DERIVE: -b takes the number of a band, not '%s'.", word);
    case NOTHING:
        break;
    }
    return true;
}

static void keep_option(const option_entry *entry, const char *word, stf_derive_command *out) {
    if (entry->operand == BAND) {
        out->band = atoi(word);
        return;
    }
    char *name = CPLStrdup(CPLSPrintf("-%s", entry->name));
    out->arguments = CSLAddString(out->arguments, name);
    if (entry->operand != NOTHING)
        out->arguments = CSLAddString(out->arguments, word);
    CPLFree(name);
}

/* An option (and what follows it), or the colour file. Moves *word on. */
static bool parse_word(char ***word, stf_derive_command *out, stf_error *err) {
    const char *text = *(*word)++;
    if (text[0] != '-') {
        if (out->mode != STF_DERIVE_COLOR_RELIEF || out->color_path)
            return fail_word(err, "there is no use for", text);
        out->color_path = CPLStrdup(text);
        return true;
    }
    bool elsewhere;
    const option_entry *entry = find_option(text + (text[1] == '-' ? 2 : 1), out->mode, &elsewhere);
    if (!entry)
        return stf_fail(err, CPLE_IllegalArg, "DERIVE: %s %s the option '%s'.", out->mode_name,
                        elsewhere ? "does not take" : "does not know", text);
    const char *operand = NULL;
    if (entry->operand != NOTHING) {
        operand = **word;
        if (!operand)
            return fail_word(err, "something must follow", text);
        (*word)++;
        if (!check_operand(entry, operand, err))
            return false;
    }
    keep_option(entry, operand, out);
    return true;
}

static bool has(const stf_derive_command *command, const char *option) {
    return CSLFindString(command->arguments, option) >= 0;
}

static bool exclude(const stf_derive_command *command, const char *one, const char *other, stf_error *err) {
    return !has(command, one) || !has(command, other) ||
           stf_fail(err, CPLE_IllegalArg, "DERIVE: %s and %s cannot be used together.", one, other);
}

/* What gdaldem checks once it knows all options. */
static bool check_together(stf_derive_command *out, stf_error *err) {
    const char *const apart[][2] = {{"-combined", "-igor"},
                                    {"-combined", "-multidirectional"},
                                    {"-igor", "-multidirectional"},
                                    {"-multidirectional", "-az"},
                                    {"-igor", "-alt"},
                                    {"-s", "-xscale"},
                                    {"-s", "-yscale"}};
    for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
        if (!exclude(out, apart[i][0], apart[i][1], err))
            return false;
    if (has(out, "-xscale") != has(out, "-yscale"))
        return stf_fail(err, CPLE_IllegalArg, "DERIVE: -xscale and -yscale must be given together.");
    if (out->mode == STF_DERIVE_COLOR_RELIEF && !out->color_path)
        return stf_fail(err, CPLE_IllegalArg, "DERIVE: color-relief needs a colour file: color-relief FILE.");
    out->scaled = has(out, "-s") || has(out, "-xscale");
    out->plain_shading = out->mode == STF_DERIVE_HILLSHADE && !has(out, "-combined") && !has(out, "-igor") &&
                         !has(out, "-multidirectional") && !has(out, "ZevenbergenThorne");
    return true;
}

bool stf_derive_command_parse(const char *text, stf_derive_command *out, stf_error *err) {
    memset(out, 0, sizeof *out);
    char **words;
    if (!stf_derive_command_split(text, &words))
        return stf_fail(err, CPLE_IllegalArg, "DERIVE=%s: a quote is not closed.", text);
    out->band = 1;
    bool done = parse_mode(words ? words[0] : "", out, err);
    for (char **word = words ? words + 1 : NULL; done && *word;)
        done = parse_word(&word, out, err);
    done = done && check_together(out, err);
    CSLDestroy(words);
    if (!done)
        stf_derive_command_free(out);
    return done;
}

void stf_derive_command_free(stf_derive_command *command) {
    CSLDestroy(command->arguments);
    CPLFree(command->color_path);
    memset(command, 0, sizeof *command);
}
