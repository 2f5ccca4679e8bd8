// SPDX-License-Identifier: GPL-2.0-only
//
// SANITIZE: overwrite, block erase and exit failure mode (SBC-4 section 5.34). See task.hh.
//
// The work is the disk's Sanitizer's, which needs the command no more once it has begun: with IMMED
// the command ends there, otherwise it waits for the end of the operation and may be aborted
// meanwhile without any harm to it.
#include "target/scsi/conclusion.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

using Mode = RangeLock::Mode;

namespace {

constexpr uint32_t kListHeader = 4;
constexpr uint8_t kInvert = 0x80, kTestMask = 0x60, kCountMask = 0x1f;
constexpr uint16_t kListLengthAt = 7;  // In the CDB.

}  // namespace

// A count of passes, and a pattern that each block is filled with, from its beginning.
Sense Task::read_overwrite_list(SanitizeOrder* order) const {
  if (op_.parameters <= kListHeader || op_.parameters > kListHeader + unit_->block_size()) {
    return wrong_cdb_field(kListLengthAt);
  }
  if (data_length_ < op_.parameters) return kParameterListLengthError;
  uint8_t header[kListHeader];
  data_.copy_out(0, MutableBytes(header, sizeof(header)));
  order->passes = header[0] & kCountMask;
  order->inverts = (header[0] & kInvert) != 0;
  if ((header[0] & kTestMask) != 0) return wrong_parameter(0, 6);
  if (order->passes == 0) return wrong_parameter(0, 4);
  const uint32_t length = static_cast<uint32_t>(header[2]) << 8 | header[3];
  return length != op_.parameters - kListHeader ? wrong_parameter(2) : kNoSense;
}

// The disk was there when the command came, which may be long ago: its parameters had to come, too.
Task::Progress Task::sanitize() {
  SanitizeOrder order;
  order.erases = op_.kind == OpKind::kSanitizeErase;
  order.may_exit = op_.may_exit;
  order.block_size = unit_->block_size();
  order.blocks = unit_->blocks();
  if (order.blocks == 0) return fail(kDeviceIsGone);
  Sense sense = order.erases ? kNoSense : read_overwrite_list(&order);
  if (sense.is_good()) sense = disk_.sanitizer().claim(order);
  if (!sense.is_good()) return fail(sense);
  sanitizes_ = true;
  const uint32_t pattern = op_.parameters - kListHeader;
  if (!order.erases && !disk_.sanitizer().set_pattern(data_, kListHeader, pattern).is_ok()) {
    disk_.sanitizer().withdraw();
    return out_of_memory();
  }
  return take_blocks(Mode::kAlone, 0, order.blocks, &Task::sanitize_alone);
}

// What was under way has ended, and whoever gets blocks from here on finds the disk claimed.
Task::Progress Task::sanitize_alone() {
  release_blocks();
  Sanitizer& sanitizer = disk_.sanitizer();
  if (is_aborted()) {
    sanitizer.withdraw();
    return fail(kAbortedCommand);
  }
  next_ = &Task::end_sanitize;
  if (op_.immediate) return sanitizer.begin(nullptr), done();
  return sanitizer.begin(this) ? Progress::kWaits : fail(kAbortedCommand);
}

void Task::on_sanitized(bool failed) {
  sanitize_failed_ = failed;
  os_work_queue(&work_);
}

Task::Progress Task::end_sanitize() { return sanitize_failed_ ? fail(kSanitizeFailed) : done(); }

Task::Progress Task::exit_sanitize_failure() {
  const Sense sense = disk_.sanitizer().exit_failure_mode();
  return sense.is_good() ? done() : fail(sense);
}

}  // namespace chiscsi::storage
