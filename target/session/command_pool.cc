// SPDX-License-Identifier: GPL-2.0-only
//
// Growing the pool by chunks.
#include "target/session/command_pool.hh"

namespace chiscsi {

CommandPool::~CommandPool() {
  free_.for_each([](Command& command) { command.session_node.unlink(); });
  while (chunks_ != nullptr) {
    Chunk* chunk = chunks_;
    chunks_ = chunk->next;
    for (uint32_t i = 0; i < kChunk; ++i)
      chunk->commands()[i].~Command();
    os_free(chunk);
  }
}

bool CommandPool::grow(Alloc mode) {
  if (count_ >= limit_) return false;
  auto* chunk = static_cast<Chunk*>(allocate(sizeof(Chunk) + kChunk * sizeof(Command), mode));
  if (chunk == nullptr) return false;
  chunk->next = chunks_;
  chunks_ = chunk;
  for (uint32_t i = 0; i < kChunk; ++i) {
    free_.push_back(*::new (static_cast<void*>(chunk->commands() + i)) Command(session_));
  }
  count_ += kChunk;
  return true;
}

Command* CommandPool::take() {
  if (free_.empty() && !grow(Alloc::kAtomic)) return nullptr;
  Command* command = free_.pop_front();
  command->reset();
  return command;
}

}  // namespace chiscsi
