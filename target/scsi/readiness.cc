// SPDX-License-Identifier: GPL-2.0-only
//
// See readiness.hh.
#include "target/scsi/readiness.hh"

namespace chiscsi::scsi {

namespace {

Sense sense_of_sanitize(const Lun& lun) {
  const SanitizeReport report = lun.sanitize();
  switch (report.state) {
    case CHISCSI_LUN_SANITIZE_RUNS:
      return sanitize_in_progress(report.progress);
    case CHISCSI_LUN_SANITIZE_FAILED:
      return kSanitizeFailed;
    default:
      return kNoSense;
  }
}

Sense sense_of_medium(const Lun& lun) {
  return lun.state().has_medium() ? kNoSense : kMediumNotPresent;
}

// What goes to the class is refused there, or finds the device again.
bool fails_when_gone(const CommandInfo& info) { return info.needs_medium && !info.is_medium(); }

// Another try at it is what helps after a failure; the class knows which one is good enough.
bool is_tried_again(const CommandInfo& info, const Lun& lun) {
  return info.opcode == Opcode::kSanitize && lun.sanitize().state == CHISCSI_LUN_SANITIZE_FAILED;
}

}  // namespace

Sense check_readiness(const CommandInfo& info, const Lun& lun) {
  if (info.needs_geometry && !lun.has_geometry()) return kBecomingReady;
  if (!info.during_sanitize && !is_tried_again(info, lun)) {
    const Sense sense = sense_of_sanitize(lun);
    if (!sense.is_good()) return sense;
  }
  if (lun.is_gone() && fails_when_gone(info)) return kDeviceIsGone;
  return info.needs_medium ? sense_of_medium(lun) : Sense(kNoSense);
}

Sense pollable_sense(const Lun& lun) {
  const Sense sense = sense_of_sanitize(lun);
  if (!sense.is_good()) return sense;
  return lun.is_gone() ? Sense(kDeviceIsGone) : sense_of_medium(lun);
}

}  // namespace chiscsi::scsi
