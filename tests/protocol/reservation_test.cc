// SPDX-License-Identifier: GPL-2.0-only
//
// Persistent reservations, RESERVE and RELEASE over the wire, by two initiators: who is kept away,
// who hears of it, what ends, and what is still there after power was lost.
#include "reservation_fixture.hh"

#include <atomic>
#include <fstream>
#include <thread>

namespace chiscsi::test {
namespace {

namespace fs = std::filesystem;

constexpr uint8_t kPersists = 1, kAllPorts = 4;

class Reservation : public TwoNexusTest {};

TEST_F(Reservation, WriteExclusiveKeepsTheOtherFromWriting) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  EXPECT_TRUE(write_block(*a).good());
  expect_conflict(write_block(*b));
  EXPECT_TRUE(read_block(*b).good());
  EXPECT_TRUE(ready(*b).good());
  EXPECT_TRUE(write_block(*b, 1).good());  // Another unit.
  EXPECT_TRUE(out(*a, kRelease, 0xa, 0, kWriteExclusive).good());
  EXPECT_TRUE(write_block(*b).good());
  EXPECT_EQ(disks->count("cdb 2a a"), 2u) << "what conflicts never reaches the class";
  EXPECT_CLEAN(*a);
  EXPECT_CLEAN(*b);
}

TEST_F(Reservation, ExclusiveAccessKeepsTheOtherOut) {
  both_register();
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  expect_conflict(read_block(*b));
  expect_conflict(write_block(*b));
  expect_conflict(b->read({0x1a, 8, 0x0a, 0, 16, 0}, 16));
  EXPECT_TRUE(b->read(inquiry_cdb(36), 36).good());
  EXPECT_TRUE(in(*b, 0).good());
  expect_conflict(out(*b, kReserve, 0xb, 0, kExclusiveAccess));
  EXPECT_TRUE(read_block(*a).good());
}

TEST_F(Reservation, OneHolderOfManyPortsIsManyNexuses) {
  auto through_other = log_in(1, second_port);
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  expect_conflict(write_block(*through_other));
  EXPECT_TRUE(out(*a, kIgnore, 0, 0xa, 0, kAllPorts).good());
  EXPECT_EQ(keys(*a), (ByteVector{0xa, 0xa}));
  expect_conflict(write_block(*through_other));
  EXPECT_TRUE(out(*a, kRelease, 0xa, 0, kWriteExclusive).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteRegistrants).good());
  EXPECT_TRUE(write_block(*through_other).good());
}

// ---- What is reported first (SAM-5 section 5.3.3) ----

TEST_F(Reservation, AConflictComesBeforeAUnitAttentionAndTakesNoneAway) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  for (const uint8_t descriptors : {0x04, 0x00}) {
    const uint8_t byte = 0x20 | descriptors;
    const ByteVector page = {0, 0, 0, 0, 0x0a, 0x0a, byte, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
    ASSERT_TRUE(a->write({0x15, 0x10, 0, 0, 16, 0}, page).good());
  }
  expect_conflict(read_block(*b));
  expect_conflict(write_block(*b));
  EXPECT_TRUE(b->read(inquiry_cdb(36), 36).good());
  expect_sense(ready(*b), 6, 0x2a, 0x01);
  EXPECT_TRUE(ready(*b).good());
  expect_conflict(read_block(*b));
  EXPECT_CLEAN(*b);
}

TEST_F(Reservation, AResetIsHeardOfBeforeAConflict) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  EXPECT_EQ(a->task_management(5), 0);
  expect_sense(read_block(*b), 6, 0x29, 0x03);
  expect_conflict(read_block(*b));
}

