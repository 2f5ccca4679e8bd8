// SPDX-License-Identifier: GPL-2.0-only
//
// Requests that are wrong in form: rows P-1 to P-4, P-9, F-1, F-2, F-10, F-13 and F-15 of the
// robustness corpus. Before login such a peer loses its connection. Afterwards a layout that cannot
// be ends its session (RFC 7143 section 7.7); what names a task that is not there gets a Reject
// (section 11.17) or fails a command, and the session lives.
#include <gtest/gtest.h>

#include <cstring>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint8_t kLoginByte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;

bool is_request(uint8_t opcode) { return opcode <= 0x06 || opcode == 0x10; }

class HostilePdu : public ProtocolTest {
 protected:
  // A header alone, whatever it says of what follows.
  static ByteVector header_alone(const Pdu& pdu, uint8_t ahs_words, uint32_t data_size) {
    Bhs bhs = pdu.bhs;
    bhs.total_ahs_length = ahs_words;
    bhs.data_segment_length = data_size;
    const auto* bytes = reinterpret_cast<const uint8_t*>(&bhs);
    return ByteVector(bytes, bytes + sizeof(bhs));
  }
  void expect_reject(Initiator& peer, RejectReason reason) {
    const auto answer = peer.receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kReject);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(reason));
    EXPECT_EQ(answer->data.size(), kBhsSize);
  }
  // A format error: a Reject, and the session ends, which is that many then.
  void expect_end_of_session(Initiator& peer, size_t sessions) {
    expect_reject(peer, RejectReason::kInvalidPduField);
    EXPECT_TRUE(peer.closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed", sessions));
  }
  // A request of this kind that is in order; immediate, so that a Reject leaves no gap.
  static Pdu good_request(Initiator& peer, Opcode opcode) {
    Pdu pdu = peer.make(opcode, opcode != Opcode::kDataOut && opcode != Opcode::kSnackRequest);
    if (opcode == Opcode::kDataOut || opcode == Opcode::kSnackRequest) --peer.cmd_sn;
    if (opcode == Opcode::kNopOut) pdu.as<NopOut>().target_transfer_tag = kReservedTag;
    if (opcode == Opcode::kTextRequest) pdu.as<TextRequest>().target_transfer_tag = kReservedTag;
    if (opcode == Opcode::kTaskManagementRequest) pdu.bhs.flags = kFinalBit | 8;
    if (opcode == Opcode::kLogoutRequest) pdu.bhs.flags = kFinalBit | 2;
    return pdu;
  }
};

// ---- The first PDU ----

// RFC 7143 section 4.2.4: no answer to what is no login, and "invalid during login" afterwards.
TEST_F(HostilePdu, EveryOpcodeButLoginEndsAConnectionThatStartsWithIt) {
  start();
  for (unsigned byte = 0; byte < 256; ++byte) {
    if ((byte & 0x3f) == static_cast<uint8_t>(Opcode::kLoginRequest)) continue;
    Initiator peer(port);
    Pdu pdu;
    pdu.bhs.opcode_byte = static_cast<uint8_t>(byte);
    peer.send(pdu);
    EXPECT_FALSE(peer.receive()) << byte;
    ASSERT_FALSE(peer.connected()) << byte;
  }
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_TRUE(log_in()->ping());
}

TEST_F(HostilePdu, OtherRequestsInTheMiddleOfALoginAreRefused) {
  start();
  for (const uint8_t byte : {0x00, 0x01, 0x03, 0x04, 0x10, 0x3f, 0x40, 0x41, 0x7f}) {
    Initiator peer(port);
    Pdu login;
    login.bhs.opcode_byte = kLoginByte;
    login.bhs.flags = 1 << 2;  // No transition.
    login.set_keys({{"InitiatorName", "iqn.2026-11.org.example:i"}, {"TargetName", kTargetName}});
    ASSERT_TRUE(peer.send(login));
    ASSERT_TRUE(peer.receive());
    Pdu pdu;
    pdu.bhs.opcode_byte = byte;
    pdu.bhs.initiator_task_tag = 5;
    ASSERT_TRUE(peer.send(pdu));
    const auto answer = peer.receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kLoginResponse) << static_cast<int>(byte);
    const auto& response = answer->as<LoginResponse>();
    EXPECT_EQ(response.status_class << 8 | response.status_detail,
              static_cast<int>(LoginStatus::kInvalidDuringLogin));
    EXPECT_EQ(answer->task_tag(), 5u);
    EXPECT_TRUE(peer.closed_by_target());
  }
}

TEST_F(HostilePdu, EveryOpcodeMayBeFollowedByAResetAtOnce) {
  options.max_pending_logins = 512;  // All may be under way at once.
  start();
  for (unsigned byte = 0; byte < 256; ++byte) {
    Initiator peer(port);
    Pdu pdu;
    pdu.bhs.opcode_byte = static_cast<uint8_t>(byte);
    pdu.data = pattern(byte * 3);
    peer.send(pdu);
    peer.disconnect_with_reset();
  }
  EXPECT_TRUE(log_in()->ping());
}

