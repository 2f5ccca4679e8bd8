// SPDX-License-Identifier: GPL-2.0-only
//
// The commands of a task management function: which ones it concerns, which end by it, and for
// which it waits. The life of the function is in tmf_stages.cc.
//
// Everything runs on the worker of the function's session, without any lock.
#pragma once

#include "target/session/command.hh"
#include "target/session/session.hh"
#include "target/session/tmf.hh"

namespace chiscsi::rx {

inline bool is_target_reset(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
         function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
}
inline bool concerns_all_units(uint8_t function) {
  return is_target_reset(function) || function == iscsi::kTmfNexusReset;
}

// Names what there is of the commands that the function concerns, and waits for those of them that
// are ending already. Whether one was named.
bool name_commands(Tmf& tmf);
// fp_scsi_cmd_abort() for each of those that have not ended.
void abort_named(Tmf& tmf);
// No more data is awaited for them.
void stop_waiting_for_data(Tmf& tmf);
// Whether an older function still waits for commands that this one covers as well.
bool older_is_busy(const Tmf& tmf);
// Whether the driver still has commands that the function concerns and that are over to everybody
// else, with their session perhaps: only their unit knows of them. Of a whole. Of a class that runs
// each CDB by itself they are its own business.
bool has_orphans(const Tmf& tmf);
// The function goes before its commands do.
void forget_commands(Tmf& tmf);
// Whether PREEMPT AND ABORT has taken its registration from the nexus of the session. Of a whole.
bool is_preempted(const Tmf& tmf, const Session& session);

}  // namespace chiscsi::rx
