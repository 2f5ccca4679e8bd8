// SPDX-License-Identifier: GPL-2.0-only
//
// A connection's life: the offer with a SYN made up for it, the client's answer, settings, and the
// ways to the end.
#include "offload/sim/conn.hh"

#include "base/alloc.hh"
#include "os/log.h"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kEthernetSize = 14;
constexpr uint32_t kTcpSize = 40;  // With the options below.
constexpr uint32_t kIp4Size = 20;
constexpr uint32_t kIp6Size = 40;
constexpr uint32_t kSynWindowScale = 7;
constexpr uint32_t kMtuIndex = 8;  // 1500.
constexpr uint32_t kMtu = 1500;
constexpr uint32_t kRouteL2t = 5, kRouteSmac = 3;
constexpr uint32_t kRxSlack = 4096;

void put_be16(uint8_t* out, uint32_t value) {
  out[0] = static_cast<uint8_t>(value >> 8);
  out[1] = static_cast<uint8_t>(value);
}

void put_be32(uint8_t* out, uint32_t value) {
  put_be16(out, value >> 16);
  put_be16(out + 2, value & 0xffff);
}

// The header of the peer's SYN. Returns its size.
uint32_t write_syn(uint8_t* out, const os_address& local, const os_address& peer, uint32_t isn) {
  const bool is_ipv6 = local.is_ipv6 != 0;
  out[0] = out[6] = 0x02;
  put_be16(out + 12, is_ipv6 ? 0x86dd : 0x0800);
  uint8_t* ip = out + kEthernetSize;
  uint8_t* tcp = ip + (is_ipv6 ? kIp6Size : kIp4Size);
  if (is_ipv6) {
    ip[0] = 0x60;
    put_be16(ip + 4, kTcpSize);
    ip[6] = 6;
    ip[7] = 64;
    __builtin_memcpy(ip + 8, peer.ip, 16);
    __builtin_memcpy(ip + 24, local.ip, 16);
  } else {
    ip[0] = 0x45;
    put_be16(ip + 2, kIp4Size + kTcpSize);
    ip[8] = 64;
    ip[9] = 6;
    __builtin_memcpy(ip + 12, peer.ip + 12, 4);
    __builtin_memcpy(ip + 16, local.ip + 12, 4);
  }
  put_be16(tcp, peer.port);
  put_be16(tcp + 2, local.port);
  put_be32(tcp + 4, isn);
  tcp[12] = kTcpSize / 4 << 4;
  tcp[13] = 0x02;
  put_be16(tcp + 14, 0xffff);
  const uint8_t options[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
  __builtin_memcpy(tcp + 20, options, sizeof(options));
  return static_cast<uint32_t>(tcp - out) + kTcpSize;
}

}  // namespace

Conn* Conn::create(Device& device, uint32_t tid, os_socket* socket) {
  OwnPtr<Conn> conn = make<Conn>(Alloc::kMaySleep, device, tid, socket);
  if (!conn) {
    os_socket_close(socket);
    return nullptr;
  }
  conn->rx_ = Buffer::allocate(device.config().iolen + kRxSlack);
  if (!conn->rx_ || os_socket_addresses(socket, &conn->local_, &conn->peer_) != 0) return nullptr;
  os_socket_set_notify(socket, &Conn::on_socket, conn.get());
  return conn.release();
}

Conn::~Conn() {
  close_socket(state_ != TidState::kDead);
  drop_all();
}

void Conn::on_socket(void* self, unsigned int events) {
  auto& conn = *static_cast<Conn*>(self);
  conn.events_.fetch_or(events, std::memory_order_release);
  conn.device_.request_turn();
}

void Conn::close_socket(bool with_reset) {
  if (socket_ == nullptr) return;
  if (with_reset) os_socket_abort(socket_);
  os_socket_close(socket_);
  socket_ = nullptr;
}

void Conn::offer(uint32_t stid) {
  stid_ = stid;
  // Close to the end of the number space, so that it is passed.
  rcv_isn_ = 0xffff'ffff - device_.random_below(8192);
  cpl::PassAcceptReq request{};
  uint8_t syn[kEthernetSize + kIp6Size + kTcpSize] = {};
  const uint32_t size = write_syn(syn, local_, peer_, rcv_isn_ - 1);
  const uint32_t ip_size = size - kEthernetSize - kTcpSize;
  request.ot.set(cpl::Opcode::kPassAcceptReq, tid_);
  request.len = static_cast<uint16_t>(size);
  request.hdr_len = device_.is_t6() ? kEthernetSize << 24 | ip_size << 14 | kTcpSize << 8
                                    : kEthernetSize << 26 | ip_size << 16 | kTcpSize << 10;
  request.l2info = static_cast<uint16_t>(kRouteSmac | 1u << 9);
  request.tos_stid = stid;
  request.mss = static_cast<uint16_t>(kMtu - ip_size - 20);
  request.window_scale = kSynWindowScale;
  request.tcp_flags = cpl::kSynTimestamps | cpl::kSynSack;
  device_.tell_pages(0, {reinterpret_cast<const uint8_t*>(&request), sizeof(request)}, {syn, size});
}

