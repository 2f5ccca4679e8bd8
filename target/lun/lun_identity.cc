// SPDX-License-Identifier: GPL-2.0-only
//
// LunIdentity: given or derived. See lun_identity.hh.
#include "target/lun/lun_identity.hh"

#include "base/hash.hh"

namespace chiscsi {

namespace {

constexpr uint8_t kNaaLocallyAssigned = 3;
constexpr size_t kNaaDigits = 16;

// Who can choose names can choose WWN= as well, so nothing stronger is needed.
uint64_t hash(uint64_t start, Text text) {
  constexpr uint8_t kEnd[] = {0xff};  // So that "a","bc" differs from "ab","c".
  return fnv1a(kEnd, fnv1a(text.bytes(), start));
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The eight-byte forms of NAA (SPC-5 section 7.7.6.6): 2 and 5 are IEEE's, 3 is assigned locally.
bool is_short_naa(uint64_t value) {
  const uint64_t form = value >> 60;
  return form == 2 || form == 3 || form == 5;
}

bool parse_naa(Text text, uint64_t* value) {
  if (text.size() != kNaaDigits) return false;
  *value = 0;
  for (const char c : text) {
    const int digit = digit_value(c);
    if (digit < 0) return false;
    *value = *value << 4 | static_cast<uint64_t>(digit);
  }
  return is_short_naa(*value);
}

void put_hex(uint64_t value, char* digits) {
  for (size_t i = 0; i < kNaaDigits; ++i) {
    digits[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 0xf];
  }
}

}  // namespace

LunIdentity identify_lun(Text target_name, const TargetDeviceSettings& device) {
  LunIdentity identity;
  const uint64_t derived = device.wwn.empty() ? hash(hash(kFnvStart, target_name), device.name)
                                              : hash(kFnvStart, device.wwn);
  uint64_t naa;
  if (!parse_naa(device.wwn, &naa)) {
    naa = (derived & ~(uint64_t{0xf} << 60)) | uint64_t{kNaaLocallyAssigned} << 60;
  }
  for (size_t i = 0; i < sizeof(identity.naa); ++i)
    identity.naa[i] = static_cast<uint8_t>(naa >> (56 - 8 * i));
  char digits[kNaaDigits];
  put_hex(naa, digits);
  const Text naa_text(digits, sizeof(digits));
  identity.serial_is_given = !device.sn.empty();
  identity.serial.assign(device.sn.empty() ? naa_text : device.sn);
  identity.vendor_text.assign(device.id.empty() ? naa_text : device.id);
  return identity;
}

}  // namespace chiscsi
