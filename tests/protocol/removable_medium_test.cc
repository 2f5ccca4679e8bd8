// SPDX-License-Identifier: GPL-2.0-only
//
// Removable media, and the write cache of a class that has one, over the wire: ejecting and
// loading, who may prevent it and until when, what is flushed, and how a switched-off cache is
// bypassed.
#include <gtest/gtest.h>

#include "disks_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;  // NOLINT: PDUs and their fields.

constexpr uint32_t kBlock = FakeDisks::kBlock;
constexpr uint8_t kNotReady = 2, kIllegalRequest = 5, kUnitAttention = 6;

class RemovableMedium : public DisksTest {
 protected:
  void SetUp() override {
    disks.disk_flags = CHISCSI_LUN_REMOVABLE | CHISCSI_LUN_WRITE_CACHE;
    start({"a,DISK", "b,DISK"});
  }
  static ByteVector start_stop(uint8_t options) { return {0x1b, 0, 0, 0, options, 0}; }
  static ByteVector prevent(uint8_t value) { return {0x1e, 0, 0, 0, value, 0}; }
  static constexpr uint8_t kEject = 2, kLoad = 3, kStop = 0, kStart = 1, kNoFlush = 4;
};

TEST_F(RemovableMedium, IsGoneForEverybodyUntilItIsLoaded) {
  std::unique_ptr<Initiator> other = log_in(2);
  ASSERT_TRUE(peer->no_data(start_stop(kEject)).good());
  EXPECT_EQ(disks.count("cdb 35 a"), 1u) << "what was written is kept";
  for (Initiator* initiator : {peer.get(), other.get()}) {
    expect_sense(initiator->no_data(test_unit_ready_cdb()), kNotReady, 0x3a, 0);
    expect_sense(initiator->read(read10_cdb(0, 1), kBlock), kNotReady, 0x3a, 0);
    expect_sense(initiator->write(write10_cdb(0, 1), pattern(kBlock)), kNotReady, 0x3a, 0);
    expect_sense(initiator->read({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 8), kNotReady, 0x3a, 0);
    EXPECT_TRUE(initiator->read(inquiry_cdb(96), 96).good());
    EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb(), 1).good());
  }
  EXPECT_EQ(disks.count("cdb 28") + disks.count("cdb 2a"), 0u);
  ASSERT_TRUE(peer->no_data(start_stop(kLoad)).good());
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  expect_sense(other->no_data(test_unit_ready_cdb()), kUnitAttention, 0x28, 0);
  EXPECT_TRUE(other->read(read10_cdb(0, 1), kBlock).good());
  EXPECT_CLEAN(*peer);
  EXPECT_CLEAN(*other);
}

TEST_F(RemovableMedium, StaysWhileAnybodyPreventsIt) {
  std::unique_ptr<Initiator> other = log_in(2);
  ASSERT_TRUE(peer->no_data(prevent(1)).good());
  ASSERT_TRUE(peer->no_data(prevent(1)).good());
  ASSERT_TRUE(other->no_data(prevent(1)).good());
  for (Initiator* initiator : {peer.get(), other.get()})
    expect_sense(initiator->no_data(start_stop(kEject)), kIllegalRequest, 0x53, 2);
  EXPECT_TRUE(other->no_data(start_stop(kEject), 1).good()) << "the other unit";
  ASSERT_TRUE(peer->no_data(prevent(0)).good());
  ASSERT_TRUE(peer->no_data(prevent(0)).good());
  expect_sense(peer->no_data(start_stop(kEject)), kIllegalRequest, 0x53, 2);
  ASSERT_TRUE(other->no_data(prevent(0)).good());
  EXPECT_TRUE(peer->no_data(start_stop(kEject)).good());
  expect_sense(peer->no_data(prevent(2)), kIllegalRequest, 0x24, 0);
}

