// SPDX-License-Identifier: GPL-2.0-only
//
// The log lines of the Guide's appendix D, which operators search for: word for word, with the
// numbers of the call in their places. In the kernel each line begins with "chiscsi: " and all of
// them are rate limited (os_log_limited). The one that is missing, "NOT full pages", is about
// direct placement by an adapter: tests/unit/offload/conn/place_test.cc; docs/api-readings.md.
#include <cstdio>

#include "driver_fixture.hh"

namespace chiscsi::test {
namespace {

class AppendixD : public DriverFixture {
 protected:
  using Log = std::vector<std::string>;

  static std::string format(const char* pattern, const Command& command) {
    char line[200];
    std::snprintf(line, sizeof(line), pattern, command.initiator_task_tag);
    return line;
  }
};

TEST_F(AppendixD, DataBufferIsNull) {
  Command& command = deliver_write(8192);
  HostLogCapture log;
  EXPECT_LT(engine_scsi_cmd_buffer_ready(&command.scsi, nullptr, 1, 0, 4096), 0);
  EXPECT_EQ(
      log.lines(),
      Log{format("chiscsi_scsi_cmd_buffer_ready: itt 0x%x, data buf NULL, 0+4096/8192", command)});
}

TEST_F(AppendixD, ListWithoutElements) {
  Command& command = deliver_write(8192);
  SgMemory memory;
  memory.add_address(4096);
  HostLogCapture log;
  EXPECT_LT(engine_scsi_cmd_buffer_ready(&command.scsi, list(memory), 0, 0, 4096), 0);
  EXPECT_EQ(
      log.lines(),
      Log{format("chiscsi_scsi_cmd_buffer_ready: itt 0x%x, sg 0, exp. sgl, 0+4096/8192", command)});
}

TEST_F(AppendixD, MoreThanExpected) {
  Command& command = deliver_read(4096);
  SgMemory memory;
  memory.add_address(8192);
  HostLogCapture log;
  EXPECT_LT(read_data(command, memory, 0, 8192), 0);
  EXPECT_EQ(log.lines(),
            Log{format("chiscsi_scsi_cmd_execution_status: itt 0x%x, buf overflow, 4096!=0+8192.",
                       command)});
}

TEST_F(AppendixD, LessThanExpectedWithoutPhases) {
  Command& command = deliver_read(16384);
  SgMemory memory;
  memory.add_address(8192);
  HostLogCapture log;
  EXPECT_LT(read_data(command, memory, 0, 8192), 0);
  EXPECT_EQ(log.lines(),
            Log{format("chiscsi_scsi_cmd_execution_status: itt 0x%x, buf underflow, 16384!=0+8192.",
                       command)});
}

TEST_F(AppendixD, OutOfOrder) {
  hooks.property |= 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  Command& command = deliver_write(16384);
  SgMemory memory;
  memory.add_address(4096);
  HostLogCapture log;
  EXPECT_LT(buffer_ready(command, memory, 4096, 4096), 0);
  EXPECT_EQ(log.lines(),
            Log{format("chiscsi_scsi_cmd_buffer_ready: itt 0x%x, buf off 4096+4096, exp 0+4096",
                       command)});
}

TEST_F(AppendixD, HeldByStorageDriver) {
  Command& command = deliver_read(0);
  HostLogCapture log;
  on_worker([&] {
    driver_port::abort(command, SC_FLAG_TMF_ABORT);
    session->run_work();
    driver_port::give_up(command);
  });
  char line[200];
  std::snprintf(line, sizeof(line), "sc 0x%p, itt 0x%x, held by storage driver",
                static_cast<void*>(&command.scsi), command.initiator_task_tag);
  EXPECT_EQ(log.lines(), Log{line});
}

// A bus address alone: the CPU cannot copy, and this transport has to.
TEST_F(AppendixD, CannotCopy) {
  Command& command = deliver_write(8192);
  chiscsi_sgvec elements[2] = {};
  for (chiscsi_sgvec& element : elements) {
    element.sg_flag = ISCSI_SG_SBUF_DMABLE;
    element.sg_dma_addr = 0x1000;
    element.sg_length = 4096;
  }
  HostLogCapture log;
  EXPECT_LT(engine_scsi_cmd_buffer_ready(&command.scsi, reinterpret_cast<unsigned char*>(elements),
                                         2, 0, 8192),
            0);
  char line[200];
  std::snprintf(line, sizeof(line),
                "No DDP: sgcnt 2 sgl 0x%p, sg_flag 0x1, sg_addr NULL, Cannot copy data!",
                static_cast<void*>(elements));
  EXPECT_EQ(log.lines(), Log{line});
  // Refused, so nothing has changed hands: the driver ends the command.
  command.scsi.sc_status = 2;
  EXPECT_EQ(status(command), 0);
  EXPECT_EQ(calls(), (Calls{"cdb", "cleanup"}));
}

}  // namespace
}  // namespace chiscsi::test
