// SPDX-License-Identifier: GPL-2.0-only
//
// Login, discovery, logout and the life of sessions as an initiator sees them (RFC 7143 sections 6
// and 11.12 to 11.15), and the hooks of the target class that go with them (Guide 5.1).
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "memory_transport.hh"
#include "offload_run.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

class LoginProtocol : public ProtocolTest {};

TEST_F(LoginProtocol, ReachesFullFeaturePhase) {
  start();
  Initiator initiator(port);
  const LoginResult result = initiator.login();
  EXPECT_TRUE(result.in_full_feature);
  EXPECT_NE(result.tsih, 0);
  EXPECT_EQ(result.key("TargetPortalGroupTag"), "1");
  EXPECT_TRUE(initiator.ping());
  EXPECT_CLEAN(initiator);
  EXPECT_EQ(driver.count("first_login iqn.2026-11.org.example:initiator"), 1u);
  EXPECT_TRUE(driver.wait_for("session_added"));
}

TEST_F(LoginProtocol, NegotiatesOperationalKeys) {
  start();
  Initiator initiator(port);
  LoginOptions login;
  login.keys = {{"HeaderDigest", "None"},       {"DataDigest", "None"},
                {"InitialR2T", "No"},           {"ImmediateData", "Yes"},
                {"MaxBurstLength", "16776192"}, {"FirstBurstLength", "262144"},
                {"MaxOutstandingR2T", "16"},    {"MaxRecvDataSegmentLength", "262144"},
                {"ErrorRecoveryLevel", "0"},    {"MaxConnections", "1"},
                {"DataPDUInOrder", "Yes"},      {"DataSequenceInOrder", "Yes"},
                {"DefaultTime2Wait", "2"},      {"DefaultTime2Retain", "0"}};
  const LoginResult result = initiator.login(login);
  ASSERT_TRUE(result.in_full_feature);
  EXPECT_EQ(result.key("InitialR2T"), "No");
  EXPECT_EQ(result.key("ImmediateData"), "Yes");
  EXPECT_EQ(result.key("MaxBurstLength"), "262144");
  EXPECT_EQ(result.key("FirstBurstLength"), "65536");
  EXPECT_EQ(result.key("MaxOutstandingR2T"), "1");
  if (OffloadRun::chosen()) {
    EXPECT_LE(std::stoul(result.key("MaxRecvDataSegmentLength")), 16384u);
  } else {
    EXPECT_EQ(result.key("MaxRecvDataSegmentLength"), "65536");
  }
  EXPECT_EQ(result.key("DefaultTime2Retain"), "0");
}

TEST_F(LoginProtocol, AnswersUnknownKeysWithNotUnderstood) {
  start();
  Initiator initiator(port);
  LoginOptions login;
  login.keys = {{"X-org.example.Colour", "blue"}};
  const LoginResult result = initiator.login(login);
  EXPECT_TRUE(result.in_full_feature);
  EXPECT_EQ(result.key("X-org.example.Colour"), "NotUnderstood");
}

TEST_F(LoginProtocol, StartsInTheSecurityStage) {
  start();
  Initiator initiator(port);
  LoginOptions login;
  login.first_stage = Stage::kSecurity;
  login.keys = {{"AuthMethod", "CHAP,None"}};
  const LoginResult result = initiator.login(login);
  EXPECT_TRUE(result.in_full_feature);
  EXPECT_EQ(result.key("AuthMethod"), "None");
  EXPECT_EQ(driver.count("stage 0"), 1u);
  EXPECT_EQ(driver.count("stage 1"), 1u);
}

TEST_F(LoginProtocol, UnknownTargetIsNotFound) {
  start();
  Initiator initiator(port);
  LoginOptions login;
  login.target_name = "iqn.2026-11.org.example:nobody";
  EXPECT_EQ(initiator.login(login).status, static_cast<uint16_t>(LoginStatus::kNotFound));
  EXPECT_TRUE(initiator.closed_by_target());
}

TEST_F(LoginProtocol, MissingInitiatorNameIsNamed) {
  start();
  Initiator initiator(port);
  Pdu pdu;
  auto& request = pdu.as<LoginRequest>();
  request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
  request.flags = kLoginTransit | 1 << 2 | 3;
  pdu.set_keys({{"TargetName", kTargetName}, {"SessionType", "Normal"}});
  ASSERT_TRUE(initiator.send(pdu));
  const auto answer = initiator.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<LoginResponse>().status_class, 2);
  EXPECT_EQ(answer->as<LoginResponse>().status_detail, 7);
}