TEST_F(Reservation, AResetIsHeardOfBeforeAConflictWhateverElseIsToBeHeard) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  constexpr uint8_t kUnitReset = 5, kTargetReset = 6;
  for (const uint8_t reset : {kUnitReset, kTargetReset}) {
    const ByteVector page = {0, 0, 0, 0, 0x0a, 0x0a, 0x24, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
    ASSERT_TRUE(a->write({0x15, 0x10, 0, 0, 16, 0}, page).good());
    EXPECT_EQ(a->task_management(reset), 0);
    expect_sense(ready(*a), 6, 0x29, 0x03);
    expect_sense(read_block(*b), 6, 0x29, 0x03);
    expect_conflict(read_block(*b));
    expect_sense(ready(*b), 6, 0x2a, 0x01);
    EXPECT_TRUE(ready(*b).good());
  }
}

TEST_F(Reservation, WhatIsNoCommandConflictsWithNothing) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  expect_sense(b->no_data({0xc1, 0, 0, 0, 0, 0}), 5, 0x20, 0);
  expect_sense(b->read({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0x04}, FakeDisks::kBlock), 5, 0x24, 0);
}

TEST_F(Reservation, AConflictComesBeforeAPortThatIsNotAccessible) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  const ByteVector second_group_stands_by = {0, 0, 0, 0, 2, 0, 0, 2};
  ASSERT_TRUE(a->write({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, second_group_stands_by).good());
  auto there = log_in(3, second_port);
  expect_conflict(write_block(*there));
  expect_sense(read_block(*there), 2, 0x04, 0x0b);
}

TEST_F(Reservation, OthersHearOfRelease) {
  both_register();
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteRegistrants).good());
  EXPECT_TRUE(out(*a, kRelease, 0xa, 0, kWriteRegistrants).good());
  expect_sense(ready(*b), 6, 0x2a, 0x04);
  EXPECT_TRUE(ready(*b).good());
  EXPECT_TRUE(ready(*a).good());
}

TEST_F(Reservation, OthersHearOfClear) {
  both_register();
  auto stranger = log_in(3);
  EXPECT_TRUE(out(*a, kClear, 0xa).good());
  expect_sense(ready(*b), 6, 0x2a, 0x03);
  EXPECT_TRUE(ready(*b).good());
  EXPECT_TRUE(ready(*stranger).good());
  EXPECT_TRUE(keys(*a).empty());
}

TEST_F(Reservation, OthersHearOfPreemption) {
  both_register();
  auto third = log_in(3);
  EXPECT_TRUE(out(*third, kRegister, 0, 0xc).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  EXPECT_TRUE(out(*b, kPreempt, 0xb, 0xa, kExclusiveAccess).good());
  expect_sense(ready(*a), 6, 0x2a, 0x05);
  expect_sense(ready(*third), 6, 0x2a, 0x04);  // It is of another type now.
  EXPECT_TRUE(ready(*a).good());
  expect_conflict(read_block(*a));
  EXPECT_TRUE(write_block(*b).good());
  EXPECT_EQ(keys(*b), (ByteVector{0xb, 0xc}));
}

TEST_F(Reservation, ReservationSurvivesTheSessionAndItsKeyComesBack) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  a->logout();
  a = log_in(1);
  EXPECT_TRUE(write_block(*a).good());
  expect_conflict(write_block(*b));
  EXPECT_EQ(a->task_management(5, 0xffffffff, 0), 0);
  expect_sense(ready(*a), 6, 0x29, 0x03);
  EXPECT_EQ(keys(*a), ByteVector{0xa});
  ready(*b);
  expect_conflict(write_block(*b));
}

TEST_F(Reservation, ReservationSurvivesAReload) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  auto keys = target_keys();
  keys.push_back("TargetDevice=c,DISK");
  ASSERT_EQ(disks->reconfigure_target(kTargetName, keys), 0);
  ready(*b);  // REPORTED LUNS DATA HAS CHANGED.
  expect_conflict(write_block(*b));
}

