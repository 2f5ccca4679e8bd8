// SPDX-License-Identifier: GPL-2.0-only
//
// The credit account: order and completeness of what is paid back, partial acks, acks of too much,
// when a completion is asked for, and all of it against a plain model with random sizes.
#include "offload/tx_credits.hh"

#include <gtest/gtest.h>

#include <deque>
#include <numeric>

#include "offload/wr.hh"
#include "wire_bytes.hh"

namespace chiscsi::test {
namespace {

// Takes records from a pool and notes the order in which they come back.
struct Account {
  explicit Account(uint32_t max, uint32_t dearest = 4) { credits.reset(max, dearest); }
  void take(uint32_t cost, bool completion = false) {
    records.emplace_back();
    records.back().count = static_cast<uint32_t>(records.size()) - 1;
    credits.take(records.back(), cost, completion);
  }
  bool ack(uint32_t amount) {
    done.clear();
    return credits.ack(amount, [this](TxRecord& record) {
      EXPECT_FALSE(record.node.is_linked());
      EXPECT_EQ(record.cost, 0u);
      done.push_back(record.count);
    });
  }

  std::deque<TxRecord> records;
  std::vector<uint32_t> done;
  TxCredits credits;
};

using Order = std::vector<uint32_t>;

TEST(TxCredits, AreSpentAndComeBackInOrder) {
  Account account(20);
  EXPECT_TRUE(account.credits.idle());
  account.take(5);
  account.take(7);
  account.take(8);
  EXPECT_EQ(account.credits.available(), 0u);
  EXPECT_EQ(account.credits.outstanding(), 20u);
  EXPECT_FALSE(account.credits.can_send(1));
  EXPECT_TRUE(account.credits.can_send(0));

  ASSERT_TRUE(account.ack(12));
  EXPECT_EQ(account.done, (Order{0, 1}));
  EXPECT_TRUE(account.credits.can_send(12));
  EXPECT_FALSE(account.credits.can_send(13));
  ASSERT_TRUE(account.ack(8));
  EXPECT_EQ(account.done, Order{2});
  EXPECT_TRUE(account.credits.idle());
  EXPECT_EQ(account.credits.available(), 20u);
}

TEST(TxCredits, PartOfARequestKeepsItPending) {
  Account account(20);
  account.take(5);
  account.take(7);
  ASSERT_TRUE(account.ack(4));
  EXPECT_TRUE(account.done.empty());
  EXPECT_EQ(account.credits.available(), 12u);
  ASSERT_TRUE(account.ack(2));
  EXPECT_EQ(account.done, Order{0});
  ASSERT_TRUE(account.ack(0));
  EXPECT_TRUE(account.done.empty());
  ASSERT_TRUE(account.ack(6));
  EXPECT_EQ(account.done, Order{1});
}

TEST(TxCredits, MoreThanIsOutstandingIsRefused) {
  Account account(20);
  EXPECT_FALSE(account.ack(1));
  account.take(5);
  EXPECT_FALSE(account.ack(6));
  EXPECT_FALSE(account.ack(~0u));
  EXPECT_TRUE(account.done.empty());
  EXPECT_EQ(account.credits.available(), 15u);
  EXPECT_TRUE(account.credits.holds());
  EXPECT_TRUE(account.ack(5));
}

TEST(TxCredits, AViolatedAccountIsTold) {
  Account account(20);
  account.take(5);
  account.take(5);
  account.records[1].cost = 4;  // Somebody wrote into it.
  EXPECT_FALSE(account.credits.holds());
  EXPECT_FALSE(account.ack(5));
  EXPECT_EQ(account.done, Order{0});
  account.credits.purge([](TxRecord&) {});
}

TEST(TxCredits, ADoneRecordCanBeUsedAgain) {
  TxCredits credits;
  credits.reset(10, 1);
  TxRecord record;
  for (int i = 0; i < 5; ++i) {
    credits.take(record, 10, true);
    bool done = false;
    ASSERT_TRUE(credits.ack(10, [&done, &record](TxRecord& finished) {
      done = &finished == &record && !finished.node.is_linked();
    }));
    EXPECT_TRUE(done);
  }
}

TEST(TxCredits, ACompletionIsWantedByHalfOfThem) {
  Account account(20, 1);
  EXPECT_FALSE(account.credits.wants_completion(9, false));
  EXPECT_TRUE(account.credits.wants_completion(10, false));
  EXPECT_TRUE(account.credits.wants_completion(1, true));
  account.take(6);
  EXPECT_FALSE(account.credits.wants_completion(3, false));
  EXPECT_TRUE(account.credits.wants_completion(4, false));
  // One that asks covers all before it.
  account.take(4, true);
  EXPECT_FALSE(account.credits.wants_completion(9, false));
  account.take(5);
  // What has come back needs no completion any more.
  ASSERT_TRUE(account.ack(13));
  EXPECT_EQ(account.credits.outstanding(), 2u);
  EXPECT_FALSE(account.credits.wants_completion(7, false));
  EXPECT_TRUE(account.credits.wants_completion(8, false));
  account.credits.purge([](TxRecord&) {});
}

TEST(TxCredits, ACompletionIsWantedBeforeTheDearestRequestCannotBePaid) {
  Account account(20, 15);
  EXPECT_FALSE(account.credits.wants_completion(5, false));
  EXPECT_TRUE(account.credits.wants_completion(6, false));
  EXPECT_TRUE(account.credits.wants_completion(30, false));
}

TEST(TxCredits, PurgeGivesAllBackInOrder) {
  Account account(20);
  account.take(5);
  account.take(6);
  ASSERT_TRUE(account.ack(3));
  Order order;
  account.credits.purge([&order](TxRecord& record) { order.push_back(record.count); });
  EXPECT_EQ(order, (Order{0, 1}));
  EXPECT_EQ(account.credits.available(), 20u);
  EXPECT_TRUE(account.credits.holds());
  EXPECT_FALSE(account.ack(1));
}

// Requests and acks at random; the adapter of the model only answers requests for a completion, so
// a sender that never asks would get stuck.
TEST(TxCredits, AgreeWithAPlainModel) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const uint32_t fragments = random.below(18);
    const uint32_t dearest = wr::tx_data_max_cost(fragments);
    const uint32_t max = dearest + random.below(80);
    Account account(max, dearest);
    std::deque<std::pair<uint32_t, uint32_t>> model;  // Number, what is left of its cost.
    uint32_t promised = 0;                            // Credits that the adapter will return.
    uint32_t number = 0;
    for (int step = 0; step < 400; ++step) {
      const uint32_t cost = 1 + random.below(dearest);
      const uint32_t used =
          std::accumulate(model.begin(), model.end(), 0u,
                          [](uint32_t sum, const auto& entry) { return sum + entry.second; });
      ASSERT_EQ(account.credits.outstanding(), used);
      ASSERT_EQ(account.credits.can_send(cost), used + cost <= max);
      if (account.credits.can_send(cost) && random.below(3) != 0) {
        const bool completion = account.credits.wants_completion(cost, random.chance(8));
        account.take(cost, completion);
        model.emplace_back(number++, cost);
        if (completion) promised = used + cost;
        continue;
      }
      // Whoever cannot send the dearest request is owed something.
      ASSERT_TRUE(promised != 0 || account.credits.can_send(dearest));
      if (promised == 0) continue;
      const uint32_t amount = 1 + random.below(promised);
      promised -= amount;
      uint32_t left = amount;
      Order expected;
      while (left != 0) {
        const uint32_t paid = std::min(left, model.front().second);
        model.front().second -= paid;
        left -= paid;
        if (model.front().second != 0) break;
        expected.push_back(model.front().first);
        model.pop_front();
      }
      ASSERT_TRUE(account.ack(amount));
      ASSERT_EQ(account.done, expected);
    }
    account.credits.purge([](TxRecord&) {});
  }
}

}  // namespace
}  // namespace chiscsi::test
