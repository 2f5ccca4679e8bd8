// SPDX-License-Identifier: GPL-2.0-only
//
// The parameter list of EXTENDED COPY(LID1). See copy_list.hh.
#include "target/scsi/copy_list.hh"

namespace chiscsi::scsi {

namespace copy_list_detail {

constexpr size_t kTargetLengthAt = 2, kSegmentLengthAt = 8, kInlineLengthAt = 12;
constexpr uint8_t kHeaderReserved = 0xc0;   // Of byte 1; STR and PRIORITY are hints.
constexpr uint8_t kSegmentReserved = 0xfc;  // Of byte 1: all but DC and CAT, FCO included.
constexpr uint8_t kSegmentLength = kCopySegmentSize - 4;
constexpr uint8_t kNullDevice = 0x20, kDeviceType = 0x1f;
constexpr uint8_t kPad = 0x04, kCodeSet = 0x0f, kDesignatorKind = 0x3f;

Sense at_parameter(SenseCode code, size_t byte) {
  Sense sense(code);
  sense.field.place = FieldPointer::kParameters;
  sense.field.byte = static_cast<uint16_t>(byte);
  return sense;
}

Sense wrong_at(size_t byte, uint8_t bit = FieldPointer::kWholeByte) {
  return wrong_parameter(static_cast<uint16_t>(byte), bit);
}

uint8_t highest_of(uint8_t bits) {
  uint8_t bit = 7;
  while ((bits >> bit & 1) == 0)
    --bit;
  return bit;
}

}  // namespace copy_list_detail

uint64_t CopyList::number(size_t at, size_t size) const {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value = value << 8 | bytes_[at + i];
  return value;
}

Sense CopyList::check_header() {
  using namespace copy_list_detail;
  if (bytes_.size() < kCopyHeaderSize) return kParameterListLengthError;
  const uint64_t of_targets = number(kTargetLengthAt, 2), of_segments = number(kSegmentLengthAt, 4);
  const uint64_t in_line = number(kInlineLengthAt, 4);
  if (kCopyHeaderSize + of_targets + of_segments + in_line > bytes_.size() ||
      of_targets + of_segments > kMaxCopyListLength || of_targets % kCopyTargetSize != 0) {
    return kParameterListLengthError;
  }
  if (of_targets > kMaxCopyTargets * kCopyTargetSize) {
    return at_parameter(kTooManyTargets, kTargetLengthAt);
  }
  targets_ = static_cast<uint16_t>(of_targets / kCopyTargetSize);
  if ((bytes_[1] & kHeaderReserved) != 0) return wrong_at(1, highest_of(bytes_[1]));
  if (id_usage() == ListIdUsage::kReserved) return wrong_at(1, 4);
  if (id_usage() == ListIdUsage::kNone && id() != 0) return wrong_at(0);
  return in_line != 0 ? wrong_at(kInlineLengthAt) : kNoSense;
}

// Whether the device is there is looked at when it is used. LU ID TYPE means something in
// descriptors with a LU IDENTIFIER field only, and is ignored in others (SPC-4 section 6.4.5.1).
Sense CopyList::check_target(size_t at) const {
  using namespace copy_list_detail;
  if (bytes_[at] != kIdentificationTarget) return at_parameter(kUnsupportedTargetType, at);
  const size_t length = bytes_[at + 7];
  return length > CopyTarget::kMaxDesignator ? wrong_at(at + 7) : kNoSense;
}

Sense CopyList::check_segment(size_t at) const {
  using namespace copy_list_detail;
  const uint8_t unknown = bytes_[at + 1] & kSegmentReserved;
  if (unknown != 0) return wrong_at(at + 1, highest_of(unknown));
  return number(at + 2, 2) != kSegmentLength ? wrong_at(at + 2) : kNoSense;
}

Sense CopyList::check_segments(size_t begin, size_t length) {
  using namespace copy_list_detail;
  const size_t end = begin + length;
  if (length / kCopySegmentSize > kMaxCopySegments) {
    return at_parameter(kTooManySegments, kSegmentLengthAt);
  }
  for (size_t at = begin; at < end; at += kCopySegmentSize) {
    if (bytes_[at] != kBlockToBlockSegment) return at_parameter(kUnsupportedSegmentType, at);
    if (end - at < kCopySegmentSize) return kParameterListLengthError;
    const Sense sense = check_segment(at);
    if (!sense.is_good()) return sense;
    ++segments_;
  }
  return kNoSense;
}

Sense CopyList::parse(Bytes list) {
  using namespace copy_list_detail;
  bytes_ = list;
  targets_ = segments_ = 0;
  Sense sense = check_header();
  for (uint16_t i = 0; sense.is_good() && i < targets_; ++i)
    sense = check_target(kCopyHeaderSize + i * kCopyTargetSize);
  if (!sense.is_good()) return sense;
  return check_segments(kCopyHeaderSize + targets_ * kCopyTargetSize, number(kSegmentLengthAt, 4));
}

CopyTarget CopyList::target(uint16_t index) const {
  using namespace copy_list_detail;
  const size_t at = kCopyHeaderSize + index * kCopyTargetSize;
  CopyTarget target;
  target.device_type = bytes_[at + 1] & kDeviceType;
  target.is_null = (bytes_[at + 1] & kNullDevice) != 0;
  target.code_set = bytes_[at + 4] & kCodeSet;
  target.kind = bytes_[at + 5] & kDesignatorKind;
  target.designator = bytes_.slice(at + 8, bytes_[at + 7]);
  target.pads = (bytes_[at + 28] & kPad) != 0;
  target.block_size = static_cast<uint32_t>(number(at + 29, 3));
  target.at = static_cast<uint16_t>(at);
  return target;
}

CopySegment CopyList::segment(uint16_t index) const {
  const size_t at = kCopyHeaderSize + targets_ * kCopyTargetSize + index * kCopySegmentSize;
  CopySegment segment;
  segment.counts_destination = (bytes_[at + 1] & 2) != 0;
  segment.keeps_rest = (bytes_[at + 1] & 1) != 0;
  segment.source = static_cast<uint16_t>(number(at + 4, 2));
  segment.destination = static_cast<uint16_t>(number(at + 6, 2));
  segment.blocks = static_cast<uint16_t>(number(at + 10, 2));
  segment.first_source = number(at + 12, 8);
  segment.first_destination = number(at + 20, 8);
  return segment;
}

}  // namespace chiscsi::scsi
