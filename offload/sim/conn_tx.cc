// SPDX-License-Identifier: GPL-2.0-only
//
// Work requests of a connection: FLOWC, credits and their return, writes of page pods, sending.
#include "offload/sim/conn.hh"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kMostFlowcs = 16;

struct WantedParam {
  cpl::Flowc mnemonic;
  bool has_value;
};
constexpr WantedParam kWantedParams[] = {
    {cpl::Flowc::kPfnVfn, true},  {cpl::Flowc::kCh, true},     {cpl::Flowc::kPort, true},
    {cpl::Flowc::kIqId, true},    {cpl::Flowc::kSndNxt, true}, {cpl::Flowc::kRcvNxt, false},
    {cpl::Flowc::kSndBuf, false}, {cpl::Flowc::kMss, false},   {cpl::Flowc::kTxDataPlenMax, false},
};
}  // namespace

// ---- FLOWC ----

void Conn::flowc(lld_buffer* buffer) {
  const uint32_t count = buffer->as<cpl::FlowcWr>().op_to_nparams.get() & 0xff;
  if (has_flowc_) {
    broken(Check::flowc_twice);
  } else if (state_ == TidState::kOffered || count > kMostFlowcs ||
             buffer->header_size < sizeof(cpl::FlowcWr) + count * sizeof(cpl::FlowcParam)) {
    broken(Check::flowc_params, count);
  } else {
    check_flowc(buffer, count);
  }
  has_flowc_ = true;
  flowc_units_ = buffer->units;
  free_buffer(buffer);
}

void Conn::check_flowc(lld_buffer* buffer, uint32_t count) {
  // SAFETY: the caller has compared the message's size with `count` parameters.
  const auto* params =
      reinterpret_cast<const cpl::FlowcParam*>(buffer->header() + sizeof(cpl::FlowcWr));
  for (const WantedParam& wanted : kWantedParams) {
    const cpl::FlowcParam* found = nullptr;
    for (uint32_t i = 0; i < count; ++i) {
      if (params[i].mnemonic == static_cast<uint8_t>(wanted.mnemonic)) found = &params[i];
    }
    uint32_t right = found == nullptr ? 0 : found->value.get();
    if (wanted.mnemonic == cpl::Flowc::kPfnVfn) right = device_.info().pf << 8;
    if (wanted.mnemonic == cpl::Flowc::kCh || wanted.mnemonic == cpl::Flowc::kPort) right = 0;
    if (wanted.mnemonic == cpl::Flowc::kIqId) right = Device::kFirstQueueId + queue_;
    if (wanted.mnemonic == cpl::Flowc::kSndNxt) right = snd_isn_;
    const bool is_right = found != nullptr && found->value.get() == right;
    if (!is_right || (!wanted.has_value && right == 0 && wanted.mnemonic != cpl::Flowc::kRcvNxt)) {
      broken(Check::flowc_params, static_cast<uint32_t>(wanted.mnemonic));
    }
  }
}

// ---- What may be sent, and its credits ----

// False: the buffer is gone.
bool Conn::may_send(lld_buffer* buffer) {
  if (!has_flowc_) broken(Check::flowc_missing);
  bool may = socket_ != nullptr && state_ == TidState::kLive;
  if (host_abort_ || abort_answered_) {
    broken(Check::data_after_abort);
    may = false;
  }
  if (!may) free_buffer(buffer);
  return may;
}

void Conn::charge(lld_buffer* buffer) {
  buffer->units += flowc_units_;
  flowc_units_ = 0;
  outstanding_ += buffer->units;
  device_.counters().credits.fetch_add(buffer->units);
  if (outstanding_ > device_.config().wr_credits) broken(Check::credits, outstanding_);
}

void Conn::tx_data(lld_buffer* buffer) {
  if (!may_send(buffer)) return;
  if (close_requested_) {
    broken(Check::data_after_close);
    return free_buffer(buffer);
  }
  charge(buffer);
  buffer->payload_crc = crc_of_payload(*buffer);
  queued_.push_back(*buffer);
  if (build_wire(*buffer)) return send_pass();
  // What cannot be framed cannot be sent either; the stream would be garbage from here on.
  reset(cpl::Status::kBadLength);
}