void Conn::accept_reply(const cpl::PassAcceptRpl& message) {
  if (state_ != TidState::kOffered) return broken(Check::accept_state);
  const uint64_t opt0 = message.opt0.get();
  const uint32_t opt2 = message.opt2.get();
  const uint32_t queue = opt2 & 0x3ff;
  const uint32_t window = opt0 >> cpl::kOpt0RcvBufferShift & cpl::kRcvBufferMax;
  const bool flow_control_off = (opt2 & cpl::kOpt2RxFlowControlOff) != 0;
  const bool has_queue = (opt2 & cpl::kOpt2RssQueueValid) != 0 && device_.is_queue_id(queue);
  if ((opt0 >> cpl::kOpt0UlpModeShift & 0xf) != cpl::kTxUlpModeIscsi || window == 0 ||
      (opt0 >> cpl::kOpt0L2tShift & 0xfff) != kRouteL2t ||
      (opt0 >> cpl::kOpt0SmacShift & 0xff) != kRouteSmac ||
      (opt0 >> cpl::kOpt0TxChannelShift & 3) != 0 ||
      (opt0 >> cpl::kOpt0WindowScaleShift & 0xf) > 14 || !has_queue ||
      (opt2 & cpl::kOpt2Valid) == 0 || (flow_control_off && !device_.is_t6())) {
    broken(Check::accept_shape, has_queue ? opt0 : opt2);
  }
  if (has_queue) queue_ = device_.queue_of_id(queue);
  if (!flow_control_off) window_ = window << 10;
  snd_isn_ = ((opt2 & cpl::kOpt2Iss) != 0 ? message.iss.get() : device_.random()) + 1;
  snd_una_ = snd_isn_;
  state_ = TidState::kLive;
  device_.tables().tid_set(tid_, state_);

  cpl::PassEstablish reply{};
  uint32_t options =
      kSynWindowScale << cpl::kTcpOptSndScaleShift | kMtuIndex << cpl::kTcpOptMssIndexShift;
  if ((opt2 & cpl::kOpt2WindowScale) != 0) options |= cpl::kTcpOptWindowScale;
  if ((opt2 & cpl::kOpt2Sack) != 0) options |= cpl::kTcpOptSack;
  if ((opt2 & cpl::kOpt2Timestamps) != 0) options |= cpl::kTcpOptTimestamps;
  reply.ot.set(cpl::Opcode::kPassEstablish, tid_);
  reply.tos_stid = stid_;
  reply.mac_idx = static_cast<uint16_t>(kRouteSmac);
  reply.tcp_opt = static_cast<uint16_t>(options);
  reply.snd_isn = snd_isn_;
  reply.rcv_isn = rcv_isn_;
  tell(reply);
  can_read_ = true;
}

void Conn::turn() {
  if (state_ != TidState::kLive || socket_ == nullptr) return;
  inject();
  const unsigned int events = events_.exchange(0, std::memory_order_acquire);
  if ((events & (OS_SOCKET_READABLE | OS_SOCKET_CLOSED)) != 0) rx_wanted_ = true;
  if ((events & (OS_SOCKET_WRITABLE | OS_SOCKET_CLOSED)) != 0) can_write_ = true;
  send_pass();
  receive();
  acknowledge();
  settle();
}

void Conn::inject() {
  if (device_.faults().take(Fault::negative_advice)) {
    tell_status(cpl::Opcode::kAbortReqRss, cpl::Status::kRtxNegAdvice);
  }
  if (device_.faults().take(Fault::peer_reset)) reset(cpl::Status::kConnReset);
}

void Conn::tell_status(cpl::Opcode opcode, cpl::Status status) {
  cpl::StatusRpl message{};
  message.ot.set(opcode, tid_);
  message.status = static_cast<uint8_t>(status);
  tell(message);
}

// ---- Settings ----

// Settings and ends come by different queues, so that an end may overtake what was sent before it.
bool Conn::may_set(const lld_buffer& buffer) const {
  return state_ != TidState::kOffered && (ended_at_ == 0 || buffer.order < ended_at_);
}

