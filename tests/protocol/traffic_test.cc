// SPDX-License-Identifier: GPL-2.0-only
//
// The counters of sessions and portals (Guide 8) against what the initiator of the test has moved,
// and readers of all of them while sessions come and go.
#include "information.hh"
#include "offload_run.hh"

#include <atomic>

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class TrafficProtocol : public InformationProtocol {};

// ---- Traffic ----

TEST_F(TrafficProtocol, TrafficIsWhatTheInitiatorHasMoved) {
  start();
  LoginOptions login;
  login.keys = {{"InitialR2T", "No"}};
  auto initiator = log_in_and_settle(login);
  expect_traffic(sessions()[0].perf, 0, 0, 0, 0);
  expect_traffic(portal_info(here(), port).info, 0, 0, 0, 0);
  unsigned long read_bytes = 0, write_bytes = 0, reads = 0, writes = 0;
  for (const uint16_t blocks : {1, 16, 700}) {
    const Outcome read = initiator->read(read10_cdb(0, blocks), blocks * kBlock);
    ASSERT_TRUE(read.good());
    read_bytes += read.data.size();
    ++reads;
    // Immediate, unsolicited and solicited data.
    const ByteVector data = pattern(blocks * kBlock);
    const auto size = static_cast<uint32_t>(data.size());
    WriteShape shape;
    shape.immediate = std::min(size, 4096u);
    shape.unsolicited = std::min(size, 65536u) - shape.immediate;
    ASSERT_TRUE(initiator->write(write10_cdb(0, blocks), data, shape).good());
    write_bytes += data.size();
    ++writes;
  }
  // Short of what was expected, refused, and without data.
  const Outcome inquiry = initiator->read(inquiry_cdb(255), 255);
  ASSERT_TRUE(inquiry.good());
  read_bytes += inquiry.data.size();
  ++reads;
  EXPECT_FALSE(initiator->read(read10_cdb(FakeDriver::kBlocks, 1), kBlock).good());
  ++reads;
  ASSERT_TRUE(initiator->no_data(test_unit_ready_cdb()).good());
  expect_traffic(sessions()[0].perf, read_bytes, write_bytes, reads, writes);
  expect_traffic(portal_info(here(), port).info, read_bytes, write_bytes, reads, writes);
}

TEST_F(TrafficProtocol, PortalKeepsTheTrafficOfSessionsThatHaveEnded) {
  start();
  unsigned long bytes = 0;
  for (uint8_t i = 1; i <= 3; ++i) {
    LoginOptions login;
    login.isid[5] = i;
    auto initiator = log_in_and_settle(login);
    ASSERT_TRUE(initiator->read(read10_cdb(0, i), i * kBlock).good());
    bytes += i * kBlock;
    expect_traffic(sessions()[0].perf, i * kBlock, 0, 1, 0);
    expect_traffic(portal_info(here(), port).info, bytes, 0, i, 0);
    EXPECT_EQ(initiator->logout(), 0);
    ASSERT_TRUE(driver.wait_for("session_removed", i));
    expect_traffic(portal_info(here(), port).info, bytes, 0, i, 0);
  }
  // A reconfiguration that keeps the portal keeps its counters.
  ASSERT_EQ(driver.reconfigure_target(kTargetName, target_keys()), 0);
  expect_traffic(portal_info(here(), port).info, bytes, 0, 3, 0);
}

TEST_F(TrafficProtocol, PortalsCountForThemselves) {
  const uint16_t second = free_port();
  keys.emplace_back("PortalGroup", "2@" + std::string(here()) + ":" + std::to_string(second));
  start();
  auto initiator = log_in_and_settle();
  ASSERT_TRUE(initiator->read(read10_cdb(0, 2), 2 * kBlock).good());
  Initiator other(second);
  LoginOptions login;
  login.isid[5] = 9;
  ASSERT_TRUE(other.login(login).in_full_feature);
  ASSERT_TRUE(other.write(write10_cdb(0, 1), pattern(kBlock)).good());
  expect_traffic(portal_info(here(), port).info, 2 * kBlock, 0, 1, 0);
  expect_traffic(portal_info(here(), second).info, 0, kBlock, 0, 1);
  EXPECT_EQ(portal_info(here(), free_port()).rc, -ENOENT);
  EXPECT_EQ(portal_info("127.0.0.2", port).rc, -ENOENT);
  EXPECT_EQ(portal_info("::1", port).rc, -ENOENT);
  EXPECT_EQ(portal_info(here(), 0).rc, -ENOENT);  // 3260.
}

