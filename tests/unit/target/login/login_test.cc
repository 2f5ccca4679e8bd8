// SPDX-License-Identifier: GPL-2.0-only
//
// Login: stages, versions, identity, names, continued texts, storage driver hooks, admission.
// Rows L-1 to L-15 of the robustness corpus that need no connection.
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
  EXPECT_EQ(keys["MaxRecvDataSegmentLength"], "8192");
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
                 LoginStatus::kInitiatorError);
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

// --- Keys in the wrong place, L-9 and L-13 ---

TEST_F(LoginTest, RefusesKeysOfAnotherStage) {
  for (const char* key :
       {"InitialR2T=No", "HeaderDigest=None", "MaxRecvDataSegmentLength=512", "SendTargets=All"}) {
    expect_refused(login_request(0, 1, true), names({key}), LoginStatus::kInitiatorError);
  }
  for (const char* key : {"AuthMethod=None", "CHAP_A=5", "SendTargets=All", "CHAP_N=x"}) {
    expect_refused(login_request(1, 3, true), names({key}), LoginStatus::kInitiatorError);
  }
}

TEST_F(LoginTest, RefusesKeysThatAreOurs) {
  for (const char* key : {"TargetAlias=x", "TargetAddress=1.2.3.4", "TargetPortalGroupTag=1"}) {
    expect_refused(login_request(1, 3, true), names({key}), LoginStatus::kInitiatorError);
  }
}

TEST_F(LoginTest, IgnoresThatADeclarationWasNotUnderstood) {
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kRespond);
  EXPECT_EQ(send(1, 0, false, {"TargetPortalGroupTag=NotUnderstood"}), Step::kRespond);
  EXPECT_EQ(send(1, 3, true, {"MaxRecvDataSegmentLength=NotUnderstood"}),
            Step::kRespondAndEnterFullFeature);
}

TEST_F(LoginTest, RefusesRepeatedKeys) {
  expect_refused(login_request(1, 3, true), names({"InitialR2T=No", "InitialR2T=No"}),
                 LoginStatus::kInitiatorError);
  expect_refused(login_request(1, 3, true), names({"X-a=1", "X-b=1", "X-a=2"}),
                 LoginStatus::kInitiatorError);
  for (const char* key : {"InitialR2T=No", "X-com.example.a=1", "HeaderDigest=None"}) {
    start();
    EXPECT_EQ(send(login_request(1, 3, false), names({key})), Step::kRespond);
    EXPECT_EQ(send(1, 3, true, {key}), Step::kRespondAndClose) << key;
    EXPECT_EQ(status(), LoginStatus::kInitiatorError);
  }
}

TEST_F(LoginTest, DoesNotUnderstandForeignKeys) {
  EXPECT_EQ(send(login_request(1, 3, true),
                 names({"X-com.example.key=1", "X#Other=2", "initialR2T=No",
                        "Foo=", "X#NodeArchitecture=Linux", "Bar=NotUnderstood"})),
            Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["X-com.example.key"], "NotUnderstood");
  EXPECT_EQ(keys["X#Other"], "NotUnderstood");
  EXPECT_EQ(keys["initialR2T"], "NotUnderstood");
  EXPECT_EQ(keys["Foo"], "NotUnderstood");
  EXPECT_EQ(keys.count("X#NodeArchitecture"), 0u);
  EXPECT_EQ(keys.count("Bar"), 0u);
}

// --- Malformed text, L-8 ---

TEST_F(LoginTest, RefusesMalformedText) {
  const std::string good = names();
  const std::string bad[] = {
      good + "HeaderDigest=None",     // No NUL at the end.
      good + wire({"HeaderDigest"}),  // No '='.
      good + wire({"=None"}),         // No key.
      good + wire({std::string(64, 'K') + "=1"}),
      good + wire({std::string(255, 'K') + "=1"}),
      good + wire({"1Key=1"}),
      good + wire({"Key with blanks=1"}),
      good + wire({"HeaderDigest=" + std::string(256, 'x')}),
      good + std::string("HeaderDigest=None\0X", 19),
  };
  for (const std::string& text : bad) {
    expect_refused(login_request(1, 3, true), text, LoginStatus::kInitiatorError);
  }
}

TEST_F(LoginTest, ToleratesRunsOfNulBytes) {
  start();
  const std::string text = std::string(5, '\0') + names() + std::string(100, '\0');
  EXPECT_EQ(send(login_request(1, 3, true), text), Step::kRespondAndEnterFullFeature);
}

TEST_F(LoginTest, RefusesADataSegmentBeyondTheDefault) {
  start();
  std::string text = names({"X-long=" + std::string(8192, 'x')});
  text.resize(8192);
  text.back() = '\0';
  EXPECT_NE(send(login_request(1, 3, true), text), Step::kRespondAndClose);
  expect_refused(login_request(1, 3, true), text + '\0', LoginStatus::kInitiatorError);
}

