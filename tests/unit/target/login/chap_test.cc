// SPDX-License-Identifier: GPL-2.0-only
//
// ChapExchange: known answers through the production path, one-way and mutual, and the reflection
// rules. Row C-12 of the robustness corpus. The expected digests were computed with Python's
// hashlib.
#include "target/login/chap.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "host.hh"
#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

struct KnownAnswer {
  int algorithm;
  const char* response;  // To identifier 0x27, "targetsecret1234", challenge 00 01 ... 0f.
};
constexpr KnownAnswer kKnownAnswers[] = {
    {OS_HASH_MD5, "0xf25bdfe5aa55c49eebc9de46aa400e1a"},
    {OS_HASH_SHA1, "0x7267eba60fc100f8772a7f3d61eda652532912b0"},
    {OS_HASH_SHA256, "0x07dfba927ae5e90c2ee62626b8f4baea703239040dca8eaae5ff75f1ff1804a4"},
    {OS_HASH_SHA3_256, "0x4e322e89228094dc136d869f98b2215879a53d5d050be01b6ca8afcf2d52ba3e"},
};
constexpr char kRemote[] = "initiatorsecret1";
constexpr char kLocal[] = "targetsecret1234";

class ChapTest : public testing::Test {
 protected:
  ChapTest() {
    credentials.known = true;
    credentials.remote_secret = Text(kRemote).bytes();
    credentials.local_name = "target";
    credentials.local_secret = Text(kLocal).bytes();
  }
  LoginVerdict challenge(int algorithm) {
    chap.start();
    TextWriter writer(answer);
    offered_text = std::to_string(algorithm);
    return chap.challenge(text_of(offered_text), 16, writer);
  }
  // What a peer that knows `secret` answers.
  std::string response_with(const char* secret) {
    const uint8_t identifier = chap.identifier();
    const Bytes challenge = chap.challenge_bytes();
    const os_hash_part parts[] = {
        {&identifier, 1}, {secret, strlen(secret)}, {challenge.data(), challenge.size()}};
    uint8_t digest[OS_HASH_MAX_SIZE];
    EXPECT_EQ(os_hash(chap.algorithm(), parts, 3, digest), 0);
    return hex_of(std::string(reinterpret_cast<char*>(digest), os_hash_size(chap.algorithm())));
  }
  LoginVerdict verify(const std::string& response, bool mutual) {
    response_text = response;
    OfferedKeys offered;
    offered.set(TextKey::kChapN, "initiator");
    offered.set(TextKey::kChapR, text_of(response_text));
    if (mutual) {
      offered.set(TextKey::kChapI, "0x27");
      offered.set(TextKey::kChapC, "0x000102030405060708090a0b0c0d0e0f");
    }
    answer.clear();
    TextWriter writer(answer);
    return chap.verify(offered, credentials, writer);
  }

  TextBuffer answer{8192};
  ChallengeRegistry registry;
  ChapExchange chap{&registry};
  ChapCredentials credentials;
  std::string offered_text, response_text;
};

TEST_F(ChapTest, GivesTheKnownAnswers) {
  for (const KnownAnswer& known : kKnownAnswers) {
    ASSERT_TRUE(challenge(known.algorithm).is_ok());
    ASSERT_TRUE(verify(response_with(kRemote), true).is_ok());
    EXPECT_TRUE(chap.succeeded());
    EXPECT_EQ(string_of(answer.bytes()),
              wire({"CHAP_N=target", std::string("CHAP_R=") + known.response}));
  }
}

TEST_F(ChapTest, TellsAWrongSecretFromARightOne) {
  for (const KnownAnswer& known : kKnownAnswers) {
    ASSERT_TRUE(challenge(known.algorithm).is_ok());
    EXPECT_FALSE(verify(response_with("initiatorsecret2"), false).is_ok());
    EXPECT_EQ(chap.state(), ChapExchange::State::kFailed);
    ASSERT_TRUE(challenge(known.algorithm).is_ok());
    EXPECT_TRUE(verify(response_with(kRemote), false).is_ok());
  }
}

