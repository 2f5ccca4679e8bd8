// SPDX-License-Identifier: GPL-2.0-only
//
// BouncePool: buffers for unsolicited data that arrives before the driver has lent its own.
//
// One per worker. Two sizes are kept for reuse, up to a limit, so that a steady load allocates
// nothing; other sizes come from the heap. Worker-owned.
#pragma once

#include <cstdint>

#include "base/own_ptr.hh"

namespace chiscsi {

class BouncePool {
 public:
  // A buffer of at least `size` bytes, not zeroed when it is reused: its user copies out only what
  // was received into it. Empty without memory.
  Buffer take(uint32_t size);
  void give_back(Buffer buffer);

 private:
  static constexpr uint32_t kSmall = 8 * 1024;
  static constexpr uint32_t kLarge = 64 * 1024;
  template <uint32_t kCount>
  struct Shelf {
    Buffer buffers[kCount];
    uint32_t count = 0;
  };
  Shelf<64> small_;
  Shelf<16> large_;
};

}  // namespace chiscsi
