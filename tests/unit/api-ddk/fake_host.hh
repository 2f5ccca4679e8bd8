// SPDX-License-Identifier: GPL-2.0-only
//
// What ifacedriver needs around it, in user space: the services of iface_os.h, and a target that
// records what the driver tells it. Included by one test file, which includes the driver's sources
// after it. The exported calls get names of their own, so that the real target can be linked in.
#pragma once

#define chiscsi_scsi_cmd_buffer_ready fake_buffer_ready
#define chiscsi_scsi_cmd_execution_status fake_execution_status
#define chiscsi_scsi_cmd_abort_status fake_abort_status
#define chiscsi_scsi_cmd_abort fake_abort
#define chiscsi_iscsi_command_dump fake_command_dump
#define chiscsi_tmf_execution_done fake_tmf_done
#define chiscsi_target_class_register fake_class_register
#define chiscsi_target_class_deregister fake_class_deregister
#define chiscsi_target_lun_class_register fake_lun_class_register
#define chiscsi_target_lun_class_deregister fake_lun_class_deregister
#define chiscsi_target_add fake_target_add
#define chiscsi_target_remove fake_target_remove
#define chiscsi_target_reconfig fake_target_reconfig
#define chiscsi_target_first_login_check_done fake_first_login_done
#define chiscsi_target_login_stage_check_done fake_login_stage_done

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../../../api-ddk/linux/iface_os.h"
#include "iscsi_target_class.h"

// ---- iface_os.h ----

struct iface_os_spinlock {
  std::mutex mutex;
  bool inner = false;
};
// The locks of a thread, [1]: inner ones. As lockdep, the order is looked at whoever else is there.
inline thread_local int locks_held[2] = {};
struct iface_os_event {
  std::mutex mutex;
  std::condition_variable changed;
  bool signalled = false;
};
struct iface_os_thread {
  std::thread thread;
  std::atomic<bool> stop{false};
};
inline thread_local iface_os_thread* this_thread = nullptr;

// The log, and a countdown to an allocation that fails (-1: none does).
inline std::string os_log;
inline std::atomic<int> allocations_left{-1};
inline unsigned long long memory_available = 1ULL << 40;

inline bool allocation_fails() {
  return allocations_left.load() >= 0 && allocations_left.fetch_sub(1) <= 0;
}

extern "C" {
inline void* iface_os_alloc(unsigned long bytes) {
  return allocation_fails() ? nullptr : std::calloc(1, bytes);
}
inline void iface_os_free(void* memory) { std::free(memory); }
inline void* iface_os_pages_alloc(unsigned int order, unsigned char** address) {
  const size_t bytes = size_t{4096} << order;
  void* page = allocation_fails() ? nullptr : std::aligned_alloc(4096, bytes);
  if (page == nullptr) return nullptr;
  *address = static_cast<unsigned char*>(std::memset(page, 0, bytes));
  return page;
}
inline void iface_os_pages_free(void* page, unsigned int) { std::free(page); }
inline unsigned int iface_os_page_shift(void) { return 12; }
inline unsigned long long iface_os_memory_available(void) { return memory_available; }
inline iface_os_spinlock* iface_os_lock_create(void) { return new iface_os_spinlock; }
inline iface_os_spinlock* iface_os_inner_lock_create(void) {
  iface_os_spinlock* lock = iface_os_lock_create();
  lock->inner = true;
  return lock;
}
inline void iface_os_lock_destroy(iface_os_spinlock* lock) { delete lock; }
inline void iface_os_lock(iface_os_spinlock* lock) {
  EXPECT_EQ(locks_held[1], 0) << "a lock taken after an inner one";
  EXPECT_TRUE(lock->inner || locks_held[0] == 0) << "two locks of one kind";
  lock->mutex.lock();
  ++locks_held[lock->inner];
}
inline void iface_os_unlock(iface_os_spinlock* lock) {
  --locks_held[lock->inner];
  lock->mutex.unlock();
}
inline iface_os_event* iface_os_event_create(void) { return new iface_os_event; }
inline void iface_os_event_destroy(iface_os_event* event) { delete event; }
inline void iface_os_event_signal(iface_os_event* event) {
  const std::lock_guard guard(event->mutex);
  event->signalled = true;
  event->changed.notify_all();
}
inline int iface_os_event_wait(iface_os_event* event, unsigned int milliseconds) {
  std::unique_lock guard(event->mutex);
  // A stopping thread is woken by polling; the kernel wakes it at once.
  for (unsigned int slept = 0; slept < milliseconds && !event->signalled; slept += 5) {
    if (this_thread != nullptr && this_thread->stop) break;
    event->changed.wait_for(guard, std::chrono::milliseconds(5));
  }
  const bool signalled = event->signalled;
  event->signalled = false;
  return signalled;
}
inline iface_os_thread* iface_os_thread_start(int (*body)(void*), void* context, const char*) {
  auto* thread = new iface_os_thread;
  thread->thread = std::thread([=] {
    this_thread = thread;
    body(context);
  });
  return thread;
}
inline void iface_os_thread_stop(iface_os_thread* thread) {
  thread->stop = true;
  thread->thread.join();
  delete thread;
}
inline int iface_os_thread_should_stop(void) { return this_thread->stop; }
inline void iface_os_yield(void) { std::this_thread::yield(); }
inline void iface_os_log(int, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  os_log = line;
}
}

