// SPDX-License-Identifier: GPL-2.0-only
//
// The LUN class of ifacedriver against a target that plays by the Guide: the walks of reads and
// writes, phases, residuals, aborts, task management, a driver that plays dead, its end, and mode
// parameters with their unit attentions.
#include <gtest/gtest.h>

#include "fake_host.hh"

#include "../../../api-ddk/iface_lun_class.cc"
#include "../../../api-ddk/storage_kthread.cc"
#include "../../../api-ddk/storage_memory.cc"
#include "iface_sessions.hh"

namespace {

using namespace std::chrono_literals;

constexpr unsigned kMiB = 1024 * 1024;

char class_name[] = "test";
char target[] = "iqn.2026-11.org.example:t";

class IfaceLunClass : public ::testing::TestWithParam<bool> {
 protected:
  IfaceLunClass() { EXPECT_EQ(iface::sessions_create(), 0); }

  void start(unsigned phase_kb = 0, unsigned chunk_shift = 16, bool discard = false) {
    config_.lun_count = 2;
    config_.lun_mb[0] = 32;
    config_.lun_mb[1] = 1;
    config_.phase_bytes = phase_kb * 1024;
    config_.chunk_shift = chunk_shift;
    config_.discard_data = discard;
    config_.inline_exec = GetParam();
    std::strcpy(config_.target_name, target);
    iface::g_settings = iface::LunSettings{};
    ASSERT_EQ(iface::luns_create(config_), 0);
    ASSERT_EQ(chiscsi_target_lun_class_register(&iface::luns_class(), class_name), 0);
    started_ = true;
  }
  ~IfaceLunClass() override {
    if (started_) stop();
    iface::sessions_destroy();
  }
  static void stop() {
    iface::luns_close();
    EXPECT_TRUE(iface::luns_wait_idle(0));
    chiscsi_target_lun_class_deregister(iface::luns_class().class_name, class_name);
    iface::luns_destroy();
  }

  static void set(FakeCommand& c, std::vector<int> cdb, unsigned expected, bool write = false,
                  unsigned lun = 0, unsigned long session = 1) {
    for (size_t i = 0; i < cdb.size(); ++i)
      c.cdb[i] = static_cast<unsigned char>(cdb[i]);
    c.api.sc_cmd = c.cdb;
    c.api.sc_cmdlen = 16;
    c.api.sc_flag = write ? SC_FLAG_WRITE : SC_FLAG_READ;
    c.api.sc_xfer_len = expected;
    c.api.sc_lun = lun;
    c.api.sc_tclass_sess_priv = session;
  }
  static void set_rw(FakeCommand& c, bool write, unsigned lba, unsigned blocks, unsigned expected) {
    set(c, {write ? 0x8a : 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0}, expected, write);
    iface::put_be32(c.cdb + 6, lba);
    iface::put_be32(c.cdb + 10, blocks);
  }

  static int submit(FakeCommand& c) { return registered_lun->fp_scsi_cmd_cdb_rcved(&c.api); }

  // Waits for the next call of the driver: a list or the end.
  static bool wait(FakeCommand& c) {
    std::unique_lock guard(c.mutex);
    return c.changed.wait_for(guard, 20s, [&] { return c.waiting || c.final; });
  }
  static void give_back(FakeCommand& c) {
    std::vector<chiscsi_sgvec> list;
    {
      const std::lock_guard guard(c.mutex);
      list = c.list;
      c.waiting = false;
    }
    registered_lun->fp_scsi_cmd_data_xfer_status(
        &c.api, reinterpret_cast<unsigned char*>(list.data()), static_cast<unsigned>(list.size()),
        c.offset, c.length);
  }
  static void clean_up(FakeCommand& c) {
    registered_lun->fp_scsi_cmd_cleanup(&c.api);
    EXPECT_EQ(c.api.sc_sdev_hdl, nullptr);
  }

