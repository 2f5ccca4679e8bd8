// SPDX-License-Identifier: GPL-2.0-only
//
// Login with CHAP: the table of accepted logins, steps out of order, accounts of the storage
// driver, discovery. The peer's half is computed with OpenSSL, not with the code under test. Rows
// C-1 to C-11 of the robustness corpus.
#include <openssl/evp.h>

#include "host.hh"
#include "tests/unit/target/login/login_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr char kUser[] = "inituser";
constexpr char kSecret[] = "initsecret123";
constexpr char kTargetUser[] = "tgtuser";
constexpr char kTargetSecret[] = "tgtsecret4567";
constexpr char kInitiatorLine[] = "Auth_CHAP_Initiator=\"inituser\":\"initsecret123\"";
constexpr char kTargetLine[] = "Auth_CHAP_Target=\"tgtuser\":\"tgtsecret4567\"";

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (size_t i = 2; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string base64_of(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()),
                                   reinterpret_cast<const uint8_t*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return "0b" + text;
}

std::string digest(const std::string& algorithm, uint8_t identifier, const std::string& secret,
                   const std::string& challenge) {
  const EVP_MD* hash = algorithm == "5"   ? EVP_md5()
                       : algorithm == "6" ? EVP_sha1()
                       : algorithm == "7" ? EVP_sha256()
                                          : EVP_sha3_256();
  const std::string input = std::string(1, static_cast<char>(identifier)) + secret + challenge;
  uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(input.data(), input.size(), out, &size, hash, nullptr);
  return std::string(reinterpret_cast<char*>(out), size);
}

class LoginChapTest : public LoginTest {
 protected:
  LoginChapTest() { use({"AuthMethod=CHAP", kInitiatorLine}); }

  void use(std::initializer_list<std::string> lines, const TargetParseOptions& options = {}) {
    host.settings = settings_of(lines, options);
    ASSERT_TRUE(host.settings);
  }

  // AuthMethod and CHAP_A. True when a challenge came back.
  bool get_challenge(const std::string& algorithms = "5", const std::string& methods = "CHAP") {
    start();
    if (send(login_request(0, 1, true), names({"AuthMethod=" + methods})) != Step::kRespond) {
      return false;
    }
    EXPECT_EQ(keys["AuthMethod"], "CHAP");
    EXPECT_FALSE(transited());
    return ask_challenge(algorithms);
  }
  bool ask_challenge(const std::string& algorithms) {
    if (send(0, 1, true, {"CHAP_A=" + algorithms}) != Step::kRespond) return false;
    EXPECT_FALSE(transited());
    algorithm = keys["CHAP_A"];
    identifier = static_cast<uint8_t>(std::stoi(keys["CHAP_I"]));
    challenge = from_hex(keys["CHAP_C"]);
    return true;
  }
  std::string right_response(const std::string& secret = kSecret) {
    return digest(algorithm, identifier, secret, challenge);
  }
  Step respond(const std::string& name, const std::string& response,
               std::initializer_list<std::string> more = {}) {
    return send(login_request(0, 1, true),
                wire({"CHAP_N=" + name, "CHAP_R=" + response}) + wire(more));
  }
  void expect_wrong_step(Step step, LoginStatus expected) {
    EXPECT_EQ(step, Step::kRespondAndClose);
    EXPECT_EQ(status(), expected) << reason();
    EXPECT_EQ(host.admissions, 0);
  }
  void expect_authentication_failure(Step step) {
    EXPECT_EQ(step, Step::kRespondAndClose);
    EXPECT_EQ(status(), LoginStatus::kAuthenticationFailure) << reason();
  }
  void expect_response_refused(const std::string& name, const std::string& response,
                               std::initializer_list<std::string> more = {}) {
    ASSERT_TRUE(get_challenge());
    expect_authentication_failure(respond(name, response, more));
  }
  // Finishes the login once the security stage is over.
  void expect_full_feature() {
    EXPECT_TRUE(transited());
    EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndEnterFullFeature);
    EXPECT_TRUE(host.admitted_connection.authenticated);
  }

  std::string algorithm;
  uint8_t identifier = 0;
  std::string challenge;
};

TEST_F(LoginChapTest, LetsARightResponseInWithEachAlgorithm) {
  for (const char* number : {"5", "6", "7", "8"}) {
    ASSERT_TRUE(get_challenge(number));
    EXPECT_EQ(algorithm, number);
    EXPECT_EQ(challenge.size(), 16u);
    EXPECT_EQ(respond(kUser, hex_of(right_response())), Step::kRespond);
    EXPECT_EQ(keys.count("CHAP_N"), 0u);
    expect_full_feature();
  }
}

