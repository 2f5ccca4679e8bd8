// SPDX-License-Identifier: GPL-2.0-only
//
// Data-Out PDUs that lie: rows D-1 to D-7 of the robustness corpus (RFC 7143 sections 11.7 and
// 11.8). Data lands where an R2T or the command asked for it, or nowhere; what is wrong for a
// living command fails that command alone, what belongs to none is discarded.
#include <gtest/gtest.h>

#include <algorithm>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;
constexpr uint32_t kLength = 16 * kBlock;

class DataOutHostile : public ProtocolTest {
 protected:
  void log_in_to_write(const KeyList& more = {}) {
    LoginOptions login;
    login.keys = {{"InitialR2T", "No"}, {"ImmediateData", "Yes"}};
    login.keys.insert(login.keys.end(), more.begin(), more.end());
    peer = start_and_log_in(login);
  }
  // A write with its first R2T.
  struct Write {
    Pdu command;
    R2t r2t;
    uint32_t tag() const { return r2t.target_transfer_tag.get(); }
  };
  Write start_write(uint32_t block = 0, uint32_t length = kLength) {
    Write write;
    write.command = peer->make_command(write10_cdb(block, static_cast<uint16_t>(length / kBlock)),
                                       length, kCommandWrite);
    EXPECT_TRUE(peer->send(write.command));
    const auto pdu = peer->receive_for(write.command.task_tag());
    EXPECT_TRUE(pdu && pdu->opcode() == Opcode::kR2t);
    if (pdu) write.r2t = pdu->as<R2t>();
    return write;
  }
  Pdu data_out(const Write& write, uint32_t data_sn, uint32_t offset, uint32_t size, bool final) {
    const ByteVector data = pattern(kLength, 1);
    const size_t from = std::min<size_t>(offset, kLength - std::min(size, kLength));
    return peer->make_data_out(write.command, write.tag(), data_sn, offset,
                               ByteVector(data.begin() + static_cast<long>(from),
                                          data.begin() + static_cast<long>(from + size)),
                               final);
  }
  void expect_failed(const Write& write, uint8_t asc, uint8_t ascq) {
    const Outcome outcome = peer->finish(write.command);
    ASSERT_TRUE(outcome.answered);
    EXPECT_EQ(outcome.status, 2);
    ASSERT_GE(outcome.sense.size(), 14u);
    EXPECT_EQ(outcome.sense_key(), 0xb);
    EXPECT_EQ(outcome.sense[12], asc);
    EXPECT_EQ(outcome.sense[13], ascq);
  }
  // Answers the R2T as it should be answered.
  void finish_well(const Write& write) {
    ASSERT_TRUE(peer->send(data_out(write, 0, 0, kLength / 2, false)));
    ASSERT_TRUE(peer->send(data_out(write, 1, kLength / 2, kLength / 2, true)));
    EXPECT_TRUE(peer->finish(write.command).good());
  }
  void expect_on_medium(const ByteVector& data) {
    EXPECT_EQ(driver.content(0, 0, data.size()), data);
  }
  void expect_reject_of_a_field() {
    const auto answer = peer->receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kInvalidPduField));
  }
  std::unique_ptr<Initiator> peer;
};

// ---- D-1: strays ----

