// SPDX-License-Identifier: GPL-2.0-only
//
// Commands about ranges rather than data: WRITE SAME, UNMAP, GET LBA STATUS (SBC-4 sections 5.7,
// 5.35 and 5.50). See task.hh.
#include "target/scsi/conclusion.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

using Mode = RangeLock::Mode;

namespace {

constexpr uint32_t kFillBytes = 256 * 1024;        // Of one write of a pattern.
constexpr uint64_t kZeroBytes = 64 * 1024 * 1024;  // Of one request for zeros.
constexpr uint32_t kUnmapHeader = 8, kUnmapDescriptor = 16;
constexpr uint32_t kDescribedAt = 2, kUnmapCountAt = 8;  // In the header, in a descriptor.
constexpr uint32_t kStatusHeader = 8, kStatusDescriptor = 16;
constexpr uint8_t kMapped = 0, kDeallocated = 1;
constexpr SenseCode kParameterListLength{0x05, 0x1a, 0x00};

uint64_t big_endian(const uint8_t* bytes, uint32_t count) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < count; ++i)
    value = value << 8 | bytes[i];
  return value;
}

void put_big_endian(uint8_t* bytes, uint32_t count, uint64_t value) {
  for (uint32_t i = 0; i < count; ++i)
    bytes[i] = static_cast<uint8_t>(value >> (8 * (count - 1 - i)));
}

}  // namespace

// ---- WRITE SAME ----

Task::Progress Task::write_same() {
  if (op_.blocks == 0) return done();
  return take_blocks(Mode::kShared, op_.first, op_.blocks, &Task::write_same_held);
}

bool Task::block_is_zero() const {
  if (op_.no_data) return true;
  return data_.for_each_piece(0, unit_->block_size(), [](const uint8_t* bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      if (bytes[i] != 0) return false;
    }
    return true;
  });
}

// Zeros are for the store. Any other block is written out, many times at once.
Task::Progress Task::write_same_held() {
  if (block_is_zero()) return then(&Task::zero_next);
  const uint32_t block = unit_->block_size();
  const uint64_t fits = kFillBytes / block, count = op_.blocks < fits ? op_.blocks : fits;
  if (!make_scratch(count * block).is_ok()) return out_of_memory();
  uint8_t pattern[512];
  for (uint32_t part = 0; part < block; part += sizeof(pattern)) {
    data_.copy_out(part, MutableBytes(pattern, sizeof(pattern)));
    for (uint64_t i = 0; i < count; ++i)
      scratch_.copy_in(block_bytes(i) + part, Bytes(pattern, sizeof(pattern)));
  }
  return then(&Task::fill_next);
}

bool Task::begin_piece(uint64_t most_bytes) {
  cursor_ += step_blocks_;
  const uint64_t most = most_bytes / unit_->block_size(), left = op_.blocks - cursor_;
  step_blocks_ = left < most ? left : most;
  return step_blocks_ != 0;
}

Task::Progress Task::zero_next() {
  if (io_error_ != 0) return fail_io();
  if (is_aborted()) return fail(kAbortedCommand);
  if (!begin_piece(kZeroBytes)) return then(&Task::make_stable);
  const uint8_t flags = op_.unmaps && unit_->is_thin() ? OS_STORAGE_UNMAP : 0;
  return submit({OS_STORAGE_ZERO, flags, op_.first + cursor_, step_blocks_}, &Task::zero_next);
}

Task::Progress Task::fill_next() {
  if (io_error_ != 0) return fail_io();
  if (is_aborted()) return fail(kAbortedCommand);
  if (!begin_piece(scratch_.size() < kFillBytes ? scratch_.size() : kFillBytes)) return end_write();
  return submit({OS_STORAGE_WRITE, write_flags(), op_.first + cursor_, step_blocks_, &scratch_},
                &Task::fill_next);
}

// What a store clears by itself has no FUA of its own.
Task::Progress Task::make_stable() {
  if (!must_be_stable()) return done();
  return submit({OS_STORAGE_FLUSH}, &Task::end_io, true);
}

// ---- UNMAP ----

