// SPDX-License-Identifier: GPL-2.0-only
//
// Third-party copies between the units of a storage driver, whose commands they are there: what
// ends them, and which units an initiator may name at all.
#include "control_fixture.hh"
#include "fake_disks.hh"
#include "reservation_fixture.hh"
#include "third_party_copy_fixture.hh"

namespace chiscsi::test {
namespace {

// ---- A storage driver, two initiators ----

class CopyByADriver : public TwoNexusTest {
 protected:
  CopyListBytes list_of(uint16_t blocks, uint64_t from = 0, uint64_t to = 0) {
    CopyListBytes list = list_of_two(*a);
    list.segment(0, 1, blocks, from, to);
    return list;
  }
};

TEST_F(CopyByADriver, CopiesAllOfADisk) {
  const ByteVector data = pattern(100 * FakeDisks::kBlock);
  ASSERT_TRUE(a->write(write10_cdb(1500, 100), data).good());
  ASSERT_TRUE(copy(*a, list_of(FakeDisks::kBlocks)).good());
  EXPECT_EQ(disks->content("b", 0, FakeDisks::kBlocks * FakeDisks::kBlock),
            disks->content("a", 0, FakeDisks::kBlocks * FakeDisks::kBlock));
  EXPECT_EQ(disks->count("cdb 88 a"), 2u);
  EXPECT_EQ(disks->count("cdb 8a b"), 2u);
  EXPECT_EQ(disks->count("cdb 83"), 0u);
  EXPECT_CLEAN(*a);
}

TEST_F(CopyByADriver, AReservedDestinationIsAConflict) {
  ASSERT_TRUE(out(*b, 0, 0, 0xb, 0, 0, 1).good());
  ASSERT_TRUE(out(*b, 1, 0xb, 0, 1, 0, 1).good());  // Write exclusive.
  const Outcome outcome = copy(*a, list_of(8));
  expect_sense(outcome, kCopyAborted, 0x0d, 0x01);
  ASSERT_EQ(outcome.sense.size(), 19u);
  EXPECT_EQ(outcome.sense[9], 18);
  EXPECT_EQ(outcome.sense[18], kConflictStatus);
  EXPECT_EQ(disks->count("cdb 8a"), 0u);
  // The unit that is asked is reserved itself.
  expect_conflict(copy(*a, list_of(8), 1));
  EXPECT_TRUE(copy(*b, list_of(8)).good());
}

TEST_F(CopyByADriver, AResetOfTheDestinationEndsIt) {
  disks->hold("b");
  const Pdu command = begin_copy(*a, list_of(2048));
  ASSERT_TRUE(disks->wait_for("cdb 8a b"));
  EXPECT_EQ(b->task_management(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0xffffffff, 1), 0);
  expect_sense(a->finish(command), kCopyAborted, 0x0d, 0x01);
  disks->release("b");
  EXPECT_EQ(disks->count("cdb 8a b"), 1u);
  EXPECT_EQ(disks->content("b", 0, 512), ByteVector(512));
}

TEST_F(CopyByADriver, ThePreemptionOfWhoAskedForItEndsIt) {
  ASSERT_TRUE(out(*a, 0, 0, 0xa).good());
  ASSERT_TRUE(out(*b, 0, 0, 0xb).good());
  disks->hold("b");
  begin_copy(*a, list_of(2048));
  ASSERT_TRUE(disks->wait_for("cdb 8a b"));
  EXPECT_TRUE(out(*b, 5, 0xb, 0xa, 3).good());
  EXPECT_EQ(disks->count("abort b"), 1u);
  EXPECT_EQ(disks->count("cleanup b"), 1u) << "over before the answer";
  disks->release("b");
  expect_sense(ready(*a), 6, 0x2a, 0x05);
  EXPECT_EQ(disks->count("cdb 8a b"), 1u);
}

TEST_F(CopyByADriver, AnAbortAsksTheDriverForItsCommand) {
  disks->hold("b");
  const Pdu command = begin_copy(*a, list_of(2048));
  ASSERT_TRUE(disks->wait_for("cdb 8a b"));
  EXPECT_EQ(a->task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, command.task_tag()), 0);
  EXPECT_EQ(disks->count("abort b"), 1u);
  disks->release("b");
  EXPECT_TRUE(ready(*a).good());
}

TEST_F(CopyByADriver, TheEndOfTheSessionAsksTheDriverForItsCommand) {
  disks->hold("a");
  begin_copy(*a, list_of(2048));
  ASSERT_TRUE(disks->wait_for("cdb 88 a"));
  a->disconnect();
  ASSERT_TRUE(disks->wait_for("abort a"));
  ASSERT_TRUE(disks->wait_for("cleanup a"));
  disks->release("a");
}

// ---- LUN masks, and a class that takes all commands ----

class CopyMasked : public ControlProtocol {};

TEST_F(CopyMasked, OnlyWhatTheInitiatorMayReachTakesPart) {
  constexpr char kFree[] = "iqn.2026-11.org.example:free";
  constexpr char kMasked[] = "iqn.2026-11.org.example:masked";
  start_disks();
  const ControlAnswer answer =
      start_target(keys({"ACL_Enable=Yes", std::string("ACL=iname=") + kFree,
                         std::string("ACL=iname=") + kMasked + ";lun=1:R",
                         std::string("ACL=iname=") + kMasked + ";lun=2:RW"},
                        {"hidden,DISK", "read,DISK", "write,DISK", "raw,RAW"}));
  ASSERT_EQ(answer.error, 0) << answer.why;
  auto all = log_in(1, kFree);
  std::vector<ByteVector> names;
  for (uint64_t lun = 0; lun < 3; ++lun)
    names.push_back(designator(*all, lun));
  const ByteVector data = pattern(8 * 512);
  for (uint64_t lun = 0; lun < 3; ++lun)
    ASSERT_TRUE(all->write(write10_cdb(0, 8), data, {}, lun).good());
  const auto from_to = [&](size_t from, size_t to) {
    CopyListBytes list;
    list.target(names[from]);
    list.target(names[to]);
    list.segment(0, 1, 8, 0, 100);
    return list;
  };
  peer = log_in(2, kMasked);
  EXPECT_TRUE(copy(*peer, from_to(1, 2), 2).good());
  EXPECT_EQ(disks.content("write", 100 * 512, 8 * 512), data);
  // It may be sent to a unit that is only read.
  EXPECT_TRUE(copy(*peer, from_to(2, 2), 1).good());
  for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 2}, {2, 0}}) {
    const Outcome outcome = copy(*peer, from_to(from, to), 2);
    ASSERT_EQ(outcome.status, 2);
    EXPECT_EQ((ByteVector{outcome.sense[2], outcome.sense[12], outcome.sense[13]}),
              (ByteVector{kCopyAborted, 0x0d, 0x02}));
  }
  const Outcome outcome = copy(*peer, from_to(2, 1), 2);
  ASSERT_EQ(outcome.sense.size(), 37u);
  EXPECT_EQ(outcome.sense[12], 0x0d);
  EXPECT_EQ(outcome.sense[13], 0x01);
  EXPECT_EQ(outcome.sense[19 + 2], 7) << "DATA PROTECT";
  EXPECT_EQ(disks.content("read", 100 * 512, 512), ByteVector(512));
  // What is not there cannot be asked, either.
  EXPECT_EQ(copy(*peer, from_to(1, 2), 0).sense.at(12), 0x25);
  // A class that takes all commands gets this one, too, and has no part in ours.
  EXPECT_EQ(copy(*all, from_to(1, 2), 3).sense.at(12), 0x20);
  EXPECT_EQ(disks.count("cdb 83 raw"), 1u);
}

TEST_F(CopyMasked, ADriverThatDoesNotAnswerHasItsCommandAlone) {
  options.abort_timeout_s = 1;
  start_disks();
  const ControlAnswer answer = start_target(keys({}, {"a,DISK", "b,DISK"}));
  ASSERT_EQ(answer.error, 0) << answer.why;
  peer = log_in();
  CopyListBytes list = list_of_two(*peer);
  list.segment(0, 1, 8, 0, 0);
  disks.hold("b");
  disks.stick();
  const Pdu command = begin_copy(*peer, list);
  ASSERT_TRUE(disks.wait_for("cdb 8a b"));
  ASSERT_TRUE(peer->task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, command.task_tag()).has_value());
  // The copy is over while the driver still has its write.
  while (peer->read(results_cdb(0, 0), 64).data.at(4) == 0) {
  }
  EXPECT_EQ(disks.count("cleanup b"), 0u);
  disks.unstick();
  ASSERT_TRUE(disks.wait_for("cleanup b"));
  disks.release("b");
  EXPECT_TRUE(copy(*peer, list).good());
}

}  // namespace
}  // namespace chiscsi::test
