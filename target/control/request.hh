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
#include "os/thread.h"
#include "target/config/message_line.hh"
#include "target/control/input.hh"
#include "target/control/output.hh"
#include "target/engine.hh"

namespace chiscsi::control {

// More than any operation says that changes something.
inline constexpr size_t kResultSize = 256;

struct Request {
  Request(Engine& owner, unsigned long asker, uint32_t request_flags, Bytes input, size_t room)
      : engine(owner),
        holder(asker),
        flags(request_flags),
        in(input),
        out(room, has(CHISCSI_CONTROL_SECRETS) ? Output::Reader::kFile : Output::Reader::kAnybody) {
  }
  bool has(uint32_t flag) const { return (flags & flag) != 0; }

  Engine& engine;
  const unsigned long holder;  // Whom what is handed over here ends with.
  const uint32_t flags;
  const Bytes in;
  Output out;
  ConfigError why;
};

// For an operation without keys.
Status take_nothing(Request& request);
// The target that a request is about, or kNoEntry.
Result<Ref<Target>> find_target(Request& request, Text name);

// Calls visit(target) for each target, in the order of their creation.
template <typename Visit>
void visit_targets(Engine& engine, const Visit& visit) {
  Registry& registry = engine.registry();
  for (Ref<Target> target = registry.next_target(Ref<Target>()); target;
       target = registry.next_target(target)) {
    visit(*target);
    os_relax();
  }
}
// The same, or for the one that `wanted` names, if it was given.
template <typename Visit>
Status visit_targets(Request& request, const Word& wanted, const Visit& visit) {
  if (!wanted.given) {
    visit_targets(request.engine, visit);
    return Status();
  }
  const Ref<Target> target = CHISCSI_TRY(find_target(request, wanted.value));
  visit(*target);
  return Status();
}

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
// isns.cc
Status allow_initiators(Request& request);
Status forget_initiators(Request& request);
Status show_target_state(Request& request);
void forget_holder(Engine& engine, unsigned long holder);
// statistics.cc
Status show_statistics(Request& request);
// target_keys.cc
Status show_target(Request& request);
// sessions.cc
Status list_sessions(Request& request);
Status drop_session(Request& request);

}  // namespace chiscsi::control
