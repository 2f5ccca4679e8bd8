// SPDX-License-Identifier: GPL-2.0-only
//
// Direct placement: pods ahead of the R2T, tags both ways, and the release.
#include "placement.hh"

namespace chiscsi::test {
namespace {

TEST(OffloadPlacement, PutsDataAndLetsGo) {
  Rig rig;
  rig.open();
  Buffers buffers(16);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  EXPECT_EQ(placed.pod_writes, 2u);  // 4 pods, 3 in one.
  ASSERT_EQ(rig.target.placed.size(), 1u);
  EXPECT_EQ(rig.target.placed_tags[0], kTtt);
  EXPECT_NE(placed.tag, kTtt);
  EXPECT_EQ(placed.tag & 0x80000, 0u);  // The adapter looks at it.
  EXPECT_EQ(rig.lld.mappings, 16);
  rig.ack(placed.owed);

  for (uint32_t at = 0; at < buffers.size; at += 8192)
    rig.peer_sends(data_out(placed.tag, at, 8192, at / 8192, at + 8192 == buffers.size),
                   ByteVector(8192), true);
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 8u);
  for (uint32_t i = 0; i < 8; ++i) {
    const ReceivedPdu& pdu = rig.target.received[i];
    EXPECT_EQ(pdu.placed, 8192u);
    EXPECT_TRUE(pdu.data.empty());
    EXPECT_EQ(pdu.bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
    EXPECT_EQ(pdu.bhs.as<iscsi::DataOut>().data_sn.get(), i);
  }
  EXPECT_EQ(counters_now().placed_bytes, rig.before.placed_bytes + buffers.size);
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kRxDataAck));

  rig.target.transport->release_task(rig.target.conn, rig.target.placed[0]);
  rig.target.turns();
  const uint32_t owed = take_invalidation(rig, 2);
  EXPECT_TRUE(rig.target.released.empty());
  EXPECT_EQ(rig.lld.mappings, 16);  // Until the adapter has said that it is done.
  rig.ack(owed);
  rig.target.turns();
  EXPECT_EQ(rig.target.released, rig.target.placed);
  EXPECT_EQ(rig.lld.mappings, 0);
  EXPECT_EQ(rig.lld.pod_runs, 0);
  rig.terminate();
}

// Pods that are taken back do not hold up what is sent behind them.
TEST(OffloadPlacement, SendsBehindAReleaseWithoutWaiting) {
  Rig rig;
  rig.open();
  Buffers buffers(16);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  for (uint32_t at = 0; at < buffers.size; at += 8192)
    rig.peer_sends(data_out(placed.tag, at, 8192, at / 8192, at + 8192 == buffers.size),
                   ByteVector(8192), true);
  rig.target.turns();
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kRxDataAck));
  rig.target.transport->release_task(rig.target.conn, rig.target.placed[0]);
  const int id = rig.target.send(small_pdu());
  rig.target.turns();
  uint32_t owed = 0;
  for (int i = 0; i < 3; ++i) {
    const auto message = rig.lld.next();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->fw_opcode(), i < 2 ? cpl::fw::kUlptx : cpl::fw::kOfldTxData);
    EXPECT_EQ(message->completion(), i > 0);  // The end of the task, and what goes last.
    owed += message->length16();
  }
  EXPECT_TRUE(rig.lld.is_quiet());
  rig.ack(owed);
  rig.target.turns();
  EXPECT_EQ(rig.target.sent.back(), id);
  EXPECT_EQ(rig.target.released, rig.target.placed);
  rig.terminate();
}

TEST(OffloadPlacement, ReleaseInTheMiddleOfABurstAborts) {
  Rig rig;
  rig.open();
  Buffers buffers(4);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  rig.peer_sends(data_out(placed.tag, 0, 4096, 0, false), ByteVector(4096), true);
  rig.target.turns();
  rig.target.transport->release_task(rig.target.conn, rig.target.placed[0]);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  EXPECT_TRUE(rig.target.failure);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_EQ(rig.lld.mappings, 4);  // The adapter may still write.
  EXPECT_FALSE(rig.target.stopped);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  EXPECT_TRUE(rig.target.released.empty());
  rig.finish();
}

