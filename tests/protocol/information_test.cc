// SPDX-License-Identifier: GPL-2.0-only
//
// The information calls (Guide 8) against what the initiator of the test knows by itself: what it
// has negotiated and sent.
#include "information.hh"

#include <atomic>

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

// ---- Targets ----

TEST_F(InformationProtocol, TargetSettingsAreThoseOfTheConfiguration) {
  keys = {{"PortalGroup", portal(here())},
          {"TargetAlias", "disks of the test"},
          {"InitialR2T", "No"},
          {"ImmediateData", "No"},
          {"MaxOutstandingR2T", "7"},
          {"FirstBurstLength", "4096"},
          {"MaxBurstLength", "131072"},
          {"DefaultTime2Wait", "3"},
          {"DefaultTime2Retain", "0"},
          {"MaxRecvDataSegmentLength", "16384"},
          {"HeaderDigest", "CRC32C,None"},
          {"DataDigest", "None"},
          {"AuthMethod", "CHAP"},
          {"Auth_CHAP_Policy", "Mutual"},
          {"Auth_CHAP_ChallengeLength", "32"},
          {"Auth_CHAP_Initiator", "\"who\":\"secret-of-initiator\""},
          {"Auth_CHAP_Target", "\"we\":\"secret-of-the-target\""},
          {"TargetSessionMaxCmd", "77"},
          {"ACL_Enable", "Yes"},
          {"ACL", "iname=iqn.2026-11.org.example:initiator"},
          {"ShadowMode", "Yes"},
          {"RegisteriSNS", "No"}};
  start();
  const auto [rc, info] = target_info();
  ASSERT_EQ(rc, 0);
  EXPECT_STREQ(info.name, kTargetName);
  EXPECT_STREQ(info.alias, "disks of the test");
  EXPECT_EQ(info.sess_keys.initial_r2t, 0);
  EXPECT_EQ(info.sess_keys.immediate_data, 0);
  EXPECT_EQ(info.sess_keys.erl, 0);
  EXPECT_EQ(info.sess_keys.data_pdu_in_order, 1);
  EXPECT_EQ(info.sess_keys.data_sequence_in_order, 1);
  EXPECT_EQ(info.sess_keys.filler, 0);
  EXPECT_EQ(info.sess_keys.max_conns, 1u);
  EXPECT_EQ(info.sess_keys.max_r2t, 7u);
  EXPECT_EQ(info.sess_keys.first_burst, 4096u);
  EXPECT_EQ(info.sess_keys.max_burst, 131072u);
  EXPECT_EQ(info.sess_keys.time2wait, 3u);
  EXPECT_EQ(info.sess_keys.time2retain, 0u);
  EXPECT_EQ(info.conn_keys.header_digest[0], CHISCSI_DIGEST_CRC32C);
  EXPECT_EQ(info.conn_keys.header_digest[1], CHISCSI_DIGEST_NONE);
  EXPECT_EQ(info.conn_keys.data_digest[0], CHISCSI_DIGEST_NONE);
  EXPECT_EQ(info.conn_keys.data_digest[1], CHISCSI_DIGEST_UNSET);
  EXPECT_EQ(info.conn_keys.portal_group_tag, 0u);
  EXPECT_EQ(info.conn_keys.max_recv_data_segment, 16384u);
  EXPECT_EQ(info.conn_keys.max_xmit_data_segment, 0u);
  EXPECT_EQ(info.chap.chap_en, 1);
  EXPECT_EQ(info.chap.chap_required, 1);
  EXPECT_EQ(info.chap.mutual_chap_forced, 1);
  EXPECT_EQ(info.chap.filler, 0);
  EXPECT_EQ(info.chap.challenge_length, 32u);
  EXPECT_EQ(info.config_keys.acl_en, 1);
  EXPECT_EQ(info.config_keys.isns_register, 0);
  EXPECT_EQ(info.config_keys.shadow_mode, 1);
  EXPECT_EQ(info.config_keys.filler, 0);
  EXPECT_EQ(info.config_keys.sess_max_cmds, 77u);
  EXPECT_EQ(info.auth_order, CHISCSI_AUTH_ORDER_CHAP);
  EXPECT_NE(info.hndl, 0u);
}

