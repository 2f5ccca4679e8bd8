// SPDX-License-Identifier: GPL-2.0-only
//
// Direct placement: pods ahead of the R2T, tags both ways, merged bursts of a T6, and the release.
#include "offload/page_pods.hh"
#include "rig.hh"

namespace chiscsi::test {
namespace {

constexpr uint32_t kTtt = 0x10002;

// A command's buffer of whole pages.
struct Buffers {
  explicit Buffers(size_t pages) {
    memory = static_cast<uint8_t*>(aligned_alloc(OS_PAGE_SIZE, pages * OS_PAGE_SIZE));
    for (size_t i = 0; i < pages; ++i) {
      chiscsi_sgvec element = {};
      element.sg_page = memory + i * OS_PAGE_SIZE;
      element.sg_addr = memory + i * OS_PAGE_SIZE;
      element.sg_length = OS_PAGE_SIZE;
      sgl.push_back(element);
    }
    size = static_cast<uint32_t>(pages * OS_PAGE_SIZE);
  }
  ~Buffers() { free(memory); }
  uint8_t* memory;
  uint32_t size;
  std::vector<chiscsi_sgvec> sgl;
};

FakePdu r2t(const Buffers& buffers, uint32_t offset, uint32_t length, void* task = nullptr,
            uint32_t ttt = kTtt) {
  FakePdu pdu = small_pdu(iscsi::Opcode::kR2t);
  pdu.bhs.as<iscsi::R2t>().target_transfer_tag = ttt;
  pdu.bhs.as<iscsi::R2t>().buffer_offset = offset;
  pdu.bhs.as<iscsi::R2t>().desired_data_transfer_length = length;
  chiscsi_rx_landing landing = {};
  landing.task = task;
  landing.sgl = buffers.sgl.data();
  landing.sgcnt = static_cast<unsigned>(buffers.sgl.size());
  landing.sgl_length = buffers.size;
  landing.offset = offset;
  landing.length = length;
  landing.total = buffers.size;
  pdu.landing = landing;
  return pdu;
}

iscsi::Bhs data_out(uint32_t tag, uint32_t offset, uint32_t size, uint32_t sn = 0,
                    bool final = true) {
  iscsi::Bhs bhs;
  bhs.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kDataOut);
  bhs.flags = final ? 0x80 : 0;
  bhs.data_segment_length = size;
  bhs.as<iscsi::DataOut>().target_transfer_tag = tag;
  bhs.as<iscsi::DataOut>().buffer_offset = offset;
  bhs.as<iscsi::DataOut>().data_sn = sn;
  return bhs;
}

uint32_t tag_of(const Sent& message) {
  const ByteVector pdu = message.pdu();
  iscsi::Bhs bhs;
  std::copy(pdu.begin(), pdu.begin() + 48, reinterpret_cast<uint8_t*>(&bhs));
  return bhs.as<iscsi::R2t>().target_transfer_tag.get();
}

struct Placed {
  Sent r2t;
  uint32_t tag = 0;
  uint32_t owed = 0;
  size_t pod_writes = 0;
  std::vector<PagePod> pods;
};

// Sends an R2T and takes what comes until it is there.
Placed send_r2t(Rig& rig, FakePdu pdu) {
  Placed placed;
  rig.target.send(std::move(pdu));
  rig.target.turns();
  while (rig.lld.waiting() != 0) {
    const auto message = rig.lld.next();
    placed.owed += message->length16();
    if (message->fw_opcode() == cpl::fw::kUlptx) {
      ++placed.pod_writes;
      for (size_t at = sizeof(cpl::UlpMemWrite); at + kPodSize <= message->header.size();
           at += kPodSize)
        placed.pods.push_back(message->as<PagePod>(at));
    }
    if (!message->is_data()) continue;
    EXPECT_TRUE(rig.lld.is_quiet());  // Pods are ahead of it.
    placed.r2t = *message;
    placed.tag = tag_of(*message);
  }
  return placed;
}

// The pods are overwritten with invalid ones; returns what that cost.
uint32_t take_invalidation(Rig& rig, size_t writes) {
  uint32_t owed = 0;
  for (size_t i = 0; i < writes; ++i) {
    const auto message = rig.lld.next_fw(cpl::fw::kUlptx);
    EXPECT_TRUE(message);
    owed += message->length16();
    for (size_t at = sizeof(cpl::UlpMemWrite); at + kPodSize <= message->header.size();
         at += kPodSize)
      EXPECT_EQ(message->as<PagePod>(at).valid_tid.get(), 0u);
    EXPECT_EQ(message->completion(), i + 1 == writes);
  }
  EXPECT_TRUE(rig.lld.is_quiet());
  return owed;
}

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

// --- T6 ---

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
