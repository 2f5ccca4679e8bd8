// SPDX-License-Identifier: GPL-2.0-only
//
// Additional header segments on the wire (RFC 7143 section 11.2.2): a CDB of more than 16 bytes
// reaches the driver whole or not at all, and no segment that lies does any harm.
#include <gtest/gtest.h>

#include <mutex>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

ByteVector long_cdb(size_t size) {
  ByteVector cdb = pattern(size, 3);
  cdb[0] = 0x7f;
  return cdb;
}

// One segment: `length` as its length field says, `body` as it is, padded to words.
ByteVector segment(uint8_t type, size_t length, const ByteVector& body) {
  ByteVector bytes = {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), type};
  bytes.insert(bytes.end(), body.begin(), body.end());
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

// The segment that carries what of a CDB is behind its first 16 bytes.
ByteVector cdb_segment(const ByteVector& cdb) {
  ByteVector body = {0};
  body.insert(body.end(), cdb.begin() + 16, cdb.end());
  return segment(1, body.size(), body);
}

const ByteVector kReadLength = segment(2, 5, {0, 0, 0, 0x10, 0});

class ExtendedCdb : public ProtocolTest {
 protected:
  void log_in_and_watch(const LoginOptions& login = {}) {
    driver.on_command = [this](chiscsi_scsi_command* command) {
      unsigned length = 0;
      const unsigned char* cdb = chiscsi_scsi_cmd_cdb(command, &length);
      {
        std::lock_guard guard(lock_);
        seen_.assign(cdb, cdb + length);
        first_bytes_.assign(command->sc_cmd, command->sc_cmd + command->sc_cmdlen);
      }
      return driver.conclude(command, 0);
    };
    peer = start_and_log_in(login);
  }
  Pdu make(const ByteVector& cdb, const ByteVector& ahs, uint8_t flags = 0, uint32_t length = 0) {
    Pdu command = peer->make_command(cdb, length, flags);
    command.ahs = ahs;
    return command;
  }
  ByteVector seen() {
    std::lock_guard guard(lock_);
    return seen_;
  }
  ByteVector first_bytes() {
    std::lock_guard guard(lock_);
    return first_bytes_;
  }
  // The PDU is rejected, its CmdSN is not used up, and the session goes on.
  // RFC 7143 section 7.7.
  void expect_end_of_session(const ByteVector& ahs, uint8_t flags = 0) {
    const size_t before = driver.count("cdb");
    ASSERT_TRUE(peer->send(make(long_cdb(32), ahs, flags)));
    EXPECT_TRUE(peer->receive_opcode(Opcode::kReject));
    EXPECT_TRUE(peer->closed_by_target());
    EXPECT_EQ(driver.count("cdb"), before);
    peer = log_in();
  }
  void expect_rejected(const ByteVector& ahs, uint8_t flags = 0) {
    const size_t before = driver.count("cdb");
    ASSERT_TRUE(peer->send(make(long_cdb(32), ahs, flags)));
    const auto reject = peer->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(reject);
    EXPECT_EQ(reject->as<Reject>().reason, 0x09);
    --peer->cmd_sn;
    EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
    EXPECT_EQ(driver.count("cdb"), before + 1);
  }
  std::unique_ptr<Initiator> peer;

 private:
  std::mutex lock_;
  ByteVector seen_, first_bytes_;
};