void Conn::mem_write(lld_buffer* buffer) {
  if (!may_send(buffer)) return;
  charge(buffer);
  Bytes data;
  const bool good = device_.pods_of_write(*buffer, &data) &&
                    write_pods(buffer->as<cpl::UlpMemWrite>().lock_addr.get(), data);
  if (!good) broken(Check::pod_write, buffer->header_size);
  queued_.push_back(*buffer);
  send_pass();
}

bool Conn::write_pods(uint32_t lock_address, Bytes data) {
  for (size_t at = 0; at + kPodSize <= data.size(); at += kPodSize) {
    // SAFETY: a Pod is 64 bytes without alignment, and so many are there.
    const auto& pod = *reinterpret_cast<const Pod*>(data.data() + at);
    if (pod.is_valid() && (pod.tid() != tid_ || pod.pgsz_tag_clr.get() >> 30 != 0)) return false;
  }
  uint32_t written = 0;
  if (!device_.pods().write(lock_address, data, &written)) return false;
  device_.counters().pod_writes.fetch_add(written);
  device_.counters().pods_valid = device_.pods().valid();
  return true;
}

// ---- Sending ----

void Conn::send_pass() {
  while (lld_buffer* buffer = queued_.front()) {
    const size_t size = buffer->wire.size();
    while (buffer->sent < size) {
      if (!can_write_) return;
      const os_fragment piece = {nullptr, buffer->wire.data(), 0, static_cast<uint32_t>(size)};
      const unsigned int more = queued_.next(*buffer) != nullptr ? OS_SEND_MORE : 0;
      const long sent = os_socket_send(socket_, &piece, 1, buffer->sent, more, nullptr);
      if (sent == -static_cast<long>(Error::kAgain)) {
        can_write_ = false;
        return;
      }
      if (sent < 0) return reset(cpl::Status::kConnReset);
      buffer->sent += static_cast<size_t>(sent);
    }
    snd_una_ += static_cast<uint32_t>(size);
    buffer->wire.reset();
    queued_.pop_front();
    const bool is_fin = buffer->fin;
    done_.push_back(*buffer);
    if (is_fin) finish_fin();
  }
}

// ---- Return of credits ----

void Conn::acknowledge() {
  uint32_t all = 0, asked = 0;
  for (lld_buffer* buffer = done_.front(); buffer != nullptr; buffer = done_.next(*buffer)) {
    all += buffer->units;
    if (buffer->completion) asked = all;
  }
  if (all == 0) return;
  switch (device_.config().ack_policy) {
    case SIM_ACK_COMPLETION:
      return acknowledge(asked);
    case SIM_ACK_DELAYED:
      if (asked != 0) device_.want_tick();
      return device_.is_tick() ? acknowledge(asked) : void();
    case SIM_ACK_PARTIAL:
      acknowledge(device_.random_below(all + 1));
      if (!done_.empty()) device_.request_turn();
      return;
  }
}

void Conn::acknowledge(uint32_t units) {
  if (units > 0xff) units = 0xff;
  if (units == 0) return;
  for (uint32_t left = units; left != 0;) {
    lld_buffer* buffer = done_.front();
    const uint32_t part = left < buffer->units ? left : buffer->units;
    buffer->units -= part;
    left -= part;
    if (buffer->units != 0) continue;
    if (crc_of_payload(*buffer) != buffer->payload_crc && buffer->payload != 0) {
      broken(Check::payload_changed, buffer->payload);
    }
    done_.pop_front();
    free_buffer(buffer);
  }
  outstanding_ -= units;
  device_.counters().credits.fetch_sub(units);
  if (device_.faults().take(Fault::lost_ack)) return;
  cpl::Fw4Ack message{};
  message.ot.set(cpl::Opcode::kFw4Ack, tid_);
  message.credits = static_cast<uint8_t>(units);
  message.seq_vld = cpl::kFw4AckSeqValid;
  message.snd_nxt = snd_una_;
  message.snd_una = snd_una_;
  tell(message);
  device_.counters().acks.fetch_add(1);
}

void Conn::drop_all() {
  free_all(queued_);
  free_all(done_);
  device_.counters().credits.fetch_sub(outstanding_);
  outstanding_ = 0;
}

}  // namespace chiscsi::sim
