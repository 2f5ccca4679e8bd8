// SPDX-License-Identifier: GPL-2.0-only
//
// Task management, aborts and the end of things while commands are under way (RFC 7143 sections
// 11.5, 11.6 and 4.2.3.4; Guide 7.3.5.4 and 7.3.6), with drivers that answer, answer late, or
// never. The target's limit for a driver is one second here; waits have a limit of their own.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "memory_transport.hh"
#include "offload_run.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;
constexpr uint64_t kBoundedMs = 30000;  // Far more than the abort limit, far less than for ever.

uint64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

class AbortProtocol : public ProtocolTest {
 protected:
  void log_in_and_hold() {
    peer = start_and_log_in();
    driver.hold(true);
  }
  Pdu send_read(uint64_t lun = 0) {
    const Pdu command = peer->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead, lun);
    EXPECT_TRUE(peer->send(command));
    return command;
  }
  // A write whose driver has given its buffers and whose R2T nobody answers.
  Pdu send_unanswered_write() {
    const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
    EXPECT_TRUE(peer->send(command));
    const auto r2t = peer->receive_for(command.task_tag());
    EXPECT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
    return command;
  }
  std::unique_ptr<Initiator> peer;
};

// ---- Task management ----

TEST_F(AbortProtocol, AbortTaskEndsACommandOfTheDriver) {
  log_in_and_hold();
  const Pdu command = send_read();
  ASSERT_TRUE(driver.wait_for("cdb"));
  EXPECT_EQ(peer->task_management(1, command.task_tag()), 0);
  EXPECT_TRUE(driver.wait_for("tmf 1"));
  EXPECT_TRUE(driver.wait_for("cleanup"));
  EXPECT_TRUE(peer->ping());
  EXPECT_FALSE(peer->receive_for(command.task_tag(), 100));  // An aborted task has no response.
  EXPECT_CLEAN(*peer);
}

TEST_F(AbortProtocol, AbortTaskOfAnUnknownTag) {
  log_in_and_hold();
  const auto response = peer->task_management(1, 0xdeadbeef);
  ASSERT_TRUE(response);
  EXPECT_EQ(*response, ISCSI_RESPONSE_TMF_INVALID_TASK);
  EXPECT_EQ(driver.count("tmf"), 0u);
}

