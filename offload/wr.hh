// SPDX-License-Identifier: GPL-2.0-only
//
// The work requests that the offload code sends, as bytes; and a reader of CPL_PASS_ACCEPT_REQ.
//
// Each writer fills a buffer of the caller, which is zero and has at least the bytes that the
// constant or function beside the writer tells; lld_ops.buffer_alloc() makes such buffers. Nothing
// here allocates, sends, or keeps a pointer. Sizes are multiples of 16: size / 16 is what the
// request costs in credits (length16()). Context: any.
#pragma once

#include "base/span.hh"
#include "offload/cpl.hh"
#include "os/socket.h"

namespace chiscsi::wr {

// Units of 16 bytes, rounded up.
constexpr uint32_t length16(uint32_t bytes) { return bytes / 16 + (bytes % 16 != 0 ? 1 : 0); }
constexpr uint32_t round16(uint32_t bytes) { return length16(bytes) * 16; }

// --- Settings of TCP ---

inline constexpr uint32_t kTimestampOption = 12;  // In every segment.
inline constexpr uint32_t kWindowPer10G = 256 * 1024;
inline constexpr uint32_t kMaxReceiveWindow = cpl::kRcvBufferMax * 1024;
inline constexpr uint32_t kMaxSendWindow = 512 * 1024;

// Bytes of IP and TCP headers of a segment.
constexpr uint32_t header_bytes(bool is_ipv6, bool timestamps) {
  return (is_ipv6 ? 40u : 20u) + 20u + (timestamps ? kTimestampOption : 0u);
}
// The path MTU, lowered so that a segment fits what the peer announced in its SYN.
uint32_t path_mtu(uint32_t route_mtu, uint32_t peer_mss, bool is_ipv6, bool timestamps);
// What a segment carries: at least 128.
uint32_t segment_of(uint32_t mtu, bool is_ipv6, bool timestamps);
// The same as agreed on. `tcp_opt` is that of CPL_PASS_ESTABLISH, `mtus` the
// adapter's table of 16.
uint32_t effective_mss(const uint16_t* mtus, uint16_t tcp_opt, bool is_ipv6);
// The smallest shift, at most 14, that makes the window fit 16 bits.
uint32_t window_scale(uint32_t window);
uint32_t receive_window(uint32_t link_mbps);
uint32_t send_window(uint32_t link_mbps);

// --- Accepting ---

// A SYN for one of our servers.
struct AcceptRequest {
  uint32_t tid = 0;
  uint32_t stid = 0;
  uint32_t port = 0;  // Of the adapter.
  os_address local = {};
  os_address peer = {};
  uint16_t vlan = 0;
  uint16_t mss = 0;  // As the peer announced it.
  uint8_t tos = 0;
  uint8_t window_scale = 0;
  bool timestamps = false;
  bool sack = false;
  bool ecn = false;  // The SYN has ECE and CWR.
};
// Reads CPL_PASS_ACCEPT_REQ with the headers behind it, in one piece (at most
// kAcceptRequestMax bytes of it are looked at). False: something does not add up; then only `tid`
// and `stid` are set, and those only when `message` has the fixed part.
inline constexpr uint32_t kAcceptRequestMax = 256;
bool read_accept_request(Bytes message, uint32_t chip, AcceptRequest* request);

struct AcceptValues {
  uint32_t tid = 0;
  uint32_t chip = 0;
  uint32_t tx_channel = 0;
  uint32_t smac_index = 0;
  uint32_t l2t_index = 0;
  uint32_t mss_index = 0;       // Into the adapter's table of MTUs.
  uint32_t receive_window = 0;  // Bytes; above 1023 KiB the rest comes with RX_DATA_ACK.
  uint32_t rx_queue_id = 0;
  uint32_t random = 0;  // The initial sequence number is made of it.
  uint8_t tos = 0;
  bool timestamps = false;
  bool sack = false;
  bool ecn = false;
};
inline constexpr uint32_t kAcceptReplySize = round16(sizeof(cpl::PassAcceptRpl));
void write_accept_reply(uint8_t* out, const AcceptValues& values);

inline constexpr uint32_t kTidReleaseSize = round16(sizeof(cpl::TidReq));
void write_tid_release(uint8_t* out, uint32_t tid);

// --- Listening: in the real backend cxgb4 makes these; for the software adapter and tests ---

inline constexpr uint32_t kOpenRequestSize = round16(sizeof(cpl::PassOpenReq));
inline constexpr uint32_t kOpenRequest6Size = round16(sizeof(cpl::PassOpenReq6));
constexpr uint32_t open_request_size(const os_address& local) {
  return local.is_ipv6 != 0 ? kOpenRequest6Size : kOpenRequestSize;
}
// CPL_PASS_OPEN_REQ, or with an IPv6 address CPL_PASS_OPEN_REQ6.
void write_open_request(uint8_t* out, uint32_t stid, const os_address& local, uint32_t tx_channel,
                        uint32_t rx_queue_id);
inline constexpr uint32_t kCloseListenerSize = round16(sizeof(cpl::CloseListsrvReq));
void write_close_listener(uint8_t* out, uint32_t stid, uint32_t rx_queue_id, bool is_ipv6);

// --- Settings of a connection ---

struct FlowcValues {
  uint32_t tid = 0;
  uint32_t pf = 0;
  uint32_t tx_channel = 0;
  uint32_t rx_queue_id = 0;
  uint32_t snd_nxt = 0;
  uint32_t rcv_nxt = 0;
  uint32_t send_window = 0;
  uint32_t mss = 0;
  uint32_t plen_max = 0;    // Longest payload of a WR: iso_payload_max(), or 16384 without ISO.
  uint32_t send_scale = 0;  // Of CPL_PASS_ESTABLISH; 0: not told.
  bool has_dcb = false;
  uint32_t dcb_priority = 0;  // With `has_dcb`.
};
inline constexpr uint32_t kFlowcMaxSize = 96;
uint32_t flowc_size(const FlowcValues& values);
void write_flowc(uint8_t* out, const FlowcValues& values);

// CPL_SET_TCB_FIELD with a reply to `rx_queue_id`. Bits of `mask` get those of `value`.
inline constexpr uint32_t kSetTcbSize = round16(sizeof(cpl::SetTcbField));
void write_set_tcb(uint8_t* out, uint32_t tid, uint32_t rx_queue_id, uint32_t word, uint64_t mask,
                   uint64_t value, uint32_t cookie);
// The cookie of the request that a reply answers.
constexpr uint32_t reply_cookie(const cpl::SetTcbRpl& reply) {
  return reply.cookie >> cpl::kTcbCookieShift & 7u;
}
// Two uses of it.
inline constexpr uint32_t kCookieDigests = 1;
inline constexpr uint32_t kCookiePageSize = 2;
void write_set_digests(uint8_t* out, uint32_t tid, uint32_t rx_queue_id, bool header, bool data);
void write_set_page_size(uint8_t* out, uint32_t tid, uint32_t rx_queue_id, uint32_t index);

// Returns `credits` bytes of receive window; at most kMaxRxCredits of them in one message.
inline constexpr uint32_t kMaxRxCredits = 0x0fff'ffff;
inline constexpr uint32_t kDackMode = 3;
inline constexpr uint32_t kRxDataAckSize = round16(sizeof(cpl::RxDataAck));
void write_rx_data_ack(uint8_t* out, uint32_t tid, uint32_t credits);

// --- Data ---

// The longest message of TX_DATA kind, WR header included, that is sent as immediate data.
inline constexpr uint32_t kImmediateMax = 255 + sizeof(cpl::TxDataWr);
inline constexpr uint32_t kTxDataHeaderSize = sizeof(cpl::TxDataWr);
inline constexpr uint32_t kIsoHeaderSize = sizeof(cpl::TxDataIso);

// A TX_DATA work request. The buffer's header holds the WR header, with `iso` room for a TxDataIso
// (written by write_iso() of iso.hh), and the header bytes of the PDU with whatever is copied
// there; `fragments` pieces of payload follow.
struct TxDataValues {
  uint32_t tid = 0;
  uint32_t chip = 0;
  uint32_t size = 0;       // Bytes of PDU: header, data and padding, in the header and fragments.
  uint32_t fragments = 0;  // Pieces of payload beside the header.
  uint32_t plen = 0;       // On the wire: plain_plen(), or iso_plen() of iso.hh.
  bool has_data = false;   // The PDU has a data segment, so a data digest where one is in use.
  bool header_digest = false;
  bool data_digest = false;
  bool iso = false;
  bool completion = false;
};
// Bytes on the wire of one PDU; `data` is padded, and 0 when there is none.
constexpr uint32_t plain_plen(uint32_t header, uint32_t data, bool header_digest,
                              bool data_digest) {
  return header + data + (header_digest ? 4u : 0u) + (data_digest && data != 0 ? 4u : 0u);
}
// Flits (8 bytes) of a scatter list of `entries`, at least 1.
constexpr uint32_t sgl_flits(uint32_t entries) {
  return 3 * (entries - 1) / 2 + ((entries - 1) & 1) + 2;
}
bool tx_data_is_immediate(uint32_t size, bool iso);
// What it costs, in credits. Its arguments as in TxDataValues.
uint32_t tx_data_cost(uint32_t size, uint32_t fragments, bool iso);
// The dearest one with up to `fragments` pieces: for TxCredits.
uint32_t tx_data_max_cost(uint32_t fragments);
void write_tx_data(uint8_t* out, const TxDataValues& values);

// Up to three page pods into adapter memory at `address` (a multiple of 32).
inline constexpr uint32_t kPodsPerWrite = 3;
constexpr uint32_t pod_write_size(uint32_t pods) {
  return round16(sizeof(cpl::UlpMemWrite) + pods * 64);
}
constexpr uint32_t pod_write_cost(uint32_t pods) { return length16(pod_write_size(pods)); }
// Returns where the pods go: `pods` times 64 bytes. Left as they are, zero, they are invalid pods.
uint8_t* write_pod_write(uint8_t* out, uint32_t tid, uint32_t address, uint32_t pods,
                         bool completion);

// --- The end ---

inline constexpr uint32_t kCloseConReqSize = round16(sizeof(cpl::TidReq));
// Asks for a completion.
void write_close_con_req(uint8_t* out, uint32_t tid);
inline constexpr uint32_t kAbortSize = round16(sizeof(cpl::AbortReq));
// What is kept back of a connection's credits for it.
inline constexpr uint32_t kAbortCost = length16(kAbortSize);
void write_abort_req(uint8_t* out, uint32_t tid, bool send_rst);
void write_abort_rpl(uint8_t* out, uint32_t tid);
// The adapter still tries: nothing is to be done, nothing to be answered.
constexpr bool is_negative_advice(uint8_t status) {
  return status == static_cast<uint8_t>(cpl::Status::kRtxNegAdvice) ||
         status == static_cast<uint8_t>(cpl::Status::kPersistNegAdvice) ||
         status == static_cast<uint8_t>(cpl::Status::kKeepaliveNegAdvice);
}

}  // namespace chiscsi::wr
