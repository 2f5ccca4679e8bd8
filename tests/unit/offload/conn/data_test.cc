// SPDX-License-Identifier: GPL-2.0-only
//
// PDUs both ways: what a work request holds, credits, digests, pauses and the receive window.
#include "rig.hh"

namespace chiscsi::test {
namespace {

constexpr uint32_t kFlowcCost = 5;  // 9 pairs.

iscsi::Bhs ping(uint32_t size) {
  iscsi::Bhs bhs;
  bhs.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kNopOut);
  bhs.data_segment_length = size;
  return bhs;
}

FakePdu data_in(std::vector<uint8_t>& memory, uint32_t segment = 0) {
  FakePdu pdu = small_pdu(iscsi::Opcode::kDataIn);
  pdu.bhs.flags = 0x81;
  pdu.bhs.as<iscsi::DataIn>().data_sn = 3;
  pdu.bhs.as<iscsi::DataIn>().buffer_offset = 8192;
  pdu.bhs.as<iscsi::DataIn>().stat_sn = 9;
  chiscsi_sgvec element = {};
  element.sg_addr = memory.data();
  element.sg_length = static_cast<unsigned>(memory.size());
  pdu.sgl.push_back(element);
  pdu.data_size = static_cast<uint32_t>(memory.size());
  pdu.segment = segment;
  return pdu;
}

TEST(OffloadTx, FirstOfAllIsFlowc) {
  Rig rig;
  rig.open();
  const int id = rig.target.send(small_pdu());
  rig.target.turns();
  const auto flowc = rig.lld.next();
  ASSERT_TRUE(flowc);
  ASSERT_EQ(flowc->fw_opcode(), cpl::fw::kFlowc);
  EXPECT_EQ(flowc->flow_id(), kTid);
  EXPECT_EQ(flowc->length16(), kFlowcCost);
  EXPECT_EQ(flowc->header.size(), 16 * kFlowcCost);
  const auto pair = [&](size_t i) { return flowc->as<cpl::FlowcParam>(8 + 8 * i); };
  EXPECT_EQ(pair(3).value.get(), 77u);
  EXPECT_EQ(pair(4).value.get(), kSndIsn);
  EXPECT_EQ(pair(5).value.get(), kRcvIsn);
  const auto data = rig.lld.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->fw_opcode(), cpl::fw::kOfldTxData);
  EXPECT_EQ(data->queue, 3u);
  EXPECT_TRUE(data->completion());  // The last for now.
  EXPECT_EQ(data->as<cpl::TxDataWr>().plen.get(), 48u);
  EXPECT_EQ(data->pdu().size(), 48u);
  EXPECT_TRUE(rig.target.sent.empty());
  rig.ack(kFlowcCost + data->length16());
  rig.target.turns();
  EXPECT_EQ(rig.target.sent, std::vector<int>{id});
  rig.terminate();
}

TEST(OffloadTx, DataGoesInPiecesAndIsPadded) {
  Rig rig;
  rig.open();
  std::vector<uint8_t> memory = pattern(4097, 1);
  FakePdu pdu = data_in(memory);
  rig.target.send(pdu);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const auto data = rig.lld.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->pieces, 2u);
  ByteVector expected = memory;
  expected.resize(4100);
  EXPECT_EQ(data->payload, expected);
  EXPECT_EQ(data->as<cpl::TxDataWr>().plen.get(), 48u + 4100);
  EXPECT_EQ(data->as<cpl::TxDataWr>().op_to_immdlen.get() & 0xff, 0u);
  rig.terminate();
}

