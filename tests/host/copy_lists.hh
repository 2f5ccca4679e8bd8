// SPDX-License-Identifier: GPL-2.0-only
//
// Parameter lists of EXTENDED COPY(LID1) for tests, built byte by byte without the code under test.
#pragma once

#include <cstdint>
#include <vector>

namespace chiscsi::test {

struct CopyListBytes {
  using ByteVector = std::vector<uint8_t>;

  ByteVector bytes = ByteVector(16);

  static void put(ByteVector& to, size_t at, size_t size, uint64_t value) {
    for (size_t i = 0; i < size; ++i)
      to[at + i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
  }
  // Target descriptors come first; returns the offset of the new one.
  size_t target(const ByteVector& designator, uint32_t block_size = 512, bool pads = false,
                uint8_t code_set = 1, uint8_t kind = 3) {
    ByteVector descriptor(32);
    descriptor[0] = 0xe4;
    descriptor[4] = code_set;
    descriptor[5] = kind;
    descriptor[7] = static_cast<uint8_t>(designator.size());
    for (size_t i = 0; i < designator.size() && i < 20; ++i)
      descriptor[8 + i] = designator[i];
    descriptor[28] = pads ? 4 : 0;
    put(descriptor, 29, 3, block_size);
    targets += 32;
    put(bytes, 2, 2, targets);
    return append(descriptor);
  }
  size_t segment(uint16_t source, uint16_t destination, uint16_t blocks, uint64_t from, uint64_t to,
                 uint8_t flags = 0) {
    ByteVector descriptor(28);
    descriptor[0] = 0x02;
    descriptor[1] = flags;  // DC 2, CAT 1.
    put(descriptor, 2, 2, 24);
    put(descriptor, 4, 2, source);
    put(descriptor, 6, 2, destination);
    put(descriptor, 10, 2, blocks);
    put(descriptor, 12, 8, from);
    put(descriptor, 20, 8, to);
    segments += 28;
    put(bytes, 8, 4, segments);
    return append(descriptor);
  }
  CopyListBytes& id(uint8_t number, uint8_t usage = 0) {
    bytes[0] = number;
    bytes[1] = static_cast<uint8_t>(usage << 3);
    return *this;
  }

  uint32_t targets = 0;   // Bytes.
  uint32_t segments = 0;  // Bytes.

 private:
  size_t append(const ByteVector& descriptor) {
    bytes.insert(bytes.end(), descriptor.begin(), descriptor.end());
    return bytes.size() - descriptor.size();
  }
};

}  // namespace chiscsi::test