TEST_F(LoginProtocol, UnsupportedVersionIsRefused) {
  start();
  Initiator initiator(port);
  Pdu pdu;
  auto& request = pdu.as<LoginRequest>();
  request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
  request.flags = kLoginTransit | 1 << 2 | 3;
  request.version_min = request.version_max = 9;
  pdu.set_keys({{"InitiatorName", "iqn.2026-11.org.example:i"}, {"TargetName", kTargetName}});
  ASSERT_TRUE(initiator.send(pdu));
  const auto answer = initiator.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<LoginResponse>().status_class, 2);
  EXPECT_EQ(answer->as<LoginResponse>().status_detail, 5);
}

TEST_F(LoginProtocol, OtherPdusBeforeLoginEndTheConnection) {
  start();
  Initiator initiator(port);
  initiator.send(initiator.make_command(test_unit_ready_cdb(), 0, 0));
  EXPECT_TRUE(initiator.closed_by_target());
  EXPECT_EQ(driver.count("cdb"), 0u);
}

TEST_F(LoginProtocol, LoginMayArriveByteByByte) {
  start();
  Initiator initiator(port);
  Pdu pdu;
  auto& request = pdu.as<LoginRequest>();
  request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
  request.flags = kLoginTransit | 1 << 2 | 3;
  request.isid[0] = 0x80;
  pdu.set_keys({{"InitiatorName", "iqn.2026-11.org.example:i"},
                {"TargetName", kTargetName},
                {"SessionType", "Normal"}});
  ASSERT_TRUE(initiator.send(pdu, 1));
  const auto answer = initiator.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<LoginResponse>().status_class, 0);
}

TEST_F(LoginProtocol, TheStorageDriverMayRefuse) {
  driver.login_status = 0x0202;
  start();
  Initiator initiator(port);
  EXPECT_EQ(initiator.login().status, 0x0202);
  EXPECT_EQ(driver.count("session_added"), 0u);
}

TEST_F(LoginProtocol, TheStorageDriverMayRefuseAStage) {
  driver.stage_status = 0x0301;
  start();
  Initiator initiator(port);
  EXPECT_EQ(initiator.login().status, 0x0301);
}

TEST_F(LoginProtocol, TheStorageDriverMayAnswerInlineOrInSoftirq) {
  for (const Answers how : {Answers::kInline, Answers::kSoftirq}) {
    driver.answers = how;
    if (how == Answers::kInline) start();
    auto initiator = log_in();
    EXPECT_EQ(initiator->logout(), 0);
  }
}

TEST_F(LoginProtocol, ClassWithoutLoginHooksWorks) {
  driver.with_login_hooks = false;
  auto initiator = start_and_log_in();
  EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb()).good());
}

TEST_F(LoginProtocol, UnansweredLoginIsDroppedAtItsLimit) {
  options.login_timeout_s = 1;
  driver.answer_login = false;
  start();
  Initiator initiator(port);
  EXPECT_FALSE(initiator.login().answered);
  EXPECT_FALSE(initiator.connected());
}

TEST_F(LoginProtocol, SilentConnectionIsDroppedAtItsLimit) {
  options.login_timeout_s = 1;
  start();
  Initiator initiator(port);
  EXPECT_TRUE(initiator.closed_by_target());
}

TEST_F(LoginProtocol, ManySilentConnectionsDoNotStopALogin) {
  start();
  std::vector<std::unique_ptr<Initiator>> silent;
  for (int i = 0; i < 40; ++i)
    silent.push_back(std::make_unique<Initiator>(port));
  EXPECT_TRUE(log_in());
}

// Nobody else comes that would wake the listener up.
TEST_F(LoginProtocol, AConnectionThatCouldNotBeAcceptedIsTriedAgain) {
  if (MemoryTransport::chosen() || OffloadRun::chosen()) {
    GTEST_SKIP() << "connections are not accepted by a listener of the host";
  }
  start();
  HostLogCapture log;
  host_fail_allocation_at(1);
  Initiator initiator(port);
  EXPECT_TRUE(initiator.login().in_full_feature);
  host_fail_allocation_at(0);
  EXPECT_TRUE(log.contains("cannot be accepted"));
}

