// SPDX-License-Identifier: GPL-2.0-only
//
// What the target answers itself: for a LUN that is not there, and for a class that leaves all but
// medium access to it.
#include <gtest/gtest.h>

#include <random>

#include "disks_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;  // NOLINT: PDUs and their fields.

constexpr uint32_t kBlock = FakeDisks::kBlock;
constexpr uint32_t kBlocks = FakeDisks::kBlocks;
constexpr uint8_t kCheckCondition = 2;
constexpr uint8_t kUnitAttention = 6;

class TargetAnswers : public DisksTest {
 protected:
  // a is a RAW disk, which answers itself, b a DISK.
  void start(const Lines& devices = {"a,RAW", "b,DISK"}) { DisksTest::start(devices); }
};

TEST_F(TargetAnswers, AnAbsentLunSaysSo) {
  start();
  expect_sense(peer->no_data(test_unit_ready_cdb(), 2), 5, 0x25);
  expect_sense(peer->read(read10_cdb(0, 1), kBlock, 2), 5, 0x25);
  expect_sense(peer->write(write10_cdb(0, 8), pattern(8 * kBlock), {512, 1024, 512}, 2), 5, 0x25);
  const Outcome inquiry = peer->read(inquiry_cdb(96), 96, 2);
  ASSERT_TRUE(inquiry.good());
  EXPECT_EQ(inquiry.data[0], 0x7f);
  const Outcome luns = peer->read({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 256, 2);
  ASSERT_TRUE(luns.good());
  ASSERT_EQ(luns.data.size(), 24u);
  EXPECT_EQ(luns.data[3], 16);
  EXPECT_EQ(luns.flags, kResponseUnderflow);
  EXPECT_EQ(luns.residual, 232u);
  const Outcome sense = peer->read({0x03, 0, 0, 0, 18}, 18, 2);
  ASSERT_TRUE(sense.good());
  EXPECT_EQ(sense.data[12], 0x25);
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_CLEAN(*peer);
}

// REQUEST SENSE for one says that there is none; what other LUNs have to tell stays.
TEST_F(TargetAnswers, AnAbsentLunTakesNoUnitAttention) {
  constexpr uint8_t kTargetWarmReset = 6;
  start({"a,DISK", "b,DISK"});
  ASSERT_EQ(peer->task_management(kTargetWarmReset, 0xffffffff), std::optional<uint8_t>(0));
  for (const uint64_t absent : {256, 257, 513}) {
    const Outcome sense = peer->read({0x03, 0, 0, 0, 18}, 18, absent);
    ASSERT_TRUE(sense.good());
    EXPECT_EQ(sense.data[12], 0x25);
  }
  for (const uint64_t lun : {0, 1}) {
    expect_sense(peer->no_data(test_unit_ready_cdb(), lun), kUnitAttention, 0x29, 3);
    EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), lun).good());
  }
}

TEST_F(TargetAnswers, EveryWayToWriteALunFindsTheRightOneOrNone) {
  start();
  const struct {
    uint8_t lun[8];
    bool there;
  } kForms[] = {
      {{0, 1}, true},           // Peripheral.
      {{0x40, 1}, true},        // Flat.
      {{0xd2, 0, 0, 1}, true},  // Extended flat.
      {{0, 255}, false},
      {{0x41, 0}, false},
      {{0x7f, 0xff}, false},
      {{0x80, 1}, false},     // Logical unit addressing.
      {{0xc1, 1}, false},     // Well known: REPORT LUNS.
      {{1, 1}, false},        // Another bus.
      {{0, 1, 0, 1}, false},  // Second level.
      {{0, 1, 0, 0, 0, 0, 0, 1}, false},
      {{0xe2, 0, 0, 0, 0, 1}, false},
      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
      {{0x40, 0, 0, 0, 0, 0, 0, 0}, true},  // LUN 0.
  };
  for (const auto& form : kForms) {
    Pdu command = peer->make_command(test_unit_ready_cdb(), 0, 0);
    std::copy(form.lun, form.lun + 8, command.bhs.lun);
    ASSERT_TRUE(peer->send(command));
    const Outcome outcome = peer->finish(command);
    if (form.there) {
      EXPECT_TRUE(outcome.good()) << +form.lun[0];
    } else {
      expect_sense(outcome, 5, 0x25);
    }
  }
}

