// SPDX-License-Identifier: GPL-2.0-only
//
// Redirection (Guide 5.1.7): portals in turn, or the storage driver's choice.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <thread>

#include "memory_transport.hh"
#include "offload_run.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint16_t kMoved = static_cast<uint16_t>(LoginStatus::kMovedTemporarily);
constexpr uint16_t kUnavailable = static_cast<uint16_t>(LoginStatus::kServiceUnavailable);
constexpr uint16_t kTargetError = static_cast<uint16_t>(LoginStatus::kTargetError);
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void set_ipv4(tcp_endpoint& endpoint, std::initializer_list<uint8_t> bytes, unsigned port) {
  memcpy(endpoint.ip, kMappedPrefix, sizeof(kMappedPrefix));
  std::copy(bytes.begin(), bytes.end(), endpoint.ip + sizeof(kMappedPrefix));
  endpoint.port = port;
}

class RedirectionProtocol : public ProtocolTest {
 protected:
  RedirectionProtocol() : second(free_port()), third(free_port()) {
    const std::string ip = "@" + portal_ip() + ":";
    keys.erase(keys.begin());
    keys.insert(keys.begin(), {{"PortalGroup", "1" + ip + std::to_string(port) + ",[2,3]"},
                               {"PortalGroup", "2" + ip + std::to_string(second)},
                               {"PortalGroup", "3" + ip + std::to_string(third)}});
  }
  LoginResult try_login(uint16_t at) {
    Initiator initiator(at);
    const LoginResult result = initiator.login();
    EXPECT_TRUE(result.in_full_feature || initiator.closed_by_target());
    return result;
  }
  std::string address(uint16_t of) const { return portal_address(of); }
  // The driver names a portal that a login gets or is refused for.
  void driver_chooses(std::function<int(chiscsi_tcp_endpoints*)> choose) {
    driver.on_redirect = [choose](const std::string&, const std::string&,
                                  chiscsi_tcp_endpoints* endpoints) { return choose(endpoints); };
  }
  void set_groups(std::initializer_list<std::string> groups) {
    std::erase_if(keys, [](const auto& pair) { return pair.first == "PortalGroup"; });
    for (const std::string& group : groups)
      keys.emplace_back("PortalGroup", group);
  }
  void expect_unavailable(uint16_t at) {
    const LoginResult result = try_login(at);
    EXPECT_EQ(result.status, kUnavailable);
    EXPECT_EQ(result.key("TargetAddress"), "");
  }
  void expect_error() {
    const LoginResult result = try_login(port);
    EXPECT_EQ(result.status, kTargetError);
    EXPECT_EQ(result.key("TargetAddress"), "");
    EXPECT_EQ(driver.count("session_added"), 0u);
  }

  const uint16_t second, third;
};

TEST_F(RedirectionProtocol, PortalsTakeTurnsWithoutAHook) {
  start();
  std::multiset<std::string> seen;
  for (int i = 0; i < 4; ++i) {
    const LoginResult result = try_login(port);
    EXPECT_EQ(result.status, kMoved);
    seen.insert(result.key("TargetAddress"));
  }
  EXPECT_EQ(seen.count(address(second)), 2u);
  EXPECT_EQ(seen.count(address(third)), 2u);
  EXPECT_TRUE(try_login(second).in_full_feature);
  EXPECT_EQ(driver.count("first_login"), 5u);
}

TEST_F(RedirectionProtocol, WildcardPortalIsNamedByTheAddressThatWasReached) {
  keys.erase(keys.begin() + 1, keys.begin() + 3);
  keys.emplace_back("PortalGroup", "2@0.0.0.0:" + std::to_string(second));
  keys[0].second = "1@" + address(port) + ",[2]";
  start();
  const LoginResult result = try_login(port);
  EXPECT_EQ(result.status, kMoved);
  EXPECT_EQ(result.key("TargetAddress"), address(second));
}

// A single address and all addresses of the same port.
class RedirectionByWildcard : public RedirectionProtocol {
 protected:
  void SetUp() override {
    if (OffloadRun::chosen()) GTEST_SKIP() << "the adapter of the tests takes ports by sockets";
  }
};

// A single address comes before all addresses: where the login arrived there is no other group.
TEST_F(RedirectionByWildcard, WildcardThatIsThePortalOfArrivalIsNoPlaceToGo) {
  set_groups({"1@" + address(port) + ",[2]", "2@0.0.0.0:" + std::to_string(port)});
  start();
  expect_unavailable(port);
}

