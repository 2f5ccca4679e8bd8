// SPDX-License-Identifier: GPL-2.0-only
//
// The thread of one logical unit: takes queued commands one after the other and runs the step that
// is due, so that the threads of the target only queue.
#pragma once

#include "storage_task.hh"

namespace iface {

class StorageThread {
 public:
  using Execute = void (*)(Task& task);

  // Starts the thread. `lock` guards the queue; `execute` is called with it held. Returns 0 or
  // kEnomem. Process context.
  int start(const char* name, iface_os_spinlock* lock, Execute execute);

  // Waits until the thread has ended; harmless if it never started. What is still queued is not
  // run. Process context.
  void stop();

  // Lets the thread run `task`. The lock is held.
  void queue_locked(Task& task);

 private:
  static int body(void* self);
  bool run_one();

  iface_os_spinlock* lock_ = nullptr;
  iface_os_event* work_ = nullptr;
  iface_os_thread* thread_ = nullptr;
  Execute execute_ = nullptr;
  List<Task, &Task::queued> queue_;
};

}  // namespace iface
