// The wrapper around the system: pages, and how much memory there is in containers of every kind.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "cpl_conv.h"
#include "cpl_vsi.h"
#include "gtest/gtest.h"
#include "platform.h"

#if defined(__unix__)
#include <sys/resource.h>
#endif

namespace {

constexpr uint64_t MB = 1024 * 1024;

TEST(Pages, are_zeroed_and_can_be_written) {
    const size_t bytes = 3 * MB + 5;
    unsigned char *pages = static_cast<unsigned char *>(stf_platform_pages_alloc(bytes));
    ASSERT_NE(pages, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pages) % 64, 0u);
    for (size_t i = 0; i < bytes; i++)
        ASSERT_EQ(pages[i], 0) << i;
    memset(pages, 0xff, bytes);
    stf_platform_pages_free(pages, bytes);
    stf_platform_pages_free(nullptr, bytes);
}

TEST(Pages, none_to_be_had) {
    EXPECT_EQ(stf_platform_pages_alloc(SIZE_MAX / 2), nullptr);
}

/* A cgroup tree in /vsimem/. */
class Cgroup : public testing::Test {
  protected:
    void TearDown() override {
        for (const std::string &path : m_paths)
            VSIUnlink(path.c_str());
    }

    void Write(const std::string &name, const std::string &text) {
        const std::string path = "/vsimem/cgroup/" + name;
        VSILFILE *file = VSIFOpenL(path.c_str(), "wb");
        ASSERT_NE(file, nullptr);
        m_paths.push_back(path);
        ASSERT_EQ(VSIFWriteL(text.data(), 1, text.size(), file), text.size());
        VSIFCloseL(file);
    }
    void Membership(const std::string &text) { Write("self", text); }
    static uint64_t Limit() { return stf_platform_cgroup_limit("/vsimem/cgroup/self", "/vsimem/cgroup/fs"); }

  private:
    std::vector<std::string> m_paths;
};

TEST_F(Cgroup, no_cgroups_at_all) {
    EXPECT_EQ(Limit(), UINT64_MAX);
}

TEST_F(Cgroup, v2_own_group) {
    Membership("0::/user.slice/job\n");
    Write("fs/user.slice/job/memory.max", "268435456\n");
    Write("fs/user.slice/memory.max", "max\n");
    EXPECT_EQ(Limit(), 268435456u);
}

TEST_F(Cgroup, v2_parent_is_tighter) {
    Membership("0::/a/b/c\n");
    Write("fs/a/b/c/memory.max", "800000000\n");
    Write("fs/a/b/memory.max", "max\n");
    Write("fs/a/memory.max", "100000000\n");
    EXPECT_EQ(Limit(), 100000000u);
}

TEST_F(Cgroup, v2_all_max) {
    Membership("0::/a\n");
    Write("fs/a/memory.max", "max\n");
    EXPECT_EQ(Limit(), UINT64_MAX);
}

TEST_F(Cgroup, v2_in_a_container_that_is_its_own_root) {
    Membership("0::/\n");
    Write("fs/memory.max", "134217728\n");
    EXPECT_EQ(Limit(), 134217728u);
}

TEST_F(Cgroup, v2_group_outside_of_the_namespace) {
    Membership("0::/../other\n");
    Write("fs/memory.max", "134217728\n");
    Write("other/memory.max", "1\n");
    EXPECT_EQ(Limit(), 134217728u);
}

TEST_F(Cgroup, v1_named_controller) {
    Membership("5:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/y\n");
    Write("fs/memory/docker/abc/memory.limit_in_bytes", "536870912\n");
    Write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(Limit(), 536870912u);
}

TEST_F(Cgroup, v1_controller_among_others_and_path_not_to_be_seen) {
    Membership("4:hugetlb,memory:/docker/abc\n");
    Write("fs/memory/memory.limit_in_bytes", "67108864\n");
    EXPECT_EQ(Limit(), 67108864u);
}

TEST_F(Cgroup, v1_huge_means_none) {
    Membership("4:memory:/\n");
    Write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(Limit(), UINT64_MAX);
}

TEST_F(Cgroup, v1_and_v2_side_by_side) {
    Membership("4:memory:/a\n0::/b\n");
    Write("fs/memory/a/memory.limit_in_bytes", "300000000\n");
    Write("fs/unified/b/memory.max", "200000000\n");
    EXPECT_EQ(Limit(), 200000000u);
}

TEST_F(Cgroup, controller_that_only_sounds_like_it) {
    Membership("4:memoryish,xmemory:/a\n");
    Write("fs/memory/a/memory.limit_in_bytes", "300000000\n");
    EXPECT_EQ(Limit(), UINT64_MAX);
}

