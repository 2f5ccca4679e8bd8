// SPDX-License-Identifier: GPL-2.0-only
//
// A connection of another module's transport: its turns, its PDUs and its end.
#include "transport/plugin_conn.hh"

#include "os/log.h"

namespace chiscsi {

namespace {

// How long the last PDUs of a connection may take to leave.
constexpr uint32_t kPluginFlushLimitMs = 5'000;
constexpr uint32_t kMinConnSegment = 512;  // RFC 7143 section 13.12.
// How often it is said that a transport does not let go of a connection.
constexpr uint32_t kPluginStopReportMs = 30'000;

int to_c(RxAction action) {
  switch (action) {
    case RxAction::kContinue:
      return CHISCSI_RX_CONTINUE;
    case RxAction::kPause:
      return CHISCSI_RX_PAUSE;
    default:
      return CHISCSI_RX_CLOSE;
  }
}

// The parts of a PDU that its transport has no use for travel in the private fields.
TxPdu to_tx_pdu(const chiscsi_xmit_pdu& pdu) {
  TxPdu own;
  __builtin_memcpy(&own.bhs, pdu.bhs, sizeof(own.bhs));
  own.memory = Bytes(static_cast<const uint8_t*>(pdu.memory), pdu.memory ? pdu.data_size : 0);
  own.buffers = {pdu.sgl, pdu.sgcnt};
  own.buffers_offset = pdu.sgl_offset;
  own.data_size = pdu.data_size;
  own.item = pdu.chiscsi_private[0];
  own.mark = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pdu.chiscsi_private[1]));
  own.notice = static_cast<os_send_notice*>(pdu.chiscsi_private[2]);
  return own;
}

void fill_xmit_pdu(const TxPdu& own, chiscsi_xmit_pdu* pdu) {
  static_assert(sizeof(pdu->bhs) == sizeof(own.bhs));
  __builtin_memcpy(pdu->bhs, &own.bhs, sizeof(pdu->bhs));
  pdu->memory = own.memory.empty() ? nullptr : own.memory.data();
  pdu->sgl = own.buffers.elements;
  pdu->sgcnt = own.buffers.count;
  pdu->sgl_offset = own.buffers_offset;
  pdu->data_size = own.data_size;
  pdu->segment = own.segment;
  pdu->landing = nullptr;
  pdu->chiscsi_private[0] = own.item;
  pdu->chiscsi_private[1] = reinterpret_cast<void*>(static_cast<uintptr_t>(own.mark));
  pdu->chiscsi_private[2] = own.notice;
}

void fill_landing(const Landing& own, chiscsi_rx_landing* landing) {
  landing->task = own.task->handle;
  landing->sgl = own.buffers.elements;
  landing->sgcnt = own.buffers.count;
  landing->sgl_offset = own.buffers_offset;
  landing->sgl_length = own.buffers_length;
  landing->offset = own.offset;
  landing->length = own.length;
  landing->total = own.total;
}

}  // namespace

PluginPort::PluginPort(Ref<TransportPlugin> plugin, void* conn, Worker& worker, Acceptor& acceptor)
    : plugin_(std::move(plugin)),
      functions_(plugin_->functions()),
      conn_(conn),
      acceptor_(acceptor),
      worker_(&worker),
      limits_(plugin_->limits()) {}

// --- What the transport says, from anywhere ---

void PluginPort::failed(int error) {
  int none = kNoFailure;
  failure_.compare_exchange_strong(none, error < 0 ? error : 0);
  request_turn();
}

// The message is the last touch: once it is posted the port may be gone.
void PluginPort::stopped() {
  if (stop_told_.exchange(true)) return;
  worker_.load(std::memory_order_acquire)->post(stopped_message_);
}

void PluginPort::announce(OwnPtr<PluginConn> conn) {
  announced_ = std::move(conn);
  worker_.load(std::memory_order_relaxed)->post(accepted_message_);
}

// --- Messages ---

void PluginPort::on_accepted(WorkerMessage& message) {
  PluginPort& port = *static_cast<Message&>(message).port;
  Ref<PluginPort> keep = Ref<PluginPort>::share(&port);
  port.acceptor_.on_accept(std::move(port.announced_));
}

