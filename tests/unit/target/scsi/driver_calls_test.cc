// SPDX-License-Identifier: GPL-2.0-only
//
// The calls of a storage driver on commands: what is refused and with which error, that a refused
// call changes nothing, and which hooks follow from those that are taken (chiscsi_scsi_command.h).
#include <cerrno>

#include "driver_fixture.hh"

namespace chiscsi::test {
namespace {

class DriverCallsTest : public DriverFixture {
 protected:
  void SetUp() override {
    DriverFixture::SetUp();
    memory.add_address(600);
    memory.add_pages(100, 400);
  }
  void make_multi_phase() { hooks.property |= 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT; }
  SgMemory memory;  // 1000 bytes.
};

// ---- Strangers ----

TEST_F(DriverCallsTest, RefuseWhatIsNoCommand) {
  const uint64_t before = driver_port::refused_calls();
  EXPECT_EQ(engine_scsi_cmd_buffer_ready(nullptr, list(memory), 2, 0, 1000), -EINVAL);
  EXPECT_EQ(engine_scsi_cmd_execution_status(nullptr, nullptr, 0, 0, 0), -EINVAL);
  EXPECT_EQ(engine_scsi_cmd_abort(nullptr), -EINVAL);
  EXPECT_EQ(engine_scsi_cmd_abort_status(nullptr), -EINVAL);
  engine_iscsi_command_dump(nullptr);
  EXPECT_EQ(driver_port::refused_calls(), before + 5);
}

TEST_F(DriverCallsTest, RefuseACommandThatHasEnded) {
  Command& command = deliver_read(0);
  EXPECT_EQ(status(command), 0);
  EXPECT_EQ(calls(), (Calls{"cdb", "cleanup"}));
  EXPECT_EQ(status(command), -ESTALE);
  EXPECT_EQ(engine_scsi_cmd_abort(&command.scsi), -ESTALE);
  EXPECT_EQ(engine_scsi_cmd_abort_status(&command.scsi), -ESTALE);
  EXPECT_EQ(calls(), Calls());
}

// ---- Calls that the Guide does not have ----

TEST_F(DriverCallsTest, AskForTheCdbAndThePriorityOfACommand) {
  Command& command = deliver_read(0);
  unsigned int length = 0;
  EXPECT_EQ(engine_scsi_cmd_cdb(&command.scsi, &length), command.scsi.sc_cmd);
  EXPECT_EQ(length, 16u);
  EXPECT_EQ(engine_scsi_cmd_priority(&command.scsi), 0);
  EXPECT_EQ(status(command), 0);
  calls();
  EXPECT_EQ(engine_scsi_cmd_cdb(&command.scsi, &length), nullptr);
  EXPECT_EQ(length, 0u);
  EXPECT_EQ(engine_scsi_cmd_priority(&command.scsi), -ESTALE);
}

TEST_F(DriverCallsTest, QualifyAStatusBeforeItIsFinal) {
  Command& command = deliver_read(0);
  EXPECT_EQ(engine_scsi_cmd_set_status_qualifier(&command.scsi, 7), 0);
  EXPECT_EQ(command.status_qualifier.load(), 7);
  on_worker([&] {
    EXPECT_EQ(status(command), 0);
    EXPECT_EQ(engine_scsi_cmd_set_status_qualifier(&command.scsi, 8), -ESTALE);
    EXPECT_EQ(command.status_qualifier.load(), 7);
  });
}

// ---- Lists ----

TEST_F(DriverCallsTest, RefuseListsThatDoNotNameEnoughMemory) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(engine_scsi_cmd_buffer_ready(&command.scsi, nullptr, 1, 0, 1000), -EINVAL);
  EXPECT_EQ(engine_scsi_cmd_buffer_ready(&command.scsi, list(memory), 0, 0, 1000), -EINVAL);
  EXPECT_EQ(engine_scsi_cmd_buffer_ready(&command.scsi, list(memory), 1, 0, 1000), -EINVAL);
  SgMemory hole;
  hole.add_address(500);
  hole.add_nothing(10);
  hole.add_address(490);
  EXPECT_EQ(buffer_ready(command, hole, 0, 1000), -EINVAL);
  // Nothing has changed hands.
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
}

TEST_F(DriverCallsTest, RefuseAWriteBufferForARead) {
  Command& command = deliver_read(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), -EINVAL);
}

