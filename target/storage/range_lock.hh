// SPDX-License-Identifier: GPL-2.0-only
//
// RangeLock: which bytes of a disk are in use, and by whom alone.
//
// Reads and writes share their bytes with each other. What reads, decides and writes (COMPARE AND
// WRITE, ORWRITE) or has to be seen as a whole (WRITE ATOMIC) has its bytes for itself. Who comes
// later and overlaps waits, in order, so nobody starves. As long as nobody wants bytes for
// himself, taking and giving back is one list operation; else whoever comes is compared with all
// who are there, and so many of them that interrupts would be off for long are refused. A range
// whose user was given up while the device had its write is fenced: whoever comes later and
// overlaps waits for its end, sharing or not. Nothing here sleeps; context: any.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/list.hh"
#include "os/thread.h"

namespace chiscsi::storage {

class RangeLock {
 public:
  enum class Mode : uint8_t { kShared, kAlone };
  enum class Answer : uint8_t {
    kHeld,
    kWaits,    // `granted` will be called, or has been.
    kTooMany,  // Nothing has happened.
  };
  // So many ranges are compared at most.
  static constexpr uint32_t kMostCompared = 1024;

  // One range of one user; the user's memory while it is held or waits.
  struct Range {
    ListNode node;
    uint64_t first = 0;
    uint64_t end = 0;  // The byte after the last one.
    Mode mode = Mode::kShared;
    // Guarded by the lock.
    uint32_t blockers = 0;  // Who is in its way: not 0 while it waits.
    bool is_held = false;
    bool is_fenced = false;
    uint64_t number = 0;     // It came after all with smaller ones.
    uint64_t fenced_at = 0;  // It is in the way of larger ones.
    Range* next_granted = nullptr;
  };

  // Called when a range that had to wait is held. Context: whoever has released another one.
  using Granted = void (*)(Range& range);
  explicit RangeLock(Granted granted) : granted_(granted) {}
  ~RangeLock();
  Status create();

  Answer acquire(Range& range);
  void release(Range& range);
  // From here on it is in the way of all who come, if it is held.
  void fence(Range& range);
  // True: it has waited and does not any more; `granted` is not called for it.
  bool withdraw(Range& range);

 private:
  using Ranges = List<Range, &Range::node>;
  static bool is_in_way(const Range& earlier, const Range& later);
  static bool is_exclusive(const Range& range) {
    return range.mode == Mode::kAlone || range.is_fenced;
  }
  uint32_t count_blockers_locked(const Range& range);
  Range* go_locked(Range& range, Range* behind);
  void tell(Range* granted);

  const Granted granted_;
  os_spinlock* lock_ = nullptr;
  Ranges held_;
  Ranges waiting_;
  uint32_t count_ = 0;      // Ranges that are held or wait.
  uint32_t exclusive_ = 0;  // Those of them that are kAlone or fenced.
  uint64_t last_number_ = 0;
};

}  // namespace chiscsi::storage