// ---- The target ----

// One command as the target sees it. The driver's calls arrive under the driver's lock, on any
// thread; what they say is kept here.
struct FakeCommand {
  chiscsi_scsi_command api{};
  unsigned char cdb[16] = {};

  std::mutex mutex;
  std::condition_variable changed;
  bool final = false;               // the last status, or the answer to an abort, is there
  bool abort_answered = false;      // by chiscsi_scsi_cmd_abort_status()
  int refusals = 0;                 // calls after the final one
  int lists = 0;                    // buffer lists handed over
  std::vector<chiscsi_sgvec> list;  // the last one
  unsigned int offset = 0, length = 0;
  bool waiting = false;  // a list is with the target
  int refuse_next = 0;   // refuse that many calls
};

inline FakeCommand* command_of(chiscsi_scsi_command* api) {
  return reinterpret_cast<FakeCommand*>(api);  // api is the first member
}

inline chiscsi_target_class* registered_target = nullptr;
inline chiscsi_target_lun_class* registered_lun = nullptr;
inline unsigned char login_class = 0xff, login_detail = 0xff;
inline unsigned int login_max_cmd = 0;
inline int login_answers = 0;
inline int tmf_response = -1;
inline int tmf_answers = 0;
// The control plane's calls in order, and how many of them are answered with -EBUSY first.
inline std::vector<std::string> control_calls;
inline int busy_answers = 0;
inline int register_error = 0;  // of the next registration of a LUN class

inline int control_call(const char* name) {
  control_calls.push_back(name);
  if (busy_answers == 0) return 0;
  --busy_answers;
  return -16;
}

inline int take(chiscsi_scsi_command* api, unsigned char* list, unsigned int count,
                unsigned int offset, unsigned int length, bool is_final) {
  FakeCommand& command = *command_of(api);
  const std::lock_guard guard(command.mutex);
  if (command.final) {
    ++command.refusals;
    return -22;
  }
  if (command.refuse_next > 0) {
    --command.refuse_next;
    return -22;
  }
  if (list != nullptr) {
    const auto* elements = reinterpret_cast<const chiscsi_sgvec*>(list);
    command.list.assign(elements, elements + count);
    command.offset = offset;
    command.length = length;
    command.waiting = true;
    ++command.lists;
  }
  command.final = is_final;
  command.changed.notify_all();
  return 0;
}

extern "C" {
inline int fake_buffer_ready(chiscsi_scsi_command* api, unsigned char* list, unsigned int count,
                             unsigned int offset, unsigned int length) {
  return take(api, list, count, offset, length, false);
}
inline int fake_execution_status(chiscsi_scsi_command* api, unsigned char* list, unsigned int count,
                                 unsigned int offset, unsigned int length) {
  constexpr unsigned int kLast = SC_FLAG_XFER_OVERFLOW | SC_FLAG_XFER_UNDERFLOW;
  const bool last =
      list == nullptr || offset + length == api->sc_xfer_len || (api->sc_flag & kLast) != 0;
  return take(api, list, count, offset, length, last);
}
inline int fake_abort_status(chiscsi_scsi_command* api) {
  FakeCommand& command = *command_of(api);
  const std::lock_guard guard(command.mutex);
  command.abort_answered = command.final = true;
  command.changed.notify_all();
  return 0;
}
inline int fake_abort(chiscsi_scsi_command* api) { return take(api, nullptr, 0, 0, 0, true); }
inline void fake_command_dump(chiscsi_scsi_command*) {}
inline int fake_tmf_done(unsigned long, unsigned char response, chiscsi_scsi_command*) {
  tmf_response = response;
  ++tmf_answers;
  return 0;
}
inline int fake_class_register(chiscsi_target_class* target) {
  registered_target = target;
  return 0;
}
inline int fake_class_deregister(char*) {
  const int busy = control_call("class_deregister");
  if (busy == 0) registered_target = nullptr;
  return busy;
}
inline int fake_lun_class_register(chiscsi_target_lun_class* lun, char*) {
  if (const int error = std::exchange(register_error, 0)) return error;
  registered_lun = lun;
  return 0;
}
inline int fake_lun_class_deregister(char*, char*) {
  const int busy = control_call("lun_class_deregister");
  if (busy == 0) registered_lun = nullptr;
  return busy;
}
inline int fake_target_add(void*, char*, char*, char*, int) { return control_call("target_add"); }
inline int fake_target_remove(void*, char*) { return control_call("target_remove"); }
inline int fake_target_reconfig(void*, char*, char*, char*, int) {
  return control_call("target_reconfig");
}
inline void fake_first_login_done(unsigned long, unsigned char status_class,
                                  unsigned char status_detail, unsigned int max_cmd) {
  login_class = status_class;
  login_detail = status_detail;
  login_max_cmd = max_cmd;
  ++login_answers;
}
inline void fake_login_stage_done(unsigned long, unsigned char status_class,
                                  unsigned char status_detail) {
  login_class = status_class;
  login_detail = status_detail;
  ++login_answers;
}
}
