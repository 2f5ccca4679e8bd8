// SPDX-License-Identifier: GPL-2.0-only
//
// The software adapter: the ways in which connections end, and the adapter itself.
#include "sim_client.hh"

namespace chiscsi::test {
namespace {

class SimClose : public SimTest {
 protected:
  void close_connection(const Link& link) {
    auto message = tp<cpl::TidReq>(Opcode::kCloseConReq, link.tid);
    message.wr.hi = message.wr.hi.get() | cpl::kWrCompletion;
    send_message(message, false);
  }
  void set_nothing(const Link& link) {
    auto message = tp<cpl::SetTcbField>(Opcode::kSetTcbField, link.tid);
    message.reply_ctrl = cpl::kNoReply;
    send_message(message, true);
  }
  static uint8_t status_of(const Arrived& message) { return message.as<cpl::StatusRpl>().status; }
};

TEST_F(SimClose, WeCloseFirst) {
  const Link link = established();
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  close_connection(link);
  EXPECT_EQ(peer_read(link.fd, 100).size(), 48u);  // Data, then the end.
  const Arrived reply = inbox_.next(Opcode::kCloseConRpl);
  EXPECT_EQ(reply.as<cpl::CloseConRpl>().snd_nxt.get(), link.snd_isn + 49);
  // The other direction is still open.
  const iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kNopOut, 0);
  peer_write(link.fd, bytes_of(bhs));
  inbox_.next(Opcode::kRxIscsiDdp);
  hang_up(link.fd);
  EXPECT_EQ(inbox_.next(Opcode::kPeerClose).as<cpl::PeerClose>().rcv_nxt.get(), link.rcv_isn + 49);
  release(link);
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
}

TEST_F(SimClose, ThePeerClosesFirst) {
  const Link link = established();
  hang_up(link.fd);
  inbox_.next(Opcode::kPeerClose);
  close_connection(link);
  inbox_.next(Opcode::kCloseConRpl);
  release(link);
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
}

TEST_F(SimClose, BothCloseAtOnce) {
  for (int i = 0; i < 20; ++i) {
    const Link link = established();
    close_connection(link);
    shutdown(link.fd, SHUT_WR);
    bool peer = false, reply = false;
    while (!peer || !reply) {
      const Arrived message = inbox_.next();
      ASSERT_FALSE(message.bytes.empty());
      peer = peer || message.opcode() == Opcode::kPeerClose;
      reply = reply || message.opcode() == Opcode::kCloseConRpl;
    }
    release(link);
    hang_up(link.fd);
  }
}

TEST_F(SimClose, ThePeerResets) {
  const Link link = established();
  hang_up(link.fd, true);
  EXPECT_EQ(status_of(inbox_.next(Opcode::kAbortReqRss)),
            static_cast<uint8_t>(cpl::Status::kConnReset));
  // What crosses it is dropped.
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  answer_abort(link);
  release(link);
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
}

TEST_F(SimClose, FaultsAreCountedWhenTheyHappen) {
  EXPECT_STREQ(sim_fault_name(0), "allocation");
  EXPECT_EQ(sim_faults_done(dev_, "nonsense"), ~0ull);
  ASSERT_EQ(sim_fault(dev_, "allocation", 2), 0);
  EXPECT_EQ(sim_faults_done(dev_, "allocation"), 0u);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(ops_->buffer_alloc(dev_, 16, 0), nullptr);
  ops_->buffer_free(ops_->buffer_alloc(dev_, 16, 0));
  EXPECT_EQ(sim_faults_done(dev_, "allocation"), 2u);
  uint32_t names = 0;
  while (sim_fault_name(names) != nullptr)
    ++names;
  EXPECT_EQ(names, 17u);
}

TEST_F(SimClose, AbortsCross) {
  const Link link = established();
  ASSERT_EQ(sim_fault(dev_, "peer_reset", 1), 0);
  inbox_.next(Opcode::kAbortReqRss);
  abort_connection(link);
  inbox_.next(Opcode::kAbortRplRss);
  answer_abort(link);
  release(link);
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
}

TEST_F(SimClose, AnAbortMayStayUnanswered) {
  const Link link = established();
  ASSERT_EQ(sim_fault(dev_, "abort_silent", 1), 0);
  abort_connection(link);
  EXPECT_EQ(recv(link.fd, &port_, 1, 0), -1);
  EXPECT_TRUE(inbox_.empty());
  // The adapter still owns the tid.
  release(link);
  expect_broken("tid_live");
}

TEST_F(SimClose, NegativeAdviceWantsNoAnswer) {
  const Link link = established();
  ASSERT_EQ(sim_fault(dev_, "negative_advice", 1), 0);
  EXPECT_EQ(status_of(inbox_.next(Opcode::kAbortReqRss)),
            static_cast<uint8_t>(cpl::Status::kRtxNegAdvice));
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  EXPECT_EQ(peer_read(link.fd, 48).size(), 48u);
  answer_abort(link);
  expect_broken("abort_unexpected");
}

TEST_F(SimClose, NothingFollowsAnEnd) {
  const Link link = established();
  close_connection(link);
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  expect_broken("data_after_close");
  close_connection(link);
  expect_broken("close_twice");
  abort_connection(link);
  inbox_.next(Opcode::kAbortRplRss);
  send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {});
  expect_broken("data_after_abort");
  abort_connection(link);
  expect_broken("abort_twice");
  release(link);
}