TEST_F(LoginTest, BoundsTheNumberOfKeys) {
  for (const int count : {100, 253, 254, 255, 500, 2048, 3000}) {
    std::string text = names();
    for (int i = 0; i < count && text.size() < 8100; ++i)
      text += "K" + std::to_string(i) + "=" + '\0';
    start();
    const Step step = send(login_request(1, 3, false), text);
    EXPECT_EQ(step != Step::kRespondAndClose, count <= 254) << count;
    EXPECT_EQ(keys.size() + 2 >= static_cast<size_t>(count), count <= 254);
  }
}

// --- Continued requests and answers, L-14 ---

TEST_F(LoginTest, JoinsATextThatIsSplitAtAnyByte) {
  const std::string text = names({"InitialR2T=Yes", "MaxBurstLength=65536"});
  for (size_t split = 0; split <= text.size(); ++split) {
    start();
    EXPECT_EQ(send(login_request(1, 3, false, true), text.substr(0, split)), Step::kRespond);
    EXPECT_EQ(login->response_data().size(), 0u);
    EXPECT_EQ(login->response().flags, 1 << 2);
    ASSERT_EQ(send(login_request(1, 3, true), text.substr(split)),
              Step::kRespondAndEnterFullFeature);
    EXPECT_EQ(keys["MaxBurstLength"], "65536");
    EXPECT_EQ(keys["TargetPortalGroupTag"], "7");
  }
}

TEST_F(LoginTest, EndsATextThatGoesOnForEver) {
  start();
  Step step = Step::kRespond;
  int requests = 0;
  while (step == Step::kRespond && requests < 1000) {
    step = send(login_request(1, 3, false, true), "");
    ++requests;
  }
  EXPECT_EQ(step, Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kInitiatorError);
  EXPECT_EQ(requests, 17);
}

TEST_F(LoginTest, EndsATextThatIsTooLong) {
  start();
  Step step = Step::kRespond;
  for (int i = 0; i < 8; ++i) {
    step = send(login_request(1, 3, false, true), std::string(8192, 'x'));
    EXPECT_EQ(step, Step::kRespond) << i;
  }
  EXPECT_EQ(send(login_request(1, 3, false, true), "x"), Step::kRespondAndClose);
  EXPECT_EQ(reason(), "text too long");
}

TEST_F(LoginTest, EndsALoginThatGoesOnForEver) {
  EXPECT_EQ(send(login_request(1, 3, false), names()), Step::kRespond);
  Step step = Step::kRespond;
  int requests = 1;
  while (step == Step::kRespond && requests < 1000) {
    step = send(1, 3, false, {});
    ++requests;
  }
  EXPECT_EQ(step, Step::kRespondAndClose);
  EXPECT_EQ(requests, 65);
}

class LongAnswerTest : public LoginTest {
 protected:
  // A request whose answer takes more than one PDU, in requests of at most 8192 bytes.
  Step send_long_request(bool transit) {
    std::string text = names();
    for (int i = 0; i < 230; ++i)
      text += "X-" + std::to_string(i) + std::string(40, 'k') + "=" + '\0';
    Step step = Step::kRespond;
    while (text.size() > 8192) {
      step = send(login_request(1, 3, false, true), text.substr(0, 8192));
      text.erase(0, 8192);
    }
    return step == Step::kRespond ? send(login_request(1, 3, transit), text) : step;
  }
};

TEST_F(LongAnswerTest, SplitsTheAnswerAndThenTransits) {
  EXPECT_EQ(send_long_request(true), Step::kRespond);
  std::string answer;
  int parts = 0;
  Step step = Step::kRespond;
  for (;;) {
    answer += string_of(login->response_data());
    ++parts;
    if ((login->response().flags & 0x40) == 0) break;
    EXPECT_EQ(login->response().flags & 0x80, 0);
    step = send(1, 3, true, {});
    ASSERT_LT(parts, 10);
  }
  EXPECT_EQ(step, Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(parts, 2);
  EXPECT_EQ(pairs_of(answer).size(), 232u);
}

TEST_F(LongAnswerTest, TransitsOnlyWhenTheLastRequestAsksForIt) {
  EXPECT_EQ(send_long_request(true), Step::kRespond);
  EXPECT_EQ(send(1, 0, false, {}), Step::kRespond);
  EXPECT_FALSE(transited());
  EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndEnterFullFeature);
}

TEST_F(LongAnswerTest, RefusesTextInTheMiddleOfAnAnswer) {
  EXPECT_EQ(send_long_request(false), Step::kRespond);
  EXPECT_EQ(send(1, 3, true, {"InitialR2T=No"}), Step::kRespondAndClose);
  login.reset();
  EXPECT_EQ(send_long_request(false), Step::kRespond);
  EXPECT_EQ(send(login_request(1, 3, false, true), ""), Step::kRespondAndClose);
}

