// SPDX-License-Identifier: GPL-2.0-only
//
// The driver port: the border between commands and storage drivers.
//
// Towards the driver, each hook is called in exactly one function here, on the session's worker,
// with no lock held. From the driver, calls arrive in any context: they check, record under the
// driver lock what was said, and post the command to its worker; no engine code runs in the caller.
// A command is handed over once and taken back once; what comes late, twice or from a stranger is
// refused, counted and logged. Guide 5.2.4, 7.3.5; docs/api-readings.md.
#pragma once

#include "target/session/command.hh"

namespace chiscsi::driver_port {

// The command enters its unit. The driver has it afterwards (fp_scsi_cmd_cdb_rcved()), it is
// concluded, or it is dormant in its task set.
void deliver(Command& command);
// The same for a dormant one, once its task set has enabled it. Before that only what has failed is
// concluded.
void go_on(Command& command);
// The class gets the command, whose public part is complete. deliver() does it, and the SCSI layer
// for a command that it has changed.
void hand_over(Command& command);
// Looks at what the driver has said since the last time.
void on_event(Command& command);
// Gives back, in order, the lent lists that are complete: fp_scsi_cmd_data_xfer_status().
void give_back_complete_phases(Command& command);
// The command shall end without a word to the initiator, for instance because its session ends.
// `flag` is SC_FLAG_SESS_ABORT or SC_FLAG_TMF_ABORT. Calls fp_scsi_cmd_abort() when the driver has
// to answer; the command ends later, by itself.
void abort(Command& command, unsigned int flag);
// Ends the command when everything about it is over: fp_scsi_cmd_cleanup(), and back to the pool.
// Returns true when the command is gone.
bool end_if_over(Command& command);
// The limit of a wait for the driver has passed.
void give_up(Command& command);

// The LUN number of the eight bytes on the wire; 0xffffffff for a form no LUN of ours has.
uint32_t decode_lun(const uint8_t* lun);

// Calls refused since the module was loaded, for statistics and tests.
uint64_t refused_calls();

}  // namespace chiscsi::driver_port
