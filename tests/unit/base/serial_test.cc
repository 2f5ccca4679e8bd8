// SPDX-License-Identifier: GPL-2.0-only
//
// Serial: the arithmetic of RFC 1982 on both sides of the wrap.
#include "base/serial.hh"

#include <gtest/gtest.h>

namespace chiscsi {
namespace {

TEST(Serial, ComparesWithinHalfTheSpace) {
  EXPECT_LT(Serial(1), Serial(2));
  EXPECT_GT(Serial(2), Serial(1));
  EXPECT_LE(Serial(2), Serial(2));
  EXPECT_GE(Serial(2), Serial(2));
  EXPECT_LT(Serial(0), Serial(0x7fffffff));
  EXPECT_GT(Serial(0), Serial(0x80000001));
}

TEST(Serial, WrapsAround) {
  constexpr Serial kLast(0xffffffff);
  EXPECT_EQ(kLast + 1, Serial(0));
  EXPECT_EQ(Serial(0) - 1, kLast);
  EXPECT_LT(kLast, kLast + 1);
  EXPECT_LT(Serial(0xfffffff0), Serial(16));
  EXPECT_GE(Serial(0), kLast);
  Serial next = kLast;
  EXPECT_EQ((++next).value(), 0u);
}

TEST(Serial, DistanceIsSigned) {
  EXPECT_EQ(Serial(5).distance_from(Serial(2)), 3);
  EXPECT_EQ(Serial(2).distance_from(Serial(5)), -3);
  EXPECT_EQ(Serial(1).distance_from(Serial(0xfffffffe)), 3);
  EXPECT_EQ(Serial(0xfffffffe).distance_from(Serial(1)), -3);
}

TEST(Serial, ACommandWindowMayStraddleTheWrap) {
  const Serial exp(0xfffffffc);
  const Serial max = exp + 127;
  for (uint32_t i = 0; i < 128; ++i) {
    const Serial cmd_sn = exp + i;
    EXPECT_TRUE(cmd_sn >= exp && cmd_sn <= max) << i;
  }
  EXPECT_FALSE(exp - 1 >= exp);
  EXPECT_FALSE(max + 1 <= max);
}

TEST(Serial, AWindowMayBeClosed) {
  // RFC 7143 s4.2.2.1: MaxCmdSN = ExpCmdSN - 1 closes the window.
  const Serial exp(0);
  const Serial max = exp - 1;
  EXPECT_FALSE(exp <= max);
}

}  // namespace
}  // namespace chiscsi