// CDB with its allocation length put into the right place.
ByteVector with_allocation(ByteVector cdb, size_t at, size_t bytes, uint32_t length) {
  cdb.resize(16);
  for (size_t i = 0; i < bytes; ++i)
    cdb[at + i] = static_cast<uint8_t>(length >> (8 * (bytes - 1 - i)));
  return cdb;
}

TEST_F(TargetAnswers, AnswersKeepToEveryAllocationLength) {
  start();
  const struct {
    ByteVector cdb;
    size_t at, bytes;
  } kQuestions[] = {
      {{0x12}, 3, 2},          {{0x12, 1, 0}, 3, 2},    {{0x12, 1, 0x80}, 3, 2},
      {{0x12, 1, 0x83}, 3, 2}, {{0x12, 1, 0xb0}, 3, 2}, {{0x12, 1, 0xb1}, 3, 2},
      {{0xa0}, 6, 4},          {{0x03}, 4, 1},          {{0x9e, 0x10}, 10, 4},
      {{0x1a, 0, 0x3f}, 4, 1}, {{0x5a, 0, 0x3f}, 7, 2}, {{0xa3, 0x0c}, 6, 4},
  };
  for (const auto& question : kQuestions) {
    const uint32_t most = question.bytes == 4 ? 0xffffffff : question.bytes == 2 ? 0xffff : 0xff;
    const auto cdb = [&](uint32_t length) {
      return with_allocation(question.cdb, question.at, question.bytes, length);
    };
    const Outcome full = peer->read(cdb(most), 8192, 1);
    ASSERT_TRUE(full.good()) << +question.cdb[0];
    const auto size = static_cast<uint32_t>(full.data.size());
    ASSERT_GT(size, 4u);
    ASSERT_LT(size, 8192u);
    EXPECT_EQ(full.flags, kResponseUnderflow);
    EXPECT_EQ(full.residual, 8192u - size);
    for (const uint32_t length : {0u, 1u, size - 1, size, size + 1}) {
      const uint32_t expected = std::min(length, size);
      const ByteVector wanted(full.data.begin(), full.data.begin() + expected);
      // As much as it asks for, more, and less.
      for (const uint32_t claimed : {length, length + 7, length / 2}) {
        const Outcome outcome = peer->read(cdb(length), claimed, 1);
        ASSERT_TRUE(outcome.good()) << +question.cdb[0] << " " << length << " " << claimed;
        const uint32_t moved = std::min(expected, claimed);
        EXPECT_EQ(outcome.data, ByteVector(wanted.begin(), wanted.begin() + moved));
        const uint8_t flag = expected > claimed   ? kResponseOverflow
                             : expected < claimed ? kResponseUnderflow
                                                  : 0;
        EXPECT_EQ(outcome.flags, flag);
        EXPECT_EQ(outcome.residual, expected > claimed ? expected - claimed : claimed - expected);
      }
    }
  }
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(TargetAnswers, TheClassSeesMediumAccessOfBlocksThatExist) {
  start({"a,RAW", "b,DISK", "c,DISK,RO"});
  expect_sense(peer->read(read10_cdb(kBlocks, 1), kBlock, 1), 5, 0x21);
  expect_sense(peer->read(read10_cdb(kBlocks - 1, 2), 2 * kBlock, 1), 5, 0x21);
  expect_sense(peer->read(read10_cdb(0xffffffff, 0xffff), kBlock, 1), 5, 0x21);
  expect_sense(peer->write(write10_cdb(kBlocks, 8), pattern(8 * kBlock), {512, 1024, 512}, 1), 5,
               0x21);
  expect_sense(peer->write(write10_cdb(0, 8), pattern(8 * kBlock), {512, 1024, 512}, 2), 7, 0x27);
  expect_sense(peer->read({0xee}, kBlock, 1), 5, 0x20);
  expect_sense(peer->read(write10_cdb(0, 1), kBlock, 1), 5, 0x0e, 3);
  // What a command brings has no room where the initiator expects to send.
  for (const ByteVector& cdb : {inquiry_cdb(96), read10_cdb(0, 1)}) {
    const Outcome nothing = peer->write(cdb, pattern(96), {}, 1);
    EXPECT_TRUE(nothing.good());
    EXPECT_EQ(nothing.flags, kResponseUnderflow);
    EXPECT_EQ(nothing.residual, 96u);
  }
  expect_sense(peer->write(read10_cdb(kBlocks, 1), pattern(96), {}, 1), 5, 0x21);
  expect_sense(peer->no_data({0x00, 0, 0, 0, 0, 0x04}, 1), 5, 0x24);  // NACA.
  EXPECT_TRUE(peer->no_data(read10_cdb(0, 0), 1).good());
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_TRUE(peer->read(read10_cdb(kBlocks - 1, 1), kBlock, 1).good());
  EXPECT_TRUE(peer->no_data({0x35}, 1).good());
  EXPECT_EQ(disks.count("cdb"), 2u);
  // For nothing, it is an overflow of the whole.
  const Outcome overflow = peer->no_data(inquiry_cdb(96), 1);
  EXPECT_TRUE(overflow.good());
  EXPECT_EQ(overflow.flags, kResponseOverflow);
  EXPECT_EQ(overflow.residual, 96u);
  EXPECT_CLEAN(*peer);
}

TEST_F(TargetAnswers, ADeviceWithoutGeometryIsNotReady) {
  disks.silence("b");
  start();
  expect_sense(peer->no_data(test_unit_ready_cdb(), 1), 2, 0x04, 1);
  expect_sense(peer->read(read10_cdb(0, 1), kBlock, 1), 2, 0x04, 1);
  expect_sense(peer->read({0x25}, 8, 1), 2, 0x04, 1);
  EXPECT_TRUE(peer->read(inquiry_cdb(96), 96, 1).good());
  ASSERT_EQ(disks.resize("b", 100), 0);
  EXPECT_EQ(peer->read({0x25}, 8, 1).data, (ByteVector{0, 0, 0, 99, 0, 0, 2, 0}));
  EXPECT_TRUE(peer->read(read10_cdb(99, 1), kBlock, 1).good());
  HostLogCapture log;
  ASSERT_EQ(disks.resize("b", 50), 0);
  // A login goes over the worker that tells of it.
  std::unique_ptr<Initiator> later = log_in(2);
  const Outcome told = peer->no_data(test_unit_ready_cdb(), 1);
  expect_sense(told, kUnitAttention, 0x2a, 9);
  EXPECT_EQ(told.sense[13], 9);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 0).good());
  EXPECT_TRUE(later->no_data(test_unit_ready_cdb(), 1).good()) << "it knows the new size only";
  expect_sense(peer->read(read10_cdb(99, 1), kBlock, 1), 5, 0x21);
  EXPECT_EQ(disks.resize("b", 0), -EINVAL);
  EXPECT_EQ(chiscsi_lun_set_private(999999, nullptr), -ESTALE);
}

