// SPDX-License-Identifier: GPL-2.0-only
//
// Work requests as bytes: see the header for who owns what.
#include "offload/wr.hh"

#include "offload/iso.hh"

namespace chiscsi::wr {

namespace {

constexpr uint32_t kMinMss = 128;
constexpr uint32_t kMbps10G = 10000;
constexpr uint32_t kIpv4Header = 20;
constexpr uint32_t kIpv6Header = 40;
constexpr uint32_t kTcpHeader = 20;

// opt1 of a server: SYNs go to a queue, and the host is asked.
constexpr uint32_t kOpt1SynQueue = 1u << 0;
constexpr uint32_t kOpt1SynQueueShift = 2;
constexpr uint32_t kOpt1PolicyAsk = 1u << 22;

template <typename T>
T& wr_at(uint8_t* out) {
  static_assert(alignof(T) == 1);
  // SAFETY: T is made of bytes and the caller promised sizeof(T) of them.
  return *reinterpret_cast<T*>(out);
}

// A message to the TCP engine travels in an FW_TP_WR.
template <typename T>
T& begin_tp(uint8_t* out, cpl::Opcode opcode, uint32_t flow_id, uint32_t tid) {
  T& message = wr_at<T>(out);
  message.wr.hi = static_cast<uint32_t>(cpl::fw::kTp) << cpl::kWrOpcodeShift |
                  static_cast<uint32_t>(sizeof(T) - sizeof(cpl::WrHeader));
  message.wr.mid = flow_id << cpl::kWrFlowIdShift | length16(sizeof(T));
  message.ot.set(opcode, tid);
  return message;
}

uint32_t window_of(uint32_t link_mbps, uint32_t most) {
  const uint32_t scale = link_mbps / kMbps10G;
  const uint64_t window = static_cast<uint64_t>(kWindowPer10G) * (scale == 0 ? 1 : scale);
  return window < most ? static_cast<uint32_t>(window) : most;
}

uint32_t bits_of(uint32_t word, uint32_t shift, uint32_t count) {
  return word >> shift & ((1u << count) - 1);
}

// Where the headers of a SYN are, from the start of the message.
struct SynLayout {
  SynLayout(uint32_t hdr_len, uint32_t chip) {
    const bool is_t6 = chip >= 6;
    ip = static_cast<uint32_t>(sizeof(cpl::PassAcceptReq)) +
         (is_t6 ? bits_of(hdr_len, 24, 8) : bits_of(hdr_len, 26, 5));
    ip_size = is_t6 ? bits_of(hdr_len, 14, 10) : bits_of(hdr_len, 16, 10);
    tcp = ip + ip_size;
  }
  uint32_t ip, ip_size, tcp;
};

void copy_address(os_address* to, Bytes ip, uint16_t port) {
  *to = {};
  to->port = port;
  to->is_ipv6 = ip.size() == 16;
  if (to->is_ipv6 == 0) to->ip[10] = to->ip[11] = 0xff;
  copy_bytes(MutableBytes(to->ip, 16).skip(16 - ip.size()), ip);
}

bool read_syn(Bytes message, const SynLayout& layout, AcceptRequest* request) {
  if (message.size() < static_cast<size_t>(layout.tcp) + kTcpHeader) return false;
  const uint8_t* ip = message.data() + layout.ip;
  const uint8_t* tcp = message.data() + layout.tcp;
  const uint32_t version = layout.ip_size == 0 ? 0 : ip[0] >> 4;
  const uint32_t least = version == 6 ? kIpv6Header : kIpv4Header;
  if ((version != 4 && version != 6) || layout.ip_size < least) return false;
  const uint32_t size = version == 6 ? 16 : 4;
  const uint32_t source = version == 6 ? 8 : 12;
  copy_address(&request->peer, Bytes(ip + source, size),
               static_cast<uint16_t>(tcp[0] << 8 | tcp[1]));
  copy_address(&request->local, Bytes(ip + source + size, size),
               static_cast<uint16_t>(tcp[2] << 8 | tcp[3]));
  request->ecn = (tcp[13] & 0xc0) == 0xc0;
  return true;
}

uint64_t accept_opt0(const AcceptValues& values) {
  uint32_t kib = values.receive_window >> 10;
  if (kib > cpl::kRcvBufferMax) kib = cpl::kRcvBufferMax;
  return cpl::kOpt0TcamBypass |
         static_cast<uint64_t>(values.tx_channel & 3) << cpl::kOpt0TxChannelShift |
         static_cast<uint64_t>(cpl::kTxUlpModeIscsi) << cpl::kOpt0UlpModeShift |
         static_cast<uint64_t>(kib) << cpl::kOpt0RcvBufferShift |
         static_cast<uint64_t>(values.tos >> 2) << cpl::kOpt0DscpShift |
         static_cast<uint64_t>(values.smac_index & 0xff) << cpl::kOpt0SmacShift |
         static_cast<uint64_t>(values.l2t_index & 0xfff) << cpl::kOpt0L2tShift |
         static_cast<uint64_t>(window_scale(values.receive_window)) << cpl::kOpt0WindowScaleShift |
         static_cast<uint64_t>(values.mss_index & 0xf) << cpl::kOpt0MssIndexShift;
}

uint32_t accept_opt2(const AcceptValues& values) {
  uint32_t opt2 = cpl::kOpt2RssQueueValid | (values.rx_queue_id & 0x3ff) |
                  cpl::kOpt2CongestionNewReno << cpl::kOpt2CongestionShift | cpl::kOpt2Iss |
                  cpl::kOpt2Valid;
  if (values.chip >= 6) opt2 |= cpl::kOpt2RxFlowControlOff;
  if (values.ecn) opt2 |= cpl::kOpt2Ecn;
  if (window_scale(values.receive_window) != 0) opt2 |= cpl::kOpt2WindowScale;
  if (values.timestamps) opt2 |= cpl::kOpt2Timestamps;
  if (values.sack) opt2 |= cpl::kOpt2Sack;
  return opt2;
}

// Appends pairs to a FLOWC.
class FlowcPairs {
 public:
  explicit FlowcPairs(uint8_t* out) : next_(out + sizeof(cpl::FlowcWr)) {}
  void add(cpl::Flowc mnemonic, uint32_t value) {
    cpl::FlowcParam& pair = wr_at<cpl::FlowcParam>(next_);
    pair.mnemonic = static_cast<uint8_t>(mnemonic);
    pair.value = value;
    next_ += sizeof(pair);
  }