TEST(OffloadTx, TooManyPiecesAreCopied) {
  Rig rig;
  rig.open();
  std::vector<uint8_t> memory = pattern(4000, 2);
  FakePdu pdu = data_in(memory);
  pdu.sgl.clear();
  for (size_t at = 0; at < 4000; at += 100) {
    chiscsi_sgvec element = {};
    element.sg_addr = memory.data() + at;
    element.sg_length = 100;
    pdu.sgl.push_back(element);
  }
  rig.target.send(pdu);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const auto data = rig.lld.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->pieces, 0u);
  const ByteVector whole = data->pdu();
  EXPECT_EQ(ByteVector(whole.begin() + 48, whole.end()), memory);
  EXPECT_EQ(counters_now().tx_copied, rig.before.tx_copied + 1);
  rig.terminate();
}

TEST(OffloadTx, StopsWithoutCreditsAndGoesOnWithSome) {
  Rig rig;
  rig.open();
  std::vector<int> ids;
  for (int i = 0; i < 40; ++i)
    ids.push_back(rig.target.send(small_pdu()));
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const size_t first = rig.lld.waiting();
  EXPECT_GT(first, 2u);
  EXPECT_LT(first, 12u);  // 62 credits: less FLOWC, 4 each, and room for the dearest.
  EXPECT_EQ(counters_now().credits_exhausted, rig.before.credits_exhausted + 1);
  uint32_t owed = kFlowcCost;
  bool asked = false;
  size_t taken = 0;
  while (taken < ids.size()) {
    while (rig.lld.waiting() != 0) {
      const auto data = rig.lld.next();
      ASSERT_TRUE(data);
      owed += data->length16();
      asked |= data->completion();
      ++taken;
    }
    ASSERT_TRUE(asked);  // Else the connection would stand for good.
    ASSERT_LE(owed, 62u);
    // Back in parts, that end in the middle of requests.
    while (owed != 0) {
      const uint32_t part = std::min(owed, 7u);
      rig.ack(part);
      owed -= part;
    }
    asked = false;
    rig.target.turns();
  }
  while (rig.lld.waiting() != 0)
    owed += rig.lld.next()->length16();
  if (owed != 0) rig.ack(owed);
  rig.target.turns();
  EXPECT_EQ(rig.target.sent, ids);
  rig.terminate();
}

TEST(OffloadTx, TooManyCreditsEndTheConnection) {
  Rig rig;
  rig.open();
  rig.ack(1);
  rig.target.turns();
  ASSERT_TRUE(rig.target.failure);
  EXPECT_LT(*rig.target.failure, 0);
  rig.terminate();
}

TEST(OffloadTx, BurstsAreCutByTheAdapter) {
  Rig rig;
  rig.open();
  std::vector<uint8_t> memory = pattern(20 * 1024, 3);
  rig.target.send(data_in(memory, 4096));
  rig.target.turns();
  EXPECT_EQ(rig.target.last_max_burst, 65535u);
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const auto data = rig.lld.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->fw_opcode(), cpl::fw::kIscsiTxData);
  const auto& iso = data->as<cpl::TxDataIso>(16);
  EXPECT_EQ(iso.mpdu.get(), 1024u);
  EXPECT_EQ(iso.len.get(), 48u + 20 * 1024);
  EXPECT_EQ(data->payload, memory);
  EXPECT_EQ(data->as<cpl::TxDataWr>().plen.get(), 5 * 48u + 20 * 1024);
  EXPECT_EQ(data->pdu()[1], 0x81);
  EXPECT_EQ(counters_now().iso_pdus, rig.before.iso_pdus + 5);
  rig.terminate();
}

