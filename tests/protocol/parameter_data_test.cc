// SPDX-License-Identifier: GPL-2.0-only
//
// Commands that the target executes with parameter data of the initiator, over the wire: every way
// the data can come, data that is too short, too long, wrong or never comes, and what initiators
// hear of a change that another one has made.
#include <gtest/gtest.h>

#include "disks_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;  // NOLINT: PDUs and their fields.

constexpr uint32_t kBlock = FakeDisks::kBlock;
constexpr uint8_t kIllegalRequest = 5, kUnitAttention = 6, kDataProtect = 7;

class ParameterData : public DisksTest {
 protected:
  void SetUp() override { start({"a,DISK", "b,DISK"}); }
  static ByteVector select_cdb(size_t length) {
    return {0x15, 0x10, 0, 0, static_cast<uint8_t>(length), 0};
  }
  static ByteVector select10_cdb(size_t length) {
    return {
        0x55, 0x10, 0, 0, 0, 0, 0, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length),
        0};
  }
  // The control mode page with these bytes 2 and 4, as a list of MODE SELECT(6).
  static ByteVector control(uint8_t flags, uint8_t access) {
    const uint8_t byte = 0x20 | flags;  // TST is constant.
    return {0, 0, 0, 0, 0x0a, 0x0a, byte, 0x10, access, 0, 0, 0, 0xff, 0xff, 0, 0};
  }
  // D_SENSE, as MODE SENSE shows it.
  bool descriptor_sense(uint64_t lun = 0) {
    const Outcome outcome = peer->read({0x1a, 8, 0x0a, 0, 16, 0}, 16, lun);
    EXPECT_TRUE(outcome.good());
    return outcome.data.size() == 16 && (outcome.data[6] & 4) != 0;
  }
};

