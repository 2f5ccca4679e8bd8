// SPDX-License-Identifier: GPL-2.0-only
//
// Segments of a third-party copy against a model: what the destination holds in the end is what the
// standard says of the bytes of the source, whatever the block sizes, limits, overlaps and rests.
#include "target/scsi/segment_walk.hh"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <utility>

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.
using ByteVector = std::vector<uint8_t>;

struct Disk {
  uint32_t block_size;
  uint32_t most_blocks = 0;
  bool pads = false;
  ByteVector bytes;

  SegmentWalk::Device device() const {
    return {block_size, bytes.size() / block_size, most_blocks, pads};
  }
};

struct World {
  ByteVector buffer = ByteVector(128 * 1024);
  uint32_t held = 0;
  uint64_t transfers = 0;

  // All of a segment.
  Sense copy(Disk& from, Disk& to, const CopySegment& segment, bool is_last = true) {
    SegmentWalk walk;
    const MutableBytes memory(buffer.data(), buffer.size());
    const SegmentWalk::Context context{from.device(), to.device(), &from == &to, is_last};
    const Sense sense = walk.begin(segment, context, held, memory);
    if (!sense.is_good()) return sense;
    while (true) {
      const CopyTransfer transfer = walk.next();
      if (transfer.kind == CopyTransfer::kNothing) break;
      run(transfer, transfer.kind == CopyTransfer::kRead ? from : to);
      walk.done(memory);
      ++transfers;
    }
    held = walk.held();
    return sense;
  }

 private:
  void run(const CopyTransfer& transfer, Disk& disk) {
    ASSERT_GT(transfer.blocks, 0u);
    ASSERT_EQ(transfer.bytes, transfer.blocks * disk.block_size);
    ASSERT_LE(transfer.at + transfer.bytes, buffer.size());
    const uint64_t at = transfer.first * disk.block_size;
    ASSERT_LE(at + transfer.bytes, disk.bytes.size());
    if (disk.most_blocks != 0) {
      ASSERT_LE(transfer.blocks, disk.most_blocks);
    }
    if (transfer.kind == CopyTransfer::kRead) {
      memcpy(buffer.data() + transfer.at, disk.bytes.data() + at, transfer.bytes);
    } else {
      memcpy(disk.bytes.data() + at, buffer.data() + transfer.at, transfer.bytes);
    }
  }
};

ByteVector noise(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  ByteVector bytes(size);
  for (uint8_t& byte : bytes)
    byte = static_cast<uint8_t>(random());
  return bytes;
}
Disk make_disk(uint32_t block_size, size_t size, unsigned seed = 1) {
  return {block_size, 0, false, noise(size, seed)};
}
CopySegment segment_of(uint16_t blocks, uint64_t from, uint64_t to) {
  CopySegment segment;
  segment.blocks = blocks;
  segment.first_source = from;
  segment.first_destination = to;
  return segment;
}
ByteVector part(const ByteVector& bytes, size_t at, size_t size) {
  return {bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(at + size)};
}

TEST(SegmentWalk, CopiesThroughASmallBuffer) {
  Disk from = make_disk(512, 1 << 20, 1), to = make_disk(512, 1 << 20, 2);
  const ByteVector before = to.bytes;
  World world;
  ASSERT_TRUE(world.copy(from, to, segment_of(1000, 11, 500)).is_good());
  EXPECT_EQ(part(to.bytes, 500 * 512, 1000 * 512), part(from.bytes, 11 * 512, 1000 * 512));
  EXPECT_EQ(part(to.bytes, 0, 500 * 512), part(before, 0, 500 * 512));
  EXPECT_EQ(part(to.bytes, 1500 * 512, 1000), part(before, 1500 * 512, 1000));
  EXPECT_EQ(world.held, 0u);
  EXPECT_EQ(world.transfers, 2u * 4);
}

TEST(SegmentWalk, NoBlocksAreNoWork) {
  Disk from = make_disk(512, 4096), to = make_disk(512, 4096);
  World world;
  EXPECT_TRUE(world.copy(from, to, segment_of(0, 8, 8)).is_good());
  EXPECT_EQ(world.transfers, 0u);
}

