// SPDX-License-Identifier: GPL-2.0-only
//
// See output.hh.
#include "target/control/output.hh"

#include "os/memory.h"
#include "target/config/key_table.hh"
#include "target/config/number.hh"

namespace chiscsi::control {

namespace {

constexpr size_t kFirstCapacity = 4096;

void free_wiped(uint8_t* memory, size_t size) {
  if (memory == nullptr) return;
  os_wipe(memory, size);
  os_free(memory);
}

// Would end a line, or is an order to whoever shows it.
bool is_control(uint8_t c) { return c < ' ' || c == 0x7f; }

// The bytes of the character at the front that a terminal may see, or 0: U+0080 to U+009F are
// orders as well, and half a character could be the beginning of one.
size_t harmless_bytes(Bytes text) {
  if (text[0] < 0x80) return is_control(text[0]) ? 0 : 1;
  Bytes rest = text;
  if (!take_utf8(&rest)) return 0;
  const bool is_c1 = text[0] == 0xc2 && text[1] < 0xa0;
  return is_c1 ? 0 : text.size() - rest.size();
}

}  // namespace

Output::~Output() { free_wiped(memory_, capacity_); }

// Doubles, but never beyond the room. Memory that did not come is not asked for again.
bool Output::grow(size_t wanted) {
  if (wanted <= capacity_) return true;
  if (broken_) return false;
  size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_;
  while (capacity < wanted)
    capacity *= 2;
  if (capacity > room_) capacity = room_;
  auto* memory = static_cast<uint8_t*>(os_alloc(capacity, OS_ALLOC_SLEEP));
  if (memory == nullptr) {
    broken_ = true;
    return false;
  }
  if (size_ != 0) __builtin_memcpy(memory, memory_, size_);
  free_wiped(memory_, capacity_);
  memory_ = memory;
  capacity_ = capacity;
  return true;
}

Status Output::reserve(size_t size) {
  if (size > room_) {
    size_ = size;
    return Error::kNoSpace;
  }
  return grow(size) ? Status() : Status(Error::kNoMemory);
}

void Output::put(Text text) {
  const size_t end = size_ + text.size();
  if (end <= room_ && grow(end) && !text.empty()) {
    __builtin_memcpy(memory_ + size_, text.data(), text.size());
  }
  size_ = end;
}

Output& Output::begin(Text key) {
  put(key);
  put("=");
  return *this;
}

size_t Output::clean_bytes(Bytes text) const {
  if (reader_ == Reader::kAnybody) return harmless_bytes(text);
  return is_control(text[0]) ? 0 : 1;
}

Output& Output::add(Text text) {
  size_t clean = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t length = clean_bytes(text.bytes().skip(i));
    i += length;
    if (length != 0) continue;
    put(text.skip(clean).first(i - clean));
    put("?");
    clean = ++i;
  }
  put(text.skip(clean));
  return *this;
}

void Output::copy(Text lines) {
  while (!lines.empty()) {
    add(lines.take_until('\n'));
    end();
  }
}

Output& Output::add_number(uint64_t value) { return add(DecimalText(value).text()); }

Output& Output::add_hex(uint64_t value, unsigned digits) {
  for (unsigned shift = 64; shift != 0;) {
    shift -= 4;
    if (shift / 4 >= digits && value >> shift == 0) continue;
    put({&"0123456789abcdef"[value >> shift & 0xf], 1});
  }
  return *this;
}

Output& Output::add_hex_bytes(Bytes bytes) {
  for (const uint8_t byte : bytes)
    add_hex(byte, 2);
  return *this;
}

uint8_t* Output::release(size_t* kept) {
  *kept = memory_ == nullptr ? 0 : size_ < capacity_ ? size_ : capacity_;
  capacity_ = 0;
  return std::exchange(memory_, nullptr);
}

}  // namespace chiscsi::control
