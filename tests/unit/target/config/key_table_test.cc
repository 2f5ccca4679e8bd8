// SPDX-License-Identifier: GPL-2.0-only
//
// The key table against RFC 7143 sections 12 and 13, written down a second time by hand.
#include "target/config/key_table.hh"

#include <gtest/gtest.h>

#include <string>

namespace chiscsi {
namespace {

struct Row {
  const char* name;
  const char* stages;   // S, O, F
  const char* senders;  // I, T
  bool leading_only;
  bool irrelevant_in_discovery;
};

constexpr Row kRfc[] = {
    {"InitiatorName", "SO", "I", false, false},
    {"InitiatorAlias", "SOF", "I", false, false},
    {"SessionType", "SO", "I", false, false},
    {"TargetName", "SO", "IT", false, false},
    {"TargetAlias", "SOF", "T", false, false},
    {"TargetAddress", "SOF", "T", false, false},
    {"TargetPortalGroupTag", "SO", "T", false, false},
    {"X#NodeArchitecture", "SO", "IT", false, false},
    {"AuthMethod", "S", "IT", false, false},
    {"CHAP_A", "S", "IT", false, false},
    {"CHAP_I", "S", "IT", false, false},
    {"CHAP_C", "S", "IT", false, false},
    {"CHAP_N", "S", "IT", false, false},
    {"CHAP_R", "S", "IT", false, false},
    {"HeaderDigest", "O", "IT", false, false},
    {"DataDigest", "O", "IT", false, false},
    {"MaxRecvDataSegmentLength", "OF", "IT", false, false},
    {"MaxConnections", "O", "IT", true, true},
    {"InitialR2T", "O", "IT", true, true},
    {"ImmediateData", "O", "IT", true, true},
    {"MaxBurstLength", "O", "IT", true, true},
    {"FirstBurstLength", "O", "IT", true, true},
    {"DefaultTime2Wait", "O", "IT", true, false},
    {"DefaultTime2Retain", "O", "IT", true, false},
    {"MaxOutstandingR2T", "O", "IT", true, true},
    {"DataPDUInOrder", "O", "IT", true, true},
    {"DataSequenceInOrder", "O", "IT", true, true},
    {"ErrorRecoveryLevel", "O", "IT", true, false},
    {"TaskReporting", "O", "IT", true, true},
    {"iSCSIProtocolLevel", "O", "IT", true, true},
    {"IFMarker", "O", "IT", false, false},
    {"OFMarker", "O", "IT", false, false},
    {"IFMarkInt", "O", "IT", false, false},
    {"OFMarkInt", "O", "IT", false, false},
    {"SendTargets", "F", "I", false, false},
};

TEST(KeyTable, SaysWhatTheRfcSays) {
  EXPECT_EQ(key_table().size(), sizeof(kRfc) / sizeof(kRfc[0]));
  for (const Row& row : kRfc) {
    const KeyInfo* info = find_key(row.name);
    ASSERT_NE(info, nullptr) << row.name;
    const std::string stages = row.stages, senders = row.senders;
    EXPECT_EQ(info->allows(kInSecurity), stages.find('S') != std::string::npos) << row.name;
    EXPECT_EQ(info->allows(kInOperational), stages.find('O') != std::string::npos) << row.name;
    EXPECT_EQ(info->allows(kInFullFeature), stages.find('F') != std::string::npos) << row.name;
    EXPECT_EQ(info->has(kByInitiator), senders.find('I') != std::string::npos) << row.name;
    EXPECT_EQ(info->has(kByTarget), senders.find('T') != std::string::npos) << row.name;
    EXPECT_EQ(info->has(kLeadingOnly), row.leading_only) << row.name;
    EXPECT_EQ(info->has(kIrrelevantInDiscovery), row.irrelevant_in_discovery) << row.name;
  }
}

TEST(KeyTable, HasTheRfcsRangesAndDefaults) {
  const struct {
    const char* name;
    uint32_t minimum, maximum, standard;
  } kRows[] = {{"MaxConnections", 1, 65535, 1},
               {"MaxBurstLength", 512, 16777215, 262144},
               {"FirstBurstLength", 512, 16777215, 65536},
               {"DefaultTime2Wait", 0, 3600, 2},
               {"DefaultTime2Retain", 0, 3600, 20},
               {"MaxOutstandingR2T", 1, 65535, 1},
               {"ErrorRecoveryLevel", 0, 2, 0},
               {"iSCSIProtocolLevel", 0, 31, 1}};
  const SessionKeys defaults;
  for (const auto& row : kRows) {
    const KeyInfo& info = *find_key(row.name);
    EXPECT_EQ(info.minimum, row.minimum) << row.name;
    EXPECT_EQ(info.maximum, row.maximum) << row.name;
    EXPECT_EQ(defaults.*info.number, row.standard) << row.name;
  }
  for (const char* name :
       {"InitialR2T", "ImmediateData", "DataPDUInOrder", "DataSequenceInOrder"}) {
    EXPECT_TRUE(defaults.*(find_key(name)->boolean)) << name;
  }
}

TEST(KeyTable, FindsEachKeyByItsExactName) {
  for (const KeyInfo& info : key_table()) {
    EXPECT_EQ(find_key(info.name), &info);
    EXPECT_EQ(&key_info(info.key), &info);
    const std::string name = info.name.data();
    EXPECT_EQ(find_key({name.data(), name.size() - 1}), nullptr);
    EXPECT_EQ(find_key({(name + "x").data(), name.size() + 1}), nullptr);
  }
  EXPECT_EQ(find_key(""), nullptr);
  EXPECT_EQ(find_key("initialr2t"), nullptr);
}

TEST(KeyTable, GivesEachNumberAndBooleanAMember) {
  for (const KeyInfo& info : key_table()) {
    const bool number = info.kind == KeyKind::kMinimum || info.kind == KeyKind::kMaximum;
    const bool boolean = info.kind == KeyKind::kAnd || info.kind == KeyKind::kOr;
    EXPECT_EQ(info.number != nullptr, number) << info.name.data();
    EXPECT_EQ(info.boolean != nullptr, boolean) << info.name.data();
  }
}

TEST(IscsiName, AcceptsTheThreeFormats) {
  for (const char* name :
       {"iqn.2001-04.com.example", "iqn.2001-04.com.example:storage.disk2.sys1_xyz",
        "eui.02004567A425678D", "naa.52004567BA64678D", "iqn.2001-04.com.ex\xc3\xa4mple",
        "iqn.x\xe2\x82\xac", "iqn.x\xf0\x9f\x98\x80"}) {
    EXPECT_TRUE(is_iscsi_name(name)) << name;
  }
}

TEST(IscsiName, RefusesEverythingElse) {
  for (const char* name : {"",
                           "iqn",
                           "iqn.",
                           "disk",
                           "IQN.2001-04.com.example",
                           "iqn.a b",
                           "iqn.a,b",
                           "iqn.a=b",
                           "iqn.a;b",
                           "iqn.a\"b",
                           "iqn.a%n",
                           "iqn.a/b",
                           "iqn.a\tb",
                           "iqn.\x7f",
                           "iqn.\x80",
                           "iqn.\xc3",
                           "iqn.\xc0\xaf",
                           "iqn.\xe2\x82",
                           "iqn.\xed\xa0\x80",
                           "iqn.\xe0\x80\x80",
                           "iqn.\xf0\x80\x80\x80",
                           "iqn.\xf4\x90\x80\x80",
                           "iqn.\xf8\x88\x80\x80\x80",
                           "iqn.\xc3\x28",
                           "iqn.\xff"}) {
    EXPECT_FALSE(is_iscsi_name(name)) << name;
  }
  EXPECT_FALSE(is_iscsi_name({"iqn.a\0b", 7}));
  const std::string longest = "iqn." + std::string(219, 'a');
  EXPECT_TRUE(is_iscsi_name({longest.data(), 223}));
  EXPECT_FALSE(is_iscsi_name({(longest + "a").data(), 224}));
}

}  // namespace
}  // namespace chiscsi
