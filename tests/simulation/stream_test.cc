// SPDX-License-Identifier: GPL-2.0-only
//
// Rows P-5, P-6, L-17 and L-19 of the robustness corpus: a stream that is cut, ended or reset at
// every single byte, and logins whose end, time limit and next PDU fall together. What needs luck
// with real sockets is exact on the simulated host.
#include <algorithm>
#include <cstring>

#include "os/thread.h"
#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

class Stream : public testing::Test {
 protected:
  void SetUp() override { host_set_log_level(0); }
  void TearDown() override { host_set_log_level(4); }

  // A login, a write with immediate data, a read and a ping, as bytes.
  static std::string session_bytes() {
    Recorder recorder;
    return recorder.bytes();
  }

  class Recorder {
   public:
    std::string bytes() {
      Bhs login;
      auto& request = login.as<LoginRequest>();
      request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
      request.flags = kLoginTransit | 1 << 2 | 3;
      request.isid[0] = 0x80;
      request.cmd_sn = 1;
      std::string text;
      for (const std::string& pair :
           {std::string("InitiatorName=iqn.2026-11.org.example:peer"),
            std::string("TargetName=") + kTarget, std::string("ImmediateData=Yes")})
        text += pair + '\0';
      put(login, text);
      Bhs write;
      auto& command = write.as<ScsiCommand>();
      command.opcode_byte = static_cast<uint8_t>(Opcode::kScsiCommand);
      command.flags = kFinalBit | kCommandWrite | 1;
      command.initiator_task_tag = 7;
      command.expected_data_transfer_length = 10;
      command.cmd_sn = 1;
      std::string data(10, '\0');
      fill_data(7, 0, data.data(), data.size());
      put(write, data);
      command.flags = kFinalBit | kCommandRead | 1;
      command.initiator_task_tag = 8;
      command.expected_data_transfer_length = 700;
      command.cmd_sn = 2;
      put(write, {});
      Bhs ping;
      auto& nop = ping.as<NopOut>();
      nop.flags = kFinalBit;
      nop.initiator_task_tag = 9;
      nop.target_transfer_tag = kReservedTag;
      nop.cmd_sn = 3;
      put(ping, "12345");
      return bytes_;
    }

    static std::string wire_of(Bhs bhs, const std::string& data) {
      bhs.data_segment_length = static_cast<uint32_t>(data.size());
      std::string wire(reinterpret_cast<const char*>(&bhs), sizeof(bhs));
      wire += data;
      return wire.append(pad_of(static_cast<uint32_t>(data.size())), '\0');
    }

   private:
    void put(const Bhs& bhs, const std::string& data) { bytes_ += wire_of(bhs, data); }
    std::string bytes_;
  };

  // Everything that the target answers.
  static std::string take_all(Link& link) {
    std::string all;
    for (int i = 0; i < 5; ++i) {
      settle();
      all += link.take();
    }
    return all;
  }
  // What the answers say, without what depends on their order: the PDUs, sorted, with TSIH and
  // sequence numbers blanked.
  static std::vector<std::string> content_of(const std::string& stream) {
    std::vector<std::string> pdus;
    for (size_t at = 0; at + kBhsSize <= stream.size();) {
      Bhs bhs;
      memcpy(&bhs, stream.data() + at, kBhsSize);
      const uint32_t length = bhs.data_segment_length.get();
      std::string pdu = stream.substr(at, kBhsSize + length);
      at += pdu.size() + pad_of(length);
      if (bhs.opcode() == Opcode::kLoginResponse) pdu[14] = pdu[15] = 0;
      std::fill(pdu.begin() + 24, pdu.begin() + 36, '\0');
      pdus.push_back(pdu);
    }
    std::sort(pdus.begin(), pdus.end());
    return pdus;
  }
};

TEST_F(Stream, ComesToTheSameForEverySplit) {
  const std::string bytes = session_bytes();
  SimulatedTarget target;
  ASSERT_EQ(target.start(), 0);
  std::vector<std::string> expected;
  for (size_t at = 0; at < bytes.size(); ++at) {
    Link link(kPort);
    settle();
    link.send(bytes.substr(0, at));
    settle();
    link.send(bytes.substr(at));
    const std::vector<std::string> answer = content_of(take_all(link));
    if (at == 0) expected = answer;
    ASSERT_EQ(answer, expected) << "split at " << at;
    link.close();
    settle();
  }
  EXPECT_EQ(expected.size(), 4u);
  EXPECT_EQ(target.storage.counts.commands, 2 * bytes.size());
}

