// SPDX-License-Identifier: GPL-2.0-only
//
// The SCSI device server of ifacedriver: what each CDB asks for, and what it is refused for.
#include <gtest/gtest.h>

#include "fake_host.hh"

#include "../../../api-ddk/storage_driver.cc"

namespace {

using iface::Plan;
using iface::Transfer;
using Kind = Plan::Kind;

constexpr iface::u32 kBlocks = 2048;

class StorageDriver : public ::testing::Test {
 protected:
  StorageDriver() {
    for (iface::u32 i = 0; i < 3; ++i) {
      iface::Device& d = device_[i];
      d.number = i;
      d.blocks = kBlocks;
      d.max_transfer_blocks = 1024;
      d.optimal_transfer_blocks = 512;
      d.naa = 0x3123456789abcdef;
      iface::put_padded(d.vendor, 8, "VENDOR");
      iface::put_padded(d.product, 16, "PRODUCT");
      iface::put_padded(d.revision, 4, "1.0");
      std::strcpy(d.serial, "serial-00");
      std::strcpy(d.target_name, "iqn.2026-11.org.example:t");
      list_[i] = &d;
    }
    std::memset(response_, 0xee, sizeof(response_));
  }

  Plan run(std::vector<int> bytes, unsigned lun = 0) {
    unsigned char cdb[16] = {};
    for (size_t i = 0; i < bytes.size(); ++i)
      cdb[i] = static_cast<unsigned char>(bytes[i]);
    return iface::plan_command({list_, 3}, lun, cdb, response_, state_);
  }

  void expect_sense(const Plan& plan, iface::Sense sense) {
    EXPECT_EQ(plan.sense.key, sense.key);
    EXPECT_EQ(plan.sense.asc, sense.asc);
    EXPECT_EQ(plan.sense.ascq, sense.ascq);
  }
  void expect_response(const Plan& plan, iface::u64 length) {
    EXPECT_FALSE(plan.failed());
    EXPECT_EQ(plan.kind, Kind::kResponse);
    EXPECT_EQ(plan.length, length);
  }

