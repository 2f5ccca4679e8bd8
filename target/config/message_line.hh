// SPDX-License-Identifier: GPL-2.0-only
//
// MessageLine: why a configuration or a login was refused, as one bounded line for the log.
//
// The line reads "<Key>: <what is wrong>" and never holds a secret. Text that is not ours is
// added after unprintable characters were replaced, and cut when it is long.
#pragma once

#include "base/error.hh"
#include "base/text.hh"

namespace chiscsi {

class MessageLine {
 public:
  // Each adds to the line; what does not fit is cut.
  MessageLine& add(Text text);
  MessageLine& add_number(uint64_t number);
  // At most 40 characters of it.
  MessageLine& add_foreign(Text text);
  // The same in double quotes.
  MessageLine& add_quoted(Text text) { return add("\"").add_foreign(text).add("\""); }

  // Starts a new line with "<key>: " and returns this, for add() calls to follow.
  MessageLine& at(Text key);

  const char* c_str() const { return line_; }
  Text text() const { return {line_, size_}; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0, line_[0] = '\0'; }

 private:
  static constexpr size_t kCapacity = 199;
  char line_[kCapacity + 1] = {};
  size_t size_ = 0;
};

using ConfigError = MessageLine;

}  // namespace chiscsi
