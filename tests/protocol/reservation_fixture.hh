// SPDX-License-Identifier: GPL-2.0-only
//
// Two initiators and more against disks whose SCSI the target does, for tests of reservations and
// of asymmetric access: PERSISTENT RESERVE IN and OUT in one line each.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <initializer_list>

#include "fake_disks.hh"
#include "memory_transport.hh"
#include "os/file.h"
#include "protocol_fixture.hh"

namespace chiscsi::test {

inline constexpr uint8_t kConflictStatus = 0x18;

class TwoNexusTest : public testing::Test {
 protected:
  TwoNexusTest()
      : allocations_before_(host_live_allocations()), sockets_before_(host_open_sockets()) {}
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
    EXPECT_EQ(host_live_allocations(), allocations_before_);
    EXPECT_EQ(host_open_sockets(), sockets_before_);
  }
  std::vector<std::string> target_keys() const {
    const std::string host = MemoryTransport::chosen() ? MemoryTransport::kAddress : "127.0.0.1";
    return {"PortalGroup=1@" + host + ":" + std::to_string(port),
            "PortalGroup=2@" + host + ":" + std::to_string(second_port), "AuthMethod=None",
            "TargetDevice=a,DISK", "TargetDevice=b,DISK"};
  }
  void start() {
    ASSERT_EQ(engine_start(&options), 0);
    ASSERT_EQ(engine_keep_reservations(folder.c_str()), 0);
    ASSERT_EQ(MemoryTransport::chosen() ? MemoryTransport::start() : 0, 0);
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
    EXPECT_EQ(MemoryTransport::chosen() ? MemoryTransport::stop() : 0, 0);
    engine_stop();
    host_drain_sockets();
  }
  // As after a loss of power.
  void restart() {
    stop();
    start();
    a = log_in(1);
    b = log_in(2);
  }
  std::unique_ptr<Initiator> log_in(uint8_t isid, uint16_t at = 0) {
    LoginOptions login;
    login.isid[5] = isid;
    auto initiator = std::make_unique<Initiator>(at != 0 ? at : port);
    EXPECT_TRUE(initiator->login(login).in_full_feature);
    return initiator;
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
  static void expect_sense(const Outcome& outcome, uint8_t key, uint8_t asc, uint8_t ascq) {
    EXPECT_EQ(outcome.status, 2);
    ASSERT_GE(outcome.sense.size(), 14u);
    EXPECT_EQ(outcome.sense_key(), key);
    EXPECT_EQ(outcome.sense[12], asc);
    EXPECT_EQ(outcome.sense[13], ascq);
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

  engine_options options = {2, 30, 30, 64};
  uint16_t port = free_port(), second_port = free_port();
  std::string folder;
  std::unique_ptr<FakeDisks> disks;  // With each start new ones.
  std::unique_ptr<Initiator> a, b;

 private:
  const uint64_t allocations_before_;
  const size_t sockets_before_;
};

}  // namespace chiscsi::test
