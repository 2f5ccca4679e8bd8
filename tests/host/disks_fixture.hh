// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of tests with the disks of FakeDisks: an engine, the driver, one target whose
// TargetDevice lines name disks, and an initiator.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine_fixture.hh"
#include "fake_disks.hh"

namespace chiscsi::test {

class DisksTest : public EngineTest {
 protected:
  using Lines = std::vector<std::string>;

  void TearDown() override {
    host_fail_allocation_at(0);
    peer.reset();
    if (std::exchange(disks_run_, false)) {
      disks.unstick();
      if (target_added_) remove_target();
      EXPECT_EQ(disks.stop(), 0);
    }
    EngineTest::TearDown();
    EXPECT_EQ(disks.violations(), Lines());
  }

  void start_disks() {
    ASSERT_NO_FATAL_FAILURE(start_engine());
    ASSERT_EQ(disks.start(), 0);
    disks_run_ = true;
  }
  int add_target(const Lines& devices) {
    const int rc = disks.add_target(kTargetName, bursting_keys(devices));
    if (rc == 0) target_added_ = true;
    return rc;
  }
  int reconfigure(const Lines& devices) {
    return disks.reconfigure_target(kTargetName, bursting_keys(devices));
  }
  void remove_target() {
    target_added_ = false;
    EXPECT_EQ(disks.remove_target(kTargetName), 0);
  }
  // Everything, with an initiator that is logged in.
  void start(const Lines& devices) {
    ASSERT_NO_FATAL_FAILURE(start_disks());
    ASSERT_EQ(add_target(devices), 0);
    peer = log_in(1);
  }
  std::unique_ptr<Initiator> log_in(uint8_t isid) const {
    return EngineTest::log_in(bursting_port(isid), port);
  }

  // Passes over what the unit has to tell of a reload.
  static bool is_there(Initiator& initiator, uint64_t lun) {
    constexpr uint8_t kAttention = 6;
    Outcome outcome = initiator.no_data(test_unit_ready_cdb(), lun);
    if (outcome.sense_key() == kAttention) {
      expect_sense(outcome, kAttention, 0x3f, 0x0e);
      outcome = initiator.no_data(test_unit_ready_cdb(), lun);
    }
    if (!outcome.good()) expect_sense(outcome, 5, 0x25);
    return outcome.good();
  }

  FakeDisks disks;
  std::unique_ptr<Initiator> peer;

 private:
  bool disks_run_ = false;
  bool target_added_ = false;
};

}  // namespace chiscsi::test
