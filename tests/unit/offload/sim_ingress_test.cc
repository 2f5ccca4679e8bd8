// SPDX-License-Identifier: GPL-2.0-only
//
// The software adapter: received PDUs, the messages of both chips for them, the receive window, and
// how messages are handed over. Placement is in sim_pods_test.cc.
#include "sim_client.hh"

namespace chiscsi::test {
namespace {

class SimIngress : public SimTest {
 protected:
  // The three messages of a PDU that is not placed.
  void expect_pdu(const Link& link, const iscsi::Bhs& bhs, const ByteVector& data, uint32_t seq,
                  uint32_t digests, uint32_t errors = 0) {
    const Arrived head = inbox_.next(Opcode::kIscsiHdr);
    const auto& hdr = head.as<cpl::IscsiHdr>();
    EXPECT_NE(head.pieces, 0u);
    EXPECT_EQ(hdr.ot.tid(), link.tid);
    EXPECT_EQ(hdr.pdu_len_ddp.get(), 48 + data.size());
    EXPECT_EQ(hdr.len.get(), 48);
    EXPECT_EQ(hdr.seq.get(), seq);
    EXPECT_EQ(head.after(sizeof(hdr)), bytes_of(bhs));
    if (!data.empty()) {
      const Arrived body = inbox_.next();
      EXPECT_EQ(body.opcode(), Opcode::kIscsiData);
      EXPECT_EQ(body.as<cpl::IscsiData>().len.get(), data.size());
      EXPECT_EQ(body.after(sizeof(cpl::IscsiData)), data);
    }
    const Arrived end = inbox_.next();
    EXPECT_EQ(end.opcode(), Opcode::kRxIscsiDdp);
    const auto& ddp = end.as<cpl::RxIscsiDdp>();
    const ByteVector wire = wire_of(bhs, data, digests);
    EXPECT_EQ(ddp.len.get(), wire.size());
    EXPECT_EQ(ddp.seq.get(), seq);
    EXPECT_EQ(ddp.ddpvld.get(), 2u << cpl::ddpvld::kUlpModeShift | errors);
    if ((digests & 2) != 0 && !data.empty()) {
      EXPECT_EQ(memcmp(&ddp.ulp_crc, &wire[wire.size() - 4], 4), 0);
    }
  }
};

TEST_F(SimIngress, TellsHeaderDataAndEnd) {
  const Link link = established();
  const iscsi::Bhs empty = bhs_of(iscsi::Opcode::kNopOut, 0);
  const iscsi::Bhs full = bhs_of(iscsi::Opcode::kNopOut, 5001);
  const ByteVector data = pattern(5001);
  peer_write(link.fd, wire_of(empty, {}, 0));
  peer_write(link.fd, wire_of(full, data, 0));
  // The sequence number passes the end of its space.
  EXPECT_GT(link.rcv_isn, 0xffff'ff00u - 8192);
  expect_pdu(link, empty, {}, link.rcv_isn, 0);
  expect_pdu(link, full, data, link.rcv_isn + 48, 0);
  peer_write(link.fd, wire_of(full, data, 0));
  expect_pdu(link, full, data, link.rcv_isn + 96 + 5004, 0);
  EXPECT_GT(inbox_.polls, 0);
}

TEST_F(SimIngress, KeepsHeaderSegmentsTogether) {
  const Link link = established();
  iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kScsiCommand, 0);
  bhs.total_ahs_length = 5;
  ByteVector wire = bytes_of(bhs);
  const ByteVector ahs = pattern(20);
  wire.insert(wire.end(), ahs.begin(), ahs.end());
  peer_write(link.fd, wire);
  const Arrived head = inbox_.next(Opcode::kIscsiHdr);
  EXPECT_EQ(head.as<cpl::IscsiHdr>().len.get(), 68);
  EXPECT_EQ(head.as<cpl::IscsiHdr>().pdu_len_ddp.get(), 68);
  EXPECT_EQ(head.after(16), wire);
  EXPECT_EQ(inbox_.next().as<cpl::RxIscsiDdp>().len.get(), 68);
}

TEST_F(SimIngress, TakesThePduInAnyPieces) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 33);
  const ByteVector wire = wire_of(bhs, pattern(33), 0);
  for (uint8_t byte : wire)
    peer_write(link.fd, {byte});
  expect_pdu(link, bhs, pattern(33), link.rcv_isn, 0);
}

TEST_F(SimIngress, ChecksDigests) {
  const Link link = established();
  set_tcb(link, cpl::kTcbUlpDigestShift, 3);
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 10);
  ByteVector wire = wire_of(bhs, pattern(10), 3);
  const auto size = static_cast<uint32_t>(wire.size());
  peer_write(link.fd, wire);
  expect_pdu(link, bhs, pattern(10), link.rcv_isn, 3);
  wire[52] ^= 1;
  peer_write(link.fd, wire);
  EXPECT_EQ(inbox_.next(Opcode::kRxIscsiDdp).as<cpl::RxIscsiDdp>().ddpvld.get() & 0x0fff'ffff,
            cpl::ddpvld::kDataCrcError);
  wire[52] ^= 1;
  wire[48] ^= 1;
  peer_write(link.fd, wire);
  EXPECT_EQ(inbox_.next(Opcode::kRxIscsiDdp).as<cpl::RxIscsiDdp>().ddpvld.get() & 0x0fff'ffff,
            cpl::ddpvld::kHeaderCrcError);
  EXPECT_EQ(stats().digest_errors, 2u);
  EXPECT_EQ(size, 48 + 4 + 12 + 4u);
}

