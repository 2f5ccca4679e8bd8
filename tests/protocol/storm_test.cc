// SPDX-License-Identifier: GPL-2.0-only
//
// Very many of everything, and too little memory: rows L-18, D-8 and M-2 of the robustness corpus.
// What is good gets through, and what it costs is bounded.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "control_call.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class Storm : public ProtocolTest {
 protected:
  // Each connection of this process has two ends in it.
  static bool may_open(rlim_t connections) {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 2 * connections + 100;
  }
  static LoginOptions of_host(unsigned host, unsigned session) {
    LoginOptions login;
    login.initiator_name = "iqn.2026-11.org.example:host" + std::to_string(host);
    login.isid[5] = static_cast<uint8_t>(session);
    return login;
  }
};

// 16 hosts log in by 3 paths to 20 volumes each, all at once, while others say nothing.
TEST_F(Storm, EveryGoodLoginOfAStormSucceeds) {
  constexpr unsigned kHosts = 16, kSessions = 60;
  if (!may_open(kHosts * kSessions + 100)) GTEST_SKIP() << "too few files may be open";
  start();
  std::vector<std::unique_ptr<Initiator>> silent;
  for (int i = 0; i < 40; ++i)
    silent.push_back(std::make_unique<Initiator>(port));
  std::vector<std::vector<std::unique_ptr<Initiator>>> peers(kHosts);
  std::vector<std::thread> hosts;
  std::atomic<unsigned> in_full_feature{0};
  for (unsigned host = 0; host < kHosts; ++host) {
    hosts.emplace_back([&, host] {
      for (unsigned session = 0; session < kSessions; ++session) {
        auto peer = std::make_unique<Initiator>(port);
        if (peer->login(of_host(host, session)).in_full_feature) ++in_full_feature;
        peers[host].push_back(std::move(peer));
      }
    });
  }
  for (std::thread& host : hosts)
    host.join();
  EXPECT_EQ(in_full_feature, kHosts * kSessions);
  for (const auto& of_one : peers)
    for (const auto& peer : of_one)
      ASSERT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_EQ(driver.count("session_added"), kHosts * kSessions);
  EXPECT_EQ(driver.count("session_removed"), 0u);
}

// So many targets live at one portal: all are discovered, the last can be used, all go again.
TEST_F(Storm, AThousandTargetsAreServed) {
  constexpr unsigned kTargets = 1024;
  start();
  const auto name_of = [](unsigned i) {
    return std::string(kTargetName) + "." + std::to_string(i);
  };
  for (unsigned i = 0; i < kTargets; ++i)
    ASSERT_EQ(driver.add_target(name_of(i), target_keys()), 0) << i;
  LoginOptions discovery;
  discovery.session_type = "Discovery";
  discovery.target_name = "";
  auto finder = log_in(discovery);
  std::set<std::string> found;
  for (const auto& pair : finder->send_targets())
    if (pair.first == "TargetName") found.insert(pair.second);
  EXPECT_EQ(found.size(), kTargets + 1);
  LoginOptions last;
  last.target_name = name_of(kTargets - 1);
  last.isid[5] = 9;
  auto user = log_in(last);
  EXPECT_TRUE(user->no_data(test_unit_ready_cdb()).good());
  for (unsigned i = 0; i < kTargets; ++i)
    EXPECT_EQ(driver.remove_target(name_of(i)), 0) << i;
  EXPECT_TRUE(user->closed_by_target());
  EXPECT_EQ(finder->send_targets().size(), 2u);
}

// A thousand sessions with the longest names are listed as a whole, also while half of them go.
TEST_F(Storm, AThousandSessionsAreListed) {
  constexpr unsigned kHosts = 50, kSessions = 20;
  constexpr size_t kLongestName = 223;
  if (!may_open(kHosts * kSessions)) GTEST_SKIP() << "too few files may be open";
  start();
  std::vector<std::unique_ptr<Initiator>> peers;
  std::set<std::string> names;
  for (unsigned i = 0; i < kHosts * kSessions; ++i) {
    LoginOptions login = of_host(i / kSessions, i % kSessions);
    login.initiator_name.resize(kLongestName, 'x');
    names.insert(login.initiator_name);
    peers.push_back(log_in(login));
  }
  ASSERT_TRUE(driver.wait_for("session_added", kHosts * kSessions));
  const ControlAnswer small = control(CHISCSI_CONTROL_SESSION_LIST, {}, 0, 4096);
  EXPECT_EQ(small.error, -ENOSPC);
  EXPECT_GT(small.used, kHosts * kSessions * kLongestName);
  const auto list_all = [&] {
    const auto records = control(CHISCSI_CONTROL_SESSION_LIST, {}, 0, small.used).records();
    std::set<std::string> sessions, initiators;
    for (const ControlRecord& record : records) {
      if (record.value("session").empty()) continue;
      sessions.insert(record.value("session"));
      initiators.insert(record.value("initiator"));
      EXPECT_EQ(record.value("initiator").size(), kLongestName);
    }
    return std::pair(sessions.size(), initiators);
  };
  EXPECT_EQ(list_all(), std::pair(size_t{kHosts * kSessions}, names));
  std::atomic<bool> gone{false};
  std::thread half([&] {
    peers.resize(peers.size() / 2);
    gone = true;
  });
  size_t last = kHosts * kSessions;
  while (!gone) {
    const auto [sessions, initiators] = list_all();
    EXPECT_LE(sessions, last) << "none comes again";
    EXPECT_GE(sessions, kHosts * kSessions / 2) << "those that stay are always there";
    last = sessions;
  }
  half.join();
}

