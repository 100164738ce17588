// Our own datasets that are alive, as the search among GDAL's open ones asks for them.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "own_datasets.h"

namespace {

// Never looked into: the address is all that is asked.
GDALDatasetH dataset(uintptr_t number) {
    return reinterpret_cast<GDALDatasetH>(number * 16);
}

bool any_of_another_thread() {
    stf_own_datasets_lock();
    const bool any = stf_own_datasets_any_of_another_thread();
    stf_own_datasets_unlock();
    return any;
}

template <class Work>
void on_another_thread(const Work &work) {
    std::thread(work).join();
}

TEST(OwnDatasets, those_of_this_thread_are_no_others) {
    EXPECT_FALSE(any_of_another_thread());
    stf_own_datasets_add(dataset(1));
    stf_own_datasets_add(dataset(2));
    EXPECT_FALSE(any_of_another_thread());
    on_another_thread([] { EXPECT_TRUE(any_of_another_thread()); });
    stf_own_datasets_remove(dataset(1));
    on_another_thread([] { EXPECT_TRUE(any_of_another_thread()); });
    stf_own_datasets_remove(dataset(2));
    on_another_thread([] { EXPECT_FALSE(any_of_another_thread()); });
}

// Whoever closes it: its maker is what counts while it is there.
TEST(OwnDatasets, one_of_another_thread_is_seen_until_it_is_gone) {
    on_another_thread([] { stf_own_datasets_add(dataset(3)); });
    stf_own_datasets_add(dataset(4));
    EXPECT_TRUE(any_of_another_thread());
    stf_own_datasets_remove(dataset(3));
    EXPECT_FALSE(any_of_another_thread());
    stf_own_datasets_remove(dataset(4));
}

TEST(OwnDatasets, what_is_not_known_may_be_removed) {
    stf_own_datasets_add(dataset(5));
    stf_own_datasets_remove(dataset(6));
    on_another_thread([] { EXPECT_TRUE(any_of_another_thread()); });
    stf_own_datasets_remove(dataset(5));
    stf_own_datasets_remove(dataset(5));
    on_another_thread([] { EXPECT_FALSE(any_of_another_thread()); });
}

// An address may be that of a new dataset before the entry of the old one is gone: then there are two, and one goes.
TEST(OwnDatasets, an_address_may_come_twice) {
    stf_own_datasets_add(dataset(7));
    stf_own_datasets_add(dataset(7));
    stf_own_datasets_remove(dataset(7));
    on_another_thread([] { EXPECT_TRUE(any_of_another_thread()); });
    stf_own_datasets_remove(dataset(7));
    on_another_thread([] { EXPECT_FALSE(any_of_another_thread()); });
}

TEST(OwnDatasets, removing_waits_for_who_holds_the_lock) {
    std::atomic<bool> removed{false};
    stf_own_datasets_add(dataset(8));
    stf_own_datasets_lock();
    std::thread closing([&] {
        stf_own_datasets_remove(dataset(8));
        removed = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(removed);
    stf_own_datasets_unlock();
    closing.join();
    EXPECT_TRUE(removed);
}

TEST(OwnDatasets, many_threads_leave_nothing_behind) {
    std::vector<std::thread> threads;
    for (uintptr_t t = 0; t < 8; t++)
        threads.emplace_back([t] {
            for (uintptr_t i = 0; i < 500; i++) {
                stf_own_datasets_add(dataset(1000 * t + i + 100));
                if (i % 3 == 0)
                    any_of_another_thread();
                stf_own_datasets_remove(dataset(1000 * t + i + 100));
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_FALSE(any_of_another_thread());
    on_another_thread([] { EXPECT_FALSE(any_of_another_thread()); });
}

} // namespace