// CAPACITY DATA HAS CHANGED: each session hears of it once, by a command for that LUN.
TEST_F(TargetAnswers, AChangeOfSizeIsToldToEachSession) {
  start();
  const auto other = log_in(7);
  HostLogCapture log;
  ASSERT_EQ(disks.resize("b", 50), 0);
  ASSERT_EQ(disks.resize("b", 60), 0);
  const auto late = log_in(8);  // It has not seen another size.
  for (Initiator* initiator : {peer.get(), other.get()}) {
    EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb(), 0).good());
    EXPECT_TRUE(initiator->read(inquiry_cdb(96), 96, 1).good());
    const Outcome told = initiator->no_data(test_unit_ready_cdb(), 1);
    expect_sense(told, 6, 0x2a, 9);
    EXPECT_EQ(told.sense[13], 0x09);
    EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb(), 1).good());
    EXPECT_EQ(initiator->read({0x25}, 8, 1).data, (ByteVector{0, 0, 0, 59, 0, 0, 2, 0}));
  }
  EXPECT_TRUE(late->no_data(test_unit_ready_cdb(), 1).good());
  ASSERT_EQ(disks.resize("b", 60), 0);  // No change.
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 1).good());
}

TEST_F(TargetAnswers, WithoutMemoryForAnAnswerTheTargetIsBusy) {
  start();
  // The end of the first command asks for memory to count it in, once its response has left; it is
  // over when the next one is answered.
  ASSERT_TRUE(peer->read(inquiry_cdb(96), 96, 1).good());
  for (int i = 0; i < 3; ++i) {
    // From here on the only memory that is asked for is that of the answer.
    ASSERT_TRUE(peer->read(inquiry_cdb(96), 96, 1).good());
    host_fail_allocation_at(1);
    const Outcome outcome = peer->read(inquiry_cdb(96), 96, 1);
    host_fail_allocation_at(0);
    ASSERT_TRUE(outcome.answered);
    EXPECT_EQ(outcome.status, 8);
    EXPECT_EQ(outcome.residual, 96u);
  }
}

