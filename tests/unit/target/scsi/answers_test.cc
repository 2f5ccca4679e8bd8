// SPDX-License-Identifier: GPL-2.0-only
//
// What the target answers for a LUN, byte by byte; each answer at every allocation length that
// matters; and random CDBs, which may find nothing but an answer or a sense.
#include "target/scsi/answers.hh"

#include <algorithm>
#include <random>

#include "target/login/parameters.hh"
#include "target/scsi/alua.hh"
#include "target/scsi/command_table.hh"
#include "target/scsi/long_commands.hh"
#include "target/scsi/readiness.hh"
#include "tests/unit/target/lun/lun_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

using ByteVector = std::vector<uint8_t>;

class AnswersTest : public LunFixture {
 protected:
  void SetUp() override {
    const char line[] = "PortalGroup=31@127.0.0.1:3260";
    ConfigError error;
    chiscsi::Result<Ref<TargetSettings>> parsed = TargetSettings::parse(
        kTarget, Bytes(reinterpret_cast<const uint8_t*>(line), sizeof(line)), {}, &error);
    ASSERT_TRUE(parsed.is_ok()) << error.c_str();
    settings_ = parsed.take();
    ASSERT_TRUE(change_to({"a,FULL", "b,FULL,RO,SN=77,ID=named,WWN=5000C50012345678"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = 0x12345;
    given.block_size = 4096;
    given.physical_exponent = 3;
    given.flags = CHISCSI_LUN_WRITE_CACHE;
    strcpy(given.vendor_id, "VENDOR");
    strcpy(given.product_id, "A product");
    strcpy(given.serial, "FROMCLASS");
    ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
    given = {};
    given.blocks = uint64_t{1} << 40;
    given.block_size = 512;
    ASSERT_TRUE(map()->find(1)->set_geometry(given).is_ok());
  }

  SessionParameters nexus_;
  Ref<TargetSettings> settings_;  // One portal group, with the tag 31.
  AccessStates access_;

  struct Result {
    Sense sense;
    ByteVector data;  // What was kept.
    size_t size = 0;  // What was written.
  };
  static constexpr uint32_t kAbsent = 99;

  Result ask(ByteVector cdb, uint32_t number = 0, size_t room = 4096) {
    cdb.resize(kCdbSize);
    uint8_t bytes[kCdbSize];
    std::copy(cdb.begin(), cdb.end(), bytes);
    const Ref<LunMap> luns = map();
    Question question{Cdb(bytes), luns->find(number), *luns, kTarget, 0x1f};
    const Ref<Reservations> reservations = question.lun != nullptr
                                               ? question.lun->state().reservations().current()
                                               : Ref<Reservations>();
    question.reservations = reservations.get();
    question.nexus = &nexus_;
    question.settings = settings_.get();
    question.access = &access_;
    Result result;
    const CommandInfo* info = find_command(question.cdb, question.lun, &result.sense);
    if (info == nullptr || info->answer == nullptr) return result;
    result.data.assign(room, 0);
    Reply reply(MutableBytes(result.data.data(), room));
    result.sense = info->answer(question, reply);
    result.size = reply.size();
    if (reply.size() < room) result.data.resize(reply.size());
    return result;
  }
  static void expect_sense(const Result& result, SenseCode sense) {
    EXPECT_EQ(result.sense.code.key, sense.key);
    EXPECT_EQ(result.sense.code.asc, sense.asc);
    EXPECT_EQ(result.sense.code.ascq, sense.ascq);
  }
  static const CommandInfo* row(uint8_t opcode) {
    const CommandInfo* found = nullptr;
    for_each_command([&](const CommandInfo& info) {
      if (static_cast<uint8_t>(info.opcode) == opcode) found = &info;
    });
    return found;
  }
  static std::string text(const ByteVector& data, size_t at, size_t size) {
    return {data.begin() + static_cast<long>(at), data.begin() + static_cast<long>(at + size)};
  }
};

// ---- INQUIRY ----

TEST_F(AnswersTest, StandardInquiry) {
  const Result result = ask({0x12, 0, 0, 0, 96});
  expect_sense(result, kNoSense);
  ASSERT_EQ(result.data.size(), 96u);
  EXPECT_EQ((ByteVector(result.data.begin(), result.data.begin() + 8)),
            (ByteVector{0x00, 0x00, 0x06, 0x12, 91, 0x38, 0x00, 0x02}));
  EXPECT_EQ(text(result.data, 8, 28), "VENDOR  A product       0001");
  EXPECT_EQ((ByteVector(result.data.begin() + 36, result.data.begin() + 58)), ByteVector(22));
  EXPECT_EQ((ByteVector(result.data.begin() + 58, result.data.begin() + 66)),
            (ByteVector{0x00, 0xa0, 0x09, 0x60, 0x04, 0x60, 0x04, 0xc0}));
  EXPECT_EQ((ByteVector(result.data.begin() + 66, result.data.end())), ByteVector(30));
}

TEST_F(AnswersTest, InquiryOfAnAbsentLunHasNoDevice) {
  const Result result = ask({0x12, 0, 0, 0, 96}, kAbsent);
  expect_sense(result, kNoSense);
  ASSERT_EQ(result.data.size(), 96u);
  EXPECT_EQ(result.data[0], 0x7f);
  EXPECT_EQ(text(result.data, 8, 8), "CHISCSI ");
  EXPECT_EQ(ask({0x12, 1, 0, 0, 96}, kAbsent).data, (ByteVector{0x7f, 0, 0, 1, 0}));
  expect_sense(ask({0x12, 1, 0x83, 0, 96}, kAbsent), kInvalidFieldInCdb);
}

TEST_F(AnswersTest, InquiryWithAPageButNoEvpdIsWrong) {
  expect_sense(ask({0x12, 0, 0x80, 0, 96}), kInvalidFieldInCdb);
  for (const int page : {0x01, 0x81, 0x84, 0xb2, 0xb3, 0xff}) {
    expect_sense(ask({0x12, 1, static_cast<uint8_t>(page), 0, 96}), kInvalidFieldInCdb);
  }
}

TEST_F(AnswersTest, VitalProductData) {
  EXPECT_EQ(ask({0x12, 1, 0x00, 0, 96}).data,
            (ByteVector{0, 0, 0, 8, 0x00, 0x80, 0x83, 0x86, 0x88, 0x8f, 0xb0, 0xb1}));
  EXPECT_EQ(text(ask({0x12, 1, 0x80, 0, 96}).data, 4, 9), "FROMCLASS");
  EXPECT_EQ(ask({0x12, 1, 0x80, 0, 96}, 1).data, (ByteVector{0, 0x80, 0, 2, '7', '7'}));
  const ByteVector limits = ask({0x12, 1, 0xb0, 0, 96}).data;
  ASSERT_EQ(limits.size(), 64u);
  EXPECT_EQ((ByteVector(limits.begin(), limits.begin() + 8)),
            (ByteVector{0, 0xb0, 0, 0x3c, 0, 0, 0, 8}));
  const ByteVector characteristics = ask({0x12, 1, 0xb1, 0, 96}).data;
  ASSERT_EQ(characteristics.size(), 64u);
  EXPECT_EQ(characteristics[3], 0x3c);
}

TEST_F(AnswersTest, DesignatorsOfTheDevice) {
  const ByteVector data = ask({0x12, 1, 0x83, 0xff, 0xff}, 1).data;
  ASSERT_GT(data.size(), 4u);
  EXPECT_EQ(static_cast<size_t>(data[2]) << 8 | data[3], data.size() - 4);
  std::vector<ByteVector> found;
  for (size_t at = 4; at < data.size(); at += 4u + data[at + 3]) {
    ASSERT_LE(at + 4u + data[at + 3], data.size());
    found.emplace_back(data.begin() + static_cast<long>(at),
                       data.begin() + static_cast<long>(at + 4 + data[at + 3]));
  }
  ASSERT_EQ(found.size(), 6u);
  EXPECT_EQ(found[0], (ByteVector{0x01, 0x03, 0, 8, 0x50, 0, 0xc5, 0, 0x12, 0x34, 0x56, 0x78}));
  EXPECT_EQ(text(found[1], 0, 4), std::string("\x02\x01\x00\x0d", 4));
  EXPECT_EQ(text(found[1], 4, 13), "CHISCSI named");
  EXPECT_EQ(found[2], (ByteVector{0x51, 0x94, 0, 4, 0, 0, 0, 0x1f}));
  EXPECT_EQ(found[3], (ByteVector{0x51, 0x95, 0, 4, 0, 0, 0, 0x1f}));
  EXPECT_EQ(text(found[4], 0, 3), std::string("\x53\x98\x00", 3));
  EXPECT_EQ(found[4].size() % 4, 0u);
  EXPECT_STREQ(text(found[4], 4, found[4].size() - 4).c_str(),
               "iqn.2026-11.org.example:target,t,0x001F");
  EXPECT_EQ(found[4].back(), 0);
  EXPECT_EQ(found[5][1], 0xa8);
  EXPECT_STREQ(text(found[5], 4, found[5].size() - 4).c_str(), kTarget);
  EXPECT_EQ(found[5].back(), 0);
}

// ---- REPORT LUNS, REQUEST SENSE, TEST UNIT READY ----

TEST_F(AnswersTest, ReportLunsTellsTheWholeTarget) {
  const ByteVector both = {0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  for (const uint32_t number : {0u, 1u, kAbsent}) {
    EXPECT_EQ(ask({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, number).data, both);
  }
  EXPECT_EQ(ask({0xa0, 0, 2, 0, 0, 0, 0, 0, 1, 0}).data, both);
  EXPECT_EQ(ask({0xa0, 0, 1, 0, 0, 0, 0, 0, 1, 0}).data, ByteVector(8));
  expect_sense(ask({0xa0, 0, 3, 0, 0, 0, 0, 0, 1, 0}), kInvalidFieldInCdb);
}

TEST_F(AnswersTest, ReportLunsUsesFlatAddressingAboveTheFirst256) {
  std::vector<std::string> lines;
  for (int i = 0; i < 300; ++i)
    lines.push_back("d" + std::to_string(i) + ",BARE");
  ASSERT_TRUE(change_to(lines).is_ok());
  const ByteVector data = ask({0xa0}, 0).data;
  ASSERT_EQ(data.size(), 8u + 300 * 8);
  EXPECT_EQ(text(data, 8 + 255 * 8, 2), std::string("\x00\xff", 2));
  EXPECT_EQ(text(data, 8 + 256 * 8, 2), std::string("\x41\x00", 2));
  EXPECT_EQ(text(data, 8 + 299 * 8, 2), std::string("\x41\x2b", 2));
}

TEST_F(AnswersTest, RequestSenseHasNothingToReport) {
  EXPECT_EQ(ask({0x03, 0, 0, 0, 252}).data,
            (ByteVector{0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}).data, (ByteVector{0x72, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ask({0x03, 0, 0, 0, 252}, kAbsent).data,
            (ByteVector{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}, kAbsent).data, (ByteVector{0x72, 5, 0x25, 0, 0, 0, 0, 0}));
}

TEST_F(AnswersTest, RequestSenseTellsOfAMissingMedium) {
  ASSERT_TRUE(map()->find(0)->state().eject());
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}).data, (ByteVector{0x72, 2, 0x3a, 0, 0, 0, 0, 0}));
  ASSERT_TRUE(map()->find(0)->state().load());
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}).data, (ByteVector{0x72, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(AnswersTest, RequestSenseTellsOfASanitizeOperation) {
  map()->find(0)->set_sanitize({CHISCSI_LUN_SANITIZE_RUNS, 0x8001});
  EXPECT_EQ(ask({0x03, 0, 0, 0, 252}).data,
            (ByteVector{0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 0x1b, 0, 0x80, 0x80, 1}));
  map()->find(0)->set_sanitize({CHISCSI_LUN_SANITIZE_FAILED, 0});
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}).data, (ByteVector{0x72, 3, 0x31, 3, 0, 0, 0, 0}));
  map()->find(0)->set_sanitize({});
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}).data, (ByteVector{0x72, 0, 0, 0, 0, 0, 0, 0}));
}

