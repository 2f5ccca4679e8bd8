// SPDX-License-Identifier: GPL-2.0-only
//
// The last word on a command: status, sense data and residual counts as they go into the SCSI
// Response (RFC 7143 section 11.4), from what the driver left in the public structure or from a
// failure of the target's own. The commands have no connection, so nothing is sent.
#include "target/scsi/conclusion.hh"

#include <cstring>

#include "tests/unit/target/session/session_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint32_t kFixedSize = 18;

class ConclusionTest : public SessionFixture {
 protected:
  void SetUp() override {
    make_session();
    renew();
  }
  void TearDown() override { end(); }

  // A command that the driver has, with 1000 bytes expected and all of them lent.
  void renew() {
    end();
    command = session->new_command();
    ASSERT_NE(command, nullptr);
    command->set_state(CommandState::kReceiving);
    command->set_state(CommandState::kReady);
    command->set_state(CommandState::kAtDriver);
    command->flags = iscsi::kCommandRead;
    command->expected_length = command->data_total = 1000;
  }
  void end() {
    if (command == nullptr) return;
    if (command->state != CommandState::kResponding) command->set_state(CommandState::kResponding);
    session->free_command(*command);
    command = nullptr;
  }
  chiscsi_scsi_command& scsi() { return command->scsi; }
  // The sense data behind its length.
  const uint8_t* sense() const { return command->sense + 2; }
  uint32_t sense_length() const { return command->sense[0] << 8 | command->sense[1]; }
  void expect_fixed(uint8_t key, uint8_t asc, uint8_t ascq) {
    EXPECT_EQ(command->sense_size, kFixedSize + 2);
    EXPECT_EQ(sense_length(), kFixedSize);
    uint8_t expected[kFixedSize] = {};
    expected[0] = 0x70;
    expected[2] = key;
    expected[7] = 10;
    expected[12] = asc;
    expected[13] = ascq;
    EXPECT_EQ(memcmp(sense(), expected, kFixedSize), 0);
  }
  void expect_residual(uint8_t flag, uint32_t count) {
    EXPECT_EQ(command->residual_flags, flag);
    EXPECT_EQ(command->residual_count, count);
  }

  Command* command = nullptr;
};

TEST_F(ConclusionTest, TakesAGoodStatus) {
  conclude_as_driver_said(*command);
  EXPECT_EQ(command->state, CommandState::kResponding);
  EXPECT_TRUE(command->conclusion_known);
  EXPECT_TRUE(command->response_queued) << "there is nobody to send it to";
  EXPECT_EQ(command->scsi_status, kScsiGood);
  EXPECT_EQ(command->response_code, 0);
  EXPECT_EQ(command->sense_size, 0);
  expect_residual(0, 0);
}

TEST_F(ConclusionTest, TakesStatusAndResponseOfTheDriver) {
  scsi().sc_status = 0x18;
  scsi().sc_response = CHISCSI_RESPONSE_TARGET_FAILURE;
  conclude_as_driver_said(*command);
  EXPECT_EQ(command->scsi_status, 0x18);
  EXPECT_EQ(command->response_code, 1);
  EXPECT_EQ(command->sense_size, 0);
}

// ---- Sense ----

TEST_F(ConclusionTest, BuildsFixedSenseFromKeyAndCodes) {
  scsi().sc_status = kScsiCheckCondition;
  scsi().sc_sense_key = 3;
  scsi().sc_sense_asc = 0x11;
  scsi().sc_sense_ascq = 0x04;
  conclude_as_driver_said(*command);
  expect_fixed(3, 0x11, 0x04);
}

TEST_F(ConclusionTest, MakesCheckConditionWithoutAnySenseAnAbortedCommand) {
  scsi().sc_status = kScsiCheckCondition;
  conclude_as_driver_said(*command);
  expect_fixed(0x0b, 0, 0);
}

TEST_F(ConclusionTest, CopiesFixedSenseOfTheDriver) {
  for (const uint8_t code : {0x70, 0x71, 0xf0}) {
    renew();
    scsi().sc_status = kScsiCheckCondition;
    scsi().sc_sense_key = 9;  // Not looked at.
    for (int i = 0; i < SCSI_SENSE_BUFFERSIZE; ++i)
      scsi().sc_sense_buf[i] = static_cast<unsigned char>(i + 1);
    scsi().sc_sense_buf[0] = code;
    scsi().sc_sense_buf[7] = 10;
    conclude_as_driver_said(*command);
    EXPECT_EQ(sense_length(), 18u);
    EXPECT_EQ(command->sense_size, 20u);
    EXPECT_EQ(memcmp(sense(), scsi().sc_sense_buf, 18), 0);
  }
}

TEST_F(ConclusionTest, CopiesDescriptorSenseOfTheDriver) {
  for (const uint8_t code : {0x72, 0x73}) {
    renew();
    scsi().sc_status = kScsiCheckCondition;
    const unsigned char descriptor[20] = {code, 5, 0x24, 0, 0, 0, 0, 12, 0, 10, 0x80};
    memcpy(scsi().sc_sense_buf, descriptor, sizeof(descriptor));
    conclude_as_driver_said(*command);
    EXPECT_EQ(sense_length(), 20u);
    EXPECT_EQ(memcmp(sense(), descriptor, sizeof(descriptor)), 0);
  }
}

