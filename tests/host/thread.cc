// SPDX-License-Identifier: GPL-2.0-only
//
// Threads, events, locks and time of the POSIX port, on pthreads. Locks are error-checking: taking
// one twice or giving up another thread's ends the program. A spinlock is a mutex that makes its
// holder count as atomic context. Waits follow the clock that a test can move ahead.
#include "os/thread.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "host.hh"
#include "internal.hh"
#include "os/memory.h"

struct os_thread {
  pthread_t handle;
  void (*body)(void*);
  void* argument;
  int cpu;
  char name[16];
};

struct os_event {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool signalled = false;
  bool waited_for = false;
};

struct os_mutex {
  pthread_mutex_t lock;
};

struct os_spinlock {
  pthread_mutex_t lock;
};

namespace {

std::atomic<uint64_t> clock_ahead_ms{0};
// How far the clock was ahead when this thread last looked at it and has not waited since.
thread_local std::optional<uint64_t> seen_ahead_ms;
thread_local const os_thread* current_thread = nullptr;

// All events, for host_advance_clock(). Never destroyed.
struct Events {
  std::mutex lock;
  std::vector<os_event*> all;
};
Events& events() {
  static auto* instance = new Events;
  return *instance;
}

// Objects of the port come from os_alloc(), so that the hook which fails allocations reaches them.
template <typename T>
T* make_object() {
  void* memory = os_alloc(sizeof(T), OS_ALLOC_SLEEP);
  return memory == nullptr ? nullptr : new (memory) T();
}

void init_checked_mutex(pthread_mutex_t* mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

void must(int rc, const char* what) {
  if (rc != 0) host_contract_broken("%s: %s", what, strerror(rc));
}

struct Intrusion {
  std::atomic<uint64_t> locks_left{0};
  std::mutex lock;  // Not held while the intruder runs, which takes locks of its own.
  std::condition_variable over;
  std::function<void()> intruder;
  bool runs = false;
};
Intrusion& intrusion() {
  static auto* instance = new Intrusion;
  return *instance;
}

void let_intruder_in() {
  Intrusion& next = intrusion();
  uint64_t left = next.locks_left;
  if (left == 0 || host_in_atomic()) return;
  while (!next.locks_left.compare_exchange_weak(left, left - 1)) {
    if (left == 0) return;
  }
  if (left != 1) return;
  std::function<void()> intruder;
  {
    std::lock_guard guard(next.lock);
    intruder = std::exchange(next.intruder, nullptr);
    if (!intruder) return;
    next.runs = true;
  }
  intruder();
  std::lock_guard guard(next.lock);
  next.runs = false;
  next.over.notify_all();
}

void stay_on(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  // Best effort: a container may forbid the CPU.
  (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

void* run_thread(void* opaque) {
  auto* thread = static_cast<os_thread*>(opaque);
  current_thread = thread;
  pthread_setname_np(pthread_self(), thread->name);
  stay_on(thread->cpu);
  thread->body(thread->argument);
  if (host_in_atomic()) host_contract_broken("thread %s ended in atomic context", thread->name);
  return nullptr;
}

uint64_t real_now_ms() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

// The absolute CLOCK_MONOTONIC time that is `milliseconds` from now, at most an hour.
timespec real_time_after(uint64_t milliseconds) {
  milliseconds = std::min<uint64_t>(milliseconds, 3600 * 1000);
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  time.tv_sec += static_cast<time_t>(milliseconds / 1000);
  time.tv_nsec += static_cast<long>(milliseconds % 1000) * 1000000;
  if (time.tv_nsec >= 1000000000) {
    ++time.tv_sec;
    time.tv_nsec -= 1000000000;
  }
  return time;
}

}  // namespace

unsigned int os_cpu_count() {
  return static_cast<unsigned int>(std::max(1L, sysconf(_SC_NPROCESSORS_CONF)));
}

int os_cpu_online(unsigned int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cpu == 0;
  return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &set);
}

unsigned int os_current_cpu() {
  const int cpu = sched_getcpu();
  return cpu < 0 ? 0 : static_cast<unsigned int>(cpu);
}

os_thread* os_thread_start(void (*body)(void*), void* argument, const char* name, int cpu) {
  host_might_sleep("os_thread_start()");
  auto* thread = make_object<os_thread>();
  if (thread == nullptr) return nullptr;
  thread->body = body;
  thread->argument = argument;
  thread->cpu = cpu;
  strncpy(thread->name, name, sizeof(thread->name) - 1);
  if (pthread_create(&thread->handle, nullptr, run_thread, thread) != 0) {
    os_free(thread);
    return nullptr;
  }
  return thread;
}

void os_thread_join(os_thread* thread) {
  host_might_sleep("os_thread_join()");
  must(pthread_join(thread->handle, nullptr), "os_thread_join()");
  os_free(thread);
}

int os_thread_is_current(const os_thread* thread) { return current_thread == thread ? 1 : 0; }

os_event* os_event_create() {
  host_might_sleep("os_event_create()");
  auto* event = make_object<os_event>();
  if (event == nullptr) return nullptr;
  init_checked_mutex(&event->lock);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&event->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  std::lock_guard guard(events().lock);
  events().all.push_back(event);
  return event;
}

void os_event_destroy(os_event* event) {
  if (event == nullptr) return;
  host_might_sleep("os_event_destroy()");
  {
    std::lock_guard guard(events().lock);
    std::erase(events().all, event);
  }
  must(pthread_cond_destroy(&event->changed), "os_event_destroy()");
  must(pthread_mutex_destroy(&event->lock), "os_event_destroy()");
  os_free(event);
}

void os_event_signal(os_event* event) {
  // Everything under the lock: the waiter may destroy the event as soon as it has the signal.
  must(pthread_mutex_lock(&event->lock), "os_event_signal()");
  event->signalled = true;
  pthread_cond_signal(&event->changed);
  must(pthread_mutex_unlock(&event->lock), "os_event_signal()");
}

int os_event_wait(os_event* event, uint32_t timeout_ms) {
  host_might_sleep("os_event_wait()");
  // A limit is counted from when it was computed: an advance of the clock may have come after that.
  const uint64_t ahead = std::exchange(seen_ahead_ms, std::nullopt).value_or(clock_ahead_ms);
  const uint64_t deadline = real_now_ms() + ahead + timeout_ms;
  must(pthread_mutex_lock(&event->lock), "os_event_wait()");
  if (event->waited_for) host_contract_broken("two waiters on one event");
  event->waited_for = true;
  while (!event->signalled) {
    const uint64_t now = real_now_ms() + clock_ahead_ms;
    if (now >= deadline) break;
    const timespec until = real_time_after(deadline - now);
    pthread_cond_timedwait(&event->changed, &event->lock, &until);
  }
  const bool signalled = event->signalled;
  event->signalled = false;
  event->waited_for = false;
  must(pthread_mutex_unlock(&event->lock), "os_event_wait()");
  return signalled ? 1 : 0;
}

os_mutex* os_mutex_create() {
  host_might_sleep("os_mutex_create()");
  auto* mutex = make_object<os_mutex>();
  if (mutex != nullptr) init_checked_mutex(&mutex->lock);
  return mutex;
}

void os_mutex_destroy(os_mutex* mutex) {
  if (mutex == nullptr) return;
  must(pthread_mutex_destroy(&mutex->lock), "os_mutex_destroy()");
  os_free(mutex);
}

void os_mutex_lock(os_mutex* mutex) {
  host_might_sleep("os_mutex_lock()");
  must(pthread_mutex_lock(&mutex->lock), "os_mutex_lock()");
}

void os_mutex_unlock(os_mutex* mutex) {
  must(pthread_mutex_unlock(&mutex->lock), "os_mutex_unlock()");
}

os_spinlock* os_spinlock_create() {
  host_might_sleep("os_spinlock_create()");
  auto* lock = make_object<os_spinlock>();
  if (lock != nullptr) init_checked_mutex(&lock->lock);
  return lock;
}

void os_spinlock_destroy(os_spinlock* lock) {
  if (lock == nullptr) return;
  must(pthread_mutex_destroy(&lock->lock), "os_spinlock_destroy()");
  os_free(lock);
}

void host_at_spinlock(uint64_t n, std::function<void()> intruder) {
  Intrusion& next = intrusion();
  std::unique_lock guard(next.lock);
  next.over.wait(guard, [&] { return !next.runs; });
  next.locks_left = 0;
  next.intruder = std::move(intruder);
  next.locks_left = n;
}

unsigned long os_spinlock_lock(os_spinlock* lock) {
  let_intruder_in();
  must(pthread_mutex_lock(&lock->lock), "os_spinlock_lock()");
  host_enter_atomic();
  return 0;
}

void os_spinlock_unlock(os_spinlock* lock, unsigned long) {
  host_leave_atomic();
  must(pthread_mutex_unlock(&lock->lock), "os_spinlock_unlock()");
}

uint64_t os_now_ms() {
  seen_ahead_ms = clock_ahead_ms.load();
  return real_now_ms() + *seen_ahead_ms;
}

uint64_t os_now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto real = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return static_cast<uint64_t>(real) + clock_ahead_ms * 1000;
}

void host_advance_clock(uint64_t milliseconds) {
  clock_ahead_ms += milliseconds;
  std::lock_guard guard(events().lock);
  for (os_event* event : events().all) {
    must(pthread_mutex_lock(&event->lock), "host_advance_clock()");
    pthread_cond_broadcast(&event->changed);
    must(pthread_mutex_unlock(&event->lock), "host_advance_clock()");
  }
}

int os_spin() {
  sched_yield();
  return 1;
}

void os_relax() {
  host_might_sleep("os_relax()");
  sched_yield();
}
