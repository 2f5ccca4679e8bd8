// SPDX-License-Identifier: GPL-2.0-only
//
// KernelTargets against a module in memory: what of the targets an iSNS server is to see, and that
// its lists of initiators reach the module as wholes.
#include "isns/kernel_targets.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fake_door.hh"

namespace isns {
namespace {

using Names = std::vector<std::string>;

const std::string kTarget = "iqn.2026-11.org.example:disk";
const std::string kHost1 = "iqn.2026-11.org.example:host1";
const std::string kHost2 = "iqn.2026-11.org.example:host2";

std::string text_of(const Portal& portal) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, &portal.address, text, sizeof(text));
  return std::string(text) + ":" + std::to_string(portal.port);
}

std::vector<in6_addr> two_addresses(bool ipv6) {
  std::vector<in6_addr> found(2);
  inet_pton(AF_INET6, ipv6 ? "2001:db8::1" : "::ffff:192.0.2.1", &found[0]);
  inet_pton(AF_INET6, ipv6 ? "2001:db8::2" : "::ffff:192.0.2.2", &found[1]);
  return found;
}

class KernelTargetsTest : public testing::Test {
 protected:
  void start(const Names& more, const std::string& name = kTarget) {
    iscsictl::Keys keys = {"TargetName=" + name, "TargetDevice=ram,MEM"};
    keys.insert(keys.end(), more.begin(), more.end());
    const iscsictl::Reply reply = door_.ask(CHISCSI_CONTROL_TARGET_START, keys, 0);
    ASSERT_EQ(reply.error, 0) << reply.why;
  }
  // "TAG ADDRESS:PORT" of all portals of the first target.
  Names portals() {
    Names found;
    for (const TargetNode& node : targets_.targets()) {
      for (const PortalGroup& group : node.groups) {
        for (const Portal& portal : group.portals)
          found.push_back(std::to_string(group.tag) + " " + text_of(portal));
      }
    }
    return found;
  }
  // What the module has been told; "none" without a list.
  Names allowed(const std::string& name = kTarget) {
    Names found;
    const auto& list = door_.targets[name].allowed;
    if (!list) return {"none"};
    for (const chiscsi::Text initiator : list->names())
      found.emplace_back(initiator.data(), initiator.size());
    return found;
  }
  size_t count(unsigned op) const {
    return static_cast<size_t>(std::count(door_.asked.begin(), door_.asked.end(), op));
  }

  iscsictl::FakeDoor door_;
  KernelTargets targets_{door_, two_addresses};
};

TEST_F(KernelTargetsTest, NoModuleIsNoTarget) {
  door_.current = iscsictl::Door::State::kNotLoaded;
  EXPECT_TRUE(targets_.targets().empty());
  EXPECT_TRUE(door_.asked.empty());
}

TEST_F(KernelTargetsTest, WildcardsBecomeTheAddressesOfTheHost) {
  start({"PortalGroup=1@0.0.0.0:3260", "PortalGroup=2@[::]:3261", "PortalGroup=3@192.0.2.9"});
  EXPECT_EQ(portals(),
            (Names{"1 ::ffff:192.0.2.1:3260", "1 ::ffff:192.0.2.2:3260", "2 2001:db8::1:3261",
                   "2 2001:db8::2:3261", "3 ::ffff:192.0.2.9:3260"}));
}

TEST_F(KernelTargetsTest, LeavesOutWhatIsElsewhereOrUnwilling) {
  start({"PortalGroup=1@192.0.2.1,[2]", "PortalGroup=2@192.0.2.9", "ShadowMode=Yes"});
  start({"PortalGroup=1@192.0.2.1", "RegisteriSNS=No"}, kTarget + "-silent");
  EXPECT_EQ(portals(), Names{"1 ::ffff:192.0.2.1:3260"});
}

TEST_F(KernelTargetsTest, HandsOverTheWholeListEachTime) {
  start({"PortalGroup=1@192.0.2.1"});
  EXPECT_EQ(allowed(), Names{"none"});
  targets_.allow(kTarget, {kHost1, kHost2});
  EXPECT_EQ(allowed(), (Names{kHost1, kHost2}));
  targets_.allow(kTarget, {kHost2});
  EXPECT_EQ(allowed(), Names{kHost2});
  targets_.allow(kTarget, {});
  EXPECT_EQ(allowed(), Names{});
  targets_.forget(kTarget);
  EXPECT_EQ(allowed(), Names{"none"});
}

// Whatever a server calls an initiator: one that could not log in is no reason to lose the others.
TEST_F(KernelTargetsTest, LeavesOutNamesThatAreNone) {
  start({"PortalGroup=1@192.0.2.1"});
  targets_.allow(kTarget, {"", "Foo bar", kHost1, "iqn.x\ny"});
  EXPECT_EQ(allowed(), Names{kHost1});
}

TEST_F(KernelTargetsTest, TellsAModuleThatHasForgotten) {
  start({"PortalGroup=1@192.0.2.1"});
  targets_.allow(kTarget, {kHost1});
  door_.targets[kTarget].allowed.reset();
  targets_.allow(kTarget, {kHost1});
  EXPECT_EQ(allowed(), Names{kHost1});
}

TEST_F(KernelTargetsTest, ATargetThatHasStoppedIsNoTrouble) {
  testing::internal::CaptureStderr();
  targets_.allow(kTarget, {kHost1});
  targets_.forget(kTarget);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// An older list would go on to decide; the file is to.
TEST_F(KernelTargetsTest, TakesTheOldListBackWhenTheNewOneIsRefused) {
  start({"PortalGroup=1@192.0.2.1"});
  targets_.allow(kTarget, {kHost1});
  Names many;
  for (unsigned i = 0; i <= chiscsi::InitiatorList::kMaxNames; ++i)
    many.push_back("iqn.2026-11.org.example:" + std::to_string(100000 + i));
  testing::internal::CaptureStderr();
  targets_.allow(kTarget, many);
  targets_.allow(kTarget, many);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(allowed(), Names{"none"});
  EXPECT_NE(said.find(kTarget + ": the list of allowed initiators: initiator: more than 8192"),
            std::string::npos)
      << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << "said once";
  many.pop_back();
  targets_.allow(kTarget, many);
  EXPECT_EQ(allowed().size(), chiscsi::InitiatorList::kMaxNames);
}

// The promise is about names, whatever their length.
TEST_F(KernelTargetsTest, HandsOverAsManyOfTheLongestNames) {
  start({"PortalGroup=1@192.0.2.1"});
  Names many;
  for (unsigned i = 0; i < chiscsi::InitiatorList::kMaxNames; ++i) {
    const std::string number = std::to_string(100000 + i);
    many.push_back("iqn.2026-11.org.example:" + number + std::string(223 - 30, 'x'));
  }
  ASSERT_EQ(many.front().size(), 223u);
  testing::internal::CaptureStderr();
  targets_.allow(kTarget, many);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(allowed(), many);
}

TEST_F(KernelTargetsTest, LeavesTheListOfAnotherProcessAlone) {
  start({"PortalGroup=1@192.0.2.1"});
  targets_.allow(kTarget, {kHost1});
  door_.has_other_holder = true;
  testing::internal::CaptureStderr();
  targets_.allow(kTarget, {kHost2});
  EXPECT_NE(testing::internal::GetCapturedStderr().find("another process"), std::string::npos);
  EXPECT_EQ(allowed(), Names{kHost1});
  EXPECT_EQ(count(CHISCSI_CONTROL_ISNS_ALLOW), 2u);
}

}  // namespace
}  // namespace isns