TEST_F(Reservation, BadListsAreRefusedWithTheField) {
  const auto field = [](const Outcome& outcome) {
    return outcome.sense.size() >= 18 ? outcome.sense[16] << 8 | outcome.sense[17] : -1;
  };
  expect_sense(a->write(out_cdb(kRegister, 0, 20), ByteVector(20), {}), 5, 0x1a, 0);
  expect_sense(a->write(out_cdb(kRegister, 0, 0), {}, {}), 5, 0x1a, 0);
  both_register();
  Outcome outcome = out(*a, kReserve, 0xa, 0, 2);
  expect_sense(outcome, 5, 0x24, 0);
  EXPECT_EQ(field(outcome), 2);
  outcome = out(*a, kPreempt, 0xa, 0, 1);
  expect_sense(outcome, 5, 0x26, 0);
  EXPECT_EQ(field(outcome), 8);
  expect_sense(out(*a, 8, 0xa), 5, 0x24, 0);
  expect_sense(in(*a, 4), 5, 0x24, 0);
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  expect_sense(out(*a, kRelease, 0xa, 0, kExclusiveAccess), 5, 0x26, 4);
}

TEST_F(Reservation, ReportsAreCutToTheAllocationLength) {
  both_register();
  const Outcome all = in(*a, 0);
  ASSERT_EQ(all.data.size(), 24u);
  for (const uint16_t length : {4, 8, 12, 23}) {
    const Outcome cut = in(*a, 0, length);
    EXPECT_TRUE(cut.good());
    EXPECT_EQ(cut.data, ByteVector(all.data.begin(), all.data.begin() + length));
  }
}

// Length and list are of one moment, whatever others do meanwhile.
TEST_F(Reservation, AReportIsOfOneMoment) {
  constexpr int kRounds = 3000;
  EXPECT_TRUE(out(*b, kRegister, 0, 0xb).good());
  std::atomic<bool> done{false};
  std::thread changes([&] {
    while (!done.load()) {
      out(*a, kIgnore, 0, 0xa, 0, kAllPorts);
      out(*a, kIgnore, 0, 0);
    }
  });
  int wrong = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Outcome report = in(*b, round % 2 == 0 ? 0 : 3);
    const ByteVector& data = report.data;
    const size_t told = data.size() < 8 ? 0 : data[6] * 256u + data[7];
    if (!report.good() || told + 8 != data.size()) ++wrong;
  }
  done.store(true);
  changes.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Reservation, SpecifiedPortsAndMove) {
  const auto transport_id = [](uint8_t isid) {
    std::string name = "iqn.2026-11.org.example:initiator,i,0x8012345600";
    name += isid < 10 ? "0" : "";
    name += std::to_string(isid);
    name.resize((name.size() + 4) & ~size_t{3});
    ByteVector id = {0x45, 0, 0, static_cast<uint8_t>(name.size())};
    id.insert(id.end(), name.begin(), name.end());
    return id;
  };
  ByteVector bytes = list(0, 0xa, 0x08);
  const ByteVector other = transport_id(2);
  bytes.insert(bytes.end(), {0, 0, 0, static_cast<uint8_t>(other.size())});
  bytes.insert(bytes.end(), other.begin(), other.end());
  ASSERT_TRUE(a->write(out_cdb(kRegister, 0, bytes.size()), bytes, {}).good());
  EXPECT_EQ(keys(*a), (ByteVector{0xa, 0xa}));
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  expect_conflict(read_block(*b));
  bytes = list(0xa, 0xe);
  bytes[19] = 1;
  bytes[23] = static_cast<uint8_t>(other.size());
  bytes.insert(bytes.end(), other.begin(), other.end());
  ASSERT_TRUE(a->write(out_cdb(kMove, 0, bytes.size()), bytes, {}).good());
  EXPECT_TRUE(read_block(*b).good());
  expect_conflict(read_block(*a));
  EXPECT_EQ(keys(*b), (ByteVector{0xa, 0xe}));
}

// ---- RESERVE and RELEASE ----

