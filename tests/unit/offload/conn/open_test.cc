// SPDX-License-Identifier: GPL-2.0-only
//
// Opening: servers, requests for connections, and how they are refused.
#include <thread>

#include "rig.hh"

namespace chiscsi::test {
namespace {

TEST(OffloadOpen, BringsAConnectionToTheTarget) {
  Rig rig;
  rig.syn();
  const auto reply = rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->control);
  EXPECT_EQ(reply->queue, 1u);
  const auto& accept = reply->as<cpl::PassAcceptRpl>();
  EXPECT_EQ(accept.ot.tid(), kTid);
  EXPECT_EQ(accept.opt0.get() >> cpl::kOpt0UlpModeShift & 0xf, 2u);
  EXPECT_EQ(accept.opt0.get() >> cpl::kOpt0MssIndexShift, 8u);
  EXPECT_EQ(accept.opt0.get() >> cpl::kOpt0L2tShift & 0xfff, 7u);
  EXPECT_EQ(accept.opt2.get() & 0x3ff, 77u);
  EXPECT_EQ(rig.lld.tids.count(kTid), 1u);

  rig.establish();
  ASSERT_TRUE(rig.target.wait_accepted());
  EXPECT_EQ(rig.target.endpoints.iaddr.port, 1234u);
  EXPECT_EQ(rig.target.endpoints.taddr.port, 3260u);
  EXPECT_EQ(rig.target.endpoints.iaddr.ip[15], 9);
  EXPECT_EQ(rig.target.endpoints.port_id, 1u);
  rig.target.start();
  rig.target.turns();
  EXPECT_TRUE(rig.lld.is_quiet());
  EXPECT_EQ(counters_now().conns_offloaded, rig.before.conns_offloaded + 1);
  rig.terminate();
}

TEST(OffloadOpen, TellsItsLimits) {
  for (const uint32_t chip : {5u, 6u}) {
    Rig rig(chip, [](FakeLld& lld) { lld.info.iscsi_iolen = 0xffff; });
    rig.open();
    unsigned int value = 0;
    EXPECT_EQ(
        rig.target.transport->get_param(rig.target.conn, CHISCSI_PARAM_MAX_RECV_DLENGTH, &value),
        0);
    EXPECT_EQ(value, chip == 5 ? 15912u : 16384u);
    rig.terminate();
  }
}

TEST(OffloadOpen, RefusesWhenTheTargetDoes) {
  Rig rig;
  rig.target.refuses = true;
  rig.syn();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
  rig.establish();
  // It is established: no release of the tid, but an abort.
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.let_go());
}

TEST(OffloadOpen, RefusesByReleaseOfTheTid) {
  Rig rig(5, [](FakeLld& lld) { lld.info.wr_credits = 10; });  // Not enough for a PDU.
  rig.syn();
  const auto release = rig.lld.next_cpl(cpl::Opcode::kTidRelease);
  ASSERT_TRUE(release);
  EXPECT_EQ(release->as<cpl::TidReq>().ot.tid(), kTid);
  EXPECT_TRUE(rig.lld.let_go());
  EXPECT_EQ(counters_now().conns_refused, rig.before.conns_refused + 1);
}

TEST(OffloadOpen, RefusesUnderAllocationFailures) {
  for (uint64_t n = 1; n <= 3; ++n) {
    Rig rig;
    // The first is the message itself: the adapter brings it again.
    host_fail_allocation_at(n);
    const ByteVector syn = syn_message(5, rig.stid());
    int rc = rig.lld.say_bytes(syn.data(), syn.size());
    if (n == 1) {
      EXPECT_NE(rc, 0);
      host_fail_allocation_at(0);
      rc = rig.lld.say_bytes(syn.data(), syn.size());
    }
    EXPECT_EQ(rc, 0);
    const auto answer = rig.lld.next();
    host_fail_allocation_at(0);
    ASSERT_TRUE(answer);
    if (answer->opcode() == cpl::Opcode::kPassAcceptRpl) {
      rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
      EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
    } else {
      EXPECT_EQ(answer->opcode(), cpl::Opcode::kTidRelease);
    }
    EXPECT_TRUE(rig.lld.let_go());
  }
}

