// SPDX-License-Identifier: GPL-2.0-only
//
// LOG SENSE: each page byte by byte, the lists of pages, parameters from a code on, and what is
// refused, with its place.
#include <random>

#include "question_fixture.hh"
#include "target/scsi/answers.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

constexpr uint8_t kCumulative = 0x40;  // PC.

// LUN 0 is thin and tells what is used, LUN 1 is thin and does not, LUN 2 is not thin and does.
class LogSenseTest : public QuestionFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(change_to({"a,FULL", "b,FULL", "c,FULL"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = 131072;  // 64 MiB.
    given.block_size = 512;
    given.flags = CHISCSI_LUN_THIN;
    ASSERT_TRUE(lun(0).set_geometry(given).is_ok());
    ASSERT_TRUE(lun(1).set_geometry(given).is_ok());
    given.flags = 0;
    ASSERT_TRUE(lun(2).set_geometry(given).is_ok());
    ASSERT_TRUE(lun(0).set_usage(5000, 126072).is_ok());
    ASSERT_TRUE(lun(2).set_usage(5000, 126072).is_ok());
  }
  Lun& lun(uint32_t number) { return *map()->find(number); }
  ByteVector ask(ByteVector cdb, uint32_t number = 0, size_t room = 1024) {
    cdb.insert(cdb.begin(), 0x4d);
    const ByteVector data = QuestionFixture::ask(log_sense, cdb, number, room);
    return outcome_.is_good() ? data : ByteVector();
  }
  void expect_wrong(ByteVector cdb, uint16_t byte, uint8_t bit, uint32_t number = 0) {
    ask(std::move(cdb), number);
    EXPECT_EQ(outcome_.code, kInvalidFieldInCdb);
    EXPECT_EQ(outcome_.field.place, FieldPointer::kCdb);
    EXPECT_EQ(outcome_.field.byte, byte);
    EXPECT_EQ(outcome_.field.bit, bit);
  }
};

TEST_F(LogSenseTest, ListsItsPages) {
  EXPECT_EQ(ask({0, 0}), (ByteVector{0, 0, 0, 4, 0x00, 0x0c, 0x19, 0x2f}));
  EXPECT_EQ(ask({0, kCumulative}), (ByteVector{0, 0, 0, 4, 0x00, 0x0c, 0x19, 0x2f}));
  for (const uint32_t number : {1u, 2u})
    EXPECT_EQ(ask({0, 0}, number), (ByteVector{0, 0, 0, 3, 0x00, 0x19, 0x2f}));
  EXPECT_EQ(ask({0, 0, 0xff}, 1), (ByteVector{0x40, 0xff, 0, 12, 0, 0, 0, 0xff, 0x19, 0, 0x19, 0xff,
                                              0x2f, 0, 0x2f, 0xff}));
  EXPECT_EQ(ask({0, 0x19, 0xff}), (ByteVector{0x59, 0xff, 0, 4, 0x19, 0, 0x19, 0xff}));
}

TEST_F(LogSenseTest, LogicalBlockProvisioning) {
  // 5000 blocks are a part of the third MiB; 126072 are 61 whole ones.
  const ByteVector expected = {0x8c, 0, 0,    24,                            //
                               0,    1, 0x23, 8,  0, 0, 0, 61, 2, 0, 0, 0,   // Available, shared.
                               0,    2, 0x23, 8,  0, 0, 0, 3,  1, 0, 0, 0};  // Used, dedicated.
  EXPECT_EQ(ask({0, kCumulative | 0x0c}), expected);
  ASSERT_TRUE(lun(0).set_usage(4096, CHISCSI_LUN_NOT_KNOWN).is_ok());
  EXPECT_EQ(ask({0, kCumulative | 0x0c}),
            (ByteVector{0x8c, 0, 0, 12, 0, 2, 0x23, 8, 0, 0, 0, 2, 1, 0, 0, 0}));
  ASSERT_TRUE(lun(0).set_usage(0, 0).is_ok());
  EXPECT_EQ(ask({0, kCumulative | 0x0c})[23], 0);
  // No more than there is.
  ASSERT_TRUE(lun(0).set_usage(~uint64_t{0} - 1, ~uint64_t{0} - 1).is_ok());
  EXPECT_EQ(ask({0, kCumulative | 0x0c})[11], 64);
  EXPECT_EQ(ask({0, kCumulative | 0x0c})[23], 64);
  expect_wrong({0, kCumulative | 0x0c}, 2, 5, 1);
  expect_wrong({0, kCumulative | 0x0c}, 2, 5, 2);
}

TEST_F(LogSenseTest, StatisticsCountWhatTheLunDid) {
  CommandCounters& counters = *lun(0).counters.of_worker(0, 1);
  CommandResult result;
  result.read = true;
  result.bytes = 3 * 512;
  counters.count(result);
  counters.count(result);
  result.read = false;
  result.write = true;
  result.bytes = 0x10000 * 512;
  counters.count(result);
  ByteVector expected = {0x99, 0, 0, 0x5c, 0, 1, 0x22, 0x40};
  for (const uint32_t value : {2u, 1u, 0x10000u, 6u}) {
    const ByteVector number = {
        0, 0, 0, 0, 0, static_cast<uint8_t>(value >> 16), 0, static_cast<uint8_t>(value)};
    expected.insert(expected.end(), number.begin(), number.end());
  }
  expected.resize(expected.size() + 32);
  const ByteVector times = {0, 2, 0x22, 8, 0, 0, 0, 0, 0, 0, 0, 0,
                            0, 3, 0x23, 8, 0, 0, 0, 6, 0, 0, 0, 1};
  expected.insert(expected.end(), times.begin(), times.end());
  EXPECT_EQ(ask({0, kCumulative | 0x19}), expected);
  for (size_t room = 0; room <= expected.size(); ++room) {
    EXPECT_EQ(ask({0, kCumulative | 0x19}, 0, room),
              ByteVector(expected.begin(), expected.begin() + static_cast<long>(room)));
  }
}

TEST_F(LogSenseTest, NoInformationalException) {
  EXPECT_EQ(ask({0, kCumulative | 0x2f}),
            (ByteVector{0xaf, 0, 0, 8, 0, 0, 0x23, 4, 0, 0, 0xff, 0}));
}

TEST_F(LogSenseTest, ParametersFromACodeOn) {
  const auto from = [](uint8_t page, uint16_t code) {
    return ByteVector{0, static_cast<uint8_t>(kCumulative | page), 0,
                      0, static_cast<uint8_t>(code >> 8),          static_cast<uint8_t>(code)};
  };
  EXPECT_EQ(ask(from(0x0c, 1)).size(), 28u);
  const ByteVector used = ask(from(0x0c, 2));
  ASSERT_EQ(used.size(), 16u);
  EXPECT_EQ(used[3], 12);
  EXPECT_EQ(used[5], 2);
  expect_wrong(from(0x0c, 3), 5, 8);
  EXPECT_EQ(ask(from(0x19, 2)).size(), 28u);
  EXPECT_EQ(ask(from(0x19, 3)).size(), 16u);
  expect_wrong(from(0x19, 4), 5, 8);
  expect_wrong(from(0x2f, 1), 5, 8);
  expect_wrong(from(0x19, 0xffff), 5, 8);
  expect_wrong(from(0, 1), 5, 8);
}

TEST_F(LogSenseTest, WhatItDoesNotKnowIsPointedAt) {
  for (uint8_t code = 1; code < 0x40; ++code) {
    if (code == 0x0c || code == 0x19 || code == 0x2f) continue;
    expect_wrong({0, static_cast<uint8_t>(kCumulative | code)}, 2, 5);
    expect_wrong({0, static_cast<uint8_t>(kCumulative | code), 0xff}, 2, 5);
  }
  for (int subpage = 1; subpage < 0xff; ++subpage) {
    expect_wrong({0, kCumulative | 0x19, static_cast<uint8_t>(subpage)}, 3, 8);
    expect_wrong({0, 0, static_cast<uint8_t>(subpage)}, 3, 8);
  }
  // Thresholds and defaults.
  for (const uint8_t control : {0x00, 0x80, 0xc0})
    expect_wrong({0, static_cast<uint8_t>(control | 0x19)}, 2, 7);
}

TEST_F(LogSenseTest, RandomQuestionsGetAnAnswerOrASense) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 20000; ++round) {
    ByteVector cdb(9);
    for (uint8_t& byte : cdb)
      byte = static_cast<uint8_t>(random() % 4 == 0 ? random() : 0);
    const ByteVector data = ask(cdb, random() % 3);
    if (!outcome_.is_good()) continue;
    ASSERT_GE(data.size(), 4u);
    EXPECT_EQ(data[2] << 8 | data[3], static_cast<int>(data.size()) - 4);
  }
}

}  // namespace
}  // namespace chiscsi::test
