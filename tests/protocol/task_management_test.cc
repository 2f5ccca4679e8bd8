// SPDX-License-Identifier: GPL-2.0-only
//
// Task management across sessions (RFC 7143 sections 4.2.3 and 11.5, RFC 7144; SAM-5): two
// initiators at one target on two workers. Who loses commands, who hears of it, and that a response
// comes in bounded time whatever drivers and initiators do meanwhile.
#include <gtest/gtest.h>

#include <chrono>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;
constexpr uint64_t kBoundedMs = 30000;
constexpr uint8_t kUnitAttention = 6;

uint64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

uint8_t asc(const Outcome& outcome) { return outcome.sense.size() > 13 ? outcome.sense[12] : 0xff; }
uint8_t ascq(const Outcome& outcome) {
  return outcome.sense.size() > 13 ? outcome.sense[13] : 0xff;
}

#define EXPECT_UNIT_ATTENTION(outcome, code, qualifier) \
  do {                                                  \
    const Outcome seen = (outcome);                     \
    EXPECT_EQ(seen.status, 2);                          \
    EXPECT_EQ(seen.sense_key(), kUnitAttention);        \
    EXPECT_EQ(asc(seen), code);                         \
    EXPECT_EQ(ascq(seen), qualifier);                   \
  } while (false)

class TaskManagement : public ProtocolTest {
 protected:
  static LoginOptions other_port(uint8_t port, const KeyList& login_keys = {}) {
    LoginOptions login;
    login.isid[5] = port;
    login.keys = login_keys;
    return login;
  }
  // Two sessions, and a driver that keeps what it gets.
  void log_in_both(const KeyList& login_keys = {}) {
    start();
    first = log_in(other_port(1, login_keys));
    second = log_in(other_port(2, login_keys));
    second->next_task_tag = 0x9000;
    driver.hold(true);
  }
  static Pdu send_read(Initiator& peer, uint64_t lun = 0) {
    const Pdu command = peer.make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead, lun);
    EXPECT_TRUE(peer.send(command));
    return command;
  }
  void wait_for_commands(size_t count) { ASSERT_TRUE(driver.wait_for("cdb", count)); }
  static Outcome ready(Initiator& peer, uint64_t lun = 0) {
    return peer.no_data(test_unit_ready_cdb(), lun);
  }
  // The commands have ended without a word.
  static void expect_no_response(Initiator& peer, const Pdu& command) {
    EXPECT_TRUE(peer.ping());
    EXPECT_FALSE(peer.receive_for(command.task_tag(), 50));
  }

  std::unique_ptr<Initiator> first, second;
};

// ---- Who loses commands, and who hears of it ----

TEST_F(TaskManagement, LunResetEndsTheCommandsOfAllSessions) {
  log_in_both();
  send_read(*first);
  const Pdu hit = send_read(*second, 0);
  const Pdu spared = send_read(*second, 1);
  wait_for_commands(3);
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 0), 0);
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  EXPECT_EQ(driver.count("tmf"), 1u);
  expect_no_response(*second, hit);
  driver.release_held();
  EXPECT_TRUE(second->finish(spared).good());
  EXPECT_TRUE(ready(*second, 1).good());
  EXPECT_UNIT_ATTENTION(ready(*second), 0x29, 0x03);
  EXPECT_TRUE(ready(*second).good());
  EXPECT_TRUE(ready(*first).good());  // It knows.
  EXPECT_CLEAN(*first);
  EXPECT_CLEAN(*second);
}

TEST_F(TaskManagement, CommandsThatTheDriverLeavesAreAborted) {
  driver.ends_own_commands_only = true;
  log_in_both();
  send_read(*first);
  const Pdu left = send_read(*second);
  wait_for_commands(2);
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 0), 0);
  EXPECT_EQ(driver.count("abort tmf"), 1u);
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  expect_no_response(*second, left);
}

