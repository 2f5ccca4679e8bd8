// SPDX-License-Identifier: GPL-2.0-only
//
// The command window when commands end without a response: what the initiator is told of it, and
// when (RFC 7143 sections 4.2.2.1 and 11.4.11).
#include "base/serial.hh"
#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

// Both places of the window are taken by commands of a driver that does not answer. Their functions
// are given up, then they are; nothing is sent for that, so a NOP-In has to say it.
TEST(Window, ThatOpensInSilenceIsShown) {
  host_set_log_level(0);
  SimulatedTarget target;
  target.storage.max_cmd = 2;
  target.storage.on_command = Storage::Reply::kHold;
  target.storage.on_abort = Storage::AbortReply::kHold;
  target.storage.on_tmf = Storage::TmfReply::kHold;
  ASSERT_EQ(target.start(), 0);
  const auto peer = target.log_in();
  for (int i = 0; i < 2; ++i)
    peer->add(peer->make_command(kCommandRead, 512, 0), {});
  Bhs reset = peer->make(Opcode::kTaskManagementRequest, true);
  reset.flags = kFinalBit | 5;
  peer->add(reset, {});
  peer->send_all();
  advance(1500);
  peer->collect();
  ASSERT_TRUE(peer->last(Opcode::kTaskManagementResponse));
  EXPECT_LT(Serial(peer->max_cmd_sn), Serial(peer->exp_cmd_sn));
  EXPECT_FALSE(peer->last(Opcode::kNopIn));

  for (int i = 0; i < 6 && !peer->last(Opcode::kNopIn); ++i) {
    advance(600);
    peer->collect();
  }
  const auto told = peer->last(Opcode::kNopIn);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->bhs.initiator_task_tag.get(), kReservedTag);
  EXPECT_EQ(told->bhs.as<NopIn>().target_transfer_tag.get(), kReservedTag);
  EXPECT_TRUE(told->data.empty());
  EXPECT_EQ(peer->max_cmd_sn - peer->exp_cmd_sn + 1, 2u);
  host_set_log_level(4);
}

// A driver that gives nothing back, and a window of eight places: `lost` of them are taken by
// commands of LUN 0, which a reset ends in vain, `kept` by commands of LUN 1. When the lost ones
// are given up, their places are free without a word.
class UnderstatedWindow {
 public:
  UnderstatedWindow(int lost, int kept) {
    host_set_log_level(0);
    target.storage.max_cmd = kSize;
    target.storage.on_command = Storage::Reply::kHold;
    target.storage.on_abort = Storage::AbortReply::kHold;
    target.storage.on_tmf = Storage::TmfReply::kHold;
    EXPECT_EQ(target.start(), 0);
    peer = target.log_in();
    for (int i = 0; i < lost + kept; ++i)
      peer->add(peer->make_command(kCommandRead, 512, i < lost ? 0 : 1), {});
    Bhs reset = peer->make(Opcode::kTaskManagementRequest, true);
    reset.flags = kFinalBit | 5;
    peer->add(reset, {});
    peer->send_all();
    for (int i = 0; i < 10; ++i) {
      advance(600);
      peer->collect();
    }
    EXPECT_TRUE(peer->last(Opcode::kTaskManagementResponse));
  }
  ~UnderstatedWindow() { host_set_log_level(4); }
  bool is_shown() { return static_cast<bool>(peer->last(Opcode::kNopIn)); }
  uint32_t known() const { return peer->max_cmd_sn - peer->exp_cmd_sn + 1; }

  static constexpr uint32_t kSize = 8;
  SimulatedTarget target;
  decltype(std::declval<SimulatedTarget>().log_in()) peer;
};

TEST(Window, OfWhichLessThanHalfIsKnownIsShown) {
  UnderstatedWindow window(5, 0);
  EXPECT_TRUE(window.is_shown());
  EXPECT_EQ(window.known(), 8u);
}

TEST(Window, OfWhichHalfIsKnownIsNotShown) {
  UnderstatedWindow window(4, 0);
  EXPECT_FALSE(window.is_shown());
  EXPECT_EQ(window.known(), 4u);
}

TEST(Window, ThatAResponseWillTellOfIsNotShown) {
  UnderstatedWindow window(5, 1);
  EXPECT_FALSE(window.is_shown());
  EXPECT_EQ(window.known(), 2u);
  window.target.storage.complete(5);
  settle();
  window.peer->collect();
  EXPECT_FALSE(window.is_shown());
  EXPECT_EQ(window.known(), 8u);
}

TEST(Window, ThatOpensWithAResponseIsNotShownTwice) {
  SimulatedTarget target;
  target.storage.max_cmd = 1;
  ASSERT_EQ(target.start(), 0);
  const auto peer = target.log_in();
  for (int i = 0; i < 20; ++i) {
    peer->add(peer->make_command(kCommandRead, 512, 0), {});
    peer->send_all();
    peer->collect();
  }
  EXPECT_EQ(peer->good_statuses, 20u);
  EXPECT_FALSE(peer->last(Opcode::kNopIn));
}

}  // namespace
}  // namespace chiscsi::simulation