TEST_F(RemovableMedium, ANexusThatEndsPreventsNothing) {
  std::unique_ptr<Initiator> other = log_in(2);
  ASSERT_TRUE(other->no_data(prevent(1)).good());
  other->disconnect_with_reset();
  // The target hears of it later.
  Outcome ejected = peer->no_data(start_stop(kEject));
  for (int i = 0; i < 100000 && !ejected.good(); ++i) {
    expect_sense(ejected, kIllegalRequest, 0x53, 2);
    ejected = peer->no_data(start_stop(kEject));
  }
  EXPECT_TRUE(ejected.good());
  expect_sense(peer->no_data(test_unit_ready_cdb()), kNotReady, 0x3a, 0);
}

// The class still has a command of that session, which cannot end yet.
TEST_F(RemovableMedium, WhoHasLoggedOutPreventsNothing) {
  std::unique_ptr<Initiator> other = log_in(2);
  ASSERT_TRUE(other->no_data(prevent(1)).good());
  disks.hold("a");
  ASSERT_TRUE(other->send(other->make_command(read10_cdb(0, 1), kBlock, kCommandRead)));
  ASSERT_TRUE(disks.wait_for("cdb 28 a"));
  EXPECT_EQ(other->logout(), std::optional<uint8_t>(0));
  const Pdu eject = peer->make_command(start_stop(kEject | kNoFlush), 0, kFinalBit);
  ASSERT_TRUE(peer->send(eject));
  EXPECT_TRUE(peer->finish(eject).good());
  expect_sense(peer->no_data(test_unit_ready_cdb()), kNotReady, 0x3a, 0);
}

