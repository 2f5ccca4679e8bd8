// SPDX-License-Identifier: GPL-2.0-only
//
// START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL (SBC-4 section 5.30, SPC-5 section 6.15).
//
// Nothing turns here: to stop means that what was written is on the medium. Any power condition is
// accepted and changes nothing, a reserved one, too: libiscsi's suite sends all of them. A
// removable medium comes and goes for all nexuses, and while one of them prevents that it does
// neither, as that suite wants it, although SPC-5 speaks of removal only.
#include "target/scsi/command_table.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi {

namespace {

constexpr unsigned kStart = 0, kLoadEject = 1, kNoFlush = 2;  // Bits of byte 4.

Ending eject(const Lun& lun, bool flushes) {
  lun.state().eject();
  return flushes ? Ending::after_flush() : Ending();
}

Ending load(const Lun& lun, Command& command) {
  if (lun.state().load()) {
    tell_other_nexuses(command.session, lun, kMediumMayHaveChanged);
  }
  return Ending();
}

}  // namespace

Ending start_stop_unit(const Question& question, Bytes, Command& command) {
  const Cdb& cdb = question.cdb;
  const Lun& lun = *question.lun;
  const uint8_t condition = static_cast<uint8_t>(cdb.u8(4) >> 4);
  // With a power condition the bits for start and medium mean nothing.
  if (condition != 0) return Ending();
  const bool flushes = !cdb.bit(4, kNoFlush) && lun.state().has_medium();
  if (cdb.bit(4, kLoadEject)) {
    if (!lun.is_removable()) return wrong_cdb_field(4, kLoadEject);
    if (lun.state().is_removal_prevented()) return kRemovalPrevented;
    return cdb.bit(4, kStart) ? load(lun, command) : eject(lun, flushes);
  }
  if (!lun.state().has_medium()) return kMediumNotPresent;
  return !cdb.bit(4, kStart) && flushes ? Ending::after_flush() : Ending();
}

Ending prevent_allow_medium_removal(const Question& question, Bytes, Command& command) {
  constexpr uint8_t kPreventMask = 3, kAllow = 0, kPrevent = 1;
  UnitState& state = question.lun->state();
  switch (question.cdb.u8(4) & kPreventMask) {
    case kAllow:
      command.session.preventions.allow(state);
      return Ending();
    case kPrevent:
      if (!command.session.preventions.prevent(state).is_ok()) {
        return Ending::with_status(kScsiBusy);
      }
      return Ending();
    default:
      return wrong_cdb_field(4, 1);
  }
}

}  // namespace chiscsi::scsi
