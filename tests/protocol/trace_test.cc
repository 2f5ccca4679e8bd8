// SPDX-License-Identifier: GPL-2.0-only
//
// Trace points: what an administrator sees of a command, a session and a login, and in which order
// (docs/tracing.md). The engine calls them through the POSIX port, which keeps them in a ring.
#include <gtest/gtest.h>

#include <algorithm>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;
using Names = std::vector<std::string>;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class TraceProtocol : public ProtocolTest {
 protected:
  // Everything about commands that went before has been said when this returns.
  void settle() { ASSERT_TRUE(peer->ping()); }
  // The steps of a command; its changes of state are looked at on their own.
  Names steps_of(const Pdu& command) const {
    Names names = trace.names_for(command.task_tag());
    std::erase(names, "cmd_state");
    return names;
  }
  // The texts of all events with this name.
  Names texts_of(const std::string& name) const {
    Names texts;
    for (const auto& event : trace.events()) {
      if (event.name == name) texts.push_back(event.text);
    }
    return texts;
  }
  std::string text_of(const std::string& name, const Pdu& command) const {
    for (const auto& event : trace.events()) {
      if (event.name == name && event.itt == command.task_tag()) return event.text;
    }
    return "no such event";
  }
  // A write whose driver has lent its buffers and whose R2T nobody answers.
  Pdu send_unanswered_write() {
    const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
    EXPECT_TRUE(peer->send(command));
    const auto r2t = peer->receive_for(command.task_tag());
    EXPECT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
    return command;
  }

  HostTrace trace;
  std::unique_ptr<Initiator> peer;
};

TEST_F(TraceProtocol, StepsOfARead) {
  peer = start_and_log_in();
  const Pdu command = peer->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead, 2);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->finish(command).good());
  ASSERT_TRUE(driver.wait_for("cleanup"));
  const Names expected = {"cmd_received", "cmd_delivered",     "cmd_lent",   "cmd_ended",
                          "cmd_response", "cmd_data_complete", "cmd_cleanup"};
  EXPECT_EQ(steps_of(command), expected);
  EXPECT_EQ(text_of("cmd_received", command), "cmd_sn=100 lun=2 opcode=0x28 length=4096");
  EXPECT_EQ(text_of("cmd_lent", command), "offset=0 length=4096");
  EXPECT_EQ(text_of("cmd_response", command), "status=0x00 residual=0");
}

TEST_F(TraceProtocol, StepsOfASolicitedWrite) {
  peer = start_and_log_in();
  const ByteVector data = pattern(8 * kBlock);
  const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->finish(command, &data).good());
  ASSERT_TRUE(driver.wait_for("cleanup"));
  const Names expected = {"cmd_received",      "cmd_delivered", "cmd_lent",     "cmd_r2t",
                          "cmd_data_complete", "cmd_ended",     "cmd_response", "cmd_cleanup"};
  EXPECT_EQ(steps_of(command), expected);
  EXPECT_EQ(text_of("cmd_r2t", command), "offset=0 length=4096");
}

TEST_F(TraceProtocol, EveryListOfAPhasedRead) {
  driver.phase_bytes = 2048;
  peer = start_and_log_in();
  const Pdu command = peer->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->finish(command).good());
  ASSERT_TRUE(driver.wait_for("cleanup"));
  const Names names = steps_of(command);
  EXPECT_EQ(std::count(names.begin(), names.end(), "cmd_lent"), 2);
  EXPECT_EQ(std::count(names.begin(), names.end(), "cmd_data_complete"), 2);
}

TEST_F(TraceProtocol, StatesOfACommand) {
  peer = start_and_log_in();
  const Pdu command = peer->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->finish(command).good());
  ASSERT_TRUE(driver.wait_for("cleanup"));
  settle();
  Names states;
  for (const auto& event : trace.events()) {
    if (event.name == "cmd_state" && event.itt == command.task_tag()) states.push_back(event.text);
  }
  const Names expected = {"free -> receiving", "receiving -> ready", "ready -> at_driver",
                          "at_driver -> responding", "responding -> free"};
  EXPECT_EQ(states, expected);
}

