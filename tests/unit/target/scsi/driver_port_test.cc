// SPDX-License-Identifier: GPL-2.0-only
//
// The worker's side of the driver port: LUN forms, what the driver finds in a new command, refused
// commands, and lists that come back.
#include "target/scsi/conclusion.hh"

#include <cerrno>

#include "driver_fixture.hh"
#include "target/session/write_data.hh"

namespace chiscsi::test {
namespace {

TEST(DecodeLun, TakesTheSingleLevelForms) {
  struct Case {
    uint8_t lun[8];
    uint32_t number;
  };
  constexpr uint32_t kNone = 0xffffffff;
  const Case cases[] = {
      {{0, 0, 0, 0, 0, 0, 0, 0}, 0},
      {{0, 1, 0, 0, 0, 0, 0, 0}, 1},
      {{0, 255, 0, 0, 0, 0, 0, 0}, 255},
      {{0x40, 0, 0, 0, 0, 0, 0, 0}, 0},
      {{0x41, 2, 0, 0, 0, 0, 0, 0}, 0x102},
      {{0x7f, 0xff, 0, 0, 0, 0, 0, 0}, 0x3fff},
      {{0xd2, 0, 0, 5, 0, 0, 0, 0}, 5},
      {{0xd2, 0x12, 0x34, 0x56, 0, 0, 0, 0}, 0x123456},
      // A bus, a second level, and forms that no LUN here has.
      {{0x01, 1, 0, 0, 0, 0, 0, 0}, kNone},
      {{0x3f, 0, 0, 0, 0, 0, 0, 0}, kNone},
      {{0x80, 0, 0, 0, 0, 0, 0, 0}, kNone},
      {{0xc1, 1, 0, 0, 0, 0, 0, 0}, kNone},
      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kNone},
      {{0xd2, 0, 0, 5, 0, 0, 0, 1}, kNone},
      {{0x40, 1, 1, 0, 0, 0, 0, 0}, kNone},
  };
  for (const Case& c : cases)
    EXPECT_EQ(driver_port::decode_lun(c.lun), c.number) << hex(c.lun, 8);
}

TEST(DecodeLun, LooksAtEveryByte) {
  for (int at = 2; at < 8; ++at) {
    for (const uint8_t first : {0x00, 0x40}) {
      uint8_t lun[8] = {first, 3};
      lun[at] = 1;
      EXPECT_EQ(driver_port::decode_lun(lun), 0xffffffffu) << hex(lun, 8);
    }
  }
}

class DriverPortTest : public DriverFixture {
 protected:
  void SetUp() override {
    DriverFixture::SetUp();
    memory.add_address(1000);
  }
  // All of the data of a write arrives at once.
  void receive_all(Command& command) {
    settle();
    on_worker([&] {
      command.phases.for_each([](BufferPhase& phase) { phase.done = phase.wire_length; });
      session->add_work(command);
      session->run_work();
    });
  }
  SgMemory memory;
};

// A task management function has made the command silent while its data was on the way to us.
TEST_F(DriverPortTest, GivesReadDataBackThatWillNotBeSent) {
  Command& command = deliver_read(1000);
  on_worker([&] {
    command.silent = true;
    EXPECT_EQ(read_data(command, memory, 0, 1000), 0);
  });
  EXPECT_EQ(calls(), (Calls{"cdb", "xfer 0 1000", "cleanup"}));
}

TEST_F(DriverPortTest, ReportsAUnitAttentionInsteadOfDelivering) {
  on_worker([&] { session->unit_attentions.establish(0, kBusDeviceReset); });
  deliver_read(1000);
  EXPECT_EQ(calls(), Calls());
  on_worker([&] { EXPECT_TRUE(session->unit_attentions.empty()); });
  Command& command = deliver_read(0);
  EXPECT_EQ(calls(), (Calls{"cdb"}));
  EXPECT_EQ(status(command), 0);
}

TEST_F(DriverPortTest, HandsOverAFreshCommand) {
  on_cdb = [&](chiscsi_scsi_command* scsi) {
    EXPECT_EQ(scsi->sc_flag, unsigned{SC_FLAG_WRITE});
    EXPECT_EQ(scsi->sc_xfer_len, 1000u);
    EXPECT_EQ(scsi->sc_cmdlen, 16);
    EXPECT_EQ(scsi->sc_status, 0);
    EXPECT_EQ(scsi->sc_sdev_hdl, nullptr);
    EXPECT_NE(scsi->sc_cmd, nullptr);
    EXPECT_EQ(scsi->sc_ieps, &member->endpoints);
    EXPECT_EQ(scsi->sc_conn, reinterpret_cast<void*>(member->number));
    return 0;
  };
  deliver_write(1000);
  EXPECT_EQ(calls(), Calls{"cdb"});
  EXPECT_EQ(target->target_class().commands_held.load(), 1u);
}

TEST_F(DriverPortTest, EndsARefusedCommandAndCleansItUp) {
  struct Case {
    int rc;
    uint8_t status;
  };
  for (const Case& c : {Case{-EBUSY, kScsiBusy}, Case{-ENOMEM, kScsiBusy},
                        Case{-EINVAL, kScsiCheckCondition}, Case{-EIO, kScsiCheckCondition}}) {
    Command* refused = nullptr;
    on_cdb = [&](chiscsi_scsi_command* scsi) {
      refused = &Command::of(*scsi);
      return c.rc;
    };
    deliver_read(0);
    EXPECT_EQ(calls(), (Calls{"cdb", "cleanup"}));
    // Freed, and not reused yet: the answer is still there.
    EXPECT_EQ(refused->scsi_status, c.status);
    EXPECT_EQ(status(*refused), -ESTALE);
  }
}

TEST_F(DriverPortTest, GivesBackAListThatIsComplete) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  receive_all(command);
  EXPECT_EQ(calls(), (Calls{"cdb", "xfer 0 1000"}));
  EXPECT_EQ(status(command), 0);
  EXPECT_EQ(calls(), Calls{"cleanup"});
}