TEST_F(TargetAnswers, AnyCdbIsAnswered) {
  start();
  std::mt19937 random(1234);
  const uint8_t kKnown[] = {0x00, 0x03, 0x08, 0x0a, 0x12, 0x1a, 0x25, 0x28, 0x2a,
                            0x2e, 0x2f, 0x34, 0x35, 0x5a, 0x83, 0x84, 0x88, 0x8a,
                            0x8f, 0x90, 0x91, 0x9e, 0xa0, 0xa3, 0xa8, 0xaf};
  for (int i = 0; i < 3000; ++i) {
    ByteVector cdb(16);
    for (uint8_t& byte : cdb)
      byte = static_cast<uint8_t>(random());
    if (i % 2 == 0) cdb[0] = kKnown[random() % sizeof(kKnown)];
    const uint64_t lun = 1 + random() % 2;
    const uint32_t length = random() % 3 == 0 ? 0 : random() % 3000;
    const Outcome outcome = peer->read(cdb, length, lun);
    ASSERT_TRUE(outcome.answered) << i;
    ASSERT_TRUE(outcome.status == 0 || outcome.status == kCheckCondition) << i;
    ASSERT_LE(outcome.data.size(), length);
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(TargetAnswers, AnAnswerOnTheWayDiesWithItsConnection) {
  start();
  for (int i = 0; i < 20; ++i) {
    auto victim = log_in(static_cast<uint8_t>(50 + i));
    for (int j = 0; j < 10; ++j)
      victim->send(victim->make_command({0x12, 1, 0x83, 0x10, 0}, 4096, kCommandRead, 1));
    victim->disconnect_with_reset();
  }
  EXPECT_TRUE(is_there(*peer, 1));
}

// A class without SCSI of its own knows 16 bytes, and one with it gets what was sent.
TEST_F(TargetAnswers, AClassGetsALongCommandAsAShortOne) {
  start();
  ByteVector cdb(32);
  cdb[0] = 0x7f;
  cdb[7] = 0x18;
  cdb[9] = 0x09;  // READ(32)
  cdb[31] = 1;
  EXPECT_TRUE(peer->read(cdb, kBlock, 0).answered);
  EXPECT_TRUE(peer->read(cdb, kBlock, 1).answered);
  EXPECT_EQ(disks.count("cdb 7f a"), 1u);
  EXPECT_EQ(disks.count("cdb 88 b"), 1u);
  EXPECT_EQ(disks.count("cdb 7f b"), 0u);
}

}  // namespace
}  // namespace chiscsi::test
