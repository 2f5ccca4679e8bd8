// SPDX-License-Identifier: GPL-2.0-only
//
// Ref: the last reference frees, from whichever thread it is dropped.
#include "base/ref.hh"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/alloc.hh"
#include "host.hh"

namespace chiscsi {
namespace {

struct Shared : RefCounted<Shared> {
  explicit Shared(std::atomic<int>* destroyed) : destroyed(destroyed) {}
  ~Shared() { ++*destroyed; }
  std::atomic<int>* destroyed;
  int plain = 0;
};

TEST(Ref, LastOneFrees) {
  std::atomic<int> destroyed{0};
  Ref<Shared> first = Ref<Shared>::adopt(make<Shared>(Alloc::kMaySleep, &destroyed));
  ASSERT_TRUE(first);
  {
    const Ref<Shared> second = first;
    const Ref<Shared> third = Ref<Shared>::share(first.get());
    EXPECT_EQ(second.get(), third.get());
    first.reset();
    EXPECT_FALSE(first);
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, MovesWithoutCounting) {
  std::atomic<int> destroyed{0};
  Ref<Shared> first = Ref<Shared>::adopt(make<Shared>(Alloc::kMaySleep, &destroyed));
  Ref<Shared> second(std::move(first));
  EXPECT_FALSE(first);
  first = std::move(second);
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  EXPECT_EQ(destroyed, 0);
}

TEST(Ref, AssignmentDropsTheOldObject) {
  std::atomic<int> destroyed{0};
  Ref<Shared> first = Ref<Shared>::adopt(make<Shared>(Alloc::kMaySleep, &destroyed));
  const Ref<Shared> second = Ref<Shared>::adopt(make<Shared>(Alloc::kMaySleep, &destroyed));
  first = second;
  EXPECT_EQ(destroyed, 1);
  const Ref<Shared>& alias = first;
  first = alias;
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, ReleaseAndAdoptAreAPair) {
  std::atomic<int> destroyed{0};
  Ref<Shared> first = Ref<Shared>::adopt(make<Shared>(Alloc::kMaySleep, &destroyed));
  Shared* object = first.release();
  EXPECT_EQ(destroyed, 0);
  Ref<Shared>::adopt(object).reset();
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, NullIsFine) {
  const Ref<Shared> none = Ref<Shared>::share(nullptr);
  const Ref<Shared> copy = none;
  EXPECT_FALSE(copy);
  EXPECT_FALSE(Ref<Shared>::adopt(OwnPtr<Shared>()));
}

TEST(Ref, ThreadsMayDropTheLastOne) {
  const uint64_t live = host_live_allocations();
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> destroyed{0};
    Ref<Shared> first = Ref<Shared>::adopt(make<Shared>(Alloc::kMaySleep, &destroyed));
    first->plain = 1;  // The destructor in another thread must see it: checked by TSan.
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([copy = first]() mutable {
        for (int j = 0; j < 20; ++j)
          Ref<Shared>(copy).reset();
        copy.reset();
      });
    }
    first.reset();
    for (std::thread& thread : threads)
      thread.join();
    EXPECT_EQ(destroyed, 1);
  }
  EXPECT_EQ(host_live_allocations(), live);
}

}  // namespace
}  // namespace chiscsi