TEST_F(ChapTest, RefusesAPrefixOfTheDigest) {
  ASSERT_TRUE(challenge(OS_HASH_SHA256).is_ok());
  const std::string right = response_with(kRemote);
  EXPECT_FALSE(verify(right.substr(0, 2 + 32), false).is_ok());
  EXPECT_FALSE(verify(right + "00", false).is_ok());
}

TEST_F(ChapTest, RefusesAnUnknownNameWithAnyResponse) {
  ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
  credentials.known = false;
  EXPECT_FALSE(verify(response_with(kRemote), false).is_ok());
  // Not even the digest over the stand-in for a secret.
  ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
  const uint8_t identifier = chap.identifier();
  const char zeros[16] = {};
  const os_hash_part parts[] = {{&identifier, 1},
                                {zeros, sizeof(zeros)},
                                {chap.challenge_bytes().data(), chap.challenge_bytes().size()}};
  uint8_t digest[OS_HASH_MAX_SIZE];
  ASSERT_EQ(os_hash(OS_HASH_MD5, parts, 3, digest), 0);
  EXPECT_FALSE(verify(hex_of(std::string(reinterpret_cast<char*>(digest), 16)), false).is_ok());
}

TEST_F(ChapTest, RefusesOneSecretForBothDirections) {
  credentials.local_secret = credentials.remote_secret;
  ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
  EXPECT_FALSE(verify(response_with(kRemote), false).is_ok());
}

TEST_F(ChapTest, RequiresMutualAuthenticationWhenTold) {
  credentials.mutual_required = true;
  ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
  EXPECT_FALSE(verify(response_with(kRemote), false).is_ok());
  ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
  EXPECT_TRUE(verify(response_with(kRemote), true).is_ok());
}

TEST_F(ChapTest, ReportsAHashThatFails) {
  ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
  const std::string response = response_with(kRemote);
  host_set_hash_missing(OS_HASH_MD5, true);
  const LoginVerdict verdict = verify(response, false);
  host_set_hash_missing(OS_HASH_MD5, false);
  EXPECT_EQ(verdict.status, iscsi::LoginStatus::kTargetError);
  EXPECT_FALSE(chap.succeeded());
}

// Row C-13 of the robustness corpus.
TEST_F(ChapTest, DoesNotRepeatAChallenge) {
  std::vector<std::array<uint8_t, 16>> seen(1'000'000);
  for (auto& one : seen) {
    answer.clear();
    ASSERT_TRUE(challenge(OS_HASH_MD5).is_ok());
    ASSERT_EQ(chap.challenge_bytes().size(), one.size());
    std::copy_n(chap.challenge_bytes().data(), one.size(), one.begin());
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

// A login that has succeeded ends on another thread than the registry's.
TEST_F(ChapTest, AnAnsweredChallengeIsOutNoMore) {
  ASSERT_TRUE(challenge(OS_HASH_SHA256).is_ok());
  EXPECT_TRUE(registry.contains(chap.challenge_bytes()));
  ASSERT_TRUE(verify(response_with(kRemote), true).is_ok());
  EXPECT_FALSE(registry.contains(chap.challenge_bytes()));
}

TEST(ChallengeRegistry, ForgetsAnExchangeThatIsGone) {
  ChallengeRegistry registry;
  std::string bytes;
  {
    ChapExchange chap(&registry);
    TextBuffer answer(8192);
    TextWriter writer(answer);
    chap.start();
    ASSERT_TRUE(chap.challenge("5", 32, writer).is_ok());
    bytes = string_of(chap.challenge_bytes());
    EXPECT_TRUE(registry.contains(bytes_of(bytes)));
    EXPECT_FALSE(registry.contains(bytes_of(bytes).first(31)));
  }
  EXPECT_FALSE(registry.contains(bytes_of(bytes)));
}

}  // namespace
}  // namespace chiscsi::test