TEST_F(LoginChapTest, TakesHexAndBase64InAnyCase) {
  ASSERT_TRUE(get_challenge());
  std::string upper = hex_of(right_response());
  for (char& c : upper)
    c = static_cast<char>(toupper(c));
  EXPECT_EQ(respond(kUser, upper), Step::kRespond);
  expect_full_feature();
  ASSERT_TRUE(get_challenge("7"));
  EXPECT_EQ(respond(kUser, base64_of(right_response())), Step::kRespond);
  expect_full_feature();
}

TEST_F(LoginChapTest, ChoosesTheFirstAlgorithmOfTheOffer) {
  const std::pair<const char*, const char*> kRows[] = {
      {"5", "5"}, {"8", "8"}, {"7,5", "7"}, {"5,6,7,8", "5"}, {"9,56,6", "6"}, {"0x5,7", "7"}};
  for (const auto& [offer, expected] : kRows) {
    ASSERT_TRUE(get_challenge(offer)) << offer;
    EXPECT_EQ(algorithm, expected);
  }
  host_set_hash_missing(OS_HASH_MD5, true);
  ASSERT_TRUE(get_challenge("5,7"));
  EXPECT_EQ(algorithm, "7");
  host_set_hash_missing(OS_HASH_MD5, false);
}

TEST_F(LoginChapTest, RefusesOffersWithoutAnAlgorithm) {
  std::string long_list = "5";
  while (long_list.size() < 8000)
    long_list += ",5";
  for (const std::string& offer :
       {std::string("56"), std::string(), std::string("05"), std::string("-5"), std::string("0x5"),
        std::string("4294967301"), std::string("x"), std::string("5 "), std::string("1,2,3"),
        std::string(","), long_list}) {
    EXPECT_FALSE(get_challenge(offer)) << offer;
    expect_authentication_failure(Step::kRespondAndClose);
  }
}

TEST_F(LoginChapTest, RefusesWrongResponses) {
  expect_response_refused(kUser, hex_of(std::string(16, 'x')));
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond(kUser, hex_of(right_response("othersecret"))));
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond("nobody", hex_of(right_response())));
  const std::string unknown = reason();
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond(kUser, hex_of(right_response("othersecret"))));
  EXPECT_EQ(reason(), unknown) << "the log does not tell names apart either";
}

TEST_F(LoginChapTest, RefusesResponsesOfTheWrongForm) {
  const std::string digits(8192, 'a');
  for (const size_t length : {0u, 1u, 2u, 30u, 33u, 34u, 63u, 64u, 66u, 510u, 514u, 7000u}) {
    expect_response_refused(kUser, "0x" + digits.substr(0, length));
  }
  for (size_t length = 0; length <= 96; ++length) {
    expect_response_refused(kUser, base64_of(std::string(length, 'x')));
    expect_response_refused(kUser, "0b" + digits.substr(0, length));
  }
  ASSERT_TRUE(get_challenge());
  const std::string right = right_response();
  std::string bad[] = {hex_of(right).substr(2),
                       hex_of(right) + "0",
                       hex_of(right) + " ",
                       "0x" + hex_of(right),
                       "12345",
                       "=" + hex_of(right)};
  for (const std::string& response : bad)
    expect_response_refused(kUser, response);
}

TEST_F(LoginChapTest, ComparesNamesAsText) {
  use({"AuthMethod=CHAP", "Auth_CHAP_Initiator=\"0xuser\":\"initsecret123\"",
       "Auth_CHAP_Initiator=\"0buser\":\"initsecret123\"",
       "Auth_CHAP_Initiator=\"%n%s\":\"initsecret123\""});
  for (const char* name : {"0xuser", "0buser", "%n%s"}) {
    ASSERT_TRUE(get_challenge());
    EXPECT_EQ(respond(name, hex_of(right_response())), Step::kRespond);
    expect_full_feature();
  }
  for (const size_t length : {0u, 255u, 256u, 257u, 8000u}) {
    expect_response_refused(std::string(length, 'u'), hex_of(std::string(16, 'x')));
  }
}

TEST_F(LoginChapTest, SendsANewChallengeEachTime) {
  std::map<std::string, int> seen;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(get_challenge());
    EXPECT_EQ(seen[challenge]++, 0);
  }
}

