// Geometries that own their arrays, and a picture to copy, for tests of the arithmetic and of the pipeline.
#ifndef STF_FAKES_H
#define STF_FAKES_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "assembly.h"
#include "encoder.h"
#include "geometry.h"
#include "tiff.h"

namespace fakes {

// An stf_geometry points at arrays of somebody else: these are held here, and a copy points at its own.
class Layout {
  public:
    uint32_t width_px = 1, height_px = 1, sample_bytes = 1;
    std::vector<stf_group> groups;
    std::vector<stf_plane> planes;
    stf_axis tile_x{}, tile_y{};

    Layout(uint32_t width, uint32_t height, double tile_width, double tile_height)
        : width_px(width), height_px(height), tile_x(stf_axis_make(width, 0, tile_width)),
          tile_y(stf_axis_make(height, 0, tile_height)) {}

    Layout &group(uint32_t bands, double step_x, double step_y, double origin_x = 0, double origin_y = 0) {
        groups.push_back({this->bands(), bands, stf_axis_make(width_px, origin_x, step_x),
                          stf_axis_make(height_px, origin_y, step_y)});
        return *this;
    }
    Layout &plane(uint32_t bands) {
        const uint32_t first = planes.empty() ? 0 : planes.back().first_band + planes.back().bands;
        planes.push_back({first, bands});
        return *this;
    }
    Layout &bytes(uint32_t each) {
        sample_bytes = each;
        return *this;
    }
    Layout &pixel_interleaved() { return plane(bands()); }
    Layout &band_interleaved() {
        for (uint32_t band = 0; band < bands(); band++)
            plane(1);
        return *this;
    }
    uint32_t bands() const { return groups.empty() ? 0 : groups.back().first_band + groups.back().bands; }

    stf_geometry geometry() const {
        return {width_px,
                height_px,
                sample_bytes,
                groups.data(),
                static_cast<uint32_t>(groups.size()),
                planes.data(),
                static_cast<uint32_t>(planes.size()),
                tile_x,
                tile_y};
    }
};

inline std::ostream &operator<<(std::ostream &out, const Layout &layout) {
    out << layout.width_px << "x" << layout.height_px << "x" << layout.sample_bytes << " B, tiles "
        << layout.tile_x.step_px << "x" << layout.tile_y.step_px << ", units";
    for (const stf_group &group : layout.groups)
        out << " " << group.bands << ":" << group.x.step_px << "x" << group.y.step_px << "@" << group.x.origin_px << ","
            << group.y.origin_px;
    out << ", planes";
    for (const stf_plane &plane : layout.planes)
        out << " " << plane.bands;
    return out;
}

// Small enough for brute force, crooked enough to hit every border: grids out of step, offset origins, fractions.
inline Layout random_layout(std::mt19937 &random, uint32_t largest_px) {
    const auto upto = [&random](uint32_t most) { return 1 + static_cast<uint32_t>(random() % most); };
    Layout layout(upto(largest_px), upto(largest_px), upto(largest_px), upto(largest_px));
    const uint32_t bands = upto(4);
    const uint32_t groups = std::min(bands, upto(3));
    for (uint32_t g = 0; g < groups; g++) {
        const double part = random() % 3 == 0 ? 0.25 * upto(7) : 0;
        const double x = upto(largest_px) + part, y = random() % 4 == 0 ? 1 : upto(largest_px) + part;
        const double left = random() % 2 == 0 ? 0 : -0.5 * upto(largest_px),
                     top = random() % 2 == 0 ? 0 : -0.5 * upto(largest_px);
        layout.group(g + 1 == groups ? bands - layout.bands() : 1, x, y, left, top);
    }
    for (uint32_t left = bands; left > 0;) {
        const uint32_t each = random() % 2 == 0 ? left : upto(left);
        layout.plane(each);
        left -= each;
    }
    return layout;
}

using Bytes = std::vector<unsigned char>;

// Which units are constants: the number of the value, or -1.
using ConstantRule = std::function<int(const stf_unit &)>;
inline int no_constants(const stf_unit &) {
    return -1;
}

inline void constant_value(int number, unsigned char *value) {
    for (int i = 0; i < STF_MAX_SAMPLE_BYTES; i++)
        value[i] = static_cast<unsigned char>(number + 1 + i * number);
}

// The whole raster, band by band: every sample differs from its neighbours, unless its unit is a constant.
class Picture {
  public:
    Picture(const Layout &of, const ConstantRule &rule = no_constants) : layout(of) {
        uint32_t state = 12345;
        samples.resize(size_t{layout.bands()} * band_bytes());
        for (unsigned char &byte : samples) {
            state = state * 1664525 + 1013904223;
            byte = static_cast<unsigned char>(state >> 24);
        }
        const stf_geometry geometry = layout.geometry();
        stf_walk walk;
        stf_unit unit;
        for (stf_walk_begin(&walk, &geometry, UINT32_MAX); stf_walk_next(&walk, &unit);)
            if (rule(unit) >= 0)
                make_constant(unit, rule(unit));
    }