// Guide 7.3.6 does not say what a refused fp_tmf_execute means: docs/api-readings.md does.
TEST_F(TaskManagement, CommandsEndWhenTheDriverRefusesAFunction) {
  log_in_both();
  size_t commands = 0;
  for (const int error : {-EINVAL, -EOPNOTSUPP}) {
    driver.tmf_error = error;
    for (const uint8_t function :
         {kAbortTask, kAbortTaskSet, kClearTaskSet, kLunReset, kWarmReset}) {
      SCOPED_TRACE(function);
      const Pdu command = send_read(*first);
      wait_for_commands(++commands);
      const bool is_reset = function == kLunReset || function == kWarmReset;
      const uint8_t expected = error == -EINVAL && is_reset ? 0xff : 0;
      EXPECT_EQ(first->task_management(function, command.task_tag()), expected);
      EXPECT_EQ(driver.count("abort tmf"), commands);
      EXPECT_TRUE(driver.wait_for("cleanup", commands));
      expect_no_response(*first, command);
    }
  }
  EXPECT_EQ(driver.count("tmf"), commands);
}

TEST_F(TaskManagement, LunResetEndsAWriteOfAnotherSession) {
  log_in_both();
  driver.hold(false);
  const Pdu write = second->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  ASSERT_TRUE(second->send(write));
  const auto r2t = second->receive_for(write.task_tag());
  ASSERT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 0), 0);
  EXPECT_EQ(driver.count("abort tmf"), 1u);
  // Data that was under way harms nothing.
  const uint32_t tag = r2t->as<R2t>().target_transfer_tag.get();
  ASSERT_TRUE(second->send(second->make_data_out(write, tag, 0, 0, pattern(8 * kBlock), true)));
  expect_no_response(*second, write);
  EXPECT_UNIT_ATTENTION(ready(*second), 0x29, 0x03);
  EXPECT_EQ(driver.content(0, 0, kBlock), std::vector<uint8_t>(kBlock));
}

TEST_F(TaskManagement, ClearTaskSetIsToldToThoseWhoHadCommands) {
  log_in_both();
  auto third = log_in(other_port(3));
  send_read(*first, 1);
  const Pdu hit = send_read(*second, 1);
  wait_for_commands(2);
  EXPECT_EQ(first->task_management(kClearTaskSet, kReservedTag, 1), 0);
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  driver.release_held();
  expect_no_response(*second, hit);
  EXPECT_TRUE(ready(*second, 0).good());
  EXPECT_UNIT_ATTENTION(ready(*second, 1), 0x2f, 0x00);
  EXPECT_TRUE(ready(*second, 1).good());
  EXPECT_TRUE(ready(*third, 1).good());
  EXPECT_TRUE(ready(*first, 1).good());
}

TEST_F(TaskManagement, AbortTaskSetLeavesOtherSessionsAlone) {
  log_in_both();
  const Pdu mine = send_read(*first);
  const Pdu other = send_read(*second);
  wait_for_commands(2);
  EXPECT_EQ(first->task_management(kAbortTaskSet, kReservedTag, 0), 0);
  expect_no_response(*first, mine);
  EXPECT_EQ(driver.commands_alive(), 1u);
  driver.release_held();
  EXPECT_TRUE(second->finish(other).good());
  EXPECT_TRUE(ready(*second).good());
}

TEST_F(TaskManagement, WarmResetIsToldOnEveryUnit) {
  log_in_both();
  send_read(*first, 1);
  const Pdu a = send_read(*second, 0);
  const Pdu b = send_read(*second, 2);
  wait_for_commands(3);
  EXPECT_EQ(first->task_management(kWarmReset), 0);
  EXPECT_TRUE(driver.wait_for("cleanup", 3));
  driver.release_held();
  expect_no_response(*second, a);
  expect_no_response(*second, b);
  for (const uint64_t lun : {0, 1, 2}) {
    EXPECT_UNIT_ATTENTION(ready(*second, lun), 0x29, 0x03);
    EXPECT_TRUE(ready(*second, lun).good());
    EXPECT_TRUE(ready(*first, lun).good());
  }
}

TEST_F(TaskManagement, ColdResetEndsAllSessionsOfTheTarget) {
  log_in_both();
  send_read(*second);
  wait_for_commands(1);
  EXPECT_EQ(first->task_management(kColdReset), 0);
  for (Initiator* peer : {first.get(), second.get()}) {
    const auto notice = peer->receive_opcode(Opcode::kAsyncMessage);
    ASSERT_TRUE(notice);
    EXPECT_EQ(notice->as<AsyncMessage>().async_event, 3);
    EXPECT_TRUE(peer->closed_by_target());
  }
  EXPECT_TRUE(driver.wait_for("session_removed", 2));
  driver.release_held();
  auto again = log_in(other_port(2));
  EXPECT_TRUE(ready(*again).good());
}