// An initiator ends the bursts of what it has aborted early (RFC 7143 section 4.2.3.4).
TEST(OffloadPlacement, BurstThatWasCutShortIsOver) {
  for (const uint32_t chip : {5u, 6u}) {
    SCOPED_TRACE(chip);
    Rig rig(chip);
    rig.open();
    Buffers buffers(4);
    const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
    rig.ack(placed.owed);
    rig.peer_sends(data_out(placed.tag, 0, 4096, 0, false), ByteVector(4096), true);
    rig.peer_sends(data_out(placed.tag, 4096, 0, 1, true), {});
    rig.target.turns();
    ASSERT_EQ(rig.target.received.size(), 2u);
    EXPECT_EQ(rig.target.received[1].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
    rig.target.transport->release_task(rig.target.conn, rig.target.placed[0]);
    rig.target.turns();
    EXPECT_FALSE(rig.target.failure);
    rig.ack(take_invalidation(rig, 1));
    rig.target.turns();
    EXPECT_EQ(rig.target.released, rig.target.placed);
    rig.terminate();
  }
}

// Whoever gets the tid next could write by pods that are left. `count`: of 4 KiB pages.
void take_revocation(Rig& rig, uint32_t count) {
  uint32_t pods = 0;
  while (pods < (count + 3) / 4) {
    const auto message = rig.lld.next_fw(cpl::fw::kUlptx);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->control);
    EXPECT_EQ(message->queue, 1u);
    EXPECT_EQ(message->flow_id(), 0u);
    EXPECT_FALSE(message->completion());
    EXPECT_EQ(message->tids, 1u);  // Ahead of the release of the tid.
    for (size_t at = sizeof(cpl::UlpMemWrite); at + kPodSize <= message->header.size();
         at += kPodSize, ++pods)
      EXPECT_EQ(message->as<PagePod>(at).valid_tid.get(), 0u);
  }
  EXPECT_EQ(pods, (count + 3) / 4);
}

// Credits of what comes later would be taken for those of the message that never arrived.
TEST(OffloadPlacement, CreditsSayNothingWhenAMessageWasLost) {
  Rig rig;
  rig.open();
  Buffers buffers(4);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  for (uint32_t at = 0; at < buffers.size; at += 8192)
    rig.peer_sends(data_out(placed.tag, at, 8192, at / 8192, at + 8192 == buffers.size),
                   ByteVector(8192), true);
  rig.target.turns();
  rig.lld.holds_accept = true;
  rig.target.transport->release_task(rig.target.conn, rig.target.placed[0]);
  rig.target.turns();
  ASSERT_NE(rig.lld.held, nullptr);  // What makes the pods invalid.
  for (int i = 0; i < 8; ++i) {
    rig.target.send(small_pdu());
    rig.target.turns();
  }
  uint32_t owed = 0;
  while (const auto message = rig.lld.waiting() != 0 ? rig.lld.next() : std::nullopt)
    owed += message->is_data() ? message->length16() : 0;
  rig.lld.last_failed(rig.lld.held, rig.lld.last_context);
  rig.ack(owed);
  rig.target.turns();
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  EXPECT_TRUE(rig.target.released.empty());
  EXPECT_EQ(rig.lld.mappings, 4);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  rig.target.turns();
  take_revocation(rig, 4);
  EXPECT_EQ(rig.lld.mappings, 0);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadPlacement, PodsEndWithTheConnection) {
  Rig rig;
  rig.open();
  Buffers buffers(16);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  rig.say_status(cpl::Opcode::kAbortReqRss);
  rig.target.turns();
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
  take_revocation(rig, 16);
  EXPECT_TRUE(rig.target.failure);
  EXPECT_EQ(rig.lld.mappings, 0);
  EXPECT_TRUE(rig.lld.tids.empty());
  // They may be another connection's only when the adapter has surely read that.
  EXPECT_EQ(rig.lld.pod_runs, 1);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
  EXPECT_TRUE(rig.lld.pods_released());
}

