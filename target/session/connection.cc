// SPDX-License-Identifier: GPL-2.0-only
//
// Connection: what is the same in all phases; the send queue, the end, and the timers.
//
// Its owner is the engine's list of logins until the session has taken it over. on_closed() is the
// last event of its transport; the connection is destroyed there and nowhere else.
#include "target/session/connection.hh"

#include "os/log.h"
#include "target/engine.hh"
#include "target/login_service.hh"
#include "target/rx/rx.hh"
#include "target/session/session.hh"
#include "target/session/write_data.hh"
#include "target/trace.hh"
#include "target/tx/tx.hh"

namespace chiscsi {

namespace {

// RFC 7143 section 11.9.1: seconds in the parameters of an asynchronous message.
constexpr uint16_t kAsyncTime2Wait = 2;
constexpr uint64_t kMsPerSecond = 1000;
// Until the network has taken the last Login Response.
constexpr uint64_t kLoginResponseLimitMs = 30'000;

void copy_endpoint(tcp_endpoint* to, const os_address& from) {
  __builtin_memcpy(to->ip, from.ip, sizeof(to->ip));
  to->port = from.port;
}

}  // namespace

TextSession::TextSession(Connection& connection, const DiscoveryContext& context,
                         const TextLimits& limits)
    : view(connection), exchange(view, connection.parameters, context, limits) {}

Connection::Connection(Engine& engine, OwnPtr<Conn> conn)
    : engine_(engine), conn_(std::move(conn)) {
  describe_peer();
}

Connection::~Connection() {
  while (TxItem* item = tx_queue.pop_front()) {
    if (item->kind == TxKind::kControl) destroy(static_cast<ControlPdu*>(item));
  }
}

void Connection::describe_peer() {
  peer_text_ = format_ip_and_port(conn_->peer_address());
  endpoints.f_ipv6 = conn_->local_address().is_ipv6;
  copy_endpoint(&endpoints.iaddr, conn_->peer_address());
  copy_endpoint(&endpoints.taddr, conn_->local_address());
}

// What does not change any more; see ConnectionStatus.
void Connection::describe_status() {
  const auto digest = [](DigestType type) -> unsigned char {
    return type == DigestType::kCrc32c ? CHISCSI_DIGEST_CRC32C : CHISCSI_DIGEST_NONE;
  };
  chiscsi_connection_info& facts = status.facts;
  facts.tcp_endpoints = endpoints;
  facts.conn_keys.header_digest[0] = digest(parameters.header_digest);
  facts.conn_keys.data_digest[0] = digest(parameters.data_digest);
  facts.conn_keys.portal_group_tag = parameters.portal_group_tag;
  facts.conn_keys.max_recv_data_segment = parameters.max_recv_data_segment_length;
  facts.offloaded = conn_->limits().offloaded;
  facts.cid = parameters.cid;
  facts.hndl = member_->number;
  status.exp_stat_sn.set(exp_stat_sn.value());
  status.max_xmit_data_segment.set(parameters.max_send_data_segment_length);
}

void Connection::start(Worker& worker) {
  worker_ = &worker;
  last_receive_ms = os_now_ms();
  login_ = make<LoginService>(Alloc::kMaySleep, engine_, *this);
  conn_->start(worker, *this);
  if (!login_ || !login_->start()) return drop("out of memory for a login");
  if (const uint64_t limit = engine_.login_timeout_ms()) {
    login_ends_ms_ = last_receive_ms + limit;
    worker.arm(timer_, limit);
  }
}

// The login's limit may be long, or none, and a session waits for its first connection.
void Connection::limit_response() {
  const uint64_t end = os_now_ms() + kLoginResponseLimitMs;
  if (login_ends_ms_ == 0 || login_ends_ms_ > end) worker_->arm(timer_, kLoginResponseLimitMs);
}

void Connection::join(Ref<Session> session, Ref<Member> member,
                      const ConnectionParameters& agreed) {
  session_ = std::move(session);
  member_ = std::move(member);
  parameters = agreed;
  portal_ = engine_.portals().roster_at(conn_->local_address());
  member_->portal = portal_;
  phase_ = ConnectionPhase::kMoving;
  timer_.disarm();
}

void Connection::queue(TxItem& item) {
  if (!item.tx_node.is_linked()) tx_queue.push_back(item);
  conn_->kick_tx();
}

void Connection::queue_control(OwnPtr<ControlPdu> pdu) {
  ++control_pdus;
  queue(*pdu.release());
}

OwnPtr<ControlPdu> Connection::make_control(iscsi::Opcode opcode, uint32_t initiator_task_tag,
                                            uint32_t data_size) {
  constexpr uint32_t kSmallData = 256;
  OwnPtr<ControlPdu> pdu = make<ControlPdu>(Alloc::kAtomic);
  if (pdu && data_size != 0) {
    pdu->data =
        data_size <= kSmallData ? Buffer::allocate_atomic(data_size) : Buffer::allocate(data_size);
  }
  if (!pdu || (data_size != 0 && !pdu->data)) {
    drop("out of memory for a response");
    return OwnPtr<ControlPdu>();
  }
  pdu->bhs.opcode_byte = static_cast<uint8_t>(opcode);
  pdu->bhs.flags = iscsi::kFinalBit;
  pdu->bhs.initiator_task_tag = initiator_task_tag;
  pdu->data_size = data_size;
  return pdu;
}

void Connection::reject(const iscsi::Bhs& bhs, iscsi::RejectReason reason, const char* why) {
  os_log_limited(OS_LOG_WARNING, "%s: opcode 0x%x rejected, reason 0x%x: %s", peer_text(),
                 bhs.opcode_byte & iscsi::kOpcodeMask, static_cast<unsigned>(reason), why);
  OwnPtr<ControlPdu> pdu =
      make_control(iscsi::Opcode::kReject, iscsi::kReservedTag, iscsi::kBhsSize);
  if (!pdu) return;
  pdu->bhs.as<iscsi::Reject>().reason = static_cast<uint8_t>(reason);
  copy_bytes(pdu->data.bytes(), Bytes(reinterpret_cast<const uint8_t*>(&bhs), sizeof(bhs)));
  queue_control(std::move(pdu));
}

void Connection::drop(const char* why, bool flush) {
  if (ending_) return;
  ending_ = dropped_ = true;
  os_log_limited(OS_LOG_WARNING, "%s: connection dropped: %s", peer_text(), why);
  conn_->close(CloseReason::kLocal, flush);
}

void Connection::format_error(const iscsi::Bhs& bhs, const char* why) {
  reject(bhs, iscsi::RejectReason::kInvalidPduField, why);
  drop(why, true);
  session_->request_end(EndReason::kFormatError);
}

void Connection::close_after_flush() {
  if (ending_) return;
  ending_ = true;
  if (phase_ == ConnectionPhase::kFullFeature) phase_ = ConnectionPhase::kLeaving;
  status.is_leaving.set(1);
  conn_->close(CloseReason::kLocal, true);
}

void Connection::leave() {
  logged_out_ = true;
  close_after_flush();
}

void Connection::cut(const char* why) {
  if (!ending_) os_log_limited(OS_LOG_INFO, "%s: connection closed: %s", peer_text(), why);
  ending_ = true;
  conn_->close(CloseReason::kLocal, false);
}

void Connection::announce(iscsi::AsyncEvent event, uint16_t parameter1) {
  OwnPtr<ControlPdu> pdu = make_control(iscsi::Opcode::kAsyncMessage, iscsi::kReservedTag);
  if (!pdu) return;
  auto& bhs = pdu->bhs.as<iscsi::AsyncMessage>();
  bhs.async_event = static_cast<uint8_t>(event);
  bhs.parameter1 = parameter1;
  bhs.parameter2 = kAsyncTime2Wait;
  queue_control(std::move(pdu));
}

void Connection::show_window() {
  OwnPtr<ControlPdu> pdu = make_control(iscsi::Opcode::kNopIn, iscsi::kReservedTag);
  if (!pdu) return;
  pdu->bhs.as<iscsi::NopIn>().target_transfer_tag = iscsi::kReservedTag;
  pdu->stat_sn = StatSnUse::kPeek;
  queue_control(std::move(pdu));
}

void Connection::announce_end() { announce(iscsi::AsyncEvent::kDropAllConnections, 0); }

void Connection::announce_drop(uint16_t cid) { announce(iscsi::AsyncEvent::kDropConnection, cid); }

void Connection::command_freed() {
  if (!paused_) return;
  paused_ = rx.want_command = false;
  conn_->resume_rx();
}

RxAction Connection::on_header(RxPdu& pdu, Placement* placement) {
  if (ending_) return RxAction::kClose;
  last_receive_ms = os_now_ms();
  switch (phase_) {
    case ConnectionPhase::kLogin:
      return login_->on_header(pdu, placement);
    case ConnectionPhase::kFullFeature: {
      const RxAction action = rx::begin(*this, pdu, placement);
      if (action == RxAction::kPause) paused_ = true;
      if (action != RxAction::kPause) trace::pdu(*this, pdu.bhs, pdu.data_size(), false);
      return action;
    }
    case ConnectionPhase::kMoving:
      return RxAction::kPause;
    default:
      return RxAction::kClose;
  }
}

RxAction Connection::on_pdu(RxPdu& pdu) {
  last_receive_ms = os_now_ms();
  heard_ = true;
  RxAction action = RxAction::kContinue;
  if (phase_ == ConnectionPhase::kLogin) {
    login_->on_pdu(pdu);
  } else {
    action = rx::complete(*this, pdu);
    if (action == RxAction::kPause) paused_ = true;
  }
  return ending_ ? RxAction::kClose : action;
}

void Connection::on_header_digest_error() { drop("header digest error"); }

void Connection::on_pass_end() {
  if (phase_ == ConnectionPhase::kLogin) return login_->run();
  // The last Login Response may count as sent in this very pass: the session that the connection
  // has joined is another worker's, where it is going.
  if (!session_ || phase_ == ConnectionPhase::kMoving) return;
  session_->run_work();
  provide_memory();
}

void Connection::discard_arriving(Command& command) {
  if (rx.command != &command) return;
  rx.command = nullptr;
  rx.r2t = nullptr;
  rx.discard = true;
  command.receiving = false;
  conn_->discard_rest();
}

// Receiving may have paused for memory that takes sleeping to get.
void Connection::provide_memory() {
  if (ending_ || phase_ != ConnectionPhase::kFullFeature) return;
  if (rx.wanted != 0) {
    rx.spare = worker_->bounce_pool().take_or_allocate(std::exchange(rx.wanted, 0));
    if (!rx.spare) return drop("out of memory for received data");
    conn_->resume_rx();
  } else if (rx.want_command) {
    if (session_->stock_commands()) return command_freed();
    if (!session_->wait_for_command(*member_)) drop("out of memory for a command");
  }
}

bool Connection::next_pdu(TxPdu* pdu) {
  while (TxItem* item = tx_queue.front()) {
    if (item->kind == TxKind::kCommand) {
      Command& command = Command::of(*item);
      if (!command.has_tx_work()) {
        tx_queue.remove(*item);
        continue;
      }
      tx::fill_command(*this, command, pdu);
      trace::pdu(*this, pdu->bhs, pdu->data_size, true);
      if (!command.has_tx_work()) tx_queue.remove(*item);
      return true;
    }
    tx_queue.remove(*item);
    if (item->kind == TxKind::kR2t) {
      tx::fill_r2t(*this, R2t::of(*item), pdu);
    } else {
      fill_control(*static_cast<ControlPdu*>(item), pdu);
    }
    trace::pdu(*this, pdu->bhs, pdu->data_size, true);
    return true;
  }
  return false;
}

void Connection::fill_control(ControlPdu& control, TxPdu* pdu) {
  pdu->bhs = control.bhs;
  pdu->memory = control.data.bytes().first(control.data_size);
  pdu->data_size = control.data_size;
  pdu->item = static_cast<TxItem*>(&control);
  pdu->mark = tx::kOther;
  tx::stamp(*this, pdu->bhs, control.stat_sn);
}

void Connection::pdu_sent(TxPdu& pdu) {
  auto* item = static_cast<TxItem*>(pdu.item);
  if (item == nullptr) return;
  if (item->kind == TxKind::kCommand) {
    tx::command_pdu_sent(Command::of(*item), pdu);
    if (session_) session_->run_work();
    return;
  }
  OwnPtr<ControlPdu> control(static_cast<ControlPdu*>(item));
  --control_pdus;
  if (control->after == AfterSend::kLoginResponse) login_->response_sent();
  command_freed();
}

void Connection::pdu_dropped(TxPdu& pdu) {
  auto* item = static_cast<TxItem*>(pdu.item);
  if (item != nullptr && item->kind == TxKind::kControl) destroy(static_cast<ControlPdu*>(item));
}

void Connection::on_placed(const Landing& landing) {
  static_cast<R2t*>(landing.item)->placed = true;
}

void Connection::on_released(PlacedTask& task) {
  write_data::released(container_of(task, &Command::placed));
}

void Connection::on_moved() {
  worker_ = &session_->worker();
  login_.reset();
  phase_ = ConnectionPhase::kFullFeature;
  exp_stat_sn = stat_sn;  // Nothing of the login needs a fence.
  describe_status();
  if (portal_) portal_->enter(status.in_portal);
  session_->connection_arrived(*this);
}

void Connection::on_timer(Timer& timer) {
  Connection& connection = container_of(timer, &Connection::timer_);
  if (connection.phase_ == ConnectionPhase::kLogin) {
    connection.drop("login not finished in time");
  } else {
    connection.keepalive();
  }
}

void Connection::set_keepalive(uint32_t seconds) {
  if (seconds == keepalive_s_) return;
  keepalive_s_ = seconds;
  keepalive_since_ms_ = os_now_ms();
  if (seconds == 0) return timer_.disarm();
  worker_->arm(timer_, seconds * kMsPerSecond / 2);
}

// Without a sign of life for half of the limit a ping goes out; without one for all of it, the
// connection is lost.
void Connection::keepalive() {
  const uint64_t limit = keepalive_s_ * kMsPerSecond;
  const uint64_t heard_ms =
      last_receive_ms > keepalive_since_ms_ ? last_receive_ms : keepalive_since_ms_;
  const uint64_t silence = os_now_ms() - heard_ms;
  if (silence >= limit) return drop("no sign of life from the initiator");
  if (silence >= limit / 2 && !ping_outstanding && !send_ping()) return;
  worker_->arm(timer_, limit / 4 + 1);
}

bool Connection::send_ping() {
  OwnPtr<ControlPdu> ping = make_control(iscsi::Opcode::kNopIn, iscsi::kReservedTag);
  if (!ping) return false;
  if (++ping_tag == iscsi::kReservedTag) ping_tag = 1;
  ping->bhs.as<iscsi::NopIn>().target_transfer_tag = ping_tag;
  ping->stat_sn = StatSnUse::kPeek;
  ping_outstanding = true;
  queue_control(std::move(ping));
  return true;
}

void Connection::raise_fence() {
  const bool all_acknowledged = tx_queue.empty() && exp_stat_sn == stat_sn;
  if (!all_acknowledged && !ending_) fence_raised_ = send_ping();
}

void Connection::on_closed(CloseReason reason) {
  if (!ending_) {
    os_log_limited(OS_LOG_INFO, "%s: connection closed by %s", peer_text(),
                   reason == CloseReason::kPeerClosed ? "the initiator" : "the network");
  }
  ending_ = true;
  timer_.disarm();
  if (phase_ == ConnectionPhase::kLogin) {
    if (login_) login_->cancel();
    engine_.login_ended(*this);
  } else if (phase_ == ConnectionPhase::kMoving) {
    LoginService::give_up(*session_, *member_);
  } else {
    // Commands still in the send queue belong to the session.
    while (TxItem* item = tx_queue.pop_front()) {
      if (item->kind == TxKind::kControl) destroy(static_cast<ControlPdu*>(item));
    }
    if (rx.command != nullptr) rx.command->receiving = false;
    conn_.reset();
    if (portal_) portal_->leave(status.in_portal);
    session_->connection_lost(*this, logged_out_ ? EndReason::kLogout : EndReason::kConnectionLost);
  }
  destroy(this);
}

}  // namespace chiscsi
