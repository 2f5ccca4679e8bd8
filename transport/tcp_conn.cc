// SPDX-License-Identifier: GPL-2.0-only
//
// A connection's turn on its worker: receive pass, storage drivers, send pass, and at the end of a
// turn the one place where a connection moves to another worker or goes away.
#include "transport/tcp_conn.hh"

namespace chiscsi {

namespace {
// About as much as one turn may move, so that a busy connection cannot keep the others waiting.
constexpr size_t kReceiveBudget = 1024 * 1024;
constexpr size_t kSendBudget = 1024 * 1024;
// The largest data segment the socket transport offers to receive or send.
constexpr uint32_t kMaxDataSegment = 1024 * 1024;
// How long the last PDUs of a connection may take to leave.
constexpr uint32_t kFlushLimitMs = 5'000;
}  // namespace

TcpConn::TcpConn(os_socket* socket) : socket_(socket) {}

Result<OwnPtr<TcpConn>> TcpConn::create(os_socket* socket) {
  OwnPtr<TcpConn> conn = make<TcpConn>(Alloc::kMaySleep, socket);
  if (!conn) {
    os_socket_close(socket);
    return Error::kNoMemory;
  }
  CHISCSI_TRY(Status::from_errno(os_socket_addresses(socket, &conn->local_, &conn->peer_)));
  return conn;
}

TcpConn::~TcpConn() {
  if (socket_ != nullptr) os_socket_close(socket_);
}

ConnCapabilities TcpConn::limits() const { return {kMaxDataSegment, kMaxDataSegment, false}; }

void TcpConn::start(Worker& worker, ConnUser& user) {
  worker_ = &worker;
  user_ = &user;
  reader_.set_user(user_);
  writer_.set_user(user_);
  attach();
}

void TcpConn::attach() {
  os_socket_set_notify(socket_, &TcpConn::on_socket_event, this);
  rx_wanted_ = tx_wanted_ = true;
  tx_blocked_ = false;
  request_turn();
}

void TcpConn::set_digests(bool header, bool data) {
  header_digest_ = header;
  data_digest_ = data;
}

void TcpConn::on_socket_event(void* self, unsigned int events) {
  auto* conn = static_cast<TcpConn*>(self);
  conn->events_.fetch_or(events, std::memory_order_release);
  conn->request_turn();
}

void TcpConn::on_ready(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  container_of(posted, &TcpConn::ready_).turn();
}

void TcpConn::turn() {
  const unsigned int events = events_.exchange(0, std::memory_order_acquire);
  if ((events & (OS_SOCKET_READABLE | OS_SOCKET_CLOSED)) != 0) rx_wanted_ = true;
  if ((events & (OS_SOCKET_WRITABLE | OS_SOCKET_CLOSED)) != 0) tx_blocked_ = false;
  if (moving_to_ != nullptr && close_reason_ == CloseReason::kNone) return finish_move();
  if (arriving_) arrive();

  in_turn_ = true;
  if (close_reason_ == CloseReason::kNone && rx_wanted_) receive_pass();
  if (close_reason_ == CloseReason::kNone || flushing_) send_pass();
  in_turn_ = false;
  if (close_reason_ != CloseReason::kNone && !flushing_) return finish_close();
  if (moving_to_ != nullptr) request_turn();
}

void TcpConn::arrive() {
  arriving_ = false;
  reader_.set_digests(header_digest_, data_digest_);
  writer_.set_digests(header_digest_, data_digest_);
  attach();
  user_->on_moved();
}

size_t TcpConn::on_bytes(void* self, const uint8_t* data, size_t size) {
  return static_cast<TcpConn*>(self)->reader_.consume(Bytes(data, size));
}

void TcpConn::receive_pass() {
  rx_wanted_ = false;
  // A paused reader first repeats its question, which needs no bytes.
  if (reader_.paused()) reader_.consume(Bytes());
  long got = 0;
  int more = 1;
  if (!reader_.paused() && !reader_.closed()) {
    got = os_socket_read(socket_, &TcpConn::on_bytes, this, kReceiveBudget, &more);
  }
  user_->on_pass_end();
  if (reader_.closed()) return close(CloseReason::kProtocolError, true);
  if (got == -static_cast<long>(Error::kAgain) || reader_.paused()) return;
  if (got < 0) {
    const bool ended = got == -static_cast<long>(Error::kPipe);
    return close(ended ? CloseReason::kPeerClosed : CloseReason::kTransportError, false);
  }
  if (more == 0) return;
  rx_wanted_ = true;
  request_turn();
}

void TcpConn::resume_rx() {
  rx_wanted_ = true;
  request_turn();
}

void TcpConn::kick_tx() {
  tx_wanted_ = true;
  if (!in_turn_ && !tx_blocked_) request_turn();
}

void TcpConn::send_pass() {
  if (tx_blocked_ || !tx_wanted_) return;
  bool more = false;
  const int status = writer_.send(
      socket_, Span<os_fragment>(worker_->scratch_fragments(), Worker::kScratchFragments),
      kSendBudget, &more);
  if (status == -static_cast<int>(Error::kAgain)) {
    tx_blocked_ = true;
  } else if (status < 0) {
    flushing_ = false;
    close(CloseReason::kTransportError, false);
  } else if (more) {
    request_turn();
  } else {
    tx_wanted_ = flushing_ = false;
  }
}

void TcpConn::move_to(Worker& worker) {
  moving_to_ = &worker;
  if (!in_turn_) request_turn();
}

void TcpConn::finish_move() {
  os_socket_set_notify(socket_, nullptr, nullptr);
  // A callback that ran before that may have posted to the old worker once more.
  if (ready_.is_pending()) return;
  worker_ = moving_to_;
  moving_to_ = nullptr;
  arriving_ = true;
  request_turn();
}

void TcpConn::close(CloseReason reason, bool flush) {
  if (close_reason_ != CloseReason::kNone && !(flushing_ && !flush)) return;
  if (close_reason_ == CloseReason::kNone) close_reason_ = reason;
  flushing_ = flush;
  if (flush) {
    tx_wanted_ = true;
    worker_->arm(flush_timer_, kFlushLimitMs);
  }
  if (!in_turn_) request_turn();
}

void TcpConn::on_flush_timeout(Timer& timer) {
  TcpConn& conn = container_of(timer, &TcpConn::flush_timer_);
  conn.flushing_ = false;
  conn.request_turn();
}

void TcpConn::finish_close() {
  if (socket_ != nullptr) {
    os_socket_close(socket_);
    socket_ = nullptr;
  }
  // A callback that ran before the close may have posted a last turn; it comes back here.
  if (ready_.is_pending()) return;
  flush_timer_.disarm();
  writer_.drop_all();
  user_->on_closed(close_reason_);
}

}  // namespace chiscsi
