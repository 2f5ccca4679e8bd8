// SPDX-License-Identifier: GPL-2.0-only
//
// SenseCode: sense key, additional sense code and its qualifier; Sense: that and what belongs to
// it, which is the field that is wrong, the block that is meant, how far something is, and where a
// third-party copy has failed (SPC-5 section 4.4).
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

// Which bit of the CDB or of the parameter data is wrong; of a segment descriptor of a third-party
// copy it is counted from the beginning of that.
struct FieldPointer {
  enum Place : uint8_t { kNowhere, kCdb, kParameters, kSegment };
  static constexpr uint8_t kWholeByte = 8;

  Place place = kNowhere;
  uint8_t bit = kWholeByte;  // The highest bit of the field, or kWholeByte.
  uint16_t byte = 0;
};

// How a device that takes part in a third-party copy has answered the copy manager.
struct ForwardedSense {
  enum From : uint8_t { kNobody, kSource, kDestination };
  From from = kNobody;
  uint8_t status = 0;
  SenseCode code{0, 0, 0};  // With CHECK CONDITION.
};

struct Sense {
  constexpr Sense() : code{0, 0, 0} {}
  // A code says enough in most cases.
  constexpr Sense(SenseCode plain) : code(plain) {}  // NOLINT: implicit on purpose.

  constexpr bool is_good() const { return code.key == 0; }

  SenseCode code;
  FieldPointer field;
  bool has_progress = false;  // Of what makes the unit not ready.
  uint16_t progress = 0;      // In 65536ths.
  bool has_information = false;
  uint64_t information = 0;  // For instance the block that cannot be read.
  // Of COPY ABORTED.
  bool has_segment = false;
  uint16_t segment = 0;  // The one that was processed.
  ForwardedSense forwarded;
};

// ILLEGAL REQUEST: INVALID FIELD IN CDB, INVALID FIELD IN PARAMETER LIST.
constexpr Sense wrong_cdb_field(uint16_t byte, uint8_t bit = FieldPointer::kWholeByte) {
  Sense sense(SenseCode{0x05, 0x24, 0x00});
  sense.field = {FieldPointer::kCdb, bit, byte};
  return sense;
}
// Points at the highest of them. Precondition: there is one.
constexpr Sense wrong_cdb_bits(uint16_t byte, uint8_t bits) {
  uint8_t highest = 7;
  while ((bits >> highest & 1) == 0)
    --highest;
  return wrong_cdb_field(byte, highest);
}
constexpr Sense wrong_parameter(uint16_t byte, uint8_t bit = FieldPointer::kWholeByte) {
  Sense sense(SenseCode{0x05, 0x26, 0x00});
  sense.field = {FieldPointer::kParameters, bit, byte};
  return sense;
}

// NOT READY: LOGICAL UNIT NOT READY, SANITIZE IN PROGRESS.
constexpr Sense sanitize_in_progress(uint16_t progress) {
  Sense sense(SenseCode{0x02, 0x04, 0x1b});
  sense.has_progress = true;
  sense.progress = progress;
  return sense;
}

inline constexpr uint32_t kFixedSenseSize = 18;
inline constexpr uint32_t kMaxSenseSize = 62;  // Descriptor format with four descriptors.
// Writes sense data of the current command and returns its size, at most kMaxSenseSize.
uint32_t put_sense(uint8_t* sense, const Sense& what, bool descriptor_format);

// What sense data in fixed format of a current command says; `sense` has kFixedSenseSize bytes.
Sense read_fixed_sense(const uint8_t* sense);

}  // namespace chiscsi
