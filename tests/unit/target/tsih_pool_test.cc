// SPDX-License-Identifier: GPL-2.0-only
//
// TsihPool: what is in use is never given out twice, whatever number of logins there were.
#include "target/tsih_pool.hh"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace chiscsi::test {
namespace {

class TsihPoolTest : public testing::Test {
 protected:
  std::unique_ptr<TsihPool> pool = std::make_unique<TsihPool>();
};

TEST_F(TsihPoolTest, BeginsWithOne) {
  EXPECT_EQ(pool->take(), 1);
  EXPECT_EQ(pool->take(), 2);
}

TEST_F(TsihPoolTest, DoesNotReuseANumberAtOnce) {
  pool->give_back(pool->take());
  EXPECT_EQ(pool->take(), 2);
}

TEST_F(TsihPoolTest, SkipsTheOnesInUseAfterAWrap) {
  const uint16_t kept = pool->take();
  for (int i = 0; i < 70000; ++i) {
    const uint16_t tsih = pool->take();
    ASSERT_NE(tsih, 0);
    ASSERT_NE(tsih, kept);
    pool->give_back(tsih);
  }
}

TEST_F(TsihPoolTest, GivesOutEveryNumberOnceAndThenNone) {
  std::set<uint16_t> taken;
  for (int i = 0; i < 65535; ++i)
    EXPECT_TRUE(taken.insert(pool->take()).second);
  EXPECT_EQ(taken.count(0), 0u);
  EXPECT_EQ(pool->take(), 0);
  pool->give_back(0);
  EXPECT_EQ(pool->take(), 0);
  pool->give_back(40000);
  EXPECT_EQ(pool->take(), 40000);
  EXPECT_EQ(pool->take(), 0);
}

}  // namespace
}  // namespace chiscsi::test
