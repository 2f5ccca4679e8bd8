// SPDX-License-Identifier: GPL-2.0-only
//
// What waits for data that is on its way: the response to a write that has failed (RFC 7143
// sections 7.8, 11.4.2 and 11.17.1), and that to a function which ends several tasks (section
// 4.2.3.3). The data itself is thrown away.
#include <gtest/gtest.h>

#include <atomic>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;
constexpr uint32_t kLength = 16 * kBlock;
constexpr uint32_t kHalf = kLength / 2;

class DataWait : public ProtocolTest {
 protected:
  void log_in_with(const KeyList& login_keys) {
    LoginOptions login;
    login.keys = login_keys;
    peer = start_and_log_in(login);
  }
  // A write whose first R2Ts have come.
  Pdu start_write(size_t r2t_count = 1) {
    const Pdu command =
        peer->make_command(write10_cdb(0, kLength / kBlock), kLength, kCommandWrite);
    EXPECT_TRUE(peer->send(command));
    for (size_t i = 0; i < r2t_count; ++i) {
      const auto pdu = peer->receive_for(command.task_tag());
      EXPECT_TRUE(pdu && pdu->opcode() == Opcode::kR2t);
      if (pdu) tags.push_back(pdu->as<R2t>().target_transfer_tag.get());
    }
    return command;
  }
  void send_data(const Pdu& command, uint32_t tag, uint32_t data_sn, uint32_t offset, uint32_t size,
                 bool final) {
    ASSERT_TRUE(peer->send(
        peer->make_data_out(command, tag, data_sn, offset, ByteVector(size, 0xbd), final)));
  }
  void send_spoilt(const Pdu& command, uint32_t data_sn, uint32_t offset, bool final) {
    peer->spoil_data_digest = true;
    send_data(command, tags[0], data_sn, offset, kHalf, final);
    peer->spoil_data_digest = false;
    const auto reject = peer->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(reject);
    EXPECT_EQ(reject->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kDataDigestError));
  }
  // Nothing is on its way to the initiator but the answer to its ping.
  void expect_no_response() {
    EXPECT_TRUE(peer->ping());
    EXPECT_TRUE(peer->is_silent(20));
  }
  void expect_sense(const Pdu& command, uint8_t asc, uint8_t ascq) {
    const Outcome outcome = peer->finish(command);
    ASSERT_TRUE(outcome.answered);
    EXPECT_EQ(outcome.status, 2);
    ASSERT_GE(outcome.sense.size(), 14u);
    EXPECT_EQ(outcome.sense[12], asc);
    EXPECT_EQ(outcome.sense[13], ascq);
  }
  void expect_untouched() {
    EXPECT_EQ(driver.content(0, 0, kLength), ByteVector(kLength, 0));
    EXPECT_CLEAN(*peer);
  }
  Pdu send_function(uint8_t function, uint32_t referenced = kReservedTag) {
    const Pdu request = peer->make_task_management(function, referenced);
    EXPECT_TRUE(peer->send(request));
    return request;
  }
  void expect_function_complete(const Pdu& request) {
    const auto answer = peer->receive_for(request.task_tag());
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kTaskManagementResponse);
    EXPECT_EQ(answer->as<TaskManagementResponse>().response, 0);
  }
  std::unique_ptr<Initiator> peer;
  std::vector<uint32_t> tags;
  std::atomic<chiscsi_scsi_command*> failing{nullptr};  // Of the last write.
};

// ---- Responses ----

TEST_F(DataWait, DigestErrorIsAnsweredAfterTheBurst) {
  log_in_with({{"DataDigest", "CRC32C"}});
  const Pdu command = start_write();
  send_spoilt(command, 0, 0, false);
  ASSERT_TRUE(driver.wait_for("abort"));
  expect_no_response();
  send_data(command, tags[0], 1, kHalf, kHalf, true);
  expect_sense(command, 0x47, 0x05);
  expect_untouched();
}

TEST_F(DataWait, DigestErrorInTheLastPduEndsTheBurstAsWell) {
  log_in_with({{"DataDigest", "CRC32C"}});
  const Pdu command = start_write();
  send_data(command, tags[0], 0, 0, kHalf, false);
  send_spoilt(command, 1, kHalf, true);
  expect_sense(command, 0x47, 0x05);
  EXPECT_CLEAN(*peer);
}

TEST_F(DataWait, FinalBitEndsABurstThatIsTooShort) {
  log_in_with({{"DataDigest", "CRC32C"}});
  const Pdu command = start_write();
  send_spoilt(command, 0, 0, false);
  send_data(command, tags[0], 1, kHalf, kBlock, true);
  expect_sense(command, 0x47, 0x05);
  expect_untouched();
}

