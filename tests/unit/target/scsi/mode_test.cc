// SPDX-License-Identifier: GPL-2.0-only
//
// Mode pages: what MODE SENSE shows of each, and parameter lists of MODE SELECT that are right,
// wrong at one place, or cut at every byte.
#include "target/scsi/mode_pages.hh"

#include <random>

#include "question_fixture.hh"
#include "target/scsi/answers.hh"
#include "target/scsi/command_table.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

class ModeTest : public QuestionFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(change_to({"a,FULL", "b,FULL", "thin,FULL,THRESHOLD=25"}).is_ok());
    chiscsi_lun_geometry given = {};
    given.blocks = 0x12345;
    given.block_size = 4096;
    given.flags = CHISCSI_LUN_WRITE_CACHE;
    ASSERT_TRUE(lun(0).set_geometry(given).is_ok());
    given.flags = 0;
    ASSERT_TRUE(lun(1).set_geometry(given).is_ok());
    given.blocks = 0x10000;  // 256 sets of 256 blocks.
    given.flags = CHISCSI_LUN_THIN;
    ASSERT_TRUE(lun(2).set_geometry(given).is_ok());
    ASSERT_TRUE(lun(2).set_usage(0, 0).is_ok());
  }
  static constexpr uint32_t kThinLun = 2;
  Lun& lun(uint32_t number = 0) { return *map()->find(number); }

  // The pages of MODE SENSE(6) without block descriptors.
  ByteVector sense(uint8_t page, uint8_t subpage = 0, uint32_t number = 0) {
    const ByteVector data = ask(mode_sense_6, {0x1a, 0x08, page, subpage, 255}, number, 1024);
    if (!outcome_.is_good()) return {};
    device_specific_ = data[2];
    return ByteVector(data.begin() + 4, data.end());
  }
  // A list of MODE SELECT(6) with these pages.
  static ByteVector list(const ByteVector& pages) {
    ByteVector bytes(4);
    bytes.insert(bytes.end(), pages.begin(), pages.end());
    return bytes;
  }
  Sense select(const ByteVector& bytes, uint32_t number = 0, bool long_form = false) {
    UnitState& state = lun(number).state();
    ModeValues before = state.mode();
    ModeValues values = before;
    const Sense outcome =
        select_modes(lun(number), Bytes(bytes.data(), bytes.size()), long_form, &values);
    if (outcome.is_good()) {
      EXPECT_TRUE(state.change_mode(&before, values));
    }
    return outcome;
  }
  static void expect_wrong(const Sense& outcome, uint16_t byte, uint8_t bit) {
    EXPECT_EQ(outcome.code, kInvalidFieldInParameters);
    EXPECT_EQ(outcome.field.place, FieldPointer::kParameters);
    EXPECT_EQ(outcome.field.byte, byte);
    EXPECT_EQ(outcome.field.bit, bit);
  }
  // Byte 2 without TST, which says that each nexus has a task set.
  ByteVector control(uint8_t flags, uint8_t access) {
    return {0x0a, 0x0a, static_cast<uint8_t>(0x20 | flags), 0x10, access, 0, 0, 0, 0xff, 0xff,
            0,    0};
  }

  uint8_t device_specific_ = 0;
};

TEST_F(ModeTest, EachPageHasTheSizeThatItsHeaderSays) {
  for (const ModePage& page : mode_pages()) {
    const ByteVector bytes = sense(page.code, page.subcode, kThinLun);
    ASSERT_EQ(bytes.size(), page.size) << int{page.code};
    if (page.has_subcode()) {
      EXPECT_EQ(bytes[0], page.code | 0x40);
      EXPECT_EQ(bytes[1], page.subcode);
      EXPECT_EQ(bytes[2] << 8 | bytes[3], page.size - 4);
    } else {
      EXPECT_EQ(bytes[0], page.code);
      EXPECT_EQ(bytes[1], page.size - 2);
    }
    EXPECT_LE(page.size, kMaxModePage);
  }
}

