// SPDX-License-Identifier: GPL-2.0-only
//
// CommandCounters and WorkerCounters: what is counted where, and sums over workers.
#include "target/info/command_counters.hh"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "host.hh"
#include "target/info/worker_counters.hh"

namespace chiscsi::test {
namespace {

TEST(CommandCounters, BucketsAreByPowersOfTwo) {
  EXPECT_EQ(CommandCounters::bucket_of(0), 0u);
  EXPECT_EQ(CommandCounters::bucket_of(1), 1u);
  EXPECT_EQ(CommandCounters::bucket_of(2), 2u);
  EXPECT_EQ(CommandCounters::bucket_of(3), 2u);
  EXPECT_EQ(CommandCounters::bucket_of(1024), 11u);
  EXPECT_EQ(CommandCounters::bucket_of((1u << 22) - 1), 22u);
  EXPECT_EQ(CommandCounters::bucket_of(1u << 22), 23u);
  EXPECT_EQ(CommandCounters::bucket_of(~uint64_t{0}), 23u);
}

TEST(CommandCounters, CountsEachCommandOnce) {
  CommandCounters counters;
  counters.count({true, false, false, 0, 4096, 5});
  counters.count({false, true, false, 2, 512, 5});
  counters.count({false, false, false, 0, 0, 0});
  counters.count({true, false, true, 0, 4096, 0});
  CommandCounters::Sum sum;
  counters.add_to(&sum);
  EXPECT_EQ(sum.commands, 4u);
  EXPECT_EQ(sum.reads, 1u);
  EXPECT_EQ(sum.writes, 1u);
  EXPECT_EQ(sum.read_bytes, 4096u);
  EXPECT_EQ(sum.write_bytes, 512u);
  EXPECT_EQ(sum.errors, 1u);
  EXPECT_EQ(sum.aborts, 1u);
  EXPECT_EQ(sum.microseconds, 10u);
  EXPECT_EQ(sum.latency[3], 2u);
  EXPECT_EQ(sum.latency[0], 1u);
  CommandCounters::Sum twice = sum;
  twice.add(sum);
  EXPECT_EQ(twice.commands, 8u);
  EXPECT_EQ(twice.microseconds, 20u);
  EXPECT_EQ(twice.latency[3], 4u);
}

TEST(WorkerCounters, EveryWorkerHasItsOwn) {
  constexpr uint32_t kWorkers = 4;
  constexpr uint64_t kRounds = 20000;
  const uint64_t before = host_live_allocations();
  {
    WorkerCounters counters;
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      threads.emplace_back([&, worker] {
        for (uint64_t i = 0; i < kRounds; ++i)
          counters.of_worker(worker, kWorkers)->count({true, false, false, 0, 512, i});
      });
    }
    // Reading meanwhile sees sums that only grow.
    uint64_t last = 0;
    while (last < kWorkers * kRounds) {
      CommandCounters::Sum sum;
      counters.add_to(&sum);
      ASSERT_GE(sum.commands, last);
      last = sum.commands;
    }
    for (std::thread& thread : threads)
      thread.join();
    CommandCounters::Sum sum;
    counters.add_to(&sum);
    EXPECT_EQ(sum.commands, kWorkers * kRounds);
    EXPECT_EQ(sum.read_bytes, kWorkers * kRounds * 512);
    EXPECT_EQ(counters.of_worker(kWorkers, kWorkers), nullptr);
  }
  EXPECT_EQ(host_live_allocations(), before);
}

TEST(WorkerCounters, GoesOnWithoutMemory) {
  for (uint64_t n = 1; n <= 2; ++n) {
    WorkerCounters counters;
    host_fail_allocation_at(n);
    EXPECT_EQ(counters.of_worker(0, 1), nullptr);
    host_fail_allocation_at(0);
    EXPECT_NE(counters.of_worker(0, 1), nullptr);
  }
}

}  // namespace
}  // namespace chiscsi::test
