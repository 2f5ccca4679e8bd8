// SPDX-License-Identifier: GPL-2.0-only
//
// Serial: a 32-bit sequence number with the arithmetic of RFC 1982 (RFC 7143 section 4.2.2.1).
//
// Comparison is defined within half of the number space; there is no operator<=> because the order
// is not total.
#pragma once

#include <cstdint>

namespace chiscsi {

class Serial {
 public:
  constexpr Serial() = default;
  constexpr explicit Serial(uint32_t value) : value_(value) {}

  constexpr uint32_t value() const { return value_; }
  constexpr Serial operator+(uint32_t count) const { return Serial(value_ + count); }
  constexpr Serial operator-(uint32_t count) const { return Serial(value_ - count); }
  constexpr Serial& operator++() {
    ++value_;
    return *this;
  }
  // The signed distance from `other` to this number.
  constexpr int32_t distance_from(Serial other) const {
    return static_cast<int32_t>(value_ - other.value_);
  }

  friend constexpr bool operator==(Serial a, Serial b) { return a.value_ == b.value_; }
  friend constexpr bool operator<(Serial a, Serial b) { return a.distance_from(b) < 0; }
  friend constexpr bool operator>(Serial a, Serial b) { return b < a; }
  friend constexpr bool operator<=(Serial a, Serial b) { return !(b < a); }
  friend constexpr bool operator>=(Serial a, Serial b) { return !(a < b); }

 private:
  uint32_t value_ = 0;
};

}  // namespace chiscsi
