// SPDX-License-Identifier: GPL-2.0-only
//
// Threshold sets and the one threshold: where it lies, who has put it there, when it is reached and
// when it is armed again.
#include "target/lun/provisioning.hh"

#include <atomic>
#include <memory>
#include <thread>

#include "tests/unit/target/lun/lun_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint64_t kSet = 2048;  // Blocks of a MiB.

// LUN 0 has a threshold by its line, LUN 1 has not, LUN 2 has 4096-byte blocks.
class ProvisioningTest : public LunFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(change_to({"a,FULL,THRESHOLD=50", "b,FULL", "c,FULL"}).is_ok());
    say(0, 64 * kSet, 512);
    say(1, 64 * kSet, 512);
    say(2, 1000, 4096);
  }
  Lun& lun(uint32_t number = 0) { return *map()->find(number); }
  void say(uint32_t number, uint64_t blocks, uint32_t size) {
    say_size(lun(number), blocks, size);
    ASSERT_TRUE(lun(number).set_usage(0, CHISCSI_LUN_NOT_KNOWN).is_ok());
  }
  static void say_size(Lun& lun, uint64_t blocks, uint32_t size) {
    chiscsi_lun_geometry given = {};
    given.blocks = blocks;
    given.block_size = size;
    given.flags = CHISCSI_LUN_THIN;
    ASSERT_TRUE(lun.set_geometry(given).is_ok());
  }
  // Whether initiators are to hear of it.
  bool uses(uint64_t blocks, uint32_t number = 0) {
    EXPECT_TRUE(lun(number).set_usage(blocks, CHISCSI_LUN_NOT_KNOWN).is_ok());
    return lun(number).take_news() == kThresholdNews;
  }
  void choose(uint32_t number, bool reports, bool enabled, uint32_t count) {
    UnitState& state = lun(number).state();
    ModeValues before = state.mode();
    ModeValues values = before;
    choose_reporting(lun(number), reports, &values);
    choose_threshold(lun(number), enabled, count, &values);
    EXPECT_TRUE(state.change_mode(&before, values));
    lun(number).look_at_threshold();
  }
};

TEST_F(ProvisioningTest, ASetIsAMebibyteOrMore) {
  EXPECT_EQ(threshold_exponent(lun(0)), 11);
  EXPECT_EQ(threshold_exponent(lun(2)), 8);
  say(1, uint64_t{1} << 43, 512);  // 2^32 sets of 1 MiB would be one too many.
  EXPECT_EQ(threshold_exponent(lun(1)), 12);
  say(1, (uint64_t{1} << 43) - 1, 512);
  EXPECT_EQ(threshold_exponent(lun(1)), 11);
  say(1, ~uint64_t{0} / 512, 512);
  EXPECT_EQ(threshold_exponent(lun(1)), 23);
}

TEST_F(ProvisioningTest, WithoutUsageOrThinnessThereIsNoThreshold) {
  ASSERT_TRUE(change_to({"d,FULL,THRESHOLD=50"}).is_ok());
  EXPECT_FALSE(lun().set_usage(1, 1).is_ok()) << "nobody knows its size";
  chiscsi_lun_geometry given = {};
  given.blocks = 64 * kSet;
  given.block_size = 512;
  given.flags = CHISCSI_LUN_THIN;
  ASSERT_TRUE(lun().set_geometry(given).is_ok());
  EXPECT_FALSE(lun().tells_usage());
  EXPECT_EQ(threshold_exponent(lun()), 0);
  EXPECT_FALSE(threshold_of(lun(), ModeValues()).reports && lun().tells_usage());
  EXPECT_TRUE(uses(33 * kSet));
  given.flags = 0;
  ASSERT_TRUE(lun().set_geometry(given).is_ok());
  EXPECT_EQ(threshold_exponent(lun()), 0);
}

TEST_F(ProvisioningTest, TheLineSaysWhereItLies) {
  const Threshold by_line = threshold_of(lun(0), ModeValues());
  EXPECT_TRUE(by_line.reports && by_line.enabled);
  EXPECT_EQ(by_line.count, 32u);
  const Threshold none = threshold_of(lun(1), ModeValues());
  EXPECT_FALSE(none.reports || none.enabled);
  EXPECT_EQ(none.count, 0u);
}

TEST_F(ProvisioningTest, ItIsReachedOnceAndArmedAgainBelow) {
  EXPECT_FALSE(uses(32 * kSet + kSet / 2));
  EXPECT_TRUE(uses(32 * kSet + kSet / 2 + 1));
  EXPECT_FALSE(uses(64 * kSet));
  EXPECT_FALSE(uses(32 * kSet - kSet / 2));
  EXPECT_FALSE(uses(33 * kSet)) << "it was not armed";
  EXPECT_FALSE(uses(32 * kSet - kSet / 2 - 1));
  EXPECT_TRUE(uses(33 * kSet));
}

TEST_F(ProvisioningTest, AnInitiatorPutsItElsewhere) {
  EXPECT_FALSE(uses(10 * kSet, 1));
  choose(1, true, true, 20);
  EXPECT_EQ(lun(1).take_news(), 0u);
  EXPECT_TRUE(uses(21 * kSet, 1));
  choose(1, true, false, 20);
  EXPECT_FALSE(uses(22 * kSet, 1));
  choose(1, true, true, 20);
  EXPECT_EQ(lun(1).take_news(), kThresholdNews) << "it lies below what is used";
  choose(1, false, true, 20);
  EXPECT_FALSE(uses(23 * kSet, 1));
  // The line's own can be switched off and put elsewhere, too.
  choose(0, false, true, 32);
  EXPECT_FALSE(uses(40 * kSet));
  choose(0, true, true, 50);
  EXPECT_EQ(lun(0).take_news(), 0u);
  EXPECT_TRUE(uses(51 * kSet));
}

