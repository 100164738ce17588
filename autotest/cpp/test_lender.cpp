// Whose memory a view borrows, and that neither end of a loan needs the other to be there still.
#include <atomic>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"
#include "lender.h"

namespace {

struct Owner {
    uint64_t cap, lent = 0;
    bool refuses = false, fails = false;
    stf_lender *lender = nullptr;

    explicit Owner(uint64_t cap_bytes) : cap(cap_bytes) {}
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    ~Owner() { Close(); }

    void Open() {
        const stf_lender_owner owner = {this, Lend, TakeBack};
        lender = stf_lender_open(&owner);
    }
    void Close() {
        stf_lender_close(lender);
        lender = nullptr;
    }
    static bool Lend(void *context, uint64_t least, uint64_t wanted, uint64_t *bytes, stf_error *err) {
        Owner *owner = static_cast<Owner *>(context);
        if (owner->refuses)
            return owner->fails && stf_fail(err, CPLE_OutOfMemory, "no room");
        *bytes = wanted < owner->cap - owner->lent ? wanted : least;
        owner->lent += *bytes;
        return true;
    }
    static void TakeBack(void *context, uint64_t bytes) { static_cast<Owner *>(context)->lent -= bytes; }
};

TEST(Lender, nothing_is_offered_where_nobody_is) {
    stf_error err{};
    uint64_t bytes = 0;
    EXPECT_FALSE(stf_loan_is_offered());
    EXPECT_EQ(stf_loan_take(1, 2, &bytes, &err), nullptr);
    EXPECT_EQ(err.number, 0);
    EXPECT_FALSE(stf_loan_counts(nullptr));
    stf_loan_end(nullptr);
    stf_lender_close(nullptr);
}

TEST(Lender, the_loan_ends_first) {
    Owner owner(100);
    stf_error err{};
    uint64_t bytes = 0;
    owner.Open();
    stf_loan *loan = stf_loan_take(10, 30, &bytes, &err);
    ASSERT_NE(loan, nullptr);
    EXPECT_EQ(bytes, 30u);
    EXPECT_EQ(owner.lent, 30u);
    EXPECT_TRUE(stf_loan_counts(loan));
    stf_loan_end(loan);
    EXPECT_EQ(owner.lent, 0u);
}

TEST(Lender, the_lender_closes_first) {
    Owner owner(100);
    stf_error err{};
    uint64_t bytes = 0;
    owner.Open();
    stf_loan *loan = stf_loan_take(10, 30, &bytes, &err);
    owner.Close();
    EXPECT_FALSE(stf_loan_is_offered());
    EXPECT_FALSE(stf_loan_counts(loan));
    stf_loan_end(loan);
    EXPECT_EQ(owner.lent, 30u); // it is not told any longer
}

TEST(Lender, a_refusal_is_none_of_the_views_or_is_told) {
    Owner owner(100);
    stf_error err{};
    uint64_t bytes = 0;
    owner.Open();
    owner.refuses = true;
    EXPECT_EQ(stf_loan_take(10, 30, &bytes, &err), nullptr);
    EXPECT_EQ(err.number, 0);
    owner.fails = true;
    EXPECT_EQ(stf_loan_take(10, 30, &bytes, &err), nullptr);
    EXPECT_EQ(err.number, CPLE_OutOfMemory);
}

TEST(Lender, own_thread_last_opened_else_the_only_one) {
    Owner a(100), b(100), c(100);
    stf_error err{};
    uint64_t bytes = 0;
    a.Open();
    std::thread([&] {
        stf_loan *loan = stf_loan_take(1, 1, &bytes, &err);
        EXPECT_EQ(a.lent, 1u);
        stf_loan_end(loan);
        b.Open();
        loan = stf_loan_take(1, 2, &bytes, &err);
        EXPECT_EQ(b.lent, 2u);
        stf_loan_end(loan);
        std::thread([] { EXPECT_FALSE(stf_loan_is_offered()); }).join(); // neither is its own
    }).join();
    c.Open();
    stf_loan *loan = stf_loan_take(1, 3, &bytes, &err);
    EXPECT_EQ(c.lent, 3u);
    stf_loan_end(loan);
}

TEST(Lender, views_of_other_threads_come_and_go_while_it_works) {
    std::atomic<bool> quit{false};
    std::thread views[2];
    std::atomic<uint64_t> loans{0};
    for (std::thread &view : views)
        view = std::thread([&] {
            while (!quit) {
                stf_error err{};
                uint64_t bytes = 0;
                stf_loan *loan = stf_loan_take(1, 5, &bytes, &err);
                loans += loan != nullptr;
                stf_loan_counts(loan);
                std::this_thread::yield();
                stf_loan_end(loan);
            }
        });
    for (int round = 0; round < 300 || loans < 10; round++) {
        Owner owner(100);
        owner.Open();
        for (int work = 0; work < 20; work++) {
            stf_lender_enter(owner.lender);
            EXPECT_LE(owner.lent, 10u);
            stf_lender_enter(owner.lender);
            stf_lender_leave(owner.lender);
            stf_lender_leave(owner.lender);
            std::this_thread::yield();
        }
        owner.Close();
    }
    quit = true;
    for (std::thread &view : views)
        view.join();
}

} // namespace
