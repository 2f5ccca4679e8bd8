// SPDX-License-Identifier: GPL-2.0-only
//
// Request: one call of the control device on its way through the engine, and the functions that
// answer it, one per operation of include/common/chiscsi_control.h.
//
// Each runs in the asker's process context, holds no lock when it is called, and leaves the reason
// of a refusal in `why`. Two at once are kept apart by what they touch, never by one big lock:
// docs/control.md.
#pragma once

#include "base/error.hh"
#include "base/span.hh"
#include "common/chiscsi_control.h"
#include "target/config/message_line.hh"
#include "target/control/input.hh"
#include "target/control/output.hh"

namespace chiscsi {
class Engine;
}

namespace chiscsi::control {

// More than any operation says that changes something.
inline constexpr size_t kResultSize = 256;

struct Request {
  Request(Engine& owner, uint32_t request_flags, Bytes input, size_t room)
      : engine(owner), flags(request_flags), in(input), out(room) {}
  bool has(uint32_t flag) const { return (flags & flag) != 0; }

  Engine& engine;
  const uint32_t flags;
  const Bytes in;
  Output out;
  ConfigError why;
};

// For an operation without keys.
Status take_nothing(Request& request);

// globals.cc
Status show_globals(Request& request);
Status set_globals(Request& request);
// targets.cc
Status start_target(Request& request);
Status stop_target(Request& request);
Status list_targets(Request& request);
Status flush_luns(Request& request);
// alua.cc
Status set_access_state(Request& request);
// statistics.cc
Status show_statistics(Request& request);
// target_keys.cc
Status show_target(Request& request);
// sessions.cc
Status list_sessions(Request& request);
Status drop_session(Request& request);

}  // namespace chiscsi::control