// Takes the Data-In PDUs of data_in(memory, segment), which have to be all of it.
void take_burst(Rig& rig, const ByteVector& memory, uint32_t segment) {
  const uint32_t count = (static_cast<uint32_t>(memory.size()) + segment - 1) / segment;
  ByteVector all;
  uint32_t next_sn = 3, owed = kFlowcCost;
  bool last = false;
  for (int i = 0; i < 100 && !last; ++i) {
    rig.target.turns();
    while (rig.lld.waiting() != 0) {
      const auto data = rig.lld.next();
      ASSERT_TRUE(data);
      if (!data->is_data()) continue;
      owed += data->length16();
      ByteVector pdu = data->pdu();
      iscsi::Bhs bhs;
      std::copy(pdu.begin(), pdu.begin() + 48, reinterpret_cast<uint8_t*>(&bhs));
      const uint32_t size = bhs.data_segment_length.get();
      EXPECT_EQ(bhs.as<iscsi::DataIn>().data_sn.get(), next_sn);
      EXPECT_EQ(bhs.as<iscsi::DataIn>().buffer_offset.get(), 8192 + all.size());
      next_sn += (size + segment - 1) / segment;
      all.insert(all.end(), pdu.begin() + 48, pdu.begin() + 48 + size);
      last = all.size() == memory.size();
      EXPECT_EQ(bhs.flags, last ? 0x81 : 0);
      EXPECT_EQ(bhs.as<iscsi::DataIn>().stat_sn.get(), last ? 9u : 0u);
    }
    rig.ack(std::exchange(owed, 0));
  }
  rig.target.turns();
  EXPECT_EQ(all, memory);
  EXPECT_EQ(next_sn, 3u + count);
}

TEST(OffloadTx, LongBurstsAreCutByUs) {
  Rig rig;
  rig.open();
  std::vector<uint8_t> memory = pattern(200 * 1024 + 2, 4);
  const int id = rig.target.send(data_in(memory, 8192));
  take_burst(rig, memory, 8192);
  EXPECT_EQ(rig.target.sent, std::vector<int>{id});
  rig.terminate();
}

// From there on it is copied, one PDU at a time.
TEST(OffloadTx, BurstsWithMemoryOutOfReachAreWhole) {
  Rig rig;
  rig.open();
  std::vector<uint8_t> memory = pattern(20 * 1024, 4);
  rig.lld.fail_adds = 1;
  const int id = rig.target.send(data_in(memory, 4096));
  take_burst(rig, memory, 4096);
  EXPECT_EQ(rig.target.sent, std::vector<int>{id});
  EXPECT_EQ(counters_now().tx_copied, rig.before.tx_copied + 5);
  rig.terminate();
}

// As over the host's sockets: it is a copy, and where it has gone no credit is needed to go on.
TEST(OffloadTx, LoginResponsesAreSentWhenTheAdapterHasThem) {
  Rig rig;
  rig.open();
  const int login = rig.target.send(small_pdu(iscsi::Opcode::kLoginResponse));
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const auto response = rig.lld.next();
  ASSERT_TRUE(response);
  EXPECT_EQ(rig.target.sent, std::vector<int>{login});
  const int other = rig.target.send(small_pdu());
  rig.target.turns();
  const auto second = rig.lld.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(rig.target.sent, std::vector<int>{login});
  // Its credits are still counted.
  rig.ack(kFlowcCost + response->length16());
  rig.target.turns();
  EXPECT_EQ(rig.target.sent, std::vector<int>{login});
  rig.ack(second->length16());
  rig.target.turns();
  EXPECT_EQ(rig.target.sent, (std::vector<int>{login, other}));
  rig.terminate();
}

