// SPDX-License-Identifier: GPL-2.0-only
//
// SCSI commands, their data in every shape, numbering, rejects and digests in full feature phase
// (RFC 7143 sections 4.2, 7 and 11), against a storage driver that answers in every allowed way.
#include <gtest/gtest.h>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class CommandProtocol : public ProtocolTest {
 protected:
  // Full feature phase with what the target offers at most; `more` goes before that.
  void log_in_to_write(const KeyList& more = {}) {
    LoginOptions login;
    login.keys = {{"InitialR2T", "No"},
                  {"ImmediateData", "Yes"},
                  {"FirstBurstLength", "65536"},
                  {"MaxBurstLength", "262144"},
                  {"MaxRecvDataSegmentLength", "65536"}};
    for (const auto& [key, value] : more) {
      std::erase_if(login.keys, [&key = key](const auto& pair) { return pair.first == key; });
      login.keys.emplace_back(key, value);
    }
    peer = start_and_log_in(login);
  }
  std::unique_ptr<Initiator> peer;
};

// ---- No data, reads, residuals ----

TEST_F(CommandProtocol, TestUnitReady) {
  log_in_to_write();
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_TRUE(driver.wait_for("cleanup"));
  EXPECT_EQ(driver.count("xfer"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, InquiryOfTheWholeLength) {
  log_in_to_write();
  const Outcome outcome = peer->read(inquiry_cdb(36), 36);
  ASSERT_TRUE(outcome.good());
  ASSERT_EQ(outcome.data.size(), 36u);
  EXPECT_EQ(std::string(outcome.data.begin() + 8, outcome.data.begin() + 15), "CHISCSI");
  EXPECT_EQ(outcome.flags, 0);
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, ShortDataIsAnUnderflow) {
  log_in_to_write();
  const Outcome outcome = peer->read(inquiry_cdb(96), 96);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data.size(), 36u);
  EXPECT_EQ(outcome.flags, kResponseUnderflow);
  EXPECT_EQ(outcome.residual, 60u);
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, LongDataIsAnOverflow) {
  log_in_to_write();
  const Outcome outcome = peer->read(inquiry_cdb(36), 10);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data.size(), 10u);
  EXPECT_EQ(outcome.flags, kResponseOverflow);
  EXPECT_EQ(outcome.residual, 26u);
}

TEST_F(CommandProtocol, ReadForNothingIsAnOverflow) {
  log_in_to_write();
  const Outcome outcome = peer->no_data(read10_cdb(0, 1));
  ASSERT_TRUE(outcome.good());
  EXPECT_TRUE(outcome.data.empty());
  EXPECT_EQ(outcome.flags, kResponseOverflow);
  EXPECT_EQ(outcome.residual, kBlock);
}

