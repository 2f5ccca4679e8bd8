// SPDX-License-Identifier: GPL-2.0-only
//
// Unit attention conditions of one I_T nexus: each is reported once per logical unit, oldest first,
// and there is a place for every one of them or one that stands for all.
#include "target/session/unit_attention.hh"

#include <gtest/gtest.h>

#include <utility>

namespace chiscsi::test {
namespace {

constexpr SenseCode kNothing{0, 0, 0};

SenseCode take(UnitAttentions& pending, uint32_t lun) {
  SenseCode code = kNothing;
  return pending.take(lun, &code) ? code : kNothing;
}

class UnitAttentionTest : public testing::Test {
 protected:
  UnitAttentions pending;
};

TEST_F(UnitAttentionTest, IsEmptyAtFirst) {
  EXPECT_TRUE(pending.empty());
  EXPECT_EQ(take(pending, 0), kNothing);
}

TEST_F(UnitAttentionTest, ReportsToItsUnitOnce) {
  pending.establish(1, kBusDeviceReset);
  EXPECT_FALSE(pending.empty());
  EXPECT_EQ(take(pending, 0), kNothing);
  EXPECT_EQ(take(pending, 1), kBusDeviceReset);
  EXPECT_EQ(take(pending, 1), kNothing);
  EXPECT_TRUE(pending.empty());
}

TEST_F(UnitAttentionTest, PeekingChangesNothing) {
  SenseCode code = kNothing;
  EXPECT_FALSE(pending.peek(1, &code));
  pending.establish(1, kCommandsCleared);
  EXPECT_TRUE(pending.peek(1, &code));
  EXPECT_EQ(code, kCommandsCleared);
  EXPECT_FALSE(pending.peek(2, &code));
  EXPECT_EQ(take(pending, 1), kCommandsCleared);
  pending.establish_everywhere(kNexusLoss);
  EXPECT_TRUE(pending.peek(2, &code));
  EXPECT_EQ(code, kNexusLoss);
  EXPECT_EQ(take(pending, 2), kNexusLoss);
  EXPECT_FALSE(pending.peek(2, &code));
}

TEST_F(UnitAttentionTest, ReportsTheOldestFirstAndEachKindOnce) {
  pending.establish(1, kCommandsCleared);
  pending.establish(1, kBusDeviceReset);
  pending.establish(1, kCommandsCleared);
  EXPECT_EQ(take(pending, 1), kCommandsCleared);
  EXPECT_EQ(take(pending, 1), kBusDeviceReset);
  EXPECT_EQ(take(pending, 1), kNothing);
}

TEST_F(UnitAttentionTest, WhatConcernsAllUnitsIsReportedByEach) {
  pending.establish_everywhere(kBusDeviceReset);
  for (uint32_t lun = 0; lun < 1024; ++lun) {
    EXPECT_EQ(take(pending, lun), kBusDeviceReset) << lun;
    EXPECT_EQ(take(pending, lun), kNothing) << lun;
  }
  // It has happened again.
  pending.establish_everywhere(kBusDeviceReset);
  EXPECT_EQ(take(pending, 7), kBusDeviceReset);
  EXPECT_EQ(take(pending, 1000), kBusDeviceReset);
}

TEST_F(UnitAttentionTest, NoUnitReportsForAnother) {
  constexpr uint32_t kLast = ReportedUnits::kMost - 1;
  pending.establish_everywhere(kBusDeviceReset);
  for (const uint32_t lun : {44u, 300u, 44u + 512u, 16'000u, kLast}) {
    EXPECT_EQ(take(pending, lun), kBusDeviceReset) << lun;
    EXPECT_EQ(take(pending, lun), kNothing) << lun;
  }
  // Nor is that forgotten when another kind comes and an older one goes.
  pending.establish_everywhere(kNexusLoss);
  pending.establish_everywhere(kReportedLunsChanged);
  EXPECT_EQ(take(pending, 300), kNexusLoss);
  pending.clear(kBusDeviceReset);
  EXPECT_EQ(take(pending, 300), kReportedLunsChanged);
  EXPECT_EQ(take(pending, 300), kNothing);
  EXPECT_EQ(take(pending, 301), kNexusLoss);
}

TEST_F(UnitAttentionTest, WhatConcernsTheUnitAloneComesFirst) {
  pending.establish_everywhere(kReportedLunsChanged);
  pending.establish(3, kBusDeviceReset);
  EXPECT_EQ(take(pending, 3), kBusDeviceReset);
  EXPECT_EQ(take(pending, 3), kReportedLunsChanged);
  EXPECT_EQ(take(pending, 4), kReportedLunsChanged);
}

TEST_F(UnitAttentionTest, AResetIsTakenFromAmongOthers) {
  SenseCode code = kNothing;
  pending.establish(1, kModeParametersChanged);
  pending.establish_everywhere(kReportedLunsChanged);
  EXPECT_FALSE(pending.take_reset(1, &code));
  pending.establish_everywhere(kNexusLoss);
  pending.establish_everywhere(kBusDeviceReset);
  pending.establish_everywhere(kBusDeviceReset, UnitAttentions::Scope::kSpokenFor);
  pending.establish(1, kBusDeviceReset);
  // Of one kind it hears once.
  for (const SenseCode expected : {kNexusLoss, kBusDeviceReset}) {
    EXPECT_TRUE(pending.take_reset(1, &code));
    EXPECT_EQ(code, expected);
  }
  EXPECT_FALSE(pending.take_reset(1, &code));
  EXPECT_EQ(take(pending, 1), kModeParametersChanged);
  EXPECT_EQ(take(pending, 1), kReportedLunsChanged);
  EXPECT_EQ(take(pending, 1), kNothing);
  EXPECT_TRUE(pending.take_reset(2, &code)) << "another unit has not heard of it";
}

TEST_F(UnitAttentionTest, EndsAllConditionsOfAKind) {
  pending.establish_everywhere(kReportedLunsChanged);
  pending.establish_everywhere(kNexusLoss);
  pending.establish(0, kReportedLunsChanged);
  pending.establish(0, kBusDeviceReset);
  pending.clear(kReportedLunsChanged);
  EXPECT_EQ(take(pending, 0), kBusDeviceReset);
  EXPECT_EQ(take(pending, 0), kNexusLoss);
  EXPECT_EQ(take(pending, 0), kNothing);
}

TEST_F(UnitAttentionTest, AUnitThatRunsEachCommandIsSparedWhereTheTargetDoesNotSpeakForIt) {
  constexpr bool kPasses = true;
  const auto take_passing = [this](uint32_t lun) {
    SenseCode code = kNothing;
    return pending.take(lun, &code, kPasses) ? code : kNothing;
  };
  SenseCode code = kNothing;
  pending.establish_everywhere(kBusDeviceReset, UnitAttentions::Scope::kSpokenFor);
  EXPECT_FALSE(pending.peek(1, &code, kPasses));
  EXPECT_EQ(take_passing(1), kNothing);
  // Another one has not missed it.
  EXPECT_EQ(take(pending, 2), kBusDeviceReset);
  // Of the two it hears the one for all, others hear of both at once.
  pending.establish_everywhere(kBusDeviceReset);
  pending.establish_everywhere(kBusDeviceReset, UnitAttentions::Scope::kSpokenFor);
  UnitAttentions other;
  other.establish_all(pending);
  pending = std::move(other);
  EXPECT_EQ(take_passing(1), kBusDeviceReset);
  EXPECT_EQ(take_passing(1), kNothing);
  EXPECT_EQ(take(pending, 2), kBusDeviceReset);
  EXPECT_EQ(take(pending, 2), kNothing);
  // The one for all, coming later, takes the place of both.
  pending.establish_everywhere(kBusDeviceReset);
  EXPECT_EQ(take_passing(1), kBusDeviceReset);
  EXPECT_EQ(take(pending, 2), kBusDeviceReset);
  EXPECT_EQ(take(pending, 2), kNothing);
  pending.clear(kBusDeviceReset);
  EXPECT_TRUE(pending.empty());
}

TEST_F(UnitAttentionTest, ManyConditionsOfAKindBecomeOneOfAllUnits) {
  constexpr uint32_t kResized = 10;
  for (uint32_t lun = 0; lun < kResized; ++lun)
    pending.establish(lun, kCapacityChanged);
  for (uint32_t lun = kResized; lun < UnitAttentions::kPlaces; ++lun)
    pending.establish(lun, kModeParametersChanged);
  EXPECT_EQ(take(pending, 0), kCapacityChanged);
  pending.establish(100, kCapacityChanged);
  for (uint32_t lun = 101; lun < 1101; ++lun)
    pending.establish(lun, kCapacityChanged);
  // Nothing is lost, and nothing becomes worse than it is; who has heard of it may do so again.
  for (const uint32_t lun : {0u, 1u, 9u, 100u, 101u, 1100u, 5u, 2000u}) {
    EXPECT_EQ(take(pending, lun), kCapacityChanged) << lun;
    EXPECT_EQ(take(pending, lun), kNothing) << lun;
  }
  EXPECT_EQ(take(pending, 12), kModeParametersChanged);
  EXPECT_EQ(take(pending, 12), kCapacityChanged);
  EXPECT_EQ(take(pending, 12), kNothing);
  // What has happened since is a condition of its own.
  pending.establish(1, kCapacityChanged);
  EXPECT_EQ(take(pending, 1), kCapacityChanged);
  EXPECT_EQ(take(pending, 1), kNothing);
}

TEST_F(UnitAttentionTest, OnesOfManyKindsFindPlaces) {
  for (uint8_t kind = 0; kind < UnitAttentions::kPlaces + UnitAttentions::kEverywhere; ++kind)
    pending.establish(5, {6, 0x55, kind});
  for (uint32_t i = 0; i < UnitAttentions::kPlaces + UnitAttentions::kEverywhere; ++i)
    EXPECT_EQ(take(pending, 5).asc, 0x55) << i;
  EXPECT_EQ(take(pending, 5), kNothing);
}

TEST_F(UnitAttentionTest, ManyKindsForAllUnitsBecomeOne) {
  for (uint8_t kind = 0; kind < UnitAttentions::kEverywhere + 1; ++kind)
    pending.establish_everywhere({6, 0x55, kind});
  EXPECT_EQ(take(pending, 0), kResetOccurred);
  EXPECT_EQ(take(pending, 0), kNothing);
}

TEST(ReportsUnitAttention, ExceptForTheCommandsThatAskAboutTheDevice) {
  EXPECT_TRUE(reports_unit_attention(0x00));
  EXPECT_TRUE(reports_unit_attention(0x28));
  EXPECT_TRUE(reports_unit_attention(0x25));
  EXPECT_FALSE(reports_unit_attention(0x03));  // REQUEST SENSE
  EXPECT_FALSE(reports_unit_attention(0x12));  // INQUIRY
  EXPECT_FALSE(reports_unit_attention(0xa0));  // REPORT LUNS
}

}  // namespace
}  // namespace chiscsi::test
