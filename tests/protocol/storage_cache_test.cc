// SPDX-License-Identifier: GPL-2.0-only
//
// Which commands of the built-in LUN classes reach stable storage before they are answered: a
// device that cannot flush fails exactly these.
#include <cerrno>

#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint8_t kReadFua = 0x08, kFua = 0x08, kSameUnmap = 0x08;

class StorageCache : public StorageTest {
 protected:
  // MODE SELECT(6) of the caching mode page.
  void set_write_cache(bool on) {
    ByteVector list(4 + 20);
    list[4] = 0x08;
    list[5] = 18;
    list[6] = on ? 0x04 : 0;
    ASSERT_TRUE(peer->write({0x15, 0x10, 0, 0, 24, 0}, list).good());
  }
  static Outcome flush(Initiator& who, uint64_t lun = 0) {
    return who.no_data(cdb10(0x35, 0, 0), lun);
  }
  Outcome flush() { return flush(*peer); }
  Outcome flush_after_attention() {
    Outcome outcome = flush();
    while (outcome.answered && outcome.sense_key() == 6)
      outcome = flush();
    return outcome;
  }
  void lose_writes_at_flush(Initiator& finder) {
    host_fail_storage(OS_STORAGE_FLUSH, -EIO);
    expect_sense(flush(finder), 3, 0x0c);
    host_fail_storage(-1, 0);
  }
  // One of each kind that changes the medium, all of it at the beginning.
  std::vector<Outcome> change_medium() {
    const ByteVector block = pattern(kBlock), zeros(kBlock);
    ByteVector compare = cdb16(0x89, 9, 0);
    compare[13] = 1;
    const ByteVector there = read(9, 1);
    ByteVector list(8 + 16);
    list[1] = 22;
    list[3] = 16;
    list[8 + 11] = 8;
    return {peer->write({0x0a, 0, 0, 0, 1, 0}, block),
            peer->write(cdb10(0x2a, 0, 1), block),
            peer->write(cdb16(0x8a, 0, 1), block),
            peer->write(cdb10(0x2e, 0, 1), block),
            peer->write(cdb16(0x8b, 0, 1), block),
            peer->write(compare, join(there, there)),
            peer->write(cdb16(0x93, 0, 4), block),
            peer->write(cdb16(0x93, 0, 4), zeros),
            peer->write(cdb16(0x93, 0, 4, kSameUnmap), zeros),
            peer->write(cdb10(0x42, 0, 24), list)};
  }
};

TEST_F(StorageCache, WithoutWriteCacheEveryChangeIsStable) {
  start({make_file(1 << 20) + ",THIN"});
  set_write_cache(false);
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  size_t at = 0;
  for (const Outcome& outcome : change_medium()) {
    SCOPED_TRACE(at++);
    expect_sense(outcome, 3, 0x0c);
  }
  host_fail_storage(-1, 0);
  set_write_cache(true);
}

TEST_F(StorageCache, WithWriteCacheOnlyWriteAndVerifyFlushes) {
  start({make_file(1 << 20) + ",THIN"});
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  const std::vector<Outcome> outcomes = change_medium();
  for (size_t at = 0; at < outcomes.size(); ++at)
    EXPECT_EQ(outcomes[at].good(), at != 3) << at;
}

TEST_F(StorageCache, AReadWithFuaWritesBackFirst) {
  start({make_file(1 << 20), "ram,MEM"});
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  expect_sense(peer->read(cdb16(0x88, 0, 1, kReadFua), kBlock), 3, 0x0c);
  EXPECT_TRUE(peer->read(cdb16(0x88, 0, 1), kBlock).good());
  EXPECT_TRUE(peer->read(cdb16(0x88, 0, 1, kReadFua), kBlock, 1).good());
  host_fail_storage(-1, 0);
  EXPECT_EQ(peer->read(cdb16(0x88, 0, 1, kReadFua), kBlock).data, ByteVector(kBlock));
}

// The error is that of the pages that were written back. The next flush would find nothing of it.
TEST_F(StorageCache, AFlushThatFailsIsNeverAnsweredBusy) {
  start({make_file(1 << 20)});
  for (const int error : {-ENOMEM, -EBADE, -EAGAIN, -EBUSY, -EIO}) {
    SCOPED_TRACE(error);
    host_fail_storage(OS_STORAGE_FLUSH, error);
    expect_sense(flush(), 3, 0x0c);
    expect_sense(peer->write(cdb16(0x8a, 0, 1, kFua), pattern(kBlock)), 3, 0x0c);
  }
  host_fail_storage(OS_STORAGE_FLUSH, -ENOSPC);
  expect_sense(flush(), 7, 0x27, 0x07);
}

// Nothing has happened to the cache of a device that had no memory, or was somebody else's.
TEST_F(StorageCache, AFlushThatADeviceHasNotBegunMayBeRepeated) {
  start({make_file(1 << 20) + ",BLK"});
  host_fail_storage(OS_STORAGE_FLUSH, -ENOMEM);
  EXPECT_EQ(flush().status, 0x08);
  host_fail_storage(OS_STORAGE_FLUSH, -EBADE);
  EXPECT_EQ(flush().status, 0x18);
  host_fail_storage(-1, 0);
  EXPECT_TRUE(flush().good());
}

