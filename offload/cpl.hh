// SPDX-License-Identifier: GPL-2.0-only
//
// The messages between the host and a Terminator adapter (CPL), laid over their bytes.
//
// Host to adapter they are the body of a work request (WR); adapter to host they come behind the
// 8 bytes of a response header, which the low-level driver takes off but for the opcode. Structures
// are made of bytes and BigEndian members: no padding, alignment 1. offload/linux/ compares every
// size, offset and constant here with the kernel's own headers when they are at hand.
#pragma once

#include "base/endian.hh"

namespace chiscsi::cpl {

enum class Opcode : uint8_t {
  // Host to adapter.
  kPassOpenReq = 0x01,
  kPassAcceptRpl = 0x02,
  kSetTcbField = 0x05,
  kCloseConReq = 0x08,
  kCloseListsrvReq = 0x09,
  kAbortReq = 0x0a,
  kAbortRpl = 0x0b,
  kRxDataAck = 0x0d,
  kTidRelease = 0x1a,
  kTxDataIso = 0x1f,
  kPassOpenReq6 = 0x81,
  // Adapter to host.
  kCloseListsrvRpl = 0x20,
  kPassOpenRpl = 0x24,
  kPeerClose = 0x26,
  kAbortReqRss = 0x2b,
  kAbortRplRss = 0x2d,
  kCloseConRpl = 0x32,
  kIscsiHdr = 0x33,
  kRxData = 0x39,
  kSetTcbRpl = 0x3a,
  kPassEstablish = 0x41,
  kRxDataDdp = 0x42,
  kPassAcceptReq = 0x44,
  kRxIscsiCmp = 0x45,
  kRxIscsiDdp = 0x49,
  kIscsiData = 0xb2,
  kFw4Msg = 0xc0,
  kFw4Ack = 0xc3,
};

// Opcode in the top byte, a tid, stid or flow id in the other three.
struct OpcodeTid {
  Be32 word;
  Opcode opcode() const { return static_cast<Opcode>(word.get() >> 24); }
  uint32_t tid() const { return word.get() & 0xff'ffff; }
  void set(Opcode opcode, uint32_t tid) {
    word = static_cast<uint32_t>(opcode) << 24 | (tid & 0xff'ffff);
  }
};

// --- Work requests ---

namespace fw {
inline constexpr uint8_t kUlptx = 0x04;
inline constexpr uint8_t kTp = 0x05;
inline constexpr uint8_t kFlowc = 0x0a;
inline constexpr uint8_t kOfldTxData = 0x0b;
inline constexpr uint8_t kIscsiTxData = 0x45;
}  // namespace fw

inline constexpr uint32_t kWrOpcodeShift = 24;       // Of `hi`.
inline constexpr uint32_t kWrCompletion = 1u << 21;  // Of `hi`: a CPL_FW4_ACK is wanted.
inline constexpr uint32_t kWrImmediateMask = 0xff;   // Of `hi`.
inline constexpr uint32_t kWrFlowIdShift = 8;        // Of `mid`; length in 16 bytes below.

// A work request without a structure of its own: FW_TP_WR and ULPTX.
struct WrHeader {
  Be32 hi, mid;
  Be64 lo;
};

struct FlowcWr {
  Be32 op_to_nparams, flowid_len16;  // Then so many FlowcParam.
};
enum class Flowc : uint8_t {
  kPfnVfn = 0,
  kCh = 1,
  kPort = 2,
  kIqId = 3,
  kSndNxt = 4,
  kRcvNxt = 5,
  kSndBuf = 6,
  kMss = 7,
  kTxDataPlenMax = 8,
  kDcbPrio = 12,
  kRcvScale = 14,
};
struct FlowcParam {
  uint8_t mnemonic;
  uint8_t reserved[3];
  Be32 value;
};

// FW_OFLD_TX_DATA_WR and, with another opcode, FW_ISCSI_TX_DATA_WR.
struct TxDataWr {
  Be32 op_to_immdlen, flowid_len16, plen, tunnel_to_proxy;
};
inline constexpr uint32_t kTxUlpModeShift = 10;
inline constexpr uint32_t kTxUlpModeIscsi = 2;
inline constexpr uint32_t kTxUlpSubmodeShift = 6;
inline constexpr uint32_t kTxSubmodeHeaderCrc = 1;
inline constexpr uint32_t kTxSubmodeDataCrc = 2;
inline constexpr uint32_t kTxSubmodeIso = 8;
inline constexpr uint32_t kTxShove = 1u << 29;
inline constexpr uint32_t kTxForceT5 = 1u << 13;
inline constexpr uint32_t kTxForceT6 = 1u << 20;

struct TxDataIso {
  Be32 op_to_scsi;
  uint8_t reserved1, ahs_len;
  Be16 mpdu;
  Be32 burst_size, len, seglen_offset, datasn_offset, buffer_offset, reserved3;
};
inline constexpr uint32_t kIsoFirst = 1u << 23;
inline constexpr uint32_t kIsoLast = 1u << 22;
inline constexpr uint32_t kIsoHeaderCrc = 1u << 20;
inline constexpr uint32_t kIsoPayloadCrc = 1u << 19;
inline constexpr uint32_t kIsoScsiShift = 16;
inline constexpr uint32_t kIsoScsiDataIn = 2;

// ULP_TX memory write with immediate data; the data follows.
struct UlpMemWrite {
  WrHeader wr;
  Be32 cmd, len16, dlen, lock_addr;
  Be32 idata_cmd, idata_len;
};
inline constexpr uint32_t kUlpMemWrite = 3u << 24;
inline constexpr uint32_t kUlpMemImmediate = 1u << 23;
inline constexpr uint32_t kUlpMemOrder = 1u << 22;
inline constexpr uint32_t kUlpScImmediate = 0x81u << 24;

// --- Listening ---

struct PassOpenReq {
  WrHeader wr;
  OpcodeTid ot;
  Be16 local_port, peer_port;
  Be32 local_ip, peer_ip;
  Be64 opt0, opt1;
};
struct PassOpenReq6 {
  WrHeader wr;
  OpcodeTid ot;
  Be16 local_port, peer_port;
  Be64 local_ip_hi, local_ip_lo, peer_ip_hi, peer_ip_lo;
  Be64 opt0, opt1;
};
// Also CPL_CLOSE_LISTSRV_RPL, CPL_ABORT_REQ_RSS and CPL_ABORT_RPL_RSS.
struct StatusRpl {
  OpcodeTid ot;
  uint8_t reserved[3];
  uint8_t status;
};
struct CloseListsrvReq {
  WrHeader wr;
  OpcodeTid ot;
  Be16 reply_ctrl, reserved;
};
inline constexpr uint16_t kListsrvIpv6 = 1u << 14;
inline constexpr uint16_t kNoReply = 1u << 15;  // Of reply_ctrl.

// --- Accepting ---

struct PassAcceptReq {
  OpcodeTid ot;
  Be16 reserved, len;
  Be32 hdr_len;
  Be16 vlan, l2info;
  Be32 tos_stid;
  Be16 mss;
  uint8_t window_scale;
  uint8_t tcp_flags;  // Then the Ethernet, IP and TCP headers of the SYN.
};
inline constexpr uint8_t kSynTimestamps = 1u << 7;
inline constexpr uint8_t kSynSack = 1u << 6;

struct PassAcceptRpl {
  WrHeader wr;
  OpcodeTid ot;
  Be32 opt2;
  Be64 opt0;
  Be32 iss, reserved;
};
// opt0
inline constexpr uint32_t kOpt0TxChannelShift = 2;
inline constexpr uint32_t kOpt0UlpModeShift = 8;
inline constexpr uint32_t kOpt0RcvBufferShift = 12;  // KiB, 10 bits.
inline constexpr uint32_t kOpt0DscpShift = 22;
inline constexpr uint32_t kOpt0SmacShift = 28;
inline constexpr uint32_t kOpt0L2tShift = 36;
inline constexpr uint64_t kOpt0TcamBypass = 1ull << 48;
inline constexpr uint64_t kOpt0Nagle = 1ull << 49;
inline constexpr uint32_t kOpt0WindowScaleShift = 50;
inline constexpr uint64_t kOpt0KeepAlive = 1ull << 54;
inline constexpr uint32_t kOpt0MssIndexShift = 60;
inline constexpr uint32_t kRcvBufferMax = 0x3ff;
// opt2
inline constexpr uint32_t kOpt2RssQueueValid = 1u << 10;  // The queue is in 9:0.
inline constexpr uint32_t kOpt2CongestionShift = 14;
inline constexpr uint32_t kOpt2CongestionNewReno = 2;
inline constexpr uint32_t kOpt2Iss = 1u << 18;
inline constexpr uint32_t kOpt2RxFlowControlOff = 1u << 20;
inline constexpr uint32_t kOpt2Ecn = 1u << 27;
inline constexpr uint32_t kOpt2WindowScale = 1u << 28;
inline constexpr uint32_t kOpt2Timestamps = 1u << 29;
inline constexpr uint32_t kOpt2Sack = 1u << 30;
inline constexpr uint32_t kOpt2Valid = 1u << 31;

struct PassEstablish {
  OpcodeTid ot;
  Be32 reserved, tos_stid;
  Be16 mac_idx, tcp_opt;
  Be32 snd_isn, rcv_isn;
};
// tcp_opt
inline constexpr uint16_t kTcpOptWindowScale = 1u << 5;
inline constexpr uint16_t kTcpOptSack = 1u << 6;
inline constexpr uint16_t kTcpOptTimestamps = 1u << 7;
inline constexpr uint32_t kTcpOptSndScaleShift = 8;   // 4 bits.
inline constexpr uint32_t kTcpOptMssIndexShift = 12;  // 4 bits.

// CPL_TID_RELEASE, CPL_CLOSE_CON_REQ.
struct TidReq {
  WrHeader wr;
  OpcodeTid ot;
  Be32 reserved;
};

// --- Settings of a connection ---

struct SetTcbField {
  WrHeader wr;
  OpcodeTid ot;
  Be16 reply_ctrl, word_cookie;
  Be64 mask, value;
};
struct SetTcbRpl {
  OpcodeTid ot;
  Be16 reserved;
  uint8_t cookie, status;
  Be64 old_value;
};
inline constexpr uint32_t kTcbWordUlp = 0;
inline constexpr uint32_t kTcbUlpDigestShift = 4;    // Two bits: 1 header, 2 data.
inline constexpr uint32_t kTcbUlpPageSizeShift = 8;  // Two bits.
inline constexpr uint32_t kTcbCookieShift = 5;       // Of word_cookie, 3 bits.

// --- Data ---

struct Fw4Ack {
  OpcodeTid ot;
  uint8_t credits;
  uint8_t reserved0[2];
  uint8_t seq_vld;
  Be32 snd_nxt, snd_una;
  Be64 reserved1;
};
inline constexpr uint8_t kFw4AckSeqValid = 1;

struct IscsiHdr {
  OpcodeTid ot;
  Be16 pdu_len_ddp, len;
  Be32 seq;
  Be16 urg;
  uint8_t reserved, status;
};
inline constexpr uint16_t kPduLengthMask = 0x7fff;
inline constexpr uint16_t kPduDdp = 0x8000;

struct IscsiData {
  OpcodeTid ot;
  uint8_t reserved0[2];
  Be16 len;
  Be32 seq;
  Be16 urg;
  uint8_t reserved1, status;
};

struct RxIscsiDdp {
  OpcodeTid ot;
  Be16 urg, len;
  Be32 seq, nxt_seq, ulp_crc, ddpvld;
};

struct RxIscsiCmp {
  OpcodeTid ot;
  Be16 pdu_len_ddp, len;
  Be32 seq;
  Be16 urg;
  uint8_t reserved, status;
  Be32 ulp_crc, ddpvld;
};

namespace ddpvld {
inline constexpr uint32_t kPodMismatch = 1u << 15;
inline constexpr uint32_t kPlaced = 1u << 16;
inline constexpr uint32_t kLowerLimit = 1u << 17;
inline constexpr uint32_t kPodParity = 1u << 18;
inline constexpr uint32_t kPadError = 1u << 19;
inline constexpr uint32_t kHeaderCrcError = 1u << 20;
inline constexpr uint32_t kDataCrcError = 1u << 21;
inline constexpr uint32_t kInvalidTag = 1u << 22;
inline constexpr uint32_t kUpperLimit = 1u << 23;
inline constexpr uint32_t kOffset = 1u << 24;
inline constexpr uint32_t kColour = 1u << 25;
inline constexpr uint32_t kTidMismatch = 1u << 26;
inline constexpr uint32_t kInvalidPod = 1u << 27;
inline constexpr uint32_t kUlpModeShift = 28;
}  // namespace ddpvld

struct RxDataAck {
  WrHeader wr;
  OpcodeTid ot;
  Be32 credit_dack;
};
inline constexpr uint32_t kDackChange = 1u << 31;
inline constexpr uint32_t kDackModeShift = 29;

// --- The end ---

struct AbortReq {  // Also CPL_ABORT_RPL.
  WrHeader wr;
  OpcodeTid ot;
  Be32 reserved0;
  uint8_t reserved1, cmd;
  uint8_t reserved2[6];
};
inline constexpr uint8_t kAbortSendRst = 0;
inline constexpr uint8_t kAbortNoRst = 1;

struct PeerClose {
  OpcodeTid ot;
  Be32 rcv_nxt;
};
struct CloseConRpl {
  OpcodeTid ot;
  uint8_t reserved[3], status;
  Be32 snd_nxt, rcv_nxt;
};

enum class Status : uint8_t {
  kNone = 0,
  kTcamParity = 1,
  kTcamMiss = 2,
  kTcamFull = 3,
  kBadLength = 15,
  kBadRoute = 18,
  kConnReset = 20,
  kConnExistSynrecv = 21,
  kConnExist = 22,
  kArpMiss = 23,
  kBadSyn = 24,
  kConnTimedout = 30,
  kXmitTimedout = 31,
  kPersistTimedout = 32,
  kFinwait2Timedout = 33,
  kKeepaliveTimedout = 34,
  kRtxNegAdvice = 35,
  kPersistNegAdvice = 36,
  kKeepaliveNegAdvice = 37,
  kAbortFailed = 42,
};

static_assert(sizeof(OpcodeTid) == 4 && alignof(OpcodeTid) == 1);
static_assert(sizeof(WrHeader) == 16 && sizeof(TxDataWr) == 16 && sizeof(FlowcWr) == 8 &&
              sizeof(FlowcParam) == 8 && sizeof(TxDataIso) == 32 && sizeof(UlpMemWrite) == 40);
static_assert(sizeof(PassOpenReq) == 48 && sizeof(PassOpenReq6) == 72 && sizeof(StatusRpl) == 8 &&
              sizeof(CloseListsrvReq) == 24);
static_assert(sizeof(PassAcceptReq) == 24 && sizeof(PassAcceptRpl) == 40 &&
              sizeof(PassEstablish) == 24 && sizeof(TidReq) == 24);
static_assert(sizeof(SetTcbField) == 40 && sizeof(SetTcbRpl) == 16 && sizeof(Fw4Ack) == 24);
static_assert(sizeof(IscsiHdr) == 16 && sizeof(IscsiData) == 16 && sizeof(RxIscsiDdp) == 24 &&
              sizeof(RxIscsiCmp) == 24 && sizeof(RxDataAck) == 24);
static_assert(sizeof(AbortReq) == 32 && sizeof(PeerClose) == 8 && sizeof(CloseConRpl) == 16);

}  // namespace chiscsi::cpl