// ---- Time ----

TEST_F(TaskManagement, ResponseComesInTimeWhenTheDriverDoesNotAnswer) {
  log_in_both();
  driver.stick();
  send_read(*first);
  send_read(*second);
  wait_for_commands(2);
  const uint64_t started = now_ms();
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 0), 0xff);
  EXPECT_LT(now_ms() - started, kBoundedMs);
  EXPECT_TRUE(first->ping());
  EXPECT_TRUE(second->ping());
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  EXPECT_UNIT_ATTENTION(ready(*second), 0x29, 0x03);
}

TEST_F(TaskManagement, FunctionsAreRejectedWhileTheDriverKeepsACommand) {
  log_in_both();
  driver.tmf_error = -EOPNOTSUPP;
  size_t commands = 0;
  for (const uint8_t function : {kAbortTask, kAbortTaskSet, kClearTaskSet, kLunReset, kWarmReset}) {
    SCOPED_TRACE(function);
    driver.stick();
    const Pdu command = send_read(*first);
    wait_for_commands(++commands);
    EXPECT_EQ(first->task_management(function, command.task_tag()), 0xff);
    driver.unstick();
    EXPECT_TRUE(driver.wait_for("cleanup", commands));
    expect_no_response(*first, command);
  }
}

TEST_F(TaskManagement, SessionThatEndsMeanwhileDelaysNobody) {
  log_in_both();
  driver.stick();
  send_read(*second);
  wait_for_commands(1);
  const Pdu request = first->make_task_management(kLunReset, kReservedTag, 0);
  ASSERT_TRUE(first->send(request));
  ASSERT_TRUE(driver.wait_for("tmf"));
  second->disconnect_with_reset();
  ASSERT_TRUE(driver.wait_for("abort session"));
  driver.unstick();
  const auto answer = first->receive_for(request.task_tag());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(TaskManagement, IssuerThatEndsMeanwhileLeavesNothingBehind) {
  options.abort_timeout_s = 30;
  log_in_both();
  driver.stick();
  const Pdu hit = send_read(*second);
  wait_for_commands(1);
  ASSERT_TRUE(first->send(first->make_task_management(kLunReset, kReservedTag, 0)));
  ASSERT_TRUE(driver.wait_for("tmf"));
  first->disconnect_with_reset();
  // Nobody waits for the driver's answer any more: the command is taken back at once.
  EXPECT_TRUE(driver.wait_for("abort tmf"));
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("cleanup"));
  expect_no_response(*second, hit);
  EXPECT_UNIT_ATTENTION(ready(*second), 0x29, 0x03);
}

TEST_F(TaskManagement, ResetsOfTwoSessionsMeet) {
  log_in_both();
  for (int round = 0; round < 20; ++round) {
    send_read(*first);
    send_read(*second);
    const Pdu a = first->make_task_management(kLunReset, kReservedTag, 0);
    const Pdu b = second->make_task_management(kLunReset, kReservedTag, 0);
    ASSERT_TRUE(first->send(a));
    ASSERT_TRUE(second->send(b));
    for (auto& [peer, request] : {std::pair(first.get(), &a), std::pair(second.get(), &b)}) {
      const auto answer = peer->receive_for(request->task_tag());
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
    }
  }
  driver.release_held();
  ASSERT_TRUE(first->ping());
  // Whatever the last round has left, it is told once.
  ready(*first);
  EXPECT_TRUE(ready(*first).good());
  ready(*second);
  EXPECT_TRUE(ready(*second).good());
  EXPECT_TRUE(driver.wait_for("cleanup", driver.count("cdb")));
}

