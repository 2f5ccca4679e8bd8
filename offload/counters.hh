// SPDX-License-Identifier: GPL-2.0-only
//
// The counters of the offload transport: added to from any thread, read without a lock.
#pragma once

#include <atomic>

#include "offload/offload.h"

namespace chiscsi {

enum class OffloadCount : uint8_t {
  kAdapters,
  kConnections,
  kConnsOffloaded,
  kConnsRefused,
  kConnsFailed,
  kAborts,
  kAbortsUnanswered,
  kRxPdus,
  kRxBytes,
  kPlacedPdus,
  kPlacedBytes,
  kPlaceTasks,
  kNoPlaceList,
  kNoPlacePods,
  kNoPlaceMemory,
  kNotPlacedPdus,
  kTxPdus,
  kTxBytes,
  kIsoWrs,
  kIsoPdus,
  kTxCopied,
  kCreditsExhausted,
  kHeaderDigestErrors,
  kDataDigestErrors,
  kPadErrors,
  kBadMessages,
  kEnd,
};

inline constexpr uint32_t kOffloadCountEnd = static_cast<uint32_t>(OffloadCount::kEnd);
// The members of offload_counters are in the order of OffloadCount.
static_assert(sizeof(offload_counters) == kOffloadCountEnd * sizeof(uint64_t));

class OffloadCounters {
 public:
  void add(OffloadCount count, uint64_t n = 1) {
    values_[static_cast<uint32_t>(count)].fetch_add(n, std::memory_order_relaxed);
  }
  void subtract(OffloadCount count) {
    values_[static_cast<uint32_t>(count)].fetch_sub(1, std::memory_order_relaxed);
  }
  uint64_t get(OffloadCount count) const {
    return values_[static_cast<uint32_t>(count)].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> values_[kOffloadCountEnd] = {};
};

// Zero until something happens; lives as long as the code.
extern OffloadCounters offload_stats;

}  // namespace chiscsi
