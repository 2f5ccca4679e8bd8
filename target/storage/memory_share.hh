// SPDX-License-Identifier: GPL-2.0-only
//
// MemoryShare: what one session has of the memory for data of commands, and what it knows.
//
// All sessions together stay below a share of the host's memory, and one alone below a part of
// that: an initiator that sends commands and no data must not take it from the others. Memory is
// given back to the share it came from, which may be later than its session's end. Context: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/error.hh"
#include "base/list.hh"
#include "base/ref.hh"
#include "target/storage/lost_writes.hh"

namespace chiscsi::storage {

class MemoryShare : public RefCounted<MemoryShare> {
 public:
  explicit MemoryShare(unsigned long session) : session(session) {}

  // `share` may be null: then it counts for all together only. Errors: kNoMemory, all together have
  // too much; kBusy, this one has.
  static Status charge(MemoryShare* share, uint64_t bytes);
  static void give_back(MemoryShare* share, uint64_t bytes);

  const unsigned long session;  // Its handle.
  ToldLosses told_losses;
  ListNode list_node;

 private:
  std::atomic<uint64_t> bytes_{0};
};

}  // namespace chiscsi::storage
