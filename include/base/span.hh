// SPDX-License-Identifier: GPL-2.0-only
//
// Span<T>: a pointer and a length that travel together.
//
// All slicing saturates: first(), skip() and slice() return the part that exists and never reach
// past the end, so a length from the wire cannot turn a slice into a stray pointer. Indexing is
// the caller's promise and is checked in builds with CHISCSI_EXTRACHECKS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/assert.hh"

namespace chiscsi {

template <typename T>
class Span {
 public:
  constexpr Span() = default;
  constexpr Span(T* data, size_t size) : data_(data), size_(size) {}
  template <size_t N>
  constexpr Span(T (&array)[N]) : data_(array), size_(N) {}
  // A span of T reads as a span of const T.
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  constexpr Span(Span<U> other) : data_(other.data()), size_(other.size()) {}

  constexpr T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }

  constexpr T& operator[](size_t index) const {
    CHISCSI_CHECK(index < size_);
    return data_[index];
  }

  constexpr Span first(size_t count) const { return {data_, count < size_ ? count : size_}; }
  constexpr Span skip(size_t count) const {
    return count < size_ ? Span{data_ + count, size_ - count} : Span{data_ + size_, 0};
  }
  constexpr Span slice(size_t offset, size_t count) const { return skip(offset).first(count); }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

using Bytes = Span<const uint8_t>;
using MutableBytes = Span<uint8_t>;

// Copies as much of `source` as fits and returns the number of bytes copied.
inline size_t copy_bytes(MutableBytes destination, Bytes source) {
  const size_t count = source.size() < destination.size() ? source.size() : destination.size();
  if (count != 0) __builtin_memcpy(destination.data(), source.data(), count);
  return count;
}

inline bool equal_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || __builtin_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace chiscsi
