// SPDX-License-Identifier: GPL-2.0-only
//
// The commands of a LUN whose class does not take all of them: one row per command.
//
// A row says how long the CDB is, which of its bits are looked at, who runs the command and what
// has to be true for it. Whatever is not in the table is not supported. Immutable; context: any.
#pragma once

#include "target/scsi/answers.hh"
#include "target/scsi/medium.hh"

namespace chiscsi::scsi {

inline constexpr uint8_t kNoServiceAction = 0xff;

struct CommandInfo {
  using Answer = SenseCode (*)(const Question& question, Reply& reply);

  Opcode opcode;
  uint8_t service_action;      // kNoServiceAction, or that in byte 1.
  Answer answer;               // Ours; null for a medium command, which goes to the class.
  const MediumLayout* medium;  // Where a medium command has its blocks; else null.
  uint8_t allocation_at;       // Place of the allocation length; 0: there is none.
  uint8_t allocation_size;     // Its bytes.
  bool needs_geometry;
  bool on_absent_lun;       // Is answered where there is no LUN, too.
  uint8_t usage_size;       // Bytes of the CDB.
  uint8_t usage[kCdbSize];  // Bits that are evaluated (SPC-5 section 6.35.3).

  bool is_medium() const { return medium != nullptr; }
  // How much data the initiator wants at most; what the answer has, for a command that cannot say.
  uint32_t allocation_length(const Cdb& cdb) const;
};

Span<const CommandInfo> all_commands();

// The row of a CDB. Null: then `*sense` says why.
const CommandInfo* find_command(const Cdb& cdb, SenseCode* sense);

}  // namespace chiscsi::scsi