void PluginPort::on_ready(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  PluginPort& port = container_of(posted, &PluginPort::ready_);
  Ref<PluginPort> keep = Ref<PluginPort>::share(&port);
  posted.begin();
  if (!port.worker_.load(std::memory_order_acquire)->is_current()) return port.request_turn();
  port.turn();
}

void PluginPort::on_stopped(WorkerMessage& message) {
  PluginPort& port = *static_cast<Message&>(message).port;
  Worker& worker = *port.worker_.load(std::memory_order_acquire);
  if (!worker.is_current()) return worker.post(message);
  port.plugin_->remove(port);  // From here on nobody but this worker asks for a turn.
  port.stopped_ = true;
  port.finish_if_quiet();
}

// --- Turns ---

void PluginPort::start(Worker& worker, ConnUser& user) {
  CHISCSI_CHECK(worker_.load() == &worker);
  static_cast<void>(worker);
  user_ = &user;
  tx_wanted_ = true;
  ask_limit(CHISCSI_PARAM_MAX_RECV_DLENGTH, &limits_.max_recv_data_segment_length);
  ask_limit(CHISCSI_PARAM_MAX_XMIT_DLENGTH, &limits_.max_send_data_segment_length);
  functions_.start_conn(conn_);
  request_turn();
}

void PluginPort::turn() {
  if (stopped_) return finish_if_quiet();
  // Nothing of the transport's is called from when it said so until on_stopped().
  if (user_ == nullptr || stop_told_.load()) return;
  // Whoever was let in arrives, also when the connection has failed since: as over sockets.
  if (moving_to_ != nullptr && close_reason_ == CloseReason::kNone) return finish_move();
  note_failure();
  if (arriving_) arrive();

  bool more = false;
  in_turn_ = true;
  if (close_reason_ == CloseReason::kNone) more |= receive_pass();
  if (close_reason_ == CloseReason::kNone || flushing_) more |= send_pass();
  if (close_reason_ == CloseReason::kNone) tell_releases();
  in_turn_ = false;
  if (close_reason_ != CloseReason::kNone) stop();
  if (more || moving_to_ != nullptr) request_turn();
}

void PluginPort::note_failure() {
  const int error = failure_.load();
  if (error == kNoFailure) return;
  in_turn_ = true;  // No turn is to be asked for by close().
  close(error == 0 ? CloseReason::kPeerClosed : CloseReason::kTransportError, false);
  in_turn_ = false;
}

// A question that was answered with a pause is asked again before anything else is received.
bool PluginPort::receive_pass() {
  bool more = false;
  if (question_ == Question::kNone || ask(question_) == RxAction::kContinue) {
    more = functions_.recv_pdus(conn_) == 1;
  }
  user_->on_pass_end();
  if (close_reason_ == CloseReason::kNone) tell_releases();
  if (rx_closed_) close(CloseReason::kProtocolError, true);
  return more && question_ == Question::kNone;
}

bool PluginPort::send_pass() {
  tx_wanted_ = false;
  const bool more = functions_.xmit_pdus(conn_) == 1;
  landing_ = Landing();
  return more || tx_wanted_;
}

void PluginPort::kick_tx() {
  tx_wanted_ = true;
  if (!in_turn_) request_turn();
}

void PluginPort::set_digests(bool header, bool data) {
  apply(CHISCSI_PARAM_HDRDGST_EN, header);
  apply(CHISCSI_PARAM_DATADGST_EN, data);
}

void PluginPort::apply(chiscsi_conn_param param, bool on) {
  if (functions_.set_param(conn_, param, on ? 1 : 0) == 0) return;
  os_log_limited(OS_LOG_WARNING, "transport %s: cannot set parameter %d", plugin_->name(), param);
  close(CloseReason::kTransportError, false);
}

// What one connection can do may be less than what its transport can.
void PluginPort::ask_limit(chiscsi_conn_param param, uint32_t* limit) {
  unsigned int value = 0;
  if (functions_.get_param == nullptr || functions_.get_param(conn_, param, &value) != 0) return;
  if (value < kMinConnSegment) {
    os_log_limited(OS_LOG_WARNING, "transport %s: limit of %u bytes for a data segment ignored",
                   plugin_->name(), value);
  } else if (value < *limit) {
    *limit = value;
  }
}

// The transport has said something that cannot be.
void PluginPort::misuse(const char* what) {
  os_log_limited(OS_LOG_ERROR, "transport %s: %s", plugin_->name(), what);
  close(CloseReason::kTransportError, false);
}

