// SPDX-License-Identifier: GPL-2.0-only
//
// Counts of latencies in steps of at most 1/64 of the value, for percentiles of any number of them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace chiscsi::load {

class Histogram {
 public:
  void add(uint64_t value) {
    ++counts_[index_of(value)];
    ++count_;
    sum_ += value;
    highest_ = std::max(highest_, value);
  }

  uint64_t count() const { return count_; }
  uint64_t highest() const { return highest_; }
  double mean() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }

  // The value that `share` (0 to 1) of all values do not exceed, to 1/64.
  uint64_t percentile(double share) const {
    uint64_t rest = static_cast<uint64_t>(share * static_cast<double>(count_));
    for (size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] > rest) return std::min(upper_end(i), highest_);
      rest -= counts_[i];
    }
    return highest_;
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr size_t kSteps = size_t{1} << kBits;

  static size_t index_of(uint64_t value) {
    if (value < kSteps) return static_cast<size_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kBits;
    return (shift << kBits) + static_cast<size_t>(value >> shift);
  }
  static uint64_t upper_end(size_t index) {
    if (index < 2 * kSteps) return index;
    const unsigned shift = static_cast<unsigned>(index >> kBits) - 1;
    return ((uint64_t{index} - (uint64_t{shift} << kBits) + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kBits + 1) << kBits> counts_ = {};
  uint64_t count_ = 0, sum_ = 0, highest_ = 0;
};

}  // namespace chiscsi::load
