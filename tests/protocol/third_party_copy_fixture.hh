// SPDX-License-Identifier: GPL-2.0-only
//
// EXTENDED COPY and RECEIVE COPY RESULTS, as the tests of third-party copies send them.
#pragma once

#include <gtest/gtest.h>

#include "copy_lists.hh"
#include "initiator.hh"

namespace chiscsi::test {

inline constexpr uint8_t kCopyAborted = 0x0a;

inline ByteVector copy_cdb(size_t length) {
  ByteVector cdb(16);
  cdb[0] = 0x83;
  CopyListBytes::put(cdb, 10, 4, length);
  return cdb;
}

inline ByteVector results_cdb(uint8_t action, uint8_t list_id, uint32_t length = 1024) {
  ByteVector cdb(16);
  cdb[0] = 0x84;
  cdb[1] = action;
  cdb[2] = list_id;
  CopyListBytes::put(cdb, 10, 4, length);
  return cdb;
}

inline uint64_t number(const ByteVector& bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value = value << 8 | bytes.at(at + i);
  return value;
}

inline Outcome copy(Initiator& who, const CopyListBytes& list, uint64_t lun = 0) {
  return who.write(copy_cdb(list.bytes.size()), list.bytes, {}, lun);
}

// The command alone, to be waited for: it has had its data.
inline Pdu begin_copy(Initiator& who, const CopyListBytes& list, uint64_t lun = 0) {
  Pdu command =
      who.make_command(copy_cdb(list.bytes.size()), static_cast<uint32_t>(list.bytes.size()),
                       iscsi::kCommandWrite, lun);
  command.data = list.bytes;
  EXPECT_TRUE(who.send(command));
  command.data.clear();
  return command;
}

// The n-th designator of the device identification page.
inline ByteVector designator(Initiator& who, uint64_t lun, size_t n = 0) {
  const ByteVector page = who.read({0x12, 1, 0x83, 4, 0, 0}, 1024, lun).data;
  size_t at = 4;
  for (size_t i = 0; i < n; ++i)
    at += 4u + page.at(at + 3);
  return {page.begin() + static_cast<long>(at + 4),
          page.begin() + static_cast<long>(at + 4 + page.at(at + 3))};
}

// With LUN 0 and LUN 1 as its targets.
inline CopyListBytes list_of_two(Initiator& who, uint32_t first_size = 512,
                                 uint32_t second_size = 512) {
  CopyListBytes list;
  list.target(designator(who, 0), first_size);
  list.target(designator(who, 1), second_size);
  return list;
}

// Segment number, and whose sense data follows: bytes 8 to 11 of the sense data.
inline uint16_t segment_in(const Outcome& outcome) {
  return static_cast<uint16_t>(number(outcome.sense, 10, 2));
}

}  // namespace chiscsi::test