// The writes of valid pods may still wait on the data queue when the peer's reset is heard of: what
// goes by the control queue could overtake them.
TEST(OffloadPlacement, InvalidPodsDoNotOvertakeValidOnes) {
  for (const bool by_credits : {false, true}) {
    SCOPED_TRACE(by_credits);
    Rig rig;
    rig.open();
    Buffers buffers(16);
    const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
    if (by_credits) rig.ack(1);
    rig.say_status(cpl::Opcode::kAbortReqRss);
    rig.target.turns();
    EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
    EXPECT_TRUE(rig.target.failure);
    rig.target.stop(CHISCSI_STOP_CONN_TERM);
    {
      const std::lock_guard guard(rig.lld.mutex);
      EXPECT_TRUE(rig.lld.sent.empty());
      EXPECT_EQ(rig.lld.mappings, 16);
      EXPECT_EQ(rig.lld.tids.size(), 1u);
      EXPECT_FALSE(rig.target.stopped);
    }
    if (by_credits) {
      rig.ack(placed.owed - 1);
    } else {
      host_advance_clock(3'000);
    }
    take_revocation(rig, 16);
    EXPECT_TRUE(rig.target.wait_stopped());
    EXPECT_EQ(rig.lld.mappings, 0);
    rig.finish();
    EXPECT_TRUE(rig.lld.pods_released());
  }
}

TEST(OffloadPlacement, MemoryIsKeptUntilThePodsAreGone) {
  Rig rig;
  rig.open();
  Buffers buffers(16);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, buffers.size));
  rig.ack(placed.owed);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  constexpr int kAllOfThem = 1'000'000;
  rig.lld.fail_allocations = kAllOfThem;
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.wait([&] { return rig.lld.fail_allocations < kAllOfThem; }));
  {
    const std::lock_guard guard(rig.lld.mutex);
    EXPECT_EQ(rig.lld.mappings, 16);
    EXPECT_EQ(rig.lld.tids.size(), 1u);
    EXPECT_FALSE(rig.target.stopped);
    rig.lld.fail_allocations = 0;
  }
  take_revocation(rig, 16);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadPlacement, SecondR2tUsesTheSameTag) {
  Rig rig;
  rig.open();
  Buffers buffers(8);
  const Placed first = send_r2t(rig, r2t(buffers, 0, 16384));
  rig.ack(first.owed);
  const Placed second = send_r2t(rig, r2t(buffers, 16384, 16384, rig.target.placed[0], 0x20003));
  rig.ack(second.owed);
  EXPECT_EQ(first.tag, second.tag);
  EXPECT_EQ(second.pod_writes, 0u);
  EXPECT_EQ(rig.target.placed[0], rig.target.placed[1]);
  // The second one's data comes first: it is told from the first by its offset.
  rig.peer_sends(data_out(first.tag, 16384, 16384), ByteVector(16384), true);
  rig.peer_sends(data_out(first.tag, 0, 16384), ByteVector(16384), true);
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 2u);
  EXPECT_EQ(rig.target.received[0].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), 0x20003u);
  EXPECT_EQ(rig.target.received[1].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
  rig.terminate();
}

TEST(OffloadPlacement, LaterPhasesAddTheirPods) {
  Rig rig;
  rig.open();
  Buffers buffers(8);
  FakePdu pdu = r2t(buffers, 0, 16384);
  pdu.landing->sgcnt = 4;
  pdu.landing->sgl_length = 16384;
  const Placed first = send_r2t(rig, pdu);
  rig.ack(first.owed);
  EXPECT_EQ(rig.lld.mappings, 4);
  pdu = r2t(buffers, 16384, 16384, rig.target.placed[0], 0x20003);
  pdu.landing->sgl += 4;
  pdu.landing->sgcnt = 4;
  pdu.landing->sgl_offset = pdu.landing->sgl_length = 16384;
  const Placed second = send_r2t(rig, pdu);
  EXPECT_EQ(second.pod_writes, 1u);
  // The adapter compares the end of the data in each of them, the first ones too.
  ASSERT_EQ(second.pods.size(), 2u);
  for (const PagePod& pod : second.pods)
    EXPECT_EQ(pod.max_offset.get(), 32768u);
  EXPECT_EQ(second.tag, first.tag);
  EXPECT_EQ(rig.lld.mappings, 8);
  rig.terminate();
}

