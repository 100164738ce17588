// Hillshade pixel by pixel, by the formulas as they are written down for one: before a byte is made of it, not a bit may differ where
// there are no arcs, and where there are, the byte is the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "kernel.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

namespace {

constexpr double pi = 3.14159265358979323846;

struct Light {
    double z, scale, azimuth, altitude;
};

double over_root(double a, double b) {
#if defined(__SSE2__) || defined(_M_X64)
    double root = static_cast<double>(_mm_cvtss_f32(_mm_rsqrt_ss(_mm_set_ss(static_cast<float>(b)))));
    return a * (root * (1.5 - b * 0.5 * (root * root)));
#else
    return a / std::sqrt(b);
#endif
}

double first_turn(double angle) {
    angle = std::fmod(angle, 2 * pi);
    return angle < 0 ? 2 * pi + angle : angle;
}

// Of the 3 x 3 heights around a pixel.
template <class T>
struct Gradient {
    Gradient(const stf_kernel &kernel, const T *a, const T *m, const T *b) {
        T east, south;
        if (kernel.zevenbergen_thorne) {
            east = m[0] - m[2];
            south = b[1] - a[1];
        } else {
            east = (a[0] + m[0] + m[0] + b[0]) - (a[2] + m[2] + m[2] + b[2]);
            south = (b[0] + b[1] + b[1] + b[2]) - (a[0] + a[1] + a[1] + a[2]);
        }
        aspect = std::atan2(static_cast<double>(south), static_cast<double>(east));
        x = east * (1.0 / kernel.ewres);
        y = south * (1.0 / kernel.nsres);
    }
    double aspect, x, y;
};

template <class T>
float plain_of_square_pixels(const stf_kernel &kernel, const Light &light, const T *a, const T *m, const T *b) {
    T east = a[0] - b[2], south = east;
    for (int twice = 0; twice < 2; twice++) {
        east += m[0] - m[2];
        south += a[1] - b[1];
    }
    east += b[0] - a[2];
    south -= b[0] - a[2];
    double x = east, y = south, inverse = 1.0 / kernel.ewres, z = light.z / (8 * light.scale);
    double across = std::cos(light.altitude * (pi / 180)) * z, square = z * z * inverse * inverse;
    double by_x = 254.0 * (std::sin(light.azimuth * (pi / 180)) * across) * inverse;
    double by_y = 254.0 * (std::cos(light.azimuth * (pi / 180)) * across) * -inverse;
    double shade =
        over_root(254.0 * std::sin(light.altitude * (pi / 180)) + (x * by_x + y * by_y), 1 + square * (x * x + y * y));
    if (kernel.sums_floats)
        return std::max(1.0f, static_cast<float>(shade) + 1.0f);
    return static_cast<float>(shade <= 0 ? 1 : 1 + shade);
}

float four_lights(double x, double y, double z, double altitude) {
    double sine = std::sin(altitude), across = std::cos(altitude) * z, square = x * x + y * y;
    if (square == 0)
        return static_cast<float>(1 + 254.0 * sine);
    double base = 127.0 * sine, straight = 127.0 * across, diagonal = 127.0 * std::cos(225 * (pi / 180)) * across;
    const double lights[] = {base + (x - y) * diagonal, base - x * straight, base + (x + y) * diagonal,
                             base - y * straight};
    double weight = 0.5 * square - x * y;
    const double weights[] = {weight, x * x, square - weight, y * y};
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += weights[i] * (lights[i] <= 0 ? 0 : lights[i]);
    return static_cast<float>(1 + over_root(sum / square, 1 + z * z * square));
}

template <class T>
float expected(const stf_kernel &kernel, const Light &light, const T *a, const T *m, const T *b) {
    if (kernel.light.square_px)
        return plain_of_square_pixels(kernel, light, a, m, b);
    const Gradient<T> at(kernel, a, m, b);
    double x = at.x, y = at.y, square = x * x + y * y, azimuth = light.azimuth * (pi / 180);
    double altitude = light.altitude * (pi / 180), z = light.z / ((kernel.zevenbergen_thorne ? 2 : 8) * light.scale);
    double by_x = std::sin(azimuth) * (std::cos(altitude) * z), by_y = std::cos(azimuth) * (std::cos(altitude) * z);
    if (kernel.kind == STF_KERNEL_HILLSHADE_MULTIDIRECTIONAL)
        return four_lights(x, y, z, altitude);
    if (kernel.kind == STF_KERNEL_HILLSHADE_IGOR) {
        double apart = std::fabs(first_turn(at.aspect) - first_turn(pi * 3 / 2 - azimuth));
        double slope = std::atan(std::sqrt(square) * z) * (180 / pi);
        return static_cast<float>(255.0 * (1 - slope / 90 * (1 - (apart > pi ? 2 * pi - apart : apart) / pi)));
    }
    if (kernel.kind == STF_KERNEL_HILLSHADE_COMBINED) {
        double slope = square * (z * z);
        double arc = std::acos(over_root(std::sin(altitude) - (y * by_y - x * by_x), 1 + slope));
        double shade = 1 - arc * std::atan(std::sqrt(slope)) * (1 / ((pi * pi) / 4));
        return shade <= 0 ? 1.0f : static_cast<float>(1 + 254.0 * shade);
    }
    double shade =
        over_root(254.0 * std::sin(altitude) - (y * (254.0 * by_y) - x * (254.0 * by_x)), 1 + z * z * square);
    return static_cast<float>(shade <= 0 ? 1 : 1 + shade);
}

// As GDAL makes it.
int byte_of(float shade) {
    return std::isnan(shade) ? 0 : static_cast<int>(std::min(shade + 0.5f, 255.0f));
}

bool same(stf_kernel_kind kind, float a, float b) {
    bool has_arcs = kind == STF_KERNEL_HILLSHADE_COMBINED || kind == STF_KERNEL_HILLSHADE_IGOR;
    if (has_arcs)
        return byte_of(a) == byte_of(b) && (std::isnan(a) || std::fabs(a - b) < 5e-5f);
    return a == b || (std::isnan(a) && std::isnan(b));
}

template <class T, class Height>
void compare(Height height) {
    std::mt19937 random(7);
    const Light lights[] = {{1, 1, 315, 45}, {2.5, 1, 200.5, 30}, {0.2, 3, -45, 0}, {7, 0.1, 90, 90}};
    for (stf_kernel_kind kind : {STF_KERNEL_HILLSHADE, STF_KERNEL_HILLSHADE_COMBINED,
                                 STF_KERNEL_HILLSHADE_MULTIDIRECTIONAL, STF_KERNEL_HILLSHADE_IGOR})
        for (int variant = 0; variant < 8; variant++)
            for (const Light &light : lights)
                for (size_t width : {1u, 3u, 256u, 1021u}) {
                    stf_kernel kernel{};
                    kernel.kind = kind;
                    kernel.integers = std::is_integral_v<T>;
                    kernel.zevenbergen_thorne = variant & 1;
                    kernel.ewres = 30;
                    kernel.nsres = variant & 2 ? -30 : -25.5;
                    kernel.sums_floats = variant & 4;
                    stf_kernel_set_light(&kernel, light.z, light.scale, light.azimuth, light.altitude);
                    if (kernel.sums_floats && !kernel.light.square_px)
                        continue;
                    std::vector<T> above(width + 2), row(width + 2), below(width + 2);
                    for (auto *heights : {&above, &row, &below})
                        for (T &value : *heights)
                            value = height(random);
                    std::vector<float> result(width + 1, -1);
                    stf_kernel_rows rows = {above.data(), row.data(), below.data()};
                    stf_kernel_run(&kernel, &rows, width, result.data());
                    ASSERT_EQ(result.back(), -1) << "one pixel too many";
                    for (size_t i = 0; i < width; i++) {
                        float wanted = expected(kernel, light, &above[i], &row[i], &below[i]);
                        ASSERT_TRUE(same(kind, result[i], wanted))
                            << "kind " << kind << ", variant " << variant << ", light from " << light.azimuth
                            << ", pixel " << i << " of " << width << ": " << result[i] << ", not " << wanted;
                    }
                }
}

TEST(KernelHillshade, gentle_hills_of_floats) {
    compare<float>([](auto &random) { return std::uniform_real_distribution<float>(800, 830)(random); });
}

TEST(KernelHillshade, cliffs_of_floats) {
    compare<float>([](auto &random) { return std::uniform_real_distribution<float>(-9e5f, 9e5f)(random); });
}

TEST(KernelHillshade, plains_and_steps_of_integers) {
    compare<int32_t>([](auto &random) { return std::uniform_int_distribution<int32_t>(-2, 2)(random); });
}

TEST(KernelHillshade, integers_of_16_bits) {
    compare<int32_t>([](auto &random) { return std::uniform_int_distribution<int32_t>(-32768, 65535)(random); });
}

TEST(KernelHillshade, what_is_no_number_and_what_is_infinite) {
    compare<float>([](auto &random) {
        const float inf = std::numeric_limits<float>::infinity();
        const float some[] = {0, 1, -5, 2.5f, inf, -inf, std::nanf(""), 3e38f};
        return some[std::uniform_int_distribution<int>(0, 7)(random)];
    });
}

} // namespace
