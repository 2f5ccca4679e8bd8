// SPDX-License-Identifier: GPL-2.0-only
//
// The target class "chiscsi" and its LUN classes BLK, FILE and MEM.
//
// A storage driver like any other: it registers classes, is called by their hooks and calls what
// include/common exports, nothing else of the target. Registered while the engine runs.
#pragma once

#include "base/error.hh"

namespace chiscsi::storage {

// Right after the start of the engine. Context: process.
Status start_classes();
// At its stop, when no target of the class is left. Does nothing when they were not started.
// Context: process, sleeps.
void stop_classes();

}  // namespace chiscsi::storage