TEST_F(ExtendedCdb, ReachesTheDriverWhole) {
  log_in_and_watch();
  for (const size_t size : {17u, 18u, 20u, 32u, 259u, 260u}) {
    const ByteVector cdb = long_cdb(size);
    const Pdu command = make(cdb, cdb_segment(cdb));
    ASSERT_TRUE(peer->send(command));
    EXPECT_TRUE(peer->finish(command).good());
    EXPECT_EQ(seen(), cdb);
    EXPECT_EQ(first_bytes(), ByteVector(cdb.begin(), cdb.begin() + 16));
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(ExtendedCdb, OrdinaryOneHas16Bytes) {
  log_in_and_watch();
  const ByteVector cdb = long_cdb(32);
  const Pdu command = make(cdb, cdb_segment(cdb));
  ASSERT_TRUE(peer->send(command));
  EXPECT_TRUE(peer->finish(command).good());
  for (int i = 0; i < 300; ++i) {  // Every command of the pool: nothing stays of a longer one.
    ASSERT_TRUE(peer->no_data(read10_cdb(1, 2)).good());
    ASSERT_EQ(seen().size(), 16u);
    ASSERT_EQ(seen(), first_bytes());
    ASSERT_EQ(seen()[0], 0x28);
  }
}

TEST_F(ExtendedCdb, WithDigestsDataAndOtherSegments) {
  LoginOptions login;
  login.keys = {{"HeaderDigest", "CRC32C"}, {"DataDigest", "CRC32C"}};
  log_in_and_watch(login);
  const ByteVector cdb = long_cdb(33);
  Pdu command = make(cdb, segment(9, 6, ByteVector(6)), kCommandWrite, 1000);
  const ByteVector rest = cdb_segment(cdb);
  command.ahs.insert(command.ahs.end(), rest.begin(), rest.end());
  command.data = pattern(1000);
  ASSERT_TRUE(peer->send(command, 7));  // In pieces.
  EXPECT_TRUE(peer->finish(command).answered);
  EXPECT_EQ(seen(), cdb);
  EXPECT_CLEAN(*peer);
}

TEST_F(ExtendedCdb, LengthsThatLieEndTheSession) {
  log_in_and_watch();
  for (const size_t length : {0u, 1u, 18u, 20u, 255u, 0xffffu}) {
    SCOPED_TRACE(length);
    expect_end_of_session(segment(1, length, ByteVector(length < 2 ? 1 : 17)));
  }
  const ByteVector whole = cdb_segment(long_cdb(32));
  ByteVector twice = whole;
  twice.insert(twice.end(), whole.begin(), whole.end());
  expect_end_of_session(twice);
  expect_end_of_session(cdb_segment(long_cdb(261)));
  expect_rejected(ByteVector(255 * 4));  // Longer than we keep.
  EXPECT_CLEAN(*peer);
}

TEST_F(ExtendedCdb, ReadLengthBelongsToABidirectionalCommand) {
  log_in_and_watch();
  expect_end_of_session(kReadLength, kCommandRead);
  expect_end_of_session(kReadLength);
  expect_end_of_session(segment(2, 4, ByteVector(4)), kCommandRead | kCommandWrite);
}

TEST_F(ExtendedCdb, BidirectionalCommandIsRefusedWithSense) {
  log_in_and_watch();
  const Pdu command = make(long_cdb(16), kReadLength, kCommandRead | kCommandWrite, 512);
  ASSERT_TRUE(peer->send(command));
  const auto answer = peer->receive_for(command.task_tag());
  ASSERT_TRUE(answer && answer->opcode() == Opcode::kScsiResponse);
  const auto& response = answer->as<ScsiResponse>();
  EXPECT_EQ(response.status, 2);
  EXPECT_EQ(response.flags & 0x1e, kResponseBidiUnderflow | kResponseUnderflow);
  EXPECT_EQ(response.bidi_residual_count.get(), 0x1000u);
  EXPECT_EQ(response.residual_count.get(), 512u);
  ASSERT_GT(answer->data.size(), 14u);
  EXPECT_EQ(answer->data[4] & 0xf, 5);
  EXPECT_EQ(answer->data[14], 0x24);
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(ExtendedCdb, OtherPdusHaveNoSegments) {
  start();
  for (const Opcode opcode : {Opcode::kNopOut, Opcode::kTextRequest, Opcode::kTaskManagementRequest,
                              Opcode::kLogoutRequest}) {
    peer = log_in();
    Pdu pdu = peer->make(opcode, true);
    pdu.ahs = kReadLength;
    ASSERT_TRUE(peer->send(pdu));
    const auto reject = peer->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(reject);
    EXPECT_EQ(reject->as<Reject>().reason, 0x09);
    EXPECT_TRUE(peer->closed_by_target());
  }
  EXPECT_TRUE(log_in()->ping());
}

// Memory for the CDB may be short for a moment; the command comes all the same.
TEST_F(ExtendedCdb, SurvivesEveryFailedAllocation) {
  log_in_and_watch();
  const ByteVector cdb = long_cdb(64);
  for (uint64_t n = 1; n <= 12; ++n) {
    host_fail_allocation_at(n);
    const Pdu command = make(cdb, cdb_segment(cdb));
    const bool sent = peer->send(command);
    const Outcome outcome = sent ? peer->finish(command) : Outcome();
    host_fail_allocation_at(0);
    if (outcome.answered) {
      EXPECT_TRUE(outcome.good());
      EXPECT_EQ(seen(), cdb);
    } else {
      EXPECT_TRUE(peer->closed_by_target());
      peer = log_in();
    }
  }
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
}

TEST_F(ExtendedCdb, AccessorRefusesWhatIsNoCommand) {
  unsigned length = 1;
  EXPECT_EQ(chiscsi_scsi_cmd_cdb(nullptr, &length), nullptr);
  EXPECT_EQ(length, 0u);
  EXPECT_LT(chiscsi_scsi_cmd_priority(nullptr), 0);
  EXPECT_LT(chiscsi_scsi_cmd_set_status_qualifier(nullptr, 1), 0);
}

}  // namespace
}  // namespace chiscsi::test