TEST(OffloadOpen, RefusesWhatItCannotRead) {
  Rig rig;
  ByteVector broken = syn_message(5, rig.stid());
  broken[24 + 14] = 0x95;  // No IP version.
  EXPECT_EQ(rig.lld.say_pages(broken), 0);
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kTidRelease));
  ByteVector cut = syn_message(5, rig.stid());
  cut.resize(30);
  EXPECT_EQ(rig.lld.say_pages(cut), 0);
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kTidRelease));
  // A server that is not there.
  EXPECT_EQ(rig.lld.say_pages(syn_message(5, 4711)), 0);
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kTidRelease));
}

TEST(OffloadOpen, ReadsARequestThatPagesCut) {
  for (const size_t cut : {1u, 3u, 20u, 24u, 40u, 70u}) {
    Rig rig;
    EXPECT_EQ(rig.lld.say_pages(syn_message(5, rig.stid()), {cut}), 0);
    EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
    rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
    EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
    EXPECT_TRUE(rig.lld.let_go());
  }
}

TEST(OffloadOpen, DropsMessagesForNobody) {
  Rig rig;
  rig.ack(3);
  const uint8_t stray[3] = {0xc3, 0, 0};
  EXPECT_EQ(rig.lld.say_bytes(stray, sizeof(stray)), 0);
  EXPECT_EQ(counters_now().bad_messages, rig.before.bad_messages + 2);
}

TEST(OffloadOpen, EndsWhenTheHandshakeTakesTooLong) {
  Rig rig;
  rig.syn();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
  host_advance_clock(31'000);
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.let_go());
}

TEST(OffloadOpen, ForgetsAConnectionWhoseNextHopIsSilent) {
  Rig rig;
  rig.lld.holds_accept = true;
  rig.syn();
  {
    std::unique_lock lock(rig.lld.mutex);
    ASSERT_TRUE(rig.lld.changed.wait_for(lock, kSurely, [&] { return rig.lld.held != nullptr; }));
  }
  rig.lld.last_failed(rig.lld.held, rig.lld.last_context);
  EXPECT_TRUE(rig.lld.let_go());
}

// What ends a connection stays behind the reply that began it, and what goes to the adapter before
// it knows the connection goes to it never.
class OffloadOpenSilentHop : public testing::Test {
 protected:
  // The reply waits for the next hop, and the connection is not wanted any more.
  void SetUp() override {
    rig.lld.hop_is_unknown = true;
    rig.syn();
    ASSERT_TRUE(rig.lld.wait([&] { return rig.lld.waiting_for_hop.size() == 1; }));
    host_advance_clock(31'000);
    ASSERT_TRUE(
        rig.lld.wait([&] { return rig.lld.waiting_for_hop.size() == 3 || !rig.lld.sent.empty(); }));
    EXPECT_TRUE(rig.lld.is_quiet());
  }
  Rig rig;
};

TEST_F(OffloadOpenSilentHop, IsFoundLate) {
  rig.lld.hop_is_found();
  const auto accept = rig.lld.next();
  ASSERT_TRUE(accept);
  EXPECT_EQ(accept->opcode(), cpl::Opcode::kPassAcceptRpl);
  const auto flowc = rig.lld.next();
  ASSERT_TRUE(flowc);
  ASSERT_EQ(flowc->fw_opcode(), cpl::fw::kFlowc);
  EXPECT_FALSE(flowc->control);
  // What is known without the adapter's word for it.
  const auto value = [&](size_t i) { return flowc->as<cpl::FlowcParam>(8 + 8 * i).value.get(); };
  EXPECT_EQ(value(4), accept->as<cpl::PassAcceptRpl>().iss.get() + 1);
  EXPECT_NE(value(7), 0u);
  EXPECT_NE(value(8), 0u);
  const auto abort = rig.lld.next();
  ASSERT_TRUE(abort);
  EXPECT_EQ(abort->opcode(), cpl::Opcode::kAbortReq);
  EXPECT_FALSE(abort->control);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.let_go());
}

