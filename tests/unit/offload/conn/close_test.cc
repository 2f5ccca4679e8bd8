// SPDX-License-Identifier: GPL-2.0-only
//
// The end of connections: every row of the table of states, and the ends of adapters.
#include <atomic>
#include <thread>

#include "offload/wr.hh"
#include "rig.hh"

namespace chiscsi::test {
namespace {

// Steps of the clock until another thread is done.
void advance_until(const std::atomic<bool>& done) {
  const auto limit = std::chrono::steady_clock::now() + kSurely;
  while (!done && std::chrono::steady_clock::now() < limit) {
    host_advance_clock(500);
    std::this_thread::yield();
  }
  EXPECT_TRUE(done);
}

// FLUSH: our FIN, its answer and the peer's in both orders.
TEST(OffloadClose, InOrderThenThePeer) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_FLUSH);
  rig.target.turns();
  const auto flowc = rig.lld.next();
  ASSERT_TRUE(flowc);
  EXPECT_EQ(flowc->fw_opcode(), cpl::fw::kFlowc);
  const auto close = rig.lld.next();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->opcode(), cpl::Opcode::kCloseConReq);
  EXPECT_FALSE(close->control);
  EXPECT_EQ(close->queue, 3u);
  EXPECT_TRUE(close->completion());
  EXPECT_FALSE(rig.target.stopped);
  // The peer has all of it: the target need not wait for the peer's FIN.
  rig.close_reply();
  rig.target.turns();
  EXPECT_TRUE(rig.target.stopped);
  rig.target.destroy();
  EXPECT_EQ(rig.lld.tids.size(), 1u);
  rig.peer_close();
  EXPECT_TRUE(rig.lld.let_go());
  EXPECT_EQ(counters_now().aborts, rig.before.aborts);
}

TEST(OffloadClose, PeerThatNeverClosesIsReset) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_FLUSH);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kCloseConReq));
  rig.close_reply();
  rig.target.turns();
  EXPECT_TRUE(rig.target.stopped);
  rig.target.destroy();
  host_advance_clock(11'000);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.lld.let_go());
}

TEST(OffloadClose, InOrderAfterThePeerCrossing) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_FLUSH);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kCloseConReq));
  rig.peer_close();
  rig.target.turns();
  EXPECT_FALSE(rig.target.stopped);
  rig.close_reply();
  rig.target.turns();
  EXPECT_TRUE(rig.target.stopped);
  rig.finish();
}

TEST(OffloadClose, PeerFirstThenWithoutAReset) {
  Rig rig;
  rig.open();
  rig.peer_close();
  rig.target.turns();
  ASSERT_TRUE(rig.target.failure);
  EXPECT_EQ(*rig.target.failure, 0);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kCloseConReq));
  rig.close_reply();
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadClose, FlushSendsWhatIsQueued) {
  Rig rig;
  rig.open();
  const int id = rig.target.send(small_pdu(iscsi::Opcode::kLogoutResponse));
  rig.target.stop(CHISCSI_STOP_CONN_FLUSH);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  const auto data = rig.lld.next();
  ASSERT_TRUE(data);
  EXPECT_TRUE(data->is_data());
  const auto close = rig.lld.next_cpl(cpl::Opcode::kCloseConReq);
  ASSERT_TRUE(close);
  EXPECT_TRUE(rig.target.sent.empty());
  rig.ack(data->length16() + 5 + close->length16());
  rig.target.turns();
  EXPECT_EQ(rig.target.sent, std::vector<int>{id});
  rig.close_reply();
  rig.peer_close();
  rig.target.turns();
  EXPECT_TRUE(rig.target.stopped);
  rig.finish();
}

TEST(OffloadClose, TermAfterFlushAborts) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_FLUSH);
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kCloseConReq));
  rig.terminate();
}

// CLOSING and MORIBUND: the peer's reset ends both.
TEST(OffloadClose, ResetWhileClosing) {
  for (const bool moribund : {false, true}) {
    Rig rig;
    rig.open();
    rig.target.stop(CHISCSI_STOP_CONN_FLUSH);
    rig.target.turns();
    ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kCloseConReq));
    if (moribund) rig.peer_close();
    rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
    rig.target.turns();
    EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
    EXPECT_TRUE(rig.target.stopped);
    rig.finish();
  }
}