    size_t row_bytes() const { return size_t{layout.width_px} * layout.sample_bytes; }
    size_t band_bytes() const { return row_bytes() * layout.height_px; }
    const unsigned char *at(uint32_t band, uint32_t x, uint32_t y) const {
        return &samples[band * band_bytes() + y * row_bytes() + size_t{x} * layout.sample_bytes];
    }

    // A tile as it goes to the encoder: the part outside the raster repeats the last column and row.
    Bytes tile(uint64_t number, const stf_tile_format &format) const {
        const stf_geometry geometry = layout.geometry();
        const stf_window window = stf_geometry_tile_window(&geometry, number);
        const stf_plane &plane = layout.planes[stf_geometry_tile_plane(&geometry, number)];
        const uint32_t rows = format.tiled ? format.height_px : window.height;
        Bytes data;
        for (uint32_t y = 0; y < rows; y++)
            for (uint32_t x = 0; x < format.width_px; x++)
                for (uint32_t b = 0; b < plane.bands; b++) {
                    const unsigned char *from = at(plane.first_band + b, window.x + std::min(x, window.width - 1),
                                                   window.y + std::min(y, window.height - 1));
                    data.insert(data.end(), from, from + layout.sample_bytes);
                }
        return data;
    }

    // As a source delivers it: rows and bands further apart than they need be.
    void deliver(const stf_unit &unit, const ConstantRule &rule, unsigned char *buffer, stf_unit_pixels *pixels) const {
        *pixels = stf_unit_pixels{};
        pixels->constant = rule(unit) >= 0;
        if (pixels->constant) {
            constant_value(rule(unit), pixels->value);
            return;
        }
        const stf_group &group = layout.groups[unit.group];
        pixels->row_bytes = size_t{stf_axis_longest(&group.x)} * layout.sample_bytes;
        pixels->band_bytes = pixels->row_bytes * stf_axis_longest(&group.y);
        pixels->pixels = buffer;
        for (uint32_t b = 0; b < group.bands; b++)
            for (uint32_t y = 0; y < unit.window.height; y++)
                memcpy(buffer + b * pixels->band_bytes + y * pixels->row_bytes,
                       at(group.first_band + b, unit.window.x, unit.window.y + y),
                       size_t{unit.window.width} * layout.sample_bytes);
    }
    static size_t unit_bytes(const Layout &layout) {
        size_t most = 0;
        for (const stf_group &group : layout.groups)
            most = std::max(most, size_t{stf_axis_longest(&group.x)} * stf_axis_longest(&group.y) * group.bands *
                                      layout.sample_bytes);
        return most;
    }

    const Layout layout;

  private:
    void make_constant(const stf_unit &unit, int number) {
        unsigned char value[STF_MAX_SAMPLE_BYTES];
        constant_value(number, value);
        const stf_group &group = layout.groups[unit.group];
        for (uint32_t b = 0; b < group.bands; b++)
            for (uint32_t y = 0; y < unit.window.height; y++)
                for (uint32_t x = 0; x < unit.window.width; x++)
                    memcpy(const_cast<unsigned char *>(at(group.first_band + b, unit.window.x + x, unit.window.y + y)),
                           value, layout.sample_bytes);
    }

    Bytes samples;
};

// Uncompressed tiles of a layout; strips where a tile is as wide as the raster.
inline stf_tile_format plain_format(const Layout &layout, bool tiled) {
    stf_tile_format format{};
    format.codec.compression = COMPRESSION_NONE;
    format.codec.predictor = 1;
    format.codec.deflate_level = format.codec.zstd_level = format.codec.lzma_preset = -1;
    format.codec.jpeg_quality = format.codec.webp_level = -1;
    format.tiled = tiled;
    format.width_px = static_cast<uint32_t>(layout.tile_x.step_px);
    format.height_px = static_cast<uint32_t>(layout.tile_y.step_px);
    format.samples = static_cast<uint16_t>(layout.planes[0].bands);
    format.sample_bits = static_cast<uint16_t>(8 * layout.sample_bytes);
    format.sample_format = layout.sample_bytes == 16 ? SAMPLEFORMAT_COMPLEXIEEEFP : SAMPLEFORMAT_UINT;
    format.photometric = PHOTOMETRIC_MINISBLACK;
    format.extra_samples = static_cast<uint16_t>(format.samples - 1);
    return format;
}

} // namespace fakes
#endif
