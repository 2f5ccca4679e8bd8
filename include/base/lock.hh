// SPDX-License-Identifier: GPL-2.0-only
//
// MutexGuard and SpinGuard: a lock held for a scope.
#pragma once

#include "os/thread.h"

namespace chiscsi {

// Context: process.
class MutexGuard {
 public:
  explicit MutexGuard(os_mutex* mutex) : mutex_(mutex) { os_mutex_lock(mutex_); }
  ~MutexGuard() { os_mutex_unlock(mutex_); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

 private:
  os_mutex* mutex_;
};

// Context: any; interrupts are off while it lives.
class SpinGuard {
 public:
  explicit SpinGuard(os_spinlock* lock) : lock_(lock), flags_(os_spinlock_lock(lock)) {}
  ~SpinGuard() { os_spinlock_unlock(lock_, flags_); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  os_spinlock* lock_;
  unsigned long flags_;
};

}  // namespace chiscsi
