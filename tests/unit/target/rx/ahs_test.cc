// SPDX-License-Identifier: GPL-2.0-only
//
// Additional header segments taken apart (RFC 7143 section 11.2.2): every length that lies about
// what follows is refused, and nothing is read beyond what was received.
#include "target/rx/ahs.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace chiscsi::test {
namespace {

using ByteVector = std::vector<uint8_t>;

// A segment whose length field says `length`, with `size` bytes after the type, padded to words.
ByteVector segment(uint8_t type, size_t length, size_t size) {
  ByteVector bytes = {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), type};
  for (size_t i = 0; i < size; ++i)
    bytes.push_back(i == 0 ? 0 : static_cast<uint8_t>(i));
  while (bytes.size() % 4 != 0)
    bytes.push_back(0xee);
  return bytes;
}
ByteVector segment(uint8_t type, size_t length) { return segment(type, length, length); }

ByteVector operator+(ByteVector a, const ByteVector& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Parsed {
  bool good = false;
  ByteVector cdb_rest;
  bool has_read_length = false;
  uint32_t read_length = 0;
};

Parsed parse(const ByteVector& bytes) {
  // Memory of exactly this size, so that a sanitizer sees a read beyond it.
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  rx::AhsContent content;
  Parsed parsed;
  parsed.good = rx::parse_ahs(Bytes(exact.get(), bytes.size()), &content);
  parsed.cdb_rest.assign(content.cdb_rest.begin(), content.cdb_rest.end());
  parsed.has_read_length = content.has_read_length;
  parsed.read_length = content.read_length;
  return parsed;
}

bool is_good(const ByteVector& bytes) { return parse(bytes).good; }

TEST(Ahs, NothingIsNothing) {
  const Parsed content = parse({});
  EXPECT_TRUE(content.good);
  EXPECT_TRUE(content.cdb_rest.empty());
  EXPECT_FALSE(content.has_read_length);
}

TEST(Ahs, GivesTheRestOfACdb) {
  for (const size_t cdb : {17u, 18u, 19u, 20u, 32u, 259u, 260u}) {
    const Parsed content = parse(segment(1, cdb - 15));
    ASSERT_TRUE(content.good) << cdb;
    ASSERT_EQ(content.cdb_rest.size(), cdb - 16);
    EXPECT_EQ(content.cdb_rest[0], 1);
    EXPECT_EQ(content.cdb_rest[cdb - 17], static_cast<uint8_t>(cdb - 16));
  }
}

TEST(Ahs, RefusesCdbsThatAreTooShortOrTooLong) {
  EXPECT_FALSE(is_good(segment(1, 0)));
  EXPECT_FALSE(is_good(segment(1, 1)));
  EXPECT_FALSE(is_good(segment(1, 261 - 15)));
}

TEST(Ahs, RefusesLengthsBeyondWhatWasReceived) {
  // 17 bytes are there; 14 to 17 fill the same words.
  for (size_t length = 14; length <= 0xffff; length = length < 300 ? length + 1 : length * 2 + 1) {
    EXPECT_EQ(is_good(segment(1, length, 17)), length <= 17) << length;
  }
  EXPECT_FALSE(is_good({0}));
  EXPECT_FALSE(is_good({0, 1}));
  EXPECT_FALSE(is_good({0, 1, 1}));
}

TEST(Ahs, GivesTheReadLengthOfABidirectionalCommand) {
  const Parsed content = parse({0, 5, 2, 0, 0x12, 0x34, 0x56, 0x78});
  ASSERT_TRUE(content.good);
  EXPECT_TRUE(content.has_read_length);
  EXPECT_EQ(content.read_length, 0x12345678u);
  for (const size_t length : {0, 1, 4, 6, 8})
    EXPECT_FALSE(is_good(segment(2, length)));
}

TEST(Ahs, PassesOverTypesItDoesNotKnow) {
  for (uint8_t type = 0; type < 64; ++type) {
    if (type == 1 || type == 2) continue;
    for (const size_t length : {0u, 1u, 2u, 5u, 64u}) {
      const Parsed content = parse(segment(type, length) + segment(1, 17));
      ASSERT_TRUE(content.good);
      EXPECT_EQ(content.cdb_rest.size(), 16u);
    }
  }
}

TEST(Ahs, TakesSeveralSegmentsAndRefusesRepeatedOnes) {
  const Parsed content = parse(segment(2, 5) + segment(1, 3));
  ASSERT_TRUE(content.good);
  EXPECT_TRUE(content.has_read_length);
  EXPECT_EQ(content.cdb_rest.size(), 2u);
  EXPECT_FALSE(is_good(segment(1, 3) + segment(1, 3)));
  EXPECT_FALSE(is_good(segment(2, 5) + segment(2, 5)));
  // The second one is cut.
  EXPECT_FALSE(is_good(segment(2, 5) + ByteVector{0, 9, 1, 0}));
}

TEST(Ahs, ReservedBitsOfTheTypeDoNotCount) {
  const Parsed content = parse(segment(0xc1, 17));
  ASSERT_TRUE(content.good);
  EXPECT_EQ(content.cdb_rest.size(), 16u);
}

}  // namespace
}  // namespace chiscsi::test
