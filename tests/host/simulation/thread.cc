// SPDX-License-Identifier: GPL-2.0-only
//
// Threads, events, locks and time of the simulated host: coroutines that change hands where a
// thread would sleep, and a clock that moves when somebody says so. See simulation.hh. The address
// sanitizer is told of every change of stacks.
#include "os/thread.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "host.hh"
#include "internal.hh"
#include "jobs.hh"
#include "os/memory.h"
#include "simulation.hh"

#if defined(__has_feature)
#define CHISCSI_HAS_FEATURE(name) __has_feature(name)
#else
#define CHISCSI_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || CHISCSI_HAS_FEATURE(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#else
// Nobody to tell.
static void __sanitizer_start_switch_fiber(void**, const void*, size_t) {}
static void __sanitizer_finish_switch_fiber(void*, const void**, size_t*) {}
#endif

struct os_event {
  bool signalled = false;
};

struct os_thread {
  ucontext_t context;
  void* stack = nullptr;
  void* fake_stack = nullptr;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  os_event* waits_for = nullptr;
  uint64_t deadline = 0;
  bool done = false;
};

struct os_mutex {
  bool locked = false;
};

struct os_spinlock {
  bool locked = false;
};

namespace {

constexpr size_t kStackSize = 256 * 1024;
// One settle() that takes longer has met threads that keep each other busy for ever.
constexpr uint64_t kMostRounds = 1'000'000;

uint64_t clock_ms = 1'000'000;
unsigned host_works = 0;
os_thread* running = nullptr;  // Null: the test itself.
ucontext_t main_context;
void* main_fake_stack = nullptr;
const void* main_stack = nullptr;
size_t main_stack_size = 0;

// Never destroyed: they live as long as the program.
std::vector<os_thread*>& threads() {
  static auto* all = new std::vector<os_thread*>;
  return *all;
}
std::vector<void*>& spare_stacks() {
  static auto* all = new std::vector<void*>;
  return *all;
}

void* take_stack() {
  if (spare_stacks().empty()) return malloc(kStackSize);
  void* stack = spare_stacks().back();
  spare_stacks().pop_back();
  return stack;
}

void switch_to_main(bool for_good) {
  os_thread* self = running;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &self->fake_stack, main_stack,
                                 main_stack_size);
  swapcontext(&self->context, &main_context);
  __sanitizer_finish_switch_fiber(self->fake_stack, nullptr, nullptr);
}

void thread_body() {
  __sanitizer_finish_switch_fiber(nullptr, &main_stack, &main_stack_size);
  running->body(running->argument);
  if (host_in_atomic()) host_contract_broken("a thread ended in atomic context");
  running->done = true;
  switch_to_main(true);
}

void resume(os_thread* thread) {
  thread->waits_for = nullptr;
  running = thread;
  __sanitizer_start_switch_fiber(&main_fake_stack, thread->stack, kStackSize);
  swapcontext(&main_context, &thread->context);
  __sanitizer_finish_switch_fiber(main_fake_stack, nullptr, nullptr);
  running = nullptr;
}

bool can_run(const os_thread& thread) {
  if (thread.done) return false;
  return thread.waits_for == nullptr || thread.waits_for->signalled || clock_ms >= thread.deadline;
}

// One turn for everybody who has something to do; false when nobody had.
bool run_round() {
  bool any = false;
  // By index: a thread may start another one.
  for (size_t i = 0; i < threads().size(); ++i) {
    if (!can_run(*threads()[i])) continue;
    resume(threads()[i]);
    any = true;
  }
  return chiscsi::simulation::run_storage_job() || any;
}

// The test waits: the others run, and time passes when nobody can.
void wait_in_main(const os_event& event, uint64_t deadline) {
  while (!event.signalled && clock_ms < deadline) {
    if (run_round()) continue;
    uint64_t next = deadline;
    for (const os_thread* thread : threads()) {
      if (!thread->done) next = std::min(next, thread->deadline);
    }
    clock_ms = std::max(clock_ms + 1, next);
  }
}

template <typename T>
T* make_object() {
  void* memory = os_alloc(sizeof(T), OS_ALLOC_SLEEP);
  return memory == nullptr ? nullptr : new (memory) T();
}

}  // namespace

