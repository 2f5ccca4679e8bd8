// SPDX-License-Identifier: GPL-2.0-only
//
// Login: stages, versions, identity and names. Its text is in login_text_test.cc, its surroundings
// are in login_host_test.cc. Rows L-1 to L-7 and L-15 of the robustness corpus that need no
// connection.
#include "target/login/login.hh"

#include "host.hh"
#include "tests/unit/target/login/login_fixture.hh"

namespace chiscsi::test {
namespace {

// --- Ways into full feature phase ---

TEST_F(LoginTest, EntersFullFeatureInOneExchange) {
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(csg(), 1);
  EXPECT_EQ(nsg(), 3);
  EXPECT_EQ(login->response().tsih.get(), 0x1234);
  EXPECT_EQ(login->session().tsih, 0x1234);
  EXPECT_EQ(keys["TargetPortalGroupTag"], "7");
  EXPECT_EQ(keys["MaxRecvDataSegmentLength"], "262144");
  EXPECT_EQ(login->state(), LoginState::kAccepted);
}

TEST_F(LoginTest, WalksThroughBothStages) {
  EXPECT_EQ(send(login_request(0, 1, true), names({"AuthMethod=None"})), Step::kRespond);
  EXPECT_TRUE(transited());
  EXPECT_EQ(csg(), 0);
  EXPECT_EQ(nsg(), 1);
  EXPECT_EQ(keys["AuthMethod"], "None");
  EXPECT_EQ(login->response().tsih.get(), 0);
  EXPECT_EQ(send(1, 0, false, {"InitialR2T=No"}), Step::kRespond);
  EXPECT_FALSE(transited());
  EXPECT_EQ(keys["InitialR2T"], "Yes");
  EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys.count("TargetPortalGroupTag"), 0u);
}

TEST_F(LoginTest, SkipsTheOperationalStageWhenThereIsNothingToSay) {
  EXPECT_EQ(send(login_request(0, 3, true), names({"AuthMethod=None"})),
            Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(csg(), 0);
  EXPECT_EQ(login->connection().max_recv_data_segment_length, 8192u);
  EXPECT_EQ(keys.count("MaxRecvDataSegmentLength"), 0u) << "not a key of the security stage";
}

TEST_F(LoginTest, HoldsTheOperationalStageWhenDefaultsDoNotFit) {
  host.settings = settings_of({"ImmediateData=No"});
  EXPECT_EQ(send(login_request(0, 3, true), names()), Step::kRespond);
  EXPECT_TRUE(transited());
  EXPECT_EQ(nsg(), 1);
}

TEST_F(LoginTest, HoldsTheOperationalStageToDeclareASmallReceiveLimit) {
  limits.transport.max_recv_data_segment_length = 4096;
  EXPECT_EQ(send(login_request(0, 3, true), names()), Step::kRespond);
  EXPECT_EQ(nsg(), 1);
  EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["MaxRecvDataSegmentLength"], "4096");
  EXPECT_EQ(login->connection().max_recv_data_segment_length, 4096u);
}

TEST_F(LoginTest, StaysWhereItIsWithoutTheTransitBit) {
  EXPECT_EQ(send(login_request(0, 3, false), names()), Step::kRespond);
  EXPECT_FALSE(transited());
  EXPECT_EQ(nsg(), 0);
  EXPECT_EQ(keys["TargetPortalGroupTag"], "7");
  EXPECT_EQ(send(0, 0, false, {}), Step::kRespond);
  EXPECT_EQ(keys.count("TargetPortalGroupTag"), 0u) << "only with the first answer";
}

TEST_F(LoginTest, ReportsWhatWasAgreed) {
  host.settings =
      settings_of({"TargetAlias=a disk", "MaxRecvDataSegmentLength=262144", "MaxOutstandingR2T=8",
                   "TargetSessionMaxCmd=17", "HeaderDigest=CRC32C,None"});
  EXPECT_EQ(send(login_request(1, 3, true),
                 names({"InitiatorAlias=host one", "MaxRecvDataSegmentLength=65536",
                        "MaxOutstandingR2T=4", "HeaderDigest=CRC32C,None", "DataDigest=None",
                        "InitialR2T=No", "ImmediateData=Yes", "MaxBurstLength=16384",
                        "FirstBurstLength=65536"})),
            Step::kRespondAndEnterFullFeature);
  const SessionParameters& session = host.admitted_session;
  const ConnectionParameters& connection = host.admitted_connection;
  EXPECT_EQ(string_of(session.initiator_name.text()), kInitiatorName);
  EXPECT_EQ(string_of(session.initiator_alias.text()), "host one");
  EXPECT_EQ(string_of(session.target_name.text()), kTargetName);
  EXPECT_EQ(session.initial_cmd_sn, 123u);
  EXPECT_EQ(session.max_commands, 17u);
  EXPECT_EQ(session.max_outstanding_r2t, 4u);
  EXPECT_EQ(session.max_burst_length, 16384u);
  EXPECT_EQ(session.first_burst_length, 16384u);
  EXPECT_TRUE(session.initial_r2t);
  EXPECT_EQ(session.portal_group_tag, 7);
  EXPECT_EQ(connection.cid, 1);
  EXPECT_EQ(connection.header_digest, DigestType::kCrc32c);
  EXPECT_EQ(connection.data_digest, DigestType::kNone);
  EXPECT_EQ(connection.max_send_data_segment_length, 65536u);
  EXPECT_EQ(connection.max_recv_data_segment_length, 262144u);
  EXPECT_FALSE(connection.authenticated);
  EXPECT_EQ(keys["TargetAlias"], "a disk");
}

TEST_F(LoginTest, EntersADiscoverySessionWithoutATarget) {
  EXPECT_EQ(send(login_request(1, 3, true),
                 discovery_names({"HeaderDigest=None", "MaxBurstLength=512", "ErrorRecoveryLevel=2",
                                  "DefaultTime2Retain=0"})),
            Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["MaxBurstLength"], "Irrelevant");
  EXPECT_EQ(keys["ErrorRecoveryLevel"], "0");
  EXPECT_EQ(keys["DefaultTime2Retain"], "0");
  EXPECT_EQ(login->session().type, SessionType::kDiscovery);
  EXPECT_FALSE(host.called("find_target"));
  EXPECT_FALSE(host.called("first_login_check"));
  EXPECT_FALSE(host.called("acl_allows"));
}

TEST_F(LoginTest, NamesTheGroupInANamedDiscoverySession) {
  EXPECT_EQ(
      send(login_request(1, 3, true), discovery_names({std::string("TargetName=") + kTargetName})),
      Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["TargetPortalGroupTag"], "7");
}

// --- Stages and bits, L-1 ---

TEST_F(LoginTest, AcceptsExactlyTheLegalStagePairs) {
  for (int csg = 0; csg < 4; ++csg) {
    for (int nsg = 0; nsg < 4; ++nsg) {
      for (int bits = 0; bits < 4; ++bits) {
        const bool transit = (bits & 1) != 0, more = (bits & 2) != 0;
        start();
        const Step step = send(login_request(csg, nsg, transit, more), names());
        const bool legal_pair = (csg == 0 && (nsg == 1 || nsg == 3)) || (csg == 1 && nsg == 3);
        const bool legal = csg <= 1 && (transit ? legal_pair && !more : true);
        EXPECT_EQ(step != Step::kRespondAndClose, legal) << csg << nsg << bits;
        if (!legal) {
          EXPECT_EQ(status(), LoginStatus::kInitiatorError);
        }
        if (legal) {
          EXPECT_EQ(transited(), transit) << csg << nsg << bits;
        }
      }
    }
  }
}

TEST_F(LoginTest, RefusesAStageThatWasNotAgreed) {
  EXPECT_EQ(send(login_request(0, 1, false), names()), Step::kRespond);
  EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kAuthenticationFailure);
  EXPECT_EQ(host.admissions, 0);
}