  iface::Device device_[3];
  const iface::Device* list_[3];
  iface::Modes modes_;
  iface::UnitState state_;  // nothing can be changed
  unsigned char response_[iface::kResponseMax];
};

// ---- Media access ----

TEST_F(StorageDriver, ReadsAndWritesOfAllSizesNameTheirBytes) {
  const struct {
    std::vector<int> cdb;
    Kind kind;
    iface::u64 offset, length;
  } cases[] = {
      {{0x08, 0x00, 0x00, 0x07, 2}, Kind::kReadMedia, 7 * 512, 2 * 512},
      {{0x0a, 0x00, 0x01, 0x00, 0}, Kind::kWriteMedia, 256 * 512, 256 * 512},
      {{0x28, 0, 0, 0, 0, 9, 0, 0, 3}, Kind::kReadMedia, 9 * 512, 3 * 512},
      {{0x2a, 0, 0, 0, 7, 0xff, 0, 0, 1}, Kind::kWriteMedia, 2047 * 512, 512},
      {{0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 4}, Kind::kReadMedia, 512, 4 * 512},
      {{0xaa, 0, 0, 0, 0, 1, 0, 0, 0, 4}, Kind::kWriteMedia, 512, 4 * 512},
      {{0x88, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0}, Kind::kReadMedia, 1024 * 512, 1024 * 512},
      {{0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, Kind::kWriteMedia, 0, 8 * 512},
      {{0x2e, 2, 0, 0, 0, 9, 0, 0, 3}, Kind::kWriteMedia, 9 * 512, 3 * 512},
      {{0xae, 0, 0, 0, 0, 1, 0, 0, 0, 4}, Kind::kWriteMedia, 512, 4 * 512},
      {{0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, Kind::kWriteMedia, 0, 8 * 512},
  };
  for (const auto& c : cases) {
    const Plan plan = run(c.cdb);
    EXPECT_FALSE(plan.failed()) << c.cdb[0];
    EXPECT_EQ(plan.kind, c.kind) << c.cdb[0];
    EXPECT_EQ(plan.offset, c.offset) << c.cdb[0];
    EXPECT_EQ(plan.length, c.length) << c.cdb[0];
  }
}

TEST_F(StorageDriver, RefusesRangesThatLeaveTheMedium) {
  const std::vector<int> cdbs[] = {
      {0x08, 0x00, 0x07, 0xff, 2},
      {0x28, 0, 0, 0, 8, 0, 0, 0, 1},
      {0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1},
      {0x28, 0, 0, 0, 8, 1, 0, 0, 0},  // no blocks, but past the end
      {0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff},
      {0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
      {0x8a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
      {0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
      {0x35, 0, 0, 0, 8, 1},
      {0x91, 0, 0, 0, 0, 1},
  };
  for (const auto& cdb : cdbs)
    expect_sense(run(cdb), iface::kLbaOutOfRange);
}

TEST_F(StorageDriver, NoBlocksAtTheEndIsNoError) {
  const Plan plan = run({0x28, 0, 0, 0, 8, 0, 0, 0, 0});
  EXPECT_FALSE(plan.failed());
  EXPECT_EQ(plan.length, 0u);
}

TEST_F(StorageDriver, RefusesMoreThanTheMaximumTransferLength) {
  expect_sense(run({0x28, 0, 0, 0, 0, 0, 0, 4, 1}), iface::kInvalidField);
}

TEST_F(StorageDriver, AcceptsDpoAndFuaAndRefusesProtection) {
  for (int opcode : {0x28, 0x2a, 0xa8, 0xaa, 0x88, 0x8a}) {
    EXPECT_FALSE(run({opcode, 0x18}).failed()) << opcode;
    for (int protect = 1; protect < 8; ++protect) {
      expect_sense(run({opcode, protect << 5}), iface::kInvalidField);
    }
  }
}

TEST_F(StorageDriver, RefusesUnknownOpcodesAndReservedBits) {
  for (int opcode : {0x04, 0x15, 0x16, 0x41, 0x42, 0x55, 0x5e, 0x83, 0x89, 0x93, 0xff}) {
    expect_sense(run({opcode}), iface::kInvalidOpcode);
  }
  expect_sense(run({0x00, 1}), iface::kInvalidField);
  expect_sense(run({0x00, 0, 0, 0, 0, 0x04}), iface::kInvalidField);  // NACA
  expect_sense(run({0x9e, 0x12}), iface::kInvalidField);              // unknown service action
}

// ---- INQUIRY ----

TEST_F(StorageDriver, StandardInquiryNamesTheDevice) {
  expect_response(run({0x12, 0, 0, 1, 0}), 74);
  EXPECT_EQ(response_[0], 0x00);
  EXPECT_EQ(response_[2], 0x06);
  EXPECT_EQ(response_[3] & 0x0f, 2);
  EXPECT_EQ(response_[4], 69);
  EXPECT_EQ(std::memcmp(response_ + 8, "VENDOR  PRODUCT         1.0 ", 28), 0);
  for (int i = 36; i < 58; ++i)
    EXPECT_EQ(response_[i], 0);
}

TEST_F(StorageDriver, ResponsesAreCutToTheAllocationLength) {
  expect_response(run({0x12, 0, 0, 0, 5}), 5);
  expect_response(run({0x12, 0, 0, 0, 0}), 0);
  expect_response(run({0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 9}), 9);
  expect_response(run({0x1a, 0, 0x3f, 0, 4}), 4);
}

TEST_F(StorageDriver, AbsentUnitsAnswerInquiryReportLunsAndRequestSenseOnly) {
  expect_response(run({0x12, 0, 0, 0, 255}, 3), 74);
  EXPECT_EQ(response_[0], 0x7f);
  expect_response(run({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 77), 32);
  expect_response(run({0x03, 0, 0, 0, 252}, 3), 18);
  EXPECT_EQ(response_[2], 0x05);
  EXPECT_EQ(response_[12], 0x25);
  for (int opcode : {0x00, 0x28, 0x2a, 0x9e, 0xff}) {
    expect_sense(run({opcode}, 3), iface::kNoSuchUnit);
  }
  expect_sense(run({0x12, 1, 0x83, 0, 255}, 3), iface::kNoSuchUnit);
}

TEST_F(StorageDriver, EverySupportedVpdPageCanBeReadAndHasTheRightLength) {
  expect_response(run({0x12, 1, 0, 0, 255}), 10);
  const std::vector<int> pages(response_ + 4, response_ + 10);
  EXPECT_EQ(pages, (std::vector<int>{0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2}));
  for (int page : pages) {
    const Plan plan = run({0x12, 1, page, 1, 0});
    expect_response(plan, 4U + iface::get_be16(response_ + 2));
    EXPECT_EQ(response_[1], page);
  }
  expect_sense(run({0x12, 1, 0x81, 0, 255}), iface::kInvalidField);
  expect_sense(run({0x12, 0, 0x83, 0, 255}), iface::kInvalidField);  // page without EVPD
}

TEST_F(StorageDriver, IdentificationPageHoldsWellFormedDesignators) {
  const Plan plan = run({0x12, 1, 0x83, 1, 0});
  unsigned at = 4;
  std::vector<int> types;
  while (at < plan.length) {
    types.push_back(response_[at + 1] & 0x0f);
    at += 4U + response_[at + 3];
  }
  EXPECT_EQ(at, plan.length);
  EXPECT_EQ(types, (std::vector<int>{3, 1, 8}));
  EXPECT_EQ(response_[4 + 4] >> 4, 3);         // NAA locally assigned
  EXPECT_EQ(response_[plan.length - 1], 0);    // the name string is terminated
  EXPECT_EQ(response_[plan.length - 4], 't');  // 25 characters, padded to 28
}

TEST_F(StorageDriver, BlockLimitsMatchWhatIsEnforced) {
  run({0x12, 1, 0xb0, 0, 64});
  EXPECT_EQ(iface::get_be16(response_ + 2), 0x3c);
  EXPECT_EQ(iface::get_be32(response_ + 8), 1024u);
  EXPECT_EQ(iface::get_be32(response_ + 12), 512u);
}

// ---- Capacity, LUNs, mode pages ----

TEST_F(StorageDriver, CapacityIsTheLastBlockAndSaturates) {
  expect_response(run({0x25}), 8);
  EXPECT_EQ(iface::get_be32(response_), kBlocks - 1);
  EXPECT_EQ(iface::get_be32(response_ + 4), 512u);
  device_[0].blocks = 1ULL << 33;
  run({0x25});
  EXPECT_EQ(iface::get_be32(response_), 0xffffffffu);
  expect_response(run({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}), 32);
  EXPECT_EQ(iface::get_be64(response_), (1ULL << 33) - 1);
}

TEST_F(StorageDriver, ReportLunsKnowsItsSelections) {
  for (int select : {0, 2}) {
    expect_response(run({0xa0, 0, select, 0, 0, 0, 0, 0, 1, 0}), 32);
    EXPECT_EQ(iface::get_be32(response_), 24u);
    EXPECT_EQ(response_[8 + 16 + 1], 2);
  }
  expect_response(run({0xa0, 0, 1, 0, 0, 0, 0, 0, 1, 0}), 8);
  EXPECT_EQ(iface::get_be32(response_), 0u);
  expect_sense(run({0xa0, 0, 3, 0, 0, 0, 0, 0, 1, 0}), iface::kInvalidField);
}

TEST_F(StorageDriver, ModeSenseReturnsPagesByCode) {
  expect_response(run({0x1a, 0, 0x3f, 0, 255}), 4 + 8 + 20 + 12);
  EXPECT_EQ(response_[0], 4 + 8 + 20 + 12 - 1);
  EXPECT_EQ(response_[2], 0x10);
  expect_response(run({0x1a, 8, 0x08, 0, 255}), 4 + 20);
  EXPECT_EQ(response_[4], 0x08);
  expect_response(run({0x1a, 8, 0x0a, 0xff, 255}), 4 + 12);
  expect_response(run({0x5a, 0x10, 0x0a, 0, 0, 0, 0, 1, 0}), 8 + 16 + 12);
  EXPECT_EQ(response_[4], 1);
  expect_sense(run({0x1a, 0, 0x02, 0, 255}), iface::kInvalidField);
  expect_sense(run({0x1a, 0, 0x08, 1, 255}), iface::kInvalidField);
}

TEST_F(StorageDriver, ModeSensePageControl) {
  run({0x1a, 8, 0x4a, 0, 255});  // changeable: nothing
  for (int i = 6; i < 16; ++i)
    EXPECT_EQ(response_[i], 0);
  run({0x1a, 8, 0x8a, 0, 255});  // default: as current
  EXPECT_EQ(response_[4 + 3], 0x10);
  expect_sense(run({0x1a, 8, 0xca, 0, 255}), iface::kSavingNotSupported);
}

TEST_F(StorageDriver, ModeSelectIsForDriversWhoseModesCanBeChanged) {
  for (const int opcode : {0x15, 0x55}) {
    state_.modes = nullptr;
    expect_sense(run({opcode, 0x10}), iface::kInvalidOpcode);
    run({0xa3, 0x0c, 1, opcode, 0, 0, 0, 0, 1, 0});
    EXPECT_EQ(response_[1] & 7, 1) << opcode;
    state_.modes = &modes_;
    EXPECT_FALSE(run({opcode, 0x10}).failed());
    run({0xa3, 0x0c, 1, opcode, 0, 0, 0, 0, 1, 0});
    EXPECT_EQ(response_[1] & 7, 3) << opcode;
    EXPECT_EQ(response_[5], 0x10);  // PF, and no SP
  }
}

TEST_F(StorageDriver, ModeSelectAsksForItsParameterList) {
  state_.modes = &modes_;
  for (const auto& cdb :
       {std::vector<int>{0x15, 0x10, 0, 0, 16}, {0x55, 0x10, 0, 0, 0, 0, 0, 0, 16}}) {
    const Plan plan = run(cdb);
    EXPECT_FALSE(plan.failed());
    EXPECT_EQ(plan.kind, Kind::kParameters);
    EXPECT_EQ(plan.length, 16u);
  }
  EXPECT_EQ(run({0x15, 0x10}).kind, Kind::kNothing);
  EXPECT_EQ(run({0x55, 0x10, 0, 0, 0, 0, 0, 0x10, 0}).length, iface::kResponseMax);
  expect_sense(run({0x55, 0x10, 0, 0, 0, 0, 0, 0x10, 1}), iface::kParameterListLength);
  expect_sense(run({0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff}), iface::kParameterListLength);
  for (const int opcode : {0x15, 0x55}) {
    expect_sense(run({opcode, 0x00}), iface::kInvalidField);  // pages of a vendor's form
    expect_sense(run({opcode, 0x11}), iface::kInvalidField);  // SP
    expect_sense(run({opcode, 0x12}), iface::kInvalidField);  // RTD
    expect_sense(run({opcode, 0x10}, 3), iface::kNoSuchUnit);
  }
}

TEST_F(StorageDriver, EveryWriteToAProtectedUnitIsRefused) {
  modes_.write_protected = true;
  state_.modes = &modes_;
  for (int opcode : {0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e}) {
    expect_sense(run({opcode}), iface::kSoftwareWriteProtected);
    // Known before anything else, without asking for anything else.
    expect_sense(run({opcode, 0, 0xff, 0xff, 0xff}), iface::kSoftwareWriteProtected);
  }
  for (int opcode : {0x00, 0x08, 0x28, 0xa8, 0x88, 0x35, 0x91, 0x1b})
    EXPECT_FALSE(run({opcode}).failed()) << opcode;
}

TEST_F(StorageDriver, AUnitAttentionComesBeforeTheCommand) {
  state_.attention = iface::kModeParametersChanged;
  for (int opcode : {0x00, 0x28, 0x2a, 0x1a, 0x9e, 0xa3, 0xff}) {
    const Plan plan = run({opcode});
    expect_sense(plan, iface::kModeParametersChanged);
    EXPECT_TRUE(plan.tells_attention) << opcode;
  }
  for (int opcode : {0x12, 0xa0}) {
    const Plan plan = run({opcode});
    EXPECT_FALSE(plan.failed()) << opcode;
    EXPECT_FALSE(plan.tells_attention) << opcode;
  }
  EXPECT_TRUE(run({0x03, 0, 0, 0, 18}).tells_attention);
  EXPECT_EQ(response_[2], 6);
  EXPECT_EQ(iface::get_be16(response_ + 12), 0x2a01);
  EXPECT_TRUE(run({0x03, 1, 0, 0, 18}).tells_attention);
  EXPECT_EQ(iface::get_be32(response_), 0x72062a01u);
  // An absent unit has none.
  EXPECT_FALSE(run({0x03, 0, 0, 0, 18}, 3).tells_attention);
  EXPECT_EQ(response_[12], 0x25);
  EXPECT_FALSE(run({0x00}, 3).tells_attention);
}

TEST_F(StorageDriver, StartStopRefusesWhatTheMediumCannotDo) {
  EXPECT_FALSE(run({0x1b, 0, 0, 0, 1}).failed());
  expect_sense(run({0x1b, 0, 0, 0, 2}), iface::kInvalidField);
  expect_sense(run({0x1b, 0, 0, 0, 0x30}), iface::kInvalidField);
}

// ---- REPORT SUPPORTED OPERATION CODES ----

TEST_F(StorageDriver, EveryListedOpcodeIsAlsoReportedAloneAndIsKnown) {
  unsigned char all[iface::kResponseMax];
  const Plan plan = run({0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
  std::memcpy(all, response_, sizeof(all));
  ASSERT_EQ(plan.length, 4 + iface::get_be32(all));
  for (unsigned at = 4; at < plan.length; at += 8) {
    const int opcode = all[at];
    const bool action = (all[at + 5] & 1) != 0;
    const int option = action ? 2 : 1;
    const Plan one = run({0xa3, 0x0c, option, opcode, all[at + 2], all[at + 3], 0, 0, 1, 0});
    EXPECT_FALSE(one.failed()) << opcode;
    EXPECT_EQ(response_[1] & 7, 3) << opcode;
    EXPECT_EQ(response_[4], opcode);
    EXPECT_EQ(iface::get_be16(response_ + 2), iface::get_be16(all + at + 6));
    expect_sense(run({0xa3, 0x0c, 3 - option, opcode, 0, all[at + 3], 0, 0, 1, 0}),
                 iface::kInvalidField);
    const Plan itself = run({opcode, action ? all[at + 3] : 0});
    EXPECT_FALSE(itself.sense.asc == 0x20) << opcode;
  }
}

TEST_F(StorageDriver, ReportsTimeoutsWhenAsked) {
  const Plan plan = run({0xa3, 0x0c, 0x81, 0x28, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(plan.length, 4u + 10 + 12);
  EXPECT_EQ(response_[1], 0x83);
  EXPECT_EQ(response_[5] & 0x18, 0x18);  // DPO, FUA
  EXPECT_EQ(iface::get_be16(response_ + 14), 10);
  run({0xa3, 0x0c, 0x01, 0xff, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(response_[1] & 7, 1);
}

// Nothing of an earlier, longer answer may shine through.
TEST_F(StorageDriver, ResponsesStartFromZeros) {
  std::memset(response_, 0xee, sizeof(response_));
  run({0x12, 1, 0xb0, 0, 64});
  for (int i = 16; i < 64; ++i)
    EXPECT_EQ(response_[i], 0) << i;
}

// ---- Residuals ----

Plan plan_of(Kind kind, iface::u64 length) {
  Plan plan;
  plan.kind = kind;
  plan.length = length;
  return plan;
}

TEST(FitTransfer, MovesTheSmallerLengthAndReportsTheRest) {
  Transfer t = iface::fit_transfer(plan_of(Kind::kReadMedia, 512), 512, false);
  EXPECT_EQ(t.length, 512u);
  EXPECT_EQ(t.flag, 0u);
  t = iface::fit_transfer(plan_of(Kind::kReadMedia, 512), 200, false);
  EXPECT_EQ(t.length, 200u);
  EXPECT_EQ(t.flag, static_cast<unsigned>(SC_FLAG_XFER_OVERFLOW));
  EXPECT_EQ(t.residual, 312u);
  t = iface::fit_transfer(plan_of(Kind::kWriteMedia, 512), 10000, true);
  EXPECT_EQ(t.length, 512u);
  EXPECT_EQ(t.flag, static_cast<unsigned>(SC_FLAG_XFER_UNDERFLOW));
  EXPECT_EQ(t.residual, 9488u);
}

TEST(FitTransfer, NothingExpectedIsAnOverflowInEitherDirection) {
  for (const Kind kind : {Kind::kReadMedia, Kind::kWriteMedia}) {
    const Transfer t = iface::fit_transfer(plan_of(kind, 512), 0, false);
    EXPECT_EQ(t.sense.key, 0);
    EXPECT_EQ(t.length, 0u);
    EXPECT_EQ(t.flag, static_cast<unsigned>(SC_FLAG_XFER_OVERFLOW));
    EXPECT_EQ(t.residual, 512u);
  }
}

TEST(FitTransfer, MovesNothingInTheWrongDirection) {
  Transfer t = iface::fit_transfer(plan_of(Kind::kReadMedia, 512), 512, true);
  EXPECT_EQ(t.sense.key, 0);
  EXPECT_EQ(t.length, 0u);
  EXPECT_EQ(t.flag, static_cast<unsigned>(SC_FLAG_XFER_UNDERFLOW));
  EXPECT_EQ(t.residual, 512u);
  t = iface::fit_transfer(plan_of(Kind::kWriteMedia, 512), 512, false);
  EXPECT_EQ(t.sense.asc, 0x0e);
  EXPECT_EQ(t.length, 0u);
}

TEST(FitTransfer, AParameterListComesAsAWholeOrNotAtAll) {
  Transfer t = iface::fit_transfer(plan_of(Kind::kParameters, 16), 20, true);
  EXPECT_EQ(t.sense.key, 0);
  EXPECT_EQ(t.length, 16u);
  EXPECT_EQ(t.residual, 4u);
  for (const unsigned expected : {0U, 1U, 15U}) {
    t = iface::fit_transfer(plan_of(Kind::kParameters, 16), expected, true);
    EXPECT_EQ(t.sense.asc, 0x1a);
    EXPECT_EQ(t.length, 0u);
    EXPECT_EQ(t.residual, expected);
  }
  t = iface::fit_transfer(plan_of(Kind::kParameters, 16), 16, false);
  EXPECT_EQ(t.sense.asc, 0x0e);
  EXPECT_EQ(t.length, 0u);
}

TEST(FitTransfer, AFailedCommandMovesNothing) {
  Plan plan = plan_of(Kind::kNothing, 0);
  plan.sense = iface::kInvalidField;
  const Transfer t = iface::fit_transfer(plan, 4096, false);
  EXPECT_EQ(t.length, 0u);
  EXPECT_EQ(t.flag, static_cast<unsigned>(SC_FLAG_XFER_UNDERFLOW));
  EXPECT_EQ(t.residual, 4096u);
}

}  // namespace