TEST(OffloadTx, DigestsFollowTheAdaptersAnswer) {
  Rig rig;
  rig.open();
  auto* transport = rig.target.transport;
  EXPECT_EQ(transport->set_param(rig.target.conn, CHISCSI_PARAM_HDRDGST_EN, 1), 0);
  EXPECT_EQ(transport->set_param(rig.target.conn, CHISCSI_PARAM_DATADGST_EN, 1), 0);
  rig.target.send(small_pdu(iscsi::Opcode::kLoginResponse));
  rig.target.send(small_pdu());
  rig.target.turns();
  const auto set = rig.lld.next();
  ASSERT_TRUE(set);
  ASSERT_EQ(set->opcode(), cpl::Opcode::kSetTcbField);
  const auto& field = set->as<cpl::SetTcbField>();
  EXPECT_EQ(field.mask.get() & 0x30, 0x30u);
  EXPECT_EQ(field.value.get(), 0x30u);
  EXPECT_TRUE(rig.lld.is_quiet());  // Nothing is pulled before the answer.
  cpl::SetTcbRpl reply = {};
  reply.ot.set(cpl::Opcode::kSetTcbRpl, kTid);
  reply.cookie = static_cast<uint8_t>(field.word_cookie.get());
  EXPECT_EQ(rig.lld.say(reply), 0);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const auto login = rig.lld.next();
  ASSERT_TRUE(login);
  EXPECT_EQ(login->as<cpl::TxDataWr>().plen.get(), 48u);
  const auto response = rig.lld.next();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->as<cpl::TxDataWr>().plen.get(), 52u);
  // The same once more is nothing.
  EXPECT_EQ(transport->set_param(rig.target.conn, CHISCSI_PARAM_HDRDGST_EN, 1), 0);
  rig.target.send(small_pdu());
  rig.target.turns();
  EXPECT_TRUE(rig.lld.next()->is_data());
  rig.terminate();
}

TEST(OffloadTx, DigestsWithoutAnAnswerEndIt) {
  Rig rig;
  rig.open();
  rig.target.transport->set_param(rig.target.conn, CHISCSI_PARAM_HDRDGST_EN, 1);
  rig.target.send(small_pdu(iscsi::Opcode::kLoginResponse));
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kSetTcbField));
  host_advance_clock(6'000);
  EXPECT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  EXPECT_EQ(*rig.target.failure, -110);
  rig.terminate();
}

TEST(OffloadTx, SurvivesAllocationFailures) {
  for (uint64_t n = 1; n < 6; ++n) {
    Rig rig;
    rig.open();
    std::vector<uint8_t> memory = pattern(512, 6);
    const int id = rig.target.send(data_in(memory));
    host_fail_allocation_at(n);
    rig.target.turns();
    host_fail_allocation_at(0);
    host_advance_clock(2'000);
    ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.lld.waiting() >= 2; }));
    ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
    const auto data = rig.lld.next();
    EXPECT_EQ(data->payload, memory);
    rig.ack(kFlowcCost + data->length16());
    rig.target.turns();
    EXPECT_EQ(rig.target.sent, std::vector<int>{id});
    rig.terminate();
  }
}

// --- Receiving ---

TEST(OffloadRx, DeliversPdus) {
  Rig rig;
  rig.open();
  const ByteVector data = pattern(5001, 7);
  rig.peer_sends(ping(5001), data);
  rig.peer_sends(ping(0), {});
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 2u);
  EXPECT_EQ(rig.target.received[0].data, data);
  EXPECT_TRUE(rig.target.received[0].done);
  EXPECT_EQ(rig.target.received[0].flags, 0u);
  EXPECT_TRUE(rig.target.received[1].data.empty());
  EXPECT_EQ(rig.lld.pages, 0);
  rig.terminate();
}

TEST(OffloadRx, PausesCountAsAnswered) {
  Rig rig;
  rig.open();
  rig.target.answers = {CHISCSI_RX_PAUSE, CHISCSI_RX_PAUSE};
  const ByteVector data = pattern(100, 8);
  rig.peer_sends(ping(100), data);
  rig.peer_sends(ping(0), {});
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 1u);
  EXPECT_TRUE(rig.target.received[0].data.empty());
  rig.target.turn_wanted = true;
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 1u);
  EXPECT_EQ(rig.target.received[0].data, data);
  EXPECT_TRUE(rig.target.received[0].done);
  rig.target.turn_wanted = true;
  rig.target.turns();
  EXPECT_EQ(rig.target.received.size(), 2u);
  rig.terminate();
}

TEST(OffloadRx, CloseIsTheLastWord) {
  Rig rig;
  rig.open();
  rig.target.answers = {CHISCSI_RX_CLOSE};
  rig.peer_sends(ping(0), {});
  rig.peer_sends(ping(0), {});
  rig.target.turns();
  rig.target.turn_wanted = true;
  rig.target.turns();
  EXPECT_EQ(rig.target.received.size(), 1u);
  rig.terminate();
}

