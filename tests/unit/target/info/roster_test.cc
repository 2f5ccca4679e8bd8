// SPDX-License-Identifier: GPL-2.0-only
//
// Roster: connections by index, sums over those that are here and those that have left, and
// readers next to a worker that lets connections come, count and go.
#include "target/info/roster.hh"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include "host.hh"

namespace chiscsi::test {
namespace {

Ref<Roster> make_roster() {
  Result<Ref<Roster>> made = Roster::create();
  EXPECT_TRUE(made.is_ok());
  return made.take();
}

void expect_traffic(const chiscsi_perf_info& info, unsigned long read_bytes,
                    unsigned long write_bytes, unsigned long reads, unsigned long writes) {
  EXPECT_EQ(info.read_bytes, read_bytes);
  EXPECT_EQ(info.write_bytes, write_bytes);
  EXPECT_EQ(info.read_cmd_cnt, reads);
  EXPECT_EQ(info.write_cmd_cnt, writes);
}

TEST(Roster, StartsEmpty) {
  const Ref<Roster> roster = make_roster();
  chiscsi_connection_info info;
  EXPECT_EQ(roster->summary().connections, 0u);
  expect_traffic(roster->summary().traffic, 0, 0, 0, 0);
  EXPECT_FALSE(roster->read_connection(0, &info));
}

TEST(Roster, NumbersConnectionsInTheOrderOfTheirArrival) {
  const Ref<Roster> roster = make_roster();
  ConnectionStatus connections[3];
  for (unsigned i = 0; i < 3; ++i) {
    connections[i].facts.cid = 10 + i;
    roster->enter(connections[i].in_session);
  }
  chiscsi_connection_info info;
  for (unsigned i = 0; i < 3; ++i) {
    ASSERT_TRUE(roster->read_connection(i, &info));
    EXPECT_EQ(info.cid, 10 + i);
  }
  EXPECT_FALSE(roster->read_connection(3, &info));
  EXPECT_FALSE(roster->read_connection(0xffffffff, &info));
  roster->leave(connections[1].in_session);
  EXPECT_EQ(roster->summary().connections, 2u);
  ASSERT_TRUE(roster->read_connection(1, &info));
  EXPECT_EQ(info.cid, 12u);
  EXPECT_FALSE(roster->read_connection(2, &info));
  roster->leave(connections[0].in_session);
  roster->leave(connections[2].in_session);
}

TEST(Roster, ReadsFactsAndPublishedNumbers) {
  const Ref<Roster> roster = make_roster();
  ConnectionStatus connection;
  connection.facts.hndl = 77;
  connection.facts.conn_keys.portal_group_tag = 5;
  connection.facts.statsn = 1;  // Not what counts.
  connection.stat_sn.set(100);
  connection.exp_stat_sn.set(99);
  connection.max_xmit_data_segment.set(4096);
  roster->enter(connection.in_session);
  chiscsi_connection_info info;
  memset(static_cast<void*>(&info), 0xa5, sizeof(info));
  ASSERT_TRUE(roster->read_connection(0, &info));
  EXPECT_EQ(info.hndl, 77u);
  EXPECT_EQ(info.conn_keys.portal_group_tag, 5u);
  EXPECT_EQ(info.statsn, 100u);
  EXPECT_EQ(info.expstatsn, 99u);
  EXPECT_EQ(info.conn_keys.max_xmit_data_segment, 4096u);
  roster->leave(connection.in_session);
}

TEST(Roster, KeepsTheTrafficOfThoseThatHaveLeft) {
  const Ref<Roster> session = make_roster(), portal = make_roster();
  ConnectionStatus first, second;
  session->enter(first.in_session);
  portal->enter(first.in_portal);
  session->enter(second.in_session);
  first.traffic.read_executed();
  first.traffic.read_sent(512);
  first.traffic.read_sent(512);
  second.traffic.write_executed();
  second.traffic.write_received(4096);
  expect_traffic(session->summary().traffic, 1024, 4096, 1, 1);
  expect_traffic(portal->summary().traffic, 1024, 0, 1, 0);
  session->leave(first.in_session);
  expect_traffic(session->summary().traffic, 1024, 4096, 1, 1);
  // Leaving twice counts once, and what was never there counts nothing.
  session->leave(first.in_session);
  portal->leave(second.in_portal);
  expect_traffic(session->summary().traffic, 1024, 4096, 1, 1);
  expect_traffic(portal->summary().traffic, 1024, 0, 1, 0);
  portal->leave(first.in_portal);
  session->leave(second.in_session);
  expect_traffic(portal->summary().traffic, 1024, 0, 1, 0);
  EXPECT_EQ(session->summary().connections, 0u);
}

TEST(Roster, WithoutMemoryThereIsNone) {
  const uint64_t before = host_live_allocations();
  for (uint64_t n = 1; n <= 2; ++n) {
    host_fail_allocation_at(n);
    EXPECT_FALSE(Roster::create().is_ok());
    host_fail_allocation_at(0);
    EXPECT_EQ(host_live_allocations(), before);
  }
}

TEST(Roster, ReadersSeeNothingThatIsGone) {
  const Ref<Roster> roster = make_roster();
  std::atomic<bool> ending{false};
  std::thread reader([&] {
    unsigned long last = 0;
    while (!ending) {
      chiscsi_connection_info info;
      if (roster->read_connection(0, &info)) {
        EXPECT_EQ(info.hndl, info.cid + 1ul);
        EXPECT_LE(info.expstatsn, info.statsn);
      }
      const Roster::Summary summary = roster->summary();
      EXPECT_LE(summary.connections, 1u);
      EXPECT_GE(summary.traffic.read_bytes, last);
      last = summary.traffic.read_bytes;
    }
  });
  constexpr unsigned kRounds = 500, kPdus = 20;
  for (unsigned round = 0; round < kRounds; ++round) {
    auto connection = std::make_unique<ConnectionStatus>();
    connection->facts.cid = round;
    connection->facts.hndl = round + 1ul;
    roster->enter(connection->in_session);
    for (unsigned i = 1; i <= kPdus; ++i) {
      connection->stat_sn.set(i);
      connection->exp_stat_sn.set(i);
      connection->traffic.read_sent(1);
    }
    roster->leave(connection->in_session);
  }
  ending = true;
  reader.join();
  EXPECT_EQ(roster->summary().traffic.read_bytes, kRounds * kPdus);
}

}  // namespace
}  // namespace chiscsi::test
