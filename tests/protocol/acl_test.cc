// SPDX-License-Identifier: GPL-2.0-only
//
// LUN masks over the wire: what an initiator may do with each LUN, for a class that takes all
// commands and for one that does not.
#include "control_fixture.hh"

#include <filesystem>

namespace chiscsi::test {
namespace {

constexpr char kFree[] = "iqn.2026-11.org.example:free";
constexpr char kMasked[] = "iqn.2026-11.org.example:masked";
constexpr uint8_t kIllegalRequest = 5, kDataProtect = 7;
constexpr uint8_t kNoSuchLun = 0x25, kWriteProtected = 0x27;

ByteVector report_luns_cdb() {
  ByteVector cdb(16);
  cdb[0] = 0xa0;
  cdb[8] = 2;  // 512 bytes.
  return cdb;
}

class AclProtocol : public ControlProtocol {
 protected:
  // Of the masked initiator, LUN 0 and 1 are hidden, 2 and 3 may be read, 4 and 5 written. The even
  // ones are of a class that takes all commands.
  void start_masked(const char* folder = nullptr) {
    start_disks();
    if (folder != nullptr) {
      ASSERT_EQ(engine_keep_reservations(folder), 0);
    }
    const ControlAnswer answer =
        start_target(keys({"ACL_Enable=Yes", std::string("ACL=iname=") + kFree,
                           std::string("ACL=iname=") + kMasked + ";lun=2~3:R",
                           std::string("ACL=iname=") + kMasked + ";lun=4,5:RW"},
                          {"a,RAW", "b,DISK", "c,RAW", "d,DISK", "e,RAW", "f,DISK"}));
    ASSERT_EQ(answer.error, 0) << answer.why;
  }
  static std::vector<unsigned> listed(Initiator& initiator, uint64_t lun) {
    std::vector<unsigned> numbers;
    const Outcome outcome = initiator.read(report_luns_cdb(), 512, lun);
    EXPECT_TRUE(outcome.good());
    if (outcome.data.size() < 8) return numbers;
    const size_t length = outcome.data[2] * 256u + outcome.data[3];
    EXPECT_EQ(length + 8, outcome.data.size());
    for (size_t at = 8; at + 8 <= outcome.data.size(); at += 8)
      numbers.push_back(outcome.data[at + 1]);
    return numbers;
  }
};

TEST_F(AclProtocol, EveryLunForWhomNothingIsMasked) {
  start_masked();
  peer = log_in(1, kFree);
  EXPECT_EQ(listed(*peer, 1), (std::vector<unsigned>{0, 1, 2, 3, 4, 5}));
  for (uint64_t lun = 0; lun < 6; ++lun) {
    EXPECT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, lun).good()) << lun;
    EXPECT_TRUE(peer->read(read10_cdb(0, 8), 4096, lun).good()) << lun;
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(AclProtocol, OnlyWhatIsGrantedIsListed) {
  start_masked();
  peer = log_in(1, kMasked);
  // Asked at any LUN, also at one that is hidden or of a class that takes all commands.
  for (const uint64_t lun : {0, 1, 2, 3, 4, 5, 9})
    EXPECT_EQ(listed(*peer, lun), (std::vector<unsigned>{2, 3, 4, 5})) << lun;
  EXPECT_EQ(disks.count("cdb a0"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(AclProtocol, WhatIsHiddenDoesNotExist) {
  start_masked();
  peer = log_in(1, kMasked);
  for (const uint64_t lun : {0, 1}) {
    const Outcome inquiry = peer->read(inquiry_cdb(96), 96, lun);
    ASSERT_TRUE(inquiry.good());
    EXPECT_EQ(inquiry.data[0], 0x7f);
    expect_sense(peer->no_data(test_unit_ready_cdb(), lun), kIllegalRequest, kNoSuchLun);
    expect_sense(peer->read(read10_cdb(0, 8), 4096, lun), kIllegalRequest, kNoSuchLun);
    expect_sense(peer->write(write10_cdb(0, 8), pattern(4096), {}, lun), kIllegalRequest,
                 kNoSuchLun);
    // LOGICAL UNIT RESET, CLEAR TASK SET, ABORT TASK SET: no such LUN.
    for (const uint8_t function : {5, 4, 2})
      EXPECT_EQ(peer->task_management(function, 0xffffffff, lun), 2) << int{function};
  }
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_EQ(disks.count("tmf"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(AclProtocol, AResetOfTheTargetTakesARightToAllOfIt) {
  start_masked();
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  EXPECT_EQ(peer->task_management(6), 6);
  EXPECT_EQ(disks.count("tmf"), 0u);
  EXPECT_EQ(other->task_management(6), 0);
}

// Modes, the medium, reservations and access states are for those who may write.
TEST_F(AclProtocol, ReadersChangeNothingForOthers) {
  constexpr uint8_t kAccessDenied = 0x20, kNoRights = 0x02;
  start_masked();
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  const ByteVector mode = {0, 0, 0, 0, 0x0a, 0x0a, 0x20, 0x10, 8, 0, 0, 0, 0xff, 0xff, 0, 0};
  const ByteVector reserve = {0x5f, 1, 3, 0, 0, 0, 0, 0, 24, 0};
  ByteVector add_key(24);
  add_key[15] = 7;
  const ByteVector port_groups = {0, 0, 0, 0, 3, 0, 0, 1};  // Group 1 is unavailable.
  const ByteVector set_groups = {0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0};
  for (const uint64_t lun : {2, 3}) {
    const auto denied = [&](const Outcome& outcome) {
      expect_sense(outcome, kIllegalRequest, kAccessDenied, kNoRights);
    };
    denied(peer->write({0x15, 0x10, 0, 0, 16, 0}, mode, {}, lun));
    denied(peer->no_data({0x1b, 0, 0, 0, 0, 0}, lun));
    denied(peer->no_data({0x16, 0, 0, 0, 0, 0}, lun));
    denied(peer->no_data({0x1e, 0, 0, 0, 1, 0}, lun));
    denied(peer->no_data({0x1e, 0, 0, 0, 0, 0}, lun));
    denied(peer->no_data({0x4c, 2, 0, 0, 0, 0, 0, 0, 0, 0}, lun));
    denied(peer->write(reserve, ByteVector(24), {}, lun));
    denied(peer->write(set_groups, port_groups, {}, lun));
  }
  EXPECT_EQ(disks.count("cdb"), 0u);
  // To register harms nobody.
  EXPECT_TRUE(peer->write({0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0}, add_key, {}, 3).good());
  // A right to write some units is none to take away all.
  expect_sense(peer->write(set_groups, port_groups, {}, 5), kIllegalRequest, kAccessDenied,
               kNoRights);
  EXPECT_TRUE(peer->write({0x15, 0x10, 0, 0, 16, 0}, mode, {}, 5).good());
  EXPECT_TRUE(other->no_data(test_unit_ready_cdb(), 1).good());
}

// A reset ends the commands of everybody, and what they have set; so does CLEAR TASK SET of a class
// that takes all commands. What concerns the reader alone it may do.
TEST_F(AclProtocol, ReadersResetNothing) {
  constexpr uint8_t kAuthorizationFailed = 6;
  start_masked();
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  disks.hold("c");
  disks.hold("d");
  std::vector<Pdu> held;
  for (const uint64_t lun : {2, 3}) {
    held.push_back(other->make_command(read10_cdb(0, 8), 4096, 0xc0, lun));
    ASSERT_TRUE(other->send(held.back()));
    ASSERT_TRUE(disks.wait_for(lun == 2 ? "cdb 28 c" : "cdb 28 d"));
  }
  EXPECT_EQ(peer->task_management(kLunReset, 0xffffffff, 2), kAuthorizationFailed);
  EXPECT_EQ(peer->task_management(kLunReset, 0xffffffff, 3), kAuthorizationFailed);
  EXPECT_EQ(peer->task_management(kClearTaskSet, 0xffffffff, 2), kAuthorizationFailed);
  EXPECT_EQ(disks.count("tmf"), 0u);
  EXPECT_EQ(peer->task_management(kClearTaskSet, 0xffffffff, 3), 0) << "its own commands";
  EXPECT_EQ(peer->task_management(kAbortTaskSet, 0xffffffff, 2), 0);
  disks.release("c");
  disks.release("d");
  for (const Pdu& command : held)
    EXPECT_TRUE(other->finish(command).good());
  EXPECT_EQ(peer->task_management(kLunReset, 0xffffffff, 4), 0);
  EXPECT_EQ(peer->task_management(kLunReset, 0xffffffff, 5), 0);
}

// It reaches each LUN and may write all but one.
TEST_F(AclProtocol, AResetOfTheTargetTakesARightToWriteAllOfIt) {
  start_disks();
  const std::string reader = std::string("ACL=iname=") + kMasked;
  ASSERT_EQ(start_target(keys({"ACL_Enable=Yes", reader + ";lun=0:RW", reader + ";lun=1:R",
                               std::string("ACL=iname=") + kFree}))
                .error,
            0);
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  const ByteVector port_groups = {0, 0, 0, 0, 3, 0, 0, 1};
  expect_sense(peer->write({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, port_groups),
               kIllegalRequest, 0x20, 0x02);
  EXPECT_EQ(peer->task_management(kWarmReset), 6);
  EXPECT_EQ(peer->task_management(kColdReset), 6);
  EXPECT_EQ(disks.count("tmf"), 0u);
  EXPECT_TRUE(other->no_data(test_unit_ready_cdb(), 1).good());
  EXPECT_EQ(other->task_management(kWarmReset), 0);
}

// A registration is the reader's own; whether registrations persist, and who else is registered,
// is not.
TEST_F(AclProtocol, ReadersRegisterThemselvesAndNobodyElse) {
  char name[] = "/tmp/chiscsi-acl-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  start_masked(name);
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  constexpr uint8_t kPersists = 1, kSpecifiesPorts = 8;
  const auto add_key = [](Initiator& who, uint8_t key, uint8_t flags,
                          const ByteVector& ports = {}) {
    ByteVector list(24);
    list[15] = key;
    list[20] = flags;
    list.insert(list.end(), ports.begin(), ports.end());
    const auto size = static_cast<uint8_t>(list.size());
    return who.write({0x5f, 0, 0, 0, 0, 0, 0, 0, size, 0}, list, {}, 3);
  };
  const auto persists = [](Initiator& who) {
    const Outcome outcome = who.read({0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0}, 8, 3);
    return outcome.data.size() == 8 && (outcome.data[3] & 1) != 0;
  };
  const std::string port_name = std::string(kFree) + ",i,0x801234560002";
  ByteVector ports = {0, 0, 0, 0, 0x45, 0, 0, 0};
  ports.insert(ports.end(), port_name.begin(), port_name.end());
  ports.resize((ports.size() + 4) & ~size_t{3});
  ports[3] = static_cast<uint8_t>(ports.size() - 4);
  ports[7] = static_cast<uint8_t>(ports.size() - 8);
  EXPECT_TRUE(add_key(*other, 1, kPersists).good());
  ASSERT_TRUE(persists(*other));
  expect_sense(add_key(*peer, 7, kSpecifiesPorts, ports), kIllegalRequest, 0x20, 0x02);
  EXPECT_TRUE(add_key(*peer, 7, 0).good());
  EXPECT_TRUE(persists(*other));
  stop_target();
  std::filesystem::remove_all(name);
}

TEST_F(AclProtocol, WhatMayBeReadIsNotWritten) {
  start_masked();
  peer = log_in(1, kMasked);
  for (const uint64_t lun : {2, 3}) {
    EXPECT_TRUE(peer->read(read10_cdb(0, 8), 4096, lun).good()) << lun;
    expect_sense(peer->write(write10_cdb(0, 8), pattern(4096), {}, lun), kDataProtect,
                 kWriteProtected);
    expect_sense(peer->write(write10_cdb(0, 8), pattern(4096), {512, 0, 8192}, lun), kDataProtect,
                 kWriteProtected);
    ByteVector unmap(16);
    unmap[0] = 0x42;
    unmap[8] = 24;
    expect_sense(peer->write(unmap, pattern(24), {}, lun), kDataProtect, kWriteProtected);
  }
  EXPECT_EQ(disks.count("cdb 2a"), 0u);
  EXPECT_EQ(disks.count("cdb 42"), 0u);
  EXPECT_EQ(disks.content("c", 0, 4096), ByteVector(4096));
  EXPECT_EQ(disks.content("d", 0, 4096), ByteVector(4096));
  for (const uint64_t lun : {4, 5})
    EXPECT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, lun).good()) << lun;
  EXPECT_CLEAN(*peer);
}

// MODE SENSE tells that the medium is write protected for this initiator, and only for it.
TEST_F(AclProtocol, ModeSenseShowsTheProtection) {
  start_masked();
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  ByteVector mode_sense(16);
  mode_sense[0] = 0x1a;
  mode_sense[2] = 0x3f;
  mode_sense[4] = 255;
  const auto is_protected = [&](Initiator& initiator, uint64_t lun) {
    const Outcome outcome = initiator.read(mode_sense, 255, lun);
    EXPECT_TRUE(outcome.good());
    return outcome.data.size() > 2 && (outcome.data[2] & 0x80) != 0;
  };
  EXPECT_TRUE(is_protected(*peer, 3));
  EXPECT_FALSE(is_protected(*peer, 5));
  EXPECT_FALSE(is_protected(*other, 3));
}

TEST_F(AclProtocol, AReloadKeepsTheRightsOfNumbers) {
  start_masked();
  peer = log_in(1, kMasked);
  const Lines acl = {"ACL_Enable=Yes", std::string("ACL=iname=") + kFree,
                     std::string("ACL=iname=") + kMasked + ";lun=2~3:R",
                     std::string("ACL=iname=") + kMasked + ";lun=4,5:RW"};
  ASSERT_EQ(start_target(keys(acl, {"a,RAW", "b,DISK", "c,RAW"})).error, 0);
  EXPECT_EQ(listed(*peer, 0), (std::vector<unsigned>{2}));
  ASSERT_EQ(start_target(keys(acl, {"a,RAW", "b,DISK", "c,RAW", "d,DISK", "g,DISK"})).error, 0);
  EXPECT_EQ(listed(*peer, 0), (std::vector<unsigned>{2, 3, 4}));
}

// What happens to units that an initiator cannot reach is none of its business, however much it is.
TEST_F(AclProtocol, NothingIsToldOfWhatIsHidden) {
  constexpr uint8_t kLunReset = 5;
  Lines devices = {"visible,DISK"};
  for (int i = 1; i <= 40; ++i)
    devices.push_back("hidden" + std::to_string(i) + ",DISK");
  start_disks();
  const ControlAnswer answer =
      start_target(keys({"ACL_Enable=Yes", std::string("ACL=iname=") + kFree,
                         std::string("ACL=iname=") + kMasked + ";lun=0:RW"},
                        devices));
  ASSERT_EQ(answer.error, 0) << answer.why;
  peer = log_in(1, kMasked);
  auto other = log_in(2, kFree);
  const ByteVector descriptors = {0, 0, 0, 0, 0x0a, 0x0a, 0x24, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
  for (uint64_t lun = 1; lun <= 40; ++lun)
    ASSERT_TRUE(other->write({0x15, 0x10, 0, 0, 16, 0}, descriptors, {}, lun).good()) << lun;
  for (uint64_t lun = 1; lun <= 40; ++lun)
    ASSERT_EQ(other->task_management(kLunReset, iscsi::kReservedTag, lun), 0) << lun;
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  ASSERT_EQ(other->task_management(kLunReset, iscsi::kReservedTag, 0), 0);
  EXPECT_EQ(peer->no_data(test_unit_ready_cdb()).sense_key(), 6);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*peer);
}

// A session has one set of rights: an address with others gets a session of its own.
TEST_F(AclProtocol, AConnectionWithOtherRightsDoesNotJoin) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "it has one address";
  start_disks();
  const std::string acl = std::string("ACL=iname=") + kFree;
  Lines lines = keys({"ACL_Enable=Yes", "MaxConnections=4", acl + ";dip=127.0.0.1;lun=0~1:RW",
                      acl + ";dip=127.0.0.2;lun=0:R", acl + ";dip=127.0.0.3;lun=0,1:RW"});
  lines[1] = "PortalGroup=1@0.0.0.0:" + std::to_string(port);
  const ControlAnswer answer = start_target(lines);
  ASSERT_EQ(answer.error, 0) << answer.why;
  LoginOptions login;
  login.initiator_name = kFree;
  login.keys = {{"MaxConnections", "4"}};
  peer = std::make_unique<Initiator>(port);
  const LoginResult leading = peer->login(login);
  ASSERT_TRUE(leading.in_full_feature);
  const auto join = [&](const char* address, uint16_t cid) {
    LoginOptions joining;
    joining.initiator_name = kFree;
    joining.tsih = leading.tsih;
    joining.cid = cid;
    Initiator initiator(port, address);
    return initiator.login(joining).status;
  };
  EXPECT_EQ(join("127.0.0.2", 1), 0x0208);
  EXPECT_EQ(join("127.0.0.4", 2), 0x0202) << "no line for this one";
  EXPECT_EQ(join("127.0.0.3", 3), 0);
  EXPECT_EQ(join("127.0.0.1", 4), 0);
  EXPECT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
  login.isid[5] = 9;
  Initiator other(port, "127.0.0.2");
  ASSERT_TRUE(other.login(login).in_full_feature);
  EXPECT_TRUE(other.read(read10_cdb(0, 8), 4096, 0).good());
  EXPECT_FALSE(other.write(write10_cdb(0, 8), pattern(4096), {}, 0).good());
  EXPECT_FALSE(other.read(read10_cdb(0, 8), 4096, 1).good());
}

// Nobody but the class knows its LUNs there.
TEST_F(AclProtocol, MasksNeedLines) {
  start_disks();
  const Lines lines = {"PortalGroup=1@" + portal_address(), "ACL_Enable=Yes",
                       std::string("ACL=iname=") + kMasked + ";lun=0:R"};
  EXPECT_EQ(disks.add_target(kTargetName, lines), -EOPNOTSUPP);
}

}  // namespace
}  // namespace chiscsi::test