TEST_F(LoginTest, RefusesToGoBackToTheSecurityStage) {
  EXPECT_EQ(send(login_request(1, 3, false), names()), Step::kRespond);
  EXPECT_EQ(send(0, 1, true, {}), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kInitiatorError);
}

// --- Version, L-2 ---

TEST_F(LoginTest, AcceptsVersionRangesThatHoldZero) {
  const struct {
    uint8_t min, max;
    bool accepted;
  } kRows[] = {{0, 0, true}, {0, 255, true}, {1, 1, false}, {1, 0, false}, {255, 255, false}};
  for (const auto& row : kRows) {
    start();
    iscsi::LoginRequest request = login_request(1, 3, true);
    request.version_min = row.min;
    request.version_max = row.max;
    EXPECT_EQ(send(request, names()) == Step::kRespondAndEnterFullFeature, row.accepted);
    if (!row.accepted) {
      EXPECT_EQ(status(), LoginStatus::kUnsupportedVersion);
    }
  }
}

// --- What must not change, L-7 ---

TEST_F(LoginTest, RefusesAChangedIdentity) {
  using Change = void (*)(iscsi::LoginRequest&);
  const Change kChanges[] = {
      [](iscsi::LoginRequest& r) { r.isid[5] ^= 1; },
      [](iscsi::LoginRequest& r) { r.tsih = 5; },
      [](iscsi::LoginRequest& r) { r.cid = 2; },
      [](iscsi::LoginRequest& r) { r.initiator_task_tag = 1; },
      [](iscsi::LoginRequest& r) { r.cmd_sn = 124; },
      [](iscsi::LoginRequest& r) { r.version_max = 1; },
      [](iscsi::LoginRequest& r) { r.version_min = 1; },
  };
  for (const Change change : kChanges) {
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kRespond);
    iscsi::LoginRequest request = login_request(1, 3, true);
    change(request);
    EXPECT_EQ(send(request, ""), Step::kRespondAndClose);
    EXPECT_EQ(status(), LoginStatus::kInitiatorError);
    EXPECT_NE(reason().find("changed"), std::string::npos) << reason();
  }
}

