// SPDX-License-Identifier: GPL-2.0-only
//
// ConfigFile: the grammar of chiscsi.conf, the line and the key that each mistake is told about,
// what a mistake spoils, and that no message holds a secret.
#include "target/config/config_file.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "host.hh"

namespace chiscsi {
namespace {

std::string string_of(Text text) { return {text.data(), text.size()}; }

OwnPtr<ConfigFile> parse(const std::string& text) {
  auto file = ConfigFile::parse({text.data(), text.size()});
  EXPECT_TRUE(file.is_ok());
  return file.is_ok() ? file.take() : OwnPtr<ConfigFile>();
}

std::vector<std::string> problems_of(const std::string& text) {
  const auto file = parse(text);
  std::vector<std::string> lines;
  for (const ConfigProblem& problem : file->problems()) {
    lines.push_back(std::to_string(problem.line) + ": " + (problem.is_warning ? "warning: " : "") +
                    problem.text.c_str());
  }
  return lines;
}

using Lines = std::vector<std::string>;

const char kTwoTargets[] =
    "# The whole of it.\n"
    "global:\n"
    "    iscsi_login_complete_time=30\n"
    "\n"
    "target:\n"
    "\tTargetName=iqn.2026-11.org.example:disk0\n"
    "\tTargetDevice=ram0,MEM,size=64MB\n"
    "\t# Two portals.\n"
    "\tPortalGroup=1@192.0.2.10:3260,192.0.2.11,timeout=30\n"
    "target:\r\n"
    "  TargetDevice=/dev/vdb,BLK\r\n"
    "  TargetName=iqn.2026-11.org.example:disk1\r\n"
    "  PortalGroup=2@[2001:db8::10]:3260";

TEST(ConfigFile, ReadsBlocksCommentsAndBlanks) {
  const auto file = parse(kTwoTargets);
  EXPECT_EQ(problems_of(kTwoTargets), Lines{});
  EXPECT_TRUE(file->is_usable());
  ASSERT_TRUE(file->has_global());
  EXPECT_EQ(file->globals()->login_complete_time_s(), 30u);
  ASSERT_EQ(file->targets().size(), 2u);
  const ConfigTarget& first = file->targets()[0];
  EXPECT_EQ(first.line, 5u);
  EXPECT_EQ(string_of(first.name.text()), "iqn.2026-11.org.example:disk0");
  ASSERT_TRUE(first.settings);
  EXPECT_EQ(first.settings->devices()[0].size_mb, 64u);
  EXPECT_EQ(first.settings->max_commands(), kDefaultSessionCommandsFile);
  const ConfigTarget& second = file->targets()[1];
  EXPECT_EQ(second.line, 10u);
  EXPECT_EQ(string_of(second.settings->name()), "iqn.2026-11.org.example:disk1");
  const Bytes keys = second.settings->keys();
  std::string strings(keys.begin(), keys.end());
  std::replace(strings.begin(), strings.end(), '\0', ';');
  EXPECT_EQ(strings,
            "TargetDevice=/dev/vdb,BLK;TargetName=iqn.2026-11.org.example:disk1;"
            "PortalGroup=2@[2001:db8::10]:3260;");
}

TEST(ConfigFile, AnEmptyFileHasNothingInIt) {
  for (const char* text : {"", "\n\n", "# x", "   \n\t\n#target:\n"}) {
    const auto file = parse(text);
    EXPECT_TRUE(file->is_usable()) << text;
    EXPECT_FALSE(file->has_global());
    EXPECT_FALSE(file->globals());
    EXPECT_TRUE(file->targets().empty());
    EXPECT_EQ(file->error_count(), 0u);
  }
}

// Cinder's files: deep indentation and a last line of blanks.
TEST(ConfigFile, ReadsTheFilesOfCinder) {
  const auto file = parse(
      "\n              target:\n"
      "                       TargetName=iqn.2010-10.org.openstack:volume-1\n"
      "                       TargetDevice=/dev/vg/vol\n"
      "                       PortalGroup=1@192.0.2.7:3260,[2001:db8::7]:3260\n"
      "                       AuthMethod=CHAP\n"
      "                       Auth_CHAP_Policy=Oneway\n"
      "                       Auth_CHAP_Initiator=\"user\":\"12345678901234567890\"\n"
      "               ");
  ASSERT_EQ(file->error_count(), 0u);
  ASSERT_EQ(file->targets().size(), 1u);
  EXPECT_EQ(file->targets()[0].settings->portal_groups()[0].portals.size(), 2u);
}

TEST(ConfigFile, TellsTheLineOfEveryMistakeInOneGo) {
  EXPECT_EQ(
      problems_of("MaxConnections=1\n"
                  "global:\n"
                  "  isns_query=0\n"
                  "  Foo=1\n"
                  "target:\n"
                  "  TargetName=iqn.2026-11.org.example:a\n"
                  "  MaxConnections=0\n"
                  "  TargetDevise=/dev/vda\n"
                  "  MaxConnections=1\n"
                  "target:\n"
                  "  TargetName=iqn.2026-11.org.example:b\n"
                  "  PortalGroup=1@0.0.0.0:3260\n"
                  "target:\n"
                  "  PortalGroup=1@0.0.0.0:3260\n"
                  "  TargetDevice=/dev/vda\n"
                  "  FirstBurstLength=262144\n"
                  "  MaxBurstLength=512\n"
                  "  TargetName=iqn.2026-11.org.example:c\n"),
      (Lines{"1: MaxConnections: stands before the first global: or target: line",
             "3: isns_query: wants a number from 1 to 86400, not \"0\"", "4: Foo: unknown key",
             "7: MaxConnections: wants a number from 1 to 65535, not \"0\"",
             "8: TargetDevise: unknown key, did you mean TargetDevice?",
             "9: MaxConnections: is given twice", "10: TargetDevice: is missing",
             "16: FirstBurstLength: 262144 is more than MaxBurstLength 512"}));
  EXPECT_EQ(problems_of("target:\n"),
            (Lines{"1: TargetName: is missing", "1: PortalGroup: is missing",
                   "1: TargetDevice: is missing"}));
}

TEST(ConfigFile, RefusesWhatIsNoBlock) {
  EXPECT_EQ(problems_of("initiator:\n  InitiatorName=x\ntargets:\nFoo=1\nglobal:\nglobal:\nFoo=1\n"
                        "Target:\n:\n"),
            (Lines{"1: initiator: blocks of this kind are not supported",
                   "3: targets: unknown block, wants global: or target:",
                   "6: global: a second block; the first is in line 5",
                   "8: Target: unknown block, wants global: or target:",
                   "9: \"\": unknown block, wants global: or target:"}));
}

TEST(ConfigFile, TellsWhereAKeyBelongs) {
  EXPECT_EQ(problems_of("global:\nMaxConnections=1\nDISC_AuthMethod =None\nisns_id\n"
                        "target:\nTargetName=iqn.2026-11.org.example:a\nTargetDevice=/dev/vda\n"
                        "PortalGroup=1@0.0.0.0\nisns_id=x\nMaxConnections =1\nHeaderDigest\n"),
            (Lines{"2: MaxConnections: belongs into a target: block",
                   "3: DISC_AuthMethod: no blanks may stand before the =",
                   "4: isns_id: wants key=value", "9: isns_id: belongs into the global: block",
                   "10: MaxConnections: no blanks may stand before the =",
                   "11: HeaderDigest: wants key=value"}));
}

const std::string kGood =
    "target:\nTargetName=iqn.2026-11.org.example:good\nTargetDevice=x,MEM\nPortalGroup=1@0.0.0.0\n";

TEST(ConfigFile, AMistakeInATargetSpoilsThatTargetAlone) {
  const auto file = parse(kGood + "target:\nTargetName=iqn.2026-11.org.example:bad\n" +
                          "TargetDevice=y,MEM\nPortalGroup=1@0.0.0.0\nACL_Enable=yes\n");
  EXPECT_TRUE(file->is_usable());
  EXPECT_EQ(file->error_count(), 1u);
  ASSERT_EQ(file->targets().size(), 2u);
  EXPECT_TRUE(file->targets()[0].settings);
  EXPECT_FALSE(file->targets()[1].settings);
  EXPECT_EQ(string_of(file->targets()[1].name.text()), "iqn.2026-11.org.example:bad");
  EXPECT_EQ(file->problems()[0].where, ConfigProblem::Where::kTarget);
}

TEST(ConfigFile, AMistakeElsewhereSpoilsTheFile) {
  for (const char* bad :
       {"global:\nisns_query=0\n", "global:\nMaxConnections=1\n", "initiator:\n", "x=1\n", "x\n",
        "global:\nglobal:\n", "global:\nDISC_AuthMethod=CHAP\n"}) {
    const auto file = parse(bad + kGood);
    EXPECT_FALSE(file->is_usable()) << bad;
    EXPECT_EQ(file->error_count(), 1u) << bad;
    EXPECT_NE(file->problems()[0].where, ConfigProblem::Where::kTarget) << bad;
    EXPECT_TRUE(file->targets()[0].settings) << bad;
  }
}

TEST(ConfigFile, ATargetComesOnce) {
  const auto file = parse(kGood + kGood);
  EXPECT_EQ(problems_of(kGood + kGood),
            Lines{"6: TargetName: is also that of the target: block in line 1"});
  EXPECT_TRUE(file->targets()[0].settings);
  EXPECT_FALSE(file->targets()[1].settings);
}

TEST(ConfigFile, TellsTheLineOfEveryDoubledRamDisk) {
  EXPECT_EQ(
      problems_of("target:\nTargetName=iqn.2026-11.org.example:a\nTargetDevice=r,MEM\n"
                  "TargetDevice=s,MEM\n# s again\nTargetDevice=s,MEM\nTargetDevice=r,MEM\n"
                  "PortalGroup=1@0.0.0.0\n"),
      (Lines{"6: TargetDevice: \"s\" is also the name of LUN 1; that of a MEM device is unique "
             "within its target",
             "7: TargetDevice: \"r\" is also the name of LUN 0; that of a MEM device is unique "
             "within its target"}));
}

TEST(ConfigFile, WarnsOfWhatIsLegalAndUnwise) {
  const auto target = [](const char* name, const char* keys) {
    return std::string("target:\nTargetName=iqn.2026-11.org.example:") + name + "\n" + keys +
           "\nPortalGroup=1@0.0.0.0\n";
  };
  const std::string text =
      "global:\niscsi_offload_mode=TOE\nDISC_Auth_CHAP_Initiator=\"a\":\"123456\"\n" +
      target("a", "TargetDevice=/dev/vda,BLK\nAuth_CHAP_Target=\"x\":\"1234567\"") +
      target("b", "TargetDevice=/dev/vda\nAuth_CHAP_Initiator=\"x\":\"1234567\"") +
      target("c", "TargetDevice=ram,MEM") + target("d", "TargetDevice=ram,MEM");
  EXPECT_EQ(problems_of(text),
            (Lines{"2: warning: iscsi_offload_mode: there is no offload of TCP alone; TOE is taken "
                   "as AUTO",
                   "3: warning: DISC_Auth_CHAP_Initiator: a secret of less than 12 bytes can be "
                   "guessed",
                   "7: warning: Auth_CHAP_Target: a secret of less than 12 bytes can be guessed",
                   "11: warning: TargetDevice: /dev/vda also belongs to the target of line 4",
                   "12: warning: Auth_CHAP_Initiator: a secret of less than 12 bytes can be "
                   "guessed"}));
  const auto file = parse(text);
  EXPECT_TRUE(file->is_usable());
  EXPECT_EQ(file->error_count(), 0u);
}

TEST(ConfigFile, TellsOfEveryTargetThatSharesADevice) {
  const auto target = [](const char* name, const char* devices) {
    return std::string("target:\nTargetName=iqn.2026-11.org.example:") + name + "\n" +
           "PortalGroup=1@0.0.0.0\n" + devices;
  };
  // Twice in one target is the business of that target.
  const std::string text =
      target("a", "TargetDevice=/x\nTargetDevice=/y,BLK\nTargetDevice=/x\nTargetDevice=/r,MEM\n") +
      target("b", "TargetDevice=/y\nTargetDevice=/r,MEM\n") +
      target("c", "TargetDevice=/z,BLK\nFoo=1\n") +
      target("d", "TargetDevice=/z\nTargetDevice=/x,Mine\nTargetDevice=/r\n") +
      target("e", "TargetDevice=/y\nTargetDevice=/x,BLK\nTargetDevice=/z\n");
  const std::string also = "29: warning: TargetDevice: ";
  EXPECT_EQ(problems_of(text),
            (Lines{"12: warning: TargetDevice: /y also belongs to the target of line 1",
                   "17: Foo: unknown key", also + "/y also belongs to the target of line 1",
                   also + "/y also belongs to the target of line 8",
                   also + "/x also belongs to the target of line 1",
                   also + "/x also belongs to the target of line 1",
                   also + "/z also belongs to the target of line 18"}));
}

// Each would be compared with each.
TEST(ConfigFile, ReadsManyTargetsWithManyDevices) {
  std::string text;
  for (unsigned i = 0; i < 1024; ++i) {
    text += "target:\nTargetName=iqn.2026-11.org.example:" + std::to_string(i) +
            "\nPortalGroup=1@0.0.0.0\n";
    for (unsigned j = 0; j < 32; ++j)
      text += "TargetDevice=/dev/vg/" + std::to_string(i) + "-" + std::to_string(j) + "\n";
  }
  EXPECT_EQ(problems_of(text), Lines{});
}

TEST(ConfigFile, ShowsNoSecretInAnyMessage) {
  for (const char* line :
       {"Auth_CHAP_Initiator \"a\":\"hush-hush-hush\"", "Auth_CHAP_Initiator \"a\":\"hush=hush\"",
        "\"a\":\"hush\"", "Auth_CHAP_Initator=\"a\":\"hush\"", "Auth_CHAP_Target=\"a\":hush",
        "Auth_CHAP_Initiator =\"a\":\"hush\"", "Auth_CHAP_Initiator=\"a\":\"hush-hush\",",
        // Without quotes, with colons and blanks in the wrong place.
        "Auth_CHAP_Initiator: user:hush1234567", "Auth_CHAP_Initiator user:hush1234567",
        "Auth_CHAP_Initiator user:hush1234567=", "Auth_CHAP_Initiator\tuser:hush1234567",
        "Auth_CHAP_Initiator:user:hush1234567:", "Auth_CHAP_Initiator-user:hush1234567",
        "Auth_CHAP_Initiator\xa0hush1234567", "'user':'hush1234567'",
        // Headers, for all that can be seen.
        "\"user\":\"hush1234567\":", "user:hush1234567:", "Auth_CHAP_Initiator user hush1234567:",
        // The whole of it where the id belongs.
        "Auth_CHAP_Initiator=\"user:hush1234567\":\"\"",
        "Auth_CHAP_Target=\"user:hush1234567\":\"x\"",
        "DISC_Auth_CHAP_Initiator=\"user:hush1234567\":\"x\"",
        "DISC_Auth_CHAP_Target=\"user:hush1234567\":\"\""}) {
    for (const char* block : {"", "global:\n", "target:\n"}) {
      const Lines problems = problems_of(std::string(block) + line);
      EXPECT_FALSE(problems.empty()) << line;
      for (const std::string& problem : problems)
        EXPECT_EQ(problem.find("hush"), std::string::npos) << problem;
    }
  }
  EXPECT_EQ(problems_of("Auth_CHAP_Initiator: user:hush1234567"),
            Lines{"1: Auth_CHAP_Initiator: wants key=value"});
  EXPECT_EQ(problems_of("target: hush1234567:"),
            Lines{"1: target: unknown block, wants global: or target:"});
}

TEST(ConfigFile, BoundsWhatItKeeps) {
  std::string many = "target:\n";
  for (unsigned i = 0; i < kMaxConfigProblems + 100; ++i)
    many += "Foo=1\n";
  const auto file = parse(many);
  EXPECT_EQ(file->problems().size(), kMaxConfigProblems);
  EXPECT_EQ(file->error_count(), kMaxConfigProblems + 100);
  EXPECT_EQ(problems_of("global:\nisns_id=" + std::string(kMaxConfigBytes, 'x')),
            Lines{"1: global: longer than " + std::to_string(kMaxConfigBytes) + " bytes"});
  EXPECT_EQ(problems_of(std::string("target:\nTargetAlias=a\0b\n", 24)),
            Lines{"2: TargetAlias: the line has a NUL byte in it"});
  const std::string huge(kMaxConfigFileBytes + 1, '\n');
  EXPECT_EQ(ConfigFile::parse({huge.data(), huge.size()}).error(), Error::kInvalid);
}

TEST(ConfigFile, SurvivesEveryFailureOfMemory) {
  const std::string texts[] = {kTwoTargets, kGood + kGood, "target:\nFoo=1\n"};
  for (const std::string& text : texts) {
    const uint64_t before = host_live_allocations();
    bool succeeded = false;
    for (uint64_t failing = 1; failing < 200 && !succeeded; ++failing) {
      host_fail_allocation_at(failing);
      auto file = ConfigFile::parse({text.data(), text.size()});
      succeeded = file.is_ok();
      if (!succeeded) {
        EXPECT_EQ(file.error(), Error::kNoMemory);
      }
    }
    host_fail_allocation_at(0);
    EXPECT_TRUE(succeeded);
    EXPECT_EQ(host_live_allocations(), before);
  }
}

}  // namespace
}  // namespace chiscsi
