// SPDX-License-Identifier: GPL-2.0-only
//
// Sense data in both formats (SPC-5 sections 4.4.2 and 4.4.3).
#include "target/scsi/sense_code.hh"

namespace chiscsi {

namespace {

constexpr uint8_t kFixedFormat = 0x70, kDescriptorFormat = 0x72;
constexpr uint8_t kValid = 0x80;  // Of the information, and of what is specific to the sense key.
constexpr uint8_t kInCdb = 0x40, kBitIsValid = 0x08;
constexpr uint8_t kInformationDescriptor = 0x00, kKeySpecificDescriptor = 0x02;

void put_number(uint8_t* to, uint32_t size, uint64_t value) {
  for (uint32_t i = 0; i < size; ++i)
    to[i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
}

// Three bytes (SPC-5 section 4.4.2.4.2).
void put_field_pointer(uint8_t* to, const FieldPointer& field) {
  const bool has_bit = field.bit < FieldPointer::kWholeByte;
  to[0] = static_cast<uint8_t>(kValid | (field.place == FieldPointer::kCdb ? kInCdb : 0) |
                               (has_bit ? kBitIsValid | field.bit : 0));
  put_number(to + 1, 2, field.byte);
}

uint32_t put_fixed(uint8_t* sense, const Sense& what) {
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
  if (what.field.place != FieldPointer::kNowhere) put_field_pointer(sense + 15, what.field);
  return kFixedSenseSize;
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
  if (what.field.place != FieldPointer::kNowhere) {
    end[0] = kKeySpecificDescriptor;
    end[1] = 6;
    put_field_pointer(end + 4, what.field);
    end += 8;
  }
  sense[7] = static_cast<uint8_t>(end - sense - 8);
  return static_cast<uint32_t>(end - sense);
}

}  // namespace

Sense read_fixed_sense(const uint8_t* sense) {
  constexpr uint8_t kKeyMask = 0x0f, kBitMask = 0x07, kIllegalRequest = 5;
  Sense read(SenseCode{static_cast<uint8_t>(sense[2] & kKeyMask), sense[12], sense[13]});
  if ((sense[0] & kValid) != 0) {
    read.has_information = true;
    for (int i = 3; i < 7; ++i)
      read.information = read.information << 8 | sense[i];
  }
  // With another key these bytes mean something else.
  if ((sense[15] & kValid) == 0 || read.code.key != kIllegalRequest) return read;
  read.field.place = (sense[15] & kInCdb) != 0 ? FieldPointer::kCdb : FieldPointer::kParameters;
  if ((sense[15] & kBitIsValid) != 0) read.field.bit = sense[15] & kBitMask;
  read.field.byte = static_cast<uint16_t>(sense[16] << 8 | sense[17]);
  return read;
}

uint32_t put_sense(uint8_t* sense, const Sense& what, bool descriptor_format) {
  return descriptor_format ? put_descriptors(sense, what) : put_fixed(sense, what);
}

}  // namespace chiscsi
