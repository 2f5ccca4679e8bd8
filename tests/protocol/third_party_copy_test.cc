// SPDX-License-Identifier: GPL-2.0-only
//
// EXTENDED COPY and RECEIVE COPY RESULTS over the wire: between LUNs of the built-in classes,
// refused where the initiator itself would be, and ended in the middle by all that ends commands.
#include "storage_fixture.hh"
#include "third_party_copy_fixture.hh"

namespace chiscsi::test {
namespace {

// ---- The built-in classes ----

class CopyOfEachKind : public StorageOfEachKind {
 protected:
  std::string second_line(const std::string& options) {
    const std::string first = line(options);
    return std::string(GetParam()) == "MEM" ? "second" + first.substr(3) : first;
  }
};
INSTANTIATE_TEST_SUITE_P(, CopyOfEachKind, testing::Values("MEM", "FILE", "BLK"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(CopyOfEachKind, CopiesFromOneToTheOther) {
  start({line(), second_line("")});
  const ByteVector data = pattern(5000 * kBlock);
  ASSERT_TRUE(write(100, data).good());
  CopyListBytes list = list_of_two(*peer);
  list.segment(0, 1, 5000, 100, 777);
  // Sent to the source, to the destination, and to one that has no part in it.
  for (const uint64_t lun : {0, 1})
    EXPECT_TRUE(copy(*peer, list, lun).good()) << lun;
  EXPECT_EQ(read(777, 5000, 1), data);
  EXPECT_EQ(read(776, 1, 1), ByteVector(kBlock));
  EXPECT_EQ(read(5777, 1, 1), ByteVector(kBlock));
  EXPECT_CLEAN(*peer);
}

TEST_P(CopyOfEachKind, ManySegmentsBothWays) {
  start({line(), second_line("")});
  const ByteVector data = pattern(256 * kBlock);
  ASSERT_TRUE(write(0, data).good());
  CopyListBytes list = list_of_two(*peer);
  for (uint16_t i = 0; i < 128; ++i) {
    list.segment(0, 1, 2, i * 2u, 1000 + (127 - i) * 2u);
    list.segment(1, 0, 1, 1000 + (127 - i) * 2u, 2000 + i);
  }
  list.id(5);
  ASSERT_TRUE(copy(*peer, list).good());
  for (uint32_t i = 0; i < 128; ++i) {
    const long at = static_cast<long>(i * 2 * kBlock);
    EXPECT_EQ(read(1000 + (127 - i) * 2, 2, 1),
              ByteVector(data.begin() + at, data.begin() + at + 2 * kBlock));
    EXPECT_EQ(read(2000 + i, 1), ByteVector(data.begin() + at, data.begin() + at + kBlock));
  }
  const Outcome status = peer->read(results_cdb(0, 5), 1024);
  ASSERT_TRUE(status.good());
  EXPECT_EQ(status.data, (ByteVector{0, 0, 0, 8, 1, 1, 0, 0, 0, 3, 0, 0}));
}

TEST_P(CopyOfEachKind, OverlapsOnOneUnit) {
  start_one();
  const ByteVector data = pattern(3000 * kBlock);
  for (const uint64_t to : {2000 - 700, 2000 + 700}) {
    ASSERT_TRUE(write(2000, data).good());
    CopyListBytes list;
    list.target(designator(*peer, 0));
    list.segment(0, 0, 3000, 2000, to);
    ASSERT_TRUE(copy(*peer, list).good());
    EXPECT_TRUE(read(to, 3000) == data) << to;
  }
}

TEST_P(CopyOfEachKind, BlocksOfTwoSizes) {
  start({line(), second_line(",BS=4096")});
  const ByteVector data = pattern(20 * kBlock);
  ASSERT_TRUE(write(3, data).good());
  CopyListBytes list = list_of_two(*peer, 512, 4096);
  list.segment(0, 1, 16, 3, 5);
  ASSERT_TRUE(copy(*peer, list).good());
  EXPECT_EQ(peer->read(cdb16(0x88, 5, 2), 8192, 1).data,
            ByteVector(data.begin(), data.begin() + 8192));
  // Blocks of the destination are counted.
  list = list_of_two(*peer, 512, 4096);
  list.segment(0, 1, 2, 3, 50, 2);
  ASSERT_TRUE(copy(*peer, list).good());
  EXPECT_EQ(peer->read(cdb16(0x88, 50, 2), 8192, 1).data,
            ByteVector(data.begin(), data.begin() + 8192));
  // A rest that nobody wants.
  list = list_of_two(*peer, 512, 4096);
  list.segment(0, 1, 17, 3, 100);
  expect_sense(copy(*peer, list), kCopyAborted, 0x26, 0x0a);
  // The second target pads.
  list = CopyListBytes();
  list.target(designator(*peer, 0));
  list.target(designator(*peer, 1), 4096, true);
  list.segment(0, 1, 17, 3, 100);
  ASSERT_TRUE(copy(*peer, list).good());
  ByteVector padded(data.begin(), data.begin() + 17 * kBlock);
  padded.resize(3 * 4096);
  EXPECT_EQ(peer->read(cdb16(0x88, 100, 3), 3 * 4096, 1).data, padded);
  // Blocks that are not as long as the list says.
  list = list_of_two(*peer, 512, 512);
  list.segment(0, 1, 16, 3, 5);
  const Outcome wrong = copy(*peer, list);
  expect_sense(wrong, kCopyAborted, 0x26, 0x00);
  EXPECT_EQ(number(wrong.sense, 15, 3), 0x800000u + 16 + 32 + 29);
}

class ThirdPartyCopy : public StorageTest {
 protected:
  void start_three() {
    start({"a,MEM,size=4MB", "b,MEM,size=4MB,ID=named", "ro,MEM,size=4MB,RO"});
    for (uint64_t lun = 0; lun < 3; ++lun)
      names.push_back(designator(*peer, lun));
  }
  CopyListBytes list_of(size_t count = 3) const {
    CopyListBytes list;
    for (size_t i = 0; i < count; ++i)
      list.target(names[i]);
    return list;
  }
  std::vector<ByteVector> names;
};

// Units of one file with names of their own.
TEST_F(ThirdPartyCopy, OverlapsOnTwoUnitsOfOneDisk) {
  constexpr uint16_t kBlocks = 30000;  // More than a copy holds at once.
  const std::string file = make_file(32 << 20);
  start({file, file + ",WWN=second"});
  const ByteVector data = pattern(kBlocks * kBlock);
  for (const uint64_t to : {2000 - 700, 2000 + 700}) {
    ASSERT_TRUE(write(2000, data).good());
    CopyListBytes list = list_of_two(*peer);
    list.segment(0, 1, kBlocks, 2000, to);
    ASSERT_TRUE(copy(*peer, list).good());
    EXPECT_TRUE(read(to, kBlocks) == data) << to;
  }
}

TEST_F(ThirdPartyCopy, NoOrderIsRightForAnOverlapOfTwoBlockSizes) {
  const std::string file = make_file(4 << 20);
  start({file, file + ",BS=4096,WWN=second"});
  CopyListBytes list = list_of_two(*peer, 512, 4096);
  list.segment(0, 1, 80, 800, 109);
  expect_sense(copy(*peer, list), kCopyAborted, 0x26, 0x0a);
  list = list_of_two(*peer, 512, 4096);
  list.segment(0, 1, 80, 800, 110);
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(ThirdPartyCopy, IsOffered) {
  start_three();
  EXPECT_EQ(peer->read(inquiry_cdb(96), 96).data.at(5) & 0x08, 0x08);
  for (const ByteVector& cdb : {ByteVector{0xa3, 0x0c, 2, 0x83, 0, 0, 0, 0, 0, 64},
                                ByteVector{0xa3, 0x0c, 2, 0x84, 0, 0, 0, 0, 0, 64},
                                ByteVector{0xa3, 0x0c, 2, 0x84, 0, 3, 0, 0, 0, 64},
                                ByteVector{0xa3, 0x0c, 2, 0x84, 0, 4, 0, 0, 0, 64}})
    EXPECT_EQ(peer->read(cdb, 64).data.at(1), 3);
  expect_sense(peer->no_data({0x83, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 5, 0x24);
  expect_sense(peer->read(results_cdb(1, 0), 1024), 5, 0x24);
  const ByteVector parameters = peer->read(results_cdb(3, 0), 1024).data;
  ASSERT_EQ(parameters.size(), 46u);
  EXPECT_EQ(number(parameters, 0, 4), 42u);
  EXPECT_EQ(number(parameters, 8, 2), 16u);
  EXPECT_EQ(number(parameters, 10, 2), 256u);
  EXPECT_EQ(number(parameters, 12, 4), 16u * 32 + 256 * 28);
  EXPECT_EQ(parameters[37], 9);
  EXPECT_EQ((ByteVector(parameters.begin() + 43, parameters.end())), (ByteVector{2, 0x02, 0xe4}));
  EXPECT_EQ(peer->read(results_cdb(3, 0, 10), 1024).data.size(), 10u);
}

TEST_F(ThirdPartyCopy, AnEmptyListIsGood) {
  start_three();
  EXPECT_TRUE(peer->no_data(copy_cdb(0)).good());
  EXPECT_TRUE(copy(*peer, CopyListBytes()).good());
  EXPECT_TRUE(copy(*peer, list_of()).good());
}

TEST_F(ThirdPartyCopy, TargetsByTheirVendorDesignator) {
  start_three();
  const ByteVector data = pattern(8 * kBlock);
  ASSERT_TRUE(write(0, data).good());
  CopyListBytes list;
  list.target(names[0]);
  list.target(designator(*peer, 1, 1), 512, false, 2, 1);  // "CHISCSI named"
  list.segment(0, 1, 8, 0, 8);
  ASSERT_TRUE(copy(*peer, list).good());
  EXPECT_EQ(read(8, 8, 1), data);
}

TEST_F(ThirdPartyCopy, TargetsThatAreNotThere) {
  start_three();
  const auto refused = [&](const CopyListBytes& list, uint8_t asc, uint8_t ascq, uint32_t pointer) {
    const Outcome outcome = copy(*peer, list);
    expect_sense(outcome, kCopyAborted, asc, ascq);
    EXPECT_EQ(number(outcome.sense, 15, 3), pointer);
    EXPECT_EQ(segment_in(outcome), 1);
  };
  const auto with = [&](size_t at, uint8_t value) {
    CopyListBytes list = list_of(2);
    list.segment(0, 0, 1, 0, 1);
    list.segment(0, 1, 1, 0, 0);
    list.bytes[at] = value;
    return list;
  };
  const uint32_t second = 16 + 32, segment = 16 + 64 + 28;
  refused(with(second + 8, 0x77), 0x0d, 0x02, 0x800000 + second + 8);
  refused(with(second + 7, 7), 0x0d, 0x02, 0x800000 + second + 8);
  refused(with(second + 4, 2), 0x0d, 0x02, 0x800000 + second + 8);
  refused(with(second + 5, 0x13), 0x0d, 0x02, 0x800000 + second + 8);
  refused(with(second + 1, 0x20), 0x0d, 0x02, 0x800000 + second + 1);
  refused(with(second + 1, 0x01), 0x0d, 0x03, 0x800000 + second + 1);
  refused(with(segment + 5, 2), 0x08, 0x04, 0xa00004);
  refused(with(segment + 7, 2), 0x08, 0x04, 0xa00006);
  refused(with(segment + 6, 0xff), 0x08, 0x04, 0xa00006);
  refused(with(segment + 15, 1), 0x00, 0x00, 0xa0000c);
  refused(with(segment + 20, 0xff), 0x00, 0x00, 0xa00014);
}

TEST_F(ThirdPartyCopy, ListsThatAreRefusedChangeNothing) {
  start_three();
  ASSERT_TRUE(write(0, pattern(kBlock)).good());
  CopyListBytes list = list_of();
  list.segment(0, 1, 1, 0, 0);
  const size_t bad = list.segment(0, 1, 1, 0, 1);
  list.bytes[bad] = 3;
  const Outcome outcome = copy(*peer, list);
  expect_sense(outcome, 5, 0x26, 0x09);
  EXPECT_EQ(number(outcome.sense, 15, 3), 0x800000 + bad);
  list.bytes.pop_back();
  expect_sense(copy(*peer, list), 5, 0x1a);
  // Shorter than the CDB says, and longer than anything is.
  expect_sense(peer->write(copy_cdb(100), ByteVector(90), {}), 5, 0x1a);
  expect_sense(peer->write(copy_cdb(70000), ByteVector(70000), {}), 5, 0x1a);
  EXPECT_EQ(read(0, 2, 1), ByteVector(2 * kBlock));
}

TEST_F(ThirdPartyCopy, WhatCannotBeWrittenIsNoDestination) {
  start_three();
  CopyListBytes list = list_of();
  list.segment(0, 1, 1, 0, 0);
  list.segment(0, 2, 1, 0, 0);
  list.id(7);
  const Outcome outcome = copy(*peer, list);
  expect_sense(outcome, kCopyAborted, 0x0d, 0x01);
  EXPECT_EQ(segment_in(outcome), 1);
  // CHECK CONDITION and the sense data of the destination: WRITE PROTECTED.
  ASSERT_EQ(outcome.sense.size(), 37u);
  EXPECT_EQ(outcome.sense[8], 0);
  EXPECT_EQ(outcome.sense[9], 18);
  EXPECT_EQ(outcome.sense[18], 2);
  EXPECT_EQ(outcome.sense[19 + 2], 7);
  EXPECT_EQ(outcome.sense[19 + 12], 0x27);
  EXPECT_EQ(peer->read(results_cdb(0, 7), 1024).data.at(4), 2);
  const ByteVector details = peer->read(results_cdb(4, 7), 1024).data;
  ASSERT_EQ(details.size(), 60u + 37);
  EXPECT_EQ(number(details, 0, 4), 56u + 37);
  EXPECT_EQ(details[56], 2);
  EXPECT_EQ(number(details, 58, 2), 37u);
  EXPECT_EQ(ByteVector(details.begin() + 60, details.end()), outcome.sense);
  // It may be read, by a command to another unit.
  list = list_of();
  list.segment(2, 1, 1, 0, 0);
  EXPECT_TRUE(copy(*peer, list, 1).good());
  expect_sense(copy(*peer, list, 2), 5, 0x20);
  EXPECT_EQ(peer->read(inquiry_cdb(96), 96, 2).data.at(5) & 0x08, 0);
}

TEST_F(ThirdPartyCopy, ResultsAreKeptForTheirListIdentifier) {
  start_three();
  expect_sense(peer->read(results_cdb(0, 1), 1024), 5, 0x24);
  CopyListBytes list = list_of();
  list.segment(0, 1, 8, 0, 0);
  ASSERT_TRUE(copy(*peer, list.id(1)).good());
  ASSERT_TRUE(copy(*peer, list.id(0, 3)).good());  // Without an identifier.
  EXPECT_EQ(peer->read(results_cdb(0, 1), 1024).data,
            (ByteVector{0, 0, 0, 8, 1, 0, 1, 0, 0, 0, 0x10, 0}));
  EXPECT_EQ(peer->read(results_cdb(4, 1), 1024).data, (ByteVector{0, 0, 0, 0}));
  expect_sense(peer->read(results_cdb(0, 0), 1024), 5, 0x24);
  auto other = log_in(2);
  expect_sense(other->read(results_cdb(0, 1), 1024), 5, 0x24);
  for (uint8_t id = 10; id < 30; ++id)
    ASSERT_TRUE(copy(*peer, list.id(id)).good());
  expect_sense(peer->read(results_cdb(0, 1), 1024), 5, 0x24);  // Too many came after it.
  EXPECT_TRUE(peer->read(results_cdb(0, 29), 1024).good());
}

TEST_F(ThirdPartyCopy, NoAllocationIsVital) {
  start_three();
  const ByteVector data = pattern(2048 * kBlock);
  ASSERT_TRUE(write(0, data).good());
  CopyListBytes list = list_of();
  list.segment(0, 1, 2048, 0, 100);
  unsigned busy = 0, aborted = 0;
  for (uint64_t n = 1; n < 300; ++n) {
    auto victim = log_in(9);
    const uint64_t before = host_allocation_count();
    host_fail_allocation_at(n);
    const Outcome outcome = copy(*victim, list);
    host_fail_allocation_at(0);
    ASSERT_TRUE(outcome.answered) << n;
    if (outcome.status == 8) ++busy;
    if (outcome.status == 2) ++aborted, expect_sense(outcome, kCopyAborted, 0x0d, 0x01);
    if (host_allocation_count() - before < n) break;  // None was left to fail.
    ASSERT_LT(n, 299u);
  }
  EXPECT_GE(busy, 3u) << "the list, the copy, its buffer";
  EXPECT_GE(aborted, 2u) << "memory of the class for a read and for a write";
  ASSERT_TRUE(copy(*peer, list).good());
  EXPECT_EQ(read(100, 2048, 1), data);
}

// Device and file that fail or hang: the POSIX port keeps and fails their requests.
class CopyOfFiles : public StorageTest {
 protected:
  void start_two() {
    files = {make_file(4 << 20), make_file(4 << 20)};
    start(files);
    list = list_of_two(*peer);
    list.segment(0, 1, 4096, 0, 0);
  }
  // The copy runs and its first read is kept.
  Pdu begin_held(uint64_t lun = 0) {
    host_hold_storage(true);
    const Pdu command = begin_copy(*peer, list, lun);
    // In progress: only then it answers that.
    while (true) {
      const Outcome status = peer->read(results_cdb(0, 0), 1024);
      if (status.good() && status.data.at(6) == 1) break;
    }
    return command;
  }
  std::vector<std::string> files;
  CopyListBytes list;
};

TEST_F(CopyOfFiles, ErrorsOfADeviceAreForwarded) {
  start_two();
  host_fail_storage(OS_STORAGE_READ, -EIO);
  Outcome outcome = copy(*peer, list);
  expect_sense(outcome, kCopyAborted, 0x0d, 0x01);
  ASSERT_EQ(outcome.sense.size(), 37u);
  EXPECT_EQ(outcome.sense[8], 18);
  EXPECT_EQ(outcome.sense[9], 0);
  EXPECT_EQ(outcome.sense[19 + 2], 3);
  EXPECT_EQ(outcome.sense[19 + 12], 0x11);
  host_fail_storage(OS_STORAGE_WRITE, -ENOSPC);
  outcome = copy(*peer, list);
  ASSERT_EQ(outcome.sense.size(), 37u);
  EXPECT_EQ(outcome.sense[9], 18);
  EXPECT_EQ(outcome.sense[19 + 2], 7);
  host_fail_storage(-1, 0);
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(CopyOfFiles, OthersGoOnMeanwhile) {
  start_two();
  const Pdu command = begin_held();
  EXPECT_EQ(peer->read(results_cdb(0, 0), 1024).data,
            (ByteVector{0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0}));
  // The same identifier is in use.
  expect_sense(copy(*peer, list), 5, 0x00, 0x16);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  host_hold_storage(false);
  EXPECT_TRUE(peer->finish(command).good());
  EXPECT_EQ(peer->read(results_cdb(0, 0), 1024).data.at(4), 1);
}

// RFC 7143 section 13.11: also when the command has all its data and is under way.
TEST_F(CopyOfFiles, UnsolicitedDataThatWasNotAnnouncedFailsIt) {
  start_two();
  const Pdu command = begin_held();
  ASSERT_TRUE(peer->send(
      peer->make_data_out(command, iscsi::kReservedTag, 0, 0, ByteVector(16, 0xbd), true)));
  EXPECT_TRUE(peer->is_silent());
  host_hold_storage(false);
  expect_sense(peer->finish(command), 0x0b, 0x0c, 0x0c);
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(CopyOfFiles, AnAbortEndsItAtTheNextChunk) {
  start_two();
  ASSERT_TRUE(write(0, pattern(4096 * kBlock)).good());
  const Pdu command = begin_held();
  const Pdu function =
      peer->make_task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, command.task_tag());
  ASSERT_TRUE(peer->send(function));
  EXPECT_TRUE(peer->is_silent());
  host_hold_storage(false);
  EXPECT_TRUE(peer->receive_for(function.task_tag()).has_value());
  EXPECT_EQ(peer->read(results_cdb(0, 0), 1024).data.at(4), 2);
  EXPECT_EQ(read(0, 1, 1), ByteVector(kBlock)) << "nothing was written any more";
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(CopyOfFiles, AResetByAnotherInitiatorEndsIt) {
  start_two();
  auto other = log_in(2);
  begin_held();
  const Pdu function =
      other->make_task_management(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0xffffffff, 0);
  ASSERT_TRUE(other->send(function));
  // Its unit attention comes when the commands are named.
  Outcome told;
  while ((told = peer->no_data(test_unit_ready_cdb())).good()) {
  }
  expect_sense(told, 6, 0x29, 0x03);
  host_hold_storage(false);
  EXPECT_TRUE(other->receive_for(function.task_tag()).has_value());
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(CopyOfFiles, TheEndOfItsSessionEndsIt) {
  start_two();
  begin_held();
  peer->disconnect();
  host_hold_storage(false);
  peer = log_in();  // The same port: the older session has ended first.
  expect_sense(peer->read(results_cdb(0, 0), 1024), 5, 0x24);
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(CopyOfFiles, AllSessionsTogetherHaveAPartOfTheMemory) {
  constexpr uint64_t kBufferSize = 512 * 1024;
  constexpr uint8_t kOfOneSession = 8, kSessions = 8;
  ASSERT_EQ(os_chunk_limit() / 8, kSessions * kOfOneSession * kBufferSize);
  start_two();
  host_hold_storage(true);
  std::vector<std::unique_ptr<Initiator>> others;
  std::vector<Pdu> copies;
  for (uint8_t i = 0; i < kSessions; ++i) {
    others.push_back(log_in(static_cast<uint8_t>(2 + i)));
    for (uint8_t id = 0; id < kOfOneSession; ++id) {
      Pdu command =
          others[i]->make_command(copy_cdb(list.bytes.size()),
                                  static_cast<uint32_t>(list.bytes.size()), iscsi::kCommandWrite);
      copies.push_back(command);
      command.data = list.id(id).bytes;
      ASSERT_TRUE(others[i]->send(command));
      while (!others[i]->read(results_cdb(0, id), 1024).good()) {
      }
    }
  }
  // None is left for this session, though it has not a single one.
  EXPECT_EQ(copy(*peer, list).status, 8);
  // However they end, they give it back.
  const Pdu function =
      others[0]->make_task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, copies[0].task_tag());
  ASSERT_TRUE(others[0]->send(function));
  host_hold_storage(false);
  ASSERT_TRUE(others[0]->receive_for(function.task_tag()).has_value());
  for (size_t i = 1; i < copies.size(); ++i)
    EXPECT_TRUE(others[i / kOfOneSession]->finish(copies[i]).good()) << i;
  EXPECT_TRUE(copy(*peer, list).good());
}

TEST_F(CopyOfFiles, AReloadThatPutsAnotherDeviceInItsPlaceEndsIt) {
  start_two();
  const Pdu command = begin_held();
  // The destination's line gives way to another file while the source is read.
  const ByteVector before = designator(*peer, 1);
  const std::string other = make_file(4 << 20);
  // It flushes the file that leaves, so it waits for the storage as well.
  std::thread reload([&] { EXPECT_EQ(reconfigure({files[0], other}), 0); });
  while (designator(*peer, 1) == before) {
  }
  host_hold_storage(false);
  expect_sense(peer->finish(command), kCopyAborted, 0x0d, 0x02);
  reload.join();
  peer->no_data(test_unit_ready_cdb(), 1);  // Passes over the unit attention.
  EXPECT_EQ(read(0, 1, 1), ByteVector(kBlock));
}

TEST_F(CopyOfFiles, AReloadThatTakesTheUnitThatWasAskedEndsIt) {
  files = {make_file(4 << 20), make_file(4 << 20), "ram,MEM"};
  start(files);
  list = list_of_two(*peer);
  list.segment(0, 1, 4096, 0, 0);
  const Pdu command = begin_held(2);
  std::thread reload([this] { EXPECT_EQ(reconfigure({files[0], files[1]}), 0); });
  // Until it is gone from the list, which names two units then.
  while (peer->read({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, 256).data.size() != 8 + 2 * 8) {
  }
  host_hold_storage(false);
  expect_sense(peer->finish(command), kCopyAborted, 0x0d, 0x02);
  reload.join();
}

TEST_F(CopyOfFiles, AReloadThatKeepsItsDevicesDoesNot) {
  start_two();
  ASSERT_TRUE(write(0, pattern(4096 * kBlock)).good());
  const Pdu command = begin_held();
  ASSERT_EQ(reconfigure({files[0], files[1], "ram,MEM"}), 0);
  host_hold_storage(false);
  EXPECT_TRUE(peer->finish(command).good());
}

}  // namespace
}  // namespace chiscsi::test
