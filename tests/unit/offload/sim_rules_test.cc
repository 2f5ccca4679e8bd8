// SPDX-License-Identifier: GPL-2.0-only
//
// Every rule of the software adapter is broken on purpose, and is then the only one that was. There
// is a test per line of CHISCSI_SIM_CHECKS: a rule without a function of its name in Breaker does
// not compile. What can be left over is broken kind by kind as well.
#include "offload/sim/checks.hh"
#include "sim_pods.hh"

namespace chiscsi::test {
namespace {

class Breaker : public SimPods {
 protected:
  iscsi::Bhs nop() const { return bhs_of(iscsi::Opcode::kNopIn, 0); }
  template <typename Change>
  void send_with(Change change) {
    TxOptions options;
    change(options);
    send_pdu(established(), nop(), {}, options);
  }
  void close_connection(const Link& link) {
    send_message(tp<cpl::TidReq>(Opcode::kCloseConReq, link.tid), false);
  }
  // One page with its pod in place.
  Target placed_at(const Link& link) {
    Target target = target_of(link, 1, 0, kPageBytes);
    write_pods(link, target);
    inbox_.next(Opcode::kFw4Ack);
    return target;
  }
  void data_for(const Link& link, const Target& target) {
    peer_write(link.fd, wire_of(data_out(target.tag.tag, 0, 512, true), pattern(512), 0));
    inbox_.next(Opcode::kRxIscsiDdp);
  }

  // ---- Work requests ----