TEST_F(DriverCallsTest, RefuseMoreOrLessDataThanExpected) {
  Command& less = deliver_write(1001);
  EXPECT_EQ(buffer_ready(less, memory, 0, 1000), -EINVAL);
  Command& more = deliver_write(999);
  EXPECT_EQ(buffer_ready(more, memory, 0, 1000), -EINVAL);
  Command& read_less = deliver_read(1001);
  EXPECT_EQ(read_data(read_less, memory, 0, 1000), -EINVAL);
  Command& read_more = deliver_read(999);
  EXPECT_EQ(read_data(read_more, memory, 0, 1000), -EINVAL);
  Command& offset = deliver_write(1000);
  EXPECT_EQ(buffer_ready(offset, memory, 1, 999), -EINVAL);
  EXPECT_EQ(buffer_ready(offset, memory, 0xffffffff, 1000), -EINVAL);
}

TEST_F(DriverCallsTest, TakeADifferenceThatIsFlagged) {
  Command& less = deliver_read(1001);
  less.scsi.sc_flag |= SC_FLAG_XFER_UNDERFLOW;
  less.scsi.sc_xfer_residualcount = 1;
  EXPECT_EQ(read_data(less, memory, 0, 1000), 0);
  Command& more = deliver_read(900);
  more.scsi.sc_flag |= SC_FLAG_XFER_OVERFLOW;
  more.scsi.sc_xfer_residualcount = 100;
  EXPECT_EQ(read_data(more, memory, 0, 1000), 0);
  settle();
  on_worker([&] {
    EXPECT_EQ(less.data_total, 1000u);
    EXPECT_EQ(less.residual_flags, iscsi::kResponseUnderflow);
    EXPECT_EQ(less.residual_count, 1u);
    EXPECT_EQ(more.data_total, 900u) << "no more than the initiator expects goes over the wire";
    EXPECT_EQ(more.residual_flags, iscsi::kResponseOverflow);
    EXPECT_EQ(more.residual_count, 100u);
  });
}

TEST_F(DriverCallsTest, TakeAWriteListOnce) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), -EINVAL);
  EXPECT_EQ(buffer_ready(command, memory, 1000, 1000), -EINVAL);
}

TEST_F(DriverCallsTest, TakePhasesInOrder) {
  make_multi_phase();
  Command& command = deliver_write(3000);
  EXPECT_EQ(buffer_ready(command, memory, 1000, 1000), -EINVAL);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), -EINVAL);
  EXPECT_EQ(buffer_ready(command, memory, 2000, 1000), -EINVAL);
  EXPECT_EQ(buffer_ready(command, memory, 1000, 1000), 0);
  EXPECT_EQ(buffer_ready(command, memory, 2000, 999), 0);
  EXPECT_EQ(buffer_ready(command, memory, 2999, 2), -EINVAL);
  EXPECT_EQ(buffer_ready(command, memory, 2999, 1), 0);
  settle();
  on_worker([&] { EXPECT_EQ(command.data_total, 3000u); });
}

// "@sc_xfer_buflen: bytes of the whole list, at least 1"; empty lists are -EINVAL.
TEST_F(DriverCallsTest, RefuseAListOfNoBytes) {
  make_multi_phase();
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 0), -EINVAL);
  EXPECT_EQ(calls(), Calls{"cdb"});
}

TEST_F(DriverCallsTest, ReadPhasesEndTheCommandWithTheLast) {
  make_multi_phase();
  Command& command = deliver_read(2000);
  EXPECT_EQ(read_data(command, memory, 0, 1000), 0);
  settle();
  on_worker([&] { EXPECT_FALSE(command.conclusion_known); });
  EXPECT_EQ(read_data(command, memory, 1000, 1000), 0);
  EXPECT_EQ(read_data(command, memory, 2000, 1), -ESTALE);
  EXPECT_EQ(status(command), -ESTALE);
  settle();
  on_worker([&] { EXPECT_TRUE(command.conclusion_known); });
}

TEST_F(DriverCallsTest, ReportThatThereIsNoMemoryForAnotherPhase) {
  make_multi_phase();
  Command& command = deliver_write(3000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  settle();
  host_fail_allocation_at(1);
  EXPECT_EQ(buffer_ready(command, memory, 1000, 1000), -ENOMEM);
  host_fail_allocation_at(0);
  EXPECT_EQ(buffer_ready(command, memory, 1000, 1000), 0);
}

// ---- The final status ----

TEST_F(DriverCallsTest, TakeOneFinalStatus) {
  Command* command = nullptr;
  int second = 0, late_abort = 0;
  on_cdb = [&](chiscsi_scsi_command* scsi) {
    command = &Command::of(*scsi);
    EXPECT_EQ(status(*command), 0);
    second = status(*command);
    late_abort = engine_scsi_cmd_abort(scsi);
    return 0;
  };
  deliver_read(0);
  EXPECT_EQ(second, -ESTALE);
  EXPECT_EQ(late_abort, -ESTALE);
  EXPECT_EQ(calls(), (Calls{"cdb", "cleanup"}));
}

TEST_F(DriverCallsTest, EndAWriteWhoseListWasNotFilled) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  command.scsi.sc_status = 2;
  EXPECT_EQ(status(command), 0);
  EXPECT_EQ(calls(), (Calls{"cdb", "cleanup"}));
}