// The lists of both phases are longer than what was lent.
TEST(OffloadPlacement, OnlyWhatWasLentIsWritten) {
  Rig rig;
  rig.open();
  Buffers low(8), high(8);
  FakePdu pdu = r2t(low, 0, 16384);
  pdu.landing->sgl_length = 16384;
  const Placed first = send_r2t(rig, pdu);
  EXPECT_EQ(rig.lld.mappings, 4);
  ASSERT_EQ(first.pods.size(), 2u);
  EXPECT_EQ(first.pods[0].max_offset.get(), 16384u);
  EXPECT_EQ(first.pods[1].valid_tid.get(), 0u);
  rig.ack(first.owed);
  pdu = r2t(high, 16384, 16384, rig.target.placed.at(0), 0x20003);
  pdu.landing->sgl_offset = pdu.landing->sgl_length = 16384;
  const Placed second = send_r2t(rig, pdu);
  EXPECT_EQ(second.tag, first.tag);
  ASSERT_EQ(second.pods.size(), 2u);
  for (uint32_t i = 0; i < 4; ++i) {
    const auto page = reinterpret_cast<uint64_t>(high.memory) + uint64_t{i} * OS_PAGE_SIZE;
    EXPECT_EQ(second.pods[1].address[i].get(), page);
  }
  EXPECT_EQ(rig.lld.mappings, 8);
  rig.terminate();
}

// The loan ends inside a page, so the next phase has no place there; and a list that nobody has
// seen is not taken for one that is known.
TEST(OffloadPlacement, LoansThatEndInAPageAreTheLast) {
  Rig rig;
  rig.open();
  Buffers buffers(8);
  FakePdu pdu = r2t(buffers, 0, 16000);
  pdu.landing->sgl_length = 16000;
  EXPECT_EQ(send_r2t(rig, pdu).tag & 0x80000, 0x80000u);
  pdu = r2t(buffers, 0, 16384);
  pdu.landing->sgl_length = 16384;
  const Placed first = send_r2t(rig, pdu);
  EXPECT_EQ(first.tag & 0x80000, 0u);
  pdu = r2t(buffers, 8192, 8192, rig.target.placed.at(0), 0x20003);
  pdu.landing->sgl_offset = pdu.landing->sgl_length = 8192;
  EXPECT_EQ(send_r2t(rig, pdu).tag & 0x80000, 0x80000u);
  rig.terminate();
}

// The line of the Guide's appendix D, which operators search for, with the numbers of its example.
TEST(OffloadPlacement, ListWithoutFullPagesIsNamed) {
  Rig rig;
  rig.open();
  Buffers low(8), high(3);
  FakePdu pdu = r2t(low, 0, 8192);
  pdu.landing->sgl_length = 8192;
  const HostLogCapture log;
  EXPECT_EQ(send_r2t(rig, pdu).tag & 0x80000, 0u);
  EXPECT_TRUE(log.lines().empty());
  pdu = r2t(high, 8192, 8192, rig.target.placed.at(0), 0x20003);
  pdu.landing->total = low.size;
  pdu.landing->sgl_offset = 8192;
  high.sgl[1].sg_length = 3072;
  EXPECT_EQ(send_r2t(rig, pdu).tag & 0x80000, 0x80000u);
  EXPECT_EQ(log.lines(), std::vector<std::string>{"2/3, len 3072 xferoff 8192 NOT full pages"});
  rig.terminate();
}

TEST(OffloadPlacement, AddressesInsideAPageAreNotPages) {
  Rig rig;
  rig.open();
  Buffers buffers(2);
  rig.lld.bus_shift = 512;
  EXPECT_EQ(send_r2t(rig, r2t(buffers, 0, buffers.size)).tag & 0x80000, 0x80000u);
  EXPECT_EQ(counters_now().no_place_memory, rig.before.no_place_memory + 1);
  EXPECT_EQ(rig.lld.mappings, 0);
  rig.terminate();
}