TEST_F(LoginChapTest, UsesTheConfiguredChallengeLength) {
  for (const char* length : {"16", "255", "1024"}) {
    use({"AuthMethod=CHAP", kInitiatorLine, std::string("Auth_CHAP_ChallengeLength=") + length});
    ASSERT_TRUE(get_challenge());
    EXPECT_EQ(std::to_string(challenge.size()), length);
    EXPECT_EQ(respond(kUser, hex_of(right_response())), Step::kRespond);
    expect_full_feature();
  }
}

// --- The table of accepted logins ---

enum class Way { kNoChap, kNoneOffered, kSkipSecurity, kOneway, kMutual };

class ChapPolicyTest : public LoginChapTest {
 protected:
  bool log_in(Way way) {
    const int admissions = host.admissions;
    start();
    Step step = Step::kRespond;
    if (way == Way::kSkipSecurity) {
      send(login_request(1, 3, true), names());
      return host.admissions > admissions;
    }
    if (way == Way::kNoChap) step = send(login_request(0, 1, true), names({"AuthMethod=None"}));
    if (way == Way::kNoneOffered) step = send(login_request(0, 1, true), names());
    if (way == Way::kOneway || way == Way::kMutual) {
      step = send(login_request(0, 1, true), names({"AuthMethod=CHAP"}));
      if (step != Step::kRespond || !ask_challenge("5")) return false;
      const std::string response = hex_of(right_response());
      step = way == Way::kOneway ? respond(kUser, response)
                                 : respond(kUser, response, {"CHAP_I=1", "CHAP_C=0x0102030405"});
      if (step == Step::kRespond && way == Way::kMutual) {
        EXPECT_EQ(keys["CHAP_N"], kTargetUser);
        EXPECT_EQ(from_hex(keys["CHAP_R"]), digest("5", 1, kTargetSecret, "\1\2\3\4\5"));
      }
    }
    if (step != Step::kRespond || !transited()) return false;
    send(1, 3, true, {});
    return host.admissions > admissions;
  }
};

TEST_F(ChapPolicyTest, AcceptsExactlyTheLoginsOfTheTable) {
  const struct {
    const char *methods, *policy;
    bool none, oneway, mutual;
  } kTable[] = {
      {"None,CHAP", "Oneway", true, true, true}, {"CHAP,None", "Mutual", true, false, true},
      {"None", "Oneway", true, false, false},    {"None", "Mutual", true, false, false},
      {"CHAP", "Oneway", false, true, true},     {"CHAP", "Mutual", false, false, true},
  };
  for (const auto& row : kTable) {
    use({std::string("AuthMethod=") + row.methods, std::string("Auth_CHAP_Policy=") + row.policy,
         kInitiatorLine, kTargetLine});
    const std::string name = std::string(row.methods) + " " + row.policy;
    EXPECT_EQ(log_in(Way::kNoChap), row.none) << name;
    EXPECT_EQ(log_in(Way::kNoneOffered), row.none) << name;
    EXPECT_EQ(log_in(Way::kSkipSecurity), row.none) << name;
    EXPECT_EQ(log_in(Way::kOneway), row.oneway) << name;
    EXPECT_EQ(log_in(Way::kMutual), row.mutual) << name;
  }
}

TEST_F(ChapPolicyTest, ChoosesTheFirstMethodOfTheOfferThatIsAllowed) {
  use({"AuthMethod=None,CHAP", kInitiatorLine});
  const std::pair<const char*, const char*> kRows[] = {{"CHAP,None", "CHAP"},
                                                       {"None,CHAP", "None"},
                                                       {"KRB5,SRP,CHAP", "CHAP"},
                                                       {"Z-x,None", "None"}};
  for (const auto& [offer, expected] : kRows) {
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names({std::string("AuthMethod=") + offer})),
              Step::kRespond);
    EXPECT_EQ(keys["AuthMethod"], expected);
  }
  for (const char* offer : {"KRB5", "", "none", "Reject", "CHAP ", ",,", "NotUnderstood"}) {
    expect_refused(login_request(0, 1, true), names({std::string("AuthMethod=") + offer}),
                   LoginStatus::kAuthenticationFailure);
  }
}

TEST_F(ChapPolicyTest, DoesNotChooseChapWithoutAccounts) {
  use({"AuthMethod=None,CHAP"});
  EXPECT_EQ(send(login_request(0, 1, true), names({"AuthMethod=CHAP,None"})), Step::kRespond);
  EXPECT_EQ(keys["AuthMethod"], "None");
}

// --- Steps out of order, C-9 and C-10 ---

