// SPDX-License-Identifier: GPL-2.0-only
//
// What a session is told of writes that were lost after their answer: once by each unit, of each
// loss, and not for ever.
#include "target/storage/lost_writes.hh"

#include <gtest/gtest.h>

#include "host.hh"

namespace chiscsi::storage {
namespace {

void lose(LostWrites& of) {
  os_storage_request request = {};
  request.write_back_failed = 1;
  of.note(request);
}

TEST(ToldLosses, TellOfEachLossOnceByEachUnit) {
  LostWrites disk;
  ToldLosses told;
  EXPECT_FALSE(told.take(disk, 1));
  lose(disk);
  EXPECT_TRUE(told.take(disk, 1));
  EXPECT_FALSE(told.take(disk, 1));
  EXPECT_TRUE(told.take(disk, 2));
  lose(disk);
  EXPECT_TRUE(told.take(disk, 1));
  EXPECT_FALSE(told.take(disk, 1));
}

// A disk that fails again and again takes nothing from what is known of others.
TEST(ToldLosses, ManyLossesOfOneUnitTellNothingTwiceOfAnother) {
  LostWrites failing, sound;
  ToldLosses told;
  lose(sound);
  EXPECT_TRUE(told.take(sound, 2));
  for (int i = 0; i < 100; ++i) {
    lose(failing);
    EXPECT_TRUE(told.take(failing, 1));
  }
  EXPECT_FALSE(told.take(sound, 2));
}

// More units than are remembered hear of a loss more than once, but it ends.
TEST(ToldLosses, EndWithTimeForMoreUnitsThanAreRemembered) {
  constexpr unsigned long kUnits = 40;
  LostWrites disk;
  ToldLosses told;
  lose(disk);
  for (unsigned long unit = 1; unit <= kUnits; ++unit)
    EXPECT_TRUE(told.take(disk, unit));
  host_advance_clock(ToldLosses::kAwayMs + 1000);
  for (unsigned long unit = 1; unit <= kUnits; ++unit)
    EXPECT_FALSE(told.take(disk, unit)) << unit;
}

// One that begins hears of what an initiator may have missed while it was away.
TEST(ToldLosses, ReachBackToBeforeTheSession) {
  LostWrites disk;
  lose(disk);
  host_advance_clock(ToldLosses::kAwayMs - 1000);
  ToldLosses back;
  EXPECT_TRUE(back.take(disk, 1));
  host_advance_clock(2000);
  ToldLosses late;
  EXPECT_FALSE(late.take(disk, 1));
}

}  // namespace
}  // namespace chiscsi::storage