TEST(OffloadPlacement, OtherTagsAreNotTheAdapters) {
  Rig rig;
  rig.open();
  Buffers buffers(2);
  // 1: buffers that do not suit. 2: no pods. 3: nothing to land on.
  FakePdu crooked = r2t(buffers, 0, 8192, nullptr, 0x90003);
  crooked.landing->sgl = buffers.sgl.data();
  buffers.sgl[0].sg_length = 100;
  Placed placed = send_r2t(rig, crooked);
  EXPECT_EQ(placed.tag & 0x80000, 0x80000u);
  rig.ack(placed.owed);
  EXPECT_EQ(counters_now().no_place_list, rig.before.no_place_list + 1);
  rig.peer_sends(data_out(placed.tag, 0, 8192), pattern(8192, 1));
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 1u);
  EXPECT_EQ(rig.target.received[0].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), 0x90003u);
  EXPECT_EQ(rig.target.received[0].data, pattern(8192, 1));

  buffers.sgl[0].sg_length = OS_PAGE_SIZE;
  rig.lld.has_pods = false;
  placed = send_r2t(rig, r2t(buffers, 0, 8192));
  EXPECT_EQ(placed.tag & 0x80000, 0x80000u);
  EXPECT_EQ(counters_now().no_place_pods, rig.before.no_place_pods + 1);
  EXPECT_TRUE(rig.target.placed.empty());
  rig.terminate();
}

TEST(OffloadPlacement, WhatWasNotPlacedIsDelivered) {
  Rig rig;
  rig.open();
  Buffers buffers(2);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, 8192));
  rig.ack(placed.owed);
  rig.peer_sends(data_out(placed.tag, 0, 8192), pattern(8192, 2), false, cpl::ddpvld::kColour);
  rig.target.turns();
  ASSERT_EQ(rig.target.received.size(), 1u);
  EXPECT_EQ(rig.target.received[0].data, pattern(8192, 2));
  EXPECT_EQ(rig.target.received[0].bhs.as<iscsi::DataOut>().target_transfer_tag.get(), kTtt);
  EXPECT_EQ(counters_now().not_placed_pdus, rig.before.not_placed_pdus + 1);
  rig.terminate();
}

// It would be copied to memory that the adapter's own copy overwrites at the end.
TEST(OffloadPlacement, WhatWasNotPlacedEndsItBehindBounceBuffers) {
  Rig rig(5, [](FakeLld& lld) { lld.info.bounces = 1; });
  rig.open();
  Buffers buffers(2);
  const Placed placed = send_r2t(rig, r2t(buffers, 0, 8192));
  rig.ack(placed.owed);
  rig.peer_sends(data_out(placed.tag, 0, 8192), pattern(8192, 2), false, cpl::ddpvld::kColour);
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  EXPECT_TRUE(rig.target.received.empty());
  rig.terminate();
}

TEST(OffloadPlacement, RefusedBuffersEndItBehindBounceBuffers) {
  Rig rig(5, [](FakeLld& lld) { lld.info.bounces = 1; });
  rig.open();
  Buffers buffers(8);
  FakePdu pdu = r2t(buffers, 0, 8192);
  pdu.landing->sgl_length = 16384;
  const Placed placed = send_r2t(rig, pdu);
  rig.ack(placed.owed);
  // More than was lent of the same buffers.
  pdu = r2t(buffers, 8192, 16384, rig.target.placed.at(0), 0x20003);
  pdu.landing->sgl_length = 16384;
  rig.target.send(pdu);
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  rig.terminate();
}

TEST(OffloadPlacement, DataThatWasPlacedForNobodyEndsIt) {
  Rig rig;
  rig.open();
  rig.peer_sends(data_out(0x40, 0, 4096), ByteVector(4096), true);
  rig.target.turns();
  EXPECT_TRUE(rig.target.failure);
  EXPECT_TRUE(rig.target.received.empty());
  rig.terminate();
}

}  // namespace
}  // namespace chiscsi::test