// --- Received PDUs ---

RxAction PluginPort::ask(Question question) {
  RxAction action;
  if (question == Question::kHeader) {
    placement_ = Placement();
    placed_ = 0;
    action = user_->on_header(rx_pdu_, &placement_);
  } else {
    action = user_->on_pdu(rx_pdu_);
  }
  question_ = action == RxAction::kPause ? question : Question::kNone;
  rx_closed_ |= action == RxAction::kClose;
  return action;
}

int PluginPort::rx_header(Bytes bhs, Bytes ahs, unsigned int flags) {
  if (close_reason_ != CloseReason::kNone || rx_closed_) return CHISCSI_RX_CLOSE;
  copy_bytes(MutableBytes(reinterpret_cast<uint8_t*>(&rx_pdu_.bhs), sizeof(rx_pdu_.bhs)), bhs);
  const bool ahs_too_long = (flags & CHISCSI_RX_AHS_TOO_LONG) != 0;
  rx_pdu_.ahs_too_long = ahs_too_long || ahs.size() > RxPdu::kMaxAhs;
  rx_pdu_.ahs_size = rx_pdu_.ahs_too_long ? 0 : static_cast<uint32_t>(ahs.size());
  copy_bytes(MutableBytes(rx_pdu_.ahs), ahs.first(rx_pdu_.ahs_size));
  rx_pdu_.data_digest_error = false;
  rx_pdu_.merged = (flags & CHISCSI_RX_MERGED) != 0;
  return to_c(ask(Question::kHeader));
}

void PluginPort::rx_data(Bytes data) {
  const Bytes part = data.first(rx_pdu_.data_size() - placed_);
  if (!placement_.memory.empty()) {
    copy_bytes(placement_.memory.skip(placed_), part);
  } else {
    placement_.buffers.copy_in(part);
  }
  placed_ += static_cast<uint32_t>(part.size());
}

// What the transport has placed already is not looked at; of what it still places it may tell.
void PluginPort::discard_rest() {
  placement_ = Placement();
  placement_.may_be_placed = true;
}

// One that says so of data which it was not asked to place would make old memory pass as data.
void PluginPort::rx_placed(uint32_t size) {
  if (!placement_.may_be_placed) {
    misuse("data placed without a place");
    rx_closed_ = true;
    return;
  }
  const uint32_t left = rx_pdu_.data_size() - placed_;
  const uint32_t part = size < left ? size : left;
  placement_.buffers.skip(part);
  placed_ += part;
}

// A transport that delivers less than it announced would leave old memory where data should be.
int PluginPort::rx_done(bool data_digest_error) {
  if (close_reason_ != CloseReason::kNone || rx_closed_) return CHISCSI_RX_CLOSE;
  if (placed_ != rx_pdu_.data_size()) {
    os_log_limited(OS_LOG_ERROR, "transport %s: %u of %u bytes of a data segment", plugin_->name(),
                   placed_, rx_pdu_.data_size());
    rx_closed_ = true;
    return CHISCSI_RX_CLOSE;
  }
  rx_pdu_.data_digest_error = data_digest_error;
  return to_c(ask(Question::kComplete));
}

void PluginPort::rx_header_digest_error() {
  if (close_reason_ != CloseReason::kNone) return;
  rx_closed_ = true;
  user_->on_header_digest_error();
}

// --- PDUs to send ---

bool PluginPort::next_pdu(chiscsi_xmit_pdu* pdu) {
  if (user_ == nullptr || (close_reason_ != CloseReason::kNone && !flushing_)) return false;
  landing_ = Landing();
  TxPdu own;
  own.max_burst = pdu->max_burst;
  if ((functions_.caps & CHISCSI_TRANSPORT_PLACES) != 0) own.landing = &landing_;
  if (!user_->next_pdu(&own)) return false;
  own.bhs.data_segment_length = own.data_size;
  fill_xmit_pdu(own, pdu);
  if (landing_.item == nullptr) return true;
  fill_landing(landing_, &told_landing_);
  pdu->landing = &told_landing_;
  return true;
}

// Whatever may have changed the state of the command in between would have taken the landing away.
void PluginPort::place(void* task) {
  const Landing landing = std::exchange(landing_, Landing());
  if (landing.item == nullptr || task == nullptr) return misuse("no R2T to be placed");
  if (landing.task->exists() && landing.task->handle != task) {
    return misuse("two tasks for one command");
  }
  landing.task->handle = task;
  user_->on_placed(landing);
}