TEST_F(InformationProtocol, TargetSettingsFollowAReconfiguration) {
  start();
  const auto before = target_info();
  ASSERT_EQ(before.rc, 0);
  EXPECT_EQ(before.info.alias[0], '\0');
  EXPECT_EQ(before.info.sess_keys.max_burst, 262144u);
  EXPECT_EQ(before.info.chap.chap_en, 0);
  EXPECT_EQ(before.info.config_keys.sess_max_cmds, 128u);
  set_key("MaxBurstLength", "65536");
  set_key("TargetAlias", "another");
  ASSERT_EQ(driver.reconfigure_target(kTargetName, target_keys()), 0);
  const auto after = target_info();
  ASSERT_EQ(after.rc, 0);
  EXPECT_STREQ(after.info.alias, "another");
  EXPECT_EQ(after.info.sess_keys.max_burst, 65536u);
  EXPECT_EQ(after.info.hndl, before.info.hndl);
}

TEST_F(InformationProtocol, TargetThatIsGoneIsNotFoundAndItsHandleNotUsedAgain) {
  start();
  EXPECT_EQ(target_info("iqn.2026-11.org.example:nobody").rc, -ENOENT);
  const unsigned long first = target_info().info.hndl;
  ASSERT_EQ(driver.remove_target(kTargetName), 0);
  EXPECT_EQ(target_info().rc, -ENOENT);
  EXPECT_EQ(
      chiscsi_get_session_info(mutable_text(kTargetName), mutable_text(kInitiatorName), 0, nullptr),
      -ENOENT);
  ASSERT_EQ(driver.add_target(kTargetName, target_keys()), 0);
  EXPECT_NE(target_info().info.hndl, first);
}

TEST_F(InformationProtocol, BadArgumentsAreRefused) {
  auto initiator = start_and_log_in();
  char* target = mutable_text(kTargetName);
  char* name = mutable_text(kInitiatorName);
  chiscsi_target_info info;
  chiscsi_session_info session;
  chiscsi_perf_info perf;
  unsigned address = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(chiscsi_get_target_info(nullptr, &info), -EINVAL);
  EXPECT_EQ(chiscsi_get_target_info(target, nullptr), -EINVAL);
  EXPECT_EQ(chiscsi_get_session_info(nullptr, name, 1, &session), -EINVAL);
  EXPECT_EQ(chiscsi_get_session_info(target, nullptr, 1, &session), -EINVAL);
  EXPECT_EQ(chiscsi_get_session_info(target, name, 1, nullptr), -EINVAL);
  EXPECT_EQ(chiscsi_get_session_info(target, name, -1, &session), -EINVAL);
  EXPECT_EQ(chiscsi_get_connection_info(1, 0, nullptr), -EINVAL);
  EXPECT_EQ(connection_info(1, -1).rc, -EINVAL);
  EXPECT_EQ(chiscsi_get_perf_info(0, nullptr, port, &perf), -EINVAL);
  EXPECT_EQ(chiscsi_get_perf_info(0, &address, port, nullptr), -EINVAL);
  EXPECT_EQ(chiscsi_get_perf_info(0, &address, 65536, &perf), -EINVAL);
}

// ---- Sessions and connections ----