TEST_F(CommandProtocol, ReadReturnsTheMedium) {
  log_in_to_write();
  const ByteVector data = pattern(200 * kBlock);
  driver.set_content(1, 5 * kBlock, data);
  const Outcome outcome = peer->read(read10_cdb(5, 200), 200 * kBlock, 1);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, data);
  EXPECT_GE(outcome.data_in_pdus, 2u);  // 100 KiB in segments of at most 64 KiB.
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, DataInKeepsToTheInitiatorsSegmentLength) {
  LoginOptions login;
  login.keys = {{"MaxRecvDataSegmentLength", "512"}};
  peer = start_and_log_in(login);
  const Pdu command = peer->make_command(read10_cdb(0, 16), 16 * kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(command));
  for (;;) {
    const auto pdu = peer->receive_for(command.task_tag());
    ASSERT_TRUE(pdu);
    EXPECT_LE(pdu->data.size(), 512u);
    if (pdu->opcode() != Opcode::kDataIn || (pdu->bhs.flags & kDataInStatus) != 0) break;
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, DataInSequencesEndAtMaxBurstLength) {
  log_in_to_write({{"MaxBurstLength", "8192"}, {"FirstBurstLength", "4096"}});
  const Pdu command = peer->make_command(read10_cdb(0, 64), 64 * kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(command));
  size_t in_sequence = 0, total = 0;
  while (total < 64 * kBlock) {
    const auto pdu = peer->receive_for(command.task_tag());
    ASSERT_TRUE(pdu && pdu->opcode() == Opcode::kDataIn);
    in_sequence += pdu->data.size();
    total += pdu->data.size();
    EXPECT_LE(in_sequence, 8192u);
    if (pdu->bhs.final()) in_sequence = 0;
  }
  EXPECT_EQ(in_sequence, 0u);
}

TEST_F(CommandProtocol, SenseFollowsTheStatus) {
  log_in_to_write();
  const Outcome outcome = peer->read({0xee}, 100);
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  ASSERT_GE(outcome.sense.size(), 14u);
  EXPECT_EQ(outcome.sense_key(), 5);
  EXPECT_EQ(outcome.sense[12], 0x20);
  EXPECT_EQ(outcome.flags, kResponseUnderflow);
  EXPECT_EQ(outcome.residual, 100u);
  EXPECT_CLEAN(*peer);
}

// RFC 7143 sections 11.4.1 and 11.4.8: with another service response than "completed" there are no
// residuals, and no count of the Data-In that was sent.
TEST_F(CommandProtocol, AFailureOfTheTargetComesWithoutResiduals) {
  driver.phase_bytes = kBlock / 2;
  driver.on_command = [&](chiscsi_scsi_command* command) {
    command->sc_response = CHISCSI_RESPONSE_TARGET_FAILURE;
    return driver.run_command(command);
  };
  log_in_to_write();
  for (const uint32_t blocks : {1, 2, 4}) {  // Of two that the device would move.
    for (const bool is_write : {false, true}) {
      const Outcome outcome = is_write ? peer->write(write10_cdb(0, 2), pattern(blocks * kBlock))
                                       : peer->read(read10_cdb(0, 2), blocks * kBlock);
      ASSERT_TRUE(outcome.answered);
      EXPECT_EQ(outcome.response, CHISCSI_RESPONSE_TARGET_FAILURE);
      EXPECT_EQ(outcome.data_in_pdus != 0, !is_write);
      EXPECT_EQ(outcome.flags, 0);
      EXPECT_EQ(outcome.residual, 0u);
      EXPECT_EQ(outcome.exp_data_sn, 0u);
    }
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, UnknownLunReachesTheDriver) {
  log_in_to_write();
  const Outcome outcome = peer->no_data(test_unit_ready_cdb(), 9);
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(driver.wait_for("cdb 00 lun 9"));
}

TEST_F(CommandProtocol, DriverThatRefusesACommandAnswersBusy) {
  driver.on_command = [](chiscsi_scsi_command*) { return -EBUSY; };
  log_in_to_write();
  const Outcome outcome = peer->no_data(test_unit_ready_cdb());
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 8);
  EXPECT_TRUE(driver.wait_for("cleanup"));
}

TEST_F(CommandProtocol, DriverThatRefusesOtherwiseAbortsTheCommand) {
  driver.on_command = [](chiscsi_scsi_command*) { return -EIO; };
  log_in_to_write();
  const Outcome outcome = peer->no_data(test_unit_ready_cdb());
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.sense_key(), 0xb);
}

TEST_F(CommandProtocol, SecondFinalStatusIsRefused) {
  std::atomic<int> second{0};
  driver.answers = Answers::kInline;
  driver.on_command = [&](chiscsi_scsi_command* command) {
    const int first = driver.conclude(command, 0);
    second = chiscsi_scsi_cmd_execution_status(command, nullptr, 0, 0, 0);
    return first;
  };
  log_in_to_write();
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_LT(second, 0);
}

// ---- Writes ----

struct Shape {
  const char* name;
  WriteShape shape;
};

class WriteProtocol : public CommandProtocol, public testing::WithParamInterface<Shape> {};

TEST_P(WriteProtocol, DataReachesTheMedium) {
  log_in_to_write();
  const ByteVector data = pattern(1200 * kBlock);  // 600 KiB: three R2Ts at least.
  const WriteShape& shape = GetParam().shape;
  const Outcome outcome = peer->write(write10_cdb(7, 1200), data, shape, 2);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.flags, 0);
  EXPECT_EQ(driver.content(2, 7 * kBlock, data.size()), data);
  uint32_t expected_offset = shape.immediate + shape.unsolicited;
  for (const R2t& r2t : outcome.r2ts) {
    EXPECT_EQ(r2t.buffer_offset.get(), expected_offset);
    EXPECT_LE(r2t.desired_data_transfer_length.get(), 262144u);
    EXPECT_NE(r2t.target_transfer_tag.get(), kReservedTag);
    expected_offset += r2t.desired_data_transfer_length.get();
  }
  EXPECT_EQ(expected_offset, data.size());
  EXPECT_EQ(outcome.exp_data_sn, 0u);  // It counts Data-In.
  EXPECT_CLEAN(*peer);
}