struct WrongStep {
  std::initializer_list<std::string> keys;
  LoginStatus status;
};

// What is out of step is no wrong secret (RFC 7143 section 9.2).
TEST_F(LoginChapTest, RefusesStepsOutOfOrder) {
  const auto request = login_request(0, 1, true);
  expect_refused(request, names({"AuthMethod=CHAP", "CHAP_A=5"}), LoginStatus::kInitiatorError);
  expect_refused(request, names({"CHAP_A=5"}), LoginStatus::kInitiatorError);
  expect_refused(request, names({"AuthMethod=CHAP", "CHAP_N=x", "CHAP_R=0x00"}),
                 LoginStatus::kInitiatorError);
  const WrongStep kInsteadOfA[] = {
      {{}, LoginStatus::kMissingParameter},
      {{"CHAP_N=inituser", "CHAP_R=0x00"}, LoginStatus::kMissingParameter},
      {{"CHAP_A=5", "CHAP_N=x"}, LoginStatus::kInitiatorError},
      {{"CHAP_A=5", "CHAP_I=1"}, LoginStatus::kInitiatorError}};
  for (const WrongStep& step : kInsteadOfA) {
    start();
    EXPECT_EQ(send(request, names({"AuthMethod=CHAP"})), Step::kRespond);
    expect_wrong_step(send(0, 1, true, step.keys), step.status);
  }
  const WrongStep kInsteadOfR[] = {
      {{}, LoginStatus::kMissingParameter},
      {{"CHAP_N=inituser"}, LoginStatus::kMissingParameter},
      {{"CHAP_R=0x00"}, LoginStatus::kMissingParameter},
      {{"CHAP_I=1", "CHAP_C=0x00"}, LoginStatus::kMissingParameter},
      {{"CHAP_A=5", "CHAP_N=x", "CHAP_R=0x00"}, LoginStatus::kInitiatorError}};
  for (const WrongStep& step : kInsteadOfR) {
    ASSERT_TRUE(get_challenge());
    expect_wrong_step(send(0, 1, true, step.keys), step.status);
  }
  EXPECT_EQ(host.admissions, 0);
}

TEST_F(LoginChapTest, RefusesRepeatedSteps) {
  ASSERT_TRUE(get_challenge());
  EXPECT_EQ(send(0, 1, true, {"CHAP_A=5"}), Step::kRespondAndClose);
  ASSERT_TRUE(get_challenge());
  const std::string response = hex_of(right_response());
  EXPECT_EQ(send(0, 1, false, {"CHAP_N=inituser", "CHAP_R=" + response}), Step::kRespond);
  EXPECT_EQ(respond(kUser, response), Step::kRespondAndClose);
  EXPECT_EQ(host.admissions, 0);
}

TEST_F(LoginChapTest, RefusesToLeaveTheStageEarly) {
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(send(1, 3, true, {}));
  ASSERT_TRUE(get_challenge());
  expect_wrong_step(send(0, 3, true, {}), LoginStatus::kMissingParameter);
  start();
  EXPECT_EQ(send(login_request(0, 1, true), names({"AuthMethod=CHAP"})), Step::kRespond);
  expect_wrong_step(send(0, 3, true, {"AuthMethod2=None"}), LoginStatus::kMissingParameter);
  EXPECT_EQ(host.admissions, 0);
}

TEST_F(LoginChapTest, LetsTheStageEndInALaterRequest) {
  ASSERT_TRUE(get_challenge());
  const std::string response = hex_of(right_response());
  EXPECT_EQ(send(0, 0, false, {"CHAP_N=inituser", "CHAP_R=" + response}), Step::kRespond);
  EXPECT_FALSE(transited());
  EXPECT_EQ(send(0, 3, true, {}), Step::kRespondAndEnterFullFeature);
  EXPECT_TRUE(host.admitted_connection.authenticated);
}

// --- Mutual CHAP, C-6, C-8, C-11 ---

class MutualChapTest : public LoginChapTest {
 protected:
  MutualChapTest() { use({"AuthMethod=CHAP", kInitiatorLine, kTargetLine}); }
  Step prove(const std::string& id, const std::string& value) {
    EXPECT_TRUE(get_challenge());
    return respond(kUser, hex_of(right_response()), {"CHAP_I=" + id, "CHAP_C=" + value});
  }
};

