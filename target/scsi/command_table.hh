// SPDX-License-Identifier: GPL-2.0-only
//
// The commands of a LUN whose class does not take all of them: one row per command.
//
// A row says how long the CDB is, which of its bits are looked at, who runs the command and what
// has to be true for it. Whatever is not in the table is not supported. The rows stand apart by
// theme: medium_commands.cc has those that go to the class, target_commands.cc those that the
// target runs, copy_commands.cc third-party copy. Immutable; context: any.
#pragma once

#include "target/scsi/answers.hh"
#include "target/scsi/executions.hh"
#include "target/scsi/medium.hh"

namespace chiscsi::scsi {

inline constexpr uint8_t kNoServiceAction = 0xff;

// A length in a CDB: where it stands and how many bytes it has; none of size 0.
struct CdbField {
  uint8_t at = 0;
  uint8_t size = 0;

  bool exists() const { return size != 0; }
  uint32_t value(const Cdb& cdb) const;
};

struct CommandInfo {
  using Answer = Sense (*)(const Question& question, Reply& reply);
  using Execute = Ending (*)(const Question& question, Bytes parameters, Command& command);

  Opcode opcode = Opcode::kTestUnitReady;
  uint8_t service_action = kNoServiceAction;  // Or that in byte 1.
  // One of the three: the target answers it, the target executes it, or it goes to the class and
  // has its blocks here.
  Answer answer = nullptr;
  Execute execute = nullptr;
  const MediumLayout* medium = nullptr;
  CdbField allocation = {};  // The allocation length, where the CDB has one.
  CdbField parameters = {};  // The parameter list length of a command that is executed.
  uint32_t needs_flags = 0;  // CHISCSI_LUN_* without which the LUN does not have the command.
  bool needs_geometry = false;
  bool needs_medium = false;
  bool needs_writable = false;   // A LUN that is read-only for ever does not have it.
  bool during_sanitize = false;  // Is run while the unit is sanitized, and after a failure of that.
  bool wants_settings = false;   // Question::settings is to be there.
  bool on_absent_lun = false;    // Is answered where there is no LUN, too.
  uint8_t usage_size = 0;        // Bytes of the CDB.
  uint8_t usage[kCdbSize] = {};  // Bits that are evaluated (SPC-5 section 6.35.3).
  // Others that may be set: what is obsolete or a hint changes nothing; check_medium() refuses the
  // rest, and points at the whole field.
  uint8_t allowed[kCdbSize] = {};

  bool is_medium() const { return medium != nullptr; }
  bool has_service_action() const { return service_action != kNoServiceAction; }
  // How much data the initiator wants at most; what the answer has, for a command that cannot say.
  uint32_t allocation_length(const Cdb& cdb) const;
};

// The rows by theme.
Span<const CommandInfo> medium_commands();
Span<const CommandInfo> target_commands();
Span<const CommandInfo> copy_commands();

size_t command_count();
// Precondition: index < command_count().
const CommandInfo& command_at(size_t index);
template <typename Visit>
void for_each_command(Visit visit) {
  for (const CommandInfo& info : target_commands())
    visit(info);
  for (const CommandInfo& info : medium_commands())
    visit(info);
  for (const CommandInfo& info : copy_commands())
    visit(info);
}

// Whether a LUN has the command: its class runs it, and its device is of that kind. Null: no LUN.
bool is_offered(const CommandInfo& info, const Lun* lun);

// Bits that the row does not know are reserved. Those of CONTROL are not looked at.
Sense check_reserved_bits(const CommandInfo& info, const Cdb& cdb);

// The row of a CDB that the LUN has; any row where there is no LUN. Null: then `*sense` says why.
const CommandInfo* find_command(const Cdb& cdb, const Lun* lun, Sense* sense);

}  // namespace chiscsi::scsi
