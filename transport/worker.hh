// SPDX-License-Identifier: GPL-2.0-only
//
// Worker: one thread, one mailbox, one timer wheel.
//
// Everything that belongs to a session or to a login runs on exactly one worker; everybody else
// (socket callbacks, storage drivers, the control plane, other workers) leaves it a message. The
// worker sleeps when it has neither messages nor due timers. One more worker, bound to no CPU,
// is the main thread that handles the login phase.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/alloc.hh"
#include "base/mailbox.hh"
#include "os/socket.h"
#include "os/thread.h"
#include "transport/bounce_pool.hh"
#include "transport/timer_wheel.hh"

namespace chiscsi {

// A message is a member of the object it concerns; `handle` runs on the worker. A message is posted
// at most once at a time: PostedOnce below keeps that for events with several sources.
struct WorkerMessage : MailboxNode {
  using Handle = void (*)(WorkerMessage& message);
  explicit WorkerMessage(Handle handler) : handle(handler) {}
  Handle handle;
};

class Worker {
 public:
  // Starts the thread. `name` is copied by the host; `cpu` may be OS_ANY_CPU. Before it sleeps it
  // waits awake for `busy_poll_us`. Context: process.
  static Result<OwnPtr<Worker>> create(const char* name, int cpu, uint32_t busy_poll_us = 0);
  // Stops and joins the thread; nothing may be posted any more. Context: process, not the worker.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Context: any.
  void post(WorkerMessage& message);
  bool is_current() const { return os_thread_is_current(thread_); }
  int cpu() const { return cpu_; }

  // Context of the rest: the worker itself.
  void arm(Timer& timer, uint64_t delay_ms) { timers_.arm(timer, os_now_ms(), delay_ms); }

  // Room to build gathered sends in, shared by all connections of this worker.
  static constexpr size_t kScratchFragments = 128;
  os_fragment* scratch_fragments() { return scratch_; }
  BouncePool& bounce_pool() { return bounce_pool_; }

  // Its place among the workers that serve sessions. Constant once it has work.
  uint32_t index = 0;
  // How many connections this worker serves; read by whoever places a new session.
  std::atomic<uint32_t> load{0};

 private:
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc, Args&&...);
  Worker(int cpu, uint32_t busy_poll_us)
      : timers_(os_now_ms()), cpu_(cpu), busy_poll_us_(busy_poll_us) {}

  static void thread_body(void* self);
  void run();
  void handle_messages();
  bool wait_awake();
  void sleep();

  Mailbox mailbox_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stopping_{false};
  TimerWheel timers_;
  os_event* wakeup_ = nullptr;
  os_thread* thread_ = nullptr;
  const int cpu_;
  const uint32_t busy_poll_us_;
  BouncePool bounce_pool_;
  os_fragment scratch_[kScratchFragments];
};

// A message that any number of parties may request; it is in the mailbox at most once. The flag is
// cleared before the handler looks for work, so no request is lost.
class PostedOnce {
 public:
  explicit PostedOnce(WorkerMessage::Handle handle) : message_(handle, this) {}
  // True when this call posted it. Context: any.
  bool request(Worker& worker) {
    if (pending_.exchange(true, std::memory_order_acq_rel)) return false;
    worker.post(message_);
    return true;
  }
  // To be called first by the handler.
  void begin() { pending_.store(false, std::memory_order_seq_cst); }
  bool is_pending() const { return pending_.load(std::memory_order_acquire); }

  struct Message : WorkerMessage {
    Message(Handle handler, PostedOnce* posted) : WorkerMessage(handler), owner(posted) {}
    PostedOnce* owner;
  };
  static PostedOnce& of(WorkerMessage& message) { return *static_cast<Message&>(message).owner; }

 private:
  Message message_;
  std::atomic<bool> pending_{false};
};

// The object of type T whose member `member` is at `address`.
template <typename T, typename M>
T& container_of(M& address, M T::*member) {
  // SAFETY: the caller names the member that `address` is; the distance is fixed at compile time.
  constexpr size_t kProbe = 4096;
  const auto offset = reinterpret_cast<size_t>(&(reinterpret_cast<T*>(kProbe)->*member)) - kProbe;
  return *reinterpret_cast<T*>(reinterpret_cast<char*>(&address) - offset);
}

}  // namespace chiscsi