// --- Offers of our own ---

TEST_F(LoginTest, OffersWhatTheInitiatorDoesNotBringUp) {
  host.settings = settings_of({"ImmediateData=No", "MaxBurstLength=16384", "FirstBurstLength=4096",
                               "HeaderDigest=CRC32C", "InitialR2T=No"});
  EXPECT_EQ(send(login_request(1, 3, true), names({"InitialR2T=No"})), Step::kRespond);
  EXPECT_FALSE(transited());
  EXPECT_EQ(keys["ImmediateData"], "No");
  EXPECT_EQ(keys["MaxBurstLength"], "16384");
  EXPECT_EQ(keys["FirstBurstLength"], "4096");
  EXPECT_EQ(keys["HeaderDigest"], "CRC32C");
  EXPECT_EQ(send(1, 3, true,
                 {"ImmediateData=No", "MaxBurstLength=8192", "FirstBurstLength=4096",
                  "HeaderDigest=CRC32C"}),
            Step::kRespondAndEnterFullFeature);
  EXPECT_TRUE(keys.empty()) << "an answer is not answered";
  EXPECT_EQ(host.admitted_session.max_burst_length, 8192u);
  EXPECT_EQ(host.admitted_session.first_burst_length, 4096u);
  EXPECT_FALSE(host.admitted_session.immediate_data);
  EXPECT_EQ(host.admitted_connection.header_digest, DigestType::kCrc32c);
}

TEST_F(LoginTest, RefusesALoginThatDoesNotAnswerOurOffers) {
  host.settings = settings_of({"ImmediateData=No"});
  const char* const kAnswers[] = {"X-nothing=1", "ImmediateData=Yes", "ImmediateData=Reject",
                                  "ImmediateData=maybe"};
  for (const char* answer : kAnswers) {
    start();
    EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespond);
    EXPECT_EQ(send(1, 3, true, {answer}), Step::kRespondAndClose) << answer;
    EXPECT_EQ(status(), LoginStatus::kInitiatorError);
    EXPECT_EQ(reason().substr(0, 13), "ImmediateData");
  }
  EXPECT_EQ(host.admissions, 0);
}

TEST_F(LoginTest, OffersFirstBurstWhenMaxBurstTurnsOutSmaller) {
  EXPECT_EQ(send(login_request(1, 3, true), names({"MaxBurstLength=4096"})), Step::kRespond);
  EXPECT_EQ(keys["MaxBurstLength"], "4096");
  EXPECT_EQ(keys["FirstBurstLength"], "4096");
  EXPECT_EQ(send(1, 3, true, {"FirstBurstLength=512"}), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(host.admitted_session.first_burst_length, 512u);
}

TEST_F(LoginTest, RefusesAnInitiatorWithoutTheDigestThatIsRequired) {
  host.settings = settings_of({"DataDigest=CRC32C"});
  EXPECT_EQ(send(login_request(1, 3, true), names({"DataDigest=None"})), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kInitiatorError);
  EXPECT_EQ(reason().substr(0, 10), "DataDigest");
}

// --- The storage driver's hooks, Guide 7.3.1 ---

TEST_F(LoginTest, AsksTheDriverInOrder) {
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kRespond);
  EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndEnterFullFeature);
  const std::vector<std::string> expected = {"find_target",   "first_login_check", "stage_check 0",
                                             "stage_check 1", "acl_allows",        "admit"};
  EXPECT_EQ(host.calls, expected);
}

TEST_F(LoginTest, AsksTheDriverOnlyAboutTheWholeFirstRequest) {
  EXPECT_EQ(send(login_request(0, 1, false, true), names()), Step::kRespond);
  EXPECT_TRUE(host.calls.empty());
}

TEST_F(LoginTest, WaitsForEachAnswerOfTheDriver) {
  host.first_check = CheckResult::kPending;
  host.stage_checks = CheckResult::kPending;
  host.admission = AdmitResult::pending();
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kFirstCheck);
  EXPECT_EQ(note(login->first_login_check_done(0, 0, 40)), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kStageCheck);
  EXPECT_EQ(note(login->stage_check_done(0, 0)), Step::kWait) << "the next stage is asked for";
  EXPECT_EQ(note(login->stage_check_done(0, 0)), Step::kRespond);
  EXPECT_TRUE(transited());
  EXPECT_EQ(csg(), 0);
  EXPECT_EQ(nsg(), 1);
  EXPECT_EQ(keys["TargetPortalGroupTag"], "7");
  EXPECT_EQ(send(1, 3, true, {"InitialR2T=Yes"}), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kAdmission);
  EXPECT_EQ(note(login->admitted(LoginStatus::kSuccess, 77)), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["InitialR2T"], "Yes");
  EXPECT_EQ(login->response().tsih.get(), 77);
  EXPECT_EQ(login->session().max_commands, 40u);
}

