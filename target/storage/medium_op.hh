// SPDX-License-Identifier: GPL-2.0-only
//
// MediumOp: what a CDB of a medium command asks a disk to do (SBC-4 section 5).
//
// The target has looked at the command already; what could hurt the disk is looked at here again.
// Context: any.
#pragma once

#include <cstdint>

#include "target/scsi/cdb.hh"

namespace chiscsi::storage {

enum class OpKind : uint8_t {
  kUnknown,
  kPreFetch,
  kRead,
  kWrite,
  kWriteAtomic,
  kWriteAndVerify,
  kOrWrite,
  kVerify,
  kCompareAndWrite,
  kWriteSame,
  kUnmap,
  kFlush,
  kGetLbaStatus,
  kSanitizeOverwrite,
  kSanitizeErase,
  kSanitizeExit,
};

struct MediumOp {
  OpKind kind = OpKind::kUnknown;
  uint64_t first = 0;
  uint64_t blocks = 0;
  bool to_end = false;      // A number of zero means all blocks from the first one on.
  bool fua = false;         // Of the CDB, or what else has the same meaning.
  bool compares = false;    // BYTCHK.
  bool unmaps = false;      // The UNMAP bit of WRITE SAME.
  bool no_data = false;     // NDOB: as if the block of data were zeros.
  bool immediate = false;   // IMMED.
  bool may_exit = false;    // AUSE of SANITIZE.
  uint32_t parameters = 0;  // Bytes of the parameter list, or the allocation length.
  uint8_t count_at = 0;     // Where the CDB has its number of blocks, or its length.

  // Bytes that the initiator is to send, or to get.
  uint64_t data_out(uint32_t block_size) const;
  uint64_t data_in(uint32_t block_size) const;
  bool changes_medium() const;
};

MediumOp read_medium_op(const scsi::Cdb& cdb);

}  // namespace chiscsi::storage
