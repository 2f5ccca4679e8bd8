// SPDX-License-Identifier: GPL-2.0-only
//
// BouncePool: buffers for unsolicited data that arrives before the driver has lent its own.
//
// One per worker. Three sizes are kept for reuse, up to a limit, so that a steady load allocates
// nothing; other sizes come from the heap. Worker-owned.
#pragma once

#include <cstdint>

#include "base/own_ptr.hh"

namespace chiscsi {

class BouncePool {
 public:
  // A kept buffer of at least `size` bytes, or an empty one when there is none. It is not zeroed:
  // its user copies out only what was received into it. Context: any on the worker.
  Buffer take(uint32_t size);
  // The same from the heap when none is kept; empty without memory. Context: may sleep.
  Buffer take_or_allocate(uint32_t size);
  void give_back(Buffer buffer);

 private:
  static constexpr uint32_t kSmall = 8 * 1024;
  static constexpr uint32_t kLarge = 64 * 1024;
  static constexpr uint32_t kHuge = 256 * 1024;
  template <uint32_t kCount>
  struct Shelf {
    Buffer buffers[kCount];
    uint32_t count = 0;
  };
  Shelf<64> small_;
  Shelf<16> large_;
  Shelf<8> huge_;
};

}  // namespace chiscsi
