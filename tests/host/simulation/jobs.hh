// SPDX-License-Identifier: GPL-2.0-only
//
// What settle() runs beside the engine's threads.
#pragma once

namespace chiscsi::simulation {

// One job of storage; false: there was none.
bool run_storage_job();

}  // namespace chiscsi::simulation
