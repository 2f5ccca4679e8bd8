// SPDX-License-Identifier: GPL-2.0-only
//
// Reading, writing and flushing: one request of the store per command. See task.hh.
#include "target/scsi/conclusion.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

using Mode = RangeLock::Mode;

namespace {

constexpr SenseCode kWriteError{0x03, 0x0c, 0x00};

}  // namespace

// GOOD says that not all of it may have a place (SBC-4, PRE-FETCH), so no more is fetched than one
// command could read, and an error is left for who reads.
Task::Progress Task::pre_fetch() {
  if ((disk_.store().facts().flags & OS_STORAGE_CAN_PREFETCH) == 0) return done();
  const uint64_t most = Unit::kMaxTransfer / unit_->block_size();
  const uint64_t blocks = op_.blocks < most ? op_.blocks : most;
  if (blocks == 0) return done();
  return submit({OS_STORAGE_PREFETCH, 0, op_.first, blocks}, &Task::done, true);
}

// With FUA what is newer than the medium has to get there first (SBC-4 section 5.16).
Task::Progress Task::read() {
  if (op_.blocks == 0) return done();
  const bool writes_back = op_.fua && disk_.store().has_write_cache();
  return writes_back ? submit({OS_STORAGE_FLUSH}, &Task::read_written_back)
                     : then(&Task::read_written_back);
}

Task::Progress Task::read_written_back() {
  if (io_error_ != 0) return fail_io();
  return take_blocks(Mode::kShared, op_.first, op_.blocks, &Task::read_held);
}

Task::Progress Task::read_held() {
  return submit({OS_STORAGE_READ, 0, op_.first, op_.blocks, &data_}, &Task::end_io, true);
}

uint8_t Task::write_flags() const {
  return op_.fua || unit_->writes_through() ? OS_STORAGE_FUA : 0;
}

// An atomic write is seen by nobody while it is half done.
Task::Progress Task::write() {
  if (op_.blocks == 0) return done();
  const Mode mode = op_.kind == OpKind::kWriteAtomic ? Mode::kAlone : Mode::kShared;
  return take_blocks(mode, op_.first, op_.blocks, &Task::write_held);
}

Task::Progress Task::write_held() {
  Io write{OS_STORAGE_WRITE, write_flags(), op_.first, op_.blocks, &data_};
  write.gives_pages = true;
  return submit(write, &Task::end_write, true);
}

Task::Progress Task::flush() { return submit({OS_STORAGE_FLUSH}, &Task::end_flush, true); }

// What was lost may have been of this session, whoever has found it first. Without memory for its
// share a session hears only of what it finds by itself.
// It has heard when the answer says so, which nobody hears when the flush was aborted.
Task::Progress Task::end_flush() {
  const bool tells = share_ && !unit_->drops_data() && !is_aborted() && !is_to_be_repeated();
  const bool lost = tells && share_->told_losses.take(disk_.store().lost_writes(), unit_->origin());
  if (io_error_ != 0) return fail_io();
  return lost ? fail(kWriteError) : done();
}

// The numbers are the kernel's; a store of the host passes on what its device or file system said.
SenseCode sense_of_error(int error, bool writes) {
  constexpr SenseCode kReadError{0x03, 0x11, 0x00};
  constexpr SenseCode kSpaceAllocationFailed{0x07, 0x27, 0x07}, kTimeOut{0x04, 0x08, 0x01};
  constexpr SenseCode kNotReady{0x02, 0x04, 0x00}, kTargetFailure{0x04, 0x44, 0x00};
  switch (-error) {
    case 28:   // ENOSPC
    case 122:  // EDQUOT
      return kSpaceAllocationFailed;
    case 62:   // ETIME
    case 110:  // ETIMEDOUT
      return kTimeOut;
    case 6:    // ENXIO
    case 19:   // ENODEV
    case 67:   // ENOLINK
    case 108:  // ESHUTDOWN
      return kNotReady;
    case 1:   // EPERM
    case 30:  // EROFS
      return kWriteProtected;
    case 125:  // ECANCELED
      return kAbortedCommand;
    case 121:  // EREMOTEIO
    case 22:   // EINVAL
    case 95:   // EOPNOTSUPP
      return kTargetFailure;
    default:
      return writes ? kWriteError : kReadError;
  }
}

}  // namespace chiscsi::storage