TEST(OffloadClose, PeerResets) {
  Rig rig;
  rig.open();
  rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
  rig.target.turns();
  // FLOWC goes ahead of the first request on the queue, also of this one.
  const auto flowc = rig.lld.next();
  ASSERT_TRUE(flowc);
  EXPECT_EQ(flowc->fw_opcode(), cpl::fw::kFlowc);
  const auto reply = rig.lld.next();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->opcode(), cpl::Opcode::kAbortRpl);
  EXPECT_EQ(reply->as<cpl::AbortReq>().cmd, cpl::kAbortNoRst);
  EXPECT_TRUE(rig.lld.let_go());  // The device at once, the target's pointer later.
  ASSERT_TRUE(rig.target.failure);
  EXPECT_EQ(*rig.target.failure, -104);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.stopped);
  rig.finish();
}

TEST(OffloadClose, ResetBeforeEstablishment) {
  Rig rig;
  rig.syn();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kPassAcceptRpl));
  rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
  EXPECT_TRUE(rig.lld.let_go());
}

TEST(OffloadClose, NegativeAdviceIsNoEnd) {
  Rig rig;
  rig.open();
  for (const auto status : {cpl::Status::kRtxNegAdvice, cpl::Status::kPersistNegAdvice,
                            cpl::Status::kKeepaliveNegAdvice}) {
    rig.say_status(cpl::Opcode::kAbortReqRss, status);
  }
  rig.target.turns();
  EXPECT_TRUE(rig.lld.is_quiet());
  EXPECT_FALSE(rig.target.failure);
  rig.terminate();
}

