// SPDX-License-Identifier: GPL-2.0-only
//
// Span: slices saturate, indexing is checked, bytes are copied and compared within bounds.
#include "base/span.hh"

#include <gtest/gtest.h>

#include <limits>

namespace chiscsi {
namespace {

TEST(Span, IsEmptyByDefault) {
  const Bytes span;
  EXPECT_TRUE(span.empty());
  EXPECT_EQ(span.size(), 0u);
  EXPECT_EQ(span.begin(), span.end());
  EXPECT_EQ(span.first(3).size(), 0u);
  EXPECT_EQ(span.skip(3).size(), 0u);
}

TEST(Span, CoversAnArray) {
  uint8_t array[] = {1, 2, 3};
  const MutableBytes span(array);
  EXPECT_EQ(span.size(), 3u);
  span[1] = 7;
  EXPECT_EQ(array[1], 7);
}

TEST(Span, ReadsAsSpanOfConst) {
  uint8_t array[] = {1, 2, 3};
  const MutableBytes writable(array);
  const Bytes readable = writable;
  EXPECT_EQ(readable.data(), array);
  EXPECT_EQ(readable.size(), 3u);
}

TEST(Span, SlicesSaturate) {
  const uint8_t array[] = {0, 1, 2, 3, 4};
  const Bytes span(array);
  constexpr size_t kHuge = std::numeric_limits<size_t>::max();
  EXPECT_EQ(span.first(2).size(), 2u);
  EXPECT_EQ(span.first(kHuge).size(), 5u);
  EXPECT_EQ(span.skip(2).size(), 3u);
  EXPECT_EQ(span.skip(2)[0], 2);
  EXPECT_EQ(span.skip(5).size(), 0u);
  EXPECT_EQ(span.skip(kHuge).size(), 0u);
  EXPECT_EQ(span.skip(kHuge).data(), array + 5);
  EXPECT_EQ(span.slice(3, 1).size(), 1u);
  EXPECT_EQ(span.slice(3, kHuge).size(), 2u);
  EXPECT_EQ(span.slice(kHuge, kHuge).size(), 0u);
}

TEST(Span, WorksAtCompileTime) {
  static constexpr uint8_t kArray[] = {9, 8};
  static_assert(Bytes(kArray).skip(1)[0] == 8);
}

TEST(Span, IteratesInOrder) {
  const uint8_t array[] = {1, 2, 3};
  int sum = 0;
  for (uint8_t byte : Bytes(array))
    sum = sum * 10 + byte;
  EXPECT_EQ(sum, 123);
}

TEST(SpanDeathTest, IndexBeyondTheEndIsCaught) {
  const uint8_t array[] = {1};
  const Bytes span(array);
  EXPECT_DEATH(static_cast<void>(span[1]), "check failed: index < size_");
}

TEST(CopyBytes, CopiesWhatFits) {
  const uint8_t source[] = {1, 2, 3, 4};
  uint8_t small[2] = {};
  uint8_t large[6] = {};
  EXPECT_EQ(copy_bytes(small, source), 2u);
  EXPECT_EQ(small[1], 2);
  EXPECT_EQ(copy_bytes(large, source), 4u);
  EXPECT_EQ(large[3], 4);
  EXPECT_EQ(large[4], 0);
  EXPECT_EQ(copy_bytes(MutableBytes(), source), 0u);
  EXPECT_EQ(copy_bytes(large, Bytes()), 0u);
}

TEST(EqualBytes, ComparesLengthAndContent) {
  const uint8_t a[] = {1, 2};
  const uint8_t b[] = {1, 2};
  const uint8_t c[] = {1, 3};
  EXPECT_TRUE(equal_bytes(a, b));
  EXPECT_FALSE(equal_bytes(a, c));
  EXPECT_FALSE(equal_bytes(a, Bytes(b).first(1)));
  EXPECT_TRUE(equal_bytes(Bytes(), Bytes()));
  EXPECT_TRUE(equal_bytes(Bytes(), Bytes(a).first(0)));
}

}  // namespace
}  // namespace chiscsi
