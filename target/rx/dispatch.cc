// SPDX-License-Identifier: GPL-2.0-only
//
// Full feature phase, the way in: which PDUs are legal at all, and who handles them.
//
// Everything a header claims is checked here or in the opcode's begin function before any other
// use. A layout that cannot be ends the session (RFC 7143 section 7.7); what names a task or data
// that is not there ends in a Reject.
#include "target/rx/rx.hh"

namespace chiscsi::rx {

namespace {

using iscsi::Opcode;
using iscsi::RejectReason;

bool is_numbered(Opcode opcode) {
  switch (opcode) {
    case Opcode::kNopOut:
    case Opcode::kScsiCommand:
    case Opcode::kTaskManagementRequest:
    case Opcode::kTextRequest:
    case Opcode::kLogoutRequest:
      return true;
    default:
      return false;
  }
}

bool is_request(Opcode opcode) {
  return is_numbered(opcode) || opcode == Opcode::kDataOut || opcode == Opcode::kLoginRequest ||
         opcode == Opcode::kSnackRequest;
}

bool may_carry_data(Opcode opcode) {
  return opcode == Opcode::kScsiCommand || opcode == Opcode::kDataOut ||
         opcode == Opcode::kNopOut || opcode == Opcode::kTextRequest;
}

// Takes no part any more, but stays in the stream until its last byte.
RxAction discard(Connection& connection) {
  connection.rx.discard = true;
  return RxAction::kContinue;
}

RxAction reject(Connection& connection, const RxPdu& pdu, RejectReason reason, const char* why) {
  connection.reject(pdu.bhs, reason, why);
  return discard(connection);
}

void note_exp_stat_sn(Connection& connection, const RxPdu& pdu) {
  const Serial claimed(pdu.bhs.as<iscsi::RequestNumbers>().exp_stat_sn.get());
  if (claimed > connection.exp_stat_sn && claimed <= connection.stat_sn) {
    connection.exp_stat_sn = claimed;
    connection.status.exp_stat_sn.set(claimed.value());
  }
}

// Data for a request that is executed when it is whole.
RxAction begin_buffered(Connection& connection, RxPdu& pdu, Placement* placement) {
  if (pdu.data_size() == 0) return RxAction::kContinue;
  Buffer memory = take_rx_memory(connection, pdu.data_size());
  if (!memory) return RxAction::kPause;
  connection.rx.data = std::move(memory);
  placement->memory = connection.rx.data.bytes().first(pdu.data_size());
  return RxAction::kContinue;
}

// A whole request that is neither a SCSI command nor data.
RxAction complete_buffered(Connection& connection, RxPdu& pdu) {
  Session& session = *connection.session();
  OwnPtr<HeldPdu> request = make<HeldPdu>(Alloc::kAtomic);
  if (!request) {
    connection.rx.want_command = true;  // Tried again when the pass is over.
    return RxAction::kPause;
  }
  request->connection = &connection;
  request->cmd_sn = Serial(pdu.bhs.as<iscsi::RequestNumbers>().cmd_sn.get());
  request->bhs = pdu.bhs;
  request->data = std::move(connection.rx.data);
  if (pdu.data_digest_error) {
    connection.reject(pdu.bhs, RejectReason::kDataDigestError, "data digest error");
    // The hole in the order of commands could never be filled at error recovery level 0.
    if (!pdu.bhs.immediate()) connection.drop("data digest error in a numbered request", true);
    return RxAction::kContinue;
  }
  if (pdu.bhs.immediate()) {
    session.add_request(*request.release());
    return RxAction::kContinue;
  }
  const CommandWindow::Verdict verdict = session.window.accept(request->cmd_sn);
  // Others are answered as they are executed; a function may take its time.
  const bool takes_time = pdu.bhs.opcode() == Opcode::kTaskManagementRequest;
  if (takes_time && verdict != CommandWindow::Verdict::kIgnore) request->count_in(session.window);
  switch (verdict) {
    case CommandWindow::Verdict::kExecute:
      session.add_request(*request.release());
      run_held(session);
      break;
    case CommandWindow::Verdict::kHold:
      session.window.hold(*request.release());
      break;
    case CommandWindow::Verdict::kIgnore:
      break;
  }
  return RxAction::kContinue;
}

// A format error, or nullptr. Of an opcode that we do not know, nothing is known.
const char* check_layout(const Connection& connection, const RxPdu& pdu) {
  const Opcode opcode = pdu.bhs.opcode();
  const bool is_merged = pdu.merged && opcode == Opcode::kDataOut;
  if (!is_merged && pdu.data_size() > connection.parameters.max_recv_data_segment_length) {
    return "data segment longer than MaxRecvDataSegmentLength";
  }
  if (!is_request(opcode)) return nullptr;
  if (pdu.bhs.total_ahs_length != 0 && opcode != Opcode::kScsiCommand) return "unexpected AHS";
  if (pdu.data_size() != 0 && !may_carry_data(opcode)) return "unexpected data segment";
  return nullptr;
}

bool names_no_task(const RxPdu& pdu) {
  const Opcode opcode = pdu.bhs.opcode();
  const bool needs_tag = opcode != Opcode::kNopOut && opcode != Opcode::kSnackRequest;
  return needs_tag && pdu.bhs.initiator_task_tag.get() == iscsi::kReservedTag;
}

// What a discovery session is for (RFC 7143 section 4.3).
bool serves_discovery(Opcode opcode) {
  return opcode == Opcode::kTextRequest || opcode == Opcode::kLogoutRequest ||
         opcode == Opcode::kLoginRequest;
}

RxAction begin_known(Connection& connection, RxPdu& pdu, Placement* placement) {
  if (connection.session()->is_discovery() && !serves_discovery(pdu.bhs.opcode())) {
    return reject(connection, pdu, RejectReason::kProtocolError, "not in a discovery session");
  }
  switch (pdu.bhs.opcode()) {
    case Opcode::kScsiCommand:
      return begin_scsi_command(connection, pdu, placement);
    case Opcode::kDataOut:
      return begin_data_out(connection, pdu, placement);
    case Opcode::kNopOut:
    case Opcode::kTextRequest:
    case Opcode::kLogoutRequest:
    case Opcode::kTaskManagementRequest:
      return begin_buffered(connection, pdu, placement);
    case Opcode::kSnackRequest:
      return reject(connection, pdu, RejectReason::kSnackReject, "SNACK at error recovery level 0");
    case Opcode::kLoginRequest:
      connection.drop("Login Request in full feature phase");
      return RxAction::kClose;
    default:
      return reject(connection, pdu, RejectReason::kCommandNotSupported, "unknown opcode");
  }
}

}  // namespace

RxAction begin(Connection& connection, RxPdu& pdu, Placement* placement) {
  connection.rx.discard = false;
  if (connection.control_pdus >= Connection::kMaxControlPdus) return RxAction::kPause;
  if (const char* why = check_layout(connection, pdu)) {
    connection.format_error(pdu.bhs, why);
    return RxAction::kClose;
  }
  if (names_no_task(pdu)) {
    return reject(connection, pdu, RejectReason::kInvalidPduField, "reserved task tag");
  }
  if (is_numbered(pdu.bhs.opcode()) || pdu.bhs.opcode() == Opcode::kDataOut) {
    note_exp_stat_sn(connection, pdu);
  }
  return begin_known(connection, pdu, placement);
}

RxAction complete(Connection& connection, RxPdu& pdu) {
  if (connection.rx.discard) return RxAction::kContinue;
  switch (pdu.bhs.opcode()) {
    case Opcode::kScsiCommand:
      return complete_scsi_command(connection, pdu);
    case Opcode::kDataOut:
      return complete_data_out(connection, pdu);
    default:
      return complete_buffered(connection, pdu);
  }
}

Buffer take_rx_memory(Connection& connection, uint32_t size) {
  if (connection.rx.spare.size() >= size) return std::move(connection.rx.spare);
  Buffer memory = connection.session()->worker().bounce_pool().take(size);
  if (!memory) connection.rx.wanted = size;
  return memory;
}

void run_held(Session& session) {
  while (Sequenced* next = session.window.take_next()) {
    if (next->is_command) {
      execute_scsi_command(container_of(*next, &Command::sequenced));
    } else {
      session.add_request(*next);
    }
  }
}

void drop_requests(Session& session, const Connection& connection) {
  const auto drop = [&](Sequenced& request) {
    if (request.is_command || static_cast<HeldPdu&>(request).connection != &connection) return;
    request.window_node.unlink();
    destroy(static_cast<HeldPdu*>(&request));
  };
  session.window.for_each_held(drop);
  session.requests.for_each(drop);
}

void drop_plugs(Session& session) {
  while (Sequenced* held = session.window.drop_any()) {
    if (!held->is_command) destroy(static_cast<HeldPdu*>(held));
  }
}

void execute(Session& session, OwnPtr<HeldPdu> request) {
  Connection* connection = request->connection;
  if (connection == nullptr || connection->is_ending()) return;
  const iscsi::Bhs& bhs = request->bhs;
  const Bytes data = Bytes(request->data.bytes()).first(bhs.data_segment_length.get());
  switch (bhs.opcode()) {
    case Opcode::kNopOut:
      return execute_nop_out(*connection, bhs.as<iscsi::NopOut>(), std::move(request->data));
    case Opcode::kTextRequest:
      execute_text(*connection, bhs.as<iscsi::TextRequest>(), data);
      break;
    case Opcode::kLogoutRequest:
      execute_logout(*connection, bhs.as<iscsi::LogoutRequest>());
      break;
    default:
      execute_task_management(*connection, bhs.as<iscsi::TaskManagementRequest>(), bhs.immediate());
  }
  session.worker().bounce_pool().give_back(std::move(request->data));
}

}  // namespace chiscsi::rx