TEST_F(LoginProtocol, DigestsAreNegotiated) {
  start();
  LoginOptions login;
  login.keys = {{"HeaderDigest", "CRC32C"}, {"DataDigest", "CRC32C,None"}};
  auto initiator = log_in(login);
  EXPECT_TRUE(initiator->header_digest);
  EXPECT_TRUE(initiator->ping(pattern(101)));
  EXPECT_CLEAN(*initiator);
}

// ---- Discovery ----

TEST_F(LoginProtocol, SendTargetsListsTheTarget) {
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name = "";
  auto initiator = log_in(login);
  const KeyList targets = initiator->send_targets();
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].first, "TargetName");
  EXPECT_EQ(targets[0].second, kTargetName);
  EXPECT_EQ(targets[1].first, "TargetAddress");
  EXPECT_EQ(targets[1].second, portal_address() + ",1");
  EXPECT_EQ(driver.count("session_added"), 0u);
  EXPECT_EQ(initiator->logout(), 0);
  EXPECT_TRUE(initiator->closed_by_target());
}

TEST_F(LoginProtocol, TheStorageDriverMayHideATarget) {
  driver.hide_targets = true;
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name = "";
  auto initiator = log_in(login);
  EXPECT_TRUE(initiator->send_targets().empty());
}

TEST_F(LoginProtocol, DiscoverySessionTakesNoCommands) {
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name = "";
  auto initiator = log_in(login);
  initiator->send(initiator->make_command(test_unit_ready_cdb(), 0, 0));
  const auto answer = initiator->receive();
  EXPECT_TRUE(!answer || answer->opcode() == Opcode::kReject);
  EXPECT_EQ(driver.count("cdb"), 0u);
}

TEST_F(LoginProtocol, SendTargetsInANormalSessionNamesItsOwnTarget) {
  auto initiator = start_and_log_in();
  const KeyList targets = initiator->send_targets("");
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(targets[0].second, kTargetName);
}

// ---- The end of sessions ----