TEST(SegmentWalk, NothingBeyondAnEnd) {
  Disk from = make_disk(512, 8 * 512), to = make_disk(512, 4 * 512);
  World world;
  const auto where = [&](uint16_t blocks, uint64_t first, uint64_t second) {
    const Sense sense = world.copy(from, to, segment_of(blocks, first, second));
    if (sense.is_good()) return 0;
    EXPECT_EQ(sense.code.key, 0x0a);
    EXPECT_EQ(sense.code.asc, 0);
    EXPECT_EQ(sense.field.place, FieldPointer::kSegment);
    return int{sense.field.byte};
  };
  EXPECT_EQ(where(4, 4, 0), 0);
  EXPECT_EQ(where(4, 5, 0), 12);
  EXPECT_EQ(where(5, 0, 0), 20);
  EXPECT_EQ(where(1, 0, 4), 20);
  EXPECT_EQ(where(0, 0, 5), 20);
  EXPECT_EQ(where(0xffff, 0, 0), 12);
  for (const uint64_t far :
       {~uint64_t{0}, ~uint64_t{0} - 1, uint64_t{1} << 55, uint64_t{1} << 63}) {
    EXPECT_EQ(where(2, far, 0), 12);
    EXPECT_EQ(where(2, 0, far), 20);
  }
}

// As if all had been read before anything was written, at every distance and with every limit.
TEST(SegmentWalk, OverlapsOnOneDevice) {
  const Disk fresh = make_disk(512, 1 << 20, 3);
  for (const uint32_t most : {0u, 1u, 7u, 100u}) {
    for (const int distance : {-300, -256, -255, -8, -1, 0, 1, 3, 255, 256, 257, 300, 700}) {
      Disk disk = fresh;
      disk.most_blocks = most;
      ByteVector expected = disk.bytes;
      const size_t to = static_cast<size_t>(400 + distance) * 512;
      memcpy(expected.data() + to, disk.bytes.data() + 400 * 512, 600 * 512);
      World world;
      ASSERT_TRUE(
          world.copy(disk, disk, segment_of(600, 400, static_cast<uint64_t>(400 + distance)))
              .is_good());
      EXPECT_TRUE(disk.bytes == expected) << distance << ", " << most;
    }
  }
}

TEST(SegmentWalk, SmallBlocksIntoLargeOnes) {
  Disk from = make_disk(512, 1 << 20, 1), to = make_disk(4096, 1 << 20, 2);
  World world;
  ASSERT_TRUE(world.copy(from, to, segment_of(800, 3, 5)).is_good());
  EXPECT_EQ(part(to.bytes, 5 * 4096, 800 * 512), part(from.bytes, 3 * 512, 800 * 512));
  CopySegment counted = segment_of(10, 1, 100);
  counted.counts_destination = true;
  ASSERT_TRUE(world.copy(from, to, counted).is_good());
  EXPECT_EQ(part(to.bytes, 100 * 4096, 10 * 4096), part(from.bytes, 512, 10 * 4096));
}

constexpr SenseCode kInexact{0x0a, 0x26, 0x0a};

TEST(SegmentWalk, ARestIsPaddedKeptDroppedOrRefused) {
  Disk from = make_disk(512, 1 << 20, 1), to = make_disk(4096, 1 << 20, 2);
  const ByteVector before = to.bytes;
  World world;
  EXPECT_TRUE(world.copy(from, to, segment_of(9, 0, 0)).code == kInexact);
  EXPECT_TRUE(to.bytes == before) << "nothing is copied";
  // PAD of the destination.
  to.pads = true;
  ASSERT_TRUE(world.copy(from, to, segment_of(9, 0, 0)).is_good());
  EXPECT_EQ(part(to.bytes, 0, 9 * 512), part(from.bytes, 0, 9 * 512));
  EXPECT_EQ(part(to.bytes, 9 * 512, 7 * 512), ByteVector(7 * 512));
  EXPECT_EQ(part(to.bytes, 8192, 512), part(before, 8192, 512));
  // CAT: the next segment begins with it.
  to.pads = false;
  CopySegment kept = segment_of(9, 100, 10);
  kept.keeps_rest = true;
  ASSERT_TRUE(world.copy(from, to, kept, false).is_good());
  EXPECT_EQ(world.held, 512u);
  EXPECT_EQ(part(to.bytes, 11 * 4096, 512), part(before, 11 * 4096, 512));
  ASSERT_TRUE(world.copy(from, to, segment_of(7, 300, 20)).is_good());
  EXPECT_EQ(part(to.bytes, 20 * 4096, 512), part(from.bytes, 108 * 512, 512));
  EXPECT_EQ(part(to.bytes, 20 * 4096 + 512, 7 * 512), part(from.bytes, 300 * 512, 7 * 512));
  EXPECT_EQ(world.held, 0u);
  // There is no next one: it is lost.
  ASSERT_TRUE(world.copy(from, to, kept, true).is_good());
  EXPECT_EQ(world.held, 0u);
  // PAD of the source alone: it is not wanted.
  from.pads = true;
  ASSERT_TRUE(world.copy(from, to, segment_of(9, 100, 10), false).is_good());
  EXPECT_EQ(world.held, 0u);
  EXPECT_EQ(part(to.bytes, 11 * 4096, 512), part(before, 11 * 4096, 512));
  // With the rest of another segment alone, padded.
  ASSERT_TRUE(world.copy(from, to, kept, false).is_good());
  EXPECT_EQ(world.held, 512u);
  to.pads = true;
  ASSERT_TRUE(world.copy(from, to, segment_of(0, 0, 30)).is_good());
  EXPECT_EQ(part(to.bytes, 30 * 4096, 512), part(from.bytes, 108 * 512, 512));
  EXPECT_EQ(part(to.bytes, 30 * 4096 + 512, 3584), ByteVector(3584));
  EXPECT_EQ(world.held, 0u);
}