// ABORTING: FINs and their answers are nothing; the peer's reset is answered; the wait goes on.
TEST(OffloadClose, AbortsCross) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.peer_close();
  rig.close_reply();
  rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
  EXPECT_FALSE(rig.target.stopped);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadClose, AbortIsAReset) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  const auto flowc = rig.lld.next();
  ASSERT_TRUE(flowc);
  EXPECT_EQ(flowc->fw_opcode(), cpl::fw::kFlowc);
  const auto abort = rig.lld.next();
  ASSERT_TRUE(abort);
  EXPECT_EQ(abort->opcode(), cpl::Opcode::kAbortReq);
  EXPECT_EQ(abort->as<cpl::AbortReq>().cmd, cpl::kAbortSendRst);
  EXPECT_FALSE(abort->control);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadClose, AbortThatCannotBeSentIsSentAgain) {
  Rig rig;
  rig.open();
  rig.lld.fail_sends = 2;
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  std::thread clock([] { host_advance_clock(2'000); });
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  clock.join();
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

// What the peer's reset finds not sent is not sent after it.
TEST(OffloadClose, ResetEndsAnAbortThatWasNotSent) {
  Rig rig;
  rig.open();
  rig.target.send(small_pdu());
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  ASSERT_TRUE(rig.lld.next([](const Sent& sent) { return sent.is_data(); }));
  rig.lld.fail_sends = 1;
  rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);  // Before the reset has been seen.
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortRpl));
  EXPECT_TRUE(rig.target.wait_stopped());
  EXPECT_TRUE(rig.lld.is_quiet());
  rig.finish();
}

// A connection that owes the answer to a reset is over: nothing is sent or read.
TEST(OffloadClose, NothingGoesOnWhileAnAnswerIsOwed) {
  Rig rig;
  rig.open();
  rig.target.send(small_pdu());
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_fw(cpl::fw::kFlowc));
  ASSERT_TRUE(rig.lld.next([](const Sent& sent) { return sent.is_data(); }));
  rig.lld.fail_sends = 3;
  rig.target.send(small_pdu());
  rig.say_status(cpl::Opcode::kAbortReqRss, cpl::Status::kConnReset);
  rig.target.turns();
  EXPECT_EQ(rig.target.to_send.size(), 1u);
  rig.lld.fail_sends = 0;
  std::thread clock([] { host_advance_clock(2'000); });
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  clock.join();
  const auto reply = rig.lld.next();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->opcode(), cpl::Opcode::kAbortRpl);
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.stopped);
  rig.finish();
}

// The answer to a setting does not end the limit of the close that came after it.
TEST(OffloadClose, LateSettingLeavesTheLimitOfTheClose) {
  Rig rig;
  rig.open();
  rig.target.transport->set_param(rig.target.conn, CHISCSI_PARAM_HDRDGST_EN, 1);
  rig.target.send(small_pdu());
  rig.target.turns();
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kSetTcbField));
  rig.peer_close();
  rig.target.turns();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kCloseConReq));
  cpl::SetTcbRpl reply = {};
  reply.ot.set(cpl::Opcode::kSetTcbRpl, kTid);
  reply.cookie = wr::kCookieDigests << cpl::kTcbCookieShift;
  EXPECT_EQ(rig.lld.say(reply), 0);
  std::thread clock([] { host_advance_clock(11'000); });
  EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  clock.join();
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadClose, UnansweredAbortIsWaitedFor) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  host_advance_clock(40'000);
  const auto limit = std::chrono::steady_clock::now() + kSurely;
  while (counters_now().aborts_unanswered == rig.before.aborts_unanswered &&
         std::chrono::steady_clock::now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_EQ(counters_now().aborts_unanswered, rig.before.aborts_unanswered + 1);
  EXPECT_FALSE(rig.target.stopped);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadClose, UnsentPdusComeBack) {
  Rig rig;
  rig.open();
  const int id = rig.target.send(small_pdu());
  rig.target.turns();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_EQ(rig.target.dropped, std::vector<int>{id});
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.say_status(cpl::Opcode::kAbortRplRss);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.finish();
}

TEST(OffloadAdapterEnd, DetachAbortsAndWaits) {
  Rig rig;
  rig.open();
  std::thread remover([&rig] { rig.lld.remove(); });
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  EXPECT_EQ(rig.lld.tids.size(), 1u);
  rig.say_status(cpl::Opcode::kAbortRplRss);
  rig.target.turns_until([&rig] { return rig.lld.tids.empty(); });
  remover.join();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.stopped);
  rig.target.destroy();
}

TEST(OffloadAdapterEnd, DetachWithoutAnswersEnds) {
  Rig rig;
  rig.open();
  std::thread remover([&rig] { rig.lld.remove(); });
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  host_advance_clock(11'000);
  remover.join();
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.target.destroy();
}

// A thread that asks the adapter something is waited for, and makes no server of its own after
// that.
TEST(OffloadAdapterEnd, WaitsForWhoLooksForAddresses) {
  Rig rig;
  rig.target.unlisten();
  std::thread remover;
  rig.lld.when_asked_for_address = [&] {
    remover = std::thread([&rig] { rig.lld.remove(); });
    EXPECT_FALSE(rig.lld.waits_gone());
  };
  EXPECT_EQ(rig.target.listen(3261), 0);  // A wildcard: for adapters that come later.
  remover.join();
  EXPECT_EQ(rig.lld.late_calls, 0);
  EXPECT_TRUE(rig.lld.stids.empty());
}

TEST(OffloadAdapterEnd, WaitsForAServerThatIsBeingClosed) {
  Rig rig;
  std::thread remover;
  rig.lld.when_server_is_removed = [&] {
    remover = std::thread([&rig] { rig.lld.remove(); });
    EXPECT_FALSE(rig.lld.waits_gone());
  };
  rig.target.unlisten();
  remover.join();
  EXPECT_EQ(rig.lld.late_calls, 0);
  EXPECT_TRUE(rig.lld.stids.empty());
}

// Who waits for a server to open also ends it; the adapter that dies meanwhile wakes it.
TEST(OffloadAdapterEnd, AServerThatIsBeingOpenedEndsWithItsAdapter) {
  Rig rig;
  rig.target.unlisten();
  rig.lld.answers_servers = false;
  std::thread killer([&rig] {
    while (true) {
      const std::lock_guard guard(rig.lld.mutex);
      if (!rig.lld.stids.empty()) break;
    }
    rig.lld.set_state(LLD_STATE_FATAL);
    rig.lld.remove();
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_LT(rig.target.listen(3261), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, kSurely / 2);
  killer.join();
  EXPECT_EQ(rig.lld.late_calls, 0);
  EXPECT_TRUE(rig.lld.stids.empty());
}

// A reset of the adapter loses its connections, however quickly it is back.
TEST(OffloadAdapterEnd, ConnectionsDoNotOutliveAReset) {
  for (const lld_state state : {LLD_STATE_DOWN, LLD_STATE_RECOVERY}) {
    Rig rig;
    rig.open();
    rig.lld.set_state(state);
    rig.lld.set_state(LLD_STATE_UP);
    ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
    EXPECT_TRUE(rig.lld.let_go());
    EXPECT_TRUE(rig.lld.is_quiet());
    rig.target.stop(CHISCSI_STOP_CONN_TERM);
    EXPECT_TRUE(rig.target.wait_stopped());
    rig.target.destroy();
  }
}

TEST(OffloadAdapterEnd, DownNeedsNoAnswers) {
  Rig rig;
  rig.open();
  rig.lld.set_state(LLD_STATE_DOWN);
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  EXPECT_TRUE(rig.lld.let_go());
  EXPECT_TRUE(rig.lld.is_quiet());
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.stopped);
  rig.target.destroy();
}

// What could not be sent is sent again also when the adapter goes away.
TEST(OffloadAdapterEnd, LeavingAdapterHasTicks) {
  Rig rig;
  rig.open();
  rig.lld.fail_sends = 6;  // More than there are turns for other reasons.
  std::thread remover([&rig] { rig.lld.remove(); });
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  std::thread adapter([&] {
    EXPECT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
    rig.say_status(cpl::Opcode::kAbortRplRss);
    EXPECT_TRUE(rig.target.wait_stopped());
  });
  // Each step has its attempt, and all are within the adapter's time.
  for (int left = rig.lld.failures_left(); left != 0;) {
    host_advance_clock(500);
    ASSERT_TRUE(rig.lld.wait([&] { return rig.lld.fail_sends < left; }));
    left = rig.lld.failures_left();
  }
  host_advance_clock(500);
  adapter.join();
  rig.target.destroy();
  remover.join();
}

// Who is dead is not less so when it goes away.
TEST(OffloadAdapterEnd, DetachOfADeadAdapterNeedsNoAnswers) {
  Rig rig;
  rig.open();
  rig.lld.set_state(LLD_STATE_FATAL);
  rig.lld.set_state(LLD_STATE_DETACH);
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  EXPECT_TRUE(rig.lld.let_go());
  EXPECT_TRUE(rig.lld.is_quiet());
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.wait_stopped());
  rig.target.destroy();
}

// A connection whose abort is not answered does not keep the transport for ever.
TEST(OffloadAdapterEnd, StopForsakesWhatDoesNotAnswer) {
  Rig rig;
  rig.open();
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  ASSERT_TRUE(rig.lld.next_cpl(cpl::Opcode::kAbortReq));
  rig.target.is_busy = [&rig] {
    const std::lock_guard guard(rig.target.mutex);
    return !rig.target.stopped;
  };
  std::atomic<bool> done = false;
  std::thread stopper([&] {
    offload_stop();
    done = true;
  });
  advance_until(done);
  if (!done) rig.say_status(cpl::Opcode::kAbortRplRss);
  stopper.join();
  EXPECT_TRUE(rig.target.stopped);
  rig.target.transport_of_late->destroy_conn(rig.target.conn);
}

TEST(OffloadAdapterEnd, RecoveryNeedsNoAnswers) {
  Rig rig;
  rig.open();
  rig.lld.set_state(LLD_STATE_RECOVERY);
  ASSERT_TRUE(rig.target.turns_until([&rig] { return rig.target.failure.has_value(); }));
  EXPECT_TRUE(rig.lld.let_go());
  EXPECT_TRUE(rig.lld.is_quiet());
  rig.target.stop(CHISCSI_STOP_CONN_TERM);
  EXPECT_TRUE(rig.target.stopped);
  rig.target.destroy();
  // And it serves again afterwards.
  const uint32_t old = rig.stid();
  rig.lld.set_state(LLD_STATE_UP);
  const auto limit = std::chrono::steady_clock::now() + kSurely;
  while (std::chrono::steady_clock::now() < limit) {
    const std::lock_guard guard(rig.lld.mutex);
    if (rig.lld.stids.size() == 1 && *rig.lld.stids.begin() != old) break;
  }
  EXPECT_NE(rig.stid(), old);
}

}  // namespace
}  // namespace chiscsi::test
