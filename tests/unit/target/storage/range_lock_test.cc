// SPDX-License-Identifier: GPL-2.0-only
//
// Who shares blocks, who waits for whom, and that nobody is overtaken or forgotten.
#include "target/storage/range_lock.hh"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace chiscsi::test {
namespace {

using storage::RangeLock;
using Mode = RangeLock::Mode;
using Range = RangeLock::Range;

std::vector<Range*> granted;

class RangeLockTest : public testing::Test {
 protected:
  void SetUp() override {
    granted.clear();
    ASSERT_TRUE(lock.create().is_ok());
  }
  bool acquire(Range& range, uint64_t first, uint64_t end, Mode mode) {
    range.first = first;
    range.end = end;
    range.mode = mode;
    return lock.acquire(range) == RangeLock::Answer::kHeld;
  }
  RangeLock lock{[](Range& range) { granted.push_back(&range); }};
};

TEST_F(RangeLockTest, SharersDoNotWait) {
  Range a, b, c;
  EXPECT_TRUE(acquire(a, 0, 10, Mode::kShared));
  EXPECT_TRUE(acquire(b, 5, 15, Mode::kShared));
  EXPECT_TRUE(acquire(c, 0, 100, Mode::kShared));
  lock.release(b);
  lock.release(a);
  lock.release(c);
  EXPECT_TRUE(granted.empty());
}

TEST_F(RangeLockTest, OneWhoIsAloneWaitsForAllThatOverlap) {
  Range a, b, c, alone;
  acquire(a, 0, 10, Mode::kShared);
  acquire(b, 9, 20, Mode::kShared);
  acquire(c, 20, 30, Mode::kShared);
  EXPECT_FALSE(acquire(alone, 8, 20, Mode::kAlone));
  lock.release(a);
  lock.release(c);
  EXPECT_TRUE(granted.empty());
  lock.release(b);
  EXPECT_EQ(granted, std::vector<Range*>{&alone});
  lock.release(alone);
}

TEST_F(RangeLockTest, NobodyOvertakesOneWhoWaits) {
  Range a, alone, late, apart;
  acquire(a, 0, 10, Mode::kShared);
  EXPECT_FALSE(acquire(alone, 5, 20, Mode::kAlone));
  EXPECT_FALSE(acquire(late, 15, 16, Mode::kShared));
  EXPECT_TRUE(acquire(apart, 20, 21, Mode::kShared));
  lock.release(a);
  EXPECT_EQ(granted, std::vector<Range*>{&alone});
  lock.release(alone);
  EXPECT_EQ(granted, (std::vector<Range*>{&alone, &late}));
  lock.release(late);
  lock.release(apart);
}

TEST_F(RangeLockTest, OneWhoWithdrawsIsInNobodysWay) {
  Range a, alone, late;
  acquire(a, 0, 10, Mode::kShared);
  EXPECT_FALSE(acquire(alone, 5, 20, Mode::kAlone));
  EXPECT_FALSE(acquire(late, 15, 16, Mode::kShared));
  EXPECT_FALSE(lock.withdraw(a));
  EXPECT_TRUE(lock.withdraw(alone));
  EXPECT_EQ(granted, std::vector<Range*>{&late});
  EXPECT_FALSE(lock.withdraw(alone));
  EXPECT_FALSE(lock.withdraw(late));
  lock.release(a);
  lock.release(late);
  EXPECT_TRUE(acquire(alone, 0, 20, Mode::kAlone));
  lock.release(alone);
}

TEST_F(RangeLockTest, MoreThanCanBeComparedAreRefused) {
  constexpr uint32_t kMost = RangeLock::kMostCompared;
  std::vector<Range> many(kMost + 1);
  for (size_t i = 0; i <= kMost; ++i)
    EXPECT_TRUE(acquire(many[i], i, i + 1, Mode::kShared));
  Range alone, late;
  alone.end = late.end = 1;
  alone.mode = Mode::kAlone;
  EXPECT_EQ(lock.acquire(alone), RangeLock::Answer::kTooMany);
  EXPECT_FALSE(lock.withdraw(alone));
  for (size_t i = 0; i < 2; ++i)
    lock.release(many[i]);
  EXPECT_EQ(lock.acquire(alone), RangeLock::Answer::kHeld);
  EXPECT_EQ(lock.acquire(late), RangeLock::Answer::kTooMany);
  lock.release(alone);
  EXPECT_EQ(lock.acquire(late), RangeLock::Answer::kHeld);
}

TEST_F(RangeLockTest, WhoComesAfterAFenceWaitsForItsEnd) {
  Range lost, before, reader, apart, alone;
  acquire(lost, 0, 10, Mode::kShared);
  acquire(before, 5, 6, Mode::kShared);
  lock.fence(lost);
  EXPECT_FALSE(acquire(reader, 9, 12, Mode::kShared));
  EXPECT_TRUE(acquire(apart, 10, 11, Mode::kShared));
  EXPECT_FALSE(acquire(alone, 0, 20, Mode::kAlone));
  lock.release(before);
  EXPECT_TRUE(granted.empty());
  lock.release(lost);
  EXPECT_EQ(granted, std::vector<Range*>{&reader});
  lock.release(apart);
  lock.release(reader);
  EXPECT_EQ(granted, (std::vector<Range*>{&reader, &alone}));
  lock.release(alone);
  // Nothing is left of it, in the lock or in the range.
  EXPECT_TRUE(acquire(lost, 0, 10, Mode::kShared));
  EXPECT_TRUE(acquire(before, 0, 10, Mode::kShared));
  lock.release(before);
  lock.release(lost);
}

// Who has waited longer than the fenced one is there has never counted it.
TEST_F(RangeLockTest, AFenceIsNotInTheWayOfThoseBeforeIt) {
  Range alone, waits, lost, late;
  acquire(alone, 0, 5, Mode::kAlone);
  EXPECT_FALSE(acquire(waits, 0, 10, Mode::kShared));
  EXPECT_TRUE(acquire(lost, 5, 10, Mode::kShared));
  lock.fence(lost);
  lock.fence(lost);
  EXPECT_FALSE(acquire(late, 9, 10, Mode::kShared));
  lock.release(lost);
  EXPECT_EQ(granted, std::vector<Range*>{&late});
  lock.release(alone);
  EXPECT_EQ(granted, (std::vector<Range*>{&late, &waits}));
  lock.release(late);
  lock.release(waits);
}

TEST_F(RangeLockTest, WhoDoesNotHoldIsNotFenced) {
  Range alone, waits, free, late;
  lock.fence(free);
  acquire(alone, 0, 5, Mode::kAlone);
  acquire(waits, 0, 10, Mode::kShared);
  lock.fence(waits);
  lock.fence(alone);
  EXPECT_TRUE(acquire(late, 5, 10, Mode::kShared));
  lock.release(alone);
  EXPECT_EQ(granted, std::vector<Range*>{&waits});
  lock.release(waits);
  lock.release(late);
}

TEST_F(RangeLockTest, ManyAtRandomAllGetTheirTurnAndNeverOverlap) {
  std::mt19937 random(1);
  std::vector<Range> ranges(64);
  std::vector<Range*> held, idle, waiting;
  for (Range& range : ranges)
    idle.push_back(&range);
  size_t turns = 0;
  for (int step = 0; step < 20000; ++step) {
    if (!idle.empty() && random() % 2 == 0) {
      Range* range = idle.back();
      idle.pop_back();
      const uint64_t first = random() % 50;
      const Mode mode = random() % 4 == 0 ? Mode::kAlone : Mode::kShared;
      (acquire(*range, first, first + 1 + random() % 10, mode) ? held : waiting).push_back(range);
    } else if (!held.empty()) {
      const size_t at = random() % held.size();
      Range* range = held[at];
      held.erase(held.begin() + static_cast<long>(at));
      lock.release(*range);
      idle.push_back(range);
      ++turns;
    }
    for (Range* range : granted) {
      std::erase(waiting, range);
      held.push_back(range);
    }
    granted.clear();
    for (const Range* a : held) {
      for (const Range* b : held) {
        const bool meet = a != b && a->first < b->end && b->first < a->end;
        ASSERT_FALSE(meet && (a->mode == Mode::kAlone || b->mode == Mode::kAlone));
      }
    }
    // Somebody can always go on.
    ASSERT_TRUE(waiting.empty() || !held.empty());
  }
  EXPECT_GT(turns, 5000u);
  while (!held.empty()) {
    Range* range = held.back();
    held.pop_back();
    lock.release(*range);
    for (Range* next : granted)
      held.push_back(next);
    granted.clear();
  }
}

}  // namespace
}  // namespace chiscsi::test
