// SPDX-License-Identifier: GPL-2.0-only
//
// Be16, Be24, Be32, Be64: big-endian numbers as they lie on the wire.
//
// Each is an array of bytes, so it has alignment 1, may be a member of a structure laid over wire
// bytes, and cannot be used as a number without a call that swaps.
#pragma once

#include <cstddef>
#include <cstdint>

namespace chiscsi {

template <typename T, size_t N>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr BigEndian(T value) { set(value); }

  constexpr void set(T value) {
    for (size_t i = 0; i < N; ++i)
      bytes_[i] = static_cast<uint8_t>(value >> (8 * (N - 1 - i)));
  }
  constexpr T get() const {
    T value = 0;
    for (size_t i = 0; i < N; ++i)
      value = static_cast<T>((value << 8) | bytes_[i]);
    return value;
  }
  constexpr BigEndian& operator=(T value) {
    set(value);
    return *this;
  }

 private:
  uint8_t bytes_[N] = {};
};

using Be16 = BigEndian<uint16_t, 2>;
using Be24 = BigEndian<uint32_t, 3>;
using Be32 = BigEndian<uint32_t, 4>;
using Be48 = BigEndian<uint64_t, 6>;
using Be64 = BigEndian<uint64_t, 8>;

static_assert(sizeof(Be24) == 3 && alignof(Be64) == 1);

}  // namespace chiscsi
