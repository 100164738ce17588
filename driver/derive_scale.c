#include "derive_scale.h"

#include <math.h>

#include "cpl_conv.h"
#include "cpl_error.h"
#include "cpl_string.h"
#include "ogr_srs_api.h"

#define PI 3.14159265358979323846

static double metres_of_height(const char *unit) {
    if (EQUAL(unit, "ft") || EQUAL(unit, "foot") || EQUAL(unit, "foot (International)") || EQUAL(unit, "feet"))
        return CPLAtof(SRS_UL_FOOT_CONV);
    if (EQUAL(unit, "us-ft") || EQUAL(unit, "Foot_US") || EQUAL(unit, "US survey foot"))
        return CPLAtof(SRS_UL_US_FOOT_CONV);
    if (unit[0] && !EQUAL(unit, "m") && !EQUAL(unit, "metre") && !EQUAL(unit, "meter"))
        CPLError(CE_Warning, CPLE_AppDefined, "Unknown band unit '%s'. Assuming metre", unit);
    return 1;
}

void stf_derive_scale(GDALDatasetH source, GDALRasterBandH band, double *x, double *y) {
    double transform[6];
    OGRSpatialReferenceH srs = GDALGetSpatialRef(source);
    double metres = metres_of_height(GDALGetRasterUnitType(band));
    *x = *y = 1;
    if (srs && OSRIsGeographic(srs)) {
        if (GDALGetGeoTransform(source, transform) != CE_None)
            return;
        double radians = OSRGetAngularUnits(srs, NULL);
        double latitude = (transform[3] + GDALGetRasterYSize(source) * transform[5] / 2) * radians;
        *y = radians * OSRGetSemiMajor(srs, NULL) / metres;
        if (fabs(latitude) / PI * 180 > 80)
            CPLError(CE_Warning, CPLE_AppDefined,
                     "Automatic computation of xscale at high latitudes may lead to incorrect results. The source "
                     "dataset should likely be reprojected to a polar projection");
        *x = *y * cos(latitude);
    } else if (srs && OSRIsProjected(srs)) {
        *x = *y = OSRGetLinearUnits(srs, NULL) / metres;
    }
}
