// SPDX-License-Identifier: GPL-2.0-only
//
// See medium_op.hh. Where a CDB has its blocks is known to target/scsi/medium.cc, which has the
// rows of the command table for it.
#include "target/storage/medium_op.hh"

#include "target/scsi/command_table.hh"

namespace chiscsi::storage {

namespace {

using scsi::Cdb;
using scsi::Opcode;

constexpr unsigned kFua = 3, kBytchk = 1, kUnmapBit = 3, kNdob = 0, kImmed = 1;
constexpr unsigned kSanitizeImmed = 7, kSanitizeAuse = 5;

OpKind kind_of_service(const Cdb& cdb) {
  if (cdb.opcode() == Opcode::kServiceActionIn16) {
    return cdb.service_action() == scsi::kGetLbaStatus ? OpKind::kGetLbaStatus : OpKind::kUnknown;
  }
  switch (cdb.service_action()) {
    case scsi::kSanitizeOverwrite:
      return OpKind::kSanitizeOverwrite;
    case scsi::kSanitizeBlockErase:
      return OpKind::kSanitizeErase;
    case scsi::kSanitizeExitFailure:
      return OpKind::kSanitizeExit;
    default:
      return OpKind::kUnknown;
  }
}

OpKind kind_of(const Cdb& cdb) {
  switch (cdb.opcode()) {
    case Opcode::kRead6:
    case Opcode::kRead10:
    case Opcode::kRead12:
    case Opcode::kRead16:
      return OpKind::kRead;
    case Opcode::kWrite6:
    case Opcode::kWrite10:
    case Opcode::kWrite12:
    case Opcode::kWrite16:
      return OpKind::kWrite;
    case Opcode::kWriteAtomic16:
      return OpKind::kWriteAtomic;
    case Opcode::kWriteAndVerify10:
    case Opcode::kWriteAndVerify12:
    case Opcode::kWriteAndVerify16:
      return OpKind::kWriteAndVerify;
    case Opcode::kVerify10:
    case Opcode::kVerify12:
    case Opcode::kVerify16:
      return OpKind::kVerify;
    case Opcode::kOrWrite16:
      return OpKind::kOrWrite;
    case Opcode::kCompareAndWrite:
      return OpKind::kCompareAndWrite;
    case Opcode::kWriteSame10:
    case Opcode::kWriteSame16:
      return OpKind::kWriteSame;
    case Opcode::kUnmap:
      return OpKind::kUnmap;
    case Opcode::kSynchronizeCache10:
    case Opcode::kSynchronizeCache16:
      return OpKind::kFlush;
    case Opcode::kPreFetch10:
    case Opcode::kPreFetch16:
      return OpKind::kPreFetch;
    case Opcode::kServiceActionIn16:
    case Opcode::kSanitize:
      return kind_of_service(cdb);
    default:
      return OpKind::kUnknown;
  }
}

bool has_fua(const Cdb& cdb, OpKind kind) {
  const bool short_form = cdb.opcode() == Opcode::kWrite6 || cdb.opcode() == Opcode::kRead6;
  switch (kind) {
    case OpKind::kRead:
    case OpKind::kWrite:
    case OpKind::kWriteAtomic:
    case OpKind::kOrWrite:
    case OpKind::kCompareAndWrite:
      return !short_form && cdb.bit(1, kFua);
    default:
      return false;
  }
}

uint32_t parameter_bytes(const Cdb& cdb, OpKind kind) {
  switch (kind) {
    case OpKind::kUnmap:
    case OpKind::kSanitizeOverwrite:
      return cdb.be16(7);
    case OpKind::kGetLbaStatus:
      return cdb.be32(10);
    default:
      return 0;
  }
}

const scsi::CommandInfo* row_of(const Cdb& cdb) {
  for (const scsi::CommandInfo& info : scsi::medium_commands()) {
    if (info.opcode != cdb.opcode()) continue;
    if (!info.has_service_action() || info.service_action == cdb.service_action()) return &info;
  }
  return nullptr;
}

}  // namespace

MediumOp read_medium_op(const Cdb& cdb) {
  MediumOp op;
  const scsi::CommandInfo* info = row_of(cdb);
  if (info == nullptr) return op;
  const scsi::Extent extent = scsi::extent_of(cdb, *info->medium);
  op.kind = kind_of(cdb);
  op.first = extent.first;
  op.blocks = extent.blocks;
  op.to_end = extent.blocks == 0 && info->medium->zero == scsi::MediumLayout::kZeroIsRest;
  op.fua = has_fua(cdb, op.kind);
  const bool verifies = op.kind == OpKind::kVerify || op.kind == OpKind::kWriteAndVerify;
  op.compares = verifies && cdb.bit(1, kBytchk);
  op.unmaps = op.kind == OpKind::kWriteSame && cdb.bit(1, kUnmapBit);
  op.no_data = cdb.opcode() == Opcode::kWriteSame16 && cdb.bit(1, kNdob);
  op.immediate = cdb.opcode() == Opcode::kSanitize
                     ? cdb.bit(1, kSanitizeImmed)
                     : op.kind == OpKind::kFlush && cdb.bit(1, kImmed);
  op.may_exit = cdb.opcode() == Opcode::kSanitize && cdb.bit(1, kSanitizeAuse);
  op.parameters = parameter_bytes(cdb, op.kind);
  op.count_at = scsi::count_at(*info->medium);
  return op;
}

uint64_t MediumOp::data_out(uint32_t block_size) const {
  switch (kind) {
    case OpKind::kWrite:
    case OpKind::kWriteAtomic:
    case OpKind::kWriteAndVerify:
    case OpKind::kOrWrite:
      return blocks * block_size;
    case OpKind::kCompareAndWrite:
      return 2 * blocks * block_size;
    case OpKind::kVerify:
      return compares ? blocks * block_size : 0;
    case OpKind::kWriteSame:
      return no_data ? 0 : block_size;
    case OpKind::kUnmap:
    case OpKind::kSanitizeOverwrite:
      return parameters;
    default:
      return 0;
  }
}

uint64_t MediumOp::data_in(uint32_t block_size) const {
  if (kind == OpKind::kRead) return blocks * block_size;
  return kind == OpKind::kGetLbaStatus ? parameters : 0;
}

bool MediumOp::changes_medium() const {
  switch (kind) {
    case OpKind::kWrite:
    case OpKind::kWriteAtomic:
    case OpKind::kWriteAndVerify:
    case OpKind::kOrWrite:
    case OpKind::kCompareAndWrite:
    case OpKind::kWriteSame:
    case OpKind::kUnmap:
    case OpKind::kSanitizeOverwrite:
    case OpKind::kSanitizeErase:
    case OpKind::kSanitizeExit:
      return true;
    default:
      return false;
  }
}

}  // namespace chiscsi::storage