TEST_F(DriverPortTest, GivesBackPhasesInOrder) {
  hooks.property |= 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  Command& command = deliver_write(3000);
  for (unsigned i = 0; i < 3; ++i)
    EXPECT_EQ(buffer_ready(command, memory, i * 1000, 1000), 0);
  settle();
  on_worker([&] {
    command.phases.back()->done = 1000;
    session->add_work(command);
    session->run_work();
  });
  EXPECT_EQ(calls(), Calls{"cdb"}) << "the third before the first";
  receive_all(command);
  EXPECT_EQ(calls(), (Calls{"xfer 0 1000", "xfer 1000 1000", "xfer 2000 1000"}));
  EXPECT_EQ(status(command), 0);
  EXPECT_EQ(calls(), Calls{"cleanup"});
}

// fp_scsi_cmd_data_xfer_status: "A negative value ends the command as with fp_scsi_cmd_cdb_rcved".
TEST_F(DriverPortTest, EndsACommandWhoseDriverRefusesItsData) {
  Command& command = deliver_write(1000);
  EXPECT_EQ(buffer_ready(command, memory, 0, 1000), 0);
  xfer_result = -EIO;
  receive_all(command);
  EXPECT_EQ(calls(), (Calls{"cdb", "xfer 0 1000", "cleanup"}));
}

TEST_F(DriverPortTest, PlacesUnsolicitedDataInTheDriversMemory) {
  Command* command = nullptr;
  const ByteVector data = pattern(700, 1);
  on_cdb = [&](chiscsi_scsi_command* scsi) {
    command = &Command::of(*scsi);
    command->unsolicited = Buffer::allocate(700);
    copy_bytes(command->unsolicited.bytes(), Bytes(data.data(), data.size()));
    command->unsolicited_received = 700;
    return 0;
  };
  deliver_write(1000);
  EXPECT_EQ(buffer_ready(*command, memory, 0, 1000), 0);
  settle();
  ByteVector expected(1000, SgMemory::kFill);
  std::copy(data.begin(), data.end(), expected.begin());
  on_worker([&] {
    EXPECT_EQ(command->phases.front()->done, 700u);
    EXPECT_EQ(memory.content(), expected);
  });
  EXPECT_EQ(calls(), Calls{"cdb"});
}

}  // namespace
}  // namespace chiscsi::test