TEST_P(WriteProtocol, DataMayComeInPhasesAndOddPieces) {
  driver.phase_bytes = 100000;
  driver.piece_bytes = 3001;
  driver.page_lists = false;
  log_in_to_write();
  const ByteVector data = pattern(500 * kBlock, 2);
  ASSERT_TRUE(peer->write(write10_cdb(0, 500), data, GetParam().shape).good());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  const Outcome outcome = peer->read(read10_cdb(0, 500), 500 * kBlock);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, data);
  EXPECT_CLEAN(*peer);
}

TEST_P(WriteProtocol, HostMayDeliverBytesOneByOne) {
  host_set_read_piece(1);
  host_set_send_limit(7);
  log_in_to_write();
  const ByteVector data = pattern(140 * kBlock, 3);
  ASSERT_TRUE(peer->write(write10_cdb(0, 140), data, GetParam().shape).good());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  const Outcome outcome = peer->read(read10_cdb(0, 20), 20 * kBlock);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, ByteVector(data.begin(), data.begin() + 20 * kBlock));
  EXPECT_CLEAN(*peer);
}

INSTANTIATE_TEST_SUITE_P(Shapes, WriteProtocol,
                         testing::Values(Shape{"Solicited", {0, 0, 8192}},
                                         Shape{"Immediate", {4096, 0, 8192}},
                                         Shape{"ImmediateOdd", {1001, 0, 4000}},
                                         Shape{"Unsolicited", {0, 65536, 8192}},
                                         Shape{"ImmediateAndUnsolicited", {8192, 57344, 65536}}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(CommandProtocol, WriteOfImmediateDataAlone) {
  log_in_to_write();
  const ByteVector data = pattern(8 * kBlock);
  const Outcome outcome = peer->write(write10_cdb(0, 8), data, {8 * kBlock, 0, 8192});
  ASSERT_TRUE(outcome.good());
  EXPECT_TRUE(outcome.r2ts.empty());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
}

TEST_F(CommandProtocol, WriteShorterThanTheDeviceWantsIsAnOverflow) {
  log_in_to_write();
  const ByteVector data = pattern(2 * kBlock);
  const Outcome outcome = peer->write(write10_cdb(0, 4), data);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.flags, kResponseOverflow);
  EXPECT_EQ(outcome.residual, 2 * kBlock);
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
}

TEST_F(CommandProtocol, WriteLongerThanTheDeviceWantsIsAnUnderflow) {
  log_in_to_write();
  const ByteVector data = pattern(4 * kBlock);
  for (const WriteShape shape :
       {WriteShape{}, WriteShape{4 * kBlock, 0, 8192}, WriteShape{0, 4 * kBlock, 512}}) {
    const Outcome outcome = peer->write(write10_cdb(0, 2), data, shape);
    ASSERT_TRUE(outcome.good());
    EXPECT_EQ(outcome.flags, kResponseUnderflow);
    EXPECT_EQ(outcome.residual, 2 * kBlock);
  }
  EXPECT_EQ(driver.content(0, 0, 2 * kBlock), ByteVector(data.begin(), data.begin() + 2 * kBlock));
  EXPECT_EQ(driver.content(0, 2 * kBlock, kBlock), ByteVector(kBlock, 0));
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, FailedWriteDiscardsItsUnsolicitedData) {
  log_in_to_write();
  const ByteVector data = pattern(32 * kBlock);
  const Outcome outcome =
      peer->write(write10_cdb(FakeDriver::kBlocks, 32), data, {4096, 12288, 4096});
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.sense[12], 0x21);
  EXPECT_TRUE(peer->ping());
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, SeveralR2tsMayBeOutstanding) {
  set_key("MaxOutstandingR2T", "4");
  log_in_to_write(
      {{"MaxOutstandingR2T", "4"}, {"MaxBurstLength", "8192"}, {"FirstBurstLength", "8192"}});
  const ByteVector data = pattern(128 * kBlock);
  const Pdu command = peer->make_command(write10_cdb(0, 128), 128 * kBlock, kCommandWrite);
  ASSERT_TRUE(peer->send(command));
  std::vector<R2t> r2ts;
  for (uint32_t i = 0; i < 4; ++i) {
    const auto pdu = peer->receive_for(command.task_tag());
    ASSERT_TRUE(pdu && pdu->opcode() == Opcode::kR2t);
    r2ts.push_back(pdu->as<R2t>());
    EXPECT_EQ(r2ts.back().r2t_sn.get(), i);
    EXPECT_EQ(r2ts.back().buffer_offset.get(), i * 8192);
  }
  EXPECT_TRUE(peer->is_silent());  // No fifth one before one of the four is answered.
  for (const R2t& r2t : r2ts) {
    const uint32_t at = r2t.buffer_offset.get();
    const ByteVector part(data.begin() + at, data.begin() + at + 8192);
    const uint32_t tag = r2t.target_transfer_tag.get();
    ASSERT_TRUE(peer->send(peer->make_data_out(command, tag, 0, at, part, true)));
  }
  uint32_t next = 4;
  while (auto pdu = peer->receive_for(command.task_tag())) {
    if (pdu->opcode() == Opcode::kScsiResponse) {
      EXPECT_EQ(pdu->as<ScsiResponse>().status, 0);
      break;
    }
    ASSERT_EQ(pdu->opcode(), Opcode::kR2t);
    const auto& r2t = pdu->as<R2t>();
    EXPECT_EQ(r2t.r2t_sn.get(), next++);
    const uint32_t at = r2t.buffer_offset.get();
    const ByteVector part(data.begin() + at, data.begin() + at + 8192);
    const uint32_t tag = r2t.target_transfer_tag.get();
    ASSERT_TRUE(peer->send(peer->make_data_out(command, tag, 0, at, part, true)));
  }
  EXPECT_EQ(next, 8u);
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  EXPECT_CLEAN(*peer);
}