TEST_F(Stream, ComesToTheSameForPiecesOfAnySize) {
  const std::string bytes = session_bytes();
  SimulatedTarget target;
  ASSERT_EQ(target.start(), 0);
  std::vector<std::string> expected;
  for (const size_t piece : {0, 1, 2, 3, 5, 47, 48, 49, 50, 100}) {
    set_read_piece(piece);
    Link link(kPort);
    settle();
    link.send(bytes);
    const std::vector<std::string> answer = content_of(take_all(link));
    if (piece == 0) expected = answer;
    EXPECT_EQ(answer, expected) << "pieces of " << piece;
    link.close();
    settle();
  }
}

TEST_F(Stream, MayEndAfterEveryByte) {
  const std::string bytes = session_bytes();
  SimulatedTarget target;
  ASSERT_EQ(target.start(), 0);
  for (size_t at = 0; at <= bytes.size(); ++at) {
    for (const bool with_reset : {false, true}) {
      Link link(kPort);
      settle();
      link.send(bytes.substr(0, at));
      if (at % 2 == 0) settle();
      if (with_reset) {
        link.reset();
      } else {
        link.close();
      }
      settle();
      ASSERT_FALSE(link.is_open()) << "after " << at << " bytes";
    }
  }
  EXPECT_EQ(target.storage.counts.sessions, target.storage.counts.ended);
  EXPECT_EQ(open_sockets(), 1u);  // The listener.
}

TEST_F(Stream, GarbageEndsTheConnectionAfterOneHeader) {
  SimulatedTarget target;
  ASSERT_EQ(target.start(), 0);
  const std::string tls = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  const std::string nvme = std::string("\x00\x00\x80\x00\x80\x00\x00\x00", 8);
  for (const std::string& start : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), tls, nvme,
                                   std::string(1, '\0'), std::string(1, '\xff')}) {
    Link link(kPort);
    settle();
    std::string garbage = start;
    // What looks like a header with AHS is looked at when all of it is there.
    garbage.resize(kBhsSize + 4 * 255, start.back());
    link.send(garbage);
    settle();
    EXPECT_FALSE(link.is_open()) << static_cast<int>(start[0]);
  }
}

// ---- Silence ----

