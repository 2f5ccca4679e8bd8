// SPDX-License-Identifier: GPL-2.0-only
//
// SizeWatch: a thread that has a look at all disks every other second.
//
// READ CAPACITY is answered by the target, so a disk that has grown while nobody reads or writes it
// would stay small. Neither files nor block devices tell of such a change by themselves, nor these
// of a write cache that is switched on or off, or that they can be written no more. It also
// finds what commands have left untold of the usage of thin disks.
#pragma once

#include <atomic>

#include "base/error.hh"
#include "os/thread.h"

namespace chiscsi::storage {

class SizeWatch {
 public:
  using Look = void (*)();
  explicit SizeWatch(Look look) : look_(look) {}
  ~SizeWatch();
  SizeWatch(const SizeWatch&) = delete;
  SizeWatch& operator=(const SizeWatch&) = delete;

  // Does nothing when it is running. Errors: kNoMemory. Context: process, one caller at a time.
  Status start();

 private:
  static constexpr uint32_t kIntervalMs = 2000;
  static void run(void* self);

  const Look look_;
  std::atomic<bool> stopping_{false};
  os_event* wakeup_ = nullptr;
  os_thread* thread_ = nullptr;
};

}  // namespace chiscsi::storage
