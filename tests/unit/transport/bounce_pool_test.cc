// SPDX-License-Identifier: GPL-2.0-only
//
// BouncePool: sizes, reuse without allocation, its limits, and no memory.
#include "transport/bounce_pool.hh"

#include <gtest/gtest.h>

#include <vector>

#include "host.hh"

namespace chiscsi::test {
namespace {

constexpr uint32_t kSmall = 8 * 1024;
constexpr uint32_t kLarge = 64 * 1024;
constexpr uint32_t kHuge = 256 * 1024;

TEST(BouncePool, IsEmptyAtFirst) {
  BouncePool pool;
  for (const uint32_t size : {0u, 1u, kSmall, kSmall + 1, kLarge, kLarge + 1})
    EXPECT_FALSE(pool.take(size)) << size;
}

TEST(BouncePool, AllocatesAtLeastTheSizeAskedFor) {
  BouncePool pool;
  for (const uint32_t size :
       {0u, 1u, kSmall - 1, kSmall, kSmall + 1, kLarge, kLarge + 1, 1u << 20}) {
    const Buffer buffer = pool.take_or_allocate(size);
    ASSERT_TRUE(buffer) << size;
    EXPECT_GE(buffer.size(), size);
  }
}

TEST(BouncePool, KeepsABufferForTheNextOfItsSize) {
  BouncePool pool;
  for (const uint32_t size : {100u, kSmall, kSmall + 1, kLarge, kHuge}) {
    Buffer buffer = pool.take_or_allocate(size);
    const uint8_t* memory = buffer.data();
    pool.give_back(std::move(buffer));
    const uint64_t allocations = host_allocation_count();
    buffer = pool.take(size);
    ASSERT_TRUE(buffer) << size;
    EXPECT_EQ(buffer.data(), memory);
    EXPECT_GE(buffer.size(), size);
    EXPECT_EQ(host_allocation_count(), allocations);
    EXPECT_FALSE(pool.take(size));
    pool.give_back(std::move(buffer));
    buffer = pool.take_or_allocate(size);
    EXPECT_EQ(buffer.data(), memory);
  }
}

TEST(BouncePool, DoesNotGiveASmallBufferForALargeNeed) {
  BouncePool pool;
  pool.give_back(pool.take_or_allocate(1));
  EXPECT_FALSE(pool.take(kSmall + 1));
  EXPECT_TRUE(pool.take(kSmall));
}

TEST(BouncePool, FreesBuffersOfOtherSizes) {
  BouncePool pool;
  const uint64_t before = host_live_allocations();
  pool.give_back(pool.take_or_allocate(kHuge + 1));
  pool.give_back(Buffer::allocate(100));
  pool.give_back(Buffer());
  EXPECT_EQ(host_live_allocations(), before);
  EXPECT_FALSE(pool.take(1));
  EXPECT_FALSE(pool.take(kLarge));
}

TEST(BouncePool, KeepsALimitedNumber) {
  const uint64_t before = host_live_allocations();
  {
    BouncePool pool;
    for (const uint32_t size : {kSmall, kLarge}) {
      std::vector<Buffer> buffers;
      for (int i = 0; i < 200; ++i)
        buffers.push_back(pool.take_or_allocate(size));
      for (Buffer& buffer : buffers)
        pool.give_back(std::move(buffer));
    }
    EXPECT_LE(host_live_allocations(), before + 64 + 16);
    for (int i = 0; i < 64; ++i)
      EXPECT_TRUE(pool.take(1)) << i;
    EXPECT_FALSE(pool.take(1));
    for (int i = 0; i < 16; ++i)
      EXPECT_TRUE(pool.take(kLarge)) << i;
    EXPECT_FALSE(pool.take(kLarge));
  }
  EXPECT_EQ(host_live_allocations(), before);
}

TEST(BouncePool, FreesWhatItKeepsAtItsEnd) {
  const uint64_t before = host_live_allocations();
  {
    BouncePool pool;
    Buffer small = pool.take_or_allocate(1), large = pool.take_or_allocate(kLarge);
    pool.give_back(std::move(small));
    pool.give_back(std::move(large));
  }
  EXPECT_EQ(host_live_allocations(), before);
}

TEST(BouncePool, IsEmptyHandedWithoutMemory) {
  BouncePool pool;
  host_fail_allocation_at(1);
  EXPECT_FALSE(pool.take_or_allocate(1));
  host_fail_allocation_at(1);
  EXPECT_FALSE(pool.take_or_allocate(kLarge + 1));
  host_fail_allocation_at(0);
}

TEST(BouncePool, TakesAKeptBufferInAtomicContext) {
  BouncePool pool;
  pool.give_back(pool.take_or_allocate(1));
  HostAtomicSection section;
  Buffer buffer = pool.take(1);
  EXPECT_TRUE(buffer);
  EXPECT_FALSE(pool.take(1));
  pool.give_back(std::move(buffer));
}

}  // namespace
}  // namespace chiscsi::test
