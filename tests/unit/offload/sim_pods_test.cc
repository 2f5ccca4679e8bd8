// SPDX-License-Identifier: GPL-2.0-only
//
// The software adapter: page pods, direct placement with every check of a tag, and addresses.
#include "sim_pods.hh"

namespace chiscsi::test {
namespace {

// A connection has ended, with pods that nobody has overwritten.
TEST_F(SimPods, MissesPodsThatAreLeftWithATid) {
  const Link link = established();
  Target target = target_of(link, 4, 0, 4 * kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  abort_and_release(link);
  expect_broken("pods_left");
  unmap(target);
  ops_->ppods_release(dev_, &target.tag);
}

// What was received before the reset has been written when the client hears of it.
TEST_F(SimPods, AResetEndsTheUseOfMemory) {
  const Link link = established();
  Target target = target_of(link, 4, 0, 4 * kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  hang_up(link.fd, true);
  inbox_.next(Opcode::kAbortReqRss);
  unmap(target);
  Link nobody;
  write_pods(nobody, target.tag.first_pod, std::vector<Pod>(target.tag.pod_count), false, true);
  ops_->ppods_release(dev_, &target.tag);
  answer_abort(link);
  release(link);
}

// The tid is the client's for all that until the reset has been answered.
TEST_F(SimPods, AResetIsNotTheEndOfATid) {
  const Link link = established();
  hang_up(link.fd, true);
  inbox_.next(Opcode::kAbortReqRss);
  release(link);
  expect_broken("tid_live");
}

// Nobody can overwrite what an adapter has lost.
TEST_F(SimPods, AreEmptyAfterAReset) {
  const Link link = established();
  Target target = target_of(link, 4, 0, 4 * kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  sim_state(dev_, LLD_STATE_RECOVERY);
  EXPECT_EQ(stats().pods_valid, 0u);
  unmap(target);
  ops_->ppods_release(dev_, &target.tag);
  release(link);
  ops_->stid_free(dev_, stid_, 0);
  has_server_ = false;
  sim_state(dev_, LLD_STATE_UP);
}

TEST_F(SimPods, PodsCanBeOverwrittenOnTheControlQueue) {
  const Link link = established();
  Target target = target_of(link, 10, 0, 10 * kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  Link nobody;
  write_pods(nobody, target.tag.first_pod, std::vector<Pod>(target.tag.pod_count), false, true);
  abort_and_release(link);
  EXPECT_EQ(stats().pods_valid, 0u);
  // Valid ones are a connection's, and so are completions.
  write_pods(nobody, target.tag.first_pod, target.pods, false, true);
  expect_broken("pod_write");
  EXPECT_EQ(stats().pods_valid, 0u);
  unmap(target);
  ops_->ppods_release(dev_, &target.tag);
}

TEST_F(SimPods, PlacesDataAtItsOffset) {
  const Link link = established();
  Target target = target_of(link, 10, 512, 9 * kPageBytes);
  write_pods(link, target);
  send_r2t(link, target.tag.tag, 0, 9 * kPageBytes);
  const ByteVector data = pattern(9 * kPageBytes);
  // Lengths that cross pages, pods, and their borders.
  const uint32_t sizes[] = {100, 4096 * 3 + 8, 4096, 16384, 0};
  uint32_t at = 0, number = 0;
  for (uint32_t size : sizes) {
    if (size == 0) size = static_cast<uint32_t>(data.size()) - at;
    const ByteVector part(data.begin() + at, data.begin() + at + size);
    const iscsi::Bhs bhs = data_out(target.tag.tag, at, size, at + size == data.size(), number++);
    peer_write(link.fd, wire_of(bhs, part, 0));
    const Arrived head = inbox_.next(Opcode::kIscsiHdr);
    EXPECT_EQ(head.as<cpl::IscsiHdr>().pdu_len_ddp.get(), cpl::kPduDdp | (48 + size));
    const Arrived end = inbox_.next();
    EXPECT_EQ(end.opcode(), Opcode::kRxIscsiDdp);
    EXPECT_NE(end.as<cpl::RxIscsiDdp>().ddpvld.get() & cpl::ddpvld::kPlaced, 0u);
    at += size;
  }
  EXPECT_EQ(memcmp(target.memory + 512, data.data(), data.size()), 0);
  EXPECT_EQ(target.memory[511], 0);
  EXPECT_EQ(target.memory[512 + data.size()], 0);
  EXPECT_EQ(stats().placed_bytes, data.size());
  EXPECT_EQ(stats().placed_pdus, 5u);
  finish(link, target);
}

TEST_F(SimPods, ChecksEveryPartOfATag) {
  const Link link = established();
  const Link other = established();
  Target target = target_of(link, 4, 0, 3 * kPageBytes);
  const uint32_t tag = target.tag.tag;
  const ByteVector data = pattern(512);
  EXPECT_EQ(errors_of(link, data_out(tag, 0, 512, true), data), cpl::ddpvld::kInvalidPod);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  EXPECT_EQ(errors_of(link, data_out(tag, 0, 512, true), data), cpl::ddpvld::kPlaced);
  EXPECT_EQ(errors_of(other, data_out(tag, 0, 512, true), data), cpl::ddpvld::kTidMismatch);
  EXPECT_EQ(errors_of(link, data_out(tag ^ 1, 0, 512, true), data), cpl::ddpvld::kColour);
  EXPECT_EQ(errors_of(link, data_out(tag, 3 * kPageBytes - 511, 512, true), data),
            cpl::ddpvld::kOffset);
  // Other tags are no tags for placement at all.
  EXPECT_EQ(errors_of(link, data_out(0xffff'ffff, 0, 512, true), data), 0u);
  Pod wrong = target.pods[0];
  wrong.pgsz_tag_clr = tag + (1 << 6);
  write_pods(link, target.tag.first_pod, {wrong});
  inbox_.next(Opcode::kFw4Ack);
  EXPECT_EQ(errors_of(link, data_out(tag, 0, 512, true), data), cpl::ddpvld::kPodMismatch);
  EXPECT_EQ(stats().not_placed, 5u);
  ASSERT_EQ(sim_fault(dev_, "colour", 1), 0);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  EXPECT_EQ(errors_of(link, data_out(tag, 0, 512, true), data), cpl::ddpvld::kColour);
  finish(link, target);
}

TEST_F(SimPods, ColourChangesWithEveryUse) {
  lld_tag first = {}, second = {};
  ASSERT_EQ(ops_->ppods_reserve(dev_, 9, 0, &first), 0);
  EXPECT_EQ(first.pod_count, 3u);
  EXPECT_EQ(stats().pods, 3u);
  ops_->ppods_release(dev_, &first);
  ASSERT_EQ(ops_->ppods_reserve(dev_, 9, 0, &second), 0);
  EXPECT_EQ(first.ddp_index, second.ddp_index);
  EXPECT_NE(first.tag, second.tag);
  ops_->ppods_release(dev_, &first);
  expect_broken("ppods_release");
  ops_->ppods_release(dev_, &second);
  EXPECT_EQ(stats().pods, 0u);
  ASSERT_EQ(sim_fault(dev_, "no_pods", 1), 0);
  EXPECT_EQ(ops_->ppods_reserve(dev_, 1, 0, &first), -ENOSPC);
  EXPECT_LT(ops_->ppods_reserve(dev_, 0x10000, 0, &first), 0);
  EXPECT_EQ(ops_->ppods_reserve(dev_, 4096 * 4, 0, &first), 0);
  EXPECT_EQ(ops_->ppods_reserve(dev_, 1, 0, &second), -ENOSPC);
  ops_->ppods_release(dev_, &first);
}

TEST_F(SimPods, WantsPodsBeforeTheR2t) {
  const Link link = established();
  Target target = target_of(link, 8, 0, 8 * kPageBytes);
  send_r2t(link, target.tag.tag, 0, 8 * kPageBytes);
  expect_broken("pods_before_r2t");
  // A range that is covered is enough.
  write_pods(link, target.tag.first_pod, {target.pods[0]});
  send_r2t(link, target.tag.tag, 0, 4 * kPageBytes);
  EXPECT_EQ(sim_violations(dev_, "pods_before_r2t"), 1u);
  Pod wrong = target.pods[0];
  wrong.address[4] = 0;
  write_pods(link, target.tag.first_pod, {wrong, target.pods[1]});
  send_r2t(link, target.tag.tag, 0, 8 * kPageBytes);
  expect_broken("pod_link");
  finish(link, target);
}

TEST_F(SimPods, SeesAddressesThatWereNeverMapped) {
  const Link link = established();
  Target target = target_of(link, 1, 0, kPageBytes);
  target.pods[0].address[0] = 0x1234'5000;
  write_pods(link, target);
  send_r2t(link, target.tag.tag, 0, kPageBytes);
  expect_broken("dma_unmapped");
  errors_of(link, data_out(target.tag.tag, 0, 512, true), pattern(512));
  EXPECT_EQ(sim_violations(dev_, "dma_unmapped"), 2u);
  finish(link, target);
}

TEST_F(SimPods, SeesAWriteAfterUnmap) {
  const Link link = established();
  Target target = target_of(link, 1, 0, kPageBytes);
  write_pods(link, target);
  send_r2t(link, target.tag.tag, 0, kPageBytes);
  unmap(target);
  expect_broken("unmap_live");
  errors_of(link, data_out(target.tag.tag, 0, 512, true), pattern(512));
  expect_broken("dma_after_unmap");
  EXPECT_EQ(target.memory[1], 0);
  invalidate(link, target);
  ops_->ppods_release(dev_, &target.tag);
  ops_->unmap(dev_, target.addresses[0], kPageBytes);
  expect_broken("unmap_unknown");
}

// It writes no more, whether it was answered or not.
TEST_F(SimPods, MemoryIsFreeWhenThePeerHasReset) {
  const Link link = established();
  Target target = target_of(link, 1, 0, kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  hang_up(link.fd, true);
  inbox_.next(Opcode::kAbortReqRss);
  unmap(target);
  EXPECT_EQ(sim_violations(dev_, "unmap_live"), 0u);
  Link nobody;
  write_pods(nobody, target.tag.first_pod, std::vector<Pod>(target.tag.pod_count), false, true);
  ops_->ppods_release(dev_, &target.tag);
  answer_abort(link);
  release(link);
}

TEST_F(SimPods, AreGoneWithWhatTheAdapterHasLost) {
  const Link link = established();
  Target target = target_of(link, 10, 0, 10 * kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  EXPECT_EQ(stats().pods_valid, 3u);
  sim_state(dev_, LLD_STATE_FATAL);
  EXPECT_EQ(stats().pods_valid, 0u);
  EXPECT_EQ(stats().pods, 3u);  // Those are the client's.
  unmap(target);
  ops_->ppods_release(dev_, &target.tag);
  release(link);
  ops_->stid_free(dev_, stid_, 0);
  has_server_ = false;
  sim_state(dev_, LLD_STATE_UP);
  abort_and_release(established());
}

TEST_F(SimPods, RefusesWritesOutsideOfThePods) {
  const Link link = established();
  write_pods(link, 4096, {Pod{}});
  expect_broken("pod_write");
  lock_error_ = 1;
  write_pods(link, 0, {Pod{}});
  EXPECT_TRUE(eventually([&] { return sim_violations(dev_, "pod_write") == 2; }));
  lock_error_ = 0;
  Pod of_another = {};
  of_another.vld_tid = 1u << 24 | (link.tid + 1);
  write_pods(link, 0, {of_another});
  EXPECT_TRUE(eventually([&] { return sim_violations(dev_, "pod_write") == 3; }));
  EXPECT_EQ(stats().pods_valid, 0u);
}

TEST_F(SimPods, MapFailsWhenAsked) {
  ASSERT_EQ(sim_fault(dev_, "no_map", 1), 0);
  uint8_t byte = 0;
  const os_fragment piece = {nullptr, &byte, 0, 1};
  EXPECT_EQ(ops_->map(dev_, &piece), 0u);
  const uint64_t address = ops_->map(dev_, &piece);
  ASSERT_NE(address, 0u);
  EXPECT_EQ(address % kPageBytes, reinterpret_cast<uintptr_t>(&byte) % kPageBytes);
  EXPECT_EQ(stats().mapped, 1u);
  ops_->unmap(dev_, address, 1);
  EXPECT_NE(ops_->map(dev_, &piece), address);
  ops_->unmap(dev_, address, 1);
  expect_broken("unmap_unknown");
  broken_.insert("left_over");  // The second mapping.
  leaves_ = {"left: mappings 1"};
}

class SimPodsModerated : public SimPods {
  void configure() override {
    config_.completion_moderation = 1;
    config_.bounce = 1;
  }
};

TEST_F(SimPodsModerated, AnnouncesABurstOnce) {
  const Link link = established();
  set_tcb(link, cpl::kTcbUlpDigestShift, 3);
  Target target = target_of(link, 4, 0, 4 * kPageBytes);
  write_pods(link, target);
  inbox_.next(Opcode::kFw4Ack);
  const ByteVector data = pattern(3 * kPageBytes);
  uint32_t seq = link.rcv_isn;
  for (uint32_t i = 0; i < 3; ++i) {
    const ByteVector part(data.begin() + i * kPageBytes, data.begin() + (i + 1) * kPageBytes);
    const ByteVector wire =
        wire_of(data_out(target.tag.tag, i * kPageBytes, kPageBytes, i == 2, i), part, 3);
    peer_write(link.fd, wire);
    seq += static_cast<uint32_t>(wire.size());
  }
  const Arrived end = inbox_.next();
  ASSERT_EQ(end.opcode(), Opcode::kRxIscsiCmp);
  const auto& message = end.as<cpl::RxIscsiCmp>();
  const uint32_t length = message.pdu_len_ddp.get() & cpl::kPduLengthMask;
  EXPECT_EQ(length, 48 + kPageBytes + 4);
  EXPECT_EQ(message.seq.get() + length, seq);
  EXPECT_NE(message.ddpvld.get() & cpl::ddpvld::kPlaced, 0u);
  iscsi::Bhs bhs;
  memcpy(&bhs, end.after(sizeof(message)).data(), 48);
  EXPECT_EQ(bhs.as<iscsi::DataOut>().buffer_offset.get(), 2 * kPageBytes);
  // As behind an IOMMU, the memory has the data when it is unmapped.
  EXPECT_EQ(target.memory[1], 0);
  finish(link, target);
  EXPECT_EQ(memcmp(target.memory, data.data(), data.size()), 0);
}

TEST_F(SimPodsModerated, GivesDataThenTheHeaderOfWhatIsNotPlaced) {
  const Link link = established();
  const ByteVector data = pattern(1001);
  peer_write(link.fd, wire_of(data_out(0xffff'ffff, 0, 1001, true), data, 0));
  const Arrived body = inbox_.next();
  EXPECT_EQ(body.opcode(), Opcode::kIscsiData);
  EXPECT_EQ(body.after(sizeof(cpl::IscsiData)), data);
  const Arrived end = inbox_.next();
  EXPECT_EQ(end.opcode(), Opcode::kRxIscsiCmp);
  EXPECT_EQ(end.as<cpl::RxIscsiCmp>().pdu_len_ddp.get(), 48 + 1004);
  EXPECT_EQ(end.as<cpl::RxIscsiCmp>().seq.get(), link.rcv_isn);
  // Everything else is as on the older chip.
  peer_write(link.fd, bytes_of(bhs_of(iscsi::Opcode::kNopOut, 0)));
  EXPECT_EQ(inbox_.next().opcode(), Opcode::kIscsiHdr);
  EXPECT_EQ(inbox_.next().opcode(), Opcode::kRxIscsiDdp);
}

class SimNoPods : public SimTest {
  void configure() override { config_.no_ppods = 1; }
};

TEST_F(SimNoPods, HasNone) {
  lld_tag tag;
  EXPECT_EQ(inbox_.info->ppod_size, 0u);
  EXPECT_EQ(ops_->ppods_reserve(dev_, 1, 0, &tag), -ENOSPC);
}

}  // namespace
}  // namespace chiscsi::test
