// The JSON form of a tiling scheme, by GDAL's own reader of JSON. No logic but where things stand in it.

#include "gdal_adaptor.h"
#include "tiling.h"

#include <cmath>
#include <string>

#include "cpl_conv.h"
#include "cpl_json.h"
#include "cpl_string.h"
#include "ogr_spatialref.h"

namespace {

bool is_inline(const std::string &text) {
    const auto has = [&text](const char *key) { return text.find(key) != std::string::npos; };
    return (has("\"type\"") && has("\"TileMatrixSetType\"")) || (has("\"crs\"") && has("\"tileMatrices\"")) ||
           (has("\"identifier\"") && has("\"boundingBox\"") && (has("\"tileMatrix\"") || has("\"tileMatrices\"")));
}

bool load(const std::string &text, CPLJSONDocument *document) {
    if (is_inline(text))
        return document->LoadMemory(text);
    if (STARTS_WITH_CI(text.c_str(), "http://") || STARTS_WITH_CI(text.c_str(), "https://")) {
        const char *const options[] = {"MAX_FILE_SIZE=1000000", nullptr};
        return document->LoadUrl(text, options);
    }
    VSIStatBufL status;
    if (VSIStatL(text.c_str(), &status) == 0)
        return document->Load(text);
    const char *file = CPLFindFile("gdal", ("tms_" + text + ".json").c_str());
    return file != nullptr && document->Load(file);
}

std::string crs_of(const CPLJSONObject &object) {
    if (!object.IsValid())
        return std::string();
    if (object.GetType() == CPLJSONObject::Type::String)
        return object.ToString();
    const std::string uri = object.GetString("uri");
    return uri.empty() ? object.GetObj("wkt").ToString() : uri;
}

// Two numbers of an array.
void take_pair(const CPLJSONArray &array, double *first, double *second) {
    *first = *second = std::nan("");
    if (array.IsValid() && array.Size() == 2) {
        *first = array[0].ToDouble(*first);
        *second = array[1].ToDouble(*second);
    }
}

double meters_per_unit(const OGRSpatialReference &crs) {
    if (crs.IsProjected())
        return crs.GetLinearUnits();
    return crs.IsGeographic() ? crs.GetSemiMajor() * M_PI / 180 : 1.0;
}

CPLJSONArray array_of(const CPLJSONObject &object, const char *name, const char *other_name) {
    return object.GetObj(name).IsValid() ? object.GetArray(name) : object.GetArray(other_name);
}

bool fail(char *reason, size_t room, const char *text) {
    CPLStrlcpy(reason, text, room);
    return false;
}

} // namespace

int stf_gdal_read_tiling(const char *text, stf_tiling *tiling, char *reason, size_t reason_room) {
    CPLJSONDocument document;
    OGRSpatialReference crs;
    CPLErrorHandlerPusher quiet(CPLQuietErrorHandler);
    if (!load(text, &document))
        return fail(reason, reason_room, "there is no such name, file or JSON text");
    const CPLJSONObject root = document.GetRoot();
    const std::string name = crs_of(root.GetObj(root.GetObj("crs").IsValid() ? "crs" : "supportedCRS"));
    CPLStrlcpy(tiling->crs, name.c_str(), sizeof tiling->crs);
    if (crs.SetFromUserInput(name.c_str(), OGRSpatialReference::SET_FROM_USER_INPUT_LIMITATIONS_get()) != OGRERR_NONE)
        return fail(reason, reason_room, "its CRS is not known");
    const CPLJSONObject bounds = root.GetObj("boundingBox");
    if (bounds.IsValid()) {
        CPLStrlcpy(tiling->bounds_crs, crs_of(bounds.GetObj("crs")).c_str(), sizeof tiling->bounds_crs);
        take_pair(bounds.GetArray("lowerCorner"), &tiling->bounds[0], &tiling->bounds[1]);
        take_pair(bounds.GetArray("upperCorner"), &tiling->bounds[2], &tiling->bounds[3]);
    }
    const CPLJSONArray levels = array_of(root, "tileMatrix", "tileMatrices");
    if (!levels.IsValid() || levels.Size() == 0 || levels.Size() > STF_MAX_ZOOM_LEVELS)
        return fail(reason, reason_room, "it has no zoom levels, or too many");
    for (const CPLJSONObject &object : levels) {
        stf_zoom_level *level = &tiling->levels[tiling->level_count++];
        // OGC 17-083: a pixel of a scale of 1 is 0.28 mm wide.
        level->resolution = object.GetDouble("scaleDenominator") * 0.28e-3 / meters_per_unit(crs);
        take_pair(array_of(object, "topLeftCorner", "pointOfOrigin"), &level->left, &level->top);
        level->tile_width_px = object.GetInteger("tileWidth");
        level->tile_height_px = object.GetInteger("tileHeight");
        level->columns = object.GetInteger("matrixWidth");
        level->rows = object.GetInteger("matrixHeight");
        level->variable_width = array_of(object, "variableMatrixWidth", "variableMatrixWidths").IsValid() ? 1 : 0;
    }
    return true;
}
