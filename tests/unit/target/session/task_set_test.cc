// SPDX-License-Identifier: GPL-2.0-only
//
// TaskSet: each rule of SAM-5 section 8 by itself, and random trains of commands against a model
// that compares every pair of commands.
#include "target/session/task_set.hh"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "task_set_model.hh"

namespace chiscsi::test {
namespace {

constexpr TaskAttribute kSimple = TaskAttribute::kSimple;
constexpr TaskAttribute kOrdered = TaskAttribute::kOrdered;
constexpr TaskAttribute kHead = TaskAttribute::kHeadOfQueue;
using State = TaskSetPlace::State;

TEST(TaskAttribute, IsThatOfThePdu) {
  constexpr std::array<TaskAttribute, 8> kExpected = {kSimple, kSimple, kOrdered, kHead,
                                                      kSimple, kSimple, kSimple,  kSimple};
  for (unsigned attr = 0; attr < kExpected.size(); ++attr)
    EXPECT_EQ(task_attribute(attr), kExpected[attr]) << attr;
}

// A set and commands with numbers in the order of their coming.
class TaskSetTest : public testing::Test {
 protected:
  ~TaskSetTest() override {
    for (auto& place : places)
      set.leave(*place);
    EXPECT_TRUE(set.is_empty());
  }
  bool come(TaskAttribute attribute) {
    places.push_back(std::make_unique<TaskSetPlace>());
    places.back()->attribute = attribute;
    return set.enter(*places.back());
  }
  // The numbers of those that the end of this one has enabled, in their order.
  std::vector<size_t> end(size_t number) {
    set.leave(*places[number]);
    EXPECT_EQ(places[number]->state, State::kOutside);
    std::vector<size_t> enabled;
    while (TaskSetPlace* next = set.enable_next()) {
      for (size_t i = 0; i < places.size(); ++i) {
        if (places[i].get() == next) enabled.push_back(i);
      }
    }
    return enabled;
  }
  using Numbers = std::vector<size_t>;

  TaskSet set;
  std::vector<std::unique_ptr<TaskSetPlace>> places;
};

TEST_F(TaskSetTest, SimpleCommandsWaitForNobody) {
  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE(come(kSimple));
  EXPECT_EQ(end(4), Numbers());
  EXPECT_TRUE(come(kSimple));
}

TEST_F(TaskSetTest, OrderedWaitsForAllBeforeIt) {
  come(kSimple);
  come(kSimple);
  EXPECT_FALSE(come(kOrdered));
  EXPECT_EQ(end(0), Numbers());
  EXPECT_EQ(end(1), Numbers{2});
  EXPECT_FALSE(come(kOrdered)) << "and for another one";
  EXPECT_EQ(end(2), Numbers{3});
}

TEST_F(TaskSetTest, SimpleWaitsForOrdered) {
  EXPECT_TRUE(come(kOrdered));
  EXPECT_FALSE(come(kSimple));
  EXPECT_FALSE(come(kSimple));
  EXPECT_EQ(end(0), (Numbers{1, 2}));
}

TEST_F(TaskSetTest, SimpleWaitsForAnOrderedThatWaits) {
  come(kSimple);
  come(kOrdered);
  EXPECT_FALSE(come(kSimple));
  EXPECT_EQ(end(0), Numbers{1});
  EXPECT_EQ(end(1), Numbers{2});
}

TEST_F(TaskSetTest, HeadOfQueueWaitsForNobody) {
  come(kSimple);
  come(kOrdered);
  come(kSimple);
  EXPECT_TRUE(come(kHead));
  EXPECT_TRUE(come(kHead));
}

TEST_F(TaskSetTest, OthersWaitForHeadOfQueue) {
  come(kHead);
  EXPECT_FALSE(come(kSimple));
  EXPECT_FALSE(come(kOrdered));
  EXPECT_EQ(end(0), Numbers{1});
  EXPECT_EQ(end(1), Numbers{2});
}

TEST_F(TaskSetTest, WhatIsDormantLetsALaterHeadOfQueueGoFirst) {
  come(kOrdered);
  come(kSimple);
  come(kHead);
  EXPECT_EQ(end(0), Numbers());
  EXPECT_EQ(end(2), Numbers{1});
}

TEST_F(TaskSetTest, AnAbortedOrderedLetsOthersPass) {
  come(kSimple);
  come(kOrdered);
  come(kSimple);
  come(kSimple);
  EXPECT_EQ(end(1), (Numbers{2, 3}));
}

TEST_F(TaskSetTest, WhoWasThereBeforeIsWaitedFor) {
  TaskSetPlace older;
  set.enter_enabled(older);
  EXPECT_FALSE(come(kOrdered));
  set.leave(older);
  EXPECT_EQ(set.enable_next(), places[0].get());
}

TEST_F(TaskSetTest, MayBeLeftTwice) {
  come(kOrdered);
  come(kOrdered);
  EXPECT_EQ(end(1), Numbers());
  EXPECT_EQ(end(1), Numbers());
  EXPECT_EQ(end(0), Numbers());
  EXPECT_EQ(end(0), Numbers());
  EXPECT_TRUE(set.is_empty());
}

// ---- Against the model ----

struct Mix {
  unsigned ordered, head;  // Per cent.
};

class TaskSetMixes : public TaskSetTest, public testing::WithParamInterface<Mix> {
 protected:
  void expect_same(const TaskSetModel& model, unsigned seed) {
    for (size_t i = 0; i < places.size(); ++i) {
      const ModelTask& task = model.tasks[i];
      const State expected = task.over      ? State::kOutside
                             : task.enabled ? State::kEnabled
                                            : State::kDormant;
      ASSERT_EQ(places[i]->state, expected) << "command " << i << ", seed " << seed;
    }
  }
};

// Dormant ones end as well: they are aborted.
TEST_P(TaskSetMixes, AgreesWithTheSet) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    TaskSetModel model;
    places.clear();
    std::vector<size_t> alive;
    const size_t window = 1 + random() % 24;
    for (int step = 0; step < 200; ++step) {
      if (alive.size() < window && (alive.empty() || random() % 2 == 0)) {
        const unsigned dice = random() % 100;
        const TaskAttribute attribute = dice < GetParam().ordered                     ? kOrdered
                                        : dice < GetParam().ordered + GetParam().head ? kHead
                                                                                      : kSimple;
        alive.push_back(places.size());
        come(attribute);
        model.come(attribute);
      } else {
        const size_t at = random() % alive.size();
        const size_t number = alive[at];
        alive.erase(alive.begin() + static_cast<long>(at));
        end(number);
        model.end(number);
      }
      expect_same(model, seed);
      if (HasFatalFailure()) return;
    }
    for (const size_t number : alive)
      end(number);
    ASSERT_TRUE(set.is_empty()) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Mixes, TaskSetMixes,
                         testing::Values(Mix{0, 0}, Mix{5, 0}, Mix{50, 0}, Mix{100, 0}, Mix{0, 20},
                                         Mix{20, 20}, Mix{34, 33}, Mix{0, 100}));

}  // namespace
}  // namespace chiscsi::test