// What is run meanwhile, and after a failure.
TEST_F(AnswersTest, ASanitizeOperationLeavesFewCommands) {
  Lun* lun = map()->find(0);
  for (const uint8_t state : {CHISCSI_LUN_SANITIZE_RUNS, CHISCSI_LUN_SANITIZE_FAILED}) {
    lun->set_sanitize({state, 7});
    const bool failed = state == CHISCSI_LUN_SANITIZE_FAILED;
    for (const uint8_t opcode : {0x03, 0x12, 0xa0})
      EXPECT_TRUE(check_readiness(*row(opcode), *lun).is_good()) << int{opcode};
    for (const uint8_t opcode : {0x00, 0x1a, 0x1b, 0x25, 0x28, 0x2a, 0x5f})
      EXPECT_EQ(check_readiness(*row(opcode), *lun).code.key, failed ? 3 : 2) << int{opcode};
    EXPECT_EQ(check_readiness(*row(0x48), *lun).is_good(), failed);
  }
  lun->set_sanitize({});
  EXPECT_TRUE(check_readiness(*row(0x28), *lun).is_good());
}

TEST_F(AnswersTest, ADeviceThatIsGoneIsNotReady) {
  Lun* lun = map()->find(1);
  chiscsi_lun_geometry given = {};
  given.blocks = uint64_t{1} << 40;
  given.block_size = 512;
  given.flags = CHISCSI_LUN_GONE;
  ASSERT_TRUE(lun->set_geometry(given).is_ok());
  EXPECT_EQ(lun->take_news(), 0u);
  for (const uint8_t opcode : {0x00, 0x25})
    EXPECT_EQ(check_readiness(*row(opcode), *lun).code, kDeviceIsGone) << int{opcode};
  // Those of the medium the class refuses.
  for (const uint8_t opcode : {0x03, 0x12, 0x1a, 0x28, 0x2a, 0x5e, 0xa0})
    EXPECT_TRUE(check_readiness(*row(opcode), *lun).is_good()) << int{opcode};
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}, 1).data, (ByteVector{0x72, 2, 4, 0, 0, 0, 0, 0}));
  given.flags = 0;
  ASSERT_TRUE(lun->set_geometry(given).is_ok());
  EXPECT_TRUE(check_readiness(*row(0x00), *lun).is_good());
  EXPECT_EQ(ask({0x03, 1, 0, 0, 252}, 1).data, (ByteVector{0x72, 0, 0, 0, 0, 0, 0, 0}));
}

