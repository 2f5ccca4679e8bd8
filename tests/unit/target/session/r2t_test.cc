// SPDX-License-Identifier: GPL-2.0-only
//
// R2tPool: a Target Transfer Tag finds its R2T while that is in use, and at no other time.
#include "target/session/r2t.hh"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "host.hh"
#include "iscsi/opcodes.hh"

namespace chiscsi::test {
namespace {

constexpr size_t kLimit = 4096;

class R2tPoolTest : public testing::Test {
 protected:
  // The pool compares the command and never follows it.
  Command* command() { return reinterpret_cast<Command*>(&somebody_); }
  R2t* take() {
    R2t* r2t = pool_.take();
    if (r2t != nullptr) r2t->command = command();
    return r2t;
  }
  alignas(64) char somebody_[64] = {};
  R2tPool pool_;
};

TEST_F(R2tPoolTest, FindsNothingAtFirst) {
  for (const uint32_t tag : {0u, 1u, 0xffffu, 0x10000u, 0xffffffffu})
    EXPECT_EQ(pool_.find(tag), nullptr);
}

TEST_F(R2tPoolTest, FindsAnR2tByItsTag) {
  R2t* first = take();
  R2t* second = take();
  EXPECT_NE(first->target_transfer_tag, second->target_transfer_tag);
  EXPECT_EQ(pool_.find(first->target_transfer_tag), first);
  EXPECT_EQ(pool_.find(second->target_transfer_tag), second);
}

TEST_F(R2tPoolTest, DoesNotFindAnR2tThatIsNobodys) {
  R2t* r2t = pool_.take();
  EXPECT_EQ(pool_.find(r2t->target_transfer_tag), nullptr);
}

TEST_F(R2tPoolTest, DoesNotFindAStaleTag) {
  std::vector<R2t*> others;
  for (int i = 0; i < 15; ++i)
    others.push_back(take());
  R2t* r2t = take();
  const uint32_t stale = r2t->target_transfer_tag;
  pool_.give_back(*r2t);
  EXPECT_EQ(pool_.find(stale), nullptr);
  R2t* again = take();
  ASSERT_EQ(again, r2t) << "the only one that is free";
  EXPECT_NE(again->target_transfer_tag, stale);
  EXPECT_EQ(pool_.find(stale), nullptr);
  EXPECT_EQ(pool_.find(again->target_transfer_tag), again);
}

TEST_F(R2tPoolTest, DoesNotFindForeignTags) {
  std::set<uint32_t> tags;
  for (int i = 0; i < 20; ++i)
    tags.insert(take()->target_transfer_tag);
  uint32_t found = 0;
  for (uint32_t index = 0; index < 0x10000; ++index) {
    for (const uint32_t generation : {0u, 1u, 2u, 0x7fffu, 0xfffeu, 0xffffu}) {
      const uint32_t tag = generation << 16 | index;
      const bool ours = tags.count(tag) != 0;
      ASSERT_EQ(pool_.find(tag) != nullptr, ours) << std::hex << tag;
      found += ours;
    }
  }
  EXPECT_EQ(found, 20u);
}

TEST_F(R2tPoolTest, StartsAnR2tAnew) {
  for (int i = 0; i < 40; ++i) {
    R2t* r2t = take();
    EXPECT_EQ(r2t->received, 0u);
    EXPECT_EQ(r2t->next_data_sn, 0u);
    EXPECT_EQ(r2t->phase, nullptr);
    r2t->received = 5;
    r2t->next_data_sn = 3;
    pool_.give_back(*r2t);
    EXPECT_EQ(r2t->command, nullptr);
  }
}

// All generations of one index: no tag twice until they are used up, and never one above
// 0x7ffeffff.
TEST_F(R2tPoolTest, GivesEveryTagOnceInATurnAndNeverTheReservedOne) {
  for (int i = 0; i < 15; ++i)
    take();
  std::vector<bool> seen(0x10000);
  for (int i = 0; i < 0x7fff; ++i) {
    R2t* r2t = take();
    const uint32_t tag = r2t->target_transfer_tag;
    ASSERT_LE(tag, 0x7ffeffffu);
    ASSERT_FALSE(seen[tag >> 16]);
    seen[tag >> 16] = true;
    pool_.give_back(*r2t);
  }
  R2t* around = take();
  EXPECT_TRUE(seen[around->target_transfer_tag >> 16]);
  EXPECT_EQ(pool_.find(around->target_transfer_tag), around);
}

TEST_F(R2tPoolTest, HasALimit) {
  std::set<uint32_t> tags;
  std::vector<R2t*> all;
  while (R2t* r2t = take()) {
    ASSERT_LT(all.size(), kLimit);
    tags.insert(r2t->target_transfer_tag);
    all.push_back(r2t);
  }
  EXPECT_EQ(all.size(), kLimit);
  EXPECT_EQ(tags.size(), kLimit);
  EXPECT_EQ(tags.count(iscsi::kReservedTag), 0u);
  for (R2t* r2t : all)
    ASSERT_EQ(pool_.find(r2t->target_transfer_tag), r2t);
  pool_.give_back(*all[77]);
  EXPECT_EQ(take(), all[77]);
  EXPECT_EQ(take(), nullptr);
}

TEST_F(R2tPoolTest, VisitsThoseInUse) {
  std::vector<R2t*> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(take());
  pool_.give_back(*all[3]);
  int visited = 0;
  pool_.for_each([&](R2t& r2t) {
    ++visited;
    if (visited % 2 == 0) pool_.give_back(r2t);
  });
  EXPECT_EQ(visited, 19);
  visited = 0;
  pool_.for_each([&](R2t&) { ++visited; });
  EXPECT_EQ(visited, 10);
}

TEST_F(R2tPoolTest, LeavesTheSendQueueWithGiveBack) {
  TxQueue queue;
  R2t* r2t = take();
  queue.push_back(*r2t);
  pool_.give_back(*r2t);
  EXPECT_TRUE(queue.empty());
}

TEST_F(R2tPoolTest, IsEmptyHandedWithoutMemory) {
  host_fail_allocation_at(1);
  EXPECT_EQ(pool_.take(), nullptr);
  host_fail_allocation_at(0);
  EXPECT_NE(pool_.take(), nullptr);
}

TEST_F(R2tPoolTest, GrowsInAtomicContext) {
  HostAtomicSection section;
  for (int i = 0; i < 40; ++i)
    EXPECT_NE(take(), nullptr);
}

TEST(R2tPool, FreesItsMemoryWithSomeInUse) {
  const uint64_t before = host_live_allocations();
  {
    R2tPool pool;
    for (int i = 0; i < 40; ++i)
      pool.take();
  }
  EXPECT_EQ(host_live_allocations(), before);
}

}  // namespace
}  // namespace chiscsi::test