// All R2Ts that were sent are answered; no further one comes.
TEST_F(DataWait, EveryBurstIsAwaited) {
  set_key("MaxOutstandingR2T", "2");
  log_in_with(
      {{"MaxOutstandingR2T", "2"}, {"MaxBurstLength", "2048"}, {"FirstBurstLength", "512"}});
  const Pdu command = start_write(2);
  send_data(command, tags[1], 7, 2048, 512, false);  // The wrong DataSN.
  expect_no_response();
  send_data(command, tags[1], 8, 2560, 1536, true);
  expect_no_response();
  send_data(command, tags[0], 0, 0, 2048, false);  // All of it, without F.
  expect_sense(command, 0x47, 0x05);
  expect_untouched();
}

TEST_F(DataWait, FailureOfTheDriverIsToldAfterTheBurst) {
  driver.on_command = [&](chiscsi_scsi_command* command) {
    const int rc = driver.run_command(command);
    failing = command;
    return rc;
  };
  log_in_with({});
  const Pdu command = start_write();
  ASSERT_EQ(driver.abort_command(failing), 0);
  expect_no_response();
  send_data(command, tags[0], 0, 0, kLength, true);
  const Outcome outcome = peer->finish(command);
  EXPECT_EQ(outcome.status, 2);
  expect_untouched();
}

TEST_F(DataWait, BurstThatNeverEndsEndsTheConnection) {
  log_in_with({{"DataDigest", "CRC32C"}});
  const Pdu command = start_write();
  send_spoilt(command, 0, 0, false);
  await_answer_to_abort(*peer);
  expect_no_response();
  host_advance_clock(61'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(DataWait, UnsolicitedBurstThatNeverEndsEndsTheConnection) {
  log_in_with({{"InitialR2T", "No"}});
  Pdu command = peer->make_command(write10_cdb(0, kLength / kBlock), kLength, kCommandWrite);
  command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(driver.wait_for("cdb"));
  send_data(command, kReservedTag, 5, 0, kHalf, false);  // The wrong DataSN.
  await_answer_to_abort(*peer);
  expect_no_response();
  host_advance_clock(61'000);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(DataWait, AbortTaskEndsTheWait) {
  log_in_with({{"DataDigest", "CRC32C"}});
  const Pdu command = start_write();
  send_spoilt(command, 0, 0, false);
  ASSERT_TRUE(driver.wait_for("abort"));
  expect_no_response();
  EXPECT_EQ(peer->task_management(kAbortTask, command.task_tag()), 0);
  EXPECT_TRUE(driver.wait_for("cleanup"));
  // What still comes is nobody's.
  send_data(command, tags[0], 1, kHalf, kHalf, true);
  expect_no_response();
  expect_untouched();
}

// ---- Functions ----

TEST_F(DataWait, MultiTaskAbortIsAnsweredAfterTheData) {
  log_in_with({});
  for (const uint8_t function : {kAbortTaskSet, kLunReset}) {
    tags.clear();
    const Pdu command = start_write();
    const Pdu request = send_function(function);
    ASSERT_TRUE(driver.wait_for("abort tmf", function == kLunReset ? 2 : 1));
    expect_no_response();
    send_data(command, tags[0], 0, 0, kHalf, false);
    expect_no_response();
    send_data(command, tags[0], 1, kHalf, kHalf, true);
    expect_function_complete(request);
  }
  EXPECT_EQ(driver.count("cleanup"), 2u);
  expect_untouched();
}

// An initiator that does not answer R2Ts after its function, as by FastAbort, gets its response
// soon, long before any limit of a storage driver.
TEST_F(DataWait, MultiTaskAbortWaitsForASilentInitiatorAMoment) {
  options.abort_timeout_s = 1000;
  log_in_with({});
  const Pdu command = start_write();
  const Pdu request = send_function(kLunReset);
  ASSERT_TRUE(driver.wait_for("abort tmf"));
  host_advance_clock(1500);
  expect_no_response();
  send_data(command, tags[0], 0, 0, kHalf, false);
  ASSERT_TRUE(peer->ping());
  host_advance_clock(1500);
  expect_no_response();
  host_advance_clock(1000);
  expect_function_complete(request);
  // And what it sends after all is discarded.
  send_data(command, tags[0], 1, kHalf, kHalf, true);
  expect_no_response();
  expect_untouched();
}

TEST_F(DataWait, ConnectionMayEndDuringTheWait) {
  log_in_with({});
  start_write();
  send_function(kLunReset);
  ASSERT_TRUE(driver.wait_for("abort tmf"));
  peer->disconnect_with_reset();
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(driver.count("cleanup"), 1u);
}

}  // namespace
}  // namespace chiscsi::test
