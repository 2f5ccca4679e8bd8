// SPDX-License-Identifier: GPL-2.0-only
//
// Access states and lists of initiators: -A, and what -c shows of them.
#include "target_state.hh"

#include "commands_fixture.hh"

namespace iscsictl {
namespace {

class TargetState : public Commands {
 protected:
  TargetState() {
    put(target_block(kDisk0) + target_block(kDisk1));
    EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  }
  static string word(const char* name) { return string("target=") + name; }
};

TEST_F(TargetState, AccessStatesAreShown) {
  door_.targets[kDisk1].access["1"] = "standby";
  EXPECT_EQ(run({"-A"}), kDone);
  EXPECT_EQ(out_, string("\nTARGET: ") + kDisk0 + "\n        Access=1:optimized\n\nTARGET: " +
                      kDisk1 + "\n        Access=1:standby\n");
  EXPECT_EQ(run({"--access", word(kDisk1), "--json"}), kDone);
  EXPECT_EQ(out_,
            "{\n  \"targets\": [\n    {\n      \"target\": \"iqn.2026-11.org.example:disk1\",\n"
            "      \"access\": [\n        {\n          \"group\": 1,\n"
            "          \"state\": \"standby\"\n        }\n      ]\n    }\n  ]\n}\n");
  EXPECT_EQ(run({"-A", "target=iqn.x:none"}), kRefused);
  EXPECT_EQ(err_, "iscsictl: iqn.x:none is not found\n");
}

TEST_F(TargetState, NothingIsShownWithoutTargets) {
  ASSERT_EQ(run({"-s", "target=ALL"}), kDone);
  EXPECT_EQ(run({"-A"}), kDone);
  EXPECT_EQ(out_, "no active target\n");
  EXPECT_EQ(run({"-A", "--json"}), kDone);
  EXPECT_EQ(out_, "{\n  \"targets\": []\n}\n");
  door_.current = Door::State::kNotLoaded;
  EXPECT_EQ(run({"-A"}), kRefused);
}

TEST_F(TargetState, OneGroupOfOneTargetIsSet) {
  EXPECT_EQ(run({"-A", word(kDisk0), "group=1", "state=standby"}), kDone);
  EXPECT_EQ(out_ + err_, "");
  EXPECT_EQ(door_.targets[kDisk0].access["1"], "standby");
  EXPECT_TRUE(door_.targets[kDisk1].access.empty());
  EXPECT_EQ(run({"state=optimized", word(kDisk0), "group=1", "-A"}), kDone);
  EXPECT_EQ(door_.targets[kDisk0].access["1"], "optimized");
}

TEST_F(TargetState, WhatTheModuleRefusesIsTold) {
  EXPECT_EQ(run({"-A", word(kDisk0), "group=2", "state=standby"}), kRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk0 + ": group: wants a portal group of the target\n");
  EXPECT_EQ(run({"-A", "target=iqn.x:none", "group=1", "state=standby"}), kRefused);
  EXPECT_EQ(err_, "iscsictl: iqn.x:none: no such target\n");
}

TEST_F(TargetState, TheFormIsChecked) {
  const std::vector<std::vector<string>> wrong = {
      {"-A", "group=1", "state=standby"},
      {"-A", "target=ALL", "group=1", "state=standby"},
      {"-A", "target=a,b", "group=1", "state=standby"},
      {"-A", "target=a", "group=1"},
      {"-A", "target=a", "state=standby"},
      {"-A", "target=a", "group=1", "group=2", "state=standby"},
      {"-A", "-c"},
      {"-c", "target=a", "group=1"},
  };
  const size_t asked = door_.asked.size();
  for (const auto& words : wrong) {
    EXPECT_EQ(run(words), kUsage) << testing::PrintToString(words);
    EXPECT_EQ(out_, "");
  }
  EXPECT_EQ(door_.asked.size(), asked);
}

TEST_F(TargetState, OfANamedTargetAllIsShown) {
  ASSERT_EQ(door_
                .ask(CHISCSI_CONTROL_ISNS_ALLOW,
                     {word(kDisk0), "version=4", "initiator=iqn.x:a", "initiator=iqn.x:b"}, 0)
                .error,
            0);
  EXPECT_EQ(run({"-c", word(kDisk0)}), kDone);
  EXPECT_TRUE(has(out_,
                  "        Access=1:optimized\n        iSNSInitiator=iqn.x:a\n"
                  "        iSNSInitiator=iqn.x:b\n"))
      << out_;
  EXPECT_EQ(run({"-c", word(kDisk0), "-k", "Access"}), kDone);
  EXPECT_TRUE(has(out_, "login_ip=0\n        Access=1:optimized\n")) << out_;
  EXPECT_FALSE(has(out_, "iSNSInitiator"));
  EXPECT_EQ(run({"-c", word(kDisk0), "-k", "TargetName"}), kDone);
  EXPECT_FALSE(has(out_, "Access"));
  EXPECT_EQ(run({"-c", word(kDisk0), "--json"}), kDone);
  EXPECT_TRUE(has(out_, "\"isns_version\": 4,\n      \"isns_initiators\": [\n        \"iqn.x:a\","))
      << out_;
  EXPECT_EQ(run({"-c", word(kDisk1), "--json"}), kDone);
  EXPECT_TRUE(has(out_, "\"state\": \"optimized\""));
  EXPECT_FALSE(has(out_, "isns"));
}

// The brief listing has the lines that other software knows.
TEST_F(TargetState, TheBriefListingHasNothingOfIt) {
  EXPECT_EQ(run({"-c"}), kDone);
  EXPECT_FALSE(has(out_, "Access"));
  EXPECT_EQ(run({"-c", "target=ALL"}), kDone);
  EXPECT_FALSE(has(out_, "Access"));
}

}  // namespace
}  // namespace iscsictl
