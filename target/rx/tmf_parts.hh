// SPDX-License-Identifier: GPL-2.0-only
//
// The parts of a task management function: the same function in other sessions of the target.
//
// A part lives on the worker of its session, in that session's list; it is over when the commands
// that it has named are. Whole and parts tell each other by messages.
#pragma once

#include "base/lock.hh"
#include "target/session/session.hh"
#include "target/session/tmf.hh"
#include "target/target.hh"

namespace chiscsi::rx {

// False: there is no memory for it.
bool add_part(Tmf& tmf, Session& other);
// Leaves a part in every other session that `reaches` says, and sends them off. Context: the worker
// of the whole.
template <typename Reaches>
void tell_other_sessions(Tmf& tmf, Reaches reaches) {
  Target& target = *tmf.session->target();
  {
    MutexGuard guard(target.mutex());
    target.sessions().for_each([&](SessionEntry& entry) {
      if (entry.session == tmf.session.get() || !reaches(*entry.session)) return;
      if (!add_part(tmf, *entry.session)) tmf.incomplete = true;
    });
  }
  tmf.parts.for_each([](Tmf& part) { part.wake(); });
}
void tell_parts_to_abort(Tmf& tmf);

// Does what is due for a part, on its own worker. True when something has moved on.
bool advance_part(Tmf& part);
// The part is over as far as the whole is concerned. May destroy it, when the caller has no
// reference.
void finish_part(Tmf& part);

}  // namespace chiscsi::rx
