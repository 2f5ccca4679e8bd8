// SPDX-License-Identifier: GPL-2.0-only
//
// Worker: messages in order, on its own thread and none lost, timers, and its end. Meant for the
// thread sanitizer as much as for the address sanitizer. Limits of waits only catch hangs.
#include "transport/worker.hh"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "host.hh"

namespace chiscsi::test {
namespace {

bool eventually(const auto& condition) {
  for (int i = 0; i < 60000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

OwnPtr<Worker> make_worker(uint32_t busy_poll_us = 0) {
  Result<OwnPtr<Worker>> worker = Worker::create("test", OS_ANY_CPU, busy_poll_us);
  EXPECT_TRUE(worker.is_ok());
  return worker.take();
}

// Each with workers that sleep at once, and with some that wait awake for a minute first.
class WorkerTest : public testing::TestWithParam<uint32_t> {
 protected:
  OwnPtr<Worker> make_worker() { return test::make_worker(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Sleeping, WorkerTest, testing::Values(0));
INSTANTIATE_TEST_SUITE_P(Awake, WorkerTest, testing::Values(60'000'000));

struct Numbered : WorkerMessage {
  Numbered() : WorkerMessage(&Numbered::on_message) {}
  static void on_message(WorkerMessage& message) {
    auto& self = static_cast<Numbered&>(message);
    EXPECT_TRUE(self.worker->is_current());
    self.order->push_back(self.number);
    ++*self.done;  // The last touch: the test may look at everything after it.
  }
  Worker* worker = nullptr;
  std::vector<int>* order = nullptr;
  std::atomic<int>* done = nullptr;
  int number = 0;
};

TEST_P(WorkerTest, HandlesMessagesOfOneProducerInOrder) {
  std::vector<int> order;
  std::atomic<int> done{0};
  std::vector<Numbered> messages(2000);
  const OwnPtr<Worker> worker = make_worker();
  EXPECT_FALSE(worker->is_current());
  for (int i = 0; i < 2000; ++i) {
    messages[i].worker = worker.get();
    messages[i].order = &order;
    messages[i].done = &done;
    messages[i].number = i;
    worker->post(messages[i]);
    if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(eventually([&] { return done == 2000; }));
  for (int i = 0; i < 2000; ++i)
    ASSERT_EQ(order[i], i);
}

TEST_P(WorkerTest, WakesUpForEveryMessageFromAtomicContext) {
  std::vector<int> order;
  std::atomic<int> done{0};
  const OwnPtr<Worker> worker = make_worker();
  for (int i = 0; i < 300; ++i) {
    Numbered message;
    message.worker = worker.get();
    message.order = &order;
    message.done = &done;
    message.number = i;
    {
      HostAtomicSection softirq;
      worker->post(message);
    }
    ASSERT_TRUE(eventually([&] { return done == i + 1; }));
  }
}

// A counter of which each producer wants to be sure that its last increment was seen.
struct Seen {
  explicit Seen(Worker& w) : worker(w), posted(&Seen::on_message) {}
  static void on_message(WorkerMessage& message) {
    PostedOnce& once = PostedOnce::of(message);
    once.begin();
    Seen& self = container_of(once, &Seen::posted);
    ++self.handled;
    self.seen.store(self.wanted.load());
  }
  void want() {
    ++wanted;
    if (posted.request(worker)) ++posts;
  }
  Worker& worker;
  std::atomic<int> wanted{0};
  std::atomic<int> seen{0};
  std::atomic<int> posts{0};
  std::atomic<int> handled{0};
  PostedOnce posted;
};

TEST(PostedOnce, LosesNoRequestOfManyProducers) {
  const OwnPtr<Worker> worker = make_worker();
  Seen seen(*worker);
  constexpr int kProducers = 4, kRounds = 3000;
  std::vector<std::thread> producers;
  for (int i = 0; i < kProducers; ++i) {
    producers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        seen.want();
        if (round % 64 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& producer : producers)
    producer.join();
  EXPECT_TRUE(eventually([&] { return seen.seen == kProducers * kRounds; }));
  EXPECT_TRUE(eventually([&] { return seen.handled == seen.posts; }));
  EXPECT_FALSE(seen.posted.is_pending());
}

TEST(PostedOnce, TellsWhetherItPosted) {
  struct Blocked : WorkerMessage {
    Blocked() : WorkerMessage(&Blocked::on_message) {}
    static void on_message(WorkerMessage& message) {
      auto& self = static_cast<Blocked&>(message);
      self.entered = true;
      EXPECT_TRUE(eventually([&] { return self.go.load(); }));
    }
    std::atomic<bool> entered{false};
    std::atomic<bool> go{false};
  } blocked;
  const OwnPtr<Worker> worker = make_worker();
  Seen seen(*worker);
  worker->post(blocked);
  ASSERT_TRUE(eventually([&] { return blocked.entered.load(); }));
  EXPECT_TRUE(seen.posted.request(*worker));
  EXPECT_FALSE(seen.posted.request(*worker));
  EXPECT_TRUE(seen.posted.is_pending());
  blocked.go = true;
  ASSERT_TRUE(eventually([&] { return seen.handled == 1; }));
  EXPECT_FALSE(seen.posted.is_pending());
  EXPECT_TRUE(seen.posted.request(*worker));
  ASSERT_TRUE(eventually([&] { return seen.handled == 2; }));
}

// A message may be posted again by its own handler, and may be gone afterwards.
TEST_P(WorkerTest, TakesMessagesThatPostThemselvesAgain) {
  struct Again : WorkerMessage {
    Again() : WorkerMessage(&Again::on_message) {}
    static void on_message(WorkerMessage& message) {
      auto& self = static_cast<Again&>(message);
      if (++self.count < 1000) return self.worker->post(self);
      self.done = true;
    }
    Worker* worker = nullptr;
    int count = 0;
    std::atomic<bool> done{false};
  } again;
  const OwnPtr<Worker> worker = make_worker();
  again.worker = worker.get();
  worker->post(again);
  EXPECT_TRUE(eventually([&] { return again.done.load(); }));
}

TEST_P(WorkerTest, HandlesWhatWasPostedBeforeItsEnd) {
  for (int round = 0; round < 50; ++round) {
    std::vector<int> order;
    std::atomic<int> done{0};
    std::vector<Numbered> messages(20);
    {
      const OwnPtr<Worker> worker = make_worker();
      for (int i = 0; i < 20; ++i) {
        messages[i].worker = worker.get();
        messages[i].order = &order;
        messages[i].done = &done;
        worker->post(messages[i]);
      }
    }
    ASSERT_EQ(done, 20);
  }
}

TEST_P(WorkerTest, StopsWhileItSleeps) {
  const uint64_t before = host_live_allocations();
  for (int i = 0; i < 50; ++i)
    make_worker();
  EXPECT_EQ(host_live_allocations(), before);
}

TEST_P(WorkerTest, FiresTimersOnItsThread) {
  struct Timed {
    static void on_arm(WorkerMessage& message) {
      Timed& self = container_of(static_cast<Message&>(message), &Timed::message);
      self.worker->arm(self.timer, 100);
    }
    static void on_fire(Timer& timer) {
      Timed& self = container_of(timer, &Timed::timer);
      EXPECT_TRUE(self.worker->is_current());
      self.fired_at = os_now_ms();
    }
    struct Message : WorkerMessage {
      Message() : WorkerMessage(&Timed::on_arm) {}
    } message;
    Timer timer{&Timed::on_fire};
    Worker* worker = nullptr;
    std::atomic<uint64_t> fired_at{0};
  } timed;
  {
    const OwnPtr<Worker> worker = make_worker();
    timed.worker = worker.get();
    const uint64_t start = os_now_ms();
    worker->post(timed.message);
    ASSERT_TRUE(eventually([&] { return timed.fired_at != 0; }));
    EXPECT_GE(timed.fired_at, start + 100);
  }
}

TEST(Worker, ReportsThatThereIsNoMemory) {
  const uint64_t before = host_live_allocations();
  bool created = false;
  for (uint64_t n = 1; n < 20 && !created; ++n) {
    host_fail_allocation_at(n);
    Result<OwnPtr<Worker>> worker = Worker::create("test", OS_ANY_CPU);
    created = worker.is_ok();
    EXPECT_EQ(worker.error(), created ? Error::kNone : Error::kNoMemory);
    host_fail_allocation_at(0);
  }
  EXPECT_TRUE(created);
  EXPECT_EQ(host_live_allocations(), before);
}

}  // namespace
}  // namespace chiscsi::test
