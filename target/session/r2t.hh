// SPDX-License-Identifier: GPL-2.0-only
//
// R2t: one Ready To Transfer and the data that answers it; R2tPool: the session's R2Ts by tag.
//
// A Target Transfer Tag is an index and a generation. "May this Data-Out land here?" is answered by
// R2tPool::find() alone: a tag that is stale, foreign or invented finds nothing. Worker-owned.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/list.hh"
#include "target/session/tx_item.hh"

namespace chiscsi {

struct BufferPhase;
struct Command;

struct R2t : TxItem {
  R2t() : TxItem(TxKind::kR2t) {}
  static R2t& of(TxItem& item) { return static_cast<R2t&>(item); }

  Command* command = nullptr;  // Null when free.
  BufferPhase* phase = nullptr;
  uint32_t offset = 0;  // Into the command's data.
  uint32_t length = 0;
  uint32_t received = 0;
  uint32_t next_data_sn = 0;
  uint32_t r2t_sn = 0;
  uint32_t target_transfer_tag = 0;
  bool placed = false;  // The transport puts its data into its place.
  ListNode pool_node;   // In the free list, or in the list of those in use.
};

class R2tPool {
 public:
  R2tPool() = default;
  ~R2tPool();

  // A free R2T with a new tag, or nullptr when memory or the limit is exhausted.
  R2t* take();
  void give_back(R2t& r2t);
  // The R2T in use with exactly this tag, or nullptr.
  R2t* find(uint32_t target_transfer_tag);
  // Visits all R2Ts in use; the visitor may give back the one it is given.
  template <typename Visit>
  void for_each(Visit visit) {
    used_.for_each(visit);
  }

 private:
  static constexpr uint32_t kChunk = 16;
  static constexpr uint32_t kMaxChunks = 256;
  bool grow();

  // kMaxChunks of them. It comes with the first R2T: an idle session has none.
  R2t** chunks_ = nullptr;
  uint32_t chunk_count_ = 0;
  List<R2t, &R2t::pool_node> free_;
  List<R2t, &R2t::pool_node> used_;
};

}  // namespace chiscsi