  // Runs a command to its end like a target. Data of a write comes from `data`, that of a read is
  // added to it.
  static void run(FakeCommand& c, std::string& data) {
    const bool write = (c.api.sc_flag & SC_FLAG_WRITE) != 0;
    unsigned moved = 0;
    ASSERT_EQ(submit(c), 0);
    for (;;) {
      ASSERT_TRUE(wait(c));
      if (!c.waiting) break;
      EXPECT_EQ(c.offset, moved);
      unsigned total = 0;
      for (const chiscsi_sgvec& piece : c.list) {
        ASSERT_NE(piece.sg_length, 0u);
        ASSERT_NE(piece.sg_page, nullptr);
        EXPECT_EQ(static_cast<unsigned char*>(piece.sg_page) + piece.sg_offset, piece.sg_addr);
        if (write) {
          std::memcpy(piece.sg_addr, data.data() + moved + total, piece.sg_length);
        } else {
          data.append(reinterpret_cast<char*>(piece.sg_addr), piece.sg_length);
        }
        total += piece.sg_length;
      }
      EXPECT_EQ(total, c.length);
      moved += total;
      give_back(c);
    }
    clean_up(c);
    EXPECT_EQ(c.refusals, 0);
  }

  static std::string pattern(unsigned bytes, unsigned seed) {
    std::string text(bytes, '\0');
    for (unsigned i = 0; i < bytes; ++i) {
      text[i] = static_cast<char>((i * 31 + (i >> 9) * 7 + seed) & 0xff);
    }
    return text;
  }
  static void write_blocks(unsigned lba, unsigned blocks, const std::string& data) {
    FakeCommand c;
    std::string copy = data;
    set_rw(c, true, lba, blocks, blocks * 512);
    run(c, copy);
    EXPECT_EQ(c.api.sc_status, 0);
  }
  static std::string read_blocks(unsigned lba, unsigned blocks) {
    FakeCommand c;
    std::string data;
    set_rw(c, false, lba, blocks, blocks * 512);
    run(c, data);
    EXPECT_EQ(c.api.sc_status, 0);
    return data;
  }

