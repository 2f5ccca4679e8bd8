// SPDX-License-Identifier: GPL-2.0-only
//
// Text and FixedText: characters with a length, never beyond it, never in need of a terminator.
#include "base/text.hh"

#include <gtest/gtest.h>

#include <memory>

namespace chiscsi {
namespace {

TEST(Text, ComparesContent) {
  EXPECT_TRUE(Text("abc") == Text("abcd", 3));
  EXPECT_FALSE(Text("abc") == Text("abd"));
  EXPECT_FALSE(Text("abc") == Text("ab"));
  EXPECT_TRUE(Text() == Text(""));
  EXPECT_TRUE(Text(nullptr) == Text());
  EXPECT_TRUE(Text("a\0b", 3) == Text("a\0b", 3));
}

TEST(Text, SlicesSaturate) {
  const Text text("hello");
  EXPECT_TRUE(text.first(2) == Text("he"));
  EXPECT_TRUE(text.first(99) == text);
  EXPECT_TRUE(text.skip(3) == Text("lo"));
  EXPECT_TRUE(text.skip(99).empty());
  EXPECT_TRUE(text.starts_with("hel"));
  EXPECT_FALSE(text.starts_with("hello!"));
  EXPECT_TRUE(text.starts_with(""));
}

TEST(Text, NeverReadsBeyondItsLength) {
  // No terminator; the sanitizer guards the end.
  const auto wire = std::make_unique<char[]>(3);
  wire[0] = 'k';
  wire[1] = '=';
  wire[2] = 'v';
  Text text(wire.get(), 3);
  EXPECT_EQ(text.find('x'), Text::kNotFound);
  EXPECT_TRUE(text.take_until('=') == Text("k"));
  EXPECT_TRUE(text == Text("v"));
  EXPECT_TRUE(text.take_until('=') == Text("v"));
  EXPECT_TRUE(text.empty());
  EXPECT_TRUE(text.take_until('=').empty());
}

TEST(Text, TakeUntilSplitsAList) {
  Text list("a,,b,");
  EXPECT_TRUE(list.take_until(',') == Text("a"));
  EXPECT_TRUE(list.take_until(',').empty());
  EXPECT_TRUE(list.take_until(',') == Text("b"));
  EXPECT_TRUE(list.empty());
}

TEST(Text, ReadsAsBytes) {
  const Bytes bytes = Text("ab").bytes();
  ASSERT_EQ(bytes.size(), 2u);
  EXPECT_EQ(bytes[1], 'b');
}

TEST(FixedText, HoldsUpToItsCapacity) {
  FixedText<4> fixed;
  EXPECT_TRUE(fixed.empty());
  EXPECT_STREQ(fixed.c_str(), "");
  EXPECT_TRUE(fixed.assign("four"));
  EXPECT_STREQ(fixed.c_str(), "four");
  EXPECT_EQ(fixed.size(), 4u);
  EXPECT_FALSE(fixed.assign("five!"));
  EXPECT_TRUE(fixed.text() == Text("four"));
  EXPECT_TRUE(fixed.assign("x"));
  EXPECT_STREQ(fixed.c_str(), "x");
  fixed.clear();
  EXPECT_TRUE(fixed.empty());
  EXPECT_EQ(FixedText<4>::capacity(), 4u);
}

TEST(FixedText, MayBeAssignedAPartOfItself) {
  FixedText<8> fixed;
  ASSERT_TRUE(fixed.assign("abcdef"));
  EXPECT_TRUE(fixed.assign(fixed.text().skip(2)));
  EXPECT_STREQ(fixed.c_str(), "cdef");
}

}  // namespace
}  // namespace chiscsi