TEST_F(HostilePdu, LoginWithTooMuchDataIsRefusedBeforeItIsRead) {
  start();
  for (const uint32_t size : {8193u, 8196u, 65536u, 0xffffffu}) {
    Initiator peer(port);
    Pdu pdu;
    pdu.bhs.opcode_byte = kLoginByte;
    ASSERT_TRUE(peer.send_bytes(header_alone(pdu, 0, size)));
    const auto answer = peer.receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kLoginResponse) << size;
    EXPECT_EQ(answer->as<LoginResponse>().status_class, 2);
    EXPECT_TRUE(peer.closed_by_target());
  }
}

TEST_F(HostilePdu, LoginTakesDataUpToTheDefaultLength) {
  start();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{8191}, size_t{8192}}) {
    Initiator peer(port);
    Pdu pdu;
    pdu.bhs.opcode_byte = kLoginByte;
    pdu.data.assign(size, 0);
    ASSERT_TRUE(peer.send(pdu));
    const auto answer = peer.receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kLoginResponse) << size;
    const auto& response = answer->as<LoginResponse>();
    EXPECT_EQ(response.status_class << 8 | response.status_detail,
              static_cast<int>(LoginStatus::kMissingParameter))
        << size;
  }
}

TEST_F(HostilePdu, LoginWithAnAhsIsRefused) {
  start();
  for (const unsigned words : {1u, 2u, 12u, 68u, 69u, 255u}) {
    Initiator peer(port);
    Pdu pdu;
    pdu.bhs.opcode_byte = kLoginByte;
    pdu.ahs = pattern(words * 4);
    ASSERT_TRUE(peer.send(pdu));
    const auto answer = peer.receive();
    ASSERT_TRUE(answer && answer->opcode() == Opcode::kLoginResponse) << words;
    EXPECT_EQ(answer->as<LoginResponse>().status_class, 2);
    EXPECT_TRUE(peer.closed_by_target());
  }
}

// ---- AHS in full feature phase ----