TEST_F(SimIngress, ALateSettingIsSeenAsGarbage) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 0);
  // The peer has digests already, the adapter not yet.
  peer_write(link.fd, wire_of(bhs, {}, 1));
  expect_pdu(link, bhs, {}, link.rcv_isn, 0);
  set_tcb(link, cpl::kTcbUlpDigestShift, 1);
  peer_write(link.fd, wire_of(bhs, {}, 1));
  // The digest of the first was taken for the beginning of the second.
  EXPECT_EQ(inbox_.next(Opcode::kAbortReqRss).as<cpl::StatusRpl>().status,
            static_cast<uint8_t>(cpl::Status::kBadLength));
  answer_abort(link);
  release(link);
}

TEST_F(SimIngress, HasErrorsWhenAsked) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 9);
  const ByteVector data = pattern(9);
  uint32_t seq = link.rcv_isn;
  const auto with = [&](const char* fault, uint32_t error) {
    ASSERT_EQ(sim_fault(dev_, fault, 1), 0);
    peer_write(link.fd, wire_of(bhs, data, 0));
    expect_pdu(link, bhs, data, seq, 0, error);
    seq += 60;
  };
  with("header_crc", cpl::ddpvld::kHeaderCrcError);
  with("data_crc", cpl::ddpvld::kDataCrcError);
  with("pad", cpl::ddpvld::kPadError);
  ByteVector wire = wire_of(bhs, data, 0);
  wire[58] = 1;  // The pad of the peer itself.
  peer_write(link.fd, wire);
  expect_pdu(link, bhs, data, seq, 0, cpl::ddpvld::kPadError);
}

TEST_F(SimIngress, ResetsAPduThatIsTooLong) {
  const Link link = established();
  peer_write(link.fd, bytes_of(bhs_of(iscsi::Opcode::kNopOut, 17000)));
  EXPECT_EQ(inbox_.next(Opcode::kAbortReqRss).as<cpl::StatusRpl>().status,
            static_cast<uint8_t>(cpl::Status::kBadLength));
  answer_abort(link);
  release(link);
}

TEST_F(SimIngress, OffersAgainWhatWasRefused) {
  const Link link = established();
  {
    std::lock_guard guard(inbox_.lock);
    inbox_.refusals = 10;
  }
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 100);
  peer_write(link.fd, wire_of(bhs, pattern(100), 0));
  expect_pdu(link, bhs, pattern(100), link.rcv_isn, 0);
  EXPECT_EQ(stats().retries, 10u);
}

class SimIngressCut : public SimIngress {
  void configure() override {
    config_.cut_headers = 1;
    config_.pages_only = 1;
    config_.fragment_size = 700;
    config_.chip = 5;
  }
};

TEST_F(SimIngressCut, CutsHeadersAndPayload) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 3000);
  const ByteVector wire = wire_of(bhs, pattern(3000), 0);
  uint32_t seq = link.rcv_isn;
  for (int i = 0; i < 20; ++i) {
    peer_write(link.fd, wire);
    expect_pdu(link, bhs, pattern(3000), seq, 0);
    seq += static_cast<uint32_t>(wire.size());
  }
  peer_write(link.fd, wire);
  const Arrived head = inbox_.next(Opcode::kIscsiHdr);
  EXPECT_GT(head.pieces, 1u);
  EXPECT_LT(head.first_piece, 64u);
  const Arrived body = inbox_.next();
  EXPECT_GT(body.pieces, 4u);
  EXPECT_LE(body.pieces, inbox_.info->max_fragments);
  EXPECT_NE(inbox_.next().pieces, 0u);
}

TEST_F(SimIngress, TakesReturnsWithoutFlowControl) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 1000);
  peer_write(link.fd, wire_of(bhs, pattern(1000), 0));
  expect_pdu(link, bhs, pattern(1000), link.rcv_isn, 0);
  auto message = tp<cpl::RxDataAck>(Opcode::kRxDataAck, link.tid);
  message.credit_dack = cpl::kDackChange | 1048;
  send_message(message, true);
  // Seen before the next data.
  set_tcb(link, cpl::kTcbUlpDigestShift, 0);
  EXPECT_EQ(stats().violations, 0u);
}

class SimWindow : public SimIngress {
  void configure() override {
    config_.chip = 5;
    window_kib_ = 8;
  }

 protected:
  void return_credits(const Link& link, uint32_t credits) {
    auto message = tp<cpl::RxDataAck>(Opcode::kRxDataAck, link.tid);
    message.credit_dack = cpl::kDackChange | 3u << cpl::kDackModeShift | credits;
    send_message(message, true);
  }
};

TEST_F(SimWindow, StopsReadingAndGoesOn) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 4000);
  const ByteVector data = pattern(4000);
  for (int i = 0; i < 3; ++i)
    peer_write(link.fd, wire_of(bhs, data, 0));
  expect_pdu(link, bhs, data, link.rcv_isn, 0);
  expect_pdu(link, bhs, data, link.rcv_isn + 4048, 0);
  EXPECT_TRUE(eventually([&] { return stats().window_stalls != 0; }));
  EXPECT_TRUE(inbox_.empty());
  return_credits(link, 8096);
  expect_pdu(link, bhs, data, link.rcv_isn + 8096, 0);
}

TEST_F(SimWindow, SeesTooMuchReturned) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 0);
  peer_write(link.fd, bytes_of(bhs));
  expect_pdu(link, bhs, {}, link.rcv_isn, 0);
  return_credits(link, 49);
  expect_broken("rx_credits");
}

}  // namespace
}  // namespace chiscsi::test
