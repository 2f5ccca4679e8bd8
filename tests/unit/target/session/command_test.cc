// SPDX-License-Identifier: GPL-2.0-only
//
// Command: every pair of states, the way from the public structure and back, what a new life starts
// with, and the questions that the send path and the end of a command ask.
#include "target/session/command.hh"

#include <gtest/gtest.h>

#include <cstring>

#include "session_fixture.hh"

namespace chiscsi::test {
namespace {

// Rows: from; columns: to. In the order of CommandState.
constexpr int kAllowed[kCommandStates][kCommandStates] = {
    //             Free Recv Held Ready Dorm AtDrv AtTgt Resp Abort Orphan
    /* Free       */ {0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
    /* Receiving  */ {1, 0, 1, 1, 0, 0, 0, 0, 0, 0},
    /* Held       */ {1, 0, 0, 1, 0, 0, 0, 0, 0, 0},
    /* Ready      */ {1, 0, 0, 0, 1, 1, 1, 1, 0, 0},
    /* Dormant    */ {1, 0, 0, 0, 0, 1, 1, 1, 0, 0},
    /* AtDriver   */ {0, 0, 0, 0, 0, 0, 0, 1, 1, 0},
    /* AtTarget   */ {0, 0, 0, 0, 0, 1, 0, 1, 0, 0},
    /* Responding */ {1, 0, 0, 0, 0, 0, 0, 0, 1, 1},
    /* Aborting   */ {1, 0, 0, 0, 0, 0, 0, 1, 0, 1},
    /* Orphaned   */ {1, 0, 0, 0, 0, 0, 0, 1, 0, 0},
};

TEST(CommandState, ChangesAsInTheTable) {
  for (int from = 0; from < kCommandStates; ++from) {
    for (int to = 0; to < kCommandStates; ++to) {
      EXPECT_EQ(command_transition_allowed(static_cast<CommandState>(from),
                                           static_cast<CommandState>(to)),
                kAllowed[from][to] == 1)
          << from << " to " << to;
    }
  }
}

class CommandTest : public SessionFixture {
 protected:
  void SetUp() override {
    make_session();
    command = session->new_command();
    ASSERT_NE(command, nullptr);
  }
  void TearDown() override {
    if (command == nullptr) return;
    // The session's pool takes back what it gave.
    command->reset();
    command->state = CommandState::kResponding;
    session->free_command(*command);
  }
  Connection* somebody() { return reinterpret_cast<Connection*>(&place_); }

  Command* command = nullptr;
  alignas(64) char place_[64] = {};
};

TEST_F(CommandTest, CountsTheStatesItEnters) {
  command->set_state(CommandState::kReceiving);
  command->set_state(CommandState::kReady);
  command->set_state(CommandState::kFree);
  command->set_state(CommandState::kReceiving);
  EXPECT_EQ(session->state_entries[static_cast<int>(CommandState::kReceiving)], 2u);
  EXPECT_EQ(session->state_entries[static_cast<int>(CommandState::kReady)], 1u);
  EXPECT_EQ(session->state_entries[static_cast<int>(CommandState::kAtDriver)], 0u);
}

using CommandDeathTest = CommandTest;
TEST_F(CommandDeathTest, TrapsAtAForbiddenChange) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(command->set_state(CommandState::kAtDriver), "");
}

TEST_F(CommandTest, IsFoundFromItsPublicPart) {
  EXPECT_EQ(&Command::of(command->scsi), command);
  EXPECT_TRUE(Command::is_live_pointer(&command->scsi));
  EXPECT_EQ(&Command::of(static_cast<TxItem&>(*command)), command);
}

TEST_F(CommandTest, IsNotFoundFromAStranger) {
  EXPECT_FALSE(Command::is_live_pointer(nullptr));
  // Memory around the pointer that can be read, and is no command.
  alignas(16) static unsigned char memory[3 * sizeof(Command)];
  auto* stranger = reinterpret_cast<chiscsi_scsi_command*>(memory + sizeof(Command) / 16 * 16);
  EXPECT_FALSE(Command::is_live_pointer(stranger));
}

TEST_F(CommandTest, KnowsItsDirection) {
  EXPECT_FALSE(command->is_read());
  EXPECT_FALSE(command->is_write());
  command->flags = iscsi::kCommandRead;
  EXPECT_TRUE(command->is_read());
  EXPECT_FALSE(command->is_write());
  command->flags = iscsi::kCommandWrite | iscsi::kFinalBit;
  EXPECT_FALSE(command->is_read());
  EXPECT_TRUE(command->is_write());
}

TEST_F(CommandTest, BeginsANewLifeWithoutTracesOfTheOld) {
  Command& c = *command;
  c.flags = 0xff;
  c.immediate = c.counted = c.driver_saw = c.silent = c.conclusion_known = true;
  c.response_queued = c.driver_abort = c.own_failure = c.failed = c.receiving = true;
  c.unsolicited_open = true;
  c.pdus_in_flight = c.unsolicited_received = c.unsolicited_placed = c.unsolicited_data_sn = 5;
  c.solicited_to = c.r2ts_outstanding = c.r2t_sn = c.data_sn = c.burst_sent = c.data_total = 6;
  c.response_code = c.scsi_status = c.residual_flags = 7;
  c.residual_count = 8;
  c.sense_size = 9;
  c.deadline_ms = 10;
  c.connection = somebody();
  c.driver.access = DriverAccess::kOpen;
  c.driver.next_offset = c.driver.outstanding = 11;
  c.driver.inline_phase_used = c.driver.ended = c.driver.answered = c.driver.abort_asked = true;
  memset(&c.scsi, 0xff, sizeof(c.scsi));
  c.reset();

  EXPECT_EQ(c.flags, 0);
  EXPECT_FALSE(c.immediate || c.counted || c.driver_saw || c.silent || c.conclusion_known ||
               c.response_queued || c.driver_abort || c.own_failure || c.failed || c.receiving ||
               c.unsolicited_open);
  EXPECT_EQ(c.pdus_in_flight + c.unsolicited_received + c.unsolicited_placed +
                c.unsolicited_data_sn + c.solicited_to + c.r2ts_outstanding + c.r2t_sn + c.data_sn +
                c.burst_sent + c.data_total + c.response_code + c.scsi_status + c.residual_flags +
                c.residual_count + c.sense_size + c.deadline_ms,
            0u);
  EXPECT_EQ(c.connection, nullptr);
  EXPECT_EQ(c.driver.access, DriverAccess::kNone);
  EXPECT_EQ(c.driver.next_offset + c.driver.outstanding, 0u);
  EXPECT_FALSE(c.driver.inline_phase_used || c.driver.ended || c.driver.answered ||
               c.driver.abort_asked);
  EXPECT_EQ(c.scsi.sc_flag, 0u);
  EXPECT_EQ(c.scsi.sc_status, 0);
  EXPECT_EQ(c.scsi.sc_sense_buf[0], 0);
  EXPECT_EQ(c.scsi.sc_xfer_residualcount, 0u);
  EXPECT_EQ(c.scsi.sc_sdev_hdl, nullptr);
  EXPECT_TRUE(Command::is_live_pointer(&c.scsi));
}

TEST_F(CommandTest, IsBusyWhileSomebodyRefersToItsBuffers) {
  EXPECT_FALSE(command->buffers_busy());
  command->pdus_in_flight = 1;
  EXPECT_TRUE(command->buffers_busy());
  command->pdus_in_flight = 0;
  command->receiving = true;
  EXPECT_TRUE(command->buffers_busy());
  command->receiving = false;
  BufferPhase first, second;
  command->phases.push_back(first);
  command->phases.push_back(second);
  EXPECT_FALSE(command->buffers_busy());
  second.in_network = true;
  EXPECT_TRUE(command->buffers_busy());
  second.in_network = false;
  EXPECT_FALSE(command->buffers_busy());
  first.node.unlink();
  second.node.unlink();
}

TEST_F(CommandTest, HasSomethingToSendForUnsentDataAndForItsResponse) {
  BufferPhase phase;
  phase.wire_length = 10;
  command->phases.push_back(phase);
  command->connection = somebody();
  command->flags = iscsi::kCommandRead;
  EXPECT_TRUE(command->has_tx_work());
  phase.pulled = 10;
  EXPECT_FALSE(command->has_tx_work());
  command->conclusion_known = true;
  EXPECT_TRUE(command->has_tx_work());
  command->response_queued = true;
  EXPECT_FALSE(command->has_tx_work());
  command->response_queued = false;
  command->silent = true;
  EXPECT_FALSE(command->has_tx_work());
  command->silent = false;
  command->connection = nullptr;
  EXPECT_FALSE(command->has_tx_work());
  command->connection = somebody();
  command->conclusion_known = false;
  phase.pulled = 0;
  command->flags = iscsi::kCommandWrite;
  EXPECT_FALSE(command->has_tx_work()) << "the data of a write is not sent";
  phase.node.unlink();
}

}  // namespace
}  // namespace chiscsi::test