  void wr_opcode() {
    auto message = tp<cpl::TidReq>(Opcode::kTidRelease, established().tid);
    message.ot.set(static_cast<Opcode>(0x77), 0);
    send_message(message, true);
  }
  void wr_length() {
    const uint8_t tiny[8] = {};
    send_bytes(tiny, sizeof(tiny), false);
  }
  void wr_queue() {
    Link link = established();
    link.route.tx_queue = 2;  // There are two.
    send_pdu(link, nop(), {});
  }
  void flow_unknown() {
    send_with([](TxOptions& o) { o.tid = 77; });
  }
  void flowc_missing() {
    const Link link = established(false);
    send_pdu(link, nop(), {});
    inbox_.next(Opcode::kFw4Ack);
    send_flowc(link);
  }
  void flowc_twice() { send_flowc(established()); }
  void flowc_params() {
    const Link link = established(false);
    auto params = flowc_params_of(link);
    params.pop_back();
    send_flowc(link, params);
  }
  static std::vector<cpl::FlowcParam> flowc_params_of(const Link& link) {
    return SimTest::flowc_params(link);
  }
  void credits() {
    const Link link = established();
    TxOptions options;
    options.completion = false;
    for (int i = 0; i < 15; ++i)  // 5 + 15 * 4 are 65 of 64.
      send_pdu(link, nop(), {}, options);
  }
  void data_after_close() {
    const Link link = established();
    close_connection(link);
    send_pdu(link, nop(), {});
  }
  void data_after_abort() {
    const Link link = established();
    abort_connection(link);
    inbox_.next(Opcode::kAbortRplRss);
    send_pdu(link, nop(), {});
    EXPECT_TRUE(eventually([this] { return sim_violations(dev_, "data_after_abort") != 0; }));
    release(link);
  }
  void tx_mode() {
    send_with([](TxOptions& o) { o.no_force = true; });
  }
  void tx_plen() {
    send_with([](TxOptions& o) { o.plen_error = 4; });
  }
  void tx_framing() {
    const Link link = established();
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 100), pattern(8));
    inbox_.next(Opcode::kAbortReqRss);
    answer_abort(link);
    release(link);
  }
  void iso_shape() {
    const ByteVector data = pattern(2048);
    IsoOptions options;
    options.burst_error = 1;
    send_iso(established(), data_in(2048), data, options);
    inbox_.next(Opcode::kFw4Ack);
  }
  void payload_changed() {
    const Link link = established();
    ByteVector data = pattern(4000);
    TxOptions options;
    options.completion = false;
    options.as_fragments = true;
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 4000), data, options);
    peer_read(link.fd, 4048);
    data[17] ^= 1;
    send_pdu(link, nop(), {});
    inbox_.next(Opcode::kFw4Ack);
  }

  // ---- Pods and memory ----

  void pod_write() { write_pods(established(), 4096, {Pod{}}); }
  void pods_left() {
    const Link link = established();
    const Target target = placed_at(link);
    abort_and_release(link);
    EXPECT_TRUE(eventually([this] { return stats().tids == 0; }));
    unmap(target);
    ops_->ppods_release(dev_, &target.tag);
  }
  void pods_before_r2t() {
    const Link link = established();
    const Target target = target_of(link, 1, 0, kPageBytes);
    send_r2t(link, target.tag.tag, 0, kPageBytes);
    unmap(target);
    ops_->ppods_release(dev_, &target.tag);
  }
  void pod_link() {
    const Link link = established();
    Target target = target_of(link, 8, 0, 8 * kPageBytes);
    target.pods[0].address[4] = 0;
    write_pods(link, target);
    send_r2t(link, target.tag.tag, 0, 8 * kPageBytes);
    finish(link, target);
  }
  void ppods_release() {
    lld_tag tag = {};
    ASSERT_EQ(ops_->ppods_reserve(dev_, 1, 0, &tag), 0);
    ops_->ppods_release(dev_, &tag);
    ops_->ppods_release(dev_, &tag);
  }
  void dma_unmapped() {
    const Link link = established();
    Target target = target_of(link, 1, 0, kPageBytes);
    target.pods[0].address[0] = 0x1234'5000;
    write_pods(link, target);
    inbox_.next(Opcode::kFw4Ack);
    data_for(link, target);
    finish(link, target);
  }
  void dma_after_unmap() {
    const Link link = established();
    Target target = target_of(link, 1, 0, kPageBytes);
    unmap(target);
    write_pods(link, target);
    inbox_.next(Opcode::kFw4Ack);
    data_for(link, target);
    EXPECT_EQ(target.memory[1], 0);
    invalidate(link, target);
    ops_->ppods_release(dev_, &target.tag);
  }
  void unmap_live() {
    const Link link = established();
    const Target target = placed_at(link);
    unmap(target);
    invalidate(link, target);
    ops_->ppods_release(dev_, &target.tag);
  }
  void unmap_unknown() { ops_->unmap(dev_, 0x7000'0000'0000, 1); }

  // ---- Tables ----

  void accept_shape() {
    const Link link = offered();
    auto message = accept_message(link);
    message.opt0 = message.opt0.get() ^ 1ull << cpl::kOpt0TxChannelShift;
    send_message(message, true);
    now_established(link);
  }
  void accept_state() { send_message(accept_message(established()), true); }
  void tid_insert() { ops_->tid_insert(dev_, nullptr, established().tid, 0); }
  void tid_remove() { ops_->tid_remove(dev_, 200, 0, 0); }
  void tid_live() { release(established()); }
  void tid_release() { send_message(tp<cpl::TidReq>(Opcode::kTidRelease, 200), true); }
  void stid() { ops_->stid_free(dev_, 0x800 + 5, 0); }
  void clip() {
    const os_address address = {{0xfe, 0x80}, 0, 1, 0};
    ops_->clip_release(dev_, &address);
  }
  void route() {
    lld_route nowhere = {};
    ops_->route_put(dev_, &nowhere);
  }
  void tcb_shape() {
    auto message = tp<cpl::SetTcbField>(Opcode::kSetTcbField, established().tid);
    message.word_cookie = 5;
    message.reply_ctrl = 32;
    send_message(message, true);
  }
  void tcb_state() {
    send_message(tp<cpl::SetTcbField>(Opcode::kSetTcbField, offered().tid), true);
  }
  void rx_credits() {
    auto message = tp<cpl::RxDataAck>(Opcode::kRxDataAck, established().tid);
    message.credit_dack = cpl::kDackChange | 1;
    send_message(message, true);
  }
  void rx_ack_state() { send_message(tp<cpl::RxDataAck>(Opcode::kRxDataAck, offered().tid), true); }

  // ---- Ends ----

  void close_twice() {
    const Link link = established();
    close_connection(link);
    close_connection(link);
  }
  void abort_twice() {
    const Link link = established();
    abort_connection(link);
    inbox_.next(Opcode::kAbortRplRss);
    abort_connection(link);
    EXPECT_TRUE(eventually([this] { return sim_violations(dev_, "abort_twice") != 0; }));
    release(link);
  }
  void abort_unexpected() { answer_abort(established()); }
  // Seen when the adapter is let go.
  void left_over() {
    ops_->stid_alloc(dev_, 0, nullptr);
    leaves_ = {"left: stids 1"};
  }

  void broke(const char* rule) {
    broken_.insert(rule);
    if (strcmp(rule, "left_over") == 0) return;
    EXPECT_TRUE(eventually([&] { return sim_violations(dev_, rule) != 0; }));
    EXPECT_TRUE(log_->contains(std::string("rule ") + rule + " broken"));
  }
};

