// SPDX-License-Identifier: GPL-2.0-only
//
// A segment of a third-party copy as reads and writes. See segment_walk.hh.
#include "target/scsi/segment_walk.hh"

namespace chiscsi::scsi {

namespace segment_walk_detail {

constexpr SenseCode kOutOfRange{0x0a, 0x00, 0x00};
constexpr SenseCode kInexactSegment{0x0a, 0x26, 0x0a};
constexpr uint8_t kFirstSourceAt = 12, kFirstDestinationAt = 20, kBlocksAt = 10;

Sense at_segment(SenseCode code, uint8_t byte) {
  Sense sense(code);
  sense.field.place = FieldPointer::kSegment;
  sense.field.byte = byte;
  return sense;
}

uint32_t at_most(uint64_t wanted, uint64_t room, uint32_t limit) {
  const uint64_t fits = wanted < room ? wanted : room;
  return static_cast<uint32_t>(limit != 0 && limit < fits ? limit : fits);
}

// Without a sum that could hide it.
bool is_within(uint64_t first, uint64_t count, uint64_t capacity) {
  return first <= capacity && count <= capacity - first;
}

bool overlap(uint64_t a, uint64_t a_count, uint64_t b, uint64_t b_count) {
  return a < b ? b - a < a_count : a - b < b_count;
}

}  // namespace segment_walk_detail

// Whole blocks that are written, and what becomes of the rest: `rest` is what remains of the last
// block that was read when DC is set, else what does not fill a block of the destination.
Sense SegmentWalk::plan_rest(const CopySegment& segment, const Context& context, uint64_t rest) {
  using namespace segment_walk_detail;
  pads_rest_ = drops_rest_ = false;
  if (rest == 0) return kNoSense;
  const bool of_source = segment.counts_destination;
  if (!segment.keeps_rest && !source_.pads && !destination_.pads) {
    return at_segment(kInexactSegment, kBlocksAt);
  }
  // The rest of a source that does not pad stays for a destination that does, as if CAT were set.
  if (segment.keeps_rest || (of_source && !source_.pads)) {
    drops_rest_ = context.is_last;
  } else if (!of_source && destination_.pads) {
    pads_rest_ = true;
    ++write_left_;
  } else {
    drops_rest_ = true;
  }
  return kNoSense;
}

Sense SegmentWalk::plan(const CopySegment& segment, const Context& context) {
  const uint64_t of_source = source_.block_size, of_destination = destination_.block_size;
  uint64_t rest;
  if (segment.counts_destination) {
    const uint64_t wanted = segment.blocks * of_destination;
    const uint64_t missing = wanted > fill_ ? wanted - fill_ : 0;
    write_left_ = segment.blocks;
    read_left_ = (missing + of_source - 1) / of_source;
    rest = fill_ + read_left_ * of_source - wanted;
  } else {
    const uint64_t all = fill_ + segment.blocks * of_source;
    read_left_ = segment.blocks;
    write_left_ = all / of_destination;
    rest = all % of_destination;
  }
  return plan_rest(segment, context, rest);
}

// In bytes, for two units of one device may have blocks of two sizes. All is within the units.
bool SegmentWalk::overlaps() const {
  const uint64_t of_source = source_.block_size, of_destination = destination_.block_size;
  return segment_walk_detail::overlap(read_at_ * of_source, read_left_ * of_source,
                                      write_at_ * of_destination, write_left_ * of_destination);
}

// From the end where the destination is behind the source, so that nothing is written over before
// it was read. Data from another segment in front of it leaves no order that is right, nor do
// blocks of two sizes.
Sense SegmentWalk::plan_overlap(const CopySegment& segment, const Context& context) {
  using namespace segment_walk_detail;
  goes_backwards_ = false;
  if (!context.is_same_device || !overlaps()) return kNoSense;
  if (fill_ != 0 || source_.block_size != destination_.block_size)
    return at_segment(kInexactSegment, kFirstDestinationAt);
  goes_backwards_ = segment.first_destination > segment.first_source;
  return kNoSense;
}

Sense SegmentWalk::begin(const CopySegment& segment, const Context& context, uint32_t held,
                         MutableBytes buffer) {
  using namespace segment_walk_detail;
  source_ = context.source;
  destination_ = context.destination;
  room_ = static_cast<uint32_t>(buffer.size());
  fill_ = held;
  taken_ = 0;
  read_at_ = segment.first_source;
  write_at_ = segment.first_destination;
  const Sense sense = plan(segment, context);
  if (!sense.is_good()) return sense;
  if (!is_within(read_at_, read_left_, source_.blocks)) {
    return at_segment(kOutOfRange, kFirstSourceAt);
  }
  if (!is_within(write_at_, write_left_, destination_.blocks)) {
    return at_segment(kOutOfRange, kFirstDestinationAt);
  }
  const Sense overlapping = plan_overlap(segment, context);
  if (overlapping.is_good() && (write_left_ == 0 || !has_block())) settle(buffer);
  return overlapping;
}

CopyTransfer SegmentWalk::next_read() const {
  using namespace segment_walk_detail;
  const uint32_t blocks =
      at_most(read_left_, (room_ - fill_) / source_.block_size, source_.most_blocks);
  const uint64_t first = goes_backwards_ ? read_at_ + read_left_ - blocks : read_at_;
  return {CopyTransfer::kRead, first, blocks, fill_, blocks * source_.block_size};
}

// Backwards, what is in the buffer goes right in front of what was written before it.
CopyTransfer SegmentWalk::next_write() const {
  using namespace segment_walk_detail;
  const uint64_t ready = (fill_ - taken_) / destination_.block_size;
  const uint32_t blocks = at_most(write_left_, ready, destination_.most_blocks);
  const uint64_t written = taken_ / destination_.block_size;  // Of what is in the buffer.
  const uint64_t first = goes_backwards_ ? write_at_ + write_left_ - ready + written : write_at_;
  return {CopyTransfer::kWrite, first, blocks, taken_, blocks * destination_.block_size};
}

CopyTransfer SegmentWalk::next() const {
  if (write_left_ != 0 && has_block()) return next_write();
  return read_left_ != 0 ? next_read() : CopyTransfer();
}

// What is left of a block moves to the beginning; at the end of the segment it is padded or
// dropped.
void SegmentWalk::settle(MutableBytes buffer) {
  fill_ -= taken_;
  if (taken_ != 0 && fill_ != 0) {
    __builtin_memmove(buffer.data(), buffer.data() + taken_, fill_);
  }
  taken_ = 0;
  if (read_left_ != 0) return;
  if (write_left_ == 0) {
    if (drops_rest_) fill_ = 0;
  } else if (pads_rest_ && fill_ != 0) {
    const MutableBytes rest = buffer.slice(fill_, destination_.block_size - fill_);
    if (!rest.empty()) __builtin_memset(rest.data(), 0, rest.size());
    fill_ += static_cast<uint32_t>(rest.size());
  }
}

void SegmentWalk::done(MutableBytes buffer) {
  const CopyTransfer transfer = next();
  if (transfer.kind == CopyTransfer::kRead) {
    fill_ += transfer.bytes;
    read_left_ -= transfer.blocks;
    if (!goes_backwards_) read_at_ += transfer.blocks;
  } else if (transfer.kind == CopyTransfer::kWrite) {
    taken_ += transfer.bytes;
    write_left_ -= transfer.blocks;
    if (!goes_backwards_) write_at_ += transfer.blocks;
  }
  if (write_left_ == 0 || !has_block()) settle(buffer);
}

}  // namespace chiscsi::scsi
