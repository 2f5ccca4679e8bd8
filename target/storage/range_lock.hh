// SPDX-License-Identifier: GPL-2.0-only
//
// RangeLock: which blocks of a disk are in use, and by whom alone.
//
// Reads and writes share their blocks with each other. What reads, decides and writes (COMPARE AND
// WRITE, ORWRITE) or has to be seen as a whole (WRITE ATOMIC) has its blocks for itself. Who comes
// later and overlaps waits, in order, so nobody starves. As long as nobody wants blocks for
// himself, taking and giving back is one list operation. Nothing here sleeps; context: any.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/list.hh"
#include "os/thread.h"

namespace chiscsi::storage {

class RangeLock {
 public:
  enum class Mode : uint8_t { kShared, kAlone };

  // One range of one user; the user's memory while it is held or waits.
  struct Range {
    ListNode node;
    uint64_t first = 0;
    uint64_t end = 0;  // The block after the last one.
    Mode mode = Mode::kShared;
    Range* next_granted = nullptr;
  };

  // Called when a range that had to wait is held. Context: whoever has released another one.
  using Granted = void (*)(Range& range);
  explicit RangeLock(Granted granted) : granted_(granted) {}
  ~RangeLock();
  Status create();

  // True: it is held. False: it waits, and `granted` will be called or has been.
  bool acquire(Range& range);
  void release(Range& range);

 private:
  using Ranges = List<Range, &Range::node>;
  static bool conflicts(const Range& a, const Range& b);
  bool is_free_locked(Range& range, const Range* before);
  Range* grant_locked();

  const Granted granted_;
  os_spinlock* lock_ = nullptr;
  Ranges held_;
  Ranges waiting_;
  uint32_t alone_ = 0;  // Ranges of kAlone that are held or wait.
};

}  // namespace chiscsi::storage