TEST_F(Stream, SilenceAfterEveryByteOfALoginEndsAtTheLimit) {
  const std::string bytes = session_bytes();
  const size_t login_size = kBhsSize + 100;  // Not quite.
  SimulatedTarget target;
  target.options.login_timeout_s = 15;
  ASSERT_EQ(target.start(), 0);
  for (size_t at = 0; at < login_size; at += 5) {
    Link silent(kPort);
    settle();
    silent.send(bytes.substr(0, at));
    settle();
    advance(14'000);
    ASSERT_TRUE(silent.is_open()) << "too early, after " << at << " bytes";
    const auto other = target.log_in();
    ASSERT_TRUE(other->in_full_feature());
    advance(1'500);
    ASSERT_FALSE(silent.is_open()) << "after " << at << " bytes";
  }
}

// One byte a second does not buy more time.
TEST_F(Stream, SlownessEndsAtTheLimit) {
  const std::string bytes = session_bytes();
  SimulatedTarget target;
  target.options.login_timeout_s = 15;
  ASSERT_EQ(target.start(), 0);
  Link slow(kPort);
  settle();
  for (size_t i = 0; i < 17 && slow.is_open(); ++i) {
    slow.send(bytes.substr(i, 1));
    advance(1'000);
  }
  EXPECT_FALSE(slow.is_open());
}

// A last Login Response for which the network has no room has a limit of its own, also where logins
// have a long one or none. Another login of the session and the removal of the target wait no
// longer.
TEST_F(Stream, LoginWhoseResponseFindsNoRoomEndsAtItsLimit) {
  struct Case {
    uint32_t login_timeout_s, ends_after_ms;
  };
  for (const Case& each : {Case{10, 11'000}, Case{300, 31'000}, Case{0, 31'000}}) {
    SCOPED_TRACE(each.login_timeout_s);
    SimulatedTarget target;
    target.options.login_timeout_s = each.login_timeout_s;
    ASSERT_EQ(target.start(), 0);
    const auto log_in_without_room = [&target] {
      auto stuck = std::make_unique<Peer>(kPort);
      settle();
      stuck->link.set_room(0);
      stuck->log_in(target.login);
      settle();
      return stuck;
    };
    auto stuck = log_in_without_room();
    advance(5'000);
    auto next = target.log_in();
    EXPECT_TRUE(stuck->link.is_open());
    EXPECT_FALSE(next->in_full_feature());
    advance(each.ends_after_ms - 5'000);
    next->collect();
    EXPECT_FALSE(stuck->link.is_open());
    EXPECT_TRUE(next->in_full_feature());
    next.reset();
    stuck = log_in_without_room();
    const uint64_t before = os_now_ms();
    target.end();
    EXPECT_LT(os_now_ms() - before, each.ends_after_ms);
  }
}

// Silence keeps nobody out: beyond the limit the oldest silent connection gives way.
TEST_F(Stream, SilentConnectionsGiveWayToNewcomers) {
  SimulatedTarget target;
  target.options.login_timeout_s = 15;
  ASSERT_EQ(target.start(), 0);
  const uint32_t limit = target.options.max_pending_logins;
  std::vector<std::unique_ptr<Link>> silent;
  for (uint32_t i = 0; i < limit + 20; ++i) {
    silent.push_back(std::make_unique<Link>(kPort));
    settle();
    EXPECT_TRUE(silent.back()->is_open());
  }
  for (uint32_t i = 0; i < silent.size(); ++i)
    EXPECT_EQ(silent[i]->is_open(), i >= 20) << i;
  EXPECT_TRUE(target.log_in()->in_full_feature());
  advance(16'000);
  for (const auto& link : silent)
    EXPECT_FALSE(link->is_open());
}

// Who is in the middle of a login does not: beyond the limit newcomers are refused then.
TEST_F(Stream, LoginsUnderWayDoNotGiveWay) {
  SimulatedTarget target;
  target.options.login_timeout_s = 15;
  target.options.max_pending_logins = 8;
  ASSERT_EQ(target.start(), 0);
  Bhs first;
  auto& request = first.as<LoginRequest>();
  request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
  request.flags = 1 << 2;  // More is to come in the operational stage.
  request.isid[0] = 0x80;
  const std::string text = std::string("InitiatorName=iqn.2026-11.org.example:peer") + '\0' +
                           "SessionType=Discovery" + '\0';
  std::vector<std::unique_ptr<Link>> busy;
  for (uint8_t i = 0; i < 8; ++i) {
    request.isid[5] = i;
    busy.push_back(std::make_unique<Link>(kPort));
    busy.back()->send(Recorder::wire_of(first, text));
    settle();
  }
  Link late(kPort);
  settle();
  EXPECT_FALSE(late.is_open());
  for (const auto& link : busy)
    EXPECT_TRUE(link->is_open());
}

// Discovery may be open to anyone: the sessions of one do not keep others out.
TEST_F(Stream, DiscoverySessionsDoNotPileUp) {
  SimulatedTarget target;
  ASSERT_EQ(target.start(), 0);
  target.login.target_name.clear();
  constexpr uint32_t kLimit = 1024;
  std::vector<std::unique_ptr<Peer>> sessions;
  for (uint32_t i = 0; i < kLimit + 20; ++i) {
    target.login.initiator_name = "iqn.2026-11.org.example:peer-" + std::to_string(i);
    sessions.push_back(target.log_in());
    ASSERT_TRUE(sessions.back()->in_full_feature()) << i;
  }
  settle();
  for (uint32_t i = 0; i < sessions.size(); ++i)
    EXPECT_EQ(sessions[i]->link.is_open(), i >= 20) << i;
  sessions.clear();
  target.login.target_name = kTarget;
  EXPECT_TRUE(target.log_in()->in_full_feature());
}

// A login that was answered has been a session, however early the initiator leaves.
TEST_F(Stream, WhoEndsWithItsLoginWasThere) {
  SimulatedTarget target;
  ASSERT_EQ(target.start(), 0);
  for (const bool reads : {false, true}) {
    const uint64_t sessions = target.storage.counts.sessions;
    Peer peer(kPort);
    settle();
    peer.log_in(target.login);
    if (reads) peer.collect();
    peer.link.close();
    settle();
    advance(100);
    EXPECT_EQ(target.storage.counts.sessions, sessions + 1);
    EXPECT_EQ(target.storage.counts.ended, sessions + 1);
  }
}

// The next PDU, the end of the connection and the time limit, all before the engine runs again.
TEST_F(Stream, LoginEventsMayFallTogether) {
  const std::string bytes = session_bytes();
  SimulatedTarget target;
  target.options.login_timeout_s = 15;
  ASSERT_EQ(target.start(), 0);
  for (size_t at = 0; at <= bytes.size(); at += 3) {
    for (int kind = 0; kind < 6; ++kind) {
      Link link(kPort);
      settle();
      link.send(bytes.substr(0, at));
      if (kind % 2 == 0) settle();
      link.send(bytes.substr(at));
      if (kind / 2 == 0) link.close();
      if (kind / 2 == 1) link.reset();
      advance(15'100);
      if (kind / 2 == 2) link.close();
      settle();
      ASSERT_FALSE(link.is_open());
    }
  }
  EXPECT_EQ(target.storage.counts.sessions, target.storage.counts.ended);
}

}  // namespace
}  // namespace chiscsi::simulation
