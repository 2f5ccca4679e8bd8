// SPDX-License-Identifier: GPL-2.0-only
//
// What a request PDU leads to in full feature phase.
//
// Each opcode has a begin (the header is here: check it, say where its data goes) and a complete
// (the data is here too). Between accept by the command window and execution lies execute_*: it
// runs when it is the request's turn by CmdSN. All run on the session's worker; those named begin
// and complete under the transport's lock, so they neither sleep nor call a hook: commands and
// requests go to the session's work, which run_work() does when the lock is gone.
#pragma once

#include "target/session/connection.hh"
#include "target/session/session.hh"

namespace chiscsi::rx {

// dispatch.cc: for Connection.
RxAction begin(Connection& connection, RxPdu& pdu, Placement* placement);
RxAction complete(Connection& connection, RxPdu& pdu);

// A numbered request other than a SCSI command that waits for its turn.
struct HeldPdu : Sequenced {
  HeldPdu() = default;
  ~HeldPdu() {
    if (window != nullptr) window->command_ended();
  }
  // It has a place in the window from now on, as a command has.
  void count_in(CommandWindow& of_session) {
    window = &of_session;
    window->command_started();
  }

  Connection* connection = nullptr;  // It came by; null when it only fills a place in the order.
  CommandWindow* window = nullptr;   // Null: it has no place in it.
  iscsi::Bhs bhs;
  Buffer data;
};
// Memory for received data: what was provided after a pause, or a kept buffer. Empty: it has been
// asked for, pause. Never sleeps.
Buffer take_rx_memory(Connection& connection, uint32_t size);
// Moves what the command window held, and whose turn has come, to the session's work.
void run_held(Session& session);
// Executes a request. Called by the session's work, without any lock.
void execute(Session& session, OwnPtr<HeldPdu> request);

// scsi_command.cc
RxAction begin_scsi_command(Connection& connection, RxPdu& pdu, Placement* placement);
RxAction complete_scsi_command(Connection& connection, RxPdu& pdu);
// It is the command's turn: it goes to the work list.
void execute_scsi_command(Command& command);

// data_out.cc
RxAction begin_data_out(Connection& connection, RxPdu& pdu, Placement* placement);
RxAction complete_data_out(Connection& connection, RxPdu& pdu);

// The rest: `data` is the data segment. Without any lock; they may sleep and call hooks.
void execute_nop_out(Connection& connection, const iscsi::NopOut& request, Buffer data);
void execute_text(Connection& connection, const iscsi::TextRequest& request, Bytes data);
void execute_logout(Connection& connection, const iscsi::LogoutRequest& request);
void execute_task_management(Connection& connection, const iscsi::TaskManagementRequest& request,
                             bool immediate);

// `information` is what RFC 7144 adds to a response, or null.
void send_tmf_response(Connection& connection, uint32_t initiator_task_tag, uint8_t response,
                       const SenseCode* information);

// tmf_commands.cc
bool can_be_named(const Command& command);
// The command ends without a word, and the function waits for it. Precondition: can_be_named().
void name(Tmf& tmf, Command& command);
// For one that ends already without a word, by the loss of its connection or session, say: the
// driver may still have it, and can touch the medium until it has given it back. When another
// function waits for it, this one relies on that.
void wait_for(Tmf& tmf, Command& command);
// A command that a task management function waits for has ended.
void tmf_command_ended(Tmf& tmf);
// Data has come for a command that a function has named.
void tmf_data_came(Tmf& tmf);
// Whether the initiator has stopped to send data for commands that the function has named; those
// wait for no more of it then.
void tmf_watch_data(Tmf& tmf, uint64_t now);

// tmf_parts.cc
// Does what is due for the part of a function that may not be in the session's list yet.
void run_tmf_part(Tmf& part);
void drop_tmf_parts(Session& session);

// tmf_stages.cc
// Does what is due for the session's functions: naming, fp_tmf_execute(), responses. True when
// something has moved on.
bool run_tmfs(Session& session);
// Ends the commands of those whose registration `change` has removed; then `command`, which made
// it, ends by scsi_layer::finish(). `function` is one of its session.
void abort_preempted(OwnPtr<Tmf> function, Command& command, const scsi::ReservationChange& change);
// The limit of a task management function has passed.
void tmf_give_up(Tmf& tmf);
// The session ends: forgets the functions it sent. Those of other sessions go on waiting for its
// commands, until drop_tmf_parts() says that nothing will come any more.
void drop_tmfs(Session& session);
// No response goes to `connection` any more: it is gone.
void drop_tmf_responses(Session& session, const Connection& connection);

// Forgets the requests of `connection` that were not executed. Those that were ahead of their turn
// leave a hole that the initiator fills on another connection (RFC 7143 section 11.14).
void drop_requests(Session& session, const Connection& connection);
// Forgets what fills places in the order for requests that were aborted before they came.
void drop_plugs(Session& session);

}  // namespace chiscsi::rx
