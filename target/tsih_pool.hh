// SPDX-License-Identifier: GPL-2.0-only
//
// TsihPool: target session identifying handles (RFC 7143 section 4.2.7.1), each in use once.
//
// Numbers are given out in turn, so one that was given back comes again late. Sessions take theirs
// on the login worker and give it back on their own. No lock, no allocation. Context: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace chiscsi {

class TsihPool {
 public:
  // A number that no session has; 0, which is no TSIH, when all of them are in use.
  uint16_t take() {
    for (uint32_t tries = 0; tries < kNumbers; ++tries) {
      const auto tsih = static_cast<uint16_t>(last_.fetch_add(1, std::memory_order_relaxed) + 1);
      if (tsih != 0 && (word(tsih).fetch_or(mask(tsih)) & mask(tsih)) == 0) return tsih;
    }
    return 0;
  }
  // 0 is fine.
  void give_back(uint16_t tsih) { word(tsih).fetch_and(~mask(tsih)); }

 private:
  static constexpr uint32_t kNumbers = 65536;
  static constexpr uint32_t kBits = 64;
  static constexpr uint64_t mask(uint16_t tsih) { return uint64_t{1} << (tsih % kBits); }
  std::atomic<uint64_t>& word(uint16_t tsih) { return used_[tsih / kBits]; }

  std::atomic<uint32_t> last_{0};
  std::atomic<uint64_t> used_[kNumbers / kBits] = {};
};

}  // namespace chiscsi
