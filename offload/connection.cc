// SPDX-License-Identifier: GPL-2.0-only
//
// Connections: their inbox, their owner, and what the target calls that fits nowhere else.
#include "offload/connection.hh"

#include "offload/server.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

// What one connection may have waiting where no window limits the peer.
constexpr uint64_t kMaxQueuedBytes = 16u << 20;

constexpr int kIoError = -static_cast<int>(Error::kIo);
constexpr int kNoData = -61;  // -ENODATA, which is no error of the host.
constexpr int kNoBuffers = -static_cast<int>(Error::kNoMemory);

bool is_data(cpl::Opcode opcode) {
  return opcode == cpl::Opcode::kIscsiHdr || opcode == cpl::Opcode::kIscsiData ||
         opcode == cpl::Opcode::kRxIscsiDdp || opcode == cpl::Opcode::kRxIscsiCmp;
}

}  // namespace

OffloadConn::OffloadConn(OffloadAdapter& adapter, Ref<OffloadPortal> portal,
                         const wr::AcceptRequest& request, uint32_t life)
    : adapter_(Ref<OffloadAdapter>::share(&adapter)),
      portal_(std::move(portal)),
      request_(request),
      life_(life),
      assembler_(adapter.ops().page_put) {
  close_request_.embedded = true;
}

OffloadConn::~OffloadConn() {
  CHISCSI_CHECK(!on_device_);
  while (TxRequest* request = spare_requests_.pop_front())
    destroy(request);
  while (TxSlot* slot = spare_slots_.pop_front())
    destroy(slot);
  while (TxSlot* slot = pulled_.pop_front())
    destroy(slot);
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
}

bool OffloadConn::prepare() {
  lock_ = os_spinlock_create();
  return lock_ != nullptr;
}

// --- From any thread ---

bool OffloadConn::receive(OffloadMessage& message) {
  const bool is_payload = is_data(message.opcode());
  SpinGuard guard(lock_);
  overflow_ |= queued_bytes_ > kMaxQueuedBytes;
  if (discards_ || (is_payload && (overflow_ || discards_data_))) return false;
  queued_bytes_ += is_payload ? message.total() : 0;
  (is_payload ? data_ : control_).push_back(message);
  notify_locked();
  return true;
}

void OffloadConn::wake() {
  SpinGuard guard(lock_);
  notify_locked();
}

bool OffloadConn::limit_passed(uint64_t now_ms) const {
  const uint64_t limit = limit_ms_.load();
  return retry_.load() || (limit != 0 && now_ms >= limit);
}

void OffloadConn::lost_message(bool accept) {
  if (accept) accept_lost_.store(true);
  lost_.store(true);
  wake();
}

// The reference of a posted turn is given back by the turn.
void OffloadConn::notify_locked() {
  if (owner_ == Owner::kTarget) {
    if (started_) chiscsi_conn_schedule(port_);
    return;
  }
  ref();
  if (!control_posted_.request(adapter_->control())) unref();
}

void OffloadConn::set_owner(Owner owner) {
  with_target_ = owner == Owner::kTarget;
  SpinGuard guard(lock_);
  owner_ = owner;
  if (owner == Owner::kControl) started_ = false;
}

// --- The owner's turns ---

void OffloadConn::on_control_turn(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  auto conn = Ref<OffloadConn>::adopt(&container_of(posted, &OffloadConn::control_posted_));
  posted.begin();
  if (conn->owner() != Owner::kControl) return;
  conn->begin_turn();
}

OffloadConn::Owner OffloadConn::owner() {
  SpinGuard guard(lock_);
  return owner_;
}

OffloadMessage* OffloadConn::next_message() {
  SpinGuard guard(lock_);
  return control_.pop_front();
}