TEST_F(StorageCache, APlainWriteMayBeRepeated) {
  start({make_file(1 << 20)});
  for (const int error : {-ENOMEM, -EAGAIN, -EBUSY}) {
    host_fail_storage(OS_STORAGE_WRITE, error);
    EXPECT_EQ(write(0, pattern(kBlock)).status, 0x08) << error;
  }
}

// The host tells of lost pages once, whoever asks; whoever has written may have lost some.
TEST_F(StorageCache, EverySessionHearsOnceOfALostWrite) {
  start({make_file(1 << 20), make_file(1 << 20)});
  auto other = log_in(2);
  ASSERT_TRUE(write(3, pattern(kBlock)).good());
  lose_writes_at_flush(*other);
  expect_sense(flush(), 3, 0x0c);
  for (Initiator* who : {peer.get(), other.get()})
    EXPECT_TRUE(flush(*who).good());
  EXPECT_TRUE(flush(*peer, 1).good());
  // An initiator that comes back may have written before.
  auto third = log_in(3);
  expect_sense(flush(*third), 3, 0x0c);
  EXPECT_TRUE(flush(*third).good());
  lose_writes_at_flush(*peer);
  expect_sense(flush(*other), 3, 0x0c);
  EXPECT_TRUE(flush(*other).good());
  EXPECT_TRUE(flush().good());
}

TEST_F(StorageCache, WhatFindsALostWriteByTheWayKeepsItFromNobody) {
  const std::string file = make_file(1 << 20);
  start({file + ",THIN", file + ",THIN"});
  const auto expect_told_once = [this] {
    for (const uint64_t lun : {0, 1}) {
      expect_sense(flush(*peer, lun), 3, 0x0c);
      EXPECT_TRUE(flush(*peer, lun).good());
    }
  };
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  expect_sense(peer->read(cdb16(0x88, 0, 1, kReadFua), kBlock), 3, 0x0c);
  host_fail_storage(-1, 0);
  expect_told_once();
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  expect_sense(peer->write(cdb16(0x8a, 0, 1, kFua), pattern(kBlock)), 3, 0x0c);
  host_fail_storage(-1, 0);
  expect_told_once();
  set_write_cache(false);
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  expect_sense(peer->write(cdb16(0x93, 0, 4), ByteVector(kBlock)), 3, 0x0c);
  host_fail_storage(-1, 0);
  set_write_cache(true);
  expect_told_once();
}

TEST_F(StorageCache, AUnitThatGoesKeepsALostWriteFromNobody) {
  const std::string file = make_file(1 << 20);
  start({file, file});
  ASSERT_TRUE(write(3, pattern(kBlock)).good());
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  ASSERT_EQ(reconfigure({file}), 0);
  host_fail_storage(-1, 0);
  expect_sense(flush_after_attention(), 3, 0x0c);
  EXPECT_TRUE(flush().good());
}

// The write had been handed over when the cache was there, and its data comes afterwards.
TEST_F(StorageCache, AWriteThatWaitsForItsDataSeesTheCacheGo) {
  start({make_file(1 << 20)});
  const ByteVector data = pattern(kBlock);
  const Pdu command = peer->make_command(cdb16(0x8a, 0, 1), kBlock, iscsi::kCommandWrite);
  ASSERT_TRUE(peer->send(command) && peer->ping());
  set_write_cache(false);
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  expect_sense(peer->finish(command, &data), 3, 0x0c);
}

// The flush of who switches the cache off does not wait for it.
TEST_F(StorageCache, AWriteThatTheDeviceHasSeesTheCacheGo) {
  start({make_file(1 << 20) + ",THIN"});
  const ByteVector block = pattern(kBlock), zeros(kBlock);
  ByteVector compare = cdb16(0x89, 9, 0);
  compare[13] = 1;
  const std::pair<ByteVector, ByteVector> writes[] = {
      {cdb16(0x8a, 0, 1), block}, {compare, join(zeros, block)}, {cdb16(0x8b, 20, 1), block},
      {cdb16(0x93, 0, 4), block}, {cdb16(0x93, 0, 4), zeros},
  };
  for (const auto& [cdb, data] : writes) {
    SCOPED_TRACE(int{cdb[0]});
    host_hang_next_write();
    Pdu command = peer->make_command(cdb, static_cast<uint32_t>(data.size()), iscsi::kCommandWrite);
    command.data = data;
    ASSERT_TRUE(peer->send(command) && peer->ping());
    host_await_hang();
    set_write_cache(false);
    host_fail_storage(OS_STORAGE_FLUSH, -EIO);
    host_end_hang();
    expect_sense(peer->finish(command), 3, 0x0c);
    host_fail_storage(-1, 0);
    set_write_cache(true);
    flush();
  }
}

}  // namespace
}  // namespace chiscsi::test
