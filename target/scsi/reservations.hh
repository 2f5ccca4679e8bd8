// SPDX-License-Identifier: GPL-2.0-only
//
// Reservations on their way to commands: the gate that every command of a LUN passes before it
// runs, whoever runs it, and what is told to other nexuses (SPC-5 section 5.14).
//
// The rules are those of reservation_state.hh; the state is that of the unit
// (unit_reservations.hh). Context: the session's worker.
#pragma once

#include "target/scsi/command_table.hh"
#include "target/scsi/nexus.hh"

namespace chiscsi::scsi {

struct ReservationChange;

Nexus nexus_of(const SessionParameters& parameters);

// True: the command ends with RESERVATION CONFLICT. Precondition: question.lun and question.nexus
// are there.
bool conflicts_with_reservation(const Question& question);

// Leaves every other session of the target that the change concerns its unit attention.
void tell_of_change(Session& own, const Lun& unit, const ReservationChange& change);

// RESERVE gives way to a reset of its unit, to one of all units, and to the end of its session;
// persistent reservations do not.
void drop_locks_for_reset(Session& session);
void drop_locks_of(Session& session);

}  // namespace chiscsi::scsi
