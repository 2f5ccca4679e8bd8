// SPDX-License-Identifier: GPL-2.0-only
//
// SANITIZE: overwrite and block erase (SBC-4 section 5.30). See task.hh.
//
// The command lasts as long as the work does: IMMED is refused, so there is nothing to go on with
// after its session or its LUN has gone. Meanwhile other commands of the disk are told that it is
// not ready, and how far it is. One that is aborted leaves the disk half sanitized.
#include "target/scsi/conclusion.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

using Mode = RangeLock::Mode;

namespace {

constexpr uint32_t kListHeader = 4;
constexpr uint8_t kInvert = 0x80, kTestMask = 0x60, kCountMask = 0x1f;
constexpr uint64_t kEraseBytes = 64 * 1024 * 1024;  // Of one request.
constexpr uint32_t kPassBytes = 256 * 1024;
constexpr SenseCode kInvalidFieldInParameterList{0x05, 0x26, 0x00};
constexpr SenseCode kSanitizeInProgress{0x02, 0x04, 0x1b};

}  // namespace

// What a command gets that comes while another one sanitizes the disk. The progress is in 65536ths.
SenseCode Task::refuse_while_sanitized() {
  const uint32_t progress = disk_.sanitize_progress.load(std::memory_order_relaxed);
  uint8_t* sense = begin_sense_data(kSanitizeInProgress);
  sense[15] = 0x80;
  sense[16] = static_cast<uint8_t>(progress >> 8);
  sense[17] = static_cast<uint8_t>(progress);
  return kSanitizeInProgress;
}

// `passes_to_go` counts the one under way; all that were asked for are `passes_`.
void Task::note_sanitize_progress(uint64_t passes_to_go) {
  const uint64_t all = passes_ * op_.blocks;
  const uint64_t done = (passes_ - passes_to_go) * op_.blocks + cursor_;
  // Neither product of 64 bits overflows.
  const uint64_t progress = all >> 16 != 0 ? done / (all >> 16) : done * 65536 / all;
  disk_.sanitize_progress.store(static_cast<uint32_t>(progress < 0xffff ? progress : 0xffff),
                                std::memory_order_relaxed);
}

Task::Progress Task::sanitize() {
  passes_ = 1;
  if (op_.immediate) return fail(kInvalidFieldInCdb);
  if (op_.kind == OpKind::kSanitizeOverwrite && !read_overwrite_list()) {
    return fail(kInvalidFieldInParameterList);
  }
  if (disk_.is_sanitized.exchange(true)) return fail(refuse_while_sanitized());
  sanitizes_ = true;
  disk_.sanitize_progress.store(0, std::memory_order_relaxed);
  op_.blocks = unit_->blocks();
  const bool erases = op_.kind == OpKind::kSanitizeErase;
  return take_blocks(Mode::kAlone, 0, op_.blocks,
                     erases ? &Task::erase_next : &Task::begin_overwrite_pass);
}

Task::Progress Task::erase_next() {
  if (io_error_ != 0) return fail_io();
  if (aborted_.load(std::memory_order_relaxed)) return fail(kAbortedCommand);
  if (!begin_piece(kEraseBytes)) return then(&Task::flush);
  note_sanitize_progress(1);
  return submit({OS_STORAGE_ZERO, OS_STORAGE_UNMAP, cursor_, step_blocks_}, &Task::erase_next);
}

// A count of passes, and a pattern that each block is filled with, from its beginning.
bool Task::read_overwrite_list() {
  uint8_t header[kListHeader];
  if (op_.parameters <= kListHeader || data_length_ < op_.parameters) return false;
  data_.copy_out(0, MutableBytes(header, sizeof(header)));
  const uint32_t length = static_cast<uint32_t>(header[2]) << 8 | header[3];
  passes_ = passes_left_ = header[0] & kCountMask;
  inverts_ = (header[0] & kInvert) != 0;
  return passes_left_ != 0 && (header[0] & kTestMask) == 0 && length != 0 &&
         length <= unit_->block_size() && length == op_.parameters - kListHeader;
}

// With INVERT the last pass but one, and every other one before, has the pattern inverted.
Task::Progress Task::begin_overwrite_pass() {
  const uint32_t block = unit_->block_size(), length = op_.parameters - kListHeader;
  if (!make_scratch(kPassBytes).is_ok()) return out_of_memory();
  const uint8_t mask = inverts_ && passes_left_ % 2 == 0 ? 0xff : 0;
  uint32_t at = 0;
  scratch_.for_each_piece(0, kPassBytes, [&](uint8_t* to, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; ++i, ++at) {
      uint8_t value;
      data_.copy_out(kListHeader + at % block % length, MutableBytes(&value, 1));
      to[i] = value ^ mask;
    }
    return true;
  });
  cursor_ = step_blocks_ = 0;
  --passes_left_;
  return then(&Task::overwrite_next);
}

Task::Progress Task::overwrite_next() {
  if (io_error_ != 0) return fail_io();
  if (aborted_.load(std::memory_order_relaxed)) return fail(kAbortedCommand);
  if (!begin_piece(kPassBytes)) {
    return then(passes_left_ != 0 ? &Task::begin_overwrite_pass : &Task::flush);
  }
  note_sanitize_progress(passes_left_ + uint64_t{1});
  return submit({OS_STORAGE_WRITE, 0, cursor_, step_blocks_, &scratch_}, &Task::overwrite_next);
}

}  // namespace chiscsi::storage