  iface::Config config_;
  bool started_ = false;
};

INSTANTIATE_TEST_SUITE_P(Execution, IfaceLunClass, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Inline" : "Threaded"; });

// ---- Data ----

TEST_P(IfaceLunClass, PropertyFollowsTheSettings) {
  start(64);
  EXPECT_TRUE(registered_lun->property & (1 << LUN_CLASS_SCSI_PASS_THRU_BIT));
  EXPECT_TRUE(registered_lun->property & (1 << LUN_CLASS_MULTI_PHASE_DATA_BIT));
  EXPECT_EQ((registered_lun->property & (1 << LUN_CLASS_HAS_CMD_QUEUE_BIT)) == 0, GetParam());
}

TEST_P(IfaceLunClass, UnwrittenBlocksAreZero) {
  start();
  EXPECT_EQ(read_blocks(0, 256), std::string(256 * 512, '\0'));
}

TEST_P(IfaceLunClass, ReadsWhatWasWrittenAtAnyPlaceAndLength) {
  for (const unsigned shift : {12U, 16U}) {
    start(0, shift);
    for (const auto& [lba, blocks] : {std::pair{0U, 1U},
                                      {1U, 7U},
                                      {127U, 2U},
                                      {3U, 300U},
                                      {5000U, 2048U},
                                      {65535U, 1U},
                                      {100U, 9000U}}) {
      const std::string data = pattern(blocks * 512, lba);
      write_blocks(lba, blocks, data);
      EXPECT_EQ(read_blocks(lba, blocks), data) << lba;
    }
    iface::luns_destroy();
  }
  started_ = false;
  registered_lun = nullptr;
}

TEST_P(IfaceLunClass, PhasesComeInOrderAndAddUp) {
  start(64);
  const std::string data = pattern(1000 * 512, 9);
  FakeCommand write;
  std::string copy = data;
  set_rw(write, true, 17, 1000, 1000 * 512);
  run(write, copy);
  EXPECT_EQ(write.lists, 8);
  FakeCommand read;
  std::string back;
  set_rw(read, false, 17, 1000, 1000 * 512);
  run(read, back);
  EXPECT_EQ(read.lists, 8);
  EXPECT_EQ(back, data);
}

TEST_P(IfaceLunClass, ParameterDataMayComeInPhasesToo) {
  start(4);
  FakeCommand c;
  std::string data;
  set(c, {0x12, 0, 0, 0, 255}, 255);
  run(c, data);
  EXPECT_EQ(data.size(), 74u);
  EXPECT_EQ(c.api.sc_flag & 0xc0u, static_cast<unsigned>(SC_FLAG_XFER_UNDERFLOW));
  EXPECT_EQ(c.api.sc_xfer_residualcount, 255u - 74);
  EXPECT_EQ(c.api.sc_xfer_len, 74u);
}

TEST_P(IfaceLunClass, DiscardedDataIsGoneAndReadsAreZero) {
  start(0, 16, true);
  write_blocks(10, 500, pattern(500 * 512, 1));
  EXPECT_EQ(read_blocks(10, 500), std::string(500 * 512, '\0'));
}

TEST_P(IfaceLunClass, RefusesUnitsThatDoNotFitInMemory) {
  config_.lun_count = 1;
  config_.lun_mb[0] = 2;
  memory_available = kMiB;
  EXPECT_EQ(iface::luns_create(config_), iface::kEnomem);
  EXPECT_EQ(os_log, "lun_sizes_mb: 2 MB asked for, 1 MB of memory available");
  memory_available = 1ULL << 40;
}

// Every allocation of the start fails once; nothing is left behind.
TEST_P(IfaceLunClass, StartsOrFailsCleanlyWithoutMemory) {
  for (int limit = 0;; ++limit) {
    allocations_left = limit;
    config_.lun_count = 1;
    config_.lun_mb[0] = 1;
    config_.inline_exec = GetParam();
    const int error = iface::luns_create(config_);
    allocations_left = -1;
    iface::luns_destroy();
    if (error == 0) break;
    EXPECT_EQ(error, iface::kEnomem);
    ASSERT_LT(limit, 1000);
  }
}

// ---- Residuals ----

TEST_P(IfaceLunClass, WriteMovesNoMoreThanTheCdbSays) {
  start();
  write_blocks(0, 2, std::string(1024, 'a'));
  FakeCommand c;
  std::string data(1024, 'b');
  set_rw(c, true, 0, 1, 1024);
  run(c, data);
  EXPECT_EQ(c.api.sc_status, 0);
  EXPECT_EQ(c.api.sc_xfer_residualcount, 512u);
  EXPECT_TRUE(c.api.sc_flag & SC_FLAG_XFER_UNDERFLOW);
  EXPECT_EQ(read_blocks(0, 2), std::string(512, 'b') + std::string(512, 'a'));
}

TEST_P(IfaceLunClass, WriteMovesNoMoreThanTheInitiatorSends) {
  start();
  write_blocks(0, 2, std::string(1024, 'a'));
  FakeCommand c;
  std::string data(512, 'b');
  set_rw(c, true, 0, 2, 512);
  run(c, data);
  EXPECT_EQ(c.api.sc_status, 0);
  EXPECT_EQ(c.api.sc_xfer_residualcount, 512u);
  EXPECT_TRUE(c.api.sc_flag & SC_FLAG_XFER_OVERFLOW);
  EXPECT_EQ(read_blocks(0, 2), std::string(512, 'b') + std::string(512, 'a'));
}

TEST_P(IfaceLunClass, NothingExpectedMeansNoBuffersButAStatus) {
  start();
  for (const bool write : {false, true}) {
    FakeCommand c;
    std::string data;
    set_rw(c, write, 0, 1, 0);
    run(c, data);
    EXPECT_EQ(c.lists, 0);
    EXPECT_EQ(c.api.sc_status, 0);
    EXPECT_EQ(c.api.sc_xfer_residualcount, 512u);
    EXPECT_TRUE(c.api.sc_flag & SC_FLAG_XFER_OVERFLOW);
  }
}

TEST_P(IfaceLunClass, ErrorsCarrySenseAndTheWholeResidual) {
  start();
  FakeCommand c;
  std::string data;
  set_rw(c, false, 65536, 1, 512);
  run(c, data);
  EXPECT_EQ(c.api.sc_status, 2);
  EXPECT_EQ(c.api.sc_sense_key, 5);
  EXPECT_EQ(c.api.sc_sense_asc, 0x21);
  EXPECT_EQ(c.api.sc_xfer_residualcount, 512u);
  EXPECT_EQ(c.lists, 0);
}

TEST_P(IfaceLunClass, AHugeExpectedLengthSizesNothing) {
  start();
  FakeCommand c;
  std::string data;
  set(c, {0x12, 0, 0, 0, 36}, 0xffffffff);
  run(c, data);
  EXPECT_EQ(data.size(), 36u);
  EXPECT_EQ(c.api.sc_xfer_residualcount, 0xffffffffu - 36);
}

// ---- Refusals ----

TEST_P(IfaceLunClass, NoMemoryRefusesTheCommandAndCleanupIsHarmless) {
  start();
  FakeCommand c;
  set_rw(c, false, 0, 8192, 4 * kMiB);
  allocations_left = 0;
  EXPECT_EQ(submit(c), iface::kEnomem);
  allocations_left = -1;
  clean_up(c);
}

TEST_P(IfaceLunClass, ARefusedBufferEndsTheCommandWithAnError) {
  start();
  FakeCommand c;
  set_rw(c, true, 0, 1, 512);
  c.refuse_next = 1;
  EXPECT_EQ(submit(c), 0);
  ASSERT_TRUE(wait(c));
  EXPECT_TRUE(c.final);
  EXPECT_EQ(c.api.sc_sense_key, 0x0b);
  clean_up(c);
}

// ---- Aborts and task management ----

TEST_P(IfaceLunClass, SessionAbortIsAnsweredByAbortStatus) {
  start();
  FakeCommand c;
  set_rw(c, true, 0, 8, 4096);
  submit(c);
  ASSERT_TRUE(wait(c));
  c.api.sc_flag |= SC_FLAG_SESS_ABORT;
  EXPECT_EQ(registered_lun->fp_scsi_cmd_abort(&c.api), 0);
  EXPECT_TRUE(c.abort_answered);
  clean_up(c);
}

TEST_P(IfaceLunClass, TmfAbortIsAnsweredByExecutionStatus) {
  start();
  FakeCommand c;
  set_rw(c, true, 0, 8, 4096);
  submit(c);
  ASSERT_TRUE(wait(c));
  c.api.sc_flag |= SC_FLAG_TMF_ABORT;
  EXPECT_EQ(registered_lun->fp_scsi_cmd_abort(&c.api), 0);
  EXPECT_FALSE(c.abort_answered);
  EXPECT_TRUE(c.final);
  EXPECT_EQ(c.api.sc_sense_key, 0x0b);
  // The data that arrives all the same is nobody's business any more.
  give_back(c);
  EXPECT_EQ(c.refusals, 0);
  clean_up(c);
}

TEST_P(IfaceLunClass, SessionAbortWithReadDataUnderWayIsAnsweredToo) {
  start();
  FakeCommand c;
  set_rw(c, false, 0, 8, 4096);
  submit(c);
  ASSERT_TRUE(wait(c));
  c.api.sc_flag |= SC_FLAG_SESS_ABORT;
  registered_lun->fp_scsi_cmd_abort(&c.api);
  EXPECT_TRUE(c.abort_answered);
  EXPECT_EQ(c.api.sc_status, 0);  // the status it had
  clean_up(c);
}

int run_tmf(unsigned char function, unsigned lun, unsigned long session = 1,
            chiscsi_scsi_command* command = nullptr) {
  tmf_response = -1;
  EXPECT_EQ(registered_lun->fp_tmf_execute(session, 99, 1, function, lun, command), 0);
  return tmf_response;
}

TEST_P(IfaceLunClass, TaskManagementEndsWhatItConcernsAndNothingElse) {
  start();
  // Writes whose data never comes are what the driver holds.
  FakeCommand mine, other_session, other_unit;
  const auto hold = [](FakeCommand& c, unsigned lun, unsigned long session) {
    set_rw(c, true, 0, 1, 512);
    c.api.sc_lun = lun;
    c.api.sc_tclass_sess_priv = session;
    submit(c);
    ASSERT_TRUE(wait(c));
  };
  hold(mine, 0, 1);
  hold(other_session, 0, 2);
  hold(other_unit, 1, 1);

  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_ABORT_TASK_SET, 0, 1), ISCSI_RESPONSE_TMF_COMPLETE);
  EXPECT_TRUE(mine.final);
  EXPECT_FALSE(other_session.final);
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_CLEAR_TASK_SET, 0, 1), ISCSI_RESPONSE_TMF_COMPLETE);
  EXPECT_TRUE(other_session.final);
  EXPECT_FALSE(other_unit.final);
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_TARGET_WARM_RESET, 0, 2), ISCSI_RESPONSE_TMF_COMPLETE);
  EXPECT_TRUE(other_unit.final);
  for (FakeCommand* c : {&mine, &other_session, &other_unit}) {
    EXPECT_EQ(c->refusals, 0);
    clean_up(*c);
  }
}