TEST_F(LoginTest, LetsCmdSnAdvanceWhileAConnectionJoins) {
  iscsi::LoginRequest request = login_request(0, 1, true);
  request.tsih = 9;
  EXPECT_EQ(send(request, names()), Step::kRespond);
  request = login_request(1, 3, true);
  request.tsih = 9;
  request.cmd_sn = 130;
  EXPECT_EQ(send(request, ""), Step::kRespondAndEnterFullFeature);
}

// --- Joining a session, L-3 ---

TEST_F(LoginTest, JoinsASessionWithItsValues) {
  host.joined.max_burst_length = 4096;
  host.joined.immediate_data = false;
  iscsi::LoginRequest request = login_request(1, 3, true);
  request.tsih = 9;
  host.admission = AdmitResult::admitted(9);
  EXPECT_EQ(send(request, names({"MaxBurstLength=8192", "MaxRecvDataSegmentLength=1024"})),
            Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["MaxBurstLength"], "Reject") << "a leading-only key";
  EXPECT_EQ(host.admitted_session.max_burst_length, 4096u);
  EXPECT_FALSE(host.admitted_session.immediate_data);
  EXPECT_EQ(host.admitted_connection.max_send_data_segment_length, 1024u);
  EXPECT_FALSE(host.called("first_login_check")) << "the driver is asked on the leading connection";
  EXPECT_FALSE(host.called("stage_check 1"));
  EXPECT_EQ(login->response().tsih.get(), 9);
}

TEST_F(LoginTest, RefusesToJoinWhatDoesNotExist) {
  iscsi::LoginRequest request = login_request(1, 3, true);
  request.tsih = 9;
  host.join_status = LoginStatus::kSessionDoesNotExist;
  expect_refused(request, names(), LoginStatus::kSessionDoesNotExist);
  EXPECT_EQ(login->response().tsih.get(), 9);
  host.join_status = LoginStatus::kTooManyConnections;
  expect_refused(request, names(), LoginStatus::kTooManyConnections);
  expect_refused(request, discovery_names(), LoginStatus::kCannotIncludeInSession);
}

// --- Names, L-15 ---

