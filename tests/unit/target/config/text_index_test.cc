// SPDX-License-Identifier: GPL-2.0-only
//
// TextIndex: what was added is found in its order, and finding it takes few comparisons.
#include "target/config/text_index.hh"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host.hh"

namespace chiscsi {
namespace {

Text text_of(const std::string& text) { return {text.data(), text.size()}; }

std::vector<uint32_t> numbers_of(const TextIndex& index, Text text) {
  std::vector<uint32_t> numbers;
  for (uint32_t entry = index.first(text); entry != TextIndex::kNone; entry = index.next(entry))
    numbers.push_back(index.number(entry));
  return numbers;
}

using Numbers = std::vector<uint32_t>;

TEST(TextIndex, FindsWhatWasAddedInItsOrder) {
  TextIndex index;
  EXPECT_EQ(index.first("a"), TextIndex::kNone);
  ASSERT_TRUE(index.add("a", 7).is_ok());
  ASSERT_TRUE(index.add("b", 5).is_ok());
  ASSERT_TRUE(index.add("a", 3).is_ok());
  ASSERT_TRUE(index.add("", 1).is_ok());
  EXPECT_EQ(numbers_of(index, "a"), (Numbers{7, 3}));
  EXPECT_EQ(numbers_of(index, "b"), Numbers{5});
  EXPECT_EQ(numbers_of(index, ""), Numbers{1});
  EXPECT_EQ(numbers_of(index, "ab"), Numbers{});
}

TEST(TextIndex, KeepsTheOrderWhileItGrows) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < 1000; ++i)
    names.push_back("/dev/vg/volume-" + std::to_string(i));
  TextIndex index;
  for (uint32_t round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < names.size(); ++i)
      ASSERT_TRUE(index.add(text_of(names[i]), round * 1000 + i).is_ok());
  }
  for (uint32_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(numbers_of(index, text_of(names[i])), (Numbers{i, 1000 + i, 2000 + i}));
}

TEST(TextIndex, NeedsFewComparisons) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < 65536; ++i)
    names.push_back("/dev/vg/volume-" + std::to_string(i));
  TextIndex index;
  for (const std::string& name : names) {
    EXPECT_EQ(index.first(text_of(name)), TextIndex::kNone);
    ASSERT_TRUE(index.add(text_of(name), 0).is_ok());
  }
  EXPECT_LT(index.comparisons(), 4 * names.size());
}

TEST(TextIndex, SurvivesEveryFailedAllocation) {
  const uint64_t before = host_live_allocations();
  for (uint64_t failing = 1, left = 1; left != 0; ++failing) {
    TextIndex index;
    host_fail_allocation_at(failing);
    left = 0;
    for (uint32_t i = 0; i < 200; ++i) {
      if (index.add("x", i).is_ok()) continue;
      ++left;
      break;
    }
    host_fail_allocation_at(0);
    const size_t added = numbers_of(index, "x").size();
    EXPECT_EQ(added == 200, left == 0);
  }
  EXPECT_EQ(host_live_allocations(), before);
}

}  // namespace
}  // namespace chiscsi
