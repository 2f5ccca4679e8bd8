// SPDX-License-Identifier: GPL-2.0-only
//
// See input.hh.
#include "target/control/input.hh"

#include "target/config/number.hh"

namespace chiscsi::control {

namespace {

Status bad_word(Text key, const char* what, ConfigError* why) {
  why->clear();
  why->add_quoted(key).add(": ").add(what);
  return Error::kInvalid;
}

Status take_one(Text string, Span<Word> words, ConfigError* why) {
  Text value = string;
  const bool has_value = value.find('=') != Text::kNotFound;
  const Text key = value.take_until('=');
  for (Word& word : words) {
    if (key != Text(word.key)) continue;
    if (!has_value || value.empty()) return bad_word(key, "has no value", why);
    if (word.given && !word.may_repeat) return bad_word(key, "is given twice", why);
    word.given = true;
    word.value = value;
    return Status();
  }
  return bad_word(key, "is no key of this request", why);
}

}  // namespace

bool next_string(Bytes* rest, Text* string) {
  while (!rest->empty()) {
    Text all(reinterpret_cast<const char*>(rest->data()), rest->size());
    *string = all.take_until('\0');
    *rest = all.bytes();
    if (!string->empty()) return true;
  }
  return false;
}

Status check_end(Bytes in, ConfigError* why) {
  if (in.empty() || in[in.size() - 1] == '\0') return Status();
  why->clear();
  why->add("the input does not end with a NUL");
  return Error::kInvalid;
}

Status take_words(Bytes in, Span<Word> words, ConfigError* why) {
  CHISCSI_TRY(check_end(in, why));
  for (Text string; next_string(&in, &string);)
    CHISCSI_TRY(take_one(string, words, why));
  for (const Word& word : words) {
    if (word.required && !word.given) return bad_word(word.key, "is missing", why);
  }
  return Status();
}

bool parse_handle(Text text, unsigned long* value) {
  constexpr size_t kMaxDigits = sizeof(*value) * 2;
  Text digits = text.starts_with("0x") || text.starts_with("0X") ? text.skip(2) : text;
  if (digits.empty() || digits.size() > kMaxDigits) return false;
  unsigned long number = 0;
  for (const char digit : digits) {
    const int digit_value = hex_digit_value(digit);
    if (digit_value < 0) return false;
    number = number << 4 | static_cast<unsigned long>(digit_value);
  }
  *value = number;
  return number != 0;
}

}  // namespace chiscsi::control
