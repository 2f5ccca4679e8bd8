// SPDX-License-Identifier: GPL-2.0-only
//
// CommandPool: the memory of a session's commands.
//
// It grows in small steps up to what the session's window and its immediate commands can need, so
// an idle session is small and a busy one does not allocate. Reuse is oldest first. Worker-owned;
// it lives as long as its session, which lives as long as any command that a driver holds.
#pragma once

#include <cstdint>

#include "base/list.hh"
#include "target/session/command.hh"

namespace chiscsi {

class CommandPool {
 public:
  explicit CommandPool(Session& session) : session_(session) {}
  ~CommandPool();

  // Room for `limit` commands, at most kMaxCommands.
  void set_limit(uint32_t limit) { limit_ = limit < kMaxCommands ? limit : kMaxCommands; }
  // A clean command in state kFree, or nullptr when none is left. Never sleeps.
  Command* take();
  // Makes sure that take() finds one, unless the limit is reached. Context: may sleep.
  bool stock() { return !free_.empty() || grow(Alloc::kMaySleep); }
  void give_back(Command& command) { free_.push_back(command); }

 private:
  static constexpr uint32_t kChunk = 8;
  static constexpr uint32_t kMaxCommands = 2048 + 128;
  bool grow(Alloc mode);

  struct Chunk {
    Chunk* next;
    Command* commands() { return reinterpret_cast<Command*>(this + 1); }
    uint64_t alignment_filler;
  };

  Session& session_;
  List<Command, &Command::session_node> free_;
  Chunk* chunks_ = nullptr;
  uint32_t count_ = 0;
  uint32_t limit_ = kChunk;
};

}  // namespace chiscsi
