// The command line of DERIVE: words as a shell makes them, each mode with its own options, and what is refused.
#include <string>
#include <vector>

#include "derive_command.h"
#include "gdal_version.h"
#include "gtest/gtest.h"

namespace {

std::vector<std::string> words_of(const char *text) {
    char **words = nullptr;
    EXPECT_TRUE(stf_derive_command_split(text, &words)) << text;
    std::vector<std::string> list(words, words + CSLCount(words));
    CSLDestroy(words);
    return list;
}

using Words = std::vector<std::string>;

TEST(DeriveCommand, words_are_a_shells) {
    EXPECT_EQ(words_of(""), Words());
    EXPECT_EQ(words_of(" \t "), Words());
    EXPECT_EQ(words_of("slope"), Words({"slope"}));
    EXPECT_EQ(words_of("  slope  -s\t2 "), Words({"slope", "-s", "2"}));
    EXPECT_EQ(words_of("a \"b c\" 'd e'"), Words({"a", "b c", "d e"}));
    EXPECT_EQ(words_of("a\"b c\"d'e f'"), Words({"ab cde f"}));
    EXPECT_EQ(words_of("\"\" ''"), Words({"", ""}));
    EXPECT_EQ(words_of("\"a'b\" 'c\"d'"), Words({"a'b", "c\"d"}));
    EXPECT_EQ(words_of("a\\ b \\\"c \\\\d"), Words({"a b", "\"c", "\\d"}));
    EXPECT_EQ(words_of("\"a\\\"b\\\\c\""), Words({"a\"b\\c"}));
    EXPECT_EQ(words_of("'a\\'"), Words({"a\\"}));
    EXPECT_EQ(words_of("C:\\heights\\colours.txt"), Words({"C:\\heights\\colours.txt"})); // as it stands on Windows
    EXPECT_EQ(words_of("\"C:\\my heights\\n.txt\""), Words({"C:\\my heights\\n.txt"}));
}

TEST(DeriveCommand, a_quote_is_to_be_closed) {
    for (const char *text : {"'", "\"", "a 'b", "\"a\\\"", "a \"b' c"}) {
        char **words = nullptr;
        EXPECT_FALSE(stf_derive_command_split(text, &words)) << text;
        EXPECT_EQ(words, nullptr);
    }
}

struct Command {
    explicit Command(const char *text) { done = stf_derive_command_parse(text, &parsed, &err); }
    Command(const Command &) = delete;
    ~Command() { stf_derive_command_free(&parsed); }
    Words arguments() const { return Words(parsed.arguments, parsed.arguments + CSLCount(parsed.arguments)); }

    stf_derive_command parsed{};
    stf_error err{};
    bool done;
};

TEST(DeriveCommand, modes_and_options) {
    const struct {
        const char *text;
        stf_derive_mode mode;
        Words arguments;
        int band;
    } cases[] = {
        {"slope", STF_DERIVE_SLOPE, {}, 1},
        {"SLOPE -p -s 2 -b 3", STF_DERIVE_SLOPE, {"-p", "-s", "2"}, 3},
        {"slope --scale 111120 -compute_edges", STF_DERIVE_SLOPE, {"-s", "111120", "-compute_edges"}, 1},
        {"shade -azimuth -20.5 --altitude 3", STF_DERIVE_HILLSHADE, {"-az", "-20.5", "-alt", "3"}, 1},
        {"aspect -zero_for_flat -trigonometric", STF_DERIVE_ASPECT, {"-zero_for_flat", "-trigonometric"}, 1},
        {"tri -alg wilson", STF_DERIVE_TRI, {"-alg", "wilson"}, 1},
        {"Roughness --b 2", STF_DERIVE_ROUGHNESS, {}, 2},
        {"color-relief 'my file' -alpha", STF_DERIVE_COLOR_RELIEF, {"-alpha"}, 1},
        {"color-relief -alpha f -nearest_color_entry", STF_DERIVE_COLOR_RELIEF, {"-alpha", "-nearest_color_entry"}, 1},
    };
    for (const auto &one : cases) {
        Command command(one.text);
        ASSERT_TRUE(command.done) << one.text << ": " << command.err.text;
        EXPECT_EQ(command.parsed.mode, one.mode) << one.text;
        EXPECT_EQ(command.arguments(), one.arguments) << one.text;
        EXPECT_EQ(command.parsed.band, one.band) << one.text;
    }
}

TEST(DeriveCommand, what_matters_for_windows) {
    EXPECT_TRUE(Command("hillshade -z 2").parsed.plain_shading);
    EXPECT_TRUE(Command("hillshade -alg Horn").parsed.plain_shading);
    for (const char *text : {"hillshade -igor", "hillshade -combined", "hillshade -multidirectional",
                             "hillshade -alg zevenbergenthorne", "slope"})
        EXPECT_FALSE(Command(text).parsed.plain_shading) << text;
    EXPECT_FALSE(Command("slope").parsed.scaled);
    EXPECT_TRUE(Command("slope -s 1").parsed.scaled);
    EXPECT_STREQ(Command("color-relief \"a b\"").parsed.color_path, "a b");
}

TEST(DeriveCommand, two_scales) {
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
    EXPECT_TRUE(Command("slope -xscale 1 -yscale 2").done);
    EXPECT_TRUE(Command("slope -xscale 1 -yscale 2").parsed.scaled);
    EXPECT_FALSE(Command("slope -xscale 1").done);
    EXPECT_FALSE(Command("slope -xscale 1 -yscale 2 -s 3").done);
#else
    EXPECT_FALSE(Command("slope -xscale 1 -yscale 2").done);
#endif
}

TEST(DeriveCommand, refusals_name_the_word) {
    const char *const cases[][2] = {
        {"", "''"},
        {"gradient", "'gradient'"},
        {"slope -z 1", "'-z'"},
        {"slope -", "'-'"},
        {"slope --", "'--'"},
        {"slope -s", "'-s'"},
        {"slope -s nan", "-s"},
        {"slope -s inf", "-s"},
        {"slope -s 1x", "'1x'"},
        {"slope -b 1.5", "'1.5'"},
        {"slope -b -1", "'-1'"},
        {"slope -b 99999999999", "-b"},
        {"slope dem.tif out.tif", "'dem.tif'"},
        {"slope -co TILED=YES", "'-co'"},
        {"slope -q", "'-q'"},
        {"TRI -alg Horn", "'Horn'"},
        {"slope -alg Wilson", "'Wilson'"},
        {"hillshade -combined -multidirectional", "-multidirectional"},
        {"color-relief", "colour file"},
        {"color-relief a b", "'b'"},
        {"slope \"x", "quote"},
    };
    for (const auto &one : cases) {
        Command command(one[0]);
        EXPECT_FALSE(command.done) << one[0];
        EXPECT_NE(std::string(command.err.text).find(one[1]), std::string::npos) << command.err.text;
        EXPECT_EQ(command.parsed.arguments, nullptr);
        EXPECT_EQ(command.parsed.color_path, nullptr);
    }
}

} // namespace
