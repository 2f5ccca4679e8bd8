// SPDX-License-Identifier: GPL-2.0-only
//
// TaskTable: the live commands of a session by their Initiator Task Tag.
//
// A fixed number of short chains; a tag from the wire only ever selects a chain by its hash.
// Worker-owned.
#pragma once

#include <cstdint>

#include "target/session/command.hh"

namespace chiscsi {

class TaskTable {
 public:
  // Precondition: find(tag) is nullptr.
  void add(Command& command) { chain(command.initiator_task_tag).push_back(command); }
  void remove(Command& command) { command.table_node.unlink(); }
  Command* find(uint32_t initiator_task_tag) {
    return chain(initiator_task_tag).find([&](const Command& command) {
      return command.initiator_task_tag == initiator_task_tag;
    });
  }

 private:
  static constexpr uint32_t kChains = 64;
  using Chain = List<Command, &Command::table_node>;
  Chain& chain(uint32_t tag) {
    return chains_[(tag ^ (tag >> 6) ^ (tag >> 12) ^ (tag >> 24)) % kChains];
  }

  Chain chains_[kChains];
};

}  // namespace chiscsi
