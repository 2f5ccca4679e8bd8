// SPDX-License-Identifier: GPL-2.0-only
//
// The sessions of the target, from fp_session_added to fp_session_removed, and what each has still
// to hear: the units whose mode parameters another one has changed (a unit attention condition for
// its I_T nexus, SAM-5 section 5.14). One bit for each unit, so a session takes the same few bytes
// whatever happens.
//
// A session is known by its number, not by a pointer: a command may be there longer than its
// session. One lock guards all of it, and is the last one taken: a unit may hold its own.
#pragma once

#include "iface_types.hh"

namespace iface {

// Before the first session, and after the last. Returns 0 or kEnomem. Process context.
int sessions_create();
void sessions_destroy();

// A session has begun; `handle` is the target's name for it. Returns its number, which is never 0
// and never used twice. May sleep.
unsigned long sessions_add(unsigned long handle);
// It has ended. May sleep.
void sessions_remove(unsigned long handle);

// Every session but number `author` has to hear of `unit`, below kMaxLuns. Says whether there is
// one. The lock of the unit is held, as for the next two.
bool attentions_raise(u32 unit, unsigned long author);
// Whether session `number` has.
bool attentions_pending(u32 unit, unsigned long number);
// It has heard. Says whether others are left.
bool attentions_clear(u32 unit, unsigned long number);

}  // namespace iface
