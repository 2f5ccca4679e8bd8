// SPDX-License-Identifier: GPL-2.0-only
//
// How the connections of a session at error recovery level 0 end, one by one or together: their
// loss, their replacement, logout (RFC 7143 sections 6.3.4 to 6.3.6, 7.6, 11.9 and 11.14).
#include "multi_connection.hh"

#include <thread>

#include "information.hh"
#include "memory_transport.hh"

namespace chiscsi::test {
namespace {

// ---- The loss of one connection ----

class ConnectionLoss : public MultiConnection, public testing::WithParamInterface<int> {
 protected:
  void prepare(int which) {
    uint32_t tag;
    switch (which) {
      case 0:  // Its command PDU is arriving.
        send_half_a_command();
        lost_numbers = 1;
        told = false;
        break;
      case 1:  // Its command waits for one that has not come.
        use(0).next_cmd_sn();
        send_command(1, test_unit_ready_cdb());
        ASSERT_TRUE(peers[1]->ping());
        lost_numbers = 2;
        told = false;
        break;
      case 2:  // Its command is with the driver.
        driver.hold(true);
        send_read(1);
        ASSERT_TRUE(driver.wait_for("cdb"));
        break;
      case 3:  // Its command waits for solicited data.
        send_write(1, &tag);
        break;
      case 4:  // Its command waits for unsolicited data.
        send_open_write();
        ASSERT_TRUE(driver.wait_for("cdb"));
        break;
      case 5:  // Half of a Data-Out has come.
        send_half_a_data_out();
        break;
      default:  // Its data is on the way, more than fits in between, and the network refers to it.
        host_set_notice_delay(30);
        send_command(1, read10_cdb(0, 1200), 1200 * kBlock, kCommandRead);
        ASSERT_TRUE(driver.wait_for("cdb"));
    }
  }
  void send_half_a_command() {
    Pdu command = use(1).make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
    command.data = pattern(8 * kBlock);
    ByteVector wire = peers[1]->to_wire(command);
    wire.resize(wire.size() / 2);
    ASSERT_TRUE(peers[1]->send_bytes(wire));
  }
  void send_open_write() {
    Pdu command = use(1).make_command(write10_cdb(0, 8), 8 * kBlock, kCommandWrite);
    command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    ASSERT_TRUE(peers[1]->send(command));
  }
  void send_half_a_data_out() {
    uint32_t tag = 0;
    const Pdu command = send_write(1, &tag);
    ByteVector wire =
        peers[1]->to_wire(peers[1]->make_data_out(command, tag, 0, 0, pattern(kBlock), true));
    wire.resize(wire.size() / 2);
    ASSERT_TRUE(peers[1]->send_bytes(wire));
  }
  uint32_t lost_numbers = 0;  // CmdSNs that the target has not executed and does not hold.
  bool told = true;           // A task was ended: the initiator hears of it.
};

TEST_P(ConnectionLoss, EndsItsCommandsAlone) {
  start_session(3);
  join(1);
  prepare(GetParam());
  peers[1]->disconnect_with_reset();
  // A login of the same CID waits for all that.
  join(1);
  EXPECT_TRUE(driver.wait_for("cleanup", driver.count("cdb")));
  driver.release_held();
  use(0).cmd_sn -= lost_numbers;
  if (told) expect_loss_of_commands(2);
  for (const size_t index : {0, 2, 0, 2})
    EXPECT_TRUE(works(index)) << index;
  EXPECT_EQ(driver.count("session_removed"), 0u);
  EXPECT_TRUE(driver.wait_for("cleanup", driver.count("cdb")));
  EXPECT_CLEAN(*peers[0]);
  EXPECT_CLEAN(*peers[2]);
}

INSTANTIATE_TEST_SUITE_P(States, ConnectionLoss, testing::Range(0, 7));

TEST_F(MultiConnection, TheLastConnectionTakesTheSessionWithIt) {
  start_pair();
  driver.hold(true);
  const Pdu other = send_read(0);
  send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb", 2));
  peers[1]->disconnect_with_reset();
  ASSERT_TRUE(driver.wait_for("abort session"));
  EXPECT_EQ(driver.count("abort session"), 1u);
  driver.release_held();
  EXPECT_TRUE(peers[0]->finish(other).good());
  // It hears of it once, by the next command for the unit that lost one.
  EXPECT_TRUE(use(0).no_data(test_unit_ready_cdb(), 1).good());
  expect_loss_of_commands(0);
  EXPECT_TRUE(works(0));
  EXPECT_EQ(driver.count("session_removed"), 0u);
  peers[0]->disconnect();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(MultiConnection, TheLossOfOneIsToldOnAnother) {
  start_pair();
  // A login in full feature phase ends its connection alone.
  ASSERT_TRUE(peers[1]->send(use(1).make(Opcode::kLoginRequest, true)));
  EXPECT_TRUE(peers[1]->closed_by_target());
  const auto message = peers[0]->receive_opcode(Opcode::kAsyncMessage);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, 2);
  EXPECT_EQ(message->as<AsyncMessage>().parameter1.get(), 1);
  EXPECT_TRUE(works(0));
}

TEST_F(MultiConnection, AbortTaskSetWaitsForTheCommandsOfALostConnection) {
  options.abort_timeout_s = 30;
  start_pair();
  driver.stick();
  driver.tmf_error = -EOPNOTSUPP;
  send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb"));
  peers[1]->disconnect_with_reset();
  ASSERT_TRUE(driver.wait_for("abort session"));
  const Pdu request = use(0).make_task_management(kAbortTaskSet, kReservedTag);
  ASSERT_TRUE(peers[0]->send(request));
  EXPECT_FALSE(peers[0]->receive_for(request.task_tag(), 100)) << "the driver can still read";
  driver.unstick();
  const auto answer = peers[0]->receive_for(request.task_tag());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
  EXPECT_EQ(driver.count("cleanup"), 1u) << "over before the answer";
}

TEST_F(MultiConnection, EachConnectionIsPingedByItself) {
  set_key("PortalGroup", "1@" + portal_address() + ",timeout=2");
  start_pair();
  const uint64_t started = now_ms();
  const auto ping = peers[1]->receive_opcode(Opcode::kNopIn);
  ASSERT_TRUE(ping);
  // Nobody answers on this connection; on the other one somebody lives.
  while (peers[1]->connected() && now_ms() - started < 30000) {
    ASSERT_TRUE(peers[0]->ping());
    peers[1]->is_silent(100);
  }
  EXPECT_FALSE(peers[1]->connected());
  EXPECT_TRUE(works(0));
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

// ---- A reload of the portal groups ----

class PortalReload : public MultiConnection {
 protected:
  // The connections of a session are on one worker: what comes after the reload is behind it.
  void reload(const std::string& group) {
    set_key("PortalGroup", group);
    ASSERT_EQ(driver.reconfigure_target(kTargetName, target_keys()), 0);
  }
  std::string group(int timeout) const {
    return "1@" + portal_address() + ",timeout=" + std::to_string(timeout);
  }
  void start_with(int timeout) {
    set_key("PortalGroup", group(timeout));
    start_pair();
    ASSERT_TRUE(works(0) && works(1));
  }
  // A driver that keeps a login waiting until the reload is over.
  std::thread log_in_during_reload() {
    driver.answer_login = false;
    start();
    std::thread login([this] { EXPECT_TRUE(new_peer().login().in_full_feature); });
    EXPECT_TRUE(driver.wait_for("first_login"));
    return login;
  }
  void expect_event(size_t index, uint8_t event) {
    const auto pdu = peers[index]->receive_opcode(Opcode::kAsyncMessage);
    ASSERT_TRUE(pdu);
    EXPECT_EQ(pdu->as<AsyncMessage>().async_event, event);
  }
};

TEST_F(PortalReload, SilenceEndsASessionThatHadNoLimit) {
  start_with(0);
  reload(group(20));
  ASSERT_TRUE(works(0));
  host_advance_clock(11'000);
  for (const auto& peer : peers)
    EXPECT_TRUE(peer->receive_opcode(Opcode::kNopIn));
  host_advance_clock(21'000);
  for (const auto& peer : peers)
    EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(PortalReload, SilenceFromBeforeTheLimitDoesNotCount) {
  start_with(0);
  host_advance_clock(100'000);
  reload(group(20));
  ASSERT_TRUE(works(1));
  host_advance_clock(11'000);
  ASSERT_TRUE(peers[0]->receive_opcode(Opcode::kNopIn));
  EXPECT_TRUE(works(0));
}

TEST_F(PortalReload, SilenceIsNothingWithoutALimit) {
  start_with(20);
  reload(group(0));
  ASSERT_TRUE(works(0));
  host_advance_clock(60'000);
  for (const auto& peer : peers)
    EXPECT_TRUE(peer->is_silent());
  EXPECT_TRUE(works(0) && works(1));
}

// A limit that stays goes on: reloads in a row do not put its end off.
TEST_F(PortalReload, TheSameLimitGoesOn) {
  constexpr unsigned kPatienceMs = 20'000;  // Far less than until the ping of a limit begun anew.
  start_with(200);
  host_advance_clock(90'000);
  reload(group(200));
  ASSERT_TRUE(works(1));
  host_advance_clock(20'000);
  EXPECT_TRUE(peers[0]->receive_opcode(Opcode::kNopIn, kPatienceMs));
}

TEST_F(PortalReload, ALoginUnderWayGetsTheNewLimit) {
  std::thread login = log_in_during_reload();
  reload(group(20));
  driver.answer_logins();
  login.join();
  ASSERT_TRUE(works(0));
  host_advance_clock(11'000);
  EXPECT_TRUE(peers[0]->receive_opcode(Opcode::kNopIn));
}

TEST_F(PortalReload, ALoginUnderWayByAGroupThatGoesIsAskedToLogOut) {
  std::thread login = log_in_during_reload();
  reload("2@" + portal_address());
  driver.answer_logins();
  login.join();
  expect_event(0, 1);
  EXPECT_EQ(logout(0, kCloseSession), 0);
}

// Who came by an address that has left the group loses that connection and no other.
TEST_F(PortalReload, AnAddressThatGoesTakesItsConnections) {
  const uint16_t second = free_port();
  set_key("PortalGroup", "1@" + portal_address() + "," + portal_address(second));
  start_session(2);
  ASSERT_TRUE(new_peer(second).login(joining(1)).in_full_feature);
  reload("1@" + portal_address());
  expect_event(1, 1);
  EXPECT_TRUE(works(1));  // Until then it works.
  EXPECT_TRUE(peers[0]->is_silent());
  host_advance_clock(11'000);
  expect_event(1, 2);
  EXPECT_TRUE(peers[1]->closed_by_target());
  expect_event(0, 2);
  EXPECT_TRUE(works(0));
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

// ---- Reinstatement ----

TEST_F(MultiConnection, SameCidReplacesTheConnection) {
  start_pair();
  driver.hold(true);
  const Pdu other = send_read(0);
  const Pdu old = send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb", 2));
  join(1);
  EXPECT_EQ(driver.count("abort session"), 1u);
  EXPECT_EQ(driver.count("cleanup"), 1u);
  EXPECT_TRUE(peers[1]->closed_by_target());
  driver.release_held();
  expect_loss_of_commands(2);
  // The tag of the command that ended is free.
  Pdu again = use(2).make_command(test_unit_ready_cdb(), 0, 0);
  again.bhs.initiator_task_tag = old.task_tag();
  ASSERT_TRUE(peers[2]->send(again));
  EXPECT_TRUE(peers[2]->finish(again).good());
  EXPECT_TRUE(peers[0]->finish(other).good());
  EXPECT_EQ(driver.count("session_added"), 1u);
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

TEST_F(MultiConnection, TheOnlyConnectionMayBeReplaced) {
  start_session(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(works(peers.size() - 1));
    join(0);
  }
  EXPECT_TRUE(works(3));
  EXPECT_EQ(driver.count("session_added"), 1u);
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

TEST_F(MultiConnection, ReplacingIsBoundedWhenTheDriverIsStuck) {
  start_session(1);
  driver.stick();
  const Pdu old = send_read(0);
  ASSERT_TRUE(driver.wait_for("cdb"));
  const uint64_t started = now_ms();
  join(0);
  EXPECT_LT(now_ms() - started, 30000u);
  EXPECT_EQ(driver.commands_alive(), 1u);  // An orphan.
  EXPECT_TRUE(use(1).ping());
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("cleanup"));
  expect_loss_of_commands(1);
  EXPECT_TRUE(works(1));
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

// Orphans keep their memory: a session that has none left for a command waits for the driver.
TEST_F(MultiConnection, OrphansOfManyConnectionsHoldUpNewCommandsOnly) {
  // One command of the window, the immediate ones and those of copies, in chunks.
  constexpr size_t kPool = 48;
  driver.max_cmd = 1;
  start_session(1);
  driver.stick();
  for (size_t i = 1; i <= kPool; ++i) {
    if (i > 1) expect_loss_of_commands(i - 1);
    send_read(i - 1);
    ASSERT_TRUE(driver.wait_for("cdb", i));
    std::thread clock([&] {
      ASSERT_TRUE(driver.wait_for("abort session", i));
      host_advance_clock(2000);
    });
    join(0);
    clock.join();
  }
  const Pdu command = send_command(kPool, inquiry_cdb(96), 96, kCommandRead);
  // But for a NOP-In: the window has opened without any response to say so.
  EXPECT_FALSE(peers[kPool]->receive_for(command.task_tag(), 100));
  EXPECT_EQ(driver.count("cdb"), kPool);
  driver.unstick();
  EXPECT_TRUE(peers[kPool]->finish(command).good());
  EXPECT_TRUE(driver.wait_for("cleanup", kPool + 1));
}

TEST_F(MultiConnection, LoginThatGivesUpWhileItWaitsEndsTheDesertedSession) {
  options.abort_timeout_s = 600;
  start_session(1);
  driver.stick();
  send_read(0);
  ASSERT_TRUE(driver.wait_for("cdb"));
  auto impatient = std::make_unique<Initiator>(port);
  std::thread login([&] { EXPECT_FALSE(impatient->login(joining(0)).answered); });
  EXPECT_TRUE(peers[0]->closed_by_target());
  ASSERT_TRUE(driver.wait_for("abort session"));
  EXPECT_EQ(driver.count("session_removed"), 0u);
  // The login is dropped at its limit; then the session has nobody left but its command.
  host_advance_clock(31 * 1000);
  login.join();
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(MultiConnection, NewSessionOfThePortReplacesAllConnections) {
  start_pair();
  lead(2);
  EXPECT_TRUE(peers[0]->closed_by_target());
  EXPECT_TRUE(peers[1]->closed_by_target());
  join(1);
  EXPECT_TRUE(works(2));
  EXPECT_TRUE(works(3));
  EXPECT_EQ(driver.count("session_removed"), 1u);
}

// ---- Logout ----

TEST_F(MultiConnection, OneConnectionMayLogOut) {
  start_pair();
  driver.hold(true);
  const Pdu other = send_read(0);
  send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb", 2));
  EXPECT_EQ(logout(1, kCloseConnection, 1), 0);
  EXPECT_TRUE(peers[1]->closed_by_target());
  EXPECT_TRUE(driver.wait_for("abort session"));
  driver.release_held();
  EXPECT_TRUE(peers[0]->finish(other).good());
  EXPECT_EQ(logout(0, kCloseConnection, 0), 0);
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(MultiConnection, OneConnectionMayLogOutAnother) {
  start_pair();
  driver.hold(true);
  const Pdu old = send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb"));
  EXPECT_EQ(logout(0, kCloseConnection, 1), 0);
  EXPECT_TRUE(peers[1]->closed_by_target());
  EXPECT_TRUE(driver.wait_for("cleanup"));
  driver.release_held();
  // It is not there any more, a moment after its last command.
  EXPECT_TRUE(eventually([&] { return logout(0, kCloseConnection, 1) == 1; }));
  EXPECT_EQ(logout(0, kCloseConnection, 7), 1);
  expect_loss_of_commands(0);
  EXPECT_TRUE(works(0));
  EXPECT_CLEAN(*peers[0]);
}

TEST_F(MultiConnection, LogoutForRecoveryIsNotSupported) {
  start_pair();
  EXPECT_EQ(logout(0, kRemoveForRecovery, 1), 2);
  EXPECT_EQ(logout(1, kRemoveForRecovery, 1), 2);
  EXPECT_TRUE(works(0));
  EXPECT_TRUE(works(1));
}

TEST_F(MultiConnection, RemovingTheTargetIsToldOnceAndEndsAll) {
  start_pair();
  ASSERT_TRUE(works(1));
  remove_target();
  size_t told = 0;
  for (const auto& peer : peers) {
    const auto message = peer->receive(5000);
    if (!message) continue;
    ++told;
    EXPECT_EQ(message->opcode(), Opcode::kAsyncMessage);
    EXPECT_EQ(message->as<AsyncMessage>().async_event, 3);
    EXPECT_TRUE(peer->closed_by_target());
  }
  EXPECT_EQ(told, 1u);
  EXPECT_EQ(driver.count("session_removed"), 1u);
}

}  // namespace
}  // namespace chiscsi::test