TEST_F(Reservation, ReserveOfSpc2) {
  const ByteVector reserve = {0x16, 0, 0, 0, 0, 0}, release = {0x17, 0, 0, 0, 0, 0};
  EXPECT_TRUE(a->no_data(reserve).good());
  EXPECT_TRUE(a->no_data(reserve).good());
  expect_conflict(b->no_data(reserve));
  expect_conflict(ready(*b));
  expect_conflict(read_block(*b));
  EXPECT_TRUE(b->read(inquiry_cdb(36), 36).good());
  EXPECT_TRUE(write_block(*a).good());
  expect_conflict(in(*a, 0));
  expect_conflict(out(*a, kRegister, 0, 0xa));
  EXPECT_TRUE(b->no_data(release).good());
  expect_conflict(ready(*b));
  EXPECT_TRUE(a->no_data(release).good());
  EXPECT_TRUE(ready(*b).good());
  EXPECT_TRUE(b->no_data({0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0}).good());
  expect_conflict(ready(*a));
  EXPECT_TRUE(b->no_data({0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0}).good());
}

TEST_F(Reservation, ReserveEndsWithAResetAndWithTheSession) {
  const ByteVector reserve = {0x16, 0, 0, 0, 0, 0};
  EXPECT_TRUE(a->no_data(reserve).good());
  EXPECT_EQ(b->task_management(5, 0xffffffff, 0), 0);
  expect_sense(ready(*b), 6, 0x29, 0x03);
  EXPECT_TRUE(ready(*b).good());
  ready(*a);  // The reset's unit attention.
  EXPECT_TRUE(a->no_data(reserve).good());
  EXPECT_EQ(b->task_management(6), 0);
  expect_sense(ready(*b), 6, 0x29, 0x03);
  EXPECT_TRUE(ready(*b).good());
  ready(*a);
  EXPECT_TRUE(a->no_data(reserve).good());
  EXPECT_EQ(a->logout(), 0);
  EXPECT_TRUE(b->no_data(reserve).good());
}

// It waits for a change before it that is being stored.
TEST_F(Reservation, ReserveThatWaitsEndsWithAReset) {
  constexpr uint8_t kLunReset = 5, kNexusReset = 11;
  LoginOptions level2 = initiator_port(1);
  level2.keys.emplace_back("iSCSIProtocolLevel", "2");
  a = EngineTest::log_in(level2, port);
  for (const uint8_t function : {kLunReset, kNexusReset}) {
    SCOPED_TRACE(function);
    ASSERT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
    host_hold_files(true);
    Pdu unregister = a->make_command(out_cdb(kRegister, 0, 24), 24, 0xa0);
    unregister.data = list(0xa, 0);
    EXPECT_TRUE(a->send(unregister));
    EXPECT_TRUE(a->send(a->make_command({0x16, 0, 0, 0, 0, 0}, 0, 0x80)));
    EXPECT_TRUE(a->ping()) << "the unit has both";
    Initiator& resets = function == kLunReset ? *b : *a;
    const Pdu reset = resets.make_task_management(function, 0xffffffff, 0);
    EXPECT_TRUE(resets.send(reset));
    EXPECT_TRUE(resets.ping());
    host_hold_files(false);
    const auto answer = resets.receive_for(reset.task_tag());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->as<iscsi::TaskManagementResponse>().response, 0);
    if (function == kLunReset) expect_sense(ready(*b), 6, 0x29, 0x03);
    EXPECT_TRUE(ready(*b).good());
    EXPECT_EQ(ready(*a).sense_key(), 6);
  }
}

TEST_F(Reservation, ReserveAmongRegistrations) {
  const ByteVector reserve = {0x16, 0, 0, 0, 0, 0}, release = {0x17, 0, 0, 0, 0, 0};
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  expect_conflict(a->no_data(reserve));
  expect_conflict(b->no_data(release));
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kWriteExclusive).good());
  EXPECT_TRUE(a->no_data(reserve).good());
  EXPECT_TRUE(a->no_data(release).good());
  expect_conflict(b->no_data(reserve));
  EXPECT_EQ(in(*a, 1).data.size(), 24u);  // Still held.
}

