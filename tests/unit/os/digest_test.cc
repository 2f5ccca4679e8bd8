// SPDX-License-Identifier: GPL-2.0-only
//
// Digests of the POSIX port against published vectors: CRC32C from RFC 7143 appendix A.4, hashes
// from their standards.
#include "os/digest.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "host.hh"

namespace {

using Bytes = std::vector<uint8_t>;

// The digest as the RFC prints it: the four bytes in their order on the wire.
std::string crc_on_the_wire(const Bytes& data) {
  const uint32_t crc = ~os_crc32c(~0u, data.data(), data.size());
  char text[16];
  snprintf(text, sizeof(text), "%02x%02x%02x%02x", crc & 0xff, (crc >> 8) & 0xff,
           (crc >> 16) & 0xff, crc >> 24);
  return text;
}

Bytes counting(int first, int step) {
  Bytes data(32);
  for (int i = 0; i < 32; ++i)
    data[static_cast<size_t>(i)] = static_cast<uint8_t>(first + i * step);
  return data;
}

TEST(OsCrc32c, MatchesTheExamplesOfTheRfc) {
  EXPECT_EQ(crc_on_the_wire(Bytes(32, 0)), "aa36918a");
  EXPECT_EQ(crc_on_the_wire(Bytes(32, 0xff)), "43aba862");
  EXPECT_EQ(crc_on_the_wire(counting(0, 1)), "4e79dd46");
  EXPECT_EQ(crc_on_the_wire(counting(31, -1)), "5cdb3f11");
  Bytes pdu(48, 0);  // An iSCSI SCSI READ (10) Command PDU.
  const uint8_t used[][2] = {{0, 0x01},  {1, 0xc0},  {16, 0x14}, {22, 0x04},
                             {27, 0x14}, {31, 0x18}, {32, 0x28}, {40, 0x02}};
  for (const auto& entry : used)
    pdu[entry[0]] = entry[1];
  EXPECT_EQ(crc_on_the_wire(pdu), "563a96d9");
}

TEST(OsCrc32c, ContinuesAndAgreesWithTheTable) {
  Bytes data(300);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<uint8_t>(i * 7 + (i >> 3));
  for (size_t cut = 0; cut <= 20; ++cut) {
    const uint32_t head = os_crc32c(~0u, data.data(), cut);
    const uint32_t both = os_crc32c(head, data.data() + cut, data.size() - cut);
    EXPECT_EQ(both, os_crc32c(~0u, data.data(), data.size()));
    EXPECT_EQ(both, host_crc32c_by_table(~0u, data.data(), data.size()));
  }
  EXPECT_EQ(os_crc32c(5, nullptr, 0), 5u);
}

std::string hash(int algorithm, const std::vector<std::string>& parts) {
  std::vector<os_hash_part> list;
  for (const std::string& part : parts)
    list.push_back({part.data(), part.size()});
  uint8_t digest[OS_HASH_MAX_SIZE] = {};
  if (os_hash(algorithm, list.data(), list.size(), digest) != 0) return "error";
  std::string text;
  for (size_t i = 0; i < os_hash_size(algorithm); ++i) {
    char byte[3];
    snprintf(byte, sizeof(byte), "%02x", digest[i]);
    text += byte;
  }
  return text;
}

TEST(OsHash, MatchesKnownDigestsOfAbc) {
  EXPECT_EQ(hash(OS_HASH_MD5, {"abc"}), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hash(OS_HASH_SHA1, {"abc"}), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hash(OS_HASH_SHA256, {"abc"}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash(OS_HASH_SHA3_256, {"abc"}),
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
}

TEST(OsHash, JoinsItsParts) {
  EXPECT_EQ(hash(OS_HASH_SHA256, {"a", "", "bc"}), hash(OS_HASH_SHA256, {"abc"}));
  EXPECT_EQ(hash(OS_HASH_MD5, {}), "d41d8cd98f00b204e9800998ecf8427e");
}

TEST(OsHash, UnknownAlgorithmsAreNotOffered) {
  uint8_t digest[OS_HASH_MAX_SIZE];
  for (int algorithm : {0, 4, 9, 99, -1}) {
    EXPECT_EQ(os_hash_size(algorithm), 0u);
    EXPECT_LT(os_hash(algorithm, nullptr, 0, digest), 0);
  }
}

TEST(OsHash, MayBeMissingAsInFipsMode) {
  host_set_hash_missing(OS_HASH_MD5, true);
  EXPECT_EQ(os_hash_size(OS_HASH_MD5), 0u);
  EXPECT_EQ(os_hash_size(OS_HASH_SHA256), 32u);
  host_set_hash_missing(OS_HASH_MD5, false);
  EXPECT_EQ(os_hash_size(OS_HASH_MD5), 16u);
}

}  // namespace