TEST_F(ModeTest, AllPagesComeInOrderAndOnce) {
  std::vector<int> plain, all;
  const auto walk = [](const ByteVector& bytes) {
    std::vector<int> found;
    for (size_t at = 0; at < bytes.size();) {
      const bool sub = (bytes[at] & 0x40) != 0;
      found.push_back((bytes[at] & 0x3f) << 8 | (sub ? bytes[at + 1] : 0));
      at += sub ? 4u + (bytes[at + 2] << 8 | bytes[at + 3]) : 2u + bytes[at + 1];
    }
    return found;
  };
  EXPECT_EQ(walk(sense(0x3f)), (std::vector<int>{0x100, 0x200, 0x800, 0xa00, 0x1a00, 0x1c00}));
  EXPECT_EQ(walk(sense(0x3f, 0xff)),
            (std::vector<int>{0x100, 0x200, 0x800, 0xa00, 0xa01, 0x1a00, 0x1c00}));
  EXPECT_EQ(walk(sense(0x1c, 0xff, kThinLun)), (std::vector<int>{0x1c00, 0x1c02}));
  EXPECT_EQ(walk(sense(0x3f, 0xff, kThinLun)).back(), 0x1c02);
  EXPECT_EQ(walk(sense(0x0a, 0xff)), (std::vector<int>{0xa00, 0xa01}));
  EXPECT_EQ(walk(sense(0x0a, 0x01)), (std::vector<int>{0xa01}));
  EXPECT_TRUE(sense(0x0a, 0x02).empty());
  EXPECT_TRUE(sense(0x3f, 0x01).size() == 32);
  EXPECT_TRUE(sense(0x07).empty());
}