TEST_F(OffloadOpenSilentHop, IsNeverFound) {
  rig.lld.hop_is_silent();
  EXPECT_TRUE(rig.lld.let_go());
  EXPECT_TRUE(rig.lld.is_quiet());
}

// The adapter's word that the connection is established is late: the abort is on its way.
TEST_F(OffloadOpenSilentHop, EstablishedBehindTheAbort) {
  rig.lld.hop_is_found();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.establish();
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.let_go());
}

// A request that waits while the adapter starts anew asks for nothing any more: its tid is another
// connection's, or free.
TEST(OffloadOpen, ForgetsRequestsOfAFormerLife) {
  Rig rig;
  const uint32_t old_stid = rig.stid();
  rig.target.refuses = true;
  rig.target.while_refusing = [&] {
    EXPECT_EQ(rig.lld.say_pages(syn_message(5, old_stid, kTid + 1)), 0);
    rig.lld.set_state(LLD_STATE_RECOVERY);
    rig.lld.set_state(LLD_STATE_UP);
  };
  rig.syn();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
  rig.establish();
  ASSERT_TRUE(rig.lld.wait([&] {
    return rig.lld.tids.empty() && rig.lld.stids.size() == 1 && *rig.lld.stids.begin() != old_stid;
  }));
  EXPECT_TRUE(rig.lld.is_quiet());
  rig.target.refuses = false;
  rig.open();
  rig.terminate();
}

// What comes while the target makes up its mind is not forgotten.
TEST(OffloadOpen, HearsWhatCameDuringARefusal) {
  Rig rig;
  rig.target.refuses = true;
  rig.target.while_refusing = [&rig] {
    rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
  };
  rig.syn();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
  rig.establish();
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.let_go());
}

TEST(OffloadServer, IsClosedWithItsPortal) {
  Rig rig;
  EXPECT_EQ(rig.lld.stids.size(), 1u);
  rig.target.unlisten();
  EXPECT_TRUE(rig.lld.stids.empty());
}

TEST(OffloadServer, RefusalIsThePortals) {
  Rig rig;
  rig.target.unlisten();
  rig.lld.open_status = 3;
  EXPECT_LT(rig.target.listen(3261), 0);
  EXPECT_TRUE(rig.lld.stids.empty());
  rig.lld.open_status = 0;
  EXPECT_EQ(rig.target.listen(3261), 0);
}

TEST(OffloadServer, IsNobodysWhereTheAddressIsNobodys) {
  Rig rig;
  rig.target.unlisten();
  rig.lld.owns = false;
  EXPECT_EQ(rig.target.listen(3261, false), -19);
  EXPECT_EQ(rig.target.listen(3261, true), 0);  // A wildcard waits for adapters.
}

TEST(OffloadServer, KeepsTheIndexOfAServerThatDoesNotAnswer) {
  Rig rig;
  rig.target.unlisten();
  rig.lld.answers_servers = false;
  std::thread clock([] {
    for (int i = 0; i < 4; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      host_advance_clock(11'000);
    }
  });
  EXPECT_EQ(rig.target.listen(3261), -110);
  clock.join();
  rig.stids_left = 1;
}

// Nobody had the address when the portal opened.
TEST(OffloadServer, SingleAddressGoesToAnAdapterThatComesLater) {
  Rig rig;
  rig.target.unlisten();
  rig.lld.owns = false;
  EXPECT_EQ(rig.target.listen(3260, false), -19);
  rig.lld.remove();
  rig.lld.owns = true;
  rig.lld.add();
  ASSERT_TRUE(rig.lld.wait([&] { return rig.lld.stids.size() == 1; }));
  rig.open();
  rig.terminate();
}

TEST(OffloadServer, GoesToAnAdapterThatComesLater) {
  Rig rig;
  rig.lld.remove();
  EXPECT_TRUE(rig.lld.stids.empty());
  rig.lld.add();
  const auto limit = std::chrono::steady_clock::now() + kSurely;
  while (std::chrono::steady_clock::now() < limit) {
    const std::lock_guard guard(rig.lld.mutex);
    if (!rig.lld.stids.empty()) break;
  }
  rig.open();
  rig.terminate();
}

}  // namespace
}  // namespace chiscsi::test