TEST_F(DriverCallsTest, MayComeInAtomicContext) {
  Command& command = deliver_write(1000);
  {
    HostAtomicSection softirq;
    EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
    EXPECT_EQ(status(command), 0);
    engine_iscsi_command_dump(&command.scsi);
  }
  EXPECT_EQ(calls(), (Calls{"cdb", "cleanup"}));
}

// ---- Aborts ----

TEST_F(DriverCallsTest, AbortACommandOfTheDriversOwnAccord) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  settle();
  EXPECT_EQ(engine_scsi_cmd_abort(&command.scsi), 0);
  EXPECT_EQ(calls(), (Calls{"cdb", "abort_status 2", "cleanup"}));
}

TEST_F(DriverCallsTest, RefuseAnAnswerToAnAbortThatNobodyAskedFor) {
  Command& command = deliver_read(0);
  EXPECT_EQ(engine_scsi_cmd_abort_status(&command.scsi), -ESTALE);
  EXPECT_EQ(status(command), 0);
}

TEST_F(DriverCallsTest, AnswerAnAbortOnceByEitherCall) {
  for (const bool by_status : {false, true}) {
    Command& command = deliver_write(1000);
    EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
    settle();
    on_worker([&] {
      driver_port::abort(command, by_status ? SC_FLAG_TMF_ABORT : SC_FLAG_SESS_ABORT);
      session->run_work();
    });
    EXPECT_EQ(calls(), (Calls{"cdb", "abort"}));
    EXPECT_EQ(buffer_ready(command, memory, 1000, 1000), -ESTALE);
    EXPECT_EQ(engine_scsi_cmd_abort(&command.scsi), -ESTALE);
    EXPECT_EQ(by_status ? status(command) : engine_scsi_cmd_abort_status(&command.scsi), 0);
    EXPECT_EQ(calls(), Calls{"cleanup"});
    EXPECT_EQ(by_status ? status(command) : engine_scsi_cmd_abort_status(&command.scsi), -ESTALE);
  }
}

// A phase that crosses the abort is no answer: the driver is still at work on the command.
TEST_F(DriverCallsTest, RefuseAPhaseOfAReadWhileItsAbortIsUnanswered) {
  make_multi_phase();
  for (const bool last : {false, true}) {
    Command& command = deliver_read(2000);
    on_worker([&] {
      driver_port::abort(command, SC_FLAG_SESS_ABORT);
      session->run_work();
    });
    EXPECT_EQ(calls(), (Calls{"cdb", "abort"}));
    EXPECT_EQ(read_data(command, memory, 0, 1000), -ESTALE);
    EXPECT_EQ(calls(), Calls()) << "no cleanup before the driver has let go";
    if (last) command.scsi.sc_flag |= SC_FLAG_XFER_UNDERFLOW;
    EXPECT_EQ(last ? read_data(command, memory, 0, 1000) : status(command), 0);
    EXPECT_EQ(calls(), Calls{"cleanup"});
  }
}

TEST_F(DriverCallsTest, TakeTheAnswerOfADriverThatWasGivenUp) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  settle();
  on_worker([&] {
    driver_port::abort(command, SC_FLAG_SESS_ABORT);
    session->run_work();
    driver_port::give_up(command);
    EXPECT_EQ(command.state, CommandState::kOrphaned);
  });
  EXPECT_EQ(calls(), (Calls{"cdb", "abort"}));
  EXPECT_EQ(engine_scsi_cmd_abort_status(&command.scsi), 0);
  EXPECT_EQ(calls(), Calls{"cleanup"});
}

// The driver ends commands from several threads while the worker takes them back.
TEST_F(DriverCallsTest, MayComeFromManyThreads) {
  std::vector<Command*> commands;
  for (int i = 0; i < 16; ++i)
    commands.push_back(&deliver_read(0));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < 16; i += 4)
        EXPECT_EQ(status(*commands[i]), 0);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  const Calls all = calls();
  EXPECT_EQ(std::count(all.begin(), all.end(), "cleanup"), 16);
}

}  // namespace
}  // namespace chiscsi::test
