// The predictors against libtiff's own: an encoder that predicts itself must give the bytes that a
// handle gives that was told of the predictor.

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"

#include "predictor.h"
#include "tiffio.h"

namespace {

struct Memory {
    std::vector<unsigned char> bytes;
    size_t at = 0;
};

tmsize_t Read(thandle_t handle, void *to, tmsize_t size) {
    auto *memory = static_cast<Memory *>(handle);
    size_t left = memory->bytes.size() - std::min(memory->at, memory->bytes.size());
    size_t now = std::min(left, static_cast<size_t>(size));
    memcpy(to, memory->bytes.data() + memory->at, now);
    memory->at += now;
    return static_cast<tmsize_t>(now);
}

tmsize_t Write(thandle_t handle, void *from, tmsize_t size) {
    auto *memory = static_cast<Memory *>(handle);
    if (memory->bytes.size() < memory->at + static_cast<size_t>(size))
        memory->bytes.resize(memory->at + static_cast<size_t>(size));
    memcpy(memory->bytes.data() + memory->at, from, static_cast<size_t>(size));
    memory->at += static_cast<size_t>(size);
    return size;
}

toff_t Seek(thandle_t handle, toff_t offset, int whence) {
    auto *memory = static_cast<Memory *>(handle);
    memory->at = static_cast<size_t>(offset) + (whence == SEEK_END   ? memory->bytes.size()
                                                : whence == SEEK_CUR ? memory->at
                                                                     : 0);
    return memory->at;
}

int Close(thandle_t) {
    return 0;
}

toff_t Size(thandle_t handle) {
    return static_cast<Memory *>(handle)->bytes.size();
}

// What libtiff's codec is handed after its own predictor: decoded again by a handle that knows of none.
std::vector<unsigned char> PredictedByLibtiff(std::vector<unsigned char> pixels, uint32_t width, uint32_t rows,
                                              uint16_t samples, uint16_t bits, uint16_t predictor) {
    Memory memory;
    for (bool writing : {true, false}) {
        TIFF *tiff =
            TIFFClientOpen("memory", writing ? "w" : "r", &memory, Read, Write, Seek, Close, Size, nullptr, nullptr);
        if (writing) {
            TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
            TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, rows);
            TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows);
            TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
            TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
            TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
            TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
            TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, predictor == 3 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT);
            TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
            TIFFSetField(tiff, TIFFTAG_PREDICTOR, predictor);
            TIFFWriteEncodedStrip(tiff, 0, pixels.data(), static_cast<tmsize_t>(pixels.size()));
        } else {
            TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_NONE);
            TIFFReadEncodedStrip(tiff, 0, pixels.data(), static_cast<tmsize_t>(pixels.size()));
        }
        TIFFClose(tiff);
        memory.at = 0;
    }
    return pixels;
}

TEST(Predictor, bytes_equal_libtiff) {
    std::mt19937 random(7);
    for (uint16_t predictor : {uint16_t{2}, uint16_t{3}})
        for (uint16_t bits : {uint16_t{8}, uint16_t{16}, uint16_t{32}, uint16_t{64}}) {
            if (!stf_predictor_knows(predictor, bits))
                continue;
            for (uint16_t samples : {uint16_t{1}, uint16_t{3}, uint16_t{4}, uint16_t{5}})
                for (uint32_t width : {1u, 2u, 31u, 64u, 257u}) {
                    const uint32_t rows = 5;
                    size_t row_samples = size_t{width} * samples;
                    std::vector<unsigned char> pixels(row_samples * rows * bits / 8), row(row_samples * bits / 8);
                    for (auto &byte : pixels)
                        byte = static_cast<unsigned char>(random());
                    auto expected = PredictedByLibtiff(pixels, width, rows, samples, bits, predictor);
                    if (width > 1) {
                        ASSERT_NE(expected, pixels) << "libtiff undid its predictor: nothing is compared";
                    }
                    std::vector<unsigned char> portably = pixels;
                    stf_predictor_apply(predictor, pixels.data(), rows, row_samples, samples, bits, row.data());
                    stf_predictor_apply_portably(predictor, portably.data(), rows, row_samples, samples, bits,
                                                 row.data());
                    EXPECT_EQ(portably, expected) << predictor << " " << bits << " " << samples << " " << width;
                    EXPECT_EQ(pixels, expected) << predictor << " " << bits << " " << samples << " " << width;
                }
        }
}

TEST(Predictor, knows_what_it_can) {
    EXPECT_FALSE(stf_predictor_knows(1, 8));
    EXPECT_FALSE(stf_predictor_knows(2, 128));
    EXPECT_FALSE(stf_predictor_knows(3, 16));
    EXPECT_TRUE(stf_predictor_knows(3, 32));
}

} // namespace
