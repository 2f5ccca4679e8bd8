// SPDX-License-Identifier: GPL-2.0-only
//
// Persistent reservations, RESERVE and RELEASE over the wire, by two initiators: who is kept away,
// who hears of it, what ends, and what is still there after power was lost.
#include "reservation_fixture.hh"

#include <fstream>

namespace chiscsi::test {
namespace {

namespace fs = std::filesystem;

constexpr uint8_t kRegister = 0, kReserve = 1, kRelease = 2, kClear = 3, kPreempt = 4, kAbort = 5,
                  kIgnore = 6, kMove = 7;
constexpr uint8_t kWriteExclusive = 1, kExclusiveAccess = 3, kWriteRegistrants = 5;
constexpr uint8_t kPersists = 1, kAllPorts = 4;

class Reservation : public TwoNexusTest {
 protected:
  void both_register() {
    ASSERT_TRUE(out(*a, kRegister, 0, 0xa).good());
    ASSERT_TRUE(out(*b, kRegister, 0, 0xb).good());
  }
};

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

// ---- PREEMPT AND ABORT ----

TEST_F(Reservation, PreemptAndAbortEndsTheCommandsFirst) {
  both_register();
  EXPECT_TRUE(out(*b, kReserve, 0xb, 0, kWriteExclusive).good());
  disks->hold("a");
  auto third = log_in(3);
  const Pdu held = b->make_command(write10_cdb(0, 1), FakeDisks::kBlock, 0xa0);
  const Pdu not_named = third->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0);
  ASSERT_TRUE(b->send(held));
  ASSERT_TRUE(third->send(not_named));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  ASSERT_TRUE(disks->wait_for("cdb 2a a"));
  EXPECT_TRUE(out(*a, kAbort, 0xa, 0xb, kExclusiveAccess).good());
  EXPECT_EQ(disks->count("abort a"), 1u) << "of the preempted nexus alone";
  EXPECT_EQ(disks->count("cleanup a"), 1u) << "over before the answer";
  disks->release("a");
  EXPECT_TRUE(third->finish(not_named).good());
  expect_sense(ready(*b), 6, 0x2a, 0x05);
  expect_conflict(write_block(*b));
  EXPECT_TRUE(write_block(*a).good());
  EXPECT_CLEAN(*b);
}

TEST_F(Reservation, PreemptAndAbortOfOnesOwnKeySparesItself) {
  both_register();
  EXPECT_TRUE(out(*a, kAbort, 0xa, 0xa, kWriteExclusive).good());
  EXPECT_EQ(keys(*a), ByteVector{0xb});
  EXPECT_TRUE(ready(*a).good());
  EXPECT_TRUE(ready(*b).good());
}

TEST_F(Reservation, PreemptAndAbortIsNotGoodWhileACommandIsLeft) {
  both_register();
  disks->hold("a");
  disks->stick();
  const Pdu held = b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0);
  ASSERT_TRUE(b->send(held));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  Pdu preempt = a->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
  preempt.data = list(0xa, 0xb);
  ASSERT_TRUE(a->send(preempt));
  ASSERT_TRUE(disks->wait_for("abort a"));
  host_advance_clock(31'000);
  expect_sense(a->finish(preempt), 4, 0x44, 0);
  disks->unstick();
  disks->release("a");
  EXPECT_EQ(keys(*a), ByteVector{0xa});
}

TEST_F(Reservation, BothPreemptEachOtherAgainAndAgain) {
  for (int round = 0; round < 20; ++round) {
    out(*a, kIgnore, 0, 0xa);
    out(*b, kIgnore, 0, 0xb);
    Pdu first = a->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
    Pdu second = b->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
    first.data = list(0xa, 0xb);
    second.data = list(0xb, 0xa);
    ASSERT_TRUE(a->send(first));
    ASSERT_TRUE(b->send(second));
    const Outcome of_a = a->finish(first), of_b = b->finish(second);
    ASSERT_TRUE(of_a.answered);
    ASSERT_TRUE(of_b.answered);
    ready(*a);
    ready(*b);
    ASSERT_EQ(keys(*a).size(), 1u);
  }
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
  EXPECT_TRUE(ready(*b).good());
  ready(*a);  // The reset's unit attention.
  EXPECT_TRUE(a->no_data(reserve).good());
  EXPECT_EQ(b->task_management(6), 0);
  EXPECT_TRUE(ready(*b).good());
  ready(*a);
  EXPECT_TRUE(a->no_data(reserve).good());
  a->logout();
  EXPECT_TRUE(a->closed_by_target());
  a = log_in(1);  // Reinstates what may still be ending.
  EXPECT_TRUE(b->no_data(reserve).good());
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