// ---- APTPL ----

TEST_F(Reservation, PersistsOverALossOfPower) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, 0, 1).good());  // LUN 1, without.
  EXPECT_EQ(in(*a, 2).data[3] & 1, 1);
  restart();
  EXPECT_EQ(keys(*b), ByteVector{0xa});
  EXPECT_TRUE(keys(*b, 1).empty());
  expect_conflict(read_block(*b));
  EXPECT_TRUE(write_block(*a).good());
  EXPECT_EQ(in(*a, 0).data[3], 0) << "the generation begins anew";
  EXPECT_TRUE(out(*a, kIgnore, 0, 0xa).good());
  restart();
  EXPECT_TRUE(keys(*b).empty());
}

TEST_F(Reservation, WhatWasNotStoredHasNotHappened) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  HostLogCapture log;
  for (uint64_t step = 1; step <= 3; ++step) {
    host_cut_power_at(step);
    expect_sense(out(*a, kReserve, 0xa, 0, kExclusiveAccess), 4, 0x44, 0);
    EXPECT_TRUE(read_block(*b).good());
    host_restore_power(true);
  }
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  expect_conflict(read_block(*b));
}

TEST_F(Reservation, DamagedRecordIsPutAside) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    files.push_back(entry.path());
  ASSERT_EQ(files.size(), 1u);
  stop();
  {
    std::fstream file(files[0]);
    file.seekp(40);
    file.put('~');
  }
  HostLogCapture log;
  start();
  a = log_in(1);
  b = log_in(2);
  EXPECT_TRUE(log.contains("is damaged"));
  EXPECT_TRUE(fs::exists(files[0].replace_extension(".bad")));
  EXPECT_TRUE(keys(*a).empty());
}

TEST_F(Reservation, RecordThatCannotBeReadStopsTheStart) {
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  a.reset();
  b.reset();
  ASSERT_EQ(disks->remove_target(kTargetName), 0);
  HostLogCapture log;
  host_cut_power_at(1);
  EXPECT_EQ(os_folder_sync("/tmp"), -EIO);  // From here on every step fails.
  EXPECT_EQ(disks->add_target(kTargetName, target_keys()), -EIO);
  host_restore_power(false);
  EXPECT_TRUE(log.contains("cannot be read"));
  ASSERT_EQ(disks->add_target(kTargetName, target_keys()), 0);
  a = log_in(1);
  EXPECT_EQ(keys(*a), ByteVector{0xa});
}

// Under another identity they would not be found again after a restart.
TEST_F(Reservation, ADeviceKeepsItsIdentityWhileRegistrationsPersist) {
  devices[0] = "a,DISK,WWN=first,SN=1";
  restart();
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  EXPECT_TRUE(out(*a, kReserve, 0xa, 0, kExclusiveAccess).good());
  for (const char* other : {"a,DISK,WWN=second,SN=1", "a,DISK,WWN=first,SN=2"}) {
    HostLogCapture log;
    devices[0] = other;
    EXPECT_EQ(reload(), -EINVAL);
    EXPECT_TRUE(log.contains("registrations persist")) << other;
  }
  devices[0] = "a,DISK,WWN=first,SN=1";
  devices.push_back("c,DISK");
  EXPECT_EQ(reload(), 0);
  restart();
  EXPECT_EQ(keys(*b), ByteVector{0xa});
  expect_conflict(read_block(*b));
}

