// SPDX-License-Identifier: GPL-2.0-only
//
// Sessions of several connections at error recovery level 0: how connections join, what order and
// allegiance mean across them, and how they end, one by one or together (RFC 7143 sections 4.2.2,
// 6.3.4 to 6.3.6, 11.9, 11.12 and 11.14).
#include "multi_connection.hh"

#include <mutex>
#include <thread>

#include "memory_transport.hh"

namespace chiscsi::test {
namespace {

// ---- Joining ----

TEST_F(MultiConnection, TwoConnectionsMakeOneSession) {
  start_pair();
  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE(works(i % 2));
  EXPECT_EQ(driver.count("session_added"), 1u);
  EXPECT_EQ(driver.count("first_login"), 1u);
  expect_clean();
}

TEST_F(MultiConnection, ThirtyTwoConnectionsAndNoMore) {
  start_session(32);
  for (uint16_t cid = 1; cid < 32; ++cid)
    join(cid);
  EXPECT_STATUS(try_join(32), LoginStatus::kTooManyConnections);
  std::vector<std::pair<size_t, Pdu>> commands;
  for (size_t i = 0; i < 96; ++i)
    commands.emplace_back(i % 32, send_read(i % 32));
  for (const auto& [index, command] : commands)
    EXPECT_TRUE(peers[index]->finish(command).good());
  expect_clean();
  EXPECT_EQ(logout(31, kCloseSession), 0);
  for (size_t i = 0; i < 32; ++i)
    EXPECT_TRUE(peers[i]->closed_by_target()) << i;
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(MultiConnection, NotMoreConnectionsThanAgreed) {
  start_pair();
  EXPECT_STATUS(try_join(2), LoginStatus::kTooManyConnections);
  EXPECT_TRUE(peers.back()->closed_by_target());
  EXPECT_EQ(logout(1, kCloseConnection, 1), 0);
  EXPECT_TRUE(peers[1]->closed_by_target());
  join(2);
  EXPECT_TRUE(works(0));
  EXPECT_TRUE(works(3));
}

TEST_F(MultiConnection, OneConnectionUnlessMoreWasAgreed) {
  set_key("MaxConnections", "8");
  start();
  const LoginResult result = new_peer().login();
  ASSERT_TRUE(result.in_full_feature);
  tsih = result.tsih;
  EXPECT_STATUS(try_join(1), LoginStatus::kTooManyConnections);
  EXPECT_TRUE(works(0));
}

TEST_F(MultiConnection, OnlyTheInitiatorPortOfTheSessionMayJoin) {
  start_pair();
  LoginOptions login = joining(2);
  ++login.tsih;
  EXPECT_STATUS(try_join(login), LoginStatus::kSessionDoesNotExist);
  login = joining(2);
  login.isid[5] = 9;
  EXPECT_STATUS(try_join(login), LoginStatus::kSessionDoesNotExist);
  login = joining(2);
  login.initiator_name += "2";
  EXPECT_STATUS(try_join(login), LoginStatus::kSessionDoesNotExist);
  EXPECT_TRUE(works(0));
  EXPECT_TRUE(works(1));
}

TEST_F(MultiConnection, OnlyThroughTheSamePortalGroup) {
  const uint16_t other = free_port();
  keys.emplace_back("PortalGroup", "2@" + portal_address(other));
  start_session(2);
  EXPECT_STATUS(new_peer(other).login(joining(1)), LoginStatus::kSessionDoesNotExist);
  join(1);
}

TEST_F(MultiConnection, DiscoverySessionsHaveOneConnection) {
  set_key("MaxConnections", "4");
  start();
  LoginOptions login;
  login.session_type = "Discovery";  // With the name of a target.
  const LoginResult result = new_peer().login(login);
  ASSERT_TRUE(result.in_full_feature);
  tsih = result.tsih;
  EXPECT_STATUS(try_join(1), LoginStatus::kCannotIncludeInSession);
  login.tsih = tsih;
  login.cid = 1;
  EXPECT_STATUS(try_join(login), LoginStatus::kCannotIncludeInSession);
  EXPECT_FALSE(use(0).send_targets().empty());
}

TEST_F(MultiConnection, KeysOfTheSessionAreTheLeadingConnectionsAlone) {
  start_session(2, {{"MaxBurstLength", "16384"}});
  LoginOptions login = joining(1);
  login.keys = {{"MaxBurstLength", "8192"},
                {"MaxConnections", "4"},
                {"HeaderDigest", "CRC32C"},
                {"MaxRecvDataSegmentLength", "4096"}};
  const LoginResult result = try_join(login);
  ASSERT_TRUE(result.in_full_feature);
  EXPECT_EQ(result.key("MaxBurstLength"), "Reject");
  EXPECT_EQ(result.key("MaxConnections"), "Reject");
  EXPECT_EQ(result.key("HeaderDigest"), "CRC32C");
  driver.set_content(0, 0, pattern(64 * kBlock));
  for (const size_t index : {1, 0}) {
    const Outcome outcome = use(index).read(read10_cdb(0, 64), 64 * kBlock);
    ASSERT_TRUE(outcome.good());
    EXPECT_EQ(outcome.data, pattern(64 * kBlock));
    EXPECT_EQ(outcome.data_in_pdus, index == 1 ? 8u : 4u);
  }
  expect_clean();
}

TEST_F(MultiConnection, LoginResponsesShowTheWindowOfTheSession) {
  start_session(2);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(works(0));
  const uint32_t told = peers[0]->exp_cmd_sn;
  use(0).next_cmd_sn();  // Said to be on its way, and never sent.
  join(1);
  EXPECT_EQ(peers[1]->exp_cmd_sn, told);
}

// ---- Order and allegiance ----

TEST_F(MultiConnection, CommandsAreExecutedInOrderAcrossConnections) {
  start_pair();
  std::vector<Pdu> commands;
  for (unsigned i = 0; i < 6; ++i) {
    Initiator& peer = use(i % 2);
    commands.push_back(peer.make_command(test_unit_ready_cdb(), 0, 0, i / 2));
  }
  // The connection of the odd ones first: each of them waits for one of the other connection.
  for (const size_t i : {5, 3, 1})
    ASSERT_TRUE(peers[1]->send(commands[i]));
  ASSERT_TRUE(peers[1]->ping());
  EXPECT_EQ(driver.count("cdb"), 0u);
  for (const size_t i : {4, 2, 0})
    ASSERT_TRUE(peers[0]->send(commands[i]));
  for (size_t i = 0; i < 6; ++i)
    EXPECT_TRUE(peers[i % 2]->finish(commands[i]).good());
  std::string order;
  for (const std::string& call : driver.calls()) {
    if (call.rfind("cdb", 0) == 0) order += call.back();
  }
  EXPECT_EQ(order, "001122");
  expect_clean();
}

TEST_F(MultiConnection, ImmediateCommandsOvertakeAGapOnEitherConnection) {
  start_pair();
  use(0).next_cmd_sn();
  const Pdu waits = send_command(1, test_unit_ready_cdb());
  for (const size_t index : {0, 1}) {
    Pdu command = use(index).make_command(test_unit_ready_cdb(), 0, 0);
    --use(index).cmd_sn;
    command.bhs.opcode_byte |= kImmediateBit;
    ASSERT_TRUE(peers[index]->send(command));
    EXPECT_TRUE(peers[index]->finish(command).good());
  }
  EXPECT_EQ(driver.count("cdb"), 2u);
  EXPECT_TRUE(peers[1]->is_silent(20));
}

TEST_F(MultiConnection, DataStaysOnTheConnectionOfItsCommand) {
  start_pair();
  const ByteVector data = pattern(256 * kBlock);
  const Pdu bystander = send_command(0, test_unit_ready_cdb());
  ASSERT_TRUE(use(1).write(write10_cdb(0, 256), data, {512, 4096, 4096}).good());
  const Outcome outcome = use(1).read(read10_cdb(0, 256), 256 * kBlock);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, data);
  EXPECT_TRUE(peers[0]->finish(bystander).good());
  EXPECT_TRUE(peers[0]->is_silent(20));
  expect_clean();
}

TEST_F(MultiConnection, DriversSeeTheConnectionOfEachCommand) {
  std::mutex lock;
  std::vector<std::pair<void*, unsigned>> seen;
  driver.on_command = [&](chiscsi_scsi_command* command) {
    const std::lock_guard guard(lock);
    seen.emplace_back(command->sc_conn, command->sc_ieps->iaddr.port);
    return driver.run_command(command);
  };
  start_pair();
  for (const size_t index : {0, 1, 1, 0})
    ASSERT_TRUE(works(index));
  const std::lock_guard guard(lock);
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0], seen[3]);
  EXPECT_EQ(seen[1], seen[2]);
  EXPECT_NE(seen[0].first, seen[1].first);
  EXPECT_EQ(seen[0].second, peers[0]->local_port());
  EXPECT_EQ(seen[1].second, peers[1]->local_port());
}

