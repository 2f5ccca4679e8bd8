// SPDX-License-Identifier: GPL-2.0-only
//
// The target's own SCSI layer: it stands between the session and a class without
// LUN_CLASS_SCSI_PASS_THRU_BIT (Guide 5.2.2.1), and answers where there is no LUN at all.
//
// Its answers are memory of the engine and take the way of a driver's read data: a phase of the
// command, Data-In PDUs, status and residual. Context: the session's worker, no lock held.
#pragma once

#include "target/session/command.hh"

namespace chiscsi::scsi_layer {

// Looks at a command that is ready, its LUN entered. True: the target has concluded it; false: it
// is for the class of its LUN.
bool takes(Command& command);
// The data of an answer has been sent, or will not be: its memory goes.
void release_reply(Command& command);

}  // namespace chiscsi::scsi_layer