TEST_F(LoginTest, RefusesALoginWithoutNames) {
  const auto request = login_request(1, 3, true);
  const std::string target = std::string("TargetName=") + kTargetName;
  const std::string initiator = std::string("InitiatorName=") + kInitiatorName;
  expect_refused(request, "", LoginStatus::kMissingParameter);
  expect_refused(request, wire({target}), LoginStatus::kMissingParameter);
  expect_refused(request, wire({"InitiatorName=", target}), LoginStatus::kMissingParameter);
  expect_refused(request, wire({initiator}), LoginStatus::kMissingParameter);
  EXPECT_EQ(reason(), "TargetName: missing");
  expect_refused(request, wire({initiator, "TargetName="}), LoginStatus::kMissingParameter);
}

TEST_F(LoginTest, RefusesMalformedInitiatorNames) {
  const std::string target = std::string("TargetName=") + kTargetName;
  const std::string fill(300, 'a');
  const char* const kBad[] = {
      "host1", "iqn.", "IQN.x", "iqn.a b", "iqn.a\tb", "iqn.%n%s=", "iqn.\xff\xfe\xfd", "iqn.a,b"};
  for (const char* name : kBad) {
    expect_refused(login_request(1, 3, true), wire({std::string("InitiatorName=") + name, target}),
                   LoginStatus::kInitiatorError);
  }
  for (const size_t length : {224u, 255u, 256u}) {
    expect_refused(login_request(1, 3, true),
                   wire({"InitiatorName=" + ("iqn." + fill).substr(0, length), target}),
                   LoginStatus::kInitiatorError);
  }
  start();
  EXPECT_EQ(send(login_request(1, 3, true),
                 wire({"InitiatorName=" + ("iqn." + fill).substr(0, 223), target})),
            Step::kRespondAndEnterFullFeature);
}

TEST_F(LoginTest, ReportsWhatFindTargetSays) {
  const std::string initiator = std::string("InitiatorName=") + kInitiatorName;
  const auto request = login_request(1, 3, true);
  expect_refused(request, wire({initiator, "TargetName=iqn.2026-11.org.example:other"}),
                 LoginStatus::kNotFound);
  expect_refused(request, wire({initiator, "TargetName=" + std::string(224, 'x')}),
                 LoginStatus::kNotFound);
  for (const LoginStatus status : {LoginStatus::kTargetRemoved, LoginStatus::kServiceUnavailable}) {
    host.target_status = status;
    expect_refused(request, names(), status);
  }
  host.target_status = LoginStatus::kSuccess;
  host.settings.reset();
  expect_refused(request, names(), LoginStatus::kTargetError);
}

TEST_F(LoginTest, RefusesAnUnknownSessionType) {
  expect_refused(login_request(1, 3, true), names({"SessionType=Other"}),
                 LoginStatus::kSessionTypeNotSupported);
  start();
  EXPECT_EQ(send(login_request(1, 3, true), names({"SessionType=Normal"})),
            Step::kRespondAndEnterFullFeature);
}

TEST_F(LoginTest, RefusesNamesThatComeTooLate) {
  for (const char* late : {"SessionType=Discovery", "SessionType=Normal"}) {
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kRespond);
    EXPECT_EQ(send(1, 3, true, {late}), Step::kRespondAndClose);
    EXPECT_EQ(status(), LoginStatus::kInitiatorError);
  }
}

// --- Memory, M-1 ---

TEST_F(LoginTest, SurvivesEveryFailedAllocation) {
  const uint64_t before = host_live_allocations();
  bool succeeded = false;
  for (uint64_t n = 1; !succeeded && n < 100; ++n) {
    host_fail_allocation_at(n);
    login = Login::create(host, limits);
    if (login) {
      const Step step = send(login_request(1, 3, true), names({"X-a=1"}));
      succeeded = step == Step::kRespondAndEnterFullFeature;
      if (!succeeded) {
        EXPECT_EQ(step, Step::kRespondAndClose);
        EXPECT_EQ(status(), LoginStatus::kOutOfResources) << reason();
      }
    }
    host_fail_allocation_at(0);
    login.reset();
    EXPECT_EQ(host_live_allocations(), before);
  }
  EXPECT_TRUE(succeeded);
}

}  // namespace
}  // namespace chiscsi::test