TEST_F(MutualChapTest, AnswersChallengesOfOneTo1024Bytes) {
  for (const size_t size : {1u, 2u, 16u, 1023u, 1024u}) {
    const std::string bytes(size, '\x5a');
    for (const std::string& text : {hex_of(bytes), base64_of(bytes)}) {
      EXPECT_EQ(prove("255", text), Step::kRespond) << size;
      EXPECT_EQ(from_hex(keys["CHAP_R"]), digest("5", 255, kTargetSecret, bytes));
      expect_full_feature();
    }
  }
  EXPECT_EQ(prove("0x7", "0x123"), Step::kRespond) << "odd: a leading zero is implied";
  EXPECT_EQ(from_hex(keys["CHAP_R"]), digest("5", 7, kTargetSecret, "\x01\x23"));
}

TEST_F(MutualChapTest, RefusesOtherChallenges) {
  const std::string bytes(1025, 'c');
  for (const std::string& text : {std::string(), std::string("0x"), std::string("0b"),
                                  std::string("0xzz"), std::string("1234"), hex_of(bytes),
                                  base64_of(bytes), std::string("0bAAA"), std::string("0bA===")}) {
    expect_wrong_step(prove("1", text), LoginStatus::kInitiatorError);
  }
}

TEST_F(MutualChapTest, RefusesOtherIdentifiers) {
  for (const char* id : {"256", "-1", "", "0x", "0x100", "0bAA==", " 5", "5x", "4294967301",
                         "1111111111111111111111111111111111111111"}) {
    expect_wrong_step(prove(id, "0x0102"), LoginStatus::kInitiatorError);
  }
  for (const char* id : {"0", "255", "0x0", "0xff", "0XFF"}) {
    EXPECT_EQ(prove(id, "0x0102"), Step::kRespond) << id;
  }
}

TEST_F(MutualChapTest, WantsIdentifierAndChallengeTogether) {
  for (const char* alone : {"CHAP_I=1", "CHAP_C=0x0102"}) {
    ASSERT_TRUE(get_challenge());
    expect_wrong_step(respond(kUser, hex_of(right_response()), {alone}),
                      LoginStatus::kMissingParameter);
  }
}

TEST_F(MutualChapTest, RefusesWithoutAnAccountOfOurs) {
  use({"AuthMethod=CHAP", kInitiatorLine});
  expect_authentication_failure(prove("1", "0x0102"));
}

TEST_F(MutualChapTest, RefusesItsOwnChallenge) {
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(
      respond(kUser, hex_of(right_response()), {"CHAP_I=1", "CHAP_C=" + hex_of(challenge)}));
}

TEST_F(MutualChapTest, RefusesTheChallengeOfAnotherConnection) {
  ChallengeRegistry registry;
  limits.challenges = &registry;
  ASSERT_TRUE(get_challenge());
  const OwnPtr<Login> first = std::move(login);
  const std::string other = challenge;
  ASSERT_TRUE(get_challenge());
  EXPECT_NE(challenge, other);
  expect_authentication_failure(
      respond(kUser, hex_of(right_response()), {"CHAP_I=1", "CHAP_C=" + base64_of(other)}));
  login.reset();
  EXPECT_TRUE(registry.contains(bytes_of(other)));
}

// --- Accounts of the storage driver, Guide 7.3.1.3 ---

class ChapHookTest : public LoginChapTest {
 protected:
  ChapHookTest() {
    TargetParseOptions options;
    options.has_chap_hook = true;
    use({"AuthMethod=CHAP"}, options);
    host.has_chap_hook = true;
    set_remote("hookedsecret");
  }
  void set_remote(const std::string& secret) {
    host.hook_answer.flag |= CHAP_FLAG_REMOTE_SECRET_VALID;
    host.hook_answer.remote_secret_length = static_cast<unsigned char>(secret.size());
    memcpy(host.hook_answer.remote_secret, secret.data(), secret.size());
  }
  void set_local(const std::string& name, const std::string& secret) {
    host.hook_answer.flag |= CHAP_FLAG_LOCAL_NAME_VALID | CHAP_FLAG_LOCAL_SECRET_VALID;
    host.hook_answer.local_secret_length = static_cast<unsigned char>(secret.size());
    memcpy(host.hook_answer.local_secret, secret.data(), secret.size());
    memcpy(host.hook_answer.local_name, name.data(), name.size());
  }
};

TEST_F(ChapHookTest, LetsTheDriversAccountIn) {
  ASSERT_TRUE(get_challenge());
  EXPECT_EQ(respond("anyone", hex_of(right_response("hookedsecret"))), Step::kRespond);
  EXPECT_EQ(host.asked_name, "anyone");
  expect_full_feature();
}