TEST_P(IfaceLunClass, AbortTaskEndsOneCommand) {
  start();
  FakeCommand c;
  set_rw(c, true, 0, 1, 512);
  submit(c);
  ASSERT_TRUE(wait(c));
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_ABORT_TASK, 0, 1, &c.api), ISCSI_RESPONSE_TMF_COMPLETE);
  EXPECT_TRUE(c.final);
  clean_up(c);
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_ABORT_TASK, 0, 1, nullptr), ISCSI_RESPONSE_TMF_COMPLETE);
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 9), ISCSI_RESPONSE_TMF_INVALID_LUN);
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_TASK_REASSIGN, 0), ISCSI_RESPONSE_TMF_NOT_SUPPORTED);
}

// ---- Playing dead ----

TEST_P(IfaceLunClass, ADeadDriverAnswersNothingAndEverythingOnceItWakesUp) {
  start();
  iface::luns_set_stuck(true);
  FakeCommand untouched, aborted;
  std::string data;
  set_rw(untouched, false, 0, 1, 512);
  set_rw(aborted, false, 0, 1, 512);
  submit(untouched);
  submit(aborted);
  aborted.api.sc_flag |= SC_FLAG_SESS_ABORT;
  registered_lun->fp_scsi_cmd_abort(&aborted.api);
  EXPECT_EQ(run_tmf(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0), -1);
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(untouched.final);
  EXPECT_FALSE(aborted.final);
  EXPECT_FALSE(iface::luns_wait_idle(1));

  iface::luns_set_stuck(false);
  ASSERT_TRUE(wait(untouched));
  ASSERT_TRUE(wait(aborted));
  EXPECT_TRUE(aborted.abort_answered);
  EXPECT_FALSE(untouched.abort_answered);
  give_back(untouched);
  clean_up(untouched);
  clean_up(aborted);
}

