// SPDX-License-Identifier: GPL-2.0-only
//
// Sense data in both formats (SPC-5 sections 4.4.2 and 4.4.3).
#include "target/scsi/sense_code.hh"

namespace chiscsi {

namespace {

constexpr uint8_t kFixedFormat = 0x70, kDescriptorFormat = 0x72;
constexpr uint8_t kValid = 0x80;  // Of the information, and of what is specific to the sense key.
constexpr uint8_t kInCdb = 0x40, kInSegment = 0x20, kBitIsValid = 0x08;
constexpr uint8_t kInformationDescriptor = 0x00, kCommandSpecificDescriptor = 0x01,
                  kKeySpecificDescriptor = 0x02, kForwardedDescriptor = 0x0c;
constexpr uint8_t kCheckCondition = 0x02;

void put_number(uint8_t* to, uint32_t size, uint64_t value) {
  for (uint32_t i = 0; i < size; ++i)
    to[i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
}

uint8_t place_bit(FieldPointer::Place place) {
  if (place == FieldPointer::kCdb) return kInCdb;
  return place == FieldPointer::kSegment ? kInSegment : 0;
}

// Three bytes (SPC-5 section 4.4.2.4.2; of COPY ABORTED 4.4.2.4.5).
void put_field_pointer(uint8_t* to, const FieldPointer& field) {
  const bool has_bit = field.bit < FieldPointer::kWholeByte;
  to[0] = static_cast<uint8_t>(kValid | place_bit(field.place) |
                               (has_bit ? kBitIsValid | field.bit : 0));
  put_number(to + 1, 2, field.byte);
}

bool is_key_specific(const Sense& what) {
  return what.field.place != FieldPointer::kNowhere || what.has_progress;
}

// Three bytes; a sense key has either of the two.
void put_key_specific(uint8_t* to, const Sense& what) {
  if (!what.has_progress) return put_field_pointer(to, what.field);
  to[0] = kValid;
  put_number(to + 1, 2, what.progress);
}

// Without what belongs to a third-party copy.
void put_fixed_base(uint8_t* sense, const Sense& what) {
  __builtin_memset(sense, 0, kFixedSenseSize);
  sense[0] = kFixedFormat;
  // Here is room for four bytes; a larger number is told by its absence.
  if (what.has_information && what.information <= 0xffffffff) {
    sense[0] |= kValid;
    put_number(sense + 3, 4, what.information);
  }
  sense[2] = what.code.key;
  sense[7] = kFixedSenseSize - 8;
  sense[12] = what.code.asc;
  sense[13] = what.code.ascq;
  if (is_key_specific(what)) put_key_specific(sense + 15, what);
}

// The status of a device, and its sense data where there is some; returns their size.
uint32_t put_forwarded(uint8_t* status, uint8_t* sense, const ForwardedSense& forwarded) {
  *status = forwarded.status;
  if (forwarded.status != kCheckCondition) return 0;
  put_fixed_base(sense, forwarded.code);
  return kFixedSenseSize;
}

// The command-specific information of a copy names the segment, and the places where status and
// sense data of the source and of the destination follow (SPC-5 section 5.19.7.3).
uint32_t put_fixed(uint8_t* sense, const Sense& what) {
  put_fixed_base(sense, what);
  uint32_t size = kFixedSenseSize;
  if (what.has_segment) put_number(sense + 10, 2, what.segment);
  if (what.forwarded.from != ForwardedSense::kNobody) {
    const bool source = what.forwarded.from == ForwardedSense::kSource;
    sense[source ? 8 : 9] = static_cast<uint8_t>(size);
    size += 1 + put_forwarded(sense + size, sense + size + 1, what.forwarded);
    sense[7] = static_cast<uint8_t>(size - 8);
  }
  return size;
}

uint8_t* put_copy_descriptors(uint8_t* end, const Sense& what) {
  if (what.has_segment) {
    end[0] = kCommandSpecificDescriptor;
    end[1] = 10;
    put_number(end + 4, 8, what.segment);
    end += 12;
  }
  if (what.forwarded.from == ForwardedSense::kNobody) return end;
  const uint32_t size = put_forwarded(end + 3, end + 4, what.forwarded);
  end[0] = kForwardedDescriptor;
  end[1] = static_cast<uint8_t>(2 + size);
  end[2] = what.forwarded.from;
  return end + 4 + size;
}

uint32_t put_descriptors(uint8_t* sense, const Sense& what) {
  __builtin_memset(sense, 0, kMaxSenseSize);
  sense[0] = kDescriptorFormat;
  sense[1] = what.code.key;
  sense[2] = what.code.asc;
  sense[3] = what.code.ascq;
  uint8_t* end = sense + 8;
  if (what.has_information) {
    end[0] = kInformationDescriptor;
    end[1] = 10;
    end[2] = kValid;
    put_number(end + 4, 8, what.information);
    end += 12;
  }
  if (is_key_specific(what)) {
    end[0] = kKeySpecificDescriptor;
    end[1] = 6;
    put_key_specific(end + 4, what);
    end += 8;
  }
  end = put_copy_descriptors(end, what);
  sense[7] = static_cast<uint8_t>(end - sense - 8);
  return static_cast<uint32_t>(end - sense);
}

}  // namespace

Sense read_fixed_sense(const uint8_t* sense) {
  constexpr uint8_t kKeyMask = 0x0f, kBitMask = 0x07, kNotReady = 2, kIllegalRequest = 5;
  Sense read(SenseCode{static_cast<uint8_t>(sense[2] & kKeyMask), sense[12], sense[13]});
  if ((sense[0] & kValid) != 0) {
    read.has_information = true;
    for (int i = 3; i < 7; ++i)
      read.information = read.information << 8 | sense[i];
  }
  if ((sense[15] & kValid) == 0) return read;
  const auto number = static_cast<uint16_t>(sense[16] << 8 | sense[17]);
  read.has_progress = read.code.key == kNotReady;
  if (read.has_progress) read.progress = number;
  // With another key these bytes mean something else.
  if (read.code.key != kIllegalRequest) return read;
  read.field.place = (sense[15] & kInCdb) != 0 ? FieldPointer::kCdb : FieldPointer::kParameters;
  if ((sense[15] & kBitIsValid) != 0) read.field.bit = sense[15] & kBitMask;
  read.field.byte = number;
  return read;
}

uint32_t put_sense(uint8_t* sense, const Sense& what, bool descriptor_format) {
  return descriptor_format ? put_descriptors(sense, what) : put_fixed(sense, what);
}

}  // namespace chiscsi
