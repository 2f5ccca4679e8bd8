// SPDX-License-Identifier: GPL-2.0-only
//
// See long_commands.hh. Bytes 20 to 27, the expected tags and their mask, count only where
// protection information is checked.
#include "target/scsi/long_commands.hh"

namespace chiscsi::scsi {

namespace long_commands_detail {

constexpr uint8_t kDpoAndFua = 0x18, kDpoAndBytchk = 0x12, kUnmapAndNdob = 0x09;

constexpr LongCommand kLongCommands[] = {
    {0x0009, Opcode::kRead16, kDpoAndFua},
    {0x000a, Opcode::kVerify16, kDpoAndBytchk},
    {0x000b, Opcode::kWrite16, kDpoAndFua},
    {0x000c, Opcode::kWriteAndVerify16, kDpoAndBytchk},
    {0x000d, Opcode::kWriteSame16, kUnmapAndNdob},
};

// Places in the long CDB.
constexpr uint8_t kControlAt = 1, kGroupAt = 6, kAdditionalLengthAt = 7, kServiceActionAt = 8;
constexpr uint8_t kOptionsAt = 10, kBlockAt = 12, kCountAt = 28;
constexpr uint8_t kAdditionalLength = kLongCdbSize - 8;
constexpr uint8_t kReservedAt[] = {2, 3, 4, 5, 11};

// Where fields of the 16-byte CDB stand in the long one.
struct Field {
  uint8_t in_short;
  uint8_t in_long;
  uint8_t size;
};
constexpr Field kFields[] = {
    {1, kOptionsAt, 1}, {2, kBlockAt, 8}, {10, kCountAt, 4}, {14, kGroupAt, 1}, {15, kControlAt, 1},
};

uint16_t service_action_of(Bytes cdb) {
  return static_cast<uint16_t>(cdb[kServiceActionAt] << 8 | cdb[kServiceActionAt + 1]);
}

const LongCommand* find(uint16_t service_action, const Lun& lun) {
  for (const LongCommand& command : kLongCommands) {
    if (command.service_action == service_action && is_offered(command, &lun)) return &command;
  }
  return nullptr;
}

}  // namespace long_commands_detail

Span<const LongCommand> long_commands() { return long_commands_detail::kLongCommands; }

bool is_offered(const LongCommand& command, const Lun* lun) {
  for (const CommandInfo& info : medium_commands()) {
    if (info.opcode == command.means) return is_offered(info, lun);
  }
  return false;
}

void write_usage(const LongCommand& command, const Lun* lun, uint8_t (&usage)[kLongCdbSize]) {
  namespace detail = long_commands_detail;
  __builtin_memset(usage, 0, sizeof(usage));
  usage[0] = static_cast<uint8_t>(Opcode::kVariableLength);
  usage[detail::kAdditionalLengthAt] = 0xff;
  usage[detail::kServiceActionAt] = static_cast<uint8_t>(command.service_action >> 8);
  usage[detail::kServiceActionAt + 1] = static_cast<uint8_t>(command.service_action);
  const uint8_t missing = lun != nullptr ? missing_options(*lun, command.means) : 0;
  usage[detail::kOptionsAt] = static_cast<uint8_t>(command.options & ~missing);
  __builtin_memset(usage + detail::kBlockAt, 0xff, 8);
  __builtin_memset(usage + detail::kCountAt, 0xff, 4);
}

bool is_long(Bytes cdb) {
  return cdb.size() > kCdbSize || cdb[0] == static_cast<uint8_t>(Opcode::kVariableLength);
}

Sense shorten(Bytes cdb, const Lun& lun, uint8_t (&shorter)[kCdbSize]) {
  namespace detail = long_commands_detail;
  // No other operation code has more than 16 bytes: this is no CDB at all.
  if (cdb[0] != static_cast<uint8_t>(Opcode::kVariableLength)) return wrong_cdb_field(0);
  const LongCommand* command = detail::find(detail::service_action_of(cdb), lun);
  if (command == nullptr) return wrong_cdb_field(detail::kServiceActionAt);
  if (cdb.size() != kLongCdbSize || cdb[detail::kAdditionalLengthAt] != detail::kAdditionalLength) {
    return wrong_cdb_field(detail::kAdditionalLengthAt);
  }
  for (const uint8_t at : detail::kReservedAt) {
    if (cdb[at] != 0) return wrong_cdb_bits(at, cdb[at]);
  }
  shorter[0] = static_cast<uint8_t>(command->means);
  for (const detail::Field& field : detail::kFields)
    __builtin_memcpy(shorter + field.in_short, cdb.data() + field.in_long, field.size);
  return kNoSense;
}

Sense in_long_form(const Sense& sense) {
  if (sense.field.place != FieldPointer::kCdb) return sense;
  for (const long_commands_detail::Field& field : long_commands_detail::kFields) {
    if (sense.field.byte < field.in_short || sense.field.byte >= field.in_short + field.size) {
      continue;
    }
    Sense moved = sense;
    moved.field.byte = static_cast<uint16_t>(sense.field.byte - field.in_short + field.in_long);
    return moved;
  }
  return sense;
}

}  // namespace chiscsi::scsi
