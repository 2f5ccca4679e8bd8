// SPDX-License-Identifier: GPL-2.0-only
//
// CopyList: the parameter list of EXTENDED COPY(LID1), read without a way past its end.
//
// parse() looks at all that can be wrong with the list itself, before anything is copied (SPC-5
// sections 5.19 and 6.4). What is wrong with a segment comes to light when its turn has come. A
// CopyList owns nothing: the bytes have to stay. Context: any.
#pragma once

#include "base/span.hh"
#include "target/scsi/conclusion.hh"

namespace chiscsi::scsi {

inline constexpr uint16_t kMaxCopyTargets = 16;
inline constexpr uint16_t kMaxCopySegments = 256;
inline constexpr size_t kCopyHeaderSize = 16;
inline constexpr size_t kCopyTargetSize = 32;
inline constexpr size_t kCopySegmentSize = 28;
// Of target descriptors and segment descriptors together.
inline constexpr uint32_t kMaxCopyListLength =
    kMaxCopyTargets * kCopyTargetSize + kMaxCopySegments * kCopySegmentSize;

inline constexpr uint8_t kIdentificationTarget = 0xe4;  // The one kind of target descriptors.
inline constexpr uint8_t kBlockToBlockSegment = 0x02;   // The one kind of segment descriptors.

inline constexpr SenseCode kTooManyTargets{0x05, 0x26, 0x06};
inline constexpr SenseCode kUnsupportedTargetType{0x05, 0x26, 0x07};
inline constexpr SenseCode kTooManySegments{0x05, 0x26, 0x08};
inline constexpr SenseCode kUnsupportedSegmentType{0x05, 0x26, 0x09};

enum class ListIdUsage : uint8_t { kHold, kReserved, kDiscard, kNone };

// Who takes part in a copy (SPC-5 section 6.4.5.3).
struct CopyTarget {
  static constexpr size_t kMaxDesignator = 20;

  uint8_t device_type = 0;
  bool is_null = false;
  bool pads = false;        // PAD.
  uint8_t code_set = 0;     // Of the designator.
  uint8_t kind = 0;         // Its association and type.
  Bytes designator;         // At most kMaxDesignator bytes.
  uint32_t block_size = 0;  // DISK BLOCK LENGTH.
  uint16_t at = 0;          // Offset within the list.
};

// What is copied (SPC-5 section 6.4.6.4).
struct CopySegment {
  bool counts_destination = false;  // DC: `blocks` is in blocks of the destination.
  bool keeps_rest = false;          // CAT.
  uint16_t source = 0;              // Index of the target descriptor.
  uint16_t destination = 0;
  uint16_t blocks = 0;
  uint64_t first_source = 0;
  uint64_t first_destination = 0;
};

class CopyList {
 public:
  // A good sense, or why the list is refused. The list is not empty.
  Sense parse(Bytes list);

  uint8_t id() const { return bytes_[0]; }
  ListIdUsage id_usage() const { return static_cast<ListIdUsage>(bytes_[1] >> 3 & 3); }
  uint16_t targets() const { return targets_; }
  uint16_t segments() const { return segments_; }
  // Precondition: below the number of them.
  CopyTarget target(uint16_t index) const;
  CopySegment segment(uint16_t index) const;

 private:
  Sense check_header();
  Sense check_target(size_t at) const;
  Sense check_segments(size_t begin, size_t length);
  Sense check_segment(size_t at) const;
  uint64_t number(size_t at, size_t size) const;

  Bytes bytes_;
  uint16_t targets_ = 0;
  uint16_t segments_ = 0;
};

}  // namespace chiscsi::scsi
