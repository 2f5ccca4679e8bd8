// SPDX-License-Identifier: GPL-2.0-only
//
// LostWrites: that a store has lost what it had answered for. ToldLosses: which of that a session
// has heard of.
//
// The host tells of a write-back that has failed once, whoever asks first; whose pages these were,
// nobody knows. So each session is told by its next flush of each unit of the disk, whatever that
// flush comes to. A session that begins may be that of an initiator which has come back: it is told
// of a loss that is not long ago. Context: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/storage.h"

namespace chiscsi::storage {

class LostWrites {
 public:
  // A request to the store has ended.
  void note(const os_storage_request& request) {
    if (request.write_back_failed != 0) add();
  }
  // No other store has the same one. 0: nothing was ever lost.
  uint64_t newest() const { return newest_.load(std::memory_order_acquire); }
  uint64_t when_ms() const { return when_ms_.load(std::memory_order_relaxed); }

 private:
  void add();

  std::atomic<uint64_t> newest_{0};
  std::atomic<uint64_t> when_ms_{0};
};

class ToldLosses {
 public:
  // How long an initiator that comes back may have been away.
  static constexpr uint64_t kAwayMs = 600 * 1000;

  ToldLosses();
  // True: there is a loss that the session has not heard of by this unit. It has now.
  bool take(const LostWrites& losses, unsigned long unit);

 private:
  // Losses of so many units are remembered; who hears of more may hear of one twice.
  static constexpr uint32_t kRemembered = 32;
  std::atomic<uint64_t>* find(uint32_t unit);

  const uint64_t began_ms_;
  std::atomic<uint32_t> next_{0};
  std::atomic<uint64_t> told_[kRemembered] = {};
};

}  // namespace chiscsi::storage
