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
  ~DataBuffer() {
    reset();
    free_list();
  }
  DataBuffer(const DataBuffer&) = delete;
  DataBuffer& operator=(const DataBuffer&) = delete;

  // Chunks as large as there are; or, as long as there are such, pages that somebody may keep.
  enum class Grain : uint8_t { kChunks, kPages };

  // At least `bytes`, not 0. Precondition: it is empty. Errors: kNoMemory; kBusy when the session
  // has its share.
  Status allocate(uint32_t bytes, Ref<MemoryShare> share, Grain grain = Grain::kChunks);
  void reset();

  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }
  chiscsi_sgvec* elements() const { return elements_; }
  uint32_t count() const { return count_; }

  // Every element is a page that may be exchanged.
  bool has_only_pages() const { return count_ != 0 && pages_ == count_; }
  uint8_t* page(uint32_t index) const { return elements_[index].sg_addr; }
  // Another page takes the place of that one, which is the caller's from here on; `other` may be
  // null. Precondition: has_only_pages(), and nobody looks at the data any more.
  void set_page(uint32_t index, uint8_t* other);

  // Calls visit(address, bytes) for the pieces of a range inside size(), in order, until it returns
  // false.
  template <typename Visit>
  bool for_each_piece(uint32_t offset, uint32_t length, Visit visit) const;

  void copy_out(uint32_t offset, MutableBytes destination) const;
  void copy_in(uint32_t offset, Bytes source) const;
  void fill(uint32_t offset, uint32_t length, uint8_t value) const;

 private:
  static constexpr uint32_t kInlineElements = 32;
  static constexpr uint32_t kKeptElements = 64;  // Of a list of its own, for the next command.
  Status charge(uint32_t bytes);
  Status make_room(uint32_t bytes);
  Status add_chunk(uint32_t wanted);
  bool add_pages(uint32_t bytes);
  void free_pages();
  void free_list();
  void add(const os_chunk& chunk);

  chiscsi_sgvec* elements_ = inline_;
  uint32_t count_ = 0;
  uint32_t pages_ = 0;  // Of the elements, those from os_pages_alloc_kept().
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
