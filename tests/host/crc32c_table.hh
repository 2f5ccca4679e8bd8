// SPDX-License-Identifier: GPL-2.0-only
//
// CRC32C a byte at a time, for programs of the tests on a CPU without an instruction for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace chiscsi::test {

constexpr std::array<uint32_t, 256> make_crc32c_table() {
  constexpr uint32_t kCastagnoli = 0x82f63b78;  // Reflected.
  std::array<uint32_t, 256> table = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCastagnoli : 0);
    table[byte] = crc;
  }
  return table;
}
inline constexpr std::array<uint32_t, 256> kCrc32cTable = make_crc32c_table();

// Continues `crc`, which starts as ~0 and is inverted at the end.
constexpr uint32_t crc32c_by_table(uint32_t crc, const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; ++i)
    crc = (crc >> 8) ^ kCrc32cTable[(crc ^ data[i]) & 0xff];
  return crc;
}

}  // namespace chiscsi::test
