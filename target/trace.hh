// SPDX-License-Identifier: GPL-2.0-only
//
// The engine's trace points: one line at the place where something happens, one function here.
//
// Each function looks whether anybody listens before it computes or calls anything, so a point on
// the data path costs a load and a branch (os/trace.h). They take engine objects and hand plain
// values to the host; they change nothing. Context: any, if the object may be read there.
#pragma once

#include "os/trace.h"
#include "target/scsi/driver_port.hh"
#include "target/session/connection.hh"
#include "target/session/session.hh"

namespace chiscsi::trace {

inline void received(const Command& command) {
  if (!os_trace_wanted()) return;
  os_trace_command_received(command.session.handle.value, command.initiator_task_tag,
                            command.sequenced.cmd_sn.value(), driver_port::decode_lun(command.lun),
                            command.cdb[0], command.expected_length);
}

// `what` is OS_TRACE_DELIVERED, _ABORT_ANSWERED, _ORPHANED or _CLEANED_UP.
inline void step(const Command& command, int what) {
  if (!os_trace_wanted()) return;
  os_trace_command_step(what, command.session.handle.value, command.initiator_task_tag);
}

// `what` is OS_TRACE_LENT, _R2T or _DATA_COMPLETE.
inline void data(const Command& command, int what, uint32_t offset, uint32_t length) {
  if (!os_trace_wanted()) return;
  os_trace_command_data(what, command.session.handle.value, command.initiator_task_tag, offset,
                        length);
}

// `what` is OS_TRACE_ENDED or _RESPONSE.
inline void status(const Command& command, int what) {
  if (!os_trace_wanted()) return;
  os_trace_command_status(what, command.session.handle.value, command.initiator_task_tag,
                          command.scsi_status, command.residual_count);
}

inline void abort_asked(const Command& command, unsigned int reason) {
  if (!os_trace_wanted()) return;
  os_trace_command_abort(command.session.handle.value, command.initiator_task_tag, reason);
}

inline void state(const Command& command, const char* from, const char* to) {
  if (!os_trace_wanted()) return;
  os_trace_command_state(command.session.handle.value, command.initiator_task_tag, from, to);
}

inline void session_added(Session& session) {
  if (!os_trace_wanted()) return;
  os_trace_session_added(session.handle.value, session.parameters.tsih,
                         session.parameters.initiator_name.c_str(),
                         session.target() != nullptr ? session.target()->name_c_str() : "");
}

inline void session_removed(const Session& session, const char* why) {
  if (!os_trace_wanted()) return;
  os_trace_session_removed(session.handle.value, session.parameters.initiator_name.c_str(), why);
}

// A login was answered for good; `status` 0 means that it was accepted.
inline void login(const Connection& connection, const SessionParameters& session, uint16_t status) {
  if (!os_trace_wanted()) return;
  os_trace_login(status, connection.peer_text(), session.initiator_name.c_str(),
                 session.target_name.c_str());
}

// Every PDU of full feature phase; only in builds that were asked for it.
inline void pdu(Connection& connection, const iscsi::Bhs& bhs, uint32_t data_size, bool sent) {
#if defined(CHISCSI_TRACING)
  if (!os_trace_wanted()) return;
  const Session* session = connection.session();
  // SAFETY: a header is 48 bytes without padding, looked at as bytes.
  os_trace_pdu(sent, session != nullptr ? session->handle.value : 0,
               reinterpret_cast<const uint8_t*>(&bhs), data_size);
#else
  static_cast<void>(connection), static_cast<void>(bhs);
  static_cast<void>(data_size), static_cast<void>(sent);
#endif
}

}  // namespace chiscsi::trace
