// SPDX-License-Identifier: GPL-2.0-only
//
// CHAP over the wire, where the surroundings of a login matter: accounts that change in the middle
// of it (row C-14 of the robustness corpus), many logins at once (C-13), and connections that join
// a session that was authenticated. The exchange itself has its tests in tests/unit.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "os/digest.h"
#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr char kFirst[] = "\"first\":\"secret-of-the-first\"";
constexpr char kSecond[] = "\"second\":\"secret-of-the-second\"";

std::string to_hex(const uint8_t* bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

ByteVector from_hex(const std::string& text) {
  ByteVector bytes;
  for (size_t i = 2; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string value_of(const Pdu& pdu, const std::string& key) {
  const auto keys = pdu.keys();
  const auto found = keys.find(key);
  return found == keys.end() ? "" : found->second;
}

// The keys that answer a challenge with MD5.
KeyList response_to(const Pdu& pdu, const std::string& name, const std::string& secret) {
  const auto identifier = static_cast<uint8_t>(std::stoi(value_of(pdu, "CHAP_I")));
  const ByteVector challenge = from_hex(value_of(pdu, "CHAP_C"));
  const os_hash_part parts[] = {
      {&identifier, 1}, {secret.data(), secret.size()}, {challenge.data(), challenge.size()}};
  uint8_t digest[OS_HASH_MAX_SIZE];
  EXPECT_EQ(os_hash(OS_HASH_MD5, parts, 3, digest), 0);
  return {{"CHAP_N", name}, {"CHAP_R", to_hex(digest, os_hash_size(OS_HASH_MD5))}};
}

class ChapProtocol : public ProtocolTest {
 protected:
  void use_accounts(const std::vector<std::string>& accounts) {
    keys.erase(std::remove_if(keys.begin(), keys.end(),
                              [](const auto& key) { return key.first == "Auth_CHAP_Initiator"; }),
               keys.end());
    for (const std::string& account : accounts)
      keys.emplace_back("Auth_CHAP_Initiator", account);
  }
  void start_with(const std::vector<std::string>& accounts, const std::string& methods = "CHAP") {
    set_key("AuthMethod", methods);
    set_key("MaxConnections", "4");
    use_accounts(accounts);
    driver.with_login_hooks = false;  // The accounts are those of the settings.
    start();
  }
  void reload_with(const std::vector<std::string>& accounts) {
    use_accounts(accounts);
    ASSERT_EQ(driver.reconfigure_target(kTargetName, target_keys()), 0);
  }
  // `before_response` runs when the challenge is there.
  LoginOptions as(const std::string& name, const std::string& secret,
                  std::function<void()> before_response = {}) {
    LoginOptions login;
    const KeyList operational = {{"MaxConnections", "4"}};
    login.first_stage = Stage::kSecurity;
    login.keys = {{"AuthMethod", "CHAP"}};
    login.next_round = [=](const Pdu& response) -> KeyList {
      if (!value_of(response, "AuthMethod").empty()) return {{"CHAP_A", "5"}};
      if (value_of(response, "CHAP_C").empty()) return operational;
      if (before_response) before_response();
      return response_to(response, name, secret);
    };
    return login;
  }
  LoginResult try_login(const LoginOptions& login) {
    peers.push_back(std::make_unique<Initiator>(port));
    return peers.back()->login(login);
  }
  // MaxConnections is the leading connection's to negotiate.
  static LoginOptions joining(LoginOptions login, uint16_t tsih, uint16_t cid) {
    login.tsih = tsih;
    login.cid = cid;
    const auto leading = login.next_round;
    login.next_round = [leading](const Pdu& response) -> KeyList {
      const KeyList keys = leading(response);
      return !keys.empty() && keys[0].first == "MaxConnections" ? KeyList() : keys;
    };
    return login;
  }
  std::vector<std::unique_ptr<Initiator>> peers;
};

#define EXPECT_REFUSED(result) \
  EXPECT_EQ((result).status, static_cast<uint16_t>(LoginStatus::kAuthenticationFailure))

// ---- C-14 ----

// A login ends by the settings it has begun with; the next one begins with the new ones.
TEST_F(ChapProtocol, SecretMayChangeBetweenChallengeAndResponse) {
  start_with({kFirst});
  const std::string changed = "\"first\":\"quite-another-secret\"";
  const auto change = [&] { reload_with({changed}); };
  EXPECT_TRUE(try_login(as("first", "secret-of-the-first", change)).in_full_feature);
  EXPECT_REFUSED(try_login(as("first", "secret-of-the-first")));
  const auto change_back = [&] { reload_with({kFirst}); };
  EXPECT_REFUSED(try_login(as("first", "secret-of-the-first", change_back)));
  EXPECT_TRUE(try_login(as("first", "secret-of-the-first")).in_full_feature);
}

TEST_F(ChapProtocol, AccountMayGoBetweenChallengeAndResponse) {
  start_with({kFirst, kSecond});
  const auto remove = [&] { reload_with({kSecond}); };
  EXPECT_TRUE(try_login(as("first", "secret-of-the-first", remove)).in_full_feature);
  EXPECT_REFUSED(try_login(as("first", "secret-of-the-first")));
  LoginOptions second = as("second", "secret-of-the-second");
  second.isid[5] = 2;  // The session of the first is there, and not for others to end.
  EXPECT_TRUE(try_login(second).in_full_feature);
}

// A driver that knows the accounts is asked when the response has come: its word of then counts.
TEST_F(ChapProtocol, DriverMayChangeItsMindBetweenChallengeAndResponse) {
  set_key("AuthMethod", "CHAP");
  driver.initiator_secret = "secret-of-the-driver";
  start();
  const auto change = [&] { driver.initiator_secret = "another-secret"; };
  EXPECT_REFUSED(try_login(as("any", "secret-of-the-driver", change)));
  EXPECT_TRUE(try_login(as("any", "another-secret")).in_full_feature);
}

// A removal ends the login; nothing of its settings is touched afterwards.
TEST_F(ChapProtocol, TargetMayGoBetweenChallengeAndResponse) {
  start_with({kFirst});
  const LoginResult result =
      try_login(as("first", "secret-of-the-first", [&] { remove_target(); }));
  EXPECT_FALSE(result.in_full_feature);
}

// ---- C-13 ----

// So many at a time as the target lets in, each with its challenge in flight.
TEST_F(ChapProtocol, ThousandChallengesInFlightAreAllDifferent) {
  options.max_pending_logins = 300;
  start_with({kFirst});
  std::set<std::string> challenges;
  for (int wave = 0; wave < 4; ++wave) {
    std::vector<std::unique_ptr<Initiator>> waiting;
    for (int i = 0; i < 250; ++i) {
      waiting.push_back(std::make_unique<Initiator>(port));
      Initiator& peer = *waiting.back();
      for (const KeyList& text : {KeyList{{"InitiatorName", "iqn.2026-11.org.example:initiator"},
                                          {"TargetName", kTargetName},
                                          {"AuthMethod", "CHAP"}},
                                  KeyList{{"CHAP_A", "5"}}}) {
        Pdu pdu;
        auto& request = pdu.as<LoginRequest>();
        request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
        request.flags = kLoginTransit | 1;
        request.isid[0] = 0x80;
        request.isid[4] = static_cast<uint8_t>(wave);
        request.isid[5] = static_cast<uint8_t>(i);
        pdu.set_keys(text);
        ASSERT_TRUE(peer.send(pdu));
        const auto answer = peer.receive();
        ASSERT_TRUE(answer && answer->opcode() == Opcode::kLoginResponse);
        if (value_of(*answer, "CHAP_C").empty()) continue;
        EXPECT_TRUE(challenges.insert(value_of(*answer, "CHAP_C")).second);
      }
    }
  }
  EXPECT_EQ(challenges.size(), 1000u);
}

// ---- Connections that join ----

TEST_F(ChapProtocol, OnlyTheAccountOfTheSessionMayJoin) {
  start_with({kFirst, kSecond}, "CHAP,None");
  const LoginResult leading = try_login(as("first", "secret-of-the-first"));
  ASSERT_TRUE(leading.in_full_feature);
  const auto join = [&](const LoginOptions& login, uint16_t cid) {
    return try_login(joining(login, leading.tsih, cid));
  };
  EXPECT_REFUSED(join(as("second", "secret-of-the-second"), 1));
  LoginOptions nobody;
  nobody.tsih = leading.tsih;
  nobody.cid = 2;
  EXPECT_REFUSED(try_login(nobody));
  EXPECT_TRUE(join(as("first", "secret-of-the-first"), 3).in_full_feature);
  EXPECT_TRUE(peers.front()->ping());
  EXPECT_TRUE(peers.back()->ping());
  // Not even in the place of a connection that is there.
  EXPECT_REFUSED(join(as("second", "secret-of-the-second"), 3));
  EXPECT_TRUE(peers[3]->ping());
}

// The ISID of a session and its initiator's name are no secret.
TEST_F(ChapProtocol, OnlyTheAccountOfASessionMayReplaceIt) {
  start_with({kFirst, kSecond}, "CHAP,None");
  constexpr auto kForbidden = static_cast<uint16_t>(LoginStatus::kAuthorizationFailure);
  ASSERT_TRUE(try_login(as("first", "secret-of-the-first")).in_full_feature);
  EXPECT_EQ(try_login(as("second", "secret-of-the-second")).status, kForbidden);
  EXPECT_EQ(try_login({}).status, kForbidden);
  EXPECT_TRUE(peers.front()->ping());
  EXPECT_TRUE(try_login(as("first", "secret-of-the-first")).in_full_feature);
  EXPECT_TRUE(peers.front()->closed_by_target());
  EXPECT_TRUE(peers.back()->ping());
}

TEST_F(ChapProtocol, NobodyAuthenticatedJoinsASessionThatWasNot) {
  start_with({kFirst}, "CHAP,None");
  LoginOptions nobody;
  nobody.keys = {{"MaxConnections", "4"}};
  const LoginResult leading = try_login(nobody);
  ASSERT_TRUE(leading.in_full_feature);
  EXPECT_REFUSED(try_login(joining(as("first", "secret-of-the-first"), leading.tsih, 1)));
  nobody.keys.clear();
  nobody.tsih = leading.tsih;
  nobody.cid = 2;
  EXPECT_TRUE(try_login(nobody).in_full_feature);
}

}  // namespace
}  // namespace chiscsi::test
