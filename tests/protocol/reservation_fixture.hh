// SPDX-License-Identifier: GPL-2.0-only
//
// Two initiators and more against disks whose SCSI the target does, for tests of reservations and
// of asymmetric access: PERSISTENT RESERVE IN and OUT in one line each.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <initializer_list>

#include "engine_fixture.hh"
#include "fake_disks.hh"
#include "os/file.h"

namespace chiscsi::test {

inline constexpr uint8_t kConflictStatus = 0x18;

// PERSISTENT RESERVE OUT: service actions, and types of reservations.
inline constexpr uint8_t kRegister = 0, kReserve = 1, kRelease = 2, kClear = 3, kPreempt = 4,
                         kAbort = 5, kIgnore = 6, kMove = 7;
inline constexpr uint8_t kWriteExclusive = 1, kExclusiveAccess = 3, kWriteRegistrants = 5;

class TwoNexusTest : public EngineTest {
 protected:
  void SetUp() override {
    char name[] = "/tmp/chiscsi-pr-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder = std::string(name) + "/pr";
    start();
    a = log_in(1);
    b = log_in(2);
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(folder.substr(0, folder.size() - 3));
    EngineTest::TearDown();
  }
  std::vector<std::string> target_keys() const {
    std::vector<std::string> keys = {"PortalGroup=1@" + portal_address(),
                                     "PortalGroup=2@" + portal_address(second_port),
                                     "AuthMethod=None"};
    for (const std::string& device : devices)
      keys.push_back("TargetDevice=" + device);
    return keys;
  }
  // To the lines in `devices`.
  int reload() { return disks->reconfigure_target(kTargetName, target_keys()); }
  void start() {
    ASSERT_NO_FATAL_FAILURE(start_engine());
    ASSERT_EQ(engine_keep_reservations(folder.c_str()), 0);
    disks.reset();  // One at a time.
    disks = std::make_unique<FakeDisks>();
    ASSERT_EQ(disks->start(), 0);
    ASSERT_EQ(disks->add_target(kTargetName, target_keys()), 0);
  }
  void stop() {
    a.reset();
    b.reset();
    EXPECT_EQ(disks->remove_target(kTargetName), 0);
    EXPECT_EQ(disks->stop(), 0);
    EXPECT_EQ(disks->violations(), std::vector<std::string>());
    stop_engine();
  }
  // As after a loss of power.
  void restart() {
    stop();
    start();
    a = log_in(1);
    b = log_in(2);
  }
  std::unique_ptr<Initiator> log_in(uint8_t isid, uint16_t at = 0) const {
    return EngineTest::log_in(initiator_port(isid), at != 0 ? at : port);
  }

  // ---- Commands ----

  static ByteVector list(uint64_t key, uint64_t action_key, uint8_t flags = 0) {
    ByteVector bytes(24);
    for (size_t i = 0; i < 8; ++i) {
      bytes[i] = static_cast<uint8_t>(key >> (56 - 8 * i));
      bytes[8 + i] = static_cast<uint8_t>(action_key >> (56 - 8 * i));
    }
    bytes[20] = flags;
    return bytes;
  }
  static ByteVector out_cdb(uint8_t action, uint8_t type, size_t length) {
    return {0x5f,
            action,
            type,
            0,
            0,
            0,
            0,
            static_cast<uint8_t>(length >> 8),
            static_cast<uint8_t>(length),
            0};
  }
  static Outcome out(Initiator& who, uint8_t action, uint64_t key, uint64_t action_key = 0,
                     uint8_t type = 0, uint8_t flags = 0, uint64_t lun = 0) {
    return who.write(out_cdb(action, type, 24), list(key, action_key, flags), {}, lun);
  }
  void both_register() {
    ASSERT_TRUE(out(*a, kRegister, 0, 0xa).good());
    ASSERT_TRUE(out(*b, kRegister, 0, 0xb).good());
  }
  static Outcome in(Initiator& who, uint8_t action, uint16_t length = 4096, uint64_t lun = 0) {
    return who.read({0x5e, action, 0, 0, 0, 0, 0, static_cast<uint8_t>(length >> 8),
                     static_cast<uint8_t>(length), 0},
                    length, lun);
  }
  static ByteVector keys(Initiator& who, uint64_t lun = 0) {
    const Outcome outcome = in(who, 0, 4096, lun);
    ByteVector last;  // The last byte of each key.
    for (size_t i = 8; i + 8 <= outcome.data.size(); i += 8)
      last.push_back(outcome.data[i + 7]);
    return last;
  }
  static void expect_conflict(const Outcome& outcome) {
    EXPECT_EQ(outcome.status, kConflictStatus);
    EXPECT_TRUE(outcome.sense.empty());
  }
  static Outcome ready(Initiator& who, uint64_t lun = 0) {
    return who.no_data(test_unit_ready_cdb(), lun);
  }
  static Outcome write_block(Initiator& who, uint64_t lun = 0) {
    return who.write(write10_cdb(0, 1), pattern(FakeDisks::kBlock), {}, lun);
  }
  static Outcome read_block(Initiator& who, uint64_t lun = 0) {
    return who.read(read10_cdb(0, 1), FakeDisks::kBlock, lun);
  }

  uint16_t second_port = free_port();
  std::vector<std::string> devices = {"a,DISK", "b,DISK"};
  std::string folder;
  std::unique_ptr<FakeDisks> disks;  // With each start new ones.
  std::unique_ptr<Initiator> a, b;
};

}  // namespace chiscsi::test
