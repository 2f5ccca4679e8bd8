// SPDX-License-Identifier: GPL-2.0-only
//
// The software adapter: work requests, their credits, and what they become on the network.
#include "sim_client.hh"

namespace chiscsi::test {
namespace {

class SimEgress : public SimTest {};

TEST_F(SimEgress, SendsAPduAndReturnsItsCredits) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopIn, 10);
  const ByteVector data = pattern(10);
  send_pdu(link, bhs, data);
  EXPECT_EQ(peer_read(link.fd, 60), wire_of(bhs, data, 0));
  const Arrived ack = inbox_.next(Opcode::kFw4Ack);
  // FLOWC's 80 bytes and (48 + 12) bytes with their header.
  EXPECT_EQ(ack.as<cpl::Fw4Ack>().credits, 5 + 5);
  EXPECT_EQ(ack.as<cpl::Fw4Ack>().seq_vld, cpl::kFw4AckSeqValid);
  EXPECT_EQ(ack.as<cpl::Fw4Ack>().snd_una.get(), link.snd_isn + 60);
  EXPECT_EQ(ack.queue, link.route.rx_queue_id - 32);
  EXPECT_EQ(stats().credits, 0u);
  EXPECT_EQ(stats().buffers, 0u);
}

TEST_F(SimEgress, InsertsDigests) {
  const Link link = established();
  set_tcb(link, cpl::kTcbUlpDigestShift, 3);
  const ByteVector data = pattern(8001);
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopIn, 8001);
  TxOptions options;
  options.submode = 3;
  send_pdu(link, bhs, data, options);
  const ByteVector wanted = wire_of(bhs, data, 3);
  EXPECT_EQ(peer_read(link.fd, wanted.size()), wanted);
  // Without data there is no data digest, and a Login Response has none at all.
  const iscsi::Bhs empty = bhs_of(iscsi::Opcode::kScsiResponse, 0);
  options.submode = 1;
  send_pdu(link, empty, {}, options);
  EXPECT_EQ(peer_read(link.fd, 52), wire_of(empty, {}, 1));
  const iscsi::Bhs login = bhs_of(iscsi::Opcode::kLoginResponse, 4);
  send_pdu(link, login, pattern(4));
  EXPECT_EQ(peer_read(link.fd, 52), wire_of(login, pattern(4), 0));
}

TEST_F(SimEgress, ReturnsNoCreditsUnasked) {
  const Link link = established();
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopIn, 0);
  TxOptions options;
  options.completion = false;
  send_pdu(link, bhs, {}, options);
  send_pdu(link, bhs, {}, options);
  peer_read(link.fd, 96);
  EXPECT_EQ(stats().credits, 5 + 4 + 4u);
  EXPECT_TRUE(inbox_.empty());
  send_pdu(link, bhs, {});
  EXPECT_EQ(inbox_.next(Opcode::kFw4Ack).as<cpl::Fw4Ack>().credits, 5 + 4 + 4 + 4);
}

TEST_F(SimEgress, LosesAnAckWhenAsked) {
  const Link link = established();
  ASSERT_EQ(sim_fault(dev_, "lost_ack", 1), 0);
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  peer_read(link.fd, 48);
  EXPECT_TRUE(eventually([&] { return stats().credits == 0; }));
  EXPECT_TRUE(inbox_.empty());
}

TEST_F(SimEgress, SplitsASequence) {
  const Link link = established();
  const ByteVector data = pattern(2500);
  send_iso(link, data_in(2500), data, {});
  for (uint32_t i = 0; i < 3; ++i) {
    const uint32_t size = i < 2 ? 1024 : 452;
    const ByteVector got = peer_read(link.fd, 48 + size);
    ASSERT_EQ(got.size(), 48 + size);
    const auto& pdu = *reinterpret_cast<const iscsi::DataIn*>(got.data());
    EXPECT_EQ(pdu.data_segment_length.get(), size);
    EXPECT_EQ(pdu.data_sn.get(), 5 + i);
    EXPECT_EQ(pdu.buffer_offset.get(), 4096 + i * 1024);
    EXPECT_EQ(pdu.flags, i < 2 ? 0 : 0x83);
    EXPECT_EQ(pdu.stat_sn.get(), i < 2 ? 0u : 77u);
    EXPECT_EQ(pdu.status, i < 2 ? 0 : 2);
    EXPECT_EQ(memcmp(&got[48], &data[i * 1024], size), 0);
  }
  inbox_.next(Opcode::kFw4Ack);
  EXPECT_EQ(stats().iso_wrs, 1u);
  EXPECT_EQ(stats().iso_pdus, 3u);
}

