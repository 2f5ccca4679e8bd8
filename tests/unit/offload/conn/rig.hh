// SPDX-License-Identifier: GPL-2.0-only
//
// The offload transport between a scripted adapter and a scripted target, with one connection.
#pragma once

#include <gtest/gtest.h>

#include "fake_lld.hh"
#include "fake_target.hh"
#include "host.hh"
#include "offload/offload.h"
#include "tests/unit/offload/rx_messages.hh"

namespace chiscsi::test {

inline constexpr uint32_t kTid = 0x123;  // That of rx_messages.hh.
inline constexpr uint32_t kRcvIsn = 5000;
inline constexpr uint32_t kSndIsn = 9000;

// A SYN from 192.0.2.9:1234 for 192.0.2.1:3260, as the adapter passes it on.
inline ByteVector syn_message(uint32_t chip, uint32_t stid, uint32_t tid = kTid) {
  cpl::PassAcceptReq request = {};
  request.ot.set(cpl::Opcode::kPassAcceptReq, tid);
  request.hdr_len =
      chip == 5 ? 14u << 26 | 20u << 16 | 20u << 10 : 14u << 24 | 20u << 14 | 20u << 8;
  request.l2info = 1u << 12;
  request.tos_stid = stid;
  request.mss = 1460;
  request.window_scale = 7;
  request.tcp_flags = cpl::kSynSack;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&request);
  ByteVector message(bytes, bytes + sizeof(request));
  ByteVector headers(54);
  headers[12] = 0x08;  // IPv4.
  headers[14] = 0x45;
  headers[23] = 6;
  const uint8_t addresses[8] = {192, 0, 2, 9, 192, 0, 2, 1};
  std::copy(addresses, addresses + 8, headers.begin() + 26);
  headers[34] = 1234 >> 8;
  headers[35] = 1234 & 0xff;
  headers[36] = 3260 >> 8;
  headers[37] = 3260 & 0xff;
  headers[46] = 0x50;
  headers[47] = 0x02;
  append(message, headers);
  return message;
}

inline offload_counters counters_now() {
  offload_counters now;
  offload_read_counters(&now);
  return now;
}

// The bytes of a BHS.
inline ByteVector bytes_of(const iscsi::Bhs& bhs) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&bhs);
  return {bytes, bytes + sizeof(bhs)};
}

class Rig {
 public:
  explicit Rig(uint32_t chip = 5, const std::function<void(FakeLld&)>& change = {}) : lld(chip) {
    lld.info.tid_base = 0x100;
    if (change) change(lld);
    EXPECT_EQ(target.listen(3260), 0);
    EXPECT_EQ(offload_start(), 0);
    EXPECT_EQ(offload_add_backend(lld.ops()), 0);
    lld.add();
    EXPECT_TRUE(target.wait_registered());
    before = counters_now();
  }
  ~Rig() {
    offload_stop();
    EXPECT_EQ(lld.pages, 0);
    EXPECT_EQ(lld.buffers, 0);
    EXPECT_EQ(lld.clips, 0);
    EXPECT_EQ(lld.routes, 0);
    EXPECT_EQ(lld.mappings, 0);
    EXPECT_EQ(lld.pod_runs, 0);
    EXPECT_TRUE(lld.tids.empty());
    EXPECT_EQ(lld.stids.size(), stids_left);
  }

  uint32_t stid() const { return *lld.stids.begin(); }
  void syn() { EXPECT_EQ(lld.say_pages(syn_message(lld.info.chip, stid())), 0); }
  void establish() {
    cpl::PassEstablish message = {};
    message.ot.set(cpl::Opcode::kPassEstablish, kTid);
    message.tcp_opt = 8u << cpl::kTcpOptMssIndexShift;
    message.snd_isn = kSndIsn;
    message.rcv_isn = kRcvIsn;
    EXPECT_EQ(lld.say(message), 0);
  }
  // All the way to the target.
  void open() {
    syn();
    EXPECT_TRUE(lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
    establish();
    ASSERT_TRUE(target.wait_accepted());
    target.start();
    target.turns();
  }

  void ack(uint32_t credits) {
    cpl::Fw4Ack message = {};
    message.ot.set(cpl::Opcode::kFw4Ack, kTid);
    message.credits = static_cast<uint8_t>(credits);
    EXPECT_EQ(lld.say(message), 0);
  }
  void say_status(cpl::Opcode opcode, cpl::Status status = cpl::Status::kNone) {
    cpl::StatusRpl message = {};
    message.ot.set(opcode, kTid);
    message.status = static_cast<uint8_t>(status);
    EXPECT_EQ(lld.say(message), 0);
  }
  void peer_close() {
    cpl::PeerClose message = {};
    message.ot.set(cpl::Opcode::kPeerClose, kTid);
    EXPECT_EQ(lld.say(message), 0);
  }
  void close_reply() {
    cpl::CloseConRpl message = {};
    message.ot.set(cpl::Opcode::kCloseConRpl, kTid);
    EXPECT_EQ(lld.say(message), 0);
  }

  // A PDU of the peer, in the way of a T5; `placed`: the adapter has put its data away.
  void peer_sends(const iscsi::Bhs& bhs, const ByteVector& data, bool placed = false,
                  uint32_t ddpvld = 0) {
    const auto padded = static_cast<uint32_t>((data.size() + 3) & ~size_t{3});
    const uint32_t size = 48 + padded;
    EXPECT_EQ(lld.say_pages(hdr_message(bytes_of(bhs), rcv_nxt, size)), 0);
    if (!data.empty() && !placed) {
      ByteVector with_pad = data;
      with_pad.resize(padded);
      EXPECT_EQ(lld.say_pages(data_message(with_pad)), 0);
    }
    const ByteVector end = ddp_message(size, rcv_nxt, ddpvld | (placed ? cpl::ddpvld::kPlaced : 0));
    EXPECT_EQ(lld.say_bytes(end.data(), end.size()), 0);
    rcv_nxt += size;
  }

  // The end by TERM, with the adapter's answer.
  void terminate() {
    target.stop(CHISCSI_STOP_CONN_TERM);
    EXPECT_TRUE(lld.next_cpl(cpl::Opcode::kAbortReq));
    say_status(cpl::Opcode::kAbortRplRss);
    EXPECT_TRUE(target.wait_stopped());
    finish();
  }
  // The same after the peer's FIN, when nothing is under way.
  void terminate_in_order() {
    target.stop(CHISCSI_STOP_CONN_TERM);
    EXPECT_TRUE(lld.next_cpl(cpl::Opcode::kCloseConReq));
    close_reply();
    EXPECT_TRUE(target.wait_stopped());
    finish();
  }
  void finish() {
    target.destroy();
    EXPECT_TRUE(lld.let_go());
  }

  FakeLld lld;
  FakeTarget target;
  uint32_t rcv_nxt = kRcvIsn;
  size_t stids_left = 0;  // Of a server that the adapter never spoke of again.
  offload_counters before = {};
};

inline FakePdu small_pdu(iscsi::Opcode opcode = iscsi::Opcode::kScsiResponse) {
  FakePdu pdu;
  pdu.bhs.opcode_byte = static_cast<uint8_t>(opcode);
  return pdu;
}

}  // namespace chiscsi::test