TEST_F(Cgroup, garbage) {
    for (const char *text : {"", "\n", "::", "0", "0:", "0::", ":::\n\n:", "4:memory", "0::nonsense"}) {
        Membership(text);
        EXPECT_EQ(Limit(), UINT64_MAX) << text;
    }
    Membership("0::/a");
    for (const char *text : {"", "0", "-5", "maximum", "99999999999999999999999999"}) {
        Write("fs/a/memory.max", text);
        EXPECT_EQ(Limit(), UINT64_MAX) << text;
    }
    Membership("0::/" + std::string(10000, 'x'));
    EXPECT_EQ(Limit(), UINT64_MAX);
    Membership(std::string(100000, 'x'));
    EXPECT_EQ(Limit(), UINT64_MAX);
}

TEST(Usable, is_at_most_the_machine) {
    EXPECT_GT(stf_platform_usable_memory(), 0u);
    if (CPLGetPhysicalRAM() > 0) {
        EXPECT_LE(stf_platform_usable_memory(), static_cast<uint64_t>(CPLGetPhysicalRAM()));
    }
}

#if defined(__linux__)
// RLIMIT_RSS, because Linux reads but does not enforce it: the test itself must go on.
TEST(Usable, follows_rlimits) {
    struct rlimit found;
    ASSERT_EQ(getrlimit(RLIMIT_RSS, &found), 0);
    struct rlimit tight = found;
    tight.rlim_cur = 12345678;
    ASSERT_EQ(setrlimit(RLIMIT_RSS, &tight), 0);
    EXPECT_EQ(stf_platform_usable_memory(), 12345678u);
    ASSERT_EQ(setrlimit(RLIMIT_RSS, &found), 0);
}

TEST(MemoryBacked, tmpfs_and_what_is_to_be_made_there) {
    VSIStatBufL info;
    if (VSIStatL("/dev/shm", &info) != 0 || !stf_platform_is_memory_backed("/dev/shm"))
        GTEST_SKIP() << "no tmpfs at /dev/shm";
    EXPECT_TRUE(stf_platform_is_memory_backed("/dev/shm/not/there/yet.tif"));
    EXPECT_TRUE(stf_platform_is_memory_backed("/dev/shm/"));
}

TEST(MemoryBacked, proc_is_no_tmpfs) {
    EXPECT_FALSE(stf_platform_is_memory_backed("/proc/self/status"));
}
#endif

TEST(MemoryBacked, names_that_are_no_files) {
    EXPECT_TRUE(stf_platform_is_memory_backed("/vsimem/x.tif"));
    EXPECT_EQ(stf_platform_is_memory_backed(""), stf_platform_is_memory_backed("."));
    EXPECT_EQ(stf_platform_is_memory_backed("no_such_file.tif"), stf_platform_is_memory_backed("."));
}

#if defined(__unix__)
void write_file(const std::string &path, const char *text) {
    VSILFILE *file = VSIFOpenL(path.c_str(), "wb");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(VSIFWriteL(text, 1, strlen(text), file), strlen(text));
    VSIFCloseL(file);
}

TEST(OpenFiles, file_that_lost_its_name) {
    const std::string path = CPLGenerateTempFilename("open"), other = path + ".other";
    write_file(path, "one");
    write_file(other, "two");
    stf_platform_open found;
    ASSERT_TRUE(stf_platform_open_files(path.c_str(), &found));
    EXPECT_EQ(found.same, 0u);
    EXPECT_EQ(found.alike, 0u);
    VSILFILE *open = VSIFOpenL(path.c_str(), "rb");
    ASSERT_TRUE(stf_platform_open_files(path.c_str(), &found));
    EXPECT_EQ(found.same, 1u);
    EXPECT_EQ(found.alike, 0u);
    const stf_platform_open before = found;
    ASSERT_EQ(VSIRename(other.c_str(), path.c_str()), 0);
    ASSERT_TRUE(stf_platform_open_files(path.c_str(), &found));
    EXPECT_EQ(found.same, 0u);
    EXPECT_EQ(found.alike, 1u) << "a file of three bytes that may have had the name";
    EXPECT_NE(found.inode, before.inode);
    write_file(path, "longer"); // in place
    ASSERT_TRUE(stf_platform_open_files(path.c_str(), &found));
    EXPECT_EQ(found.alike, 0u);
    VSIFCloseL(open);
    VSIUnlink(path.c_str());
    EXPECT_FALSE(stf_platform_open_files(path.c_str(), &found));
}

TEST(OpenFiles, no_files) {
    stf_platform_open found;
    for (const char *path : {"", "/", "/vsimem/a.tif", "/vsicurl/http://a/b.tif", "GTIFF_DIR:1:a.tif", "/dev/null"})
        EXPECT_FALSE(stf_platform_open_files(path, &found)) << path;
}
#endif

TEST(Process, has_an_id) {
    EXPECT_NE(stf_platform_process_id(), 0u);
}

} // namespace