// All of the list is looked at before any of it is done.
Sense Task::check_unmap_list() {
  uint8_t header[kUnmapHeader];
  data_.copy_out(0, MutableBytes(header, sizeof(header)));
  const auto described = static_cast<uint32_t>(big_endian(header + kDescribedAt, 2));
  const uint32_t sent = op_.parameters - kUnmapHeader;
  op_.blocks = (described < sent ? described : sent) / kUnmapDescriptor;
  const chiscsi_lun_geometry& limits = unit_->geometry();
  if (op_.blocks > limits.max_unmap_ranges) return wrong_parameter(kDescribedAt);
  const uint64_t capacity = unit_->blocks();
  uint64_t total = 0;
  for (uint64_t i = 0; i < op_.blocks; ++i) {
    const Extent extent = unmap_extent(i);
    if (extent.first > capacity || extent.blocks > capacity - extent.first) return kLbaOutOfRange;
    total += extent.blocks;
    if (total > limits.max_unmap_blocks) {
      return wrong_parameter(
          static_cast<uint16_t>(kUnmapHeader + i * kUnmapDescriptor + kUnmapCountAt));
    }
  }
  return kNoSense;
}

Task::Extent Task::unmap_extent(uint64_t index) const {
  uint8_t bytes[kUnmapDescriptor];
  data_.copy_out(kUnmapHeader + static_cast<uint32_t>(index) * kUnmapDescriptor,
                 MutableBytes(bytes, sizeof(bytes)));
  return {big_endian(bytes, 8), big_endian(bytes + 8, 4)};
}

Task::Progress Task::unmap() {
  if (op_.parameters == 0) return done();
  if (op_.parameters < kUnmapHeader) return fail(kParameterListLength);
  const Sense sense = check_unmap_list();
  return sense.is_good() ? then(&Task::unmap_next) : fail(sense);
}

// One descriptor after the other; `cursor_` is the next one.
Task::Progress Task::unmap_next() {
  if (cursor_ == op_.blocks) return then(&Task::make_stable);
  if (is_aborted()) return fail(kAbortedCommand);
  const Extent extent = unmap_extent(cursor_++);
  if (extent.blocks == 0) return then(&Task::unmap_next);
  return take_blocks(Mode::kShared, extent.first, extent.blocks, &Task::unmap_held);
}

Task::Progress Task::unmap_held() {
  const Extent extent = unmap_extent(cursor_ - 1);
  return submit({OS_STORAGE_DISCARD, 0, extent.first, extent.blocks}, &Task::unmapped_one);
}

Task::Progress Task::unmapped_one() {
  release_blocks();
  return io_error_ != 0 ? fail_io() : then(&Task::unmap_next);
}

// ---- GET LBA STATUS ----

Task::Progress Task::lba_status() {
  if (data_length_ == 0) return done();
  if (op_.first >= unit_->blocks()) return fail(kLbaOutOfRange);
  data_.fill(0, data_.size(), 0);
  answer_ = kStatusHeader;
  cursor_ = op_.first;
  return then(&Task::map_next);
}

// One look at the store per run of blocks that are alike, until the answer is full.
Task::Progress Task::map_next() {
  const uint64_t capacity = unit_->blocks();
  if (answer_ + kStatusDescriptor > data_.size() || cursor_ >= capacity) return end_map();
  if (is_aborted()) return fail(kAbortedCommand);
  const uint64_t left = capacity - cursor_;
  step_blocks_ = left < 0xffffffff ? left : 0xffffffff;
  if ((disk_.store().facts().flags & OS_STORAGE_CAN_MAP) == 0) {
    describe(step_blocks_, true);
    return then(&Task::map_next);
  }
  return submit({OS_STORAGE_MAP, 0, cursor_, step_blocks_}, &Task::mapped_one);
}

Task::Progress Task::mapped_one() {
  if (io_error_ != 0) return fail_io();
  uint64_t blocks = request_.mapped_size / unit_->block_size();
  if (blocks == 0) blocks = 1;  // A block that is partly there is there.
  describe(blocks, request_.is_mapped != 0 || request_.mapped_size < unit_->block_size());
  return then(&Task::map_next);
}

// The next descriptor. Where nobody knows, blocks are "mapped or unknown" (SBC-4, GET LBA STATUS).
void Task::describe(uint64_t blocks, bool is_mapped) {
  uint8_t bytes[kStatusDescriptor] = {};
  put_big_endian(bytes, 8, cursor_);
  put_big_endian(bytes + 8, 4, blocks);
  bytes[12] = is_mapped ? kMapped : kDeallocated;
  data_.copy_in(answer_, Bytes(bytes, sizeof(bytes)));
  answer_ += kStatusDescriptor;
  cursor_ += blocks;
}

// The length says what follows it, whatever of it the initiator wants.
Task::Progress Task::end_map() {
  uint8_t length[4];
  put_big_endian(length, 4, answer_ - sizeof(length));
  data_.copy_in(0, Bytes(length, sizeof(length)));
  if (answer_ < data_length_) data_length_ = answer_;
  set_residual(data_length_, command_->sc_xfer_len);
  return done();
}

}  // namespace chiscsi::storage