TEST_P(IfaceLunClass, ClosingWakesADeadDriverForGood) {
  start();
  iface::luns_set_stuck(true);
  FakeCommand c;
  set_rw(c, false, 0, 1, 512);
  submit(c);
  iface::luns_close();
  iface::luns_set_stuck(true);
  ASSERT_TRUE(wait(c));
  give_back(c);
  clean_up(c);
}

TEST_P(IfaceLunClass, CommandsThatNeverEndKeepTheirMemory) {
  start();
  FakeCommand c;
  set_rw(c, true, 0, 1, 512);
  submit(c);
  ASSERT_TRUE(wait(c));
  iface::Lun* lun = iface::g_luns[0];
  EXPECT_FALSE(lun->dismantle());
  // Late, but safe: the memory is still there.
  c.api.sc_flag |= SC_FLAG_SESS_ABORT;
  registered_lun->fp_scsi_cmd_abort(&c.api);
  clean_up(c);
}

// ---- Many threads ----

TEST_P(IfaceLunClass, SurvivesAbortsFromManyThreads) {
  start(64);
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < 4; ++worker) {
    workers.emplace_back([worker] {
      unsigned random = worker * 7919 + 1;
      for (int i = 0; i < 300; ++i) {
        random = random * 1664525 + 1013904223;
        FakeCommand c;
        const bool write = (random >> 20 & 1) != 0;
        set_rw(c, write, random >> 24, 300, 300 * 512);
        ASSERT_EQ(submit(c), 0);
        if ((random >> 21 & 3) == 0) {
          c.api.sc_flag |= 0;  // aborted wherever it is
        } else {
          while (wait(c) && c.waiting)
            give_back(c);
        }
        {
          const std::lock_guard guard(c.mutex);
          if (c.final && !c.waiting) goto over;
        }
        // The flag is written under the driver's eyes, as by the target: before the hook.
        registered_lun->fp_scsi_cmd_abort(&c.api);
      over:
        clean_up(c);
      }
    });
  }
  for (std::thread& worker : workers)
    worker.join();
}

