// SPDX-License-Identifier: GPL-2.0-only
//
// Sessions of several connections at error recovery level 0: how connections join, and what order
// and allegiance mean across them (RFC 7143 sections 4.2.2 and 11.12). connection_end_test.cc has
// how they end.
#include "multi_connection.hh"

#include <future>
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

// The initiator may know of the end before everything of ours does.
TEST_F(MultiConnection, PlaceOfAConnectionThatClosesIsWaitedFor) {
  if (!MemoryTransport::chosen()) GTEST_SKIP() << "no end is held there";
  start_pair();
  MemoryTransport::script.holds_ends = true;
  EXPECT_EQ(logout(1, kCloseConnection, 1), 0);
  Initiator& next = new_peer();
  auto joined = std::async(std::launch::async, [&] { return next.login(joining(2)); });
  EXPECT_EQ(joined.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  MemoryTransport::script.holds_ends = false;
  peers[1]->disconnect();
  const LoginResult result = joined.get();
  EXPECT_TRUE(result.in_full_feature) << "status " << std::hex << result.status;
  EXPECT_TRUE(works(0));
  EXPECT_TRUE(works(2));
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

// RFC 7143 section 4.2.2.1: each connection may have one, whatever the others have.
TEST_F(MultiConnection, EachConnectionMayHaveAnImmediateCommand) {
  start_pair();
  driver.hold(true);
  std::vector<std::pair<size_t, Pdu>> taken;
  const auto send_immediate = [&](size_t index) {
    Pdu command = use(index).make_command(test_unit_ready_cdb(), 0, 0);
    --use(index).cmd_sn;
    command.bhs.opcode_byte |= kImmediateBit;
    EXPECT_TRUE(peers[index]->send(command));
    return command;
  };
  const auto is_rejected = [&](size_t index) {
    const Pdu command = send_immediate(index);
    const auto answer = peers[index]->receive();
    return answer && answer->opcode() == Opcode::kReject &&
           answer->as<Reject>().reason ==
               static_cast<uint8_t>(RejectReason::kImmediateCommandReject);
  };
  for (int i = 0; i < 32; ++i)
    taken.emplace_back(0, send_immediate(0));
  ASSERT_TRUE(driver.wait_for("cdb", 32));
  EXPECT_TRUE(is_rejected(0));
  taken.emplace_back(1, send_immediate(1));
  ASSERT_TRUE(peers[1]->ping());
  EXPECT_EQ(driver.count("cdb"), 33u);
  EXPECT_TRUE(is_rejected(1));
  driver.release_held();
  for (const auto& [index, command] : taken)
    EXPECT_TRUE(peers[index]->finish(command).good());
  EXPECT_TRUE(peers[1]->finish(send_immediate(1)).good());
  expect_clean();
}

TEST_F(MultiConnection, EachConnectionMayHaveAnImmediateFunction) {
  options.abort_timeout_s = 600;  // Those that wait are there to the end.
  start_pair();
  use(0).next_cmd_sn();  // Never comes: what refers to a task set waits for it.
  const auto answer_to = [&](size_t index, uint8_t function) -> std::optional<Pdu> {
    const Pdu request = use(index).make_task_management(function, kReservedTag);
    if (!peers[index]->send(request)) return {};
    return peers[index]->receive();
  };
  for (int i = 0; i < 32; ++i)
    ASSERT_TRUE(peers[0]->send(use(0).make_task_management(kAbortTaskSet, kReservedTag)));
  auto answer = answer_to(0, kAbortTask);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->opcode(), Opcode::kReject);
  answer = answer_to(1, kTaskReassign);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->opcode(), Opcode::kTaskManagementResponse);
  ASSERT_TRUE(peers[1]->send(use(1).make_task_management(kAbortTaskSet, kReservedTag)));
  answer = answer_to(1, kTaskReassign);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->opcode(), Opcode::kReject);
  expect_clean();
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
  // One that places makes tags which mean something on their own connection alone.
  MemoryTransport::script.places = false;
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
