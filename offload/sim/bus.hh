// SPDX-License-Identifier: GPL-2.0-only
//
// Bus: the addresses by which the adapter reaches memory of the host.
//
// Every mapping has a window of 1 MiB of its own that is never given out again, so that a use after
// unmap is known as such. With bouncing, what the adapter writes stays in a copy until unmap, as
// behind an IOMMU that copies.
#pragma once

#include "base/own_ptr.hh"
#include "os/socket.h"
#include "os/thread.h"

namespace chiscsi::sim {

// What became of a write or of an unmap.
enum class BusResult { kDone, kNeverMapped, kUnmapped };

class Bus {
 public:
  Bus() = default;
  ~Bus();
  // Context: process.
  bool init(bool bounce);

  // Context of the rest: any. 0: no room.
  uint64_t map(const os_fragment& piece);
  // `length` has to be the one mapped.
  BusResult unmap(uint64_t address, uint32_t length);
  BusResult write(uint64_t address, Bytes data);
  bool is_mapped(uint64_t address, uint32_t length);
  uint32_t mapped() const { return mapped_; }

  static constexpr uint32_t kWindowShift = 20;

 private:
  struct Entry {
    uint64_t serial = 0;  // 0: free.
    uint32_t offset = 0;  // Of the first byte in its window.
    uint32_t users = 0;   // Writes under way.
    os_fragment piece{};
    uint8_t* copy = nullptr;
  };
  static constexpr uint32_t kEntries = 4096;
  static constexpr uint64_t kFirstSerial = 0x4000;

  Entry* find_locked(uint64_t address, uint32_t length, BusResult* why);

  os_spinlock* lock_ = nullptr;
  Buffer memory_;
  Entry* entries_ = nullptr;
  uint64_t next_ = kFirstSerial;
  uint32_t mapped_ = 0;
  bool bounce_ = false;
};

// Copies into or out of memory that is described by a page or an address.
void copy_to_piece(const os_fragment& piece, uint32_t offset, Bytes data);
void copy_from_piece(const os_fragment& piece, uint32_t offset, MutableBytes data);

}  // namespace chiscsi::sim
