// SPDX-License-Identifier: GPL-2.0-only
//
// Login: keys in the wrong place, malformed, long and continued texts, offers of our own. Rows L-8
// to L-14 of the robustness corpus that need no connection.
#include "tests/unit/target/login/login_fixture.hh"

namespace chiscsi::test {
namespace {

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

}  // namespace
}  // namespace chiscsi::test
