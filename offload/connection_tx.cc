// SPDX-License-Identifier: GPL-2.0-only
//
// Sending: what is pulled, the backlog of work requests, and their credits.
#include "offload/connection.hh"
#include "offload/iso.hh"

namespace chiscsi {

namespace {

constexpr uint32_t kTxTurnBytes = 1u << 20;
constexpr int kTxError = -static_cast<int>(Error::kIo);
constexpr uint32_t kCompletionByte = 1;  // Of a work request: bits 23:16 of `hi`.
constexpr uint8_t kCompletionBit = cpl::kWrCompletion >> 16;

}  // namespace

int OffloadConn::xmit() {
  if (!begin_turn()) return 0;
  if (is_flushed()) {
    let_go();
    return 0;
  }
  return_rx_credits();
  if (!invalidate_tasks()) retry_later();
  push(false);  // With more than one request in the backlog nothing is pulled.
  uint32_t moved = 0;
  Pulled pulled = Pulled::kPdu;
  while (may_send() && moved < kTxTurnBytes) {
    if (building_ == nullptr) {
      pulled = may_pull() ? pull() : Pulled::kNotNow;
      if (pulled != Pulled::kPdu) break;
      moved += iscsi::kBhsSize + building_->pdu.data_size;
    }
    if (!build()) {
      retry_later();
      break;
    }
    push(false);
  }
  push(true);
  report_sent();  // A Login Response, for one, that is not waited for.
  if (!may_send()) return 0;
  if (pulled == Pulled::kNone && flushing_) close_in_order();
  return moved >= kTxTurnBytes ? 1 : 0;
}

bool OffloadConn::may_send() const {
  return on_device_ && !fin_sent_ && !reply_owed_ &&
         (state_ == OffloadState::kEstablished || state_ == OffloadState::kClosing);
}

// Only with credits for whatever may come: a PDU that was pulled has to be sent.
bool OffloadConn::may_pull() {
  if (tcb_wanted_ && !begin_digest_switch()) return false;
  if (tcb_waiting_) return false;
  uint32_t cost = dearest_ + (flowc_sent_ ? 0 : flowc_cost());
  if (TxRequest* held = backlog_.front()) {
    if (backlog_.next(*held) != nullptr) return false;
    cost += held->cost;
  }
  if (credits_.can_send(cost)) return true;
  offload_stats.add(OffloadCount::kCreditsExhausted);
  return false;
}

OffloadConn::Pulled OffloadConn::pull() {
  TxSlot* slot = spare_slots_.pop_front();
  if (slot == nullptr) slot = make<TxSlot>(Alloc::kAtomic).release();
  if (slot == nullptr) {
    retry_later();
    return Pulled::kNotNow;
  }
  *static_cast<TxSlotState*>(slot) = TxSlotState();
  const lld_device_info& info = adapter_->info();
  slot->pdu.max_burst = info.has_iso != 0 ? iso_payload_max(info.max_fragments) : 0;
  if (chiscsi_conn_next_pdu(port_, &slot->pdu) == 0) {
    spare_slots_.push_front(*slot);
    return Pulled::kNone;
  }
  pulled_.push_back(*slot);
  building_ = slot;
  return Pulled::kPdu;
}

// --- The backlog ---

TxRequest* OffloadConn::take_request(uint32_t header_size, uint32_t fragments) {
  TxRequest* request = spare_requests_.pop_front();
  if (request == nullptr) request = make<TxRequest>(Alloc::kAtomic).release();
  if (request == nullptr) return nullptr;
  request->buffer = ops().buffer_alloc(dev(), header_size, fragments);
  if (request->buffer != nullptr) return request;
  spare_requests_.push_front(*request);
  return nullptr;
}

void OffloadConn::free_request(TxRequest& request) {
  if (request.buffer != nullptr) ops().buffer_free(std::exchange(request.buffer, nullptr));
  request.slot = nullptr;
  request.released = nullptr;
  request.completion = false;
  if (!request.embedded) spare_requests_.push_front(request);
}

void OffloadConn::queue_request(TxRequest& request, uint32_t cost) {
  request.cost = cost;
  backlog_.push_back(request);
}

// Sends what there are credits for; without `all` the last one waits for the next, since the last
// of a turn has to ask for an answer.
void OffloadConn::push(bool all) {
  if (state_ == OffloadState::kAborting) return;
  while (TxRequest* request = backlog_.front()) {
    const bool is_last = backlog_.next(*request) == nullptr;
    if (is_last && !all) return;
    const uint32_t cost = request->cost + (flowc_sent_ ? 0 : flowc_cost());
    if (!credits_.can_send(cost)) return;
    // What was sent is lost, and nothing may come behind the gap.
    if (lost_.load()) return fail(kTxError);
    if (!send_flowc() || !send_request(*request, cost, is_last)) return fail(kTxError);
  }
}

bool OffloadConn::send_request(TxRequest& request, uint32_t cost, bool last) {
  const bool completion = request.completion || credits_.wants_completion(cost, last);
  if (completion) ops().buffer_header(request.buffer)[kCompletionByte] |= kCompletionBit;
  if (send_to_peer(request.buffer) < 0) return false;
  request.buffer = nullptr;
  backlog_.remove(request);
  if (request.slot != nullptr && request.slot->is_login_response()) {
    --std::exchange(request.slot, nullptr)->pending;
  }
  request.record.owner = &request;
  credits_.take(request.record, cost, completion);
  return true;
}

int OffloadConn::send_to_peer(lld_buffer* buffer) {
  return ops().send_l2t(dev(), buffer, route_.tx_queue, 0, route_.l2t,
                        &OffloadAdapter::on_arp_failure, adapter_.get());
}

wr::FlowcValues OffloadConn::flowc_values() const {
  wr::FlowcValues values = flowc_;
  values.tid = tid();
  values.pf = adapter_->info().pf;
  values.tx_channel = route_.tx_channel;
  values.rx_queue_id = route_.rx_queue_id;
  values.send_window = wr::send_window(route_.link_mbps);
  return values;
}

uint32_t OffloadConn::flowc_cost() const { return wr::length16(wr::flowc_size(flowc_)); }

// Ahead of everything on the data queue, once. It needs no next hop, but the reply to the request
// does and has to be first: until the adapter has spoken of the connection that may still wait.
bool OffloadConn::send_flowc() {
  if (flowc_sent_) return true;
  wr::write_flowc(ops().buffer_header(flowc_buffer_), flowc_values());
  const int rc = is_accepted_ ? ops().send(dev(), flowc_buffer_, route_.tx_queue, 0)
                              : send_to_peer(flowc_buffer_);
  if (rc < 0) return false;
  flowc_buffer_ = nullptr;
  flowc_sent_ = true;
  flowc_waits_ = !is_accepted_;
  return true;
}

// Of what needs no next hop either.
int OffloadConn::send_behind_flowc(lld_buffer* buffer) {
  return flowc_waits_ ? send_to_peer(buffer) : ops().send(dev(), buffer, route_.tx_queue, 0);
}

// --- What comes back ---

// Where a message was lost, credits of later ones would be taken for those of earlier ones.
void OffloadConn::on_ack(const cpl::Fw4Ack& ack) {
  if (lost_.load()) return;
  const bool holds = credits_.ack(ack.credits, [this](TxRecord& record) {
    request_done(*static_cast<TxRequest*>(record.owner));
  });
  if (!holds) {
    if (state_ == OffloadState::kAborting) return;
    offload_stats.add(OffloadCount::kBadMessages);
    return fail(kTxError);
  }
  report_sent();
}

void OffloadConn::request_done(TxRequest& request) {
  if (request.slot != nullptr) --request.slot->pending;
  if (DdpTask* task = request.released) {
    free_task(*task);
    if (with_target_ && !stop_asked_) chiscsi_conn_task_released(port_, task);
  }
  free_request(request);
}

void OffloadConn::report_sent() {
  while (TxSlot* slot = pulled_.front()) {
    if (!slot->whole || slot->pending != 0 || slot->given_back) return;
    pulled_.remove(*slot);
    chiscsi_conn_pdu_sent(port_, &slot->pdu);
    spare_slots_.push_front(*slot);
  }
}

void OffloadConn::give_back_pdus() {
  report_sent();
  pulled_.for_each([this](TxSlot& slot) {
    if (!std::exchange(slot.given_back, true)) chiscsi_conn_pdu_dropped(port_, &slot.pdu);
  });
}

// What was not sent is not sent.
void OffloadConn::drop_backlog() {
  building_ = nullptr;
  writing_ = nullptr;
  while (TxRequest* request = backlog_.pop_front())
    free_request(*request);
}

void OffloadConn::drop_tx() {
  drop_backlog();
  credits_.purge([this](TxRecord& record) {
    TxRequest& request = *static_cast<TxRequest*>(record.owner);
    if (request.slot != nullptr) --request.slot->pending;
    free_request(request);
  });
}

// --- Digests ---

// True when the adapter has nothing to be told. One word has both digests and the page size.
bool OffloadConn::begin_digest_switch() {
  const uint32_t digests = (header_digest_ ? 1u : 0u) | (data_digest_ ? 2u : 0u);
  const uint32_t page =
      adapter_->page_index() > 0 ? static_cast<uint32_t>(adapter_->page_index()) : 0;
  const uint32_t value = digests << cpl::kTcbUlpDigestShift | page << cpl::kTcbUlpPageSizeShift;
  if (tcb_waiting_) return false;
  if (value == tcb_value_) {
    tcb_wanted_ = false;
    return true;
  }
  if (state_ != OffloadState::kEstablished) return false;
  lld_buffer* buffer = ops().buffer_alloc(dev(), wr::kSetTcbSize, 0);
  if (buffer == nullptr) {
    retry_later();
    return false;
  }
  const uint64_t mask = 3u << cpl::kTcbUlpDigestShift | 3u << cpl::kTcbUlpPageSizeShift;
  wr::write_set_tcb(ops().buffer_header(buffer), tid(), route_.rx_queue_id, cpl::kTcbWordUlp, mask,
                    value, wr::kCookieDigests);
  if (!adapter_->send_control(buffer, route_.control_queue)) {
    fail(kTxError);
    return false;
  }
  tcb_value_ = value;
  tcb_waiting_ = true;
  set_limit(offload_limits.set_tcb);
  return false;
}

void OffloadConn::on_set_tcb_reply(const cpl::SetTcbRpl& reply) {
  if (!tcb_waiting_ || wr::reply_cookie(reply) != wr::kCookieDigests || reply.status != 0) {
    offload_stats.add(OffloadCount::kBadMessages);
    return fail(kTxError);
  }
  tcb_waiting_ = false;
  if (!fin_sent_ && state_ != OffloadState::kAborting) clear_limit();  // Else it is theirs.
}

}  // namespace chiscsi