TEST_F(LoginProtocol, LogoutEndsTheSession) {
  auto initiator = start_and_log_in();
  EXPECT_EQ(initiator->logout(), 0);
  EXPECT_TRUE(initiator->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(LoginProtocol, LogoutOfAnUnknownConnectionIsRefused) {
  auto initiator = start_and_log_in();
  Pdu request = initiator->make(Opcode::kLogoutRequest, true);
  request.as<LogoutRequest>().reason = kFinalBit | 1;
  request.as<LogoutRequest>().cid = 77;
  ASSERT_TRUE(initiator->send(request));
  const auto answer = initiator->receive_for(request.task_tag());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<LogoutResponse>().response, 1);
  EXPECT_TRUE(initiator->ping());
}

TEST_F(LoginProtocol, ClosedConnectionEndsTheSession) {
  auto initiator = start_and_log_in();
  ASSERT_TRUE(initiator->ping());  // The connection has arrived at its session.
  initiator->disconnect();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(LoginProtocol, ResetConnectionEndsTheSession) {
  auto initiator = start_and_log_in();
  ASSERT_TRUE(initiator->ping());
  initiator->disconnect_with_reset();
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(LoginProtocol, SameIsidReinstatesTheSession) {
  auto first = start_and_log_in();
  auto second = log_in();
  EXPECT_TRUE(first->closed_by_target());
  EXPECT_TRUE(second->ping());
  EXPECT_TRUE(driver.wait_for("session_removed"));
  // The old session is gone for the driver before the new one is there.
  const auto calls = driver.calls();
  const auto removed = std::find_if(calls.begin(), calls.end(), [](const std::string& call) {
    return call.rfind("session_removed", 0) == 0;
  });
  const auto added = std::find_if(removed, calls.end(), [](const std::string& call) {
    return call.rfind("session_added", 0) == 0;
  });
  EXPECT_NE(added, calls.end());
}

// RFC 7143 section 7.4.2.1: without a target, the portal decides.
// Nothing was proven to the target in a login for discovery: it ends no session that moves data.
TEST_F(LoginProtocol, ADiscoverySessionEndsNoNormalOne) {
  std::unique_ptr<Initiator> normal = start_and_log_in();
  ASSERT_TRUE(normal->ping());
  LoginOptions login;
  login.session_type = "Discovery";
  Initiator discovery(port);
  EXPECT_EQ(discovery.login(login).status,
            static_cast<uint16_t>(LoginStatus::kAuthorizationFailure));
  EXPECT_TRUE(normal->ping());
  // Of another port it may be.
  login.isid[5] = 9;
  Initiator other(port);
  EXPECT_TRUE(other.login(login).in_full_feature);
  EXPECT_TRUE(normal->ping());
  EXPECT_CLEAN(*normal);
}

// It goes to the log: nothing but a name.
TEST_F(LoginProtocol, AMalformedTargetNameIsNotFound) {
  start();
  for (const char* name : {"x\n<6>forged", "iqn.2026-11.org.example:\x1b[2J", "target"}) {
    LoginOptions login;
    login.target_name = name;
    Initiator initiator(port);
    EXPECT_EQ(initiator.login(login).status, static_cast<uint16_t>(LoginStatus::kNotFound)) << name;
  }
}

TEST_F(LoginProtocol, UnnamedDiscoverySessionsAreReinstatedByPortal) {
  const uint16_t second_port = free_port();
  keys.emplace_back("PortalGroup", "2@" + portal_address(second_port));
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name = "";
  auto first = log_in(login);
  Initiator elsewhere(second_port);
  ASSERT_TRUE(elsewhere.login(login).in_full_feature);
  LoginOptions other_port = login;
  other_port.isid[5] = 2;
  auto other = log_in(other_port);
  LoginOptions named = login;
  named.target_name = kTargetName;
  auto with_name = log_in(named);
  auto normal = log_in();
  EXPECT_TRUE(with_name->closed_by_target());  // The ISID rule of named sessions.
  // Another of the same port at the same portal takes the place of the first, and of no other one.
  for (int i = 0; i < 3; ++i) {
    auto again = log_in(login);
    EXPECT_TRUE(first->closed_by_target());
    EXPECT_EQ(again->send_targets().size(), 3u);
    first = std::move(again);
  }
  EXPECT_EQ(elsewhere.send_targets().size(), 3u);
  EXPECT_EQ(other->send_targets().size(), 3u);
  EXPECT_TRUE(normal->ping());
  EXPECT_EQ(first->logout(), 0);
  EXPECT_TRUE(first->closed_by_target());
  EXPECT_EQ(log_in(login)->send_targets().size(), 3u);
}

TEST_F(LoginProtocol, OtherIsidIsAnotherSession) {
  auto first = start_and_log_in();
  LoginOptions login;
  login.isid[5] = 2;
  auto second = log_in(login);
  EXPECT_TRUE(first->ping());
  EXPECT_TRUE(second->ping());
  EXPECT_TRUE(driver.wait_for("session_added", 2));
}

TEST_F(LoginProtocol, UnknownTsihIsRefused) {
  start();
  Initiator initiator(port);
  LoginOptions login;
  login.tsih = 0x7777;
  EXPECT_EQ(initiator.login(login).status,
            static_cast<uint16_t>(LoginStatus::kSessionDoesNotExist));
}

TEST_F(LoginProtocol, RemovingTheTargetEndsItsSessions) {
  auto initiator = start_and_log_in();
  ASSERT_TRUE(driver.wait_for("session_added"));
  remove_target();
  EXPECT_EQ(driver.count("session_removed"), 1u);
  EXPECT_TRUE(initiator->closed_by_target());
}

// The connection may not have reached its worker yet when the end is asked for.
TEST_F(LoginProtocol, RemovingTheTargetRightAfterLoginEndsItsSessions) {
  auto initiator = start_and_log_in();
  remove_target();
  EXPECT_EQ(driver.count("session_removed"), driver.count("session_added"));
  EXPECT_TRUE(initiator->closed_by_target());
}

// The target goes while its initiator proves itself: the driver may be unloaded by then.
TEST_F(LoginProtocol, RemovingTheTargetDuringALoginEndsItsHooks) {
  set_key("AuthMethod", "CHAP");
  driver.initiator_secret = "secret123456";
  start();
  Initiator initiator(port);
  LoginOptions login;
  login.first_stage = Stage::kSecurity;
  login.keys = {{"AuthMethod", "CHAP"}};
  int rounds = 0;
  login.next_round = [&](const Pdu&) -> KeyList {
    if (++rounds == 1) return {{"CHAP_A", "5"}};
    remove_target();
    return {{"CHAP_N", "user"}, {"CHAP_R", "0x00112233445566778899aabbccddeeff"}};
  };
  const LoginResult result = initiator.login(login);
  EXPECT_EQ(rounds, 2);
  EXPECT_FALSE(result.in_full_feature);
  EXPECT_EQ(driver.count("stage 0"), 1u);
  EXPECT_EQ(driver.count("chap"), 0u);
}

}  // namespace
}  // namespace chiscsi::test
