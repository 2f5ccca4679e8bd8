// SPDX-License-Identifier: GPL-2.0-only
//
// The gate that every command of a LUN passes before it runs, whoever runs it: is there a
// reservation of another nexus that forbids it (SPC-5 section 5.14)? There are none yet.
#pragma once

#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

// True: the command ends with RESERVATION CONFLICT. Precondition: question.lun and question.nexus
// are there. Context: the session's worker.
inline bool conflicts_with_reservation(const Question&, const CommandInfo&) { return false; }

}  // namespace chiscsi::scsi
