// SPDX-License-Identifier: GPL-2.0-only
//
// The R2T pool. The low half of a tag is the index, the high half the generation, which has 15
// bits: a transport that places data has to tell its own tags from these, and needs a bit for it.
// The last value is never a generation, so no tag is above 0x7ffeffff.
#include "target/session/r2t.hh"

#include "base/wire_index.hh"

namespace chiscsi {

namespace {
constexpr uint32_t kIndexBits = 16;
constexpr uint32_t kIndexMask = 0xffff;
constexpr uint32_t kGenerations = 0x7fff;
}  // namespace

R2tPool::~R2tPool() {
  free_.for_each([](R2t& r2t) { r2t.pool_node.unlink(); });
  used_.for_each([](R2t& r2t) { r2t.pool_node.unlink(); });
  for (uint32_t i = 0; i < chunk_count_; ++i)
    os_free(chunks_[i]);
  os_free(chunks_);
}

bool R2tPool::grow() {
  if (chunk_count_ == kMaxChunks) return false;
  if (chunks_ == nullptr)
    chunks_ = static_cast<R2t**>(allocate(sizeof(R2t*) * kMaxChunks, Alloc::kAtomic));
  if (chunks_ == nullptr) return false;
  void* memory = allocate(sizeof(R2t) * kChunk, Alloc::kAtomic);
  if (memory == nullptr) return false;
  auto* chunk = static_cast<R2t*>(memory);
  for (uint32_t i = 0; i < kChunk; ++i) {
    R2t* r2t = ::new (static_cast<void*>(chunk + i)) R2t();
    r2t->target_transfer_tag = chunk_count_ * kChunk + i;
    free_.push_back(*r2t);
  }
  chunks_[chunk_count_++] = chunk;
  return true;
}

R2t* R2tPool::take() {
  if (free_.empty() && !grow()) return nullptr;
  R2t* r2t = free_.pop_front();
  const uint32_t index = r2t->target_transfer_tag & kIndexMask;
  const uint32_t generation = ((r2t->target_transfer_tag >> kIndexBits) + 1) % kGenerations;
  r2t->target_transfer_tag = (generation << kIndexBits) | index;
  r2t->received = 0;
  r2t->next_data_sn = 0;
  r2t->placed = false;
  used_.push_back(*r2t);
  return r2t;
}

void R2tPool::give_back(R2t& r2t) {
  r2t.command = nullptr;
  r2t.phase = nullptr;
  r2t.tx_node.unlink();
  used_.remove(r2t);
  free_.push_back(r2t);
}

R2t* R2tPool::find(uint32_t target_transfer_tag) {
  const uint32_t sent = target_transfer_tag & kIndexMask, count = chunk_count_ * kChunk;
  if (sent >= count) return nullptr;
  const size_t index = wire_index(sent, count);
  R2t& r2t = chunks_[index / kChunk][index % kChunk];
  const bool live = r2t.command != nullptr && r2t.target_transfer_tag == target_transfer_tag;
  return live ? &r2t : nullptr;
}

}  // namespace chiscsi
