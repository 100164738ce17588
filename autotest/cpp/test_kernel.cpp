// Slope and aspect against the formulas of gdaldem by the C library's arc tangent.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernel.h"

namespace {

constexpr double pi = 3.14159265358979323846;
constexpr float flat_value = -9999;

// Heights in three rows of width + 2.
template <class T>
struct Rows {
    explicit Rows(size_t pixels) : width(pixels), above(pixels + 2), row(pixels + 2), below(pixels + 2) {}
    size_t width;
    std::vector<T> above, row, below;
};

template <class T>
float expected(const stf_kernel &kernel, const Rows<T> &rows, size_t i) {
    const T *a = &rows.above[i], *m = &rows.row[i], *b = &rows.below[i];
    T dx, dy;
    if (kernel.zevenbergen_thorne) {
        dx = m[0] - m[2];
        dy = b[1] - a[1];
    } else {
        dx = (a[0] + m[0] + m[0] + b[0]) - (a[2] + m[2] + m[2] + b[2]);
        dy = (b[0] + b[1] + b[1] + b[2]) - (a[0] + a[1] + a[1] + a[2]);
    }
    if (kernel.kind == STF_KERNEL_ASPECT) {
        float aspect = static_cast<float>(std::atan2(static_cast<double>(dy), static_cast<double>(dx)) / (pi / 180));
        if (dx == 0 && dy == 0)
            return kernel.flat;
        if (kernel.trigonometric)
            aspect = aspect < 0 ? aspect + 360.0f : aspect;
        else
            aspect = aspect > 90.0f ? 450.0f - aspect : 90.0f - aspect;
        return aspect == 360.0f ? 0.0f : aspect;
    }
    double x = dx / kernel.ewres, y = dy / kernel.nsres, tangent = std::sqrt(x * x + y * y) / kernel.divisor;
    return static_cast<float>(kernel.kind == STF_KERNEL_SLOPE_PERCENT ? 100 * tangent
                                                                      : std::atan(tangent) * (180 / pi));
}

bool same(float a, float b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

template <class T>
std::vector<float> run(const stf_kernel &kernel, const Rows<T> &rows) {
    std::vector<float> result(rows.width + 1, -1);
    stf_kernel_rows given = {rows.above.data(), rows.row.data(), rows.below.data()};
    stf_kernel_run(&kernel, &given, rows.width, result.data());
    EXPECT_EQ(result.back(), -1) << "one pixel too many";
    result.pop_back();
    return result;
}

stf_kernel kernel_of(stf_kernel_kind kind, bool zevenbergen_thorne, double ewres, double nsres) {
    stf_kernel kernel{};
    kernel.kind = kind;
    kernel.zevenbergen_thorne = zevenbergen_thorne;
    kernel.ewres = ewres;
    kernel.nsres = nsres;
    kernel.divisor = zevenbergen_thorne ? 2.0 : 8.0;
    kernel.flat = flat_value;
    return kernel;
}

std::vector<stf_kernel> kernels(bool integers) {
    std::vector<stf_kernel> all;
    for (auto kind : {STF_KERNEL_SLOPE_DEGREES, STF_KERNEL_SLOPE_PERCENT, STF_KERNEL_ASPECT})
        for (bool zevenbergen_thorne : {false, true})
            for (bool trigonometric : {false, true}) {
                stf_kernel kernel = kernel_of(kind, zevenbergen_thorne, 30, -25.5);
                kernel.integers = integers;
                kernel.trigonometric = trigonometric;
                all.push_back(kernel);
            }
    return all;
}

// One in a million may be off, by the last bit: of so many pixels none, or something is wrong.
template <class T, class Height>
void compare(bool integers, Height height) {
    std::mt19937 random(7);
    for (size_t width : {1u, 7u, 255u, 256u, 257u, 4001u})
        for (const stf_kernel &kernel : kernels(integers)) {
            Rows<T> rows(width);
            for (auto *row : {&rows.above, &rows.row, &rows.below})
                for (T &value : *row)
                    value = height(random);
            std::vector<float> result = run(kernel, rows);
            for (size_t i = 0; i < width; i++)
                ASSERT_TRUE(same(result[i], expected(kernel, rows, i)))
                    << "kind " << kernel.kind << ", pixel " << i << " of " << width << ": " << result[i] << ", not "
                    << expected(kernel, rows, i);
        }
}

TEST(Kernel, gentle_hills_of_floats) {
    compare<float>(false, [](auto &random) { return std::uniform_real_distribution<float>(800, 830)(random); });
}

TEST(Kernel, cliffs_of_floats) {
    compare<float>(false, [](auto &random) { return std::uniform_real_distribution<float>(-9e5f, 9e5f)(random); });
}

TEST(Kernel, plains_and_steps_of_integers) {
    compare<int32_t>(true, [](auto &random) { return std::uniform_int_distribution<int32_t>(-2, 2)(random); });
}

TEST(Kernel, integers_of_16_bits) {
    compare<int32_t>(true, [](auto &random) { return std::uniform_int_distribution<int32_t>(-32768, 65535)(random); });
}

TEST(Kernel, what_is_no_number_and_what_is_infinite) {
    compare<float>(false, [](auto &random) {
        const float inf = std::numeric_limits<float>::infinity();
        const float some[] = {0, 1, -5, 2.5f, inf, -inf, std::nanf(""), 3e38f};
        return some[std::uniform_int_distribution<int>(0, 7)(random)];
    });
}

// At the borders of the ranges for which the arc tangent is computed differently.
TEST(Kernel, angles_all_around) {
    stf_kernel kernel = kernel_of(STF_KERNEL_ASPECT, true, 1, -1);
    kernel.trigonometric = true;
    for (int step = 0; step < 7200; step++) {
        Rows<float> rows(1);
        double angle = step * pi / 3600;
        rows.row[0] = static_cast<float>(1000 * std::cos(angle));
        rows.below[1] = static_cast<float>(1000 * std::sin(angle));
        ASSERT_EQ(run(kernel, rows)[0], expected(kernel, rows, 0)) << step;
    }
}

TEST(Kernel, slopes_from_flat_to_upright) {
    stf_kernel kernel = kernel_of(STF_KERNEL_SLOPE_DEGREES, true, 1, -1);
    for (int step = -3000; step < 3000; step++) {
        Rows<float> rows(1);
        rows.row[0] = static_cast<float>(std::pow(10, step / 100.0));
        ASSERT_EQ(run(kernel, rows)[0], expected(kernel, rows, 0)) << step;
    }
}

} // namespace
