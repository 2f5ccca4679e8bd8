// SPDX-License-Identifier: GPL-2.0-only
//
// Which commands change a medium: for those who may only read it.
//
// Asked before a class sees a command, whether it takes all commands or not; so it knows more
// commands than the target runs itself (SPC-5, SBC-4, ZBC). Context: any.
#pragma once

#include "base/span.hh"

namespace chiscsi::scsi {

// `cdb` is whole, also when it is longer than 16 bytes.
bool changes_medium(Bytes cdb);

}  // namespace chiscsi::scsi
