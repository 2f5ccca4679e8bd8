// SPDX-License-Identifier: GPL-2.0-only
//
// Requests in full feature phase that are right in form and wrong in what they ask for: rows L-4,
// L-16, F-3 to F-9, F-11, F-12, F-14 and F-16 of the robustness corpus (RFC 7143 sections 4.2.2,
// 7.3, 11.3, 11.14, 11.18).
#include <gtest/gtest.h>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class HostileRequest : public ProtocolTest {
 protected:
  void log_in_with(const KeyList& keys) {
    LoginOptions login;
    login.keys = keys;
    peer = start_and_log_in(login);
  }
  void log_in_to_write() { log_in_with({{"InitialR2T", "No"}, {"ImmediateData", "Yes"}}); }
  Pdu immediate_command(const ByteVector& cdb) {
    Pdu command = peer->make_command(cdb, 0, 0);
    --peer->cmd_sn;
    command.bhs.opcode_byte |= kImmediateBit;
    return command;
  }
  std::unique_ptr<Initiator> peer;
};

// ---- Directions and lengths ----

TEST_F(HostileRequest, ReadAndWriteAtOnceIsRefused) {
  log_in_to_write();
  Pdu command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite | kCommandRead);
  ASSERT_TRUE(peer->send(command));
  expect_sense(peer->finish(command), 5, 0x24, 0);
  command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite | kCommandRead);
  command.data = pattern(kBlock);
  ASSERT_TRUE(peer->send(command));
  EXPECT_EQ(peer->finish(command).status, 2);
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