// 64 sessions fill their windows with writes that promise 4 GiB each. A command costs its own
// memory and, of data that may come unsolicited, FirstBurstLength; the promise costs nothing.
TEST_F(Storm, WindowsFullOfEnormousWritesCostWhatWasAgreed) {
  constexpr unsigned kSessions = 64, kWindow = 64;
  constexpr uint64_t kOfACommand = 8192;
  set_key("TargetSessionMaxCmd", std::to_string(kWindow));
  start();
  std::vector<std::unique_ptr<Initiator>> peers;
  for (unsigned i = 0; i < kSessions; ++i)
    peers.push_back(log_in(of_host(i, 0)));
  const uint64_t before = host_live_bytes();
  driver.hold(true);
  std::vector<std::vector<Pdu>> writes(kSessions);
  for (unsigned i = 0; i < kSessions; ++i) {
    for (unsigned n = 0; n < kWindow; ++n) {
      writes[i].push_back(peers[i]->make_command(write10_cdb(0, 1), 0xffffffff, kCommandWrite));
      ASSERT_TRUE(peers[i]->send(writes[i].back()));
    }
  }
  ASSERT_TRUE(driver.wait_for("cdb 2a", kSessions * kWindow));
  EXPECT_LT(host_live_bytes() - before, kSessions * kWindow * kOfACommand);
  // One more is outside of the window, and ignored.
  ASSERT_TRUE(peers[0]->send(peers[0]->make_command(write10_cdb(0, 1), 0xffffffff, kCommandWrite)));
  --peers[0]->cmd_sn;
  EXPECT_TRUE(peers[0]->is_silent());
  EXPECT_EQ(driver.count("cdb 2a"), kSessions * kWindow);
  EXPECT_TRUE(log_in(of_host(kSessions, 0))->ping());
  driver.release_held();
  const ByteVector data = pattern(kBlock, 3);
  for (unsigned i = 0; i < kSessions; ++i)
    for (const Pdu& command : writes[i])
      ASSERT_TRUE(peers[i]->finish(command, &data).good());
}

// Row M-2: for a while about one allocation in fifty fails, wherever it is. Connections may end and
// commands may fail; what was acknowledged is on the medium, nothing else is, and all comes back.
TEST_F(Storm, TrafficSurvivesAShortageOfMemory) {
  constexpr unsigned kHosts = 4, kRounds = 150;
  constexpr uint32_t kBlocks = 128;
  host_set_log_level(2);
  start();
  std::atomic<bool> done{false};
  std::thread thief([&] {
    unsigned random = 1;
    while (!done) {
      random = random * 1103515245 + 12345;
      host_fail_allocation_at(1 + (random >> 16) % 50);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    host_fail_allocation_at(0);
  });
  std::atomic<unsigned> good{0};
  std::vector<std::thread> hosts;
  for (unsigned host = 0; host < kHosts; ++host) {
    hosts.emplace_back([&, host] {
      const uint32_t first_block = host * kBlocks;
      std::unique_ptr<Initiator> peer;
      ByteVector acknowledged, attempted;
      for (unsigned round = 0; round < kRounds; ++round) {
        if (!peer || !peer->connected()) {
          peer = std::make_unique<Initiator>(port);
          peer->check_numbers = false;
          LoginOptions login = of_host(host, 0);
          login.keys = {{"InitialR2T", "No"}};
          if (!peer->login(login).in_full_feature) continue;
        }
        attempted = pattern(kBlocks * kBlock, round * kHosts + host);
        const Outcome written =
            peer->write(write10_cdb(first_block, kBlocks), attempted, {4096, 8192, 16384});
        if (!written.good()) {
          acknowledged.clear();  // It may be there in part.
          if (!written.answered) peer.reset();
          continue;
        }
        acknowledged = attempted;
        const Outcome read = peer->read(read10_cdb(first_block, kBlocks), kBlocks * kBlock);
        if (!read.answered) peer.reset();
        if (!read.good() || read.residual != 0) continue;
        ASSERT_EQ(read.data, acknowledged);
        ++good;
      }
      if (!acknowledged.empty()) {
        EXPECT_EQ(driver.content(0, first_block * kBlock, kBlocks * kBlock), acknowledged);
      }
    });
  }
  for (std::thread& host : hosts)
    host.join();
  done = true;
  thief.join();
  host_set_log_level(4);
  EXPECT_GT(good, 0u);
  EXPECT_TRUE(log_in(of_host(99, 0))->no_data(test_unit_ready_cdb()).good());
}

}  // namespace
}  // namespace chiscsi::test
