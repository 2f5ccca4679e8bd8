// SPDX-License-Identifier: GPL-2.0-only
//
// What the answer to a task management function promises: "function complete" says that nothing of
// the commands before it touches the medium any more, whoever began to end them and however long
// their storage driver takes. Two initiators and disks whose driver holds commands and keeps aborts
// to itself.
#include "disks_fixture.hh"
#include "information.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint8_t kComplete = 0, kRejected = 0xff;
constexpr uint8_t kConflict = 0x18;
constexpr uint64_t kLimit = 31'000;  // More than an abort may take.

class TaskEnd : public DisksTest {
 protected:
  void SetUp() override {
    disks.with_tmf = false;  // As the built-in classes: the target ends commands one by one.
    start({"a,DISK", "b,DISK"});
    other = log_in(2);
  }
  void TearDown() override {
    other.reset();
    third.reset();
    DisksTest::TearDown();
  }
  // A command that the driver of the disk keeps, and its abort as well.
  Pdu send_stuck(Initiator& who) {
    disks.hold("a");
    disks.stick();
    return send_held(who, "a", 0);
  }
  Pdu send_held(Initiator& who, const std::string& disk, uint64_t lun) {
    const size_t before = disks.count("cdb 28 " + disk);
    const Pdu command = who.make_command(read10_cdb(0, 1), FakeDisks::kBlock, kCommandRead, lun);
    EXPECT_TRUE(who.send(command));
    EXPECT_TRUE(disks.wait_for("cdb 28 " + disk, before + 1));
    return command;
  }
  static Pdu send_function(Initiator& who, uint8_t function, uint32_t tag = kReservedTag) {
    const Pdu request = who.make_task_management(function, tag, 0);
    EXPECT_TRUE(who.send(request));
    return request;
  }
  static int answer_to(Initiator& who, const Pdu& request) {
    const auto answer = who.receive_for(request.task_tag());
    return answer ? answer->as<TaskManagementResponse>().response : -1;
  }
  void lose_connection_of_other() {
    other->disconnect();
    ASSERT_TRUE(disks.wait_for("abort a"));
  }
  static size_t session_count() {
    chiscsi_session_info list[8];
    return static_cast<size_t>(
        chiscsi_get_session_info(mutable_text(kTargetName), mutable_text(kInitiatorName), 8, list));
  }
  // `other` has ended, and left behind what the driver has not given back.
  void leave_orphan_of_other() {
    send_stuck(*other);
    lose_connection_of_other();
    host_advance_clock(kLimit);
    ASSERT_TRUE(eventually([] { return session_count() == 1; }));
  }
  void end_stuck() {
    disks.unstick();
    disks.release("a");
  }
  static bool reset_is_complete(Initiator& who) {
    return who.task_management(kLunReset, kReservedTag, 0) == kComplete;
  }
  // Whether the initiator hears of a reset of this unit; what else it hears is over as well.
  static bool hears_of_reset(Initiator& who, uint64_t lun) {
    bool heard = false;
    for (Outcome told; (told = who.no_data(test_unit_ready_cdb(), lun)).sense_key() == 6;)
      heard |= told.sense.size() >= 14 && told.sense[12] == 0x29 && told.sense[13] == 0x03;
    return heard;
  }

  std::unique_ptr<Initiator> other, third;
};

// ---- Initiators that have stopped in the middle ----

// What nobody can know the end of holds up no other initiator's reset.
TEST_F(TaskEnd, ResetsDoNotWaitForTheRestOfAPdu) {
  const ByteVector data = pattern(4 * FakeDisks::kBlock);
  const auto size = static_cast<uint32_t>(data.size());
  // Of a command with its data,
  Pdu command = other->make_command(write10_cdb(0, 4), size, kCommandWrite);
  command.data = data;
  ByteVector wire = other->to_wire(command);
  wire.resize(wire.size() / 2);
  ASSERT_TRUE(other->send_bytes(wire));
  EXPECT_TRUE(reset_is_complete(*peer));
  // of one whose CmdSN is not next,
  other = log_in(2);
  other->next_cmd_sn();
  ASSERT_TRUE(other->send(other->make_command(write10_cdb(0, 4), size, kCommandWrite)));
  ASSERT_TRUE(other->ping());
  EXPECT_TRUE(reset_is_complete(*peer));
  // and of solicited data.
  other = log_in(2);
  while (other->no_data(test_unit_ready_cdb()).sense_key() == 6) {
  }
  command = other->make_command(write10_cdb(0, 4), size, kCommandWrite);
  ASSERT_TRUE(other->send(command));
  const auto r2t = other->receive_for(command.task_tag());
  ASSERT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
  const uint32_t tag = r2t->as<R2t>().target_transfer_tag.get();
  wire = other->to_wire(other->make_data_out(command, tag, 0, 0, data, true));
  ASSERT_TRUE(other->send_bytes(ByteVector(wire.begin(), wire.begin() + 700)));
  ASSERT_TRUE(eventually([&] { return disks.count("cdb 2a a") == 1; }));
  EXPECT_TRUE(reset_is_complete(*peer));
  EXPECT_TRUE(disks.wait_for("cleanup a"));
  // What comes late goes nowhere.
  ASSERT_TRUE(other->send_bytes(ByteVector(wire.begin() + 700, wire.end())));
  EXPECT_TRUE(other->ping());
  EXPECT_CLEAN(*other);
}