TEST_F(RedirectionByWildcard, PortalOfArrivalIsLeftOutOfTheTurns) {
  const std::string wildcard = "0.0.0.0:" + std::to_string(port);
  set_groups({"1@" + address(port) + ",[2]",
              "2@" + address(second) + "," + wildcard + "," + address(third)});
  start();
  std::set<std::string> seen;
  for (int i = 0; i < 6; ++i) {
    const LoginResult result = try_login(port);
    EXPECT_EQ(result.status, kMoved);
    seen.insert(result.key("TargetAddress"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{address(second), address(third)}));
}

// Who is sent to all addresses of group 3 arrives at group 1 again.
TEST_F(RedirectionByWildcard, WildcardThatIsAnotherGroupsPortalIsNoPlaceToGo) {
  set_groups({"1@" + address(port) + ",[2]", "2@" + address(second) + ",[3]",
              "3@0.0.0.0:" + std::to_string(port)});
  start();
  EXPECT_EQ(try_login(port).key("TargetAddress"), address(second));
  expect_unavailable(second);
}

// An initiator that has come by IPv4 cannot be told which address of IPv6 it may reach.
TEST_F(RedirectionProtocol, WildcardOfTheOtherFamilyIsLeftOutOfTheTurns) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "the transport of the tests has one address";
  set_groups(
      {"1@" + address(port) + ",[2]", "2@[::]:" + std::to_string(second) + "," + address(third)});
  start();
  for (int i = 0; i < 4; ++i) {
    const LoginResult result = try_login(port);
    EXPECT_EQ(result.status, kMoved);
    EXPECT_EQ(result.key("TargetAddress"), address(third));
  }
}

// With ShadowMode=Yes all addresses are those of another machine, which nobody can be sent to.
TEST_F(RedirectionProtocol, WildcardOfAnotherMachineIsNoPlaceToGo) {
  set_groups({"1@" + address(port) + ",[2]", "2@0.0.0.0:" + std::to_string(second)});
  set_key("ShadowMode", "Yes");
  start();
  expect_unavailable(port);
}

// A configuration that sends logins in a circle is refused, or else the logins are.
TEST_F(RedirectionProtocol, NoLoginGoesRoundBetweenTwoGroups) {
  start();
  set_groups({"1@" + address(port) + ",[2]", "2@" + address(second) + ",[1]"});
  if (driver.reconfigure_target(kTargetName, target_keys()) != 0) return;
  expect_unavailable(port);
  expect_unavailable(second);
}

TEST_F(RedirectionProtocol, TheStorageDriverChooses) {
  std::string names;
  chiscsi_tcp_endpoints seen = {};
  driver.on_redirect = [&](const std::string& target, const std::string& initiator,
                           chiscsi_tcp_endpoints* endpoints) {
    names = target + " " + initiator;
    seen = *endpoints;
    endpoints->taddr.port = third;
    return 0;
  };
  start();
  for (int i = 0; i < 3; ++i) {
    const LoginResult result = try_login(port);
    EXPECT_EQ(result.status, kMoved);
    EXPECT_EQ(result.key("TargetAddress"), address(third));
  }
  EXPECT_EQ(names, std::string(kTargetName) + " iqn.2026-11.org.example:initiator");
  EXPECT_EQ(seen.f_ipv6, 0u);
  EXPECT_EQ(seen.taddr.port, port);
  EXPECT_EQ(memcmp(seen.iaddr.ip, kMappedPrefix, sizeof(kMappedPrefix)), 0);
  EXPECT_NE(seen.iaddr.port, 0u);
  // A portal that does not redirect asks nobody.
  EXPECT_TRUE(try_login(third).in_full_feature);
  EXPECT_EQ(driver.count("redirect"), 3u);
}

// The login check comes first and may refuse.
TEST_F(RedirectionProtocol, RefusedLoginIsNotRedirected) {
  driver_chooses([](chiscsi_tcp_endpoints*) { return 0; });
  driver.login_status = 0x0202;
  start();
  EXPECT_EQ(try_login(port).status, 0x0202);
  EXPECT_EQ(driver.count("redirect"), 0u);
}

// The driver of a removed target may be gone.
TEST_F(RedirectionProtocol, ARemovedTargetAsksNobody) {
  driver_chooses([this](chiscsi_tcp_endpoints* endpoints) {
    endpoints->taddr.port = third;
    return 0;
  });
  driver.answer_login = false;
  start();
  Initiator initiator(port);
  std::thread login([&] {
    EXPECT_EQ(initiator.login().status, static_cast<uint16_t>(LoginStatus::kTargetRemoved));
  });
  EXPECT_TRUE(driver.wait_for("first_login"));
  remove_target();
  driver.answer_logins();
  login.join();
  EXPECT_EQ(driver.count("redirect"), 0u);
}

TEST_F(RedirectionProtocol, FailingHookIsATargetError) {
  driver_chooses([this](chiscsi_tcp_endpoints* endpoints) {
    endpoints->taddr.port = third;  // Whatever it has written.
    return -EIO;
  });
  start();
  expect_error();
}

TEST_F(RedirectionProtocol, HookThatWritesNothingIsATargetError) {
  driver_chooses([](chiscsi_tcp_endpoints*) { return 0; });
  start();
  expect_error();
}