TEST_F(RemovableMedium, AResetAllowsItAndGivesModesBack) {
  const ByteVector descriptors = {0, 0, 0, 0, 0x0a, 0x0a, 0x24, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
  for (const uint8_t function : {5, 6}) {
    ASSERT_TRUE(peer->write({0x15, 0x10, 0, 0, 16, 0}, descriptors).good());
    ASSERT_TRUE(peer->no_data(prevent(1)).good());
    EXPECT_EQ(peer->task_management(function, 0xffffffff), std::optional<uint8_t>(0));
    expect_sense(peer->no_data(test_unit_ready_cdb()), kUnitAttention, 0x29, 3);
    ASSERT_TRUE(peer->no_data(start_stop(kEject)).good());
    expect_sense(peer->no_data(test_unit_ready_cdb()), kNotReady, 0x3a, 0);
    ASSERT_TRUE(peer->no_data(start_stop(kLoad)).good());
    // A prevention from before the reset takes nothing away from one after it.
    ASSERT_TRUE(peer->no_data(prevent(1)).good());
    expect_sense(peer->no_data(start_stop(kEject)), kIllegalRequest, 0x53, 2);
    ASSERT_TRUE(peer->no_data(prevent(0)).good());
  }
}

TEST_F(RemovableMedium, AResetOfTheNexusAllowsIt) {
  constexpr uint8_t kNexusReset = 11;
  LoginOptions level2 = bursting_port(2);
  level2.keys.emplace_back("iSCSIProtocolLevel", "2");
  std::unique_ptr<Initiator> other = EngineTest::log_in(level2, port);
  ASSERT_TRUE(peer->no_data(prevent(1)).good());
  ASSERT_TRUE(other->no_data(prevent(1)).good());
  EXPECT_EQ(other->task_management(kNexusReset), std::optional<uint8_t>(0));
  expect_sense(other->no_data(test_unit_ready_cdb()), kUnitAttention, 0x29, 7);
  expect_sense(other->no_data(start_stop(kEject)), kIllegalRequest, 0x53, 2);
  ASSERT_TRUE(peer->no_data(prevent(0)).good());
  EXPECT_TRUE(other->no_data(start_stop(kEject)).good());
}

TEST_F(RemovableMedium, PreemptAndAbortAllowsItForWhoLosesItsRegistration) {
  constexpr uint8_t kRegisterAndIgnore = 6, kPreempt = 4, kPreemptAndAbort = 5;
  const auto reserve_out = [](Initiator& who, uint8_t action, uint8_t key, uint8_t action_key) {
    ByteVector list(24);
    list[7] = key;
    list[15] = action_key;
    return who.write({0x5f, action, 1, 0, 0, 0, 0, 0, 24, 0}, list).good();
  };
  std::unique_ptr<Initiator> other = log_in(2), third = log_in(3);
  ASSERT_TRUE(reserve_out(*peer, kRegisterAndIgnore, 0, 0xa));
  ASSERT_TRUE(other->no_data(prevent(1)).good());
  for (const uint8_t action : {kPreempt, kPreemptAndAbort}) {
    ASSERT_TRUE(reserve_out(*other, kRegisterAndIgnore, 0, 0xb));
    ASSERT_TRUE(reserve_out(*peer, action, 0xa, 0xb));
    expect_sense(other->no_data(test_unit_ready_cdb()), kUnitAttention, 0x2a, 5);
    const Outcome ejected = peer->no_data(start_stop(kEject));
    EXPECT_EQ(ejected.good(), action == kPreemptAndAbort);
  }
  ASSERT_TRUE(peer->no_data(start_stop(kLoad)).good());
  // That of one who has lost nothing stays.
  expect_sense(third->no_data(test_unit_ready_cdb()), kUnitAttention, 0x28, 0);
  expect_sense(other->no_data(test_unit_ready_cdb()), kUnitAttention, 0x28, 0);
  ASSERT_TRUE(third->no_data(prevent(1)).good());
  ASSERT_TRUE(reserve_out(*other, kRegisterAndIgnore, 0, 0xb));
  ASSERT_TRUE(reserve_out(*peer, kPreemptAndAbort, 0xa, 0xb));
  expect_sense(peer->no_data(start_stop(kEject)), kIllegalRequest, 0x53, 2);
}

TEST_F(RemovableMedium, StoppingFlushesAndPowerConditionsDoNothing) {
  ASSERT_TRUE(peer->no_data(start_stop(kStop)).good());
  EXPECT_EQ(disks.count("cdb 35 a"), 1u);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  ASSERT_TRUE(peer->no_data(start_stop(kStop | kNoFlush)).good());
  ASSERT_TRUE(peer->no_data(start_stop(kStart)).good());
  for (int condition = 1; condition < 16; ++condition)
    ASSERT_TRUE(peer->no_data(start_stop(static_cast<uint8_t>(condition << 4 | kEject))).good());
  EXPECT_EQ(disks.count("cdb 35 a"), 1u);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(RemovableMedium, AFlushThatIsAbortedEnds) {
  disks.hold("a");
  const Pdu command = peer->make_command(start_stop(kStop), 0, kFinalBit);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(disks.wait_for("cdb 35 a"));
  EXPECT_EQ(peer->task_management(1, command.task_tag()), std::optional<uint8_t>(0));
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(RemovableMedium, WithoutItsCacheEveryWriteSaysSo) {
  ByteVector caching = {0, 0, 0, 0, 0x08, 0x12};
  caching.resize(24);
  ASSERT_TRUE(peer->write({0x15, 0x10, 0, 0, 24, 0}, caching).good());
  EXPECT_EQ(disks.count("cdb 35 a"), 1u) << "the cache is emptied first";
  ASSERT_TRUE(peer->write(write10_cdb(3, 1), pattern(kBlock)).good());
  EXPECT_EQ(disks.count("fua a"), 1u);
  // WRITE(6) has no such bit and becomes WRITE(10).
  ASSERT_TRUE(peer->write({0x0a, 0, 0, 7, 1, 0}, pattern(kBlock, 5)).good());
  EXPECT_EQ(disks.count("fua a"), 2u);
  EXPECT_EQ(disks.content("a", 7 * kBlock, kBlock), pattern(kBlock, 5));
  caching[6] = 4;
  ASSERT_TRUE(peer->write({0x15, 0x10, 0, 0, 24, 0}, caching).good());
  EXPECT_EQ(disks.count("cdb 35 a"), 1u);
  ASSERT_TRUE(peer->write(write10_cdb(3, 1), pattern(kBlock)).good());
  EXPECT_EQ(disks.count("fua a"), 2u);
  EXPECT_CLEAN(*peer);
}

}  // namespace
}  // namespace chiscsi::test
