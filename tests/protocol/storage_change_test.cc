// SPDX-License-Identifier: GPL-2.0-only
//
// Disks of the built-in LUN classes that change below their initiators, by themselves or by a
// reload: who hears of it, and what becomes of commands that were under way.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

class StorageChange : public StorageTest {
 protected:
  // Whether this unit attention comes; all that come before it are passed over. It is established
  // by a thread of the target, so there may be good answers before it.
  bool hears(uint8_t asc, uint8_t ascq, uint64_t lun = 0) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < limit) {
      const Outcome outcome = peer->no_data(test_unit_ready_cdb(), lun);
      if (!outcome.answered) return false;
      if (!outcome.good() && outcome.sense_key() == 6 && outcome.sense[12] == asc &&
          outcome.sense[13] == ascq) {
        return true;
      }
    }
    return false;
  }
  // Whether TEST UNIT READY says so, as soon as the target has noticed.
  bool becomes_ready(bool ready) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < limit) {
      const Outcome outcome = peer->no_data(test_unit_ready_cdb());
      if (!outcome.answered) return false;
      const bool not_ready = !outcome.good() && outcome.sense_key() == 2;
      if (ready ? outcome.good() : not_ready) return true;
    }
    return false;
  }
};

TEST_F(StorageChange, AReloadTellsOfASizeThatHasChangedMeanwhile) {
  const std::string file = make_file(1 << 20);
  start({file});
  // Nobody can have noticed it before the reload does.
  ASSERT_EQ(truncate(file.c_str(), 2 << 20), 0);
  ASSERT_EQ(reconfigure({file + ",SN=abc"}), 0);
  EXPECT_TRUE(hears(0x2a, 0x09));
}

TEST_F(StorageChange, AReloadTellsOfAnotherWriteCache) {
  const std::string file = make_file(1 << 20);
  start({"ram,MEM", file});
  ASSERT_EQ(reconfigure({file + ",SYNC", "ram,MEM"}), 0);
  EXPECT_TRUE(hears(0x2a, 0x01));
}

TEST_F(StorageChange, AReloadOfALineThatNamesAnotherFileNowIsRefused) {
  const std::string file = make_file(1 << 20), other = make_file(1 << 20);
  const std::string aside = file + ".old";
  HostLogCapture log;
  start({file});
  ASSERT_EQ(rename(file.c_str(), aside.c_str()), 0);
  // One that has gone is told of, and holds up nothing else.
  EXPECT_EQ(reconfigure({file}), 0);
  EXPECT_TRUE(log.contains("the path names nothing now"));
  ASSERT_EQ(rename(other.c_str(), file.c_str()), 0);
  EXPECT_NE(reconfigure({file}), 0);
  EXPECT_TRUE(log.contains("the path names another file now"));
  EXPECT_TRUE(write(3, pattern(kBlock)).good());
  ASSERT_EQ(rename(aside.c_str(), file.c_str()), 0);
  EXPECT_EQ(reconfigure({file}), 0);
}

TEST_F(StorageChange, AReloadPastThePageCacheIsRefused) {
  const std::string file = make_file(1 << 20);
  start({file});
  EXPECT_NE(reconfigure({file + ",DIRECT"}), 0);
  EXPECT_NE(reconfigure({file, file + ",DIRECT"}), 0);
  EXPECT_TRUE(write(3, pattern(kBlock)).good());
}

TEST_F(StorageChange, AReloadToSyncFlushesFirst) {
  const std::string file = make_file(1 << 20);
  start({file});
  ASSERT_TRUE(write(3, pattern(kBlock)).good());
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  EXPECT_NE(reconfigure({file + ",SYNC"}), 0);
  host_fail_storage(-1, 0);
  // Whoever has written hears of it.
  expect_sense(peer->no_data(cdb10(0x35, 0, 0)), 3, 0x0c);
  EXPECT_EQ(reconfigure({file + ",SYNC"}), 0);
}

// A write that was with the old unit then, and has ended after the flush.
TEST_F(StorageChange, AReloadToSyncFlushesWhatEndsAfterIt) {
  HostLogCapture log;
  const std::string file = make_file(1 << 20);
  start({file});
  host_hang_next_write();
  Pdu late = peer->make_command(cdb16(0x8a, 3, 1), kBlock, iscsi::kCommandWrite);
  late.data = pattern(kBlock);
  ASSERT_TRUE(peer->send(late) && peer->ping());
  ASSERT_EQ(reconfigure({file + ",SYNC"}), 0);
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  host_end_hang();
  EXPECT_TRUE(peer->finish(late).good());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!log.contains("flush of what was written before SYNC failed")) {
    ASSERT_TRUE(peer->ping());
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
  }
  host_fail_storage(-1, 0);
}