TEST_F(ParameterData, ComesInEveryWay) {
  const WriteShape shapes[] = {{0, 0, 8192}, {16, 0, 8192}, {4, 0, 8192}, {0, 16, 8192},
                               {0, 16, 4},   {4, 8, 4},     {4, 12, 4},   {0, 0, 4}};
  bool on = true;
  for (const WriteShape& shape : shapes) {
    const ByteVector data = control(on ? 4 : 0, 0);
    const Outcome outcome = peer->write(select_cdb(16), data, shape);
    EXPECT_TRUE(outcome.good()) << shape.immediate << " " << shape.unsolicited;
    EXPECT_EQ(outcome.residual, 0u);
    EXPECT_EQ(descriptor_sense(), on);
    on = !on;
  }
  EXPECT_EQ(disks.count("cdb"), 0u) << "the class has seen none of it";
  EXPECT_FALSE(descriptor_sense(1));
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, NoListIsFine) {
  EXPECT_TRUE(peer->no_data(select_cdb(0)).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, MoreThanTheListIsResidual) {
  ByteVector data = control(4, 0);
  data.resize(64);
  for (const WriteShape& shape : {WriteShape{0, 0, 8192}, WriteShape{64, 0, 8192},
                                  WriteShape{16, 48, 8}, WriteShape{0, 64, 64}}) {
    const Outcome outcome = peer->write(select_cdb(16), data, shape);
    EXPECT_TRUE(outcome.good());
    EXPECT_EQ(outcome.residual, 48u);
  }
  EXPECT_TRUE(descriptor_sense());
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, LessThanTheListIsAnError) {
  expect_sense(peer->write(select_cdb(16), {0, 0, 0, 0, 0x0a, 0x0a, 0x24, 0x10}, {8, 0, 8192}),
               kIllegalRequest, 0x1a);
  expect_sense(peer->no_data(select_cdb(16)), kIllegalRequest, 0x1a);
  expect_sense(peer->read(select_cdb(16), 16), kIllegalRequest, 0x0e, 3);
  EXPECT_FALSE(descriptor_sense());
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, AWrongFieldIsPointedAt) {
  Outcome outcome = peer->write(select_cdb(16), control(0x01, 0), {});
  expect_sense(outcome, kIllegalRequest, 0x26);
  ASSERT_EQ(outcome.sense.size(), 18u);
  EXPECT_EQ(ByteVector(outcome.sense.begin() + 15, outcome.sense.end()), (ByteVector{0x88, 0, 6}));
  // Page format 0, and a reserved bit.
  outcome = peer->write({0x15, 0, 0, 0, 16, 0}, control(0, 0), {});
  expect_sense(outcome, kIllegalRequest, 0x24);
  EXPECT_EQ(ByteVector(outcome.sense.begin() + 15, outcome.sense.end()), (ByteVector{0xcc, 0, 1}));
  outcome = peer->write({0x15, 0x11, 0, 0, 16, 0}, control(0, 0), {});
  EXPECT_EQ(ByteVector(outcome.sense.begin() + 15, outcome.sense.end()), (ByteVector{0xc8, 0, 1}));
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, TheFormatOfSenseDataIsChosen) {
  ASSERT_TRUE(peer->write(select_cdb(16), control(4, 0), {16, 0, 8192}).good());
  const Outcome outcome = peer->write(select_cdb(16), control(5, 0), {16, 0, 8192});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.sense, (ByteVector{0x72, 5, 0x26, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0x88, 0, 6, 0}));
  const Outcome other = peer->no_data({0x15, 0x11, 0, 0, 0, 0}, 1);
  EXPECT_EQ(other.sense[0], 0x70) << "the other unit has its own mode pages";
  // What the class says by key and codes comes in the same format.
  const Outcome of_class = peer->no_data({0x2f, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  ASSERT_EQ(of_class.sense.size(), 8u);
  EXPECT_EQ(of_class.sense[0], 0x72);
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, SoftwareWriteProtectionHolds) {
  ASSERT_TRUE(peer->write(select10_cdb(20),
                          [] {
                            ByteVector data(4);
                            const ByteVector page = control(0, 8);
                            data.insert(data.end(), page.begin(), page.end());
                            return data;
                          }())
                  .good());
  const Outcome refused = peer->write(write10_cdb(0, 1), pattern(kBlock));
  expect_sense(refused, kDataProtect, 0x27, 2);
  EXPECT_EQ(refused.sense[13], 2);
  EXPECT_TRUE(peer->write(write10_cdb(0, 1), pattern(kBlock), {}, 1).good());
  ASSERT_TRUE(peer->write(select_cdb(16), control(0, 0), {}).good());
  EXPECT_TRUE(peer->write(write10_cdb(0, 1), pattern(kBlock)).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, OtherNexusesHearOfAChange) {
  std::unique_ptr<Initiator> other = log_in(2);
  ASSERT_TRUE(peer->write(select_cdb(16), control(4, 0), {}).good());
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_TRUE(other->no_data(test_unit_ready_cdb(), 1).good());
  const Outcome told = other->no_data(test_unit_ready_cdb());
  EXPECT_EQ(told.status, 2);
  EXPECT_EQ(told.sense, (ByteVector{0x72, kUnitAttention, 0x2a, 0x01, 0, 0, 0, 0}));
  EXPECT_TRUE(other->no_data(test_unit_ready_cdb()).good());
  // The same values again are no change.
  ASSERT_TRUE(peer->write(select_cdb(16), control(4, 0), {}).good());
  EXPECT_TRUE(other->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*other);
}

// ---- Task attributes ----

TEST_F(ParameterData, AttributesThatNobodyHasAreRefused) {
  for (uint8_t attribute = 0; attribute < 8; ++attribute) {
    for (const ByteVector& cdb : {test_unit_ready_cdb(), ByteVector{0x35}, ByteVector{0x1b}}) {
      Pdu command = peer->make_command(cdb, 0, 0);
      command.as<ScsiCommand>().flags = kFinalBit | attribute;
      ASSERT_TRUE(peer->send(command));
      const Outcome outcome = peer->finish(command);
      if (attribute <= 3) {
        EXPECT_TRUE(outcome.good()) << int{attribute};
      } else {
        expect_sense(outcome, kIllegalRequest, 0x49);
      }
    }
  }
}

// ---- Data that does not come ----

TEST_F(ParameterData, AbortWhileDataIsAwaited) {
  const Pdu command = peer->make_command(select_cdb(16), 16, kCommandWrite | kFinalBit);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->receive_opcode(Opcode::kR2t));
  EXPECT_EQ(peer->task_management(1, command.task_tag()), std::optional<uint8_t>(0));
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_FALSE(descriptor_sense());
  EXPECT_CLEAN(*peer);
}

TEST_F(ParameterData, ResetWhileDataIsAwaited) {
  std::unique_ptr<Initiator> other = log_in(2);
  const Pdu command = peer->make_command(select_cdb(16), 16, kCommandWrite | kFinalBit);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->receive_opcode(Opcode::kR2t));
  EXPECT_EQ(other->task_management(5, 0xffffffff), std::optional<uint8_t>(0));
  expect_sense(peer->no_data(test_unit_ready_cdb()), kUnitAttention, 0x29, 3);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(ParameterData, TheConnectionGoesWhileDataIsAwaited) {
  const Pdu command = peer->make_command(select_cdb(16), 16, kCommandWrite | kFinalBit);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(peer->receive_opcode(Opcode::kR2t));
  peer->disconnect();
  peer = log_in(3);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(ParameterData, WrongDataFailsTheCommand) {
  const Pdu command = peer->make_command(select_cdb(16), 16, kCommandWrite | kFinalBit);
  ASSERT_TRUE(peer->send(command));
  const auto r2t = peer->receive_opcode(Opcode::kR2t);
  ASSERT_TRUE(r2t);
  const Pdu data = peer->make_data_out(command, r2t->as<R2t>().target_transfer_tag.get(), 0, 4,
                                       ByteVector(12), true);
  ASSERT_TRUE(peer->send(data));
  const Outcome outcome = peer->finish(command);
  expect_sense(outcome, 0x0b, 0x0c, 0x0d);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(ParameterData, ListsOfEveryLengthUpTo64KiB) {
  ByteVector data(65535);
  expect_sense(peer->write(select10_cdb(65535), data, {8192, 0, 8192}), kIllegalRequest, 0x26);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*peer);
}

}  // namespace
}  // namespace chiscsi::test