// ---- Commands that were ending already ----

TEST_F(TaskEnd, ResetsWaitForTheCommandsOfADeadConnection) {
  for (const uint8_t function : {kLunReset, kWarmReset}) {
    SCOPED_TRACE(function);
    disks.forget_calls();
    if (function != kLunReset) other = log_in(2);
    send_stuck(*other);
    lose_connection_of_other();
    const Pdu reset = send_function(*peer, function);
    EXPECT_TRUE(peer->is_silent()) << "the driver can still read";
    end_stuck();
    EXPECT_EQ(answer_to(*peer, reset), kComplete);
    EXPECT_EQ(disks.count("cleanup a"), 1u) << "over before the answer";
  }
}

TEST_F(TaskEnd, AResetWaitsWhereTheDriverTakesPartAsWell) {
  disks.with_tmf = true;
  send_stuck(*other);
  lose_connection_of_other();
  const Pdu reset = send_function(*peer, kLunReset);
  ASSERT_TRUE(disks.wait_for("tmf DISK 5 0"));
  EXPECT_TRUE(peer->is_silent()) << "it has said that it is done, but not given the command back";
  end_stuck();
  EXPECT_EQ(answer_to(*peer, reset), kComplete);
  EXPECT_EQ(disks.count("cleanup a"), 1u);
}

TEST_F(TaskEnd, AFunctionThatHadToWaitForCommandsMissesNone) {
  send_stuck(*other);
  const Pdu missing = other->make_command(inquiry_cdb(36), 36, kCommandRead, 1);
  const Pdu waits = send_function(*other, kLunReset);
  ASSERT_TRUE(other->ping());
  const Pdu names = send_function(*peer, kLunReset);
  ASSERT_TRUE(disks.wait_for("abort a"));
  ASSERT_TRUE(other->send(missing));
  EXPECT_TRUE(other->finish(missing).good());
  EXPECT_FALSE(other->receive_for(waits.task_tag(), 100)) << "the driver can still read";
  end_stuck();
  EXPECT_EQ(answer_to(*other, waits), kComplete);
  EXPECT_EQ(answer_to(*peer, names), kComplete);
}

TEST_F(TaskEnd, AResetDoesNotRelyOnAFunctionThatGoes) {
  send_stuck(*other);
  send_function(*other, kAbortTaskSet);
  ASSERT_TRUE(disks.wait_for("abort a"));
  const Pdu reset = send_function(*peer, kLunReset);
  EXPECT_TRUE(eventually([&] { return hears_of_reset(*other, 0); })) << "it has begun";
  other->disconnect();
  EXPECT_TRUE(peer->is_silent()) << "the driver can still read";
  end_stuck();
  EXPECT_EQ(answer_to(*peer, reset), kComplete);
  EXPECT_EQ(disks.count("cleanup a"), 1u) << "over before the answer";
}