TEST_F(InformationProtocol, SessionIsDescribedAsItWasNegotiated) {
  start();
  LoginOptions login;
  login.keys = {{"InitiatorAlias", "host of the test"},
                {"InitialR2T", "Yes"},
                {"ImmediateData", "No"},
                {"MaxBurstLength", "131072"},
                {"FirstBurstLength", "8192"},
                {"DefaultTime2Wait", "5"},
                {"DefaultTime2Retain", "1"},
                {"MaxConnections", "1"}};
  login.isid[5] = 0x42;
  Initiator initiator(port);
  const LoginResult result = initiator.login(login);
  ASSERT_TRUE(result.in_full_feature);
  ASSERT_TRUE(driver.wait_for("session_added"));
  const auto list = sessions();
  ASSERT_EQ(list.size(), 1u);
  const chiscsi_session_info& info = list[0];
  EXPECT_STREQ(info.peer_name, kInitiatorName);
  EXPECT_STREQ(info.peer_alias, "host of the test");
  EXPECT_EQ(info.sess_keys.initial_r2t, 1);
  EXPECT_EQ(info.sess_keys.initiatial_r2t, 1);  // The same bit.
  EXPECT_EQ(info.sess_keys.immediate_data, 0);
  EXPECT_EQ(info.sess_keys.erl, 0);
  EXPECT_EQ(info.sess_keys.data_pdu_in_order, 1);
  EXPECT_EQ(info.sess_keys.data_sequence_in_order, 1);
  EXPECT_EQ(info.sess_keys.max_conns, 1u);
  EXPECT_EQ(info.sess_keys.max_r2t, 1u);
  EXPECT_EQ(info.sess_keys.first_burst, 8192u);
  EXPECT_EQ(info.sess_keys.max_burst, 131072u);
  EXPECT_EQ(info.sess_keys.time2wait, 5u);
  EXPECT_EQ(info.sess_keys.time2retain, 1u);
  EXPECT_EQ(info.type, CHISCSI_SESSION_TYPE_NORMAL);
  EXPECT_EQ(memcmp(info.isid, login.isid, sizeof(info.isid)), 0);
  EXPECT_EQ(info.conn_cnt, 1);
  EXPECT_EQ(info.tsih, result.tsih);
  EXPECT_EQ(info.hndl, driver.last_session());
}

TEST_F(InformationProtocol, NumbersAreThoseOnTheWire) {
  start();
  auto initiator = log_in_and_settle();
  ASSERT_EQ(sessions().size(), 1u);
  EXPECT_EQ(sessions()[0].cmdsn, initiator->cmd_sn - 1);
  EXPECT_EQ(sessions()[0].expcmdsn, initiator->cmd_sn);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(initiator->no_data(test_unit_ready_cdb()).good());
    const chiscsi_session_info info = sessions()[0];
    EXPECT_EQ(info.cmdsn, initiator->cmd_sn - 1);
    EXPECT_EQ(info.expcmdsn, initiator->exp_cmd_sn);
    EXPECT_EQ(info.maxcmdsn, initiator->max_cmd_sn);
    const auto [rc, connection] = connection_info(info.hndl);
    ASSERT_EQ(rc, 0);
    EXPECT_EQ(connection.statsn, initiator->exp_stat_sn);
    EXPECT_EQ(connection.expstatsn, initiator->exp_stat_sn - 1);  // As the command said.
  }
}

// A command ahead of its turn is the newest, and not the one that is expected next.
TEST_F(InformationProtocol, NumbersShowAHoleInTheOrder) {
  start();
  auto initiator = log_in_and_settle();
  const Pdu first = initiator->make_command(test_unit_ready_cdb(), 0, 0);
  const Pdu second = initiator->make_command(test_unit_ready_cdb(), 0, 0);
  ASSERT_TRUE(initiator->send(second));
  ASSERT_TRUE(initiator->ping());  // What was sent before it has arrived.
  const uint32_t missing = first.as<ScsiCommand>().cmd_sn.get();
  const chiscsi_session_info info = sessions()[0];
  EXPECT_EQ(info.expcmdsn, missing);
  EXPECT_EQ(info.cmdsn, missing + 1);
  ASSERT_TRUE(initiator->send(first));
  EXPECT_TRUE(initiator->receive_for(second.task_tag()));
}