TEST_F(ChapHookTest, RefusesWhatTheDriverDoesNotKnow) {
  host.hook_answer.flag = 0;
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond("anyone", hex_of(right_response("hookedsecret"))));
  host.hook_answers = false;
  expect_response_refused("anyone", hex_of(std::string(16, 'x')));
  host.hook_answers = true;
  host.hook_answer.flag = CHAP_FLAG_REMOTE_SECRET_VALID;
  host.hook_answer.remote_secret_length = 0;
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond("anyone", hex_of(right_response(""))));
}

TEST_F(ChapHookTest, RefusesSecretsThatOverflowTheStructure) {
  for (const int which : {0, 1}) {
    (which == 0 ? host.hook_answer.remote_secret_length : host.hook_answer.local_secret_length) =
        17;
    ASSERT_TRUE(get_challenge());
    EXPECT_EQ(respond("anyone", hex_of(std::string(16, 'x'))), Step::kRespondAndClose);
    EXPECT_EQ(status(), LoginStatus::kTargetError);
    host.hook_answer.remote_secret_length = 12;
  }
}

TEST_F(ChapHookTest, ProvesItselfWithTheDriversAccount) {
  set_local("local", "localsecret16byt");
  ASSERT_TRUE(get_challenge("7"));
  EXPECT_EQ(
      respond("anyone", hex_of(right_response("hookedsecret")), {"CHAP_I=9", "CHAP_C=0x01020304"}),
      Step::kRespond);
  EXPECT_EQ(keys["CHAP_N"], "local");
  EXPECT_EQ(from_hex(keys["CHAP_R"]), digest("7", 9, "localsecret16byt", "\1\2\3\4"));
}

TEST_F(ChapHookTest, TakesANameWithoutATerminator) {
  set_local(std::string(256, 'n'), "localsecret16byt");
  ASSERT_TRUE(get_challenge());
  EXPECT_EQ(
      respond("anyone", hex_of(right_response("hookedsecret")), {"CHAP_I=9", "CHAP_C=0x01020304"}),
      Step::kRespond);
  EXPECT_EQ(keys["CHAP_N"].size(), 255u);
}

TEST_F(ChapHookTest, LetsTheDriverRequireMutualChap) {
  host.hook_answer.flag |= CHAP_FLAG_MUTUAL_REQUIRED;
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond("anyone", hex_of(right_response("hookedsecret"))));
}

TEST_F(ChapHookTest, RefusesOneSecretForBothDirections) {
  set_local("local", "hookedsecret");
  ASSERT_TRUE(get_challenge());
  expect_authentication_failure(respond("anyone", hex_of(right_response("hookedsecret"))));
  EXPECT_EQ(reason(), "one secret for both directions");
}

// --- Discovery ---

TEST_F(LoginChapTest, AuthenticatesDiscoveryByItsOwnAccounts) {
  host.discovery.methods = AuthChoice(AuthMethod::kChap);
  ASSERT_TRUE(host.discovery.initiators.append({"disco", "discosecret1"}).is_ok());
  expect_refused(login_request(1, 3, true), discovery_names(), LoginStatus::kAuthenticationFailure);
  start();
  EXPECT_EQ(send(login_request(0, 1, true), discovery_names({"AuthMethod=CHAP"})), Step::kRespond);
  ASSERT_TRUE(ask_challenge("5"));
  EXPECT_EQ(respond("disco", hex_of(right_response("discosecret1"))), Step::kRespond);
  expect_full_feature();
}

TEST_F(LoginChapTest, SurvivesEveryFailedAllocation) {
  use({"AuthMethod=CHAP", kInitiatorLine, kTargetLine});
  bool succeeded = false;
  for (uint64_t n = 1; !succeeded && n < 100; ++n) {
    start();
    host_fail_allocation_at(n);
    Step step = send(login_request(0, 1, true), names({"AuthMethod=CHAP"}));
    if (step == Step::kRespond) step = ask_challenge("5") ? Step::kRespond : Step::kRespondAndClose;
    if (step == Step::kRespond) {
      step = respond(kUser, hex_of(right_response()), {"CHAP_I=1", "CHAP_C=0x01"});
    }
    host_fail_allocation_at(0);
    succeeded = step == Step::kRespond;
    if (!succeeded) {
      EXPECT_EQ(status(), LoginStatus::kOutOfResources) << reason();
    }
  }
  EXPECT_TRUE(succeeded);
}

}  // namespace
}  // namespace chiscsi::test
