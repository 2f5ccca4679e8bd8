// SPDX-License-Identifier: GPL-2.0-only
//
// TimerWheel on a clock of the test's own: never early, at most a tick late, whatever the distance
// of the deadline, and safe against timers that arm, disarm and destroy each other as they fire.
#include "transport/timer_wheel.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace chiscsi::test {
namespace {

constexpr uint64_t kTick = TimerWheel::kTickMs;
constexpr uint64_t kTurn = kTick * TimerWheel::kSlots;

struct TestTimer : Timer {
  TestTimer() : Timer(&TestTimer::on_fire) {}
  static void on_fire(Timer& timer) {
    auto& self = static_cast<TestTimer&>(timer);
    EXPECT_FALSE(self.is_armed());
    ++self.fired;
    if (self.then) self.then();
  }
  int fired = 0;
  std::function<void()> then;
};

struct Entry {
  TestTimer timer;
  uint64_t due = 0;
};

class TimerWheelTest : public testing::TestWithParam<uint64_t> {
 protected:
  void arm(Timer& timer, uint64_t delay) { wheel.arm(timer, now, delay); }
  void run_at(uint64_t time) {
    now = time;
    wheel.run(now);
  }
  // Moves on by single milliseconds until `timer` fires, at most to `limit`; returns when.
  uint64_t fires_at(const TestTimer& timer, uint64_t limit) {
    const int before = timer.fired;
    while (timer.fired == before && now < limit)
      run_at(now + 1);
    return timer.fired == before ? ~uint64_t{0} : now;
  }

