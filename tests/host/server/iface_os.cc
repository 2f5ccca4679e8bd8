// SPDX-License-Identifier: GPL-2.0-only
//
// The services of api-ddk/linux/iface_os.h in user space, so that the sample driver runs in the
// loop-back server: the twin of api-ddk/linux/iface_linux.c. Locks and events are those of the
// POSIX port, which notice sleeping under a lock. A "struct page *" is the address of the memory.
#include "linux/iface_os.h"

#include <unistd.h>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "host.hh"
#include "os/log.h"
#include "os/memory.h"
#include "os/thread.h"

struct iface_os_thread {
  os_thread* thread;
  int (*body)(void*);
  void* context;
  std::atomic<bool> should_stop;  // False in zeroed memory.
};

namespace {

thread_local iface_os_thread* current = nullptr;

constexpr unsigned kPageShift = 12;

os_spinlock* host(iface_os_spinlock* lock) { return reinterpret_cast<os_spinlock*>(lock); }
os_event* host(iface_os_event* event) { return reinterpret_cast<os_event*>(event); }

void run(void* argument) {
  current = static_cast<iface_os_thread*>(argument);
  current->body(current->context);
}

}  // namespace

void* iface_os_alloc(unsigned long bytes) { return os_alloc(bytes, OS_ALLOC_SLEEP); }
void iface_os_free(void* memory) { os_free(memory); }

void* iface_os_pages_alloc(unsigned int order, unsigned char** address) {
  host_might_sleep("iface_os_pages_alloc()");
  const size_t size = size_t{1} << (kPageShift + order);
  void* pages = aligned_alloc(size_t{1} << kPageShift, size);
  if (pages == nullptr) return nullptr;
  memset(pages, 0, size);
  *address = static_cast<unsigned char*>(pages);
  return pages;
}
void iface_os_pages_free(void* page, unsigned int) { free(page); }
unsigned int iface_os_page_shift() { return kPageShift; }

iface_os_spinlock* iface_os_lock_create() {
  return reinterpret_cast<iface_os_spinlock*>(os_spinlock_create());
}
iface_os_spinlock* iface_os_inner_lock_create() { return iface_os_lock_create(); }
void iface_os_lock_destroy(iface_os_spinlock* lock) { os_spinlock_destroy(host(lock)); }
void iface_os_lock(iface_os_spinlock* lock) { os_spinlock_lock(host(lock)); }
void iface_os_unlock(iface_os_spinlock* lock) { os_spinlock_unlock(host(lock), 0); }

iface_os_event* iface_os_event_create() {
  return reinterpret_cast<iface_os_event*>(os_event_create());
}
void iface_os_event_destroy(iface_os_event* event) { os_event_destroy(host(event)); }
void iface_os_event_signal(iface_os_event* event) { os_event_signal(host(event)); }

// As in the kernel, a thread that is told to stop waits no longer: it looks every few milliseconds.
int iface_os_event_wait(iface_os_event* event, unsigned int milliseconds) {
  constexpr unsigned kLook = 20;
  if (current == nullptr) return os_event_wait(host(event), milliseconds);
  while (!current->should_stop) {
    const unsigned part = milliseconds < kLook ? milliseconds : kLook;
    if (os_event_wait(host(event), part) == 1) return 1;
    milliseconds -= part;
    if (milliseconds == 0) break;
  }
  return os_event_wait(host(event), 0);
}

iface_os_thread* iface_os_thread_start(int (*body)(void*), void* context, const char* name) {
  auto* thread = static_cast<iface_os_thread*>(os_alloc(sizeof(iface_os_thread), OS_ALLOC_SLEEP));
  if (thread == nullptr) return nullptr;
  thread->body = body;
  thread->context = context;
  thread->thread = os_thread_start(run, thread, name, OS_ANY_CPU);
  if (thread->thread != nullptr) return thread;
  os_free(thread);
  return nullptr;
}
void iface_os_thread_stop(iface_os_thread* thread) {
  thread->should_stop = true;
  os_thread_join(thread->thread);
  os_free(thread);
}
int iface_os_thread_should_stop() { return current != nullptr && current->should_stop ? 1 : 0; }
unsigned long long iface_os_memory_available() {
  return static_cast<unsigned long long>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}
void iface_os_yield() { os_relax(); }

void iface_os_log(int level, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  const int levels[] = {OS_LOG_ERROR, OS_LOG_WARNING, OS_LOG_INFO};
  os_log(levels[level], "ifacedriver: %s", line);
}
