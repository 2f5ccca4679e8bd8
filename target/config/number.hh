// SPDX-License-Identifier: GPL-2.0-only
//
// The one parser for numbers in text, on the wire and in the configuration.
//
// It takes the whole token or nothing: no sign, no blanks, no leading zeros in decimal, no trailing
// text, and no value that does not fit 64 bits (RFC 7143 section 6.1, numerical-value).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/span.hh"
#include "base/text.hh"

namespace chiscsi {

enum class NumberSyntax : uint8_t {
  kDecimal,       // 0, or digits that start with 1-9.
  kDecimalOrHex,  // Also 0x or 0X and at least one digit.
};

// Parses all of `text`. Returns false, and leaves `value` alone, when it is not a number of this
// syntax below 2**64. Context: any.
bool parse_number(Text text, NumberSyntax syntax, uint64_t* value);

// Parses all of `text` and checks minimum <= value <= maximum. Context: any.
bool parse_number_in_range(Text text, NumberSyntax syntax, uint32_t minimum, uint32_t maximum,
                           uint32_t* value);

// The value of a hexadecimal digit, or -1.
constexpr int hex_digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// A number as decimal digits, held by value.
class DecimalText {
 public:
  explicit DecimalText(uint64_t value);
  Text text() const { return {digits_ + start_, sizeof(digits_) - start_}; }

 private:
  char digits_[20];
  size_t start_;
};

}  // namespace chiscsi