namespace chiscsi::simulation {

void settle() {
  for (uint64_t round = 0; run_round(); ++round) {
    if (round == kMostRounds) host_contract_broken("the engine's threads never come to rest");
  }
}

void advance(uint64_t milliseconds) {
  clock_ms += milliseconds;
  settle();
}

Counts& counts() {
  static Counts all;
  return all;
}

bool is_engine_running() { return running != nullptr && host_works == 0; }

HostWork::HostWork() { ++host_works; }
HostWork::~HostWork() { --host_works; }

}  // namespace chiscsi::simulation

unsigned int os_cpu_count() { return 2; }
int os_cpu_online(unsigned int cpu) { return cpu < 2; }
unsigned int os_current_cpu() { return 0; }

os_thread* os_thread_start(void (*body)(void*), void* argument, const char*, int) {
  host_might_sleep("os_thread_start()");
  auto* thread = make_object<os_thread>();
  if (thread == nullptr) return nullptr;
  thread->body = body;
  thread->argument = argument;
  thread->stack = take_stack();
  getcontext(&thread->context);
  thread->context.uc_stack.ss_sp = thread->stack;
  thread->context.uc_stack.ss_size = kStackSize;
  thread->context.uc_link = nullptr;
  makecontext(&thread->context, &thread_body, 0);
  threads().push_back(thread);
  return thread;
}

void os_thread_join(os_thread* thread) {
  host_might_sleep("os_thread_join()");
  if (running != nullptr) host_contract_broken("a simulated thread joins another one");
  while (!thread->done) {
    if (!run_round()) ++clock_ms;
  }
  std::erase(threads(), thread);
  spare_stacks().push_back(thread->stack);
  os_free(thread);
}

int os_thread_is_current(const os_thread* thread) { return running == thread ? 1 : 0; }

os_event* os_event_create() {
  host_might_sleep("os_event_create()");
  return make_object<os_event>();
}

void os_event_destroy(os_event* event) { os_free(event); }
void os_event_signal(os_event* event) { event->signalled = true; }

int os_event_wait(os_event* event, uint32_t timeout_ms) {
  host_might_sleep("os_event_wait()");
  const uint64_t deadline = clock_ms + timeout_ms;
  if (running == nullptr) {
    wait_in_main(*event, deadline);
  } else if (!event->signalled) {
    running->waits_for = event;
    running->deadline = deadline;
    switch_to_main(false);
    if (event->signalled) ++chiscsi::simulation::counts().wake_ups;
  }
  return std::exchange(event->signalled, false) ? 1 : 0;
}

os_mutex* os_mutex_create() {
  host_might_sleep("os_mutex_create()");
  return make_object<os_mutex>();
}
void os_mutex_destroy(os_mutex* mutex) { os_free(mutex); }
void os_mutex_lock(os_mutex* mutex) {
  host_might_sleep("os_mutex_lock()");
  while (mutex->locked) {
    if (running != nullptr) {
      switch_to_main(false);
    } else if (!run_round()) {
      host_contract_broken("a mutex that nobody will unlock");
    }
  }
  mutex->locked = true;
}
void os_mutex_unlock(os_mutex* mutex) {
  if (!std::exchange(mutex->locked, false)) host_contract_broken("a mutex unlocked twice");
}

os_spinlock* os_spinlock_create() {
  host_might_sleep("os_spinlock_create()");
  return make_object<os_spinlock>();
}
void os_spinlock_destroy(os_spinlock* lock) { os_free(lock); }
unsigned long os_spinlock_lock(os_spinlock* lock) {
  if (std::exchange(lock->locked, true)) host_contract_broken("a spinlock taken twice");
  host_enter_atomic();
  return 0;
}
void os_spinlock_unlock(os_spinlock* lock, unsigned long) {
  host_leave_atomic();
  if (!std::exchange(lock->locked, false)) host_contract_broken("a spinlock unlocked twice");
}

uint64_t os_now_ms() { return clock_ms; }
uint64_t os_now_us() { return clock_ms * 1000; }

// Time stands still while anything runs.
int os_spin() { return 0; }

void os_relax() {
  host_might_sleep("os_relax()");
  if (running != nullptr) {
    switch_to_main(false);
  } else {
    run_round();
  }
}