// ---- Mode parameters ----

constexpr int kSwp = 8;

// The parameter list of a MODE SELECT(6) that sets byte 4 of the Control page.
std::string control_page(int flags) {
  std::string list(4 + 12, '\0');
  list[4] = 0x0a;
  list[5] = 0x0a;
  list[4 + 3] = 0x10;
  list[4 + 4] = static_cast<char>(flags);
  list[4 + 8] = list[4 + 9] = '\xff';
  return list;
}

class IfaceModes : public IfaceLunClass {
 protected:
  // Runs a command of a session and says what came of it: 0 or key, code and qualifier.
  static unsigned outcome(unsigned long session, std::vector<int> cdb, unsigned expected = 0,
                          std::string* data = nullptr, unsigned lun = 0) {
    FakeCommand c;
    std::string none;
    set(c, std::move(cdb), expected, false, lun, session);
    run(c, data != nullptr ? *data : none);
    return outcome_of(c);
  }
  static unsigned select(unsigned long session, std::string list, unsigned expected) {
    FakeCommand c;
    set(c, {0x15, 0x10, 0, 0, static_cast<int>(list.size())}, expected, true, 0, session);
    run(c, list);
    return outcome_of(c);
  }
  static unsigned select(unsigned long session, const std::string& list) {
    return select(session, list, static_cast<unsigned>(list.size()));
  }
  static unsigned test_ready(unsigned long session, unsigned lun = 0) {
    return outcome(session, {0x00}, 0, nullptr, lun);
  }
  static unsigned write_block(char fill) {
    FakeCommand c;
    std::string data(512, fill);
    set_rw(c, true, 0, 1, 512);
    run(c, data);
    return outcome_of(c);
  }
  static bool is_protected(unsigned long session) {
    std::string data;
    EXPECT_EQ(outcome(session, {0x1a, 8, 0x0a, 0, 255}, 255, &data), 0u);
    // WP of the header and SWP of the page say the same.
    EXPECT_EQ((data[2] & 0x80) != 0, (data[4 + 4] & kSwp) != 0);
    return (data[2] & 0x80) != 0;
  }

 private:
  static unsigned outcome_of(const FakeCommand& c) {
    if (c.api.sc_status == 0) return 0;
    EXPECT_EQ(c.api.sc_status, 2);
    return static_cast<unsigned>(c.api.sc_sense_key << 16 | c.api.sc_sense_asc << 8 |
                                 c.api.sc_sense_ascq);
  }
};