TEST_F(TraceProtocol, FailedCommandShowsItsStatus) {
  peer = start_and_log_in();
  const Pdu command = peer->make_command({0xee}, 0, 0);
  ASSERT_TRUE(peer->send(command));
  EXPECT_EQ(peer->finish(command).status, 2);
  EXPECT_EQ(text_of("cmd_ended", command), "status=0x02 residual=0");
  EXPECT_EQ(text_of("cmd_response", command), "status=0x02 residual=0");
}

TEST_F(TraceProtocol, AbortIsAskedAndAnswered) {
  peer = start_and_log_in();
  const Pdu command = send_unanswered_write();
  EXPECT_EQ(peer->task_management(1, command.task_tag()), 0);
  ASSERT_TRUE(driver.wait_for("cleanup"));
  const Names expected = {"cmd_received", "cmd_delivered",      "cmd_lent",   "cmd_r2t",
                          "cmd_abort",    "cmd_abort_answered", "cmd_cleanup"};
  EXPECT_EQ(steps_of(command), expected);
}

TEST_F(TraceProtocol, OrphanShowsUntilTheDriverAnswers) {
  peer = start_and_log_in();
  driver.stick();
  const Pdu command = peer->make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(driver.wait_for("cdb"));
  peer->disconnect();
  ASSERT_TRUE(driver.wait_for("session_removed"));
  const Names before = {"cmd_received", "cmd_delivered", "cmd_abort", "cmd_orphaned"};
  EXPECT_EQ(steps_of(command), before);
  driver.unstick();
  ASSERT_TRUE(driver.wait_for("cleanup"));
  Names after = before;
  after.insert(after.end(), {"cmd_abort_answered", "cmd_cleanup"});
  EXPECT_EQ(steps_of(command), after);
}

TEST_F(TraceProtocol, SessionsComeAndGo) {
  peer = start_and_log_in();
  EXPECT_TRUE(peer->logout());
  remove_target();  // Returns when the session is gone.
  const Names added = texts_of("session_added"), removed = texts_of("session_removed");
  ASSERT_EQ(added.size(), 1u);
  EXPECT_EQ(added[0].substr(0, 5), "tsih=");
  EXPECT_NE(added[0].find(std::string("target=") + kTargetName), std::string::npos);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0], "initiator=iqn.2026-11.org.example:initiator why=logout");
  EXPECT_EQ(texts_of("login_accepted").size(), 1u);
  EXPECT_EQ(texts_of("login_refused").size(), 0u);
}

TEST_F(TraceProtocol, RefusedLoginShowsItsStatus) {
  start();
  Initiator stranger(port);
  LoginOptions login;
  login.target_name = "iqn.2026-11.org.example:other";
  EXPECT_EQ(stranger.login(login).status, 0x0203);
  const Names refused = texts_of("login_refused");
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_NE(refused[0].find("peer=" + portal_ip() + ":"), std::string::npos);
  EXPECT_NE(refused[0].find("status=0x0203"), std::string::npos);
  EXPECT_TRUE(texts_of("session_added").empty());
}

TEST_F(TraceProtocol, EveryPdu) {
  peer = start_and_log_in();
  const ByteVector data = pattern(8 * kBlock);
  const Pdu command = peer->make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->finish(command, &data).good());
  Names pdus;
  for (const auto& event : trace.events()) {
    if (event.itt == command.task_tag() && event.name.substr(0, 3) == "pdu") {
      pdus.push_back(event.name + " " + event.text);
    }
  }
  const Names expected = {"pdu_received opcode=0x01 data=0", "pdu_sent opcode=0x31 data=0",
                          "pdu_received opcode=0x05 data=4096", "pdu_sent opcode=0x21 data=0"};
  EXPECT_EQ(pdus, expected);
}

}  // namespace
}  // namespace chiscsi::test
