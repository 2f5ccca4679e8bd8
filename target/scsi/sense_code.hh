// SPDX-License-Identifier: GPL-2.0-only
//
// SenseCode: sense key, additional sense code and its qualifier (SPC-5 section 4.4).
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

inline constexpr uint32_t kFixedSenseSize = 18;
// Writes sense data in fixed format, kFixedSenseSize bytes, of the current command.
void put_fixed_sense(uint8_t* sense, SenseCode code);

}  // namespace chiscsi