TEST_F(Reservation, WhatPersistsAfterAnotherIdentityIsFoundUnderIt) {
  devices[0] = "a,DISK,WWN=first";
  restart();
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa).good());
  devices[0] = "a,DISK,WWN=second";
  ASSERT_EQ(reload(), 0);
  EXPECT_FALSE(ready(*a).good());  // REPORTED LUNS DATA HAS CHANGED.
  EXPECT_TRUE(out(*a, kIgnore, 0, 0xb, 0, kPersists).good());
  restart();
  EXPECT_EQ(keys(*a), ByteVector{0xb});
}

// A reload that fails afterwards has changed nothing, the name included.
TEST_F(Reservation, AFailedReloadKeepsTheIdentity) {
  devices[0] = "a,DISK,WWN=first";
  restart();
  HostLogCapture log;
  devices[0] = "a,DISK,WWN=second";
  auto lines = target_keys();
  lines.push_back("PortalGroup=3@198.51.100.7:3260");  // Not an address of this machine.
  EXPECT_LT(disks->reconfigure_target(kTargetName, lines), 0);
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  devices[0] = "a,DISK,WWN=first";
  restart();
  EXPECT_EQ(keys(*a), ByteVector{0xa});
}

TEST_F(Reservation, ANewLineDoesNotGetTheRegistrationsOfAnotherDevice) {
  devices = {"a,DISK,WWN=first,SN=1"};
  restart();
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  HostLogCapture log;
  devices = {"c,DISK,WWN=first,SN=1", "a,DISK,WWN=first,SN=1"};
  EXPECT_EQ(reload(), 0);
  EXPECT_TRUE(log.contains("has the identity of another"));
  EXPECT_FALSE(ready(*a).good());  // REPORTED LUNS DATA HAS CHANGED.
  EXPECT_FALSE(ready(*a, 1).good());
  EXPECT_TRUE(keys(*a, 0).empty());
  EXPECT_EQ(keys(*a, 1), ByteVector{0xa});
  expect_sense(out(*a, kRegister, 0, 0xb, 0, kPersists), 5, 0x26, 0);
}

TEST_F(Reservation, OfTwoNewLinesWithOneIdentityTheFirstIsStored) {
  devices = {"a,DISK,WWN=first,SN=1", "b,DISK,WWN=second,SN=2", "c,DISK,WWN=first,SN=1"};
  HostLogCapture log;
  restart();
  EXPECT_TRUE(log.contains("LUN 2 has the identity of another"));
  EXPECT_FALSE(log.contains("LUN 1 has the identity of another"));
  expect_sense(out(*a, kRegister, 0, 0xc, 0, kPersists, 2), 5, 0x26, 0);
  EXPECT_TRUE(out(*a, kRegister, 0, 0xa, 0, kPersists).good());
  EXPECT_TRUE(out(*a, kRegister, 0, 0xb, 0, kPersists, 1).good());
  restart();
  EXPECT_EQ(keys(*a, 0), ByteVector{0xa});
  EXPECT_EQ(keys(*a, 1), ByteVector{0xb});
  EXPECT_TRUE(keys(*a, 2).empty());
}

TEST_F(Reservation, ManyChangesAtOnceAreStoredOneAfterTheOther) {
  std::vector<std::unique_ptr<Initiator>> peers;
  std::vector<Pdu> sent;
  for (uint8_t i = 0; i < 16; ++i)
    peers.push_back(log_in(static_cast<uint8_t>(10 + i)));
  for (uint8_t i = 0; i < 16; ++i) {
    Pdu pdu = peers[i]->make_command(out_cdb(kRegister, 0, 24), 24, 0xa0);
    pdu.data = list(0, static_cast<uint64_t>(i + 1), kPersists);
    ASSERT_TRUE(peers[i]->send(pdu));
    sent.push_back(pdu);
  }
  for (size_t i = 0; i < 16; ++i)
    EXPECT_TRUE(peers[i]->finish(sent[i]).good());
  EXPECT_EQ(keys(*a).size(), 16u);
  peers.clear();
  restart();
  EXPECT_EQ(keys(*a).size(), 16u);
}

}  // namespace
}  // namespace chiscsi::test
