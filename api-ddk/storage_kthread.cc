// SPDX-License-Identifier: GPL-2.0-only
//
// The storage thread of a LUN: it takes commands off the LUN's queue and executes them.
//
// Started when the LUN is made and stopped before its memory goes. The target's threads only queue;
// everything that takes time happens here, in process context, without a lock of the target. It
// never allocates and never waits for anything but work.
#include "storage_kthread.hh"

namespace iface {

int StorageThread::start(const char* name, iface_os_spinlock* lock, Execute execute) {
  lock_ = lock;
  execute_ = execute;
  work_ = iface_os_event_create();
  if (work_ == nullptr) return kEnomem;
  thread_ = iface_os_thread_start(body, this, name);
  return thread_ != nullptr ? 0 : kEnomem;
}

void StorageThread::stop() {
  if (thread_ != nullptr) iface_os_thread_stop(thread_);
  thread_ = nullptr;
  if (work_ != nullptr) iface_os_event_destroy(work_);
  work_ = nullptr;
}

void StorageThread::queue_locked(Task& task) {
  const bool was_empty = queue_.empty();
  queue_.push_back(task);
  if (was_empty) iface_os_event_signal(work_);
}

int StorageThread::body(void* self) {
  constexpr u32 kIdleMilliseconds = 60 * 1000;
  auto* thread = static_cast<StorageThread*>(self);
  while (!iface_os_thread_should_stop()) {
    if (thread->run_one()) {
      iface_os_yield();
    } else {
      iface_os_event_wait(thread->work_, kIdleMilliseconds);
    }
  }
  return 0;
}

// The lock is held from taking the command off the queue until its step is done: an abort or the
// end of the command comes either before, and the command is not on the queue, or after.
bool StorageThread::run_one() {
  const Guard guard(lock_);
  Task* task = queue_.pop_front();
  if (task == nullptr) return false;
  execute_(*task);
  return true;
}

}  // namespace iface