void Conn::set_tcb(lld_buffer& buffer) {
  const auto& message = buffer.as<cpl::SetTcbField>();
  if (!may_set(buffer)) return broken(Check::tcb_state);
  if (!can_read_) return;  // It has ended, and the client could not know.
  const uint32_t word = message.word_cookie.get() & 0x1f;
  const uint32_t control = message.reply_ctrl.get();
  const uint64_t mask = message.mask.get();
  constexpr uint64_t kOurs = 3ull << cpl::kTcbUlpDigestShift | 3ull << cpl::kTcbUlpPageSizeShift;
  if (word != cpl::kTcbWordUlp || (mask & ~kOurs) != 0 || (message.value.get() & ~mask) != 0 ||
      ((control & cpl::kNoReply) == 0 && !device_.is_queue_id(control & 0x3ff))) {
    return broken(Check::tcb_shape, mask);
  }
  cpl::SetTcbRpl reply{};
  reply.ot.set(cpl::Opcode::kSetTcbRpl, tid_);
  // As it came, with the word below it.
  reply.cookie = static_cast<uint8_t>(message.word_cookie.get());
  reply.old_value = tcb_word0_;
  tcb_word0_ = (tcb_word0_ & ~mask) | message.value.get();
  if ((control & cpl::kNoReply) != 0 || device_.faults().take(Fault::tcb_silent)) return;
  device_.tell(device_.queue_of_id(control & 0x3ff),
               {reinterpret_cast<const uint8_t*>(&reply), sizeof(reply)});
}

// ---- The end ----

void Conn::reset(cpl::Status status) {
  close_socket(true);
  drop_all();
  can_read_ = false;
  if (abort_told_ || host_abort_ || state_ == TidState::kDead) return;
  abort_told_ = true;
  // Before the client hears of it.
  if (state_ == TidState::kLive) device_.tables().tid_set(tid_, TidState::kReset);
  tell_status(cpl::Opcode::kAbortReqRss, status);
}

void Conn::peer_closed() {
  can_read_ = false;
  peer_closed_ = true;
  cpl::PeerClose message{};
  message.ot.set(cpl::Opcode::kPeerClose, tid_);
  message.rcv_nxt = rcv_nxt() + 1;
  tell(message);
}

void Conn::close_request(lld_buffer* buffer) {
  if (!may_send(buffer)) return;
  if (state_ == TidState::kOffered || close_requested_) {
    broken(Check::close_twice);
    return free_buffer(buffer);
  }
  charge(buffer);
  close_requested_ = true;
  buffer->fin = true;
  queued_.push_back(*buffer);
}

void Conn::finish_fin() {
  os_socket_shutdown(socket_);
  fin_done_ = true;
  cpl::CloseConRpl message{};
  message.ot.set(cpl::Opcode::kCloseConRpl, tid_);
  message.snd_nxt = snd_una_ + 1;
  message.rcv_nxt = rcv_nxt();
  acknowledge();
  tell(message);
}

void Conn::abort_request(lld_buffer* buffer) {
  if (ended_at_ == 0) ended_at_ = buffer->order;
  free_buffer(buffer);
  if (!has_flowc_) broken(Check::flowc_missing);
  if (host_abort_) return broken(Check::abort_twice);
  const bool was_dead = state_ == TidState::kDead;
  host_abort_ = true;
  close_socket(true);
  drop_all();
  can_read_ = false;
  if (device_.faults().take(Fault::abort_silent)) return;
  abort_replied_ = true;
  tell_status(cpl::Opcode::kAbortRplRss, was_dead ? cpl::Status::kAbortFailed : cpl::Status::kNone);
  settle();
}

void Conn::abort_reply(lld_buffer* buffer) {
  const uint8_t command = buffer->as<cpl::AbortReq>().cmd;
  if (abort_told_ && ended_at_ == 0) ended_at_ = buffer->order;
  free_buffer(buffer);
  if (!has_flowc_) broken(Check::flowc_missing);
  if (!abort_told_ || abort_answered_ || command != cpl::kAbortNoRst) {
    broken(Check::abort_unexpected, command);
  }
  abort_answered_ = abort_told_;
  settle();
}

void Conn::settle() {
  if (state_ == TidState::kDead) return;
  const bool answers = !abort_told_ || abort_answered_;
  const bool aborted = host_abort_ ? abort_replied_ && answers : abort_told_ && answers;
  const bool closed = fin_done_ && peer_closed_ && !host_abort_ && !abort_told_;
  if (!aborted && !closed) return;
  state_ = TidState::kDead;
  device_.tables().tid_set(tid_, state_);
  close_socket(false);
  drop_all();
}

}  // namespace chiscsi::sim
