// SPDX-License-Identifier: GPL-2.0-only
//
// Threads, events, locks and the clock of the POSIX port: the contract of os/thread.h. Times are
// lower bounds only; upper ones would fail on a busy machine.
#include "os/thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "host.hh"

namespace {

struct Seen {
  os_event* ready = os_event_create();
  os_thread* thread = nullptr;
  std::atomic<bool> inside{false};
};

TEST(OsThread, RunsItsBodyAndKnowsItself) {
  Seen seen;
  seen.thread = os_thread_start(
      [](void* argument) {
        auto* seen = static_cast<Seen*>(argument);
        os_event_wait(seen->ready, 60000);  // Until `thread` is set.
        seen->inside = os_thread_is_current(seen->thread) == 1;
      },
      &seen, "a-name-that-is-too-long", 0);
  ASSERT_NE(seen.thread, nullptr);
  EXPECT_EQ(os_thread_is_current(seen.thread), 0);
  os_event_signal(seen.ready);
  os_thread_join(seen.thread);
  EXPECT_TRUE(seen.inside);
  os_event_destroy(seen.ready);
}

TEST(OsThread, StartFailsWithoutMemory) {
  host_fail_allocation_at(1);
  EXPECT_EQ(os_thread_start([](void*) {}, nullptr, "none", OS_ANY_CPU), nullptr);
}

TEST(OsThread, CpusAreCounted) {
  ASSERT_GE(os_cpu_count(), 1u);
  unsigned online = 0;
  for (unsigned cpu = 0; cpu < os_cpu_count(); ++cpu)
    online += os_cpu_online(cpu) != 0 ? 1 : 0;
  EXPECT_GE(online, 1u);
  EXPECT_EQ(os_cpu_online(100000), 0);
}

TEST(OsEvent, SignalBeforeWaitIsKeptOnce) {
  os_event* event = os_event_create();
  os_event_signal(event);
  os_event_signal(event);
  EXPECT_EQ(os_event_wait(event, 60000), 1);
  EXPECT_EQ(os_event_wait(event, 0), 0);
  os_event_destroy(event);
}

TEST(OsEvent, WaitEndsAtItsLimit) {
  os_event* event = os_event_create();
  const uint64_t start = os_now_ms();
  EXPECT_EQ(os_event_wait(event, 30), 0);
  EXPECT_GE(os_now_ms() - start, 29u);
  os_event_destroy(event);
}

TEST(OsEvent, SignalMayComeFromAtomicContext) {
  os_event* event = os_event_create();
  std::thread signaller([event] {
    const HostAtomicSection softirq;
    os_event_signal(event);
  });
  EXPECT_EQ(os_event_wait(event, 60000), 1);
  signaller.join();
  os_event_destroy(event);
}

// A waiter may destroy the event as soon as it has the signal.
TEST(OsEvent, MayBeDestroyedByItsWaiter) {
  for (int i = 0; i < 200; ++i) {
    os_event* event = os_event_create();
    std::thread signaller([event] { os_event_signal(event); });
    EXPECT_EQ(os_event_wait(event, 60000), 1);
    os_event_destroy(event);
    signaller.join();
  }
}

TEST(OsEvent, PingPong) {
  os_event* ping = os_event_create();
  os_event* pong = os_event_create();
  int shared = 0;  // Handed to and fro by the events alone.
  std::thread other([&] {
    for (int i = 0; i < 500; ++i) {
      ASSERT_EQ(os_event_wait(ping, 60000), 1);
      ++shared;
      os_event_signal(pong);
    }
  });
  for (int i = 0; i < 500; ++i) {
    ++shared;
    os_event_signal(ping);
    ASSERT_EQ(os_event_wait(pong, 60000), 1);
  }
  other.join();
  EXPECT_EQ(shared, 1000);
  os_event_destroy(ping);
  os_event_destroy(pong);
}

TEST(OsEvent, ClockMayBeMovedAhead) {
  os_event* event = os_event_create();
  const uint64_t before = os_now_ms();
  std::thread waiter([event] { EXPECT_EQ(os_event_wait(event, 3000 * 1000), 0); });
  // The waiter may not have computed its deadline yet; move until it is gone.
  std::atomic<bool> done{false};
  std::thread mover([&done] {
    while (!done) {
      host_advance_clock(3600 * 1000);
      os_relax();
    }
  });
  waiter.join();
  done = true;
  mover.join();
  EXPECT_GE(os_now_ms(), before + 3000 * 1000);
  os_event_destroy(event);
}

// The clock may move between the computation of a limit and the wait for it, never against it.
TEST(OsEvent, ALimitCountsFromWhenTheClockWasRead) {
  os_event* event = os_event_create();
  ASSERT_NE(event, nullptr);
  const uint64_t before = os_now_ms();
  host_advance_clock(3600 * 1000);
  EXPECT_EQ(os_event_wait(event, 1800 * 1000), 0);
  EXPECT_LT(os_now_ms(), before + 3600 * 1000 + 600 * 1000);
  os_event_destroy(event);
}

TEST(OsMutex, Excludes) {
  os_mutex* mutex = os_mutex_create();
  int counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        os_mutex_lock(mutex);
        ++counter;
        os_mutex_unlock(mutex);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(counter, 4000);
  os_mutex_destroy(mutex);
}

TEST(OsSpinlock, Excludes) {
  os_spinlock* lock = os_spinlock_create();
  int counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        const unsigned long flags = os_spinlock_lock(lock);
        ++counter;
        os_spinlock_unlock(lock, flags);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(counter, 4000);
  os_spinlock_destroy(lock);
}

TEST(OsSpinlockDeathTest, SleepingUnderItIsCaught) {
  os_spinlock* lock = os_spinlock_create();
  os_mutex* mutex = os_mutex_create();
  os_event* event = os_event_create();
  const unsigned long flags = os_spinlock_lock(lock);
  EXPECT_DEATH(os_mutex_lock(mutex), "atomic context");
  EXPECT_DEATH(os_event_wait(event, 1), "atomic context");
  os_spinlock_unlock(lock, flags);
  os_event_destroy(event);
  os_mutex_destroy(mutex);
  os_spinlock_destroy(lock);
}

TEST(OsSpinlockDeathTest, TakingItTwiceIsCaught) {
  os_spinlock* lock = os_spinlock_create();
  EXPECT_DEATH(
      {
        os_spinlock_lock(lock);
        os_spinlock_lock(lock);
      },
      "os_spinlock_lock");
  os_spinlock_destroy(lock);
}

TEST(OsLocks, CreateFailsWithoutMemory) {
  host_fail_allocation_at(1);
  EXPECT_EQ(os_mutex_create(), nullptr);
  host_fail_allocation_at(1);
  EXPECT_EQ(os_spinlock_create(), nullptr);
  host_fail_allocation_at(1);
  EXPECT_EQ(os_event_create(), nullptr);
}

}  // namespace
