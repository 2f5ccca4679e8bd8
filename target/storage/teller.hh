// SPDX-License-Identifier: GPL-2.0-only
//
// Teller: has a value that changes at any time told by one thread at a time, the newest last.
//
// Who sees a change comes with a function that looks at the value as it is now and tells it. While
// another thread is at it, who comes leaves a mark and goes, and the one that is at it looks once
// more. Nobody is kept by those who come after it: after some rounds it goes, too. What is left
// then is seen by whoever looks next, at the latest by the SizeWatch.
#pragma once

#include <atomic>
#include <cstdint>

namespace chiscsi::storage {

class Teller {
 public:
  // `tell` returns whether the value is still what it has told: one who sees that value just before
  // it is known as told finds nothing new and leaves no mark. Each one's `tell` also stands for
  // those of all who have come, so they all have to do the same. Context: that of `tell`.
  template <typename Tell>
  void run(Tell tell) {
    if (callers_.fetch_add(1, std::memory_order_acq_rel) != 0) return;
    for (uint32_t round = 0; round < kMostRounds; ++round) {
      uint32_t callers = callers_.load(std::memory_order_acquire);
      if (tell() && callers_.compare_exchange_strong(callers, 0, std::memory_order_acq_rel)) return;
    }
    callers_.store(0, std::memory_order_release);
  }

 private:
  static constexpr uint32_t kMostRounds = 8;
  std::atomic<uint32_t> callers_{0};  // The one at it, and all who have come since it began.
};

}  // namespace chiscsi::storage
