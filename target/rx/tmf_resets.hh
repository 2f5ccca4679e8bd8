// SPDX-License-Identifier: GPL-2.0-only
//
// What a reset does to units and initiators besides ending commands: settings and locks go, and
// those concerned hear of it. Context: the worker of the function's session.
#pragma once

#include "target/session/session.hh"
#include "target/session/tmf.hh"

namespace chiscsi::rx {

// A reset gives units back what initiators have changed of them (SAM-5 section 6.3).
void reset_units(const Tmf& tmf);
// PREEMPT AND ABORT ends what the nexus that loses its registration prevents for the unit (SPC-5,
// PERSISTENT RESERVE OUT).
void lift_preventions(const Tmf& tmf);
// What RESERVE has locked, a reset opens, and so does the loss of the nexus, which also ends what
// PREVENT ALLOW MEDIUM REMOVAL has asked for; of a reset reset_units() sees to that.
void drop_locks(const Tmf& tmf);
// What the initiator of another session is to be told (SAM-5 sections 5.14 and 6.2). Of a cleared
// task set it hears when a command was named; a cold reset ends its session.
void establish_unit_attention(Tmf& part, bool has_named);
// A reset is told to every nexus, the one that asked for it included (SAM-5 section 6.3.3), where
// the target itself speaks for the unit. A class that runs each CDB may have a mind of its own.
void tell_who_asked(const Tmf& tmf);

}  // namespace chiscsi::rx