TEST_F(TrafficProtocol, WildcardPortalAnswersForEveryAddressItCovers) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "the transport of the tests has one address";
  set_key("PortalGroup", portal("0.0.0.0"));
  start();
  auto initiator = log_in_and_settle();
  ASSERT_TRUE(initiator->read(read10_cdb(0, 1), kBlock).good());
  Initiator other(port, "127.0.0.2");
  LoginOptions login;
  login.isid[5] = 9;
  ASSERT_TRUE(other.login(login).in_full_feature);
  ASSERT_TRUE(other.read(read10_cdb(0, 3), 3 * kBlock).good());
  for (const char* address : {"0.0.0.0", here(), "127.0.0.2"})
    expect_traffic(portal_info(address, port).info, 4 * kBlock, 0, 2, 0);
  EXPECT_EQ(portal_info("::", port).rc, -ENOENT);
}

// A target that listens everywhere beside one at a single address, in either order.
class Wildcard : public TrafficProtocol, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (MemoryTransport::chosen()) GTEST_SKIP() << "the transport of the tests has one address";
    if (OffloadRun::chosen()) GTEST_SKIP() << "the adapter of the tests takes ports by sockets";
    TrafficProtocol::SetUp();
  }
  // Whether somebody listens there.
  bool answers(const char* address) const {
    Initiator peer(port, address);
    return peer.connected();
  }
  int add_other(const char* at) {
    std::vector<std::string> keys = target_keys();
    for (std::string& key : keys) {
      if (key.rfind("PortalGroup=", 0) == 0) key = "PortalGroup=" + portal(at);
    }
    return driver.add_target(kOther, keys);
  }
  static constexpr char kOther[] = "iqn.2026-11.org.example:other";
};
INSTANTIATE_TEST_SUITE_P(, Wildcard, testing::Bool(),
                         [](const auto& info) { return info.param ? "First" : "Second"; });

TEST_P(Wildcard, HearsForTheSingleAddressWhileItIsThere) {
  set_key("PortalGroup", portal(GetParam() ? "0.0.0.0" : here()));
  start();
  auto initiator = log_in_and_settle();
  ASSERT_EQ(add_other(GetParam() ? here() : "0.0.0.0"), 0);
  EXPECT_TRUE(answers(here()));
  EXPECT_TRUE(answers("127.0.0.2"));
  auto second = log_in_and_settle({.isid = {0, 0, 0, 0, 0, 9}});
  ASSERT_TRUE(second->read(read10_cdb(0, 1), kBlock).good());
  expect_traffic(portal_info(here(), port).info, kBlock, 0, 1, 0);
  // The wildcard goes, and with it what nobody has asked for.
  if (GetParam()) {
    remove_target();
  } else {
    ASSERT_EQ(driver.remove_target(kOther), 0);
    EXPECT_TRUE(initiator->ping()) << "sessions stay";
  }
  EXPECT_TRUE(answers(here()));
  EXPECT_FALSE(answers("127.0.0.2"));
  EXPECT_EQ(portal_info("0.0.0.0", port).rc, -ENOENT);
  if (GetParam()) driver.remove_target(kOther);
}

TEST_P(Wildcard, AReloadToAnAddressThatIsNotHereChangesNothing) {
  const std::string old = portal("0.0.0.0"), absent = portal("192.0.2.99");
  set_key("PortalGroup", old);
  start();
  ASSERT_EQ(GetParam() ? add_other("0.0.0.0") : 0, 0);
  HostLogCapture log;
  set_key("PortalGroup", absent);
  EXPECT_EQ(driver.reconfigure_target(kTargetName, target_keys()), -EADDRNOTAVAIL);
  EXPECT_TRUE(answers("127.0.0.2"));
  set_key("PortalGroup", old);
  EXPECT_EQ(driver.reconfigure_target(kTargetName, target_keys()), 0);
  if (GetParam()) driver.remove_target(kOther);
  EXPECT_TRUE(answers(here()));
}