TEST_F(ProvisioningTest, AResetPutsItBack) {
  EXPECT_TRUE(uses(33 * kSet));
  choose(0, true, true, 60);
  lun().reset_state();
  EXPECT_EQ(threshold_of(lun(), lun().state().mode()).count, 32u);
  EXPECT_TRUE(uses(34 * kSet));
}

TEST_F(ProvisioningTest, APlaceBeyondTheEndIsNeverReached) {
  choose(1, true, true, 0xffffffff);
  EXPECT_FALSE(uses(64 * kSet, 1));
  choose(1, true, true, 0);
  EXPECT_EQ(lun(1).take_news(), kThresholdNews);
  EXPECT_FALSE(uses(0, 1));
}

// ---- A reload ----

// A thread of a class that says all the time how much is used, by one handle.
class UsageTeller {
 public:
  UsageTeller(HandleTable<Lun>& handles, unsigned long handle)
      : thread_([this, &handles, handle] { tell(handles, handle); }) {}
  ~UsageTeller() {
    stopping_ = true;
    thread_.join();
  }
  void wait_until_told() const {
    while (!has_told_)
      std::this_thread::yield();
  }

 private:
  // Below the threshold and above it, in turns.
  void tell(HandleTable<Lun>& handles, unsigned long handle) {
    for (bool above = true; !stopping_; above = !above) {
      const Ref<Lun> lun = handles.find(handle);
      if (!lun) return;  // Detached.
      EXPECT_TRUE(lun->set_usage(above ? 40 * kSet : 0, CHISCSI_LUN_NOT_KNOWN).is_ok());
      has_told_ = true;
    }
  }
  std::atomic<bool> stopping_{false}, has_told_{false};
  std::thread thread_;
};

class ReloadedProvisioningTest : public ProvisioningTest {
 protected:
  static constexpr char kLine[] = "a,FULL,THRESHOLD=50";
  void SetUp() override {
    ASSERT_TRUE(change_to({kLine}).is_ok());
    say(0, 64 * kSet, 512);
  }
};

TEST_F(ReloadedProvisioningTest, TheClassMayTellByANewHandleAllTheTime) {
  std::unique_ptr<UsageTeller> teller;
  on_reattach = [&](unsigned long fresh) {
    say_size(*handles.find(fresh), 64 * kSet, 512);
    teller = std::make_unique<UsageTeller>(handles, fresh);
    teller->wait_until_told();
  };
  HostLogCapture log;
  for (int round = 0; round < 200; ++round) {
    fail = round % 2 == 0 ? "reattach a" : "";
    EXPECT_EQ(change_to({kLine}).is_ok(), fail.empty());
    ASSERT_TRUE(teller);
    teller->wait_until_told();
    teller.reset();
  }
}

TEST_F(ReloadedProvisioningTest, WhatItsHookSaysCounts) {
  UnitState* const state = &lun().state();
  uint64_t used = 40 * kSet;
  on_reattach = [&](unsigned long fresh) {
    const Ref<Lun> lun = handles.find(fresh);
    EXPECT_EQ(&lun->state(), state);
    say_size(*lun, 64 * kSet, 512);
    EXPECT_TRUE(lun->set_usage(used, CHISCSI_LUN_NOT_KNOWN).is_ok());
  };
  ASSERT_TRUE(change_to({kLine}).is_ok());
  EXPECT_EQ(lun().take_news(), kThresholdNews);
  ASSERT_TRUE(change_to({kLine}).is_ok());
  EXPECT_EQ(lun().take_news(), 0u) << "it was told";
  used = 0;
  ASSERT_TRUE(change_to({kLine}).is_ok());
  EXPECT_TRUE(uses(40 * kSet)) << "it was armed again";
  EXPECT_EQ(&lun().state(), state);
}

TEST_F(ReloadedProvisioningTest, ThePlaceOfARefusedLineDoesNotCount) {
  EXPECT_FALSE(uses(20 * kSet));
  on_reattach = [&](unsigned long fresh) {
    const Ref<Lun> lun = handles.find(fresh);
    say_size(*lun, 64 * kSet, 512);
    EXPECT_TRUE(lun->set_usage(20 * kSet, CHISCSI_LUN_NOT_KNOWN).is_ok());
  };
  HostLogCapture log;
  fail = "reattach a";
  ASSERT_FALSE(change_to({"a,FULL,THRESHOLD=10"}).is_ok());
  EXPECT_TRUE(uses(40 * kSet));
}

// A command that was there before a reload ends after it.
TEST_F(ReloadedProvisioningTest, TheLineInForceCountsForTheOldHandleToo) {
  const Ref<Lun> old = Ref<Lun>::share(&lun());
  ASSERT_TRUE(old->enter());
  ASSERT_TRUE(change_to({"a,FULL,THRESHOLD=75"}).is_ok());
  EXPECT_TRUE(old->set_usage(40 * kSet, CHISCSI_LUN_NOT_KNOWN).is_ok());
  EXPECT_EQ(old->take_news(), 0u);
  EXPECT_TRUE(old->set_usage(50 * kSet, CHISCSI_LUN_NOT_KNOWN).is_ok());
  EXPECT_EQ(old->take_news(), kThresholdNews);
  old->leave();
}

}  // namespace
}  // namespace chiscsi::test
