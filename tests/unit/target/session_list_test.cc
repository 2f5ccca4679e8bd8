// SPDX-License-Identifier: GPL-2.0-only
//
// SessionList: order and search, few and many, and ports whose hashes are equal.
#include "target/session_list.hh"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "base/hash.hh"

namespace chiscsi::test {
namespace {

class SessionListTest : public testing::Test {
 protected:
  // Enough for the table, and hashes as they are: of numbers.
  static constexpr uint32_t kMany = 500;
  static uint64_t hash_of(uint32_t number) {
    uint8_t bytes[4];
    __builtin_memcpy(bytes, &number, sizeof(bytes));
    return fnv1a(bytes);
  }
  void add(uint32_t number) { list.add(entries[number], hash_of(number)); }
  SessionEntry* find(uint32_t number) {
    return list.find(hash_of(number), [](const SessionEntry&) { return true; });
  }
  std::vector<const SessionEntry*> in_order() {
    std::vector<const SessionEntry*> found;
    list.for_each([&](SessionEntry& entry) { found.push_back(&entry); });
    return found;
  }

  std::deque<SessionEntry> entries{kMany};
  SessionList list;
};

TEST_F(SessionListTest, FindsEachOneWhateverTheirNumber) {
  for (uint32_t i = 0; i < kMany; ++i) {
    EXPECT_EQ(find(i), nullptr);
    add(i);
    ASSERT_EQ(list.size(), i + 1);
    for (uint32_t j = 0; j <= i; ++j)
      ASSERT_EQ(find(j), &entries[j]) << "of " << i;
  }
}

TEST_F(SessionListTest, KeepsTheOrderInWhichTheyCame) {
  std::vector<const SessionEntry*> expected;
  for (uint32_t i = 0; i < kMany; ++i) {
    add(kMany - 1 - i);
    expected.push_back(&entries[kMany - 1 - i]);
  }
  EXPECT_EQ(in_order(), expected);
}

TEST_F(SessionListTest, ForgetsWhatWasTakenOut) {
  for (uint32_t i = 0; i < kMany; ++i)
    add(i);
  for (uint32_t i = 0; i < kMany; i += 2)
    list.remove(entries[i]);
  EXPECT_EQ(list.size(), kMany / 2);
  for (uint32_t i = 0; i < kMany; ++i)
    EXPECT_EQ(find(i), i % 2 == 0 ? nullptr : &entries[i]);
  list.remove(entries[0]);  // It is in no list.
  EXPECT_EQ(list.size(), kMany / 2);
  add(0);
  EXPECT_EQ(in_order().back(), &entries[0]);
  EXPECT_EQ(find(0), &entries[0]);
}

TEST_F(SessionListTest, IsEmptyAgain) {
  EXPECT_TRUE(list.empty());
  for (uint32_t i = 0; i < kMany; ++i)
    add(i);
  EXPECT_FALSE(list.empty());
  for (SessionEntry& entry : entries)
    list.remove(entry);
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(in_order().empty());
  EXPECT_EQ(find(7), nullptr);
}

TEST_F(SessionListTest, TellsPortsOfOneHashApart) {
  for (SessionEntry& entry : entries)
    list.add(entry, 42);
  SessionEntry& wanted = entries[kMany / 3];
  EXPECT_EQ(list.find(42, [&](const SessionEntry& entry) { return &entry == &wanted; }), &wanted);
  EXPECT_EQ(list.find(42, [](const SessionEntry&) { return false; }), nullptr);
}

// Of one chain, but not of one hash: `matches` is not asked.
TEST_F(SessionListTest, AsksOnlyAboutTheHash) {
  for (uint32_t i = 0; i < kMany; ++i)
    list.add(entries[i], uint64_t{i} << 10);
  for (uint32_t i = 0; i < kMany; ++i) {
    uint32_t asked = 0;
    EXPECT_EQ(list.find(uint64_t{i} << 10, [&](const SessionEntry&) { return ++asked != 0; }),
              &entries[i]);
    EXPECT_EQ(asked, 1u);
  }
}

}  // namespace
}  // namespace chiscsi::test