TEST_F(InformationProtocol, ConnectionIsDescribedAsItWasNegotiated) {
  start();
  LoginOptions login;
  login.cid = 0x321;
  login.keys = {
      {"HeaderDigest", "CRC32C"}, {"DataDigest", "None"}, {"MaxRecvDataSegmentLength", "12288"}};
  auto initiator = log_in_and_settle(login);
  const auto [rc, info] = connection_info(driver.last_session());
  ASSERT_EQ(rc, 0);
  uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  ASSERT_EQ(inet_pton(AF_INET, here(), address + 12), 1);
  EXPECT_EQ(info.tcp_endpoints.f_ipv6, 0u);
  EXPECT_EQ(info.tcp_endpoints.f_filler, 0u);
  if (!MemoryTransport::chosen()) {
    EXPECT_EQ(memcmp(info.tcp_endpoints.iaddr.ip, address, 16), 0);
  }
  EXPECT_EQ(info.tcp_endpoints.iaddr.port, initiator->local_port());
  EXPECT_EQ(memcmp(info.tcp_endpoints.taddr.ip, address, 16), 0);
  EXPECT_EQ(info.tcp_endpoints.taddr.port, port);
  EXPECT_EQ(info.tcp_endpoints.port_id, 0u);
  EXPECT_EQ(info.conn_keys.header_digest[0], CHISCSI_DIGEST_CRC32C);
  EXPECT_EQ(info.conn_keys.header_digest[1], CHISCSI_DIGEST_UNSET);
  EXPECT_EQ(info.conn_keys.data_digest[0], CHISCSI_DIGEST_NONE);
  EXPECT_EQ(info.conn_keys.data_digest[1], CHISCSI_DIGEST_UNSET);
  EXPECT_EQ(info.conn_keys.portal_group_tag, 1u);
  EXPECT_EQ(info.conn_keys.max_recv_data_segment, 65536u);
  EXPECT_EQ(info.conn_keys.max_xmit_data_segment, 12288u);
  EXPECT_EQ(info.offloaded, 0);  // Neither transport claims to be.
  EXPECT_EQ(info.filler, 0);
  EXPECT_EQ(info.cid, 0x321u);
  EXPECT_NE(info.hndl, 0u);
  EXPECT_EQ(connection_info(driver.last_session(), 1).rc, -ENOENT);
}

TEST_F(InformationProtocol, EveryConnectionOfASessionIsDescribed) {
  const uint16_t second = free_port();
  set_key("PortalGroup", portal(here()) + "," + here() + ":" + std::to_string(second));
  set_key("MaxConnections", "2");
  start();
  LoginOptions login;
  login.cid = 5;
  login.keys = {{"MaxConnections", "2"}};
  Initiator leading(port);
  const LoginResult result = leading.login(login);
  ASSERT_TRUE(result.in_full_feature);
  ASSERT_TRUE(driver.wait_for("session_added"));
  login.cid = 6;
  login.tsih = result.tsih;
  login.keys.clear();
  Initiator other(second);
  other.cmd_sn = leading.cmd_sn;
  ASSERT_TRUE(other.login(login).in_full_feature);
  ASSERT_TRUE(other.read(read10_cdb(0, 2), 2 * kBlock).good());
  leading.cmd_sn = other.cmd_sn;
  ASSERT_TRUE(leading.write(write10_cdb(0, 1), pattern(kBlock)).good());

  ASSERT_EQ(sessions().size(), 1u);
  const chiscsi_session_info session = sessions()[0];
  EXPECT_EQ(session.conn_cnt, 2);
  EXPECT_EQ(session.sess_keys.max_conns, 2u);
  EXPECT_EQ(session.cmdsn, leading.cmd_sn - 1);
  expect_traffic(session.perf, 2 * kBlock, kBlock, 1, 1);
  const auto first = connection_info(session.hndl, 0), next = connection_info(session.hndl, 1);
  ASSERT_EQ(first.rc, 0);
  ASSERT_EQ(next.rc, 0);
  EXPECT_EQ(first.info.cid, 5u);
  EXPECT_EQ(first.info.tcp_endpoints.taddr.port, port);
  EXPECT_EQ(first.info.tcp_endpoints.iaddr.port, leading.local_port());
  EXPECT_EQ(next.info.cid, 6u);
  EXPECT_EQ(next.info.tcp_endpoints.taddr.port, second);
  EXPECT_EQ(next.info.tcp_endpoints.iaddr.port, other.local_port());
  EXPECT_NE(next.info.hndl, first.info.hndl);
  EXPECT_EQ(connection_info(session.hndl, 2).rc, -ENOENT);
  expect_traffic(portal_info(here(), port).info, 0, kBlock, 0, 1);
  expect_traffic(portal_info(here(), second).info, 2 * kBlock, 0, 1, 0);

  // The leading one goes; the other one moves up, and the session keeps what both have moved.
  leading.disconnect();
  EXPECT_TRUE(eventually([&] { return connection_info(session.hndl, 0).info.cid == 6; }));
  EXPECT_EQ(connection_info(session.hndl, 1).rc, -ENOENT);
  ASSERT_EQ(sessions().size(), 1u);
  EXPECT_EQ(sessions()[0].conn_cnt, 1);
  expect_traffic(sessions()[0].perf, 2 * kBlock, kBlock, 1, 1);
}