TEST_F(TaskManagement, ResetAfterAnAbortThatIsStuckWaitsForItsCommand) {
  log_in_both();
  driver.stick();
  const Pdu command = send_read(*first);
  wait_for_commands(1);
  const Pdu abort = first->make_task_management(kAbortTask, command.task_tag());
  const Pdu reset = first->make_task_management(kLunReset, kReservedTag, 0);
  ASSERT_TRUE(first->send(abort));
  ASSERT_TRUE(first->send(reset));
  ASSERT_TRUE(driver.wait_for("tmf", 2));
  EXPECT_TRUE(first->is_silent(50));
  driver.unstick();
  for (const Pdu* request : {&abort, &reset}) {
    const auto answer = first->receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->task_tag(), request->task_tag());
    EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
  }
}

TEST_F(TaskManagement, LogoutDoesNotWaitForAFunctionThatIsStuck) {
  options.abort_timeout_s = 30;
  log_in_both();
  driver.stick();
  send_read(*first);
  wait_for_commands(1);
  ASSERT_TRUE(first->send(first->make_task_management(kLunReset, kReservedTag, 0)));
  ASSERT_TRUE(driver.wait_for("tmf"));
  EXPECT_EQ(first->logout(), 0);
  EXPECT_TRUE(first->closed_by_target());
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_TRUE(second->ping());
}

// ---- Order by CmdSN ----

TEST_F(TaskManagement, ImmediateResetWaitsForTheCommandsBeforeIt) {
  log_in_both();
  const Pdu missing = first->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead);
  const Pdu reset = first->make_task_management(kLunReset, kReservedTag, 0);
  ASSERT_TRUE(first->send(reset));
  EXPECT_TRUE(first->is_silent(100));
  EXPECT_EQ(driver.count("tmf"), 0u);
  ASSERT_TRUE(first->send(missing));
  const auto answer = first->receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->task_tag(), reset.task_tag());
  EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
  expect_no_response(*first, missing);
}

TEST_F(TaskManagement, ResetWhoseCommandsNeverComeIsRejectedInTime) {
  log_in_both();
  first->next_cmd_sn();
  const uint64_t started = now_ms();
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 0), 0xff);
  EXPECT_LT(now_ms() - started, kBoundedMs);
  EXPECT_EQ(driver.count("tmf"), 0u);
}

TEST_F(TaskManagement, TargetResetCountsMissingCommandsAsReceived) {
  log_in_both();
  const Pdu missing = first->make_command(test_unit_ready_cdb(), 0, 0);
  EXPECT_EQ(first->task_management(kWarmReset), 0);
  EXPECT_EQ(first->exp_cmd_sn, first->cmd_sn);
  ASSERT_TRUE(first->send(missing));
  expect_no_response(*first, missing);
  EXPECT_EQ(driver.count("cdb"), 0u);
}

// ---- Response codes ----

TEST_F(TaskManagement, AbortTaskOfWhatIsNoTaskOfTheSession) {
  log_in_both();
  const Pdu other = send_read(*second);
  wait_for_commands(1);
  EXPECT_EQ(first->task_management(kAbortTask, other.task_tag()), 1);
  EXPECT_EQ(driver.commands_alive(), 1u);
  // Its own tag.
  Pdu own = first->make_task_management(kAbortTask, 0);
  own.as<TaskManagementRequest>().referenced_task_tag = own.task_tag();
  ASSERT_TRUE(first->send(own));
  const auto answer = first->receive_for(own.task_tag());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0xff);
}

TEST_F(TaskManagement, AbortTaskOfACommandOfAnotherUnit) {
  log_in_both();
  const Pdu command = send_read(*first, 1);
  wait_for_commands(1);
  EXPECT_EQ(first->task_management(kAbortTask, command.task_tag(), 2), 1);
  EXPECT_EQ(driver.commands_alive(), 1u);
}

TEST_F(TaskManagement, AbortTaskOutsideOfTheWindow) {
  log_in_both();
  for (const uint32_t distance : {0u, 1000u, 0x80000000u}) {
    Pdu request = first->make_task_management(kAbortTask, 0xdeadbeef);
    request.as<TaskManagementRequest>().ref_cmd_sn = first->cmd_sn + distance;
    ASSERT_TRUE(first->send(request));
    const auto answer = first->receive_for(request.task_tag());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<TaskManagementResponse>().response, 1) << distance;
  }
}