TEST_F(SimEgress, SplitsWithDigestsAndWithoutStatus) {
  const Link link = established();
  set_tcb(link, cpl::kTcbUlpDigestShift, 3);
  const ByteVector data = pattern(2048);
  IsoOptions options;
  options.submode = 3;
  options.last = false;
  send_iso(link, data_in(2048), data, options);
  for (uint32_t i = 0; i < 2; ++i) {
    const ByteVector got = peer_read(link.fd, 48 + 4 + 1024 + 4);
    ASSERT_EQ(got.size(), 1080u);
    iscsi::Bhs bhs;
    memcpy(&bhs, got.data(), 48);
    EXPECT_EQ(got, wire_of(bhs, ByteVector(&data[i * 1024], &data[i * 1024] + 1024), 3));
    EXPECT_EQ(bhs.flags, i == 0 ? 0 : 0x80);
  }
  inbox_.next(Opcode::kFw4Ack);
}

TEST_F(SimEgress, RefusesASequenceThatDoesNotAddUp) {
  const Link link = established();
  const ByteVector data = pattern(2048);
  IsoOptions options;
  options.burst_error = 1;
  send_iso(link, data_in(2048), data, options);
  expect_broken("iso_shape");
  inbox_.next(Opcode::kFw4Ack);
}

TEST_F(SimEgress, WantsFlowcFirstAndOnce) {
  const Link link = established(false);
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  expect_broken("flowc_missing");
  send_flowc(link);
  send_flowc(link);
  expect_broken("flowc_twice");
}

TEST_F(SimEgress, ChecksTheParametersOfFlowc) {
  uint64_t count = 0;
  for (size_t i = 0; i < 9; ++i) {
    const Link link = established(false);
    auto params = flowc_params(link);
    params.erase(params.begin() + static_cast<ptrdiff_t>(i));
    send_flowc(link, params);
    expect_broken("flowc_params");
    EXPECT_TRUE(eventually([&] { return sim_violations(dev_, "flowc_params") == count + 1; }));
    ++count;
    abort_and_release(link);
  }
  for (size_t i : {0, 1, 2, 3, 4, 6, 7, 8}) {
    const Link link = established(false);
    auto params = flowc_params(link);
    params[i].value = i == 1 || i == 2 ? 1 : 0;
    send_flowc(link, params);
    EXPECT_TRUE(eventually([&] { return sim_violations(dev_, "flowc_params") == count + 1; })) << i;
    ++count;
    abort_and_release(link);
  }
}

TEST_F(SimEgress, CountsCredits) {
  const Link link = established();
  TxOptions options;
  options.completion = false;
  for (int i = 0; i < 14; ++i)  // 5 + 14 * 4 are 61 of 64.
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  peer_read(link.fd, 14 * 48);
  EXPECT_EQ(sim_violations(dev_, "credits"), 0u);
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  expect_broken("credits");
}

TEST_F(SimEgress, ChecksLengths) {
  const Link link = established();
  TxOptions options;
  options.units_error = 1;
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  expect_broken("wr_length");
  options = {};
  options.plen_error = 4;
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  expect_broken("tx_plen");
  auto message = tp<cpl::AbortReq>(Opcode::kAbortReq, link.tid);
  message.wr.hi = message.wr.hi.get() + 4;
  const uint64_t before = sim_violations(dev_, "wr_length");
  send_message(message, false);
  EXPECT_TRUE(eventually([&] { return sim_violations(dev_, "wr_length") > before; }));
  uint8_t tiny[8] = {};
  send_bytes(tiny, 8, false);
  EXPECT_TRUE(eventually([&] { return sim_violations(dev_, "wr_length") > before + 1; }));
}