TEST_F(TrafficProtocol, PortalMayHaveAnIpv6Address) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "the transport of the tests has one address";
  set_key("PortalGroup", "1@[::1]:" + std::to_string(port));
  start();
  Initiator initiator(port, "::1");
  if (!initiator.connected()) GTEST_SKIP() << "no IPv6 on this machine";
  ASSERT_TRUE(initiator.login().in_full_feature);
  ASSERT_TRUE(initiator.read(read10_cdb(0, 1), kBlock).good());
  expect_traffic(portal_info("::1", port).info, kBlock, 0, 1, 0);
  EXPECT_EQ(portal_info(here(), port).rc, -ENOENT);
  const auto [rc, info] = connection_info(driver.last_session());
  ASSERT_EQ(rc, 0);
  EXPECT_EQ(info.tcp_endpoints.f_ipv6, 1u);
  EXPECT_EQ(info.tcp_endpoints.taddr.ip[15], 1);
}

TEST_F(TrafficProtocol, PortalThatClosedAndOpenedAgainStartsAtZero) {
  start();
  auto initiator = log_in_and_settle();
  ASSERT_TRUE(initiator->read(read10_cdb(0, 1), kBlock).good());
  ASSERT_EQ(driver.remove_target(kTargetName), 0);
  EXPECT_EQ(portal_info(here(), port).rc, -ENOENT);
  ASSERT_EQ(driver.add_target(kTargetName, target_keys()), 0);
  expect_traffic(portal_info(here(), port).info, 0, 0, 0, 0);
}

// ---- Churn ----

// Readers in a loop while sessions come, work and go in every way.
TEST_F(TrafficProtocol, ReadersSurviveChurn) {
  start();
  std::atomic<bool> ending{false};
  std::atomic<unsigned long> seen_sessions{0}, seen_connections{0};
  const auto read_all = [&] {
    unsigned long last_bytes = 0;
    while (!ending) {
      for (const chiscsi_session_info& info : sessions()) {
        ++seen_sessions;
        EXPECT_STREQ(info.peer_name, kInitiatorName);
        EXPECT_EQ(info.conn_cnt, 1);
        // Of one moment or not, they never contradict each other.
        EXPECT_GE(static_cast<int32_t>(info.cmdsn + 1 - info.expcmdsn), 0);
        EXPECT_GE(static_cast<int32_t>(info.maxcmdsn - info.cmdsn), 0);
        const auto [rc, connection] = connection_info(info.hndl);
        if (rc == 0) {
          ++seen_connections;
          EXPECT_EQ(connection.tcp_endpoints.taddr.port, port);
          EXPECT_GE(static_cast<int32_t>(connection.statsn - connection.expstatsn), 0);
        } else {
          EXPECT_TRUE(rc == -ESTALE || rc == -ENOENT) << rc;
        }
      }
      const auto [rc, perf] = portal_info(here(), port);
      EXPECT_EQ(rc, 0);
      EXPECT_GE(perf.read_bytes, last_bytes);
      last_bytes = perf.read_bytes;
      EXPECT_EQ(target_info().rc, 0);
    }
  };
  std::thread readers[] = {std::thread(read_all), std::thread(read_all)};

  constexpr int kThreads = 3, kRounds = 20;
  std::atomic<unsigned long> bytes{0};
  const auto churn = [&](uint8_t number) {
    for (int round = 0; round < kRounds; ++round) {
      Initiator initiator(port);
      LoginOptions login;
      login.isid[5] = number;
      if (!initiator.login(login).in_full_feature) {
        ADD_FAILURE() << "no login in round " << round;
        return;
      }
      if (initiator.read(read10_cdb(0, 8), 8 * kBlock).good()) bytes += 8 * kBlock;
      // The abort may hit a session of another thread.
      if (round % 4 == 1) initiator.logout();
      if (round % 4 == 2) initiator.disconnect_with_reset();
      if (round % 4 == 3) chiscsi_target_session_abort(driver.last_session());
    }
  };
  std::thread churners[] = {std::thread(churn, 1), std::thread(churn, 2), std::thread(churn, 3)};
  for (std::thread& thread : churners)
    thread.join();
  ASSERT_TRUE(driver.wait_for("session_removed", kThreads * kRounds));
  ending = true;
  for (std::thread& thread : readers)
    thread.join();
  EXPECT_GT(seen_sessions, 0u);
  EXPECT_GT(seen_connections, 0u);
  // What initiators have received in whole commands was counted, and nothing is lost with them.
  EXPECT_GE(portal_info(here(), port).info.read_bytes, bytes);
  EXPECT_EQ(sessions().size(), 0u);
}

}  // namespace
}  // namespace chiscsi::test