TEST_F(RedirectionProtocol, PortalWithoutAddressIsATargetError) {
  driver_chooses([this](chiscsi_tcp_endpoints* endpoints) {
    set_ipv4(endpoints->taddr, {0, 0, 0, 0}, second);
    return 0;
  });
  set_key("ShadowMode", "Yes");
  start();
  expect_error();
}

TEST_F(RedirectionProtocol, PortalWithoutPortIsATargetError) {
  for (const unsigned bad : {0u, 65536u}) {
    driver_chooses([bad](chiscsi_tcp_endpoints* endpoints) {
      endpoints->taddr.port = bad;
      return 0;
    });
    if (bad == 0) start();
    expect_error();
  }
}

// ShadowMode=No: the portals are here.
TEST_F(RedirectionProtocol, PortalElsewhereNeedsShadowMode) {
  driver_chooses([](chiscsi_tcp_endpoints* endpoints) {
    set_ipv4(endpoints->taddr, {192, 0, 2, 85}, 3261);
    return 0;
  });
  start();
  expect_error();
}

TEST_F(RedirectionProtocol, ShadowModeLetsTheDriverNameAnyPortal) {
  driver_chooses([](chiscsi_tcp_endpoints* endpoints) {
    set_ipv4(endpoints->taddr, {192, 0, 2, 85}, 3261);
    return 0;
  });
  set_key("ShadowMode", "Yes");
  start();
  const LoginResult result = try_login(port);
  EXPECT_EQ(result.status, kMoved);
  EXPECT_EQ(result.key("TargetAddress"), "192.0.2.85:3261");
}

TEST_F(RedirectionProtocol, AnIpv4LoginMayBeSentToAnIpv6Portal) {
  driver_chooses([](chiscsi_tcp_endpoints* endpoints) {
    const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x85};
    memcpy(endpoints->taddr.ip, ip, sizeof(ip));
    endpoints->taddr.port = 3262;
    endpoints->f_ipv6 = 1;
    return 0;
  });
  set_key("ShadowMode", "Yes");
  start();
  const LoginResult result = try_login(port);
  EXPECT_EQ(result.status, kMoved);
  EXPECT_EQ(result.key("TargetAddress"), "[2001:db8::85]:3262");
}

TEST_F(RedirectionProtocol, AnIpv6LoginMayBeSentToAnIpv4Portal) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "the transport of the tests has one address";
  keys[0].second = "1@[::1]:" + std::to_string(port) + ",[2]";
  std::atomic<bool> was_ipv6{false};
  driver_chooses([&](chiscsi_tcp_endpoints* endpoints) {
    was_ipv6 = endpoints->f_ipv6 == 1 && endpoints->taddr.ip[15] == 1;
    set_ipv4(endpoints->taddr, {127, 0, 0, 1}, second);
    return 0;
  });
  start();
  Initiator initiator(port, "::1");
  if (!initiator.connected()) GTEST_SKIP() << "no IPv6 on this machine";
  const LoginResult result = initiator.login();
  EXPECT_EQ(result.status, kMoved);
  EXPECT_EQ(result.key("TargetAddress"), address(second));
  EXPECT_TRUE(was_ipv6);
}

TEST_F(RedirectionProtocol, DiscoveryIsNotRedirected) {
  driver_chooses([](chiscsi_tcp_endpoints*) { return -EIO; });
  start();
  LoginOptions login;
  login.session_type = "Discovery";
  auto initiator = log_in(login);
  EXPECT_FALSE(initiator->send_targets().empty());
  EXPECT_EQ(driver.count("redirect"), 0u);
}

// A hook that waits keeps the login worker: sessions go on, other logins come after it.
TEST_F(RedirectionProtocol, SlowHookDelaysLoginsAndNothingElse) {
  std::atomic<bool> entered{false}, go_on{false};
  driver_chooses([&](chiscsi_tcp_endpoints* endpoints) {
    entered = true;
    entered.notify_all();
    go_on.wait(false);
    endpoints->taddr.port = second;
    return 0;
  });
  start();
  Initiator session(second);
  ASSERT_TRUE(session.login().in_full_feature);
  std::thread redirected([this] { EXPECT_EQ(try_login(port).status, kMoved); });
  entered.wait(false);
  EXPECT_TRUE(session.no_data(test_unit_ready_cdb()).good());
  std::atomic<bool> logged_in{false};
  std::thread other([&] {
    LoginOptions login;
    login.isid[5] = 9;
    Initiator initiator(third);
    EXPECT_TRUE(initiator.login(login).in_full_feature);
    logged_in = true;
  });
  EXPECT_TRUE(session.ping());
  EXPECT_FALSE(logged_in);
  go_on = true;
  go_on.notify_all();
  redirected.join();
  other.join();
  EXPECT_TRUE(logged_in);
}

}  // namespace
}  // namespace chiscsi::test
