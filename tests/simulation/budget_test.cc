// SPDX-License-Identifier: GPL-2.0-only
//
// What a command may cost, counted where the engine asks its host for something: allocations,
// wake-ups of the session's worker, calls that receive and send, bytes copied. Nothing is timed,
// and the simulated host makes the same run each time, so the figures hold on any machine. They
// stand in docs/performance.md, "Budgets".
#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "simulated_target.hh"

// ---- Copies ----
// Every memcpy() of this program whose size is not a constant comes by here, see
// SimulationTests.cmake. What is shorter than a block is headers, and the test's own data.

namespace {
constexpr size_t kShortestCopy = 512;
uint64_t copied_bytes = 0;
}  // namespace

#if defined(COUNTED_COPY)
#define WRAPPED_COPY __wrap___asan_memcpy
#define REAL_COPY __real___asan_memcpy
#else
#define WRAPPED_COPY __wrap_memcpy
#define REAL_COPY __real_memcpy
#endif
extern "C" void* REAL_COPY(void* to, const void* from, size_t size);
extern "C" void* WRAPPED_COPY(void* to, const void* from, size_t size) {
  if (size >= kShortestCopy && chiscsi::simulation::is_engine_running()) copied_bytes += size;
  return REAL_COPY(to, from, size);
}

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

constexpr uint32_t kSmall = 4096;
constexpr uint32_t kLarge = 256 * 1024;
constexpr uint32_t kFirstBurst = 64 * 1024;

// When the storage driver answers: inside the hook, or later, from a thread of its own.
enum class Driver { kAtOnce, kLater };

struct Load {
  uint8_t direction;
  uint32_t length;
  Driver driver;
  int depth;                             // Commands that are sent together.
  uint32_t immediate = 0;                // Bytes of a write in the PDU of the command,
  uint32_t unsolicited = 0;              // and in PDUs behind it, of which there are two:
  bool unsolicited_comes_later = false;  // when the driver has the command.
};

std::ostream& operator<<(std::ostream& out, const Load& load) {
  out << (load.direction == kCommandRead ? "read" : "write") << " of " << load.length / 1024
      << " KiB, queue depth " << load.depth;
  if (load.immediate != 0) out << ", immediate data";
  if (load.unsolicited != 0) out << ", unsolicited data";
  return out << (load.driver == Driver::kAtOnce ? ", answered at once: " : ", answered later: ");
}

// Of all commands of a run.
struct Cost {
  Counts calls;
  uint64_t allocations = 0;
  uint64_t copied = 0;
  uint32_t commands = 0;
  uint64_t bytes = 0;

  double per_command(uint64_t count) const { return static_cast<double>(count) / commands; }
  double wake_ups() const { return per_command(calls.wake_ups); }
  double receive_calls() const { return per_command(calls.receive_calls); }
  double send_calls() const { return per_command(calls.send_calls); }
  double copies() const { return static_cast<double>(copied) / static_cast<double>(bytes); }
};

std::ostream& operator<<(std::ostream& out, const Cost& cost) {
  return out << cost.commands << " commands, for each: " << cost.per_command(cost.allocations)
             << " allocations, " << cost.wake_ups() << " wake-ups, " << cost.receive_calls()
             << " receive calls, " << cost.send_calls() << " send calls; " << cost.copies()
             << " bytes copied for each byte of data";
}

// A session whose PDUs are as long as the initiator likes, by default whole commands of 256 KiB.
class Budget : public testing::Test {
 protected:
  void SetUp() override {
    target.target_keys.back() = "MaxRecvDataSegmentLength=262144";
    target.login.max_recv_data_segment_length = kLarge;
    target.login.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", "Yes"}};
    target.storage.most_lent = kLarge;
    ASSERT_EQ(target.start(), 0);
    log_in();
  }
  void log_in() {
    peer = target.log_in();
    ASSERT_TRUE(peer->in_full_feature());
  }
  void log_in_again() {
    peer.reset();
    settle();
    log_in();
  }

  // The cost when all is warm, over several rounds. Buffers that are kept for unsolicited data
  // become more with each time that one is missing, a few in each round.
  Cost cost_of(const Load& load) {
    constexpr int kWarmUp = 20, kRounds = 8;
    for (int i = 0; i < kWarmUp; ++i)
      run_round(load);
    const uint64_t good_before = peer->good_statuses;
    const uint64_t allocations_before = host_allocation_count();
    counts() = {};
    copied_bytes = 0;
    for (int i = 0; i < kRounds; ++i)
      run_round(load);
    Cost cost;
    cost.calls = counts();
    cost.allocations = host_allocation_count() - allocations_before;
    cost.copied = copied_bytes;
    cost.commands = static_cast<uint32_t>(kRounds * load.depth);
    cost.bytes = uint64_t{cost.commands} * load.length;
    EXPECT_EQ(peer->good_statuses - good_before, cost.commands);
    if (std::getenv("CHISCSI_SHOW_BUDGET") != nullptr) std::cout << load << cost << '\n';
    return cost;
  }

