// SPDX-License-Identifier: GPL-2.0-only
//
// The memory of a LUN: chunks of contiguous pages, zeroed, found by byte offset.
//
// Allocated when the LUN is made and freed when the module goes; nothing is allocated in between.
// Reads and writes of the target use these pages themselves, so their addresses never change.
// Called by the storage thread and by the LUN class's hooks.
#include "storage_memory.hh"

namespace iface {

int StorageMemory::create(u64 bytes, u32 chunk_shift, bool discard) {
  const u32 page_shift = iface_os_page_shift();
  chunk_shift_ = chunk_shift > page_shift ? chunk_shift : page_shift;
  page_order_ = chunk_shift_ - page_shift;
  discard_ = discard;
  const u64 count = discard ? 2 : (bytes + (1ULL << chunk_shift_) - 1) >> chunk_shift_;
  chunks_ = static_cast<Chunk*>(iface_os_alloc(count * sizeof(Chunk)));
  if (chunks_ == nullptr) return kEnomem;
  for (; chunk_count_ < count; ++chunk_count_) {
    Chunk& chunk = chunks_[chunk_count_];
    chunk.page = iface_os_pages_alloc(page_order_, &chunk.address);
    if (chunk.page == nullptr) return kEnomem;
    iface_os_yield();
  }
  return 0;
}

void StorageMemory::destroy() {
  while (chunk_count_ > 0) {
    iface_os_pages_free(chunks_[--chunk_count_].page, page_order_);
    iface_os_yield();
  }
  iface_os_free(chunks_);
  chunks_ = nullptr;
}

const StorageMemory::Chunk& StorageMemory::chunk_at(u64 offset, bool for_writing) const {
  return chunks_[discard_ ? (for_writing ? 1 : 0) : offset >> chunk_shift_];
}

u32 StorageMemory::describe(chiscsi_sgvec* list, u64 offset, u32 length, bool for_writing) const {
  const u32 chunk_size = 1U << chunk_shift_;
  u32 count = 0;
  while (length > 0) {
    const u32 within = static_cast<u32>(offset) & (chunk_size - 1);
    const u32 piece = min(length, chunk_size - within);
    const Chunk& chunk = chunk_at(offset, for_writing);
    list[count++] = chiscsi_sgvec{.sg_flag = 0,
                                  .sg_page = chunk.page,
                                  .sg_addr = chunk.address + within,
                                  .sg_dma_addr = 0,
                                  .sg_offset = within,
                                  .sg_length = piece,
                                  .sg_private = {}};
    offset += piece;
    length -= piece;
  }
  return count;
}

}  // namespace iface
