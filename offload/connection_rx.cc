// SPDX-License-Identifier: GPL-2.0-only
//
// Received PDUs: from the adapter's messages to the target, one call at a time, since each may be
// answered with a pause. All on the target's worker.
#include "offload/connection.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

constexpr uint32_t kDigestSize = 4;
constexpr uint32_t kRxTurnBytes = 1u << 20;
// Of no R2T: what answers a tag that nobody knows is delivered with it.
constexpr uint32_t kStaleTag = TagFormat::kMaxValue + 1;
constexpr int kRxError = -static_cast<int>(Error::kIo);
// A jump of the sequence number beyond this is no gap in a stream.
constexpr uint32_t kHalfOfSequence = 1u << 31;

}  // namespace

int OffloadConn::recv() {
  if (!begin_turn()) return 0;
  uint32_t moved = 0;
  while (may_receive()) {
    if (rx_stage_ == RxStage::kNone && !next_pdu_is_here()) break;
    if (rx_stage_ == RxStage::kHeader && !deliver_header()) return 0;
    moved += iscsi::kBhsSize + rx_size_;
    if (rx_stage_ == RxStage::kData) deliver_data();
    if (rx_stage_ == RxStage::kDone && !deliver_end()) return 0;
    if (moved >= kRxTurnBytes) return 1;
  }
  if (peer_fin_ && on_device_ && rx_stage_ == RxStage::kNone) tell_failed(0);
  return 0;
}

bool OffloadConn::may_receive() const {
  return rx_stage_ != RxStage::kClosed && on_device_ && !reply_owed_ &&
         (state_ == OffloadState::kEstablished || state_ == OffloadState::kClosing);
}

// Takes messages until a PDU is complete.
bool OffloadConn::next_pdu_is_here() {
  while (true) {
    if (rx_messages_.empty()) {
      SpinGuard guard(lock_);
      rx_messages_.splice_back(data_);
      queued_bytes_ = 0;
    }
    OffloadMessage* message = rx_messages_.pop_front();
    if (message == nullptr) return false;
    if (!assembler_.in_pdu()) rx_told_to_ = assembler_.rcv_nxt();
    const RxVerdict verdict = assembler_.feed(message->ingress());
    OffloadMessage::free_empty(message);
    if (verdict == RxVerdict::kMore) continue;
    if (verdict == RxVerdict::kViolation) {
      offload_stats.add(OffloadCount::kBadMessages);
      os_log_limited(OS_LOG_WARNING, "offload: %s: tid %u: %s", adapter_->info().name, tid(),
                     name_of(assembler_.violation()));
      fail(kRxError);
      return false;
    }
    pdu_arrived();
    return rx_stage_ == RxStage::kHeader;
  }
}

void OffloadConn::pdu_arrived() {
  if (assembler_.header_digest_error()) {
    offload_stats.add(OffloadCount::kHeaderDigestErrors);
    rx_stage_ = RxStage::kClosed;
    return chiscsi_conn_rx_header_digest_error(port_);
  }
  // RFC 7143 section 11.1: padding SHOULD be zeros, and nobody has to look. Sockets do not either.
  if (assembler_.pad_error()) offload_stats.add(OffloadCount::kPadErrors);
  if (adapter_->info().chip >= 6) note_silent_data();
  begin_pdu();
}

// T6: what the stream has without a word right before this PDU.
void OffloadConn::note_silent_data() {
  const uint32_t unseen = assembler_.merged() && assembler_.placed() ? assembler_.data_size() : 0;
  const uint32_t told = assembler_.wire_bytes() + unseen;
  const uint32_t gap = assembler_.rcv_nxt() - rx_told_to_ - told;
  if (gap < kHalfOfSequence) silent_bytes_ += gap;
}

