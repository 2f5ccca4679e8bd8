// SPDX-License-Identifier: GPL-2.0-only
//
// Thin provisioning as initiators see it: how much memory a unit has taken, in threshold sets, and
// the threshold above which they are told (SBC-4 section 4.7.3.7).
//
// A threshold set is 1 MiB, or more where 32 bits cannot count them. There is one threshold, for
// what is used. It is reached half a set above its place, once, and armed again half a set below.
// Context: any.
#pragma once

#include "target/lun/lun.hh"

namespace chiscsi {

struct Threshold {
  bool reports;    // LBPERE: there may be unit attentions at all.
  bool enabled;    // ENABLED of the descriptor.
  uint32_t count;  // Its place, in threshold sets.
};

// A set has 2 to the power of this many blocks; 0: there is no threshold.
uint8_t threshold_exponent(const Lun& lun);
// Sets that are used in part or as a whole, and that are available as a whole. Precondition: the
// LUN tells its usage; for the latter also what is available.
uint32_t sets_used(const Lun& lun);
uint32_t sets_available(const Lun& lun);
// As the line has it (THRESHOLD=), or an initiator.
Threshold threshold_of(const Lun& lun, const ModeValues& values);
// Puts into `*values` what an initiator wants.
void choose_threshold(const Lun& lun, bool enabled, uint32_t count, ModeValues* values);
void choose_reporting(const Lun& lun, bool reports, ModeValues* values);

}  // namespace chiscsi
