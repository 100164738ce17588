// Packing of samples against the plainest way to do it, bit by bit, and half floats against the arithmetic of doubles.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"

#include "gdal_version.h"
#include "samples.h"

namespace {

constexpr bool ROUNDED = GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0);

template <typename T>
std::vector<unsigned char> PackedBitByBit(const std::vector<T> &in, size_t samples, int bits) {
    std::vector<unsigned char> out;
    for (size_t row = 0; row * samples < in.size(); row++) {
        std::vector<unsigned char> packed((samples * static_cast<size_t>(bits) + 7) / 8);
        for (size_t i = 0; i < samples * static_cast<size_t>(bits); i++) {
            uint64_t most = (UINT64_C(1) << bits) - 1;
            uint64_t value = std::min<uint64_t>(in[row * samples + i / static_cast<size_t>(bits)], most);
            if (value >> (static_cast<size_t>(bits) - 1 - i % static_cast<size_t>(bits)) & 1)
                packed[i / 8] = static_cast<unsigned char>(packed[i / 8] | 0x80 >> i % 8);
        }
        out.insert(out.end(), packed.begin(), packed.end());
    }
    return out;
}

template <typename T>
void ExpectPacked(int least, int most) {
    std::mt19937 random(7);
    for (int bits = least; bits <= most; bits++) {
        for (size_t samples : {1u, 2u, 7u, 8u, 9u, 31u, 64u}) {
            for (bool fits : {true, false}) {
                std::vector<T> in(samples * 3);
                for (T &value : in)
                    value = static_cast<T>(random() & (fits ? (UINT64_C(1) << bits) - 1 : ~UINT64_C(0)));
                if (!fits)
                    in[0] = static_cast<T>(~T(0));
                auto expected = PackedBitByBit(in, samples, bits);
                bool clipped = stf_samples_pack(in.data(), 3, samples, static_cast<uint16_t>(8 * sizeof(T)),
                                                static_cast<uint16_t>(bits), false);
                EXPECT_EQ(clipped, !fits) << bits;
                EXPECT_EQ(memcmp(in.data(), expected.data(), expected.size()), 0) << bits << " bits, " << samples;
                EXPECT_EQ(stf_samples_row_bytes(samples, static_cast<uint16_t>(bits)) * 3, expected.size());
            }
        }
    }
}

uint16_t Half(float value, bool *clipped = nullptr) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    bool beyond = stf_samples_pack(&word, 1, 1, 32, 16, true);
    if (clipped)
        *clipped = beyond;
    uint16_t half;
    memcpy(&half, &word, sizeof half);
    return half;
}

} // namespace

TEST(Samples, bytes) {
    ExpectPacked<uint8_t>(1, 7);
}

TEST(Samples, sixteen_bits) {
    ExpectPacked<uint16_t>(9, 15);
}

TEST(Samples, thirty_two_bits) {
    ExpectPacked<uint32_t>(17, 31);
}

// Every finite half comes back from its value; what lies between two is cut, or rounded to the nearest, to the even one.
TEST(Samples, halves) {
    for (uint32_t half = 0; half < 0x7BFF; half++) {
        uint32_t exponent = half >> 10, mantissa = half & 0x3FF;
        double value =
            exponent ? std::ldexp(1024.0 + mantissa, static_cast<int>(exponent) - 25) : std::ldexp(mantissa, -24);
        double step = std::ldexp(1.0, exponent ? static_cast<int>(exponent) - 25 : -24);
        EXPECT_EQ(Half(static_cast<float>(value)), half);
        EXPECT_EQ(Half(-static_cast<float>(value)), half | 0x8000);
        EXPECT_EQ(Half(static_cast<float>(value + 0.49 * step)), half);
        EXPECT_EQ(Half(static_cast<float>(value + 0.5 * step)), ROUNDED ? half + (half & 1) : half);
        EXPECT_EQ(Half(static_cast<float>(value + 0.99 * step)), half + ROUNDED);
    }
}

TEST(Samples, halves_beyond_the_range) {
    bool clipped;
    EXPECT_EQ(Half(65519.0f, &clipped), 0x7BFF);
    EXPECT_FALSE(clipped);
    EXPECT_EQ(Half(65536.0f, &clipped), 0x7C00);
    EXPECT_TRUE(clipped);
    EXPECT_EQ(Half(-1e30f, &clipped), 0xFC00);
    EXPECT_TRUE(clipped);
    EXPECT_EQ(Half(INFINITY, &clipped), 0x7C00);
    EXPECT_FALSE(clipped);
    EXPECT_GT(Half(NAN) & 0x7FFF, 0x7C00);
    EXPECT_EQ(Half(1e-30f), 0);
}

TEST(Samples, bytes_turned_round) {
    unsigned char data[] = {1, 2, 3, 4, 5, 6, 7, 8};
    stf_samples_swap(data, 4, 16, false);
    EXPECT_EQ(memcmp(data, "\2\1\4\3\6\5\10\7", 8), 0);
    stf_samples_swap(data, 2, 32, true); // two numbers of 16 bits each
    EXPECT_EQ(memcmp(data, "\1\2\3\4\5\6\7\10", 8), 0);
    stf_samples_swap(data, 1, 64, false);
    EXPECT_EQ(memcmp(data, "\10\7\6\5\4\3\2\1", 8), 0);
    stf_samples_swap(data, 5, 12, false); // no whole bytes: as it is
    EXPECT_EQ(memcmp(data, "\10\7\6\5\4\3\2\1", 8), 0);
}
