// SPDX-License-Identifier: GPL-2.0-only
//
// OwnPtr, Buffer and make<T>(): one owner, one destruction, memory that may be missing.
#include "base/own_ptr.hh"

#include <gtest/gtest.h>

#include "base/alloc.hh"
#include "host.hh"

namespace chiscsi {
namespace {

struct Tracked {
  explicit Tracked(int* destroyed, int value = 0) : destroyed(destroyed), value(value) {}
  virtual ~Tracked() { ++*destroyed; }
  int* destroyed;
  int value;
  int untouched[8];
};
struct Derived : Tracked {
  using Tracked::Tracked;
};

class OwnPtrTest : public testing::Test {
 protected:
  void TearDown() override {
    host_fail_allocation_at(0);
    EXPECT_EQ(host_live_allocations(), live_before_);
  }
  const uint64_t live_before_ = host_live_allocations();
  int destroyed_ = 0;
};

TEST_F(OwnPtrTest, DestroysAtTheEndOfItsLife) {
  {
    OwnPtr<Tracked> owner = make<Tracked>(Alloc::kMaySleep, &destroyed_, 7);
    ASSERT_TRUE(owner);
    EXPECT_EQ(owner->value, 7);
    EXPECT_EQ((*owner).value, 7);
    EXPECT_EQ(host_live_allocations(), live_before_ + 1);
  }
  EXPECT_EQ(destroyed_, 1);
}

TEST_F(OwnPtrTest, MovesOwnership) {
  OwnPtr<Tracked> first = make<Tracked>(Alloc::kAtomic, &destroyed_);
  Tracked* object = first.get();
  OwnPtr<Tracked> second(std::move(first));
  EXPECT_FALSE(first);
  EXPECT_EQ(second.get(), object);
  OwnPtr<Tracked> third = make<Tracked>(Alloc::kAtomic, &destroyed_);
  third = std::move(second);
  EXPECT_EQ(destroyed_, 1);
  EXPECT_EQ(third.get(), object);
  OwnPtr<Tracked>& alias = third;
  third = std::move(alias);
  EXPECT_EQ(third.get(), object);
  third.reset();
  EXPECT_EQ(destroyed_, 2);
  EXPECT_FALSE(third);
}

TEST_F(OwnPtrTest, ConvertsToTheBase) {
  OwnPtr<Tracked> owner = make<Derived>(Alloc::kMaySleep, &destroyed_);
  owner.reset();
  EXPECT_EQ(destroyed_, 1);
}

TEST_F(OwnPtrTest, ReleaseGivesTheObjectAway) {
  OwnPtr<Tracked> owner = make<Tracked>(Alloc::kMaySleep, &destroyed_);
  Tracked* object = owner.release();
  EXPECT_FALSE(owner);
  EXPECT_EQ(destroyed_, 0);
  destroy(object);
  EXPECT_EQ(destroyed_, 1);
  destroy<Tracked>(nullptr);
}

TEST_F(OwnPtrTest, IsEmptyWhenMemoryIsShort) {
  host_fail_allocation_at(1);
  EXPECT_FALSE(make<Tracked>(Alloc::kAtomic, &destroyed_));
  EXPECT_TRUE(make<Tracked>(Alloc::kAtomic, &destroyed_));
  EXPECT_EQ(destroyed_, 1);
}

struct Plain {
  int numbers[16];
};

TEST_F(OwnPtrTest, MemoryIsZeroedAndAligned) {
  for (int i = 0; i < 8; ++i) {
    OwnPtr<Plain> plain = make<Plain>(Alloc::kMaySleep);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(plain.get()) % 16, 0u);
    for (int& number : plain->numbers) {
      EXPECT_EQ(number, 0);
      number = -1;
    }
  }
}

TEST_F(OwnPtrTest, BufferOwnsZeroedBytes) {
  Buffer buffer = Buffer::allocate(100);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(buffer.size(), 100u);
  EXPECT_EQ(buffer.bytes().size(), 100u);
  for (uint8_t byte : buffer.bytes())
    EXPECT_EQ(byte, 0);
  Buffer other(std::move(buffer));
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(other.size(), 100u);
  buffer = std::move(other);
  EXPECT_EQ(buffer.size(), 100u);
  buffer.reset();
  EXPECT_FALSE(buffer);
}

TEST_F(OwnPtrTest, BufferIsEmptyWhenMemoryIsShort) {
  host_fail_allocation_at(1);
  const Buffer buffer = Buffer::allocate(100);
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.size(), 0u);
}

}  // namespace
}  // namespace chiscsi
