// SPDX-License-Identifier: GPL-2.0-only
//
// The data of a write: from unsolicited data and R2Ts into the buffers that the driver lends.
//
// Every byte is placed at most once, in order, inside the list it belongs to. Unsolicited data that
// comes before there is a list for it waits in a buffer of ours; all other data goes straight to
// the driver's memory. On the session's worker; calls no hook.
#pragma once

#include "target/session/command.hh"
#include "target/session/r2t.hh"

namespace chiscsi {
class Session;
}

namespace chiscsi::write_data {

// The driver has lent buffers, or unsolicited data has come: places what can be placed and asks
// for what is missing.
void advance(Command& command);
// Where `count` bytes of unsolicited data can land in a list that the driver has lent. False: there
// is no such place yet.
bool find_unsolicited_place(Command& command, uint32_t count, SgCursor* place);
// They have come: to that place, or into the buffer of the command.
void unsolicited_received(Command& command, uint32_t count, bool in_list);
// `count` more bytes have been received for `r2t`, straight into its phase.
void received(R2t& r2t, uint32_t count);
// The transport has let go of the buffers.
void released(Command& command);
// Asks again for R2Ts that the pool could not give.
void retry_missing_r2ts(Session& session);
// Unsolicited data is over (F bit).
void unsolicited_complete(Command& command);
// The transfer is broken: the command will end with `sense`.
void fail(Command& command, SenseCode sense);
// Data PDUs of `count` bytes that answer an R2T of which nothing is placed any more.
void drained(R2t& r2t, uint32_t count, bool final);
// Whether the response has to wait: for data that was announced or asked for and is still on its
// way (RFC 7143 sections 7.8, 11.4.2 and 11.17.1), or for the transport to let go of the buffers,
// since with the response the initiator may use the task's tag again.
bool delays_response(const Command& command);
// The command is nobody's but the initiator's now: watches what is still on its way.
void wait_for_rest(Command& command);
// Nothing is placed any more. R2Ts that have left are answered all the same, and what answers them
// is thrown away; those that have not are forgotten.
void drain(Command& command);
// Forgets all R2Ts; what still comes for them is discarded.
void cancel(Command& command);
// Gives the buffer for unsolicited data back.
void release_unsolicited(Command& command);

}  // namespace chiscsi::write_data
