// SPDX-License-Identifier: GPL-2.0-only
//
// A segment is a length of two bytes, a type, and that many bytes; it is padded to words. The outer
// bound is checked before a segment is looked at, and its own length before its content.
#include "target/rx/ahs.hh"

#include "base/endian.hh"
#include "iscsi/opcodes.hh"

namespace chiscsi::rx {

namespace {

constexpr size_t kAhsHeader = 3;  // Length and type.
constexpr size_t kAhsWord = 4;
// The length of an extended CDB counts one reserved byte, that of a read length the same.
constexpr uint32_t kAhsLongestCdb = iscsi::kMaxCdbSize - iscsi::kBhsCdbSize + 1;
constexpr uint32_t kAhsReadLength = 5;

uint32_t get_be32(Bytes bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

// `body` is what the length covers: a reserved byte and the value.
bool take_segment(uint8_t type, Bytes body, AhsContent* content) {
  if (type == iscsi::kAhsExtendedCdb) {
    if (body.size() < 2 || body.size() > kAhsLongestCdb || !content->cdb_rest.empty()) return false;
    content->cdb_rest = body.skip(1);
  } else if (type == iscsi::kAhsBidiReadLength) {
    if (body.size() != kAhsReadLength || content->has_read_length) return false;
    content->has_read_length = true;
    content->read_length = get_be32(body.skip(1));
  }
  return true;
}

}  // namespace

bool parse_ahs(Bytes ahs, AhsContent* content) {
  *content = AhsContent();
  while (!ahs.empty()) {
    if (ahs.size() < kAhsWord) return false;
    const size_t length = static_cast<size_t>(ahs[0]) << 8 | ahs[1];
    if (length > ahs.size() - kAhsHeader) return false;
    const uint8_t type = ahs[2] & iscsi::kAhsTypeMask;
    if (!take_segment(type, ahs.slice(kAhsHeader, length), content)) return false;
    ahs = ahs.skip((kAhsHeader + length + kAhsWord - 1) / kAhsWord * kAhsWord);
  }
  return true;
}

}  // namespace chiscsi::rx
