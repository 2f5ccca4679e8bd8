// SPDX-License-Identifier: GPL-2.0-only
//
// See lost_writes.hh.
#include "target/storage/lost_writes.hh"

#include "os/thread.h"

namespace chiscsi::storage {

namespace {

std::atomic<uint64_t> losses_ever{0};

}  // namespace

void LostWrites::add() {
  when_ms_.store(os_now_ms(), std::memory_order_relaxed);
  newest_.store(losses_ever.fetch_add(1, std::memory_order_relaxed) + 1, std::memory_order_release);
}

ToldLosses::ToldLosses() : began_ms_(os_now_ms()) {}

std::atomic<uint64_t>* ToldLosses::find(uint32_t unit) {
  for (std::atomic<uint64_t>& told : told_) {
    const uint64_t value = told.load(std::memory_order_relaxed);
    if (value != 0 && static_cast<uint32_t>(value) == unit) return &told;
  }
  return nullptr;
}

bool ToldLosses::take(const LostWrites& losses, unsigned long unit) {
  const uint64_t newest = losses.newest();
  if (newest == 0 || losses.when_ms() + kAwayMs < began_ms_) return false;
  const uint64_t told = newest << 32 | static_cast<uint32_t>(unit);
  if (std::atomic<uint64_t>* last = find(static_cast<uint32_t>(unit))) {
    return last->exchange(told, std::memory_order_relaxed) != told;
  }
  const uint32_t at = next_.fetch_add(1, std::memory_order_relaxed);
  // What was told of this unit may have been forgotten; it is not told of for ever.
  if (at >= kRemembered && losses.when_ms() + kAwayMs < os_now_ms()) return false;
  told_[at % kRemembered].store(told, std::memory_order_relaxed);
  return true;
}

}  // namespace chiscsi::storage