TEST_F(LoginTest, ReportsTheDriversRefusal) {
  const struct {
    uint8_t status_class, detail;
    LoginStatus expected;
  } kRows[] = {{2, 0, LoginStatus::kInitiatorError},
               {2, 2, LoginStatus::kAuthorizationFailure},
               {2, 11, LoginStatus::kInvalidDuringLogin},
               {3, 2, LoginStatus::kOutOfResources},
               {9, 1, LoginStatus::kTargetError}};
  for (const auto& row : kRows) {
    host.first_check = CheckResult::kPending;
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
    EXPECT_EQ(note(login->first_login_check_done(row.status_class, row.detail, 0)),
              Step::kRespondAndClose);
    EXPECT_EQ(status(), row.expected);
    host.first_check = CheckResult::kNone;
    host.stage_checks = CheckResult::kPending;
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
    EXPECT_EQ(note(login->stage_check_done(row.status_class, row.detail)), Step::kRespondAndClose);
    EXPECT_EQ(status(), row.expected);
    host.stage_checks = CheckResult::kNone;
  }
}

TEST_F(LoginTest, IgnoresAnswersThatAreNotDue) {
  start();
  EXPECT_EQ(login->first_login_check_done(2, 0, 0), Step::kWait);
  EXPECT_EQ(login->stage_check_done(2, 0), Step::kWait);
  EXPECT_EQ(login->admitted(LoginStatus::kSuccess, 5), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kStart);
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(login->admitted(LoginStatus::kSuccess, 5), Step::kWait);
  EXPECT_EQ(login->session().tsih, 0x1234);
}

TEST_F(LoginTest, DropsARequestWhileAnAnswerIsAwaited) {
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kWait);
  EXPECT_EQ(send(1, 3, true, {}), Step::kDrop);
}

TEST_F(LoginTest, CapsTheDriversCommandWindow) {
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kWait);
  EXPECT_EQ(note(login->first_login_check_done(1, 0, 0xffffffff)),
            Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(login->session().max_commands, 2048u);
}

// --- Redirection, ACL, admission ---

TEST_F(LoginTest, SendsTheInitiatorOnAfterTheDriverWasAsked) {
  host.target_status = LoginStatus::kMovedTemporarily;
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
  EXPECT_EQ(note(login->first_login_check_done(1, 1, 0)), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kMovedTemporarily);
  EXPECT_EQ(keys["TargetAddress"], "192.0.2.85:3261");
  EXPECT_EQ(keys.size(), 1u);
}

TEST_F(LoginTest, DoesNotSendDiscoveryOn) {
  host.target_status = LoginStatus::kMovedTemporarily;
  EXPECT_EQ(
      send(login_request(1, 3, true), discovery_names({std::string("TargetName=") + kTargetName})),
      Step::kRespondAndEnterFullFeature);
}

TEST_F(LoginTest, AsksTheAccessListFirstOrLast) {
  host.acl = false;
  expect_refused(login_request(1, 3, true), names(), LoginStatus::kAuthorizationFailure);
  EXPECT_TRUE(host.called("first_login_check"));
  host.calls.clear();
  limits.acl_before_login = true;
  expect_refused(login_request(1, 3, true), names(), LoginStatus::kAuthorizationFailure);
  EXPECT_FALSE(host.called("first_login_check"));
}

TEST_F(LoginTest, ReportsARefusedAdmission) {
  host.admission = AdmitResult::refused(LoginStatus::kOutOfResources);
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kOutOfResources);
  host.admission = AdmitResult::pending();
  start();
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kWait);
  EXPECT_EQ(note(login->admitted(LoginStatus::kServiceUnavailable, 0)), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kServiceUnavailable);
  host.admission = AdmitResult::admitted(0);
  start();
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kTargetError);
}

TEST_F(LoginTest, TakesNothingAfterItsEnd) {
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kDrop);
  EXPECT_EQ(login->refuse(1, LoginStatus::kTargetError, "x"), Step::kDrop);
  expect_refused(login_request(2, 3, true), "", LoginStatus::kInitiatorError);
}

TEST_F(LoginTest, RefusesOnBehalfOfTheConnection) {
  start();
  EXPECT_EQ(note(login->refuse(5, LoginStatus::kInvalidDuringLogin, "no Login Request")),
            Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kInvalidDuringLogin);
  EXPECT_EQ(login->response().initiator_task_tag.get(), 5u);
  EXPECT_EQ(login->refuse(5, LoginStatus::kTargetError, "again"), Step::kDrop);
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