  const uint64_t start = GetParam();
  uint64_t now = start;
  TimerWheel wheel{start};
};

TEST_P(TimerWheelTest, NeverFiresEarlyAndAtMostOneTickLate) {
  for (const uint64_t delay : {uint64_t{0}, uint64_t{1}, kTick - 1, kTick, kTick + 1, 1000ul,
                               kTurn - 1, kTurn, kTurn + 1, 3 * kTurn + 5}) {
    TestTimer timer;
    const uint64_t due = now + delay;
    arm(timer, delay);
    EXPECT_TRUE(timer.is_armed());
    const uint64_t fired = fires_at(timer, due + 2 * kTurn);
    EXPECT_GE(fired, due) << "delay " << delay;
    EXPECT_LE(fired, due + kTick) << "delay " << delay;
    run_at(now + 2 * kTurn);
    EXPECT_EQ(timer.fired, 1);
  }
}

TEST_P(TimerWheelTest, FiresOverdueTimersAfterALongSleep) {
  TestTimer soon, turn, turns;
  arm(soon, 10);
  arm(turn, kTurn + 10);
  arm(turns, 20 * kTurn);
  run_at(start + 10 * kTurn);
  EXPECT_EQ(soon.fired, 1);
  EXPECT_EQ(turn.fired, 1);
  EXPECT_EQ(turns.fired, 0);
  EXPECT_TRUE(turns.is_armed());
  run_at(start + 20 * kTurn - 1);
  EXPECT_EQ(turns.fired, 0);
  run_at(start + 20 * kTurn + kTick);
  EXPECT_EQ(turns.fired, 1);
}

TEST_P(TimerWheelTest, ForgetsADisarmedTimer) {
  TestTimer timer;
  arm(timer, 100);
  timer.disarm();
  EXPECT_FALSE(timer.is_armed());
  timer.disarm();
  run_at(start + kTurn);
  EXPECT_EQ(timer.fired, 0);
  EXPECT_EQ(wheel.next_delay_ms(now), TimerWheel::kForever);
}

TEST_P(TimerWheelTest, ForgetsADestroyedTimer) {
  {
    TestTimer timer;
    arm(timer, 100);
  }
  run_at(start + kTurn);
}

TEST_P(TimerWheelTest, MovesATimerThatIsArmedAgain) {
  TestTimer timer;
  arm(timer, 100);
  arm(timer, 1000);
  run_at(start + 900);
  EXPECT_EQ(timer.fired, 0);
  arm(timer, 10);
  run_at(now + 10 + kTick);
  EXPECT_EQ(timer.fired, 1);
  run_at(start + 2 * kTurn);
  EXPECT_EQ(timer.fired, 1);
}

TEST_P(TimerWheelTest, TakesATimerThatArmsItselfAsItFires) {
  TestTimer timer;
  timer.then = [&] { arm(timer, 100); };
  arm(timer, 100);
  uint64_t last = start;
  for (int i = 1; i <= 300; ++i) {
    const uint64_t fired = fires_at(timer, now + kTurn);
    ASSERT_GE(fired, last + 100);
    ASSERT_LE(fired, last + 100 + kTick);
    last = fired;
  }
  timer.then = nullptr;
}

// Otherwise the worker would never come back to its messages.
TEST_P(TimerWheelTest, DoesNotRunForEverForATimerThatArmsItselfWithoutDelay) {
  TestTimer timer;
  timer.then = [&] {
    if (timer.fired < 100000) arm(timer, 0);
  };
  arm(timer, 0);
  run_at(start + 5 * kTick);
  EXPECT_LE(timer.fired, 10);
  timer.then = nullptr;
  timer.disarm();
}

TEST_P(TimerWheelTest, TakesATimerThatDisarmsOthersAsItFires) {
  std::vector<std::unique_ptr<TestTimer>> timers;
  for (int i = 0; i < 10; ++i) {
    timers.push_back(std::make_unique<TestTimer>());
    arm(*timers.back(), 50);
  }
  int fired = 0;
  for (auto& timer : timers) {
    timer->then = [&, self = timer.get()] {
      ++fired;
      for (auto& other : timers) {
        if (other.get() != self) other.reset(new TestTimer);
      }
    };
  }
  run_at(start + 200);
  EXPECT_EQ(fired, 1);
}

TEST_P(TimerWheelTest, SaysHowLongToSleep) {
  EXPECT_EQ(wheel.next_delay_ms(now), TimerWheel::kForever);
  TestTimer near, far;
  arm(far, 5000);
  uint32_t delay = wheel.next_delay_ms(now);
  EXPECT_GE(delay, 5000u - kTick);
  EXPECT_LE(delay, 5000u + kTick);
  arm(near, 500);
  delay = wheel.next_delay_ms(now);
  EXPECT_GE(delay, 500u - kTick);
  EXPECT_LE(delay, 500u + kTick);
  near.disarm();
  far.disarm();
  EXPECT_EQ(wheel.next_delay_ms(now), TimerWheel::kForever);
}

TEST_P(TimerWheelTest, DoesNotSleepOverADueTimer) {
  TestTimer timer;
  arm(timer, 100);
  EXPECT_EQ(wheel.next_delay_ms(now + 10 * kTick), 0u);
}

// A worker that runs, sleeps as long as it is told and runs again meets every deadline.
TEST_P(TimerWheelTest, MeetsDeadlinesOfASleeperThatFollowsItsAdvice) {
  std::mt19937 random(7);
  std::vector<std::unique_ptr<Entry>> entries;
  int left = 0;
  for (int i = 0; i < 200; ++i) {
    entries.push_back(std::make_unique<Entry>());
    Entry& entry = *entries.back();
    const uint64_t delay = random() % (i % 2 == 0 ? 2000 : 4 * kTurn);
    entry.due = now + delay;
    entry.timer.then = [&entry, &left, this] {
      EXPECT_GE(now, entry.due);
      EXPECT_LE(now, entry.due + kTick);
      --left;
    };
    arm(entry.timer, delay);
    ++left;
  }
  for (int steps = 0; left != 0 && steps < 20000; ++steps) {
    const uint32_t delay = wheel.next_delay_ms(now);
    ASSERT_NE(delay, TimerWheel::kForever);
    run_at(now + delay);
  }
  EXPECT_EQ(left, 0);
}

// The wheel remembers up to where it has looked: nothing that happens to timers may come before
// that unnoticed.
TEST_P(TimerWheelTest, NeverSleepsPastATimerWhateverHappensToThem) {
  std::mt19937 random(2);
  std::vector<std::unique_ptr<Entry>> entries;
  for (int i = 0; i < 6; ++i)
    entries.push_back(std::make_unique<Entry>());
  for (int step = 0; step < 5000; ++step) {
    Entry& entry = *entries[random() % entries.size()];
    const uint32_t what = random() % 4;
    if (what == 0) {
      entry.timer.disarm();
    } else if (what == 1) {
      const uint64_t delay = random() % (step % 2 == 0 ? 500 : 3 * kTurn);
      entry.due = now + delay;
      arm(entry.timer, delay);
    } else {
      run_at(now + random() % (step % 50 == 0 ? 2 * kTurn : 3 * kTick));
    }
    bool armed = false;
    const uint32_t advice = wheel.next_delay_ms(now);
    for (const auto& one : entries) {
      if (!one->timer.is_armed()) continue;
      armed = true;
      ASSERT_LE(now + advice, one->due + kTick - 1) << "step " << step;
    }
    ASSERT_EQ(advice != TimerWheel::kForever, armed) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Start, TimerWheelTest,
                         testing::Values(uint64_t{0}, uint64_t{63}, uint64_t{64},
                                         uint64_t{1234567891}, uint64_t{1} << 40));

TEST(TimerWheel, StaysWhereItIsWhenTheClockDoesNotMove) {
  TimerWheel wheel(1000);
  TestTimer timer;
  wheel.arm(timer, 1000, 10);
  for (int i = 0; i < 10; ++i)
    wheel.run(1000);
  EXPECT_EQ(timer.fired, 0);
  wheel.run(1000 + 10 + kTick);
  EXPECT_EQ(timer.fired, 1);
}

}  // namespace
}  // namespace chiscsi::test
