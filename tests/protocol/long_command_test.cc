// SPDX-License-Identifier: GPL-2.0-only
//
// 32-byte CDBs over the wire, over each kind of the built-in classes: data, the edge of the medium,
// reservations, and where what is wrong with them is told.
#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint16_t kRead32 = 9, kVerify32 = 10, kWrite32 = 11, kWriteAndVerify32 = 12,
                   kWriteSame32 = 13;

class LongCommands : public StorageOfEachKind {
 protected:
  static ByteVector cdb32(uint16_t action, uint64_t first, uint32_t count, uint8_t options = 0) {
    const ByteVector shorter = cdb16(0, first, count);
    ByteVector cdb(32);
    cdb[0] = 0x7f;
    cdb[7] = 0x18;
    cdb[9] = static_cast<uint8_t>(action);
    cdb[10] = options;
    std::copy(shorter.begin() + 2, shorter.begin() + 10, cdb.begin() + 12);
    std::copy(shorter.begin() + 10, shorter.begin() + 14, cdb.begin() + 28);
    return cdb;
  }
};
INSTANTIATE_TEST_SUITE_P(, LongCommands, testing::Values("MEM", "FILE", "BLK"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(LongCommands, ReadsAndWrites) {
  start_one();
  ByteVector data = pattern(600 * kBlock);
  EXPECT_TRUE(peer->write(cdb32(kWrite32, 5, 600), data).good());
  EXPECT_EQ(read(5, 600), data);
  EXPECT_EQ(peer->read(cdb32(kRead32, 5, 600, 0x18), 600 * kBlock).data, data);
  const ByteVector fresh = pattern(8 * kBlock, 2);
  EXPECT_TRUE(peer->write(cdb32(kWriteAndVerify32, 100, 8, 0x02), fresh).good());
  std::copy(fresh.begin(), fresh.end(), data.begin() + 95 * kBlock);
  EXPECT_EQ(read(5, 600), data);
  // Immediate data, and an R2T for the rest.
  EXPECT_TRUE(peer->write(cdb32(kWrite32, 0, 600, 0x08), data, {4096, 8192}).good());
  EXPECT_EQ(read(0, 600), data);
}

TEST_P(LongCommands, VerifyCompares) {
  start_one();
  const ByteVector data = pattern(64 * kBlock);
  ASSERT_TRUE(write(9, data).good());
  EXPECT_TRUE(peer->no_data(cdb32(kVerify32, 9, 64)).good());
  EXPECT_TRUE(peer->write(cdb32(kVerify32, 9, 64, 0x02), data).good());
  ByteVector other = data;
  other[7000] ^= 1;
  expect_sense(peer->write(cdb32(kVerify32, 9, 64, 0x02), other), 0x0e, 0x1d);
}

TEST_P(LongCommands, WriteSameRepeatsItsBlockAndUnmaps) {
  start_one(",THIN");
  const ByteVector block = pattern(kBlock);
  EXPECT_TRUE(peer->write(cdb32(kWriteSame32, 10, 100), block).good());
  ByteVector expected;
  for (int i = 0; i < 100; ++i)
    expected = join(expected, block);
  EXPECT_EQ(read(10, 100), expected);
  EXPECT_TRUE(peer->no_data(cdb32(kWriteSame32, 20, 10, 0x01)).good());  // NDOB
  std::fill(expected.begin() + 10 * kBlock, expected.begin() + 20 * kBlock, uint8_t{0});
  EXPECT_EQ(read(10, 100), expected);
  EXPECT_TRUE(peer->write(cdb32(kWriteSame32, 0, 4096, 0x08), ByteVector(kBlock)).good());
  EXPECT_EQ(read(10, 100), ByteVector(100 * kBlock));
}

TEST_P(LongCommands, TheEndOfTheMediumIsTheirsToo) {
  start_one();
  const uint64_t end = kSize / kBlock;
  EXPECT_TRUE(peer->read(cdb32(kRead32, end - 1, 1), kBlock).good());
  EXPECT_TRUE(peer->no_data(cdb32(kRead32, end, 0)).good());
  expect_sense(peer->read(cdb32(kRead32, end, 1), kBlock), 5, 0x21);
  expect_sense(peer->read(cdb32(kRead32, ~uint64_t{0}, 1), kBlock), 5, 0x21);
  expect_sense(peer->write(cdb32(kWrite32, end - 1, 2), ByteVector(2 * kBlock)), 5, 0x21);
}

TEST_P(LongCommands, WhatIsWrongIsPointedAt) {
  start_one();
  ByteVector cdb = cdb32(kRead32, 0, 1, 0x20);  // RDPROTECT
  expect_pointer(peer->read(cdb, kBlock), 10, 7);
  cdb = cdb32(kRead32, 0, 1);
  cdb[1] = 0x04;  // NACA
  expect_pointer(peer->read(cdb, kBlock), 1, 2);
  cdb[1] = 0;
  cdb[7] = 0x14;
  expect_pointer(peer->read(cdb, kBlock), 7);
  expect_pointer(peer->read(cdb32(0x12, 0, 1), kBlock), 8);  // GET LBA STATUS(32)
  expect_pointer(peer->write(cdb32(kVerify32, 0, 1, 0x06), ByteVector(kBlock)), 10, 2);
  cdb = cdb32(kWrite32, 0, 1);
  cdb[3] = 0x1f;
  expect_pointer(peer->write(cdb, pattern(kBlock)), 3, 4);
  cdb[3] = 0;
  cdb[11] = 1;
  expect_pointer(peer->write(cdb, pattern(kBlock)), 11, 0);
  cdb[11] = 0;
  cdb[6] = 0x80;
  expect_pointer(peer->write(cdb, pattern(kBlock)), 6, 7);
  EXPECT_EQ(read(0, 1), ByteVector(kBlock));
  // Tags mean nothing where there is no protection information.
  cdb = cdb32(kRead32, 0, 1);
  std::fill(cdb.begin() + 20, cdb.begin() + 28, uint8_t{0xff});
  EXPECT_TRUE(peer->read(cdb, kBlock).good());
}

TEST_P(LongCommands, NoTruncatedCdbIsRun) {
  start_one();
  ByteVector cdb = cdb32(kWriteSame32, 0, 1, 0x01);
  cdb.resize(16);
  expect_pointer(peer->no_data(cdb), 7);
  cdb = cdb32(kWriteSame32, 0, 1, 0x01);
  cdb.resize(36);
  expect_pointer(peer->no_data(cdb), 7);
  // A READ(16) with something behind it.
  cdb = cdb16(0x88, 0, 1);
  cdb.resize(20);
  expect_pointer(peer->read(cdb, kBlock), 0);
}

TEST_P(LongCommands, AReadOnlyUnitIsNotWritten) {
  start_one(",RO");
  expect_sense(peer->write(cdb32(kWrite32, 0, 1), ByteVector(kBlock)), 7, 0x27);
  expect_sense(peer->no_data(cdb32(kWriteSame32, 0, 1, 0x01)), 7, 0x27);
  EXPECT_TRUE(peer->read(cdb32(kRead32, 0, 1), kBlock).good());
}

TEST_P(LongCommands, ReservationsHoldForThem) {
  start_one();
  auto other = log_in(2);
  ByteVector parameters(24);
  parameters[15] = 1;  // The key.
  ASSERT_TRUE(other->write({0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0}, parameters).good());
  parameters[7] = 1;
  ASSERT_TRUE(other->write({0x5f, 1, 1, 0, 0, 0, 0, 0, 24, 0}, parameters).good());
  EXPECT_EQ(peer->write(cdb32(kWrite32, 0, 1), ByteVector(kBlock)).status, 0x18);
  EXPECT_TRUE(peer->read(cdb32(kRead32, 0, 1), kBlock).good());
  EXPECT_TRUE(other->write(cdb32(kWrite32, 0, 1), pattern(kBlock)).good());
}

}  // namespace
}  // namespace chiscsi::test