  // All commands of a round are sent before the worker runs, and are over at its end.
  void run_round(const Load& load) {
    const bool later = load.driver == Driver::kLater;
    const bool write = load.direction == kCommandWrite;
    // A driver lends its buffers for a write at once; what takes time is to store the data.
    target.storage.on_command = later && !write ? Storage::Reply::kHold : Storage::Reply::kComplete;
    target.storage.go_on = !later;
    for (int i = 0; i < load.depth; ++i)
      add_command(load);
    peer->send_all();
    answer_r2ts();
    for (size_t i = 0; i < target.storage.held(); ++i)
      target.storage.complete(i);
    settle();
    peer->collect();
    ASSERT_EQ(target.storage.held(), 0u);
  }

  void add_command(const Load& load) {
    Bhs bhs = peer->make_command(load.direction, load.length, 0);
    if (load.unsolicited != 0) bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    peer->add_data(bhs, load.immediate);
    if (load.unsolicited == 0) return;
    if (load.unsolicited_comes_later) peer->send_all();
    const uint32_t tag = bhs.initiator_task_tag.get();
    const uint32_t half = load.unsolicited / 2;
    peer->add_data(peer->make_data_out(tag, kReservedTag, 0, load.immediate, false), half);
    peer->add_data(peer->make_data_out(tag, kReservedTag, 1, load.immediate + half, true), half);
  }

  void answer_r2ts() {
    peer->collect();
    if (peer->r2ts.empty()) return;
    while (!peer->r2ts.empty())
      peer->answer_r2t(kLarge);
    peer->send_all();
  }

  // Calls `check` for reads and writes, short and long ones, with all kinds of drivers.
  template <typename Check>
  void for_each_load(int depth, Check check) {
    for (const Driver driver : {Driver::kAtOnce, Driver::kLater}) {
      for (const uint32_t length : {kSmall, kLarge}) {
        check(Load{kCommandRead, length, driver, depth});
        check(Load{kCommandWrite, length, driver, depth});
        check(Load{kCommandWrite, length, driver, depth, std::min(length, kFirstBurst)});
      }
    }
  }

  SimulatedTarget target;
  std::unique_ptr<Peer> peer;
};

// ---- Allocations: none ----

TEST_F(Budget, NoCommandAllocates) {
  for (const int depth : {1, 16}) {
    for_each_load(depth, [&](const Load& load) {
      const Cost cost = cost_of(load);
      EXPECT_EQ(cost.allocations, 0u) << load << cost;
    });
  }
}

// ---- Wake-ups of the worker ----

// For what comes in one go with its command, and a driver that answers inside its hook.
TEST_F(Budget, OneWakeUpForACommandAlone) {
  for (const Load& load : {Load{kCommandRead, kSmall, Driver::kAtOnce, 1},
                           Load{kCommandRead, kLarge, Driver::kAtOnce, 1},
                           Load{kCommandWrite, kSmall, Driver::kAtOnce, 1, kSmall}}) {
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.wake_ups(), 1) << load << cost;
  }
}

// Another one for each thing that comes later: the data that an R2T asks for, what the driver says.
TEST_F(Budget, OneWakeUpForEachThingThatIsAwaited) {
  for_each_load(1, [&](const Load& load) {
    const bool awaits_data = load.direction == kCommandWrite && load.immediate < load.length;
    const bool awaits_driver = load.driver == Driver::kLater;
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.wake_ups(), 1 + awaits_data + awaits_driver) << load << cost;
  });
}

TEST_F(Budget, CommandsInAQueueShareWakeUps) {
  for_each_load(16, [&](const Load& load) {
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.wake_ups(), 0.25) << load << cost;
  });
}

// ---- Receive and send calls ----

// None finds nothing, and none is made for what the driver says.
TEST_F(Budget, OneReceiveCallForEachThingThatArrives) {
  for_each_load(1, [&](const Load& load) {
    const bool awaits_data = load.direction == kCommandWrite && load.immediate < load.length;
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.receive_calls(), 1 + awaits_data) << load << cost;
  });
}

