// SPDX-License-Identifier: GPL-2.0-only
//
// Medium commands: where each CDB has its blocks, and the edge of the medium.
#include "target/scsi/medium.hh"

#include "target/scsi/command_table.hh"
#include "tests/unit/target/lun/lun_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

class MediumTest : public LunFixture {
 protected:
  static constexpr uint64_t kBlocks = uint64_t{1} << 33;

  void SetUp() override {
    ASSERT_TRUE(change_to({"a,FULL", "ro,FULL,RO"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = kBlocks;
    given.block_size = 512;
    ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
    ASSERT_TRUE(map()->find(1)->set_geometry(given).is_ok());
  }

  static std::vector<uint8_t> cdb16(uint8_t opcode, uint64_t first, uint32_t blocks) {
    std::vector<uint8_t> cdb(16);
    cdb[0] = opcode;
    for (int i = 0; i < 8; ++i)
      cdb[static_cast<size_t>(2 + i)] = static_cast<uint8_t>(first >> (56 - 8 * i));
    for (int i = 0; i < 4; ++i)
      cdb[static_cast<size_t>(10 + i)] = static_cast<uint8_t>(blocks >> (24 - 8 * i));
    return cdb;
  }
  // The sense's ASC; 0: the class may have it, 0x100: there is nothing to do.
  int check(std::vector<uint8_t> cdb, DataClaim claim = {}, uint32_t number = 0) {
    cdb.resize(kCdbSize);
    uint8_t bytes[kCdbSize];
    std::copy(cdb.begin(), cdb.end(), bytes);
    const Ref<LunMap> luns = map();
    const Lun* lun = luns->find(number);
    Sense sense;
    const CommandInfo* info = find_command(Cdb(bytes), lun, &sense);
    EXPECT_TRUE(info != nullptr && info->is_medium());
    bool nothing = false;
    sense = check_reserved_bits(*info, Cdb(bytes));
    if (sense.is_good()) sense = check_medium(*lun, Cdb(bytes), *info->medium, claim, &nothing);
    field_ = sense.field;
    return sense.is_good() ? (nothing ? kNothing : 0) : sense.code.asc;
  }
  // It is refused, and this byte or bit of it is named.
  void expect_field(const std::vector<uint8_t>& cdb, DataClaim claim, uint32_t number,
                    uint16_t byte, uint8_t bit = FieldPointer::kWholeByte) {
    SCOPED_TRACE(testing::PrintToString(cdb));
    EXPECT_EQ(check(cdb, claim, number), kField);
    EXPECT_EQ(field_.place, FieldPointer::kCdb);
    EXPECT_EQ(field_.byte, byte);
    EXPECT_EQ(field_.bit, bit);
  }
  static constexpr int kNothing = 0x100, kRange = 0x21, kField = 0x24, kProtected = 0x27,
                       kUnit = 0x0e;
  static constexpr DataClaim kIn{true, false, 512}, kOut{false, true, 512};

 private:
  FieldPointer field_;
};

TEST(MediumExtent, EverySizeOfCdb) {
  const uint8_t six[kCdbSize] = {0x08, 0xff, 0x12, 0x34, 0};
  const uint8_t ten[kCdbSize] = {0x28, 0, 1, 2, 3, 4, 0xff, 0x56, 0x78};
  const uint8_t twelve[kCdbSize] = {0xa8, 0, 1, 2, 3, 4, 5, 6, 7, 8};
  const uint8_t sixteen[kCdbSize] = {0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const auto extent = [](const uint8_t(&cdb)[kCdbSize]) {
    Sense sense;
    const Extent found = extent_of(Cdb(cdb), *find_command(Cdb(cdb), nullptr, &sense)->medium);
    return std::make_pair(found.first, found.blocks);
  };
  EXPECT_EQ(extent(six), std::make_pair(uint64_t{0x1f1234}, uint64_t{256}));
  EXPECT_EQ(extent(ten), std::make_pair(uint64_t{0x01020304}, uint64_t{0x5678}));
  EXPECT_EQ(extent(twelve), std::make_pair(uint64_t{0x01020304}, uint64_t{0x05060708}));
  EXPECT_EQ(extent(sixteen), std::make_pair(uint64_t{0x0102030405060708}, uint64_t{0x090a0b0c}));
}

TEST_F(MediumTest, TheLastBlockIsInsideAndTheNextOneIsNot) {
  EXPECT_EQ(check(cdb16(0x88, kBlocks - 1, 1), kIn), 0);
  EXPECT_EQ(check(cdb16(0x88, kBlocks - 1, 2), kIn), kRange);
  EXPECT_EQ(check(cdb16(0x88, kBlocks, 1), kIn), kRange);
  EXPECT_EQ(check(cdb16(0x88, 0, 0xffffffff), kIn), 0);
}

TEST_F(MediumTest, NoSumOfBlocksOverflows) {
  for (const uint64_t first : {~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 63, kBlocks + 1}) {
    for (const uint32_t blocks : {0u, 1u, 2u, 0xffffffffu}) {
      for (const uint8_t opcode : {0x88, 0x8a, 0x8e, 0x8f, 0x90, 0x91})
        EXPECT_EQ(check(cdb16(opcode, first, blocks)), kRange) << first << " " << blocks;
    }
  }
}

TEST_F(MediumTest, NoBlocksAreGoodWithoutTheClass) {
  for (const uint8_t opcode : {0x88, 0x8a, 0x8e, 0x8f})
    EXPECT_EQ(check(cdb16(opcode, kBlocks, 0)), kNothing);
  EXPECT_EQ(check({0x28, 0, 0, 0, 0, 0, 0, 0, 0}), kNothing);
  // Here zero means the rest of the medium.
  EXPECT_EQ(check(cdb16(0x91, 5, 0)), 0);
  EXPECT_EQ(check({0x35}), 0);
  // And here 256 blocks.
  EXPECT_EQ(check({0x08}, kIn), 0);
}

TEST_F(MediumTest, AReadOnlyLunTakesNoWrite) {
  for (const uint8_t opcode : {0x8a, 0x8e})
    EXPECT_EQ(check(cdb16(opcode, 0, 1), kOut, 1), kProtected);
  EXPECT_EQ(check({0x0a, 0, 0, 0, 1}, kOut, 1), kProtected);
  EXPECT_EQ(check(cdb16(0x88, 0, 1), kIn, 1), 0);
  EXPECT_EQ(check(cdb16(0x8f, 0, 1), {}, 1), 0);
  EXPECT_EQ(check(cdb16(0x91, 0, 1), {}, 1), 0);
}

TEST_F(MediumTest, DataHasToGoTheWayOfTheCommand) {
  // What is read has no room at the initiator: not an error, but nothing for the class, either.
  EXPECT_EQ(check(cdb16(0x88, 0, 1), kOut), kNothing);
  EXPECT_EQ(check(cdb16(0x88, kBlocks, 1), kOut), kRange);
  EXPECT_EQ(check(cdb16(0x8a, 0, 1), kIn), kUnit);
  EXPECT_EQ(check(cdb16(0x88, 0, 1)), 0);  // For nothing: an overflow.
  std::vector<uint8_t> verify = cdb16(0x8f, 0, 1);
  EXPECT_EQ(check(verify), 0);
  verify[1] = 0x02;
  EXPECT_EQ(check(verify, kOut), 0);
  EXPECT_EQ(check(verify, kIn), kUnit);
  verify[1] = 0x04;
  expect_field(verify, kOut, 0, 1, 2);
}

TEST_F(MediumTest, ThereIsNoProtectionInformation) {
  for (const uint8_t bits : {0x20, 0x40, 0x80, 0xe0}) {
    std::vector<uint8_t> cdb = cdb16(0x88, 0, 1);
    cdb[1] = bits;
    expect_field(cdb, kIn, 0, 1, 7);
  }
  std::vector<uint8_t> cdb = cdb16(0x88, 0, 1);
  cdb[1] = 0x18;  // DPO and FUA.
  EXPECT_EQ(check(cdb, kIn), 0);
}

// LUN 2 runs what a class may run besides, LUN 4 all of that but UNMAP.
class OptionalCommandTest : public MediumTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        change_to({"a,FULL", "ro,FULL,RO", "all,FULL", "roall,FULL,RO", "thick,FULL"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = kBlocks;
    given.block_size = 512;
    ASSERT_TRUE(map()->find(0)->set_geometry(given).is_ok());
    given.commands = CHISCSI_LUN_RUNS_ALL;
    given.compare_and_write_blocks = 16;
    given.max_unmap_blocks = given.max_unmap_ranges = 4;
    given.max_write_same_blocks = 1000;
    given.max_atomic_blocks = 32;
    given.max_transfer_blocks = 64;
    ASSERT_TRUE(map()->find(2)->set_geometry(given).is_ok());
    ASSERT_TRUE(map()->find(3)->set_geometry(given).is_ok());
    given.commands &= ~uint32_t{CHISCSI_LUN_RUNS_UNMAP};
    ASSERT_TRUE(map()->find(4)->set_geometry(given).is_ok());
  }
  static std::vector<uint8_t> with(std::vector<uint8_t> cdb, size_t at, uint8_t value) {
    cdb[at] = value;
    return cdb;
  }
  static const CommandInfo* row_of(const uint8_t (&cdb)[kCdbSize]) {
    for (const CommandInfo& info : medium_commands()) {
      const bool is_its = !info.has_service_action() || info.service_action == (cdb[1] & 0x1f);
      if (static_cast<uint8_t>(info.opcode) == cdb[0] && is_its) return &info;
    }
    return nullptr;
  }
  bool is_offered(uint8_t opcode, uint8_t action, uint32_t number) {
    const CommandInfo* info = row_of({opcode, action});
    return info != nullptr && scsi::is_offered(*info, map()->find(number));
  }
};

TEST_F(OptionalCommandTest, AClassIsOfferedWhatItRuns) {
  const std::pair<uint8_t, uint8_t> optional[] = {{0x41, 0},    {0x93, 0},   {0x42, 0}, {0x89, 0},
                                                  {0x8b, 0},    {0x9c, 0},   {0x48, 1}, {0x48, 2},
                                                  {0x9e, 0x12}, {0x48, 0x1f}};
  for (const auto& [opcode, action] : optional) {
    EXPECT_FALSE(is_offered(opcode, action, 0)) << int{opcode};
    EXPECT_TRUE(is_offered(opcode, action, 2)) << int{opcode};
  }
  EXPECT_TRUE(is_offered(0x88, 0, 0));
}

TEST_F(OptionalCommandTest, BlocksStandWhereTheCommandHasThem) {
  const auto extent = [](const std::vector<uint8_t>& cdb) {
    uint8_t bytes[kCdbSize] = {};
    std::copy(cdb.begin(), cdb.end(), bytes);
    const Extent found = extent_of(Cdb(bytes), *row_of(bytes)->medium);
    return std::make_pair(found.first, found.blocks);
  };
  EXPECT_EQ(extent(with(cdb16(0x89, 77, 0), 13, 9)), std::make_pair(uint64_t{77}, uint64_t{9}));
  EXPECT_EQ(extent(with(cdb16(0x9c, 77, 0), 12, 2)), std::make_pair(uint64_t{77}, uint64_t{512}));
  EXPECT_EQ(extent(with(cdb16(0x9e, 77, 500), 1, 0x12)), std::make_pair(uint64_t{77}, uint64_t{1}));
  EXPECT_EQ(extent({0x42, 0, 1, 1, 1, 1, 0, 0, 24}), std::make_pair(uint64_t{0}, uint64_t{0}));
}

TEST_F(OptionalCommandTest, TheEdgeOfTheMediumIsTheirsToo) {
  EXPECT_EQ(check(with(cdb16(0x89, kBlocks - 1, 0), 13, 1), kOut, 2), 0);
  EXPECT_EQ(check(with(cdb16(0x89, kBlocks - 1, 0), 13, 2), kOut, 2), kRange);
  EXPECT_EQ(check(cdb16(0x93, kBlocks, 1), kOut, 2), kRange);
  EXPECT_EQ(check(cdb16(0x8b, ~uint64_t{0}, 1), kOut, 2), kRange);
  EXPECT_EQ(check(with(cdb16(0x9c, kBlocks, 0), 13, 1), kOut, 2), kRange);
  EXPECT_EQ(check(with(cdb16(0x9e, kBlocks - 1, 512), 1, 0x12), kIn, 2), 0);
  EXPECT_EQ(check(with(cdb16(0x9e, kBlocks, 512), 1, 0x12), kIn, 2), kRange);
}

TEST_F(OptionalCommandTest, MoreThanTheClassCanDoIsRefused) {
  EXPECT_EQ(check(with(cdb16(0x89, 0, 0), 13, 16), kOut, 2), 0);
  expect_field(with(cdb16(0x89, 0, 0), 13, 17), kOut, 2, 13);
  expect_field(with(cdb16(0x9c, 0, 0), 13, 33), kOut, 2, 12);
  expect_field(cdb16(0x93, 0, 1001), kOut, 2, 10);
  expect_field({0x41, 0, 0, 0, 0, 0, 0, 3, 0xe9}, kOut, 2, 7);
  expect_field(cdb16(0x93, 0, 0), kOut, 2, 10);  // All of it.
  EXPECT_EQ(check(cdb16(0x93, kBlocks - 1000, 0), kOut, 2), 0);
  expect_field({0x08, 0, 0, 0, 65}, kIn, 2, 4);
  expect_field({0x28, 0, 0, 0, 0, 0, 0, 0, 65}, kIn, 2, 7);
  expect_field({0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 65}, kIn, 2, 6);
  expect_field(cdb16(0x88, 0, 65), kIn, 2, 10);
  EXPECT_EQ(check(cdb16(0x8f, 0, 65), {}, 2), 0);  // It moves nothing.
  EXPECT_EQ(check(cdb16(0x88, 0, 65), kIn, 0), 0);
}

TEST_F(OptionalCommandTest, BitsThatNobodyKnowsAreRefused) {
  expect_field(with(cdb16(0x93, 0, 1), 1, 0x10), kOut, 2, 1, 4);
  expect_field(with(cdb16(0x93, 0, 1), 1, 0x08), kOut, 4, 1, 3);
  EXPECT_EQ(check(with(cdb16(0x93, 0, 1), 1, 0x09), kOut, 2), 0);
  expect_field({0x41, 0x01, 0, 0, 0, 0, 0, 0, 1}, kOut, 2, 1, 0);
  expect_field({0x41, 0x0c, 0, 0, 0, 0, 0, 0, 1}, kOut, 2, 1, 2);
  expect_field({0x42, 0x01, 0, 0, 0, 0, 0, 0, 24}, kOut, 2, 1, 0);
  expect_field(with(with(cdb16(0x9c, 0, 0), 13, 1), 11, 1), kOut, 2, 10);
  expect_field(with(cdb16(0x8e, 0, 1), 1, 0x02), kOut, 0, 1, 2);
  EXPECT_EQ(check(with(cdb16(0x8e, 0, 1), 1, 0x02), kOut, 2), 0);
  expect_field(with(with(cdb16(0x89, 0, 0), 13, 1), 1, 0x20), kOut, 2, 1, 7);
}

TEST_F(OptionalCommandTest, ReservedBitsArePointedAt) {
  // Operation code, byte, bits, and the highest of them.
  const struct {
    uint8_t opcode, byte, bits, bit;
  } kReserved[] = {
      {0x28, 1, 0x04, 2},  {0x2a, 1, 0x05, 2},  {0x2f, 1, 0x08, 3},  {0x2e, 1, 0x08, 3},
      {0x34, 1, 0x1c, 4},  {0x35, 1, 0x18, 4},  {0x28, 6, 0xe0, 7},  {0x41, 6, 0x20, 5},
      {0xa8, 1, 0x04, 2},  {0xaa, 10, 0x60, 6}, {0xaf, 10, 0x80, 7}, {0x88, 1, 0x01, 0},
      {0x8a, 1, 0x05, 2},  {0x8f, 1, 0x01, 0},  {0x90, 1, 0x80, 7},  {0x91, 1, 0x21, 5},
      {0x88, 14, 0xc0, 7}, {0x93, 14, 0x40, 6}, {0x89, 10, 0xff, 7}, {0x89, 11, 0x01, 0},
      {0x89, 12, 0x10, 4}, {0x8b, 1, 0x05, 2},  {0x9c, 1, 0x02, 1},  {0x89, 14, 0x80, 7},
  };
  for (const auto& reserved : kReserved) {
    std::vector<uint8_t> cdb(kCdbSize);
    cdb[0] = reserved.opcode;
    cdb[reserved.byte] = reserved.bits;
    expect_field(cdb, {}, 2, reserved.byte, reserved.bit);
  }
  expect_field({0x9e, 0x92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, kIn, 2, 1, 7);
  // REPORT TYPE of GET LBA STATUS: another report.
  for (const uint8_t type : {0x01, 0x10, 0xff})
    expect_field({0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, type}, kIn, 2, 14);
}

TEST_F(OptionalCommandTest, ObsoleteBitsAndHintsChangeNothing) {
  const struct {
    uint8_t opcode, byte, bits;
  } kIgnored[] = {
      {0x08, 1, 0xe0},  {0x0a, 1, 0xe0},  {0x28, 1, 0x03},  {0x2a, 1, 0x03},  {0xa8, 1, 0x03},
      {0xaa, 1, 0x03},  {0x88, 1, 0x02},  {0x8a, 1, 0x02},  {0x8b, 1, 0x02},  {0x89, 1, 0x02},
      {0x2e, 1, 0x01},  {0x2f, 1, 0x01},  {0xae, 1, 0x01},  {0xaf, 1, 0x01},  {0x34, 1, 0xe1},
      {0x35, 1, 0xe5},  {0x91, 1, 0x04},  {0x28, 6, 0x1f},  {0x35, 6, 0x1f},  {0x41, 6, 0x1f},
      {0xa8, 10, 0x1f}, {0xaf, 10, 0x1f}, {0x88, 14, 0x3f}, {0x91, 14, 0x3f}, {0x89, 14, 0x3f},
      {0x88, 15, 0xc0}, {0x28, 9, 0xc1},
  };
  for (const auto& ignored : kIgnored) {
    std::vector<uint8_t> cdb(kCdbSize);
    cdb[0] = ignored.opcode;
    cdb[ignored.opcode < 0x20 ? 4 : 9] = 1;
    if (ignored.opcode == 0x41) cdb[8] = 1;
    const std::vector<uint8_t> same = with(cdb, ignored.byte, cdb[ignored.byte] | ignored.bits);
    EXPECT_EQ(check(same, {}, 2), check(cdb, {}, 2)) << testing::PrintToString(same);
    EXPECT_NE(check(same, {}, 2), kField) << testing::PrintToString(same);
  }
}

TEST_F(OptionalCommandTest, NoneOfThemChangesAReadOnlyLun) {
  for (const uint8_t opcode : {0x93, 0x8b})
    EXPECT_EQ(check(cdb16(opcode, 0, 1), kOut, 3), kProtected);
  EXPECT_EQ(check(with(cdb16(0x89, 0, 0), 13, 1), kOut, 3), kProtected);
  EXPECT_EQ(check({0x42, 0, 0, 0, 0, 0, 0, 0, 24}, kOut, 3), kProtected);
  EXPECT_EQ(check({0x48, 0x02}, {}, 3), kProtected);
  EXPECT_EQ(check(with(cdb16(0x9e, 0, 512), 1, 0x12), kIn, 3), 0);
}

}  // namespace
}  // namespace chiscsi::test
