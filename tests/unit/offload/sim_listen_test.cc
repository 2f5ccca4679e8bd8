// SPDX-License-Identifier: GPL-2.0-only
//
// The software adapter: what it is, servers, accepting, and the tables of indices.
#include "sim_client.hh"

namespace chiscsi::test {
namespace {

using SimListen = SimTest;

TEST_F(SimListen, TellsWhatItIs) {
  EXPECT_EQ(inbox_.info->chip, 6u);
  EXPECT_EQ(inbox_.info->wr_credits, 64u);
  EXPECT_EQ(inbox_.info->mtus[8], 1500);
  EXPECT_EQ(inbox_.info->page_orders[3], 4);
  EXPECT_EQ(inbox_.info->ppod_size, 256u * 1024);
  EXPECT_EQ(inbox_.info->tag_mask & (inbox_.info->tag_mask + 1), 0u);
  ASSERT_EQ(inbox_.states.size(), 1u);
  EXPECT_EQ(inbox_.states[0], LLD_STATE_UP);
  EXPECT_EQ(ops_->best_mtu(dev_, 1500, 0, 0), 8u);
  EXPECT_EQ(ops_->best_mtu(dev_, 1499, 0, 0), 7u);
  os_address address = portal();
  EXPECT_EQ(ops_->owns_address(dev_, &address), 1);
  address.ip[15] = 2;
  EXPECT_EQ(ops_->owns_address(dev_, &address), 0);
}

TEST_F(SimListen, OpensAndClosesAServer) {
  open_server();
  connect_peer();
  EXPECT_EQ(inbox_.next().opcode(), Opcode::kPassAcceptReq);
  EXPECT_EQ(stats().stids, 1u);
  close_server();
  EXPECT_EQ(stats().stids, 0u);
  EXPECT_NE(stats().tids, 0u);
  // An offer is refused by giving the tid back.
  send_message(tp<cpl::TidReq>(Opcode::kTidRelease, 0), true);
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
}

TEST_F(SimListen, SaysThatAnAddressCannotBeHad) {
  open_server();
  const auto stid = static_cast<uint32_t>(ops_->stid_alloc(dev_, 0, nullptr));
  const os_address address = portal();
  ASSERT_EQ(ops_->server_create(dev_, stid, &address), 0);
  EXPECT_NE(inbox_.next(Opcode::kPassOpenRpl).as<cpl::StatusRpl>().status, 0);
  ops_->stid_free(dev_, stid, 0);
}

TEST_F(SimListen, FaultsOfServers) {
  EXPECT_EQ(sim_fault(dev_, "no such fault", 1), -2);
  ASSERT_EQ(sim_fault(dev_, "open_status", 1), 0);
  const auto stid = static_cast<uint32_t>(ops_->stid_alloc(dev_, 1, nullptr));
  EXPECT_EQ(stid % 2, 0u);
  os_address address = portal();
  ASSERT_EQ(ops_->server_create(dev_, stid, &address), 0);
  EXPECT_NE(inbox_.next(Opcode::kPassOpenRpl).as<cpl::StatusRpl>().status, 0);
  ops_->stid_free(dev_, stid, 1);

  // Without an answer the index cannot be freed: the adapter may still own it.
  ASSERT_EQ(sim_fault(dev_, "open_silent", 1), 0);
  stid_ = static_cast<uint32_t>(ops_->stid_alloc(dev_, 0, nullptr));
  ASSERT_EQ(ops_->server_create(dev_, stid_, &address), 0);
  ops_->stid_free(dev_, stid_, 0);
  expect_broken("stid");
}

TEST_F(SimListen, ReadsTheSynOfBothChips) {
  const Link link = offered();
  const auto& request = request_.as<cpl::PassAcceptReq>();
  EXPECT_NE(request_.pieces, 0u);
  EXPECT_EQ(request.tos_stid.get(), stid_);
  EXPECT_EQ(request.hdr_len.get() >> 24, 14u);
  EXPECT_EQ(request.hdr_len.get() >> 14 & 0x3ff, 20u);
  EXPECT_EQ(request.hdr_len.get() >> 8 & 0x3f, 40u);
  const ByteVector syn = request_.after(sizeof(cpl::PassAcceptReq));
  ASSERT_EQ(syn.size(), 74u);
  sockaddr_in self = {};
  socklen_t size = sizeof(self);
  getsockname(link.fd, reinterpret_cast<sockaddr*>(&self), &size);
  EXPECT_EQ(memcmp(&syn[34], &self.sin_port, 2), 0);
  EXPECT_EQ(memcmp(&syn[26], &self.sin_addr, 4), 0);
  EXPECT_EQ(syn[36] << 8 | syn[37], port_);
}

TEST_F(SimListen, EstablishesAndReleases) {
  const Link link = established();
  EXPECT_EQ(link.snd_isn, 0xffff'fff8);
  abort_connection(link);
  EXPECT_EQ(inbox_.next(Opcode::kAbortRplRss).as<cpl::StatusRpl>().status, 0);
  EXPECT_EQ(recv(link.fd, &port_, 1, 0), -1);
  EXPECT_EQ(stats().tids, 1u);
  release(link);
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
}

TEST_F(SimListen, RefusesAMalformedAccept) {
  Link link = offered();
  auto message = accept_message(link);
  message.opt0 = message.opt0.get() & ~(0xfull << cpl::kOpt0UlpModeShift);
  send_message(message, true);
  expect_broken("accept_shape");
  now_established(link);
  send_message(message, true);
  expect_broken("accept_state");
}

TEST_F(SimListen, ChecksEachFieldOfAnAccept) {
  const auto with = [this](auto change) {
    const Link link = offered();
    auto message = accept_message(link);
    change(message);
    send_message(message, true);
    now_established(link);
    return sim_violations(dev_, "accept_shape");
  };
  broken_ = {"accept_shape", "flowc_params"};  // Without a queue FLOWC names the wrong one.
  EXPECT_EQ(with([](auto& m) { m.opt2 = m.opt2.get() & ~cpl::kOpt2Valid; }), 1u);
  EXPECT_EQ(with([](auto& m) { m.opt2 = m.opt2.get() & ~cpl::kOpt2RssQueueValid; }), 2u);
  EXPECT_EQ(with([](auto& m) { m.opt2 = (m.opt2.get() & ~0x3ffu) | 7; }), 3u);
  EXPECT_EQ(with([](auto& m) { m.opt0 = m.opt0.get() & ~(0x3ffull << 12); }), 4u);
  EXPECT_EQ(with([](auto& m) { m.opt0 = m.opt0.get() ^ 1ull << cpl::kOpt0L2tShift; }), 5u);
  EXPECT_EQ(with([](auto& m) { m.opt0 = m.opt0.get() ^ 1ull << cpl::kOpt0SmacShift; }), 6u);
  EXPECT_EQ(with([](auto& m) { m.opt0 = m.opt0.get() ^ 1ull << cpl::kOpt0TxChannelShift; }), 7u);
  EXPECT_EQ(with([](auto& m) { m.opt0 = m.opt0.get() | 15ull << 50; }), 8u);
  EXPECT_EQ(with([](auto&) {}), 8u);
}

TEST_F(SimListen, CountsWhatIsReturnedTwice) {
  const Link link = established();
  ops_->tid_insert(dev_, nullptr, link.tid, 0);
  expect_broken("tid_insert");
  abort_connection(link);
  inbox_.next(Opcode::kAbortRplRss);
  lld_route route = link.route;
  release(link);
  ops_->tid_remove(dev_, link.tid, 0, 0);
  expect_broken("tid_remove");
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
  send_message(tp<cpl::TidReq>(Opcode::kTidRelease, link.tid), true);
  expect_broken("tid_release");
  ops_->route_put(dev_, &route);
  expect_broken("route");
  ops_->stid_free(dev_, 0x800 + 5, 0);
  expect_broken("stid");
}

TEST_F(SimListen, CountsATidThatIsReleasedAlive) {
  const Link link = established();
  release(link);
  expect_broken("tid_live");
}

TEST_F(SimListen, CountsLocalAddresses) {
  os_address address = {};
  address.is_ipv6 = 1;
  address.ip[15] = 1;
  EXPECT_EQ(ops_->clip_get(dev_, &address), 0);
  EXPECT_EQ(ops_->clip_get(dev_, &address), 0);
  EXPECT_EQ(stats().clip, 2u);
  ops_->clip_release(dev_, &address);
  ops_->clip_release(dev_, &address);
  EXPECT_EQ(stats().clip, 0u);
  ops_->clip_release(dev_, &address);
  expect_broken("clip");
}

TEST_F(SimListen, CountsWhatIsLeftOver) {
  EXPECT_GE(ops_->stid_alloc(dev_, 1, nullptr), 0);
  broken_.insert("left_over");
  leaves_ = {"left: stids 2"};
}

TEST_F(SimListen, ReusesATidAtOnce) {
  const Link first = established();
  abort_and_release(first);
  const Link second = established();
  EXPECT_EQ(first.tid, second.tid);
}

class SimNextHop : public SimListen {
 protected:
  // PASS_ACCEPT_RPL by the next hop; what fails is counted.
  void reply_by_next_hop(const Link& link) {
    const auto message = accept_message(link);
    lld_buffer* buffer = ops_->buffer_alloc(dev_, sizeof(message), 0);
    ASSERT_NE(buffer, nullptr);
    memcpy(ops_->buffer_header(buffer), &message, sizeof(message));
    ASSERT_EQ(ops_->send_l2t(dev_, buffer, 0, 1, link.route.l2t, &SimNextHop::failed, this), 0);
  }
  static void failed(lld_buffer* back, void* self) {
    sim_backend()->buffer_free(back);
    ++static_cast<SimNextHop*>(self)->failures_;
  }

  std::atomic<uint32_t> failures_{0};
};

TEST_F(SimNextHop, IsUnreachable) {
  const Link link = offered();
  ASSERT_EQ(sim_fault(dev_, "arp_failure", 1), 0);
  reply_by_next_hop(link);
  ASSERT_TRUE(eventually([&] { return failures_ == 1; }));
  // Later it answers, after a while.
  ASSERT_EQ(sim_fault(dev_, "resolving", 1), 0);
  reply_by_next_hop(link);
  now_established(link);
}

// Who lets go of an adapter has sent it all the same; of the tid that is another matter.
TEST_F(SimNextHop, HoldsAMessageThatIsNotLeftOver) {
  Link link = offered();
  ASSERT_EQ(sim_fault(dev_, "resolving", 1), 0);
  reply_by_next_hop(link);
  ops_->route_put(dev_, &link.route);
  links_.clear();
  broken_.insert("left_over");
  leaves_ = {"left: tids 1"};
}

// Nothing waits once it was reached: a message that waited would be overtaken by what needs no next
// hop, here by the answer to a reset and the release of the tid.
TEST_F(SimNextHop, HoldsNothingOfAnAcceptedConnection) {
  const Link link = established();
  TxOptions options;
  options.by_next_hop = true;
  ASSERT_EQ(sim_fault(dev_, "resolving", 1), 0);
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
  ASSERT_EQ(sim_fault(dev_, "peer_reset", 1), 0);
  inbox_.next(Opcode::kAbortReqRss);
  answer_abort(link);
  release(link);
  EXPECT_TRUE(eventually([&] { return stats().buffers == 0 && stats().tids == 0; }));
  EXPECT_EQ(sim_faults_done(dev_, "resolving"), 0u);
  const Link next = offered();
  reply_by_next_hop(next);
  now_established(next);
  EXPECT_EQ(sim_faults_done(dev_, "resolving"), 1u);
}

TEST_F(SimListen, AllocationFailsWhenAsked) {
  ASSERT_EQ(sim_fault(dev_, "allocation", 2), 0);
  EXPECT_EQ(ops_->buffer_alloc(dev_, 16, 0), nullptr);
  EXPECT_EQ(ops_->buffer_alloc(dev_, 16, 0), nullptr);
  lld_buffer* buffer = ops_->buffer_alloc(dev_, 16, 0);
  ASSERT_NE(buffer, nullptr);
  EXPECT_EQ(stats().buffers, 1u);
  ops_->buffer_free(buffer);
  EXPECT_EQ(stats().buffers, 0u);
}

class SimListenT5 : public SimTest {
  void configure() override {
    config_.chip = 5;
    config_.tid_base = 100;
    config_.tid_count = 1;
  }
};

TEST_F(SimListenT5, HasItsOwnHeaderLengths) {
  const Link link = established();
  const uint32_t lengths = request_.as<cpl::PassAcceptReq>().hdr_len.get();
  EXPECT_EQ(link.tid, 100u);
  EXPECT_EQ(lengths >> 26, 14u);
  EXPECT_EQ(lengths >> 16 & 0x3ff, 20u);
  EXPECT_EQ(lengths >> 10 & 0x3f, 40u);
}

TEST_F(SimListenT5, ResetsWhatItHasNoTidFor) {
  established();
  const int fd = connect_peer();
  char byte;
  EXPECT_LE(recv(fd, &byte, 1, 0), 0);
}

TEST_F(SimListenT5, TakesNoFlowControlBit) {
  const Link link = offered();
  auto message = accept_message(link);
  message.opt2 = message.opt2.get() | cpl::kOpt2RxFlowControlOff;
  send_message(message, true);
  expect_broken("accept_shape");
  now_established(link);
}

}  // namespace
}  // namespace chiscsi::test
