// SPDX-License-Identifier: GPL-2.0-only
//
// Row G-3 of the robustness corpus, as a property: whatever was negotiated and however the driver
// cuts its lists, the Data-In and R2T trains of a command cover each byte once, in order, and keep
// to MaxBurstLength, MaxOutstandingR2T and the initiator's MaxRecvDataSegmentLength. Peer checks
// each PDU, Storage each byte that landed; this file draws the commands: more than a hundred
// thousand, mostly of odd lengths around the limits.
#include <algorithm>
#include <random>

#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

constexpr int kSessions = 80;
constexpr int kRounds = 90;
constexpr int kCommandsPerRound = 16;

class Trains {
 public:
  explicit Trains(uint32_t seed) : engine_(seed) {}

  uint64_t run() {
    SimulatedTarget target;
    const uint32_t max_burst = one_of({512, 513, 1024, 2047, 4096, 262144});
    const uint32_t first_burst = std::min(max_burst, one_of({512, 600, 1024, 8192}));
    segment_ = one_of({512, 515, 1000, 4096, 8192});
    initial_r2t_ = draw() % 2 == 0;
    immediate_ = draw() % 2 == 0;
    first_burst_ = first_burst;
    target.login.max_recv_data_segment_length = segment_;
    target.login.keys = {{"MaxBurstLength", std::to_string(max_burst)},
                         {"FirstBurstLength", std::to_string(first_burst)},
                         {"MaxOutstandingR2T", std::to_string(one_of({1, 2, 3, 16}))},
                         {"InitialR2T", initial_r2t_ ? "Yes" : "No"},
                         {"ImmediateData", immediate_ ? "Yes" : "No"}};
    target.storage.multi_phase = draw() % 4 != 0;
    target.storage.with_pages = draw() % 2 == 0;
    target.storage.on_command = Storage::Reply::kHold;
    target.storage.go_on = false;
    EXPECT_EQ(target.start(), 0);
    peer_ = target.log_in();
    EXPECT_TRUE(peer_->in_full_feature());
    for (int i = 0; i < kRounds; ++i)
      round(target.storage);
    EXPECT_EQ(peer_->good_statuses, sent_);
    return sent_;
  }

 private:
  uint32_t draw() { return static_cast<uint32_t>(engine_() >> 4); }
  uint32_t one_of(std::initializer_list<uint32_t> values) {
    return values.begin()[draw() % values.size()];
  }
  uint32_t length() {
    const uint32_t near = one_of({0, 512, 1024, 2048, 3000}) + draw() % 5;
    return draw() % 2 == 0 ? near : draw() % 5000;
  }

  void write(uint32_t length) {
    Bhs bhs = peer_->make_command(kCommandWrite, length, 0);
    const uint32_t tag = bhs.initiator_task_tag.get(), most = std::min(length, first_burst_);
    const uint32_t immediate = immediate_ && most != 0 ? draw() % (most + 1) : 0;
    const bool more = !initial_r2t_ && immediate < most && draw() % 2 == 0;
    if (more) bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    peer_->add_data(bhs, immediate);
    if (!more) return;
    uint32_t data_sn = 0;
    for (uint32_t at = immediate; at < most;) {
      const uint32_t size = std::min(1 + draw() % 1500, most - at);
      peer_->add_data(peer_->make_data_out(tag, kReservedTag, data_sn++, at, at + size == most),
                      size);
      at += size;
    }
  }

  void round(Storage& storage) {
    for (int i = 0; i < kCommandsPerRound; ++i, ++sent_) {
      if (draw() % 2 == 0) {
        peer_->add(peer_->make_command(kCommandRead, length(), 0), {});
      } else {
        write(length());
      }
    }
    peer_->send_all();
    for (int turns = 0; storage.held() != 0; ++turns) {
      ASSERT_LT(turns, 10000) << "the commands do not come to their end";
      for (size_t i = 0; i < storage.held(); ++i) {
        if (draw() % 3 == 0) {
          storage.lend(i, 1 + draw() % 1500);
        } else {
          storage.complete(i);
        }
      }
      settle();
      peer_->collect();
      while (!peer_->r2ts.empty())
        peer_->answer_r2t(1 + draw() % 2000);
      peer_->send_all();
      peer_->collect();
    }
  }

  std::minstd_rand engine_;
  std::unique_ptr<Peer> peer_;
  uint64_t sent_ = 0;
  uint32_t segment_ = 0;
  uint32_t first_burst_ = 0;
  bool initial_r2t_ = false;
  bool immediate_ = false;
};

TEST(Trains, CoverEachByteOnceWithinTheLimits) {
  uint64_t commands = 0;
  for (uint32_t seed = 1; seed <= kSessions; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    commands += Trains(seed).run();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GE(commands, 100000u);
}

}  // namespace
}  // namespace chiscsi::simulation
