// SPDX-License-Identifier: GPL-2.0-only
//
// What becomes of commands of the built-in LUN classes that are aborted while they wait: for the
// device, or for blocks that another command has for itself.
#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

class StorageAborts : public StorageTest {
 protected:
  static constexpr unsigned kSoonMs = 10000;  // Less than an abort may take.

  // With all of its data in the command PDU. The class has it when this returns.
  Pdu send_write(const ByteVector& cdb, const ByteVector& data, uint64_t lun = 0) {
    Pdu command =
        peer->make_command(cdb, static_cast<uint32_t>(data.size()), iscsi::kCommandWrite, lun);
    command.data = data;
    EXPECT_TRUE(peer->send(command));
    EXPECT_TRUE(peer->ping());
    return command;
  }
  // It has its block for itself from here on: until the device is let go, and it ends.
  Pdu send_compare_and_write(uint64_t first, const ByteVector& old, const ByteVector& fresh) {
    ByteVector cdb = cdb16(0x89, first, 0);
    cdb[13] = 1;
    return send_write(cdb, join(old, fresh));
  }
  Pdu send_abort(const Pdu& command, uint64_t lun = 0) {
    const Pdu function =
        peer->make_task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, command.task_tag(), lun);
    EXPECT_TRUE(peer->send(function));
    return function;
  }
  bool is_answered(const Pdu& request) {
    return peer->receive_for(request.task_tag(), kSoonMs).has_value();
  }
};

TEST_F(StorageAborts, AWriteThatTheDeviceHasNotBegunIsNeverDone) {
  start({make_file(1 << 20)});
  const ByteVector old = pattern(kBlock), fresh = pattern(kBlock, 2);
  ASSERT_TRUE(write(3, old).good());
  host_hold_storage(true);
  const Pdu function = send_abort(send_write(cdb16(0x8a, 3, 1), fresh));
  EXPECT_TRUE(peer->is_silent());
  host_hold_storage(false);
  EXPECT_TRUE(is_answered(function));
  EXPECT_EQ(read(3, 1), old);
}

TEST_F(StorageAborts, AWriteThatWaitsForItsBlocksIsOverAtOnce) {
  start({make_file(1 << 20)});
  const ByteVector old(kBlock), mine = pattern(kBlock), late = pattern(kBlock, 2);
  host_hold_storage(true);
  const Pdu first = send_compare_and_write(3, old, mine);
  const Pdu function = send_abort(send_write(cdb16(0x8a, 3, 1), late));
  EXPECT_TRUE(is_answered(function));
  host_hold_storage(false);
  EXPECT_TRUE(is_answered(first));
  EXPECT_EQ(read(3, 1), mine);
}

// That it is over at once shows that it has waited for the blocks, not for the device.
TEST_F(StorageAborts, UnitsOfOneFileWaitForEachOtherWhateverTheirBlocks) {
  const std::string file = make_file(1 << 20);
  start({file, file + ",BS=4096"});
  const ByteVector old(kBlock), mine = pattern(kBlock);
  host_hold_storage(true);
  const Pdu first = send_compare_and_write(8 * 9 + 7, old, mine);
  const Pdu function = send_abort(send_write(cdb16(0x8a, 9, 1), pattern(4096, 2), 1), 1);
  EXPECT_TRUE(is_answered(function));
  host_hold_storage(false);
  EXPECT_TRUE(is_answered(first));
  EXPECT_EQ(read(8 * 9 + 7, 1), mine);
}

// It names as many blocks as its initiator likes, and lasts far longer than this test.
TEST_F(StorageAborts, AVerifyWithoutDataKeepsNobodyWaiting) {
  constexpr uint32_t kBlocks = 128 << 20;
  start({make_file(uint64_t{kBlocks} * kBlock)});
  host_set_storage_delay(1);
  const Pdu verify = peer->make_command(cdb16(0x8f, 0, kBlocks), 0, 0);
  ASSERT_TRUE(peer->send(verify));
  for (const uint64_t block : {0u, kBlocks / 2, kBlocks - 1})
    EXPECT_TRUE(is_answered(send_compare_and_write(block, ByteVector(kBlock), pattern(kBlock))));
  EXPECT_TRUE(is_answered(send_abort(verify)));
}

// It has part of its blocks behind it and waits for others.
TEST_F(StorageAborts, AVerifyThatWaitsForMoreBlocksIsOverAtOnce) {
  constexpr uint32_t kBlocks = 2048;
  start({make_file(1 << 20)});
  host_hang_next_write();
  const Pdu write = send_compare_and_write(kBlocks - 1, ByteVector(kBlock), pattern(kBlock));
  const Pdu verify = peer->make_command(cdb16(0x8f, 0, kBlocks), 0, 0);
  ASSERT_TRUE(peer->send(verify));
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(is_answered(send_abort(verify)));
  host_end_hang();
  EXPECT_TRUE(is_answered(write));
  EXPECT_TRUE(peer->no_data(cdb16(0x8f, 0, kBlocks)).good());
}

// The device has begun with the write of a session that is lost, and ends it after a write of the
// session that replaced it was due.
TEST_F(StorageAborts, AWriteOfALostSessionIsNeverOverALaterOne) {
  options.abort_timeout_s = 1;
  start({make_file(1 << 20)});
  const ByteVector fresh = pattern(kBlock, 3);
  host_hang_next_write();
  send_write(cdb16(0x8a, 3, 1), pattern(kBlock, 2));
  peer.reset();
  peer = log_in();
  ASSERT_TRUE(peer);
  EXPECT_TRUE(write(4, fresh).good());
  const Pdu later = send_write(cdb16(0x8a, 3, 1), fresh);
  EXPECT_TRUE(peer->is_silent());
  host_end_hang();
  EXPECT_TRUE(peer->finish(later).good());
  EXPECT_EQ(read(3, 1), fresh);
}

}  // namespace
}  // namespace chiscsi::test
