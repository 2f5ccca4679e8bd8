// SPDX-License-Identifier: GPL-2.0-only
//
// Task attributes over the wire (SAM-5 section 8), for disks whose SCSI the target does: which
// command reaches the class when, what is waited for across connections, units and sessions, and
// that a command that waits ends whatever happens to it or before it. The class holds what it gets.
#include <gtest/gtest.h>

#include <future>

#include "task_attribute_fixture.hh"

namespace chiscsi::test {
namespace {

TEST_F(TaskAttributes, SimpleCommandsReachTheClassAtOnce) {
  const Pdu untagged = send(kUntagged, kRead10), simple = send(kSimple, kFlush10);
  EXPECT_EQ(got(), "28 35");
  disks.release("a");
  EXPECT_TRUE(peer->finish(untagged).good());
  EXPECT_TRUE(peer->finish(simple).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, OrderedWaitsForAllBeforeIt) {
  const Pdu first = send(kSimple, kRead10), second = send(kSimple, kVerify10);
  const Pdu ordered = send(kOrdered, kFlush10);
  EXPECT_EQ(got(), "28 2f");
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_EQ(got(), "28 2f");
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_EQ(peer->finish(second).status, 2) << "failed, and ended";
  EXPECT_EQ(got_at_last("28 2f 35"), "28 2f 35");
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_TRUE(peer->finish(ordered).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, SimpleWaitsForOrdered) {
  const Pdu ordered = send(kOrdered, kRead10);
  const Pdu ready = send(kSimple, test_unit_ready_cdb());  // The target answers it.
  const Pdu flush = send(kUntagged, kFlush10);
  EXPECT_EQ(got(), "28");
  EXPECT_TRUE(is_open(ready));
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_TRUE(peer->finish(ordered).good());
  EXPECT_TRUE(peer->finish(ready).good());
  EXPECT_EQ(got_at_last("28 35"), "28 35");
  disks.release("a");
  EXPECT_TRUE(peer->finish(flush).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, HeadOfQueueOvertakesWhatWaits) {
  send(kSimple, kRead10);
  const Pdu ordered = send(kOrdered, kVerify10), simple = send(kSimple, kFlush10);
  const Pdu head = send(kHeadOfQueue, kPreFetch10);
  EXPECT_EQ(got(), "28 34");
  const Pdu ready = send(kHeadOfQueue, test_unit_ready_cdb());
  EXPECT_TRUE(peer->finish(ready).good());
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_EQ(got(), "28 34") << "ORDERED lets it go first";
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_TRUE(peer->finish(head).answered);
  EXPECT_EQ(got_at_last("28 34 2f"), "28 34 2f");
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_TRUE(peer->finish(ordered).answered);
  EXPECT_EQ(got_at_last("28 34 2f 35"), "28 34 2f 35");
  disks.release("a");
  EXPECT_TRUE(peer->finish(simple).good());
}

TEST_F(TaskAttributes, SimpleWaitsForHeadOfQueue) {
  const Pdu head = send(kHeadOfQueue, kRead10), simple = send(kSimple, kFlush10);
  EXPECT_EQ(got(), "28");
  disks.release("a");
  EXPECT_TRUE(peer->finish(head).good());
  EXPECT_TRUE(peer->finish(simple).good());
}

TEST_F(TaskAttributes, ATrainOfOrderedCommandsKeepsItsOrder) {
  disks.release("a");
  std::vector<Pdu> train;
  std::string expected;
  for (int i = 0; i < 24; ++i) {
    const bool flush = i % 3 == 0;
    train.push_back(send(kOrdered, flush ? kFlush10 : kRead10));
    expected += std::string(expected.empty() ? "" : " ") + (flush ? "35" : "28");
  }
  for (const Pdu& command : train)
    EXPECT_TRUE(peer->finish(command).good());
  EXPECT_EQ(got(), expected);
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, EachUnitHasASetOfItsOwn) {
  send(kSimple, kRead10);
  send(kOrdered, kVerify10);
  const Pdu ordered = send(kOrdered, kFlush10, 1);
  EXPECT_EQ(got(), "28 35");
  EXPECT_EQ(disks.count("cdb 35 b"), 1u);
  disks.release("b");
  EXPECT_TRUE(peer->finish(ordered).good());
}

TEST_F(TaskAttributes, EachNexusHasASetOfItsOwn) {
  other = log_in(2);
  send(kOrdered, kRead10);
  send(kSimple, kVerify10);
  EXPECT_EQ(got(), "28");
  send(*other, kSimple, kPreFetch10);
  EXPECT_EQ(got(*other), "28 34");
  const Pdu page = other->make_command({0x1a, 8, 0x0a, 0, 16, 0}, 16, kCommandRead);
  ASSERT_TRUE(other->send(page));
  const Outcome control = other->finish(page);
  ASSERT_EQ(control.data.size(), 16u);
  EXPECT_EQ(control.data[6] & 0xe0, 0x20) << "TST says so";
  EXPECT_EQ(control.data[7] & 0xf0, 0x10) << "SIMPLE commands in any order";
}

TEST_F(TaskAttributes, AClassThatTakesAllCommandsGetsThemAsTheyCome) {
  send(kSimple, kRead10, 2);
  send(kOrdered, kVerify10, 2);
  send(kSimple, kFlush10, 2);
  EXPECT_EQ(got(), "28 2f 35");
}

TEST_F(TaskAttributes, AnImmediateCommandIsOrderedAsWell) {
  send(kSimple, kRead10);
  Pdu immediate = make(*peer, kOrdered, kVerify10);
  immediate.bhs.opcode_byte |= kImmediateBit;
  --peer->cmd_sn;
  ASSERT_TRUE(peer->send(immediate));
  EXPECT_EQ(got(), "28");
  disks.release("a");
  EXPECT_TRUE(peer->finish(immediate).answered);
}

TEST_F(TaskAttributes, WhatNoUnitIsForWaitsForNothing) {
  send(kSimple, kRead10);
  send(kOrdered, kVerify10);
  const Pdu nowhere = send(kSimple, test_unit_ready_cdb(), 7);
  EXPECT_EQ(peer->finish(nowhere).sense_key(), 5);
  const Pdu inquiry = peer->make_command(inquiry_cdb(36), 36, kCommandRead, 7);
  ASSERT_TRUE(peer->send(inquiry));
  EXPECT_TRUE(peer->finish(inquiry).good());
}

TEST_F(TaskAttributes, AnUnknownAttributeIsRefusedInItsTurn) {
  const Pdu ordered = send(kOrdered, kRead10), aca = send(kAca, kFlush10);
  EXPECT_TRUE(is_open(aca));
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  const Outcome refused = peer->finish(aca);
  EXPECT_EQ(refused.sense_key(), 5);
  ASSERT_GE(refused.sense.size(), 14u);
  EXPECT_EQ(refused.sense[12], 0x49);
}

TEST_F(TaskAttributes, ACommandThatWaitsHasItsPlaceInTheWindow) {
  ASSERT_TRUE(peer->ping());
  const uint32_t whole = peer->max_cmd_sn - peer->exp_cmd_sn + 1;
  const Pdu first = send(kOrdered, kRead10), second = send(kOrdered, kFlush10);
  ASSERT_TRUE(peer->ping());
  EXPECT_EQ(peer->max_cmd_sn - peer->exp_cmd_sn + 1, whole - 2);
  disks.release("a");
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_TRUE(peer->finish(second).good());
  ASSERT_TRUE(peer->ping());
  EXPECT_EQ(peer->max_cmd_sn - peer->exp_cmd_sn + 1, whole);
}

TEST_F(TaskAttributes, AWholeWindowMayWait) {
  ASSERT_TRUE(peer->ping());
  std::vector<Pdu> train;
  while (peer->cmd_sn != peer->max_cmd_sn)  // One is left for the ping.
    train.push_back(send(kOrdered, kFlush10));
  EXPECT_EQ(got(), "35");
  disks.release("a");
  for (const Pdu& command : train)
    EXPECT_TRUE(peer->finish(command).good());
  EXPECT_CLEAN(*peer);
}

// ---- Data of a command that waits ----

TEST_F(TaskAttributes, UnsolicitedDataComesWhileTheCommandWaits) {
  const ByteVector data = pattern(32768);
  const Pdu ordered = send(kOrdered, kRead10);
  const Pdu write = begin_write(64, {data.begin(), data.begin() + 4096});
  ASSERT_TRUE(peer->send(peer->make_data_out(write, kReservedTag, 0, 4096,
                                             {data.begin() + 4096, data.begin() + 8192}, true)));
  EXPECT_EQ(got(), "28");
  EXPECT_TRUE(is_open(write)) << "nothing is solicited before its turn";
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  const Outcome outcome = peer->finish(write, &data);
  EXPECT_TRUE(outcome.good());
  ASSERT_EQ(outcome.r2ts.size(), 2u);
  EXPECT_EQ(outcome.r2ts[0].buffer_offset.get(), 8192u);
  EXPECT_EQ(disks.content("a", 0, 32768), data);
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, UnsolicitedDataMayComeAfterTheTurn) {
  const ByteVector data = pattern(8192);
  const Pdu ordered = send(kOrdered, kRead10);
  const Pdu write = begin_write(16);
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  ASSERT_TRUE(disks.wait_for("cdb 2a a"));
  ASSERT_TRUE(peer->send(peer->make_data_out(write, kReservedTag, 0, 0, data, true)));
  EXPECT_TRUE(peer->finish(write).good());
  EXPECT_EQ(disks.content("a", 0, 8192), data);
}

TEST_F(TaskAttributes, WrongDataOfACommandThatWaitsFailsItAtOnce) {
  const ByteVector data = pattern(8192);
  const Pdu ordered = send(kOrdered, kRead10);
  const Pdu write = begin_write(16);
  EXPECT_TRUE(is_open(write));
  // At the wrong offset.
  ASSERT_TRUE(peer->send(peer->make_data_out(write, kReservedTag, 0, 512, data, true)));
  const Pdu flush = send(kSimple, kFlush10);
  EXPECT_EQ(peer->finish(write).sense_key(), 0x0b);
  EXPECT_EQ(got(), "28");
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  EXPECT_TRUE(peer->finish(flush).good());
  EXPECT_EQ(disks.count("cdb 2a"), 0u);
}

// ---- Unit attentions ----

TEST_F(TaskAttributes, AUnitAttentionIsReportedWhenTheTurnHasCome) {
  other = log_in(2);
  const Pdu ordered = send(kOrdered, kRead10), ready = send(kSimple, test_unit_ready_cdb());
  EXPECT_TRUE(is_open(ready));
  const ByteVector page = {0, 0, 0, 0, 0x0a, 0x0a, 0x24, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
  ASSERT_TRUE(other->write({0x15, 0x10, 0, 0, 16, 0}, page).good());
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  const Outcome outcome = peer->finish(ready);
  EXPECT_EQ(outcome.status, 2);
  ASSERT_GE(outcome.sense.size(), 4u);
  EXPECT_EQ(outcome.sense[1], 6);  // In descriptor format.
  EXPECT_EQ(outcome.sense[2], 0x2a);
}

// ---- Aborts ----

TEST_F(TaskAttributes, ACommandThatWaitsMayBeAborted) {
  const Pdu first = send(kSimple, kRead10), ordered = send(kOrdered, kVerify10);
  const Pdu simple = send(kSimple, kFlush10);
  EXPECT_EQ(got(), "28");
  EXPECT_EQ(peer->task_management(kAbortTask, ordered.task_tag()), 0);
  EXPECT_EQ(got_at_last("28 35"), "28 35") << "nothing is left to wait for";
  disks.release("a");
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_TRUE(peer->finish(simple).good());
  EXPECT_TRUE(is_open(ordered));
  EXPECT_EQ(disks.count("cdb 2f"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, AWriteThatWaitsMayBeAborted) {
  const ByteVector data = pattern(8192);
  const Pdu ordered = send(kOrdered, kRead10);
  const Pdu write = begin_write(64, {data.begin(), data.begin() + 4096});
  EXPECT_EQ(peer->task_management(kAbortTask, write.task_tag()), 0);
  ASSERT_TRUE(peer->send(
      peer->make_data_out(write, kReservedTag, 0, 4096, {data.begin() + 4096, data.end()}, true)));
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  EXPECT_TRUE(is_open(write));
  EXPECT_EQ(disks.count("cdb 2a"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(TaskAttributes, AnAbortedCommandIsWaitedForNoMore) {
  const Pdu first = send(kSimple, kRead10), ordered = send(kOrdered, kFlush10);
  EXPECT_EQ(got(), "28");
  EXPECT_EQ(peer->task_management(kAbortTask, first.task_tag()), 0);
  EXPECT_EQ(got_at_last("28 35"), "28 35");
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
}

TEST_F(TaskAttributes, ACommandThatTheClassNeverGivesBackIsWaitedForUntilTheLimit) {
  disks.with_tmf = false;
  disks.stick();
  const Pdu first = send(kSimple, kRead10), ordered = send(kOrdered, kFlush10);
  EXPECT_EQ(got(), "28");
  EXPECT_TRUE(peer->task_management(kAbortTask, first.task_tag()).has_value());
  EXPECT_EQ(got_at_last("28 35"), "28 35");
  ASSERT_TRUE(disks.release_next("a"));
  EXPECT_TRUE(peer->finish(ordered).good());
}

class TaskAttributeFunctions : public TaskAttributes,
                               public testing::WithParamInterface<TaskFunction> {};

// Nothing of the sender's is left, and commands that follow go as if nothing had been.
TEST_P(TaskAttributeFunctions, EndsWhatWaits) {
  const Pdu first = send(kSimple, kRead10), ordered = send(kOrdered, kVerify10);
  const Pdu simple = send(kSimple, kRead10), head = send(kHeadOfQueue, kPreFetch10);
  EXPECT_EQ(got(), "28 34");
  EXPECT_EQ(peer->task_management(GetParam(), kReservedTag), 0);
  const bool of_nexus = GetParam() == kAbortTaskSet || GetParam() == kClearTaskSet;
  EXPECT_EQ(disks.count("tmf DISK 2 0"), of_nexus ? 1u : 0u) << "what the class hears";
  disks.release("a");
  if (!of_nexus) {
    const Outcome told = peer->no_data(test_unit_ready_cdb());  // Of the reset.
    EXPECT_EQ(told.sense_key(), 6);
  }
  EXPECT_TRUE(peer->finish(send(kSimple, kFlush10)).good());
  for (const Pdu* gone : {&first, &ordered, &simple, &head})
    EXPECT_TRUE(is_open(*gone));
  EXPECT_EQ(got(), "28 34 35");
  EXPECT_CLEAN(*peer);
}

// A task set is a nexus's: what ends tasks leaves those of others alone, what resets does not.
TEST_P(TaskAttributeFunctions, EndsWhatWaitsInOtherSessionsAfterAResetAlone) {
  other = log_in(2);
  const Pdu first = send(kOrdered, kRead10), second = send(kOrdered, kVerify10);
  EXPECT_EQ(got(), "28");
  EXPECT_EQ(other->task_management(GetParam(), kReservedTag), 0);
  const bool resets = GetParam() == kLunReset || GetParam() == kWarmReset;
  disks.release("a");
  if (resets) {
    EXPECT_EQ(peer->finish(send(kSimple, kFlush10)).sense_key(), 6);
    EXPECT_TRUE(is_open(first));
    EXPECT_TRUE(is_open(second));
    EXPECT_EQ(disks.count("cdb 2f"), 0u);
  } else {
    EXPECT_TRUE(peer->finish(first).good());
    EXPECT_TRUE(peer->finish(second).answered);
    EXPECT_TRUE(peer->finish(send(kSimple, kFlush10)).good()) << "and no unit attention";
  }
}

INSTANTIATE_TEST_SUITE_P(Functions, TaskAttributeFunctions,
                         testing::Values(kAbortTaskSet, kClearTaskSet, kLunReset, kWarmReset));

TEST_F(TaskAttributes, TheSessionMayEndWhileCommandsWait) {
  other = log_in(2);
  send(*other, kSimple, kRead10);
  send(*other, kOrdered, kVerify10);
  send(*other, kSimple, kFlush10);
  EXPECT_EQ(got(*other), "28");
  other->disconnect();
  EXPECT_TRUE(disks.wait_for("abort a"));
  EXPECT_TRUE(disks.wait_for("cleanup a"));
  disks.release("a");
  EXPECT_TRUE(peer->finish(send(kOrdered, kPreFetch10)).answered);
  EXPECT_EQ(got(), "28 34");
}

TEST_F(TaskAttributes, TheInitiatorMayLogOutWhileCommandsWait) {
  other = log_in(2);
  send(*other, kSimple, kRead10);
  send(*other, kOrdered, kVerify10);
  EXPECT_EQ(got(*other), "28");
  EXPECT_EQ(other->logout(), 0);
  EXPECT_TRUE(other->closed_by_target());
  EXPECT_TRUE(disks.wait_for("cleanup a"));
  EXPECT_EQ(got(), "28");
}

// ---- Sessions of two connections ----

TEST_F(TaskAttributes, OrderHoldsAcrossConnections) {
  const auto [first, ordered] = send_on_two_connections(kFlush10);
  disks.release("a");
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_TRUE(other->finish(ordered).good());
}

TEST_F(TaskAttributes, WhatALostConnectionLeavesIsWaitedForUntilItHasEnded) {
  const auto [first, ordered] = send_on_two_connections(kFlush10);
  disks.stick();
  peer->disconnect();
  ASSERT_TRUE(disks.wait_for("abort a"));
  EXPECT_EQ(got(*other), "28");
  disks.unstick();
  // The loss of the other one is a unit attention, which the class does not see.
  EXPECT_EQ(other->finish(ordered).sense_key(), 6);
  disks.release("a");
  EXPECT_TRUE(other->finish(send(*other, kOrdered, kFlush10)).good());
}

TEST_F(TaskAttributes, WhatWaitsEndsWithItsConnection) {
  const Pdu first = send_on_two_connections(kVerify10).first;
  peer->cmd_sn = other->cmd_sn;
  other->disconnect();
  // When it has, its unit attention is there.
  Outcome outcome;
  for (int i = 0; i < 100000 && outcome.status != 2; ++i)
    outcome = peer->finish(send(kHeadOfQueue, test_unit_ready_cdb()));
  EXPECT_EQ(outcome.sense_key(), 6);
  const Pdu simple = send(kSimple, kFlush10);
  EXPECT_EQ(got_at_last("28 35"), "28 35");
  disks.release("a");
  EXPECT_TRUE(peer->finish(first).good());
  EXPECT_TRUE(peer->finish(simple).good());
}

// ---- Units that leave ----

TEST_F(TaskAttributes, AUnitThatLeavesRunsWhatWaitsFirst) {
  const Pdu first = send(kSimple, kRead10), ordered = send(kOrdered, kFlush10);
  EXPECT_EQ(got(), "28");
  auto reload = std::async(std::launch::async, [this] {
    return disks.reconfigure_target(kTargetName, keys({"b,DISK", "r,RAW"}));
  });
  disks.release("a");
  EXPECT_TRUE(peer->finish(first).good());
  const Outcome outcome = peer->finish(ordered);
  EXPECT_TRUE(outcome.good() || outcome.sense_key() == 6);
  EXPECT_EQ(reload.get(), 0);
  EXPECT_TRUE(disks.wait_for("detach a"));
}

TEST_F(TaskAttributes, ADeviceThatMovesKeepsItsOrder) {
  const Pdu ordered = send(kOrdered, kRead10);
  EXPECT_EQ(got(), "28");
  auto reload = std::async(std::launch::async, [this] {
    return disks.reconfigure_target(kTargetName, keys({"b,DISK", "a,DISK"}));
  });
  ASSERT_TRUE(disks.wait_for("reattach a"));
  ASSERT_TRUE(peer->receive_opcode(Opcode::kAsyncMessage).has_value()) << "the LUNs have changed";
  const Pdu moved = send(kSimple, test_unit_ready_cdb(), 1);
  const Pdu stayed = send(kSimple, test_unit_ready_cdb(), 0);
  EXPECT_EQ(peer->finish(stayed).sense_key(), 6);
  EXPECT_TRUE(is_open(moved)) << "LUN 1 is the device that LUN 0 was";
  disks.release("a");
  EXPECT_TRUE(peer->finish(ordered).good());
  EXPECT_EQ(peer->finish(moved).sense_key(), 6);
  EXPECT_EQ(reload.get(), 0);
}

}  // namespace
}  // namespace chiscsi::test