TEST_F(ConclusionTest, BoundsTheLengthOfTheDriversSense) {
  for (const unsigned length : {0u, 1u, 87u, 88u, 89u, 200u, 255u}) {
    renew();
    scsi().sc_status = kScsiCheckCondition;
    memset(scsi().sc_sense_buf, 0x5a, SCSI_SENSE_BUFFERSIZE);
    scsi().sc_sense_buf[0] = 0x70;
    scsi().sc_sense_buf[7] = static_cast<unsigned char>(length);
    conclude_as_driver_said(*command);
    const uint32_t expected = std::min(8 + length, 96u);
    EXPECT_EQ(sense_length(), expected);
    EXPECT_EQ(command->sense_size, expected + 2);
    EXPECT_LE(command->sense_size, sizeof(command->sense));
    EXPECT_EQ(memcmp(sense(), scsi().sc_sense_buf, expected), 0);
  }
}

TEST_F(ConclusionTest, TakesNoOtherBytesForSense) {
  for (const uint8_t code : {0x01, 0x6f, 0x74, 0x80}) {
    renew();
    scsi().sc_status = kScsiCheckCondition;
    scsi().sc_sense_buf[0] = code;
    scsi().sc_sense_key = 5;
    scsi().sc_sense_asc = 0x20;
    conclude_as_driver_said(*command);
    expect_fixed(5, 0x20, 0);
  }
}

TEST_F(ConclusionTest, SendsNoSenseWithOtherStatuses) {
  scsi().sc_status = kScsiBusy;
  scsi().sc_sense_buf[0] = 0x70;
  scsi().sc_sense_key = 5;
  conclude_as_driver_said(*command);
  EXPECT_EQ(command->sense_size, 0);
}

// ---- Residual ----

TEST_F(ConclusionTest, TakesTheDriversOverflow) {
  scsi().sc_flag |= SC_FLAG_XFER_OVERFLOW;
  scsi().sc_xfer_residualcount = 77;
  conclude_as_driver_said(*command);
  expect_residual(iscsi::kResponseOverflow, 77);
}

TEST_F(ConclusionTest, TakesTheDriversUnderflow) {
  command->data_total = 900;
  scsi().sc_flag |= SC_FLAG_XFER_UNDERFLOW;
  scsi().sc_xfer_residualcount = 100;
  conclude_as_driver_said(*command);
  expect_residual(iscsi::kResponseUnderflow, 100);
}

TEST_F(ConclusionTest, SetsNoFlagForAResidualOfNothing) {
  for (const unsigned flag : {SC_FLAG_XFER_OVERFLOW, SC_FLAG_XFER_UNDERFLOW}) {
    renew();
    scsi().sc_flag |= flag;
    conclude_as_driver_said(*command);
    expect_residual(0, 0);
  }
}

TEST_F(ConclusionTest, ComputesTheUnderflowThatTheDriverDidNotMention) {
  command->data_total = 0;
  scsi().sc_status = kScsiBusy;
  conclude_as_driver_said(*command);
  expect_residual(iscsi::kResponseUnderflow, 1000);
}

TEST_F(ConclusionTest, IgnoresACountWithoutAFlag) {
  scsi().sc_xfer_residualcount = 5;
  conclude_as_driver_said(*command);
  expect_residual(0, 0);
}

TEST_F(ConclusionTest, HasNoResidualWithoutData) {
  command->expected_length = command->data_total = 0;
  conclude_as_driver_said(*command);
  expect_residual(0, 0);
}

// ---- The target's own failures ----

TEST_F(ConclusionTest, SaysWhyTheTargetFailedACommand) {
  scsi().sc_status = kScsiBusy;
  scsi().sc_response = 1;
  scsi().sc_sense_buf[0] = 0x72;
  scsi().sc_flag |= SC_FLAG_XFER_OVERFLOW;
  scsi().sc_xfer_residualcount = 5;
  command->data_total = 400;
  conclude_with_sense(*command, kProtocolServiceCrcError);
  EXPECT_EQ(command->scsi_status, kScsiCheckCondition);
  EXPECT_EQ(command->response_code, 0);
  expect_fixed(0x0b, 0x47, 0x05);
  expect_residual(iscsi::kResponseUnderflow, 600);
}

TEST_F(ConclusionTest, GivesABareStatus) {
  command->data_total = 0;
  conclude_with_status(*command, kScsiTaskSetFull);
  EXPECT_EQ(command->scsi_status, kScsiTaskSetFull);
  EXPECT_EQ(command->sense_size, 0);
  expect_residual(iscsi::kResponseUnderflow, 1000);
}

TEST_F(ConclusionTest, NeedsNoDriverToFailACommand) {
  end();
  command = session->new_command();
  command->set_state(CommandState::kReceiving);
  command->set_state(CommandState::kReady);
  conclude_with_sense(*command, kInvalidFieldInCdb);
  EXPECT_EQ(command->state, CommandState::kResponding);
  expect_fixed(5, 0x24, 0);
}

}  // namespace
}  // namespace chiscsi::test
