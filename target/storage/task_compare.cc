// SPDX-License-Identifier: GPL-2.0-only
//
// Commands that look at what is on the disk: VERIFY, WRITE AND VERIFY, COMPARE AND WRITE, ORWRITE
// (SBC-4 sections 5.3, 5.13, 5.36 and 5.47). See task.hh.
//
// What is on the disk comes into the scratch buffer, in pieces where its length is the initiator's
// choice.
#include "target/scsi/conclusion.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

using Mode = RangeLock::Mode;

namespace {

constexpr uint32_t kPieceBytes = 256 * 1024;

constexpr uint8_t kMiscompare = 0x0e, kMiscompareAsc = 0x1d;
constexpr uint8_t kInformationIsValid = 0x80;

uint32_t first_difference(const uint8_t* a, const uint8_t* b, uint32_t bytes) {
  if (__builtin_memcmp(a, b, bytes) == 0) return bytes;
  uint32_t at = 0;
  while (a[at] == b[at])
    ++at;
  return at;
}

}  // namespace

Status Task::make_scratch(uint64_t bytes) {
  return scratch_.empty() ? scratch_.allocate(static_cast<uint32_t>(bytes), share_) : Status();
}

Task::Progress Task::out_of_memory() {
  command_->sc_status = kScsiBusy;
  return done();
}

// Compares the first `length` bytes of the scratch with those of the data from `data_at` on.
bool Task::find_difference(uint32_t data_at, uint32_t length, uint32_t* offset) const {
  uint32_t at = 0;
  const bool same = scratch_.for_each_piece(0, length, [&](const uint8_t* disk, uint32_t bytes) {
    return data_.for_each_piece(data_at + at, bytes, [&](const uint8_t* data, uint32_t part) {
      const uint32_t equal = first_difference(disk, data, part);
      at += equal;
      disk += part;
      return equal == part;
    });
  });
  *offset = at;
  return !same;
}

// The INFORMATION field says at which byte (SBC-4 section 4.18.3).
Task::Progress Task::miscompare(uint64_t offset) {
  fail({kMiscompare, kMiscompareAsc, 0});
  uint8_t* sense = begin_sense_data({kMiscompare, kMiscompareAsc, 0});
  sense[0] |= kInformationIsValid;
  for (int i = 0; i < 4; ++i)
    sense[3 + i] = static_cast<uint8_t>(offset >> (24 - 8 * i));
  return done();
}

// ---- VERIFY ----

// What comes with data to compare is short. Without any it may be all of a disk, which nobody is to
// wait for: each piece is taken when its turn comes, and given back.
Task::Progress Task::verify() {
  if (op_.blocks == 0) return done();
  if (verifies_by_pieces()) return then(&Task::verify_next);
  return take_blocks(Mode::kShared, op_.first, op_.blocks, &Task::verify_next);
}

bool Task::verifies_by_pieces() const { return op_.kind == OpKind::kVerify && !op_.compares; }

Task::Progress Task::verify_next() {
  if (cursor_ == op_.blocks) return done();
  if (is_aborted()) return fail(kAbortedCommand);
  const uint64_t most = kPieceBytes / unit_->block_size(), left = op_.blocks - cursor_;
  step_blocks_ = left < most ? left : most;
  const uint64_t scratch = op_.blocks < most ? op_.blocks : most;
  if (!make_scratch(scratch * unit_->block_size()).is_ok()) return out_of_memory();
  if (!verifies_by_pieces()) return then(&Task::verify_held);
  return take_blocks(Mode::kShared, op_.first + cursor_, step_blocks_, &Task::verify_held);
}

Task::Progress Task::verify_held() {
  return submit({OS_STORAGE_READ, 0, op_.first + cursor_, step_blocks_, &scratch_},
                &Task::verify_read);
}

Task::Progress Task::verify_read() {
  if (io_error_ != 0) return fail_io();
  uint32_t offset;
  const uint32_t at = block_bytes(cursor_);
  if (op_.compares && find_difference(at, block_bytes(step_blocks_), &offset)) {
    return miscompare(at + uint64_t{offset});
  }
  cursor_ += step_blocks_;
  if (verifies_by_pieces()) release_blocks();
  return then(&Task::verify_next);
}

// ---- WRITE AND VERIFY ----

Task::Progress Task::write_and_verify() {
  if (op_.blocks == 0) return done();
  return take_blocks(Mode::kShared, op_.first, op_.blocks, &Task::write_then_verify);
}

Task::Progress Task::write_then_verify() {
  return submit({OS_STORAGE_WRITE, OS_STORAGE_FUA, op_.first, op_.blocks, &data_},
                &Task::written_for_verify);
}

Task::Progress Task::written_for_verify() {
  return io_error_ != 0 ? fail_io() : then(&Task::verify_next);
}

// ---- COMPARE AND WRITE: the data has the blocks to compare, then those to write ----

Task::Progress Task::compare_and_write() {
  if (op_.blocks == 0) return done();
  if (!make_scratch(op_.blocks * unit_->block_size()).is_ok()) return out_of_memory();
  return take_blocks(Mode::kAlone, op_.first, op_.blocks, &Task::compare_read);
}

Task::Progress Task::compare_read() {
  return submit({OS_STORAGE_READ, 0, op_.first, op_.blocks, &scratch_}, &Task::compare_decide);
}

Task::Progress Task::compare_decide() {
  if (io_error_ != 0) return fail_io();
  uint32_t offset;
  if (find_difference(0, block_bytes(op_.blocks), &offset)) return miscompare(offset);
  return submit(
      {OS_STORAGE_WRITE, write_flags(), op_.first, op_.blocks, &data_, block_bytes(op_.blocks)},
      &Task::end_write, true);
}

// ---- ORWRITE: the bits of both are written ----

Task::Progress Task::or_write() {
  if (op_.blocks == 0) return done();
  if (!make_scratch(op_.blocks * unit_->block_size()).is_ok()) return out_of_memory();
  return take_blocks(Mode::kAlone, op_.first, op_.blocks, &Task::or_read);
}

Task::Progress Task::or_read() {
  return submit({OS_STORAGE_READ, 0, op_.first, op_.blocks, &scratch_}, &Task::or_decide);
}

Task::Progress Task::or_decide() {
  if (io_error_ != 0) return fail_io();
  uint32_t at = 0;
  scratch_.for_each_piece(0, block_bytes(op_.blocks), [&](const uint8_t* disk, uint32_t bytes) {
    data_.for_each_piece(at, bytes, [&](uint8_t* data, uint32_t part) {
      for (uint32_t i = 0; i < part; ++i)
        data[i] |= disk[i];
      disk += part;
      return true;
    });
    at += bytes;
    return true;
  });
  return submit({OS_STORAGE_WRITE, write_flags(), op_.first, op_.blocks, &data_}, &Task::end_write,
                true);
}

}  // namespace chiscsi::storage
