// SPDX-License-Identifier: GPL-2.0-only
//
// BigEndian: the byte order on the wire, widths that are not powers of two, layout.
#include "base/endian.hh"

#include <gtest/gtest.h>

#include <cstring>

namespace chiscsi {
namespace {

TEST(BigEndian, StoresTheMostSignificantByteFirst) {
  const Be32 number(0x01020304);
  const uint8_t wire[] = {1, 2, 3, 4};
  EXPECT_EQ(memcmp(&number, wire, 4), 0);
  EXPECT_EQ(number.get(), 0x01020304u);
}

TEST(BigEndian, ReadsBackWhatWasSet) {
  static_assert(Be16(0xfffe).get() == 0xfffe);
  static_assert(Be24(0xfedcba).get() == 0xfedcba);
  static_assert(Be32(0xfedcba98).get() == 0xfedcba98);
  static_assert(Be48(0xfedcba987654).get() == 0xfedcba987654);
  static_assert(Be64(0xfedcba9876543210).get() == 0xfedcba9876543210);
  static_assert(Be64(0).get() == 0);
}

TEST(BigEndian, DropsWhatIsTooWide) {
  Be24 number(0x12345678);
  EXPECT_EQ(number.get(), 0x345678u);
  number = 0xff000001;
  EXPECT_EQ(number.get(), 1u);
}

TEST(BigEndian, IsZeroByDefault) { EXPECT_EQ(Be48().get(), 0u); }

struct Wire {
  uint8_t before;
  Be16 two;
  Be24 three;
  Be64 eight;
};
static_assert(sizeof(Wire) == 14 && alignof(Wire) == 1);

TEST(BigEndian, LiesUnalignedInAStructure) {
  uint8_t bytes[16] = {0, 9, 1, 2, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 5};
  auto* wire = reinterpret_cast<Wire*>(bytes + 1);
  EXPECT_EQ(wire->two.get(), 0x0102);
  EXPECT_EQ(wire->three.get(), 0x010203u);
  EXPECT_EQ(wire->eight.get(), 5u);
  wire->eight.set(0x0807060504030201);
  EXPECT_EQ(bytes[7], 8);
  EXPECT_EQ(bytes[14], 1);
}

}  // namespace
}  // namespace chiscsi
