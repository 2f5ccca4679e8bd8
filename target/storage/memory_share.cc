// SPDX-License-Identifier: GPL-2.0-only
//
// See memory_share.hh.
#include "target/storage/memory_share.hh"

#include "os/storage.h"

namespace chiscsi::storage {

namespace {

constexpr uint32_t kSessionsThatFillIt = 4;
// One command of any kind is always let in: the longest has its data twice.
constexpr uint64_t kLeastShare = uint64_t{33} << 20;

std::atomic<uint64_t> bytes_in_use{0};

bool add_below(std::atomic<uint64_t>& sum, uint64_t bytes, uint64_t limit) {
  const uint64_t before = sum.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= limit) return true;
  sum.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

uint64_t most_of_one_session() {
  const uint64_t part = os_chunk_limit() / kSessionsThatFillIt;
  return part > kLeastShare ? part : kLeastShare;
}

}  // namespace

Status MemoryShare::charge(MemoryShare* share, uint64_t bytes) {
  if (share != nullptr && !add_below(share->bytes_, bytes, most_of_one_session())) {
    return Error::kBusy;
  }
  if (add_below(bytes_in_use, bytes, os_chunk_limit())) return Status();
  if (share != nullptr) share->bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  return Error::kNoMemory;
}

void MemoryShare::give_back(MemoryShare* share, uint64_t bytes) {
  bytes_in_use.fetch_sub(bytes, std::memory_order_relaxed);
  if (share != nullptr) share->bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace chiscsi::storage
