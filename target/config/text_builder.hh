// SPDX-License-Identifier: GPL-2.0-only
//
// TextBuilder: a text that grows while it is written; what it held is wiped, for it may be secret.
//
// Settings print themselves into one. Running out of memory is remembered: whoever writes need not
// look at each step, whoever reads asks is_ok() once. Context: process (may sleep); one user.
#pragma once

#include <cstdint>

#include "base/own_ptr.hh"
#include "base/text.hh"

namespace chiscsi {

class TextBuilder {
 public:
  TextBuilder() = default;
  TextBuilder(const TextBuilder&) = delete;
  TextBuilder& operator=(const TextBuilder&) = delete;
  ~TextBuilder() { wipe(); }

  TextBuilder& add(Text text);
  TextBuilder& add(char c) { return add(Text(&c, 1)); }
  TextBuilder& add_number(uint64_t number);
  // "0x" and lower-case digits without leading zeros.
  TextBuilder& add_hex(uint64_t number);

  bool is_ok() const { return ok_; }
  Text text() const { return {reinterpret_cast<const char*>(buffer_.data()), size_}; }
  size_t size() const { return size_; }

 private:
  bool grow(size_t needed);
  void wipe();

  Buffer buffer_;
  size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace chiscsi
