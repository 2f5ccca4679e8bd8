// SPDX-License-Identifier: GPL-2.0-only
//
// What the tests of the wire side share: bytes from hexadecimal text, buffers of exactly the size a
// writer asked for, and a small random number generator that gives the same everywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace chiscsi::test {

using ByteVector = std::vector<uint8_t>;

// "05000008 0001.." as bytes; blanks are skipped.
inline ByteVector from_hex(const std::string& text) {
  ByteVector bytes;
  int digits = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int value = c <= '9' ? c - '0' : c - 'a' + 10;
    if (digits++ % 2 == 0) bytes.push_back(0);
    bytes.back() = static_cast<uint8_t>(bytes.back() << 4 | value);
  }
  return bytes;
}

inline std::string to_hex(const uint8_t* data, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    if (i != 0 && i % 4 == 0) text += ' ';
    text += kDigits[data[i] >> 4];
    text += kDigits[data[i] & 15];
  }
  return text;
}

// The same text with one blank after every four bytes.
inline std::string spaced(const std::string& text) {
  const ByteVector bytes = from_hex(text);
  return to_hex(bytes.data(), bytes.size());
}

// What `write(uint8_t*)` makes of so many zero bytes; a byte more is the sanitizer's.
template <typename Write>
std::string written(size_t size, Write write) {
  const auto memory = std::make_unique<uint8_t[]>(size);
  write(memory.get());
  return to_hex(memory.get(), size);
}

class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u + 1) {}
  uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    return state_ ^= state_ << 5;
  }
  // 0 .. below - 1.
  uint32_t below(uint32_t limit) { return next() % limit; }
  bool chance(uint32_t one_in) { return below(one_in) == 0; }

 private:
  uint32_t state_;
};

}  // namespace chiscsi::test