TEST_F(StorageChange, AWriteCacheMayComeAndGo) {
  const std::string file = make_file(1 << 20);
  start({file + ",BLK"});
  const auto has_cache = [this] {
    return (peer->read({0x1a, 8, 8, 0, 64, 0}, 64).data.at(6) & 4) != 0;
  };
  EXPECT_TRUE(has_cache());
  host_change_storage(OS_STORAGE_VOLATILE_CACHE, 0);
  EXPECT_TRUE(hears(0x2a, 0x01));
  EXPECT_FALSE(has_cache());
  host_change_storage(0, 0);
  EXPECT_TRUE(hears(0x2a, 0x01));
  EXPECT_TRUE(has_cache());
  host_change_storage(0, OS_STORAGE_READ_ONLY);
  EXPECT_TRUE(hears(0x2a, 0x01));
  expect_sense(write(0, pattern(kBlock)), 7, 0x27);
}

// Whoever asks whether a path is good must not hear that it is.
TEST_F(StorageChange, ADeviceThatIsGoneIsNotReady) {
  const std::string file = make_file(1 << 20);
  start({file + ",BLK"});
  const ByteVector capacity{0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  ASSERT_EQ(truncate(file.c_str(), 0), 0);
  EXPECT_TRUE(becomes_ready(false));
  expect_sense(peer->read(capacity, 8), 2, 0x04);
  expect_sense(peer->read(cdb16(0x88, 0, 1), kBlock), 2, 0x04);
  const ByteVector sense = peer->read({0x03, 0, 0, 0, 18, 0}, 18).data;
  EXPECT_EQ(sense.at(2), 2);
  EXPECT_EQ(sense.at(12), 4);
  EXPECT_TRUE(peer->read({0x12, 0, 0, 0, 36, 0}, 36).good());
  ASSERT_EQ(truncate(file.c_str(), 1 << 20), 0);
  EXPECT_TRUE(becomes_ready(true));
  EXPECT_TRUE(peer->read(capacity, 8).good());
  EXPECT_TRUE(peer->read(cdb16(0x88, 0, 1), kBlock).good());
}

TEST_F(StorageChange, AWriteThatWaitsMakesNoFileLonger) {
  const std::string file = make_file(1 << 20);
  start({file});
  host_hold_storage(true);
  const uint64_t last = (1 << 20) / kBlock - 1;
  ByteVector cdb = cdb16(0x89, last, 0);
  cdb[13] = 1;
  Pdu alone = peer->make_command(cdb, 2 * kBlock, iscsi::kCommandWrite);
  alone.data = pattern(2 * kBlock);
  Pdu waits = peer->make_command(cdb16(0x8a, last, 1), kBlock, iscsi::kCommandWrite);
  Pdu queued = peer->make_command(cdb16(0x8a, last - 1, 1), kBlock, iscsi::kCommandWrite);
  waits.data = queued.data = pattern(kBlock);
  ASSERT_TRUE(peer->send(alone) && peer->send(waits) && peer->send(queued) && peer->ping());
  ASSERT_EQ(truncate(file.c_str(), 1 << 19), 0);
  host_hold_storage(false);
  EXPECT_EQ(peer->finish(alone).sense_key(), 0x0e);  // The end of the file reads as zeros.
  expect_sense(peer->finish(waits), 5, 0x21);
  expect_sense(peer->finish(queued), 3, 0x0c);
  EXPECT_EQ(std::filesystem::file_size(file), 1u << 19);
}

TEST_F(StorageChange, AReservationBelowIsAReservationConflict) {
  start({make_file(1 << 20)});
  host_fail_storage(OS_STORAGE_WRITE, -EBADE);
  const Outcome outcome = write(0, pattern(kBlock));
  EXPECT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 0x18);
}

// A session that has much under way is told to wait for it; another one is served.
TEST_F(StorageChange, OneSessionTakesItsPartOfTheMemoryOnly) {
  constexpr uint32_t kLongest = 16 << 20;
  constexpr uint64_t kLun1 = 1;
  ASSERT_EQ(os_chunk_limit(), uint64_t{16} * kLongest);
  start({make_file(64 << 20), "ram,MEM"});
  host_hold_storage(true);
  std::vector<Pdu> reads;
  for (uint32_t i = 0; i < 5; ++i) {
    reads.push_back(
        peer->make_command(cdb16(0x88, 0, kLongest / kBlock), kLongest, iscsi::kCommandRead));
    ASSERT_TRUE(peer->send(reads.back()));
  }
  EXPECT_EQ(peer->finish(reads.back()).status, 0x28);
  EXPECT_EQ(peer->read(cdb16(0x88, 0, 1), kBlock, kLun1).status, 0x28);
  auto other = log_in(2);
  EXPECT_TRUE(other->read(cdb16(0x88, 0, 1), kBlock, kLun1).good());
  // It has it again when its commands are over.
  for (const Pdu& command : reads)
    ASSERT_TRUE(
        peer->send(peer->make_task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, command.task_tag())));
  host_hold_storage(false);
  Outcome outcome;
  for (int tries = 0; tries < 1000 && !outcome.good(); ++tries)
    outcome = peer->read(cdb16(0x88, 0, 1), kBlock, kLun1);
  EXPECT_TRUE(outcome.good());
}

}  // namespace
}  // namespace chiscsi::test
