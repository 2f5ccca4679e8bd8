// SPDX-License-Identifier: GPL-2.0-only
//
// The target's own SCSI layer: it stands between the session and a class without
// LUN_CLASS_SCSI_PASS_THRU_BIT (Guide 5.2.2.1), and answers where there is no LUN at all.
//
// Its answers are memory of the engine and take the way of a driver's read data: a phase of the
// command, Data-In PDUs, status and residual. So does the parameter data of what it executes: the
// engine lends the memory, and it comes as immediate, unsolicited or solicited data like that of
// any write. Context: the session's worker, no lock held.
#pragma once

#include "target/scsi/executions.hh"
#include "target/session/command.hh"

namespace chiscsi::scsi_layer {

// Whether a reservation forbids it and nothing in its CDB is wrong, which would be reported before
// a RESERVATION CONFLICT. The LUN is entered; without one there is none.
bool conflicts(Command& command);
// Looks at a command that is ready, its LUN entered. True: the target has concluded it; false: it
// is for the class of its LUN.
bool takes(Command& command);
// Goes on with a command in state kAtTarget: executes it once its data is there, or ends it.
void run(Command& command);
// The end of a command whose execution has said that it ends later. The caller is in the session's
// run_work() or calls it afterwards.
void finish(Command& command, const scsi::Ending& ending);
// The memory of an answer or of parameter data goes: nobody needs it any more.
void release_data(Command& command);

}  // namespace chiscsi::scsi_layer
