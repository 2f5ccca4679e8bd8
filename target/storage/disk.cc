// SPDX-License-Identifier: GPL-2.0-only
//
// See disk.hh.
#include "target/storage/disk.hh"

#include "base/alloc.hh"
#include "base/lock.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

Disk::Disk(OwnPtr<Store> store, Told told)
    : store_(std::move(store)),
      told_(told),
      ranges_(&Task::on_granted),
      sanitizer_(*store_, &Disk::on_sanitizer_news, this) {}

void Disk::on_sanitizer_news(void* disk) {
  // SAFETY: the constructor has given its own address.
  auto* self = static_cast<Disk*>(disk);
  self->told_(*self);
}

Result<Ref<Disk>> Disk::create(OwnPtr<Store> store, Told told) {
  Ref<Disk> disk = Ref<Disk>::adopt(make<Disk>(Alloc::kMaySleep, std::move(store), told));
  if (!disk) return Error::kNoMemory;
  disk->pool_lock_ = os_spinlock_create();
  if (disk->pool_lock_ == nullptr) return Error::kNoMemory;
  CHISCSI_TRY(disk->ranges_.create());
  CHISCSI_TRY(disk->sanitizer_.create());
  return disk;
}

// Every command is over, but the last function of one may still be about to return.
Disk::~Disk() {
  while (tasks_out_.load(std::memory_order_acquire) != 0)
    os_relax();
  while (Task* task = spare_) {
    spare_ = task->next_spare;
    destroy(task);
  }
  if (pool_lock_ != nullptr) os_spinlock_destroy(pool_lock_);
}

Task* Disk::take_task() {
  Task* task;
  {
    SpinGuard guard(pool_lock_);
    task = spare_;
    if (task != nullptr) {
      spare_ = task->next_spare;
      --spare_count_;
    }
  }
  if (task == nullptr) task = make<Task>(Alloc::kMaySleep, *this).release();
  if (task != nullptr) tasks_out_.fetch_add(1, std::memory_order_relaxed);
  return task;
}

void Disk::give_back(Task& task) {
  bool kept = false;
  {
    SpinGuard guard(pool_lock_);
    if (spare_count_ < kMostSpareTasks) {
      task.next_spare = spare_;
      spare_ = &task;
      ++spare_count_;
      kept = true;
    }
  }
  if (!kept) destroy(&task);
  // From here on the disk may go.
  tasks_out_.fetch_sub(1, std::memory_order_release);
}

}  // namespace chiscsi::storage
