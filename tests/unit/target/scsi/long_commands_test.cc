// SPDX-License-Identifier: GPL-2.0-only
//
// 32-byte CDBs: which 16-byte CDB each becomes, byte by byte, what is refused and where it points
// to, and how REPORT SUPPORTED OPERATION CODES shows them.
#include "target/scsi/long_commands.hh"

#include <random>

#include "question_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

constexpr uint16_t kRead32 = 9, kVerify32 = 10, kWrite32 = 11, kWriteAndVerify32 = 12,
                   kWriteSame32 = 13;

// LUN 0 runs what every class runs, LUN 1 also what long commands ask for but UNMAP, LUN 2 that,
// too; its medium is removable.
class LongCommandTest : public QuestionFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(change_to({"a,FULL", "b,FULL", "c,FULL"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = 1000;
    given.block_size = 512;
    ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
    given.commands = CHISCSI_LUN_RUNS_WRITE_SAME | CHISCSI_LUN_RUNS_BYTCHK;
    ASSERT_TRUE(map()->find(1)->set_geometry(given).is_ok());
    given.commands |= CHISCSI_LUN_RUNS_UNMAP;
    given.max_unmap_blocks = given.max_unmap_ranges = 4;
    given.flags = CHISCSI_LUN_REMOVABLE;
    ASSERT_TRUE(map()->find(2)->set_geometry(given).is_ok());
  }
  static bool is_reserved(size_t byte) { return (byte >= 2 && byte <= 5) || byte == 11; }
  // Each byte that is not fixed has a value of its own.
  static ByteVector cdb32(uint16_t action, uint8_t options = 0) {
    ByteVector cdb(32);
    for (size_t i = 0; i < 32; ++i)
      cdb[i] = static_cast<uint8_t>(is_reserved(i) ? 0 : 0xa0 + i);
    cdb[0] = 0x7f;
    cdb[1] = 0x40;  // CONTROL, a vendor's bit.
    cdb[7] = 0x18;
    cdb[8] = static_cast<uint8_t>(action >> 8);
    cdb[9] = static_cast<uint8_t>(action);
    cdb[10] = options;
    return cdb;
  }
  Sense shorten(const ByteVector& cdb, uint32_t number = 1) {
    const Sense sense =
        scsi::shorten(Bytes(cdb.data(), cdb.size()), *map()->find(number), shorter_);
    return sense;
  }
  static void expect_wrong(const Sense& sense, uint16_t byte, uint8_t bit = 8) {
    EXPECT_EQ(sense.code, kInvalidFieldInCdb);
    EXPECT_EQ(sense.field.place, FieldPointer::kCdb);
    EXPECT_EQ(sense.field.byte, byte);
    EXPECT_EQ(sense.field.bit, bit);
  }
  ByteVector supported(const ByteVector& cdb, uint32_t number, size_t room = 4096) {
    return ask(report_supported_opcodes, cdb, number, room);
  }
  uint8_t shorter_[kCdbSize] = {};
};

TEST_F(LongCommandTest, EachBecomesItsEquivalent) {
  const std::pair<uint16_t, uint8_t> pairs[] = {{kRead32, 0x88},
                                                {kVerify32, 0x8f},
                                                {kWrite32, 0x8a},
                                                {kWriteAndVerify32, 0x8e},
                                                {kWriteSame32, 0x93}};
  for (const auto& [action, opcode] : pairs) {
    EXPECT_TRUE(shorten(cdb32(action, 0x1b)).is_good()) << action;
    EXPECT_EQ(ByteVector(shorter_, shorter_ + 16),
              (ByteVector{opcode, 0x1b, 0xac, 0xad, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb3, 0xbc, 0xbd,
                          0xbe, 0xbf, 0xa6, 0x40}));
  }
}

TEST_F(LongCommandTest, OnlyALongCdbIsOne) {
  const auto is_long = [](ByteVector cdb, size_t size) {
    cdb.resize(size);
    return scsi::is_long(Bytes(cdb.data(), size));
  };
  EXPECT_TRUE(is_long({0x7f}, 16));
  EXPECT_TRUE(is_long({0x7f}, 32));
  EXPECT_TRUE(is_long({0x28}, 17));
  EXPECT_FALSE(is_long({0x28}, 16));
}

TEST_F(LongCommandTest, LengthsThatLieAreRefused) {
  for (size_t size = 16; size <= 260; ++size) {
    ByteVector cdb = cdb32(kRead32);
    cdb.resize(size);
    if (size == 32) continue;
    expect_wrong(shorten(cdb), 7);
    cdb[7] = static_cast<uint8_t>(size - 8);
    expect_wrong(shorten(cdb), 7);
  }
  for (int length = 0; length < 256; ++length) {
    ByteVector cdb = cdb32(kRead32);
    cdb[7] = static_cast<uint8_t>(length);
    EXPECT_EQ(shorten(cdb).is_good(), length == 0x18) << length;
  }
  ByteVector other = cdb32(kRead32);
  other[0] = 0x88;
  expect_wrong(shorten(other), 0);
}

TEST_F(LongCommandTest, ReservedBitsArePointedAt) {
  for (uint8_t at = 0; at < 32; ++at) {
    if (!is_reserved(at)) continue;
    for (uint8_t bit = 0; bit < 8; ++bit) {
      ByteVector cdb = cdb32(kRead32);
      cdb[at] = static_cast<uint8_t>(2 * (1 << bit) - 1);
      expect_wrong(shorten(cdb), at, bit);
    }
  }
}

TEST_F(LongCommandTest, WhatTheLunDoesNotHaveIsRefused) {
  for (uint32_t action = 0; action <= 0xffff; ++action) {
    const bool basic = action >= kRead32 && action <= kWriteAndVerify32;
    EXPECT_EQ(shorten(cdb32(static_cast<uint16_t>(action)), 0).is_good(), basic) << action;
    EXPECT_EQ(shorten(cdb32(static_cast<uint16_t>(action)), 1).is_good(),
              basic || action == kWriteSame32)
        << action;
  }
  expect_wrong(shorten(cdb32(kWriteSame32), 0), 8);
}

TEST_F(LongCommandTest, WhatIsWrongIsToldInThePlacesOfTheLongOne) {
  expect_wrong(in_long_form(wrong_cdb_field(1, 7)), 10, 7);
  expect_wrong(in_long_form(wrong_cdb_field(2)), 12);
  expect_wrong(in_long_form(wrong_cdb_field(9, 0)), 19, 0);
  expect_wrong(in_long_form(wrong_cdb_field(13)), 31);
  expect_wrong(in_long_form(wrong_cdb_field(14, 5)), 6, 5);
  expect_wrong(in_long_form(wrong_cdb_field(15, 2)), 1, 2);
  EXPECT_EQ(in_long_form(kLbaOutOfRange).code, kLbaOutOfRange);
  EXPECT_EQ(in_long_form(wrong_parameter(1, 7)).field.byte, 1);
}

TEST_F(LongCommandTest, SupportedOnesAreToldOfAndNotListed) {
  for (const uint32_t number : {0u, 1u}) {
    const ByteVector all = supported({0xa3, 0x0c}, number);
    for (size_t at = 4; at + 8 <= all.size(); at += 8)
      EXPECT_NE(all[at], 0x7f);
    for (const LongCommand& command : long_commands()) {
      const auto low = static_cast<uint8_t>(command.service_action);
      const ByteVector one = supported({0xa3, 0x0c, 2, 0x7f, 0, low}, number);
      const bool offered = number == 1 || command.service_action != kWriteSame32;
      EXPECT_EQ(one[1], offered ? 3 : 1) << command.service_action;
    }
  }
}

TEST_F(LongCommandTest, OneIsShownWithItsUsage) {
  ByteVector expected = {0, 3, 0, 32, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0, 9, 0x18, 0};
  expected.resize(4 + 12, 0);
  expected.insert(expected.end(), 8, 0xff);
  expected.insert(expected.end(), 8, 0);
  expected.insert(expected.end(), 4, 0xff);
  for (const uint8_t option : {2, 3}) {
    EXPECT_EQ(supported({0xa3, 0x0c, option, 0x7f, 0, kRead32}, 0), expected);
    EXPECT_TRUE(outcome_.is_good());
  }
  EXPECT_EQ(supported({0xa3, 0x0c, 2, 0x7f, 0, kVerify32}, 0)[14], 0x12);
  EXPECT_EQ(supported({0xa3, 0x0c, 2, 0x7f, 0, kWriteSame32}, 1)[14], 0x01);
  EXPECT_EQ(supported({0xa3, 0x0c, 2, 0x7f, 0, kWriteSame32}, 2)[14], 0x09);
  EXPECT_EQ(supported({0xa3, 0x0c, 2, 0x7f, 0, kWriteAndVerify32}, 0)[14], 0x10);
  EXPECT_EQ(supported({0xa3, 0x0c, 2, 0x7f, 0, kWriteAndVerify32}, 1)[14], 0x12);
  EXPECT_EQ(supported({0xa3, 0x0c, 3, 0x7f, 0, kWriteSame32}, 0), (ByteVector{0, 1, 0, 0}));
  EXPECT_EQ(supported({0xa3, 0x0c, 3, 0x7f, 1, kRead32}, 0), (ByteVector{0, 1, 0, 0}));
  const ByteVector timed = supported({0xa3, 0x0c, 0x82, 0x7f, 0, kRead32}, 0);
  ASSERT_EQ(timed.size(), expected.size() + 12);
  EXPECT_EQ(timed[1], 0x83);
  EXPECT_EQ(timed[37], 10);
  supported({0xa3, 0x0c, 1, 0x7f, 0, 0}, 0);
  expect_wrong(outcome_, 2, 2);
  for (size_t room = 0; room <= expected.size(); ++room) {
    EXPECT_EQ(supported({0xa3, 0x0c, 2, 0x7f, 0, kRead32}, 0, room),
              ByteVector(expected.begin(), expected.begin() + static_cast<long>(room)));
  }
}

// Of the short ones, too: the UNMAP bit of WRITE SAME, BYTCHK of WRITE AND VERIFY, LOEJ.
TEST_F(LongCommandTest, OnlyBitsThatTheLunEvaluatesAreShown) {
  const auto usage = [this](uint8_t opcode, uint32_t number, size_t byte) {
    return int{supported({0xa3, 0x0c, 1, opcode}, number).at(4 + byte)};
  };
  EXPECT_EQ(usage(0x41, 1, 1), 0x00);
  EXPECT_EQ(usage(0x93, 1, 1), 0x01);
  EXPECT_EQ(usage(0x41, 2, 1), 0x08);
  EXPECT_EQ(usage(0x93, 2, 1), 0x09);
  for (const uint8_t opcode : {0x2e, 0xae, 0x8e}) {
    EXPECT_EQ(usage(opcode, 0, 1), 0x10) << int{opcode};
    EXPECT_EQ(usage(opcode, 1, 1), 0x12) << int{opcode};
  }
  EXPECT_EQ(usage(0x2f, 0, 1), 0x12) << "every class compares";
  EXPECT_EQ(usage(0x1b, 1, 4), 0xf5);
  EXPECT_EQ(usage(0x1b, 2, 4), 0xf7);
}

TEST_F(LongCommandTest, RandomCdbsBecomeWhatTheySayOrNothing) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 20000; ++round) {
    ByteVector cdb(16 + random() % 40);
    for (uint8_t& byte : cdb)
      byte = static_cast<uint8_t>(random());
    if (round % 2 == 0) {
      cdb.resize(32);
      cdb[0] = 0x7f;
      cdb[8] = 0;
      cdb[9] = static_cast<uint8_t>(random() % 20);
      cdb[7] = 0x18;
      for (size_t at = 0; at < 32; ++at)
        if (is_reserved(at)) cdb[at] = 0;
    }
    if (!shorten(cdb).is_good()) continue;
    EXPECT_EQ(cdb.size(), 32u);
    EXPECT_EQ(shorter_[1], cdb[10]);
    EXPECT_EQ(ByteVector(shorter_ + 2, shorter_ + 10),
              ByteVector(cdb.begin() + 12, cdb.begin() + 20));
    EXPECT_EQ(ByteVector(shorter_ + 10, shorter_ + 14), ByteVector(cdb.begin() + 28, cdb.end()));
  }
}

}  // namespace
}  // namespace chiscsi::test