// Decides how the target is to see the PDU of the assembler.
void OffloadConn::begin_pdu() {
  rx_bhs_ = assembler_.bhs();
  rx_size_ = assembler_.data_size();
  rx_placed_ = assembler_.placed();
  rx_flags_ = assembler_.ahs_too_long() ? CHISCSI_RX_AHS_TOO_LONG : 0;
  rx_again_ = false;
  rx_task_ = nullptr;
  rx_r2t_ = nullptr;
  rx_stage_ = RxStage::kHeader;
  const bool solicited =
      rx_bhs_.opcode() == iscsi::Opcode::kDataOut &&
      rx_bhs_.as<iscsi::DataOut>().target_transfer_tag.get() != iscsi::kReservedTag;
  if (solicited) translate_data_out();
  if (rx_placed_ && rx_task_ == nullptr && on_device_) {
    os_log_limited(OS_LOG_WARNING, "offload: %s: tid %u: data was placed for nobody",
                   adapter_->info().name, tid());
    fail(kRxError);
  }
}

void OffloadConn::translate_data_out() {
  auto& data_out = rx_bhs_.as<iscsi::DataOut>();
  const uint32_t tag = data_out.target_transfer_tag.get();
  if (!adapter_->tags().is_ddp(tag)) {
    data_out.target_transfer_tag = adapter_->tags().non_ddp_value(tag);
    return;
  }
  DdpTask* task = find_task(tag);
  const uint32_t offset = data_out.buffer_offset.get(), wire_sn = data_out.data_sn.get();
  DdpR2t* r2t = task != nullptr ? task->find_r2t(offset, rx_size_, wire_sn) : nullptr;
  data_out.target_transfer_tag = r2t != nullptr ? r2t->target_transfer_tag : kStaleTag;
  if (r2t == nullptr) return;
  rx_task_ = task;
  rx_r2t_ = r2t;
  if (!claim_silent_data(offset, r2t->offset + r2t->received)) return;
  if (adapter_->info().chip >= 6) {
    // What was claimed is one PDU for the target, or part of this one.
    data_out.data_sn = r2t->next_data_sn + (rx_again_ ? 0 : wire_sn - r2t->next_wire_sn);
  }
  if (!rx_again_) r2t->next_wire_sn = wire_sn + 1;
  if (rx_placed_ || rx_size_ == 0) return;
  offload_stats.add(OffloadCount::kNotPlacedPdus);
  // The copy would be overwritten when the memory is unmapped.
  if (adapter_->info().bounces != 0 && !assembler_.data_digest_error()) fail(kRxError);
}

// T6: PDUs before this one may have been placed without a word, others in between. What the stream
// has had no room for since the R2T, beside what others have claimed, was not sent, whatever this
// header says.
bool OffloadConn::claim_silent_data(uint32_t offset, uint32_t expected) {
  if (adapter_->info().chip < 6 || static_cast<int32_t>(offset - expected) <= 0) return true;
  const uint64_t missing = offset - expected;
  auto& data_out = rx_bhs_.as<iscsi::DataOut>();
  const uint64_t pdus = data_out.data_sn.get() - rx_r2t_->next_wire_sn;
  const uint32_t headers =
      iscsi::kBhsSize + (header_digest_ ? kDigestSize : 0) + (data_digest_ ? kDigestSize : 0);
  const uint64_t claimed = missing + pdus * headers;
  const uint64_t unclaimed = silent_bytes_ - claimed_bytes_;
  const uint64_t since_r2t = silent_bytes_ - rx_r2t_->silent_before;
  if (claimed > unclaimed || claimed > since_r2t || missing > pdus * adapter_->max_data_segment()) {
    fail(kRxError);
    return false;
  }
  claimed_bytes_ += claimed;
  rx_r2t_->next_wire_sn += static_cast<uint32_t>(pdus);
  data_out.buffer_offset = expected;
  rx_flags_ |= CHISCSI_RX_MERGED;
  if (rx_placed_) {
    rx_size_ += static_cast<uint32_t>(missing);
  } else {
    // The silent part as a PDU of its own, then this one.
    rx_again_ = true;
    rx_size_ = static_cast<uint32_t>(missing);
    rx_placed_ = true;
    rx_bhs_.flags &= static_cast<uint8_t>(~iscsi::kFinalBit);
    rx_bhs_.total_ahs_length = 0;
  }
  rx_bhs_.data_segment_length = rx_size_;
  return true;
}

