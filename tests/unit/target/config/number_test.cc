// SPDX-License-Identifier: GPL-2.0-only
//
// The number parser: whole tokens only, no overflow, one base at a time.
#include "target/config/number.hh"

#include <gtest/gtest.h>

#include <string>

namespace chiscsi {
namespace {

bool parses(const char* text, NumberSyntax syntax, uint64_t* value) {
  return parse_number(text, syntax, value);
}

TEST(Number, ReadsDecimalAndHex) {
  const struct {
    const char* text;
    uint64_t value;
    bool decimal;
  } kRows[] = {{"0", 0, true},
               {"1", 1, true},
               {"4294967296", 4294967296, true},
               {"18446744073709551615", ~uint64_t{0}, true},
               {"0x0", 0, false},
               {"0xfF", 255, false},
               {"0X10", 16, false},
               {"0xffffffffffffffff", ~uint64_t{0}, false},
               {"0x00000000000000000000001", 1, false}};
  for (const auto& row : kRows) {
    uint64_t value = 77;
    EXPECT_TRUE(parses(row.text, NumberSyntax::kDecimalOrHex, &value)) << row.text;
    EXPECT_EQ(value, row.value);
    EXPECT_EQ(parses(row.text, NumberSyntax::kDecimal, &value), row.decimal) << row.text;
  }
}

TEST(Number, RefusesEverythingElse) {
  for (const char* text : {"",
                           " ",
                           "-1",
                           "+1",
                           " 1",
                           "1 ",
                           "1x",
                           "x",
                           "00",
                           "01",
                           "0x",
                           "0X",
                           "0xg",
                           "0x1 ",
                           "x10",
                           "1.0",
                           "1e3",
                           "1,000",
                           "0b1",
                           "18446744073709551616",
                           "0x10000000000000000",
                           "99999999999999999999999999999999",
                           "1\n",
                           "--1"}) {
    for (const NumberSyntax syntax : {NumberSyntax::kDecimal, NumberSyntax::kDecimalOrHex}) {
      uint64_t value = 77;
      EXPECT_FALSE(parses(text, syntax, &value)) << text;
      EXPECT_EQ(value, 77u);
    }
  }
}

TEST(Number, StopsAtAnEmbeddedNul) {
  uint64_t value = 0;
  EXPECT_FALSE(parse_number({"1\0", 2}, NumberSyntax::kDecimal, &value));
}

TEST(Number, ChecksTheRange) {
  uint32_t value = 77;
  EXPECT_FALSE(parse_number_in_range("4", NumberSyntax::kDecimal, 5, 10, &value));
  EXPECT_FALSE(parse_number_in_range("11", NumberSyntax::kDecimal, 5, 10, &value));
  EXPECT_FALSE(parse_number_in_range("4294967301", NumberSyntax::kDecimal, 5, 10, &value));
  EXPECT_EQ(value, 77u);
  EXPECT_TRUE(parse_number_in_range("5", NumberSyntax::kDecimal, 5, 10, &value));
  EXPECT_TRUE(parse_number_in_range("10", NumberSyntax::kDecimal, 5, 10, &value));
  EXPECT_EQ(value, 10u);
}

TEST(DecimalText, WritesWhatTheParserReads) {
  for (const uint64_t number : {uint64_t{0}, uint64_t{9}, uint64_t{10}, uint64_t{1000000},
                                uint64_t{4294967295}, ~uint64_t{0}}) {
    const DecimalText digits(number);
    EXPECT_EQ(std::string(digits.text().data(), digits.text().size()), std::to_string(number));
  }
}

}  // namespace
}  // namespace chiscsi