TEST_F(InformationProtocol, SegmentLimitFollowsATextRequest) {
  start();
  auto initiator = log_in_and_settle();
  EXPECT_EQ(connection_info(driver.last_session()).info.conn_keys.max_xmit_data_segment, 8192u);
  Pdu request = initiator->make(Opcode::kTextRequest);
  request.bhs.flags = kFinalBit;
  request.as<TextRequest>().target_transfer_tag = kReservedTag;
  request.set_keys({{"MaxRecvDataSegmentLength", "4096"}});
  ASSERT_TRUE(initiator->send(request));
  ASSERT_TRUE(initiator->receive_opcode(Opcode::kTextResponse));
  EXPECT_EQ(connection_info(driver.last_session()).info.conn_keys.max_xmit_data_segment, 4096u);
}

// Commands name the session and the connection by the same handles.
TEST_F(InformationProtocol, CommandsCarryTheHandles) {
  std::atomic<void*> session{nullptr}, connection{nullptr};
  driver.on_command = [&](chiscsi_scsi_command* command) {
    session = command->sc_sess;
    connection = command->sc_conn;
    return driver.run_command(command);
  };
  start();
  auto initiator = log_in_and_settle();
  ASSERT_TRUE(initiator->no_data(test_unit_ready_cdb()).good());
  EXPECT_EQ(reinterpret_cast<unsigned long>(session.load()), sessions()[0].hndl);
  EXPECT_EQ(reinterpret_cast<unsigned long>(connection.load()),
            connection_info(driver.last_session()).info.hndl);
}

TEST_F(InformationProtocol, MoreSessionsThanRoomAreCountedAndNotWritten) {
  start();
  std::vector<std::unique_ptr<Initiator>> initiators;
  std::vector<unsigned long> handles;
  for (uint8_t i = 0; i < 3; ++i) {
    LoginOptions login;
    login.isid[5] = i;
    initiators.push_back(log_in_and_settle(login));
    handles.push_back(driver.last_session());
  }
  LoginOptions other;
  other.initiator_name = "iqn.2026-11.org.example:other";
  auto stranger = log_in_and_settle(other);
  chiscsi_session_info list[3];
  memset(static_cast<void*>(list), 0x5a, sizeof(list));
  char* target = mutable_text(kTargetName);
  char* name = mutable_text(kInitiatorName);
  EXPECT_EQ(chiscsi_get_session_info(target, name, 0, nullptr), 3);
  EXPECT_EQ(chiscsi_get_session_info(target, name, 2, list), 3);
  EXPECT_EQ(list[0].hndl, handles[0]);
  EXPECT_EQ(list[1].hndl, handles[1]);
  for (size_t i = 0; i < sizeof(list[2]); ++i)
    ASSERT_EQ(reinterpret_cast<unsigned char*>(&list[2])[i], 0x5a);
  EXPECT_EQ(chiscsi_get_session_info(target, name, 3, list), 3);
  EXPECT_EQ(list[2].hndl, handles[2]);
  EXPECT_EQ(sessions(other.initiator_name.c_str()).size(), 1u);
  EXPECT_EQ(sessions("iqn.2026-11.org.example:nobody").size(), 0u);
}

TEST_F(InformationProtocol, EndedSessionIsStale) {
  start();
  auto initiator = log_in_and_settle();
  const unsigned long handle = driver.last_session();
  EXPECT_EQ(initiator->logout(), 0);
  ASSERT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(sessions().size(), 0u);
  EXPECT_EQ(connection_info(handle).rc, -ESTALE);
  EXPECT_EQ(connection_info(handle + 1).rc, -ESTALE);
  EXPECT_EQ(connection_info(0).rc, -ESTALE);
  EXPECT_EQ(connection_info(~0ul).rc, -ESTALE);
  // A later session has another handle.
  auto next = log_in_and_settle();
  EXPECT_NE(driver.last_session(), handle);
  EXPECT_EQ(connection_info(handle).rc, -ESTALE);
  EXPECT_EQ(connection_info(driver.last_session()).rc, 0);
}

