// SPDX-License-Identifier: GPL-2.0-only
//
// Which commands a reservation keeps away (SPC-5 table 67, SBC-4 table 13, SPC-2 table 10).
//
// A command that is not listed there counts as one that changes the medium. RESERVE, RELEASE and
// PERSISTENT RESERVE OUT decide for themselves. Context: any.
#pragma once

#include "target/scsi/cdb.hh"
#include "target/scsi/reservation_state.hh"

namespace chiscsi::scsi {

enum class ReservedAccess : uint8_t {
  kFree,     // Goes through every reservation.
  kReads,    // Is kept away by exclusive access.
  kChanges,  // Is kept away by every reservation.
  kDecides,  // Looks at the reservation itself.
};

ReservedAccess reserved_access(const Cdb& cdb);

// Whether a command of a nexus with this standing has to end in RESERVATION CONFLICT.
bool conflicts_with(ReservationType type, Standing standing, ReservedAccess access);
// The same for a unit that RESERVE has locked for somebody else.
bool conflicts_with_lock(const Cdb& cdb);

// All of it for one nexus. PERSISTENT RESERVE IN conflicts with any lock.
bool conflicts(const Reservations& reservations, const Nexus& nexus, const Cdb& cdb);

}  // namespace chiscsi::scsi
