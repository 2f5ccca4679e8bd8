// SPDX-License-Identifier: GPL-2.0-only
//
// The medium of one RAM disk: zeroed memory in chunks of equal, power-of-two size, each physically
// contiguous. Describes any byte range of itself as a list of chiscsi_sgvec, so that data goes from
// the socket straight to its place and from its place straight to the socket, uncopied.
//
// Chunks of 4, 8, 16 or 64 KiB also satisfy the rules for direct placement by an adapter (Guide
// 7.3.5.1 "Requirement for DDP"). A discarding medium has two chunks only: one of zeros that every
// read gets and one that every write goes to and nobody reads.
//
// Immutable after create(), so any thread may call describe().
#pragma once

#include "chiscsi_sgvec.h"
#include "iface_types.hh"

namespace iface {

class StorageMemory {
 public:
  // Memory for `bytes` in chunks of 1 << `chunk_shift`. Returns 0 or kEnomem; destroy() cleans up
  // after both. May sleep.
  int create(u64 bytes, u32 chunk_shift, bool discard);
  void destroy();

  // Elements describe() needs at most for `length` bytes.
  u32 elements_for(u32 length) const { return (length >> chunk_shift_) + 2; }

  // Describes `length` bytes from `offset` in `list`, which has room for elements_for(length).
  // Returns the number of elements used. Precondition: the range lies within the medium.
  u32 describe(chiscsi_sgvec* list, u64 offset, u32 length, bool for_writing) const;

 private:
  struct Chunk {
    void* page = nullptr;
    u8* address = nullptr;
  };
  const Chunk& chunk_at(u64 offset, bool for_writing) const;

  Chunk* chunks_ = nullptr;
  u64 chunk_count_ = 0;
  u32 chunk_shift_ = 0;
  u32 page_order_ = 0;
  bool discard_ = false;
};

}  // namespace iface
