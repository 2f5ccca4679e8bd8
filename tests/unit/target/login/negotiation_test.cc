// SPDX-License-Identifier: GPL-2.0-only
//
// Negotiation: the answer to every kind of key at the edges of its range, by table. Rows L-11 and
// L-12 of the robustness corpus.
#include "target/login/negotiation.hh"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

class NegotiationTest : public testing::Test {
 protected:
  // The answer to one offer in a negotiation of its own: a value, "" for none, "!" for an error.
  std::string answer_to(const std::string& key, const std::string& value) {
    Negotiation fresh;
    fresh.start(ours);
    return take(fresh, key, value);
  }
  static std::string take(Negotiation& negotiation, const std::string& key,
                          const std::string& value) {
    TextBuffer buffer(1000);
    TextWriter writer(buffer);
    const KeyInfo* info = find_key(text_of(key));
    if (info == nullptr) return "unknown key";
    if (!negotiation.take(*info, text_of(value), writer).is_ok()) return "!";
    const auto pairs = pairs_of(string_of(buffer.bytes()));
    if (pairs.empty()) return "";
    EXPECT_EQ(pairs.size(), 1u);
    EXPECT_EQ(pairs[0].first, key);
    return pairs[0].second;
  }
  NegotiationSettings ours;
};

TEST_F(NegotiationTest, TakesNumbersWithinTheirRangeOnly) {
  for (const KeyInfo& info : key_table()) {
    if (info.number == nullptr) continue;
    ours.session.*info.number = info.maximum;
    const std::string low = std::to_string(info.minimum), high = std::to_string(info.maximum);
    EXPECT_NE(answer_to(info.name.data(), low), "Reject") << info.name.data();
    EXPECT_NE(answer_to(info.name.data(), high), "Reject") << info.name.data();
    EXPECT_EQ(answer_to(info.name.data(), std::to_string(info.maximum + 1)), "Reject")
        << info.name.data();
    if (info.minimum != 0) {
      EXPECT_EQ(answer_to(info.name.data(), std::to_string(info.minimum - 1)), "Reject")
          << info.name.data();
    }
    for (const char* bad : {"",
                            "-1",
                            "+5",
                            " 5",
                            "5 ",
                            "5x",
                            "0x",
                            "0xg",
                            "0b101",
                            "4294967296",
                            "4294967297",
                            "18446744073709551616",
                            "18446744073709551617",
                            "1~2",
                            "2~1",
                            "None",
                            "Yes",
                            "007",
                            "1,2",
                            "1e3",
                            "\xff"}) {
      EXPECT_EQ(answer_to(info.name.data(), bad), "Reject") << info.name.data() << "=" << bad;
    }
  }
}

TEST_F(NegotiationTest, TakesBooleansThatAreYesOrNo) {
  for (const KeyInfo& info : key_table()) {
    if (info.boolean == nullptr) continue;
    for (const char* bad : {"", "yes", "no", "Y", "1", "0", "true", "YES", "Yes,No", "Yes "}) {
      EXPECT_EQ(answer_to(info.name.data(), bad), "Reject") << info.name.data() << "=" << bad;
    }
    for (const bool mine : {false, true}) {
      ours.session.*info.boolean = mine;
      const bool is_and = info.kind == KeyKind::kAnd;
      EXPECT_EQ(answer_to(info.name.data(), "Yes"), is_and && !mine ? "No" : "Yes")
          << info.name.data();
      EXPECT_EQ(answer_to(info.name.data(), "No"), !is_and && mine ? "Yes" : "No")
          << info.name.data();
    }
  }
}

TEST_F(NegotiationTest, AppliesMinimumAndMaximum) {
  ours.session.max_burst_length = 65536;
  EXPECT_EQ(answer_to("MaxBurstLength", "65537"), "65536");
  EXPECT_EQ(answer_to("MaxBurstLength", "65535"), "65535");
  EXPECT_EQ(answer_to("MaxBurstLength", "0x4000"), "16384");
  ours.session.default_time2wait = 5;
  EXPECT_EQ(answer_to("DefaultTime2Wait", "4"), "5");
  EXPECT_EQ(answer_to("DefaultTime2Wait", "6"), "6");
}

