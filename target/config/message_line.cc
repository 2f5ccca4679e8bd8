// SPDX-License-Identifier: GPL-2.0-only
//
// See message_line.hh.
#include "target/config/message_line.hh"

#include "target/config/number.hh"

namespace chiscsi {

MessageLine& MessageLine::add(Text text) {
  const Text part = text.first(kCapacity - size_);
  if (!part.empty()) __builtin_memcpy(line_ + size_, part.data(), part.size());
  size_ += part.size();
  line_[size_] = '\0';
  return *this;
}

MessageLine& MessageLine::add_number(uint64_t number) { return add(DecimalText(number).text()); }

MessageLine& MessageLine::add_foreign(Text text) {
  constexpr size_t kShown = 40;
  for (const char c : text.first(kShown)) {
    const char shown = c >= ' ' && c <= '~' ? c : '?';
    add({&shown, 1});
  }
  return add(text.size() > kShown ? "..." : "");
}

MessageLine& MessageLine::at(Text key) {
  clear();
  return add(key).add(": ");
}

}  // namespace chiscsi