TEST_F(DataOutHostile, TagsOfNobodyAreDiscarded) {
  log_in_to_write();
  const Write write = start_write();
  for (const uint32_t tag :
       {0u, 1u, write.tag() ^ 1, write.tag() ^ 0x10000, write.tag() - 0x10000,
        write.tag() + 0x10000, write.tag() ^ 0x80000000, 0xfffffffeu, 0x0000ffffu, 0xffff0000u}) {
    Pdu pdu = data_out(write, 0, 0, kBlock, false);
    pdu.as<DataOut>().target_transfer_tag = tag;
    std::fill(pdu.data.begin(), pdu.data.end(), 0xbd);
    ASSERT_TRUE(peer->send(pdu));
  }
  EXPECT_TRUE(peer->is_silent());
  finish_well(write);
  expect_on_medium(pattern(kLength, 1));
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, ATagOfAnotherTaskIsRejectedAndHarmsNeither) {
  log_in_to_write();
  const Write write = start_write();
  const Write other = start_write(100);
  Pdu pdu = data_out(write, 0, 0, kBlock, false);
  std::fill(pdu.data.begin(), pdu.data.end(), 0xbd);
  pdu.bhs.initiator_task_tag = other.command.task_tag();
  ASSERT_TRUE(peer->send(pdu));
  expect_reject_of_a_field();
  pdu.bhs.initiator_task_tag = 0xabcdef;
  ASSERT_TRUE(peer->send(pdu));
  expect_reject_of_a_field();
  pdu.bhs.initiator_task_tag = write.command.task_tag();
  pdu.bhs.lun[1] = 1;
  ASSERT_TRUE(peer->send(pdu));
  expect_reject_of_a_field();
  finish_well(write);
  finish_well(other);
  expect_on_medium(pattern(kLength, 1));
  EXPECT_EQ(driver.content(0, 100 * kBlock, kLength), pattern(kLength, 1));
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, ATagOfAnotherSessionIsDiscarded) {
  log_in_to_write();
  const Write write = start_write();
  LoginOptions login;
  login.isid[5] = 9;
  auto stranger = log_in(login);
  for (const uint32_t task_tag : {write.command.task_tag(), 0x1000u, 0x1001u}) {
    Pdu pdu = data_out(write, 0, 0, kBlock, true);
    pdu.bhs.initiator_task_tag = task_tag;
    std::fill(pdu.data.begin(), pdu.data.end(), 0xbd);
    ASSERT_TRUE(stranger->send(pdu));
  }
  EXPECT_TRUE(stranger->ping());
  finish_well(write);
  expect_on_medium(pattern(kLength, 1));
}

// ---- D-2: at the wrong time ----