// ---- What the class has said of its device ----

class ThinTest : public AnswersTest {
 protected:
  void SetUp() override {
    AnswersTest::SetUp();
    ASSERT_TRUE(change_to({"thin,FULL"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = 1 << 20;
    given.block_size = 512;
    given.flags = CHISCSI_LUN_THIN | CHISCSI_LUN_UNMAPPED_ZERO | CHISCSI_LUN_REMOVABLE;
    given.commands = CHISCSI_LUN_RUNS_UNMAP | CHISCSI_LUN_RUNS_WRITE_SAME |
                     CHISCSI_LUN_RUNS_COMPARE_AND_WRITE | CHISCSI_LUN_RUNS_WRITE_ATOMIC;
    given.physical_exponent = 3;
    given.lowest_aligned_block = 7;
    given.rotation_rate = 1;
    given.compare_and_write_blocks = 128;
    given.max_transfer_blocks = 0x01020304;
    given.optimal_transfer_blocks = 0x05060708;
    given.optimal_granularity = 0x090a;
    given.max_unmap_blocks = 0x11121314;
    given.max_unmap_ranges = 0x15161718;
    given.unmap_granularity = 0x191a1b1c;
    given.unmap_alignment = 0x01010101;
    given.max_write_same_blocks = 0x2122232425262728;
    given.max_atomic_blocks = 0x292a2b2c;
    ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
  }
};

TEST_F(ThinTest, PagesTellOfIt) {
  EXPECT_EQ(ask({0x12, 0, 0, 0, 96}).data[1], 0x80);
  EXPECT_EQ(ask({0x12, 1, 0x00, 0, 96}).data,
            (ByteVector{0, 0, 0, 9, 0x00, 0x80, 0x83, 0x86, 0x88, 0x8f, 0xb0, 0xb1, 0xb2}));
  ByteVector limits = {0,    0xb0, 0,    0x3c, 0,    128,  9,    0x0a, 1,    2,    3,    4,
                       5,    6,    7,    8,    0,    0,    0,    0,    0x11, 0x12, 0x13, 0x14,
                       0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x81, 1,    1,    1,
                       0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c};
  limits.resize(64);
  EXPECT_EQ(ask({0x12, 1, 0xb0, 0, 96}).data, limits);
  EXPECT_EQ(text(ask({0x12, 1, 0xb1, 0, 96}).data, 0, 6), std::string("\0\xb1\0\x3c\0\x01", 6));
  EXPECT_EQ(ask({0x12, 1, 0xb2, 0, 96}).data, (ByteVector{0, 0xb2, 0, 4, 0, 0xe4, 2, 0}));
}

TEST_F(ThinTest, ErasedBlocksCanBeRead) {
  EXPECT_EQ(ask({0x12, 1, 0xb1, 0, 96}).data[7], 0);
  ASSERT_TRUE(change_to({"erasing,FULL"}).is_ok());
  chiscsi_lun_geometry given = {};
  given.blocks = 1 << 20;
  given.block_size = 512;
  given.commands = CHISCSI_LUN_RUNS_SANITIZE_ERASE;
  ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
  EXPECT_EQ(ask({0x12, 1, 0xb1, 0, 96}).data[7], 0x40);
}

TEST_F(ThinTest, ReadCapacityTellsOfIt) {
  const ByteVector data = ask({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}).data;
  ASSERT_EQ(data.size(), 32u);
  EXPECT_EQ(text(data, 12, 5), std::string("\0\x03\xc0\x07\0", 5));
}

TEST_F(ThinTest, OnlyRemovableMediaCanBePrevented) {
  EXPECT_EQ(ask({0xa3, 0x0c, 1, 0x1e}).data[1], 3);
  ASSERT_TRUE(change_to({"thick,FULL"}).is_ok());
  chiscsi_lun_geometry given = {};
  given.blocks = 1 << 20;
  given.block_size = 512;
  ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
  EXPECT_EQ(ask({0xa3, 0x0c, 1, 0x1e}).data[1], 1);
}

TEST_F(AnswersTest, ExtendedDataAndPorts) {
  const ByteVector extended = ask({0x12, 1, 0x86, 0, 96}).data;
  ASSERT_EQ(extended.size(), 64u);
  EXPECT_EQ(text(extended, 0, 9), std::string("\0\x86\0\x3c\0\x07\x01\x01\0", 9));
  EXPECT_EQ(ask({0x12, 1, 0x86, 0, 96}, 1).data[6], 0) << "no cache";
  const ByteVector ports = ask({0x12, 1, 0x88, 0, 255}).data;
  EXPECT_EQ(static_cast<size_t>(ports[2]) << 8 | ports[3], ports.size() - 4);
  EXPECT_EQ(text(ports, 4, 10), std::string("\0\0\0\x1f\0\0\0\0\0\0", 10));
  EXPECT_EQ(static_cast<size_t>(ports[14]) << 8 | ports[15], ports.size() - 16);
  EXPECT_STREQ(text(ports, 20, ports.size() - 20).c_str(),
               "iqn.2026-11.org.example:target,t,0x001F");
}

// ---- READ CAPACITY, MODE SENSE ----

TEST_F(AnswersTest, ReadCapacity) {
  EXPECT_EQ(ask({0x25}).data, (ByteVector{0, 1, 0x23, 0x44, 0, 0, 0x10, 0}));
  EXPECT_EQ(ask({0x25}, 1).data, (ByteVector{0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}));
  ByteVector expected = {0, 0, 0, 0, 0, 1, 0x23, 0x44, 0, 0, 0x10, 0, 0, 3};
  expected.resize(32);
  EXPECT_EQ(ask({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}).data, expected);
  EXPECT_EQ(ask({0x9e, 0x10}, 1).data[3], 0xff);
  expect_sense(ask({0x9e, 0x11}), kInvalidFieldInCdb);
}

TEST_F(AnswersTest, BothListsOfDefectsAreEmpty) {
  EXPECT_EQ(ask({0x37, 0, 0x1d, 0, 0, 0, 0, 0, 32}).data, (ByteVector{0, 0x1d, 0, 0}));
  EXPECT_EQ(ask({0x37, 0, 0x08, 0, 0, 0, 0, 0, 32}).data, (ByteVector{0, 0x08, 0, 0}));
  EXPECT_EQ(ask({0xb7, 0x13, 0, 0, 0, 9, 0, 0, 0, 32}).data,
            (ByteVector{0, 0x13, 0, 0, 0, 0, 0, 0}));
  expect_sense(ask({0x37, 0, 0x07, 0, 0, 0, 0, 0, 32}), kInvalidFieldInCdb);
  expect_sense(ask({0xb7, 0x07}), kInvalidFieldInCdb);
}

// The pages themselves are mode_test.cc's.
TEST_F(AnswersTest, ModeSense6) {
  ByteVector expected = {31, 0, 0x10, 8, 0, 1, 0x23, 0x45, 0, 0, 0x10, 0, 0x08, 0x12, 0x04};
  expected.resize(12 + 20);
  EXPECT_EQ(ask({0x1a, 0, 0x08, 0, 252}).data, expected);
  EXPECT_EQ(ask({0x1a, 0, 0x08, 0xff, 252}).data, expected);
  // Write protection, no cache, no block descriptor.
  const ByteVector caching = ask({0x1a, 8, 0x08, 0, 252}, 1).data;
  ASSERT_EQ(caching.size(), 24u);
  EXPECT_EQ(text(caching, 0, 7), std::string("\x17\x00\x90\x00\x08\x12\x00", 7));
  expect_sense(ask({0x1a, 0, 0xff, 0, 252}), kSavingNotSupported);
  expect_sense(ask({0x1a, 0, 0x05, 0, 252}), kInvalidFieldInCdb);
  expect_sense(ask({0x1a, 0, 0x08, 1, 252}), kInvalidFieldInCdb);
}

TEST_F(AnswersTest, ModeSense10) {
  const ByteVector data = ask({0x5a, 0, 0x0a, 0, 0, 0, 0, 0, 252}).data;
  EXPECT_EQ(data, (ByteVector{0,    26, 0,    0x10, 0,    0,    0, 8, 0, 1, 0x23, 0x45, 0, 0,
                              0x10, 0,  0x0a, 0x0a, 0x20, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0}));
  const ByteVector large = ask({0x5a, 0x10, 0x0a, 0, 0, 0, 0, 0, 252}, 1).data;
  EXPECT_EQ(
      (ByteVector(large.begin(), large.begin() + 24)),
      (ByteVector{0, 34, 0, 0x90, 1, 0, 0, 16, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0}));
  const ByteVector bare = ask({0x5a, 0x18, 0x0a, 0, 0, 0, 0, 0, 252}).data;
  EXPECT_EQ((ByteVector(bare.begin(), bare.begin() + 8)), (ByteVector{0, 18, 0, 0x10, 0, 0, 0, 0}));
}

// ---- Third-party copy ----

TEST_F(AnswersTest, ThirdPartyCopyPage) {
  ByteVector expected = {0, 0x8f, 0, 92};
  const auto add = [&](const ByteVector& more, size_t zeros) {
    expected.insert(expected.end(), more.begin(), more.end());
    expected.resize(expected.size() + zeros);
  };
  add({0, 1, 0, 12, 8, 0x83, 1, 0, 0x84, 3, 0, 3, 4}, 3);
  add({0, 4, 0, 28, 0, 0, 0, 0, 0, 16, 1, 0, 0, 0, 0x1e, 0}, 16);
  add({0, 8, 0, 4, 2, 0x02, 0xe4, 0}, 0);
  add({0x80, 1, 0, 32, 0, 0, 0, 8, 0, 0, 0, 8, 0xff, 0xff, 0, 0, 12, 0}, 18);
  EXPECT_EQ(ask({0x12, 1, 0x8f, 0, 255}).data, expected);
}

TEST_F(AnswersTest, CopyOperatingParameters) {
  ByteVector expected = {0, 0, 0, 42, 1, 0, 0, 0, 0, 16, 1, 0, 0, 0, 0x1e, 0, 0xff, 0xff, 0, 0};
  expected.resize(34);
  const ByteVector end = {0, 8, 8, 12, 0, 0, 0, 0, 0, 2, 0x02, 0xe4};
  expected.insert(expected.end(), end.begin(), end.end());
  EXPECT_EQ(ask({0x84, 3}).data, expected);
}

TEST_F(AnswersTest, WhatIsOnlyReadCopiesNothing) {
  expect_sense(ask({0x83, 0}, 1), kInvalidOpcode);
  EXPECT_EQ(ask({0x84, 3}, 1).data.at(37), 9) << "a source tells its parameters";
  expect_sense(ask({0x12, 1, 0x8f, 0, 255}, 1), kInvalidFieldInCdb);
  EXPECT_EQ(ask({0x12, 0, 0, 0, 96}, 1).data.at(5), 0x30);
  EXPECT_EQ(ask({0x12, 0, 0, 0, 96}, kAbsent).data.at(5), 0x30);
}

TEST_F(AnswersTest, NoResultsOfACopyThatNeverWas) {
  expect_sense(ask({0x84, 0, 1}), kInvalidFieldInCdb);
  expect_sense(ask({0x84, 4, 1}), kInvalidFieldInCdb);
  expect_sense(ask({0x84, 1, 1}), kInvalidFieldInCdb);
  expect_sense(ask({0x84, 5, 1}), kInvalidFieldInCdb);
}

// ---- REPORT SUPPORTED OPERATION CODES ----

TEST_F(AnswersTest, ListsEveryCommandItKnows) {
  const ByteVector plain = ask({0xa3, 0x0c, 0}).data;
  size_t offered = 0;
  for_each_command([&](const CommandInfo& info) {
    if (is_offered(info, map()->find(0))) ++offered;
  });
  ASSERT_LT(offered, command_count());
  ASSERT_EQ(plain.size(), 4 + 8 * offered);
  EXPECT_EQ(static_cast<size_t>(plain[2]) << 8 | plain[3], plain.size() - 4);
  EXPECT_EQ(ask({0xa3, 0x0c, 0x80}).data.size(), 4 + 20 * offered);
  for (size_t at = 4; at < plain.size(); at += 8) {
    const bool acts = (plain[at + 5] & 1) != 0;
    const ByteVector with_actions = {0x5e, 0x5f, 0x83, 0x84, 0x9e, 0xa3, 0xa4};
    EXPECT_EQ(acts, std::count(with_actions.begin(), with_actions.end(), plain[at]) == 1);
    const uint8_t option = acts ? 2 : 1;
    const ByteVector one = ask({0xa3, 0x0c, option, plain[at], plain[at + 2], plain[at + 3]}).data;
    ASSERT_GE(one.size(), 10u);
    EXPECT_EQ(one[1], 3);
    EXPECT_EQ(one[3], plain[at + 7]);
    EXPECT_EQ(one.size(), 4u + one[3]);
    EXPECT_EQ(one[4], plain[at]);
    if (acts) {
      EXPECT_EQ(one[5] & 0x1f, plain[at + 3]);
    }
    EXPECT_EQ(one.back(), 0);  // Nothing of the CONTROL byte is evaluated.
  }
}

// Not in the list of all, but who asks hears of them.
TEST_F(AnswersTest, TellsOfALongCommandThatIsAskedFor) {
  for (const LongCommand& command : long_commands()) {
    const auto low = static_cast<uint8_t>(command.service_action);
    const ByteVector one = ask({0xa3, 0x0c, 2, 0x7f, 0, low}).data;
    if (!is_offered(command, map()->find(0))) continue;
    ASSERT_EQ(one.size(), 4u + 32);
    EXPECT_EQ(one[1], 3);
    EXPECT_EQ(one[4], 0x7f);
    EXPECT_EQ(one[4 + 1], 0);  // CONTROL.
    EXPECT_EQ(one[4 + 9], low);
  }
  EXPECT_EQ(ask({0xa3, 0x0c, 2, 0x7f, 0xff, 0xff}).data, (ByteVector{0, 1, 0, 0}));
}

TEST_F(AnswersTest, TellsOneCommandByItsServiceAction) {
  EXPECT_EQ(ask({0xa3, 0x0c, 1, 0xee}).data, (ByteVector{0, 1, 0, 0}));
  EXPECT_EQ(ask({0xa3, 0x0c, 2, 0x9e, 0, 0x10}).data[1], 3);
  EXPECT_EQ(ask({0xa3, 0x0c, 2, 0x9e, 0, 0x11}).data, (ByteVector{0, 1, 0, 0}));
  EXPECT_EQ(ask({0xa3, 0x0c, 2, 0x9e, 1, 0x10}).data, (ByteVector{0, 1, 0, 0}));
  EXPECT_EQ(ask({0xa3, 0x0c, 2, 0x9e, 0xff, 0xff}).data, (ByteVector{0, 1, 0, 0}));
  EXPECT_EQ(ask({0xa3, 0x0c, 3, 0x12}).data[1], 3);
  EXPECT_EQ(ask({0xa3, 0x0c, 0x81, 0x00}).data.size(), 4u + 6 + 12);
  expect_sense(ask({0xa3, 0x0c, 1, 0x9e, 0, 0x10}), kInvalidFieldInCdb);
  expect_sense(ask({0xa3, 0x0c, 2, 0x12}), kInvalidFieldInCdb);
  for (const int option : {4, 5, 6, 7})
    expect_sense(ask({0xa3, 0x0c, static_cast<uint8_t>(option)}), kInvalidFieldInCdb);
  for (const int action : {0, 1, 0x0b, 0x0e, 0x1f})
    expect_sense(ask({0xa3, static_cast<uint8_t>(action)}), kInvalidFieldInCdb);
}

TEST_F(AnswersTest, TaskManagementFunctions) {
  EXPECT_EQ(ask({0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 4}).data, (ByteVector{0xda, 0, 0, 0}));
  ByteVector extended = {0xda, 0, 0, 12};
  extended.resize(16);
  EXPECT_EQ(ask({0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 16}).data, extended);
  expect_sense(ask({0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 3}), kInvalidFieldInCdb);
}

// ---- All of them ----

TEST_F(AnswersTest, EveryAnswerIsTheSameInAnyRoom) {
  const std::vector<ByteVector> cdbs = {{0x12},          {0x12, 1, 0},
                                        {0x12, 1, 0x80}, {0x12, 1, 0x83},
                                        {0x12, 1, 0xb0}, {0x12, 1, 0xb1},
                                        {0xa0},          {0x03},
                                        {0x25},          {0x9e, 0x10},
                                        {0x1a, 0, 0x3f}, {0x5a, 0, 0x3f},
                                        {0xa3, 0x0c},    {0xa3, 0x0c, 1, 0x12},
                                        {0x12, 1, 0x86}, {0x12, 1, 0x88},
                                        {0x12, 1, 0x8f}, {0x84, 3}};
  for (const ByteVector& cdb : cdbs) {
    const Result full = ask(cdb);
    ASSERT_EQ(full.sense.code.key, 0);
    ASSERT_GT(full.size, 0u);
    for (const size_t room : {size_t{0}, size_t{1}, full.size - 1, full.size, full.size + 1}) {
      const Result cut = ask(cdb, 0, room);
      EXPECT_EQ(cut.size, full.size);
      EXPECT_EQ(cut.data,
                ByteVector(full.data.begin(),
                           full.data.begin() + static_cast<long>(std::min(room, full.size))));
    }
  }
}

TEST_F(AnswersTest, RandomCdbsFindAnAnswerOrASense) {
  std::mt19937 random(4711);
  for (int i = 0; i < 200000; ++i) {
    ByteVector cdb(kCdbSize);
    for (uint8_t& byte : cdb)
      byte = static_cast<uint8_t>(random());
    // Half of them have an opcode of the table, so that the rest of the CDB counts.
    if ((random() & 1) != 0) {
      const CommandInfo& info = command_at(random() % command_count());
      cdb[0] = static_cast<uint8_t>(info.opcode);
      if (info.service_action != kNoServiceAction) cdb[1] = info.service_action;
    }
    const Result result = ask(cdb, random() % 2, random() % 600);
    EXPECT_TRUE(result.sense.code.key == 0 || result.sense.code.key == 5);
  }
}

}  // namespace
}  // namespace chiscsi::test
