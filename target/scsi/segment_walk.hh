// SPDX-License-Identifier: GPL-2.0-only
//
// SegmentWalk: one segment of a third-party copy as reads and writes of whole blocks.
//
// The data goes through one buffer. Where block sizes differ, what is left of a block waits at the
// beginning of the buffer, and at the end of the segment the bits CAT and PAD say what becomes of
// it (SPC-5 section 6.4.6.2). On one device the ranges may overlap: the copy is as if all of the
// source had been read first. It moves nothing itself. Context: any, one caller at a time.
#pragma once

#include "target/scsi/copy_list.hh"

namespace chiscsi::scsi {

// One read or write that is to be done next.
struct CopyTransfer {
  enum Kind : uint8_t { kNothing, kRead, kWrite };
  Kind kind = kNothing;
  uint64_t first = 0;  // Block.
  uint32_t blocks = 0;
  uint32_t at = 0;  // Bytes from the beginning of the buffer.
  uint32_t bytes = 0;
};

class SegmentWalk {
 public:
  // A device as the walk knows it. Block sizes are powers of two, at most 64 KiB.
  struct Device {
    uint32_t block_size = 0;
    uint64_t blocks = 0;
    uint32_t most_blocks = 0;  // Of one command; 0: no limit.
    bool pads = false;
  };
  struct Context {
    Device source, destination;
    bool is_same_device = false;
    bool is_last = false;  // Segment of its list.
  };

  // The buffer has room for two of the largest blocks at least; its first `held` bytes are left of
  // the segment before. A good sense, or why nothing of the segment is copied.
  Sense begin(const CopySegment& segment, const Context& context, uint32_t held,
              MutableBytes buffer);
  // The next transfer, the same one until done() is called; kNothing at the end.
  CopyTransfer next() const;
  // The transfer has succeeded. May move what is in the buffer, which is that of begin().
  void done(MutableBytes buffer);
  // At the end: what the next segment begins with.
  uint32_t held() const { return fill_; }

 private:
  Sense plan(const CopySegment& segment, const Context& context);
  Sense plan_rest(const CopySegment& segment, const Context& context, uint64_t rest);
  Sense plan_overlap(const CopySegment& segment, const Context& context);
  bool overlaps() const;
  bool has_block() const { return fill_ - taken_ >= destination_.block_size; }
  CopyTransfer next_read() const;
  CopyTransfer next_write() const;
  void settle(MutableBytes buffer);

  Device source_, destination_;
  uint64_t read_at_ = 0, write_at_ = 0;      // Next blocks; where it goes backwards, the last ones.
  uint64_t read_left_ = 0, write_left_ = 0;  // Blocks.
  uint32_t room_ = 0;
  uint32_t fill_ = 0;   // Bytes in the buffer.
  uint32_t taken_ = 0;  // Of these, written already.
  bool goes_backwards_ = false;
  bool pads_rest_ = false;
  bool drops_rest_ = false;
};

}  // namespace chiscsi::scsi
