// SPDX-License-Identifier: GPL-2.0-only
//
// Why a logical unit does not run a command right now: its size is not known, it is being sanitized
// or that has failed, its device is gone, its medium is out (SBC-4 section 4.11, SPC-5 section
// 5.13). Context: any.
#pragma once

#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

// A good sense: nothing hinders it.
Sense check_readiness(const CommandInfo& info, const Lun& lun);
// What REQUEST SENSE says of it when there is nothing else to say.
Sense pollable_sense(const Lun& lun);

}  // namespace chiscsi::scsi