// Without a direction nothing is transferred, whatever the length says; the driver hears of none.
TEST_F(HostileRequest, ALengthWithoutADirectionMeansNothing) {
  std::atomic<unsigned> length{77};
  driver.on_command = [&](chiscsi_scsi_command* command) {
    length = command->sc_xfer_len;
    return driver.run_command(command);
  };
  log_in_to_write();
  const Pdu command = peer->make_command(test_unit_ready_cdb(), 0xffffffff, 0);
  ASSERT_TRUE(peer->send(command));
  const Outcome outcome = peer->finish(command);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(outcome.flags, 0);
  EXPECT_EQ(length, 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, DataWithoutADirectionIsUnexpected) {
  log_in_to_write();
  for (const uint8_t direction : {uint8_t{0}, kCommandRead}) {
    Pdu command = peer->make_command(read10_cdb(0, 1), kBlock, direction);
    command.data = pattern(kBlock);
    ASSERT_TRUE(peer->send(command));
    expect_sense(peer->finish(command), 0x0b, 0x0c, 0x0c);
  }
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_TRUE(peer->ping());
}

TEST_F(HostileRequest, EnormousLengthsCostNothing) {
  log_in_to_write();
  driver.set_content(0, 0, pattern(kBlock));
  const Outcome read = peer->read(read10_cdb(0, 1), 0xffffffff);
  ASSERT_TRUE(read.good());
  EXPECT_EQ(read.data, pattern(kBlock));
  EXPECT_EQ(read.flags, kResponseUnderflow);
  EXPECT_EQ(read.residual, 0xffffffff - kBlock);

  const uint64_t before = host_live_bytes();
  driver.hold(true);
  std::vector<Pdu> writes;
  for (int i = 0; i < 32; ++i) {
    writes.push_back(peer->make_command(write10_cdb(0, 1), 0xffffffff, kCommandWrite));
    ASSERT_TRUE(peer->send(writes.back()));
  }
  ASSERT_TRUE(driver.wait_for("cdb 2a", 32));
  EXPECT_LT(host_live_bytes(), before + (1u << 20));
  driver.release_held();
  const ByteVector data = pattern(kBlock, 3);
  for (const Pdu& command : writes) {
    const Outcome outcome = peer->finish(command, &data);
    ASSERT_TRUE(outcome.good());
    EXPECT_EQ(outcome.residual, 0xffffffff - kBlock);
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, WriteOfNothingTransfersNothing) {
  log_in_to_write();
  Pdu command = peer->make_command(write10_cdb(0, 1), 0, kCommandWrite);
  ASSERT_TRUE(peer->send(command));
  const Outcome outcome = peer->finish(command);
  ASSERT_TRUE(outcome.good());
  EXPECT_TRUE(outcome.r2ts.empty());
  EXPECT_EQ(outcome.flags, kResponseOverflow);
  command = peer->make_command(write10_cdb(0, 1), 0, kCommandWrite);
  command.data = pattern(1);
  ASSERT_TRUE(peer->send(command));
  expect_sense(peer->finish(command), 0x0b, 0x0c, 0x0c);
}

// ---- Immediate and unsolicited data ----

TEST_F(HostileRequest, ImmediateDataThatWasNotAgreedFailsTheCommand) {
  set_key("ImmediateData", "No");
  log_in_with({{"ImmediateData", "No"}, {"InitialR2T", "Yes"}});
  Pdu command = peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
  command.data = pattern(kBlock);
  ASSERT_TRUE(peer->send(command));
  expect_sense(peer->finish(command), 0x0b, 0x0c, 0x0c);
  EXPECT_EQ(driver.content(0, 0, kBlock), ByteVector(kBlock, 0));
  EXPECT_TRUE(peer->write(write10_cdb(0, 1), pattern(kBlock)).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, ImmediateDataBeyondItsLimitsFailsTheCommand) {
  log_in_with({{"ImmediateData", "Yes"}, {"FirstBurstLength", "1024"}});
  for (const auto& [length, data] : std::vector<std::pair<uint32_t, size_t>>{
           {kBlock, kBlock + 1}, {kBlock, 4096}, {1, 4}, {8192, 1025}, {8192, 8192}}) {
    Pdu command = peer->make_command(write10_cdb(0, 16), length, kCommandWrite);
    command.data = pattern(data);
    ASSERT_TRUE(peer->send(command));
    expect_sense(peer->finish(command), 0x0b, 0x0c, 0x0c);
  }
  EXPECT_EQ(driver.content(0, 0, 8192), ByteVector(8192, 0));
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, ImmediateDataOfOddLengthsLands) {
  log_in_to_write();
  for (const uint32_t size : {1u, 2u, 3u, 5u, 511u, 513u, 4095u}) {
    const ByteVector data = pattern(8 * kBlock, size);
    const Outcome outcome = peer->write(write10_cdb(0, 8), data, {size, 0, 8192});
    ASSERT_TRUE(outcome.good());
    EXPECT_EQ(driver.content(0, 0, data.size()), data);
  }
  EXPECT_CLEAN(*peer);
}

// F=0 announces data that never comes: the wait has a limit.
TEST_F(HostileRequest, UnsolicitedDataThatNeverComesEndsTheConnection) {
  log_in_to_write();
  Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(driver.wait_for("cdb 2a"));
  EXPECT_TRUE(peer->is_silent());
  host_advance_clock(61'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// F=0 where nothing may follow, and nothing does: the data is asked for.
TEST_F(HostileRequest, AnnouncedDataThatWasNotAgreedIsSolicited) {
  set_key("InitialR2T", "Yes");
  log_in_with({{"InitialR2T", "Yes"}});
  Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  ASSERT_TRUE(peer->send(command));
  const ByteVector data = pattern(8 * kBlock);
  const Outcome outcome = peer->finish(command, &data);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(outcome.r2ts.size(), 1u);
  EXPECT_CLEAN(*peer);
}

// RFC 7143 section 13.11. The driver holds the command, so no R2T has left; the response waits for
// the end of the burst (section 11.17.1).
TEST_F(HostileRequest, UnsolicitedDataThatWasNotAgreedFailsTheCommand) {
  set_key("InitialR2T", "Yes");
  start();
  for (const char* immediate : {"No", "Yes"}) {
    LoginOptions login;
    login.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", immediate}};
    peer = log_in(login);
    for (const bool announced : {true, false}) {
      driver.hold(true);
      const size_t commands = driver.count("cdb 2a");
      Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
      if (announced) command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
      ASSERT_TRUE(peer->send(command));
      ASSERT_TRUE(driver.wait_for("cdb 2a", commands + 1));
      const auto data_out = [&](uint32_t data_sn, bool final) {
        return peer->make_data_out(command, kReservedTag, data_sn, data_sn * kBlock,
                                   pattern(kBlock, 9), final);
      };
      ASSERT_TRUE(peer->send(data_out(0, false)));
      EXPECT_TRUE(peer->is_silent());
      ASSERT_TRUE(peer->send(data_out(1, true)));
      const Outcome outcome = peer->finish(command);
      expect_sense(outcome, 0x0b, 0x0c, 0x0c);
      EXPECT_TRUE(outcome.r2ts.empty());
      driver.hold(false);
      EXPECT_EQ(driver.content(0, 0, 8 * kBlock), ByteVector(8 * kBlock, 0));
    }
    EXPECT_TRUE(peer->ping());
    EXPECT_CLEAN(*peer);
    EXPECT_EQ(peer->logout(), 0);
  }
}

// Data that was not agreed, without its end: the wait has a limit.
TEST_F(HostileRequest, UnsolicitedDataThatWasNotAgreedAndDoesNotEndEndsTheConnection) {
  set_key("InitialR2T", "Yes");
  log_in_with({{"InitialR2T", "Yes"}});
  driver.hold(true);
  const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(driver.wait_for("cdb 2a"));
  ASSERT_TRUE(peer->send(peer->make_data_out(command, kReservedTag, 0, 0, pattern(kBlock), false)));
  await_answer_to_abort(*peer);
  host_advance_clock(61'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// ---- Numbers ----

// RFC 7143 section 7.3: the CmdSN of a rejected command counts as not received.
TEST_F(HostileRequest, RejectedCommandLeavesAGapThatCanBeFilled) {
  log_in_to_write();
  driver.hold(true);
  const Pdu first = peer->make_command(test_unit_ready_cdb(), 0, 0);
  ASSERT_TRUE(peer->send(first));
  Pdu twin = peer->make_command(test_unit_ready_cdb(), 0, 0);
  const uint32_t own_tag = twin.task_tag();
  twin.bhs.initiator_task_tag = first.task_tag();
  ASSERT_TRUE(peer->send(twin));
  const auto reject = peer->receive();
  ASSERT_TRUE(reject && reject->opcode() == Opcode::kReject);
  EXPECT_EQ(reject->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kTaskInProgress));
  const Pdu later = peer->make_command(test_unit_ready_cdb(), 0, 0, 1);
  ASSERT_TRUE(peer->send(later));
  driver.release_held();
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_TRUE(peer->is_silent());
  twin.bhs.initiator_task_tag = own_tag;
  ASSERT_TRUE(peer->send(twin));
  EXPECT_TRUE(peer->finish(twin).good());
  EXPECT_TRUE(peer->finish(later).good());
  EXPECT_EQ(driver.count("cdb"), 3u);
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, AGapHoldsABoundedNumberOfRequests) {
  driver.max_cmd = 8;
  log_in_to_write();
  const Pdu missing = peer->make_command(test_unit_ready_cdb(), 0, 0);
  std::vector<Pdu> held;
  for (int i = 0; i < 7; ++i) {
    held.push_back(i % 2 == 0 ? peer->make_command(test_unit_ready_cdb(), 0, 0)
                              : peer->make(Opcode::kNopOut));
    if (i % 2 != 0) held.back().as<NopOut>().target_transfer_tag = kReservedTag;
    ASSERT_TRUE(peer->send(held.back()));
  }
  // Twice the same, and what lies beyond the window: ignored.
  for (const Pdu& pdu : held)
    ASSERT_TRUE(peer->send(pdu));
  Pdu beyond = peer->make_command(test_unit_ready_cdb(), 0, 0);
  for (const uint32_t far : {0u, 1u, 0x7fffffffu, 0x80000000u, 0x80000001u}) {
    Pdu pdu = beyond;
    pdu.bhs.initiator_task_tag = peer->next_task_tag++;
    pdu.as<ScsiCommand>().cmd_sn = beyond.as<ScsiCommand>().cmd_sn.get() + far;
    ASSERT_TRUE(peer->send(pdu));
  }
  --peer->cmd_sn;
  Pdu ping = peer->make(Opcode::kNopOut, true);
  ping.as<NopOut>().target_transfer_tag = kReservedTag;
  ASSERT_TRUE(peer->send(ping));
  EXPECT_TRUE(peer->receive_opcode(Opcode::kNopIn));
  EXPECT_EQ(driver.count("cdb"), 0u);
  ASSERT_TRUE(peer->send(missing));
  EXPECT_TRUE(peer->finish(missing).good());
  for (const Pdu& pdu : held)
    EXPECT_TRUE(peer->receive_for(pdu.task_tag())) << pdu.task_tag();
  EXPECT_EQ(driver.count("cdb"), 5u);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(HostileRequest, AnyExpStatSnIsTaken) {
  log_in_to_write();
  for (const uint32_t claim : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu, 0xdeadbeefu}) {
    Pdu command = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead);
    command.as<ScsiCommand>().exp_stat_sn = claim;
    ASSERT_TRUE(peer->send(command));
    EXPECT_TRUE(peer->finish(command).good());
  }
  EXPECT_CLEAN(*peer);
}

// ---- Floods ----

TEST_F(HostileRequest, ImmediateCommandsBeyondTheLimitAreRejected) {
  log_in_to_write();
  driver.hold(true);
  std::vector<Pdu> commands;
  for (int i = 0; i < 100; ++i) {
    commands.push_back(immediate_command(test_unit_ready_cdb()));
    ASSERT_TRUE(peer->send(commands.back()));
  }
  int rejected = 0;
  for (; rejected < 68; ++rejected) {
    const auto answer = peer->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<Reject>().reason,
              static_cast<uint8_t>(RejectReason::kImmediateCommandReject));
  }
  EXPECT_TRUE(peer->is_silent());
  EXPECT_EQ(driver.count("cdb"), 32u);
  // A numbered command and a function of task management still get through.
  const Pdu numbered = peer->make_command(test_unit_ready_cdb(), 0, 0);
  ASSERT_TRUE(peer->send(numbered));
  ASSERT_TRUE(driver.wait_for("cdb", 33));
  EXPECT_EQ(peer->task_management(1, commands[0].task_tag()), 0);
  driver.release_held();
  EXPECT_TRUE(peer->finish(numbered).good());
  EXPECT_CLEAN(*peer);
}

// Each waits for the command before it, which never comes.
TEST_F(HostileRequest, ImmediateFunctionsBeyondTheLimitAreRejected) {
  log_in_to_write();
  ++peer->cmd_sn;
  for (int i = 0; i < 100; ++i) {
    Pdu function = peer->make_task_management(2, kReservedTag);
    ASSERT_TRUE(peer->send(function));
  }
  for (int rejected = 0; rejected < 68; ++rejected) {
    const auto answer = peer->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<Reject>().reason,
              static_cast<uint8_t>(RejectReason::kImmediateCommandReject));
  }
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(peer->ping());
}

// The answers wait until the peer reads; so does the receiving side, and memory stays bounded.
TEST_F(HostileRequest, AFloodOfPingsIsAnsweredOneByOne) {
  log_in_to_write();
  constexpr uint32_t kPings = 3000;
  const uint64_t before = host_live_bytes();
  ByteVector flood;
  for (uint32_t i = 0; i < kPings; ++i) {
    Pdu ping = peer->make(Opcode::kNopOut, i % 2 == 0);
    ping.as<NopOut>().target_transfer_tag = kReservedTag;
    ping.data = pattern(i % 64);
    const ByteVector wire = peer->to_wire(ping);
    flood.insert(flood.end(), wire.begin(), wire.end());
    // The window closes for who does not wait: then numbered pings are ignored.
    if (i % 2 != 0 && i % 32 != 31) continue;
    ASSERT_TRUE(peer->send_bytes(flood));
    flood.clear();
    EXPECT_LT(host_live_bytes(), before + (4u << 20));
  }
  ASSERT_TRUE(peer->send_bytes(flood));
  uint32_t answers = 0;
  while (answers < kPings / 2 && peer->receive_opcode(Opcode::kNopIn))
    ++answers;
  EXPECT_GE(answers, kPings / 2);
}

TEST_F(HostileRequest, AFloodOfTaskManagementIsAnswered) {
  log_in_to_write();
  driver.hold(true);
  ASSERT_TRUE(peer->send(peer->make_command(test_unit_ready_cdb(), 0, 0)));
  ASSERT_TRUE(driver.wait_for("cdb"));
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(peer->send(peer->make_task_management(i % 2 == 0 ? 5 : 1, 0xdead0000u + i, i % 3)));
  for (int answers = 0; answers < 200;) {
    const auto pdu = peer->receive();
    ASSERT_TRUE(pdu);
    if (pdu->opcode() == Opcode::kTaskManagementResponse) ++answers;
    if (pdu->opcode() == Opcode::kReject) {
      EXPECT_EQ(pdu->as<Reject>().reason,
                static_cast<uint8_t>(RejectReason::kImmediateCommandReject));
      ++answers;
    }
  }
  EXPECT_TRUE(peer->ping());
}

// Those in the order of commands have their places in the window, as commands have.
TEST_F(HostileRequest, AFloodOfNumberedTaskManagementStaysInTheWindow) {
  log_in_to_write();
  driver.stick();
  ASSERT_TRUE(peer->send(peer->make_command(test_unit_ready_cdb(), 0, 0)));
  ASSERT_TRUE(driver.wait_for("cdb"));
  const uint64_t before = host_live_allocations();
  const uint32_t window = peer->max_cmd_sn - peer->cmd_sn + 1;
  ByteVector flood;
  for (uint32_t i = 0; i < 20 * window; ++i) {
    Pdu reset = peer->make_task_management(5, kReservedTag);
    reset.bhs.opcode_byte &= static_cast<uint8_t>(~kImmediateBit);
    reset.as<TaskManagementRequest>().cmd_sn = peer->next_cmd_sn();
    const ByteVector wire = peer->to_wire(reset);
    flood.insert(flood.end(), wire.begin(), wire.end());
  }
  ASSERT_TRUE(peer->send_bytes(flood));  // Much of it is taken in one pass.
  Pdu ping = peer->make(Opcode::kNopOut, true);
  ping.data = pattern(4);
  ASSERT_TRUE(peer->send(ping));
  EXPECT_TRUE(peer->receive_for(ping.task_tag()));
  EXPECT_LT(host_live_allocations() - before, 3 * window);
  driver.unstick();
}

// ---- NOP-Out ----

TEST_F(HostileRequest, AnswersToPingsThatWereNotSentAreIgnored) {
  log_in_to_write();
  for (const uint32_t tag : {0u, 1u, 0x12345678u, 0xfffffffeu}) {
    Pdu pdu = peer->make(Opcode::kNopOut, true);
    pdu.bhs.initiator_task_tag = kReservedTag;
    pdu.as<NopOut>().target_transfer_tag = tag;
    pdu.data = pattern(100);
    ASSERT_TRUE(peer->send(pdu));
  }
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

// The echo is cut at what the initiator takes.
TEST_F(HostileRequest, PingOfTheLargestSizeIsEchoed) {
  log_in_with({{"MaxRecvDataSegmentLength", "4096"}});
  EXPECT_TRUE(peer->ping(pattern(4096)));
  Pdu pdu = peer->make(Opcode::kNopOut, true);
  pdu.as<NopOut>().target_transfer_tag = kReservedTag;
  pdu.data = pattern(65536);
  ASSERT_TRUE(peer->send(pdu));
  const auto answer = peer->receive_for(pdu.task_tag());
  ASSERT_TRUE(answer && answer->opcode() == Opcode::kNopIn);
  EXPECT_EQ(answer->data, pattern(4096));
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, WrongAnswersToOurPingAreIgnoredAndTheRightOneCounts) {
  set_key("PortalGroup", "1@" + portal_address() + ",timeout=20");
  log_in_to_write();
  // The hook comes on the session's worker: from there on the timer runs.
  ASSERT_TRUE(peer->ping());
  host_advance_clock(11'000);
  const auto ping = peer->receive_opcode(Opcode::kNopIn);
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->task_tag(), kReservedTag);
  const uint32_t tag = ping->as<NopIn>().target_transfer_tag.get();
  EXPECT_NE(tag, kReservedTag);
  for (const uint8_t byte : ping->as<NopIn>().lun)
    EXPECT_EQ(byte, 0);  // LUN 0, which is valid.
  Pdu answer = peer->make(Opcode::kNopOut, true);
  answer.bhs.initiator_task_tag = kReservedTag;
  answer.as<NopOut>().target_transfer_tag = tag + 1;
  ASSERT_TRUE(peer->send(answer));
  answer.as<NopOut>().target_transfer_tag = tag;
  answer.as<NopOut>().lun[1] = 9;
  answer.data = pattern(64);
  ASSERT_TRUE(peer->send(answer));
  EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, SilenceEndsTheConnectionAfterAPing) {
  set_key("PortalGroup", "1@" + portal_address() + ",timeout=20");
  log_in_to_write();
  ASSERT_TRUE(peer->ping());
  host_advance_clock(11'000);
  ASSERT_TRUE(peer->receive_opcode(Opcode::kNopIn));
  host_advance_clock(21'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// ---- Logout ----

TEST_F(HostileRequest, LogoutsThatAskForOtherThingsAreAnswered) {
  log_in_to_write();
  EXPECT_EQ(peer->logout(2), 2);  // Recovery is not supported.
  for (const uint8_t reason : {3, 4, 64, 127}) {
    Pdu request = peer->make(Opcode::kLogoutRequest, true);
    request.as<LogoutRequest>().reason = kFinalBit | reason;
    ASSERT_TRUE(peer->send(request));
    const auto answer = peer->receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kProtocolError));
  }
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, LogoutMayComeWhileCommandsAreUnderWay) {
  log_in_to_write();
  driver.hold(true);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(peer->send(peer->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead)));
  }
  ASSERT_TRUE(driver.wait_for("cdb", 4));
  EXPECT_EQ(peer->logout(1), 0);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("abort session", 4));
  EXPECT_TRUE(driver.wait_for("cleanup", 4));
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// Whatever comes with and after a logout, the connection ends and nothing stays.
TEST_F(HostileRequest, WhatFollowsALogoutKeepsNothingAlive) {
  log_in_to_write();
  ByteVector wire;
  const auto add = [&](const Pdu& pdu) {
    const ByteVector bytes = peer->to_wire(pdu);
    wire.insert(wire.end(), bytes.begin(), bytes.end());
  };
  for (int i = 0; i < 3; ++i) {
    Pdu logout = peer->make(Opcode::kLogoutRequest, i != 1);
    logout.bhs.flags = kFinalBit;
    add(logout);
    add(peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite));
    add(peer->make_task_management(5, kReservedTag));
    add(peer->make(static_cast<Opcode>(0x1d), true));
  }
  ASSERT_TRUE(peer->send_bytes(wire));
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(driver.count("cleanup"), driver.count("cdb"));
}

// ---- Digest errors ----

// RFC 7143 section 7.8: a Reject; an immediate request leaves no gap, so the session lives.
TEST_F(HostileRequest, WrongDataDigestOfAnImmediateRequestIsRejected) {
  log_in_with({{"DataDigest", "CRC32C"}});
  for (const Opcode opcode : {Opcode::kNopOut, Opcode::kTextRequest}) {
    for (const size_t size : {1, 2, 3, 4, 8192}) {
      Pdu pdu = peer->make(opcode, true);
      pdu.as<NopOut>().target_transfer_tag = kReservedTag;
      pdu.data = pattern(size);
      peer->spoil_data_digest = true;
      ASSERT_TRUE(peer->send(pdu));
      peer->spoil_data_digest = false;
      const auto answer = peer->receive();
      ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
      EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kDataDigestError));
      EXPECT_TRUE(peer->ping());
    }
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(HostileRequest, WrongDataDigestOfANumberedRequestEndsTheConnectionAfterItsReject) {
  start();
  LoginOptions login;
  login.keys = {{"DataDigest", "CRC32C"}, {"ImmediateData", "Yes"}};
  for (const bool is_command : {false, true}) {
    peer = log_in(login);
    Pdu pdu = is_command ? peer->make_command(write10_cdb(0, 1), kBlock, kCommandWrite)
                         : peer->make(Opcode::kNopOut);
    if (!is_command) pdu.as<NopOut>().target_transfer_tag = kReservedTag;
    pdu.data = pattern(kBlock);
    peer->spoil_data_digest = true;
    ASSERT_TRUE(peer->send(pdu));
    const auto answer = peer->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kDataDigestError));
    EXPECT_TRUE(peer->closed_by_target());
  }
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_EQ(driver.content(0, 0, kBlock), ByteVector(kBlock, 0));
}

// ---- Discovery sessions ----

TEST_F(HostileRequest, DiscoverySessionsTakeTextAndLogoutOnly) {
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name = "";
  peer = log_in(login);
  std::vector<Pdu> refused = {
      immediate_command(test_unit_ready_cdb()), peer->make_task_management(5, kReservedTag),
      peer->make(Opcode::kSnackRequest, true), peer->make(Opcode::kNopOut, true),
      peer->make_data_out(Pdu(), 5, 0, 0, pattern(512), true)};
  for (const Pdu& pdu : refused) {
    ASSERT_TRUE(peer->send(pdu));
    const auto answer = peer->receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kProtocolError));
  }
  for (const uint8_t reason : {1, 2}) {  // "Close the session" is the only logout.
    Pdu request = peer->make(Opcode::kLogoutRequest, true);
    request.as<LogoutRequest>().reason = kFinalBit | reason;
    ASSERT_TRUE(peer->send(request));
    const auto answer = peer->receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kProtocolError));
  }
  EXPECT_EQ(peer->send_targets().size(), 2u);
  EXPECT_EQ(peer->logout(), 0);
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_EQ(driver.count("tmf"), 0u);
}

}  // namespace
}  // namespace chiscsi::test