// A turn of the control worker may give the connection to the target: then it must not go on.
bool OffloadConn::begin_turn() {
  const bool was_with_target = with_target_;
  retry_.store(false);
  if (state_ == OffloadState::kDead) {
    if (on_device_) end();
    return false;
  }
  while (on_device_ && state_ != OffloadState::kDead) {
    OffloadMessage* message = next_message();
    if (message == nullptr) break;
    const bool hands_over =
        state_ == OffloadState::kOpening && message->opcode() == cpl::Opcode::kPassEstablish;
    // The backend may be gone with the adapter's last connection: its pages go back before that.
    const AdapterUse use(*adapter_, message->has_pages());
    handle(*message);
    OffloadMessage::drop(message, ops().page_put);
    if (hands_over && !was_with_target) return false;
  }
  const auto lives = [this] { return on_device_ && state_ != OffloadState::kDead; };
  if (lives()) check_adapter();
  if (lives()) check_limit();
  return lives();
}

void OffloadConn::handle(const OffloadMessage& message) {
  cpl::Fw4Ack ack;
  cpl::SetTcbRpl tcb;
  cpl::StatusRpl status;
  switch (message.opcode()) {
    case cpl::Opcode::kPassEstablish:
      return on_establish(message);
    case cpl::Opcode::kFw4Ack:
      return message.read(&ack) ? on_ack(ack) : fail(kIoError);
    case cpl::Opcode::kSetTcbRpl:
      return message.read(&tcb) ? on_set_tcb_reply(tcb) : fail(kIoError);
    case cpl::Opcode::kPeerClose:
      return on_peer_close();
    case cpl::Opcode::kCloseConRpl:
      return on_close_reply();
    case cpl::Opcode::kAbortReqRss:
      return message.read(&status) ? on_abort_request(status.status) : fail(kIoError);
    case cpl::Opcode::kAbortRplRss:
      return on_abort_reply();
    default:  // A stream of bytes is not what the connection was opened for.
      offload_stats.add(OffloadCount::kBadMessages);
      return fail(kIoError);
  }
}

void OffloadConn::check_adapter() {
  if (is_forgotten()) return die(kIoError);
  if (is_unknown()) return die(kIoError);
  if (reply_owed_) return send_abort_reply();
  if (state_ == OffloadState::kAborting) return send_abort();
  if (adapter_->is_leaving() || lost_.load()) return fail(kIoError);
  bool overflow;
  {
    SpinGuard guard(lock_);
    overflow = overflow_;
  }
  if (overflow) fail(kNoBuffers);
}

// --- Limits ---

void OffloadConn::set_limit(uint32_t delay_ms) { limit_ms_.store(os_now_ms() + delay_ms); }

void OffloadConn::check_limit() {
  const uint64_t limit = limit_ms_.load();
  if (limit == 0 || os_now_ms() < limit) return;
  clear_limit();
  on_limit();
}

void OffloadConn::on_limit() {
  if (state_ != OffloadState::kAborting) {
    os_log_limited(OS_LOG_WARNING, "offload: %s: tid %u: no answer in time, state %u",
                   adapter_->info().name, tid(), static_cast<uint32_t>(state_));
    return fail(-static_cast<int>(Error::kTimedOut));
  }
  offload_stats.add(OffloadCount::kAbortsUnanswered);
  os_log_limited(OS_LOG_WARNING, "offload: %s: tid %u: its abort is not answered",
                 adapter_->info().name, tid());
  set_limit(offload_limits.abort_report);
}

// --- What the target calls ---

void OffloadConn::start() {
  SpinGuard guard(lock_);
  started_ = true;
}

int OffloadConn::set_param(chiscsi_conn_param param, uint32_t value) {
  if (param == CHISCSI_PARAM_HDRDGST_EN) {
    header_digest_ = value != 0;
  } else if (param == CHISCSI_PARAM_DATADGST_EN) {
    data_digest_ = value != 0;
  } else {
    return kNoData;
  }
  tcb_wanted_ = true;
  return 0;
}

int OffloadConn::get_param(chiscsi_conn_param param, unsigned int* value) const {
  if (param == CHISCSI_PARAM_HDRDGST_EN) {
    *value = header_digest_ ? 1 : 0;
  } else if (param == CHISCSI_PARAM_DATADGST_EN) {
    *value = data_digest_ ? 1 : 0;
  } else {
    *value = adapter_->max_data_segment();
  }
  return 0;
}

}  // namespace chiscsi
