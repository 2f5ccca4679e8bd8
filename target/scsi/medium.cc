// SPDX-License-Identifier: GPL-2.0-only
//
// Medium commands: blocks, protection, direction. See medium.hh.
#include "target/scsi/medium.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint64_t kBlocksOfZeroIn6 = 256;
constexpr uint8_t kProtectMask = 0xe0;  // RDPROTECT, WRPROTECT, VRPROTECT.
constexpr uint8_t kBytchkAll = 1;
constexpr uint8_t kWriteSameUnmap = 0x08, kBytchk = 0x02;  // Bits of byte 1.

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

// The initiator says that it expects data, but not to send any: there would be nothing to write.
bool lacks_data_out(const MediumLayout& layout, const Cdb& cdb, const DataClaim& claim) {
  return claim.length != 0 && !claim.writes && moves_data(layout, cdb, MediumLayout::kOut);
}

// The initiator expects no data of a command that has some: none of it is transferred, which is no
// error (RFC 7143 section 11.4.5) and says nothing about the blocks.
bool has_no_room(const MediumLayout& layout, const Cdb& cdb, const DataClaim& claim) {
  return claim.length != 0 && !claim.reads && moves_data(layout, cdb, MediumLayout::kIn);
}

// There is no protection information, so its field is zero where a CDB has one.
bool asks_for_protection(const MediumLayout& layout, const Cdb& cdb) {
  const bool has_field = layout.cdb_size != 6 && layout.direction != MediumLayout::kNone &&
                         layout.names != MediumLayout::kFirstOnly &&
                         layout.names != MediumLayout::kNoBlocks;
  return has_field && (cdb.u8(1) & kProtectMask) != 0;
}

bool has_bytchk(const Cdb& cdb, const MediumLayout& layout) {
  return layout.direction == MediumLayout::kByBytchk || cdb.opcode() == Opcode::kWriteAndVerify10 ||
         cdb.opcode() == Opcode::kWriteAndVerify12 || cdb.opcode() == Opcode::kWriteAndVerify16;
}

bool bytchk_is_good(const Lun& lun, const Cdb& cdb, const MediumLayout& layout) {
  if (!has_bytchk(cdb, layout) || bytchk(cdb) == 0) return true;
  if (bytchk(cdb) > kBytchkAll) return false;
  return layout.direction == MediumLayout::kByBytchk || lun.runs(CHISCSI_LUN_RUNS_BYTCHK);
}

// What these commands have besides.
Sense check_options(const Lun& lun, const Cdb& cdb) {
  constexpr uint16_t kBoundaryAt = 10, kReportTypeAt = 14;
  switch (cdb.opcode()) {
    case Opcode::kWriteAtomic16:
      return cdb.be16(kBoundaryAt) != 0 ? wrong_cdb_field(kBoundaryAt) : kNoSense;
    case Opcode::kServiceActionIn16:  // GET LBA STATUS
      return cdb.u8(kReportTypeAt) != 0 ? wrong_cdb_field(kReportTypeAt) : kNoSense;
    default:
      break;
  }
  const uint8_t missing = cdb.u8(1) & missing_options(lun, cdb.opcode());
  return missing != 0 ? wrong_cdb_bits(1, missing) : kNoSense;
}

// What the class has said it can do at once; 0: no limit.
uint64_t most_blocks(const Lun& lun, const Cdb& cdb, const MediumLayout& layout) {
  const chiscsi_lun_geometry& constants = lun.constants();
  switch (layout.command) {
    case CHISCSI_LUN_RUNS_WRITE_SAME:
      return constants.max_write_same_blocks;
    case CHISCSI_LUN_RUNS_COMPARE_AND_WRITE:
      return constants.compare_and_write_blocks;
    case CHISCSI_LUN_RUNS_WRITE_ATOMIC:
      return constants.max_atomic_blocks;
    default:
      break;
  }
  const bool moves =
      moves_data(layout, cdb, MediumLayout::kIn) || moves_data(layout, cdb, MediumLayout::kOut);
  return moves && layout.names == MediumLayout::kUsual ? constants.max_transfer_blocks : 0;
}

bool is_too_much(const Lun& lun, const Cdb& cdb, const MediumLayout& layout, uint64_t blocks) {
  const uint64_t most = most_blocks(lun, cdb, layout);
  return most != 0 && blocks > most;
}

Extent extent_with_count(const Cdb& cdb, const MediumLayout& layout) {
  switch (layout.names) {
    case MediumLayout::kOneByteCount:
      return {cdb.be64(2), cdb.u8(13)};
    case MediumLayout::kTwoByteCount:
      return {cdb.be64(2), cdb.be16(12)};
    case MediumLayout::kFirstOnly:
      return {cdb.be64(2), 1};
    default:
      return {};
  }
}

}  // namespace

Extent extent_of(const Cdb& cdb, const MediumLayout& layout) {
  if (layout.names != MediumLayout::kUsual) return extent_with_count(cdb, layout);
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

uint8_t missing_options(const Lun& lun, Opcode opcode) {
  switch (opcode) {
    case Opcode::kWriteSame10:
    case Opcode::kWriteSame16:
      return lun.runs(CHISCSI_LUN_RUNS_UNMAP) ? 0 : kWriteSameUnmap;
    case Opcode::kWriteAndVerify10:
    case Opcode::kWriteAndVerify12:
    case Opcode::kWriteAndVerify16:
      return lun.runs(CHISCSI_LUN_RUNS_BYTCHK) ? 0 : kBytchk;
    default:
      return 0;
  }
}

uint8_t count_at(const MediumLayout& layout) {
  if (layout.names == MediumLayout::kOneByteCount) return 13;
  if (layout.names == MediumLayout::kTwoByteCount) return 12;
  switch (layout.cdb_size) {
    case 6:
      return 4;
    case 10:
      return 7;
    case 12:
      return 6;
    default:
      return 10;
  }
}

Sense check_medium(const Lun& lun, const Cdb& cdb, const MediumLayout& layout,
                   const DataClaim& claim, bool* nothing_to_do) {
  const Extent extent = extent_of(cdb, layout);
  const bool to_end = layout.zero == MediumLayout::kZeroIsRest;
  // First of all, so that nobody has to ask for something else to find out.
  if (layout.changes_medium && lun.is_write_protected()) {
    return lun.is_read_only() ? kWriteProtected : kSoftwareWriteProtected;
  }
  if (asks_for_protection(layout, cdb)) return wrong_cdb_field(1, 7);
  if (!bytchk_is_good(lun, cdb, layout)) return wrong_cdb_field(1, 2);
  const Sense sense = check_options(lun, cdb);
  if (!sense.is_good()) return sense;
  if (!is_inside(extent, lun.blocks())) return kLbaOutOfRange;
  const uint64_t blocks =
      extent.blocks == 0 && to_end ? lun.blocks() - extent.first : extent.blocks;
  if (is_too_much(lun, cdb, layout, blocks)) return wrong_cdb_field(count_at(layout));
  if (lacks_data_out(layout, cdb, claim)) return kInvalidFieldInCommandUnit;
  // One byte cannot name 256 blocks: their data would be taken for nothing.
  if (layout.names == MediumLayout::kOneByteCount && extent.blocks == 0 && claim.length != 0) {
    return wrong_cdb_field(count_at(layout));
  }
  const bool names_none = layout.names != MediumLayout::kNoBlocks && extent.blocks == 0 && !to_end;
  *nothing_to_do = names_none || has_no_room(layout, cdb, claim);
  return kNoSense;
}

}  // namespace chiscsi::scsi
