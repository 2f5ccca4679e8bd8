// SPDX-License-Identifier: GPL-2.0-only
//
// The built-in LUN classes over the wire: what was written is read, at the edges, in parts, with
// residuals, after a reload, and not when it must not be.
#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

class StorageKinds : public StorageOfEachKind {};
INSTANTIATE_TEST_SUITE_P(, StorageKinds, testing::Values("MEM", "FILE", "DIRECT", "BLK"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(StorageKinds, ReadsZerosWhereNothingWasWritten) {
  start_one();
  EXPECT_EQ(read(0, 8), ByteVector(8 * kBlock));
  EXPECT_EQ(read(kSize / kBlock - 1, 1), ByteVector(kBlock));
}

TEST_P(StorageKinds, ReadsWhatWasWritten) {
  start_one();
  const ByteVector data = pattern(200 * kBlock);
  ASSERT_TRUE(write(1001, data).good());
  EXPECT_EQ(read(1001, 200), data);
  EXPECT_EQ(read(1000, 1), ByteVector(kBlock));
  EXPECT_EQ(read(1201, 1), ByteVector(kBlock));
  EXPECT_EQ(read(1100, 1), ByteVector(data.begin() + 99 * kBlock, data.begin() + 100 * kBlock));
}

TEST_P(StorageKinds, EverySizeOfCdbReadsAndWrites) {
  start_one();
  const ByteVector data = pattern(2 * kBlock);
  const auto at = [](uint8_t n) { return ByteVector{0x0a, 0, 0, n, 2, 0}; };
  ASSERT_TRUE(peer->write(at(8), data).good());
  ASSERT_TRUE(peer->write(cdb10(0x2a, 16, 2), data).good());
  ByteVector write12 = {0xaa, 0, 0, 0, 0, 24, 0, 0, 0, 2, 0, 0};
  ASSERT_TRUE(peer->write(write12, data).good());
  ASSERT_TRUE(peer->write(cdb16(0x8a, 32, 2), data).good());
  for (const uint64_t first : {8, 16, 24, 32})
    EXPECT_EQ(read(first, 2), data) << first;
  EXPECT_EQ(peer->read({0x08, 0, 0, 8, 2, 0}, 2 * kBlock).data, data);
  EXPECT_EQ(peer->read(cdb10(0x28, 8, 2), 2 * kBlock).data, data);
  EXPECT_EQ(peer->read({0xa8, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0}, 2 * kBlock).data, data);
  EXPECT_CLEAN(*peer);
}

TEST_P(StorageKinds, FlushesAndForcesUnitAccess) {
  start_one();
  const ByteVector data = pattern(4 * kBlock);
  EXPECT_TRUE(peer->write(cdb16(0x8a, 4, 4, 0x08), data).good());
  EXPECT_TRUE(peer->no_data(cdb10(0x35, 0, 0)).good());
  EXPECT_TRUE(peer->no_data(cdb16(0x91, 0, 0, 0x02)).good());
  EXPECT_TRUE(peer->no_data(cdb10(0x34, 0, 8)).good());
  EXPECT_EQ(read(4, 4), data);
}

TEST_P(StorageKinds, NothingBeyondTheEnd) {
  start_one();
  const uint64_t blocks = kSize / kBlock;
  const ByteVector data = pattern(2 * kBlock);
  for (const uint64_t first :
       {blocks - 1, blocks, ~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 55}) {
    expect_sense(peer->read(cdb16(0x88, first, 2), 2 * kBlock), 5, 0x21);
    expect_sense(write(first, data), 5, 0x21);
  }
  EXPECT_EQ(read(blocks - 2, 2), ByteVector(2 * kBlock));
}

TEST_P(StorageKinds, LongTransfersAndTheLimit) {
  start_one();
  const ByteVector data = pattern(4 << 20);
  ASSERT_TRUE(write(8, data).good());
  EXPECT_EQ(read(8, (4 << 20) / kBlock), data);
  const uint32_t most = (16 << 20) / kBlock;
  EXPECT_EQ(read(0, most).size(), size_t{most} * kBlock);
}

TEST_P(StorageKinds, ResidualsSayWhatDidNotMove) {
  start_one();
  const ByteVector data = pattern(4 * kBlock);
  ASSERT_TRUE(write(0, data).good());
  Outcome outcome = peer->read(cdb16(0x88, 0, 2), 4 * kBlock);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, ByteVector(data.begin(), data.begin() + 2 * kBlock));
  EXPECT_EQ(outcome.flags, iscsi::kResponseUnderflow);
  EXPECT_EQ(outcome.residual, 2 * kBlock);
  outcome = peer->read(cdb16(0x88, 0, 4), 700);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, ByteVector(data.begin(), data.begin() + 700));
  EXPECT_EQ(outcome.flags, iscsi::kResponseOverflow);
  EXPECT_EQ(outcome.residual, 4 * kBlock - 700);
}