TEST_F(NegotiationTest, KeepsTheLimitsOfThisImplementation) {
  ours.session.max_outstanding_r2t = 65535;
  ours.session.max_connections = 65535;
  ours.session.protocol_level = 31;
  EXPECT_EQ(answer_to("MaxOutstandingR2T", "65535"), std::to_string(kMaxOutstandingR2tLimit));
  EXPECT_EQ(answer_to("MaxConnections", "65535"), std::to_string(kMaxConnectionsLimit));
  EXPECT_EQ(answer_to("iSCSIProtocolLevel", "31"), "2");
  EXPECT_EQ(answer_to("iSCSIProtocolLevel", "1"), "1");
  EXPECT_EQ(answer_to("iSCSIProtocolLevel", "0"), "0");
}

TEST_F(NegotiationTest, ChoosesTheFirstListWordItSupports) {
  EXPECT_EQ(answer_to("HeaderDigest", "CRC32C,None"), "CRC32C");
  EXPECT_EQ(answer_to("HeaderDigest", "None,CRC32C"), "None");
  EXPECT_EQ(answer_to("HeaderDigest", "Y-x,,crc32c,CRC32C"), "CRC32C");
  EXPECT_EQ(answer_to("TaskReporting", "FastAbort,ResponseFence,RFC3720"), "RFC3720");
  for (const char* bad : {"", ",", "none", "CRC32", "CRC32C ", "Y-x"}) {
    EXPECT_EQ(answer_to("DataDigest", bad), "Reject") << bad;
  }
  std::string many;
  for (int i = 0; i < 64; ++i)
    many += "x,";
  EXPECT_EQ(answer_to("DataDigest", many), "Reject");
  EXPECT_EQ(answer_to("DataDigest", many + "None"), "None");
  ours.data_digests = DigestChoice(DigestType::kNone);
  EXPECT_EQ(answer_to("DataDigest", "CRC32C,None"), "None");
  EXPECT_EQ(answer_to("DataDigest", "CRC32C"), "Reject");
  ours.limits.header_digest = false;
  EXPECT_EQ(answer_to("HeaderDigest", "CRC32C,None"), "None");
}

TEST_F(NegotiationTest, AnswersObsoleteKeys) {
  for (const char* key : {"IFMarker", "OFMarker"}) {
    for (const char* value : {"Yes", "No", ""})
      EXPECT_EQ(answer_to(key, value), "No");
  }
  for (const char* key : {"IFMarkInt", "OFMarkInt"}) {
    EXPECT_EQ(answer_to(key, "2048~65535"), "Reject");
  }
}

TEST_F(NegotiationTest, RefusesAnswerWordsAsOffers) {
  for (const KeyInfo& info : key_table()) {
    if (!info.allows(kInOperational) || info.kind == KeyKind::kDeclaration) continue;
    for (const char* word : {"Reject", "Irrelevant", "NotUnderstood"}) {
      EXPECT_EQ(answer_to(info.name.data(), word), "!") << info.name.data();
    }
  }
}

TEST_F(NegotiationTest, FindsSessionKeysIrrelevantInDiscovery) {
  ours.discovery = true;
  int irrelevant = 0;
  for (const KeyInfo& info : key_table()) {
    if (!info.has(kIrrelevantInDiscovery)) continue;
    ++irrelevant;
    EXPECT_EQ(answer_to(info.name.data(), "Yes"), "Irrelevant") << info.name.data();
  }
  EXPECT_EQ(irrelevant, 10);
  EXPECT_EQ(answer_to("ErrorRecoveryLevel", "2"), "0");
  EXPECT_EQ(answer_to("HeaderDigest", "CRC32C"), "CRC32C");
}

