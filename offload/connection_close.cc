// SPDX-License-Identifier: GPL-2.0-only
//
// The end of a connection: in order, by abort, by the peer, or with the adapter. docs/offload.md
// has the table of states. Nothing here allocates, but an answer to a second abort of the peer, and
// what revokes pods.
#include "offload/connection.hh"
#include "os/log.h"

namespace chiscsi {

namespace {
constexpr int kPeerReset = -static_cast<int>(Error::kConnectionReset);
}  // namespace

// --- What is said to the target ---

void OffloadConn::tell_failed(int error) {
  if (!with_target_ || stop_asked_ || failed_told_) return;
  failed_told_ = true;
  chiscsi_conn_failed(port_, error);
}

void OffloadConn::fail(int error) {
  if (state_ == OffloadState::kDead || state_ == OffloadState::kAborting) return;
  offload_stats.add(OffloadCount::kConnsFailed);
  tell_failed(error);
  abort();
}

// --- Our side ---

void OffloadConn::close_in_order() {
  if (fin_sent_ || close_buffer_ == nullptr) return;
  fin_sent_ = true;
  state_ = peer_fin_ ? OffloadState::kMoribund : OffloadState::kClosing;
  wr::write_close_con_req(ops().buffer_header(close_buffer_), tid());
  close_request_.buffer = std::exchange(close_buffer_, nullptr);
  queue_request(close_request_, wr::length16(wr::kCloseConReqSize));
  set_limit(offload_limits.close);
  push(true);
}

void OffloadConn::abort() {
  if (state_ == OffloadState::kAborting || state_ == OffloadState::kDead) return;
  if (is_forgotten()) return die(kPeerReset);
  state_ = OffloadState::kAborting;
  offload_stats.add(OffloadCount::kAborts);
  set_limit(offload_limits.abort_report);
  drop_backlog();
  wr::write_abort_req(ops().buffer_header(abort_buffer_), tid(), true);
  send_abort();
}

// What could not be sent is sent again at the next tick.
void OffloadConn::send_abort() {
  if (abort_buffer_ == nullptr) return;
  if (!send_flowc()) return retry_later();
  if (send_to_peer(abort_buffer_) < 0) return retry_later();
  abort_buffer_ = nullptr;
}

// --- The adapter's side ---

void OffloadConn::on_peer_close() {
  switch (state_) {
    case OffloadState::kOpening:
      return fail(kPeerReset);
    case OffloadState::kAborting:
    case OffloadState::kDead:
      return;
    default:
      break;
  }
  peer_fin_ = true;
  if (state_ == OffloadState::kEstablished) state_ = OffloadState::kClosing;
  closed_a_half();
}

void OffloadConn::on_close_reply() {
  if (state_ == OffloadState::kAborting || !fin_sent_) return;
  fin_acked_ = true;
  closed_a_half();
}

void OffloadConn::closed_a_half() {
  if (peer_fin_ && fin_acked_) return die(0);
  if (fin_sent_ && (peer_fin_ || fin_acked_)) state_ = OffloadState::kMoribund;
}

// Answered always; while our own abort is under way its end is waited for.
void OffloadConn::on_abort_request(uint8_t status) {
  is_accepted_ = true;
  if (wr::is_negative_advice(status)) return;
  drop_backlog();
  reply_owed_ = true;
  send_abort_reply();
}

void OffloadConn::send_abort_reply() {
  if (abort_reply_buffer_ == nullptr) {
    abort_reply_buffer_ = ops().buffer_alloc(dev(), wr::kAbortSize, 0);
  }
  if (abort_reply_buffer_ == nullptr || !send_flowc()) return retry_later();
  wr::write_abort_rpl(ops().buffer_header(abort_reply_buffer_), tid());
  if (send_behind_flowc(abort_reply_buffer_) < 0) return retry_later();
  abort_reply_buffer_ = nullptr;
  reply_owed_ = false;
  // An abort of ours that was not sent has nothing to end any more.
  if (state_ == OffloadState::kAborting && abort_buffer_ == nullptr) return;
  // Unlike all other ends, no answer stands behind what was sent before.
  drains_until_ms_ = os_now_ms() + offload_limits.drain;
  die(kPeerReset);
}

void OffloadConn::on_abort_reply() {
  if (state_ == OffloadState::kAborting) return die(kPeerReset);
  offload_stats.add(OffloadCount::kBadMessages);
}

// --- The very end ---

void OffloadConn::die(int error) {
  if (state_ == OffloadState::kDead) return;
  state_ = OffloadState::kDead;
  tell_failed(error);
  end();
}

// Without memory it is tried again at the next tick.
void OffloadConn::end() {
  take_late_credits();
  if (!is_drained() || !release_device()) return retry_later();
  if (stop_asked_) stop_now();
}

// The pods of the connection were written by the data queue, and are made invalid by the control
// queue, which may be faster: not before the credits say that they are there, or for so long that
// they are there or never will be.
bool OffloadConn::is_drained() {
  if (drains_until_ms_ == 0 || is_forgotten() || credits_.idle()) return true;
  return os_now_ms() >= drains_until_ms_ || !has_tasks();
}

// Nothing else matters any more.
void OffloadConn::take_late_credits() {
  while (OffloadMessage* message = on_device_ ? next_message() : nullptr) {
    cpl::Fw4Ack ack;
    if (message->opcode() == cpl::Opcode::kFw4Ack && message->read(&ack)) on_ack(ack);
    OffloadMessage::drop(message, ops().page_put);
  }
}

// False: there are still pods in the adapter, so it keeps the tid and the memory.
bool OffloadConn::release_device() {
  clear_limit();
  drop_messages();
  drop_rx();
  drop_tx();
  if (!revoke_tasks()) return false;
  for (lld_buffer** buffer :
       {&flowc_buffer_, &abort_buffer_, &abort_reply_buffer_, &close_buffer_}) {
    if (*buffer != nullptr) ops().buffer_free(std::exchange(*buffer, nullptr));
  }
  const int is_ipv6 = request_.local.is_ipv6;
  if (on_device_) {
    adapter_->remove(*this);
    ops().tid_remove(dev(), tid(), route_.control_queue, is_ipv6);
  }
  if (std::exchange(has_clip_, false)) ops().clip_release(dev(), &request_.local);
  if (std::exchange(has_route_, false)) ops().route_put(dev(), &route_);
  if (std::exchange(on_device_, false)) adapter_->conn_ended();
  return true;
}

void OffloadConn::drop_messages() {
  OffloadMessages dropped;
  {
    SpinGuard guard(lock_);
    discards_ = true;
    dropped.splice_back(control_);
    dropped.splice_back(data_);
  }
  while (OffloadMessage* message = dropped.pop_front())
    OffloadMessage::drop(message, ops().page_put);
}

// From chiscsi_conn_stopped() on the target's pointer is nobody's.
void OffloadConn::stop_now() {
  if (std::exchange(stop_told_, true)) return;
  if (with_target_) give_back_pdus();
  {
    SpinGuard guard(lock_);
    started_ = false;
    discards_ = true;
  }
  chiscsi_conn_stopped(port_);
}

// All is sent and the peer has it; nothing of the target's is in use. Its FIN may take as long as
// it likes.
bool OffloadConn::is_flushed() {
  return flushing_ && fin_sent_ && fin_acked_ && state_ != OffloadState::kAborting &&
         backlog_.empty() && pulled_.empty() && !has_tasks();
}

// The rest is between the control worker and the adapter. The target's pointer is good until it was
// told, and its reference until it has answered.
void OffloadConn::let_go() {
  stop_told_ = true;
  set_owner(Owner::kControl);
  wake();
  chiscsi_conn_stopped(port_);
}

void OffloadConn::stop(int flag) {
  if (stop_told_) return;
  stop_asked_ = true;
  {
    SpinGuard guard(lock_);
    discards_data_ = true;
  }
  drop_rx();
  flushing_ = flag == CHISCSI_STOP_CONN_FLUSH;
  if (state_ == OffloadState::kDead && !on_device_) return stop_now();
  if (flushing_) return chiscsi_conn_schedule(port_);
  give_back_pdus();
  if (is_closed_by_peer_only()) {
    close_in_order();
  } else {
    abort();
  }
  if (stop_told_) return;
  set_owner(Owner::kControl);
  wake();
}

// The peer has ended it, and nothing is under way: no need for a reset.
bool OffloadConn::is_closed_by_peer_only() {
  if (state_ != OffloadState::kClosing || !peer_fin_ || fin_sent_) return false;
  if (!backlog_.empty() || !credits_.idle() || building_ != nullptr) return false;
  return !has_tasks();
}

bool OffloadConn::has_tasks() {
  for (auto& bucket : tasks_) {
    if (!bucket.empty()) return true;
  }
  return false;
}

}  // namespace chiscsi