// Inner lengths of nothing, beyond the outer one, unknown types, two segments: what is malformed
// ends the session, what is longer than we take is rejected and its CmdSN is free again, what is in
// order is a command like others.
TEST_F(HostilePdu, CommandWithAnyAhsIsRejectedOrExecuted) {
  auto peer = start_and_log_in();
  size_t executed = 0, ended = 0;
  for (const unsigned words : {1u, 2u, 5u, 68u, 69u, 255u}) {
    for (const unsigned inner : {0u, 1u, 2u, words * 4 - 3, words * 4 - 2, 65535u}) {
      for (const uint8_t type : {0, 1, 2, 3, 63, 255}) {
        Pdu command = peer->make_command(test_unit_ready_cdb(), 0, 0);
        command.ahs = pattern(words * 4);
        command.ahs[0] = static_cast<uint8_t>(inner >> 8);
        command.ahs[1] = static_cast<uint8_t>(inner);
        command.ahs[2] = type;
        ASSERT_TRUE(peer->send(command));
        const auto answer = peer->receive();
        ASSERT_TRUE(answer);
        const bool too_long = words > 68 || inner > words * 4 - 3;
        if (answer->opcode() == Opcode::kReject) {
          EXPECT_EQ(answer->as<Reject>().reason, 0x09);
          --peer->cmd_sn;
          if (words > 68) continue;
          ASSERT_TRUE(peer->closed_by_target());
          peer = log_in();
          ++ended;
        } else {
          ASSERT_EQ(answer->opcode(), Opcode::kScsiResponse);
          EXPECT_EQ(answer->as<ScsiResponse>().status, 0);
          EXPECT_FALSE(too_long) << words << " words, inner length " << inner;
          ++executed;
        }
      }
    }
  }
  EXPECT_EQ(driver.count("cdb"), executed);
  EXPECT_GT(executed, 0u);
  EXPECT_GT(ended, 0u);
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(HostilePdu, OtherRequestsWithAnAhsEndTheSession) {
  start();
  size_t sessions = 0;
  for (uint8_t opcode = 0; opcode < 0x40; ++opcode) {
    if (!is_request(opcode) || opcode == 1 || opcode == 3) continue;
    for (const unsigned words : {1u, 68u, 255u}) {
      auto peer = log_in();
      Pdu pdu = good_request(*peer, static_cast<Opcode>(opcode));
      pdu.ahs = pattern(words * 4);
      ASSERT_TRUE(peer->send(pdu));
      expect_end_of_session(*peer, ++sessions);
    }
  }
  EXPECT_TRUE(log_in()->ping());
}

// ---- Opcodes, tags, lengths ----

TEST_F(HostilePdu, OpcodesThatAreNoRequestsAreRejected) {
  auto peer = start_and_log_in();
  for (uint8_t opcode = 0; opcode < 0x40; ++opcode) {
    if (is_request(opcode)) continue;
    Pdu pdu = peer->make(static_cast<Opcode>(opcode), true);
    ASSERT_TRUE(peer->send(pdu));
    expect_reject(*peer, RejectReason::kCommandNotSupported);
  }
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(HostilePdu, LoginInFullFeaturePhaseEndsTheConnection) {
  auto peer = start_and_log_in();
  ASSERT_TRUE(peer->send(peer->make(Opcode::kLoginRequest, true)));
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
}

TEST_F(HostilePdu, TheReservedTaskTagNamesNoTask) {
  auto peer = start_and_log_in();
  for (const Opcode opcode : {Opcode::kScsiCommand, Opcode::kTaskManagementRequest,
                              Opcode::kTextRequest, Opcode::kDataOut, Opcode::kLogoutRequest}) {
    Pdu pdu = good_request(*peer, opcode);
    pdu.bhs.initiator_task_tag = kReservedTag;
    ASSERT_TRUE(peer->send(pdu));
    expect_reject(*peer, RejectReason::kInvalidPduField);
  }
  EXPECT_EQ(driver.count("cdb"), 0u);
  EXPECT_TRUE(peer->ping());
}

TEST_F(HostilePdu, ASegmentBeyondTheLimitEndsTheConnectionWhateverTheOpcode) {
  start();
  for (uint8_t opcode = 0; opcode < 0x40; ++opcode) {
    auto peer = log_in();
    const Pdu pdu = peer->make(static_cast<Opcode>(opcode), true);
    for (const uint32_t size : {65537u, 0xffffffu}) {
      if (!peer->connected()) break;
      peer->send_bytes(header_alone(pdu, 0, size));
    }
    ASSERT_TRUE(peer->closed_by_target()) << static_cast<int>(opcode);
  }
}

TEST_F(HostilePdu, DataWhereThereMustBeNoneEndsTheSession) {
  start();
  size_t sessions = 0;
  for (const Opcode opcode :
       {Opcode::kTaskManagementRequest, Opcode::kLogoutRequest, Opcode::kSnackRequest}) {
    for (const size_t size : {1, 4, 65536}) {
      auto peer = log_in();
      Pdu pdu = good_request(*peer, opcode);
      pdu.data = pattern(size);
      ASSERT_TRUE(peer->send(pdu));
      expect_end_of_session(*peer, ++sessions);
    }
  }
  EXPECT_TRUE(log_in()->ping());
}

TEST_F(HostilePdu, SnackIsRejectedWithoutErrorRecovery) {
  auto peer = start_and_log_in();
  for (uint8_t type = 0; type < 16; ++type) {
    Pdu pdu = good_request(*peer, Opcode::kSnackRequest);
    pdu.bhs.flags = kFinalBit | type;
    pdu.bhs.rest[0] = 0xff;
    ASSERT_TRUE(peer->send(pdu));
    expect_reject(*peer, RejectReason::kSnackReject);
  }
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

// ---- Reserved bits ----

TEST_F(HostilePdu, ReservedBitsChangeNothing) {
  auto peer = start_and_log_in();
  Pdu command = peer->make_command(test_unit_ready_cdb(), 0, 0);
  command.bhs.opcode_byte |= 0x80;
  command.bhs.flags |= 0x18;
  command.bhs.specific[0] = command.bhs.specific[1] = 0xff;
  ASSERT_TRUE(peer->send(command));
  EXPECT_TRUE(peer->finish(command).good());

  // The place of the immediate bit is reserved in Data-Out.
  Pdu write = peer->make_command(write10_cdb(0, 1), FakeDriver::kBlock, kCommandWrite);
  ASSERT_TRUE(peer->send(write));
  const auto r2t = peer->receive_opcode(Opcode::kR2t);
  ASSERT_TRUE(r2t);
  Pdu data_out = peer->make_data_out(write, r2t->as<R2t>().target_transfer_tag.get(), 0, 0,
                                     pattern(FakeDriver::kBlock), true);
  data_out.bhs.opcode_byte |= 0xc0;
  data_out.bhs.flags = 0xff;
  ASSERT_TRUE(peer->send(data_out));
  EXPECT_TRUE(peer->finish(write).good());

  Pdu ping = good_request(*peer, Opcode::kNopOut);
  ping.bhs.flags = 0xff;
  ping.bhs.specific[0] = ping.bhs.specific[1] = 0xff;
  memset(ping.as<NopOut>().reserved2, 0xff, sizeof(ping.as<NopOut>().reserved2));
  ASSERT_TRUE(peer->send(ping));
  const auto pong = peer->receive_for(ping.task_tag());
  ASSERT_TRUE(pong && pong->opcode() == Opcode::kNopIn);
  EXPECT_EQ(pong->bhs.flags, kFinalBit);
  EXPECT_EQ(pong->bhs.specific[0], 0);

  Pdu reset = good_request(*peer, Opcode::kTaskManagementRequest);
  memset(reset.as<TaskManagementRequest>().reserved2, 0xff, 8);
  ASSERT_TRUE(peer->send(reset));
  EXPECT_TRUE(peer->receive_for(reset.task_tag()));
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

}  // namespace
}  // namespace chiscsi::test
