// SPDX-License-Identifier: GPL-2.0-only
//
// See text_builder.hh.
#include "target/config/text_builder.hh"

#include "target/config/number.hh"

namespace chiscsi {

TextBuilder& TextBuilder::add(Text text) {
  if (!ok_ || text.empty()) return *this;
  if (text.size() > buffer_.size() - size_ && !grow(size_ + text.size())) {
    ok_ = false;
    return *this;
  }
  copy_bytes(buffer_.bytes().skip(size_), text.bytes());
  size_ += text.size();
  return *this;
}

TextBuilder& TextBuilder::add_number(uint64_t number) { return add(DecimalText(number).text()); }

TextBuilder& TextBuilder::add_hex(uint64_t number) {
  char digits[16];
  size_t start = sizeof(digits);
  do {
    digits[--start] = "0123456789abcdef"[number % 16];
    number /= 16;
  } while (number != 0);
  return add("0x").add({digits + start, sizeof(digits) - start});
}

bool TextBuilder::grow(size_t needed) {
  size_t capacity = buffer_.size() < 256 ? 256 : buffer_.size();
  while (capacity < needed)
    capacity *= 2;
  Buffer larger = Buffer::allocate(capacity);
  if (!larger) return false;
  copy_bytes(larger.bytes(), text().bytes());
  wipe();
  buffer_ = std::move(larger);
  return true;
}

void TextBuilder::wipe() {
  if (buffer_) os_wipe(buffer_.data(), buffer_.size());
}

}  // namespace chiscsi