TEST_F(TaskManagement, FunctionsCannotBeAbortedAndTheirTagsNotReused) {
  options.abort_timeout_s = 30;
  log_in_both();
  driver.stick();
  send_read(*first);
  wait_for_commands(1);
  const Pdu stuck = first->make_task_management(kLunReset, kReservedTag, 0);
  ASSERT_TRUE(first->send(stuck));
  ASSERT_TRUE(driver.wait_for("tmf"));
  EXPECT_EQ(first->task_management(kAbortTask, stuck.task_tag()), 0xff);
  EXPECT_EQ(first->task_management(kTaskReassign, stuck.task_tag()), 0xff);
  ASSERT_TRUE(first->send(stuck));
  const auto reject = first->receive_opcode(Opcode::kReject);
  ASSERT_TRUE(reject);
  EXPECT_EQ(reject->as<Reject>().reason, 0x07);
  driver.unstick();
  const auto answer = first->receive_for(stuck.task_tag());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
}

TEST_F(TaskManagement, FunctionsThatAreNotThere) {
  log_in_both();
  EXPECT_EQ(first->task_management(kTaskReassign, 0x1234), 4);
  EXPECT_EQ(first->task_management(kClearAca, kReservedTag, 0), 5);
  EXPECT_EQ(first->task_management(0), 5);
  for (uint8_t function = 9; function < 128; ++function)
    EXPECT_EQ(first->task_management(function), 5) << int{function};
  EXPECT_EQ(driver.count("tmf"), 0u);
  EXPECT_CLEAN(*first);
}

TEST_F(TaskManagement, UnitsThatCannotBe) {
  log_in_both();
  for (const uint8_t function : {kAbortTaskSet, kClearTaskSet, kLunReset}) {
    Pdu request = first->make_task_management(function, kReservedTag);
    request.as<TaskManagementRequest>().lun[0] = 0xc1;  // A well known logical unit.
    ASSERT_TRUE(first->send(request));
    const auto answer = first->receive_for(request.task_tag());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<TaskManagementResponse>().response, 2);
  }
  EXPECT_EQ(driver.count("tmf"), 0u);
}

TEST_F(TaskManagement, OneUnitHasSeveralForms) {
  log_in_both();
  Pdu command = second->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead);
  command.as<ScsiCommand>().lun[0] = 0x40;  // Flat addressing.
  command.as<ScsiCommand>().lun[1] = 1;
  ASSERT_TRUE(second->send(command));
  wait_for_commands(1);
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 1), 0);
  EXPECT_TRUE(driver.wait_for("cleanup"));
  driver.release_held();
  EXPECT_UNIT_ATTENTION(ready(*second, 1), 0x29, 0x03);
}

// ---- iSCSIProtocolLevel 2 (RFC 7144) ----

const KeyList kLevel2 = {{"iSCSIProtocolLevel", "2"}};

class ProtocolLevel2 : public TaskManagement {
 protected:
  static constexpr uint8_t kQueryTask = 9, kQueryTaskSet = 10, kNexusReset = 11, kQueryEvent = 12;
  static constexpr uint8_t kSucceeded = 7;
};

TEST_F(ProtocolLevel2, IsNegotiatedToTheLowerOne) {
  start();
  for (const auto& [offer, agreed] :
       {std::pair("0", "0"), std::pair("1", "1"), std::pair("2", "2"), std::pair("31", "2")}) {
    Initiator peer(port);
    const LoginResult result = peer.login(other_port(1, {{"iSCSIProtocolLevel", offer}}));
    ASSERT_TRUE(result.in_full_feature);
    EXPECT_EQ(result.key("iSCSIProtocolLevel"), agreed);
    EXPECT_EQ(peer.task_management(kQueryTaskSet, kReservedTag, 0), agreed[0] == '2' ? 0 : 5);
  }
}

TEST_F(ProtocolLevel2, QueriesTasks) {
  log_in_both(kLevel2);
  EXPECT_EQ(first->task_management(kQueryTaskSet, kReservedTag, 0), 0);
  const Pdu command = send_read(*first);
  send_read(*second, 1);
  wait_for_commands(2);
  EXPECT_EQ(first->task_management(kQueryTask, command.task_tag()), kSucceeded);
  EXPECT_EQ(first->task_management(kQueryTask, command.task_tag(), 1), 0);
  EXPECT_EQ(first->task_management(kQueryTask, 0xdeadbeef), 0);
  EXPECT_EQ(first->task_management(kQueryTaskSet, kReservedTag, 0), kSucceeded);
  EXPECT_EQ(first->task_management(kQueryTaskSet, kReservedTag, 1), 0);
  EXPECT_EQ(driver.count("tmf"), 0u);
  driver.release_held();
  EXPECT_TRUE(first->finish(command).good());
  EXPECT_EQ(first->task_management(kQueryTask, command.task_tag()), 0);
}

