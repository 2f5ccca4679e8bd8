// SPDX-License-Identifier: GPL-2.0-only
//
// Which commands change a medium, or the unit as others see it: for those who may only read it.
//
// Asked before a class sees a command, whether it takes all commands or not; so it knows more
// commands than the target runs itself (SPC-5, SBC-4, ZBC). Context: any.
#pragma once

#include "base/span.hh"

namespace chiscsi::scsi {

// `cdb` is whole, also when it is longer than 16 bytes.
bool changes_medium(Bytes cdb);
// No block changes, but what others may do or find: modes, logs, a medium that is taken out
// or held fast, the reservations of others. Registering is one's own affair.
bool changes_unit(Bytes cdb);
// One unit stands for all of the target.
bool changes_target(Bytes cdb);

}  // namespace chiscsi::scsi
