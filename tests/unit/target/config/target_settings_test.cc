// SPDX-License-Identifier: GPL-2.0-only
//
// TargetSettings: every key with its range and default, every grammar with its errors, what spans
// several keys, reload rules, and that secrets do not outlive the snapshot. Row K-3 and K-5 of the
// robustness corpus.
#include "host.hh"
#include "parsed_settings.hh"
#include "target/config/address.hh"

namespace chiscsi {
namespace {

// --- Keys of RFC 7143 ---

TEST(TargetSettings, HasTheDocumentedDefaults) {
  const Parsed parsed = parse({});
  ASSERT_TRUE(parsed.settings);
  const TargetSettings& s = *parsed.settings;
  EXPECT_EQ(string_of(s.name()), kName);
  EXPECT_TRUE(s.alias().empty());
  EXPECT_EQ(s.session_keys().max_connections, 1u);
  EXPECT_TRUE(s.session_keys().initial_r2t);
  EXPECT_TRUE(s.session_keys().immediate_data);
  EXPECT_EQ(s.session_keys().first_burst_length, 65536u);
  EXPECT_EQ(s.session_keys().max_burst_length, 262144u);
  EXPECT_EQ(s.session_keys().max_outstanding_r2t, 1u);
  EXPECT_EQ(s.session_keys().default_time2wait, 2u);
  EXPECT_EQ(s.session_keys().default_time2retain, 20u);
  EXPECT_EQ(s.session_keys().error_recovery_level, 0u);
  EXPECT_EQ(s.max_recv_data_segment_length(), kDefaultReceiveLimit);
  EXPECT_EQ(s.header_digests().size(), 1);
  EXPECT_TRUE(s.header_digests().contains(DigestType::kNone));
  EXPECT_EQ(s.data_digests().size(), 1);
  EXPECT_EQ(s.auth().methods.size(), 2);
  EXPECT_EQ(s.auth().methods[0], AuthMethod::kNone);
  EXPECT_EQ(s.auth().policy, ChapPolicy::kOneway);
  EXPECT_EQ(s.auth().challenge_length, 16u);
  EXPECT_EQ(s.max_commands(), 128u);
  EXPECT_FALSE(s.has_max_commands());
  EXPECT_FALSE(s.shadow_mode());
  EXPECT_FALSE(s.acl_enabled());
  EXPECT_TRUE(s.registers_isns());
  EXPECT_TRUE(s.portal_groups().empty());
  TargetParseOptions file;
  file.default_max_commands = kDefaultSessionCommandsFile;
  EXPECT_EQ(parse({}, file).settings->max_commands(), 64u);
}

TEST(TargetSettings, ReadsWhatTheSampleDriverPasses) {
  const std::string text(
      "PortalGroup=1@0.0.0.0:3260\0MaxRecvDataSegmentLength=262144\0InitialR2T=No\0", 74);
  const Parsed parsed = parse_text(text);
  ASSERT_TRUE(parsed.settings) << parsed.error;
  EXPECT_EQ(parsed.settings->max_recv_data_segment_length(), 262144u);
  EXPECT_FALSE(parsed.settings->session_keys().initial_r2t);
  EXPECT_EQ(parsed.settings->portal_groups().size(), 1u);
}

TEST(TargetSettings, TakesNumbersWithinTheirRange) {
  const struct {
    const char* key;
    uint32_t minimum, maximum;
  } kRows[] = {{"MaxConnections", 1, 65535},    {"MaxRecvDataSegmentLength", 512, 16777215},
               {"MaxOutstandingR2T", 1, 65535}, {"DefaultTime2Wait", 0, 3600},
               {"DefaultTime2Retain", 0, 3600}, {"OFMarkInt", 1, 65535},
               {"IFMarkInt", 1, 65535},         {"Auth_CHAP_ChallengeLength", 16, 1024},
               {"TargetSessionMaxCmd", 1, 2048}};
  for (const auto& row : kRows) {
    const std::string key = row.key;
    EXPECT_TRUE(is_good({key + "=" + std::to_string(row.minimum)})) << key;
    EXPECT_TRUE(is_good({key + "=" + std::to_string(row.maximum)})) << key;
    const std::string range = key + ": wants a number from " + std::to_string(row.minimum) +
                              " to " + std::to_string(row.maximum);
    EXPECT_EQ(error_of({key + "=" + std::to_string(row.maximum + 1)}).substr(0, range.size()),
              range);
    if (row.minimum > 0) error_of({key + "=" + std::to_string(row.minimum - 1)});
    for (const char* bad : {"", " 1", "1 ", "0x200", "-1", "4294967808", "1,2", "x"}) {
      error_of({key + "=" + bad});
    }
  }
  EXPECT_TRUE(is_good({"MaxBurstLength=16777215", "FirstBurstLength=16777215"}));
  EXPECT_TRUE(is_good({"MaxBurstLength=512", "FirstBurstLength=512"}));
  error_of({"MaxBurstLength=511"});
  error_of({"FirstBurstLength=16777216"});
}

TEST(TargetSettings, TakesWordsWithinTheirList) {
  for (const char* key :
       {"InitialR2T", "ImmediateData", "ShadowMode", "ACL_Enable", "RegisteriSNS"}) {
    EXPECT_TRUE(is_good({std::string(key) + "=Yes"}));
    EXPECT_TRUE(is_good({std::string(key) + "=No"}));
    EXPECT_EQ(error_of({std::string(key) + "=yes"}),
              std::string(key) + ": wants Yes or No, not \"yes\"");
  }
  const std::pair<const char*, const char*> kOnly[] = {{"DataPDUInOrder", "Yes"},
                                                       {"DataSequenceInOrder", "Yes"},
                                                       {"ErrorRecoveryLevel", "0"},
                                                       {"OFMarker", "No"},
                                                       {"IFMarker", "No"}};
  for (const auto& [key, value] : kOnly) {
    EXPECT_TRUE(is_good({std::string(key) + "=" + value}));
    error_of({std::string(key) + "=" + (*value == 'Y' ? "No" : *value == 'N' ? "Yes" : "1")});
  }
  for (const char* bad : {"", "None,", "CRC32", "None,None", "crc32c", ",None", "None;CRC32C"}) {
    error_of({std::string("HeaderDigest=") + bad});
    error_of({std::string("DataDigest=") + bad});
  }
  for (const char* bad : {"", "None,", "CHAP,CHAP", "KRB5", "chap"}) {
    error_of({std::string("AuthMethod=") + bad});
  }
  error_of({"Auth_CHAP_Policy=mutual"});
}

TEST(TargetSettings, KeepsTheOrderOfPreference) {
  const Parsed parsed = parse({"HeaderDigest=CRC32C,None", "DataDigest=CRC32C", "DataDigest=None"});
  ASSERT_TRUE(parsed.settings);
  EXPECT_EQ(parsed.settings->header_digests()[0], DigestType::kCrc32c);
  EXPECT_EQ(parsed.settings->data_digests()[0], DigestType::kCrc32c);
  EXPECT_EQ(parsed.settings->data_digests()[1], DigestType::kNone);
}

TEST(TargetSettings, RefusesUnknownDoubledAndMalformedLines) {
  EXPECT_EQ(error_of({"Foo=1"}), "Foo: unknown key");
  EXPECT_EQ(error_of({"MaxConection=1"}),
            "MaxConection: unknown key, did you mean MaxConnections?");
  EXPECT_EQ(error_of({"TaskReporting=RFC3720"}), "TaskReporting: unknown key");
  EXPECT_EQ(error_of({"MaxConnections"}), "MaxConnections: has no value");
  EXPECT_EQ(error_of({"Foo"}), "Foo: unknown key");
  EXPECT_EQ(error_of({"=1"}), "\"\": unknown key");
  EXPECT_EQ(error_of({" MaxConnections=1"}),
            " MaxConnections: unknown key, did you mean MaxConnections?");
  EXPECT_EQ(error_of({std::string(5000, 'K') + "=1"}), std::string(40, 'K') + "...: unknown key");
  for (const char* line : {"MaxConnections=1", "TargetAlias=x", "ACL_Enable=No", "InitialR2T=No"}) {
    EXPECT_EQ(error_of({line, line}), std::string(line, strcspn(line, "=")) + ": is given twice");
  }
}

TEST(TargetSettings, ToleratesEmptyLinesAndAMissingLastNul) {
  EXPECT_TRUE(is_good({"", "MaxConnections=2", "", ""}));
  EXPECT_TRUE(parse_text("MaxConnections=2").settings);
}

TEST(TargetSettings, HasAnUpperLimit) {
  EXPECT_EQ(parse_text(std::string(kMaxConfigBytes + 1, '\0')).code, Error::kInvalid);
  EXPECT_EQ(parse_text(std::string(kMaxConfigBytes, '\0')).code, Error::kNone);
}

TEST(TargetSettings, ChecksTheName) {
  EXPECT_TRUE(is_good({std::string("TargetName=") + kName}));
  EXPECT_EQ(error_of({"TargetName=iqn.2026-11.org.example:other"}).substr(0, 12), "TargetName: ");
  const std::string own = std::string("TargetName=") + kName + '\0';
  EXPECT_TRUE(parse_text(own, "").settings);
  EXPECT_EQ(parse_text("", "").error, "TargetName: is missing");
  for (const char* bad : {"disk0", "iqn.", "iqn.a b", "IQN.a"}) {
    EXPECT_EQ(parse_text("", bad).code, Error::kInvalid) << bad;
  }
}

TEST(TargetSettings, ChecksTheAlias) {
  EXPECT_EQ(string_of(parse({"TargetAlias=Bob's disk = 1"}).settings->alias()), "Bob's disk = 1");
  EXPECT_TRUE(is_good({"TargetAlias=" + std::string(255, 'a')}));
  error_of({"TargetAlias=" + std::string(256, 'a')});
  error_of({"TargetAlias=a\nb"});
}

TEST(TargetSettings, ChecksTheBurstLengthsTogether) {
  EXPECT_EQ(error_of({"MaxBurstLength=4096"}),
            "FirstBurstLength: 65536 is more than MaxBurstLength 4096");
  EXPECT_TRUE(is_good({"FirstBurstLength=4096", "MaxBurstLength=4096"}));
}

// --- CHAP ---

TEST(TargetSettings, ReadsAccounts) {
  const Parsed parsed =
      parse({"AuthMethod=CHAP", "Auth_CHAP_Initiator=\"a\":\"secret12\",\"b\":\"secret34\"",
             "Auth_CHAP_Initiator=\"c d\":\"0x12:34=x\"", "Auth_CHAP_Policy=Mutual",
             "Auth_CHAP_Target=\"t\":\"othersecret1\""});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const AuthSettings& auth = parsed.settings->auth();
  ASSERT_EQ(auth.initiators.size(), 3u);
  EXPECT_EQ(string_of(auth.initiators[1].name), "b");
  EXPECT_EQ(string_of(auth.initiators[2].secret), "0x12:34=x");
  EXPECT_EQ(string_of(auth.target.name), "t");
  EXPECT_TRUE(auth.has_short_secret());
  EXPECT_FALSE(auth.methods.contains(AuthMethod::kNone));
}

TEST(TargetSettings, RefusesMalformedAccountsWithoutShowingTheSecret) {
  for (const char* bad :
       {"", "a:secret12", "\"a\":secret12", "\"a\"\"secret12\"", "\"a\":\"secret12",
        "\"a\":\"secret12\"x", "\"\":\"secret12\"", "\"a\":\"short\"", "\"a\":\"\"",
        "\"a\" :\"secret12\"", "\"a\":\"secret12\",", "\"a,b\":\"secret12\"",
        "\"a\nb\":\"secret12\"", "\"\x7f\":\"secret12\"", "\"a\":\"secret12\n\"",
        "\"a\":\"\tsecret12\"", "\"a\":\"secret12\x01\""}) {
    const std::string error = error_of({std::string("Auth_CHAP_Initiator=") + bad});
    EXPECT_EQ(error.substr(0, 21), "Auth_CHAP_Initiator: ");
    EXPECT_EQ(error.find("secret12"), std::string::npos) << error;
  }
  EXPECT_TRUE(is_good({"Auth_CHAP_Initiator=\"a b\xc3\xa9\":\"secret 12\xff\""}));
  EXPECT_TRUE(is_good({"Auth_CHAP_Initiator=\"a\":\"" + std::string(255, 's') + "\""}));
  error_of({"Auth_CHAP_Initiator=\"a\":\"" + std::string(256, 's') + "\""});
  EXPECT_TRUE(is_good({"Auth_CHAP_Initiator=\"" + std::string(255, 'n') + "\":\"secret12\""}));
  error_of({"Auth_CHAP_Initiator=\"" + std::string(256, 'n') + "\":\"secret12\""});
  error_of({"Auth_CHAP_Initiator=\"a\":\"secret12\"", "Auth_CHAP_Initiator=\"a\":\"secret34\""});
  error_of({"Auth_CHAP_Target=\"a\":\"secret12\"", "Auth_CHAP_Target=\"b\":\"secret34\""});
}

TEST(TargetSettings, ChecksAuthenticationAsAWhole) {
  TargetParseOptions hooked;
  hooked.has_chap_hook = true;
  EXPECT_EQ(error_of({"AuthMethod=CHAP"}),
            "AuthMethod: CHAP alone needs at least one Auth_CHAP_Initiator");
  EXPECT_TRUE(parse({"AuthMethod=CHAP"}, hooked).settings);
  EXPECT_EQ(error_of({"Auth_CHAP_Policy=Mutual"}),
            "Auth_CHAP_Policy: Mutual needs an Auth_CHAP_Target");
  EXPECT_TRUE(parse({"Auth_CHAP_Policy=Mutual"}, hooked).settings);
  EXPECT_EQ(
      error_of({"Auth_CHAP_Initiator=\"a\":\"onesecret\"", "Auth_CHAP_Target=\"t\":\"onesecret\""}),
      "Auth_CHAP_Target: its secret is also that of an Auth_CHAP_Initiator");
  EXPECT_FALSE(
      parse({"Auth_CHAP_Initiator=\"a\":\"twelve bytes\""}).settings->auth().has_short_secret());
}

// --- PortalGroup ---

std::string portals_of(const PortalGroupSettings& group) {
  std::string text = std::to_string(group.tag) + "@";
  for (const os_address& portal : group.portals)
    text += string_of(format_ip_and_port(portal).text()) + " ";
  for (const uint16_t tag : group.redirect_tags)
    text += "[" + std::to_string(tag) + "]";
  return text + "t" + std::to_string(group.timeout_s);
}

TEST(TargetSettings, ReadsPortalGroups) {
  const std::pair<const char*, const char*> kRows[] = {
      {"1@192.0.2.10", "1@192.0.2.10:3260 t0"},
      {"65535@192.0.2.10:3261,192.0.2.11,timeout=30", "65535@192.0.2.10:3261 192.0.2.11:3260 t30"},
      {"2@timeout=0,192.0.2.1", "2@192.0.2.1:3260 t0"},
      {"2@[2001:db8::10]:3260,[::1]", "2@[2001:db8::10]:3260 [::1]:3260 t0"}};
  for (const auto& [line, expected] : kRows) {
    const Parsed parsed = parse({std::string("PortalGroup=") + line});
    ASSERT_TRUE(parsed.settings) << parsed.error;
    EXPECT_EQ(portals_of(parsed.settings->portal_groups()[0]), expected);
  }
}

TEST(TargetSettings, ReadsRedirection) {
  const Parsed parsed = parse({"PortalGroup=1@192.0.2.1,timeout=5,[2, 3]",
                               "PortalGroup=2@192.0.2.2,192.0.2.3", "PortalGroup=3@[2001:db8::1]"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const TargetSettings& s = *parsed.settings;
  EXPECT_EQ(portals_of(s.portal_groups()[0]), "1@192.0.2.1:3260 [2][3]t5");
  std::string turns;
  for (uint32_t turn = 0; turn < 4; ++turn) {
    turns += string_of(format_ip(*s.redirect_portal(s.portal_groups()[0], turn)).text()) + " ";
  }
  EXPECT_EQ(turns, "192.0.2.2 192.0.2.3 2001:db8::1 192.0.2.2 ");
  EXPECT_EQ(s.redirect_portal(s.portal_groups()[1], 0), nullptr);
}

TEST(TargetSettings, RefusesMalformedPortalGroups) {
  for (const char* bad : {"",
                          "1",
                          "@192.0.2.1",
                          "0@192.0.2.1",
                          "65536@192.0.2.1",
                          "x@192.0.2.1",
                          "1@",
                          "1@,192.0.2.1",
                          "1@192.0.2.1,",
                          "1@host",
                          "1@192.0.2.1:0",
                          "1@192.0.2.256",
                          "1@2001:db8::1",
                          "1@[2001:db8::1",
                          "1@timeout=5",
                          "1@192.0.2.1,timeout=",
                          "1@192.0.2.1,timeout=1,timeout=2",
                          "1@192.0.2.1,timeout=86401",
                          "1@192.0.2.1,[2],192.0.2.2",
                          "1@192.0.2.1,[]",
                          "1@192.0.2.1,[2,]",
                          "1@192.0.2.1,[2,2]",
                          "1@192.0.2.1,[0]",
                          "1@192.0.2.1,[1]",
                          "1@192.0.2.1,[2]",
                          "1@192.0.2.1,[ ]",
                          "1@192.0.2.1,192.0.2.1",
                          "1@192.0.2.1 ",
                          "1@[192.0.2.1]",
                          "1@192.0.2.1,[[2]]"}) {
    EXPECT_EQ(error_of({std::string("PortalGroup=") + bad}).substr(0, 13), "PortalGroup: ") << bad;
  }
  EXPECT_EQ(error_of({"PortalGroup=1@x"}),
            "PortalGroup: wants <ip>[:<port 1-65535>], IPv6 in brackets, not \"x\"");
  error_of({"PortalGroup=1@192.0.2.1", "PortalGroup=1@192.0.2.2"});
  EXPECT_EQ(error_of({"PortalGroup=1@192.0.2.1", "PortalGroup=2@192.0.2.1:3260"}),
            "PortalGroup: portal given twice \"192.0.2.1:3260\"");
  EXPECT_TRUE(is_good({"PortalGroup=1@192.0.2.1", "PortalGroup=2@192.0.2.1:3261"}));
}

TEST(TargetSettings, RefusesRedirectionInCircles) {
  const auto group = [](const char* tag, const char* on) {
    return std::string("PortalGroup=") + tag + "@192.0.2." + tag + on;
  };
  for (const char* shadow : {"ShadowMode=No", "ShadowMode=Yes"}) {
    EXPECT_EQ(error_of({group("1", ",[2]"), group("2", ",[1]"), shadow}),
              "PortalGroup: redirection goes in a circle, from group 1 to 2 to 1");
    // Somewhere behind the first, and named alone.
    EXPECT_EQ(error_of({group("9", ""), group("1", ",[9,4]"), group("4", ",[9,6]"),
                        group("6", ",[5,9]"), group("5", ",[4]"), shadow}),
              "PortalGroup: redirection goes in a circle, from group 4 to 6 to 5 to 4");
    // Not every login goes round, but one may.
    EXPECT_EQ(error_of({group("1", ",[2,3]"), group("2", ",[1]"), group("3", ""), shadow}),
              "PortalGroup: redirection goes in a circle, from group 1 to 2 to 1");
    EXPECT_EQ(error_of({group("1", ",[1]"), shadow}),
              "PortalGroup: group 1 redirects to 1, which is itself");
    EXPECT_TRUE(is_good({group("1", ",[2,3]"), group("2", ",[3,4]"), group("3", ",[4]"),
                         group("4", ""), group("5", ",[3,1]"), shadow}));
  }
  std::vector<std::string> chain;
  for (int i = 1; i <= 1024; ++i) {
    chain.push_back("PortalGroup=" + std::to_string(i) + "@192.0.2.1:" + std::to_string(i) + ",[" +
                    std::to_string(i + 1) + "]");
  }
  const std::string last = "PortalGroup=1024@192.0.2.1:1024";
  chain.back() = last + ",[1]";
  EXPECT_EQ(error_of(chain).substr(0, 64),
            "PortalGroup: redirection goes in a circle, from group 1 to 2 to ");
  chain.back() = last;
  EXPECT_TRUE(is_good(chain));
}

TEST(TargetSettings, FindsTheGroupOfAConnection) {
  const Parsed parsed =
      parse({"PortalGroup=1@0.0.0.0", "PortalGroup=2@192.0.2.2", "PortalGroup=3@[::]:3260"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const struct {
    const char* local;
    int tag;
  } kRows[] = {{"192.0.2.2:3260", 2},
               {"192.0.2.9:3260", 1},
               {"192.0.2.2:3261", 0},
               {"[2001:db8::1]:3260", 3}};
  for (const auto& row : kRows) {
    os_address local = {};
    ASSERT_TRUE(parse_ip_and_port(row.local, &local));
    const PortalGroupSettings* group = parsed.settings->portal_group_at(local);
    EXPECT_EQ(group == nullptr ? 0 : group->tag, row.tag) << row.local;
  }
  EXPECT_EQ(parsed.settings->find_portal_group(2)->tag, 2);
  EXPECT_EQ(parsed.settings->find_portal_group(9), nullptr);
}

TEST(TargetSettings, DoesNotBindShadowGroups) {
  const std::vector<std::string> lines = {"PortalGroup=1@192.0.2.1,[2]", "PortalGroup=2@192.0.2.2"};
  const Parsed here = parse(lines);
  EXPECT_TRUE(here.settings->is_local(here.settings->portal_groups()[1]));
  std::vector<std::string> shadow_lines = lines;
  shadow_lines.push_back("ShadowMode=Yes");
  const Parsed shadow = parse(shadow_lines);
  EXPECT_TRUE(shadow.settings->is_local(shadow.settings->portal_groups()[0]));
  EXPECT_FALSE(shadow.settings->is_local(shadow.settings->portal_groups()[1]));
}

// --- ACL ---

AccessSubject subject(const char* name, const char* from, const char* to) {
  AccessSubject result;
  result.initiator_name = name;
  EXPECT_TRUE(parse_ip(from, &result.initiator));
  EXPECT_TRUE(parse_ip(to, &result.target));
  return result;
}

TEST(TargetSettings, GrantsTheBestOfAllRulesThatApply) {
  const Parsed parsed = parse({"ACL_Enable=Yes", "ACL=iname=iqn.a:1,iqn.a:2;lun=0~3,7:R",
                               "ACL=sip=192.0.2.50,2001:db8::50;dip=192.0.2.10",
                               "ACL=iname=iqn.a:1;sip=192.0.2.60;lun=2:WR"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const TargetSettings& s = *parsed.settings;
  const AccessSubject by_name = subject("iqn.a:1", "192.0.2.1", "192.0.2.10");
  const AccessSubject both = subject("iqn.a:1", "192.0.2.60", "192.0.2.10");
  const AccessSubject by_address = subject("iqn.other", "192.0.2.50", "192.0.2.10");
  const AccessSubject nobody = subject("iqn.other", "192.0.2.50", "192.0.2.11");
  EXPECT_TRUE(s.may_log_in(by_name));
  EXPECT_TRUE(s.may_log_in(by_address));
  EXPECT_FALSE(s.may_log_in(nobody));
  EXPECT_EQ(s.lun_access(by_name, 3), LunAccess::kReadOnly);
  EXPECT_EQ(s.lun_access(by_name, 4), LunAccess::kNone);
  EXPECT_EQ(s.lun_access(by_name, 7), LunAccess::kReadOnly);
  EXPECT_EQ(s.lun_access(both, 2), LunAccess::kReadWrite);
  EXPECT_EQ(s.lun_access(both, 1), LunAccess::kReadOnly);
  EXPECT_EQ(s.lun_access(by_address, 16383), LunAccess::kReadWrite);
  EXPECT_EQ(s.lun_access(nobody, 0), LunAccess::kNone);
}

// That is the form in which the system may write an IPv4 address; no connection has it.
TEST(TargetSettings, AMappedAddressInARuleIsAnIpv4Address) {
  const Parsed parsed = parse({"ACL_Enable=Yes", "ACL=sip=::ffff:192.0.2.50,[::ffff:192.0.2.51]",
                               "ACL=dip=::ffff:c000:20a", "ACL=sip=::192.0.2.60"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const TargetSettings& s = *parsed.settings;
  EXPECT_TRUE(s.may_log_in(subject("iqn.a", "192.0.2.50", "192.0.2.1")));
  EXPECT_TRUE(s.may_log_in(subject("iqn.a", "192.0.2.51", "192.0.2.1")));
  EXPECT_TRUE(s.may_log_in(subject("iqn.a", "192.0.2.1", "192.0.2.10")));
  EXPECT_TRUE(s.may_log_in(subject("iqn.a", "::192.0.2.60", "192.0.2.1")));
  EXPECT_FALSE(s.may_log_in(subject("iqn.a", "192.0.2.60", "192.0.2.1")));
}

TEST(TargetSettings, LetsEverybodyInWithoutAcl) {
  const Parsed parsed = parse({"ACL=iname=iqn.a:1;lun=0:R"});
  const AccessSubject anyone = subject("iqn.other", "192.0.2.50", "192.0.2.11");
  EXPECT_TRUE(parsed.settings->may_log_in(anyone));
  EXPECT_EQ(parsed.settings->lun_access(anyone, 5), LunAccess::kReadWrite);
  EXPECT_FALSE(parse({"ACL_Enable=Yes"}).settings->may_log_in(anyone));
}

TEST(TargetSettings, RefusesMalformedRules) {
  for (const char* bad : {"",
                          "lun=0:R",
                          "iname=",
                          "iname=host",
                          "iname=iqn.a,",
                          "sip=host",
                          "sip=1.2.3",
                          "sip=1.2.3.4:5",
                          "dip=",
                          "iname=iqn.a;lun=",
                          "iname=iqn.a;lun=x",
                          "iname=iqn.a;lun=3~1",
                          "iname=iqn.a;lun=0:X",
                          "iname=iqn.a;lun=0:",
                          "iname=iqn.a;lun=16384",
                          "iname=iqn.a;lun=0,",
                          "iname=iqn.a;lun=:R",
                          "iname=iqn.a;iname=iqn.b",
                          "iname=iqn.a;",
                          "iname=iqn.a;foo=1",
                          "Iname=iqn.a",
                          "iname=iqn.a;lun=all",
                          "iname=iqn.a;lun=0~1~2",
                          "iname=iqn.a;lun=ALL:R:W"}) {
    EXPECT_EQ(error_of({std::string("ACL=") + bad}).substr(0, 5), "ACL: ") << bad;
  }
  for (const char* good : {"iname=iqn.a;lun=ALL:RW", "iname=iqn.a;lun=ALL", "sip=[2001:db8::1]",
                           "dip=1.2.3.4;lun=0,1~5,16383:R"}) {
    EXPECT_TRUE(is_good({std::string("ACL=") + good})) << good;
  }
}

// --- Reload, memory, secrets ---

TEST(TargetSettings, LetsAReloadChangeOnlyWhatMayChange) {
  const std::vector<std::string> base = {"ACL_Enable=Yes", "ACL=iname=iqn.a:1",
                                         "TargetSessionMaxCmd=10"};
  const Parsed old = parse(base);
  const auto reload = [&](const std::vector<std::string>& lines) -> std::string {
    const Parsed fresh = parse(lines);
    EXPECT_TRUE(fresh.settings) << fresh.error;
    ConfigError error;
    const bool good = old.settings->check_reload(*fresh.settings, &error).is_ok();
    EXPECT_EQ(good, error.empty());
    return error.c_str();
  };
  EXPECT_EQ(reload(base), "");
  EXPECT_EQ(reload({base[0], base[1], base[2], "MaxConnections=5", "PortalGroup=1@0.0.0.0",
                    "TargetDevice=x,MEM", "TargetAlias=y"}),
            "");
  EXPECT_EQ(reload({"ACL_Enable=No", base[1], base[2]}),
            "ACL_Enable: cannot change while the target is active");
  EXPECT_EQ(reload({base[0], "ACL=iname=iqn.a:2", base[2]}).substr(0, 4), "ACL:");
  EXPECT_EQ(reload({base[0], base[1], base[1], base[2]}).substr(0, 4), "ACL:");
  EXPECT_EQ(reload({base[0], base[1]}).substr(0, 20), "TargetSessionMaxCmd:");
}

TEST(TargetSettings, SurvivesEveryFailedAllocation) {
  const std::vector<std::string> lines = {"PortalGroup=1@192.0.2.1,192.0.2.2,[2]",
                                          "PortalGroup=2@192.0.2.3",
                                          "ACL=iname=iqn.a;sip=1.2.3.4;lun=1", "TargetDevice=x,MEM",
                                          "Auth_CHAP_Initiator=\"a\":\"secret12\""};
  const uint64_t before = host_live_allocations();
  bool succeeded = false;
  for (uint64_t n = 1; !succeeded && n < 1000; ++n) {
    host_fail_allocation_at(n);
    const Parsed parsed = parse(lines);
    host_fail_allocation_at(0);
    succeeded = parsed.code == Error::kNone;
    if (!succeeded) {
      EXPECT_EQ(parsed.code, Error::kNoMemory);
      EXPECT_EQ(host_live_allocations(), before);
    }
  }
  EXPECT_TRUE(succeeded);
  EXPECT_EQ(host_live_allocations(), before);
}

TEST(ConfigText, MovesItsTextAndGivesItsMemoryBack) {
  const uint64_t before = host_live_allocations();
  {
    ConfigText text, other;
    ASSERT_TRUE(text.assign(Text("secret").bytes()).is_ok());
    other = std::move(text);
    EXPECT_EQ(string_of(other.text()), "secret");
    ASSERT_TRUE(other.assign(Text("fresh").bytes()).is_ok());
    EXPECT_EQ(string_of(other.text()), "fresh");
  }
  EXPECT_EQ(host_live_allocations(), before);
}

}  // namespace
}  // namespace chiscsi