// ---- Queueing and numbering ----

TEST_F(CommandProtocol, ManyCommandsMayBeOutstanding) {
  log_in_to_write();
  driver.hold(true);
  std::vector<Pdu> commands;
  for (uint32_t i = 0; i < 32; ++i) {
    commands.push_back(peer->make_command(read10_cdb(i, 4), 4 * kBlock, kCommandRead));
    ASSERT_TRUE(peer->send(commands.back()));
  }
  ASSERT_TRUE(driver.wait_for("cdb 28", 32));
  driver.release_held();
  for (const Pdu& command : commands)
    EXPECT_TRUE(peer->finish(command).good());
}

TEST_F(CommandProtocol, WindowMatchesMaxCmd) {
  driver.max_cmd = 16;
  log_in_to_write();
  ASSERT_TRUE(peer->ping());
  EXPECT_EQ(peer->max_cmd_sn - peer->exp_cmd_sn + 1, 16u);
  driver.hold(true);
  std::vector<Pdu> commands;
  for (int i = 0; i < 16; ++i) {
    commands.push_back(peer->make_command(test_unit_ready_cdb(), 0, 0));
    ASSERT_TRUE(peer->send(commands.back()));
  }
  ASSERT_TRUE(driver.wait_for("cdb", 16));
  ASSERT_TRUE(peer->ping());
  EXPECT_EQ(peer->exp_cmd_sn, peer->cmd_sn);
  EXPECT_LE(peer->max_cmd_sn - peer->exp_cmd_sn + 1, 16u);
  driver.release_held();
  for (const Pdu& command : commands)
    EXPECT_TRUE(peer->finish(command).good());
  ASSERT_TRUE(peer->ping());
  EXPECT_EQ(peer->max_cmd_sn - peer->exp_cmd_sn + 1, 16u);
}

