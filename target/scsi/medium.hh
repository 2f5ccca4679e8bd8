// SPDX-License-Identifier: GPL-2.0-only
//
// Medium commands: which blocks a CDB names, and whether the LUN has them (SBC-4 section 5).
//
// They are the only commands that a class without LUN_CLASS_SCSI_PASS_THRU_BIT sees, and it sees
// them only when nothing is wrong here. Context: any.
#pragma once

#include "target/lun/lun.hh"
#include "target/scsi/cdb.hh"
#include "target/scsi/conclusion.hh"

namespace chiscsi::scsi {

struct MediumLayout {
  enum Direction : uint8_t { kNone, kIn, kOut, kByBytchk };
  enum Zero : uint8_t { kCounts, kZeroIsRest };
  // How the CDB names its blocks.
  enum Names : uint8_t {
    kUsual,         // First block and number at the places of its size.
    kOneByteCount,  // The number is in byte 13.
    kTwoByteCount,  // The number is in bytes 12 and 13.
    kFirstOnly,     // A first block and no number.
    kNoBlocks,      // In its parameters, or all of the medium.
  };

  Direction direction;
  Zero zero;  // A number of blocks of zero: none, or all up to the end.
  bool changes_medium;
  uint8_t cdb_size;
  Names names = kUsual;
  uint32_t command = 0;  // Of CHISCSI_LUN_RUNS_*: who runs it; 0: every class.
};

struct Extent {
  uint64_t first = 0;
  uint64_t blocks = 0;
};

Extent extent_of(const Cdb& cdb, const MediumLayout& layout);
// The first byte of the number of blocks, or of a length in its place.
uint8_t count_at(const MediumLayout& layout);

// Bits of byte 1 that the command may have, but not on this LUN, whose class does not run them.
uint8_t missing_options(const Lun& lun, Opcode opcode);

// What the initiator has said of the data: bits and length of the SCSI Command PDU.
struct DataClaim {
  bool reads = false;
  bool writes = false;
  uint32_t length = 0;
};

// A good one when the class may have the command. `*nothing_to_do`: it names no block, or the
// initiator has no room for what it reads, and is good as it is. Precondition: the LUN has a
// geometry.
Sense check_medium(const Lun& lun, const Cdb& cdb, const MediumLayout& layout,
                   const DataClaim& claim, bool* nothing_to_do);

}  // namespace chiscsi::scsi
