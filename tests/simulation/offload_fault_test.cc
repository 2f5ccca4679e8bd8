// SPDX-License-Identifier: GPL-2.0-only
//
// Every fault of the software adapter, with traffic in flight over the offload transport: it has
// really gone wrong, and the target and its offload do what they should. There is a test per line
// of CHISCSI_SIM_FAULTS: a fault without a function of its name in Faulty does not compile. Run
// with both chips. At the end of each nothing is left over, and no rule of the adapter is broken.
#include "offload/offload.h"
#include "offload/sim/device.hh"
#include "simulated_target.hh"
#include "simulation/adapter.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

constexpr uint32_t kWrite = 8192;
constexpr uint16_t kOtherPort = 3261;
constexpr char kOtherTarget[] = "iqn.2026-11.org.example:other";

class Faulty : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    host_set_log_level(0);
    adapter_.config.chip = GetParam();
    adapter_.config.bounce = 0;
    target_.adapter_starts = [this] { ASSERT_EQ(adapter_.start(), 0); };
    target_.adapter_ends = [this] {
      adapter_.stop();
      EXPECT_EQ(adapter_.complaints(), leaves_);
      adapter_.destroy();
    };
    target_.target_keys[7] = "MaxOutstandingR2T=1";
  }
  void TearDown() override {
    peers_.clear();
    target_.end();
    host_set_log_level(4);
  }
  // A session over the adapter.
  void start() {
    ASSERT_EQ(target_.start(), 0);
    offload_read_counters(&before_);
    add_peer();
    ASSERT_TRUE(peer().in_full_feature());
    EXPECT_EQ(stats().connections, 1u);
  }
  // Each has a session of its own.
  Peer& add_peer() {
    ++target_.login.isid;
    peers_.push_back(target_.log_in());
    return *peers_.back();
  }
  Peer& peer() { return *peers_.front(); }

  // From now on, so many times.
  void inject(const char* fault, uint32_t count = 1) {
    ASSERT_EQ(sim_fault(adapter_.device, fault, count), 0);
    settle();
  }
  // The fault has been there as often as it was asked for.
  void expect_taken(const char* fault) {
    EXPECT_EQ(sim::Device::of(adapter_.device).faults().left(sim::fault_by_name(fault)), 0u);
  }
  struct sim_stats stats() {
    struct sim_stats now = {};
    sim_stats(adapter_.device, &now);
    return now;
  }
  uint64_t grown(uint64_t offload_counters::*counter) {
    offload_counters now = {};
    offload_read_counters(&now);
    return now.*counter - before_.*counter;
  }

  void ask_write(Peer& peer) {
    peer.add(peer.make_command(kCommandWrite, kWrite, 0), {});
    peer.send_all();
    peer.collect();
    ASSERT_EQ(peer.r2ts.size(), 1u);
  }
  void finish_write(Peer& peer) {
    peer.answer_r2t(kWrite);
    peer.send_all();
    peer.collect();
  }
  void read(Peer& peer) {
    peer.add(peer.make_command(kCommandRead, kWrite, 0), {});
    peer.send_all();
    peer.collect();
  }
  void wait(uint64_t milliseconds) {
    for (uint64_t at = 0; at < milliseconds; at += 100) {
      advance(100);
      for (const auto& each : peers_)
        each->collect();
    }
  }
  // The session is as good as before.
  void expect_alive() {
    const uint64_t good = peer().good_statuses;
    read(peer());
    ask_write(peer());
    finish_write(peer());
    wait(200);
    EXPECT_EQ(peer().good_statuses, good + 2);
    EXPECT_TRUE(peer().link.is_open());
  }
  // It has ended, its commands too, and the next one is good.
  void expect_ended_but_not_the_next() {
    wait(1500);
    EXPECT_FALSE(peer().link.is_open());
    EXPECT_EQ(target_.storage.held(), 0u);
    peers_.clear();
    add_peer();
    ASSERT_TRUE(peer().in_full_feature());
    expect_alive();
  }
  int add_other_target() {
    std::string keys;
    for (std::string key : target_.target_keys) {
      if (key.starts_with("PortalGroup")) key = "PortalGroup=1@127.0.0.1:3261";
      keys.append(key).push_back('\0');
    }
    return engine_target_add(&target_.storage, kOtherTarget, class_name_, keys.data(),
                             static_cast<int>(keys.size()));
  }
  void remove_other_target() { EXPECT_EQ(engine_target_remove(&target_.storage, kOtherTarget), 0); }

  // ---- The client has no memory, no pods, no address ----

  void allocation() {
    start();
    inject("allocation", 3);
    read(peer());
    wait(2000);
    expect_taken("allocation");
    EXPECT_EQ(peer().good_statuses, 1u);
    expect_alive();
  }
  void no_pods() {
    start();
    inject("no_pods");
    ask_write(peer());
    expect_taken("no_pods");
    EXPECT_EQ(grown(&offload_counters::no_place_pods), 1u);
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    EXPECT_EQ(stats().placed_pdus, 0u);
    expect_alive();
    EXPECT_NE(stats().placed_pdus, 0u);
  }
  void no_map() {
    start();
    inject("no_map");
    ask_write(peer());
    expect_taken("no_map");
    EXPECT_EQ(grown(&offload_counters::no_place_memory), 1u);
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    EXPECT_EQ(stats().placed_pdus, 0u);
    expect_alive();
  }

  // ---- The next hop ----

  void arp_failure() {
    start();
    ask_write(peer());
    inject("arp_failure");
    add_peer();
    expect_taken("arp_failure");
    EXPECT_FALSE(peers_[1]->in_full_feature());
    // The other one did not notice.
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    expect_alive();
    wait(11'000);
    EXPECT_FALSE(peers_[1]->link.is_open());
  }
  void resolving() {
    start();
    ask_write(peer());
    inject("resolving");
    // Who is connected does not meet it, nor a reset that is answered while others wait.
    read(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    add_peer();
    expect_taken("resolving");
    EXPECT_FALSE(peers_[1]->in_full_feature());
    peer().add(peer().make_command(kCommandRead, kWrite, 0), {});
    peer().send_all();
    inject("peer_reset");
    expect_taken("peer_reset");
    wait(200);
    EXPECT_TRUE(peers_[1]->in_full_feature());
    expect_ended_but_not_the_next();
  }

  // ---- Servers ----

  void open_status() { other_portal_fails("open_status"); }
  void open_silent() {
    other_portal_fails("open_silent");
    // The adapter may still own the index.
    leaves_ = {"left: stids 1", "broken: left_over"};
  }
  void other_portal_fails(const char* fault) {
    start();
    ask_write(peer());
    inject(fault);
    EXPECT_EQ(add_other_target(), 0);
    expect_taken(fault);
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    remove_other_target();
    // Later the same portal opens.
    EXPECT_EQ(add_other_target(), 0);
    Peer other(kOtherPort);
    Peer::Login login = target_.login;
    login.target_name = kOtherTarget;
    other.log_in(login);
    other.collect();
    EXPECT_TRUE(other.in_full_feature());
    other.link.close();
    settle();
    remove_other_target();
  }
  void close_listener_silent() {
    start();
    ask_write(peer());
    EXPECT_EQ(add_other_target(), 0);
    inject("close_listener_silent");
    remove_other_target();
    expect_taken("close_listener_silent");
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    leaves_ = {"left: stids 1", "broken: left_over"};
  }

  // ---- What is received ----

  void header_crc() {
    start();
    ask_write(peer());
    inject("header_crc");
    finish_write(peer());
    expect_taken("header_crc");
    EXPECT_EQ(stats().digest_errors, 1u);
    EXPECT_EQ(grown(&offload_counters::header_digest_errors), 1u);
    EXPECT_EQ(peer().good_statuses, 0u);
    expect_ended_but_not_the_next();
  }
  void data_crc() {
    start();
    ask_write(peer());
    inject("data_crc");
    finish_write(peer());
    expect_taken("data_crc");
    EXPECT_EQ(grown(&offload_counters::data_digest_errors), 1u);
    // The PDU is dropped, and the initiator hears of it.
    const auto reject = peer().last(Opcode::kReject);
    ASSERT_TRUE(reject);
    EXPECT_EQ(reject->bhs.as<Reject>().reason, 2);
    wait(2000);
    EXPECT_EQ(peer().good_statuses, 0u);
  }
  void pad() {
    start();
    inject("pad");
    Bhs ping = peer().make(Opcode::kNopOut, false);
    ping.as<NopOut>().target_transfer_tag = kReservedTag;
    peer().add(ping, "12345");
    peer().send_all();
    peer().collect();
    expect_taken("pad");
    EXPECT_EQ(grown(&offload_counters::pad_errors), 1u);
    const auto answer = peer().last(Opcode::kNopIn);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->data, "12345");
    expect_alive();
  }
  void colour() {
    start();
    ask_write(peer());
    inject("colour");
    finish_write(peer());
    expect_taken("colour");
    EXPECT_EQ(stats().not_placed, 1u);
    EXPECT_EQ(stats().placed_pdus, 0u);
    EXPECT_EQ(grown(&offload_counters::not_placed_pdus), 1u);
    EXPECT_EQ(peer().good_statuses, 1u);
    expect_alive();
  }

  // ---- Answers that do not come ----

  // Its credits are gone for good; the rest is enough to go on.
  void lost_ack() {
    start();
    inject("lost_ack");
    read(peer());
    expect_taken("lost_ack");
    EXPECT_EQ(peer().good_statuses, 1u);
    ask_write(peer());
    finish_write(peer());
    wait(200);
    EXPECT_TRUE(peer().link.is_open());
    EXPECT_GE(peer().good_statuses, 1u);
  }
  // The adapter may write until it answers: the buffers of the command stay lent, until the adapter
  // is gone.
  void abort_silent() {
    start();
    target_.storage.on_abort = Storage::AbortReply::kAnswer;
    ask_write(peer());
    inject("abort_silent");
    engine_target_session_abort(target_.storage.last_session);
    wait(40'000);
    expect_taken("abort_silent");
    EXPECT_EQ(grown(&offload_counters::aborts_unanswered), 1u);
    EXPECT_EQ(stats().tids, 1u);
    EXPECT_NE(stats().mapped, 0u);
    sim_state(adapter_.device, LLD_STATE_DETACH);
    settle();
    // Who waits longer than ten seconds for an adapter that is taken away waits for ever.
    leaves_ = {"broken: pods_left", "broken: unmap_live", "broken: tid_live"};
  }
  void tcb_silent() {
    start();
    ask_write(peer());
    target_.login.keys = {{"HeaderDigest", "CRC32C"}};
    inject("tcb_silent");
    add_peer();
    Peer& second = *peers_[1];
    read(second);
    expect_taken("tcb_silent");
    wait(7'000);
    EXPECT_FALSE(second.link.is_open());
    EXPECT_EQ(second.good_statuses, 0u);
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
  }

  // ---- What comes by itself ----

  void negative_advice() {
    start();
    ask_write(peer());
    inject("negative_advice");
    expect_taken("negative_advice");
    finish_write(peer());
    EXPECT_EQ(peer().good_statuses, 1u);
    expect_alive();
  }
  void peer_reset() {
    start();
    ask_write(peer());
    EXPECT_NE(stats().pods_valid, 0u);
    inject("peer_reset");
    expect_taken("peer_reset");
    expect_ended_but_not_the_next();
    EXPECT_EQ(target_.storage.counts.aborts, 1u);
  }

  SimulatedTarget target_;
  Adapter adapter_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::string> leaves_;
  offload_counters before_ = {};
  char class_name_[10] = "simulated";
};

class OffloadFaults : public Faulty {};

#define CHISCSI_HAVE_FAULT(name) \
  TEST_P(OffloadFaults, name) { Faulty::name(); }
CHISCSI_SIM_FAULTS(CHISCSI_HAVE_FAULT)
#undef CHISCSI_HAVE_FAULT

// The initiator never sees what stands behind a message that was lost.
TEST_P(OffloadFaults, ArpFailureLeavesNoGap) {
  adapter_.config.wr_credits = 200;
  adapter_.config.has_iso = 0;
  target_.login.max_recv_data_segment_length = 512;
  start();
  for (uint32_t count : {1u, 4u}) {
    inject("arp_failure", count);
    peer().add(peer().make_command(kCommandRead, 60'000, 0), {});
    peer().send_all();
    peer().collect();
    EXPECT_EQ(peer().good_statuses, 0u);
    inject("arp_failure", 0);
    expect_ended_but_not_the_next();
    peers_.clear();
    add_peer();
  }
}

// What waits for the next hop fails together; who is connected does not notice.
TEST_P(OffloadFaults, NextHopThatNeverAnswersEndsAllThatWait) {
  start();
  inject("resolving");
  inject("arp_failure");
  add_peer();
  add_peer();
  expect_taken("resolving");
  EXPECT_EQ(stats().tids, 3u);
  wait(200);
  expect_taken("arp_failure");
  EXPECT_EQ(stats().tids, 1u);
  wait(11'000);
  EXPECT_FALSE(peers_[1]->link.is_open());
  EXPECT_FALSE(peers_[2]->link.is_open());
  expect_alive();
}

// What stands between the PDUs of a burst that a T6 tells of only at its end.
TEST_P(OffloadFaults, InterruptedBurstIsWhole) {
  start();
  ask_write(peer());
  const R2t r2t = peer().r2ts.front().bhs;
  constexpr uint32_t kPart = kWrite / 4;
  for (uint32_t i = 0; i < 4; ++i) {
    peer().add_data(peer().make_data_out(r2t.initiator_task_tag.get(),
                                         r2t.target_transfer_tag.get(), i, i * kPart, i == 3),
                    kPart);
    Bhs ping = peer().make(Opcode::kNopOut, false);
    ping.as<NopOut>().target_transfer_tag = kReservedTag;
    peer().add(ping, {});
  }
  peer().send_all();
  peer().collect();
  EXPECT_EQ(peer().good_statuses, 1u);
  EXPECT_EQ(stats().placed_pdus, 4u);
  EXPECT_TRUE(peer().link.is_open());
}

// The adapter never says that the last Login Response has gone. The initiator is in nevertheless;
// the next login of the session and the removal of the target do not wait for it as for a login.
TEST_P(OffloadFaults, LoginWhoseCreditsAreLostIsGood) {
  target_.options.login_timeout_s = 0;
  start();
  for (const uint32_t lost : {1u, 2u}) {
    SCOPED_TRACE(lost);
    inject("lost_ack", lost);
    Peer& first = add_peer();
    inject("lost_ack", 0);
    read(first);
    EXPECT_EQ(first.good_statuses, 1u);
    --target_.login.isid;
    Peer& next = add_peer();
    wait(6'000);  // What was sent is waited for, but not for long.
    EXPECT_TRUE(next.in_full_feature());
    EXPECT_FALSE(first.link.is_open());
  }
  inject("lost_ack", 1);
  add_peer();
  peers_.clear();
  const uint64_t before = os_now_ms();
  target_.end();
  EXPECT_LT(os_now_ms() - before, 11'000u);
}

// As over the host's sockets: a login that was answered has been a session, however early the
// initiator leaves, and whether or not the credits of the answer come back.
TEST_P(OffloadFaults, WhoEndsWithItsLoginWasThere) {
  start();
  for (const bool reads : {false, true}) {
    for (const uint32_t lost : {0u, 1u, 2u}) {
      SCOPED_TRACE(testing::Message() << reads << " " << lost);
      const uint64_t sessions = target_.storage.counts.sessions;
      ++target_.login.isid;
      inject("lost_ack", lost);
      Peer brief(kPort);
      settle();
      brief.log_in(target_.login);
      if (reads) brief.collect();
      brief.link.close();
      settle();
      inject("lost_ack", 0);
      wait(15'000);
      EXPECT_EQ(target_.storage.counts.sessions, sessions + 1);
      EXPECT_EQ(target_.storage.counts.ended, sessions);
    }
  }
  expect_alive();
}

INSTANTIATE_TEST_SUITE_P(Chips, OffloadFaults, testing::Values(5u, 6u),
                         [](const auto& info) { return "T" + std::to_string(info.param); });

}  // namespace
}  // namespace chiscsi::simulation
