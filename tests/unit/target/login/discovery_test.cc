// SPDX-License-Identifier: GPL-2.0-only
//
// The answer to SendTargets: who is told what, and which address stands for a wildcard portal.
#include "target/login/discovery.hh"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

class OneTarget final : public TargetDirectory {
 public:
  explicit OneTarget(std::initializer_list<std::string> lines) : settings_(settings_of(lines)) {
    EXPECT_TRUE(settings_);
  }
  void enumerate(TargetVisitor& visitor) override { visitor.visit(*settings_); }

 private:
  Ref<TargetSettings> settings_;
};

std::string ask(TargetDirectory& directory, const char* value, const char* arrived_at,
                const DiscoveryContext& base = {.discovery_session = true}) {
  DiscoveryContext context = base;
  EXPECT_TRUE(parse_ip_and_port(arrived_at, &context.arrived_at));
  TextBuffer buffer(65536);
  TextWriter writer(buffer);
  const SendTargetsResult result = answer_send_targets(value, context, directory, writer);
  if (result != SendTargetsResult::kAnswered) return "!";
  std::string text = string_of(buffer.bytes());
  for (char& c : text)
    c = c == '\0' ? '\n' : c;
  return text;
}

const std::string kName = std::string("TargetName=") + kTargetName + "\n";

TEST(SendTargets, ListsEveryPortalWithItsTag) {
  OneTarget directory(
      {"PortalGroup=1@192.0.2.1,192.0.2.2:3261", "PortalGroup=2@[2001:db8::1]:3262"});
  EXPECT_EQ(ask(directory, "All", "192.0.2.1"),
            kName +
                "TargetAddress=192.0.2.1:3260,1\nTargetAddress=192.0.2.2:3261,1\n"
                "TargetAddress=[2001:db8::1]:3262,2\n");
}

TEST(SendTargets, AnswersAWildcardWithTheAddressOfArrival) {
  OneTarget directory({"PortalGroup=1@0.0.0.0:3260,[::]:3270"});
  EXPECT_EQ(ask(directory, "All", "198.51.100.7:3260"),
            kName + "TargetAddress=198.51.100.7:3260,1\n");
  EXPECT_EQ(ask(directory, "All", "[2001:db8::7]:3270"),
            kName + "TargetAddress=[2001:db8::7]:3270,1\n");
}

TEST(SendTargets, ListsATargetWithoutPortalsByNameAlone) {
  OneTarget directory({});
  EXPECT_EQ(ask(directory, "All", "192.0.2.1"), kName);
}

TEST(SendTargets, KeepsQuietAboutGroupsOfAnotherMachine) {
  const std::initializer_list<std::string> local = {"PortalGroup=2@192.0.2.2",
                                                    "PortalGroup=1@192.0.2.1,[2]"};
  OneTarget here(local);
  EXPECT_EQ(ask(here, "All", "192.0.2.1"),
            kName + "TargetAddress=192.0.2.2:3260,2\nTargetAddress=192.0.2.1:3260,1\n");
  OneTarget shadow({"PortalGroup=2@192.0.2.2", "PortalGroup=1@192.0.2.1,[2]", "ShadowMode=Yes"});
  EXPECT_EQ(ask(shadow, "All", "192.0.2.1"), kName + "TargetAddress=192.0.2.1:3260,1\n");
}

TEST(SendTargets, TellsADiscoverySessionAboutNamedTargets) {
  OneTarget directory({});
  EXPECT_EQ(ask(directory, kTargetName, "192.0.2.1"), kName);
  EXPECT_EQ(ask(directory, "iqn.2026-11.org.example:disk00", "192.0.2.1"), "");
  EXPECT_EQ(ask(directory, "", "192.0.2.1"), "") << "logged in to no target";
  EXPECT_EQ(
      ask(directory, "", "192.0.2.1", {.discovery_session = true, .session_target = kTargetName}),
      kName);
}

TEST(SendTargets, TellsANormalSessionAboutItsOwnTargetOnly) {
  OneTarget directory({});
  const DiscoveryContext mine = {.session_target = kTargetName};
  const DiscoveryContext other = {.session_target = "iqn.2026-11.org.example:other"};
  for (const char* value : {"All", ""}) {
    EXPECT_EQ(ask(directory, value, "192.0.2.1", mine), kName);
    EXPECT_EQ(ask(directory, value, "192.0.2.1", other), "");
  }
  EXPECT_EQ(ask(directory, kTargetName, "192.0.2.1", mine), kName);
  EXPECT_EQ(ask(directory, kTargetName, "192.0.2.1", other), "");
}

TEST(SendTargets, RefusesOtherValues) {
  OneTarget directory({});
  for (const char* value : {"all", "ALL", "A", "Alle", " ", "iqn.", "disk0", "All,All"}) {
    EXPECT_EQ(ask(directory, value, "192.0.2.1"), "!") << value;
  }
}

}  // namespace
}  // namespace chiscsi::test
