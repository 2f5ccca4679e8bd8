// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture for task attributes over the wire: two disks whose SCSI the target does and one of a
// class that takes all commands, which hold what they get, and an initiator. Commands are told
// apart by what the class notes of them.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "disks_fixture.hh"

namespace chiscsi::test {

using namespace iscsi;

inline constexpr uint32_t kBlock = FakeDisks::kBlock;
enum Attribute : uint8_t { kUntagged, kSimple, kOrdered, kHeadOfQueue, kAca };

inline const ByteVector kRead10 = read10_cdb(0, 1);
inline const ByteVector kVerify10 = {0x2f, 0, 0, 0, 0, 0, 0, 0, 1, 0};
inline const ByteVector kPreFetch10 = {0x34, 0, 0, 0, 0, 0, 0, 0, 1, 0};
inline const ByteVector kFlush10 = {0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0};
inline const ByteVector kRead16 = {0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0};

class TaskAttributes : public DisksTest {
 protected:
  void SetUp() override {
    options.abort_timeout_s = 1;
    disks.disk_flags = CHISCSI_LUN_WRITE_CACHE;
    ASSERT_NO_FATAL_FAILURE(start_disks());
    ASSERT_EQ(disks.add_target(kTargetName, keys({"a,DISK", "b,DISK", "r,RAW"})), 0);
    peer = log_in(1);
    for (const char* disk : {"a", "b", "r"})
      disks.hold(disk);
  }
  void TearDown() override {
    for (const char* disk : {"a", "b", "r"})
      disks.release(disk);
    disks.unstick();
    peer.reset();
    other.reset();
    EXPECT_EQ(disks.remove_target(kTargetName), 0);
    DisksTest::TearDown();
  }
  std::vector<std::string> keys(const std::vector<std::string>& devices) const {
    std::vector<std::string> all = bursting_keys(devices);
    all.push_back("MaxConnections=2");
    return all;
  }
  std::unique_ptr<Initiator> log_in(uint8_t isid, const KeyList& more = {}, uint16_t of_tsih = 0) {
    LoginOptions login = initiator_port(isid);
    login.tsih = of_tsih;
    login.cid = of_tsih != 0 ? 1 : 0;
    if (of_tsih == 0) {
      login.keys = {{"InitialR2T", "No"},
                    {"ImmediateData", "Yes"},
                    {"FirstBurstLength", "8192"},
                    {"MaxBurstLength", "16384"},
                    {"MaxConnections", "2"}};
    }
    login.keys.insert(login.keys.end(), more.begin(), more.end());
    auto initiator = std::make_unique<Initiator>(port);
    const LoginResult result = initiator->login(login);
    EXPECT_TRUE(result.in_full_feature);
    tsih = result.tsih;
    initiator->next_task_tag = 0x1000u * (isid + 16u * login.cid);
    return initiator;
  }

  static Pdu make(Initiator& who, Attribute attribute, const ByteVector& cdb, uint64_t lun = 0) {
    const bool reads = cdb == kRead10 || cdb == kRead16;
    Pdu pdu = who.make_command(cdb, reads ? kBlock : 0, reads ? kCommandRead : 0, lun);
    pdu.bhs.flags = static_cast<uint8_t>((pdu.bhs.flags & ~kCommandAttributeMask) | attribute);
    return pdu;
  }
  static Pdu send(Initiator& who, Attribute attribute, const ByteVector& cdb, uint64_t lun = 0) {
    const Pdu pdu = make(who, attribute, cdb, lun);
    EXPECT_TRUE(who.send(pdu));
    return pdu;
  }
  Pdu send(Attribute attribute, const ByteVector& cdb, uint64_t lun = 0) {
    return send(*peer, attribute, cdb, lun);
  }
  // A WRITE with its immediate data; what follows it is unsolicited.
  Pdu begin_write(uint16_t blocks, const ByteVector& immediate = {}) {
    Pdu write = peer->make_command(write10_cdb(0, blocks), blocks * kBlock, kCommandWrite);
    write.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    write.data = immediate;
    EXPECT_TRUE(peer->send(write));
    return write;
  }
  // A read that the class has, and an ORDERED command that waits for it on another connection.
  std::pair<Pdu, Pdu> send_on_two_connections(const ByteVector& ordered_cdb) {
    other = log_in(1, {}, tsih);
    const Pdu first = send(kSimple, kRead10);
    EXPECT_EQ(got(), "28");
    other->cmd_sn = peer->cmd_sn;
    const Pdu ordered = send(*other, kOrdered, ordered_cdb);
    EXPECT_EQ(got(*other), "28");
    return {first, ordered};
  }
  // What the class has got so far, without its disk: "28 35". Everything that was sent before on
  // this connection has been looked at by then.
  std::string got(Initiator& who) {
    EXPECT_TRUE(who.ping());
    std::string all;
    for (const std::string& call : disks.calls()) {
      if (call.compare(0, 4, "cdb ") == 0) all += (all.empty() ? "" : " ") + call.substr(4, 2);
    }
    return all;
  }
  std::string got() { return got(*peer); }
  // The same, once the class has got as many.
  std::string got_at_last(const std::string& expected) {
    disks.wait_for("cdb ", (expected.size() + 1) / 3);
    return got();
  }
  // Nothing has come for a command, although everything that could has.
  static bool is_open(Initiator& who, const Pdu& command) {
    return who.ping() && !who.receive_for(command.task_tag(), 1);
  }
  bool is_open(const Pdu& command) { return is_open(*peer, command); }

  uint16_t tsih = 0;  // Of the newest login.
  std::unique_ptr<Initiator> other;
};

}  // namespace chiscsi::test
