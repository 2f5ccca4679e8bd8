// SPDX-License-Identifier: GPL-2.0-only
//
// See range_lock.hh.
#include "target/storage/range_lock.hh"

#include "base/lock.hh"

namespace chiscsi::storage {

RangeLock::~RangeLock() {
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
}

Status RangeLock::create() {
  lock_ = os_spinlock_create();
  return lock_ != nullptr ? Status() : Status(Error::kNoMemory);
}

bool RangeLock::conflicts(const Range& a, const Range& b) {
  if (a.mode == Mode::kShared && b.mode == Mode::kShared) return false;
  return a.first < b.end && b.first < a.end;
}

// Neither anybody who holds a range nor anybody who waits in front of `before` (null: at all) is in
// its way.
bool RangeLock::is_free_locked(Range& range, const Range* before) {
  if (range.mode == Mode::kShared && alone_ == 0) return true;
  if (held_.find([&](const Range& other) { return conflicts(range, other); }) != nullptr) {
    return false;
  }
  for (Range* other = waiting_.front(); other != nullptr && other != before;
       other = waiting_.next(*other)) {
    if (conflicts(range, *other)) return false;
  }
  return true;
}

bool RangeLock::acquire(Range& range) {
  SpinGuard guard(lock_);
  const bool free = is_free_locked(range, nullptr);
  if (range.mode == Mode::kAlone) ++alone_;
  (free ? held_ : waiting_).push_back(range);
  return free;
}

// Moves those who can go on, in order, and returns them as a chain.
RangeLock::Range* RangeLock::grant_locked() {
  Range* first = nullptr;
  Range** tail = &first;
  for (Range* range = waiting_.front(); range != nullptr;) {
    Range* next = waiting_.next(*range);
    if (is_free_locked(*range, range)) {
      waiting_.remove(*range);
      held_.push_back(*range);
      range->next_granted = nullptr;
      *tail = range;
      tail = &range->next_granted;
    }
    range = next;
  }
  return first;
}

void RangeLock::release(Range& range) {
  Range* granted;
  {
    SpinGuard guard(lock_);
    held_.remove(range);
    if (range.mode == Mode::kAlone) --alone_;
    granted = grant_locked();
  }
  // Each may be gone as soon as it has been told.
  while (granted != nullptr) {
    Range* next = granted->next_granted;
    granted_(*granted);
    granted = next;
  }
}

}  // namespace chiscsi::storage
