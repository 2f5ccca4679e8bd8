// SPDX-License-Identifier: GPL-2.0-only
//
// The medium commands that compare, clear, unmap and ask, over each kind of the built-in classes;
// and that two of them that overlap are not in each other's middle.
#include <algorithm>
#include <atomic>
#include <thread>

#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint8_t kFuaBit = 0x08, kBytchkBit = 0x02, kUnmapBit = 0x08, kNdobBit = 0x01;

class StorageCommands : public StorageOfEachKind {
 protected:
  static ByteVector compare_and_write_cdb(uint64_t first, uint8_t blocks, uint8_t options = 0) {
    ByteVector cdb = cdb16(0x89, first, 0, options);
    cdb[13] = blocks;
    return cdb;
  }
  static ByteVector unmap_list(const std::vector<std::pair<uint64_t, uint32_t>>& extents) {
    ByteVector list(8 + 16 * extents.size());
    list[1] = static_cast<uint8_t>(list.size() - 2);
    list[2] = static_cast<uint8_t>((list.size() - 8) >> 8);
    list[3] = static_cast<uint8_t>(list.size() - 8);
    for (size_t n = 0; n < extents.size(); ++n) {
      const ByteVector cdb = cdb16(0, extents[n].first, extents[n].second);
      std::copy(cdb.begin() + 2, cdb.begin() + 14, list.begin() + static_cast<long>(8 + 16 * n));
    }
    return list;
  }
  Outcome unmap(const ByteVector& list, uint8_t options = 0) {
    return peer->write(cdb10(0x42, 0, static_cast<uint16_t>(list.size()), options), list);
  }
  Outcome lba_status(uint64_t first, uint32_t length = 512) {
    ByteVector cdb = cdb16(0x9e, first, length, 0x12);
    return peer->read(cdb, length);
  }
};
INSTANTIATE_TEST_SUITE_P(, StorageCommands, testing::Values("MEM", "FILE", "DIRECT", "BLK"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(StorageCommands, AReadOnlyThinUnitShowsItsBlocksAndUnmapsNone) {
  start_one(",THIN,RO");
  const Outcome capacity = peer->read(cdb16(0x9e, 0, 32, 0x10), 32);
  ASSERT_TRUE(capacity.good());
  EXPECT_EQ(capacity.data.at(14) & 0x80, 0x80) << "LBPME";
  EXPECT_TRUE(lba_status(0).good());
  expect_sense(unmap(unmap_list({{0, 8}})), 7, 0x27);
  expect_sense(peer->write(cdb16(0x93, 0, 8, 0x08), ByteVector(kBlock)), 7, 0x27);
  EXPECT_EQ(read(0, 1), ByteVector(kBlock));
}

TEST_P(StorageCommands, VerifyReadsAndCompares) {
  start_one();
  const ByteVector data = pattern(1200 * kBlock);
  ASSERT_TRUE(write(7, data).good());
  EXPECT_TRUE(peer->no_data(cdb10(0x2f, 0, 5000)).good());
  EXPECT_TRUE(peer->write(cdb16(0x8f, 7, 1200, kBytchkBit), data).good());
  EXPECT_TRUE(peer->write(cdb10(0x2f, 7, 1200, kBytchkBit), data).good());
  ByteVector other = data;
  other[700 * kBlock + 13] ^= 1;
  const Outcome outcome = peer->write(cdb16(0x8f, 7, 1200, kBytchkBit), other);
  expect_sense(outcome, 0x0e, 0x1d);
  EXPECT_EQ(outcome.sense[0] & 0x80, 0x80);
  const uint32_t at = 700 * kBlock + 13;
  EXPECT_EQ(ByteVector(outcome.sense.begin() + 3, outcome.sense.begin() + 7),
            (ByteVector{0, static_cast<uint8_t>(at >> 16), static_cast<uint8_t>(at >> 8),
                        static_cast<uint8_t>(at)}));
  EXPECT_EQ(read(7, 1200), data);
  expect_sense(peer->no_data(cdb16(0x8f, kSize / kBlock - 1, 2)), 5, 0x21);
  expect_sense(peer->write(cdb16(0x8f, 0, 1, 0x06), pattern(kBlock)), 5, 0x24);
}

TEST_P(StorageCommands, WriteAndVerifyWrites) {
  start_one();
  const ByteVector data = pattern(700 * kBlock);
  EXPECT_TRUE(peer->write(cdb10(0x2e, 3, 700), data).good());
  EXPECT_EQ(read(3, 700), data);
  const ByteVector other = pattern(700 * kBlock, 2);
  EXPECT_TRUE(peer->write(cdb16(0x8e, 3, 700, kBytchkBit), other).good());
  EXPECT_EQ(read(3, 700), other);
}

TEST_P(StorageCommands, CompareAndWriteWritesWhenItIsTheSame) {
  start_one();
  const ByteVector old = pattern(3 * kBlock), fresh = pattern(3 * kBlock, 2);
  ASSERT_TRUE(write(9, old).good());
  EXPECT_TRUE(peer->write(compare_and_write_cdb(9, 3, kFuaBit), join(old, fresh)).good());
  EXPECT_EQ(read(9, 3), fresh);
  const Outcome outcome = peer->write(compare_and_write_cdb(9, 3), join(old, old));
  expect_sense(outcome, 0x0e, 0x1d);
  EXPECT_EQ(read(9, 3), fresh);
  EXPECT_TRUE(peer->no_data(compare_and_write_cdb(9, 0)).good());
}

TEST_P(StorageCommands, CompareAndWriteWantsAllOfItsData) {
  start_one();
  const ByteVector old(kBlock), fresh = pattern(kBlock);
  for (const size_t size : {size_t{kBlock}, size_t{kBlock} * 2 - 1, size_t{kBlock} * 4}) {
    ByteVector data = join(old, fresh);
    data.resize(size);
    expect_sense(peer->write(compare_and_write_cdb(0, 1), data), 5, 0x0e, 3);
  }
  expect_sense(peer->write(compare_and_write_cdb(kSize / kBlock, 1), join(old, fresh)), 5, 0x21);
  EXPECT_EQ(read(0, 1), old);
}

TEST_P(StorageCommands, OrWriteKeepsTheBitsThatAreThere) {
  start_one();
  const ByteVector old = pattern(300 * kBlock), fresh = pattern(300 * kBlock, 5);
  ASSERT_TRUE(write(2, old).good());
  EXPECT_TRUE(peer->write(cdb16(0x8b, 2, 300), fresh).good());
  ByteVector both = old;
  for (size_t i = 0; i < both.size(); ++i)
    both[i] |= fresh[i];
  EXPECT_EQ(read(2, 300), both);
}

TEST_P(StorageCommands, WriteSameRepeatsItsBlock) {
  start_one();
  const ByteVector block = pattern(kBlock);
  ASSERT_TRUE(write(0, pattern(2000 * kBlock, 3)).good());
  const ByteVector before = read(0, 2000);
  EXPECT_TRUE(peer->write(cdb16(0x93, 10, 1500), block).good());
  ByteVector expected = before;
  for (size_t n = 10; n < 1510; ++n)
    std::copy(block.begin(), block.end(), expected.begin() + static_cast<long>(n * kBlock));
  EXPECT_EQ(read(0, 2000), expected);
  EXPECT_TRUE(peer->write(cdb10(0x41, 20, 5), ByteVector(kBlock)).good());
  std::fill(expected.begin() + 20 * kBlock, expected.begin() + 25 * kBlock, uint8_t{0});
  EXPECT_EQ(read(0, 2000), expected);
}

TEST_P(StorageCommands, WriteSameOfNoBlocksGoesToTheEnd) {
  start_one();
  const uint64_t first = kSize / kBlock - 100;
  const ByteVector data = pattern(101 * kBlock);
  ASSERT_TRUE(write(first - 1, data).good());
  EXPECT_TRUE(peer->no_data(cdb16(0x93, first, 0, kNdobBit)).good());
  EXPECT_EQ(read(first, 100), ByteVector(100 * kBlock));
  EXPECT_EQ(read(first - 1, 1), ByteVector(data.begin(), data.begin() + kBlock));
}

TEST_P(StorageCommands, WriteSameRefusesWhatItDoesNotKnow) {
  start_one();
  const ByteVector block = pattern(kBlock);
  expect_pointer(peer->write(cdb16(0x93, 0, 1, 0x10), block), 1, 4);       // ANCHOR
  expect_pointer(peer->write(cdb16(0x93, 0, 1, 0x02), block), 1, 1);       // LBDATA
  expect_pointer(peer->write(cdb16(0x93, 0, 1, 0x20), block), 1, 7);       // WRPROTECT
  expect_pointer(peer->write(cdb16(0x93, 0, 1, kUnmapBit), block), 1, 3);  // It is not thin.
  expect_pointer(peer->write(cdb10(0x41, 0, 1, kUnmapBit), block), 1, 3);
  expect_pointer(peer->write(cdb10(0x41, 0, 1, kNdobBit), block), 1, 0);
  expect_sense(peer->write(cdb16(0x93, 0, 1), pattern(2 * kBlock)), 5, 0x0e, 3);
  expect_sense(peer->write(cdb16(0x93, 0, 1), pattern(100)), 5, 0x0e, 3);
  expect_sense(peer->write(cdb16(0x93, kSize / kBlock, 1), block), 5, 0x21);
  EXPECT_EQ(read(0, 1), ByteVector(kBlock));
}

TEST_P(StorageCommands, UnmappedBlocksReadAsZeros) {
  start_one(",THIN");
  const ByteVector data = pattern(64 * kBlock);
  ASSERT_TRUE(write(0, data).good());
  EXPECT_TRUE(unmap(unmap_list({{8, 8}, {32, 16}, {5, 0}})).good());
  ByteVector expected = data;
  std::fill(expected.begin() + 8 * kBlock, expected.begin() + 16 * kBlock, uint8_t{0});
  std::fill(expected.begin() + 32 * kBlock, expected.begin() + 48 * kBlock, uint8_t{0});
  EXPECT_EQ(read(0, 64), expected);
  EXPECT_TRUE(peer->write(cdb16(0x93, 0, 64, kUnmapBit), ByteVector(kBlock)).good());
  EXPECT_EQ(read(0, 64), ByteVector(64 * kBlock));
}

TEST_P(StorageCommands, ABadUnmapListUnmapsNothing) {
  start_one(",THIN");
  const ByteVector data = pattern(64 * kBlock);
  ASSERT_TRUE(write(0, data).good());
  const uint64_t end = kSize / kBlock;
  expect_sense(unmap(unmap_list({{0, 8}, {end - 1, 2}})), 5, 0x21);
  expect_sense(unmap(unmap_list({{0, 8}, {~uint64_t{0}, 0xffffffff}})), 5, 0x21);
  expect_pointer(unmap(unmap_list({{0, 8}}), 1), 1, 0);  // ANCHOR
  expect_sense(unmap({0, 6, 0, 0}), 5, 0x1a);
  std::vector<std::pair<uint64_t, uint32_t>> many(257, {0, 1});
  expect_wrong_parameter(unmap(unmap_list(many)), 2);
  // No more than 2^20 blocks at once: the last of these is one too many.
  many.assign(32, {0, static_cast<uint32_t>(end)});
  many.emplace_back(0, 1);
  expect_wrong_parameter(unmap(unmap_list(many)), 8 + 16 * 32 + 8);
  expect_sense(peer->no_data(cdb10(0x42, 0, 24)), 5, 0x0e, 3);
  EXPECT_TRUE(peer->no_data(cdb10(0x42, 0, 0)).good());
  ByteVector more_than_sent = unmap_list({{0, 8}});
  more_than_sent[3] = 32;
  more_than_sent.resize(8);
  EXPECT_TRUE(unmap(more_than_sent).good());
  EXPECT_EQ(read(0, 64), data);
}

// A block device does not say where it has nothing: its blocks are "mapped or unknown".
TEST_P(StorageCommands, LbaStatusOfABlockDeviceIsOfOneKind) {
  if (std::string(GetParam()) != "BLK") GTEST_SKIP() << "of a block device";
  start_one(",THIN");
  const Outcome outcome = lba_status(5);
  ASSERT_TRUE(outcome.good());
  EXPECT_EQ(outcome.data, (ByteVector{0, 0, 0, 20, 0, 0, 0,    0,    0, 0, 0, 0,
                                      0, 0, 0, 5,  0, 0, 0x7f, 0xfb, 0, 0, 0, 0}));
}

// What goes through the page cache can be there before it is read.
TEST_P(StorageCommands, PreFetchAsksForWhatWillBeRead) {
  start_one();
  const auto fetched_by = [&](const ByteVector& cdb) {
    const uint64_t before = host_prefetched();
    EXPECT_TRUE(peer->no_data(cdb).good());
    return host_prefetched() - before;
  };
  const uint64_t factor = std::string(GetParam()) == "FILE" ? kBlock : 0;
  EXPECT_EQ(fetched_by(cdb10(0x34, 100, 50)), 50 * factor);
  EXPECT_EQ(fetched_by(cdb16(0x90, 100, 50, 0x02)), 50 * factor);
  EXPECT_EQ(fetched_by(cdb16(0x90, kSize / kBlock - 7, 0)), 7 * factor);
  EXPECT_EQ(fetched_by(cdb10(0x34, 0, 0)), kSize / kBlock * factor);
}

TEST_P(StorageCommands, LbaStatusTellsHolesFromData) {
  if (std::string(GetParam()) == "BLK") GTEST_SKIP() << "a block device does not tell them";
  start_one(",THIN");
  ASSERT_TRUE(write(2048, pattern(1024 * kBlock)).good());
  peer->no_data(cdb10(0x35, 0, 0));
  Outcome outcome = lba_status(0);
  ASSERT_TRUE(outcome.good());
  ASSERT_GE(outcome.data.size(), 8u + 3 * 16);
  const auto descriptor = [&](size_t n) {
    return ByteVector(outcome.data.begin() + static_cast<long>(8 + 16 * n),
                      outcome.data.begin() + static_cast<long>(8 + 16 * n + 13));
  };
  EXPECT_EQ(descriptor(0), (ByteVector{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1}));
  EXPECT_EQ(descriptor(1), (ByteVector{0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0}));
  EXPECT_EQ(descriptor(2), (ByteVector{0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0x74, 0, 1}));
  EXPECT_EQ(outcome.data.size(), 8u + 3 * 16);
  EXPECT_EQ(outcome.data[3], 4 + 3 * 16);
  outcome = lba_status(2100, 24);
  EXPECT_EQ(outcome.data.size(), 24u);
  EXPECT_EQ(outcome.data[20], 0);
  ByteVector other_report = cdb16(0x9e, 0, 24, 0x12);
  other_report[14] = 1;
  expect_pointer(peer->read(other_report, 24), 14);
  expect_sense(lba_status(kSize / kBlock), 5, 0x21);
  expect_sense(lba_status(~uint64_t{0}), 5, 0x21);
  EXPECT_TRUE(peer->no_data(cdb16(0x9e, 0, 0, 0x12)).good());
}

TEST_P(StorageCommands, OnlyWhatTheClassRunsIsThere) {
  start_one();
  expect_sense(unmap(unmap_list({{0, 8}})), 5, 0x20);
  const Outcome one = peer->read({0xa3, 0x0c, 0x01, 0x42, 0, 0, 0, 0, 0, 64, 0, 0}, 64);
  ASSERT_TRUE(one.good());
  EXPECT_EQ(one.data[1] & 7, 1);
  const Outcome all = peer->read({0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0}, 2048);
  ASSERT_TRUE(all.good());
  bool has_unmap = false, has_compare = false;
  for (size_t at = 4; at + 8 <= all.data.size(); at += 8) {
    has_unmap |= all.data[at] == 0x42;
    has_compare |= all.data[at] == 0x89;
  }
  EXPECT_FALSE(has_unmap);
  EXPECT_TRUE(has_compare);
}

TEST_P(StorageCommands, AtomicWritesAreOfferedByMemoryAlone) {
  start_one();
  ByteVector cdb = cdb16(0x9c, 6, 0);
  cdb[13] = 16;
  const ByteVector data = pattern(16 * kBlock);
  const Outcome outcome = peer->write(cdb, data);
  if (std::string(GetParam()) != "MEM") return expect_sense(outcome, 5, 0x20);
  EXPECT_TRUE(outcome.good());
  EXPECT_EQ(read(6, 16), data);
  cdb[11] = 8;
  expect_pointer(peer->write(cdb, data), 10);
}

TEST_P(StorageCommands, ReservedBitsAreRefused) {
  start_one();
  const auto with = [](ByteVector cdb, size_t at, uint8_t bits) {
    cdb[at] |= bits;
    return cdb;
  };
  const ByteVector read = cdb16(0x88, 0, 1), data = pattern(kBlock);
  expect_pointer(peer->read(cdb10(0x28, 0, 1, 0x04), kBlock), 1, 2);
  expect_pointer(peer->read(with(cdb10(0x28, 0, 1), 6, 0x80), kBlock), 6, 7);
  expect_pointer(peer->read(with(read, 14, 0xc0), kBlock), 14, 7);
  expect_pointer(peer->write(cdb10(0x2a, 0, 1, 0x04), data), 1, 2);
  expect_pointer(
      peer->write(with(compare_and_write_cdb(0, 1), 10, 0xff), join(ByteVector(kBlock), data)), 10,
      7);
  expect_pointer(peer->no_data(cdb16(0x91, 0, 0, 0x80)), 1, 7);
  EXPECT_EQ(StorageTest::read(0, 1), ByteVector(kBlock));
  // RELADR and FUA_NV, SYNC_NV, the LUN of SCSI-2, group numbers.
  EXPECT_TRUE(peer->read(cdb10(0x28, 0, 1, 0x03), kBlock).good());
  EXPECT_TRUE(peer->no_data(cdb10(0x35, 0, 0, 0xe4)).good());
  EXPECT_TRUE(peer->read({0x08, 0xe0, 0, 0, 1, 0}, kBlock).good());
  EXPECT_TRUE(peer->read(with(read, 14, 0x3f), kBlock).good());
}

TEST_P(StorageCommands, TooManyBlocksArePointedAt) {
  start({line("", 32 << 20)});
  constexpr uint32_t kTooMany = (16 << 20) / kBlock + 1;
  ByteVector twelve = cdb10(0xa8, 0, 0);
  twelve[7] = kTooMany >> 16;
  twelve[8] = static_cast<uint8_t>(kTooMany >> 8);
  twelve[9] = static_cast<uint8_t>(kTooMany);
  expect_pointer(peer->no_data(cdb10(0x28, 0, kTooMany)), 7);
  expect_pointer(peer->no_data(twelve), 6);
  expect_pointer(peer->no_data(cdb16(0x88, 0, kTooMany)), 10);
  expect_pointer(peer->no_data(cdb16(0x8a, 0, kTooMany)), 10);
}

// A counter in two blocks that only COMPARE AND WRITE changes: no increment may be lost, and no
// reader may see the blocks differ.
TEST_P(StorageCommands, TwoThatOverlapAreNotInEachOthersMiddle) {
  start_one();
  constexpr uint32_t kRounds = 60;
  std::atomic<uint32_t> won{0}, torn{0};
  const auto count = [&](uint8_t isid) {
    auto other = log_in(isid);
    for (uint32_t round = 0; round < kRounds;) {
      const ByteVector seen = other->read(cdb16(0x88, 100, 2), 2 * kBlock).data;
      if (seen.size() != 2 * kBlock) return;
      if (!std::equal(seen.begin(), seen.begin() + kBlock, seen.begin() + kBlock)) ++torn;
      ByteVector next = seen;
      for (const size_t at : {size_t{0}, size_t{kBlock}}) {
        if (++next[at] == 0) ++next[at + 1];
      }
      const Outcome outcome = other->write(compare_and_write_cdb(100, 2), join(seen, next));
      if (outcome.good()) ++won, ++round;
    }
  };
  std::thread a(count, 2), b(count, 3);
  a.join();
  b.join();
  EXPECT_EQ(won, 2 * kRounds);
  EXPECT_EQ(torn, 0u);
  const ByteVector end = read(100, 2);
  EXPECT_EQ(end[0] + 256u * end[1], 2 * kRounds);
  EXPECT_EQ(end[kBlock] + 256u * end[kBlock + 1], 2 * kRounds);
}

}  // namespace
}  // namespace chiscsi::test