 private:
  uint8_t* next_;
};

uint32_t flowc_pairs(const FlowcValues& values) {
  return 9u + (values.send_scale != 0 ? 1u : 0u) + (values.has_dcb ? 1u : 0u);
}

uint32_t submode_of(const TxDataValues& values) {
  return (values.header_digest ? cpl::kTxSubmodeHeaderCrc : 0) |
         (values.data_digest && values.has_data ? cpl::kTxSubmodeDataCrc : 0);
}

uint32_t force_of(uint32_t chip, uint32_t submode) {
  if (chip >= 6) return cpl::kTxForceT6;
  return submode == 0 ? cpl::kTxForceT5 : 0;
}

void write_abort(uint8_t* out, cpl::Opcode opcode, uint32_t tid, uint8_t cmd) {
  begin_tp<cpl::AbortReq>(out, opcode, tid, tid).cmd = cmd;
}

}  // namespace

uint32_t path_mtu(uint32_t route_mtu, uint32_t peer_mss, bool is_ipv6, bool timestamps) {
  const uint32_t most = peer_mss + header_bytes(is_ipv6, timestamps);
  return peer_mss != 0 && route_mtu > most ? most : route_mtu;
}

uint32_t segment_of(uint32_t mtu, bool is_ipv6, bool timestamps) {
  const uint32_t headers = header_bytes(is_ipv6, timestamps);
  return mtu < headers + kMinMss ? kMinMss : mtu - headers;
}

uint32_t effective_mss(const uint16_t* mtus, uint16_t tcp_opt, bool is_ipv6) {
  const uint32_t mtu = mtus[tcp_opt >> cpl::kTcpOptMssIndexShift & 0xf];
  return segment_of(mtu, is_ipv6, (tcp_opt & cpl::kTcpOptTimestamps) != 0);
}

uint32_t window_scale(uint32_t window) {
  uint32_t scale = 0;
  while (scale < 14 && 65535u << scale < window)
    ++scale;
  return scale;
}

uint32_t receive_window(uint32_t link_mbps) { return window_of(link_mbps, kMaxReceiveWindow); }
uint32_t send_window(uint32_t link_mbps) { return window_of(link_mbps, kMaxSendWindow); }

bool read_accept_request(Bytes message, uint32_t chip, AcceptRequest* request) {
  *request = {};
  if (message.size() < sizeof(cpl::PassAcceptReq)) return false;
  // SAFETY: a layout of bytes, all of which are there.
  const auto& fixed = *reinterpret_cast<const cpl::PassAcceptReq*>(message.data());
  request->tid = fixed.ot.tid();
  request->stid = fixed.tos_stid.get() & 0xff'ffff;
  AcceptRequest all = *request;
  all.port = fixed.l2info.get() >> 12;
  all.vlan = fixed.vlan.get();
  all.mss = fixed.mss.get();
  all.tos = static_cast<uint8_t>(fixed.tos_stid.get() >> 24);
  all.window_scale = fixed.window_scale;
  all.timestamps = (fixed.tcp_flags & cpl::kSynTimestamps) != 0;
  all.sack = (fixed.tcp_flags & cpl::kSynSack) != 0;
  if (!read_syn(message.first(kAcceptRequestMax), SynLayout(fixed.hdr_len.get(), chip), &all))
    return false;
  *request = all;
  return true;
}

void write_accept_reply(uint8_t* out, const AcceptValues& values) {
  auto& reply =
      begin_tp<cpl::PassAcceptRpl>(out, cpl::Opcode::kPassAcceptRpl, values.tid, values.tid);
  reply.opt0 = accept_opt0(values);
  reply.opt2 = accept_opt2(values);
  reply.iss = (values.random & ~7u) - 1;
}

void write_tid_release(uint8_t* out, uint32_t tid) {
  begin_tp<cpl::TidReq>(out, cpl::Opcode::kTidRelease, tid, tid);
}

void write_open_request(uint8_t* out, uint32_t stid, const os_address& local, uint32_t tx_channel,
                        uint32_t rx_queue_id) {
  const uint64_t opt0 = static_cast<uint64_t>(tx_channel & 3) << cpl::kOpt0TxChannelShift;
  const uint64_t opt1 = kOpt1PolicyAsk | kOpt1SynQueue |
                        static_cast<uint64_t>(rx_queue_id & 0x3ff) << kOpt1SynQueueShift;
  // SAFETY: 8 bytes of a 16-byte array, and 4 of them, in network order.
  const auto part = [&local](size_t at) { return *reinterpret_cast<const Be64*>(local.ip + at); };
  if (local.is_ipv6 != 0) {
    auto& open = begin_tp<cpl::PassOpenReq6>(out, cpl::Opcode::kPassOpenReq6, 0, stid);
    open.local_port = local.port;
    open.local_ip_hi = part(0);
    open.local_ip_lo = part(8);
    open.opt0 = opt0;
    open.opt1 = opt1;
    return;
  }
  auto& open = begin_tp<cpl::PassOpenReq>(out, cpl::Opcode::kPassOpenReq, 0, stid);
  open.local_port = local.port;
  open.local_ip = static_cast<uint32_t>(part(8).get());
  open.opt0 = opt0;
  open.opt1 = opt1;
}

void write_close_listener(uint8_t* out, uint32_t stid, uint32_t rx_queue_id, bool is_ipv6) {
  auto& close = begin_tp<cpl::CloseListsrvReq>(out, cpl::Opcode::kCloseListsrvReq, 0, stid);
  close.reply_ctrl =
      static_cast<uint16_t>((rx_queue_id & 0x3fff) | (is_ipv6 ? cpl::kListsrvIpv6 : 0u));
}

uint32_t flowc_size(const FlowcValues& values) {
  return round16(static_cast<uint32_t>(sizeof(cpl::FlowcWr)) +
                 flowc_pairs(values) * static_cast<uint32_t>(sizeof(cpl::FlowcParam)));
}

void write_flowc(uint8_t* out, const FlowcValues& values) {
  auto& flowc = wr_at<cpl::FlowcWr>(out);
  flowc.op_to_nparams =
      static_cast<uint32_t>(cpl::fw::kFlowc) << cpl::kWrOpcodeShift | flowc_pairs(values);
  flowc.flowid_len16 = values.tid << cpl::kWrFlowIdShift | length16(flowc_size(values));
  FlowcPairs pairs(out);
  pairs.add(cpl::Flowc::kPfnVfn, values.pf << 8);
  pairs.add(cpl::Flowc::kCh, values.tx_channel);
  pairs.add(cpl::Flowc::kPort, values.tx_channel);
  pairs.add(cpl::Flowc::kIqId, values.rx_queue_id);
  pairs.add(cpl::Flowc::kSndNxt, values.snd_nxt);
  pairs.add(cpl::Flowc::kRcvNxt, values.rcv_nxt);
  pairs.add(cpl::Flowc::kSndBuf, values.send_window);
  pairs.add(cpl::Flowc::kMss, values.mss);
  pairs.add(cpl::Flowc::kTxDataPlenMax, values.plen_max);
  if (values.send_scale != 0) pairs.add(cpl::Flowc::kRcvScale, values.send_scale);
  if (values.has_dcb) pairs.add(cpl::Flowc::kDcbPrio, values.dcb_priority);
}

void write_set_tcb(uint8_t* out, uint32_t tid, uint32_t rx_queue_id, uint32_t word, uint64_t mask,
                   uint64_t value, uint32_t cookie) {
  auto& set = begin_tp<cpl::SetTcbField>(out, cpl::Opcode::kSetTcbField, tid, tid);
  set.reply_ctrl = static_cast<uint16_t>(rx_queue_id & 0x3fff);
  set.word_cookie = static_cast<uint16_t>((word & 0x1f) | (cookie & 7) << cpl::kTcbCookieShift);
  set.mask = mask;
  set.value = value;
}

void write_set_digests(uint8_t* out, uint32_t tid, uint32_t rx_queue_id, bool header, bool data) {
  const uint64_t bits = (header ? 1u : 0u) | (data ? 2u : 0u);
  write_set_tcb(out, tid, rx_queue_id, cpl::kTcbWordUlp, uint64_t{3} << cpl::kTcbUlpDigestShift,
                bits << cpl::kTcbUlpDigestShift, kCookieDigests);
}

void write_set_page_size(uint8_t* out, uint32_t tid, uint32_t rx_queue_id, uint32_t index) {
  write_set_tcb(out, tid, rx_queue_id, cpl::kTcbWordUlp, uint64_t{3} << cpl::kTcbUlpPageSizeShift,
                uint64_t{index & 3} << cpl::kTcbUlpPageSizeShift, kCookiePageSize);
}

void write_rx_data_ack(uint8_t* out, uint32_t tid, uint32_t credits) {
  const uint32_t most = credits < kMaxRxCredits ? credits : kMaxRxCredits;
  begin_tp<cpl::RxDataAck>(out, cpl::Opcode::kRxDataAck, tid, tid).credit_dack =
      cpl::kDackChange | kDackMode << cpl::kDackModeShift | most;
}

bool tx_data_is_immediate(uint32_t size, bool iso) {
  return size <= kImmediateMax - kTxDataHeaderSize - (iso ? kIsoHeaderSize : 0);
}

uint32_t tx_data_cost(uint32_t size, uint32_t fragments, bool iso) {
  const uint32_t extra = iso ? kIsoHeaderSize : 0;
  const uint32_t body = tx_data_is_immediate(size, iso) ? size : 8 * sgl_flits(fragments + 1);
  return length16(body + extra) + length16(kTxDataHeaderSize);
}

uint32_t tx_data_max_cost(uint32_t fragments) {
  const uint32_t immediate = tx_data_cost(kImmediateMax - kTxDataHeaderSize, 0, false);
  const uint32_t listed = tx_data_cost(kImmediateMax, fragments, true);
  return immediate > listed ? immediate : listed;
}

void write_tx_data(uint8_t* out, const TxDataValues& values) {
  const uint32_t submode = submode_of(values);
  const uint32_t immediate = (tx_data_is_immediate(values.size, values.iso) ? values.size : 0) +
                             (values.iso ? kIsoHeaderSize : 0);
  const uint8_t opcode = values.iso ? cpl::fw::kIscsiTxData : cpl::fw::kOfldTxData;
  auto& data = wr_at<cpl::TxDataWr>(out);
  data.op_to_immdlen = static_cast<uint32_t>(opcode) << cpl::kWrOpcodeShift |
                       (values.completion ? cpl::kWrCompletion : 0) | immediate;
  data.flowid_len16 =
      values.tid << cpl::kWrFlowIdShift | tx_data_cost(values.size, values.fragments, values.iso);
  data.plen = values.plen;
  data.tunnel_to_proxy = cpl::kTxUlpModeIscsi << cpl::kTxUlpModeShift |
                         (submode | (values.iso ? cpl::kTxSubmodeIso : 0))
                             << cpl::kTxUlpSubmodeShift |
                         cpl::kTxShove | force_of(values.chip, submode);
}

uint8_t* write_pod_write(uint8_t* out, uint32_t tid, uint32_t address, uint32_t pods,
                         bool completion) {
  const uint32_t size = pod_write_size(pods);
  const uint32_t bytes = pods * 64;
  auto& write = wr_at<cpl::UlpMemWrite>(out);
  write.wr.hi = static_cast<uint32_t>(cpl::fw::kUlptx) << cpl::kWrOpcodeShift |
                (completion ? cpl::kWrCompletion : 0);
  write.wr.mid = tid << cpl::kWrFlowIdShift | length16(size);
  write.cmd = cpl::kUlpMemWrite | cpl::kUlpMemImmediate;
  write.len16 = length16(size - static_cast<uint32_t>(sizeof(cpl::WrHeader)));
  write.dlen = bytes / 32;
  write.lock_addr = address >> 5;
  write.idata_cmd = cpl::kUlpScImmediate;
  write.idata_len = bytes;
  return out + sizeof(cpl::UlpMemWrite);
}

void write_close_con_req(uint8_t* out, uint32_t tid) {
  auto& close = begin_tp<cpl::TidReq>(out, cpl::Opcode::kCloseConReq, tid, tid);
  close.wr.hi = close.wr.hi.get() | cpl::kWrCompletion;
}

void write_abort_req(uint8_t* out, uint32_t tid, bool send_rst) {
  write_abort(out, cpl::Opcode::kAbortReq, tid, send_rst ? cpl::kAbortSendRst : cpl::kAbortNoRst);
}

void write_abort_rpl(uint8_t* out, uint32_t tid) {
  write_abort(out, cpl::Opcode::kAbortRpl, tid, cpl::kAbortNoRst);
}

}  // namespace chiscsi::wr
