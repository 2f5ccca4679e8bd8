// SPDX-License-Identifier: GPL-2.0-only
//
// Text Requests (RFC 7143 section 11.10) and Logout (section 11.14).
//
// The text itself is TextExchange's; here it gets its surroundings: the targets that this initiator
// may see. Logout is answered at once: whatever the storage driver still holds does not delay it.
#include "target/rx/rx.hh"

namespace chiscsi::rx {

namespace {

using iscsi::LogoutReason;
using iscsi::LogoutResponseCode;

// RFC 7143 sections 11.15.3 and 11.15.4: seconds, after a connection was closed without a session
// that could be continued.
constexpr uint16_t kTime2Wait = 2;

bool open_exchange(Connection& connection) {
  if (connection.text) return true;
  Session& session = *connection.session();
  DiscoveryContext context;
  context.discovery_session = session.is_discovery();
  context.session_target = session.parameters.target_name.text();
  context.arrived_at = connection.conn().local_address();
  TextLimits limits;
  limits.max_send_data_segment_length = connection.conn().limits().max_send_data_segment_length;
  connection.text = make<TextSession>(Alloc::kMaySleep, connection, context, limits);
  return static_cast<bool>(connection.text);
}

void send_text_response(Connection& connection) {
  const TextExchange& exchange = connection.text->exchange;
  const Bytes data = exchange.response_data();
  OwnPtr<ControlPdu> answer = connection.make_control(iscsi::Opcode::kTextResponse,
                                                      exchange.response().initiator_task_tag.get(),
                                                      static_cast<uint32_t>(data.size()));
  if (!answer) return;
  auto& bhs = answer->bhs.as<iscsi::TextResponse>();
  bhs.flags = exchange.response().flags;
  bhs.target_transfer_tag = exchange.response().target_transfer_tag.get();
  __builtin_memcpy(bhs.lun, exchange.response().lun, sizeof(bhs.lun));
  copy_bytes(answer->data.bytes(), data);
  connection.queue_control(std::move(answer));
}

void answer_logout(Connection& connection, const iscsi::LogoutRequest& request,
                   LogoutResponseCode code) {
  OwnPtr<ControlPdu> answer =
      connection.make_control(iscsi::Opcode::kLogoutResponse, request.initiator_task_tag.get());
  if (!answer) return;
  auto& bhs = answer->bhs.as<iscsi::LogoutResponse>();
  bhs.response = static_cast<uint8_t>(code);
  bhs.time2wait = kTime2Wait;
  connection.queue_control(std::move(answer));
}

// The connection that is named may be this one or another one of the session.
void close_connection(Connection& connection, const iscsi::LogoutRequest& request) {
  Session& session = *connection.session();
  Connection* named = session.find_connection(request.cid.get());
  if (named == nullptr) {
    return answer_logout(connection, request, LogoutResponseCode::kCidNotFound);
  }
  session.terminate_commands(named->member());
  answer_logout(connection, request, LogoutResponseCode::kClosed);
  if (named == &connection) {
    connection.leave();
  } else {
    named->cut("logged out on another connection");
  }
}

}  // namespace

void execute_text(Connection& connection, const iscsi::TextRequest& request, Bytes data) {
  if (!open_exchange(connection)) return connection.drop("out of memory for a text exchange");
  const TextExchange::Step step = connection.text->exchange.on_request(request, data);
  if (step == TextExchange::Step::kReject) {
    connection.reject(reinterpret_cast<const iscsi::Bhs&>(request),
                      connection.text->exchange.reject_reason(),
                      connection.text->exchange.failure_reason());
  } else {
    // The exchange may have changed it.
    connection.status.max_xmit_data_segment.set(connection.parameters.max_send_data_segment_length);
    send_text_response(connection);
  }
  if (!connection.text->exchange.is_open()) connection.text.reset();
}

void execute_logout(Connection& connection, const iscsi::LogoutRequest& request) {
  if ((request.reason & 0x7f) > static_cast<uint8_t>(LogoutReason::kRemoveForRecovery)) {
    return connection.reject(reinterpret_cast<const iscsi::Bhs&>(request),
                             iscsi::RejectReason::kProtocolError, "reserved logout reason");
  }
  const auto reason = static_cast<LogoutReason>(request.reason & 0x7f);
  // RFC 7143 section 4.3.
  if (connection.session()->is_discovery() && reason != LogoutReason::kCloseSession) {
    return connection.reject(reinterpret_cast<const iscsi::Bhs&>(request),
                             iscsi::RejectReason::kProtocolError,
                             "a discovery session is closed as a whole");
  }
  switch (reason) {
    case LogoutReason::kCloseSession:
      connection.session()->give_up_holds();
      answer_logout(connection, request, LogoutResponseCode::kClosed);
      return connection.session()->end(EndReason::kLogout);
    case LogoutReason::kCloseConnection:
      return close_connection(connection, request);
    default:
      return answer_logout(connection, request, LogoutResponseCode::kRecoveryNotSupported);
  }
}

}  // namespace chiscsi::rx