TEST_P(StorageKinds, ALongWriteWritesWhatTheCdbNames) {
  start_one();
  const ByteVector data = pattern(4 * kBlock);
  const Outcome outcome = peer->write(cdb16(0x8a, 0, 2), data);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(outcome.flags, iscsi::kResponseUnderflow);
  EXPECT_EQ(outcome.residual, 2 * kBlock);
  ByteVector expected(data.begin(), data.begin() + 2 * kBlock);
  expected.resize(4 * kBlock);
  EXPECT_EQ(read(0, 4), expected);
}

TEST_P(StorageKinds, AShortWriteWritesWholeBlocks) {
  start_one();
  const ByteVector data = pattern(1300);
  const Outcome outcome = peer->write(cdb16(0x8a, 0, 4), data);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(outcome.flags, iscsi::kResponseOverflow);
  EXPECT_EQ(outcome.residual, 4 * kBlock - 1300);
  ByteVector expected(data.begin(), data.begin() + 2 * kBlock);
  expected.resize(4 * kBlock);
  EXPECT_EQ(read(0, 4), expected);
}

TEST_P(StorageKinds, AReadOnlyUnitTakesNoWrite) {
  start_one(",RO");
  expect_sense(write(0, pattern(kBlock)), 7, 0x27);
  EXPECT_EQ(read(0, 1), ByteVector(kBlock));
}

TEST_P(StorageKinds, NullrwKeepsNothingAndShowsNothing) {
  start_one(",NULLRW");
  ASSERT_TRUE(write(0, pattern(64 * kBlock)).good());
  EXPECT_EQ(read(0, 64), ByteVector(64 * kBlock));
  EXPECT_TRUE(peer->no_data(cdb10(0x35, 0, 0)).good());
}

TEST_P(StorageKinds, BlocksOf4096) {
  start_one(",BS=4096");
  const Outcome capacity = peer->read({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8);
  EXPECT_EQ(capacity.data, (ByteVector{0, 0, 0x0f, 0xff, 0, 0, 0x10, 0}));
  const ByteVector data = pattern(8192);
  ASSERT_TRUE(peer->write(cdb16(0x8a, 4094, 2), data).good());
  EXPECT_EQ(peer->read(cdb16(0x88, 4094, 2), 8192).data, data);
  expect_sense(peer->read(cdb16(0x88, 4095, 2), 8192), 5, 0x21);
}

TEST_P(StorageKinds, AReloadKeepsTheDisk) {
  const std::string device = line();
  start({device});
  const ByteVector data = pattern(8 * kBlock);
  ASSERT_TRUE(write(5, data).good());
  ASSERT_EQ(reconfigure({device + ",SN=abc"}), 0);
  peer->no_data(test_unit_ready_cdb());  // Passes over the unit attention.
  EXPECT_EQ(read(5, 8), data);
  EXPECT_NE(reconfigure({device + ",BS=4096"}), 0);
  EXPECT_EQ(read(5, 8), data);
}

TEST_P(StorageKinds, SurvivesEveryFailedAllocation) {
  start_one();
  const ByteVector data = pattern(100 * kBlock);
  bool failed = true;
  for (uint64_t n = 1; failed && n < 60; ++n) {
    host_fail_allocation_at(n);
    const uint64_t before = host_allocation_count();
    if (!peer->connected() || !write(0, data).answered) peer = log_in();
    failed = host_allocation_count() - before >= n;
    host_fail_allocation_at(0);
  }
  ASSERT_TRUE(write(0, data).good());
  EXPECT_EQ(read(0, 100), data);
}

// ---- What a file or device does below ----

class HostStorage : public StorageTest {};

TEST_F(HostStorage, ErrorsBecomeSense) {
  start({make_file(1 << 20)});
  host_fail_storage(OS_STORAGE_READ, -EIO);
  expect_sense(peer->read(cdb16(0x88, 0, 1), kBlock), 3, 0x11);
  host_fail_storage(OS_STORAGE_WRITE, -EIO);
  expect_sense(write(0, pattern(kBlock)), 3, 0x0c);
  host_fail_storage(OS_STORAGE_WRITE, -ENOSPC);
  expect_sense(write(0, pattern(kBlock)), 7, 0x27, 0x07);
  host_fail_storage(OS_STORAGE_FLUSH, -ENODEV);
  expect_sense(peer->no_data(cdb10(0x35, 0, 0)), 2, 0x04);
  host_fail_storage(OS_STORAGE_READ, -ETIMEDOUT);
  expect_sense(peer->read(cdb16(0x88, 0, 1), kBlock), 4, 0x08, 0x01);
  host_fail_storage(-1, 0);
  EXPECT_EQ(read(0, 1), ByteVector(kBlock));
}

TEST_F(HostStorage, ASlowDeviceHoldsUpNobodyElse) {
  start({make_file(1 << 20), "ram,MEM"});
  host_hold_storage(true);
  const Pdu stuck = peer->make_command(cdb16(0x88, 0, 1), kBlock, iscsi::kCommandRead);
  ASSERT_TRUE(peer->send(stuck));
  EXPECT_EQ(read(0, 8, 1), ByteVector(8 * kBlock));
  host_hold_storage(false);
  const auto answer = peer->receive_for(stuck.task_tag());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->data, ByteVector(kBlock));
}