void PluginPort::pdu_sent(const chiscsi_xmit_pdu& pdu) {
  landing_ = Landing();
  TxPdu own = to_tx_pdu(pdu);
  if (user_ != nullptr) user_->pdu_sent(own);
}

void PluginPort::pdu_dropped(const chiscsi_xmit_pdu& pdu) {
  TxPdu own = to_tx_pdu(pdu);
  if (user_ != nullptr) user_->pdu_dropped(own);
}

// --- Buffers that the transport places data into ---

// It is asked at the end of a pass, so that it is in none of its functions.
void PluginPort::release(PlacedTask& task) {
  to_release_.push_back(task);
  if (!in_turn_) request_turn();
}

void PluginPort::tell_releases() {
  while (PlacedTask* task = to_release_.pop_front()) {
    releasing_.push_back(*task);
    functions_.release_task(conn_, task->handle);
  }
}

void PluginPort::task_released(void* task) {
  PlacedTask* placed =
      releasing_.find([&](const PlacedTask& other) { return other.handle == task; });
  if (placed == nullptr) return misuse("a task that nobody has asked for is released");
  landing_ = Landing();
  placed->forget();
  user_->on_released(*placed);
}

void PluginPort::forget_placed() {
  while (PlacedTask* task = to_release_.pop_front())
    task->forget();
  while (PlacedTask* task = releasing_.pop_front())
    task->forget();
}

// --- Moving ---

void PluginPort::move_to(Worker& worker) {
  moving_to_ = &worker;
  if (!in_turn_) request_turn();
}

// The store is the handing over: from there on the new worker may have a turn.
void PluginPort::finish_move() {
  Worker* next = std::exchange(moving_to_, nullptr);
  arriving_ = true;
  worker_.store(next, std::memory_order_release);
  request_turn();
}

void PluginPort::arrive() {
  arriving_ = false;
  tx_wanted_ = true;
  user_->on_moved();
}

// --- The end ---

void PluginPort::close(CloseReason reason, bool flush) {
  if (close_reason_ != CloseReason::kNone && !(flushing_ && !flush)) return;
  if (close_reason_ == CloseReason::kNone) close_reason_ = reason;
  flushing_ = flush;
  if (!in_turn_) request_turn();
}

// At the end of a turn, so that the transport is in none of its functions.
void PluginPort::stop() {
  const Stop wanted = flushing_ ? Stop::kFlush : Stop::kTerminate;
  if (stop_asked_ >= wanted || stop_told_.load()) return;
  stop_asked_ = wanted;
  worker_.load()->arm(stop_timer_, flushing_ ? kPluginFlushLimitMs : kPluginStopReportMs);
  functions_.stop_conn(conn_, flushing_ ? CHISCSI_STOP_CONN_FLUSH : CHISCSI_STOP_CONN_TERM);
}

void PluginPort::on_stop_timeout(Timer& timer) {
  container_of(timer, &PluginPort::stop_timer_).stop_time_is_up();
}

void PluginPort::stop_time_is_up() {
  if (stop_asked_ == Stop::kTerminate) {
    os_log(OS_LOG_WARNING, "transport %s: a connection is not let go of", plugin_->name());
    return worker_.load()->arm(stop_timer_, kPluginStopReportMs);
  }
  flushing_ = false;
  request_turn();
}

// The engine's end went first, before start() or after on_closed().
void PluginPort::orphan() {
  user_ = nullptr;
  flushing_ = false;
  forget_placed();
  if (close_reason_ == CloseReason::kNone) close_reason_ = CloseReason::kLocal;
  if (!stopped_) stop();
}

// A turn that was asked for before the end is still to come, and comes back here.
void PluginPort::finish_if_quiet() {
  if (ready_.is_pending()) return;
  if (close_reason_ == CloseReason::kNone) close_reason_ = CloseReason::kTransportError;
  stop_timer_.disarm();
  forget_placed();
  if (ConnUser* user = std::exchange(user_, nullptr)) user->on_closed(close_reason_);
  functions_.destroy_conn(conn_);
  plugin_->port_ended();
  unref();  // The transport's reference.
}

}  // namespace chiscsi