TEST_F(SimEgress, ResetsWhatItCannotFrame) {
  const Link link = established();
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 100), pattern(8));
  expect_broken("tx_framing");
  EXPECT_EQ(inbox_.next(Opcode::kAbortReqRss).as<cpl::StatusRpl>().status,
            static_cast<uint8_t>(cpl::Status::kBadLength));
  answer_abort(link);
  release(link);
}

TEST_F(SimEgress, ChecksModes) {
  const Link link = established();
  TxOptions options;
  options.ulp_mode = 0;
  broken_.insert("tx_mode");
  const auto sent = [&](uint64_t count) {
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
    return eventually([&] { return sim_violations(dev_, "tx_mode") == count; });
  };
  EXPECT_TRUE(sent(1));
  options = {};
  options.submode = 1;  // The connection has no digests.
  EXPECT_TRUE(sent(2));
  options = {};
  options.no_force = true;
  EXPECT_TRUE(sent(3));
}

TEST_F(SimEgress, KnowsOpcodesFlowsAndQueues) {
  const Link link = established();
  TxOptions options;
  options.tid = 77;
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  expect_broken("flow_unknown");
  options = {};
  options.control = true;
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  expect_broken("wr_queue");
  auto message = tp<cpl::TidReq>(Opcode::kTidRelease, link.tid);
  message.ot.set(static_cast<Opcode>(0x77), link.tid);
  send_message(message, true);
  expect_broken("wr_opcode");
}

TEST_F(SimEgress, SeesPayloadThatChanges) {
  const Link link = established();
  ByteVector data = pattern(4000);
  TxOptions options;
  options.completion = false;
  options.as_fragments = true;
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 4000), data, options);
  peer_read(link.fd, 4048);
  data[17] ^= 1;
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  expect_broken("payload_changed");
  inbox_.next(Opcode::kFw4Ack);
}

TEST_F(SimEgress, WaitsForASlowPeer) {
  const Link link = established();
  const ByteVector data = pattern(65532);
  size_t sent = 0;
  TxOptions options;
  options.as_fragments = true;
  // More than the sockets hold; nothing is lost, and credits come back in the end.
  for (int i = 0; i < 8; ++i) {
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 65532), data, options);
    sent += 65532 + 48;
  }
  size_t got = 0;
  while (got < sent) {
    const ByteVector part = peer_read(link.fd, 65532 + 48);
    ASSERT_EQ(part.size(), 65580u);
    ASSERT_EQ(memcmp(&part[48], data.data(), data.size()), 0);
    got += part.size();
  }
  EXPECT_TRUE(eventually([&] { return stats().credits == 0; }));
}

class SimEgressPartial : public SimEgress {
  void configure() override { config_.ack_policy = SIM_ACK_PARTIAL; }
};

TEST_F(SimEgressPartial, ReturnsCreditsInAnyPortions) {
  const Link link = established();
  uint32_t credits = 0, acks = 0;
  for (int i = 0; i < 10; ++i)
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  while (credits < 5 + 40) {
    const Arrived ack = inbox_.next(Opcode::kFw4Ack);
    ASSERT_FALSE(ack.bytes.empty());
    credits += ack.as<cpl::Fw4Ack>().credits;
    ++acks;
  }
  EXPECT_EQ(credits, 45u);
  EXPECT_GT(acks, 1u);
}

class SimEgressDelayed : public SimEgress {
  void configure() override {
    config_.ack_policy = SIM_ACK_DELAYED;
    config_.chip = 5;
  }
};

TEST_F(SimEgressDelayed, ReturnsCreditsLater) {
  const Link link = established();
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  peer_read(link.fd, 48);
  EXPECT_EQ(inbox_.next(Opcode::kFw4Ack).as<cpl::Fw4Ack>().credits, 9);
}

// The force bit of the older chip goes by the digests, whether or not it splits.
TEST_F(SimEgressDelayed, SplitsASequenceWithoutDigests) {
  const Link link = established();
  const ByteVector data = pattern(2048);
  send_iso(link, data_in(2048), data, {});
  EXPECT_EQ(peer_read(link.fd, 2 * (48 + 1024)).size(), 2 * (48 + 1024u));
  inbox_.next(Opcode::kFw4Ack);
}

}  // namespace
}  // namespace chiscsi::test