// The same for all of them together.
TEST_F(Budget, SixteenCommandsInOneReceiveCall) {
  for (const Load& load : {Load{kCommandRead, kSmall, Driver::kAtOnce, 16},
                           Load{kCommandRead, kSmall, Driver::kLater, 16},
                           Load{kCommandWrite, kSmall, Driver::kAtOnce, 16, kSmall},
                           Load{kCommandWrite, kSmall, Driver::kLater, 16, kSmall}}) {
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.receive_calls() * 16, 1) << load << cost;
  }
}

// Their answers: eight PDUs in a call.
TEST_F(Budget, SixteenAnswersInTwoSendCalls) {
  for (const Driver driver : {Driver::kAtOnce, Driver::kLater}) {
    for (const uint8_t direction : {kCommandRead, kCommandWrite}) {
      const Load load{direction, kSmall, driver, 16, direction == kCommandWrite ? kSmall : 0};
      const Cost cost = cost_of(load);
      EXPECT_LE(cost.send_calls() * 16, 2) << load << cost;
    }
  }
}

TEST_F(Budget, ALargeReadInTwoSendCalls) {
  for (const int depth : {1, 16}) {
    const Load load{kCommandRead, kLarge, Driver::kLater, depth};
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.send_calls(), 2) << load << cost;
  }
}

// Lists of pages go to the network without a copy, in a call of their own: with shorter PDUs it is
// two for each of them, and with a data digest one more behind the last.
TEST_F(Budget, TwoSendCallsForEachDataInWithoutCopy) {
  for (const uint32_t segment : {8192u, 65536u, kLarge}) {
    for (const bool digests : {false, true}) {
      target.login.max_recv_data_segment_length = segment;
      target.login.keys = {{"DataDigest", digests ? "CRC32C" : "None"}};
      log_in_again();
      const Load load{kCommandRead, kLarge, Driver::kLater, 1};
      const Cost cost = cost_of(load);
      EXPECT_LE(cost.send_calls(), 2 * (kLarge / segment) + digests) << load << cost;
    }
  }
}

// Those of other memory are copied by TCP: eight PDUs in a call.
TEST_F(Budget, EightDataInInASendCallWithCopy) {
  target.storage.with_pages = false;
  for (const uint32_t segment : {8192u, 65536u, kLarge}) {
    target.login.max_recv_data_segment_length = segment;
    log_in_again();
    const Load load{kCommandRead, kLarge, Driver::kLater, 1};
    const Cost cost = cost_of(load);
    EXPECT_LE(cost.send_calls(), std::max(1u, kLarge / segment / 8)) << load << cost;
  }
}

// ---- Copies ----

// Data that was asked for goes from the packet to its place.
TEST_F(Budget, SolicitedDataIsCopiedOnce) {
  for (const int depth : {1, 16}) {
    for (const uint32_t length : {kSmall, kLarge}) {
      const Load load{kCommandWrite, length, Driver::kLater, depth};
      const Cost cost = cost_of(load);
      EXPECT_NEAR(cost.copies(), 1, 0.01) << load << cost;
    }
  }
}

TEST_F(Budget, UnsolicitedDataForALentListIsCopiedOnce) {
  target.login.keys = {{"InitialR2T", "No"}};
  log_in_again();
  Load load{kCommandWrite, kFirstBurst, Driver::kLater, 1, 0, kFirstBurst};
  load.unsolicited_comes_later = true;
  const Cost cost = cost_of(load);
  EXPECT_NEAR(cost.copies(), 1, 0.01) << load << cost;
}

// Before the driver has lent a list there is no other place than one of ours.
TEST_F(Budget, DataThatComesWithItsCommandIsCopiedTwice) {
  const Load immediate{kCommandWrite, kSmall, Driver::kLater, 16, kSmall};
  const Cost cost = cost_of(immediate);
  EXPECT_NEAR(cost.copies(), 2, 0.01) << immediate << cost;
  target.login.keys = {{"InitialR2T", "No"}};
  log_in_again();
  const Load behind{kCommandWrite, kFirstBurst, Driver::kLater, 1, 0, kFirstBurst};
  const Cost cost_behind = cost_of(behind);
  EXPECT_NEAR(cost_behind.copies(), 2, 0.01) << behind << cost_behind;
}

TEST_F(Budget, ReadDataIsNotCopied) {
  for (const bool pages : {false, true}) {
    target.storage.with_pages = pages;
    for (const uint32_t length : {kSmall, kLarge}) {
      const Load load{kCommandRead, length, Driver::kLater, 16};
      const Cost cost = cost_of(load);
      EXPECT_EQ(cost.copied, 0u) << load << cost;
    }
  }
}

}  // namespace
}  // namespace chiscsi::simulation