TEST_F(DataOutHostile, DataAtTheWrongTimeIsDiscarded) {
  log_in_to_write();
  // Before its command.
  const ByteVector data = pattern(kLength, 1);
  Pdu command = peer->make_command(write10_cdb(0, 16), kLength, kCommandWrite);
  const Pdu early = peer->make_data_out(command, kReservedTag, 0, 0, ByteVector(512, 0xbd), true);
  ASSERT_TRUE(peer->send(early));
  ASSERT_TRUE(peer->send(command));
  EXPECT_TRUE(peer->finish(command, &data).good());
  expect_on_medium(data);

  // After its status.
  ASSERT_TRUE(peer->send(early));
  const Write write = start_write();
  finish_well(write);
  ASSERT_TRUE(peer->send(data_out(write, 0, 0, kBlock, true)));
  EXPECT_TRUE(peer->is_silent());

  // After its abort. A reset waits for it: see data_wait_test.cc.
  const Write aborted = start_write();
  ASSERT_EQ(peer->task_management(1, aborted.command.task_tag()), 0);
  Pdu late = data_out(aborted, 0, 0, kLength, true);
  std::fill(late.data.begin(), late.data.end(), 0xbd);
  ASSERT_TRUE(peer->send(late));
  EXPECT_TRUE(peer->is_silent());
  expect_on_medium(data);
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

// ---- D-3, D-4, D-5: offsets, numbers, lengths ----

TEST_F(DataOutHostile, WrongOffsetsFailTheCommandAlone) {
  log_in_to_write();
  for (const uint32_t offset : {1u, kBlock, kLength - 1, kLength, kLength + 1, kLength + 4096,
                                0x7fffffffu, 0x80000000u, 0xffffffffu, 0u - kBlock}) {
    const Write write = start_write();
    ASSERT_TRUE(peer->send(data_out(write, 0, offset, kBlock, true)));
    expect_failed(write, 0x0c, 0x0d);
  }
  expect_on_medium(ByteVector(kLength, 0));
  finish_well(start_write());
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, GapsOverlapsAndDescendingOrderFailTheCommand) {
  log_in_to_write();
  for (const uint32_t second : {0u, kBlock - 1, kBlock + 1, 2 * kBlock, kLength - kBlock}) {
    const Write write = start_write();
    ASSERT_TRUE(peer->send(data_out(write, 0, 0, kBlock, false)));
    ASSERT_TRUE(peer->send(data_out(write, 1, second, kBlock, true)));
    expect_failed(write, 0x0c, 0x0d);
  }
  expect_on_medium(ByteVector(kLength, 0));
  EXPECT_TRUE(peer->ping());
}

// RFC 7143 sections 7.9 and 7.8 b): data was lost on the way, so the end is that of a digest error.
TEST_F(DataOutHostile, WrongDataSnFailsTheCommand) {
  log_in_to_write();
  for (const uint32_t data_sn : {1u, 27u, 0xffffffffu}) {
    const Write write = start_write();
    ASSERT_TRUE(peer->send(data_out(write, data_sn, 0, kBlock, true)));
    expect_failed(write, 0x47, 0x05);
  }
  for (const uint32_t second : {0u, 2u, 0xffffffffu}) {
    const Write write = start_write();
    ASSERT_TRUE(peer->send(data_out(write, 0, 0, kBlock, false)));
    ASSERT_TRUE(peer->send(data_out(write, second, kBlock, kBlock, true)));
    expect_failed(write, 0x47, 0x05);
  }
  expect_on_medium(ByteVector(kLength, 0));
  EXPECT_CLEAN(*peer);
}

// The PDU that is not there leaves a gap in the offsets as well; the end of the burst is awaited.
TEST_F(DataOutHostile, ALostPduIsADigestError) {
  log_in_to_write();
  const Write write = start_write();
  ASSERT_TRUE(peer->send(data_out(write, 0, 0, kBlock, false)));
  ASSERT_TRUE(peer->send(data_out(write, 2, 2 * kBlock, kBlock, false)));
  EXPECT_TRUE(peer->is_silent());
  ASSERT_TRUE(peer->send(data_out(write, 3, 3 * kBlock, kLength - 3 * kBlock, true)));
  expect_failed(write, 0x47, 0x05);
  expect_on_medium(ByteVector(kLength, 0));
  finish_well(start_write());
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, ABurstThatEndsEarlyOrIsTooLongFailsTheCommand) {
  log_in_to_write();
  const Write early = start_write();
  ASSERT_TRUE(peer->send(data_out(early, 0, 0, kBlock, true)));
  expect_failed(early, 0x0c, 0x0d);

  const Write empty = start_write();
  ASSERT_TRUE(peer->send(data_out(empty, 0, 0, 0, true)));
  expect_failed(empty, 0x0c, 0x0d);

  const Write longer = start_write();
  Pdu pdu = data_out(longer, 0, 0, kLength, true);
  pdu.data.push_back(0);
  ASSERT_TRUE(peer->send(pdu));
  expect_failed(longer, 0x0c, 0x0d);

  expect_on_medium(ByteVector(kLength, 0));
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, BeyondMaxBurstLengthFailsTheCommand) {
  log_in_to_write({{"MaxBurstLength", "4096"}, {"FirstBurstLength", "4096"}});
  const Write write = start_write();
  ASSERT_EQ(write.r2t.desired_data_transfer_length.get(), 4096u);
  ASSERT_TRUE(peer->send(data_out(write, 0, 0, 4097, true)));
  expect_failed(write, 0x0c, 0x0d);
  expect_on_medium(ByteVector(kLength, 0));
}

// RFC 7143 section 11.7.7 wants data segments without data to be taken. The last byte without the F
// bit, with and without a PDU that says nothing else: taken, too.
TEST_F(DataOutHostile, EmptyPdusAndALateFinalBitAreTaken) {
  log_in_to_write();
  const Write write = start_write();
  uint32_t data_sn = 0;
  ASSERT_TRUE(peer->send(data_out(write, data_sn++, 0, 0, false)));
  ASSERT_TRUE(peer->send(data_out(write, data_sn++, 0, kBlock, false)));
  ASSERT_TRUE(peer->send(data_out(write, data_sn++, kBlock, 0, false)));
  ASSERT_TRUE(peer->send(data_out(write, data_sn++, kBlock, kLength - kBlock, false)));
  ASSERT_TRUE(peer->send(data_out(write, data_sn++, kLength, 0, true)));
  EXPECT_TRUE(peer->finish(write.command).good());
  expect_on_medium(pattern(kLength, 1));
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

// Pieces without data do not keep the wait alive.
TEST_F(DataOutHostile, ABurstThatNeverEndsEndsTheConnection) {
  log_in_to_write();
  const Write write = start_write();
  ASSERT_TRUE(peer->send(data_out(write, 0, 0, kBlock, false)));
  ASSERT_TRUE(peer->ping());
  host_advance_clock(40'000);
  ASSERT_TRUE(peer->send(data_out(write, 1, kBlock, 0, false)));
  ASSERT_TRUE(peer->ping());
  host_advance_clock(21'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("abort session"));
  EXPECT_TRUE(driver.wait_for("session_removed"));
  expect_on_medium(ByteVector(kLength, 0));
}

// ---- D-6: several R2Ts ----

TEST_F(DataOutHostile, AnswersToSeveralR2tsMayBeSwappedAndMixed) {
  set_key("MaxOutstandingR2T", "3");
  log_in_to_write(
      {{"MaxOutstandingR2T", "3"}, {"MaxBurstLength", "2048"}, {"FirstBurstLength", "1024"}});
  Write write = start_write(0, 3 * 2048);
  std::vector<R2t> r2ts = {write.r2t};
  for (int i = 0; i < 2; ++i) {
    const auto pdu = peer->receive_for(write.command.task_tag());
    ASSERT_TRUE(pdu && pdu->opcode() == Opcode::kR2t);
    r2ts.push_back(pdu->as<R2t>());
  }
  // First halves in reverse order, then second halves.
  for (const uint32_t data_sn : {0u, 1u}) {
    for (int i = 2; i >= 0; --i) {
      write.r2t = r2ts[static_cast<size_t>(i)];
      const uint32_t at = write.r2t.buffer_offset.get() + data_sn * 1024;
      ASSERT_TRUE(peer->send(data_out(write, data_sn, at, 1024, data_sn == 1)));
    }
  }
  EXPECT_TRUE(peer->finish(write.command).good());
  const ByteVector data = pattern(kLength, 1);
  expect_on_medium(ByteVector(data.begin(), data.begin() + 3 * 2048));
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, OneUnansweredR2tOfSeveralEndsTheConnection) {
  set_key("MaxOutstandingR2T", "65535");
  log_in_to_write(
      {{"MaxOutstandingR2T", "65535"}, {"MaxBurstLength", "2048"}, {"FirstBurstLength", "1024"}});
  Write write = start_write(0, 2 * 2048);
  ASSERT_TRUE(peer->receive_for(write.command.task_tag()));
  ASSERT_TRUE(peer->send(data_out(write, 0, 0, 2048, true)));
  ASSERT_TRUE(peer->ping());
  host_advance_clock(61'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// ---- D-7: unsolicited data ----

TEST_F(DataOutHostile, UnsolicitedDataBeyondFirstBurstFailsTheCommand) {
  log_in_to_write({{"FirstBurstLength", "1024"}});
  Pdu command = peer->make_command(write10_cdb(0, 16), kLength, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  command.data = pattern(512);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 0, 512, pattern(513), true)));
  const Outcome outcome = peer->finish(command);
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.sense[12], 0x0c);
  EXPECT_EQ(outcome.sense[13], 0x0c);
  expect_on_medium(ByteVector(kLength, 0));
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

// By its DataSN a PDU before it was lost, whatever the offset says.
TEST_F(DataOutHostile, UnsolicitedDataWithWrongNumbersFailsTheCommand) {
  log_in_to_write();
  struct Numbers {
    uint32_t data_sn, offset;
    uint8_t asc, ascq;
  };
  for (const auto& [data_sn, offset, asc, ascq] : {Numbers{1, 512, 0x47, 0x05},
                                                   {1, 1024, 0x47, 0x05},
                                                   {0xffffffff, 512, 0x47, 0x05},
                                                   {0, 0, 0x0c, 0x0d},
                                                   {0, 511, 0x0c, 0x0d},
                                                   {0, 0xfffffe00, 0x0c, 0x0d}}) {
    Write write;
    write.command = peer->make_command(write10_cdb(0, 16), kLength, kCommandWrite);
    write.command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    write.command.data = pattern(512);
    ASSERT_TRUE(peer->send(write.command));
    ASSERT_TRUE(peer->send(
        peer->make_data_out(write.command, kReservedTag, data_sn, offset, pattern(512), true)));
    expect_failed(write, asc, ascq);
  }
  expect_on_medium(ByteVector(kLength, 0));
  EXPECT_CLEAN(*peer);
}

// Data for a read belongs to nobody.
TEST_F(DataOutHostile, UnsolicitedDataForAReadIsDiscarded) {
  log_in_to_write();
  driver.hold(true);
  const Pdu read = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(read));
  ASSERT_TRUE(peer->send(peer->make_data_out(read, kReservedTag, 0, 0, pattern(kBlock), true)));
  EXPECT_TRUE(peer->ping());
  driver.release_held();
  EXPECT_TRUE(peer->finish(read).good());
  EXPECT_CLEAN(*peer);
}

// After the end of what the command announced: before the driver has lent buffers, and when an R2T
// has asked for the very bytes.
TEST_F(DataOutHostile, UnsolicitedDataThatNobodyAnnouncedFailsTheCommand) {
  log_in_to_write();
  driver.hold(true);
  Write early;
  early.command = peer->make_command(write10_cdb(0, 16), kLength, kCommandWrite);
  early.command.data = pattern(512);
  ASSERT_TRUE(peer->send(early.command));
  ASSERT_TRUE(driver.wait_for("cdb 2a"));
  const Pdu more =
      peer->make_data_out(early.command, kReservedTag, 0, 512, ByteVector(512, 0xbd), true);
  ASSERT_TRUE(peer->send(more));
  ASSERT_TRUE(peer->send(more));
  expect_failed(early, 0x0c, 0x0c);
  driver.hold(false);

  const Write late = start_write();
  ASSERT_TRUE(
      peer->send(peer->make_data_out(late.command, kReservedTag, 0, 0, pattern(512), true)));
  EXPECT_TRUE(peer->is_silent());  // What the R2T has asked for is awaited.
  ASSERT_TRUE(peer->send(data_out(late, 0, 0, kLength, true)));
  expect_failed(late, 0x0c, 0x0c);
  expect_on_medium(ByteVector(kLength, 0));
  finish_well(start_write());
  EXPECT_CLEAN(*peer);
}

// A PDU that says F alone, after the last byte that was announced.
TEST_F(DataOutHostile, ALateFinalBitOfUnsolicitedDataIsTaken) {
  log_in_to_write();
  driver.hold(true);
  Pdu command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  ASSERT_TRUE(peer->send(command));
  const ByteVector data = pattern(kBlock, 5);
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 0, 0, data, false)));
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 1, kBlock, {}, true)));
  EXPECT_TRUE(peer->ping());
  driver.release_held();
  EXPECT_TRUE(peer->finish(command).good());
  expect_on_medium(data);
  EXPECT_CLEAN(*peer);
}

TEST_F(DataOutHostile, EmptyUnsolicitedPdusAreTaken) {
  log_in_to_write();
  Pdu command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  ASSERT_TRUE(peer->send(command));
  const ByteVector data = pattern(kBlock, 5);
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 0, 0, {}, false)));
  const ByteVector half(data.begin(), data.begin() + 256);
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 1, 0, half, false)));
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 2, 256, {}, true)));
  EXPECT_TRUE(peer->finish(command, &data).good());
  expect_on_medium(data);
  EXPECT_CLEAN(*peer);
}

}  // namespace
}  // namespace chiscsi::test
