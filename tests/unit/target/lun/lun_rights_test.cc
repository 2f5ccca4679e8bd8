// SPDX-License-Identifier: GPL-2.0-only
//
// LunRights: what rules mean for each number, against TargetSettings::lun_access().
#include "target/lun/lun_rights.hh"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host.hh"
#include "target/config/address.hh"
#include "target/config/target_settings.hh"

namespace chiscsi::test {
namespace {

constexpr char kHost1[] = "iqn.1994-05.org.example:host1";

Ref<TargetSettings> settings_of(const std::vector<std::string>& acl, bool enabled = true) {
  std::string text = std::string("ACL_Enable=") + (enabled ? "Yes" : "No") + '\0';
  for (const std::string& line : acl)
    text += "ACL=" + line + '\0';
  ConfigError error;
  auto parsed = TargetSettings::parse("iqn.2026-11.org.example:disk",
                                      {reinterpret_cast<const uint8_t*>(text.data()), text.size()},
                                      {}, &error);
  EXPECT_TRUE(parsed.is_ok()) << error.c_str();
  return parsed.take();
}

AccessSubject subject(const char* name, const char* address = "192.0.2.50") {
  AccessSubject who;
  who.initiator_name = name;
  EXPECT_TRUE(parse_ip(address, &who.initiator));
  EXPECT_TRUE(parse_ip("192.0.2.10", &who.target));
  return who;
}

TEST(LunRights, AgreesWithTheRules) {
  const std::vector<std::vector<std::string>> kLists = {
      {},
      {std::string("iname=") + kHost1},
      {std::string("iname=") + kHost1 + ";lun=ALL:R"},
      {std::string("iname=") + kHost1 + ";lun=0:R"},
      {std::string("iname=") + kHost1 + ";lun=0~3,7:R", "sip=192.0.2.50;lun=2~9:RW"},
      {std::string("iname=") + kHost1 + ";lun=5:RW", "sip=192.0.2.50;lun=ALL:R"},
      {"sip=192.0.2.51;lun=1:RW", "dip=192.0.2.10;lun=16383:R"},
      {std::string("iname=") + kHost1 + ";lun=3:R", std::string("iname=") + kHost1 + ";lun=3:RW"},
  };
  for (const auto& list : kLists) {
    for (const bool enabled : {true, false}) {
      const Ref<TargetSettings> settings = settings_of(list, enabled);
      for (const char* name : {kHost1, "iqn.1994-05.org.example:host2"}) {
        for (const char* address : {"192.0.2.50", "192.0.2.51", "192.0.2.52"}) {
          LunRights rights;
          const AccessSubject who = subject(name, address);
          ASSERT_TRUE(rights.decide(*settings, who).is_ok());
          for (uint32_t lun : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 255u, 256u, 16382u,
                               16383u, 16384u, 0xffffffffu}) {
            EXPECT_EQ(rights.of(lun), settings->lun_access(who, lun)) << lun;
          }
        }
      }
    }
  }
}

TEST(LunRights, EverythingUntilItIsDecided) {
  const LunRights rights;
  EXPECT_TRUE(rights.may_write(0));
  EXPECT_TRUE(rights.may_write(0xffffffff));
}

// Rules say which LUNs, also to those whom iSNS has let in; to whom they say nothing, all are open.
TEST(LunRights, OfWhomIsnsHasLetInAreThoseOfTheRulesIfThereAreAny) {
  const Ref<TargetSettings> settings =
      settings_of({std::string("iname=") + kHost1 + ";lun=2:R", "sip=192.0.2.51;lun=3:RW"});
  LunRights rights;
  ASSERT_TRUE(rights.decide(*settings, subject(kHost1), LoginGrant::kByIsns).is_ok());
  EXPECT_TRUE(rights.may_reach(2));
  EXPECT_FALSE(rights.may_write(2));
  EXPECT_FALSE(rights.may_reach(3));
  const AccessSubject other = subject("iqn.1994-05.org.example:host2");
  ASSERT_TRUE(rights.decide(*settings, other, LoginGrant::kByIsns).is_ok());
  EXPECT_TRUE(rights.may_write(0));
  EXPECT_TRUE(rights.may_write(2));
  EXPECT_TRUE(rights.may_write(0xffffffff));
  ASSERT_TRUE(rights.decide(*settings, other, LoginGrant::kByAcl).is_ok());
  EXPECT_FALSE(rights.may_reach(2));
}

TEST(LunRights, AreTheSameWhenEveryNumberHasTheSame) {
  const std::string host = std::string("iname=") + kHost1;
  // Those of each pair mean the same, and no pair means what another one does.
  const std::vector<std::vector<std::vector<std::string>>> kMeanings = {
      {{host}, {host + ";lun=0~3:R", host + ";lun=ALL:RW"}},
      {{host + ";lun=0~3:R"}, {host + ";lun=0,1,2,3:R"}},
      {{host + ";lun=0~2:R"}, {host + ";lun=2:R", host + ";lun=0~1:R"}},
      {{host + ";lun=0~3:RW"}, {host + ";lun=0~3:R", host + ";lun=0~3:RW"}},
      {{host + ";lun=ALL:R"}, {host + ";lun=0:R", host + ";lun=ALL:R"}},
      {{"sip=192.0.2.99"}, {"sip=192.0.2.98;lun=7:R"}},
  };
  const auto rights_of = [](const std::vector<std::string>& acl, LunRights* rights) {
    ASSERT_TRUE(rights->decide(*settings_of(acl), subject(kHost1)).is_ok());
  };
  for (size_t a = 0; a < kMeanings.size(); ++a) {
    for (size_t b = 0; b < kMeanings.size(); ++b) {
      LunRights one, other;
      rights_of(kMeanings[a][0], &one);
      rights_of(kMeanings[b][1], &other);
      EXPECT_EQ(one.same_as(other), a == b) << a << " and " << b;
      EXPECT_EQ(other.same_as(one), a == b) << a << " and " << b;
    }
  }
}

TEST(LunRights, SaysSoWithoutMemory) {
  const Ref<TargetSettings> settings = settings_of({std::string("iname=") + kHost1 + ";lun=9:R"});
  LunRights rights;
  host_fail_allocation_at(1);
  EXPECT_EQ(rights.decide(*settings, subject(kHost1)).error(), Error::kNoMemory);
  host_fail_allocation_at(0);
  EXPECT_FALSE(rights.may_reach(3));
}

}  // namespace
}  // namespace chiscsi::test
