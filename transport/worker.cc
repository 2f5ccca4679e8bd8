// SPDX-License-Identifier: GPL-2.0-only
//
// The worker's loop: messages, then timers, then sleep until the next of either.
#include "transport/worker.hh"

namespace chiscsi {

namespace {
// An upper limit of one sleep, so that a lost wake-up would be a delay and never a hang.
constexpr uint32_t kLongestSleepMs = 10'000;
constexpr uint32_t kMessagesInARow = 64;  // Before other threads get their turn.
}  // namespace

Result<OwnPtr<Worker>> Worker::create(const char* name, int cpu, uint32_t busy_poll_us) {
  OwnPtr<Worker> worker = make<Worker>(Alloc::kMaySleep, cpu, busy_poll_us);
  if (!worker) return Error::kNoMemory;
  worker->wakeup_ = os_event_create();
  if (worker->wakeup_ == nullptr) return Error::kNoMemory;
  worker->thread_ = os_thread_start(&Worker::thread_body, worker.get(), name, cpu);
  if (worker->thread_ == nullptr) return Error::kNoMemory;
  return worker;
}

Worker::~Worker() {
  if (thread_ != nullptr) {
    stopping_.store(true, std::memory_order_seq_cst);
    os_event_signal(wakeup_);
    os_thread_join(thread_);
  }
  if (wakeup_ != nullptr) os_event_destroy(wakeup_);
}

void Worker::post(WorkerMessage& message) {
  mailbox_.push(message);
  // Pairs with the fence in sleep(): either the worker sees the message, or we see it sleeping.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_relaxed) && sleeping_.exchange(false)) {
    os_event_signal(wakeup_);
  }
}

void Worker::thread_body(void* self) { static_cast<Worker*>(self)->run(); }

void Worker::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    handle_messages();
    timers_.run(os_now_ms());
    if (mailbox_.empty() && !wait_awake()) {
      sleep();
    } else {
      os_relax();
    }
  }
  handle_messages();
}

void Worker::handle_messages() {
  MailboxNode* node = mailbox_.take_all();
  for (uint32_t count = 1; node != nullptr; ++count) {
    if (count % kMessagesInARow == 0) os_relax();
    MailboxNode* next = node->next;
    auto& message = *static_cast<WorkerMessage*>(node);
    message.handle(message);
    node = next;
  }
}

// What comes now needs no wake-up. Whoever else wants the processor has it. True: something came.
bool Worker::wait_awake() {
  if (busy_poll_us_ == 0) return false;
  const uint64_t timer_us = uint64_t{timers_.next_delay_ms(os_now_ms())} * 1000;
  const uint64_t end = os_now_us() + (timer_us < busy_poll_us_ ? timer_us : busy_poll_us_);
  while (mailbox_.empty()) {
    if (stopping_.load(std::memory_order_relaxed) || os_now_us() >= end || os_spin() == 0)
      return false;
  }
  return true;
}

void Worker::sleep() {
  sleeping_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (mailbox_.empty() && !stopping_.load(std::memory_order_relaxed)) {
    const uint32_t delay = timers_.next_delay_ms(os_now_ms());
    os_event_wait(wakeup_, delay < kLongestSleepMs ? delay : kLongestSleepMs);
  }
  sleeping_.store(false, std::memory_order_relaxed);
}

}  // namespace chiscsi
