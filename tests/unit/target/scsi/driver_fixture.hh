// SPDX-License-Identifier: GPL-2.0-only
//
// A session with a storage driver that does nothing by itself: it writes down the hooks that are
// called, and the test makes its calls. Commands are handed over on the worker as the receive path
// does, without a connection, so responses go nowhere and solicited data never comes.
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "target/engine.h"
#include "target/scsi/driver_port.hh"
#include "tests/unit/target/session/session_fixture.hh"
#include "tests/unit/transport/wire.hh"

namespace chiscsi::test {

class DriverFixture : public SessionFixture {
 protected:
  void SetUp() override {
    instance_ = this;
    host_set_log_level(0);
    hooks.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command* command) {
      note("cdb");
      return instance_->on_cdb ? instance_->on_cdb(command) : 0;
    };
    hooks.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command*, unsigned char*, unsigned,
                                            unsigned offset, unsigned length) {
      note("xfer " + std::to_string(offset) + " " + std::to_string(length));
      return instance_->xfer_result;
    };
    hooks.fp_scsi_cmd_abort = [](chiscsi_scsi_command*) {
      note("abort");
      return 0;
    };
    hooks.fp_scsi_cmd_abort_status = [](unsigned, unsigned, unsigned, unsigned count,
                                        unsigned char*,
                                        void*) { note("abort_status " + std::to_string(count)); };
    hooks.fp_scsi_cmd_cleanup = [](chiscsi_scsi_command*) { note("cleanup"); };
    make_session(&hooks);
  }
  // Whatever a test leaves behind ends as a session's end ends it.
  void TearDown() override {
    on_worker([this] {
      session->commands.for_each(
          [](Command& command) { driver_port::abort(command, SC_FLAG_SESS_ABORT); });
      session->run_work();
    });
    std::vector<chiscsi_scsi_command*> left;
    on_worker([&] {
      session->commands.for_each([&](Command& command) { left.push_back(&command.scsi); });
    });
    for (chiscsi_scsi_command* command : left)
      engine_scsi_cmd_abort_status(command);
    settle();
    on_worker([this] {
      EXPECT_TRUE(session->commands.empty());
      EXPECT_EQ(member->open_commands, 0u);
      EXPECT_EQ(member->held_commands, 0u);
    });
    EXPECT_EQ(target->target_class().commands_held.load(), 0u);
    host_set_log_level(4);
  }

  // A command with the driver.
  Command& deliver(uint8_t flags, uint32_t expected_length) {
    Command* command = nullptr;
    on_worker([&] {
      command = session->new_command();
      command->set_state(CommandState::kReceiving);
      command->flags = flags;
      command->expected_length = expected_length;
      command->initiator_task_tag = ++last_tag_;
      member->adopt(*command);
      session->commands.push_back(*command);
      session->tasks.add(*command);
      command->set_state(CommandState::kReady);
      session->add_work(*command);
      session->run_work();
    });
    return *command;
  }
  Command& deliver_read(uint32_t length) { return deliver(iscsi::kCommandRead, length); }
  Command& deliver_write(uint32_t length) { return deliver(iscsi::kCommandWrite, length); }

  static void note(const std::string& call) {
    std::lock_guard guard(instance_->lock_);
    instance_->calls_.push_back(call);
  }
  // The hooks since the last time.
  std::vector<std::string> calls() {
    settle();
    std::lock_guard guard(lock_);
    return std::exchange(calls_, {});
  }
  using Calls = std::vector<std::string>;

  static unsigned char* list(SgMemory& memory) {
    return reinterpret_cast<unsigned char*>(memory.elements());
  }
  static int buffer_ready(Command& command, SgMemory& memory, unsigned offset, unsigned length) {
    return engine_scsi_cmd_buffer_ready(&command.scsi, list(memory), memory.count(), offset,
                                        length);
  }
  static int read_data(Command& command, SgMemory& memory, unsigned offset, unsigned length) {
    return engine_scsi_cmd_execution_status(&command.scsi, list(memory), memory.count(), offset,
                                            length);
  }
  static int status(Command& command) {
    return engine_scsi_cmd_execution_status(&command.scsi, nullptr, 0, 0, 0);
  }

  chiscsi_target_lun_class hooks = {};
  std::function<int(chiscsi_scsi_command*)> on_cdb;
  int xfer_result = 0;

 private:
  static inline DriverFixture* instance_ = nullptr;
  uint32_t last_tag_ = 0x1000;
  std::mutex lock_;
  std::vector<std::string> calls_;
};

}  // namespace chiscsi::test