// The session has lost its connection and waits for a driver that does not answer.
TEST_F(InformationProtocol, SessionWithoutConnectionIsNotActive) {
  options.abort_timeout_s = 600;
  start();
  auto initiator = log_in_and_settle();
  driver.stick();
  ASSERT_TRUE(initiator->send(initiator->make_command(read10_cdb(0, 1), kBlock, kCommandRead)));
  ASSERT_TRUE(driver.wait_for("cdb"));
  initiator->disconnect_with_reset();
  ASSERT_TRUE(driver.wait_for("abort session"));
  EXPECT_EQ(sessions().size(), 0u);
  EXPECT_EQ(connection_info(driver.last_session()).rc, -ENOENT);
  driver.unstick();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

// ---- Where the calls may come from ----

TEST_F(InformationProtocol, HooksMayAsk) {
  std::atomic<int> added{0}, removed{0}, in_command{0};
  driver.on_session_added = [&](unsigned long handle) {
    const auto [rc, info] = connection_info(handle);
    const auto list = sessions();
    if (rc == 0 && info.tcp_endpoints.taddr.port == port && list.size() == 1 &&
        list[0].hndl == handle) {
      ++added;
    }
  };
  driver.on_command = [&](chiscsi_scsi_command* command) {
    const auto list = sessions();
    if (list.size() == 1 && list[0].cmdsn == command->sc_CmdSN && target_info().rc == 0 &&
        portal_info(here(), port).rc == 0) {
      ++in_command;
    }
    return driver.run_command(command);
  };
  driver.on_session_removed = [&](unsigned long handle) {
    if (connection_info(handle).rc == -ESTALE && sessions().empty()) ++removed;
  };
  start();
  auto initiator = log_in_and_settle();
  EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb()).good());
  EXPECT_EQ(initiator->logout(), 0);
  ASSERT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(added, 1);
  EXPECT_EQ(in_command, 1);
  EXPECT_EQ(removed, 1);
}

// A worker that hangs in a hook is what an administrator wants to look at.
TEST_F(InformationProtocol, AnswersWhileAHookDoesNotReturn) {
  options.workers = 1;
  std::atomic<bool> entered{false}, go_on{false};
  driver.on_command = [&](chiscsi_scsi_command* command) {
    entered = true;
    entered.notify_all();
    go_on.wait(false);
    return driver.run_command(command);
  };
  start();
  auto initiator = log_in_and_settle();
  const Pdu command = initiator->make_command(test_unit_ready_cdb(), 0, 0);
  ASSERT_TRUE(initiator->send(command));
  entered.wait(false);
  ASSERT_EQ(sessions().size(), 1u);
  EXPECT_EQ(sessions()[0].cmdsn, command.as<ScsiCommand>().cmd_sn.get());
  EXPECT_EQ(connection_info(driver.last_session()).rc, 0);
  go_on = true;
  go_on.notify_all();
  EXPECT_TRUE(initiator->finish(command).good());
}

// ---- Discovery ----

TEST_F(InformationProtocol, UnnamedDiscoverySessionBelongsToNoTarget) {
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name = "";
  auto initiator = log_in(login);
  EXPECT_EQ(initiator->send_targets().size(), 2u);
  EXPECT_EQ(sessions().size(), 0u);
}

TEST_F(InformationProtocol, NamedDiscoverySessionIsListedAndNotTheDriversBusiness) {
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  auto initiator = log_in(login);
  EXPECT_EQ(initiator->send_targets().size(), 2u);
  const auto list = sessions();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].type, CHISCSI_SESSION_TYPE_DISCOVERY);
  EXPECT_EQ(connection_info(list[0].hndl).rc, 0);
  EXPECT_EQ(initiator->logout(), 0);
  EXPECT_TRUE(initiator->closed_by_target());
  remove_target();
  EXPECT_EQ(driver.count("session_added"), 0u);
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

}  // namespace
}  // namespace chiscsi::test