TEST_F(NegotiationTest, RejectsLeadingOnlyKeysOnOtherConnections) {
  ours.leading = false;
  ours.session.max_burst_length = 1024;
  for (const KeyInfo& info : key_table()) {
    if (!info.has(kLeadingOnly)) continue;
    Negotiation negotiation;
    negotiation.start(ours);
    EXPECT_EQ(take(negotiation, info.name.data(), "512"), "Reject") << info.name.data();
    EXPECT_EQ(negotiation.session_keys().max_burst_length, 1024u);
  }
}

TEST_F(NegotiationTest, TakesDeclaredSizesInRange) {
  for (const char* good : {"512", "8192", "16777215", "0x200"}) {
    EXPECT_EQ(answer_to("MaxRecvDataSegmentLength", good), "");
  }
  for (const char* bad : {"", "0", "511", "16777216", "4294968320", "x", "512x"}) {
    EXPECT_EQ(answer_to("MaxRecvDataSegmentLength", bad), "!") << bad;
  }
  ours.limits.max_send_data_segment_length = 16384;
  Negotiation negotiation;
  negotiation.start(ours);
  EXPECT_EQ(take(negotiation, "MaxRecvDataSegmentLength", "65536"), "");
  ConnectionParameters connection;
  negotiation.store(&connection);
  EXPECT_EQ(connection.max_send_data_segment_length, 16384u);
}

TEST_F(NegotiationTest, KeepsFirstBurstWithinMaxBurst) {
  Negotiation negotiation;
  negotiation.start(ours);
  EXPECT_EQ(take(negotiation, "MaxBurstLength", "4096"), "4096");
  EXPECT_EQ(take(negotiation, "FirstBurstLength", "65536"), "4096");
  EXPECT_TRUE(negotiation.check().is_ok());
}

TEST_F(NegotiationTest, RefusesAFirstBurstBeyondALaterMaxBurst) {
  Negotiation negotiation;
  negotiation.start(ours);
  EXPECT_EQ(take(negotiation, "FirstBurstLength", "65536"), "65536");
  EXPECT_EQ(take(negotiation, "MaxBurstLength", "4096"), "4096");
  const LoginVerdict verdict = negotiation.check();
  EXPECT_FALSE(verdict.is_ok());
  EXPECT_STREQ(verdict.key, "FirstBurstLength");
}

TEST_F(NegotiationTest, DoesNotCareAboutFirstBurstWithoutUnsolicitedData) {
  Negotiation negotiation;
  negotiation.start(ours);
  EXPECT_EQ(take(negotiation, "ImmediateData", "No"), "No");
  EXPECT_EQ(take(negotiation, "MaxBurstLength", "4096"), "4096");
  EXPECT_TRUE(negotiation.check().is_ok());
  EXPECT_FALSE(negotiation.has_offers_to_make());
}

TEST_F(NegotiationTest, MakesNoOffersWhereDefaultsFit) {
  Negotiation negotiation;
  negotiation.start(ours);
  EXPECT_FALSE(negotiation.has_offers_to_make());
  EXPECT_TRUE(negotiation.check().is_ok());
  const SessionKeys& keys = negotiation.session_keys();
  EXPECT_TRUE(keys.initial_r2t);
  EXPECT_TRUE(keys.immediate_data);
  EXPECT_EQ(keys.max_burst_length, 262144u);
  EXPECT_EQ(keys.first_burst_length, 65536u);
}

TEST_F(NegotiationTest, DoesNotGoOnWithARefusedDigest) {
  ours.header_digests = DigestChoice(DigestType::kCrc32c);
  Negotiation negotiation;
  negotiation.start(ours);
  EXPECT_TRUE(negotiation.has_offers_to_make());
  EXPECT_EQ(take(negotiation, "HeaderDigest", "None"), "Reject");
  EXPECT_FALSE(negotiation.has_offers_to_make());
  EXPECT_FALSE(negotiation.check().is_ok());
}

}  // namespace
}  // namespace chiscsi::test
