// SPDX-License-Identifier: GPL-2.0-only
//
// DataBuffer: pages for the data of one command, described as the target and the host want them.
//
// Its content is undefined until somebody has written it: what goes to an initiator has been filled
// to the last byte. All buffers together, and those of one session, stay below a share of the
// host's memory; who comes above it gets none. One owner at a time; reset() in any context, the
// rest in process context.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "common/chiscsi_sgvec.h"
#include "os/storage.h"
#include "target/storage/memory_share.hh"

namespace chiscsi::storage {

class DataBuffer {
 public:
  DataBuffer() = default;
  ~DataBuffer() { reset(); }
  DataBuffer(const DataBuffer&) = delete;
  DataBuffer& operator=(const DataBuffer&) = delete;

  // At least `bytes`, not 0. Precondition: it is empty. Errors: kNoMemory; kBusy when the session
  // has its share.
  Status allocate(uint32_t bytes, Ref<MemoryShare> share);
  void reset();

  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }
  chiscsi_sgvec* elements() const { return elements_; }
  uint32_t count() const { return count_; }

  // Calls visit(address, bytes) for the pieces of a range inside size(), in order, until it returns
  // false.
  template <typename Visit>
  bool for_each_piece(uint32_t offset, uint32_t length, Visit visit) const;

  void copy_out(uint32_t offset, MutableBytes destination) const;
  void copy_in(uint32_t offset, Bytes source) const;
  void fill(uint32_t offset, uint32_t length, uint8_t value) const;

 private:
  static constexpr uint32_t kInlineElements = 32;
  Status charge(uint32_t bytes);
  Status make_room(uint32_t bytes);
  Status add_chunk(uint32_t wanted);

  chiscsi_sgvec* elements_ = inline_;
  uint32_t count_ = 0;
  uint32_t capacity_ = kInlineElements;
  uint32_t size_ = 0;
  uint32_t charged_ = 0;
  Ref<MemoryShare> share_;
  chiscsi_sgvec inline_[kInlineElements];
};

// Calls visit(address, bytes) for the pieces of a range of a list, as above.
template <typename Visit>
bool for_each_piece_of(const chiscsi_sgvec* elements, uint32_t count, uint64_t offset,
                       uint64_t length, Visit visit) {
  for (uint32_t i = 0; i < count && length != 0; ++i) {
    if (offset >= elements[i].sg_length) {
      offset -= elements[i].sg_length;
      continue;
    }
    const uint64_t here = elements[i].sg_length - offset;
    const auto piece = static_cast<uint32_t>(here < length ? here : length);
    if (!visit(elements[i].sg_addr + offset, piece)) return false;
    offset = 0;
    length -= piece;
  }
  return length == 0;
}

template <typename Visit>
bool DataBuffer::for_each_piece(uint32_t offset, uint32_t length, Visit visit) const {
  return for_each_piece_of(elements_, count_, offset, length, visit);
}

}  // namespace chiscsi::storage