INSTANTIATE_TEST_SUITE_P(Execution, IfaceModes, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Inline" : "Threaded"; });

TEST_P(IfaceModes, AProtectedUnitIsReadAndNotWritten) {
  start();
  EXPECT_EQ(write_block('a'), 0u);
  EXPECT_EQ(select(1, control_page(kSwp)), 0u);
  EXPECT_TRUE(is_protected(1));
  EXPECT_EQ(write_block('b'), 0x072702u);
  EXPECT_EQ(read_blocks(0, 1), std::string(512, 'a'));
  EXPECT_EQ(select(1, control_page(0)), 0u);
  EXPECT_FALSE(is_protected(1));
  EXPECT_EQ(write_block('b'), 0u);
  EXPECT_EQ(read_blocks(0, 1), std::string(512, 'b'));
}

TEST_P(IfaceModes, OtherSessionsHearOfItOnce) {
  start();
  const unsigned long author = iface::sessions_add(101), other = iface::sessions_add(102),
                      asking = iface::sessions_add(103), gone = iface::sessions_add(104);
  EXPECT_EQ(select(author, control_page(kSwp)), 0u);
  EXPECT_EQ(select(author, control_page(0)), 0u);
  iface::sessions_remove(104);
  const unsigned long later = iface::sessions_add(105);
  for (const unsigned long unconcerned : {author, later, gone})
    EXPECT_EQ(test_ready(unconcerned), 0u);

  // INQUIRY and REPORT LUNS say nothing of it; another unit is not concerned, nor an absent one.
  EXPECT_EQ(outcome(other, {0x12, 0, 0, 0, 36}, 36), 0u);
  EXPECT_EQ(outcome(other, {0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 256), 0u);
  EXPECT_EQ(test_ready(other, 1), 0u);
  EXPECT_EQ(test_ready(other, 7), 0x052500u);
  EXPECT_EQ(test_ready(other), 0x062a01u);
  EXPECT_EQ(test_ready(other), 0u);

  // REQUEST SENSE returns it as data.
  std::string sense;
  EXPECT_EQ(outcome(asking, {0x03, 0, 0, 0, 18}, 18, &sense), 0u);
  EXPECT_EQ(sense.substr(2, 1) + sense.substr(12, 2), std::string("\x06\x2a\x01"));
  EXPECT_EQ(test_ready(asking), 0u);
}

TEST_P(IfaceModes, ASelectThatChangesNothingIsNoNews) {
  start();
  const unsigned long author = iface::sessions_add(101), other = iface::sessions_add(102);
  EXPECT_EQ(select(author, control_page(0)), 0u);
  EXPECT_EQ(select(author, std::string(4, '\0')), 0u);
  EXPECT_EQ(select(author, ""), 0u);
  EXPECT_EQ(test_ready(other), 0u);
}

TEST_P(IfaceModes, AWrongOrIncompleteListChangesNothing) {
  start();
  const unsigned long author = iface::sessions_add(101), other = iface::sessions_add(102);
  std::string wrong = control_page(kSwp);
  wrong[4 + 2] = 0x04;  // D_SENSE cannot be changed
  EXPECT_EQ(select(author, wrong), 0x052600u);
  EXPECT_EQ(select(author, control_page(kSwp).substr(0, 15)), 0x051a00u);
  // The initiator sends less than its CDB says, or nothing.
  EXPECT_EQ(select(author, control_page(kSwp), 15), 0x051a00u);
  EXPECT_EQ(select(author, control_page(kSwp), 0), 0x051a00u);
  EXPECT_EQ(outcome(author, {0x15, 0x10, 0, 0, 16}, 16), 0x050e03u);  // wants to read
  EXPECT_FALSE(is_protected(author));
  EXPECT_EQ(test_ready(other), 0u);
}

TEST_P(IfaceModes, AnAbortedSelectChangesNothing) {
  start();
  FakeCommand c;
  set(c, {0x15, 0x10, 0, 0, 16}, 16, true);
  submit(c);
  ASSERT_TRUE(wait(c));
  const std::string list = control_page(kSwp);
  std::memcpy(c.list[0].sg_addr, list.data(), list.size());
  c.api.sc_flag |= SC_FLAG_TMF_ABORT;
  registered_lun->fp_scsi_cmd_abort(&c.api);
  give_back(c);
  clean_up(c);
  EXPECT_FALSE(is_protected(1));
}

TEST_P(IfaceModes, AResetMakesThemDefault) {
  start();
  for (const unsigned char function :
       {ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, ISCSI_TMF_FUNCTION_TARGET_WARM_RESET}) {
    EXPECT_EQ(select(1, control_page(kSwp)), 0u);
    run_tmf(ISCSI_TMF_FUNCTION_CLEAR_TASK_SET, 0);
    EXPECT_TRUE(is_protected(1));
    run_tmf(function, 0);
    EXPECT_FALSE(is_protected(1));
  }
}

// Each hears nothing or of a change by another one.
TEST_P(IfaceModes, ManySessionsChangeThemAtTheSameTime) {
  start();
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < 4; ++worker) {
    workers.emplace_back([worker] {
      for (unsigned i = 0; i < 50; ++i) {
        const unsigned long handle = worker * 1000 + i;
        const unsigned long session = iface::sessions_add(handle);
        for (const int flags : {kSwp, 0}) {
          const unsigned said = select(session, control_page(flags));
          EXPECT_TRUE(said == 0 || said == 0x062a01) << said;
        }
        if (i % 2 == 0) iface::sessions_remove(handle);
      }
    });
  }
  for (std::thread& worker : workers)
    worker.join();
  const unsigned long last = iface::sessions_add(9999);
  EXPECT_EQ(test_ready(last), 0u);
}

}  // namespace