TEST_F(SimClose, SettingsNeedAConnection) {
  const Link link = offered();
  auto tcb = tp<cpl::SetTcbField>(Opcode::kSetTcbField, link.tid);
  send_message(tcb, true);
  expect_broken("tcb_state");
  auto ack = tp<cpl::RxDataAck>(Opcode::kRxDataAck, link.tid);
  send_message(ack, true);
  expect_broken("rx_ack_state");
}

// The two queues have no order between them: what was sent before an end may come behind it.
TEST_F(SimClose, AnEndMayOvertakeSettings) {
  std::vector<Link> links;
  while (links.size() < 24)
    links.push_back(established());
  for (const Link& link : links) {
    send_message(tp<cpl::RxDataAck>(Opcode::kRxDataAck, link.tid), true);
    set_nothing(link);
  }
  for (const Link& link : links)
    abort_connection(link);
  for (size_t i = 0; i < links.size(); ++i)
    inbox_.next(Opcode::kAbortRplRss);
  for (const Link& link : links)
    release(link);
}

TEST_F(SimClose, SettingsMayCrossAReset) {
  const Link link = established();
  ASSERT_EQ(sim_fault(dev_, "peer_reset", 1), 0);
  inbox_.next(Opcode::kAbortReqRss);
  set_nothing(link);
  answer_abort(link);
  release(link);
}

TEST_F(SimClose, SettingsDoNotFollowAnEnd) {
  const Link link = established();
  abort_connection(link);
  inbox_.next(Opcode::kAbortRplRss);
  send_message(tp<cpl::RxDataAck>(Opcode::kRxDataAck, link.tid), true);
  expect_broken("rx_ack_state");
  set_nothing(link);
  expect_broken("tcb_state");
  release(link);
}

TEST_F(SimClose, SettingsAreOurs) {
  const Link link = established();
  auto tcb = tp<cpl::SetTcbField>(Opcode::kSetTcbField, link.tid);
  tcb.reply_ctrl = static_cast<uint16_t>(link.route.rx_queue_id);
  tcb.word_cookie = 5;
  send_message(tcb, true);
  expect_broken("tcb_shape");
  tcb.word_cookie = 3u << cpl::kTcbCookieShift;
  tcb.mask = 3u << cpl::kTcbUlpPageSizeShift;
  tcb.value = 2u << cpl::kTcbUlpPageSizeShift;
  send_message(tcb, true);
  const Arrived reply = inbox_.next(Opcode::kSetTcbRpl);
  EXPECT_EQ(reply.as<cpl::SetTcbRpl>().old_value.get(), 2u);  // ULP type iSCSI.
  EXPECT_EQ(reply.as<cpl::SetTcbRpl>().cookie >> cpl::kTcbCookieShift, 3);
}

TEST_F(SimClose, TheAdapterForgetsEverything) {
  const Link link = established();
  const Link other = offered();
  sim_state(dev_, LLD_STATE_RECOVERY);
  EXPECT_EQ(inbox_.states.back(), LLD_STATE_RECOVERY);
  EXPECT_EQ(recv(link.fd, &port_, 1, 0), -1);
  // Nothing is answered any more.
  abort_connection(link);
  release(link);
  release(other);
  ops_->stid_free(dev_, stid_, 0);
  has_server_ = false;
  EXPECT_TRUE(eventually([&] { return stats().tids == 0; }));
  sim_state(dev_, LLD_STATE_UP);
  abort_and_release(established());
}

TEST_F(SimClose, TheAdapterGoesAway) {
  established();
  inbox_.on_remove = [this] { clean_up(); };
  sim_state(dev_, LLD_STATE_DETACH);
  EXPECT_EQ(inbox_.dev, nullptr);
  EXPECT_EQ(inbox_.states.back(), LLD_STATE_DETACH);
  EXPECT_EQ(stats().tids, 0u);
}

}  // namespace
}  // namespace chiscsi::test
