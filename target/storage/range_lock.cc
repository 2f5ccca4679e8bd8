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

// Who was there before a fence has not counted it.
bool RangeLock::is_in_way(const Range& earlier, const Range& later) {
  const bool fenced = earlier.is_fenced && later.number > earlier.fenced_at;
  if (earlier.mode == Mode::kShared && later.mode == Mode::kShared && !fenced) return false;
  return earlier.first < later.end && later.first < earlier.end;
}

// All who hold a range that is in its way, or wait for one: whoever is there comes first.
uint32_t RangeLock::count_blockers_locked(const Range& range) {
  uint32_t blockers = 0;
  const auto look = [&](const Range& other) { blockers += is_in_way(other, range); };
  held_.for_each(look);
  waiting_.for_each(look);
  return blockers;
}

RangeLock::Answer RangeLock::acquire(Range& range) {
  SpinGuard guard(lock_);
  const bool alone = range.mode == Mode::kAlone;
  range.blockers = 0;
  range.is_fenced = false;
  range.number = ++last_number_;
  if (alone || exclusive_ != 0) {
    if (count_ >= kMostCompared) return Answer::kTooMany;
    range.blockers = count_blockers_locked(range);
  }
  ++count_;
  if (alone) ++exclusive_;
  range.is_held = range.blockers == 0;
  (range.is_held ? held_ : waiting_).push_back(range);
  return range.is_held ? Answer::kHeld : Answer::kWaits;
}

// One that is alone is in everybody's way as it is.
void RangeLock::fence(Range& range) {
  SpinGuard guard(lock_);
  if (!range.is_held || is_exclusive(range)) return;
  range.is_fenced = true;
  range.fenced_at = last_number_;
  ++exclusive_;
}

// `range` is off its list. Of those who wait from `behind` on it has been in the way of some. Moves
// those who can go on, in order, and returns them as a chain.
RangeLock::Range* RangeLock::go_locked(Range& range, Range* behind) {
  Range* first = nullptr;
  Range** tail = &first;
  --count_;
  if (is_exclusive(range)) --exclusive_;
  for (Range* other = behind; other != nullptr;) {
    Range* next = waiting_.next(*other);
    if (is_in_way(range, *other) && --other->blockers == 0) {
      waiting_.remove(*other);
      other->is_held = true;
      held_.push_back(*other);
      other->next_granted = nullptr;
      *tail = other;
      tail = &other->next_granted;
    }
    other = next;
  }
  return first;
}

void RangeLock::release(Range& range) {
  Range* granted;
  {
    SpinGuard guard(lock_);
    held_.remove(range);
    range.is_held = false;
    granted = go_locked(range, waiting_.front());
  }
  tell(granted);
}

bool RangeLock::withdraw(Range& range) {
  Range* granted;
  {
    SpinGuard guard(lock_);
    if (range.blockers == 0) return false;
    Range* behind = waiting_.next(range);
    waiting_.remove(range);
    range.blockers = 0;
    granted = go_locked(range, behind);
  }
  tell(granted);
  return true;
}

// Each may be gone as soon as it has been told.
void RangeLock::tell(Range* granted) {
  while (granted != nullptr) {
    Range* next = granted->next_granted;
    granted_(*granted);
    granted = next;
  }
}

}  // namespace chiscsi::storage