class SimRules : public Breaker {};

#define CHISCSI_BREAK(name, text) \
  TEST_F(SimRules, name) {        \
    Breaker::name();              \
    broke(#name);                 \
  }
CHISCSI_SIM_CHECKS(CHISCSI_BREAK)
#undef CHISCSI_BREAK

TEST(SimRuleNames, AreKnownBothWays) {
  uint32_t count = 0;
  while (const char* name = sim_check_name(count)) {
    EXPECT_EQ(static_cast<uint32_t>(sim::check_by_name(name)), count);
    ++count;
  }
  EXPECT_EQ(count, static_cast<uint32_t>(sim::Check::kCount));
  EXPECT_EQ(sim::check_by_name("no such rule"), sim::Check::kCount);
}

// ---- What is left over ----

// What the fixtures ask at the end of each test names each kind of object.
TEST(SimLeft, EveryKindIsNamed) {
  EXPECT_TRUE(sim_left({}).empty());
  for (const SimLeftKind& kind : kSimLeftKinds) {
    struct sim_stats stats = {};
    stats.*kind.count = 3;
    EXPECT_EQ(sim_left(stats), std::vector<std::string>{std::string("left: ") + kind.name + " 3"});
  }
}

// Leaves one kind behind each.
class Leaver : public SimPods {
 protected:
  void SetUp() override {
    SimPods::SetUp();
    broken_.insert("left_over");
  }
  // The adapter is asked before it goes; then the test gives back what it has.
  void complain_and(const char* complaint, std::function<void()> give_back) {
    inbox_.on_gone = [=, this] {
      EXPECT_EQ(sim_complaints(dev_, broken_), std::vector<std::string>{complaint});
      give_back();
    };
  }

  void left_buffers() {
    lld_buffer* buffer = ops_->buffer_alloc(dev_, 16, 0);
    complain_and("left: messages 1", [this, buffer] { ops_->buffer_free(buffer); });
  }
  void left_tids() {
    Link link = offered();
    ops_->route_put(dev_, &link.route);
    links_.clear();
    leaves_ = {"left: tids 1"};
  }
  void left_stids() {
    EXPECT_GE(ops_->stid_alloc(dev_, 0, nullptr), 0);
    leaves_ = {"left: stids 1"};
  }
  void left_l2t() {
    lld_route route;
    const os_address local = portal();
    ASSERT_EQ(ops_->route_get(dev_, &local, &local, 0, &route), 0);
    leaves_ = {"left: next hops 1"};
  }
  void left_clip() {
    const os_address address = {{0xfe, 0x80}, 0, 1, 0};
    ASSERT_EQ(ops_->clip_get(dev_, &address), 0);
    leaves_ = {"left: addresses 1"};
  }
  void left_pods() {
    lld_tag tag = {};
    ASSERT_EQ(ops_->ppods_reserve(dev_, 5, 0, &tag), 0);
    leaves_ = {"left: pods 2"};
  }
  void left_mapped() {
    static uint8_t byte;
    const os_fragment piece = {nullptr, &byte, 0, 1};
    ASSERT_NE(ops_->map(dev_, &piece), 0u);
    leaves_ = {"left: mappings 1"};
  }
  // They are counted for all adapters together, so it is not for one of them to complain.
  void left_pages() {
    inbox_.keeps_pages = true;
    offered();
    broken_.erase("left_over");
    complain_and("left: pages 1", [this] {
      for (void* page : inbox_.kept)
        ops_->page_put(page);
    });
  }
  // A connection of the adapter that nobody ends has its credits and its tid to the last.
  void left_credits() {
    const Link link = established();
    TxOptions options;
    options.completion = false;
    send_pdu(link, bhs_of(iscsi::Opcode::kNopIn, 0), {}, options);
    peer_read(link.fd, 48);
    links_.clear();
    lld_route route = link.route;
    ops_->route_put(dev_, &route);
    EXPECT_EQ(stats().credits, 9u);
    leaves_ = {"left: tids 1"};  // The connection's end has taken them along.
  }
};

class SimLeftOver : public Leaver {};

// A kind without a function that leaves it does not compile.
#define CHISCSI_LEAVE(counter, name) \
  TEST_F(SimLeftOver, counter) { Leaver::left_##counter(); }
CHISCSI_SIM_LEFT_KINDS(CHISCSI_LEAVE)
#undef CHISCSI_LEAVE

}  // namespace
}  // namespace chiscsi::test
