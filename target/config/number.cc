// SPDX-License-Identifier: GPL-2.0-only
//
// See number.hh.
#include "target/config/number.hh"

namespace chiscsi {

namespace number_detail {

bool is_hex_constant(Text text) {
  return text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

bool parse_digits(Text digits, unsigned base, uint64_t* value) {
  uint64_t result = 0;
  for (const char digit : digits) {
    const int digit_value = hex_digit_value(digit);
    if (digit_value < 0 || static_cast<unsigned>(digit_value) >= base) return false;
    if (__builtin_mul_overflow(result, uint64_t{base}, &result)) return false;
    if (__builtin_add_overflow(result, static_cast<uint64_t>(digit_value), &result)) return false;
  }
  *value = result;
  return true;
}

}  // namespace number_detail

bool parse_number(Text text, NumberSyntax syntax, uint64_t* value) {
  if (syntax == NumberSyntax::kDecimalOrHex && number_detail::is_hex_constant(text)) {
    return number_detail::parse_digits(text.skip(2), 16, value);
  }
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  return number_detail::parse_digits(text, 10, value);
}

bool parse_number_in_range(Text text, NumberSyntax syntax, uint32_t minimum, uint32_t maximum,
                           uint32_t* value) {
  uint64_t number = 0;
  if (!parse_number(text, syntax, &number) || number < minimum || number > maximum) return false;
  *value = static_cast<uint32_t>(number);
  return true;
}

DecimalText::DecimalText(uint64_t value) : digits_(), start_(sizeof(digits_)) {
  do {
    digits_[--start_] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
}

}  // namespace chiscsi