TEST_F(CommandProtocol, CommandsOutOfOrderAreExecutedInOrder) {
  log_in_to_write();
  const Pdu first = peer->make_command(read10_cdb(1, 1), kBlock, kCommandRead);
  const Pdu second = peer->make_command(read10_cdb(2, 1), kBlock, kCommandRead, 1);
  ASSERT_TRUE(peer->send(second));
  EXPECT_TRUE(peer->is_silent());
  ASSERT_TRUE(peer->send(first));
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_TRUE(peer->finish(second).good());
  const auto calls = driver.calls();
  std::vector<std::string> commands;
  for (const std::string& call : calls) {
    if (call.rfind("cdb", 0) == 0) commands.push_back(call);
  }
  EXPECT_EQ(commands, (std::vector<std::string>{"cdb 28 lun 0", "cdb 28 lun 1"}));
}

TEST_F(CommandProtocol, ImmediateCommandOvertakesAGap) {
  log_in_to_write();
  peer->next_cmd_sn();  // A hole: its command is never sent.
  const Pdu waits = peer->make_command(test_unit_ready_cdb(), 0, 0);
  ASSERT_TRUE(peer->send(waits));
  Pdu command = peer->make_command(test_unit_ready_cdb(), 0, 0, 1);
  --peer->cmd_sn;
  command.bhs.opcode_byte |= kImmediateBit;
  ASSERT_TRUE(peer->send(command));
  EXPECT_TRUE(peer->finish(command).good());
  EXPECT_EQ(driver.count("cdb"), 1u);
}

TEST_F(CommandProtocol, CommandsOutsideTheWindowAreIgnored) {
  log_in_to_write();
  ASSERT_TRUE(peer->ping());
  Pdu old = peer->make_command(test_unit_ready_cdb(), 0, 0);
  old.as<ScsiCommand>().cmd_sn = peer->exp_cmd_sn - 1;
  Pdu far = old;
  far.as<ScsiCommand>().cmd_sn = peer->max_cmd_sn + 1;
  --peer->cmd_sn;
  ASSERT_TRUE(peer->send(old));
  ASSERT_TRUE(peer->send(far));
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_EQ(driver.count("cdb"), 1u);
}

TEST_F(CommandProtocol, CmdSnMayWrap) {
  start();
  peer = std::make_unique<Initiator>(port);
  peer->cmd_sn = 0xfffffffd;
  ASSERT_TRUE(peer->login().in_full_feature);
  for (int i = 0; i < 8; ++i)
    EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_EQ(peer->exp_cmd_sn, 5u);
  EXPECT_CLEAN(*peer);
}

// ---- NOP ----

TEST_F(CommandProtocol, NopOutIsEchoed) {
  log_in_to_write();
  EXPECT_TRUE(peer->ping({}));
  EXPECT_TRUE(peer->ping(pattern(4099)));
  Pdu numbered = peer->make(Opcode::kNopOut);
  numbered.as<NopOut>().target_transfer_tag = kReservedTag;
  ASSERT_TRUE(peer->send(numbered));
  const auto answer = peer->receive_for(numbered.task_tag());
  ASSERT_TRUE(answer && answer->opcode() == Opcode::kNopIn);
  EXPECT_EQ(answer->as<NopIn>().target_transfer_tag.get(), kReservedTag);
  EXPECT_EQ(peer->exp_cmd_sn, peer->cmd_sn);
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, NopOutWithoutTagIsNotAnswered) {
  log_in_to_write();
  Pdu pdu = peer->make(Opcode::kNopOut, true);
  pdu.bhs.initiator_task_tag = kReservedTag;
  pdu.as<NopOut>().target_transfer_tag = kReservedTag;
  ASSERT_TRUE(peer->send(pdu));
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(peer->ping());
}

// ---- What the initiator does wrong ----

TEST_F(CommandProtocol, UnknownOpcodeIsRejected) {
  log_in_to_write();
  Pdu pdu = peer->make(Opcode::kNopOut, true);
  pdu.bhs.opcode_byte = 0x1d | kImmediateBit;
  ASSERT_TRUE(peer->send(pdu));
  const auto answer = peer->receive();
  ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
  EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kCommandNotSupported));
  ASSERT_GE(answer->data.size(), kBhsSize);  // The header that was rejected.
  EXPECT_EQ(answer->data[0], 0x1d | kImmediateBit);
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, DataOutForNoTaskHarmsNothing) {
  log_in_to_write();
  const Pdu no_command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
  --peer->cmd_sn;
  ASSERT_TRUE(peer->send(peer->make_data_out(no_command, 0x12345678, 0, 0, pattern(512), true)));
  const auto answer = peer->receive(200);
  EXPECT_TRUE(!answer || answer->opcode() == Opcode::kReject);
  EXPECT_EQ(driver.count("cdb"), 0u);
}

