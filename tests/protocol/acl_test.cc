// SPDX-License-Identifier: GPL-2.0-only
//
// LUN masks over the wire: what an initiator may do with each LUN, for a class that takes all
// commands and for one that does not.
#include "control_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr char kFree[] = "iqn.2026-11.org.example:free";
constexpr char kMasked[] = "iqn.2026-11.org.example:masked";
constexpr uint8_t kIllegalRequest = 5, kDataProtect = 7;
constexpr uint8_t kNoSuchLun = 0x25, kWriteProtected = 0x27;
constexpr uint8_t kCheckCondition = 2;

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
  void start_masked() {
    start_engine();
    const ControlAnswer answer =
        start_target(keys({"ACL_Enable=Yes", std::string("ACL=iname=") + kFree,
                           std::string("ACL=iname=") + kMasked + ";lun=2~3:R",
                           std::string("ACL=iname=") + kMasked + ";lun=4,5:RW"},
                          {"a,RAW", "b,DISK", "c,RAW", "d,DISK", "e,RAW", "f,DISK"}));
    ASSERT_EQ(answer.error, 0) << answer.why;
  }
  static void expect_sense(const Outcome& outcome, uint8_t key, uint8_t asc) {
    ASSERT_TRUE(outcome.answered);
    EXPECT_EQ(outcome.status, kCheckCondition);
    ASSERT_GE(outcome.sense.size(), 14u);
    EXPECT_EQ(outcome.sense_key(), key);
    EXPECT_EQ(outcome.sense[12], asc);
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

// Nobody but the class knows its LUNs there.
TEST_F(AclProtocol, MasksNeedLines) {
  start_engine();
  const Lines lines = {"PortalGroup=1@" + ip() + ":" + std::to_string(port), "ACL_Enable=Yes",
                       std::string("ACL=iname=") + kMasked + ";lun=0:R"};
  EXPECT_EQ(disks.add_target(kTargetName, lines), -EOPNOTSUPP);
}

}  // namespace
}  // namespace chiscsi::test