TEST_F(MultiConnection, SolicitedDataOnTheWrongConnectionIsRejected) {
  start_pair();
  uint32_t tag = 0;
  const Pdu command = send_write(0, &tag);
  ASSERT_TRUE(
      peers[1]->send(peers[1]->make_data_out(command, tag, 0, 0, pattern(kBlock, 7), true)));
  expect_rejected(1);
  EXPECT_EQ(driver.content(0, 0, kBlock), ByteVector(kBlock, 0));
  ASSERT_TRUE(peers[0]->send(peers[0]->make_data_out(command, tag, 0, 0, pattern(kBlock), true)));
  EXPECT_TRUE(peers[0]->finish(command).good());
  EXPECT_EQ(driver.content(0, 0, kBlock), pattern(kBlock));
  expect_clean();
}

TEST_F(MultiConnection, UnsolicitedDataOnTheWrongConnectionIsRejected) {
  start_pair();
  Pdu command = use(0).make_command(write10_cdb(0, 1), kBlock, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  ASSERT_TRUE(peers[0]->send(command));
  ASSERT_TRUE(driver.wait_for("cdb"));
  const auto data_out = [&](size_t index, unsigned seed) {
    return peers[index]->make_data_out(command, kReservedTag, 0, 0, pattern(kBlock, seed), true);
  };
  ASSERT_TRUE(peers[1]->send(data_out(1, 7)));
  expect_rejected(1);
  ASSERT_TRUE(peers[0]->send(data_out(0, 1)));
  EXPECT_TRUE(peers[0]->finish(command).good());
  EXPECT_EQ(driver.content(0, 0, kBlock), pattern(kBlock));
}

// ---- Task management ----

// RFC 7143 section 4.2.3.3: the initiator hears of tasks that ended before it hears of the reset.
TEST_F(MultiConnection, ResetIsAnsweredWhenEarlierResponsesHaveArrived) {
  start_pair();
  ASSERT_TRUE(works(1));
  const Pdu reset = use(0).make_task_management(5, kReservedTag);
  ASSERT_TRUE(peers[0]->send(reset));
  const auto ping = peers[1]->receive_opcode(Opcode::kNopIn);
  ASSERT_TRUE(ping);
  EXPECT_TRUE(peers[0]->is_silent(20));
  Pdu answer = use(1).make(Opcode::kNopOut, true);
  answer.bhs.initiator_task_tag = kReservedTag;
  answer.as<NopOut>().target_transfer_tag = ping->as<NopIn>().target_transfer_tag.get();
  ASSERT_TRUE(peers[1]->send(answer));
  const auto response = peers[0]->receive_for(reset.task_tag());
  ASSERT_TRUE(response);
  EXPECT_EQ(response->as<TaskManagementResponse>().response, 0);
  // Nothing is left to be acknowledged: the next one is answered at once.
  EXPECT_EQ(use(0).task_management(5), 0);
  EXPECT_TRUE(peers[1]->is_silent(20));
}

TEST_F(MultiConnection, ResetDoesNotWaitForASilentConnectionForEver) {
  start_pair();
  ASSERT_TRUE(works(1));
  const Pdu reset = use(0).make_task_management(5, kReservedTag);
  ASSERT_TRUE(peers[0]->send(reset));
  EXPECT_TRUE(peers[0]->receive_for(reset.task_tag()));
  const Pdu second = use(0).make_task_management(5, kReservedTag);
  ASSERT_TRUE(peers[0]->send(second));
  ASSERT_TRUE(peers[1]->receive_opcode(Opcode::kNopIn));
  peers[1]->disconnect_with_reset();
  EXPECT_TRUE(peers[0]->receive_for(second.task_tag()));
}

TEST_F(MultiConnection, ResetNamesTheCommandsOfAllConnections) {
  start_pair();
  driver.hold(true);
  send_read(0);
  send_read(1);
  ASSERT_TRUE(driver.wait_for("cdb", 2));
  EXPECT_EQ(use(0).task_management(5), 0);  // The reads have acknowledged what there was.
  EXPECT_TRUE(driver.wait_for("cleanup", 2));
  driver.release_held();
  EXPECT_TRUE(works(1));
}

TEST_F(MultiConnection, ColdResetEndsAllConnections) {
  start_pair();
  ASSERT_TRUE(driver.wait_for("session_added"));
  EXPECT_EQ(use(0).task_management(7), 0);
  EXPECT_TRUE(peers[0]->closed_by_target());
  EXPECT_TRUE(peers[1]->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// ---- Format errors ----

// RFC 7143 section 7.7: they end all connections, not only the one they came by.
TEST_F(MultiConnection, AFormatErrorEndsAllConnections) {
  start_pair();
  ASSERT_TRUE(driver.wait_for("session_added"));
  Pdu pdu = use(1).make(Opcode::kNopOut, true);
  pdu.as<NopOut>().target_transfer_tag = kReservedTag;
  pdu.ahs = ByteVector(4);
  ASSERT_TRUE(peers[1]->send(pdu));
  expect_rejected(1);
  EXPECT_TRUE(peers[1]->closed_by_target());
  EXPECT_TRUE(peers[0]->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

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
      default:  // Its data is on the way, and the network refers to it.
        host_set_notice_delay(30);
        send_command(1, read10_cdb(0, 400), 400 * kBlock, kCommandRead);
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
  constexpr size_t kPool = 40;  // One command of the window and the immediate ones, in chunks.
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
  EXPECT_EQ(logout(0, kCloseConnection, 1), 1);  // It is not there any more.
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

// ---- Races and failures ----

TEST_F(MultiConnection, ConnectionsMayComeAndGoAtTheSameTime) {
  start_session(8);
  std::vector<std::thread> threads;
  for (uint16_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (uint16_t round = 0; round < 12; ++round) {
        Initiator peer(port);
        peer.check_numbers = false;
        peer.next_task_tag = 0x100000u * (t + 1) + 0x100u * round;
        // Two threads each share a CID.
        if (!peer.login(joining(static_cast<uint16_t>(1 + t / 2))).in_full_feature) continue;
        Pdu command = peer.make_command(read10_cdb(0, 8), 8 * kBlock, kCommandRead);
        command.bhs.opcode_byte |= kImmediateBit;
        peer.send(command);
        if (round % 3 == 0) peer.finish(command);
        if (round % 3 == 1) peer.disconnect_with_reset();
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  // Connections that are just ending may take commands with them.
  Outcome outcome = use(0).no_data(test_unit_ready_cdb());
  for (int i = 0; i < 50 && outcome.sense_key() == 6; ++i)
    outcome = use(0).no_data(test_unit_ready_cdb());
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

TEST_F(MultiConnection, TheSessionMayEndWhileConnectionsJoin) {
  set_key("MaxConnections", "4");
  start();
  // The last one logs out. One that is reset at once may never get as far as to the driver.
  for (int round = 0; round < 9; ++round) {
    lead(4);
    std::thread joiner([this] {
      for (uint16_t cid = 1; cid < 4; ++cid) {
        Initiator peer(port);
        const LoginResult result = peer.login(joining(cid));
        if (!result.answered || result.in_full_feature) continue;
        EXPECT_STATUS(result, LoginStatus::kSessionDoesNotExist);
      }
    });
    if (round % 2 == 0) {
      EXPECT_EQ(use(peers.size() - 1).logout(), 0);
    } else {
      peers.back()->disconnect_with_reset();
    }
    joiner.join();
  }
  EXPECT_TRUE(driver.wait_for("session_removed", driver.count("session_added")));
}

TEST_F(MultiConnection, JoiningSurvivesEveryFailedAllocation) {
  start_session(2);
  ASSERT_TRUE(works(0));
  bool undisturbed = false;
  for (uint64_t n = 1; !undisturbed && n < 200; ++n) {
    const size_t sockets = host_open_sockets();
    Initiator& peer = new_peer();
    // A socket that cannot be accepted for want of memory waits for the next one.
    while (host_open_sockets() == sockets && !MemoryTransport::chosen())
      std::this_thread::yield();
    const uint64_t before = host_allocation_count();
    host_fail_allocation_at(n);
    const LoginResult result = peer.login(joining(1));
    undisturbed = result.in_full_feature && host_allocation_count() - before < n;
    host_fail_allocation_at(0);
    peer.disconnect();
    ASSERT_TRUE(works(0)) << "after allocation " << n;
  }
  EXPECT_TRUE(undisturbed);
}

}  // namespace
}  // namespace chiscsi::test
