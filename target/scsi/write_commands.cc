// SPDX-License-Identifier: GPL-2.0-only
//
// See write_commands.hh.
#include "target/scsi/write_commands.hh"

#include <cstdint>

#include "target/scsi/cdb.hh"

namespace chiscsi::scsi {

namespace write_commands_detail {

constexpr uint8_t kAlways[] = {
    0x04,  // FORMAT UNIT
    0x07,  // REASSIGN BLOCKS
    0x0a,  // WRITE(6)
    0x19,  // ERASE(6)
    0x2a,  // WRITE(10)
    0x2c,  // ERASE(10)
    0x2e,  // WRITE AND VERIFY(10)
    0x38,  // FORMAT WITH PRESET
    0x3b,  // WRITE BUFFER
    0x3d,  // UPDATE BLOCK
    0x3f,  // WRITE LONG(10)
    0x41,  // WRITE SAME(10)
    0x42,  // UNMAP
    0x48,  // SANITIZE
    0x50,  // XDWRITE(10)
    0x51,  // XPWRITE(10)
    0x53,  // XDWRITEREAD(10)
    0x80,  // XDWRITE EXTENDED(16)
    0x81,  // REBUILD(16)
    0x82,  // REGENERATE(16)
    0x89,  // COMPARE AND WRITE
    0x8a,  // WRITE(16)
    0x8b,  // ORWRITE(16)
    0x8e,  // WRITE AND VERIFY(16)
    0x93,  // WRITE SAME(16)
    0x94,  // ZBC OUT
    0x9a,  // WRITE STREAM(16)
    0x9c,  // WRITE ATOMIC(16)
    0x9d,  // SERVICE ACTION BIDIRECTIONAL
    0xaa,  // WRITE(12)
    0xac,  // ERASE(12)
    0xae,  // WRITE AND VERIFY(12)
};

constexpr uint8_t kVariableLength = 0x7f;
constexpr uint8_t kThirdPartyCopyOut = 0x83;
constexpr uint8_t kServiceActionOut16 = 0x9f;

bool contains(Span<const uint8_t> set, unsigned wanted) {
  for (const uint8_t value : set) {
    if (value == wanted) return true;
  }
  return false;
}

// Service actions of the 32-byte commands of SBC-4.
bool long_command_changes_medium(Bytes cdb) {
  constexpr size_t kServiceActionAt = 8;
  constexpr uint8_t kActions[] = {
      0x01, 0x02,        // REBUILD, REGENERATE
      0x04, 0x06, 0x07,  // XDWRITE, XPWRITE, XDWRITEREAD
      0x0b, 0x0c, 0x0d,  // WRITE, WRITE AND VERIFY, WRITE SAME
      0x0e, 0x0f,        // ORWRITE, WRITE ATOMIC
      0x10, 0x11,        // WRITE STREAM, WRITE SCATTERED
  };
  if (cdb.size() < kServiceActionAt + 2) return false;
  const unsigned action = cdb[kServiceActionAt] * 256u + cdb[kServiceActionAt + 1];
  return contains(kActions, action);
}

// All of EXTENDED COPY and its kin but POPULATE TOKEN, which reads, and COPY OPERATION ABORT.
bool copy_changes_medium(uint8_t service_action) {
  return service_action != 0x10 && service_action != 0x1c;
}

// WRITE LONG(16) and WRITE SCATTERED(16).
bool service_action_changes_medium(uint8_t service_action) {
  return service_action == 0x11 || service_action == 0x12;
}

}  // namespace write_commands_detail

bool changes_medium(Bytes cdb) {
  namespace detail = write_commands_detail;
  if (cdb.size() < 2) return false;
  const uint8_t service_action = cdb[1] & 0x1f;
  switch (cdb[0]) {
    case detail::kVariableLength:
      return detail::long_command_changes_medium(cdb);
    case detail::kThirdPartyCopyOut:
      return detail::copy_changes_medium(service_action);
    case detail::kServiceActionOut16:
      return detail::service_action_changes_medium(service_action);
    default:
      return detail::contains(detail::kAlways, cdb[0]);
  }
}

bool changes_unit(Bytes cdb) {
  constexpr uint8_t kRegister = 0, kRegisterAndIgnore = 6;
  if (cdb.size() < 2) return false;
  const uint8_t service_action = cdb[1] & 0x1f;
  switch (static_cast<Opcode>(cdb[0])) {
    case Opcode::kModeSelect6:
    case Opcode::kModeSelect10:
    case Opcode::kReserve6:
    case Opcode::kReserve10:
    case Opcode::kStartStopUnit:
    case Opcode::kPreventAllowMediumRemoval:
    case Opcode::kLogSelect:
    case Opcode::kMaintenanceOut:
      return true;
    case Opcode::kPersistentReserveOut:
      return service_action != kRegister && service_action != kRegisterAndIgnore;
    default:
      return false;
  }
}

bool changes_target(Bytes cdb) {
  return !cdb.empty() && static_cast<Opcode>(cdb[0]) == Opcode::kMaintenanceOut;
}

}  // namespace chiscsi::scsi
