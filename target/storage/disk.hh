// SPDX-License-Identifier: GPL-2.0-only
//
// Disk: a store and all that its users share: who uses which blocks, its sanitize operation, and
// the tasks of its commands.
//
// Two LUNs that name the same device or file share one Disk, and so does a LUN that a reload has
// moved to another handle: their commands stay atomic to each other. A Disk lives until its last
// LUN is detached and its last task is back. Its end waits for the latter; context: process.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/list.hh"
#include "base/ref.hh"
#include "target/storage/range_lock.hh"
#include "target/storage/sanitizer.hh"
#include "target/storage/store.hh"

namespace chiscsi::storage {

class Task;

class Disk : public RefCounted<Disk> {
 public:
  // `told` hears what its sanitizer does. Errors: kNoMemory.
  using Told = void (*)(Disk& disk);
  static Result<Ref<Disk>> create(OwnPtr<Store> store, Told told);
  Disk(OwnPtr<Store> store, Told told);
  ~Disk();

  Store& store() { return *store_; }
  RangeLock& ranges() { return ranges_; }
  Sanitizer& sanitizer() { return sanitizer_; }

  // A task that is nobody's, or null without memory. Context: process.
  Task* take_task();
  // Context: any.
  void give_back(Task& task);

  // How it was opened, for the search of Disks with the same store.
  unsigned int open_flags = 0;
  ListNode list_node;
  uint32_t units = 0;  // LUNs that have it; under the lock of that list.

 private:
  static constexpr uint32_t kMostSpareTasks = 256;

  static void on_sanitizer_news(void* disk);

  OwnPtr<Store> store_;
  const Told told_;
  RangeLock ranges_;
  Sanitizer sanitizer_;
  os_spinlock* pool_lock_ = nullptr;
  Task* spare_ = nullptr;
  uint32_t spare_count_ = 0;
  std::atomic<uint32_t> tasks_out_{0};
};

}  // namespace chiscsi::storage
