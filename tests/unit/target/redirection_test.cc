// SPDX-License-Identifier: GPL-2.0-only
//
// Which portal a login may be sent on to. The whole way is in tests/protocol/redirection_test.cc.
#include "target/redirection.hh"

#include <gtest/gtest.h>

#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

os_address address(const char* text) {
  os_address parsed = {};
  EXPECT_TRUE(parse_ip_and_port(text, &parsed)) << text;
  return parsed;
}

constexpr char kFirst[] = "PortalGroup=1@192.0.2.1:3260,[2]";
constexpr char kSecond[] = "PortalGroup=2@192.0.2.2:3261,[2001:db8::2]:3261";

TEST(Redirection, StaysAtThePortalsOfTheTarget) {
  const Ref<TargetSettings> settings = settings_of({kFirst, kSecond});
  ASSERT_TRUE(settings);
  const os_address here = address("192.0.2.1:3260");
  EXPECT_TRUE(is_redirection_portal(*settings, here, address("192.0.2.2:3261")));
  EXPECT_TRUE(is_redirection_portal(*settings, here, address("[2001:db8::2]:3261")));
  EXPECT_FALSE(is_redirection_portal(*settings, here, address("192.0.2.2:3260")));
  EXPECT_FALSE(is_redirection_portal(*settings, here, address("192.0.2.85:3261")));
  EXPECT_FALSE(is_redirection_portal(*settings, here, address("[2001:db8::3]:3261")));
}

TEST(Redirection, GoesAnywhereInShadowMode) {
  const Ref<TargetSettings> settings = settings_of({kFirst, kSecond, "ShadowMode=Yes"});
  ASSERT_TRUE(settings);
  const os_address here = address("192.0.2.1:3260");
  EXPECT_TRUE(is_redirection_portal(*settings, here, address("192.0.2.2:3261")));
  EXPECT_TRUE(is_redirection_portal(*settings, here, address("192.0.2.85:3261")));
  EXPECT_TRUE(is_redirection_portal(*settings, here, address("[2001:db8::3]:3261")));
}

TEST(Redirection, NeverGoesBackOrNowhere) {
  for (const char* mode : {"ShadowMode=No", "ShadowMode=Yes"}) {
    const Ref<TargetSettings> settings =
        settings_of({"PortalGroup=1@0.0.0.0:3260,[2]", kSecond, mode});
    ASSERT_TRUE(settings);
    const os_address here = address("192.0.2.1:3260");
    EXPECT_FALSE(is_redirection_portal(*settings, here, here)) << mode;
    EXPECT_FALSE(is_redirection_portal(*settings, here, address("0.0.0.0:3260"))) << mode;
    EXPECT_FALSE(is_redirection_portal(*settings, here, address("[::]:3261"))) << mode;
    // Another address under the wildcard is another portal.
    EXPECT_TRUE(is_redirection_portal(*settings, here, address("192.0.2.9:3260"))) << mode;
  }
}

}  // namespace
}  // namespace chiscsi::test
