// SPDX-License-Identifier: GPL-2.0-only
//
// SenseCode: sense key, additional sense code and its qualifier; Sense: that and what belongs to
// it, which is the field that is wrong and the block that is meant (SPC-5 section 4.4).
#pragma once

#include <cstdint>

namespace chiscsi {

struct SenseCode {
  uint8_t key;
  uint8_t asc;
  uint8_t ascq;

  bool operator==(const SenseCode& other) const {
    return key == other.key && asc == other.asc && ascq == other.ascq;
  }
};

// Which bit of the CDB or of the parameter data is wrong.
struct FieldPointer {
  enum Place : uint8_t { kNowhere, kCdb, kParameters };
  static constexpr uint8_t kWholeByte = 8;

  Place place = kNowhere;
  uint8_t bit = kWholeByte;  // The highest bit of the field, or kWholeByte.
  uint16_t byte = 0;
};

struct Sense {
  constexpr Sense() : code{0, 0, 0} {}
  // A code says enough in most cases.
  constexpr Sense(SenseCode plain) : code(plain) {}  // NOLINT: implicit on purpose.

  constexpr bool is_good() const { return code.key == 0; }

  SenseCode code;
  FieldPointer field;
  bool has_information = false;
  uint64_t information = 0;  // For instance the block that cannot be read.
};

// ILLEGAL REQUEST: INVALID FIELD IN CDB, INVALID FIELD IN PARAMETER LIST.
constexpr Sense wrong_cdb_field(uint16_t byte, uint8_t bit = FieldPointer::kWholeByte) {
  Sense sense(SenseCode{0x05, 0x24, 0x00});
  sense.field = {FieldPointer::kCdb, bit, byte};
  return sense;
}
constexpr Sense wrong_parameter(uint16_t byte, uint8_t bit = FieldPointer::kWholeByte) {
  Sense sense(SenseCode{0x05, 0x26, 0x00});
  sense.field = {FieldPointer::kParameters, bit, byte};
  return sense;
}

inline constexpr uint32_t kFixedSenseSize = 18;
inline constexpr uint32_t kMaxSenseSize = 28;  // Descriptor format with two descriptors.
// Writes sense data of the current command and returns its size, at most kMaxSenseSize.
uint32_t put_sense(uint8_t* sense, const Sense& what, bool descriptor_format);

// What sense data in fixed format of a current command says; `sense` has kFixedSenseSize bytes.
Sense read_fixed_sense(const uint8_t* sense);

}  // namespace chiscsi
