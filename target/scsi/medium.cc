// SPDX-License-Identifier: GPL-2.0-only
//
// Medium commands: blocks, protection, direction. See medium.hh.
#include "target/scsi/medium.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint64_t kBlocksOfZeroIn6 = 256;
constexpr uint8_t kProtectMask = 0xe0;  // RDPROTECT, WRPROTECT, VRPROTECT.
constexpr uint8_t kBytchkAll = 1;

uint8_t bytchk(const Cdb& cdb) { return cdb.u8(1) >> 1 & 3; }

// No block beyond the end; in a way that no sum can hide it.
bool is_inside(const Extent& extent, uint64_t capacity) {
  return extent.first <= capacity && extent.blocks <= capacity - extent.first;
}

bool moves_data(const MediumLayout& layout, const Cdb& cdb, MediumLayout::Direction direction) {
  if (layout.direction == MediumLayout::kByBytchk) {
    return direction == MediumLayout::kOut && bytchk(cdb) == kBytchkAll;
  }
  return layout.direction == direction;
}

// Data of the other direction than the one that the CDB implies.
bool direction_is_wrong(const MediumLayout& layout, const Cdb& cdb, const DataClaim& claim) {
  if (claim.length == 0) return false;
  return (moves_data(layout, cdb, MediumLayout::kIn) && !claim.reads) ||
         (moves_data(layout, cdb, MediumLayout::kOut) && !claim.writes);
}

}  // namespace

Extent extent_of(const Cdb& cdb, const MediumLayout& layout) {
  switch (layout.cdb_size) {
    case 6:
      return {cdb.be24(1) & 0x1fffff, cdb.u8(4) != 0 ? cdb.u8(4) : kBlocksOfZeroIn6};
    case 10:
      return {cdb.be32(2), cdb.be16(7)};
    case 12:
      return {cdb.be32(2), cdb.be32(6)};
    default:
      return {cdb.be64(2), cdb.be32(10)};
  }
}

SenseCode check_medium(const Lun& lun, const Cdb& cdb, const MediumLayout& layout,
                       const DataClaim& claim, bool* nothing_to_do) {
  const Extent extent = extent_of(cdb, layout);
  const bool has_options = layout.cdb_size != 6;
  const bool to_end = layout.zero == MediumLayout::kZeroIsRest;
  // There is no protection information.
  if (has_options && !to_end && (cdb.u8(1) & kProtectMask) != 0) return kInvalidFieldInCdb;
  if (layout.direction == MediumLayout::kByBytchk && bytchk(cdb) > kBytchkAll) {
    return kInvalidFieldInCdb;
  }
  if (!is_inside(extent, lun.blocks())) return kLbaOutOfRange;
  if (layout.changes_medium && lun.is_read_only()) return kWriteProtected;
  if (direction_is_wrong(layout, cdb, claim)) return kInvalidFieldInCommandUnit;
  *nothing_to_do = extent.blocks == 0 && !to_end;
  return kNoSense;
}

}  // namespace chiscsi::scsi
