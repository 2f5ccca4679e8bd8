// SPDX-License-Identifier: GPL-2.0-only
//
// Placed bursts that a T6 tells of once, and PDUs without data at their ends.
#include "placement.hh"

namespace chiscsi::test {
namespace {

void say_completion(Rig& rig, const iscsi::Bhs& bhs, uint32_t seq) {
  const uint32_t size = 48 + bhs.data_segment_length.get();
  EXPECT_EQ(rig.lld.say_pages(cmp_message(bytes_of(bhs), seq, size, cpl::ddpvld::kPlaced)), 0);
}

TEST(OffloadPlacement, T6BurstsAreMerged) {
  Rig rig(6);
  rig.open();
  Buffers buffers(16);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  // Seven PDUs without a word, then the last.
  say_completion(rig, data_out(placed.tag, 7 * 8192, 8192, 7), kRcvIsn + 7 * (48 + 8192));
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 1u);
  const ReceivedPdu& pdu = rig.target.received[0];
  EXPECT_EQ(pdu.flags, unsigned{CHISCSI_RX_MERGED});
  EXPECT_EQ(pdu.placed, buffers.size);
  EXPECT_EQ(pdu.bhs.data_segment_length.get(), buffers.size);
  EXPECT_EQ(pdu.bhs.as<iscsi::DataOut>().buffer_offset.get(), 0u);
  EXPECT_EQ(pdu.bhs.as<iscsi::DataOut>().data_sn.get(), 0u);
  EXPECT_EQ(pdu.bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
  rig.target.transport->release_task(rig.target.conn, rig.target.placed[0]);
  rig.target.turns();
  rig.ack(take_invalidation(rig, 2));
  rig.target.turns();
  EXPECT_EQ(rig.target.released.size(), 1u);
  rig.terminate();
}

// What the initiator skipped was not written: the stream has no room for it.
TEST(OffloadPlacement, T6SkippedDataEndsTheConnection) {
  Rig rig(6);
  rig.open();
  Buffers buffers(16);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  say_completion(rig, data_out(placed.tag, 7 * 8192, 8192, 0), kRcvIsn);
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  EXPECT_TRUE(rig.target.received.empty());
  rig.terminate();
}

// What has gone by in silence before an R2T was sent did not answer it.
TEST(OffloadPlacement, T6GapsAreNotSaved) {
  Rig rig(6);
  rig.open();
  Buffers first(4), second(4);
  const Placed a = send_r2t(rig, r2t(first, 0, first.size));
  rig.ack(a.owed);
  // The first says again and again that it begins at 0: 3 times 4096 bytes went by in silence.
  say_completion(rig, data_out(a.tag, 0, 4096, 3), kRcvIsn + 3 * (48 + 4096));
  rig.target.turns();
  const Placed b = send_r2t(rig, r2t(second, 0, second.size, nullptr, 0x20003));
  rig.ack(b.owed);
  const uint32_t next = kRcvIsn + 4 * (48 + 4096);
  say_completion(rig, data_out(b.tag, 8192, 8192, 2), next);
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  EXPECT_EQ(rig.target.received.size(), 1u);
  rig.terminate();
}

// Other PDUs may stand between those of a burst.
TEST(OffloadPlacement, T6BurstMayBeInterrupted) {
  Rig rig(6);
  rig.open();
  Buffers buffers(8);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  iscsi::Bhs ping;
  ping.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kNopOut);
  for (int i = 0; i < 2; ++i) {
    rig.rcv_nxt += 48 + 8192;  // Without a word.
    rig.peer_sends(ping, {});
  }
  rig.rcv_nxt += 48 + 8192;
  say_completion(rig, data_out(placed.tag, 3 * 8192, 8192, 3), rig.rcv_nxt);
  rig.target.turns();
  EXPECT_FALSE(rig.target.failure);
  ASSERT_EQ(rig.target.received.size(), 3u);
  EXPECT_EQ(rig.target.received[2].placed, buffers.size);
  rig.terminate();
}

// So may those of another burst; what one has taken is not there for the other.
TEST(OffloadPlacement, T6BurstsMayAlternate) {
  for (const uint32_t second_gap : {0u, 1u}) {
    SCOPED_TRACE(second_gap);
    Rig rig(6);
    rig.open();
    Buffers first(4), second(4);
    const Placed a = send_r2t(rig, r2t(first, 0, first.size));
    rig.ack(a.owed);
    const Placed b = send_r2t(rig, r2t(second, 0, second.size, nullptr, 0x20003));
    rig.ack(b.owed);
    rig.rcv_nxt += (1 + second_gap) * (48 + 8192);  // Without a word.
    for (const Placed* each : {&a, &b}) {
      say_completion(rig, data_out(each->tag, 8192, 8192, 1), rig.rcv_nxt);
      rig.rcv_nxt += 48 + 8192;
    }
    rig.target.turns();
    EXPECT_EQ(rig.target.failure.has_value(), second_gap == 0);
    EXPECT_EQ(rig.target.received.size(), 1 + second_gap);
    rig.terminate();
  }
}

// Headers take room too, and none has more data than was agreed on.
TEST(OffloadPlacement, T6SilentDataHasHeaders) {
  // What is missing, in so many PDUs, in so many bytes of the stream.
  struct Case {
    uint32_t missing, pdus, gap;
    bool holds;
  };
  const Case cases[] = {{8192, 2, 8192 + 96, true},   {8192, 2, 8192 + 95, false},
                        {8192, 0, 8192 + 96, false},  {8192, 1, 8192 + 48, true},
                        {8192, 9, 8192 + 96, false},  {36864, 2, 36864 + 96, false},
                        {36864, 3, 36864 + 144, true}};
  for (const Case& c : cases) {
    Rig rig(6);
    rig.open();
    Buffers buffers(10);
    const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
    rig.ack(placed.owed);
    say_completion(rig, data_out(placed.tag, c.missing, 4096, c.pdus, false), kRcvIsn + c.gap);
    rig.target.turns();
    EXPECT_EQ(!rig.target.failure, c.holds) << c.missing << " in " << c.pdus;
    rig.terminate();
  }
}

// Old memory must not pass as data: it is empty when the adapter gets it. What came without an R2T
// stays.
TEST(OffloadPlacement, T6MemoryIsEmptiedFirst) {
  Rig rig(6);
  rig.open();
  Buffers buffers(4);
  memset(buffers.memory, 0x5a, buffers.size);
  const Placed placed = send_r2t(rig, r2t(buffers, 4096, buffers.size - 4096));
  EXPECT_EQ(placed.tag & 0x80000, 0u);
  EXPECT_EQ(buffers.memory[4095], 0x5a);
  for (uint32_t at = 4096; at < buffers.size; ++at)
    ASSERT_EQ(buffers.memory[at], 0) << at;
  rig.terminate();
}

// The PDU that ends a burst may have no data, and then it begins where the R2T ends. Where the next
// R2T of the command begins there, it is still the first one's.
TEST(OffloadPlacement, T6BurstMayEndWithAnEmptyPdu) {
  enum class Told { kHeader, kCompletion, kPlacedCompletion };
  for (const Told told : {Told::kHeader, Told::kCompletion, Told::kPlacedCompletion}) {
    SCOPED_TRACE(static_cast<int>(told));
    Rig rig(6);
    rig.open();
    Buffers buffers(8);
    const Placed first = send_r2t(rig, r2t(buffers, 0, 16384));
    rig.ack(first.owed);
    const Placed second = send_r2t(rig, r2t(buffers, 16384, 16384, rig.target.placed[0], 0x20003));
    rig.ack(second.owed);
    const iscsi::Bhs empty = data_out(first.tag, 16384, 0, 2);
    rig.rcv_nxt += 2 * (48 + 8192);  // Without a word.
    const uint32_t bits = told == Told::kPlacedCompletion ? cpl::ddpvld::kPlaced : 0;
    if (told == Told::kHeader) {
      rig.peer_sends(empty, {});
    } else {
      EXPECT_EQ(rig.lld.say_pages(cmp_message(bytes_of(empty), rig.rcv_nxt, 48, bits)), 0);
      rig.rcv_nxt += 48;
    }
    rig.target.turns();
    ASSERT_EQ(rig.target.received.size(), 2u);
    const ReceivedPdu& data = rig.target.received[0];
    EXPECT_EQ(data.placed, 16384u);
    EXPECT_EQ(data.bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
    EXPECT_EQ(data.bhs.as<iscsi::DataOut>().buffer_offset.get(), 0u);
    EXPECT_EQ(data.flags, unsigned{CHISCSI_RX_MERGED});
    EXPECT_EQ(rig.target.received[1].bhs.data_segment_length.get(), 0u);
    EXPECT_NE(rig.target.received[1].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
    // The second one's are counted for themselves.
    say_completion(rig, data_out(first.tag, 16384 + 8192, 8192, 1), rig.rcv_nxt + 48 + 8192);
    rig.target.turns();
    ASSERT_EQ(rig.target.received.size(), 3u);
    EXPECT_EQ(rig.target.received[2].placed, 16384u);
    EXPECT_EQ(rig.target.received[2].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), 0x20003u);
    EXPECT_FALSE(rig.target.failure);
    rig.terminate();
  }
}

// On a T5 the R2T has come whole before: the next one that begins there is not touched.
TEST(OffloadPlacement, EmptyPduBehindABurstIsNobodys) {
  Rig rig;
  rig.open();
  Buffers buffers(4);
  const Placed first = send_r2t(rig, r2t(buffers, 0, 8192));
  rig.ack(first.owed);
  const Placed second = send_r2t(rig, r2t(buffers, 8192, 8192, rig.target.placed[0], 0x20003));
  rig.ack(second.owed);
  rig.peer_sends(data_out(first.tag, 0, 8192, 0, false), ByteVector(8192), true);
  rig.peer_sends(data_out(first.tag, 8192, 0, 1), {});
  rig.peer_sends(data_out(first.tag, 8192, 0, 0, false), {});  // But this is its first.
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 3u);
  const auto tag = [&](size_t i) {
    return rig.target.received[i].bhs.as<iscsi::DataOut>().target_transfer_tag.get();
  };
  EXPECT_EQ(tag(0), kTtt);
  EXPECT_NE(tag(1), 0x20003u);
  EXPECT_EQ(tag(2), 0x20003u);
  rig.terminate();
}

// What its header claims still has to have room in the stream.
TEST(OffloadPlacement, T6EmptyPduBringsNothingThatWasNotSent) {
  Rig rig(6);
  rig.open();
  Buffers buffers(4);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  rig.peer_sends(data_out(placed.tag, buffers.size, 0, 2), {});
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  EXPECT_TRUE(rig.target.received.empty());
  rig.terminate();
}

TEST(OffloadPlacement, T6SilentPartBeforeDataThatWasNot) {
  Rig rig(6);
  rig.open();
  Buffers buffers(4);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  const iscsi::Bhs last = data_out(placed.tag, 8192, 8192, 1);
  EXPECT_EQ(rig.lld.say_pages(data_message(pattern(8192, 5))), 0);
  EXPECT_EQ(rig.lld.say_pages(
                cmp_message(bytes_of(last), kRcvIsn + 48 + 8192, 48 + 8192, cpl::ddpvld::kOffset)),
            0);
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 2u);
  EXPECT_EQ(rig.target.received[0].placed, 8192u);
  EXPECT_FALSE(rig.target.received[0].bhs.final());
  EXPECT_EQ(rig.target.received[1].data, pattern(8192, 5));
  EXPECT_EQ(rig.target.received[1].bhs.as<iscsi::DataOut>().data_sn.get(), 1u);
  EXPECT_TRUE(rig.target.received[1].bhs.final());
  rig.terminate();
}

}  // namespace
}  // namespace chiscsi::test