TEST_F(ProtocolLevel2, NexusResetEndsTheCommandsOfItsSession) {
  log_in_both(kLevel2);
  const Pdu a = send_read(*first, 0);
  const Pdu b = send_read(*first, 1);
  const Pdu other = send_read(*second, 0);
  wait_for_commands(3);
  EXPECT_EQ(first->task_management(kNexusReset), 0);
  EXPECT_EQ(driver.count("abort tmf"), 2u);
  EXPECT_EQ(driver.count("tmf"), 0u);
  expect_no_response(*first, a);
  expect_no_response(*first, b);
  driver.release_held();
  EXPECT_TRUE(second->finish(other).good());
  EXPECT_UNIT_ATTENTION(ready(*first, 0), 0x29, 0x07);
  EXPECT_UNIT_ATTENTION(ready(*first, 1), 0x29, 0x07);
  EXPECT_TRUE(ready(*first, 0).good());
  EXPECT_TRUE(ready(*second, 0).good());
}

TEST_F(ProtocolLevel2, QueriesEvents) {
  log_in_both(kLevel2);
  driver.hold(false);
  EXPECT_EQ(second->task_management(kQueryEvent, kReservedTag, 1), 0);
  EXPECT_EQ(first->task_management(kLunReset, kReservedTag, 1), 0);
  for (int i = 0; i < 2; ++i) {  // A query changes nothing.
    const Pdu request = second->make_task_management(kQueryEvent, kReservedTag, 1);
    ASSERT_TRUE(second->send(request));
    const auto answer = second->receive_for(request.task_tag());
    ASSERT_TRUE(answer);
    const auto& response = answer->as<TaskManagementResponse>();
    EXPECT_EQ(response.response, kSucceeded);
    EXPECT_EQ(response.additional_response_information[0], kUnitAttention);
    EXPECT_EQ(response.additional_response_information[1], 0x29);
    EXPECT_EQ(response.additional_response_information[2], 0x03);
  }
  EXPECT_UNIT_ATTENTION(ready(*second, 1), 0x29, 0x03);
  EXPECT_EQ(second->task_management(kQueryEvent, kReservedTag, 1), 0);
}

// What the driver says of the status and hears of the priority.
class Qualified : public ProtocolLevel2 {
 protected:
  void log_in_with(const KeyList& login_keys) {
    driver.on_command = [this](chiscsi_scsi_command* command) {
      priority = chiscsi_scsi_cmd_priority(command);
      EXPECT_EQ(chiscsi_scsi_cmd_set_status_qualifier(command, 0x4123), 0);
      return driver.conclude(command, 0x08);
    };
    start();
    first = log_in(other_port(1, login_keys));
    Pdu command = first->make_command(test_unit_ready_cdb(), 0, 0);
    command.as<ScsiCommand>().priority = 0xf5;
    ASSERT_TRUE(first->send(command));
    const auto answer = first->receive_for(command.task_tag());
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kScsiResponse);
    status = answer->as<ScsiResponse>().status;
    qualifier = answer->as<ScsiResponse>().status_qualifier.get();
  }
  std::atomic<int> priority{-1};
  uint8_t status = 0;
  uint16_t qualifier = 0;
};

TEST_F(Qualified, PriorityAndStatusQualifierWithLevel2) {
  log_in_with(kLevel2);
  EXPECT_EQ(status, 0x08);
  EXPECT_EQ(qualifier, 0x4123);
  EXPECT_EQ(priority, 5);
}

TEST_F(Qualified, NeitherWithoutIt) {
  log_in_with({});
  EXPECT_EQ(status, 0x08);
  EXPECT_EQ(qualifier, 0);
  EXPECT_EQ(priority, 0);
}

}  // namespace
}  // namespace chiscsi::test