TEST_F(CommandProtocol, DataOutBeyondTheR2tReachesNoMemory) {
  log_in_to_write();
  for (const uint32_t offset : {kBlock, 0x7fffff00u, 0xffffff00u}) {
    auto other = log_in([&] {
      LoginOptions login;
      login.isid[5] = static_cast<uint8_t>(offset >> 24);
      login.isid[4] = static_cast<uint8_t>(offset >> 8);
      return login;
    }());
    const Pdu command = other->make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
    ASSERT_TRUE(other->send(command));
    const auto r2t = other->receive_for(command.task_tag());
    ASSERT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
    const uint32_t tag = r2t->as<R2t>().target_transfer_tag.get();
    other->send(other->make_data_out(command, tag, 0, offset, pattern(512), true));
    other->is_silent(50);
  }
  EXPECT_EQ(driver.content(0, 0, 4 * kBlock), ByteVector(4 * kBlock, 0));
  EXPECT_TRUE(peer->ping());
}

TEST_F(CommandProtocol, SegmentLongerThanAgreedEndsTheConnection) {
  log_in_to_write();
  Pdu pdu = peer->make(Opcode::kNopOut, true);
  pdu.as<NopOut>().target_transfer_tag = kReservedTag;
  pdu.data = pattern(65536 + 4);
  peer->send(pdu);
  const auto answer = peer->receive(5000);
  EXPECT_TRUE(!answer || answer->opcode() == Opcode::kReject);
}

TEST_F(CommandProtocol, TaskTagInUseIsNotExecutedTwice) {
  log_in_to_write();
  driver.hold(true);
  const Pdu command = peer->make_command(test_unit_ready_cdb(), 0, 0);
  Pdu twin = peer->make_command(test_unit_ready_cdb(), 0, 0);
  twin.bhs.initiator_task_tag = command.task_tag();
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->send(twin));
  ASSERT_TRUE(driver.wait_for("cdb"));
  const auto answer = peer->receive(2000);
  EXPECT_TRUE(!answer || answer->opcode() == Opcode::kReject);
  EXPECT_EQ(driver.count("cdb"), 1u);
  driver.release_held();
}

TEST_F(CommandProtocol, ConnectionMayDieInsideAPdu) {
  log_in_to_write();
  // An adapter may say that the Login Response has left when the peer has long read it: with an
  // answer to a command the session has begun.
  ASSERT_TRUE(peer->ping());
  const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  Pdu with_data = command;
  with_data.data = pattern(8 * kBlock);
  ByteVector wire = peer->to_wire(with_data);
  wire.resize(wire.size() / 2);
  ASSERT_TRUE(peer->send_bytes(wire));
  peer->disconnect();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// The F bit may come alone, behind the last byte (RFC 7143 section 11.7.7).
TEST_F(CommandProtocol, BurstMayEndWithAnEmptyPdu) {
  log_in_to_write();
  constexpr uint32_t kSegment = 8192, kBlocks = 64;
  const ByteVector data = pattern(kBlocks * kBlock);
  for (int round = 0; round < 3; ++round) {
    const Pdu command =
        peer->make_command(write10_cdb(0, kBlocks), kBlocks * kBlock, kCommandWrite);
    ASSERT_TRUE(peer->send(command));
    const auto r2t = peer->receive_for(command.task_tag());
    ASSERT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
    ASSERT_EQ(r2t->as<R2t>().desired_data_transfer_length.get(), data.size());
    const uint32_t tag = r2t->as<R2t>().target_transfer_tag.get();
    uint32_t sn = 0;
    for (uint32_t at = 0; at < data.size(); at += kSegment, ++sn) {
      const ByteVector part(data.begin() + at, data.begin() + at + kSegment);
      ASSERT_TRUE(peer->send(peer->make_data_out(command, tag, sn, at, part, false)));
    }
    const auto end = static_cast<uint32_t>(data.size());
    ASSERT_TRUE(peer->send(peer->make_data_out(command, tag, sn, end, {}, true)));
    const auto answer = peer->receive_for(command.task_tag(), 10000);
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kScsiResponse);
    EXPECT_EQ(driver.content(0, 0, end), data);
  }
  EXPECT_CLEAN(*peer);
}