TEST_F(HostStorage, AnAbortWaitsForTheDevice) {
  start({make_file(1 << 20)});
  host_hold_storage(true);
  const Pdu stuck = peer->make_command(cdb16(0x88, 0, 1), kBlock, iscsi::kCommandRead);
  ASSERT_TRUE(peer->send(stuck));
  const Pdu function = peer->make_task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, stuck.task_tag());
  ASSERT_TRUE(peer->send(function));
  EXPECT_TRUE(peer->is_silent());
  host_hold_storage(false);
  EXPECT_TRUE(peer->receive_for(function.task_tag()).has_value());
  EXPECT_EQ(read(0, 1), ByteVector(kBlock));
}

TEST_F(HostStorage, AFileThatGrowsOrShrinksIsNoticed) {
  // That the capacity has changed is reported at some time, before any of these answers.
  const auto answer = [&](const ByteVector& cdb, uint32_t length) {
    Outcome outcome = peer->read(cdb, length);
    for (int told = 0; told < 3 && outcome.sense.size() >= 14 && outcome.sense_key() == 6; ++told)
      outcome = peer->read(cdb, length);
    return outcome;
  };
  const std::string file = make_file(1 << 20);
  start({file});
  ASSERT_EQ(truncate(file.c_str(), 2 << 20), 0);
  read(0, 1);
  EXPECT_EQ(answer({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8).data,
            (ByteVector{0, 0, 0x0f, 0xff, 0, 0, 2, 0}));
  ASSERT_EQ(truncate(file.c_str(), 0), 0);
  expect_sense(answer(cdb16(0x88, 0, 1), kBlock), 2, 0x04);
  ASSERT_EQ(truncate(file.c_str(), 4096), 0);
  expect_sense(answer(cdb16(0x88, 100, 1), kBlock), 5, 0x21);
}

TEST_F(HostStorage, TwoUnitsOfOneFileAreOneDisk) {
  const std::string file = make_file(1 << 20);
  start({file, file});
  const ByteVector data = pattern(8 * kBlock);
  ASSERT_TRUE(write(3, data).good());
  EXPECT_EQ(read(3, 8, 1), data);
}

TEST_F(HostStorage, BadLinesAreRefused) {
  start_engine();
  EXPECT_NE(add({"/no/such/file"}), 0);
  EXPECT_NE(add({"/tmp"}), 0);
  EXPECT_NE(add({make_file(100)}), 0);
  EXPECT_NE(add({"ram,MEM,SYNC"}), 0);
  EXPECT_NE(add({"ram,MEM,BS=100"}), 0);
  EXPECT_EQ(add({"ram,MEM"}), 0);
}

}  // namespace
}  // namespace chiscsi::test
