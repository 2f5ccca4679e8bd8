// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture for sessions of several connections: one raw initiator for each, with the CmdSN,
// which is the session's, handed from one to the next.
#pragma once

#include <gtest/gtest.h>

#include <chrono>

#include "protocol_fixture.hh"

namespace chiscsi::test {

using namespace iscsi;

inline constexpr uint32_t kBlock = FakeDriver::kBlock;
inline constexpr uint8_t kCloseSession = 0, kCloseConnection = 1, kRemoveForRecovery = 2;

inline uint64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

class MultiConnection : public ProtocolTest {
 protected:
  // A session whose leading connection, of CID 0, has agreed on so many.
  void start_session(uint32_t connections, const KeyList& more = {}) {
    set_key("MaxConnections", std::to_string(connections));
    start();
    lead(connections, more);
  }
  void lead(uint32_t connections, const KeyList& more = {}) {
    LoginOptions login;
    login.keys = {{"MaxConnections", std::to_string(connections)},
                  {"InitialR2T", "No"},
                  {"FirstBurstLength", "65536"}};
    login.keys.insert(login.keys.end(), more.begin(), more.end());
    const LoginResult result = new_peer().login(login);
    ASSERT_TRUE(result.in_full_feature);
    EXPECT_EQ(result.key("MaxConnections"), std::to_string(connections));
    tsih = result.tsih;
  }
  Initiator& new_peer(uint16_t to_port = 0) {
    peers.push_back(std::make_unique<Initiator>(to_port != 0 ? to_port : port));
    peers.back()->next_task_tag = static_cast<uint32_t>(0x1000 * peers.size());
    return use(peers.size() - 1);
  }
  LoginOptions joining(uint16_t cid) const {
    LoginOptions login;
    login.tsih = tsih;
    login.cid = cid;
    return login;
  }
  // The connection gets the next index, whether the login works or not.
  LoginResult try_join(const LoginOptions& login) { return new_peer().login(login); }
  LoginResult try_join(uint16_t cid) { return try_join(joining(cid)); }
  void join(uint16_t cid) {
    const LoginResult result = try_join(cid);
    ASSERT_TRUE(result.in_full_feature) << "status " << std::hex << result.status;
    EXPECT_EQ(result.tsih, tsih);
  }
  // A session of two connections.
  void start_pair(const KeyList& more = {}) {
    start_session(2, more);
    join(1);
  }
  // The connection of this index with the next CmdSN of the session.
  Initiator& use(size_t index) {
    if (last_ != nullptr) cmd_sn_ = last_->cmd_sn;
    last_ = peers[index].get();
    last_->cmd_sn = cmd_sn_;
    return *last_;
  }
  Pdu send_command(size_t index, const ByteVector& cdb, uint32_t length = 0, uint8_t flags = 0) {
    Initiator& peer = use(index);
    const Pdu command = peer.make_command(cdb, length, flags);
    EXPECT_TRUE(peer.send(command));
    return command;
  }
  Pdu send_read(size_t index) {
    return send_command(index, read10_cdb(0, 8), 8 * kBlock, kCommandRead);
  }
  // A write whose R2T has come.
  Pdu send_write(size_t index, uint32_t* transfer_tag) {
    const Pdu command = send_command(index, write10_cdb(0, 1), kBlock, kCommandWrite);
    const auto r2t = peers[index]->receive_for(command.task_tag());
    EXPECT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
    *transfer_tag = r2t ? r2t->as<R2t>().target_transfer_tag.get() : 0;
    return command;
  }
  bool works(size_t index) { return use(index).no_data(test_unit_ready_cdb()).good(); }
  std::optional<uint8_t> logout(size_t index, uint8_t reason, uint16_t cid = 0) {
    Initiator& peer = use(index);
    Pdu request = peer.make(Opcode::kLogoutRequest, true);
    request.as<LogoutRequest>().reason = kFinalBit | reason;
    request.as<LogoutRequest>().cid = cid;
    if (!peer.send(request)) return {};
    const auto answer = peer.receive_for(request.task_tag());
    if (!answer || answer->opcode() != Opcode::kLogoutResponse) return {};
    return answer->as<LogoutResponse>().response;
  }
  // A unit attention of RFC 7143 section 11.14.5.
  void expect_loss_of_commands(size_t index) {
    const Outcome outcome = use(index).no_data(test_unit_ready_cdb());
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.sense_key(), 6);
    ASSERT_GE(outcome.sense.size(), 14u);
    EXPECT_EQ(outcome.sense[12], 0x47);
    EXPECT_EQ(outcome.sense[13], 0x7f);
  }
  void expect_rejected(size_t index) {
    const auto answer = peers[index]->receive_opcode(Opcode::kReject);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<Reject>().reason, static_cast<uint8_t>(RejectReason::kInvalidPduField));
  }
  void expect_clean() {
    for (const auto& peer : peers)
      EXPECT_CLEAN(*peer);
  }

  std::vector<std::unique_ptr<Initiator>> peers;
  uint16_t tsih = 0;

 private:
  Initiator* last_ = nullptr;
  uint32_t cmd_sn_ = 100;
};

#define EXPECT_STATUS(result, code) EXPECT_EQ((result).status, static_cast<uint16_t>(code))

}  // namespace chiscsi::test