TEST_F(ModeTest, WhatCanBeChanged) {
  EXPECT_EQ(sense(0x4a), (ByteVector{0x0a, 0x0a, 0x04, 0, 0x08, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(sense(0x48)[2], 0x04);
  EXPECT_EQ(sense(0x48, 0, 1)[2], 0) << "without a cache there is nothing to switch";
  EXPECT_EQ(sense(0x41), (ByteVector{0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(ModeTest, ValuesChangeAndDefaultsStay) {
  EXPECT_TRUE(select(list(control(0x04, 0x08))).is_good());
  EXPECT_TRUE(lun().state().mode().descriptor_sense());
  EXPECT_TRUE(lun().is_write_protected());
  EXPECT_FALSE(lun(1).is_write_protected());
  EXPECT_EQ(sense(0x0a), control(0x04, 0x08));
  EXPECT_EQ(device_specific_ & 0x80, 0x80);
  EXPECT_EQ(sense(0x8a), control(0, 0));
  EXPECT_TRUE(select(list(control(0, 0))).is_good());
  EXPECT_EQ(sense(0x0a), control(0, 0));
  EXPECT_EQ(device_specific_ & 0x80, 0);
}

TEST_F(ModeTest, TheWriteCacheIsSwitchedWhereThereIsOne) {
  ByteVector caching = sense(0x08);
  EXPECT_EQ(caching[2], 0x04);
  caching[2] = 0;
  EXPECT_TRUE(select(list(caching)).is_good());
  EXPECT_EQ(sense(0x08)[2], 0);
  EXPECT_EQ(sense(0x88)[2], 0x04);
  caching[2] = 0x04;
  EXPECT_TRUE(select(list(caching)).is_good());
  EXPECT_EQ(sense(0x08)[2], 0x04);
  expect_wrong(select(list(caching), 1), 6, 2);
}

// The page of LUN 2 with another descriptor.
ByteVector provisioning(uint8_t flags, uint32_t count, uint8_t resource = 2) {
  ByteVector page = {0x5c, 0x02, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, resource, 0, 0};
  for (int shift = 24; shift >= 0; shift -= 8)
    page.push_back(static_cast<uint8_t>(count >> shift));
  return page;
}

TEST_F(ModeTest, AThinUnitHasAThreshold) {
  EXPECT_EQ(sense(0x1c, 2, kThinLun), provisioning(0x81, 64));
  EXPECT_EQ(sense(0x5c, 2, kThinLun), provisioning(0x80, 0xffffffff, 0));
  EXPECT_EQ(sense(0x01, 0, kThinLun)[7], 0x80);
  EXPECT_EQ(sense(0x41, 0, kThinLun)[7], 0x80);
  EXPECT_TRUE(select(list(provisioning(0x01, 99)), kThinLun).is_good());
  EXPECT_EQ(sense(0x1c, 2, kThinLun), provisioning(0x01, 99));
  EXPECT_EQ(sense(0x9c, 2, kThinLun), provisioning(0x81, 64));
  ByteVector recovery = sense(0x01, 0, kThinLun);
  recovery[7] = 0;
  EXPECT_TRUE(select(list(recovery), kThinLun).is_good());
  EXPECT_EQ(sense(0x01, 0, kThinLun)[7], 0);
  EXPECT_EQ(sense(0x81, 0, kThinLun)[7], 0x80);
  lun(kThinLun).reset_state();
  EXPECT_EQ(sense(0x1c, 2, kThinLun), provisioning(0x81, 64));
  EXPECT_EQ(sense(0x01, 0, kThinLun)[7], 0x80);
}

TEST_F(ModeTest, TheRestOfTheThresholdIsAsItIs) {
  expect_wrong(select(list(provisioning(0x80, 64)), kThinLun), 4 + 16, 0);  // Decreasing.
  expect_wrong(select(list(provisioning(0x89, 64)), kThinLun), 4 + 16, 3);  // A percentage.
  expect_wrong(select(list(provisioning(0x81, 64, 1)), kThinLun), 4 + 17, 1);
  ByteVector single = provisioning(0x81, 64);
  single[4] = 1;  // SITUA
  expect_wrong(select(list(single), kThinLun), 4 + 4, 0);
  // Others have neither the page nor the bit.
  expect_wrong(select(list(provisioning(0x81, 64))), 4, 5);
  EXPECT_TRUE(sense(0x1c, 2).empty());
  ByteVector recovery = sense(0x01);
  recovery[7] = 0x80;
  expect_wrong(select(list(recovery)), 4 + 7, 7);
}

TEST_F(ModeTest, OneWrongPageChangesNothing) {
  ByteVector pages = control(0x04, 0);
  const ByteVector power = {0x1a, 0x26};
  pages.insert(pages.end(), power.begin(), power.end());
  pages.resize(12 + 40);
  EXPECT_TRUE(select(list(pages)).is_good());
  EXPECT_TRUE(select(list(control(0, 0))).is_good());
  pages[12 + 3] = 0x20;
  expect_wrong(select(list(pages)), 4 + 12 + 3, 5);
  EXPECT_FALSE(lun().state().mode().descriptor_sense());
}

TEST_F(ModeTest, WrongFieldsAreNamed) {
  expect_wrong(select(list(control(0x01, 0))), 4 + 2, 0);
  expect_wrong(select(list(control(0, 0x10))), 4 + 4, 4);
  expect_wrong(select(list({0x07, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})), 4, 5);
  ByteVector bytes = list(control(0, 0));
  bytes[5] = 0x09;
  expect_wrong(select(bytes), 5, 8);
  bytes = list(control(0, 0));
  bytes[1] = 1;
  expect_wrong(select(bytes), 1, 8);
  bytes = list(control(0, 0));
  bytes[3] = 4;
  expect_wrong(select(bytes), 3, 8);
  bytes = list(control(0, 0));
  bytes[4] |= 0x40;  // The form with a subpage code.
  EXPECT_FALSE(select(bytes).is_good());
  // PS means something to MODE SENSE only.
  bytes = list(control(0, 0));
  bytes[4] |= 0x80;
  EXPECT_TRUE(select(bytes).is_good());
}

TEST_F(ModeTest, BlocksStayAsTheyAre) {
  const auto with_blocks = [this](uint32_t blocks, uint32_t size) {
    ByteVector bytes = {0, 0, 0, 8};
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<uint8_t>(blocks >> shift));
    bytes.push_back(0);
    for (int shift = 16; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<uint8_t>(size >> shift));
    const ByteVector page = control(0, 0);
    bytes.insert(bytes.end(), page.begin(), page.end());
    return bytes;
  };
  EXPECT_TRUE(select(with_blocks(0x12345, 4096)).is_good());
  EXPECT_TRUE(select(with_blocks(0, 4096)).is_good());
  EXPECT_TRUE(select(with_blocks(0xffffffff, 4096)).is_good());
  expect_wrong(select(with_blocks(0x12344, 4096)), 4, 8);
  expect_wrong(select(with_blocks(0x12345, 512)), 9, 8);
}

TEST_F(ModeTest, TheLongFormHasLongBlocks) {
  ByteVector bytes = {0, 0, 0,    0,    1, 0, 0, 16, 0, 0, 0,    0,
                      0, 1, 0x23, 0x45, 0, 0, 0, 0,  0, 0, 0x10, 0};
  const ByteVector page = control(0x04, 0);
  bytes.insert(bytes.end(), page.begin(), page.end());
  EXPECT_TRUE(select(bytes, 0, true).is_good());
  EXPECT_TRUE(lun().state().mode().descriptor_sense());
  bytes[15] = 0x44;
  expect_wrong(select(bytes, 0, true), 8, 8);
  bytes[4] = 0;
  expect_wrong(select(bytes, 0, true), 6, 8);
}

TEST_F(ModeTest, AListThatIsCutIsTooShort) {
  ByteVector whole = list(control(0x04, 0));
  const ByteVector extension = sense(0x0a, 0x01);
  whole.insert(whole.end(), extension.begin(), extension.end());
  ASSERT_TRUE(select(whole).is_good());
  ASSERT_TRUE(select(list(control(0, 0))).is_good());
  for (size_t size = 0; size < whole.size(); ++size) {
    const ByteVector cut(whole.begin(), whole.begin() + static_cast<long>(size));
    const bool between_pages = size == 4 || size == 16;
    EXPECT_EQ(select(cut).is_good(), between_pages) << size;
    if (!between_pages) {
      EXPECT_EQ(select(cut).code, kParameterListLengthError) << size;
    }
  }
}

TEST_F(ModeTest, RandomListsAreTakenOrRefused) {
  std::mt19937 random(99);
  const ByteVector seed = list(control(0x04, 0x08));
  for (int i = 0; i < 100000; ++i) {
    ByteVector bytes = seed;
    bytes.resize(random() % 64);
    for (int n = 0; n < 3 && !bytes.empty(); ++n)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    const Sense outcome = select(bytes, 0, (random() & 1) != 0);
    EXPECT_TRUE(outcome.is_good() || outcome.code.key == 5);
    if (outcome.field.place != FieldPointer::kNowhere) {
      EXPECT_LT(outcome.field.byte, bytes.size());
    }
  }
}

// A reload moves the device to another Lun, and what was set goes with it.
TEST_F(ModeTest, ValuesMoveWithTheDevice) {
  ASSERT_TRUE(select(list(control(0x04, 0))).is_good());
  ASSERT_TRUE(change_to({"c,FULL", "a,FULL"}).is_ok());
  EXPECT_FALSE(lun(0).state().mode().descriptor_sense());
  EXPECT_TRUE(lun(1).state().mode().descriptor_sense());
}

}  // namespace
}  // namespace chiscsi::test