bool OffloadConn::deliver_header() {
  if (!on_device_ || state_ == OffloadState::kAborting) return false;
  rx_stage_ = RxStage::kData;
  const Bytes ahs = rx_again_ ? Bytes() : assembler_.ahs();
  const int answer = chiscsi_conn_rx_header(port_, &rx_bhs_, ahs.empty() ? nullptr : ahs.data(),
                                            static_cast<unsigned int>(ahs.size()), rx_flags_);
  if (answer == CHISCSI_RX_CLOSE) rx_stage_ = RxStage::kClosed;
  return answer == CHISCSI_RX_CONTINUE && on_device_;
}

void OffloadConn::deliver_data() {
  rx_stage_ = RxStage::kDone;
  if (rx_placed_) {
    offload_stats.add(OffloadCount::kPlacedPdus);
    offload_stats.add(OffloadCount::kPlacedBytes, rx_size_);
    return chiscsi_conn_rx_placed(port_, rx_size_);
  }
  assembler_.for_each_piece(
      [this](const uint8_t* data, uint32_t size) { chiscsi_conn_rx_data(port_, data, size); });
}

// What belongs to the PDU ends before the target hears of its end: that may be a pause, or the end
// of the command.
bool OffloadConn::deliver_end() {
  const bool wrong = !rx_again_ && assembler_.data_digest_error();
  if (wrong) offload_stats.add(OffloadCount::kDataDigestErrors);
  offload_stats.add(OffloadCount::kRxPdus);
  offload_stats.add(OffloadCount::kRxBytes, rx_size_);
  if (rx_r2t_ != nullptr) rx_task_->received(*rx_r2t_, rx_size_, rx_bhs_.final());
  rx_r2t_ = nullptr;
  rx_task_ = nullptr;
  if (rx_again_) {
    rx_stage_ = RxStage::kHeader;
    rx_again_pending_ = true;
  } else {
    finish_pdu();
  }
  const int answer = chiscsi_conn_rx_done(port_, wrong ? CHISCSI_RX_DATA_DIGEST_ERROR : 0);
  if (answer == CHISCSI_RX_CLOSE) rx_stage_ = RxStage::kClosed;
  if (!on_device_ || rx_stage_ == RxStage::kClosed) return false;
  if (std::exchange(rx_again_pending_, false)) begin_pdu();
  return answer == CHISCSI_RX_CONTINUE;
}

void OffloadConn::finish_pdu() {
  rx_stage_ = RxStage::kNone;
  rx_credits_ += assembler_.wire_bytes();
  assembler_.release();
  return_rx_credits();
}

// A T5 waits for them; a T6 lets the peer send without.
void OffloadConn::return_rx_credits() {
  const uint32_t threshold = adapter_->info().chip < 6 ? receive_window_ / 4 : receive_window_;
  if (rx_credits_ < threshold || state_ != OffloadState::kEstablished) return;
  lld_buffer* buffer = ops().buffer_alloc(dev(), wr::kRxDataAckSize, 0);
  if (buffer == nullptr) return retry_later();
  wr::write_rx_data_ack(ops().buffer_header(buffer), tid(), rx_credits_);
  if (adapter_->send_control(buffer, route_.control_queue)) {
    rx_credits_ = 0;
  } else {
    retry_later();
  }
}

void OffloadConn::drop_rx() {
  rx_stage_ = RxStage::kClosed;
  rx_task_ = nullptr;
  rx_r2t_ = nullptr;
  assembler_.release();
  while (OffloadMessage* message = rx_messages_.pop_front())
    OffloadMessage::drop(message, ops().page_put);
}

}  // namespace chiscsi
