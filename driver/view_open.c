/* Which files are opened as views, and what of. */
#include <string.h>

#include "account.h"
#include "cached_dataset.h"
#include "cpl_conv.h"
#include "cpl_error.h"

#define PREFIX_LENGTH (sizeof STF_VIEW_PREFIX - 1)

/* The last three are GTiff's, and are handed on to it: GDAL warns of names that are not listed. */
const char *const stf_view_option_list =
    "<OpenOptionList>"
    "<Option name='MEMORY_CAP' type='string' description='Memory that reading may take, such as 64MB or 5%'/>"
    "<Option name='NUM_THREADS' type='string' description='Threads that decode, or ALL_CPUS'/>"
    "<Option name='DIRECT_DECODE' type='string-select' default='AUTO' description='Whether blocks of a plain GeoTIFF "
    "are "
    "read and decoded without GDAL'><Value>AUTO</Value><Value>NO</Value></Option>"
    "<Option name='GEOREF_SOURCES' type='string' description='Handed on to the driver of the file'/>"
    "<Option name='SPARSE_OK' type='boolean' description='Handed on to the driver of the file'/>"
    "<Option name='IGNORE_COG_LAYOUT_BREAK' type='boolean' description='Handed on to the driver of the file'/>"
    "</OpenOptionList>";

static bool has_prefix(const char *name) {
    return EQUALN(name, STF_VIEW_PREFIX, PREFIX_LENGTH);
}

int stf_view_identify(const stf_view_question *question) {
    if (has_prefix(question->name))
        return 1;
    if (!question->is_file || question->update || stf_account_is_inner() ||
        (question->open_flags & GDAL_OF_RASTER) == 0 || (question->open_flags & GDAL_OF_INTERNAL) != 0)
        return 0;
    return CPLTestBool(CPLGetConfigOption("STREAMTIFF_OPEN", "NO")) ? -1 : 0;
}

/* Everything but what is the view's own. */
static char **inner_options(CSLConstList options) {
    char **list = CSLDuplicate((char **)options);
    list = CSLSetNameValue(list, "MEMORY_CAP", NULL);
    list = CSLSetNameValue(list, "DIRECT_DECODE", NULL);
    return CSLSetNameValue(list, "NUM_THREADS", NULL);
}

static GDALDatasetH open_quietly(const char *path, CSLConstList options) {
    char **list = inner_options(options);
    CPLErrorReset();
    CPLPushErrorHandler(CPLQuietErrorHandler);
    stf_account_enter_inner();
    GDALDatasetH inner = GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_INTERNAL | GDAL_OF_VERBOSE_ERROR,
                                    NULL, (const char *const *)list, NULL);
    stf_account_leave_inner();
    CPLPopErrorHandler();
    CSLDestroy(list);
    return inner;
}

static GDALDatasetH refuse(const char *name, CPLErrorNum number, const char *reason) {
    CPLError(CE_Failure, number, "%s cannot be opened: %s", name, reason);
    return NULL;
}

GDALDatasetH stf_view_open_inner(const stf_view_question *question) {
    bool by_prefix = has_prefix(question->name);
    const char *path = by_prefix ? question->name + PREFIX_LENGTH : question->name;
    if (!by_prefix && stf_view_identify(question) == 0)
        return NULL;
    if (question->update)
        return refuse(question->name, CPLE_NotSupported, "a view is read-only; open the file itself to change it");
    if (by_prefix && has_prefix(path))
        return refuse(question->name, CPLE_OpenFailed, "there is no view of a view");
    if (path[0] == '\0')
        return refuse(question->name, CPLE_OpenFailed, "the name of a raster must follow the prefix");
    GDALDatasetH inner = open_quietly(path, question->open_options);
    if (inner) {
        CPLErrorReset();
        return inner;
    }
    if (!by_prefix) {
        CPLErrorReset(); /* another driver may, and will say why if none can */
        return NULL;
    }
    char *reason = CPLStrdup(CPLGetLastErrorMsg());
    refuse(question->name, CPLE_OpenFailed, reason[0] ? reason : "it is no raster that GDAL can open");
    CPLFree(reason);
    return NULL;
}