TEST(OffloadRx, GivesTheWindowBack) {
  Rig rig;
  rig.open();
  const ByteVector data = pattern(8192, 9);
  uint32_t bytes = 0;
  while (bytes < 64 * 1024) {  // A quarter of 256 KiB.
    EXPECT_TRUE(rig.lld.is_quiet());
    rig.peer_sends(ping(8192), data);
    bytes += 8240;
    rig.target.turns();
  }
  const auto ack = rig.lld.next_cpl(cpl::Opcode::kRxDataAck);
  ASSERT_TRUE(ack);
  EXPECT_TRUE(ack->control);
  EXPECT_EQ(ack->as<cpl::RxDataAck>().credit_dack.get() & 0x0fffffff, bytes);
  rig.terminate();
}

TEST(OffloadRx, TellsDigestErrors) {
  Rig rig;
  rig.open();
  rig.peer_sends(ping(8), pattern(8, 1), false, cpl::ddpvld::kDataCrcError);
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 1u);
  EXPECT_EQ(rig.target.received[0].done_flags, unsigned{CHISCSI_RX_DATA_DIGEST_ERROR});
  rig.peer_sends(ping(8), pattern(8, 1), false, cpl::ddpvld::kHeaderCrcError);
  rig.target.turns();
  EXPECT_TRUE(rig.target.header_digest_error);
  EXPECT_EQ(counters_now().data_digest_errors, rig.before.data_digest_errors + 1);
  EXPECT_EQ(counters_now().header_digest_errors, rig.before.header_digest_errors + 1);
  rig.terminate();
}

// Nobody has to look at the padding, and sockets do not either.
TEST(OffloadRx, PadErrorsAreCounted) {
  Rig rig;
  rig.open();
  rig.peer_sends(ping(7), pattern(7, 1), false, cpl::ddpvld::kPadError);
  rig.target.turns();
  EXPECT_FALSE(rig.target.failure);
  ASSERT_EQ(rig.target.received.size(), 1u);
  EXPECT_EQ(rig.target.received[0].data, pattern(7, 1));
  EXPECT_EQ(rig.target.received[0].done_flags, 0u);
  EXPECT_EQ(counters_now().pad_errors, rig.before.pad_errors + 1);
  rig.terminate();
}

TEST(OffloadRx, NonsenseEndsTheConnection) {
  Rig rig;
  rig.open();
  const ByteVector end = ddp_message(48, kRcvIsn, 0);  // Without a header.
  rig.lld.say_bytes(end.data(), end.size());
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  rig.terminate();
}

TEST(OffloadRx, DataBeforeAFinIsDelivered) {
  Rig rig;
  rig.open();
  rig.target.answers = {CHISCSI_RX_CONTINUE, CHISCSI_RX_PAUSE};
  rig.peer_sends(ping(0), {});
  rig.peer_sends(ping(0), {});
  rig.peer_close();
  rig.target.turns();
  EXPECT_EQ(rig.target.received.size(), 1u);
  EXPECT_FALSE(rig.target.failure);
  rig.target.turn_wanted = true;
  rig.target.turns();
  EXPECT_EQ(rig.target.received.size(), 2u);
  EXPECT_EQ(rig.target.failure, std::optional<int>(0));
  rig.terminate_in_order();
}

// The peer would see a stream with a gap.
TEST(OffloadData, NothingFollowsALostMessage) {
  Rig rig;
  rig.open();
  rig.lld.hop_is_dead = true;
  for (int i = 0; i < 3; ++i)
    rig.target.send(small_pdu());
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  const auto next = rig.lld.next();
  ASSERT_TRUE(next);
  EXPECT_FALSE(next->is_data());
  EXPECT_EQ(next->opcode(), cpl::Opcode::kAbortReq);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

}  // namespace
}  // namespace chiscsi::test
