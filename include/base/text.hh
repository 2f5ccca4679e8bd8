// SPDX-License-Identifier: GPL-2.0-only
//
// Text: characters with a length. Wire text has no terminator until it was validated, so no C
// string function is ever used on it. FixedText<N> owns up to N characters and a terminator of its
// own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/span.hh"

namespace chiscsi {

class Text {
 public:
  constexpr Text() = default;
  constexpr Text(const char* data, size_t size) : data_(data), size_(size) {}
  // A string literal or another string with a terminator of ours; never wire bytes.
  constexpr Text(const char* terminated)
      : data_(terminated), size_(terminated == nullptr ? 0 : __builtin_strlen(terminated)) {}

  constexpr const char* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const char* begin() const { return data_; }
  constexpr const char* end() const { return data_ + size_; }
  constexpr char operator[](size_t index) const { return data_[index]; }
  Bytes bytes() const { return {reinterpret_cast<const uint8_t*>(data_), size_}; }

  constexpr Text first(size_t count) const { return {data_, count < size_ ? count : size_}; }
  constexpr Text skip(size_t count) const {
    return count < size_ ? Text{data_ + count, size_ - count} : Text{data_ + size_, 0};
  }
  constexpr bool starts_with(Text prefix) const { return first(prefix.size_) == prefix; }

  static constexpr size_t kNotFound = ~size_t{0};
  constexpr size_t find(char wanted) const {
    for (size_t i = 0; i < size_; ++i) {
      if (data_[i] == wanted) return i;
    }
    return kNotFound;
  }

  // Cuts off and returns the part before `separator` (or all), and drops the separator.
  constexpr Text take_until(char separator) {
    const size_t at = find(separator);
    const Text part = first(at == kNotFound ? size_ : at);
    *this = at == kNotFound ? Text{data_ + size_, 0} : skip(at + 1);
    return part;
  }

  friend constexpr bool operator==(Text a, Text b) {
    if (a.size_ != b.size_) return false;
    for (size_t i = 0; i < a.size_; ++i) {
      if (a.data_[i] != b.data_[i]) return false;
    }
    return true;
  }

 private:
  const char* data_ = "";
  size_t size_ = 0;
};

// Up to N characters held by value, always terminated.
template <size_t N>
class FixedText {
 public:
  FixedText() = default;
  // False, and unchanged, when `text` is longer than N.
  bool assign(Text text) {
    if (text.size() > N) return false;
    if (!text.empty()) __builtin_memmove(data_, text.data(), text.size());
    data_[text.size()] = '\0';
    size_ = text.size();
    return true;
  }
  void clear() { assign(Text()); }
  Text text() const { return {data_, size_}; }
  const char* c_str() const { return data_; }
  char* mutable_c_str() { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  static constexpr size_t capacity() { return N; }

 private:
  char data_[N + 1] = {};
  size_t size_ = 0;
};

}  // namespace chiscsi