// ---- Digests ----

TEST_F(CommandProtocol, DigestsProtectBothWays) {
  log_in_to_write({{"HeaderDigest", "CRC32C"}, {"DataDigest", "CRC32C"}});
  const ByteVector data = pattern(300 * kBlock);
  ASSERT_TRUE(peer->write(write10_cdb(0, 300), data, {1001, 4003, 7777}).good());
  const Outcome outcome = peer->read(read10_cdb(0, 300), 300 * kBlock);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, data);
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, WrongHeaderDigestEndsTheConnection) {
  log_in_to_write({{"HeaderDigest", "CRC32C"}});
  peer->spoil_header_digest = true;
  ASSERT_TRUE(peer->send(peer->make_command(test_unit_ready_cdb(), 0, 0)));
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_EQ(driver.count("cdb"), 0u);
}

TEST_F(CommandProtocol, WrongDataDigestIsRejectedAndReachesNoMedium) {
  log_in_to_write({{"DataDigest", "CRC32C"}});
  const Pdu command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
  ASSERT_TRUE(peer->send(command));
  const auto r2t = peer->receive_for(command.task_tag());
  ASSERT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
  peer->spoil_data_digest = true;
  const uint32_t tag = r2t->as<R2t>().target_transfer_tag.get();
  ASSERT_TRUE(peer->send(peer->make_data_out(command, tag, 0, 0, pattern(kBlock), true)));
  const auto answer = peer->receive_opcode(Opcode::kReject, 5000);
  EXPECT_TRUE(answer || !peer->connected());
  if (answer) {
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kDataDigestError));
  }
  EXPECT_EQ(driver.content(0, 0, kBlock), ByteVector(kBlock, 0));
}

// ---- The driver's ways to answer; the network's ways to be slow ----

class AnswerProtocol : public CommandProtocol, public testing::WithParamInterface<Answers> {};

TEST_P(AnswerProtocol, EverythingWorks) {
  driver.answers = GetParam();
  driver.phase_bytes = 40000;
  log_in_to_write();
  for (unsigned round = 0; round < 5; ++round) {
    const ByteVector data = pattern(256 * kBlock, round);
    ASSERT_TRUE(peer->write(write10_cdb(0, 256), data, {4096, 16384, 8192}).good());
    const Outcome outcome = peer->read(read10_cdb(0, 256), 256 * kBlock);
    ASSERT_TRUE(outcome.good());
    EXPECT_EQ(outcome.data, data);
    EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  }
  EXPECT_CLEAN(*peer);
}

std::string name_of(const testing::TestParamInfo<Answers>& info) {
  const char* const names[] = {"Inline", "Thread", "Softirq"};
  return names[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Ways, AnswerProtocol,
                         testing::Values(Answers::kInline, Answers::kThread, Answers::kSoftirq),
                         name_of);

TEST_F(CommandProtocol, MemoryIsKeptWhileTheNetworkRefersToIt) {
  host_set_notice_delay(30);
  log_in_to_write();
  const ByteVector data = pattern(400 * kBlock);
  driver.set_content(0, 0, data);
  for (int i = 0; i < 5; ++i) {
    const Outcome outcome = peer->read(read10_cdb(0, 400), 400 * kBlock);
    ASSERT_TRUE(outcome.good());
    EXPECT_EQ(outcome.data, data);
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(CommandProtocol, ConnectionMayDieWhileTheNetworkRefersToMemory) {
  host_set_notice_delay(50);
  log_in_to_write();
  ASSERT_TRUE(peer->send(peer->make_command(read10_cdb(0, 400), 400 * kBlock, kCommandRead)));
  ASSERT_TRUE(driver.wait_for("cdb"));
  peer->disconnect_with_reset();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(CommandProtocol, InitiatorThatReadsNothingHoldsUpOnlyItself) {
  log_in_to_write();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(peer->send(peer->make_command(read10_cdb(0, 1024), 1024 * kBlock, kCommandRead)));
  }
  LoginOptions login;
  login.isid[5] = 9;
  auto other = log_in(login);
  EXPECT_TRUE(other->read(read10_cdb(0, 8), 8 * kBlock).good());
}

}  // namespace
}  // namespace chiscsi::test