TEST_F(TaskEnd, AResetWaitsLongerThanAFunctionThatTheDriverForgets) {
  disks.with_tmf = true;
  disks.answers_tmf = false;
  send_stuck(*other);
  const Pdu older = send_function(*other, kAbortTaskSet);
  ASSERT_TRUE(disks.wait_for("tmf DISK 2"));
  disks.with_tmf = false;
  host_advance_clock(20'000);
  const Pdu reset = send_function(*peer, kLunReset);
  EXPECT_TRUE(eventually([&] { return hears_of_reset(*other, 0); })) << "it has begun";
  host_advance_clock(15'000);
  EXPECT_EQ(answer_to(*other, older), kRejected);
  EXPECT_TRUE(peer->is_silent()) << "the driver can still read";
  end_stuck();
  EXPECT_EQ(answer_to(*peer, reset), kComplete);
  EXPECT_EQ(disks.count("cleanup a"), 1u) << "over before the answer";
}

TEST_F(TaskEnd, AnAbortDoesNotRelyOnAFunctionThatGivesUp) {
  disks.with_tmf = true;
  disks.answers_tmf = false;
  const Pdu command = send_stuck(*peer);
  const Pdu older = send_function(*peer, kAbortTaskSet);
  ASSERT_TRUE(disks.wait_for("tmf DISK 2"));
  host_advance_clock(20'000);
  const Pdu abort = send_function(*peer, kAbortTask, command.task_tag());
  ASSERT_TRUE(peer->ping());
  host_advance_clock(15'000);
  EXPECT_EQ(answer_to(*peer, older), kRejected);
  const Pdu again = send_function(*peer, kAbortTask, command.task_tag());
  EXPECT_TRUE(peer->is_silent()) << "the driver can still read";
  end_stuck();
  EXPECT_EQ(answer_to(*peer, abort), kComplete);
  EXPECT_EQ(answer_to(*peer, again), kComplete);
  EXPECT_EQ(disks.count("cleanup a"), 1u) << "over before the answers";
}

// ---- The limit ----

TEST_F(TaskEnd, FunctionsAreRejectedWhileTheirCommandsAreLeft) {
  for (const uint8_t function :
       {kAbortTask, kAbortTaskSet, kClearTaskSet, kLunReset, kWarmReset, kColdReset}) {
    SCOPED_TRACE(function);
    disks.forget_calls();
    hears_of_reset(*peer, 0);  // It is not to hear of the last one by the command.
    const Pdu command = send_stuck(*peer);
    const Pdu request = send_function(*peer, function, command.task_tag());
    ASSERT_TRUE(disks.wait_for("abort a"));
    host_advance_clock(kLimit);
    EXPECT_EQ(answer_to(*peer, request), kRejected);
    end_stuck();
    EXPECT_TRUE(disks.wait_for("cleanup a"));
  }
  EXPECT_TRUE(other->closed_by_target()) << "the last one ends all sessions, whatever it leaves";
}

TEST_F(TaskEnd, AResetIsRejectedWhileACommandOfAnotherSessionIsLeft) {
  send_stuck(*other);
  const Pdu reset = send_function(*peer, kLunReset);
  ASSERT_TRUE(disks.wait_for("abort a"));
  host_advance_clock(kLimit);
  EXPECT_EQ(answer_to(*peer, reset), kRejected);
  end_stuck();
  EXPECT_TRUE(eventually([&] { return reset_is_complete(*peer); })) << "it has come back";
}

// ---- What ended sessions have left ----

TEST_F(TaskEnd, ResetsAreRejectedWhileAnOrphanIsLeft) {
  leave_orphan_of_other();
  EXPECT_EQ(peer->task_management(kLunReset, kReservedTag, 0), kRejected);
  EXPECT_EQ(peer->task_management(kWarmReset), kRejected);
  EXPECT_EQ(peer->task_management(kLunReset, kReservedTag, 1), kComplete) << "another unit";
  EXPECT_EQ(peer->task_management(kAbortTaskSet, kReservedTag, 0), kComplete) << "another nexus";
  third = log_in(2);
  EXPECT_EQ(third->task_management(kAbortTaskSet, kReservedTag, 0), kRejected) << "the same nexus";
  EXPECT_EQ(third->task_management(kAbortTaskSet, kReservedTag, 1), kComplete);
  end_stuck();
  EXPECT_TRUE(eventually([&] { return reset_is_complete(*peer); })) << "it has come back";
  EXPECT_EQ(third->task_management(kAbortTaskSet, kReservedTag, 0), kComplete);
}

// ---- Devices that have another number now ----

TEST_F(TaskEnd, AResetFindsTheCommandsOfADeviceThatHasAnotherNumberNow) {
  disks.hold("a");
  disks.hold("b");
  const Pdu spared = send_held(*other, "a", 0);
  send_held(*other, "b", 1);
  ASSERT_EQ(reconfigure({"b,DISK", "a,DISK"}), 0);
  EXPECT_EQ(peer->task_management(kLunReset, kReservedTag, 0), kComplete);
  EXPECT_EQ(disks.count("abort b"), 1u);
  EXPECT_EQ(disks.count("cleanup b"), 1u) << "over before the answer";
  EXPECT_EQ(disks.count("abort a"), 0u) << "it came by the number that is now another's";
  disks.release("a");
  disks.release("b");
  EXPECT_TRUE(other->finish(spared).good());
}

TEST_F(TaskEnd, AResetIsOfTheDeviceThatHadTheNumberWhenItCame) {
  const ByteVector reserve = {0x16, 0, 0, 0, 0, 0};
  for (const uint64_t lun : {0u, 1u})
    ASSERT_TRUE(other->no_data(reserve, lun).good());
  const Pdu before_it = peer->make_command(inquiry_cdb(36), 36, kCommandRead);
  const Pdu reset = send_function(*peer, kLunReset);
  ASSERT_TRUE(peer->ping()) << "it has come";
  EXPECT_TRUE(peer->is_silent()) << "a command before it is missing";
  ASSERT_EQ(reconfigure({"b,DISK", "a,DISK"}), 0);
  ASSERT_TRUE(peer->send(before_it));
  EXPECT_EQ(answer_to(*peer, reset), kComplete);
  EXPECT_TRUE(hears_of_reset(*other, 1));
  EXPECT_FALSE(hears_of_reset(*other, 0));
  EXPECT_TRUE(hears_of_reset(*peer, 1));
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 1).good()) << "its reservation is over";
  EXPECT_EQ(peer->no_data(test_unit_ready_cdb(), 0).status, kConflict) << "the other one's is not";
}

}  // namespace
}  // namespace chiscsi::test
