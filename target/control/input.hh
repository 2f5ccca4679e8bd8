// SPDX-License-Identifier: GPL-2.0-only
//
// Input: what a control request says, `key=value` strings that each end with a NUL.
//
// take_words() is for requests with a few keys of their own; those that carry a configuration hand
// the bytes to its parser. Nothing is copied. Context: any.
#pragma once

#include "base/error.hh"
#include "base/text.hh"
#include "target/config/message_line.hh"

namespace chiscsi::control {

// A key that a request may have. Of one that may come more than once the last value is kept.
struct Word {
  const char* key;
  bool required;
  bool may_repeat = false;
  Text value = {};
  bool given = false;
};

// Walks over the strings; an empty one is skipped. False at the end.
bool next_string(Bytes* rest, Text* string);

// Errors: kInvalid with a line, when the last NUL is missing.
Status check_end(Bytes in, ConfigError* why);

// Fills `words` in. Errors: kInvalid with a line, for a key that is unknown, twice there and may
// not be, without a value, or missing.
Status take_words(Bytes in, Span<Word> words, ConfigError* why);

// A number in hexadecimal, with or without 0x. False when it is none, or 0.
bool parse_handle(Text text, unsigned long* value);

}  // namespace chiscsi::control