// Where the network still refers to its data the command is kept; for the initiator it has ended.
TEST_F(AbortProtocol, AbortTaskOfACommandThatHasBeenAnswered) {
  host_set_notice_delay(1000);
  peer = start_and_log_in();
  const Pdu command = peer->make_command(read10_cdb(0, 400), 400 * kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->finish(command).good());
  const bool over_tcp = !MemoryTransport::chosen() && !OffloadRun::chosen();
  if (over_tcp) {
    EXPECT_EQ(driver.commands_alive(), 1u);
  }
  EXPECT_EQ(peer->task_management(1, command.task_tag()), ISCSI_RESPONSE_TMF_INVALID_TASK);
  EXPECT_EQ(driver.count("tmf"), 0u);
  EXPECT_EQ(driver.count("abort"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(AbortProtocol, AbortTaskEndsAWriteWhoseDataIsMissing) {
  peer = start_and_log_in();
  const Pdu command = send_unanswered_write();
  if (OffloadRun::chosen()) {
    // The adapter may write as long as the connection lives: docs/offload.md, "Placement".
    EXPECT_FALSE(peer->task_management(1, command.task_tag()));
    EXPECT_FALSE(peer->connected());
    EXPECT_TRUE(driver.wait_for("cleanup"));
    EXPECT_TRUE(driver.wait_for("session_removed"));
    return;
  }
  EXPECT_EQ(peer->task_management(1, command.task_tag()), 0);
  EXPECT_TRUE(driver.wait_for("abort tmf"));
  EXPECT_TRUE(driver.wait_for("cleanup"));
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(AbortProtocol, LunResetEndsTheCommandsOfItsLunAlone) {
  log_in_and_hold();
  send_read(0);
  send_read(0);
  const Pdu other = send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb", 3));
  EXPECT_EQ(peer->task_management(5, kReservedTag, 0), 0);
  EXPECT_EQ(driver.count("tmf 5 lun 0"), 1u);
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  EXPECT_EQ(driver.commands_alive(), 1u);
  driver.release_held();
  EXPECT_TRUE(peer->finish(other).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(AbortProtocol, AbortTaskSetAndClearTaskSet) {
  log_in_and_hold();
  for (const uint8_t function : {2, 4}) {
    send_read(1);
    ASSERT_TRUE(driver.wait_for("cdb", function / 2u));
    EXPECT_EQ(peer->task_management(function, kReservedTag, 1), 0);
  }
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
}

TEST_F(AbortProtocol, TargetWarmReset) {
  log_in_and_hold();
  send_read(0);
  send_read(2);
  ASSERT_TRUE(driver.wait_for("cdb", 2));
  EXPECT_EQ(peer->task_management(6), 0);
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
}

TEST_F(AbortProtocol, TaskReassignIsNotSupported) {
  log_in_and_hold();
  const auto response = peer->task_management(8, 0x1234);
  ASSERT_TRUE(response);
  EXPECT_NE(*response, 0);
  EXPECT_EQ(driver.count("tmf"), 0u);
}

TEST_F(AbortProtocol, UnknownFunctionIsRefused) {
  log_in_and_hold();
  Pdu request = peer->make_task_management(0x55, kReservedTag);
  ASSERT_TRUE(peer->send(request));
  const auto answer = peer->receive();
  ASSERT_TRUE(answer);
  if (answer->opcode() == Opcode::kTaskManagementResponse) {
    EXPECT_NE(answer->as<TaskManagementResponse>().response, 0);
  } else {
    EXPECT_EQ(answer->opcode(), Opcode::kReject);
  }
}

TEST_F(AbortProtocol, AbortTaskOfACommandThatHasNotComeYet) {
  log_in_and_hold();
  const Pdu missing = peer->make_command(test_unit_ready_cdb(), 0, 0);
  Pdu request = peer->make_task_management(1, missing.task_tag());
  request.as<TaskManagementRequest>().ref_cmd_sn = missing.as<ScsiCommand>().cmd_sn.get();
  request.as<TaskManagementRequest>().cmd_sn = peer->cmd_sn;
  ASSERT_TRUE(peer->send(request));
  const auto answer = peer->receive_for(request.task_tag());
  ASSERT_TRUE(answer && answer->opcode() == Opcode::kTaskManagementResponse);
  // RFC 7143 s11.6.1: it counts as received and complete; the gap is closed.
  EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
  EXPECT_EQ(peer->exp_cmd_sn, peer->cmd_sn);
}

// ---- Sessions that end while commands are under way ----

TEST_F(AbortProtocol, DeadConnectionAbortsItsCommands) {
  log_in_and_hold();
  send_read();
  send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb", 2));
  peer->disconnect_with_reset();
  EXPECT_TRUE(driver.wait_for("abort session", 2));
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(AbortProtocol, DeadConnectionAbortsAWriteWhoseDataIsMissing) {
  peer = start_and_log_in();
  send_unanswered_write();
  peer->disconnect();
  EXPECT_TRUE(driver.wait_for("abort session"));
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(AbortProtocol, ReinstatementAbortsTheCommandsOfTheOldSession) {
  log_in_and_hold();
  send_read();
  ASSERT_TRUE(driver.wait_for("cdb"));
  auto second = log_in();
  EXPECT_EQ(driver.count("abort session"), 1u);
  EXPECT_TRUE(peer->closed_by_target());
  driver.release_held();
  EXPECT_TRUE(second->no_data(test_unit_ready_cdb()).good());
}

TEST_F(AbortProtocol, DriverMayAbortACommand) {
  std::atomic<chiscsi_scsi_command*> held{nullptr};
  driver.on_command = [&](chiscsi_scsi_command* command) {
    driver.hold(true);
    held = command;
    return driver.run_command(command);
  };
  peer = start_and_log_in();
  const Pdu command = send_read();
  ASSERT_TRUE(driver.wait_for("cdb"));
  while (held == nullptr) {
  }
  EXPECT_GE(driver.abort_command(held), 0);
  const Outcome outcome = peer->finish(command);
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.sense_key(), 0xb);
  EXPECT_TRUE(driver.wait_for("abort_status"));
  EXPECT_TRUE(driver.wait_for("cleanup"));
}

// ---- Calls of the driver that cross an abort ----

// The driver lends a list at the n-th lock that the target takes once its command is being ended,
// for each n until that comes too late. It hears of the abort once, and of the list by that alone.
// On a busy machine the list may come before the end does: then it is sent, and n is tried again.
class CrossingLoan : public AbortProtocol {
 protected:
  static constexpr size_t kMostRounds = 1000;

  void cross(const char* how, const std::function<void(size_t round)>& body) {
    driver.phase_bytes = 4 * kBlock;
    driver.hold(true);
    driver.on_command = [this](chiscsi_scsi_command* command) {
      const int rc = driver.run_command(command);
      held = true;
      return rc;
    };
    start();
    size_t sent = 0;
    for (size_t round = 1; came_in_time && round < kMostRounds; ++round) {
      came_in_time = false;
      held = false;
      body(round);
      ASSERT_TRUE(driver.wait_for("cleanup", round));
      host_at_spinlock(0, nullptr);
      EXPECT_EQ(driver.count(how), round) << "lent at lock " << at_lock;
      EXPECT_EQ(driver.count("cleanup"), round);
      if (HasFailure()) return;
      if (std::exchange(sent, driver.count("xfer")) == sent) ++at_lock;
    }
    EXPECT_FALSE(came_in_time);
    EXPECT_GT(at_lock, 2u);
  }
  void intrude(size_t round) {
    ASSERT_TRUE(driver.wait_for("cdb", round));
    while (!held) {  // It is about to be.
    }
    host_at_spinlock(at_lock, [this] { came_in_time = driver.step_held(); });
  }

  std::atomic<bool> held{false};
  std::atomic<bool> came_in_time{true};
  size_t at_lock = 1;
};

TEST_F(CrossingLoan, OfAWriteWhoseConnectionIsLost) {
  cross("abort session", [this](size_t round) {
    peer = log_in();
    const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
    ASSERT_TRUE(peer->send(command));
    intrude(round);
    peer->disconnect_with_reset();
  });
}

TEST_F(CrossingLoan, OfAReadWhoseConnectionIsLost) {
  cross("abort session", [this](size_t round) {
    peer = log_in();
    send_read();
    intrude(round);
    peer->disconnect_with_reset();
  });
}

TEST_F(CrossingLoan, OfAReadThatTheInitiatorAborts) {
  driver.tmf_error = -EOPNOTSUPP;
  cross("abort tmf", [this](size_t round) {
    if (round == 1) peer = log_in();
    const Pdu command = send_read();
    intrude(round);
    EXPECT_EQ(peer->task_management(1, command.task_tag()), 0);
  });
}

// ---- Drivers that never answer: everything still ends ----

class StuckDriver : public AbortProtocol {
 protected:
  // Two commands the driver has taken and will not answer.
  void log_in_and_stick() {
    peer = start_and_log_in();
    driver.stick();
    send_read();
    send_read(1);
    ASSERT_TRUE(driver.wait_for("cdb", 2));
    started_ = now_ms();
  }
  void expect_bounded() { EXPECT_LT(now_ms() - started_, kBoundedMs); }
  uint64_t started_ = 0;
};

TEST_F(StuckDriver, LogoutEnds) {
  log_in_and_stick();
  EXPECT_TRUE(peer->logout());
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
  expect_bounded();
  EXPECT_EQ(driver.commands_alive(), 2u);  // Orphans, kept until the driver answers.
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
}

TEST_F(StuckDriver, DeadConnectionEndsTheSession) {
  log_in_and_stick();
  peer->disconnect_with_reset();
  EXPECT_TRUE(driver.wait_for("session_removed"));
  expect_bounded();
}

TEST_F(StuckDriver, ReinstatementEnds) {
  log_in_and_stick();
  auto second = log_in();
  expect_bounded();
  EXPECT_TRUE(second->ping());
}

TEST_F(StuckDriver, TaskManagementEnds) {
  log_in_and_stick();
  EXPECT_TRUE(peer->task_management(5, kReservedTag, 0));
  expect_bounded();
  EXPECT_TRUE(peer->ping());
}

TEST_F(StuckDriver, AbortTaskEnds) {
  peer = start_and_log_in();
  driver.stick();
  const Pdu command = send_read();
  ASSERT_TRUE(driver.wait_for("cdb"));
  started_ = now_ms();
  EXPECT_TRUE(peer->task_management(1, command.task_tag()));
  expect_bounded();
  EXPECT_TRUE(peer->ping());
}

TEST_F(StuckDriver, RemovalOfTheTargetEnds) {
  log_in_and_stick();
  remove_target();
  expect_bounded();
  EXPECT_EQ(driver.count("session_removed"), 1u);
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
}

TEST_F(StuckDriver, OtherSessionsGoOn) {
  log_in_and_stick();
  peer->disconnect_with_reset();
  LoginOptions login;
  login.isid[5] = 7;
  auto other = log_in(login);
  EXPECT_TRUE(other->ping());
}

// A real driver's limit is 30 seconds: the clock runs ahead instead.
TEST_F(StuckDriver, TheLimitIsTheConfiguredOne) {
  options.abort_timeout_s = 600;
  log_in_and_stick();
  peer->disconnect_with_reset();
  ASSERT_TRUE(driver.wait_for("abort session", 2));
  EXPECT_EQ(driver.count("session_removed"), 0u);
  host_advance_clock(601 * 1000);
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

}  // namespace
}  // namespace chiscsi::test
