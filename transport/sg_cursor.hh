// SPDX-License-Identifier: GPL-2.0-only
//
// SgCursor: a bounded walk over a storage driver's list of chiscsi_sgvec.
//
// It is the only code that turns an offset into an address of a driver's buffer. A cursor covers
// `length` bytes from `offset` of the list and never gives out a byte outside of it, whatever it is
// asked for, and never reads an element past the count. A buffer is used by its address where the
// driver gave one, else by mapping its page.
#pragma once

#include <cstdint>

#include "base/span.hh"
#include "common/chiscsi_sgvec.h"
#include "os/socket.h"

namespace chiscsi {

struct SgList {
  const chiscsi_sgvec* elements = nullptr;
  uint32_t count = 0;
};

class SgCursor {
 public:
  SgCursor() = default;
  SgCursor(SgList list, uint64_t offset, uint64_t length) : list_(list), left_(length) {
    seek(offset);
  }

  uint64_t left() const { return left_; }

  // Copies into the buffers and advances; returns the bytes copied, fewer than offered at the end.
  size_t copy_in(Bytes source);
  // Advances over bytes that are in their place already.
  void skip(uint64_t count);
  // Copies out of the buffers and advances.
  size_t copy_out(MutableBytes destination);
  // Continues a CRC32C over all that is left, and advances to the end.
  uint32_t crc32c_rest(uint32_t crc);
  // Describes the next piece for a send without copying, and advances. False at the end.
  bool next_fragment(os_fragment* fragment);

 private:
  // One contiguous, addressable piece of the current element, at most to the end of a page where
  // the element has no address of its own.
  struct Piece {
    uint8_t* address = nullptr;
    size_t size = 0;
    void* mapping = nullptr;  // To be unmapped after use.
  };
  void seek(uint64_t offset);
  void advance(size_t count);
  // A piece of up to `most` bytes; size 0 at the end.
  Piece map(size_t most);
  static void unmap(const Piece& piece);

  SgList list_;
  uint64_t left_ = 0;
  uint32_t index_ = 0;
  uint32_t within_ = 0;  // Offset into the element at index_.
};

}  // namespace chiscsi
