// SPDX-License-Identifier: GPL-2.0-only
//
// Engine::pick_worker(): the one with the least to serve, and the near one when that costs little.
#include "session_fixture.hh"

namespace chiscsi::test {
namespace {

class PickWorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    const engine_options options = {2, 30, 1, 64};
    ASSERT_EQ(engine_start(&options), 0);
    if (Engine::instance().worker_count() < 2) GTEST_SKIP() << "one CPU";
    first = &pick(OS_ANY_CPU);
    first->load = 1;
    second = &pick(OS_ANY_CPU);
    first->load = 0;
    ASSERT_NE(first, second);
    ASSERT_NE(first->cpu(), second->cpu());
  }
  void TearDown() override {
    if (second != nullptr) first->load = second->load = 0;
    engine_stop();
  }
  static Worker& pick(int cpu) { return Engine::instance().pick_worker(cpu); }

  Worker* first = nullptr;
  Worker* second = nullptr;
};

TEST_F(PickWorkerTest, TakesTheNearOneOfTwoThatHaveTheSame) {
  EXPECT_EQ(&pick(first->cpu()), first);
  EXPECT_EQ(&pick(second->cpu()), second);
  EXPECT_EQ(&pick(OS_ANY_CPU), first);
  EXPECT_EQ(&pick(99), first);
}

TEST_F(PickWorkerTest, TakesTheOtherWhenTheNearOneHasMore) {
  first->load = 1;
  EXPECT_EQ(&pick(first->cpu()), second);
  first->load = 8;
  second->load = 7;
  EXPECT_EQ(&pick(first->cpu()), second);
  EXPECT_EQ(&pick(second->cpu()), second);
}

TEST_F(PickWorkerTest, AnEighthMoreIsHardlyMore) {
  second->load = 16;
  first->load = 18;
  EXPECT_EQ(&pick(first->cpu()), first);
  first->load = 19;
  EXPECT_EQ(&pick(first->cpu()), second);
}

}  // namespace
}  // namespace chiscsi::test