TEST(SegmentWalk, ARestOfTheSource) {
  Disk from = make_disk(4096, 1 << 20, 1), to = make_disk(512, 1 << 20, 2);
  CopySegment segment = segment_of(9, 1, 0);
  segment.counts_destination = true;
  World world;
  EXPECT_TRUE(world.copy(from, to, segment).code == kInexact);
  to.pads = true;
  ASSERT_TRUE(world.copy(from, to, segment, true).is_good());
  EXPECT_EQ(world.held, 0u);
  ASSERT_TRUE(world.copy(from, to, segment, false).is_good());
  EXPECT_EQ(std::exchange(world.held, 0), 7u * 512);
  to.pads = false;
  segment.keeps_rest = true;
  ASSERT_TRUE(world.copy(from, to, segment, false).is_good());
  EXPECT_EQ(world.held, 7u * 512);
  EXPECT_EQ(part(to.bytes, 0, 9 * 512), part(from.bytes, 4096, 9 * 512));
  // Enough is there for the next: nothing is read.
  segment = segment_of(7, 200, 100);
  segment.counts_destination = true;
  world.transfers = 0;
  ASSERT_TRUE(world.copy(from, to, segment).is_good());
  EXPECT_EQ(world.transfers, 1u);
  EXPECT_EQ(part(to.bytes, 100 * 512, 7 * 512), part(from.bytes, 4096 + 9 * 512, 7 * 512));
  from.pads = true;
  segment.blocks = 9;
  ASSERT_TRUE(world.copy(from, to, segment).is_good());
  EXPECT_EQ(world.held, 0u) << "dropped";
}

// Chains of segments with random sizes and bits: the destination holds the stream of the source.
TEST(SegmentWalk, RandomChainsAreAStream) {
  std::mt19937 random(4);
  const uint32_t sizes[] = {512, 1024, 4096, 65536};
  size_t copied = 0;
  const ByteVector source = noise(2 << 20, 5), destination = noise(2 << 20, 6);
  for (int round = 0; round < 500; ++round) {
    Disk from{sizes[random() % 4], 0, false, source},
        to{sizes[random() % 4], 0, false, destination};
    from.most_blocks = random() % 3 == 0 ? 1 + random() % 9 : 0;
    to.most_blocks = random() % 3 == 0 ? 1 + random() % 9 : 0;
    World world;
    ByteVector stream;
    uint64_t end = 0;
    for (int i = 0; i < 4; ++i) {
      CopySegment segment =
          segment_of(static_cast<uint16_t>(random() % (300000 / from.block_size + 2)),
                     random() % 16, end / to.block_size);
      segment.keeps_rest = true;
      if (!world.copy(from, to, segment, false).is_good()) break;
      const ByteVector more = part(from.bytes, segment.first_source * from.block_size,
                                   size_t{segment.blocks} * from.block_size);
      stream.insert(stream.end(), more.begin(), more.end());
      end = stream.size() - world.held;
      ASSERT_LT(world.held, to.block_size);
      ++copied;
    }
    ASSERT_EQ(part(to.bytes, 0, end), part(stream, 0, end)) << round;
    ASSERT_TRUE(part(to.bytes, end, to.bytes.size() - end) ==
                part(destination, end, destination.size() - end));
  }
  EXPECT_GT(copied, 1000u);
}

}  // namespace
}  // namespace chiscsi::test
